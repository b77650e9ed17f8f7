//! `[query.x]`: the SELECT, and where its rows go.

use std::time::Duration;

use super::super::names::{check_name, suggestion};
use super::super::problem::{Problems, Span};
use super::super::raw;
use super::super::read::{At, Entry, Field, Named};
use super::super::settings::{Gateway, OutputFormat, Query, Route, TopicPart, TopicTemplate};
use super::super::text::Text;
use super::topic::TopicKind;
use super::{choose, missing, sink, source, topic, unknown_column};
use crate::model::{Column, DataType, Millis};
use crate::plan;

const STATE_TTL_MIN: Duration = Duration::from_secs(1);

/// What a query may refer to.
pub(super) struct Surroundings<'a> {
    pub gateway: &'a Gateway,
    pub sources: &'a [source::Checked],
    pub sinks: &'a sink::Declared<'a>,
}

/// One `[query.x]`; `checked` is `None` if it is wrong.
pub(super) struct Checked {
    pub checked: Option<(Query, plan::Query)>,
}

/// `roots`: what each query's text was bound to, `None` where it is wrong or missing.
pub(super) fn check_queries(
    raw: &Field<Named<raw::Query>>,
    roots: Vec<Option<plan::Node>>,
    around: &Surroundings,
    problems: &mut Problems,
) -> Vec<Checked> {
    let entries = raw.given().into_iter().flat_map(|at| &at.value).zip(roots);
    entries.map(|(entry, root)| Checked { checked: check_query(entry, root, around, problems) }).collect()
}

fn check_query(
    entry: &Entry<raw::Query>,
    root: Option<plan::Node>,
    around: &Surroundings,
    problems: &mut Problems,
) -> Option<(Query, plan::Query)> {
    check_name("query", &entry.name, entry.key, problems);
    let raw = &entry.value.as_ref()?.value;
    let owner = format!("query {:?}", entry.name);
    if raw.sql.is_missing() {
        missing("sql", &owner, entry.key, "write sql = \"SELECT … FROM …\"", problems);
    }
    if raw.into.is_missing() {
        let help =
            "write into = { sink = \"cloud\", topic = \"devices.{region}.telemetry\" }, or a list of such tables";
        missing("into", &owner, entry.key, help, problems);
    }
    let root = root.and_then(|root| with_early(root, &raw.early_every, problems));
    let devices = root.as_ref().map(|root| device_columns(root, around)).unwrap_or_default();
    let columns = root.as_ref().map(|root| root.schema.columns.as_slice());
    let mut into: Vec<Route> = Vec::new();
    for route in raw.into.given().into_iter().flat_map(|at| &at.value.0) {
        let Some(checked) = check_route(route, columns, &devices, around, problems) else { continue };
        if into.iter().any(|other| other.sink == checked.sink && other.topic == checked.topic) {
            problems.error(
                route.span,
                "this query goes to that topic of that sink already",
                "each row would be there twice",
            );
        }
        into.push(checked);
    }
    if let Some(given) = raw.into.given().filter(|given| given.value.0.is_empty()) {
        problems.error(given.span, "into is empty", "the query's rows would go nowhere");
    }
    let state_ttl_ms = check_state_ttl(&raw.state_ttl, root.as_ref(), problems);
    let (name, sql) = (entry.name.clone(), raw.sql.given()?.value.value.clone());
    let root = root?;
    let late_into = match raw.late_into.given() {
        Some(given) => Some(check_late_route(given, &root, around, problems)?),
        None => None,
    };
    let gives_late = late_into.is_some();
    let early_every_ms = raw.early_every.given().map(|given| millis(given.value));
    let query = Query { name: name.clone(), sql, into, early_every_ms, late_into };
    Some((query, plan::Query { name, root, state_ttl_ms, gives_late }))
}

fn with_early(root: plan::Node, every: &Field<Duration>, problems: &mut Problems) -> Option<plan::Node> {
    let Some(given) = every.given() else { return Some(root) };
    match plan::with_early(root, millis(given.value)) {
        Ok(root) => Some(root),
        Err(why) => {
            problems.error(given.span, "early_every does not fit this query", why);
            None
        }
    }
}

/// Late rows are those of a source, not of the query.
fn check_late_route(
    at: &At<raw::LateRoute>,
    root: &plan::Node,
    around: &Surroundings,
    problems: &mut Problems,
) -> Option<Route> {
    let example = "as in late_into = { sink = \"cloud\", topic = \"late.{gateway}\" }";
    let raw = &at.value;
    for (key, is_missing) in [("sink", raw.sink.is_missing()), ("topic", raw.topic.is_missing())] {
        if is_missing {
            missing(key, "late_into", at.span, example, problems);
        }
    }
    let mut read = Vec::new();
    root.visit(&mut |node| {
        if let plan::NodeKind::Scan { source } = node.kind {
            read.push((source, node.schema.columns.as_slice()));
        }
    });
    read.sort_by_key(|(source, _)| *source);
    read.dedup_by_key(|(source, _)| *source);
    // Of several sources there is no column that each row has.
    let columns = match read.as_slice() {
        [(_, columns)] => *columns,
        _ => &[],
    };
    let sink = check_sink(&raw.sink, around, problems);
    let of = sink.map_or(TopicKind::Kafka, |sink| around.sinks.topic_kind(sink));
    let template = topic::Template { gateway: around.gateway, of, columns: Some(columns), what: "column of the query" };
    let topic = raw.topic.given().map(|topic| topic::check_template(topic, template, problems));
    let key = check_key(&raw.key, of, columns, &device_columns(root, around), problems);
    Some(Route { sink: sink?, topic: topic?, key, format: OutputFormat::Json })
}

fn check_sink(raw: &Field<Text>, around: &Surroundings, problems: &mut Problems) -> Option<usize> {
    let given = raw.given()?;
    let name = given.value.value.as_str();
    let found = around.sinks.position(name);
    if found.is_none() {
        problems.error(
            given.span,
            format!("there is no sink {name:?}"),
            suggestion(name, "sinks", around.sinks.names()),
        );
    }
    found
}

fn check_state_ttl(raw: &Field<Duration>, root: Option<&plan::Node>, problems: &mut Problems) -> Option<Millis> {
    let given = raw.given()?;
    if given.value < STATE_TTL_MIN {
        let help = "as long as a key may be silent and still be known, such as \"1d\"; at least \"1s\"";
        problems.error(given.span, "state_ttl is too short", help);
    }
    if root.is_some_and(|root| !root.expires()) {
        let help = "it is for SELECT DISTINCT, the first row of a key, OVER with a frame that is not by time, windows by count, and report by exception";
        problems.warning(given.span, "this query has no state that state_ttl is for", help);
    }
    Some(millis(given.value))
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// Names of the columns that name the device in what the query reads.
fn device_columns(root: &plan::Node, around: &Surroundings) -> Vec<String> {
    let right = around.sources.iter().filter(|source| source.checked.is_some());
    let devices: Vec<Option<&String>> = right.map(|source| source.device.as_ref()).collect();
    let mut names = Vec::new();
    root.visit(&mut |node| {
        if let plan::NodeKind::Scan { source } = node.kind {
            names.extend(devices.get(source).copied().flatten().cloned());
        }
    });
    names
}

fn check_route(
    at: &At<raw::Route>,
    columns: Option<&[Column]>,
    devices: &[String],
    around: &Surroundings,
    problems: &mut Problems,
) -> Option<Route> {
    let raw = &at.value;
    for (key, is_missing) in [("sink", raw.sink.is_missing()), ("topic", raw.topic.is_missing())] {
        if is_missing {
            missing(
                key,
                "into",
                at.span,
                "as in into = { sink = \"cloud\", topic = \"devices.{region}.telemetry\" }",
                problems,
            );
        }
    }
    let sink = check_sink(&raw.sink, around, problems);
    let of = sink.map_or(TopicKind::Kafka, |sink| around.sinks.topic_kind(sink));
    let template = topic::Template { gateway: around.gateway, of, columns, what: "column of the query" };
    let topic = raw.topic.given().map(|topic| topic::check_template(topic, template, problems));
    let is_raw = choose(&raw.format, "format", false, &[("json", false), ("raw", true)], &[], problems);
    let (columns, topic) = (columns?, topic?);
    let key = check_key(&raw.key, of, columns, devices, problems);
    let format = match is_raw {
        false => OutputFormat::Json,
        true => OutputFormat::Raw(raw_column(raw, columns, key, &topic, problems)?),
    };
    Some(Route { sink: sink?, topic, key, format })
}

/// The column that is the record's key: as said (`""`: none), else the device.
fn check_key(
    raw: &Field<Text>,
    of: TopicKind,
    columns: &[Column],
    devices: &[String],
    problems: &mut Problems,
) -> Option<usize> {
    if of == TopicKind::Mqtt {
        if let Some(given) = raw.given() {
            let help = "put the column into the topic, as in \"dev/{device}\"";
            problems.error(given.key, "messages of MQTT have no key", help);
        }
        return None;
    }
    let Some(given) = raw.given() else {
        let keyed = |column: &Column| {
            column.data_type == DataType::String && devices.iter().any(|device| **device == *column.name)
        };
        return columns.iter().position(keyed);
    };
    let name = given.value.value.as_str();
    if name.is_empty() {
        return None;
    }
    let Some(index) = columns.iter().position(|column| &*column.name == name) else {
        unknown_column("key", name, columns.iter().map(|column| &*column.name), given.span, problems);
        return None;
    };
    let data_type = columns[index].data_type;
    if !(data_type.is_integer() || matches!(data_type, DataType::String | DataType::Bytes)) {
        let message = format!("a key must be STRING, BYTES or an integer, {name:?} is {data_type}");
        problems.error(given.span, message, format!("write CAST({name} AS STRING) in the query"));
    }
    Some(index)
}

/// The one column that is the record: the only BYTES, else the only STRING that is neither key nor in the topic.
fn raw_column(
    raw: &raw::Route,
    columns: &[Column],
    key: Option<usize>,
    topic: &TopicTemplate,
    problems: &mut Problems,
) -> Option<usize> {
    let elsewhere = |index: usize| key == Some(index) || topic.parts.contains(&TopicPart::Column(index));
    let of_type = |data_type: DataType| -> Vec<usize> {
        (0..columns.len()).filter(|index| columns[*index].data_type == data_type && !elsewhere(*index)).collect()
    };
    let (bytes, strings) = (of_type(DataType::Bytes), of_type(DataType::String));
    match (bytes.as_slice(), strings.as_slice()) {
        ([one], _) | ([], [one]) => Some(*one),
        _ => {
            let at = raw.format.given().map_or(Span::default(), |given| given.span);
            let message = format!(
                "format = \"raw\" needs one column that is the record; this query has {} of type BYTES and {} of type STRING besides key and topic",
                bytes.len(),
                strings.len()
            );
            problems.error(
                at,
                message,
                "select exactly one BYTES column, such as payload, or exactly one STRING column",
            );
            None
        }
    }
}
