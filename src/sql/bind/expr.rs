//! Expressions: names to positions, operands to types, each implicit coercion to a CAST.

use super::aggregate;
use super::match_recognize::MatchScope;
use super::{Common, Named, literals, types};
use crate::model::{Column, DataType, Value};
use crate::plan::{self, Aggregate, ArithmeticOp, CompareOp, ExprKind, Function};
use crate::sql::ast::{self, CastTarget, Ident, Interval, TextLength, TrimSide};
use crate::sql::span::{Problem, Span, nearest};

/// Nodes that a query may gain because an operand is used twice, as that of BETWEEN is. Nested ones would double and
/// double again.
pub const COPIED_NODES_MAX: usize = 50_000;

/// The problem has been reported; there is no result.
#[derive(Clone, Copy, Debug)]
pub struct Reported;

pub type Bound<T = plan::Expr> = Result<T, Reported>;

/// The columns that names can mean.
pub struct Scope<'a> {
    /// What may stand before the dot.
    pub tables: &'a [Named],
    pub columns: &'a [Column],
    /// Positions of the event times among them.
    pub times: &'a [usize],
    /// Columns that several tables have and that are one here.
    pub common: &'a [Common],
    /// Columns before this are those of the query around.
    pub outer: usize,
    /// The columns that hold the values of subqueries, by the first word of each.
    pub values: &'a [(Span, usize)],
}

/// Where an expression stands, as far as aggregates are concerned.
pub enum Aggregation<'a> {
    /// In the SELECT list or HAVING: aggregates are collected here and stand as columns from [`aggregate::BASE`] on.
    Collect(&'a mut aggregate::Calls),
    /// In WHERE: functions that remember are collected here, as those of the SELECT list are.
    Where(&'a mut aggregate::Calls),
    /// In MEASURES and DEFINE of MATCH_RECOGNIZE: columns and aggregates are terms of the match.
    Match(&'a mut MatchScope),
    /// Elsewhere, for the message: "WHERE", "GROUP BY" …
    Refuse(&'static str),
}

pub struct ExprBinder<'a> {
    pub scope: Scope<'a>,
    pub problems: &'a mut Vec<Problem>,
    pub copied_nodes: &'a mut usize,
    pub aggregation: Aggregation<'a>,
}

impl ExprBinder<'_> {
    pub fn fail<T>(&mut self, problem: Problem) -> Bound<T> {
        self.problems.push(problem);
        Err(Reported)
    }

    /// Deep expressions come back here for each level, so it keeps nothing of its own on the stack.
    pub fn bind(&mut self, expr: &ast::Expr) -> Bound {
        use ast::ExprKind as K;
        let span = expr.span;
        match &expr.kind {
            K::Name { table, column } => self.name(table.as_ref(), column),
            K::Negate(operand) => self.negate(operand),
            K::Arithmetic { op, left, right } => self.arithmetic(*op, left, right, span),
            K::Is { operand, test, negated } => self.is(operand, *test, *negated),
            K::Between { operand, low, high, symmetric, negated } => {
                self.between(operand, low, high, *symmetric, *negated)
            }
            K::In { operand, list, negated } => self.in_list(operand, list, *negated),
            K::Like { similar, operand, pattern, escape, negated } => {
                self.like(*similar, operand, pattern, escape.as_deref(), *negated)
            }
            K::Overlaps { left, right } => self.overlaps(left, right, span),
            K::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref(), span)
            }
            K::Cast { operand, target, safe } => self.cast(operand, *target, *safe, span),
            K::TimestampAdd { unit, count, time } => self.timestamp_add(*unit, count, time),
            K::TimestampDiff { unit, from, to } => self.timestamp_diff(*unit, from, to),
            K::Elapsed { end, start, in_months } => self.elapsed(end, start, *in_months),
            K::Trim { side, characters, operand } => self.trim(*side, characters.as_deref(), operand),
            K::Call(call) => self.call(call, span),
            K::Json(call) => self.json(call, span),
            K::IsJson { operand, kind, negated } => self.is_json(operand, *kind, *negated),
            K::Array(parts) => self.array_of(parts, span),
            K::Map(parts) => self.map_of(parts, span),
            K::Row(parts) => self.row_of(parts),
            K::Item { operand, index } => self.item(operand, index, span),
            K::Not(_) | K::And(_) | K::Or(_) | K::Compare { .. } | K::Distinct { .. } => self.logic(expr),
            K::Extract { .. } | K::RoundTime { .. } | K::Field { .. } => self.part(expr),
            K::InQuery { .. } | K::Exists(_) | K::Any { .. } | K::Subquery(_) => self.of_query(expr),
            _ => self.literal(expr),
        }
    }

    fn logic(&mut self, expr: &ast::Expr) -> Bound {
        use ast::ExprKind as K;
        Ok(boolean(match &expr.kind {
            K::Not(operand) => ExprKind::Not(Box::new(self.boolean(operand, "NOT")?)),
            K::And(operands) => ExprKind::And(self.booleans(operands, "AND")?),
            K::Or(operands) => ExprKind::Or(self.booleans(operands, "OR")?),
            K::Compare { op, left, right } => {
                let (left, right) = self.comparable_pair(left, right, Some(*op))?;
                return Ok(compare(*op, left, right));
            }
            K::Distinct { left, right, negated } => {
                let (left, right) = self.comparable_pair(left, right, None)?;
                ExprKind::NotDistinct { left: Box::new(left), right: Box::new(right), negated: *negated }
            }
            _ => return Err(Reported),
        }))
    }

    /// A part of a time, or of a row.
    fn part(&mut self, expr: &ast::Expr) -> Bound {
        use ast::ExprKind as K;
        match &expr.kind {
            K::Extract { unit, operand } => {
                let operand = self.extracted_from(*unit, operand)?;
                Ok(call(Function::Extract(*unit), vec![operand], DataType::BigInt))
            }
            K::RoundTime { up, operand, unit } => {
                let operand = self.any_time(operand, if *up { "CEIL … TO" } else { "FLOOR … TO" })?;
                let data_type = operand.data_type;
                let function = if *up { Function::CeilTo(*unit) } else { Function::FloorTo(*unit) };
                Ok(call(function, vec![operand], data_type))
            }
            K::Field { operand, field } => {
                let row = self.bind(operand)?;
                self.field(row, operand.span, field)
            }
            _ => Err(Reported),
        }
    }

    fn literal(&mut self, expr: &ast::Expr) -> Bound {
        use ast::ExprKind as K;
        let span = expr.span;
        let (value, data_type) = match &expr.kind {
            K::Null => (Value::Null, DataType::Null),
            K::Boolean(value) => (Value::Boolean(*value), DataType::Boolean),
            K::Number(text) => match literals::number(text) {
                Ok(expr) => return Ok(expr),
                Err(message) => return self.fail(Problem::new(span, message)),
            },
            K::Text(text) => (Value::string(text), DataType::String),
            K::Bytes(bytes) => (Value::Bytes(bytes.as_slice().into()), DataType::Bytes),
            K::Date(text) => return self.time_literal(span, literals::date(text), "DATE '2026-03-01'"),
            K::Time(text) => return self.time_literal(span, literals::time(text), "TIME '08:15:30'"),
            K::Timestamp(text) => {
                return self.time_literal(span, literals::timestamp(text), "TIMESTAMP '2026-03-01 08:15:30.123'");
            }
            K::Interval(interval) => return Ok(interval_literal(*interval)),
            _ => return Err(Reported),
        };
        Ok(plan::Expr::literal(value, data_type))
    }

    fn name(&mut self, table: Option<&Ident>, column: &Ident) -> Bound {
        if let Aggregation::Match(_) = self.aggregation {
            return self.match_name(table, column);
        }
        let within = match table {
            Some(table) if self.scope.tables.iter().all(|known| known.name != table.name) => {
                if let Some(field) = self.field_of_column(table, column) {
                    return field;
                }
                self.columns_of(table)?
            }
            Some(table) => self.columns_of(table)?,
            None if self.is_pi(column) => return Ok(call(Function::Pi, Vec::new(), DataType::Double)),
            None => return self.unqualified(column),
        };
        let index = self.column_within(within, column)?;
        Ok(plan::Expr::column(index, self.scope.columns[index].data_type))
    }

    /// PI stands without parentheses, too, where no column is called so.
    fn is_pi(&self, column: &Ident) -> bool {
        let is_column = self.scope.columns.iter().any(|known| *known.name == *column.name);
        column.name.eq_ignore_ascii_case("PI") && !is_column
    }

    /// What a name without a table means.
    pub fn unqualified(&mut self, column: &Ident) -> Bound {
        let Scope { columns, outer, common, .. } = self.scope;
        if let Some(common) = common.iter().find(|common| common.name == column.name) {
            return Ok(common.expr.clone());
        }
        let is_inner = columns[outer..].iter().any(|known| *known.name == *column.name);
        let within = match (outer, is_inner) {
            (0, _) | (_, true) => outer..columns.len(),
            (_, false) => 0..outer,
        };
        let index = self.column_within(within, column)?;
        Ok(plan::Expr::column(index, columns[index].data_type))
    }

    /// The position of the one column of that name.
    pub fn column(&mut self, column: &Ident) -> Bound<usize> {
        self.column_within(0..self.scope.columns.len(), column)
    }

    fn column_within(&mut self, within: std::ops::Range<usize>, column: &Ident) -> Bound<usize> {
        let columns = self.scope.columns;
        let mut found = within.clone().filter(|index| *columns[*index].name == *column.name);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(index),
            (Some(first), Some(second)) => {
                let problem = Problem::new(column.span, format!("{} can mean more than one column", column.name));
                let owner = |index: usize| self.scope.tables.iter().find(|table| table.columns.contains(&index));
                let help = match (owner(first), owner(second)) {
                    (Some(one), Some(other)) if one.name != other.name => {
                        Some(format!("say which: {}.{name} or {}.{name}", one.name, other.name, name = column.name))
                    }
                    _ => None,
                };
                self.fail(Problem { help, ..problem })
            }
            (None, _) => {
                let problem = Problem::new(column.span, format!("there is no column {}", column.name));
                let help = suggest_column(&column.name, &columns[within]);
                self.fail(Problem { help, ..problem })
            }
        }
    }

    /// The columns of the table that is called so.
    pub fn columns_of(&mut self, table: &Ident) -> Bound<std::ops::Range<usize>> {
        // Those of a subquery stand behind those of the query around it.
        if let Some(known) = self.scope.tables.iter().rev().find(|known| known.name == table.name) {
            return Ok(known.columns.clone());
        }
        let problem = Problem::new(table.span, format!("there is no table {} here", table.name));
        let known: Vec<&str> = self.scope.tables.iter().map(|known| known.name.as_str()).collect();
        self.fail(match known.as_slice() {
            [] => problem.help("leave out the name before the dot, or name the subquery with AS"),
            [known] => problem.help(format!("what this query reads is called {known}")),
            _ => problem.help(format!("the tables here are called {}", known.join(", "))),
        })
    }

    fn time_literal(&mut self, span: Span, value: Option<plan::Expr>, example: &str) -> Bound {
        match value {
            Some(expr) => Ok(expr),
            None => {
                let problem =
                    Problem::new(span, "this is no valid date or time").help(format!("write it as in {example}"));
                self.fail(problem)
            }
        }
    }

    fn negate(&mut self, operand: &ast::Expr) -> Bound {
        // The one number that fits with its minus only.
        if matches!(&operand.kind, ast::ExprKind::Number(digits) if digits == "9223372036854775808") {
            return Ok(plan::Expr::literal(Value::Int(i64::MIN), DataType::BigInt));
        }
        let bound = self.bind(operand)?;
        let data_type = bound.data_type;
        if data_type == DataType::Null {
            return Ok(null(DataType::Int));
        }
        if let (true, ExprKind::Literal(Value::Int(value))) = (data_type.is_interval(), &bound.kind) {
            return Ok(plan::Expr::literal(Value::Int(-value), data_type));
        }
        if !data_type.is_numeric() {
            return self.fail(Problem::new(operand.span, format!("- needs a number, not {data_type}")));
        }
        Ok(plan::Expr::new(ExprKind::Negate(Box::new(bound)), data_type))
    }

    fn arithmetic(&mut self, op: ArithmeticOp, left: &ast::Expr, right: &ast::Expr, span: Span) -> Bound {
        let (l, r) = (self.bind(left), self.bind(right));
        let (l, r) = (l?, r?);
        let (lt, rt) = (l.data_type, r.data_type);
        if lt.is_interval() || rt.is_interval() {
            return self.interval_arithmetic(op, l, r, span);
        }
        if op == ArithmeticOp::Modulo {
            return self.modulo(l, r, span);
        }
        match types::arithmetic(op, lt, rt) {
            Some(data_type) => Ok(arithmetic(op, l, r, data_type)),
            None if lt == DataType::Null && rt == DataType::Null => Ok(null(DataType::Int)),
            None => {
                let problem = Problem::new(span, format!("'{}' cannot be applied to {lt} and {rt}", symbol(op)));
                let is_time = |t: DataType| t.is_timestamp() || matches!(t, DataType::Date | DataType::Time(_));
                let problem = if is_time(lt) && is_time(rt) {
                    problem.help("the time between two moments is TIMESTAMPDIFF(SECOND, from, to)")
                } else if is_time(lt) {
                    problem.help("to move a time write: time + INTERVAL '5' SECOND")
                } else if lt == DataType::String && rt == DataType::String && op == ArithmeticOp::Add {
                    problem.help("texts are joined with ||")
                } else if lt == DataType::String || rt == DataType::String {
                    problem.help("if the text holds a number: CAST(text AS DOUBLE)")
                } else {
                    problem
                };
                self.fail(problem)
            }
        }
    }

    /// `%` and MOD: of whole numbers, DECIMAL(p, 0) among them, the result has the divisor's type.
    pub fn modulo(&mut self, left: plan::Expr, right: plan::Expr, span: Span) -> Bound {
        let (lt, rt) = (left.data_type, right.data_type);
        let exact = |t| t == DataType::Null || types::as_decimal(t).is_some();
        if !exact(lt) || !exact(rt) {
            let problem =
                Problem::new(span, format!("the remainder needs whole or DECIMAL numbers, not {lt} and {rt}"));
            return self.fail(problem.help("convert a DOUBLE first: CAST(x AS DECIMAL(20, 6))"));
        }
        let whole = |t: DataType| matches!(types::as_decimal(t), Some((_, 0)));
        let result = if whole(rt) && whole(lt) { rt } else { DataType::Null };
        let Some(data_type) = types::arithmetic(ArithmeticOp::Modulo, lt, rt) else { return Ok(null(DataType::Int)) };
        let remainder = arithmetic(ArithmeticOp::Modulo, left, right, data_type);
        Ok(if result == DataType::Null { remainder } else { coerce(remainder, result) })
    }

    fn interval_arithmetic(&mut self, op: ArithmeticOp, left: plan::Expr, right: plan::Expr, span: Span) -> Bound {
        let (lt, rt) = (left.data_type, right.data_type);
        let is_time = |t: DataType| t.is_timestamp() || matches!(t, DataType::Date | DataType::Time(_));
        let (time, interval) = match op {
            ArithmeticOp::Add if is_time(rt) => (right, left),
            ArithmeticOp::Add | ArithmeticOp::Subtract if is_time(lt) => (left, right),
            ArithmeticOp::Add | ArithmeticOp::Subtract if lt.is_interval() && lt == rt => {
                return Ok(arithmetic(op, left, right, lt));
            }
            ArithmeticOp::Multiply | ArithmeticOp::Divide if lt.is_interval() && rt.is_numeric() => {
                return Ok(scaled_interval(op, left, right));
            }
            ArithmeticOp::Multiply if lt.is_numeric() => return Ok(scaled_interval(op, right, left)),
            _ => {
                let message = format!("'{}' cannot be applied to {lt} and {rt}", symbol(op));
                return self.fail(Problem::new(span, message).help("an interval is added to a time or taken from it"));
            }
        };
        let data_type = time.data_type;
        let negative = op == ArithmeticOp::Subtract;
        let kind = ExprKind::AddInterval { time: Box::new(time), interval: Box::new(interval), negative };
        Ok(plan::Expr::new(kind, data_type))
    }

    /// The expression once more, against the limit on copies.
    pub fn copy(&mut self, expr: &plan::Expr, span: Span) -> Bound {
        *self.copied_nodes += size(expr);
        if *self.copied_nodes > COPIED_NODES_MAX {
            let problem = Problem::new(span, "this query repeats too large expressions too often");
            return self.fail(problem.help("compute a part of it in a subquery of its own"));
        }
        Ok(expr.clone())
    }

    pub fn text(&mut self, operand: &ast::Expr, what: &str) -> Bound {
        let bound = self.bind(operand)?;
        match bound.data_type {
            DataType::String | DataType::Null => Ok(coerce(bound, DataType::String)),
            other => {
                let problem = Problem::new(operand.span, format!("{what} needs a text, not {other}"));
                self.fail(problem.help("convert it: CAST(x AS STRING)"))
            }
        }
    }

    /// The one type that holds all of them.
    pub fn common_type(&mut self, found: &[(DataType, Span)], what: &str) -> Bound<DataType> {
        self.type_of_all(found, what, types::common)
    }

    /// The one type of all of them, taken two by two.
    pub fn type_of_all(
        &mut self,
        found: &[(DataType, Span)],
        what: &str,
        of_two: fn(DataType, DataType) -> Option<DataType>,
    ) -> Bound<DataType> {
        let mut data_type = DataType::Null;
        for (next, span) in found {
            match of_two(data_type, *next) {
                Some(both) => data_type = both,
                None => {
                    let message = format!("{what} have no common type: {next} does not go with {data_type}");
                    let text = *next == DataType::String || data_type == DataType::String;
                    let target = if text { DataType::String } else { data_type };
                    return self
                        .fail(Problem::new(*span, message).help(format!("convert one of them: CAST(x AS {target})")));
                }
            }
        }
        Ok(data_type)
    }

    fn cast(&mut self, operand: &ast::Expr, target: CastTarget, safe: bool, span: Span) -> Bound {
        let bound = self.bind(operand)?;
        let (from, to) = (bound.data_type, target.data_type);
        if to.is_nested() && target.length != TextLength::Any {
            return self.fail(
                Problem::unsupported(span, "a text of limited length inside the type of a CAST")
                    .help("write STRING for it"),
            );
        }
        if !types::can_cast(from, to) {
            let problem = Problem::new(span, format!("{from} cannot be cast to {to}"));
            let problem = match (from.is_numeric(), to.is_timestamp()) {
                (true, true) => problem.help("milliseconds since 1970: TO_TIMESTAMP_LTZ(number, 3)"),
                _ => problem,
            };
            return self.fail(problem);
        }
        let cast = if from == DataType::Null {
            null(to)
        } else {
            plan::Expr::new(ExprKind::Cast { operand: Box::new(bound), safe }, to)
        };
        let length = |n: u32| plan::Expr::literal(Value::Int(i64::from(n)), DataType::Int);
        Ok(match target.length {
            TextLength::Any => cast,
            TextLength::AtMost(n) => call(Function::Left, vec![cast, length(n)], to),
            TextLength::Exactly(n) => {
                let blank = if to == DataType::Bytes { Value::Bytes([0].into()) } else { Value::string(" ") };
                call(Function::Rpad, vec![cast, length(n), plan::Expr::literal(blank, to)], to)
            }
        })
    }

    pub fn any_time(&mut self, operand: &ast::Expr, what: &str) -> Bound {
        let bound = self.bind(operand)?;
        self.time_of(bound, operand, what)
    }

    fn time_of(&mut self, bound: plan::Expr, operand: &ast::Expr, what: &str) -> Bound {
        match bound.data_type {
            DataType::Date | DataType::Time(_) => Ok(bound),
            t if t.is_timestamp() => Ok(bound),
            DataType::Null => Ok(coerce(bound, DataType::Timestamp(3))),
            other => {
                let problem = Problem::new(operand.span, format!("{what} needs a date or a time, not {other}"));
                self.fail(match other {
                    DataType::String => problem.help("convert it: CAST(text AS TIMESTAMP(3))"),
                    t if t.is_integer() => problem.help("milliseconds since 1970: TO_TIMESTAMP_LTZ(number, 3)"),
                    _ => problem,
                })
            }
        }
    }

    /// What EXTRACT takes a part of: a time, or an interval that has such a part.
    fn extracted_from(&mut self, unit: plan::TimeUnit, operand: &ast::Expr) -> Bound {
        use plan::TimeUnit::{Day, Hour, Microsecond, Millisecond, Minute, Month, Nanosecond, Quarter, Second, Year};
        let bound = self.bind(operand)?;
        let has_part = match bound.data_type {
            DataType::Date | DataType::Time(_) => !matches!(unit, Microsecond | Nanosecond),
            DataType::IntervalMonths => matches!(unit, Year | Quarter | Month),
            DataType::IntervalMillis => matches!(unit, Day | Hour | Minute | Second | Millisecond),
            _ => return self.time_of(bound, operand, "EXTRACT"),
        };
        match has_part {
            true => Ok(bound),
            false => self.fail(Problem::new(operand.span, format!("{} has no such part", bound.data_type))),
        }
    }

    pub fn trim(&mut self, side: TrimSide, characters: Option<&ast::Expr>, operand: &ast::Expr) -> Bound {
        let text = self.text(operand, "TRIM");
        let characters = match characters {
            Some(characters) => self.text(characters, "TRIM"),
            None => Ok(plan::Expr::literal(Value::string(" "), DataType::String)),
        };
        let function = match side {
            TrimSide::Both => Function::Trim,
            TrimSide::Leading => Function::TrimLeading,
            TrimSide::Trailing => Function::TrimTrailing,
        };
        Ok(call(function, vec![text?, characters?], DataType::String))
    }

    /// An aggregate's place in the SELECT list: a column beyond all columns.
    pub fn collect(&mut self, aggregate: Aggregate) -> Bound {
        let Aggregation::Collect(calls) = &mut self.aggregation else { return Err(Reported) };
        let aggregates = &mut calls.aggregates;
        let data_type = aggregate.data_type;
        let index = match aggregates.iter().position(|known| *known == aggregate) {
            Some(index) => index,
            None => {
                aggregates.push(aggregate);
                aggregates.len() - 1
            }
        };
        Ok(plan::Expr::column(aggregate::BASE + index, data_type))
    }
}

/// "did you mean …?", or what there is.
pub fn suggest_column(name: &str, columns: &[Column]) -> Option<String> {
    let names = columns.iter().map(|column| &*column.name);
    if let Some(near) = nearest(name, names) {
        let hint = if near.eq_ignore_ascii_case(name) { " Upper and lower case differ" } else { "" };
        return Some(format!("did you mean {near}?{hint}"));
    }
    if columns.is_empty() || columns.len() > 12 {
        return None;
    }
    let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
    Some(format!("the columns are {}", names.join(", ")))
}

/// The expression as `data_type`, through a CAST where it is of another.
pub fn coerce(expr: plan::Expr, data_type: DataType) -> plan::Expr {
    if expr.data_type == data_type {
        return expr;
    }
    match expr.kind {
        ExprKind::Literal(Value::Null) => null(data_type),
        _ => plan::Expr::new(ExprKind::Cast { operand: Box::new(expr), safe: false }, data_type),
    }
}

pub fn null(data_type: DataType) -> plan::Expr {
    plan::Expr::literal(Value::Null, data_type)
}

pub fn boolean(kind: ExprKind) -> plan::Expr {
    plan::Expr::new(kind, DataType::Boolean)
}

pub fn call(function: Function, arguments: Vec<plan::Expr>, data_type: DataType) -> plan::Expr {
    plan::Expr::new(ExprKind::Call { function, arguments }, data_type)
}

pub fn compare(op: CompareOp, left: plan::Expr, right: plan::Expr) -> plan::Expr {
    boolean(ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) })
}

/// The operands as the plan wants them: DECIMAL with its own digits, anything else of the result's type.
pub fn arithmetic(op: ArithmeticOp, left: plan::Expr, right: plan::Expr, data_type: DataType) -> plan::Expr {
    let operand = |expr: plan::Expr| {
        let target = match (data_type, types::as_decimal(expr.data_type)) {
            (DataType::Decimal { .. }, Some((precision, scale))) => DataType::Decimal { precision, scale },
            _ => data_type,
        };
        coerce(expr, target)
    };
    let kind = ExprKind::Arithmetic { op, left: Box::new(operand(left)), right: Box::new(operand(right)) };
    plan::Expr::new(kind, data_type)
}

/// An interval times or divided by a number, which is cut to a whole one of months or milliseconds.
fn scaled_interval(op: ArithmeticOp, interval: plan::Expr, by: plan::Expr) -> plan::Expr {
    let data_type = interval.data_type;
    if by.data_type.is_integer() {
        return arithmetic(op, interval, by, data_type);
    }
    let wide = |expr: plan::Expr| coerce(expr, DataType::Double);
    coerce(arithmetic(op, wide(coerce(interval, DataType::BigInt)), wide(by), DataType::Double), data_type)
}

fn interval_literal(interval: Interval) -> plan::Expr {
    match interval {
        Interval::Months(months) => plan::Expr::literal(Value::Int(months), DataType::IntervalMonths),
        Interval::Millis(millis) => plan::Expr::literal(Value::Int(millis), DataType::IntervalMillis),
    }
}

fn symbol(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "+",
        ArithmeticOp::Subtract => "-",
        ArithmeticOp::Multiply => "*",
        ArithmeticOp::Divide => "/",
        ArithmeticOp::Modulo => "%",
    }
}

/// Nodes of the tree.
pub fn size(expr: &plan::Expr) -> usize {
    1 + expr.children().into_iter().map(size).sum::<usize>()
}
