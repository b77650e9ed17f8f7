//! SQLite: logs of blocks, cursors, snapshots, counters, the broker's rows. One file per table.
//!
//! One writer connection, on a thread of its own ([`Writer`]); readers have theirs ([`Reader`]) and hold no read
//! transaction across a wait. Knows nothing of MQTT, SQL or Kafka: a record is bytes.

mod counters;
mod cursors;
mod directory;
mod log;
mod meta;
mod migrate;
mod quarantine;
mod reader;
mod records;
mod rows;
mod salvage;
mod schema;
mod snapshots;
mod transaction;
mod wal;
mod writer;

pub use reader::Reader;
pub use transaction::Store;
pub use writer::Writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::Millis;

/// What the store is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    /// Hard cap on everything under `data_dir`, WAL and reserve included.
    pub size_max_bytes: u64,
    pub commit_interval: Duration,
    /// Every log that will be appended to. Logs of earlier runs that are not named are kept and listed in `Opened`.
    pub logs: Vec<LogSettings>,
    /// Only for tests: the SQLite VFS to use, and a `synchronous` other than FULL.
    #[doc(hidden)]
    pub faults: Faults,
}

/// Knobs of the tests that play a failing disk.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Faults {
    pub vfs: Option<String>,
    pub synchronous_off: bool,
    /// As if the disk held no more than this.
    pub page_count_max: Option<u32>,
    /// Another size of the WAL at which it is checkpointed.
    pub wal_max_bytes: Option<u64>,
    /// What a disk of the test's own has left; no reserve is kept beyond it.
    pub disk_left_bytes: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
}

#[derive(Clone, Debug)]
pub struct LogSettings {
    pub name: String,
    /// This log's share of `size_max_bytes`.
    pub share_max_bytes: u64,
    pub overflow: Overflow,
    /// Counter of records that `drop_oldest` took before their readers had them.
    pub dropped_counter: String,
    /// Readers whose cursors hold blocks back; with none, only `retain` does.
    pub readers: Vec<String>,
    /// Blocks older than this (by tick time) may go even if no reader needs them any longer; younger ones stay.
    pub retain: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    DropOldest,
    DropNewest,
    Block,
}

/// Position of a log in `Settings::logs`.
pub type LogId = usize;

/// One transaction. An empty one writes nothing.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    pub appends: Vec<Append>,
    pub cursors: Vec<CursorMove>,
    /// Added to the durable counters; keys are `name{label="value"}` texts, sorted by the map.
    pub counters: BTreeMap<String, u64>,
    /// The whole engine at this tick; replaces the one before.
    pub snapshot: Option<Snapshot>,
    /// Small named values: `None` deletes.
    pub meta: Vec<(String, Option<Vec<u8>>)>,
    /// Rows of the broker's tables, in order.
    pub rows: Vec<Row>,
}

/// Records for one log, at most one append a log in a commit.
#[derive(Clone, Debug)]
pub struct Append {
    pub log: LogId,
    pub tick: Millis,
    pub records: Records,
    /// The counter to raise, by the number of records, if this append is refused under `drop_newest`.
    pub refused_counter: String,
}

/// Records, one after the other, each with its length before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    pub count: u32,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct CursorMove {
    pub log: LogId,
    pub reader: String,
    /// The next offset this reader wants. It never goes back.
    pub offset: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The next offset of the journal after the tick it was taken at.
    pub journal_offset: u64,
    /// Name of the section (`source/telemetry`, `query/hot`, `clock`), fingerprint, state.
    pub sections: Vec<Section>,
}

impl Snapshot {
    /// The bytes of its state, before they are compressed.
    pub fn size_bytes(&self) -> u64 {
        self.sections.iter().map(|section| section.state.len() as u64).sum()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub name: String,
    pub fingerprint: Vec<u8>,
    pub state: Vec<u8>,
}

/// The broker's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Session,
    Subscription,
    Flow,
    /// Its keys are numbers: eight bytes, the highest first.
    Message,
    Retained,
    Will,
}

/// A row that is put (in place of the one with its key, if there is one) or, without bytes, deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub table: Table,
    pub key: Vec<u8>,
    pub bytes: Option<Vec<u8>>,
}

/// Records as they were committed together.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub first: u64,
    pub tick: Millis,
    pub records: Records,
    /// It cannot be read: `records` has the count and no bytes. The reader skips the range and counts it. Its rows are
    /// kept in the quarantine from the next commit on.
    pub corrupt: bool,
}

/// What was found at start.
#[derive(Debug, Default)]
pub struct Opened {
    /// Made with the database; another one means another numbering.
    pub store_id: uuid::Uuid,
    pub created: bool,
    /// For each log: the first offset still there, and the next one.
    pub log_starts: Vec<u64>,
    pub log_ends: Vec<u64>,
    pub cursors: BTreeMap<(LogId, String), u64>,
    pub counters: BTreeMap<String, u64>,
    pub snapshot: Option<Snapshot>,
    pub meta: BTreeMap<String, Vec<u8>>,
    /// In plain words: what was moved aside, lost, or kept without being configured any more.
    pub findings: Vec<String>,
}

/// What a transaction did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Committed {
    /// The next offset of each log.
    pub log_ends: Vec<u64>,
    /// Logs whose append was refused (`drop_newest`).
    pub refused: Vec<LogId>,
    /// Records dropped unread from a log (`drop_oldest`).
    pub dropped: Vec<(LogId, u64)>,
    /// The disk has no room for the snapshot: the one before stays, and so do all cursors of this commit.
    pub snapshot_refused: bool,
}

/// How full and how busy the store is.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    pub disk_bytes: u64,
    pub wal_bytes: u64,
    pub logs: Vec<LogUsage>,
    pub commits: u64,
    /// Time in transactions, fsync included.
    pub commit_seconds: f64,
    pub commit_seconds_last: f64,
}

#[derive(Clone, Debug, Default)]
pub struct LogUsage {
    pub bytes: u64,
    pub records: u64,
    /// Records that the slowest reader has not had.
    pub pending_records: u64,
    pub oldest_tick: Option<Millis>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    #[error(
        "data_dir {0} cannot be made or written to: {1}; it must be a directory that belongs to the user tidegate runs as"
    )]
    Directory(PathBuf, std::io::Error),
    #[error("the database has format {found}, this version of tidegate knows {known}: install a newer version")]
    Newer { found: i64, known: i64 },
    #[error("{0} is in use by another tidegate: stop that one, or give this one a data_dir of its own")]
    Locked(PathBuf),
    #[error("the disk is full, and nothing more may be dropped")]
    Full,
    #[error("the disk does not keep up: too many commits wait for it")]
    Busy,
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

impl StoreError {
    /// The database itself is damaged, as against one block of it: SQLite says so, or what it gives is not what was
    /// written (a value of another type, a table without its column, a file cut short).
    pub(crate) fn is_corruption(&self) -> bool {
        use rusqlite::{Error, ErrorCode, ffi};
        let StoreError::Sqlite(error) = self else { return false };
        match error {
            Error::SqliteFailure(failure, _) => {
                let wrong = ErrorCode::Unknown; // SQLITE_ERROR: our own statements are right.
                [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase, ErrorCode::ConstraintViolation, wrong]
                    .contains(&failure.code)
                    || failure.extended_code == ffi::SQLITE_IOERR_SHORT_READ
            }
            Error::SqlInputError { .. }
            | Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => true,
            _ => false,
        }
    }

    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, StoreError::Sqlite(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy))
    }

    pub(crate) fn is_full(&self) -> bool {
        match self {
            StoreError::Sqlite(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            StoreError::Full => true,
            _ => false,
        }
    }
}

/// For `fuzz/` alone.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// A block as it lies on the disk.
    pub fn unpack(stored: &[u8]) -> Option<Vec<u8>> {
        super::records::unpack_bytes(stored)
    }
}
