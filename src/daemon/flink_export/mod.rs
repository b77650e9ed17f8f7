//! `tidegate export flink --config F`: the configuration's sources, views, queries and sinks as a script for Flink's SQL
//! client, so that whoever outgrows one gateway runs the same queries on a cluster.
//!
//! A pure function of the settings. Secrets are left out: the script names what to fill in.
//! Flink runs all INSERTs or none, so what it would refuse is left out, too, each with its reason ([`refused`]).

mod refused;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::check::load_file;
use super::stdout;
use crate::config::{Delivery, Kafka, OutputFormat, Query, Route, Settings, SinkKind, Table, TableFormat};
use crate::model::{Millis, Schema};
use crate::plan::{AsOf, JoinMethod, Node, NodeKind, Watermark};
use crate::sql;

/// Prints the script; what could not be exported is said on stderr. Exit code 0, or 2: the configuration is wrong.
pub fn command(config: &Path) -> ExitCode {
    match load_file(config) {
        Ok(settings) => {
            let Script { text, warnings } = script(&settings);
            warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
            stdout::print(&text, ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// The column that a versioned table has in the script besides its own.
const VALID_FROM: &str = "`tidegate_valid_from`";

/// The script, and what of the configuration is not in it.
pub struct Script {
    pub text: String,
    pub warnings: Vec<String>,
}

pub fn script(settings: &Settings) -> Script {
    let mut script = Script { text: header(settings), warnings: Vec::new() };
    script.warn_of_secrets(settings);
    for source in 0..settings.sources.len() {
        script.source(settings, source);
    }
    let versioned = versioned(settings);
    for (index, table) in settings.tables.iter().enumerate() {
        script.lookup(table, versioned.contains(&index));
    }
    for view in &settings.views {
        if let Some(why) = refused::refused(&view.root, settings) {
            script.warnings.push(format!("view {}: {why}; it is left out", view.name));
            continue;
        }
        let select = with_its_columns(&view.sql, &view.root, &versioned);
        let _ = writeln!(script.text, "CREATE TEMPORARY VIEW {} AS\n{select};\n", quoted(&view.name));
    }
    let mut inserts = String::new();
    for (index, query) in settings.queries.iter().enumerate() {
        let root = &settings.topology.queries[index].root;
        if script.query_is_left_out(settings, query, root) {
            continue;
        }
        script.warn_of_state(settings, index);
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
                    with_its_columns(&query.sql, root, &versioned)
                };
                let _ = writeln!(inserts, "INSERT INTO {}\n{};", quoted(&table), with_one_time(select, root));
            }
        }
    }
    if !inserts.is_empty() {
        let _ = write!(script.text, "EXECUTE STATEMENT SET\nBEGIN\n\n{inserts}\nEND;\n");
    }
    script
}

/// The tables that are looked up with FOR SYSTEM_TIME AS OF, for which Flink wants the times of their rows.
fn versioned(settings: &Settings) -> BTreeSet<usize> {
    let views = settings.views.iter().map(|view| &view.root);
    let mut found = BTreeSet::new();
    for root in views.chain(settings.topology.queries.iter().map(|query| &query.root)) {
        root.visit(&mut |node| {
            let NodeKind::Join(join) = &node.kind else { return };
            if let JoinMethod::Lookup { table, as_of: AsOf::Time(_) } = join.method {
                found.insert(table);
            }
        });
    }
    found.retain(|table| settings.tables.get(*table).is_some_and(|table| !table.primary_key.is_empty()));
    found
}

/// The statement, without [`VALID_FROM`] where a `*` of it stands for all columns of a table that has it in the script.
fn with_its_columns(text: &str, root: &Node, versioned: &BTreeSet<usize>) -> String {
    let statement = sql::statement_alone(text);
    let mut has_more = false;
    root.visit(&mut |node| {
        has_more |= matches!(node.kind, NodeKind::Table { table } if versioned.contains(&table));
    });
    if !has_more || !sql::selects_all(statement) {
        return statement.to_owned();
    }
    format!("SELECT {} FROM (\n{statement}\n)", names(&root.schema).join(", "))
}

/// The statement with one event time at most: Flink, which gives it to Kafka as the record's, wants no choice there.
fn with_one_time(statement: String, root: &Node) -> String {
    let times = refused::times(root);
    let of_root = root.schema.event_time.filter(|time| times.contains(time));
    let Some(kept) = of_root.or(times.first().copied()).filter(|_| times.len() > 1) else { return statement };
    let names = names(&root.schema);
    let columns = root.schema.columns.iter().enumerate().map(|(index, column)| match index != kept {
        true if times.contains(&index) => format!("CAST({} AS {})", names[index], column.data_type),
        _ => names[index].clone(),
    });
    let columns: Vec<String> = columns.collect();
    format!("SELECT {} FROM (\n{statement}\n) AS q ({})", columns.join(", "), names.join(", "))
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
         -- A watermark after every row, for which sources have scan.watermark.emit.strategy, too: by default it depends\n\
         -- on the clock which rows are late.\n\
         SET 'pipeline.auto-watermark-interval' = '0';\n\
         -- Where Flink runs more tasks than a topic has partitions, those without one hold time back, unless:\n\
         -- SET 'table.exec.source.idle-timeout' = '1 min';\n\
         -- Rows are committed to Kafka at checkpoints, and not at all without them.\n\
         SET 'execution.checkpointing.interval' = '10 s';\n\n",
        settings.gateway.id
    )
}

impl Script {
    /// Whether Flink cannot run the query, which is said.
    fn query_is_left_out(&mut self, settings: &Settings, query: &Query, root: &Node) -> bool {
        let early = "Flink has no early_every; for TUMBLE, CUMULATE in its text gives the same there";
        let early = query.early_every_ms.map(|_| early.to_owned());
        let why = refused::refused(root, settings).or(early).or_else(|| refused::refused_columns(root));
        if let Some(why) = &why {
            self.warnings.push(format!("query {}: {why}; it is left out", query.name));
        }
        why.is_some()
    }

    fn warn_of_state(&mut self, settings: &Settings, index: usize) {
        let query = &settings.queries[index];
        if let Some(millis) = settings.topology.queries[index].state_ttl_ms {
            self.warnings.push(format!(
                "query {}: state_ttl is left out; Flink has one for all queries, by the machine's clock: SET 'table.exec.state.ttl' = '{millis} ms'",
                query.name
            ));
        }
        if query.late_into.is_some() {
            self.warnings.push(format!("query {}: Flink drops late rows, so late_into is left out", query.name));
        }
    }

    fn warn_of_secrets(&mut self, settings: &Settings) {
        for sink in &settings.sinks {
            let SinkKind::Kafka(kafka) = &sink.kind else { continue };
            if kafka.options.contains_key("sasl.username") {
                self.warnings.push(format!("sink {}: fill in the password in properties.sasl.jaas.config", sink.name));
            }
            for option in options_left_out(kafka) {
                self.warnings
                    .push(format!("sink {}: {option} is left out; Java's client has other words for it", sink.name));
            }
        }
    }

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
            option("scan.watermark.emit.strategy", "on-event"),
            option("format", "json"),
            option("json.timestamp-format.standard", "ISO-8601"),
        ]);
        self.table(&source.name, &columns, &options);
    }

    /// The table, with the time from which its rows are valid if it is versioned: the beginning of time.
    fn lookup(&mut self, table: &Table, is_versioned: bool) {
        let mut columns = columns(&table.schema);
        let key: Vec<String> =
            table.primary_key.iter().map(|column| quoted(&table.schema.columns[*column].name)).collect();
        if !key.is_empty() {
            columns.push(format!("PRIMARY KEY ({}) NOT ENFORCED", key.join(", ")));
        }
        if is_versioned {
            columns.push(format!("{VALID_FROM} AS TO_TIMESTAMP_LTZ(-62135596800, 0)"));
            columns.push(format!("WATERMARK FOR {VALID_FROM} AS {VALID_FROM}"));
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

/// Where the sink's Kafka is, in the words of Java's client; the password is to be filled in.
fn connection(kafka: &Kafka) -> Vec<(String, String)> {
    let given = |key: &str| kafka.options.get(key).map(String::as_str);
    let mut options = vec![option("properties.bootstrap.servers", &kafka.brokers)];
    if let Some(protocol) = given("security.protocol") {
        options.push(option("properties.security.protocol", protocol));
    }
    if let Some(file) = given("ssl.ca.location") {
        options.push(option("properties.ssl.truststore.type", "PEM"));
        options.push(option("properties.ssl.truststore.location", file));
    }
    let mechanism = given("sasl.mechanism").or(given("sasl.mechanisms"));
    if let Some(mechanism) = mechanism {
        options.push(option("properties.sasl.mechanism", mechanism));
    }
    if let (Some(mechanism), Some(user)) = (mechanism, given("sasl.username")) {
        let module = if mechanism == "PLAIN" { "plain.PlainLoginModule" } else { "scram.ScramLoginModule" };
        // Where the connector has them that holds its Kafka client within.
        let login = format!(
            "org.apache.flink.kafka.shaded.org.apache.kafka.common.security.{module} required username=\"{user}\" password=\"…\";"
        );
        options.push(option("properties.sasl.jaas.config", &login));
    }
    options
}

/// The options that say who we are, or whom to believe, in words that Java's client has not.
fn options_left_out(kafka: &Kafka) -> Vec<&str> {
    let known = ["ssl.ca.location", "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password"];
    let about_us = |key: &&str| key.starts_with("ssl.") || key.starts_with("sasl.") || key.contains(".ssl.");
    kafka.options.keys().map(String::as_str).filter(about_us).filter(|key| !known.contains(key)).collect()
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
    schema.columns.iter().map(|column| format!("{} {}", quoted(&column.name), column.data_type)).collect()
}

fn names(schema: &Schema) -> Vec<String> {
    schema.columns.iter().map(|column| quoted(&column.name)).collect()
}

fn interval(millis: Millis) -> String {
    let (seconds, rest) = (millis / 1_000, millis % 1_000);
    if seconds < 60 {
        return format!("INTERVAL '{seconds}.{rest:03}' SECOND");
    }
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    // Flink has no more digits of a day.
    format!("INTERVAL '{days} {:02}:{:02}:{:02}.{rest:03}' DAY(3) TO SECOND(3)", hours % 24, minutes % 60, seconds % 60)
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
