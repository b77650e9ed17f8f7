//! Order of values of one type: for comparisons, MIN and MAX and sort keys.
//!
//! As in Flink comparison (`=`, `<`, MIN, MAX) is one notion, grouping another (`engine/key_index.rs`).

use std::cmp::Ordering;

use crate::model::Value;
use crate::model::decimal::Scaled;
use crate::plan::OrderKey;

/// Total order of two values of one type; NULL comes first (as Flink's ascending sort has it by default).
/// Text is compared by its bytes in UTF-8; doubles as Java's `Double.compare`: -0.0 before 0.0, NaN last.
/// Decimals must share one scale; [`compare_decimals`] takes two.
pub fn total_cmp(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Boolean(left), Value::Boolean(right)) => left.cmp(right),
        (Value::Int(left), Value::Int(right)) | (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(right),
        (Value::Date(left), Value::Date(right)) | (Value::Time(left), Value::Time(right)) => left.cmp(right),
        (Value::Double(left), Value::Double(right)) => java_compare(*left, *right),
        (Value::Decimal(left), Value::Decimal(right)) => left.unscaled().cmp(&right.unscaled()),
        (Value::String(left), Value::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
        (Value::List(left), Value::List(right)) => {
            let parts = left.iter().zip(right.iter()).map(|(left, right)| total_cmp(left, right));
            parts.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

/// How two rows stand to each other in this order.
pub fn compare_rows(order: &[OrderKey], left: &[Value], right: &[Value]) -> Ordering {
    let by = |key: &OrderKey| {
        let (Some(left), Some(right)) = (left.get(key.column), right.get(key.column)) else { return Ordering::Equal };
        match (left.is_null(), right.is_null()) {
            (false, false) if key.descending => total_cmp(right, left),
            (false, false) => total_cmp(left, right),
            // The one that is NULL is the greater `true`.
            (left, right) if key.nulls_first => right.cmp(&left),
            (left, right) => left.cmp(&right),
        }
    };
    order.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Java's `Double.compare`, a total order: NaN (any) is equal to itself and largest.
pub fn java_compare(left: f64, right: f64) -> Ordering {
    match (left.is_nan(), right.is_nan()) {
        (false, false) => left.total_cmp(&right),
        (left, right) => left.cmp(&right),
    }
}

/// Decimals of two types by their numbers.
pub fn compare_decimals(left: i128, left_scale: u8, right: i128, right_scale: u8) -> Ordering {
    Scaled { unscaled: left, scale: left_scale }.compare(Scaled { unscaled: right, scale: right_scale })
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Boolean(_) => 1,
        Value::Int(_) => 2,
        Value::Double(_) => 3,
        Value::Decimal(_) => 4,
        Value::String(_) => 5,
        Value::Bytes(_) => 6,
        Value::Date(_) => 7,
        Value::Time(_) => 8,
        Value::Timestamp(_) => 9,
        Value::List(_) => 10,
    }
}
