//! Tree → plan: what each name means, which type each expression has.
//!
//! Holds always: what is bound refers to columns by position, has Flink's types, and is at most [`DEPTH_MAX`]
//! operators deep, views inlined. A part that cannot be bound does not keep the others from being checked.

mod aggregate;
mod bounds;
mod calls;
mod collections;
mod conditions;
mod expr;
mod functions;
mod group;
mod group_window;
mod insert;
mod join;
mod join_condition;
mod json;
mod limit;
mod literals;
mod match_recognize;
mod mixed;
mod order;
mod over;
mod percentile;
mod rank;
mod report;
mod script;
mod select;
mod subquery;
mod sums;
mod types;
mod union;
mod unnest;
mod value;
mod values;
mod window;

pub use functions::{name_of as function_name, names as function_names};
pub use script::{declare, script};
pub use types::common;

use crate::model::{DataType, Schema};
use crate::plan::{Expr, ExprKind, Formula, JoinMethod, Node, NodeKind, Source, Table};
use crate::sql::Catalog;
use crate::sql::ast;
use crate::sql::span::{Problem, Span, nearest};
use expr::{Bound, Reported};
use order::Order;

/// Operators above each other, views and subqueries inlined.
const DEPTH_MAX: usize = 100;

/// Parts of expressions that views and subqueries may bring into a query, each time they are read: views over views
/// must not multiply without end.
const INLINED_NODES_MAX: usize = 500_000;

/// What a FROM item or a whole query gives.
#[derive(Clone, Debug)]
struct Relation {
    node: Node,
    /// Columns that are event times, ascending.
    times: Vec<usize>,
    window: WindowColumns,
    depth: usize,
    /// The names that FROM gave, and whose columns those are.
    tables: Vec<Named>,
    /// Columns of the PRIMARY KEY, where this is a table as it was declared.
    primary_key: Vec<usize>,
    /// What USING and NATURAL have made one column of two.
    common: Vec<Common>,
    /// Columns before this are those of the query around; a name means one of them only if no other has it.
    outer: usize,
    /// The columns that hold the values of subqueries, by the first word of each; `*` leaves them out.
    values: Vec<(Span, usize)>,
}

/// A column that both sides of a join have.
#[derive(Clone, Debug)]
struct Common {
    name: String,
    /// What the name alone means.
    expr: Expr,
    /// The columns of both sides, which `*` leaves out.
    columns: Vec<usize>,
}

/// A name that may stand before the dot.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    columns: std::ops::Range<usize>,
}

/// Whether the memory that a query needs must have a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// The gateway runs for years.
    Needed,
    /// The same, but what is not touched for a while is forgotten.
    Expiring,
    /// A view's memory is that of the queries that read it.
    OfReaders,
    /// Files end, and with them what must be remembered; what is true until then may be said then.
    Ends,
}

/// Where the columns are that a window function has appended, as far as they have been passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct WindowColumns {
    start: Option<usize>,
    end: Option<usize>,
    time: Option<usize>,
}

impl WindowColumns {
    fn from(start: usize) -> WindowColumns {
        WindowColumns { start: Some(start), end: Some(start + 1), time: Some(start + 2) }
    }

    /// Where a node's rows have them.
    fn of(node: &Node) -> WindowColumns {
        match &node.kind {
            NodeKind::Window { input, .. } | NodeKind::Session { input, .. } | NodeKind::CountWindow { input, .. } => {
                WindowColumns::from(input.schema.columns.len())
            }
            NodeKind::AttachedAggregate { window: None, .. }
            | NodeKind::Rank { window_end: None, by_time: None, .. } => WindowColumns::default(),
            NodeKind::WindowAggregate { .. }
            | NodeKind::SessionAggregate { .. }
            | NodeKind::CountAggregate { .. }
            | NodeKind::AttachedAggregate { .. } => WindowColumns::from(node.schema.columns.len().saturating_sub(3)),
            NodeKind::Filter { input, .. }
            | NodeKind::Sort { input, .. }
            | NodeKind::Distinct { input }
            | NodeKind::Expand { input, .. }
            | NodeKind::Unnest { input, .. }
            | NodeKind::Limit { input, .. }
            | NodeKind::Over { input, .. }
            | NodeKind::Report { input, .. }
            | NodeKind::Rank { input, .. }
            | NodeKind::FirstRow { input, .. } => WindowColumns::of(input),
            NodeKind::Project { input, exprs } => WindowColumns::of(input)
                .moved(|column| exprs.iter().position(|expr| expr.kind == ExprKind::Column(column))),
            NodeKind::Join(join) if matches!(join.method, JoinMethod::Window { ends: Some(_) }) => {
                WindowColumns::of(&join.left)
            }
            NodeKind::Union { inputs } => {
                let mut windows = inputs.iter().map(WindowColumns::of);
                let first = windows.next().unwrap_or_default();
                if windows.all(|window| window == first) { first } else { WindowColumns::default() }
            }
            _ => WindowColumns::default(),
        }
    }

    fn moved(self, to: impl Fn(usize) -> Option<usize>) -> WindowColumns {
        let WindowColumns { start, end, time } = self;
        WindowColumns { start: start.and_then(&to), end: end.and_then(&to), time: time.and_then(&to) }
    }

    /// Whether both ends of the window are among the keys.
    fn is_among(self, keys: &[Expr]) -> bool {
        let is_key = |column| keys.iter().any(|key| key.kind == ExprKind::Column(column));
        self.start.is_some_and(is_key) && self.end.is_some_and(is_key)
    }

    fn holds(self, column: usize) -> bool {
        [self.start, self.end, self.time].contains(&Some(column))
    }
}

/// Names that FROM can use; later views hide earlier ones and sources.
struct Names<'a> {
    sources: &'a [Source],
    tables: &'a [Table],
    views: Vec<(String, Relation)>,
}

/// Binds queries and collects what is wrong with them.
struct Binder<'a> {
    names: Names<'a>,
    bounds: Bounds,
    problems: Vec<Problem>,
    copied_nodes: usize,
    inlined_nodes: usize,
    /// The last ROW_NUMBER that needs a limit on its number.
    ranking: Option<Span>,
    /// VALUES: sources behind those that there are. `None`: this is no script, and has none.
    constants: Option<Vec<Constants>>,
}

/// Rows that stand in the text, and their columns.
struct Constants {
    schema: Schema,
    rows: Vec<Vec<Expr>>,
}

impl Relation {
    fn scan(index: usize, source: &Source) -> Relation {
        let node = Node { kind: NodeKind::Scan { source: index }, schema: source.schema.clone() };
        Relation { primary_key: source.primary_key.clone(), ..Relation::of_node(node) }
    }

    /// With no more than the node itself says.
    fn of_node(node: Node) -> Relation {
        let mut depth = 0;
        node.visit(&mut |_| depth += 1);
        let window = WindowColumns::of(&node);
        let times = node.schema.event_time.into_iter().collect();
        let (tables, primary_key, common, values) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Relation { times, window, depth, tables, primary_key, common, outer: 0, values, node }
    }

    fn schema(&self) -> &Schema {
        &self.node.schema
    }

    /// Its first columns alone, without the values of subqueries.
    fn first(self, width: usize) -> Relation {
        if width == self.schema().columns.len() {
            return self;
        }
        let exprs = (0..width).map(|index| self.column(index)).collect();
        let mut schema = self.schema().clone();
        schema.columns.truncate(width);
        let (depth, values) = (self.depth + 1, Vec::new());
        let kind = NodeKind::Project { input: Box::new(self.node), exprs };
        Relation { node: Node { kind, schema }, depth, values, ..self }
    }

    fn column(&self, index: usize) -> Expr {
        Expr::column(index, self.schema().columns[index].data_type)
    }
}

/// One SELECT over the sources and views of a configuration.
pub fn query(query: &ast::Query, catalog: &Catalog<'_>, bounds: Bounds) -> Result<Node, Vec<Problem>> {
    let Catalog { sources, tables, views } = *catalog;
    let views = views.iter().map(|view| (view.name.clone(), Relation::of_node(view.root.clone()))).collect();
    let mut binder = Binder::new(Names { sources, tables, views }, bounds);
    let bound = binder.query(query).and_then(|relation| match bounds {
        // A ROW_NUMBER of a view may still get its limit from those that read it.
        Bounds::OfReaders => Ok(relation),
        Bounds::Needed | Bounds::Expiring | Bounds::Ends => binder.settled(relation, query.span()),
    });
    let bound = bound.and_then(|relation| binder.bounded(relation, query.span()));
    match bound {
        Ok(relation) if binder.problems.is_empty() => Ok(relation.node),
        _ => Err(binder.problems),
    }
}

impl<'a> Binder<'a> {
    fn new(names: Names<'a>, bounds: Bounds) -> Binder<'a> {
        Binder {
            names,
            bounds,
            problems: Vec::new(),
            copied_nodes: 0,
            inlined_nodes: 0,
            ranking: None,
            constants: None,
        }
    }

    fn fail<T>(&mut self, problem: Problem) -> Bound<T> {
        self.problems.push(problem);
        Err(Reported)
    }

    fn query(&mut self, query: &ast::Query) -> Bound<Relation> {
        self.query_in_order(query, &query.order_by)
    }

    /// A query inside of another one: its rows have no order, as in Flink, where that of a view stays.
    fn subquery(&mut self, query: &ast::Query) -> Bound<Relation> {
        let order_by = if query.limit.is_some() { query.order_by.as_slice() } else { &[] };
        self.query_in_order(query, order_by)
    }

    fn query_in_order(&mut self, query: &ast::Query, order_by: &[ast::OrderBy]) -> Bound<Relation> {
        let outer = self.names.views.len();
        let mut failed = false;
        for table in &query.with {
            let bound = self.subquery(&table.query).and_then(|mut relation| {
                self.rename(&mut relation, &table.columns)?;
                Ok(relation)
            });
            match bound {
                Ok(relation) => self.names.views.push((table.name.name.clone(), relation)),
                Err(Reported) => failed = true,
            }
        }
        let limit = query.limit.filter(|_| self.bounds == Bounds::Ends && !order_by.is_empty());
        let order = Order { by: order_by, limit };
        // What reads a subquery that is wrong itself would only be told that it is not there.
        let result = match query.branches.as_slice() {
            _ if failed => Err(Reported),
            [ast::Branch::Select(select)] if !select.distinct => self.select(select, order),
            branches => {
                let result = self.branches(branches);
                let result = match query.distinct {
                    true => result.and_then(|relation| self.distinct(relation, query.span())),
                    false => result,
                };
                result.and_then(|relation| self.sorted(relation, order))
            }
        };
        let result = match order.limit {
            Some(_) => result,
            None => result.and_then(|relation| self.limited(relation, query)),
        };
        self.names.views.truncate(outer);
        result
    }

    /// A query whose columns may be given other names.
    fn view(&mut self, query: &ast::Query, columns: &[ast::Ident]) -> Bound<Relation> {
        let mut relation = self.query(query)?;
        self.rename(&mut relation, columns)?;
        Ok(relation)
    }

    fn rename(&mut self, relation: &mut Relation, columns: &[ast::Ident]) -> Bound<()> {
        let Some(last) = columns.last() else { return Ok(()) };
        let count = relation.schema().columns.len();
        if columns.len() != count {
            let span = columns[0].span.to(last.span);
            return self.fail(Problem::new(
                span,
                format!("the number of names, {}, is not that of the columns, {count}", columns.len()),
            ));
        }
        for (column, name) in relation.node.schema.columns.iter_mut().zip(columns) {
            column.name = name.name.as_str().into();
        }
        Ok(())
    }

    fn named(&mut self, name: &ast::Ident) -> Bound<Relation> {
        let Names { sources, tables, views } = &self.names;
        if let Some((_, relation)) = views.iter().rev().find(|(known, _)| *known == name.name) {
            self.inlined_nodes += weight(&relation.node);
            if self.inlined_nodes > INLINED_NODES_MAX {
                let problem = Problem::new(name.span, "the views that are read here are too large together");
                return self.fail(problem.help("read them fewer times, or select fewer columns"));
            }
            let relation = relation.clone();
            return self.limit_depth(relation, name.span);
        }
        if let Some((index, source)) = sources.iter().enumerate().find(|(_, source)| source.name == name.name) {
            return Ok(Relation::scan(index, source));
        }
        if let Some((index, table)) = tables.iter().enumerate().find(|(_, table)| table.name == name.name) {
            let node = Node { kind: NodeKind::Table { table: index }, schema: table.schema.clone() };
            return Ok(Relation { primary_key: table.primary_key.clone(), ..Relation::of_node(node) });
        }
        let known: Vec<&str> = views
            .iter()
            .map(|(name, _)| name.as_str())
            .chain(sources.iter().map(|source| source.name.as_str()))
            .chain(tables.iter().map(|table| table.name.as_str()))
            .collect();
        let problem = Problem::new(name.span, format!("there is no source, table or view {}", name.name));
        let problem = match nearest(&name.name, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean {near}?")),
            None if (1..=12).contains(&known.len()) => problem.help(format!("there is {}", known.join(", "))),
            None => problem,
        };
        self.fail(problem)
    }

    fn limit_depth(&mut self, relation: Relation, span: Span) -> Bound<Relation> {
        if relation.depth > DEPTH_MAX {
            return self
                .fail(Problem::new(span, format!("more than {DEPTH_MAX} views and subqueries lie inside each other")));
        }
        Ok(relation)
    }
}

/// Rows that come when the input has ended: their times move nothing any more, and windows are only columns.
fn ended(mut relation: Relation) -> Relation {
    (relation.node.schema.event_time, relation.node.schema.device) = (None, None);
    Relation { times: Vec::new(), window: WindowColumns::default(), ..relation }
}

/// Columns and parts of expressions in a plan: what copying it costs.
fn weight(node: &Node) -> usize {
    let mut weight = 0;
    node.visit(&mut |node| {
        weight += node.schema.columns.len();
        weight += match &node.kind {
            NodeKind::Scan { .. }
            | NodeKind::Table { .. }
            | NodeKind::Distinct { .. }
            | NodeKind::Sort { .. }
            | NodeKind::Union { .. }
            | NodeKind::Window { .. }
            | NodeKind::Session { .. }
            | NodeKind::CountWindow { .. }
            | NodeKind::Over { .. }
            | NodeKind::Rank { .. }
            | NodeKind::Limit { .. }
            | NodeKind::FirstRow { .. } => 1,
            NodeKind::Unnest { list, condition, .. } => [list].into_iter().chain(condition).map(expr::size).sum(),
            NodeKind::Expand { keys, sets, .. } => keys.iter().map(expr::size).sum::<usize>() + sets.len(),
            NodeKind::Join(join) => {
                let keys = join.keys.iter().flat_map(|(left, right)| [left, right]);
                keys.chain(&join.residual).map(expr::size).sum()
            }
            NodeKind::Filter { predicate, .. } => expr::size(predicate),
            NodeKind::Report { report, .. } => report.exprs().map(expr::size).sum(),
            NodeKind::Project { exprs, .. } => exprs.iter().map(expr::size).sum(),
            NodeKind::WindowAggregate { keys, aggregates, .. }
            | NodeKind::SessionAggregate { keys, aggregates, .. }
            | NodeKind::CountAggregate { keys, aggregates, .. }
            | NodeKind::AttachedAggregate { keys, aggregates, .. } => {
                let parts = aggregates.iter().flat_map(|aggregate| aggregate.argument.iter().chain(&aggregate.filter));
                keys.iter().chain(parts).map(expr::size).sum()
            }
            NodeKind::Match { recognition, .. } => {
                recognition.formulas().flat_map(Formula::exprs).map(expr::size).sum()
            }
        };
    });
    weight
}

/// Whether a column of this type can be an event time.
fn can_be_event_time(data_type: DataType) -> bool {
    matches!(data_type, DataType::Timestamp(0..=3) | DataType::TimestampLtz(0..=3))
}
