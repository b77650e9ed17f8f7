//! Reading the parts that packets are made of: numbers, strings, MQTT 5 property blocks (specification section 1.5
//! and 2.2.2). Every read is checked against the end of the packet; nothing is allocated.

use super::reason::{Fault, PROTOCOL_ERROR, QUOTA};

/// A position in the body of one packet.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

const SHORT: Fault = Fault::malformed("the packet ends early");

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// How far it has read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(count).ok_or(SHORT)?;
        let taken = self.bytes.get(self.at..end).ok_or(SHORT)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        self.take(1)?.first().copied().ok_or(SHORT)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        let taken: [u8; 2] = self.take(2)?.try_into().map_err(|_| SHORT)?;
        Ok(u16::from_be_bytes(taken))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        let taken: [u8; 4] = self.take(4)?.try_into().map_err(|_| SHORT)?;
        Ok(u32::from_be_bytes(taken))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        let taken: [u8; 8] = self.take(8)?.try_into().map_err(|_| SHORT)?;
        Ok(u64::from_be_bytes(taken))
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }

    /// A variable byte integer, in its shortest form only.
    pub(super) fn variable(&mut self) -> Result<usize, Fault> {
        let mut value = 0usize;
        for i in 0..4 {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7F) << (7 * i);
            if byte & 0x80 == 0 {
                let shortest = i == 0 || byte != 0;
                return if shortest { Ok(value) } else { Err(Fault::malformed("a length not in its shortest form")) };
            }
        }
        Err(Fault::malformed("a length of more than four bytes"))
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// A UTF-8 string without NUL.
    pub(super) fn string(&mut self) -> Result<&'a str, Fault> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| Fault::malformed("a string that is not UTF-8"))?;
        if text.as_bytes().contains(&0) {
            return Err(Fault::malformed("a string with NUL in it"));
        }
        Ok(text)
    }

    pub(super) fn packet_id(&mut self) -> Result<u16, Fault> {
        match self.u16()? {
            0 => Err(Fault::malformed("packet identifier 0")),
            id => Ok(id),
        }
    }

    pub(super) fn finish(self) -> Result<(), Fault> {
        if self.is_empty() { Ok(()) } else { Err(Fault::malformed("bytes after the end of the packet")) }
    }

    /// The property block that begins here, its length taken off.
    pub(super) fn properties(&mut self, bytes_max: usize) -> Result<&'a [u8], Fault> {
        let length = self.variable()?;
        if length > bytes_max {
            return Err(Fault::new(QUOTA, "properties larger than properties_bytes_max"));
        }
        self.take(length)
    }
}

/// Identifiers of the properties that we look at.
pub(super) mod id {
    pub const PAYLOAD_FORMAT: u8 = 1;
    pub const MESSAGE_EXPIRY: u8 = 2;
    pub const CONTENT_TYPE: u8 = 3;
    pub const RESPONSE_TOPIC: u8 = 8;
    pub const CORRELATION_DATA: u8 = 9;
    pub const SUBSCRIPTION_ID: u8 = 11;
    pub const SESSION_EXPIRY: u8 = 17;
    pub const ASSIGNED_CLIENT_ID: u8 = 18;
    pub const SERVER_KEEP_ALIVE: u8 = 19;
    pub const AUTH_METHOD: u8 = 21;
    pub const AUTH_DATA: u8 = 22;
    pub const REQUEST_PROBLEM: u8 = 23;
    pub const WILL_DELAY: u8 = 24;
    pub const REQUEST_RESPONSE: u8 = 25;
    pub const REASON_STRING: u8 = 31;
    pub const RECEIVE_MAXIMUM: u8 = 33;
    pub const TOPIC_ALIAS_MAXIMUM: u8 = 34;
    pub const TOPIC_ALIAS: u8 = 35;
    pub const USER: u8 = 38;
    pub const MAXIMUM_PACKET_SIZE: u8 = 39;
}

/// A set of property identifiers.
#[derive(Clone, Copy)]
pub(super) struct Allowed(u64);

impl Allowed {
    pub(super) const fn of(ids: &[u8]) -> Allowed {
        let mut set = 0;
        let mut i = 0;
        while i < ids.len() {
            set |= 1 << ids[i];
            i += 1;
        }
        Allowed(set)
    }

    const fn has(self, property: u8) -> bool {
        property < 64 && self.0 & (1 << property) != 0
    }
}

pub(super) enum Value<'a> {
    Number(u32),
    Text(&'a str),
    Binary,
    Pair,
}

/// Walks a property block: every identifier must be allowed here, whole, well-formed and (user properties aside) there
/// once. `each` gets the identifier, the value and the property's place in the block.
pub(super) fn walk_properties<'a>(
    block: &'a [u8],
    allowed: Allowed,
    mut each: impl FnMut(u8, Value<'a>, std::ops::Range<usize>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut reader = Reader::new(block);
    let mut seen = 0u64;
    while !reader.is_empty() {
        let start = reader.at();
        let property = reader.u8()?;
        if !allowed.has(property) {
            return Err(Fault::malformed("a property that does not belong into this packet"));
        }
        if seen & (1 << property) != 0 && property != id::USER {
            return Err(Fault::protocol("a property that is there twice"));
        }
        seen |= 1 << property;
        let value = match property {
            id::PAYLOAD_FORMAT | id::REQUEST_PROBLEM | id::REQUEST_RESPONSE => match reader.u8()? {
                flag @ 0..=1 => Value::Number(u32::from(flag)),
                _ => return Err(Fault::protocol("a property that is neither 0 nor 1")),
            },
            id::RECEIVE_MAXIMUM => Value::Number(u32::from(not_zero(reader.u16()?)?)),
            id::TOPIC_ALIAS | id::TOPIC_ALIAS_MAXIMUM => Value::Number(u32::from(reader.u16()?)),
            id::MAXIMUM_PACKET_SIZE => Value::Number(not_zero(reader.u32()?)?),
            id::MESSAGE_EXPIRY | id::SESSION_EXPIRY | id::WILL_DELAY => Value::Number(reader.u32()?),
            id::SUBSCRIPTION_ID => Value::Number(not_zero(reader.variable()? as u32)?),
            id::CORRELATION_DATA | id::AUTH_DATA => {
                reader.binary()?;
                Value::Binary
            }
            id::USER => {
                reader.string()?;
                reader.string()?;
                Value::Pair
            }
            _ => Value::Text(reader.string()?),
        };
        each(property, value, start..reader.at())?;
    }
    Ok(())
}

fn not_zero<N: PartialEq + Default>(number: N) -> Result<N, Fault> {
    if number == N::default() { Err(Fault::new(PROTOCOL_ERROR, "a property that must not be 0")) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings() {
        let mut reader = Reader::new(&[0, 2, b'a', b'b', 0x80, 0x01, 9]);
        assert_eq!(reader.string().unwrap(), "ab");
        assert_eq!(reader.variable().unwrap(), 128);
        assert_eq!(reader.u16().unwrap_err(), SHORT);
        assert!(Reader::new(&[0x80, 0]).variable().is_err(), "not the shortest form");
        assert!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 1]).variable().is_err());
        assert!(Reader::new(&[0, 1, 0]).string().is_err(), "NUL");
        assert!(Reader::new(&[0, 1, 0xC3]).string().is_err(), "half a character");
        assert!(Reader::new(&[0, 3, 0xED, 0xA0, 0x80]).string().is_err(), "a surrogate");
        assert!(Reader::new(&[0, 3, 1]).binary().is_err());
    }

    #[test]
    fn property_blocks() {
        const ALLOWED: Allowed = Allowed::of(&[id::PAYLOAD_FORMAT, id::USER, id::RECEIVE_MAXIMUM]);
        let codes = |block: &[u8]| walk_properties(block, ALLOWED, |_, _, _| Ok(())).map_err(|f| f.code);
        assert_eq!(codes(&[]), Ok(()));
        assert_eq!(codes(&[1, 1, 38, 0, 1, b'k', 0, 0, 38, 0, 1, b'k', 0, 0]), Ok(()));
        assert_eq!(codes(&[1, 1, 1, 1]), Err(0x82));
        assert_eq!(codes(&[1, 2]), Err(0x82));
        assert_eq!(codes(&[1]), Err(0x81));
        assert_eq!(codes(&[33, 0, 0]), Err(0x82));
        assert_eq!(codes(&[2, 0, 0, 0, 1]), Err(0x81));
        assert_eq!(codes(&[200]), Err(0x81));
        assert_eq!(codes(&[38, 0, 1, b'k', 0, 9]), Err(0x81));
    }
}
