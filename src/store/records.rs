//! Records in a row, each with its length (varint) before it; and the block that holds them on disk.
//!
//! ```text
//! block   codec u8 (0 plain, 1 zstd), length of the plain bytes varint (zstd only), bytes
//! ```
//! The CRC-32 of the stored bytes stands beside the block.

use super::{Records, StoreError};

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
        let mut length = record.len();
        while length >= 0x80 {
            self.bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.bytes.push(length as u8);
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
    let (length, used) = read_varint(bytes)?;
    bytes.get(used..)?.split_at_checked(usize::try_from(length).ok()?)
}

fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// The stored form of a block's records.
pub(super) fn pack(plain: &[u8]) -> Vec<u8> {
    if plain.len() >= COMPRESS_BYTES_MIN {
        if let Ok(packed) = zstd::bulk::compress(plain, ZSTD_LEVEL) {
            if packed.len() + 6 < plain.len() {
                let mut out = Vec::with_capacity(packed.len() + 6);
                out.push(ZSTD);
                let mut length = plain.len();
                while length >= 0x80 {
                    out.push(length as u8 | 0x80);
                    length >>= 7;
                }
                out.push(length as u8);
                out.extend_from_slice(&packed);
                return out;
            }
        }
    }
    let mut out = Vec::with_capacity(plain.len() + 1);
    out.push(PLAIN);
    out.extend_from_slice(plain);
    out
}

/// The records of a stored block, if it is what [`pack`] made of `count` records.
pub(super) fn unpack(stored: &[u8], count: u32, crc: u32) -> Result<Records, StoreError> {
    let corrupt = || StoreError::CorruptBlock;
    if crc32fast::hash(stored) != crc {
        return Err(corrupt());
    }
    let (codec, body) = stored.split_first().ok_or_else(corrupt)?;
    let bytes = match *codec {
        PLAIN => body.to_vec(),
        ZSTD => {
            let (length, used) = read_varint(body).ok_or_else(corrupt)?;
            let length = usize::try_from(length).ok().filter(|l| *l <= BLOCK_BYTES_MAX).ok_or_else(corrupt)?;
            zstd::bulk::decompress(&body[used..], length).map_err(|_| corrupt())?
        }
        _ => return Err(corrupt()),
    };
    let records = Records { count, bytes };
    if records.iter().count() == count as usize { Ok(records) } else { Err(corrupt()) }
}
