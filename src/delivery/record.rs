//! One record on its way out, as it lies in a sink's log.
//!
//! Layout: timestamp (i64, little endian), then topic, key and payload, each with its length + 1 (u32, little endian)
//! before it; 0 stands for none.

use crate::model::Millis;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub topic: String,
    pub key: Option<Vec<u8>>,
    /// `None` is Kafka's tombstone.
    pub payload: Option<Vec<u8>>,
    pub timestamp: Millis,
}

/// A record that lies in somebody else's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    pub topic: &'a str,
    pub key: Option<&'a [u8]>,
    pub payload: Option<&'a [u8]>,
    pub timestamp: Millis,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a record is damaged: {0}")]
pub struct DamagedRecord(&'static str);

impl Record {
    /// Appends it.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let part = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        bytes.reserve(20 + self.topic.len() + part(&self.key) + part(&self.payload));
        bytes.extend_from_slice(&self.timestamp.to_le_bytes());
        put(bytes, Some(self.topic.as_bytes()));
        put(bytes, self.key.as_deref());
        put(bytes, self.payload.as_deref());
    }
}

impl<'a> RecordRef<'a> {
    pub fn decode(bytes: &'a [u8]) -> Result<RecordRef<'a>, DamagedRecord> {
        let (timestamp, mut rest) = bytes.split_first_chunk::<8>().ok_or(DamagedRecord("it is cut short"))?;
        let topic = take(&mut rest)?.ok_or(DamagedRecord("it has no topic"))?;
        let record = RecordRef {
            topic: std::str::from_utf8(topic).map_err(|_| DamagedRecord("its topic is not UTF-8"))?,
            key: take(&mut rest)?,
            payload: take(&mut rest)?,
            timestamp: i64::from_le_bytes(*timestamp),
        };
        if rest.is_empty() { Ok(record) } else { Err(DamagedRecord("something is behind it")) }
    }

    pub fn to_owned(self) -> Record {
        Record {
            topic: self.topic.to_owned(),
            key: self.key.map(<[u8]>::to_vec),
            payload: self.payload.map(<[u8]>::to_vec),
            timestamp: self.timestamp,
        }
    }
}

fn put(bytes: &mut Vec<u8>, part: Option<&[u8]>) {
    // The limits of packets and ticks keep every record far below 4 GiB.
    let length = part.map_or(0, |part| part.len() as u32 + 1);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(part.unwrap_or_default());
}

fn take<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, DamagedRecord> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or(DamagedRecord("it is cut short"))?;
    *rest = after;
    let Some(length) = u32::from_le_bytes(*length).checked_sub(1) else {
        return Ok(None);
    };
    let (part, after) = rest.split_at_checked(length as usize).ok_or(DamagedRecord("it is cut short"))?;
    *rest = after;
    Ok(Some(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(topic in ".{0,30}", key: Option<Vec<u8>>, payload: Option<Vec<u8>>, timestamp: i64, cut: prop::sample::Index) {
            let record = Record { topic, key, payload, timestamp };
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            prop_assert_eq!(RecordRef::decode(&bytes).map(RecordRef::to_owned), Ok(record));
            prop_assert!(RecordRef::decode(&bytes[..cut.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert!(RecordRef::decode(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes: Vec<u8>) {
            drop(RecordRef::decode(&bytes));
        }
    }
}
