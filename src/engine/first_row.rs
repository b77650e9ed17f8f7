//! The first row of each key by event time: ROW_NUMBER() OVER (PARTITION BY … ORDER BY time) = 1.
//!
//! A row waits until the watermark reaches its time, since an earlier one may still come; then it is the key's first
//! for good. A row behind the watermark is late. The keys that have had their row are remembered. (Flink's
//! deduplication that keeps the first row.)

use super::codec::{Reader, Writer};
use super::keyed::Keyed;
use super::operator::{At, Out, Taken, Timed};
use super::windowing::event_time;
use super::{RestoreError, RowError, row_bytes};
use crate::model::{Millis, Row, Value};

pub struct FirstRow {
    time: usize,
    partition: Vec<usize>,
    columns: usize,
    key: Vec<Value>,
}

#[derive(Default)]
pub struct State {
    /// The first row so far; `None`: it is out.
    keys: Keyed<Option<Row>>,
    /// Of the rows.
    bytes: usize,
}

impl FirstRow {
    /// `columns`: how many the input has.
    pub fn new(time: usize, partition: &[usize], columns: usize) -> FirstRow {
        FirstRow { time, partition: partition.to_vec(), columns, key: Vec::new() }
    }
}

impl Timed for FirstRow {
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
        if time < at.late_by() {
            return Ok(Taken::Late);
        }
        self.key.clear();
        self.key.extend(self.partition.iter().filter_map(|column| row.get(*column).cloned()));
        let known = state.keys.find(&self.key);
        let slot = known.unwrap_or_else(|| state.keys.find_or_add(&self.key, || Some(row.to_vec())));
        let Some(first) = state.keys.get_mut(slot) else { return Ok(Taken::Kept) };
        match first {
            // The key is new.
            Some(_) if known.is_none() => {}
            Some(first) if event_time(first, self.time).is_some_and(|first| time < first) => {
                state.bytes -= row_bytes(first);
                *first = row.to_vec();
            }
            Some(_) | None => return Ok(Taken::Kept),
        }
        state.bytes += row_bytes(row);
        state.keys.schedule(slot, Some(time));
        Ok(Taken::Kept)
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        state.keys.next_due()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        let Some(slot) = state.keys.first_due(at.watermark) else { return false };
        state.keys.schedule(slot, None);
        if let Some(row) = state.keys.get_mut(slot).and_then(Option::take) {
            state.bytes -= row_bytes(&row);
            out.push(row);
        }
        true
    }

    fn orders_rows(&self) -> bool {
        true
    }

    fn is_empty(&self, state: &State) -> bool {
        state.keys.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        state.keys.bytes() + state.bytes
    }

    fn write(&self, state: &State, writer: &mut Writer) {
        state.keys.write(writer, |first, writer| {
            writer.byte(u8::from(first.is_some()));
            first.iter().for_each(|row| writer.row(row));
        });
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let mut bytes = 0;
        let keys = Keyed::read(reader, self.partition.len(), |reader| {
            let first = if reader.byte()? == 0 { None } else { Some(reader.row(self.columns)?) };
            bytes += first.as_ref().map_or(0, |row| row_bytes(row));
            Ok(first)
        })?;
        Ok(State { keys, bytes })
    }
}
