//! SELECT and what it reads.

use super::statement::COLUMNS_MAX;
use super::{Parsed, Parser};
use crate::sql::ast::{
    Alias, Branch, CommonTable, Ident, OrderBy, Query, Select, SelectItem, Table, TableKind, WindowCall,
    WindowFunction, WindowInterval,
};
use crate::sql::keywords::is_reserved;
use crate::sql::lexer::TokenKind;
use crate::sql::span::{Problem, nearest};

/// SELECTs that UNION ALL may put together.
const BRANCHES_MAX: usize = 200;

impl Parser {
    pub(super) fn query(&mut self) -> Parsed<Query> {
        self.nested(|parser| parser.query_here())
    }

    fn query_here(&mut self) -> Parsed<Query> {
        let with = if self.at_word("WITH") { self.common_tables()? } else { Vec::new() };
        if self.at_word("VALUES") {
            return Err(Problem::unsupported(self.span(), "VALUES"));
        }
        let mut branches = vec![self.branch()?];
        while self.at_words(&["UNION", "ALL"]) {
            let span = self.span();
            (0..2).for_each(|_| self.advance());
            branches.push(self.branch()?);
            if branches.len() > BRANCHES_MAX {
                return Err(Problem::new(span, format!("a query has at most {BRANCHES_MAX} branches")));
            }
        }
        let order_by = if self.at_words(&["ORDER", "BY"]) { self.order_by()? } else { Vec::new() };
        self.end_of_query()?;
        Ok(Query { with, branches, order_by })
    }

    fn branch(&mut self) -> Parsed<Branch> {
        if self.take_symbol("(") {
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(Branch::Query(Box::new(query)));
        }
        Ok(Branch::Select(Box::new(self.select()?)))
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

    /// What Flink allows after a SELECT and tidegate does not yet.
    fn end_of_query(&self) -> Parsed<()> {
        if self.at_word("UNION") {
            let help = "UNION ALL keeps every row; UNION would have to remember all of them to find those that are there twice";
            return Err(Problem::unsupported(self.span(), "UNION without ALL").help(help));
        }
        for word in ["INTERSECT", "EXCEPT", "LIMIT", "OFFSET", "FETCH"] {
            if self.at_word(word) {
                let span = self.span();
                if self.word_ahead(1, "ALL") {
                    return Err(Problem::unsupported(span.to(self.token(1).span), &format!("{word} ALL")));
                }
                return Err(Problem::unsupported(span, word));
            }
        }
        Ok(())
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
        if !self.at_word("FROM") {
            if self.at_end() || self.at_symbol(";") || self.at_symbol(")") {
                return Err(self.unexpected("FROM").help("a query reads a source: SELECT … FROM source"));
            }
            return Err(self.unexpected("',' or FROM"));
        }
        self.advance();
        let from = self.tables()?;
        let filter = if self.take_word("WHERE") { Some(self.expr()?) } else { None };
        let group_by = if self.at_word("GROUP") { Some(self.group_by()?) } else { None };
        let having = if self.take_word("HAVING") { Some(self.expr()?) } else { None };
        let windows = if self.take_word("WINDOW") { self.named_windows()? } else { Vec::new() };
        if self.at_word("QUALIFY") {
            return Err(Problem::unsupported(self.span(), "QUALIFY"));
        }
        if self.at_word("WHERE") || self.at_word("GROUP") {
            return Err(self
                .unexpected("the end of the query")
                .help("the order is SELECT, FROM, WHERE, GROUP BY, HAVING"));
        }
        Ok(Select { span, distinct, items, from, filter, group_by, having, windows })
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
            self.advance();
            if self.at_word("TABLE") {
                return Err(self.unexpected("a subquery").help("leave out TABLE and the parentheses"));
            }
            let query = self.query()?;
            self.expect_symbol(")")?;
            TableKind::Subquery(Box::new(query))
        } else if self.at_word("LATERAL") || self.at_word("UNNEST") {
            return Err(Problem::unsupported(self.span(), "LATERAL or UNNEST"));
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
        Ok(WindowCall { function, span, input, partition_by, time, intervals })
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
        } else if self.take_symbol("(") {
            let query = self.query()?;
            self.expect_symbol(")")?;
            TableKind::Subquery(Box::new(query))
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
