//! Report by exception: rows beside what is remembered of those before them.

use super::Expr;
use crate::model::Millis;

/// Rows go in order of time, each beside what is remembered of its partition. The whole row is the input's columns, then
/// the values of `remembered`, then one BOOLEAN for each of `watches`. Whole rows for which the condition is TRUE come
/// out: they are reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The event-time column of the input.
    pub time: usize,
    /// Columns of the input.
    pub partition: Vec<usize>,
    /// Computed over each whole row that is reported, and seen by those after it until the next one; NULL before.
    pub remembered: Vec<Expr>,
    /// What follows all rows, reported or not. Each may read the ones before it.
    pub watches: Vec<Watch>,
    /// `None`: each row is reported.
    pub condition: Option<Expr>,
}

/// A truth about the rows up to this one; FALSE before the first.
#[derive(Clone, Debug, PartialEq)]
pub enum Watch {
    /// From a row on for which `set` is TRUE until one for which `reset` is; otherwise what it was.
    Latch { set: Expr, reset: Expr },
    /// Whether the condition has been TRUE on every row for this long. Rows further apart than `gap_ms` are a break.
    Held { condition: Expr, for_ms: Millis, gap_ms: Option<Millis> },
    /// Whether the condition is TRUE and was not on the row before.
    Rise { condition: Expr },
}

impl Report {
    /// All expressions over the whole row.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.remembered.iter().chain(self.watches.iter().flat_map(Watch::exprs)).chain(&self.condition)
    }
}

impl Watch {
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Watch::Latch { set, reset } => vec![set, reset],
            Watch::Held { condition, .. } | Watch::Rise { condition } => vec![condition],
        }
    }

    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Watch::Latch { set, reset } => vec![set, reset],
            Watch::Held { condition, .. } | Watch::Rise { condition } => vec![condition],
        }
    }
}
