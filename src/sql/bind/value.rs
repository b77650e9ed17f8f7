//! Subqueries in expressions: `(SELECT MAX(temp) FROM readings)` as a value, and IN, EXISTS and ANY where they are more
//! than a condition of WHERE beside others. What each is stands in a column behind those of what is read, by a join with
//! what the subquery gives, which is known when the input has ended.
//!
//! One that speaks of the row around it by `=` is grouped by what it compares with, as Flink's planner does it.

use super::aggregate::{self, BASE, Calls, GROUPING};
use super::expr::{Aggregation, Bound, ExprBinder, Reported, boolean, call, compare, null};
use super::group::Grouping;
use super::join::{Found, conjunction};
use super::join_condition::{Split, equal_sides, rebased, within};
use super::subquery::single_select;
use super::{Binder, Bounds, Relation};
use crate::model::{Column, DataType, Schema, Value};
use crate::plan::{
    Aggregate, AggregateFunction, AsOf, CompareOp, Expr, ExprKind, Function, JoinKind, Node, NodeKind, Ranking,
};
use crate::sql::ast::{self, Select, SelectItem};
use crate::sql::span::{Problem, Span};

/// What an expression asks of a subquery.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    Value,
    Exists,
    /// `operand op ANY (query)`; IN is `= ANY`.
    Any {
        operand: &'a ast::Expr,
        op: CompareOp,
    },
}

/// The subquery that the expression itself, and no part of it, has.
pub fn wanted(expr: &ast::Expr) -> Option<(Wanted<'_>, &ast::Query)> {
    Some(match &expr.kind {
        ast::ExprKind::Subquery(query) => (Wanted::Value, query),
        ast::ExprKind::Exists(query) => (Wanted::Exists, query),
        ast::ExprKind::InQuery { operand, query, .. } => (Wanted::Any { operand, op: CompareOp::Equal }, query),
        ast::ExprKind::Any { op, operand, query } => (Wanted::Any { operand, op: *op }, query),
        _ => return None,
    })
}

/// A subquery before it stands beside the rows.
#[derive(Clone)]
struct Parts {
    /// What it reads.
    input: Relation,
    /// What must be equal: of the row around it, and of its own rows.
    keys: Vec<(Expr, Expr)>,
    /// What must be TRUE of the row around it.
    conditions: Vec<Expr>,
    /// What must be TRUE of both, over the columns of the row around it, so many, and then those of its own.
    comparisons: Vec<Expr>,
    width: usize,
    /// Those of its SELECT, with `item` over them.
    aggregates: Vec<Aggregate>,
    /// Its column, over the rows that it reads, or over its aggregates as columns from [`BASE`] on.
    item: Expr,
}

impl ExprBinder<'_> {
    /// A subquery's value, which stands in a column, or what is asked of its rows.
    pub fn of_query(&mut self, expr: &ast::Expr) -> Bound {
        use ast::ExprKind as K;
        let (query, negated) = match &expr.kind {
            K::InQuery { query, negated, .. } => (query, *negated),
            K::Exists(query) | K::Subquery(query) | K::Any { query, .. } => (query, false),
            _ => return Err(Reported),
        };
        let span = query.span();
        if let Some((_, column)) = self.scope.values.iter().find(|(known, _)| *known == span) {
            let value = Expr::column(*column, self.scope.columns[*column].data_type);
            return Ok(if negated { boolean(ExprKind::Not(Box::new(value))) } else { value });
        }
        self.fail(match &expr.kind {
            K::InQuery { .. } | K::Exists(_) => Problem::unsupported(expr.span, "a subquery in this place").help(
                "IN and EXISTS with a subquery stand in WHERE, beside the rest with AND; in a script over files also in other expressions of SELECT, WHERE and HAVING",
            ),
            _ => Problem::unsupported(span, "a subquery as a value").help(
                "join what has the value: a lookup table, [table.x], or the same windows of both, ON a.window_start = b.window_start AND a.window_end = b.window_end; in a script over files it may stand in SELECT, WHERE and HAVING",
            ),
        })
    }
}

impl Binder<'_> {
    /// The rows with what these expressions ask of subqueries behind their columns.
    pub(super) fn with_values<'a>(
        &mut self,
        mut input: Relation,
        exprs: impl Iterator<Item = &'a ast::Expr>,
    ) -> Bound<Relation> {
        // Elsewhere the expression itself is told that it cannot be.
        if self.bounds != Bounds::Ends {
            return Ok(input);
        }
        let mut all = Vec::new();
        exprs.for_each(|expr| expr.visit(&mut |expr| all.extend(wanted(expr))));
        // What stands inside an operand is wanted first.
        for (wanted, query) in all.into_iter().rev() {
            input = self.with_value(input, wanted, query)?;
        }
        Ok(input)
    }

    fn with_value(&mut self, left: Relation, wanted: Wanted<'_>, query: &ast::Query) -> Bound<Relation> {
        let span = query.span();
        let width = left.schema().columns.len();
        let parts = self.parts(&left, query, matches!(wanted, Wanted::Exists))?;
        let Relation { tables, common, outer, mut values, primary_key, .. } = left.clone();
        let (joined, value) = match wanted {
            Wanted::Value if !parts.aggregates.is_empty() => {
                let (aggregates, mut value) = (parts.aggregates.clone(), parts.item.clone());
                let (joined, first) = self.beside(left, parts, aggregates.clone(), span)?;
                place_results(&mut value, first, &aggregates);
                (joined, value)
            }
            Wanted::Value => {
                let aggregates = vec![count(None), first_value(parts.item.clone())];
                let (joined, first) = self.beside(left, parts, aggregates.clone(), span)?;
                let results = (0..2).map(|index| result(first, index, &aggregates)).collect::<Vec<Expr>>();
                let data_type = results[1].data_type;
                (joined, call(Function::OnlyValue, results, data_type))
            }
            Wanted::Exists => {
                let (joined, first) = self.beside(left, parts, vec![count(None)], span)?;
                (joined, is_some(result(first, 0, &[count(None)])))
            }
            Wanted::Any { operand, op } => self.any(left, operand, op, parts, span)?,
        };
        values.push((span, width));
        let columns = joined.schema().columns.iter().take(width).cloned();
        let column = Column { name: format!("subquery {}", values.len()).into(), data_type: value.data_type };
        let schema = Schema { columns: columns.chain([column]).collect(), ..Schema::default() };
        let kept = schema.columns.iter().take(width).enumerate();
        let exprs = kept.map(|(index, column)| Expr::column(index, column.data_type)).chain([value]).collect();
        let depth = joined.depth + 1;
        let node = Node { kind: NodeKind::Project { input: Box::new(joined.node), exprs }, schema };
        let relation = Relation { tables, common, outer, values, primary_key, depth, ..Relation::of_node(node) };
        self.limit_depth(relation, span)
    }

    /// The rows beside the subquery's aggregates, and the column of the first of these.
    fn beside(
        &mut self,
        left: Relation,
        parts: Parts,
        aggregates: Vec<Aggregate>,
        span: Span,
    ) -> Bound<(Relation, usize)> {
        if !parts.comparisons.is_empty() {
            return self.beside_each(left, parts, aggregates, span);
        }
        let keys: Vec<Expr> = parts.keys.iter().map(|(_, own)| own.clone()).collect();
        let sets = vec![(0..keys.len()).collect()];
        let grouping = Grouping { keys, sets, window_time: false };
        let right = self.aggregated_to_the_end(parts.input, None, grouping, aggregates);
        let width = left.schema().columns.len();
        let equal = |(index, (outer, own)): (usize, &(Expr, Expr))| {
            compare(CompareOp::Equal, outer.clone(), Expr::column(width + index, own.data_type))
        };
        let mut conditions: Vec<Expr> = parts.keys.iter().enumerate().map(equal).collect();
        conditions.extend(parts.conditions);
        let found = Found { kind: JoinKind::Left, conditions, as_of: AsOf::Unsaid, span };
        Ok((self.join(left, right, found)?, width + parts.keys.len()))
    }

    /// The same where rows of the subquery belong to several rows around it: each of these is numbered, and what is joined to
    /// it is grouped by all of it.
    fn beside_each(
        &mut self,
        left: Relation,
        parts: Parts,
        mut aggregates: Vec<Aggregate>,
        span: Span,
    ) -> Bound<(Relation, usize)> {
        // Each row has a number of its own.
        let each = Ranking { partition: Vec::new(), order: Vec::new(), newest_of_equals: false };
        let left = self.ranked(left, each, None, (1, u64::MAX), span)?;
        let right = marked(parts.input);
        let (width, mark) = (left.schema().columns.len(), right.schema().columns.len() - 1);
        let moved = |expr: &Expr| shifted(expr.clone(), parts.width, width - parts.width);
        let own = |expr: &Expr| shifted(expr.clone(), 0, width);
        let equal = |(outer, key): &(Expr, Expr)| compare(CompareOp::Equal, outer.clone(), own(key));
        let mut conditions: Vec<Expr> = parts.comparisons.iter().map(moved).collect();
        conditions.extend(parts.keys.iter().map(equal));
        conditions.extend(parts.conditions);
        let found = Found { kind: JoinKind::Left, conditions, as_of: AsOf::Unsaid, span };
        let joined = self.join(left, right, found)?;
        let is_there = joined.column(width + mark);
        for aggregate in &mut aggregates {
            aggregate.argument = aggregate.argument.as_ref().map(own);
            let filter = aggregate.filter.as_ref().map(own);
            aggregate.filter = conjunction(filter.into_iter().chain([is_there.clone()]).collect());
        }
        let keys: Vec<Expr> = (0..width).map(|column| joined.column(column)).collect();
        let sets = vec![(0..width).collect()];
        let grouping = Grouping { keys, sets, window_time: false };
        Ok((self.aggregated_to_the_end(joined, None, grouping, aggregates), width))
    }

    /// Whether the comparison holds for one of the rows: TRUE, or FALSE, or NULL where that cannot be known.
    fn any(
        &mut self,
        left: Relation,
        operand: &ast::Expr,
        op: CompareOp,
        parts: Parts,
        span: Span,
    ) -> Bound<(Relation, Expr)> {
        if !parts.aggregates.is_empty() {
            return self.refuse(span, "an aggregate over rows that speak of the row around them, inside IN or ANY,");
        }
        let mut binder = self.binder(&left, Aggregation::Refuse("IN with a subquery"));
        let bound = binder.bind(operand)?;
        let (operand, item) = binder.comparable(bound, parts.item.clone(), Some(op), operand.span)?;
        let extreme = |function| Aggregate { function, ..first_value(item.clone()) };
        let mut aggregates = vec![count(None), count(Some(item.clone()))];
        aggregates.extend(match op {
            CompareOp::Equal => Vec::new(),
            CompareOp::NotEqual => vec![extreme(AggregateFunction::Min), extreme(AggregateFunction::Max)],
            CompareOp::Less | CompareOp::LessOrEqual => vec![extreme(AggregateFunction::Max)],
            CompareOp::Greater | CompareOp::GreaterOrEqual => vec![extreme(AggregateFunction::Min)],
        });
        if aggregates.len() > 2 && aggregate::result(AggregateFunction::Max, item.data_type).is_none() {
            return self.refuse(span, &format!("ANY or ALL of {}", item.data_type));
        }
        let (mut joined, first) = self.beside(left, parts.clone(), aggregates.clone(), span)?;
        let holds = if op == CompareOp::Equal {
            let mut same = parts;
            same.keys.push((operand.clone(), item));
            let (both, first) = self.beside(joined, same, vec![count(None)], span)?;
            joined = both;
            is_some(result(first, 0, &[count(None)]))
        } else {
            let extremes = (2..aggregates.len()).map(|index| result(first, index, &aggregates));
            let holds: Vec<Expr> = extremes.map(|extreme| compare(op, operand.clone(), extreme)).collect();
            boolean(ExprKind::Or(holds))
        };
        let (rows, known) = (result(first, 0, &aggregates), result(first, 1, &aggregates));
        let is_null = boolean(ExprKind::IsNull { operand: Box::new(operand), negated: false });
        let unknown = boolean(ExprKind::Or(vec![is_null, compare(CompareOp::Greater, rows.clone(), known)]));
        let truth = |value| Expr::literal(Value::Boolean(value), DataType::Boolean);
        let none = boolean(ExprKind::Not(Box::new(is_some(rows))));
        let branches = vec![(none, truth(false)), (holds, truth(true)), (unknown, null(DataType::Boolean))];
        Ok((joined, boolean(ExprKind::Case { branches, otherwise: Box::new(truth(false)) })))
    }

    fn parts(&mut self, left: &Relation, query: &ast::Query, any_columns: bool) -> Bound<Parts> {
        let known = self.problems.len();
        // What can be bound by itself speaks of nothing else: a name means a column of the subquery first.
        let Ok(input) = self.subquery(query) else {
            let alone = self.problems.split_off(known);
            let bound = match single_select(query) {
                Some(select) => self.correlated_parts(left, select, any_columns),
                None => Err(Reported),
            };
            // Without a mistake of its own that of the whole says more.
            if bound.is_err() && self.problems.len() == known {
                self.problems.extend(alone);
            }
            return bound;
        };
        let item = match input.schema().columns.as_slice() {
            [column] => Expr::column(0, column.data_type),
            _ if any_columns => null(DataType::Boolean),
            columns => {
                let message = format!("a subquery as a value gives one column, and this one {}", columns.len());
                return self.fail(Problem::new(query.span(), message).help("select the one that is the value"));
            }
        };
        let (keys, conditions, comparisons, aggregates) = Default::default();
        Ok(Parts { input, keys, conditions, comparisons, width: left.schema().columns.len(), aggregates, item })
    }

    /// A subquery that speaks of the row around it.
    fn correlated_parts(&mut self, left: &Relation, select: &Select, any_columns: bool) -> Bound<Parts> {
        let (input, scope) = self.inner(select, left)?;
        let width = scope.outer;
        let mut calls = Calls::new(&[]);
        let (item, item_span) = match select.items.as_slice() {
            _ if any_columns => (null(DataType::Boolean), select.span),
            [SelectItem::Expr { expr, .. }] => (self.expr(expr, &scope, Aggregation::Collect(&mut calls))?, expr.span),
            _ => {
                let problem = Problem::new(select.span, "a subquery as a value gives one column");
                return self.fail(problem.help("select the one that is the value"));
            }
        };
        let filter = self.inner_conditions(select, &scope)?;
        if !(calls.overs.is_empty() && calls.groupings.is_empty()) {
            return self.refuse(item_span, "OVER or GROUPING in a subquery that speaks of the row around it");
        }
        let (mut own, mut keys, mut conditions, mut comparisons) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for condition in filter {
            match (within(&condition, width), equal_sides(&condition, width)) {
                (Split::Right, _) => own.push(rebased(condition, width)),
                (Split::Left | Split::None, _) => conditions.push(condition),
                (Split::Both, Some(key)) => keys.push(key),
                (Split::Both, None) => comparisons.push(condition),
            }
        }
        let (mut aggregates, mut item) = (calls.aggregates, item);
        let is_plain = aggregates.is_empty();
        let arguments = aggregates.iter_mut().flat_map(|part| part.argument.iter_mut().chain(&mut part.filter));
        for part in arguments.chain(is_plain.then_some(&mut item)) {
            if let Split::Left | Split::Both = within(part, width) {
                return self.refuse(item_span, "a value of a subquery that is computed of the row around it");
            }
            *part = rebased(part.clone(), width);
        }
        if !aggregates.is_empty() && uses_rows(&item, width) {
            let problem = Problem::new(item_span, "a column here is neither in GROUP BY nor inside an aggregate");
            return self.fail(problem.help("take for example its MAX"));
        }
        let input = match conjunction(own) {
            Some(predicate) => self.restricted(input, predicate),
            None => input,
        };
        Ok(Parts { input, keys, conditions, comparisons, width, aggregates, item })
    }

    fn refuse<T>(&mut self, span: Span, what: &str) -> Bound<T> {
        let problem = Problem::unsupported(span, what);
        self.fail(problem.help("join what has the value instead: LEFT JOIN (SELECT key, MAX(x) … GROUP BY key) ON …"))
    }
}

/// The rows, each with a TRUE behind its columns, which is NULL where an outer join has none.
fn marked(relation: Relation) -> Relation {
    let mut schema = relation.schema().clone();
    let exprs = (0..schema.columns.len()).map(|column| relation.column(column));
    let exprs = exprs.chain([Expr::literal(Value::Boolean(true), DataType::Boolean)]).collect();
    schema.columns.push(Column { name: "there".into(), data_type: DataType::Boolean });
    let kind = NodeKind::Project { input: Box::new(relation.node), exprs };
    Relation { node: Node { kind, schema }, depth: relation.depth + 1, ..relation }
}

/// The expression with its columns from `first` on further back.
fn shifted(mut expr: Expr, first: usize, by: usize) -> Expr {
    fn shift(expr: &mut Expr, first: usize, by: usize) {
        match &mut expr.kind {
            ExprKind::Column(column) if *column >= first => *column += by,
            _ => expr.children_mut().into_iter().for_each(|child| shift(child, first, by)),
        }
    }
    shift(&mut expr, first, by);
    expr
}

fn count(argument: Option<Expr>) -> Aggregate {
    let (function, data_type) = (AggregateFunction::Count, DataType::BigInt);
    Aggregate { function, argument, distinct: false, filter: None, parameter: Value::Null, data_type }
}

fn first_value(argument: Expr) -> Aggregate {
    let (function, data_type) = (AggregateFunction::FirstValue, argument.data_type);
    Aggregate { function, data_type, ..count(Some(argument)) }
}

/// `count > 0`
fn is_some(count: Expr) -> Expr {
    compare(CompareOp::Greater, count, Expr::literal(Value::Int(0), DataType::BigInt))
}

/// One of the aggregates that stand from `first` on. Where no row was, COUNT is 0.
fn result(first: usize, index: usize, aggregates: &[Aggregate]) -> Expr {
    let aggregate = &aggregates[index];
    let column = Expr::column(first + index, aggregate.data_type);
    if aggregate.function != AggregateFunction::Count {
        return column;
    }
    let none = Expr::literal(Value::Int(0), DataType::BigInt);
    Expr::new(ExprKind::Coalesce(vec![column, none]), DataType::BigInt)
}

/// The aggregates of a SELECT as the columns that they are from `first` on.
fn place_results(expr: &mut Expr, first: usize, aggregates: &[Aggregate]) {
    if let ExprKind::Column(column @ BASE..GROUPING) = expr.kind {
        *expr = result(first, column - BASE, aggregates);
        return;
    }
    expr.children_mut().into_iter().for_each(|child| place_results(child, first, aggregates));
}

/// Whether the expression has columns of the rows themselves beside the aggregates.
fn uses_rows(expr: &Expr, width: usize) -> bool {
    matches!(expr.kind, ExprKind::Column(column) if (width..BASE).contains(&column))
        || expr.children().into_iter().any(|child| uses_rows(child, width))
}
