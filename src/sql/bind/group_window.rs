//! GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE): how windows were written before there were window functions, and in most
//! SQL that is found still are. It means the window function over what FROM gives; TUMBLE_START(ts, …) and the like are
//! its columns, behind those of the input, where no name reaches them.

use super::aggregate::PART;
use super::expr::{Aggregation, Bound, ExprBinder};
use super::select::filtered;
use super::window::{Windows, window_relation};
use super::{Binder, Relation};
use crate::model::{Column, DataType, Millis, Value};
use crate::plan::{self, Expr, ExprKind, Node, NodeKind};
use crate::sql::ast::{self, CallArguments, GroupElement, Interval, WindowFunction, WindowInterval, WindowShape};
use crate::sql::span::{Problem, Span};

struct Function {
    name: &'static str,
    function: WindowFunction,
    /// What it takes.
    arguments: &'static str,
    /// How many intervals are among them.
    intervals: usize,
}

const FUNCTIONS: [Function; 3] = [
    Function { name: "TUMBLE", function: WindowFunction::Tumble, arguments: "ts, size", intervals: 1 },
    Function { name: "HOP", function: WindowFunction::Hop, arguments: "ts, slide, size", intervals: 2 },
    Function { name: "SESSION", function: WindowFunction::Session, arguments: "ts, gap", intervals: 1 },
];

/// What of a window the functions give, in the order of its columns.
const PARTS: [&str; 3] = ["START", "END", "ROWTIME"];

const NAMES: [&str; 9] = [
    "TUMBLE_START",
    "TUMBLE_END",
    "TUMBLE_ROWTIME",
    "HOP_START",
    "HOP_END",
    "HOP_ROWTIME",
    "SESSION_START",
    "SESSION_END",
    "SESSION_ROWTIME",
];

/// The window of a GROUP BY.
pub struct GroupWindow {
    function: WindowFunction,
    /// The event time, or what is computed of it.
    time: Expr,
    intervals: Vec<Millis>,
    windows: Windows,
    /// Of window_start, window_end and window_time.
    types: [DataType; 3],
    /// Columns of the input.
    width: usize,
    span: Span,
}

impl GroupWindow {
    /// What GROUP BY has in its place.
    pub fn keys(&self) -> Vec<Expr> {
        let first = self.width + usize::from(!is_column(&self.time));
        let key = |(part, data_type): (usize, &DataType)| Expr::column(first + part, *data_type);
        self.types.iter().enumerate().map(key).collect()
    }

    /// What the function of a part gives. As in Flink start and end are plain times: to group by them again makes no
    /// windows, which a window function's columns do. The third one is an event time.
    fn part(&self, part: usize) -> Expr {
        let data_type = self.types[part];
        let column = Expr::column(PART + part, data_type);
        match PARTS[part] {
            "ROWTIME" => column,
            _ => Expr::new(ExprKind::Cast { operand: Box::new(column), safe: false }, data_type),
        }
    }

    /// The rows with their windows.
    pub fn windowed(&self, input: Relation) -> Relation {
        match self.time.kind {
            ExprKind::Column(time) => window_relation(input, time, self.windows, Vec::new()),
            _ => window_relation(with_time(input, &self.time), self.width, self.windows, Vec::new()),
        }
    }

    fn is(&self, function: WindowFunction, time: &Expr, intervals: &[Millis]) -> bool {
        self.function == function && self.time == *time && self.intervals == intervals
    }
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Column(_))
}

/// The rows with a time of their own as one more column, which no name reaches; those in which it is NULL are in no
/// window, as in Flink.
fn with_time(input: Relation, time: &Expr) -> Relation {
    let is_there = Expr::new(ExprKind::IsNull { operand: Box::new(time.clone()), negated: true }, DataType::Boolean);
    let input = filtered(input, is_there);
    let mut schema = input.schema().clone();
    let width = schema.columns.len();
    let column = |(index, column): (usize, &Column)| Expr::column(index, column.data_type);
    let exprs = schema.columns.iter().enumerate().map(column).chain([time.clone()]).collect();
    schema.columns.push(Column { name: "time$".into(), data_type: time.data_type });
    let times = input.times.iter().copied().chain([width]).collect();
    let kind = NodeKind::Project { input: Box::new(input.node), exprs };
    Relation { node: Node { kind, schema }, times, depth: input.depth + 1, ..input }
}

/// Whether it is an event time to Flink, too: what its functions of times and choices make of event times alone.
fn is_event_time(expr: &Expr, times: &[usize]) -> bool {
    let all = |exprs: &[Expr]| exprs.iter().all(|expr| is_event_time(expr, times));
    match &expr.kind {
        ExprKind::Column(column) => times.contains(column),
        ExprKind::AddInterval { time, .. } => is_event_time(time, times),
        ExprKind::Coalesce(operands) => all(operands),
        ExprKind::Call { function, arguments } => {
            use plan::Function::{CeilTo, FloorTo, Greatest, Least};
            matches!(function, FloorTo(_) | CeilTo(_) | Greatest | Least) && all(arguments)
        }
        ExprKind::Case { branches, otherwise } => {
            let results = branches.iter().map(|(_, result)| result).chain([&**otherwise]);
            let mut known = results.filter(|result| result.kind != ExprKind::Literal(Value::Null)).peekable();
            known.peek().is_some() && known.all(|result| is_event_time(result, times))
        }
        _ => false,
    }
}

/// Names of the functions that give a part of the window.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

/// Whether a key of GROUP BY is a window.
pub fn is_window(key: &ast::Expr) -> bool {
    matches!(&key.kind, ast::ExprKind::Call(call) if function(&call.name.name).is_some())
}

fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
}

impl Binder<'_> {
    /// The window that GROUP BY holds, if it holds one.
    pub(super) fn group_window(&mut self, select: &ast::Select, input: &Relation) -> Bound<Option<GroupWindow>> {
        let mut found: Option<GroupWindow> = None;
        for element in select.group_by.iter().flat_map(|group_by| &group_by.elements) {
            let keys: Vec<&ast::Expr> = match element {
                GroupElement::Key(key) => vec![key],
                GroupElement::Sets(sets) => sets.iter().flatten().collect(),
            };
            for key in keys {
                let ast::ExprKind::Call(call) = &key.kind else { continue };
                let Some(function) = function(&call.name.name) else { continue };
                let window = self.bound_window(call, function, input)?;
                if found.as_ref().is_some_and(|found| !found.is(window.function, &window.time, &window.intervals)) {
                    let problem = Problem::new(key.span, "GROUP BY takes one window");
                    return self.fail(problem.help("UNION ALL of two queries has the rows of both"));
                }
                found = Some(window);
            }
        }
        let is_set = |element: &GroupElement| matches!(element, GroupElement::Sets(_));
        match (&found, &select.group_by) {
            (Some(window), Some(group_by)) if group_by.elements.iter().any(is_set) => {
                let problem = Problem::new(window.span, "a window in GROUP BY does not go with GROUPING SETS");
                self.fail(problem.help(
                    "FROM TABLE(TUMBLE(TABLE source, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, ROLLUP(…)",
                ))
            }
            _ => Ok(found),
        }
    }

    fn bound_window(&mut self, call: &ast::Call, function: &Function, input: &Relation) -> Bound<GroupWindow> {
        let span = call.name.span;
        let arguments = match &call.arguments {
            CallArguments::List(arguments) if arguments.len() == 1 + function.intervals => arguments,
            _ => {
                let problem = Problem::new(span, "the window of GROUP BY has the wrong number of arguments");
                return self.fail(problem.help(format!("it is {}({})", function.name, function.arguments)));
            }
        };
        let time = self.expr(&arguments[0], input, Aggregation::Refuse("GROUP BY"))?;
        match time.kind {
            ExprKind::Column(column) => {
                self.closing_time(column, arguments[0].span, input)?;
            }
            _ if is_event_time(&time, &input.times) => {}
            _ => {
                let problem = Problem::new(arguments[0].span, "a window needs an event time");
                return self
                    .fail(problem.help("ts, ts + INTERVAL '1' HOUR, FLOOR(ts TO MINUTE); a CAST makes a plain time"));
            }
        }
        let interval = |expr: &ast::Expr| WindowInterval { name: None, expr: expr.clone() };
        let intervals = arguments[1..].iter().map(interval).collect();
        let function = function.function;
        let windows = self.windows(&WindowShape { function, span, intervals })?;
        let types = [DataType::Timestamp(3), DataType::Timestamp(3), time.data_type];
        let width = input.schema().columns.len();
        let intervals = arguments[1..].iter().filter_map(millis).collect();
        Ok(GroupWindow { function, time, intervals, windows, types, width, span })
    }
}

impl ExprBinder<'_> {
    /// TUMBLE_START(ts, size) and the like. `None`: it is none of them.
    pub fn group_window_call(&mut self, upper: &str, written: &ast::Call, span: Span) -> Option<Bound> {
        let (name, part) = upper.split_once('_').unwrap_or((upper, ""));
        let function = function(name)?;
        match PARTS.iter().position(|known| *known == part) {
            Some(part) => Some(self.part_of_window(function, part, written, span)),
            None if part.is_empty() => {
                let problem = Problem::new(span, format!("{name} stands in GROUP BY, or as TABLE({name}(…)) in FROM"));
                Some(self.fail(problem.help(format!("its start is {name}_START(…), its end {name}_END(…)"))))
            }
            None => None,
        }
    }

    fn part_of_window(&mut self, function: &Function, part: usize, written: &ast::Call, span: Span) -> Bound {
        let arguments: &[ast::Expr] = match &written.arguments {
            CallArguments::List(arguments) => arguments,
            CallArguments::Star | CallArguments::None => &[],
        };
        let time = arguments.first().map(|time| self.bind(time)).transpose()?;
        let intervals: Vec<Millis> = arguments.iter().skip(1).filter_map(millis).collect();
        let window = match &self.aggregation {
            Aggregation::Collect(calls) => calls.window.as_ref(),
            _ => None,
        };
        if let (Some(window), Some(time)) = (window, time) {
            if window.is(function.function, &time, &intervals) {
                return Ok(window.part(part));
            }
        }
        let Function { name, arguments, .. } = function;
        let problem = Problem::new(span, format!("{name}_{} needs the same window in GROUP BY", PARTS[part]));
        self.fail(problem.help(format!("SELECT {name}_{}({arguments}) … GROUP BY {name}({arguments})", PARTS[part])))
    }
}

/// An interval as it stands; `None`: it is none, or has no fixed length.
fn millis(expr: &ast::Expr) -> Option<Millis> {
    match &expr.kind {
        ast::ExprKind::Interval(Interval::Millis(millis)) => Some(*millis),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_has_each_part() {
        let parts = FUNCTIONS.iter().flat_map(|function| PARTS.map(|part| format!("{}_{part}", function.name)));
        assert_eq!(parts.collect::<Vec<_>>(), NAMES);
    }
}
