//! Where groups and their panes live: slots in flat vectors, so that a group costs no allocation of its own.
//!
//! A group is a key, its place in the order of first arrival, the window it fires next, and a list of panes in order of
//! time. A pane is `1 + Layout::words` words: its index, then the accumulator, whose first word has the link to the
//! next pane in its upper half. Freed slots are used again.

use crate::engine::key_index::{KeyHasher, KeyIndex, same_key};
use crate::model::Value;

pub const NIL: u32 = u32::MAX;

/// No window: not scheduled.
pub const NEVER: i64 = i64::MAX;

pub struct Group {
    /// Order of first arrival among all groups that live.
    pub sequence: u64,
    /// Last pane of the window that it fires next.
    pub scheduled: i64,
    pub hash: u32,
    /// The time line it belongs to, where each device has its own.
    pub line: u32,
    pub next_in_line: u32,
    pub oldest: u32,
    pub newest: u32,
}

pub struct Groups {
    key_columns: usize,
    stride: usize,
    hasher: KeyHasher,
    index: KeyIndex,
    groups: Vec<Group>,
    /// `key_columns` for each group.
    keys: Vec<Value>,
    free_groups: Vec<u32>,
    panes: Vec<u64>,
    free_pane: u32,
    next_sequence: u64,
    key_heap_bytes: usize,
    /// The group found last: rows of one device often come together.
    last: u32,
}

impl Groups {
    pub fn new(key_columns: usize, accumulator_words: usize) -> Groups {
        Groups {
            key_columns,
            stride: 1 + accumulator_words,
            hasher: KeyHasher::default(),
            index: KeyIndex::default(),
            groups: Vec::new(),
            keys: Vec::new(),
            free_groups: Vec::new(),
            panes: Vec::new(),
            free_pane: NIL,
            next_sequence: 0,
            key_heap_bytes: 0,
            last: NIL,
        }
    }

    pub fn get(&self, at: u32) -> &Group {
        &self.groups[at as usize]
    }

    pub fn get_mut(&mut self, at: u32) -> &mut Group {
        &mut self.groups[at as usize]
    }

    pub fn key(&self, at: u32) -> &[Value] {
        let start = at as usize * self.key_columns;
        &self.keys[start..start + self.key_columns]
    }

    /// Whether the slot holds a group.
    pub fn is_live(&self, at: u32) -> bool {
        self.groups.get(at as usize).is_some_and(|group| group.oldest != NIL)
    }

    pub fn len(&self) -> usize {
        self.groups.len() - self.free_groups.len()
    }

    /// Live groups in order of first arrival.
    pub fn in_order(&self) -> Vec<u32> {
        let mut live: Vec<u32> = (0..self.groups.len() as u32).filter(|at| self.is_live(*at)).collect();
        live.sort_unstable_by_key(|at| self.groups[*at as usize].sequence);
        live
    }

    /// The group with this key, given column by column; a new one without panes if there is none (`true`).
    pub fn find_or_add<'a>(&mut self, column: impl Fn(usize) -> &'a Value) -> (u32, bool) {
        let columns = self.key_columns;
        let is_key = |keys: &[Value], at: u32| {
            let start = at as usize * columns;
            (0..columns).all(|index| same_key(&keys[start + index], column(index)))
        };
        if self.last != NIL && is_key(&self.keys, self.last) {
            return (self.last, false);
        }
        let hash = self.hasher.hash_all((0..columns).map(&column));
        let (groups, keys) = (&self.groups, &self.keys);
        if let Some(at) = self.index.find(hash, |at| groups[at as usize].hash == hash && is_key(keys, at)) {
            self.last = at;
            return (at, false);
        }
        let at = self.add(hash, column);
        self.last = at;
        (at, true)
    }

    fn add<'a>(&mut self, hash: u32, column: impl Fn(usize) -> &'a Value) -> u32 {
        let group = Group {
            sequence: self.next_sequence,
            scheduled: NEVER,
            hash,
            line: NIL,
            next_in_line: NIL,
            oldest: NIL,
            newest: NIL,
        };
        self.next_sequence += 1;
        let at = match self.free_groups.pop() {
            Some(at) => {
                self.groups[at as usize] = group;
                at
            }
            None => {
                grow(&mut self.groups, 1);
                grow(&mut self.keys, self.key_columns);
                self.groups.push(group);
                self.keys.resize(self.groups.len() * self.key_columns, Value::Null);
                self.groups.len() as u32 - 1
            }
        };
        let start = at as usize * self.key_columns;
        for index in 0..self.key_columns {
            self.keys[start + index] = column(index).clone();
            self.key_heap_bytes += self.keys[start + index].heap_bytes();
        }
        let groups = &self.groups;
        self.index.insert(hash, at, |slot| groups[slot as usize].hash);
        at
    }

    /// Takes out a group that has no panes left.
    pub fn remove(&mut self, at: u32) {
        debug_assert_eq!(self.groups[at as usize].oldest, NIL);
        let groups = &self.groups;
        self.index.remove(groups[at as usize].hash, at, |slot| groups[slot as usize].hash);
        let start = at as usize * self.key_columns;
        for value in &mut self.keys[start..start + self.key_columns] {
            self.key_heap_bytes -= value.heap_bytes();
            *value = Value::Null;
        }
        self.last = NIL;
        self.free_groups.push(at);
        if self.len() == 0 && self.groups.len() > KEPT_SLOTS {
            // Nothing lives: give a burst's memory back.
            *self = Groups { hasher: self.hasher.clone(), ..Groups::new(self.key_columns, self.stride - 1) };
        }
    }

    pub fn pane_index(&self, pane: u32) -> i64 {
        self.panes[pane as usize * self.stride] as i64
    }

    pub fn next_pane(&self, pane: u32) -> u32 {
        (self.panes[pane as usize * self.stride + 1] >> 32) as u32
    }

    fn set_next_pane(&mut self, pane: u32, next: u32) {
        let word = &mut self.panes[pane as usize * self.stride + 1];
        *word = (*word & 0xffff_ffff) | (u64::from(next) << 32);
    }

    pub fn accumulator(&self, pane: u32) -> &[u64] {
        let start = pane as usize * self.stride;
        &self.panes[start + 1..start + self.stride]
    }

    pub fn accumulator_mut(&mut self, pane: u32) -> &mut [u64] {
        let start = pane as usize * self.stride;
        &mut self.panes[start + 1..start + self.stride]
    }

    /// The group's pane with this index, made if it is not there.
    pub fn pane(&mut self, group: u32, index: i64) -> u32 {
        let Group { oldest, newest, .. } = self.groups[group as usize];
        if newest != NIL && self.pane_index(newest) == index {
            return newest;
        }
        let mut before = NIL;
        if newest != NIL && self.pane_index(newest) < index {
            before = newest;
        } else {
            let mut at = oldest;
            while at != NIL && self.pane_index(at) < index {
                (before, at) = (at, self.next_pane(at));
            }
            if at != NIL && self.pane_index(at) == index {
                return at;
            }
        }
        let pane = self.new_pane(index);
        let after = if before == NIL { oldest } else { self.next_pane(before) };
        self.set_next_pane(pane, after);
        match before {
            NIL => self.groups[group as usize].oldest = pane,
            before => self.set_next_pane(before, pane),
        }
        if after == NIL {
            self.groups[group as usize].newest = pane;
        }
        pane
    }

    fn new_pane(&mut self, index: i64) -> u32 {
        let stride = self.stride;
        let pane = match self.free_pane {
            NIL => {
                grow(&mut self.panes, stride);
                self.panes.resize(self.panes.len() + stride, 0);
                (self.panes.len() / stride) as u32 - 1
            }
            pane => {
                self.free_pane = self.next_pane(pane);
                let start = pane as usize * stride;
                self.panes[start..start + stride].fill(0);
                pane
            }
        };
        self.panes[pane as usize * stride] = index as u64;
        pane
    }

    /// Takes the oldest pane off the group; its accumulator must have been released.
    pub fn remove_oldest_pane(&mut self, group: u32) {
        let pane = self.groups[group as usize].oldest;
        let next = self.next_pane(pane);
        let group = &mut self.groups[group as usize];
        group.oldest = next;
        if next == NIL {
            group.newest = NIL;
        }
        self.set_next_pane(pane, self.free_pane);
        self.free_pane = pane;
    }

    pub fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Group>()
            + self.keys.capacity() * size_of::<Value>()
            + self.key_heap_bytes
            + self.free_groups.capacity() * 4
            + self.panes.capacity() * 8
            + self.index.bytes()
    }
}

/// Below this many empty slots the memory of a burst is not worth giving back.
pub const KEPT_SLOTS: usize = 1_024;

/// Makes room for `more`, by a quarter where it must grow: twice would leave half of it empty.
fn grow<T>(vector: &mut Vec<T>, more: usize) {
    if vector.capacity() - vector.len() < more {
        vector.reserve_exact((vector.len() / 4).max(4 * more));
    }
}
