//! Time as the engine sees it: numbers that come in from outside.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 00:00 UTC; event times, watermarks and `now` are all of this.
pub type Millis = i64;

/// A reading of the wall clock; negative before 1970.
pub fn unix_millis(wall: SystemTime) -> Millis {
    let millis = |since: Duration| Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX);
    wall.duration_since(UNIX_EPOCH).map_or_else(|before| -millis(before.duration()), millis)
}

/// The clock of one tick, read by the shell and handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub millis: Millis,
    /// The kernel says the clock is synchronised, or the configuration vouches for it. Untrusted time moves no
    /// event-time watermark and clamps nothing.
    pub trusted: bool,
    pub after: After,
}

/// What lies right before a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The tick before it.
    Tick,
    /// A start of the gateway: nothing could be taken in for some time, so idleness starts anew.
    Start,
    /// A step of the clock too large to absorb: everything that was derived from `now` alone starts anew.
    Step,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is no duration: write a number and a unit, as in \"500ms\", \"5s\", \"10m\", \"24h\" or \"7d\"")]
pub struct ParseDurationError {
    text: String,
}

/// Parses `500ms`, `5s`, `10m`, `24h`, `7d`; a bare `0` needs no unit.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let error = || ParseDurationError { text: text.to_owned() };
    let trimmed = text.trim();
    if trimmed == "0" {
        return Ok(Duration::ZERO);
    }
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
    let number: u64 = trimmed[..digits].parse().map_err(|_| error())?;
    let unit_ms: u64 = match trimmed[digits..].trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(error()),
    };
    // Three thousand years are enough, and keep every sum with an event time inside an i64.
    number.checked_mul(unit_ms).filter(|ms| *ms <= 100_000_000_000_000).map(Duration::from_millis).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_may_stand_before_1970() {
        assert_eq!(unix_millis(UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_999)), 1_700_000_000_123);
        assert_eq!(unix_millis(UNIX_EPOCH - Duration::from_millis(5)), -5);
    }

    #[test]
    fn durations() {
        let ms = |text| parse_duration(text).map(|d| d.as_millis());
        assert_eq!(ms("0"), Ok(0));
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(ms("5s"), Ok(5_000));
        assert_eq!(ms("10 m"), Ok(600_000));
        assert_eq!(ms("24h"), Ok(86_400_000));
        assert_eq!(ms("7d"), Ok(604_800_000));
        for wrong in ["", "5", "s", "-5s", "5 weeks", "99999999999999999999s", "9999999999999d", "1.5s"] {
            assert!(ms(wrong).is_err(), "{wrong}");
        }
    }
}
