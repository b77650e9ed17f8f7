//! The closures that expressions compile to, one family per Rust type.

use std::sync::Arc;

use super::{Context, EvalError, Reason};
use crate::model::Value;

/// What a closure may look at.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub row: &'a [Value],
    pub context: &'a Context,
    pub literals: &'a [Value],
}

/// The Rust type that values of a family of SQL types have inside expressions.
pub trait Kind: Sized + 'static {
    /// `None` if the value is of another family.
    fn read(value: &Value) -> Option<Option<Self>>;
}

pub type Answer<T> = Result<Option<T>, EvalError>;
pub type Eval<K> = Box<dyn Fn(&Env<'_>) -> Answer<K> + Send + Sync>;

/// Boxes a closure; its place in a call is what gives the closure its lifetimes.
pub fn eval<K: Kind, F>(closure: F) -> Eval<K>
where
    F: Fn(&Env<'_>) -> Answer<K> + Send + Sync + 'static,
{
    Box::new(closure)
}

/// BOOLEAN.
pub type Bool = bool;
/// Integers, intervals, DATE (days), TIME (milliseconds), TIMESTAMP (microseconds).
pub type Int = i64;
/// FLOAT (rounded to it) and DOUBLE.
pub type Double = f64;
/// DECIMAL's unscaled number.
pub type Dec = i128;
pub type Str = Text;
pub type Blob = Arc<[u8]>;
/// ARRAY, MAP, ROW.
pub type List = Arc<[Value]>;

impl Kind for Bool {
    fn read(value: &Value) -> Option<Option<bool>> {
        match value {
            Value::Boolean(truth) => Some(Some(*truth)),
            Value::Null => Some(None),
            _ => None,
        }
    }
}

impl Kind for Int {
    fn read(value: &Value) -> Option<Option<i64>> {
        match value {
            Value::Int(number) | Value::Timestamp(number) => Some(Some(*number)),
            Value::Date(number) | Value::Time(number) => Some(Some(i64::from(*number))),
            Value::Null => Some(None),
            _ => None,
        }
    }
}

impl Kind for Double {
    fn read(value: &Value) -> Option<Option<f64>> {
        match value {
            Value::Double(number) => Some(Some(*number)),
            Value::Null => Some(None),
            _ => None,
        }
    }
}

impl Kind for Dec {
    fn read(value: &Value) -> Option<Option<i128>> {
        match value {
            Value::Decimal(number) => Some(Some(number.unscaled())),
            Value::Null => Some(None),
            _ => None,
        }
    }
}

impl Kind for Str {
    fn read(value: &Value) -> Option<Option<Text>> {
        match value {
            Value::String(text) => Some(Some(Text::Shared(Arc::clone(text)))),
            Value::Null => Some(None),
            _ => None,
        }
    }
}

impl Kind for Blob {
    fn read(value: &Value) -> Option<Option<Arc<[u8]>>> {
        match value {
            Value::Bytes(bytes) => Some(Some(Arc::clone(bytes))),
            Value::Null => Some(None),
            _ => None,
        }
    }
}

impl Kind for List {
    fn read(value: &Value) -> Option<Option<List>> {
        match value {
            Value::List(parts) => Some(Some(Arc::clone(parts))),
            Value::Null => Some(None),
            _ => None,
        }
    }
}

/// Text on its way through an expression: shared as long as no function makes a new one.
#[derive(Debug)]
pub enum Text {
    /// A column's or literal's, which becomes a value without a copy.
    Shared(Arc<str>),
    Fixed(&'static str),
    Made(String),
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Shared(text) => text,
            Text::Fixed(text) => text,
            Text::Made(text) => text,
        }
    }
}

impl Text {
    pub fn into_value(self) -> Value {
        Value::String(match self {
            Text::Shared(text) => text,
            Text::Fixed(text) => Arc::from(text),
            Text::Made(text) => Arc::from(text),
        })
    }

    /// The bytes from `start` to `end` of it.
    pub fn slice(self, start: usize, end: usize) -> Text {
        match self {
            whole if start == 0 && end == whole.len() => whole,
            Text::Shared(text) => Text::Made(text[start..end].to_owned()),
            Text::Fixed(text) => Text::Fixed(&text[start..end]),
            Text::Made(mut text) => {
                text.truncate(end);
                text.drain(..start);
                Text::Made(text)
            }
        }
    }
}

pub fn column<K: Kind>(index: usize) -> Eval<K> {
    eval::<K, _>(move |env| env.row.get(index).and_then(K::read).ok_or_else(|| Reason::Row(index).into()))
}

pub fn literal<K: Kind>(index: usize) -> Eval<K> {
    eval::<K, _>(move |env| env.literals.get(index).and_then(K::read).ok_or_else(|| Reason::Row(index).into()))
}

pub fn null<K: Kind>() -> Eval<K> {
    eval::<K, _>(|_| Ok(None))
}

/// An expression that fails for every row, with the same reason.
pub fn failing<K: Kind>(reason: Reason) -> Eval<K> {
    eval::<K, _>(move |_| Err(reason.clone().into()))
}

/// NULL in, NULL out; else `f`, which may fail or give NULL.
pub fn unary<A: Kind, K: Kind>(operand: Eval<A>, f: impl Fn(A) -> Answer<K> + Send + Sync + 'static) -> Eval<K> {
    eval::<K, _>(move |env| match operand(env)? {
        Some(operand) => f(operand),
        None => Ok(None),
    })
}

/// The same for two operands. Both are evaluated, the left one first.
pub fn binary<A: Kind, B: Kind, K: Kind>(
    left: Eval<A>,
    right: Eval<B>,
    f: impl Fn(A, B) -> Answer<K> + Send + Sync + 'static,
) -> Eval<K> {
    eval::<K, _>(move |env| match (left(env)?, right(env)?) {
        (Some(left), Some(right)) => f(left, right),
        _ => Ok(None),
    })
}

pub fn ternary<A: Kind, B: Kind, C: Kind, K: Kind>(
    first: Eval<A>,
    second: Eval<B>,
    third: Eval<C>,
    f: impl Fn(A, B, C) -> Answer<K> + Send + Sync + 'static,
) -> Eval<K> {
    eval::<K, _>(move |env| match (first(env)?, second(env)?, third(env)?) {
        (Some(first), Some(second), Some(third)) => f(first, second, third),
        _ => Ok(None),
    })
}
