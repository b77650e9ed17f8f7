//! The frames of WebSocket (RFC 6455 section 5), as a server reads and writes them. Pure.
//!
//! Holds always: of what comes, no more is kept than one frame's head and the payload of one control frame.

use bytes::{BufMut, BytesMut};

pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PONG: u8 = 10;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const PING: u8 = 9;

/// Codes of a closing frame (section 7.4.1).
pub(super) const NORMAL: u16 = 1_000;
const PROTOCOL_ERROR: u16 = 1_002;
const UNACCEPTABLE: u16 = 1_003;

/// A head is no longer than this: two bytes, a length of eight, a mask of four.
const HEAD_BYTES_MAX: usize = 14;
const CONTROL_BYTES_MAX: u64 = 125;

/// What is wrong with a frame, and the code that a closing frame says it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub code: u16,
    pub text: &'static str,
}

const fn broken(text: &'static str) -> Fault {
    Fault { code: PROTOCOL_ERROR, text }
}

/// What came besides data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    /// The payloads of pings, to be sent back.
    pub pings: Vec<Vec<u8>>,
    /// Nothing comes any more.
    pub closes: bool,
}

/// Where in the stream of frames a client is.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: Vec<u8>,
    /// Bytes of the present frame's payload that are still to come.
    left: u64,
    mask: [u8; 4],
    /// How many bytes of the payload came, of which the mask needs the lowest two bits.
    at: u8,
    kind: u8,
    /// A message has begun and its last fragment not yet come.
    in_message: bool,
    control: Vec<u8>,
}

impl Frames {
    /// Takes bytes as they came, unmasks them in their place, and shows what is data.
    pub fn take(&mut self, mut bytes: &mut [u8], data: &mut dyn FnMut(&[u8])) -> Result<Came, Fault> {
        let mut came = Came::default();
        while !bytes.is_empty() && !came.closes {
            if self.left == 0 {
                let (first, rest) = bytes.split_at_mut(1);
                self.head.extend_from_slice(first);
                bytes = rest;
                if self.begin()? && self.left == 0 {
                    self.end(&mut came);
                }
                continue;
            }
            let now = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            let (part, rest) = bytes.split_at_mut(now);
            bytes = rest;
            for byte in &mut *part {
                *byte ^= self.mask[usize::from(self.at & 3)];
                self.at = self.at.wrapping_add(1);
            }
            self.left -= now as u64;
            match self.kind {
                BINARY => data(part),
                _ => self.control.extend_from_slice(part),
            }
            if self.left == 0 {
                self.end(&mut came);
            }
        }
        Ok(came)
    }

    /// Looks at the head, as far as it has come; true if a frame begins.
    fn begin(&mut self) -> Result<bool, Fault> {
        let [first, second, ref rest @ ..] = self.head[..] else { return Ok(false) };
        let (kind, is_last) = (first & 0x0F, first & 0x80 != 0);
        if first & 0x70 != 0 {
            return Err(broken("a frame with reserved bits"));
        }
        if second & 0x80 == 0 {
            return Err(broken("a frame that is not masked"));
        }
        let (length_bytes, short) = match second & 0x7F {
            126 => (2, 0),
            127 => (8, 0),
            short => (0, u64::from(short)),
        };
        if rest.len() < length_bytes + 4 {
            return Ok(false);
        }
        let (length, mask) = rest.split_at(length_bytes);
        let left = length.iter().fold(short, |length, byte| length << 8 | u64::from(*byte));
        if left >> 63 != 0 {
            return Err(broken("a frame longer than there can be"));
        }
        match kind {
            CONTINUATION if self.in_message => {}
            BINARY if !self.in_message => {}
            CONTINUATION | BINARY => return Err(broken("a fragment that belongs to no message")),
            TEXT => return Err(Fault { code: UNACCEPTABLE, text: "a text message where MQTT is binary" }),
            CLOSE | PING | PONG if is_last && left <= CONTROL_BYTES_MAX => {}
            _ => return Err(broken("a control frame that is none")),
        }
        self.mask.copy_from_slice(mask);
        (self.left, self.at) = (left, 0);
        self.kind = if kind == CONTINUATION { BINARY } else { kind };
        if self.kind == BINARY {
            self.in_message = !is_last;
        }
        self.head.clear();
        Ok(true)
    }

    fn end(&mut self, came: &mut Came) {
        let payload = std::mem::take(&mut self.control);
        match self.kind {
            PING => came.pings.push(payload),
            CLOSE => came.closes = true,
            _ => {}
        }
    }
}

/// A whole frame, the last of its message. A server masks nothing.
pub(super) fn put_frame(kind: u8, payload: &[u8], out: &mut BytesMut) {
    out.reserve(HEAD_BYTES_MAX + payload.len());
    out.put_u8(0x80 | kind);
    match payload.len() {
        short @ 0..126 => out.put_u8(short as u8),
        middle @ 126..=0xFFFF => {
            out.put_u8(126);
            out.put_u16(middle as u16);
        }
        long => {
            out.put_u8(127);
            out.put_u64(long as u64);
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

    /// A frame as a client sends it.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut plain = BytesMut::new();
        put_frame(0, payload, &mut plain);
        let head = plain.len() - payload.len();
        let mut frame = vec![first, plain[1] | 0x80];
        frame.extend_from_slice(&plain[2..head]);
        frame.extend_from_slice(&MASK);
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
        frame
    }

    /// Takes bytes in pieces of these sizes, again and again; gives the data and what else came.
    fn take(bytes: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, Came), Fault> {
        let (mut frames, mut data, mut came) = (Frames::default(), Vec::new(), Came::default());
        let mut bytes = bytes.to_vec();
        let (mut rest, mut sizes) = (&mut bytes[..], sizes.iter().cycle());
        while !rest.is_empty() && !came.closes {
            let (piece, behind) = rest.split_at_mut((*sizes.next().unwrap()).min(rest.len()));
            let more = frames.take(piece, &mut |part| data.extend_from_slice(part))?;
            assert!(frames.head.len() <= HEAD_BYTES_MAX && frames.control.len() <= CONTROL_BYTES_MAX as usize);
            came.pings.extend(more.pings);
            came.closes = more.closes;
            rest = behind;
        }
        Ok((data, came))
    }

    proptest! {
        #[test]
        fn the_data_of_all_messages_comes_whatever_the_pieces(
            messages in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>(), prop::option::of("[a-z]{0,9}")), 0..6),
            sizes in prop::collection::vec(1..9usize, 1..4),
        ) {
            let (mut bytes, mut data, mut pings) = (Vec::new(), Vec::new(), Vec::new());
            for (first, second, ping) in messages {
                bytes.extend(masked(BINARY, &first));
                // Between the fragments of a message.
                if let Some(ping) = ping {
                    bytes.extend(masked(0x80 | PING, ping.as_bytes()));
                    pings.push(ping.into_bytes());
                }
                bytes.extend(masked(0x80 | CONTINUATION, &second));
                data.extend([first, second].concat());
            }
            prop_assert_eq!(take(&bytes, &sizes), Ok((data, Came { pings, closes: false })));
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes: Vec<u8>, sizes in prop::collection::vec(1..9usize, 1..4)) {
            let _ = take(&bytes, &sizes);
        }
    }

    #[test]
    fn lengths_of_each_kind() {
        // The examples of section 5.7: "Hello" masked is there a text message; the others are unmasked, as we send them.
        assert_eq!(masked(0x82, b"Hello")[1..], [0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]);
        for (length, head) in [(256, &[0x82, 0x7E, 1, 0][..]), (65_536, &[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0])] {
            let mut frame = BytesMut::new();
            put_frame(BINARY, &vec![7; length], &mut frame);
            assert_eq!(frame[..frame.len() - length], *head);
            assert_eq!(take(&masked(0x82, &vec![7; length]), &[1_000]), Ok((vec![7; length], Came::default())));
        }
        assert_eq!(take(&masked(0x88, &[3, 0xE8]), &[3]), Ok((vec![], Came { closes: true, ..Came::default() })));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let code = |bytes: &[u8]| take(bytes, &[1]).unwrap_err().code;
        assert_eq!(code(&masked(0x81, b"text")), UNACCEPTABLE);
        assert_eq!(code(&[0x82, 0x05]), PROTOCOL_ERROR, "not masked");
        for first in [0xC2, 0x80, 0x09, 0x83, 0x8B] {
            assert_eq!(code(&masked(first, b"x")), PROTOCOL_ERROR, "{first:#x}");
        }
        assert_eq!(code(&masked(0x89, &[0; 126])), PROTOCOL_ERROR, "a long ping");
        assert_eq!(code(&[masked(BINARY, b"a"), masked(0x82, b"b")].concat()), PROTOCOL_ERROR, "a message within one");
        assert_eq!(code(&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]), PROTOCOL_ERROR);
    }
}
