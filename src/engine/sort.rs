//! ORDER BY the event time: rows wait until the watermark reaches them and go on in order of time. Rows of equal time
//! are ordered by the other columns, then by arrival.

use std::collections::BTreeMap;

use super::codec::{Reader, Writer};
use super::eval::order::compare_rows;
use super::operator::{At, Out, Taken, Timed};
use super::windowing::event_time;
use super::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::OrderKey;

pub struct Sort {
    pub time: usize,
    pub keys: Vec<OrderKey>,
}

#[derive(Default)]
pub struct Waiting {
    rows: BTreeMap<Millis, Vec<Row>>,
    /// Of the rows that were put out last: what is not after it is late.
    last: Option<Millis>,
    bytes: usize,
}

fn row_bytes(row: &[Value]) -> usize {
    size_of::<Row>() + row.iter().map(|value| size_of::<Value>() + value.heap_bytes()).sum::<usize>()
}

impl Timed for Sort {
    type State = Waiting;

    fn take(&mut self, state: &mut Waiting, _: usize, row: &[Value], at: &At, _: &mut Out) -> Result<Taken, RowError> {
        let Some(time) = event_time(row, self.time) else {
            return Err(RowError::NoEventTime);
        };
        if state.last.is_some_and(|last| at.is_behind(time, last)) {
            return Ok(Taken::Late);
        }
        state.bytes += row_bytes(row);
        state.rows.entry(time).or_default().push(row.to_vec());
        Ok(Taken::Kept)
    }

    fn next_due(&self, state: &Waiting) -> Option<Millis> {
        state.rows.keys().next().copied()
    }

    fn fire(&mut self, state: &mut Waiting, at: &At, out: &mut Out) -> bool {
        let Some(first) = state.rows.first_entry().filter(|first| *first.key() <= at.watermark) else { return false };
        let (time, mut rows) = first.remove_entry();
        rows.sort_by(|left, right| compare_rows(&self.keys, left, right));
        state.last = Some(time);
        state.bytes -= rows.iter().map(|row| row_bytes(row)).sum::<usize>();
        rows.into_iter().for_each(|row| out.push(row));
        true
    }

    fn orders_rows(&self) -> bool {
        true
    }

    fn is_empty(&self, state: &Waiting) -> bool {
        state.rows.is_empty() && state.last.is_none()
    }

    fn state_bytes(&self, state: &Waiting) -> usize {
        state.bytes
    }

    fn write(&self, state: &Waiting, writer: &mut Writer) {
        writer.byte(u8::from(state.last.is_some()));
        writer.signed(state.last.unwrap_or_default());
        writer.count(state.rows.values().map(Vec::len).sum());
        for row in state.rows.values().flatten() {
            writer.count(row.len());
            row.iter().for_each(|value| writer.value(value));
        }
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<Waiting, RestoreError> {
        let has_last = reader.byte()? != 0;
        let last = Some(reader.signed()?).filter(|_| has_last);
        let mut state = Waiting { last, ..Waiting::default() };
        for _ in 0..reader.count()? {
            let row = (0..reader.count()?).map(|_| reader.value()).collect::<Result<Row, _>>()?;
            let time = event_time(&row, self.time).ok_or_else(|| RestoreError("a row has no event time".to_owned()))?;
            state.bytes += row_bytes(&row);
            state.rows.entry(time).or_default().push(row);
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::eval::Context;

    fn at(watermark: Millis) -> At {
        At { context: Context::default(), watermark }
    }

    /// Everything that `operator` put out for the rows, the watermark after each being the largest time less 5.
    fn run(times: &[i64], restored: bool) -> Vec<(i64, i64)> {
        let mut operator = Sort { time: 0, keys: vec![OrderKey { column: 1, descending: true, nulls_first: false }] };
        let (mut state, mut out, mut watermark) = (Waiting::default(), Out::default(), 0);
        for (index, time) in times.iter().enumerate() {
            let row = [Value::Timestamp(time * 1_000), Value::Int(index as i64 % 3)];
            operator.take(&mut state, 0, &row, &at(watermark), &mut out).expect("it has a time");
            watermark = watermark.max(time - 5);
            while operator.fire(&mut state, &at(watermark), &mut out) {}
            if restored {
                let mut writer = Writer::default();
                operator.write(&state, &mut writer);
                let bytes = writer.finish();
                let before = operator.state_bytes(&state);
                state = operator.read(&mut Reader::new(&bytes)).expect("what was written");
                assert_eq!(operator.state_bytes(&state), before);
            }
        }
        while operator.fire(&mut state, &at(Millis::MAX), &mut out) {}
        let number = |value: &Value| match value {
            Value::Timestamp(micros) => micros / 1_000,
            Value::Int(number) => *number,
            _ => -1,
        };
        out.rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
    }

    proptest! {
        #[test]
        fn rows_come_in_order_and_none_is_lost_but_late_ones(times in prop::collection::vec(0i64..60, 0..60)) {
            let out = run(&times, false);
            prop_assert!(out.windows(2).all(|pair| pair[0].0 < pair[1].0 || pair[0].0 == pair[1].0 && pair[0].1 >= pair[1].1));
            prop_assert_eq!(&run(&times, true), &out);
            // A naive model: a row is late when a row of its time or after it has gone out.
            let (mut expected, mut waiting, mut watermark, mut last) = (Vec::new(), Vec::new(), 0, -1);
            for (index, time) in times.iter().enumerate() {
                if *time > last {
                    waiting.push((*time, index as i64 % 3));
                }
                watermark = watermark.max(time - 5);
                let (due, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(time, _)| *time <= watermark);
                last = due.iter().map(|(time, _)| *time).fold(last, i64::max);
                expected.extend(due);
                waiting = rest;
            }
            expected.extend(waiting);
            expected.sort_by_key(|(time, key)| (*time, -key));
            prop_assert_eq!(out, expected);
        }
    }
}
