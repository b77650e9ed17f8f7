//! TUMBLE_ROWS and HOP_ROWS: windows of so many rows of a key, in order of event time. As a table function each row
//! comes out once for each of its windows, when that is full; under GROUP BY the window's aggregates do.
//!
//! A row waits until the watermark reaches its time; one at or before the watermark is late. A window begins with the
//! time of its first row and ends a millisecond after its last one, or after the end of the window before it, so that no
//! two windows of a key are the same. What is not full when all ends gives nothing.
//!
//! Holds always: a key holds its waiting rows and fewer than a window's rows.

use std::collections::{BTreeMap, VecDeque};

use super::aggregate::{Fold, Objects};
use super::codec::{Reader, Writer};
use super::eval::{Context, EvalError};
use super::keyed::Keyed;
use super::operator::{At, Out, Taken, Timed};
use super::windowing::{TIME_MAX_MS, event_time, timestamp};
use super::{RestoreError, RowError, row_bytes};
use crate::model::{Millis, Row, Value};
use crate::plan::{Aggregate, CountWindowing};

pub struct CountWindows {
    windowing: CountWindowing,
    /// How many the input has.
    columns: usize,
    output: Output,
    key: Vec<Value>,
}

enum Output {
    Rows,
    /// Columns of the key in the order in which they come out, and what is computed of the rows.
    Aggregates {
        keys: Vec<usize>,
        fold: Fold,
    },
}

#[derive(Default)]
struct Partition {
    /// Those of one time in order of arrival.
    waiting: BTreeMap<Millis, Vec<Row>>,
    /// Of the window that is being filled.
    rows: VecDeque<(Millis, Row)>,
    /// Of the window before it.
    last_end: Option<Millis>,
}

#[derive(Default)]
pub struct State {
    partitions: Keyed<Partition>,
    /// Of the rows.
    bytes: usize,
}

impl CountWindows {
    /// `columns`: how many the input has.
    pub fn rows(windowing: &CountWindowing, columns: usize) -> CountWindows {
        CountWindows { windowing: windowing.clone(), columns, output: Output::Rows, key: Vec::new() }
    }

    /// `keys`: the partition's columns in the order in which they come out.
    pub fn aggregates(
        windowing: &CountWindowing,
        keys: Vec<usize>,
        aggregates: &[Aggregate],
        columns: usize,
    ) -> CountWindows {
        let output = Output::Aggregates { keys, fold: Fold::new(aggregates) };
        CountWindows { windowing: windowing.clone(), columns, output, key: Vec::new() }
    }

    /// A row's turn; if it makes a window full, that comes out. The answer: bytes of the rows that are not held any more.
    fn turn(&mut self, partition: &mut Partition, time: Millis, row: Row, at: &At, out: &mut Out) -> usize {
        partition.rows.push_back((time, row));
        if partition.rows.len() < self.windowing.size {
            return 0;
        }
        let start = partition.rows.front().map_or(time, |(time, _)| *time);
        let end = time.max(partition.last_end.unwrap_or(Millis::MIN)) + 1;
        partition.last_end = Some(end);
        let window = [timestamp(start), timestamp(end), timestamp(end - 1)];
        let rows = partition.rows.iter().map(|(_, row)| row);
        match &mut self.output {
            Output::Rows => {
                for row in rows {
                    let mut row = row.clone();
                    row.extend_from_slice(&window);
                    out.push(row);
                }
            }
            Output::Aggregates { keys, fold } => {
                let mut result = Row::with_capacity(keys.len() + fold.len() + window.len());
                result.extend(keys.iter().map(|key| partition.rows[0].1[*key].clone()));
                let computed = compute(fold, rows, &at.context, &mut result);
                result.extend(window);
                out.put(result, computed.map_err(RowError::from));
            }
        }
        partition.rows.drain(..self.windowing.slide).map(|(_, row)| row_bytes(&row)).sum()
    }
}

/// Appends the aggregates of the rows to `result`, as many columns with an error.
fn compute<'a>(
    fold: &mut Fold,
    rows: impl Iterator<Item = &'a Row>,
    context: &Context,
    result: &mut Row,
) -> Result<(), EvalError> {
    let (mut words, mut objects) = (vec![0; fold.layout.words], Objects::default());
    let first = result.len();
    let mut computed = Ok(());
    for row in rows {
        computed = computed.and_then(|()| fold.prepare(row, context));
        if computed.is_err() {
            break;
        }
        fold.add(row, &mut words, &mut objects);
    }
    computed = computed.and_then(|()| fold.results(&words, &objects, result));
    result.resize(first + fold.len(), Value::Null);
    computed
}

impl Partition {
    fn due(&self) -> Option<Millis> {
        self.waiting.first_key_value().map(|(time, _)| *time)
    }

    fn rows(&self) -> impl Iterator<Item = (Millis, &Row)> {
        let waiting = self.waiting.iter().flat_map(|(time, rows)| rows.iter().map(|row| (*time, row)));
        self.rows.iter().map(|(time, row)| (*time, row)).chain(waiting)
    }

    fn write(&self, writer: &mut Writer) {
        writer.time(self.last_end);
        writer.count(self.rows.len());
        writer.count(self.rows().count());
        for (time, row) in self.rows() {
            writer.signed(time);
            writer.row(row);
        }
    }
}

impl Timed for CountWindows {
    type State = State;

    fn take(
        &mut self,
        state: &mut State,
        _port: usize,
        row: &[Value],
        at: &At,
        _out: &mut Out,
    ) -> Result<Taken, RowError> {
        let Some(time) = event_time(row, self.windowing.time) else { return Err(RowError::NoEventTime) };
        if time <= at.late_by() {
            return Ok(Taken::Late);
        }
        self.key.clear();
        self.key.extend(self.windowing.partition.iter().filter_map(|column| row.get(*column).cloned()));
        let slot = state.partitions.find_or_add(&self.key, Partition::default);
        let Some(partition) = state.partitions.get_mut(slot) else { return Ok(Taken::Late) };
        state.bytes += row_bytes(row);
        partition.waiting.entry(time).or_default().push(row.to_vec());
        let due = partition.due();
        state.partitions.schedule(slot, due);
        Ok(Taken::Kept)
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        state.partitions.next_due()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        let Some(slot) = state.partitions.first_due(at.watermark) else { return false };
        let Some(partition) = state.partitions.get_mut(slot) else { return false };
        if let Some((time, rows)) = partition.waiting.pop_first() {
            for row in rows {
                state.bytes -= self.turn(partition, time, row, at, out);
            }
        }
        let due = partition.due();
        state.partitions.schedule(slot, due);
        true
    }

    fn orders_rows(&self) -> bool {
        true
    }

    fn is_empty(&self, state: &State) -> bool {
        state.partitions.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        state.partitions.bytes() + state.bytes
    }

    fn write(&self, state: &State, writer: &mut Writer) {
        state.partitions.write(writer, Partition::write);
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let mut bytes = 0;
        let partitions = Keyed::read(reader, self.windowing.partition.len(), |reader| {
            let mut partition = Partition { last_end: reader.time()?, ..Partition::default() };
            let held = reader.count()?;
            if held >= self.windowing.size {
                return Err(RestoreError("a window is more than full".to_owned()));
            }
            for index in 0..reader.count()? {
                let time = reader.signed()?;
                if time.abs() > TIME_MAX_MS {
                    return Err(RestoreError("a time is out of range".to_owned()));
                }
                let row = reader.row(self.columns)?;
                bytes += row_bytes(&row);
                match index < held {
                    true => partition.rows.push_back((time, row)),
                    false => partition.waiting.entry(time).or_default().push(row),
                }
            }
            Ok(partition)
        })?;
        Ok(State { partitions, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DataType;
    use crate::plan::{AggregateFunction, Expr};
    use proptest::prelude::*;

    fn windows(slide: usize, size: usize) -> CountWindows {
        let sum = Aggregate {
            function: AggregateFunction::Sum,
            argument: Some(Expr::column(2, DataType::BigInt)),
            distinct: false,
            filter: None,
            parameter: Value::Null,
            data_type: DataType::BigInt,
        };
        let windowing = CountWindowing { time: 1, partition: vec![0], slide, size };
        CountWindows::aggregates(&windowing, vec![0], &[sum], 3)
    }

    /// Rows (key, time, number) with a watermark `delay` behind, restarted after each.
    fn run(mut operator: CountWindows, rows: &[(i64, i64, i64)], delay: i64) -> Vec<Row> {
        let (mut state, mut out, mut watermark) = (State::default(), Out::default(), 0);
        let at = |watermark| At { context: Context::default(), watermark };
        for (key, time, number) in rows {
            let row = [Value::Int(*key), Value::Timestamp(time * 1_000), Value::Int(*number)];
            operator.take(&mut state, 0, &row, &at(watermark), &mut out).unwrap();
            watermark = watermark.max(time - delay);
            while operator.fire(&mut state, &at(watermark), &mut out) {}
            let mut writer = Writer::default();
            operator.write(&state, &mut writer);
            let bytes = writer.finish();
            let restored = operator.read(&mut Reader::new(&bytes)).unwrap();
            assert_eq!(restored.bytes, state.bytes);
            state = restored;
        }
        while operator.fire(&mut state, &at(Millis::MAX), &mut out) {}
        assert!(out.failed.is_empty());
        out.rows
    }

    proptest! {
        #[test]
        fn windows_are_those_of_the_definition(
            rows in prop::collection::vec((0i64..3, 1i64..40, -9i64..9), 0..60),
            delay in 0i64..20,
            slide in 1usize..5,
            more in 0usize..4,
        ) {
            let size = slide + more;
            let (mut kept, mut watermark) = (Vec::new(), 0);
            for row in &rows {
                if row.1 > watermark {
                    kept.push(*row);
                }
                watermark = watermark.max(row.1 - delay);
            }
            kept.sort_by_key(|(_, time, _)| *time);
            let mut expected = Vec::new();
            for key in 0..3 {
                let of_key: Vec<&(i64, i64, i64)> = kept.iter().filter(|row| row.0 == key).collect();
                let mut last_end = 0;
                for rows in of_key.windows(size).step_by(slide) {
                    let end = (rows[size - 1].1 + 1).max(last_end + 1);
                    last_end = end;
                    let sum = rows.iter().map(|row| row.2).sum();
                    expected.push(vec![Value::Int(key), Value::Int(sum), timestamp(rows[0].1), timestamp(end), timestamp(end - 1)]);
                }
            }
            let mut ours = run(windows(slide, size), &rows, delay);
            // Of each key in order.
            ours.sort_by_key(|row| match row[0] { Value::Int(key) => key, _ => -1 });
            prop_assert_eq!(ours, expected);
        }
    }
}
