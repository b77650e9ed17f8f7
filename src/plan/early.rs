//! Early results: what a window holds so far, every so often, before it closes.

use super::{Expr, Node, NodeKind, Windowing};
use crate::model::{Column, DataType, Millis};

/// The last column of a query with early results: TRUE on a row whose window has not closed yet.
pub const EARLY: &str = "early";

/// Windows of a key that tell at one moment, and results of a session that has fallen silent.
const RESULTS_MAX: Millis = 1_000;

/// The plan with a row for each open window every `every_ms` of event time, and a last column [`EARLY`]. The error is
/// what to tell whoever wrote the query.
pub fn with_early(node: Node, every_ms: Millis) -> Result<Node, String> {
    if node.schema.columns.iter().any(|column| &*column.name == EARLY) {
        return Err(format!("it has a column {EARLY} already: give that another name"));
    }
    let Node { kind, mut schema } = node;
    let kind = match kind {
        NodeKind::Filter { input, predicate } => {
            NodeKind::Filter { input: Box::new(with_early(*input, every_ms)?), predicate }
        }
        NodeKind::Project { input, mut exprs } => {
            let input = with_early(*input, every_ms)?;
            exprs.push(Expr::column(input.schema.columns.len() - 1, DataType::Boolean));
            NodeKind::Project { input: Box::new(input), exprs }
        }
        NodeKind::WindowAggregate { input, time, windowing, keys, aggregates } => {
            let windowing = early(windowing, every_ms)?;
            NodeKind::WindowAggregate { input, time, windowing, keys, aggregates }
        }
        NodeKind::SessionAggregate { input, time, gap_ms, keys, aggregates, .. } => {
            if every_ms <= 0 || gap_ms / every_ms > RESULTS_MAX {
                return Err(format!("it must be at least a {RESULTS_MAX}th of the gap, {gap_ms} ms"));
            }
            NodeKind::SessionAggregate { input, time, gap_ms, early_ms: Some(every_ms), keys, aggregates }
        }
        _ => {
            return Err(
                "it is for a query that ends with GROUP BY over TUMBLE, HOP, CUMULATE or SESSION (of SESSION: \
                        by the columns of its PARTITION BY), and maybe HAVING"
                    .to_owned(),
            );
        }
    };
    schema.columns.push(Column { name: EARLY.into(), data_type: DataType::Boolean });
    Ok(Node { kind, schema })
}

fn early(windowing: Windowing, every_ms: Millis) -> Result<Windowing, String> {
    let divides = |size_ms: Millis| every_ms > 0 && every_ms < size_ms && size_ms % every_ms == 0;
    match windowing {
        Windowing::Tumble { size_ms, offset_ms } if divides(size_ms) => {
            Ok(Windowing::Early { every_ms, slide_ms: size_ms, step_ms: size_ms, size_ms, offset_ms })
        }
        Windowing::Tumble { size_ms, .. } => {
            Err(format!("it must be a part of the window's size, {size_ms} ms, without a remainder"))
        }
        Windowing::Hop { slide_ms, size_ms, offset_ms }
            if divides(size_ms) && (slide_ms % every_ms == 0 || every_ms % slide_ms == 0) =>
        {
            if size_ms / slide_ms.max(every_ms) > RESULTS_MAX {
                return Err(format!("more than {RESULTS_MAX} windows would tell at once: make it longer"));
            }
            Ok(Windowing::Early { every_ms, slide_ms, step_ms: size_ms, size_ms, offset_ms })
        }
        Windowing::Hop { slide_ms, size_ms, .. } => Err(format!(
            "it must be a part of the window's size, {size_ms} ms, without a remainder, and a part or a multiple of its \
             slide, {slide_ms} ms"
        )),
        Windowing::Cumulate { step_ms, size_ms, offset_ms } if divides(step_ms) => {
            Ok(Windowing::Early { every_ms, slide_ms: size_ms, step_ms, size_ms, offset_ms })
        }
        Windowing::Cumulate { step_ms, .. } => {
            Err(format!("it must be a part of the window's step, {step_ms} ms, without a remainder"))
        }
        Windowing::Early { .. } => Err("it has early results already".to_owned()),
    }
}
