//! A table of a SQLite file as text, an object a line: what goes into the journal is rows and not the file.
//!
//! The file is somebody else's and may be anything (<https://www.sqlite.org/security.html>). Holds always: it is opened
//! read-only, nothing of its schema runs (views and triggers are off, virtual tables are refused), its pages are checked
//! before they are read, and both time and memory are bounded. Nothing waits for another process's lock.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use base64::Engine;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::model::{ByteSize, Column, DataType};

/// Steps of SQLite's machine that a look may take: about three seconds.
const STEPS_MAX: u32 = 100_000_000;
const STEPS_AT_ONCE: u32 = 1_000;

/// A schema with longer statements is no table's.
const STATEMENT_BYTES_MAX: i32 = 100_000;

/// The write-ahead log beside the file, where changes stand until they are moved into it.
pub fn wal(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// The rows of the table as JSON, or why there are none.
pub fn read(file: &Path, table: &str, columns: &[Column], size_max_bytes: u64) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(file).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no file".to_owned());
    }
    let connection = open(file, &metadata, size_max_bytes).map_err(in_words)?;
    check_table(&connection, table)?;
    rows(&connection, table, columns, size_max_bytes)
}

fn open(file: &Path, metadata: &Metadata, size_max_bytes: u64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(file, metadata), flags)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
    // A value cannot be larger than all of the table.
    let length = i32::try_from(size_max_bytes).unwrap_or(i32::MAX).max(STATEMENT_BYTES_MAX);
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, length)?;
    connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES_MAX)?;
    let mut calls = 0;
    connection.progress_handler(
        STEPS_AT_ONCE as i32,
        Some(move || {
            calls += 1;
            calls > STEPS_MAX / STEPS_AT_ONCE
        }),
    )?;
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA query_only = ON;")?;
    Ok(connection)
}

/// A file in WAL mode without its log holds everything itself; then it is read as it lies there, which needs no right
/// to make files beside it.
fn uri(file: &Path, metadata: &Metadata) -> String {
    let mut uri = String::from("file:");
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => uri.push(char::from(*byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    let lies_still = metadata.len() > 0 && is_in_wal_mode(file) && !wal(file).exists();
    uri + if lies_still { "?mode=ro&immutable=1" } else { "?mode=ro" }
}

/// Bytes 18 and 19 of the file's header: <https://www.sqlite.org/fileformat2.html>.
fn is_in_wal_mode(file: &Path) -> bool {
    use std::io::Read;
    let mut header = [0; 20];
    let read = std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[18..] == [2, 2]
}

/// That it is a table, and that its pages are what they should be.
fn check_table(connection: &Connection, table: &str) -> Result<(), String> {
    let find =
        "SELECT type, rootpage FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
    let found = connection.query_row(find, [table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)));
    match found {
        Err(rusqlite::Error::QueryReturnedNoRows) => return Err(no_table(connection, table)),
        Err(error) => return Err(in_words(error)),
        Ok((kind, rootpage)) if kind != "table" || rootpage <= 0 => {
            return Err(format!("{table} is a view or a virtual table: only plain tables are read"));
        }
        Ok(_) => {}
    }
    let check = format!("PRAGMA main.quick_check({})", quoted(table));
    let found: String = connection.query_row(&check, [], |row| row.get(0)).map_err(in_words)?;
    if found == "ok" {
        Ok(())
    } else {
        Err(format!("the file is damaged: {}", found.lines().next().unwrap_or_default()))
    }
}

fn no_table(connection: &Connection, table: &str) -> String {
    let names = connection
        .prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name LIMIT 12")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>());
    match names.unwrap_or_default().as_slice() {
        [] => format!("there is no table {table} in it"),
        names => format!("there is no table {table} in it; there is {}", names.join(", ")),
    }
}

fn rows(connection: &Connection, table: &str, columns: &[Column], size_max_bytes: u64) -> Result<Vec<u8>, String> {
    // With the table before it, a name that is not there is an error and not a text.
    let selected: Vec<String> = columns.iter().map(|column| format!("t.{}", quoted(&column.name))).collect();
    let select = format!("SELECT {} FROM main.{} AS t", selected.join(", "), quoted(table));
    let mut statement = connection
        .prepare(&select)
        .map_err(|error| no_column(connection, table, columns).unwrap_or_else(|| in_words(error)))?;
    let mut rows = statement.query([]).map_err(in_words)?;
    let mut content = Vec::new();
    let mut number = 0;
    while let Some(row) = rows.next().map_err(in_words)? {
        number += 1;
        for (index, column) in columns.iter().enumerate() {
            let value = row.get_ref(index).map_err(in_words)?;
            let value = json(value, column.data_type).map_err(|found| {
                format!("row {number}: {} is {found}, and the schema says {}", column.name, column.data_type)
            })?;
            content.push(if index == 0 { b'{' } else { b',' });
            content.extend_from_slice(text(&column.name).as_bytes());
            content.push(b':');
            content.extend_from_slice(value.as_bytes());
        }
        content.extend_from_slice(b"}\n");
        if content.len() as u64 > size_max_bytes {
            return Err(format!("its rows are larger than max_size, {}", ByteSize(size_max_bytes)));
        }
    }
    Ok(content)
}

/// The first column of the schema that the table has not.
fn no_column(connection: &Connection, table: &str, columns: &[Column]) -> Option<String> {
    let statement = connection.prepare(&format!("SELECT * FROM main.{}", quoted(table))).ok()?;
    let names = statement.column_names();
    let missing = columns.iter().find(|column| !names.iter().any(|name| name.eq_ignore_ascii_case(&column.name)))?;
    Some(format!("{table} has no column {}; it has {}", missing.name, names.join(", ")))
}

/// A value as JSON. SQLite's values have a type each, whatever their column says; `Err`: what it is instead.
fn json(value: ValueRef<'_>, data_type: DataType) -> Result<String, &'static str> {
    let is_text = matches!(data_type, DataType::String | DataType::Bytes);
    Ok(match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) if data_type == DataType::Boolean => match number {
            0 => "false".to_owned(),
            1 => "true".to_owned(),
            _ => return Err("an integer other than 0 and 1"),
        },
        ValueRef::Integer(_) | ValueRef::Real(_) if is_text => return Err("a number"),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) if number.is_finite() => serde_json::Value::from(number).to_string(),
        ValueRef::Real(_) => return Err("an infinite number"),
        ValueRef::Text(bytes) => {
            let value = std::str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")?;
            match data_type {
                DataType::Bytes => return Err("a text"),
                // All of its digits count, which a number of SQLite has not.
                DataType::Decimal { .. } => match serde_json::from_str::<serde_json::Number>(value.trim()) {
                    Ok(_) => value.trim().to_owned(),
                    Err(_) => return Err("a text that is no number"),
                },
                _ if data_type.is_nested() => {
                    let value: serde_json::Value =
                        serde_json::from_str(value).map_err(|_| "a text that is not JSON")?;
                    value.to_string()
                }
                _ => text(value),
            }
        }
        ValueRef::Blob(bytes) if data_type == DataType::Bytes => {
            text(&base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        ValueRef::Blob(_) => return Err("a BLOB"),
    })
}

fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn in_words(error: rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => BUSY.to_owned(),
        Some(rusqlite::ErrorCode::NotADatabase) => "it is no SQLite file".to_owned(),
        Some(rusqlite::ErrorCode::OperationInterrupted) => "reading it takes too long".to_owned(),
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => format!("the file is damaged: {error}"),
        _ => error.to_string(),
    }
}

/// It may be read a moment later.
pub const BUSY: &str = "another process is writing it";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Table, TableFormat};
    use crate::model::Schema;
    use crate::sources::table::{Change, TableFile, decode};

    fn table(file: &Path, name: &str, columns: &[(&str, DataType)]) -> Table {
        let column = |(name, data_type): &(&str, DataType)| Column { name: (*name).into(), data_type: *data_type };
        Table {
            name: "t".to_owned(),
            file: file.to_owned(),
            format: TableFormat::Sqlite { name: name.to_owned() },
            schema: Schema { columns: columns.iter().map(column).collect(), ..Schema::default() },
            primary_key: Vec::new(),
            size_max_bytes: 100_000,
        }
    }

    fn load(table: &Table) -> Result<String, String> {
        crate::sources::table::load(table).map(|content| String::from_utf8(content.to_vec()).unwrap())
    }

    /// A file made by these statements.
    fn file(statements: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a b?#%.sqlite");
        Connection::open(&path).unwrap().execute_batch(statements).unwrap();
        (directory, path)
    }

    #[test]
    fn values_of_each_type() {
        let (_directory, path) = file(
            "CREATE TABLE \"the \"\"limits\" (device TEXT, high REAL, n INTEGER, ok INTEGER, price TEXT, day TEXT, ts, code BLOB,
                 tags TEXT, unused);
             INSERT INTO \"the \"\"limits\" VALUES
                 ('pump-1', 81.5, 7, 1, '12.50', '2026-03-01', 1772352000000, x'00FF', '[\"a\",null]', 1),
                 ('pump ü', 20, NULL, 0, NULL, NULL, '2026-03-01 08:00:00', NULL, NULL, 'x');",
        );
        let columns = [
            ("device", DataType::String),
            ("high", DataType::Double),
            ("n", DataType::BigInt),
            ("ok", DataType::Boolean),
            ("price", DataType::Decimal { precision: 10, scale: 2 }),
            ("day", DataType::Date),
            ("ts", DataType::TimestampLtz(3)),
            ("code", DataType::Bytes),
            ("tags", DataType::array_of(DataType::String)),
        ];
        let table = table(&path, "the \"limits", &columns);
        let rows = decode(&table, load(&table).unwrap().as_bytes()).unwrap();
        let mut shown = Vec::new();
        let encoder = crate::formats::JsonEncoder::new(&table.schema.columns);
        for row in &rows {
            let mut line = String::new();
            encoder.encode(row, &mut line);
            shown.push(line);
        }
        let expected = [
            r#"{"device":"pump-1","high":81.5,"n":7,"ok":true,"price":12.50,"day":"2026-03-01","ts":"2026-03-01T08:00:00.000Z","code":"AP8=","tags":["a",null]}"#,
            r#"{"device":"pump ü","high":20.0,"n":null,"ok":false,"price":null,"day":null,"ts":"2026-03-01T08:00:00.000Z","code":null,"tags":null}"#,
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let (directory, path) = file(
            "CREATE TABLE limits (device, high, code);
             INSERT INTO limits VALUES ('a', 1, x'00'), (7, 'high', 'b');
             CREATE TABLE large AS SELECT printf('%.*c', 60000, 'x') AS s UNION ALL SELECT printf('%.*c', 60000, 'y');
             CREATE VIEW everything AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n;
             PRAGMA writable_schema = ON; -- SQLite is built without a module for virtual tables here.
             INSERT INTO sqlite_schema VALUES ('table', 'words', 'words', 0, 'CREATE VIRTUAL TABLE words USING fts5(text)');",
        );
        let text = DataType::String;
        let with = |name: &str, columns: &[(&str, DataType)]| load(&table(&path, name, columns)).unwrap_err();
        for (found, expected) in [
            (with("limit", &[("device", text)]), "there is no table limit in it; there is large, limits"),
            (
                with("everything", &[("x", DataType::Int)]),
                "everything is a view or a virtual table: only plain tables are read",
            ),
            (with("words", &[("text", text)]), "words is a view or a virtual table: only plain tables are read"),
            (with("limits", &[("device", text), ("low", text)]), "limits has no column low; it has device, high, code"),
            (with("limits", &[("device", text)]), "row 2: device is a number, and the schema says STRING"),
            (with("limits", &[("high", DataType::Double)]), "row 2: "),
            (with("limits", &[("high", DataType::Boolean)]), "row 2: "),
            (with("limits", &[("code", DataType::Bytes)]), "row 2: code is a text, and the schema says BYTES"),
            (with("limits", &[("code", text)]), "row 1: code is a BLOB, and the schema says STRING"),
            (with("large", &[("s", text)]), "its rows are larger than max_size, 100000B"),
            (load(&table(directory.path(), "t", &[("x", text)])).unwrap_err(), "it is no file"),
            (load(&table(&directory.path().join("none.db"), "t", &[("x", text)])).unwrap_err(), "No such file"),
        ] {
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
        std::fs::write(&path, "device,high\na,1\n".repeat(100)).unwrap();
        assert_eq!(with("limits", &[("device", text)]), "it is no SQLite file");
        std::fs::write(&path, "").unwrap();
        assert_eq!(with("limits", &[("device", text)]), "there is no table limits in it");
    }

    const LIMITS: &str = "CREATE TABLE limits (device TEXT, high REAL); INSERT INTO limits VALUES ('a', 1.5);";
    const COLUMNS: [(&str, DataType); 2] = [("device", DataType::String), ("high", DataType::Double)];

    fn content(change: Change) -> String {
        match change {
            Change::Content(content) => String::from_utf8(content.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_stands_in_the_log_beside_is_read_too() {
        let (_directory, path) = file(&format!("PRAGMA journal_mode = WAL; {LIMITS}"));
        let mut watched = TableFile::new(&table(&path, "limits", &COLUMNS));
        assert!(!wal(&path).exists(), "the log went with the last connection");
        assert_eq!(content(watched.poll()), "{\"device\":\"a\",\"high\":1.5}\n");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO limits VALUES ('b', 2)").unwrap();
        assert_eq!(content(watched.poll()).lines().count(), 2);
        assert_eq!(watched.poll(), Change::None);
        writer.execute_batch("BEGIN; DELETE FROM limits").unwrap();
        assert_eq!(
            content(TableFile::new(&table(&path, "limits", &COLUMNS)).poll()).lines().count(),
            2,
            "not committed"
        );
        writer.execute_batch("COMMIT").unwrap();
        assert_eq!(content(watched.poll()), "");
    }

    #[test]
    fn a_file_that_is_being_written_is_read_later() {
        let (_directory, path) = file(LIMITS);
        let mut watched = TableFile::new(&table(&path, "limits", &COLUMNS));
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("BEGIN EXCLUSIVE; INSERT INTO limits VALUES ('b', 2)").unwrap();
        assert_eq!(watched.poll(), Change::Wrong(BUSY.to_owned()));
        assert_eq!(watched.poll(), Change::None, "that is said once");
        writer.execute_batch("ROLLBACK").unwrap();
        assert_eq!(content(watched.poll()).lines().count(), 1, "though the file is as it was");
    }

    #[test]
    fn reading_changes_nothing() {
        let (directory, path) = file(LIMITS);
        let before = std::fs::read(&path).unwrap();
        load(&table(&path, "limits", &COLUMNS)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    proptest! {
        /// A damaged file gives rows or a reason, and both in time.
        #[test]
        fn no_file_is_too_bad(damage in prop::collection::vec((0usize..16_384, any::<u8>()), 1..40), cut in 0usize..20_000) {
            let (_directory, path) = file(&format!(
                "{LIMITS} CREATE INDEX by_device ON limits (device);
                 WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300)
                 INSERT INTO limits SELECT 'device ' || x, x FROM n;"
            ));
            let mut bytes = std::fs::read(&path).unwrap();
            for (at, byte) in damage {
                let length = bytes.len();
                bytes[at % length] ^= byte;
            }
            bytes.truncate(cut.max(100));
            std::fs::write(&path, bytes).unwrap();
            let _ = load(&table(&path, "limits", &COLUMNS));
        }
    }
}
