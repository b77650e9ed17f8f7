//! Report by exception, windows by count and state with an expiry over generated histories: against what their
//! documentation says, by device against each device alone; cuts, restarts and small outputs change nothing.

use super::*;
use crate::plan::{CountWindowing, Frame, OverFunction, OverKind, OverOrder, Report, Watch, with_early};

fn compared(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::new(ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) }, DataType::Boolean)
}

fn n() -> Expr {
    column(NUMBER, DataType::Int)
}

/// 12 / n, which fails where n is 0.
fn quotient() -> Expr {
    let kind = ExprKind::Arithmetic { op: ArithmeticOp::Divide, left: Box::new(number(12)), right: Box::new(n()) };
    Expr::new(kind, DataType::Int)
}

const FOR_MS: Millis = 15;
const GAP_MS: Millis = 25;
const EVERY_MS: Millis = 40;

/// CHANGED(n) OR AT_LEAST_EVERY(40 ms), beside HELD_FOR(n >= 2, 15 ms, 25 ms), HYSTERESIS(12 / n, 5, 4) and
/// BECOMES_TRUE of the first.
fn reported(input: Node, partition: &[usize]) -> Node {
    let ts = |at| column(at, DataType::Timestamp(3));
    let interval = Expr::literal(Value::Int(EVERY_MS), DataType::IntervalMillis);
    let due = ExprKind::AddInterval { time: Box::new(ts(4)), interval: Box::new(interval), negative: false };
    let changed =
        ExprKind::NotDistinct { left: Box::new(n()), right: Box::new(column(5, DataType::Int)), negated: true };
    let due = compared(CompareOp::GreaterOrEqual, ts(TIME), Expr::new(due, DataType::Timestamp(3)));
    let first = Expr::new(ExprKind::IsNull { operand: Box::new(ts(4)), negated: false }, DataType::Boolean);
    let condition = ExprKind::Or(vec![first, Expr::new(changed, DataType::Boolean), due]);
    let held = compared(CompareOp::GreaterOrEqual, n(), number(2));
    let report = Report {
        time: TIME,
        partition: partition.to_vec(),
        remembered: vec![ts(TIME), n()],
        watches: vec![
            Watch::Held { condition: held, for_ms: FOR_MS, gap_ms: Some(GAP_MS) },
            Watch::Latch {
                set: compared(CompareOp::Greater, quotient(), number(5)),
                reset: compared(CompareOp::Less, quotient(), number(4)),
            },
            Watch::Rise { condition: column(6, DataType::Boolean) },
        ],
        condition: Some(Expr::new(condition, DataType::Boolean)),
    };
    let mut schema = input.schema.clone();
    let types = [("ts", DataType::Timestamp(3)), ("n", DataType::Int)];
    let watched = [("held", DataType::Boolean), ("latched", DataType::Boolean), ("risen", DataType::Boolean)];
    let named = types.into_iter().chain(watched);
    schema.columns.extend(named.map(|(name, data_type)| Column { name: name.into(), data_type }));
    Node { kind: NodeKind::Report { input: Box::new(input), report: Box::new(report) }, schema }
}

/// What docs/sql.md says, over the rows of one key in their order. `None`: it fails.
fn expected(rows: &[Row]) -> Vec<Option<Row>> {
    let number = |row: &Row| if let Value::Int(n) = row[NUMBER] { Some(n) } else { None };
    let time = |row: &Row| event_time(row, TIME).unwrap();
    let mut out = Vec::new();
    // Rows that did not fail, with held and latched.
    let mut good: Vec<(&Row, bool, bool)> = Vec::new();
    let mut last: Option<&Row> = None;
    for row in rows {
        let value = number(row);
        if value == Some(0) {
            out.push(None);
            continue;
        }
        let mut since = None;
        let mut before: Option<&Row> = None;
        for earlier in good.iter().map(|(row, ..)| *row).chain([row]) {
            let broken = before.is_some_and(|before| time(earlier) - time(before) > GAP_MS);
            since = match (number(earlier).is_some_and(|n| n >= 2), since) {
                (false, _) => None,
                (true, Some(since)) if !broken => Some(since),
                (true, _) => Some(time(earlier)),
            };
            before = Some(earlier);
        }
        let held = since.is_some_and(|since| time(row) - since >= FOR_MS);
        let was_latched = good.last().is_some_and(|(.., latched)| *latched);
        let latched = match value.map(|n| 12 / n) {
            Some(quotient) if quotient > 5 => true,
            Some(quotient) if quotient < 4 => false,
            _ => was_latched,
        };
        let risen = held && !good.last().is_some_and(|(_, held, _)| *held);
        good.push((row, held, latched));
        let is_new = match last {
            None => true,
            Some(last) => last[NUMBER] != row[NUMBER] || time(row) >= time(last) + EVERY_MS,
        };
        if is_new {
            let (ts, n) = last.map_or((Value::Null, Value::Null), |last| (last[TIME].clone(), last[NUMBER].clone()));
            let flags = [held, latched, risen].map(Value::Boolean);
            out.push(Some([&row[..], &[ts, n], &flags].concat()));
            last = Some(row);
        }
    }
    out
}

fn counted(input: Node, partition: &[usize], slide: usize, size: usize) -> Node {
    let aggregates = vec![aggregate(AggregateFunction::Sum, Some(n()), false, DataType::Int)];
    let types = readings();
    let keys: Vec<Expr> = partition.iter().map(|key| column(*key, types.columns[*key].data_type)).collect();
    let mut columns: Vec<(&str, DataType)> = keys.iter().map(|key| ("key", key.data_type)).collect();
    columns.push(("sum", DataType::Int));
    columns.extend(["window_start", "window_end", "window_time"].map(|name| (name, DataType::Timestamp(3))));
    let schema = schema(&columns, Some(columns.len() - 1), None);
    let windowing = CountWindowing { time: TIME, partition: partition.to_vec(), slide, size };
    Node { kind: NodeKind::CountAggregate { input: Box::new(input), windowing, keys, aggregates }, schema }
}

fn count_rows(partition: &[usize], slide: usize, size: usize) -> Node {
    let mut schema = readings();
    let names = ["window_start", "window_end", "window_time"];
    schema.columns.extend(names.map(|name| Column { name: name.into(), data_type: DataType::Timestamp(3) }));
    let windowing = CountWindowing { time: TIME, partition: partition.to_vec(), slide, size };
    Node { kind: NodeKind::CountWindow { input: Box::new(scan()), windowing }, schema }
}

fn total(partition: &[usize]) -> Node {
    let sum = OverKind::Aggregate(aggregate(AggregateFunction::Sum, Some(n()), false, DataType::Int));
    let functions = vec![OverFunction { kind: sum, data_type: DataType::Int }];
    let mut schema = readings();
    schema.columns.push(Column { name: "total".into(), data_type: DataType::Int });
    let (input, frame) = (Box::new(scan()), Frame::RowsUnbounded);
    Node {
        kind: NodeKind::Over { input, order: OverOrder::Time(TIME), partition: partition.to_vec(), frame, functions },
        schema,
    }
}

/// device, zone: each once.
fn distinct() -> Node {
    let exprs = vec![column(DEVICE, DataType::String), column(ZONE, DataType::Int)];
    let schema = schema(&[("device", DataType::String), ("zone", DataType::Int)], None, Some(0));
    let input = Node { kind: NodeKind::Project { input: Box::new(scan()), exprs }, schema: schema.clone() };
    Node { kind: NodeKind::Distinct { input: Box::new(input) }, schema }
}

fn by_device_queries() -> Vec<Node> {
    let first = NodeKind::FirstRow { input: Box::new(scan()), time: TIME, partition: vec![DEVICE, ZONE] };
    vec![
        reported(scan(), &[DEVICE]),
        reported(filtered(scan()), &[DEVICE, ZONE]),
        windowed(reported(scan(), &[DEVICE]), tumble(10), &[BY_DEVICE]),
        counted(scan(), &[DEVICE], 3, 3),
        count_rows(&[DEVICE, ZONE], 2, 5),
        distinct(),
        total(&[ZONE, DEVICE]),
        Node { kind: first, schema: readings() },
    ]
}

fn memory_queries() -> Vec<Node> {
    let mut queries = by_device_queries();
    queries.extend([
        reported(scan(), &[ZONE]),
        reported(scan(), &[]),
        windowed(reported(scan(), &[ZONE]), tumble(10), &[BY_ZONE]),
        counted(scan(), &[ZONE], 2, 3),
        with_early(windowed(scan(), tumble(12), &[BY_ZONE]), 4).expect("it fits"),
        with_early(windowed(scan(), hop(6, 12), &[BY_DEVICE]), 3).expect("it fits"),
        with_early(windowed(scan(), hop(2, 12), &[BY_ZONE]), 4).expect("it fits"),
        with_early(in_sessions(9, &[BY_DEVICE]), 4).expect("it fits"),
        with_early(in_sessions(9, &[BY_ZONE]), 20).expect("it fits"),
        count_rows(&[], 4, 4),
        total(&[ZONE]),
    ]);
    queries
}

/// SESSION by the keys, with the aggregates of `windowed`.
fn in_sessions(gap_ms: Millis, keys: &[(usize, DataType)]) -> Node {
    let Node { kind, schema } = windowed(scan(), tumble(1), keys);
    let NodeKind::WindowAggregate { input, time, keys, aggregates, .. } = kind else { unreachable!() };
    Node { kind: NodeKind::SessionAggregate { input, time, gap_ms, early_ms: None, keys, aggregates }, schema }
}

/// A query with windows, and how often it can tell early.
fn with_windows() -> impl Strategy<Value = (Node, Millis)> {
    let windowed = |windowing| windowed(scan(), windowing, &[BY_DEVICE]);
    (1i64..12, 1i64..4, 2i64..4, 0usize..5).prop_map(move |(unit, times, more, kind)| match kind {
        0 => (windowed(tumble(unit * more)), unit),
        1 => (windowed(hop(unit * times, unit * times * more)), unit),
        2 => (windowed(hop(unit, unit * times * more)), unit * times),
        3 => {
            let (step_ms, size_ms) = (unit * more, unit * more * times);
            (windowed(Windowing::Cumulate { step_ms, size_ms, offset_ms: 3 }), unit)
        }
        _ => (in_sessions(unit * more, &[BY_DEVICE]), times),
    })
}

fn forgetting(watermark: Watermark, roots: Vec<Node>, state_ttl_ms: Option<Millis>) -> Arc<Topology> {
    let mut topology = (*topology(watermark, roots)).clone();
    topology.queries.iter_mut().for_each(|query| (query.state_ttl_ms, query.gives_late) = (state_ttl_ms, true));
    Arc::new(topology)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn memories_too(
        watermark in any_rule(), ticks in ticks(), percent in 0i64..=100, bytes in 1usize..1_000,
        state_ttl_ms in prop::option::of(1i64..100),
    ) {
        let topology = forgetting(watermark, memory_queries(), state_ttl_ms);
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
        for counts in &straight.counts {
            prop_assert_eq!(counts.used + counts.filtered + counts.late + counts.failed, rows);
        }
    }

    /// Rows out of order, late, doubled and with gaps: reports are those that the documentation says.
    #[test]
    fn reports_are_those_of_the_document(
        rows in prop::collection::vec((0u8..3, 1i64..300, prop::option::weighted(0.9, 0i64..5)), 0..80), delay_ms in 0i64..40,
    ) {
        let topology = forgetting(Watermark::Source { delay_ms }, vec![reported(scan(), &[DEVICE])], None);
        let mut engine = Engine::new(topology, Limits { output_bytes_max: usize::MAX });
        let (mut watermark, mut kept, mut ours, mut failed) = (0, Vec::new(), Vec::new(), 0);
        let mut put = |step: Step| {
            ours.extend(step.outputs.into_iter().map(|output| output.row));
            failed += step.failures.len();
        };
        for (at, (device, ahead, n)) in rows.iter().enumerate() {
            let row = row(*device, at as i64 * 5 + ahead, 0, *n);
            let time = event_time(&row, TIME).unwrap();
            let step = one_step(&mut engine, 0, vec![row.clone()]);
            let late: Vec<(Row, Millis)> = step.late.iter().map(|late| (late.row.clone(), late.watermark)).collect();
            match time <= watermark {
                true => prop_assert_eq!(late, vec![(row, watermark)]),
                false => {
                    prop_assert_eq!(late, vec![]);
                    kept.push(row);
                }
            }
            put(step);
            watermark = watermark.max(time - delay_ms);
        }
        put(engine.finish());
        kept.sort_by_key(|row| event_time(row, TIME));
        let of_device = |rows: &[Row], device: u8| -> Vec<Row> {
            let name = Value::string(&format!("dev-{device}"));
            rows.iter().filter(|row| row[DEVICE] == name).cloned().collect()
        };
        let mut failures = 0;
        for device in 0..3 {
            let all = expected(&of_device(&kept, device));
            failures += all.iter().filter(|row| row.is_none()).count();
            let wanted: Vec<Row> = all.into_iter().flatten().collect();
            prop_assert_eq!(of_device(&ours, device), wanted);
        }
        prop_assert_eq!(failed, failures);
    }

    /// With early results the final rows are those without, and each early row holds what came before its step's end.
    #[test]
    fn early_results_end_in_the_final_ones(watermark in any_rule(), ticks in ticks(), (root, every_ms) in with_windows()) {
        let early = with_early(root.clone(), every_ms).expect("it fits");
        let outcome = Run::new(&topology(watermark, vec![root, early]), Manner::default()).history(&ticks);
        let of = |query: usize| outcome.outputs.iter().filter(move |output| output.query == query).map(|output| &output.row);
        let (mut finals, mut counts) = (Vec::new(), BTreeMap::new());
        for row in of(1) {
            let (values, mark) = row.split_at(row.len() - 1);
            // By device and window: the count of rows never falls. (A session is another one once it has grown.)
            let before = counts.insert(format!("{:?}{:?}{:?}", values[0], values[5], values[6]), values[1].clone());
            if let (Some(Value::Int(before)), Value::Int(now)) = (before, &values[1]) {
                prop_assert!(before <= *now);
            }
            prop_assert!(matches!(mark, [Value::Boolean(_)]));
            if mark == [Value::Boolean(false)] {
                finals.push(values);
            }
        }
        let text = |mut rows: Vec<String>| { rows.sort(); rows };
        let wanted = text(of(0).map(|row| format!("{row:?}")).collect());
        prop_assert_eq!(text(finals.iter().map(|row| format!("{row:?}")).collect()), wanted);
        prop_assert_eq!(outcome.counts[0], outcome.counts[1]);
    }

    #[test]
    fn each_device_has_flinks_memory(
        rows in prop::collection::vec((0u8..4, 0i64..300, 0i64..2, prop::option::of(0i64..5)), 0..80),
        delay_ms in 0i64..20, state_ttl_ms in prop::option::of(1i64..100),
    ) {
        let rule = DeviceWatermark { delay_ms, ..settings() };
        let run = |watermark, rows: &[&(u8, i64, i64, Option<i64>)]| {
            let topology = forgetting(watermark, by_device_queries(), state_ttl_ms);
            let mut engine = Engine::new(topology, Limits { output_bytes_max: usize::MAX });
            let mut outputs = Vec::new();
            for (device, time, zone, n) in rows {
                outputs.extend(one_step(&mut engine, 0, vec![row(*device, *time, *zone, *n)]).outputs);
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

    #[test]
    fn hostile_memory_is_refused_or_harmless(watermark in any_rule(), ticks in ticks(), flips in prop::collection::vec((any::<usize>(), 0u8..8), 1..4)) {
        let topology = forgetting(watermark, memory_queries(), Some(50));
        restore_with_flipped_bits(&topology, &ticks, &flips);
    }
}

/// By time of arrival rows of one millisecond are rows, and none waits for the next one.
#[test]
fn rows_of_one_moment_of_arrival() {
    let mut node = scan();
    node.schema.columns.swap_remove(ZONE);
    node.schema.columns[2] = Column { name: "arrived_at".into(), data_type: DataType::Timestamp(3) };
    node.schema.columns[TIME] = Column { name: "n".into(), data_type: DataType::Int };
    (node.schema.event_time, node.schema.device) = (Some(2), Some(0));
    let report = Report {
        time: 2,
        partition: vec![0],
        remembered: vec![column(1, DataType::Int)],
        watches: Vec::new(),
        condition: None,
    };
    let source = PlanSource {
        name: "readings".to_owned(),
        schema: node.schema.clone(),
        watermark: Watermark::Device(DeviceWatermark { delay_ms: 1, ..settings() }),
        by_arrival: true,
        primary_key: Vec::new(),
        computed: Vec::new(),
    };
    let schema = node.schema.clone();
    let root = Node { kind: NodeKind::Report { input: Box::new(node), report: Box::new(report) }, schema };
    let query = PlanQuery { name: "q".to_owned(), root, state_ttl_ms: None, gives_late: false };
    let topology = Arc::new(Topology { tables: Vec::new(), sources: vec![source], queries: vec![query] });
    let mut engine = Engine::new(topology, Limits { output_bytes_max: usize::MAX });
    let row = |n| vec![Value::string("p"), Value::Int(n), Value::Timestamp(5_000_000)];
    let step = one_step(&mut engine, 5_000, vec![row(1), row(2), row(3)]);
    let pairs: Vec<(Value, Value)> =
        step.outputs.iter().map(|output| (output.row[1].clone(), output.row[3].clone())).collect();
    let int = Value::Int;
    assert_eq!(pairs, [(int(1), Value::Null), (int(2), int(1)), (int(3), int(2))]);
    assert_eq!(step.counts[0].used, 3);
}
