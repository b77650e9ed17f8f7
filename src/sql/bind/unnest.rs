//! UNNEST beside a table: the elements of a list of each row as rows.

use super::expr::{Aggregation, Bound, call};
use super::join::{From, Joins, conjunction, conjuncts, side_by_side};
use super::{Binder, Named, Relation};
use crate::model::{Column, DataType, Schema, Value};
use crate::plan::{Expr, ExprKind, Function, JoinKind, Node, NodeKind};
use crate::sql::ast::{self, JoinCondition, TableKind};
use crate::sql::span::{Problem, Span};

/// A table and what is to be done with its lists.
pub struct Unnesting {
    pub input: Joins,
    list: Expr,
    fields: Option<usize>,
    numbered: bool,
    outer: bool,
    /// What is appended.
    columns: Vec<Column>,
    /// The name for it.
    name: Option<String>,
    /// Of ON; all must be TRUE.
    conditions: Vec<Expr>,
    span: Span,
}

impl Unnesting {
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// What ON says, where it is as good as WHERE: a row that it drops does not come with NULLs.
    pub fn take_filters(&mut self) -> Vec<Expr> {
        if self.outer { Vec::new() } else { std::mem::take(&mut self.conditions) }
    }
}

impl Binder<'_> {
    /// UNNEST without a table before it: over one row that has nothing else.
    pub(super) fn unnest_alone(&mut self, table: &ast::Table) -> Bound<From> {
        let TableKind::Unnest(unnest) = &table.kind else { return Err(super::expr::Reported) };
        let row = self.values(&ast::Values { span: unnest.span, rows: vec![Vec::new()] })?;
        self.unnest(From { scope: row, joins: None }, table, JoinKind::Inner, &JoinCondition::None)
    }

    pub(super) fn unnest(
        &mut self,
        left: From,
        table: &ast::Table,
        kind: JoinKind,
        condition: &JoinCondition,
    ) -> Bound<From> {
        let TableKind::Unnest(unnest) = &table.kind else { return Err(super::expr::Reported) };
        let list = self.expr(&unnest.collection, &left.scope, Aggregation::Refuse("UNNEST"))?;
        let (list, element) = match list.data_type {
            DataType::Array(element) => (list, *element),
            DataType::Map(entry) => {
                let element = DataType::row_of([("f0", entry.key), ("f1", entry.value)]);
                (call(Function::MapEntries, vec![list], DataType::array_of(element)), element)
            }
            other => {
                let problem =
                    Problem::new(unnest.collection.span, format!("UNNEST takes an ARRAY or a MAP, not {other}"));
                return self.fail(problem);
            }
        };
        let (mut columns, fields) = element_columns(element);
        if unnest.ordinality {
            columns.push(Column { name: "ORDINALITY".into(), data_type: DataType::Int });
        }
        let mut right = Relation::of_node(Node {
            kind: NodeKind::Scan { source: 0 },
            schema: Schema { columns, event_time: None, device: None },
        });
        if let Some(alias) = &table.alias {
            self.rename(&mut right, &alias.columns)?;
        }
        let name = table.alias.as_ref().map(|alias| alias.name.name.clone());
        let width = right.schema().columns.len();
        right.tables = name.iter().map(|name| Named { name: name.clone(), columns: 0..width }).collect();
        let mut scope = side_by_side(&left.scope, &right);
        scope.common.clone_from(&left.scope.common);
        let outer = match kind {
            JoinKind::Inner => false,
            JoinKind::Left => true,
            _ => return self.fail(Problem::new(unnest.span, "a join with UNNEST is INNER, CROSS or LEFT")),
        };
        let conditions = self.unnest_conditions(condition, &scope, unnest.span)?;
        let input = match left.joins {
            Some(joins) => joins,
            None => Joins::Table(Box::new(left.scope)),
        };
        let columns = right.node.schema.columns;
        let (numbered, span) = (unnest.ordinality, unnest.span);
        let unnesting = Unnesting { input, list, fields, numbered, outer, columns, name, conditions, span };
        Ok(From { scope, joins: Some(Joins::Unnest(Box::new(unnesting))) })
    }

    fn unnest_conditions(&mut self, condition: &JoinCondition, scope: &Relation, span: Span) -> Bound<Vec<Expr>> {
        let on = match condition {
            JoinCondition::None => return Ok(Vec::new()),
            JoinCondition::On(on) => on,
            JoinCondition::Using(_) | JoinCondition::Natural => {
                return self.fail(Problem::new(span, "a join with UNNEST takes ON TRUE or another condition"));
            }
        };
        let bound = self.binder(scope, Aggregation::Refuse("ON")).boolean(on, "ON")?;
        match bound.kind {
            ExprKind::Literal(Value::Boolean(true)) => Ok(Vec::new()),
            _ => Ok(conjuncts(bound)),
        }
    }

    /// The operator, over its input.
    pub(super) fn unnested(&mut self, input: Relation, unnesting: Unnesting) -> Bound<Relation> {
        let Unnesting { list, fields, numbered, outer, columns, name, span, conditions, .. } = unnesting;
        let condition = conjunction(conditions);
        let mut schema = input.schema().clone();
        let first = schema.columns.len();
        schema.columns.extend(columns);
        let named = name.map(|name| Named { name, columns: first..schema.columns.len() });
        let tables = input.tables.iter().cloned().chain(named).collect();
        let (times, common, depth) = (input.times, input.common, input.depth + 1);
        let kind = NodeKind::Unnest { input: Box::new(input.node), list, fields, numbered, outer, condition };
        let relation = Relation { times, tables, common, depth, ..Relation::of_node(Node { kind, schema }) };
        self.limit_depth(relation, span)
    }
}

/// The columns that an element makes, and how many fields it has if it is a row.
fn element_columns(element: DataType) -> (Vec<Column>, Option<usize>) {
    match element {
        DataType::Row(fields) => {
            let column = |field: &crate::model::Field| Column { name: field.name.into(), data_type: field.data_type };
            (fields.iter().map(column).collect(), Some(fields.len()))
        }
        other => (vec![Column { name: "f0".into(), data_type: other }], None),
    }
}
