//! Grouping by windows. Here: GROUP BY window_start, window_end and keys, over TUMBLE, HOP and CUMULATE; sessions and
//! windows that the rows bring along have operators of their own.
//!
//! A row is added to one pane of its group (a pane is one slide), so its cost does not grow with the size of a window;
//! a window that fires merges its panes, oldest first. Which windows a late row counts in: those that the watermark has
//! not reached, and no window fires twice.
//!
//! Windows fire by end, then by the group's order of first arrival. With the device rule, groups whose key holds the
//! device stand on that device's own time line; all others, and everything with the source rule, on the shared one.

mod accumulator;
mod attached;
mod fold;
mod groups;
mod lines;
mod moments;
mod numbers;
mod objects;
mod session;
mod sketch;
mod sums;

pub use attached::AttachedAggregate;
pub use fold::Fold;
pub use objects::Objects;
pub use session::SessionAggregate;

use std::collections::BTreeMap;

pub(super) use accumulator::Layout;
use groups::{Groups, KEPT_SLOTS, NEVER, NIL};
use lines::Lines;

use super::codec::{Reader, Writer};
use super::eval::Context;
use super::operand::Operand;
use super::operator::{At, Due, Out, Stateful, Taken};
use super::windowing::{Panes, event_time};
use super::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::{Aggregate, Expr, Windowing};

/// Which watermark closes a group's windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    Shared,
    /// The device's, which is this column of the key.
    Device(usize),
}

pub struct WindowAggregate {
    time: usize,
    panes: Panes,
    keys: Vec<Operand>,
    fold: Fold,
    closed_by: ClosedBy,
    groups: Groups,
    objects: Objects,
    /// Groups by the last pane of the window they fire next, on the shared time line. An entry whose group is
    /// scheduled elsewhere by now is void.
    timeline: BTreeMap<i64, Vec<u32>>,
    lines: Lines,
    /// Everything fires: devices' time lines are merged into the shared one.
    ending: bool,
    /// What fires now, the next one last, all with the same last pane.
    firing: Vec<u32>,
    firing_pane: i64,
    merged: Vec<u64>,
}

impl WindowAggregate {
    pub fn new(
        time: usize,
        windowing: Windowing,
        keys: &[Expr],
        aggregates: &[Aggregate],
        closed_by: ClosedBy,
    ) -> WindowAggregate {
        let fold = Fold::new(aggregates);
        WindowAggregate {
            time,
            panes: Panes::new(windowing),
            keys: keys.iter().map(Operand::new).collect(),
            closed_by,
            groups: Groups::new(keys.len(), fold.layout.words),
            merged: vec![0; fold.layout.words],
            fold,
            objects: Objects::default(),
            timeline: BTreeMap::new(),
            lines: Lines::default(),
            ending: false,
            firing: Vec::new(),
            firing_pane: 0,
        }
    }

    fn add(&mut self, row: &[Value], at: &At) -> Result<Taken, RowError> {
        let (context, watermark) = (&at.context, at.late_by());
        for operand in &mut self.keys {
            operand.prepare(row, context)?;
        }
        self.fold.prepare(row, context)?;
        let Some(time) = event_time(row, self.time) else {
            return Err(RowError::NoEventTime);
        };
        let pane = self.panes.pane(time);
        let window = if self.panes.end(pane) - 1 > watermark { pane } else { self.panes.first_open(watermark) };
        if window > self.panes.last_window(pane) {
            return Ok(Taken::Late);
        }
        let keys = &self.keys;
        let (group, is_new) = self.groups.find_or_add(|column| keys[column].value(row));
        if let (true, ClosedBy::Device(column)) = (is_new, self.closed_by) {
            self.lines.enter(&mut self.groups, group, column);
        }
        let slot = self.groups.pane(group, pane);
        self.fold.add(row, self.groups.accumulator_mut(slot), &mut self.objects);
        if window < self.groups.get(group).scheduled {
            self.schedule(group, window);
        }
        Ok(Taken::Kept)
    }

    fn schedule(&mut self, group: u32, window: i64) {
        self.groups.get_mut(group).scheduled = window;
        match self.closed_by {
            ClosedBy::Device(_) if !self.ending => self.lines.schedule(&self.groups, group),
            ClosedBy::Device(_) | ClosedBy::Shared => self.timeline.entry(window).or_default().push(group),
        }
    }

    /// Gathers what fires next up to the watermark; what it finds may be void.
    fn gather(&mut self, watermark: Millis) -> bool {
        let Some(entry) = self.timeline.first_entry() else { return false };
        let pane = *entry.key();
        if self.panes.end(pane) - 1 > watermark {
            return false;
        }
        let mut groups = entry.remove();
        groups.retain(|group| self.groups.is_live(*group) && self.groups.get(*group).scheduled == pane);
        groups.sort_by_key(|group| std::cmp::Reverse(self.groups.get(*group).sequence));
        groups.dedup();
        (self.firing, self.firing_pane) = (groups, pane);
        true
    }

    fn gather_line(&mut self, device: &Value, column: usize, watermark: Millis) -> bool {
        let Some(line) = self.lines.find(&self.groups, device, column) else { return false };
        let pane = self.lines.settle(&self.groups, line);
        if self.panes.end(pane) - 1 > watermark {
            return false;
        }
        self.firing_pane = pane;
        self.lines.groups_at(&self.groups, line, pane, &mut self.firing);
        self.firing.reverse();
        !self.firing.is_empty()
    }

    fn gather_all(&mut self) -> bool {
        if let (ClosedBy::Device(_), false) = (self.closed_by, self.ending) {
            for group in self.groups.in_order() {
                self.timeline.entry(self.groups.get(group).scheduled).or_default().push(group);
            }
        }
        let found = self.gather(Millis::MAX);
        self.ending = found;
        found
    }

    fn emit(&mut self, group: u32, out: &mut Out) {
        for first_pane in self.panes.results(self.firing_pane) {
            self.emit_window(group, first_pane, out);
        }
    }

    /// Puts out what the window holds up to the pane that fires, if it holds anything.
    fn emit_window(&mut self, group: u32, first_pane: i64, out: &mut Out) {
        let mut oldest = self.groups.get(group).oldest;
        while oldest != NIL && self.groups.pane_index(oldest) < first_pane {
            oldest = self.groups.next_pane(oldest);
        }
        if oldest == NIL || self.groups.pane_index(oldest) > self.firing_pane {
            return;
        }
        let mut row = Row::with_capacity(self.keys.len() + self.fold.len() + 4);
        row.extend_from_slice(self.groups.key(group));
        let next = self.groups.next_pane(oldest);
        let is_alone = next == NIL || self.groups.pane_index(next) > self.firing_pane;
        let result = if is_alone {
            self.fold.results(self.groups.accumulator(oldest), &self.objects, &mut row)
        } else {
            let layout = &self.fold.layout;
            self.merged.fill(0);
            let mut pane = oldest;
            while pane != NIL && self.groups.pane_index(pane) <= self.firing_pane {
                layout.merge(&mut self.merged, self.groups.accumulator(pane), &mut self.objects);
                pane = self.groups.next_pane(pane);
            }
            let result = self.fold.results(&self.merged, &self.objects, &mut row);
            self.fold.layout.release(&self.merged, &mut self.objects);
            result
        };
        row.extend(self.panes.columns_of(first_pane, self.firing_pane));
        if self.panes.marks_early {
            row.push(Value::Boolean(self.panes.is_early(first_pane, self.firing_pane)));
        }
        out.put(row, result.map_err(RowError::from));
    }

    /// Drops the panes that no later window holds, and schedules the group's next window.
    fn move_on(&mut self, group: u32) {
        let first_kept = self.panes.first_pane(self.firing_pane + 1);
        loop {
            let oldest = self.groups.get(group).oldest;
            if oldest == NIL {
                if let ClosedBy::Device(_) = self.closed_by {
                    self.lines.leave(&mut self.groups, group);
                }
                self.groups.remove(group);
                return;
            }
            let index = self.groups.pane_index(oldest);
            if index >= first_kept {
                self.schedule(group, index.max(self.firing_pane + 1));
                return;
            }
            self.fold.layout.release(self.groups.accumulator(oldest), &mut self.objects);
            self.groups.remove_oldest_pane(group);
        }
    }

    fn read_panes(&mut self, group: u32, window: i64, reader: &mut Reader<'_>) -> Result<(), RestoreError> {
        let mut before = None;
        while reader.byte()? != 0 {
            let index = reader.signed()?;
            let first = *before.get_or_insert(index);
            if !self.panes.in_range(index) || index < first || (index == first && self.groups.get(group).oldest != NIL)
            {
                return Err(RestoreError("panes are out of order".to_owned()));
            }
            before = Some(index);
            let pane = self.groups.pane(group, index);
            let mut words = vec![0; self.fold.layout.words];
            let link = self.groups.accumulator(pane)[0];
            self.fold.layout.read(&mut words, &mut self.objects, reader)?;
            words[0] |= link;
            self.groups.accumulator_mut(pane).copy_from_slice(&words);
        }
        let oldest = self.groups.get(group).oldest;
        if oldest == NIL || !self.panes.in_range(window) || window == NEVER {
            return Err(RestoreError("a group has no window".to_owned()));
        }
        let first = self.groups.pane_index(oldest);
        if window < first || window > self.panes.last_window(first) {
            return Err(RestoreError("a group waits for a window that it has no part in".to_owned()));
        }
        Ok(())
    }
}

impl Stateful for WindowAggregate {
    fn take(&mut self, _port: usize, row: &[Value], at: &At, _out: &mut Out) -> Result<Taken, RowError> {
        self.add(row, at)
    }

    fn may_be_due(&mut self, due: Due<'_>) -> bool {
        let reached = |due: Option<Millis>, watermark: Millis| due.is_some_and(|due| due <= watermark);
        match due {
            _ if !self.firing.is_empty() => true,
            Due::Shared(watermark) => reached(self.next_due(), watermark),
            Due::Device(device, watermark) => reached(self.next_due_of(device), watermark),
            Due::End => self.groups.len() > 0,
        }
    }

    /// Fires one group: keys, aggregates, window_start, window_end, window_time, and whether it is early if that is asked.
    fn fire(&mut self, due: Due<'_>, _context: &Context, out: &mut Out) -> bool {
        while self.firing.is_empty() {
            let found = match (due, self.closed_by) {
                (Due::End, _) => self.gather_all(),
                (Due::Shared(watermark), _) => self.gather(watermark),
                (Due::Device(device, watermark), ClosedBy::Device(column)) => {
                    self.gather_line(device, column, watermark)
                }
                (Due::Device(..), ClosedBy::Shared) => false,
            };
            if !found {
                return false;
            }
        }
        let Some(group) = self.firing.pop() else { return false };
        self.emit(group, out);
        self.move_on(group);
        if self.firing.is_empty() && self.firing.capacity() > KEPT_SLOTS {
            self.firing = Vec::new();
        }
        true
    }

    fn next_due(&self) -> Option<Millis> {
        self.timeline.first_key_value().map(|(pane, _)| self.panes.end(*pane) - 1)
    }

    fn next_due_of(&mut self, device: &Value) -> Option<Millis> {
        let ClosedBy::Device(column) = self.closed_by else { return None };
        let line = self.lines.find(&self.groups, device, column)?;
        Some(self.panes.end(self.lines.next(line)) - 1)
    }

    fn state_bytes(&self) -> usize {
        let timeline: usize = self.timeline.values().map(|groups| 40 + groups.capacity() * 4).sum();
        self.groups.bytes() + self.objects.bytes() + self.lines.bytes() + timeline + self.firing.capacity() * 4
    }

    /// Groups in order of first arrival, each with its key, its next window and its panes.
    fn write(&self, writer: &mut Writer) {
        debug_assert!(self.firing.is_empty(), "a snapshot while windows fire");
        writer.count(self.groups.len());
        for group in self.groups.in_order() {
            self.groups.key(group).iter().for_each(|value| writer.value(value));
            writer.signed(self.groups.get(group).scheduled);
            let mut pane = self.groups.get(group).oldest;
            while pane != NIL {
                writer.byte(1);
                writer.signed(self.groups.pane_index(pane));
                self.fold.layout.write(self.groups.accumulator(pane), &self.objects, writer);
                pane = self.groups.next_pane(pane);
            }
            writer.byte(0);
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), RestoreError> {
        let mut key = Vec::with_capacity(self.keys.len());
        for _ in 0..reader.count()? {
            key.clear();
            for _ in 0..self.keys.len() {
                key.push(reader.value()?);
            }
            let (group, is_new) = self.groups.find_or_add(|column| &key[column]);
            if !is_new {
                return Err(RestoreError("a group is there twice".to_owned()));
            }
            let window = reader.signed()?;
            self.read_panes(group, window, reader)?;
            if let ClosedBy::Device(column) = self.closed_by {
                self.lines.enter(&mut self.groups, group, column);
            }
            self.schedule(group, window);
        }
        Ok(())
    }
}
