//! Polled values as the journal keeps them: a tag byte a value, then its eight bytes (little endian) where it has any.

use crate::model::{Row, Value};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const DOUBLE: u8 = 4;

/// Encodes what a poll gave: NULLs, booleans, integers and doubles; nothing else comes from a register.
pub fn encode(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 9);
    for value in values {
        match value {
            Value::Boolean(false) => out.push(FALSE),
            Value::Boolean(true) => out.push(TRUE),
            Value::Int(number) => {
                out.push(INT);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Value::Double(number) => {
                out.push(DOUBLE);
                out.extend_from_slice(&number.to_bits().to_le_bytes());
            }
            _ => out.push(NULL),
        }
    }
    out
}

/// Appends the values to `row`; `None` if the bytes are not what [`encode`] makes.
pub fn decode(mut bytes: &[u8], row: &mut Row) -> Option<()> {
    while let Some((tag, rest)) = bytes.split_first() {
        bytes = rest;
        row.push(match *tag {
            NULL => Value::Null,
            FALSE => Value::Boolean(false),
            TRUE => Value::Boolean(true),
            INT => Value::Int(i64::from_le_bytes(take_eight(&mut bytes)?)),
            DOUBLE => Value::Double(f64::from_bits(u64::from_le_bytes(take_eight(&mut bytes)?))),
            _ => return None,
        });
    }
    Some(())
}

fn take_eight(bytes: &mut &[u8]) -> Option<[u8; 8]> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let values =
            vec![Value::Null, Value::Boolean(true), Value::Boolean(false), Value::Int(i64::MIN), Value::Double(-0.5)];
        let mut row = Vec::new();
        assert_eq!(decode(&encode(&values), &mut row), Some(()));
        assert_eq!(row, values);
    }

    #[test]
    fn cut_or_unknown_bytes_are_refused() {
        let bytes = encode(&[Value::Int(7)]);
        assert_eq!(decode(&bytes[..5], &mut Vec::new()), None);
        assert_eq!(decode(&[9], &mut Vec::new()), None);
    }
}
