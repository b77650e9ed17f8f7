//! Java's date patterns, of which Flink uses two: `DateTimeFormatter`'s for DATE_FORMAT and TO_TIMESTAMP,
//! `SimpleDateFormat`'s for FROM_UNIXTIME, UNIX_TIMESTAMP and TO_DATE. Reading by them is in `date_reading.rs`.
//!
//! Names are English and weeks begin on Sunday, as in Java's locale en_US. Zones are UTC.
//! <https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/time/format/DateTimeFormatter.html>,
//! <https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/text/SimpleDateFormat.html>

use std::fmt::Write;

use super::{EvalError, Reason, excerpt};
use crate::model::civil::{CivilDate, MICROS_PER_DAY, day_of_week};

pub const MONTHS: [&str; 12] = [
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
pub const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `DateTimeFormatter`.
    Modern,
    /// `SimpleDateFormat`.
    Simple,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    Literal(String),
    Field {
        letter: char,
        count: usize,
    },
    /// `pp` before a field: with blanks before it, as wide as that.
    Padded {
        width: usize,
        field: Box<Item>,
    },
    /// `[…]`: written always, read if it is there. Of [`Dialect::Modern`] only.
    Optional(Vec<Item>),
}

/// A pattern, or why it is none.
pub struct DatePattern {
    pub dialect: Dialect,
    items: Result<Vec<Item>, String>,
}

impl DatePattern {
    pub fn modern(pattern: &str) -> DatePattern {
        DatePattern { dialect: Dialect::Modern, items: items(pattern, Dialect::Modern) }
    }

    pub fn simple(pattern: &str) -> DatePattern {
        DatePattern { dialect: Dialect::Simple, items: items(pattern, Dialect::Simple) }
    }

    pub fn items(&self) -> Result<&[Item], EvalError> {
        self.items.as_deref().map_err(|why| Reason::Unsupported(why.clone()).into())
    }

    pub fn format(&self, micros: i64) -> Result<String, EvalError> {
        let moment = Moment::new(micros);
        let mut out = String::new();
        self.write(self.items()?, &moment, &mut out)?;
        Ok(out)
    }

    fn write(&self, items: &[Item], moment: &Moment, out: &mut String) -> Result<(), EvalError> {
        for item in items {
            if let (Item::Field { letter: letter @ ('X' | 'x' | 'Z'), .. }, Dialect::Modern) = (item, self.dialect) {
                return Err(Reason::Unsupported(format!("a timestamp has no zone for the letter {letter}")).into());
            }
            match (item, self.dialect) {
                (Item::Literal(text), _) => out.push_str(text),
                (Item::Field { letter, count }, Dialect::Modern) => moment.write_modern(*letter, *count, out),
                (Item::Field { letter, count }, Dialect::Simple) => moment.write_simple(*letter, *count, out),
                (Item::Optional(items), _) => self.write(items, moment, out)?,
                (Item::Padded { width, field }, _) => {
                    let mut text = String::new();
                    self.write(std::slice::from_ref(field), moment, &mut text)?;
                    if text.chars().count() > *width {
                        return Err(Reason::Unsupported(format!("{text} is wider than its padding, {width}")).into());
                    }
                    // Writing into a String cannot fail.
                    let _ = write!(out, "{text:>width$}");
                }
            }
        }
        Ok(())
    }
}

/// Brackets inside of each other.
const OPTIONAL_DEPTH_MAX: usize = 16;

fn items(pattern: &str, dialect: Dialect) -> Result<Vec<Item>, String> {
    let fail = |why: String| Err(format!("the date pattern {} cannot be used: {why}", excerpt(pattern)));
    let mut items: Vec<Item> = Vec::new();
    // The items before each bracket that is open.
    let mut outer: Vec<Vec<Item>> = Vec::new();
    let push = |items: &mut Vec<Item>, text: &str| match items.last_mut() {
        Some(Item::Literal(literal)) => literal.push_str(text),
        _ => items.push(Item::Literal(text.to_owned())),
    };
    let mut rest = pattern;
    // The width that letters p have said for the field behind them.
    let mut width = None;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_alphabetic() {
            let count = rest.bytes().take_while(|byte| char::from(*byte) == first).count();
            if first == 'p' && dialect == Dialect::Modern && width.is_none() {
                if !rest[count..].starts_with(|next: char| next.is_ascii_alphabetic()) {
                    return fail("the letter p stands before another one".to_owned());
                }
                width = Some(count);
                rest = &rest[count..];
                continue;
            }
            let allowed = match dialect {
                Dialect::Modern => modern_counts(first),
                Dialect::Simple if "GyYMLwWDdFEuaHkKhmsSzZX".contains(first) => Some(19),
                Dialect::Simple => None,
            };
            match allowed {
                None => return fail(format!("the letter {first} has no meaning here")),
                Some(most) if count > most => return fail(format!("too many letters {first}")),
                Some(_) => {
                    let field = Item::Field { letter: first, count };
                    items.push(match width.take() {
                        Some(width) => Item::Padded { width, field: Box::new(field) },
                        None => field,
                    });
                }
            }
            rest = &rest[count..];
        } else if first == '\'' {
            let Some((quoted, after)) = quoted(&rest[1..]) else { return fail("a quote is not closed".to_owned()) };
            push(&mut items, &quoted);
            rest = after;
        } else if dialect == Dialect::Modern && first == '[' {
            if outer.len() >= OPTIONAL_DEPTH_MAX {
                return fail("its brackets are nested too deeply".to_owned());
            }
            outer.push(std::mem::take(&mut items));
            rest = &rest[1..];
        } else if dialect == Dialect::Modern && first == ']' {
            let Some(before) = outer.pop() else { return fail("the bracket ] closes nothing".to_owned()) };
            let optional = std::mem::replace(&mut items, before);
            items.push(Item::Optional(optional));
            rest = &rest[1..];
        } else if dialect == Dialect::Modern && "{}#".contains(first) {
            return fail(format!("the character {first} is reserved; write it in quotes"));
        } else {
            push(&mut items, &rest[..first.len_utf8()]);
            rest = &rest[first.len_utf8()..];
        }
    }
    // What is left open ends with the pattern, as in Java.
    while let Some(before) = outer.pop() {
        let optional = std::mem::replace(&mut items, before);
        items.push(Item::Optional(optional));
    }
    Ok(items)
}

/// The text up to the closing quote (two quotes are one; none between two is one too) and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('\'') {
        return Some(("'".to_owned(), rest));
    }
    let (mut out, mut rest) = (String::new(), text);
    loop {
        let (part, after) = rest.split_once('\'')?;
        out.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                out.push('\'');
                rest = after;
            }
            None => return Some((out, after)),
        }
    }
}

/// How many of a letter `DateTimeFormatter` takes; `None` for a letter it does not know or that needs a zone.
fn modern_counts(letter: char) -> Option<usize> {
    Some(match letter {
        'y' | 'u' | 'Y' | 'A' | 'n' | 'N' => 19,
        'G' | 'M' | 'L' | 'Q' | 'q' | 'E' | 'e' => 5,
        'd' | 'H' | 'h' | 'K' | 'k' | 'm' | 's' | 'w' => 2,
        'D' => 3,
        'S' => 9,
        'a' | 'W' | 'F' | 'c' => 1,
        // Zones: only to be read.
        'X' | 'x' => 5,
        'Z' => 3,
        _ => return None,
    })
}

/// A moment taken apart.
struct Moment {
    days: i64,
    date: CivilDate,
    /// Microseconds since midnight.
    of_day: i64,
}

impl Moment {
    fn new(micros: i64) -> Moment {
        let days = micros.div_euclid(MICROS_PER_DAY);
        Moment { days, date: CivilDate::from_days(days), of_day: micros.rem_euclid(MICROS_PER_DAY) }
    }

    fn hour(&self) -> i64 {
        self.of_day / 3_600_000_000
    }

    /// Sunday is 0.
    fn weekday(&self) -> usize {
        day_of_week(self.days) as usize - 1
    }

    fn month_name(&self) -> &'static str {
        MONTHS[self.date.month as usize - 1]
    }

    fn half(&self) -> &'static str {
        if self.hour() < 12 { "AM" } else { "PM" }
    }

    fn year_of_era(&self) -> i64 {
        if self.date.year > 0 { self.date.year } else { 1 - self.date.year }
    }

    /// The numbers that both dialects write alike.
    fn number(&self, letter: char) -> i64 {
        match letter {
            'M' | 'L' => i64::from(self.date.month),
            'd' => i64::from(self.date.day),
            'D' => self.date.day_of_year(),
            'H' => self.hour(),
            'k' => (self.hour() + 23) % 24 + 1,
            'K' => self.hour() % 12,
            'h' => (self.hour() + 11) % 12 + 1,
            'm' => self.of_day / 60_000_000 % 60,
            's' => self.of_day / 1_000_000 % 60,
            'w' => self.week_of_year().1,
            'W' => self.week_of_month(),
            'F' => (i64::from(self.date.day) - 1) / 7 + 1,
            'Y' => self.week_of_year().0,
            _ => 0,
        }
    }

    /// Weeks from Sunday to Saturday; the one with January 1st is the first.
    fn week_of_year(&self) -> (i64, i64) {
        let saturday = CivilDate::from_days(self.days + 6 - self.weekday() as i64);
        (saturday.year, (saturday.day_of_year() - 1) / 7 + 1)
    }

    fn week_of_month(&self) -> i64 {
        let first = CivilDate { day: 1, ..self.date }.to_days();
        (i64::from(self.date.day) + day_of_week(first) - 2) / 7 + 1
    }

    fn write_modern(&self, letter: char, count: usize, out: &mut String) {
        // Writing into a String cannot fail.
        let _ = match (letter, count) {
            ('y', _) => return write_year(self.year_of_era(), count, out),
            ('u', _) => return write_year(self.date.year, count, out),
            ('Y', _) => return write_year(self.week_of_year().0, count, out),
            ('G', 4) => write!(out, "{}", if self.date.year > 0 { "Anno Domini" } else { "Before Christ" }),
            ('G', 5) => write!(out, "{}", if self.date.year > 0 { "A" } else { "B" }),
            ('G', _) => write!(out, "{}", if self.date.year > 0 { "AD" } else { "BC" }),
            ('M' | 'L', 3) => write!(out, "{}", &self.month_name()[..3]),
            ('M' | 'L', 4) => write!(out, "{}", self.month_name()),
            ('M' | 'L', 5) => write!(out, "{}", &self.month_name()[..1]),
            ('Q' | 'q', _) => return self.write_quarter(count, out),
            ('E', 1..=3) | ('e', 3) => write!(out, "{}", &DAYS[self.weekday()][..3]),
            ('E' | 'e', 4) => write!(out, "{}", DAYS[self.weekday()]),
            ('E' | 'e', 5) => write!(out, "{}", &DAYS[self.weekday()][..1]),
            ('e' | 'c', _) => write!(out, "{:0count$}", self.weekday() + 1),
            ('a', _) => write!(out, "{}", self.half()),
            // Here the day within a week that began on the 1st; of SimpleDateFormat the number of that week.
            ('F', _) => write!(out, "{}", (self.date.day - 1) % 7 + 1),
            ('S', _) => write!(out, "{}", &format!("{:06}000", self.of_day % 1_000_000)[..count.min(9)]),
            ('n', _) => write!(out, "{:0count$}", self.of_day % 1_000_000 * 1_000),
            ('A', _) => write!(out, "{:0count$}", self.of_day / 1_000),
            ('N', _) => write!(out, "{:0count$}", self.of_day * 1_000),
            _ => write!(out, "{:0count$}", self.number(letter)),
        };
    }

    fn write_quarter(&self, count: usize, out: &mut String) {
        let quarter = (self.date.month - 1) / 3;
        let _ = match count {
            3 => write!(out, "Q{}", quarter + 1),
            4 => write!(out, "{} quarter", ["1st", "2nd", "3rd", "4th"][quarter as usize % 4]),
            _ => write!(out, "{:0width$}", quarter + 1, width = if count == 5 { 1 } else { count }),
        };
    }

    fn write_simple(&self, letter: char, count: usize, out: &mut String) {
        let _ = match (letter, count) {
            ('y', 2) => write!(out, "{:02}", self.year_of_era() % 100),
            ('Y', 2) => write!(out, "{:02}", self.week_of_year().0.rem_euclid(100)),
            ('y', _) => write!(out, "{:0count$}", self.year_of_era()),
            ('G', _) => write!(out, "{}", if self.date.year > 0 { "AD" } else { "BC" }),
            ('M' | 'L', 3) => write!(out, "{}", &self.month_name()[..3]),
            ('M' | 'L', 4..) => write!(out, "{}", self.month_name()),
            ('E', ..=3) => write!(out, "{}", &DAYS[self.weekday()][..3]),
            ('E', _) => write!(out, "{}", DAYS[self.weekday()]),
            // Monday is 1 here.
            ('u', _) => write!(out, "{:0count$}", (self.weekday() + 6) % 7 + 1),
            ('a', _) => write!(out, "{}", self.half()),
            ('S', _) => write!(out, "{:0count$}", self.of_day % 1_000_000 / 1_000),
            ('z', ..=3) => write!(out, "UTC"),
            ('z', _) => write!(out, "Coordinated Universal Time"),
            ('Z', _) => write!(out, "+0000"),
            ('X', _) => write!(out, "Z"),
            _ => write!(out, "{:0count$}", self.number(letter)),
        };
    }
}

/// Two letters: the last two digits. From four on, a year with more digits has a sign.
fn write_year(year: i64, count: usize, out: &mut String) {
    let _ = match count {
        2 => write!(out, "{:02}", year.rem_euclid(100)),
        4.. if year >= 10i64.checked_pow(count as u32).unwrap_or(i64::MAX) => write!(out, "+{year}"),
        _ if year < 0 => write!(out, "-{:0count$}", -year),
        _ => write!(out, "{year:0count$}"),
    };
}
