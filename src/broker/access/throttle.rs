//! Failed logins make their address wait. Pure: the time comes in.
//!
//! The first [`FREE`] failures cost nothing. After that the address gets one turn at a time, each longer after the last
//! than the one before, up to [`DELAY_MAX`]; who would wait longer than its patience is refused without a look at the
//! password. An address that has not failed for [`FORGET_AFTER`] starts anew.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const FREE: u32 = 5;
const DELAY_MIN: Duration = Duration::from_millis(250);
const DELAY_MAX: Duration = Duration::from_secs(4);
const FORGET_AFTER: Duration = Duration::from_secs(60);
/// Addresses remembered. When it is full, the oldest half is forgotten.
const ADDRESSES_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Throttle {
    addresses: HashMap<IpAddr, Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
    next_turn: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Now,
    At(Instant),
    Refused,
}

impl Throttle {
    /// When a login from `address` may be looked at.
    pub fn ask(&mut self, address: IpAddr, now: Instant, patience: Duration) -> Verdict {
        let Some(failures) = self.addresses.get_mut(&network(address)) else { return Verdict::Now };
        if now.saturating_duration_since(failures.last) >= FORGET_AFTER {
            self.addresses.remove(&network(address));
            return Verdict::Now;
        }
        if failures.count <= FREE {
            return Verdict::Now;
        }
        let delay = DELAY_MIN.saturating_mul(1 << (failures.count - FREE - 1).min(8)).min(DELAY_MAX);
        let turn = failures.next_turn.max(now) + delay;
        if turn > now + patience {
            return Verdict::Refused;
        }
        failures.next_turn = turn;
        Verdict::At(turn)
    }

    pub fn failed(&mut self, address: IpAddr, now: Instant) {
        let network = network(address);
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&network) {
            let mut times: Vec<Instant> = self.addresses.values().map(|failures| failures.last).collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            self.addresses.retain(|_, failures| failures.last > middle);
        }
        let failures = self.addresses.entry(network).or_insert(Failures { count: 0, last: now, next_turn: now });
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }
}

/// IPv6 hosts have as many addresses as they like within their /64.
pub(in crate::broker) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_make_one_address_wait_and_no_other() {
        let (mut throttle, start, patience) = (Throttle::default(), Instant::now(), Duration::from_secs(10));
        let (bad, good) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        for _ in 0..FREE {
            assert_eq!(throttle.ask(bad, start, patience), Verdict::Now);
            throttle.failed(bad, start);
        }
        assert_eq!(throttle.ask(bad, start, patience), Verdict::Now);
        throttle.failed(bad, start);
        assert_eq!(throttle.ask(bad, start, patience), Verdict::At(start + DELAY_MIN));
        throttle.failed(bad, start);
        assert_eq!(throttle.ask(bad, start, patience), Verdict::At(start + DELAY_MIN + 2 * DELAY_MIN));
        assert_eq!(throttle.ask(good, start, patience), Verdict::Now);
        assert_eq!(throttle.ask(bad, start + FORGET_AFTER, patience), Verdict::Now);
    }

    /// However many connections an attacker opens at once: within a minute it gets some thirty guesses, not thousands.
    #[test]
    fn guesses_at_once_stand_in_one_line() {
        let (mut throttle, start, patience) = (Throttle::default(), Instant::now(), Duration::from_secs(10));
        let bad = [192, 0, 2, 1].into();
        let mut turns = 0;
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            for _ in 0..1_000 {
                if throttle.ask(bad, now, patience) != Verdict::Refused {
                    turns += 1;
                    throttle.failed(bad, now);
                }
            }
        }
        assert!((10..40).contains(&turns), "{turns}");
    }

    #[test]
    fn its_memory_is_bounded_and_goes_by_network() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for i in 0..50_000u32 {
            throttle.failed(IpAddr::V4(i.into()), start + Duration::from_millis(u64::from(i)));
        }
        assert!(throttle.addresses.len() <= ADDRESSES_MAX);
        assert_eq!(network("2001:db8::1".parse().unwrap()), network("2001:db8::ffff:1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), network("192.0.2.1".parse().unwrap()));
    }
}
