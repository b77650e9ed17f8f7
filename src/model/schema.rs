//! Types and columns.

use std::fmt;
use std::sync::Arc;

use super::nested::{self, Entry, Field};

/// Flink's type of a column. `CHAR(n)` and `VARCHAR(n)` are `String` here: Flink prints them alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// The type of a bare NULL before it is coerced.
    Null,
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    String,
    Bytes,
    Date,
    /// Digits of a second, at most three.
    Time(u8),
    /// Without a time zone; digits of a second.
    Timestamp(u8),
    /// With the local (session) time zone, which is always UTC here.
    TimestampLtz(u8),
    /// INTERVAL YEAR TO MONTH, in months.
    IntervalMonths,
    /// INTERVAL DAY TO SECOND, in milliseconds.
    IntervalMillis,
    /// Of elements of one type.
    Array(&'static DataType),
    Map(&'static Entry),
    Row(&'static [Field]),
}

/// A named, typed column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: Arc<str>,
    pub data_type: DataType,
}

/// The columns of a source, a table or an operator's output, and which of them play a part in time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    pub columns: Vec<Column>,
    /// Index of the event-time attribute, TIMESTAMP(3) or TIMESTAMP_LTZ(3).
    pub event_time: Option<usize>,
    /// Index of the column that names the device, where the device rule of watermarks is in force.
    pub device: Option<usize>,
}

impl DataType {
    pub fn is_integer(self) -> bool {
        matches!(self, DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt)
    }

    /// Integers, DECIMAL, FLOAT, DOUBLE.
    pub fn is_numeric(self) -> bool {
        self.is_integer() || matches!(self, DataType::Float | DataType::Double | DataType::Decimal { .. })
    }

    pub fn is_timestamp(self) -> bool {
        matches!(self, DataType::Timestamp(_) | DataType::TimestampLtz(_))
    }

    pub fn is_interval(self) -> bool {
        matches!(self, DataType::IntervalMonths | DataType::IntervalMillis)
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Null => f.write_str("NULL"),
            DataType::Boolean => f.write_str("BOOLEAN"),
            DataType::TinyInt => f.write_str("TINYINT"),
            DataType::SmallInt => f.write_str("SMALLINT"),
            DataType::Int => f.write_str("INT"),
            DataType::BigInt => f.write_str("BIGINT"),
            DataType::Float => f.write_str("FLOAT"),
            DataType::Double => f.write_str("DOUBLE"),
            DataType::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            DataType::String => f.write_str("STRING"),
            DataType::Bytes => f.write_str("BYTES"),
            DataType::Date => f.write_str("DATE"),
            DataType::Time(0) => f.write_str("TIME"),
            DataType::Time(precision) => write!(f, "TIME({precision})"),
            DataType::Timestamp(precision) => write!(f, "TIMESTAMP({precision})"),
            DataType::TimestampLtz(precision) => write!(f, "TIMESTAMP_LTZ({precision})"),
            DataType::IntervalMonths => f.write_str("INTERVAL YEAR TO MONTH"),
            DataType::IntervalMillis => f.write_str("INTERVAL DAY TO SECOND"),
            DataType::Array(element) => write!(f, "ARRAY<{element}>"),
            DataType::Map(Entry { key, value }) => write!(f, "MAP<{key}, {value}>"),
            DataType::Row(fields) => nested::write_row(fields, f),
        }
    }
}

impl Schema {
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| &*column.name == name)
    }
}
