//! What the store is to do, done naively in memory; and commits made at random.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use tidegate::store::{
    Append, Commit, CursorMove, Faults, LogSettings, Opened, Overflow, Records, Row, Section, Settings, Snapshot,
    Store, Table,
};

use crate::disk::Random;

pub const JOURNAL: usize = 0;
pub const CLOUD: usize = 1;
/// Its reader never comes, and its share is small: it always drops.
pub const FULL: usize = 2;

const READER: &str = "reader";

pub fn settings(directory: &Path, faults: Faults) -> Settings {
    let log = |name: &str, share_max_bytes| LogSettings {
        name: name.to_owned(),
        share_max_bytes,
        overflow: Overflow::DropOldest,
        dropped_counter: format!("dropped {name}"),
        readers: vec![READER.to_owned()],
        retain: Duration::ZERO,
    };
    Settings {
        data_dir: directory.to_owned(),
        size_max_bytes: 1 << 30,
        commit_interval: Duration::ZERO,
        logs: vec![log("journal", 1 << 30), log("cloud", 1 << 30), log("full", 20_000)],
        faults,
    }
}

/// The state after a commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub logs: [Vec<Vec<u8>>; 3],
    pub cursors: BTreeMap<usize, u64>,
    pub counted: u64,
    pub snapshot: Option<Snapshot>,
    pub meta: BTreeMap<String, Vec<u8>>,
    pub rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// Every row that was ever written.
    pub written: BTreeSet<(Table, Vec<u8>, Vec<u8>)>,
    pub ticks: i64,
}

impl Model {
    /// A commit at random, and the state after it.
    pub fn step(&self, random: &mut Random) -> (Commit, Model) {
        let (mut commit, mut after) = (Commit::default(), self.clone());
        after.ticks += 1;
        for log in [JOURNAL, CLOUD, FULL] {
            if random.below(4) > 0 {
                commit.appends.push(append(&mut after, log, random));
            }
        }
        let by = random.below(1000);
        commit.counters.insert("counted".to_owned(), by);
        after.counted += by;
        if random.below(3) == 0 {
            commit.cursors.push(move_cursor(&mut after, CLOUD, random));
        }
        if random.below(8) == 0 {
            let journal_offset = after.logs[JOURNAL].len() as u64;
            let length_max = if random.below(5) == 0 { 60_000 } else { 2_000 };
            let length = random.below(length_max) as usize;
            let section = |name: &str, state| Section { name: name.to_owned(), fingerprint: vec![1, 2], state };
            let sections = vec![section("query/a", random.bytes(length)), section("query/b", vec![7; length])];
            after.snapshot = Some(Snapshot { journal_offset, sections });
            commit.snapshot.clone_from(&after.snapshot);
            after.cursors.insert(JOURNAL, journal_offset);
            commit.cursors.push(CursorMove { log: JOURNAL, reader: READER.to_owned(), offset: journal_offset });
        }
        if random.below(4) == 0 {
            let (key, length) = (format!("key {}", random.below(4)), random.below(300) as usize);
            let value = (length > 40).then(|| random.bytes(length));
            match &value {
                Some(value) => drop(after.meta.insert(key.clone(), value.clone())),
                None => drop(after.meta.remove(&key)),
            }
            commit.meta.push((key, value));
        }
        if random.below(2) == 0 {
            commit.rows = rows(&mut after, random);
        }
        (commit, after)
    }

    /// Compares with what a store has; `Err` says where they differ.
    pub fn check(&self, store: &Store, opened: &Opened) -> Result<(), String> {
        let same = |what: &str, is: String, should: String| {
            if is == should { Ok(()) } else { Err(format!("{what} is {is:.200}, not {should:.200}")) }
        };
        let ends: Vec<u64> = self.logs.iter().map(|log| log.len() as u64).collect();
        same("log_ends", format!("{:?}", opened.log_ends), format!("{ends:?}"))?;
        let counted = |key: &str| opened.counters.get(key).copied().unwrap_or(0);
        same("the counter", counted("counted").to_string(), self.counted.to_string())?;
        same("what was dropped", counted("dropped full").to_string(), opened.log_starts[FULL].to_string())?;
        // Dropping moves a cursor along.
        let own = |((log, _), at): (&(usize, String), &u64)| (*log != FULL).then_some((*log, *at));
        let cursors: BTreeMap<usize, u64> = opened.cursors.iter().filter_map(own).collect();
        same("the cursors", format!("{cursors:?}"), format!("{:?}", self.cursors))?;
        same("the snapshot", format!("{:?}", opened.snapshot), format!("{:?}", self.snapshot))?;
        let mut meta = opened.meta.clone();
        meta.retain(|key, _| key.starts_with("key "));
        same("meta", format!("{meta:?}"), format!("{:?}", self.meta))?;
        let mut rows = BTreeMap::new();
        for table in Table::ALL {
            let damaged = store
                .each_row(table, |key, bytes| drop(rows.insert((table, key.to_vec()), bytes.to_vec())))
                .map_err(|error| error.to_string())?;
            same("damaged rows", damaged.to_string(), "0".to_owned())?;
        }
        same("the rows", format!("{rows:?}"), format!("{:?}", self.rows))?;
        for log in [JOURNAL, CLOUD, FULL] {
            self.check_log(store, log, opened.log_starts[log])?;
        }
        Ok(())
    }

    /// Every record from the start on, in order, once, and the start not behind the cursor.
    fn check_log(&self, store: &Store, log: usize, start: u64) -> Result<(), String> {
        let cursor = self.cursors.get(&log).copied().unwrap_or(0);
        if log != FULL && start > cursor {
            return Err(format!("log {log} starts at {start}, behind its cursor {cursor}"));
        }
        let mut reader = store.reader().map_err(|error| error.to_string())?;
        let mut next = start;
        loop {
            let blocks = reader.read(log, next, 3_000).map_err(|error| error.to_string())?;
            if blocks.is_empty() {
                break;
            }
            for block in blocks {
                if block.corrupt || block.first != next {
                    return Err(format!("log {log}: a block at {} where {next} should be", block.first));
                }
                for record in block.records.iter() {
                    if self.logs[log].get(next as usize).map(Vec::as_slice) != Some(record) {
                        return Err(format!("log {log}: record {next} is another"));
                    }
                    next += 1;
                }
            }
        }
        if next == self.logs[log].len() as u64 { Ok(()) } else { Err(format!("log {log} ends at {next}")) }
    }
}

fn append(after: &mut Model, log: usize, random: &mut Random) -> Append {
    let mut records = Records::default();
    let count_max = if random.below(10) == 0 { 60 } else { 6 };
    for _ in 0..1 + random.below(count_max) {
        let length = random.below(200) as usize;
        // Half of it compresses, half does not.
        let mut record = format!("record {} of log {log}, ", after.logs[log].len()).into_bytes();
        record.extend(random.bytes(length));
        record.extend(std::iter::repeat_n(b'.', length));
        records.push(&record);
        after.logs[log].push(record);
    }
    Append { log, tick: after.ticks, records, refused_counter: "refused".to_owned() }
}

fn move_cursor(after: &mut Model, log: usize, random: &mut Random) -> CursorMove {
    let now = after.cursors.get(&log).copied().unwrap_or(0);
    let offset = now + random.below(after.logs[log].len() as u64 - now + 1);
    after.cursors.insert(log, offset);
    CursorMove { log, reader: READER.to_owned(), offset }
}

fn rows(after: &mut Model, random: &mut Random) -> Vec<Row> {
    let mut rows = Vec::new();
    for _ in 0..1 + random.below(5) {
        let table = Table::ALL[random.below(Table::ALL.len() as u64) as usize];
        let (key, length) = (random.below(8).to_be_bytes().to_vec(), random.below(2_000) as usize);
        let bytes = (random.below(3) > 0).then(|| random.bytes(length));
        match &bytes {
            Some(bytes) => {
                after.written.insert((table, key.clone(), bytes.clone()));
                after.rows.insert((table, key.clone()), bytes.clone());
            }
            None => {
                after.rows.remove(&(table, key.clone()));
            }
        }
        rows.push(Row { table, key, bytes });
    }
    rows
}
