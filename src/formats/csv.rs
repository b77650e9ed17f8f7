//! CSV as Flink's `filesystem` connector reads it: no header, commas, quotes doubled inside quotes.

use std::io::Read;
use std::sync::Arc;

use csv::StringRecord;

use super::{DecodeError, moment, shown};
use crate::model::decimal::DecimalType;
use crate::model::{Column, DataType, Decimal, Row, Value, civil};

pub struct CsvReader<R> {
    records: csv::Reader<R>,
    columns: Vec<Column>,
    null_literal: Option<String>,
    record: StringRecord,
}

impl<R: Read> CsvReader<R> {
    pub fn new(input: R, columns: &[Column], null_literal: Option<&str>) -> CsvReader<R> {
        CsvReader {
            records: csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input),
            columns: columns.to_vec(),
            null_literal: null_literal.map(str::to_owned),
            record: StringRecord::new(),
        }
    }

    /// Appends the values of the next record to `row`; `false` at the end. After an error `row` is as it was.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, DecodeError> {
        if !self.records.read_record(&mut self.record).map_err(|error| DecodeError(error.to_string()))? {
            return Ok(false);
        }
        if self.record.len() < self.columns.len() {
            let (found, wanted) = (self.record.len(), self.columns.len());
            return Err(DecodeError(format!("line {}: {found} fields, the table has {wanted}", self.line())));
        }
        let start = row.len();
        for (column, text) in self.columns.iter().zip(&self.record) {
            let value = if self.null_literal.as_deref() == Some(text) {
                Some(Value::Null)
            } else {
                parse(text, column.data_type)
            };
            let Some(value) = value else {
                row.truncate(start);
                let error =
                    format!("line {}: {} is no {}: {}", self.line(), shown(text), column.data_type, column.name);
                return Err(DecodeError(error));
            };
            row.push(value);
        }
        Ok(true)
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }
}

fn parse(text: &str, data_type: DataType) -> Option<Value> {
    let trimmed = text.trim();
    let ranged = |min: i64, max: i64| trimmed.parse().ok().filter(|n: &i64| (min..=max).contains(n)).map(Value::Int);
    match data_type {
        DataType::Null => Some(Value::Null),
        DataType::Boolean => trimmed.to_ascii_lowercase().parse().ok().map(Value::Boolean),
        DataType::TinyInt => ranged(i8::MIN.into(), i8::MAX.into()),
        DataType::SmallInt => ranged(i16::MIN.into(), i16::MAX.into()),
        DataType::Int => ranged(i32::MIN.into(), i32::MAX.into()),
        DataType::BigInt | DataType::IntervalMonths | DataType::IntervalMillis => ranged(i64::MIN, i64::MAX),
        DataType::Float => trimmed.parse().ok().map(|number: f32| Value::Double(f64::from(number))),
        DataType::Double => trimmed.parse().ok().map(Value::Double),
        DataType::Decimal { precision, scale } => {
            DecimalType { precision, scale }.parse(trimmed).map(|unscaled| Value::Decimal(Decimal::new(unscaled)))
        }
        DataType::String => Some(Value::String(Arc::from(text))),
        DataType::Bytes => {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.decode(text).ok().map(|bytes| Value::Bytes(bytes.into()))
        }
        DataType::Date => moment::date(trimmed).map(Value::Date),
        DataType::Time(precision) => {
            moment::time(trimmed).map(|micros| Value::Time((civil::cut_digits(micros, precision) / 1_000) as i32))
        }
        // A field of a line holds no structure.
        DataType::Array(_) | DataType::Map(_) | DataType::Row(_) => None,
        DataType::Timestamp(precision) | DataType::TimestampLtz(precision) => {
            moment::timestamp(trimmed).map(|micros| Value::Timestamp(civil::cut_digits(micros, precision)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, data_type: DataType) -> Column {
        Column { name: Arc::from(name), data_type }
    }

    #[test]
    fn rows_with_quotes_and_nulls() {
        let columns =
            [column("id", DataType::Int), column("s", DataType::String), column("ts", DataType::Timestamp(3))];
        let text = "1,\"a,\"\"b\"\"\",2026-03-01 08:00:00.123\n,,\n";
        let mut reader = CsvReader::new(text.as_bytes(), &columns, Some(""));
        let mut row = Row::new();
        assert_eq!(reader.read(&mut row), Ok(true));
        assert_eq!(row, vec![Value::Int(1), Value::string("a,\"b\""), Value::Timestamp(1_772_352_000_123_000)]);
        row.clear();
        assert_eq!(reader.read(&mut row), Ok(true));
        assert_eq!(row, vec![Value::Null; 3]);
        assert_eq!(reader.read(&mut row), Ok(false));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let columns = [column("id", DataType::Int), column("n", DataType::Double)];
        let mut reader = CsvReader::new("1,2\nx,3\n4\n".as_bytes(), &columns, None);
        let mut row = Row::new();
        assert_eq!(reader.read(&mut row), Ok(true));
        let error = reader.read(&mut row).expect_err("x is no number").to_string();
        assert_eq!(error, "line 2: \"x\" is no INT: id");
        let error = reader.read(&mut row).expect_err("too short").to_string();
        assert_eq!(error, "line 3: 1 fields, the table has 2");
        assert_eq!(row.len(), 2);
    }
}
