//! Reading logs on a connection of its own, which holds no transaction between two calls.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::watch;

use super::{Block, LogId, StoreError, Table, directory, log, rows};

/// What the writer and the readers of one store tell each other.
pub(super) struct Shared {
    data_dir: PathBuf,
    pub logs: Vec<Extent>,
    /// Damaged rows that readers came across: log, key. The writer takes them into the quarantine.
    pub damaged: Mutex<BTreeSet<(LogId, u64)>>,
    /// Set once, when nothing can be committed any more.
    pub failed: watch::Sender<Option<String>>,
}

/// Where a log stands.
pub(super) struct Extent {
    /// Number of its table.
    pub id: i64,
    /// Everything before this may be gone on purpose: changed before such a commit.
    pub start: AtomicU64,
    /// The next offset: changed after its commit.
    pub end: AtomicU64,
}

/// More damaged rows than this are not told between two commits; the next reading tells them.
const DAMAGED_MAX: usize = 64;

impl Shared {
    pub fn new(data_dir: PathBuf, logs: Vec<Extent>) -> Shared {
        Shared { data_dir, logs, damaged: Mutex::default(), failed: watch::channel(None).0 }
    }

    /// The end of all commits. A damaged database is remembered for the next start, which saves what can be read.
    pub fn fail(&self, error: &StoreError) {
        if error.is_corruption() {
            directory::mark_damaged(&self.data_dir, &error.to_string());
        }
        self.failed.send_if_modified(|failed| {
            let first = failed.is_none();
            failed.get_or_insert_with(|| error.to_string());
            first
        });
    }

    /// [`Shared::fail`], if it is the database itself that is damaged.
    pub fn note_damage<T>(&self, outcome: &Result<T, StoreError>) {
        if let Some(error) = outcome.as_ref().err().filter(|error| error.is_corruption()) {
            self.fail(error);
        }
    }
}

/// A connection of its own that only reads.
pub struct Reader {
    db: Connection,
    shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn new(db: Connection, shared: Arc<Shared>) -> Reader {
        Reader { db, shared }
    }

    /// One row of the broker's, if it is there and sound.
    pub fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let row = rows::get(&self.db, table, key);
        self.shared.note_damage(&row);
        row
    }

    /// Blocks from the one that holds `from` on, up to `bytes_max` of plain bytes but at least one where there is any.
    ///
    /// The first block's first records may lie before `from`. A range that cannot be read comes as one corrupt block;
    /// a jump between `from` and the first block is what was dropped, and counted then. Damage to the database itself
    /// is an error, and [`super::Writer::failed`] tells of it too.
    pub fn read(&mut self, log: LogId, from: u64, bytes_max: usize) -> Result<Vec<Block>, StoreError> {
        let extent = &self.shared.logs[log];
        let (end, mut damaged) = (extent.end.load(Ordering::Acquire), BTreeSet::new());
        let mut blocks = log::read(&self.db, extent.id, (from, end), bytes_max, &mut damaged);
        if let Ok(blocks) = &mut blocks {
            // Nothing was dropped from here on, so what is missing was lost.
            let kept = from.max(extent.start.load(Ordering::Acquire));
            let first = blocks.first().map_or(end, |block| block.first);
            if first > kept {
                blocks.insert(0, log::gap(kept, first, blocks.first().map_or(0, |block| block.tick)));
            }
        }
        if !damaged.is_empty() {
            let mut told = self.shared.damaged.lock().unwrap_or_else(PoisonError::into_inner);
            let room = DAMAGED_MAX.saturating_sub(told.len());
            told.extend(damaged.into_iter().take(room).map(|first| (log, first)));
        }
        self.shared.note_damage(&blocks);
        blocks
    }
}
