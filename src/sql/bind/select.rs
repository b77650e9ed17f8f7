//! SELECT … FROM … WHERE … GROUP BY … HAVING.

use std::collections::HashSet;

use super::aggregate::{self, Regroup};
use super::expr::{Aggregation, Bound, ExprBinder, Reported, Scope};
use super::window::WINDOW_COLUMNS;
use super::{Binder, Relation};
use crate::model::{Column, Schema};
use crate::plan::{Aggregate, Expr, ExprKind, Node, NodeKind};
use crate::sql::ast::{self, SelectItem, TableKind};
use crate::sql::parser::COLUMNS_MAX;
use crate::sql::span::{Problem, Span};

/// One column of the SELECT list.
struct Item {
    name: String,
    expr: Expr,
    span: Span,
}

impl Binder<'_> {
    pub(super) fn select(&mut self, select: &ast::Select) -> Bound<Relation> {
        let mut input = self.table(&select.from)?;
        let table = table_name(&select.from);
        let aggregates = has_aggregates(select);
        let filter = match &select.filter {
            Some(filter) => self.filter(filter, &input, table).map(Some),
            None => Ok(None),
        };
        if select.group_by.is_none() && !aggregates && select.having.is_none() {
            let items = self.items(select, &input, table, None);
            let (items, filter) = (items?, filter?);
            if let Some(predicate) = filter {
                input = filtered(input, predicate);
            }
            return self.project(input, items, select.span);
        }
        self.grouped(select, input, table, filter)
    }

    pub(super) fn table(&mut self, table: &ast::Table) -> Bound<Relation> {
        let mut relation = match &table.kind {
            TableKind::Named(name) => self.named(name)?,
            TableKind::Subquery(query) => self.query(query)?,
            TableKind::Window(call) => self.window(call)?,
            TableKind::Match(written) => self.match_recognize(written)?,
        };
        if let Some(alias) = &table.alias {
            self.rename(&mut relation, &alias.columns)?;
        }
        Ok(relation)
    }

    fn expr(&mut self, expr: &ast::Expr, input: &Relation, table: Option<&str>, aggregation: Aggregation<'_>) -> Bound {
        self.binder(input, table, aggregation).bind(expr)
    }

    pub(super) fn binder<'b>(
        &'b mut self,
        input: &'b Relation,
        table: Option<&'b str>,
        aggregation: Aggregation<'b>,
    ) -> ExprBinder<'b> {
        let scope = Scope { table, columns: &input.node.schema.columns, times: &input.times };
        ExprBinder { scope, problems: &mut self.problems, copied_nodes: &mut self.copied_nodes, aggregation }
    }

    fn filter(&mut self, filter: &ast::Expr, input: &Relation, table: Option<&str>) -> Bound {
        self.binder(input, table, Aggregation::Refuse("WHERE")).boolean(filter, "WHERE")
    }

    /// The SELECT list, `*` spelt out. With `aggregates`, they are collected there.
    fn items(
        &mut self,
        select: &ast::Select,
        input: &Relation,
        table: Option<&str>,
        mut aggregates: Option<&mut Vec<Aggregate>>,
    ) -> Bound<Vec<Item>> {
        let mut items = Vec::new();
        let mut failed = false;
        for (position, item) in select.items.iter().enumerate() {
            match item {
                SelectItem::All { span, table: named } => {
                    if let Some(named) = named.as_ref().filter(|named| table != Some(named.name.as_str())) {
                        self.problems.push(Problem::new(named.span, format!("there is no table {} here", named.name)));
                        failed = true;
                    }
                    items.extend(input.schema().columns.iter().enumerate().map(|(index, column)| Item {
                        name: column.name.to_string(),
                        expr: Expr::column(index, column.data_type),
                        span: *span,
                    }));
                }
                SelectItem::Expr { expr, alias } => {
                    let aggregation = match aggregates.as_deref_mut() {
                        Some(aggregates) => Aggregation::Collect(aggregates),
                        None => Aggregation::Refuse("this place"),
                    };
                    match self.expr(expr, input, table, aggregation) {
                        Ok(bound) => {
                            items.push(Item { name: item_name(expr, alias, position), expr: bound, span: expr.span })
                        }
                        Err(Reported) => failed = true,
                    }
                }
            }
            if items.len() > COLUMNS_MAX {
                return self.fail(Problem::new(select.span, format!("a query has at most {COLUMNS_MAX} columns")));
            }
        }
        if failed { Err(Reported) } else { Ok(items) }
    }

    fn project(&mut self, input: Relation, items: Vec<Item>, span: Span) -> Bound<Relation> {
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
        let relation = Relation { node: Node { kind, schema }, times, window: None, depth };
        self.limit_depth(relation, span)
    }

    fn grouped(
        &mut self,
        select: &ast::Select,
        input: Relation,
        table: Option<&str>,
        filter: Bound<Option<Expr>>,
    ) -> Bound<Relation> {
        let mut aggregates = Vec::new();
        let items = self.items(select, &input, table, Some(&mut aggregates));
        let having = match &select.having {
            Some(having) => {
                let mut binder = self.binder(&input, table, Aggregation::Collect(&mut aggregates));
                binder.boolean(having, "HAVING").map(Some)
            }
            None => Ok(None),
        };
        let keys = self.group_keys(select, &input, table);
        let (window_start, group_by) = match (input.window, &select.group_by) {
            (Some(start), Some(group_by)) => (start, group_by),
            (_, group_by) => {
                let span = group_by.as_ref().map_or(select.span, |group_by| group_by.span);
                return self.fail(no_window(span, &input, group_by.is_some()));
            }
        };
        let (mut items, mut having, mut keys, filter) = (items?, having?, keys?, filter?);
        let is_window = |key: &Expr, offset: usize| key.kind == ExprKind::Column(window_start + offset);
        for (offset, name) in WINDOW_COLUMNS.iter().enumerate().take(2) {
            if !keys.iter().any(|key| is_window(key, offset)) {
                let problem = Problem::new(group_by.span, format!("GROUP BY lacks {name}"));
                return self.fail(problem.help("a window is grouped by window_start, window_end and the keys"));
            }
        }
        let window_time = keys.iter().any(|key| is_window(key, 2));
        keys.retain(|key| !(0..3).any(|offset| is_window(key, offset)));
        let beyond = |expr: &Expr| uses_columns_from(expr, window_start);
        let of_window = |aggregate: &Aggregate| aggregate.argument.iter().chain(&aggregate.filter).any(beyond);
        if keys.iter().any(beyond) || aggregates.iter().any(of_window) {
            let problem =
                Problem::unsupported(group_by.span, "a key or an aggregate computed from the columns of the window");
            return self.fail(problem.help("group by window_start, window_end and compute in SELECT"));
        }
        let Some(input) = self.below_window(input, window_start, filter, select) else { return Err(Reported) };
        let regroup = Regroup { keys: &keys, aggregates: aggregates.len(), window_start, window_time };
        let mut failed = false;
        for item in &mut items {
            failed |= self.regroup(&regroup, &mut item.expr, item.span, &input).is_err();
        }
        if let (Some(having), Some(written)) = (&mut having, &select.having) {
            failed |= self.regroup(&regroup, having, written.span, &input).is_err();
        }
        if failed {
            return Err(Reported);
        }
        let mut relation = window_aggregate(input, keys, aggregates);
        if let Some(predicate) = having {
            relation = filtered(relation, predicate);
        }
        self.project(relation, items, select.span)
    }

    /// The keys of GROUP BY, each once.
    fn group_keys(&mut self, select: &ast::Select, input: &Relation, table: Option<&str>) -> Bound<Vec<Expr>> {
        let mut keys: Vec<Expr> = Vec::new();
        let mut failed = false;
        for key in select.group_by.iter().flat_map(|group_by| &group_by.keys) {
            if matches!(key.kind, ast::ExprKind::Number(_)) {
                self.problems.push(
                    Problem::new(key.span, "GROUP BY takes columns and expressions, not their numbers")
                        .help("write the column's name"),
                );
                failed = true;
                continue;
            }
            let known = self.problems.len();
            match self.expr(key, input, table, Aggregation::Refuse("GROUP BY")) {
                Ok(key) if keys.contains(&key) => {}
                Ok(key) => keys.push(key),
                Err(Reported) => {
                    failed = true;
                    self.explain_alias(key, select, known);
                }
            }
        }
        if failed { Err(Reported) } else { Ok(keys) }
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

    /// The window function's operator with WHERE below it, so that only the rows wanted are put into windows.
    fn below_window(
        &mut self,
        mut relation: Relation,
        window_start: usize,
        filter: Option<Expr>,
        select: &ast::Select,
    ) -> Option<Relation> {
        let span = select.filter.as_ref().map_or(select.span, |filter| filter.span);
        let NodeKind::Window { input, .. } = &mut relation.node.kind else {
            self.problems.push(
                Problem::unsupported(
                    span,
                    "GROUP BY window_start, window_end over a window function with a filter of its own",
                )
                .help("put WHERE beside GROUP BY"),
            );
            return None;
        };
        let Some(predicate) = filter else { return Some(relation) };
        if uses_columns_from(&predicate, window_start) {
            self.problems.push(
                Problem::unsupported(span, "WHERE on the columns of a window below GROUP BY")
                    .help("in HAVING the same condition works"),
            );
            return None;
        }
        let schema = input.schema.clone();
        let below =
            std::mem::replace(&mut **input, Node { kind: NodeKind::Scan { source: 0 }, schema: Schema::default() });
        **input = Node { kind: NodeKind::Filter { input: Box::new(below), predicate }, schema };
        relation.depth += 1;
        Some(relation)
    }

    fn regroup(&mut self, regroup: &Regroup<'_>, expr: &mut Expr, span: Span, input: &Relation) -> Bound<()> {
        let Err(column) = regroup.rewrite(expr) else { return Ok(()) };
        let name = input.schema().columns.get(column).map_or("?", |column| &*column.name).to_owned();
        let problem = Problem::new(span, format!("{name} is neither in GROUP BY nor inside an aggregate"));
        self.fail(problem.help(format!("add {name} to GROUP BY, or take for example MAX({name})")))
    }
}

/// The name before a dot that means this table.
pub fn table_name(table: &ast::Table) -> Option<&str> {
    match (&table.alias, &table.kind) {
        (Some(alias), _) => Some(&alias.name.name),
        (None, TableKind::Named(name)) => Some(&name.name),
        (None, TableKind::Subquery(_) | TableKind::Window(_) | TableKind::Match(_)) => None,
    }
}

fn has_aggregates(select: &ast::Select) -> bool {
    let mut found = false;
    for item in &select.items {
        if let SelectItem::Expr { expr, .. } = item {
            expr.visit(&mut |expr| {
                if let ast::ExprKind::Call(call) = &expr.kind {
                    found |= aggregate::function(&call.name.name.to_ascii_uppercase()).is_some();
                }
            });
        }
    }
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

fn filtered(relation: Relation, predicate: Expr) -> Relation {
    let schema = relation.node.schema.clone();
    let kind = NodeKind::Filter { input: Box::new(relation.node), predicate };
    Relation { node: Node { kind, schema }, depth: relation.depth + 1, ..relation }
}

fn no_window(span: Span, input: &Relation, grouped: bool) -> Problem {
    let problem = match grouped {
        true => Problem::new(span, "GROUP BY needs a window: without one the groups of a stream are never complete"),
        false => Problem::new(span, "an aggregate needs GROUP BY with a window: a stream never ends"),
    };
    let moved = input.schema().columns.iter().any(|column| WINDOW_COLUMNS.contains(&&*column.name));
    match moved {
        true => Problem::unsupported(span, "GROUP BY over the window columns of a subquery")
            .help("put the window function and GROUP BY into the same SELECT"),
        false => problem.help(
            "FROM TABLE(TUMBLE(TABLE source, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) … GROUP BY window_start, window_end",
        ),
    }
}

fn uses_columns_from(expr: &Expr, first: usize) -> bool {
    matches!(expr.kind, ExprKind::Column(column) if column >= first)
        || expr.children().into_iter().any(|child| uses_columns_from(child, first))
}

/// Turns a window function's operator into a window aggregate.
fn window_aggregate(relation: Relation, keys: Vec<Expr>, aggregates: Vec<Aggregate>) -> Relation {
    let window_columns = relation.window.map_or(&[][..], |start| &relation.node.schema.columns[start..]).to_vec();
    let NodeKind::Window { input, time, windowing } = relation.node.kind else { return relation };
    let names = input.schema.columns.clone();
    let key_column = |(index, key): (usize, &Expr)| Column {
        name: match key.kind {
            ExprKind::Column(column) => names[column].name.clone(),
            _ => format!("key${index}").into(),
        },
        data_type: key.data_type,
    };
    let mut columns: Vec<Column> = keys.iter().enumerate().map(key_column).collect();
    columns.extend(aggregates.iter().enumerate().map(|(index, aggregate)| Column {
        name: format!("aggregate${index}").into(),
        data_type: aggregate.data_type,
    }));
    columns.extend(window_columns);
    let event_time = columns.len() - 1;
    let device =
        input.schema.device.and_then(|device| keys.iter().position(|key| key.kind == ExprKind::Column(device)));
    let schema = Schema { columns, event_time: Some(event_time), device };
    let kind = NodeKind::WindowAggregate { input, time, windowing, keys, aggregates };
    Relation { node: Node { kind, schema }, times: vec![event_time], window: None, depth: relation.depth }
}
