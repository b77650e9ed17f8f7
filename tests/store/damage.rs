//! Databases whose bytes changed while nobody looked: they open, what can be read is right, the rest is counted.

use std::path::Path;

use tidegate::store::{Append, Commit, Faults, Opened, Records, Store, StoreError, Table};

use crate::disk::Random;
use crate::model::{CLOUD, JOURNAL, Model, settings};
use crate::seeds;

const FILE: &str = "tidegate.db";

#[derive(Default, Debug)]
struct Seen {
    unharmed: u64,
    moved_aside: u64,
    corrupt_records: u64,
    /// Damage found only while reading or committing.
    found_late: u64,
    /// Openings after which it is known where the logs ended and their cursors stood.
    proved: u64,
    /// Of those, the ones in which a log had lost its end, or a cursor.
    ends_lost: u64,
    cursors_lost: u64,
    /// Openings after which it is not known, and said.
    unproved: u64,
}

#[test]
fn what_can_be_read_of_a_damaged_database_is_right_and_the_rest_is_counted() {
    let mut seen = Seen::default();
    // 384: cut short so that only reading a table's rows finds it. 1173: a cursor moved to what the same commit appended.
    for seed in seeds(150).chain([384, 1_173]) {
        if let Err(error) = run(seed, &mut seen) {
            panic!("TIDEGATE_SEED={seed}: {error}");
        }
    }
    println!("{seen:?}");
    if seeds(150).count() >= 150 {
        assert!(seen.moved_aside > 20 && seen.corrupt_records > 0 && seen.unharmed > 0, "damage of every kind");
        assert!(seen.proved > 70 && seen.ends_lost > 5 && seen.unproved > 0, "{seen:?}");
    }
}

fn run(seed: u64, seen: &mut Seen) -> Result<(), String> {
    let mut random = Random(seed);
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let model = build(directory.path(), &mut random)?;
    damage(&directory.path().join(FILE), &mut random);
    let open = || Store::open(settings(directory.path(), Faults::default()));
    let (mut store, mut opened) = match open() {
        Ok(open) => open,
        // The damage hit the version: better to stop than to take it for ours.
        Err(StoreError::Newer { .. }) => return Ok(()),
        Err(error) => return Err(format!("it does not open: {error}")),
    };
    seen.prove(&opened, &model)?;
    if use_it(&store, &opened, &model).is_err() || store.commit(&one_more()).is_err() {
        // Found in use: the daemon would exit, and this is the start after it.
        seen.found_late += 1;
        drop(store);
        (store, opened) = open().map_err(|error| format!("it does not open again: {error}"))?;
        if opened.findings.is_empty() {
            return Err("damage found in use was forgotten".to_owned());
        }
        seen.prove(&opened, &model)?;
        seen.corrupt_records += use_it(&store, &opened, &model)?;
        store.commit(&one_more()).map_err(|error| format!("after it was moved aside: {error}"))?;
    } else {
        seen.corrupt_records += use_it(&store, &opened, &model)?;
    }
    seen.moved_aside += u64::from(opened.findings.iter().any(|finding| finding.contains("it was moved to")));
    seen.unharmed += u64::from(opened.findings.is_empty());
    drop(store);
    let (store, again) = open().map_err(|error| format!("it does not open the next time: {error}"))?;
    if again.store_id != opened.store_id || again.findings.iter().any(|finding| finding.contains("it was moved to")) {
        return Err("it was moved aside twice for the same damage".to_owned());
    }
    drop(store);
    Ok(())
}

impl Seen {
    /// Where the counters survived, every log ends where it did and every cursor stands where it stood: then what
    /// [`use_it`] finds from there to the end is all there was. Otherwise that is said.
    fn prove(&mut self, opened: &Opened, model: &Model) -> Result<(), String> {
        let said = |words: &str| opened.findings.iter().any(|finding| finding.contains(words));
        if opened.counters.get("counted") != Some(&model.counted) {
            self.unproved += 1;
            return if said("begin at zero") || said("the rest is lost") || said("nothing of it could be read") {
                Ok(())
            } else {
                Err(format!("the counters are gone without a word: {:?}", opened.findings))
            };
        }
        for log in [JOURNAL, CLOUD] {
            let (end, should) = (opened.log_ends[log], model.logs[log].len() as u64);
            if end != should {
                return Err(format!("log {log} ends at {end}, not at {should}: {:?}", opened.findings));
            }
            let cursor = opened.cursors.iter().find(|((of, _), _)| *of == log).map_or(0, |(_, at)| *at);
            let should = model.cursors.get(&log).copied().unwrap_or(0);
            if cursor != should {
                return Err(format!("the cursor of log {log} is {cursor}, not {should}: {:?}", opened.findings));
            }
            if opened.log_starts[log] > cursor {
                return Err(format!("log {log} begins at {}, behind its cursor {cursor}", opened.log_starts[log]));
            }
        }
        self.proved += 1;
        self.ends_lost += u64::from(said("its last"));
        self.cursors_lost += u64::from(said("is put back to"));
        Ok(())
    }
}

fn build(directory: &Path, random: &mut Random) -> Result<Model, String> {
    let (mut store, _) = Store::open(settings(directory, Faults::default())).map_err(|error| error.to_string())?;
    let mut model = Model::default();
    for _ in 0..20 + random.below(60) {
        let (commit, after) = model.step(random);
        store.commit(&commit).map_err(|error| error.to_string())?;
        model = after;
    }
    Ok(model)
}

/// Flips bits, overwrites ranges, zeroes pages, cuts the end off.
fn damage(path: &Path, random: &mut Random) {
    let mut bytes = std::fs::read(path).expect("the database is there");
    let kind = random.below(5);
    let at = random.below(bytes.len() as u64) as usize;
    match kind {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => {
            for _ in 0..200 {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.next() as u8;
            }
        }
        2 => {
            let end = bytes.len().min(at + 3_000);
            bytes[at..end].fill_with(|| random.next() as u8);
        }
        3 => {
            let page = at / 1024 * 1024;
            let end = bytes.len().min(page + 4 * 1024);
            bytes[page..end].fill(0);
        }
        _ => bytes.truncate(at.max(1)),
    }
    std::fs::write(path, bytes).expect("the test's own file");
}

fn one_more() -> Commit {
    let mut records = Records::default();
    records.push(b"one more");
    let append = |log| Append { log, tick: 1, records: records.clone(), refused_counter: String::new() };
    let mut commit = Commit { appends: vec![append(JOURNAL), append(CLOUD)], ..Commit::default() };
    commit.counters.insert("counted".to_owned(), 1);
    commit
}

/// Everything from each cursor to the log's end is either right or told as corrupt, and every row of the broker's that is
/// there is right; gives how many records were corrupt.
fn use_it(store: &Store, opened: &Opened, model: &Model) -> Result<u64, String> {
    let mut corrupt = 0;
    for table in Table::ALL {
        let mut wrong = None;
        let read = store.each_row(table, |key, bytes| {
            // Older rows may come back with what was written before them, but no row that was never written.
            if !model.written.contains(&(table, key.to_vec(), bytes.to_vec())) {
                wrong = Some(format!("{table:?} {key:?} is {bytes:.40?}"));
            }
        });
        read.map_err(|error| error.to_string())?;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
    }
    for log in [JOURNAL, CLOUD] {
        let cursor = opened.cursors.iter().find(|((of, _), _)| *of == log).map(|(_, at)| *at);
        if cursor.is_some_and(|cursor| model.cursors.get(&log) != Some(&cursor)) {
            return Err(format!("the cursor of log {log} is {cursor:?}"));
        }
        let mut next = cursor.unwrap_or(opened.log_starts[log]);
        let mut reader = store.reader().map_err(|error| error.to_string())?;
        loop {
            let blocks = reader.read(log, next, 5_000).map_err(|error| error.to_string())?;
            if blocks.is_empty() {
                break;
            }
            for block in blocks {
                if block.first > next {
                    return Err(format!("log {log}: {next} to {} are gone without a word", block.first));
                }
                let end = block.first + u64::from(block.records.count);
                if block.corrupt {
                    corrupt += end - next.max(block.first);
                    next = end;
                    continue;
                }
                for (offset, record) in (block.first..end).zip(block.records.iter()) {
                    let should = model.logs[log].get(offset as usize);
                    // What was appended after the damage may have the numbers of what was lost at the end.
                    if should.map(Vec::as_slice) != Some(record) && record != b"one more" {
                        return Err(format!("log {log}: record {offset} is another"));
                    }
                }
                next = end;
            }
        }
        if next < opened.log_ends[log] {
            return Err(format!("log {log} ends at {next}, not at {}", opened.log_ends[log]));
        }
    }
    Ok(corrupt)
}
