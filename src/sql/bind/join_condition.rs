//! The conditions of a join, each for what it is good for: equal keys, a bound in time, or a test of each pair.

use super::Relation;
use crate::model::{Millis, Value};
use crate::plan::{CompareOp, Expr, ExprKind};

/// Which sides a condition speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    Left,
    Right,
    Both,
    /// No column at all.
    None,
}

/// Columns below `width` are the left side's.
pub fn within(expr: &Expr, width: usize) -> Split {
    let own = match expr.kind {
        ExprKind::Column(column) if column < width => Split::Left,
        ExprKind::Column(_) => Split::Right,
        _ => Split::None,
    };
    expr.children().into_iter().fold(own, |sum, child| match (sum, within(child, width)) {
        (Split::None, side) | (side, Split::None) => side,
        (one, other) if one == other => one,
        _ => Split::Both,
    })
}

/// The expression over the right side's own columns.
pub fn rebased(mut expr: Expr, width: usize) -> Expr {
    fn shift(expr: &mut Expr, width: usize) {
        if let ExprKind::Column(column) = &mut expr.kind {
            *column -= width;
        }
        expr.children_mut().into_iter().for_each(|child| shift(child, width));
    }
    shift(&mut expr, width);
    expr
}

/// The times of both sides, and how much later the right one is: at least, at most.
type Interval = ([usize; 2], Millis, Millis);

pub struct Conditions {
    /// Each over the columns of its own side.
    pub keys: Vec<(Expr, Expr)>,
    pub interval: Option<Interval>,
    /// What the interval says, as it was written.
    bounds: Vec<Expr>,
    pub residual: Vec<Expr>,
}

impl Conditions {
    /// Where there is no interval join, its bounds are tests like others.
    pub fn all_residual(&self) -> Vec<Expr> {
        self.bounds.iter().chain(&self.residual).cloned().collect()
    }

    /// Columns window_end of both sides, if the keys say that partners are in the same window.
    pub fn window(&self, left: &Relation, right: &Relation) -> Option<[usize; 2]> {
        let ([left_start, left_end], [right_start, right_end]) = (window_columns(left)?, window_columns(right)?);
        let equal = |l: usize, r: usize| {
            let is_key =
                |(left, right): &(Expr, Expr)| left.kind == ExprKind::Column(l) && right.kind == ExprKind::Column(r);
            self.keys.iter().any(is_key)
        };
        (equal(left_start, right_start) && equal(left_end, right_end)).then_some([left_end, right_end])
    }
}

/// window_start and window_end of rows that stand in windows.
fn window_columns(relation: &Relation) -> Option<[usize; 2]> {
    Some([relation.window.start?, relation.window.end?])
}

/// A bound of `right time - left time`.
struct Bound {
    times: [usize; 2],
    at_least: Option<Millis>,
    at_most: Option<Millis>,
}

pub fn split(conditions: Vec<Expr>, left: &Relation, right: &Relation) -> Conditions {
    let width = left.schema().columns.len();
    let mut found = Conditions { keys: Vec::new(), interval: None, bounds: Vec::new(), residual: Vec::new() };
    let (mut times, mut lower, mut upper) = (None, None, None);
    for condition in conditions {
        if let Some(bound) = time_bound(&condition, left, right).filter(|bound| times.is_none_or(|t| t == bound.times))
        {
            times = Some(bound.times);
            lower = lower.max(bound.at_least);
            upper = match (upper, bound.at_most) {
                (Some(one), Some(other)) => Some(Millis::min(one, other)),
                (one, other) => one.or(other),
            };
            found.bounds.push(condition);
            continue;
        }
        match equal_sides(&condition, width) {
            Some(key) => found.keys.push(key),
            None => found.residual.push(condition),
        }
    }
    if let (Some(times), Some(lower), Some(upper)) = (times, lower, upper) {
        found.interval = Some((times, lower, upper));
    }
    found
}

/// `left expression = right expression`, each over its own side.
pub fn equal_sides(condition: &Expr, width: usize) -> Option<(Expr, Expr)> {
    let ExprKind::Compare { op: CompareOp::Equal, left, right } = &condition.kind else { return None };
    match (within(left, width), within(right, width)) {
        (Split::Left, Split::Right) => Some(((**left).clone(), rebased((**right).clone(), width))),
        (Split::Right, Split::Left) => Some(((**right).clone(), rebased((**left).clone(), width))),
        _ => None,
    }
}

/// A comparison of an event time of one side with one of the other.
fn time_bound(condition: &Expr, left: &Relation, right: &Relation) -> Option<Bound> {
    let ExprKind::Compare { op, left: a, right: b } = &condition.kind else { return None };
    let width = left.schema().columns.len();
    let ((a, a_plus), (b, b_plus)) = (moved_time(a)?, moved_time(b)?);
    let is_left = |column: usize| left.times.contains(&column);
    let is_right = |column: usize| column >= width && right.times.contains(&(column - width));
    // As `left + l_plus op right + r_plus`.
    let (times, op, l_plus, r_plus) = if is_left(a) && is_right(b) {
        ([a, b - width], *op, a_plus, b_plus)
    } else if is_right(a) && is_left(b) {
        ([b, a - width], mirrored(*op), b_plus, a_plus)
    } else {
        return None;
    };
    let later = l_plus - r_plus;
    let (at_least, at_most) = match op {
        CompareOp::Less => (Some(later + 1), None),
        CompareOp::LessOrEqual => (Some(later), None),
        CompareOp::Greater => (None, Some(later - 1)),
        CompareOp::GreaterOrEqual => (None, Some(later)),
        CompareOp::Equal => (Some(later), Some(later)),
        CompareOp::NotEqual => return None,
    };
    Some(Bound { times, at_least, at_most })
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Less => CompareOp::Greater,
        CompareOp::LessOrEqual => CompareOp::GreaterOrEqual,
        CompareOp::Greater => CompareOp::Less,
        CompareOp::GreaterOrEqual => CompareOp::LessOrEqual,
        CompareOp::Equal | CompareOp::NotEqual => op,
    }
}

/// A column with intervals added: the column, and milliseconds.
fn moved_time(expr: &Expr) -> Option<(usize, Millis)> {
    match &expr.kind {
        ExprKind::Column(column) => Some((*column, 0)),
        ExprKind::AddInterval { time, interval, negative } => {
            let (column, plus) = moved_time(time)?;
            let ExprKind::Literal(Value::Int(millis)) = interval.kind else { return None };
            if interval.data_type != crate::model::DataType::IntervalMillis {
                return None;
            }
            Some((column, if *negative { plus.checked_sub(millis)? } else { plus.checked_add(millis)? }))
        }
        _ => None,
    }
}
