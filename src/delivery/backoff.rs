//! Jittered exponential back-off: many gateways that lost the same Kafka must not come back in step.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub fn new(first: Duration, max: Duration) -> Backoff {
        Backoff { first, max, failures: 0 }
    }

    /// The pause after one more failure: between half of and the whole of `first * 2^failures`, at most `max`.
    /// `chance` is uniform in 0..1.
    pub fn next(&mut self, chance: f64) -> Duration {
        let ceiling = self.first.saturating_mul(1 << self.failures.min(20)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_limit_and_starts_again() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(500), ms(30_000));
        let pauses: Vec<Duration> = (0..8).map(|_| backoff.next(1.0)).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].map(ms));
        assert_eq!(backoff.next(0.0), ms(15_000));
        for _ in 0..100 {
            assert_eq!(backoff.next(1.0), ms(30_000));
        }
        backoff.succeeded();
        assert_eq!(backoff.next(0.5), ms(375));
    }
}
