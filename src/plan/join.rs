//! Joins of two inputs.

use super::{Expr, Node};
use crate::model::Millis;

/// Partners side by side: the left one's columns, then, but for Semi and Anti, the right one's.
#[derive(Clone, Debug)]
pub struct Join {
    pub left: Node,
    pub right: Node,
    pub kind: JoinKind,
    /// What must be equal, each over the columns of its own side; NULL is equal to nothing.
    pub keys: Vec<(Expr, Expr)>,
    /// What else must be TRUE, over the columns of both sides.
    pub residual: Option<Expr>,
    pub method: JoinMethod,
}

/// What comes out: pairs of partners, and with Left, Right and Full also rows without one, with NULLs for the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    /// IN and EXISTS: each left row that has a partner, once and alone.
    Semi,
    /// NOT IN and NOT EXISTS: each left row that has none, alone.
    Anti,
}

impl JoinKind {
    /// Whether the right side's columns come out.
    pub fn has_right(self) -> bool {
        !matches!(self, JoinKind::Semi | JoinKind::Anti)
    }
}

/// The time at which a join wants its right side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// It says none.
    Unsaid,
    /// FOR SYSTEM_TIME AS OF a column of the left side, its event time.
    Time(usize),
    /// FOR SYSTEM_TIME AS OF PROCTIME().
    Now,
}

/// What limits how long rows wait for partners. Columns of the left and of the right side.
#[derive(Clone, Debug, PartialEq)]
pub enum JoinMethod {
    /// The right row's time is between the left one's `+ lower_ms` and `+ upper_ms`, both included.
    Interval { times: [usize; 2], lower_ms: Millis, upper_ms: Millis },
    /// The keys are the right side's PRIMARY KEY; of its rows the newest one up to the left row's time. Inner or Left.
    /// `in_order`: a row older than one of its key before it is no version.
    Versioned { times: [usize; 2], in_order: bool },
    /// Both are in the same window, whose start and end are among the keys. Any kind. `None`: all rows are, until the input
    /// ends.
    Window { ends: Option<[usize; 2]> },
    /// Nothing waits: the right side is this lookup table as it is now, whatever `as_of` says. Inner, Left, Semi or Anti.
    Lookup { table: usize, as_of: AsOf },
    /// Nothing. Inner or Semi.
    Unbounded,
}
