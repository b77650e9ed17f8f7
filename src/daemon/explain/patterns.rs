//! MATCH_RECOGNIZE in words.

use super::operators::{aggregate, column_name};
use crate::plan::{AfterMatch, End, Formula, Recognition, Rows, Term, Variable};
use crate::sql::show::{self, interval};

pub fn title(recognition: &Recognition, names: &[String]) -> String {
    let listed = |columns: Vec<String>| columns.join(", ");
    let partition = listed(recognition.partition.iter().map(|column| column_name(names, *column)).collect());
    let partition = if partition.is_empty() { String::new() } else { format!("PARTITION BY {partition} ") };
    let mut order = vec![column_name(names, recognition.time)];
    order.extend(recognition.order.iter().map(|key| {
        let descending = if key.descending { " DESC" } else { "" };
        format!("{}{descending}", column_name(names, key.column))
    }));
    let pattern: Vec<String> = recognition.pattern.iter().map(variable).collect();
    let within = recognition.within_ms.map(|millis| format!(" WITHIN {}", interval(millis))).unwrap_or_default();
    format!("MATCH_RECOGNIZE {partition}ORDER BY {} PATTERN ({}){within}", listed(order), pattern.join(" "))
}

/// DEFINE, MEASURES and AFTER MATCH: a word and its text a line.
pub fn details(recognition: &Recognition, names: &[String], measures: &[String]) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for variable in &recognition.pattern {
        if let Some(condition) = &variable.condition {
            lines.push((
                "define",
                format!("{} AS {}", show::name(&variable.name), formula(condition, recognition, names)),
            ));
        }
    }
    for (measure, name) in recognition.measures.iter().zip(measures) {
        lines.push(("measure", format!("{} AS {name}", formula(measure, recognition, names))));
    }
    let named = |variable: usize| recognition.pattern.get(variable).map(|v| show::name(&v.name)).unwrap_or_default();
    let next = match recognition.skip {
        AfterMatch::ToNextRow => "to next row".to_owned(),
        AfterMatch::PastLastRow => "past last row".to_owned(),
        AfterMatch::ToFirst(variable) => format!("to first {}", named(variable)),
        AfterMatch::ToLast(variable) => format!("to last {}", named(variable)),
    };
    lines.push(("skip", next));
    lines
}

fn variable(variable: &Variable) -> String {
    let reluctant = if variable.greedy || variable.max == Some(variable.min) { "" } else { "?" };
    let quantifier = match (variable.min, variable.max) {
        (1, Some(1)) => String::new(),
        (0, None) => "*".to_owned(),
        (1, None) => "+".to_owned(),
        (0, Some(1)) => "?".to_owned(),
        (min, None) => format!("{{{min},}}"),
        (min, Some(max)) if min == max => format!("{{{min}}}"),
        (min, Some(max)) => format!("{{{min},{max}}}"),
    };
    // Flink has no reluctant `?`; its own is reluctant already.
    let reluctant = if quantifier == "?" || quantifier.is_empty() { "" } else { reluctant };
    format!("{}{quantifier}{reluctant}", show::name(&variable.name))
}

fn formula(formula: &Formula, recognition: &Recognition, names: &[String]) -> String {
    let of = |rows: &Rows| match rows {
        Rows::All => String::new(),
        Rows::Of(variable) => {
            recognition.pattern.get(*variable).map(|v| format!("{}.", show::name(&v.name))).unwrap_or_default()
        }
    };
    let term = |term: &Term| match term {
        Term::Column { of: rows, from, offset, column } => {
            let text = format!("{}{}", of(rows), column_name(names, *column));
            match (from, offset) {
                (End::Last, 0) => text,
                (End::Last, offset) => format!("LAST({text}, {offset})"),
                (End::First, 0) => format!("FIRST({text})"),
                (End::First, offset) => format!("FIRST({text}, {offset})"),
            }
        }
        Term::Aggregate { of: rows, aggregate: one } => {
            let names: Vec<String> = names.iter().map(|name| format!("{}{name}", of(rows))).collect();
            aggregate(one, &names)
        }
        Term::MatchTime => "MATCH_ROWTIME()".to_owned(),
    };
    show::expression(&formula.expr, &|column| formula.terms.get(column).map(term).unwrap_or_default())
}
