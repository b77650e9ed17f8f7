//! Unsigned 256-bit integers, as far as exact DECIMAL arithmetic needs them: two factors of 38 digits.

/// `high * 2^128 + low`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct U256 {
    high: u128,
    low: u128,
}

impl U256 {
    pub fn new(low: u128) -> U256 {
        U256 { high: 0, low }
    }

    #[cfg(test)]
    fn is_zero(self) -> bool {
        self == U256::new(0)
    }

    /// The number, if it fits in 128 bits.
    pub fn to_u128(self) -> Option<u128> {
        (self.high == 0).then_some(self.low)
    }

    /// The full product, schoolbook on 64-bit halves.
    pub fn product(left: u128, right: u128) -> U256 {
        let mask = u128::from(u64::MAX);
        let (left_high, left_low) = (left >> 64, left & mask);
        let (right_high, right_low) = (right >> 64, right & mask);
        let low = left_low * right_low;
        let middle_one = left_high * right_low;
        let middle_two = left_low * right_high;
        let carry = ((low >> 64) + (middle_one & mask) + (middle_two & mask)) >> 64;
        let high = left_high * right_high + (middle_one >> 64) + (middle_two >> 64) + carry;
        U256 { high, low: left.wrapping_mul(right) }
    }

    /// `None` on overflow.
    pub fn checked_mul(self, factor: u128) -> Option<U256> {
        let low = U256::product(self.low, factor);
        let high = U256::product(self.high, factor).to_u128()?;
        Some(U256 { high: low.high.checked_add(high)?, low: low.low })
    }

    pub fn checked_add(self, other: U256) -> Option<U256> {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self.high.checked_add(other.high)?.checked_add(u128::from(carry))?;
        Some(U256 { high, low })
    }

    /// `self - other`; `None` if that is negative.
    pub fn checked_sub(self, other: U256) -> Option<U256> {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let high = self.high.checked_sub(other.high)?.checked_sub(u128::from(borrow))?;
        Some(U256 { high, low })
    }

    /// Quotient and remainder, bit by bit. `divisor` is not 0 and below 2^127 (10^38 is).
    pub fn div_rem(self, divisor: u128) -> (U256, u128) {
        debug_assert!(divisor != 0 && divisor < 1 << 127);
        let high = self.high / divisor;
        let mut remainder = self.high % divisor;
        if remainder == 0 {
            return (U256 { high, low: self.low / divisor }, self.low % divisor);
        }
        let mut low = 0;
        for bit in (0..128).rev() {
            remainder = (remainder << 1) | ((self.low >> bit) & 1);
            low <<= 1;
            if remainder >= divisor {
                remainder -= divisor;
                low |= 1;
            }
        }
        (U256 { high, low }, remainder)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Base 10^9 digits, least significant first: the naive model.
    fn digits(mut number: u128) -> Vec<u64> {
        let mut digits = Vec::new();
        while number > 0 {
            digits.push((number % 1_000_000_000) as u64);
            number /= 1_000_000_000;
        }
        digits
    }

    fn naive_product(left: u128, right: u128) -> Vec<u64> {
        let (left, right) = (digits(left), digits(right));
        let mut sums = vec![0u64; left.len() + right.len() + 1];
        for (i, a) in left.iter().enumerate() {
            let mut carry = 0;
            for (j, b) in right.iter().enumerate() {
                let sum = sums[i + j] + a * b + carry;
                sums[i + j] = sum % 1_000_000_000;
                carry = sum / 1_000_000_000;
            }
            sums[i + right.len()] += carry;
        }
        while sums.last() == Some(&0) {
            sums.pop();
        }
        sums
    }

    fn wide_digits(mut number: U256) -> Vec<u64> {
        let mut digits = Vec::new();
        while !number.is_zero() {
            let (rest, digit) = number.div_rem(1_000_000_000);
            digits.push(digit as u64);
            number = rest;
        }
        digits
    }

    proptest! {
        #[test]
        fn products_and_quotients_agree_with_schoolbook_digits(left: u128, right: u128) {
            prop_assert_eq!(wide_digits(U256::product(left, right)), naive_product(left, right));
        }

        #[test]
        fn division_inverts(high in 0u128..1 << 120, low: u128, divisor in 1u128..1 << 127) {
            let number = U256 { high, low };
            let (quotient, remainder) = number.div_rem(divisor);
            prop_assert!(remainder < divisor);
            let back = quotient.checked_mul(divisor).and_then(|product| product.checked_add(U256::new(remainder)));
            prop_assert_eq!(back, Some(number));
        }

        #[test]
        fn sums_and_differences(left: (u128, u128), right: (u128, u128)) {
            let (left, right) = (U256 { high: left.0 >> 1, low: left.1 }, U256 { high: right.0 >> 1, low: right.1 });
            let sum = left.checked_add(right).expect("both below 2^255");
            prop_assert_eq!(sum.checked_sub(right), Some(left));
            prop_assert_eq!(left.checked_sub(right).is_none(), left < right);
        }
    }
}
