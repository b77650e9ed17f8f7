//! SESSION as a table function without aggregation: rows wait until their session closes, then come out with its
//! window_start, window_end and window_time.

use super::codec::{Reader, Writer};
use super::keyed::Keyed;
use super::operator::{At, Out, Taken, Timed};
use super::sessions::Sessions;
use super::windowing::{event_time, timestamp};
use super::{RestoreError, RowError, row_bytes};
use crate::model::{Millis, Row, Value};

pub struct SessionRows {
    time: usize,
    gap_ms: Millis,
    partition: Vec<usize>,
    columns: usize,
    key: Vec<Value>,
}

#[derive(Default)]
pub struct State {
    keys: Keyed<Sessions<Vec<Row>>>,
    /// Of the rows.
    bytes: usize,
}

impl SessionRows {
    /// `columns`: how many the input has.
    pub fn new(time: usize, gap_ms: Millis, partition: &[usize], columns: usize) -> SessionRows {
        SessionRows { time, gap_ms, partition: partition.to_vec(), columns, key: Vec::new() }
    }
}

impl Timed for SessionRows {
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
        self.key.extend(self.partition.iter().filter_map(|column| row.get(*column).cloned()));
        let slot = state.keys.find_or_add(&self.key, Sessions::default);
        let Some(sessions) = state.keys.get_mut(slot) else { return Ok(Taken::Late) };
        let rows = sessions.at(time, self.gap_ms, at.late_by(), Vec::new, |into, from| into.extend(from));
        let taken = rows.map(|rows| rows.push(row.to_vec()));
        match sessions.due() {
            None => state.keys.remove(slot),
            due => state.keys.schedule(slot, due),
        }
        if taken.is_none() {
            return Ok(Taken::Late);
        }
        state.bytes += row_bytes(row);
        Ok(Taken::Kept)
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        state.keys.next_due()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        let Some(slot) = state.keys.first_due(at.watermark) else { return false };
        let mut due = None;
        if let Some(sessions) = state.keys.get_mut(slot) {
            if let Some(session) = sessions.pop() {
                let window = [timestamp(session.start), timestamp(session.end), timestamp(session.end - 1)];
                for mut row in session.content {
                    state.bytes -= row_bytes(&row);
                    row.extend_from_slice(&window);
                    out.push(row);
                }
            }
            due = sessions.due();
        }
        match due {
            None => state.keys.remove(slot),
            due => state.keys.schedule(slot, due),
        }
        true
    }

    fn is_empty(&self, state: &State) -> bool {
        state.keys.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        state.keys.bytes() + state.bytes
    }

    fn write(&self, state: &State, writer: &mut Writer) {
        state.keys.write(writer, |sessions, writer| {
            sessions.write(writer, |rows, writer| {
                writer.count(rows.len());
                rows.iter().for_each(|row| writer.row(row));
            });
        });
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let mut bytes = 0;
        let keys = Keyed::read(reader, self.partition.len(), |reader| {
            Sessions::read(reader, |reader| {
                let count = reader.count()?;
                let rows: Result<Vec<Row>, RestoreError> = (0..count).map(|_| reader.row(self.columns)).collect();
                let rows = rows?;
                bytes += rows.iter().map(|row| row_bytes(row)).sum::<usize>();
                Ok(rows)
            })
        })?;
        Ok(State { keys, bytes })
    }
}
