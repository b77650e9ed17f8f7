//! MQTT sessions as far as inbound QoS 2 needs them: `session(client, expiry_s, closed, crc)` and
//! `received(client, packet_id, crc)`, the ids of publishes that were taken and not yet released.
//!
//! Checksums cover what stands before them in the row. A session of which anything is damaged is no session any more:
//! its client is told so when it connects, and that is better than an id that was forgotten or never received.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SessionChange, StoreError, StoredSession};
use crate::model::Millis;

fn checksum(client: &str, expiry_s: u32, closed: Option<Millis>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&expiry_s.to_le_bytes());
    hasher.update(&[u8::from(closed.is_some())]);
    hasher.update(&closed.unwrap_or(0).to_le_bytes());
    hasher.update(client.as_bytes());
    hasher.finalize()
}

fn received_checksum(client: &str, packet_id: u16) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&packet_id.to_le_bytes());
    hasher.update(client.as_bytes());
    hasher.finalize()
}

/// All that are whole; the others are deleted, and said.
pub(super) fn all(db: &Connection, findings: &mut Vec<String>) -> Result<Vec<StoredSession>, StoreError> {
    let mut damaged = BTreeSet::new();
    let mut received: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    let mut statement = db.prepare("SELECT client, packet_id, crc FROM received ORDER BY client, packet_id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let client: String = row.get(0)?;
        match read_received(row, &client) {
            Some(packet_id) => received.entry(client).or_default().push(packet_id),
            None => drop(damaged.insert(client)),
        }
    }
    let mut sessions = Vec::new();
    let mut statement = db.prepare("SELECT client, expiry_s, closed, crc FROM session ORDER BY client")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let client: String = row.get(0)?;
        let received = received.remove(&client).unwrap_or_default();
        match read_session(row, client.clone(), received).filter(|session| !damaged.contains(&session.client)) {
            Some(session) => sessions.push(session),
            None => drop(damaged.insert(client)),
        }
    }
    for client in received.into_keys().chain(damaged) {
        apply(db, &SessionChange::Drop { client: client.clone() })?;
        findings.push(format!("the MQTT session of {client:?} is damaged and left out"));
    }
    Ok(sessions)
}

fn read_received(row: &Row, client: &str) -> Option<u16> {
    let packet_id = row.get(1).ok()?;
    (row.get::<_, u32>(2).ok()? == received_checksum(client, packet_id)).then_some(packet_id)
}

fn read_session(row: &Row, client: String, received: Vec<u16>) -> Option<StoredSession> {
    let (expiry_s, closed) = (row.get(1).ok()?, row.get(2).ok()?);
    let sound = row.get::<_, u32>(3).ok()? == checksum(&client, expiry_s, closed);
    sound.then_some(StoredSession { client, expiry_s, closed, received })
}

fn put(db: &Connection, client: &str, expiry_s: u32, closed: Option<Millis>) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR REPLACE INTO session(client, expiry_s, closed, crc) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![client, expiry_s, closed, checksum(client, expiry_s, closed)])?;
    Ok(())
}

pub(super) fn apply(db: &Connection, change: &SessionChange) -> Result<(), StoreError> {
    match change {
        SessionChange::Open { client, expiry_s, .. } => put(db, client, *expiry_s, None)?,
        SessionChange::Closed { client, now } => {
            let mut select = db.prepare_cached("SELECT expiry_s FROM session WHERE client = ?1")?;
            if let Some(expiry_s) = select.query_row([client], |row| row.get(0)).optional()? {
                put(db, client, expiry_s, Some(*now))?;
            }
        }
        SessionChange::Drop { client } => {
            db.prepare_cached("DELETE FROM received WHERE client = ?1")?.execute([client])?;
            db.prepare_cached("DELETE FROM session WHERE client = ?1")?.execute([client])?;
        }
        SessionChange::Received { client, packet_id } => {
            db.prepare_cached("INSERT OR IGNORE INTO received(client, packet_id, crc) VALUES (?1, ?2, ?3)")?
                .execute(params![client, packet_id, received_checksum(client, *packet_id)])?;
        }
        SessionChange::Released { client, packet_id } => {
            db.prepare_cached("DELETE FROM received WHERE client = ?1 AND packet_id = ?2")?
                .execute(params![client, packet_id])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::schema;
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::TABLES).unwrap();
        db
    }

    fn with_ids(db: &Connection, client: &str, ids: &[u16]) {
        let client = client.to_owned();
        apply(db, &SessionChange::Open { client: client.clone(), expiry_s: 60, now: 1 }).unwrap();
        for packet_id in ids {
            apply(db, &SessionChange::Received { client: client.clone(), packet_id: *packet_id }).unwrap();
        }
    }

    proptest! {
        #[test]
        fn sessions_come_back(sessions in prop::collection::btree_map("[a-e]", (any::<u32>(), any::<Option<i64>>(), prop::collection::btree_set(1..u16::MAX, 0..5)), 0..5)) {
            let (db, mut expected) = (database(), Vec::new());
            for (client, (expiry_s, closed, ids)) in sessions {
                apply(&db, &SessionChange::Open { client: client.clone(), expiry_s, now: 0 }).unwrap();
                for packet_id in &ids {
                    apply(&db, &SessionChange::Received { client: client.clone(), packet_id: *packet_id }).unwrap();
                }
                if let Some(now) = closed {
                    apply(&db, &SessionChange::Closed { client: client.clone(), now }).unwrap();
                }
                expected.push(StoredSession { client, expiry_s, closed, received: ids.into_iter().collect() });
            }
            let mut findings = Vec::new();
            prop_assert_eq!(all(&db, &mut findings).unwrap(), expected);
            prop_assert!(findings.is_empty());
        }
    }

    #[test]
    fn a_damaged_session_goes_whole_and_the_others_stay() {
        for damage in [
            "UPDATE session SET closed = 5 WHERE client = 'b'",
            "UPDATE session SET expiry_s = -1 WHERE client = 'b'",
            "UPDATE received SET packet_id = 77 WHERE client = 'b' AND packet_id = 7",
            "UPDATE received SET crc = 'x' WHERE client = 'b' AND packet_id = 8",
            "DELETE FROM session WHERE client = 'b'",
        ] {
            let (db, mut findings) = (database(), Vec::new());
            with_ids(&db, "a", &[1, 2]);
            with_ids(&db, "b", &[7, 8]);
            db.execute(damage, []).unwrap();
            let sessions = all(&db, &mut findings).unwrap();
            assert_eq!(sessions.iter().map(|session| session.client.as_str()).collect::<Vec<_>>(), ["a"], "{damage}");
            assert_eq!((findings.len(), sessions[0].received.as_slice()), (1, &[1, 2][..]), "{damage}");
            assert_eq!(all(&db, &mut findings).unwrap(), sessions);
            assert_eq!(findings.len(), 1, "it is said once");
        }
    }
}
