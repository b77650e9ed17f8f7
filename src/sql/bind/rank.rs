//! ROW_NUMBER with a limit on the number: Top-N and deduplication.
//!
//! Flink knows them by their form: a subquery with `ROW_NUMBER() OVER (…) AS rn`, and `rn <= n` around it. The number
//! is bound without its limit; WHERE hands the limit down; what is left without one at the end must be a plain number
//! in order of time.

use super::expr::{Bound, compare};
use super::over::numbered;
use super::select::filtered;
use super::{Binder, Bounds, Relation, ended};
use crate::model::{Column, DataType, Value};
use crate::plan::{CompareOp, Expr, ExprKind, Frame, Node, NodeKind, OverOrder, Ranking};
use crate::sql::span::{Problem, Span};

impl Binder<'_> {
    /// WHERE over a relation; limits of a ROW_NUMBER go down to it.
    pub(super) fn restricted(&mut self, mut relation: Relation, predicate: Expr) -> Relation {
        let mut conditions = Vec::new();
        flatten(predicate, &mut conditions);
        // Upper limits first: without one there is no ranking for a lower one to narrow.
        for upper in [true, false] {
            conditions.retain(|condition| {
                let Some((column, first, last)) = limit(condition) else { return true };
                if upper && last.is_none() {
                    return true;
                }
                !narrow(&mut relation.node, column, first, last)
            });
        }
        if self.bounds == Bounds::Ends && is_of_all_rows(&relation.node) {
            relation = ended(relation);
        }
        match conditions.len() {
            0 => relation,
            1 => conditions.into_iter().fold(relation, filtered),
            _ => filtered(relation, Expr::new(ExprKind::And(conditions), DataType::Boolean)),
        }
    }

    /// The rows with these numbers, which stand behind their columns: of the window, or, without one, when the input ends.
    pub(super) fn ranked(
        &mut self,
        input: Relation,
        ranking: Ranking,
        window_end: Option<usize>,
        numbers: (u64, u64),
        span: Span,
    ) -> Bound<Relation> {
        let mut schema = input.schema().clone();
        schema.columns.push(Column { name: "number".into(), data_type: DataType::BigInt });
        let (below, numbers) = (Box::new(input.node), Some(numbers));
        let kind = NodeKind::Rank { input: below, ranking, by_time: None, window_end, numbers };
        let relation = Relation { node: Node { kind, schema }, depth: input.depth + 1, ..input };
        self.limit_depth(if window_end.is_some() { relation } else { ended(relation) }, span)
    }

    /// The whole query, each ROW_NUMBER of it as the operator that it can be.
    pub(super) fn settled(&mut self, mut relation: Relation, span: Span) -> Bound<Relation> {
        let span = self.ranking.unwrap_or(span);
        match settle(&mut relation.node, self.bounds) {
            Ok(()) => Ok(relation),
            Err(Unsettled::NoLimit) => self.fail(
                Problem::new(span, "OVER goes in order of event time, ascending; any other order needs a limit")
                    .help("Top-N: ROW_NUMBER() … AS rn in a subquery, WHERE rn <= 3 around it"),
            ),
            Err(Unsettled::Updates) => self.fail(
                Problem::unsupported(span, "a ROW_NUMBER that would have to take rows back later")
                    .help("rank within a window: PARTITION BY window_start, window_end, …"),
            ),
        }
    }
}

enum Unsettled {
    NoLimit,
    Updates,
}

fn settle(node: &mut Node, bounds: Bounds) -> Result<(), Unsettled> {
    for input in node.inputs_mut() {
        settle(input, bounds)?;
    }
    let NodeKind::Rank { ranking, by_time, window_end, numbers, .. } = &node.kind else { return Ok(()) };
    let ends = bounds == Bounds::Ends;
    let order = match (numbers, by_time, window_end) {
        (Some(_), _, Some(_)) => return Ok(()),
        // Of the first rows but the very first a late one may be another.
        (Some((first, last)), _, None) if ends && (by_time.is_none() || (*first, *last) != (1, 1)) => return Ok(()),
        (Some(_), None, None) => return Err(Unsettled::Updates),
        (_, Some(time), _) => OverOrder::Time(*time),
        (None, None, _) => match ranking.order.as_slice() {
            [key] if ends && !key.descending => OverOrder::Column(*key),
            _ => return Err(Unsettled::NoLimit),
        },
    };
    let (partition, numbers) = (ranking.partition.clone(), *numbers);
    let schema = node.schema.clone();
    let placeholder = NodeKind::Scan { source: 0 };
    let NodeKind::Rank { input, .. } = std::mem::replace(&mut node.kind, placeholder) else { return Ok(()) };
    let row_number = schema.columns.len() - 1;
    if let (Some((1, 1)), OverOrder::Time(time)) = (numbers, &order) {
        let time = *time;
        let schema_below = input.schema.clone();
        let first = Node { kind: NodeKind::FirstRow { input, time, partition }, schema: schema_below };
        node.kind = with_number_one(first);
        return Ok(());
    }
    let functions = vec![numbered()];
    let over = NodeKind::Over { input, order, partition, frame: Frame::RowsUnbounded, functions };
    let Some((first, last)) = numbers else {
        node.kind = over;
        return Ok(());
    };
    let number = |number: u64| Expr::literal(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)), DataType::BigInt);
    let column = || Expr::column(row_number, DataType::BigInt);
    let conditions = vec![
        compare(CompareOp::GreaterOrEqual, column(), number(first)),
        compare(CompareOp::LessOrEqual, column(), number(last)),
    ];
    let predicate = Expr::new(ExprKind::And(conditions), DataType::Boolean);
    node.kind = NodeKind::Filter { input: Box::new(Node { kind: over, schema }), predicate };
    Ok(())
}

/// Rows that are each the first, and the column that says so.
fn with_number_one(input: Node) -> NodeKind {
    let columns = input.schema.columns.iter().enumerate();
    let mut exprs: Vec<Expr> = columns.map(|(index, column)| Expr::column(index, column.data_type)).collect();
    exprs.push(Expr::literal(Value::Int(1), DataType::BigInt));
    NodeKind::Project { input: Box::new(input), exprs }
}

/// A view of the newest row of each key, ROW_NUMBER() OVER (PARTITION BY key ORDER BY time DESC) = 1, is a table with
/// versions for a join FOR SYSTEM_TIME AS OF: its key, and its time.
pub(super) fn versions(node: &Node) -> Option<(Vec<usize>, usize)> {
    match &node.kind {
        NodeKind::Project { input, exprs } => {
            let (key, time) = versions(input)?;
            let place = |column: usize| exprs.iter().position(|expr| expr.kind == ExprKind::Column(column));
            Some((key.into_iter().map(place).collect::<Option<_>>()?, place(time)?))
        }
        NodeKind::Rank { ranking, window_end: None, numbers: Some((1, 1)), .. } if ranking.newest_of_equals => {
            Some((ranking.partition.clone(), ranking.order.first()?.column))
        }
        _ => None,
    }
}

/// Such a view as all the rows that were the newest once.
pub(super) fn unranked(node: &mut Node) {
    match &mut node.kind {
        NodeKind::Project { input, .. } => unranked(input),
        NodeKind::Rank { .. } => {
            let NodeKind::Rank { input, .. } = std::mem::replace(&mut node.kind, NodeKind::Scan { source: 0 }) else {
                return;
            };
            node.kind = with_number_one(*input);
        }
        _ => {}
    }
}

fn flatten(expr: Expr, into: &mut Vec<Expr>) {
    match expr.kind {
        ExprKind::And(operands) => operands.into_iter().for_each(|operand| flatten(operand, into)),
        kind => into.push(Expr { kind, ..expr }),
    }
}

/// A condition `column <= number` and the like as (column, first number, last number).
fn limit(condition: &Expr) -> Option<(usize, Option<u64>, Option<u64>)> {
    let ExprKind::Compare { op, left, right } = &condition.kind else { return None };
    let (column, op, number) = match (column_of(left), constant(right), column_of(right), constant(left)) {
        (Some(column), Some(number), ..) => (column, *op, number),
        (.., Some(column), Some(number)) => (column, mirrored(*op), number),
        _ => return None,
    };
    let (first, last) = match op {
        CompareOp::Equal => (Some(number), Some(number)),
        CompareOp::Less => (None, Some(number - 1)),
        CompareOp::LessOrEqual => (None, Some(number)),
        CompareOp::Greater => (Some(number + 1), None),
        CompareOp::GreaterOrEqual => (Some(number), None),
        CompareOp::NotEqual => return None,
    };
    // No row has a number below 1; such a condition stays as it is.
    let natural = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
    match (first, last.map(natural)) {
        (_, Some(None)) => None,
        (first, last) => Some((column, first.and_then(natural), last.flatten())),
    }
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Less => CompareOp::Greater,
        CompareOp::LessOrEqual => CompareOp::GreaterOrEqual,
        CompareOp::Greater => CompareOp::Less,
        CompareOp::GreaterOrEqual => CompareOp::LessOrEqual,
        same => same,
    }
}

fn column_of(expr: &Expr) -> Option<usize> {
    match &expr.kind {
        ExprKind::Column(column) => Some(*column),
        ExprKind::Cast { operand, .. } => column_of(operand),
        _ => None,
    }
}

fn constant(expr: &Expr) -> Option<i64> {
    /// Far beyond any number of rows, far below what overflows.
    const NUMBER_MAX: i64 = 1 << 50;
    match &expr.kind {
        ExprKind::Literal(Value::Int(number)) => Some(*number).filter(|number| number.abs() < NUMBER_MAX),
        ExprKind::Cast { operand, .. } => constant(operand),
        _ => None,
    }
}

/// Whether these are ranked rows of which one that is late may be the next.
fn is_of_all_rows(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Filter { input, .. } | NodeKind::Project { input, .. } => is_of_all_rows(input),
        NodeKind::Rank { window_end: None, numbers: Some(numbers), .. } => *numbers != (1, 1),
        _ => false,
    }
}

/// Narrows the numbers of the ROW_NUMBER that this column is. `false`: it is none, or there is nothing to narrow.
fn narrow(node: &mut Node, column: usize, first: Option<u64>, last: Option<u64>) -> bool {
    match &mut node.kind {
        NodeKind::Filter { input, .. } => narrow(input, column, first, last),
        NodeKind::Project { input, exprs } => match exprs.get(column).map(|expr| &expr.kind) {
            Some(ExprKind::Column(below)) => narrow(input, *below, first, last),
            _ => false,
        },
        NodeKind::Rank { input, numbers, .. } if column == input.schema.columns.len() => {
            let (low, high) = match (*numbers, last) {
                (Some((low, high)), last) => (low, last.map_or(high, |last| high.min(last))),
                (None, Some(last)) => (1, last),
                (None, None) => return false,
            };
            *numbers = Some((first.map_or(low, |first| low.max(first)), high));
            true
        }
        _ => false,
    }
}
