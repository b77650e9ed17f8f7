//! The automaton: which runs a row carries on, begins, ends.
//!
//! What it does is what Flink's CEP library does with the pattern that Flink's planner makes of PATTERN (`NFACompiler`,
//! `NFA`, `AfterMatchSkipStrategy` of flink-cep 2.3). Rows of a match are adjacent, and each variable stands in PATTERN
//! once, so a run is its first row and how its rows are shared out among the variables, nothing more:
//!
//! - A row may carry a run on in several ways; each becomes a run of its own. Nothing is undone later.
//! - After a greedy variable, the next one takes no row that fits the greedy one, even if that has all its rows.
//! - Every row begins a run, if it fits.
//! - A match waits while a run that began before it is not over; then the skip strategy takes out runs and matches.

use std::collections::VecDeque;

use super::candidates::{Candidate, Candidates, Ends, KEPT_SLOTS, NOT_BEGUN};
use super::formula::{Formula, Kept, RunRows, Test};
use super::rows::RowStore;
use crate::engine::codec::{Reader, Writer};
use crate::engine::eval::{Context, EvalError};
use crate::engine::operator::Out;
use crate::engine::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::{self, AfterMatch};

/// Runs of one partition that are not complete, and matches that wait for them; beyond these no new one is begun.
pub const RUNS_MAX: usize = 1_000;

/// Rows that the runs of one partition hold; beyond these the oldest run is given up.
pub const ROWS_MAX: usize = 16_384;

struct Element {
    min: u32,
    max: u32,
    greedy: bool,
    test: Test,
}

/// What a pattern makes of the rows of one partition.
pub struct Partition {
    /// Number of the row that comes next.
    number: u64,
    /// The rows that runs and matches hold: the last ones before `number`.
    held: VecDeque<u32>,
    /// Always with the one that has not begun.
    runs: Candidates,
    /// The variable of all runs that have begun; `None`: they are at different ones, or there are none.
    common: Option<u32>,
    /// Matches that wait for an earlier run.
    matches: Candidates,
    /// How many of its rows wait for their time.
    pub waiting: u32,
}

/// Where matches go.
pub struct Put<'a> {
    /// The partition's.
    pub key: &'a [Value],
    /// When they come out.
    pub time: Millis,
    pub context: &'a Context,
    pub out: &'a mut Out,
}

/// What partitions of a time line share.
#[derive(Debug, Default)]
pub struct Shared {
    pub rows: RowStore,
    pub ends: Ends,
}

pub struct Matcher {
    elements: Vec<Element>,
    within_ms: Option<Millis>,
    skip: AfterMatch,
    skip_to: Option<String>,
    measures: Vec<Formula>,
    /// Whether [`RUNS_MAX`] and [`ROWS_MAX`] are in force.
    limited: bool,
    /// Runs and matches lost to the limits.
    pub given_up: u64,
    known: Known,
    step: Step,
}

/// A row that is tried as the next of a run.
#[derive(Clone, Copy)]
struct Trial<'a> {
    partition: &'a Partition,
    run: Candidate,
    /// Rows of the run so far.
    len: u32,
    row: u32,
    context: &'a Context,
}

/// What is known of the row under test: a bit for each variable.
#[derive(Default)]
struct Known {
    tested: u64,
    holds: u64,
    /// Of these the answer is for the row alone, not for the row and the run.
    of_row: u64,
}

/// What becomes of the runs while a row is taken.
#[derive(Default)]
struct Step {
    runs: Candidates,
    matches: Candidates,
    /// Slots of [`Ends`] that were taken for them.
    fresh: Vec<u32>,
    /// Slots that no run has any more, if all goes well.
    spent: Vec<u32>,
}

impl Default for Partition {
    fn default() -> Partition {
        let mut runs = Candidates::default();
        runs.push(Candidate { start: NOT_BEGUN, element: 0, rows: 0, ends: u32::MAX });
        Partition { number: 0, held: VecDeque::new(), runs, common: None, matches: Candidates::default(), waiting: 0 }
    }
}

impl Partition {
    pub fn is_idle(&self) -> bool {
        self.runs.len() <= 1 && self.matches.is_empty()
    }

    /// When the oldest run is over for want of time, if it is not before.
    pub fn due(&self, rows: &RowStore, within_ms: Option<Millis>) -> Option<Millis> {
        let start = self.runs.first().filter(|run| run.start != NOT_BEGUN)?.start;
        Some(rows.time(self.slot(start)?).saturating_add(within_ms?))
    }

    pub fn bytes(&self) -> usize {
        self.held.capacity() * 4 + self.runs.bytes() + self.matches.bytes()
    }

    /// The row is now one of those that runs may hold.
    fn hold(&mut self, row: u32) {
        self.held.push_back(row);
        self.number += 1;
    }

    fn first_held(&self) -> u64 {
        self.number - self.held.len() as u64
    }

    fn slot(&self, number: u64) -> Option<u32> {
        self.held.get(number.checked_sub(self.first_held())? as usize).copied()
    }

    fn oldest(&self) -> u64 {
        let start = |candidates: &Candidates| candidates.first().map_or(NOT_BEGUN, |candidate| candidate.start);
        start(&self.runs).min(start(&self.matches))
    }

    /// Lets go of rows that nothing holds any more.
    fn trim(&mut self, rows: &mut RowStore) {
        let oldest = self.oldest();
        while !self.held.is_empty() && self.first_held() < oldest {
            if let Some(slot) = self.held.pop_front() {
                rows.release(slot);
            }
        }
        if self.held.is_empty() && self.held.capacity() > KEPT_SLOTS {
            self.held = VecDeque::new();
        }
    }

    /// Takes out the runs and matches that begin before this row. How many they were.
    fn drop_before(&mut self, number: u64, ends: &mut Ends) -> usize {
        let mut dropped = 0;
        for candidates in [&mut self.runs, &mut self.matches] {
            candidates.remove(|candidate| {
                let goes = candidate.start < number;
                if goes {
                    ends.release(candidate.ends);
                    dropped += 1;
                }
                goes
            });
        }
        dropped
    }

    /// The rows of a run, as far as it has got.
    fn run<'a>(&'a self, shared: &'a Shared, run: &Candidate) -> RunRows<'a> {
        let begun = run.start != NOT_BEGUN;
        RunRows {
            store: &shared.rows,
            held: &self.held,
            first: if begun { (run.start - self.first_held()) as usize } else { 0 },
            ends: if begun { shared.ends.get(run.ends) } else { &[] },
            element: run.element as usize,
            len: if begun { (self.number - run.start) as usize } else { 0 },
            tested: None,
            time: 0,
        }
    }
}

impl Matcher {
    pub fn new(recognition: &plan::Recognition, kept: &Kept, limited: bool) -> Matcher {
        let element = |(at, variable): (usize, &plan::Variable)| Element {
            min: variable.min,
            max: variable.max.unwrap_or(u32::MAX),
            greedy: variable.greedy,
            test: Test::new(at, variable.condition.as_ref(), kept),
        };
        let elements: Vec<Element> = recognition.pattern.iter().enumerate().map(element).collect();
        let of_row = |element: &Element| !matches!(element.test, Test::Run(_));
        let bits = elements.iter().enumerate().filter(|(_, element)| of_row(element));
        let known = Known { of_row: bits.fold(0, |bits, (at, _)| bits | 1 << at), ..Known::default() };
        let skip_to = match recognition.skip {
            AfterMatch::ToFirst(variable) | AfterMatch::ToLast(variable) => Some(variable),
            AfterMatch::ToNextRow | AfterMatch::PastLastRow => None,
        };
        Matcher {
            elements,
            within_ms: recognition.within_ms,
            skip: recognition.skip,
            skip_to: skip_to.and_then(|at| recognition.pattern.get(at)).map(|variable| variable.name.clone()),
            measures: recognition.measures.iter().map(|measure| Formula::new(measure, kept)).collect(),
            limited,
            given_up: 0,
            known,
            step: Step::default(),
        }
    }

    pub fn variables(&self) -> usize {
        self.elements.len()
    }

    /// Takes the next row. After an error it is as if the row had not been there; it is still the caller's.
    pub fn take(
        &mut self,
        partition: &mut Partition,
        shared: &mut Shared,
        row: u32,
        context: &Context,
    ) -> Result<(), EvalError> {
        self.known.tested = 0;
        if self.stays(partition, shared, row, context)? {
            partition.hold(row);
            return Ok(());
        }
        let result = self.carry_on(partition, shared, row, context);
        let Step { runs, matches, fresh, spent } = &mut self.step;
        if result.is_err() {
            fresh.drain(..).for_each(|slot| shared.ends.release(slot));
            runs.clear();
            matches.clear();
            spent.clear();
            return result;
        }
        spent.drain(..).for_each(|slot| shared.ends.release(slot));
        fresh.clear();
        std::mem::swap(&mut partition.runs, runs);
        runs.clear();
        partition.runs.fit();
        matches.iter().for_each(|found| partition.matches.push(*found));
        matches.clear();
        partition.common = common_of(&partition.runs);
        partition.hold(row);
        Ok(())
    }

    /// The commonest row of a long run: all runs are at one greedy variable without an end, and the row fits it. Then
    /// none of them changes, since no other variable may have the row; at most one more begins.
    fn stays(
        &mut self,
        partition: &mut Partition,
        shared: &mut Shared,
        row: u32,
        context: &Context,
    ) -> Result<bool, EvalError> {
        let Some(at) = partition.common.map(|element| element as usize) else { return Ok(false) };
        let Element { greedy, max: u32::MAX, .. } = self.elements[at] else { return Ok(false) };
        let after_greedy = at > 0 && self.elements[at - 1].greedy;
        let Some(not_begun) = partition.runs.last().filter(|run| run.start == NOT_BEGUN) else { return Ok(false) };
        if !greedy || after_greedy || self.known.of_row & 1 << at == 0 {
            return Ok(false);
        }
        let trial = Trial { partition, run: not_begun, len: 0, row, context };
        if !self.holds(at, &trial, shared)? {
            return Ok(false);
        }
        if at > 0 {
            // A run would begin with other variables.
            return Ok(self.elements[0].min > 0 && !self.holds(0, &trial, shared)?);
        }
        if self.limited && partition.runs.len() + partition.matches.len() > RUNS_MAX {
            self.given_up += 1;
        } else {
            let ends = shared.ends.take();
            partition.runs.begin(Candidate { start: partition.number, element: 0, rows: 0, ends });
        }
        Ok(true)
    }

    /// Gives up the oldest runs until the rows that are held are within the limit.
    pub fn limit(&mut self, partition: &mut Partition, shared: &mut Shared) {
        while self.limited && partition.held.len() > ROWS_MAX && partition.oldest() != NOT_BEGUN {
            let oldest = partition.oldest();
            self.given_up += partition.drop_before(oldest + 1, &mut shared.ends) as u64;
            partition.trim(&mut shared.rows);
        }
    }

    fn carry_on(
        &mut self,
        partition: &Partition,
        shared: &mut Shared,
        row: u32,
        context: &Context,
    ) -> Result<(), EvalError> {
        let mut at = 0;
        while let Some(run) = partition.runs.get(at) {
            at += 1;
            self.known.tested &= self.known.of_row;
            let len = if run.start == NOT_BEGUN { 0 } else { (partition.number - run.start) as u32 };
            let kept = self.follow(&Trial { partition, run, len, row, context }, shared)?;
            if run.start == NOT_BEGUN {
                self.step.runs.push(run);
            } else if !kept {
                self.step.spent.push(run.ends);
            }
            // The oldest run is a match that skips this row and so all other runs: what the row is to them is no matter.
            if at == 1 && self.skip == AfterMatch::PastLastRow && !self.step.matches.is_empty() {
                for other in partition.runs.iter().skip(1) {
                    match other.start {
                        NOT_BEGUN => self.step.runs.push(*other),
                        _ => self.step.spent.push(other.ends),
                    }
                }
                break;
            }
        }
        Ok(())
    }

    /// All ways in which the row carries the run on. Whether one of them goes on with the run's own slot in [`Ends`].
    fn follow(&mut self, trial: &Trial<'_>, shared: &mut Shared) -> Result<bool, EvalError> {
        let mut at = trial.run.element as usize;
        let begin = if at == 0 { 0 } else { shared.ends.get(trial.run.ends)[at - 1] };
        // How many rows the variable `at` has.
        let mut count = trial.len - begin;
        let mut keeps = false;
        loop {
            if self.is_barred(at, count, trial, shared)? {
                return Ok(keeps);
            }
            if self.holds(at, trial, shared)? {
                keeps |= self.put(at, count, trial, shared)?;
            }
            if count < self.elements[at].min || at + 1 == self.elements.len() {
                return Ok(keeps);
            }
            (at, count) = (at + 1, 0);
        }
    }

    /// Whether the variable before is greedy and would take the row, so that this one must not begin with it.
    fn is_barred(&mut self, at: usize, count: u32, trial: &Trial<'_>, shared: &Shared) -> Result<bool, EvalError> {
        Ok(count == 0 && at > 0 && self.elements[at - 1].greedy && self.holds(at - 1, trial, shared)?)
    }

    /// Whether the row fits the variable, as the next of the run.
    fn holds(&mut self, variable: usize, trial: &Trial<'_>, shared: &Shared) -> Result<bool, EvalError> {
        let bit = 1 << variable;
        if self.known.tested & bit == 0 {
            let Trial { partition, run, row, context, .. } = trial;
            let holds = match &mut self.elements[variable].test {
                Test::Any => true,
                Test::Row(program) => program.eval_bool(shared.rows.get(*row), context)? == Some(true),
                Test::Run(formula) => {
                    let time = shared.rows.time(*row);
                    let rows = partition.run(shared, run);
                    formula.holds(&RunRows { tested: Some((variable, *row)), time, ..rows }, context)?
                }
            };
            self.known.tested |= bit;
            self.known.holds = self.known.holds & !bit | u64::from(holds) << variable;
        }
        Ok(self.known.holds & bit != 0)
    }

    /// The variable `at`, which has `count` rows, takes the row. Whether the run goes on with its own slot.
    fn put(&mut self, at: usize, count: u32, trial: &Trial<'_>, shared: &mut Shared) -> Result<bool, EvalError> {
        let Trial { partition, run, len, .. } = *trial;
        let (next, count) = if count + 1 == self.elements[at].max { (at + 1, 0) } else { (at, count + 1) };
        let is_new = run.start == NOT_BEGUN;
        let start = if is_new { partition.number } else { run.start };
        let variables = self.elements.len();
        let keeps = next == run.element as usize && !is_new;
        if next < variables {
            // New ones stop first, so that there is room for those that go on in more than one way.
            let runs = self.step.runs.len().max(partition.runs.len()) + partition.matches.len();
            let most = if is_new { RUNS_MAX } else { 2 * RUNS_MAX };
            if self.limited && !keeps && runs > most {
                self.given_up += 1;
            } else {
                let ends = if keeps { run.ends } else { self.share_out(at, next, trial, &mut shared.ends) };
                self.step.runs.push(Candidate { start, element: next as u32, rows: 0, ends });
            }
        }
        if self.can_end(next, count, trial, shared)? {
            let ends = self.share_out(at, variables, trial, &mut shared.ends);
            self.step.matches.push(Candidate { start, element: variables as u32, rows: len + 1, ends });
        }
        Ok(keeps)
    }

    /// Whether nothing more is needed after the row: the variables from `at` on, of which the first has `count` rows.
    fn can_end(
        &mut self,
        mut at: usize,
        mut count: u32,
        trial: &Trial<'_>,
        shared: &Shared,
    ) -> Result<bool, EvalError> {
        while at < self.elements.len() {
            if count < self.elements[at].min || self.is_barred(at, count, trial, shared)? {
                return Ok(false);
            }
            (at, count) = (at + 1, 0);
        }
        Ok(true)
    }

    /// A slot with the ends of all variables before `next`, where the variable `at` takes the row.
    fn share_out(&mut self, at: usize, next: usize, trial: &Trial<'_>, ends: &mut Ends) -> u32 {
        let slot = if trial.run.start == NOT_BEGUN { ends.take() } else { ends.copy(trial.run.ends) };
        self.step.fresh.push(slot);
        let open = ends.get_mut(slot).iter_mut().enumerate().take(next).skip(trial.run.element as usize);
        open.for_each(|(variable, end)| *end = trial.len + u32::from(variable >= at));
        slot
    }

    /// Runs that are over for want of time, at this time, are gone.
    pub fn expire(&mut self, partition: &mut Partition, shared: &mut Shared, time: Millis) {
        let Some(within_ms) = self.within_ms else { return };
        if partition.due(&shared.rows, Some(within_ms)).is_none_or(|due| due > time) {
            return;
        }
        let (held, first) = (&partition.held, partition.first_held());
        let is_over = |candidate: &Candidate, rows: &RowStore| {
            let slot = candidate.start.checked_sub(first).and_then(|at| held.get(at as usize));
            slot.is_some_and(|slot| rows.time(*slot).saturating_add(within_ms) <= time)
        };
        let Shared { rows, ends } = shared;
        for over in partition.runs.iter().filter(|run| is_over(run, rows)) {
            ends.release(over.ends);
        }
        partition.runs.rebuild(|run| is_over(run, rows));
    }

    /// Puts out the matches that wait for no run any more.
    pub fn settle(&mut self, partition: &mut Partition, shared: &mut Shared, put: &mut Put<'_>) {
        while let Some(found) = partition.matches.first() {
            if partition.runs.first().is_some_and(|run| run.start < found.start) {
                break;
            }
            partition.matches.pop();
            let rows = RunRows { len: found.rows as usize, time: put.time, ..partition.run(shared, &found) };
            let (kept_from, row) = match self.skip(&rows, found.start) {
                Ok(kept_from) => (kept_from, self.measure(&rows, put).map_err(RowError::from)),
                Err(error) => (found.start + 1, Err(error)),
            };
            match row {
                Ok(row) => put.out.push(row),
                Err(error) => put.out.failed.push((put.key.to_vec(), error)),
            }
            shared.ends.release(found.ends);
            partition.drop_before(kept_from, &mut shared.ends);
        }
        partition.trim(&mut shared.rows);
    }

    /// The first row with which runs and matches may begin after this match.
    fn skip(&self, rows: &RunRows<'_>, start: u64) -> Result<u64, RowError> {
        let name = || self.skip_to.clone().unwrap_or_default();
        let row = match self.skip {
            AfterMatch::ToNextRow => return Ok(start + 1),
            AfterMatch::PastLastRow => return Ok(start + rows.len as u64),
            AfterMatch::ToFirst(variable) => rows.range(variable).map(|(first, _)| first),
            AfterMatch::ToLast(variable) => rows.range(variable).map(|(_, last)| last),
        };
        match row {
            None => Err(RowError::SkipToNothing(name())),
            Some(0) => Err(RowError::SkipToStart(name())),
            Some(row) => Ok(start + row as u64),
        }
    }

    fn measure(&mut self, rows: &RunRows<'_>, put: &Put<'_>) -> Result<Row, EvalError> {
        let mut row = Row::with_capacity(put.key.len() + self.measures.len());
        row.extend_from_slice(put.key);
        for measure in &mut self.measures {
            row.push(measure.value(rows, put.context)?);
        }
        Ok(row)
    }
}

/// The variable of all runs that have begun, if it is one.
fn common_of(runs: &Candidates) -> Option<u32> {
    let mut begun = runs.iter().filter(|run| run.start != NOT_BEGUN).map(|run| run.element);
    begun.next().filter(|first| begun.all(|element| element == *first))
}

impl Partition {
    /// The rows that are held, then runs and matches, each with its age, its variable and how its rows are shared out.
    pub fn write(&self, shared: &Shared, writer: &mut Writer) {
        writer.count(self.held.len());
        for row in &self.held {
            writer.signed(shared.rows.time(*row));
            writer.row(shared.rows.get(*row));
        }
        for candidates in [&self.runs, &self.matches] {
            writer.count(candidates.len());
            for candidate in candidates.iter() {
                // The run that has not begun has age 0.
                writer.unsigned(self.number.saturating_sub(candidate.start));
                if candidate.start != NOT_BEGUN {
                    writer.unsigned(u64::from(candidate.element));
                    writer.unsigned(u64::from(candidate.rows));
                    let ends = shared.ends.get(candidate.ends).iter().take(candidate.element as usize);
                    ends.for_each(|end| writer.unsigned(u64::from(*end)));
                }
            }
        }
    }

    pub fn read(reader: &mut Reader<'_>, shared: &mut Shared) -> Result<Partition, RestoreError> {
        let mut partition = Partition { runs: Candidates::default(), ..Partition::default() };
        for _ in 0..reader.count()? {
            let time = reader.signed()?;
            let values = reader.row(shared.rows.width())?;
            partition.held.push_back(shared.rows.add(time, values.iter()));
            partition.number += 1;
        }
        for _ in 0..reader.count()? {
            let run = partition.read_candidate(reader, shared, false)?;
            partition.runs.push(run);
        }
        if partition.runs.iter().filter(|run| run.start == NOT_BEGUN).count() != 1 {
            return Err(RestoreError("a partition cannot begin a run".to_owned()));
        }
        partition.common = common_of(&partition.runs);
        for _ in 0..reader.count()? {
            let found = partition.read_candidate(reader, shared, true)?;
            partition.matches.push(found);
        }
        Ok(partition)
    }

    fn read_candidate(
        &self,
        reader: &mut Reader<'_>,
        shared: &mut Shared,
        is_match: bool,
    ) -> Result<Candidate, RestoreError> {
        let wrong = || RestoreError("a run does not fit its rows".to_owned());
        let age = reader.unsigned()?;
        if age == 0 && !is_match {
            return Ok(Candidate { start: NOT_BEGUN, element: 0, rows: 0, ends: u32::MAX });
        }
        let start = self.number.checked_sub(age).filter(|_| age > 0).ok_or_else(wrong)?;
        let narrow = |number: u64| u32::try_from(number).map_err(|_| wrong());
        let (element, rows) = (narrow(reader.unsigned()?)?, narrow(reader.unsigned()?)?);
        let variables = shared.ends.variables() as u32;
        let len = if is_match { u64::from(rows) } else { age };
        let is_known = if is_match { element == variables && rows > 0 } else { element < variables };
        if !is_known || len > age {
            return Err(wrong());
        }
        let ends = shared.ends.take();
        let mut before = 0;
        for at in 0..element as usize {
            let end = narrow(reader.unsigned()?)?;
            if end < before || u64::from(end) > len {
                return Err(wrong());
            }
            before = end;
            shared.ends.get_mut(ends)[at] = end;
        }
        Ok(Candidate { start, element, rows, ends })
    }
}
