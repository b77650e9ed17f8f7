//! GROUP BY a window: over a window function itself, or over rows that already stand in their windows.

use super::aggregate::{Calls, OverCall, PART, Regroup, SET};
use super::expr::{Aggregation, Bound, Reported, compare};
use super::group_window::{self, GroupWindow};
use super::order::Order;
use super::select::{Item, filtered, has_over};
use super::window::WINDOW_COLUMNS;
use super::{Binder, Bounds, Relation, WindowColumns};
use crate::model::{Column, DataType, Schema, Value};
use crate::plan::{Aggregate, CompareOp, Expr, ExprKind, Node, NodeKind, OrderKey, Windowing};
use crate::sql::ast::{self, GroupElement, SelectItem};
use crate::sql::span::{Problem, Span};

/// What GROUP BY says, the columns of the window taken out.
pub struct Grouping {
    pub keys: Vec<Expr>,
    /// Positions in `keys`; one set where GROUPING SETS and the like do not occur.
    pub sets: Vec<Vec<usize>>,
    /// Whether window_time is among the grouping columns.
    pub window_time: bool,
}

/// What a SELECT with GROUP BY says, each part that could be bound.
struct Parts {
    /// Those of SELECT, so many, then those that ORDER BY adds, then the condition of QUALIFY.
    items: Bound<Vec<Item>>,
    columns: usize,
    order_keys: Bound<Vec<OrderKey>>,
    having: Bound<Option<Expr>>,
    /// The keys of each grouping set.
    sets: Bound<Vec<Vec<Expr>>>,
}

/// A grouping whose window columns are known.
struct Window {
    start: usize,
    end: usize,
    time: Option<usize>,
    /// A session of each value of the keys, as GROUP BY SESSION(…) has it.
    by_keys: bool,
}

impl Binder<'_> {
    pub(super) fn grouped(
        &mut self,
        select: &ast::Select,
        input: Relation,
        filter: Bound<Option<Expr>>,
        order: Order<'_>,
    ) -> Bound<Relation> {
        let mut calls = Calls::new(&select.windows);
        calls.window = self.group_window(select, &input)?;
        let Parts { items, columns, order_keys, having, sets } = self.group_parts(select, &input, &mut calls, order);
        let input = match &calls.window {
            Some(window) => window.windowed(input),
            None => input,
        };
        let span = select.group_by.as_ref().map_or(select.span, |group_by| group_by.span);
        let in_windows = select.group_by.is_some() && input.window.start.is_some() && input.window.end.is_some();
        // Files end, and what is grouped by a part of a window alone is as complete then as what has no window at all.
        let ends = self.bounds == Bounds::Ends
            && !(in_windows && sets.as_ref().is_ok_and(|sets| sets.iter().all(|set| input.window.is_among(set))));
        if ends || !in_windows {
            let counts = !(calls.aggregates.is_empty() && calls.groupings.is_empty() && calls.overs.is_empty());
            let is_one_set = sets.as_ref().is_ok_and(|sets| sets.len() == 1);
            if select.group_by.is_some() && !counts && (is_one_set || !ends) {
                let relation = self.grouped_for_ever(select, input, filter?, sets?, (items?, having?))?;
                return self.ordered(relation, order_keys?, columns, order);
            }
            if !ends {
                return self.fail(no_window(span, &input, select.group_by.is_some()));
            }
        }
        let (mut items, order_keys, mut having, sets, filter) = (items?, order_keys?, having?, sets?, filter?);
        let (window, grouping) = match ends {
            true => (None, grouping(sets, |_| false)),
            false => {
                let (window, grouping) = self.take_window(sets, input.window, span)?;
                (Some(Window { by_keys: calls.window.is_some(), ..window }), grouping)
            }
        };
        if let Some(span) = calls.memory.span() {
            let problem = Problem::new(span, "a function that remembers rows cannot stand beside GROUP BY");
            return self.fail(problem.help("it stands in SELECT or WHERE of a subquery; use its column here"));
        }
        self.over_groups(select, &input, (window.as_ref(), &grouping), &mut calls, (&mut items, &mut having))?;
        let overs = std::mem::take(&mut calls.overs);
        let mut relation = match &window {
            Some(window) => self.aggregated(input, filter, window, grouping, calls.aggregates),
            None => self.aggregated_to_the_end(input, filter, grouping, calls.aggregates),
        };
        if let Some(predicate) = having {
            relation = filtered(relation, predicate);
        }
        let relation = self.over(relation, &mut items, overs)?;
        let relation = self.qualified(select, relation, &mut items);
        let relation = self.project(relation, items, select.span)?;
        self.ordered(relation, order_keys, columns, order)
    }

    /// All that a SELECT with GROUP BY says, over the rows that come in.
    fn group_parts(&mut self, select: &ast::Select, input: &Relation, calls: &mut Calls, order: Order<'_>) -> Parts {
        let (items, columns, order_keys) = match self.items(select, input, calls) {
            Ok(mut items) => {
                let columns = items.len();
                let keys = self.order_keys(order.by, input, &mut items, Some(calls));
                let keys = keys.and_then(|keys| {
                    self.qualify(select, input, &mut items, columns, calls)?;
                    Ok(keys)
                });
                (Ok(items), columns, keys)
            }
            Err(Reported) => (Err(Reported), 0, Err(Reported)),
        };
        let having = match &select.having {
            Some(having) if has_over(having) => self.fail(
                Problem::new(having.span, "HAVING cannot hold OVER").help("filter the result in a query around it"),
            ),
            Some(having) => {
                let mut binder = self.binder(input, Aggregation::Collect(calls));
                binder.boolean(having, "HAVING").map(Some)
            }
            None => Ok(None),
        };
        let sets = self.group_keys(select, input, calls.window.as_ref());
        // The value of a subquery that stands outside of aggregates is one for all rows of a group.
        let outside = items.iter().flatten().map(|item| &item.expr).chain(having.iter().flatten());
        let outside: Vec<&Expr> = outside.chain(calls.overs.iter().flat_map(OverCall::exprs)).collect();
        let stands = |value: &usize| outside.iter().any(|expr| uses(expr, &|column| column == *value));
        let values = input.values.iter().map(|(_, column)| *column).filter(stands);
        let values: Vec<Expr> = values.map(|column| input.column(column)).collect();
        let sets = sets.map(|sets| sets.into_iter().map(|set| [set, values.clone()].concat()).collect());
        Parts { items, columns, order_keys, having, sets }
    }

    /// Rewrites all from the rows that come in to those that come out of the grouping.
    fn over_groups(
        &mut self,
        select: &ast::Select,
        input: &Relation,
        (window, grouping): (Option<&Window>, &Grouping),
        calls: &mut Calls,
        (items, having): (&mut [Item], &mut Option<Expr>),
    ) -> Bound<()> {
        let groupings = self.grouping_calls(calls, grouping, select.span)?;
        let regroup = Regroup {
            keys: &grouping.keys,
            set: grouping.sets.len() > 1,
            aggregates: calls.aggregates.len(),
            window: match (&calls.window, window) {
                (Some(_), _) => [Some(PART), Some(PART + 1), Some(PART + 2)],
                (None, Some(window)) => {
                    [Some(window.start), Some(window.end), window.time.filter(|_| grouping.window_time)]
                }
                (None, None) => [None; 3],
            },
            groupings: &groupings,
        };
        let mut failed = false;
        for item in items {
            failed |= self.regroup(&regroup, &mut item.expr, item.span, input).is_err();
        }
        if let (Some(having), Some(written)) = (having, &select.having) {
            failed |= self.regroup(&regroup, having, written.span, input).is_err();
        }
        for over in &mut calls.overs {
            let span = over.span;
            for expr in over.exprs_mut() {
                failed |= self.regroup(&regroup, expr, span, input).is_err();
            }
        }
        if failed { Err(Reported) } else { Ok(()) }
    }

    /// GROUP BY without aggregates: each key once, the first time it comes.
    fn grouped_for_ever(
        &mut self,
        select: &ast::Select,
        input: Relation,
        filter: Option<Expr>,
        mut sets: Vec<Vec<Expr>>,
        (mut items, mut having): (Vec<Item>, Option<Expr>),
    ) -> Bound<Relation> {
        let (Some(keys), true) = (sets.pop(), sets.is_empty()) else {
            return self.fail(Problem::unsupported(select.span, "GROUPING SETS without a window"));
        };
        let regroup = Regroup { keys: &keys, set: false, aggregates: 0, window: [None; 3], groupings: &[] };
        for item in &mut items {
            self.regroup(&regroup, &mut item.expr, item.span, &input)?;
        }
        if let Some(having) = &mut having {
            self.regroup(&regroup, having, select.span, &input)?;
        }
        let input = match filter {
            Some(predicate) => self.restricted(input, predicate),
            None => input,
        };
        let key =
            |(index, key): (usize, &Expr)| Item { name: format!("key${index}"), expr: key.clone(), span: select.span };
        let keys = keys.iter().enumerate().map(key).collect();
        let keys = self.project(input, keys, select.span)?;
        let relation = self.distinct(keys, select.span)?;
        let relation = having.into_iter().fold(relation, filtered);
        self.project(relation, items, select.span)
    }

    /// The sets of GROUP BY, each with its keys, each key once.
    fn group_keys(
        &mut self,
        select: &ast::Select,
        input: &Relation,
        window: Option<&GroupWindow>,
    ) -> Bound<Vec<Vec<Expr>>> {
        let mut sets: Vec<Vec<Expr>> = vec![Vec::new()];
        let mut failed = false;
        for element in select.group_by.iter().flat_map(|group_by| &group_by.elements) {
            let choices: &[Vec<ast::Expr>] = match element {
                GroupElement::Key(key) => &[vec![key.clone()]],
                GroupElement::Sets(choices) => choices,
            };
            let mut bound = Vec::new();
            for choice in choices {
                let key = |key: &ast::Expr| match window {
                    Some(window) if group_window::is_window(key) => Ok(window.keys()),
                    _ => self.group_key(key, select, input).map(|key| vec![key]),
                };
                let keys: Vec<Bound<Vec<Expr>>> = choice.iter().map(key).collect();
                match keys.into_iter().collect::<Bound<Vec<Vec<Expr>>>>() {
                    Ok(keys) => bound.push(keys.concat()),
                    Err(Reported) => failed = true,
                }
            }
            let longer =
                |set: &Vec<Expr>| bound.iter().map(|keys| [set.as_slice(), keys].concat()).collect::<Vec<Vec<Expr>>>();
            sets = sets.iter().flat_map(longer).collect();
        }
        if failed { Err(Reported) } else { Ok(sets) }
    }

    fn group_key(&mut self, key: &ast::Expr, select: &ast::Select, input: &Relation) -> Bound {
        if matches!(key.kind, ast::ExprKind::Number(_)) {
            let problem = Problem::new(key.span, "GROUP BY takes columns and expressions, not their numbers");
            return self.fail(problem.help("write the column's name"));
        }
        let known = self.problems.len();
        let bound = self.expr(key, input, Aggregation::Refuse("GROUP BY"));
        if bound.is_err() {
            self.explain_alias(key, select, known);
        }
        bound
    }

    /// A key that is the name of a SELECT column: other systems allow it.
    fn explain_alias(&mut self, key: &ast::Expr, select: &ast::Select, known: usize) {
        let ast::ExprKind::Name { table: None, column } = &key.kind else { return };
        let is_alias = select
            .items
            .iter()
            .any(|item| matches!(item, SelectItem::Expr { alias: Some(alias), .. } if alias.name == column.name));
        if is_alias {
            for problem in &mut self.problems[known..] {
                problem.help = Some(format!("{} is a name from SELECT: repeat its expression here", column.name));
            }
        }
    }

    /// Takes the columns of the window out of the sets of keys; each set must hold them.
    fn take_window(&mut self, sets: Vec<Vec<Expr>>, columns: WindowColumns, span: Span) -> Bound<(Window, Grouping)> {
        let (Some(start), Some(end)) = (columns.start, columns.end) else { return Err(Reported) };
        for (column, name) in [(start, WINDOW_COLUMNS[0]), (end, WINDOW_COLUMNS[1])] {
            if sets.iter().any(|set| !set.iter().any(|key| key.kind == ExprKind::Column(column))) {
                let problem = Problem::new(span, format!("GROUP BY lacks {name}"));
                return self.fail(problem.help("a window is grouped by window_start, window_end and the keys"));
            }
        }
        let is_time = |key: &Expr| columns.time.is_some_and(|time| key.kind == ExprKind::Column(time));
        let window_time = sets.iter().all(|set| set.iter().any(is_time));
        let grouping = grouping(sets, |column| columns.holds(column));
        let window = Window { start, end, time: columns.time, by_keys: false };
        Ok((window, Grouping { window_time, ..grouping }))
    }

    /// What each GROUPING(…) is, by the number of the set.
    fn grouping_calls(&mut self, calls: &Calls, grouping: &Grouping, span: Span) -> Bound<Vec<Expr>> {
        let mut bound = Vec::new();
        for arguments in &calls.groupings {
            let positions: Option<Vec<usize>> =
                arguments.iter().map(|argument| grouping.keys.iter().position(|key| key == argument)).collect();
            let Some(positions) = positions else {
                return self.fail(Problem::new(span, "GROUPING takes columns of GROUP BY"));
            };
            let bits = |set: &Vec<usize>| {
                let bit = |bits: i64, position: &usize| bits << 1 | i64::from(!set.contains(position));
                Expr::literal(Value::Int(positions.iter().fold(0, bit)), DataType::BigInt)
            };
            let mut values: Vec<Expr> = grouping.sets.iter().map(bits).collect();
            let Some(last) = values.pop() else { return Err(Reported) };
            let is_set = |number: usize| {
                let number = Expr::literal(Value::Int(number as i64), DataType::Int);
                compare(CompareOp::Equal, Expr::column(SET, DataType::Int), number)
            };
            let branches: Vec<(Expr, Expr)> =
                values.into_iter().enumerate().map(|(number, value)| (is_set(number), value)).collect();
            bound.push(match branches.is_empty() {
                true => last,
                false => Expr::new(ExprKind::Case { branches, otherwise: Box::new(last) }, DataType::BigInt),
            });
        }
        Ok(bound)
    }

    /// The aggregate's operator, with WHERE below the window function where that is the same, so that only the rows
    /// wanted are put into windows.
    fn aggregated(
        &mut self,
        mut input: Relation,
        filter: Option<Expr>,
        window: &Window,
        grouping: Grouping,
        aggregates: Vec<Aggregate>,
    ) -> Relation {
        let columns = input.window;
        let of_window = |expr: &Expr| uses(expr, &|column| columns.holds(column));
        let parts = aggregates.iter().flat_map(|aggregate| aggregate.argument.iter().chain(&aggregate.filter));
        let attached = grouping.keys.iter().chain(parts).chain(&filter).any(of_window);
        let window_time = input.schema().columns.get(window.time.unwrap_or(window.end)).map(|column| column.data_type);
        let depth = input.depth + 2;
        let plain_keys = grouping.keys.clone();
        let schema = input.schema().clone();
        let kind = match input.node.kind {
            NodeKind::Window { input, time, windowing } if !attached && !is_uneven(windowing) => {
                let input = below(*input, filter);
                let (input, keys) = expand(input, grouping);
                NodeKind::WindowAggregate { input: Box::new(input), time, windowing, keys, aggregates }
            }
            NodeKind::Session { input, time, partition, gap_ms }
                if !attached
                    && grouping.sets.len() == 1
                    && (window.by_keys || is_partition(&grouping.keys, &partition)) =>
            {
                let input = Box::new(below(*input, filter));
                NodeKind::SessionAggregate { input, time, gap_ms, early_ms: None, keys: grouping.keys, aggregates }
            }
            // WHERE chooses among the rows of a window, not among those that fill it.
            NodeKind::CountWindow { input, windowing }
                if !attached
                    && filter.is_none()
                    && grouping.sets.len() == 1
                    && is_partition(&grouping.keys, &windowing.partition) =>
            {
                NodeKind::CountAggregate { input, windowing, keys: grouping.keys, aggregates }
            }
            kind => {
                input.node.kind = kind;
                let relation = match filter {
                    Some(predicate) => self.restricted(input, predicate),
                    None => input,
                };
                let (input, keys) = expand(relation.node, grouping);
                let window = Some([window.start, window.end]);
                NodeKind::AttachedAggregate { input: Box::new(input), window, keys, aggregates }
            }
        };
        grouped_relation(kind, &plain_keys, &schema, window_time, depth)
    }

    /// The same of all rows, until the input ends.
    pub(super) fn aggregated_to_the_end(
        &mut self,
        input: Relation,
        filter: Option<Expr>,
        grouping: Grouping,
        aggregates: Vec<Aggregate>,
    ) -> Relation {
        let (plain_keys, schema, depth) = (grouping.keys.clone(), input.schema().clone(), input.depth + 2);
        let relation = match filter {
            Some(predicate) => self.restricted(input, predicate),
            None => input,
        };
        let (input, keys) = expand(relation.node, grouping);
        let kind = NodeKind::AttachedAggregate { input: Box::new(input), window: None, keys, aggregates };
        grouped_relation(kind, &plain_keys, &schema, None, depth)
    }

    /// SELECT DISTINCT of rows with their windows: grouped by all columns, so that it ends with the window.
    pub(super) fn distinct_in_windows(&mut self, input: Relation, window: [usize; 2], span: Span) -> Bound<Relation> {
        let (columns, schema) = (input.window, input.schema().clone());
        let all = || schema.columns.iter().enumerate();
        let is_key = |index: &usize| !columns.holds(*index);
        let keys: Vec<Expr> = all()
            .filter(|(index, _)| is_key(index))
            .map(|(index, column)| Expr::column(index, column.data_type))
            .collect();
        let first = keys.len();
        let place =
            |index: usize| match [columns.start, columns.end, columns.time].iter().position(|c| *c == Some(index)) {
                Some(of_window) => first + of_window,
                None => keys.iter().position(|key| key.kind == ExprKind::Column(index)).unwrap_or_default(),
            };
        let item = |(index, column): (usize, &Column)| Item {
            name: column.name.to_string(),
            expr: Expr::column(place(index), column.data_type),
            span,
        };
        let items = all().map(item).collect();
        let window_time = columns.time.map(|time| schema.columns[time].data_type);
        let depth = input.depth + 1;
        let node = Box::new(input.node);
        let (window, aggregates) = (Some(window), Vec::new());
        let kind = NodeKind::AttachedAggregate { input: node, window, keys: keys.clone(), aggregates };
        let relation = grouped_relation(kind, &keys, &schema, window_time, depth);
        self.project(relation, items, span)
    }

    fn regroup(&mut self, regroup: &Regroup<'_>, expr: &mut Expr, span: Span, input: &Relation) -> Bound<()> {
        let Err(column) = regroup.rewrite(expr) else { return Ok(()) };
        let name = input.schema().columns.get(column).map_or("?", |column| &*column.name).to_owned();
        let problem = Problem::new(span, format!("{name} is neither in GROUP BY nor inside an aggregate"));
        self.fail(problem.help(format!("add {name} to GROUP BY, or take for example MAX({name})")))
    }
}

/// Each key once, but for columns of the window, and each set once.
fn grouping(sets: Vec<Vec<Expr>>, is_of_window: impl Fn(usize) -> bool) -> Grouping {
    let is_window = |key: &Expr| matches!(key.kind, ExprKind::Column(column) if is_of_window(column));
    let mut keys: Vec<Expr> = Vec::new();
    let mut kept: Vec<Vec<usize>> = Vec::new();
    for set in sets {
        let mut positions = Vec::new();
        for key in set.into_iter().filter(|key| !is_window(key)) {
            let position = keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            });
            positions.push(position);
        }
        positions.sort_unstable();
        positions.dedup();
        if !kept.contains(&positions) {
            kept.push(positions);
        }
    }
    Grouping { keys, sets: kept, window_time: false }
}

/// Whether windows of HOP overlap by parts of a slide, as GROUP BY has them: only single rows can be put into such.
fn is_uneven(windowing: Windowing) -> bool {
    matches!(windowing, Windowing::Hop { slide_ms, size_ms, .. } if size_ms % slide_ms != 0)
}

/// Whether the keys are the columns of the partition, in any order.
fn is_partition(keys: &[Expr], partition: &[usize]) -> bool {
    let is_key = |column: &usize| keys.iter().any(|key| key.kind == ExprKind::Column(*column));
    partition.iter().all(is_key)
        && keys.iter().all(|key| matches!(key.kind, ExprKind::Column(column) if partition.contains(&column)))
}

fn below(node: Node, filter: Option<Expr>) -> Node {
    let Some(predicate) = filter else { return node };
    let schema = node.schema.clone();
    Node { kind: NodeKind::Filter { input: Box::new(node), predicate }, schema }
}

/// Puts each row once into each grouping set; the keys are columns then.
fn expand(node: Node, grouping: Grouping) -> (Node, Vec<Expr>) {
    let Grouping { keys, sets, .. } = grouping;
    if sets.len() == 1 {
        return (node, keys);
    }
    let mut schema = node.schema.clone();
    let first = schema.columns.len();
    let types = keys.iter().map(|key| key.data_type).chain([DataType::Int]);
    for (index, data_type) in types.enumerate() {
        schema.columns.push(Column { name: format!("set${index}").into(), data_type });
    }
    let appended = schema.columns.iter().enumerate().skip(first);
    let columns = appended.map(|(index, column)| Expr::column(index, column.data_type)).collect();
    let kind = NodeKind::Expand { input: Box::new(node), keys, sets };
    (Node { kind, schema }, columns)
}

/// What a grouping operator gives: keys (and the number of the set), aggregates, window_start, window_end, window_time.
fn grouped_relation(
    kind: NodeKind,
    plain_keys: &[Expr],
    input: &Schema,
    window_time: Option<DataType>,
    depth: usize,
) -> Relation {
    let (keys, aggregates) = match &kind {
        NodeKind::WindowAggregate { keys, aggregates, .. }
        | NodeKind::SessionAggregate { keys, aggregates, .. }
        | NodeKind::CountAggregate { keys, aggregates, .. }
        | NodeKind::AttachedAggregate { keys, aggregates, .. } => (keys, aggregates),
        _ => (&Vec::new(), &Vec::new()),
    };
    let key_name = |index: usize| match plain_keys.get(index).map(|key| &key.kind) {
        Some(ExprKind::Column(column)) => input.columns.get(*column).map(|column| column.name.clone()),
        _ => None,
    };
    let key_column = |(index, key): (usize, &Expr)| Column {
        name: key_name(index).unwrap_or_else(|| format!("key${index}").into()),
        data_type: key.data_type,
    };
    let mut columns: Vec<Column> = keys.iter().enumerate().map(key_column).collect();
    columns.extend(aggregates.iter().enumerate().map(|(index, aggregate)| Column {
        name: format!("aggregate${index}").into(),
        data_type: aggregate.data_type,
    }));
    if let NodeKind::AttachedAggregate { window: None, .. } = kind {
        let schema = Schema { columns, ..Schema::default() };
        return Relation { depth, ..Relation::of_node(Node { kind, schema }) };
    }
    let start = columns.len();
    // Start and end are plain times in the session's zone; window_time is of the event time's own type.
    let types = [DataType::Timestamp(3), DataType::Timestamp(3), window_time.unwrap_or(DataType::Timestamp(3))];
    columns
        .extend(WINDOW_COLUMNS.into_iter().zip(types).map(|(name, data_type)| Column { name: name.into(), data_type }));
    let device = input.device.and_then(|device| keys.iter().position(|key| key.kind == ExprKind::Column(device)));
    let schema = Schema { columns, event_time: Some(start + 2), device };
    let window = WindowColumns::from(start);
    Relation { times: vec![start + 2], window, depth, ..Relation::of_node(Node { kind, schema }) }
}

fn no_window(span: Span, input: &Relation, grouped: bool) -> Problem {
    let problem = match grouped {
        true => Problem::new(span, "GROUP BY needs a window: without one the groups of a stream are never complete"),
        false => Problem::new(span, "an aggregate needs GROUP BY with a window: a stream never ends"),
    };
    match input.window == WindowColumns::default() {
        false => problem.help("both window_start and window_end must be passed on by the subquery, as they are"),
        true => problem.help(
            "FROM TABLE(TUMBLE(TABLE source, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) … GROUP BY window_start, window_end",
        ),
    }
}

fn uses(expr: &Expr, which: &dyn Fn(usize) -> bool) -> bool {
    matches!(expr.kind, ExprKind::Column(column) if which(column))
        || expr.children().into_iter().any(|child| uses(child, which))
}
