//! Cuts the byte stream into whole packets. Pure; looks at the fixed header only (specification section 2.1 / 2.1.1).
//!
//! Packet type and reserved flags are checked on the first byte and the length as soon as it is there, so nothing is
//! collected for a packet that would be refused.

use super::reason::{Fault, PACKET_TOO_LARGE};

pub(super) const CONNECT: u8 = 1;
pub(super) const PUBLISH: u8 = 3;
pub(super) const PUBACK: u8 = 4;
pub(super) const PUBREC: u8 = 5;
pub(super) const PUBREL: u8 = 6;
pub(super) const PUBCOMP: u8 = 7;
pub(super) const SUBSCRIBE: u8 = 8;
pub(super) const UNSUBSCRIBE: u8 = 10;
pub(super) const PINGREQ: u8 = 12;
pub(super) const DISCONNECT: u8 = 14;
pub(super) const AUTH: u8 = 15;

/// Where the next packet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The first `length` bytes are one packet, of which `header` are the fixed header.
    Whole { header: usize, length: usize },
    /// More bytes are needed, so many in all as far as is known.
    Partial { length: usize },
}

/// Finds the end of the packet that begins `bytes`. `packet_bytes_max` is for the whole packet, header included.
pub(super) fn cut(bytes: &[u8], packet_bytes_max: usize) -> Result<Cut, Fault> {
    let Some(first) = bytes.first() else { return Ok(Cut::Partial { length: 2 }) };
    check_first_byte(*first)?;
    let mut remaining = 0usize;
    for (i, byte) in bytes.iter().skip(1).take(4).enumerate() {
        remaining |= usize::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            let header = i + 2;
            let length = header + remaining;
            if length > packet_bytes_max {
                return Err(Fault::new(PACKET_TOO_LARGE, "packet larger than packet_bytes_max"));
            }
            let whole = bytes.len() >= length;
            return Ok(if whole { Cut::Whole { header, length } } else { Cut::Partial { length } });
        }
    }
    if bytes.len() >= 5 {
        return Err(Fault::malformed("remaining length of more than four bytes"));
    }
    Ok(Cut::Partial { length: bytes.len() + 1 })
}

fn check_first_byte(first: u8) -> Result<(), Fault> {
    let flags = first & 0x0F;
    let flags_right = match first >> 4 {
        PUBLISH => flags & 0x06 != 0x06,
        PUBREL | SUBSCRIBE | UNSUBSCRIBE => flags == 0x02,
        CONNECT | PUBACK | PUBREC | PUBCOMP | PINGREQ | DISCONNECT | AUTH => flags == 0,
        0 => return Err(Fault::malformed("packet type 0")),
        _ => return Err(Fault::protocol("a packet that only servers send")),
    };
    if flags_right { Ok(()) } else { Err(Fault::malformed("reserved flags or QoS 3 in the fixed header")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::reason::{MALFORMED, PROTOCOL_ERROR};

    #[test]
    fn cuts_at_the_length() {
        assert_eq!(cut(&[], 100), Ok(Cut::Partial { length: 2 }));
        assert_eq!(cut(&[0xC0], 100), Ok(Cut::Partial { length: 2 }));
        assert_eq!(cut(&[0xC0, 0], 100), Ok(Cut::Whole { header: 2, length: 2 }));
        assert_eq!(cut(&[0x30, 0x80, 0x01], 200), Ok(Cut::Partial { length: 131 }));
        let mut long = vec![0x30, 0x80, 0x01];
        long.resize(131, 7);
        assert_eq!(cut(&long, 131), Ok(Cut::Whole { header: 3, length: 131 }));
        assert_eq!(cut(&long, 130).unwrap_err().code, PACKET_TOO_LARGE);
        assert_eq!(cut(&[0x30, 0xFF, 0xFF, 0xFF], 100), Ok(Cut::Partial { length: 5 }));
        assert_eq!(cut(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 1 << 20).unwrap_err().code, PACKET_TOO_LARGE);
        assert_eq!(cut(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], 1 << 20).unwrap_err().code, MALFORMED);
    }

    #[test]
    fn first_bytes() {
        for first in 0..=255u8 {
            let result = cut(&[first, 0], 100).map(|_| ()).map_err(|f| f.code);
            let expected = match first {
                0x10 | 0x40 | 0x50 | 0x62 | 0x70 | 0x82 | 0xA2 | 0xC0 | 0xE0 | 0xF0 => Ok(()),
                0x30..=0x35 | 0x38..=0x3D => Ok(()),
                0x20..=0x2F | 0x90..=0x9F | 0xB0..=0xBF | 0xD0..=0xDF => Err(PROTOCOL_ERROR),
                _ => Err(MALFORMED),
            };
            assert_eq!(result, expected, "{first:#x}");
        }
    }
}
