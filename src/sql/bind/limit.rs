//! LIMIT. Over a stream it takes the rows that come first; what ORDER BY and LIMIT mean together would have to be taken
//! back with each row that comes before.

use super::expr::Bound;
use super::{Binder, Relation};
use crate::plan::{Node, NodeKind};
use crate::sql::ast;
use crate::sql::span::Problem;

impl Binder<'_> {
    pub(super) fn limited(&mut self, relation: Relation, query: &ast::Query) -> Bound<Relation> {
        let Some(limit) = query.limit else { return Ok(relation) };
        if !query.order_by.is_empty() {
            let problem = Problem::unsupported(limit.span, "ORDER BY with LIMIT, which takes rows back,");
            return self.fail(problem.help(
                "the first of each window: ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY …) AS rn in a subquery, WHERE rn <= 3 around it",
            ));
        }
        let schema = relation.schema().clone();
        let kind = NodeKind::Limit { input: Box::new(relation.node), skipped: limit.skipped, count: limit.count };
        let relation = Relation { node: Node { kind, schema }, depth: relation.depth + 1, ..relation };
        self.limit_depth(relation, limit.span)
    }
}
