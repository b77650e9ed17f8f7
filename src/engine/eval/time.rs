//! Functions of dates and times. Inside, DATE is days, TIME milliseconds, TIMESTAMP microseconds.

use super::compile::{Compiler, Pattern};
use super::date_pattern::DatePattern;
use super::typed::{Eval, Int, Str, Text, binary, eval, unary};
use super::{EvalError, Reason, parse, zones};
use crate::model::DataType;
use crate::model::civil::{
    CivilDate, MICROS_PER_DAY, MICROS_PER_MILLI, MILLIS_PER_DAY, cut_digits, day_of_week, iso_week,
};
use crate::plan::{Expr, Function, TimeUnit};

const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

fn out_of_range(what: &'static str) -> EvalError {
    Reason::TimeRange(what).into()
}

/// A time of the type as microseconds since 1970 (TIME: since midnight).
fn micros_of(value: i64, data_type: DataType) -> Option<i64> {
    match data_type {
        DataType::Date => value.checked_mul(MICROS_PER_DAY),
        DataType::Time(_) => value.checked_mul(MICROS_PER_MILLI),
        _ => Some(value),
    }
}

/// Microseconds back to what the type has inside.
fn value_of(micros: i64, data_type: DataType) -> i64 {
    match data_type {
        DataType::Date => micros.div_euclid(MICROS_PER_DAY),
        DataType::Time(_) => micros.div_euclid(MICROS_PER_MILLI).rem_euclid(MILLIS_PER_DAY),
        _ => micros,
    }
}

fn plus_months(micros: i64, months: i64) -> Option<i64> {
    // Beyond this no timestamp lies anyway.
    if months.abs() > 12 * 400_000 {
        return None;
    }
    let date = CivilDate::from_days(micros.div_euclid(MICROS_PER_DAY)).plus_months(months);
    date.to_days().checked_mul(MICROS_PER_DAY)?.checked_add(micros.rem_euclid(MICROS_PER_DAY))
}

/// `time + interval` or, if `negative`, `time - interval`.
pub fn add(compiler: &mut Compiler<'_>, time: &Expr, interval: &Expr, negative: bool) -> Eval<Int> {
    let (data_type, months) = (time.data_type, interval.data_type == DataType::IntervalMonths);
    binary(compiler.compile::<Int>(time), compiler.compile::<Int>(interval), move |value, interval| {
        let interval = if negative { interval.checked_neg() } else { Some(interval) };
        let moved = micros_of(value, data_type).zip(interval).and_then(|(micros, interval)| {
            if months && matches!(data_type, DataType::Time(_)) {
                Some(micros)
            } else if data_type == DataType::Date && !months {
                // Only its whole days move a date.
                micros.checked_add((interval / MILLIS_PER_DAY).checked_mul(MICROS_PER_DAY)?)
            } else if months {
                plus_months(micros, interval)
            } else {
                micros.checked_add(interval.checked_mul(MICROS_PER_MILLI)?)
            }
        });
        // A type of fewer than three digits cuts what the interval adds.
        let cut = |micros| match data_type {
            DataType::Timestamp(digits) | DataType::TimestampLtz(digits) if digits < 3 => cut_digits(micros, digits),
            _ => micros,
        };
        moved.map(|micros| Some(value_of(cut(micros), data_type))).ok_or_else(|| out_of_range("adding an interval"))
    })
}

pub fn int(compiler: &mut Compiler<'_>, function: Function, arguments: &[Expr], expr: &Expr) -> Option<Eval<Int>> {
    let to = expr.data_type;
    match (function, arguments) {
        (Function::CurrentTime, _) => Some(eval::<Int, _>(move |env| {
            let micros = env.context.now_ms.saturating_mul(MICROS_PER_MILLI);
            // CURRENT_TIME is TIME(0).
            let micros = if matches!(to, DataType::Time(_)) { cut_digits(micros, 0) } else { micros };
            Ok(Some(value_of(micros, to)))
        })),
        (Function::CurrentWatermark, _) => Some(eval::<Int, _>(|env| {
            Ok(env.context.watermark.map(|watermark| watermark.saturating_mul(MICROS_PER_MILLI)))
        })),
        (Function::UnixTimestamp, []) => Some(eval::<Int, _>(|env| Ok(Some(env.context.now_ms.div_euclid(1_000))))),
        (Function::UnixTimestamp, [text, pattern @ ..]) => Some(unix_timestamp(compiler, text, pattern.first())),
        (Function::ToTimestamp, [text, pattern @ ..]) => Some(to_timestamp(compiler, text, pattern.first(), 3)),
        (Function::ToDate, [text, pattern @ ..]) => Some(to_date(compiler, text, pattern.first())),
        (Function::ToTimestampLtz, [number, precision]) => {
            let digits = if let DataType::TimestampLtz(digits) = to { digits } else { 3 };
            let (number, precision) = (compiler.compile::<Int>(number), compiler.compile::<Int>(precision));
            Some(binary(number, precision, move |number, precision| {
                Ok(to_timestamp_ltz(number, precision).map(|micros| cut_digits(micros, digits)))
            }))
        }
        (Function::TextToTimestampLtz, [text, rest @ ..]) => {
            let digits = if let DataType::TimestampLtz(digits) = to { digits } else { 3 };
            let wall = to_timestamp(compiler, text, rest.first(), digits);
            match rest.get(1) {
                None => Some(wall),
                Some(zone) => {
                    Some(binary(wall, compiler.compile::<Str>(zone), |wall, zone| zones::moment(&zone, wall).map(Some)))
                }
            }
        }
        (Function::Extract(unit), [time]) => {
            let from = time.data_type;
            if from.is_interval() {
                return Some(unary(compiler.compile::<Int>(time), move |value| Ok(Some(of_interval(unit, value)))));
            }
            Some(unary(
                compiler.compile::<Int>(time),
                move |value| Ok(micros_of(value, from).map(|t| extract(unit, t))),
            ))
        }
        (Function::FloorTo(unit), [time]) => {
            let from = time.data_type;
            Some(unary(compiler.compile::<Int>(time), move |value| {
                let floored = micros_of(value, from).and_then(|micros| floor(unit, micros));
                floored.map(|micros| Some(value_of(micros, from))).ok_or_else(|| out_of_range("FLOOR"))
            }))
        }
        (Function::CeilTo(unit), [time]) => {
            let from = time.data_type;
            Some(unary(compiler.compile::<Int>(time), move |value| {
                let Some(micros) = micros_of(value, from) else { return Ok(None) };
                ceil(unit, micros).map(|micros| Some(value_of(micros, from))).ok_or_else(|| out_of_range("CEIL"))
            }))
        }
        (Function::TimestampAdd(unit), [count, time]) => {
            let from = time.data_type;
            Some(binary(compiler.compile::<Int>(count), compiler.compile::<Int>(time), move |count, value| {
                let moved = micros_of(value, from).and_then(|micros| plus(unit, micros, count));
                moved.map(|micros| Some(value_of(micros, to))).ok_or_else(|| out_of_range("TIMESTAMPADD"))
            }))
        }
        (Function::TimestampDiff(unit), [start, end]) => {
            let (start_type, end_type) = (start.data_type, end.data_type);
            Some(binary(compiler.compile::<Int>(start), compiler.compile::<Int>(end), move |start, end| {
                let both = micros_of(start, start_type).zip(micros_of(end, end_type));
                Ok(both.map(|(start, end)| i64::from(difference(unit, start, end) as i32)))
            }))
        }
        (Function::Elapsed, [end, start]) => {
            let (end_type, start_type, in_months) = (end.data_type, start.data_type, to == DataType::IntervalMonths);
            Some(binary(compiler.compile::<Int>(end), compiler.compile::<Int>(start), move |end, start| {
                let both = micros_of(start, start_type).zip(micros_of(end, end_type));
                let unit = if in_months { TimeUnit::Month } else { TimeUnit::Millisecond };
                Ok(both.map(|(start, end)| difference(unit, start, end)))
            }))
        }
        _ => None,
    }
}

pub fn text(compiler: &mut Compiler<'_>, function: Function, arguments: &[Expr]) -> Option<Eval<Str>> {
    let (first, rest) = arguments.split_first()?;
    let to_micros: fn(i64) -> Option<i64> = match function {
        Function::DateFormat if first.data_type.is_timestamp() => Some,
        Function::FromUnixtime => |seconds| seconds.checked_mul(1_000_000),
        _ => return None,
    };
    let time = compiler.compile::<Int>(first);
    let make = if function == Function::FromUnixtime { DatePattern::simple } else { DatePattern::modern };
    let pattern = pattern(compiler, rest.first(), make);
    Some(eval::<Str, _>(move |env| match time(env)? {
        Some(value) => pattern.with(env, |pattern| match to_micros(value) {
            Some(micros) => Ok(Some(Text::Made(pattern.format(micros)?))),
            None => Err(out_of_range("FROM_UNIXTIME")),
        }),
        None => Ok(None),
    }))
}

fn pattern(compiler: &mut Compiler<'_>, expr: Option<&Expr>, make: fn(&str) -> DatePattern) -> Pattern<DatePattern> {
    match expr {
        Some(expr) => Pattern::new(compiler, expr, make),
        None => Pattern::Fixed(Some(make(DEFAULT_PATTERN))),
    }
}

/// Without a pattern as CAST reads it. What does not have the pattern's form is read as JDBC reads it, else it is NULL;
/// a pattern that is none gives NULL.
fn to_timestamp(compiler: &mut Compiler<'_>, text: &Expr, form: Option<&Expr>, digits: u8) -> Eval<Int> {
    let text = compiler.compile::<Str>(text);
    if form.is_none() {
        return unary(text, move |text| Ok(parse::timestamp(&text).map(|micros| cut_digits(micros, digits))));
    }
    let pattern = pattern(compiler, form, DatePattern::modern);
    eval::<Int, _>(move |env| match text(env)? {
        Some(text) => pattern.with(env, |pattern| {
            let micros = pattern.parse(&text).ok().and_then(|micros| micros.or_else(|| parse::jdbc(&text)));
            Ok(micros.map(|micros| cut_digits(micros, digits)))
        }),
        None => Ok(None),
    })
}

/// The smallest BIGINT for a text of another form, as in Flink.
fn unix_timestamp(compiler: &mut Compiler<'_>, text: &Expr, form: Option<&Expr>) -> Eval<Int> {
    let text = compiler.compile::<Str>(text);
    let pattern = pattern(compiler, form, DatePattern::simple);
    eval::<Int, _>(move |env| match text(env)? {
        Some(text) => pattern.with(env, |pattern| {
            Ok(Some(pattern.parse(&text)?.map_or(i64::MIN, |micros| micros.div_euclid(1_000_000))))
        }),
        None => Ok(None),
    })
}

fn to_date(compiler: &mut Compiler<'_>, text: &Expr, form: Option<&Expr>) -> Eval<Int> {
    let text = compiler.compile::<Str>(text);
    if form.is_none() {
        return unary(text, |text| Ok(parse::date(&text)));
    }
    let pattern = pattern(compiler, form, DatePattern::simple);
    eval::<Int, _>(move |env| match text(env)? {
        Some(text) => {
            pattern.with(env, |pattern| Ok(pattern.parse(&text)?.map(|micros| micros.div_euclid(MICROS_PER_DAY))))
        }
        None => Ok(None),
    })
}

/// `number` counts seconds with so many decimals; NULL outside of the years 1 (or so) to 9999.
fn to_timestamp_ltz(number: i64, precision: i64) -> Option<i64> {
    const LEAST_MICROS: i128 = -62_167_219_200_000_000;
    const MOST_MICROS: i128 = 253_402_300_799_999_999;
    let micros = match precision {
        ..=6 => i128::from(number) * 10i128.pow(u32::try_from(6 - precision).ok().filter(|e| *e <= 18)?),
        7..=9 => i128::from(number).div_euclid(10i128.pow((precision - 6) as u32)),
        _ => return None,
    };
    (LEAST_MICROS..=MOST_MICROS).contains(&micros).then_some(micros as i64)
}

/// The number of the century or millennium, whose first year is 1, not 0.
fn span_of_years(year: i64, years: i64) -> i64 {
    if year > 0 { (year + years - 1) / years } else { -((years - 1 - year) / years) }
}

fn extract(unit: TimeUnit, micros: i64) -> i64 {
    let days = micros.div_euclid(MICROS_PER_DAY);
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let date = CivilDate::from_days(days);
    match unit {
        TimeUnit::Year => date.year,
        TimeUnit::Quarter => (i64::from(date.month) + 2) / 3,
        TimeUnit::Month => i64::from(date.month),
        TimeUnit::Week => iso_week(days).1,
        TimeUnit::Day => i64::from(date.day),
        TimeUnit::Dow => day_of_week(days),
        TimeUnit::Isodow => (days + 3).rem_euclid(7) + 1,
        TimeUnit::Isoyear => iso_week(days).0,
        TimeUnit::Epoch => micros.div_euclid(1_000_000),
        TimeUnit::Decade => date.year.div_euclid(10),
        TimeUnit::Century => span_of_years(date.year, 100),
        TimeUnit::Millennium => span_of_years(date.year, 1_000),
        TimeUnit::Doy => date.day_of_year(),
        TimeUnit::Hour => of_day / 3_600_000_000,
        TimeUnit::Minute => of_day / 60_000_000 % 60,
        TimeUnit::Second => of_day / 1_000_000 % 60,
        TimeUnit::Millisecond => of_day / 1_000 % 1_000,
        TimeUnit::Microsecond => of_day % 1_000_000,
        TimeUnit::Nanosecond => of_day % 1_000_000 * 1_000,
    }
}

/// A part of an interval of milliseconds, or of months for the units from months on.
fn of_interval(unit: TimeUnit, value: i64) -> i64 {
    match unit {
        TimeUnit::Millisecond => value % 60_000,
        TimeUnit::Second => value / 1_000 % 60,
        TimeUnit::Minute => value / 60_000 % 60,
        TimeUnit::Hour => value / 3_600_000 % 24,
        TimeUnit::Day => value / MILLIS_PER_DAY,
        TimeUnit::Month => value % 12,
        TimeUnit::Quarter => value % 12 / 3 + 1,
        _ => value / 12,
    }
}

/// Microseconds of the units that all are equally long.
fn fixed_micros(unit: TimeUnit) -> Option<i64> {
    Some(match unit {
        // The finer ones are for EXTRACT alone.
        TimeUnit::Nanosecond | TimeUnit::Microsecond | TimeUnit::Millisecond => 1_000,
        TimeUnit::Second | TimeUnit::Epoch => 1_000_000,
        TimeUnit::Minute => 60_000_000,
        TimeUnit::Hour => 3_600_000_000,
        TimeUnit::Day | TimeUnit::Dow | TimeUnit::Doy | TimeUnit::Isodow => MICROS_PER_DAY,
        TimeUnit::Week => 7 * MICROS_PER_DAY,
        TimeUnit::Month
        | TimeUnit::Quarter
        | TimeUnit::Year
        | TimeUnit::Isoyear
        | TimeUnit::Decade
        | TimeUnit::Century
        | TimeUnit::Millennium => return None,
    })
}

fn months_of(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Quarter => 3,
        TimeUnit::Year | TimeUnit::Isoyear => 12,
        TimeUnit::Decade => 120,
        TimeUnit::Century => 1_200,
        TimeUnit::Millennium => 12_000,
        _ => 1,
    }
}

/// `None` where that lies before the first timestamp.
fn floor(unit: TimeUnit, micros: i64) -> Option<i64> {
    let days = micros.div_euclid(MICROS_PER_DAY);
    let date = CivilDate::from_days(days);
    let first = |month| CivilDate { year: date.year, month, day: 1 }.to_days().checked_mul(MICROS_PER_DAY);
    let january = |year| CivilDate { year, month: 1, day: 1 }.to_days().checked_mul(MICROS_PER_DAY);
    match (unit, fixed_micros(unit)) {
        // A week begins on Sunday.
        (TimeUnit::Week, _) => (days - day_of_week(days) + 1).checked_mul(MICROS_PER_DAY),
        (_, Some(length)) => micros.checked_sub(micros.rem_euclid(length)),
        (TimeUnit::Month, None) => first(date.month),
        (TimeUnit::Quarter, None) => first((date.month - 1) / 3 * 3 + 1),
        (TimeUnit::Decade, None) => january(date.year.div_euclid(10) * 10),
        (TimeUnit::Century, None) => january((date.year - 1).div_euclid(100) * 100 + 1),
        (TimeUnit::Millennium, None) => january((date.year - 1).div_euclid(1_000) * 1_000 + 1),
        (_, None) => first(1),
    }
}

/// From weeks on Flink looks at the day only: any time of a first day belongs to that day. And of the quarters only the
/// first has a first day.
fn ceil(unit: TimeUnit, micros: i64) -> Option<i64> {
    let by_day = unit == TimeUnit::Week || fixed_micros(unit).is_none();
    let micros = if by_day { floor(TimeUnit::Day, micros)? } else { micros };
    let first = floor(if unit == TimeUnit::Quarter { TimeUnit::Year } else { unit }, micros)?;
    if first == micros { Some(micros) } else { plus(unit, floor(unit, micros)?, 1) }
}

fn plus(unit: TimeUnit, micros: i64, count: i64) -> Option<i64> {
    match fixed_micros(unit) {
        Some(length) => micros.checked_add(count.checked_mul(length)?),
        None => plus_months(micros, count.checked_mul(months_of(unit))?),
    }
}

/// Whole units from `start` to `end`, towards zero.
fn difference(unit: TimeUnit, start: i64, end: i64) -> i64 {
    match fixed_micros(unit) {
        Some(length) => {
            // Flink counts in milliseconds.
            let millis = |micros: i64| i128::from(micros.div_euclid(MICROS_PER_MILLI));
            ((millis(end) - millis(start)) / i128::from(length / MICROS_PER_MILLI)) as i64
        }
        None => months_between(start, end) / months_of(unit),
    }
}

/// Calcite's `DateTimeUtils.subtractMonths`: by days first, then by the time of day, also where that goes back.
fn months_between(start: i64, end: i64) -> i64 {
    let (start_day, end_day) = (start.div_euclid(MICROS_PER_DAY), end.div_euclid(MICROS_PER_DAY));
    let months = if end_day < start_day { -whole_months(end_day, start_day) } else { whole_months(start_day, end_day) };
    let landed = CivilDate::from_days(start_day).plus_months(months).to_days();
    let earlier_in_day = end.rem_euclid(MICROS_PER_DAY) < start.rem_euclid(MICROS_PER_DAY);
    if landed == end_day && earlier_in_day { months - 1 } else { months }
}

/// The most months that lead from a day to another without passing it.
fn whole_months(from: i64, to: i64) -> i64 {
    let (first, last) = (CivilDate::from_days(from), CivilDate::from_days(to));
    let months = (last.year - first.year) * 12 + i64::from(last.month) - i64::from(first.month);
    if first.plus_months(months).to_days() > to { months - 1 } else { months }
}
