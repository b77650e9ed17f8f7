//! Runs the plan: `step(now, batch)` is a pure function of the input log. No clock, no I/O, no randomness, no async.
//!
//! **How `now` and rows interleave.** A step first moves time from the `now` of the last step to its own: each deadline
//! in between (a device that falls idle, a window that waits for the clock) is dealt with at its own moment, in order,
//! and what it fires is stamped with that moment (it is what CURRENT_TIMESTAMP says there). Then come the rows, all at
//! `now`, sources in order of index, each source's rows in order of arrival. A row is judged by the watermarks before
//! it; then it moves them; then everything that became due fires, before the next row. So `step(t1, none)` followed by
//! `step(t2, rows)` has the outputs and the state of `step(t2, rows)`. A step of the clock restarts what was derived
//! from `now` alone; windows over the time of arrival close on the old time line.
//!
//! **Bounded output.** Work that is due waits in a queue. When a step has put out enough it stops there and says `more`;
//! the next step goes on where it stopped, before anything new. So the sequence of outputs is that of an engine without
//! a bound. While `more` is set there is no snapshot to take: the queue is not part of one.
//!
//! Nothing reaches an output in the order of a hash map. A row that makes an expression fail is a [`Failure`] of that
//! query alone. New kinds of SQL are new operators (`operator.rs`), which `build.rs` makes of the plan's nodes.

mod aggregate;
mod build;
mod codec;
mod computed;
mod count_windows;
mod distinct;
pub mod eval;
mod expiring;
mod first_row;
mod join;
mod key_index;
mod keyed;
mod limit;
mod operand;
mod operator;
mod over;
mod query;
mod rank;
mod recognize;
mod report;
mod session_rows;
mod sessions;
mod sort;
#[cfg(test)]
mod tests;
mod unnest;
mod watermark;
mod windowing;

pub use build::{TimeLine, time_lines};
pub use join::{
    KEYS_MAX as VERSION_KEYS_MAX, VERSIONS_MAX as VERSIONS_OF_A_KEY_MAX, WAITING_MAX as VERSION_JOIN_WAITING_MAX,
};
pub use recognize::{ROWS_MAX as MATCH_ROWS_MAX, RUNS_MAX as MATCH_RUNS_MAX};
pub use watermark::DEVICES_MAX;

use std::collections::VecDeque;
use std::sync::Arc;

use self::computed::Computed;
use self::query::{Arrival, Event, Query, row_bytes};
use self::watermark::{Move, Rule, TimeMoves};
use self::windowing::event_time;
use crate::model::{After, Millis, Now, Row, Value};
use crate::plan::Topology;

/// Raised with each change of results: state of an older number is not restored.
pub const SEMANTICS: u32 = 4;

#[derive(Clone, Debug)]
pub struct Limits {
    /// `step` stops firing timers once it has put out this many bytes; the rest comes with the next steps.
    pub output_bytes_max: usize,
}

/// Rows of one source in order of arrival. The caller gives each source at most once a step, in order of index.
#[derive(Clone, Debug)]
pub struct Input {
    pub source: usize,
    pub rows: Vec<InputRow>,
}

#[derive(Clone, Debug)]
pub struct InputRow {
    pub arrival: Millis,
    /// Without the columns that are computed.
    pub values: Row,
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    pub outputs: Vec<Output>,
    /// Rows that made an expression fail.
    pub failures: Vec<Failure>,
    /// Late rows of the queries that give them back.
    pub late: Vec<LateRow>,
    /// One for each query of the topology.
    pub counts: Vec<QueryCounts>,
    /// Timers are still due: step again at the same `now`, before any new row.
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub query: usize,
    pub row: Row,
}

/// A source's row for which no operator of the query had a use any more.
#[derive(Clone, Debug, PartialEq)]
pub struct LateRow {
    pub query: usize,
    pub source: usize,
    pub row: Row,
    /// What the operator that was the last to see it judged it by.
    pub watermark: Millis,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub query: usize,
    /// The row that failed and what it is: an input row of a source, or an intermediate one (a closed window).
    pub row: Row,
    pub reason: String,
    /// Whether `row` is an input row, counted in `QueryCounts::failed`.
    pub is_input: bool,
}

/// Each row that entered the query is in exactly one of the first four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryCounts {
    pub used: u64,
    pub filtered: u64,
    pub late: u64,
    pub failed: u64,
    /// No input rows: rows that an operator put out, such as closed windows, too late for the next operator.
    pub late_results: u64,
    /// No rows: what operators gave up at the limits of their state, such as partial matches.
    pub given_up: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the saved state cannot be read: {0}")]
pub struct RestoreError(pub String);

/// Why a row is a failure.
#[derive(Debug, thiserror::Error)]
enum RowError {
    #[error(transparent)]
    Eval(#[from] eval::EvalError),
    #[error("the event time is NULL")]
    NoEventTime,
    #[error("AFTER MATCH SKIP TO {0}: the match has no row of {0}")]
    SkipToNothing(String),
    #[error("AFTER MATCH SKIP TO {0}: that is the first row of the match, so the search would never get past it")]
    SkipToStart(String),
}

/// Work that waits until what came before it has fired.
enum Work {
    /// A query's time moves: stages from this one on fire what is due.
    Advance { query: usize, stage: usize, event: Event, now_ms: Millis },
    /// The windows of a silent device have fired up to now: when does the next one end?
    Watch { source: usize, device: Value },
}

/// A step that is not done.
struct Tick {
    now: Now,
    phase: Phase,
    inputs: VecDeque<(usize, std::vec::IntoIter<InputRow>)>,
}

enum Phase {
    Begin,
    Time,
    Rows,
}

struct Source {
    rule: Rule,
    computed: Option<Computed>,
    /// Columns of its rows.
    event_time: Option<usize>,
    device: Option<usize>,
    /// The event time is when a row arrived, so it follows the clock.
    by_arrival: bool,
    /// The queries that read it, in order.
    readers: Vec<usize>,
    /// The sources that one of these queries reads as well, itself among them: their time advances together.
    linked: Vec<usize>,
}

pub struct Engine {
    topology: Arc<Topology>,
    limits: Limits,
    /// Whether what operators keep is limited.
    limited: bool,
    sources: Vec<Source>,
    queries: Vec<Query>,
    /// Rows of the lookup tables.
    tables: Vec<Arc<[Row]>>,
    queue: VecDeque<Work>,
    ticks: VecDeque<Tick>,
    /// Bytes put out by this step.
    bytes: usize,
    last: Option<Now>,
}

impl Engine {
    pub fn new(topology: Arc<Topology>, limits: Limits) -> Engine {
        let queries: Vec<Query> = topology
            .queries
            .iter()
            .enumerate()
            .map(|(index, query)| Query::new(index, query, &topology.sources, true))
            .collect();
        let reads = |query: usize, source: usize| queries[query].reads(source);
        let linked = |source: usize, other: usize| {
            other == source || (0..queries.len()).any(|query| reads(query, source) && reads(query, other))
        };
        let source = |(index, source): (usize, &crate::plan::Source)| Source {
            rule: Rule::new(&source.watermark),
            computed: Computed::new(&source.computed),
            event_time: source.schema.event_time.filter(|_| source.watermark != crate::plan::Watermark::None),
            device: source.schema.device,
            by_arrival: source.by_arrival,
            readers: (0..queries.len()).filter(|query| reads(*query, index)).collect(),
            linked: (0..topology.sources.len()).filter(|other| linked(index, *other)).collect(),
        };
        let sources = topology.sources.iter().enumerate().map(source).collect();
        let tables = topology.tables.iter().map(|_| Arc::from([])).collect();
        Engine {
            topology,
            limits,
            limited: true,
            sources,
            queries,
            tables,
            queue: VecDeque::new(),
            ticks: VecDeque::new(),
            bytes: 0,
            last: None,
        }
    }

    /// A new engine whose operators keep as much as they need, for input that ends.
    pub fn without_state_limits(mut self) -> Engine {
        self.limited = false;
        (0..self.queries.len()).for_each(|query| self.reset_query(query));
        self
    }

    /// From now on the lookup table has these rows; until it is first set it has none. Not while `more` is set.
    pub fn set_table(&mut self, table: usize, rows: Arc<[Row]>) {
        self.queries.iter_mut().for_each(|query| query.set_table(table, &rows));
        if let Some(known) = self.tables.get_mut(table) {
            *known = rows;
        }
    }

    /// Advances time to `now`, firing timers at their own deadlines, then takes the rows.
    pub fn step(&mut self, now: Now, inputs: Vec<Input>) -> Step {
        let inputs = inputs.into_iter().map(|input| (input.source, input.rows.into_iter())).collect();
        self.ticks.push_back(Tick { now, phase: Phase::Begin, inputs });
        self.run()
    }

    /// The end of all input (`query -f`): every watermark becomes plus infinity and everything closes.
    /// Called again while `more` is set; after that the engine takes no more rows.
    pub fn finish(&mut self) -> Step {
        if self.queue.is_empty() && self.ticks.is_empty() {
            let now_ms = self.last.map_or(0, |now| now.millis);
            for query in (0..self.queries.len()).filter(|query| self.queries[*query].is_stateful()) {
                self.queue.push_back(Work::Advance { query, stage: 0, event: Event::End, now_ms });
            }
        }
        self.run()
    }

    fn run(&mut self) -> Step {
        let mut step = Step { counts: vec![QueryCounts::default(); self.queries.len()], ..Step::default() };
        self.bytes = 0;
        loop {
            if !self.work_off(&mut step) {
                step.more = true;
                return step;
            }
            let Some(mut tick) = self.ticks.pop_front() else { return step };
            let done = match tick.phase {
                Phase::Begin => {
                    self.begin(tick.now);
                    tick.phase = Phase::Time;
                    false
                }
                Phase::Time => {
                    if !self.advance_time(tick.now) {
                        tick.phase = Phase::Rows;
                    }
                    false
                }
                Phase::Rows => self.take_rows(&mut tick, &mut step),
            };
            if !done {
                self.ticks.push_front(tick);
            }
        }
    }

    /// Does what waits in the queue. `false`: the step has put out enough.
    fn work_off(&mut self, step: &mut Step) -> bool {
        while let Some(work) = self.queue.front_mut() {
            match work {
                Work::Watch { source, device } => {
                    let readers = &self.sources[*source].readers;
                    let next = |query: &usize| self.queries[*query].next_due_of(*source, device);
                    let due = readers.iter().filter_map(next).min();
                    if let (Rule::Device(rule), Some(due)) = (&mut self.sources[*source].rule, due) {
                        rule.watch(device, due);
                    }
                }
                Work::Advance { query, stage, event, now_ms } => {
                    let query = &mut self.queries[*query];
                    while let Some(due) = query.next_due(event, *stage) {
                        *stage = due;
                        loop {
                            if self.bytes > 0 && self.bytes >= self.limits.output_bytes_max {
                                return false;
                            }
                            if !query.fire(due, event, *now_ms, step, &mut self.bytes) {
                                break;
                            }
                        }
                        *stage = due + 1;
                    }
                }
            }
            self.queue.pop_front();
        }
        true
    }

    fn begin(&mut self, now: Now) {
        if now.after != After::Tick {
            for source in 0..self.sources.len() {
                let Source { rule, by_arrival, .. } = &mut self.sources[source];
                if *by_arrival && now.after == After::Step {
                    *rule = Rule::new(&self.topology.sources[source].watermark);
                    self.queue_for_readers(source, &Event::Restart { source }, now.millis);
                }
                if let Rule::Device(rule) = &mut self.sources[source].rule {
                    let shared = rule.step_clock(now.millis);
                    if !shared.is_none() {
                        self.queue_for_readers(source, &Event::Shared { source, moved: shared }, now.millis);
                    }
                }
            }
        }
        self.last = Some(now);
    }

    fn queue_for_readers(&mut self, source: usize, event: &Event, now_ms: Millis) {
        for query in self.sources[source].readers.iter().copied().filter(|query| self.queries[*query].is_stateful()) {
            self.queue.push_back(Work::Advance { query, stage: 0, event: event.clone(), now_ms });
        }
    }

    /// The source's shared watermark at which something happens next.
    fn next_due(&self, source: usize) -> Option<Millis> {
        self.sources[source].readers.iter().filter_map(|query| self.queries[*query].next_due_by(source)).min()
    }

    fn deadline(&self, source: usize, trusted: bool) -> Option<Millis> {
        match &self.sources[source].rule {
            Rule::Device(rule) => rule.next_deadline(trusted, self.next_due(source)),
            Rule::None | Rule::Source { .. } => None,
        }
    }

    /// Moves time to the next deadline up to `now`; `false`: there is none, time stands at `now`.
    fn advance_time(&mut self, now: Now) -> bool {
        let deadlines: Vec<Option<Millis>> = (0..self.sources.len())
            .map(|source| self.deadline(source, now.trusted).filter(|due| *due <= now.millis))
            .collect();
        let earliest = deadlines.iter().flatten().min().copied();
        let mut moving: Vec<usize> = (0..self.sources.len()).filter(|source| deadlines[*source] == earliest).collect();
        moving = moving.into_iter().flat_map(|source| self.sources[source].linked.clone()).collect();
        moving.sort_unstable();
        moving.dedup();
        if let Some(due) = earliest {
            // What fires goes to stages that have not learnt of the deadline yet. They must not stand where the last tick
            // happened to leave them, which a replay by other ticks would not know.
            self.move_time(&moving, due.saturating_sub(1), now.trusted);
        }
        self.move_time(&moving, earliest.unwrap_or(now.millis), now.trusted);
        earliest.is_some()
    }

    fn move_time(&mut self, moving: &[usize], to: Millis, trusted: bool) {
        for &source in moving {
            let Rule::Device(rule) = &mut self.sources[source].rule else { continue };
            let TimeMoves { devices, shared } = rule.advance(to, trusted);
            for (device, moved) in devices {
                self.queue_for_readers(source, &Event::Device { source, device: device.clone(), moved }, to);
                self.queue.push_back(Work::Watch { source, device });
            }
            if let Some(moved) = shared {
                self.queue_for_readers(source, &Event::Shared { source, moved }, to);
            }
        }
    }

    /// Takes rows until something is due (`false`) or none is left (`true`).
    fn take_rows(&mut self, tick: &mut Tick, step: &mut Step) -> bool {
        while let Some((source, rows)) = tick.inputs.front_mut() {
            for row in rows {
                self.take_row(*source, row.values, tick.now, step);
                if !self.queue.is_empty() {
                    return false;
                }
            }
            tick.inputs.pop_front();
        }
        true
    }

    fn take_row(&mut self, index: usize, mut row: Row, now: Now, step: &mut Step) {
        let Some(source) = self.sources.get_mut(index) else { return };
        if let Some(computed) = &source.computed {
            let (whole, failed) = computed.complete(&row, now.millis);
            row = whole;
            if let Some(error) = failed {
                for query in &source.readers {
                    self.queries[*query].fail(row.clone(), error.to_string(), step);
                }
                return;
            }
        }
        let mut device = Value::Null;
        let moves = match source.event_time {
            None => source.rule.row(&device, 0),
            Some(column) => {
                let Some(time) = event_time(&row, column) else {
                    for query in &source.readers {
                        self.queries[*query].fail(row.clone(), RowError::NoEventTime.to_string(), step);
                    }
                    return;
                };
                let counted = source.rule.clamp(time, now);
                if counted != time {
                    row[column] = Value::Timestamp(counted.saturating_mul(1_000));
                }
                if let (Rule::Device(_), Some(column)) = (&source.rule, source.device) {
                    device = row.get(column).cloned().unwrap_or(Value::Null);
                }
                source.rule.row(&device, counted)
            }
        };
        let arrival = Arrival { now_ms: now.millis, watermark: moves.device.from, device_watermark: moves.device.from };
        let has_device = matches!(source.rule, Rule::Device(_));
        let readers = source.readers.len();
        if let Some(forgotten) = moves.forgotten {
            let moved = Move { from: 0, to: Millis::MAX };
            self.queue_for_readers(index, &Event::Device { source: index, device: forgotten, moved }, now.millis);
        }
        for at in 0..readers {
            let query_index = self.sources[index].readers[at];
            let query = &mut self.queries[query_index];
            query.take(index, &mut row, at + 1 == readers, arrival, step, &mut self.bytes);
            if !query.is_stateful() {
                continue;
            }
            let mut advance = |stage: usize, event: Event| {
                self.queue.push_back(Work::Advance { query: query_index, stage, event, now_ms: now.millis });
            };
            let shared = Event::Shared { source: index, moved: moves.shared };
            if has_device && query.is_due(index, &device, moves.device) {
                advance(0, Event::Device { source: index, device: device.clone(), moved: moves.device });
                advance(0, shared);
            } else if !moves.shared.is_none() {
                let event = shared;
                if let Some(stage) = query.next_due(&event, 0) {
                    advance(stage, event);
                }
            }
        }
    }

    /// The earliest `now` at which `step` without rows could put out something; `None`: only rows can.
    pub fn next_deadline(&self) -> Option<Millis> {
        let last = self.last?;
        if !self.queue.is_empty() || !self.ticks.is_empty() {
            return Some(last.millis);
        }
        let waits = |source: &usize| self.next_due(*source).is_some() || self.closes_after(*source);
        (0..self.sources.len()).filter(waits).filter_map(|source| self.deadline(source, last.trusted)).min()
    }

    fn closes_after(&self, source: usize) -> bool {
        matches!(&self.topology.sources[source].watermark, crate::plan::Watermark::Device(rule) if rule.close_after_ms.is_some())
    }

    /// The state of the source's watermarks. Not while `more` is set.
    pub fn snapshot_source(&self, source: usize) -> Vec<u8> {
        debug_assert!(self.queue.is_empty() && self.ticks.is_empty(), "a snapshot in the middle of a step");
        self.sources[source].rule.snapshot()
    }

    pub fn restore_source(&mut self, source: usize, state: &[u8]) -> Result<(), RestoreError> {
        self.sources[source].rule.restore(state)?;
        for at in 0..self.sources[source].readers.len() {
            self.align(self.sources[source].readers[at]);
        }
        Ok(())
    }

    /// The state of the query's operators. Not while `more` is set.
    pub fn snapshot_query(&self, query: usize) -> Vec<u8> {
        debug_assert!(self.queue.is_empty() && self.ticks.is_empty(), "a snapshot in the middle of a step");
        self.queries[query].snapshot()
    }

    /// After an error the query's state is as it was.
    pub fn restore_query(&mut self, query: usize, state: &[u8]) -> Result<(), RestoreError> {
        let mut restored = self.new_query(query);
        restored.restore(state)?;
        self.queries[query] = restored;
        self.align(query);
        Ok(())
    }

    /// Forgets the query's state, as if it had just been added.
    pub fn reset_query(&mut self, query: usize) {
        self.queries[query] = self.new_query(query);
        self.align(query);
    }

    fn new_query(&self, query: usize) -> Query {
        let plan = &self.topology.queries[query];
        let mut new = Query::new(query, plan, &self.topology.sources, self.limited);
        for (table, rows) in self.tables.iter().enumerate() {
            new.set_table(table, rows);
        }
        new
    }

    /// A query's operators stand where its sources do.
    fn align(&mut self, query: usize) {
        for (index, source) in self.sources.iter().enumerate() {
            self.queries[query].set_watermark(index, source.rule.shared());
        }
    }

    /// Bytes held for the query, for metrics and for deciding when a snapshot pays.
    pub fn state_bytes(&self, query: usize) -> usize {
        self.queries[query].state_bytes()
    }

    /// Bytes held for the source's watermarks.
    pub fn source_state_bytes(&self, source: usize) -> usize {
        self.sources[source].rule.state_bytes()
    }
}
