//! Rows a second through the engine alone, one thread: `cargo bench --bench engine`; with a word behind `--`, the queries
//! whose names have it. From decoded rows; and once from JSON bytes to JSON bytes, which is decoding and encoding as well.
//!
//! A thousand devices send in turn, each ten rows a second of event time; ticks of 1,000 rows.

use std::sync::Arc;
use std::time::Instant;

use tidegate::engine::{Engine, Input, InputRow, Limits};
use tidegate::formats::{JsonDecoder, JsonEncoder, JsonField, Types};
use tidegate::model::{After, Column, DataType, Now, Row, Schema, Value};
use tidegate::plan::{DeviceWatermark, Query, Source, Table, Topology, Watermark};
use tidegate::sql::{Catalog, View, bind_query};

const DEVICES: usize = 1_000;
const TICK_ROWS: usize = 1_000;
const ROWS: usize = 1_000_000;

/// Rows that the whole set of devices sends in a second of event time.
const ROWS_PER_SECOND: usize = 10_000;

const QUERIES: [(&str, &str); 8] = [
    ("filter", include_str!("queries/filter.sql")),
    ("tumble 10 s by device", include_str!("queries/tumble_device.sql")),
    ("hop 60 s / 1 s by device", include_str!("queries/hop_device.sql")),
    ("tumble 10 s, all together", include_str!("queries/tumble_all.sql")),
    // Each device is hot for 35 of 100 seconds, and silent in this stream for the rest.
    ("session of the hot, 5 s gap", include_str!("queries/session.sql")),
    ("lookup join, 1,000 rows", include_str!("queries/lookup.sql")),
    ("match: spike, then rise", include_str!("queries/match_spike.sql")),
    ("match: above for 30 s", include_str!("queries/match_above.sql")),
];

/// Read as `hot` by the session query.
const HOT: &str = include_str!("queries/hot.sql");

/// Filters of one source, each of which lets one row in a hundred pass.
const MANY: usize = 100;

fn source(watermark: Watermark) -> Source {
    let double = |name| (name, DataType::Double);
    let columns =
        [("device", DataType::String), ("ts", DataType::Timestamp(3)), double("temp"), double("vib"), double("heat")];
    let columns = columns.map(|(name, data_type)| Column { name: Arc::from(name), data_type }).to_vec();
    let schema = Schema { columns, event_time: Some(1), device: Some(0) };
    Source {
        name: "readings".to_owned(),
        schema,
        watermark,
        by_arrival: false,
        primary_key: Vec::new(),
        computed: Vec::new(),
    }
}

fn rows() -> Vec<Row> {
    let mut state = 1u64;
    let row = |at: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let millis = 1_700_000_000_000 + (at * 1_000 / ROWS_PER_SECOND) as i64;
        // A text of its own for each row, as a decoder makes it.
        let device = Value::string(&format!("device-{:04}", at % DEVICES));
        // From 0 to 100, from 0 to 10, and a wave: each device is hot (above 80) for 35 of 100 seconds.
        let (temp, vib) = ((state >> 40) as f64 / 167_772.16, (state & 0xffff) as f64 / 6_553.6);
        let second = (at / ROWS_PER_SECOND + at % DEVICES * 7) % 100;
        let heat = if second < 35 { 85.0 } else { 60.0 + second as f64 / 10.0 } + vib / 10.0;
        let values = [temp, vib, heat].map(Value::Double);
        [device, Value::Timestamp(millis * 1_000)].into_iter().chain(values).collect()
    };
    (0..ROWS).map(row).collect()
}

/// Where each device stands.
fn places() -> (Table, Arc<[Row]>) {
    let columns = ["device", "hall"].map(|name| Column { name: Arc::from(name), data_type: DataType::String }).to_vec();
    let schema = Schema { columns, event_time: None, device: None };
    let row = |at| vec![Value::string(&format!("device-{at:04}")), Value::string(&format!("hall-{}", at % 20))];
    let rows: Vec<Row> = (0..DEVICES).map(row).collect();
    (Table { name: "places".to_owned(), schema, primary_key: vec![0] }, rows.into())
}

fn engine(queries: &[String], watermark: Watermark) -> Engine {
    let (sources, (places, content)) = (vec![source(watermark)], places());
    let tables = vec![places];
    let bind = |sql: &str, views: &[View]| {
        bind_query(sql, &Catalog { sources: &sources, tables: &tables, views }).expect("the query binds")
    };
    let views = [View { name: "hot".to_owned(), root: bind(HOT, &[]) }];
    let query = |(at, sql): (usize, &String)| Query {
        name: format!("query {at}"),
        root: bind(sql, &views),
        state_ttl_ms: None,
        gives_late: false,
    };
    let queries = queries.iter().enumerate().map(query).collect();
    let topology = Topology { sources: sources.clone(), tables: tables.clone(), queries };
    let mut engine = Engine::new(Arc::new(topology), Limits { output_bytes_max: 1 << 20 });
    engine.set_table(0, content);
    engine
}

/// Times what `run` does with `count` rows; it gives the rows that came out.
#[allow(clippy::disallowed_methods)] // It measures time.
fn timed(name: &str, rule: &str, count: usize, run: impl FnOnce() -> usize) {
    let (start, cpu_start) = (Instant::now(), cpu_nanos());
    let outputs = run();
    let (elapsed, cpu) = (start.elapsed(), cpu_nanos() - cpu_start);
    let per_second = count as f64 / elapsed.as_secs_f64() / 1_000.0;
    let micros = cpu as f64 / 1e3 / count as f64;
    println!("{name:<28} {rule:<8} {per_second:>9.0} k rows/s {micros:>7.3} CPU us/row {outputs:>9} rows out");
}

/// One tick; `each` gets the rows that come out.
fn step(engine: &mut Engine, at: usize, rows: Vec<InputRow>, each: &mut impl FnMut(&[Value])) {
    let now = Now { millis: 1_700_000_000_000 + at as i64, trusted: true, after: After::Tick };
    let mut step = engine.step(now, vec![Input { source: 0, rows }]);
    step.outputs.iter().for_each(|output| each(&output.row));
    while step.more {
        step = engine.step(now, Vec::new());
        step.outputs.iter().for_each(|output| each(&output.row));
    }
}

/// From decoded rows.
fn measure(name: &str, rule: &str, queries: &[String], watermark: Watermark, rows: &[Row]) {
    let mut engine = engine(queries, watermark);
    // Copies are made beforehand: decoding is not what is measured.
    let input = |values: &Row| InputRow { arrival: 0, values: values.clone() };
    let ticks: Vec<Vec<InputRow>> = rows.chunks(TICK_ROWS).map(|rows| rows.iter().map(input).collect()).collect();
    timed(name, rule, rows.len(), || {
        let mut outputs = 0;
        for (at, rows) in ticks.into_iter().enumerate() {
            step(&mut engine, at, rows, &mut |_| outputs += 1);
        }
        outputs
    });
}

/// The filter, from the bytes of a JSON object to the bytes of another.
fn measure_json(rows: &[Row]) {
    let source = source(Watermark::Source { delay_ms: 5_000 });
    let encoder = JsonEncoder::new(&source.schema.columns);
    let payload = |row: &Row| {
        let mut text = String::new();
        encoder.encode(row, &mut text);
        text.into_bytes()
    };
    let payloads: Vec<Vec<u8>> = rows.iter().map(payload).collect();
    let field = |column: &Column| JsonField { path: vec![column.name.to_string()], data_type: column.data_type };
    let decoder = JsonDecoder::new(&source.schema.columns.iter().map(field).collect::<Vec<_>>(), Types::Strict)
        .expect("a schema");
    let out = JsonEncoder::new(&source.schema.columns[..3]);
    let mut engine = engine(&[QUERIES[0].1.to_owned()], source.watermark);
    timed("filter, JSON to JSON", "source", rows.len(), || {
        let (mut outputs, mut text) = (0, String::new());
        for (at, payloads) in payloads.chunks(TICK_ROWS).enumerate() {
            let decode = |payload: &Vec<u8>| {
                let mut values = Row::with_capacity(source.schema.columns.len());
                decoder.decode(payload, &mut values).expect("our own JSON");
                InputRow { arrival: 0, values }
            };
            let rows = payloads.iter().map(decode).collect();
            step(&mut engine, at, rows, &mut |row| {
                text.clear();
                out.encode(row, &mut text);
                outputs += usize::from(!text.is_empty());
            });
        }
        outputs
    });
}

/// What a window of each of many devices takes, by the engine's own count: a tumble with four aggregates.
fn measure_state() {
    const KEYS: usize = 100_000;
    let mut engine = engine(&[QUERIES[1].1.to_owned()], Watermark::Source { delay_ms: 5_000 });
    let row = |at: usize| {
        let texts = [Value::string(&format!("device-{at:06}")), Value::Timestamp(1_700_000_000_000_000)];
        texts.into_iter().chain([1.0, 2.0, 3.0].map(Value::Double)).collect()
    };
    for tick in 0..KEYS / TICK_ROWS {
        let rows = (tick * TICK_ROWS..(tick + 1) * TICK_ROWS).map(|at| InputRow { arrival: 0, values: row(at) });
        step(&mut engine, tick, rows.collect(), &mut |_| {});
    }
    println!("state of a tumble with four aggregates: {} B a key", engine.state_bytes(0) / KEYS);
}

/// What this thread has had of a core, which others on the machine do not change much.
fn cpu_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says");
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number of nanoseconds")
}

fn main() {
    let rows = rows();
    let device = DeviceWatermark {
        delay_ms: 5_000,
        idle_after_ms: 30_000,
        lag_max_ms: 3_600_000,
        max_skew_ms: None,
        close_after_ms: None,
    };
    println!("{ROWS} rows of {DEVICES} devices, one thread");
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    for (name, sql) in QUERIES.into_iter().filter(|(name, _)| name.contains(&wanted)) {
        let queries = [sql.to_owned()];
        measure(name, "source", &queries, Watermark::Source { delay_ms: 5_000 }, &rows);
        measure(name, "device", &queries, Watermark::Device(device.clone()), &rows);
    }
    let name = "100 filters of one source";
    if name.contains(&wanted) {
        let filter = |n: usize| format!("SELECT device, ts, temp FROM readings WHERE temp >= {n} AND temp < {}", n + 1);
        let queries: Vec<String> = (0..MANY).map(filter).collect();
        measure(name, "source", &queries, Watermark::Source { delay_ms: 5_000 }, &rows);
    }
    if "filter, JSON to JSON".contains(&wanted) {
        measure_json(&rows);
    }
    if "state".contains(&wanted) {
        measure_state();
    }
}
