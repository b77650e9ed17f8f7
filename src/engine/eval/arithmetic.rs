//! `+ - * / %`: integers wrap around in their width, doubles follow IEEE, decimals are exact and then rounded.

use super::Reason;
use super::compile::{Compiler, scale_of};
use super::typed::{Dec, Double, Eval, Int, binary};
use crate::model::DataType;
use crate::model::decimal::{DecimalType, Scaled};
use crate::plan::{ArithmeticOp, Expr};

/// Cuts a result to the width of an integer type, as Java's casts do.
pub fn wrapper(data_type: DataType) -> fn(i64) -> i64 {
    match data_type {
        DataType::TinyInt => |number| i64::from(number as i8),
        DataType::SmallInt => |number| i64::from(number as i16),
        DataType::Int | DataType::IntervalMonths => |number| i64::from(number as i32),
        _ => |number| number,
    }
}

pub fn integers(
    compiler: &mut Compiler<'_>,
    op: ArithmeticOp,
    left: &Expr,
    right: &Expr,
    data_type: DataType,
) -> Eval<Int> {
    let (left, right) = (compiler.compile::<Int>(left), compiler.compile::<Int>(right));
    let wrap = wrapper(data_type);
    match op {
        ArithmeticOp::Add => binary(left, right, move |a, b| Ok(Some(wrap(a.wrapping_add(b))))),
        ArithmeticOp::Subtract => binary(left, right, move |a, b| Ok(Some(wrap(a.wrapping_sub(b))))),
        ArithmeticOp::Multiply => binary(left, right, move |a, b| Ok(Some(wrap(a.wrapping_mul(b))))),
        ArithmeticOp::Divide => binary(left, right, move |a, b| match b {
            0 => Err(Reason::DivisionByZero("/").into()),
            _ => Ok(Some(wrap(a.wrapping_div(b)))),
        }),
        ArithmeticOp::Modulo => binary(left, right, |a, b| match b {
            0 => Err(Reason::DivisionByZero("%").into()),
            _ => Ok(Some(a.wrapping_rem(b))),
        }),
    }
}

pub fn doubles(compiler: &mut Compiler<'_>, op: ArithmeticOp, left: &Expr, right: &Expr) -> Eval<Double> {
    let (left, right) = (compiler.compile::<Double>(left), compiler.compile::<Double>(right));
    match op {
        ArithmeticOp::Add => binary(left, right, |a, b| Ok(Some(a + b))),
        ArithmeticOp::Subtract => binary(left, right, |a, b| Ok(Some(a - b))),
        ArithmeticOp::Multiply => binary(left, right, |a, b| Ok(Some(a * b))),
        ArithmeticOp::Divide => binary(left, right, |a, b| Ok(Some(a / b))),
        ArithmeticOp::Modulo => binary(left, right, |a, b| Ok(Some(a % b))),
    }
}

/// A result that has too many digits is NULL.
pub fn decimals(
    compiler: &mut Compiler<'_>,
    op: ArithmeticOp,
    left: &Expr,
    right: &Expr,
    to: DecimalType,
) -> Eval<Dec> {
    let (left_scale, right_scale) = (scale_of(left), scale_of(right));
    let (left, right) = (compiler.compile::<Dec>(left), compiler.compile::<Dec>(right));
    binary(left, right, move |a, b| {
        let (a, b) = (Scaled { unscaled: a, scale: left_scale }, Scaled { unscaled: b, scale: right_scale });
        match op {
            ArithmeticOp::Add => Ok(to.add(a, b)),
            ArithmeticOp::Subtract => Ok(to.subtract(a, b)),
            ArithmeticOp::Multiply => Ok(to.multiply(a, b)),
            ArithmeticOp::Divide if b.unscaled == 0 => Err(Reason::DivisionByZero("/").into()),
            ArithmeticOp::Divide => Ok(to.divide(a, b)),
            ArithmeticOp::Modulo if b.unscaled == 0 => Err(Reason::DivisionByZero("%").into()),
            ArithmeticOp::Modulo => Ok(to.modulo(a, b)),
        }
    })
}
