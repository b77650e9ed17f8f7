//! JSON functions: <https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/functions/systemfunctions/#json-functions>

use super::expr::{Bound, ExprBinder, boolean, call, coerce};
use super::types;
use crate::model::{DataType, Value};
use crate::plan::{self, ExprKind, Function, JsonMissing};
use crate::sql::ast::{self, JsonCall, JsonFunction, TextLength};
use crate::sql::span::{Problem, Span};

impl ExprBinder<'_> {
    pub(super) fn json(&mut self, written: &JsonCall, span: Span) -> Bound {
        match &written.function {
            JsonFunction::Value { on_empty, on_error } => self.json_value(written, on_empty, on_error, span),
            JsonFunction::Query { wrapper, on_empty, on_error } => {
                let data_type = match written.returning {
                    None => DataType::String,
                    Some(target) if target.data_type == DataType::String => DataType::String,
                    Some(target) if target.data_type == DataType::array_of(DataType::String) => target.data_type,
                    Some(target) => {
                        let message = format!("JSON_QUERY returns STRING or ARRAY<STRING>, not {}", target.data_type);
                        return self.fail(Problem::new(span, message));
                    }
                };
                let arguments = self.text_and_path(written, "JSON_QUERY")?;
                let behavior = |missing: &ast::JsonMissing| match missing {
                    ast::JsonMissing::Null => Some(JsonMissing::Null),
                    ast::JsonMissing::Error => Some(JsonMissing::Error),
                    ast::JsonMissing::EmptyArray => Some(JsonMissing::EmptyArray),
                    ast::JsonMissing::EmptyObject => Some(JsonMissing::EmptyObject),
                    ast::JsonMissing::Default(_) => None,
                };
                let (Some(on_empty), Some(on_error)) = (behavior(on_empty), behavior(on_error)) else {
                    return self.fail(
                        Problem::new(span, "JSON_QUERY takes no DEFAULT")
                            .help("it takes NULL, ERROR, EMPTY ARRAY or EMPTY OBJECT"),
                    );
                };
                let is_array = matches!(data_type, DataType::Array(_));
                if is_array && (on_empty == JsonMissing::EmptyObject || on_error == JsonMissing::EmptyObject) {
                    return self.fail(Problem::new(span, "EMPTY OBJECT does not go with RETURNING ARRAY<STRING>"));
                }
                Ok(call(Function::JsonQuery { wrapper: *wrapper, on_empty, on_error }, arguments, data_type))
            }
            JsonFunction::Exists { on_error } => {
                let arguments = self.text_and_path(written, "JSON_EXISTS")?;
                Ok(call(Function::JsonExists(*on_error), arguments, DataType::Boolean))
            }
            JsonFunction::Object { absent_on_null } => {
                let mut bound = Vec::new();
                for (index, argument) in written.arguments.iter().enumerate() {
                    let is_key = index % 2 == 0;
                    bound.push(if is_key {
                        self.text(argument, "a key of JSON_OBJECT")
                    } else {
                        self.json_part(argument)
                    });
                }
                let bound = bound.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
                Ok(call(Function::JsonObject { absent_on_null: *absent_on_null }, bound, DataType::String))
            }
            JsonFunction::Array { absent_on_null } => {
                let bound: Vec<Bound> = written.arguments.iter().map(|argument| self.json_part(argument)).collect();
                let bound = bound.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
                Ok(call(Function::JsonArray { absent_on_null: *absent_on_null }, bound, DataType::String))
            }
        }
    }

    fn text_and_path(&mut self, written: &JsonCall, name: &str) -> Bound<Vec<plan::Expr>> {
        let bound: Vec<Bound> = written.arguments.iter().map(|argument| self.text(argument, name)).collect();
        bound.into_iter().collect()
    }

    fn json_value(
        &mut self,
        written: &JsonCall,
        on_empty: &ast::JsonMissing,
        on_error: &ast::JsonMissing,
        span: Span,
    ) -> Bound {
        let target = written.returning.map_or(DataType::String, |target| target.data_type);
        let length = written.returning.map_or(TextLength::Any, |target| target.length);
        let known = [DataType::String, DataType::Boolean, DataType::Int, DataType::Double];
        if !known.contains(&target) || matches!(length, TextLength::Exactly(_)) {
            let problem = Problem::new(span, "JSON_VALUE returns STRING, BOOLEAN, INT or DOUBLE");
            return self.fail(problem.help("for another type write CAST(JSON_VALUE(…) AS type)"));
        }
        let mut arguments = self.text_and_path(written, "JSON_VALUE")?;
        let on_empty = self.json_missing(on_empty, target, &mut arguments, span)?;
        let on_error = self.json_missing(on_error, target, &mut arguments, span)?;
        let value = call(Function::JsonValue { on_empty, on_error }, arguments, target);
        Ok(match length {
            TextLength::AtMost(n) => {
                let length = plan::Expr::literal(Value::Int(i64::from(n)), DataType::Int);
                call(Function::Left, vec![value, length], target)
            }
            _ => value,
        })
    }

    fn json_missing(
        &mut self,
        missing: &ast::JsonMissing,
        target: DataType,
        arguments: &mut Vec<plan::Expr>,
        span: Span,
    ) -> Bound<JsonMissing> {
        Ok(match missing {
            ast::JsonMissing::Null => JsonMissing::Null,
            ast::JsonMissing::Error => JsonMissing::Error,
            ast::JsonMissing::Default(default) => {
                let bound = self.bind(default)?;
                if !types::can_cast(bound.data_type, target) {
                    let message = format!("the DEFAULT is {}, and JSON_VALUE returns {target}", bound.data_type);
                    return self.fail(Problem::new(default.span, message));
                }
                arguments.push(coerce(bound, target));
                JsonMissing::Default(arguments.len() - 1)
            }
            ast::JsonMissing::EmptyArray | ast::JsonMissing::EmptyObject => {
                return self.fail(
                    Problem::new(span, "JSON_VALUE gives one value, never an array or an object")
                        .help("it takes NULL, ERROR or DEFAULT …; arrays and objects are found by JSON_QUERY"),
                );
            }
        })
    }

    /// A value in JSON_OBJECT or JSON_ARRAY.
    fn json_part(&mut self, argument: &ast::Expr) -> Bound {
        let bound = self.bind(argument)?;
        match bound.data_type {
            t if t.is_interval() => self.fail(Problem::new(argument.span, format!("{t} has no JSON form"))),
            _ => Ok(bound),
        }
    }

    pub(super) fn is_json(&mut self, operand: &ast::Expr, kind: plan::JsonKind, negated: bool) -> Bound {
        let text = self.text(operand, "IS JSON")?;
        let is_json = call(Function::IsJson(kind), vec![text], DataType::Boolean);
        Ok(if negated { boolean(ExprKind::Not(Box::new(is_json))) } else { is_json })
    }
}
