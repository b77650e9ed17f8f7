//! PRINTF: the conversions of Java's `Formatter` that make sense for SQL values:
//! `%s %d %x %o %f %e %g %b %c %n %%`.
//!
//! As in Flink a format that does not fit its values gives NULL.

use std::fmt::Write;

use super::values::{Outcome, mistyped, string, text};
use super::{EvalError, Reason, TEXT_MAX_BYTES, json_text};
use crate::model::double::{write_double, write_float};
use crate::model::{DataType, Value, civil};

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

impl Spec {
    /// Whether Java refuses the flags, for one another or for the conversion.
    fn contradicts(&self, conversion: char) -> bool {
        let signs = self.plus || self.blank || self.parenthesis;
        let of_conversion = match conversion {
            'd' => self.precision.is_some(),
            'x' | 'o' => self.precision.is_some() || signs || self.comma,
            'e' => self.comma,
            'f' | 'g' => false,
            _ => signs || self.comma || self.zero || conversion == 'c' && self.precision.is_some(),
        };
        let lacks_width = (self.left || self.zero) && self.width == 0;
        of_conversion || lacks_width || self.left && self.zero || self.plus && self.blank
    }
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
    let conversion = conversion.to_ascii_lowercase();
    if spec.contradicts(conversion) {
        return Ok(None);
    }
    let text = match (conversion, value) {
        ('b', Value::Boolean(truth)) => plain(truth.to_string()),
        ('b', value) => plain((!value.is_null()).to_string()),
        ('s' | 'd' | 'x' | 'o' | 'f' | 'e' | 'g' | 'c', Value::Null) => plain("null".to_owned()),
        ('s', value) => plain(as_text(value, data_type)?),
        ('d', Value::Int(number)) => signed(*number < 0, number.unsigned_abs().to_string(), spec),
        ('x', Value::Int(number)) => padded_zero(format!("{:x}", bits(*number, data_type)), spec),
        ('o', Value::Int(number)) => padded_zero(format!("{:o}", bits(*number, data_type)), spec),
        ('f' | 'e' | 'g', Value::Double(number)) => decimal(*number, conversion, spec),
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
        (Value::Timestamp(micros), _) => {
            // Seconds, and the digits of them in threes, only where there are some.
            let whole_minutes = micros % 60_000_000 == 0;
            let digits = [1_000_000, 1_000].into_iter().take_while(|unit| micros % unit != 0).count() * 3;
            // Writing into a String cannot fail.
            let _ = civil::write_timestamp(*micros, 'T', digits, &mut out);
            out.truncate(out.len() - if whole_minutes { 3 } else { 0 });
        }
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

/// `%f`, `%e` and `%g`; a DECIMAL is no number for them in Flink.
fn decimal(number: f64, conversion: char, spec: &Spec) -> String {
    let negative = number.is_sign_negative();
    if !number.is_finite() {
        let plain = Spec { zero: false, comma: false, ..*spec };
        return if number.is_nan() {
            pad("NaN".to_owned(), spec)
        } else {
            signed(negative, "Infinity".to_owned(), &plain)
        };
    }
    let (digits, precision) = (Digits::shortest(number), spec.precision.unwrap_or(6));
    let whole = i32::try_from(precision).unwrap_or(i32::MAX - 400);
    let text = match conversion {
        'f' => digits.rounded(digits.point + whole).plain(precision),
        'e' => digits.rounded(whole + 1).scientific(precision),
        _ => {
            let digits = digits.rounded(whole.max(1));
            // As many digits as the precision says, before and after the point.
            match usize::try_from(whole.max(1) - digits.point) {
                Ok(decimals) if digits.point > -4 => digits.plain(decimals),
                _ => digits.scientific(precision.max(1) - 1),
            }
        }
    };
    signed(negative, text, spec)
}

/// A number as `0.digits` times ten to the power of `point`.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

impl Digits {
    /// Java rounds these, the shortest ones that read back, and not the binary number.
    fn shortest(number: f64) -> Digits {
        let text = format!("{:e}", number.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        Digits { digits, point: exponent.parse::<i32>().unwrap_or(0) + 1 }
    }

    /// The first so many digits, rounded half up; zeros at their end may be missing.
    fn rounded(&self, count: i32) -> Digits {
        let Ok(count) = usize::try_from(count) else { return Digits { digits: Vec::new(), point: self.point } };
        let mut digits = self.digits.get(..count).unwrap_or(&self.digits).to_vec();
        if self.digits.get(count).is_none_or(|digit| *digit < 5) {
            return Digits { digits, point: self.point };
        }
        while let Some(last) = digits.pop() {
            if last < 9 {
                digits.push(last + 1);
                return Digits { digits, point: self.point };
            }
        }
        Digits { digits: vec![1], point: self.point + 1 }
    }

    fn digit(&self, at: i32) -> char {
        let digit = usize::try_from(at).ok().and_then(|at| self.digits.get(at));
        digit.map_or('0', |digit| char::from(b'0' + digit))
    }

    fn plain(&self, decimals: usize) -> String {
        let mut out: String = (0..self.point).map(|at| self.digit(at)).collect();
        if out.is_empty() {
            out.push('0');
        }
        if decimals > 0 {
            out.push('.');
            out.extend((self.point..).take(decimals).map(|at| self.digit(at)));
        }
        out
    }

    fn scientific(&self, decimals: usize) -> String {
        let mut out = Digits { digits: self.digits.clone(), point: 1 }.plain(decimals);
        let exponent = self.point - 1;
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing into a String cannot fail.
        let _ = write!(out, "e{sign}{:02}", exponent.abs());
        out
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
