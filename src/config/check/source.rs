//! `[source.x]`: the topic or slave, the columns, and event time.

use std::sync::Arc;
use std::time::Duration;

use super::super::names::{check_name, is_identifier, nearest, suggestion};
use super::super::problem::{Problems, Span};
use super::super::raw;
use super::super::read::{At, Entry, Field, Named, OneOrMany, OrOff};
use super::super::settings::{Format, Input, Level, Source};
use super::super::text::Text;
use super::{choose, key_of, missing, modbus, refuse_foreign, report_sql, topic, unknown_column};
use crate::model::{Column, DataType, Millis, Schema};
use crate::plan::{self, DeviceWatermark, Expr, Watermark};
use crate::sql;

/// Name of the column with the time of arrival.
pub(super) const ARRIVED_AT: &str = "arrived_at";
const ARRIVED_AT_TYPE: DataType = DataType::TimestampLtz(3);

const LATE_AFTER: Duration = Duration::from_secs(5);
const IDLE_AFTER: Duration = Duration::from_secs(60);
const LAG_MAX: Duration = Duration::from_secs(3_600);
const MAX_SKEW: Duration = Duration::from_secs(300);

/// One `[source.x]`; `checked` is `None` if it is wrong.
pub(super) struct Checked {
    pub name: String,
    pub key: Span,
    pub checked: Option<(Source, plan::Source)>,
    /// The column that names the device.
    pub device: Option<String>,
}

pub(super) fn check_sources(raw: &Field<Named<raw::Source>>, problems: &mut Problems) -> Vec<Checked> {
    raw.given().into_iter().flat_map(|at| &at.value).map(|entry| check_source(entry, problems)).collect()
}

/// The columns of a source while they gather.
struct Columns {
    columns: Vec<Column>,
    /// Of each column what computes it from those that are read; it may be shorter.
    computed: Vec<Option<Expr>>,
    captures: usize,
    event_time: Option<usize>,
    arrived_at: bool,
    device: Option<usize>,
}

fn check_source(entry: &Entry<raw::Source>, problems: &mut Problems) -> Checked {
    check_name("source", &entry.name, entry.key, problems);
    let mut checked = Checked { name: entry.name.clone(), key: entry.key, checked: None, device: None };
    let Some(table) = &entry.value else { return checked };
    let raw = &table.value;
    let input = match (raw.mqtt.is_missing(), raw.modbus.is_missing()) {
        (false, true) => check_mqtt(entry, raw, problems),
        (true, false) => check_modbus(entry, raw, problems),
        (true, true) => {
            let help = "write mqtt = \"dev/{device}/telemetry\" or modbus = \"tcp://10.0.0.5:502\"";
            problems.error(entry.key, format!("source {:?} has neither mqtt nor modbus", entry.name), help);
            None
        }
        (false, false) => {
            let at = raw.modbus.given().map_or(entry.key, |given| given.key);
            problems.error(at, "a source has either mqtt or modbus, not both", "make two sources of them");
            None
        }
    };
    let Some((input, format, columns)) = input else { return checked };
    let watermark = check_watermark(raw, &columns, problems);
    checked.device = columns.device.map(|index| columns.columns[index].name.to_string());
    let by_device = matches!(watermark, Watermark::Device(_));
    let schema = Schema {
        event_time: columns.event_time,
        device: columns.device.filter(|_| by_device),
        columns: columns.columns,
    };
    let name = entry.name.clone();
    let decoded = decoded(&schema, &columns.computed);
    let plan = plan::Source {
        name: name.clone(),
        schema,
        watermark,
        by_arrival: columns.arrived_at,
        primary_key: Vec::new(),
        computed: columns.computed,
    };
    let source =
        Source { name, input, format, schema: decoded, captures: columns.captures, arrived_at: columns.arrived_at };
    checked.checked = Some((source, plan));
    checked
}

/// The columns that are read.
fn decoded(schema: &Schema, computed: &[Option<Expr>]) -> Schema {
    let is_read = |index: &usize| !matches!(computed.get(*index), Some(Some(_)));
    let position = |index: usize| is_read(&index).then(|| (0..index).filter(is_read).count());
    Schema {
        event_time: schema.event_time.and_then(position),
        device: schema.device.and_then(position),
        columns: (0..schema.columns.len()).filter(is_read).map(|index| schema.columns[index].clone()).collect(),
    }
}

fn check_mqtt(
    entry: &Entry<raw::Source>,
    raw: &raw::Source,
    problems: &mut Problems,
) -> Option<(Input, Format, Columns)> {
    let foreign = [
        ("unit", key_of(&raw.unit)),
        ("interval", key_of(&raw.interval)),
        ("timeout", key_of(&raw.timeout)),
        ("registers", key_of(&raw.registers)),
    ];
    refuse_foreign(&foreign, "a source with mqtt", "a source with modbus", problems);
    let mqtt = raw.mqtt.given()?;
    let levels = topic::check_filter(mqtt, problems)?;
    let mut columns = captured_columns(&levels);
    let captures = columns.len();
    let is_raw = choose(
        &raw.format,
        "format",
        false,
        &[("json", false), ("raw", true)],
        &[("cbor", "use \"json\" or \"raw\""), ("csv", "use \"json\" or \"raw\"")],
        problems,
    );
    let (format, mut computed) = match is_raw {
        true => (check_raw_format(raw, &mut columns, mqtt, problems), Vec::new()),
        false => check_json_format(entry, raw, &mut columns, problems)?,
    };
    let event_time = if is_raw { None } else { check_event_time(raw, &columns, captures, problems) };
    let arrived_at = raw.event_time.is_missing() || is_raw;
    if arrived_at {
        let at = place_of_word(raw.schema.given().unwrap_or(mqtt), ARRIVED_AT);
        add_arrived_at(&mut columns, at, problems);
    }
    if !computed.is_empty() {
        computed.resize(columns.len(), None);
    }
    let event_time = event_time.or(arrived_at.then(|| columns.len() - 1));
    let device = check_device(raw, &columns, captures, problems);
    Some((Input::Mqtt { levels }, format, Columns { columns, computed, captures, event_time, arrived_at, device }))
}

/// A STRING column for each level that is captured.
pub(super) fn captured_columns(levels: &[Level]) -> Vec<Column> {
    let column = |name: &str| Column { name: name.into(), data_type: DataType::String };
    levels.iter().filter_map(Level::captured).map(column).collect()
}

fn check_raw_format(raw: &raw::Source, columns: &mut Vec<Column>, mqtt: &At<Text>, problems: &mut Problems) -> Format {
    let given =
        [("schema", key_of(&raw.schema)), ("fields", key_of(&raw.fields)), ("event_time", key_of(&raw.event_time))];
    for (key, at) in given {
        if let Some(at) = at {
            let help = "its columns are the captured levels, payload BYTES and arrived_at TIMESTAMP_LTZ(3)";
            problems.error(at, format!("{key} has no meaning with format = \"raw\""), help);
        }
    }
    if columns.iter().any(|column| &*column.name == "payload") {
        problems.error(
            mqtt.span,
            "with format = \"raw\" no level can be captured as \"payload\"",
            "the message itself is the column payload: choose another name",
        );
    }
    columns.push(Column { name: "payload".into(), data_type: DataType::Bytes });
    Format::Raw
}

/// The format, and of each column so far what computes it; nothing where none is computed.
fn check_json_format(
    entry: &Entry<raw::Source>,
    raw: &raw::Source,
    columns: &mut Vec<Column>,
    problems: &mut Problems,
) -> Option<(Format, Vec<Option<Expr>>)> {
    if raw.schema.is_missing() {
        let help =
            "write schema = \"ts TIMESTAMP_LTZ(3), temp DOUBLE\", or format = \"raw\" to take the payload as it is";
        missing("schema", &format!("source {:?}", entry.name), entry.key, help, problems);
    }
    let schema = raw.schema.given()?;
    let arrived_at = Column { name: Arc::from(ARRIVED_AT), data_type: ARRIVED_AT_TYPE };
    let after = if raw.event_time.is_missing() { vec![arrived_at] } else { Vec::new() };
    let declared = match sql::parse_source_columns(&schema.value.value, columns, &after) {
        Ok(declared) => declared,
        Err(errors) => {
            report_sql(schema, &errors, problems);
            return None;
        }
    };
    if !declared.columns.primary_key.is_empty() {
        problems.error(schema.span, "a source has no PRIMARY KEY", "every message is a row of its own: leave it out");
    }
    let mut computed: Vec<Option<Expr>> = vec![None; columns.len()];
    let mut read: Vec<Column> = Vec::new();
    for (column, expr) in declared.columns.columns.into_iter().zip(declared.computed) {
        if columns.iter().any(|other| other.name == column.name) {
            let message = format!("column {:?} is captured from the topic and declared in schema", &*column.name);
            problems.error(
                place_of_word(schema, &column.name),
                message,
                "rename the one or the other; fields = { other_name = \"name\" } takes a JSON field under another name",
            );
        }
        read.extend(expr.is_none().then(|| column.clone()));
        computed.push(expr);
        columns.push(column);
    }
    if read.is_empty() {
        problems.error(schema.span, "schema declares no column that is read", "name at least one field of the payload");
    }
    let mut paths: Vec<Vec<String>> = read.iter().map(|column| vec![column.name.to_string()]).collect();
    check_fields(&raw.fields, &read, &mut paths, problems);
    check_paths_apart(&paths, raw.fields.given().map_or(schema.span, |fields| fields.span), problems);
    let none = computed.iter().all(Option::is_none);
    Some((Format::Json { paths }, if none { Vec::new() } else { computed }))
}

/// `fields = { temp = "sensors.temp", odd = ["a.b", "c"] }`.
fn check_fields(
    raw: &Field<Named<OneOrMany<Text>>>,
    columns: &[Column],
    paths: &mut [Vec<String>],
    problems: &mut Problems,
) {
    for entry in raw.given().into_iter().flat_map(|at| &at.value) {
        let Some(value) = &entry.value else { continue };
        let Some(index) = columns.iter().position(|column| *column.name == *entry.name) else {
            let names = columns.iter().map(|column| &*column.name);
            let message = format!("fields: there is no column {:?} in schema", entry.name);
            problems.error(entry.key, message, suggestion(&entry.name, "columns", names));
            continue;
        };
        let path: Vec<String> = match value.value.0.as_slice() {
            [one] if one.span == value.span => one.value.value.split('.').map(str::to_owned).collect(),
            many => many.iter().map(|key| key.value.value.clone()).collect(),
        };
        if path.is_empty() || path.iter().any(String::is_empty) {
            let help = "keys joined by dots, \"a.b\", or a list of keys where a key itself has a dot, [\"a.b\", \"c\"]";
            problems.error(value.span, format!("the path of {:?} has an empty key", entry.name), help);
        } else {
            paths[index] = path;
        }
    }
}

/// No path may be another one or lead through it: a field is either a value or an object.
fn check_paths_apart(paths: &[Vec<String>], at: Span, problems: &mut Problems) {
    let mut sorted: Vec<&Vec<String>> = paths.iter().collect();
    sorted.sort();
    for pair in sorted.windows(2) {
        if let [one, other] = pair {
            if other.starts_with(one) {
                let (one, other) = (one.join("."), other.join("."));
                let message = match one == other {
                    true => format!("two columns read the JSON field {one:?}"),
                    false => format!("the JSON field {one:?} is read as a value, and as an object by {other:?}"),
                };
                problems.error(at, message, "each column needs a field of its own");
            }
        }
    }
}

fn check_event_time(raw: &raw::Source, columns: &[Column], captures: usize, problems: &mut Problems) -> Option<usize> {
    let given = raw.event_time.given()?;
    let name = given.value.value.as_str();
    let Some(index) = columns.iter().position(|column| &*column.name == name) else {
        let times = columns.iter().skip(captures).filter(|column| column.data_type.is_timestamp());
        let help = match nearest(name, columns.iter().map(|column| &*column.name)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => suggestion(name, "columns with a time", times.map(|column| &*column.name)),
        };
        problems.error(given.span, format!("event_time: there is no column {name:?}"), help);
        return None;
    };
    match columns[index].data_type {
        DataType::Timestamp(0..=3) | DataType::TimestampLtz(0..=3) => Some(index),
        other => {
            let message = format!("event_time must be TIMESTAMP(3) or TIMESTAMP_LTZ(3), column {name:?} is {other}");
            problems.error(given.span, message, "TIMESTAMP_LTZ(3) reads epoch milliseconds and ISO 8601");
            None
        }
    }
}

/// Where a name stands in a text; the whole text if it does not.
fn place_of_word(text: &At<Text>, word: &str) -> Span {
    let value = text.value.value.as_str();
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut found = value.match_indices(word).map(|(start, _)| (start, start + word.len()));
    let whole = found
        .find(|(start, end)| !inside(value[..*start].chars().next_back()) && !inside(value[*end..].chars().next()));
    whole.map_or(text.span, |(start, end)| text.value.between(start, end))
}

fn add_arrived_at(columns: &mut Vec<Column>, at: Span, problems: &mut Problems) {
    if columns.iter().any(|column| &*column.name == ARRIVED_AT) {
        let message = format!("{ARRIVED_AT:?} is the time of arrival, which is added to a source without event_time");
        problems.error(
            at,
            message,
            format!("rename the column, or name the column with the time: event_time = {ARRIVED_AT:?}"),
        );
    }
    columns.push(Column { name: Arc::from(ARRIVED_AT), data_type: ARRIVED_AT_TYPE });
}

/// The column that names the device: as said, else the captured level `device`, else the first captured level.
fn check_device(raw: &raw::Source, columns: &[Column], captures: usize, problems: &mut Problems) -> Option<usize> {
    let Some(given) = raw.device.given() else {
        let captured = &columns[..captures];
        return captured.iter().position(|column| &*column.name == "device").or((captures > 0).then_some(0));
    };
    let name = given.value.value.as_str();
    let index = columns.iter().position(|column| &*column.name == name);
    match index.map(|index| columns[index].data_type) {
        Some(DataType::String) => return index,
        Some(other) => {
            let help = "the column that names the device is a STRING: a captured level or a declared column";
            problems.error(given.span, format!("device must be a column of type STRING, {name:?} is {other}"), help);
        }
        None => unknown_column("device", name, columns.iter().map(|column| &*column.name), given.span, problems),
    }
    None
}

fn check_modbus(
    entry: &Entry<raw::Source>,
    raw: &raw::Source,
    problems: &mut Problems,
) -> Option<(Input, Format, Columns)> {
    let foreign = [
        ("format", key_of(&raw.format)),
        ("schema", key_of(&raw.schema)),
        ("fields", key_of(&raw.fields)),
        ("event_time", key_of(&raw.event_time)),
    ];
    refuse_foreign(&foreign, "a source with modbus", "a source with mqtt", problems);
    let modbus = modbus::check_modbus(&entry.name, entry.key, raw, problems)?;
    let mut columns = vec![Column { name: "device".into(), data_type: DataType::String }];
    columns.extend(modbus.registers.iter().map(|r| Column { name: r.name.as_str().into(), data_type: r.data_type }));
    columns.push(Column { name: Arc::from(ARRIVED_AT), data_type: ARRIVED_AT_TYPE });
    let event_time = Some(columns.len() - 1);
    let columns = Columns { columns, computed: Vec::new(), captures: 1, event_time, arrived_at: true, device: Some(0) };
    Some((Input::Modbus(modbus), Format::Raw, columns))
}

fn check_watermark(raw: &raw::Source, columns: &Columns, problems: &mut Problems) -> Watermark {
    let late_after = match columns.arrived_at {
        // Times of arrival are never out of order, but more may come within the same millisecond.
        true => raw.late_after.or(Duration::ZERO).max(Duration::from_millis(1)),
        false => raw.late_after.or(LATE_AFTER),
    };
    let by_device = choose(
        &raw.watermark,
        "watermark",
        columns.device.is_some(),
        &[("device", true), ("source", false)],
        &[],
        problems,
    );
    if !by_device {
        let device_only = [
            ("idle_after", key_of(&raw.idle_after)),
            ("lag_max", key_of(&raw.lag_max)),
            ("max_skew", key_of(&raw.max_skew)),
            ("close_after", key_of(&raw.close_after)),
        ];
        for (key, at) in device_only {
            if let Some(at) = at {
                let help =
                    "it belongs to watermark = \"device\", which needs a captured level or device = \"a column\"";
                problems.error(at, format!("{key} has no meaning with watermark = \"source\""), help);
            }
        }
        return Watermark::Source { delay_ms: millis(late_after) };
    }
    if let Some(given) = raw.watermark.given().filter(|_| columns.device.is_none() && raw.device.is_missing()) {
        let help = "capture a level, mqtt = \"dev/{device}/telemetry\", or name a column, device = \"machine\"";
        problems.error(given.span, "watermark = \"device\" needs to know which column names the device", help);
    }
    if let Some(given) = raw.idle_after.given().filter(|given| given.value.is_zero()) {
        problems.error(
            given.span,
            "idle_after cannot be 0",
            "a time longer than the pause between two messages of a device",
        );
    }
    Watermark::Device(DeviceWatermark {
        delay_ms: millis(late_after),
        idle_after_ms: millis(raw.idle_after.or(IDLE_AFTER)),
        lag_max_ms: millis(raw.lag_max.or(LAG_MAX)),
        max_skew_ms: unless_off(raw.max_skew.or(OrOff::On(MAX_SKEW))),
        close_after_ms: unless_off(raw.close_after.or(OrOff::Off)),
    })
}

fn unless_off(duration: OrOff<Duration>) -> Option<Millis> {
    match duration {
        OrOff::Off => None,
        OrOff::On(duration) => Some(millis(duration)),
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// Whether a name can be a column as people write it in SQL, without quotes.
pub(super) fn check_column_name(name: &str, at: Span, problems: &mut Problems) -> bool {
    let right = is_identifier(name);
    if !right {
        problems.error(
            at,
            format!("{name:?} cannot be the name of a column"),
            "letters, digits and \"_\", not beginning with a digit",
        );
    }
    right
}
