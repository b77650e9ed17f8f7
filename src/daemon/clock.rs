//! What time a tick has: the monotonic clock, steered to the wall clock.
//!
//! Holds always: between two steps `now` never goes back. A wall clock that is a little behind is absorbed (time runs at
//! half speed until it has caught up); one that is far off, either way, is a *step*, reported once in the tick that sees it.
//! [`Steering`] is pure; [`Clock`] reads the machine's clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::config;
use crate::model::{Millis, Now};

/// Differences up to this are absorbed, larger ones are steps.
const STEP_MIN_MS: Millis = 2_000;

/// The pure part: from readings of both clocks to the tick's time.
#[derive(Clone, Copy, Debug)]
struct Steering {
    last_now: Millis,
    /// `None` before the first reading: the time since the last tick of the former run is unknown.
    last_monotonic: Option<Millis>,
}

impl Steering {
    /// `monotonic` and `wall` were read together, in milliseconds.
    fn advance(&mut self, monotonic: Millis, wall: Millis, trusted: bool) -> Now {
        let elapsed = self.last_monotonic.map(|last| (monotonic - last).max(0));
        self.last_monotonic = Some(monotonic);
        let ahead = wall - (self.last_now + elapsed.unwrap_or(0));
        let (millis, stepped) = match elapsed {
            // The first tick after a start: any time may have passed, but none can have run backwards.
            None if wall >= self.last_now => (wall, false),
            None if ahead < -STEP_MIN_MS => (wall, true),
            None => (self.last_now, false),
            Some(_) if ahead.abs() > STEP_MIN_MS => (wall, true),
            Some(_) if ahead >= 0 => (wall, false),
            Some(elapsed) => ((self.last_now + elapsed / 2).max(wall), false),
        };
        self.last_now = millis;
        Now { millis, trusted, stepped }
    }
}

/// The machine's clocks.
pub struct Clock {
    steering: Steering,
    start: Instant,
    trust: config::Clock,
}

impl Clock {
    /// `last_now` is the time of the last tick of the former run, if there was one.
    pub fn new(trust: config::Clock, last_now: Option<Millis>) -> Clock {
        let last_now = last_now.unwrap_or(Millis::MIN / 4);
        Clock { steering: Steering { last_now, last_monotonic: None }, start: Instant::now(), trust }
    }

    pub fn now(&mut self) -> Now {
        let monotonic = self.start.elapsed().as_millis() as Millis;
        let trusted = match self.trust {
            config::Clock::Rtc => true,
            config::Clock::Kernel => kernel_synchronised(),
        };
        self.steering.advance(monotonic, wall_millis(), trusted)
    }
}

/// Milliseconds since 1970 by the wall clock; negative before.
pub fn wall_millis() -> Millis {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_millis() as Millis,
        Err(before) => -(before.duration().as_millis() as Millis),
    }
}

/// Whether the kernel believes its clock: adjtimex(2) without the STA_UNSYNC bit.
fn kernel_synchronised() -> bool {
    // SAFETY: `timex` is plain data for which zeroes are valid; with modes = 0 the call only reads.
    let status = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        if libc::adjtimex(&mut timex) < 0 {
            return false;
        }
        timex.status
    };
    status & libc::STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steering(last_now: Millis) -> Steering {
        Steering { last_now, last_monotonic: Some(0) }
    }

    #[test]
    fn it_follows_a_wall_clock_that_agrees() {
        let mut s = steering(1_000_000);
        assert_eq!(s.advance(100, 1_000_100, true), Now { millis: 1_000_100, trusted: true, stepped: false });
        assert_eq!(s.advance(200, 1_000_900, true), Now { millis: 1_000_900, trusted: true, stepped: false });
    }

    #[test]
    fn a_small_step_back_is_absorbed_and_time_never_goes_back() {
        let mut s = steering(1_000_000);
        let mut last = 1_000_000;
        for i in 1..100 {
            let wall = 999_000 + i * 100; // one second behind
            let now = s.advance(i * 100, wall, true);
            assert!(!now.stepped && now.millis >= last);
            last = now.millis;
        }
        assert_eq!(last, 999_000 + 9_900, "caught up");
    }

    #[test]
    fn a_large_step_either_way_is_reported_once() {
        for wall in [1_500_000_000_000, 4_000_000_000_000] {
            let mut s = steering(2_000_000_000_000);
            assert_eq!(s.advance(100, wall, true), Now { millis: wall, trusted: true, stepped: true });
            assert_eq!(s.advance(200, wall + 100, true), Now { millis: wall + 100, trusted: true, stepped: false });
        }
    }

    #[test]
    fn after_a_start_only_a_clock_behind_the_last_tick_is_a_step() {
        let fresh = |last_now| Steering { last_now, last_monotonic: None };
        assert_eq!(
            fresh(1_000_000).advance(0, 9_000_000, false),
            Now { millis: 9_000_000, trusted: false, stepped: false }
        );
        assert_eq!(
            fresh(1_000_000).advance(0, 999_500, false),
            Now { millis: 1_000_000, trusted: false, stepped: false }
        );
        assert_eq!(fresh(1_000_000).advance(0, 0, false), Now { millis: 0, trusted: false, stepped: true });
    }
}
