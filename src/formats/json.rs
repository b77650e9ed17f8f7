//! JSON objects.

use super::DecodeError;
use crate::model::{Column, DataType, Row, Value};

/// A column and the path of object keys that leads to it.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonField {
    pub path: Vec<String>,
    pub data_type: DataType,
}

pub struct JsonDecoder {}

impl JsonDecoder {
    /// Fails where one path leads through another (`a` and `a.b`), or a type has no JSON form.
    pub fn new(_fields: &[JsonField]) -> Result<JsonDecoder, DecodeError> {
        unimplemented!()
    }

    /// Appends one value per field to `row`. After an error `row` is as it was.
    pub fn decode(&self, _payload: &[u8], _row: &mut Row) -> Result<(), DecodeError> {
        unimplemented!()
    }
}

pub struct JsonEncoder {}

impl JsonEncoder {
    pub fn new(_columns: &[Column]) -> JsonEncoder {
        unimplemented!()
    }

    /// Appends one object, without a line end.
    pub fn encode(&self, _row: &[Value], _out: &mut Vec<u8>) {
        unimplemented!()
    }
}
