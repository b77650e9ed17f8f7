//! `tidegate test DIR`: a user's own tests of rules, in simulated time.
//!
//! Two kinds of case: `NAME.toml` sends messages at stated times through the sources of a configuration and compares what
//! one of its queries puts out; `NAME.sql` with `NAME.out` is a script of `tidegate query` and its rows. Nothing waits:
//! an hour of the plant passes as fast as its messages can be computed, and every run gives the same.
//! Knows nothing of the store, the broker or sinks.

mod case;
pub mod compare;
mod simulation;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::query_file::{self, Inserts, QueryError, Ticks};
use super::stdout;
use case::{Case, Configurations};
use compare::{Expected, difference};

/// What CURRENT_TIMESTAMP says in a script: 2026-03-01 08:00 UTC, the same in every run.
const SCRIPT_NOW_MS: i64 = 1_772_352_000_000;

/// Why a case says nothing.
#[derive(Debug, thiserror::Error)]
enum CaseError {
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{0}")]
    Wrong(String),
}

/// Runs every case below `directory`. Exit code 0: all pass, 1: some fail, 2: there is nothing to run.
pub fn command(directory: &Path, config: Option<&Path>) -> ExitCode {
    let cases = match find(directory) {
        Ok(cases) if cases.is_empty() => {
            eprintln!(
                "{}: no case: a case is NAME.toml, or NAME.sql with NAME.out (see docs/testing.md)",
                directory.display()
            );
            return ExitCode::from(2);
        }
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut failed = 0;
    let mut configurations = Configurations::default();
    for path in &cases {
        let name = path.strip_prefix(directory).unwrap_or(path).display();
        let text = match run(path, config, &mut configurations) {
            Ok(()) => format!("ok      {name}\n"),
            Err(reason) => {
                failed += 1;
                let lines: String = reason.to_string().lines().map(|line| format!("        {line}\n")).collect();
                format!("FAILED  {name}\n{lines}")
            }
        };
        stdout::print(&text, ExitCode::SUCCESS);
    }
    let text = format!("{} passed, {failed} failed\n", cases.len() - failed);
    stdout::print(&text, ExitCode::from(u8::from(failed > 0)))
}

/// The cases of a folder and of those in it, in order of name.
fn find(directory: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let read = |error| CaseError::Read { path: directory.to_owned(), error };
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(read)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(read)?;
    entries.sort();
    let mut cases = Vec::new();
    for path in entries {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            // Links are not followed: a folder cannot hold itself.
            _ if path.is_dir() && !path.is_symlink() => cases.extend(find(&path)?),
            Some("toml") if Case::is_one(&path) => cases.push(path),
            Some("sql") if path.with_extension("out").is_file() => cases.push(path),
            _ => {}
        }
    }
    Ok(cases)
}

fn run(path: &Path, config: Option<&Path>, configurations: &mut Configurations) -> Result<(), CaseError> {
    if path.extension().is_some_and(|extension| extension == "sql") {
        return run_script(path);
    }
    let case = Case::read(path, config, configurations)?;
    let outcome = simulation::run(&case)?;
    let mut wrong: Vec<String> = difference(&case.expected, &outcome.rows, &outcome.failures);
    wrong.extend(case.counts.iter().filter_map(|(name, expected)| {
        let got = outcome.count(name);
        (got != *expected).then(|| format!("{name}: {got} rows, {expected} expected"))
    }));
    if wrong.is_empty() { Ok(()) } else { Err(CaseError::Wrong(wrong.join("\n"))) }
}

fn run_script(path: &Path) -> Result<(), CaseError> {
    let out = path.with_extension("out");
    let text = std::fs::read_to_string(&out).map_err(|error| CaseError::Read { path: out, error })?;
    let expected = Expected::read(&text).map_err(CaseError::Wrong)?;
    let mut rows = Vec::new();
    let result = query_file::run(path, Ticks::Rows(1), SCRIPT_NOW_MS, Inserts::Shown, &mut rows);
    match (result, expected.is_error()) {
        (Err(QueryError::Read { path, source: error }), _) => Err(CaseError::Read { path, error }),
        (Err(_), true) => Ok(()),
        (Ok(()), true) => Err(CaseError::Wrong("it runs to its end, an error is expected".to_owned())),
        (Err(error), false) => Err(CaseError::Wrong(error.to_string())),
        (Ok(()), false) => {
            let rows: Vec<String> = String::from_utf8_lossy(&rows).lines().map(str::to_owned).collect();
            let wrong = difference(&expected, &rows, &[]);
            if wrong.is_empty() { Ok(()) } else { Err(CaseError::Wrong(wrong.join("\n"))) }
        }
    }
}
