//! The binary form of saved state: varints, zigzag for signed numbers, lengths before text.
//!
//! Holds always: what [`Writer`] wrote, [`Reader`] reads back; a reader never allocates more than the bytes it was
//! given could hold, and never panics, whatever those bytes are.

use crate::model::{Decimal, Millis, Row, Value, varint};

use super::RestoreError;

/// Arrays, maps and rows inside each other; types are not nested deeper (the parser limits them).
const NESTING_MAX: u32 = 100;

#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub fn unsigned(&mut self, number: u64) {
        varint::put(&mut self.bytes, number);
    }

    pub fn count(&mut self, number: usize) {
        self.unsigned(number as u64);
    }

    pub fn signed(&mut self, number: i64) {
        varint::put_signed(&mut self.bytes, number);
    }

    /// A word whose upper bits are in use, such as those of a double.
    pub fn word(&mut self, word: u64) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.count(text.len());
        self.bytes.extend_from_slice(text);
    }

    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.byte(0),
            Value::Boolean(false) => self.byte(1),
            Value::Boolean(true) => self.byte(2),
            Value::Int(number) => {
                self.byte(3);
                self.signed(*number);
            }
            Value::Double(number) => {
                self.byte(4);
                self.word(number.to_bits());
            }
            Value::Decimal(number) => {
                self.byte(5);
                let unscaled = number.unscaled();
                self.word(unscaled as u64);
                self.signed((unscaled >> 64) as i64);
            }
            Value::String(text) => {
                self.byte(6);
                self.text(text.as_bytes());
            }
            Value::Bytes(bytes) => {
                self.byte(7);
                self.text(bytes);
            }
            Value::Date(days) => {
                self.byte(8);
                self.signed(i64::from(*days));
            }
            Value::Time(millis) => {
                self.byte(9);
                self.signed(i64::from(*millis));
            }
            Value::Timestamp(micros) => {
                self.byte(10);
                self.signed(*micros);
            }
            Value::List(parts) => {
                self.byte(11);
                self.count(parts.len());
                parts.iter().for_each(|part| self.value(part));
            }
        }
    }

    /// Without their number: the reader knows it.
    pub fn row(&mut self, row: &[Value]) {
        row.iter().for_each(|value| self.value(value));
    }

    pub fn time(&mut self, time: Option<Millis>) {
        self.byte(u8::from(time.is_some()));
        if let Some(time) = time {
            self.signed(time);
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

pub struct Reader<'a> {
    rest: &'a [u8],
}

fn short() -> RestoreError {
    RestoreError("it ends too early, or a number in it is too large".to_owned())
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], RestoreError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(short)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8, RestoreError> {
        let (first, rest) = self.rest.split_first().ok_or_else(short)?;
        self.rest = rest;
        Ok(*first)
    }

    pub fn unsigned(&mut self) -> Result<u64, RestoreError> {
        varint::take(&mut self.rest).ok_or_else(short)
    }

    /// A number of things to come, each of at least one byte: never more than there are bytes left.
    pub fn count(&mut self) -> Result<usize, RestoreError> {
        let number = self.unsigned()?;
        usize::try_from(number).ok().filter(|count| *count <= self.rest.len()).ok_or_else(short)
    }

    pub fn signed(&mut self) -> Result<i64, RestoreError> {
        varint::take_signed(&mut self.rest).ok_or_else(short)
    }

    pub fn word(&mut self) -> Result<u64, RestoreError> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| short())?))
    }

    fn text(&mut self) -> Result<&'a [u8], RestoreError> {
        let length = self.count()?;
        self.take(length)
    }

    fn narrow(&mut self) -> Result<i32, RestoreError> {
        i32::try_from(self.signed()?).map_err(|_| RestoreError("a date or time is out of range".to_owned()))
    }

    pub fn value(&mut self) -> Result<Value, RestoreError> {
        self.value_within(NESTING_MAX)
    }

    fn value_within(&mut self, nesting: u32) -> Result<Value, RestoreError> {
        Ok(match self.byte()? {
            0 => Value::Null,
            1 => Value::Boolean(false),
            2 => Value::Boolean(true),
            3 => Value::Int(self.signed()?),
            4 => Value::Double(f64::from_bits(self.word()?)),
            5 => {
                let low = self.word()?;
                let high = self.signed()?;
                Value::Decimal(Decimal::new((i128::from(high) << 64) | i128::from(low)))
            }
            6 => {
                let text =
                    std::str::from_utf8(self.text()?).map_err(|_| RestoreError("a text is not UTF-8".to_owned()))?;
                Value::string(text)
            }
            7 => Value::Bytes(self.text()?.into()),
            8 => Value::Date(self.narrow()?),
            9 => Value::Time(self.narrow()?),
            10 => Value::Timestamp(self.signed()?),
            11 => {
                let nesting =
                    nesting.checked_sub(1).ok_or_else(|| RestoreError("a value is nested too deeply".to_owned()))?;
                let count = self.count()?;
                Value::List((0..count).map(|_| self.value_within(nesting)).collect::<Result<_, _>>()?)
            }
            tag => return Err(RestoreError(format!("there is no value of kind {tag}"))),
        })
    }

    pub fn row(&mut self, columns: usize) -> Result<Row, RestoreError> {
        (0..columns).map(|_| self.value()).collect()
    }

    pub fn time(&mut self) -> Result<Option<Millis>, RestoreError> {
        match self.byte()? {
            0 => Ok(None),
            _ => self.signed().map(Some),
        }
    }

    /// Everything must have been read.
    pub fn end(self) -> Result<(), RestoreError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(RestoreError(format!("{} bytes are left over", self.rest.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let flat = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Int),
            any::<i64>().prop_map(|n| Value::Double(n as f64 / 3.0)),
            any::<i128>().prop_map(|n| Value::Decimal(Decimal::new(n))),
            ".*".prop_map(|s| Value::string(&s)),
            any::<Vec<u8>>().prop_map(|b| Value::Bytes(b.into())),
            any::<i32>().prop_map(Value::Date),
            any::<i32>().prop_map(Value::Time),
            any::<i64>().prop_map(Value::Timestamp),
        ];
        flat.prop_recursive(3, 20, 5, |inner| {
            prop::collection::vec(inner, 0..5).prop_map(|parts| Value::List(parts.into()))
        })
    }

    proptest! {
        #[test]
        fn what_was_written_comes_back(row in prop::collection::vec(values(), 0..8), a: u64, b: i64) {
            let mut writer = Writer::default();
            writer.unsigned(a);
            writer.signed(b);
            row.iter().for_each(|value| writer.value(value));
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.unsigned().unwrap(), a);
            prop_assert_eq!(reader.signed().unwrap(), b);
            for value in &row {
                prop_assert_eq!(&reader.value().unwrap(), value);
            }
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.value().is_ok() {}
            let _ = Reader::new(&bytes).count();
            let _ = Reader::new(&bytes).unsigned();
        }
    }

    #[test]
    fn endless_nesting_is_an_error() {
        let bytes = [11, 1].repeat(1_000_000);
        assert!(Reader::new(&bytes).value().is_err());
    }
}
