//! `[table.x]`: a file whose rows queries look up.

use std::path::Path;

use super::super::names::check_name;
use super::super::problem::Problems;
use super::super::raw;
use super::super::read::{Entry, Field, Named};
use super::super::settings::{Table, TableFormat};
use super::{choose, missing, report_sql, source};
use crate::model::{ByteSize, Schema};
use crate::{plan, sql};

const SIZE_MAX: u64 = 4 << 20;
/// A reload is an entry of the journal, and the table a part of every snapshot.
const SIZE_MAX_MAX: u64 = 64 << 20;

/// One `[table.x]`; `checked` is `None` if it is wrong.
pub(super) struct Checked {
    pub name: String,
    pub checked: Option<(Table, plan::Table)>,
}

pub(super) fn check_tables(
    raw: &Field<Named<raw::Table>>,
    sources: &[source::Checked],
    problems: &mut Problems,
) -> Vec<Checked> {
    let check = |entry: &Entry<raw::Table>| {
        check_name("table", &entry.name, entry.key, problems);
        if sources.iter().any(|source| source.name == entry.name) {
            let message = format!("there is a source {:?} already", entry.name);
            problems.error(entry.key, message, "FROM could mean either: choose another name for the table");
        }
        Checked { name: entry.name.clone(), checked: check_table(entry, problems) }
    };
    raw.given().into_iter().flat_map(|at| &at.value).map(check).collect()
}

fn check_table(entry: &Entry<raw::Table>, problems: &mut Problems) -> Option<(Table, plan::Table)> {
    let raw = &entry.value.as_ref()?.value;
    let owner = format!("table {:?}", entry.name);
    if raw.file.is_missing() {
        missing("file", &owner, entry.key, "write file = \"devices.csv\"", problems);
    }
    if raw.schema.is_missing() {
        let help = "write schema = \"device STRING, location STRING, PRIMARY KEY (device) NOT ENFORCED\"";
        missing("schema", &owner, entry.key, help, problems);
    }
    let size_max_bytes = check_size(&raw.max_size, problems);
    let format = check_format(&entry.name, raw, problems);
    let schema = raw.schema.given()?;
    let declared = match sql::parse_columns(&schema.value.value) {
        Ok(declared) => declared,
        Err(errors) => {
            report_sql(schema, &errors, problems);
            return None;
        }
    };
    let (file, format) = (Path::new(&raw.file.given()?.value.value).to_owned(), format?);
    let (name, primary_key) = (entry.name.clone(), declared.primary_key);
    let schema = Schema { columns: declared.columns, event_time: None, device: None };
    let plan = plan::Table { name: name.clone(), schema: schema.clone(), primary_key: primary_key.clone() };
    Some((Table { name, file, format, schema, primary_key, size_max_bytes }, plan))
}

/// As `format` says, else as the file's name ends.
fn check_format(name: &str, raw: &raw::Table, problems: &mut Problems) -> Option<TableFormat> {
    let sqlite = || TableFormat::Sqlite {
        name: raw.table.given().map_or_else(|| name.to_owned(), |given| given.value.value.clone()),
    };
    let format = if raw.format.is_missing() {
        let given = raw.file.given()?;
        match Path::new(&given.value.value).extension().and_then(|extension| extension.to_str()) {
            Some("csv") => TableFormat::Csv,
            Some("json" | "jsonl" | "ndjson") => TableFormat::Json,
            Some("sqlite" | "sqlite3" | "db") => sqlite(),
            _ => {
                let message = format!("file = {:?} has no known ending", given.value.written);
                let help = "write format = \"csv\", \"json\" (an object a line) or \"sqlite\"";
                problems.error(given.span, message, help);
                return None;
            }
        }
    } else {
        let choices = [("csv", 0), ("json", 1), ("sqlite", 2)];
        match choose(&raw.format, "format", 0, &choices, &[], problems) {
            0 => TableFormat::Csv,
            1 => TableFormat::Json,
            _ => sqlite(),
        }
    };
    if let (Some(given), TableFormat::Csv | TableFormat::Json) = (raw.table.given(), &format) {
        problems.error(given.key, "table has a meaning with a SQLite file only", "leave it out");
    }
    Some(format)
}

fn check_size(raw: &Field<ByteSize>, problems: &mut Problems) -> u64 {
    let Some(given) = raw.given() else { return SIZE_MAX };
    if given.value.0 > SIZE_MAX_MAX {
        let help = format!("at most {}: the table is a part of every snapshot", ByteSize(SIZE_MAX_MAX));
        problems.error(given.span, format!("max_size cannot be {}", given.value), help);
    }
    given.value.0
}
