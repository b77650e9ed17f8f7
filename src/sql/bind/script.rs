//! Scripts: CREATE TABLE over files, views, INSERT INTO, and the final SELECT.

use std::sync::Arc;

use super::expr::{Aggregation, Bound, ExprBinder, Reported, Scope, null, suggest_column};
use super::{Binder, Bounds, Constants, Names, can_be_event_time};
use crate::model::{Column, DataType, Schema};
use crate::plan::{ArithmeticOp, Expr, Node, NodeKind, Query, Source, Topology, Watermark};
use crate::sql::ast::{self, ColumnKind, ExprKind, Interval, Statement, TableOption};
use crate::sql::span::{Problem, nearest};
use crate::sql::{Columns, Format, Script, ScriptTable, Target, TimestampFormat};

/// Columns with what else stands between the parentheses of CREATE TABLE.
#[derive(Clone, Debug)]
pub struct Declared {
    pub columns: Columns,
    pub event_time: Option<usize>,
    pub watermark: Watermark,
    /// Of each column what computes it from those that are read; `None`: it is read.
    pub computed: Vec<Option<Expr>>,
}

/// Checks a list of columns. What is read has the columns `before`, those of the list, and the columns `after`.
pub fn declare(body: &ast::TableBody, before: &[Column], after: &[Column]) -> Result<Declared, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut columns: Vec<Column> = Vec::new();
    for definition in &body.columns {
        let name = &definition.name;
        if columns.iter().any(|column| *column.name == *name.name) {
            problems.push(Problem::new(name.span, format!("there are two columns {}", name.name)));
        }
        if let ColumnKind::Physical(data_type) = definition.kind {
            columns.push(Column { name: name.name.as_str().into(), data_type });
        }
    }
    let (columns, computed) = with_computed(columns, [before, after], &body.columns, &mut problems);
    let mut primary_key = Vec::new();
    for name in &body.primary_key {
        match position(name, &columns, &mut problems) {
            Some(position) if primary_key.contains(&position) => {
                problems.push(Problem::new(name.span, format!("{} is twice in the PRIMARY KEY", name.name)));
            }
            Some(position) => primary_key.push(position),
            None => {}
        }
    }
    let (mut event_time, mut delay) = (None, Watermark::None);
    if let Some(definition) = &body.watermark {
        event_time = position(&definition.column, &columns, &mut problems);
        if let Some(index) = event_time {
            check_event_time(&definition.column, &columns[index], &mut problems);
        }
        match watermark_delay(definition) {
            Ok(delay_ms) => delay = Watermark::Source { delay_ms },
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Declared { columns: Columns { columns, primary_key }, event_time, watermark: delay, computed })
}

/// All columns in the order they are written, with the expressions of those that are computed.
fn with_computed(
    physical: Vec<Column>,
    [before, after]: [&[Column]; 2],
    definitions: &[ast::ColumnDefinition],
    problems: &mut Vec<Problem>,
) -> (Vec<Column>, Vec<Option<Expr>>) {
    let (mut columns, mut computed) = (Vec::new(), Vec::new());
    let all = [before, &physical, after].concat();
    let mut read = physical.iter();
    let mut copied_nodes = 0;
    for definition in definitions {
        let name: Arc<str> = definition.name.name.as_str().into();
        match &definition.kind {
            ColumnKind::Physical(_) => {
                columns.extend(read.next().cloned());
                computed.push(None);
            }
            ColumnKind::Computed(expr) => {
                let scope = Scope { tables: &[], columns: &all, times: &[], common: &[], outer: 0, values: &[] };
                let aggregation = Aggregation::Refuse("a computed column");
                let mut binder = ExprBinder { scope, problems, copied_nodes: &mut copied_nodes, aggregation };
                // The problem has been noted; the column is still there for those that use it.
                let bound = binder.bind(expr).unwrap_or_else(|Reported| null(DataType::Null));
                columns.push(Column { name, data_type: bound.data_type });
                computed.push(Some(bound));
            }
        }
    }
    (columns, computed)
}

fn position(name: &ast::Ident, columns: &[Column], problems: &mut Vec<Problem>) -> Option<usize> {
    let position = columns.iter().position(|column| *column.name == *name.name);
    if position.is_none() {
        let problem = Problem::new(name.span, format!("there is no column {}", name.name));
        problems.push(match suggest_column(&name.name, columns) {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
    position
}

fn check_event_time(name: &ast::Ident, column: &Column, problems: &mut Vec<Problem>) {
    if !can_be_event_time(column.data_type) {
        let message =
            format!("{} is {}, and an event time is TIMESTAMP(3) or TIMESTAMP_LTZ(3)", name.name, column.data_type);
        problems.push(Problem::new(name.span, message).help(format!("declare it as {} TIMESTAMP(3)", name.name)));
    }
}

/// The delay of `WATERMARK FOR ts AS ts [- INTERVAL …]`.
fn watermark_delay(definition: &ast::WatermarkDefinition) -> Result<i64, Problem> {
    let expr = &definition.expr;
    let is_column = |expr: &ast::Expr| matches!(&expr.kind, ExprKind::Name { table: None, column } if column.name == definition.column.name);
    if is_column(expr) {
        return Ok(0);
    }
    if let ExprKind::Arithmetic { op: ArithmeticOp::Subtract, left, right } = &expr.kind {
        if let (true, ExprKind::Interval(Interval::Millis(millis))) = (is_column(left), &right.kind) {
            if *millis >= 0 {
                return Ok(*millis);
            }
        }
    }
    let name = &definition.column.name;
    Err(Problem::unsupported(expr.span, "a watermark of any other form")
        .help(format!("write {name} - INTERVAL '5' SECOND, or {name} alone")))
}

/// Binds the statements of a script.
pub fn script(statements: &[Statement], end: crate::sql::span::Span) -> Result<Script, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut tables: Vec<ScriptTable> = Vec::new();
    for statement in statements {
        if let Statement::CreateTable(create) = statement {
            if tables.iter().any(|table| table.name == create.name.name) {
                problems.push(Problem::new(create.name.span, format!("there are two tables {}", create.name.name)));
            }
            match script_table(create) {
                Ok(table) => tables.push(table),
                Err(found) => problems.extend(found),
            }
        }
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    if !problems.is_empty() {
        // Without its tables nothing else can be judged.
        return Err(problems);
    }
    let sources: Vec<Source> = tables
        .iter()
        .map(|table| Source {
            name: table.name.clone(),
            schema: table.schema.clone(),
            watermark: table.watermark.clone(),
            by_arrival: false,
            primary_key: table.primary_key.clone(),
            computed: if table.computed.iter().any(Option::is_some) { table.computed.clone() } else { Vec::new() },
        })
        .collect();
    let mut binder = Binder::new(Names { sources: &sources, tables: &[], views: Vec::new() }, Bounds::Ends);
    binder.constants = Some(Vec::new());
    let roots = binder.statements(statements, &tables, end);
    match roots {
        Ok(roots) if binder.problems.is_empty() => {
            let script = assemble(roots, tables, &sources, binder.constants.unwrap_or_default());
            let problems = same_files(&script, statements);
            if problems.is_empty() { Ok(script) } else { Err(problems) }
        }
        _ => Err(binder.problems),
    }
}

impl Binder<'_> {
    /// Views in order, INSERTs, the one SELECT: what is to run, and the table that it goes to by its index.
    fn statements(
        &mut self,
        statements: &[Statement],
        tables: &[ScriptTable],
        end: crate::sql::span::Span,
    ) -> Bound<Vec<(Node, Target)>> {
        let mut roots = Vec::new();
        let mut selects = 0;
        for statement in statements {
            match statement {
                Statement::CreateTable(_) => {}
                Statement::CreateView { name, columns, query } => {
                    let taken = self.names.sources.iter().any(|source| source.name == name.name)
                        || self.names.views.iter().any(|(known, _)| *known == name.name);
                    if taken {
                        self.problems.push(Problem::new(name.span, format!("the name {} is already taken", name.name)));
                    }
                    // After a wrong view, what reads it could only be told that it is not there.
                    let relation = self.view(query, columns)?;
                    self.names.views.push((name.name.clone(), relation));
                }
                Statement::Insert(insert) => {
                    roots.push(self.insert(insert, tables).map(|(node, table)| (node, Target::Table(table))));
                }
                Statement::Query(query) if selects == 0 => {
                    selects += 1;
                    let bound = self.query(query).and_then(|relation| self.settled(relation, query.span()));
                    roots.push(bound.map(|relation| (relation.node, Target::Shown)));
                }
                Statement::Query(query) => {
                    return self.fail(Problem::new(query.span(), "a script has one SELECT, at its end"));
                }
            }
        }
        if roots.is_empty() {
            let problem = Problem::new(end, "the script has no SELECT");
            return self.fail(problem.help("it ends with the query to run, or with INSERT INTO a table and the query"));
        }
        roots.into_iter().collect()
    }
}

/// Two tables that are written cannot be one file.
fn same_files(script: &Script, statements: &[Statement]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, table) in script.outputs.iter().enumerate() {
        let Some(other) = script.outputs[..index].iter().find(|other| other.path == table.path) else { continue };
        let span = statements.iter().find_map(|statement| match statement {
            Statement::CreateTable(create) if create.name.name == table.name => Some(create.name.span),
            _ => None,
        });
        let message = format!("{} and {} are the same file, and both are written", other.name, table.name);
        problems.push(Problem::new(span.unwrap_or_default(), message).help("INSERT INTO one of them in both places"));
    }
    problems
}

/// Keeps the tables that the queries read or write, and the rows of VALUES that they read.
fn assemble(
    roots: Vec<(Node, Target)>,
    tables: Vec<ScriptTable>,
    sources: &[Source],
    constants: Vec<Constants>,
) -> Script {
    let values = constants.iter().enumerate().map(|(index, constants)| Source {
        name: format!("VALUES {}", index + 1),
        schema: constants.schema.clone(),
        watermark: Watermark::None,
        by_arrival: false,
        primary_key: Vec::new(),
        computed: Vec::new(),
    });
    let sources: Vec<Source> = sources.iter().cloned().chain(values).collect();
    let named = |(root, target): &(Node, Target)| {
        let name = match target {
            Target::Shown => "query".to_owned(),
            Target::Table(table) => tables[*table].name.clone(),
        };
        Query { name, root: root.clone(), state_ttl_ms: None, gives_late: false }
    };
    let mut queries: Vec<Query> = roots.iter().map(named).collect();
    let mut used: Vec<usize> = queries.iter().flat_map(Query::sources).collect();
    used.sort_unstable();
    used.dedup();
    queries.iter_mut().for_each(|query| renumber(&mut query.root, &used));
    let mut written: Vec<usize> = roots
        .iter()
        .filter_map(|(_, target)| match target {
            Target::Shown => None,
            Target::Table(table) => Some(*table),
        })
        .collect();
    written.sort_unstable();
    written.dedup();
    let targets = roots.iter().map(|(_, target)| match target {
        Target::Shown => Target::Shown,
        Target::Table(table) => Target::Table(written.binary_search(table).unwrap_or(0)),
    });
    let targets = targets.collect();
    let outputs = written.iter().map(|table| tables[*table].clone()).collect();
    let keep = |index: usize| used.binary_search(&index).is_ok();
    let first = tables.len();
    let tables = tables.into_iter().enumerate().filter(|(index, _)| keep(*index)).map(|(_, table)| table).collect();
    let kept = constants.into_iter().enumerate().filter(|(index, _)| keep(first + index));
    let constants = kept.map(|(_, constants)| constants.rows).collect();
    let sources = sources.into_iter().enumerate().filter(|(index, _)| keep(*index)).map(|(_, source)| source).collect();
    Script { tables, constants, outputs, topology: Topology { sources, queries, ..Topology::default() }, targets }
}

fn renumber(node: &mut Node, used: &[usize]) {
    if let NodeKind::Scan { source } = &mut node.kind {
        *source = used.binary_search(source).unwrap_or(0);
    }
    node.inputs_mut().into_iter().for_each(|input| renumber(input, used));
}

fn script_table(create: &ast::CreateTable) -> Result<ScriptTable, Vec<Problem>> {
    let declared = declare(&create.body, &[], &[]);
    let mut problems = Vec::new();
    let files = file_options(create, &mut problems);
    match (declared, files) {
        (Ok(declared), Some((path, format))) if problems.is_empty() => {
            check_format(create, &declared.columns.columns, &format)?;
            let schema =
                Schema { columns: declared.columns.columns.clone(), event_time: declared.event_time, device: None };
            let Declared { columns, computed, watermark, .. } = declared;
            let (name, primary_key) = (create.name.name.clone(), columns.primary_key);
            Ok(ScriptTable { name, path, format, schema, computed, watermark, primary_key })
        }
        (declared, _) => {
            problems.extend(declared.err().into_iter().flatten());
            Err(problems)
        }
    }
}

/// A field of CSV holds no structure.
fn check_format(create: &ast::CreateTable, columns: &[Column], format: &Format) -> Result<(), Vec<Problem>> {
    let csv = matches!(format, Format::Csv { .. });
    let nested = create
        .body
        .columns
        .iter()
        .zip(columns)
        .find(|(written, column)| matches!(written.kind, ColumnKind::Physical(_)) && column.data_type.is_nested());
    match nested.filter(|_| csv) {
        Some((written, column)) => {
            let message = format!("the column {} is {}, which CSV cannot hold", column.name, column.data_type);
            Err(vec![Problem::new(written.name.span, message).help("'format' = 'json' can")])
        }
        None => Ok(()),
    }
}

/// The path and the format that WITH says.
fn file_options(create: &ast::CreateTable, problems: &mut Vec<Problem>) -> Option<(String, Format)> {
    const KNOWN: [&str; 5] = ["connector", "path", "format", "csv.null-literal", "json.timestamp-format.standard"];
    for (index, option) in create.options.iter().enumerate() {
        let key = &option.key;
        if create.options[..index].iter().any(|earlier| earlier.key.name == key.name) {
            problems.push(Problem::new(key.span, format!("the option '{}' is given twice", key.name)));
        }
        if !KNOWN.contains(&key.name.as_str()) {
            let problem = Problem::new(key.span, format!("the option '{}' is not supported", key.name));
            problems.push(match nearest(&key.name, KNOWN) {
                Some(near) => problem.help(format!("did you mean '{near}'?")),
                None => problem.help(format!("the options are {}", KNOWN.map(|known| format!("'{known}'")).join(", "))),
            });
        }
    }
    let mut required = |key: &str, example: &str| {
        let option = find(&create.options, key);
        if option.is_none() {
            let problem =
                Problem::new(create.name.span, format!("the table {} lacks the option '{key}'", create.name.name));
            problems.push(problem.help(format!("add '{key}' = '{example}' to WITH (…)")));
        }
        option
    };
    let connector = required("connector", "filesystem");
    let path = required("path", "data/rows.csv");
    let format = required("format", "csv");
    if let Some(connector) = connector.filter(|connector| connector.value.name != "filesystem") {
        let message = format!("the connector '{}' is not supported in a script", connector.value.name);
        problems
            .push(Problem::new(connector.value.span, message).help("a script reads files: 'connector' = 'filesystem'"));
    }
    let format = file_format(create, format?, problems)?;
    Some((path?.value.name.clone(), format))
}

fn find<'a>(options: &'a [TableOption], key: &str) -> Option<&'a TableOption> {
    options.iter().find(|option| option.key.name == key)
}

fn file_format(create: &ast::CreateTable, format: &TableOption, problems: &mut Vec<Problem>) -> Option<Format> {
    match format.value.name.as_str() {
        "csv" => {
            let null_literal = find(&create.options, "csv.null-literal").map(|option| option.value.name.clone());
            Some(Format::Csv { null_literal })
        }
        "json" => {
            let standard = find(&create.options, "json.timestamp-format.standard");
            let timestamps = match standard.map(|option| option.value.name.as_str()) {
                None | Some("SQL") => TimestampFormat::Sql,
                Some("ISO-8601") => TimestampFormat::Iso8601,
                Some(other) => {
                    let span = standard.map_or(format.value.span, |option| option.value.span);
                    problems.push(
                        Problem::new(span, format!("'{other}' is no format of times"))
                            .help("it is 'SQL' or 'ISO-8601'"),
                    );
                    return None;
                }
            };
            Some(Format::Json { timestamps })
        }
        other => {
            let message = format!("the format '{other}' is not supported in a script");
            problems.push(Problem::new(format.value.span, message).help("the formats are 'csv' and 'json'"));
            None
        }
    }
}
