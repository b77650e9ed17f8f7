//! Variances and standard deviations.
//!
//! Flink computes them as (Σx² - (Σx)²/n) / n, or / (n - 1), of whole numbers too, and converts at the end. Here the two
//! sums are kept with twice a double's digits (`sums.rs`), so that the subtraction does not cancel what matters: where
//! Flink's own sums are good, both agree. Decimals are exact up to the last division.
//!
//! Words: how many, Σx, Σx². Of doubles two words each, of decimals three.

use super::sums::{add_double, add_wide, decimal_value, divide, narrow, round_float, wide};
use crate::model::{DataType, Value};
use crate::plan::AggregateFunction;

/// Arithmetic that the argument's type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Whole numbers and FLOAT as well.
    Double,
    Decimal,
}

impl Of {
    pub fn new(argument: DataType) -> Of {
        match argument {
            DataType::Decimal { .. } => Of::Decimal,
            _ => Of::Double,
        }
    }

    fn sum_words(self) -> usize {
        match self {
            Of::Double => 2,
            Of::Decimal => 3,
        }
    }

    pub fn words(self) -> usize {
        1 + 2 * self.sum_words()
    }

    pub fn add(self, words: &mut [u64], value: &Value) {
        words[0] += 1;
        let (sum, squares) = words[1..].split_at_mut(self.sum_words());
        match (self, value) {
            (Of::Double, Value::Int(x)) => add_to_both(sum, squares, *x as f64),
            (Of::Double, Value::Double(x)) => add_to_both(sum, squares, *x),
            (Of::Decimal, Value::Decimal(x)) => {
                let x = x.unscaled();
                add_wide(sum, wide(x));
                // A square that does not fit leaves a sum that does not either: the result is NULL, as in Flink.
                let square = x.checked_mul(x).map_or([0, 0, 1], wide);
                add_wide(squares, square);
            }
            _ => {}
        }
    }

    pub fn merge(self, into: &mut [u64], from: &[u64]) {
        into[0] += from[0];
        let n = self.sum_words();
        for at in [1, 1 + n] {
            let (into, from) = (&mut into[at..at + n], &from[at..at + n]);
            match self {
                Of::Double => add_double(into, f64::from_bits(from[0]), f64::from_bits(from[1])),
                Of::Decimal => add_wide(into, [from[0], from[1], from[2]]),
            }
        }
    }

    pub fn value(self, function: AggregateFunction, words: &[u64], argument: DataType, result: DataType) -> Value {
        let sample = matches!(function, AggregateFunction::VarSamp | AggregateFunction::StddevSamp);
        let root = matches!(function, AggregateFunction::StddevPop | AggregateFunction::StddevSamp);
        let count = words[0];
        let divisor = if sample { count - 1 } else { count };
        if divisor == 0 {
            return Value::Null;
        }
        match self {
            Of::Double => {
                let variance = centred_squares(words) / divisor as f64;
                let number = if root { variance.sqrt() } else { variance };
                match result.is_integer() {
                    // As Java casts a double: TINYINT and SMALLINT are cut out of an INT.
                    true if result == DataType::BigInt => Value::Int(number as i64),
                    true => Value::Int(super::accumulator::wrap(i64::from(number as i32), result)),
                    false => Value::Double(round_float(number, result)),
                }
            }
            Of::Decimal => decimal(words, divisor, root, argument, result),
        }
    }
}

fn add_to_both(sum: &mut [u64], squares: &mut [u64], x: f64) {
    add_double(sum, x, 0.0);
    let square = x * x;
    let error = x.mul_add(x, -square);
    add_double(squares, square, if error.is_finite() { error } else { 0.0 });
}

/// Σx² - (Σx)²/n of doubles, not below zero.
fn centred_squares(words: &[u64]) -> f64 {
    let word = |at: usize| f64::from_bits(words[at]);
    let (sum, low, count) = (word(1), word(2), words[0] as f64);
    let square = sum * sum;
    if !square.is_finite() {
        return f64::NAN;
    }
    let square_low = sum.mul_add(sum, -square) + 2.0 * sum * low;
    let mean = square / count;
    let mean_low = ((-mean).mul_add(count, square) + square_low) / count;
    let mut difference = [words[3], words[4]];
    add_double(&mut difference, -mean, -mean_low);
    let centred = f64::from_bits(difference[0]) + f64::from_bits(difference[1]);
    if centred < 0.0 { 0.0 } else { centred }
}

fn decimal(words: &[u64], divisor: u64, root: bool, argument: DataType, result: DataType) -> Value {
    let scale = |data_type| match data_type {
        DataType::Decimal { scale, .. } => u32::from(scale),
        _ => 0,
    };
    let (from, to) = (scale(argument), scale(result));
    let sums = (narrow([words[1], words[2], words[3]]), narrow([words[4], words[5], words[6]]));
    let (Some(sum), Some(squares)) = sums else { return Value::Null };
    // n Σx² - (Σx)² has no division in it; its scale is twice the argument's.
    let centred = i128::from(words[0]).checked_mul(squares).zip(sum.checked_mul(sum)).map(|(a, b)| a - b);
    let number = centred.and_then(|centred| {
        if root {
            let variance = centred as f64 / words[0] as f64 / divisor as f64 / 10f64.powi(2 * from as i32);
            return Some((variance.sqrt() * 10f64.powi(to as i32)).round() as i128);
        }
        let divisor = i128::from(words[0]).checked_mul(i128::from(divisor))?;
        divide(centred, divisor, i64::from(to) - 2 * i64::from(from))
    });
    number.map_or(Value::Null, decimal_value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn variance(numbers: &[f64]) -> f64 {
        let mut words = vec![0; Of::Double.words()];
        numbers.iter().for_each(|x| Of::Double.add(&mut words, &Value::Double(*x)));
        match Of::Double.value(AggregateFunction::VarPop, &words, DataType::Double, DataType::Double) {
            Value::Double(variance) => variance,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_large_mean_does_not_swallow_the_spread() {
        // The textbook's formula gives 0 or worse here.
        let shifted: Vec<f64> = [4.0, 7.0, 13.0, 16.0].iter().map(|x| x + 1e9).collect();
        assert_eq!(variance(&shifted), 22.5);
        assert_eq!(variance(&[0.1, 0.1, 0.1]), 0.0);
    }

    proptest! {
        #[test]
        fn is_the_two_pass_variance(numbers in prop::collection::vec(-1e6f64..1e6, 1..40)) {
            let n = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / n;
            let expected = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
            let ours = variance(&numbers);
            prop_assert!((ours - expected).abs() <= 1e-9 * expected.max(1e-3), "{} {}", ours, expected);
        }

        #[test]
        fn merging_parts_is_adding_all(numbers in prop::collection::vec(-1e3f64..1e3, 2..40), cut in 0usize..40) {
            let cut = cut % numbers.len();
            let mut parts = [vec![0; Of::Double.words()], vec![0; Of::Double.words()]];
            for (at, x) in numbers.iter().enumerate() {
                Of::Double.add(&mut parts[usize::from(at >= cut)], &Value::Double(*x));
            }
            let [mut first, second] = parts;
            Of::Double.merge(&mut first, &second);
            let value = Of::Double.value(AggregateFunction::VarPop, &first, DataType::Double, DataType::Double);
            let Value::Double(merged) = value else { panic!("{value:?}") };
            prop_assert!((merged - variance(&numbers)).abs() <= 1e-12 * merged.max(1e-3));
        }
    }
}
