//! Functions of dates and times. Inside, DATE is days, TIME milliseconds, TIMESTAMP microseconds.

use super::compile::{Compiler, Pattern};
use super::date_pattern::DatePattern;
use super::typed::{Eval, Int, Str, Text, binary, eval, unary};
use super::{EvalError, Reason};
use crate::model::DataType;
use crate::model::civil::{CivilDate, MICROS_PER_DAY, MICROS_PER_MILLI, MILLIS_PER_DAY, day_of_week, iso_week};
use crate::plan::{Expr, Function, TimeUnit};

const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

fn out_of_range(what: &'static str) -> EvalError {
    Reason::TimeRange(what).into()
}

/// A time of the type as microseconds since 1970 (TIME: since midnight).
fn micros_of(value: i64, data_type: DataType) -> Option<i64> {
    match data_type {
        DataType::Date => value.checked_mul(MICROS_PER_DAY),
        DataType::Time => value.checked_mul(MICROS_PER_MILLI),
        _ => Some(value),
    }
}

/// Microseconds back to what the type has inside.
fn value_of(micros: i64, data_type: DataType) -> i64 {
    match data_type {
        DataType::Date => micros.div_euclid(MICROS_PER_DAY),
        DataType::Time => micros.div_euclid(MICROS_PER_MILLI).rem_euclid(MILLIS_PER_DAY),
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
            if months {
                plus_months(micros, interval)
            } else {
                micros.checked_add(interval.checked_mul(MICROS_PER_MILLI)?)
            }
        });
        moved.map(|micros| Some(value_of(micros, data_type))).ok_or_else(|| out_of_range("adding an interval"))
    })
}

pub fn int(compiler: &mut Compiler<'_>, function: Function, arguments: &[Expr], expr: &Expr) -> Option<Eval<Int>> {
    let to = expr.data_type;
    match (function, arguments) {
        (Function::CurrentTime, _) => Some(eval::<Int, _>(move |env| {
            let micros = env.context.now_ms.saturating_mul(MICROS_PER_MILLI);
            Ok(Some(value_of(micros, to)))
        })),
        (Function::CurrentWatermark, _) => Some(eval::<Int, _>(|env| {
            Ok(env.context.watermark.map(|watermark| watermark.saturating_mul(MICROS_PER_MILLI)))
        })),
        (Function::UnixTimestamp, []) => Some(eval::<Int, _>(|env| Ok(Some(env.context.now_ms.div_euclid(1_000))))),
        (Function::UnixTimestamp, [text, pattern @ ..]) => {
            Some(parsed(compiler, text, pattern.first(), |micros| micros.div_euclid(1_000_000)))
        }
        (Function::ToTimestamp, [text, pattern @ ..]) => {
            Some(parsed(compiler, text, pattern.first(), |micros| micros - micros.rem_euclid(MICROS_PER_MILLI)))
        }
        (Function::ToDate, [text, pattern @ ..]) => Some(parsed_date(compiler, text, pattern.first())),
        (Function::ToTimestampLtz, [number, precision]) => {
            Some(binary(compiler.compile::<Int>(number), compiler.compile::<Int>(precision), |number, precision| {
                let unit = if precision == 0 { 1_000_000 } else { MICROS_PER_MILLI };
                number.checked_mul(unit).map(Some).ok_or_else(|| out_of_range("TO_TIMESTAMP_LTZ"))
            }))
        }
        (Function::Extract(unit), [time]) => {
            let from = time.data_type;
            Some(unary(
                compiler.compile::<Int>(time),
                move |value| Ok(micros_of(value, from).map(|t| extract(unit, t))),
            ))
        }
        (Function::FloorTo(unit), [time]) => {
            let from = time.data_type;
            Some(unary(compiler.compile::<Int>(time), move |value| {
                Ok(micros_of(value, from).map(|micros| value_of(floor(unit, micros), from)))
            }))
        }
        (Function::CeilTo(unit), [time]) => {
            let from = time.data_type;
            Some(unary(compiler.compile::<Int>(time), move |value| {
                let Some(micros) = micros_of(value, from) else { return Ok(None) };
                let floored = floor(unit, micros);
                let ceiled = if floored == micros { Some(micros) } else { plus(unit, floored, 1) };
                ceiled.map(|micros| Some(value_of(micros, from))).ok_or_else(|| out_of_range("CEIL"))
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
    let pattern = pattern(compiler, rest.first());
    Some(eval::<Str, _>(move |env| match time(env)? {
        Some(value) => pattern.with(env, |pattern| match to_micros(value) {
            Some(micros) => Ok(Some(Text::Made(pattern.format(micros)?))),
            None => Err(out_of_range("FROM_UNIXTIME")),
        }),
        None => Ok(None),
    }))
}

fn pattern(compiler: &mut Compiler<'_>, expr: Option<&Expr>) -> Pattern<DatePattern> {
    match expr {
        Some(expr) => Pattern::new(compiler, expr, DatePattern::new),
        None => Pattern::Fixed(Some(DatePattern::new(DEFAULT_PATTERN))),
    }
}

/// Text by a pattern, or as CAST reads it; NULL where it has another form.
fn parsed(compiler: &mut Compiler<'_>, text: &Expr, form: Option<&Expr>, then: fn(i64) -> i64) -> Eval<Int> {
    let text = compiler.compile::<Str>(text);
    let Some(form) = form else {
        return unary(text, move |text| Ok(super::parse::timestamp(&text).map(then)));
    };
    let pattern = pattern(compiler, Some(form));
    eval::<Int, _>(move |env| match text(env)? {
        Some(text) => pattern.with(env, |pattern| Ok(pattern.parse(&text)?.map(then))),
        None => Ok(None),
    })
}

fn parsed_date(compiler: &mut Compiler<'_>, text: &Expr, form: Option<&Expr>) -> Eval<Int> {
    match form {
        Some(form) => parsed(compiler, text, Some(form), |micros| micros.div_euclid(MICROS_PER_DAY)),
        None => unary(compiler.compile::<Str>(text), |text| Ok(super::parse::date(&text))),
    }
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
        TimeUnit::Doy => date.day_of_year(),
        TimeUnit::Hour => of_day / 3_600_000_000,
        TimeUnit::Minute => of_day / 60_000_000 % 60,
        TimeUnit::Second => of_day / 1_000_000 % 60,
        TimeUnit::Millisecond => of_day / 1_000 % 1_000,
    }
}

/// Microseconds of the units that all are equally long.
fn fixed_micros(unit: TimeUnit) -> Option<i64> {
    Some(match unit {
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Second => 1_000_000,
        TimeUnit::Minute => 60_000_000,
        TimeUnit::Hour => 3_600_000_000,
        TimeUnit::Day | TimeUnit::Dow | TimeUnit::Doy => MICROS_PER_DAY,
        TimeUnit::Week => 7 * MICROS_PER_DAY,
        TimeUnit::Month | TimeUnit::Quarter | TimeUnit::Year => return None,
    })
}

fn months_of(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Quarter => 3,
        TimeUnit::Year => 12,
        _ => 1,
    }
}

fn floor(unit: TimeUnit, micros: i64) -> i64 {
    let days = micros.div_euclid(MICROS_PER_DAY);
    let date = CivilDate::from_days(days);
    let first = |month| CivilDate { year: date.year, month, day: 1 }.to_days() * MICROS_PER_DAY;
    match (unit, fixed_micros(unit)) {
        // A week begins on Sunday.
        (TimeUnit::Week, _) => (days - day_of_week(days) + 1) * MICROS_PER_DAY,
        (_, Some(length)) => micros - micros.rem_euclid(length),
        (TimeUnit::Month, None) => first(date.month),
        (TimeUnit::Quarter, None) => first((date.month - 1) / 3 * 3 + 1),
        (_, None) => first(1),
    }
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
        Some(length) => (i128::from(end) - i128::from(start)) as i64 / length,
        None => months_between(start, end) / months_of(unit),
    }
}

/// Calcite's `DateTimeUtils.subtractMonths`: by days first, then by the time of day.
fn months_between(start: i64, end: i64) -> i64 {
    fn by_days(later: i64, earlier: i64) -> i64 {
        if later < earlier {
            return -by_days(earlier, later);
        }
        let first = CivilDate::from_days(earlier);
        let mut months = (later - earlier) / 31;
        while first.plus_months(months + 1).to_days() <= later {
            months += 1;
        }
        months
    }
    let (start_day, end_day) = (start.div_euclid(MICROS_PER_DAY), end.div_euclid(MICROS_PER_DAY));
    let months = by_days(end_day, start_day);
    let landed = CivilDate::from_days(start_day).plus_months(months).to_days();
    let earlier_in_day = end.rem_euclid(MICROS_PER_DAY) < start.rem_euclid(MICROS_PER_DAY);
    if months > 0 && landed == end_day && earlier_in_day { months - 1 } else { months }
}
