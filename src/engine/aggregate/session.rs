//! GROUP BY over SESSION windows whose partition is the group's key: each key has its own sessions.
//!
//! With early results each open session tells at each multiple of the interval (the watermark has reached the
//! millisecond before it) what it holds so far.

use super::fold::Fold;
use super::objects::Objects;
use crate::engine::codec::{Reader, Writer};
use crate::engine::keyed::Keyed;
use crate::engine::operand::Operand;
use crate::engine::operator::{At, Out, Taken, Timed};
use crate::engine::sessions::{Session, Sessions};
use crate::engine::windowing::{event_time, timestamp};
use crate::engine::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::{Aggregate, Expr};

pub struct SessionAggregate {
    time: usize,
    gap_ms: Millis,
    early_ms: Option<Millis>,
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
    pub fn new(
        time: usize,
        gap_ms: Millis,
        early_ms: Option<Millis>,
        keys: &[Expr],
        aggregates: &[Aggregate],
    ) -> SessionAggregate {
        SessionAggregate {
            time,
            gap_ms,
            early_ms,
            keys: keys.iter().map(Operand::new).collect(),
            fold: Fold::new(aggregates),
            key: Vec::new(),
        }
    }

    /// When the key's first session closes or, before that, one tells; what was due at `reached` has been told.
    fn due(&self, sessions: &Sessions<Box<[u64]>>, reached: Millis) -> Option<Millis> {
        let first = sessions.iter().next()?;
        let close = first.end - 1;
        let Some(every_ms) = self.early_ms else { return Some(close) };
        let after = first.start.max(reached.saturating_add(1));
        let tick = after.div_euclid(every_ms).saturating_add(1).saturating_mul(every_ms);
        Some(close.min(tick - 1))
    }

    /// Puts out what a session holds.
    fn emit(&self, key: &[Value], session: &Session<Box<[u64]>>, early: bool, objects: &Objects, out: &mut Out) {
        let mut row = Row::with_capacity(key.len() + self.fold.len() + 4);
        row.extend_from_slice(key);
        let result = self.fold.results(&session.content, objects, &mut row);
        row.extend([timestamp(session.start), timestamp(session.end), timestamp(session.end - 1)]);
        row.extend(self.early_ms.map(|_| Value::Boolean(early)));
        out.put(row, result.map_err(RowError::from));
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
        let is_late = taken.is_none();
        let due = keys.get(slot).and_then(|sessions| self.due(sessions, at.watermark));
        match due {
            None => keys.remove(slot),
            due => keys.schedule(slot, due),
        }
        Ok(if is_late { Taken::Late } else { Taken::Kept })
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        state.keys.next_due()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        let State { keys, objects, sessions: count } = state;
        let Some(slot) = keys.first_due(at.watermark) else { return false };
        let now = keys.due_of(slot).unwrap_or_default();
        let mut due = None;
        if let Some((key, sessions)) = keys.entry_mut(slot) {
            if sessions.due().is_some_and(|close| close > now) {
                let open = sessions.iter().filter(|session| session.start <= now);
                open.for_each(|session| self.emit(key, session, true, objects, out));
                due = self.due(sessions, now);
            } else if let Some(session) = sessions.pop() {
                *count -= 1;
                self.emit(key, &session, false, objects, out);
                self.fold.layout.release(&session.content, objects);
                // Others may have something to tell at this very moment.
                due = self.due(sessions, now - 1);
            }
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
