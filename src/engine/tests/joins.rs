//! Joins over generated histories: against all pairs, by device against each device alone; cuts, restarts and small
//! outputs change nothing; lookup tables that change.

use super::*;
use crate::plan::{AsOf, Join, JoinKind, JoinMethod};

/// A join of the readings with those of them that [`filtered`] lets through.
fn joined(kind: JoinKind, keys: &[(usize, DataType)], method: JoinMethod) -> Node {
    joined_of(scan(), filtered(scan()), kind, keys, method)
}

fn joined_of(left: Node, right: Node, kind: JoinKind, keys: &[(usize, DataType)], method: JoinMethod) -> Node {
    let key = |(key, data_type): &(usize, DataType)| (column(*key, *data_type), column(*key, *data_type));
    let residual = ExprKind::Compare {
        op: CompareOp::LessOrEqual,
        left: Box::new(column(NUMBER, DataType::Int)),
        right: Box::new(column(left.schema.columns.len() + NUMBER, DataType::Int)),
    };
    let of_right = right.schema.columns.iter().filter(|_| kind.has_right());
    let columns = left.schema.columns.iter().chain(of_right).cloned().collect();
    let schema = Schema { columns, event_time: Some(TIME), device: None };
    let keys = keys.iter().map(key).collect();
    let residual = Some(Expr { kind: residual, data_type: DataType::Boolean });
    Node { kind: NodeKind::Join(Box::new(Join { left, right, kind, keys, residual, method })), schema }
}

const TIMES: [usize; 2] = [TIME, TIME];

fn in_windows(input: Node) -> Node {
    let mut schema = input.schema.clone();
    let window = ["window_start", "window_end", "window_time"];
    schema.columns.extend(window.map(|name| Column { name: name.into(), data_type: DataType::Timestamp(3) }));
    Node { kind: NodeKind::Window { input: Box::new(input), time: TIME, windowing: tumble(10) }, schema }
}

fn joined_in_windows(kind: JoinKind, keys: &[(usize, DataType)]) -> Node {
    let window = [(4, DataType::Timestamp(3)), (5, DataType::Timestamp(3))];
    let keys = [keys, &window].concat();
    joined_of(in_windows(scan()), in_windows(filtered(scan())), kind, &keys, JoinMethod::Window { ends: Some([5, 5]) })
}

/// A window over the left sides of a join; the event time is theirs.
fn in_windows_above(join: Node, key: (usize, DataType)) -> Node {
    windowed(join, tumble(10), &[key])
}

/// Joins with a bound, by device and not, and windows over what comes of them.
fn join_queries() -> Vec<Node> {
    let interval = JoinMethod::Interval { times: TIMES, lower_ms: -5, upper_ms: 12 };
    let versions = JoinMethod::Versioned { times: TIMES, in_order: false };
    let by_zone_above = {
        let first = joined(JoinKind::Left, &[BY_ZONE], interval.clone());
        let width = first.schema.columns.len();
        let mut second = joined_of(first, scan(), JoinKind::Left, &[BY_ZONE], interval.clone());
        if let NodeKind::Join(join) = &mut second.kind {
            join.residual = None;
        }
        assert_eq!(second.schema.columns.len(), width + 4);
        in_windows_above(second, BY_ZONE)
    };
    vec![
        joined(JoinKind::Full, &[BY_DEVICE], interval.clone()),
        joined(JoinKind::Left, &[BY_ZONE], interval.clone()),
        joined(JoinKind::Inner, &[], JoinMethod::Interval { times: TIMES, lower_ms: 2, upper_ms: 3 }),
        joined(JoinKind::Left, &[BY_DEVICE], versions.clone()),
        joined(JoinKind::Inner, &[BY_ZONE], versions.clone()),
        joined_in_windows(JoinKind::Full, &[BY_DEVICE]),
        joined_in_windows(JoinKind::Right, &[BY_ZONE]),
        in_windows_above(joined_in_windows(JoinKind::Semi, &[BY_DEVICE]), BY_DEVICE),
        joined_in_windows(JoinKind::Anti, &[BY_ZONE]),
        in_windows_above(joined(JoinKind::Left, &[BY_ZONE], versions), BY_ZONE),
        in_windows_above(joined(JoinKind::Left, &[BY_DEVICE], interval.clone()), BY_DEVICE),
        in_windows_above(joined(JoinKind::Left, &[BY_ZONE], interval.clone()), BY_ZONE),
        in_windows_above(joined(JoinKind::Left, &[BY_DEVICE], interval), BY_ZONE),
        by_zone_above,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn joins_too(watermark in any_rule(), ticks in ticks(), percent in 0i64..=100, bytes in 1usize..1_000) {
        let topology = topology(watermark, join_queries());
        let straight = Run::new(&topology, Manner::default()).history(&ticks);
        for manner in [
            Manner { cut_percent: Some(percent), ..Manner::default() },
            Manner { output_bytes_max: Some(bytes), ..Manner::default() },
            Manner { restore: true, ..Manner::default() },
        ] {
            let other = Run::new(&topology, manner).history(&ticks);
            prop_assert_eq!(&other, &straight, "{:?}", manner);
        }
        let rows: u64 = ticks.iter().map(|tick| tick.rows.len() as u64).sum();
        for (counts, query) in straight.counts.iter().zip(&topology.queries) {
            let mut inputs = 0;
            query.root.visit(&mut |node| inputs += u64::from(matches!(node.kind, NodeKind::Scan { .. })));
            prop_assert_eq!(counts.used + counts.filtered + counts.late + counts.failed, inputs * rows, "all inputs count");
        }
    }

    /// Rows none of which is late: every pair within the interval, and what has no partner once.
    #[test]
    fn interval_joins_are_all_pairs(
        rows in prop::collection::vec((0u8..3, -20i64..0, prop::option::of(0i64..5)), 0..50),
        lower_ms in -30i64..20, length in 0i64..30, kind in prop::sample::select(vec![JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full]),
    ) {
        let upper_ms = lower_ms + length;
        let root = joined(kind, &[BY_DEVICE], JoinMethod::Interval { times: TIMES, lower_ms, upper_ms });
        let topology = topology(Watermark::Source { delay_ms: 20 }, vec![root]);
        let mut engine = Engine::new(topology, Limits { output_bytes_max: usize::MAX });
        let rows: Vec<Row> = rows.iter().enumerate().map(|(at, (device, ahead, n))| row(*device, 1_000 + at as i64 * 7 + ahead, 0, *n)).collect();
        let mut ours: Vec<Row> = Vec::new();
        for row in &rows {
            ours.extend(one_step(&mut engine, 0, vec![row.clone()]).outputs.into_iter().map(|output| output.row));
        }
        ours.extend(engine.finish().outputs.into_iter().map(|output| output.row));
        let number = |row: &Row| if let Value::Int(n) = row[NUMBER] { Some(n) } else { None };
        let right: Vec<&Row> = rows.iter().filter(|row| number(row) > Some(2)).collect();
        let partners = |l: &Row, r: &Row| {
            let later = event_time(r, TIME).unwrap() - event_time(l, TIME).unwrap();
            l[DEVICE] == r[DEVICE] && (lower_ms..=upper_ms).contains(&later) && number(l).is_some_and(|n| Some(n) <= number(r))
        };
        let nulls = vec![Value::Null; 4];
        let mut expected: Vec<Row> = Vec::new();
        for l in &rows {
            let found: Vec<Row> = right.iter().filter(|r| partners(l, r)).map(|r| [&l[..], r].concat()).collect();
            if found.is_empty() && matches!(kind, JoinKind::Left | JoinKind::Full) {
                expected.push([&l[..], &nulls].concat());
            }
            expected.extend(found);
        }
        for r in right {
            if matches!(kind, JoinKind::Right | JoinKind::Full) && !rows.iter().any(|l| partners(l, r)) {
                expected.push([&nulls[..], r].concat());
            }
        }
        let text = |rows: &[Row]| { let mut text: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect(); text.sort(); text };
        prop_assert_eq!(text(&ours), text(&expected));
    }

    /// IN, EXISTS and their opposites: each left row once, if some pair says so.
    #[test]
    fn tests_of_rows_are_all_pairs(
        rows in prop::collection::vec((0u8..3, -20i64..0, prop::option::of(0i64..5)), 0..50),
        (kind, in_windows) in prop::sample::select(vec![(JoinKind::Semi, true), (JoinKind::Anti, true), (JoinKind::Semi, false)]),
    ) {
        let root = match in_windows {
            true => joined_in_windows(kind, &[BY_DEVICE]),
            false => joined(kind, &[BY_DEVICE], JoinMethod::Unbounded),
        };
        let topology = topology(Watermark::Source { delay_ms: 20 }, vec![root]);
        let mut engine = Engine::new(topology, Limits { output_bytes_max: usize::MAX });
        let rows: Vec<Row> = rows.iter().enumerate().map(|(at, (device, ahead, n))| row(*device, 1_000 + at as i64 * 7 + ahead, 0, *n)).collect();
        let mut ours: Vec<Row> = Vec::new();
        for row in &rows {
            ours.extend(one_step(&mut engine, 0, vec![row.clone()]).outputs.into_iter().map(|output| output.row));
        }
        ours.extend(engine.finish().outputs.into_iter().map(|output| output.row));
        let number = |row: &Row| if let Value::Int(n) = row[NUMBER] { Some(n) } else { None };
        let window = |row: &Row| event_time(row, TIME).unwrap().div_euclid(10);
        let partners = |l: &Row, r: &Row| {
            l[DEVICE] == r[DEVICE] && (!in_windows || window(l) == window(r))
                && number(r) > Some(2) && number(l).is_some_and(|n| Some(n) <= number(r))
        };
        let passes = |l: &&Row| rows.iter().any(|r| partners(l, r)) == (kind == JoinKind::Semi);
        let mut expected: Vec<String> = rows.iter().filter(passes).map(|row| format!("{row:?}")).collect();
        let mut ours: Vec<String> = ours.iter().map(|row| format!("{:?}", &row[..4])).collect();
        expected.sort();
        ours.sort();
        prop_assert_eq!(ours, expected);
    }

    /// Joins by device: on each device's rows alone the device rule is Flink's. (Not so a window over an outer interval join
    /// at the end of all: there Flink counts as late what had no partner, and a device's own watermark is not known.)
    #[test]
    fn each_device_has_flinks_joins(rows in prop::collection::vec((0u8..4, 0i64..300, prop::option::of(0i64..5)), 0..80), delay_ms in 0i64..20) {
        let by_device = [0, 3, 5];
        let queries = || by_device.map(|query| join_queries().swap_remove(query)).to_vec();
        let rule = DeviceWatermark { delay_ms, ..settings() };
        let run = |watermark, rows: &[&(u8, i64, Option<i64>)]| {
            let mut engine = Engine::new(topology(watermark, queries()), Limits { output_bytes_max: usize::MAX });
            let mut outputs = Vec::new();
            for (device, time, n) in rows {
                outputs.extend(one_step(&mut engine, 0, vec![row(*device, *time, 0, *n)]).outputs);
            }
            outputs.extend(engine.finish().outputs);
            outputs
        };
        let together = run(Watermark::Device(rule), &rows.iter().collect::<Vec<_>>());
        let mut alone = Vec::new();
        for device in 0..4 {
            let own: Vec<_> = rows.iter().filter(|row| row.0 == device).collect();
            alone.extend(run(Watermark::Source { delay_ms }, &own));
        }
        prop_assert_eq!(sorted(&together), sorted(&alone));
    }
}

/// A lookup meets the table as it is then; a query that is restored or starts afresh still has it.
#[test]
fn lookup_tables_change() {
    let columns =
        [("device", DataType::String), ("ts", DataType::Timestamp(3)), ("zone", DataType::Int), ("n", DataType::Int)];
    let table = Node { kind: NodeKind::Table { table: 0 }, schema: schema(&columns, None, None) };
    let root =
        joined_of(scan(), table, JoinKind::Left, &[BY_DEVICE], JoinMethod::Lookup { table: 0, as_of: AsOf::Unsaid });
    let mut topology = (*topology(Watermark::Source { delay_ms: 0 }, vec![root])).clone();
    topology.tables = vec![crate::plan::Table { name: "t".into(), schema: readings(), primary_key: vec![0] }];
    let mut engine = Engine::new(Arc::new(topology), Limits { output_bytes_max: usize::MAX });
    let zones = |engine: &mut Engine| -> Vec<Value> {
        let step = one_step(engine, 1, vec![row(1, 5, 7, Some(2)), row(2, 5, 7, Some(2))]);
        assert_eq!(step.counts[0].used, 2);
        step.outputs.into_iter().map(|output| output.row[6].clone()).collect()
    };
    assert_eq!(zones(&mut engine), [Value::Null, Value::Null]);
    engine.set_table(0, vec![row(1, 0, 10, Some(2)), row(1, 0, 11, Some(1)), row(2, 0, 12, Some(9))].into());
    // The residual condition wants the table's number to be at least the row's.
    assert_eq!(zones(&mut engine), [Value::Int(10), Value::Int(12)]);
    engine.reset_query(0);
    assert_eq!(zones(&mut engine), [Value::Int(10), Value::Int(12)]);
    engine.set_table(0, vec![row(2, 0, 13, Some(9)), row(2, 0, 14, Some(9))].into());
    assert_eq!(zones(&mut engine), [Value::Null, Value::Int(13), Value::Int(14)]);
}

/// A silent source holds the watermark; what waits for it has a limit, and what is given up is counted.
#[test]
fn a_version_join_keeps_no_more_than_its_limits() {
    let root =
        joined_of(scan(), scan(), JoinKind::Left, &[BY_ZONE], JoinMethod::Versioned { times: TIMES, in_order: false });
    let mut engine = Engine::new(
        topology(Watermark::Source { delay_ms: 1_000_000 }, vec![root]),
        Limits { output_bytes_max: usize::MAX },
    );
    let mut given_up = 0;
    let mut full = 0;
    for block in 0..70 {
        let rows = (0..1_000).map(|at| row(0, 1_000 + block * 1_000 + at, at % 10, Some(1))).collect();
        given_up += one_step(&mut engine, 0, rows).counts[0].given_up;
        if block == 65 {
            full = engine.state_bytes(0);
        }
    }
    // 70,000 rows wait, of which 65,536 may; of the 7,000 versions of each of ten keys 1,024 may.
    assert_eq!(given_up, 70_000 - 65_536 + 10 * (7_000 - 1_024));
    assert!(engine.state_bytes(0) <= full + full / 50, "{} {full}", engine.state_bytes(0));
    let step = engine.finish();
    assert_eq!(step.outputs.len(), 65_536);
}
