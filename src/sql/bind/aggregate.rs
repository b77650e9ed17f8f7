//! GROUP BY: aggregates, and what may stand beside them.
//!
//! The SELECT list and HAVING are bound against the rows that come in, with each aggregate as a column from [`BASE`]
//! on. Then [`Regroup`] rewrites them to the rows that come out of the grouping.

use super::types;
use crate::model::DataType;
use crate::plan::{AggregateFunction, Expr, ExprKind};

/// Columns from here on are aggregates; inputs have fewer columns than this.
pub const BASE: usize = 1 << 20;

pub fn function(upper: &str) -> Option<AggregateFunction> {
    Some(match upper {
        "COUNT" => AggregateFunction::Count,
        "SUM" => AggregateFunction::Sum,
        "AVG" => AggregateFunction::Avg,
        "MIN" => AggregateFunction::Min,
        "MAX" => AggregateFunction::Max,
        _ => return None,
    })
}

/// The type of an aggregate over values of a type. `None`: there is none.
pub fn result(function: AggregateFunction, of: DataType) -> Option<DataType> {
    match function {
        AggregateFunction::Count => Some(DataType::BigInt),
        AggregateFunction::Sum => of.is_numeric().then(|| types::sum(of)),
        AggregateFunction::Avg => of.is_numeric().then(|| types::avg(of)),
        AggregateFunction::Min | AggregateFunction::Max => {
            let ordered = of.is_numeric()
                || of.is_timestamp()
                || matches!(of, DataType::String | DataType::Boolean | DataType::Date | DataType::Time(_));
            ordered.then_some(of)
        }
    }
}

/// From input rows to the rows of a window aggregate: keys, aggregates, window_start, window_end, window_time.
pub struct Regroup<'a> {
    pub keys: &'a [Expr],
    pub aggregates: usize,
    /// Position of window_start in the input; window_end and window_time follow it.
    pub window_start: usize,
    /// Whether window_time is among the grouping columns.
    pub window_time: bool,
}

impl Regroup<'_> {
    /// Rewrites in place. The error is a column of the input that is neither a key nor inside an aggregate.
    pub fn rewrite(&self, expr: &mut Expr) -> Result<(), usize> {
        if let Some(position) = self.position(expr) {
            expr.kind = ExprKind::Column(position);
            return Ok(());
        }
        if let ExprKind::Column(column) = expr.kind {
            return Err(column);
        }
        expr.children_mut().into_iter().try_for_each(|child| self.rewrite(child))
    }

    fn position(&self, expr: &Expr) -> Option<usize> {
        if let Some(key) = self.keys.iter().position(|key| key == expr) {
            return Some(key);
        }
        let ExprKind::Column(column) = expr.kind else { return None };
        if column >= BASE {
            return Some(self.keys.len() + column - BASE);
        }
        let last = if self.window_time { 2 } else { 1 };
        let windows = self.window_start..=self.window_start + last;
        windows.contains(&column).then(|| self.keys.len() + self.aggregates + column - self.window_start)
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
        let regroup = Regroup { keys: &keys, aggregates: 2, window_start: 5, window_time: false };
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
