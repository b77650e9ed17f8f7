//! Bits of whole numbers, for registers. Flink has none of these; the names are those of other systems.
//!
//! A number is its two's complement of as many bits as its type has; shifts drop what leaves the type.

use super::arithmetic::wrapper;
use super::values::{Body, Closure, int};
use super::{EvalError, Reason};
use crate::model::{DataType, Value};
use crate::plan::{Expr, Function};

pub fn body(function: Function, arguments: &[Expr]) -> Option<Body> {
    let data_type = arguments.first().map_or(DataType::BigInt, |first| first.data_type);
    Some(match function {
        Function::BitAnd => Body::Strict(|values| Ok(Value::Int(int(&values[0])? & int(&values[1])?))),
        Function::BitOr => Body::Strict(|values| Ok(Value::Int(int(&values[0])? | int(&values[1])?))),
        Function::BitXor => Body::Strict(|values| Ok(Value::Int(int(&values[0])? ^ int(&values[1])?))),
        Function::BitNot => Body::Strict(|values| Ok(Value::Int(!int(&values[0])?))),
        Function::BitCount => {
            let width = width(data_type);
            Body::Prepared(Box::new(move |values| {
                Ok(Value::Int(i64::from((int(&values[0])? as u64 & mask(width)).count_ones())))
            }))
        }
        Function::GetBit => {
            let width = width(data_type);
            Body::Prepared(Box::new(move |values| {
                let bit = place(int(&values[1])?, width, "GET_BIT")?;
                Ok(Value::Int(int(&values[0])? >> bit & 1))
            }))
        }
        Function::ShiftLeft => Body::Prepared(shift(data_type, "SHIFT_LEFT", |number, by, _| number << by)),
        Function::ShiftRight => Body::Prepared(shift(data_type, "SHIFT_RIGHT", |number, by, width| {
            ((number as u64 & mask(width)) >> by) as i64
        })),
        _ => return None,
    })
}

fn width(data_type: DataType) -> u32 {
    match data_type {
        DataType::TinyInt => 8,
        DataType::SmallInt => 16,
        DataType::Int => 32,
        _ => 64,
    }
}

fn mask(width: u32) -> u64 {
    u64::MAX >> (64 - width)
}

/// The number of a bit, from 0.
fn place(bit: i64, width: u32, function: &'static str) -> Result<u32, EvalError> {
    match u32::try_from(bit) {
        Ok(bit) if bit < width => Ok(bit),
        _ => {
            let why = format!("the number has {width} bits, from 0");
            Err(Reason::Argument { function, value: bit.to_string(), why }.into())
        }
    }
}

/// Zeros come in at either end.
fn shift(data_type: DataType, name: &'static str, shifted: fn(i64, u32, u32) -> i64) -> Closure {
    let (width, wrap) = (width(data_type), wrapper(data_type));
    Box::new(move |values| {
        let by = place(int(&values[1])?, width, name)?;
        Ok(Value::Int(wrap(shifted(int(&values[0])?, by, width))))
    })
}
