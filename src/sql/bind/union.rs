//! UNION ALL: the rows of several queries whose columns have common types. INTERSECT and EXCEPT: each row of the one that
//! the other has, or has not, once; with ALL as often as that.

use super::expr::{Bound, Reported, boolean, coerce, compare};
use super::join::Found;
use super::order::Order;
use super::{Binder, Bounds, Relation, WindowColumns, types};
use crate::model::{Column, DataType, Decimal, Schema, Value};
use crate::plan::{AsOf, CompareOp, Expr, ExprKind, JoinKind, Node, NodeKind, Ranking};
use crate::sql::ast::{Branch, SetKind, SetOperation};
use crate::sql::span::{Problem, Span};

impl Binder<'_> {
    pub(super) fn branches(&mut self, branches: &[Branch]) -> Bound<Relation> {
        if let [Branch::Query(query)] = branches {
            return self.query(query);
        }
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
            Branch::Select(select) => self.select(select, Order::default()),
            Branch::Query(query) => self.subquery(query),
            Branch::Set(operation) => self.set_operation(operation),
        }
    }

    fn union(&mut self, relations: Vec<Relation>, branches: &[Branch]) -> Bound<Relation> {
        let spans: Vec<Span> = branches.iter().map(Branch::span).collect();
        let types = self.union_types(&relations, &spans, "UNION ALL")?;
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

    /// A semi or anti join of the different rows of both, in which NULLs are equal. With ALL the numbers of equal rows are
    /// part of them: the n-th one is there or not as the other side has n of them or more.
    fn set_operation(&mut self, operation: &SetOperation) -> Bound<Relation> {
        let span = operation.span;
        let (left, right) = (self.branch(&operation.left), self.branch(&operation.right));
        let relations = [left?, right?];
        let (word, kind) = match operation.kind {
            SetKind::Intersect => ("INTERSECT", JoinKind::Semi),
            SetKind::Except => ("EXCEPT", JoinKind::Anti),
        };
        let types = self.union_types(&relations, &[operation.left.span(), operation.right.span()], word)?;
        let [left, right] = relations.map(|relation| with_types(relation, &types));
        let window = |relation: &Relation| [relation.window.start, relation.window.end];
        let in_windows = window(&left) == window(&right) && !window(&left).contains(&None);
        let decided = in_windows || self.bounds == Bounds::Ends;
        if operation.all && !decided {
            let problem = Problem::unsupported(span, &format!("{word} ALL without a window"));
            return self.fail(problem.help(format!(
                "select window_start and window_end in the same places of both, over TABLE(TUMBLE(…)); {word} without ALL has each row once",
            )));
        }
        if kind == JoinKind::Anti && !decided {
            let problem = Problem::unsupported(span, "EXCEPT without a window, which takes rows back,");
            return self.fail(problem.help(
                "select window_start and window_end in the same places of both, over TABLE(TUMBLE(…)); what a lookup table has not: WHERE NOT EXISTS (SELECT * FROM t WHERE t.x = a.x)",
            ));
        }
        // In windows a join forgets; and it is a row's being late for the join that counts.
        let (left, right) = match (operation.all, in_windows) {
            (true, _) => {
                let ends = |relation: &Relation| relation.window.end.filter(|_| in_windows);
                let (left_end, right_end) = (ends(&left), ends(&right));
                (self.numbered_equals(left, left_end, span)?, self.numbered_equals(right, right_end, span)?)
            }
            (false, true) => (left, right),
            (false, false) => (self.distinct(left, span)?, self.distinct(right, span)?),
        };
        let conditions = same_rows(&left);
        let joined = self.join(left, right, Found { kind, conditions, as_of: AsOf::Unsaid, span })?;
        match (operation.all, in_windows) {
            (true, _) => Ok(joined.first(types.len())),
            (false, true) => self.distinct(joined, span),
            (false, false) => Ok(joined),
        }
    }

    /// Each row with its number among its equals, of the window if it has one, which makes all rows different ones.
    fn numbered_equals(&mut self, input: Relation, window_end: Option<usize>, span: Span) -> Bound<Relation> {
        let partition = (0..input.schema().columns.len()).collect();
        let ranking = Ranking { partition, order: Vec::new(), newest_of_equals: false };
        self.ranked(input, ranking, window_end, (1, u64::MAX), span)
    }

    /// The type of each column that holds what all branches have there.
    fn union_types(&mut self, relations: &[Relation], spans: &[Span], word: &str) -> Bound<Vec<DataType>> {
        let mut all: Vec<DataType> = relations[0].schema().columns.iter().map(|column| column.data_type).collect();
        let mut failed = false;
        for (relation, span) in relations.iter().zip(spans).skip(1) {
            let columns = &relation.schema().columns;
            if columns.len() != all.len() {
                let message = format!("{word} of {} columns and {}", all.len(), columns.len());
                self.problems.push(
                    Problem::new(*span, message).help("each SELECT must give the same columns, in the same order"),
                );
                failed = true;
                continue;
            }
            for (data_type, column) in all.iter_mut().zip(columns) {
                match types::common(*data_type, column.data_type) {
                    Some(both) => *data_type = both,
                    None => {
                        failed = true;
                        self.problems.push(no_common_type(*span, column, *data_type, word));
                    }
                }
            }
        }
        if failed { Err(Reported) } else { Ok(all) }
    }
}

fn no_common_type(span: Span, column: &Column, data_type: DataType, word: &str) -> Problem {
    let message = format!("{} is {} here and {data_type} before {word}", column.name, column.data_type);
    let target = if types::can_cast(column.data_type, data_type) { data_type } else { DataType::String };
    Problem::new(span, message).help(format!("convert one of them: CAST({} AS {target})", column.name))
}

/// The rows with columns of these types.
fn with_types(relation: Relation, types: &[DataType]) -> Relation {
    let mut schema = relation.schema().clone();
    if schema.columns.iter().zip(types).all(|(column, data_type)| column.data_type == *data_type) {
        return relation;
    }
    for (column, data_type) in schema.columns.iter_mut().zip(types) {
        column.data_type = *data_type;
    }
    Relation::of_node(converted(relation, &schema))
}

/// That all columns of both sides, which are the same ones, are equal.
fn same_rows(left: &Relation) -> Vec<Expr> {
    let columns = &left.schema().columns;
    let mut conditions = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let sides = [Expr::column(index, column.data_type), Expr::column(columns.len() + index, column.data_type)];
        match left.window.holds(index) {
            true => conditions.push(equal(sides)),
            false => conditions.extend(same(sides)),
        }
    }
    conditions
}

fn equal([left, right]: [Expr; 2]) -> Expr {
    compare(CompareOp::Equal, left, right)
}

/// IS NOT DISTINCT FROM, as equal keys, of which a join finds its partners quickly.
fn same([left, right]: [Expr; 2]) -> Vec<Expr> {
    let data_type = left.data_type;
    let Some(value) = some_value(data_type) else {
        let kind = ExprKind::NotDistinct { left: Box::new(left), right: Box::new(right), negated: false };
        return vec![boolean(kind)];
    };
    let is_null = |side: &Expr| boolean(ExprKind::IsNull { operand: Box::new(side.clone()), negated: false });
    let nulls = equal([is_null(&left), is_null(&right)]);
    let filled =
        |side: Expr| Expr::new(ExprKind::Coalesce(vec![side, Expr::literal(value.clone(), data_type)]), data_type);
    vec![equal([filled(left), filled(right)]), nulls]
}

/// A value that may stand for NULL beside whether it does.
fn some_value(data_type: DataType) -> Option<Value> {
    Some(match data_type {
        DataType::String => Value::string(""),
        DataType::Boolean => Value::Boolean(false),
        DataType::Double | DataType::Float => Value::Double(0.0),
        DataType::Decimal { .. } => Value::Decimal(Decimal::new(0)),
        DataType::Date => Value::Date(0),
        DataType::Time(_) => Value::Time(0),
        data_type if data_type.is_integer() => Value::Int(0),
        data_type if data_type.is_timestamp() => Value::Timestamp(0),
        _ => return None,
    })
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
