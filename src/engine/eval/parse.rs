//! Text to values, as Flink's CAST reads it (`BinaryStringDataUtil`, `DateTimeUtils`). `None`: it is no such value.

use crate::model::civil::{CivilDate, MICROS_PER_DAY, MICROS_PER_MILLI};

/// Blanks only, as Flink: tabs and line ends are not trimmed.
pub fn trim_blanks(text: &str) -> &str {
    text.trim_matches(' ')
}

/// `[+-]digits[.digits]`; the fraction is cut. `.` alone is 0, as in Flink.
pub fn integer(text: &str) -> Option<i64> {
    let text = trim_blanks(text);
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // Counted down, so that the smallest number fits.
    let mut number = 0i64;
    for digit in whole.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    if negative { Some(number) } else { number.checked_neg() }
}

/// Java's `Double.parseDouble`, hexadecimal floats excepted.
pub fn double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "NaN" {
        return Some(f64::NAN);
    }
    if unsigned == "Infinity" {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    // Rust also takes "inf" and "nan", Java does not; Java takes a suffix.
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    if let Some(number) = hexadecimal(digits.strip_prefix(['+', '-']).unwrap_or(digits)) {
        return Some(if text.starts_with('-') { -number } else { number });
    }
    let starts_well = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if starts_well { digits.parse().ok() } else { None }
}

/// Java's hexadecimal form: `0x1.8p3` is 12.
fn hexadecimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let (mantissa, exponent) = digits.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    // More than 32 digits are not read.
    let number = u128::from_str_radix(&digits, 16).ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    Some(number as f64 * 2f64.powi(exponent.saturating_sub(4 * fraction.len() as i32)))
}

pub fn boolean(text: &str) -> Option<bool> {
    let is_any = |words: [&str; 5]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_any(["t", "true", "y", "yes", "1"]) {
        Some(true)
    } else if is_any(["f", "false", "n", "no", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// 1 to `digits_max` digits.
fn number(text: &str, digits_max: usize) -> Option<u32> {
    let fits = !text.is_empty() && text.len() <= digits_max && text.bytes().all(|digit| digit.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// `2026-3-1`, `2026-03` or `2026`; a blank and more may follow. Days since 1970-01-01.
pub fn date(text: &str) -> Option<i64> {
    // A blank in front does not end the date, so that one with a time behind it is none then.
    let text = text.split_once(' ').filter(|(date, _)| !date.is_empty()).map_or(text, |(date, _)| date);
    let mut parts = text.splitn(3, '-').map(trim_blanks);
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |month| number(month, 2))?;
    let day = parts.next().map_or(Some(1), |day| number(day, 2))?;
    if year == 0 {
        return None;
    }
    CivilDate::new(i64::from(year), month, day).map(CivilDate::to_days)
}

/// `8`, `08:15`, `08:15:30`, `08:15:30.123`; digits beyond milliseconds are cut. Milliseconds since midnight.
pub fn time(text: &str) -> Option<i64> {
    let part = |text: &str| number(trim_blanks(text), 2);
    let mut parts = text.splitn(3, ':');
    let hour = part(parts.next()?)?;
    let minute = parts.next().map_or(Some(0), part)?;
    let last = parts.next().unwrap_or("0");
    let (second, fraction) = last.split_once('.').unwrap_or((last, ""));
    let second = part(second)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = fraction_micros(trim_blanks(fraction))?;
    Some(i64::from(hour * 3_600 + minute * 60 + second) * 1_000 + micros / MICROS_PER_MILLI)
}

/// Up to nine digits; those beyond microseconds are cut.
fn fraction_micros(digits: &str) -> Option<i64> {
    if digits.len() > 9 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(
        (0..6).fold(0, |sum, place| sum * 10 + digits.as_bytes().get(place).map_or(0, |digit| i64::from(digit - b'0'))),
    )
}

/// `2026-3-1 8:5:9.123456` or a date alone. A day beyond its month's end is the last one, `24:00:00` the next
/// midnight, as Java's SMART resolver has it. No blanks around. Microseconds.
pub fn timestamp(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4).and_then(|year| number(year, 4)).filter(|year| *year > 0)?;
    let month = number(parts.next()?, 2)?;
    let day = number(parts.next()?, 2).filter(|day| (1..=31).contains(day))?;
    let first = CivilDate::new(i64::from(year), month, 1)?;
    let days = first.to_days() + i64::from(day.min(crate::model::civil::days_in_month(first.year, month))) - 1;
    let micros = match time {
        Some(time) => micros_of_day(time)?,
        None => 0,
    };
    Some(days * MICROS_PER_DAY + micros)
}

fn micros_of_day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let hour = number(parts.next()?, 2)?;
    let minute = number(parts.next()?, 2)?;
    let last = parts.next()?;
    let (second, fraction) = last.split_once('.').unwrap_or((last, ""));
    let second = number(second, 2)?;
    let micros = fraction_micros(fraction)?;
    let whole_day = hour == 24 && minute == 0 && second == 0 && micros == 0;
    if (hour > 23 && !whole_day) || minute > 59 || second > 59 {
        return None;
    }
    Some(i64::from(hour * 3_600 + minute * 60 + second) * 1_000_000 + micros)
}

/// `java.sql.Timestamp.valueOf` (or `Date.valueOf` without a time), which TO_TIMESTAMP falls back to:
/// `2026-3-1 8:5:9.1`. Microseconds.
pub fn jdbc(text: &str) -> Option<i64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time.trim_matches(|c: char| c <= ' '))),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    // Java's old dates know no year 0: it is the year 1 before Christ, which then loses its sign.
    let year = parts.next().filter(|year| year.len() == 4).and_then(|year| number(year, 4))?.max(1);
    let month = number(parts.next()?, 2)?;
    let day = number(parts.next()?, 2).filter(|day| (1..=31).contains(day))?;
    // A day beyond its month's end is one of the next month.
    let days = CivilDate::new(i64::from(year), month, 1)?.to_days() + i64::from(day) - 1;
    let micros = match time {
        Some(time) => lenient_micros(time)?,
        None => 0,
    };
    Some(days * MICROS_PER_DAY + micros)
}

/// Hours, minutes and seconds that may be too many.
fn lenient_micros(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?, 6)?, number(parts.next()?, 6)?);
    let last = parts.next()?;
    let (second, micros) = match last.split_once('.') {
        Some((second, fraction)) => (second, fraction_micros(fraction).filter(|_| !fraction.is_empty())?),
        None => (last, 0),
    };
    let seconds = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(number(second, 6)?);
    Some(seconds * 1_000_000 + micros)
}
