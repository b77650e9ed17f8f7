//! The unscaled part of a DECIMAL(p, s): 128 bits, kept as two words so that a [`Value`](super::Value) stays 24 bytes.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decimal {
    high: i64,
    low: u64,
}

impl Decimal {
    /// Flink's largest precision.
    pub const PRECISION_MAX: u8 = 38;

    pub fn new(unscaled: i128) -> Decimal {
        Decimal { high: (unscaled >> 64) as i64, low: unscaled as u64 }
    }

    pub fn unscaled(self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_words_come_back() {
        for unscaled in [0, 1, -1, i128::from(u64::MAX), -i128::from(u64::MAX), i128::MAX, i128::MIN] {
            assert_eq!(Decimal::new(unscaled).unscaled(), unscaled);
        }
    }
}
