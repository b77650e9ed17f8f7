//! SELECT and what it reads.

use super::statement::COLUMNS_MAX;
use super::{Parsed, Parser};
use crate::plan::CompareOp;
use crate::sql::ast::{
    Alias, Branch, CommonTable, Expr, ExprKind, Ident, Limit, OrderBy, Query, Select, SelectItem, SetKind,
    SetOperation, Table, TableKind, Unnest, Values, WindowCall, WindowFunction, WindowInterval, WindowShape,
};
use crate::sql::keywords::is_reserved;
use crate::sql::lexer::TokenKind;
use crate::sql::span::{Problem, Span, nearest};

/// SELECTs that UNION ALL may put together.
const BRANCHES_MAX: usize = 200;

/// INTERSECTs and EXCEPTs of a query: each lies inside of the next one.
const SETS_MAX: usize = 32;

/// Rows of one VALUES.
const VALUES_ROWS_MAX: usize = 10_000;

/// What UNION, INTERSECT and EXCEPT of one query have put together so far.
#[derive(Default)]
struct Parts {
    branches: usize,
    sets: usize,
}

impl Parser {
    pub(super) fn query(&mut self) -> Parsed<Query> {
        self.nested(|parser| parser.query_here())
    }

    pub(super) fn query_ahead(&self, ahead: usize) -> bool {
        ["SELECT", "WITH", "VALUES"].iter().any(|word| self.word_ahead(ahead, word))
    }

    pub(super) fn query_in_parentheses(&mut self) -> Parsed<Box<Query>> {
        self.expect_symbol("(")?;
        let query = self.query()?;
        self.expect_symbol(")")?;
        Ok(Box::new(query))
    }

    pub(super) fn at_quantifier(&self) -> bool {
        let at_word = ["ANY", "SOME", "ALL"].iter().any(|word| self.at_word(word));
        at_word && self.symbol_ahead(1, "(") && self.query_ahead(2)
    }

    /// ANY (query), ALL (query) after an operator.
    pub(super) fn compared_with_any(&mut self, op: CompareOp, operand: Expr) -> Parsed<Expr> {
        let start = operand.span;
        let all = self.at_word("ALL");
        self.advance();
        let query = self.query_in_parentheses()?;
        let operand = Box::new(operand);
        let op = if all { op.opposite() } else { op };
        if op == CompareOp::Equal {
            return self.node(start, ExprKind::InQuery { operand, query, negated: all });
        }
        let any = self.node(start, ExprKind::Any { op, operand, query })?;
        if all { self.node(start, ExprKind::Not(Box::new(any))) } else { Ok(any) }
    }

    fn query_here(&mut self) -> Parsed<Query> {
        let with = if self.at_word("WITH") { self.common_tables()? } else { Vec::new() };
        let mut parts = Parts::default();
        let (mut branches, mut distinct) = (vec![self.intersection(&mut parts)?], false);
        loop {
            let span = self.span();
            if self.at_word("EXCEPT") {
                let all = self.set_word(&mut parts)?;
                let left = match (branches.pop(), branches.is_empty()) {
                    (Some(only), true) => only,
                    (last, _) => {
                        branches.extend(last);
                        Branch::Query(Box::new(union(std::mem::take(&mut branches), distinct)))
                    }
                };
                let right = self.intersection(&mut parts)?;
                let kind = SetKind::Except;
                branches = vec![Branch::Set(Box::new(SetOperation { left, right, kind, all, span }))];
                distinct = false;
            } else if self.take_word("UNION") {
                let all = self.take_word("ALL");
                if !all {
                    self.take_word("DISTINCT");
                }
                if branches.len() > 1 && all == distinct {
                    // Another kind of UNION: it takes those before as one.
                    branches = vec![Branch::Query(Box::new(union(branches, distinct)))];
                }
                branches.push(self.intersection(&mut parts)?);
                distinct = !all;
            } else {
                break;
            }
        }
        let order_by = if self.at_words(&["ORDER", "BY"]) { self.order_by()? } else { Vec::new() };
        let limit = self.limit()?;
        Ok(Query { with, order_by, limit, ..union(branches, distinct) })
    }

    /// INTERSECT comes before UNION and EXCEPT.
    fn intersection(&mut self, parts: &mut Parts) -> Parsed<Branch> {
        let mut left = self.branch()?;
        loop {
            let span = self.span();
            parts.branches += 1;
            if parts.branches > BRANCHES_MAX {
                return Err(Problem::new(span, format!("a query has at most {BRANCHES_MAX} branches")));
            }
            if !self.at_word("INTERSECT") {
                return Ok(left);
            }
            let all = self.set_word(parts)?;
            let right = self.branch()?;
            left = Branch::Set(Box::new(SetOperation { left, right, kind: SetKind::Intersect, all, span }));
        }
    }

    /// INTERSECT or EXCEPT, and whether ALL stands behind it.
    fn set_word(&mut self, parts: &mut Parts) -> Parsed<bool> {
        let span = self.span();
        parts.sets += 1;
        if parts.sets > SETS_MAX {
            return Err(Problem::new(span, format!("a query has at most {SETS_MAX} INTERSECTs and EXCEPTs")));
        }
        self.advance();
        let all = self.take_word("ALL");
        if !all {
            self.take_word("DISTINCT");
        }
        Ok(all)
    }

    /// `LIMIT 10 OFFSET 5` or `OFFSET 5 ROWS FETCH NEXT 10 ROWS ONLY`, if it is there.
    fn limit(&mut self) -> Parsed<Option<Limit>> {
        let start = self.span();
        let (mut count, mut skipped) = (None, None);
        // LIMIT ALL is no limit.
        let mut is_all = false;
        if self.take_word("LIMIT") {
            is_all = self.take_word("ALL");
            count = if is_all { None } else { Some(self.row_count("LIMIT")?) };
        }
        if self.take_word("OFFSET") {
            skipped = Some(self.row_count("OFFSET")?);
            self.rows_word();
        }
        if count.is_none() && !is_all && self.take_word("FETCH") {
            if !self.take_word("FIRST") {
                self.expect_word("NEXT")?;
            }
            count = Some(self.row_count("FETCH NEXT")?);
            self.rows_word();
            self.expect_word("ONLY")?;
        }
        let span = self.span_from(start);
        match (count, skipped) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Problem::new(span, "OFFSET needs a LIMIT: without one Flink does not take it")),
            (Some(count), skipped) => Ok(Some(Limit { span, count, skipped: skipped.unwrap_or(0) })),
        }
    }

    fn rows_word(&mut self) {
        if !self.take_word("ROWS") {
            self.take_word("ROW");
        }
    }

    fn row_count(&mut self, after: &str) -> Parsed<u64> {
        let count = match &self.token(0).kind {
            TokenKind::Number(number) => number.parse().ok(),
            _ => None,
        };
        let Some(count) = count else { return Err(self.unexpected(&format!("a whole number after {after}"))) };
        self.advance();
        Ok(count)
    }

    fn branch(&mut self) -> Parsed<Branch> {
        if self.at_symbol("(") {
            return Ok(Branch::Query(self.query_in_parentheses()?));
        }
        if self.at_word("VALUES") {
            return Ok(Branch::Select(Box::new(self.all_values()?)));
        }
        Ok(Branch::Select(Box::new(self.select()?)))
    }

    /// `VALUES (…), (…)` as SELECT * FROM it.
    fn all_values(&mut self) -> Parsed<Select> {
        let span = self.span();
        let values = self.values()?;
        let from = unnamed(TableKind::Values(values));
        let items = vec![SelectItem::All { span, table: None }];
        Ok(Select {
            span,
            distinct: false,
            items,
            from,
            filter: None,
            group_by: None,
            having: None,
            windows: Vec::new(),
            qualify: None,
        })
    }

    fn values(&mut self) -> Parsed<Values> {
        let start = self.span();
        self.expect_word("VALUES")?;
        let mut rows = Vec::new();
        loop {
            let span = self.span();
            self.take_word("ROW");
            let row = match self.at_symbol("(") {
                true => {
                    self.advance();
                    let row = self.expr_list()?;
                    self.expect_symbol(")")?;
                    row
                }
                false => vec![self.expr()?],
            };
            if rows.first().is_some_and(|first: &Vec<Expr>| first.len() != row.len()) {
                return Err(Problem::new(self.span_from(span), "the rows of VALUES have different numbers of columns"));
            }
            rows.push(row);
            if rows.len() > VALUES_ROWS_MAX {
                return Err(Problem::new(span, format!("VALUES has at most {VALUES_ROWS_MAX} rows"))
                    .help("put them into a file, and read it as a table"));
            }
            if !self.take_symbol(",") {
                return Ok(Values { span: self.span_from(start), rows });
            }
        }
    }

    pub(super) fn order_by(&mut self) -> Parsed<Vec<OrderBy>> {
        (0..2).for_each(|_| self.advance());
        let mut items = Vec::new();
        loop {
            let expr = self.expr()?;
            let descending = self.take_word("DESC");
            if !descending {
                self.take_word("ASC");
            }
            let mut nulls_first = None;
            if self.take_word("NULLS") {
                nulls_first = Some(self.take_word("FIRST"));
                if nulls_first == Some(false) {
                    self.expect_word("LAST")?;
                }
            }
            items.push(OrderBy { expr, descending, nulls_first });
            if !self.take_symbol(",") {
                return Ok(items);
            }
        }
    }

    fn common_tables(&mut self) -> Parsed<Vec<CommonTable>> {
        self.expect_word("WITH")?;
        if self.at_word("RECURSIVE") {
            return Err(Problem::unsupported(self.span(), "WITH RECURSIVE"));
        }
        let mut tables = Vec::new();
        loop {
            let name = self.ident("a name for the subquery")?;
            let columns = if self.at_symbol("(") { self.ident_list("a column's name")? } else { Vec::new() };
            self.expect_word("AS")?;
            self.expect_symbol("(")?;
            let query = self.query()?;
            self.expect_symbol(")")?;
            tables.push(CommonTable { name, columns, query });
            if !self.take_symbol(",") {
                return Ok(tables);
            }
        }
    }

    fn select(&mut self) -> Parsed<Select> {
        let span = self.span();
        if !self.take_word("SELECT") {
            let mut problem = self.unexpected("SELECT");
            if let TokenKind::Word(word) = &self.token(0).kind {
                if nearest(word, ["SELECT"]).is_some() {
                    problem = problem.help("did you mean SELECT?");
                }
            }
            return Err(problem);
        }
        let distinct = self.take_word("DISTINCT");
        if !distinct {
            self.take_word("ALL");
        }
        let items = self.select_items()?;
        let from = self.from(span)?;
        let filter = if self.take_word("WHERE") { Some(self.expr()?) } else { None };
        let group_by = if self.at_word("GROUP") { Some(self.group_by()?) } else { None };
        let having = if self.take_word("HAVING") { Some(self.expr()?) } else { None };
        let windows = if self.take_word("WINDOW") { self.named_windows()? } else { Vec::new() };
        let qualify = if self.take_word("QUALIFY") { Some(self.expr()?) } else { None };
        if self.at_word("WHERE") || self.at_word("GROUP") {
            return Err(self
                .unexpected("the end of the query")
                .help("the order is SELECT, FROM, WHERE, GROUP BY, HAVING"));
        }
        Ok(Select { span, distinct, items, from, filter, group_by, having, windows, qualify })
    }

    fn from(&mut self, select: Span) -> Parsed<Table> {
        const ENDS: [&str; 7] = ["UNION", "INTERSECT", "EXCEPT", "LIMIT", "ORDER", "OFFSET", "FETCH"];
        if self.take_word("FROM") {
            return self.tables();
        }
        let ends = self.at_end() || self.at_symbol(";") || self.at_symbol(")");
        if ends || ENDS.iter().any(|word| self.at_word(word)) {
            return Ok(unnamed(TableKind::Values(Values { span: select, rows: vec![Vec::new()] })));
        }
        Err(self.unexpected("',' or FROM"))
    }

    fn select_items(&mut self) -> Parsed<Vec<SelectItem>> {
        let mut items = Vec::new();
        loop {
            let start = self.span();
            items.push(self.select_item()?);
            if items.len() > COLUMNS_MAX {
                return Err(Problem::new(start, format!("a SELECT has at most {COLUMNS_MAX} columns")));
            }
            if !self.take_symbol(",") {
                return Ok(items);
            }
            if self.at_word("FROM") {
                return Err(self.unexpected("a column").help("there is a comma too many before FROM"));
            }
        }
    }

    fn select_item(&mut self) -> Parsed<SelectItem> {
        let span = self.span();
        if self.take_symbol("*") {
            return Ok(SelectItem::All { span, table: None });
        }
        if self.symbol_ahead(1, ".") && self.symbol_ahead(2, "*") {
            let table = self.ident("a table's name")?;
            (0..2).for_each(|_| self.advance());
            return Ok(SelectItem::All { span: self.span_from(span), table: Some(table) });
        }
        let expr = self.expr()?;
        let alias = if self.take_word("AS") {
            Some(self.ident("a name for the column")?)
        } else {
            match &self.token(0).kind {
                TokenKind::Quoted(_) => Some(self.ident("a name for the column")?),
                TokenKind::Word(word) if !is_reserved(word) => Some(self.ident("a name for the column")?),
                _ => None,
            }
        };
        Ok(SelectItem::Expr { expr, alias })
    }

    pub(super) fn table(&mut self) -> Parsed<Table> {
        let kind = if self.at_symbol("(") {
            if self.word_ahead(1, "TABLE") {
                self.advance();
                return Err(self.unexpected("a subquery").help("leave out TABLE and the parentheses"));
            }
            TableKind::Subquery(self.query_in_parentheses()?)
        } else if self.at_word("LATERAL") {
            return Err(Problem::unsupported(self.span(), "LATERAL")
                .help("a list's elements as rows: CROSS JOIN UNNEST(list) AS t (x)"));
        } else if self.at_word("UNNEST") {
            TableKind::Unnest(Box::new(self.nested(|parser| parser.unnest())?))
        } else if self.at_word("TABLE") && self.symbol_ahead(1, "(") {
            (0..2).for_each(|_| self.advance());
            let call = self.nested(|parser| parser.window_call())?;
            self.expect_symbol(")")?;
            TableKind::Window(call)
        } else if matches!(self.token(0).kind, TokenKind::Word(_)) && self.symbol_ahead(1, "(") {
            TableKind::Window(self.nested(|parser| parser.window_call())?)
        } else {
            TableKind::Named(self.object_name("a source, a table or a view")?)
        };
        let as_of = self.as_of()?;
        self.refuse_table_suffix()?;
        let alias = self.alias()?;
        self.refuse_table_suffix()?;
        let table = Table { kind, as_of, alias };
        if !self.at_word("MATCH_RECOGNIZE") {
            return Ok(table);
        }
        let kind = TableKind::Match(Box::new(self.nested(|parser| parser.match_recognize(table))?));
        Ok(Table { kind, as_of: None, alias: self.alias()? })
    }

    fn unnest(&mut self) -> Parsed<Unnest> {
        let span = self.span();
        self.expect_word("UNNEST")?;
        self.expect_symbol("(")?;
        let collection = self.expr()?;
        self.expect_symbol(")")?;
        let ordinality = self.at_words(&["WITH", "ORDINALITY"]);
        if ordinality {
            (0..2).for_each(|_| self.advance());
        }
        Ok(Unnest { span, collection, ordinality })
    }

    fn refuse_table_suffix(&self) -> Parsed<()> {
        if self.at_words(&["FOR", "SYSTEM_TIME"]) {
            return Err(self
                .unexpected("what follows a table")
                .help("FOR SYSTEM_TIME AS OF stands before the name: JOIN prices FOR SYSTEM_TIME AS OF o.ts AS p"));
        }
        for word in ["TABLESAMPLE", "PIVOT", "UNPIVOT"] {
            if self.at_word(word) && (self.symbol_ahead(1, "(") || is_reserved(word)) {
                return Err(Problem::unsupported(self.span(), word));
            }
        }
        Ok(())
    }

    fn alias(&mut self) -> Parsed<Option<Alias>> {
        let explicit = self.take_word("AS");
        let present = match &self.token(0).kind {
            TokenKind::Quoted(_) => true,
            TokenKind::Word(word) => explicit || !is_reserved(word),
            _ => explicit,
        };
        if !present {
            return Ok(None);
        }
        let name = self.ident("a name for the table")?;
        let columns = if self.at_symbol("(") { self.ident_list("a column's name")? } else { Vec::new() };
        Ok(Some(Alias { name, columns }))
    }

    /// `TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL …)`, positional or with names.
    fn window_call(&mut self) -> Parsed<WindowCall> {
        let span = self.span();
        let TokenKind::Word(word) = &self.token(0).kind else { return Err(self.unexpected("a window function")) };
        let function = match word.to_ascii_uppercase().as_str() {
            "TUMBLE" => WindowFunction::Tumble,
            "HOP" => WindowFunction::Hop,
            "CUMULATE" => WindowFunction::Cumulate,
            "SESSION" => WindowFunction::Session,
            "TUMBLE_ROWS" => WindowFunction::TumbleRows,
            "HOP_ROWS" => WindowFunction::HopRows,
            _ => {
                let problem = Problem::new(span, format!("{word} is no window function"));
                return Err(match nearest(word, ["TUMBLE", "HOP", "CUMULATE", "SESSION", "TUMBLE_ROWS", "HOP_ROWS"]) {
                    Some(near) => problem.help(format!("did you mean {near}?")),
                    None => {
                        problem.help("write TABLE(TUMBLE(TABLE source, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) or HOP")
                    }
                });
            }
        };
        self.advance();
        self.expect_symbol("(")?;
        self.argument_name(&["DATA"])?;
        let (input, partition_by) = self.window_input(function)?;
        let input = Box::new(input);
        self.expect_symbol(",")?;
        self.argument_name(&["TIMECOL"])?;
        let time = self.descriptor()?;
        let mut intervals = Vec::new();
        while self.take_symbol(",") {
            let name = self.argument_name(&["SIZE", "SLIDE", "STEP", "GAP", "OFFSET"])?;
            intervals.push(WindowInterval { name, expr: self.expr()? });
        }
        self.expect_symbol(")")?;
        Ok(WindowCall { shape: WindowShape { function, span, intervals }, input, partition_by, time })
    }

    /// `NAME =>`, if it is there.
    fn argument_name(&mut self, known: &[&str]) -> Parsed<Option<Ident>> {
        if !self.symbol_ahead(1, "=>") {
            return Ok(None);
        }
        let span = self.span();
        let TokenKind::Word(name) = &self.token(0).kind else { return Err(self.unexpected("an argument's name")) };
        let name = name.to_ascii_uppercase();
        if !known.contains(&name.as_str()) {
            return Err(Problem::new(span, format!("the argument {name} does not belong here"))
                .help(format!("expected {}", known.join(" or "))));
        }
        (0..2).for_each(|_| self.advance());
        Ok(Some(Ident { name, span }))
    }

    fn window_input(&mut self, function: WindowFunction) -> Parsed<(Table, Vec<Ident>)> {
        let kind = if self.take_word("TABLE") {
            TableKind::Named(self.object_name("a source, a table or a view")?)
        } else if self.at_symbol("(") {
            TableKind::Subquery(self.query_in_parentheses()?)
        } else {
            let help = "write TABLE before the name: TUMBLE(TABLE source, DESCRIPTOR(ts), …)";
            return Err(self.unexpected("TABLE and a name").help(help));
        };
        let mut partition_by = Vec::new();
        if self.at_words(&["PARTITION", "BY"]) {
            if let WindowFunction::Tumble | WindowFunction::Hop | WindowFunction::Cumulate = function {
                return Err(Problem::new(self.span().to(self.token(1).span), "only SESSION takes PARTITION BY")
                    .help("put the columns into GROUP BY"));
            }
            (0..2).for_each(|_| self.advance());
            if self.at_symbol("(") {
                partition_by = self.ident_list("a column")?;
            } else {
                partition_by.push(self.ident("a column")?);
                while self.at_symbol(",") && !self.word_ahead(1, "DESCRIPTOR") && !self.symbol_ahead(2, "=>") {
                    self.advance();
                    partition_by.push(self.ident("a column")?);
                }
            }
        }
        Ok((Table { kind, as_of: None, alias: None }, partition_by))
    }

    fn descriptor(&mut self) -> Parsed<Ident> {
        if !self.take_word("DESCRIPTOR") {
            return Err(self.unexpected("DESCRIPTOR").help("the event-time column is named as DESCRIPTOR(ts)"));
        }
        self.expect_symbol("(")?;
        let column = self.ident("the event-time column")?;
        self.expect_symbol(")")?;
        Ok(column)
    }
}

fn union(branches: Vec<Branch>, distinct: bool) -> Query {
    Query { with: Vec::new(), branches, distinct, order_by: Vec::new(), limit: None }
}

fn unnamed(kind: TableKind) -> Table {
    Table { kind, as_of: None, alias: None }
}
