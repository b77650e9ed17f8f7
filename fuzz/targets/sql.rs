//! SQL text: it binds or is refused with a place in the text; what binds runs over rows of extreme values.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tidegate::engine::{Engine, Input, InputRow, Limits};
use tidegate::model::{After, Column, DataType, Now, Row, Schema, Value};
use tidegate::plan::{Query, Source, Topology, Watermark};
use tidegate::sql::{Catalog, bind_query, bind_script, parse_columns};

fn source() -> Source {
    let columns = [
        ("device", DataType::String),
        ("ts", DataType::Timestamp(3)),
        ("i", DataType::Int),
        ("b", DataType::BigInt),
        ("d", DataType::Double),
        ("o", DataType::Boolean),
        ("s", DataType::String),
    ];
    let columns = columns.map(|(name, data_type)| Column { name: Arc::from(name), data_type }).to_vec();
    Source {
        name: "t".to_owned(),
        schema: Schema { columns, event_time: Some(1), device: Some(0) },
        watermark: Watermark::Source { delay_ms: 1_000 },
        by_arrival: false,
        primary_key: Vec::new(),
        computed: Vec::new(),
    }
}

fn rows() -> Vec<Row> {
    let row = |device: &str, ts: i64, i: i64, b: i64, d: f64, s: &str| {
        let (device, ts) = (Value::string(device), Value::Timestamp(ts * 1_000));
        vec![device, ts, Value::Int(i), Value::Int(b), Value::Double(d), Value::Boolean(i > 0), Value::string(s)]
    };
    let nulls = vec![Value::string("a"), Value::Timestamp(1_700_000_003_000_000)];
    vec![
        row("a", 1_700_000_000_000, 0, 0, 0.0, ""),
        row("é", 1_700_000_001_000, i64::from(i32::MAX), i64::MAX, f64::MAX, "2026-03-01 08:00:00.123"),
        row("a", 1_700_000_002_000, i64::from(i32::MIN), i64::MIN, f64::NAN, "日本%_\\ 12.5"),
        nulls.into_iter().chain((0..5).map(|_| Value::Null)).collect(),
        row("b", 1_700_000_100_000, -1, -1, -0.0, "x"),
    ]
}

fuzz_target!(|text: &str| {
    let _ = bind_script(text);
    let _ = parse_columns(text);
    let sources = vec![source()];
    let root = match bind_query(text, &Catalog { sources: &sources, tables: &[], views: &[] }) {
        Ok(root) => root,
        Err(errors) => return assert!(!errors.is_empty() && errors.iter().all(|error| !error.to_string().is_empty())),
    };
    let topology = Arc::new(Topology {
        sources,
        tables: Vec::new(),
        queries: vec![Query { name: "q".to_owned(), root, state_ttl_ms: None, gives_late: false }],
    });
    let mut engine = Engine::new(topology, Limits { output_bytes_max: 1 << 16 });
    for (at, values) in rows().into_iter().enumerate() {
        let now = Now { millis: 1_700_000_000_000 + at as i64, trusted: true, after: After::Tick };
        let mut step =
            engine.step(now, vec![Input { source: 0, rows: vec![InputRow { arrival: now.millis, values }] }]);
        while step.more {
            step = engine.step(now, Vec::new());
        }
    }
    let state = engine.snapshot_query(0);
    engine.restore_query(0, &state).expect("its own state");
    // A window of a millisecond over a hundred seconds: bounded steps, but many.
    for _ in 0..100 {
        if !engine.finish().more {
            break;
        }
    }
});
