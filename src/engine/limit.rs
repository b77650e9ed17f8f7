//! LIMIT: the first rows that come, and then no more. What comes before OFFSET is let go.

use super::codec::{Reader, Writer};
use super::operator::{At, Out, Taken, Timed};
use super::{RestoreError, RowError};
use crate::model::{Millis, Value};

pub struct Limit {
    skipped: u64,
    /// Up to which row they go on.
    last: u64,
}

impl Limit {
    pub fn new(skipped: u64, count: u64) -> Limit {
        Limit { skipped, last: skipped.saturating_add(count) }
    }
}

impl Timed for Limit {
    /// How many rows have come, as far as that still matters.
    type State = u64;

    fn take(
        &mut self,
        state: &mut u64,
        _port: usize,
        row: &[Value],
        _at: &At,
        out: &mut Out,
    ) -> Result<Taken, RowError> {
        if *state >= self.last {
            return Ok(Taken::Filtered);
        }
        *state += 1;
        if *state <= self.skipped {
            return Ok(Taken::Filtered);
        }
        out.push(row.to_vec());
        Ok(Taken::Kept)
    }

    fn next_due(&self, _state: &u64) -> Option<Millis> {
        None
    }

    fn fire(&mut self, _state: &mut u64, _at: &At, _out: &mut Out) -> bool {
        false
    }

    /// Always: nothing waits, and the end of a time line does not make the rows come again.
    fn is_empty(&self, _state: &u64) -> bool {
        true
    }

    fn state_bytes(&self, _state: &u64) -> usize {
        0
    }

    fn write(&self, state: &u64, writer: &mut Writer) {
        writer.unsigned(*state);
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<u64, RestoreError> {
        Ok(reader.unsigned()?.min(self.last))
    }
}
