//! The columns of a source that are computed from those that come in, before anything else looks at the row: so one of them
//! may be the event time.

use super::eval::{Context, EvalError, Program};
use crate::model::{Millis, Row, Value};
use crate::plan::Expr;

pub struct Computed(Vec<Option<Program>>);

impl Computed {
    /// `None`: there are none.
    pub fn new(columns: &[Option<Expr>]) -> Option<Computed> {
        let any = columns.iter().any(Option::is_some);
        any.then(|| Computed(columns.iter().map(|expr| expr.as_ref().map(Program::compile)).collect()))
    }

    /// The whole row, with NULL where a column failed, and why the first of them did.
    pub fn complete(&self, given: &[Value], now_ms: Millis) -> (Row, Option<EvalError>) {
        let context = Context { now_ms, watermark: None };
        let (mut values, mut failed) = (given.iter(), None);
        let one = |computed: &Option<Program>| match computed {
            None => values.next().cloned().unwrap_or(Value::Null),
            Some(program) => program.eval(given, &context).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                Value::Null
            }),
        };
        let row = self.0.iter().map(one).collect();
        (row, failed)
    }
}
