//! Functions over finished [`Value`]s, whatever their types: those whose argument or result is nested, and those too
//! rare in hot queries to have closures of their own. An argument costs a clone here, and never a copy of a text.

use super::compile::{Compiler, Root};
use super::typed::{Env, Eval, Kind, eval};
use super::{EvalError, Reason, bits, encodings, json, lists, maps, regexps, texts, zones};
use crate::model::Value;
use crate::plan::{Expr, Function};

pub type Outcome = Result<Value, EvalError>;
pub type Closure = Box<dyn Fn(&[Value]) -> Outcome + Send + Sync>;

/// What to call with the arguments.
pub enum Body {
    /// A NULL among the arguments makes it NULL.
    Strict(fn(&[Value]) -> Outcome),
    /// It looks at NULLs itself.
    Nullable(fn(&[Value]) -> Outcome),
    /// As `Strict`, with something that was made of constant arguments or of the types.
    Prepared(Closure),
    /// As `Nullable`, with something that was made of the types.
    PreparedNullable(Closure),
}

/// The function's body, if it is one of those over values.
fn body(function: Function, arguments: &[Expr], expr: &Expr) -> Option<Body> {
    if function == Function::OnlyValue {
        return Some(Body::Nullable(only_value));
    }
    lists::body(function, arguments)
        .or_else(|| maps::body(function))
        .or_else(|| texts::body(function, arguments))
        .or_else(|| bits::body(function, arguments))
        .or_else(|| encodings::body(function))
        .or_else(|| regexps::body(function, arguments))
        .or_else(|| json::body(function, arguments, expr))
        .or_else(|| zones::body(function))
}

/// The call as a closure of the type it is wanted in. `None`: the function has closures of its own.
pub fn call<K: Kind>(
    compiler: &mut Compiler<'_>,
    function: Function,
    arguments: &[Expr],
    expr: &Expr,
) -> Option<Eval<K>> {
    let body = body(function, arguments, expr)?;
    let arguments: Vec<Root> = arguments.iter().map(|argument| compiler.root(argument)).collect();
    let strict = matches!(body, Body::Strict(_) | Body::Prepared(_));
    let run = move |values: &[Value]| match &body {
        Body::Strict(run) | Body::Nullable(run) => run(values),
        Body::Prepared(run) | Body::PreparedNullable(run) => run(values),
    };
    Some(eval::<K, _>(move |env: &Env<'_>| {
        let values = arguments.iter().map(|argument| argument.value(env)).collect::<Result<Vec<Value>, _>>()?;
        if strict && values.iter().any(Value::is_null) {
            return Ok(None);
        }
        K::read(&run(&values)?)
            .ok_or_else(|| Reason::Unsupported(format!("{function:?} gave a value of another type")).into())
    }))
}

/// A subquery's value beside the number of its rows.
fn only_value(arguments: &[Value]) -> Outcome {
    match arguments {
        [Value::Int(2..), _] => Err(EvalError::new("a subquery as a value has more than one row")),
        [_, value] => Ok(value.clone()),
        _ => Err(mistyped()),
    }
}

/// An argument that is not of its declared type: the binder never makes it, but a row may hold anything.
pub fn mistyped() -> EvalError {
    Reason::Unsupported("an argument is not of its declared type".to_owned()).into()
}

pub fn text(value: &Value) -> Result<&str, EvalError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(mistyped()),
    }
}

pub fn int(value: &Value) -> Result<i64, EvalError> {
    match value {
        Value::Int(number) => Ok(*number),
        _ => Err(mistyped()),
    }
}

pub fn bytes(value: &Value) -> Result<&[u8], EvalError> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        Value::String(text) => Ok(text.as_bytes()),
        _ => Err(mistyped()),
    }
}

pub fn parts(value: &Value) -> Result<&[Value], EvalError> {
    match value {
        Value::List(parts) => Ok(parts),
        _ => Err(mistyped()),
    }
}

pub fn list(parts: Vec<Value>) -> Outcome {
    Ok(Value::List(parts.into()))
}

pub fn string(text: impl AsRef<str>) -> Outcome {
    Ok(Value::string(text.as_ref()))
}
