//! What stands after FROM.

use super::{Expr, Ident, MatchRecognize, Query};
use crate::plan::JoinKind;
use crate::sql::span::Span;

#[derive(Clone, Debug)]
pub struct Table {
    pub kind: TableKind,
    /// FOR SYSTEM_TIME AS OF
    pub as_of: Option<Expr>,
    pub alias: Option<Alias>,
}

#[derive(Clone, Debug)]
pub struct Alias {
    pub name: Ident,
    pub columns: Vec<Ident>,
}

#[derive(Clone, Debug)]
pub enum TableKind {
    Named(Ident),
    Subquery(Box<Query>),
    Window(WindowCall),
    Match(Box<MatchRecognize>),
    Join(Box<Join>),
    Values(Values),
    Unnest(Box<Unnest>),
}

/// `VALUES (1, 'a'), (2, 'b')`
#[derive(Clone, Debug)]
pub struct Values {
    pub span: Span,
    /// At least one. Of a SELECT without FROM it is one row without columns.
    pub rows: Vec<Vec<Expr>>,
}

/// `UNNEST(collection) [WITH ORDINALITY]`
#[derive(Clone, Debug)]
pub struct Unnest {
    /// The word UNNEST.
    pub span: Span,
    pub collection: Expr,
    pub ordinality: bool,
}

#[derive(Clone, Debug)]
pub struct Join {
    pub left: Table,
    pub right: Table,
    pub kind: JoinKind,
    /// The word JOIN or the comma.
    pub span: Span,
    pub condition: JoinCondition,
}

/// What says which rows are partners.
#[derive(Clone, Debug)]
pub enum JoinCondition {
    /// A comma or CROSS JOIN.
    None,
    On(Expr),
    Using(Vec<Ident>),
    /// The columns that both have.
    Natural,
}

/// `LIMIT count OFFSET skipped`
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub span: Span,
    pub count: u64,
    pub skipped: u64,
}

/// `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' MINUTES))`
#[derive(Clone, Debug)]
pub struct WindowCall {
    pub shape: WindowShape,
    pub input: Box<Table>,
    /// Of SESSION and of windows by count.
    pub partition_by: Vec<Ident>,
    pub time: Ident,
}

/// Which windows.
#[derive(Clone, Debug)]
pub struct WindowShape {
    pub function: WindowFunction,
    /// The function's name.
    pub span: Span,
    pub intervals: Vec<WindowInterval>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowFunction {
    Tumble,
    Hop,
    Cumulate,
    Session,
    /// Windows by count, not Flink's.
    TumbleRows,
    HopRows,
}

/// One interval of a window function; `name` where it is given as `SIZE => INTERVAL …`.
#[derive(Clone, Debug)]
pub struct WindowInterval {
    pub name: Option<Ident>,
    pub expr: Expr,
}
