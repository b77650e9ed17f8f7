//! INSERT INTO: the query's columns made those of the table.
//!
//! As in Flink, columns go by their place and not by their name, and those that are computed are not written.

use super::expr::{Bound, coerce, null, suggest_column};
use super::{Binder, types};
use crate::model::{Column, Schema};
use crate::plan::{Expr, Node, NodeKind};
use crate::sql::ScriptTable;
use crate::sql::ast::Insert;
use crate::sql::span::{Problem, nearest};

impl Binder<'_> {
    /// The query with the table's columns, and which of the tables it is.
    pub(super) fn insert(&mut self, insert: &Insert, tables: &[ScriptTable]) -> Bound<(Node, usize)> {
        let Some(index) = tables.iter().position(|table| table.name == insert.table.name) else {
            let problem = Problem::new(insert.table.span, format!("there is no table {}", insert.table.name));
            let near = nearest(&insert.table.name, tables.iter().map(|table| table.name.as_str()));
            return self.fail(match near {
                Some(near) => problem.help(format!("did you mean {near}?")),
                None => problem.help(format!("CREATE TABLE {} (…) WITH (…) says which file it is", insert.table.name)),
            });
        };
        let table = &tables[index];
        let columns = table.physical();
        let written = self.written_columns(insert, table, &columns)?;
        let span = insert.query.span();
        let relation = self.query(&insert.query)?;
        let relation = self.settled(relation, span)?;
        let found = &relation.node.schema.columns;
        if found.len() != written.len() {
            let names: Vec<&str> = written.iter().map(|column| &*columns[*column].name).collect();
            let message = format!("the query has {} columns, and {} takes {}", found.len(), table.name, names.len());
            return self.fail(Problem::new(span, message).help(format!("in this order: {}", names.join(", "))));
        }
        let mut exprs: Vec<Expr> = columns.iter().map(|column| null(column.data_type)).collect();
        let mut problems = Vec::new();
        for (position, (column, from)) in written.iter().zip(found).enumerate() {
            let (name, to) = (&columns[*column].name, columns[*column].data_type);
            if !types::can_store(from.data_type, to) {
                let message =
                    format!("the column {name} of {} is {to}, and {} is {}", table.name, from.name, from.data_type);
                let problem = Problem::new(span, message);
                problems.push(match types::can_cast(from.data_type, to) {
                    true => problem.help(format!("write CAST({} AS {to}) in the SELECT", from.name)),
                    false => problem.help("columns go by their place, whatever their names are"),
                });
            }
            exprs[*column] = coerce(Expr::column(position, from.data_type), to);
        }
        if !problems.is_empty() {
            self.problems.extend(problems);
            return Err(super::expr::Reported);
        }
        Ok((stored(relation.node, exprs, columns), index))
    }

    /// Positions among the table's columns of what the query's columns are for.
    fn written_columns(&mut self, insert: &Insert, table: &ScriptTable, columns: &[Column]) -> Bound<Vec<usize>> {
        if insert.columns.is_empty() {
            return Ok((0..columns.len()).collect());
        }
        let mut positions = Vec::new();
        for name in &insert.columns {
            let is_computed = || table.schema.columns.iter().any(|column| *column.name == *name.name);
            match columns.iter().position(|column| *column.name == *name.name) {
                Some(position) if positions.contains(&position) => {
                    return self.fail(Problem::new(name.span, format!("{} is written twice", name.name)));
                }
                Some(position) => positions.push(position),
                None if is_computed() => {
                    return self
                        .fail(Problem::new(name.span, format!("{} is computed, so it is not written", name.name)));
                }
                None => {
                    let problem = Problem::new(name.span, format!("{} has no column {}", table.name, name.name));
                    return self.fail(match suggest_column(&name.name, columns) {
                        Some(help) => problem.help(help),
                        None => problem,
                    });
                }
            }
        }
        Ok(positions)
    }
}

/// The rows as the table has them.
fn stored(input: Node, exprs: Vec<Expr>, columns: Vec<Column>) -> Node {
    let plain = |(index, expr): (usize, &Expr)| *expr == Expr::column(index, expr.data_type);
    let as_they_are = exprs.len() == input.schema.columns.len() && exprs.iter().enumerate().all(plain);
    if as_they_are && input.schema.columns == columns {
        return input;
    }
    let schema = Schema { columns, event_time: None, device: None };
    Node { kind: NodeKind::Project { input: Box::new(input), exprs }, schema }
}
