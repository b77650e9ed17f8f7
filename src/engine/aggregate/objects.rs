//! What accumulators hold that is no number: the best text so far, sets of distinct values. Handles are slots.

use super::groups::KEPT_SLOTS;
use super::numbers::Numbers;
use super::sketch::Sketch;
use crate::engine::eval::TEXT_MAX_BYTES;
use crate::engine::key_index::{KeyHasher, KeyIndex, same_key};
use crate::model::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Best {
    Smallest,
    Largest,
}

impl Best {
    pub fn is_better<T: PartialOrd>(self, new: T, old: T) -> bool {
        match self {
            Best::Smallest => new < old,
            Best::Largest => new > old,
        }
    }
}

/// What accumulators hold that is no number.
#[derive(Default)]
pub struct Objects {
    slots: Vec<Object>,
    free: Vec<u32>,
    hasher: KeyHasher,
    bytes: usize,
}

#[derive(Clone)]
pub enum Object {
    Free,
    Value(Value),
    Set(Box<ValueSet>),
    /// Texts one after the other; it stops growing once it is longer than a text may be.
    Text(String),
    Sketch(Box<Sketch>),
    Numbers(Box<Numbers>),
}

/// Values in order of arrival, each once.
#[derive(Default)]
pub struct ValueSet {
    values: Vec<Value>,
    hashes: Vec<u32>,
    index: KeyIndex,
}

impl Clone for ValueSet {
    fn clone(&self) -> ValueSet {
        let mut copy = ValueSet::default();
        self.values.iter().zip(&self.hashes).for_each(|(value, hash)| {
            copy.insert(value, *hash);
        });
        copy
    }
}

impl ValueSet {
    fn insert(&mut self, value: &Value, hash: u32) -> bool {
        let (values, hashes) = (&self.values, &self.hashes);
        if self.index.find(hash, |at| hashes[at as usize] == hash && same_key(&values[at as usize], value)).is_some() {
            return false;
        }
        self.index.insert(hash, self.values.len() as u32, |at| hashes[at as usize]);
        self.values.push(value.clone());
        self.hashes.push(hash);
        true
    }
}

/// A value of a set: itself, its hash and its place in the index.
const SET_ENTRY_BYTES: usize = 24 + 4 + 8;

impl Object {
    fn bytes(&self) -> usize {
        match self {
            Object::Free => 0,
            Object::Value(value) => value.heap_bytes(),
            Object::Text(text) => text.len(),
            Object::Sketch(sketch) => sketch.bytes(),
            Object::Numbers(numbers) => numbers.bytes(),
            Object::Set(set) => set.values.iter().map(|value| SET_ENTRY_BYTES + value.heap_bytes()).sum(),
        }
    }
}

impl Objects {
    pub fn put(&mut self, object: Object) -> u64 {
        self.bytes += object.bytes();
        match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = object;
                u64::from(at)
            }
            None => {
                self.slots.push(object);
                self.slots.len() as u64 - 1
            }
        }
    }

    pub fn take(&mut self, at: u64) {
        let object = std::mem::replace(&mut self.slots[at as usize], Object::Free);
        self.bytes -= object.bytes();
        self.free.push(at as u32);
        if self.free.len() == self.slots.len() && self.slots.len() > KEPT_SLOTS {
            (self.slots, self.free) = (Vec::new(), Vec::new());
        }
    }

    pub fn copy(&self, at: u64) -> Object {
        self.slots[at as usize].clone()
    }

    pub fn value(&self, at: u64) -> Value {
        match &self.slots[at as usize] {
            Object::Value(value) => value.clone(),
            _ => Value::Null,
        }
    }

    pub fn set(&self, at: u64) -> &[Value] {
        match &self.slots[at as usize] {
            Object::Set(set) => &set.values,
            _ => &[],
        }
    }

    pub fn text(&self, at: u64) -> &str {
        match &self.slots[at as usize] {
            Object::Text(text) => text,
            _ => "",
        }
    }

    pub fn sketch(&self, at: u64) -> Option<&Sketch> {
        match &self.slots[at as usize] {
            Object::Sketch(sketch) => Some(sketch),
            _ => None,
        }
    }

    pub fn numbers(&self, at: u64) -> Option<&Numbers> {
        match &self.slots[at as usize] {
            Object::Numbers(numbers) => Some(numbers),
            _ => None,
        }
    }

    pub fn set_value(&mut self, at: u64, new: &Value) {
        let slot = &mut self.slots[at as usize];
        let old = slot.bytes();
        *slot = Object::Value(new.clone());
        self.bytes = self.bytes + slot.bytes() - old;
    }

    pub fn append(&mut self, at: u64, separator: &str, text: &str) {
        if let Object::Text(list) = &mut self.slots[at as usize] {
            if list.len() <= TEXT_MAX_BYTES {
                list.push_str(separator);
                list.push_str(text);
                self.bytes += separator.len() + text.len();
            }
        }
    }

    /// Counts a number in a sketch.
    pub fn count(&mut self, at: u64, number: f64) {
        if let Object::Sketch(sketch) = &mut self.slots[at as usize] {
            let before = sketch.bytes();
            sketch.add(number);
            self.bytes = self.bytes + sketch.bytes() - before;
        }
    }

    /// Keeps that a number came so many times.
    pub fn count_exactly(&mut self, at: u64, number: f64, times: u64) {
        if let Object::Numbers(numbers) = &mut self.slots[at as usize] {
            let before = numbers.bytes();
            numbers.add(number, times);
            self.bytes = self.bytes + numbers.bytes() - before;
        }
    }

    pub fn improve(&mut self, at: u64, best: Best, new: &Value) {
        if let Object::Value(old) = &mut self.slots[at as usize] {
            let better = match (new, &*old) {
                (Value::String(new), Value::String(old)) => best.is_better(new.as_bytes(), old.as_bytes()),
                (Value::Bytes(new), Value::Bytes(old)) => best.is_better(new, old),
                _ => false,
            };
            if better {
                self.bytes = self.bytes + new.heap_bytes() - old.heap_bytes();
                *old = new.clone();
            }
        }
    }

    pub fn insert(&mut self, at: u64, value: &Value) {
        let hash = self.hasher.hash(value);
        if let Object::Set(set) = &mut self.slots[at as usize] {
            if set.insert(value, hash) {
                self.bytes += SET_ENTRY_BYTES + value.heap_bytes();
            }
        }
    }

    /// Takes what `from` holds into `into`: the better value, the union of sets, the sum of sketches and of counted numbers.
    pub fn merge(&mut self, into: u64, from: u64, best: Option<Best>) {
        match (best, self.copy(from)) {
            (Some(best), Object::Value(value)) => self.improve(into, best, &value),
            (_, Object::Set(set)) => set.values.iter().for_each(|value| self.insert(into, value)),
            (_, Object::Sketch(from)) => {
                if let Object::Sketch(sketch) = &mut self.slots[into as usize] {
                    let before = sketch.bytes();
                    sketch.merge(&from);
                    self.bytes = self.bytes + sketch.bytes() - before;
                }
            }
            (_, Object::Numbers(from)) => {
                if let Object::Numbers(numbers) = &mut self.slots[into as usize] {
                    let before = numbers.bytes();
                    numbers.merge(&from);
                    self.bytes = self.bytes + numbers.bytes() - before;
                }
            }
            _ => {}
        }
    }

    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Object>() + self.free.capacity() * 4 + self.bytes
    }
}
