//! Runs the plan: `step(now, batch)` is a pure function of the input log. No clock, no I/O, no randomness, no async.

pub mod eval;

use std::sync::Arc;

use crate::model::{Millis, Now, Row};
use crate::plan::Topology;

/// Raised with each change of results: state of an older number is not restored.
pub const SEMANTICS: u32 = 1;

#[derive(Clone, Debug)]
pub struct Limits {
    /// `step` stops firing timers once it has put out this many bytes; the rest comes with the next steps.
    pub output_bytes_max: usize,
}

/// Rows of one source in order of arrival. The caller gives each source at most once a step, in order of index.
#[derive(Clone, Debug)]
pub struct Input {
    pub source: usize,
    pub rows: Vec<InputRow>,
}

#[derive(Clone, Debug)]
pub struct InputRow {
    pub arrival: Millis,
    pub values: Row,
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    pub outputs: Vec<Output>,
    /// Rows that made an expression fail.
    pub failures: Vec<Failure>,
    /// One for each query of the topology.
    pub counts: Vec<QueryCounts>,
    /// Timers are still due: step again at the same `now`, before any new row.
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub query: usize,
    pub row: Row,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub query: usize,
    /// The row that failed and what it is: an input row of a source, or an intermediate one (a closed window).
    pub row: Row,
    pub reason: String,
    /// Whether `row` is an input row, counted in `QueryCounts::failed`.
    pub is_input: bool,
}

/// Each row that entered the query is in exactly one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryCounts {
    pub used: u64,
    pub filtered: u64,
    pub late: u64,
    pub failed: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the saved state cannot be read: {0}")]
pub struct RestoreError(pub String);

pub struct Engine {
    _topology: Arc<Topology>,
}

impl Engine {
    pub fn new(topology: Arc<Topology>, _limits: Limits) -> Engine {
        Engine { _topology: topology }
    }

    /// Advances time to `now`, firing timers at their own deadlines, then takes the rows.
    pub fn step(&mut self, _now: Now, _inputs: Vec<Input>) -> Step {
        unimplemented!()
    }

    /// The end of all input (`query -f`): every watermark becomes plus infinity and everything closes.
    /// Called again while `more` is set.
    pub fn finish(&mut self) -> Step {
        unimplemented!()
    }

    /// The earliest `now` at which `step` without rows could put out something; `None`: only rows can.
    pub fn next_deadline(&self) -> Option<Millis> {
        unimplemented!()
    }

    pub fn snapshot_source(&self, _source: usize) -> Vec<u8> {
        unimplemented!()
    }

    pub fn restore_source(&mut self, _source: usize, _state: &[u8]) -> Result<(), RestoreError> {
        unimplemented!()
    }

    pub fn snapshot_query(&self, _query: usize) -> Vec<u8> {
        unimplemented!()
    }

    pub fn restore_query(&mut self, _query: usize, _state: &[u8]) -> Result<(), RestoreError> {
        unimplemented!()
    }

    /// Forgets the query's state, as if it had just been added.
    pub fn reset_query(&mut self, _query: usize) {
        unimplemented!()
    }

    /// Bytes held for the query, for metrics and for deciding when a snapshot pays.
    pub fn state_bytes(&self, _query: usize) -> usize {
        unimplemented!()
    }
}
