//! What time a tick has: the monotonic clock, steered to the wall clock.
//!
//! Holds always: between two steps `now` never goes back. A wall clock that is a little behind is absorbed (time runs at
//! half speed until it has caught up); one that is far off, either way, is a *step*, reported once in the tick that sees it.
//! [`Steering`] is pure; [`Clock`] reads the machine's clocks.

use std::time::{Instant, SystemTime};

use crate::config;
use crate::model::{After, Millis, Now, unix_millis};

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
        let (millis, after) = match elapsed {
            // The first tick after a start: any time may have passed, but none can have run backwards.
            None if ahead < -STEP_MIN_MS => (wall, After::Step),
            None => (wall.max(self.last_now), After::Start),
            Some(_) if ahead.abs() > STEP_MIN_MS => (wall, After::Step),
            Some(_) if ahead >= 0 => (wall, After::Tick),
            Some(elapsed) => ((self.last_now + elapsed / 2).max(wall), After::Tick),
        };
        self.last_now = millis;
        Now { millis, trusted, after }
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

    /// The time of a tick. A start or a step is told to one tick only.
    pub fn now(&mut self) -> Now {
        self.steering.advance(self.monotonic(), wall_millis(), is_trusted(self.trust))
    }

    /// What a tick would be given now, without being one.
    pub fn peek(&self) -> Millis {
        let mut steering = self.steering;
        steering.advance(self.monotonic(), wall_millis(), false).millis
    }

    fn monotonic(&self) -> Millis {
        self.start.elapsed().as_millis() as Millis
    }
}

fn is_trusted(trust: config::Clock) -> bool {
    match trust {
        config::Clock::Rtc => true,
        config::Clock::Kernel => kernel_synchronised(),
    }
}

/// Seconds since 1970, unless the clock is not to be believed.
pub fn trusted_seconds(trust: config::Clock) -> Option<i64> {
    is_trusted(trust).then(|| wall_millis().div_euclid(1_000))
}

/// What the wall clock says.
pub fn wall_millis() -> Millis {
    unix_millis(SystemTime::now())
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

    fn now(millis: Millis, trusted: bool, after: After) -> Now {
        Now { millis, trusted, after }
    }

    #[test]
    fn it_follows_a_wall_clock_that_agrees() {
        let mut s = steering(1_000_000);
        assert_eq!(s.advance(100, 1_000_100, true), now(1_000_100, true, After::Tick));
        assert_eq!(s.advance(200, 1_000_900, true), now(1_000_900, true, After::Tick));
    }

    #[test]
    fn a_small_step_back_is_absorbed_and_time_never_goes_back() {
        let mut s = steering(1_000_000);
        let mut last = 1_000_000;
        for i in 1..100 {
            let wall = 999_000 + i * 100; // one second behind
            let now = s.advance(i * 100, wall, true);
            assert!(now.after == After::Tick && now.millis >= last);
            last = now.millis;
        }
        assert_eq!(last, 999_000 + 9_900, "caught up");
    }

    #[test]
    fn a_large_step_either_way_is_reported_once() {
        for wall in [1_500_000_000_000, 4_000_000_000_000] {
            let mut s = steering(2_000_000_000_000);
            assert_eq!(s.advance(100, wall, true), now(wall, true, After::Step));
            assert_eq!(s.advance(200, wall + 100, true), now(wall + 100, true, After::Tick));
        }
    }

    #[test]
    fn the_first_tick_is_after_a_start_unless_the_clock_is_behind_the_last_tick() {
        let fresh = |last_now| Steering { last_now, last_monotonic: None };
        assert_eq!(fresh(1_000_000).advance(0, 9_000_000, false), now(9_000_000, false, After::Start));
        assert_eq!(fresh(1_000_000).advance(0, 999_500, false), now(1_000_000, false, After::Start));
        assert_eq!(fresh(1_000_000).advance(0, 0, false), now(0, false, After::Step));
        let mut s = fresh(1_000_000);
        s.advance(0, 9_000_000, false);
        assert_eq!(s.advance(5, 9_000_005, false).after, After::Tick, "a start is told once");
    }

    #[test]
    fn looking_at_the_clock_takes_nothing_from_the_tick() {
        let mut clock = Clock::new(config::Clock::Rtc, None);
        let seen = clock.peek();
        let tick = clock.now();
        assert!(tick.after == After::Start && tick.millis >= seen);
        assert_eq!(clock.now().after, After::Tick);
    }
}
