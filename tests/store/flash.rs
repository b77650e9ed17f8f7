//! What a commit writes to the flash, by the size of its block: `cargo test --release --test store flash -- --nocapture`
//! prints the table that benches/README.md holds.

use std::path::Path;
use std::process::Command;

use tidegate::store::{Append, Commit, CursorMove, Faults, Records, Store};

use crate::disk::Random;
use crate::model::{CLOUD, settings};

const DIRECTORY: &str = "TIDEGATE_TEST_FLASH";

/// Block sizes, and how many commits of each: about 20 MB are written, so that the WAL is folded in at least once.
const BLOCKS: [(usize, u64); 5] = [(500, 2_000), (2 << 10, 1_800), (8 << 10, 1_000), (32 << 10, 500), (128 << 10, 150)];

/// The reader moves on, and what it has had is deleted, after so many commits.
const CURSOR_EVERY: u64 = 50;

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

/// Commits blocks that do not compress; gives the bytes of the payload of one.
fn write(directory: &Path, bytes: usize, commits: u64) -> usize {
    let (mut store, _) = Store::open(settings(directory, Faults::default())).expect("opens");
    let mut random = Random(7);
    for number in 1..=commits {
        let mut records = Records::default();
        (0..5).for_each(|_| records.push(&random.bytes(bytes / 5)));
        let append = Append { log: CLOUD, tick: number as i64, records, refused_counter: String::new() };
        let mut commit = Commit { appends: vec![append], ..Commit::default() };
        for counter in 0..30 {
            commit.counters.insert(format!("tidegate_something_total{{source=\"number {counter}\"}}"), 5);
        }
        if number % CURSOR_EVERY == 0 {
            let offset = (number - 1) * 5;
            commit.cursors.push(CursorMove { log: CLOUD, reader: "reader".to_owned(), offset, rewind: false });
        }
        store.commit(&commit).expect("committed");
    }
    bytes / 5 * 5
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
