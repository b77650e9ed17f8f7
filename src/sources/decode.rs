//! A payload of a source to its row: captures, then what the payload says, then the time of arrival where it is a column.

use std::sync::Arc;

use super::polled;
use crate::config::{Format, Input, Source};
use crate::formats::{JsonDecoder, JsonField, Types};
use crate::model::{Millis, Row, Value};

/// Decodes the payloads of one source.
#[derive(Clone, Debug)]
pub struct Decoder {
    body: Body,
    captures: usize,
    arrived_at: bool,
    columns: usize,
}

#[derive(Clone, Debug)]
enum Body {
    Json(JsonDecoder),
    Raw,
    /// Values of registers, as [`encode_polled`] writes them.
    Polled,
    /// The configuration's check lets no such schema through.
    Wrong(String),
}

impl Decoder {
    pub fn new(source: &Source) -> Decoder {
        let body = match (&source.input, &source.format) {
            (Input::Modbus(_), _) => Body::Polled,
            (Input::Mqtt { .. }, Format::Raw) => Body::Raw,
            (Input::Mqtt { .. }, Format::Json { paths }) => {
                let declared = source.schema.columns.iter().skip(source.captures);
                let fields: Vec<JsonField> = declared
                    .zip(paths)
                    .map(|(column, path)| JsonField { path: path.clone(), data_type: column.data_type })
                    .collect();
                JsonDecoder::new(&fields, Types::Strict).map_or_else(|error| Body::Wrong(error.to_string()), Body::Json)
            }
        };
        Decoder { body, captures: source.captures, arrived_at: source.arrived_at, columns: source.schema.columns.len() }
    }

    /// The row, or why there is none, in words for the one who built the device.
    pub fn decode(&self, captures: &[Arc<str>], payload: &[u8], arrival: Millis) -> Result<Row, String> {
        let mut row = Row::with_capacity(self.columns);
        row.extend(captures.iter().take(self.captures).map(|level| Value::String(Arc::clone(level))));
        match &self.body {
            Body::Json(decoder) => decoder.decode(payload, &mut row).map_err(|error| error.to_string())?,
            Body::Raw => row.push(Value::Bytes(Arc::from(payload))),
            Body::Polled => polled::decode(payload, &mut row).ok_or("the polled values are damaged")?,
            Body::Wrong(why) => return Err(why.clone()),
        }
        if self.arrived_at {
            row.push(Value::Timestamp(arrival.saturating_mul(1_000)));
        }
        // A journal written under another schema must not reach a plan bound to this one.
        if row.len() == self.columns { Ok(row) } else { Err("it does not fit the schema".to_owned()) }
    }
}

/// A poll's values as a payload, for the journal.
pub fn encode_polled(values: &[Value]) -> Vec<u8> {
    polled::encode(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Level, Modbus};
    use crate::model::{Column, DataType, Schema};

    const ARRIVAL: Millis = 1_700_000_000_123;

    fn source(input: Input, format: Format, columns: &[(&str, DataType)], captures: usize, arrived_at: bool) -> Source {
        let column = |(name, data_type): &(&str, DataType)| Column { name: (*name).into(), data_type: *data_type };
        let schema = Schema { columns: columns.iter().map(column).collect(), ..Schema::default() };
        Source { name: "s".into(), input, format, schema, captures, arrived_at }
    }

    fn mqtt() -> Input {
        Input::Mqtt { levels: vec![Level::Capture("device".into())] }
    }

    #[test]
    fn json_stands_between_captures_and_arrival() {
        let paths = vec![vec!["temp".to_owned()], vec!["a".to_owned(), "b".to_owned()]];
        let columns = [
            ("device", DataType::String),
            ("temp", DataType::Double),
            ("b", DataType::Int),
            ("arrived_at", DataType::TimestampLtz(3)),
        ];
        let decoder = Decoder::new(&source(mqtt(), Format::Json { paths }, &columns, 1, true));
        let decode = |payload: &str| decoder.decode(&["p1".into()], payload.as_bytes(), ARRIVAL);
        let arrived = Value::Timestamp(ARRIVAL * 1_000);
        assert_eq!(
            decode(r#"{"a": {"b": 7, "c": []}, "temp": 81.5}"#),
            Ok(vec![Value::string("p1"), Value::Double(81.5), Value::Int(7), arrived.clone()])
        );
        assert_eq!(decode("{}"), Ok(vec![Value::string("p1"), Value::Null, Value::Null, arrived]));
        for wrong in [r#"{"temp": "hot"}"#, "", "[1]", r#"{"temp": 1"#] {
            assert!(decode(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn raw_payloads_stay_as_they_are() {
        let columns =
            [("device", DataType::String), ("payload", DataType::Bytes), ("arrived_at", DataType::TimestampLtz(3))];
        let decoder = Decoder::new(&source(mqtt(), Format::Raw, &columns, 1, true));
        let row = decoder.decode(&["p1".into()], &[0, 255, b'{'], ARRIVAL).unwrap();
        assert_eq!(row[1], Value::Bytes([0, 255, b'{'].as_slice().into()));
    }

    #[test]
    fn polled_values_of_another_schema_are_refused() {
        let modbus = Modbus {
            host: "h".into(),
            port: 502,
            unit: 1,
            interval: std::time::Duration::from_secs(1),
            timeout: std::time::Duration::from_secs(1),
            device: "press".into(),
            registers: Vec::new(),
        };
        let columns =
            [("device", DataType::String), ("temp", DataType::Int), ("arrived_at", DataType::TimestampLtz(3))];
        let decoder = Decoder::new(&source(Input::Modbus(modbus), Format::Raw, &columns, 1, true));
        let row = decoder.decode(&["press".into()], &encode_polled(&[Value::Int(-5)]), ARRIVAL).unwrap();
        assert_eq!(row, [Value::string("press"), Value::Int(-5), Value::Timestamp(ARRIVAL * 1_000)]);
        assert!(decoder.decode(&["press".into()], &encode_polled(&[Value::Null, Value::Null]), ARRIVAL).is_err());
    }
}
