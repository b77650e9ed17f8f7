//! A case as a file: which query, what arrives when, what comes out.
//!
//! ```toml
//! query = "hot"
//! input = """
//! 2026-03-01T08:00:00Z  dev/pump-1/telemetry  {"ts": "2026-03-01T08:00:00Z", "temp": 81}
//! +1m
//! """
//! expected = """
//! {"device": "pump-1", "temp": 81}
//! """
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::CaseError;
use super::compare::Expected;
use crate::config::Settings;
use crate::daemon::check::load_file;
use crate::formats::moment;
use crate::model::{Millis, parse_duration};

/// A larger file is none that a person wrote.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A case that can run.
pub struct Case {
    pub settings: Arc<Settings>,
    /// Index into the settings' queries.
    pub query: usize,
    pub input: Vec<Arrival>,
    /// At the end everything that is open closes, as at the end of a file.
    pub finish: bool,
    pub expected: Expected,
    /// Rows of the query by what became of them, by the names of `COUNTS`.
    pub counts: BTreeMap<String, u64>,
}

/// The configurations of the cases, each checked once.
#[derive(Default)]
pub struct Configurations(BTreeMap<PathBuf, Result<Arc<Settings>, String>>);

impl Configurations {
    fn load(&mut self, path: PathBuf) -> Result<Arc<Settings>, CaseError> {
        let load = || load_file(&path).map(Arc::new).map_err(|error| error.to_string());
        let loaded = match self.0.get(&path) {
            Some(known) => known.clone(),
            None => load(),
        };
        self.0.entry(path).or_insert(loaded).clone().map_err(CaseError::Wrong)
    }
}

/// One line of the input.
pub struct Arrival {
    pub line: usize,
    pub at: Millis,
    /// `None`: only time passes.
    pub message: Option<Message>,
}

pub struct Message {
    /// A topic, or `@name` for a source that is polled.
    pub to: String,
    pub payload: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    config: Option<PathBuf>,
    query: String,
    input: String,
    expected: String,
    #[serde(default)]
    finish: bool,
    #[serde(default)]
    counts: BTreeMap<String, u64>,
}

const COUNTS: [&str; 6] = ["used", "filtered", "late", "late_results", "failed", "invalid"];

impl Case {
    /// Whether a TOML file is meant as a case; a configuration may lie beside its tests.
    pub fn is_one(path: &Path) -> bool {
        let text = read(path).unwrap_or_default();
        text.lines().any(|line| line.trim_start().starts_with("query")) && !text.contains("[gateway]")
    }

    /// `config`: the configuration where the case names none.
    pub fn read(path: &Path, config: Option<&Path>, known: &mut Configurations) -> Result<Case, CaseError> {
        let text = read(path)?;
        let file: File = toml::from_str(&text).map_err(|error| CaseError::Wrong(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let config = match (&file.config, config) {
            (Some(own), _) => folder.join(own),
            (None, Some(given)) => given.to_owned(),
            (None, None) => {
                let help = "no configuration: write config = \"../tidegate.toml\" in the case, or give --config";
                return Err(CaseError::Wrong(help.to_owned()));
            }
        };
        let settings = known.load(config.clone())?;
        let Some(query) = settings.queries.iter().position(|query| query.name == file.query) else {
            let names: Vec<&str> = settings.queries.iter().map(|query| query.name.as_str()).collect();
            let message =
                format!("there is no query {:?} in {}; queries: {}", file.query, config.display(), names.join(", "));
            return Err(CaseError::Wrong(message));
        };
        if let Some(name) = file.counts.keys().find(|name| !COUNTS.contains(&name.as_str())) {
            return Err(CaseError::Wrong(format!("counts: there is no {name}; there are {}", COUNTS.join(", "))));
        }
        Ok(Case {
            settings,
            query,
            input: read_input(&file.input).map_err(CaseError::Wrong)?,
            finish: file.finish,
            expected: Expected::read(&file.expected).map_err(CaseError::Wrong)?,
            counts: file.counts,
        })
    }
}

fn read(path: &Path) -> Result<String, CaseError> {
    let failed = |error| CaseError::Read { path: path.to_owned(), error };
    if std::fs::metadata(path).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(CaseError::Wrong("the file is larger than 64 MiB".to_owned()));
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// `TIME [TOPIC PAYLOAD]` a line; the time is ISO 8601, or `+5s` after the line before.
fn read_input(text: &str) -> Result<Vec<Arrival>, String> {
    let mut arrivals: Vec<Arrival> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: String| format!("input, line {number}: {what}: {line}");
        let (time, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let last = arrivals.last().map(|arrival| arrival.at);
        let at = read_time(time, last).map_err(wrong)?;
        if last.is_some_and(|last| at < last) {
            return Err(wrong("time does not go back (event times may: they stand in the payload)".to_owned()));
        }
        let rest = rest.trim_start();
        let message = match rest.split_once(char::is_whitespace) {
            Some((to, payload)) => Some(Message { to: to.to_owned(), payload: payload.trim().to_owned() }),
            None if rest.is_empty() => None,
            None => return Err(wrong("a topic and no payload".to_owned())),
        };
        arrivals.push(Arrival { line: number, at, message });
    }
    Ok(arrivals)
}

fn read_time(text: &str, last: Option<Millis>) -> Result<Millis, String> {
    match (text.strip_prefix('+'), last) {
        (Some(_), None) => Err("the first line needs a date and a time, such as 2026-03-01T08:00:00Z".to_owned()),
        (Some(later), Some(last)) => {
            let passed = parse_duration(later).map_err(|error| error.to_string())?;
            Ok(last.saturating_add(Millis::try_from(passed.as_millis()).unwrap_or(Millis::MAX)))
        }
        (None, _) => moment::timestamp(text).map(|micros| micros.div_euclid(1_000)).ok_or_else(|| {
            format!("{text:?} is no time: write 2026-03-01T08:00:00Z, or +5s for five seconds after the line before")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_after_the_line_before() {
        let input = read_input("\n# start\n2026-03-01T08:00:00.5Z a/b {\"x\": 1}\n+500ms @press  {}\n+1h\n").unwrap();
        let times: Vec<Millis> = input.iter().map(|arrival| arrival.at).collect();
        assert_eq!(times, [1_772_352_000_500, 1_772_352_001_000, 1_772_355_601_000]);
        let first = input[0].message.as_ref().unwrap();
        assert_eq!((first.to.as_str(), first.payload.as_str()), ("a/b", "{\"x\": 1}"));
        assert!(input[2].message.is_none());
        for wrong in
            ["+1s", "yesterday a/b {}", "2026-03-01T08:00:00Z a/b", "2026-03-01T08:00:00Z\n2026-02-01T08:00:00Z"]
        {
            assert!(read_input(wrong).is_err(), "{wrong}");
        }
    }
}
