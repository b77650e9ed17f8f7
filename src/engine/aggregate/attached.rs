//! GROUP BY the window columns that rows bring along: a second aggregate by the same window, or one over rows that
//! already stand in their windows.
//!
//! A group is a key with a window; it fires when the watermark reaches the window's end, and a row whose window has
//! ended is late, as in Flink.

use super::fold::Fold;
use super::objects::Objects;
use crate::engine::codec::{Reader, Writer};
use crate::engine::eval::EvalError;
use crate::engine::keyed::Keyed;
use crate::engine::operand::Operand;
use crate::engine::operator::{At, Out, Taken, Timed};
use crate::engine::windowing::{event_time, timestamp};
use crate::engine::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::{Aggregate, Expr};

pub struct AttachedAggregate {
    window_start: usize,
    window_end: usize,
    keys: Vec<Operand>,
    fold: Fold,
    key: Vec<Value>,
}

#[derive(Default)]
pub struct State {
    /// By the keys, window_start and window_end.
    groups: Keyed<Box<[u64]>>,
    objects: Objects,
}

impl AttachedAggregate {
    /// `window`: the columns window_start and window_end.
    pub fn new(window: [usize; 2], keys: &[Expr], aggregates: &[Aggregate]) -> AttachedAggregate {
        AttachedAggregate {
            window_start: window[0],
            window_end: window[1],
            keys: keys.iter().map(Operand::new).collect(),
            fold: Fold::new(aggregates),
            key: Vec::new(),
        }
    }
}

impl Timed for AttachedAggregate {
    type State = State;

    fn take(
        &mut self,
        state: &mut State,
        _port: usize,
        row: &[Value],
        at: &At,
        _out: &mut Out,
    ) -> Result<Taken, RowError> {
        let windows = (event_time(row, self.window_start), event_time(row, self.window_end));
        let (Some(start), Some(end)) = windows else {
            return Err(EvalError::new("a row has no window").into());
        };
        self.key.clear();
        for key in &mut self.keys {
            key.prepare(row, &at.context)?;
            self.key.push(key.value(row).clone());
        }
        self.fold.prepare(row, &at.context)?;
        if end - 1 <= at.late_by() {
            return Ok(Taken::Late);
        }
        self.key.extend([timestamp(start), timestamp(end)]);
        let words = self.fold.layout.words;
        let slot = state.groups.find_or_add(&self.key, || vec![0; words].into());
        if let Some(words) = state.groups.get_mut(slot) {
            self.fold.add(row, words, &mut state.objects);
        }
        state.groups.schedule(slot, Some(end - 1));
        Ok(Taken::Kept)
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        state.groups.next_due()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        let Some(slot) = state.groups.first_due(at.watermark) else { return false };
        if let Some((key, words)) = state.groups.entry_mut(slot) {
            let (keys, window) = key.split_at(self.keys.len());
            let mut row = Row::with_capacity(key.len() + self.fold.len() + 1);
            row.extend_from_slice(keys);
            let result = self.fold.results(words, &state.objects, &mut row);
            row.extend_from_slice(window);
            row.extend(event_time(window, 1).map(|end| timestamp(end - 1)));
            self.fold.layout.release(words, &mut state.objects);
            out.put(row, result.map_err(RowError::from));
        }
        state.groups.remove(slot);
        true
    }

    fn is_empty(&self, state: &State) -> bool {
        state.groups.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        state.groups.bytes() + state.groups.len() * self.fold.layout.words * 8 + state.objects.bytes()
    }

    fn write(&self, state: &State, writer: &mut Writer) {
        state.groups.write(writer, |words, writer| self.fold.layout.write(words, &state.objects, writer));
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let mut objects = Objects::default();
        let groups = Keyed::read(reader, self.keys.len() + 2, |reader| {
            let mut words = vec![0; self.fold.layout.words];
            self.fold.layout.read(&mut words, &mut objects, reader)?;
            Ok(words.into())
        })?;
        Ok(State { groups, objects })
    }
}
