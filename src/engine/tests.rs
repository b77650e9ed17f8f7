//! The engine as a whole, over generated histories: windows against a naive reference; cuts into ticks, restarts and
//! small outputs change nothing; every row is counted once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{After, Column, DataType, Schema};
use crate::plan::{
    Aggregate, AggregateFunction, ArithmeticOp, CompareOp, DeviceWatermark, Expr, ExprKind, Node, NodeKind,
    Query as PlanQuery, Source as PlanSource, Watermark, Windowing,
};

mod extremes;
mod joins;
mod reports;

const DEVICE: usize = 0;
const TIME: usize = 1;
const ZONE: usize = 2;
const NUMBER: usize = 3;

fn schema(columns: &[(&str, DataType)], event_time: Option<usize>, device: Option<usize>) -> Schema {
    let column = |(name, data_type): &(&str, DataType)| Column { name: Arc::from(*name), data_type: *data_type };
    Schema { columns: columns.iter().map(column).collect(), event_time, device }
}

fn readings() -> Schema {
    let columns =
        [("device", DataType::String), ("ts", DataType::Timestamp(3)), ("zone", DataType::Int), ("n", DataType::Int)];
    schema(&columns, Some(TIME), Some(DEVICE))
}

fn column(index: usize, data_type: DataType) -> Expr {
    Expr { kind: ExprKind::Column(index), data_type }
}

fn number(value: i64) -> Expr {
    Expr { kind: ExprKind::Literal(Value::Int(value)), data_type: DataType::Int }
}

fn scan() -> Node {
    Node { kind: NodeKind::Scan { source: 0 }, schema: readings() }
}

fn aggregate(function: AggregateFunction, argument: Option<Expr>, distinct: bool, data_type: DataType) -> Aggregate {
    Aggregate { function, argument, distinct, filter: None, parameter: Value::Null, data_type }
}

/// COUNT(*), SUM(n), MAX(n), COUNT(DISTINCT n) by the keys.
fn windowed(input: Node, windowing: Windowing, keys: &[(usize, DataType)]) -> Node {
    let n = || Some(column(NUMBER, DataType::Int));
    let aggregates = vec![
        aggregate(AggregateFunction::Count, None, false, DataType::BigInt),
        aggregate(AggregateFunction::Sum, n(), false, DataType::Int),
        aggregate(AggregateFunction::Max, n(), false, DataType::Int),
        aggregate(AggregateFunction::Count, n(), true, DataType::BigInt),
    ];
    let keys: Vec<Expr> = keys.iter().map(|(key, data_type)| column(*key, *data_type)).collect();
    let mut columns: Vec<(&str, DataType)> = keys.iter().map(|key| ("key", key.data_type)).collect();
    columns.extend(aggregates.iter().map(|aggregate| ("aggregate", aggregate.data_type)));
    let window = ["window_start", "window_end", "window_time"];
    columns.extend(window.map(|name| (name, DataType::Timestamp(3))));
    let schema = schema(&columns, Some(columns.len() - 1), None);
    Node { kind: NodeKind::WindowAggregate { input: Box::new(input), time: TIME, windowing, keys, aggregates }, schema }
}

fn filtered(input: Node) -> Node {
    let kind = ExprKind::Compare {
        op: CompareOp::Greater,
        left: Box::new(column(NUMBER, DataType::Int)),
        right: Box::new(number(2)),
    };
    let predicate = Expr { kind, data_type: DataType::Boolean };
    let schema = input.schema.clone();
    Node { kind: NodeKind::Filter { input: Box::new(input), predicate }, schema }
}

/// device, ts, zone, 12 / n: fails where n is 0.
fn divided(input: Node) -> Node {
    let division = ExprKind::Arithmetic {
        op: ArithmeticOp::Divide,
        left: Box::new(number(12)),
        right: Box::new(column(NUMBER, DataType::Int)),
    };
    let exprs = vec![
        column(DEVICE, DataType::String),
        column(TIME, DataType::Timestamp(3)),
        column(ZONE, DataType::Int),
        Expr { kind: division, data_type: DataType::Int },
    ];
    Node { kind: NodeKind::Project { input: Box::new(input), exprs }, schema: readings() }
}

fn topology(watermark: Watermark, roots: Vec<Node>) -> Arc<Topology> {
    let query = |(index, root): (usize, Node)| PlanQuery {
        name: format!("q{index}"),
        root,
        state_ttl_ms: None,
        gives_late: false,
    };
    Arc::new(Topology {
        tables: Vec::new(),
        sources: vec![PlanSource {
            name: "readings".to_owned(),
            schema: readings(),
            watermark,
            by_arrival: false,
            primary_key: Vec::new(),
            computed: Vec::new(),
        }],
        queries: roots.into_iter().enumerate().map(query).collect(),
    })
}

fn tumble(size_ms: i64) -> Windowing {
    Windowing::Tumble { size_ms, offset_ms: 0 }
}

fn hop(slide_ms: i64, size_ms: i64) -> Windowing {
    Windowing::Hop { slide_ms, size_ms, offset_ms: 3 }
}

const BY_DEVICE: (usize, DataType) = (DEVICE, DataType::String);
const BY_ZONE: (usize, DataType) = (ZONE, DataType::Int);

/// By device, by device and zone, by zone, a window over a window, stateless with failures.
fn many_queries() -> Vec<Node> {
    let mut second = windowed(divided(scan()), tumble(10), &[BY_DEVICE, BY_ZONE]);
    // COUNT, SUM … of the first window's rows: its event time is the last column, the device its first.
    let time = second.schema.columns.len() - 1;
    second = windowed(second, tumble(30), &[BY_DEVICE]);
    if let NodeKind::WindowAggregate { time: column, .. } = &mut second.kind {
        *column = time;
    }
    vec![
        windowed(scan(), tumble(10), &[BY_DEVICE]),
        windowed(filtered(scan()), hop(5, 20), &[BY_ZONE, BY_DEVICE]),
        windowed(scan(), hop(10, 30), &[BY_ZONE]),
        windowed(divided(scan()), tumble(7), &[]),
        second,
        divided(filtered(scan())),
    ]
}

fn row(device: u8, time: Millis, zone: i64, n: Option<i64>) -> Row {
    let name = Value::string(&format!("dev-{device}"));
    vec![name, Value::Timestamp(time * 1_000), Value::Int(zone), n.map_or(Value::Null, Value::Int)]
}

#[derive(Clone, Debug)]
struct Tick {
    passed: Millis,
    trusted: bool,
    stepped: Option<Millis>,
    /// The gateway was away for the time that passed.
    started: bool,
    rows: Vec<(u8, Millis, i64, Option<i64>)>,
}

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let number = prop_oneof![1 => Just(None), 9 => (0i64..6).prop_map(Some)];
    let row = (0u8..5, prop_oneof![9 => -30i64..30, 1 => -200i64..200], 0i64..3, number);
    let tick = (
        0i64..60,
        prop::bool::weighted(0.8),
        prop::option::weighted(0.05, 500i64..3_000),
        prop::bool::weighted(0.1),
        prop::collection::vec(row, 0..6),
    );
    let tick =
        tick.prop_map(|(passed, trusted, stepped, started, rows)| Tick { passed, trusted, stepped, started, rows });
    prop::collection::vec(tick, 1..25)
}

fn device_rule() -> impl Strategy<Value = Watermark> {
    (0i64..20, 1i64..60, 0i64..200, prop::option::of(0i64..50), prop::option::of(0i64..100)).prop_map(
        |(delay_ms, idle_after_ms, lag_max_ms, max_skew_ms, close_after_ms)| {
            Watermark::Device(DeviceWatermark { delay_ms, idle_after_ms, lag_max_ms, max_skew_ms, close_after_ms })
        },
    )
}

fn any_rule() -> impl Strategy<Value = Watermark> {
    prop_oneof![1 => (0i64..20).prop_map(|delay_ms| Watermark::Source { delay_ms }), 4 => device_rule()]
}

/// How a history is run; none of it may matter.
#[derive(Clone, Copy, Debug, Default)]
struct Manner {
    /// An empty step before each one, at this share of the time passed.
    cut_percent: Option<i64>,
    output_bytes_max: Option<usize>,
    restore: bool,
}

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    outputs: Vec<Output>,
    failures: Vec<Failure>,
    counts: Vec<QueryCounts>,
    state: Vec<Vec<u8>>,
}

struct Run {
    topology: Arc<Topology>,
    engine: Engine,
    manner: Manner,
    outcome: Outcome,
}

fn limits(manner: Manner) -> Limits {
    Limits { output_bytes_max: manner.output_bytes_max.unwrap_or(usize::MAX) }
}

fn snapshots(engine: &Engine, topology: &Topology) -> Vec<Vec<u8>> {
    let sources = (0..topology.sources.len()).map(|source| engine.snapshot_source(source));
    sources.chain((0..topology.queries.len()).map(|query| engine.snapshot_query(query))).collect()
}

impl Run {
    fn new(topology: &Arc<Topology>, manner: Manner) -> Run {
        let engine = Engine::new(topology.clone(), limits(manner));
        let counts = vec![QueryCounts::default(); topology.queries.len()];
        Run { topology: topology.clone(), engine, manner, outcome: Outcome { counts, ..Outcome::default() } }
    }

    fn keep(&mut self, step: Step) -> bool {
        self.outcome.outputs.extend(step.outputs);
        self.outcome.failures.extend(step.failures);
        for (total, counts) in self.outcome.counts.iter_mut().zip(step.counts) {
            total.used += counts.used;
            total.filtered += counts.filtered;
            total.late += counts.late;
            total.failed += counts.failed;
        }
        step.more
    }

    fn step(&mut self, now: Now, rows: Vec<Row>) {
        let is_quiet = rows.is_empty()
            && now.after == After::Tick
            && self.engine.last.is_some_and(|last| last.trusted == now.trusted);
        let is_early = self.engine.next_deadline().is_none_or(|deadline| now.millis < deadline);
        let rows = rows.into_iter().map(|values| InputRow { arrival: now.millis, values }).collect();
        let mut step = self.engine.step(now, vec![Input { source: 0, rows }]);
        assert!(!is_quiet || !is_early || step.outputs.is_empty(), "it said that nothing would come before");
        while self.keep(step) {
            step = self.engine.step(now, Vec::new());
        }
        if self.manner.restore {
            self.restore();
        }
    }

    fn restore(&mut self) {
        let saved = snapshots(&self.engine, &self.topology);
        let last = self.engine.last;
        self.engine = Engine::new(self.topology.clone(), limits(self.manner));
        for (query, state) in saved[1..].iter().enumerate() {
            self.engine.restore_query(query, state).unwrap();
        }
        self.engine.restore_source(0, &saved[0]).unwrap();
        self.engine.last = last;
        assert_eq!(snapshots(&self.engine, &self.topology), saved);
    }

    fn history(mut self, ticks: &[Tick]) -> Outcome {
        let mut now = Now { millis: 1_000, trusted: false, after: After::Tick };
        self.step(now, Vec::new());
        for tick in ticks {
            let before = now.millis;
            now = Now { millis: before + tick.passed, trusted: tick.trusted, after: After::Tick };
            if let Some(to) = tick.stepped {
                now = Now { millis: to, trusted: tick.trusted, after: After::Step };
            } else if tick.started {
                now.after = After::Start;
            } else if let Some(percent) = self.manner.cut_percent {
                self.step(Now { millis: before + tick.passed * percent / 100, ..now }, Vec::new());
            }
            let rows = tick.rows.iter().map(|(device, ahead, zone, n)| row(*device, now.millis + ahead, *zone, *n));
            self.step(now, rows.collect());
        }
        self.outcome.state = snapshots(&self.engine, &self.topology);
        while {
            let step = self.engine.finish();
            self.keep(step)
        } {}
        self.outcome
    }
}

/// What came out, in an order that does not depend on when.
fn sorted(outputs: &[Output]) -> Vec<String> {
    let mut texts: Vec<String> = outputs.iter().map(|output| format!("{output:?}")).collect();
    texts.sort();
    texts
}

/// Restores what is left of a history with some bits flipped: each query's state is refused, or the history goes on.
fn restore_with_flipped_bits(topology: &Arc<Topology>, ticks: &[Tick], flips: &[(usize, u8)]) {
    let saved = Run::new(topology, Manner::default()).history(ticks).state;
    for (query, state) in saved[1..].iter().enumerate() {
        let mut state = state.clone();
        for (at, bit) in flips {
            let at = at % state.len();
            state[at] ^= 1 << bit;
        }
        let mut run = Run::new(topology, Manner::default());
        if run.engine.restore_query(query, &state).is_ok() {
            run.history(ticks);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cuts_restarts_and_small_outputs_change_nothing(watermark in any_rule(), ticks in ticks(), percent in 0i64..=100, bytes in 1usize..1_000) {
        let topology = topology(watermark, many_queries());
        let straight = Run::new(&topology, Manner::default()).history(&ticks);
        for manner in [
            Manner { cut_percent: Some(percent), ..Manner::default() },
            Manner { output_bytes_max: Some(bytes), ..Manner::default() },
            Manner { restore: true, ..Manner::default() },
            Manner { cut_percent: Some(percent), output_bytes_max: Some(bytes), restore: true },
        ] {
            let other = Run::new(&topology, manner).history(&ticks);
            prop_assert_eq!(&other, &straight, "{:?}", manner);
        }
        let rows: u64 = ticks.iter().map(|tick| tick.rows.len() as u64).sum();
        for counts in &straight.counts {
            prop_assert_eq!(counts.used + counts.filtered + counts.late + counts.failed, rows);
        }
        let failed: u64 = straight.counts.iter().map(|counts| counts.failed).sum();
        prop_assert_eq!(straight.failures.iter().filter(|failure| failure.is_input).count() as u64, failed);
    }

    /// Flink's rule, against windows kept as lists of rows.
    #[test]
    fn windows_are_flinks(
        rows in prop::collection::vec((0u8..3, 0i64..300, prop::option::of(0i64..5)), 0..80),
        delay_ms in 0i64..30, slide in 1i64..20, panes in 1i64..6, offset in -10i64..10,
    ) {
        let windowing = Windowing::Hop { slide_ms: slide, size_ms: slide * panes, offset_ms: offset };
        let topology = topology(Watermark::Source { delay_ms }, vec![windowed(scan(), windowing, &[BY_DEVICE])]);
        let mut engine = Engine::new(topology, Limits { output_bytes_max: usize::MAX });
        let mut open: BTreeMap<(Millis, u8), Vec<Option<i64>>> = BTreeMap::new();
        let mut watermark = 0;
        let flush = |open: &mut BTreeMap<(Millis, u8), Vec<Option<i64>>>, watermark: Millis, step: &Step| {
            let mut expected = Vec::new();
            while let Some(entry) = open.first_entry() {
                // At 0 there is no watermark yet: nothing is late, and nothing closes.
                if watermark == 0 || entry.key().0 - 1 > watermark {
                    break;
                }
                let ((end, device), numbers) = entry.remove_entry();
                let seen: Vec<i64> = numbers.iter().flatten().copied().collect();
                let distinct: std::collections::BTreeSet<i64> = seen.iter().copied().collect();
                let stamp = |millis: Millis| Value::Timestamp(millis * 1_000);
                expected.push(vec![
                    Value::string(&format!("dev-{device}")),
                    Value::Int(numbers.len() as i64),
                    if seen.is_empty() { Value::Null } else { Value::Int(seen.iter().sum()) },
                    seen.iter().max().map_or(Value::Null, |max| Value::Int(*max)),
                    Value::Int(distinct.len() as i64),
                    stamp(end - slide * panes),
                    stamp(end),
                    stamp(end - 1),
                ]);
            }
            let mut ours: Vec<Row> = step.outputs.iter().map(|output| output.row.clone()).collect();
            assert!(ours.windows(2).all(|pair| matches!((&pair[0][6], &pair[1][6]), (Value::Timestamp(a), Value::Timestamp(b)) if a <= b)));
            ours.sort_by_key(|row| format!("{:?}{:?}", row[6], row[0]));
            expected.sort_by_key(|row| format!("{:?}{:?}", row[6], row[0]));
            assert_eq!(ours, expected);
        };
        let now = Now { millis: 0, trusted: false, after: After::Tick };
        for (device, time, n) in rows {
            let values = row(device, time, 0, n);
            let step = engine.step(now, vec![Input { source: 0, rows: vec![InputRow { arrival: 0, values }] }]);
            let mut kept = false;
            for end in time + 1..=time + slide * panes {
                if (end - offset).rem_euclid(slide) == 0 && (watermark == 0 || end - 1 > watermark) {
                    open.entry((end, device)).or_default().push(n);
                    kept = true;
                }
            }
            prop_assert_eq!(step.counts[0].late, u64::from(!kept));
            watermark = watermark.max(time - delay_ms);
            flush(&mut open, watermark, &step);
        }
        flush(&mut open, Millis::MAX, &engine.finish());
    }

    #[test]
    fn hostile_state_is_refused_or_harmless(watermark in any_rule(), ticks in ticks(), flips in prop::collection::vec((any::<usize>(), 0u8..8), 1..4)) {
        let topology = topology(watermark, many_queries());
        restore_with_flipped_bits(&topology, &ticks, &flips);
    }
}

fn one_step(engine: &mut Engine, now: Millis, rows: Vec<Row>) -> Step {
    let rows = rows.into_iter().map(|values| InputRow { arrival: now, values }).collect();
    engine.step(Now { millis: now, trusted: true, after: After::Tick }, vec![Input { source: 0, rows }])
}

fn settings() -> DeviceWatermark {
    DeviceWatermark {
        delay_ms: 0,
        idle_after_ms: 1_000,
        lag_max_ms: 3_600_000,
        max_skew_ms: None,
        close_after_ms: None,
    }
}

/// A million windows at once come in steps of bounded size, in the order in which one step would have put them out.
#[test]
fn a_million_windows_close_in_bounded_steps() {
    const KEYS: i64 = 1_000_000;
    const STEP_BYTES: usize = 1 << 20;
    let watermark = Watermark::Source { delay_ms: 0 };
    let topology = topology(watermark, vec![windowed(scan(), tumble(1_000), &[BY_ZONE])]);
    let mut engine = Engine::new(topology, Limits { output_bytes_max: STEP_BYTES });
    for block in 0..KEYS / 1_000 {
        let rows = (block * 1_000..(block + 1) * 1_000).map(|key| row(0, 1, key, Some(1))).collect();
        assert!(one_step(&mut engine, 1, rows).outputs.is_empty());
    }
    let mut step = one_step(&mut engine, 2, vec![row(0, 5_000, 0, Some(1)), row(0, 1, 0, Some(1))]);
    let mut next_key = 0;
    loop {
        let bytes: usize = step.outputs.iter().map(|output| query::row_bytes(&output.row)).sum();
        assert!(bytes <= STEP_BYTES + 1_000, "{bytes}");
        for output in &step.outputs {
            assert_eq!(output.row[0], Value::Int(next_key));
            next_key += 1;
        }
        if !step.more {
            break;
        }
        assert_eq!(step.counts[0].late, 0, "no row before all has fired");
        step = engine.step(Now { millis: 2, trusted: true, after: After::Tick }, Vec::new());
    }
    assert_eq!(next_key, KEYS);
    assert_eq!(step.counts[0].late, 1, "the row after the one that fired");
}

#[test]
fn a_key_is_small() {
    const KEYS: usize = 100_000;
    let value = || Some(column(NUMBER, DataType::Double));
    let mut root = windowed(scan(), tumble(1_000), &[BY_DEVICE]);
    if let NodeKind::WindowAggregate { aggregates, .. } = &mut root.kind {
        *aggregates = vec![
            aggregate(AggregateFunction::Count, None, false, DataType::BigInt),
            aggregate(AggregateFunction::Avg, value(), false, DataType::Double),
            aggregate(AggregateFunction::Min, value(), false, DataType::Double),
            aggregate(AggregateFunction::Max, value(), false, DataType::Double),
        ];
    }
    for watermark in [Watermark::Source { delay_ms: 0 }, Watermark::Device(settings())] {
        let mut engine = Engine::new(topology(watermark, vec![root.clone()]), Limits { output_bytes_max: usize::MAX });
        for key in 0..KEYS {
            let name = Value::string(&format!("dev-{key:07}"));
            one_step(&mut engine, 1, vec![vec![name, Value::Timestamp(1_000), Value::Null, Value::Double(1.5)]]);
        }
        let bytes = engine.state_bytes(0) / KEYS;
        assert!((100..=220).contains(&bytes), "{bytes} bytes a key");
        while engine.finish().more {}
        assert!(engine.state_bytes(0) < 100_000, "{} bytes are kept", engine.state_bytes(0));
    }
}

#[test]
fn sums_do_not_drift() {
    let value = || Some(column(NUMBER, DataType::Double));
    let mut root = windowed(scan(), hop(10, 1_000), &[]);
    if let NodeKind::WindowAggregate { aggregates, .. } = &mut root.kind {
        *aggregates = vec![aggregate(AggregateFunction::Sum, value(), false, DataType::Double)];
    }
    let mut engine =
        Engine::new(topology(Watermark::Source { delay_ms: 0 }, vec![root]), Limits { output_bytes_max: usize::MAX });
    // 1e16 hides a naive sum's last digits; in pairs it cancels out.
    let numbers = [1e16, 0.1, -1e16, 0.1].into_iter().cycle().take(800);
    let rows = numbers
        .enumerate()
        .map(|(at, x)| vec![Value::Null, Value::Timestamp(at as i64 * 1_000), Value::Null, Value::Double(x)]);
    one_step(&mut engine, 1, rows.collect());
    let sums: Vec<Value> = engine.finish().outputs.into_iter().map(|output| output.row[0].clone()).collect();
    let all =
        sums.iter().filter_map(|sum| if let Value::Double(sum) = sum { Some(*sum) } else { None }).fold(0.0, f64::max);
    assert!(sums.iter().any(|sum| matches!(sum, Value::Double(sum) if (sum - 40.0).abs() < 1e-12)), "{all}");
}

#[test]
fn one_failing_query_does_not_touch_another() {
    let topology = topology(Watermark::Source { delay_ms: 0 }, vec![divided(scan()), filtered(scan())]);
    let mut engine = Engine::new(topology, Limits { output_bytes_max: usize::MAX });
    let mut without_time = row(1, 0, 0, Some(4));
    without_time[TIME] = Value::Null;
    let step = one_step(&mut engine, 1, vec![row(1, 5, 0, Some(0)), row(1, 6, 0, Some(3)), without_time]);
    assert_eq!(step.counts[0], QueryCounts { used: 1, failed: 2, ..QueryCounts::default() });
    assert_eq!(step.counts[1], QueryCounts { used: 1, filtered: 1, failed: 1, ..QueryCounts::default() });
    assert!(step.failures[0].reason.contains("division by zero"), "{}", step.failures[0].reason);
    assert_eq!(step.failures[0].row, row(1, 5, 0, Some(0)));
}

/// A device that was silent while the gateway was away was not idle for that: it gets its whole time again.
#[test]
fn idleness_starts_anew_at_a_start() {
    let rule = DeviceWatermark { close_after_ms: None, ..settings() };
    assert_eq!(rule.idle_after_ms, 1_000);
    let queries = vec![windowed(scan(), tumble(10_000), &[BY_ZONE])];
    let topology = topology(Watermark::Device(rule), queries);
    let unlimited = || Limits { output_bytes_max: usize::MAX };
    // Without the start both devices would be idle at once, and the shared watermark would follow the clock.
    for (after, windows) in [(After::Start, [0, 0, 1]), (After::Tick, [2, 0, 0])] {
        let mut engine = Engine::new(topology.clone(), unlimited());
        let tick = |engine: &mut Engine, millis, after, rows: Vec<Row>| {
            let rows = rows.into_iter().map(|values| InputRow { arrival: millis, values }).collect();
            engine.step(Now { millis, trusted: true, after }, vec![Input { source: 0, rows }]).outputs.len()
        };
        // Device 2 is a window behind device 1 and holds the shared watermark.
        let rows = vec![row(2, 81_000, 0, Some(1)), row(1, 100_000, 0, Some(1))];
        assert_eq!(tick(&mut engine, 100_000, After::Tick, rows), 0);
        // The gateway is away for an hour; device 1 comes back first.
        let saved = snapshots(&engine, &topology);
        engine = Engine::new(topology.clone(), unlimited());
        engine.restore_query(0, &saved[1]).unwrap();
        engine.restore_source(0, &saved[0]).unwrap();
        let closed = [
            tick(&mut engine, 3_700_000, after, vec![row(1, 100_500, 0, Some(1))]),
            tick(&mut engine, 3_700_999, After::Tick, vec![row(1, 100_600, 0, Some(1))]),
            // Only now device 2 has been silent for as long as it may.
            tick(&mut engine, 3_701_000, After::Tick, vec![row(1, 100_700, 0, Some(1))]),
        ];
        assert_eq!(closed, windows, "{after:?}");
    }
}

/// The clock decides only what it may.
#[test]
fn clocks() {
    let by_device = || windowed(scan(), tumble(10_000), &[BY_DEVICE]);
    let rule = DeviceWatermark { max_skew_ms: Some(5_000), close_after_ms: Some(30_000), ..settings() };
    let mut engine =
        Engine::new(topology(Watermark::Device(rule), vec![by_device()]), Limits { output_bytes_max: usize::MAX });
    let tick = |engine: &mut Engine, millis, trusted, rows: Vec<Row>| {
        let rows = rows.into_iter().map(|values| InputRow { arrival: millis, values }).collect();
        engine.step(Now { millis, trusted, after: After::Tick }, vec![Input { source: 0, rows }]).outputs
    };
    // Ten years ahead: five seconds are believed, so the window of 100,000 to 110,000 takes it.
    assert!(tick(&mut engine, 100_000, true, vec![row(1, 315_000_000_000, 0, Some(1))]).is_empty());
    // Thirty seconds of silence; without trust in the clock nothing closes.
    assert!(tick(&mut engine, 131_000, false, Vec::new()).is_empty());
    assert_eq!(engine.next_deadline(), None, "an untrusted clock closes nothing");
    let closed = tick(&mut engine, 132_000, true, Vec::new());
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].row[6], Value::Timestamp(110_000_000));
    // The device comes back: what it brings for that window is late, what is newer counts.
    tick(&mut engine, 133_000, true, vec![row(1, 104_000, 0, Some(1)), row(1, 133_000, 0, Some(1))]);
    assert_eq!(engine.next_deadline(), Some(134_000), "then it is idle");
    assert!(tick(&mut engine, 162_000, true, Vec::new()).is_empty());
    assert_eq!(engine.next_deadline(), Some(163_000), "then it is silent");
    assert_eq!(tick(&mut engine, 163_000, true, Vec::new()).len(), 1);
}
