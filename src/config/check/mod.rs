//! Raw → settings: what the values mean, alone and for each other. Every problem is reported; a value that is wrong is
//! replaced by its default, so that the check goes on, and no settings come of it in the end.

mod access;
mod bridge;
mod broker;
mod gateway;
mod listener;
mod modbus;
mod peer;
mod query;
mod relations;
mod sink;
mod source;
mod table;
mod topic;

use super::names::{nearest, suggestion};
use super::problem::{Problems, Span};
use super::raw;
use super::read::{At, Field};
use super::settings::Settings;
use super::text::Text;
use crate::plan::Topology;
use crate::sql::SqlError;

/// `None` if problems were found.
pub(super) fn check(raw: &raw::Config, problems: &mut Problems) -> Option<Settings> {
    let gateway = gateway::check_gateway(&raw.gateway, problems);
    let admin = broker::check_admin(&raw.admin, problems);
    let broker = broker::check_broker(&raw.broker, admin.listen, problems);
    let checked_sources = source::check_sources(&raw.source, problems);
    let checked_tables = table::check_tables(&raw.table, &checked_sources, problems);
    let sinks = sink::Declared::new(&raw.sink, problems);
    let relations::Bound { views, roots } =
        relations::bind_all(&raw.view, &raw.query, &checked_sources, &checked_tables, problems);
    let around = query::Surroundings { gateway: &gateway, sources: &checked_sources, sinks: &sinks };
    let checked_queries = query::check_queries(&raw.query, roots, &around, problems);
    let (sinks, store) = sink::check_sinks(&sinks, &gateway, &raw.store, &checked_queries, problems);
    let bridges = bridge::check_bridges(&raw.bridge, &gateway, problems);
    peer::check_client_ids(raw, &sinks, &bridges, problems);
    warn_of_unused(&checked_sources, &checked_queries, problems);
    if problems.found_errors() {
        return None;
    }

    let (sources, source_plans) = checked_sources.into_iter().filter_map(|source| source.checked).unzip();
    let (tables, table_plans) = checked_tables.into_iter().filter_map(|table| table.checked).unzip();
    let (queries, query_plans): (Vec<_>, Vec<_>) =
        checked_queries.into_iter().filter_map(|query| query.checked).unzip();
    let log_level = gateway::check_log_level(&raw.gateway, problems);
    let topology = Topology { sources: source_plans, tables: table_plans, queries: query_plans };
    Some(Settings {
        gateway,
        store,
        admin,
        log_level,
        broker,
        sources,
        tables,
        views,
        queries,
        sinks,
        bridges,
        topology,
        warnings: Vec::new(),
    })
}

fn warn_of_unused(sources: &[source::Checked], queries: &[query::Checked], problems: &mut Problems) {
    // A query that did not bind may have meant any of them.
    let Some(read): Option<Vec<Vec<usize>>> =
        queries.iter().map(|query| query.checked.as_ref().map(|(_, plan)| plan.sources())).collect()
    else {
        return;
    };
    let indices = sources.iter().filter(|source| source.checked.is_some()).enumerate();
    for (index, source) in indices {
        if !read.iter().flatten().any(|read| *read == index) {
            let message = format!("no query reads source {:?}", source.name);
            problems.warning(source.key, message, "its messages are acknowledged and kept for keep_raw, nothing more");
        }
    }
}

/// One of a few words; `later` are those that a later version will know.
fn choose<T: Copy>(
    field: &Field<Text>,
    key: &str,
    default: T,
    choices: &[(&str, T)],
    later: &[(&str, &str)],
    problems: &mut Problems,
) -> T {
    let Some(given) = field.given() else { return default };
    let text = given.value.value.as_str();
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return *choice;
    }
    if let Some((_, instead)) = later.iter().find(|(name, _)| *name == text) {
        problems.error(given.span, format!("{key} = {text:?} is not supported yet"), *instead);
        return default;
    }
    let names = choices.iter().map(|(name, _)| *name);
    let help = match nearest(text, names.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("{key} can be {}", names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")),
    };
    problems.error(given.span, format!("{key} cannot be {:?}", given.value.written), help);
    default
}

/// A whole number within a range.
fn number<T>(field: &Field<i64>, key: &str, default: T, min: i64, max: i64, problems: &mut Problems) -> T
where
    T: TryFrom<i64>,
{
    let Some(given) = field.given() else { return default };
    match T::try_from(given.value) {
        Ok(number) if (min..=max).contains(&given.value) => number,
        _ => {
            problems.error(given.span, format!("{key} cannot be {}", given.value), format!("valid: {min} to {max}"));
            default
        }
    }
}

/// Errors of an SQL text, at their places in the file.
fn report_sql(text: &At<Text>, errors: &[SqlError], problems: &mut Problems) {
    for error in errors {
        let at = text.value.place(error.line, error.column, error.length);
        problems.error(at, error.message.clone(), error.help.clone().unwrap_or_default());
    }
}

fn key_of<T>(field: &Field<T>) -> Option<Span> {
    field.given().map(|given| given.key)
}

/// Keys that belong to another kind of the same table.
fn refuse_foreign(keys: &[(&str, Option<Span>)], owner: &str, other: &str, problems: &mut Problems) {
    for (key, at) in keys {
        if let Some(at) = at {
            problems.error(*at, format!("{owner} has no {key}"), format!("{key} belongs to {other}"));
        }
    }
}

fn missing(key: &str, owner: &str, at: Span, help: &str, problems: &mut Problems) {
    problems.error(at, format!("{owner} has no {key}"), help);
}

fn unknown_column<'c>(
    key: &str,
    name: &str,
    columns: impl IntoIterator<Item = &'c str> + Clone,
    at: Span,
    problems: &mut Problems,
) {
    problems.error(at, format!("{key}: there is no column {name:?}"), suggestion(name, "columns", columns));
}
