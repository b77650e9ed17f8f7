//! UNION ALL: the rows of several queries whose columns have common types.

use super::expr::{Bound, Reported, coerce};
use super::{Binder, Relation, WindowColumns, types};
use crate::model::{Column, DataType, Schema};
use crate::plan::{Expr, Node, NodeKind};
use crate::sql::ast::Branch;
use crate::sql::span::{Problem, Span};

impl Binder<'_> {
    pub(super) fn branches(&mut self, branches: &[Branch]) -> Bound<Relation> {
        let bound: Vec<Bound<Relation>> = branches.iter().map(|branch| self.branch(branch)).collect();
        let bound: Bound<Vec<Relation>> = bound.into_iter().collect();
        let mut relations = bound?;
        match relations.pop() {
            Some(only) if relations.is_empty() => Ok(only),
            Some(last) => {
                relations.push(last);
                self.union(relations, branches)
            }
            None => Err(Reported),
        }
    }

    fn branch(&mut self, branch: &Branch) -> Bound<Relation> {
        match branch {
            Branch::Select(select) => self.select(select),
            Branch::Query(query) => self.query(query),
        }
    }

    fn union(&mut self, relations: Vec<Relation>, branches: &[Branch]) -> Bound<Relation> {
        let types = self.union_types(&relations, branches)?;
        let first = relations[0].schema();
        let is_time = |column: &usize| relations.iter().all(|relation| relation.times.contains(column));
        let times: Vec<usize> = (0..types.len()).filter(is_time).collect();
        let schema = Schema {
            columns: first
                .columns
                .iter()
                .zip(&types)
                .map(|(column, data_type)| Column { name: column.name.clone(), data_type: *data_type })
                .collect(),
            event_time: first.event_time.filter(|column| times.contains(column)).or(times.first().copied()),
            device: first.device.filter(|_| relations.iter().all(|other| other.schema().device == first.device)),
        };
        let depth = relations.iter().map(|relation| relation.depth).max().unwrap_or(0) + 1;
        let all_in = |window: WindowColumns| relations.iter().all(|relation| relation.window == window);
        let window = Some(relations[0].window).filter(|window| all_in(*window)).unwrap_or_default();
        let inputs = relations.into_iter().map(|relation| converted(relation, &schema)).collect();
        let node = Node { kind: NodeKind::Union { inputs }, schema };
        let relation = Relation { times, window, depth, ..Relation::of_node(node) };
        self.limit_depth(relation, branches[0].span())
    }

    /// The type of each column that holds what all branches have there.
    fn union_types(&mut self, relations: &[Relation], branches: &[Branch]) -> Bound<Vec<DataType>> {
        let mut all: Vec<DataType> = relations[0].schema().columns.iter().map(|column| column.data_type).collect();
        let mut failed = false;
        for (relation, branch) in relations.iter().zip(branches).skip(1) {
            let columns = &relation.schema().columns;
            if columns.len() != all.len() {
                let message = format!("UNION ALL of {} columns and {}", all.len(), columns.len());
                self.problems.push(
                    Problem::new(branch.span(), message)
                        .help("each SELECT must give the same columns, in the same order"),
                );
                failed = true;
                continue;
            }
            for (data_type, column) in all.iter_mut().zip(columns) {
                match types::common(*data_type, column.data_type) {
                    Some(both) => *data_type = both,
                    None => {
                        failed = true;
                        self.problems.push(no_common_type(branch.span(), column, *data_type));
                    }
                }
            }
        }
        if failed { Err(Reported) } else { Ok(all) }
    }
}

fn no_common_type(span: Span, column: &Column, data_type: DataType) -> Problem {
    let message = format!("{} is {} here and {data_type} before UNION ALL", column.name, column.data_type);
    let target = if types::can_cast(column.data_type, data_type) { data_type } else { DataType::String };
    Problem::new(span, message).help(format!("convert one of them: CAST({} AS {target})", column.name))
}

/// The branch with the types of the whole.
fn converted(relation: Relation, schema: &Schema) -> Node {
    let columns = &relation.schema().columns;
    if columns.iter().zip(&schema.columns).all(|(own, common)| own.data_type == common.data_type) {
        return relation.node;
    }
    let expr = |(index, (own, common)): (usize, (&Column, &Column))| {
        coerce(Expr::column(index, own.data_type), common.data_type)
    };
    let exprs = columns.iter().zip(&schema.columns).enumerate().map(expr).collect();
    let kind = NodeKind::Project { input: Box::new(relation.node), exprs };
    Node { kind, schema: schema.clone() }
}
