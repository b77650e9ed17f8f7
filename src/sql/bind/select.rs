//! SELECT … FROM … WHERE …; what GROUP BY adds is in `group.rs`.

use std::collections::HashSet;

use super::aggregate::{self, Calls};
use super::expr::{Aggregation, Bound, ExprBinder, Reported, Scope};
use super::order::Order;
use super::subquery::{self, Parted};
use super::{Binder, Named, Relation};
use crate::model::{Column, Schema};
use crate::plan::{Expr, ExprKind, Node, NodeKind};
use crate::sql::ast::{self, GroupElement, OrderBy, SelectItem, TableKind};
use crate::sql::parser::COLUMNS_MAX;
use crate::sql::span::{Problem, Span};

/// One column of the SELECT list.
pub struct Item {
    pub name: String,
    pub expr: Expr,
    pub span: Span,
}

impl Binder<'_> {
    /// `order` is empty for DISTINCT, whose result is sorted.
    pub(super) fn select(&mut self, select: &ast::Select, order: Order<'_>) -> Bound<Relation> {
        let is_grouped = select.group_by.is_some() || has_aggregates(select, order.by) || select.having.is_some();
        let mut calls = Calls::new(&select.windows);
        let (mut input, mut filter) = self.read(select, is_grouped, &mut calls)?;
        let keys = select.group_by.iter().flat_map(|group_by| &group_by.elements).flat_map(GroupElement::exprs);
        let parts = selected(select, order.by).chain(keys).chain(&select.having).chain(&select.qualify);
        let parts: Vec<&ast::Expr> = parts.filter(|part| subquery::has_value(part)).collect();
        if !parts.is_empty() && calls.memory.span().is_none() {
            // What is dropped need not wait for the values.
            if let Some(predicate) = filter? {
                input = self.restricted(input, predicate);
            }
            filter = Ok(None);
        }
        input = self.with_values(input, parts.into_iter())?;
        let relation = match is_grouped {
            true => self.grouped(select, input, filter, order)?,
            false => self.plain(select, input, filter, order, calls)?,
        };
        if select.distinct { self.distinct(relation, select.span) } else { Ok(relation) }
    }

    /// FROM and WHERE; what of WHERE is not done in what it gives. Without GROUP BY functions of WHERE that remember are
    /// collected in `calls`.
    fn read(
        &mut self,
        select: &ast::Select,
        is_grouped: bool,
        calls: &mut Calls,
    ) -> Bound<(Relation, Bound<Option<Expr>>)> {
        let from = self.from(&select.from)?;
        let Parted { plain: conditions, tests, valued } =
            select.filter.as_ref().map(subquery::parted).unwrap_or_default();
        let has_subqueries = !(tests.is_empty() && valued.is_empty());
        // What WHERE remembers is known only for the rows of one table, each of which has its place in time.
        let aggregation = match (is_grouped, &from.joins) {
            _ if has_subqueries => Aggregation::Refuse("WHERE with a subquery"),
            (false, None) => Aggregation::Where(calls),
            (false, Some(_)) => Aggregation::Refuse("WHERE of a join"),
            (true, _) => Aggregation::Refuse("WHERE"),
        };
        let filter = self.plain_filter(&conditions, &from.scope, aggregation);
        let (mut input, filter) = match (from.joins, filter) {
            (None, filter) => (from.scope, filter),
            // WHERE may say what belongs together.
            (Some(joins), Ok(filter)) => (self.resolve(joins, filter)?, Ok(None)),
            (Some(_), Err(Reported)) => (from.scope, Err(Reported)),
        };
        if !has_subqueries {
            return Ok((input, filter));
        }
        if let Some(predicate) = filter? {
            input = self.restricted(input, predicate);
        }
        for test in &tests {
            input = self.tested(input, test)?;
        }
        let width = input.schema().columns.len();
        input = self.with_values(input, valued.iter().copied())?;
        let aggregation = Aggregation::Refuse("WHERE with a subquery");
        if let Some(predicate) = self.plain_filter(&valued, &input, aggregation)? {
            input = filtered(input, predicate).first(width);
        }
        Ok((input, Ok(None)))
    }

    /// A SELECT that does not group.
    fn plain(
        &mut self,
        select: &ast::Select,
        input: Relation,
        filter: Bound<Option<Expr>>,
        order: Order<'_>,
        mut calls: Calls,
    ) -> Bound<Relation> {
        let items = self.items(select, &input, &mut calls);
        let (mut items, filter) = (items?, filter?);
        let columns = items.len();
        let order_keys = self.order_keys(order.by, &input, &mut items, Some(&mut calls))?;
        self.qualify(select, &input, &mut items, columns, &mut calls)?;
        if let (Some(span), false) = (calls.memory.span(), calls.overs.is_empty()) {
            let problem = Problem::new(span, "functions that remember rows cannot stand beside others with OVER");
            return self.fail(problem.help("compute one of the two in a subquery"));
        }
        let input = self.reported(input, filter, &mut items, calls.memory)?;
        if !calls.groupings.is_empty() {
            return self.fail(Problem::new(select.span, "GROUPING needs GROUP BY"));
        }
        let input = self.over(input, &mut items, calls.overs)?;
        let input = self.qualified(select, input, &mut items);
        let relation = self.project(input, items, select.span)?;
        self.ordered(relation, order_keys, columns, order)
    }

    pub(super) fn table(&mut self, table: &ast::Table) -> Bound<Relation> {
        let mut relation = match &table.kind {
            TableKind::Named(name) => self.named(name)?,
            TableKind::Subquery(query) => self.subquery(query)?,
            TableKind::Window(call) => self.window(call)?,
            TableKind::Match(written) => self.match_recognize(written)?,
            TableKind::Values(values) => self.values(values)?,
            TableKind::Join(join) => {
                return self.fail(Problem::unsupported(join.span, "a join in this place"));
            }
            TableKind::Unnest(unnest) => {
                return self.fail(Problem::unsupported(unnest.span, "UNNEST in this place"));
            }
        };
        if let Some(alias) = &table.alias {
            self.rename(&mut relation, &alias.columns)?;
        }
        let columns = 0..relation.schema().columns.len();
        relation.common = Vec::new();
        relation.tables = table_name(table).map(|name| Named { name: name.to_owned(), columns }).into_iter().collect();
        Ok(relation)
    }

    pub(super) fn expr(&mut self, expr: &ast::Expr, input: &Relation, aggregation: Aggregation<'_>) -> Bound {
        self.binder(input, aggregation).bind(expr)
    }

    pub(super) fn binder<'b>(&'b mut self, input: &'b Relation, aggregation: Aggregation<'b>) -> ExprBinder<'b> {
        let scope = Scope {
            tables: &input.tables,
            columns: &input.node.schema.columns,
            times: &input.times,
            common: &input.common,
            outer: input.outer,
            values: &input.values,
        };
        ExprBinder { scope, problems: &mut self.problems, copied_nodes: &mut self.copied_nodes, aggregation }
    }

    /// The SELECT list, `*` spelt out.
    pub(super) fn items(&mut self, select: &ast::Select, input: &Relation, calls: &mut Calls) -> Bound<Vec<Item>> {
        let mut items = Vec::new();
        let mut failed = false;
        for (position, item) in select.items.iter().enumerate() {
            match item {
                SelectItem::All { span, table: None } => items.extend(all_columns(input, *span)),
                SelectItem::All { span, table: Some(table) } => {
                    match self.binder(input, Aggregation::Refuse("SELECT")).columns_of(table) {
                        Ok(within) => items.extend(within.map(|index| column_item(input, index, *span))),
                        Err(Reported) => failed = true,
                    }
                }
                SelectItem::Expr { expr, alias } => match self.expr(expr, input, Aggregation::Collect(calls)) {
                    Ok(bound) => {
                        items.push(Item { name: item_name(expr, alias, position), expr: bound, span: expr.span })
                    }
                    Err(Reported) => failed = true,
                },
            }
            if items.len() > COLUMNS_MAX {
                return self.fail(Problem::new(select.span, format!("a query has at most {COLUMNS_MAX} columns")));
            }
        }
        if failed { Err(Reported) } else { Ok(items) }
    }

    pub(super) fn project(&mut self, input: Relation, items: Vec<Item>, span: Span) -> Bound<Relation> {
        let names = unique_names(items.iter().map(|item| item.name.as_str()));
        let source = |expr: &Expr| match expr.kind {
            ExprKind::Column(column) => Some(column),
            _ => None,
        };
        let origins: Vec<Option<usize>> = items.iter().map(|item| source(&item.expr)).collect();
        let moved = |column: usize| origins.iter().position(|origin| *origin == Some(column));
        // SELECT * needs no operator.
        let columns = &input.schema().columns;
        let identity = origins.len() == columns.len()
            && origins.iter().enumerate().all(|(index, origin)| *origin == Some(index))
            && columns.iter().zip(&names).all(|(column, name)| *column.name == **name);
        if identity {
            return Ok(input);
        }
        let times: Vec<usize> = (0..items.len())
            .filter(|index| origins[*index].is_some_and(|origin| input.times.contains(&origin)))
            .collect();
        let window = input.window.moved(moved);
        let event_time = input.schema().event_time.and_then(moved).or(times.first().copied());
        let schema = Schema {
            columns: items
                .iter()
                .zip(names)
                .map(|(item, name)| Column { name: name.into(), data_type: item.expr.data_type })
                .collect(),
            event_time,
            device: input.schema().device.and_then(moved),
        };
        let depth = input.depth + 1;
        let exprs = items.into_iter().map(|item| item.expr).collect();
        let kind = NodeKind::Project { input: Box::new(input.node), exprs };
        let relation = Relation { times, window, depth, ..Relation::of_node(Node { kind, schema }) };
        self.limit_depth(relation, span)
    }

    /// SELECT DISTINCT over the projected rows.
    pub(super) fn distinct(&mut self, input: Relation, span: Span) -> Bound<Relation> {
        if let (Some(start), Some(end)) = (input.window.start, input.window.end) {
            return self.distinct_in_windows(input, [start, end], span);
        }
        let schema = input.schema().clone();
        let kind = NodeKind::Distinct { input: Box::new(input.node) };
        let relation = Relation { node: Node { kind, schema }, depth: input.depth + 1, ..input };
        self.limit_depth(relation, span)
    }
}

/// What `*` stands for: the columns that USING has made one of come first, once.
fn all_columns(input: &Relation, span: Span) -> Vec<Item> {
    let common = input.common.iter().map(|common| Item { name: common.name.clone(), expr: common.expr.clone(), span });
    let is_merged = |index: &usize| input.common.iter().any(|common| common.columns.contains(index));
    let is_value = |index: &usize| input.values.iter().any(|(_, value)| value == index);
    let others = (0..input.schema().columns.len()).filter(|index| !is_merged(index) && !is_value(index));
    common.chain(others.map(|index| column_item(input, index, span))).collect()
}

fn column_item(input: &Relation, index: usize, span: Span) -> Item {
    let column = &input.schema().columns[index];
    Item { name: column.name.to_string(), expr: Expr::column(index, column.data_type), span }
}

/// The name before a dot that means this table.
fn table_name(table: &ast::Table) -> Option<&str> {
    match (&table.alias, &table.kind) {
        (Some(alias), _) => Some(&alias.name.name),
        (None, TableKind::Named(name)) => Some(&name.name),
        (None, _) => None,
    }
}

/// What SELECT and ORDER BY compute.
fn selected<'a>(select: &'a ast::Select, order_by: &'a [OrderBy]) -> impl Iterator<Item = &'a ast::Expr> {
    let selected = select.items.iter().filter_map(|item| match item {
        SelectItem::Expr { expr, .. } => Some(expr),
        SelectItem::All { .. } => None,
    });
    selected.chain(order_by.iter().map(|item| &item.expr))
}

pub fn has_aggregates(select: &ast::Select, order_by: &[OrderBy]) -> bool {
    let mut found = false;
    for expr in selected(select, order_by) {
        expr.visit(&mut |expr| {
            if let ast::ExprKind::Call(call) = &expr.kind {
                let is_aggregate = aggregate::function(&call.name.name.to_ascii_uppercase()).is_some();
                found |= is_aggregate && call.over.is_none();
            }
        });
    }
    found
}

pub fn has_over(expr: &ast::Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |expr| found |= matches!(&expr.kind, ast::ExprKind::Call(call) if call.over.is_some()));
    found
}

fn item_name(expr: &ast::Expr, alias: &Option<ast::Ident>, position: usize) -> String {
    match (alias, &expr.kind) {
        (Some(alias), _) => alias.name.clone(),
        (None, ast::ExprKind::Name { column, .. }) => column.name.clone(),
        (None, _) => format!("EXPR${position}"),
    }
}

/// The names, with a number behind those that were there before, as Calcite does it.
fn unique_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut used: HashSet<String> = HashSet::new();
    names
        .map(|name| {
            let mut unique = name.to_owned();
            let mut attempt = 0;
            while !used.insert(unique.clone()) {
                unique = format!("{name}{attempt}");
                attempt += 1;
            }
            unique
        })
        .collect()
}

pub fn filtered(relation: Relation, predicate: Expr) -> Relation {
    let schema = relation.node.schema.clone();
    let kind = NodeKind::Filter { input: Box::new(relation.node), predicate };
    Relation { node: Node { kind, schema }, depth: relation.depth + 1, ..relation }
}
