//! What Flink 2.3, or its Kafka connector, refuses of a plan that tidegate runs, with what to write instead.
//!
//! Each of these was put to a real Flink. Two reasons are behind most of them: its Kafka connector takes rows, but nothing
//! that takes rows back, and a join with a table without FOR SYSTEM_TIME AS OF leaves no event time.

use crate::config::{Settings, Table};
use crate::model::DataType;
use crate::plan::{
    Aggregate, AggregateFunction, AsOf, Expr, ExprKind, Function, Join, JoinKind, JoinMethod, Node, NodeKind, OverKind,
    Term,
};

/// Why Flink cannot run the plan; `None`: it can.
pub fn refused(root: &Node, settings: &Settings) -> Option<String> {
    let mut found = None;
    root.visit(&mut |node| {
        found = found.take().or_else(|| refused_node(node, settings));
    });
    found
}

/// Why Flink cannot write rows of these columns to Kafka.
pub fn refused_columns(root: &Node) -> Option<String> {
    let column = root.schema.columns.iter().find(|column| column.data_type.is_interval())?;
    Some(format!("{} is an INTERVAL, and no column of Flink's tables is: make a number of it", column.name))
}

fn refused_node(node: &Node, settings: &Settings) -> Option<String> {
    let (exprs, aggregates) = parts(node);
    let why = match &node.kind {
        NodeKind::Report { .. } => {
            "report by exception (CHANGED, DEADBAND, HELD_FOR …) is tidegate's own; docs/sql.md has for each function what to write for Flink"
        }
        NodeKind::CountWindow { .. } | NodeKind::CountAggregate { .. } => "windows by count are tidegate's own",
        NodeKind::Distinct { .. } => {
            "Flink's Kafka connector does not take the rows of a SELECT DISTINCT without window_start and window_end; ROW_NUMBER() OVER (PARTITION BY the columns ORDER BY the time), of which the first, is taken"
        }
        NodeKind::Filter { input, predicate } if is_limited_number(input, predicate) => {
            "Flink's Kafka connector does not take the rows of a limited ROW_NUMBER() but the first one, or in a window"
        }
        NodeKind::Join(join) => return refused_lookup(join, settings).or_else(|| refused_without_time(node)),
        _ if aggregates.iter().any(|aggregate| aggregate.function == AggregateFunction::ApproxPercentile) => {
            "APPROX_PERCENTILE is tidegate's own; PERCENTILE is Flink's"
        }
        _ if exprs.iter().any(|expr| has_bits(expr)) => "BITAND and the other functions of bits are tidegate's own",
        _ => return refused_without_time(node),
    };
    Some(why.to_owned())
}

fn refused_lookup(join: &Join, settings: &Settings) -> Option<String> {
    let JoinMethod::Lookup { table, as_of } = join.method else { return None };
    let Table { name, primary_key, .. } = settings.tables.get(table)?;
    let of_column = |expr: &Expr, column: usize| match &expr.kind {
        ExprKind::Cast { operand, .. } => operand.kind == ExprKind::Column(column),
        kind => *kind == ExprKind::Column(column),
    };
    let has_key = |column: &usize| join.keys.iter().any(|(_, key)| of_column(key, *column));
    match (as_of, join.kind) {
        (AsOf::Time(_), _) if primary_key.is_empty() => Some(format!(
            "behind FOR SYSTEM_TIME AS OF Flink wants a table with a PRIMARY KEY: give table {name} one, or leave FOR SYSTEM_TIME out of an inner join"
        )),
        (AsOf::Time(_), _) if !primary_key.iter().all(has_key) => {
            Some(format!("behind FOR SYSTEM_TIME AS OF Flink wants all of the PRIMARY KEY of table {name} in ON"))
        }
        (AsOf::Time(_), _) | (AsOf::Unsaid, JoinKind::Inner | JoinKind::Semi) => None,
        (AsOf::Now, _) => Some(format!(
            "Flink has no FOR SYSTEM_TIME AS OF PROCTIME() for table {name}: name the event time of the row there"
        )),
        (AsOf::Unsaid, JoinKind::Anti) => Some(format!(
            "Flink's Kafka connector does not take the rows of NOT IN and NOT EXISTS over table {name}; LEFT JOIN {name} FOR SYSTEM_TIME AS OF the event time, WHERE its key IS NULL, says the same"
        )),
        (AsOf::Unsaid, _) => Some(format!(
            "Flink's Kafka connector does not take the rows of LEFT JOIN {name}; LEFT JOIN {name} FOR SYSTEM_TIME AS OF the event time says the same"
        )),
    }
}

/// An operator that goes by event time, above a lookup without a time.
fn refused_without_time(node: &Node) -> Option<String> {
    let goes_by_time = match &node.kind {
        NodeKind::Scan { .. }
        | NodeKind::Table { .. }
        | NodeKind::Filter { .. }
        | NodeKind::Project { .. }
        | NodeKind::Union { .. }
        | NodeKind::Unnest { .. }
        | NodeKind::Limit { .. }
        | NodeKind::Expand { .. } => false,
        NodeKind::Join(join) => !matches!(join.method, JoinMethod::Lookup { as_of: AsOf::Unsaid | AsOf::Now, .. }),
        _ => true,
    };
    if !goes_by_time {
        return None;
    }
    let mut lost = false;
    node.visit(&mut |below| {
        lost |= matches!(&below.kind, NodeKind::Join(join)
            if matches!(join.method, JoinMethod::Lookup { as_of: AsOf::Unsaid, .. }));
    });
    let why = "in Flink a join with a table leaves no event time for what is done with its rows; with FOR SYSTEM_TIME AS OF the event time it does";
    lost.then(|| why.to_owned())
}

/// ROW_NUMBER() … WHERE its number is at most so much, which the binder makes a condition over OVER.
fn is_limited_number(input: &Node, predicate: &Expr) -> bool {
    let NodeKind::Over { functions, .. } = &input.kind else { return false };
    let number = input.schema.columns.len() - 1;
    matches!(functions.as_slice(), [function] if function.kind == OverKind::RowNumber) && reads(predicate, number)
}

fn reads(expr: &Expr, column: usize) -> bool {
    expr.kind == ExprKind::Column(column) || expr.children().into_iter().any(|child| reads(child, column))
}

fn has_bits(expr: &Expr) -> bool {
    use Function::{BitAnd, BitCount, BitNot, BitOr, BitXor, GetBit, ShiftLeft, ShiftRight};
    let is_one = matches!(
        expr.kind,
        ExprKind::Call { function: BitAnd | BitOr | BitXor | BitNot | BitCount | GetBit | ShiftLeft | ShiftRight, .. }
    );
    is_one || expr.children().into_iter().any(has_bits)
}

/// The expressions and the aggregates of one operator.
fn parts(node: &Node) -> (Vec<&Expr>, Vec<&Aggregate>) {
    let (mut exprs, mut aggregates): (Vec<&Expr>, Vec<&Aggregate>) = (Vec::new(), Vec::new());
    match &node.kind {
        NodeKind::Filter { predicate, .. } => exprs.push(predicate),
        NodeKind::Project { exprs: all, .. } | NodeKind::Expand { keys: all, .. } => exprs.extend(all),
        NodeKind::Unnest { list, condition, .. } => exprs.extend(std::iter::once(list).chain(condition)),
        NodeKind::WindowAggregate { keys, aggregates: all, .. }
        | NodeKind::CountAggregate { keys, aggregates: all, .. }
        | NodeKind::SessionAggregate { keys, aggregates: all, .. }
        | NodeKind::AttachedAggregate { keys, aggregates: all, .. } => {
            exprs.extend(keys);
            aggregates.extend(all);
        }
        NodeKind::Over { functions, .. } => {
            aggregates.extend(functions.iter().filter_map(|function| match &function.kind {
                OverKind::Aggregate(aggregate) => Some(aggregate),
                _ => None,
            }));
        }
        NodeKind::Match { recognition, .. } => {
            for formula in recognition.formulas() {
                exprs.extend(formula.exprs());
                aggregates.extend(formula.terms.iter().filter_map(|term| match term {
                    Term::Aggregate { aggregate, .. } => Some(&**aggregate),
                    _ => None,
                }));
            }
        }
        NodeKind::Join(join) => {
            exprs.extend(join.keys.iter().flat_map(|(left, right)| [left, right]));
            exprs.extend(&join.residual);
        }
        _ => {}
    }
    let inner = aggregates.iter().flat_map(|aggregate| aggregate.argument.iter().chain(&aggregate.filter));
    exprs.extend(inner);
    (exprs, aggregates)
}

/// The columns that may be an event time for Flink, which writes rows with one of them only.
pub fn times(node: &Node) -> Vec<usize> {
    let last = node.schema.columns.len().saturating_sub(1);
    match &node.kind {
        NodeKind::Scan { .. } => node.schema.event_time.into_iter().collect(),
        NodeKind::Table { .. } => Vec::new(),
        NodeKind::Project { input, exprs } => {
            let below = times(input);
            let is_time = |expr: &Expr| matches!(expr.kind, ExprKind::Column(column) if below.contains(&column));
            (0..exprs.len()).filter(|index| is_time(&exprs[*index])).collect()
        }
        NodeKind::Window { input, .. } | NodeKind::Session { input, .. } | NodeKind::CountWindow { input, .. } => {
            times(input).into_iter().chain([last]).collect()
        }
        NodeKind::WindowAggregate { .. }
        | NodeKind::SessionAggregate { .. }
        | NodeKind::CountAggregate { .. }
        | NodeKind::AttachedAggregate { .. } => vec![last],
        NodeKind::Match { .. } => {
            let is_time = |index: &usize| {
                matches!(node.schema.columns[*index].data_type, DataType::Timestamp(3) | DataType::TimestampLtz(3))
            };
            (0..node.schema.columns.len()).filter(is_time).collect()
        }
        NodeKind::Join(join) if join.kind.has_right() => {
            let width = join.left.schema.columns.len();
            times(&join.left).into_iter().chain(times(&join.right).into_iter().map(|column| width + column)).collect()
        }
        _ => {
            let mut all: Vec<usize> = node.inputs().into_iter().take(1).flat_map(times).collect();
            if let NodeKind::Union { inputs } = &node.kind {
                all = inputs.iter().flat_map(times).collect();
                all.sort_unstable();
                all.dedup();
            }
            all
        }
    }
}
