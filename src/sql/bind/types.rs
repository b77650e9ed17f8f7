//! Flink's rules for the types of results. Pure.
//!
//! Decimals: `LogicalTypeMerging` of flink-table-common; common types: `leastRestrictive` of Calcite.

use crate::model::{DataType, Decimal};
use crate::plan::ArithmeticOp;

/// A whole number's type as a DECIMAL.
pub fn as_decimal(data_type: DataType) -> Option<(u8, u8)> {
    match data_type {
        DataType::TinyInt => Some((3, 0)),
        DataType::SmallInt => Some((5, 0)),
        DataType::Int => Some((10, 0)),
        DataType::BigInt => Some((19, 0)),
        DataType::Decimal { precision, scale } => Some((precision, scale)),
        _ => None,
    }
}

/// DECIMAL of that many digits; what does not fit costs digits after the point, of which six stay where possible.
fn decimal(precision: u32, scale: u32) -> DataType {
    let max = u32::from(Decimal::PRECISION_MAX);
    let (precision, scale) = if precision <= max {
        (precision, scale)
    } else {
        let whole = precision - scale;
        (max, max.saturating_sub(whole).max(scale.min(6)))
    };
    DataType::Decimal { precision: precision as u8, scale: scale as u8 }
}

/// The type of `left op right` of two numbers.
pub fn arithmetic(op: ArithmeticOp, left: DataType, right: DataType) -> Option<DataType> {
    let is_decimal = |t| matches!(t, DataType::Decimal { .. });
    match (as_decimal(left), as_decimal(right)) {
        (Some(l), Some(r)) if is_decimal(left) || is_decimal(right) => Some(decimal_arithmetic(op, l, r)),
        _ => common(left, right).filter(|t| t.is_numeric()),
    }
}

fn decimal_arithmetic(op: ArithmeticOp, (p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    let (p1, s1, p2, s2) = (u32::from(p1), u32::from(s1), u32::from(p2), u32::from(s2));
    match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract => {
            let scale = s1.max(s2);
            decimal((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        ArithmeticOp::Multiply => decimal(p1 + p2 + 1, s1 + s2),
        ArithmeticOp::Divide => {
            let scale = (s1 + p2 + 1).max(6);
            decimal(p1 - s1 + s2 + scale, scale)
        }
        ArithmeticOp::Modulo => {
            let scale = s1.max(s2);
            decimal((p1 - s1).min(p2 - s2) + scale, scale)
        }
    }
}

/// The type that holds values of both: of CASE, IF, arrays, sums. FLOAT and DOUBLE are one kind to Flink (Calcite's
/// `leastRestrictive`), and so are TIMESTAMP and TIMESTAMP_LTZ: of the two the first stays, or the one with more digits.
pub fn common(left: DataType, right: DataType) -> Option<DataType> {
    use DataType::{
        Array, BigInt, Decimal, Double, Float, Int, Map, Null, Row, SmallInt, Time, Timestamp, TimestampLtz, TinyInt,
    };
    const WIDTHS: [DataType; 4] = [TinyInt, SmallInt, Int, BigInt];
    match (left, right) {
        (l, r) if l == r => Some(l),
        (Null, other) | (other, Null) => Some(other),
        (l, r) if l.is_integer() && r.is_integer() => WIDTHS.into_iter().rev().find(|width| *width == l || *width == r),
        (l, r) if l.is_numeric() && r.is_numeric() => match (as_decimal(l), as_decimal(r)) {
            (Some((p1, s1)), Some((p2, s2))) => {
                let scale = s1.max(s2);
                Some(decimal(u32::from((p1 - s1).max(p2 - s2)) + u32::from(scale), u32::from(scale)))
            }
            _ if matches!((l, r), (Float, Decimal { .. }) | (Decimal { .. }, Float)) => Some(Double),
            (None, None) => Some(left),
            _ if l == Double || r == Double => Some(Double),
            _ => Some(Float),
        },
        (Timestamp(p), TimestampLtz(q)) if q > p => Some(right),
        (TimestampLtz(p), Timestamp(q)) if q > p => Some(right),
        (Timestamp(p), Timestamp(q) | TimestampLtz(q)) => Some(Timestamp(p.max(q))),
        (TimestampLtz(p), TimestampLtz(q) | Timestamp(q)) => Some(TimestampLtz(p.max(q))),
        (Time(p), Time(q)) => Some(Time(p.max(q))),
        (Array(p), Array(q)) => Some(DataType::array_of(common(*p, *q)?)),
        (Map(p), Map(q)) => Some(DataType::map_of(common(p.key, q.key)?, common(p.value, q.value)?)),
        (Row(p), Row(q)) if p.len() == q.len() => {
            let fields = p.iter().zip(q).map(|(p, q)| Some((p.name, common(p.data_type, q.data_type)?)));
            Some(DataType::row_of(fields.collect::<Option<Vec<_>>>()?))
        }
        _ => None,
    }
}

/// The type of GREATEST and LEAST, which take DOUBLE for a FLOAT and a DOUBLE, and TIMESTAMP_LTZ beside a TIMESTAMP.
pub fn widest(left: DataType, right: DataType) -> Option<DataType> {
    match (left, right) {
        (DataType::Float, DataType::Double) => Some(DataType::Double),
        (DataType::Timestamp(p), DataType::TimestampLtz(q)) | (DataType::TimestampLtz(p), DataType::Timestamp(q)) => {
            Some(DataType::TimestampLtz(p.max(q)))
        }
        _ => common(left, right),
    }
}

/// The type of COALESCE: the same, and of a TIMESTAMP beside a DATE or a TIME what these hold of it.
pub fn coalesced(left: DataType, right: DataType) -> Option<DataType> {
    match (left, right) {
        (part @ (DataType::Date | DataType::Time(_)), DataType::Timestamp(_))
        | (DataType::Timestamp(_), part @ (DataType::Date | DataType::Time(_))) => Some(part),
        _ => widest(left, right),
    }
}

/// What both sides of a comparison become; decimals may differ in precision and scale.
pub fn comparable(left: DataType, right: DataType) -> Option<(DataType, DataType)> {
    let is_time = |t: DataType| t.is_timestamp() || matches!(t, DataType::Date | DataType::Time(_));
    match (left, right) {
        (DataType::Null, DataType::Null) => Some((DataType::Boolean, DataType::Boolean)),
        (DataType::String, time) | (time, DataType::String) if is_time(time) => Some((time, time)),
        // A time without a zone is that of the session, UTC.
        (l, r) if l.is_timestamp() && r.is_timestamp() => widest(l, r).map(|t| (t, t)),
        (l, r) if l.is_numeric() && r.is_numeric() => match (as_decimal(l), as_decimal(r)) {
            (Some((p1, s1)), Some((p2, s2))) if !(l.is_integer() && r.is_integer()) => {
                Some((DataType::Decimal { precision: p1, scale: s1 }, DataType::Decimal { precision: p2, scale: s2 }))
            }
            (Some(_), Some(_)) => common(l, r).map(|t| (t, t)),
            (None, None) if l == r => Some((l, r)),
            _ => Some((DataType::Double, DataType::Double)),
        },
        (l, r) => common(l, r).map(|t| (t, t)),
    }
}

/// ROUND(DECIMAL(p, s), digits); `None` digits: not known before the row comes.
pub fn round(data_type: DataType, digits: Option<i64>) -> DataType {
    let (DataType::Decimal { precision, scale }, Some(digits)) = (data_type, digits) else { return data_type };
    let whole = u32::from(precision - scale);
    match u8::try_from(digits) {
        Ok(digits) if digits >= scale => data_type,
        Ok(digits) => decimal(whole + u32::from(digits) + 1, u32::from(digits)),
        Err(_) if digits > 0 => data_type,
        Err(_) => decimal((whole + 1).min(u32::from(Decimal::PRECISION_MAX)), 0),
    }
}

/// The type of SUM.
pub fn sum(data_type: DataType) -> DataType {
    match data_type {
        DataType::Decimal { scale, .. } => DataType::Decimal { precision: Decimal::PRECISION_MAX, scale },
        other => other,
    }
}

/// The type of AVG.
pub fn avg(data_type: DataType) -> DataType {
    match data_type {
        DataType::Decimal { scale, .. } => DataType::Decimal { precision: Decimal::PRECISION_MAX, scale: scale.max(6) },
        other => other,
    }
}

/// Whether CAST from one type to the other exists.
pub fn can_cast(from: DataType, to: DataType) -> bool {
    use DataType::{Array, Boolean, Bytes, Date, Decimal, Map, Null, Row, String, Time};
    match (from, to) {
        (Null, _) => true,
        (l, r) if l == r => true,
        (l, r) if l.is_interval() || r.is_interval() => l.is_interval() && r == String,
        (_, String) => true,
        (Array(l), Array(r)) => can_cast(*l, *r),
        (Map(l), Map(r)) => can_cast(l.key, r.key) && can_cast(l.value, r.value),
        (Row(l), Row(r)) => l.len() == r.len() && l.iter().zip(r).all(|(l, r)| can_cast(l.data_type, r.data_type)),
        (l, r) if l.is_nested() || r.is_nested() => false,
        (String, _) => true,
        (l, r) if l.is_numeric() && r.is_numeric() => true,
        (Boolean, r) => r.is_numeric(),
        (l, Boolean) => l.is_integer() || matches!(l, Decimal { .. } | DataType::Float | DataType::Double),
        (l, r) if l.is_timestamp() => r.is_timestamp() || matches!(r, Date | Time(_)),
        (Time(_), Time(_)) => true,
        (Date | Time(_), r) => r.is_timestamp(),
        (Bytes, _) | (_, _) => false,
    }
}

/// Whether INSERT INTO may make this type of that one without a CAST (Flink's `LogicalTypeCasts`, implicit).
pub fn can_store(from: DataType, to: DataType) -> bool {
    use DataType::{BigInt, Date, Decimal, Double, Float, Int, Null, SmallInt, Time, Timestamp, TimestampLtz, TinyInt};
    match (from, to) {
        (Null, _) => true,
        (l, r) if l == r => true,
        (TinyInt, SmallInt | Int | BigInt) | (SmallInt, Int | BigInt) | (Int, BigInt) => true,
        (l, Decimal { .. } | Double) => l.is_numeric(),
        (l, Float) => l.is_integer() || matches!(l, Decimal { .. }),
        (Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_)) | (Timestamp(_), Date | Time(_)) => true,
        (Time(_), Time(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(precision: u8, scale: u8) -> DataType {
        DataType::Decimal { precision, scale }
    }

    #[test]
    fn decimals_as_flink_counts_them() {
        use ArithmeticOp::{Add, Divide, Modulo, Multiply};
        // From the headers and SEMANTICS of the sample cases.
        assert_eq!(arithmetic(Divide, DataType::Int, dec(2, 1)), Some(dec(17, 6)));
        assert_eq!(arithmetic(Add, dec(2, 1), DataType::Int), Some(dec(12, 1)));
        assert_eq!(arithmetic(Multiply, dec(5, 2), dec(4, 1)), Some(dec(10, 3)));
        assert_eq!(arithmetic(Modulo, dec(5, 2), dec(10, 3)), Some(dec(6, 3)));
        // Beyond 38 digits, those after the point go first, but not below six.
        assert_eq!(arithmetic(Multiply, dec(38, 10), dec(38, 10)), Some(dec(38, 6)));
        assert_eq!(arithmetic(Multiply, dec(20, 2), dec(20, 2)), Some(dec(38, 4)));
        assert_eq!(arithmetic(Divide, dec(38, 0), dec(38, 38)), Some(dec(38, 6)));
        assert_eq!(arithmetic(Add, dec(38, 2), DataType::Double), Some(DataType::Double));
        assert_eq!(arithmetic(Add, DataType::Int, DataType::String), None);
    }

    #[test]
    fn rounding() {
        assert_eq!(round(dec(10, 3), Some(2)), dec(10, 2));
        assert_eq!(round(dec(10, 3), Some(0)), dec(8, 0));
        assert_eq!(round(dec(10, 3), Some(3)), dec(10, 3));
        assert_eq!(round(dec(10, 3), Some(-1)), dec(8, 0));
        assert_eq!(round(dec(10, 3), Some(1_000)), dec(10, 3));
        assert_eq!(round(DataType::Double, Some(1)), DataType::Double);
    }

    #[test]
    fn common_types() {
        assert_eq!(common(DataType::TinyInt, DataType::Int), Some(DataType::Int));
        assert_eq!(common(DataType::Null, DataType::Date), Some(DataType::Date));
        assert_eq!(common(dec(5, 2), DataType::Int), Some(dec(12, 2)));
        assert_eq!(common(DataType::Float, dec(5, 2)), Some(DataType::Double));
        assert_eq!(common(DataType::Float, DataType::BigInt), Some(DataType::Float));
        assert_eq!(common(DataType::Float, DataType::Double), Some(DataType::Float));
        assert_eq!(common(DataType::Double, DataType::Float), Some(DataType::Double));
        assert_eq!(widest(DataType::Float, DataType::Double), Some(DataType::Double));
        assert_eq!(common(DataType::Timestamp(3), DataType::Timestamp(0)), Some(DataType::Timestamp(3)));
        assert_eq!(common(DataType::Timestamp(3), DataType::TimestampLtz(3)), Some(DataType::Timestamp(3)));
        assert_eq!(common(DataType::Timestamp(0), DataType::TimestampLtz(3)), Some(DataType::TimestampLtz(3)));
        assert_eq!(common(DataType::TimestampLtz(3), DataType::Timestamp(3)), Some(DataType::TimestampLtz(3)));
        assert_eq!(widest(DataType::Timestamp(3), DataType::TimestampLtz(3)), Some(DataType::TimestampLtz(3)));
        assert_eq!(common(DataType::Timestamp(3), DataType::Date), None);
        assert_eq!(coalesced(DataType::Timestamp(3), DataType::Date), Some(DataType::Date));
        assert_eq!(common(DataType::String, DataType::Int), None);
        for a in [DataType::Int, DataType::Float, dec(7, 3), DataType::String, DataType::Null, DataType::Boolean] {
            for b in [DataType::BigInt, DataType::Float, dec(38, 38), DataType::Bytes, DataType::Time(0)] {
                assert_eq!(common(a, b), common(b, a), "{a} {b}");
            }
        }
    }

    #[test]
    fn casts() {
        assert!(can_cast(DataType::String, DataType::Timestamp(3)));
        assert!(can_cast(DataType::Boolean, DataType::Int));
        assert!(!can_cast(DataType::Int, DataType::Date));
        assert!(!can_cast(DataType::Int, DataType::Timestamp(3)));
        assert!(!can_cast(DataType::Date, DataType::Time(0)));
    }
}
