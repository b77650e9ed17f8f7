//! Functions whose arguments are of no one type: bits, LOCATE with a start, TIMESTAMPDIFF, PRINTF, ELT, TYPEOF, JSON_STRING.

use super::expr::{Bound, ExprBinder, call, coerce, null};
use super::types;
use crate::model::{DataType, Value};
use crate::plan::{self, Function};
use crate::sql::ast;
use crate::sql::span::{Problem, Span};

#[rustfmt::skip]
const FUNCTIONS: [(&str, Function, usize, usize, &str); 16] = [
    ("BITAND", Function::BitAnd, 2, 2, "BITAND(integer, integer)"),
    ("BITOR", Function::BitOr, 2, 2, "BITOR(integer, integer)"),
    ("BITXOR", Function::BitXor, 2, 2, "BITXOR(integer, integer)"),
    ("BITNOT", Function::BitNot, 1, 1, "BITNOT(integer)"),
    ("BIT_COUNT", Function::BitCount, 1, 1, "BIT_COUNT(integer)"),
    ("GET_BIT", Function::GetBit, 2, 2, "GET_BIT(integer, number of the bit, from 0)"),
    ("SHIFT_LEFT", Function::ShiftLeft, 2, 2, "SHIFT_LEFT(integer, bits)"),
    ("SHIFT_RIGHT", Function::ShiftRight, 2, 2, "SHIFT_RIGHT(integer, bits)"),
    ("LOCATE", Function::Locate, 2, 3, "LOCATE(part, text [, start])"),
    ("POSITION", Function::Position, 2, 3, "POSITION(part IN text [FROM start])"),
    ("PRINTF", Function::Printf, 1, usize::MAX, "PRINTF(format, value, ...)"),
    ("ELT", Function::Elt, 2, usize::MAX, "ELT(number, text, ...)"),
    ("JSON_STRING", Function::JsonString, 1, 1, "JSON_STRING(value)"),
    ("SPLIT_INDEX", Function::SplitIndex, 3, 3, "SPLIT_INDEX(text, separator, index)"),
    ("TO_TIMESTAMP_LTZ", Function::ToTimestampLtz, 1, 3, "TO_TIMESTAMP_LTZ(number [, precision]) or TO_TIMESTAMP_LTZ(text [, format [, zone]])"),
    // Bound to a text.
    ("TYPEOF", Function::Concat, 1, 2, "TYPEOF(value [, TRUE])"),
];

/// For suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

pub fn name_of(function: Function) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(_, known, ..)| *known == function).map(|(name, ..)| *name)
}

impl ExprBinder<'_> {
    /// One of the functions here. `None`: it is none of them.
    pub(super) fn mixed(
        &mut self,
        upper: &str,
        arguments: &[ast::Expr],
        written: &ast::Call,
        span: Span,
    ) -> Option<Bound> {
        let (_, function, least, most, signature) = FUNCTIONS.iter().find(|(name, ..)| *name == upper)?;
        if !(*least..=*most).contains(&arguments.len()) {
            return Some(self.wrong_count(written, span, arguments.len(), signature));
        }
        Some(match function {
            Function::Locate | Function::Position => self.locate(upper, arguments),
            Function::SplitIndex => self.split_index(arguments),
            Function::ToTimestampLtz => self.timestamp_ltz(arguments),
            Function::Printf => self.printf(arguments),
            Function::Elt => self.elt(arguments),
            Function::JsonString => self.bind(&arguments[0]).and_then(|value| match value.data_type {
                t if t.is_interval() => self.fail(Problem::new(arguments[0].span, format!("{t} has no JSON form"))),
                _ => Ok(call(Function::JsonString, vec![value], DataType::String)),
            }),
            Function::Concat => self.type_of(&arguments[0], arguments.get(1)),
            function => self.bits(*function, upper, arguments),
        })
    }

    /// AND, OR and XOR have the wider type of the two, the others the first one's.
    fn bits(&mut self, function: Function, name: &str, arguments: &[ast::Expr]) -> Bound {
        let bound: Vec<Bound> = arguments.iter().map(|argument| self.register(argument, name)).collect();
        let bound = bound.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
        let first = bound[0].data_type;
        match function {
            Function::BitAnd | Function::BitOr | Function::BitXor => {
                let data_type = types::common(first, bound[1].data_type).unwrap_or(DataType::BigInt);
                Ok(call(function, bound.into_iter().map(|operand| coerce(operand, data_type)).collect(), data_type))
            }
            Function::BitCount | Function::GetBit => Ok(call(function, bound, DataType::Int)),
            _ => Ok(call(function, bound, first)),
        }
    }

    fn register(&mut self, argument: &ast::Expr, name: &str) -> Bound {
        let bound = self.bind(argument)?;
        match bound.data_type {
            t if t.is_integer() => Ok(bound),
            DataType::Null => Ok(null(DataType::Int)),
            other => {
                let problem = Problem::new(argument.span, format!("{name} needs a whole number here, not {other}"));
                self.fail(problem.help("convert it: CAST(x AS BIGINT)"))
            }
        }
    }

    fn locate(&mut self, name: &str, arguments: &[ast::Expr]) -> Bound {
        let (part, text) = (self.text(&arguments[0], name), self.text(&arguments[1], name));
        let (part, text) = (part?, text?);
        match arguments.get(2) {
            None => Ok(call(Function::Position, vec![part, text], DataType::Int)),
            Some(start) => {
                let start = self.whole_number(start, name)?;
                Ok(call(Function::Locate, vec![part, text, start], DataType::Int))
            }
        }
    }

    /// A number as the separator is the code of a character.
    fn split_index(&mut self, arguments: &[ast::Expr]) -> Bound {
        let (text, separator) = (self.text(&arguments[0], "SPLIT_INDEX"), self.bind(&arguments[1]));
        let index = self.whole_number(&arguments[2], "SPLIT_INDEX");
        let (text, separator, index) = (text?, separator?, index?);
        let separator = match separator.data_type {
            t if t.is_integer() => call(Function::Chr, vec![coerce(separator, DataType::BigInt)], DataType::String),
            DataType::String | DataType::Null => coerce(separator, DataType::String),
            other => {
                let message = format!("SPLIT_INDEX needs a text or the code of a character here, not {other}");
                return self.fail(Problem::new(arguments[1].span, message));
            }
        };
        Ok(call(Function::SplitIndex, vec![text, separator, index], DataType::String))
    }

    /// Of a number since 1970, or of a text.
    fn timestamp_ltz(&mut self, arguments: &[ast::Expr]) -> Bound {
        const NAME: &str = "TO_TIMESTAMP_LTZ";
        let mut moment = self.bind(&arguments[0])?;
        let data_type = DataType::TimestampLtz(3);
        if matches!(moment.data_type, DataType::String) {
            let rest: Vec<Bound> = arguments[1..].iter().map(|argument| self.text(argument, NAME)).collect();
            let rest = rest.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
            // A format that stands in the text says how many digits of a second there are.
            let written = rest.first().map_or(0, |format| match &format.kind {
                plan::ExprKind::Literal(Value::String(format)) => format.matches('S').count(),
                _ => 0,
            });
            let data_type = DataType::TimestampLtz(written.clamp(3, 6) as u8);
            let bound = std::iter::once(moment).chain(rest).collect();
            return Ok(call(Function::TextToTimestampLtz, bound, data_type));
        }
        if !moment.data_type.is_numeric() && moment.data_type != DataType::Null {
            let message = format!("{NAME} needs a number since 1970 or a text here, not {}", moment.data_type);
            return self.fail(Problem::new(arguments[0].span, message));
        }
        let digits = |digits| plan::Expr::literal(Value::Int(digits), DataType::Int);
        let mut precision = match arguments.get(1) {
            Some(precision) => self.whole_number(precision, NAME)?,
            None => digits(3),
        };
        if let Some(zone) = arguments.get(2) {
            return self.fail(Problem::new(zone.span, "a number since 1970 has no time zone"));
        }
        // Of seconds with a fraction the milliseconds count.
        let is_fraction = matches!(moment.data_type, DataType::Float | DataType::Double);
        if let (true, plan::ExprKind::Literal(Value::Int(counted @ 0..=2))) = (is_fraction, &precision.kind) {
            let unit = plan::Expr::literal(Value::Double(10f64.powi(3 - *counted as i32)), DataType::Double);
            moment = super::expr::arithmetic(plan::ArithmeticOp::Multiply, moment, unit, DataType::Double);
            precision = digits(3);
        }
        // As many digits as the number counts, but never less than three, nor more than there are.
        let data_type = match precision.kind {
            plan::ExprKind::Literal(Value::Int(digits @ 4..=9)) => DataType::TimestampLtz(digits.min(6) as u8),
            _ => data_type,
        };
        Ok(call(Function::ToTimestampLtz, vec![coerce(moment, DataType::BigInt), precision], data_type))
    }

    pub(super) fn timestamp_add(&mut self, unit: plan::TimeUnit, count: &ast::Expr, time: &ast::Expr) -> Bound {
        use plan::TimeUnit::{Hour, Millisecond, Minute, Second};
        let (amount, moment) = (self.bind(count), self.any_time(time, "TIMESTAMPADD"));
        let (amount, mut moment) = (amount?, moment?);
        if !amount.data_type.is_integer() && amount.data_type != DataType::Null {
            let message = format!("TIMESTAMPADD adds a whole number of units, not {}", amount.data_type);
            return self.fail(Problem::new(count.span, message));
        }
        // A date with hours is a point in time.
        if moment.data_type == DataType::Date && matches!(unit, Hour | Minute | Second | Millisecond) {
            moment = coerce(moment, DataType::Timestamp(6));
        }
        if let (DataType::Timestamp(0..=2), Millisecond) = (moment.data_type, unit) {
            moment = coerce(moment, DataType::Timestamp(3));
        }
        let amount = if amount.data_type == DataType::BigInt { amount } else { coerce(amount, DataType::Int) };
        let data_type = moment.data_type;
        Ok(call(Function::TimestampAdd(unit), vec![amount, moment], data_type))
    }

    pub(super) fn timestamp_diff(&mut self, unit: plan::TimeUnit, from: &ast::Expr, to: &ast::Expr) -> Bound {
        let span = from.span.to(to.span);
        let (from, to) = (self.any_time(from, "TIMESTAMPDIFF"), self.any_time(to, "TIMESTAMPDIFF"));
        let (from, to) = (from?, to?);
        let is_clock = |time: &plan::Expr| matches!(time.data_type, DataType::Time(_));
        if is_clock(&from) != is_clock(&to) {
            let message = format!("TIMESTAMPDIFF cannot go from {} to {}", from.data_type, to.data_type);
            return self.fail(Problem::new(span, message).help("a time of day has no date"));
        }
        // Each as it is, with its digits of a second; without a zone it is UTC, the zone of the session.
        Ok(call(Function::TimestampDiff(unit), vec![from, to], DataType::Int))
    }

    /// `(end - start) SECOND`
    pub(super) fn elapsed(&mut self, end: &ast::Expr, start: &ast::Expr, in_months: bool) -> Bound {
        let span = end.span.to(start.span);
        let (end, start) = (self.any_time(end, "a difference of times"), self.any_time(start, "a difference of times"));
        let (end, start) = (end?, start?);
        let is_clock = |time: &plan::Expr| matches!(time.data_type, DataType::Time(_));
        if is_clock(&end) != is_clock(&start) {
            let message = format!("{} cannot be taken from {}", start.data_type, end.data_type);
            return self.fail(Problem::new(span, message).help("a time of day has no date"));
        }
        let data_type = if in_months { DataType::IntervalMonths } else { DataType::IntervalMillis };
        Ok(call(Function::Elapsed, vec![end, start], data_type))
    }

    fn printf(&mut self, arguments: &[ast::Expr]) -> Bound {
        let mut bound = vec![self.text(&arguments[0], "PRINTF")];
        bound.extend(arguments[1..].iter().map(|argument| self.bind(argument)));
        let bound = bound.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
        Ok(call(Function::Printf, bound, DataType::String))
    }

    fn elt(&mut self, arguments: &[ast::Expr]) -> Bound {
        let number = self.bind(&arguments[0])?;
        if !number.data_type.is_integer() && number.data_type != DataType::Null {
            let message = format!("ELT needs a whole number here, not {}", number.data_type);
            return self.fail(Problem::new(arguments[0].span, message));
        }
        let (texts, data_type) = self.common_arguments(&arguments[1..], "ELT")?;
        if !matches!(data_type, DataType::String | DataType::Bytes) {
            return self.fail(Problem::new(arguments[1].span, format!("ELT chooses among texts, not {data_type}")));
        }
        let bound = std::iter::once(coerce(number, DataType::BigInt)).chain(texts).collect();
        Ok(call(Function::Elt, bound, data_type))
    }

    /// The type as it is known here. Flink also says NOT NULL, and CHAR(n) of a literal.
    fn type_of(&mut self, argument: &ast::Expr, in_full: Option<&ast::Expr>) -> Bound {
        let bound = self.bind(argument)?;
        let in_full = match in_full.map(|flag| (&flag.kind, flag.span)) {
            None => false,
            Some((ast::ExprKind::Boolean(flag), _)) => *flag,
            Some((_, span)) => {
                return self
                    .fail(Problem::new(span, "whether TYPEOF writes types in full is TRUE or FALSE as it stands"));
            }
        };
        let name = if in_full { full_name(bound.data_type) } else { bound.data_type.to_string() };
        Ok(plan::Expr::literal(Value::string(&name), DataType::String))
    }
}

/// The type without the short names that Flink has for some.
fn full_name(data_type: DataType) -> String {
    match data_type {
        DataType::String => "VARCHAR(2147483647)".to_owned(),
        DataType::Bytes => "VARBINARY(2147483647)".to_owned(),
        DataType::Time(digits) => format!("TIME({digits})"),
        DataType::TimestampLtz(digits) => format!("TIMESTAMP({digits}) WITH LOCAL TIME ZONE"),
        DataType::Array(element) => format!("ARRAY<{}>", full_name(*element)),
        DataType::Map(entry) => format!("MAP<{}, {}>", full_name(entry.key), full_name(entry.value)),
        other => other.to_string(),
    }
}
