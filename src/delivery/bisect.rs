//! Which record is it that Kafka refuses? A refusal may concern the whole batch that a record was in, so only a record
//! that is refused alone is at fault. Records stay in order: what comes before it is sent first.

#[derive(Clone, Debug, Default)]
pub struct Bisect {
    /// Records a transaction may have, and the offset up to which that holds.
    search: Option<(u32, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Send again, fewer at once.
    Halve,
    /// There was only one: it is the one.
    Found,
}

impl Bisect {
    /// `None`: no search is on.
    pub fn records_max(&self) -> Option<u32> {
        self.search.map(|(records_max, _)| records_max)
    }

    /// A transaction of `sent` records, which would have moved the position to `next`, was refused.
    pub fn refused(&mut self, sent: u32, next: u64) -> Refusal {
        if sent <= 1 {
            return Refusal::Found;
        }
        let until = self.search.map_or(next, |(_, until)| until.max(next));
        self.search = Some((sent / 2, until));
        Refusal::Halve
    }

    /// Everything before `next` is settled.
    pub fn passed(&mut self, next: u64) {
        self.search = self.search.filter(|(_, until)| next < *until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A Kafka that refuses each transaction with a bad record in it: exactly the bad ones are found, the others
        /// arrive in order, and not more than log2(size) + 1 refusals are spent on each.
        #[test]
        fn finds_exactly_the_bad_ones(records in 1..300u64, size in 1..300u32, bad in prop::collection::btree_set(0..300u64, 0..6)) {
            let (mut bisect, mut next) = (Bisect::default(), 0u64);
            let (mut found, mut arrived, mut refusals) = (Vec::new(), Vec::new(), 0);
            while next < records {
                let sent = size.min(bisect.records_max().unwrap_or(u32::MAX)).min((records - next) as u32);
                let end = next + u64::from(sent);
                if (next..end).any(|offset| bad.contains(&offset)) {
                    refusals += 1;
                    match bisect.refused(sent, end) {
                        Refusal::Halve => continue,
                        Refusal::Found => found.push(next),
                    }
                } else {
                    arrived.extend(next..end);
                }
                next = end;
                bisect.passed(next);
            }
            let expected: Vec<u64> = bad.into_iter().filter(|offset| *offset < records).collect();
            prop_assert!(refusals <= expected.len() * 10, "{refusals} refusals");
            let good: Vec<u64> = (0..records).filter(|offset| !expected.contains(offset)).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(arrived, good);
        }
    }
}
