//! Text to times by a date pattern.
//!
//! `DateTimeFormatter` reads strictly: each field has its width, its range, and nothing may follow; a day beyond the
//! end of its month is that end. `SimpleDateFormat` is lenient: numbers of any width, months beyond December roll over,
//! what follows is ignored. What a pattern leaves out is that of 1970-01-01 00:00.
//! `yy` is a year from 2000 to 2099; for `SimpleDateFormat`, which goes by the clock in Java, from 1946 to 2045.

use super::EvalError;
use super::date_pattern::{DAYS, DatePattern, Dialect, Item, MONTHS};
use crate::model::civil::{CivilDate, MICROS_PER_DAY, days_in_month};

impl DatePattern {
    /// Microseconds since 1970; `None` if the text does not have this form.
    pub fn parse(&self, text: &str) -> Result<Option<i64>, EvalError> {
        let items = self.items()?;
        Ok(match self.dialect {
            Dialect::Modern => read_modern(items, text),
            Dialect::Simple => read_simple(items, text),
        })
    }
}

/// What the fields of a text said.
#[derive(Clone, Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    weekday: Option<usize>,
    /// From 0 to 23.
    hour: Option<i64>,
    /// From 0 to 11, to go with `afternoon`.
    half_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    micros: Option<i64>,
    offset_seconds: i64,
}

/// A field that is written in digits.
fn is_numeric(item: Option<&Item>) -> Option<usize> {
    match item {
        Some(Item::Field { letter, count }) => match letter {
            'a' | 'E' | 'G' | 'z' | 'Z' | 'X' | 'x' => None,
            'M' | 'L' if *count >= 3 => None,
            _ => Some(*count),
        },
        _ => None,
    }
}

/// Takes the longest of the names that the text begins with, whole or its first three letters.
fn name(rest: &mut &str, names: &[&str], whole: bool, ignore_case: bool) -> Option<usize> {
    for (index, name) in names.iter().enumerate() {
        for candidate in [*name, &name[..3]] {
            let Some(head) = rest.get(..candidate.len()) else { continue };
            let same = if ignore_case { head.eq_ignore_ascii_case(candidate) } else { head == candidate };
            if same && (ignore_case || whole == (candidate.len() == name.len()) || name.len() == 3) {
                *rest = &rest[candidate.len()..];
                return Some(index);
            }
        }
    }
    None
}

fn half_of_day(rest: &mut &str) -> Option<bool> {
    let head = rest.get(..2)?;
    let afternoon = match head {
        "AM" | "am" => false,
        "PM" | "pm" => true,
        _ => return None,
    };
    *rest = &rest[2..];
    Some(afternoon)
}

fn take_digits(rest: &mut &str, most: usize) -> Option<i64> {
    let count = rest.bytes().take(most.min(18)).take_while(u8::is_ascii_digit).count();
    let (digits, after) = rest.split_at(count);
    *rest = after;
    digits.parse().ok()
}

fn read_modern(items: &[Item], text: &str) -> Option<i64> {
    let mut rest = text;
    let mut fields = Fields::default();
    fields.read(items, &mut rest)?;
    if rest.is_empty() { fields.strict() } else { None }
}

impl Fields {
    fn read(&mut self, items: &[Item], rest: &mut &str) -> Option<()> {
        for (index, item) in items.iter().enumerate() {
            let (letter, count) = match item {
                Item::Literal(literal) => {
                    *rest = rest.strip_prefix(literal.as_str())?;
                    continue;
                }
                Item::Optional(items) => {
                    // All of it, or nothing.
                    let (mut fields, mut after) = (self.clone(), *rest);
                    if fields.read(items, &mut after).is_some() {
                        *self = fields;
                        *rest = after;
                    }
                    continue;
                }
                Item::Padded { width, field } => {
                    let end = rest.char_indices().map(|(at, c)| at + c.len_utf8()).nth(width.checked_sub(1)?)?;
                    let mut padded = rest[..end].trim_start_matches(' ');
                    self.read(std::slice::from_ref(field), &mut padded)?;
                    if !padded.is_empty() {
                        return None;
                    }
                    *rest = &rest[end..];
                    continue;
                }
                Item::Field { letter, count } => (*letter, *count),
            };
            match letter {
                'a' => self.afternoon = Some(half_of_day(rest)?),
                'E' => self.weekday = Some(name(rest, &DAYS, count == 4, false)?),
                'M' | 'L' if count >= 3 => self.month = Some(name(rest, &MONTHS, count == 4, false)? as i64 + 1),
                // The zone is read and passed over: what is asked for is the local time.
                'X' | 'x' | 'Z' => {
                    offset(rest)?;
                }
                'y' | 'u' | 'M' | 'L' | 'd' | 'D' | 'H' | 'k' | 'K' | 'h' | 'm' | 's' | 'S' => {
                    // Digits that the fixed fields right behind this one need are not taken.
                    let reserved: usize = items[index + 1..].iter().map_while(|item| is_numeric(Some(item))).sum();
                    let number = modern_number(rest, letter, count, reserved)?;
                    self.set(letter, number)?;
                }
                _ => return None,
            }
        }
        Some(())
    }
}

/// Digits of a field: exactly as many as letters, or for one letter any number.
fn modern_number(rest: &mut &str, letter: char, count: usize, reserved: usize) -> Option<i64> {
    let available = rest.bytes().take_while(u8::is_ascii_digit).count();
    let width = match (letter, count) {
        ('S', _) => count,
        (_, 1) => available.saturating_sub(reserved).min(18),
        // More digits than letters need a sign.
        _ => count,
    };
    if width == 0 || available < width {
        return None;
    }
    let too_many_year_digits = matches!(letter, 'y' | 'u') && count >= 4 && available - width > reserved;
    if too_many_year_digits {
        return None;
    }
    let number = take_digits(rest, width)?;
    Some(match (letter, count) {
        ('S', _) => number * 10i64.pow(9 - width.min(9) as u32) / 1_000,
        ('y' | 'u', 2) => 2_000 + number,
        _ => number,
    })
}

impl Fields {
    /// A field in its range, as `DateTimeFormatter` wants it.
    fn set(&mut self, letter: char, number: i64) -> Option<()> {
        let within = |low, high| (low..=high).contains(&number).then_some(number);
        match letter {
            'y' => self.year = Some(within(1, 999_999_999)?),
            'u' => self.year = Some(within(0, 999_999_999)?),
            'M' | 'L' => self.month = Some(within(1, 12)?),
            'd' => self.day = Some(within(1, 31)?),
            'D' => self.day_of_year = Some(within(1, 366)?),
            'H' => self.hour = Some(within(0, 24)?),
            'k' => self.hour = Some(within(1, 24)? % 24),
            'K' => self.half_hour = Some(within(0, 11)?),
            'h' => self.half_hour = Some(within(1, 12)? % 12),
            'm' => self.minute = Some(within(0, 59)?),
            's' => self.second = Some(within(0, 59)?),
            _ => self.micros = Some(number),
        }
        Some(())
    }

    fn hour(&self) -> i64 {
        let half = self.half_hour.map(|hour| hour + if self.afternoon == Some(true) { 12 } else { 0 });
        self.hour.or(half).unwrap_or(0)
    }

    fn strict(&self) -> Option<i64> {
        let year = self.year.unwrap_or(1970);
        let days = match self.day_of_year {
            Some(day) if self.month.is_none() => {
                let date = CivilDate::from_days(CivilDate { year, month: 1, day: 1 }.to_days() + day - 1);
                (date.year == year).then(|| date.to_days())?
            }
            _ => {
                let month = u32::try_from(self.month.unwrap_or(1)).ok()?;
                let day = u32::try_from(self.day.unwrap_or(1)).ok()?;
                CivilDate::new(year, month, day.min(days_in_month(year, month)))?.to_days()
            }
        };
        let date = CivilDate::from_days(days);
        if self.weekday.is_some_and(|weekday| crate::model::civil::day_of_week(date.to_days()) as usize - 1 != weekday)
        {
            return None;
        }
        let of_day = self.of_day_micros();
        if of_day > MICROS_PER_DAY || (self.hour == Some(24) && of_day != MICROS_PER_DAY) {
            return None;
        }
        days.checked_mul(MICROS_PER_DAY)?.checked_add(of_day)
    }

    fn of_day_micros(&self) -> i64 {
        let seconds = (self.hour() * 60 + self.minute.unwrap_or(0)) * 60 + self.second.unwrap_or(0);
        seconds * 1_000_000 + self.micros.unwrap_or(0)
    }

    /// Everything may roll over.
    fn lenient(&self) -> Option<i64> {
        let first = CivilDate { year: self.year.unwrap_or(1970), month: 1, day: 1 };
        let days = match self.day_of_year {
            Some(day) => first.to_days() + day - 1,
            None => {
                let month = first.plus_months(self.month.unwrap_or(1) - 1);
                month.to_days() + self.day.unwrap_or(1) - 1
            }
        };
        let of_day = i128::from(self.hour()) * 3_600
            + i128::from(self.minute.unwrap_or(0)) * 60
            + i128::from(self.second.unwrap_or(0) - self.offset_seconds);
        let micros =
            i128::from(days) * i128::from(MICROS_PER_DAY) + of_day * 1_000_000 + i128::from(self.micros.unwrap_or(0));
        i64::try_from(micros).ok()
    }
}

/// Numbers beyond this are no part of a time; it keeps all sums in range.
const NUMBER_MAX: i64 = 1_000_000_000;

fn read_simple(items: &[Item], text: &str) -> Option<i64> {
    let mut rest = text;
    let mut fields = Fields::default();
    for (index, item) in items.iter().enumerate() {
        let (letter, count) = match item {
            Item::Literal(literal) => {
                rest = rest.strip_prefix(literal.as_str())?;
                continue;
            }
            Item::Optional(_) | Item::Padded { .. } => return None,
            Item::Field { letter, count } => (*letter, *count),
        };
        rest = rest.trim_start_matches([' ', '\t']);
        match letter {
            'a' => fields.afternoon = Some(half_of_day(&mut rest)?),
            'E' => fields.weekday = Some(name(&mut rest, &DAYS, true, true)?),
            'M' | 'L' if count >= 3 => fields.month = Some(name(&mut rest, &MONTHS, true, true)? as i64 + 1),
            'z' | 'Z' | 'X' => fields.offset_seconds = offset(&mut rest)?,
            'G' | 'w' | 'W' | 'F' | 'u' | 'Y' => return None,
            _ => {
                // A field right before another has exactly as many digits as letters.
                let joined = is_numeric(items.get(index + 1)).is_some();
                let before = rest.len();
                let negative = !joined && rest.starts_with('-');
                if negative {
                    rest = &rest[1..];
                }
                let number = take_digits(&mut rest, if joined { count } else { 18 })?;
                let digits = before - rest.len();
                let number = if negative { -number } else { number };
                if number.abs() > NUMBER_MAX {
                    return None;
                }
                fields.set_lenient(letter, count, digits, number);
            }
        }
    }
    fields.lenient()
}

impl Fields {
    fn set_lenient(&mut self, letter: char, count: usize, digits: usize, number: i64) {
        match letter {
            'y' if count <= 2 && digits == 2 && number >= 0 => {
                self.year = Some(if number >= 46 { 1_900 + number } else { 2_000 + number });
            }
            'y' => self.year = Some(number),
            'M' | 'L' => self.month = Some(number),
            'd' => self.day = Some(number),
            'D' => self.day_of_year = Some(number),
            'H' => self.hour = Some(number),
            'k' => self.hour = Some(if number == 24 { 0 } else { number }),
            'K' => self.half_hour = Some(number),
            'h' => self.half_hour = Some(if number == 12 { 0 } else { number }),
            'm' => self.minute = Some(number),
            's' => self.second = Some(number),
            _ => self.micros = Some(number * 1_000),
        }
    }
}

/// `Z`, `UTC`, `GMT`, `+0200`, `+02:00`, `+02` in seconds.
fn offset(rest: &mut &str) -> Option<i64> {
    for zone in ["UTC", "GMT", "Z"] {
        if let Some(after) = rest.strip_prefix(zone) {
            *rest = after;
            return Some(0);
        }
    }
    let sign = match rest.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    *rest = &rest[1..];
    let hours = take_digits(rest, 2)?;
    *rest = rest.strip_prefix(':').unwrap_or(rest);
    let minutes = take_digits(rest, 2).unwrap_or(0);
    Some(sign * (hours * 60 + minutes) * 60)
}
