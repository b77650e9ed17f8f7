//! The arguments of PERCENTILE and APPROX_PERCENTILE: fractions that are constants, and how often a value counts.

use super::expr::{Bound, ExprBinder, call};
use crate::model::{DataType, Value};
use crate::plan::{AggregateFunction, ArithmeticOp, Expr, ExprKind, Function};
use crate::sql::ast::{self, ExprKind as Written};
use crate::sql::span::{Problem, Span};

impl ExprBinder<'_> {
    /// The fraction, or several in an ARRAY, which only PERCENTILE takes.
    pub(super) fn fractions(&mut self, function: AggregateFunction, written: &ast::Expr) -> Bound<Value> {
        match &written.kind {
            Written::Array(parts) if function == AggregateFunction::Percentile && !parts.is_empty() => {
                let fractions: Vec<Bound<Value>> = parts.iter().map(|part| self.fraction(function, part)).collect();
                Ok(Value::List(fractions.into_iter().collect::<Bound<Vec<Value>>>()?.into()))
            }
            _ => self.fraction(function, written),
        }
    }

    fn fraction(&mut self, function: AggregateFunction, written: &ast::Expr) -> Bound<Value> {
        let Some(fraction) = constant(&self.bind(written)?) else {
            let name = match function {
                AggregateFunction::Percentile => "PERCENTILE",
                _ => "APPROX_PERCENTILE",
            };
            let problem = Problem::new(written.span, "the fraction of a percentile is a constant number");
            return self.fail(problem.help(format!("{name}(x, 0.99)")));
        };
        if !(0.0..=1.0).contains(&fraction) {
            return self.fail(Problem::new(written.span, "the fraction of a percentile lies between 0 and 1"));
        }
        Ok(Value::Double(fraction))
    }

    /// PERCENTILE(value, fraction, frequency) is taken of rows of the value and how often it counts.
    pub(super) fn weighted(&mut self, parts: [&ast::Expr; 2], span: Span) -> Bound {
        let [number, frequency] = parts.map(|part| self.bind(part));
        let (number, frequency) = (number?, frequency?);
        if !number.data_type.is_numeric() {
            return self.fail(Problem::new(span, format!("PERCENTILE cannot be taken of {}", number.data_type)));
        }
        if !frequency.data_type.is_integer() {
            let message = format!("how often PERCENTILE counts a value is a whole number, not {}", frequency.data_type);
            return self.fail(Problem::new(parts[1].span, message));
        }
        let data_type = DataType::row_of([("value", number.data_type), ("frequency", frequency.data_type)]);
        Ok(call(Function::RowOf, vec![number, frequency], data_type))
    }
}

/// The number that a constant expression has, DECIMALs rounded to their digits.
fn constant(expr: &Expr) -> Option<f64> {
    let number = match &expr.kind {
        ExprKind::Literal(Value::Decimal(number)) => match expr.data_type {
            DataType::Decimal { scale, .. } => number.unscaled() as f64 / 10f64.powi(i32::from(scale)),
            _ => return None,
        },
        ExprKind::Literal(Value::Int(number)) if expr.data_type.is_integer() => *number as f64,
        ExprKind::Literal(Value::Double(number)) => *number,
        ExprKind::Negate(operand) => -constant(operand)?,
        ExprKind::Cast { operand, .. } if expr.data_type.is_numeric() => match &operand.kind {
            ExprKind::Literal(Value::String(text)) => text.trim().parse().ok()?,
            _ => constant(operand)?,
        },
        ExprKind::Arithmetic { op, left, right } => {
            let (left, right) = (constant(left)?, constant(right)?);
            match op {
                ArithmeticOp::Add => left + right,
                ArithmeticOp::Subtract => left - right,
                ArithmeticOp::Multiply => left * right,
                ArithmeticOp::Divide => left / right,
                ArithmeticOp::Modulo => left % right,
            }
        }
        _ => return None,
    };
    let number = match expr.data_type {
        DataType::Decimal { scale, .. } => {
            let unit = 10f64.powi(i32::from(scale));
            (number * unit).round() / unit
        }
        data_type if data_type.is_integer() => number.trunc(),
        _ => number,
    };
    Some(number).filter(|number| number.is_finite())
}
