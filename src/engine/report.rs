//! Report by exception: CHANGED, DEADBAND, HELD_FOR and their like, over what is remembered of each partition.
//!
//! A row waits until the watermark reaches its time; then the rows of its partition go on in order of time, those of
//! equal time in order of arrival; one at or before the watermark is late. So the answer does not depend on how late a
//! row came, and is that of MATCH_RECOGNIZE and of OVER with an unbounded frame.
//!
//! Holds always: a row that makes an expression fail changes nothing that is remembered; a partition holds its waiting
//! rows, the values of one row, and a few words for each watch.

use std::collections::BTreeMap;

use super::codec::{Reader, Writer};
use super::eval::{Context, EvalError, Program};
use super::keyed::Keyed;
use super::operand::Operand;
use super::operator::{At, Out, Taken, Timed};
use super::windowing::{TIME_MAX_MS, event_time};
use super::{RestoreError, RowError, row_bytes};
use crate::model::{Millis, Row, Value};
use crate::plan;

pub struct Reporter {
    time: usize,
    partition: Vec<usize>,
    /// How many the input has.
    columns: usize,
    remembered: Vec<Operand>,
    watches: Vec<Watch>,
    condition: Option<Program>,
    key: Vec<Value>,
}

enum Watch {
    Latch { set: Program, reset: Program },
    Held { condition: Program, for_ms: Millis, gap_ms: Option<Millis> },
    Rise { condition: Program },
}

/// What a watch knows of the rows before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Whether the latch is set, or the condition was TRUE on the last row.
    holds: bool,
    /// Of a condition that holds: since when, and the time of the last row.
    since: Millis,
    last: Millis,
}

#[derive(Default)]
struct Partition {
    /// Those of one time in order of arrival.
    waiting: BTreeMap<Millis, Vec<Row>>,
    /// The values of the row reported last; `None` before the first.
    reported: Option<Row>,
    seen: Vec<Seen>,
}

#[derive(Default)]
pub struct State {
    partitions: Keyed<Partition>,
    /// Of the partitions' rows and watches.
    bytes: usize,
}

impl Reporter {
    /// `columns`: how many the input has.
    pub fn new(report: &plan::Report, columns: usize) -> Reporter {
        Reporter {
            time: report.time,
            partition: report.partition.clone(),
            columns,
            remembered: report.remembered.iter().map(Operand::new).collect(),
            watches: report.watches.iter().map(Watch::new).collect(),
            condition: report.condition.as_ref().map(Program::compile),
            key: Vec::new(),
        }
    }

    fn new_partition(&self) -> Partition {
        Partition { seen: vec![Seen::default(); self.watches.len()], ..Partition::default() }
    }

    fn fixed_bytes(&self) -> usize {
        self.watches.len() * size_of::<Seen>()
    }

    /// A row's turn: it goes out if it is reported.
    fn turn(&self, partition: &mut Partition, time: Millis, mut row: Row, at: &At, out: &mut Out) {
        match &partition.reported {
            Some(values) => row.extend_from_slice(values),
            None => row.extend(std::iter::repeat_n(Value::Null, self.remembered.len())),
        }
        let mut seen = partition.seen.clone();
        match self.judge(&mut row, time, &mut seen, &at.context) {
            Ok(remembered) => {
                partition.seen = seen;
                if let Some(values) = remembered {
                    partition.reported = Some(values);
                    out.push(row);
                }
            }
            Err(error) => {
                row.truncate(self.columns);
                out.failed.push((row, error.into()));
            }
        }
    }

    /// Makes the row whole. If it is reported, the answer is what is to be remembered of it.
    fn judge(
        &self,
        row: &mut Row,
        time: Millis,
        seen: &mut [Seen],
        context: &Context,
    ) -> Result<Option<Row>, EvalError> {
        for (watch, seen) in self.watches.iter().zip(seen) {
            row.push(Value::Boolean(watch.follow(seen, row, time, context)?));
        }
        let is_reported = match &self.condition {
            Some(condition) => condition.eval_bool(row, context)? == Some(true),
            None => true,
        };
        match is_reported {
            true => self.remembered.iter().map(|value| value.eval(row, context)).collect::<Result<Row, _>>().map(Some),
            false => Ok(None),
        }
    }
}

impl Watch {
    fn new(watch: &plan::Watch) -> Watch {
        match watch {
            plan::Watch::Latch { set, reset } => {
                Watch::Latch { set: Program::compile(set), reset: Program::compile(reset) }
            }
            plan::Watch::Held { condition, for_ms, gap_ms } => {
                Watch::Held { condition: Program::compile(condition), for_ms: *for_ms, gap_ms: *gap_ms }
            }
            plan::Watch::Rise { condition } => Watch::Rise { condition: Program::compile(condition) },
        }
    }

    /// The answer for the next row.
    fn follow(&self, seen: &mut Seen, row: &[Value], time: Millis, context: &Context) -> Result<bool, EvalError> {
        let is_true = |program: &Program| program.eval_bool(row, context).map(|answer| answer == Some(true));
        match self {
            Watch::Latch { set, reset } => {
                seen.holds = is_true(set)? || (seen.holds && !is_true(reset)?);
                Ok(seen.holds)
            }
            Watch::Held { condition, for_ms, gap_ms } => {
                let holds = is_true(condition)?;
                let is_broken = gap_ms.is_some_and(|gap_ms| time.saturating_sub(seen.last) > gap_ms);
                if !seen.holds || is_broken {
                    seen.since = time;
                }
                (seen.holds, seen.last) = (holds, time);
                Ok(holds && time.saturating_sub(seen.since) >= *for_ms)
            }
            Watch::Rise { condition } => {
                let held = std::mem::replace(&mut seen.holds, is_true(condition)?);
                Ok(seen.holds && !held)
            }
        }
    }
}

impl Partition {
    fn due(&self) -> Option<Millis> {
        self.waiting.first_key_value().map(|(time, _)| *time)
    }

    fn reported_bytes(&self) -> usize {
        self.reported.as_ref().map_or(0, |values| row_bytes(values))
    }

    fn write(&self, writer: &mut Writer) {
        writer.count(self.waiting.values().map(Vec::len).sum());
        for (time, rows) in &self.waiting {
            for row in rows {
                writer.signed(*time);
                writer.row(row);
            }
        }
        writer.byte(u8::from(self.reported.is_some()));
        self.reported.iter().for_each(|values| writer.row(values));
        for seen in &self.seen {
            writer.byte(u8::from(seen.holds));
            writer.signed(seen.since);
            writer.signed(seen.last);
        }
    }
}

impl Timed for Reporter {
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
        if time <= at.late_by() {
            return Ok(Taken::Late);
        }
        self.key.clear();
        self.key.extend(self.partition.iter().filter_map(|column| row.get(*column).cloned()));
        let known = state.partitions.find(&self.key);
        let slot = known.unwrap_or_else(|| {
            state.bytes += self.fixed_bytes();
            state.partitions.find_or_add(&self.key, || self.new_partition())
        });
        let Some(partition) = state.partitions.get_mut(slot) else {
            return Err(EvalError::new("a partition is not there").into());
        };
        partition.waiting.entry(time).or_default().push(row.to_vec());
        state.bytes += row_bytes(row);
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
        let before = partition.reported_bytes();
        if let Some((time, rows)) = partition.waiting.pop_first() {
            for row in rows {
                state.bytes -= row_bytes(&row);
                self.turn(partition, time, row, at, out);
            }
        }
        state.bytes = state.bytes + partition.reported_bytes() - before;
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
        let partitions = Keyed::read(reader, self.partition.len(), |reader| {
            let mut partition = self.new_partition();
            for _ in 0..reader.count()? {
                let time = reader.signed()?;
                if time.abs() > TIME_MAX_MS {
                    return Err(RestoreError("a time is out of range".to_owned()));
                }
                let row = reader.row(self.columns)?;
                bytes += row_bytes(&row);
                partition.waiting.entry(time).or_default().push(row);
            }
            if reader.byte()? != 0 {
                partition.reported = Some(reader.row(self.remembered.len())?);
            }
            for seen in &mut partition.seen {
                *seen = Seen { holds: reader.byte()? != 0, since: reader.signed()?, last: reader.signed()? };
            }
            bytes += partition.reported_bytes() + self.fixed_bytes();
            Ok(partition)
        })?;
        Ok(State { partitions, bytes })
    }
}
