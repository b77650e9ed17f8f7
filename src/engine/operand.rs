//! An expression as an operator uses it: a bare column, which most are, is read in place instead of copied.

use super::eval::{Context, EvalError, Program};
use crate::model::Value;
use crate::plan::{Expr, ExprKind};

pub enum Operand {
    Column(usize),
    Computed { program: Program, value: Value },
}

static NULL: Value = Value::Null;

impl Operand {
    pub fn new(expr: &Expr) -> Operand {
        match expr.kind {
            ExprKind::Column(column) => Operand::Column(column),
            _ => Operand::Computed { program: Program::compile(expr), value: Value::Null },
        }
    }

    /// Computes the value for a row; then [`value`](Self::value) has it.
    pub fn prepare(&mut self, row: &[Value], context: &Context) -> Result<(), EvalError> {
        if let Operand::Computed { program, value } = self {
            *value = program.eval(row, context)?;
        }
        Ok(())
    }

    pub fn value<'a>(&'a self, row: &'a [Value]) -> &'a Value {
        match self {
            Operand::Column(column) => row.get(*column).unwrap_or(&NULL),
            Operand::Computed { value, .. } => value,
        }
    }

    pub fn eval(&self, row: &[Value], context: &Context) -> Result<Value, EvalError> {
        match self {
            Operand::Column(_) => Ok(self.value(row).clone()),
            Operand::Computed { program, .. } => program.eval(row, context),
        }
    }
}
