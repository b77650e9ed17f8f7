//! The logs: a table each, `log_N(first PRIMARY KEY, count, tick, total, crc, bytes)`, whose key is the block's first
//! offset.
//!
//! `total` is the sum of the stored bytes of this block and all before it, so that a log's size needs no scan. `crc`
//! covers N and everything else in the row.
//!
//! Holds always: the rows tile the log from its start to its end, so that a hole between rows is damage, and is told
//! like a damaged row. The end stands in two places: in the newest row, which is never deleted, and beside the counters.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::counters::Standing;
use super::{Block, LogSettings, Overflow, Records, StoreError, cursors, records};
use crate::model::Millis;

/// Blocks deleted at once: a trim stays a small part of its commit.
pub(super) const TRIM_BLOCKS_MAX: usize = 256;

/// More records than any tick holds: a row that claims more is damaged.
const BLOCK_RECORDS_MAX: u64 = 1 << 26;

/// More bytes than any flash survives: a total beyond is damaged.
const BYTES_EVER_MAX: u64 = 1 << 52;

/// What is known of a log without asking the database.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub settings: Arc<LogSettings>,
    pub table: Arc<str>,
    pub id: i64,
    /// First offset still there, and the next one to be given.
    pub start: u64,
    pub end: u64,
    /// First offset of the newest block.
    newest: Option<u64>,
    /// `total` of the newest block.
    total: u64,
    pub bytes: u64,
    /// Tick of the oldest block.
    pub oldest_tick: Option<Millis>,
    /// Smallest cursor of the configured readers; `u64::MAX` where there are none.
    cursor: u64,
}

/// A block's row without its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub first: u64,
    pub count: u64,
    pub tick: Millis,
    pub stored_bytes: u64,
}

/// What a row's checksum covers.
pub(super) fn checksum(log: i64, first: u64, count: u32, tick: Millis, total: u64, stored: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for number in [log as u64, first, u64::from(count), tick as u64, total] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(stored);
    hasher.finalize()
}

pub(super) fn table(id: i64) -> String {
    format!("log_{id}")
}

pub(super) fn create_table(db: &Connection, id: i64) -> Result<(), StoreError> {
    let table = table(id);
    Ok(db.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {table}(first INTEGER PRIMARY KEY, count INTEGER NOT NULL, tick INTEGER NOT NULL, total INTEGER NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL)"
    ))?)
}

impl Log {
    /// Finds or makes the log's table and reads where it stands. `recorded` is where it stood at its last commit, if
    /// that is known.
    pub fn open(
        db: &Connection,
        settings: LogSettings,
        recorded: impl Fn(i64) -> Option<Standing>,
        findings: &mut Vec<String>,
    ) -> Result<Log, StoreError> {
        db.execute("INSERT OR IGNORE INTO log(name) VALUES (?1)", [&settings.name])?;
        let id: i64 = db.query_row("SELECT id FROM log WHERE name = ?1", [&settings.name], |row| row.get(0))?;
        create_table(db, id)?;
        let (newest, total, bytes, oldest_tick) = (None, 0, 0, None);
        let (settings, table) = (Arc::new(settings), Arc::from(table(id)));
        let mut log = Log { settings, table, id, start: 0, end: 0, newest, total, bytes, oldest_tick, cursor: 0 };
        let recorded = recorded(id);
        if let Some(recorded) = recorded {
            log.remove_rows_of_nowhere(db, recorded.end)?;
            log.restore_cursor(db, recorded.low, findings)?;
        }
        log.measure(db)?;
        log.mark_lost_end(db, recorded, findings)?;
        log.mark_lost_beginning(db, recorded)?;
        log.find_cursor(db)?;
        Ok(log)
    }

    /// A damaged row whose key lies behind the end of the log was never there.
    fn remove_rows_of_nowhere(&self, db: &Connection, end: u64) -> Result<(), StoreError> {
        let sql = format!("SELECT first, count, tick, total, crc, bytes FROM {} WHERE first >= ?1", self.table);
        let mut statement = db.prepare(&sql)?;
        let mut rows = statement.query([end as i64])?;
        let mut nowhere = Vec::new();
        while let Some(row) = rows.next()? {
            if !is_sound(self.id, row) {
                nowhere.push(row.get::<_, i64>(0)?);
            }
        }
        for first in nowhere {
            db.execute(&format!("DELETE FROM {} WHERE first = ?1", self.table), [first])?;
        }
        Ok(())
    }

    /// A cursor that was lost stands where the log's low was.
    fn restore_cursor(&self, db: &Connection, low: u64, findings: &mut Vec<String>) -> Result<(), StoreError> {
        let [reader] = self.settings.readers.as_slice() else { return Ok(()) };
        if low > 0 && cursors::read(db, self.id, reader)?.is_none() {
            cursors::advance(db, self.id, reader, low)?;
            findings.push(format!("{}: the cursor of {reader} was lost and is put back to {low}", self.settings.name));
        }
        Ok(())
    }

    /// A log that ends before its recorded end, or before a cursor, has lost its end: it goes on behind that, so that no
    /// new record is taken for one that was there; readers meet the gap and count it.
    fn mark_lost_end(
        &mut self,
        db: &Connection,
        recorded: Option<Standing>,
        findings: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let (recorded, low) = recorded.map_or((0, 0), |recorded| (recorded.end, recorded.low));
        let end = recorded.max(cursors::highest(db, self.id)?);
        let (newest, name) = (self.newest_row(db)?, &self.settings.name);
        // What a damaged row says of its length is not believed where the end is known.
        let damaged = newest.filter(|newest| !newest.sound && recorded > newest.first);
        let there = damaged.map_or(self.end, |newest| newest.first);
        if end <= there {
            return Ok(());
        }
        findings.push(format!("{name}: its last {} records are damaged or gone", end - there.max(low)));
        self.end = end;
        self.append(db, 0, self.oldest_tick.unwrap_or(0), &records::pack_plain(&[]))?;
        self.measure(db)
    }

    /// No log begins behind a cursor, since dropping moves cursors along; and one that has none begins at 0. One that
    /// does has lost its beginning: a damaged row stands for that, so that the reader counts it.
    fn mark_lost_beginning(&mut self, db: &Connection, recorded: Option<Standing>) -> Result<(), StoreError> {
        let mut wanted = None;
        for reader in &self.settings.readers {
            let cursor = cursors::read(db, self.id, reader)?.or(recorded.map(|_| 0));
            wanted = wanted.into_iter().chain(cursor).min();
        }
        if let Some(wanted) = wanted.filter(|wanted| *wanted < self.start) {
            let total = self.total - self.bytes;
            let sql = format!(
                "INSERT INTO {}(first, count, tick, total, crc, bytes) VALUES (?1, 0, ?2, ?3, 0, x'')",
                self.table
            );
            db.execute(&sql, params![wanted as i64, self.oldest_tick.unwrap_or(0), total as i64])?;
            self.measure(db)?;
        }
        Ok(())
    }

    fn newest_row(&self, db: &Connection) -> Result<Option<Newest>, StoreError> {
        let sql =
            format!("SELECT first, count, tick, total, crc, bytes FROM {} ORDER BY first DESC LIMIT 1", self.table);
        let newest = |row: &Row| Ok(Newest { first: row.get::<_, i64>(0)? as u64, sound: is_sound(self.id, row) });
        Ok(db.query_row(&sql, [], newest).optional()?)
    }

    /// Reads where the log stands from the table.
    pub fn measure(&mut self, db: &Connection) -> Result<(), StoreError> {
        let table = &self.table;
        let sql = format!("SELECT first, count, total, LENGTH(bytes) FROM {table} ORDER BY first DESC LIMIT 1");
        let newest = db.prepare_cached(&sql)?.query_row([], numbers).optional()?;
        let sql = format!("SELECT first, count, total, LENGTH(bytes) FROM {table} ORDER BY first LIMIT 1");
        let oldest = db.prepare_cached(&sql)?.query_row([], numbers).optional()?;
        let (Some([first, count, total, _]), Some([_, _, oldest_total, oldest_bytes])) = (newest, oldest) else {
            (self.newest, self.end, self.total, self.bytes) = (None, 0, 0, 0);
            return self.find_start(db);
        };
        self.newest = Some(first);
        self.end = first.saturating_add(count.min(BLOCK_RECORDS_MAX));
        let before = oldest_total.checked_sub(oldest_bytes);
        (self.total, self.bytes) = match before.and_then(|before| total.checked_sub(before)) {
            Some(bytes) if total <= BYTES_EVER_MAX => (total, bytes),
            // A total is damaged: count again, and go on from there.
            _ => {
                let sql = format!("SELECT COALESCE(SUM(LENGTH(bytes)), 0) FROM {table}");
                let bytes = db.query_row(&sql, [], |row| row.get::<_, i64>(0))? as u64;
                (bytes, bytes)
            }
        };
        self.find_start(db)
    }

    fn find_start(&mut self, db: &Connection) -> Result<(), StoreError> {
        let oldest = self.heads(db, 1)?.first().copied();
        self.start = oldest.map_or(self.end, |head| head.first);
        self.oldest_tick = oldest.map(|head| head.tick);
        Ok(())
    }

    /// To be called when a cursor has moved.
    pub fn find_cursor(&mut self, db: &Connection) -> Result<(), StoreError> {
        self.cursor = u64::MAX;
        for reader in &self.settings.readers {
            self.cursor = self.cursor.min(cursors::read(db, self.id, reader)?.unwrap_or(0));
        }
        Ok(())
    }

    /// The first offset that a reader has not had; `end` if there is none.
    pub fn low(&self) -> u64 {
        self.cursor.min(self.end)
    }

    /// The oldest blocks' rows.
    pub fn heads(&self, db: &Connection, limit: usize) -> Result<Vec<Head>, StoreError> {
        let sql = format!("SELECT first, count, tick, LENGTH(bytes) FROM {} ORDER BY first LIMIT ?1", self.table);
        let mut statement = db.prepare_cached(&sql)?;
        let rows = statement.query_map([limit as i64], |row| {
            Ok(Head {
                first: row.get::<_, i64>(0)? as u64,
                count: row.get::<_, i64>(1)? as u64,
                tick: row.get(2)?,
                stored_bytes: row.get::<_, i64>(3)? as u64,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Appends one block that was packed before.
    pub fn append(&mut self, db: &Connection, count: u32, tick: Millis, stored: &[u8]) -> Result<(), StoreError> {
        // A row without records may stand where the log was found to end; it is replaced.
        let sql = format!(
            "INSERT OR REPLACE INTO {}(first, count, tick, total, crc, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            self.table
        );
        let total = self.total + stored.len() as u64;
        let crc = checksum(self.id, self.end, count, tick, total, stored);
        db.prepare_cached(&sql)?.execute(params![self.end as i64, count, tick, total as i64, crc, stored])?;
        if self.newest.is_none() || self.start == self.end {
            self.start = self.end;
            self.oldest_tick = Some(tick);
        }
        self.newest = Some(self.end);
        self.end += u64::from(count);
        self.total = total;
        self.bytes += stored.len() as u64;
        Ok(())
    }

    /// Deletes blocks that nobody needs: below every cursor and older than `retain`.
    pub fn trim(&mut self, db: &Connection, now: Millis, retain: Duration) -> Result<(), StoreError> {
        let retained_from = now.saturating_sub(retain.as_millis() as Millis);
        if self.start >= self.low() || self.oldest_tick.is_none_or(|tick| tick > retained_from && !retain.is_zero()) {
            return Ok(());
        }
        let heads = self.heads(db, TRIM_BLOCKS_MAX)?;
        let low = self.low();
        let free = |head: &&Head| head.first + head.count <= low && (retain.is_zero() || head.tick <= retained_from);
        let gone: Vec<Head> = heads.iter().take_while(free).copied().collect();
        self.delete(db, &gone)?;
        Ok(())
    }

    /// Deletes the oldest blocks, whoever needs them, up to `protected` at most, until the log takes `bytes_max`.
    /// Gives the number of records that a reader had not seen, those of holes included; cursors are moved over them.
    pub fn drop_oldest(&mut self, db: &Connection, bytes_max: u64, protected: u64) -> Result<u64, StoreError> {
        let first_unread = self.start.max(self.low());
        while self.bytes > bytes_max {
            let mut excess = (self.bytes - bytes_max) as i64;
            let wanted = |head: &&Head| {
                let take = excess > 0 && head.first + head.count <= protected;
                excess -= head.stored_bytes as i64;
                take
            };
            let gone: Vec<Head> = self.heads(db, TRIM_BLOCKS_MAX)?.iter().take_while(wanted).copied().collect();
            if self.delete(db, &gone)? == 0 {
                break;
            }
        }
        let unread = self.start.saturating_sub(first_unread);
        if unread > 0 {
            for reader in &self.settings.readers {
                cursors::advance(db, self.id, reader, self.start)?;
            }
            self.find_cursor(db)?;
        }
        Ok(unread)
    }

    /// Deletes the given oldest blocks but never the newest of all; gives how many went.
    fn delete(&mut self, db: &Connection, heads: &[Head]) -> Result<usize, StoreError> {
        let count = heads.iter().take_while(|head| Some(head.first) != self.newest).count();
        let Some(last) = heads[..count].last() else { return Ok(0) };
        db.prepare_cached(&format!("DELETE FROM {} WHERE first <= ?1", self.table))?.execute([last.first as i64])?;
        let freed: u64 = heads[..count].iter().map(|head| head.stored_bytes).sum();
        self.bytes = self.bytes.saturating_sub(freed);
        let (first, end) = (last.first, last.first.saturating_add(last.count));
        self.find_start(db)?;
        // A hole behind what went stays part of the log: its records were lost, and nobody has counted them yet.
        if end > first {
            self.start = self.start.min(end);
        }
        Ok(count)
    }

    /// Whether a `block` log has reached its share. What its readers have had does not count: the newest block stays
    /// even then.
    pub fn is_full(&self) -> bool {
        self.settings.overflow == Overflow::Block
            && self.bytes >= self.settings.share_max_bytes
            && self.low() < self.end
    }
}

/// The newest row, and whether it is what was written.
struct Newest {
    first: u64,
    sound: bool,
}

fn numbers(row: &Row) -> Result<[u64; 4], rusqlite::Error> {
    let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
    Ok([number(0)?, number(1)?, number(2)?, number(3)?])
}

/// A row as it stands in the table.
struct Stored<'a> {
    first: u64,
    count: u32,
    tick: Millis,
    total: u64,
    crc: u32,
    bytes: &'a [u8],
}

impl<'a> Stored<'a> {
    /// `None` if a column is not even of its type.
    fn of(row: &'a Row) -> Option<Stored<'a>> {
        let number = |column| row.get::<_, i64>(column).ok();
        Some(Stored {
            first: u64::try_from(number(0)?).ok()?,
            count: u32::try_from(number(1)?).ok()?,
            tick: number(2)?,
            total: u64::try_from(number(3)?).ok()?,
            crc: u32::try_from(number(4)?).ok()?,
            bytes: row.get_ref(5).ok()?.as_blob().ok()?,
        })
    }

    fn records(&self, log: i64) -> Option<Records> {
        let crc = checksum(log, self.first, self.count, self.tick, self.total, self.bytes);
        if crc == self.crc { records::unpack(self.bytes, self.count) } else { None }
    }
}

/// Whether a row of a log's table is what was written.
pub(super) fn is_sound(log: i64, row: &Row) -> bool {
    Stored::of(row).is_some_and(|stored| stored.records(log).is_some())
}

/// Blocks from the one that holds `from` on, up to `bytes_max` of plain bytes but at least one where there is any.
/// `end` is the log's. Damaged rows and holes come as corrupt blocks that reach to the next sound one; the keys of the
/// rows are put into `damaged`.
pub(super) fn read(
    db: &Connection,
    log: i64,
    (from, end): (u64, u64),
    bytes_max: usize,
    damaged: &mut BTreeSet<u64>,
) -> Result<Vec<Block>, StoreError> {
    let table = table(log);
    let sql = format!(
        "SELECT first, count, tick, total, crc, bytes FROM {table} WHERE first >= COALESCE((SELECT MAX(first) FROM {table} WHERE first <= ?1), 0) ORDER BY first"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([from as i64])?;
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    // The offset that the next row should have; nothing is missing before the first row, which may have been dropped.
    let (mut expected, mut last_tick) = (None, 0);
    while let Some(row) = rows.next()? {
        let sound = Stored::of(row).and_then(|stored| Some((stored.first, stored.tick, stored.records(log)?)));
        let Some((first, tick, records)) = sound else {
            let first = row.get::<_, i64>(0)? as u64;
            damaged.insert(first);
            expected = expected.or(Some(first));
            continue;
        };
        if let Some(missing) = expected.filter(|expected| *expected < first && first > from) {
            blocks.push(gap(missing, first, tick));
        }
        let next = first + u64::from(records.count);
        (expected, last_tick) = (Some(next), tick);
        if next <= from {
            continue;
        }
        bytes += records.bytes.len();
        blocks.push(Block { first, tick, records, corrupt: false });
        if bytes >= bytes_max {
            return Ok(blocks);
        }
    }
    if let Some(missing) = expected.filter(|expected| *expected < end && end > from) {
        blocks.push(gap(missing, end, last_tick));
    }
    Ok(blocks)
}

/// What stands for records that cannot be read.
pub(super) fn gap(first: u64, end: u64, tick: Millis) -> Block {
    let count = u32::try_from(end - first).unwrap_or(u32::MAX);
    Block { first, tick, records: Records { count, bytes: Vec::new() }, corrupt: true }
}
