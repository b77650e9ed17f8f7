//! Durable counters: one row, `counters(id = 0, bytes)`.
//!
//! ```text
//! bytes   CRC-32 of the rest u32; for each counter: length of the key u16, key, value u64 (little endian); ascending by key
//! ```

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::StoreError;

pub(super) type Counters = BTreeMap<String, u64>;

/// Damaged counters begin at zero again, and that is said.
pub(super) fn read(db: &Connection, findings: &mut Vec<String>) -> Result<Counters, StoreError> {
    let bytes: Option<Vec<u8>> =
        db.query_row("SELECT bytes FROM counters WHERE id = 0", [], |row| row.get(0)).optional()?;
    let counters = bytes.map_or(Some(Counters::new()), |bytes| decode(&bytes));
    if counters.is_none() {
        findings.push("the counters are damaged: they begin at zero".to_owned());
    }
    Ok(counters.unwrap_or_default())
}

pub(super) fn write(db: &Connection, counters: &Counters) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO counters(id, bytes) VALUES (0, ?1) ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
    )?
    .execute([encode(counters)])?;
    Ok(())
}

fn encode(counters: &Counters) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + counters.len() * 64);
    out.extend_from_slice(&[0; 4]);
    for (key, value) in counters {
        let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&key.as_bytes()[..usize::from(length)]);
        out.extend_from_slice(&value.to_le_bytes());
    }
    let crc = crc32fast::hash(&out[4..]);
    out[..4].copy_from_slice(&crc.to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<Counters> {
    let (crc, mut bytes) = bytes.split_first_chunk::<4>()?;
    if crc32fast::hash(bytes) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut counters = Counters::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (value, rest) = rest.split_first_chunk::<8>()?;
        counters.insert(std::str::from_utf8(key).ok()?.to_owned(), u64::from_le_bytes(*value));
        bytes = rest;
    }
    Some(counters)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counters_come_back(counters in prop::collection::btree_map("[a-z_{}=\"]{0,40}", any::<u64>(), 0..20)) {
            prop_assert_eq!(decode(&encode(&counters)), Some(counters));
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut checked = crc32fast::hash(&bytes).to_le_bytes().to_vec();
            checked.extend(&bytes);
            let _ = (decode(&bytes), decode(&checked));
        }
    }
}
