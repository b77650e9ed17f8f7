//! Dead letters: records that Kafka will never take, kept in the log `dead` with the place they come from and why.
//!
//! Layout: reason, place and record, each with its length (u32, little endian) before it, and the offset (u64) between
//! place and record.

/// One record of the log `dead`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub reason: String,
    /// `sink/cloud`: with `offset` it names the record for good.
    pub place: String,
    pub offset: u64,
    /// The record as it lay in the sink's log ([`crate::delivery::Record`]).
    pub record: Vec<u8>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a dead letter is cut short")]
pub struct DamagedDeadLetter;

impl DeadLetter {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.reason.len() + self.place.len() + self.record.len() + 20);
        put(&mut bytes, self.reason.as_bytes());
        put(&mut bytes, self.place.as_bytes());
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        put(&mut bytes, &self.record);
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<DeadLetter, DamagedDeadLetter> {
        let mut rest = bytes;
        let reason = String::from_utf8_lossy(take(&mut rest)?).into_owned();
        let place = String::from_utf8_lossy(take(&mut rest)?).into_owned();
        let (offset, after) = rest.split_first_chunk::<8>().ok_or(DamagedDeadLetter)?;
        rest = after;
        let record = take(&mut rest)?.to_vec();
        Ok(DeadLetter { reason, place, offset: u64::from_le_bytes(*offset), record })
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    // The limits of packets and ticks keep every record far below 4 GiB.
    bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
    bytes.extend_from_slice(part);
}

fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], DamagedDeadLetter> {
    let (length, after) = rest.split_first_chunk::<4>().ok_or(DamagedDeadLetter)?;
    let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(DamagedDeadLetter)?;
    *rest = after;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_what_is_cut_is_an_error(reason in ".{0,20}", offset: u64, record: Vec<u8>, cut in 0..400usize) {
            let letter = DeadLetter { reason, place: "sink/cloud".to_owned(), offset, record };
            let bytes = letter.encode();
            let cut = cut % bytes.len();
            prop_assert_eq!(DeadLetter::decode(&bytes[..cut]), Err(DamagedDeadLetter));
            prop_assert_eq!(DeadLetter::decode(&bytes), Ok(letter));
        }
    }
}
