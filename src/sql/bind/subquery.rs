//! IN and EXISTS with a subquery, in WHERE: joins that keep or drop rows of what FROM gives.

use super::expr::{Aggregation, Bound, Reported, boolean, compare};
use super::join::{Found, conjunction, conjuncts, side_by_side};
use super::join_condition::{Split, rebased, within};
use super::select::{has_aggregates, has_over};
use super::{Binder, Relation, value};
use crate::plan::{AsOf, CompareOp, Expr, ExprKind, JoinKind, NodeKind};
use crate::sql::ast::{self, Select, SelectItem, TableKind};
use crate::sql::span::{Problem, Span};

/// One condition of WHERE that holds a subquery.
pub struct Test<'a> {
    /// What IN looks for.
    operand: Option<&'a ast::Expr>,
    query: &'a ast::Query,
    negated: bool,
    span: Span,
}

/// The conditions of WHERE.
#[derive(Default)]
pub struct Parted<'a> {
    /// Over the rows alone.
    pub plain: Vec<&'a ast::Expr>,
    pub tests: Vec<Test<'a>>,
    /// With a subquery as a value.
    pub valued: Vec<&'a ast::Expr>,
}

pub fn parted(filter: &ast::Expr) -> Parted<'_> {
    let mut parted = Parted::default();
    part(filter, &mut parted);
    if parted.tests.is_empty() && parted.valued.is_empty() {
        return Parted { plain: vec![filter], ..parted };
    }
    parted
}

fn part<'a>(condition: &'a ast::Expr, parted: &mut Parted<'a>) {
    if let ast::ExprKind::And(operands) = &condition.kind {
        return operands.iter().for_each(|operand| part(operand, parted));
    }
    match test(condition) {
        Some(test) => parted.tests.push(test),
        None if has_value(condition) => parted.valued.push(condition),
        None => parted.plain.push(condition),
    }
}

/// Whether a subquery stands somewhere inside.
pub fn has_value(condition: &ast::Expr) -> bool {
    let mut found = false;
    condition.visit(&mut |expr| found |= value::wanted(expr).is_some());
    found
}

fn test(condition: &ast::Expr) -> Option<Test<'_>> {
    let span = condition.span;
    match &condition.kind {
        ast::ExprKind::InQuery { operand, query, negated } => {
            Some(Test { operand: Some(operand), query, negated: *negated, span })
        }
        ast::ExprKind::Exists(query) => Some(Test { operand: None, query, negated: false, span }),
        ast::ExprKind::Not(operand) => test(operand).map(|test| Test { negated: !test.negated, ..test }),
        _ => None,
    }
}

impl Binder<'_> {
    /// The rows for which the test holds.
    pub(super) fn tested(&mut self, left: Relation, test: &Test<'_>) -> Bound<Relation> {
        let operands = self.operands(test, &left);
        let (right, found, mut conditions) = match plain_select(test.query) {
            Some(select) => self.correlated(select, test, &left)?,
            None => {
                let right = self.subquery(test.query)?;
                let first = left.schema().columns.len();
                let columns = right.schema().columns.iter().enumerate();
                let found = columns.map(|(index, column)| Expr::column(first + index, column.data_type)).collect();
                (right, found, Vec::new())
            }
        };
        if let Some(operands) = operands? {
            conditions.extend(self.members(operands, found, test, &left)?);
        }
        let kind = if test.negated { JoinKind::Anti } else { JoinKind::Semi };
        let width = left.schema().columns.len();
        let is_lookup = matches!(right.node.kind, NodeKind::Table { .. });
        let (mut of_left, mut of_right, mut both) = (Vec::new(), Vec::new(), Vec::new());
        for condition in conditions {
            match within(&condition, width) {
                // A row for which it does not hold has no partner, and so NOT EXISTS lets it pass.
                Split::Left if kind == JoinKind::Semi => of_left.push(condition),
                Split::Right if !is_lookup => of_right.push(rebased(condition, width)),
                _ => both.push(condition),
            }
        }
        let mut restricted = |relation: Relation, conditions: Vec<Expr>| match conjunction(conditions) {
            Some(predicate) => self.restricted(relation, predicate),
            None => relation,
        };
        let (left, right) = (restricted(left, of_left), restricted(right, of_right));
        self.join(left, right, Found { kind, conditions: both, as_of: AsOf::Unsaid, span: test.span })
    }

    /// What stands before IN: one value, or those of a row.
    fn operands(&mut self, test: &Test<'_>, left: &Relation) -> Bound<Option<Vec<(Expr, Span)>>> {
        let Some(operand) = test.operand else { return Ok(None) };
        let parts = match &operand.kind {
            ast::ExprKind::Row(parts) => parts.as_slice(),
            _ => std::slice::from_ref(operand),
        };
        let mut binder = self.binder(left, Aggregation::Refuse("WHERE"));
        let bound: Vec<Bound<(Expr, Span)>> =
            parts.iter().map(|part| binder.bind(part).map(|bound| (bound, part.span))).collect();
        bound.into_iter().collect::<Bound<Vec<(Expr, Span)>>>().map(Some)
    }

    /// A subquery whose WHERE may speak of the rows outside: what it reads, its columns and its conditions over both.
    fn correlated(
        &mut self,
        select: &Select,
        test: &Test<'_>,
        left: &Relation,
    ) -> Bound<(Relation, Vec<Expr>, Vec<Expr>)> {
        let (right, scope) = self.inner(select, left)?;
        let mut found = Vec::new();
        for item in &select.items {
            match item {
                SelectItem::Expr { expr, .. } => found.push(self.expr(expr, &scope, Aggregation::Refuse("EXISTS"))?),
                SelectItem::All { .. } if test.operand.is_none() => {}
                SelectItem::All { .. } => {
                    let columns = scope.schema().columns.iter().enumerate().skip(scope.outer);
                    found.extend(columns.map(|(index, column)| Expr::column(index, column.data_type)));
                }
            }
        }
        let conditions = self.inner_conditions(select, &scope)?;
        Ok((right, found, conditions))
    }

    /// What a subquery reads, and the columns of the row around it before its own.
    pub(super) fn inner(&mut self, select: &Select, left: &Relation) -> Bound<(Relation, Relation)> {
        let right = match select.from.kind {
            TableKind::Join(_) | TableKind::Unnest(_) => {
                let from = self.from(&select.from)?;
                match from.joins {
                    Some(joins) => self.resolve(joins, None)?,
                    None => from.scope,
                }
            }
            _ => self.table(&select.from)?,
        };
        let mut scope = side_by_side(left, &right);
        // A name means a column of the subquery first.
        scope.outer = left.schema().columns.len();
        Ok((right, scope))
    }

    /// Its WHERE, over both.
    pub(super) fn inner_conditions(&mut self, select: &Select, scope: &Relation) -> Bound<Vec<Expr>> {
        let Some(filter) = &select.filter else { return Ok(Vec::new()) };
        Ok(conjuncts(self.binder(scope, Aggregation::Refuse("WHERE")).boolean(filter, "WHERE")?))
    }

    /// That the operands are equal to what the subquery found. With NOT IN also where that cannot be known.
    fn members(
        &mut self,
        operands: Vec<(Expr, Span)>,
        found: Vec<Expr>,
        test: &Test<'_>,
        left: &Relation,
    ) -> Bound<Vec<Expr>> {
        if operands.len() != found.len() {
            let message = format!("IN compares {} values with the subquery's {}", operands.len(), found.len());
            return self.fail(Problem::new(test.span, message).help("the subquery gives a column for each value"));
        }
        let mut conditions = Vec::new();
        for ((operand, span), found) in operands.into_iter().zip(found) {
            let mut binder = self.binder(left, Aggregation::Refuse("WHERE"));
            let (operand, found) = binder.comparable(operand, found, Some(CompareOp::Equal), span)?;
            let is_null =
                |operand: &Expr| boolean(ExprKind::IsNull { operand: Box::new(operand.clone()), negated: false });
            let unknown = [is_null(&operand), is_null(&found)];
            let equal = compare(CompareOp::Equal, operand, found);
            conditions.push(match test.negated {
                true => boolean(ExprKind::Or([vec![equal], unknown.to_vec()].concat())),
                false => equal,
            });
        }
        Ok(conditions)
    }

    /// WHERE, as far as it holds no subquery.
    pub(super) fn plain_filter(
        &mut self,
        conditions: &[&ast::Expr],
        scope: &Relation,
        aggregation: Aggregation<'_>,
    ) -> Bound<Option<Expr>> {
        let mut binder = self.binder(scope, aggregation);
        let bound: Vec<Bound> = conditions.iter().map(|condition| binder.boolean(condition, "WHERE")).collect();
        let bound: Vec<Expr> = bound.into_iter().collect::<Result<_, Reported>>()?;
        Ok(conjunction(bound))
    }
}

/// The one SELECT of the query, if it neither groups nor counts.
fn plain_select(query: &ast::Query) -> Option<&Select> {
    let over = |item: &SelectItem| matches!(item, SelectItem::Expr { expr, .. } if has_over(expr));
    single_select(query).filter(|select| {
        // A subquery inside is a value, for which what it stands in must be bound by itself.
        !select.filter.as_ref().is_some_and(has_value) && !has_aggregates(select, &[]) && !select.items.iter().any(over)
    })
}

/// The SELECT of a query that has nothing else but FROM and WHERE.
pub fn single_select(query: &ast::Query) -> Option<&Select> {
    let ([ast::Branch::Select(select)], [], [], None) =
        (query.branches.as_slice(), query.with.as_slice(), query.order_by.as_slice(), query.limit)
    else {
        return None;
    };
    let is_single = !query.distinct
        && !select.distinct
        && select.group_by.is_none()
        && select.having.is_none()
        && select.qualify.is_none();
    is_single.then_some(select)
}
