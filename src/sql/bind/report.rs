//! Functions that remember, tidegate's own: report by exception.
//!
//! CHANGED, DEADBAND, AT_MOST_EVERY and their like compare a row with the one of its device that was reported last, which
//! is the last one for which WHERE was TRUE. So they are plain expressions over the row and over what is remembered of
//! that one, and mean the same in whatever order and however often they are written. HYSTERESIS, HELD_FOR and
//! BECOMES_TRUE follow all rows that FROM gives.
//!
//! While SELECT and WHERE are bound, what is remembered stands as columns from [`REMEMBERED`] on and what is followed as
//! columns from [`WATCHED`] on; [`Binder::reported`] makes the operator and gives them their places.

use super::aggregate::{Calls, OverWindow, SortItem};
use super::expr::{Aggregation, Bound, ExprBinder, Reported, arithmetic, boolean, call, coerce, compare, null};
use super::over::{Columns, Computed};
use super::select::Item;
use super::{Binder, Relation, types};
use crate::model::{Column, DataType, Millis, Value};
use crate::plan::{ArithmeticOp, CompareOp, Expr, ExprKind, Function, Node, NodeKind, Report, Watch};
use crate::sql::ast::{self, CallArguments, Interval};
use crate::sql::span::{Problem, Span};

/// Columns from here on are remembered values; `aggregate.rs` has those below.
const REMEMBERED: usize = 1 << 24;

/// Columns from here on are answers of watches.
const WATCHED: usize = 1 << 25;

/// Name, fewest and most arguments, signature.
const FUNCTIONS: [(&str, usize, usize, &str); 9] = [
    ("LAST_REPORTED", 1, 1, "LAST_REPORTED(value)"),
    ("CHANGED", 1, usize::MAX, "CHANGED(value, …)"),
    ("DEADBAND", 2, 2, "DEADBAND(number, width)"),
    ("DEADBAND_PERCENT", 2, 2, "DEADBAND_PERCENT(number, percent)"),
    ("AT_MOST_EVERY", 1, 1, "AT_MOST_EVERY(INTERVAL '10' SECOND)"),
    ("AT_LEAST_EVERY", 1, 1, "AT_LEAST_EVERY(INTERVAL '10' SECOND)"),
    ("HYSTERESIS", 3, 3, "HYSTERESIS(number, on, off)"),
    ("HELD_FOR", 2, 3, "HELD_FOR(condition, INTERVAL '30' SECOND [, longest gap between rows])"),
    ("BECOMES_TRUE", 1, 1, "BECOMES_TRUE(condition)"),
];

pub fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

pub fn is_function(upper: &str) -> bool {
    names().any(|name| name == upper)
}

/// What the functions of one SELECT need.
#[derive(Default)]
pub struct Memory {
    /// Of all calls, and where the first one stands; `None`: there is none.
    first: Option<(Window, Span)>,
    remembered: Vec<Expr>,
    watches: Vec<Watch>,
}

#[derive(Clone, Debug, PartialEq)]
struct Window {
    /// `None`: by the device.
    partition: Option<Vec<Expr>>,
    time: usize,
}

impl Memory {
    /// The first call.
    pub fn span(&self) -> Option<Span> {
        self.first.as_ref().map(|(_, span)| *span)
    }
}

impl ExprBinder<'_> {
    pub fn memory_call(&mut self, upper: &str, written: &ast::Call, span: Span) -> Bound {
        let place = match &self.aggregation {
            Aggregation::Collect(_) | Aggregation::Where(_) => None,
            Aggregation::Match(_) => Some("MATCH_RECOGNIZE"),
            Aggregation::Refuse(place) => Some(*place),
        };
        if let Some(place) = place {
            let problem = Problem::new(span, format!("{upper} remembers rows, and {place} cannot hold it"));
            return self.fail(problem.help("it stands in SELECT or WHERE of a subquery; use its column here"));
        }
        if written.distinct || written.filter.is_some() {
            let what = if written.distinct { "DISTINCT" } else { "FILTER" };
            let message = format!("{what} belongs to an aggregate, and {upper} is none");
            return self.fail(Problem::new(written.name.span, message));
        }
        let arguments: &[ast::Expr] = match &written.arguments {
            CallArguments::List(arguments) => arguments,
            CallArguments::None | CallArguments::Star => &[],
        };
        let Some((_, least, most, signature)) = FUNCTIONS.iter().find(|(name, ..)| *name == upper) else {
            return Err(Reported);
        };
        if !(*least..=*most).contains(&arguments.len()) {
            return self.wrong_count(written, span, arguments.len(), signature);
        }
        let time = self.memory_window(written, upper, span)?;
        match upper {
            "LAST_REPORTED" => {
                let value = self.remembered_value(&arguments[0])?;
                self.remember(value)
            }
            "CHANGED" => self.changed(arguments, span),
            "DEADBAND" => self.deadband(upper, arguments, span),
            "DEADBAND_PERCENT" => self.deadband_percent(upper, arguments, span),
            "AT_MOST_EVERY" | "AT_LEAST_EVERY" => self.every(time, &arguments[0]),
            "HYSTERESIS" => self.hysteresis(arguments, span),
            "HELD_FOR" => self.held_for(arguments),
            _ => {
                let condition = self.boolean(&arguments[0], upper)?;
                self.watch(Watch::Rise { condition })
            }
        }
    }

    fn calls(&mut self) -> Bound<&mut Calls> {
        match &mut self.aggregation {
            Aggregation::Collect(calls) | Aggregation::Where(calls) => Ok(calls),
            Aggregation::Match(_) | Aggregation::Refuse(_) => Err(Reported),
        }
    }

    /// The event time by which the rows go. All calls must have one window.
    fn memory_window(&mut self, written: &ast::Call, upper: &str, span: Span) -> Bound<usize> {
        let window = match &written.over {
            None => match self.scope.times.first() {
                Some(time) => Window { partition: None, time: *time },
                None => {
                    let problem = Problem::new(span, format!("{upper} goes in order of event time, and here is none"));
                    return self.fail(problem.help(
                        "the source needs one (event_time, or WATERMARK FOR in CREATE TABLE), and a subquery must pass it on",
                    ));
                }
            },
            Some(over) => {
                let spec = self.window_spec(over)?;
                self.explicit_window(&spec)?
            }
        };
        let time = window.time;
        let memory = &mut self.calls()?.memory;
        match &memory.first {
            Some((known, _)) if *known != window => {
                let problem = Problem::new(span, "all functions of one SELECT that remember must have the same window");
                self.fail(problem.help("compute the others in a subquery"))
            }
            Some(_) => Ok(time),
            None => {
                memory.first = Some((window, span));
                Ok(time)
            }
        }
    }

    /// OVER (PARTITION BY key ORDER BY ts)
    fn explicit_window(&mut self, spec: &ast::WindowSpec) -> Bound<Window> {
        let OverWindow { partition, order, frame } = self.over_window(spec)?;
        if frame.is_some() {
            let problem = Problem::new(spec.span, "a function that remembers has no frame: it knows all rows before");
            return self.fail(problem.help("OVER (PARTITION BY key ORDER BY ts)"));
        }
        if partition.iter().any(remembers) {
            return self.fail(Problem::new(spec.span, "what is remembered cannot tell the partitions apart"));
        }
        match order.as_slice() {
            [SortItem { expr: Expr { kind: ExprKind::Column(time), .. }, descending: false, .. }]
                if self.scope.times.contains(time) =>
            {
                Ok(Window { partition: Some(partition), time: *time })
            }
            _ => {
                let problem = Problem::new(spec.span, "rows are remembered in order of event time, ascending");
                let time = self.scope.times.first().and_then(|time| self.scope.columns.get(*time));
                let help = match time {
                    Some(column) => format!("ORDER BY {}", column.name),
                    None => "what it reads has no event time".to_owned(),
                };
                self.fail(problem.help(help))
            }
        }
    }

    /// The value of the expression in the row that was reported last.
    fn remember(&mut self, expr: Expr) -> Bound {
        let data_type = expr.data_type;
        let remembered = &mut self.calls()?.memory.remembered;
        let index = remembered.iter().position(|known| *known == expr).unwrap_or_else(|| {
            remembered.push(expr);
            remembered.len() - 1
        });
        Ok(Expr::column(REMEMBERED + index, data_type))
    }

    fn watch(&mut self, watch: Watch) -> Bound {
        let watches = &mut self.calls()?.memory.watches;
        let index = watches.iter().position(|known| *known == watch).unwrap_or_else(|| {
            watches.push(watch);
            watches.len() - 1
        });
        Ok(Expr::column(WATCHED + index, DataType::Boolean))
    }

    fn remembered_value(&mut self, argument: &ast::Expr) -> Bound {
        let bound = self.bind(argument)?;
        Ok(if bound.data_type == DataType::Null { null(DataType::Int) } else { bound })
    }

    /// Nothing has been reported, or one of the values is another one.
    fn changed(&mut self, arguments: &[ast::Expr], span: Span) -> Bound {
        let known = self.remember(Expr::literal(Value::Boolean(true), DataType::Boolean))?;
        let mut reasons = vec![boolean(ExprKind::IsNull { operand: Box::new(known), negated: false })];
        for argument in arguments {
            let value = self.remembered_value(argument)?;
            let last = self.copy(&value, span)?;
            let last = self.remember(last)?;
            reasons.push(boolean(ExprKind::NotDistinct {
                left: Box::new(value),
                right: Box::new(last),
                negated: true,
            }));
        }
        Ok(boolean(ExprKind::Or(reasons)))
    }

    fn deadband(&mut self, upper: &str, arguments: &[ast::Expr], span: Span) -> Bound {
        let value = self.measured(upper, &arguments[0])?;
        let width = self.measured(upper, &arguments[1])?;
        let last = self.last_of(&value, span)?;
        let distance = absolute(combined(ArithmeticOp::Subtract, self.copy(&value, span)?, last.clone())?);
        self.outside(value, last, distance, width, span)
    }

    /// Without a division: `|value - last| * 100` against `|last| * percent`.
    fn deadband_percent(&mut self, upper: &str, arguments: &[ast::Expr], span: Span) -> Bound {
        let value = self.measured(upper, &arguments[0])?;
        let percent = self.measured(upper, &arguments[1])?;
        let last = self.last_of(&value, span)?;
        let distance = absolute(combined(ArithmeticOp::Subtract, self.copy(&value, span)?, last.clone())?);
        let hundred = Expr::literal(Value::Int(100), DataType::Int);
        let distance = combined(ArithmeticOp::Multiply, distance, hundred)?;
        let width = combined(ArithmeticOp::Multiply, absolute(last.clone()), percent)?;
        self.outside(value, last, distance, width, span)
    }

    /// There is a value, and nothing to compare it with, or it is not within the width. (NaN is within nothing, so that
    /// one NaN does not keep the ones after it from being reported.)
    fn outside(&mut self, value: Expr, last: Expr, distance: Expr, width: Expr, span: Span) -> Bound {
        let (distance, width) = self.comparable(distance, width, Some(CompareOp::LessOrEqual), span)?;
        let within = compare(CompareOp::LessOrEqual, distance, width);
        let moved = boolean(ExprKind::IsBoolean { operand: Box::new(within), expected: false, negated: false });
        let unknown = boolean(ExprKind::IsNull { operand: Box::new(last), negated: false });
        let is_there = boolean(ExprKind::IsNull { operand: Box::new(value), negated: true });
        Ok(boolean(ExprKind::And(vec![is_there, boolean(ExprKind::Or(vec![unknown, moved]))])))
    }

    /// A number as one of a type whose differences do not wrap around.
    fn measured(&mut self, upper: &str, argument: &ast::Expr) -> Bound {
        let bound = self.number(argument, upper)?;
        Ok(match types::as_decimal(bound.data_type) {
            Some((precision, scale)) => coerce(bound, DataType::Decimal { precision, scale }),
            None => coerce(bound, DataType::Double),
        })
    }

    fn last_of(&mut self, value: &Expr, span: Span) -> Bound {
        let value = self.copy(value, span)?;
        self.remember(value)
    }

    /// Nothing has been reported, or not for this long.
    fn every(&mut self, time: usize, length: &ast::Expr) -> Bound {
        let millis = self.length(length)?;
        let now = Expr::column(time, self.scope.columns[time].data_type);
        let last = self.remember(now.clone())?;
        let data_type = now.data_type;
        let interval = Expr::literal(Value::Int(millis), DataType::IntervalMillis);
        let due = ExprKind::AddInterval { time: Box::new(last.clone()), interval: Box::new(interval), negative: false };
        let is_due = compare(CompareOp::GreaterOrEqual, now, Expr::new(due, data_type));
        let unknown = boolean(ExprKind::IsNull { operand: Box::new(last), negated: false });
        Ok(boolean(ExprKind::Or(vec![unknown, is_due])))
    }

    fn length(&mut self, length: &ast::Expr) -> Bound<Millis> {
        match length.kind {
            ast::ExprKind::Interval(Interval::Millis(millis)) if millis > 0 => Ok(millis),
            _ => {
                let problem = Problem::new(length.span, "this must be an interval of days, hours, minutes or seconds");
                self.fail(problem.help("for example INTERVAL '30' SECOND"))
            }
        }
    }

    /// On beyond `on`, off beyond `off` on the other side; which side is which, the two say.
    fn hysteresis(&mut self, arguments: &[ast::Expr], span: Span) -> Bound {
        let numbers: Vec<Bound> = arguments.iter().map(|argument| self.measured("HYSTERESIS", argument)).collect();
        let numbers = numbers.into_iter().collect::<Bound<Vec<Expr>>>()?;
        let [value, on, off] = numbers.as_slice() else { return Err(Reported) };
        // Where both are the same, on is above.
        let on_is_high = self.compared(CompareOp::GreaterOrEqual, on, off, span)?;
        let off_is_high = self.compared(CompareOp::Greater, off, on, span)?;
        let set = self.beyond(value, on, on_is_high, span)?;
        let reset = self.beyond(value, off, off_is_high, span)?;
        self.watch(Watch::Latch { set, reset })
    }

    /// Whether the value is beyond the limit: above it, if it is the high one.
    fn beyond(&mut self, value: &Expr, limit: &Expr, is_high: Expr, span: Span) -> Bound {
        let above = self.compared(CompareOp::Greater, value, limit, span)?;
        let below = self.compared(CompareOp::Less, value, limit, span)?;
        Ok(Expr::new(
            ExprKind::Case { branches: vec![(is_high, above)], otherwise: Box::new(below) },
            DataType::Boolean,
        ))
    }

    fn compared(&mut self, op: CompareOp, left: &Expr, right: &Expr, span: Span) -> Bound {
        let (left, right) = (self.copy(left, span)?, self.copy(right, span)?);
        let (left, right) = self.comparable(left, right, Some(op), span)?;
        Ok(compare(op, left, right))
    }

    fn held_for(&mut self, arguments: &[ast::Expr]) -> Bound {
        let condition = self.boolean(&arguments[0], "HELD_FOR")?;
        let for_ms = self.length(&arguments[1])?;
        let gap_ms = arguments.get(2).map(|gap| self.length(gap)).transpose()?;
        self.watch(Watch::Held { condition, for_ms, gap_ms })
    }
}

impl Binder<'_> {
    /// The relation under WHERE, with what the functions that remember need beside its columns.
    pub(super) fn reported(
        &mut self,
        relation: Relation,
        filter: Option<Expr>,
        items: &mut [Item],
        memory: Memory,
    ) -> Bound<Relation> {
        let Memory { first, mut remembered, mut watches } = memory;
        let Some((window, span)) = first else {
            return Ok(match filter {
                Some(predicate) => self.restricted(relation, predicate),
                None => relation,
            });
        };
        let mut columns = Columns::behind(&relation);
        let partition: Vec<usize> = match (&window.partition, relation.schema().device) {
            (Some(keys), _) => keys.iter().map(|key| columns.place(key)).collect(),
            (None, Some(device)) => vec![device],
            (None, None) => {
                let problem = Problem::new(span, "whose rows are to be remembered? What this reads has no device");
                return self.fail(problem.help("say it: … OVER (PARTITION BY key ORDER BY ts)"));
            }
        };
        let (times, windows) = (relation.times.clone(), relation.window);
        let Computed { node, mut schema, depth } = columns.computed(relation);
        let places = Places { remembered: schema.columns.len(), watched: schema.columns.len() + remembered.len() };
        let mut condition = filter;
        let own = remembered.iter_mut().chain(watches.iter_mut().flat_map(Watch::exprs_mut)).chain(&mut condition);
        own.chain(items.iter_mut().map(|item| &mut item.expr)).for_each(|expr| places.fill(expr));
        for (index, expr) in remembered.iter().enumerate() {
            schema.columns.push(Column { name: format!("remembered${index}").into(), data_type: expr.data_type });
        }
        for index in 0..watches.len() {
            schema.columns.push(Column { name: format!("watched${index}").into(), data_type: DataType::Boolean });
        }
        let report = Box::new(Report { time: window.time, partition, remembered, watches, condition });
        let kind = NodeKind::Report { input: Box::new(node), report };
        let relation = Relation::of_node(Node { kind, schema });
        self.limit_depth(Relation { times, window: windows, depth: depth + 1, ..relation }, span)
    }
}

/// Where the remembered values and the answers of watches begin in the whole row.
struct Places {
    remembered: usize,
    watched: usize,
}

impl Places {
    fn fill(&self, expr: &mut Expr) {
        match &mut expr.kind {
            ExprKind::Column(column) if *column >= WATCHED => *column = *column - WATCHED + self.watched,
            ExprKind::Column(column) if *column >= REMEMBERED => *column = *column - REMEMBERED + self.remembered,
            _ => expr.children_mut().into_iter().for_each(|child| self.fill(child)),
        }
    }
}

fn remembers(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Column(column) if column >= REMEMBERED) || expr.children().into_iter().any(remembers)
}

fn absolute(number: Expr) -> Expr {
    let data_type = number.data_type;
    call(Function::Abs, vec![number], data_type)
}

fn combined(op: ArithmeticOp, left: Expr, right: Expr) -> Bound {
    let data_type = types::arithmetic(op, left.data_type, right.data_type).ok_or(Reported)?;
    Ok(arithmetic(op, left, right, data_type))
}
