//! What a commit writes to the flash, by the size of its block: `cargo test --release --test store flash -- --nocapture`
//! prints the table that benches/README.md holds.

use std::path::Path;
use std::process::Command;

use tidegate::store::{Append, Commit, CursorMove, Faults, Records, Store};

use crate::disk::{Disk, Random};
use crate::model::{CLOUD, settings};

const DIRECTORY: &str = "TIDEGATE_TEST_FLASH";

/// Where the kernel counts what reaches the disk of that directory; without it, what the process writes is counted.
const DISK_COUNTS: &str = "TIDEGATE_TEST_FLASH_DISK";

/// Block sizes, and how many commits of each: about 20 MB are written, so that the WAL is folded in at least once.
const BLOCKS: [(usize, u64); 5] = [(500, 2_000), (2 << 10, 1_800), (8 << 10, 1_000), (32 << 10, 500), (128 << 10, 150)];

/// The reader moves on, and what it has had is deleted, after so many commits.
const CURSOR_EVERY: u64 = 50;

/// Commits that are measured at a gateway's pace; too few to fill the WAL.
const PACED: u64 = 100;

/// Not a test by itself: the process whose writing is measured, since the kernel counts by process.
#[test]
fn child_process() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    for (bytes, commits) in BLOCKS {
        let before = written_bytes();
        let fixed = write(&Path::new(&directory).join(bytes.to_string()), bytes, commits);
        println!("block {bytes} {} {}", (written_bytes() - before) / commits, fixed);
    }
}

/// Not a test by itself: commits at a gateway's pace, over a WAL that is there, on a disk of its own.
#[test]
fn child_process_at_a_gateways_pace() {
    let (Ok(directory), Ok(counts)) = (std::env::var(DIRECTORY), std::env::var(DISK_COUNTS)) else { return };
    let sectors = || -> u64 {
        let counts = std::fs::read_to_string(&counts).expect("the kernel counts");
        counts.split_whitespace().nth(6).and_then(|sectors| sectors.parse().ok()).expect("sectors written")
    };
    let faults = Faults { wal_max_bytes: Some(1 << 20), ..Faults::default() };
    let (mut store, _) = Store::open(settings(Path::new(&directory), faults)).expect("opens");
    let mut random = Random(7);
    let mut commit = |store: &mut Store| {
        store.commit(&one_block(0, [random.bytes(500)])).expect("committed");
    };
    (0..2_000).for_each(|_| commit(&mut store));
    let (by_disk, by_process) = (sectors(), written_bytes());
    for _ in 0..PACED {
        // Longer than the kernel's tick: else most commits leave the file's times alone.
        std::thread::sleep(std::time::Duration::from_millis(20));
        commit(&mut store);
    }
    println!("disk {} process {}", (sectors() - by_disk) * 512 / PACED, (written_bytes() - by_process) / PACED);
}

/// Commits blocks that do not compress; gives the bytes of the payload of one.
fn write(directory: &Path, bytes: usize, commits: u64) -> usize {
    let (mut store, _) = Store::open(settings(directory, Faults::default())).expect("opens");
    let mut random = Random(7);
    for number in 1..=commits {
        let mut commit = one_block(number as i64, (0..5).map(|_| random.bytes(bytes / 5)));
        for counter in 0..30 {
            commit.counters.insert(format!("tidegate_something_total{{source=\"number {counter}\"}}"), 5);
        }
        if number % CURSOR_EVERY == 0 {
            let offset = (number - 1) * 5;
            commit.cursors.push(CursorMove { log: CLOUD, reader: "reader".to_owned(), offset });
        }
        store.commit(&commit).expect("committed");
    }
    bytes / 5 * 5
}

fn one_block(tick: i64, payloads: impl IntoIterator<Item = Vec<u8>>) -> Commit {
    let mut records = Records::default();
    payloads.into_iter().for_each(|payload| records.push(&payload));
    let append = Append { log: CLOUD, tick, records, refused_counter: String::new() };
    Commit { appends: vec![append], ..Commit::default() }
}

fn written_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").expect("Linux counts");
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn a_commit_writes_little_more_than_its_block() {
    // Not /tmp, which may be memory.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let output = Command::new(std::env::current_exe().expect("this binary"))
        .args(["flash::child_process", "--exact", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let line = |line: &str| -> Option<[u64; 3]> {
        let numbers: Vec<u64> = line.strip_prefix("block ")?.split(' ').map(|n| n.parse().expect("a number")).collect();
        numbers.try_into().ok()
    };
    let lines: Vec<[u64; 3]> = text.lines().filter_map(line).collect();
    assert_eq!(lines.len(), BLOCKS.len(), "{text}");
    println!("| block | written a commit | written / block |\n|---|---|---|");
    for [_, written, payload] in &lines {
        println!("| {payload} B | {written} B | {:.1} |", *written as f64 / *payload as f64);
    }
    for [_, written, payload] in lines {
        assert!(written > payload, "{written} B for {payload} B: does the kernel count this disk?");
        // A fixed part, and each byte twice at the most: into the WAL, and from there into the database.
        assert!(written < 13_000 + 21 * payload / 10, "{written} B for {payload} B");
    }
}

/// The kernel's count of a process leaves out what the file system writes for itself: with `fsync`, three blocks of its
/// journal each time. A long test: it needs root, for a disk of its own.
#[test]
fn the_file_systems_journal_is_left_alone() {
    if std::env::var_os("TIDEGATE_LONG").is_none() {
        return;
    }
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let script = r#"
        truncate -s 512M "$1/image" && mkfs.ext4 -q -F -b 4096 "$1/image" && mkdir "$1/disk"
        mount -o loop "$1/image" "$1/disk"
        device=$(findmnt -n -o SOURCE "$1/disk")
        export TIDEGATE_TEST_FLASH="$1/disk/data" TIDEGATE_TEST_FLASH_DISK="/sys/block/${device#/dev/}/stat"
        "$2" flash::child_process_at_a_gateways_pace --exact --nocapture
        umount "$1/disk"
    "#;
    let output = Command::new("bash")
        .args(["-euc", script, "bash"])
        .arg(directory.path())
        .arg(std::env::current_exe().expect("this binary"))
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with("disk "));
    let line = line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    println!("a block of 500 B, 50 times a second, on ext4 with a journal, bytes a commit: {line}");
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] < numbers[1] + 4_096, "the journal is written with each commit");
}

/// SQLite writes a frame by two calls of `pwrite`; here they gather (src/store/wal.rs).
#[test]
fn a_commit_is_one_write_and_one_sync() {
    let disk = Disk::register("gathered");
    disk.power_on(1, Some(1_000_000));
    let directory = tempfile::tempdir().expect("a directory");
    let faults = Faults { vfs: Some(disk.name.clone()), ..Faults::default() };
    let (mut store, _) = Store::open(settings(directory.path(), faults)).expect("opens");
    for bytes in [50, 5_000, 50_000] {
        let commit = one_block(0, [Random(9).bytes(bytes)]);
        let before = disk.world().operations_left();
        store.commit(&commit).expect("committed");
        assert_eq!(before - disk.world().operations_left(), 2, "{bytes} B");
    }
}
