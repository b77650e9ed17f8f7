//! Offsets ahead of the cursor that are not sent: the small durable table `sink/<name>/skipped`.
//!
//! A record that is dead, expired or corrupt is counted (and, if dead, kept among the dead letters) in the transaction
//! that puts it here, before anything behind it is committed in Kafka. So it is counted once, whatever dies when, and
//! the cursor's transaction can tell how many of the records it passes were delivered.
//!
//! Layout, as text: one line a range, `<first> <next>`, ascending, apart from each other.
//! Holds always: nothing below the cursor stays in it, so it is as long as a transaction may be at most.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// First and next offset; ascending, neither empty nor touching each other.
    ranges: Vec<(u64, u64)>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the table of skipped records is damaged at {0:?}")]
pub struct DamagedSkipped(String);

impl Skipped {
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub fn contains(&self, offset: u64) -> bool {
        let after = self.ranges.partition_point(|(first, _)| *first <= offset);
        after > 0 && offset < self.ranges[after - 1].1
    }

    pub fn add(&mut self, first: u64, next: u64) {
        if first >= next {
            return;
        }
        let from = self.ranges.partition_point(|range| range.1 < first);
        let to = self.ranges.partition_point(|range| range.0 <= next);
        let joined = self.ranges[from..to].iter().fold((first, next), |all, one| (all.0.min(one.0), all.1.max(one.1)));
        self.ranges.splice(from..to, [joined]);
    }

    /// How many offsets from `first` to before `next` are in it.
    pub fn count(&self, first: u64, next: u64) -> u64 {
        let within = |range: &(u64, u64)| range.1.min(next).saturating_sub(range.0.max(first));
        self.ranges.iter().map(within).sum()
    }

    /// Forgets everything below the cursor; says whether that changed anything.
    pub fn forget_below(&mut self, cursor: u64) -> bool {
        let before = self.ranges.clone();
        self.ranges.retain(|range| range.1 > cursor);
        if let Some(first) = self.ranges.first_mut() {
            first.0 = first.0.max(cursor);
        }
        self.ranges != before
    }

    pub fn encode(&self) -> Vec<u8> {
        self.ranges.iter().map(|(first, next)| format!("{first} {next}\n")).collect::<String>().into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Skipped, DamagedSkipped> {
        let mut skipped = Skipped::default();
        for line in String::from_utf8_lossy(bytes).lines() {
            let range = line.split_once(' ').and_then(|(first, next)| Some((first.parse().ok()?, next.parse().ok()?)));
            let (first, next) = range.ok_or_else(|| DamagedSkipped(line.to_owned()))?;
            skipped.add(first, next);
        }
        Ok(skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against a plain set of offsets.
        #[test]
        fn is_a_set_of_offsets(ranges in prop::collection::vec((0..60u64, 0..8u64), 0..20), cursor in 0..60u64) {
            let (mut skipped, mut model) = (Skipped::default(), BTreeSet::new());
            for (first, length) in ranges {
                skipped.add(first, first + length);
                model.extend(first..first + length);
            }
            for forget in [0, cursor] {
                skipped.forget_below(forget);
                model.retain(|offset| *offset >= forget);
                for offset in 0..70 {
                    prop_assert_eq!(skipped.contains(offset), model.contains(&offset));
                    prop_assert_eq!(skipped.count(offset, 50), model.range(offset.min(50)..50).count() as u64);
                }
                prop_assert_eq!(skipped.is_empty(), model.is_empty());
                prop_assert_eq!(Skipped::decode(&skipped.encode()), Ok(skipped.clone()));
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        assert_eq!(Skipped::decode(b"1 2\n3\n"), Err(DamagedSkipped("3".to_owned())));
    }
}
