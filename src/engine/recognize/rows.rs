//! The rows of one time line: those that wait for the watermark, in order of time, and those that runs hold.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::model::{Millis, Value};

/// Slots that stay allocated when none is in use.
const KEPT_SLOTS: usize = 256;

/// The columns that are needed of rows, in slots that are used again.
#[derive(Debug, Default)]
pub struct RowStore {
    /// Values of a row.
    width: usize,
    times: Vec<Millis>,
    values: Vec<Value>,
    free: Vec<u32>,
    heap_bytes: usize,
}

impl RowStore {
    /// How many values a row has; to be called before the first row is added.
    pub fn set_width(&mut self, width: usize) {
        self.width = width;
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn add<'a>(&mut self, time: Millis, row: impl Iterator<Item = &'a Value>) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.times.push(0);
                self.values.resize(self.values.len() + self.width, Value::Null);
                self.times.len() as u32 - 1
            }
        };
        self.times[slot as usize] = time;
        let from = slot as usize * self.width;
        for (cell, value) in self.values[from..from + self.width].iter_mut().zip(row) {
            self.heap_bytes += value.heap_bytes();
            cell.clone_from(value);
        }
        slot
    }

    pub fn get(&self, slot: u32) -> &[Value] {
        let from = slot as usize * self.width;
        self.values.get(from..from + self.width).unwrap_or_default()
    }

    pub fn time(&self, slot: u32) -> Millis {
        self.times.get(slot as usize).copied().unwrap_or_default()
    }

    pub fn release(&mut self, slot: u32) {
        let from = slot as usize * self.width;
        for cell in &mut self.values[from..from + self.width] {
            self.heap_bytes -= cell.heap_bytes();
            *cell = Value::Null;
        }
        self.free.push(slot);
        if self.free.len() == self.times.len() && self.free.len() > KEPT_SLOTS {
            *self = RowStore { width: self.width, ..RowStore::default() };
        }
    }

    pub fn bytes(&self) -> usize {
        self.times.capacity() * 8
            + self.values.capacity() * size_of::<Value>()
            + self.free.capacity() * 4
            + self.heap_bytes
    }
}

/// A row that waits: by time, then by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    pub time: Millis,
    /// In order of arrival.
    pub sequence: u64,
    pub partition: u32,
    pub row: u32,
}

/// Rows that mostly come in order of time: those that do stand in a queue, the others in a heap beside it.
#[derive(Debug, Default)]
pub struct WaitingRows {
    in_order: VecDeque<Waiting>,
    strays: BinaryHeap<Reverse<Waiting>>,
    next_sequence: u64,
}

impl WaitingRows {
    pub fn add(&mut self, time: Millis, partition: u32, row: u32) {
        let waiting = Waiting { time, sequence: self.next_sequence, partition, row };
        self.next_sequence += 1;
        match self.in_order.back() {
            Some(last) if last.time > time => self.strays.push(Reverse(waiting)),
            _ => self.in_order.push_back(waiting),
        }
    }

    pub fn len(&self) -> usize {
        self.in_order.len() + self.strays.len()
    }

    /// The earliest one.
    pub fn first(&self) -> Option<Waiting> {
        match (self.in_order.front(), self.strays.peek()) {
            (Some(in_order), Some(Reverse(stray))) => Some(*in_order.min(stray)),
            (in_order, stray) => in_order.or(stray.map(|Reverse(stray)| stray)).copied(),
        }
    }

    pub fn take_first(&mut self) -> Option<Waiting> {
        let first = self.first()?;
        if self.in_order.front() == Some(&first) {
            self.in_order.pop_front();
        } else {
            self.strays.pop();
        }
        Some(first)
    }

    /// All of them, earliest first.
    pub fn in_order(&self) -> Vec<Waiting> {
        let mut rows: Vec<Waiting> =
            self.in_order.iter().copied().chain(self.strays.iter().map(|Reverse(stray)| *stray)).collect();
        rows.sort_unstable();
        rows
    }

    pub fn bytes(&self) -> usize {
        (self.in_order.capacity() + self.strays.capacity()) * size_of::<Waiting>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_out_by_time_and_then_by_arrival(times in prop::collection::vec(0i64..20, 0..60), taken in 0usize..30) {
            let mut waiting = WaitingRows::default();
            let mut expected: Vec<(i64, u32)> = Vec::new();
            for (row, time) in times.iter().enumerate() {
                waiting.add(*time, 0, row as u32);
                expected.push((*time, row as u32));
            }
            expected.sort_by_key(|(time, _)| *time);
            let listed: Vec<(i64, u32)> = waiting.in_order().iter().map(|w| (w.time, w.row)).collect();
            prop_assert_eq!(&listed, &expected);
            for next in expected.into_iter().take(taken) {
                prop_assert_eq!(waiting.first().map(|w| (w.time, w.row)), Some(next));
                prop_assert_eq!(waiting.take_first().map(|w| (w.time, w.row)), Some(next));
            }
        }
    }

    #[test]
    fn slots_are_used_again_and_accounted() {
        let mut rows = RowStore::default();
        rows.set_width(2);
        let text = Value::string("a text");
        let slot = rows.add(5, [&text, &Value::Int(1)].into_iter());
        let before = rows.bytes();
        assert_eq!((rows.time(slot), rows.get(slot)), (5, &[text.clone(), Value::Int(1)][..]));
        rows.release(slot);
        assert_eq!(rows.bytes(), before - text.heap_bytes() + 4 * rows.free.capacity());
        assert_eq!(rows.add(6, [&Value::Null, &Value::Int(2)].into_iter()), slot);
        assert_eq!(rows.get(slot), [Value::Null, Value::Int(2)]);
    }
}
