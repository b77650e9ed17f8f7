//! Cursors: `cursor(log, reader, next)`, the next offset each reader wants.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

pub(super) fn read(db: &Connection, log: i64, reader: &str) -> Result<Option<u64>, StoreError> {
    let mut statement = db.prepare_cached("SELECT next FROM cursor WHERE log = ?1 AND reader = ?2")?;
    Ok(statement.query_row(params![log, reader], |row| row.get::<_, i64>(0)).optional()?.map(|next| next as u64))
}

pub(super) fn all(db: &Connection) -> Result<BTreeMap<(i64, String), u64>, StoreError> {
    let mut statement = db.prepare("SELECT log, reader, next FROM cursor")?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get::<_, i64>(2)? as u64)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Moves a cursor; back only with `rewind`.
pub(super) fn advance(db: &Connection, log: i64, reader: &str, next: u64, rewind: bool) -> Result<(), StoreError> {
    let sql = if rewind {
        "INSERT INTO cursor(log, reader, next) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET next = excluded.next"
    } else {
        "INSERT INTO cursor(log, reader, next) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET next = MAX(next, excluded.next)"
    };
    db.prepare_cached(sql)?.execute(params![log, reader, next as i64])?;
    Ok(())
}
