//! Numbers in as few bytes as they need: LEB128, seven bits a byte, the lowest first; zigzag for signed ones.

pub fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front; `None`, and `bytes` as they were, if there is no whole one that fits 64 bits.
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7f);
        if index == 9 && part > 1 {
            return None;
        }
        number |= part << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Some(number);
        }
    }
    None
}

pub fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// As [`take`], for what [`put_signed`] wrote.
pub fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    take(bytes).map(|zigzag| ((zigzag >> 1) as i64) ^ -((zigzag & 1) as i64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(number: u64, shift in 0..64u32, tail: Vec<u8>) {
            let (unsigned, signed) = (number >> shift, number as i64 >> shift);
            let mut bytes = Vec::new();
            put(&mut bytes, unsigned);
            put_signed(&mut bytes, signed);
            bytes.extend(&tail);
            let mut rest = bytes.as_slice();
            prop_assert_eq!((take(&mut rest), take_signed(&mut rest)), (Some(unsigned), Some(signed)));
            prop_assert_eq!(rest, tail);
        }

        #[test]
        fn hostile_bytes_are_a_number_or_nothing(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            if take(&mut rest).is_none() {
                prop_assert_eq!(rest.len(), bytes.len());
            }
        }
    }

    /// The examples of the DWARF standard, section 7.6, and the largest number.
    #[test]
    fn the_bytes_are_those_of_leb128() {
        for (number, bytes) in [(2u64, &[2u8][..]), (127, &[0x7f]), (128, &[0x80, 1]), (12_857, &[0xb9, 0x64])] {
            let mut out = Vec::new();
            put(&mut out, number);
            assert_eq!(out, bytes);
        }
        assert_eq!(take(&mut [0xff; 9].iter().copied().chain([1]).collect::<Vec<_>>().as_slice()), Some(u64::MAX));
        assert_eq!(take(&mut [0xff; 9].iter().copied().chain([2]).collect::<Vec<_>>().as_slice()), None);
    }
}
