//! No expression of the right types makes evaluation panic, and each gives a value of its own type. What the values are,
//! `tests/expressions.rs` compares with Flink's.

use proptest::prelude::*;

use super::{Context, Program};
use crate::model::decimal::DecimalType;
use crate::model::{DataType, Decimal, Entry, Value};
use crate::plan::{ArithmeticOp, CompareOp, Expr, ExprKind, Function, JsonMissing, TimeUnit, Wrapper};

/// The columns of the row: one of each type.
const NUMBERS: DataType = DataType::Array(&DataType::Double);
const NUMBERED: DataType = DataType::Map(&Entry { key: DataType::Int, value: DataType::String });

const TYPES: [DataType; 19] = [
    DataType::Boolean,
    DataType::TinyInt,
    DataType::SmallInt,
    DataType::Int,
    DataType::BigInt,
    DataType::Float,
    DataType::Double,
    DataType::Decimal { precision: 10, scale: 2 },
    DataType::Decimal { precision: 38, scale: 18 },
    DataType::String,
    DataType::Bytes,
    DataType::Date,
    DataType::Time(3),
    DataType::Timestamp(3),
    DataType::TimestampLtz(3),
    DataType::IntervalMonths,
    DataType::IntervalMillis,
    NUMBERS,
    NUMBERED,
];

fn any_type() -> impl Strategy<Value = DataType> {
    prop::sample::select(TYPES.as_slice())
}

/// Values at the edges of their type, NULL, and what lies between.
fn value(data_type: DataType) -> BoxedStrategy<Value> {
    let integer = |low: i64, high: i64| {
        prop_oneof![Just(low), Just(high), Just(0), Just(-1), Just(1), low..=high].prop_map(Value::Int).boxed()
    };
    let values = match data_type {
        DataType::Null => Just(Value::Null).boxed(),
        DataType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        DataType::TinyInt => integer(i64::from(i8::MIN), i64::from(i8::MAX)),
        DataType::SmallInt => integer(i64::from(i16::MIN), i64::from(i16::MAX)),
        DataType::Int | DataType::IntervalMonths => integer(i64::from(i32::MIN), i64::from(i32::MAX)),
        DataType::BigInt | DataType::IntervalMillis => integer(i64::MIN, i64::MAX),
        DataType::Float => any::<f32>().prop_map(|number| Value::Double(f64::from(number))).boxed(),
        DataType::Double => {
            let edges = prop::sample::select([f64::NAN, f64::INFINITY, f64::MIN, -0.0, 1e300, 0.5, 2.5].as_slice());
            prop_oneof![edges, any::<f64>()].prop_map(Value::Double).boxed()
        }
        DataType::Decimal { precision, .. } => {
            let most = crate::model::decimal::power(u32::from(precision)) - 1;
            let edges = prop::sample::select(vec![most, -most, 0, 1, -1]);
            prop_oneof![edges, -most..=most].prop_map(|unscaled| Value::Decimal(Decimal::new(unscaled))).boxed()
        }
        DataType::String => {
            let known = prop::sample::select(
                [
                    "",
                    " 12 ",
                    "2026-02-30 24:00:00",
                    "TRUE",
                    "{\"a\": [1]}",
                    "$.a[0]",
                    "(a|b)+$",
                    "yyyy-MM-dd HH:mm",
                    "%_😀",
                ]
                .as_slice(),
            );
            prop_oneof![known.prop_map(str::to_owned), any::<String>()].prop_map(|text| Value::string(&text)).boxed()
        }
        DataType::Bytes => any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
        DataType::Date => {
            prop_oneof![Just(i32::MIN), Just(i32::MAX), -800_000..3_000_000].prop_map(Value::Date).boxed()
        }
        DataType::Time(_) => (0..86_400_000).prop_map(Value::Time).boxed(),
        DataType::Timestamp(_) | DataType::TimestampLtz(_) => {
            let usual = -62_135_596_800_000_000i64..253_402_300_800_000_000;
            prop_oneof![Just(i64::MIN), Just(i64::MAX), usual].prop_map(Value::Timestamp).boxed()
        }
        DataType::Array(element) => {
            prop::collection::vec(value(*element), 0..4).prop_map(|parts| Value::List(parts.into())).boxed()
        }
        DataType::Map(entry) => {
            prop::collection::vec((value(entry.key), value(entry.value)), 0..4).prop_map(super::maps::map).boxed()
        }
        DataType::Row(_) => Just(Value::Null).boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 8 => values].boxed()
}

fn row() -> impl Strategy<Value = Vec<Value>> {
    TYPES.map(value).into_iter().collect::<Vec<_>>()
}

fn leaf(data_type: DataType) -> BoxedStrategy<Expr> {
    let literal = value(data_type).prop_map(move |value| Expr::literal(value, data_type));
    match TYPES.iter().position(|column| *column == data_type) {
        Some(column) => prop_oneof![literal, Just(Expr::column(column, data_type))].boxed(),
        None => literal.boxed(),
    }
}

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

fn call(function: Function, arguments: &[DataType], to: DataType, depth: u32) -> BoxedStrategy<Expr> {
    let arguments: Vec<_> = arguments.iter().map(|data_type| expr(*data_type, depth)).collect();
    arguments.prop_map(move |arguments| Expr::new(ExprKind::Call { function, arguments }, to)).boxed()
}

/// An expression of the type, of at most this depth.
fn expr(data_type: DataType, depth: u32) -> BoxedStrategy<Expr> {
    if depth == 0 {
        return leaf(data_type);
    }
    let below = depth - 1;
    let same = move || expr(data_type, below);
    let mut choices = vec![leaf(data_type), leaf(data_type)];
    let kind = move |kind: ExprKind| Expr::new(kind, data_type);
    let case = (expr(DataType::Boolean, below), same(), same());
    choices.push(
        case.prop_map(move |(condition, result, otherwise)| {
            kind(ExprKind::Case { branches: vec![(condition, result)], otherwise: boxed(otherwise) })
        })
        .boxed(),
    );
    choices.push((same(), same()).prop_map(move |(a, b)| kind(ExprKind::Coalesce(vec![a, b]))).boxed());
    for function in [Function::Greatest, Function::Least] {
        choices.push(call(function, &[data_type, data_type], data_type, below));
    }
    let cast = (any_type(), any::<bool>()).prop_flat_map(move |(from, safe)| {
        expr(from, below)
            .prop_map(move |operand| Expr::new(ExprKind::Cast { operand: boxed(operand), safe }, data_type))
    });
    choices.push(cast.boxed());
    choices.extend(own(data_type, below));
    prop::strategy::Union::new(choices).boxed()
}

/// The kinds of expression that only this type has.
fn own(data_type: DataType, below: u32) -> Vec<BoxedStrategy<Expr>> {
    match data_type {
        DataType::Boolean => booleans(below),
        DataType::String => texts(below),
        NUMBERS => arrays(below),
        NUMBERED => vec![
            call(Function::MapOf, &[DataType::Int, DataType::String], NUMBERED, below),
            call(Function::MapUnion, &[NUMBERED, NUMBERED], NUMBERED, below),
        ],
        DataType::Date | DataType::Time(_) | DataType::Timestamp(_) | DataType::TimestampLtz(_) => {
            times(data_type, below)
        }
        _ if data_type.is_numeric() => numbers(data_type, below),
        _ => Vec::new(),
    }
}

fn booleans(below: u32) -> Vec<BoxedStrategy<Expr>> {
    let kind = |kind: ExprKind| Expr::new(kind, DataType::Boolean);
    let pair = || any_type().prop_flat_map(move |data_type| (expr(data_type, below), expr(data_type, below)));
    let ops = vec![
        CompareOp::Equal,
        CompareOp::NotEqual,
        CompareOp::Less,
        CompareOp::LessOrEqual,
        CompareOp::Greater,
        CompareOp::GreaterOrEqual,
    ];
    let truths = || vec![expr(DataType::Boolean, below), expr(DataType::Boolean, below)];
    let like = (expr(DataType::String, below), expr(DataType::String, below), prop::option::of(Just('!')));
    vec![
        (prop::sample::select(ops), pair())
            .prop_map(move |(op, (a, b))| kind(ExprKind::Compare { op, left: boxed(a), right: boxed(b) }))
            .boxed(),
        pair()
            .prop_map(move |(a, b)| kind(ExprKind::NotDistinct { left: boxed(a), right: boxed(b), negated: true }))
            .boxed(),
        pair()
            .prop_map(move |(a, b)| kind(ExprKind::In { operand: boxed(a.clone()), list: vec![b, a], negated: false }))
            .boxed(),
        pair().prop_map(move |(a, _)| kind(ExprKind::IsNull { operand: boxed(a), negated: false })).boxed(),
        truths().prop_map(move |operands| kind(ExprKind::And(operands))).boxed(),
        truths().prop_map(move |operands| kind(ExprKind::Or(operands))).boxed(),
        expr(DataType::Boolean, below).prop_map(move |a| kind(ExprKind::Not(boxed(a)))).boxed(),
        like.prop_map(move |(a, b, escape)| {
            kind(ExprKind::Like { operand: boxed(a), pattern: boxed(b), escape, negated: false })
        })
        .boxed(),
        call(Function::Regexp, &[DataType::String, DataType::String], DataType::Boolean, below),
        call(Function::StartsWith, &[DataType::String, DataType::String], DataType::Boolean, below),
    ]
}

fn numbers(data_type: DataType, below: u32) -> Vec<BoxedStrategy<Expr>> {
    let ops = vec![
        ArithmeticOp::Add,
        ArithmeticOp::Subtract,
        ArithmeticOp::Multiply,
        ArithmeticOp::Divide,
        ArithmeticOp::Modulo,
    ];
    let operand = move || match data_type {
        // Decimal operands keep their own types.
        DataType::Decimal { .. } => prop::sample::select(&TYPES[7..9]).prop_flat_map(move |t| expr(t, below)).boxed(),
        _ => expr(data_type, below),
    };
    let mut choices = vec![
        (prop::sample::select(ops), operand(), operand())
            .prop_map(move |(op, a, b)| {
                Expr::new(ExprKind::Arithmetic { op, left: boxed(a), right: boxed(b) }, data_type)
            })
            .boxed(),
        expr(data_type, below).prop_map(move |a| Expr::new(ExprKind::Negate(boxed(a)), data_type)).boxed(),
    ];
    for function in [Function::Abs, Function::Sign, Function::Floor, Function::Ceil, Function::Round] {
        choices.push(call(function, &[data_type], data_type, below));
    }
    for function in [Function::Round, Function::Truncate] {
        choices.push(call(function, &[data_type, DataType::Int], data_type, below));
    }
    if data_type == DataType::Int {
        use Function as F;
        for function in [F::BitAnd, F::BitXor, F::GetBit, F::ShiftLeft, F::ShiftRight] {
            choices.push(call(function, &[DataType::Int, DataType::Int], data_type, below));
        }
        choices.push(call(F::Cardinality, &[NUMBERS], data_type, below));
        choices.push(call(F::RegexpCount, &[DataType::String, DataType::String], data_type, below));
        choices.push(call(F::Locate, &[DataType::String, DataType::String, DataType::Int], data_type, below));
        let (text, int) = (DataType::String, DataType::Int);
        choices.push(call(F::Instr, &[text, text, int, int], data_type, below));
    }
    if data_type == DataType::Double {
        use Function as F;
        choices.push(call(F::Item, &[NUMBERS, DataType::Int], data_type, below));
        choices.push(call(F::ArrayMax, &[NUMBERS], data_type, below));
        choices.push(call(F::Element, &[NUMBERS], data_type, below));
        for function in [F::Sqrt, F::Exp, F::Ln, F::Log2, F::Log10, F::Sin, F::Cot, F::Acos, F::Degrees] {
            choices.push(call(function, &[DataType::Double], data_type, below));
        }
        for function in [F::Power, F::Log, F::Atan2] {
            choices.push(call(function, &[DataType::Double, DataType::Double], data_type, below));
        }
    }
    if data_type == DataType::Int {
        choices.push(call(Function::CharLength, &[DataType::String], data_type, below));
        choices.push(call(Function::Position, &[DataType::String, DataType::String], data_type, below));
        for unit in UNITS {
            let times = [DataType::Timestamp(3), DataType::Date];
            choices.push(call(Function::TimestampDiff(unit), &times, data_type, below));
        }
    }
    if data_type == DataType::BigInt {
        for unit in UNITS.into_iter().chain([TimeUnit::Dow, TimeUnit::Doy]) {
            for time in [DataType::Timestamp(3), DataType::Date, DataType::Time(3)] {
                choices.push(call(Function::Extract(unit), &[time], data_type, below));
            }
        }
        choices.push(call(Function::UnixTimestamp, &[DataType::String, DataType::String], data_type, below));
    }
    choices
}

const UNITS: [TimeUnit; 9] = [
    TimeUnit::Millisecond,
    TimeUnit::Second,
    TimeUnit::Minute,
    TimeUnit::Hour,
    TimeUnit::Day,
    TimeUnit::Week,
    TimeUnit::Month,
    TimeUnit::Quarter,
    TimeUnit::Year,
];

fn arrays(below: u32) -> Vec<BoxedStrategy<Expr>> {
    use DataType::{Boolean, Double, Int};
    use Function as F;
    let signatures: &[(F, &[DataType])] = &[
        (F::ArrayOf, &[Double, Double]),
        (F::ArrayAppend, &[NUMBERS, Double]),
        (F::ArrayPrepend, &[NUMBERS, Double]),
        (F::ArrayRemove, &[NUMBERS, Double]),
        (F::ArrayConcat, &[NUMBERS, NUMBERS]),
        (F::ArrayUnion, &[NUMBERS, NUMBERS]),
        (F::ArrayExcept, &[NUMBERS, NUMBERS]),
        (F::ArrayIntersect, &[NUMBERS, NUMBERS]),
        (F::ArrayDistinct, &[NUMBERS]),
        (F::ArrayReverse, &[NUMBERS]),
        (F::ArraySlice, &[NUMBERS, Int]),
        (F::ArraySlice, &[NUMBERS, Int, Int]),
        (F::ArraySort, &[NUMBERS]),
        (F::ArraySort, &[NUMBERS, Boolean, Boolean]),
    ];
    signatures.iter().map(|(function, arguments)| call(*function, arguments, NUMBERS, below)).collect()
}

fn texts(below: u32) -> Vec<BoxedStrategy<Expr>> {
    use DataType::{BigInt, Int, String as S, Timestamp, TimestampLtz};
    use Function as F;
    let signatures: &[(F, &[DataType])] = &[
        (F::Upper, &[S]),
        (F::Lower, &[S]),
        (F::InitCap, &[S]),
        (F::Reverse, &[S]),
        (F::Trim, &[S, S]),
        (F::TrimLeading, &[S, S]),
        (F::TrimTrailing, &[S, S]),
        (F::Substring, &[S, Int]),
        (F::Substring, &[S, Int, Int]),
        (F::Concat, &[S, S]),
        (F::ConcatWs, &[S, S, S]),
        (F::Replace, &[S, S, S]),
        (F::Overlay, &[S, S, Int]),
        (F::Overlay, &[S, S, Int, Int]),
        (F::Repeat, &[S, Int]),
        (F::Left, &[S, Int]),
        (F::Right, &[S, Int]),
        (F::Lpad, &[S, Int, S]),
        (F::Rpad, &[S, Int, S]),
        (F::Chr, &[BigInt]),
        (F::Bin, &[BigInt]),
        (F::Hex, &[BigInt]),
        (F::Hex, &[S]),
        (F::SplitIndex, &[S, S, Int]),
        (F::RegexpExtract, &[S, S]),
        (F::RegexpExtract, &[S, S, Int]),
        (F::RegexpReplace, &[S, S, S]),
        (F::ToBase64, &[S]),
        (F::FromBase64, &[S]),
        (F::Md5, &[S]),
        (F::Sha256, &[S]),
        (F::JsonValue { on_empty: JsonMissing::Null, on_error: JsonMissing::Null }, &[S, S]),
        (
            F::JsonQuery { wrapper: Wrapper::Conditional, on_empty: JsonMissing::Null, on_error: JsonMissing::Null },
            &[S, S],
        ),
        (F::JsonString, &[Timestamp(3)]),
        (F::JsonObject { absent_on_null: true }, &[S, BigInt]),
        (F::RegexpSubstr, &[S, S]),
        (F::Translate, &[S, S, S]),
        (F::Printf, &[S, BigInt, S]),
        (F::ParseUrl, &[S, S]),
        (F::UrlDecode, &[S]),
        (F::Sha2, &[S, Int]),
        (F::Elt, &[BigInt, S, S]),
        (F::Item, &[NUMBERED, Int]),
        (F::ConvertTz, &[S, S, S]),
        (F::JsonString, &[NUMBERED]),
        (F::DateFormat, &[Timestamp(3), S]),
        (F::DateFormat, &[TimestampLtz(3), S]),
        (F::FromUnixtime, &[BigInt]),
        (F::FromUnixtime, &[BigInt, S]),
    ];
    signatures.iter().map(|(function, arguments)| call(*function, arguments, S, below)).collect()
}

fn times(data_type: DataType, below: u32) -> Vec<BoxedStrategy<Expr>> {
    let mut choices = Vec::new();
    for interval in [DataType::IntervalMonths, DataType::IntervalMillis] {
        let sum = (expr(data_type, below), expr(interval, below), any::<bool>());
        choices.push(
            sum.prop_map(move |(time, interval, negative)| {
                let kind = ExprKind::AddInterval { time: boxed(time), interval: boxed(interval), negative };
                Expr::new(kind, data_type)
            })
            .boxed(),
        );
    }
    for unit in UNITS {
        choices.push(call(Function::FloorTo(unit), &[data_type], data_type, below));
        choices.push(call(Function::CeilTo(unit), &[data_type], data_type, below));
        choices.push(call(Function::TimestampAdd(unit), &[DataType::Int, data_type], data_type, below));
    }
    let texts = [DataType::String, DataType::String];
    match data_type {
        DataType::Date => choices.push(call(Function::ToDate, &texts, data_type, below)),
        DataType::Timestamp(_) => choices.push(call(Function::ToTimestamp, &texts, data_type, below)),
        DataType::TimestampLtz(_) => {
            choices.push(call(Function::ToTimestampLtz, &[DataType::BigInt, DataType::Int], data_type, below));
        }
        _ => {}
    }
    choices.push(call(Function::CurrentTime, &[], data_type, below));
    choices
}

/// Whether a value is one of the type.
fn is_of(value: &Value, data_type: DataType) -> bool {
    match (value, data_type) {
        (Value::Null, _) => true,
        (Value::Int(number), DataType::TinyInt) => i8::try_from(*number).is_ok(),
        (Value::Int(number), DataType::SmallInt) => i16::try_from(*number).is_ok(),
        (Value::Int(number), DataType::Int | DataType::IntervalMonths) => i32::try_from(*number).is_ok(),
        (Value::Int(_), DataType::BigInt | DataType::IntervalMillis) => true,
        (Value::Double(number), DataType::Float) => number.is_nan() || f64::from(*number as f32) == *number,
        (Value::Decimal(number), DataType::Decimal { precision, scale }) => {
            DecimalType { precision, scale }.fit(number.unscaled()).is_some()
        }
        (Value::Time(millis), DataType::Time(_)) => (0..86_400_000).contains(millis),
        (Value::List(parts), DataType::Array(element)) => parts.iter().all(|part| is_of(part, *element)),
        (Value::List(parts), DataType::Map(entry)) => {
            parts.chunks(2).all(|pair| is_of(&pair[0], entry.key) && is_of(&pair[1], entry.value))
        }
        (Value::Boolean(_), DataType::Boolean)
        | (Value::Double(_), DataType::Double)
        | (Value::String(_), DataType::String)
        | (Value::Bytes(_), DataType::Bytes)
        | (Value::Date(_), DataType::Date)
        | (Value::Timestamp(_), DataType::Timestamp(_) | DataType::TimestampLtz(_)) => true,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_expression_gives_a_value_of_its_type_or_an_error(
        (data_type, expr) in any_type().prop_flat_map(|data_type| (Just(data_type), expr(data_type, 2))),
        row in row(),
        now_ms: i64,
        watermark: Option<i64>,
    ) {
        let program = Program::compile(&expr);
        let context = Context { now_ms, watermark };
        if let Ok(value) = program.eval(&row, &context) {
            prop_assert!(is_of(&value, data_type), "{value:?} is no {data_type}");
            if data_type == DataType::Boolean {
                let truth = program.eval_bool(&row, &context).ok();
                prop_assert_eq!(truth.flatten().map_or(Value::Null, Value::Boolean), value);
            }
        }
        // A row of other types is an error, or does not matter.
        let _ = program.eval(&[], &context);
    }
}
