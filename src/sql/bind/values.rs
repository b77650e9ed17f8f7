//! VALUES, and SELECT without FROM, which reads one row without columns. In a script they are sources of their own.

use super::expr::{Aggregation, Bound, Reported, coerce};
use super::{Binder, Constants, Relation, types};
use crate::model::{Column, DataType, Schema};
use crate::plan::{Expr, Node, NodeKind};
use crate::sql::ast;
use crate::sql::span::Problem;

impl Binder<'_> {
    pub(super) fn values(&mut self, values: &ast::Values) -> Bound<Relation> {
        let is_select = values.rows.iter().all(Vec::is_empty);
        if self.constants.is_none() {
            return self.fail(match is_select {
                true => Problem::new(values.span, "this query reads nothing")
                    .help("a query reads a source: SELECT … FROM source"),
                false => Problem::new(values.span, "rows that stand in the text come once, and a stream goes on")
                    .help("rows to look up stand in a file: [table.x]"),
            });
        }
        let rows = self.constant_rows(values)?;
        let types = self.column_types(values, &rows)?;
        let typed = |row: Vec<Expr>| row.into_iter().zip(&types).map(|(value, of)| coerce(value, *of)).collect();
        let rows: Vec<Vec<Expr>> = rows.into_iter().map(typed).collect();
        let column = |(index, data_type): (usize, &DataType)| Column {
            name: format!("EXPR${index}").into(),
            data_type: *data_type,
        };
        let columns = types.iter().enumerate().map(column).collect();
        let schema = Schema { columns, event_time: None, device: None };
        let Some(constants) = &mut self.constants else { return Err(Reported) };
        let source = self.names.sources.len() + constants.len();
        constants.push(Constants { schema: schema.clone(), rows });
        Ok(Relation::of_node(Node { kind: NodeKind::Scan { source }, schema }))
    }

    fn constant_rows(&mut self, values: &ast::Values) -> Bound<Vec<Vec<Expr>>> {
        let nothing = Relation::of_node(Node { kind: NodeKind::Scan { source: 0 }, schema: Schema::default() });
        let mut rows = Vec::new();
        let mut failed = false;
        for row in &values.rows {
            let mut binder = self.binder(&nothing, Aggregation::Refuse("VALUES"));
            let bound: Vec<Bound> = row.iter().map(|expr| binder.bind(expr)).collect();
            match bound.into_iter().collect::<Bound<Vec<Expr>>>() {
                Ok(row) => rows.push(row),
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(rows) }
    }

    /// The type of each column that holds what all rows have there.
    fn column_types(&mut self, values: &ast::Values, rows: &[Vec<Expr>]) -> Bound<Vec<DataType>> {
        let mut all = vec![DataType::Null; rows.first().map_or(0, Vec::len)];
        for (row, written) in rows.iter().zip(&values.rows) {
            for ((data_type, value), written) in all.iter_mut().zip(row).zip(written) {
                match types::common(*data_type, value.data_type) {
                    Some(both) => *data_type = both,
                    None => {
                        let message = format!("this is {} and {data_type} in the rows before", value.data_type);
                        return self.fail(Problem::new(written.span, message).help("convert one of them with CAST"));
                    }
                }
            }
        }
        Ok(all)
    }
}
