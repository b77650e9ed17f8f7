//! Functions and aggregates by name.

use super::aggregate;
use super::expr::{Aggregation, Bound, ExprBinder, Reported, call, coerce, compare, null};
use super::functions::{self, Builtin, Parameter, Returns, Unknown};
use super::types;
use crate::model::{DataType, Value};
use crate::plan::{self, CompareOp, ExprKind, Function};
use crate::sql::ast::{self, CallArguments, TrimSide};
use crate::sql::span::{Problem, Span};

impl ExprBinder<'_> {
    pub fn call(&mut self, written: &ast::Call, span: Span) -> Bound {
        let upper = written.name.name.to_ascii_uppercase();
        if let Aggregation::Match(_) = self.aggregation {
            if let Some(result) = self.match_call(&upper, written, span) {
                return result;
            }
        }
        if super::report::is_function(&upper) {
            return self.memory_call(&upper, written, span);
        }
        if let Some(result) = self.group_window_call(&upper, written, span) {
            return result;
        }
        if let Some(over) = &written.over {
            return self.over_call(written, over, span);
        }
        if let Some(function) = aggregate::function(&upper) {
            return self.aggregate(function, written, span);
        }
        if let "GROUPING" | "GROUPING_ID" = upper.as_str() {
            return self.grouping(written, span);
        }
        if let "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "LAG" | "LEAD" = upper.as_str() {
            let problem = Problem::new(span, format!("{upper} needs OVER"));
            return self.fail(problem.help(format!("{upper}(…) OVER (PARTITION BY device ORDER BY ts)")));
        }
        if written.distinct || written.filter.is_some() {
            let what = if written.distinct { "DISTINCT" } else { "FILTER" };
            let message = format!("{what} belongs to an aggregate, and {upper} is none");
            return self.fail(Problem::new(written.name.span, message));
        }
        let arguments = match &written.arguments {
            CallArguments::List(arguments) => arguments.as_slice(),
            CallArguments::None => return self.current_time(&upper, written),
            CallArguments::Star => {
                return self.fail(Problem::new(span, format!("{upper}(*) means nothing; only COUNT takes a *")));
            }
        };
        if let Some(result) = self.special(&upper, arguments, written, span) {
            return result;
        }
        let other = self.collection(&upper, arguments, written, span);
        if let Some(result) = other.or_else(|| self.mixed(&upper, arguments, written, span)) {
            return result;
        }
        match functions::find(&upper) {
            Some(builtin) => self.builtin(builtin, arguments, written, span),
            None => self.unknown_function(&upper, written),
        }
    }

    fn unknown_function(&mut self, upper: &str, written: &ast::Call) -> Bound {
        let span = written.name.span;
        let problem = match functions::explain(upper) {
            Unknown::NotYet => Problem::unsupported(span, &format!("the function {upper}")),
            Unknown::ByChance => Problem::new(span, format!("{upper} is refused: results must not depend on chance"))
                .help("a replay of the same input must give the same rows"),
            Unknown::Never(help) => {
                let problem = Problem::new(span, format!("there is no function {}", written.name.name));
                match help {
                    Some(help) => problem.help(help),
                    None => problem,
                }
            }
        };
        self.fail(problem)
    }

    /// CURRENT_TIMESTAMP and the like, which stand without parentheses.
    fn current_time(&mut self, upper: &str, written: &ast::Call) -> Bound {
        let data_type = match upper {
            "CURRENT_TIMESTAMP" => DataType::TimestampLtz(3),
            "LOCALTIMESTAMP" => DataType::Timestamp(3),
            "CURRENT_DATE" => DataType::Date,
            "CURRENT_TIME" | "LOCALTIME" => DataType::Time(0),
            _ => return self.unknown_function(upper, written),
        };
        Ok(call(Function::CurrentTime, Vec::new(), data_type))
    }

    /// Functions whose result follows a rule of its own. `None`: not one of them.
    fn special(&mut self, upper: &str, arguments: &[ast::Expr], written: &ast::Call, span: Span) -> Option<Bound> {
        let (least, most, signature) = match upper {
            "ROUND" => (1, 2, "ROUND(number [, digits])"),
            "TRUNCATE" => (1, 2, "TRUNCATE(number [, digits])"),
            "FLOOR" => (1, 1, "FLOOR(number) or FLOOR(time TO unit)"),
            "CEIL" | "CEILING" => (1, 1, "CEIL(number) or CEIL(time TO unit)"),
            "MOD" => (2, 2, "MOD(dividend, divisor)"),
            "GREATEST" => (1, usize::MAX, "GREATEST(value, ...)"),
            "LEAST" => (1, usize::MAX, "LEAST(value, ...)"),
            "COALESCE" => (1, usize::MAX, "COALESCE(value, ...)"),
            "IFNULL" => (2, 2, "IFNULL(value, replacement)"),
            "NULLIF" => (2, 2, "NULLIF(value, other)"),
            "IF" => (3, 3, "IF(condition, value, other)"),
            "LTRIM" => (1, 2, "LTRIM(text [, characters])"),
            "RTRIM" => (1, 2, "RTRIM(text [, characters])"),
            "BTRIM" => (1, 2, "BTRIM(text [, characters])"),
            "INSTR" => (2, 4, "INSTR(text, part [, start [, which one]])"),
            "DATE_FORMAT" => (2, 2, "DATE_FORMAT(time, format)"),
            _ => return None,
        };
        if !(least..=most).contains(&arguments.len()) {
            return Some(self.wrong_count(written, span, arguments.len(), signature));
        }
        Some(match upper {
            "ROUND" => self.round(Function::Round, arguments),
            "TRUNCATE" => self.round(Function::Truncate, arguments),
            "FLOOR" => self.whole(Function::Floor, &arguments[0]),
            "CEIL" | "CEILING" => self.whole(Function::Ceil, &arguments[0]),
            "MOD" => match (self.bind(&arguments[0]), self.bind(&arguments[1])) {
                (Ok(left), Ok(right)) => self.modulo(left, right, span),
                _ => Err(Reported),
            },
            "GREATEST" => self.extreme(Function::Greatest, arguments, upper),
            "LEAST" => self.extreme(Function::Least, arguments, upper),
            "COALESCE" | "IFNULL" => self.coalesce(arguments, upper),
            "NULLIF" => self.nullif(arguments, span),
            "IF" => self.if_else(arguments, span),
            "LTRIM" => self.trim(TrimSide::Leading, arguments.get(1), &arguments[0]),
            "RTRIM" => self.trim(TrimSide::Trailing, arguments.get(1), &arguments[0]),
            "BTRIM" => self.trim(TrimSide::Both, arguments.get(1), &arguments[0]),
            "INSTR" => self.instr(arguments),
            _ => self.date_format(arguments),
        })
    }

    fn instr(&mut self, arguments: &[ast::Expr]) -> Bound {
        let (text, part) = (self.text(&arguments[0], "INSTR"), self.text(&arguments[1], "INSTR"));
        let numbers: Vec<Bound> = arguments[2..].iter().map(|number| self.whole_number(number, "INSTR")).collect();
        let (text, part) = (text?, part?);
        let numbers = numbers.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
        if numbers.is_empty() {
            return Ok(call(Function::Position, vec![part, text], DataType::Int));
        }
        let first = plan::Expr::literal(Value::Int(1), DataType::Int);
        let arguments = [text, part].into_iter().chain(numbers).chain([first]).take(4).collect();
        Ok(call(Function::Instr, arguments, DataType::Int))
    }

    pub(super) fn wrong_count<T>(
        &mut self,
        written: &ast::Call,
        span: Span,
        found: usize,
        signature: &str,
    ) -> Bound<T> {
        let name = written.name.name.to_ascii_uppercase();
        let count = match found {
            0 => "no arguments".to_owned(),
            1 => "1 argument".to_owned(),
            n => format!("{n} arguments"),
        };
        self.fail(Problem::new(span, format!("{name} cannot take {count}")).help(format!("it is {signature}")))
    }

    fn bind_all(&mut self, arguments: &[ast::Expr]) -> Bound<Vec<plan::Expr>> {
        let bound: Vec<Bound> = arguments.iter().map(|argument| self.bind(argument)).collect();
        bound.into_iter().collect()
    }

    fn builtin(&mut self, builtin: &Builtin, arguments: &[ast::Expr], written: &ast::Call, span: Span) -> Bound {
        let most = if builtin.repeats { usize::MAX } else { builtin.parameters.len() };
        if !(builtin.required..=most).contains(&arguments.len()) {
            return self.wrong_count(written, span, arguments.len(), builtin.signature);
        }
        let mut bound = Vec::new();
        for (index, argument) in arguments.iter().enumerate() {
            // The last parameter is the one that repeats.
            let parameter = builtin.parameters[index.min(builtin.parameters.len() - 1)];
            bound.push(self.argument(parameter, argument, builtin));
        }
        let bound = bound.into_iter().collect::<Bound<Vec<plan::Expr>>>()?;
        let data_type = match builtin.returns {
            Returns::Is(data_type) => data_type,
            Returns::First => bound.first().map_or(DataType::Null, |first| first.data_type),
        };
        if builtin.function == Function::CurrentWatermark {
            self.require_event_time(&bound, arguments)?;
        }
        Ok(call(builtin.function, bound, data_type))
    }

    fn argument(&mut self, parameter: Parameter, argument: &ast::Expr, builtin: &Builtin) -> Bound {
        let bound = self.bind(argument)?;
        let found = bound.data_type;
        let target = match parameter {
            Parameter::Text if found == DataType::String => Some(DataType::String),
            Parameter::Bytes if found == DataType::Bytes => Some(DataType::Bytes),
            Parameter::Int if found.is_integer() => Some(DataType::Int),
            Parameter::BigInt if found.is_integer() => Some(DataType::BigInt),
            Parameter::Double if found.is_numeric() => Some(DataType::Double),
            Parameter::Number if found.is_numeric() => Some(found),
            Parameter::TextOrInt if found == DataType::String => Some(found),
            Parameter::TextOrBytes if matches!(found, DataType::String | DataType::Bytes) => Some(found),
            Parameter::TextOrInt if found.is_integer() => Some(DataType::BigInt),
            Parameter::Timestamp if found.is_timestamp() => Some(found),
            Parameter::TextOrNumber if found == DataType::String || found.is_numeric() => Some(found),
            Parameter::AnyTime if found.is_timestamp() || matches!(found, DataType::Date | DataType::Time(_)) => {
                Some(found)
            }
            _ => None,
        };
        let of_null = match parameter {
            Parameter::Text | Parameter::TextOrInt | Parameter::TextOrBytes | Parameter::TextOrNumber => {
                DataType::String
            }
            Parameter::Bytes => DataType::Bytes,
            Parameter::Int | Parameter::Number => DataType::Int,
            Parameter::BigInt => DataType::BigInt,
            Parameter::Double => DataType::Double,
            Parameter::Timestamp | Parameter::AnyTime => DataType::Timestamp(3),
        };
        match target {
            Some(target) => Ok(coerce(bound, target)),
            None if found == DataType::Null => Ok(null(of_null)),
            None => self.wrong_type(parameter, argument.span, found, builtin),
        }
    }

    fn wrong_type(&mut self, parameter: Parameter, span: Span, found: DataType, builtin: &Builtin) -> Bound {
        let wanted = match parameter {
            Parameter::Text => "a text",
            Parameter::Int | Parameter::BigInt => "a whole number",
            Parameter::Double | Parameter::Number => "a number",
            Parameter::TextOrInt => "a text or a whole number",
            Parameter::TextOrBytes => "a text or BYTES",
            Parameter::Bytes => "BYTES",
            Parameter::Timestamp => "a TIMESTAMP",
            Parameter::AnyTime => "a date or a time",
            Parameter::TextOrNumber => "a text or a number",
        };
        let name = if builtin.name == "||" { "||" } else { builtin.name };
        let problem = Problem::new(span, format!("{name} needs {wanted} here, not {found}"));
        self.fail(match parameter {
            Parameter::Text => problem.help("convert it: CAST(x AS STRING)"),
            Parameter::Int | Parameter::BigInt if found.is_numeric() => problem.help("convert it: CAST(x AS BIGINT)"),
            _ => problem.help(format!("it is {}", builtin.signature)),
        })
    }

    fn require_event_time(&mut self, bound: &[plan::Expr], arguments: &[ast::Expr]) -> Bound<()> {
        let is_event_time = matches!(bound.first().map(|expr| &expr.kind),
            Some(ExprKind::Column(index)) if self.scope.times.contains(index));
        if is_event_time {
            return Ok(());
        }
        let span = arguments.first().map_or(Span::default(), |argument| argument.span);
        self.fail(Problem::new(span, "CURRENT_WATERMARK needs the event-time column itself"))
    }

    pub(super) fn number(&mut self, argument: &ast::Expr, what: &str) -> Bound {
        let bound = self.bind(argument)?;
        match bound.data_type {
            t if t.is_numeric() => Ok(bound),
            DataType::Null => Ok(null(DataType::Int)),
            other => {
                let problem = Problem::new(argument.span, format!("{what} needs a number, not {other}"));
                self.fail(match other {
                    t if t.is_timestamp() => problem.help(format!("of a time write {what}(time TO MINUTE)")),
                    _ => problem,
                })
            }
        }
    }

    fn round(&mut self, function: Function, arguments: &[ast::Expr]) -> Bound {
        let name = if function == Function::Round { "ROUND" } else { "TRUNCATE" };
        let number = self.number(&arguments[0], name);
        let digits =
            arguments.get(1).map(|argument| self.bind(argument).map(|bound| (bound, argument.span))).transpose()?;
        let number = number?;
        let mut known = Some(0);
        let mut bound = vec![number];
        if let Some((digits, span)) = digits {
            if !digits.data_type.is_integer() && digits.data_type != DataType::Null {
                let message = format!("{name} needs a whole number of digits, not {}", digits.data_type);
                return self.fail(Problem::new(span, message));
            }
            known = constant_int(&digits);
            bound.push(coerce(digits, DataType::Int));
        }
        let data_type = types::round(bound[0].data_type, known);
        Ok(call(function, bound, data_type))
    }

    /// FLOOR and CEIL: of a DECIMAL the digits after the point go.
    fn whole(&mut self, function: Function, argument: &ast::Expr) -> Bound {
        let number = self.number(argument, if function == Function::Floor { "FLOOR" } else { "CEIL" })?;
        let data_type = match number.data_type {
            DataType::Decimal { precision, .. } => DataType::Decimal { precision, scale: 0 },
            other => other,
        };
        Ok(call(function, vec![number], data_type))
    }

    pub(super) fn common_arguments(
        &mut self,
        arguments: &[ast::Expr],
        name: &str,
    ) -> Bound<(Vec<plan::Expr>, DataType)> {
        let bound = self.bind_all(arguments)?;
        let found: Vec<(DataType, Span)> =
            bound.iter().zip(arguments).map(|(bound, argument)| (bound.data_type, argument.span)).collect();
        let of_two = match name {
            "COALESCE" | "IFNULL" => types::coalesced,
            "GREATEST" | "LEAST" => types::widest,
            _ => types::common,
        };
        let data_type = self.type_of_all(&found, &format!("the arguments of {name}"), of_two)?;
        Ok((bound.into_iter().map(|argument| coerce(argument, data_type)).collect(), data_type))
    }

    fn extreme(&mut self, function: Function, arguments: &[ast::Expr], name: &str) -> Bound {
        let (bound, data_type) = self.common_arguments(arguments, name)?;
        Ok(if data_type == DataType::Null { null(data_type) } else { call(function, bound, data_type) })
    }

    fn coalesce(&mut self, arguments: &[ast::Expr], name: &str) -> Bound {
        let (bound, data_type) = self.common_arguments(arguments, name)?;
        Ok(plan::Expr::new(ExprKind::Coalesce(bound), data_type))
    }

    /// NULLIF(a, b): CASE WHEN a = b THEN NULL ELSE a END.
    fn nullif(&mut self, arguments: &[ast::Expr], span: Span) -> Bound {
        let (value, other) = (self.bind(&arguments[0]), self.bind(&arguments[1]));
        let (value, other) = (value?, other?);
        let data_type = value.data_type;
        let copy = self.copy(&value, span)?;
        let (left, right) = self.comparable(copy, other, Some(CompareOp::Equal), span)?;
        let branches = vec![(compare(CompareOp::Equal, left, right), null(data_type))];
        Ok(plan::Expr::new(ExprKind::Case { branches, otherwise: Box::new(value) }, data_type))
    }

    /// IF(condition, a, b): CASE WHEN condition THEN a ELSE b END.
    fn if_else(&mut self, arguments: &[ast::Expr], span: Span) -> Bound {
        let condition = self.boolean(&arguments[0], "IF");
        let (mut results, data_type) = self.common_arguments(&arguments[1..], "IF")?;
        if data_type == DataType::Null {
            return self.fail(Problem::new(span, "at least one result of IF must be something other than NULL"));
        }
        let (Some(otherwise), Some(value)) = (results.pop(), results.pop()) else { return Err(Reported) };
        let branches = vec![(condition?, value)];
        Ok(plan::Expr::new(ExprKind::Case { branches, otherwise: Box::new(otherwise) }, data_type))
    }

    /// DATE_FORMAT takes a timestamp, or a text that holds one.
    fn date_format(&mut self, arguments: &[ast::Expr]) -> Bound {
        let (time, format) = (self.bind(&arguments[0]), self.text(&arguments[1], "DATE_FORMAT"));
        let (time, format) = (time?, format?);
        let time = match time.data_type {
            t if t.is_timestamp() => time,
            DataType::String | DataType::Null => coerce(time, DataType::Timestamp(3)),
            other => {
                let message = format!("DATE_FORMAT needs a TIMESTAMP, not {other}");
                return self.fail(Problem::new(arguments[0].span, message).help("convert it: CAST(x AS TIMESTAMP(3))"));
            }
        };
        Ok(call(Function::DateFormat, vec![time, format], DataType::String))
    }

    /// GROUPING(key, …): which of the keys the row's grouping set leaves out, one bit each.
    fn grouping(&mut self, written: &ast::Call, span: Span) -> Bound {
        let CallArguments::List(arguments) = &written.arguments else {
            return self.fail(Problem::new(span, "GROUPING takes columns of GROUP BY"));
        };
        if arguments.is_empty() || arguments.len() > 60 {
            return self.wrong_count(written, span, arguments.len(), "GROUPING(key, …)");
        }
        let outer = std::mem::replace(&mut self.aggregation, Aggregation::Refuse("GROUPING"));
        let bound = self.bind_all(arguments);
        self.aggregation = outer;
        let bound = bound?;
        let Aggregation::Collect(calls) = &mut self.aggregation else {
            return self.fail(Problem::new(span, "GROUPING belongs into SELECT or HAVING, beside GROUP BY"));
        };
        calls.groupings.push(bound);
        Ok(plan::Expr::column(aggregate::GROUPING + calls.groupings.len() - 1, DataType::BigInt))
    }

    fn aggregate(&mut self, function: plan::AggregateFunction, written: &ast::Call, span: Span) -> Bound {
        let name = written.name.name.to_ascii_uppercase();
        let refusing = match self.aggregation {
            Aggregation::Refuse(place) => Some(place),
            Aggregation::Where(_) => Some("WHERE"),
            Aggregation::Collect(_) | Aggregation::Match(_) => None,
        };
        if let Some(place) = refusing {
            let problem = Problem::new(span, format!("{name} is an aggregate, and {place} cannot hold one"));
            return self.fail(match place {
                "another aggregate" => problem.help("take the inner one in a subquery with a window of its own"),
                "WHERE" | "WHERE of a join" => problem.help("conditions on aggregates go into HAVING"),
                _ => problem,
            });
        }
        // Inside an aggregate there is no other one.
        let outer = std::mem::replace(&mut self.aggregation, Aggregation::Refuse("another aggregate"));
        let result = self.aggregate_parts(function, &name, written, span);
        self.aggregation = outer;
        self.collect(result?)
    }

    pub(super) fn aggregate_parts(
        &mut self,
        function: plan::AggregateFunction,
        name: &str,
        written: &ast::Call,
        span: Span,
    ) -> Bound<plan::Aggregate> {
        let filter = written.filter.as_ref().map(|filter| self.boolean(filter, "FILTER")).transpose();
        let second = self.aggregate_parameter(function, written)?;
        let argument = match &written.arguments {
            CallArguments::Star if function == plan::AggregateFunction::Count => None,
            CallArguments::List(arguments)
                if function == plan::AggregateFunction::Percentile && arguments.len() == 3 =>
            {
                Some((self.weighted([&arguments[0], &arguments[2]], arguments[0].span)?, arguments[0].span))
            }
            CallArguments::List(arguments) if arguments.len() == 1 + usize::from(second.is_some()) => {
                Some((self.bind(&arguments[0])?, arguments[0].span))
            }
            CallArguments::List(arguments) if function == plan::AggregateFunction::Count && arguments.len() > 1 => {
                return self.fail(Problem::unsupported(span, "COUNT of several columns"));
            }
            CallArguments::List(arguments) => {
                let signature =
                    if name == "COUNT" { "COUNT(*) or COUNT(value)".to_owned() } else { format!("{name}(value)") };
                return self.wrong_count(written, span, arguments.len(), &signature);
            }
            CallArguments::Star | CallArguments::None => {
                return self.fail(Problem::new(span, format!("{name} needs a column; only COUNT takes a *")));
            }
        };
        let is_weighted = matches!(&written.arguments, CallArguments::List(arguments) if arguments.len() == 3);
        let filter = filter?;
        let (argument, data_type) = match argument {
            None => (None, DataType::BigInt),
            Some((argument, span)) => {
                let of = match argument.data_type {
                    DataType::Row([value, _]) if is_weighted => value.data_type,
                    other => other,
                };
                let data_type = match aggregate::result(function, of) {
                    Some(data_type) if matches!(second, Some(Value::List(_))) => DataType::array_of(data_type),
                    Some(data_type) => data_type,
                    None if argument.data_type == DataType::Null => DataType::Null,
                    None => {
                        let message = format!("{name} cannot be taken of {}", argument.data_type);
                        return self.fail(Problem::new(span, message));
                    }
                };
                (Some(argument), data_type)
            }
        };
        // The smallest of distinct values is the smallest of all.
        let distinct =
            written.distinct && !matches!(function, plan::AggregateFunction::Min | plan::AggregateFunction::Max);
        let parameter = second.unwrap_or(Value::Null);
        Ok(plan::Aggregate { function, argument, distinct, filter, parameter, data_type })
    }

    /// The constant after an aggregate's argument, where it takes one and it is there.
    fn aggregate_parameter(&mut self, function: plan::AggregateFunction, written: &ast::Call) -> Bound<Option<Value>> {
        use plan::AggregateFunction::{ApproxPercentile, ListAgg, Percentile};
        let CallArguments::List(arguments) = &written.arguments else { return Ok(None) };
        let signature = match function {
            ApproxPercentile => "APPROX_PERCENTILE(value, 0.99)",
            Percentile => "PERCENTILE(value, 0.99 [, frequency])",
            ListAgg => "LISTAGG(text [, separator])",
            _ => return Ok(None),
        };
        match (function, arguments.get(1)) {
            (ListAgg, None) => Ok(None),
            (ListAgg, Some(separator)) => match self.bind(separator)?.kind {
                ExprKind::Literal(Value::String(text)) => Ok(Some(Value::String(text))),
                _ => self.fail(
                    Problem::new(separator.span, "the separator of LISTAGG is a text as it stands")
                        .help("LISTAGG(x, '; ')"),
                ),
            },
            (_, Some(fractions)) => self.fractions(function, fractions).map(Some),
            (_, None) => self.wrong_count(written, written.name.span, arguments.len(), signature),
        }
    }
}

/// The value of a constant whole number, negated or not.
pub(super) fn constant_int(expr: &plan::Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Literal(Value::Int(value)) => Some(*value),
        ExprKind::Negate(operand) => constant_int(operand).map(|value| -value),
        _ => None,
    }
}
