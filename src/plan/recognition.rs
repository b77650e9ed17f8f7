//! MATCH_RECOGNIZE, bound.

use super::{Aggregate, Expr};
use crate::model::Millis;

/// Rows of a partition go in order of time; runs of adjacent rows that fit the pattern are matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognition {
    /// The event-time column of the input.
    pub time: usize,
    /// Columns of the input. The output begins with them.
    pub partition: Vec<usize>,
    /// What orders rows of equal time; beyond these it is their arrival.
    pub order: Vec<SortKey>,
    /// Each takes its rows after those of the one before it. At least one must take a row.
    pub pattern: Vec<Variable>,
    /// A match is shorter than this, from its first row to its last.
    pub within_ms: Option<Millis>,
    pub skip: AfterMatch,
    /// The columns of the output after the partition's.
    pub measures: Vec<Formula>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// A column of the input.
    pub column: usize,
    /// Then NULLs come last, otherwise first.
    pub descending: bool,
}

/// A variable of PATTERN with its quantifier and its definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    pub name: String,
    /// Fewest rows.
    pub min: u32,
    /// Most rows; `None`: no limit.
    pub max: Option<u32>,
    /// The variable after this one takes no row that fits this one.
    pub greedy: bool,
    /// `None`: any row fits.
    pub condition: Option<Formula>,
}

/// Where the search for the next match begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterMatch {
    ToNextRow,
    PastLastRow,
    /// The first row of this variable.
    ToFirst(usize),
    ToLast(usize),
}

/// An expression over what the rows of a match give: its columns are positions in `terms`.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    pub terms: Vec<Term>,
    pub expr: Expr,
}

/// In a condition the row under test counts as the last of its variable and of the match.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A column of the input in one row of the match; NULL if there is no such row.
    Column { of: Rows, from: End, offset: usize, column: usize },
    /// Over the rows of the match; argument and filter are over the columns of the input.
    Aggregate { of: Rows, aggregate: Box<Aggregate> },
    /// MATCH_ROWTIME(): the time of the last row, as a timestamp.
    MatchTime,
}

/// Which rows of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Those that this variable of the pattern took.
    Of(usize),
    All,
}

/// Where an offset is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    First,
    Last,
}

impl Formula {
    /// All expressions in it.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let parts = self.terms.iter().flat_map(|term| match term {
            Term::Aggregate { aggregate, .. } => aggregate.argument.iter().chain(&aggregate.filter),
            Term::Column { .. } | Term::MatchTime => None.iter().chain(&None),
        });
        std::iter::once(&self.expr).chain(parts)
    }
}

impl Recognition {
    /// All conditions and measures.
    pub fn formulas(&self) -> impl Iterator<Item = &Formula> {
        self.pattern.iter().filter_map(|variable| variable.condition.as_ref()).chain(&self.measures)
    }
}
