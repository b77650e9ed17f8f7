//! Runs bound expressions: [`Program::compile`] once, then [`Program::eval`] for each row.
//!
//! Holds always: the answers are Flink's; the same row in the same [`Context`] gives the same answer; no input makes it
//! panic. Nothing is looked up by name and nothing is allocated while rows flow, except text that a function makes.
//! Knows nothing of operators, windows or state.

use crate::model::{Millis, Value};
use crate::plan::Expr;

/// What an expression may know besides its row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The tick's `now`.
    pub now_ms: Millis,
    /// The watermark of the operator's input; `None` while there is none.
    pub watermark: Option<Millis>,
}

/// Why an expression has no answer for a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(Box<String>);

/// An expression, ready to run.
pub struct Program {}

impl Program {
    pub fn compile(_expr: &Expr) -> Program {
        unimplemented!()
    }

    pub fn eval(&self, _row: &[Value], _context: &Context) -> Result<Value, EvalError> {
        unimplemented!()
    }

    /// For an expression of type BOOLEAN; `None` is UNKNOWN.
    pub fn eval_bool(&self, _row: &[Value], _context: &Context) -> Result<Option<bool>, EvalError> {
        unimplemented!()
    }
}
