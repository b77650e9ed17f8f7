//! State by key: found by hash, walked in order of first arrival, due in order of time.
//!
//! Holds always: nothing comes out in the order of the hash; among keys that are due at one time the one that came
//! first goes first. An operator keeps one of these for each time line (its partitions), the engine one for its devices.

use std::collections::BTreeSet;

use super::RestoreError;
use super::codec::{Reader, Writer};
use super::key_index::{KeyHasher, KeyIndex, same_key};
use crate::model::{Millis, Value};

struct Entry<S> {
    key: Box<[Value]>,
    hash: u32,
    /// Order of first arrival.
    sequence: u64,
    due: Option<Millis>,
    state: S,
}

pub struct Keyed<S> {
    hasher: KeyHasher,
    index: KeyIndex,
    entries: Vec<Option<Entry<S>>>,
    free: Vec<u32>,
    next_sequence: u64,
    due: BTreeSet<(Millis, u64, u32)>,
    /// Bytes of the keys.
    key_bytes: usize,
}

impl<S> Default for Keyed<S> {
    fn default() -> Keyed<S> {
        Keyed {
            hasher: KeyHasher::default(),
            index: KeyIndex::default(),
            entries: Vec::new(),
            free: Vec::new(),
            next_sequence: 0,
            due: BTreeSet::new(),
            key_bytes: 0,
        }
    }
}

impl<S> Keyed<S> {
    fn entry(&self, at: u32) -> Option<&Entry<S>> {
        self.entries.get(at as usize).and_then(Option::as_ref)
    }

    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub fn find(&self, key: &[Value]) -> Option<u32> {
        self.find_hashed(key, self.hasher.hash_all(key.iter()))
    }

    fn find_hashed(&self, key: &[Value], hash: u32) -> Option<u32> {
        let is_key = |known: &[Value]| known.len() == key.len() && known.iter().zip(key).all(|(a, b)| same_key(a, b));
        self.index.find(hash, |at| self.entry(at).is_some_and(|entry| entry.hash == hash && is_key(&entry.key)))
    }

    /// The key's slot, which stays the same until it is removed.
    pub fn find_or_add(&mut self, key: &[Value], new: impl FnOnce() -> S) -> u32 {
        let hash = self.hasher.hash_all(key.iter());
        if let Some(at) = self.find_hashed(key, hash) {
            return at;
        }
        let entry = Entry { key: key.into(), hash, sequence: self.next_sequence, due: None, state: new() };
        self.next_sequence += 1;
        self.key_bytes += bytes_of(key);
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = Some(entry);
                at
            }
            None => {
                self.entries.push(Some(entry));
                self.entries.len() as u32 - 1
            }
        };
        let entries = &self.entries;
        self.index.insert(hash, at, |slot| entries[slot as usize].as_ref().map_or(0, |entry| entry.hash));
        at
    }

    pub fn remove(&mut self, at: u32) {
        self.schedule(at, None);
        let Some(hash) = self.entry(at).map(|entry| entry.hash) else { return };
        let entries = &self.entries;
        self.index.remove(hash, at, |slot| entries[slot as usize].as_ref().map_or(0, |entry| entry.hash));
        if let Some(entry) = self.entries[at as usize].take() {
            self.key_bytes -= bytes_of(&entry.key);
        }
        self.free.push(at);
        if self.len() == 0 {
            // Nothing refers to slots any more; a burst of keys must not keep its memory.
            let next_sequence = self.next_sequence;
            *self = Keyed { hasher: self.hasher.clone(), next_sequence, ..Keyed::default() };
        }
    }

    pub fn get(&self, at: u32) -> Option<&S> {
        self.entry(at).map(|entry| &entry.state)
    }

    pub fn get_mut(&mut self, at: u32) -> Option<&mut S> {
        self.entries.get_mut(at as usize).and_then(Option::as_mut).map(|entry| &mut entry.state)
    }

    /// The state and, beside it, the key.
    pub fn entry_mut(&mut self, at: u32) -> Option<(&[Value], &mut S)> {
        let entry = self.entries.get_mut(at as usize).and_then(Option::as_mut)?;
        Some((&entry.key, &mut entry.state))
    }

    /// Slots are numbers below this.
    pub fn slots(&self) -> usize {
        self.entries.len()
    }

    /// Slots in order of first arrival. Takes time for all of them.
    pub fn in_order(&self) -> Vec<u32> {
        let mut slots: Vec<u32> = (0..self.entries.len() as u32).filter(|at| self.entry(*at).is_some()).collect();
        slots.sort_by_key(|at| self.entry(*at).map(|entry| entry.sequence));
        slots
    }

    /// When something happens to the key; `None`: nothing waits.
    pub fn schedule(&mut self, at: u32, due: Option<Millis>) {
        let Some(entry) = self.entries.get_mut(at as usize).and_then(Option::as_mut) else { return };
        if entry.due == due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut entry.due, due) {
            self.due.remove(&(before, entry.sequence, at));
        }
        if let Some(due) = due {
            self.due.insert((due, entry.sequence, at));
        }
    }

    pub fn due_of(&self, at: u32) -> Option<Millis> {
        self.entry(at).and_then(|entry| entry.due)
    }

    pub fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(due, ..)| *due)
    }

    /// The key that is due first, if the watermark has reached its time.
    pub fn first_due(&self, watermark: Millis) -> Option<u32> {
        self.due.first().filter(|(due, ..)| *due <= watermark).map(|(.., at)| *at)
    }

    /// Bytes of all but what the states themselves hold elsewhere. Takes no time.
    pub fn bytes(&self) -> usize {
        // A set's entry costs about half as much again as it is long.
        const DUE_BYTES: usize = size_of::<(Millis, u64, u32)>() * 3 / 2;
        self.entries.capacity() * size_of::<Option<Entry<S>>>()
            + self.index.bytes()
            + self.key_bytes
            + self.due.len() * DUE_BYTES
    }

    /// Keys in order of first arrival, each with its time.
    pub fn write(&self, writer: &mut Writer, mut state: impl FnMut(&S, &mut Writer)) {
        writer.count(self.len());
        for entry in self.in_order().into_iter().filter_map(|at| self.entry(at)) {
            writer.row(&entry.key);
            writer.time(entry.due);
            state(&entry.state, writer);
        }
    }

    pub fn read(
        reader: &mut Reader<'_>,
        columns: usize,
        mut state: impl FnMut(&mut Reader<'_>) -> Result<S, RestoreError>,
    ) -> Result<Keyed<S>, RestoreError> {
        let mut keyed = Keyed::default();
        for count in 1..=reader.count()? {
            let key = reader.row(columns)?;
            let due = reader.time()?;
            let read = state(reader)?;
            let at = keyed.find_or_add(&key, || read);
            if keyed.len() != count {
                return Err(RestoreError("a key is there twice".to_owned()));
            }
            keyed.schedule(at, due);
        }
        Ok(keyed)
    }
}

fn bytes_of(key: &[Value]) -> usize {
    key.iter().map(|value| size_of::<Value>() + value.heap_bytes()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_a_list(changes in prop::collection::vec((0i64..6, 0u8..4, 0i64..20), 0..120)) {
            let mut keyed: Keyed<i64> = Keyed::default();
            // Key, state and time in order of first arrival.
            let mut model: Vec<(i64, i64, Option<Millis>)> = Vec::new();
            for (key, change, number) in changes {
                let values = [Value::Int(key), Value::Null];
                let place = model.iter().position(|known| known.0 == key);
                prop_assert_eq!(keyed.find(&values).is_some(), place.is_some());
                match (change, place) {
                    (0, Some(place)) => {
                        model.remove(place);
                        keyed.remove(keyed.find(&values).unwrap());
                    }
                    (1, Some(place)) => {
                        model[place].2 = Some(number).filter(|n| n % 5 != 0);
                        keyed.schedule(keyed.find(&values).unwrap(), model[place].2);
                    }
                    (_, place) => {
                        let at = keyed.find_or_add(&values, || 0);
                        *keyed.get_mut(at).unwrap() += number;
                        match place {
                            Some(place) => model[place].1 += number,
                            None => model.push((key, number, None)),
                        }
                    }
                }
                let earliest = model.iter().filter(|known| known.2.is_some()).min_by_key(|known| known.2);
                prop_assert_eq!(keyed.next_due(), earliest.and_then(|known| known.2));
                let first = keyed.first_due(Millis::MAX).map(|at| keyed.entry_mut(at).unwrap().0[0].clone());
                prop_assert_eq!(first, earliest.map(|known| Value::Int(known.0)));
                let mut writer = Writer::default();
                keyed.write(&mut writer, |state, writer| writer.signed(*state));
                let bytes = writer.finish();
                let restored: Keyed<i64> = Keyed::read(&mut Reader::new(&bytes), 2, |reader| reader.signed()).unwrap();
                let mut writer = Writer::default();
                restored.write(&mut writer, |state, writer| writer.signed(*state));
                prop_assert_eq!(writer.finish(), bytes);
                let states: Vec<i64> = restored.in_order().into_iter().map(|at| *restored.get(at).unwrap()).collect();
                prop_assert_eq!(states, model.iter().map(|known| known.1).collect::<Vec<_>>());
            }
        }
    }
}
