//! The values of literals.

use jiff::civil;

use crate::model::{DataType, Decimal, Value};
use crate::plan::Expr;

/// `1` is INT, `5000000000` BIGINT, `1.5` DECIMAL(2, 1), `1.5e0` DOUBLE. The error says what is wrong with it.
pub fn number(text: &str) -> Result<Expr, String> {
    if text.contains(['e', 'E']) {
        return match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Expr::literal(Value::Double(value), DataType::Double)),
            _ => Err(format!("{text} is too large for a DOUBLE")),
        };
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.is_empty() {
        let value: i64 = whole.parse().map_err(|_| format!("{text} is too large for a BIGINT"))?;
        let data_type = if i32::try_from(value).is_ok() { DataType::Int } else { DataType::BigInt };
        return Ok(Expr::literal(Value::Int(value), data_type));
    }
    let digits = whole.len() + fraction.len();
    let unscaled: Option<i128> = format!("{whole}{fraction}").parse().ok();
    match unscaled {
        Some(unscaled) if digits <= usize::from(Decimal::PRECISION_MAX) => {
            let data_type = DataType::Decimal { precision: digits as u8, scale: fraction.len() as u8 };
            Ok(Expr::literal(Value::Decimal(Decimal::new(unscaled)), data_type))
        }
        _ => Err(format!("{text} has more digits than a DECIMAL holds, which is {}", Decimal::PRECISION_MAX)),
    }
}

/// `2026-03-01`
pub fn date(text: &str) -> Option<Expr> {
    Some(Expr::literal(Value::Date(parse_date(text)?), DataType::Date))
}

/// `08:15:30`, with or without digits after the second.
pub fn time(text: &str) -> Option<Expr> {
    let (micros, precision) = parse_time(text)?;
    Some(Expr::literal(Value::Time((micros / 1_000) as i32), DataType::Time(precision.min(3))))
}

/// `2026-03-01 08:15:30`, with as many digits after the second as the type then has.
pub fn timestamp(text: &str) -> Option<Expr> {
    let (date, time) = text.split_once(' ')?;
    let (micros, precision) = parse_time(time)?;
    let micros = i64::from(parse_date(date)?) * 86_400_000_000 + micros;
    Some(Expr::literal(Value::Timestamp(micros), DataType::Timestamp(precision)))
}

/// Days since 1970-01-01.
fn parse_date(text: &str) -> Option<i32> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if year.len() != 4 {
        return None;
    }
    let date = civil::Date::new(digits(year)? as i16, digits(month)? as i8, digits(day)? as i8).ok()?;
    let epoch = civil::Date::constant(1970, 1, 1);
    Some((date - epoch).get_days())
}

/// Microseconds since midnight, and how many digits of a second were given.
fn parse_time(text: &str) -> Option<(i64, u8)> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    if text.contains('.') && !(1..=6).contains(&fraction.len()) {
        return None;
    }
    let mut parts = clock.splitn(3, ':');
    let (hour, minute, second) = (digits(parts.next()?)?, digits(parts.next()?)?, digits(parts.next()?)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = if fraction.is_empty() { 0 } else { fraction_micros(fraction)? };
    Some((((hour * 60 + minute) * 60 + second) * 1_000_000 + micros, fraction.len() as u8))
}

fn fraction_micros(fraction: &str) -> Option<i64> {
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<6}").parse().ok()
}

/// One to four digits.
fn digits(text: &str) -> Option<i64> {
    let valid = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let of = |text| number(text).map(|expr| (expr.kind, expr.data_type));
        let literal = |value| crate::plan::ExprKind::Literal(value);
        let dec = |precision, scale| DataType::Decimal { precision, scale };
        assert_eq!(of("2147483647"), Ok((literal(Value::Int(2147483647)), DataType::Int)));
        assert_eq!(of("2147483648"), Ok((literal(Value::Int(2147483648)), DataType::BigInt)));
        assert_eq!(of("1.5"), Ok((literal(Value::Decimal(Decimal::new(15))), dec(2, 1))));
        assert_eq!(of("0.50"), Ok((literal(Value::Decimal(Decimal::new(50))), dec(3, 2))));
        assert_eq!(of(".5"), Ok((literal(Value::Decimal(Decimal::new(5))), dec(1, 1))));
        assert_eq!(of("1.5e0"), Ok((literal(Value::Double(1.5)), DataType::Double)));
        assert!(of("9223372036854775808").is_err());
        assert!(of("1e400").is_err());
        assert!(of("0.123456789012345678901234567890123456789").is_err());
    }

    #[test]
    fn times() {
        let value = |expr: Option<Expr>| expr.map(|expr| (expr.kind, expr.data_type));
        let literal = |value| crate::plan::ExprKind::Literal(value);
        assert_eq!(value(date("1970-01-02")), Some((literal(Value::Date(1)), DataType::Date)));
        assert_eq!(value(date("1969-12-31")), Some((literal(Value::Date(-1)), DataType::Date)));
        assert_eq!(value(time("00:00:01.5")), Some((literal(Value::Time(1_500)), DataType::Time(1))));
        let expected = literal(Value::Timestamp(86_400_000_000 + 3_600_000_000 + 120_000));
        assert_eq!(value(timestamp("1970-01-02 01:00:00.12")), Some((expected, DataType::Timestamp(2))));
        for wrong in ["2026-02-30", "2026-13-01", "26-01-01", "2026-1", "x", "", "2026-03-01T00:00:00"] {
            assert!(date(wrong).is_none(), "{wrong}");
        }
        for wrong in [
            "2026-03-01",
            "2026-03-01 24:00:00",
            "2026-03-01 10:00:00.",
            "2026-03-01 10:00:00.1234567",
            "2026-03-01  1:1:1",
        ] {
            assert!(timestamp(wrong).is_none(), "{wrong}");
        }
    }
}
