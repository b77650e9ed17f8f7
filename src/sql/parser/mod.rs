//! Tokens → tree: recursive descent for statements, precedence climbing for expressions.
//!
//! Holds always: recursion is at most [`NESTING_MAX`] deep and the tree of an expression at most [`DEPTH_MAX`], so that
//! neither this nor what walks the tree can overflow the stack. What Flink has and tidegate has not yet is refused
//! here by its name, at the word that asks for it.

mod expr;
mod interval;
mod join;
mod json;
mod match_recognize;
mod over;
mod query;
mod statement;
mod types;

pub use statement::{COLUMNS_MAX, parse_columns, parse_query, parse_script, parse_source_columns};

use super::ast::Ident;
use super::keywords::is_reserved;
use super::lexer::{Token, TokenKind};
use super::span::{Problem, Span, nearest};

/// Parentheses, subqueries and function calls inside each other.
const NESTING_MAX: u32 = 64;

/// Levels of one expression's tree; `a + b + c` has three. AND and OR chains count as one level.
const DEPTH_MAX: u16 = 250;

type Parsed<T> = Result<T, Problem>;

struct Parser {
    /// Ends with a token of kind `End`, which is never passed.
    tokens: Vec<Token>,
    at: usize,
    nesting: u32,
}

impl Parser {
    fn new(tokens: Vec<Token>) -> Parser {
        Parser { tokens, at: 0, nesting: 0 }
    }

    fn token(&self, ahead: usize) -> &Token {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.at + ahead).min(last)]
    }

    fn span(&self) -> Span {
        self.token(0).span
    }

    fn symbol_at(&self, span: Span) -> Option<&'static str> {
        let at = self.tokens.binary_search_by_key(&span.start, |token| token.span.start).ok()?;
        match self.tokens.get(at)?.kind {
            TokenKind::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// From the token at `start` to the one before the current.
    fn span_from(&self, start: Span) -> Span {
        start.to(self.tokens[self.at.saturating_sub(1)].span)
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn at_end(&self) -> bool {
        self.token(0).kind == TokenKind::End
    }

    fn at_symbol(&self, symbol: &str) -> bool {
        self.symbol_ahead(0, symbol)
    }

    fn symbol_ahead(&self, ahead: usize, symbol: &str) -> bool {
        matches!(&self.token(ahead).kind, TokenKind::Symbol(found) if *found == symbol)
    }

    fn at_word(&self, keyword: &str) -> bool {
        self.word_ahead(0, keyword)
    }

    fn word_ahead(&self, ahead: usize, keyword: &str) -> bool {
        matches!(&self.token(ahead).kind, TokenKind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn at_words(&self, keywords: &[&str]) -> bool {
        keywords.iter().enumerate().all(|(ahead, keyword)| self.word_ahead(ahead, keyword))
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.at_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn take_word(&mut self, keyword: &str) -> bool {
        let found = self.at_word(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    fn expect_word(&mut self, keyword: &str) -> Parsed<()> {
        if self.take_word(keyword) { Ok(()) } else { Err(self.unexpected(keyword)) }
    }

    /// "expected …, found …" at the current token.
    fn unexpected(&self, expected: &str) -> Problem {
        let token = self.token(0);
        let found = match &token.kind {
            TokenKind::Word(word) => word.clone(),
            TokenKind::Quoted(name) => format!("`{name}`"),
            TokenKind::Text(text) => format!("the text '{text}'"),
            TokenKind::Bytes(_) => "a byte string".to_owned(),
            TokenKind::Number(number) => number.clone(),
            TokenKind::Symbol(symbol) => format!("'{symbol}'"),
            TokenKind::End => "the end of the text".to_owned(),
        };
        Problem::new(token.span, format!("expected {expected}, found {found}"))
    }

    /// Something is left over. Often the word before was meant to be a clause and was taken for a name.
    fn left_over(&self, expected: &str) -> Problem {
        const CLAUSES: [&str; 9] = ["WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "JOIN", "WINDOW", "FROM"];
        let problem = self.unexpected(expected);
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map(|token| (&token.kind, token.span));
        for (kind, span) in [Some((&self.token(0).kind, self.span())), before].into_iter().flatten() {
            let TokenKind::Word(word) = kind else { continue };
            if let Some(near) = nearest(word, CLAUSES).filter(|near| !near.eq_ignore_ascii_case(word)) {
                return Problem { span, ..problem }.help(format!("did you mean {near}?"));
            }
        }
        problem
    }

    /// A name: a word that is not reserved, or anything in backticks.
    fn ident(&mut self, what: &str) -> Parsed<Ident> {
        let span = self.span();
        let name = match &self.token(0).kind {
            TokenKind::Quoted(name) => name.clone(),
            TokenKind::Word(word) if is_reserved(word) => {
                let help = format!("as a name it stands in backticks: `{word}`");
                return Err(Problem::new(span, format!("expected {what}, but {word} is a reserved word")).help(help));
            }
            TokenKind::Word(word) => word.clone(),
            _ => return Err(self.unexpected(what)),
        };
        self.advance();
        Ok(Ident { name, span })
    }

    /// A text in single quotes, with its place.
    fn text(&mut self, what: &str) -> Parsed<Ident> {
        let span = self.span();
        let TokenKind::Text(text) = &self.token(0).kind else { return Err(self.unexpected(what)) };
        let name = text.clone();
        self.advance();
        Ok(Ident { name, span })
    }

    /// `(a, b)`
    fn ident_list(&mut self, what: &str) -> Parsed<Vec<Ident>> {
        self.expect_symbol("(")?;
        let mut names = vec![self.ident(what)?];
        while self.take_symbol(",") {
            names.push(self.ident(what)?);
        }
        self.expect_symbol(")")?;
        Ok(names)
    }

    /// Runs `parse` one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Parser) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= NESTING_MAX {
            return Err(too_deep(self.span()));
        }
        self.nesting += 1;
        let result = parse(self);
        self.nesting -= 1;
        result
    }
}

fn too_deep(span: Span) -> Problem {
    Problem::new(span, "this is nested too deeply").help("compute a part of it in a view or a subquery of its own")
}
