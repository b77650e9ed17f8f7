//! Rows as a table's file.
//!
//! Holds always: under the table's own name there is the whole file or what was there before. Rows go to `NAME.partial`
//! beside it, which takes its name at the end and is removed otherwise.

use std::fs::{self, File};
use std::io::{BufWriter, Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::QueryError;
use crate::formats::{CsvWriter, JsonEncoder, TimestampText};
use crate::model::Value;
use crate::sql::{Format, ScriptTable, TimestampFormat};

pub struct TableWriter {
    path: PathBuf,
    partial: Partial,
    out: BufWriter<File>,
    lines: Lines,
    line: String,
}

enum Lines {
    Csv(CsvWriter),
    Json(JsonEncoder),
}

/// Removed when it goes away, unless it has been given its name.
struct Partial {
    path: PathBuf,
    is_whole: bool,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl TableWriter {
    pub fn create(table: &ScriptTable, folder: &Path) -> Result<TableWriter, QueryError> {
        let path = folder.join(&table.path);
        let failed = |source| QueryError::Output { path: path.clone(), source };
        let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
            let message = "it is a folder: name a file (Flink would write part files into it)";
            return Err(failed(Error::new(ErrorKind::IsADirectory, message)));
        };
        let mut partial = name.to_owned();
        partial.push(".partial");
        let partial = path.with_file_name(partial);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let file = File::create(&partial).map_err(failed)?;
        let columns = table.physical();
        let lines = match &table.format {
            Format::Csv { null_literal } => Lines::Csv(CsvWriter::new(&columns, null_literal.as_deref())),
            Format::Json { timestamps } => Lines::Json(JsonEncoder::with_timestamps(
                &columns,
                match timestamps {
                    TimestampFormat::Sql => TimestampText::Sql,
                    TimestampFormat::Iso8601 => TimestampText::Iso8601,
                },
            )),
        };
        let (partial, out) = (Partial { path: partial, is_whole: false }, BufWriter::with_capacity(1 << 16, file));
        Ok(TableWriter { path, partial, out, lines, line: String::new() })
    }

    pub fn write(&mut self, row: &[Value]) -> Result<(), QueryError> {
        self.line.clear();
        match &self.lines {
            Lines::Csv(writer) => writer.write(row, &mut self.line),
            Lines::Json(encoder) => encoder.encode(row, &mut self.line),
        }
        self.line.push('\n');
        let written = self.out.write_all(self.line.as_bytes());
        written.map_err(|source| QueryError::Output { path: self.path.clone(), source })
    }

    /// Gives the file its name.
    pub fn finish(mut self) -> Result<(), QueryError> {
        let renamed = self.out.flush().and_then(|()| fs::rename(&self.partial.path, &self.path));
        renamed.map_err(|source| QueryError::Output { path: self.path.clone(), source })?;
        self.partial.is_whole = true;
        Ok(())
    }
}
