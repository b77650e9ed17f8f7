//! What a plant does at its worst: a million devices, a clock ten years ahead, a day of data out of order. Memory stays
//! bounded, every row is counted, and nobody else's results change.

use super::*;
use crate::engine::DEVICES_MAX;

const HOUR_MS: Millis = 3_600_000;
const DAY_MS: Millis = 24 * HOUR_MS;
const TEN_YEARS_MS: Millis = 3_650 * DAY_MS;
const START_MS: Millis = 20_000 * DAY_MS;

fn unlimited() -> Limits {
    Limits { output_bytes_max: usize::MAX }
}

fn device_rule() -> DeviceWatermark {
    DeviceWatermark { idle_after_ms: 60_000, max_skew_ms: Some(300_000), ..settings() }
}

fn tick(engine: &mut Engine, millis: Millis, trusted: bool, rows: Vec<Row>) -> Step {
    let rows = rows.into_iter().map(|values| InputRow { arrival: millis, values }).collect();
    engine.step(Now { millis, trusted, after: After::Tick }, vec![Input { source: 0, rows }])
}

/// Beyond the limit the device that was heard longest ago is forgotten: its windows close, and its memory goes.
#[test]
fn a_million_devices_and_more_take_no_more_memory() {
    const BLOCK: usize = 1 << 16;
    let root = windowed(scan(), tumble(HOUR_MS), &[BY_DEVICE]);
    let mut engine = Engine::new(topology(Watermark::Device(device_rule()), vec![root]), unlimited());
    let (mut full, mut closed, mut used) = (0, 0, 0);
    // What is held for a place that was given up may grow once more.
    let full_after = DEVICES_MAX + BLOCK;
    for block in 0..DEVICES_MAX / BLOCK + 3 {
        let device = |at: usize| Value::string(&format!("device-{}", block * BLOCK + at));
        let row = |at| vec![device(at), Value::Timestamp(START_MS * 1_000), Value::Int(1), Value::Int(1)];
        let step = tick(&mut engine, START_MS + block as Millis, true, (0..BLOCK).map(row).collect());
        closed += step.outputs.len();
        used += step.counts[0].used;
        let bytes = engine.state_bytes(0) + engine.source_state_bytes(0);
        if (block + 1) * BLOCK == full_after {
            full = bytes;
            assert!(full / DEVICES_MAX < 500, "{} bytes a device", full / DEVICES_MAX);
        } else if full > 0 {
            assert!(bytes <= full + full / 50, "{bytes} bytes, {full} when all places were taken");
        }
    }
    assert_eq!((closed, used), (3 * BLOCK, (DEVICES_MAX + 3 * BLOCK) as u64));
}

/// Rows of three good devices every second, of one that is ten years ahead beside them, and what came out of either.
fn with_a_clock_ten_years_ahead(is_there: bool, trusted: bool) -> (Vec<String>, QueryCounts) {
    let roots =
        vec![windowed(scan(), tumble(10_000), &[BY_DEVICE]), windowed(filtered(scan()), tumble(10_000), &[BY_ZONE])];
    let mut engine = Engine::new(topology(Watermark::Device(device_rule()), roots), unlimited());
    let (mut outputs, mut counts) = (Vec::new(), QueryCounts::default());
    for second in 0..120 {
        let now = START_MS + second * 1_000;
        let good = (0..3).map(|device| row(device, now, 0, Some(i64::from(device) + 2)));
        // The second query leaves it out, but its time is one of the source's.
        let ahead = row(9, now + TEN_YEARS_MS, 0, Some(1));
        let step = tick(&mut engine, now, trusted, good.chain(is_there.then_some(ahead)).collect());
        counts.used += step.counts[0].used;
        counts.late += step.counts[0].late;
        outputs.extend(step.outputs);
        assert!(engine.state_bytes(0) < 20_000, "{}", engine.state_bytes(0));
    }
    let of_others = outputs.into_iter().filter(|output| output.row[0] != Value::string("dev-9"));
    (sorted(&of_others.collect::<Vec<_>>()), counts)
}

#[test]
fn a_clock_ten_years_ahead_changes_nothing_for_the_others() {
    for trusted in [true, false] {
        let (without, _) = with_a_clock_ten_years_ahead(false, trusted);
        let (with, counts) = with_a_clock_ten_years_ahead(true, trusted);
        assert_eq!(with, without, "trusted: {trusted}");
        assert!(with.len() >= 4 * 10, "{}", with.len());
        assert_eq!((counts.used, counts.late), (4 * 120, 0));
    }
}

/// By Flink's rule there is one time line: what comes after such a row is late, and counted.
#[test]
fn by_flinks_rule_a_clock_ten_years_ahead_makes_all_others_late() {
    let root = windowed(scan(), tumble(10_000), &[BY_DEVICE]);
    let mut engine = Engine::new(topology(Watermark::Source { delay_ms: 5_000 }, vec![root]), unlimited());
    one_step(&mut engine, 0, vec![row(0, START_MS, 0, Some(1)), row(9, START_MS + TEN_YEARS_MS, 0, Some(1))]);
    let step = one_step(&mut engine, 0, (0..60).map(|at| row(1, START_MS + at * 1_000, 0, Some(1))).collect());
    assert_eq!((step.outputs.len(), step.counts[0].late, step.counts[0].used), (0, 60, 0));
    assert!(engine.state_bytes(0) < 10_000);
}

/// A row a minute of each of five devices over a day, in an order that jumps through all of it.
fn a_day() -> (Vec<Row>, Vec<Row>) {
    let in_order: Vec<Row> =
        (0..5 * 1_440).map(|at| row(at as u8 % 5, START_MS + at / 5 * 60_000, 0, Some(at % 7))).collect();
    // 4,001 has no divisor in common with 7,200: every row once.
    let out_of_order = (0..in_order.len()).map(|at| in_order[at * 4_001 % in_order.len()].clone()).collect();
    (in_order, out_of_order)
}

fn run_day(watermark: Watermark, rows: &[Row]) -> (Vec<String>, QueryCounts, usize) {
    let root = windowed(scan(), hop(HOUR_MS / 4, HOUR_MS), &[BY_DEVICE]);
    let mut engine = Engine::new(topology(watermark, vec![root]), unlimited());
    let (mut outputs, mut counts, mut most) = (Vec::new(), QueryCounts::default(), 0);
    for rows in rows.chunks(100) {
        let step = one_step(&mut engine, START_MS, rows.to_vec());
        counts.used += step.counts[0].used;
        counts.late += step.counts[0].late;
        outputs.extend(step.outputs);
        most = most.max(engine.state_bytes(0));
    }
    outputs.extend(engine.finish().outputs);
    assert!(engine.state_bytes(0) < 50_000, "{} bytes are left", engine.state_bytes(0));
    (sorted(&outputs), counts, most)
}

#[test]
fn a_day_out_of_order_gives_what_it_gives_in_order_if_late_after_is_a_day() {
    let (in_order, out_of_order) = a_day();
    let rule = |delay_ms| DeviceWatermark { delay_ms, max_skew_ms: None, ..device_rule() };
    let (expected, counts, _) = run_day(Watermark::Device(rule(0)), &in_order);
    assert_eq!((counts.used, counts.late), (7_200, 0));
    for watermark in [Watermark::Device(rule(DAY_MS)), Watermark::Source { delay_ms: DAY_MS }] {
        let (rows, counts, most) = run_day(watermark, &out_of_order);
        assert_eq!((counts.used, counts.late), (7_200, 0));
        assert_eq!(rows, expected);
        // 96 panes of each device.
        assert!(most < 5 * 96 * 1_000, "{most}");
    }
    // With less time to wait each row is either in its windows or counted as late.
    let (_, counts, most) = run_day(Watermark::Device(rule(HOUR_MS)), &out_of_order);
    assert_eq!(counts.used + counts.late, 7_200);
    assert!(counts.late > 3_600 && counts.used > 300, "{counts:?}");
    assert!(most < 5 * 12 * 1_000, "{most}");
}

/// A device that was away for a day brings it in order, while the others go on: with its own time line it loses nothing.
#[test]
fn a_backlog_of_a_day_loses_nothing_and_holds_nobody_up() {
    let root = windowed(scan(), tumble(60_000), &[BY_DEVICE]);
    let mut engine = Engine::new(topology(Watermark::Device(device_rule()), vec![root]), unlimited());
    let (mut outputs, mut late) = (Vec::new(), 0);
    for minute in 0..1_440 {
        let now = START_MS + DAY_MS + minute * 10;
        let step = tick(
            &mut engine,
            now,
            true,
            vec![row(1, START_MS + DAY_MS + minute * 10, 0, Some(1)), row(2, START_MS + minute * 60_000, 0, Some(1))],
        );
        late += step.counts[0].late;
        outputs.extend(step.outputs);
    }
    let of_the_backlog = outputs.iter().filter(|output| output.row[0] == Value::string("dev-2"));
    assert_eq!((of_the_backlog.count(), late), (1_439, 0), "the last minute is open");
}

/// A row of a sliding window is kept once, in its pane, however many windows it is in.
#[test]
fn the_memory_of_a_sliding_window_does_not_grow_with_its_overlap() {
    let bytes = |size_ms| {
        let root = windowed(scan(), hop(1_000, size_ms), &[BY_ZONE]);
        let mut engine = Engine::new(topology(Watermark::Source { delay_ms: 0 }, vec![root]), unlimited());
        one_step(&mut engine, 0, (0..1_000).map(|zone| row(0, START_MS, zone, Some(1))).collect());
        engine.state_bytes(0)
    };
    assert_eq!(bytes(600_000), bytes(6_000));
}
