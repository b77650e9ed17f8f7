//! From the tables of an older version to today's, in one transaction: either all of it is done, or the file is as it was.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::counters::{Counters, Standings};
use super::{StoreError, schema};

/// Versions 1 and 2 kept of a session the QoS 2 packet ids that its client had sent, and nothing else. They begin anew.
const OLD_SESSIONS: &str = "DROP TABLE session; DROP TABLE received;";

/// Version 1 also had the counters' names in the counters' row.
pub(super) fn from_1(db: &Connection) -> Result<(), StoreError> {
    let create = schema::TABLES;
    db.execute_batch(&format!("BEGIN IMMEDIATE; {OLD_SESSIONS} {create}"))?;
    let row: Option<Vec<u8>> =
        db.query_row("SELECT bytes FROM counters WHERE id = 0", [], |row| row.get(0)).optional()?;
    // Without counters, or with damaged ones, the opening says what that means.
    if let Some(values) = row.and_then(|row| counters_of_1(&row)) {
        let mut counters = Counters::default();
        values.iter().for_each(|(name, value)| counters.raise(name, *value));
        let row = counters.encode(&Standings::new());
        counters.write(db, &row)?;
    }
    db.execute_batch(&format!("PRAGMA user_version = {}; COMMIT", schema::VERSION))?;
    Ok(())
}

pub(super) fn from_2(db: &Connection) -> Result<(), StoreError> {
    let (create, version) = (schema::TABLES, schema::VERSION);
    db.execute_batch(&format!("BEGIN IMMEDIATE; {OLD_SESSIONS} {create} PRAGMA user_version = {version}; COMMIT"))?;
    Ok(())
}

/// CRC-32 of the rest u32; for each counter: length of its name u16, name, value u64 (little endian).
fn counters_of_1(bytes: &[u8]) -> Option<BTreeMap<String, u64>> {
    let (crc, mut bytes) = bytes.split_first_chunk::<4>()?;
    if crc32fast::hash(bytes) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut counters = BTreeMap::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (value, rest) = rest.split_first_chunk::<8>()?;
        counters.insert(std::str::from_utf8(name).ok()?.to_owned(), u64::from_le_bytes(*value));
        bytes = rest;
    }
    Some(counters)
}

#[cfg(test)]
mod tests {
    use super::super::{Table, rows};
    use super::*;

    /// The tables as version 1 made them.
    const TABLES_1: &str = "
        CREATE TABLE log(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
        CREATE TABLE cursor(log INTEGER NOT NULL, reader TEXT NOT NULL, next INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(log, reader)) WITHOUT ROWID;
        CREATE TABLE counters(id INTEGER PRIMARY KEY CHECK(id = 0), bytes BLOB NOT NULL);
        CREATE TABLE snapshot(name TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, state BLOB NOT NULL, crc INTEGER NOT NULL);
        CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE session(client TEXT PRIMARY KEY, expiry_s INTEGER NOT NULL, closed INTEGER) WITHOUT ROWID;
        CREATE TABLE received(client TEXT NOT NULL, packet_id INTEGER NOT NULL, PRIMARY KEY(client, packet_id)) WITHOUT ROWID;
        CREATE TABLE quarantine(id INTEGER PRIMARY KEY, log INTEGER NOT NULL, first INTEGER NOT NULL, count, tick, crc, bytes BLOB, UNIQUE(log, first));
        INSERT INTO log(name) VALUES ('journal');
        INSERT INTO session VALUES ('a', 60, NULL), ('b', 70, 5);
        INSERT INTO received VALUES ('b', 3), ('b', 4);
        PRAGMA user_version = 1;";

    #[test]
    fn a_store_of_version_1_goes_on_with_its_counters() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(TABLES_1).unwrap();
        let mut row = vec![0; 4];
        for (name, value) in [("in", 7u64), ("out", 1 << 40)] {
            row.extend((name.len() as u16).to_le_bytes());
            row.extend(name.as_bytes());
            row.extend(value.to_le_bytes());
        }
        let crc = crc32fast::hash(&row[4..]);
        row[..4].copy_from_slice(&crc.to_le_bytes());
        db.execute("INSERT INTO counters VALUES (0, ?1)", [row]).unwrap();
        from_1(&db).unwrap();
        let mut findings = Vec::new();
        let (counters, standings) = super::super::counters::read(&db, &mut findings).unwrap();
        assert_eq!(counters.to_map(), BTreeMap::from([("in".to_owned(), 7), ("out".to_owned(), 1 << 40)]));
        assert!(standings.is_empty());
        assert_eq!(rows::each(&db, Table::Session, |_, _| panic!("a session")).unwrap(), 0);
        assert!(findings.is_empty(), "{findings:?}");
        let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, schema::VERSION);
    }
}
