//! `tidegate export flink --config F`: the configuration's sources, views, queries and sinks as a script for Flink's SQL
//! client, so that whoever outgrows one gateway runs the same queries on a cluster.
//!
//! A pure function of the settings. Secrets are left out: the script names what to fill in.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::check::load_file;
use crate::config::{Delivery, Kafka, OutputFormat, Query, Route, Settings, SinkKind, Table, TableFormat};
use crate::model::{DataType, Millis, Schema};
use crate::plan::{Node, NodeKind, Watermark};

/// Prints the script; what could not be exported is said on stderr. Exit code 0, or 2: the configuration is wrong.
pub fn command(config: &Path) -> ExitCode {
    match load_file(config) {
        Ok(settings) => {
            let Script { text, warnings } = script(&settings);
            warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// The script, and what of the configuration is not in it.
pub struct Script {
    pub text: String,
    pub warnings: Vec<String>,
}

pub fn script(settings: &Settings) -> Script {
    let mut script = Script { text: header(settings), warnings: Vec::new() };
    for source in 0..settings.sources.len() {
        script.source(settings, source);
    }
    for table in &settings.tables {
        script.lookup(table);
    }
    for view in &settings.views {
        if let Some(why) = only_ours(&view.root) {
            script.warnings.push(format!("view {}: {why}, so it is left out", view.name));
            continue;
        }
        let _ = writeln!(script.text, "CREATE TEMPORARY VIEW {} AS\n{};\n", quoted(&view.name), statement(&view.sql));
    }
    let mut inserts = String::new();
    for (index, query) in settings.queries.iter().enumerate() {
        let root = &settings.topology.queries[index].root;
        if let Some(why) = only_ours(root) {
            script.warnings.push(format!("query {}: {why}, so it is left out", query.name));
            continue;
        }
        if query.early_every_ms.is_some() {
            script.warnings.push(format!(
                "query {}: Flink has no early_every, so it is left out; CUMULATE in its text gives the same there",
                query.name
            ));
            continue;
        }
        if let Some(millis) = settings.topology.queries[index].state_ttl_ms {
            script.warnings.push(format!(
                "query {}: state_ttl is left out; Flink has one for all queries, by the machine's clock: SET 'table.exec.state.ttl' = '{millis} ms'",
                query.name
            ));
        }
        if query.sql.to_ascii_uppercase().contains("FOR SYSTEM_TIME") {
            script.warnings.push(format!(
                "query {}: behind FOR SYSTEM_TIME AS OF Flink wants a table of versions, which a file is not; a plain JOIN with it means the file as it is at the start",
                query.name
            ));
        }
        if query.late_into.is_some() {
            script.warnings.push(format!("query {}: Flink drops late rows, so late_into is left out", query.name));
        }
        let schema = &root.schema;
        for (number, route) in query.into.iter().enumerate() {
            let table =
                if number == 0 { format!("{}_out", query.name) } else { format!("{}_out{}", query.name, number + 1) };
            // The topic that the script reads a source from is not also written by it.
            if (0..settings.sources.len())
                .any(|source| feeds(route).is_some() && passed_through(settings, source) == feeds(route))
            {
                continue;
            }
            if script.sink(settings, query, route, &table, schema) {
                let is_view = settings.views.iter().any(|view| view.name == query.name && view.sql == query.sql);
                let select = if is_view {
                    format!("SELECT * FROM {}", quoted(&query.name))
                } else {
                    statement(&query.sql).to_owned()
                };
                let _ = writeln!(inserts, "INSERT INTO {}\n{select};", quoted(&table));
            }
        }
    }
    if !inserts.is_empty() {
        let _ = write!(script.text, "EXECUTE STATEMENT SET\nBEGIN\n\n{inserts}\nEND;\n");
    }
    script
}

/// Why Flink cannot run the plan; `None`: it can.
fn only_ours(root: &Node) -> Option<&'static str> {
    let mut found = None;
    root.visit(&mut |node| {
        found = found.or(match node.kind {
            NodeKind::Report { .. } => Some(
                "report by exception (CHANGED, DEADBAND, HELD_FOR …) is tidegate's own; \
                 docs/sql.md has for each function what to write for Flink",
            ),
            NodeKind::CountWindow { .. } | NodeKind::CountAggregate { .. } => {
                Some("windows by count are tidegate's own")
            }
            _ => None,
        });
    });
    found
}

fn feeds(route: &Route) -> Option<(&str, usize)> {
    Some((route.topic.literal()?, route.sink))
}

fn header(settings: &Settings) -> String {
    format!(
        "-- The sources, queries and sinks of gateway {} for Apache Flink 2 with its Kafka connector.\n\
         -- Each source is read from a topic that holds its rows as tidegate writes them: JSON, captured levels included,\n\
         -- as of a query \"SELECT * FROM source\". Passwords are not in here.\n\
         SET 'execution.runtime-mode' = 'streaming';\n\
         SET 'table.local-time-zone' = 'UTC';\n\
         -- A watermark after every row: with Flink's default, which rows are late depends on the clock.\n\
         SET 'pipeline.auto-watermark-interval' = '0';\n\
         -- Rows are committed to Kafka at checkpoints, and not at all without them.\n\
         SET 'execution.checkpointing.interval' = '10 s';\n\n",
        settings.gateway.id
    )
}

impl Script {
    fn source(&mut self, settings: &Settings, index: usize) {
        let (source, plan) = (&settings.sources[index], &settings.topology.sources[index]);
        let mut columns = columns(&plan.schema);
        let delay_ms = match &plan.watermark {
            Watermark::None => None,
            Watermark::Source { delay_ms } => Some(*delay_ms),
            Watermark::Device(rule) => Some(rule.delay_ms),
        };
        if let (Some(delay_ms), Some(time)) = (delay_ms, plan.schema.event_time) {
            let time = quoted(&plan.schema.columns[time].name);
            columns.push(format!("WATERMARK FOR {time} AS {time} - {}", interval(delay_ms)));
        }
        if matches!(plan.watermark, Watermark::Device(_)) {
            let note = "-- tidegate gives each device its own time line, Flink has one for all: late rows differ unless\n\
                        -- the source has watermark = \"source\".";
            let _ = writeln!(self.text, "{note}");
        }
        let (topic, sink) = match passed_through(settings, index) {
            Some((topic, sink)) => (topic, kafka(settings, sink)),
            None => {
                self.warnings.push(format!(
                    "no query passes source {} on unchanged, so nothing fills the topic {} that the script reads: add one with sql = \"SELECT * FROM {}\"",
                    source.name, source.name, source.name
                ));
                (source.name.as_str(), (0..settings.sinks.len()).find_map(|sink| kafka(settings, sink)))
            }
        };
        let mut options = vec![option("connector", "kafka"), option("topic", topic)];
        options.extend(sink.map(connection).unwrap_or_default());
        options.extend([
            option("properties.group.id", &format!("flink-{}", settings.gateway.id)),
            option("properties.isolation.level", "read_committed"),
            option("scan.startup.mode", "earliest-offset"),
            option("format", "json"),
            option("json.timestamp-format.standard", "ISO-8601"),
        ]);
        self.table(&source.name, &columns, &options);
    }

    fn lookup(&mut self, table: &Table) {
        let mut columns = columns(&table.schema);
        let key: Vec<String> =
            table.primary_key.iter().map(|column| quoted(&table.schema.columns[*column].name)).collect();
        if !key.is_empty() {
            columns.push(format!("PRIMARY KEY ({}) NOT ENFORCED", key.join(", ")));
        }
        let csv = [option("format", "csv"), option("csv.null-literal", "")];
        let mut file = table.file.clone();
        let format = match &table.format {
            TableFormat::Csv => csv,
            TableFormat::Json => [option("format", "json"), option("json.timestamp-format.standard", "ISO-8601")],
            TableFormat::Sqlite { name } => {
                file.set_extension("csv");
                self.warnings.push(format!(
                    "table {}: Flink reads no SQLite files; write the table {name} to {} as CSV",
                    table.name,
                    file.display()
                ));
                csv
            }
        };
        let mut options = vec![option("connector", "filesystem"), option("path", &file.to_string_lossy())];
        options.extend(format);
        self.table(&table.name, &columns, &options);
    }

    /// `false`: Flink's connector cannot do it.
    fn sink(&mut self, settings: &Settings, query: &Query, route: &Route, table: &str, schema: &Schema) -> bool {
        let sink = &settings.sinks[route.sink];
        let Some(kafka) = kafka(settings, route.sink) else {
            self.warnings.push(format!(
                "query {}: Flink has no connector for MQTT, so what goes into sink {} is left out",
                query.name, sink.name
            ));
            return false;
        };
        let Some(topic) = route.topic.literal() else {
            self.warnings.push(format!(
                "query {}: its topic is made of a column; Flink's connector writes to fixed topics, so it is left out",
                query.name
            ));
            return false;
        };
        let mut options = vec![option("connector", "kafka"), option("topic", topic)];
        options.extend(connection(kafka));
        if let Delivery::ExactlyOnce = kafka.delivery {
            options.push(option("sink.delivery-guarantee", "exactly-once"));
            let prefix = format!("flink-{}-{}-{table}", settings.gateway.id, sink.name);
            options.push(option("sink.transactional-id-prefix", &prefix));
            // The most that Kafka's brokers allow by default; Flink's own default is an hour, which they refuse.
            options.push(option("properties.transaction.timeout.ms", "900000"));
        } else {
            options.push(option("sink.delivery-guarantee", "at-least-once"));
        }
        if let Some(key) = route.key {
            // An integer's key is its digits, as in CSV.
            let format = if schema.columns[key].data_type.is_integer() { "csv" } else { "raw" };
            options.push(option("key.format", format));
            options.push(option("key.fields", &schema.columns[key].name));
        }
        match route.format {
            OutputFormat::Json => {
                options.push(option("value.format", "json"));
                options.push(option("value.json.timestamp-format.standard", "ISO-8601"));
                options.push(option("value.json.encode.decimal-as-plain-number", "true"));
            }
            OutputFormat::Raw(_) if schema.columns.len() == 1 + usize::from(route.key.is_some()) => {
                options.push(option("value.format", "raw"));
                if route.key.is_some() {
                    options.push(option("value.fields-include", "EXCEPT_KEY"));
                }
            }
            OutputFormat::Raw(_) => {
                self.warnings.push(format!(
                    "query {}: a raw record beside other columns is nothing Flink's connector has, so it is left out",
                    query.name
                ));
                return false;
            }
        }
        self.table(table, &columns(schema), &options);
        true
    }

    fn table(&mut self, name: &str, columns: &[String], options: &[(String, String)]) {
        let options: Vec<String> =
            options.iter().map(|(key, value)| format!("  {} = {}", text(key), text(value))).collect();
        let _ = writeln!(
            self.text,
            "CREATE TEMPORARY TABLE {} (\n  {}\n) WITH (\n{}\n);\n",
            quoted(name),
            columns.join(",\n  "),
            options.join(",\n")
        );
    }
}

fn option(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// Where the sink's Kafka is. Of librdkafka's options only what is no secret and has the same name in Java's client.
fn connection(kafka: &Kafka) -> Vec<(String, String)> {
    let shared = kafka.options.iter().filter(|(key, _)| *key == "security.protocol");
    let servers = option("properties.bootstrap.servers", &kafka.brokers);
    std::iter::once(servers).chain(shared.map(|(key, value)| option(&format!("properties.{key}"), value))).collect()
}

fn kafka(settings: &Settings, sink: usize) -> Option<&Kafka> {
    match &settings.sinks.get(sink)?.kind {
        SinkKind::Kafka(kafka) => Some(kafka),
        SinkKind::Mqtt(_) => None,
    }
}

/// Topic and Kafka sink of a query that passes the source on as it is.
fn passed_through(settings: &Settings, source: usize) -> Option<(&str, usize)> {
    let queries = settings.queries.iter().zip(&settings.topology.queries);
    let passing =
        queries.filter(|(_, plan)| matches!(plan.root.kind, NodeKind::Scan { source: read } if read == source));
    let mut routes = passing
        .flat_map(|(query, _)| &query.into)
        .filter(|route| route.format == OutputFormat::Json && kafka(settings, route.sink).is_some());
    routes.find_map(|route| Some((route.topic.literal()?, route.sink)))
}

fn columns(schema: &Schema) -> Vec<String> {
    schema.columns.iter().map(|column| format!("{} {}", quoted(&column.name), type_name(&column.data_type))).collect()
}

fn type_name(data_type: &DataType) -> String {
    data_type.to_string()
}

/// A SELECT without its last semicolon.
fn statement(sql: &str) -> &str {
    sql.trim().trim_end_matches(';').trim_end()
}

fn interval(millis: Millis) -> String {
    // SECOND alone has two digits before the point.
    let precision = if millis < 100_000 { "" } else { "(10, 3)" };
    format!("INTERVAL '{}.{:03}' SECOND{precision}", millis / 1_000, millis % 1_000)
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
