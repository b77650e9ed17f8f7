//! UNNEST: a row once for each element of its list. Nothing is kept of the rows.

use super::RowError;
use super::eval::{Context, Program};
use super::operand::Operand;
use crate::model::{Row, Value};
use crate::plan::Expr;

pub struct Unnest {
    list: Operand,
    fields: Option<usize>,
    numbered: bool,
    outer: bool,
    condition: Option<Program>,
}

impl Unnest {
    pub fn new(list: &Expr, fields: Option<usize>, numbered: bool, outer: bool, condition: Option<&Expr>) -> Unnest {
        Unnest { list: Operand::new(list), fields, numbered, outer, condition: condition.map(Program::compile) }
    }

    /// The row with each element. An element that is a NULL row is none, as in Flink.
    pub fn rows(&self, row: &[Value], context: &Context) -> Result<Vec<Row>, RowError> {
        let width = self.fields.unwrap_or(1);
        let with = |element: &Value, number: Value| {
            let mut copy = Row::with_capacity(row.len() + width + usize::from(self.numbered));
            copy.extend_from_slice(row);
            match (self.fields, element) {
                (Some(_), Value::List(fields)) => copy.extend_from_slice(fields),
                (Some(count), _) => copy.extend(std::iter::repeat_n(Value::Null, count)),
                (None, element) => copy.push(element.clone()),
            }
            copy.extend(Some(number).filter(|_| self.numbered));
            copy
        };
        let list = self.list.eval(row, context)?;
        let elements: &[Value] = if let Value::List(elements) = &list { elements } else { &[] };
        let numbered = elements.iter().zip(1..).filter(|(element, _)| self.fields.is_none() || !element.is_null());
        let mut rows: Vec<Row> = numbered.map(|(element, number)| with(element, Value::Int(number))).collect();
        if let Some(condition) = &self.condition {
            let all = std::mem::take(&mut rows);
            for row in all {
                if condition.eval_bool(&row, context)? == Some(true) {
                    rows.push(row);
                }
            }
        }
        if rows.is_empty() && self.outer {
            rows.push(with(&Value::Null, Value::Null));
        }
        Ok(rows)
    }
}
