//! The names of the durable counters, as they stand in the store and in `/metrics`.
//!
//! A counter's key is its line in the Prometheus text format without the number; the names are settled in the
//! configuration's documentation, since dashboards rely on them.

use crate::config::{Query, Route, Settings};

/// Counters of a source: `in = decoded + invalid + dropped`.
#[derive(Clone, Debug)]
pub struct SourceCounters {
    pub received: String,
    pub decoded: String,
    pub invalid: String,
}

/// Counters of a query: the rows decoded for it are `used + filtered + late + failed`.
#[derive(Clone, Debug)]
pub struct QueryCounters {
    pub used: String,
    pub filtered: String,
    pub late: String,
    pub failed: String,
    /// Rows that failed behind a window: they were used when they came in.
    pub failed_outputs: String,
    /// Results of a part of the query that came too late for the next: their rows were used when they came in.
    pub late_results: String,
    /// No rows: what the query's operators gave up at the limits of their state.
    pub given_up: String,
    /// One for each route.
    pub out: Vec<String>,
    /// Late rows that are kept in a sink.
    pub late_out: Option<String>,
}

/// Counters of a sink: `committed = delivered + dead + dropped + expired + corrupt + pending`.
#[derive(Clone, Debug)]
pub struct SinkCounters {
    pub committed: String,
    pub refused: String,
    /// What becomes of its records, raised by the sink and by the store.
    pub others: Vec<String>,
}

/// All keys, made once: a tick only raises them.
#[derive(Clone, Debug)]
pub struct Names {
    pub sources: Vec<SourceCounters>,
    pub queries: Vec<QueryCounters>,
    pub sinks: Vec<SinkCounters>,
}

impl Names {
    pub fn new(settings: &Settings) -> Names {
        let sources = settings.sources.iter().map(|source| SourceCounters {
            received: key("in", "source", &source.name),
            decoded: key("decoded", "source", &source.name),
            invalid: key("invalid", "source", &source.name),
        });
        let queries = settings.queries.iter().map(|query| QueryCounters {
            used: key("used", "query", &query.name),
            filtered: key("filtered", "query", &query.name),
            late: key("late", "query", &query.name),
            failed: key("failed", "query", &query.name),
            failed_outputs: key("failed_outputs", "query", &query.name),
            late_results: key("late_results", "query", &query.name),
            given_up: key("given_up", "query", &query.name),
            out: query.into.iter().map(|route| routed(settings, "out", query, route)).collect(),
            late_out: query.late_into.as_ref().map(|route| routed(settings, "late_out", query, route)),
        });
        let sinks = settings.sinks.iter().map(|sink| SinkCounters {
            committed: key("committed", "sink", &sink.name),
            refused: format!("tidegate_dropped_total{{sink=\"{}\",reason=\"drop_newest\"}}", sink.name),
            others: ["delivered", "dead", "expired", "corrupt"]
                .iter()
                .map(|what| key(what, "sink", &sink.name))
                .chain([format!("tidegate_dropped_total{{sink=\"{}\",reason=\"drop_oldest\"}}", sink.name)])
                .collect(),
        });
        Names { sources: sources.collect(), queries: queries.collect(), sinks: sinks.collect() }
    }

    /// Every key that a start makes known with a zero, so that a dashboard sees it before the first event.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        let sources = self.sources.iter().flat_map(|s| [&s.received, &s.decoded, &s.invalid]);
        let queries = self.queries.iter().flat_map(|q| {
            [&q.used, &q.filtered, &q.late, &q.failed, &q.failed_outputs, &q.late_results, &q.given_up]
                .into_iter()
                .chain(&q.out)
                .chain(&q.late_out)
        });
        let sinks = self.sinks.iter().flat_map(|s| [&s.committed, &s.refused].into_iter().chain(&s.others));
        sources.chain(queries).chain(sinks)
    }
}

fn routed(settings: &Settings, what: &str, query: &Query, route: &Route) -> String {
    let sink = &settings.sinks[route.sink].name;
    format!("tidegate_{what}_total{{query=\"{}\",sink=\"{sink}\"}}", query.name)
}

/// Names in the configuration are `[A-Za-z0-9_.-]`, so nothing needs escaping.
fn key(what: &str, label: &str, name: &str) -> String {
    format!("tidegate_{what}_total{{{label}=\"{name}\"}}")
}
