//! MATCH_RECOGNIZE as an operator: rows wait for the watermark, go on in order of time, each to its partition's runs.
//!
//! `matcher.rs` is the automaton, `candidates.rs` the order in which it goes through runs, `formula.rs` what conditions
//! and measures see, `rows.rs` where the rows are. A row whose time the watermark has reached is late.
//!
//! Holds always: a match comes out at the time of the row that completes it or, if it had to wait for an earlier run,
//! of what ended that run; MATCH_ROWTIME() says which time that is, so it is never behind the watermark.

mod candidates;
mod formula;
mod matcher;
mod rows;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::VecDeque;

use formula::Kept;
use matcher::{Matcher, Partition, Put, Shared};
pub use matcher::{ROWS_MAX, RUNS_MAX};
use rows::{Waiting, WaitingRows};

use super::codec::{Reader, Writer};
use super::eval::order::total_cmp;
use super::keyed::Keyed;
use super::operator::{At, Out, Taken, Timed};
use super::windowing::event_time;
use super::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::{Recognition, SortKey};

pub struct Recognizer {
    time: usize,
    partition: Vec<usize>,
    /// Positions in what is kept of a row.
    order: Vec<SortKey>,
    kept: Kept,
    within_ms: Option<Millis>,
    matcher: Matcher,
    key: Row,
}

/// Of one time line.
#[derive(Default)]
pub struct State {
    partitions: Keyed<Partition>,
    shared: Shared,
    waiting: WaitingRows,
    /// Rows of one time, in the order in which they are to be taken: they wait for nothing but their turn.
    turn: VecDeque<Waiting>,
    /// Bytes of the partitions' states.
    bytes: usize,
}

impl Recognizer {
    /// `limited`: partial matches and the rows they hold are limited for each partition.
    pub fn new(recognition: &Recognition, limited: bool) -> Recognizer {
        let kept = Kept::new(recognition);
        let key = |key: &SortKey| SortKey { column: kept.position(key.column), ..*key };
        Recognizer {
            time: recognition.time,
            partition: recognition.partition.clone(),
            order: recognition.order.iter().map(key).collect(),
            within_ms: recognition.within_ms,
            matcher: Matcher::new(recognition, &kept, limited),
            kept,
            key: Row::new(),
        }
    }

    fn new_state(&self) -> State {
        let mut state = State::default();
        self.shape(&mut state);
        state
    }

    /// A state that is made by default knows no widths.
    fn shape(&self, state: &mut State) {
        state.shared.rows.set_width(self.kept.width());
        state.shared.ends.set_variables(self.matcher.variables());
    }

    /// The next row, where several columns say which one that is.
    fn next_row(&self, state: &mut State, watermark: Millis) -> Option<Waiting> {
        if let Some(next) = state.turn.pop_front() {
            return Some(next);
        }
        let next = state.waiting.first().filter(|first| first.time <= watermark)?;
        state.waiting.take_first();
        if self.order.is_empty() {
            return Some(next);
        }
        state.turn.push_back(next);
        while state.waiting.first().is_some_and(|row| row.time == next.time) {
            state.turn.extend(state.waiting.take_first());
        }
        let rows = &state.shared.rows;
        // It is stable: rows that are equal in everything go by arrival.
        state.turn.make_contiguous().sort_by(|a, b| self.compare(rows.get(a.row), rows.get(b.row)));
        state.turn.pop_front()
    }

    fn compare(&self, a: &[Value], b: &[Value]) -> Ordering {
        let keys = self.order.iter().filter_map(|key| Some((key, a.get(key.column)?, b.get(key.column)?)));
        let mut orders = keys.map(|(key, a, b)| {
            let order = total_cmp(a, b);
            if key.descending { order.reverse() } else { order }
        });
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Takes a row whose time has come.
    fn take_now(&mut self, state: &mut State, next: Waiting, at: &At, out: &mut Out) {
        let State { partitions, shared, bytes, .. } = state;
        let Some((key, partition)) = partitions.entry_mut(next.partition) else { return };
        let before = partition.bytes();
        let mut put = Put { key, time: next.time, context: &at.context, out };
        partition.waiting -= 1;
        self.matcher.expire(partition, shared, next.time);
        self.matcher.settle(partition, shared, &mut put);
        match self.matcher.take(partition, shared, next.row, &at.context) {
            Ok(()) => {
                self.matcher.settle(partition, shared, &mut put);
                self.matcher.limit(partition, shared);
            }
            Err(error) => {
                let row = shared.rows.get(next.row).to_vec();
                put.out.failed.push((row, error.into()));
                shared.rows.release(next.row);
            }
        }
        *bytes = *bytes + partition.bytes() - before;
        self.leave(state, next.partition);
    }

    /// Time alone ends what is not complete.
    fn expire(&mut self, state: &mut State, slot: u32, at: &At, out: &mut Out) {
        let State { partitions, shared, bytes, .. } = state;
        let Some((key, partition)) = partitions.entry_mut(slot) else { return };
        let before = partition.bytes();
        self.matcher.expire(partition, shared, at.watermark);
        let mut put = Put { key, time: at.watermark, context: &at.context, out };
        self.matcher.settle(partition, shared, &mut put);
        *bytes = *bytes + partition.bytes() - before;
        self.leave(state, slot);
    }

    /// Says when the partition is due next, or forgets it.
    fn leave(&self, state: &mut State, slot: u32) {
        let Some(partition) = state.partitions.get(slot) else { return };
        if partition.is_idle() && partition.waiting == 0 {
            state.bytes -= partition.bytes();
            state.partitions.remove(slot);
        } else {
            state.partitions.schedule(slot, partition.due(&state.shared.rows, self.within_ms));
        }
    }
}

impl Timed for Recognizer {
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
        // Before there is a watermark nothing is late.
        if time <= at.watermark && at.watermark > 0 {
            return Ok(Taken::Late);
        }
        self.shape(state);
        self.key.clear();
        self.key.extend(self.partition.iter().map(|column| row.get(*column).cloned().unwrap_or(Value::Null)));
        let before = state.partitions.len();
        let slot = state.partitions.find_or_add(&self.key, Partition::default);
        if let Some(partition) = state.partitions.get_mut(slot) {
            partition.waiting += 1;
            if state.partitions.len() > before {
                state.bytes += state.partitions.get(slot).map_or(0, Partition::bytes);
            }
        }
        let row = state.shared.rows.add(time, self.kept.of(row));
        state.waiting.add(time, slot, row);
        Ok(Taken::Kept)
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        let waiting = state.turn.front().copied().or(state.waiting.first()).map(|row| row.time);
        [waiting, state.partitions.next_due()].into_iter().flatten().min()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        // As in Flink, first all rows that the watermark has reached; then what is over by the watermark alone.
        if let Some(next) = self.next_row(state, at.watermark) {
            self.take_now(state, next, at, out);
        } else if let Some(slot) = state.partitions.first_due(at.watermark) {
            self.expire(state, slot, at, out);
        } else {
            return false;
        }
        out.given_up += std::mem::take(&mut self.matcher.given_up);
        true
    }

    fn orders_rows(&self) -> bool {
        true
    }

    fn is_empty(&self, state: &State) -> bool {
        state.partitions.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        state.partitions.bytes()
            + state.bytes
            + state.shared.rows.bytes()
            + state.shared.ends.bytes()
            + state.waiting.bytes()
            + state.turn.capacity() * size_of::<Waiting>()
    }

    /// Partitions in order of first arrival, then the rows that wait, earliest first.
    fn write(&self, state: &State, writer: &mut Writer) {
        debug_assert!(state.turn.is_empty(), "a snapshot while rows are taken");
        state.partitions.write(writer, |partition, writer| partition.write(&state.shared, writer));
        let mut ordinals = vec![0; state.partitions.slots()];
        for (ordinal, slot) in state.partitions.in_order().into_iter().enumerate() {
            ordinals[slot as usize] = ordinal;
        }
        writer.count(state.waiting.len());
        for Waiting { time, partition, row, .. } in state.waiting.in_order() {
            writer.signed(time);
            writer.count(ordinals[partition as usize]);
            writer.row(state.shared.rows.get(row));
        }
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let mut state = self.new_state();
        let (shared, bytes) = (&mut state.shared, &mut state.bytes);
        state.partitions = Keyed::read(reader, self.partition.len(), |reader| {
            let partition = Partition::read(reader, shared)?;
            *bytes += partition.bytes();
            Ok(partition)
        })?;
        let slots = state.partitions.in_order();
        for _ in 0..reader.count()? {
            let time = reader.signed()?;
            let slot = usize::try_from(reader.unsigned()?).ok().and_then(|ordinal| slots.get(ordinal).copied());
            let partition = slot.and_then(|slot| state.partitions.get_mut(slot));
            let (Some(slot), Some(partition)) = (slot, partition) else {
                return Err(RestoreError("a row waits for a partition that is not there".to_owned()));
            };
            partition.waiting += 1;
            let values = reader.row(self.kept.width())?;
            let row = state.shared.rows.add(time, values.iter());
            state.waiting.add(time, slot, row);
        }
        Ok(state)
    }
}
