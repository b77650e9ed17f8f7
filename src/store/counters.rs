//! Durable counters, and where each log stands: one small row that changes with each commit, `counters(id = 0, bytes)`.
//! The counters' names are written once, each to a row of its own: `counter_name(id, name, crc)`.
//!
//! ```text
//! bytes   CRC-32 of the rest u32; logs: count, (id, end, low)…; counters: count, value… by the id of their names
//! ```
//! Numbers are varints. Ends and lows stand in the logs and cursors too; here they are a second time, so that what a
//! damaged log has lost at its end can be told exactly.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;
use crate::model::varint;

/// The counters in memory. A copy is cheap: copies share the names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counters {
    ids: Arc<BTreeMap<String, usize>>,
    values: Vec<u64>,
    /// Names below this id are in the store.
    named: usize,
}

/// Where a log stood at the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The next offset.
    pub end: u64,
    /// The smallest cursor of its readers, 0 where one has none yet; `end` of a log without readers.
    pub low: u64,
}

/// By the number of the log's table.
pub(super) type Standings = BTreeMap<i64, Standing>;

impl Counters {
    pub fn raise(&mut self, name: &str, by: u64) {
        let id = match self.ids.get(name) {
            Some(id) => *id,
            None => {
                self.values.push(0);
                let id = self.values.len() - 1;
                Arc::make_mut(&mut self.ids).insert(name.to_owned(), id);
                id
            }
        };
        self.values[id] = self.values[id].saturating_add(by);
    }

    pub fn to_map(&self) -> BTreeMap<String, u64> {
        self.ids.iter().map(|(name, id)| (name.clone(), self.values[*id])).collect()
    }

    /// The row's bytes.
    pub fn encode(&self, standings: &Standings) -> Vec<u8> {
        let mut out = vec![0; 4];
        varint::put(&mut out, standings.len() as u64);
        for (log, Standing { end, low }) in standings {
            for number in [*log as u64, *end, *low] {
                varint::put(&mut out, number);
            }
        }
        varint::put(&mut out, self.values.len() as u64);
        self.values.iter().for_each(|value| varint::put(&mut out, *value));
        let crc = crc32fast::hash(&out[4..]);
        out[..4].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Puts the row into the store, and the names that are not there yet.
    pub fn write(&mut self, db: &Connection, row: &[u8]) -> Result<(), StoreError> {
        if self.named < self.values.len() {
            let mut insert =
                db.prepare_cached("INSERT OR REPLACE INTO counter_name(id, name, crc) VALUES (?1, ?2, ?3)")?;
            for (name, id) in self.ids.iter().filter(|(_, id)| **id >= self.named) {
                insert.execute(params![*id as i64, name, name_checksum(*id, name)])?;
            }
            self.named = self.values.len();
        }
        db.prepare_cached(
            "INSERT INTO counters(id, bytes) VALUES (0, ?1) ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
        )?
        .execute([row])?;
        Ok(())
    }
}

fn name_checksum(id: usize, name: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(id as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.finalize()
}

/// What the store holds. Without a sound row the counters begin at zero, and nobody knows any more where the logs ended
/// but the logs themselves: that is said. A store that was just made has no row.
pub(super) fn read(db: &Connection, findings: &mut Vec<String>) -> Result<(Counters, Standings), StoreError> {
    let bytes: Option<Vec<u8>> =
        db.query_row("SELECT bytes FROM counters WHERE id = 0", [], |row| row.get(0)).optional()?;
    let is_new = db.query_row("SELECT COUNT(*) FROM log", [], |row| row.get::<_, i64>(0))? == 0;
    let Some((standings, values)) = bytes.as_deref().and_then(decode) else {
        if !is_new {
            findings.push(
                "the counters are damaged: they begin at zero, and if records are gone from the end of a log, \
                 nobody knows how many"
                    .to_owned(),
            );
        }
        db.execute("DELETE FROM counter_name", [])?;
        return Ok((Counters::default(), Standings::new()));
    };
    let mut ids = BTreeMap::new();
    let mut statement = db.prepare("SELECT id, name, crc FROM counter_name")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        let id = usize::try_from(id).unwrap_or(usize::MAX);
        if id < values.len() && row.get::<_, i64>(2)? == i64::from(name_checksum(id, &name)) {
            ids.insert(name, id);
        }
    }
    let nameless = values.len() - ids.len();
    if nameless > 0 {
        findings.push(format!("{nameless} counters have lost their names: they begin at zero"));
    }
    Ok((Counters { ids: Arc::new(ids), named: values.len(), values }, standings))
}

fn decode(bytes: &[u8]) -> Option<(Standings, Vec<u64>)> {
    let (crc, mut bytes) = bytes.split_first_chunk::<4>()?;
    if crc32fast::hash(bytes) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut number = || varint::take(&mut bytes);
    let mut standings = Standings::new();
    for _ in 0..number()? {
        let log = i64::try_from(number()?).ok()?;
        standings.insert(log, Standing { end: number()?, low: number()? });
    }
    let mut values = Vec::new();
    for _ in 0..number()? {
        values.push(number()?);
    }
    bytes.is_empty().then_some((standings, values))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::schema;
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::TABLES).unwrap();
        db.execute("INSERT INTO log(name) VALUES ('journal')", []).unwrap();
        db
    }

    fn write(db: &Connection, counters: &mut Counters, standings: &Standings) {
        let row = counters.encode(standings);
        counters.write(db, &row).unwrap();
    }

    proptest! {
        #[test]
        fn counters_and_standings_come_back(raises in prop::collection::vec(("[a-d]{1,2}", 0..u64::MAX >> 8), 0..40), ends in prop::collection::btree_map(1..9i64, any::<(u64, u64)>(), 0..5)) {
            let (db, mut counters, mut expected) = (database(), Counters::default(), BTreeMap::new());
            let standings: Standings = ends.into_iter().map(|(log, (end, low))| (log, Standing { end, low })).collect();
            for (index, (name, by)) in raises.into_iter().enumerate() {
                counters.raise(&name, by);
                *expected.entry(name).or_insert(0u64) += by;
                if index % 3 == 0 {
                    write(&db, &mut counters, &standings);
                }
            }
            write(&db, &mut counters, &standings);
            let mut findings = Vec::new();
            let (read, places) = read(&db, &mut findings).unwrap();
            prop_assert_eq!((read.to_map(), places), (expected, standings));
            prop_assert_eq!(read, counters);
            prop_assert!(findings.is_empty());
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut checked = crc32fast::hash(&bytes).to_le_bytes().to_vec();
            checked.extend(&bytes);
            let _ = (decode(&bytes), decode(&checked));
        }
    }

    #[test]
    fn a_damaged_row_begins_at_zero_and_says_so() {
        let (db, mut counters, mut findings) = (database(), Counters::default(), Vec::new());
        counters.raise("a", 7);
        write(&db, &mut counters, &Standings::from([(1, Standing { end: 9, low: 3 })]));
        db.execute("UPDATE counters SET bytes = CAST(SUBSTR(bytes, 1, LENGTH(bytes) - 1) || x'08' AS BLOB)", [])
            .unwrap();
        let (mut read, standings) = read(&db, &mut findings).unwrap();
        assert!(read.to_map().is_empty() && standings.is_empty());
        assert!(findings[0].contains("begin at zero"), "{findings:?}");
        read.raise("b", 1);
        write(&db, &mut read, &standings);
        let (again, _) = super::read(&db, &mut findings).unwrap();
        assert_eq!((again.to_map(), findings.len()), (BTreeMap::from([("b".to_owned(), 1)]), 1));
    }

    #[test]
    fn a_counter_whose_name_is_damaged_begins_at_zero_and_the_others_stay() {
        let (db, mut counters, mut findings) = (database(), Counters::default(), Vec::new());
        ["a", "b", "c"].iter().for_each(|name| counters.raise(name, 5));
        write(&db, &mut counters, &Standings::new());
        db.execute("UPDATE counter_name SET name = 'x' WHERE name = 'b'", []).unwrap();
        let (mut read, standings) = read(&db, &mut findings).unwrap();
        assert_eq!(read.to_map(), BTreeMap::from([("a".to_owned(), 5), ("c".to_owned(), 5)]));
        assert_eq!(findings.len(), 1);
        read.raise("b", 2);
        write(&db, &mut read, &standings);
        let (again, _) = super::read(&db, &mut Vec::new()).unwrap();
        assert_eq!(again.to_map().get("b"), Some(&2));
    }
}
