//! Runs bound expressions: [`Program::compile`] once, then [`Program::eval`] for each row.
//!
//! Holds always: the answers are Flink's; the same row in the same [`Context`] gives the same answer; no input makes it
//! panic. Nothing is looked up by name and nothing is allocated while rows flow, except text that a function makes.
//! Knows nothing of operators, windows or state.
//!
//! An expression becomes a tree of closures, each of one Rust type (`typed.rs`), so that a node costs one indirect
//! call and no test of its operands' types. Text made by functions is limited to [`TEXT_MAX_BYTES`].
//!
//! Where it differs from Flink, on purpose: times before 1970 are right (Flink's EXTRACT and CAST to DATE are not), a
//! timestamp beyond ±292,000 years is an error instead of another time, and what `regex.rs` says of patterns.

mod arithmetic;
mod bits;
mod bytes;
mod cast;
mod compile;
mod date_pattern;
mod date_reading;
mod encodings;
mod java_regex;
mod json;
mod json_path;
mod json_text;
mod like;
mod lists;
mod maps;
mod nested;
mod numbers;
pub mod order;
mod parse;
mod printf;
mod regex;
mod regexps;
mod text;
mod texts;
mod time;
mod typed;
mod values;
mod zones;

use crate::model::{Millis, Value};
use crate::plan::Expr;
use compile::Root;
use typed::Env;

/// Longest text that a function may make, in bytes: REPEAT and REPLACE must not eat the gateway's memory.
pub const TEXT_MAX_BYTES: usize = 4 << 20;

/// What an expression may know besides its row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The tick's `now`.
    pub now_ms: Millis,
    /// The watermark of the operator's input; `None` while there is none.
    pub watermark: Option<Millis>,
}

/// Why an expression has no answer for a row. Boxed, so that results stay small.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct EvalError(Box<Reason>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("division by zero in {0}")]
    DivisionByZero(&'static str),
    #[error("cannot cast {value} to {to}")]
    Cast { value: String, to: String },
    #[error("{function} makes a text longer than {TEXT_MAX_BYTES} bytes")]
    TooLong { function: &'static str },
    #[error("{function} makes an array of more than {most} elements")]
    TooMany { function: &'static str, most: usize },
    #[error("{function} cannot take {value}: {why}")]
    Argument { function: &'static str, value: String, why: String },
    #[error("{0} gives a time that is out of range")]
    TimeRange(&'static str),
    #[error("column {0} of the row is missing or is not of its declared type")]
    Row(usize),
    #[error("{0}")]
    Unsupported(String),
}

impl EvalError {
    /// For what an operator finds wrong with a row.
    pub fn new(why: &str) -> EvalError {
        Reason::Unsupported(why.to_owned()).into()
    }
}

impl From<Reason> for EvalError {
    fn from(reason: Reason) -> EvalError {
        EvalError(Box::new(reason))
    }
}

/// A value as an error shows it: quoted, and cut so that a message stays a line.
fn excerpt(text: &str) -> String {
    const SHOWN_MAX_CHARS: usize = 60;
    match text.char_indices().nth(SHOWN_MAX_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// An expression, ready to run.
pub struct Program {
    root: Root,
    /// What the closures borrow their literals from.
    literals: Vec<Value>,
}

impl Program {
    pub fn compile(expr: &Expr) -> Program {
        let mut literals = Vec::new();
        let root = compile::root(expr, &mut literals);
        Program { root, literals }
    }

    pub fn eval(&self, row: &[Value], context: &Context) -> Result<Value, EvalError> {
        self.root.value(&Env { row, context, literals: &self.literals })
    }

    /// For an expression of type BOOLEAN; `None` is UNKNOWN.
    pub fn eval_bool(&self, row: &[Value], context: &Context) -> Result<Option<bool>, EvalError> {
        self.root.boolean(&Env { row, context, literals: &self.literals })
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("literals", &self.literals).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
