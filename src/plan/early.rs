//! Early results: what a window holds so far, every so often, before it closes.

use super::{CompareOp, Expr, ExprKind, Node, NodeKind, Windowing};
use crate::model::{Column, DataType, Millis, Value};

/// The last column of a query with early results: TRUE on a row whose window has not closed yet.
pub const EARLY: &str = "early";

/// The plan with a row for each open window every `every_ms` of event time, and a last column [`EARLY`]. The error is
/// what to tell whoever wrote the query.
///
/// A TUMBLE that tells every step what it holds is a CUMULATE; its rows get the window's own end, and the mark.
pub fn with_early(node: Node, every_ms: Millis) -> Result<Node, String> {
    if node.schema.columns.iter().any(|column| &*column.name == EARLY) {
        return Err(format!("it has a column {EARLY} already: give that another name"));
    }
    let Node { kind, mut schema } = node;
    let mark = Column { name: EARLY.into(), data_type: DataType::Boolean };
    let kind = match kind {
        NodeKind::Filter { input, predicate } => {
            NodeKind::Filter { input: Box::new(with_early(*input, every_ms)?), predicate }
        }
        NodeKind::Project { input, mut exprs } => {
            let input = with_early(*input, every_ms)?;
            exprs.push(Expr::column(input.schema.columns.len() - 1, DataType::Boolean));
            NodeKind::Project { input: Box::new(input), exprs }
        }
        NodeKind::WindowAggregate {
            input,
            time,
            windowing: Windowing::Tumble { size_ms, offset_ms },
            keys,
            aggregates,
        } => {
            if every_ms <= 0 || every_ms >= size_ms || size_ms % every_ms != 0 {
                return Err(format!("it must be a part of the window's size, {size_ms} ms, without a remainder"));
            }
            let windowing = Windowing::Cumulate { step_ms: every_ms, size_ms, offset_ms };
            let kind = NodeKind::WindowAggregate { input, time, windowing, keys, aggregates };
            let exprs = whole_windows(&schema.columns, size_ms);
            NodeKind::Project { input: Box::new(Node { kind, schema: schema.clone() }), exprs }
        }
        _ => return Err("it is for a query that ends with GROUP BY over TUMBLE, and maybe HAVING".to_owned()),
    };
    schema.columns.push(mark);
    Ok(Node { kind, schema })
}

/// The columns of an aggregate over CUMULATE, with window_end and window_time those of the whole window, and the mark.
fn whole_windows(columns: &[Column], size_ms: Millis) -> Vec<Expr> {
    let mut exprs: Vec<Expr> =
        columns.iter().enumerate().map(|(index, column)| Expr::column(index, column.data_type)).collect();
    let start = columns.len().saturating_sub(3);
    let after_start = |millis: Millis| {
        let interval = Expr::literal(Value::Int(millis), DataType::IntervalMillis);
        let data_type = columns[start].data_type;
        let time = Box::new(Expr::column(start, data_type));
        Expr::new(ExprKind::AddInterval { time, interval: Box::new(interval), negative: false }, data_type)
    };
    let (step_end, time_type) = (exprs[start + 1].clone(), columns[start + 2].data_type);
    exprs[start + 1] = after_start(size_ms);
    let time = after_start(size_ms - 1);
    exprs[start + 2] = match time.data_type == time_type {
        true => time,
        false => Expr::new(ExprKind::Cast { operand: Box::new(time), safe: false }, time_type),
    };
    let is_early =
        ExprKind::Compare { op: CompareOp::Less, left: Box::new(step_end), right: Box::new(after_start(size_ms)) };
    exprs.push(Expr::new(is_early, DataType::Boolean));
    exprs
}
