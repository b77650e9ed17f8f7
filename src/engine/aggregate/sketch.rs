//! Approximate percentiles with bounded memory: DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable
//! quantile sketch with relative-error guarantees", VLDB 2019).
//!
//! A positive number x is counted in bucket ⌈log_γ x⌉ with γ = (1 + α) / (1 - α), so that each bucket's middle is within
//! α of all it holds; negative numbers have buckets of their own, zero has a counter. A percentile is the middle of the
//! bucket that holds it: at most α = 1 % away from the exact value, relative to it. With more than [`BUCKETS_MAX`]
//! buckets of a sign those nearest zero are merged, which costs their precision only.

use std::collections::BTreeMap;

use super::super::RestoreError;
use super::super::codec::{Reader, Writer};

/// The relative error.
const ALPHA: f64 = 0.01;

/// Of each sign: 2,048 buckets of 1 % span 17 powers of ten.
const BUCKETS_MAX: usize = 2_048;

/// A bucket in the map, about.
const BUCKET_BYTES: usize = 24;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch {
    negative: BTreeMap<i32, u64>,
    zero: u64,
    positive: BTreeMap<i32, u64>,
}

fn gamma() -> f64 {
    (1.0 + ALPHA) / (1.0 - ALPHA)
}

fn bucket(magnitude: f64) -> i32 {
    (magnitude.ln() / gamma().ln()).ceil() as i32
}

fn middle(bucket: i32) -> f64 {
    2.0 * gamma().powi(bucket) / (gamma() + 1.0)
}

impl Sketch {
    /// Counts a number. NaN has no place in an order and is left out.
    pub fn add(&mut self, number: f64) {
        if number.is_nan() {
            return;
        }
        let magnitude = number.abs().min(f64::MAX);
        if magnitude < f64::MIN_POSITIVE {
            self.zero += 1;
        } else {
            let buckets = if number > 0.0 { &mut self.positive } else { &mut self.negative };
            *buckets.entry(bucket(magnitude)).or_default() += 1;
            limit(buckets);
        }
    }

    pub fn merge(&mut self, other: &Sketch) {
        self.zero += other.zero;
        for (into, from) in [(&mut self.negative, &other.negative), (&mut self.positive, &other.positive)] {
            from.iter().for_each(|(bucket, count)| *into.entry(*bucket).or_default() += count);
            limit(into);
        }
    }

    /// The number below which the fraction (0 to 1) of all lies; `None` of nothing.
    pub fn percentile(&self, fraction: f64) -> Option<f64> {
        let count = self.negative.values().chain(self.positive.values()).sum::<u64>() + self.zero;
        let rank = (fraction.clamp(0.0, 1.0) * count.checked_sub(1)? as f64) as u64;
        let mut below = 0;
        let negative = self.negative.iter().rev().map(|(bucket, count)| (-middle(*bucket), *count));
        let positive = self.positive.iter().map(|(bucket, count)| (middle(*bucket), *count));
        for (number, count) in negative.chain([(0.0, self.zero)]).chain(positive) {
            below += count;
            if below > rank {
                return Some(number);
            }
        }
        None
    }

    pub fn bytes(&self) -> usize {
        size_of::<Sketch>() + (self.negative.len() + self.positive.len()) * BUCKET_BYTES
    }

    pub fn write(&self, writer: &mut Writer) {
        writer.unsigned(self.zero);
        for buckets in [&self.negative, &self.positive] {
            writer.count(buckets.len());
            for (bucket, count) in buckets {
                writer.signed(i64::from(*bucket));
                writer.unsigned(*count);
            }
        }
    }

    pub fn read(reader: &mut Reader<'_>) -> Result<Sketch, RestoreError> {
        /// So that no sum of saved counters overflows.
        const COUNT_MAX: u64 = 1 << 50;
        let mut sketch = Sketch { zero: reader.unsigned()?.min(COUNT_MAX), ..Sketch::default() };
        for buckets in [&mut sketch.negative, &mut sketch.positive] {
            for _ in 0..reader.count()? {
                let bucket = i32::try_from(reader.signed()?)
                    .map_err(|_| RestoreError("a bucket of a sketch is out of range".to_owned()))?;
                buckets.insert(bucket, reader.unsigned()?.min(COUNT_MAX));
            }
            limit(buckets);
        }
        Ok(sketch)
    }
}

/// Merges the buckets nearest zero.
fn limit(buckets: &mut BTreeMap<i32, u64>) {
    while buckets.len() > BUCKETS_MAX {
        let Some((_, count)) = buckets.pop_first() else { return };
        if let Some(mut next) = buckets.first_entry() {
            *next.get_mut() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_is_bounded_and_the_upper_end_stays_exact() {
        let mut sketch = Sketch::default();
        for exponent in -300..300 {
            for digit in 1..10 {
                sketch.add(f64::from(digit) * 10f64.powi(exponent));
            }
        }
        assert!(sketch.positive.len() <= BUCKETS_MAX);
        assert!((sketch.percentile(1.0).unwrap() / 9e299 - 1.0).abs() <= ALPHA);
        sketch.add(f64::INFINITY);
        sketch.add(f64::NAN);
        assert!(sketch.percentile(1.0).unwrap() > 1e308);
    }

    proptest! {
        #[test]
        fn is_within_one_percent(numbers in prop::collection::vec(-1e6f64..1e6, 1..200), cut in 0usize..200, fraction in 0.0f64..=1.0) {
            let (mut sketch, mut rest) = (Sketch::default(), Sketch::default());
            for (at, number) in numbers.iter().enumerate() {
                if at < cut { sketch.add(*number) } else { rest.add(*number) }
            }
            sketch.merge(&rest);
            let mut writer = Writer::default();
            sketch.write(&mut writer);
            let bytes = writer.finish();
            prop_assert_eq!(&Sketch::read(&mut Reader::new(&bytes)).unwrap(), &sketch);
            let mut sorted = numbers.clone();
            sorted.sort_by(f64::total_cmp);
            let exact = sorted[(fraction * (sorted.len() - 1) as f64) as usize];
            let ours = sketch.percentile(fraction).unwrap();
            prop_assert!((ours - exact).abs() <= ALPHA * exact.abs() * 1.000_001, "{} {}", ours, exact);
        }
    }
}
