//! The arithmetic of sums and means.
//!
//! Sums of doubles are kept as an unevaluated pair high + low with the rounding error of each addition in `low`
//! (Knuth's TwoSum; Dekker's double-double addition to merge). Nothing is ever taken out of a sum again, so nothing
//! drifts: the error of n values is below n * 2^-104 of the sum of their magnitudes, far under what a double shows, and
//! merging panes gives the sum that one pass would have given. Results differ from Flink's naive sums only by Flink's
//! own rounding errors. Sums of FLOAT are FLOAT at each step, as in Flink.

use crate::model::{DataType, Decimal, Value};

pub fn round_float(number: f64, data_type: DataType) -> f64 {
    if data_type == DataType::Float { f64::from(number as f32) } else { number }
}

pub fn add_float(word: u64, number: f64) -> u64 {
    f64::from(f64::from_bits(word) as f32 + number as f32).to_bits()
}

/// (high, low) += (high, low) of another sum; a single value has the low part 0.
pub fn add_double(words: &mut [u64], high: f64, low: f64) {
    let (a, a_low) = (f64::from_bits(words[0]), f64::from_bits(words[1]));
    let total = a + high;
    if !total.is_finite() {
        // Infinity and NaN have no rounding error, but the formula below would make one.
        (words[0], words[1]) = (total.to_bits(), 0);
        return;
    }
    let part = total - a;
    let error = (a - (total - part)) + (high - part);
    let rest = error + (a_low + low);
    // So that `high` stays the rounded sum.
    let rounded = total + rest;
    (words[0], words[1]) = (rounded.to_bits(), (rest - (rounded - total)).to_bits());
}

pub fn sum(words: &[u64], at: usize) -> f64 {
    f64::from_bits(words[at]) + f64::from_bits(words[at + 1])
}

pub fn split(number: i128) -> (u64, u64) {
    (number as u64, (number >> 64) as u64)
}

pub fn join(low: u64, high: u64) -> i128 {
    (i128::from(high as i64) << 64) | i128::from(low)
}

pub fn wide(number: i128) -> [u64; 3] {
    let (low, high) = split(number);
    [low, high, (number >> 127) as u64]
}

pub fn add_wide(words: &mut [u64], number: [u64; 3]) {
    let mut carry = false;
    for (word, other) in words.iter_mut().zip(number) {
        let (sum, first) = word.overflowing_add(other);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        (*word, carry) = (sum, first || second);
    }
}

pub fn narrow(words: [u64; 3]) -> Option<i128> {
    let number = join(words[0], words[1]);
    ((number >> 127) as u64 == words[2] && number.unsigned_abs() < 10u128.pow(u32::from(Decimal::PRECISION_MAX)))
        .then_some(number)
}

pub fn decimal_value(number: i128) -> Value {
    Value::Decimal(Decimal::new(number))
}

fn scale(data_type: DataType) -> u32 {
    match data_type {
        DataType::Decimal { scale, .. } => u32::from(scale),
        _ => 0,
    }
}

/// sum / count with the scale of the result, half away from zero as Flink's decimals round; NULL beyond 38 digits.
pub fn average(total: [u64; 3], count: u64, argument: DataType, result: DataType) -> Option<i128> {
    let count = i128::from(count.max(1));
    let total = narrow(total)?;
    divide(total, count, i64::from(scale(result)) - i64::from(scale(argument)))
}

/// total / count with so many digits more (or fewer) behind the point, half away from zero; `None` beyond 38 digits.
pub fn divide(total: i128, count: i128, digits: i64) -> Option<i128> {
    let cut = u32::try_from(-digits).ok().map_or(Some(1), |cut| 10i128.checked_pow(cut))?;
    let count = count.checked_mul(cut)?;
    let (mut quotient, mut rest) = (total / count, total % count);
    // Long division, digit by digit: the sum times a power of ten need not fit.
    for _ in 0..digits {
        rest = rest.checked_mul(10)?;
        quotient = quotient.checked_mul(10)?.checked_add(rest / count)?;
        rest %= count;
    }
    if rest.unsigned_abs() * 2 >= count.unsigned_abs() {
        quotient += total.signum();
    }
    (quotient.unsigned_abs() < 10u128.pow(u32::from(Decimal::PRECISION_MAX))).then_some(quotient)
}
