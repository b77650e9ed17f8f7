//! The time lines of devices: which groups belong to a device, and which of their windows ends next.
//!
//! A line is found by the device's name, which only its groups hold: a line without groups does not exist. Its groups
//! are linked in order of first arrival.

use super::groups::{Groups, KEPT_SLOTS, NEVER, NIL};
use crate::engine::key_index::{KeyHasher, KeyIndex, same_key};
use crate::model::Value;

struct Line {
    /// Last pane of the next window, or one before it.
    next: i64,
    hash: u32,
    first: u32,
    last: u32,
}

#[derive(Default)]
pub struct Lines {
    hasher: KeyHasher,
    index: KeyIndex,
    lines: Vec<Line>,
    free: Vec<u32>,
    /// The line found last: the row that was just taken and its device's watermark ask for the same one.
    found: Option<u32>,
}

impl Lines {
    pub fn find(&mut self, groups: &Groups, device: &Value, column: usize) -> Option<u32> {
        let is_it = |line: &Line| same_key(&groups.key(line.first)[column], device);
        if let Some(found) = self.found {
            if is_it(&self.lines[found as usize]) {
                return Some(found);
            }
        }
        let hash = self.hasher.hash(device);
        let lines = &self.lines;
        self.found = self.index.find(hash, |at| lines[at as usize].hash == hash && is_it(&lines[at as usize]));
        self.found
    }

    /// Puts a new group on the line of its device.
    pub fn enter(&mut self, groups: &mut Groups, group: u32, column: usize) {
        let device = groups.key(group)[column].clone();
        let line = match self.find(groups, &device, column) {
            Some(line) => {
                let last = std::mem::replace(&mut self.lines[line as usize].last, group);
                groups.get_mut(last).next_in_line = group;
                line
            }
            None => self.add(&device, group),
        };
        groups.get_mut(group).line = line;
    }

    fn add(&mut self, device: &Value, group: u32) -> u32 {
        let hash = self.hasher.hash(device);
        let line = Line { next: NEVER, hash, first: group, last: group };
        let at = match self.free.pop() {
            Some(at) => {
                self.lines[at as usize] = line;
                at
            }
            None => {
                if self.lines.len() == self.lines.capacity() {
                    self.lines.reserve_exact((self.lines.len() / 4).max(4));
                }
                self.lines.push(line);
                self.lines.len() as u32 - 1
            }
        };
        let lines = &self.lines;
        self.index.insert(hash, at, |slot| lines[slot as usize].hash);
        self.found = Some(at);
        at
    }

    /// Takes off a group that is done.
    pub fn leave(&mut self, groups: &mut Groups, group: u32) {
        let (at, next) = (groups.get(group).line, groups.get(group).next_in_line);
        let line = &mut self.lines[at as usize];
        if line.first == group && next == NIL {
            let lines = &self.lines;
            self.index.remove(lines[at as usize].hash, at, |slot| lines[slot as usize].hash);
            self.free.push(at);
            self.found = None;
            if self.free.len() == self.lines.len() && self.lines.len() > KEPT_SLOTS {
                *self = Lines { hasher: self.hasher.clone(), ..Lines::default() };
            }
        } else if line.first == group {
            line.first = next;
        } else {
            let mut before = line.first;
            while groups.get(before).next_in_line != group {
                before = groups.get(before).next_in_line;
            }
            groups.get_mut(before).next_in_line = next;
            if next == NIL {
                line.last = before;
            }
        }
    }

    /// The group's next window was set.
    pub fn schedule(&mut self, groups: &Groups, group: u32) {
        let group = groups.get(group);
        let line = &mut self.lines[group.line as usize];
        line.next = line.next.min(group.scheduled);
    }

    pub fn next(&self, line: u32) -> i64 {
        self.lines[line as usize].next
    }

    /// The same, made exact.
    pub fn settle(&mut self, groups: &Groups, line: u32) -> i64 {
        let mut next = NEVER;
        let mut at = self.lines[line as usize].first;
        while at != NIL {
            let group = groups.get(at);
            next = next.min(group.scheduled);
            at = group.next_in_line;
        }
        self.lines[line as usize].next = next;
        next
    }

    /// Groups of the line that fire the window with this last pane, in order of first arrival.
    pub fn groups_at(&self, groups: &Groups, line: u32, pane: i64, found: &mut Vec<u32>) {
        let mut at = self.lines[line as usize].first;
        while at != NIL {
            let group = groups.get(at);
            if group.scheduled == pane {
                found.push(at);
            }
            at = group.next_in_line;
        }
    }

    pub fn bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>() + self.free.capacity() * 4 + self.index.bytes()
    }
}
