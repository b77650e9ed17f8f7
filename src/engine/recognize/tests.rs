//! What the SQL cases do not show: limits, memory, and saved states that are wrong. What matches is Flink's to say
//! (`tests/sql/match_*`).

use proptest::prelude::*;

use super::matcher::{ROWS_MAX, RUNS_MAX};
use super::*;
use crate::engine::eval::Context;
use crate::model::DataType;
use crate::plan::{AfterMatch, CompareOp, End, Expr, ExprKind, Formula, Rows, Term, Variable};

const DEVICE: usize = 0;
const TIME: usize = 1;
const TEMP: usize = 2;

fn column(of: Rows, from: End, offset: usize, column: usize) -> Term {
    Term::Column { of, from, offset, column }
}

/// `temp op 80` of the variable's last row.
fn threshold(variable: usize, op: CompareOp) -> Formula {
    let term = column(Rows::Of(variable), End::Last, 0, TEMP);
    let left = Box::new(Expr::column(0, DataType::Double));
    let right = Box::new(Expr::literal(Value::Double(80.0), DataType::Double));
    let expr = Expr::new(ExprKind::Compare { op, left, right }, DataType::Boolean);
    Formula { terms: vec![term], expr }
}

fn value(term: Term, data_type: DataType) -> Formula {
    Formula { terms: vec![term], expr: Expr::column(0, data_type) }
}

/// PATTERN (hot+ cool), with the first and the last time of hot as measures.
fn held_above(within_ms: Option<Millis>) -> Recognition {
    let variable = |name: &str, max, greedy, condition| {
        let condition = Some(condition);
        Variable { name: name.to_owned(), min: 1, max, greedy, condition }
    };
    let time = DataType::Timestamp(3);
    Recognition {
        time: TIME,
        partition: vec![DEVICE],
        order: Vec::new(),
        pattern: vec![
            variable("hot", None, true, threshold(0, CompareOp::Greater)),
            variable("cool", Some(1), false, threshold(1, CompareOp::LessOrEqual)),
        ],
        within_ms,
        skip: AfterMatch::PastLastRow,
        measures: vec![
            value(column(Rows::Of(0), End::First, 0, TIME), time),
            value(column(Rows::Of(0), End::Last, 0, TIME), time),
            value(Term::MatchTime, time),
        ],
    }
}

struct Run {
    operator: Recognizer,
    state: State,
    out: Out,
}

impl Run {
    fn new(recognition: &Recognition, limited: bool) -> Run {
        Run { operator: Recognizer::new(recognition, limited), state: State::default(), out: Out::default() }
    }

    /// A row of a device at this second; the watermark reaches it at once.
    fn row(&mut self, device: &str, second: i64, temp: f64) {
        let row = [Value::string(device), Value::Timestamp(second * 1_000_000), Value::Double(temp)];
        let at = At { context: Context::default(), watermark: second * 1_000 - 1 };
        let taken = self.operator.take(&mut self.state, 0, &row, &at, &mut self.out).unwrap();
        assert_eq!(taken, Taken::Kept);
        self.watermark(second * 1_000);
    }

    fn watermark(&mut self, watermark: Millis) {
        let at = At { context: Context::default(), watermark };
        while self.operator.fire(&mut self.state, &at, &mut self.out) {}
        assert!(self.out.failed.is_empty());
    }

    fn saved(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.operator.write(&self.state, &mut writer);
        writer.finish()
    }
}

fn seconds(row: &[Value]) -> Vec<i64> {
    row.iter()
        .filter_map(|value| match value {
            Value::Timestamp(micros) => Some(micros / 1_000_000),
            _ => None,
        })
        .collect()
}

#[test]
fn beyond_the_limit_no_run_begins_and_the_oldest_still_wins() {
    let mut run = Run::new(&held_above(None), true);
    let hot = RUNS_MAX as i64 + 500;
    (1..=hot).for_each(|second| run.row("a", second, 90.0));
    run.row("a", hot + 1, 20.0);
    assert_eq!(run.out.rows.iter().map(|row| seconds(row)).collect::<Vec<_>>(), [[1, hot, hot + 1]]);
    assert_eq!(run.out.given_up, 500);
    assert!(run.operator.is_empty(&run.state), "nothing is left of the match");
}

#[test]
fn beyond_the_limit_of_rows_the_oldest_run_is_given_up() {
    let mut run = Run::new(&held_above(None), true);
    let hot = ROWS_MAX as i64 + 7;
    let mut most = 0;
    for second in 1..=hot + 2_000 {
        run.row("a", second, 90.0);
        most = most.max(run.operator.state_bytes(&run.state));
        if second == hot {
            let mut copy = Run::new(&held_above(None), true);
            copy.state = copy.operator.read(&mut Reader::new(&run.saved())).unwrap();
            copy.row("a", hot + 1, 20.0);
            assert_eq!(seconds(&copy.out.rows[0]), [8, hot, hot + 1], "the first seven rows are gone");
        }
    }
    assert!(most < 4 << 20, "{most} bytes");
    run.row("b", hot + 2_001, 90.0);
    run.row("b", hot + 2_002, 20.0);
    assert_eq!(run.out.rows.len(), 1, "the limit is each partition's own");
}

#[test]
fn without_limits_nothing_is_given_up() {
    let mut run = Run::new(&held_above(None), false);
    let hot = RUNS_MAX as i64 * 3;
    (1..=hot).for_each(|second| run.row("a", second, 90.0));
    run.row("a", hot + 1, 20.0);
    assert_eq!(seconds(&run.out.rows[0]), [1, hot, hot + 1]);
    assert_eq!(run.out.given_up, 0);
}

#[test]
fn a_run_that_is_too_old_goes_with_the_watermark_alone() {
    let mut run = Run::new(&held_above(Some(10_000)), true);
    run.row("a", 100, 90.0);
    assert_eq!(run.operator.next_due(&run.state), Some(110_000));
    run.watermark(109_999);
    assert!(!run.operator.is_empty(&run.state));
    run.watermark(110_000);
    assert!(run.operator.is_empty(&run.state));
    assert!(run.out.rows.is_empty());
}

#[test]
fn a_late_row_is_late_only_when_there_is_a_watermark() {
    let mut run = Run::new(&held_above(None), true);
    let row = [Value::string("a"), Value::Timestamp(-5_000_000), Value::Double(90.0)];
    let mut take = |watermark| {
        let at = At { context: Context::default(), watermark };
        run.operator.take(&mut run.state, 0, &row, &at, &mut run.out).unwrap()
    };
    assert_eq!((take(0), take(1)), (Taken::Kept, Taken::Late));
}

proptest! {
    #[test]
    fn a_saved_state_comes_back(rows in prop::collection::vec((0usize..3, 0i64..4, 60.0..100.0), 1..60), wait in 0i64..20) {
        let mut run = Run::new(&held_above(Some(8_000)), true);
        let mut second = 1;
        for (device, step, temp) in rows {
            second += step;
            let row = [Value::string(["a", "b", "c"][device]), Value::Timestamp(second * 1_000_000), Value::Double(temp)];
            let at = At { context: Context::default(), watermark: (second - wait) * 1_000 - 1 };
            run.operator.take(&mut run.state, 0, &row, &at, &mut run.out).unwrap();
            run.watermark((second - wait) * 1_000);
            let saved = run.saved();
            let restored = run.operator.read(&mut Reader::new(&saved)).unwrap();
            prop_assert_eq!(run.operator.next_due(&restored), run.operator.next_due(&run.state));
            run.state = restored;
            prop_assert_eq!(run.saved(), saved);
        }
        run.watermark(Millis::MAX);
        prop_assert!(run.operator.is_empty(&run.state));
    }

    #[test]
    fn no_saved_bytes_make_it_panic(cut in 0usize..400, flip in 0usize..400, bits: u8) {
        let mut run = Run::new(&held_above(Some(1_000_000)), true);
        for second in 1..12 {
            run.row(["a", "b"][second as usize % 2], second, 75.0 + second as f64);
        }
        let mut saved = run.saved();
        saved.truncate(cut.max(1));
        let at = flip % saved.len();
        saved[at] ^= bits;
        if let Ok(state) = run.operator.read(&mut Reader::new(&saved)) {
            run.state = state;
            run.watermark(Millis::MAX);
        }
    }
}
