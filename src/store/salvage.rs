//! A damaged database: moved aside together with its WAL, and everything that can still be read taken over.
//!
//! The new file has a new `store_id`, so that Kafka's side knows that the numbering is new; offsets are kept as they were.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::transaction::sync_directory;
use super::{Settings, StoreError, schema};

/// Tables copied whole, row by row; the logs' own tables follow.
const TABLES: [(&str, usize); 6] =
    [("log", 2), ("cursor", 3), ("counters", 2), ("snapshot", 3), ("session", 3), ("received", 2)];

/// Renames the database and its companions to names with the date; gives the database's new name.
pub(super) fn move_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let mut number = 1;
    let mut aside = path.with_extension(format!("damaged-{number}"));
    while aside.exists() {
        number += 1;
        aside = path.with_extension(format!("damaged-{number}"));
    }
    for suffix in ["", "-wal", "-shm"] {
        let with_suffix = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        let (from, to) = (with_suffix(path), with_suffix(&aside));
        if from.exists() {
            std::fs::rename(&from, &to).map_err(|error| StoreError::Io(from, error))?;
        }
    }
    if let Some(directory) = path.parent() {
        sync_directory(directory)?;
    }
    Ok(aside)
}

/// Copies every readable row of `aside` into a new database at `path`; says what could not be read.
pub(super) fn salvage(aside: &Path, path: &Path, settings: &Settings) -> Result<Vec<String>, StoreError> {
    let mut new = schema::open_writer(path, &settings.faults)?;
    let old = match schema::open_reader(aside, settings.faults.vfs.as_deref()) {
        Ok(old) => old,
        Err(error) => return Ok(vec![format!("nothing of it could be read: {error}")]),
    };
    let mut findings = Vec::new();
    let tx = new.transaction()?;
    for (table, columns) in TABLES {
        let copied = copy(&old, &tx, table, columns);
        if !copied.whole {
            findings.push(format!("{table}: {} rows taken over, the rest is lost", copied.rows));
        }
    }
    let logs: Vec<(i64, String)> = tx
        .prepare("SELECT id, name FROM log")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (id, name) in logs {
        let table = format!("log_{id}");
        tx.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {table}(first INTEGER PRIMARY KEY, count INTEGER NOT NULL, tick INTEGER NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL)"
        ))?;
        let copied = copy(&old, &tx, &table, 5);
        let whole = if copied.whole { "all there were" } else { "the rest is lost" };
        findings.push(format!("log {name}: {} blocks taken over, {whole}", copied.rows));
    }
    // A snapshot of which a part is missing is worse than none: the journal is replayed as far back as it reaches.
    if !tx.prepare("SELECT 1 FROM snapshot WHERE name = 'journal'")?.exists([])? {
        tx.execute("DELETE FROM snapshot", [])?;
    }
    tx.commit()?;
    Ok(findings)
}

struct Copied {
    rows: usize,
    whole: bool,
}

/// Copies a table from its beginning as far as it can be read, then from its end backwards to what was damaged.
fn copy(old: &Connection, new: &Connection, table: &str, columns: usize) -> Copied {
    let mut copied = Copied { rows: 0, whole: false };
    for direction in ["ASC", "DESC"] {
        match copy_direction(old, new, table, columns, direction, &mut copied.rows) {
            Ok(()) => {
                copied.whole = direction == "ASC";
                break;
            }
            Err(error) => log::warn!("salvage of {table}: {error}"),
        }
    }
    copied
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
