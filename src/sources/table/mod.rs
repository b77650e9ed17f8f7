//! Lookup tables: a file's text to rows, and the file watched for changes.
//!
//! Holds always: a table is whole or not at all. A file that cannot be read, is too large, or has one wrong line leaves
//! the table as it was, and its owner is told why.

mod sqlite;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;

use crate::config::{Table, TableFormat};
use crate::formats::{CsvReader, JsonDecoder, JsonField, Types};
use crate::model::{ByteSize, Row};

/// What a table's file holds, if it is right: the file itself, or the rows of a SQLite file as JSON lines.
pub fn load(table: &Table) -> Result<Bytes, String> {
    let content = match &table.format {
        TableFormat::Csv | TableFormat::Json => read(&table.file, table.size_max_bytes)?,
        TableFormat::Sqlite { name } => sqlite::read(&table.file, name, &table.schema.columns, table.size_max_bytes)?,
    };
    decode(table, &content)?;
    Ok(content.into())
}

fn read(file: &Path, size_max_bytes: u64) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(file).map_err(|error| error.to_string())?;
    let mut content = Vec::new();
    file.take(size_max_bytes + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() as u64 > size_max_bytes {
        return Err(format!("it is larger than max_size, {}", ByteSize(size_max_bytes)));
    }
    Ok(content)
}

/// The rows of what was loaded, or what is wrong with it.
pub fn decode(table: &Table, content: &[u8]) -> Result<Vec<Row>, String> {
    let rows = match &table.format {
        TableFormat::Csv => decode_csv(table, content)?,
        TableFormat::Json => decode_json(table, content, "line")?,
        TableFormat::Sqlite { .. } => decode_json(table, content, "row")?,
    };
    check_keys(table, &rows)?;
    Ok(rows)
}

/// Without a header, or with one that names the columns just as the schema does. An empty field is NULL.
fn decode_csv(table: &Table, content: &[u8]) -> Result<Vec<Row>, String> {
    let columns = &table.schema.columns;
    let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
    let header = names.join(",");
    let body = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content);
    let first = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let body = if first.trim_ascii_end() == header.as_bytes() { &body[first.len()..] } else { body };
    let mut reader = CsvReader::new(body, columns, Some(""), Types::Strict);
    let mut rows = Vec::new();
    loop {
        let mut row = Row::with_capacity(columns.len());
        if !reader.read(&mut row).map_err(|error| error.to_string())? {
            return Ok(rows);
        }
        rows.push(row);
    }
}

fn decode_json(table: &Table, content: &[u8], unit: &str) -> Result<Vec<Row>, String> {
    let field =
        |column: &crate::model::Column| JsonField { path: vec![column.name.to_string()], data_type: column.data_type };
    let fields: Vec<JsonField> = table.schema.columns.iter().map(field).collect();
    let decoder = JsonDecoder::new(&fields, Types::Strict).map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let mut row = Row::with_capacity(fields.len());
        decoder.decode(line, &mut row).map_err(|error| format!("{unit} {}: {error}", index + 1))?;
        rows.push(row);
    }
    Ok(rows)
}

/// What PRIMARY KEY promises.
fn check_keys(table: &Table, rows: &[Row]) -> Result<(), String> {
    if table.primary_key.is_empty() {
        return Ok(());
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let key: Vec<_> = table.primary_key.iter().map(|column| &row[*column]).collect();
        if key.iter().any(|value| value.is_null()) {
            return Err(format!("row {}: the PRIMARY KEY is NULL", index + 1));
        }
        if let Some(before) = seen.insert(format!("{key:?}"), index) {
            return Err(format!("rows {} and {} have the same PRIMARY KEY", before + 1, index + 1));
        }
    }
    Ok(())
}

/// A table's file, and what of it has been seen.
pub struct TableFile {
    table: Table,
    /// What it looked like when it was last read; `None`: it must be read.
    seen: Option<Stamp>,
    /// What was last said of it, so that it is said once.
    complaint: String,
}

/// Time of change and length; of a SQLite file also those of the log beside it.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// What a look at the file gave.
#[derive(Debug, PartialEq)]
pub enum Change {
    None,
    /// It was written, and can be read.
    Content(Bytes),
    /// It cannot be used, which has not been said yet.
    Wrong(String),
}

impl TableFile {
    pub fn new(table: &Table) -> TableFile {
        TableFile { table: table.clone(), seen: None, complaint: String::new() }
    }

    /// Looks whether the file was written since the last look.
    pub fn poll(&mut self) -> Change {
        let change = match self.stamp() {
            Err(error) => Err(error.to_string()),
            Ok(stamp) if self.seen == Some(stamp) => return Change::None,
            Ok(stamp) => {
                let loaded = load(&self.table);
                let is_busy = loaded.as_ref().is_err_and(|why| why == sqlite::BUSY);
                self.seen = (!is_busy).then_some(stamp);
                loaded
            }
        };
        match change {
            Ok(content) => {
                self.complaint.clear();
                Change::Content(content)
            }
            Err(why) if why == self.complaint => Change::None,
            Err(why) => {
                self.complaint.clone_from(&why);
                Change::Wrong(why)
            }
        }
    }

    fn stamp(&self) -> std::io::Result<Stamp> {
        let of = |metadata: std::fs::Metadata| Ok((metadata.modified()?, metadata.len()));
        let file = std::fs::metadata(&self.table.file).and_then(of)?;
        let log = match self.table.format {
            TableFormat::Sqlite { .. } => std::fs::metadata(sqlite::wal(&self.table.file)).and_then(of).ok(),
            TableFormat::Csv | TableFormat::Json => None,
        };
        Ok([Some(file), log])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, DataType, Schema, Value};

    fn table(format: TableFormat, primary_key: Vec<usize>) -> Table {
        let column = |name: &str, data_type| Column { name: name.into(), data_type };
        let columns = vec![column("device", DataType::String), column("limit", DataType::Double)];
        let schema = Schema { columns, ..Schema::default() };
        Table { name: "t".to_owned(), file: "t.csv".into(), format, schema, primary_key, size_max_bytes: 100 }
    }

    fn row(device: &str, limit: Option<f64>) -> Row {
        vec![Value::string(device), limit.map_or(Value::Null, Value::Double)]
    }

    #[test]
    fn a_csv_with_or_without_its_header() {
        let table = table(TableFormat::Csv, vec![0]);
        let expected = Ok(vec![row("a", Some(1.5)), row("b, c", None)]);
        assert_eq!(decode(&table, b"a,1.5\n\"b, c\",\n"), expected);
        assert_eq!(decode(&table, b"device,limit\r\na,1.5\r\n\"b, c\",\r\n"), expected);
        assert_eq!(decode(&table, b""), Ok(Vec::new()));
    }

    #[test]
    fn json_lines() {
        let table = table(TableFormat::Json, vec![0]);
        let content = b"{\"device\": \"a\", \"limit\": 1.5}\n\n{\"device\": \"b\", \"more\": 1}\n";
        assert_eq!(decode(&table, content), Ok(vec![row("a", Some(1.5)), row("b", None)]));
        let error = decode(&table, b"{\"device\": \"a\"}\n{\"limit\": true}").unwrap_err();
        assert!(error.starts_with("line 2: "), "{error}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let csv = table(TableFormat::Csv, vec![0]);
        for (content, expected) in [
            ("a,1\na,2\n", "rows 1 and 2 have the same PRIMARY KEY"),
            ("a,1\n,2\n", "row 2: the PRIMARY KEY is NULL"),
            ("a,1\nb\n", "line 2: 1 fields, the table has 2"),
        ] {
            assert_eq!(decode(&csv, content.as_bytes()), Err(expected.to_owned()));
        }
        let error = decode(&csv, b"a,high\n").unwrap_err();
        assert!(error.contains("high") && error.contains("limit"), "{error}");
        assert_eq!(decode(&table(TableFormat::Csv, Vec::new()), b"a,1\na,2\n").map(|rows| rows.len()), Ok(2));
    }

    #[test]
    fn a_file_is_watched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.csv");
        let mut file = TableFile::new(&Table { file: path.clone(), ..table(TableFormat::Csv, vec![0]) });
        assert!(matches!(file.poll(), Change::Wrong(_)), "it is not there");
        assert_eq!(file.poll(), Change::None, "and that is said once");
        std::fs::write(&path, "a,1\n").unwrap();
        assert_eq!(file.poll(), Change::Content(Bytes::from_static(b"a,1\n")));
        assert_eq!(file.poll(), Change::None);
        std::fs::write(&path, "a,1\nb,x\n").unwrap();
        assert!(matches!(file.poll(), Change::Wrong(why) if why.contains("line 2")));
        assert_eq!(file.poll(), Change::None);
        std::fs::write(&path, "a,".to_owned() + &"1".repeat(200)).unwrap();
        assert!(matches!(file.poll(), Change::Wrong(why) if why.contains("max_size")));
        std::fs::write(&path, "b,22\n").unwrap();
        assert_eq!(file.poll(), Change::Content(Bytes::from_static(b"b,22\n")));
    }
}
