//! `tidegate query -f FILE.sql`: a Flink script over files, to the end, its rows as JSON on standard output.
//!
//! Holds always: it stops at the first row that fails, as Flink does, and says which row of which file it was. The rows
//! do not depend on how the input is cut into ticks, nor on a restart after any of them (`Ticks` is there to show it).
//! Knows nothing of the gateway: no store, no broker, no sinks.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::clock::wall_millis;
use crate::engine::eval::{Context, EvalError, Program};
use crate::engine::{Engine, Input, InputRow, Limits, RestoreError, Step};
use crate::formats::{CsvReader, DecodeError, JsonDecoder, JsonEncoder, JsonField};
use crate::model::{After, Millis, Now, Row, Value};
use crate::plan::Expr;
use crate::sql::{Format, Script, ScriptTable, SqlError, bind_script};

/// The window results of one step are held in memory up to here.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// A line of JSON is read up to here.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// How the input is cut into steps of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticks {
    /// Of so many rows.
    Rows(usize),
    /// Of one row, and after each one the engine is thrown away and restored from its saved state.
    RestoreAfterEach,
}

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("{}", sql_errors(text, errors))]
    Sql { text: String, errors: Vec<SqlError> },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {reason}", path.display())]
    Input { path: PathBuf, reason: DecodeError },
    #[error("{}, row {row}: {reason}", path.display())]
    Row { path: PathBuf, row: u64, reason: String },
    #[error("the result of a window: {0}")]
    Window(String),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error("cannot write the rows: {0}")]
    Write(#[from] io::Error),
}

fn sql_errors(text: &str, errors: &[SqlError]) -> String {
    let shown: Vec<String> = errors.iter().map(|error| error.with_source(text).to_string()).collect();
    shown.join("\n")
}

/// Runs the script. Exit code 0: to its end, 1: a row or a file failed, 2: the SQL is wrong.
pub fn command(script: &Path) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    // One row a tick: then the output ends exactly where the query failed.
    let result = run(script, Ticks::Rows(1), wall_millis(), &mut out).and_then(|()| Ok(out.flush()?));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = out.flush();
            eprintln!("{}: {error}", script.display());
            ExitCode::from(if matches!(error, QueryError::Sql { .. }) { 2 } else { 1 })
        }
    }
}

/// Runs the script and writes a JSON object a line. `now_ms` is what CURRENT_TIMESTAMP says.
pub fn run(script: &Path, ticks: Ticks, now_ms: Millis, out: &mut dyn Write) -> Result<(), QueryError> {
    let text =
        std::fs::read_to_string(script).map_err(|source| QueryError::Read { path: script.to_owned(), source })?;
    let bound = bind_script(&text).map_err(|errors| QueryError::Sql { text, errors })?;
    let folder = script.parent().unwrap_or(Path::new("."));
    Runner::new(&bound, ticks, now_ms, out).run(folder)
}

struct Runner<'a> {
    script: &'a Script,
    ticks: Ticks,
    now: Now,
    engine: Engine,
    encoder: JsonEncoder,
    line: String,
    out: &'a mut dyn Write,
}

impl<'a> Runner<'a> {
    fn new(script: &'a Script, ticks: Ticks, now_ms: Millis, out: &'a mut dyn Write) -> Runner<'a> {
        let columns = script.query().map_or(&[][..], |query| &query.root.schema.columns);
        Runner {
            script,
            ticks,
            now: Now { millis: now_ms, trusted: true, after: After::Tick },
            engine: new_engine(script),
            encoder: JsonEncoder::new(columns),
            line: String::new(),
            out,
        }
    }

    fn run(&mut self, folder: &Path) -> Result<(), QueryError> {
        let sources = self.script.query().map(|query| query.sources()).unwrap_or_default();
        let (tables, constants) = (&self.script.tables, &self.script.constants);
        for source in sources {
            match tables.get(source) {
                Some(table) => self.feed(source, table, &folder.join(&table.path))?,
                None => self.feed_constants(source, &constants[source - tables.len()])?,
            }
        }
        loop {
            let step = self.engine.finish();
            let more = step.more;
            self.put(step, Path::new(""), 0)?;
            if !more {
                return Ok(());
            }
        }
    }

    fn feed(&mut self, source: usize, table: &ScriptTable, path: &Path) -> Result<(), QueryError> {
        let mut reader = TableReader::open(table, path)?;
        let computed = ComputedColumns::new(table);
        let rows_max = match self.ticks {
            Ticks::Rows(rows) => rows.max(1),
            Ticks::RestoreAfterEach => 1,
        };
        let mut rows_read = 0;
        loop {
            let mut rows = Vec::with_capacity(rows_max);
            while rows.len() < rows_max {
                let mut values = Row::with_capacity(table.schema.columns.len());
                if !reader.read(&mut values)? {
                    break;
                }
                let row = rows_read + rows.len() as u64 + 1;
                let values = computed.complete(values, self.now.millis).map_err(|reason| QueryError::Row {
                    path: path.to_owned(),
                    row,
                    reason: reason.to_string(),
                })?;
                rows.push(InputRow { arrival: self.now.millis, values });
            }
            if rows.is_empty() {
                return Ok(());
            }
            rows_read += rows.len() as u64;
            self.take(source, rows, path, rows_read)?;
        }
    }

    /// The rows of VALUES.
    fn feed_constants(&mut self, source: usize, rows: &[Vec<Expr>]) -> Result<(), QueryError> {
        let path = Path::new("VALUES");
        let context = Context { now_ms: self.now.millis, watermark: None };
        for (row, number) in rows.iter().zip(1..) {
            let values = row.iter().map(|expr| Program::compile(expr).eval(&[], &context)).collect::<Result<Row, _>>();
            let values = values.map_err(|reason| QueryError::Row {
                path: path.to_owned(),
                row: number,
                reason: reason.to_string(),
            })?;
            self.take(source, vec![InputRow { arrival: self.now.millis, values }], path, number)?;
        }
        Ok(())
    }

    /// Gives rows to the engine, the last of which has this number.
    fn take(&mut self, source: usize, rows: Vec<InputRow>, path: &Path, number: u64) -> Result<(), QueryError> {
        let mut step = self.engine.step(self.now, vec![Input { source, rows }]);
        while step.more {
            self.put(step, path, number)?;
            step = self.engine.step(self.now, Vec::new());
        }
        self.put(step, path, number)?;
        if self.ticks == Ticks::RestoreAfterEach {
            self.restore()?;
        }
        Ok(())
    }

    /// Writes what a step put out; `row`: the last one that it took.
    fn put(&mut self, step: Step, path: &Path, row: u64) -> Result<(), QueryError> {
        for output in step.outputs {
            self.line.clear();
            self.encoder.encode(&output.row, &mut self.line);
            self.line.push('\n');
            self.out.write_all(self.line.as_bytes())?;
        }
        match step.failures.into_iter().next() {
            None => Ok(()),
            Some(failure) if failure.is_input => {
                Err(QueryError::Row { path: path.to_owned(), row, reason: failure.reason })
            }
            Some(failure) => Err(QueryError::Window(failure.reason)),
        }
    }

    /// As after a crash: everything but the saved state is gone.
    fn restore(&mut self) -> Result<(), QueryError> {
        let sources: Vec<Vec<u8>> =
            (0..self.script.topology.sources.len()).map(|source| self.engine.snapshot_source(source)).collect();
        let query = self.engine.snapshot_query(0);
        self.engine = new_engine(self.script);
        for (source, state) in sources.iter().enumerate() {
            self.engine.restore_source(source, state)?;
        }
        Ok(self.engine.restore_query(0, &query)?)
    }
}

fn new_engine(script: &Script) -> Engine {
    Engine::new(Arc::new(script.topology.clone()), Limits { output_bytes_max: OUTPUT_BYTES_MAX }).without_state_limits()
}

/// The columns of CREATE TABLE that are computed from those that were read.
struct ComputedColumns(Vec<Option<Program>>);

impl ComputedColumns {
    fn new(table: &ScriptTable) -> ComputedColumns {
        ComputedColumns(table.computed.iter().map(|expr| expr.as_ref().map(Program::compile)).collect())
    }

    fn complete(&self, read: Row, now_ms: Millis) -> Result<Row, EvalError> {
        if self.0.iter().all(Option::is_none) {
            return Ok(read);
        }
        let context = Context { now_ms, watermark: None };
        let mut values = read.iter();
        let one = |computed: &Option<Program>| match computed {
            Some(program) => program.eval(&read, &context),
            None => Ok(values.next().cloned().unwrap_or(Value::Null)),
        };
        self.0.iter().map(one).collect()
    }
}

/// The rows of one file.
struct TableReader {
    path: PathBuf,
    rows: Rows,
}

enum Rows {
    Csv(CsvReader<BufReader<File>>),
    Json { lines: BufReader<File>, decoder: JsonDecoder, line: Vec<u8>, number: u64 },
}

impl TableReader {
    fn open(table: &ScriptTable, path: &Path) -> Result<TableReader, QueryError> {
        let file = File::open(path).map_err(|source| QueryError::Read { path: path.to_owned(), source })?;
        let file = BufReader::with_capacity(1 << 16, file);
        let physical = table.physical();
        let rows = match &table.format {
            Format::Csv { null_literal } => Rows::Csv(CsvReader::new(file, &physical, null_literal.as_deref())),
            // Both forms of a timestamp are understood.
            Format::Json { timestamps: _ } => {
                let field = |column: &crate::model::Column| JsonField {
                    path: vec![column.name.to_string()],
                    data_type: column.data_type,
                };
                let fields: Vec<JsonField> = physical.iter().map(field).collect();
                let decoder =
                    JsonDecoder::new(&fields).map_err(|reason| QueryError::Input { path: path.to_owned(), reason })?;
                Rows::Json { lines: file, decoder, line: Vec::new(), number: 0 }
            }
        };
        Ok(TableReader { path: path.to_owned(), rows })
    }

    /// Appends the next row's values; `false` at the end.
    fn read(&mut self, row: &mut Row) -> Result<bool, QueryError> {
        match &mut self.rows {
            Rows::Csv(reader) => {
                reader.read(row).map_err(|reason| QueryError::Input { path: self.path.clone(), reason })
            }
            Rows::Json { lines, decoder, line, number } => loop {
                line.clear();
                *number += 1;
                let read = io::Read::take(&mut *lines, LINE_BYTES_MAX).read_until(b'\n', line);
                if read.map_err(|source| QueryError::Read { path: self.path.clone(), source })? == 0 {
                    return Ok(false);
                }
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let decoded = decoder.decode(line, row);
                return decoded.map(|()| true).map_err(|reason| QueryError::Row {
                    path: self.path.clone(),
                    row: *number,
                    reason: reason.to_string(),
                });
            },
        }
    }
}
