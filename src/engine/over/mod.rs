//! OVER: for each row a result over rows before it, in order of event time.
//!
//! A row waits until the watermark reaches its time; then the rows of its partition go on in order of time, those of
//! equal time in order of arrival. Which rows are late depends on the frame, as in Flink: with a bounded one those at or
//! before the last row that the partition has put out, whatever the watermark; with an unbounded one those at or before
//! the watermark.
//!
//! A bounded frame holds its rows; how it adds them up without taking any out again says `frame.rs`.
//! A partition with a frame by time is forgotten when half as much again has gone by after its last row. Flink sets a
//! timer for that, a later one as rows come, and each of them that goes by counts as a row put out; so it is here.
//! LAG looks back from the last of the rows of equal time, which share its answer.
//! In any other order than that of time a partition goes on when the input ends, with the places of its rows for times.

mod frame;
mod partition;

use partition::{Partition, TIMER_BYTES, Turn};

use super::aggregate::{Fold, Objects};
use super::codec::{Reader, Writer};
use super::eval::EvalError;
use super::keyed::Keyed;
use super::operand::Operand;
use super::operator::{At, Out, Taken, Timed};
use super::windowing::{TIME_MAX_MS, event_time};
use super::{RestoreError, RowError, row_bytes};
use crate::model::{Millis, Row, Value};
use crate::plan::{Aggregate, Frame, OverFunction, OverKind, OverOrder};

pub struct Over {
    order: OverOrder,
    partition: Vec<usize>,
    frame: Frame,
    functions: Vec<Function>,
    fold: Fold,
    /// Rows before the current one that LAG may ask for.
    lag_max: Option<usize>,
    columns: usize,
    key: Vec<Value>,
}

/// Where a result comes from.
enum Function {
    /// One of `fold`'s.
    Aggregate(usize),
    RowNumber,
    Rank,
    DenseRank,
    Lag {
        column: usize,
        offset: usize,
        default: Option<Operand>,
    },
}

/// The time of rows that wait for the end of the input; nothing else comes so late.
const END: Millis = TIME_MAX_MS;

#[derive(Default)]
pub struct State {
    partitions: Keyed<Partition>,
    objects: Objects,
    /// Of the partitions' rows and accumulators.
    bytes: usize,
}

impl Over {
    /// `columns`: how many the input has.
    pub fn new(
        order: &OverOrder,
        partition: &[usize],
        frame: Frame,
        functions: &[OverFunction],
        columns: usize,
    ) -> Over {
        let mut aggregates: Vec<Aggregate> = Vec::new();
        let mut lag_max = None;
        let mut function = |function: &OverFunction| match &function.kind {
            OverKind::Aggregate(aggregate) => {
                aggregates.push(aggregate.clone());
                Function::Aggregate(aggregates.len() - 1)
            }
            OverKind::RowNumber => Function::RowNumber,
            OverKind::Rank => Function::Rank,
            OverKind::DenseRank => Function::DenseRank,
            OverKind::Lag { column, offset, default } => {
                let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
                lag_max = lag_max.max(Some(offset));
                Function::Lag { column: *column, offset, default: default.as_ref().map(Operand::new) }
            }
        };
        let functions = functions.iter().map(&mut function).collect();
        let fold = Fold::new(&aggregates);
        let order = order.clone();
        Over { order, partition: partition.to_vec(), frame, functions, fold, lag_max, columns, key: Vec::new() }
    }

    fn is_late(&self, partition: Option<&Partition>, time: Millis, at: &At) -> bool {
        match self.frame {
            Frame::RowsUnbounded | Frame::RangeUnbounded => time <= at.late_by(),
            Frame::Rows(_) | Frame::Range(_) => at.is_behind(time, partition.map_or(0, |partition| partition.last)),
        }
    }

    /// Puts out a row with its results.
    fn emit(&self, mut row: Row, turn: &Turn, words: &[u64], objects: &Objects, at: &At, out: &mut Out) {
        let columns = row.len();
        let mut aggregates = Row::with_capacity(self.fold.len());
        let mut result = self.fold.results(words, objects, &mut aggregates).map_err(RowError::from);
        for function in &self.functions {
            let value = match function {
                Function::Aggregate(index) => std::mem::replace(&mut aggregates[*index], Value::Null),
                Function::RowNumber => Value::Int(turn.row_number),
                Function::Rank => Value::Int(turn.rank),
                Function::DenseRank => Value::Int(turn.dense_rank),
                Function::Lag { column, offset, default } => match (turn.before(*offset), default) {
                    (Some(before), _) => before.get(*column).cloned().unwrap_or(Value::Null),
                    (None, None) => Value::Null,
                    (None, Some(default)) => match default.eval(&row[..columns], &at.context) {
                        Ok(value) => value,
                        Err(error) => {
                            result = Err(error.into());
                            Value::Null
                        }
                    },
                },
            };
            row.push(value);
        }
        out.put(row, result);
    }

    /// The rows of one partition and one time go on.
    fn turn(&self, partition: &mut Partition, objects: &mut Objects, at: &At, out: &mut Out) {
        let Some((time, rows)) = partition.take_next() else { return };
        // By time of arrival those of one time may come one after the other.
        if time > partition.last || partition.row_number == 0 {
            partition.dense_rank += 1;
            partition.rank = partition.row_number + 1;
        }
        partition.last = time;
        if let Some(most) = self.lag_max {
            partition.remember(&rows, most.saturating_add(1));
        }
        let shared = matches!(self.frame, Frame::RangeUnbounded | Frame::Range(_));
        if shared {
            rows.iter().for_each(|row| self.enter(partition, time, row, objects));
            self.leave(partition, time, objects);
            self.frame_of(partition, objects);
        }
        for row in rows {
            if !shared {
                self.enter(partition, time, &row, objects);
                self.leave(partition, time, objects);
                self.frame_of(partition, objects);
            }
            partition.row_number += 1;
            self.emit(row, &partition.turn(), &partition.words, objects, at, out);
        }
        if self.is_bounded() {
            self.fold.layout.release(&partition.words, objects);
            partition.words.fill(0);
        }
    }

    fn is_bounded(&self) -> bool {
        matches!(self.frame, Frame::Rows(_) | Frame::Range(_))
    }

    /// The row becomes part of the frame.
    fn enter(&self, partition: &mut Partition, time: Millis, row: &Row, objects: &mut Objects) {
        match self.frame {
            Frame::Rows(_) | Frame::Range(_) => partition.frame.push(time, row.clone(), &self.fold, objects),
            Frame::RowsUnbounded | Frame::RangeUnbounded => self.fold.add(row, &mut partition.words, objects),
        }
    }

    /// What the frame does not hold any more goes.
    fn leave(&self, partition: &mut Partition, time: Millis, objects: &mut Objects) {
        let outside = |partition: &Partition| match self.frame {
            Frame::Rows(before) => partition.frame.len() as u64 > before.saturating_add(1),
            Frame::Range(before) => partition.frame.first().is_some_and(|first| first < time - before),
            Frame::RowsUnbounded | Frame::RangeUnbounded => false,
        };
        while outside(partition) {
            partition.frame.pop(&self.fold, objects);
        }
    }

    /// Computes the aggregates of a bounded frame.
    fn frame_of(&self, partition: &mut Partition, objects: &mut Objects) {
        if self.is_bounded() {
            self.fold.layout.release(&partition.words, objects);
            partition.words.fill(0);
            partition.frame.total(&mut partition.words, &self.fold, objects);
        }
    }

    fn due(&self, partition: &Partition) -> Option<Millis> {
        partition.next().into_iter().chain(partition.timers.first().copied()).min()
    }
}

impl Timed for Over {
    type State = State;

    fn take(
        &mut self,
        state: &mut State,
        _port: usize,
        row: &[Value],
        at: &At,
        _out: &mut Out,
    ) -> Result<Taken, RowError> {
        let time = match self.order {
            OverOrder::Time(column) => event_time(row, column).ok_or(RowError::NoEventTime)?,
            // Until the end, when its place is known.
            OverOrder::Column(_) => END,
        };
        self.fold.prepare(row, &at.context)?;
        self.key.clear();
        self.key.extend(self.partition.iter().filter_map(|column| row.get(*column).cloned()));
        let known = state.partitions.find(&self.key);
        if self.is_late(known.and_then(|slot| state.partitions.get(slot)), time, at) {
            return Ok(Taken::Late);
        }
        let words = self.fold.layout.words;
        let slot = known.unwrap_or_else(|| {
            let partition = Partition::new(words);
            state.bytes += partition.bytes();
            state.partitions.find_or_add(&self.key, || partition)
        });
        let Some(partition) = state.partitions.get_mut(slot) else {
            return Err(EvalError::new("a partition is not there").into());
        };
        partition.wait(time, row.to_vec());
        if let Frame::Range(before) = self.frame {
            // A later time is set only once this one is too early for the row.
            if partition.forget_at.is_none_or(|at| at < time.saturating_add(before + 1)) {
                let forget_at = time.saturating_add(before + before / 2 + 1);
                partition.forget_at = Some(forget_at);
                if partition.timers.insert(forget_at) {
                    state.bytes += TIMER_BYTES;
                }
            }
        }
        state.bytes += row_bytes(row);
        let due = self.due(partition);
        state.partitions.schedule(slot, due);
        Ok(Taken::Kept)
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        state.partitions.next_due()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        let State { partitions, objects, bytes } = state;
        let Some(slot) = partitions.first_due(at.watermark) else { return false };
        let Some(partition) = partitions.get_mut(slot) else { return false };
        let before = partition.bytes();
        if let OverOrder::Column(order) = &self.order {
            partition.put_in_order(*order);
            while partition.next().is_some() {
                self.turn(partition, objects, at, out);
            }
            self.fold.layout.release(&partition.words, objects);
            partition.frame.release(&self.fold, objects);
            *bytes -= before;
            partitions.remove(slot);
            return true;
        }
        if let Some(timer) = partition.timers.first().copied().filter(|timer| Some(*timer) == self.due(partition)) {
            partition.timers.pop_first();
            if partition.forget_at.is_some_and(|forget_at| forget_at <= timer) {
                self.fold.layout.release(&partition.words, objects);
                partition.frame.release(&self.fold, objects);
                *bytes -= before;
                partitions.remove(slot);
                return true;
            }
            partition.last = timer;
            // Rows of the timer's own time go on with it.
            if partition.next() == Some(timer) {
                self.turn(partition, objects, at, out);
            }
        } else {
            self.turn(partition, objects, at, out);
        }
        *bytes = *bytes + partition.bytes() - before;
        let due = self.due(partition);
        partitions.schedule(slot, due);
        true
    }

    fn orders_rows(&self) -> bool {
        true
    }

    fn is_empty(&self, state: &State) -> bool {
        state.partitions.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        state.partitions.bytes() + state.bytes + state.objects.bytes()
    }

    fn write(&self, state: &State, writer: &mut Writer) {
        state.partitions.write(writer, |partition, writer| {
            partition.write(writer);
            self.fold.layout.write(&partition.words, &state.objects, writer);
        });
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let (mut objects, mut bytes) = (Objects::default(), 0);
        let partitions = Keyed::read(reader, self.partition.len(), |reader| {
            let mut partition = Partition::read(reader, self.columns, &self.fold, &mut objects)?;
            self.fold.layout.read(&mut partition.words, &mut objects, reader)?;
            bytes += partition.bytes();
            Ok(partition)
        })?;
        Ok(State { partitions, objects, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::eval::Context;
    use crate::model::DataType;
    use crate::plan::{AggregateFunction, Expr};
    use proptest::prelude::*;

    fn sum(frame: Frame) -> Over {
        let aggregate = Aggregate {
            function: AggregateFunction::Sum,
            argument: Some(Expr::column(1, DataType::BigInt)),
            distinct: false,
            filter: None,
            parameter: Value::Null,
            data_type: DataType::BigInt,
        };
        let function = OverFunction { kind: OverKind::Aggregate(aggregate), data_type: DataType::BigInt };
        Over::new(&OverOrder::Time(0), &[], frame, &[function], 2)
    }

    /// What comes out when all rows are there before time moves, with a restart after each of them.
    fn sums(frame: Frame, rows: &[(i64, i64)]) -> Vec<Row> {
        let mut over = sum(frame);
        let (mut state, mut out) = (State::default(), Out::default());
        let at = |watermark| At { context: Context::default(), watermark };
        for (time, number) in rows {
            let row = [Value::Timestamp(time * 1_000), Value::Int(*number)];
            assert_eq!(over.take(&mut state, 0, &row, &at(0), &mut out).unwrap(), Taken::Kept);
            let mut writer = Writer::default();
            over.write(&state, &mut writer);
            let bytes = writer.finish();
            let restored = over.read(&mut Reader::new(&bytes)).unwrap();
            assert_eq!(over.state_bytes(&restored) > 0, over.state_bytes(&state) > 0);
            state = restored;
        }
        while over.fire(&mut state, &at(Millis::MAX), &mut out) {}
        out.rows
    }

    proptest! {
        #[test]
        fn frames_are_those_of_the_definition(
            rows in prop::collection::vec((1i64..60, -9i64..9), 0..40),
            length in 0i64..20,
            by_rows: bool,
        ) {
            let mut sorted = rows.clone();
            sorted.sort_by_key(|(time, _)| *time);
            let in_frame = |at: usize, other: usize| match by_rows {
                true => other <= at && other as i64 >= at as i64 - length,
                false => sorted[other].0 <= sorted[at].0 && sorted[other].0 >= sorted[at].0 - length,
            };
            let expected: Vec<Row> = (0..sorted.len())
                .map(|at| {
                    let total = (0..sorted.len()).filter(|other| in_frame(at, *other)).map(|other| sorted[other].1).sum();
                    vec![Value::Timestamp(sorted[at].0 * 1_000), Value::Int(sorted[at].1), Value::Int(total)]
                })
                .collect();
            let frame = if by_rows { Frame::Rows(length as u64) } else { Frame::Range(length) };
            prop_assert_eq!(sums(frame, &rows), expected);
        }
    }

    #[test]
    fn a_frame_by_time_is_forgotten() {
        let mut over = sum(Frame::Range(10));
        let (mut state, mut out) = (State::default(), Out::default());
        let at = |watermark| At { context: Context::default(), watermark };
        let row = |time: i64| [Value::Timestamp(time * 1_000), Value::Int(1)];
        over.take(&mut state, 0, &row(100), &at(0), &mut out).unwrap();
        while over.fire(&mut state, &at(115), &mut out) {}
        assert_eq!(over.take(&mut state, 0, &row(99), &at(115), &mut out).unwrap(), Taken::Late);
        while over.fire(&mut state, &at(116), &mut out) {}
        assert!(over.is_empty(&state));
        assert_eq!(over.take(&mut state, 0, &row(99), &at(116), &mut out).unwrap(), Taken::Kept);
    }
}
