//! Units of time, and INTERVAL literals: `'5' SECOND`, `'1:30' MINUTE TO SECOND`, `'2 03:04:05.6' DAY TO SECOND`, `'1-2' YEAR TO MONTH`.

use super::{Parsed, Parser};
use crate::plan::TimeUnit;
use crate::sql::ast::{Ident, Interval};
use crate::sql::lexer::TokenKind;
use crate::sql::span::{Problem, nearest};

/// Coarse to fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Field {
    /// What one of it is in months, or in milliseconds.
    fn size(self) -> i64 {
        match self {
            Field::Year => 12,
            Field::Month => 1,
            Field::Day => 86_400_000,
            Field::Hour => 3_600_000,
            Field::Minute => 60_000,
            Field::Second => 1_000,
        }
    }

    /// The largest value of a field that is not the first.
    fn limit(self) -> i64 {
        match self {
            Field::Year | Field::Day => i64::MAX,
            Field::Month => 11,
            Field::Hour => 23,
            Field::Minute | Field::Second => 59,
        }
    }

    fn next(self) -> Option<Field> {
        match self {
            Field::Year => Some(Field::Month),
            Field::Day => Some(Field::Hour),
            Field::Hour => Some(Field::Minute),
            Field::Minute => Some(Field::Second),
            Field::Month | Field::Second => None,
        }
    }

    /// What stands in the text after this field.
    fn separator(self) -> char {
        match self {
            Field::Year => '-',
            Field::Day => ' ',
            _ => ':',
        }
    }
}

/// `SECOND`, `DAY TO SECOND`; a WEEK is a `from` of 7 days, a QUARTER of 3 months.
pub(super) struct Range {
    from: Field,
    times: i64,
    to: Field,
}

impl Range {
    /// Whether its length is in months, else it is in milliseconds.
    pub(super) fn in_months(&self) -> bool {
        self.from <= Field::Month
    }
}

impl Parser {
    /// Whether a unit stands here; to Flink none of them is the name of what stands before it.
    pub(super) fn at_interval_unit(&self) -> bool {
        const UNITS: [&str; 8] = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"];
        UNITS.iter().any(|word| self.at_word(word))
    }

    /// What follows the word INTERVAL.
    pub(super) fn interval(&mut self) -> Parsed<Interval> {
        let negative = self.take_symbol("-");
        if !negative {
            self.take_symbol("+");
        }
        if let TokenKind::Number(number) = &self.token(0).kind {
            let help = format!("write it as a text: INTERVAL '{number}' SECOND");
            return Err(Problem::new(self.span(), "the number of an interval stands in quotes").help(help));
        }
        let text = self.text("the interval's value in quotes, as in INTERVAL '5' SECOND")?;
        let range = self.interval_range()?;
        let Range { from, times, to } = range;
        let value = value_of(&text.name, from, to).and_then(|value| value.checked_mul(times));
        let Some(value) = value.filter(|value| value.unsigned_abs() <= 100_000_000_000_000) else {
            return Err(wrong_value(&text, from, to));
        };
        let value = if negative { -value } else { value };
        Ok(if range.in_months() { Interval::Months(value) } else { Interval::Millis(value) })
    }

    /// `SECOND`, `DAY TO SECOND`
    pub(super) fn interval_range(&mut self) -> Parsed<Range> {
        let (from, times) = self.interval_unit()?;
        let mut to = from;
        if self.take_word("TO") {
            let span = self.span();
            to = self.interval_unit()?.0;
            if from.next().is_none_or(|next| to < next) || (from == Field::Year && to != Field::Month) {
                return Err(Problem::new(span, "an interval goes from a coarse unit to a finer one")
                    .help("YEAR TO MONTH, DAY TO SECOND, MINUTE TO SECOND …"));
            }
        }
        Ok(Range { from, times, to })
    }

    /// A unit, singular or plural, with a precision that changes nothing; WEEK is 7 DAY and QUARTER 3 MONTH.
    fn interval_unit(&mut self) -> Parsed<(Field, i64)> {
        let TokenKind::Word(word) = &self.token(0).kind else { return Err(self.unexpected("a unit such as SECOND")) };
        let found = match word.to_ascii_uppercase().as_str() {
            "YEAR" | "YEARS" => (Field::Year, 1),
            "QUARTER" | "QUARTERS" => (Field::Month, 3),
            "MONTH" | "MONTHS" => (Field::Month, 1),
            "WEEK" | "WEEKS" => (Field::Day, 7),
            "DAY" | "DAYS" => (Field::Day, 1),
            "HOUR" | "HOURS" => (Field::Hour, 1),
            "MINUTE" | "MINUTES" => (Field::Minute, 1),
            "SECOND" | "SECONDS" => (Field::Second, 1),
            "MILLISECOND" | "MILLISECONDS" => {
                return Err(Problem::new(self.span(), "intervals have no unit MILLISECOND")
                    .help("write INTERVAL '0.5' SECOND for half a second"));
            }
            _ => return Err(self.unexpected("a unit: YEAR, MONTH, WEEK, DAY, HOUR, MINUTE or SECOND")),
        };
        self.advance();
        if self.take_symbol("(") {
            self.number(1, 10, "the precision")?;
            if self.take_symbol(",") {
                self.number(0, 9, "the precision")?;
            }
            self.expect_symbol(")")?;
        }
        Ok(found)
    }

    /// The unit of EXTRACT, which knows more of them, or of FLOOR … TO, TIMESTAMPADD and the like.
    pub(super) fn time_unit(&mut self, extract: bool) -> Parsed<TimeUnit> {
        const NAMES: [&str; 9] = ["MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
        let span = self.span();
        let TokenKind::Word(word) = &self.token(0).kind else { return Err(self.unexpected("a unit such as MINUTE")) };
        let upper = word.to_ascii_uppercase();
        let unit = match upper.strip_prefix("SQL_TSI_").unwrap_or(&upper) {
            "MILLISECOND" => TimeUnit::Millisecond,
            "SECOND" => TimeUnit::Second,
            "MINUTE" => TimeUnit::Minute,
            "HOUR" => TimeUnit::Hour,
            "DAY" => TimeUnit::Day,
            "WEEK" => TimeUnit::Week,
            "MONTH" => TimeUnit::Month,
            "QUARTER" => TimeUnit::Quarter,
            "YEAR" => TimeUnit::Year,
            "DOW" if extract => TimeUnit::Dow,
            "DOY" if extract => TimeUnit::Doy,
            "DECADE" => TimeUnit::Decade,
            "CENTURY" => TimeUnit::Century,
            "MILLENNIUM" => TimeUnit::Millennium,
            "EPOCH" if extract => TimeUnit::Epoch,
            "ISODOW" if extract => TimeUnit::Isodow,
            "ISOYEAR" if extract => TimeUnit::Isoyear,
            "MICROSECOND" if extract => TimeUnit::Microsecond,
            "NANOSECOND" if extract => TimeUnit::Nanosecond,
            other @ ("EPOCH" | "ISODOW" | "ISOYEAR" | "MICROSECOND" | "NANOSECOND") => {
                return Err(Problem::unsupported(span, &format!("the unit {other} here")));
            }
            _ => {
                let near = nearest(&upper, NAMES);
                let problem = Problem::new(span, format!("{word} is no unit of time"));
                return Err(match near {
                    Some(near) => problem.help(format!("did you mean {near}?")),
                    None => problem
                        .help("the units are MILLISECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER and YEAR"),
                });
            }
        };
        self.advance();
        Ok(unit)
    }
}

fn wrong_value(text: &Ident, from: Field, to: Field) -> Problem {
    let example = match (from, to) {
        (Field::Year, Field::Month) => "'1-2' YEAR TO MONTH",
        (Field::Day, Field::Hour) => "'2 03' DAY TO HOUR",
        (Field::Day, Field::Minute) => "'2 03:04' DAY TO MINUTE",
        (Field::Day, Field::Second) => "'2 03:04:05.6' DAY TO SECOND",
        (Field::Hour, Field::Minute) => "'3:04' HOUR TO MINUTE",
        (Field::Hour, Field::Second) => "'3:04:05.6' HOUR TO SECOND",
        (Field::Minute, Field::Second) => "'1:30' MINUTE TO SECOND",
        (Field::Year, _) => "'5' YEAR",
        (Field::Month, _) => "'5' MONTH",
        (Field::Day, _) => "'5' DAY",
        (Field::Hour, _) => "'5' HOUR",
        (Field::Minute, _) => "'5' MINUTE",
        (Field::Second, _) => "'5' SECOND",
    };
    Problem::new(text.span, format!("'{}' is no value of this interval", text.name))
        .help(format!("for example INTERVAL {example}"))
}

/// The value in months or milliseconds.
fn value_of(text: &str, from: Field, to: Field) -> Option<i64> {
    let text = text.trim();
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total: i64 = 0;
    let mut field = from;
    loop {
        let last = field == to;
        let (part, after) = match last {
            true => (rest, ""),
            false => rest.split_once(field.separator())?,
        };
        let value = match field {
            Field::Second => seconds(part)?,
            _ => whole(part)?.checked_mul(field.size())?,
        };
        if field != from && value / field.size() > field.limit() {
            return None;
        }
        total = total.checked_add(value)?;
        if last {
            return Some(if negative { -total } else { total });
        }
        rest = after;
        field = field.next()?;
    }
}

fn whole(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// `5` or `5.25` in milliseconds; finer digits are cut off.
fn seconds(text: &str) -> Option<i64> {
    let (seconds, fraction) = match text.split_once('.') {
        Some((seconds, fraction)) => (seconds, fraction),
        None => (text, "0"),
    };
    if fraction.len() > 9 {
        return None;
    }
    whole(fraction)?;
    let millis: String = fraction.chars().chain("00".chars()).take(3).collect();
    whole(seconds)?.checked_mul(1_000)?.checked_add(whole(&millis)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(value_of("5", Field::Second, Field::Second), Some(5_000));
        assert_eq!(value_of("0.5", Field::Second, Field::Second), Some(500));
        assert_eq!(value_of("90", Field::Minute, Field::Minute), Some(5_400_000));
        assert_eq!(value_of("1:30", Field::Minute, Field::Second), Some(90_000));
        assert_eq!(value_of("2 03:04:05.6", Field::Day, Field::Second), Some(((2 * 24 + 3) * 60 + 4) * 60_000 + 5_600));
        assert_eq!(value_of("-1 12", Field::Day, Field::Hour), Some(-36 * 3_600_000));
        assert_eq!(value_of("1-2", Field::Year, Field::Month), Some(14));
        for (wrong, from, to) in [
            ("1:60", Field::Minute, Field::Second),
            ("x", Field::Second, Field::Second),
            ("", Field::Day, Field::Day),
            ("1", Field::Minute, Field::Second),
            ("1-12", Field::Year, Field::Month),
            ("1.5", Field::Minute, Field::Minute),
            ("99999999999999999999", Field::Second, Field::Second),
        ] {
            assert_eq!(value_of(wrong, from, to), None, "{wrong}");
        }
    }
}
