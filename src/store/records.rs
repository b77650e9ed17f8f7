//! Records in a row, each with its length (varint) before it; and the block that holds them on disk.
//!
//! ```text
//! block   codec u8 (0 plain, 1 zstd), length of the plain bytes varint (zstd only), bytes
//! ```
//! The row's checksum stands beside the block.

use super::{Commit, Records};
use crate::model::varint;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Level 1 compresses JSON about as fast as a gateway's disk takes it.
const ZSTD_LEVEL: i32 = 1;

/// Blocks below this are kept plain: compression would not save a page.
const COMPRESS_BYTES_MIN: usize = 256;

/// No block is larger than this once unpacked; anything that says so is corrupt.
const BLOCK_BYTES_MAX: usize = 256 << 20;

impl Records {
    pub fn push(&mut self, record: &[u8]) {
        varint::put(&mut self.bytes, record.len() as u64);
        self.bytes.extend_from_slice(record);
        self.count += 1;
    }

    /// The records in order. Ends early where the bytes are cut short, which a checked block never is.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (record, tail) = split_record(rest)?;
            rest = tail;
            Some(record)
        })
    }
}

fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes;
    let length = varint::take(&mut rest)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// Makes stored forms; keeps zstd's working memory, which it takes at the first block that is worth it, from block to
/// block.
pub(super) struct Packer(Option<zstd::bulk::Compressor<'static>>);

impl Packer {
    pub fn new() -> Packer {
        Packer(None)
    }

    /// The stored form of each append's records.
    pub fn pack_all(&mut self, commit: &Commit) -> Vec<Vec<u8>> {
        commit.appends.iter().map(|append| self.pack(&append.records.bytes)).collect()
    }

    /// The stored form of a block's records.
    pub fn pack(&mut self, plain: &[u8]) -> Vec<u8> {
        if plain.len() >= COMPRESS_BYTES_MIN {
            // Without memory for zstd, blocks stay plain.
            self.0 = self.0.take().or_else(|| zstd::bulk::Compressor::new(ZSTD_LEVEL).ok());
            if let Some(packed) = self.0.as_mut().and_then(|zstd| zstd.compress(plain).ok()) {
                let mut out = Vec::with_capacity(packed.len() + 6);
                out.push(ZSTD);
                varint::put(&mut out, plain.len() as u64);
                out.extend_from_slice(&packed);
                if out.len() < plain.len() {
                    return out;
                }
            }
        }
        pack_plain(plain)
    }
}

pub(super) fn pack_plain(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plain.len() + 1);
    out.push(PLAIN);
    out.extend_from_slice(plain);
    out
}

/// The plain form, if `stored` is what [`Packer::pack`] made.
pub(super) fn unpack_bytes(stored: &[u8]) -> Option<Vec<u8>> {
    let (codec, mut body) = stored.split_first()?;
    match *codec {
        PLAIN => Some(body.to_vec()),
        ZSTD => {
            let length = varint::take(&mut body)?;
            let length = usize::try_from(length).ok().filter(|length| *length <= BLOCK_BYTES_MAX)?;
            let plain = zstd::bulk::decompress(body, length).ok()?;
            (plain.len() == length).then_some(plain)
        }
        _ => None,
    }
}

/// The records of a stored block, if it holds `count` of them and nothing else.
pub(super) fn unpack(stored: &[u8], count: u32) -> Option<Records> {
    let records = Records { count, bytes: unpack_bytes(stored)? };
    let mut rest = records.bytes.as_slice();
    for _ in 0..count {
        rest = split_record(rest)?.1;
    }
    rest.is_empty().then_some(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(records in prop::collection::vec(prop::collection::vec(0..9u8, 0..300), 0..20)) {
            let mut packed = Records::default();
            records.iter().for_each(|record| packed.push(record));
            let stored = Packer::new().pack(&packed.bytes);
            let again = unpack(&stored, packed.count).expect("as written");
            prop_assert_eq!(again.iter().collect::<Vec<_>>(), records.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert!(unpack(&stored, packed.count + 1).is_none());
            prop_assert!(packed.count == 0 || unpack(&stored, packed.count - 1).is_none());
        }

        #[test]
        fn hostile_bytes_are_records_or_nothing(codec in 0..3u8, body: Vec<u8>, count in 0..9u32) {
            let mut stored = vec![codec];
            stored.extend(body);
            if let Some(records) = unpack(&stored, count) {
                prop_assert_eq!(records.iter().count(), count as usize);
            }
        }
    }

    #[test]
    fn a_block_that_says_it_is_huge_is_nothing() {
        let mut stored = vec![ZSTD];
        varint::put(&mut stored, u64::MAX >> 1);
        stored.extend(zstd::bulk::compress(b"small", 1).expect("compresses"));
        assert!(unpack_bytes(&stored).is_none());
    }
}
