//! A value of a column, and a row of them.

use std::sync::Arc;

use super::Decimal;

/// One value, 24 bytes. Cloning never copies text or bytes.
///
/// Integers of every width share one variant and are kept within the range of their [`DataType`](super::DataType) by
/// whoever computes them (Flink wraps around). FLOAT is a `f64` that was rounded to `f32`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    /// TINYINT, SMALLINT, INT, BIGINT; also intervals: months, or milliseconds.
    Int(i64),
    /// FLOAT, DOUBLE.
    Double(f64),
    /// The unscaled number; the scale stands in the type.
    Decimal(Decimal),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds since midnight.
    Time(i32),
    /// TIMESTAMP and TIMESTAMP_LTZ of every precision: microseconds since 1970-01-01 00:00 (UTC for LTZ).
    Timestamp(i64),
    /// ARRAY: its elements; ROW: its fields; MAP: key, value, key, value … with each key once.
    List(Arc<[Value]>),
}

/// The values of one row, in the order of its schema's columns.
pub type Row = Vec<Value>;

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn string(text: &str) -> Value {
        Value::String(Arc::from(text))
    }

    /// Bytes this value holds beyond its own 24 (shared text counts in full): for limits and memory accounting.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String(text) => text.len() + 16,
            Value::Bytes(bytes) => bytes.len() + 16,
            Value::List(parts) => 16 + parts.iter().map(|part| size_of::<Value>() + part.heap_bytes()).sum::<usize>(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_small() {
        assert_eq!(std::mem::size_of::<Value>(), 24);
    }
}
