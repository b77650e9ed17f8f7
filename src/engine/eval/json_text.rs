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
        (Value::Timestamp(micros), data_type) => timestamp(*micros, data_type, out),
        _ => Ok(()),
    };
}

/// With a T, without zeros at the end of a second's digits, and of a moment with a Z.
fn timestamp(micros: i64, data_type: DataType, out: &mut String) -> std::fmt::Result {
    const DIGITS: usize = 6;
    civil::write_timestamp(micros, 'T', DIGITS, out)?;
    out.truncate(out.trim_end_matches('0').trim_end_matches('.').len());
    if matches!(data_type, DataType::TimestampLtz(_)) {
        out.push('Z');
    }
    Ok(())
}

fn nested(parts: &[Value], data_type: DataType, out: &mut String) -> Result<(), EvalError> {
    let text = |value: &Value, data_type| {
        let mut text = String::new();
        write(value, data_type, &mut text).map(|()| text)
    };
    match data_type {
        DataType::Array(element) => {
            out.push('[');
            for (index, part) in parts.iter().enumerate() {
                separate(index, out);
                write(part, *element, out)?;
            }
            out.push(']');
        }
        DataType::Map(entry) => {
            let member = |pair: &[Value]| {
                let key = match &pair[0] {
                    Value::String(key) => key.to_string(),
                    other => text(other, entry.key)?.trim_matches('"').to_owned(),
                };
                Ok((key, text(&pair[1], entry.value)?))
            };
            write_members(parts.chunks_exact(2).map(member).collect::<Result<_, EvalError>>()?, out);
        }
        DataType::Row(fields) => {
            let fields = fields.iter().zip(parts);
            let members = fields.map(|(field, part)| Ok((field.name.to_owned(), text(part, field.data_type)?)));
            write_members(members.collect::<Result<_, EvalError>>()?, out);
        }
        _ => {}
    }
    Ok(())
}

/// An object of these names and values, in the order of Flink's mapper: by name, as Java compares texts. Of two with one
/// name the last counts.
pub fn write_members(mut members: Vec<(String, String)>, out: &mut String) {
    members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push('{');
    let start = out.len();
    for (index, (name, value)) in members.iter().enumerate() {
        if members.get(index + 1).is_some_and(|(next, _)| next == name) {
            continue;
        }
        separate(out.len() - start, out);
        quote(name, out);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
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
