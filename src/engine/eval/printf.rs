//! PRINTF: the conversions of Java's `Formatter` that make sense for SQL values: `%s %d %x %o %f %e %b %c %n %%`.
//!
//! As in Flink a format that does not fit its values gives NULL.

use super::values::{Outcome, mistyped, string, text};
use super::{EvalError, Reason, TEXT_MAX_BYTES, json_text};
use crate::model::decimal::{DecimalType, Scaled};
use crate::model::double::{write_double, write_float};
use crate::model::{DataType, Value};

#[derive(Default)]
struct Spec {
    /// Of the value, from 1; 0: the next one.
    index: usize,
    left: bool,
    plus: bool,
    blank: bool,
    zero: bool,
    comma: bool,
    parenthesis: bool,
    width: usize,
    precision: Option<usize>,
}

/// `values[0]` is the format; `types` those of all the values.
pub fn printf(values: &[Value], types: &[DataType]) -> Outcome {
    let (Some((format, values)), Some((_, types))) = (values.split_first(), types.split_first()) else {
        return Err(mistyped());
    };
    if format.is_null() {
        return Ok(Value::Null);
    }
    let mut rest = text(format)?;
    let (mut out, mut next) = (String::new(), 0);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let Some((spec, conversion, after)) = spec(&rest[at + 1..]) else { return Ok(Value::Null) };
        rest = after;
        match conversion {
            'n' => out.push('\n'),
            '%' => out.push_str(&pad("%".to_owned(), &spec)),
            _ => {
                let index = if spec.index > 0 {
                    spec.index - 1
                } else {
                    next += 1;
                    next - 1
                };
                let (Some(value), Some(data_type)) = (values.get(index), types.get(index)) else {
                    return Ok(Value::Null);
                };
                match shown(value, *data_type, conversion, &spec)? {
                    Some(shown) => out.push_str(&shown),
                    None => return Ok(Value::Null),
                }
            }
        }
        if out.len() > TEXT_MAX_BYTES {
            return Err(Reason::TooLong { function: "PRINTF" }.into());
        }
    }
    out.push_str(rest);
    string(out)
}

/// `[index$][flags][width][.precision]conversion`
fn spec(text: &str) -> Option<(Spec, char, &str)> {
    let mut spec = Spec::default();
    let mut rest = text;
    if let Some((number, after)) = rest.split_once('$') {
        if let Ok(index) = number.parse::<u16>() {
            spec.index = usize::from(index);
            rest = after;
        }
    }
    while let Some(flag) = rest.chars().next() {
        match flag {
            '-' => spec.left = true,
            '+' => spec.plus = true,
            ' ' => spec.blank = true,
            '0' => spec.zero = true,
            ',' => spec.comma = true,
            '(' => spec.parenthesis = true,
            _ => break,
        }
        rest = &rest[1..];
    }
    let number = |text: &str| -> Option<(Option<usize>, usize)> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        // Longer fields than this make no table.
        let number = text[..end].parse::<usize>().ok().filter(|number| *number <= 10_000);
        if end > 0 && number.is_none() { None } else { Some((number, end)) }
    };
    let (width, end) = number(rest)?;
    spec.width = width.unwrap_or(0);
    rest = &rest[end..];
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, end) = number(after)?;
        spec.precision = Some(precision?);
        rest = &after[end..];
    }
    let conversion = rest.chars().next()?;
    Some((spec, conversion, &rest[conversion.len_utf8()..]))
}

/// `None`: the conversion does not take such a value.
fn shown(value: &Value, data_type: DataType, conversion: char, spec: &Spec) -> Result<Option<String>, EvalError> {
    let plain = |text: String| {
        let cut = spec.precision.map_or(text.clone(), |most| text.chars().take(most).collect());
        pad(cut, spec)
    };
    let upper = conversion.is_ascii_uppercase();
    let text = match (conversion.to_ascii_lowercase(), value) {
        ('b', Value::Boolean(truth)) => plain(truth.to_string()),
        ('b', value) => plain((!value.is_null()).to_string()),
        ('s' | 'd' | 'x' | 'o' | 'f' | 'e' | 'c', Value::Null) => plain("null".to_owned()),
        ('s', value) => plain(as_text(value, data_type)?),
        ('d', Value::Int(number)) => signed(*number < 0, number.unsigned_abs().to_string(), spec),
        ('x', Value::Int(number)) => padded_zero(format!("{:x}", bits(*number, data_type)), spec),
        ('o', Value::Int(number)) => padded_zero(format!("{:o}", bits(*number, data_type)), spec),
        ('f', value) => match fixed(value, data_type, spec.precision.unwrap_or(6)) {
            Some((negative, digits)) => signed(negative, digits, spec),
            None => return Ok(None),
        },
        ('e', Value::Double(number)) if number.is_finite() => {
            let text = format!("{:.*e}", spec.precision.unwrap_or(6), number.abs());
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or(0);
            let sign = if exponent < 0 { '-' } else { '+' };
            signed(number.is_sign_negative(), format!("{mantissa}e{sign}{:02}", exponent.abs()), spec)
        }
        ('c', Value::Int(code)) => match u32::try_from(*code).ok().and_then(char::from_u32) {
            Some(c) => plain(c.to_string()),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(if upper { text.to_uppercase() } else { text }))
}

/// What Java's `toString` makes of it.
fn as_text(value: &Value, data_type: DataType) -> Result<String, EvalError> {
    let mut out = String::new();
    match (value, data_type) {
        (Value::String(text), _) => out.push_str(text),
        (Value::Double(number), DataType::Float) => write_float(*number as f32, &mut out),
        (Value::Double(number), _) => write_double(*number, &mut out),
        (value, data_type) => {
            json_text::write(value, data_type, &mut out)?;
            out = out.trim_matches('"').to_owned();
        }
    }
    Ok(out)
}

/// Two's complement of the type's width.
fn bits(number: i64, data_type: DataType) -> u64 {
    match data_type {
        DataType::TinyInt => u64::from(number as u8),
        DataType::SmallInt => u64::from(number as u16),
        DataType::Int => u64::from(number as u32),
        _ => number as u64,
    }
}

fn fixed(value: &Value, data_type: DataType, digits: usize) -> Option<(bool, String)> {
    match (value, data_type) {
        // Java rounds the shortest decimal digits half up, not the binary number.
        (Value::Double(number), _) if number.is_finite() => {
            let wide = DecimalType { precision: 38, scale: u8::try_from(digits).ok().filter(|digits| *digits <= 30)? };
            match wide.from_double(number.abs()) {
                Some(unscaled) => {
                    let text = Scaled { unscaled, scale: wide.scale }.to_string();
                    Some((number.is_sign_negative(), text))
                }
                None => Some((number.is_sign_negative(), format!("{:.digits$}", number.abs()))),
            }
        }
        (Value::Decimal(number), DataType::Decimal { scale, .. }) => {
            let wide = DecimalType { precision: 38, scale: u8::try_from(digits).ok().filter(|digits| *digits <= 30)? };
            let unscaled = wide.rescale(Scaled { unscaled: number.unscaled().checked_abs()?, scale })?;
            Some((number.unscaled() < 0, Scaled { unscaled, scale: wide.scale }.to_string()))
        }
        _ => None,
    }
}

fn signed(negative: bool, digits: String, spec: &Spec) -> String {
    let digits = if spec.comma { grouped(&digits) } else { digits };
    let (before, after) = match (negative, spec.parenthesis) {
        (true, true) => ("(", ")"),
        (true, false) => ("-", ""),
        (false, _) if spec.plus => ("+", ""),
        (false, _) if spec.blank => (" ", ""),
        _ => ("", ""),
    };
    let length = before.len() + digits.len() + after.len();
    let zeros = if spec.zero && !spec.left { spec.width.saturating_sub(length) } else { 0 };
    pad(format!("{before}{}{digits}{after}", "0".repeat(zeros)), spec)
}

fn padded_zero(digits: String, spec: &Spec) -> String {
    let zeros = if spec.zero && !spec.left { spec.width.saturating_sub(digits.len()) } else { 0 };
    pad("0".repeat(zeros) + &digits, spec)
}

fn grouped(digits: &str) -> String {
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

fn pad(text: String, spec: &Spec) -> String {
    let blanks = " ".repeat(spec.width.saturating_sub(text.chars().count()));
    if spec.left { text + &blanks } else { blanks + &text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_format_makes_it_panic(format in "[%a-z0-9$.,(+ -]{0,20}", whole: i64, number: f64, text: String) {
            let values = [Value::string(&format), Value::Int(whole), Value::Double(number), Value::string(&text)];
            let types = [DataType::String, DataType::BigInt, DataType::Double, DataType::String];
            let _ = printf(&values, &types);
        }
    }
}
