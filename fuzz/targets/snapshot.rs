//! Saved state of the engine, damaged: it is read or refused. The first byte chooses whose state it is.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tidegate::engine::{Engine, Limits};
use tidegate::model::{Column, DataType, Schema};
use tidegate::plan::{DeviceWatermark, Query, Source, Topology, Watermark};
use tidegate::sql::{Catalog, bind_query};

const QUERIES: [&str; 3] = [
    "SELECT device, window_start, COUNT(*) AS n, AVG(v) AS a, MIN(s) AS l, MAX(v) AS h \
     FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY device, window_start, window_end",
    "SELECT window_start, COUNT(DISTINCT s) AS n, SUM(v) AS a \
     FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
    "SELECT device, v FROM t WHERE v > 1",
];

static TOPOLOGY: LazyLock<Arc<Topology>> = LazyLock::new(|| {
    let columns = [
        ("device", DataType::String),
        ("ts", DataType::Timestamp(3)),
        ("v", DataType::Double),
        ("s", DataType::String),
    ];
    let columns = columns.map(|(name, data_type)| Column { name: Arc::from(name), data_type }).to_vec();
    let schema = Schema { columns, event_time: Some(1), device: Some(0) };
    let rule = DeviceWatermark {
        delay_ms: 1_000,
        idle_after_ms: 10_000,
        lag_max_ms: 60_000,
        max_skew_ms: Some(1_000),
        close_after_ms: Some(5_000),
    };
    let sources = vec![Source {
        name: "t".to_owned(),
        schema,
        watermark: Watermark::Device(rule),
        by_arrival: false,
        primary_key: Vec::new(),
        computed: Vec::new(),
    }];
    let bind =
        |sql: &str| bind_query(sql, &Catalog { sources: &sources, tables: &[], views: &[] }).expect("a right query");
    let queries = QUERIES
        .map(|sql| Query { name: "q".to_owned(), root: bind(sql), state_ttl_ms: None, gives_late: false })
        .into();
    Arc::new(Topology { sources, tables: Vec::new(), queries })
});

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, state)) = bytes.split_first() else { return };
    let mut engine = Engine::new(Arc::clone(&TOPOLOGY), Limits { output_bytes_max: 1 << 16 });
    match usize::from(*choice) % (QUERIES.len() + 1) {
        0 => {
            if engine.restore_source(0, state).is_ok() {
                let again = engine.snapshot_source(0);
                engine.restore_source(0, &again).expect("its own state");
            }
        }
        query => {
            if engine.restore_query(query - 1, state).is_ok() {
                let again = engine.snapshot_query(query - 1);
                engine.restore_query(query - 1, &again).expect("its own state");
            }
        }
    }
});
