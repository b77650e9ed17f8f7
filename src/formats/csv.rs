//! CSV as Flink's `filesystem` connector reads and writes it: no header, commas, quotes doubled inside quotes.

use std::io::Read;
use std::sync::Arc;

use csv::StringRecord;

use super::json_out::write_timestamp;
use super::{DecodeError, TimestampText, Types, converted, encode_value, moment, shown};
use crate::model::decimal::DecimalType;
use crate::model::{Column, DataType, Decimal, Row, Value, civil};

pub struct CsvReader<R> {
    records: csv::Reader<R>,
    columns: Vec<Column>,
    null_literal: Option<String>,
    types: Types,
    record: StringRecord,
}

impl<R: Read> CsvReader<R> {
    pub fn new(input: R, columns: &[Column], null_literal: Option<&str>, types: Types) -> CsvReader<R> {
        CsvReader {
            records: csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input),
            columns: columns.to_vec(),
            null_literal: null_literal.map(str::to_owned),
            types,
            record: StringRecord::new(),
        }
    }

    /// Appends the values of the next record to `row`; `false` at the end. After an error `row` is as it was.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, DecodeError> {
        if !self.records.read_record(&mut self.record).map_err(|error| DecodeError(error.to_string()))? {
            return Ok(false);
        }
        let (found, wanted) = (self.record.len(), self.columns.len());
        // A comma at the end of the line begins no field of its own, as in Flink.
        let comma_at_end = found == wanted + 1 && self.record.get(wanted) == Some("");
        if found != wanted && !comma_at_end {
            return Err(DecodeError(format!("line {}: {found} fields, the table has {wanted}", self.line())));
        }
        let start = row.len();
        for (column, text) in self.columns.iter().zip(&self.record) {
            let value = if self.null_literal.as_deref() == Some(text) {
                Some(Value::Null)
            } else {
                parse(text, column.data_type).or_else(|| self.converted(text, column.data_type))
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

    /// What Flink makes of a field that is nothing of the column's type; of its dates a month and a day may have one digit.
    fn converted(&self, text: &str, data_type: DataType) -> Option<Value> {
        match (self.types, data_type) {
            (Types::Strict, _) => None,
            (Types::Converted, DataType::Date) => {
                let [year, month, day] = text.trim().split('-').collect::<Vec<_>>()[..] else { return None };
                moment::date(&format!("{year}-{month:0>2}-{day:0>2}")).map(Value::Date)
            }
            (Types::Converted, _) => converted::of_text(text, data_type),
        }
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

/// Writes rows of one schema. A field is in quotes only where it must be.
pub struct CsvWriter {
    types: Vec<DataType>,
    null_literal: String,
}

impl CsvWriter {
    /// NULL is the literal, an empty field without one.
    pub fn new(columns: &[Column], null_literal: Option<&str>) -> CsvWriter {
        let types = columns.iter().map(|column| column.data_type).collect();
        CsvWriter { types, null_literal: null_literal.unwrap_or_default().to_owned() }
    }

    /// Appends one record, without a line end.
    pub fn write(&self, row: &[Value], out: &mut String) {
        let start = out.len();
        for (index, (value, data_type)) in row.iter().zip(&self.types).enumerate() {
            if index > 0 {
                out.push(',');
            }
            let text = self.text(value, *data_type);
            let plain = !text.contains([',', '"', '\n', '\r']) && text.trim() == text;
            if plain { out.push_str(&text) } else { quote(&text, out) }
        }
        // An empty line would be no record at all.
        if out.len() == start {
            out.push_str("\"\"");
        }
    }

    fn text(&self, value: &Value, data_type: DataType) -> String {
        let mut text = String::new();
        match value {
            Value::Null => text.push_str(&self.null_literal),
            Value::String(value) => text.push_str(value),
            Value::Timestamp(micros) => {
                // Writing to a String cannot fail.
                let _ = write_timestamp(*micros, data_type, TimestampText::Sql, &mut text);
            }
            // Numbers, truth values, dates, bytes: as in JSON, without its quotes.
            _ => {
                encode_value(value, data_type, &mut text);
                if let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                    text = inner.to_owned();
                }
            }
        }
        text
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
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
        let mut reader = CsvReader::new(text.as_bytes(), &columns, Some(""), Types::Strict);
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
        let mut reader = CsvReader::new("1,2,\nx,3\n4\n5,6,7\n".as_bytes(), &columns, None, Types::Strict);
        let mut row = Row::new();
        assert_eq!(reader.read(&mut row), Ok(true));
        let error = reader.read(&mut row).expect_err("x is no number").to_string();
        assert_eq!(error, "line 2: \"x\" is no INT: id");
        let error = reader.read(&mut row).expect_err("too short").to_string();
        assert_eq!(error, "line 3: 1 fields, the table has 2");
        let error = reader.read(&mut row).expect_err("too long").to_string();
        assert_eq!(error, "line 4: 3 fields, the table has 2");
        assert_eq!(row.len(), 2);
    }

    /// What Flink gives for these.
    #[test]
    fn files_of_scripts_are_read_as_in_flink() {
        let columns = [
            column("b", DataType::Boolean),
            column("d", DataType::Date),
            column("x", DataType::Double),
            column("m", DataType::Decimal { precision: 5, scale: 2 }),
        ];
        let read = |text: &str, types| {
            let mut row = Row::new();
            CsvReader::new(text.as_bytes(), &columns, Some(""), types).read(&mut row).map(|_| row)
        };
        let row = vec![Value::Boolean(false), Value::Date(20_513), Value::Double(1.0), Value::Null];
        assert_eq!(read("yes,2026-3-1,1d,12345.6\n", Types::Converted), Ok(row));
        assert!(read("yes,2026-3-1,1d,12345.6\n", Types::Strict).is_err());
        for wrong in ["1,2026-3,1,1", "1,2026-13-1,1,1", "1,,x,1", "1,,,x"] {
            assert!(read(wrong, Types::Converted).is_err(), "{wrong}");
        }
    }

    /// What is written is read as it was, NULL and the empty text apart, which the null literal alone can tell apart.
    #[test]
    fn what_is_written_is_read_again() {
        let columns = [
            column("b", DataType::Boolean),
            column("n", DataType::BigInt),
            column("x", DataType::Double),
            column("d", DataType::Decimal { precision: 10, scale: 3 }),
            column("s", DataType::String),
            column("y", DataType::Bytes),
            column("day", DataType::Date),
            column("at", DataType::Time(0)),
            column("ts", DataType::Timestamp(3)),
            column("moment", DataType::TimestampLtz(6)),
        ];
        let text = |text: &str| Value::string(text);
        let rows = [
            vec![
                Value::Boolean(true),
                Value::Int(-7),
                Value::Double(0.1),
                Value::Decimal(Decimal::new(-5)),
                text(" a,\"b\"\r\nc"),
                Value::Bytes([0, 255].as_slice().into()),
                Value::Date(20_513),
                Value::Time(29_730_000),
                Value::Timestamp(1_772_352_000_123_000),
                Value::Timestamp(1),
            ],
            vec![Value::Null; columns.len()],
            [vec![Value::Null; 4], vec![text("")], vec![Value::Null; 5]].concat(),
        ];
        let writer = CsvWriter::new(&columns, Some("NULL"));
        let mut out = String::new();
        for row in &rows {
            writer.write(row, &mut out);
            out.push('\n');
        }
        let first = "true,-7,0.1,-0.005,\" a,\"\"b\"\"\r\nc\",AP8=,2026-03-01,08:15:30,2026-03-01 08:00:00.123,1970-01-01 00:00:00.000001Z\n";
        assert!(out.starts_with(first), "{out}");
        let mut reader = CsvReader::new(out.as_bytes(), &columns, Some("NULL"), Types::Strict);
        for row in rows {
            let mut read = Row::new();
            assert_eq!(reader.read(&mut read), Ok(true));
            assert_eq!(read, row);
        }
        assert_eq!(reader.read(&mut Row::new()), Ok(false));
    }

    #[test]
    fn a_record_is_never_an_empty_line() {
        let mut out = String::new();
        CsvWriter::new(&[column("s", DataType::String)], None).write(&[Value::Null], &mut out);
        assert_eq!(out, "\"\"");
    }
}
