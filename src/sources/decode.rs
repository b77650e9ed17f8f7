//! A payload of a source to its row: captures, then what the payload says, then the time of arrival where it is a column.

use std::sync::Arc;

use super::polled;
use crate::config::{Format, Input, Source};
use crate::formats::{JsonDecoder, JsonField};
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
                JsonDecoder::new(&fields).map_or_else(|error| Body::Wrong(error.to_string()), Body::Json)
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
