//! The unscaled part of a DECIMAL(p, s), kept as two words so that a [`Value`](super::Value) stays 24 bytes, and exact
//! decimal arithmetic as Flink does it (`DecimalDataUtils`, on Java's BigDecimal).
//!
//! Holds always: results are rounded HALF_UP (half away from zero) to the scale asked for; a result that needs more
//! digits than its precision is `None`, which SQL shows as NULL.

use std::fmt;

use super::wide::U256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decimal {
    high: i64,
    low: u64,
}

/// Precision and scale of a decimal type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecimalType {
    pub precision: u8,
    pub scale: u8,
}

/// An unscaled number with its scale, as an operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scaled {
    pub unscaled: i128,
    pub scale: u8,
}

const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut i = 1;
    while i < 39 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// 10^exponent for exponents up to 38.
pub fn power(exponent: u32) -> i128 {
    POWERS[exponent.min(38) as usize]
}

impl Decimal {
    /// Flink's largest precision.
    pub const PRECISION_MAX: u8 = 38;

    pub fn new(unscaled: i128) -> Decimal {
        Decimal { high: (unscaled >> 64) as i64, low: unscaled as u64 }
    }

    pub fn unscaled(self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }
}

impl DecimalType {
    /// The number, if it has no more digits than the precision.
    pub fn fit(self, unscaled: i128) -> Option<i128> {
        (unscaled.unsigned_abs() < power(u32::from(self.precision)).unsigned_abs()).then_some(unscaled)
    }

    /// Rounds a magnitude with `scale` digits behind the point to this type.
    fn fit_wide(self, negative: bool, magnitude: U256, scale: u32) -> Option<i128> {
        let target = u32::from(self.scale);
        let rounded = if scale <= target {
            magnitude.checked_mul(power(target - scale).unsigned_abs())?
        } else {
            round_off(magnitude, scale - target)?
        };
        let magnitude = i128::try_from(rounded.to_u128()?).ok()?;
        self.fit(if negative { -magnitude } else { magnitude })
    }

    pub fn rescale(self, number: Scaled) -> Option<i128> {
        if number.scale == self.scale {
            return self.fit(number.unscaled);
        }
        if number.scale < self.scale {
            let factor = power(u32::from(self.scale - number.scale));
            return number.unscaled.checked_mul(factor).and_then(|unscaled| self.fit(unscaled));
        }
        self.fit(divide_half_up(number.unscaled, power(u32::from(number.scale - self.scale))))
    }

    pub fn add(self, left: Scaled, right: Scaled) -> Option<i128> {
        let scale = left.scale.max(right.scale);
        let aligned = |number: Scaled| number.unscaled.checked_mul(power(u32::from(scale - number.scale)));
        if let (Some(left), Some(right)) = (aligned(left), aligned(right)) {
            if let Some(unscaled) = left.checked_add(right) {
                return self.rescale(Scaled { unscaled, scale });
            }
        }
        let wide = |number: Scaled| {
            let factor = power(u32::from(scale - number.scale)).unsigned_abs();
            U256::product(number.unscaled.unsigned_abs(), factor)
        };
        let (negative_left, negative_right) = (left.unscaled < 0, right.unscaled < 0);
        let (left, right) = (wide(left), wide(right));
        let (negative, magnitude) = if negative_left == negative_right {
            (negative_left, left.checked_add(right)?)
        } else if left >= right {
            (negative_left, left.checked_sub(right)?)
        } else {
            (negative_right, right.checked_sub(left)?)
        };
        self.fit_wide(negative, magnitude, u32::from(scale))
    }

    pub fn subtract(self, left: Scaled, right: Scaled) -> Option<i128> {
        self.add(left, Scaled { unscaled: right.unscaled.checked_neg()?, scale: right.scale })
    }

    pub fn multiply(self, left: Scaled, right: Scaled) -> Option<i128> {
        let scale = u32::from(left.scale) + u32::from(right.scale);
        match (left.unscaled.checked_mul(right.unscaled), u8::try_from(scale)) {
            (Some(unscaled), Ok(scale)) if scale <= self.scale + 38 => self.rescale(Scaled { unscaled, scale }),
            _ => {
                let negative = (left.unscaled < 0) != (right.unscaled < 0);
                let magnitude = U256::product(left.unscaled.unsigned_abs(), right.unscaled.unsigned_abs());
                self.fit_wide(negative, magnitude, scale)
            }
        }
    }

    /// Flink divides to 38 significant digits first and rounds those to the scale. `right` is not 0.
    pub fn divide(self, left: Scaled, right: Scaled) -> Option<i128> {
        let exponent = i32::from(self.scale) - i32::from(left.scale) + i32::from(right.scale);
        if let Ok(exponent @ 0..=38) = u32::try_from(exponent) {
            if let Some(numerator) = left.unscaled.checked_mul(power(exponent)) {
                // Below 10^37 the 38 digits of the quotient cannot round up to a half that is none.
                if numerator.unsigned_abs() < power(37).unsigned_abs() {
                    return self.fit(divide_half_up(numerator, right.unscaled));
                }
            }
        }
        let negative = (left.unscaled < 0) != (right.unscaled < 0);
        let (digits, exponent) = significant(left.unscaled.unsigned_abs(), right.unscaled.unsigned_abs())?;
        let scale = i32::from(left.scale) - i32::from(right.scale) - exponent;
        match u32::try_from(scale) {
            Ok(scale) if scale > u32::from(self.scale) + 76 => Some(0),
            Ok(scale) => self.fit_wide(negative, U256::new(digits), scale),
            Err(_) => {
                let factor = power(scale.unsigned_abs()).unsigned_abs();
                self.fit_wide(negative, U256::product(digits, factor), 0)
            }
        }
    }

    /// The remainder with the sign of `left`, as Java's BigDecimal. `right` is not 0.
    pub fn modulo(self, left: Scaled, right: Scaled) -> Option<i128> {
        let scale = left.scale.max(right.scale);
        let (magnitude, divisor) = (left.unscaled.unsigned_abs(), right.unscaled.unsigned_abs());
        let divisor = divisor.checked_mul(power(u32::from(scale - right.scale)).unsigned_abs());
        let remainder = match divisor {
            Some(divisor) if divisor < 1 << 127 => {
                U256::product(magnitude, power(u32::from(scale - left.scale)).unsigned_abs()).div_rem(divisor).1
            }
            // A divisor beyond 128 bits only comes from scaling up, when `left` stays as it is: smaller.
            _ => magnitude,
        };
        let unscaled = i128::try_from(remainder).ok()?;
        self.rescale(Scaled { unscaled: if left.unscaled < 0 { -unscaled } else { unscaled }, scale })
    }

    /// Java's `BigDecimal.valueOf(double)`: the shortest digits that read back, then rounded. `None` for NaN and infinities.
    pub fn from_double(self, number: f64) -> Option<i128> {
        number.is_finite().then(|| self.parse(&format!("{number:e}"))).flatten()
    }

    /// `[+-]digits[.digits][e[+-]digits]`, rounded to the scale; `None` if it is no number or has too many digits.
    pub fn parse(self, text: &str) -> Option<i128> {
        let (negative, text) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if whole.is_empty() && fraction.is_empty() || !digits().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        // How many of the digits stand at or before the last place of the scale; the next one rounds.
        let kept = i64::try_from(whole.len()).ok()? + exponent + i64::from(self.scale);
        let mut magnitude = 0i128;
        let mut count = 0i64;
        for digit in digits() {
            let digit = i128::from(digit - b'0');
            if count < kept {
                magnitude = magnitude.checked_mul(10)?.checked_add(digit)?;
            } else if count == kept && digit >= 5 {
                magnitude += 1;
            }
            count += 1;
            if count > kept {
                break;
            }
        }
        if magnitude != 0 && count < kept {
            let missing = u32::try_from(kept - count).ok().filter(|missing| *missing <= 38)?;
            magnitude = magnitude.checked_mul(power(missing))?;
        }
        self.fit(if negative { -magnitude } else { magnitude })
    }
}

/// Bounded, so that later sums cannot overflow; 0.000…1 with a larger exponent is 0 or too large anyway.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.trim_start_matches('0').get(..9).map_or_else(|| digits.parse().ok(), |_| Some(i32::MAX))?;
    Some(i64::from(if text.starts_with('-') { -magnitude } else { magnitude }))
}

/// `number / divisor`, half away from zero.
pub fn divide_half_up(number: i128, divisor: i128) -> i128 {
    let (quotient, remainder) = (number / divisor, number % divisor);
    // |remainder| < |divisor|, so the difference cannot wrap where the double could.
    if remainder.unsigned_abs() >= divisor.unsigned_abs() - remainder.unsigned_abs() {
        quotient + if (number < 0) == (divisor < 0) { 1 } else { -1 }
    } else {
        quotient
    }
}

/// Drops the last `digits` decimal digits, half away from zero.
fn round_off(magnitude: U256, digits: u32) -> Option<U256> {
    let mut rest = magnitude;
    let mut left = digits;
    // HALF_UP looks at one digit only: those behind it may simply be cut.
    while left > 38 {
        rest = rest.div_rem(power(38.min(left - 1)).unsigned_abs()).0;
        left -= 38.min(left - 1);
    }
    let divisor = power(left).unsigned_abs();
    let (quotient, remainder) = rest.div_rem(divisor);
    if remainder >= divisor - remainder { quotient.checked_add(U256::new(1)) } else { Some(quotient) }
}

/// `left / right` to 38 significant digits, HALF_UP: digits and the power of ten that they count.
fn significant(left: u128, right: u128) -> Option<(u128, i32)> {
    if left == 0 {
        return Some((0, 0));
    }
    let (mut digits, mut remainder) = (left / right, left % right);
    let mut exponent = 0;
    let full = power(37).unsigned_abs();
    while digits < full && remainder != 0 {
        let (digit, rest) = U256::product(remainder, 10).div_rem(right);
        digits = digits * 10 + digit.to_u128()?;
        remainder = rest;
        exponent -= 1;
    }
    // `left` has at most 38 digits, so the loop never starts with more than 38.
    if remainder != 0 && remainder >= right - remainder {
        digits += 1;
    }
    Some((digits, exponent))
}

impl Scaled {
    /// Correctly rounded, as Java's `BigDecimal.doubleValue`.
    pub fn to_double(self) -> f64 {
        const EXACT: u128 = 1 << 53;
        // Both operands are exact doubles then, so one division rounds once.
        if self.unscaled.unsigned_abs() <= EXACT && self.scale <= 22 {
            return self.unscaled as f64 / power(u32::from(self.scale)) as f64;
        }
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The digits before the point.
    pub fn truncated(self) -> i128 {
        self.unscaled / power(u32::from(self.scale))
    }

    pub fn floor(self) -> i128 {
        self.unscaled.div_euclid(power(u32::from(self.scale)))
    }

    pub fn compare(self, other: Scaled) -> std::cmp::Ordering {
        if self.scale == other.scale {
            return self.unscaled.cmp(&other.unscaled);
        }
        let signs = self.unscaled.signum().cmp(&other.unscaled.signum());
        if signs.is_ne() {
            return signs;
        }
        let scale = self.scale.max(other.scale);
        let wide = |number: Scaled| {
            U256::product(number.unscaled.unsigned_abs(), power(u32::from(scale - number.scale)).unsigned_abs())
        };
        let magnitudes = wide(self).cmp(&wide(other));
        if self.unscaled < 0 { magnitudes.reverse() } else { magnitudes }
    }
}

/// All digits of the scale, never an exponent (Java's `toPlainString`).
impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let magnitude = self.unscaled.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{sign}{magnitude}");
        }
        let unit = power(u32::from(self.scale)).unsigned_abs();
        write!(f, "{sign}{}.{:0width$}", magnitude / unit, magnitude % unit, width = usize::from(self.scale))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_words_come_back() {
        for unscaled in [0, 1, -1, i128::from(u64::MAX), -i128::from(u64::MAX), i128::MAX, i128::MIN] {
            assert_eq!(Decimal::new(unscaled).unscaled(), unscaled);
        }
    }

    const fn kind(precision: u8, scale: u8) -> DecimalType {
        DecimalType { precision, scale }
    }

    fn scaled(text: &str) -> Scaled {
        let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len()) as u8;
        Scaled { unscaled: kind(38, scale).parse(text).expect("a number"), scale }
    }

    fn shown(kind: DecimalType, unscaled: Option<i128>) -> Option<String> {
        unscaled.map(|unscaled| Scaled { unscaled, scale: kind.scale }.to_string())
    }

    #[test]
    fn arithmetic_beyond_128_bits() {
        let nines = "9".repeat(38);
        let int = kind(38, 0);
        assert_eq!(int.add(scaled(&nines), scaled("1")), None);
        assert_eq!(shown(int, int.add(scaled(&nines), scaled("-1"))), Some(format!("{}8", "9".repeat(37))));
        assert_eq!(int.multiply(scaled(&nines), scaled("10")), None);
        assert_eq!(shown(int, int.multiply(scaled(&nines), scaled("0.1"))), Some(format!("1{}", "0".repeat(37))));
        // Aligning 38 digits with 38 decimals needs 253 bits.
        let tiny = format!("0.{}1", "0".repeat(37));
        assert_eq!(shown(int, int.add(scaled(&nines), scaled(&tiny))), Some(nines.clone()));
        assert_eq!(shown(int, int.subtract(scaled(&tiny), scaled(&nines))), Some(format!("-{nines}")));
        let wide = kind(38, 6);
        assert_eq!(shown(wide, wide.divide(scaled("1"), scaled("3"))), Some("0.333333".to_owned()));
        assert_eq!(shown(wide, wide.divide(scaled("-2"), scaled("3"))), Some("-0.666667".to_owned()));
        assert_eq!(shown(wide, wide.divide(scaled(&tiny), scaled(&nines))), Some("0.000000".to_owned()));
        assert_eq!(wide.divide(scaled(&nines), scaled(&tiny)), None);
        let one = kind(38, 1);
        assert_eq!(shown(one, one.modulo(scaled("5.5"), scaled("-2.25"))), Some("1.0".to_owned()));
        assert_eq!(shown(one, one.modulo(scaled(&tiny), scaled(&nines))), Some("0.0".to_owned()));
        assert_eq!(shown(int, int.modulo(scaled(&nines), scaled(&tiny))), Some("0".to_owned()));
    }

    #[test]
    fn texts() {
        let money = kind(10, 2);
        for (text, expected) in [
            ("1.005", Some("1.01")),
            ("-1.005", Some("-1.01")),
            ("1.004999999999999999999999999999999999999999999999999", Some("1.00")),
            ("1e3", Some("1000.00")),
            ("1E-2", Some("0.01")),
            ("5e-3", Some("0.01")),
            ("4.9e-3", Some("0.00")),
            (".5", Some("0.50")),
            ("5.", Some("5.00")),
            ("+7", Some("7.00")),
            ("00000000000000000000000000000000000000000000001", Some("1.00")),
            ("1e-999999999999999999", Some("0.00")),
            ("0e999999999999999999", Some("0.00")),
            ("1e999999999999999999", None),
            ("99999999.995", None),
            ("", None),
            (".", None),
            ("-", None),
            ("1e", None),
            ("1e+", None),
            ("1 2", None),
            ("0x1", None),
            ("1.2.3", None),
            ("ä", None),
            ("1eä", None),
        ] {
            assert_eq!(shown(money, money.parse(text)).as_deref(), expected, "{text}");
        }
        assert_eq!(money.from_double(2.675), Some(268));
        assert_eq!(money.from_double(f64::NAN), None);
        assert_eq!(scaled("0.1").to_double(), 0.1);
        assert_eq!(scaled("12345678901234567890.123456789").to_double(), 12_345_678_901_234_567_890.123_456_789);
    }

    /// Exact arithmetic on strings of digits: the naive model.
    mod naive {
        /// Digits, most significant first, without leading zeros.
        pub type Digits = Vec<u8>;

        pub fn digits(number: u128) -> Digits {
            if number == 0 { Vec::new() } else { number.to_string().bytes().map(|b| b - b'0').collect() }
        }

        pub fn shift(mut number: Digits, zeros: usize) -> Digits {
            if !number.is_empty() {
                number.extend(std::iter::repeat_n(0, zeros));
            }
            number
        }

        pub fn multiply(left: &[u8], right: &[u8]) -> Digits {
            let mut sums = vec![0u32; left.len() + right.len()];
            for (i, a) in left.iter().rev().enumerate() {
                for (j, b) in right.iter().rev().enumerate() {
                    sums[i + j] += u32::from(*a) * u32::from(*b);
                }
            }
            for i in 0..sums.len().saturating_sub(1) {
                sums[i + 1] += sums[i] / 10;
                sums[i] %= 10;
            }
            sums.iter().rev().map(|d| *d as u8).skip_while(|d| *d == 0).collect()
        }

        pub fn less(left: &[u8], right: &[u8]) -> bool {
            (left.len(), left) < (right.len(), right)
        }

        pub fn subtract(left: &[u8], right: &[u8]) -> Digits {
            let mut out = left.to_vec();
            let mut borrow = 0;
            for i in 0..out.len() {
                let place = out.len() - 1 - i;
                let other = if i < right.len() { right[right.len() - 1 - i] } else { 0 };
                let mut digit = out[place] as i8 - other as i8 - borrow;
                borrow = i8::from(digit < 0);
                if digit < 0 {
                    digit += 10;
                }
                out[place] = digit as u8;
            }
            out.into_iter().skip_while(|d| *d == 0).collect()
        }

        pub fn divide(left: &[u8], right: &[u8]) -> (Digits, Digits) {
            let (mut quotient, mut rest) = (Vec::new(), Vec::new());
            for digit in left {
                if !rest.is_empty() || *digit != 0 {
                    rest.push(*digit);
                }
                let mut count = 0;
                while !less(&rest, right) {
                    rest = subtract(&rest, right);
                    count += 1;
                }
                if !quotient.is_empty() || count != 0 {
                    quotient.push(count);
                }
            }
            (quotient, rest)
        }

        /// Keeps all but the last `drop` digits, half up.
        pub fn round(number: &[u8], drop: usize) -> Option<u128> {
            let kept = number.len().saturating_sub(drop);
            let up = number.len() >= drop && drop > 0 && number[kept] >= 5;
            let mut value = 0u128;
            for digit in &number[..kept] {
                value = value.checked_mul(10)?.checked_add(u128::from(*digit))?;
            }
            Some(value + u128::from(up))
        }
    }

    fn operand() -> impl Strategy<Value = Scaled> {
        (0u32..=38, any::<u128>(), any::<bool>(), 0u8..=38).prop_map(|(digits, bits, negative, scale)| {
            let magnitude = (bits % power(digits).unsigned_abs()) as i128;
            Scaled { unscaled: if negative { -magnitude } else { magnitude }, scale }
        })
    }

    fn signed(negative: bool, magnitude: Option<u128>, kind: DecimalType) -> Option<i128> {
        let magnitude = i128::try_from(magnitude?).ok()?;
        kind.fit(if negative { -magnitude } else { magnitude })
    }

    proptest! {
        #[test]
        fn products_agree_with_digits(left in operand(), right in operand(), scale in 0u8..=38) {
            let kind = kind(38, scale);
            let exact = naive::multiply(&naive::digits(left.unscaled.unsigned_abs()), &naive::digits(right.unscaled.unsigned_abs()));
            let scale_of_exact = usize::from(left.scale) + usize::from(right.scale);
            let rounded = match scale_of_exact.checked_sub(usize::from(scale)) {
                Some(drop) => naive::round(&exact, drop),
                None => naive::round(&naive::shift(exact, usize::from(scale) - scale_of_exact), 0),
            };
            prop_assert_eq!(kind.multiply(left, right), signed((left.unscaled < 0) != (right.unscaled < 0), rounded, kind));
        }

        #[test]
        fn quotients_agree_with_digits(left in operand(), right in operand(), scale in 0u8..=38) {
            prop_assume!(right.unscaled != 0);
            let kind = kind(38, scale);
            // 38 significant digits, then the scale, as Flink does it: 80 decimals are more than both need.
            let numerator = naive::shift(naive::digits(left.unscaled.unsigned_abs()), 80 + usize::from(right.scale));
            let (quotient, rest) = naive::divide(&numerator, &naive::digits(right.unscaled.unsigned_abs()));
            let scale_of_quotient = 80 + usize::from(left.scale);
            let drop = quotient.len().saturating_sub(38);
            prop_assume!(drop > 0 || rest.is_empty());
            let significant = naive::shift(naive::digits(naive::round(&quotient, drop).expect("38 digits")), drop);
            let rounded = naive::round(&significant, scale_of_quotient - usize::from(scale));
            prop_assert_eq!(kind.divide(left, right), signed((left.unscaled < 0) != (right.unscaled < 0), rounded, kind));
        }

        #[test]
        fn remainders_agree_with_digits(left in operand(), right in operand(), scale in 0u8..=38) {
            prop_assume!(right.unscaled != 0);
            let kind = kind(38, scale);
            let aligned = left.scale.max(right.scale);
            let digits = |n: Scaled| naive::shift(naive::digits(n.unscaled.unsigned_abs()), usize::from(aligned - n.scale));
            let (_, rest) = naive::divide(&digits(left), &digits(right));
            let rounded = match aligned.checked_sub(scale) {
                Some(drop) => naive::round(&rest, usize::from(drop)),
                None => naive::round(&naive::shift(rest, usize::from(scale - aligned)), 0),
            };
            prop_assert_eq!(kind.modulo(left, right), signed(left.unscaled < 0, rounded, kind));
        }

        #[test]
        fn sums_and_order_agree_with_each_other(left in operand(), right in operand()) {
            let difference = kind(38, left.scale.max(right.scale)).subtract(left, right);
            if let Some(difference) = difference {
                prop_assert_eq!(left.compare(right), difference.cmp(&0));
                let kind = kind(38, left.scale.max(right.scale));
                let back = kind.add(Scaled { unscaled: difference, scale: kind.scale }, right);
                prop_assert!(back.is_none() || back == kind.rescale(left));
            }
            prop_assert_eq!(left.compare(right), right.compare(left).reverse());
        }

        #[test]
        fn text_comes_back(number in operand()) {
            prop_assume!(number.scale <= 38);
            let kind = kind(38, number.scale);
            prop_assert_eq!(kind.parse(&number.to_string()), Some(number.unscaled));
            let nearest: f64 = number.to_string().parse().expect("a number");
            prop_assert_eq!(number.to_double(), nearest);
        }

        #[test]
        fn any_text_is_a_number_or_not(text in "[-+0-9.eE ]{0,12}", scale in 0u8..=38) {
            let _ = kind(38, scale).parse(&text);
        }
    }
}
