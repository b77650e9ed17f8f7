//! GROUP BY, OVER and WINDOW as they are written.

use super::{Expr, Ident, OrderBy};
use crate::sql::span::Span;

#[derive(Clone, Debug)]
pub struct GroupBy {
    /// The words GROUP BY.
    pub span: Span,
    pub elements: Vec<GroupElement>,
}

/// One of GROUP BY: all of them hold together, so sets multiply.
#[derive(Clone, Debug)]
pub enum GroupElement {
    Key(Expr),
    /// GROUPING SETS, ROLLUP and CUBE, spelt out.
    Sets(Vec<Vec<Expr>>),
}

impl GroupElement {
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let (key, sets): (Option<&Expr>, &[Vec<Expr>]) = match self {
            GroupElement::Key(key) => (Some(key), &[]),
            GroupElement::Sets(sets) => (None, sets),
        };
        key.into_iter().chain(sets.iter().flatten())
    }
}

#[derive(Clone, Debug)]
pub enum Over {
    /// The name of one of WINDOW.
    Named(Ident),
    Spec(Box<WindowSpec>),
}

/// `(PARTITION BY … ORDER BY … frame)`
#[derive(Clone, Debug)]
pub struct WindowSpec {
    /// With its parentheses.
    pub span: Span,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<OrderBy>,
    pub frame: Option<Frame>,
}

/// `ROWS BETWEEN 2 PRECEDING AND CURRENT ROW`
#[derive(Clone, Debug)]
pub struct Frame {
    pub span: Span,
    /// ROWS; otherwise RANGE.
    pub rows: bool,
    pub from: FrameBound,
    /// CURRENT ROW where it is not written.
    pub to: FrameBound,
}

#[derive(Clone, Debug)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    /// So many, or UNBOUNDED, FOLLOWING.
    Following,
}
