//! Damaged rows of logs, kept for whoever wants to look: `quarantine(id, log, first, count, tick, crc, bytes)`.
//!
//! Bounded: the oldest go. The rows stay in their logs too, until those are trimmed, so that every reader sees the gap.

use rusqlite::{Connection, params};

use super::{StoreError, log};

const ROWS_MAX: i64 = 64;

/// A larger row is kept without its bytes.
const ROW_BYTES_MAX: i64 = 256 << 10;

/// Copies the row of log `id` that begins at `first`; once, however often it is asked for.
pub(super) fn keep(db: &Connection, id: i64, first: u64) -> Result<(), StoreError> {
    let table = log::table(id);
    let sql = format!(
        "INSERT OR IGNORE INTO quarantine(log, first, count, tick, crc, bytes)
         SELECT ?1, first, count, tick, crc, CASE WHEN LENGTH(bytes) <= ?3 THEN bytes ELSE x'' END FROM {table} WHERE first = ?2"
    );
    if db.prepare_cached(&sql)?.execute(params![id, first as i64, ROW_BYTES_MAX])? > 0 {
        db.prepare_cached("DELETE FROM quarantine WHERE id <= (SELECT MAX(id) FROM quarantine) - ?1")?
            .execute([ROWS_MAX])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn rows_are_kept_once_and_not_without_end() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::TABLES).unwrap();
        log::create_table(&db, 3).unwrap();
        for first in 0..100 {
            let bytes = vec![1u8; if first == 99 { 300 << 10 } else { 10 }];
            db.execute("INSERT INTO log_3 VALUES (?1, 1, 2, 3, 4, ?2)", params![first, bytes]).unwrap();
            keep(&db, 3, first as u64).unwrap();
            keep(&db, 3, first as u64).unwrap();
        }
        let kept: (i64, i64, i64) = db
            .query_row("SELECT COUNT(*), MIN(first), SUM(LENGTH(bytes)) FROM quarantine", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
        assert_eq!(kept, (64, 36, 630));
    }
}
