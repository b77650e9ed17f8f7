//! Exact percentiles: how often each different number came.
//!
//! The percentile is where the fraction says between the first and the last of all numbers in their order; between two of
//! them it is on the line from one to the other, as with Flink's PERCENTILE. NaN is the largest number, -0 lies before 0.

use std::collections::BTreeMap;

use super::super::RestoreError;
use super::super::codec::{Reader, Writer};
use crate::model::Value;

/// Different numbers of one group in one window.
pub const NUMBERS_MAX: usize = 1_000_000;

/// A number in the map, about.
const NUMBER_BYTES: usize = 24;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// By [`ordered`]; one more than [`NUMBERS_MAX`] if there were too many.
    counts: BTreeMap<u64, u64>,
}

/// Bits that are in the order of the numbers.
fn ordered(number: f64) -> u64 {
    let bits = if number.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { number.to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn number(ordered: u64) -> f64 {
    f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered })
}

impl Numbers {
    pub fn add(&mut self, number: f64, times: u64) {
        if times > 0 {
            self.add_ordered(ordered(number), times);
        }
    }

    fn add_ordered(&mut self, number: u64, times: u64) {
        if let Some(count) = self.counts.get_mut(&number) {
            *count = count.saturating_add(times);
        } else if self.counts.len() <= NUMBERS_MAX {
            self.counts.insert(number, times);
        }
    }

    pub fn merge(&mut self, other: &Numbers) {
        other.counts.iter().for_each(|(number, count)| self.add_ordered(*number, *count));
    }

    /// Whether there were more different numbers than are kept.
    pub fn is_incomplete(&self) -> bool {
        self.counts.len() > NUMBERS_MAX
    }

    /// Of one fraction, or of each in a list; NULL of nothing.
    pub fn percentiles(&self, fractions: &Value) -> Value {
        let percentile = |fraction: &Value| match fraction {
            Value::Double(fraction) => self.percentile(*fraction).map(Value::Double),
            _ => None,
        };
        let found = match fractions {
            Value::List(fractions) => {
                fractions.iter().map(percentile).collect::<Option<Vec<Value>>>().map(|found| Value::List(found.into()))
            }
            fraction => percentile(fraction),
        };
        found.unwrap_or(Value::Null)
    }

    /// `None` of nothing.
    fn percentile(&self, fraction: f64) -> Option<f64> {
        let count = self.counts.values().fold(0u64, |sum, count| sum.saturating_add(*count));
        // From 1 for the first, so that digits are lost where Flink loses them.
        let position = fraction.clamp(0.0, 1.0) * count.checked_sub(1)? as f64 + 1.0;
        let (below, above) = (position.floor(), position.ceil());
        let mut numbers = self.counts.iter();
        let (mut at, mut reached) = numbers.next()?;
        let mut up_to = *reached;
        while (up_to as f64) < below {
            (at, reached) = numbers.next()?;
            up_to = up_to.saturating_add(*reached);
        }
        let lower = number(*at);
        if (up_to as f64) >= above {
            return Some(lower);
        }
        let upper = number(*numbers.next()?.0);
        Some((above - position) * lower + (position - below) * upper)
    }

    pub fn bytes(&self) -> usize {
        size_of::<Numbers>() + self.counts.len() * NUMBER_BYTES
    }

    pub fn write(&self, writer: &mut Writer) {
        writer.count(self.counts.len());
        for (number, count) in &self.counts {
            writer.word(*number);
            writer.unsigned(*count);
        }
    }

    pub fn read(reader: &mut Reader<'_>) -> Result<Numbers, RestoreError> {
        let mut numbers = Numbers::default();
        for _ in 0..reader.count()? {
            let (number, count) = (reader.word()?, reader.unsigned()?);
            numbers.add_ordered(number, count.max(1));
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn more_than_there_is_room_for_is_known() {
        let mut numbers = Numbers::default();
        (0..NUMBERS_MAX).for_each(|n| numbers.add(n as f64, 1));
        assert!(!numbers.is_incomplete());
        assert_eq!(numbers.percentile(0.5), Some((NUMBERS_MAX - 1) as f64 / 2.0));
        (0..10).for_each(|n| numbers.add(-1.0 - f64::from(n), 1));
        assert!(numbers.is_incomplete());
        assert_eq!(numbers.counts.len(), NUMBERS_MAX + 1);
    }

    #[test]
    fn of_nothing_there_is_none() {
        assert_eq!(Numbers::default().percentile(0.5), None);
    }

    proptest! {
        /// Against the sorted list of all numbers.
        #[test]
        fn is_the_definition(
            values in prop::collection::vec((prop::sample::select(vec![-2.5, -0.0, 0.0, 1.0, 1e300, f64::INFINITY, f64::NAN, 7.25]), 0u64..4), 1..20),
            cut in 0usize..20, fraction in prop::sample::select(vec![0.0, 0.1, 0.25, 0.5, 0.9, 1.0]),
        ) {
            let (mut numbers, mut rest) = (Numbers::default(), Numbers::default());
            for (at, (number, times)) in values.iter().enumerate() {
                if at < cut { numbers.add(*number, *times) } else { rest.add(*number, *times) }
            }
            numbers.merge(&rest);
            let mut writer = Writer::default();
            numbers.write(&mut writer);
            let bytes = writer.finish();
            prop_assert_eq!(&Numbers::read(&mut Reader::new(&bytes)).unwrap(), &numbers);
            let mut all: Vec<f64> = values.iter().flat_map(|(number, times)| vec![*number; *times as usize]).collect();
            all.sort_by(f64::total_cmp);
            let expected = all.len().checked_sub(1).map(|last| {
                let position = fraction * last as f64 + 1.0;
                let (below, above) = (all[position.floor() as usize - 1], all[position.ceil() as usize - 1]);
                match below.to_bits() == above.to_bits() {
                    true => below,
                    false => (position.ceil() - position) * below + (position - position.floor()) * above,
                }
            });
            prop_assert_eq!(numbers.percentile(fraction).map(f64::to_bits), expected.map(f64::to_bits));
        }
    }
}
