//! The database file: its settings, its tables, its version.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Settings, StoreError, directory, migrate, wal};

/// Raised with each change of a table. A file of a newer version is refused, one of an older version goes through `migrate`.
pub(super) const VERSION: i64 = 3;

pub(super) const FILE: &str = "tidegate.db";

/// Small pages: a commit's fixed cost in flash is a few pages whatever it holds.
pub(super) const PAGE_BYTES: u32 = 1024;

const FRAME_HEADER_BYTES: u32 = 24;

/// The WAL is checkpointed at this size: late enough that a block delivered within seconds is never written twice.
pub(super) const WAL_BYTES: u64 = 16 << 20;

pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS log(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS cursor(log INTEGER NOT NULL, reader TEXT NOT NULL, next INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(log, reader)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS counters(id INTEGER PRIMARY KEY CHECK(id = 0), bytes BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS counter_name(id INTEGER PRIMARY KEY, name TEXT NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS snapshot(name TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, state BLOB NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS session(key BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS subscription(key BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS flow(key BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS message(key INTEGER PRIMARY KEY, bytes BLOB NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS retained(key BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS will(key BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS quarantine(id INTEGER PRIMARY KEY, log INTEGER NOT NULL, first INTEGER NOT NULL, count, tick, crc, bytes BLOB, UNIQUE(log, first));
";

/// The size of the WAL at which it is checkpointed; a small `max_size` cannot afford the best one.
pub(super) fn wal_max_bytes(settings: &Settings) -> u64 {
    settings.faults.wal_max_bytes.unwrap_or(WAL_BYTES.min(settings.size_max_bytes / 8))
}

/// Folds the WAL into the database once it has grown to `wal_max_bytes`. The next commit then writes it from its
/// beginning, unless a reader is in the middle of it; that ends soon, so a WAL of twice the size waits for it.
pub(super) fn checkpoint(db: &Connection, wal_max_bytes: u64) -> Result<(), StoreError> {
    let frames = |mode: &str| {
        let mut statement = db.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
        statement.query_row([], |row| row.get::<_, i64>(1))
    };
    let bytes = frames("NOOP")?.max(0) as u64 * u64::from(PAGE_BYTES + FRAME_HEADER_BYTES);
    if bytes >= 2 * wal_max_bytes {
        frames("RESTART")?;
    } else if bytes >= wal_max_bytes {
        frames("PASSIVE")?;
    }
    Ok(())
}

/// Folds the WAL into the database, so that it is written from its beginning again; as far as the disk has room.
pub(super) fn make_wal_reusable(db: &Connection) {
    // A failure here shows again in what follows.
    let _ = db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
}

/// Opens the one connection that writes, making the tables in a new file.
pub(super) fn open_writer(path: &Path, settings: &Settings) -> Result<Connection, StoreError> {
    let faults = &settings.faults;
    directory::make_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // What is never synced must not gather: nobody would ever write it.
    let gathering =
        if faults.synchronous_off { faults.vfs.clone() } else { Some(wal::gathering(faults.vfs.as_deref())?) };
    let db = open(path, flags, gathering.as_deref())?;
    db.pragma_update(None, "page_size", PAGE_BYTES)?;
    // Blocks come and go in order, so that freed pages are soon used again: no vacuum, which would move them once more.
    db.pragma_update(None, "secure_delete", false)?;
    // EXTRA also syncs the directory when a journal is deleted. Only the switch to WAL writes one; should it come back
    // after a power cut, SQLite would take it for a hot one and roll back everything committed since. With a WAL the
    // two are the same.
    db.pragma_update(None, "synchronous", if faults.synchronous_off { "OFF" } else { "EXTRA" })?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // Ours (`checkpoint`): SQLite's own would keep its errors to itself.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "journal_size_limit", wal_max_bytes(settings) as i64)?;
    db.pragma_update(None, "cache_size", -2_048)?;
    db.set_prepared_statement_cache_capacity(64);
    match db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? {
        0 => {
            db.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        }
        VERSION => {}
        1 => migrate::from_1(&db)?,
        2 => migrate::from_2(&db)?,
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
