//! A damaged database: everything that can still be read is taken over into a new one, the old one is moved aside
//! together with its WAL.
//!
//! Offsets are kept as they were. Where it is known where the logs ended, no new record gets the number of a lost one: the
//! new file has the same `store_id`, and what Kafka says of positions still holds. Otherwise it has a new one, so that
//! Kafka's side knows that the numbering is new.
//!
//! Holds always, at whatever moment the power fails: either the damaged database stands in its place, and the next
//! start begins again; or the new one is complete (as `salvage.db`, or in its place).

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::{Settings, StoreError, counters, directory, log, schema};

/// The new database until it is complete.
const NEW_FILE: &str = "salvage.db";

/// Tables copied row by row; the logs' own tables follow.
const TABLES: [(&str, usize); 12] = [
    ("log", 2),
    ("cursor", 4),
    ("counters", 2),
    ("counter_name", 3),
    ("snapshot", 4),
    ("meta", 3),
    ("session", 3),
    ("subscription", 3),
    ("flow", 3),
    ("message", 3),
    ("retained", 3),
    ("will", 3),
];

/// Blocks copied in one transaction.
const BLOCKS_AT_ONCE: usize = 500;

/// Finishes an exchange of databases that was interrupted between its renames.
pub(super) fn finish(path: &Path) -> Result<(), StoreError> {
    let new = path.with_file_name(NEW_FILE);
    if path.exists() || !new.exists() {
        return Ok(());
    }
    let newest = std::fs::read_dir(path.parent().unwrap_or(Path::new(".")))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(directory::ASIDE_PREFIX) && !name.ends_with("-wal")
        })
        .max();
    if let Some(aside) = newest {
        rename(&companion(path, "-wal"), &companion(&aside, "-wal"))?;
    }
    put_in_place(&new, path)
}

/// Copies every readable row into a new database and exchanges the two; says in words what was found.
pub(super) fn salvage(path: &Path, settings: &Settings, why: &str) -> Result<Vec<String>, StoreError> {
    let new = path.with_file_name(NEW_FILE);
    for suffix in ["", "-wal", "-shm", "-journal"] {
        remove(&companion(&new, suffix))?;
    }
    let mut findings = copy_all(path, &new, settings)?;
    directory::sync(&settings.data_dir)?;
    let aside = name_aside(path);
    findings.insert(0, format!("the database is damaged ({why}); it was moved to {}", aside.display()));
    // From the first rename on the new one is the database; `finish` does the rest if we cannot.
    rename(path, &aside)?;
    rename(&companion(path, "-wal"), &companion(&aside, "-wal"))?;
    put_in_place(&new, path)?;
    for gone in directory::limit_moved_aside(&settings.data_dir, settings.size_max_bytes / 4) {
        findings.push(format!("{} was removed: max_size has no room for it", gone.display()));
    }
    Ok(findings)
}

fn put_in_place(new: &Path, path: &Path) -> Result<(), StoreError> {
    remove(&companion(path, "-shm"))?;
    remove(&companion(path, "-journal"))?;
    rename(new, path)?;
    path.parent().map_or(Ok(()), directory::sync)
}

fn companion(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Io(from.to_owned(), error)),
        _ => Ok(()),
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Io(path.to_owned(), error)),
        _ => Ok(()),
    }
}

/// The date is that of the last write, so that names sort by age.
fn name_aside(path: &Path) -> PathBuf {
    let written = std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let written = written.and_then(|time| jiff::Timestamp::try_from(time).ok()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let name = format!("{}{}", directory::ASIDE_PREFIX, written.strftime("%Y%m%d-%H%M%S"));
    let mut aside = path.with_file_name(&name);
    let mut number = 2;
    while aside.exists() {
        aside = path.with_file_name(format!("{name}-{number}"));
        number += 1;
    }
    aside
}

fn copy_all(path: &Path, new: &Path, settings: &Settings) -> Result<Vec<String>, StoreError> {
    let db = schema::open_writer(new, settings)?;
    let mut findings = Vec::new();
    match schema::open_reader(path, settings.faults.vfs.as_deref()) {
        Ok(old) => {
            db.execute_batch("BEGIN IMMEDIATE")?;
            let mut incomplete = Vec::new();
            for (table, columns) in TABLES {
                if !copy_table(&old, &db, table, columns, &mut findings) {
                    incomplete.push(table);
                }
            }
            // What of which client is gone cannot be told, and half a session would be a lie.
            if ["session", "subscription", "flow", "message"].iter().any(|table| incomplete.contains(table)) {
                db.execute_batch(
                    "DELETE FROM session; DELETE FROM subscription; DELETE FROM flow; DELETE FROM message;",
                )?;
                findings.push("no MQTT session is taken over".to_owned());
            }
            if counters::read(&db, &mut Vec::new())?.1.is_empty() {
                db.execute("DELETE FROM meta WHERE key = ?1", [super::transaction::STORE_ID])?;
                findings.push("where its logs ended is not known: what was delivered lately may come twice".to_owned());
            }
            db.execute_batch("COMMIT")?;
            copy_logs(&old, &db, &mut findings)?;
        }
        Err(error) => findings.push(format!("nothing of it could be read: {error}")),
    }
    // One file, all of it on the disk.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    db.close().map_err(|(_, error)| error)?;
    Ok(findings)
}

/// Copies a table from its beginning as far as it can be read, then from its end backwards to what was damaged. Says
/// whether that was all of it.
fn copy_table(old: &Connection, new: &Connection, table: &str, columns: usize, findings: &mut Vec<String>) -> bool {
    let mut copied = 0;
    for direction in ["ASC", "DESC"] {
        match copy_direction(old, new, table, columns, direction, &mut copied) {
            Ok(()) if direction == "ASC" => return true,
            _ => {}
        }
    }
    findings.push(format!("{table}: {copied} rows taken over, the rest is lost"));
    false
}

fn copy_direction(
    old: &Connection,
    new: &Connection,
    table: &str,
    columns: usize,
    direction: &str,
    copied: &mut usize,
) -> Result<(), rusqlite::Error> {
    // Every table's first column leads its primary key, so reading in its order walks one tree from one end.
    let mut select = old.prepare(&format!("SELECT * FROM {table} ORDER BY 1 {direction}"))?;
    let marks = vec!["?"; columns].join(", ");
    let mut insert = new.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({marks})"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get::<_, Value>(column)).collect::<Result<Vec<_>, _>>()?;
        *copied += insert.execute(params_from_iter(values)).unwrap_or(0);
    }
    Ok(())
}

fn copy_logs(old: &Connection, new: &Connection, findings: &mut Vec<String>) -> Result<(), StoreError> {
    let logs: Vec<(i64, String)> = new
        .prepare("SELECT id, name FROM log")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (id, name) in logs {
        log::create_table(new, id)?;
        new.execute_batch("BEGIN IMMEDIATE")?;
        let outcome = LogCopy { old, new, id, blocks: 0, next: 0 }.run();
        new.execute_batch("COMMIT")?;
        findings.push(match outcome {
            Ok(blocks) => format!("{name}: {blocks} blocks taken over"),
            Err(error) if error.is_full() => format!("{name}: the disk is full, so not all of it was taken over"),
            Err(error) => return Err(error),
        });
    }
    Ok(())
}

/// Copies the sound rows of one log in order of their keys, stepping over what cannot be read.
struct LogCopy<'a> {
    old: &'a Connection,
    new: &'a Connection,
    id: i64,
    blocks: u64,
    /// The smallest key not yet tried.
    next: i64,
}

impl LogCopy<'_> {
    fn run(mut self) -> Result<u64, StoreError> {
        loop {
            match self.copy_some() {
                Ok(true) => self.new.execute_batch("COMMIT; BEGIN IMMEDIATE")?,
                Ok(false) => return Ok(self.blocks),
                Err(Failure::New(error)) => return Err(error),
                Err(Failure::Old) => match self.step_over() {
                    Some(next) => self.next = next,
                    None => return Ok(self.blocks),
                },
            }
        }
    }

    /// False at the end.
    fn copy_some(&mut self) -> Result<bool, Failure> {
        let table = log::table(self.id);
        let sql = format!("SELECT first, count, tick, total, crc, bytes FROM {table} WHERE first >= ?1 ORDER BY first");
        let mut select = self.old.prepare_cached(&sql).map_err(|_| Failure::Old)?;
        let sql = format!("INSERT OR IGNORE INTO {table} VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
        let mut insert = self.new.prepare_cached(&sql).map_err(|error| Failure::New(error.into()))?;
        let mut rows = select.query(params![self.next]).map_err(|_| Failure::Old)?;
        for _ in 0..BLOCKS_AT_ONCE {
            let Some(row) = rows.next().map_err(|_| Failure::Old)? else { return Ok(false) };
            let first: i64 = row.get(0).map_err(|_| Failure::Old)?;
            if first < self.next {
                return Err(Failure::Old); // A tree that leads in circles.
            }
            if log::is_sound(self.id, row) {
                let values: Vec<Value> =
                    (0..6).map(|column| row.get(column)).collect::<Result<_, _>>().map_err(|_| Failure::Old)?;
                insert.execute(params_from_iter(values)).map_err(|error| Failure::New(error.into()))?;
                self.blocks += 1;
            }
            let Some(next) = first.checked_add(1) else { return Ok(false) };
            self.next = next;
        }
        Ok(true)
    }

    /// The smallest key behind `next`, as far as halving finds it, from which reading succeeds.
    fn step_over(&self) -> Option<i64> {
        let sql = format!("SELECT bytes FROM {} WHERE first >= ?1 ORDER BY first LIMIT 1", log::table(self.id));
        let mut probe = self.old.prepare(&sql).ok()?;
        let mut readable = |from: i64| probe.query_row([from], |row| row.get::<_, Vec<u8>>(0)).is_ok();
        let mut step = 1i64;
        while !readable(self.next.checked_add(step)?) {
            step = step.checked_mul(2)?;
        }
        let (mut bad, mut good) = (self.next + step / 2, self.next + step);
        while bad + 1 < good {
            let middle = bad + (good - bad) / 2;
            if readable(middle) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        Some(good)
    }
}

/// Which of the two databases failed: the old one is expected to.
enum Failure {
    Old,
    New(StoreError),
}
