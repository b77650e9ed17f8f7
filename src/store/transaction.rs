//! Opening the store, and committing to it: one transaction, fsynced, or nothing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use uuid::Uuid;

use super::log::{self, Log};
use super::{
    Append, Block, Commit, Committed, LogId, LogUsage, Opened, Overflow, Settings, StoreError, Usage, counters,
    cursors, meta, records, salvage, schema, sessions, snapshots,
};
use crate::model::Millis;

/// Freed when the disk is full, so that a trim can be committed.
const RESERVE_FILE: &str = "reserve";
const RESERVE_BYTES_MAX: u64 = schema::WAL_BYTES + (4 << 20);

/// Left behind when the database turned out to be damaged while in use: the next start moves it aside.
const DAMAGED_MARK: &str = "damaged";

const STORE_ID: &str = "store_id";

/// The one writer of the database.
pub struct Store {
    db: Connection,
    settings: Settings,
    path: PathBuf,
    logs: Vec<Log>,
    counters: counters::Counters,
    last_tick: Millis,
    /// For each log, the offset from which nothing may be dropped (a Kafka transaction is open); `u64::MAX`: none.
    protected: Arc<Vec<AtomicU64>>,
    reserve_bytes: u64,
    _lock: File,
}

/// A connection of its own that only reads.
pub struct Reader {
    db: Connection,
    tables: Vec<String>,
}

impl Reader {
    /// Blocks from the one that holds `from` on, up to `bytes_max` of plain bytes but at least one where there is any.
    pub fn read(&mut self, log: LogId, from: u64, bytes_max: usize) -> Result<Vec<Block>, StoreError> {
        log::read(&self.db, &self.tables[log], from, bytes_max)
    }
}

impl Store {
    /// Opens or makes the database in `data_dir`. A damaged one is moved aside and what can be read of it taken over.
    pub fn open(settings: Settings) -> Result<(Store, Opened), StoreError> {
        let directory = settings.data_dir.clone();
        std::fs::create_dir_all(&directory).map_err(|error| StoreError::Io(directory.clone(), error))?;
        let lock = lock(&directory)?;
        let path = directory.join(schema::FILE);
        let mut findings = Vec::new();
        let mark = directory.join(DAMAGED_MARK);
        let outcome = match std::fs::read_to_string(&mark) {
            Ok(why) => Err(why),
            Err(_) => match Store::open_file(&settings, &path, &lock) {
                Err(error) if error.is_corruption() => Err(error.to_string()),
                outcome => Ok(outcome?),
            },
        };
        let (store, opened) = match outcome {
            Ok(open) => open,
            Err(why) => {
                let aside = salvage::move_aside(&path)?;
                findings.push(format!("the database is damaged ({why}); it was moved to {}", aside.display()));
                findings.extend(salvage::salvage(&aside, &path, &settings)?);
                let open = Store::open_file(&settings, &path, &lock)?;
                let _ = std::fs::remove_file(&mark);
                open
            }
        };
        findings.extend(opened.findings);
        Ok((store, Opened { findings, ..opened }))
    }

    fn open_file(settings: &Settings, path: &Path, lock: &File) -> Result<(Store, Opened), StoreError> {
        let mut db = schema::open_writer(path, &settings.faults)?;
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let logs = settings.logs.iter().map(|log| Log::open(&tx, log.clone())).collect::<Result<Vec<_>, _>>()?;
        let mut found = meta::all(&tx)?;
        let created = !found.contains_key(STORE_ID);
        if created {
            #[allow(clippy::disallowed_methods)] // Here an identity is made.
            let id = Uuid::new_v4();
            meta::put(&tx, STORE_ID, Some(id.as_bytes()))?;
            found.insert(STORE_ID.to_owned(), id.as_bytes().to_vec());
        }
        let store_id = Uuid::from_slice(&found[STORE_ID]).map_err(|_| StoreError::CorruptBlock)?;
        let position = |id: i64| logs.iter().position(|log| log.id == id);
        let cursors =
            cursors::all(&tx)?.into_iter().filter_map(|((id, reader), next)| Some(((position(id)?, reader), next)));
        let opened = Opened {
            store_id,
            created,
            log_starts: logs.iter().map(|log| log.start).collect(),
            log_ends: logs.iter().map(|log| log.end).collect(),
            cursors: cursors.collect(),
            counters: counters::read(&tx)?,
            snapshot: snapshots::read(&tx)?,
            meta: found,
            sessions: sessions::all(&tx)?,
            findings: forgotten_logs(&tx, settings)?,
        };
        tx.commit()?;
        sync_directory(&settings.data_dir)?;
        let lock = lock.try_clone().map_err(|error| StoreError::Io(path.to_owned(), error))?;
        let protected = Arc::new(logs.iter().map(|_| AtomicU64::new(u64::MAX)).collect());
        let last_tick = logs.iter().filter_map(|log| log.oldest_tick).max().unwrap_or(0);
        let mut store = Store {
            db,
            settings: settings.clone(),
            path: path.to_owned(),
            logs,
            counters: opened.counters.clone(),
            last_tick,
            protected,
            reserve_bytes: 0,
            _lock: lock,
        };
        store.keep_reserve();
        store.limit_pages()?;
        Ok((store, opened))
    }

    pub fn reader(&self) -> Result<Reader, StoreError> {
        let db = schema::open_reader(&self.path, self.settings.faults.vfs.as_deref())?;
        Ok(Reader { db, tables: self.logs.iter().map(|log| log.table.clone()).collect() })
    }

    pub(super) fn protected(&self) -> Arc<Vec<AtomicU64>> {
        Arc::clone(&self.protected)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn counters(&self) -> &counters::Counters {
        &self.counters
    }

    /// Commits everything or nothing; when it returns, it is on the disk.
    pub fn commit(&mut self, commit: &Commit) -> Result<Committed, StoreError> {
        let packed: Vec<Vec<u8>> = commit.appends.iter().map(|append| records::pack(&append.records.bytes)).collect();
        match self.attempt(commit, &packed, false) {
            Err(error) if error.is_full() => {
                self.free_reserve();
                let outcome = self.attempt(commit, &packed, true);
                self.keep_reserve();
                outcome.map_err(|error| if error.is_full() { StoreError::Full } else { error })
            }
            outcome => outcome,
        }
    }

    /// Remembers for the next start that the database is damaged.
    pub(super) fn mark_damaged(&self, error: &StoreError) {
        let _ = std::fs::write(self.settings.data_dir.join(DAMAGED_MARK), error.to_string());
    }

    fn attempt(&mut self, commit: &Commit, packed: &[Vec<u8>], full: bool) -> Result<Committed, StoreError> {
        if commit.is_empty() && !full {
            return Ok(self.committed(Vec::new(), Vec::new()));
        }
        let (logs, counters, last_tick) = (self.logs.clone(), self.counters.clone(), self.last_tick);
        if full {
            self.emergency_trim()?;
        }
        let outcome = self.transaction(commit, packed);
        if outcome.is_err() {
            (self.logs, self.counters, self.last_tick) = (logs, counters, last_tick);
            if full {
                // The emergency trim was a transaction of its own.
                for log in &mut self.logs {
                    log.measure(&self.db)?;
                }
            }
        }
        outcome
    }

    fn transaction(&mut self, commit: &Commit, packed: &[Vec<u8>]) -> Result<Committed, StoreError> {
        let Store { db, logs, counters, last_tick, protected, .. } = self;
        let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for cursor in &commit.cursors {
            let log = &mut logs[cursor.log];
            cursors::advance(&tx, log.id, &cursor.reader, cursor.offset, cursor.rewind)?;
            log.find_low(&tx)?;
        }
        let (mut refused, mut dropped) = (Vec::new(), Vec::new());
        for (append, stored) in commit.appends.iter().zip(packed) {
            *last_tick = (*last_tick).max(append.tick);
            let protected = Some(protected[append.log].load(Ordering::Acquire)).filter(|from| *from != u64::MAX);
            match make_room(&tx, &mut logs[append.log], stored.len() as u64, protected)? {
                Room::Made { lost: 0 } => {}
                Room::Made { lost } => {
                    *counters.entry(logs[append.log].settings.dropped_counter.clone()).or_default() += lost;
                    dropped.push((append.log, lost));
                }
                Room::Refused => {
                    refused.push(append.log);
                    *counters.entry(append.refused_counter.clone()).or_default() += u64::from(append.records.count);
                    continue;
                }
            }
            let Append { log, tick, records, .. } = append;
            logs[*log].append(&tx, records.count, *tick, stored)?;
        }
        for log in logs.iter_mut() {
            log.trim(&tx, *last_tick)?;
        }
        if let Some(snapshot) = &commit.snapshot {
            snapshots::write(&tx, snapshot)?;
        }
        for (key, value) in &commit.meta {
            meta::put(&tx, key, value.as_deref())?;
        }
        for change in &commit.sessions {
            sessions::apply(&tx, change)?;
        }
        for (key, by) in &commit.counters {
            *counters.entry(key.clone()).or_default() += by;
        }
        if !commit.counters.is_empty() || !refused.is_empty() || !dropped.is_empty() {
            counters::write(&tx, counters)?;
        }
        tx.commit()?;
        Ok(self.committed(refused, dropped))
    }

    fn committed(&self, refused: Vec<LogId>, dropped: Vec<(LogId, u64)>) -> Committed {
        Committed { log_ends: self.logs.iter().map(|log| log.end).collect(), refused, dropped }
    }

    /// The disk is full: raw history goes first, then what the policies allow.
    fn emergency_trim(&mut self) -> Result<(), StoreError> {
        let tx = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for log in &mut self.logs {
            let retain = std::mem::take(&mut log.settings.retain);
            log.trim(&tx, self.last_tick)?;
            log.settings.retain = retain;
        }
        for (index, log) in self.logs.iter_mut().enumerate() {
            if log.settings.overflow != Overflow::DropOldest || log.settings.readers.is_empty() {
                continue;
            }
            let protected = Some(self.protected[index].load(Ordering::Acquire)).filter(|from| *from != u64::MAX);
            let share = log.settings.share_max_bytes;
            log.settings.share_max_bytes = log.bytes - log.bytes / 8;
            let lost = log.drop_oldest(&tx, 0, protected)?;
            log.settings.share_max_bytes = share;
            if lost > 0 {
                *self.counters.entry(log.settings.dropped_counter.clone()).or_default() += lost;
            }
        }
        counters::write(&tx, &self.counters)?;
        tx.commit()?;
        Ok(())
    }

    fn free_reserve(&mut self) {
        let _ = std::fs::remove_file(self.settings.data_dir.join(RESERVE_FILE));
        self.reserve_bytes = 0;
        let _ = self.limit_pages();
    }

    /// Keeps space on the disk that only an emergency may use. Without space there is none to keep.
    fn keep_reserve(&mut self) {
        let path = self.settings.data_dir.join(RESERVE_FILE);
        let bytes = RESERVE_BYTES_MAX.min(self.settings.size_max_bytes / 8);
        let made = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .is_ok_and(|file| rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes).is_ok());
        if made {
            self.reserve_bytes = bytes;
        } else {
            let _ = std::fs::remove_file(&path);
            self.reserve_bytes = 0;
        }
        let _ = self.limit_pages();
    }

    /// The cap on everything: what WAL and reserve leave is what the database file may take.
    fn limit_pages(&mut self) -> Result<(), StoreError> {
        let page: i64 = self.db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let wal = (schema::WAL_BYTES * 5 / 4).min(self.settings.size_max_bytes / 4);
        let left = self.settings.size_max_bytes.saturating_sub(wal + self.reserve_bytes);
        let pages = self.settings.faults.page_count_max.map_or(left as i64 / page.max(1), i64::from);
        self.db.pragma_update_and_check(None, "max_page_count", pages.max(64), |_| Ok(()))?;
        Ok(())
    }

    /// How full each log is, for metrics and for back-pressure.
    pub(super) fn usage(&self) -> Usage {
        let size = |name: &str| std::fs::metadata(self.settings.data_dir.join(name)).map_or(0, |file| file.len());
        let wal_bytes = size(&format!("{}-wal", schema::FILE));
        let logs = self.logs.iter().map(|log| LogUsage {
            bytes: log.bytes,
            records: log.end - log.start,
            pending_records: log.end - log.low.max(log.start),
            oldest_tick: log.oldest_tick,
        });
        Usage {
            disk_bytes: size(schema::FILE) + wal_bytes + self.reserve_bytes,
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
            && self.sessions.is_empty()
    }
}

enum Room {
    /// `lost`: records dropped before a reader had them.
    Made {
        lost: u64,
    },
    Refused,
}

fn make_room(db: &Connection, log: &mut Log, stored_bytes: u64, protected: Option<u64>) -> Result<Room, StoreError> {
    if log.bytes + stored_bytes <= log.settings.share_max_bytes {
        return Ok(Room::Made { lost: 0 });
    }
    match log.settings.overflow {
        Overflow::DropOldest => Ok(Room::Made { lost: log.drop_oldest(db, stored_bytes, protected)? }),
        Overflow::DropNewest => Ok(Room::Refused),
        // Intake stops at the share; what was taken in before that still fits.
        Overflow::Block => Ok(Room::Made { lost: 0 }),
    }
}

/// One process a directory: the lock goes with the process, however that ends.
fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| StoreError::Io(path.clone(), error))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| StoreError::Locked(directory.to_owned()))?;
    Ok(file)
}

pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    let io = |error| StoreError::Io(directory.to_owned(), error);
    File::open(directory).map_err(io)?.sync_all().map_err(io)
}

/// Logs of sinks that the configuration no longer has: kept, and said.
fn forgotten_logs(db: &Connection, settings: &Settings) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare("SELECT name FROM log ORDER BY name")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let unknown = names.into_iter().filter(|name| !settings.logs.iter().any(|log| log.name == *name));
    Ok(unknown
        .map(|name| format!("the store keeps {name}, which is no longer configured; its records wait for it"))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{CursorMove, LogSettings, Records, Section, SessionChange, Snapshot};
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
        commit.sessions.push(SessionChange::Open { client: "a".into(), expiry_s: 9, now: 6 });
        commit.sessions.push(SessionChange::Received { client: "a".into(), packet_id: 3 });
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
        assert_eq!((again.sessions[0].client.as_str(), again.sessions[0].received.as_slice()), ("a", &[3][..]));
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
            cursors: vec![CursorMove { log: 1, reader: "kafka".into(), offset, rewind: false }],
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
            let counted = |key: &str| store.counters().get(key).copied().unwrap_or(0);
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
        let dropped = store.counters().get("dropped sink/cloud").copied().unwrap_or(0);
        assert!(dropped > 50);
        assert_eq!(read_all(&store, 1, 0).len() as u64 + dropped, 200);
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
                    store.mark_damaged(&error);
                }
            }
            drop(store);
            let (mut store, _) = Store::open(settings).unwrap();
            store.commit(&append(1, 99, &numbers(0..1))).unwrap();
        }
    }
}
