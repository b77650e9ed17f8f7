//! What stands after FROM: tables, commas and JOINs.

use super::{Parsed, Parser};
use crate::plan::JoinKind;
use crate::sql::ast::{Expr, Join, JoinCondition, Table, TableKind};
use crate::sql::span::{Problem, Span};

/// Tables that one FROM may hold; each one is a level of the tree.
const TABLES_MAX: usize = 20;

impl Parser {
    /// The tables after FROM.
    pub(super) fn tables(&mut self) -> Parsed<Table> {
        let mut count = 1;
        let mut tables = self.joined(&mut count)?;
        while self.at_symbol(",") {
            let span = self.span();
            self.advance();
            count_table(&mut count, span)?;
            let right = self.joined(&mut count)?;
            tables = join(tables, right, JoinKind::Inner, span, JoinCondition::None);
        }
        Ok(tables)
    }

    fn joined(&mut self, count: &mut usize) -> Parsed<Table> {
        let mut left = self.table()?;
        loop {
            let start = self.span();
            let is_cross = self.at_word("CROSS");
            let is_natural = self.take_word("NATURAL");
            let Some(kind) = self.join_kind()? else {
                return if is_natural { Err(self.unexpected("JOIN")) } else { Ok(left) };
            };
            let span = self.span_from(start);
            count_table(count, span)?;
            let right = self.table()?;
            let condition = match (is_cross, is_natural) {
                (true, _) => JoinCondition::None,
                (_, true) => JoinCondition::Natural,
                _ => self.join_condition()?,
            };
            left = join(left, right, kind, span, condition);
        }
    }

    /// `LEFT OUTER JOIN` and the like, if they are there.
    fn join_kind(&mut self) -> Parsed<Option<JoinKind>> {
        let outer = [("LEFT", JoinKind::Left), ("RIGHT", JoinKind::Right), ("FULL", JoinKind::Full)];
        let kind = if let Some((word, kind)) = outer.into_iter().find(|(word, _)| self.at_word(word)) {
            self.expect_word(word)?;
            self.take_word("OUTER");
            kind
        } else if self.take_word("INNER") || self.take_word("CROSS") || self.at_word("JOIN") {
            JoinKind::Inner
        } else {
            return Ok(None);
        };
        self.expect_word("JOIN")?;
        Ok(Some(kind))
    }

    fn join_condition(&mut self) -> Parsed<JoinCondition> {
        if self.take_word("USING") {
            return Ok(JoinCondition::Using(self.ident_list("a column that both sides have")?));
        }
        if !self.take_word("ON") {
            return Err(self.unexpected("ON").help("a JOIN says what belongs together: JOIN b ON a.key = b.key"));
        }
        Ok(JoinCondition::On(self.expr()?))
    }

    /// `FOR SYSTEM_TIME AS OF expression`, if it is there.
    pub(super) fn as_of(&mut self) -> Parsed<Option<Expr>> {
        if !self.at_words(&["FOR", "SYSTEM_TIME"]) {
            return Ok(None);
        }
        (0..2).for_each(|_| self.advance());
        self.expect_word("AS")?;
        self.expect_word("OF")?;
        self.expr().map(Some)
    }
}

fn join(left: Table, right: Table, kind: JoinKind, span: Span, condition: JoinCondition) -> Table {
    let kind = TableKind::Join(Box::new(Join { left, right, kind, span, condition }));
    Table { kind, as_of: None, alias: None }
}

fn count_table(count: &mut usize, span: Span) -> Parsed<()> {
    *count += 1;
    if *count > TABLES_MAX {
        return Err(Problem::new(span, format!("a SELECT joins at most {TABLES_MAX} tables")));
    }
    Ok(())
}
