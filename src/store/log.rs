//! The logs: a table each, `log_N(first PRIMARY KEY, count, tick, crc, bytes)`, whose key is the block's first offset.
//!
//! The newest block is never deleted, so that the next offset can always be read from the table itself.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Block, LogSettings, Overflow, StoreError, records};
use crate::model::Millis;

/// Blocks deleted at once: a trim stays a small part of its commit.
pub(super) const TRIM_BLOCKS_MAX: usize = 256;

/// What is known of a log without asking the database.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub settings: LogSettings,
    pub table: String,
    pub id: i64,
    /// First offset still there, and the next one to be given.
    pub start: u64,
    pub end: u64,
    pub blocks: u64,
    pub bytes: u64,
    /// Tick of the oldest block.
    pub oldest_tick: Option<Millis>,
    /// Smallest cursor of the configured readers; `end` where there are none.
    pub low: u64,
}

/// A block's row without its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub first: u64,
    pub count: u64,
    pub tick: Millis,
    pub stored_bytes: u64,
}

impl Log {
    /// Finds or makes the log's table and reads where it stands.
    pub fn open(db: &Connection, settings: LogSettings) -> Result<Log, StoreError> {
        db.execute("INSERT OR IGNORE INTO log(name) VALUES (?1)", [&settings.name])?;
        let id: i64 = db.query_row("SELECT id FROM log WHERE name = ?1", [&settings.name], |row| row.get(0))?;
        let table = format!("log_{id}");
        db.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {table}(first INTEGER PRIMARY KEY, count INTEGER NOT NULL, tick INTEGER NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL)"
        ))?;
        let mut log = Log { settings, table, id, start: 0, end: 0, blocks: 0, bytes: 0, oldest_tick: None, low: 0 };
        log.measure(db)?;
        Ok(log)
    }

    /// Reads everything from the table; used at start and after a rollback.
    pub fn measure(&mut self, db: &Connection) -> Result<(), StoreError> {
        let table = &self.table;
        let (blocks, bytes) =
            db.query_row(&format!("SELECT COUNT(*), COALESCE(SUM(LENGTH(bytes)), 0) FROM {table}"), [], |row| {
                Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))
            })?;
        (self.blocks, self.bytes) = (blocks, bytes);
        let newest = db
            .query_row(&format!("SELECT first + count FROM {table} ORDER BY first DESC LIMIT 1"), [], |row| {
                row.get::<_, i64>(0)
            })
            .optional()?;
        self.end = newest.unwrap_or(0) as u64;
        self.find_start(db)?;
        self.find_low(db)
    }

    fn find_start(&mut self, db: &Connection) -> Result<(), StoreError> {
        let oldest = self.heads(db, 1)?.first().copied();
        self.start = oldest.map_or(self.end, |head| head.first);
        self.oldest_tick = oldest.map(|head| head.tick);
        Ok(())
    }

    pub fn find_low(&mut self, db: &Connection) -> Result<(), StoreError> {
        let mut low = self.end;
        for reader in &self.settings.readers {
            low = low.min(super::cursors::read(db, self.id, reader)?.unwrap_or(0));
        }
        self.low = low;
        Ok(())
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
        let sql = format!("INSERT INTO {}(first, count, tick, crc, bytes) VALUES (?1, ?2, ?3, ?4, ?5)", self.table);
        let crc = crc32fast::hash(stored);
        db.prepare_cached(&sql)?.execute(params![self.end as i64, count, tick, crc, stored])?;
        if self.settings.readers.is_empty() {
            self.low = self.end + u64::from(count);
        }
        if self.blocks == 0 {
            self.start = self.end;
            self.oldest_tick = Some(tick);
        }
        self.end += u64::from(count);
        self.blocks += 1;
        self.bytes += stored.len() as u64;
        Ok(())
    }

    /// Deletes blocks that nobody needs: below every cursor and older than the retention.
    pub fn trim(&mut self, db: &Connection, now: Millis) -> Result<(), StoreError> {
        let retained_from = now.saturating_sub(self.settings.retain.as_millis() as Millis);
        if self.start >= self.low
            || self.oldest_tick.is_none_or(|tick| tick > retained_from && !self.settings.retain.is_zero())
        {
            return Ok(());
        }
        let heads = self.heads(db, TRIM_BLOCKS_MAX)?;
        let free = |head: &&Head| {
            head.first + head.count <= self.low && (self.settings.retain.is_zero() || head.tick <= retained_from)
        };
        let gone: Vec<Head> = heads.iter().take_while(free).copied().collect();
        self.delete(db, &gone)?;
        Ok(())
    }

    /// Makes room for `stored_bytes` more by deleting the oldest blocks, whoever needs them, except from `protected` on.
    /// Gives the number of records that a reader had not seen.
    pub fn drop_oldest(
        &mut self,
        db: &Connection,
        stored_bytes: u64,
        protected: Option<u64>,
    ) -> Result<u64, StoreError> {
        let mut unread = 0;
        while self.bytes + stored_bytes > self.settings.share_max_bytes && self.blocks > 1 {
            let mut excess = (self.bytes + stored_bytes) as i64 - self.settings.share_max_bytes as i64;
            let wanted = |head: &&Head| {
                let take = excess > 0 && protected.is_none_or(|from| head.first + head.count <= from);
                excess -= head.stored_bytes as i64;
                take
            };
            let gone: Vec<Head> = self.heads(db, TRIM_BLOCKS_MAX)?.iter().take_while(wanted).copied().collect();
            let low = self.low;
            let lost = self.delete(db, &gone)?;
            if lost == 0 {
                break;
            }
            unread += gone.iter().take(lost).map(|h| (h.first + h.count).saturating_sub(h.first.max(low))).sum::<u64>();
        }
        Ok(unread)
    }

    /// Deletes the given oldest blocks but never the newest of all; gives how many went.
    fn delete(&mut self, db: &Connection, heads: &[Head]) -> Result<usize, StoreError> {
        let count = heads.len().min(usize::try_from(self.blocks.saturating_sub(1)).unwrap_or(usize::MAX));
        let Some(last) = heads[..count].last() else { return Ok(0) };
        db.prepare_cached(&format!("DELETE FROM {} WHERE first <= ?1", self.table))?.execute([last.first as i64])?;
        self.blocks -= count as u64;
        self.bytes -= heads[..count].iter().map(|head| head.stored_bytes).sum::<u64>();
        self.find_start(db)?;
        Ok(count)
    }

    /// Whether a `block` log has reached its share.
    pub fn is_full(&self) -> bool {
        self.settings.overflow == Overflow::Block && self.bytes >= self.settings.share_max_bytes
    }
}

/// Blocks from the one that holds `from` on, up to `bytes_max` of plain bytes but at least one.
/// A corrupt block ends the list; it comes first in its own call, as an error that names its range.
pub(super) fn read(db: &Connection, table: &str, from: u64, bytes_max: usize) -> Result<Vec<Block>, StoreError> {
    let sql = format!(
        "SELECT first, count, tick, crc, bytes FROM {table} WHERE first >= COALESCE((SELECT MAX(first) FROM {table} WHERE first <= ?1), 0) ORDER BY first"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([from as i64])?;
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (first, count): (i64, u32) = (row.get(0)?, row.get(1)?);
        let first = first as u64;
        if first + u64::from(count) <= from {
            continue;
        }
        match records::unpack(row.get_ref(4)?.as_blob().map_err(|_| StoreError::CorruptBlock)?, count, row.get(3)?) {
            Ok(records) => {
                bytes += records.bytes.len();
                blocks.push(Block { first, tick: row.get(2)?, records, corrupt: false });
            }
            // Its records cannot be read; the caller skips the range and counts it.
            Err(_) => blocks.push(Block {
                first,
                tick: row.get(2)?,
                records: super::Records { count, bytes: Vec::new() },
                corrupt: true,
            }),
        }
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(blocks)
}
