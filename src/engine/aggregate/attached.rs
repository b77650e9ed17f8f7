//! GROUP BY the window columns that rows bring along: a second aggregate by the same window, or one over rows that
//! already stand in their windows.
//!
//! A group is a key with a window; it fires when the watermark reaches the window's end, and a row whose window has
//! ended is late, as in Flink. Without windows a group is a key, and fires when the input ends.

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
    /// The columns window_start and window_end. `None`: all rows are in one window, until the input ends.
    window: Option<[usize; 2]>,
    keys: Vec<Operand>,
    fold: Fold,
    key: Vec<Value>,
}

#[derive(Default)]
pub struct State {
    /// By the keys, then window_start and window_end if there are windows.
    groups: Keyed<Box<[u64]>>,
    objects: Objects,
}

impl AttachedAggregate {
    pub fn new(window: Option<[usize; 2]>, keys: &[Expr], aggregates: &[Aggregate]) -> AttachedAggregate {
        AttachedAggregate {
            window,
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
        let window = match self.window {
            Some([start, end]) => match (event_time(row, start), event_time(row, end)) {
                (Some(start), Some(end)) => Some([start, end]),
                _ => return Err(EvalError::new("a row has no window").into()),
            },
            None => None,
        };
        let last_ms = window.map_or(Millis::MAX, |[_, end]| end) - 1;
        self.key.clear();
        for key in &mut self.keys {
            key.prepare(row, &at.context)?;
            self.key.push(key.value(row).clone());
        }
        self.fold.prepare(row, &at.context)?;
        if last_ms <= at.late_by() {
            return Ok(Taken::Late);
        }
        self.key.extend(window.into_iter().flatten().map(timestamp));
        let words = self.fold.layout.words;
        let slot = state.groups.find_or_add(&self.key, || vec![0; words].into());
        if let Some(words) = state.groups.get_mut(slot) {
            self.fold.add(row, words, &mut state.objects);
        }
        state.groups.schedule(slot, Some(last_ms));
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
        let columns = self.keys.len() + self.window.map_or(0, |window| window.len());
        let groups = Keyed::read(reader, columns, |reader| {
            let mut words = vec![0; self.fold.layout.words];
            self.fold.layout.read(&mut words, &mut objects, reader)?;
            Ok(words.into())
        })?;
        Ok(State { groups, objects })
    }
}
