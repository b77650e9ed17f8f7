//! One tick, computed: decode, step, encode. What the live pipeline and recovery have in common.
//!
//! Holds always: the result depends on the messages, on `now` and on the state alone, so that a replay of the journal
//! gives what the live run gave. Knows nothing of SQLite, sockets or threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::complaints::{About, Complaint};
use super::journal::{self, Digest, Header};
use super::names::Names;
use crate::config::{OutputFormat, Route, Settings, TopicPart};
use crate::delivery::Record;
use crate::engine::{Engine, Failure, Input, InputRow, Limits, QueryCounts, Step};
use crate::formats::{JsonEncoder, encode_value};
use crate::model::{After, DataType, Millis, Now, Row, Schema, Value};
use crate::sources::decode::Decoder;
use crate::sources::table;
use crate::store::Records;

/// A tick stops putting out rows at this many bytes; the rest comes with the next ticks at the same `now`.
const OUTPUT_BYTES_MAX: usize = 4 << 20;

/// A payload that could not be decoded is kept up to this length.
const INVALID_BYTES_MAX: usize = 4 << 10;

/// Kafka refuses records that are an hour ahead of its clock (`message.timestamp.after.max.ms`); its clock and ours differ.
const AHEAD_MAX_MS: Millis = 30 * 60 * 1_000;

/// A message on its way to a source's decoder.
#[derive(Clone, Debug)]
pub struct Message {
    pub arrival: Millis,
    pub captures: Arc<[Arc<str>]>,
    pub payload: Bytes,
}

/// What one tick gives to its transaction.
#[derive(Debug, Default)]
pub struct Tick {
    /// Header and messages; empty where nothing has to be replayed.
    pub journal: Records,
    /// One for each sink.
    pub sinks: Vec<Records>,
    pub invalid: Records,
    pub dead: Records,
    pub counters: BTreeMap<String, u64>,
    pub digests: Vec<Digest>,
    /// For the log.
    pub complaints: Vec<Complaint>,
    /// Timers are still due at the same `now`.
    pub more: bool,
}

/// Engine, decoders and encoders for one configuration.
pub struct Core {
    settings: Arc<Settings>,
    pub engine: Engine,
    names: Names,
    decoders: Vec<Decoder>,
    encoders: Vec<JsonEncoder>,
    /// For late rows, which go on as they came.
    source_encoders: Vec<JsonEncoder>,
    /// Sources whose messages go into the journal.
    journaled: Vec<bool>,
    stateful: Vec<bool>,
    /// The files of the lookup tables, as they are in force.
    contents: Vec<Option<Bytes>>,
    /// Tables that were loaded since the last tick.
    loaded: Vec<usize>,
    /// What the last logged tick said of the clock.
    trusted: Option<bool>,
    /// The row being put out as JSON, and the message being journaled: no allocation for each.
    json: String,
    scratch: Vec<u8>,
}

impl Core {
    pub fn new(settings: Arc<Settings>) -> Core {
        let topology = Arc::new(settings.topology.clone());
        let stateful: Vec<bool> = topology.queries.iter().map(|query| query.is_stateful()).collect();
        let keep_raw = !settings.store.keep_raw.is_zero();
        let replayed = |source| topology.queries.iter().any(|q| q.is_stateful() && q.sources().contains(&source));
        Core {
            names: Names::new(&settings),
            decoders: settings.sources.iter().map(Decoder::new).collect(),
            encoders: topology.queries.iter().map(|query| JsonEncoder::new(&query.root.schema.columns)).collect(),
            source_encoders: topology.sources.iter().map(|source| JsonEncoder::new(&source.schema.columns)).collect(),
            journaled: (0..settings.sources.len()).map(|source| keep_raw || replayed(source)).collect(),
            engine: Engine::new(topology, Limits { output_bytes_max: OUTPUT_BYTES_MAX }),
            stateful,
            contents: vec![None; settings.tables.len()],
            loaded: Vec::new(),
            trusted: None,
            json: String::new(),
            scratch: Vec::new(),
            settings,
        }
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The file of the lookup table that is in force.
    pub fn table(&self, table: usize) -> Option<&Bytes> {
        self.contents[table].as_ref()
    }

    /// Loads a lookup table; that is an event of the next tick, which must not be one that only repeats what was left
    /// due. After an error the table is as it was.
    pub fn load_table(&mut self, table: usize, content: Bytes) -> Result<usize, String> {
        let rows = table::decode(&self.settings.tables[table], &content)?;
        let count = rows.len();
        self.engine.set_table(table, rows.into());
        self.contents[table] = Some(content);
        self.loaded.retain(|loaded| *loaded != table);
        self.loaded.push(table);
        Ok(count)
    }

    /// Computes one tick. `messages` holds, for each source in order of name, what arrived for it.
    pub fn tick(&mut self, now: Now, messages: &[Vec<Message>]) -> Tick {
        let mut tick = Tick { sinks: vec![Records::default(); self.settings.sinks.len()], ..Tick::default() };
        let inputs = self.decode(messages, &mut tick);
        let step = self.engine.step(now, inputs);
        self.put_out(now, &step, &mut tick);
        self.put_out_late(now, &step, &mut tick);
        for (records, names) in tick.sinks.iter().zip(&self.names.sinks) {
            raise(&mut tick.counters, &names.committed, u64::from(records.count));
        }
        self.count(&step.counts, &mut tick);
        for failure in &step.failures {
            self.dead_letter(now, failure, &mut tick);
        }
        complain(&step, &mut tick);
        tick.more = step.more;
        self.write_journal(now, messages, &mut tick);
        tick
    }

    fn decode(&mut self, messages: &[Vec<Message>], tick: &mut Tick) -> Vec<Input> {
        let mut inputs = Vec::new();
        for (source, messages) in messages.iter().enumerate().filter(|(_, messages)| !messages.is_empty()) {
            let (mut rows, mut wrong) = (Vec::with_capacity(messages.len()), None);
            for message in messages {
                match self.decoders[source].decode(&message.captures, &message.payload, message.arrival) {
                    Ok(values) => rows.push(InputRow { arrival: message.arrival, values }),
                    Err(reason) => {
                        tick.invalid.push(&self.invalid_record(source, message, &reason));
                        wrong.get_or_insert_with(|| format!("from {:?}: {reason}", message.captures));
                    }
                }
            }
            if let Some(reason) = wrong {
                let count = (messages.len() - rows.len()) as u64;
                tick.complaints.push(Complaint { about: About::InvalidOf(source), count, reason });
            }
            let names = &self.names.sources[source];
            let invalid = messages.len() - rows.len();
            raise(&mut tick.counters, &names.received, messages.len() as u64);
            raise(&mut tick.counters, &names.decoded, rows.len() as u64);
            raise(&mut tick.counters, &names.invalid, invalid as u64);
            if !rows.is_empty() {
                inputs.push(Input { source, rows });
            }
        }
        inputs
    }

    /// Encodes the rows that came out, once each, and hands them to every sink they are routed to.
    fn put_out(&mut self, now: Now, step: &Step, tick: &mut Tick) {
        let mut digests: BTreeMap<usize, (u64, crc32fast::Hasher)> = BTreeMap::new();
        let mut record = Vec::new();
        for output in &step.outputs {
            self.json.clear();
            self.encoders[output.query].encode(&output.row, &mut self.json);
            if self.stateful[output.query] {
                let (rows, hasher) = digests.entry(output.query).or_default();
                *rows += 1;
                hasher.update(self.json.as_bytes());
            }
            let schema = &self.settings.topology.queries[output.query].root.schema;
            for (route, counter) in
                self.settings.queries[output.query].into.iter().zip(&self.names.queries[output.query].out)
            {
                record.clear();
                sink_record(route, schema, &output.row, &self.json, now).encode(&mut record);
                tick.sinks[route.sink].push(&record);
                raise(&mut tick.counters, counter, 1);
            }
        }
        tick.digests = digests
            .into_iter()
            .map(|(query, (rows, hasher))| Digest {
                query: self.settings.queries[query].name.clone(),
                rows,
                crc: hasher.finalize(),
            })
            .collect();
    }

    /// Late rows as they came, with what they were too late for. Where they go is no part of what a query computes, so
    /// they do not count for its digest.
    fn put_out_late(&mut self, now: Now, step: &Step, tick: &mut Tick) {
        let mut record = Vec::new();
        for late in &step.late {
            let (query, source) = (&self.settings.queries[late.query], &self.settings.topology.sources[late.source]);
            let Some(route) = &query.late_into else { continue };
            self.json.clear();
            let reason = "late: the watermark had passed what the row belongs to";
            let watermark = Value::Timestamp(late.watermark.saturating_mul(1_000));
            let head = serde_json::json!({ "query": query.name, "source": source.name, "reason": reason }).to_string();
            self.json.push_str(head.trim_end_matches('}'));
            self.json.push_str(",\"watermark\":");
            encode_value(&watermark, DataType::TimestampLtz(3), &mut self.json);
            self.json.push_str(",\"row\":");
            self.source_encoders[late.source].encode(&late.row, &mut self.json);
            self.json.push('}');
            record.clear();
            sink_record(route, &source.schema, &late.row, &self.json, now).encode(&mut record);
            tick.sinks[route.sink].push(&record);
            self.names.queries[late.query].late_out.iter().for_each(|counter| raise(&mut tick.counters, counter, 1));
        }
    }

    fn count(&self, counts: &[QueryCounts], tick: &mut Tick) {
        for (counts, names) in counts.iter().zip(&self.names.queries) {
            raise(&mut tick.counters, &names.used, counts.used);
            raise(&mut tick.counters, &names.filtered, counts.filtered);
            raise(&mut tick.counters, &names.late, counts.late);
            raise(&mut tick.counters, &names.failed, counts.failed);
            raise(&mut tick.counters, &names.late_results, counts.late_results);
            raise(&mut tick.counters, &names.given_up, counts.given_up);
        }
    }

    fn dead_letter(&self, now: Now, failure: &Failure, tick: &mut Tick) {
        if !failure.is_input {
            raise(&mut tick.counters, &self.names.queries[failure.query].failed_outputs, 1);
        }
        let letter = serde_json::json!({
            "query": self.settings.queries[failure.query].name,
            "at": now.millis,
            "reason": failure.reason,
            "row": failure.row.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>(),
        });
        tick.dead.push(letter.to_string().as_bytes());
    }

    fn invalid_record(&self, source: usize, message: &Message, reason: &str) -> Vec<u8> {
        let shown = &message.payload[..message.payload.len().min(INVALID_BYTES_MAX)];
        let letter = serde_json::json!({
            "source": self.settings.sources[source].name,
            "at": message.arrival,
            "captures": message.captures.iter().map(|capture| &**capture).collect::<Vec<_>>(),
            "reason": reason,
            "bytes": message.payload.len(),
            "payload": String::from_utf8_lossy(shown),
        });
        letter.to_string().into_bytes()
    }

    /// A tick is logged if it took in something that has to be replayed, put out something a replay must suppress, or
    /// saw the clock change.
    fn write_journal(&mut self, now: Now, messages: &[Vec<Message>], tick: &mut Tick) {
        let logged = |source: &usize| self.journaled[*source] && !messages[*source].is_empty();
        let sources: Vec<usize> = (0..messages.len()).filter(logged).collect();
        let clock_changed = now.after != After::Tick || self.trusted != Some(now.trusted);
        let tables = std::mem::take(&mut self.loaded);
        if sources.is_empty() && tables.is_empty() && tick.digests.is_empty() && !clock_changed {
            return;
        }
        self.trusted = Some(now.trusted);
        let names = sources.iter().map(|source| self.settings.sources[*source].name.clone());
        let names = names.chain(tables.iter().map(|table| table_name(&self.settings, *table))).collect();
        tick.journal.push(&Header { now, sources: names, digests: tick.digests.clone() }.encode());
        for (index, source) in sources.iter().enumerate() {
            for message in &messages[*source] {
                let Message { arrival, captures, payload } = message;
                journal::push_message(&mut tick.journal, &mut self.scratch, now, index, *arrival, captures, payload);
            }
        }
        for (index, table) in tables.iter().enumerate() {
            let content = self.contents[*table].as_deref().unwrap_or_default();
            let index = sources.len() + index;
            journal::push_message(&mut tick.journal, &mut self.scratch, now, index, now.millis, &[], content);
        }
    }
}

/// For the log: how many rows of each query failed, were late, or were given up.
fn complain(step: &Step, tick: &mut Tick) {
    let mut failed = vec![(0, ""); step.counts.len()];
    for failure in &step.failures {
        let (count, reason) = &mut failed[failure.query];
        *count += 1;
        *reason = &failure.reason;
    }
    for (query, (counts, (failed, reason))) in step.counts.iter().zip(failed).enumerate() {
        for (about, count, reason) in [
            (About::FailedIn(query), failed, reason),
            (About::LateFor(query), counts.late, ""),
            (About::GivenUpBy(query), counts.given_up, ""),
        ] {
            if count > 0 {
                tick.complaints.push(Complaint { about, count, reason: reason.to_owned() });
            }
        }
    }
}

/// What a lookup table is called in the journal and in snapshots; no source has such a name.
pub fn table_name(settings: &Settings, table: usize) -> String {
    format!("table/{}", settings.tables[table].name)
}

fn raise(counters: &mut BTreeMap<String, u64>, key: &str, by: u64) {
    if by == 0 {
        return;
    }
    match counters.get_mut(key) {
        Some(count) => *count += by,
        None => {
            counters.insert(key.to_owned(), by);
        }
    }
}

/// The record of one row for one route; `json` is the row as a JSON object.
///
/// Its time is the row's event time, but Kafka takes none that is an hour ahead of its own clock: what a device with a
/// wrong clock sends, or the end of a day that has just begun, goes with the time of now.
fn sink_record(route: &Route, schema: &Schema, row: &Row, json: &str, now: Now) -> Record {
    let payload = match route.format {
        OutputFormat::Json => Some(json.as_bytes().to_vec()),
        OutputFormat::Raw(column) => match &row[column] {
            Value::Bytes(bytes) => Some(bytes.to_vec()),
            Value::String(text) => Some(text.as_bytes().to_vec()),
            _ => None,
        },
    };
    let event_time = schema.event_time.and_then(|column| match row[column] {
        Value::Timestamp(micros) => Some(micros.div_euclid(1_000)),
        _ => None,
    });
    Record {
        topic: topic(&route.topic.parts, row),
        key: route.key.and_then(|column| key_bytes(&row[column], schema, column)),
        payload,
        timestamp: event_time.filter(|at| !now.trusted || *at <= now.millis + AHEAD_MAX_MS).unwrap_or(now.millis),
    }
}

/// Empty where a column of the template is NULL: no topic has that name, so the sink makes it a dead letter.
fn topic(parts: &[TopicPart], row: &Row) -> String {
    let mut topic = String::new();
    for part in parts {
        match part {
            TopicPart::Literal(text) => topic.push_str(text),
            TopicPart::Column(column) => match &row[*column] {
                Value::String(text) => topic.push_str(text),
                _ => return String::new(),
            },
        }
    }
    topic
}

/// Text as it stands, anything else as in JSON; NULL is no key.
fn key_bytes(value: &Value, schema: &Schema, column: usize) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Bytes(bytes) => Some(bytes.to_vec()),
        other => {
            let mut text = String::new();
            encode_value(other, schema.columns[column].data_type, &mut text);
            Some(text.into_bytes())
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::config::{self, Outside};
    use crate::delivery::RecordRef;

    /// A source `t` and a sink `cloud`, for the queries of a test.
    pub const HEAD: &str = r#"
        [gateway]
        id = "gw"
        [source.t]
        mqtt = "dev/{device}/t"
        schema = "n BIGINT, ts TIMESTAMP_LTZ(3)"
        event_time = "ts"
        late_after = "0"
        [sink.cloud]
        kafka = "localhost:9092"
    "#;

    const START_MS: Millis = 1_772_352_000_000;

    const QUERIES: &str = r#"
        [query.windows]
        sql = """SELECT device, window_start, window_end, COUNT(*) AS c, SUM(n) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))
                 GROUP BY device, window_start, window_end"""
        early_every = "5s"
        into = { sink = "cloud", topic = "windows" }
        late_into = { sink = "cloud", topic = "late.{device}" }
        [query.threes]
        sql = """SELECT window_start, window_end, SUM(n) AS s FROM TABLE(TUMBLE_ROWS(TABLE t PARTITION BY device, DESCRIPTOR(ts), 3))
                 GROUP BY device, window_start, window_end"""
        into = { sink = "cloud", topic = "threes" }
        [query.changes]
        sql = "SELECT n FROM t WHERE CHANGED(n)"
        into = { sink = "cloud", topic = "changes" }
        [query.numbers]
        sql = "SELECT DISTINCT n FROM t"
        state_ttl = "10s"
        into = { sink = "cloud", topic = "numbers" }
        [query.behind]
        sql = """SELECT window_end, COUNT(*) AS c FROM TABLE(TUMBLE((
                   SELECT ts, SUM(n) OVER (PARTITION BY n ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW) AS s FROM t),
                 DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end"""
        into = { sink = "cloud", topic = "behind" }
    "#;

    /// A configuration that needs nothing from outside.
    pub fn settings_of(text: &str) -> Arc<Settings> {
        let outside = Outside { variable: &|_| None, credential: &|_| Err(String::new()) };
        let settings = config::load(text, "test.toml", outside);
        Arc::new(settings.unwrap_or_else(|problems| panic!("{problems:?}")))
    }

    /// As after a crash right after a tick with a snapshot.
    fn restored(core: &Core, settings: &Arc<Settings>) -> Core {
        let mut new = Core::new(Arc::clone(settings));
        for query in 0..settings.queries.len() {
            new.engine.restore_query(query, &core.engine.snapshot_query(query)).expect("it can be read");
        }
        new.engine.restore_source(0, &core.engine.snapshot_source(0)).expect("it can be read");
        new
    }

    /// Topic, key, payload.
    type Sent = (String, String, String);

    /// What is sent, and the counters, of (second of arrival, second of the event, n).
    fn run(rows: &[(Millis, Millis, i64)], restore: bool) -> (Vec<Sent>, BTreeMap<String, u64>) {
        let settings = settings_of(&(HEAD.to_owned() + QUERIES));
        let mut core = Core::new(Arc::clone(&settings));
        let (mut records, mut counters) = (Vec::new(), BTreeMap::new());
        for (at, event, n) in rows {
            let now = Now { millis: START_MS + at * 1_000, trusted: true, after: After::Tick };
            let payload = Bytes::from(format!("{{\"n\":{n},\"ts\":{}}}", START_MS + event * 1_000));
            let message = Message { arrival: now.millis, captures: [Arc::from("a")].into(), payload };
            let tick = core.tick(now, &[vec![message]]);
            for bytes in tick.sinks[0].iter() {
                let record = RecordRef::decode(bytes).expect("a record");
                let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
                records.push((record.topic.to_owned(), text(record.key), text(record.payload)));
            }
            tick.counters.iter().for_each(|(key, count)| raise(&mut counters, key, *count));
            if restore {
                core = restored(&core, &settings);
            }
        }
        (records, counters)
    }

    /// docs/configuration.md, docs/windows.md and docs/sql.md say what these give.
    #[test]
    fn early_late_counted_changed_and_forgotten() {
        let rows = [(0, 0, 1), (2, 2, 2), (6, 6, 2), (11, 11, 3), (12, 1, 9), (21, 21, 3), (22, 22, 1)];
        let (records, counters) = run(&rows, false);
        let of = |topic: &str| -> Vec<&str> {
            records.iter().filter(|record| record.0 == topic).map(|record| record.2.as_str()).collect()
        };
        let window = |start: &str, end: &str, rest: &str| {
            format!(
                "{{\"device\":\"a\",\"window_start\":\"2026-03-01T08:00:{start}.000\",\"window_end\":\"2026-03-01T08:00:{end}.000\",{rest}}}"
            )
        };
        let windows = [
            window("00", "10", "\"c\":2,\"s\":3,\"early\":true"),
            window("00", "10", "\"c\":3,\"s\":5,\"early\":false"),
            window("10", "20", "\"c\":1,\"s\":3,\"early\":true"),
            window("10", "20", "\"c\":1,\"s\":3,\"early\":false"),
        ];
        assert_eq!(of("windows"), windows);
        assert_eq!(of("changes"), [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#, r#"{"n":1}"#]);
        assert_eq!(of("numbers"), [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#, r#"{"n":9}"#, r#"{"n":1}"#]);
        let threes = [
            r#"{"window_start":"2026-03-01T08:00:00.000","window_end":"2026-03-01T08:00:06.001","s":5}"#,
            r#"{"window_start":"2026-03-01T08:00:11.000","window_end":"2026-03-01T08:00:22.001","s":7}"#,
        ];
        assert_eq!(of("threes"), threes);
        let late = records.iter().find(|record| record.0 == "late.a").expect("a late row");
        assert_eq!(late.1, "a");
        let late: serde_json::Value = serde_json::from_str(&late.2).expect("JSON");
        let expected = serde_json::json!({
            "query": "windows", "source": "t", "watermark": "2026-03-01T08:00:11.000Z",
            "reason": "late: the watermark had passed what the row belongs to",
            "row": { "device": "a", "n": 9, "ts": "2026-03-01T08:00:01.000Z" },
        });
        assert_eq!(late, expected);
        let count = |key: &str| counters.get(key).copied().unwrap_or_default();
        // Five queries read the source; a message is decoded once.
        assert_eq!(count("tidegate_decoded_total{source=\"t\"}"), rows.len() as u64);
        assert_eq!(count("tidegate_late_total{query=\"windows\"}"), 1);
        assert_eq!(count("tidegate_late_out_total{query=\"windows\",sink=\"cloud\"}"), 1);
        // OVER takes the first row of n = 9 however old it is; the window after it is closed.
        assert_eq!(count("tidegate_late_total{query=\"behind\"}"), 0);
        assert_eq!(count("tidegate_late_results_total{query=\"behind\"}"), 1);
        assert_eq!(count("tidegate_committed_total{sink=\"cloud\"}"), records.len() as u64);
        assert_eq!(run(&rows, true), (records, counters), "restored after each tick");
    }

    #[test]
    fn a_record_is_not_far_ahead_of_a_trusted_clock() {
        const HOUR_MS: Millis = 3_600_000;
        let settings = settings_of(&[HEAD, QUERIES].concat());
        let schema = &settings.topology.sources[0].schema;
        let parts = vec![TopicPart::Literal("t".to_owned())];
        let route = Route { sink: 0, topic: config::TopicTemplate { parts }, key: None, format: OutputFormat::Json };
        let time = |ahead_ms: Millis, trusted: bool| {
            let now = Now { millis: START_MS, trusted, after: After::Tick };
            let row = vec![Value::string("a"), Value::Int(1), Value::Timestamp((START_MS + ahead_ms) * 1_000)];
            sink_record(&route, schema, &row, "", now).timestamp - START_MS
        };
        assert_eq!(schema.event_time, Some(2));
        assert_eq!(time(-HOUR_MS, true), -HOUR_MS);
        assert_eq!(time(HOUR_MS / 4, true), HOUR_MS / 4);
        assert_eq!(time(HOUR_MS, true), 0);
        assert_eq!(time(10 * 365 * 24 * HOUR_MS, true), 0);
        assert_eq!(time(HOUR_MS, false), HOUR_MS, "who knows whose clock is wrong");
    }
}
