//! The nouns everything else is written in: values and their types, rows, schemas, time, sizes.
//!
//! Holds always: a [`Value`] carries no type of its own beyond its variant; its exact type (precision, scale, zone)
//! stands in the [`DataType`] of its column. Knows nothing of SQL, MQTT, SQLite or Kafka.

pub mod civil;
pub mod decimal;
pub mod double;
mod nested;
mod schema;
mod size;
mod time;
mod value;
pub mod varint;
mod wide;

pub use decimal::Decimal;
pub use nested::{Entry, Field};
pub use schema::{Column, DataType, Schema};
pub use size::{Bytes as ByteSize, ParseSizeError};
pub use time::{After, Millis, Now, ParseDurationError, parse_duration, unix_millis};
pub use value::{Row, Value};
