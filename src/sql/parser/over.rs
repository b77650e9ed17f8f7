//! OVER, WINDOW and GROUP BY.

use super::{Parsed, Parser};
use crate::sql::ast::{Expr, Frame, FrameBound, GroupBy, GroupElement, Ident, Over, WindowSpec};
use crate::sql::span::Problem;

/// Sets of one GROUP BY, multiplied out: each row is counted once for each.
const GROUPING_SETS_MAX: usize = 64;

impl Parser {
    /// What follows OVER: a name, or a window in parentheses.
    pub(super) fn over(&mut self) -> Parsed<Over> {
        if self.at_symbol("(") {
            return Ok(Over::Spec(Box::new(self.nested(|parser| parser.window_spec())?)));
        }
        Ok(Over::Named(self.ident("a window's name or '('")?))
    }

    /// `WINDOW w AS (…), v AS (…)`, after the word.
    pub(super) fn named_windows(&mut self) -> Parsed<Vec<(Ident, WindowSpec)>> {
        let mut windows = Vec::new();
        loop {
            let name = self.ident("a name for the window")?;
            self.expect_word("AS")?;
            windows.push((name, self.nested(|parser| parser.window_spec())?));
            if !self.take_symbol(",") {
                return Ok(windows);
            }
        }
    }

    fn window_spec(&mut self) -> Parsed<WindowSpec> {
        let start = self.span();
        self.expect_symbol("(")?;
        let mut partition_by = Vec::new();
        if self.at_words(&["PARTITION", "BY"]) {
            (0..2).for_each(|_| self.advance());
            partition_by = self.expr_list()?;
        }
        let order_by = if self.at_words(&["ORDER", "BY"]) { self.order_by()? } else { Vec::new() };
        let frame = if self.at_word("ROWS") || self.at_word("RANGE") { Some(self.frame()?) } else { None };
        self.expect_symbol(")")?;
        Ok(WindowSpec { span: self.span_from(start), partition_by, order_by, frame })
    }

    fn frame(&mut self) -> Parsed<Frame> {
        let start = self.span();
        let rows = self.take_word("ROWS");
        if !rows {
            self.expect_word("RANGE")?;
        }
        let (from, to) = if self.take_word("BETWEEN") {
            let from = self.frame_bound()?;
            self.expect_word("AND")?;
            (from, self.frame_bound()?)
        } else {
            (self.frame_bound()?, FrameBound::CurrentRow)
        };
        Ok(Frame { span: self.span_from(start), rows, from, to })
    }

    fn frame_bound(&mut self) -> Parsed<FrameBound> {
        if self.at_words(&["CURRENT", "ROW"]) {
            (0..2).for_each(|_| self.advance());
            return Ok(FrameBound::CurrentRow);
        }
        let length = if self.take_word("UNBOUNDED") { None } else { Some(self.frame_length()?) };
        if self.take_word("FOLLOWING") {
            return Ok(FrameBound::Following);
        }
        self.expect_word("PRECEDING")?;
        Ok(length.map_or(FrameBound::UnboundedPreceding, FrameBound::Preceding))
    }

    pub(super) fn group_by(&mut self) -> Parsed<GroupBy> {
        let start = self.span();
        self.expect_word("GROUP")?;
        self.expect_word("BY")?;
        let span = self.span_from(start);
        let mut elements = Vec::new();
        let mut sets = 1;
        loop {
            let element = self.group_element()?;
            if let GroupElement::Sets(list) = &element {
                sets *= list.len();
            }
            if sets > GROUPING_SETS_MAX {
                return Err(Problem::new(span, format!("GROUP BY makes more than {GROUPING_SETS_MAX} grouping sets")));
            }
            elements.push(element);
            if !self.take_symbol(",") {
                return Ok(GroupBy { span, elements });
            }
        }
    }

    fn group_element(&mut self) -> Parsed<GroupElement> {
        let start = self.span();
        if self.at_words(&["GROUPING", "SETS"]) {
            (0..2).for_each(|_| self.advance());
            return Ok(GroupElement::Sets(self.nested(|parser| parser.grouping_sets())?));
        }
        for (word, is_cube) in [("ROLLUP", false), ("CUBE", true)] {
            if self.at_word(word) && self.symbol_ahead(1, "(") {
                self.advance();
                let parts = self.parenthesized_list()?;
                let sets = if is_cube { 1usize.checked_shl(parts.len() as u32).unwrap_or(0) } else { parts.len() + 1 };
                if sets == 0 || sets > GROUPING_SETS_MAX {
                    let message = format!("{word} makes more than {GROUPING_SETS_MAX} grouping sets");
                    return Err(Problem::new(self.span_from(start), message));
                }
                let holds =
                    |set: usize, part: usize| if is_cube { set >> part & 1 == 0 } else { part + set < parts.len() };
                let list = (0..sets).map(|set| {
                    let kept = parts.iter().enumerate().filter(|(part, _)| holds(set, *part));
                    kept.flat_map(|(_, exprs)| exprs.clone()).collect()
                });
                return Ok(GroupElement::Sets(list.collect()));
            }
        }
        if self.at_symbol("(") && self.symbol_ahead(1, ")") {
            (0..2).for_each(|_| self.advance());
            return Ok(GroupElement::Sets(vec![Vec::new()]));
        }
        Ok(GroupElement::Key(self.expr()?))
    }

    /// `(set, set, …)`, where ROLLUP and CUBE stand for all of theirs.
    fn grouping_sets(&mut self) -> Parsed<Vec<Vec<Expr>>> {
        self.expect_symbol("(")?;
        let mut sets = Vec::new();
        loop {
            let nested = self.at_words(&["GROUPING", "SETS"])
                || ["ROLLUP", "CUBE"].iter().any(|word| self.at_word(word) && self.symbol_ahead(1, "("));
            match nested {
                true => match self.group_element()? {
                    GroupElement::Sets(inner) => sets.extend(inner),
                    GroupElement::Key(key) => sets.push(vec![key]),
                },
                false => sets.push(self.key_set()?),
            }
            if !self.take_symbol(",") {
                self.expect_symbol(")")?;
                return Ok(sets);
            }
        }
    }

    /// The parts of ROLLUP and CUBE.
    fn parenthesized_list(&mut self) -> Parsed<Vec<Vec<Expr>>> {
        self.expect_symbol("(")?;
        let mut parts = vec![self.key_set()?];
        while self.take_symbol(",") {
            parts.push(self.key_set()?);
        }
        self.expect_symbol(")")?;
        Ok(parts)
    }

    /// `(a, b)`, `()` or one expression.
    fn key_set(&mut self) -> Parsed<Vec<Expr>> {
        if self.at_symbol("(") && self.symbol_ahead(1, ")") {
            (0..2).for_each(|_| self.advance());
            return Ok(Vec::new());
        }
        if !self.at_symbol("(") {
            return Ok(vec![self.expr()?]);
        }
        self.advance();
        let list = self.expr_list()?;
        self.expect_symbol(")")?;
        Ok(list)
    }
}
