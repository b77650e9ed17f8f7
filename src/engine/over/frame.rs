//! The rows of a bounded frame, and what they add up to.
//!
//! Nothing is ever taken out of a sum, so nothing drifts, and yet a row costs the same however long the frame is: the
//! frame is a queue made of two stacks. The newer rows share one accumulator. Each of the older ones has its own, of
//! itself and the older rows after it; so the oldest one's and the newer ones' together are the frame's. When the last
//! of the older rows has gone, all are older ones. Accumulators that grow with each row (sets of distinct values, lists,
//! sketches) or whose sum depends on its order (FLOAT) are computed anew each time instead.

use std::collections::VecDeque;

use crate::engine::aggregate::{Fold, Objects};
use crate::engine::codec::{Reader, Writer};
use crate::engine::{RestoreError, row_bytes};
use crate::model::{Millis, Row};

pub struct FrameRows {
    /// Oldest first.
    rows: VecDeque<(Millis, Row)>,
    /// Accumulators of the older rows, the oldest one's last.
    older: Vec<Box<[u64]>>,
    newer: Box<[u64]>,
    bytes: usize,
}

impl FrameRows {
    pub fn new(words: usize) -> FrameRows {
        FrameRows { rows: VecDeque::new(), older: Vec::new(), newer: vec![0; words].into(), bytes: 0 }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The oldest row's time.
    pub fn first(&self) -> Option<Millis> {
        self.rows.front().map(|(time, _)| *time)
    }

    /// Of rows and accumulators.
    pub fn bytes(&self) -> usize {
        self.bytes + self.newer.len() * 8
    }

    pub fn push(&mut self, time: Millis, row: Row, fold: &Fold, objects: &mut Objects) {
        if fold.layout.adds_up_ahead() {
            fold.add(&row, &mut self.newer, objects);
        }
        self.bytes += row_bytes(&row);
        self.rows.push_back((time, row));
    }

    /// The oldest row goes.
    pub fn pop(&mut self, fold: &Fold, objects: &mut Objects) {
        if fold.layout.adds_up_ahead() {
            if self.older.is_empty() {
                self.clear_newer(fold, objects);
                self.add_up(self.rows.len(), fold, objects);
            }
            if let Some(oldest) = self.older.pop() {
                fold.layout.release(&oldest, objects);
                self.bytes -= oldest.len() * 8;
            }
        }
        if let Some((_, row)) = self.rows.pop_front() {
            self.bytes -= row_bytes(&row);
        }
    }

    /// What all rows add up to, in `words`, which are zero.
    pub fn total(&self, words: &mut [u64], fold: &Fold, objects: &mut Objects) {
        if !fold.layout.adds_up_ahead() {
            return self.rows.iter().for_each(|(_, row)| fold.add(row, words, objects));
        }
        for part in self.older.last().into_iter().chain([&self.newer]) {
            fold.layout.merge(words, part, objects);
        }
    }

    /// Gives back what the accumulators hold.
    pub fn release(&self, fold: &Fold, objects: &mut Objects) {
        self.older.iter().chain([&self.newer]).for_each(|words| fold.layout.release(words, objects));
    }

    fn clear_newer(&mut self, fold: &Fold, objects: &mut Objects) {
        fold.layout.release(&self.newer, objects);
        self.newer.fill(0);
    }

    /// Makes so many rows, the oldest, older ones.
    fn add_up(&mut self, count: usize, fold: &Fold, objects: &mut Objects) {
        for (_, row) in self.rows.iter().take(count).rev() {
            let mut words: Box<[u64]> = vec![0; fold.layout.words].into();
            fold.add(row, &mut words, objects);
            if let Some(later) = self.older.last() {
                fold.layout.merge(&mut words, later, objects);
            }
            self.bytes += words.len() * 8;
            self.older.push(words);
        }
    }

    /// The rows, and how many are older ones: the accumulators follow from that, to the last bit.
    pub fn write(&self, writer: &mut Writer) {
        writer.count(self.rows.len());
        self.rows.iter().for_each(|(time, row)| super::partition::write_row(*time, row, writer));
        writer.count(self.older.len());
    }

    pub fn read(
        reader: &mut Reader<'_>,
        columns: usize,
        fold: &Fold,
        objects: &mut Objects,
    ) -> Result<FrameRows, RestoreError> {
        let mut frame = FrameRows::new(fold.layout.words);
        for _ in 0..reader.count()? {
            let (time, row) = super::partition::read_row(reader, columns)?;
            frame.bytes += row_bytes(&row);
            frame.rows.push_back((time, row));
        }
        let older = reader.unsigned()?;
        let older = usize::try_from(older).ok().filter(|older| *older <= frame.rows.len());
        let older = older.ok_or_else(|| RestoreError("a frame has fewer rows than it says".to_owned()))?;
        if fold.layout.adds_up_ahead() {
            frame.add_up(older, fold, objects);
            frame.rows.iter().skip(older).for_each(|(_, row)| fold.add(row, &mut frame.newer, objects));
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DataType, Value};
    use crate::plan::{Aggregate, AggregateFunction, Expr};
    use proptest::prelude::*;

    fn aggregate(function: AggregateFunction, column: usize, of: DataType, distinct: bool) -> Aggregate {
        let argument = Some(Expr::column(column, of));
        let data_type = if function == AggregateFunction::Count { DataType::BigInt } else { of };
        Aggregate { function, argument, distinct, filter: None, parameter: Value::Null, data_type }
    }

    /// Numbers, doubles and texts; all are added up ahead, but for those that grow.
    fn fold(grows: bool) -> Fold {
        use AggregateFunction::{Avg, Count, FirstValue, LastValue, Max, Min, StddevPop, Sum};
        let doubles = [Sum, Avg, Max, StddevPop].map(|function| aggregate(function, 0, DataType::Double, false));
        let texts =
            [Min, Max, FirstValue, LastValue, Count].map(|function| aggregate(function, 1, DataType::String, false));
        let all: Vec<Aggregate> = doubles.into_iter().chain(texts).collect();
        Fold::new(&[all, if grows { vec![aggregate(Count, 1, DataType::String, true)] } else { Vec::new() }].concat())
    }

    fn results(words: &[u64], fold: &Fold, objects: &Objects) -> Row {
        let mut row = Row::new();
        fold.results(words, objects, &mut row).unwrap();
        row
    }

    fn close(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Double(a), Value::Double(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1.0),
            (a, b) => a == b,
        }
    }

    proptest! {
        /// Against adding the rows up one by one; and what is restored goes on to the last bit.
        #[test]
        fn is_the_sum_of_its_rows(
            changes in prop::collection::vec((prop::option::of(-100.0f64..100.0), prop::option::of(0u8..4), 0usize..3), 1..60),
            grows: bool,
        ) {
            let fold = fold(grows);
            let (mut frame, mut objects) = (FrameRows::new(fold.layout.words), Objects::default());
            let mut model: VecDeque<Row> = VecDeque::new();
            for (time, (number, text, leave)) in changes.into_iter().enumerate() {
                let text = text.map_or(Value::Null, |text| Value::string(&format!("text {text}")));
                let row = vec![number.map_or(Value::Null, Value::Double), text];
                frame.push(time as Millis, row.clone(), &fold, &mut objects);
                model.push_back(row);
                for _ in 0..leave.min(model.len() - 1) {
                    frame.pop(&fold, &mut objects);
                    model.pop_front();
                }
                prop_assert_eq!(frame.len(), model.len());
                let mut words = vec![0; fold.layout.words];
                frame.total(&mut words, &fold, &mut objects);
                let ours = results(&words, &fold, &objects);
                let (mut expected, mut others) = (vec![0; fold.layout.words], Objects::default());
                model.iter().for_each(|row| fold.add(row, &mut expected, &mut others));
                let expected = results(&expected, &fold, &others);
                prop_assert!(ours.iter().zip(&expected).all(|(a, b)| close(a, b)), "{:?} {:?}", ours, expected);
                fold.layout.release(&words, &mut objects);
                let mut writer = Writer::default();
                frame.write(&mut writer);
                let (bytes, mut others) = (writer.finish(), Objects::default());
                let restored = FrameRows::read(&mut Reader::new(&bytes), 2, &fold, &mut others).unwrap();
                prop_assert_eq!(restored.bytes(), frame.bytes());
                let mut words = vec![0; fold.layout.words];
                restored.total(&mut words, &fold, &mut others);
                prop_assert_eq!(results(&words, &fold, &others), ours);
            }
        }
    }

    /// A row costs the same in a long frame as in a short one: this takes hours if each row adds the frame up.
    #[test]
    fn a_long_frame_costs_no_more() {
        let fold = fold(false);
        let (mut frame, mut objects) = (FrameRows::new(fold.layout.words), Objects::default());
        let mut words = vec![0; fold.layout.words];
        for time in 0..400_000 {
            frame.push(time, vec![Value::Double(0.1), Value::Null], &fold, &mut objects);
            if frame.len() > 200_000 {
                frame.pop(&fold, &mut objects);
            }
            words.fill(0);
            frame.total(&mut words, &fold, &mut objects);
        }
        let Value::Double(sum) = results(&words, &fold, &objects)[0] else { panic!("a number") };
        assert!((sum - 20_000.0).abs() < 1e-9, "{sum}");
    }
}
