//! Doubles as Java writes them.

use std::fmt::Write;

/// Java's `Double.toString` (the shortest digits that read back, as since JDK 19): `1.0E300`, `1.0E-5`, `123.45`.
pub fn write_double(number: f64, out: &mut String) {
    write_digits(number, || two_digits(format!("{number:e}"), || format!("{number:.1e}")), out);
}

/// Java's `Float.toString`.
pub fn write_float(number: f32, out: &mut String) {
    write_digits(f64::from(number), || two_digits(format!("{number:e}"), || format!("{number:.1e}")), out);
}

/// Java writes at least two digits, and where one would do, the nearest two: `4.9E-324`, not `5.0E-324`.
fn two_digits(shortest: String, nearest: impl FnOnce() -> String) -> String {
    if shortest.contains('.') {
        return shortest;
    }
    let nearest = nearest();
    if nearest.contains(".0e") { shortest } else { nearest }
}

/// `scientific` gives Rust's `d.ddde-n`, shortest digits.
fn write_digits(number: f64, scientific: impl FnOnce() -> String, out: &mut String) {
    if number.is_nan() {
        out.push_str("NaN");
        return;
    }
    if number.is_sign_negative() {
        out.push('-');
    }
    if number.is_infinite() {
        out.push_str("Infinity");
        return;
    }
    if number == 0.0 {
        out.push_str("0.0");
        return;
    }
    let text = scientific();
    let (mantissa, exponent) = text.trim_start_matches('-').split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    if !(-3..7).contains(&exponent) {
        let rest = if digits.len() > 1 { &digits[1..] } else { "0" };
        // Writing into a String cannot fail.
        let _ = write!(out, "{}.{rest}E{exponent}", &digits[..1]);
        return;
    }
    if exponent < 0 {
        out.push_str("0.");
        (1..-exponent).for_each(|_| out.push('0'));
        out.push_str(&digits);
        return;
    }
    let whole = exponent as usize + 1;
    for place in 0..whole.max(digits.len()) {
        if place == whole {
            out.push('.');
        }
        out.push(digits.as_bytes().get(place).map_or('0', |digit| char::from(*digit)));
    }
    if digits.len() <= whole {
        out.push_str(".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(number: f64) -> String {
        let mut out = String::new();
        write_double(number, &mut out);
        out
    }

    #[test]
    fn as_java_prints_them() {
        for (number, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (3.5, "3.5"),
            (123_456.789, "123456.789"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (0.001, "0.001"),
            (0.0009, "9.0E-4"),
            (1e300, "1.0E300"),
            (1e-5, "1.0E-5"),
            (1.234_567_899_876_543_3e8, "1.2345678998765433E8"),
            (120.0, "120.0"),
            (0.012_5, "0.0125"),
            (5e-324, "4.9E-324"),
            (2e-322, "2.0E-322"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(number), text);
        }
        let mut out = String::new();
        write_float(0.1, &mut out);
        assert_eq!(out, "0.1");
    }
}
