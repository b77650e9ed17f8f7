//! The database file: its settings, its tables, its version.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Faults, StoreError};

/// Raised with each change of a table. A file of a newer version is refused, one of an older version is migrated here.
pub(super) const VERSION: i64 = 1;

pub(super) const FILE: &str = "tidegate.db";

/// Small pages: a commit's fixed cost in flash is a few pages whatever it holds.
const PAGE_BYTES: u32 = 1024;

/// The WAL is checkpointed at this size: late enough that a block delivered within seconds is never written twice.
pub(super) const WAL_BYTES: u64 = 16 << 20;

const TABLES: &str = "
    CREATE TABLE log(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE cursor(log INTEGER NOT NULL, reader TEXT NOT NULL, next INTEGER NOT NULL, PRIMARY KEY(log, reader)) WITHOUT ROWID;
    CREATE TABLE counters(id INTEGER PRIMARY KEY CHECK(id = 0), bytes BLOB NOT NULL);
    CREATE TABLE snapshot(name TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, state BLOB NOT NULL);
    CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE session(client TEXT PRIMARY KEY, expiry_s INTEGER NOT NULL, closed INTEGER) WITHOUT ROWID;
    CREATE TABLE received(client TEXT NOT NULL, packet_id INTEGER NOT NULL, PRIMARY KEY(client, packet_id)) WITHOUT ROWID;
    CREATE TABLE quarantine(id INTEGER PRIMARY KEY, log TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, bytes BLOB NOT NULL);
";

/// Opens the one connection that writes, making the tables in a new file.
pub(super) fn open_writer(path: &Path, faults: &Faults) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = open(path, flags, faults.vfs.as_deref())?;
    let wal_bytes = faults.wal_max_bytes.unwrap_or(WAL_BYTES);
    db.pragma_update(None, "page_size", PAGE_BYTES)?;
    // Blocks come and go in order, so that freed pages are soon used again: no vacuum, which would move them once more.
    db.pragma_update(None, "secure_delete", false)?;
    // EXTRA also syncs the directory when a journal is deleted. Only the switch to WAL writes one; should it come back
    // after a power cut, SQLite would take it for a hot one and roll back everything committed since. With a WAL the
    // two are the same.
    db.pragma_update(None, "synchronous", if faults.synchronous_off { "OFF" } else { "EXTRA" })?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "wal_autocheckpoint", (wal_bytes / u64::from(PAGE_BYTES)) as i64)?;
    db.pragma_update(None, "journal_size_limit", wal_bytes as i64)?;
    db.pragma_update(None, "cache_size", -2_048)?;
    db.set_prepared_statement_cache_capacity(64);
    match db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? {
        0 => {
            db.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        }
        VERSION => {}
        newer => return Err(StoreError::Newer { found: newer, known: VERSION }),
    }
    Ok(db)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path, vfs: Option<&str>) -> Result<Connection, StoreError> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX, vfs)?;
    db.pragma_update(None, "cache_size", -512)?;
    Ok(db)
}

fn open(path: &Path, flags: OpenFlags, vfs: Option<&str>) -> Result<Connection, StoreError> {
    let db = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
        None => Connection::open_with_flags(path, flags)?,
    };
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(db)
}
