//! State with an expiry (`state_ttl`): what an operator knows of a key goes once the key has not been touched for so long.
//!
//! Each key has a state of the operator's own, so that all of it goes at once, whatever the operator. A row that counts
//! touches its key, and so does one that goes out after waiting. The clock is the watermark of the time line: a key goes
//! when the watermark is the expiry past where it stood when the key was touched last. So a replay forgets the same.
//!
//! Holds always: nothing goes while rows wait in it.

use super::codec::{Reader, Writer};
use super::keyed::Keyed;
use super::operand::Operand;
use super::operator::{At, Out, Taken, Timed};
use super::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::Expr;

pub struct Expiring<O: Timed> {
    operator: O,
    /// By these the operator keeps rows apart.
    keys: Vec<Operand>,
    ttl_ms: Millis,
    key: Row,
}

pub struct State<S> {
    keys: Keyed<Kept<S>>,
    /// Of the operator's states.
    bytes: usize,
}

struct Kept<S> {
    state: S,
    /// Where the watermark was; 0: there was none yet.
    touched: Millis,
}

impl<S> Default for State<S> {
    fn default() -> State<S> {
        State { keys: Keyed::default(), bytes: 0 }
    }
}

impl<O: Timed> Expiring<O> {
    pub fn new(operator: O, keys: &[Expr], ttl_ms: Millis) -> Expiring<O> {
        Expiring { operator, keys: keys.iter().map(Operand::new).collect(), ttl_ms, key: Row::new() }
    }

    fn due(&self, kept: &Kept<O::State>) -> Option<Millis> {
        let expiry = match kept.touched {
            // With the first watermark there is.
            0 => 1,
            touched => touched.saturating_add(self.ttl_ms),
        };
        Some(self.operator.next_due(&kept.state).unwrap_or(expiry))
    }

    /// After the key's state has changed: counts its bytes, drops it if there is nothing in it, or says when it is due.
    fn settle(&self, state: &mut State<O::State>, slot: u32, bytes_before: usize) {
        let Some(kept) = state.keys.get(slot) else { return };
        let bytes = self.operator.state_bytes(&kept.state);
        state.bytes = (state.bytes + bytes).saturating_sub(bytes_before);
        if self.operator.is_empty(&kept.state) {
            state.bytes = state.bytes.saturating_sub(bytes);
            state.keys.remove(slot);
        } else {
            let due = self.due(kept);
            state.keys.schedule(slot, due);
        }
    }
}

impl<O: Timed> Timed for Expiring<O> {
    type State = State<O::State>;

    fn take(
        &mut self,
        state: &mut Self::State,
        port: usize,
        row: &[Value],
        at: &At,
        out: &mut Out,
    ) -> Result<Taken, RowError> {
        self.key.clear();
        for key in &self.keys {
            self.key.push(key.eval(row, &at.context)?);
        }
        let new = || Kept { state: O::State::default(), touched: at.watermark };
        let slot = state.keys.find_or_add(&self.key, new);
        let Some(kept) = state.keys.get_mut(slot) else { return Ok(Taken::Late) };
        let before = self.operator.state_bytes(&kept.state);
        let taken = self.operator.take(&mut kept.state, port, row, at, out);
        if matches!(taken, Ok(Taken::Kept | Taken::Filtered)) {
            kept.touched = kept.touched.max(at.watermark);
        }
        self.settle(state, slot, before);
        taken
    }

    fn next_due(&self, state: &Self::State) -> Option<Millis> {
        state.keys.next_due()
    }

    fn fire(&mut self, state: &mut Self::State, at: &At, out: &mut Out) -> bool {
        let Some(slot) = state.keys.first_due(at.watermark) else { return false };
        let Some(kept) = state.keys.get_mut(slot) else { return false };
        let before = self.operator.state_bytes(&kept.state);
        match self.operator.next_due(&kept.state) {
            Some(due) => {
                self.operator.fire(&mut kept.state, at, out);
                kept.touched = kept.touched.max(due);
            }
            None if kept.touched == 0 => kept.touched = at.watermark,
            None => {
                state.bytes = state.bytes.saturating_sub(before);
                state.keys.remove(slot);
                return true;
            }
        }
        self.settle(state, slot, before);
        true
    }

    fn orders_rows(&self) -> bool {
        self.operator.orders_rows()
    }

    fn is_empty(&self, state: &Self::State) -> bool {
        state.keys.len() == 0
    }

    fn state_bytes(&self, state: &Self::State) -> usize {
        state.keys.bytes() + state.bytes
    }

    fn write(&self, state: &Self::State, writer: &mut Writer) {
        state.keys.write(writer, |kept, writer| {
            writer.signed(kept.touched);
            self.operator.write(&kept.state, writer);
        });
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<Self::State, RestoreError> {
        let mut bytes = 0;
        let keys = Keyed::read(reader, self.keys.len(), |reader| {
            let kept = Kept { touched: reader.signed()?, state: self.operator.read(reader)? };
            bytes += self.operator.state_bytes(&kept.state);
            Ok(kept)
        })?;
        Ok(State { keys, bytes })
    }

    fn delay_ms(&self) -> Millis {
        self.operator.delay_ms()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::engine::distinct::Distinct;
    use crate::engine::eval::Context;
    use crate::model::DataType;
    use proptest::prelude::*;

    const TTL_MS: Millis = 10;

    /// SELECT DISTINCT of one column, restarted after each row; what came out for rows of (key, step of the watermark).
    fn distinct(rows: &[(i64, Millis)]) -> (Vec<Row>, Vec<usize>) {
        let mut operator = Expiring::new(Distinct::new(1), &[Expr::column(0, DataType::BigInt)], TTL_MS);
        let (mut state, mut out, mut watermark, mut kept) = (State::default(), Out::default(), 0, Vec::new());
        for (key, step) in rows {
            let at = |watermark| At { context: Context::default(), watermark };
            operator.take(&mut state, 0, &[Value::Int(*key)], &at(watermark), &mut out).unwrap();
            watermark += step;
            while operator.fire(&mut state, &at(watermark), &mut out) {}
            let mut writer = Writer::default();
            operator.write(&state, &mut writer);
            let bytes = writer.finish();
            state = operator.read(&mut Reader::new(&bytes)).unwrap();
            kept.push(state.keys.len());
        }
        (out.rows, kept)
    }

    proptest! {
        /// A key is new again when the watermark has moved by the expiry since its last row.
        #[test]
        fn a_key_is_forgotten_when_it_was_not_touched(rows in prop::collection::vec((0i64..4, 0i64..8), 0..60)) {
            let (mut expected, mut left) = (Vec::new(), Vec::new());
            let (mut touched, mut watermark) = (BTreeMap::<i64, Millis>::new(), 0);
            for (key, step) in &rows {
                if touched.insert(*key, watermark).is_none() {
                    expected.push(vec![Value::Int(*key)]);
                }
                let before = watermark;
                watermark += step;
                if before == 0 && watermark > 0 {
                    // Before the first watermark no time goes by.
                    touched.values_mut().for_each(|touched| *touched = watermark);
                }
                touched.retain(|_, touched| watermark - *touched < TTL_MS);
                left.push(touched.len());
            }
            prop_assert_eq!(distinct(&rows), (expected, left));
        }
    }
}
