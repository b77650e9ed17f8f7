//! The whole way from text to plan, against the sample cases that real Flink answered and against golden errors.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::model::DataType;
use crate::plan::{AsOf, JoinMethod, NodeKind};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn scripts(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    paths.sort();
    paths
}

/// `a INT NOT NULL, b DECIMAL(17, 6)` of a .out file's first line, in our spelling of the types.
fn header(line: &str) -> Vec<(String, String)> {
    let mut columns = Vec::new();
    let (mut depth, mut start) = (0, 0);
    let line = line.trim_start_matches("# ");
    for (at, c) in line.char_indices().chain([(line.len(), ',')]) {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                let (name, data_type) = line[start..at].trim().split_once(' ').expect("a name and a type");
                let data_type = data_type.replace(" NOT NULL", "").replace(" *ROWTIME*", "").replace("TIME(0)", "TIME");
                let text = data_type.starts_with("VARCHAR") || data_type.starts_with("CHAR");
                columns.push((name.to_owned(), if text { "STRING".to_owned() } else { data_type }));
                start = at + 1;
            }
            _ => {}
        }
    }
    columns
}

#[test]
fn the_samples_have_flinks_types() {
    let mut bound = 0;
    for path in scripts("sql") {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let text = fs::read_to_string(&path).expect("it can be read");
        let expected = fs::read_to_string(path.with_extension("out")).expect("it can be read");
        match bind_script(&text) {
            Ok(script) => {
                bound += 1;
                let ours: Vec<(String, String)> = script
                    .topology
                    .queries
                    .first()
                    .expect("there is one")
                    .root
                    .schema
                    .columns
                    .iter()
                    .map(|column| (column.name.to_string(), column.data_type.to_string()))
                    .collect();
                if name.starts_with("bad_") {
                    assert!(expected.contains("Flink, when run"), "{name} is refused by Flink when planned");
                } else {
                    assert_eq!(ours, header(expected.lines().next().unwrap_or_default()), "{name}");
                }
            }
            Err(errors) if name.starts_with("bad_") => assert!(!errors.is_empty()),
            Err(errors) => {
                assert!(
                    errors.iter().all(|error| error.message.ends_with("is not supported yet")),
                    "{name}: {errors:?}"
                )
            }
        }
    }
    assert!(bound >= 15, "{bound}");
}

/// `.err` holds each error as `with_source` shows it. `BLESS=1` writes those that are missing, to be read and judged.
#[test]
fn golden_errors() {
    let mut count = 0;
    for path in scripts("sql_errors") {
        let text = fs::read_to_string(&path).expect("it can be read");
        let errors = match text.starts_with("CREATE") || text.starts_with("--") {
            true => bind_script(&text).err(),
            false => bind_query(&text, &Catalog { sources: &[readings()], tables: &[machines()], views: &[] }).err(),
        };
        let errors = errors.unwrap_or_else(|| panic!("{} is accepted", path.display()));
        let shown: String = errors.iter().map(|error| format!("{}\n", error.with_source(&text))).collect();
        let golden = path.with_extension("err");
        if std::env::var_os("BLESS").is_some() && !golden.exists() {
            fs::write(&golden, &shown).expect("it can be written");
        }
        let expected = fs::read_to_string(&golden).expect("it can be read");
        assert_eq!(shown, expected, "{}", path.display());
        count += 1;
    }
    assert!(count >= 60, "{count}");
}

/// The source that queries without CREATE TABLE read.
fn readings() -> Source {
    let columns = "device STRING, zone STRING, ts TIMESTAMP(3), temp DOUBLE, vib INT, ok BOOLEAN, price DECIMAL(10, 2)";
    let columns = parse_columns(columns).expect("it is valid").columns;
    let schema = Schema { columns, event_time: Some(2), device: Some(0) };
    Source {
        name: "readings".into(),
        schema,
        watermark: Watermark::Source { delay_ms: 5_000 },
        by_arrival: false,
        primary_key: Vec::new(),
        computed: Vec::new(),
    }
}

fn machines() -> Table {
    let columns = parse_columns("device STRING, hall STRING, max_temp DOUBLE, PRIMARY KEY (device) NOT ENFORCED");
    let Columns { columns, primary_key } = columns.expect("it is valid");
    Table { name: "machines".into(), schema: Schema { columns, ..Schema::default() }, primary_key }
}

/// The ways in which users of Flink look a row up.
#[test]
fn lookup_joins() {
    for (from, expected) in [
        ("readings AS r JOIN machines AS m ON r.device = m.device", AsOf::Unsaid),
        ("readings AS r, machines AS m WHERE m.device = r.device", AsOf::Unsaid),
        (
            "readings AS r LEFT JOIN machines FOR SYSTEM_TIME AS OF r.ts AS m ON r.device = m.device AND r.temp > m.max_temp",
            AsOf::Time(2),
        ),
        ("readings AS r JOIN machines FOR SYSTEM_TIME AS OF PROCTIME() AS m ON r.device = m.device", AsOf::Now),
    ] {
        let node = bind(&format!("SELECT r.*, m.hall FROM {from}"));
        let mut lookups = 0;
        node.visit(&mut |node| {
            if let NodeKind::Join(join) = &node.kind {
                lookups += usize::from(join.method == JoinMethod::Lookup { table: 0, as_of: expected });
                assert_eq!(join.keys.len(), 1, "{from}");
            }
        });
        assert_eq!(lookups, 1, "{from}");
        assert_eq!(node.schema.device, Some(0), "a row stays its device's");
        assert!(
            !crate::plan::Query { name: String::new(), root: node, state_ttl_ms: None, gives_late: false }
                .is_stateful()
        );
    }
}

fn bind(text: &str) -> Node {
    let (sources, tables) = ([readings()], [machines()]);
    let catalog = Catalog { sources: &sources, tables: &tables, views: &[] };
    match bind_query(text, &catalog) {
        Ok(node) => node,
        Err(errors) => panic!("{text}\n{errors:?}"),
    }
}

fn type_of(expr: &str) -> String {
    bind(&format!("SELECT {expr} AS x FROM readings")).schema.columns[0].data_type.to_string()
}

#[test]
fn types_of_expressions() {
    for (expr, expected) in [
        ("vib / 2", "INT"),
        ("CAST(vib AS BIGINT) % 10", "INT"),
        ("vib / 2.0", "DECIMAL(17, 6)"),
        ("price * price", "DECIMAL(21, 4)"),
        ("price * 1e0", "DOUBLE"),
        ("ts + INTERVAL '1' DAY", "TIMESTAMP(3)"),
        ("CAST(ts AS DATE) + INTERVAL '1' DAY", "DATE"),
        ("TIMESTAMPADD(HOUR, 1, DATE '2026-03-01')", "TIMESTAMP(6)"),
        ("CASE WHEN ok THEN 1 ELSE 2.5 END", "DECIMAL(11, 1)"),
        ("COALESCE(vib, 5000000000)", "BIGINT"),
        ("NULLIF(vib, 2.5)", "INT"),
        ("IF(ok, 'a', NULL)", "STRING"),
        ("vib IN (1, 2.5, NULL)", "BOOLEAN"),
        ("ts > '2026-03-01 00:00:00'", "BOOLEAN"),
        ("ROUND(price, -1)", "DECIMAL(9, 0)"),
        ("CEILING(price)", "DECIMAL(10, 0)"),
        ("CAST(zone AS VARCHAR(3)) || CAST(zone AS CHAR(2))", "STRING"),
        ("TRY_CAST(zone AS DECIMAL(5, 2))", "DECIMAL(5, 2)"),
        ("CURRENT_TIMESTAMP", "TIMESTAMP_LTZ(3)"),
        ("LOCALTIMESTAMP", "TIMESTAMP(3)"),
        ("CURRENT_WATERMARK(ts)", "TIMESTAMP(3)"),
        ("TRIM(BOTH 'x' FROM zone)", "STRING"),
        ("OVERLAY(zone PLACING 'x' FROM 2 FOR 1)", "STRING"),
        ("POSITION('x' IN zone)", "INT"),
        ("zone LIKE 'a!%' ESCAPE '!'", "BOOLEAN"),
        ("vib BETWEEN SYMMETRIC 7 AND 1", "BOOLEAN"),
        ("NOT vib = 1 AND ok IS NOT TRUE OR zone IS NULL", "BOOLEAN"),
        ("X'0aff'", "BYTES"),
        ("TIMESTAMP '2026-03-01 00:00:00.12'", "TIMESTAMP(2)"),
        ("LEFT(zone, 2)", "STRING"),
        ("- - -vib", "INT"),
    ] {
        assert_eq!(type_of(expr), expected, "{expr}");
    }
}

#[test]
fn precedence() {
    let same = |a: &str, b: &str| {
        let (a, b) = (bind(&format!("SELECT {a} AS x FROM readings")), bind(&format!("SELECT {b} AS x FROM readings")));
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
    };
    same("1 + 2 * 3 - 4", "(1 + (2 * 3)) - 4");
    same("NOT vib = 1 AND ok", "(NOT (vib = 1)) AND ok");
    same("ok OR ok AND NOT ok IS NULL", "ok OR (ok AND (NOT (ok IS NULL)))");
    same("vib + 1 BETWEEN 1 AND 2 AND ok", "((vib + 1) BETWEEN 1 AND 2) AND ok");
    same("-vib * 2", "(-vib) * 2");
    same("vib < 1 = ok", "(vib < 1) = ok");
    same("vib = 1 IS NULL", "(vib = 1) IS NULL");
}

#[test]
fn event_time_and_device_pass_through_projections() {
    let schema = bind("SELECT temp, ts AS t, device FROM readings").schema;
    assert_eq!((schema.event_time, schema.device), (Some(1), Some(2)));
    let schema = bind("SELECT ts + INTERVAL '1' SECOND AS ts, UPPER(device) AS device FROM readings").schema;
    assert_eq!((schema.event_time, schema.device), (None, None));
    let node = bind(
        "SELECT zone, device, window_time AS t, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY window_end, device, window_time, zone, window_start",
    );
    assert_eq!((node.schema.event_time, node.schema.device), (Some(2), Some(1)));
}

#[test]
fn a_filter_goes_below_the_window() {
    let node = bind(
        "SELECT window_start, COUNT(*) + 1 AS n FROM TABLE(HOP(DATA => TABLE readings, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '10' SECOND, SLIDE => INTERVAL '5' SECOND))
         WHERE temp > 5 GROUP BY window_start, window_end HAVING COUNT(*) > 1 AND MAX(vib) < 3",
    );
    let NodeKind::Project { input, .. } = &node.kind else { panic!("{node:?}") };
    let NodeKind::Filter { input, .. } = &input.kind else { panic!("{node:?}") };
    let NodeKind::WindowAggregate { input, keys, aggregates, windowing, .. } = &input.kind else { panic!("{node:?}") };
    assert!(keys.is_empty());
    assert_eq!(aggregates.len(), 2);
    assert_eq!(*windowing, crate::plan::Windowing::Hop { slide_ms: 5_000, size_ms: 10_000, offset_ms: 0 });
    assert!(matches!(input.kind, NodeKind::Filter { .. }));
}

#[test]
fn names_of_columns() {
    let names = |text: &str| -> Vec<String> {
        bind(text).schema.columns.iter().map(|column| column.name.to_string()).collect()
    };
    assert_eq!(names("SELECT vib, vib, vib + 1, r.temp t FROM readings r"), ["vib", "vib0", "EXPR$2", "t"]);
    assert_eq!(names("SELECT a.* FROM (SELECT vib FROM readings) AS a (`value`)"), ["value"]);
    assert_eq!(names("WITH w (q) AS (SELECT vib FROM readings) SELECT q FROM w"), ["q"]);
}

#[test]
fn views_are_inlined() {
    let sources = [readings()];
    let view = View { name: "hot".into(), root: bind("SELECT device, ts, temp FROM readings WHERE temp > 80") };
    let catalog = Catalog { sources: &sources, tables: &[], views: &[view] };
    let text = "SELECT device, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE hot, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY device, window_start, window_end";
    assert!(bind_query(text, &catalog).is_ok());
}

#[test]
fn columns_of_a_configuration() {
    let columns = parse_columns("device STRING, v DECIMAL(5, 2) NOT NULL, PRIMARY KEY (device) NOT ENFORCED")
        .expect("it is valid");
    assert_eq!(columns.primary_key, [0]);
    assert_eq!(columns.columns[1].data_type, DataType::Decimal { precision: 5, scale: 2 });
    for wrong in [
        "",
        "device",
        "device STRIN",
        "a INT, a INT",
        "a INT b INT",
        "a INT, WATERMARK FOR a AS a",
        "a INT, PRIMARY KEY (b) NOT ENFORCED",
    ] {
        assert!(parse_columns(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_script_keeps_the_tables_it_reads() {
    let table = |name: &str| {
        format!(
            "CREATE TABLE {name} (x INT) WITH ('connector' = 'filesystem', 'path' = '{name}.csv', 'format' = 'csv');"
        )
    };
    let text = format!("{}{}{} SELECT x FROM b", table("c"), table("b"), table("a"));
    let script = bind_script(&text).expect("it is valid");
    assert_eq!(script.tables.len(), 1);
    assert_eq!(script.tables[0].path, "b.csv");
    assert_eq!(script.topology.queries[0].sources(), [0]);
}

#[test]
fn independent_errors_come_together() {
    let errors = bind_query(
        "SELECT tempp, UPER(zone), vib + zone FROM readings WHERE dvice = 'x'",
        &Catalog { sources: &[readings()], tables: &[], views: &[] },
    );
    assert_eq!(errors.expect_err("it is wrong").len(), 4);
}

/// A wide view, and many that read it.
fn wide_views() -> String {
    let columns: Vec<String> = (0..900).map(|i| format!("x + {i} AS c{i}")).collect();
    let readers: String = (0..3_000).map(|i| format!("CREATE VIEW w{i} AS SELECT c1 AS x FROM wide;")).collect();
    format!("CREATE VIEW wide AS SELECT {} FROM v0;{readers}", columns.join(","))
}

/// What tries to exhaust the stack, the memory or the patience.
#[test]
fn hostile_texts_end_quickly() {
    let n = 40_000;
    let nested_between =
        (0..60).fold("vib".to_owned(), |inner, _| format!("CASE WHEN {inner} BETWEEN 1 AND 2 THEN 1 ELSE 2 END"));
    let views: String = (1..200).map(|i| format!("CREATE VIEW v{i} AS SELECT x + 1 AS x FROM v{};", i - 1)).collect();
    let table = "CREATE TABLE v0 (x INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');";
    let texts = [
        format!("SELECT {}1{} FROM readings", "(".repeat(n), ")".repeat(n)),
        format!("SELECT {}vib FROM readings", "- ".repeat(n)),
        format!("SELECT {}ok FROM readings", "NOT ".repeat(n)),
        format!("SELECT 1{} FROM readings", " + 1".repeat(n)),
        format!("SELECT zone{} FROM readings", " || zone".repeat(n)),
        format!("SELECT {} FROM readings", vec!["*"; n].join(",")),
        format!("SELECT {nested_between} FROM readings"),
        format!("{}SELECT 1 FROM readings{}", "SELECT 1 FROM (".repeat(n / 2), ")".repeat(n / 2)),
        format!("SELECT {} FROM readings", "CASE WHEN ".repeat(n / 2)),
        format!("SELECT {} FROM readings", "CAST(".repeat(n)),
        format!("SELECT 1 FROM readings{}", " INTERSECT SELECT 1 FROM readings".repeat(n / 4)),
        format!("SELECT 1 FROM readings{}", " EXCEPT SELECT 1 FROM readings ORDER BY".repeat(n / 4)),
        "[".repeat(n),
        "'".repeat(n + 1),
        "/*".repeat(n),
        format!("{table}{views} SELECT x FROM v199"),
        format!("{table}{} SELECT x FROM w0", wide_views()),
    ];
    let sources = [readings()];
    for text in texts {
        let catalog = Catalog { sources: &sources, tables: &[], views: &[] };
        assert!(bind_query(&text, &catalog).is_err(), "{}", &text[..40]);
        assert!(bind_script(&text).is_err(), "{}", &text[..40]);
    }
    let sets = format!("SELECT vib FROM readings{}", " INTERSECT SELECT vib FROM readings".repeat(32));
    let script = format!(
        "CREATE TABLE readings (vib INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv'); {sets}"
    );
    assert!(bind_script(&script).is_ok());
    // Deep, but within the limits.
    let deep = (0..30).fold("vib".to_owned(), |inner, _| format!("CASE WHEN ok THEN ({inner}) + 1 + 1 ELSE 0 END"));
    for text in [format!("SELECT {deep} FROM readings"), format!("SELECT 1{} FROM readings", " + 1".repeat(240))] {
        assert!(bind_query(&text, &Catalog { sources: &sources, tables: &[], views: &[] }).is_ok(), "{text}");
    }
    let long = format!("SELECT vib FROM readings WHERE ok{}", " AND ok".repeat(20_000));
    assert!(bind_query(&long, &Catalog { sources: &sources, tables: &[], views: &[] }).is_ok());
}

const SOUP: &str = "SELECT FROM WHERE GROUP BY HAVING AS AND OR NOT IS NULL TRUE IN BETWEEN LIKE CASE WHEN THEN ELSE END CAST ( ) ( ) , , . * + - / % = <> < || 1 2.5 1e3 'x' '5' INTERVAL SECOND MINUTE ts temp vib zone device ok price readings readings TABLE TUMBLE HOP DESCRIPTOR window_start window_end COUNT SUM AVG MAX FILTER DISTINCT COALESCE ROUND SUBSTRING UPPER EXTRACT TIMESTAMP DATE TO FLOOR WITH UNION ALL INTERSECT EXCEPT ORDER LIMIT TUMBLE_START PERCENTILE 0.5 CREATE VIEW WATERMARK FOR ; ` ? [ ] STRING INT DECIMAL PRIMARY KEY";

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let sources = [readings()];
        let _ = bind_query(&text, &Catalog { sources: &sources, tables: &[], views: &[] });
        let _ = bind_script(&text);
        let _ = parse_columns(&text);
    }

    #[test]
    fn no_soup_panics(words in prop::collection::vec(prop::sample::select(SOUP.split(' ').collect::<Vec<_>>()), 0..60)) {
        let sources = [readings()];
        let catalog = Catalog { sources: &sources, tables: &[], views: &[] };
        let text = words.join(" ");
        let results = [text.clone(), format!("SELECT {text} FROM readings"), format!("SELECT vib FROM readings WHERE {text}"),
            format!("SELECT {text} FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end")];
        for text in results {
            if let Err(errors) = bind_query(&text, &catalog) {
                for error in errors {
                    prop_assert!(!error.message.is_empty());
                    prop_assert!(error.with_source(&text).to_string().contains('^'));
                }
            }
            let _ = bind_script(&text);
            let _ = parse_columns(&text);
        }
    }
}
