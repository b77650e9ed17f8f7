//! Subqueries as values: `(SELECT MAX(temp) FROM readings)` in an expression. Each is a column behind those of what is read,
//! by a join with what the subquery gives, which is known when the input has ended.
//!
//! One that speaks of the row around it, by `=`, is grouped by what it compares with, as Flink's planner does it.

use super::aggregate::{BASE, Calls, GROUPING};
use super::expr::{Aggregation, Bound, call, compare};
use super::group::Grouping;
use super::join::{Found, conjunction, conjuncts, side_by_side};
use super::join_condition::{Split, equal_sides, rebased, within};
use super::{Binder, Bounds, Relation};
use crate::model::{Column, DataType, Schema, Value};
use crate::plan::{Aggregate, AggregateFunction, AsOf, CompareOp, Expr, ExprKind, Function, JoinKind, Node, NodeKind};
use crate::sql::ast::{self, Select, SelectItem, TableKind};
use crate::sql::span::{Problem, Span};

/// What a subquery is made of before it stands beside the rows.
struct Parts {
    /// What it reads.
    input: Relation,
    /// What must be equal: of the row around it, and of its own rows.
    keys: Vec<(Expr, Expr)>,
    /// What must be TRUE of the row around it.
    conditions: Vec<Expr>,
    aggregates: Vec<Aggregate>,
    /// The value, over the columns of the row around it, with the aggregates as columns from [`BASE`] on.
    value: Expr,
}

impl Binder<'_> {
    /// The rows with the values of the subqueries in these expressions behind their columns.
    pub(super) fn with_values<'a>(
        &mut self,
        mut input: Relation,
        exprs: impl Iterator<Item = &'a ast::Expr>,
    ) -> Bound<Relation> {
        // Elsewhere the expression itself is told that it cannot be.
        if self.bounds != Bounds::Ends {
            return Ok(input);
        }
        let mut queries = Vec::new();
        for expr in exprs {
            expr.visit(&mut |expr| {
                if let ast::ExprKind::Subquery(query) = &expr.kind {
                    queries.push(query);
                }
            });
        }
        for query in queries {
            input = self.with_value(input, query)?;
        }
        Ok(input)
    }

    fn with_value(&mut self, left: Relation, query: &ast::Query) -> Bound<Relation> {
        let span = query.span();
        let parts = self.parts(&left, query)?;
        let keys: Vec<Expr> = parts.keys.iter().map(|(_, own)| own.clone()).collect();
        let sets = vec![(0..keys.len()).collect()];
        let grouping = Grouping { keys: keys.clone(), sets, window_time: false };
        let right = self.aggregated_to_the_end(parts.input, None, grouping, parts.aggregates.clone());
        let width = left.schema().columns.len();
        let equal = |(index, (outer, own)): (usize, &(Expr, Expr))| {
            compare(CompareOp::Equal, outer.clone(), Expr::column(width + index, own.data_type))
        };
        let mut conditions: Vec<Expr> = parts.keys.iter().enumerate().map(equal).collect();
        conditions.extend(parts.conditions);
        let found = Found { kind: JoinKind::Left, conditions, as_of: AsOf::Unsaid, span };
        let Relation { tables, common, outer, mut values, primary_key, .. } = left.clone();
        let joined = self.join(left, right, found)?;
        let mut value = parts.value;
        place_results(&mut value, width + keys.len(), &parts.aggregates);
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

    fn parts(&mut self, left: &Relation, query: &ast::Query) -> Bound<Parts> {
        let known = self.problems.len();
        // What can be bound by itself speaks of nothing else: a name means a column of the subquery first.
        let Ok(input) = self.subquery(query) else {
            let alone = self.problems.split_off(known);
            let bound = match single_select(query) {
                Some((select, item)) => self.correlated_value(left, select, item),
                None => Ok(None),
            };
            return match bound {
                Ok(Some(parts)) => Ok(parts),
                // Its own mistakes say more.
                _ if self.problems.len() == known => {
                    self.problems.extend(alone);
                    Err(super::expr::Reported)
                }
                _ => Err(super::expr::Reported),
            };
        };
        let [column] = input.schema().columns.as_slice() else {
            let message =
                format!("a subquery as a value gives one column, and this one {}", input.schema().columns.len());
            return self.fail(Problem::new(query.span(), message).help("select the one that is the value"));
        };
        let item = Expr::column(0, column.data_type);
        let (aggregates, value) = only_one(item);
        Ok(Parts { input, keys: Vec::new(), conditions: Vec::new(), aggregates, value })
    }

    /// A subquery that speaks of the row around it. `None`: it does not.
    fn correlated_value(&mut self, left: &Relation, select: &Select, item: &ast::Expr) -> Bound<Option<Parts>> {
        let input = match select.from.kind {
            TableKind::Join(_) | TableKind::Unnest(_) => {
                let from = self.from(&select.from)?;
                match from.joins {
                    Some(joins) => self.resolve(joins, None)?,
                    None => from.scope,
                }
            }
            _ => self.table(&select.from)?,
        };
        let width = left.schema().columns.len();
        let mut scope = side_by_side(left, &input);
        scope.outer = width;
        let mut calls = Calls::new(&[]);
        let item_span = item.span;
        let item = self.expr(item, &scope, Aggregation::Collect(&mut calls))?;
        let filter = match &select.filter {
            Some(filter) => conjuncts(self.binder(&scope, Aggregation::Refuse("WHERE")).boolean(filter, "WHERE")?),
            None => Vec::new(),
        };
        if !(calls.overs.is_empty() && calls.groupings.is_empty()) {
            return self.refuse(item_span, "OVER or GROUPING in a subquery that speaks of the row around it");
        }
        let (mut own, mut keys, mut conditions) = (Vec::new(), Vec::new(), Vec::new());
        for condition in filter {
            match within(&condition, width) {
                Split::Right => own.push(rebased(condition, width)),
                Split::Left | Split::None => conditions.push(condition),
                Split::Both => match equal_sides(&condition, width) {
                    Some(key) => keys.push(key),
                    None => {
                        let what = "a subquery as a value that compares with the row around it otherwise than by =";
                        return self.refuse(select.span, what);
                    }
                },
            }
        }
        let (aggregates, value) = if calls.aggregates.is_empty() {
            if let Split::Left | Split::Both = within(&item, width) {
                return self.refuse(item_span, "a subquery as a value that is computed of the row around it");
            }
            only_one(rebased(item, width))
        } else {
            let mut aggregates = calls.aggregates;
            for expr in
                aggregates.iter_mut().flat_map(|aggregate| aggregate.argument.iter_mut().chain(&mut aggregate.filter))
            {
                if let Split::Left | Split::Both = within(expr, width) {
                    return self.refuse(item_span, "an aggregate over columns of the row around the subquery");
                }
                *expr = rebased(expr.clone(), width);
            }
            if uses_rows(&item, width) {
                let problem = Problem::new(item_span, "a column here is neither in GROUP BY nor inside an aggregate");
                return self.fail(problem.help("take for example its MAX"));
            }
            (aggregates, item)
        };
        let input = match conjunction(own) {
            Some(predicate) => self.restricted(input, predicate),
            None => input,
        };
        Ok(Some(Parts { input, keys, conditions, aggregates, value }))
    }

    fn refuse<T>(&mut self, span: Span, what: &str) -> Bound<T> {
        let problem = Problem::unsupported(span, what);
        self.fail(problem.help("join what has the value instead: LEFT JOIN (SELECT key, MAX(x) … GROUP BY key) ON …"))
    }
}

/// The value of the one row that there may be, as aggregates and what is made of them. Several are an error.
fn only_one(value: Expr) -> (Vec<Aggregate>, Expr) {
    let data_type = value.data_type;
    let aggregate = |function, argument, data_type| Aggregate {
        function,
        argument,
        distinct: false,
        filter: None,
        parameter: Value::Null,
        data_type,
    };
    let count = aggregate(AggregateFunction::Count, None, DataType::BigInt);
    let first = aggregate(AggregateFunction::FirstValue, Some(value), data_type);
    let results = vec![Expr::column(BASE, DataType::BigInt), Expr::column(BASE + 1, data_type)];
    (vec![count, first], call(Function::OnlyValue, results, data_type))
}

/// Whether the expression has columns of the rows themselves beside the aggregates.
fn uses_rows(expr: &Expr, width: usize) -> bool {
    matches!(expr.kind, ExprKind::Column(column) if (width..BASE).contains(&column))
        || expr.children().into_iter().any(|child| uses_rows(child, width))
}

/// The aggregates as the columns that they are from `first` on. Where no row was, COUNT is 0.
fn place_results(expr: &mut Expr, first: usize, aggregates: &[Aggregate]) {
    if let ExprKind::Column(column @ BASE..GROUPING) = expr.kind {
        let index = column - BASE;
        let result = Expr::column(first + index, expr.data_type);
        let counts = |aggregate: &Aggregate| aggregate.function == AggregateFunction::Count;
        *expr = match aggregates.get(index).is_some_and(counts) {
            true => {
                let none = Expr::literal(Value::Int(0), DataType::BigInt);
                Expr::new(ExprKind::Coalesce(vec![result, none]), DataType::BigInt)
            }
            false => result,
        };
        return;
    }
    expr.children_mut().into_iter().for_each(|child| place_results(child, first, aggregates));
}

/// The SELECT and its one column, of a subquery that has nothing else but FROM and WHERE.
fn single_select(query: &ast::Query) -> Option<(&Select, &ast::Expr)> {
    let ([ast::Branch::Select(select)], [], [], None, false) =
        (query.branches.as_slice(), query.with.as_slice(), query.order_by.as_slice(), query.limit, query.distinct)
    else {
        return None;
    };
    let [SelectItem::Expr { expr, .. }] = select.items.as_slice() else { return None };
    let is_plain = !select.distinct && select.group_by.is_none() && select.having.is_none();
    is_plain.then_some((select, expr))
}
