//! Expressions, by precedence climbing (Pratt, "Top Down Operator Precedence", 1973), with Calcite's precedences:
//! <https://calcite.apache.org/docs/reference.html#operator-precedence>

use super::{DEPTH_MAX, Parsed, Parser, too_deep};
use crate::plan::{ArithmeticOp, CompareOp};
use crate::sql::ast::{Call, CallArguments, Expr, ExprKind, Ident, IsTest, TrimSide};
use crate::sql::keywords::is_reserved;
use crate::sql::lexer::TokenKind;
use crate::sql::span::{Problem, Span};

/// How tightly an operator binds its operands; higher is tighter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Is,
    Comparison,
    /// BETWEEN, IN, LIKE
    Predicate,
    Sum,
    Product,
    Sign,
}

/// The operators that take an expression on either side and make one node of two.
#[derive(Clone, Copy)]
enum Infix {
    Arithmetic(ArithmeticOp),
    Compare(CompareOp),
    Concat,
}

impl Parser {
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.nested(|parser| parser.binary(Binding::Or))
    }

    /// One expression whose operators all bind at least as tightly as `least`.
    fn binary(&mut self, least: Binding) -> Parsed<Expr> {
        let mut left = self.prefix()?;
        loop {
            left = if let Some((infix, binding)) = self.infix().filter(|(_, binding)| *binding >= least) {
                let operator = self.span();
                self.advance();
                match infix {
                    Infix::Compare(op) if self.at_quantifier() => self.compared_with_any(op, left)?,
                    _ => {
                        let right = self.operand_above(binding)?;
                        self.infix_node(infix, operator, left, right)?
                    }
                }
            } else if least <= Binding::Comparison && self.take_word("OVERLAPS") {
                let (start, right) = (left.span, Box::new(self.operand_above(Binding::Comparison)?));
                self.node(start, ExprKind::Overlaps { left: Box::new(left), right })?
            } else if least <= Binding::Predicate && self.at_predicate() {
                self.predicate(left)?
            } else if least <= Binding::Is && self.at_word("IS") {
                self.is(left)?
            } else if least <= Binding::And && self.at_word("AND") {
                self.chain(left, "AND", Binding::And, ExprKind::And)?
            } else if least <= Binding::Or && self.at_word("OR") {
                self.chain(left, "OR", Binding::Or, ExprKind::Or)?
            } else {
                return Ok(left);
            };
        }
    }

    /// The right operand of a left-associative operator.
    fn operand_above(&mut self, binding: Binding) -> Parsed<Expr> {
        let least = match binding {
            Binding::Or => Binding::And,
            Binding::And => Binding::Not,
            Binding::Not => Binding::Is,
            Binding::Is => Binding::Comparison,
            Binding::Comparison => Binding::Predicate,
            Binding::Predicate => Binding::Sum,
            Binding::Sum => Binding::Product,
            Binding::Product | Binding::Sign => Binding::Sign,
        };
        self.binary(least)
    }

    pub(super) fn node(&self, start: Span, kind: ExprKind) -> Parsed<Expr> {
        let span = self.span_from(start);
        let mut expr = Expr { kind, span, depth: 0 };
        let mut deepest = 0;
        expr.for_each_child(&mut |child| deepest = deepest.max(child.depth));
        expr.depth = deepest + 1;
        if expr.depth > DEPTH_MAX { Err(too_deep(span)) } else { Ok(expr) }
    }

    fn infix(&self) -> Option<(Infix, Binding)> {
        use Infix::{Arithmetic, Compare, Concat};
        let TokenKind::Symbol(symbol) = &self.token(0).kind else { return None };
        Some(match *symbol {
            "+" => (Arithmetic(ArithmeticOp::Add), Binding::Sum),
            "-" => (Arithmetic(ArithmeticOp::Subtract), Binding::Sum),
            "*" => (Arithmetic(ArithmeticOp::Multiply), Binding::Product),
            "/" => (Arithmetic(ArithmeticOp::Divide), Binding::Product),
            "%" => (Arithmetic(ArithmeticOp::Modulo), Binding::Product),
            "||" => (Concat, Binding::Product),
            "=" => (Compare(CompareOp::Equal), Binding::Comparison),
            "<>" | "!=" => (Compare(CompareOp::NotEqual), Binding::Comparison),
            "<" => (Compare(CompareOp::Less), Binding::Comparison),
            "<=" => (Compare(CompareOp::LessOrEqual), Binding::Comparison),
            ">" => (Compare(CompareOp::Greater), Binding::Comparison),
            ">=" => (Compare(CompareOp::GreaterOrEqual), Binding::Comparison),
            _ => return None,
        })
    }

    fn infix_node(&self, infix: Infix, operator: Span, left: Expr, right: Expr) -> Parsed<Expr> {
        if operator.end - operator.start == 2 && self.symbol_at(operator) == Some("!=") {
            return Err(Problem::new(operator, "Flink has no operator !=").help("write <>"));
        }
        let start = left.span;
        let kind = match infix {
            Infix::Arithmetic(op) => ExprKind::Arithmetic { op, left: Box::new(left), right: Box::new(right) },
            Infix::Compare(op) => ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) },
            Infix::Concat => ExprKind::Call(call(Ident { name: "||".into(), span: operator }, vec![left, right])),
        };
        self.node(start, kind)
    }

    /// `a AND b AND c` as one node, so that long chains are flat.
    fn chain(&mut self, first: Expr, word: &str, binding: Binding, make: fn(Vec<Expr>) -> ExprKind) -> Parsed<Expr> {
        let start = first.span;
        let mut operands = vec![first];
        while self.take_word(word) {
            operands.push(self.operand_above(binding)?);
        }
        self.node(start, make(operands))
    }

    fn at_predicate(&self) -> bool {
        let at = usize::from(self.at_word("NOT"));
        ["BETWEEN", "IN", "LIKE", "SIMILAR", "RLIKE", "ILIKE"].iter().any(|word| self.word_ahead(at, word))
    }

    /// [NOT] BETWEEN, IN, LIKE
    fn predicate(&mut self, operand: Expr) -> Parsed<Expr> {
        let start = operand.span;
        let operand = Box::new(operand);
        let negated = self.take_word("NOT");
        if self.take_word("BETWEEN") {
            let symmetric = self.take_word("SYMMETRIC");
            if !symmetric {
                self.take_word("ASYMMETRIC");
            }
            let low = Box::new(self.nested(|parser| parser.binary(Binding::Sum))?);
            self.expect_word("AND")?;
            let high = Box::new(self.nested(|parser| parser.binary(Binding::Sum))?);
            return self.node(start, ExprKind::Between { operand, low, high, symmetric, negated });
        }
        if self.take_word("IN") {
            if self.symbol_ahead(0, "(") && self.query_ahead(1) {
                let query = self.query_in_parentheses()?;
                return self.node(start, ExprKind::InQuery { operand, query, negated });
            }
            self.expect_symbol("(")?;
            let list = self.expr_list()?;
            self.expect_symbol(")")?;
            return self.node(start, ExprKind::In { operand, list, negated });
        }
        let similar = self.at_words(&["SIMILAR", "TO"]);
        if !similar && !self.at_word("LIKE") {
            return Err(self.unexpected("LIKE or SIMILAR TO").help("a regular expression: REGEXP(text, pattern)"));
        }
        (0..1 + usize::from(similar)).for_each(|_| self.advance());
        let pattern = Box::new(self.nested(|parser| parser.binary(Binding::Sum))?);
        let escape = match self.take_word("ESCAPE") {
            true => Some(Box::new(self.prefix()?)),
            false => None,
        };
        self.node(start, ExprKind::Like { similar, operand, pattern, escape, negated })
    }

    fn is(&mut self, operand: Expr) -> Parsed<Expr> {
        let start = operand.span;
        self.expect_word("IS")?;
        let negated = self.take_word("NOT");
        if self.take_word("DISTINCT") {
            self.expect_word("FROM")?;
            let right = Box::new(self.operand_above(Binding::Is)?);
            // IS NOT DISTINCT FROM is the plain one in the plan.
            return self.node(start, ExprKind::Distinct { left: Box::new(operand), right, negated: !negated });
        }
        let tests =
            [("NULL", IsTest::Null), ("TRUE", IsTest::True), ("FALSE", IsTest::False), ("UNKNOWN", IsTest::Unknown)];
        for (word, test) in tests {
            if self.take_word(word) {
                return self.node(start, ExprKind::Is { operand: Box::new(operand), test, negated });
            }
        }
        if self.take_word("JSON") {
            let kind = self.json_kind();
            return self.node(start, ExprKind::IsJson { operand: Box::new(operand), kind, negated });
        }
        Err(self.unexpected("NULL, TRUE, FALSE, UNKNOWN, JSON or DISTINCT FROM after IS"))
    }

    pub(super) fn expr_list(&mut self) -> Parsed<Vec<Expr>> {
        let mut list = vec![self.expr()?];
        while self.take_symbol(",") {
            list.push(self.expr()?);
        }
        Ok(list)
    }

    /// An operand with what stands before it.
    fn prefix(&mut self) -> Parsed<Expr> {
        let start = self.span();
        if self.at_word("NOT") {
            self.advance();
            let operand = Box::new(self.nested(|parser| parser.binary(Binding::Is))?);
            return self.node(start, ExprKind::Not(operand));
        }
        if self.take_symbol("-") {
            let operand = Box::new(self.nested(|parser| parser.binary(Binding::Sign))?);
            return self.node(start, ExprKind::Negate(operand));
        }
        if self.take_symbol("+") {
            return self.nested(|parser| parser.binary(Binding::Sign));
        }
        let operand = self.primary()?;
        self.accesses(operand)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let kind = match self.token(0).kind.clone() {
            TokenKind::Number(number) => ExprKind::Number(number),
            TokenKind::Text(text) => ExprKind::Text(text),
            TokenKind::Bytes(bytes) => ExprKind::Bytes(bytes),
            TokenKind::Quoted(_) => return self.name(),
            TokenKind::Word(word) => return self.word(&word),
            TokenKind::Symbol("(") => return self.parenthesis(),
            TokenKind::Symbol("*") => {
                return Err(self.unexpected("an expression").help("* stands alone in SELECT *, or in COUNT(*)"));
            }
            TokenKind::Symbol(_) | TokenKind::End => return Err(self.unexpected("an expression")),
        };
        self.advance();
        self.node(start, kind)
    }

    /// `[index]` and `.field` after an operand, any number of them.
    fn accesses(&mut self, mut operand: Expr) -> Parsed<Expr> {
        loop {
            let start = operand.span;
            if self.take_symbol("[") {
                let index = Box::new(self.expr()?);
                self.expect_symbol("]")?;
                operand = self.node(start, ExprKind::Item { operand: Box::new(operand), index })?;
            } else if self.take_symbol(".") {
                let field = self.ident("a field of the row")?;
                operand = self.node(start, ExprKind::Field { operand: Box::new(operand), field })?;
            } else {
                return Ok(operand);
            }
        }
    }

    fn parenthesis(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.expect_symbol("(")?;
        if self.query_ahead(0) {
            let query = Box::new(self.query()?);
            self.expect_symbol(")")?;
            return self.node(start, ExprKind::Subquery(query));
        }
        let mut expr = self.expr()?;
        if self.take_symbol(",") {
            let mut fields = vec![expr];
            fields.extend(self.expr_list()?);
            self.expect_symbol(")")?;
            return self.node(start, ExprKind::Row(fields));
        }
        self.expect_symbol(")")?;
        expr.span = self.span_from(start);
        match expr.kind {
            ExprKind::Arithmetic { op: ArithmeticOp::Subtract, left, right } if self.at_interval_unit() => {
                let in_months = self.interval_range()?.in_months();
                self.node(start, ExprKind::Elapsed { end: left, start: right, in_months })
            }
            _ => Ok(expr),
        }
    }

    /// `column` or `table.column`
    fn name(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let first = self.ident("a column")?;
        let mut name = ExprKind::Name { table: None, column: first.clone() };
        if self.take_symbol(".") {
            if self.at_symbol("*") {
                return Err(Problem::new(self.span_from(start).to(self.span()), "a star is no value here")
                    .help("COUNT(*) counts all rows, COUNT(a.x) those of a in which x is not NULL"));
            }
            name = ExprKind::Name { table: Some(first), column: self.ident("a column")? };
        }
        self.node(start, name)
    }

    /// What begins with a word: a literal, a special form, a function, or a column.
    fn word(&mut self, word: &str) -> Parsed<Expr> {
        let start = self.span();
        let upper = word.to_ascii_uppercase();
        let literal = match upper.as_str() {
            "NULL" => Some(ExprKind::Null),
            "UNKNOWN" => Some(ExprKind::Null),
            "TRUE" => Some(ExprKind::Boolean(true)),
            "FALSE" => Some(ExprKind::Boolean(false)),
            _ => None,
        };
        if let Some(literal) = literal {
            self.advance();
            return self.node(start, literal);
        }
        if let TokenKind::Text(text) = &self.token(1).kind {
            let text = text.clone();
            let literal = match upper.as_str() {
                "DATE" => Some(ExprKind::Date(text)),
                "TIME" => Some(ExprKind::Time(text)),
                "TIMESTAMP" => Some(ExprKind::Timestamp(text)),
                _ => None,
            };
            if let Some(literal) = literal {
                (0..2).for_each(|_| self.advance());
                return self.node(start, literal);
            }
        }
        match upper.as_str() {
            "INTERVAL" => {
                self.advance();
                let interval = self.interval()?;
                self.node(start, ExprKind::Interval(interval))
            }
            "CASE" => self.case(),
            "ARRAY" | "MAP" if self.symbol_ahead(1, "[") => {
                (0..2).for_each(|_| self.advance());
                let parts = if self.at_symbol("]") { Vec::new() } else { self.expr_list()? };
                self.expect_symbol("]")?;
                self.node(start, if upper == "MAP" { ExprKind::Map(parts) } else { ExprKind::Array(parts) })
            }
            "ROW" if self.symbol_ahead(1, "(") => {
                (0..2).for_each(|_| self.advance());
                let fields = self.expr_list()?;
                self.expect_symbol(")")?;
                self.node(start, ExprKind::Row(fields))
            }
            "EXISTS" if self.symbol_ahead(1, "(") => {
                self.advance();
                let query = self.query_in_parentheses()?;
                self.node(start, ExprKind::Exists(query))
            }
            "ARRAY" | "MAP" | "UNIQUE" if self.symbol_ahead(1, "(") => Err(Problem::unsupported(start, &upper)),
            "FINAL" | "RUNNING" if matches!(self.token(1).kind, TokenKind::Word(_)) && self.symbol_ahead(2, "(") => {
                Err(Problem::new(start, format!("Flink has no {upper} in MATCH_RECOGNIZE")).help(
                    "leave it out: measures see all rows of the match, conditions those up to the row under test",
                ))
            }
            _ if self.symbol_ahead(1, "(") => self.call(&upper),
            "CURRENT_TIMESTAMP" | "CURRENT_DATE" | "CURRENT_TIME" | "LOCALTIME" | "LOCALTIMESTAMP" => {
                self.advance();
                let name = Ident { name: word.to_owned(), span: start };
                let call = Call { name, arguments: CallArguments::None, distinct: false, filter: None, over: None };
                self.node(start, ExprKind::Call(call))
            }
            _ if is_reserved(word) => Err(self.reserved_operand(word, &upper)),
            _ => self.name(),
        }
    }

    fn reserved_operand(&self, word: &str, upper: &str) -> Problem {
        const CLAUSES: [&str; 14] = [
            "FROM", "WHERE", "GROUP", "HAVING", "AND", "OR", "THEN", "ELSE", "END", "WHEN", "AS", "ON", "SELECT",
            "ORDER",
        ];
        if CLAUSES.contains(&upper) {
            return self.unexpected("an expression");
        }
        Problem::new(self.span(), format!("expected an expression, but {word} is a reserved word"))
            .help(format!("if it is a column's name, write it in backticks: `{word}`"))
    }

    fn case(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.expect_word("CASE")?;
        let operand = if self.at_word("WHEN") { None } else { Some(Box::new(self.expr()?)) };
        let mut branches = Vec::new();
        while self.take_word("WHEN") {
            let conditions = if operand.is_some() { self.expr_list()? } else { vec![self.expr()?] };
            self.expect_word("THEN")?;
            branches.push((conditions, self.expr()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected("WHEN"));
        }
        let otherwise = if self.take_word("ELSE") { Some(Box::new(self.expr()?)) } else { None };
        if !self.take_word("END") {
            return Err(self.unexpected("WHEN, ELSE or END").help("a CASE ends with END"));
        }
        self.node(start, ExprKind::Case { operand, branches, otherwise })
    }

    /// A function with its parentheses; those with a grammar of their own first.
    fn call(&mut self, upper: &str) -> Parsed<Expr> {
        let start = self.span();
        let TokenKind::Word(word) = &self.token(0).kind else { return Err(self.unexpected("a function")) };
        let name = Ident { name: word.clone(), span: start };
        (0..2).for_each(|_| self.advance());
        if let Some(call) = self.nested(|parser| parser.json_call(upper))? {
            return self.node(start, ExprKind::Json(call));
        }
        let kind = match upper {
            "CAST" | "TRY_CAST" => {
                let operand = Box::new(self.expr()?);
                self.expect_word("AS")?;
                ExprKind::Cast { operand, target: self.cast_target()?, safe: upper == "TRY_CAST" }
            }
            "EXTRACT" => {
                let unit = self.time_unit(true)?;
                self.expect_word("FROM")?;
                ExprKind::Extract { unit, operand: Box::new(self.expr()?) }
            }
            "TIMESTAMPADD" | "TIMESTAMPDIFF" => self.timestamp_arithmetic(upper == "TIMESTAMPADD")?,
            "TRIM" => self.trim()?,
            _ => return self.plain_call(start, name, upper),
        };
        self.expect_symbol(")")?;
        self.node(start, kind)
    }

    fn timestamp_arithmetic(&mut self, add: bool) -> Parsed<ExprKind> {
        let unit = self.time_unit(false)?;
        self.expect_symbol(",")?;
        let first = Box::new(self.expr()?);
        self.expect_symbol(",")?;
        let second = Box::new(self.expr()?);
        Ok(match add {
            true => ExprKind::TimestampAdd { unit, count: first, time: second },
            false => ExprKind::TimestampDiff { unit, from: first, to: second },
        })
    }

    /// `[BOTH|LEADING|TRAILING] [characters] FROM text`, or just the text.
    fn trim(&mut self) -> Parsed<ExprKind> {
        let sides = [("BOTH", TrimSide::Both), ("LEADING", TrimSide::Leading), ("TRAILING", TrimSide::Trailing)];
        let side = sides.into_iter().find(|(word, _)| self.at_word(word)).map(|(_, side)| side);
        if side.is_some() {
            self.advance();
        }
        if side.is_some() && self.take_word("FROM") {
            let operand = Box::new(self.expr()?);
            return Ok(ExprKind::Trim { side: side.unwrap_or(TrimSide::Both), characters: None, operand });
        }
        let first = Box::new(self.expr()?);
        let side_or_both = side.unwrap_or(TrimSide::Both);
        if self.take_word("FROM") {
            let operand = Box::new(self.expr()?);
            return Ok(ExprKind::Trim { side: side_or_both, characters: Some(first), operand });
        }
        if side.is_some() {
            return Err(self.unexpected("FROM").help("TRIM(LEADING '0' FROM text)"));
        }
        Ok(ExprKind::Trim { side: side_or_both, characters: None, operand: first })
    }

    fn plain_call(&mut self, start: Span, name: Ident, upper: &str) -> Parsed<Expr> {
        let mut distinct = false;
        let arguments = if self.take_symbol(")") {
            CallArguments::List(Vec::new())
        } else if self.at_symbol("*") && self.symbol_ahead(1, ")") {
            (0..2).for_each(|_| self.advance());
            CallArguments::Star
        } else {
            distinct = self.take_word("DISTINCT");
            if !distinct {
                self.take_word("ALL");
            }
            if self.at_word("SELECT") {
                return Err(
                    Problem::new(self.span(), "a subquery stands in parentheses of its own").help("write ((SELECT …))")
                );
            }
            // Of POSITION(a IN b) the IN is no operator.
            let first = match upper {
                "POSITION" => self.nested(|parser| parser.binary(Binding::Sum))?,
                _ => self.expr()?,
            };
            if matches!(upper, "FLOOR" | "CEIL" | "CEILING") && self.take_word("TO") {
                let unit = self.time_unit(false)?;
                self.expect_symbol(")")?;
                let kind = ExprKind::RoundTime { up: upper != "FLOOR", operand: Box::new(first), unit };
                return self.node(start, kind);
            }
            CallArguments::List(self.more_arguments(first, upper)?)
        };
        let filter = self.filter()?;
        let over = if self.take_word("OVER") { Some(Box::new(self.over()?)) } else { None };
        if self.at_words(&["WITHIN", "GROUP"])
            || self.at_words(&["IGNORE", "NULLS"])
            || self.at_words(&["RESPECT", "NULLS"])
        {
            return Err(Problem::unsupported(
                self.span().to(self.token(1).span),
                "WITHIN GROUP, IGNORE NULLS or RESPECT NULLS",
            ));
        }
        self.node(start, ExprKind::Call(Call { name, arguments, distinct, filter, over }))
    }

    /// The arguments after the first, with commas or with the words that some functions have instead.
    fn more_arguments(&mut self, first: Expr, upper: &str) -> Parsed<Vec<Expr>> {
        let words: &[&str] = match upper {
            "SUBSTRING" | "SUBSTR" => &["FROM", "FOR"],
            "OVERLAY" => &["PLACING", "FROM", "FOR"],
            "POSITION" => &["IN", "FROM"],
            _ => &[],
        };
        let mut arguments = vec![first];
        loop {
            if !self.take_symbol(",") && !words.iter().any(|word| self.take_word(word)) {
                if self.at_symbol("=>") {
                    return Err(Problem::unsupported(self.span(), "a named argument"));
                }
                if !self.at_symbol(")") {
                    return Err(self.unexpected("',' or ')'"));
                }
                self.advance();
                return Ok(arguments);
            }
            arguments.push(self.expr()?);
        }
    }

    /// The number or interval before PRECEDING.
    pub(super) fn frame_length(&mut self) -> Parsed<Expr> {
        self.nested(|parser| parser.binary(Binding::Sum))
    }

    fn filter(&mut self) -> Parsed<Option<Box<Expr>>> {
        if !self.at_word("FILTER") {
            return Ok(None);
        }
        self.advance();
        self.expect_symbol("(")?;
        self.expect_word("WHERE")?;
        let filter = self.expr()?;
        self.expect_symbol(")")?;
        Ok(Some(Box::new(filter)))
    }
}

fn call(name: Ident, arguments: Vec<Expr>) -> Call {
    Call { name, arguments: CallArguments::List(arguments), distinct: false, filter: None, over: None }
}
