//! The window join: partners are in the same window. Everything comes out when the window closes. Without a window, when
//! the input ends.

use super::{Kept, LEFT, Matching, RIGHT, Sides, bytes_of, has_null};
use crate::engine::codec::{Reader, Writer};
use crate::engine::operator::{At, Out, Taken, Timed};
use crate::engine::windowing::window_end;
use crate::engine::{RestoreError, RowError};
use crate::model::{Millis, Value};
use crate::plan::Join;

/// The keys hold the window's start and end.
pub struct Windowed {
    matching: Matching,
    /// Columns window_end.
    ends: Option<[usize; 2]>,
}

impl Windowed {
    pub fn new(join: &Join, ends: Option<[usize; 2]>) -> Windowed {
        Windowed { matching: Matching::new(join), ends }
    }

    /// Left rows alone, as IN, EXISTS and their opposites want them.
    fn close_tests(&self, wanted: bool, lonely: bool, [left, right]: &Sides, at: &At, out: &mut Out) {
        let partners = if lonely { &[][..] } else { right.as_slice() };
        for row in left {
            match self.matching.has_partner(row, partners, &at.context) {
                Ok(found) if found == wanted => out.push(row.clone()),
                Ok(_) => {}
                Err((pair, error)) => out.failed.push((pair, error.into())),
            }
        }
    }

    fn close(&self, lonely: bool, [left, right]: &Sides, at: &At, out: &mut Out) {
        let mut met = vec![false; right.len()];
        for row in left {
            let mut joined = false;
            for (met, other) in met.iter_mut().zip(right).filter(|_| !lonely) {
                match self.matching.joined(LEFT, row, other, &at.context) {
                    Ok(Some(pair)) => {
                        out.push(pair);
                        (joined, *met) = (true, true);
                    }
                    Ok(None) => {}
                    Err((pair, error)) => out.failed.push((pair, error.into())),
                }
            }
            if !joined && self.matching.keeps(LEFT) {
                out.push(self.matching.padded(LEFT, row));
            }
        }
        for (row, _) in right.iter().zip(met).filter(|(_, met)| !met && self.matching.keeps(RIGHT)) {
            out.push(self.matching.padded(RIGHT, row));
        }
    }
}

impl Timed for Windowed {
    type State = Kept;

    fn take(
        &mut self,
        state: &mut Kept,
        port: usize,
        row: &[Value],
        at: &At,
        _out: &mut Out,
    ) -> Result<Taken, RowError> {
        self.matching.find_key(port, row, &at.context)?;
        let end = window_end(row, self.ends.map(|ends| ends[port])).ok_or(RowError::NoEventTime)?;
        if end - 1 <= at.late_by() {
            return Ok(Taken::Late);
        }
        if has_null(self.matching.key()) && !self.matching.keeps(port) {
            return Ok(Taken::Filtered);
        }
        let slot = state.keys.find_or_add(self.matching.key(), Sides::default);
        if let Some(sides) = state.keys.get_mut(slot) {
            state.bytes += bytes_of(row);
            sides[port].push(row.to_vec());
        }
        state.keys.schedule(slot, Some(end - 1));
        Ok(Taken::Kept)
    }

    fn next_due(&self, state: &Kept) -> Option<Millis> {
        state.keys.next_due()
    }

    fn fire(&mut self, state: &mut Kept, at: &At, out: &mut Out) -> bool {
        let Some(slot) = state.keys.first_due(at.watermark) else { return false };
        let Some((key, sides)) = state.keys.entry_mut(slot) else { return false };
        let lonely = has_null(key);
        let sides = std::mem::take(sides);
        match self.matching.tests() {
            Some(wanted) => self.close_tests(wanted, lonely, &sides, at, out),
            None => self.close(lonely, &sides, at, out),
        }
        state.bytes -= sides.iter().flatten().map(|row| bytes_of(row)).sum::<usize>();
        state.keys.remove(slot);
        true
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
