//! `[query.x]`: the SELECT, and where its rows go.

use super::super::names::{check_name, suggestion};
use super::super::problem::{Problems, Span};
use super::super::raw;
use super::super::read::{At, Entry, Field, Named};
use super::super::settings::{Gateway, OutputFormat, Query, Route, TopicPart, TopicTemplate};
use super::super::text::Text;
use super::{choose, missing, sink, source, topic, unknown_column};
use crate::model::{Column, DataType};
use crate::plan;

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
    let (name, sql) = (entry.name.clone(), raw.sql.given()?.value.value.clone());
    Some((Query { name: name.clone(), sql, into }, plan::Query { name, root: root? }))
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
    let sink = raw.sink.given().and_then(|given| {
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
    });
    let topic = raw.topic.given().map(|topic| topic::check_template(topic, around.gateway, columns, problems));
    let is_raw = choose(&raw.format, "format", false, &[("json", false), ("raw", true)], &[], problems);
    let (columns, topic) = (columns?, topic?);
    let key = check_key(&raw.key, columns, devices, problems);
    let format = match is_raw {
        false => OutputFormat::Json,
        true => OutputFormat::Raw(raw_column(raw, columns, key, &topic, problems)?),
    };
    Some(Route { sink: sink?, topic, key, format })
}

/// The column that is the record's key: as said (`""`: none), else the device.
fn check_key(raw: &Field<Text>, columns: &[Column], devices: &[String], problems: &mut Problems) -> Option<usize> {
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
