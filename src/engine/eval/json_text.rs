//! Values as JSON text, as Flink's JSON functions write them.

use std::fmt::Write;

use base64::Engine;

use super::{EvalError, Reason, TEXT_MAX_BYTES};
use crate::model::civil::{self, MICROS_PER_MILLI};
use crate::model::decimal::Scaled;
use crate::model::double::{write_double, write_float};
use crate::model::{DataType, Value};

/// Appends the value. Fails when the text grows beyond its limit.
pub fn write(value: &Value, data_type: DataType, out: &mut String) -> Result<(), EvalError> {
    if out.len() > TEXT_MAX_BYTES {
        return Err(Reason::TooLong { function: "JSON" }.into());
    }
    // Writing into a String cannot fail.
    match (value, data_type) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Boolean(truth), _) => out.push_str(if *truth { "true" } else { "false" }),
        (Value::Int(number), _) => {
            let _ = write!(out, "{number}");
        }
        (Value::Double(number), _) if !number.is_finite() => {
            out.push('"');
            write_double(*number, out);
            out.push('"');
        }
        (Value::Double(number), DataType::Float) => write_float(*number as f32, out),
        (Value::Double(number), _) => write_double(*number, out),
        (Value::Decimal(number), DataType::Decimal { scale, .. }) => {
            let _ = write!(out, "{}", Scaled { unscaled: number.unscaled(), scale });
        }
        (Value::Decimal(number), _) => {
            let _ = write!(out, "{}", number.unscaled());
        }
        (Value::String(text), _) => quote(text, out),
        (Value::Bytes(bytes), _) => {
            out.push('"');
            base64::engine::general_purpose::STANDARD.encode_string(bytes, out);
            out.push('"');
        }
        (Value::Date(_) | Value::Time(_) | Value::Timestamp(_), data_type) => {
            out.push('"');
            moment(value, data_type, out);
            out.push('"');
        }
        (Value::List(parts), data_type) => nested(parts, data_type, out)?,
    }
    Ok(())
}

fn moment(value: &Value, data_type: DataType, out: &mut String) {
    let _ = match (value, data_type) {
        (Value::Date(days), _) => civil::write_date(i64::from(*days), out),
        (Value::Time(millis), DataType::Time(digits)) => {
            civil::write_time(i64::from(*millis) * MICROS_PER_MILLI, usize::from(digits), out)
        }
        (Value::Timestamp(micros), DataType::Timestamp(digits)) => {
            civil::write_timestamp(*micros, ' ', usize::from(digits), out)
        }
        (Value::Timestamp(micros), DataType::TimestampLtz(digits)) => {
            civil::write_timestamp(*micros, ' ', usize::from(digits), out)
        }
        _ => Ok(()),
    };
}

fn nested(parts: &[Value], data_type: DataType, out: &mut String) -> Result<(), EvalError> {
    let is_array = matches!(data_type, DataType::Array(_));
    out.push(if is_array { '[' } else { '{' });
    match data_type {
        DataType::Array(element) => {
            for (index, part) in parts.iter().enumerate() {
                separate(index, out);
                write(part, *element, out)?;
            }
        }
        DataType::Map(entry) => {
            for (index, pair) in parts.chunks_exact(2).enumerate() {
                separate(index, out);
                let mut key = String::new();
                write(&pair[0], entry.key, &mut key)?;
                if key.starts_with('"') {
                    out.push_str(&key)
                } else {
                    quote(&key, out)
                }
                out.push(':');
                write(&pair[1], entry.value, out)?;
            }
        }
        DataType::Row(fields) => {
            for (index, (field, part)) in fields.iter().zip(parts).enumerate() {
                separate(index, out);
                quote(field.name, out);
                out.push(':');
                write(part, field.data_type, out)?;
            }
        }
        _ => {}
    }
    out.push(if is_array { ']' } else { '}' });
    Ok(())
}

pub fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

/// A text in quotes with Jackson's escapes.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
