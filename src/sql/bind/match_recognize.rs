//! MATCH_RECOGNIZE: which rows a name means, and what Flink refuses of a pattern.
//!
//! Conditions and measures become [`Formula`]s: each reference to rows of the match is a term, and the expression's
//! columns are terms. Flink 2.3's rules, each seen on it, are the cases `match_*` and
//! `bad_match_*` of tests/sql.

use super::aggregate;
use super::expr::{Aggregation, Bound, ExprBinder, Reported};
use super::sums::{by_sums, goes_by_sums};
use super::{Binder, Relation};
use crate::model::{Column, Millis, Schema};
use crate::plan::{
    AfterMatch, Aggregate, End, Expr, Formula, Node, NodeKind, Recognition, Rows, SortKey, Term, Variable,
};
use crate::sql::ast::{self, CallArguments, Ident, Interval};
use crate::sql::span::{Problem, Span, nearest};

/// What names mean inside MEASURES and DEFINE.
pub struct MatchScope {
    /// The variables of PATTERN, in its order.
    variables: Vec<String>,
    /// The variable that is being defined; `None` in MEASURES.
    defines: Option<String>,
    terms: Vec<Term>,
    place: Place,
    /// The event-time column.
    time: usize,
}

/// What a column means where it stands.
#[derive(Clone, Copy)]
enum Place {
    /// Its value in the last row.
    Plain,
    /// Inside FIRST(…) or LAST(…); all columns must be of the same rows.
    Navigation { from: End, offset: usize, rows: Option<Rows> },
    /// Inside an aggregate: the column itself.
    Aggregate { rows: Option<Rows> },
}

impl Binder<'_> {
    pub(super) fn match_recognize(&mut self, written: &ast::MatchRecognize) -> Bound<Relation> {
        let input = self.stream(&written.input)?;
        let partition = self.match_partition(written, &input);
        let order = self.match_order(written, &input);
        let pattern = self.pattern(written);
        let within_ms = self.within(written);
        let (time, order) = order?;
        let names: Vec<String> = written.pattern.iter().map(|variable| variable.name.name.clone()).collect();
        let skip = self.skip(&written.skip, &names);
        let definitions = self.definitions(written, &input, &names, time);
        let measures = self.match_measures(written, &input, &names, time);
        let (partition, mut pattern, measures) = (partition?, pattern?, measures?);
        for (variable, condition) in definitions? {
            pattern[variable].condition = Some(condition);
        }
        let (within_ms, skip) = (within_ms?, skip?);
        let names: Vec<Ident> = written.measures.iter().map(|measure| measure.name.clone()).collect();
        let recognition = Recognition { time, partition, order, pattern, within_ms, skip, measures };
        self.recognized(written, input, recognition, &names)
    }

    /// The columns of PARTITION BY.
    fn match_partition(&mut self, written: &ast::MatchRecognize, input: &Relation) -> Bound<Vec<usize>> {
        let mut columns: Vec<usize> = Vec::new();
        for key in &written.partition_by {
            let column = self.match_column(key, input, "PARTITION BY")?;
            let name = &input.schema().columns[column].name;
            if columns.contains(&column) {
                let problem = Problem::new(key.span, format!("{name} is in PARTITION BY twice"));
                return self.fail(problem);
            }
            if let Some(before) = columns.last().filter(|before| **before > column) {
                let before = &input.schema().columns[*before].name;
                let problem =
                    Problem::new(key.span, format!("{name} stands before {before} in the table, so here too"));
                return self.fail(problem.help(format!(
                    "in another order Flink gives each column the values of another: write {name}, {before}"
                )));
            }
            columns.push(column);
        }
        Ok(columns)
    }

    /// A bare column of the input.
    fn match_column(&mut self, expr: &ast::Expr, input: &Relation, clause: &str) -> Bound<usize> {
        if !matches!(expr.kind, ast::ExprKind::Name { .. }) {
            let problem = Problem::new(expr.span, format!("{clause} of MATCH_RECOGNIZE takes columns, no expressions"));
            return self.fail(problem.help("compute it in a subquery before: FROM (SELECT …) MATCH_RECOGNIZE (…)"));
        }
        match self.binder(input, Aggregation::Refuse("this place")).bind(expr)?.kind {
            crate::plan::ExprKind::Column(column) => Ok(column),
            _ => Err(Reported),
        }
    }

    /// The event time, and what orders rows of equal time.
    fn match_order(&mut self, written: &ast::MatchRecognize, input: &Relation) -> Bound<(usize, Vec<SortKey>)> {
        let help = match input.times.first() {
            Some(time) => format!("write ORDER BY {}", input.schema().columns[*time].name),
            None => "the source needs an event time: event_time in the configuration, WATERMARK FOR in CREATE TABLE"
                .to_owned(),
        };
        let Some((first, more)) = written.order_by.split_first() else {
            let problem = Problem::new(written.span, "MATCH_RECOGNIZE needs ORDER BY the event time");
            return self.fail(problem.help(help));
        };
        let time = self.match_column(&first.expr, input, "ORDER BY")?;
        if !input.times.contains(&time) {
            let name = &input.schema().columns[time].name;
            let problem = Problem::new(first.expr.span, format!("{name} is no event time, and that must come first"));
            return self.fail(problem.help(help));
        }
        if first.descending {
            let problem = Problem::new(first.expr.span, "a stream can only be ordered by time ascending");
            return self.fail(problem.help("leave DESC out"));
        }
        let mut order = Vec::new();
        for item in more {
            let column = self.match_column(&item.expr, input, "ORDER BY")?;
            order.push(SortKey { column, descending: item.descending });
        }
        Ok((time, order))
    }

    /// The variables without their conditions.
    fn pattern(&mut self, written: &ast::MatchRecognize) -> Bound<Vec<Variable>> {
        let mut pattern: Vec<Variable> = Vec::new();
        let mut failed = false;
        for variable in &written.pattern {
            let name = &variable.name.name;
            let (min, max) = (variable.min, variable.max);
            let is_optional = max == Some(1) && min == 0;
            let greedy = !variable.reluctant && !is_optional && max != Some(min);
            if pattern.iter().any(|known| known.name == *name) {
                let problem =
                    Problem::new(variable.span, format!("{name} is in PATTERN twice, and Flink has no such thing"));
                self.problems.push(problem.help("give the second one a name and a condition of its own"));
                failed = true;
            }
            let may_be_empty = min == 0 && (max.is_none() || is_optional);
            if let Some(before) = pattern.last().filter(|before| may_be_empty && before.greedy) {
                let problem = Problem::new(
                    variable.span,
                    format!("an optional variable after the greedy {}, and Flink has no such thing", before.name),
                );
                self.problems
                    .push(problem.help(format!("make {} reluctant with a ? after its quantifier", before.name)));
                failed = true;
            }
            pattern.push(Variable { name: name.clone(), min, max, greedy, condition: None });
        }
        if let Some((last, variable)) = written.pattern.last().zip(pattern.last()).filter(|(_, last)| last.greedy) {
            let name = &variable.name;
            self.problems.push(
                Problem::new(last.span, format!("a greedy quantifier at the end of PATTERN: when is {name} complete?"))
                    .help(format!("write a ? after the quantifier, or add a variable that ends it, defined as NOT the condition of {name}")),
            );
            failed = true;
        } else if let (Some(first), Some(last)) = (written.pattern.first(), written.pattern.last()) {
            if pattern.iter().all(|variable| variable.min == 0) {
                let problem = Problem::new(first.span.to(last.span), "this PATTERN fits no row at all");
                self.problems.push(problem.help("at least one variable must take a row, as with + instead of *"));
                failed = true;
            }
        }
        if failed { Err(Reported) } else { Ok(pattern) }
    }

    fn within(&mut self, written: &ast::MatchRecognize) -> Bound<Option<Millis>> {
        match written.within {
            None => Ok(None),
            // Flink takes an interval that is not positive for none at all.
            Some((Interval::Millis(millis), _)) => Ok(Some(millis).filter(|millis| *millis > 0)),
            Some((Interval::Months(_), span)) => {
                let problem = Problem::new(span, "months and years have no fixed length, so they limit no match");
                self.fail(problem.help("use days, for example INTERVAL '30' DAY"))
            }
        }
    }

    fn skip(&mut self, written: &ast::AfterMatch, names: &[String]) -> Bound<AfterMatch> {
        let (ast::AfterMatch::ToFirst(name) | ast::AfterMatch::ToLast(name)) = written else {
            return Ok(match written {
                ast::AfterMatch::PastLastRow => AfterMatch::PastLastRow,
                _ => AfterMatch::ToNextRow,
            });
        };
        let Some(variable) = names.iter().position(|known| *known == name.name) else {
            let problem = Problem::new(name.span, format!("PATTERN has no variable {}", name.name));
            return self.fail(suggest_variable(problem, &name.name, names));
        };
        Ok(match written {
            ast::AfterMatch::ToFirst(_) => AfterMatch::ToFirst(variable),
            _ => AfterMatch::ToLast(variable),
        })
    }

    /// The conditions with the positions of their variables.
    fn definitions(
        &mut self,
        written: &ast::MatchRecognize,
        input: &Relation,
        names: &[String],
        time: usize,
    ) -> Bound<Vec<(usize, Formula)>> {
        let mut definitions: Vec<(usize, Formula)> = Vec::new();
        let mut failed = false;
        for (at, definition) in written.define.iter().enumerate() {
            let name = &definition.variable.name;
            if written.define[..at].iter().any(|before| before.variable.name == *name) {
                let problem = Problem::new(definition.variable.span, format!("{name} is defined twice"));
                self.problems.push(problem.help("join the conditions with AND"));
                failed = true;
            }
            let defines = Some(name.as_str());
            match self.formula(&definition.condition, input, names, defines, time) {
                // As in Flink, what PATTERN does not use may be defined all the same.
                Ok(condition) => {
                    definitions.extend(names.iter().position(|known| known == name).map(|found| (found, condition)));
                }
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(definitions) }
    }

    fn match_measures(
        &mut self,
        written: &ast::MatchRecognize,
        input: &Relation,
        names: &[String],
        time: usize,
    ) -> Bound<Vec<Formula>> {
        if written.measures.is_empty() {
            let problem = Problem::new(written.span, "MATCH_RECOGNIZE needs MEASURES: what is a match to give?");
            return self.fail(problem.help("for example MEASURES FIRST(a.ts) AS since, MATCH_ROWTIME() AS until_ts"));
        }
        let bound: Vec<Bound<Formula>> =
            written.measures.iter().map(|measure| self.formula(&measure.expr, input, names, None, time)).collect();
        bound.into_iter().collect()
    }

    /// A condition of the variable `defines`, or a measure.
    fn formula(
        &mut self,
        expr: &ast::Expr,
        input: &Relation,
        names: &[String],
        defines: Option<&str>,
        time: usize,
    ) -> Bound<Formula> {
        let mut scope = MatchScope {
            variables: names.to_vec(),
            defines: defines.map(str::to_owned),
            terms: Vec::new(),
            place: Place::Plain,
            time,
        };
        let mut binder = self.binder(input, Aggregation::Match(&mut scope));
        let expr = if defines.is_some() { binder.boolean(expr, "DEFINE") } else { binder.bind(expr) };
        Ok(Formula { expr: expr?, terms: scope.terms })
    }

    fn recognized(
        &mut self,
        written: &ast::MatchRecognize,
        input: Relation,
        recognition: Recognition,
        names: &[Ident],
    ) -> Bound<Relation> {
        let inputs = &input.schema().columns;
        let mut columns: Vec<Column> = recognition.partition.iter().map(|column| inputs[*column].clone()).collect();
        // Other times, though they look like it, are none for Flink.
        let mut times = Vec::new();
        for (name, measure) in names.iter().zip(&recognition.measures) {
            if columns.iter().any(|column| *column.name == *name.name) {
                let problem = Problem::new(name.span, format!("there is a column {} already", name.name));
                return self.fail(problem.help("give the measure another name"));
            }
            let is_bare = measure.expr.kind == crate::plan::ExprKind::Column(0);
            if is_bare && measure.terms == [Term::MatchTime] {
                times.push(columns.len());
            }
            columns.push(Column { name: name.name.as_str().into(), data_type: measure.expr.data_type });
        }
        let device = input.schema().device;
        let device = device.and_then(|device| recognition.partition.iter().position(|column| *column == device));
        let schema = Schema { columns, event_time: times.first().copied(), device };
        let kind = NodeKind::Match { input: Box::new(input.node), recognition: Box::new(recognition) };
        let depth = input.depth + 1;
        let relation = Relation { times, depth, ..Relation::of_node(Node { kind, schema }) };
        self.limit_depth(relation, written.span)
    }
}

fn suggest_variable(problem: Problem, name: &str, names: &[String]) -> Problem {
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean {near}?")),
        None => problem.help(format!("its variables are {}", names.join(", "))),
    }
}

impl MatchScope {
    /// The term's position, each once.
    fn term(&mut self, term: Term) -> usize {
        match self.terms.iter().position(|known| *known == term) {
            Some(position) => position,
            None => {
                self.terms.push(term);
                self.terms.len() - 1
            }
        }
    }

    /// Which rows the name before the dot means.
    fn rows(&self, variable: Option<&Ident>) -> Result<Rows, Problem> {
        let Some(variable) = variable else { return Ok(Rows::All) };
        let name = variable.name.as_str();
        match self.variables.iter().position(|known| known == name) {
            Some(position) => Ok(Rows::Of(position)),
            // Defined and not in PATTERN: checked, but without a part in the match.
            None if self.defines.as_deref() == Some(name) => Ok(Rows::All),
            None => {
                let problem = Problem::new(variable.span, format!("PATTERN has no variable {name}"));
                Err(suggest_variable(problem, name, &self.variables))
            }
        }
    }

    /// A column of the input as it stands here. The error is a variable other than the one before it, where there
    /// must be only one.
    fn column(&mut self, of: Rows, column: usize) -> Result<usize, Rows> {
        let (from, offset) = match &mut self.place {
            Place::Plain => (End::Last, 0),
            Place::Navigation { from, offset, rows } => match rows.replace(of) {
                Some(before) if before != of => return Err(before),
                _ => (*from, *offset),
            },
            Place::Aggregate { rows } => {
                return match rows.replace(of) {
                    Some(before) if before != of => Err(before),
                    _ => Ok(column),
                };
            }
        };
        Ok(self.term(Term::Column { of, from, offset, column }))
    }
}

impl ExprBinder<'_> {
    /// `column` or `variable.column` inside MATCH_RECOGNIZE.
    pub fn match_name(&mut self, variable: Option<&Ident>, column: &Ident) -> Bound {
        let position = self.column(column);
        let Aggregation::Match(scope) = &mut self.aggregation else { return Err(Reported) };
        let rows = match scope.rows(variable) {
            Ok(rows) => rows,
            Err(problem) => return self.fail(problem),
        };
        let position = position?;
        match scope.column(rows, position) {
            Ok(term) => Ok(Expr::column(term, self.scope.columns[position].data_type)),
            Err(before) => {
                let before = match before {
                    Rows::Of(variable) => scope.variables[variable].clone(),
                    Rows::All => "all rows".to_owned(),
                };
                let span = variable.map_or(column.span, |variable| variable.span);
                let problem = Problem::new(span, format!("this is not of {before}, as the column before it is"));
                self.fail(
                    problem.help("FIRST, LAST and aggregates take the rows of one variable: compute with two of them"),
                )
            }
        }
    }

    /// The functions that mean something of their own inside MATCH_RECOGNIZE. `None`: not one of them.
    pub fn match_call(&mut self, upper: &str, written: &ast::Call, span: Span) -> Option<Bound> {
        if let Some(function) = aggregate::function(upper) {
            return Some(self.match_aggregate(function, upper, written, span));
        }
        let problem = match upper {
            "FIRST" => return Some(self.navigation(End::First, upper, written, span)),
            "LAST" => return Some(self.navigation(End::Last, upper, written, span)),
            "MATCH_ROWTIME" => return Some(self.match_rowtime(written, span)),
            "PREV" => Problem::new(span, "Flink has no PREV")
                .help("the row before of the same variable is LAST(a.x, 1); or give that row a variable of its own"),
            "NEXT" => Problem::new(span, "Flink has no NEXT: a stream does not look ahead")
                .help("give the row after it a variable of its own, and put the condition there"),
            "MATCH_PROCTIME" => {
                Problem::new(span, "tidegate has no MATCH_PROCTIME: time of the wall clock cannot be replayed")
                    .help("MATCH_ROWTIME() is the event time of the match")
            }
            "CLASSIFIER" => Problem::new(span, "Flink has no CLASSIFIER")
                .help("a measure names its variable itself: 'spike' AS what"),
            "MATCH_NUMBER" => Problem::new(span, "Flink has no MATCH_NUMBER").help("leave it out"),
            "CURRENT_WATERMARK" => Problem::new(span, "CURRENT_WATERMARK means nothing in MATCH_RECOGNIZE")
                .help("take it in a subquery before"),
            _ => return None,
        };
        Some(self.fail(problem))
    }

    /// Binds `bind` with columns meaning `place`, and gives the place back as it is then.
    fn at_place<T>(&mut self, place: Place, bind: impl FnOnce(&mut Self) -> Bound<T>) -> Bound<(T, Place)> {
        let Aggregation::Match(scope) = &mut self.aggregation else { return Err(Reported) };
        let outer = std::mem::replace(&mut scope.place, place);
        let result = bind(self);
        let Aggregation::Match(scope) = &mut self.aggregation else { return Err(Reported) };
        let place = std::mem::replace(&mut scope.place, outer);
        Ok((result?, place))
    }

    fn is_plain(&self) -> bool {
        matches!(&self.aggregation, Aggregation::Match(MatchScope { place: Place::Plain, .. }))
    }

    /// FIRST(expression [, offset]), LAST(expression [, offset])
    fn navigation(&mut self, from: End, upper: &str, written: &ast::Call, span: Span) -> Bound {
        let arguments = match &written.arguments {
            CallArguments::List(arguments) if (1..=2).contains(&arguments.len()) => arguments,
            _ => {
                let problem = Problem::new(span, format!("{upper} takes a column, and maybe an offset"));
                return self.fail(problem.help(format!("it is {upper}(variable.column [, offset])")));
            }
        };
        if !self.is_plain() {
            let problem = Problem::new(span, format!("{upper} cannot stand inside FIRST, LAST or an aggregate"));
            return self.fail(problem.help("compute with both, one beside the other"));
        }
        let offset = match arguments.get(1) {
            None => 0,
            Some(ast::Expr { kind: ast::ExprKind::Number(number), span, .. }) => match number.parse::<u32>() {
                Ok(offset) => offset as usize,
                Err(_) => return self.fail(Problem::new(*span, "the offset is a whole number, 0 or more")),
            },
            Some(other) => {
                let problem = Problem::new(other.span, "the offset is a whole number, 0 or more, written out");
                return self.fail(problem.help(format!("for example {upper}(a.x, 1)")));
            }
        };
        let place = Place::Navigation { from, offset, rows: None };
        self.at_place(place, |binder| binder.bind(&arguments[0])).map(|(expr, _)| expr)
    }

    fn match_rowtime(&mut self, written: &ast::Call, span: Span) -> Bound {
        let Aggregation::Match(scope) = &self.aggregation else { return Err(Reported) };
        let time = scope.time;
        if !self.is_plain() {
            return self.fail(Problem::new(span, "MATCH_ROWTIME() cannot stand inside FIRST, LAST or an aggregate"));
        }
        match &written.arguments {
            CallArguments::List(arguments) if arguments.is_empty() => {}
            CallArguments::List(arguments) if arguments.len() == 1 => {
                let position = match &arguments[0].kind {
                    ast::ExprKind::Name { column, .. } => Some(self.column(column)?),
                    _ => None,
                };
                if !position.is_some_and(|position| self.scope.times.contains(&position)) {
                    let problem = Problem::new(arguments[0].span, "MATCH_ROWTIME takes the event-time column");
                    return self.fail(problem.help("or nothing: MATCH_ROWTIME()"));
                }
            }
            _ => return self.fail(Problem::new(span, "MATCH_ROWTIME takes nothing").help("write MATCH_ROWTIME()")),
        }
        let data_type = self.scope.columns[time].data_type;
        let Aggregation::Match(scope) = &mut self.aggregation else { return Err(Reported) };
        Ok(Expr::column(scope.term(Term::MatchTime), data_type))
    }

    /// An aggregate over the rows of one variable, or of the whole match.
    fn match_aggregate(
        &mut self,
        function: crate::plan::AggregateFunction,
        upper: &str,
        written: &ast::Call,
        span: Span,
    ) -> Bound {
        if written.distinct || written.filter.is_some() {
            let what = if written.distinct { "DISTINCT" } else { "FILTER" };
            let problem = Problem::new(span, format!("Flink has no {what} in the aggregates of MATCH_RECOGNIZE"));
            return self.fail(match written.distinct {
                true => problem.help("leave it out, or group the matches in a window after"),
                false => problem.help(format!("write {upper}(CASE WHEN condition THEN a.x END)")),
            });
        }
        if !self.is_plain() {
            let problem = Problem::new(span, format!("{upper} cannot stand inside FIRST, LAST or another aggregate"));
            return self.fail(problem.help("compute with both, one beside the other"));
        }
        let place = Place::Aggregate { rows: None };
        let (aggregate, place) =
            self.at_place(place, |binder| binder.aggregate_parts(function, upper, written, span))?;
        let of = match place {
            Place::Aggregate { rows } => rows.unwrap_or(Rows::All),
            Place::Plain | Place::Navigation { .. } => Rows::All,
        };
        let Aggregation::Match(scope) = &mut self.aggregation else { return Err(Reported) };
        let mut term = |aggregate: Aggregate| {
            let data_type = aggregate.data_type;
            Ok(Expr::column(scope.term(Term::Aggregate { of, aggregate: Box::new(aggregate) }), data_type))
        };
        if goes_by_sums(&aggregate) { by_sums(&aggregate, term) } else { term(aggregate) }
    }
}
