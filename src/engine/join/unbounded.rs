//! The inner join without a limit in time: both sides are kept for ever, so that only `query -f` may have it.

use super::{Matching, Sides, bytes_of, has_null};
use crate::engine::codec::{Reader, Writer};
use crate::engine::keyed::Keyed;
use crate::engine::operator::{At, Out, Taken, Timed};
use crate::engine::{RestoreError, RowError};
use crate::model::{Millis, Value};
use crate::plan::Join;

pub struct Unbounded {
    matching: Matching,
}

#[derive(Default)]
pub struct State {
    keys: Keyed<Sides>,
    bytes: usize,
}

impl Unbounded {
    pub fn new(join: &Join) -> Unbounded {
        Unbounded { matching: Matching::new(join) }
    }
}

impl Timed for Unbounded {
    type State = State;

    fn take(
        &mut self,
        state: &mut State,
        port: usize,
        row: &[Value],
        at: &At,
        out: &mut Out,
    ) -> Result<Taken, RowError> {
        self.matching.find_key(port, row, &at.context)?;
        if has_null(self.matching.key()) {
            return Ok(Taken::Filtered);
        }
        let slot = state.keys.find_or_add(self.matching.key(), Default::default);
        let Some(sides) = state.keys.get_mut(slot) else { return Ok(Taken::Filtered) };
        for other in &sides[1 - port] {
            match self.matching.joined(port, row, other, &at.context) {
                Ok(Some(joined)) => out.push(joined),
                Ok(None) => {}
                Err((joined, error)) => out.failed.push((joined, error.into())),
            }
        }
        state.bytes += bytes_of(row);
        sides[port].push(row.to_vec());
        Ok(Taken::Kept)
    }

    fn next_due(&self, _state: &State) -> Option<Millis> {
        None
    }

    fn fire(&mut self, _state: &mut State, _at: &At, _out: &mut Out) -> bool {
        false
    }

    fn is_empty(&self, state: &State) -> bool {
        state.keys.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        state.keys.bytes() + state.bytes
    }

    fn write(&self, state: &State, writer: &mut Writer) {
        super::write_sides(&state.keys, writer);
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let (keys, bytes) = super::read_sides(&self.matching, reader)?;
        Ok(State { keys, bytes })
    }
}
