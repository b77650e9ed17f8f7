//! CAST and TRY_CAST. TRY_CAST gives NULL where CAST fails; a failure inside its operand stays one.

use std::fmt::Write;
use std::sync::Arc;

use super::arithmetic::wrapper;
use super::compile::{Compiler, scale_of, unsupported};
use super::typed::{Answer, Blob, Bool, Dec, Double, Eval, Int, Kind, Str, Text, unary};
use super::{Reason, excerpt, nested, parse};
use crate::model::DataType;
use crate::model::civil::{self, MICROS_PER_DAY, MICROS_PER_MILLI, MILLIS_PER_DAY, cut_digits};
use crate::model::decimal::{DecimalType, Scaled};
use crate::model::double::{write_double, write_float};
use crate::plan::Expr;

/// A parsed text, or what a failed cast gives.
fn parsed<T>(value: Option<T>, text: &str, to: DataType, safe: bool) -> Answer<T> {
    match value {
        None if !safe => Err(Reason::Cast { value: excerpt(text), to: to.to_string() }.into()),
        value => Ok(value),
    }
}

fn from_text<K: Kind>(
    compiler: &mut Compiler<'_>,
    operand: &Expr,
    safe: bool,
    to: DataType,
    parse: impl Fn(&str) -> Option<K> + Send + Sync + 'static,
) -> Eval<K> {
    unary(compiler.compile::<Str>(operand), move |text| parsed(parse(&text), &text, to, safe))
}

pub fn to_boolean(compiler: &mut Compiler<'_>, operand: &Expr, safe: bool) -> Eval<Bool> {
    match operand.data_type {
        DataType::Null | DataType::Boolean => compiler.compile(operand),
        DataType::String => from_text(compiler, operand, safe, DataType::Boolean, parse::boolean),
        DataType::Float | DataType::Double => unary(compiler.compile::<Double>(operand), |n| Ok(Some(n != 0.0))),
        DataType::Decimal { .. } => unary(compiler.compile::<Dec>(operand), |n| Ok(Some(n != 0))),
        data_type if data_type.is_integer() => unary(compiler.compile::<Int>(operand), |n| Ok(Some(n != 0))),
        _ => unsupported(operand),
    }
}

/// To everything that is an `i64` inside: integers, intervals, DATE, TIME, TIMESTAMP.
pub fn to_int(compiler: &mut Compiler<'_>, operand: &Expr, safe: bool, to: DataType) -> Eval<Int> {
    let from = operand.data_type;
    match to {
        DataType::Date => match from {
            DataType::String => from_text(compiler, operand, safe, to, parse::date),
            DataType::Null | DataType::Date => compiler.compile(operand),
            _ if from.is_timestamp() => {
                unary(compiler.compile::<Int>(operand), |t| Ok(Some(t.div_euclid(MICROS_PER_DAY))))
            }
            _ => unsupported(operand),
        },
        DataType::Time(digits) => match from {
            DataType::String => from_text(compiler, operand, safe, to, move |text| {
                parse::time(text).map(|millis| cut_time(millis, digits))
            }),
            DataType::Null => compiler.compile(operand),
            DataType::Time(_) => unary(compiler.compile::<Int>(operand), move |t| Ok(Some(cut_time(t, digits)))),
            _ if from.is_timestamp() => unary(compiler.compile::<Int>(operand), move |t| {
                Ok(Some(cut_time(t.rem_euclid(MICROS_PER_DAY) / MICROS_PER_MILLI, digits)))
            }),
            _ => unsupported(operand),
        },
        DataType::Timestamp(digits) | DataType::TimestampLtz(digits) => {
            to_timestamp(compiler, operand, safe, to, digits)
        }
        _ => to_integer(compiler, operand, safe, to),
    }
}

fn to_timestamp(compiler: &mut Compiler<'_>, operand: &Expr, safe: bool, to: DataType, digits: u8) -> Eval<Int> {
    let from = operand.data_type;
    let cut = move |micros: i64| cut_digits(micros, digits);
    match from {
        DataType::String => from_text(compiler, operand, safe, to, move |text| parse::timestamp(text).map(cut)),
        DataType::Date => unary(compiler.compile::<Int>(operand), |days| Ok(days.checked_mul(MICROS_PER_DAY))),
        DataType::Time(_) => unary(compiler.compile::<Int>(operand), |millis| Ok(Some(millis * MICROS_PER_MILLI))),
        DataType::Null => compiler.compile(operand),
        DataType::Timestamp(had) | DataType::TimestampLtz(had) if had <= digits => compiler.compile(operand),
        DataType::Timestamp(_) | DataType::TimestampLtz(_) => {
            unary(compiler.compile::<Int>(operand), move |micros| Ok(Some(cut(micros))))
        }
        _ => unsupported(operand),
    }
}

/// Cuts a time of day to so many digits of the second.
fn cut_time(millis: i64, digits: u8) -> i64 {
    millis - millis % 10i64.pow(3u32.saturating_sub(u32::from(digits)))
}

fn to_integer(compiler: &mut Compiler<'_>, operand: &Expr, safe: bool, to: DataType) -> Eval<Int> {
    let wrap = wrapper(to);
    match operand.data_type {
        DataType::Boolean => unary(compiler.compile::<Bool>(operand), |truth| Ok(Some(i64::from(truth)))),
        DataType::String => from_text(compiler, operand, safe, to, move |text| {
            parse::integer(text).filter(|number| wrap(*number) == *number)
        }),
        // Saturates to 64 or 32 bits; narrower types are then cut, as Java does it.
        DataType::Float | DataType::Double if to == DataType::BigInt => {
            unary(compiler.compile::<Double>(operand), |number| Ok(Some(number as i64)))
        }
        DataType::Float | DataType::Double => {
            unary(compiler.compile::<Double>(operand), move |number| Ok(Some(wrap(i64::from(number as i32)))))
        }
        DataType::Decimal { scale, .. } => unary(compiler.compile::<Dec>(operand), move |unscaled| {
            Ok(Some(wrap(Scaled { unscaled, scale }.truncated() as i64)))
        }),
        from if from.is_integer() || from.is_interval() || from == DataType::Null => {
            unary(compiler.compile::<Int>(operand), move |number| Ok(Some(wrap(number))))
        }
        _ => unsupported(operand),
    }
}

pub fn to_double(compiler: &mut Compiler<'_>, operand: &Expr, safe: bool, to: DataType) -> Eval<Double> {
    match operand.data_type {
        DataType::Boolean => unary(compiler.compile::<Bool>(operand), |truth| Ok(Some(f64::from(u8::from(truth))))),
        DataType::String => from_text(compiler, operand, safe, to, parse::double),
        DataType::Decimal { scale, .. } => {
            unary(compiler.compile::<Dec>(operand), move |unscaled| Ok(Some(Scaled { unscaled, scale }.to_double())))
        }
        DataType::Null | DataType::Float | DataType::Double => compiler.compile(operand),
        from if from.is_integer() => unary(compiler.compile::<Int>(operand), |number| Ok(Some(number as f64))),
        _ => unsupported(operand),
    }
}

/// A number with too many digits becomes NULL, as in Flink; a text fails.
pub fn to_decimal(compiler: &mut Compiler<'_>, operand: &Expr, safe: bool, to: DecimalType) -> Eval<Dec> {
    let data_type = DataType::Decimal { precision: to.precision, scale: to.scale };
    match operand.data_type {
        DataType::Boolean => unary(compiler.compile::<Bool>(operand), move |truth| {
            Ok(to.rescale(Scaled { unscaled: i128::from(truth), scale: 0 }))
        }),
        DataType::String => {
            from_text(compiler, operand, safe, data_type, move |text| to.parse(text.trim_matches(|c: char| c <= ' ')))
        }
        DataType::Float | DataType::Double => unary(compiler.compile::<Double>(operand), move |number| {
            if number.is_finite() {
                Ok(to.from_double(number))
            } else {
                parsed(None, &number.to_string(), data_type, safe)
            }
        }),
        DataType::Decimal { .. } => {
            let scale = scale_of(operand);
            unary(compiler.compile::<Dec>(operand), move |unscaled| Ok(to.rescale(Scaled { unscaled, scale })))
        }
        from if from.is_integer() || from == DataType::Null => unary(compiler.compile::<Int>(operand), move |number| {
            Ok(to.rescale(Scaled { unscaled: i128::from(number), scale: 0 }))
        }),
        _ => unsupported(operand),
    }
}

pub fn to_bytes(compiler: &mut Compiler<'_>, operand: &Expr) -> Eval<Blob> {
    match operand.data_type {
        DataType::Null | DataType::Bytes => compiler.compile(operand),
        DataType::String => unary(compiler.compile::<Str>(operand), |text| Ok(Some(Arc::from(text.as_bytes())))),
        _ => unsupported(operand),
    }
}

pub fn to_text(compiler: &mut Compiler<'_>, operand: &Expr) -> Eval<Str> {
    let made = |text: String| Ok(Some(Text::Made(text)));
    match operand.data_type {
        DataType::Null | DataType::String => compiler.compile(operand),
        DataType::Boolean => unary(compiler.compile::<Bool>(operand), |truth| {
            Ok(Some(Text::Fixed(if truth { "TRUE" } else { "FALSE" })))
        }),
        DataType::Array(_) | DataType::Map(_) | DataType::Row(_) => nested::to_text(compiler, operand),
        DataType::Bytes => {
            unary(compiler.compile::<Blob>(operand), move |bytes| made(String::from_utf8_lossy(&bytes).into_owned()))
        }
        DataType::Double => written::<Double>(compiler.compile(operand), |number, out| write_double(*number, out)),
        DataType::Float => written::<Double>(compiler.compile(operand), |number, out| write_float(*number as f32, out)),
        DataType::Decimal { scale, .. } => {
            unary(compiler.compile::<Dec>(operand), move |unscaled| made(Scaled { unscaled, scale }.to_string()))
        }
        // Writing into a String cannot fail.
        DataType::Date => written::<Int>(compiler.compile(operand), |days, out| {
            let _ = civil::write_date(*days, out);
        }),
        DataType::Time(_) => written::<Int>(compiler.compile(operand), |millis, out| {
            let digits = if millis % 1_000 == 0 { 0 } else { 3 };
            let _ = civil::write_time(millis.rem_euclid(MILLIS_PER_DAY) * MICROS_PER_MILLI, digits, out);
        }),
        DataType::Timestamp(digits) | DataType::TimestampLtz(digits) => {
            written::<Int>(compiler.compile(operand), move |micros, out| {
                let _ = civil::write_timestamp(*micros, ' ', usize::from(digits), out);
            })
        }
        DataType::IntervalMonths => written::<Int>(compiler.compile(operand), |months, out| {
            let sign = if *months < 0 { '-' } else { '+' };
            let months = months.unsigned_abs();
            let _ = write!(out, "{sign}{}-{:02}", months / 12, months % 12);
        }),
        DataType::IntervalMillis => written::<Int>(compiler.compile(operand), |millis, out| {
            let sign = if *millis < 0 { '-' } else { '+' };
            let millis = millis.unsigned_abs();
            let day = MILLIS_PER_DAY.unsigned_abs();
            let _ = write!(out, "{sign}{} ", millis / day);
            let _ = civil::write_time((millis % day) as i64 * MICROS_PER_MILLI, 3, out);
        }),
        _ => written::<Int>(compiler.compile(operand), |number, out| {
            let _ = write!(out, "{number}");
        }),
    }
}

fn written<K: Kind>(operand: Eval<K>, write: impl Fn(&K, &mut String) + Send + Sync + 'static) -> Eval<Str> {
    unary(operand, move |value| {
        let mut out = String::new();
        write(&value, &mut out);
        Ok(Some(Text::Made(out)))
    })
}
