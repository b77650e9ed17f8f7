//! Opening the store, and committing to it: one transaction, fsynced, or nothing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::counters::{Counters, Standing, Standings};
use super::log::Log;
use super::reader::{Extent, Reader, Shared};
use super::records::Packer;
use super::{
    Append, Commit, Committed, LogSettings, LogUsage, Opened, Overflow, Settings, StoreError, Table, Usage, counters,
    cursors, directory, meta, quarantine, rows, salvage, schema, snapshots,
};
use crate::model::Millis;

/// At least the WAL and the largest trim.
const RESERVE_BYTES_MAX: u64 = schema::WAL_BYTES + (4 << 20);

/// Even the smallest `max_size` holds the tables.
const PAGES_MIN: u64 = 64;

/// A reserve that could not be kept is tried again after this many commits.
const RESERVE_RETRY_COMMITS: u32 = 256;

pub(super) const STORE_ID: &str = "store_id";

/// The one writer of the database.
pub struct Store {
    db: Connection,
    settings: Settings,
    path: PathBuf,
    logs: Vec<Log>,
    counters: Counters,
    /// The counters' row as the store has it.
    counters_row: Vec<u8>,
    /// Of logs that are no longer configured.
    forgotten: Standings,
    last_tick: Millis,
    /// For each log, the offset from which nothing may be dropped (a Kafka transaction is open); `u64::MAX`: none.
    protected: Arc<Vec<AtomicU64>>,
    reserve_bytes: u64,
    commits_without_reserve: u32,
    /// Of files in `data_dir` that are none of ours in use.
    foreign_bytes: u64,
    shared: Arc<Shared>,
    /// A checkpoint failed after a commit that was whole: the next one is refused.
    broken: Option<StoreError>,
    _lock: File,
}

impl Store {
    /// Opens or makes the database in `data_dir`. A damaged one is moved aside and what can be read of it taken over.
    pub fn open(settings: Settings) -> Result<(Store, Opened), StoreError> {
        let directory = settings.data_dir.clone();
        let lock = directory::lock(&directory)?;
        let path = directory.join(schema::FILE);
        salvage::finish(&path)?;
        let outcome = match directory::damaged_mark(&directory) {
            Some(why) => Err(why),
            None => match Store::open_file(&settings, &path, &lock) {
                Err(error) if error.is_corruption() => Err(error.to_string()),
                outcome => Ok(outcome?),
            },
        };
        match outcome {
            Ok(open) => Ok(open),
            Err(why) => {
                directory::free_reserve(&directory);
                let mut findings = salvage::salvage(&path, &settings, &why)?;
                directory::clear_damaged_mark(&directory)?;
                let (store, mut opened) = Store::open_file(&settings, &path, &lock)?;
                findings.append(&mut opened.findings);
                Ok((store, Opened { findings, ..opened }))
            }
        }
    }

    fn open_file(settings: &Settings, path: &Path, lock: &File) -> Result<(Store, Opened), StoreError> {
        let mut findings = Vec::new();
        let mut db = schema::open_writer(path, settings)?;
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        findings.extend(cursors::check(&tx)?);
        let (mut counters, recorded) = counters::read(&tx, &mut findings)?;
        let recorded_of = |id: i64| recorded.get(&id).copied();
        let logs = settings.logs.iter().map(|log| Log::open(&tx, log.clone(), recorded_of, &mut findings));
        let logs = logs.collect::<Result<Vec<_>, _>>()?;
        let is_forgotten = |(id, _): &(i64, Standing)| logs.iter().all(|log| log.id != *id);
        let forgotten = recorded.into_iter().filter(is_forgotten).collect();
        let counters_row = counters.encode(&standings(&logs, &forgotten));
        counters.write(&tx, &counters_row)?;
        let mut found = meta::all(&tx, &mut findings)?;
        let known = found.get(STORE_ID).and_then(|id| Uuid::from_slice(id).ok());
        let created = known.is_none();
        #[allow(clippy::disallowed_methods)] // Here an identity is made.
        let store_id = known.unwrap_or_else(Uuid::new_v4);
        if created {
            meta::put(&tx, STORE_ID, Some(store_id.as_bytes()))?;
            found.insert(STORE_ID.to_owned(), store_id.as_bytes().to_vec());
        }
        let position = |id: i64| logs.iter().position(|log| log.id == id);
        let cursors =
            cursors::all(&tx)?.into_iter().filter_map(|((id, reader), next)| Some(((position(id)?, reader), next)));
        // The broker reads them later. What cannot be read at all shows now, when the rest can still be saved.
        for table in Table::ALL {
            rows::each(&tx, table, |_, _| {})?;
        }
        let snapshot = snapshots::read(&tx, &mut findings)?;
        findings.extend(forgotten_logs(&tx, settings)?);
        let opened = Opened {
            store_id,
            created,
            log_starts: logs.iter().map(|log| log.start).collect(),
            log_ends: logs.iter().map(|log| log.end).collect(),
            cursors: cursors.collect(),
            counters: counters.to_map(),
            snapshot,
            meta: found,
            findings,
        };
        tx.commit()?;
        directory::sync(&settings.data_dir)?;
        let lock = lock.try_clone().map_err(|error| StoreError::Io(path.to_owned(), error))?;
        let protected = Arc::new(logs.iter().map(|_| AtomicU64::new(u64::MAX)).collect());
        let last_tick = logs.iter().filter_map(|log| log.oldest_tick).max().unwrap_or(0);
        let extents = logs.iter().map(|log| Extent {
            id: log.id,
            start: AtomicU64::new(log.start),
            end: AtomicU64::new(log.end),
        });
        let shared = Arc::new(Shared::new(settings.data_dir.clone(), extents.collect()));
        let mut store = Store {
            db,
            settings: settings.clone(),
            path: path.to_owned(),
            logs,
            counters,
            counters_row,
            forgotten,
            last_tick,
            protected,
            reserve_bytes: 0,
            commits_without_reserve: 0,
            foreign_bytes: directory::foreign_bytes(&settings.data_dir),
            shared,
            broken: None,
            _lock: lock,
        };
        store.keep_reserve();
        store.limit_pages()?;
        Ok((store, opened))
    }

    pub fn reader(&self) -> Result<Reader, StoreError> {
        let db = schema::open_reader(&self.path, self.settings.faults.vfs.as_deref())?;
        Ok(Reader::new(db, Arc::clone(&self.shared)))
    }

    /// Calls `each` with key and bytes of every sound row of a table, in order of the keys; gives how many are damaged.
    /// A table that cannot be read to its end is remembered for the next start.
    pub fn each_row(&self, table: Table, each: impl FnMut(&[u8], &[u8])) -> Result<u64, StoreError> {
        let outcome = rows::each(&self.db, table, each);
        if let Err(error) = &outcome {
            self.shared.fail(error);
        }
        outcome
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    pub(super) fn protected(&self) -> Arc<Vec<AtomicU64>> {
        Arc::clone(&self.protected)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Commits everything or nothing; when it returns, it is on the disk. Damage that it meets is remembered for the
    /// next start.
    pub fn commit(&mut self, commit: &Commit) -> Result<Committed, StoreError> {
        let packed = Packer::new().pack_all(commit);
        self.commit_packed(commit, &packed)
    }

    /// [`Store::commit`] of what was packed elsewhere: the stored form of each append's records.
    pub(super) fn commit_packed(&mut self, commit: &Commit, packed: &[Vec<u8>]) -> Result<Committed, StoreError> {
        let outcome = self.commit_with_room(commit, packed);
        self.shared.note_damage(&outcome);
        outcome
    }

    fn commit_with_room(&mut self, commit: &Commit, packed: &[Vec<u8>]) -> Result<Committed, StoreError> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        if commit.is_empty() {
            return Ok(self.committed());
        }
        let committed = match self.attempt(commit, packed, Room::Enough) {
            Err(error) if error.is_full() => self.commit_in_need(commit, packed)?,
            outcome => outcome?,
        };
        for (shared, log) in self.shared.logs.iter().zip(&self.logs) {
            shared.end.store(log.end, Ordering::Release);
        }
        if self.reserve_bytes == 0 {
            self.commits_without_reserve += 1;
            if self.commits_without_reserve % RESERVE_RETRY_COMMITS == 0 {
                self.keep_reserve();
            }
        }
        match schema::checkpoint(&self.db, schema::wal_max_bytes(&self.settings)) {
            // It is whole in the WAL, and the next checkpoint tries again.
            Err(error) if error.is_full() || error.is_busy() => {}
            outcome => self.broken = outcome.err(),
        }
        Ok(committed)
    }

    /// The disk is full, or the cap is reached: frees the reserve, trims by policy, tries again; then without what may
    /// be left out.
    fn commit_in_need(&mut self, commit: &Commit, packed: &[Vec<u8>]) -> Result<Committed, StoreError> {
        if self.reserve_bytes == 0 {
            self.keep_reserve();
            if self.reserve_bytes > 0 {
                // There is room again: nothing has to go.
                match self.attempt(commit, packed, Room::Enough) {
                    Err(error) if error.is_full() => {}
                    outcome => return outcome,
                }
            }
        }
        directory::free_reserve(&self.settings.data_dir);
        schema::make_wal_reusable(&self.db);
        let outcome = self.try_in_need(commit, packed);
        self.keep_reserve();
        match outcome {
            Err(error) if error.is_full() => Err(StoreError::Full),
            outcome => outcome,
        }
    }

    fn try_in_need(&mut self, commit: &Commit, packed: &[Vec<u8>]) -> Result<Committed, StoreError> {
        // A snapshot can wait, what it would replace serves as well: nothing is dropped to make room for it.
        if commit.snapshot.is_none() {
            self.emergency_trim()?;
            match self.attempt(commit, packed, Room::Enough) {
                Err(error) if error.is_full() => {}
                outcome => return outcome,
            }
        }
        self.attempt(commit, packed, Room::None)
    }

    /// One transaction; what is in memory goes back with it if it fails.
    fn attempt(&mut self, commit: &Commit, packed: &[Vec<u8>], room: Room) -> Result<Committed, StoreError> {
        let (logs, counters, last_tick) = (self.logs.clone(), self.counters.clone(), self.last_tick);
        let outcome = self.transaction(commit, packed, room);
        if outcome.is_err() {
            (self.logs, self.counters, self.last_tick) = (logs, counters, last_tick);
        }
        outcome
    }

    fn transaction(&mut self, commit: &Commit, packed: &[Vec<u8>], room: Room) -> Result<Committed, StoreError> {
        let mut outcome = self.committed();
        let Store { db, logs, counters, counters_row, forgotten, last_tick, protected, shared, .. } = self;
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Before anything is trimmed.
        for (log, first) in std::mem::take(&mut *shared.damaged.lock().unwrap_or_else(PoisonError::into_inner)) {
            quarantine::keep(&tx, logs[log].id, first)?;
        }
        outcome.snapshot_refused = commit.snapshot.is_some() && room == Room::None;
        if !outcome.snapshot_refused {
            for cursor in &commit.cursors {
                let log = &mut logs[cursor.log];
                cursors::advance(&tx, log.id, &cursor.reader, cursor.offset)?;
                log.find_cursor(&tx)?;
            }
            if let Some(snapshot) = &commit.snapshot {
                snapshots::write(&tx, snapshot)?;
            }
        }
        for (append, stored) in commit.appends.iter().zip(packed) {
            let Append { log: id, tick, records, refused_counter } = append;
            *last_tick = *tick;
            let log = &mut logs[*id];
            let protected = protected[*id].load(Ordering::Acquire);
            let full = log.bytes + stored.len() as u64 > log.settings.share_max_bytes;
            match log.settings.overflow {
                Overflow::DropNewest if full || room == Room::None => {
                    outcome.refused.push(*id);
                    counters.raise(refused_counter, u64::from(records.count));
                    continue;
                }
                Overflow::DropOldest if full => {
                    let room = log.settings.share_max_bytes.saturating_sub(stored.len() as u64);
                    let lost = log.drop_oldest(&tx, room, protected)?;
                    if lost > 0 {
                        counters.raise(&log.settings.dropped_counter, lost);
                        outcome.dropped.push((*id, lost));
                    }
                }
                // At the share of a `block` log intake stops; what was taken in before that still fits.
                _ => {}
            }
            log.append(&tx, records.count, *tick, stored)?;
        }
        for log in logs.iter_mut() {
            log.trim(&tx, *last_tick, log.settings.retain)?;
        }
        for (key, value) in &commit.meta {
            meta::put(&tx, key, value.as_deref())?;
        }
        for row in &commit.rows {
            rows::put(&tx, row)?;
        }
        for (key, by) in &commit.counters {
            counters.raise(key, *by);
        }
        let row = counters.encode(&standings(logs, forgotten));
        if row != *counters_row {
            counters.write(&tx, &row)?;
        }
        // Before a reader can see that rows are gone, it must be able to know that they went on purpose.
        for (shared, log) in shared.logs.iter().zip(logs.iter()) {
            shared.start.store(log.start, Ordering::Release);
        }
        tx.commit()?;
        *counters_row = row;
        outcome.log_ends = self.log_ends();
        Ok(outcome)
    }

    fn committed(&self) -> Committed {
        Committed { log_ends: self.log_ends(), ..Committed::default() }
    }

    /// The disk is full: raw history goes first, then what the policies allow.
    fn emergency_trim(&mut self) -> Result<(), StoreError> {
        let (logs, counters) = (self.logs.clone(), self.counters.clone());
        let outcome = self.trim_for_room();
        if outcome.is_err() {
            (self.logs, self.counters) = (logs, counters);
        }
        outcome
    }

    fn trim_for_room(&mut self) -> Result<(), StoreError> {
        let tx = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for log in &mut self.logs {
            log.trim(&tx, self.last_tick, Duration::ZERO)?;
        }
        for (index, log) in self.logs.iter_mut().enumerate() {
            if log.settings.overflow != Overflow::DropOldest || log.settings.readers.is_empty() {
                continue;
            }
            let protected = self.protected[index].load(Ordering::Acquire);
            let lost = log.drop_oldest(&tx, log.bytes - log.bytes / 8, protected)?;
            if lost > 0 {
                self.counters.raise(&log.settings.dropped_counter, lost);
            }
        }
        let row = self.counters.encode(&standings(&self.logs, &self.forgotten));
        self.counters.write(&tx, &row)?;
        for (shared, log) in self.shared.logs.iter().zip(&self.logs) {
            shared.start.store(log.start, Ordering::Release);
        }
        tx.commit()?;
        self.counters_row = row;
        Ok(())
    }

    /// Drops a log that is no longer configured, with everything that is named after it; gives the number of records
    /// that `reader` had not had, which `dropped_counter` counts. `None`: there is no such log.
    pub fn forget(&mut self, name: &str, reader: &str, dropped_counter: &str) -> Result<Option<u64>, StoreError> {
        debug_assert!(self.settings.logs.iter().all(|log| log.name != name), "it is in use");
        let tx = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let known =
            tx.query_row("SELECT id FROM log WHERE name = ?1", [name], |row| row.get::<_, i64>(0)).optional()?;
        let Some(id) = known else { return Ok(None) };
        let settings = LogSettings {
            name: name.to_owned(),
            share_max_bytes: u64::MAX,
            overflow: Overflow::DropOldest,
            dropped_counter: String::new(),
            readers: vec![reader.to_owned()],
            retain: Duration::ZERO,
        };
        let recorded = |id: i64| self.forgotten.get(&id).copied();
        let log = Log::open(&tx, settings, recorded, &mut Vec::new())?;
        let unread = log.end - log.low().max(log.start);
        tx.execute_batch(&format!("DROP TABLE {}", log.table))?;
        for table in ["cursor", "quarantine"] {
            tx.execute(&format!("DELETE FROM {table} WHERE log = ?1"), [id])?;
        }
        tx.execute("DELETE FROM log WHERE id = ?1", [id])?;
        tx.execute("DELETE FROM meta WHERE SUBSTR(key, 1, LENGTH(?1)) = ?1", [format!("{name}/")])?;
        self.forgotten.remove(&id);
        self.counters.raise(dropped_counter, unread);
        let row = self.counters.encode(&standings(&self.logs, &self.forgotten));
        self.counters.write(&tx, &row)?;
        tx.commit()?;
        self.counters_row = row;
        Ok(Some(unread))
    }

    /// Keeps space on the disk that only an emergency may use.
    fn keep_reserve(&mut self) {
        let bytes = RESERVE_BYTES_MAX.min(self.settings.size_max_bytes / 8);
        let left = self.settings.faults.disk_left_bytes.as_ref().map_or(u64::MAX, |left| left.load(Ordering::Relaxed));
        self.reserve_bytes = if bytes <= left { directory::keep_reserve(&self.settings.data_dir, bytes) } else { 0 };
        let _ = self.limit_pages();
    }

    /// The cap on everything: what WAL and reserve leave is what the database file may take. Without a reserve it may
    /// not grow at all: what the WAL holds could then not be folded into it, and nothing would ever fit again.
    fn limit_pages(&mut self) -> Result<(), StoreError> {
        let wal = schema::wal_max_bytes(&self.settings) * 5 / 4;
        let left = self.settings.size_max_bytes.saturating_sub(wal + self.reserve_bytes + self.foreign_bytes);
        let pages = self.settings.faults.page_count_max.map_or(left / u64::from(schema::PAGE_BYTES), u64::from);
        // SQLite takes this for the size that the file has, if it is larger.
        let pages = if self.reserve_bytes > 0 { pages.max(PAGES_MIN) } else { 1 };
        self.db.pragma_update_and_check(None, "max_page_count", pages as i64, |_| Ok(()))?;
        Ok(())
    }

    /// How full each log is, for metrics and for back-pressure.
    pub(super) fn usage(&self) -> Usage {
        let size = |name: &str| std::fs::metadata(self.settings.data_dir.join(name)).map_or(0, |file| file.len());
        let wal_bytes = size(&format!("{}-wal", schema::FILE));
        let logs = self.logs.iter().map(|log| LogUsage {
            bytes: log.bytes,
            records: log.end - log.start,
            pending_records: log.end - log.low().max(log.start),
            oldest_tick: log.oldest_tick,
        });
        Usage {
            disk_bytes: size(schema::FILE)
                + wal_bytes
                + size(&format!("{}-shm", schema::FILE))
                + self.reserve_bytes
                + self.foreign_bytes,
            wal_bytes,
            logs: logs.collect(),
            ..Usage::default()
        }
    }

    pub(super) fn log_ends(&self) -> Vec<u64> {
        self.logs.iter().map(|log| log.end).collect()
    }

    pub(super) fn full_logs(&self) -> Vec<bool> {
        self.logs.iter().map(Log::is_full).collect()
    }
}

impl Commit {
    pub fn is_empty(&self) -> bool {
        self.appends.is_empty()
            && self.cursors.is_empty()
            && self.counters.is_empty()
            && self.snapshot.is_none()
            && self.meta.is_empty()
            && self.rows.is_empty()
    }
}

/// What the disk has left.
#[derive(Clone, Copy, PartialEq)]
enum Room {
    Enough,
    /// What a policy allows to leave out is left out.
    None,
}

/// Where all logs stand.
fn standings(logs: &[Log], forgotten: &Standings) -> Standings {
    let known = logs.iter().map(|log| (log.id, Standing { end: log.end, low: log.low() }));
    known.chain(forgotten.iter().map(|(id, standing)| (*id, *standing))).collect()
}

/// Logs of sinks that the configuration no longer has: kept, and said.
fn forgotten_logs(db: &Connection, settings: &Settings) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare("SELECT name FROM log ORDER BY name")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let unknown = names.into_iter().filter(|name| !settings.logs.iter().any(|log| log.name == *name));
    Ok(unknown
        .map(|name| format!("the store keeps {name}, which is no longer configured: its records wait until it is again, or `tidegate forget` drops them"))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{CursorMove, LogId, Records, Row, Section, Snapshot};
    use super::*;

    fn settings(directory: &Path, overflow: Overflow, share_max_bytes: u64) -> Settings {
        let log = |name: &str, readers: &[&str], overflow, share_max_bytes| LogSettings {
            name: name.to_owned(),
            share_max_bytes,
            overflow,
            dropped_counter: format!("dropped {name}"),
            readers: readers.iter().map(|reader| (*reader).to_owned()).collect(),
            retain: Duration::ZERO,
        };
        let logs = vec![
            log("journal", &["replay"], Overflow::DropOldest, 1 << 30),
            log("sink/cloud", &["kafka"], overflow, share_max_bytes),
        ];
        Settings {
            data_dir: directory.to_owned(),
            size_max_bytes: 1 << 30,
            commit_interval: Duration::ZERO,
            logs,
            faults: Default::default(),
        }
    }

    fn counted(store: &Store, key: &str) -> u64 {
        store.counters().to_map().get(key).copied().unwrap_or(0)
    }

    fn append(log: LogId, tick: Millis, texts: &[String]) -> Commit {
        let mut records = Records::default();
        texts.iter().for_each(|text| records.push(text.as_bytes()));
        let append = Append { log, tick, records, refused_counter: "refused".to_owned() };
        Commit { appends: vec![append], ..Commit::default() }
    }

    fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
        range.map(|n| format!("record number {n}")).collect()
    }

    fn read_all(store: &Store, log: LogId, from: u64) -> Vec<(u64, String)> {
        let (mut reader, mut next, mut found) = (store.reader().unwrap(), from, Vec::new());
        loop {
            let blocks = reader.read(log, next, 1000).unwrap();
            if blocks.is_empty() {
                return found;
            }
            for block in blocks {
                for (index, record) in block.records.iter().enumerate() {
                    let offset = block.first + index as u64;
                    if offset >= next {
                        found.push((offset, String::from_utf8(record.to_vec()).unwrap()));
                    }
                }
                next = block.first + u64::from(block.records.count);
            }
        }
    }

    #[test]
    fn everything_committed_is_there_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path(), Overflow::DropOldest, 1 << 30);
        let (mut store, opened) = Store::open(settings.clone()).unwrap();
        assert!(opened.created && opened.log_ends == [0, 0]);
        store.commit(&append(1, 5, &numbers(0..100))).unwrap();
        let mut commit = append(1, 6, &numbers(100..150));
        commit.counters.insert("c".into(), 7);
        commit.meta.push(("k".into(), Some(vec![1, 2])));
        commit.rows.push(Row { table: Table::Session, key: b"a".to_vec(), bytes: Some(vec![3]) });
        let section = Section { name: "query/q".into(), fingerprint: vec![4], state: vec![5; 5000] };
        commit.snapshot = Some(Snapshot { journal_offset: 0, sections: vec![section] });
        let committed = store.commit(&commit).unwrap();
        assert_eq!(committed.log_ends, [0, 150]);
        drop(store);
        let (store, again) = Store::open(settings).unwrap();
        assert!(!again.created && again.store_id == opened.store_id);
        assert_eq!(again.log_ends, [0, 150]);
        assert_eq!(again.counters.get("c"), Some(&7));
        assert_eq!(again.meta.get("k"), Some(&vec![1, 2]));
        assert_eq!(again.snapshot, commit.snapshot);
        let mut sessions = Vec::new();
        store.each_row(Table::Session, |key, bytes| sessions.push((key.to_vec(), bytes.to_vec()))).unwrap();
        assert_eq!(sessions, [(b"a".to_vec(), vec![3])]);
        let expected: Vec<_> =
            numbers(120..150).into_iter().enumerate().map(|(i, text)| (120 + i as u64, text)).collect();
        assert_eq!(read_all(&store, 1, 120), expected);
    }

    #[test]
    fn a_block_goes_once_every_cursor_has_passed_it_and_the_newest_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(settings(directory.path(), Overflow::DropOldest, 1 << 30)).unwrap();
        for block in 0..10 {
            store.commit(&append(1, block, &numbers(0..10))).unwrap();
        }
        let move_to = |offset| Commit {
            cursors: vec![CursorMove { log: 1, reader: "kafka".into(), offset }],
            ..Commit::default()
        };
        store.commit(&move_to(35)).unwrap();
        assert_eq!(read_all(&store, 1, 0).first().map(|(offset, _)| *offset), Some(30));
        store.commit(&move_to(20)).unwrap();
        assert_eq!(store.usage().logs[1].pending_records, 65, "a cursor does not go back");
        store.commit(&move_to(100)).unwrap();
        assert_eq!(read_all(&store, 1, 0).first().map(|(offset, _)| *offset), Some(90));
        assert_eq!(store.usage().logs[1].pending_records, 0);
    }

    #[test]
    fn each_overflow_policy_is_counted_exactly() {
        for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Block] {
            let directory = tempfile::tempdir().unwrap();
            let (mut store, _) = Store::open(settings(directory.path(), overflow, 2_000)).unwrap();
            for tick in 0..40 {
                let unlike: Vec<String> =
                    (0..10).map(|n| format!("{}", (tick * 7_919 + n * 104_729) % 1_000_003)).collect();
                store.commit(&append(1, tick, &unlike)).unwrap();
            }
            let there = read_all(&store, 1, 0).len() as u64;
            let counted = |key: &str| counted(&store, key);
            assert_eq!(there + counted("dropped sink/cloud") + counted("refused"), 400, "{overflow:?}");
            match overflow {
                Overflow::DropOldest => assert!(counted("dropped sink/cloud") > 100 && counted("refused") == 0),
                Overflow::DropNewest => assert!(counted("dropped sink/cloud") == 0 && counted("refused") > 100),
                Overflow::Block => assert!(there == 400 && store.full_logs()[1]),
            }
        }
    }

    #[test]
    fn what_a_transaction_holds_is_never_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(settings(directory.path(), Overflow::DropOldest, 1_000)).unwrap();
        store.commit(&append(1, 0, &numbers(0..10))).unwrap();
        store.protected()[1].store(0, Ordering::Release);
        for tick in 0..20 {
            store.commit(&append(1, tick, &numbers(0..10))).unwrap();
        }
        assert_eq!(read_all(&store, 1, 0).len(), 210);
        store.protected()[1].store(u64::MAX, Ordering::Release);
        store.commit(&append(1, 30, &numbers(0..10))).unwrap();
        assert!(read_all(&store, 1, 0).len() < 100);
    }

    #[test]
    fn a_full_disk_heals_by_policy() {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = settings(directory.path(), Overflow::DropOldest, 1 << 30);
        settings.faults.page_count_max = Some(400);
        let (mut store, _) = Store::open(settings).unwrap();
        let mut random = 1u64;
        for tick in 0..200 {
            let text: String = (0..4000)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    char::from(b' ' + (random >> 58) as u8)
                })
                .collect();
            store.commit(&append(1, tick, &[text])).unwrap();
        }
        let dropped = counted(&store, "dropped sink/cloud");
        assert!(dropped > 50);
        assert_eq!(read_all(&store, 1, 0).len() as u64 + dropped, 200);
    }

    #[test]
    fn a_log_that_nobody_configures_is_kept_until_it_is_dropped_and_then_counted() {
        let directory = tempfile::tempdir().unwrap();
        let with = settings(directory.path(), Overflow::DropOldest, 1 << 30);
        let without = Settings { logs: with.logs[..1].to_vec(), ..with.clone() };
        let (mut store, _) = Store::open(with.clone()).unwrap();
        store.commit(&append(1, 5, &numbers(0..100))).unwrap();
        let cursor = CursorMove { log: 1, reader: "kafka".into(), offset: 30 };
        let meta =
            vec![("sink/cloud/starts".to_owned(), Some(vec![1])), ("sink/cloudy/starts".to_owned(), Some(vec![2]))];
        store.commit(&Commit { cursors: vec![cursor], meta, ..Commit::default() }).unwrap();
        drop(store);
        let (mut store, opened) = Store::open(without.clone()).unwrap();
        assert!(opened.findings.iter().any(|finding| finding.contains("sink/cloud")), "{:?}", opened.findings);
        assert_eq!(store.forget("sink/other", "kafka", "dropped").unwrap(), None);
        assert_eq!(store.forget("sink/cloud", "kafka", "dropped").unwrap(), Some(70));
        drop(store);
        let (store, opened) = Store::open(without).unwrap();
        assert!(opened.findings.is_empty(), "{:?}", opened.findings);
        assert_eq!(
            opened.meta.keys().filter(|key| key.starts_with("sink/")).collect::<Vec<_>>(),
            ["sink/cloudy/starts"]
        );
        assert_eq!(counted(&store, "dropped"), 70);
        drop(store);
        let (store, opened) = Store::open(with).unwrap();
        assert_eq!((opened.log_ends.as_slice(), read_all(&store, 1, 0).len()), (&[0, 0][..], 0), "it begins anew");
    }

    #[test]
    fn a_second_process_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path(), Overflow::DropOldest, 1 << 30);
        let _store = Store::open(settings.clone()).unwrap();
        assert!(matches!(Store::open(settings), Err(StoreError::Locked(_))));
    }

    #[test]
    fn a_corrupt_block_is_one_range_and_reading_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(settings(directory.path(), Overflow::DropOldest, 1 << 30)).unwrap();
        for tick in 0..3 {
            store.commit(&append(1, tick, &numbers(0..10))).unwrap();
        }
        store.db.execute("UPDATE log_2 SET bytes = zeroblob(LENGTH(bytes)) WHERE first = 10", []).unwrap();
        let blocks = store.reader().unwrap().read(1, 0, 1 << 20).unwrap();
        let seen: Vec<_> = blocks.iter().map(|b| (b.first, b.records.count, b.corrupt)).collect();
        assert_eq!(seen, [(0, 10, false), (10, 10, true), (20, 10, false)]);
    }

    /// Ten blocks of ten records, of which the reader has had thirty, then some damage: the log ends where it did, the
    /// cursor stands where it stood, and every record between is there or in a gap.
    #[test]
    fn a_lost_end_a_lost_log_and_a_lost_cursor_are_known_to_the_record() {
        for (damage, sound) in [
            ("DELETE FROM log_2 WHERE first >= 50", 20),
            ("UPDATE log_2 SET count = 7 WHERE first = 90", 60),
            ("UPDATE log_2 SET first = 1000000 WHERE first = 90", 60),
            ("DELETE FROM log_2", 0),
            ("DELETE FROM log_2 WHERE first < 60", 40),
            ("DELETE FROM cursor", 70),
            ("UPDATE cursor SET next = 99", 70),
            ("DELETE FROM cursor; DELETE FROM log_2 WHERE first < 60", 40),
            ("DELETE FROM cursor; DELETE FROM log_2", 0),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let settings = settings(directory.path(), Overflow::DropOldest, 1 << 30);
            let (mut store, _) = Store::open(settings.clone()).unwrap();
            for block in 0..10 {
                store.commit(&append(1, block, &numbers(block as u64 * 10..block as u64 * 10 + 10))).unwrap();
            }
            let cursor = CursorMove { log: 1, reader: "kafka".into(), offset: 30 };
            store.commit(&Commit { cursors: vec![cursor], ..Commit::default() }).unwrap();
            store.db.execute_batch(damage).unwrap();
            drop(store);
            for _ in 0..2 {
                let (store, opened) = Store::open(settings.clone()).unwrap();
                assert_eq!(opened.log_ends[1], 100, "{damage}: {:?}", opened.findings);
                assert_eq!(opened.cursors.get(&(1, "kafka".to_owned())), Some(&30), "{damage}");
                let (mut reader, mut next, mut read) = (store.reader().unwrap(), 30, 0);
                for block in reader.read(1, 30, 1 << 20).unwrap() {
                    assert!(block.first <= next, "{damage}: {next} to {} are gone without a word", block.first);
                    let end = block.first + u64::from(block.records.count);
                    read += if block.corrupt { 0 } else { end - next.min(end) };
                    next = next.max(end);
                }
                assert_eq!((next, read), (100, sound), "{damage}");
            }
            let (mut store, _) = Store::open(settings).unwrap();
            let committed = store.commit(&append(1, 99, &numbers(100..101))).unwrap();
            assert_eq!(committed.log_ends[1], 101, "{damage}");
        }
    }

    #[test]
    fn a_damaged_file_is_moved_aside_and_what_can_be_read_goes_on() {
        for seed in 0..30usize {
            let directory = tempfile::tempdir().unwrap();
            let settings = settings(directory.path(), Overflow::DropOldest, 1 << 30);
            let (mut store, _) = Store::open(settings.clone()).unwrap();
            for tick in 0..50 {
                store.commit(&append(1, tick, &numbers(0..40))).unwrap();
            }
            drop(store);
            let path = directory.path().join(schema::FILE);
            let mut bytes = std::fs::read(&path).unwrap();
            let at = (seed * 7_919 * 131) % bytes.len();
            let end = (at + 2_000).min(bytes.len());
            bytes[at..end].iter_mut().enumerate().for_each(|(i, byte)| *byte ^= (i as u8) | 1);
            std::fs::write(&path, bytes).unwrap();
            let (mut store, opened) = match Store::open(settings.clone()) {
                Ok(open) => open,
                Err(error) => panic!("seed {seed}: {error}"),
            };
            assert!(opened.log_ends[1] <= 2_000);
            match store.commit(&append(1, 99, &numbers(0..1))) {
                Ok(_) => {}
                Err(error) => {
                    assert!(error.is_corruption(), "seed {seed}: {error}");
                }
            }
            drop(store);
            let (mut store, _) = Store::open(settings).unwrap();
            store.commit(&append(1, 99, &numbers(0..1))).unwrap();
        }
    }
}
