//! ORDER BY. A stream can be sorted by its event time alone: nothing else tells that no row is still to come before.
//!
//! What ORDER BY takes and SELECT does not stands behind the columns of SELECT, for as long as it is needed.

use super::aggregate::{self, Calls, OVER, SET};
use super::expr::{Aggregation, Bound};
use super::join::side_by_side;
use super::select::Item;
use super::{Binder, Relation, group_window, report};
use crate::model::{Column, DataType, Schema};
use crate::plan::{Expr, ExprKind, Node, NodeKind, OrderKey, Ranking};
use crate::sql::ast::{self, OrderBy};
use crate::sql::span::{Problem, Span};

/// ORDER BY of a query, with its LIMIT where both together say which rows there are.
#[derive(Clone, Copy, Default)]
pub struct Order<'a> {
    pub by: &'a [OrderBy],
    pub limit: Option<ast::Limit>,
}

impl Binder<'_> {
    /// The result of several queries, or of DISTINCT: by its columns and what they give.
    pub(super) fn sorted(&mut self, relation: Relation, order: Order<'_>) -> Bound<Relation> {
        let Some(first) = order.by.first() else { return Ok(relation) };
        let mut items = results(&relation, first.expr.span);
        let columns = items.len();
        let keys = self.order_keys(order.by, &relation, &mut items, None)?;
        let relation = match items.len() > columns {
            true => self.project(relation, items, first.expr.span)?,
            false => relation,
        };
        self.ordered(relation, keys, columns, order)
    }

    /// The positions in `items` of what ORDER BY names; what is not there is added. `calls` are those of SELECT.
    pub(super) fn order_keys(
        &mut self,
        order_by: &[OrderBy],
        input: &Relation,
        items: &mut Vec<Item>,
        mut calls: Option<&mut Calls>,
    ) -> Bound<Vec<OrderKey>> {
        let columns = items.len();
        let mut keys = Vec::new();
        for item in order_by {
            let named = |name: &str| items[..columns].iter().position(|item| item.name == name);
            let found = match &item.expr.kind {
                ast::ExprKind::Number(number) => Some(self.ordinal(number, item, columns)?),
                ast::ExprKind::Name { table, column } if table.is_none() || calls.is_none() => named(&column.name),
                _ => None,
            };
            let column = match found {
                Some(column) => column,
                None => {
                    let expr = self.order_expr(&item.expr, input, &items[..columns], calls.as_deref_mut())?;
                    items.iter().position(|known| known.expr == expr).unwrap_or_else(|| {
                        items.push(Item { name: format!("order${}", items.len()), expr, span: item.expr.span });
                        items.len() - 1
                    })
                }
            };
            let data_type = items[column].expr.data_type;
            if data_type.is_nested() {
                return self.fail(Problem::new(item.expr.span, format!("{data_type} has no order")));
            }
            // As in Flink NULLs are the smallest unless it is said otherwise.
            let nulls_first = item.nulls_first.unwrap_or(!item.descending);
            keys.push(OrderKey { column, descending: item.descending, nulls_first });
        }
        Ok(keys)
    }

    /// `ORDER BY 2`: the second column of SELECT.
    fn ordinal(&mut self, number: &str, item: &OrderBy, columns: usize) -> Bound<usize> {
        match number.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|index| *index < columns) {
            Some(index) => Ok(index),
            None => {
                let problem = Problem::new(item.expr.span, format!("the result has no column {number}"));
                self.fail(problem.help(format!("a number in ORDER BY is a column's place, from 1 to {columns}")))
            }
        }
    }

    /// Over the rows that SELECT reads. A name means a column of the result first.
    fn order_expr(
        &mut self,
        written: &ast::Expr,
        input: &Relation,
        items: &[Item],
        calls: Option<&mut Calls>,
    ) -> Bound {
        let aggregation = match calls {
            Some(calls) => Aggregation::Collect(calls),
            None => Aggregation::Refuse("ORDER BY"),
        };
        // What is collected is over the rows that SELECT reads.
        if collects(written) {
            return self.expr(written, input, aggregation);
        }
        let width = input.schema().columns.len();
        let columns =
            items.iter().map(|item| Column { name: item.name.as_str().into(), data_type: item.expr.data_type });
        let schema = Schema { columns: columns.collect(), ..Schema::default() };
        let results = Relation::of_node(Node { kind: NodeKind::Scan { source: 0 }, schema });
        let mut scope = side_by_side(input, &results);
        scope.outer = width;
        scope.values.clone_from(&input.values);
        let mut expr = self.expr(written, &scope, aggregation)?;
        over_input(&mut expr, width, items);
        Ok(expr)
    }

    /// The condition of QUALIFY as one more item, to be taken out when OVER has been computed.
    pub(super) fn qualify(
        &mut self,
        select: &ast::Select,
        input: &Relation,
        items: &mut Vec<Item>,
        columns: usize,
        calls: &mut Calls,
    ) -> Bound<()> {
        let Some(written) = &select.qualify else { return Ok(()) };
        let span = written.span;
        let expr = self.order_expr(written, input, &items[..columns], Some(calls))?;
        if expr.data_type != DataType::Boolean {
            return self.fail(Problem::new(span, format!("QUALIFY needs a condition, not {}", expr.data_type)));
        }
        if !uses_over(&expr) {
            let problem = Problem::new(span, "QUALIFY is about functions with OVER, and there is none");
            return self.fail(problem.help("a condition of the rows themselves stands in WHERE"));
        }
        items.push(Item { name: "qualify".to_owned(), expr, span });
        Ok(())
    }

    /// The rows for which QUALIFY is TRUE; its condition is the last item.
    pub(super) fn qualified(&mut self, select: &ast::Select, relation: Relation, items: &mut Vec<Item>) -> Relation {
        match select.qualify.as_ref().and_then(|_| items.pop()) {
            Some(condition) => self.restricted(relation, condition.expr),
            None => relation,
        }
    }

    /// The rows in that order, without the columns behind the first ones.
    pub(super) fn ordered(
        &mut self,
        relation: Relation,
        mut keys: Vec<OrderKey>,
        columns: usize,
        order: Order<'_>,
    ) -> Bound<Relation> {
        let Some(first) = order.by.first() else { return Ok(relation) };
        if let Some(limit) = order.limit {
            return self.first_in_order(relation, keys, columns, limit);
        }
        let time = keys.remove(0);
        if !relation.times.contains(&time.column) || time.descending {
            let shown = |time: &&usize| **time < columns;
            let name = relation.times.iter().find(shown).map(|time| &relation.schema().columns[*time].name);
            let problem =
                Problem::new(first.expr.span, "a stream is sorted by its event time, ascending, before all else");
            return self.fail(match name {
                Some(name) => problem.help(format!("write ORDER BY {name}; other columns may follow")),
                None => problem.help("ORDER BY the event time as it is; other columns may follow"),
            });
        }
        let mut schema = relation.schema().clone();
        // All devices' rows are on one time line from here on.
        schema.device = None;
        let kind = NodeKind::Sort { input: Box::new(relation.node), time: time.column, keys };
        let relation = Relation { node: Node { kind, schema }, depth: relation.depth + 1, ..relation };
        let mut items = results(&relation, first.expr.span);
        items.truncate(columns);
        self.project(relation, items, first.expr.span)
    }

    /// ORDER BY with LIMIT over input that ends: the first rows of all.
    fn first_in_order(
        &mut self,
        relation: Relation,
        order: Vec<OrderKey>,
        columns: usize,
        limit: ast::Limit,
    ) -> Bound<Relation> {
        let ranking = Ranking { partition: Vec::new(), order, newest_of_equals: false };
        let numbers = (limit.skipped.saturating_add(1), limit.skipped.saturating_add(limit.count));
        let relation = self.ranked(relation, ranking, None, numbers, limit.span)?;
        let mut items = results(&relation, limit.span);
        items.truncate(columns);
        self.project(relation, items, limit.span)
    }
}

fn results(relation: &Relation, span: Span) -> Vec<Item> {
    let item = |(index, column): (usize, &Column)| Item {
        name: column.name.to_string(),
        expr: Expr::column(index, column.data_type),
        span,
    };
    relation.schema().columns.iter().enumerate().map(item).collect()
}

/// Whether the expression has parts that are computed by the SELECT around it.
fn collects(expr: &ast::Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |expr| {
        if let ast::ExprKind::Call(call) = &expr.kind {
            let upper = call.name.name.to_ascii_uppercase();
            found |= call.over.is_some()
                || aggregate::function(&upper).is_some()
                || report::is_function(&upper)
                || group_window::names().any(|name| name == upper)
                || upper.starts_with("GROUPING");
        }
    });
    found
}

fn uses_over(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Column(OVER..SET)) || expr.children().into_iter().any(uses_over)
}

/// Columns of the result, behind `width` ones, as what they are.
fn over_input(expr: &mut Expr, width: usize, items: &[Item]) {
    if let ExprKind::Column(column) = expr.kind {
        if let Some(item) = column.checked_sub(width).and_then(|index| items.get(index)) {
            *expr = item.expr.clone();
        }
        return;
    }
    expr.children_mut().into_iter().for_each(|child| over_input(child, width, items));
}
