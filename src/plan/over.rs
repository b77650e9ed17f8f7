//! What OVER needs: frames, functions, orders.

use super::{Aggregate, Expr, OrderKey};
use crate::model::{DataType, Millis};

/// The rows that OVER looks at for each row; all end with the row itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// All before it in order of time.
    RowsUnbounded,
    /// The same and its equals in time, which share one result.
    RangeUnbounded,
    /// So many before it.
    Rows(u64),
    /// Those at most so long before it, and its equals in time.
    Range(Millis),
}

/// The order of the rows of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverOrder {
    /// Event time, ascending.
    Time(usize),
    /// A column, once the input has ended. The frame has no bound then, and the functions have no LAG.
    Column(OrderKey),
}

#[derive(Clone, Debug, PartialEq)]
pub struct OverFunction {
    pub kind: OverKind,
    pub data_type: DataType,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OverKind {
    /// Its argument and filter are columns.
    Aggregate(Aggregate),
    RowNumber,
    Rank,
    DenseRank,
    /// The value of a column so many rows ago; the default where there is none.
    Lag {
        column: usize,
        offset: u64,
        default: Option<Expr>,
    },
}

/// PARTITION BY and ORDER BY of a ROW_NUMBER whose number is limited.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    pub partition: Vec<usize>,
    pub order: Vec<OrderKey>,
    /// Of equal rows the last one comes first: so deduplication that keeps the last row has it.
    pub newest_of_equals: bool,
}
