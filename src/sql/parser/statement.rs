//! Statements of a script, and the pieces that a configuration holds.

use super::{Parsed, Parser};
use crate::sql::ast::{
    ColumnDefinition, ColumnKind, CreateTable, Ident, Insert, Query, Statement, TableBody, TableOption,
    WatermarkDefinition,
};
use crate::sql::lexer::{TokenKind, tokenize};
use crate::sql::span::{Problem, nearest};

/// More columns than any device has; keeps what hostile text can make small.
pub const COLUMNS_MAX: usize = 1_000;

/// Statements of a script. After a mistake it goes on with the next statement.
pub fn parse_script(text: &str) -> Result<Vec<Statement>, Vec<Problem>> {
    let mut parser = Parser::new(tokenize(text).map_err(|problem| vec![problem])?);
    let mut statements = Vec::new();
    let mut problems = Vec::new();
    // EXECUTE STATEMENT SET BEGIN … END: several INSERTs, which are all of one run here in any case.
    let mut in_set = false;
    loop {
        while parser.take_symbol(";") {}
        if parser.at_end() {
            break;
        }
        match parser.set_or_statement(&mut in_set) {
            Ok(statement) => statements.extend(statement),
            Err(problem) => {
                problems.push(problem);
                parser.skip_statement();
            }
        }
    }
    if in_set && problems.is_empty() {
        problems.push(parser.unexpected("END, which ends EXECUTE STATEMENT SET BEGIN"));
    }
    if problems.is_empty() { Ok(statements) } else { Err(problems) }
}

/// One query, with or without a semicolon at its end.
pub fn parse_query(text: &str) -> Result<Query, Problem> {
    let mut parser = Parser::new(tokenize(text)?);
    if parser.at_word("CREATE") {
        return Err(Problem::new(parser.span(), "expected one SELECT, found CREATE")
            .help("sources, tables and views have sections of their own in the configuration"));
    }
    let query = parser.query()?;
    parser.take_symbol(";");
    if !parser.at_end() {
        let problem = parser.left_over("the end of the query");
        return Err(if problem.help.is_none() { problem.help("a query is one SELECT") } else { problem });
    }
    Ok(query)
}

/// [`parse_source_columns`], of which none is computed.
pub fn parse_columns(text: &str) -> Result<TableBody, Problem> {
    let body = parse_source_columns(text)?;
    match body.columns.iter().find(|column| matches!(column.kind, ColumnKind::Computed(_))) {
        Some(computed) => {
            let message = "a schema declares what is read, and this column is computed";
            Err(Problem::new(computed.name.span, message).help("compute it in a query or a view"))
        }
        None => Ok(body),
    }
}

/// Columns as in CREATE TABLE, without parentheses and WATERMARK.
pub fn parse_source_columns(text: &str) -> Result<TableBody, Problem> {
    let mut parser = Parser::new(tokenize(text)?);
    let body = parser.table_body(false)?;
    if !parser.at_end() {
        return Err(parser.unexpected("',' or the end of the columns"));
    }
    Ok(body)
}

impl Parser {
    /// A statement, or the beginning or end of a statement set, which is none.
    fn set_or_statement(&mut self, in_set: &mut bool) -> Parsed<Option<Statement>> {
        if !*in_set && self.at_words(&["EXECUTE", "STATEMENT", "SET"]) {
            (0..3).for_each(|_| self.advance());
            self.expect_word("BEGIN")?;
            *in_set = true;
            return Ok(None);
        }
        if *in_set && self.take_word("END") {
            *in_set = false;
            if !self.at_end() && !self.at_symbol(";") {
                return Err(self.left_over("';' or the end of the statement"));
            }
            return Ok(None);
        }
        if *in_set && !self.at_word("INSERT") {
            return Err(self.unexpected("INSERT INTO, or END of the statement set"));
        }
        self.statement().map(Some)
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let statement = if self.at_word("CREATE") {
            self.create()?
        } else if self.at_word("INSERT") {
            Statement::Insert(self.insert()?)
        } else if ["SELECT", "WITH", "VALUES"].iter().any(|word| self.at_word(word)) || self.at_symbol("(") {
            Statement::Query(self.query()?)
        } else {
            return Err(self.unknown_statement());
        };
        if !self.at_end() && !self.at_symbol(";") {
            return Err(self.left_over("';' or the end of the statement"));
        }
        Ok(statement)
    }

    fn unknown_statement(&self) -> Problem {
        const FLINK: [&str; 11] =
            ["SET", "DROP", "ALTER", "EXPLAIN", "DESCRIBE", "SHOW", "USE", "EXECUTE", "UPDATE", "DELETE", "RESET"];
        if let TokenKind::Word(word) = &self.token(0).kind {
            if FLINK.iter().any(|statement| word.eq_ignore_ascii_case(statement)) {
                return Problem::unsupported(self.span(), &format!("the statement {}", word.to_ascii_uppercase()));
            }
            if let Some(near) = nearest(word, ["CREATE", "SELECT", "WITH", "INSERT"]) {
                return self.unexpected("a statement").help(format!("did you mean {near}?"));
            }
        }
        self.unexpected("a statement: CREATE TABLE, CREATE VIEW, INSERT INTO or SELECT")
    }

    fn insert(&mut self) -> Parsed<Insert> {
        self.expect_word("INSERT")?;
        if self.at_word("OVERWRITE") {
            let problem = Problem::new(self.span(), "INSERT OVERWRITE is for batches, and Flink refuses it on streams");
            return Err(problem.help("write INSERT INTO"));
        }
        self.expect_word("INTO")?;
        let table = self.object_name("the table's name")?;
        if self.at_word("PARTITION") {
            return Err(Problem::unsupported(self.span(), "PARTITION"));
        }
        // In parentheses there may be columns, or the query.
        let is_query =
            ["SELECT", "WITH", "VALUES"].iter().any(|word| self.word_ahead(1, word)) || self.symbol_ahead(1, "(");
        let columns = if self.at_symbol("(") && !is_query { self.ident_list("a column's name")? } else { Vec::new() };
        Ok(Insert { table, columns, query: self.query()? })
    }

    fn skip_statement(&mut self) {
        self.nesting = 0;
        while !self.at_end() && !self.at_symbol(";") {
            self.advance();
        }
    }

    fn create(&mut self) -> Parsed<Statement> {
        self.expect_word("CREATE")?;
        if self.at_words(&["OR", "REPLACE"]) {
            return Err(Problem::unsupported(self.span().to(self.token(1).span), "CREATE OR REPLACE"));
        }
        self.take_word("TEMPORARY");
        let is_view = self.take_word("VIEW");
        if !is_view && !self.take_word("TABLE") {
            let problem = self.unexpected("TABLE or VIEW");
            return Err(match &self.token(0).kind {
                TokenKind::Word(word) => match nearest(word, ["TABLE", "VIEW"]) {
                    Some(near) => problem.help(format!("did you mean {near}?")),
                    None => problem,
                },
                _ => problem,
            });
        }
        if self.at_words(&["IF", "NOT", "EXISTS"]) {
            (0..3).for_each(|_| self.advance());
        }
        let name = self.object_name("a name")?;
        if !is_view {
            return Ok(Statement::CreateTable(self.create_table(name)?));
        }
        let columns = if self.at_symbol("(") { self.ident_list("a column's name")? } else { Vec::new() };
        self.comment()?;
        self.expect_word("AS")?;
        Ok(Statement::CreateView { name, columns, query: self.query()? })
    }

    pub(super) fn comment(&mut self) -> Parsed<()> {
        if self.take_word("COMMENT") {
            self.text("the comment in quotes")?;
        }
        Ok(())
    }

    /// A table's or view's name; catalogs and databases there are none.
    pub(super) fn object_name(&mut self, what: &str) -> Parsed<Ident> {
        let name = self.ident(what)?;
        if self.at_symbol(".") {
            return Err(Problem::new(self.span_from(name.span).to(self.token(1).span), "a name has one part here")
                .help("there are no catalogs and databases: leave out what stands before the dot"));
        }
        Ok(name)
    }

    fn create_table(&mut self, name: Ident) -> Parsed<CreateTable> {
        self.expect_symbol("(")?;
        let body = self.table_body(true)?;
        self.expect_symbol(")")?;
        self.comment()?;
        for (word, what) in [("PARTITIONED", "PARTITIONED BY"), ("DISTRIBUTED", "DISTRIBUTED BY"), ("LIKE", "LIKE")] {
            if self.at_word(word) {
                return Err(Problem::unsupported(self.span(), what));
            }
        }
        let mut options = Vec::new();
        if self.take_word("WITH") {
            self.expect_symbol("(")?;
            loop {
                let key = self.text("an option's name in quotes")?;
                self.expect_symbol("=")?;
                options.push(TableOption { key, value: self.text("the option's value in quotes")? });
                if !self.take_symbol(",") {
                    break;
                }
            }
            self.expect_symbol(")")?;
        }
        Ok(CreateTable { name, body, options })
    }

    /// Columns, PRIMARY KEY and, where `watermark` allows it, WATERMARK, with commas between.
    fn table_body(&mut self, watermark: bool) -> Parsed<TableBody> {
        let mut body = TableBody::default();
        loop {
            let start = self.span();
            if self.at_words(&["WATERMARK", "FOR"]) {
                if !watermark {
                    return Err(Problem::new(start, "WATERMARK does not belong into a list of columns")
                        .help("the configuration says it with event_time and late_after"));
                }
                if body.watermark.is_some() {
                    return Err(Problem::new(start, "a table has one WATERMARK, and this is the second"));
                }
                body.watermark = Some(self.watermark()?);
            } else if self.at_word("PRIMARY") || self.at_word("CONSTRAINT") {
                self.primary_key(&mut body)?;
            } else {
                body.columns.push(self.column_definition(&mut body.primary_key)?);
                if body.columns.len() > COLUMNS_MAX {
                    return Err(Problem::new(start, format!("a table has at most {COLUMNS_MAX} columns")));
                }
            }
            if !self.take_symbol(",") {
                return Ok(body);
            }
        }
    }

    fn watermark(&mut self) -> Parsed<WatermarkDefinition> {
        self.expect_word("WATERMARK")?;
        self.expect_word("FOR")?;
        let column = self.ident("the event-time column")?;
        self.expect_word("AS")?;
        Ok(WatermarkDefinition { column, expr: self.expr()? })
    }

    fn primary_key(&mut self, body: &mut TableBody) -> Parsed<()> {
        let start = self.span();
        if self.take_word("CONSTRAINT") {
            self.ident("the constraint's name")?;
        }
        self.expect_word("PRIMARY")?;
        self.expect_word("KEY")?;
        if !body.primary_key.is_empty() {
            return Err(Problem::new(self.span_from(start), "a table has one PRIMARY KEY, and this is the second"));
        }
        body.primary_key = self.ident_list("a column of the key")?;
        self.not_enforced(start)
    }

    fn not_enforced(&mut self, start: crate::sql::span::Span) -> Parsed<()> {
        if self.at_words(&["NOT", "ENFORCED"]) {
            (0..2).for_each(|_| self.advance());
            return Ok(());
        }
        Err(Problem::new(self.span_from(start), "a PRIMARY KEY is a promise that nobody checks, and must say so")
            .help("write PRIMARY KEY (…) NOT ENFORCED"))
    }

    fn column_definition(&mut self, primary_key: &mut Vec<Ident>) -> Parsed<ColumnDefinition> {
        let name = self.ident("a column's name")?;
        if self.take_word("AS") {
            let expr = Box::new(self.expr()?);
            self.comment()?;
            return Ok(ColumnDefinition { name, kind: ColumnKind::Computed(expr) });
        }
        if matches!(self.token(0).kind, TokenKind::Symbol(_) | TokenKind::End) {
            return Err(self.unexpected(&format!("the data type of {}", name.name)));
        }
        let data_type = self.data_type()?;
        loop {
            if self.nullability() {
                continue;
            }
            if self.at_words(&["PRIMARY", "KEY"]) {
                let start = self.span();
                (0..2).for_each(|_| self.advance());
                primary_key.push(name.clone());
                self.not_enforced(start)?;
            } else if self.at_word("METADATA") {
                return Err(Problem::unsupported(self.span(), "a METADATA column"));
            } else {
                break;
            }
        }
        self.comment()?;
        Ok(ColumnDefinition { name, kind: ColumnKind::Physical(data_type) })
    }
}
