//! Finds a slot by the hash of its key, without holding the key: open addressing with linear probing over slot numbers.
//!
//! Four bytes a slot, at least a quarter of them empty, and no allocation per key. The caller keeps keys and their hashes, and compares
//! keys itself. Nothing here has an order that could reach an output.
//! (Deletion by backward shift: Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R.)

use std::hash::{BuildHasher, Hash, Hasher};

use crate::model::Value;

const EMPTY: u32 = u32::MAX;
const CAPACITY_MIN: usize = 8;

/// Hashes keys with a seed of this process: device names come from the network, and whoever chooses them must not be
/// able to make them collide. Results never depend on the hash.
#[derive(Clone, Default)]
pub struct KeyHasher(std::hash::RandomState);

impl KeyHasher {
    pub fn hash(&self, key: &Value) -> u32 {
        self.hash_all(std::iter::once(key))
    }

    pub fn hash_all<'a>(&self, key: impl Iterator<Item = &'a Value>) -> u32 {
        let mut hasher = self.0.build_hasher();
        for value in key {
            hash_value(value, &mut hasher);
        }
        let hash = hasher.finish();
        (hash ^ (hash >> 32)) as u32
    }
}

fn hash_value(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Boolean(flag) => hasher.write_u8(1 + u8::from(*flag)),
        Value::Int(number) | Value::Timestamp(number) => hasher.write_i64(*number),
        Value::Double(number) => hasher.write_u64(double_bits(*number)),
        Value::Decimal(number) => number.unscaled().hash(hasher),
        Value::String(text) => {
            hasher.write(text.as_bytes());
            hasher.write_u8(0xff);
        }
        Value::Bytes(bytes) => bytes.hash(hasher),
        Value::Date(number) | Value::Time(number) => hasher.write_i32(*number),
        Value::List(parts) => parts.iter().for_each(|part| hash_value(part, hasher)),
    }
}

/// All NaNs are one key; 0.0 and -0.0 are two, as in Flink, which compares keys by their bytes.
pub fn double_bits(number: f64) -> u64 {
    if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() }
}

/// Whether two values are the same key: NULL is a key of its own, doubles go by [`double_bits`].
pub fn same_key(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => double_bits(*a) == double_bits(*b),
        (Value::String(a), Value::String(b)) => std::sync::Arc::ptr_eq(a, b) || a == b,
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same_key(a, b)),
        (a, b) => a == b,
    }
}

#[derive(Default)]
pub struct KeyIndex {
    /// A power of two long, or empty.
    slots: Vec<u32>,
    len: usize,
}

impl KeyIndex {
    /// The slot for which `is_it` says yes among those whose hash may be this one.
    pub fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == EMPTY {
                return None;
            }
            if is_it(slot) {
                return Some(slot);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a slot that is not there yet. `hash_of` gives the hash of slots added before.
    pub fn insert(&mut self, hash: u32, slot: u32, hash_of: impl Fn(u32) -> u32) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            let capacity = (self.slots.len() * 2).max(CAPACITY_MIN);
            let old = std::mem::replace(&mut self.slots, vec![EMPTY; capacity]);
            for moved in old.into_iter().filter(|slot| *slot != EMPTY) {
                self.put(hash_of(moved), moved);
            }
        }
        self.put(hash, slot);
        self.len += 1;
    }

    fn put(&mut self, hash: u32, slot: u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    /// Takes out a slot that is there.
    pub fn remove(&mut self, hash: u32, slot: u32, hash_of: impl Fn(u32) -> u32) {
        let mask = self.slots.len() - 1;
        let mut hole = hash as usize & mask;
        while self.slots[hole] != slot {
            if self.slots[hole] == EMPTY {
                debug_assert!(false, "slot {slot} is not in the index");
                return;
            }
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let moved = self.slots[at];
            if moved == EMPTY {
                break;
            }
            let home = hash_of(moved) as usize & mask;
            // It may fill the hole if its home is not between the hole and where it stands.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = moved;
                hole = at;
            }
        }
        self.slots[hole] = EMPTY;
        self.len -= 1;
    }

    pub fn bytes(&self) -> usize {
        self.slots.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Few different hashes, so that long chains form and wrap around.
        #[test]
        fn behaves_like_a_set(changes in prop::collection::vec((any::<bool>(), 0u32..40), 0..300), spread in 1u32..50) {
            let hash_of = |slot: u32| (slot % spread).wrapping_mul(0x9e37_79b1);
            let mut index = KeyIndex::default();
            let mut model = BTreeSet::new();
            for (add, slot) in changes {
                if add && model.insert(slot) {
                    index.insert(hash_of(slot), slot, hash_of);
                } else if !add && model.remove(&slot) {
                    index.remove(hash_of(slot), slot, hash_of);
                }
                for slot in 0..40 {
                    prop_assert_eq!(index.find(hash_of(slot), |found| found == slot).is_some(), model.contains(&slot));
                }
            }
        }
    }

    #[test]
    fn keys_of_doubles() {
        assert!(same_key(&Value::Double(f64::NAN), &Value::Double(-f64::NAN)));
        assert!(!same_key(&Value::Double(0.0), &Value::Double(-0.0)));
        assert!(same_key(&Value::Null, &Value::Null));
        assert!(!same_key(&Value::Null, &Value::string("")));
    }
}
