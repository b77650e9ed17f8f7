//! Operators whose rows wait for time or for other rows.
//!
//! A [`Timed`] operator is written for one time line, as in Flink. [`TimeLines`] makes a stage of it: with one time line,
//! or, where the device rule is in force and each row belongs to its device, with one for each device, which closes by
//! that device's own watermark. So on each device's rows alone the device rule equals Flink's, whatever the operator.
//!
//! Holds always: an operator never sees devices, other queries, or where its input comes from.

use super::codec::{Reader, Writer};
use super::eval::Context;
use super::keyed::Keyed;
use super::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};

/// What a row is judged by.
#[derive(Clone, Copy, Debug)]
pub struct At {
    pub context: Context,
    /// Of the operator's time line, before the row.
    pub watermark: Millis,
}

impl At {
    /// The watermark by which a row is late. At 0 there is none yet, as in Flink, so that rows of before 1970 are not.
    pub fn late_by(&self) -> Millis {
        if self.watermark == 0 { Millis::MIN } else { self.watermark }
    }

    /// Whether a row comes behind those of `last`, which have gone on. By time of arrival that may be so while more of
    /// their millisecond are to come.
    pub fn is_behind(&self, time: Millis, last: Millis) -> bool {
        time < last || (time == last && time <= self.watermark)
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It counts: it is kept, or has been put out.
    Kept,
    Late,
    /// It can count for nothing, as a row whose join key is NULL.
    Filtered,
}

/// Up to where things are to happen.
#[derive(Clone, Copy, Debug)]
pub enum Due<'a> {
    Shared(Millis),
    Device(&'a Value, Millis),
    /// All that waits; then everything is forgotten.
    End,
}

/// What an operator puts out.
#[derive(Debug, Default)]
pub struct Out {
    pub rows: Vec<Row>,
    /// Rows on their way out that made an expression fail: each is gone, all else stands.
    pub failed: Vec<(Row, RowError)>,
    /// What was lost to limits on the state.
    pub given_up: u64,
}

impl Out {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.failed.is_empty() && self.given_up == 0
    }

    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// A row whose making may have failed.
    pub fn put(&mut self, row: Row, result: Result<(), RowError>) {
        match result {
            Ok(()) => self.rows.push(row),
            Err(error) => self.failed.push((row, error)),
        }
    }
}

/// An operator on one time line. What is fixed (programs, positions of columns) is in `self`, what rows change is in
/// `State`.
pub trait Timed: Send {
    type State: Default + Send;

    /// Takes a row of an input. Rows that result at once go to `out`. After an error nothing has changed.
    fn take(
        &mut self,
        state: &mut Self::State,
        port: usize,
        row: &[Value],
        at: &At,
        out: &mut Out,
    ) -> Result<Taken, RowError>;

    /// The watermark at which something happens next. Takes (nearly) no time.
    fn next_due(&self, state: &Self::State) -> Option<Millis>;

    /// Does the earliest thing that is due at `at.watermark`, a bounded piece of work. `false`: nothing is due.
    fn fire(&mut self, state: &mut Self::State, at: &At, out: &mut Out) -> bool;

    /// Whether the state is as good as a new one.
    fn is_empty(&self, state: &Self::State) -> bool;

    /// Bytes the state holds, without `size_of` itself. Takes no time: a count is kept.
    fn state_bytes(&self, state: &Self::State) -> usize;

    fn write(&self, state: &Self::State, writer: &mut Writer);

    fn read(&self, reader: &mut Reader<'_>) -> Result<Self::State, RestoreError>;

    /// How far its rows may be behind the watermark, so that the watermark is held back for those who read them.
    fn delay_ms(&self) -> Millis {
        0
    }

    /// Whether rows are put in order of time and go on one by one, so that later ones of the same time change nothing
    /// for those that have gone on. By time of arrival they need not wait then until their millisecond is over.
    fn orders_rows(&self) -> bool {
        false
    }
}

/// An operator with its state, as a stage of a query has it.
pub trait Stateful: Send {
    /// `at.watermark`: of the row's device where each has its own time line, else the shared one.
    fn take(&mut self, port: usize, row: &[Value], at: &At, out: &mut Out) -> Result<Taken, RowError>;

    /// Whether something may happen; `false` is certain.
    fn may_be_due(&mut self, due: Due<'_>) -> bool;

    /// Does the next thing that is due. `false`: there is none, and with [`Due::End`] all is forgotten.
    fn fire(&mut self, due: Due<'_>, context: &Context, out: &mut Out) -> bool;

    /// The shared watermark at which something happens next.
    fn next_due(&self) -> Option<Millis>;

    /// The same for a device's own watermark, where each has its own time line.
    fn next_due_of(&mut self, device: &Value) -> Option<Millis>;

    fn state_bytes(&self) -> usize;

    fn write(&self, writer: &mut Writer);

    /// Replaces the state of an operator that has none.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), RestoreError>;
}

pub struct TimeLines<O: Timed> {
    operator: O,
    lines: Lines<O::State>,
    /// What fires is so far ahead of what is late: by time of arrival a row's time has come when the row has, while more
    /// of the same millisecond, which the watermark leaves room for, are not late.
    lead_ms: Millis,
}

enum Lines<S> {
    Shared(S),
    PerDevice {
        /// Where the rows of each port hold their device.
        columns: Vec<usize>,
        devices: Keyed<S>,
        /// Bytes of the states.
        bytes: usize,
        /// While all ends: the devices that are left, the next one last.
        ending: Option<Vec<u32>>,
    },
}

impl<O: Timed> TimeLines<O> {
    /// `devices`: for each port the column with the device, where each device has its own time line.
    pub fn new(operator: O, devices: Option<Vec<usize>>) -> TimeLines<O> {
        let lines = match devices {
            Some(columns) => Lines::PerDevice { columns, devices: Keyed::default(), bytes: 0, ending: None },
            None => Lines::Shared(O::State::default()),
        };
        TimeLines { operator, lines, lead_ms: 0 }
    }

    /// The event time is that of arrival for all input.
    pub fn by_arrival(mut self) -> TimeLines<O> {
        self.lead_ms = Millis::from(self.operator.orders_rows());
        self
    }
}

/// Takes a row on its time line. What is due at once goes out at once: no move of the watermark may follow.
fn take_on<O: Timed>(
    operator: &mut O,
    state: &mut O::State,
    (port, row): (usize, &[Value]),
    at: &At,
    lead_ms: Millis,
    out: &mut Out,
) -> Result<Taken, RowError> {
    let taken = operator.take(state, port, row, at, out)?;
    if lead_ms > 0 && taken == Taken::Kept {
        let at = At { watermark: at.watermark.saturating_add(lead_ms), ..*at };
        while operator.fire(state, &at, out) {}
    }
    Ok(taken)
}

impl<O: Timed> Stateful for TimeLines<O> {
    fn take(&mut self, port: usize, row: &[Value], at: &At, out: &mut Out) -> Result<Taken, RowError> {
        let (operator, lead_ms) = (&mut self.operator, self.lead_ms);
        match &mut self.lines {
            Lines::Shared(state) => take_on(operator, state, (port, row), at, lead_ms, out),
            Lines::PerDevice { columns, devices, bytes, .. } => {
                let device = columns.get(port).and_then(|column| row.get(*column)).unwrap_or(&Value::Null);
                let slot = devices.find_or_add(std::slice::from_ref(device), O::State::default);
                let Some(state) = devices.get_mut(slot) else { return Ok(Taken::Late) };
                let before = operator.state_bytes(state);
                let taken = take_on(operator, state, (port, row), at, lead_ms, out);
                *bytes = (*bytes + operator.state_bytes(state)).saturating_sub(before);
                if operator.is_empty(state) {
                    *bytes = bytes.saturating_sub(operator.state_bytes(state));
                    devices.remove(slot);
                }
                taken
            }
        }
    }

    fn may_be_due(&mut self, due: Due<'_>) -> bool {
        let reached = |due: Option<Millis>, watermark: Millis| due.is_some_and(|due| due <= watermark);
        match (due, &self.lines) {
            (Due::Shared(watermark), Lines::Shared(_)) => reached(self.next_due(), watermark),
            // A device that is forgotten (its watermark is at the end of time) must go, whether it waits or not.
            (Due::Device(device, Millis::MAX), Lines::PerDevice { devices, .. }) => {
                devices.find(std::slice::from_ref(device)).is_some()
            }
            (Due::Device(device, watermark), Lines::PerDevice { .. }) => reached(self.next_due_of(device), watermark),
            (Due::End, Lines::Shared(state)) => !self.operator.is_empty(state),
            (Due::End, Lines::PerDevice { devices, .. }) => devices.len() > 0,
            (Due::Shared(_), Lines::PerDevice { .. }) | (Due::Device(..), Lines::Shared(_)) => false,
        }
    }

    fn fire(&mut self, due: Due<'_>, context: &Context, out: &mut Out) -> bool {
        let (operator, lead_ms) = (&mut self.operator, self.lead_ms);
        let at = |watermark: Millis| At { context: *context, watermark: watermark.saturating_add(lead_ms) };
        match (due, &mut self.lines) {
            (Due::Shared(watermark), Lines::Shared(state)) => operator.fire(state, &at(watermark), out),
            (Due::End, Lines::Shared(state)) => {
                let fired = operator.fire(state, &at(Millis::MAX), out);
                if !fired || operator.is_empty(state) {
                    *state = O::State::default();
                }
                fired
            }
            (Due::Device(device, watermark), Lines::PerDevice { devices, bytes, .. }) => {
                let Some(slot) = devices.find(std::slice::from_ref(device)) else { return false };
                fire_device(operator, devices, slot, bytes, &at(watermark), out)
            }
            (Due::End, Lines::PerDevice { devices, bytes, ending, .. }) => {
                let left = ending.get_or_insert_with(|| devices.in_order().into_iter().rev().collect());
                while let Some(slot) = left.last() {
                    if fire_device(operator, devices, *slot, bytes, &at(Millis::MAX), out) {
                        return true;
                    }
                    left.pop();
                }
                *ending = None;
                false
            }
            (Due::Shared(_), Lines::PerDevice { .. }) | (Due::Device(..), Lines::Shared(_)) => false,
        }
    }

    fn next_due(&self) -> Option<Millis> {
        match &self.lines {
            Lines::Shared(state) => self.operator.next_due(state).map(|due| due - self.lead_ms),
            Lines::PerDevice { .. } => None,
        }
    }

    fn next_due_of(&mut self, device: &Value) -> Option<Millis> {
        let Lines::PerDevice { devices, .. } = &self.lines else { return None };
        let slot = devices.find(std::slice::from_ref(device))?;
        self.operator.next_due(devices.get(slot)?).map(|due| due - self.lead_ms)
    }

    fn state_bytes(&self) -> usize {
        match &self.lines {
            Lines::Shared(state) => self.operator.state_bytes(state),
            Lines::PerDevice { devices, bytes, .. } => devices.bytes() + bytes,
        }
    }

    fn write(&self, writer: &mut Writer) {
        match &self.lines {
            Lines::Shared(state) => self.operator.write(state, writer),
            Lines::PerDevice { devices, .. } => {
                devices.write(writer, |state, writer| self.operator.write(state, writer))
            }
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), RestoreError> {
        let operator = &self.operator;
        match &mut self.lines {
            Lines::Shared(state) => *state = operator.read(reader)?,
            Lines::PerDevice { devices, bytes, .. } => {
                *bytes = 0;
                *devices = Keyed::read(reader, 1, |reader| {
                    let state = operator.read(reader)?;
                    *bytes += operator.state_bytes(&state);
                    Ok(state)
                })?;
            }
        }
        Ok(())
    }
}

/// Does the next thing that is due on a device's line. With nothing left, or at the end of time, the line goes, at once:
/// nobody may come back to look whether more is due.
fn fire_device<O: Timed>(
    operator: &mut O,
    devices: &mut Keyed<O::State>,
    slot: u32,
    bytes: &mut usize,
    at: &At,
    out: &mut Out,
) -> bool {
    let Some(state) = devices.get_mut(slot) else { return false };
    let before = operator.state_bytes(state);
    let fired = operator.fire(state, at, out);
    let after = operator.state_bytes(state);
    *bytes = (*bytes + after).saturating_sub(before);
    if operator.is_empty(state) || (!fired && at.watermark == Millis::MAX) {
        *bytes = bytes.saturating_sub(after);
        devices.remove(slot);
    }
    fired
}
