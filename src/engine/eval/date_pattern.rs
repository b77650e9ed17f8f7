//! Java's date patterns, as far as DATE_FORMAT, TO_TIMESTAMP and their kin use them: y u M d D E H h m s S a, text in
//! quotes. <https://docs.oracle.com/javase/8/docs/api/java/time/format/DateTimeFormatter.html>

use std::fmt::Write;

use super::{EvalError, Reason};
use crate::model::civil::{CivilDate, MICROS_PER_DAY, day_of_week};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

enum Part {
    Literal(String),
    Field(char, usize),
}

/// A pattern, or why it is none.
pub struct DatePattern(Result<Vec<Part>, String>);

impl DatePattern {
    pub fn new(pattern: &str) -> DatePattern {
        DatePattern(parts(pattern))
    }

    fn parts(&self) -> Result<&[Part], EvalError> {
        self.0.as_deref().map_err(|why| Reason::Unsupported(why.clone()).into())
    }

    pub fn format(&self, micros: i64) -> Result<String, EvalError> {
        let mut out = String::new();
        for part in self.parts()? {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Field(letter, width) => write_field(*letter, *width, micros, &mut out),
            }
        }
        Ok(out)
    }

    /// Microseconds since 1970; `None` if the text does not have this form.
    pub fn parse(&self, text: &str) -> Result<Option<i64>, EvalError> {
        Ok(read(self.parts()?, text))
    }
}

fn parts(pattern: &str) -> Result<Vec<Part>, String> {
    let (mut parts, mut rest) = (Vec::new(), pattern);
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let (quoted, after) = rest[1..].split_once('\'').ok_or("a quote in the pattern is not closed")?;
            parts.push(Part::Literal(if quoted.is_empty() { "'".to_owned() } else { quoted.to_owned() }));
            rest = after;
        } else if first.is_ascii_alphabetic() {
            let width = rest.bytes().take_while(|byte| char::from(*byte) == first).count();
            if !"yuMdDEHhmsSa".contains(first) || width > 9 {
                return Err(format!(
                    "the letter {first} is not supported in a date pattern (y u M d D E H h m s S a are)"
                ));
            }
            parts.push(Part::Field(first, width));
            rest = &rest[width..];
        } else {
            parts.push(Part::Literal(first.to_string()));
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(parts)
}

fn write_field(letter: char, width: usize, micros: i64, out: &mut String) {
    let days = micros.div_euclid(MICROS_PER_DAY);
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let date = CivilDate::from_days(days);
    let hour = of_day / 3_600_000_000;
    let number = match letter {
        'y' | 'u' if width == 2 => date.year.rem_euclid(100),
        'y' | 'u' => date.year,
        'M' if width >= 3 => {
            let name = MONTHS[date.month as usize - 1];
            out.push_str(if width == 3 { &name[..3] } else { name });
            return;
        }
        'M' => i64::from(date.month),
        'd' => i64::from(date.day),
        'D' => date.day_of_year(),
        'E' => {
            let name = DAYS[day_of_week(days) as usize - 1];
            out.push_str(if width <= 3 { &name[..3] } else { name });
            return;
        }
        'H' => hour,
        'h' => (hour + 11) % 12 + 1,
        'm' => of_day / 60_000_000 % 60,
        's' => of_day / 1_000_000 % 60,
        'S' => {
            let nanos = format!("{:09}", of_day % 1_000_000 * 1_000);
            out.push_str(&nanos[..width]);
            return;
        }
        _ => {
            out.push_str(if hour < 12 { "AM" } else { "PM" });
            return;
        }
    };
    // Writing into a String cannot fail.
    let _ = write!(out, "{number:0width$}");
}

fn read(parts: &[Part], text: &str) -> Option<i64> {
    let (mut year, mut month, mut day) = (1970, 1, 1);
    let (mut hour, mut minute, mut second, mut micros) = (0, 0, 0, 0);
    let mut afternoon = None;
    let mut rest = text;
    for (index, part) in parts.iter().enumerate() {
        let (letter, width) = match part {
            Part::Literal(literal) => {
                rest = rest.strip_prefix(literal.as_str())?;
                continue;
            }
            Part::Field(letter, width) => (*letter, *width),
        };
        if letter == 'a' {
            let (half, after) = rest.split_at_checked(2)?;
            afternoon = Some(half.eq_ignore_ascii_case("PM"));
            rest = after;
            continue;
        }
        // A field of one letter takes what digits there are, unless another field follows at once.
        let joined = matches!(parts.get(index + 1), Some(Part::Field(..)));
        let most = if width == 1 && !joined { 9 } else { width.max(if letter == 'y' && !joined { 4 } else { width }) };
        let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if digits == 0 || (width > 1 && digits < width) {
            return None;
        }
        let (number, after) = rest.split_at(digits);
        rest = after;
        let value: i64 = number.parse().ok()?;
        match letter {
            'y' | 'u' => year = if width == 2 { 2_000 + value } else { value },
            'M' => month = value,
            'd' => day = value,
            'H' | 'h' => hour = value,
            'm' => minute = value,
            's' => second = value,
            'S' => micros = format!("{number:0<6}")[..6].parse().ok()?,
            _ => return None,
        }
    }
    if let Some(afternoon) = afternoon {
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    if !rest.is_empty() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let date = CivilDate::new(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    Some(date.to_days() * MICROS_PER_DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}
