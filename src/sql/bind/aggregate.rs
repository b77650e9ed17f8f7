//! GROUP BY: aggregates, and what may stand beside them.
//!
//! The SELECT list and HAVING are bound against the rows that come in, with each aggregate as a column from [`BASE`]
//! on, each GROUPING from [`GROUPING`] on, and each call with OVER from [`OVER`] on (functions that remember: `report.rs`). Then [`Regroup`] rewrites them to the
//! rows that come out of the grouping.

use super::group_window::GroupWindow;
use super::report::Memory;
use super::types;
use crate::model::DataType;
use crate::plan::{Aggregate, AggregateFunction, Expr, ExprKind, Frame, OverKind};
use crate::sql::ast::{Ident, WindowSpec};
use crate::sql::span::Span;

/// Columns from here on are aggregates; inputs have fewer columns than this.
pub const BASE: usize = 1 << 20;

pub const GROUPING: usize = 1 << 21;

pub const OVER: usize = 1 << 22;

/// The column with the number of the grouping set.
pub const SET: usize = 1 << 23;

/// Columns from here on are the start, the end and the time of the window of GROUP BY.
pub const PART: usize = 1 << 24;

/// What the expressions of a SELECT have asked for, besides columns.
pub struct Calls {
    pub aggregates: Vec<Aggregate>,
    /// The arguments of each GROUPING.
    pub groupings: Vec<Vec<Expr>>,
    pub overs: Vec<OverCall>,
    pub memory: Memory,
    /// What GROUP BY has as its window.
    pub window: Option<GroupWindow>,
    /// What WINDOW defines.
    pub windows: Vec<(Ident, WindowSpec)>,
}

impl Calls {
    pub fn new(windows: &[(Ident, WindowSpec)]) -> Calls {
        let windows = windows.to_vec();
        Calls {
            aggregates: Vec::new(),
            groupings: Vec::new(),
            overs: Vec::new(),
            memory: Memory::default(),
            window: None,
            windows,
        }
    }
}

/// A function with OVER.
#[derive(Clone, Debug)]
pub struct OverCall {
    pub window: OverWindow,
    pub frame: OverFrame,
    pub kind: OverKind,
    /// Of LAG, which does not know its column yet.
    pub argument: Option<Expr>,
    pub data_type: DataType,
    pub span: Span,
}

/// Which rows a function looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverFrame {
    /// Those of the window's frame.
    OfWindow,
    /// All before it.
    Unbounded,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OverWindow {
    pub partition: Vec<Expr>,
    pub order: Vec<SortItem>,
    pub frame: Option<Frame>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SortItem {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

pub fn function(upper: &str) -> Option<AggregateFunction> {
    Some(match upper {
        "COUNT" => AggregateFunction::Count,
        "SUM" => AggregateFunction::Sum,
        "AVG" => AggregateFunction::Avg,
        "MIN" => AggregateFunction::Min,
        "MAX" => AggregateFunction::Max,
        "STDDEV_POP" => AggregateFunction::StddevPop,
        "STDDEV_SAMP" | "STDDEV" => AggregateFunction::StddevSamp,
        "VAR_POP" => AggregateFunction::VarPop,
        "VAR_SAMP" | "VARIANCE" => AggregateFunction::VarSamp,
        "FIRST_VALUE" => AggregateFunction::FirstValue,
        "LAST_VALUE" => AggregateFunction::LastValue,
        "LISTAGG" => AggregateFunction::ListAgg,
        "PERCENTILE" => AggregateFunction::Percentile,
        "APPROX_PERCENTILE" => AggregateFunction::ApproxPercentile,
        _ => return None,
    })
}

/// The type of an aggregate over values of a type. `None`: there is none.
pub fn result(function: AggregateFunction, of: DataType) -> Option<DataType> {
    match function {
        AggregateFunction::Count => Some(DataType::BigInt),
        AggregateFunction::Sum => of.is_numeric().then(|| types::sum(of)),
        AggregateFunction::Avg
        | AggregateFunction::StddevPop
        | AggregateFunction::StddevSamp
        | AggregateFunction::VarPop
        | AggregateFunction::VarSamp => of.is_numeric().then(|| types::avg(of)),
        AggregateFunction::FirstValue | AggregateFunction::LastValue => Some(of),
        AggregateFunction::ListAgg => (of == DataType::String).then_some(of),
        AggregateFunction::Percentile | AggregateFunction::ApproxPercentile => {
            of.is_numeric().then_some(DataType::Double)
        }
        AggregateFunction::Min | AggregateFunction::Max => {
            let ordered = of.is_numeric()
                || of.is_timestamp()
                || matches!(of, DataType::String | DataType::Boolean | DataType::Date | DataType::Time(_));
            ordered.then_some(of)
        }
    }
}

/// From input rows to the rows of a grouping: keys, the number of the set, aggregates, window_start, window_end,
/// window_time.
pub struct Regroup<'a> {
    pub keys: &'a [Expr],
    /// Whether the number of the grouping set stands behind the keys.
    pub set: bool,
    pub aggregates: usize,
    /// Positions in the input of window_start, window_end and window_time, as far as they are grouping columns.
    pub window: [Option<usize>; 3],
    /// What stands for each GROUPING, over [`SET`].
    pub groupings: &'a [Expr],
}

impl Regroup<'_> {
    /// Rewrites in place. The error is a column of the input that is neither a key nor inside an aggregate.
    pub fn rewrite(&self, expr: &mut Expr) -> Result<(), usize> {
        if let Some(position) = self.position(expr) {
            expr.kind = ExprKind::Column(position);
            return Ok(());
        }
        if let ExprKind::Column(column) = expr.kind {
            if column >= OVER {
                return Ok(());
            }
            let Some(grouping) = column.checked_sub(GROUPING).and_then(|index| self.groupings.get(index)) else {
                return Err(column);
            };
            *expr = grouping.clone();
        }
        expr.children_mut().into_iter().try_for_each(|child| self.rewrite(child))
    }

    fn position(&self, expr: &Expr) -> Option<usize> {
        if let Some(key) = self.keys.iter().position(|key| key == expr) {
            return Some(key);
        }
        let ExprKind::Column(column) = expr.kind else { return None };
        let first = self.keys.len() + usize::from(self.set);
        match column {
            SET => return Some(self.keys.len()),
            BASE..GROUPING => return Some(first + column - BASE),
            _ => {}
        }
        let window = self.window.iter().position(|known| *known == Some(column))?;
        Some(first + self.aggregates + window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_aggregates() {
        let dec = |precision, scale| DataType::Decimal { precision, scale };
        assert_eq!(result(AggregateFunction::Avg, DataType::Int), Some(DataType::Int));
        assert_eq!(result(AggregateFunction::Sum, DataType::Int), Some(DataType::Int));
        assert_eq!(result(AggregateFunction::Avg, dec(10, 3)), Some(dec(38, 6)));
        assert_eq!(result(AggregateFunction::Sum, dec(10, 3)), Some(dec(38, 3)));
        assert_eq!(result(AggregateFunction::Sum, DataType::String), None);
        assert_eq!(result(AggregateFunction::Min, DataType::String), Some(DataType::String));
    }

    #[test]
    fn rows_after_the_grouping() {
        let keys = [Expr::column(1, DataType::String)];
        let window = [Some(5), Some(6), None];
        let regroup = Regroup { keys: &keys, set: false, aggregates: 2, window, groupings: &[] };
        let rewritten = |column| {
            let mut expr = Expr::column(column, DataType::String);
            regroup.rewrite(&mut expr).map(|()| expr.kind)
        };
        assert_eq!(rewritten(1), Ok(ExprKind::Column(0)));
        assert_eq!(rewritten(BASE + 1), Ok(ExprKind::Column(2)));
        assert_eq!(rewritten(5), Ok(ExprKind::Column(3)));
        assert_eq!(rewritten(6), Ok(ExprKind::Column(4)));
        assert_eq!(rewritten(7), Err(7));
        assert_eq!(rewritten(0), Err(0));
    }
}
