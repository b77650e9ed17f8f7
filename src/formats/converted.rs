//! Values of another type than the column's, as Flink's formats take them (`JsonParserToRowDataConverters`,
//! `CsvToRowDataConverters` of flink-formats): `"42"` and `42.9` for an INT, `5` for a STRING.

use std::sync::Arc;

use crate::model::decimal::DecimalType;
use crate::model::{DataType, Decimal, Value};

/// What becomes of a value of another type than the column's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    /// It is an error: a device that sends another type has a fault somebody should hear of.
    Strict,
    /// It is converted as in Flink: the files of a script give the same rows on both.
    Converted,
}

/// Up to here, exclusive, a double's whole part is a BIGINT.
const BIGINT_END: f64 = 9_223_372_036_854_775_808.0;

/// A text as a number or truth value; `None`: it is none, or the type is of another kind.
pub fn of_text(text: &str, data_type: DataType) -> Option<Value> {
    let text = text.trim();
    match data_type {
        DataType::Boolean => Some(Value::Boolean(text.eq_ignore_ascii_case("true"))),
        data_type if data_type.is_integer() => {
            text.parse().ok().filter(|number| range(data_type).contains(number)).map(Value::Int)
        }
        DataType::Double => double(text).map(Value::Double),
        DataType::Float => double(text).map(|number| Value::Double(f64::from(number as f32))),
        DataType::Decimal { precision, scale } => {
            let unscaled = DecimalType { precision, scale }.parse(text);
            match unscaled.map(Decimal::new) {
                Some(number) => Some(Value::Decimal(number)),
                // A number with too many digits is NULL.
                None => double(text).filter(|number| number.is_finite()).map(|_| Value::Null),
            }
        }
        _ => None,
    }
}

/// A number with a fraction as an INT or BIGINT, cut towards zero.
pub fn of_fraction(number: f64, data_type: DataType) -> Option<Value> {
    let is_long_enough = matches!(data_type, DataType::Int | DataType::BigInt);
    if !is_long_enough || number.is_nan() || number.abs() >= BIGINT_END {
        return None;
    }
    Some(number as i64).filter(|number| range(data_type).contains(number)).map(Value::Int)
}

/// Any JSON value as a text: a string without its quotes, a number as it is written, anything else without its blanks.
pub fn of_json(json: &str) -> Option<Value> {
    Some(match json.as_bytes().first()? {
        b'"' => Value::string(&serde_json::from_str::<String>(json).ok()?),
        b'n' => Value::Null,
        b'{' | b'[' => Value::String(Arc::from(without_blanks(json))),
        _ => Value::string(json),
    })
}

/// The smallest and the largest number of the type.
pub fn range(data_type: DataType) -> std::ops::RangeInclusive<i64> {
    match data_type {
        DataType::TinyInt => i64::from(i8::MIN)..=i64::from(i8::MAX),
        DataType::SmallInt => i64::from(i16::MIN)..=i64::from(i16::MAX),
        DataType::Int => i64::from(i32::MIN)..=i64::from(i32::MAX),
        _ => i64::MIN..=i64::MAX,
    }
}

/// As `Double.parseDouble` has it: a `d` or `f` may follow the digits.
fn double(text: &str) -> Option<f64> {
    let digits = text
        .strip_suffix(['d', 'D', 'f', 'F'])
        .filter(|digits| digits.ends_with(|c: char| c.is_ascii_digit() || c == '.'));
    digits.unwrap_or(text).parse().ok()
}

fn without_blanks(json: &str) -> String {
    let (mut is_inside, mut is_escaped) = (false, false);
    json.chars()
        .filter(|c| {
            let keeps = is_inside || !c.is_ascii_whitespace();
            is_inside ^= *c == '"' && !is_escaped;
            is_escaped = is_inside && *c == '\\' && !is_escaped;
            keeps
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONEY: DataType = DataType::Decimal { precision: 5, scale: 2 };

    /// What Flink 2.3 gave for these, with `'json.ignore-parse-errors' = 'true'`, which makes an error NULL.
    #[test]
    fn texts_are_flinks_numbers() {
        let (int, double) = (|number| Some(Value::Int(number)), |number| Some(Value::Double(number)));
        let decimal = |unscaled| Some(Value::Decimal(Decimal::new(unscaled)));
        for (text, data_type, expected) in [
            (" 42 ", DataType::Int, int(42)),
            ("+5", DataType::Int, int(5)),
            ("4.5", DataType::Int, None),
            ("", DataType::Int, None),
            ("3000000000", DataType::Int, None),
            ("300", DataType::TinyInt, None),
            ("9", DataType::BigInt, int(9)),
            (" 1.5 ", DataType::Double, double(1.5)),
            ("1d", DataType::Double, double(1.0)),
            ("1e400", DataType::Double, double(f64::INFINITY)),
            ("x", DataType::Double, None),
            ("", DataType::Double, None),
            ("TRUE", DataType::Boolean, Some(Value::Boolean(true))),
            ("yes", DataType::Boolean, Some(Value::Boolean(false))),
            ("1.255", MONEY, decimal(126)),
            ("12345.6", MONEY, Some(Value::Null)),
            ("x", MONEY, None),
            ("2026-03-01", DataType::Date, None),
        ] {
            assert_eq!(of_text(text, data_type), expected, "{text:?} as {data_type}");
        }
        assert!(matches!(of_text("NaN", DataType::Double), Some(Value::Double(number)) if number.is_nan()));
    }

    #[test]
    fn fractions_are_cut() {
        for (number, data_type, expected) in [
            (4.5, DataType::Int, Some(4)),
            (-4.9, DataType::Int, Some(-4)),
            (1e3, DataType::Int, Some(1_000)),
            (3e9, DataType::Int, None),
            (1e18, DataType::BigInt, Some(1_000_000_000_000_000_000)),
            (1.9, DataType::BigInt, Some(1)),
            (BIGINT_END, DataType::BigInt, None),
            (7.9, DataType::TinyInt, None),
        ] {
            assert_eq!(of_fraction(number, data_type), expected.map(Value::Int), "{number} as {data_type}");
        }
    }

    #[test]
    fn any_value_is_a_text() {
        for (json, expected) in [
            ("5", "5"),
            ("1.50", "1.50"),
            ("1e3", "1e3"),
            ("true", "true"),
            ("\"a\\\"b\"", "a\"b"),
            (r#"{"a":1, "b c":[1, "x \" y", "\\"]}"#, r#"{"a":1,"b c":[1,"x \" y","\\"]}"#),
        ] {
            assert_eq!(of_json(json), Some(Value::string(expected)));
        }
        assert_eq!(of_json("null"), Some(Value::Null));
    }
}
