//! SQL text → typed plan: Flink's dialect, Flink's types.
//!
//! A text goes through lexer → parser → binder. Every error names line, column and length, says what is wrong and,
//! where there is something to say, what to write instead; independent errors come together.
//! Holds always: no text, however hostile, panics or overflows the stack; texts, nesting and columns are limited.
//! Knows nothing of files, the network or how a plan is run.

mod ast;
mod bind;
mod error;
mod keywords;
mod lexer;
mod parser;
pub mod show;
mod span;
#[cfg(test)]
mod tests;

use lexer::{Token, TokenKind};

pub use bind::Bounds;
pub use error::SqlError;

use crate::model::{Column, Schema};
use crate::plan::{Expr, Node, Source, Table, Topology, Watermark};

/// What a query may read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Catalog<'a> {
    /// In the order of [`Topology::sources`]: the plan names them by index.
    pub sources: &'a [Source],
    /// In the order of [`Topology::tables`].
    pub tables: &'a [Table],
    pub views: &'a [View],
}

/// A bound SELECT with a name, inlined wherever it is read.
#[derive(Clone, Debug)]
pub struct View {
    pub name: String,
    pub root: Node,
}

/// A list of declared columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    pub columns: Vec<Column>,
    /// Positions in `columns`; empty without PRIMARY KEY.
    pub primary_key: Vec<usize>,
}

/// `CREATE TABLE …; CREATE VIEW …; INSERT INTO … SELECT …; SELECT …;`
#[derive(Clone, Debug)]
pub struct Script {
    /// The tables that are read, in order of name: `topology.sources[i]` is read from `tables[i]`.
    pub tables: Vec<ScriptTable>,
    /// The rows of each VALUES, over nothing: of the sources behind those of the tables.
    pub constants: Vec<Vec<Vec<Expr>>>,
    /// The tables that INSERT INTO writes, in order of name.
    pub outputs: Vec<ScriptTable>,
    /// The INSERTs and the SELECT, in the order of the text.
    pub topology: Topology,
    /// Where the rows of each query of the topology go.
    pub targets: Vec<Target>,
}

/// Where rows of a script go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// They are the result.
    Shown,
    /// To the table of [`Script::outputs`] with this index.
    Table(usize),
}

/// A table of the `filesystem` connector.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptTable {
    pub name: String,
    /// As written; relative to the folder of the script.
    pub path: String,
    pub format: Format,
    /// All columns, computed ones too.
    pub schema: Schema,
    /// Of each column what computes it from the row of those that are read; `None`: it is read.
    pub computed: Vec<Option<Expr>>,
    pub watermark: Watermark,
    /// Columns of the PRIMARY KEY.
    pub primary_key: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    Csv {
        /// A field with this text is NULL.
        null_literal: Option<String>,
    },
    Json {
        timestamps: TimestampFormat,
    },
}

/// How texts of times look in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// `2026-03-01 08:00:00.123`, with `Z` for TIMESTAMP_LTZ.
    Sql,
    /// `2026-03-01T08:00:00.123`, with `Z` for TIMESTAMP_LTZ.
    Iso8601,
}

/// The names of all functions and aggregates, in capitals.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    bind::function_names()
}

impl ScriptTable {
    /// The columns that the file has.
    pub fn physical(&self) -> Vec<Column> {
        let columns = self.schema.columns.iter().zip(&self.computed);
        columns.filter(|(_, computed)| computed.is_none()).map(|(column, _)| column.clone()).collect()
    }
}

/// Binds one SELECT of a configuration.
pub fn bind_query(text: &str, catalog: &Catalog<'_>) -> Result<Node, Vec<SqlError>> {
    bind_query_within(text, catalog, Bounds::Needed)
}

/// The same, with other bounds on what it may remember.
pub fn bind_query_within(text: &str, catalog: &Catalog<'_>, bounds: Bounds) -> Result<Node, Vec<SqlError>> {
    let located = |problems| span::locate(problems, text);
    let query = parser::parse_query(text).map_err(|problem| located(vec![problem]))?;
    bind::query(&query, catalog, bounds).map_err(located)
}

/// The statement alone, of a text that was bound: without a semicolon and comments after it.
pub fn statement_alone(text: &str) -> &str {
    let end = tokens(text).last().map_or(text.len(), |last| last.span.end as usize);
    text.get(..end).unwrap_or(text).trim_start()
}

/// Whether a select list in the text has a `*`.
pub fn selects_all(text: &str) -> bool {
    let mut before = TokenKind::End;
    for token in tokens(text) {
        let may_follow = match &before {
            TokenKind::Word(word) => ["SELECT", "ALL", "DISTINCT"].iter().any(|known| word.eq_ignore_ascii_case(known)),
            TokenKind::Symbol(symbol) => [",", "."].contains(symbol),
            _ => false,
        };
        if may_follow && token.kind == TokenKind::Symbol("*") {
            return true;
        }
        before = token.kind;
    }
    false
}

/// The tokens of a text that was bound, without its end and a semicolon there.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = lexer::tokenize(text).unwrap_or_default();
    while tokens.last().is_some_and(|last| matches!(last.kind, TokenKind::End | TokenKind::Symbol(";"))) {
        tokens.pop();
    }
    tokens
}

/// Reads a list of columns as in CREATE TABLE, without the parentheses: `ts TIMESTAMP_LTZ(3), temp DOUBLE`.
pub fn parse_columns(text: &str) -> Result<Columns, Vec<SqlError>> {
    let located = |problems| span::locate(problems, text);
    let body = parser::parse_columns(text).map_err(|problem| located(vec![problem]))?;
    bind::declare(&body, &[], &[]).map(|declared| declared.columns).map_err(located)
}

/// A list of declared columns, of which some may be computed.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceColumns {
    pub columns: Columns,
    /// Of each column what computes it from the row of those that are read; `None`: it is read.
    pub computed: Vec<Option<Expr>>,
}

/// As [`parse_columns`], with computed columns: `ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3)`. What is read has the columns
/// `before`, those of the text, and the columns `after`.
pub fn parse_source_columns(text: &str, before: &[Column], after: &[Column]) -> Result<SourceColumns, Vec<SqlError>> {
    let located = |problems| span::locate(problems, text);
    let body = parser::parse_source_columns(text).map_err(|problem| located(vec![problem]))?;
    let declared = bind::declare(&body, before, after).map_err(located)?;
    Ok(SourceColumns { columns: declared.columns, computed: declared.computed })
}

/// Binds a script: tables over files, views, INSERTs, and at most one SELECT.
pub fn bind_script(text: &str) -> Result<Script, Vec<SqlError>> {
    let located = |problems| span::locate(problems, text);
    let statements = parser::parse_script(text).map_err(located)?;
    // A u32 holds it: longer texts are refused before.
    let end = text.trim_end().len() as u32;
    bind::script(&statements, span::Span { start: end, end }).map_err(located)
}
