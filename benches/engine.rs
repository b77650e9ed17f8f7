//! Rows a second through the engine alone, one thread, from decoded rows: `cargo bench --bench engine`; with a word
//! behind `--`, the queries whose names have it.
//!
//! A thousand devices send in turn, each ten rows a second of event time; ticks of 1,000 rows.

use std::sync::Arc;
use std::time::Instant;

use tidegate::engine::{Engine, Input, InputRow, Limits};
use tidegate::model::{After, Column, DataType, Now, Row, Schema, Value};
use tidegate::plan::{DeviceWatermark, Query, Source, Topology, Watermark};
use tidegate::sql::{Catalog, bind_query};

const DEVICES: usize = 1_000;
const TICK_ROWS: usize = 1_000;
const ROWS: usize = 1_000_000;

/// Rows that the whole set of devices sends in a second of event time.
const ROWS_PER_SECOND: usize = 10_000;

const QUERIES: [(&str, &str); 6] = [
    ("filter", "SELECT device, ts, temp FROM readings WHERE temp > 80"),
    (
        "tumble 10 s by device",
        "SELECT device, window_start, window_end, COUNT(*) AS n, AVG(temp) AS mean, MIN(temp) AS low, MAX(temp) AS high \
         FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY device, window_start, window_end",
    ),
    (
        "hop 60 s / 1 s by device",
        "SELECT device, window_start, window_end, COUNT(*) AS n, AVG(temp) AS mean, MAX(temp) AS high \
         FROM TABLE(HOP(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '60' SECOND)) GROUP BY device, window_start, window_end",
    ),
    (
        "tumble 10 s, all together",
        "SELECT window_start, window_end, COUNT(*) AS n, AVG(temp) AS mean \
         FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
    ),
    (
        "match: spike, then rise",
        "SELECT * FROM readings MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts \
         MEASURES spike.ts AS spike_at, spike.vib AS vib, rise.ts AS rise_at, rise.heat - spike.heat AS delta \
         AFTER MATCH SKIP PAST LAST ROW PATTERN (spike other*? rise) WITHIN INTERVAL '10' SECOND \
         DEFINE spike AS spike.vib > 9.9, rise AS rise.heat >= spike.heat + 5)",
    ),
    (
        "match: above for 30 s",
        "SELECT * FROM readings MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts \
         MEASURES FIRST(hot.ts) AS since, LAST(hot.ts) AS until_ts, COUNT(hot.heat) AS n, AVG(hot.heat) AS mean \
         AFTER MATCH SKIP PAST LAST ROW PATTERN (hot+ cool) \
         DEFINE hot AS hot.heat > 80, cool AS cool.heat <= 80 AND TIMESTAMPDIFF(SECOND, FIRST(hot.ts), LAST(hot.ts)) > 30)",
    ),
];

fn source(watermark: Watermark) -> Source {
    let double = |name| (name, DataType::Double);
    let columns =
        [("device", DataType::String), ("ts", DataType::Timestamp(3)), double("temp"), double("vib"), double("heat")];
    let columns = columns.map(|(name, data_type)| Column { name: Arc::from(name), data_type }).to_vec();
    let schema = Schema { columns, event_time: Some(1), device: Some(0) };
    Source { name: "readings".to_owned(), schema, watermark, primary_key: Vec::new(), computed: Vec::new() }
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

#[allow(clippy::disallowed_methods)] // It measures time.
fn measure(name: &str, rule: &str, sql: &str, watermark: Watermark, rows: &[Row]) {
    let sources = vec![source(watermark)];
    let root = bind_query(sql, &Catalog { sources: &sources, tables: &[], views: &[] }).expect("the query binds");
    let queries = vec![Query { name: name.to_owned(), root, state_ttl_ms: None, gives_late: false }];
    let topology = Arc::new(Topology { sources, queries, ..Topology::default() });
    let mut engine = Engine::new(topology, Limits { output_bytes_max: 1 << 20 });
    let mut outputs = 0;
    // Copies are made beforehand: decoding is not what is measured.
    let ticks: Vec<Vec<InputRow>> = rows
        .chunks(TICK_ROWS)
        .map(|rows| rows.iter().map(|values| InputRow { arrival: 0, values: values.clone() }).collect())
        .collect();
    let (start, cpu_start) = (Instant::now(), cpu_nanos());
    for (at, rows) in ticks.into_iter().enumerate() {
        let now = Now { millis: 1_700_000_000_000 + at as i64, trusted: true, after: After::Tick };
        let mut step = engine.step(now, vec![Input { source: 0, rows }]);
        outputs += step.outputs.len();
        while step.more {
            step = engine.step(now, Vec::new());
            outputs += step.outputs.len();
        }
    }
    let (elapsed, cpu) = (start.elapsed(), cpu_nanos() - cpu_start);
    let per_second = rows.len() as f64 / elapsed.as_secs_f64() / 1_000.0;
    let micros = cpu as f64 / 1e3 / rows.len() as f64;
    println!("{name:<28} {rule:<8} {per_second:>9.0} k rows/s {micros:>7.3} CPU us/row {outputs:>9} rows out");
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
        measure(name, "source", sql, Watermark::Source { delay_ms: 5_000 }, &rows);
        measure(name, "device", sql, Watermark::Device(device.clone()), &rows);
    }
}
