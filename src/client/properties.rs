//! The properties of MQTT 5's packets, as a client reads them (OASIS MQTT 5.0, section 2.2.2).

use bytes::{Buf, Bytes};

use super::ClientError;

pub(super) const SESSION_EXPIRY: u8 = 0x11;
pub(super) const SERVER_KEEP_ALIVE: u8 = 0x13;
pub(super) const REASON_STRING: u8 = 0x1F;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(super) const MAXIMUM_QOS: u8 = 0x24;
pub(super) const RETAIN_AVAILABLE: u8 = 0x25;
pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u32),
    /// A text, or binary data.
    Bytes(Bytes),
    Pair,
}

impl Value {
    pub fn number(&self) -> u32 {
        if let Value::Number(number) = self { *number } else { 0 }
    }

    /// For people, and bounded: whoever wrote it is not known to mean well.
    pub fn text(&self) -> String {
        const SHOWN_MAX: usize = 200;
        let Value::Bytes(bytes) = self else { return String::new() };
        let text = String::from_utf8_lossy(bytes);
        text.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect()
    }
}

/// Takes the properties from the front of a body and shows each.
pub(super) fn take(body: &mut Bytes, mut each: impl FnMut(u8, Value)) -> Result<(), ClientError> {
    let short = || ClientError::Malformed("properties that are cut short");
    let length = variable(body)? as usize;
    if body.len() < length {
        return Err(short());
    }
    let mut block = body.split_to(length);
    while block.has_remaining() {
        let id = block.get_u8();
        let value = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => {
                Value::Number(block.try_get_u8().map_err(|_| short())?.into())
            }
            0x13 | 0x21..=0x23 => Value::Number(block.try_get_u16().map_err(|_| short())?.into()),
            0x02 | 0x11 | 0x18 | 0x27 => Value::Number(block.try_get_u32().map_err(|_| short())?),
            0x0B => Value::Number(variable(&mut block)?),
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => Value::Bytes(text(&mut block)?),
            0x26 => {
                text(&mut block)?;
                text(&mut block)?;
                Value::Pair
            }
            _ => return Err(ClientError::Malformed("a property that MQTT 5 does not have")),
        };
        each(id, value);
    }
    Ok(())
}

/// A variable byte integer.
fn variable(body: &mut Bytes) -> Result<u32, ClientError> {
    let mut number = 0;
    for index in 0..4 {
        let byte = body.try_get_u8().map_err(|_| ClientError::Malformed("a number that is cut short"))?;
        number |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(ClientError::Malformed("a number of more than four bytes"))
}

/// A text or binary data, with its length in two bytes before it.
pub(super) fn text(body: &mut Bytes) -> Result<Bytes, ClientError> {
    let short = ClientError::Malformed("a text that is cut short");
    match body.try_get_u16() {
        Ok(length) if body.len() >= usize::from(length) => Ok(body.split_to(length.into())),
        _ => Err(short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u8, Value)>, ClientError> {
        let mut body = Bytes::copy_from_slice(bytes);
        let mut found = Vec::new();
        take(&mut body, |id, value| found.push((id, value)))?;
        assert!(body.is_empty());
        Ok(found)
    }

    #[test]
    fn each_kind_is_read() {
        let block = [
            &[35, 0x24, 1, 0x21, 0, 20, 0x27, 0, 1, 0, 0, 0x0B, 0x80, 1, 0x1F, 0, 2, b'n', b'o'][..],
            &[0x26, 0, 1, b'k', 0, 1, b'v', 0x13, 0, 60, 0x11, 0, 0, 0, 9],
        ];
        let mut block = block.concat();
        block[0] = (block.len() - 1) as u8;
        let expected = [
            (MAXIMUM_QOS, Value::Number(1)),
            (RECEIVE_MAXIMUM, Value::Number(20)),
            (MAXIMUM_PACKET_SIZE, Value::Number(65_536)),
            (0x0B, Value::Number(128)),
            (REASON_STRING, Value::Bytes(Bytes::from("no"))),
            (0x26, Value::Pair),
            (SERVER_KEEP_ALIVE, Value::Number(60)),
            (SESSION_EXPIRY, Value::Number(9)),
        ];
        assert_eq!(all(&block).unwrap(), expected);
        for end in 1..block.len() - 1 {
            let mut cut = block[..end].to_vec();
            cut[0] = (block.len() - 1) as u8;
            assert!(all(&cut).is_err(), "{end}");
        }
        assert_eq!(all(&[0]).unwrap(), []);
        assert!(all(&[2, 0x7F, 0]).is_err());
    }

    #[test]
    fn a_text_for_people_has_no_control_characters() {
        assert_eq!(Value::Bytes(Bytes::from("a\nb\u{1b}[c")).text(), "ab[c");
        assert_eq!(Value::Bytes(Bytes::from("x".repeat(1_000))).text().len(), 200);
    }
}
