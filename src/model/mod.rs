//! The nouns everything else is written in: values and their types, rows, schemas, time, sizes.
//!
//! Holds always: a [`Value`] carries no type of its own beyond its variant; its exact type (precision, scale, zone)
//! stands in the [`DataType`] of its column. Knows nothing of SQL, MQTT, SQLite or Kafka.

mod decimal;
mod schema;
mod size;
mod time;
mod value;

pub use decimal::Decimal;
pub use schema::{Column, DataType, Schema};
pub use size::{Bytes as ByteSize, ParseSizeError};
pub use time::{Millis, Now, ParseDurationError, parse_duration};
pub use value::{Row, Value};
