//! Rows to JSON objects, one way to write each value: what `sql_cases` and Flink's consumers expect.

use std::fmt::Write;

use base64::Engine;

use crate::model::{Column, DataType, Value, civil};

/// Encodes rows of one schema.
#[derive(Clone, Debug)]
pub struct JsonEncoder {
    /// `{"name":` or `,"name":` and the column's type.
    columns: Vec<(String, DataType)>,
    timestamps: TimestampText,
}

/// How a TIMESTAMP looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampText {
    /// `2026-03-01T08:00:00.000`, with six digits of the second where it has them.
    Fixed,
    /// `2026-03-01 08:00:00.5`, with as many digits as it has: Flink's `SQL`.
    Sql,
    /// The same with a T: Flink's `ISO-8601`.
    Iso8601,
}

impl JsonEncoder {
    pub fn new(columns: &[Column]) -> JsonEncoder {
        JsonEncoder::with_timestamps(columns, TimestampText::Fixed)
    }

    pub fn with_timestamps(columns: &[Column], timestamps: TimestampText) -> JsonEncoder {
        let head = |(index, column): (usize, &Column)| {
            let mut text = String::from(if index == 0 { "{" } else { "," });
            write_text(&column.name, &mut text);
            text.push(':');
            (text, column.data_type)
        };
        JsonEncoder { columns: columns.iter().enumerate().map(head).collect(), timestamps }
    }

    /// Appends one object, without a line end.
    pub fn encode(&self, row: &[Value], out: &mut String) {
        if self.columns.is_empty() {
            out.push('{');
        }
        for ((head, data_type), value) in self.columns.iter().zip(row) {
            out.push_str(head);
            encode(value, *data_type, self.timestamps, out);
        }
        out.push('}');
    }
}

/// Appends one value.
pub fn encode_value(value: &Value, data_type: DataType, out: &mut String) {
    encode(value, data_type, TimestampText::Fixed, out);
}

fn encode(value: &Value, data_type: DataType, timestamps: TimestampText, out: &mut String) {
    // Writing to a String cannot fail, so the results are dropped.
    match (value, data_type) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Boolean(value), _) => out.push_str(if *value { "true" } else { "false" }),
        (Value::Int(number), _) => {
            let _ = write!(out, "{number}");
        }
        (Value::Double(number), _) if number.is_nan() => out.push_str("\"NaN\""),
        (Value::Double(number), _) if number.is_infinite() => {
            out.push_str(if *number > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
        }
        (Value::Double(number), DataType::Float) => write_number(&(*number as f32).to_string(), out, number.abs()),
        (Value::Double(number), _) => {
            let magnitude = number.abs();
            if magnitude != 0.0 && !(1e-7..1e17).contains(&magnitude) {
                {
                    let _ = write!(out, "{number:e}");
                };
            } else {
                write_number(&number.to_string(), out, magnitude);
            }
        }
        (Value::Decimal(number), DataType::Decimal { scale, .. }) => write_decimal(number.unscaled(), scale, out),
        (Value::Decimal(number), _) => write_decimal(number.unscaled(), 0, out),
        (Value::String(text), _) => write_text(text, out),
        (Value::List(parts), DataType::Array(element)) => {
            let one = |value: &Value, out: &mut String| encode(value, *element, timestamps, out);
            listed(parts.iter(), ['[', ']'], out, one);
        }
        (Value::List(parts), DataType::Map(entry)) => {
            listed(parts.chunks_exact(2), ['{', '}'], out, |pair, out| {
                encode_key(&pair[0], entry.key, out);
                out.push(':');
                encode(&pair[1], entry.value, timestamps, out);
            });
        }
        (Value::List(parts), DataType::Row(fields)) => {
            listed(fields.iter().zip(parts.iter()), ['{', '}'], out, |(field, value), out| {
                write_text(field.name, out);
                out.push(':');
                encode(value, field.data_type, timestamps, out);
            });
        }
        (Value::List(_), _) => out.push_str("null"),
        (Value::Bytes(bytes), _) => {
            out.push('"');
            base64::engine::general_purpose::STANDARD.encode_string(bytes, out);
            out.push('"');
        }
        (Value::Date(days), _) => quoted(out, |out| civil::write_date(i64::from(*days), out)),
        (Value::Time(millis), _) => {
            let digits = if millis % 1_000 == 0 { 0 } else { 3 };
            quoted(out, |out| civil::write_time(i64::from(*millis) * 1_000, digits, out));
        }
        (Value::Timestamp(micros), data_type) => {
            quoted(out, |out| write_timestamp(*micros, data_type, timestamps, out));
        }
    }
}

/// Without quotes.
pub fn write_timestamp(
    micros: i64,
    data_type: DataType,
    timestamps: TimestampText,
    out: &mut String,
) -> std::fmt::Result {
    let separator = if timestamps == TimestampText::Sql { ' ' } else { 'T' };
    let fixed = if micros % 1_000 == 0 { 3 } else { 6 };
    let least = (0..6).find(|digits| civil::cut_digits(micros, *digits) == micros).unwrap_or(6);
    let digits = if timestamps == TimestampText::Fixed { fixed } else { usize::from(least) };
    civil::write_timestamp(micros, separator, digits, out)?;
    if matches!(data_type, DataType::TimestampLtz(_)) { out.write_char('Z') } else { Ok(()) }
}

fn listed<T>(
    parts: impl Iterator<Item = T>,
    [open, close]: [char; 2],
    out: &mut String,
    mut one: impl FnMut(T, &mut String),
) {
    out.push(open);
    for (index, part) in parts.enumerate() {
        if index > 0 {
            out.push(',');
        }
        one(part, out);
    }
    out.push(close);
}

/// A key of an object is a text: any other value is the text of its JSON.
fn encode_key(key: &Value, data_type: DataType, out: &mut String) {
    let mut text = String::new();
    encode_value(key, data_type, &mut text);
    if text.starts_with('"') { out.push_str(&text) } else { write_text(&text, out) }
}

fn quoted(out: &mut String, write: impl FnOnce(&mut String) -> std::fmt::Result) {
    out.push('"');
    let _ = write(out);
    out.push('"');
}

/// Whole doubles keep a point, so that they read as what they are.
fn write_number(digits: &str, out: &mut String, magnitude: f64) {
    out.push_str(digits);
    if magnitude.fract() == 0.0 && !digits.contains(['.', 'e']) {
        out.push_str(".0");
    }
}

fn write_decimal(unscaled: i128, scale: u8, out: &mut String) {
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if unscaled < 0 {
        out.push('-');
    }
    out.push_str(whole);
    if scale > 0 {
        out.push('.');
        out.push_str(fraction);
    }
}

/// Escapes what JSON demands and nothing else.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[clean..at]);
        clean = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(&text[clean..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::{JsonDecoder, JsonField, Types};
    use super::*;
    use crate::model::{Decimal, Row};

    fn one(value: Value, data_type: DataType) -> String {
        let mut out = String::new();
        encode_value(&value, data_type, &mut out);
        out
    }

    #[test]
    fn each_type_as_the_cases_have_it() {
        let decimal = DataType::Decimal { precision: 10, scale: 3 };
        for (value, data_type, expected) in [
            (Value::Int(i64::MIN), DataType::BigInt, "-9223372036854775808"),
            (Value::Double(3.5), DataType::Double, "3.5"),
            (Value::Double(3.0), DataType::Double, "3.0"),
            (Value::Double(1e300), DataType::Double, "1e300"),
            (Value::Double(f64::NAN), DataType::Double, "\"NaN\""),
            (Value::Double(f64::NEG_INFINITY), DataType::Double, "\"-Infinity\""),
            (Value::Double(f64::from(0.1f32)), DataType::Float, "0.1"),
            (Value::Decimal(Decimal::new(7_500)), decimal, "7.500"),
            (Value::Decimal(Decimal::new(-5)), decimal, "-0.005"),
            (Value::Timestamp(1_772_352_000_000_000), DataType::Timestamp(3), "\"2026-03-01T08:00:00.000\""),
            (Value::Timestamp(1_772_352_000_000_001), DataType::TimestampLtz(6), "\"2026-03-01T08:00:00.000001Z\""),
            (Value::Date(20_513), DataType::Date, "\"2026-03-01\""),
            (Value::Time(29_730_000), DataType::Time(0), "\"08:15:30\""),
            (Value::string("a\"\\\n\u{1}é"), DataType::String, "\"a\\\"\\\\\\n\\u0001é\""),
            (Value::Null, DataType::Int, "null"),
        ] {
            assert_eq!(one(value, data_type), expected);
        }
    }

    #[test]
    fn timestamps_as_flinks_formats_have_them() {
        let columns = |data_type| [Column { name: "t".into(), data_type }];
        for (micros, sql) in [
            (1_772_352_000_000_000, "2026-03-01 08:00:00"),
            (1_772_352_000_120_000, "2026-03-01 08:00:00.12"),
            (1_772_352_000_000_001, "2026-03-01 08:00:00.000001"),
            (-1_000, "1969-12-31 23:59:59.999"),
        ] {
            for (timestamps, expected) in
                [(TimestampText::Sql, sql.to_owned()), (TimestampText::Iso8601, sql.replace(' ', "T"))]
            {
                for (data_type, zone) in [(DataType::Timestamp(6), ""), (DataType::TimestampLtz(6), "Z")] {
                    let mut out = String::new();
                    JsonEncoder::with_timestamps(&columns(data_type), timestamps)
                        .encode(&[Value::Timestamp(micros)], &mut out);
                    assert_eq!(out, format!("{{\"t\":\"{expected}{zone}\"}}"));
                }
            }
        }
    }

    #[test]
    fn arrays_maps_and_rows() {
        let list = |parts: Vec<Value>| Value::List(parts.into());
        let array = DataType::array_of(DataType::Float);
        assert_eq!(one(list(vec![Value::Double(f64::from(0.1f32)), Value::Null]), array), "[0.1,null]");
        assert_eq!(one(list(vec![]), array), "[]");
        let map = DataType::map_of(DataType::String, array);
        assert_eq!(one(list(vec![Value::string("a\""), list(vec![Value::Double(1.0)])]), map), r#"{"a\"":[1.0]}"#);
        let numbered = DataType::map_of(DataType::Int, DataType::Boolean);
        assert_eq!(one(list(vec![Value::Int(7), Value::Boolean(true)]), numbered), r#"{"7":true}"#);
        let row = DataType::row_of([("x", DataType::Int), ("y z", DataType::String)]);
        assert_eq!(one(list(vec![Value::Int(1), Value::Null]), row), r#"{"x":1,"y z":null}"#);
    }

    fn any_row() -> impl Strategy<Value = Row> {
        let text = prop_oneof![Just(Value::Null), ".{0,20}".prop_map(|text| Value::string(&text))];
        let double = prop_oneof![
            Just(Value::Null),
            any::<f64>().prop_filter("finite", |d| d.is_finite()).prop_map(Value::Double)
        ];
        let bytes = prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(Arc::from(bytes)));
        let micros = (-60_000_000_000_000_000i64..200_000_000_000_000_000)
            .prop_map(|ms| Value::Timestamp(ms - ms.rem_euclid(1_000)));
        (any::<i64>(), any::<bool>(), text, double, bytes, micros).prop_map(|(i, b, text, double, bytes, micros)| {
            vec![Value::Int(i), Value::Boolean(b), text, double, bytes, micros]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(row in any_row()) {
            let types = [DataType::BigInt, DataType::Boolean, DataType::String, DataType::Double, DataType::Bytes, DataType::TimestampLtz(3)];
            let names = ["i", "b\"", "t", "d", "raw", "ts"];
            let columns: Vec<Column> = names.iter().zip(types).map(|(name, data_type)| Column { name: Arc::from(*name), data_type }).collect();
            let fields: Vec<JsonField> = names.iter().zip(types).map(|(name, data_type)| JsonField { path: vec![(*name).to_owned()], data_type }).collect();
            let mut text = String::new();
            JsonEncoder::new(&columns).encode(&row, &mut text);
            let mut back = Row::new();
            JsonDecoder::new(&fields, Types::Strict).unwrap().decode(text.as_bytes(), &mut back).unwrap();
            prop_assert_eq!(back, row);
        }

        #[test]
        fn random_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let field = JsonField { path: vec!["a".to_owned()], data_type: DataType::Double };
            let _ = JsonDecoder::new(&[field], Types::Strict).unwrap().decode(&bytes, &mut Row::new());
        }
    }
}
