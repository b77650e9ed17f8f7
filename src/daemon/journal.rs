//! The journal: what each tick took in, so that it can be computed again.
//!
//! One block is one tick: the first record is the tick's header, each further one is a message as it came. The header
//! names the sources by name, so that a block outlives a change of the configuration, and holds a digest of what each
//! stateful query put out.
//!
//! ```text
//! header   version u8 = 1, flags u8 (1 trusted, 2 after a step of the clock, 4 after a start), now i64, sources: count, (length, name)…,
//!          digests: count, (length, name, rows varint, crc u32)…
//! message  source varint (index into the header's names), arrival zigzag varint relative to now,
//!          captures: count, (length, text)…, payload to the end
//! ```

use std::sync::Arc;

use crate::model::{After, Millis, Now, varint};
use crate::store::Records;

const VERSION: u8 = 1;
const TRUSTED: u8 = 1;
const STEPPED: u8 = 2;
const STARTED: u8 = 4;

/// What a stateful query put out in one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    pub query: String,
    pub rows: u64,
    pub crc: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub now: Now,
    pub sources: Vec<String>,
    pub digests: Vec<Digest>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// Index into [`Header::sources`].
    pub source: usize,
    pub arrival: Millis,
    pub captures: Vec<Arc<str>>,
    pub payload: &'a [u8],
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JournalError {
    #[error("a block of the journal is cut short or malformed")]
    Malformed,
    #[error("a block of the journal has format {0}, which this version of tidegate does not know")]
    Version(u8),
}

impl Header {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.flags()];
        out.extend_from_slice(&self.now.millis.to_le_bytes());
        varint::put(&mut out, self.sources.len() as u64);
        for source in &self.sources {
            put_bytes(&mut out, source.as_bytes());
        }
        varint::put(&mut out, self.digests.len() as u64);
        for digest in &self.digests {
            put_bytes(&mut out, digest.query.as_bytes());
            varint::put(&mut out, digest.rows);
            out.extend_from_slice(&digest.crc.to_le_bytes());
        }
        out
    }

    fn flags(&self) -> u8 {
        let after = match self.now.after {
            After::Tick => 0,
            After::Step => STEPPED,
            After::Start => STARTED,
        };
        after | if self.now.trusted { TRUSTED } else { 0 }
    }

    pub fn decode(bytes: &[u8]) -> Result<Header, JournalError> {
        let mut input = Input(bytes);
        let version = input.byte()?;
        if version != VERSION {
            return Err(JournalError::Version(version));
        }
        let flags = input.byte()?;
        let millis = i64::from_le_bytes(input.array()?);
        let sources = (0..input.count()?).map(|_| input.text()).collect::<Result<_, _>>()?;
        let digests = (0..input.count()?)
            .map(|_| {
                Ok(Digest { query: input.text()?, rows: input.varint()?, crc: u32::from_le_bytes(input.array()?) })
            })
            .collect::<Result<_, _>>()?;
        let after = match flags & (STEPPED | STARTED) {
            0 => After::Tick,
            STEPPED => After::Step,
            STARTED => After::Start,
            _ => return Err(JournalError::Malformed),
        };
        let now = Now { millis, trusted: flags & TRUSTED != 0, after };
        Ok(Header { now, sources, digests })
    }
}

/// Appends one message to `records`; `scratch` saves an allocation a message.
pub fn push_message(
    records: &mut Records,
    scratch: &mut Vec<u8>,
    now: Now,
    source: usize,
    arrival: Millis,
    captures: &[Arc<str>],
    payload: &[u8],
) {
    scratch.clear();
    varint::put(scratch, source as u64);
    varint::put_signed(scratch, arrival.wrapping_sub(now.millis));
    varint::put(scratch, captures.len() as u64);
    for capture in captures {
        put_bytes(scratch, capture.as_bytes());
    }
    scratch.extend_from_slice(payload);
    records.push(scratch);
}

/// Reads one message of a block whose header says `now`.
pub fn decode_message(bytes: &[u8], now: Now) -> Result<Message<'_>, JournalError> {
    let mut input = Input(bytes);
    let source = usize::try_from(input.varint()?).map_err(|_| JournalError::Malformed)?;
    let relative = varint::take_signed(&mut input.0).ok_or(JournalError::Malformed)?;
    let captures = (0..input.count()?).map(|_| Ok(Arc::from(input.text()?))).collect::<Result<_, JournalError>>()?;
    Ok(Message { source, arrival: now.millis.wrapping_add(relative), captures, payload: input.0 })
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is left to read; every read is checked against it.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], JournalError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(JournalError::Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, JournalError> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], JournalError> {
        self.take(N)?.try_into().map_err(|_| JournalError::Malformed)
    }

    fn varint(&mut self) -> Result<u64, JournalError> {
        varint::take(&mut self.0).ok_or(JournalError::Malformed)
    }

    /// A number of things that take at least a byte each.
    fn count(&mut self) -> Result<usize, JournalError> {
        let count = self.varint()?;
        usize::try_from(count).ok().filter(|count| *count <= self.0.len()).ok_or(JournalError::Malformed)
    }

    fn text(&mut self) -> Result<String, JournalError> {
        let length = self.count()?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| JournalError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> impl Strategy<Value = Now> {
        let after = prop_oneof![Just(After::Tick), Just(After::Start), Just(After::Step)];
        (any::<i64>(), any::<bool>(), after).prop_map(|(millis, trusted, after)| Now { millis, trusted, after })
    }

    proptest! {
        #[test]
        fn a_header_comes_back(now in now(), sources in prop::collection::vec(".*", 0..4), digests in prop::collection::vec((".*", any::<u64>(), any::<u32>()), 0..4)) {
            let digests = digests.into_iter().map(|(query, rows, crc)| Digest { query, rows, crc }).collect();
            let header = Header { now, sources, digests };
            prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
        }

        #[test]
        fn a_message_comes_back(now in now(), source in 0..9usize, arrival in any::<i64>(), captures in prop::collection::vec(".*", 0..4), payload in prop::collection::vec(any::<u8>(), 0..64)) {
            let captures: Vec<Arc<str>> = captures.iter().map(|text| Arc::from(text.as_str())).collect();
            let mut records = Records::default();
            push_message(&mut records, &mut Vec::new(), now, source, arrival, &captures, &payload);
            let record = records.iter().next().expect("one record").to_vec();
            prop_assert_eq!(decode_message(&record, now), Ok(Message { source, arrival, captures, payload: &payload }));
        }

        #[test]
        fn hostile_bytes_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), now in now()) {
            let _ = Header::decode(&bytes);
            let _ = decode_message(&bytes, now);
        }
    }
}
