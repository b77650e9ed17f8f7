//! ORDER BY. A stream can be sorted by its event time alone: nothing else tells that no row is still to come before.

use super::expr::{Bound, suggest_column};
use super::{Binder, Relation};
use crate::plan::{Node, NodeKind, OrderKey};
use crate::sql::ast::{self, OrderBy};
use crate::sql::span::Problem;

impl Binder<'_> {
    pub(super) fn sorted(&mut self, relation: Relation, order_by: &[OrderBy]) -> Bound<Relation> {
        let Some(first) = order_by.first() else { return Ok(relation) };
        let keys: Vec<Bound<OrderKey>> = order_by.iter().map(|item| self.sort_key(item, &relation)).collect();
        let mut keys = keys.into_iter().collect::<Bound<Vec<OrderKey>>>()?;
        let time = keys.remove(0);
        if !relation.times.contains(&time.column) || time.descending {
            let names = relation.times.iter().map(|time| &*relation.schema().columns[*time].name);
            let problem =
                Problem::new(first.expr.span, "a stream is sorted by its event time, ascending, before all else");
            return self.fail(match names.collect::<Vec<&str>>().first() {
                Some(name) => problem.help(format!("write ORDER BY {name}; other columns may follow")),
                None => problem.help("select the event time as it is, and ORDER BY it"),
            });
        }
        let mut schema = relation.schema().clone();
        // All devices' rows are on one time line from here on.
        schema.device = None;
        let kind = NodeKind::Sort { input: Box::new(relation.node), time: time.column, keys };
        Ok(Relation { node: Node { kind, schema }, depth: relation.depth + 1, ..relation })
    }

    /// A column of the result, by its name.
    fn sort_key(&mut self, item: &OrderBy, relation: &Relation) -> Bound<OrderKey> {
        let columns = &relation.schema().columns;
        let ast::ExprKind::Name { column: name, .. } = &item.expr.kind else {
            return self.fail(
                Problem::new(item.expr.span, "ORDER BY takes columns of the result by their names")
                    .help("give the expression a name in SELECT: … AS name"),
            );
        };
        let Some(column) = columns.iter().position(|column| *column.name == *name.name) else {
            let problem = Problem::new(name.span, format!("the result has no column {}", name.name));
            return self.fail(match suggest_column(&name.name, columns) {
                Some(help) => problem.help(help),
                None => problem,
            });
        };
        let data_type = columns[column].data_type;
        if data_type.is_nested() {
            return self.fail(Problem::new(name.span, format!("{data_type} has no order")));
        }
        // As in Flink NULLs are the smallest unless it is said otherwise.
        let nulls_first = item.nulls_first.unwrap_or(!item.descending);
        Ok(OrderKey { column, descending: item.descending, nulls_first })
    }
}
