//! What FROM can name: sources, `[view.x]`, and other queries, whose rows a query may read as if they were a view.
//!
//! The sections may stand in any order. Each text is bound as soon as all that it reads is; what is read is inlined, so
//! that a query's plan, and with it its fingerprint, holds everything its results depend on.

use std::collections::{BTreeSet, HashSet};

use super::super::names::check_name;
use super::super::problem::Problems;
use super::super::raw;
use super::super::read::{At, Field, Named};
use super::super::settings;
use super::super::text::Text;
use super::{missing, report_sql, source, table};
use crate::plan;
use crate::sql::{self, Bounds, Catalog, SqlError, View};

/// One SQL text of the configuration.
struct Statement<'a> {
    name: &'a str,
    text: &'a At<Text>,
    /// Whether FROM in another text may mean it.
    readable: bool,
    /// What a view remembers is judged with the queries that read it.
    bounds: Bounds,
}

/// What the texts were bound to.
pub(super) struct Bound {
    /// Everything that can be read: each after what it reads itself.
    pub views: Vec<settings::View>,
    /// One for each query, `None` where it is wrong or has no text.
    pub roots: Vec<Option<plan::Node>>,
}

/// Binds the views and the queries.
pub(super) fn bind_all(
    views: &Field<Named<raw::View>>,
    queries: &Field<Named<raw::Query>>,
    sources: &[source::Checked],
    tables: &[table::Checked],
    problems: &mut Problems,
) -> Bound {
    let names = sources.iter().map(|source| source.name.as_str());
    let mut taken: HashSet<&str> = names.chain(tables.iter().map(|table| table.name.as_str())).collect();
    let mut statements = check_views(views, &mut taken, problems);
    let view_count = statements.len();
    let entries = || queries.given().into_iter().flat_map(|at| &at.value);
    let sql = |entry| -> Option<&At<Text>> {
        let entry: &super::super::read::Entry<raw::Query> = entry;
        entry.value.as_ref()?.value.sql.given()
    };
    let bounds = |entry: &super::super::read::Entry<raw::Query>| match &entry.value {
        Some(query) if !query.value.state_ttl.is_missing() => Bounds::Expiring,
        _ => Bounds::Needed,
    };
    // A query may have the name of a source or a view; FROM then means that one.
    let with_text = entries().filter_map(|entry| Some((entry.name.as_str(), sql(entry)?, bounds(entry))));
    statements.extend(with_text.map(|(name, text, bounds)| {
        let readable = !taken.contains(name);
        Statement { name, text, readable, bounds }
    }));
    let (known, roots) = bind(&statements, sources, tables, problems);
    let mut roots = roots.into_iter().skip(view_count);
    let text_of = |name: &str| statements.iter().find(|statement| statement.readable && statement.name == name);
    let view = |known: View| {
        let sql = text_of(&known.name).map(|statement| statement.text.value.value.clone()).unwrap_or_default();
        settings::View { name: known.name, sql, root: known.root }
    };
    Bound {
        views: known.into_iter().map(view).collect(),
        roots: entries().map(|entry| sql(entry).and_then(|_| roots.next().flatten())).collect(),
    }
}

fn check_views<'a>(
    views: &'a Field<Named<raw::View>>,
    taken: &mut HashSet<&'a str>,
    problems: &mut Problems,
) -> Vec<Statement<'a>> {
    let mut statements = Vec::new();
    for entry in views.given().into_iter().flat_map(|at| &at.value) {
        check_name("view", &entry.name, entry.key, problems);
        if !taken.insert(&entry.name) {
            let message = format!("there is a source {:?} already", entry.name);
            problems.error(entry.key, message, "FROM could mean either: choose another name for the view");
            continue;
        }
        let Some(table) = &entry.value else { continue };
        match table.value.sql.given() {
            Some(text) => {
                statements.push(Statement { name: &entry.name, text, readable: true, bounds: Bounds::OfReaders });
            }
            None if table.value.sql.is_missing() => {
                let help = "write sql = \"SELECT … FROM …\"";
                missing("sql", &format!("view {:?}", entry.name), entry.key, help, problems);
            }
            None => {}
        }
    }
    statements
}

/// Each text once, and again whenever something that it names has been bound: what is left is wrong, or reads what is.
fn bind(
    statements: &[Statement<'_>],
    sources: &[source::Checked],
    tables: &[table::Checked],
    problems: &mut Problems,
) -> (Vec<View>, Vec<Option<plan::Node>>) {
    let plans: Vec<plan::Source> =
        sources.iter().filter_map(|source| Some(source.checked.as_ref()?.1.clone())).collect();
    let table_plans: Vec<plan::Table> =
        tables.iter().filter_map(|table| Some(table.checked.as_ref()?.1.clone())).collect();
    let mut known: Vec<View> = Vec::new();
    let mut bound: Vec<Result<plan::Node, Vec<SqlError>>> = statements.iter().map(|_| Err(Vec::new())).collect();
    let mut due: BTreeSet<usize> = (0..statements.len()).collect();
    while let Some(index) = due.pop_first() {
        let statement = &statements[index];
        let catalog = Catalog { sources: &plans, tables: &table_plans, views: &known };
        bound[index] = sql::bind_query_within(&statement.text.value.value, &catalog, statement.bounds);
        let (Ok(root), true) = (&bound[index], statement.readable) else { continue };
        let is_reader =
            |other: &usize| statements[*other].name != statement.name && mentions(&statements[*other], statement.name);
        let readers: Vec<usize> = (0..statements.len()).filter(is_reader).collect();
        if !readers.is_empty() {
            known.push(View { name: statement.name.to_owned(), root: root.clone() });
            due.extend(readers.into_iter().filter(|reader| bound[*reader].is_err()));
        }
    }
    let wrong = sources.iter().filter(|source| source.checked.is_none()).map(|source| source.name.as_str());
    let wrong = wrong.chain(tables.iter().filter(|table| table.checked.is_none()).map(|table| table.name.as_str()));
    report(statements, &bound, &wrong.collect::<Vec<_>>(), problems);
    (known, bound.into_iter().map(Result::ok).collect())
}

/// What a wrong source or view would have had is unknown: errors of texts that name it would only mislead.
fn report(
    statements: &[Statement<'_>],
    bound: &[Result<plan::Node, Vec<SqlError>>],
    wrong_sources: &[&str],
    problems: &mut Problems,
) {
    let wrong =
        || statements.iter().zip(bound).filter_map(|(statement, bound)| Some((statement, bound.as_ref().err()?)));
    let mut reported = false;
    let mut misled: Vec<&str> = Vec::new();
    for (statement, errors) in wrong() {
        let by_source = wrong_sources.iter().any(|name| mentions(statement, name));
        let by_other =
            wrong().any(|(other, _)| other.readable && other.name != statement.name && mentions(statement, other.name));
        if !by_source && !by_other {
            report_sql(statement.text, errors, problems);
        }
        reported |= by_source || !by_other;
        if by_other {
            misled.push(statement.name);
        }
    }
    if !reported && !misled.is_empty() {
        for (statement, errors) in wrong() {
            report_sql(statement.text, errors, problems);
        }
        let at = statements.iter().find(|statement| statement.name == misled[0]).map(|statement| statement.text.span);
        let message = format!("these read each other in a circle: {}", misled.join(", "));
        problems.error(at.unwrap_or_default(), message, "let one of them read a source instead");
    }
}

/// Whether the text has the word in it.
fn mentions(statement: &Statement<'_>, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    statement.text.value.value.split(|c| !is_part(c)).any(|word| word == name)
}
