//! GROUP BY over SESSION windows whose partition is the group's key: each key has its own sessions.

use super::fold::Fold;
use super::objects::Objects;
use crate::engine::codec::{Reader, Writer};
use crate::engine::keyed::Keyed;
use crate::engine::operand::Operand;
use crate::engine::operator::{At, Out, Taken, Timed};
use crate::engine::sessions::Sessions;
use crate::engine::windowing::{event_time, timestamp};
use crate::engine::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::{Aggregate, Expr};

pub struct SessionAggregate {
    time: usize,
    gap_ms: Millis,
    keys: Vec<Operand>,
    fold: Fold,
    key: Vec<Value>,
}

#[derive(Default)]
pub struct State {
    keys: Keyed<Sessions<Box<[u64]>>>,
    objects: Objects,
    sessions: usize,
}

impl SessionAggregate {
    pub fn new(time: usize, gap_ms: Millis, keys: &[Expr], aggregates: &[Aggregate]) -> SessionAggregate {
        SessionAggregate {
            time,
            gap_ms,
            keys: keys.iter().map(Operand::new).collect(),
            fold: Fold::new(aggregates),
            key: Vec::new(),
        }
    }
}

impl Timed for SessionAggregate {
    type State = State;

    fn take(
        &mut self,
        state: &mut State,
        _port: usize,
        row: &[Value],
        at: &At,
        _out: &mut Out,
    ) -> Result<Taken, RowError> {
        let Some(time) = event_time(row, self.time) else { return Err(RowError::NoEventTime) };
        self.key.clear();
        for key in &mut self.keys {
            key.prepare(row, &at.context)?;
            self.key.push(key.value(row).clone());
        }
        self.fold.prepare(row, &at.context)?;
        let State { keys, objects, sessions: count } = state;
        let layout = &self.fold.layout;
        let slot = keys.find_or_add(&self.key, Sessions::default);
        let Some(sessions) = keys.get_mut(slot) else { return Ok(Taken::Late) };
        let new = || vec![0; layout.words].into();
        let (mut added, mut merged) = (false, 0);
        let words = sessions.at(
            time,
            self.gap_ms,
            at.late_by(),
            || {
                added = true;
                new()
            },
            |into: &mut Box<[u64]>, from: Box<[u64]>| {
                layout.merge(into, &from, objects);
                layout.release(&from, objects);
                merged += 1;
            },
        );
        let taken = words.map(|words| self.fold.add(row, words, objects));
        *count = *count + usize::from(added) - merged;
        match (taken, sessions.due()) {
            (_, None) => keys.remove(slot),
            (_, due) => keys.schedule(slot, due),
        }
        Ok(if taken.is_some() { Taken::Kept } else { Taken::Late })
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        state.keys.next_due()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        let State { keys, objects, sessions: count } = state;
        let Some(slot) = keys.first_due(at.watermark) else { return false };
        let mut due = None;
        if let Some((key, sessions)) = keys.entry_mut(slot) {
            if let Some(session) = sessions.pop() {
                *count -= 1;
                let mut row = Row::with_capacity(key.len() + self.fold.len() + 3);
                row.extend_from_slice(key);
                let result = self.fold.results(&session.content, objects, &mut row);
                row.extend([timestamp(session.start), timestamp(session.end), timestamp(session.end - 1)]);
                self.fold.layout.release(&session.content, objects);
                out.put(row, result.map_err(RowError::from));
            }
            due = sessions.due();
        }
        match due {
            None => keys.remove(slot),
            due => keys.schedule(slot, due),
        }
        true
    }

    fn is_empty(&self, state: &State) -> bool {
        state.keys.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        // Start, end, the box and its words.
        let session_bytes = 32 + self.fold.layout.words * 8;
        state.keys.bytes() + state.sessions * session_bytes + state.objects.bytes()
    }

    fn write(&self, state: &State, writer: &mut Writer) {
        state.keys.write(writer, |sessions, writer| {
            sessions.write(writer, |words, writer| self.fold.layout.write(words, &state.objects, writer));
        });
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let (mut objects, mut count) = (Objects::default(), 0);
        let keys = Keyed::read(reader, self.keys.len(), |reader| {
            Sessions::read(reader, |reader| {
                let mut words = vec![0; self.fold.layout.words];
                self.fold.layout.read(&mut words, &mut objects, reader)?;
                count += 1;
                Ok(words.into())
            })
        })?;
        Ok(State { keys, objects, sessions: count })
    }
}
