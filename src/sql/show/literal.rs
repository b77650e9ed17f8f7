//! Values as literals.

use std::fmt::Write;

use super::{Binding, Shown};
use crate::model::{DataType, Millis, Value, civil};

const DAY_MS: i64 = 86_400_000;

pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A length of time: `INTERVAL '5' MINUTE`.
pub fn interval(millis: Millis) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let size = millis.unsigned_abs();
    let units = [(DAY_MS.unsigned_abs(), "DAY"), (3_600_000, "HOUR"), (60_000, "MINUTE"), (1_000, "SECOND")];
    match units.into_iter().find(|(unit, _)| size > 0 && size % unit == 0) {
        Some((unit, word)) => {
            let number = (size / unit).to_string();
            // Two digits need no more words.
            let precision = if number.len() > 2 { format!("({})", number.len()) } else { String::new() };
            format!("INTERVAL {sign}'{number}' {word}{precision}")
        }
        None if size < 100_000 => format!("INTERVAL {sign}'{}.{:03}' SECOND", size / 1_000, size % 1_000),
        None => {
            let (days, rest) = (size / DAY_MS.unsigned_abs(), size % DAY_MS.unsigned_abs());
            let mut clock = String::new();
            // Writing to a String cannot fail.
            let _ = civil::write_time(rest as i64 * 1_000, 3, &mut clock);
            format!("INTERVAL {sign}'{days} {clock}' DAY TO SECOND")
        }
    }
}

pub fn shown(value: &Value, data_type: DataType) -> Shown {
    let negative =
        |negative: bool, text: String| Shown { binding: if negative { Binding::Sign } else { Binding::Whole }, text };
    match (value, data_type) {
        (Value::Null, DataType::Null | DataType::IntervalMonths | DataType::IntervalMillis) => Shown::whole("NULL"),
        (Value::Null, _) => Shown::whole(format!("CAST(NULL AS {data_type})")),
        (Value::Boolean(value), _) => Shown::whole(if *value { "TRUE" } else { "FALSE" }),
        (Value::Int(millis), DataType::IntervalMillis) => Shown::whole(interval(*millis)),
        (Value::Int(months), DataType::IntervalMonths) => {
            let sign = if *months < 0 { "-" } else { "" };
            Shown::whole(format!(
                "INTERVAL {sign}'{}' MONTH({})",
                months.unsigned_abs(),
                months.unsigned_abs().to_string().len()
            ))
        }
        (Value::Int(number), _) => negative(*number < 0, number.to_string()),
        (Value::Double(number), _) if !number.is_finite() => {
            let word = if number.is_nan() {
                "NaN"
            } else if *number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            Shown::whole(format!("CAST('{word}' AS {data_type})"))
        }
        (Value::Double(number), DataType::Float) => Shown::whole(format!("CAST({number:e} AS FLOAT)")),
        (Value::Double(number), _) => negative(number.is_sign_negative(), format!("{number:e}")),
        (Value::String(value), _) => Shown::whole(text(value)),
        (Value::Bytes(bytes), _) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            Shown::whole(format!("X'{digits}'"))
        }
        (Value::List(parts), data_type) => Shown::whole(list(parts, data_type)),
        (Value::Decimal(_), _) => {
            let text = plain(value, data_type);
            negative(text.starts_with('-'), text)
        }
        (Value::Date(_), _) => Shown::whole(format!("DATE '{}'", plain(value, data_type))),
        (Value::Time(_), _) => Shown::whole(format!("TIME '{}'", plain(value, data_type))),
        (Value::Timestamp(_), DataType::TimestampLtz(_)) => {
            Shown::whole(format!("CAST('{}' AS {data_type})", plain(value, data_type)))
        }
        (Value::Timestamp(_), _) => Shown::whole(format!("TIMESTAMP '{}'", plain(value, data_type))),
    }
}

/// Without quotes and words.
fn plain(value: &Value, data_type: DataType) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail, so the results are dropped.
    let _ = match (value, data_type) {
        // As many digits as the type has: they are what makes it that type.
        (Value::Decimal(number), DataType::Decimal { precision, scale }) => {
            let digits = format!("{:0>width$}", number.unscaled().unsigned_abs(), width = usize::from(precision));
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale).min(digits.len()));
            let sign = if number.unscaled() < 0 { "-" } else { "" };
            if scale == 0 { write!(out, "{sign}{whole}") } else { write!(out, "{sign}{whole}.{fraction}") }
        }
        (Value::Date(days), _) => civil::write_date(i64::from(*days), &mut out),
        (Value::Time(millis), DataType::Time(digits)) => {
            civil::write_time(i64::from(*millis) * 1_000, usize::from(digits), &mut out)
        }
        (Value::Timestamp(micros), DataType::Timestamp(digits) | DataType::TimestampLtz(digits)) => {
            civil::write_timestamp(*micros, ' ', usize::from(digits), &mut out)
        }
        _ => Ok(()),
    };
    out
}

fn list(parts: &[Value], data_type: DataType) -> String {
    let one = |value: &Value, data_type: DataType| shown(value, data_type).text;
    let joined = |parts: Vec<String>| parts.join(", ");
    match data_type {
        DataType::Array(element) => {
            format!("ARRAY[{}]", joined(parts.iter().map(|part| one(part, *element)).collect()))
        }
        DataType::Map(entry) => {
            let typed = parts.iter().zip([entry.key, entry.value].into_iter().cycle());
            format!("MAP[{}]", joined(typed.map(|(part, data_type)| one(part, data_type)).collect()))
        }
        DataType::Row(fields) => {
            let typed = parts.iter().zip(fields.iter());
            format!("ROW({})", joined(typed.map(|(part, field)| one(part, field.data_type)).collect()))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_the_largest_unit_that_fits() {
        for (millis, expected) in [
            (0, "INTERVAL '0.000' SECOND"),
            (1, "INTERVAL '0.001' SECOND"),
            (5_000, "INTERVAL '5' SECOND"),
            (90_000, "INTERVAL '90' SECOND"),
            (2_500, "INTERVAL '2.500' SECOND"),
            (-60_000, "INTERVAL -'1' MINUTE"),
            (7_200_000, "INTERVAL '2' HOUR"),
            (123_000, "INTERVAL '123' SECOND(3)"),
            (30 * DAY_MS, "INTERVAL '30' DAY"),
            (DAY_MS + 3_723_004, "INTERVAL '1 01:02:03.004' DAY TO SECOND"),
        ] {
            assert_eq!(interval(millis), expected);
        }
    }
}
