//! The broker's own time, for what is kept over a restart: it runs with the monotonic clock and takes no step when the
//! wall clock does, so that a gateway which boots in 1970 and then hears from NTP ends no session and fires no will.
//!
//! Over a restart it goes on with the wall clock, never back: how far the two are apart is kept in the store.

use std::time::{Duration, Instant};

use bytes::BufMut;

use crate::model::{After, Millis, Now};

/// Under which name it is kept.
pub(in crate::broker) const KEY: &str = "broker_time";

/// It is kept again after this long; a clock that starts in the past costs no more than that.
const SAVE_EVERY_MS: Millis = 600_000;

#[derive(Clone, Debug)]
pub(super) struct Time {
    start: Instant,
    start_millis: Millis,
    /// This time less the wall clock.
    offset: Millis,
    saved: Option<(Millis, Millis)>,
    pub now: Instant,
}

impl Time {
    /// `saved` is what the last run kept.
    pub fn new(instant: Instant, wall: Millis, saved: Option<&[u8]>) -> Time {
        let saved = saved.and_then(decode);
        let (offset, last) = saved.unwrap_or((0, Millis::MIN));
        let start_millis = wall.saturating_add(offset).max(last);
        let offset = start_millis.saturating_sub(wall);
        Time { start: instant, start_millis, offset, saved, now: instant }
    }

    pub fn advance(&mut self, instant: Instant, now: Now) {
        self.now = instant;
        if now.after == After::Step {
            self.offset = self.millis().saturating_sub(now.millis);
        }
    }

    pub fn millis(&self) -> Millis {
        self.stamp(self.now)
    }

    /// Milliseconds of this time at an instant.
    pub fn stamp(&self, at: Instant) -> Millis {
        let since = at.saturating_duration_since(self.start).as_millis() as Millis;
        self.start_millis.saturating_add(since)
    }

    /// The instant of a time in the future; `now` for one in the past. `None`: never.
    pub fn instant(&self, millis: Millis) -> Option<Instant> {
        let ahead = millis.saturating_sub(self.millis()).max(0) as u64;
        self.now.checked_add(Duration::from_millis(ahead)).filter(|_| millis != Millis::MAX)
    }

    /// What is to be kept, when it is time for that.
    pub fn save(&mut self) -> Option<Vec<u8>> {
        let now = (self.offset, self.millis());
        let due = self.saved.is_none_or(|(offset, last)| offset != now.0 || now.1 - last >= SAVE_EVERY_MS);
        due.then(|| {
            self.saved = Some(now);
            let mut out = Vec::with_capacity(16);
            out.put_i64(now.0);
            out.put_i64(now.1);
            out
        })
    }
}

fn decode(bytes: &[u8]) -> Option<(Millis, Millis)> {
    let (offset, last) = bytes.split_first_chunk::<8>()?;
    Some((Millis::from_be_bytes(*offset), Millis::from_be_bytes(last.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(millis: Millis) -> Now {
        Now { millis, trusted: true, after: After::Step }
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // Any instant will do.
    fn a_step_of_the_wall_clock_moves_nothing_and_a_restart_goes_on() {
        let start = Instant::now();
        let mut time = Time::new(start, 1_000, None);
        let deadline = time.instant(61_000).unwrap();
        assert_eq!(deadline, start + Duration::from_secs(60));
        time.advance(start + Duration::from_secs(10), step(1_700_000_000_000));
        assert_eq!(time.millis(), 11_000);
        assert_eq!(time.instant(61_000), Some(deadline));
        let saved = time.save().unwrap();
        assert_eq!(time.save(), None);
        // A minute later by the wall clock, another process.
        let again = Time::new(start, 1_700_000_060_000, Some(&saved));
        assert_eq!(again.millis(), 71_000);
        // And one whose clock starts in 1970 again.
        let again = Time::new(start, 5, Some(&saved));
        assert_eq!(again.millis(), 11_000);
        assert_eq!(again.instant(10_000), Some(start), "what is past is due now");
        assert_eq!(again.instant(Millis::MAX), None);
    }
}
