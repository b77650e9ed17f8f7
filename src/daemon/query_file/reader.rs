//! A table's file as rows.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::QueryError;
use crate::formats::{CsvReader, JsonDecoder, JsonField, Types};
use crate::model::Row;
use crate::sql::{Format, ScriptTable};

/// A line of JSON is read up to here.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// The rows of one file.
pub struct TableReader {
    path: PathBuf,
    rows: Rows,
}

enum Rows {
    Csv(CsvReader<BufReader<File>>),
    Json {
        lines: BufReader<File>,
        decoder: JsonDecoder,
        line: Vec<u8>,
        number: u64,
        /// The rest of a line that is an array of objects.
        waiting: std::vec::IntoIter<Row>,
    },
}

impl TableReader {
    pub fn open(table: &ScriptTable, path: &Path) -> Result<TableReader, QueryError> {
        let file = File::open(path).map_err(|source| QueryError::Read { path: path.to_owned(), source })?;
        let file = BufReader::with_capacity(1 << 16, file);
        let physical = table.physical();
        let rows = match &table.format {
            Format::Csv { null_literal } => {
                Rows::Csv(CsvReader::new(file, &physical, null_literal.as_deref(), Types::Converted))
            }
            // Both forms of a timestamp are understood.
            Format::Json { timestamps: _ } => {
                let field = |column: &crate::model::Column| JsonField {
                    path: vec![column.name.to_string()],
                    data_type: column.data_type,
                };
                let fields: Vec<JsonField> = physical.iter().map(field).collect();
                let decoder = JsonDecoder::new(&fields, Types::Converted)
                    .map_err(|reason| QueryError::Input { path: path.to_owned(), reason })?;
                Rows::Json { lines: file, decoder, line: Vec::new(), number: 0, waiting: Vec::new().into_iter() }
            }
        };
        Ok(TableReader { path: path.to_owned(), rows })
    }

    /// Appends the next row's values; `false` at the end.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, QueryError> {
        match &mut self.rows {
            Rows::Csv(reader) => {
                reader.read(row).map_err(|reason| QueryError::Input { path: self.path.clone(), reason })
            }
            Rows::Json { lines, decoder, line, number, waiting } => loop {
                if let Some(values) = waiting.next() {
                    row.extend(values);
                    return Ok(true);
                }
                line.clear();
                *number += 1;
                let read = io::Read::take(&mut *lines, LINE_BYTES_MAX).read_until(b'\n', line);
                if read.map_err(|source| QueryError::Read { path: self.path.clone(), source })? == 0 {
                    return Ok(false);
                }
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                // Each element of an array is a row, as in Flink.
                let is_array = line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
                let decoded = match is_array {
                    true => decoder.decode_array(line).map(|rows| *waiting = rows.into_iter()),
                    false => decoder.decode(line, row),
                };
                decoded.map_err(|reason| QueryError::Row {
                    path: self.path.clone(),
                    row: *number,
                    reason: reason.to_string(),
                })?;
                if !is_array {
                    return Ok(true);
                }
            },
        }
    }
}
