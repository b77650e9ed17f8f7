//! `tidegate explain`: what a query is made of, for people: its operators as a tree, what each keeps and until when, whose
//! time moves it, where its rows go. Of a configuration or of a script.
//!
//! A pure function of what was bound; nothing runs.

mod operators;
mod patterns;
mod state;

use std::path::Path;
use std::process::ExitCode;

use super::check::load_file;
use super::query_file::{QueryError, bind_file};
use super::stdout;
use crate::config::{Format, Input, Level, OutputFormat, Route, Settings, TopicPart};
use crate::engine::{DEVICES_MAX, TimeLine, time_lines};
use crate::model::{ByteSize, Column, Millis};
use crate::plan::{Expr, Node, NodeKind, Query, Source, Topology, Watermark};
use crate::sql::{self, Script, ScriptTable, Target};
use operators::{output_names, title};
use state::{duration, is_for_ever, kept, thousands};

/// Of a configuration: one query, or all of them. Exit code 0, or 2: it is wrong, or there is no such query.
pub fn config(config: &Path, query: Option<&str>) -> ExitCode {
    let settings = match load_file(config) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let all = settings.topology.queries.iter();
    let chosen: Vec<usize> = all
        .enumerate()
        .filter(|(_, plan)| query.is_none_or(|name| plan.name == name))
        .map(|(index, _)| index)
        .collect();
    if let (Some(name), true) = (query, chosen.is_empty()) {
        let names: Vec<&str> = settings.queries.iter().map(|query| query.name.as_str()).collect();
        eprintln!("there is no query {name:?} in {}; queries: {}", config.display(), names.join(", "));
        return ExitCode::from(2);
    }
    stdout::print(&of_settings(&settings, &chosen), ExitCode::SUCCESS)
}

/// Of a script for `tidegate query -f`. Exit code 0, 1: it cannot be read, or 2: it is wrong.
pub fn script(file: &Path) -> ExitCode {
    match bind_file(file) {
        Ok(script) => stdout::print(&of_script(&script), ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            ExitCode::from(if matches!(error, QueryError::Sql { .. }) { 2 } else { 1 })
        }
    }
}

fn of_settings(settings: &Settings, queries: &[usize]) -> String {
    let topology = &settings.topology;
    let mut out = String::new();
    for index in queries {
        let (query, plan) = (&settings.queries[*index], &topology.queries[*index]);
        let columns = &plan.root.schema.columns;
        let mut into: Vec<(&str, String)> =
            query.into.iter().map(|route| ("into", self::route(settings, columns, route))).collect();
        if let (Some(late), Some(source)) = (&query.late_into, plan.sources().first()) {
            into.push(("late", self::route(settings, &topology.sources[*source].schema.columns, late)));
        }
        out += &explained(plan, topology, into, true);
    }
    let plans = || queries.iter().map(|index| &topology.queries[*index]);
    for (index, source) in
        settings.sources.iter().enumerate().filter(|(index, _)| plans().any(|plan| plan.sources().contains(index)))
    {
        let mut lines = vec![("from", origin(&source.input, &source.format))];
        lines.extend(of_source(&topology.sources[index]));
        out += &block(&format!("source {}", source.name), &lines);
    }
    for (index, table) in
        settings.tables.iter().enumerate().filter(|(index, _)| plans().any(|plan| plan.tables().contains(index)))
    {
        let lines = [
            ("from", table.file.display().to_string()),
            ("columns", declared(&topology.tables[index].schema.columns, &[])),
            (
                "keeps",
                format!(
                    "the rows of the file, which is read again when it changes; at most {}",
                    ByteSize(table.size_max_bytes)
                ),
            ),
        ];
        out += &block(&format!("table {}", table.name), &lines);
    }
    out
}

fn of_script(script: &Script) -> String {
    let topology = &script.topology;
    let mut out = String::new();
    for (plan, target) in topology.queries.iter().zip(&script.targets) {
        let into = match target {
            Target::Shown => "standard output, JSON lines".to_owned(),
            Target::Table(table) => file_of(&script.outputs[*table]),
        };
        out += &explained(plan, topology, vec![("into", into)], false);
    }
    for (table, source) in script.tables.iter().zip(&topology.sources) {
        let mut lines = vec![("from", file_of(table))];
        lines.extend(of_source(source));
        out += &block(&format!("table {}", table.name), &lines);
    }
    out
}

fn file_of(table: &ScriptTable) -> String {
    let format = match table.format {
        sql::Format::Csv { .. } => "CSV",
        sql::Format::Json { .. } => "JSON lines",
    };
    format!("{}, {format}", table.path)
}

/// A name and lines of a word and its text below it.
fn block(head: &str, lines: &[(&str, String)]) -> String {
    let lines: String = lines.iter().map(|(word, text)| format!("  {word:<8} {text}\n")).collect();
    format!("{head}\n{lines}\n")
}

fn route(settings: &Settings, columns: &[Column], route: &Route) -> String {
    let part = |part: &TopicPart| match part {
        TopicPart::Literal(text) => text.clone(),
        TopicPart::Column(column) => format!("{{{}}}", columns[*column].name),
    };
    let topic: String = route.topic.parts.iter().map(part).collect();
    let key = match route.key {
        Some(column) => format!("key {}", columns[column].name),
        None => "no key".to_owned(),
    };
    let format = match route.format {
        OutputFormat::Json => "JSON".to_owned(),
        OutputFormat::Raw(column) => format!("{} as it is", columns[column].name),
    };
    format!("sink {}, topic {topic}, {key}, {format}", settings.sinks[route.sink].name)
}

fn origin(input: &Input, format: &Format) -> String {
    match input {
        Input::Mqtt { levels } => {
            let level = |level: &Level| match level {
                Level::Literal(text) => text.clone(),
                Level::Capture(name) => format!("{{{name}}}"),
                Level::CaptureRest(name) => format!("{{{name}#}}"),
                Level::AnyOne => "+".to_owned(),
                Level::AnyRest => "#".to_owned(),
            };
            let topic = levels.iter().map(level).collect::<Vec<_>>().join("/");
            let format = match format {
                Format::Json { .. } => "JSON",
                Format::Raw => "payloads as they are",
            };
            format!("MQTT {topic}, {format}")
        }
        Input::Modbus(modbus) => {
            let interval = duration(i64::try_from(modbus.interval.as_millis()).unwrap_or(i64::MAX));
            format!("Modbus tcp://{}:{}, unit {}, every {interval}", modbus.host, modbus.port, modbus.unit)
        }
    }
}

fn declared(columns: &[Column], computed: &[Option<Expr>]) -> String {
    let read: Vec<String> = columns
        .iter()
        .enumerate()
        .filter(|(index, _)| !matches!(computed.get(*index), Some(Some(_))))
        .map(|(_, column)| sql::show::name(&column.name))
        .collect();
    let one = |(index, column): (usize, &Column)| {
        let name = sql::show::name(&column.name);
        match computed.get(index) {
            Some(Some(expr)) => format!("{name} AS {}", operators::expression(expr, &read)),
            _ => format!("{name} {}", column.data_type),
        }
    };
    columns.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

/// Columns and time of a source.
fn of_source(source: &Source) -> Vec<(&'static str, String)> {
    let mut lines = vec![("columns", declared(&source.schema.columns, &source.computed))];
    let time = source.schema.event_time.map(|column| sql::show::name(&source.schema.columns[column].name));
    let behind = |delay_ms: i64| match delay_ms {
        0 => String::new(),
        _ => format!(" less {}", duration(delay_ms)),
    };
    match (&source.watermark, time) {
        (Watermark::None, _) | (_, None) => lines.push(("time", "none: no WATERMARK is declared".to_owned())),
        (Watermark::Source { delay_ms }, Some(time)) => {
            lines.push((
                "time",
                format!("one time line: the watermark is the largest {time} so far{}", behind(*delay_ms)),
            ));
        }
        (Watermark::Device(rule), Some(time)) => {
            let device = source.schema.device.map(|column| sql::show::name(&source.schema.columns[column].name));
            let device = device.unwrap_or_default();
            lines.push((
                "time",
                format!(
                    "each {device} has its own time line: its watermark is its largest {time} so far{}",
                    behind(rule.delay_ms)
                ),
            ));
            lines.push((
                "shared",
                format!(
                    "the smallest watermark of all, without those silent for {} or more than {} behind the median",
                    duration(rule.idle_after_ms),
                    duration(rule.lag_max_ms)
                ),
            ));
            if let Some(skew_ms) = rule.max_skew_ms {
                lines.push((
                    "clock",
                    format!("times more than {} ahead of the clock are pulled back to that", duration(skew_ms)),
                ));
            }
            if let Some(close_ms) = rule.close_after_ms {
                lines
                    .push(("closes", format!("windows of a {device} that has been silent for {}", duration(close_ms))));
            }
            lines.push(("keeps", format!("a watermark for each {device}, at most {} of them", thousands(DEVICES_MAX))));
        }
    }
    lines
}

/// The query, where its rows go, its operators.
fn explained(plan: &Query, topology: &Topology, into: Vec<(&str, String)>, limited: bool) -> String {
    let mut lines = into;
    if !plan.is_stateful() {
        lines.push(("keeps", "nothing between two rows".to_owned()));
    }
    let mut times = time_lines(plan, &topology.sources).into_iter();
    let (tree, _) = Tree::new(&plan.root, &Plans { topology, limited, state_ttl_ms: plan.state_ttl_ms }, &mut times);
    let mut text = block(&format!("query {}", plan.name), &lines);
    tree.print("  ", "  ", &mut text);
    text.push('\n');
    text
}

/// What the operators of a query are looked at with.
struct Plans<'a> {
    topology: &'a Topology,
    /// As on a gateway; a script over files has no limits.
    limited: bool,
    state_ttl_ms: Option<Millis>,
}

/// An operator in words.
struct Tree {
    title: String,
    details: Vec<(&'static str, String)>,
    inputs: Vec<Tree>,
}

impl Tree {
    /// The tree of a node, and what its columns are called above it. `times`: of the operators from this one on.
    fn new(node: &Node, plans: &Plans<'_>, times: &mut dyn Iterator<Item = TimeLine>) -> (Tree, Vec<String>) {
        let topology = plans.topology;
        let is_operator = !matches!(node.kind, NodeKind::Scan { .. } | NodeKind::Table { .. } | NodeKind::Union { .. });
        let time = if is_operator { times.next() } else { None };
        let inputs = node.inputs().into_iter().map(|input| Tree::new(input, plans, times));
        let (inputs, names): (Vec<Tree>, Vec<Vec<String>>) = inputs.unzip();
        let relation = |kind: &NodeKind| match kind {
            NodeKind::Scan { source } => format!("SOURCE {}", sql::show::name(&topology.sources[*source].name)),
            NodeKind::Table { table } => format!("TABLE {}", sql::show::name(&topology.tables[*table].name)),
            _ => String::new(),
        };
        let output = output_names(node, &names);
        let mut details = Vec::new();
        if let NodeKind::Match { recognition, .. } = &node.kind {
            let input = names.first().map_or(&[][..], Vec::as_slice);
            details.extend(patterns::details(recognition, input, &output[recognition.partition.len()..]));
        }
        if let Some(kept) = kept(node, plans.limited) {
            let expiry = plans.state_ttl_ms.filter(|_| is_for_ever(node));
            let expiry = expiry.map(|ttl_ms| format!("; a key goes {} after it was touched last", duration(ttl_ms)));
            details.push(("keeps", kept + &expiry.unwrap_or_default()));
            details.extend(time.map(|time| ("time", time_line(&time, topology))));
        }
        (Tree { title: title(node, &names, &relation), details, inputs }, output)
    }

    fn print(&self, first: &str, rest: &str, out: &mut String) {
        *out += &format!("{first}{}\n", self.title);
        let bar = if self.inputs.is_empty() { " " } else { "│" };
        for (word, text) in &self.details {
            *out += &format!("{rest}{bar}  {word}: {text}\n");
        }
        for (index, input) in self.inputs.iter().enumerate() {
            let is_last = index + 1 == self.inputs.len();
            let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            input.print(&format!("{rest}{branch}"), &format!("{rest}{below}"), out);
        }
    }
}

fn time_line(time: &TimeLine, topology: &Topology) -> String {
    if let (true, [(source, held_back_ms)]) = (time.by_device, time.sources.as_slice()) {
        let source = &topology.sources[*source];
        let device = source.schema.device.map(|column| sql::show::name(&source.schema.columns[column].name));
        return format!("the watermark of each {} by itself{}", device.unwrap_or_default(), held_back(*held_back_ms));
    }
    let watermarks: Vec<String> = time
        .sources
        .iter()
        .map(|(source, held_back_ms)| {
            let source = &topology.sources[*source];
            let which = if matches!(source.watermark, Watermark::Device(_)) { "shared watermark" } else { "watermark" };
            format!("the {which} of {}{}", sql::show::name(&source.name), held_back(*held_back_ms))
        })
        .collect();
    match watermarks.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        several => format!("the smallest of {}", several.join(" and ")),
    }
}

fn held_back(millis: i64) -> String {
    if millis == 0 { String::new() } else { format!(", held back by {} below", duration(millis)) }
}
