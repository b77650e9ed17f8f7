//! Functions of numbers.

use super::Reason;
use super::arithmetic::wrapper;
use super::compile::{Compiler, scale_of, unsupported};
use super::typed::{Answer, Dec, Double, Eval, Int, binary, eval, failing, unary};
use crate::model::DataType;
use crate::model::decimal::{DecimalType, Scaled, divide_half_up, power};
use crate::plan::{Expr, Function};

/// The optional second argument of ROUND and TRUNCATE.
fn digits(compiler: &mut Compiler<'_>, arguments: &[Expr]) -> Eval<Int> {
    match arguments.get(1) {
        Some(digits) => compiler.compile(digits),
        None => eval::<Int, _>(|_| Ok(Some(0))),
    }
}

pub fn int(compiler: &mut Compiler<'_>, function: Function, arguments: &[Expr], expr: &Expr) -> Option<Eval<Int>> {
    let wrap = wrapper(expr.data_type);
    let first = arguments.first().filter(|first| first.data_type.is_integer())?;
    Some(match function {
        Function::Abs => unary(compiler.compile::<Int>(first), move |n| Ok(Some(wrap(n.wrapping_abs())))),
        Function::Sign => unary(compiler.compile::<Int>(first), |n| Ok(Some(n.signum()))),
        Function::Floor | Function::Ceil => compiler.compile(first),
        Function::Round => binary(compiler.compile::<Int>(first), digits(compiler, arguments), move |n, digits| {
            Ok(Some(wrap(round_at(i128::from(n), 0, digits, divide_half_up) as i64)))
        }),
        Function::Truncate => binary(compiler.compile::<Int>(first), digits(compiler, arguments), move |n, digits| {
            Ok(Some(wrap(round_at(i128::from(n), 0, digits, |n, unit| n / unit) as i64)))
        }),
        _ => return None,
    })
}

/// Rounds to `digits` behind the point (before it, if negative) with the given division; the scale stays.
fn round_at(unscaled: i128, scale: u8, digits: i64, divide: fn(i128, i128) -> i128) -> i128 {
    match i64::from(scale).saturating_sub(digits) {
        ..=0 => unscaled,
        dropped @ 1..=38 => {
            let unit = power(dropped as u32);
            divide(unscaled, unit).saturating_mul(unit)
        }
        _ => 0,
    }
}

pub fn decimal(
    compiler: &mut Compiler<'_>,
    function: Function,
    arguments: &[Expr],
    to: DecimalType,
    expr: &Expr,
) -> Eval<Dec> {
    let Some(first) = arguments.first().filter(|first| matches!(first.data_type, DataType::Decimal { .. })) else {
        return unsupported(expr);
    };
    let scale = scale_of(first);
    let number = compiler.compile::<Dec>(first);
    match function {
        Function::Abs => unary(number, move |unscaled| Ok(to.rescale(Scaled { unscaled: unscaled.abs(), scale }))),
        Function::Sign => {
            unary(number, move |unscaled| Ok(to.rescale(Scaled { unscaled: unscaled.signum(), scale: 0 })))
        }
        Function::Floor => unary(number, move |unscaled| {
            Ok(to.rescale(Scaled { unscaled: Scaled { unscaled, scale }.floor(), scale: 0 }))
        }),
        Function::Ceil => unary(number, move |unscaled| {
            Ok(to.rescale(Scaled { unscaled: -Scaled { unscaled: -unscaled, scale }.floor(), scale: 0 }))
        }),
        Function::Round | Function::Truncate => {
            let divide = if function == Function::Round { divide_half_up } else { |n: i128, unit: i128| n / unit };
            binary(number, digits(compiler, arguments), move |unscaled, digits| {
                Ok(to.rescale(Scaled { unscaled: round_at(unscaled, scale, digits, divide), scale }))
            })
        }
        _ => unsupported(expr),
    }
}

pub fn double(compiler: &mut Compiler<'_>, function: Function, arguments: &[Expr], expr: &Expr) -> Eval<Double> {
    match function {
        Function::Pi => return eval::<Double, _>(|_| Ok(Some(std::f64::consts::PI))),
        Function::E => return eval::<Double, _>(|_| Ok(Some(std::f64::consts::E))),
        _ => {}
    }
    let [first, rest @ ..] = arguments else { return unsupported(expr) };
    let x = compiler.compile::<Double>(first);
    if let Some(f) = of_one(function) {
        return unary(x, move |x| Ok(Some(f(x))));
    }
    match (function, rest) {
        (Function::Round, _) => binary(x, digits(compiler, arguments), round),
        (Function::Truncate, _) => binary(x, digits(compiler, arguments), truncate),
        (Function::Log, []) => unary(x, |x| Ok(Some(x.ln()))),
        (Function::Log, [second]) => {
            binary(x, compiler.compile::<Double>(second), |base, x| Ok(Some(x.ln() / base.ln())))
        }
        (Function::Power, [second]) => binary(x, compiler.compile::<Double>(second), |x, y| Ok(Some(x.powf(y)))),
        (Function::Atan2, [second]) => binary(x, compiler.compile::<Double>(second), |y, x| Ok(Some(y.atan2(x)))),
        _ => failing(Reason::Unsupported(format!("{function:?} does not take {} arguments", arguments.len()))),
    }
}

fn of_one(function: Function) -> Option<fn(f64) -> f64> {
    Some(match function {
        Function::Abs => f64::abs,
        // Java's signum keeps NaN and both zeros.
        Function::Sign => |x| if x == 0.0 || x.is_nan() { x } else { x.signum() },
        Function::Floor => f64::floor,
        Function::Ceil => f64::ceil,
        Function::Sqrt => f64::sqrt,
        Function::Exp => f64::exp,
        Function::Ln => f64::ln,
        Function::Log10 => f64::log10,
        // Flink's own formula, last digits included.
        Function::Log2 => |x| x.ln() / std::f64::consts::LN_2,
        Function::Sin => f64::sin,
        Function::Cos => f64::cos,
        Function::Tan => f64::tan,
        Function::Cot => |x| 1.0 / x.tan(),
        Function::Asin => f64::asin,
        Function::Acos => f64::acos,
        Function::Atan => f64::atan,
        Function::Sinh => f64::sinh,
        Function::Cosh => f64::cosh,
        Function::Tanh => f64::tanh,
        Function::Degrees => f64::to_degrees,
        Function::Radians => f64::to_radians,
        _ => return None,
    })
}

/// Rounds the shortest decimal digits, as Java's `BigDecimal.valueOf(x).setScale(digits, HALF_UP)`.
fn round(x: f64, digits: i64) -> Answer<f64> {
    if !x.is_finite() {
        let why = "it has no digits".to_owned();
        return Err(Reason::Argument { function: "ROUND", value: x.to_string(), why }.into());
    }
    if digits == 0 {
        return Ok(Some(x.round()));
    }
    let text = format!("{:e}", x.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let mut number: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    // The place of the first digit is `exponent`; so many digits stay.
    let kept = exponent.saturating_add(digits).saturating_add(1);
    if kept >= number.len() as i64 {
        return Ok(Some(x));
    }
    let Ok(kept) = usize::try_from(kept) else { return Ok(Some(0.0)) };
    let up = number[kept] >= 5;
    number.truncate(kept);
    let unscaled = number.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(*digit)) + u64::from(up);
    let magnitude: f64 = format!("{unscaled}e{}", -digits).parse().unwrap_or(0.0);
    Ok(Some(if x < 0.0 && magnitude != 0.0 { -magnitude } else { magnitude }))
}

/// Flink goes through DECIMAL(38, 18), so numbers from 10^20 on fail.
fn truncate(x: f64, digits: i64) -> Answer<f64> {
    let wide = DecimalType { precision: 38, scale: 18 };
    let Some(unscaled) = wide.from_double(x) else {
        let why = "it must be a number below 1e20".to_owned();
        return Err(Reason::Argument { function: "TRUNCATE", value: x.to_string(), why }.into());
    };
    let unscaled = round_at(unscaled, wide.scale, digits, |n, unit| n / unit);
    Ok(Some(Scaled { unscaled, scale: wide.scale }.to_double()))
}
