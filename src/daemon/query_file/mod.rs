//! `tidegate query -f FILE.sql`: a Flink script over files, to the end; the rows of SELECT as JSON on standard output,
//! those of INSERT INTO in files.
//!
//! Holds always: it stops at the first row that fails, as Flink does, and says which row of which file it was. The rows
//! do not depend on how the input is cut into ticks, nor on a restart after any of them (`Ticks` is there to show it).
//! A file that is written is there when the script has come to its end; before that the old one stands.
//! Knows nothing of the gateway: no store, no broker, no sinks.

mod reader;
mod writer;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::clock::wall_millis;
use crate::engine::eval::{Context, Program};
use crate::engine::{Engine, Input, InputRow, Limits, RestoreError, Step};
use crate::formats::{DecodeError, JsonEncoder};
use crate::model::{After, Millis, Now, Row};
use crate::plan::Expr;
use crate::sql::{Script, ScriptTable, SqlError, Target, bind_script};
use reader::TableReader;
use writer::TableWriter;

/// The window results of one step are held in memory up to here.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// How the input is cut into steps of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticks {
    /// Of so many rows.
    Rows(usize),
    /// Of one row, and after each one the engine is thrown away and restored from its saved state.
    RestoreAfterEach,
}

/// What becomes of INSERT INTO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserts {
    /// The files are written.
    Written,
    /// No file is; the rows are shown, as those of SELECT are.
    Shown,
}

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("{}", sql_errors(text, errors))]
    Sql { text: String, errors: Vec<SqlError> },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Output { path: PathBuf, source: io::Error },
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
    let result = run(script, Ticks::Rows(1), wall_millis(), Inserts::Written, &mut out).and_then(|()| Ok(out.flush()?));
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
pub fn run(
    script: &Path,
    ticks: Ticks,
    now_ms: Millis,
    inserts: Inserts,
    out: &mut dyn Write,
) -> Result<(), QueryError> {
    let bound = bind_file(script)?;
    let folder = script.parent().unwrap_or(Path::new("."));
    let mut files = match inserts {
        Inserts::Written => {
            bound.outputs.iter().map(|table| TableWriter::create(table, folder)).collect::<Result<_, _>>()?
        }
        Inserts::Shown => Vec::new(),
    };
    let mut runner = Runner::new(&bound, ticks, now_ms, &mut files, out);
    runner.run(folder)?;
    files.into_iter().try_for_each(TableWriter::finish)
}

/// Reads and binds a script; nothing runs.
pub fn bind_file(script: &Path) -> Result<Script, QueryError> {
    let text =
        std::fs::read_to_string(script).map_err(|source| QueryError::Read { path: script.to_owned(), source })?;
    // The mark that Windows writes in front of UTF-8.
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    bind_script(&text).map_err(|errors| QueryError::Sql { text, errors })
}

struct Runner<'a> {
    script: &'a Script,
    ticks: Ticks,
    now: Now,
    engine: Engine,
    /// One for each query, for the rows that are shown.
    encoders: Vec<JsonEncoder>,
    line: String,
    /// One for each of the script's outputs, or none.
    files: &'a mut [TableWriter],
    out: &'a mut dyn Write,
}

impl<'a> Runner<'a> {
    fn new(
        script: &'a Script,
        ticks: Ticks,
        now_ms: Millis,
        files: &'a mut [TableWriter],
        out: &'a mut dyn Write,
    ) -> Runner<'a> {
        let queries = &script.topology.queries;
        Runner {
            script,
            ticks,
            now: Now { millis: now_ms, trusted: true, after: After::Tick },
            engine: new_engine(script),
            encoders: queries.iter().map(|query| JsonEncoder::new(&query.root.schema.columns)).collect(),
            line: String::new(),
            files,
            out,
        }
    }

    fn run(&mut self, folder: &Path) -> Result<(), QueryError> {
        for (source, table) in self.script.tables.iter().enumerate() {
            self.feed(source, table, &folder.join(&table.path))?;
        }
        for (index, rows) in self.script.constants.iter().enumerate() {
            self.feed_constants(self.script.tables.len() + index, rows)?;
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
            let file = match self.script.targets.get(output.query) {
                Some(Target::Table(table)) => self.files.get_mut(*table),
                _ => None,
            };
            if let Some(file) = file {
                file.write(&output.row)?;
                continue;
            }
            self.line.clear();
            self.encoders[output.query].encode(&output.row, &mut self.line);
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
        let queries: Vec<Vec<u8>> =
            (0..self.script.topology.queries.len()).map(|query| self.engine.snapshot_query(query)).collect();
        self.engine = new_engine(self.script);
        for (source, state) in sources.iter().enumerate() {
            self.engine.restore_source(source, state)?;
        }
        for (query, state) in queries.iter().enumerate() {
            self.engine.restore_query(query, state)?;
        }
        Ok(())
    }
}

fn new_engine(script: &Script) -> Engine {
    Engine::new(Arc::new(script.topology.clone()), Limits { output_bytes_max: OUTPUT_BYTES_MAX }).without_state_limits()
}
