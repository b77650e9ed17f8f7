//! Dates and times in payloads and files: `2026-03-01T08:00:00.123Z`, with a blank or a `T`, with or without a zone.

use crate::model::civil::{CivilDate, MICROS_PER_DAY};

/// Days since 1970-01-01 of `yyyy-mm-dd`.
pub fn date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let date = CivilDate::new(number(&bytes[..4])?, number(&bytes[5..7])? as u32, number(&bytes[8..])? as u32)?;
    i32::try_from(date.to_days()).ok()
}

/// Microseconds since midnight of `hh:mm[:ss[.fraction]]`; digits beyond the sixth are cut.
pub fn time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 5 || bytes[2] != b':' {
        return None;
    }
    let (hour, minute) = (number(&bytes[..2])?, number(&bytes[3..5])?);
    let (second, micros) = match &bytes[5..] {
        [] => (0, 0),
        [b':', rest @ ..] if rest.len() >= 2 => (number(&rest[..2])?, fraction_micros(&rest[2..])?),
        _ => return None,
    };
    (hour < 24 && minute < 60 && second < 60).then_some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// Microseconds since 1970-01-01 00:00 UTC; text without a zone is taken for UTC.
pub fn timestamp(text: &str) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    let days = i64::from(date(day)?);
    let rest = match rest.as_bytes().first() {
        None => return Some(days * MICROS_PER_DAY),
        Some(b'T' | b't' | b' ') => &rest[1..],
        Some(_) => return None,
    };
    let (clock, offset_minutes) = zone(rest)?;
    Some(days * MICROS_PER_DAY + time(clock)? - offset_minutes * 60_000_000)
}

/// Takes `Z`, `+hh:mm` or `-hhmm` off the end.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let (clock, zone) = text.split_at(at);
    let digits: Vec<u8> = zone[1..].bytes().filter(|byte| *byte != b':').collect();
    if digits.len() != 4 && digits.len() != 2 {
        return None;
    }
    let minutes = number(&digits[..2])? * 60 + if digits.len() == 4 { number(&digits[2..])? } else { 0 };
    if minutes > 18 * 60 {
        return None;
    }
    Some((clock, if zone.starts_with('-') { -minutes } else { minutes }))
}

fn fraction_micros(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [] => Some(0),
        [b'.', digits @ ..] if !digits.is_empty() && digits.len() <= 9 => {
            number(digits)?;
            let six: Vec<u8> = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6).collect();
            number(&six)
        }
        _ => None,
    }
}

/// Digits only, at most 18 of them.
fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0i64, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: i64 = 1_772_352_000_000_000; // 2026-03-01 08:00:00 UTC, by date(1)

    #[test]
    fn what_is_read() {
        assert_eq!(timestamp("2026-03-01T08:00:00.123Z"), Some(BASE + 123_000));
        assert_eq!(timestamp("2026-03-01 08:00:00"), Some(BASE));
        assert_eq!(timestamp("2026-03-01T10:30:00+02:30"), Some(BASE));
        assert_eq!(timestamp("2026-03-01T03:00-0500"), Some(BASE));
        assert_eq!(timestamp("2026-03-01T08:00:00.1234567Z"), Some(BASE + 123_456));
        assert_eq!(timestamp("1969-12-31 23:59:59.999"), Some(-1_000));
        assert_eq!(timestamp("2026-03-01"), Some(BASE - 8 * 3_600_000_000));
        assert_eq!(date("2024-02-29"), Some(19_782));
        assert_eq!(time("08:15:30"), Some(29_730_000_000));
    }

    #[test]
    fn what_is_refused() {
        for wrong in [
            "",
            "2026-3-1",
            "2026-02-29",
            "2026-03-01T",
            "2026-03-01T25:00:00Z",
            "2026-03-01X08:00:00",
            "2026-03-01T08:00:00.Z",
            "2026-03-01T08:00:00+99:00",
            "２０２６-03-01",
            "2026-03-01T08:00:00é",
        ] {
            assert_eq!(timestamp(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = (timestamp(&text), date(&text), time(&text));
        }
    }
}
