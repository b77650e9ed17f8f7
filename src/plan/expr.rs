//! Bound, typed scalar expressions.

use crate::model::{DataType, Value};

/// An expression with Flink's type for its result. NULL in, NULL out, unless its kind says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub data_type: DataType,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    Literal(Value),
    /// A column of the operator's input.
    Column(usize),
    /// Numbers. Integer, FLOAT and DOUBLE operands have the expression's own type. DECIMAL: both operands are DECIMAL
    /// (integers were cast), each with its own precision and scale; the result's type follows Flink's rules.
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Negate(Box<Expr>),
    /// DATE, TIME or TIMESTAMP plus an interval (left is the time); the result has the time's type.
    AddInterval {
        time: Box<Expr>,
        interval: Box<Expr>,
        negative: bool,
    },
    /// Both operands have the same type; decimals may differ in precision and scale.
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// IS NOT DISTINCT FROM; `negated`: IS DISTINCT FROM. Never NULL. Operand types as in `Compare`.
    NotDistinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    /// Three-valued; two or more operands.
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// IS NULL; `negated`: IS NOT NULL. Never NULL. IS UNKNOWN is IS NULL of a boolean.
    IsNull {
        operand: Box<Expr>,
        negated: bool,
    },
    /// IS [NOT] TRUE, IS [NOT] FALSE. Never NULL.
    IsBoolean {
        operand: Box<Expr>,
        expected: bool,
        negated: bool,
    },
    /// Searched CASE (a simple one is bound to comparisons). All results have the expression's type; without ELSE a NULL literal stands.
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Box<Expr>,
    },
    Coalesce(Vec<Expr>),
    /// Three-valued; all of the list have the operand's type. `negated`: NOT IN.
    In {
        operand: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    /// `pattern` is constant in almost all queries; compile it once then. `escape` is one character.
    Like {
        operand: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<char>,
        negated: bool,
    },
    /// To the expression's type. `safe` is TRY_CAST: NULL where CAST fails.
    Cast {
        operand: Box<Expr>,
        safe: bool,
    },
    /// The arguments have the types the function documents.
    Call {
        function: Function,
        arguments: Vec<Expr>,
    },
}

impl Expr {
    pub fn new(kind: ExprKind, data_type: DataType) -> Expr {
        Expr { kind, data_type }
    }

    pub fn column(index: usize, data_type: DataType) -> Expr {
        Expr::new(ExprKind::Column(index), data_type)
    }

    pub fn literal(value: Value, data_type: DataType) -> Expr {
        Expr::new(ExprKind::Literal(value), data_type)
    }

    /// The expressions right below this one, in the order of their evaluation.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Column(_) => Vec::new(),
            ExprKind::Negate(operand)
            | ExprKind::Not(operand)
            | ExprKind::IsNull { operand, .. }
            | ExprKind::IsBoolean { operand, .. }
            | ExprKind::Cast { operand, .. } => vec![operand],
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::NotDistinct { left, right, .. }
            | ExprKind::AddInterval { time: left, interval: right, .. }
            | ExprKind::Like { operand: left, pattern: right, .. } => vec![left, right],
            ExprKind::And(operands) | ExprKind::Or(operands) | ExprKind::Coalesce(operands) => {
                operands.iter().collect()
            }
            ExprKind::Call { arguments, .. } => arguments.iter().collect(),
            ExprKind::Case { branches, otherwise } => {
                branches.iter().flat_map(|(condition, result)| [condition, result]).chain([&**otherwise]).collect()
            }
            ExprKind::In { operand, list, .. } => [&**operand].into_iter().chain(list).collect(),
        }
    }

    /// [`Expr::children`], to change them in place.
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match &mut self.kind {
            ExprKind::Literal(_) | ExprKind::Column(_) => Vec::new(),
            ExprKind::Negate(operand)
            | ExprKind::Not(operand)
            | ExprKind::IsNull { operand, .. }
            | ExprKind::IsBoolean { operand, .. }
            | ExprKind::Cast { operand, .. } => vec![operand],
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::NotDistinct { left, right, .. }
            | ExprKind::AddInterval { time: left, interval: right, .. }
            | ExprKind::Like { operand: left, pattern: right, .. } => vec![left, right],
            ExprKind::And(operands) | ExprKind::Or(operands) | ExprKind::Coalesce(operands) => {
                operands.iter_mut().collect()
            }
            ExprKind::Call { arguments, .. } => arguments.iter_mut().collect(),
            ExprKind::Case { branches, otherwise } => branches
                .iter_mut()
                .flat_map(|(condition, result)| [condition, result])
                .chain([&mut **otherwise])
                .collect(),
            ExprKind::In { operand, list, .. } => [&mut **operand].into_iter().chain(list).collect(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// `%` and MOD: the sign of the dividend.
    Modulo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl CompareOp {
    /// What holds where this does not.
    pub fn opposite(self) -> CompareOp {
        match self {
            CompareOp::Equal => CompareOp::NotEqual,
            CompareOp::NotEqual => CompareOp::Equal,
            CompareOp::Less => CompareOp::GreaterOrEqual,
            CompareOp::LessOrEqual => CompareOp::Greater,
            CompareOp::Greater => CompareOp::LessOrEqual,
            CompareOp::GreaterOrEqual => CompareOp::Less,
        }
    }
}

/// For EXTRACT, FLOOR TO, CEIL TO, TIMESTAMPADD, TIMESTAMPDIFF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Of the second (EXTRACT only).
    Nanosecond,
    /// Of the second (EXTRACT only).
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    /// Day of the week, Sunday = 1 (EXTRACT only).
    Dow,
    /// Day of the year (EXTRACT only).
    Doy,
    Decade,
    Century,
    Millennium,
    /// Seconds since 1970 (EXTRACT only).
    Epoch,
    /// Day of the week, Monday = 1 (EXTRACT only).
    Isodow,
    /// The year that the ISO week belongs to (EXTRACT only).
    Isoyear,
}

/// What JSON_VALUE and JSON_QUERY give instead of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonMissing {
    Null,
    Error,
    /// The argument with this number.
    Default(usize),
    EmptyArray,
    EmptyObject,
}

/// What JSON_EXISTS gives where the text or the path is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonOnError {
    True,
    False,
    Unknown,
    Error,
}

/// Whether JSON_QUERY puts what it found into an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapper {
    Without,
    /// Unless it is an array.
    Conditional,
    Always,
}

/// IS JSON …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    Value,
    Object,
    Array,
    Scalar,
}

/// Flink's built-in scalar functions. Argument types are what the binder leaves after coercion; `S` text, `I` INT,
/// `L` BIGINT, `D` DOUBLE, `N` any number (its own type), `T` TIMESTAMP or TIMESTAMP_LTZ, `X` any one type.
/// <https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/functions/systemfunctions/>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    // numbers
    Abs,      // N -> N
    Sign,     // N -> N
    Floor,    // N -> N (DECIMAL: scale 0)
    Ceil,     // N -> N
    Round,    // N [, I] -> N
    Truncate, // N [, I] -> N
    Power,    // D, D -> D
    Sqrt,     // D -> D
    Exp,      // D -> D
    Ln,       // D -> D
    Log10,    // D -> D
    Log2,     // D -> D
    Log,      // D [, D] -> D (LOG(x) natural, LOG(base, x))
    Sin,
    Cos,
    Tan,
    Cot,
    Asin,
    Acos,
    Atan,
    Atan2,
    Sinh,
    Cosh,
    Tanh,
    Degrees,
    Radians,
    Pi,
    E,
    Greatest, // X... -> X, NULL if any is
    Least,    // X... -> X
    Bin,      // L -> S
    Hex,      // L or S -> S
    // text
    Upper,
    Lower,
    CharLength,   // S -> I
    Trim,         // S, S (characters): both ends
    TrimLeading,  // S, S
    TrimTrailing, // S, S
    Substring,    // S, I [, I]
    Concat,       // S... (also ||): NULL with a NULL
    ConcatWs,     // S, S...: skips NULLs after the separator
    Position,     // S (needle), S (haystack) -> I
    Replace,      // S, S, S
    Overlay,      // S, S, I [, I]
    Reverse,
    Repeat, // S, I
    Left,   // S or BYTES, I
    Right,  // S, I
    Lpad,   // S, I, S
    Rpad,   // S, I, S; BYTES, I, BYTES
    InitCap,
    Ascii,         // S -> I
    Chr,           // L -> S
    SplitIndex,    // S, S, I
    RegexpExtract, // S, S [, I]
    RegexpReplace, // S, S, S
    Regexp,        // S, S -> BOOLEAN
    ToBase64,
    FromBase64,
    Md5,
    Sha256,
    StartsWith, // S, S -> BOOLEAN
    EndsWith,   // S, S -> BOOLEAN
    // time
    Extract(TimeUnit),       // T, DATE or TIME -> L
    FloorTo(TimeUnit),       // T or DATE -> its type
    CeilTo(TimeUnit),        // T or DATE -> its type
    TimestampAdd(TimeUnit),  // I or L, T, DATE or TIME -> its type
    TimestampDiff(TimeUnit), // from, to -> I
    Elapsed,                 // to, from -> an interval
    DateFormat,              // T, S (Java pattern) -> S
    ToTimestamp,             // S [, S] -> TIMESTAMP(3)
    ToTimestampLtz,          // L, I (0: s, 3: ms) -> TIMESTAMP_LTZ(3)
    TextToTimestampLtz,      // S [, S (pattern) [, S (zone)]] -> TIMESTAMP_LTZ(3)
    UnixTimestamp,           // [S [, S]] -> L; without argument: now
    FromUnixtime,            // L [, S] -> S
    ToDate,                  // S [, S] -> DATE
    /// The tick's `now`: CURRENT_TIMESTAMP, NOW() as TIMESTAMP_LTZ(3); LOCALTIMESTAMP as TIMESTAMP(3); CURRENT_DATE; CURRENT_TIME.
    CurrentTime, // by the expression's type
    /// The watermark of the operator's input as the argument's type, NULL while there is none.
    CurrentWatermark,
    /// L (how many rows there are), X -> X, an error if there are several.
    OnlyValue,
    // JSON
    /// S, S (path) [, what stands after DEFAULT …] -> S, BOOLEAN, I or D
    JsonValue {
        on_empty: JsonMissing,
        on_error: JsonMissing,
    },
    /// S, S (path) -> S or ARRAY<S>
    JsonQuery {
        wrapper: Wrapper,
        on_empty: JsonMissing,
        on_error: JsonMissing,
    },
    JsonExists(JsonOnError), // S, S (path) -> BOOLEAN
    IsJson(JsonKind),        // S -> BOOLEAN, never NULL
    /// S, any, S, any … -> S; arguments that are JSON calls themselves are not quoted.
    JsonObject {
        absent_on_null: bool,
    },
    JsonArray {
        absent_on_null: bool,
    }, // any... -> S
    JsonString, // any -> S
    JsonQuote,  // S -> S
    JsonUnquote,
    JsonRaw, // S -> S: JSON(text) inside of JSON_OBJECT and JSON_ARRAY
    // arrays, maps, rows
    ArrayOf,      // X... -> ARRAY<X>
    MapOf,        // K, V, K, V... -> MAP<K, V>
    RowOf,        // any... -> ROW
    Field(usize), // ROW -> the field's type
    Item,         // ARRAY<X>, I -> X; MAP<K, V>, K -> V
    Cardinality,  // ARRAY or MAP -> I
    Element,      // ARRAY<X> -> X
    ArrayAppend,  // ARRAY<X>, X -> ARRAY<X>
    ArrayPrepend,
    ArrayRemove,
    ArrayConcat,   // ARRAY<X>... -> ARRAY<X>
    ArrayContains, // ARRAY<X>, X -> BOOLEAN
    ArrayPosition, // ARRAY<X>, X -> I
    ArrayDistinct, // ARRAY<X> -> ARRAY<X>
    ArrayUnion,    // ARRAY<X>, ARRAY<X> -> ARRAY<X>
    ArrayExcept,
    ArrayIntersect,
    ArrayReverse,
    ArraySlice, // ARRAY<X>, I [, I] -> ARRAY<X>
    ArraySort,  // ARRAY<X> [, BOOLEAN [, BOOLEAN]] -> ARRAY<X>
    ArrayMax,   // ARRAY<X> -> X
    ArrayMin,
    ArrayJoin,        // ARRAY<S>, S [, S] -> S
    MapKeys,          // MAP<K, V> -> ARRAY<K>
    MapValues,        // MAP<K, V> -> ARRAY<V>
    MapEntries,       // MAP<K, V> -> ARRAY<ROW<key K, value V>>
    MapFromArrays,    // ARRAY<K>, ARRAY<V> -> MAP<K, V>
    MapUnion,         // MAP<K, V>... -> MAP<K, V>
    StrToMap,         // S [, S, S] -> MAP<S, S>
    Split,            // S, S -> ARRAY<S>
    RegexpExtractAll, // S, S [, I] -> ARRAY<S>
    // texts and bytes
    RegexpCount,  // S, S -> I
    RegexpInstr,  // S, S -> I
    RegexpSubstr, // S, S -> S
    Similar,      // S, S [, S (one character)] -> BOOLEAN
    Locate,       // S (part), S, I (from) -> I
    Instr,        // S, S (part), I (from), I (which one) -> I
    Translate,    // S, S, S -> S
    Printf,       // S, any... -> S
    Elt,          // I, X... -> X
    IsAlpha,      // S -> BOOLEAN
    IsDecimal,
    IsDigit,
    Sha1,
    Sha224,
    Sha384,
    Sha512,
    Sha2,   // S, I -> S
    Encode, // S, S -> BYTES
    Decode, // BYTES, S -> S
    Unhex,  // S -> BYTES
    UrlEncode,
    UrlDecode,
    ParseUrl,  // S, S [, S] -> S
    InetAton,  // S -> L
    InetNtoa,  // L -> S
    ConvertTz, // S, S, S -> S
    // bits, which Flink has not
    BitAnd, // N, N -> N
    BitOr,
    BitXor,
    BitNot,     // N -> N
    BitCount,   // N -> I
    GetBit,     // N, I -> I
    ShiftLeft,  // N, I -> N
    ShiftRight, // N, I -> N
}
