//! `MATCH_RECOGNIZE (PARTITION BY … ORDER BY … MEASURES … PATTERN (…) WITHIN … DEFINE …)`, as far as Flink runs it:
//! <https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/sql/queries/match_recognize/>
//!
//! What the grammar of SQL has and Flink refuses is refused here at its place, with the way to write it instead.

use super::statement::COLUMNS_MAX;
use super::{Parsed, Parser};
use crate::sql::ast::{
    AfterMatch, Definition, Expr, Interval, MatchOrder, MatchRecognize, Measure, PatternVariable, Table,
};
use crate::sql::lexer::TokenKind;
use crate::sql::span::{Problem, Span};

const CLAUSES: &str =
    "the order is PARTITION BY, ORDER BY, MEASURES, ONE ROW PER MATCH, AFTER MATCH SKIP, PATTERN, DEFINE";

/// Variables of one PATTERN.
const VARIABLES_MAX: usize = 64;

/// The largest number in a quantifier.
const REPEATS_MAX: u32 = i32::MAX as u32;

impl Parser {
    /// What follows a table: the word MATCH_RECOGNIZE and its parentheses.
    pub(super) fn match_recognize(&mut self, input: Table) -> Parsed<MatchRecognize> {
        let span = self.span();
        self.expect_word("MATCH_RECOGNIZE")?;
        self.expect_symbol("(")?;
        let partition_by = self.match_partition()?;
        let order_by = self.match_order()?;
        let measures = if self.take_word("MEASURES") { self.measures()? } else { Vec::new() };
        self.rows_per_match()?;
        let skip = self.after_match()?;
        if !self.take_word("PATTERN") {
            return Err(self.unexpected("PATTERN").help(CLAUSES));
        }
        let pattern = self.pattern()?;
        let within = self.within()?;
        if self.at_word("SUBSET") {
            return Err(Problem::new(self.span(), "Flink has no SUBSET").help(
                "write the variables one by one, as in SUM(a.x) + SUM(b.x); a column without a variable means all",
            ));
        }
        if !self.take_word("DEFINE") {
            return Err(self.unexpected("DEFINE").help("the conditions of the variables: DEFINE a AS a.temp > 80"));
        }
        let define = self.definitions()?;
        if !self.at_symbol(")") {
            return Err(self.unexpected("')'").help(CLAUSES));
        }
        self.advance();
        Ok(MatchRecognize { span, input, partition_by, order_by, measures, skip, pattern, within, define })
    }

    fn match_partition(&mut self) -> Parsed<Vec<Expr>> {
        let mut keys = Vec::new();
        if self.at_words(&["PARTITION", "BY"]) {
            (0..2).for_each(|_| self.advance());
            keys.push(self.expr()?);
            while self.take_symbol(",") {
                keys.push(self.expr()?);
            }
        }
        Ok(keys)
    }

    fn match_order(&mut self) -> Parsed<Vec<MatchOrder>> {
        let mut items = Vec::new();
        if !self.at_words(&["ORDER", "BY"]) {
            return Ok(items);
        }
        self.advance();
        loop {
            self.advance();
            let expr = self.expr()?;
            let descending = self.take_word("DESC");
            if !descending {
                self.take_word("ASC");
            }
            if self.at_word("NULLS") {
                return Err(Problem::new(self.span().to(self.token(1).span), "Flink has no NULLS FIRST or LAST here")
                    .help("leave it out: NULLs come first, with DESC last"));
            }
            items.push(MatchOrder { expr, descending });
            if !self.at_symbol(",") {
                return Ok(items);
            }
        }
    }

    fn measures(&mut self) -> Parsed<Vec<Measure>> {
        let mut measures = Vec::new();
        loop {
            let start = self.span();
            let expr = self.expr()?;
            if !self.take_word("AS") {
                return Err(self.unexpected("AS").help("each measure has a name: LAST(a.temp) AS temp"));
            }
            measures.push(Measure { expr, name: self.ident("a name for the measure")? });
            if measures.len() > COLUMNS_MAX {
                return Err(Problem::new(start, format!("there are at most {COLUMNS_MAX} measures")));
            }
            if !self.take_symbol(",") {
                return Ok(measures);
            }
        }
    }

    /// ONE ROW PER MATCH, which is what there is without it too.
    fn rows_per_match(&mut self) -> Parsed<()> {
        if self.at_words(&["ALL", "ROWS", "PER", "MATCH"]) {
            return Err(Problem::new(self.span().to(self.token(3).span), "Flink has no ALL ROWS PER MATCH").help(
                "write ONE ROW PER MATCH and take what you need of the rows as measures: FIRST(a.x), LAST(a.x), COUNT(a.x)",
            ));
        }
        if self.take_word("ONE") {
            ["ROW", "PER", "MATCH"].iter().try_for_each(|word| self.expect_word(word))?;
        }
        Ok(())
    }

    fn after_match(&mut self) -> Parsed<AfterMatch> {
        if !self.take_word("AFTER") {
            return Ok(AfterMatch::ToNextRow);
        }
        self.expect_word("MATCH")?;
        self.expect_word("SKIP")?;
        if self.take_word("PAST") {
            self.expect_word("LAST")?;
            self.expect_word("ROW")?;
            return Ok(AfterMatch::PastLastRow);
        }
        if !self.take_word("TO") {
            return Err(self.unexpected("TO NEXT ROW, PAST LAST ROW, TO FIRST variable or TO LAST variable"));
        }
        if self.at_words(&["NEXT", "ROW"]) {
            (0..2).for_each(|_| self.advance());
            return Ok(AfterMatch::ToNextRow);
        }
        let variable = "a variable of PATTERN";
        let is_name = |parser: &Parser, ahead: usize| {
            matches!(&parser.token(ahead).kind, TokenKind::Word(_) | TokenKind::Quoted(_))
                && !parser.word_ahead(ahead, "PATTERN")
        };
        if self.at_word("FIRST") && is_name(self, 1) {
            self.advance();
            return Ok(AfterMatch::ToFirst(self.ident(variable)?));
        }
        if self.at_word("LAST") && is_name(self, 1) {
            self.advance();
        }
        Ok(AfterMatch::ToLast(self.ident(variable)?))
    }

    fn pattern(&mut self) -> Parsed<Vec<PatternVariable>> {
        self.expect_symbol("(")?;
        // The rows of a stream have neither beginning nor end: anchors change nothing in Flink.
        self.take_symbol("^");
        let variables = self.nested(|parser| parser.pattern_terms())?;
        self.take_symbol("$");
        self.expect_symbol(")")?;
        Ok(variables)
    }

    /// Variables one after the other, up to a closing parenthesis.
    fn pattern_terms(&mut self) -> Parsed<Vec<PatternVariable>> {
        let start = self.span();
        let mut variables = Vec::new();
        loop {
            self.refuse_pattern_operator()?;
            if self.at_symbol(")") || self.at_symbol("$") || self.at_end() {
                if variables.is_empty() {
                    return Err(self.unexpected("a variable").help("for example PATTERN (a b+ c)"));
                }
                return Ok(variables);
            }
            match self.at_symbol("(") {
                true => variables.extend(self.pattern_group()?),
                false => variables.push(self.pattern_variable()?),
            }
            if variables.len() > VARIABLES_MAX {
                return Err(Problem::new(start, format!("a PATTERN has at most {VARIABLES_MAX} variables")));
            }
        }
    }

    fn pattern_variable(&mut self) -> Parsed<PatternVariable> {
        let start = self.span();
        let name = self.ident("a variable")?;
        let variable = PatternVariable { span: self.span_from(start), name, min: 1, max: Some(1), reluctant: false };
        self.quantified(variable, start)
    }

    /// Parentheses change nothing, as long as no quantifier stands after several variables.
    fn pattern_group(&mut self) -> Parsed<Vec<PatternVariable>> {
        let start = self.span();
        self.expect_symbol("(")?;
        let mut variables = self.nested(|parser| parser.pattern_terms())?;
        self.expect_symbol(")")?;
        if !["*", "+", "?", "{"].iter().any(|symbol| self.at_symbol(symbol)) || self.at_exclusion() {
            return Ok(variables);
        }
        let is_plain = |variable: &PatternVariable| (variable.min, variable.max) == (1, Some(1));
        match variables.pop() {
            Some(variable) if variables.is_empty() && is_plain(&variable) => {
                Ok(vec![self.quantified(variable, start)?])
            }
            _ => Err(Problem::new(self.span_from(start).to(self.span()), "Flink has no quantifier after a group")
                .help("a quantifier stands after one variable: write the group as often as it shall come")),
        }
    }

    /// The variable with the quantifier that follows it, if there is one.
    fn quantified(&mut self, variable: PatternVariable, start: Span) -> Parsed<PatternVariable> {
        let Some((min, max)) = self.quantifier()? else { return Ok(variable) };
        let reluctant = self.take_symbol("?");
        let span = self.span_from(start);
        if reluctant && (min, max) == (0, Some(1)) {
            let name = &variable.name.name;
            return Err(Problem::new(span, "Flink has no reluctant optional variable (??)")
                .help(format!("write {name}?: both ways are tried, and the match that is complete first wins")));
        }
        Ok(PatternVariable { min, max, reluctant, span, ..variable })
    }

    fn at_exclusion(&self) -> bool {
        self.at_symbol("{") && self.symbol_ahead(1, "-")
    }

    /// What SQL allows in PATTERN and Flink does not.
    fn refuse_pattern_operator(&self) -> Parsed<()> {
        let span = self.span();
        if self.at_symbol("|") || self.at_symbol("||") {
            return Err(Problem::new(span, "Flink has no alternation (|) in PATTERN")
                .help("write one variable with both conditions: DEFINE x AS x.temp > 80 OR x.vib > 9"));
        }
        if self.at_exclusion() {
            return Err(Problem::new(span.to(self.token(1).span), "Flink has no exclusion ({- -}) in PATTERN")
                .help("write the variable as it is: only measures are put out"));
        }
        if self.at_word("PERMUTE") && self.symbol_ahead(1, "(") {
            return Err(Problem::new(span, "Flink has no PERMUTE in PATTERN").help("write a query for each order"));
        }
        Ok(())
    }

    /// The fewest and the most rows.
    fn quantifier(&mut self) -> Parsed<Option<(u32, Option<u32>)>> {
        let start = self.span();
        if self.take_symbol("*") {
            return Ok(Some((0, None)));
        }
        if self.take_symbol("+") {
            return Ok(Some((1, None)));
        }
        if self.take_symbol("?") {
            return Ok(Some((0, Some(1))));
        }
        if !self.at_symbol("{") || self.at_exclusion() {
            return Ok(None);
        }
        self.advance();
        if self.at_symbol(",") {
            let end = self.token(2).span;
            let most = match &self.token(1).kind {
                TokenKind::Number(number) => number.clone(),
                _ => "3".to_owned(),
            };
            return Err(Problem::new(start.to(end), "Flink has no {,m}").help(format!("write {{0,{most}}}")));
        }
        let min = self.repeats()?;
        let max = match self.take_symbol(",") {
            false => Some(min),
            true if self.at_symbol("}") => None,
            true => Some(self.repeats()?),
        };
        self.expect_symbol("}")?;
        let span = self.span_from(start);
        if max == Some(0) {
            return Err(Problem::new(span, "a variable that takes no row").help("leave the variable out"));
        }
        if max.is_some_and(|max| max < min) {
            let problem = Problem::new(span, "the first number must not be larger than the second");
            return Err(problem.help("{2,3} is two or three rows"));
        }
        Ok(Some((min, max)))
    }

    fn repeats(&mut self) -> Parsed<u32> {
        let span = self.span();
        let TokenKind::Number(text) = &self.token(0).kind else { return Err(self.unexpected("a number")) };
        match text.parse::<u32>() {
            Ok(number) if number <= REPEATS_MAX => {
                self.advance();
                Ok(number)
            }
            _ => Err(Problem::new(span, format!("expected a whole number up to {REPEATS_MAX}, found {text}"))),
        }
    }

    fn within(&mut self) -> Parsed<Option<(Interval, Span)>> {
        if !self.take_word("WITHIN") {
            return Ok(None);
        }
        let start = self.span();
        if !self.take_word("INTERVAL") {
            return Err(self.unexpected("INTERVAL").help("for example WITHIN INTERVAL '10' SECOND"));
        }
        let interval = self.interval()?;
        Ok(Some((interval, self.span_from(start))))
    }

    fn definitions(&mut self) -> Parsed<Vec<Definition>> {
        let mut definitions = Vec::new();
        loop {
            let variable = self.ident("a variable of PATTERN")?;
            if !self.take_word("AS") {
                return Err(self.unexpected("AS").help("a definition is: variable AS condition"));
            }
            definitions.push(Definition { variable, condition: self.expr()? });
            if definitions.len() > VARIABLES_MAX {
                return Err(Problem::new(self.span(), format!("there are at most {VARIABLES_MAX} definitions")));
            }
            if !self.take_symbol(",") {
                return Ok(definitions);
            }
        }
    }
}
