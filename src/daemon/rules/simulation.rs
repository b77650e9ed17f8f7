//! The gateway's sources and queries in simulated time: each line of a case's input is a tick of its own.

use std::sync::Arc;

use super::CaseError;
use super::case::{Case, Message};
use crate::config::{Input as SourceInput, Settings};
use crate::engine::{Engine, Input, InputRow, Limits, QueryCounts, Step};
use crate::formats::{JsonDecoder, JsonEncoder, JsonField, Types};
use crate::model::{After, Millis, Now, Row};
use crate::sources::decode::{Decoder, encode_polled};
use crate::sources::mqtt::TopicMap;
use crate::sources::table;

/// Where a message goes: the source, its topic's captured levels, the payload.
type Target = (usize, Vec<Arc<str>>, Vec<u8>);

/// A tick's rows are taken off the engine up to here at a time.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// What the case's query did.
#[derive(Debug, Default)]
pub struct Outcome {
    pub rows: Vec<String>,
    /// Why rows failed.
    pub failures: Vec<String>,
    counts: QueryCounts,
    invalid: u64,
}

impl Outcome {
    pub fn count(&self, name: &str) -> u64 {
        match name {
            "used" => self.counts.used,
            "filtered" => self.counts.filtered,
            "late" => self.counts.late,
            "failed" => self.counts.failed,
            "late_results" => self.counts.late_results,
            _ => self.invalid,
        }
    }
}

struct Simulation<'a> {
    settings: &'a Settings,
    query: usize,
    engine: Engine,
    topics: TopicMap,
    decoders: Vec<Decoder>,
    encoder: JsonEncoder,
    outcome: Outcome,
}

pub fn run(case: &Case) -> Result<Outcome, CaseError> {
    let topology = Arc::new(case.settings.topology.clone());
    let mut simulation = Simulation {
        encoder: JsonEncoder::new(&topology.queries[case.query].root.schema.columns),
        engine: Engine::new(topology, Limits { output_bytes_max: OUTPUT_BYTES_MAX }),
        topics: TopicMap::new(&case.settings.sources),
        decoders: case.settings.sources.iter().map(Decoder::new).collect(),
        settings: &case.settings,
        query: case.query,
        outcome: Outcome::default(),
    };
    for (index, table) in case.settings.tables.iter().enumerate() {
        let file = table.file.display();
        let content =
            table::load(table).map_err(|error| CaseError::Wrong(format!("table {}: {file}: {error}", table.name)))?;
        let rows = table::decode(table, &content)
            .map_err(|error| CaseError::Wrong(format!("table {}: {file}: {error}", table.name)))?;
        simulation.engine.set_table(index, rows.into());
    }
    for arrival in &case.input {
        let wrong = |what| CaseError::Wrong(format!("input, line {}: {what}", arrival.line));
        let inputs = match &arrival.message {
            Some(message) => simulation.decode(message, arrival.at).map_err(wrong)?,
            None => Vec::new(),
        };
        simulation.step(arrival.at, inputs);
    }
    if case.finish {
        simulation.finish();
    }
    Ok(simulation.outcome)
}

impl Simulation<'_> {
    /// The rows of a message, for each source that takes it.
    fn decode(&mut self, message: &Message, at: Millis) -> Result<Vec<Input>, String> {
        let mut inputs = Vec::new();
        for (source, captures, payload) in self.targets(message)? {
            match self.decoders[source].decode(&captures, &payload, at) {
                Ok(values) => inputs.push(Input { source, rows: vec![InputRow { arrival: at, values }] }),
                Err(reason) => {
                    self.outcome.invalid += 1;
                    self.outcome.failures.push(format!("invalid: {reason}"));
                }
            }
        }
        Ok(inputs)
    }

    fn targets(&self, message: &Message) -> Result<Vec<Target>, String> {
        let sources = &self.settings.sources;
        if let Some(name) = message.to.strip_prefix('@') {
            let source = sources.iter().position(|source| source.name == name);
            let source = source.ok_or_else(|| format!("there is no source {name:?}"))?;
            let SourceInput::Modbus(modbus) = &sources[source].input else {
                return Err(format!("{name} takes messages: write a topic, not @{name}"));
            };
            let payload = encode_polled(&self.registers(source, &message.payload)?);
            return Ok(vec![(source, vec![Arc::from(modbus.device.as_str())], payload)]);
        }
        let targets = self.topics.matches(&message.to);
        if targets.is_empty() {
            let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
            return Err(format!("no source takes the topic {}; sources: {}", message.to, names.join(", ")));
        }
        let payload = message.payload.as_bytes();
        Ok(targets.into_iter().map(|(source, captures)| (source, captures, payload.to_vec())).collect())
    }

    /// What a poll gave, written as a JSON object with the registers' names.
    fn registers(&self, source: usize, text: &str) -> Result<Row, String> {
        let source = &self.settings.sources[source];
        let end = source.schema.columns.len() - usize::from(source.arrived_at);
        let registers = source.schema.columns.get(source.captures..end).unwrap_or_default();
        let fields: Vec<JsonField> = registers
            .iter()
            .map(|column| JsonField { path: vec![column.name.to_string()], data_type: column.data_type })
            .collect();
        let mut row = Row::new();
        let decoder = JsonDecoder::new(&fields, Types::Strict).map_err(|error| error.to_string())?;
        decoder.decode(text.as_bytes(), &mut row).map_err(|error| error.to_string())?;
        Ok(row)
    }

    fn step(&mut self, at: Millis, inputs: Vec<Input>) {
        let now = Now { millis: at, trusted: true, after: After::Tick };
        let mut step = self.engine.step(now, inputs);
        while step.more {
            self.take(step);
            step = self.engine.step(now, Vec::new());
        }
        self.take(step);
    }

    fn finish(&mut self) {
        loop {
            let step = self.engine.finish();
            let more = step.more;
            self.take(step);
            if !more {
                return;
            }
        }
    }

    fn take(&mut self, step: Step) {
        let Outcome { rows, failures, counts, .. } = &mut self.outcome;
        for output in step.outputs.iter().filter(|output| output.query == self.query) {
            let mut line = String::new();
            self.encoder.encode(&output.row, &mut line);
            rows.push(line);
        }
        let failed = step.failures.into_iter().filter(|failure| failure.query == self.query);
        failures.extend(failed.map(|failure| failure.reason));
        if let Some(more) = step.counts.get(self.query) {
            counts.used += more.used;
            counts.filtered += more.filtered;
            counts.late += more.late;
            counts.failed += more.failed;
            counts.late_results += more.late_results;
        }
    }
}
