//! FROM with several tables: which columns a name may mean, and what each join is.
//!
//! A join is known only with all its conditions, those of WHERE among them, as in Flink. So FROM is first a tree of
//! [`Joins`] beside a scope of all columns; [`Binder::resolve`] gives each condition its place and makes the operators.

use super::expr::Aggregation;
use super::expr::{Bound, ExprBinder, compare};
use super::join_condition::{Split, rebased, split, within};
use super::rank::{unranked, versions};
use super::unnest::Unnesting;
use super::{Binder, Bounds, Common, Named, Relation, ended};
use crate::model::Schema;
use crate::plan::{AsOf, CompareOp, Expr, ExprKind, Join, JoinKind, JoinMethod, Node, NodeKind};
use crate::sql::ast::{self, JoinCondition, TableKind};
use crate::sql::span::{Problem, Span};

/// What FROM gives.
pub struct From {
    /// All columns and the names for them. With `joins` it has no operator.
    pub scope: Relation,
    /// `None`: one table, which `scope` is.
    pub joins: Option<Joins>,
}

/// Tables that are to be joined.
pub enum Joins {
    Table(Box<Relation>),
    Join(Box<Pending>),
    Unnest(Box<Unnesting>),
}

pub struct Pending {
    left: Joins,
    right: Joins,
    kind: JoinKind,
    /// Over the columns of both sides; all must be TRUE.
    conditions: Vec<Expr>,
    as_of: AsOf,
    span: Span,
    common: Vec<Common>,
}

impl Joins {
    fn is_lookup(&self) -> bool {
        matches!(self, Joins::Table(relation) if matches!(relation.node.kind, NodeKind::Table { .. }))
    }

    fn width(&self) -> usize {
        match self {
            Joins::Table(relation) => relation.schema().columns.len(),
            Joins::Join(join) => join.left.width() + join.right.width(),
            Joins::Unnest(unnesting) => unnesting.input.width() + unnesting.width(),
        }
    }
}

impl Binder<'_> {
    pub(super) fn from(&mut self, table: &ast::Table) -> Bound<From> {
        let TableKind::Join(join) = &table.kind else {
            if let Some(as_of) = &table.as_of {
                let problem = Problem::new(as_of.span, "FOR SYSTEM_TIME AS OF stands at the right side of a join");
                return self.fail(
                    problem.help("FROM orders AS o JOIN prices FOR SYSTEM_TIME AS OF o.ts AS p ON o.item = p.item"),
                );
            }
            if let TableKind::Unnest(_) = table.kind {
                return self.unnest_alone(table);
            }
            return Ok(From { scope: self.stream(table)?, joins: None });
        };
        if let TableKind::Unnest(_) = join.right.kind {
            let left = self.from(&join.left)?;
            return self.unnest(left, &join.right, join.kind, &join.condition);
        }
        let (left, right) = (self.from(&join.left), self.table(&join.right));
        let (left, right) = (left?, right?);
        let is_lookup = matches!(right.node.kind, NodeKind::Table { .. });
        let as_of = match &join.right.as_of {
            // A lookup table is at any time what it is now.
            Some(as_of) if is_lookup && is_proctime(as_of) => AsOf::Now,
            Some(as_of) => AsOf::Time(self.version_time(as_of, &left.scope)?),
            None => AsOf::Unsaid,
        };
        let mut scope = side_by_side(&left.scope, &right);
        if let Some(twice) = right.tables.iter().find(|table| left.scope.tables.iter().any(|t| t.name == table.name)) {
            let problem = Problem::new(join.span, format!("two tables are called {} here", twice.name));
            return self.fail(problem.help("give one of them another name with AS"));
        }
        scope.common.clone_from(&left.scope.common);
        let conditions = match &join.condition {
            JoinCondition::On(on) => conjuncts(self.binder(&scope, Aggregation::Refuse("ON")).boolean(on, "ON")?),
            JoinCondition::None => Vec::new(),
            JoinCondition::Using(names) => self.using(names, &left.scope, &right, &mut scope, join.kind)?,
            JoinCondition::Natural => {
                let names = shared_names(&left.scope, &right, join.span);
                self.using(&names, &left.scope, &right, &mut scope, join.kind)?
            }
        };
        let left = match left.joins {
            Some(joins) => joins,
            None => Joins::Table(Box::new(left.scope)),
        };
        let (right, kind, span) = (Joins::Table(Box::new(right)), join.kind, join.span);
        let common = scope.common.clone();
        let pending = Pending { left, right, kind, conditions, as_of, span, common };
        Ok(From { scope, joins: Some(Joins::Join(Box::new(pending))) })
    }

    /// The conditions of USING; its columns become one in the scope.
    fn using(
        &mut self,
        names: &[ast::Ident],
        left: &Relation,
        right: &Relation,
        scope: &mut Relation,
        kind: JoinKind,
    ) -> Bound<Vec<Expr>> {
        let width = left.schema().columns.len();
        let mut conditions = Vec::new();
        let mut merged: Vec<Common> = Vec::new();
        for name in names {
            let l = self.binder(left, Aggregation::Refuse("USING")).unqualified(name);
            let r = self.binder(right, Aggregation::Refuse("USING")).column(name);
            let (l, r) = (l?, r?);
            let r = Expr::column(width + r, right.schema().columns[r].data_type);
            let before = left.common.iter().find(|common| common.name == name.name);
            let mut columns = before.map(|common| common.columns.clone()).unwrap_or_default();
            columns.extend([&l, &r].into_iter().filter_map(|side| match side.kind {
                ExprKind::Column(column) => Some(column),
                _ => None,
            }));
            let mut binder = self.binder(scope, Aggregation::Refuse("USING"));
            let (a, b) = binder.comparable(l.clone(), r.clone(), Some(CompareOp::Equal), name.span)?;
            conditions.push(compare(CompareOp::Equal, a.clone(), b.clone()));
            let expr = match kind {
                JoinKind::Right => r,
                JoinKind::Full => Expr::new(ExprKind::Coalesce(vec![a.clone(), b]), a.data_type),
                _ => l,
            };
            merged.push(Common { name: name.name.clone(), expr, columns });
        }
        scope.common.retain(|common| merged.iter().all(|new| new.name != common.name));
        scope.common.extend(merged);
        Ok(conditions)
    }

    /// A table whose rows come of themselves.
    pub(super) fn stream(&mut self, table: &ast::Table) -> Bound<Relation> {
        let relation = self.table(table)?;
        let NodeKind::Table { .. } = relation.node.kind else { return Ok(relation) };
        let TableKind::Named(name) = &table.kind else { return Ok(relation) };
        let problem = Problem::new(
            name.span,
            format!("{} is a lookup table: it has no rows of its own to start from", name.name),
        );
        self.fail(
            problem
                .help(format!("read a source and look up: FROM source AS s JOIN {} AS t ON s.key = t.key", name.name)),
        )
    }

    /// The column of the left side that FOR SYSTEM_TIME AS OF names.
    fn version_time(&mut self, as_of: &ast::Expr, left: &Relation) -> Bound<usize> {
        let mut binder: ExprBinder<'_> = self.binder(left, Aggregation::Refuse("FOR SYSTEM_TIME AS OF"));
        match binder.bind(as_of)?.kind {
            ExprKind::Column(column) if left.times.contains(&column) => Ok(column),
            _ => {
                let problem = Problem::new(as_of.span, "FOR SYSTEM_TIME AS OF takes the event time of the left side");
                let help = left.times.first().map(|time| format!("that is {}", left.schema().columns[*time].name));
                self.fail(Problem { help, ..problem })
            }
        }
    }

    /// Makes the operators of the joins, with the condition of WHERE above them.
    pub(super) fn resolve(&mut self, joins: Joins, filter: Option<Expr>) -> Bound<Relation> {
        self.resolve_filtered(joins, filter.map(conjuncts).unwrap_or_default())
    }

    fn filtered_by(&mut self, relation: Relation, filters: Vec<Expr>) -> Relation {
        match conjunction(filters) {
            Some(predicate) => self.restricted(relation, predicate),
            None => relation,
        }
    }

    fn resolve_filtered(&mut self, joins: Joins, filters: Vec<Expr>) -> Bound<Relation> {
        let mut pending = match joins {
            Joins::Table(relation) => return Ok(self.filtered_by(*relation, filters)),
            Joins::Unnest(unnesting) => return self.resolve_unnesting(*unnesting, filters),
            Joins::Join(pending) => *pending,
        };
        let common = std::mem::take(&mut pending.common);
        pending.kind = simplified(pending.kind, &filters, pending.left.width());
        let width = pending.left.width();
        // What is found among versions and in lookup tables must not be filtered before.
        let is_versioned = pending.as_of != AsOf::Unsaid || pending.right.is_lookup();
        let keeps_left = matches!(pending.kind, JoinKind::Left | JoinKind::Full);
        let keeps_right = matches!(pending.kind, JoinKind::Right | JoinKind::Full);
        let (mut left, mut right, mut above) = (Vec::new(), Vec::new(), Vec::new());
        for filter in filters {
            match within(&filter, width) {
                // A row that WHERE drops may be dropped before the join, unless it would then come with NULLs, or
                // is a version that hides an older one.
                Split::Left if !keeps_right => left.push(filter),
                Split::Right if !keeps_left && !is_versioned => right.push(rebased(filter, width)),
                _ if pending.kind == JoinKind::Inner => pending.conditions.push(filter),
                _ => above.push(filter),
            }
        }
        let mut conditions = Vec::new();
        for condition in std::mem::take(&mut pending.conditions) {
            match within(&condition, width) {
                Split::Left if !keeps_left => left.push(condition),
                Split::Right if !keeps_right && !is_versioned => right.push(rebased(condition, width)),
                _ => conditions.push(condition),
            }
        }
        pending.conditions = conditions;
        let Pending { left: left_side, right: right_side, .. } = pending;
        let (left, right) = (self.resolve_filtered(left_side, left), self.resolve_filtered(right_side, right));
        let join =
            Found { kind: pending.kind, conditions: pending.conditions, as_of: pending.as_of, span: pending.span };
        let relation = Relation { common, ..self.join(left?, right?, join)? };
        Ok(self.filtered_by(relation, above))
    }

    /// What WHERE says of the table alone goes below.
    fn resolve_unnesting(&mut self, mut unnesting: Unnesting, mut filters: Vec<Expr>) -> Bound<Relation> {
        filters.append(&mut unnesting.take_filters());
        let width = unnesting.input.width();
        let (below, above): (Vec<Expr>, Vec<Expr>) =
            filters.into_iter().partition(|filter| within(filter, width) == Split::Left);
        let input = std::mem::replace(&mut unnesting.input, Joins::Table(Box::new(nothing())));
        let input = self.resolve_filtered(input, below)?;
        let relation = self.unnested(input, unnesting)?;
        Ok(self.filtered_by(relation, above))
    }

    pub(super) fn join(&mut self, left: Relation, mut right: Relation, join: Found) -> Bound<Relation> {
        let conditions = split(join.conditions, &left, &right);
        let mut scope = side_by_side(&left, &right);
        let lookup = match right.node.kind {
            NodeKind::Table { table } => Some(table),
            _ => None,
        };
        let (method, residual) = match (join.as_of, conditions.window(&left, &right), conditions.interval) {
            (as_of, _, _) if lookup.is_some() => {
                self.check_lookup(join.kind, join.span)?;
                scope.node.schema.device = left.schema().device;
                (JoinMethod::Lookup { table: lookup.unwrap_or_default(), as_of }, conditions.all_residual())
            }
            (AsOf::Time(time), _, _) => {
                let view = versions(&right.node);
                let in_order = view.is_some();
                if let Some((key, version)) = view {
                    (right.primary_key, right.node.schema.event_time) = (key, Some(version));
                    unranked(&mut right.node);
                }
                let times = self.versioned(time, &conditions.keys, &right, join.kind, join.span)?;
                (JoinMethod::Versioned { times, in_order }, conditions.all_residual())
            }
            (_, Some(ends), _) => (JoinMethod::Window { ends: Some(ends) }, conditions.all_residual()),
            (_, None, Some((times, lower_ms, upper_ms))) if join.kind.has_right() => {
                (JoinMethod::Interval { times, lower_ms, upper_ms }, conditions.residual.clone())
            }
            (_, None, _) => (self.unbounded(join.kind, join.span)?, conditions.all_residual()),
        };
        if !join.kind.has_right() {
            let device = scope.node.schema.device;
            let schema = Schema { device, ..left.schema().clone() };
            scope = Relation { times: left.times.clone(), tables: left.tables.clone(), ..scope };
            scope.node.schema = schema;
            scope.common.clone_from(&left.common);
        }
        if let JoinMethod::Window { ends: None } | JoinMethod::Unbounded = method {
            scope = ended(scope);
        }
        let depth = left.depth.max(right.depth) + 1;
        let keys = conditions.keys;
        let residual = conjunction(residual);
        let join_node = Join { left: left.node, right: right.node, kind: join.kind, keys, residual, method };
        let node = Node { kind: NodeKind::Join(Box::new(join_node)), schema: scope.node.schema };
        let Relation { times, tables, common, .. } = scope;
        let relation = Relation { times, tables, common, depth, ..Relation::of_node(node) };
        self.limit_depth(relation, join.span)
    }

    /// Checks a join with FOR SYSTEM_TIME AS OF; gives both times.
    fn versioned(
        &mut self,
        time: usize,
        keys: &[(Expr, Expr)],
        right: &Relation,
        kind: JoinKind,
        span: Span,
    ) -> Bound<[usize; 2]> {
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
            return self.fail(Problem::new(span, "a join with FOR SYSTEM_TIME AS OF is INNER or LEFT"));
        }
        if right.primary_key.is_empty() {
            let problem =
                Problem::new(span, "FOR SYSTEM_TIME AS OF needs a table with versions: it has no PRIMARY KEY");
            return self.fail(problem.help(
                "declare PRIMARY KEY (column) NOT ENFORCED in the table; or join a view of the newest row of each key: ROW_NUMBER() OVER (PARTITION BY key ORDER BY ts DESC) AS rn in a subquery, WHERE rn = 1 around it",
            ));
        }
        let Some(version) = right.schema().event_time else {
            let problem = Problem::new(span, "FOR SYSTEM_TIME AS OF needs a table with versions: it has no event time");
            return self.fail(problem.help("declare WATERMARK FOR column AS column in the table"));
        };
        let is_key = |column: &usize| keys.iter().any(|(_, key)| key.kind == ExprKind::Column(*column));
        if let Some(missing) = right.primary_key.iter().find(|column| !is_key(column)) {
            let name = &right.schema().columns[*missing].name;
            let problem = Problem::new(span, format!("the join lacks {name}, a part of the table's PRIMARY KEY"));
            return self.fail(problem.help(format!("add to ON: … = {name}")));
        }
        Ok([time, version])
    }

    fn check_lookup(&mut self, kind: JoinKind, span: Span) -> Bound<()> {
        if !matches!(kind, JoinKind::Right | JoinKind::Full) {
            return Ok(());
        }
        let problem = Problem::new(span, "a join with a lookup table is INNER or LEFT: nobody asks for its other rows");
        self.fail(problem.help("put the source to the left: FROM source AS s LEFT JOIN table AS t ON s.key = t.key"))
    }

    /// A join that must keep both sides for ever.
    fn unbounded(&mut self, kind: JoinKind, span: Span) -> Bound<JoinMethod> {
        if matches!(kind, JoinKind::Inner | JoinKind::Semi) {
            return Ok(JoinMethod::Unbounded);
        }
        if self.bounds == Bounds::Ends {
            return Ok(JoinMethod::Window { ends: None });
        }
        if kind == JoinKind::Anti {
            let problem = Problem::unsupported(span, "NOT IN or NOT EXISTS without a window, which takes rows back,");
            return self.fail(problem.help(
                "compare the windows of both sides, too: … AND a.window_start = b.window_start AND a.window_end = b.window_end",
            ));
        }
        let problem = Problem::unsupported(span, "an outer join without a bound in time, which takes rows back,");
        self.fail(
            problem.help("bound it: … AND b.ts BETWEEN a.ts - INTERVAL '1' MINUTE AND a.ts + INTERVAL '1' MINUTE"),
        )
    }
}

/// A join, its sides taken out.
pub struct Found {
    pub kind: JoinKind,
    pub conditions: Vec<Expr>,
    pub as_of: AsOf,
    pub span: Span,
}

/// The kind of join that is left when WHERE drops the rows without a partner, as Flink's planner has it.
fn simplified(kind: JoinKind, filters: &[Expr], width: usize) -> JoinKind {
    let drops_null = |side: Split| filters.iter().any(|filter| rejects_nulls(filter, side, width));
    let (left, right) = (drops_null(Split::Left), drops_null(Split::Right));
    match kind {
        JoinKind::Left if right => JoinKind::Inner,
        JoinKind::Right if left => JoinKind::Inner,
        JoinKind::Full if left && right => JoinKind::Inner,
        JoinKind::Full if left => JoinKind::Left,
        JoinKind::Full if right => JoinKind::Right,
        kind => kind,
    }
}

/// Whether the condition cannot be TRUE where all columns of the side are NULL.
fn rejects_nulls(condition: &Expr, side: Split, width: usize) -> bool {
    fn is_null(expr: &Expr, side: Split, width: usize) -> bool {
        match &expr.kind {
            ExprKind::Column(_) => within(expr, width) == side,
            ExprKind::Cast { operand, .. } | ExprKind::Negate(operand) => is_null(operand, side, width),
            ExprKind::AddInterval { time, .. } => is_null(time, side, width),
            ExprKind::Arithmetic { left, right, .. } => is_null(left, side, width) || is_null(right, side, width),
            _ => false,
        }
    }
    match &condition.kind {
        ExprKind::Compare { left, right, .. } => is_null(left, side, width) || is_null(right, side, width),
        ExprKind::IsNull { operand, negated: true } => is_null(operand, side, width),
        _ => false,
    }
}

/// Stands where something was taken out.
fn nothing() -> Relation {
    Relation::of_node(Node { kind: NodeKind::Scan { source: 0 }, schema: Schema::default() })
}

/// The names of columns that both have, in the order of the left side.
fn shared_names(left: &Relation, right: &Relation, span: Span) -> Vec<ast::Ident> {
    let mut names: Vec<ast::Ident> = Vec::new();
    for column in &left.schema().columns {
        let is_new = names.iter().all(|known| *known.name != *column.name);
        if is_new && right.schema().position(&column.name).is_some() {
            names.push(ast::Ident { name: column.name.to_string(), span });
        }
    }
    names
}

/// `PROCTIME()`
fn is_proctime(expr: &ast::Expr) -> bool {
    matches!(&expr.kind, ast::ExprKind::Call(call) if call.name.name.eq_ignore_ascii_case("PROCTIME"))
}

/// The columns of both, left first, for names; there is no operator.
pub fn side_by_side(left: &Relation, right: &Relation) -> Relation {
    let width = left.schema().columns.len();
    let columns = left.schema().columns.iter().chain(&right.schema().columns).cloned().collect();
    let moved = |time: &usize| time + width;
    let schema = Schema { columns, event_time: left.schema().event_time, device: None };
    let named = right.tables.iter().map(|table| Named {
        name: table.name.clone(),
        columns: table.columns.start + width..table.columns.end + width,
    });
    Relation {
        times: left.times.iter().copied().chain(right.times.iter().map(moved)).collect(),
        tables: left.tables.iter().cloned().chain(named).collect(),
        ..Relation::of_node(Node { kind: NodeKind::Scan { source: 0 }, schema })
    }
}

pub fn conjuncts(expr: Expr) -> Vec<Expr> {
    match expr.kind {
        ExprKind::And(operands) => operands.into_iter().flat_map(conjuncts).collect(),
        _ => vec![expr],
    }
}

pub fn conjunction(mut conditions: Vec<Expr>) -> Option<Expr> {
    match conditions.len() {
        0 | 1 => conditions.pop(),
        _ => Some(super::expr::boolean(ExprKind::And(conditions))),
    }
}
