//! The first n rows of each window and key: ROW_NUMBER() OVER (PARTITION BY window_start, window_end, … ORDER BY …)
//! with a limit on the number. Top-N, and deduplication, which is Top-1 by time.
//!
//! At most n rows of a window and key are held. They come out, with their numbers, when the watermark reaches the end of
//! the window; a row whose window has ended is late, as in Flink. Without a window they come out when the input ends.

use std::cmp::Ordering;

use super::codec::{Reader, Writer};
use super::eval::EvalError;
use super::eval::order::compare_rows;
use super::keyed::Keyed;
use super::operator::{At, Out, Taken, Timed};
use super::windowing::window_end;
use super::{RestoreError, RowError, row_bytes};
use crate::model::{Millis, Row, Value};
use crate::plan::Ranking;

pub struct WindowRank {
    window_end: Option<usize>,
    ranking: Ranking,
    first: usize,
    last: usize,
    columns: usize,
    key: Vec<Value>,
}

#[derive(Default)]
pub struct State {
    /// Rows in their order.
    groups: Keyed<Vec<Row>>,
    /// Of the rows.
    bytes: usize,
}

impl WindowRank {
    /// Numbers `first` to `last` come out; `columns`: how many the input has.
    pub fn new(window_end: Option<usize>, ranking: &Ranking, (first, last): (u64, u64), columns: usize) -> WindowRank {
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let (first, last) = (number(first), number(last));
        WindowRank { window_end, ranking: ranking.clone(), first, last, columns, key: Vec::new() }
    }
}

impl Timed for WindowRank {
    type State = State;

    fn take(
        &mut self,
        state: &mut State,
        _port: usize,
        row: &[Value],
        at: &At,
        _out: &mut Out,
    ) -> Result<Taken, RowError> {
        let Some(end) = window_end(row, self.window_end) else {
            return Err(EvalError::new("a row has no window").into());
        };
        if end - 1 <= at.late_by() {
            return Ok(Taken::Late);
        }
        let Ranking { partition, order, newest_of_equals } = &self.ranking;
        self.key.clear();
        self.key.extend(partition.iter().filter_map(|column| row.get(*column).cloned()));
        let slot = state.groups.find_or_add(&self.key, Vec::new);
        state.groups.schedule(slot, Some(end - 1));
        let Some(rows) = state.groups.get_mut(slot) else { return Ok(Taken::Kept) };
        let place = rows.partition_point(|known| match compare_rows(order, known, row) {
            Ordering::Less => true,
            Ordering::Equal => !newest_of_equals,
            Ordering::Greater => false,
        });
        if place < self.last {
            rows.insert(place, row.to_vec());
            state.bytes += row_bytes(row);
            if rows.len() > self.last {
                state.bytes -= rows.pop().map_or(0, |row| row_bytes(&row));
            }
        }
        Ok(Taken::Kept)
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        state.groups.next_due()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        let Some(slot) = state.groups.first_due(at.watermark) else { return false };
        let rows = state.groups.get_mut(slot).map(std::mem::take).unwrap_or_default();
        state.groups.remove(slot);
        for (index, mut row) in rows.into_iter().enumerate() {
            state.bytes -= row_bytes(&row);
            if index + 1 >= self.first {
                row.push(Value::Int(index as i64 + 1));
                out.push(row);
            }
        }
        true
    }

    fn is_empty(&self, state: &State) -> bool {
        state.groups.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        state.groups.bytes() + state.bytes
    }

    fn write(&self, state: &State, writer: &mut Writer) {
        state.groups.write(writer, |rows, writer| {
            writer.count(rows.len());
            rows.iter().for_each(|row| writer.row(row));
        });
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let mut bytes = 0;
        let groups = Keyed::read(reader, self.ranking.partition.len(), |reader| {
            let count = reader.count()?.min(self.last);
            let rows: Result<Vec<Row>, RestoreError> = (0..count).map(|_| reader.row(self.columns)).collect();
            let rows = rows?;
            bytes += rows.iter().map(|row| row_bytes(row)).sum::<usize>();
            Ok(rows)
        })?;
        Ok(State { groups, bytes })
    }
}
