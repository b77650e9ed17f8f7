//! A disk without room, and a disk that fails: what the policies allow to go goes and is counted, everything else waits.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tidegate::store::{Append, Commit, CursorMove, Faults, Overflow, Records, Settings, Store, StoreError, Writer};

use crate::disk::{Disk, Random};
use crate::model::{self, CLOUD};

/// The disks have one name each, so each test has its own.
fn on_full_disk(disk: &Disk, directory: &std::path::Path, overflow: Overflow) -> Settings {
    let faults = Faults {
        vfs: Some(disk.name.clone()),
        wal_max_bytes: Some(100_000),
        disk_left_bytes: Some(disk.world().left_bytes.clone()),
        ..Faults::default()
    };
    let mut settings = model::settings(directory, faults);
    // The reserve is an eighth of it.
    settings.size_max_bytes = 1 << 20;
    for log in &mut settings.logs {
        log.share_max_bytes = 1 << 30;
    }
    settings.logs[CLOUD].overflow = overflow;
    settings
}

fn small(disk: &Disk, directory: &std::path::Path) {
    disk.power_on(1, None);
    disk.world().set_quota(700_000);
    disk.world().other = Some(directory.join("reserve"));
}

fn append(random: &mut Random, count: u64) -> Commit {
    let mut records = Records::default();
    for _ in 0..count {
        records.push(&random.bytes(500));
    }
    let append = Append { log: CLOUD, tick: 1, records, refused_counter: "refused".to_owned() };
    let mut commit = Commit { appends: vec![append], ..Commit::default() };
    commit.counters.insert("committed".to_owned(), count);
    commit
}

fn there(store: &Store, log: usize) -> u64 {
    let (mut reader, mut next, mut count) = (store.reader().expect("opens"), 0, 0);
    loop {
        let blocks = reader.read(log, next, 1 << 20).expect("reads");
        let Some(last) = blocks.last() else { return count };
        next = last.first + u64::from(last.records.count);
        assert!(blocks.iter().all(|block| !block.corrupt));
        count += blocks.iter().map(|block| u64::from(block.records.count)).sum::<u64>();
    }
}

fn counted(store_settings: Settings, key: &str) -> u64 {
    let (_store, opened) = Store::open(store_settings).expect("opens again");
    opened.counters.get(key).copied().unwrap_or(0)
}

#[test]
fn drop_oldest_makes_room_on_a_full_disk_and_counts() {
    let (disk, directory) = (Disk::register("full-oldest"), tempfile::tempdir().expect("a directory"));
    small(&disk, directory.path());
    let settings = on_full_disk(&disk, directory.path(), Overflow::DropOldest);
    let (mut store, _) = Store::open(settings.clone()).expect("opens");
    let mut random = Random(1);
    for _ in 0..300 {
        store.commit(&append(&mut random, 10)).expect("drops what is old");
    }
    let there = there(&store, CLOUD);
    drop(store);
    assert!(there > 100, "{there}");
    assert_eq!(there + counted(settings, "dropped cloud"), 3_000);
}

#[test]
fn drop_newest_refuses_on_a_full_disk_and_counts_and_heals() {
    let (disk, directory) = (Disk::register("full-newest"), tempfile::tempdir().expect("a directory"));
    small(&disk, directory.path());
    let settings = on_full_disk(&disk, directory.path(), Overflow::DropNewest);
    let (mut store, _) = Store::open(settings.clone()).expect("opens");
    let mut random = Random(2);
    let refused = (0..300).filter(|_| {
        let committed = store.commit(&append(&mut random, 10)).expect("refuses what is new");
        committed.refused == [CLOUD]
    });
    let refused = refused.count() as u64;
    let there_full = there(&store, CLOUD);
    assert!(there_full > 100 && refused > 100);
    assert_eq!(there_full + refused * 10, 3_000);
    disk.world().set_quota(900_000);
    assert!(store.commit(&append(&mut random, 10)).expect("there is room again").refused.is_empty());
    drop(store);
    assert_eq!(counted(settings.clone(), "refused"), refused * 10);
    assert_eq!(counted(settings, "committed"), 3_010);
}

#[test]
fn block_waits_on_a_full_disk_until_its_reader_has_moved_on() {
    let (disk, directory) = (Disk::register("full-block"), tempfile::tempdir().expect("a directory"));
    small(&disk, directory.path());
    let settings = on_full_disk(&disk, directory.path(), Overflow::Block);
    let (mut store, _) = Store::open(settings.clone()).expect("opens");
    let mut random = Random(3);
    let mut committed = 0;
    loop {
        match store.commit(&append(&mut random, 10)) {
            Ok(_) => committed += 10,
            Err(StoreError::Full) => break,
            Err(error) => panic!("{error}"),
        }
        assert!(committed < 3_000, "it must fill up");
    }
    assert_eq!(there(&store, CLOUD), committed, "nothing was dropped");
    let move_on = CursorMove { log: CLOUD, reader: "reader".to_owned(), offset: committed };
    store.commit(&Commit { cursors: vec![move_on], ..Commit::default() }).expect("a cursor always gets through");
    store.commit(&append(&mut random, 10)).expect("there is room again");
    drop(store);
    assert_eq!(counted(settings, "committed"), committed + 10);
}

#[test]
fn nothing_is_dropped_to_make_room_for_a_snapshot() {
    let (disk, directory) = (Disk::register("full-snapshot"), tempfile::tempdir().expect("a directory"));
    small(&disk, directory.path());
    let settings = on_full_disk(&disk, directory.path(), Overflow::DropOldest);
    let (mut store, _) = Store::open(settings.clone()).expect("opens");
    let mut random = Random(4);
    for _ in 0..20 {
        store.commit(&append(&mut random, 10)).expect("there is room");
    }
    let section =
        tidegate::store::Section { name: "query/a".to_owned(), fingerprint: Vec::new(), state: random.bytes(900_000) };
    let snapshot = tidegate::store::Snapshot { journal_offset: 0, sections: vec![section] };
    let move_on = CursorMove { log: CLOUD, reader: "reader".to_owned(), offset: 200 };
    let commit = Commit { snapshot: Some(snapshot), cursors: vec![move_on], ..Commit::default() };
    let committed = store.commit(&commit).expect("goes on without it");
    assert!(committed.snapshot_refused);
    assert_eq!(there(&store, CLOUD), 200);
    drop(store);
    let (_store, opened) = Store::open(settings).expect("opens again");
    assert!(opened.snapshot.is_none() && opened.cursors.is_empty());
}

#[test]
fn a_failed_fsync_is_the_end_and_acknowledges_nothing() {
    let (disk, directory) = (Disk::register("fsync-fails"), tempfile::tempdir().expect("a directory"));
    disk.power_on(1, None);
    let (store, _) = Store::open(on_full_disk(&disk, directory.path(), Overflow::DropOldest)).expect("opens");
    let writer = Writer::spawn(store);
    let (acknowledge, acknowledged) = channel();
    let tick = |number: u64| {
        let acknowledge = acknowledge.clone();
        writer.tick(append(&mut Random(number), 1), Box::new(move |_| acknowledge.send(number).expect("heard")))
    };
    tick(1).expect("taken");
    assert_eq!(acknowledged.recv_timeout(Duration::from_secs(30)), Ok(1));
    disk.world().syncs_fail = true;
    tick(2).expect("taken");
    wait_until(|| writer.failed().borrow().is_some());
    disk.world().syncs_fail = false;
    assert!(matches!(tick(3), Err(StoreError::Stopped(_))), "a second fsync proves nothing");
    assert!(acknowledged.try_recv().is_err());
}

#[test]
fn commits_keep_their_distance_and_maintenance_does_not_wait_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut settings = model::settings(directory.path(), Faults::default());
    settings.commit_interval = Duration::from_millis(100);
    let (store, _) = Store::open(settings).expect("opens");
    let writer = Writer::spawn(store);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let began = Instant::now();
    let times = std::sync::Arc::new(Mutex::new(Vec::new()));
    for number in 0..5 {
        let times = times.clone();
        let done = move |_: &_| times.lock().expect("unbroken").push(began.elapsed());
        writer.tick(append(&mut Random(number), 1), Box::new(done)).expect("taken");
        let mut small = Commit::default();
        small.meta.push(("key".to_owned(), Some(vec![number as u8])));
        runtime.block_on(writer.maintain(small)).expect("committed");
    }
    wait_until(|| times.lock().expect("unbroken").len() == 5);
    let times = times.lock().expect("unbroken");
    // From begin to begin of a commit; ends may be nearer by what a commit takes.
    assert!(times[4] >= Duration::from_millis(400), "{times:?}");
    runtime.block_on(writer.stop());
}

#[test]
fn readers_see_every_record_while_the_log_is_trimmed_behind_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let faults = Faults { wal_max_bytes: Some(100_000), ..Faults::default() };
    let (mut store, _) = Store::open(model::settings(directory.path(), faults)).expect("opens");
    let (blocks, count) = (400u64, 25u64);
    let record = |offset: u64| format!("record {offset} {}", "x".repeat(offset as usize % 300)).into_bytes();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| store.reader().expect("opens")).collect();
        let (progress, reached) = channel();
        for (who, mut reader) in readers.into_iter().enumerate() {
            let progress = progress.clone();
            scope.spawn(move || {
                let (mut next, deadline) = (0, Instant::now() + Duration::from_secs(60));
                while next < blocks * count {
                    assert!(Instant::now() < deadline, "stuck at {next}");
                    for block in reader.read(CLOUD, next, 10_000).expect("reads") {
                        assert!(!block.corrupt && block.first <= next);
                        for (index, bytes) in block.records.iter().enumerate() {
                            assert_eq!(bytes, record(block.first + index as u64));
                        }
                        next = block.first + u64::from(block.records.count);
                    }
                    progress.send((who, next)).expect("the writer listens");
                }
            });
        }
        drop(progress);
        let mut at = [0u64; 2];
        for block in 0..blocks {
            let mut records = Records::default();
            (block * count..(block + 1) * count).for_each(|offset| records.push(&record(offset)));
            let append = Append { log: CLOUD, tick: 1, records, refused_counter: String::new() };
            reached.try_iter().for_each(|(who, next): (usize, u64)| at[who] = next);
            let offset = at[0].min(at[1]);
            let cursor = CursorMove { log: CLOUD, reader: "reader".to_owned(), offset };
            store
                .commit(&Commit { appends: vec![append], cursors: vec![cursor], ..Commit::default() })
                .expect("commits");
        }
        reached.iter().for_each(drop);
    });
}

/// # Panics
/// If it takes more than a minute.
fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "it did not happen");
        std::thread::yield_now();
    }
}
