//! How much goes into one transaction: as much as the link carries within the time a transaction may take.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Batch {
    records_max: u32,
}

impl Batch {
    pub const RECORDS_MAX: u32 = 20_000;
    pub const BYTES_MAX: usize = 8 << 20;
    /// A link that is not known yet: small enough for a slow one, and a fast one has grown out of it in two seconds.
    const FIRST: u32 = 1_000;
    /// Sending that took less leaves room for more.
    pub const QUICK: Duration = Duration::from_secs(5);

    pub fn new() -> Batch {
        Batch { records_max: Batch::FIRST }
    }

    pub fn records_max(&self) -> u32 {
        self.records_max
    }

    /// In proportion to the records, so that a link which cannot carry the full size is not asked to by big records.
    /// One record goes whatever its size.
    pub fn bytes_max(&self) -> usize {
        let records = self.records_max as usize;
        (Batch::BYTES_MAX / Batch::RECORDS_MAX as usize * records).clamp(1 << 10, Batch::BYTES_MAX)
    }

    /// A transaction of this many records was committed; `took` is the time its records needed. One that was far
    /// from full says nothing of what a full one would need.
    pub fn committed(&mut self, records: u32, took: Duration) {
        if took < Batch::QUICK && records >= self.records_max / 2 {
            self.records_max = (self.records_max + self.records_max.div_ceil(10)).min(Batch::RECORDS_MAX);
        }
    }

    /// It took too long; it held this many records.
    pub fn timed_out(&mut self, records: u32) {
        self.records_max = (self.records_max.min(records.max(1)) / 2).max(1);
    }
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(40);

    #[test]
    fn shrinks_to_one_record_and_grows_to_the_limit() {
        let mut batch = Batch::new();
        for _ in 0..20 {
            batch.timed_out(20_000);
        }
        assert_eq!((batch.records_max(), batch.bytes_max()), (1, 1 << 10));
        let mut commits = 0;
        while batch.records_max() < Batch::RECORDS_MAX {
            batch.committed(batch.records_max(), SHORT);
            commits += 1;
        }
        assert!(commits < 110, "{commits}");
        assert!(batch.bytes_max() > Batch::BYTES_MAX * 9 / 10);
        batch.committed(20_000, SHORT);
        assert_eq!(batch.records_max(), Batch::RECORDS_MAX);
    }

    #[test]
    fn grows_only_by_what_was_full_and_quick() {
        let mut batch = Batch::new();
        batch.committed(1, SHORT);
        batch.committed(1_000, Batch::QUICK);
        assert_eq!(batch.records_max(), 1_000);
        batch.committed(1_000, SHORT);
        assert_eq!(batch.records_max(), 1_100);
    }

    #[test]
    fn a_time_out_of_a_few_records_says_that_a_few_are_too_many() {
        let mut batch = Batch::new();
        batch.timed_out(10);
        assert_eq!(batch.records_max(), 5);
    }
}
