//! OVER: windows by name and by place, their functions, and the operator that computes them.

use super::aggregate::{self, Calls, OverCall, OverFrame, OverWindow, SortItem};
use super::expr::{Aggregation, Bound, ExprBinder, Reported, coerce};
use super::select::Item;
use super::sums::{by_sums, goes_by_sums};
use super::{Binder, Bounds, Relation, ended, types};
use crate::model::{Column, DataType, Value};
use crate::plan::{self, Expr, ExprKind, Frame, Node, NodeKind, OrderKey, OverFunction, OverKind, OverOrder, Ranking};
use crate::sql::ast::{self, CallArguments, FrameBound, Interval, Over};
use crate::sql::span::{Problem, Span};

/// ROWS n PRECEDING goes up to here: the rows are held.
const FRAME_ROWS_MAX: i64 = 1_000_000;

impl ExprBinder<'_> {
    /// A call with OVER: its place in the SELECT list is a column beyond all columns.
    pub fn over_call(&mut self, written: &ast::Call, over: &Over, span: Span) -> Bound {
        let place = match &self.aggregation {
            Aggregation::Collect(_) => None,
            Aggregation::Where(_) => Some("WHERE"),
            Aggregation::Match(_) => Some("MATCH_RECOGNIZE"),
            Aggregation::Refuse(place) => Some(*place),
        };
        if let Some(place) = place {
            let problem = Problem::new(span, format!("{place} cannot hold OVER"));
            return self.fail(problem.help("compute it in a subquery, and use its column around it"));
        }
        let spec = self.window_spec(over)?;
        let outer = self.overs();
        let window = self.over_window(&spec);
        let call = self.over_function(written, span);
        let (window, mut call) = (window?, call?);
        if self.overs() > outer {
            let problem = Problem::new(span, "OVER cannot stand inside OVER");
            return self.fail(problem.help("compute the inner one in a subquery, and use its column around it"));
        }
        if let (OverFrame::Unbounded, Some(frame)) = (call.frame, &spec.frame) {
            let upper = written.name.name.to_ascii_uppercase();
            let problem = Problem::new(frame.span, format!("{upper} has no frame: it looks at all rows before"));
            return self.fail(problem.help("leave out ROWS … or RANGE …"));
        }
        call.window = window;
        match &call.kind {
            OverKind::Aggregate(aggregate) if goes_by_sums(aggregate) => by_sums(aggregate, |part| {
                let data_type = part.data_type;
                self.collect_over(OverCall { kind: OverKind::Aggregate(part), data_type, ..call.clone() })
            }),
            _ => self.collect_over(call),
        }
    }

    /// How many calls of OVER have been met.
    fn overs(&self) -> usize {
        if let Aggregation::Collect(calls) = &self.aggregation { calls.overs.len() } else { 0 }
    }

    fn collect_over(&mut self, call: OverCall) -> Bound {
        let data_type = call.data_type;
        let Aggregation::Collect(calls) = &mut self.aggregation else { return Err(Reported) };
        let known = calls.overs.iter().position(|known| known.is_same(&call));
        let place = known.unwrap_or_else(|| {
            calls.overs.push(call);
            calls.overs.len() - 1
        });
        Ok(Expr::column(aggregate::OVER + place, data_type))
    }

    /// The window itself, or the one with its name.
    pub(super) fn window_spec(&mut self, over: &Over) -> Bound<ast::WindowSpec> {
        let name = match over {
            Over::Spec(spec) => return Ok((**spec).clone()),
            Over::Named(name) => name,
        };
        let (Aggregation::Collect(Calls { windows, .. }) | Aggregation::Where(Calls { windows, .. })) =
            &self.aggregation
        else {
            return Err(Reported);
        };
        match windows.iter().find(|(known, _)| known.name == name.name) {
            Some((_, spec)) => Ok(spec.clone()),
            None => {
                let problem = Problem::new(name.span, format!("there is no window {}", name.name));
                self.fail(problem.help(format!("define it after FROM and WHERE: WINDOW {} AS (ORDER BY …)", name.name)))
            }
        }
    }

    pub(super) fn over_window(&mut self, spec: &ast::WindowSpec) -> Bound<OverWindow> {
        let partition: Vec<Bound> = spec.partition_by.iter().map(|expr| self.bind(expr)).collect();
        let mut order = Vec::new();
        for item in &spec.order_by {
            let expr = self.bind(&item.expr)?;
            // Without NULLS FIRST or LAST a NULL is smaller than all others, as in Flink.
            let nulls_first = item.nulls_first.unwrap_or(!item.descending);
            order.push(SortItem { expr, descending: item.descending, nulls_first });
        }
        if order.is_empty() {
            let problem = Problem::new(spec.span, "OVER needs ORDER BY with the event time");
            return self.fail(problem.help("OVER (PARTITION BY device ORDER BY ts)"));
        }
        let frame = spec.frame.as_ref().map(|frame| self.frame(frame)).transpose()?;
        Ok(OverWindow { partition: partition.into_iter().collect::<Bound<Vec<Expr>>>()?, order, frame })
    }

    fn frame(&mut self, frame: &ast::Frame) -> Bound<Frame> {
        let problem = match (&frame.from, &frame.to) {
            (FrameBound::Following, _) | (_, FrameBound::Following) => "a frame cannot reach into the future",
            (_, FrameBound::Preceding(_) | FrameBound::UnboundedPreceding) => "a frame ends with CURRENT ROW",
            (FrameBound::UnboundedPreceding, _) if frame.rows => return Ok(Frame::RowsUnbounded),
            (FrameBound::UnboundedPreceding, _) => return Ok(Frame::RangeUnbounded),
            (FrameBound::CurrentRow, _) if frame.rows => return Ok(Frame::Rows(0)),
            (FrameBound::CurrentRow, _) => return Ok(Frame::Range(0)),
            (FrameBound::Preceding(length), FrameBound::CurrentRow) => return self.frame_length(length, frame.rows),
        };
        self.fail(Problem::new(frame.span, problem).help("for example ROWS BETWEEN 9 PRECEDING AND CURRENT ROW"))
    }

    fn frame_length(&mut self, length: &ast::Expr, rows: bool) -> Bound<Frame> {
        if rows {
            return match &self.bind(length)?.kind {
                ExprKind::Literal(Value::Int(count)) if (0..=FRAME_ROWS_MAX).contains(count) => {
                    Ok(Frame::Rows(count.unsigned_abs()))
                }
                _ => self.fail(Problem::new(
                    length.span,
                    format!("ROWS takes a whole number up to {FRAME_ROWS_MAX}, as in ROWS 9 PRECEDING"),
                )),
            };
        }
        match length.kind {
            ast::ExprKind::Interval(Interval::Millis(millis)) if millis >= 0 => Ok(Frame::Range(millis)),
            _ => self.fail(
                Problem::new(length.span, "RANGE takes an interval of days, hours, minutes or seconds")
                    .help("for example RANGE INTERVAL '1' MINUTE PRECEDING"),
            ),
        }
    }

    /// Function and arguments; the window comes later.
    fn over_function(&mut self, written: &ast::Call, span: Span) -> Bound<OverCall> {
        let upper = written.name.name.to_ascii_uppercase();
        if let Some(function) = aggregate::function(&upper) {
            let aggregate = self.aggregate_parts(function, &upper, written, span)?;
            return Ok(OverCall::new(
                OverFrame::OfWindow,
                OverKind::Aggregate(aggregate.clone()),
                aggregate.data_type,
                span,
            ));
        }
        let arguments: &[ast::Expr] = match &written.arguments {
            CallArguments::List(arguments) => arguments,
            CallArguments::None | CallArguments::Star => &[],
        };
        let kind = match upper.as_str() {
            "ROW_NUMBER" => OverKind::RowNumber,
            "RANK" => OverKind::Rank,
            "DENSE_RANK" => OverKind::DenseRank,
            "LAG" => return self.lag(arguments, written, span),
            "LEAD" => {
                let problem = Problem::new(span, "LEAD would have to wait for a row that may never come");
                return self.fail(problem.help("look back instead: LAG"));
            }
            "NTILE" | "PERCENT_RANK" | "CUME_DIST" | "NTH_VALUE" => {
                return self.fail(Problem::unsupported(span, &format!("{upper} OVER")));
            }
            _ => {
                let problem = Problem::new(written.name.span, format!("{upper} is no function for OVER"));
                return self.fail(problem.help("they are the aggregates, ROW_NUMBER, RANK, DENSE_RANK and LAG"));
            }
        };
        if !arguments.is_empty() {
            return self.fail(Problem::new(span, format!("{upper} takes no arguments")));
        }
        Ok(OverCall::new(OverFrame::Unbounded, kind, DataType::BigInt, span))
    }

    /// LAG(value [, offset [, default]])
    fn lag(&mut self, arguments: &[ast::Expr], written: &ast::Call, span: Span) -> Bound<OverCall> {
        if arguments.is_empty() || arguments.len() > 3 {
            return self.wrong_count(written, span, arguments.len(), "LAG(value [, rows [, default]])");
        }
        let argument = self.bind(&arguments[0])?;
        let offset = match arguments.get(1) {
            None => 1,
            Some(offset) => match &self.bind(offset)?.kind {
                ExprKind::Literal(Value::Int(rows)) if (0..=FRAME_ROWS_MAX).contains(rows) => rows.unsigned_abs(),
                _ => {
                    let message = format!("LAG goes back a whole number of rows, up to {FRAME_ROWS_MAX}");
                    return self.fail(Problem::new(offset.span, message));
                }
            },
        };
        let mut data_type = argument.data_type;
        let mut default = None;
        if let Some(written) = arguments.get(2) {
            let bound = self.bind(written)?;
            data_type = match types::common(data_type, bound.data_type) {
                Some(data_type) => data_type,
                None => {
                    let message = format!("the default is {}, the value {data_type}", bound.data_type);
                    return self.fail(Problem::new(written.span, message));
                }
            };
            default = Some(coerce(bound, data_type));
        }
        let kind = OverKind::Lag { column: 0, offset, default };
        let mut call = OverCall::new(OverFrame::Unbounded, kind, data_type, span);
        call.argument = Some(coerce(argument, data_type));
        Ok(call)
    }
}

impl Binder<'_> {
    /// Computes the calls of OVER over the relation, and makes the items read them.
    pub(super) fn over(&mut self, relation: Relation, items: &mut [Item], calls: Vec<OverCall>) -> Bound<Relation> {
        let Some(first) = calls.first() else { return Ok(relation) };
        if let Some(other) = calls.iter().find(|call| !first.same_window(call)) {
            let problem = Problem::new(other.span, "all OVER of one SELECT must have the same window");
            return self.fail(problem.help("compute the others in a subquery"));
        }
        let width = relation.schema().columns.len();
        let mut columns = Columns::behind(&relation);
        let window = first.window.clone();
        let partition: Vec<usize> = window.partition.iter().map(|expr| columns.place(expr)).collect();
        let ranking = calls.len() == 1 && matches!(first.kind, OverKind::RowNumber);
        let by_time = match window.order.as_slice() {
            [SortItem { expr, descending: false, .. }] => match expr.kind {
                ExprKind::Column(column) if relation.times.contains(&column) => Some(column),
                _ => None,
            },
            _ => None,
        };
        let frame = first.frame(&calls);
        // As in Flink, which puts each row in its place as it comes: one column, ascending, and all rows before.
        let by_column = self.bounds == Bounds::Ends
            && matches!(window.order.as_slice(), [SortItem { descending: false, .. }])
            && matches!(frame, Frame::RowsUnbounded | Frame::RangeUnbounded)
            && !calls.iter().any(|call| matches!(call.kind, OverKind::Lag { .. }));
        let ends = by_time.is_none() && (ranking || by_column);
        if by_time.is_none() && !ends {
            let problem = Problem::new(first.span, "OVER goes in order of event time, ascending, and of nothing else");
            return self.fail(match relation.times.first() {
                Some(time) => problem.help(format!("ORDER BY {}", relation.schema().columns[*time].name)),
                None => problem.help("what it reads has no event time"),
            });
        }
        let span = first.span;
        let order: Vec<OrderKey> = window
            .order
            .iter()
            .map(|item| OrderKey {
                column: columns.place(&item.expr),
                descending: item.descending,
                nulls_first: item.nulls_first,
            })
            .collect();
        let functions: Vec<OverFunction> = calls.into_iter().map(|call| columns.function(call)).collect();
        let results = width + columns.exprs.len();
        items.iter_mut().for_each(|item| place_results(&mut item.expr, results));
        let (times, window_columns) = (relation.times.clone(), relation.window);
        let input = columns.computed(relation);
        let kind = if ranking {
            self.ranking = Some(span);
            let holds = |column: Option<usize>| column.is_some_and(|column| partition.contains(&column));
            let window_end = window_columns.end.filter(|_| holds(window_columns.start) && holds(window_columns.end));
            // Deduplication that keeps the last row: of rows of equal time the one that came last.
            let newest_of_equals =
                matches!(order.as_slice(), [OrderKey { column, descending: true, .. }] if times.contains(column));
            let ranking = Ranking { partition, order, newest_of_equals };
            NodeKind::Rank { input: Box::new(input.node), ranking, by_time, window_end, numbers: None }
        } else {
            let by_column = order.first().copied().map(OverOrder::Column);
            let Some(order) = by_time.map(OverOrder::Time).or(by_column) else { return Err(Reported) };
            NodeKind::Over { input: Box::new(input.node), order, partition, frame, functions: functions.clone() }
        };
        let mut schema = input.schema;
        for (index, function) in functions.iter().enumerate() {
            schema.columns.push(Column { name: format!("over${index}").into(), data_type: function.data_type });
        }
        let ends = ends && !matches!(kind, NodeKind::Rank { window_end: Some(_), .. });
        let node = Node { kind, schema };
        let relation = Relation { times, window: window_columns, depth: input.depth + 1, ..Relation::of_node(node) };
        self.limit_depth(if ends { ended(relation) } else { relation }, span)
    }
}

/// The input with the expressions that OVER needs as columns.
pub struct Computed {
    pub node: Node,
    pub schema: crate::model::Schema,
    pub depth: usize,
}

/// Expressions that become columns behind those of the input.
pub struct Columns {
    exprs: Vec<Expr>,
    width: usize,
}

impl Columns {
    pub fn behind(relation: &Relation) -> Columns {
        Columns { exprs: Vec::new(), width: relation.schema().columns.len() }
    }

    pub fn place(&mut self, expr: &Expr) -> usize {
        if let ExprKind::Column(column) = expr.kind {
            return column;
        }
        let known = self.exprs.iter().position(|known| known == expr);
        self.width
            + known.unwrap_or_else(|| {
                self.exprs.push(expr.clone());
                self.exprs.len() - 1
            })
    }

    fn as_column(&mut self, expr: &Expr) -> Expr {
        Expr::column(self.place(expr), expr.data_type)
    }

    fn function(&mut self, call: OverCall) -> OverFunction {
        let kind = match call.kind {
            OverKind::Aggregate(aggregate) => OverKind::Aggregate(plan::Aggregate {
                argument: aggregate.argument.as_ref().map(|argument| self.as_column(argument)),
                filter: aggregate.filter.as_ref().map(|filter| self.as_column(filter)),
                ..aggregate
            }),
            OverKind::Lag { offset, default, .. } => {
                let column = call.argument.as_ref().map_or(0, |argument| self.place(argument));
                OverKind::Lag { column, offset, default }
            }
            kind => kind,
        };
        OverFunction { kind, data_type: call.data_type }
    }

    pub fn computed(self, relation: Relation) -> Computed {
        let mut schema = relation.schema().clone();
        let Relation { node, depth, .. } = relation;
        if self.exprs.is_empty() {
            return Computed { node, schema, depth };
        }
        let mut exprs: Vec<Expr> =
            schema.columns.iter().enumerate().map(|(index, column)| Expr::column(index, column.data_type)).collect();
        for (index, expr) in self.exprs.iter().enumerate() {
            schema.columns.push(Column { name: format!("computed${index}").into(), data_type: expr.data_type });
        }
        exprs.extend(self.exprs);
        let kind = NodeKind::Project { input: Box::new(node), exprs };
        Computed { node: Node { kind, schema: schema.clone() }, schema, depth: depth + 1 }
    }
}

/// Columns from [`aggregate::OVER`] on become the operator's results.
fn place_results(expr: &mut Expr, results: usize) {
    match &mut expr.kind {
        ExprKind::Column(column) if *column >= aggregate::OVER => *column = *column - aggregate::OVER + results,
        _ => expr.children_mut().into_iter().for_each(|child| place_results(child, results)),
    }
}

/// ROW_NUMBER.
pub fn numbered() -> OverFunction {
    OverFunction { kind: OverKind::RowNumber, data_type: DataType::BigInt }
}

impl OverCall {
    fn new(frame: OverFrame, kind: OverKind, data_type: DataType, span: Span) -> OverCall {
        let window = OverWindow { partition: Vec::new(), order: Vec::new(), frame: None };
        OverCall { window, frame, kind, argument: None, data_type, span }
    }

    /// Whether both always give the same.
    fn is_same(&self, other: &OverCall) -> bool {
        (&self.window, self.frame, &self.kind, &self.argument)
            == (&other.window, other.frame, &other.kind, &other.argument)
    }

    fn same_window(&self, other: &OverCall) -> bool {
        let (a, b) = (&self.window, &other.window);
        a.partition == b.partition
            && a.order == b.order
            && self.own_frame().is_none_or(|frame| other.own_frame().is_none_or(|other| frame == other))
    }

    /// The frame of an aggregate; numbers and LAG have none of their own.
    fn own_frame(&self) -> Option<Frame> {
        (self.frame == OverFrame::OfWindow).then(|| self.window.frame.unwrap_or(Frame::RangeUnbounded))
    }

    /// The frame of the operator that computes them all.
    fn frame(&self, all: &[OverCall]) -> Frame {
        all.iter().find_map(OverCall::own_frame).unwrap_or(Frame::RowsUnbounded)
    }

    /// All expressions over the input.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let (aggregate, default) = match &self.kind {
            OverKind::Aggregate(aggregate) => (Some(aggregate), None),
            OverKind::Lag { default, .. } => (None, default.as_ref()),
            _ => (None, None),
        };
        let parts = aggregate.into_iter().flat_map(|aggregate| aggregate.argument.iter().chain(&aggregate.filter));
        let window = self.window.partition.iter().chain(self.window.order.iter().map(|item| &item.expr));
        window.chain(parts).chain(default).chain(&self.argument)
    }

    /// The same, to be rewritten.
    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let (aggregate, default) = match &mut self.kind {
            OverKind::Aggregate(aggregate) => (Some(aggregate), None),
            OverKind::Lag { default, .. } => (None, default.as_mut()),
            _ => (None, None),
        };
        let parts =
            aggregate.into_iter().flat_map(|aggregate| aggregate.argument.iter_mut().chain(&mut aggregate.filter));
        let window = self.window.partition.iter_mut().chain(self.window.order.iter_mut().map(|item| &mut item.expr));
        window.chain(parts).chain(default).chain(&mut self.argument)
    }
}
