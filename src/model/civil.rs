//! The proleptic Gregorian calendar: days and microseconds since 1970-01-01 to and from year, month, day, and text.
//!
//! Day arithmetic is Howard Hinnant's `days_from_civil` / `civil_from_days`
//! (<https://howardhinnant.github.io/date_algorithms.html>). No time zone but UTC, no leap seconds.

use std::fmt::{self, Write};

pub const MICROS_PER_MILLI: i64 = 1_000;
pub const MILLIS_PER_DAY: i64 = 86_400_000;
pub const MICROS_PER_DAY: i64 = MILLIS_PER_DAY * MICROS_PER_MILLI;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CivilDate {
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

impl CivilDate {
    /// `None` if there is no such day.
    pub fn new(year: i64, month: u32, day: u32) -> Option<CivilDate> {
        let exists = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        exists.then_some(CivilDate { year, month, day })
    }

    pub fn from_days(days: i64) -> CivilDate {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = (if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 }) as u32;
        CivilDate { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// Days since 1970-01-01.
    pub fn to_days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = i64::from(if self.month > 2 { self.month - 3 } else { self.month + 9 });
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// 1 to 366.
    pub fn day_of_year(self) -> i64 {
        self.to_days() - CivilDate { year: self.year, month: 1, day: 1 }.to_days() + 1
    }

    /// The same day `months` later, or the last one of a shorter month.
    pub fn plus_months(self, months: i64) -> CivilDate {
        let total = self.year * 12 + i64::from(self.month) - 1 + months;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
        CivilDate { year, month, day: self.day.min(days_in_month(year, month)) }
    }
}

pub fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Sunday is 1, as SQL's DOW.
pub fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7) + 1
}

/// ISO 8601: the year that the week belongs to, and its number from 1 to 53.
pub fn iso_week(days: i64) -> (i64, i64) {
    // A week belongs to the year that holds its Thursday.
    let thursday = CivilDate::from_days(days - (days + 3).rem_euclid(7) + 3);
    (thursday.year, (thursday.day_of_year() - 1) / 7 + 1)
}

/// `2026-03-01`. Beyond four digits a sign leads, as ISO 8601 and Java have it.
pub fn write_date(days: i64, out: &mut impl Write) -> fmt::Result {
    let CivilDate { year, month, day } = CivilDate::from_days(days);
    if (0..=9_999).contains(&year) {
        // The common case without the formatter's machinery.
        write_digits::<4>(year as u32, out)?;
    } else if year > 9_999 {
        write!(out, "+{year}")?;
    } else {
        write!(out, "-{:04}", -year)?;
    }
    out.write_char('-')?;
    write_digits::<2>(month, out)?;
    out.write_char('-')?;
    write_digits::<2>(day, out)
}

/// `08:15:30`, and as many digits of the second as asked for, at most 6.
pub fn write_time(micros: i64, digits: usize, out: &mut impl Write) -> fmt::Result {
    let seconds = micros / 1_000_000;
    write_digits::<2>((seconds / 3_600) as u32, out)?;
    out.write_char(':')?;
    write_digits::<2>((seconds / 60 % 60) as u32, out)?;
    out.write_char(':')?;
    write_digits::<2>((seconds % 60) as u32, out)?;
    let fraction = (micros % 1_000_000) as u32;
    match digits {
        0 => Ok(()),
        3 => {
            out.write_char('.')?;
            write_digits::<3>(fraction / 1_000, out)
        }
        _ => {
            let digits = digits.min(6);
            let fraction = fraction / 10u32.pow(6 - digits as u32);
            write!(out, ".{fraction:0digits$}")
        }
    }
}

/// Date, `separator`, time.
pub fn write_timestamp(micros: i64, separator: char, digits: usize, out: &mut impl Write) -> fmt::Result {
    write_date(micros.div_euclid(MICROS_PER_DAY), out)?;
    out.write_char(separator)?;
    write_time(micros.rem_euclid(MICROS_PER_DAY), digits, out)
}

fn write_digits<const N: usize>(mut number: u32, out: &mut impl Write) -> fmt::Result {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
}

/// Cuts microseconds to so many digits of a second, towards the past.
pub fn cut_digits(micros: i64, digits: u8) -> i64 {
    if digits >= 6 { micros } else { micros.saturating_sub(micros.rem_euclid(10i64.pow(6 - u32::from(digits)))) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn days(year: i64, month: u32, day: u32) -> i64 {
        CivilDate::new(year, month, day).expect("a day").to_days()
    }

    #[test]
    fn known_days() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1), 11_017);
        assert_eq!(days(1969, 12, 31), -1);
        assert_eq!(days(0, 3, 1), -719_468);
        assert_eq!(day_of_week(days(2026, 3, 1)), 1);
        assert_eq!(day_of_week(days(1970, 1, 1)), 5);
        assert_eq!(iso_week(days(2026, 12, 31)), (2026, 53));
        assert_eq!(iso_week(days(2027, 1, 1)), (2026, 53));
        assert_eq!(iso_week(days(2000, 1, 1)), (1999, 52));
        assert_eq!(iso_week(days(2026, 2, 28)), (2026, 9));
        assert_eq!(CivilDate::new(2026, 2, 29), None);
        assert_eq!(CivilDate::new(2024, 13, 1), None);
        assert_eq!(days(2024, 2, 29), days(2024, 1, 31) + 29);
    }

    #[test]
    fn texts() {
        let text = |micros, digits| {
            let mut out = String::new();
            write_timestamp(micros, ' ', digits, &mut out).expect("a String takes all");
            out
        };
        assert_eq!(text(0, 3), "1970-01-01 00:00:00.000");
        assert_eq!(text(-1, 6), "1969-12-31 23:59:59.999999");
        assert_eq!(text(1_772_352_930_123_000, 3), "2026-03-01 08:15:30.123");
        assert_eq!(text(1_772_352_930_120_000, 2), "2026-03-01 08:15:30.12");
        assert_eq!(text(1_772_352_930_123_000, 0), "2026-03-01 08:15:30");
    }

    proptest! {
        #[test]
        fn days_and_dates_are_one_to_one(number in -200_000_000i64..200_000_000) {
            let date = CivilDate::from_days(number);
            prop_assert_eq!(date.to_days(), number);
            prop_assert_eq!(CivilDate::new(date.year, date.month, date.day), Some(date));
            prop_assert!(CivilDate::from_days(number + 1) > date);
        }

        #[test]
        fn agrees_with_jiff(number in -700_000i32..2_900_000) {
            let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(number)).expect("in range");
            let ours = CivilDate::from_days(i64::from(number));
            prop_assert_eq!(ours.year, i64::from(date.year()));
            prop_assert_eq!(ours.month, date.month() as u32);
            prop_assert_eq!(ours.day, date.day() as u32);
            prop_assert_eq!(ours.day_of_year(), i64::from(date.day_of_year()));
            let week = date.iso_week_date();
            prop_assert_eq!(iso_week(i64::from(number)), (i64::from(week.year()), i64::from(week.week())));
            prop_assert_eq!(day_of_week(i64::from(number)), i64::from(date.weekday().to_sunday_one_offset()));
        }
    }
}
