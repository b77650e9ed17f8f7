//! Expressions that compare and choose: comparisons, BETWEEN, IN, LIKE, IS, CASE.

use super::expr::{Bound, ExprBinder, Reported, boolean, call, coerce, compare, null};
use super::types;
use crate::model::{DataType, Value};
use crate::plan::{self, CompareOp, ExprKind, Function};
use crate::sql::ast::{self, IsTest};
use crate::sql::span::{Problem, Span};

impl ExprBinder<'_> {
    /// Both sides with the types that a comparison needs. `op` is `None` for IS [NOT] DISTINCT FROM.
    pub(super) fn comparable_pair(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        op: Option<CompareOp>,
    ) -> Bound<(plan::Expr, plan::Expr)> {
        let (l, r) = (self.bind(left), self.bind(right));
        self.comparable(l?, r?, op, left.span.to(right.span))
    }

    pub fn comparable(
        &mut self,
        left: plan::Expr,
        right: plan::Expr,
        op: Option<CompareOp>,
        span: Span,
    ) -> Bound<(plan::Expr, plan::Expr)> {
        let (lt, rt) = (left.data_type, right.data_type);
        if op.is_some_and(|op| !matches!(op, CompareOp::Equal | CompareOp::NotEqual))
            && (lt.is_nested() || rt.is_nested())
        {
            let nested = if lt.is_nested() { lt } else { rt };
            let problem = Problem::new(span, format!("{nested} has no order"));
            return self.fail(problem.help("it can be compared with = and <>"));
        }
        let both_float = matches!((lt, rt), (DataType::Float, DataType::Double) | (DataType::Double, DataType::Float));
        let is_equality = matches!(op, Some(CompareOp::Equal | CompareOp::NotEqual));
        let pair = match (lt, rt) {
            // `=` and `<>` have the type of the left side, `<` and its like that of the wider one.
            _ if both_float && is_equality => Some((lt, lt)),
            // Only `<` and its like read a text as a number or a truth value, a whole one of any size.
            (DataType::String, other) | (other, DataType::String)
                if (other.is_numeric() || other == DataType::Boolean) && op.is_some() && !is_equality =>
            {
                let read = if other.is_integer() { DataType::BigInt } else { other };
                Some((read, read))
            }
            _ => types::comparable(lt, rt),
        };
        match pair {
            Some((l, r)) => Ok((coerce(left, l), coerce(right, r))),
            None => {
                let problem = Problem::new(span, format!("cannot compare {lt} with {rt}"));
                let help = match (lt, rt) {
                    (DataType::String, other) | (other, DataType::String) => {
                        format!("convert the text: CAST(text AS {other})")
                    }
                    (other, _) => format!("convert one side, for example to {other} with CAST"),
                };
                self.fail(problem.help(help))
            }
        }
    }

    pub fn boolean(&mut self, operand: &ast::Expr, what: &str) -> Bound {
        let bound = self.bind(operand)?;
        match bound.data_type {
            DataType::Boolean | DataType::Null => Ok(coerce(bound, DataType::Boolean)),
            other => {
                let problem = Problem::new(operand.span, format!("{what} needs a condition, not {other}"));
                self.fail(problem.help("a condition is a comparison, or a BOOLEAN column"))
            }
        }
    }

    pub(super) fn booleans(&mut self, operands: &[ast::Expr], what: &str) -> Bound<Vec<plan::Expr>> {
        let bound: Vec<Bound> = operands.iter().map(|operand| self.boolean(operand, what)).collect();
        bound.into_iter().collect()
    }

    pub(super) fn is(&mut self, operand: &ast::Expr, test: IsTest, negated: bool) -> Bound {
        let bound = match test {
            IsTest::Null => self.bind(operand)?,
            IsTest::True => self.boolean(operand, "IS TRUE")?,
            IsTest::False => self.boolean(operand, "IS FALSE")?,
            IsTest::Unknown => self.boolean(operand, "IS UNKNOWN")?,
        };
        let operand = Box::new(bound);
        Ok(boolean(match test {
            IsTest::Null | IsTest::Unknown => ExprKind::IsNull { operand, negated },
            IsTest::True => ExprKind::IsBoolean { operand, expected: true, negated },
            IsTest::False => ExprKind::IsBoolean { operand, expected: false, negated },
        }))
    }

    pub(super) fn between(
        &mut self,
        operand: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        symmetric: bool,
        negated: bool,
    ) -> Bound {
        let span = operand.span.to(high.span);
        let (value, low, high) = (self.bind(operand), self.bind(low), self.bind(high));
        let (value, low, high) = (value?, low?, high?);
        let mut within = self.within(&value, &low, &high, span)?;
        if symmetric {
            let reversed = self.within(&value, &high, &low, span)?;
            within = boolean(ExprKind::Or(vec![within, reversed]));
        }
        Ok(if negated { boolean(ExprKind::Not(Box::new(within))) } else { within })
    }

    fn within(&mut self, value: &plan::Expr, low: &plan::Expr, high: &plan::Expr, span: Span) -> Bound {
        let (low, high) = (self.copy(low, span)?, self.copy(high, span)?);
        let (first, second) = (self.copy(value, span)?, self.copy(value, span)?);
        let (first, low) = self.comparable(first, low, Some(CompareOp::GreaterOrEqual), span)?;
        let (second, high) = self.comparable(second, high, Some(CompareOp::LessOrEqual), span)?;
        let operands =
            vec![compare(CompareOp::GreaterOrEqual, first, low), compare(CompareOp::LessOrEqual, second, high)];
        Ok(boolean(ExprKind::And(operands)))
    }

    pub(super) fn in_list(&mut self, operand: &ast::Expr, list: &[ast::Expr], negated: bool) -> Bound {
        let value = self.bind(operand);
        let items: Vec<Bound> = list.iter().map(|item| self.bind(item)).collect();
        let value = value?;
        let mut items = items.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
        let mut data_type = value.data_type;
        let reads = |found: DataType| match data_type {
            DataType::String => found.is_numeric(),
            DataType::Boolean => found == DataType::String,
            number => number.is_numeric() && found == DataType::String,
        };
        // Texts are read as what they are looked for by, numbers written for a text: all of them, or none.
        if items.iter().all(|item| reads(item.data_type)) {
            items = items.into_iter().map(|item| coerce(item, data_type)).collect();
        }
        for (item, written) in items.iter().zip(list) {
            // As with `=`, what is compared with a FLOAT becomes one.
            if data_type == DataType::Float && item.data_type.is_numeric() {
                continue;
            }
            let pair = types::comparable(data_type, item.data_type);
            let both = pair.and_then(|(l, r)| types::common(l, r));
            match both {
                Some(both) => data_type = both,
                None => {
                    let message = format!("cannot compare {data_type} with {}", item.data_type);
                    return self.fail(Problem::new(written.span, message).help("all values of IN must be of one kind"));
                }
            }
        }
        let list = items.into_iter().map(|item| coerce(item, data_type)).collect();
        Ok(boolean(ExprKind::In { operand: Box::new(coerce(value, data_type)), list, negated }))
    }

    pub(super) fn like(
        &mut self,
        similar: bool,
        operand: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        negated: bool,
    ) -> Bound {
        let (value, pattern) = (self.text(operand, "LIKE"), self.text(pattern, "LIKE"));
        let escape = match escape.map(|escape| (&escape.kind, escape.span)) {
            None => None,
            Some((ast::ExprKind::Text(text), _)) if text.chars().count() == 1 => text.chars().next(),
            Some((_, span)) => {
                return self
                    .fail(Problem::new(span, "ESCAPE takes one character in quotes").help("for example ESCAPE '\\'"));
            }
        };
        let (value, pattern) = (value?, pattern?);
        if similar {
            let mut arguments = vec![value, pattern];
            arguments
                .extend(escape.map(|escape| plan::Expr::literal(Value::string(&escape.to_string()), DataType::String)));
            let similar = call(Function::Similar, arguments, DataType::Boolean);
            return Ok(if negated { boolean(ExprKind::Not(Box::new(similar))) } else { similar });
        }
        Ok(boolean(ExprKind::Like { operand: Box::new(value), pattern: Box::new(pattern), escape, negated }))
    }

    /// Two periods, each of start and end or of start and length, either way round.
    pub(super) fn overlaps(&mut self, left: &ast::Expr, right: &ast::Expr, span: Span) -> Bound {
        let (left, right) = (self.period(left), self.period(right));
        let ((start, end), (other_start, other_end)) = (left?, right?);
        let begun = self.comparable(end, other_start, Some(CompareOp::GreaterOrEqual), span);
        let not_over = self.comparable(other_end, start, Some(CompareOp::GreaterOrEqual), span);
        let ((end, other_start), (other_end, start)) = (begun?, not_over?);
        Ok(boolean(ExprKind::And(vec![
            compare(CompareOp::GreaterOrEqual, end, other_start),
            compare(CompareOp::GreaterOrEqual, other_end, start),
        ])))
    }

    /// The earlier and the later end.
    fn period(&mut self, written: &ast::Expr) -> Bound<(plan::Expr, plan::Expr)> {
        let ast::ExprKind::Row(ends) = &written.kind else {
            return self.fail(
                Problem::new(written.span, "OVERLAPS compares periods")
                    .help("a period is (start, end) or (start, INTERVAL …)"),
            );
        };
        let [start, end] = ends.as_slice() else {
            return self.fail(Problem::new(written.span, "a period has a start and an end, or a length"));
        };
        let (start, end) = (self.any_time(start, "OVERLAPS"), self.bind(end));
        let (start, mut end) = (start?, end?);
        if end.data_type.is_interval() {
            let time = Box::new(self.copy(&start, written.span)?);
            let data_type = start.data_type;
            let kind = ExprKind::AddInterval { time, interval: Box::new(end), negative: false };
            end = plan::Expr::new(kind, data_type);
        }
        let Some(data_type) = types::common(start.data_type, end.data_type) else {
            let message = format!("a period cannot go from {} to {}", start.data_type, end.data_type);
            return self.fail(Problem::new(written.span, message));
        };
        let ends = vec![coerce(start, data_type), coerce(end, data_type)];
        let copies = ends.iter().map(|end| self.copy(end, written.span)).collect::<Bound<Vec<plan::Expr>>>()?;
        Ok((call(Function::Least, ends, data_type), call(Function::Greatest, copies, data_type)))
    }

    pub(super) fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        branches: &[(Vec<ast::Expr>, ast::Expr)],
        otherwise: Option<&ast::Expr>,
        span: Span,
    ) -> Bound {
        let operand = operand.map(|operand| self.bind(operand)).transpose();
        let operand_known = operand.as_ref().ok().cloned().flatten();
        let mut results_bound = Vec::new();
        let mut failed = operand.is_err();
        for (conditions, result) in branches {
            let bound: Vec<Bound> =
                conditions.iter().map(|condition| self.case_condition(operand_known.as_ref(), condition)).collect();
            let condition = bound.into_iter().collect::<Bound<Vec<plan::Expr>>>().map(any_of);
            let value = self.bind(result);
            match (condition, value) {
                (Ok(condition), Ok(value)) => results_bound.push((condition, value, result.span)),
                _ => failed = true,
            }
        }
        let otherwise =
            otherwise.map(|otherwise| self.bind(otherwise).map(|bound| (bound, otherwise.span))).transpose()?;
        if failed {
            return Err(Reported);
        }
        let results: Vec<(DataType, Span)> = results_bound
            .iter()
            .map(|(_, value, span)| (value.data_type, *span))
            .chain(otherwise.iter().map(|(value, span)| (value.data_type, *span)))
            .collect();
        let data_type = self.common_type(&results, "the results of CASE")?;
        if data_type == DataType::Null {
            return self.fail(Problem::new(span, "at least one result of a CASE must be something other than NULL"));
        }
        let branches =
            results_bound.into_iter().map(|(condition, value, _)| (condition, coerce(value, data_type))).collect();
        let otherwise = otherwise.map_or(null(data_type), |(value, _)| coerce(value, data_type));
        Ok(plan::Expr::new(ExprKind::Case { branches, otherwise: Box::new(otherwise) }, data_type))
    }

    fn case_condition(&mut self, operand: Option<&plan::Expr>, condition: &ast::Expr) -> Bound {
        let Some(operand) = operand else { return self.boolean(condition, "WHEN") };
        let value = self.bind(condition)?;
        let operand = self.copy(operand, condition.span)?;
        let (operand, value) = self.comparable(operand, value, Some(CompareOp::Equal), condition.span)?;
        Ok(compare(CompareOp::Equal, operand, value))
    }
}

/// True where one of the conditions is.
fn any_of(mut conditions: Vec<plan::Expr>) -> plan::Expr {
    match conditions.len() {
        1 => conditions.remove(0),
        _ => boolean(ExprKind::Or(conditions)),
    }
}
