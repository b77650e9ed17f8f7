//! The join without a limit in time: both sides are kept for ever, so that only `query -f` may have it. Inner, or Semi,
//! where a left row goes once it has met its partner.

use super::{Kept, LEFT, Matching, Sides, bytes_of, has_null};
use crate::engine::codec::{Reader, Writer};
use crate::engine::operator::{At, Out, Taken, Timed};
use crate::engine::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::Join;

pub struct Unbounded {
    matching: Matching,
}

impl Unbounded {
    pub fn new(join: &Join) -> Unbounded {
        Unbounded { matching: Matching::new(join) }
    }

    /// Each pair of the row with one of the other side.
    fn pairs(&self, port: usize, row: &[Value], sides: &mut Sides, at: &At, out: &mut Out) {
        for other in &sides[1 - port] {
            match self.matching.joined(port, row, other, &at.context) {
                Ok(Some(joined)) => out.push(joined),
                Ok(None) => {}
                Err((joined, error)) => out.failed.push((joined, error.into())),
            }
        }
        sides[port].push(row.to_vec());
    }

    /// Left rows that have found a partner.
    fn tested(&self, port: usize, row: Row, sides: &mut Sides, bytes: &mut usize, at: &At, out: &mut Out) {
        let [left, right] = sides;
        let mut waits =
            |candidate: &Row, partners: &[Row]| match self.matching.has_partner(candidate, partners, &at.context) {
                Ok(false) => true,
                Ok(true) => {
                    out.push(candidate.clone());
                    false
                }
                Err((joined, error)) => {
                    out.failed.push((joined, error.into()));
                    false
                }
            };
        if port == LEFT {
            if waits(&row, right.as_slice()) {
                *bytes += bytes_of(&row);
                left.push(row);
            }
            return;
        }
        left.retain(|candidate| {
            let stays = waits(candidate, std::slice::from_ref(&row));
            *bytes -= if stays { 0 } else { bytes_of(candidate) };
            stays
        });
        *bytes += bytes_of(&row);
        right.push(row);
    }
}

impl Timed for Unbounded {
    type State = Kept;

    fn take(
        &mut self,
        state: &mut Kept,
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
        match self.matching.tests() {
            None => {
                state.bytes += bytes_of(row);
                self.pairs(port, row, sides, at, out);
            }
            Some(_) => self.tested(port, row.to_vec(), sides, &mut state.bytes, at, out),
        }
        Ok(Taken::Kept)
    }

    fn next_due(&self, _state: &Kept) -> Option<Millis> {
        None
    }

    fn fire(&mut self, _state: &mut Kept, _at: &At, _out: &mut Out) -> bool {
        false
    }

    fn is_empty(&self, state: &Kept) -> bool {
        state.keys.len() == 0
    }

    fn state_bytes(&self, state: &Kept) -> usize {
        state.state_bytes()
    }

    fn write(&self, state: &Kept, writer: &mut Writer) {
        state.write(writer);
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<Kept, RestoreError> {
        Kept::read(&self.matching, reader)
    }
}
