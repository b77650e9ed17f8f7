//! Cursors: `cursor(log, reader, next, crc)`, the next offset each reader wants.
//!
//! A cursor that is wrong by one flipped bit would lose records unseen, so each carries a checksum over its row.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

fn checksum(log: i64, reader: &str, next: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&log.to_le_bytes());
    hasher.update(&next.to_le_bytes());
    hasher.update(reader.as_bytes());
    hasher.finalize()
}

pub(super) fn read(db: &Connection, log: i64, reader: &str) -> Result<Option<u64>, StoreError> {
    let mut statement = db.prepare_cached("SELECT next FROM cursor WHERE log = ?1 AND reader = ?2")?;
    Ok(statement.query_row(params![log, reader], |row| row.get::<_, i64>(0)).optional()?.map(|next| next as u64))
}

/// The furthest cursor of a log.
pub(super) fn highest(db: &Connection, log: i64) -> Result<u64, StoreError> {
    let mut statement = db.prepare_cached("SELECT COALESCE(MAX(next), 0) FROM cursor WHERE log = ?1")?;
    Ok(statement.query_row([log], |row| row.get::<_, i64>(0))? as u64)
}

/// Deletes the cursors whose checksum is wrong, and says which: those readers begin at the start of their log.
pub(super) fn check(db: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare("SELECT log, reader, next, crc FROM cursor")?;
    let rows = statement.query_map([], |row| {
        let (log, reader, next): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let sound = next >= 0 && row.get::<_, i64>(3)? == i64::from(checksum(log, &reader, next as u64));
        Ok((log, reader, sound))
    })?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let mut findings = Vec::new();
    for (log, reader, _) in rows.iter().filter(|(_, _, sound)| !sound) {
        db.execute("DELETE FROM cursor WHERE log = ?1 AND reader = ?2", params![log, reader])?;
        findings.push(format!("the cursor of {reader} in log {log} is damaged: it begins at the start of the log"));
    }
    Ok(findings)
}

pub(super) fn all(db: &Connection) -> Result<BTreeMap<(i64, String), u64>, StoreError> {
    let mut statement = db.prepare("SELECT log, reader, next FROM cursor")?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get::<_, i64>(2)? as u64)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Moves a cursor, never back.
pub(super) fn advance(db: &Connection, log: i64, reader: &str, next: u64) -> Result<(), StoreError> {
    if read(db, log, reader)?.is_some_and(|now| now >= next) {
        return Ok(());
    }
    db.prepare_cached("INSERT OR REPLACE INTO cursor(log, reader, next, crc) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![log, reader, next as i64, checksum(log, reader, next)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::schema;
    use super::*;

    proptest! {
        #[test]
        fn cursors_come_back_and_never_go_back(moves in prop::collection::vec((0..3i64, "[ab]", 0..1000u64), 0..30)) {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch(schema::TABLES).unwrap();
            let mut expected: BTreeMap<(i64, String), u64> = BTreeMap::new();
            for (log, reader, next) in moves {
                advance(&db, log, &reader, next).unwrap();
                let at = expected.entry((log, reader)).or_insert(next);
                *at = next.max(*at);
            }
            prop_assert_eq!(check(&db).unwrap(), Vec::<String>::new());
            for log in 0..3 {
                let highest_expected = expected.iter().filter(|((l, _), _)| *l == log).map(|(_, at)| *at).max();
                prop_assert_eq!(highest(&db, log).unwrap(), highest_expected.unwrap_or(0));
            }
            prop_assert_eq!(all(&db).unwrap(), expected);
        }
    }

    #[test]
    fn a_cursor_changed_by_the_disk_is_not_believed() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::TABLES).unwrap();
        advance(&db, 1, "a", 5).unwrap();
        advance(&db, 2, "a", 6).unwrap();
        db.execute("UPDATE cursor SET next = next + 64 WHERE log = 1", []).unwrap();
        assert_eq!(check(&db).unwrap().len(), 1);
        assert_eq!(all(&db).unwrap(), BTreeMap::from([((2, "a".to_owned()), 6)]));
    }
}
