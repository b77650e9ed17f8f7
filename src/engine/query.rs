//! One query as stages, and the way of a row through them.
//!
//! A stage stands before the one that reads it and names it, with the port (an operator may have several inputs). A row
//! goes down as far as it gets at once. Watermarks follow stage by stage: a stage fires all that is due, then those that
//! read it learn of the watermark, as in Flink. A stage's watermark is the smallest of the sources' below it.

use super::build::{self, Below, Stages};
use super::codec::{Reader, Writer};
use super::eval::{Context, EvalError, Program};
use super::join::Lookup;
use super::operand::Operand;
use super::operator::{At, Due, Out, Stateful, Taken};
use super::unnest::Unnest;
use super::watermark::Move;
use super::windowing::{Panes, event_time};
use super::{Failure, LateRow, Output, QueryCounts, RestoreError, RowError, Step};
use crate::model::{Millis, Row, Value};
use crate::plan::{self, Source};

/// What moves a query's time: something of one of its sources, or the end of all of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Shared {
        source: usize,
        moved: Move,
    },
    Device {
        source: usize,
        device: Value,
        moved: Move,
    },
    /// The source's time line ends and another one begins: what waits on it closes.
    Restart {
        source: usize,
    },
    /// All that is open closes.
    End,
}

pub enum Operator {
    Filter(Program),
    Project(Vec<Operand>),
    /// A window table function without aggregation.
    Window {
        time: usize,
        panes: Panes,
    },
    /// Each row once for each grouping set, with the keys of the set and its number.
    Expand {
        keys: Vec<Operand>,
        /// Which keys are in the set.
        sets: Vec<Vec<bool>>,
    },
    Lookup(Box<Lookup>),
    Unnest(Unnest),
    Stateful(Box<dyn Stateful>),
}

/// Where a stage's rows go.
#[derive(Clone, Copy, Debug)]
pub struct Next {
    /// Counted from the stage right after the one that names it; for the rows of a source, from the first.
    pub stage: usize,
    pub port: usize,
}

pub struct Stage {
    pub operator: Operator,
    /// `None`: the query's output.
    pub next: Option<Next>,
    /// Whether each device has its own time line here; the rows are then of one source.
    pub by_device: bool,
    pub below: Vec<Below>,
    /// The shared watermark, as far as this stage has seen it.
    pub watermark: Millis,
    /// Rows on their way out.
    pub out: Out,
}

pub struct Query {
    index: usize,
    stages: Vec<Stage>,
    entries: Vec<(usize, Option<Next>)>,
    stateful: Vec<usize>,
    /// The shared watermark of each source, as far as the query has seen it.
    watermarks: Vec<Millis>,
    gives_late: bool,
}

/// Where a row is in its query, and what became of it.
struct Walk<'a> {
    query: usize,
    context: Context,
    /// Watermark of the row's device before the row.
    device_watermark: Millis,
    outputs: &'a mut Vec<Output>,
    failures: &'a mut Vec<Failure>,
    output_bytes: &'a mut usize,
    kept: bool,
    /// The watermark by which it was late.
    late: Option<Millis>,
    counts: &'a mut QueryCounts,
}

/// A row that may be taken, or must be copied to be kept.
enum Carried<'a> {
    Borrowed(&'a [Value]),
    Owned(&'a mut Row),
}

impl Carried<'_> {
    fn values(&self) -> &[Value] {
        match self {
            Carried::Borrowed(values) => values,
            Carried::Owned(row) => row,
        }
    }

    fn into_row(self) -> Row {
        match self {
            Carried::Borrowed(values) => values.to_vec(),
            Carried::Owned(row) => std::mem::take(row),
        }
    }
}

/// What a row of a source brings along.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub now_ms: Millis,
    /// What CURRENT_WATERMARK says.
    pub watermark: Millis,
    pub device_watermark: Millis,
}

const VERSION: u8 = 1;

/// Buffers of rows up to here are kept for the next ones.
const KEPT_ROWS: usize = 64;

impl Query {
    pub fn new(index: usize, query: &plan::Query, sources: &[Source], limited: bool) -> Query {
        let Stages { stages, entries } = build::stages(query, sources, limited);
        let is_stateful = |at: &usize| matches!(stages[*at].operator, Operator::Stateful(_));
        let stateful = (0..stages.len()).filter(is_stateful).collect();
        let watermarks = vec![0; sources.len()];
        Query { index, stages, entries, stateful, watermarks, gives_late: query.gives_late }
    }

    pub fn reads(&self, source: usize) -> bool {
        self.entries.iter().any(|(read, _)| *read == source)
    }

    pub fn is_stateful(&self) -> bool {
        !self.stateful.is_empty()
    }

    /// From now on the lookup table has these rows.
    pub fn set_table(&mut self, table: usize, rows: &[Row]) {
        for stage in &mut self.stages {
            match &mut stage.operator {
                Operator::Lookup(lookup) if lookup.table == table => lookup.set_table(rows),
                _ => {}
            }
        }
    }

    /// Takes a row of a source. It is taken out of `row` if `last` and the query keeps it.
    pub fn take(
        &mut self,
        source: usize,
        row: &mut Row,
        last: bool,
        arrival: Arrival,
        step: &mut Step,
        bytes: &mut usize,
    ) {
        for entry in 0..self.entries.len() {
            let (read, next) = self.entries[entry];
            if read != source {
                continue;
            }
            let mut walk = Walk {
                query: self.index,
                context: Context {
                    now_ms: arrival.now_ms,
                    watermark: Some(arrival.watermark).filter(|watermark| *watermark > 0),
                },
                device_watermark: arrival.device_watermark,
                outputs: &mut step.outputs,
                failures: &mut step.failures,
                output_bytes: bytes,
                kept: false,
                late: None,
                counts: &mut step.counts[self.index],
            };
            let is_last = last && !self.entries[entry + 1..].iter().any(|(read, _)| *read == source);
            let carried = if is_last { Carried::Owned(row) } else { Carried::Borrowed(row) };
            let result = push(&mut self.stages, next, carried, &mut walk);
            let Walk { kept, late, counts, .. } = walk;
            match (result, late) {
                (Err(error), _) => self.fail(row.clone(), error.to_string(), step),
                (Ok(()), _) if kept => counts.used += 1,
                (Ok(()), Some(watermark)) => {
                    counts.late += 1;
                    if self.gives_late {
                        *bytes += row_bytes(row);
                        step.late.push(LateRow { query: self.index, source, row: row.clone(), watermark });
                    }
                }
                (Ok(()), None) => counts.filtered += 1,
            }
        }
    }

    /// The row cannot even enter.
    pub fn fail(&self, row: Row, reason: String, step: &mut Step) {
        let QueryCounts { failed, .. } = &mut step.counts[self.index];
        *failed += 1;
        step.failures.push(Failure { query: self.index, row, reason, is_input: true });
    }

    /// The first stage that may have something to fire, from `stage` on; those before it have learnt of the event.
    pub fn next_due(&mut self, event: &Event, stage: usize) -> Option<usize> {
        self.learn(event);
        for at in self.stateful.iter().copied().filter(|at| *at >= stage) {
            let stage = &mut self.stages[at];
            let Some(due) = stage.due(event, &self.watermarks) else { continue };
            if let Operator::Stateful(operator) = &mut stage.operator {
                if operator.may_be_due(due) {
                    return Some(at);
                }
            }
            stage.watermark = stage.watermark_of(&self.watermarks);
        }
        None
    }

    /// The same as `next_due(..).is_none()` for the own move of a row's device.
    pub fn is_due(&mut self, source: usize, device: &Value, own: Move) -> bool {
        !own.is_none()
            && self.stateful.iter().any(|at| {
                let stage = &mut self.stages[*at];
                let due = stage.device_due(source, device, own.to);
                match (&mut stage.operator, due) {
                    (Operator::Stateful(operator), Some(due)) => operator.may_be_due(due),
                    _ => false,
                }
            })
    }

    fn learn(&mut self, event: &Event) {
        match event {
            Event::Shared { source, moved } => self.watermarks[*source] = moved.to,
            Event::Device { .. } => {}
            Event::Restart { source } => self.watermarks[*source] = 0,
            Event::End => self.watermarks.fill(Millis::MAX),
        }
    }

    /// Fires what a stage has due next and sends it down. `false`: nothing is due there any more, and the stage has
    /// learnt of the event.
    pub fn fire(&mut self, stage: usize, event: &Event, now_ms: Millis, step: &mut Step, bytes: &mut usize) -> bool {
        let (firing, below) = self.stages[stage..].split_at_mut(1);
        let firing = &mut firing[0];
        let Some(due) = firing.due(event, &self.watermarks) else { return false };
        let from = match event {
            Event::Device { moved, .. } => moved.from - firing.delay_ms(),
            Event::Shared { .. } => firing.watermark,
            Event::Restart { .. } | Event::End => 0,
        };
        let context = Context { now_ms, watermark: Some(from).filter(|watermark| *watermark > 0) };
        let Operator::Stateful(operator) = &mut firing.operator else { return false };
        let fired = operator.fire(due, &context, &mut firing.out);
        let mut walk = Walk {
            query: self.index,
            context,
            device_watermark: match event {
                Event::Device { moved, .. } => moved.from,
                _ => from,
            },
            outputs: &mut step.outputs,
            failures: &mut step.failures,
            output_bytes: bytes,
            kept: false,
            late: None,
            counts: &mut step.counts[self.index],
        };
        send(&mut firing.out, below, firing.next, &mut walk);
        if !fired {
            firing.watermark = firing.watermark_of(&self.watermarks);
        }
        fired
    }

    fn operators(&self) -> impl Iterator<Item = (&Stage, &dyn Stateful)> {
        self.stateful.iter().filter_map(|at| match &self.stages[*at].operator {
            Operator::Stateful(operator) => Some((&self.stages[*at], &**operator)),
            _ => None,
        })
    }

    fn operators_mut(&mut self) -> impl Iterator<Item = &mut Box<dyn Stateful>> {
        self.stages.iter_mut().filter_map(|stage| match &mut stage.operator {
            Operator::Stateful(operator) => Some(operator),
            _ => None,
        })
    }

    /// The source stands at this watermark, and nothing fires.
    pub fn set_watermark(&mut self, source: usize, watermark: Millis) {
        self.watermarks[source] = watermark;
        for stage in &mut self.stages {
            stage.watermark = stage.watermark_of(&self.watermarks);
        }
    }

    /// The shared watermark of the source at which, as far as it goes, something happens next.
    pub fn next_due_by(&self, source: usize) -> Option<Millis> {
        let due = |(stage, operator): (&Stage, &dyn Stateful)| {
            let (_, delay_ms) = stage.below.iter().find(|(below, _)| *below == source)?;
            let due = operator.next_due()?;
            // What is due already (a late row may be) happens with the next move.
            Some(match due <= stage.watermark {
                true => self.watermarks[source].saturating_add(1),
                false => due.saturating_add(*delay_ms),
            })
        };
        self.operators().filter_map(due).min()
    }

    /// The same for a device's own watermark.
    pub fn next_due_of(&mut self, source: usize, device: &Value) -> Option<Millis> {
        let due = |stage: &mut Stage| {
            let delay_ms = stage.delay_ms();
            let is_its = stage.by_device && stage.below.iter().any(|(below, _)| *below == source);
            match &mut stage.operator {
                Operator::Stateful(operator) if is_its => Some(operator.next_due_of(device)?.saturating_add(delay_ms)),
                _ => None,
            }
        };
        self.stages.iter_mut().filter_map(due).min()
    }

    pub fn state_bytes(&self) -> usize {
        self.operators().map(|(_, operator)| operator.state_bytes()).sum()
    }

    pub fn snapshot(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.byte(VERSION);
        writer.count(self.stateful.len());
        self.operators().for_each(|(_, operator)| operator.write(&mut writer));
        writer.finish()
    }

    /// Restores a query that is new.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let mut reader = Reader::new(state);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(RestoreError(format!("it has version {version}, this is version {VERSION}")));
        }
        if reader.unsigned()? != self.stateful.len() as u64 {
            return Err(RestoreError("it belongs to a query with other operators".to_owned()));
        }
        for operator in self.operators_mut() {
            operator.read(&mut reader)?;
        }
        reader.end()
    }
}

impl Stage {
    /// How far its time line is behind that of the one source whose devices have their own here.
    fn delay_ms(&self) -> Millis {
        self.below.first().map_or(0, |(_, delay_ms)| *delay_ms)
    }

    fn watermark_of(&self, sources: &[Millis]) -> Millis {
        let delayed = |(source, delay_ms): &Below| sources[*source].saturating_sub(*delay_ms).max(0);
        self.below.iter().map(delayed).min().unwrap_or(0)
    }

    /// What the event means here; `None`: nothing.
    fn due<'e>(&self, event: &'e Event, sources: &[Millis]) -> Option<Due<'e>> {
        let reads = |source: &usize| self.below.iter().any(|(below, _)| below == source);
        match event {
            Event::Shared { source, .. } => reads(source).then(|| Due::Shared(self.watermark_of(sources))),
            Event::Device { source, device, moved } => self.device_due(*source, device, moved.to),
            Event::Restart { source } => reads(source).then_some(Due::End),
            Event::End => Some(Due::End),
        }
    }

    fn device_due<'e>(&self, source: usize, device: &'e Value, watermark: Millis) -> Option<Due<'e>> {
        let is_its = self.by_device && self.below.iter().any(|(below, _)| *below == source);
        let watermark = match watermark {
            Millis::MAX => watermark,
            _ => watermark - self.delay_ms(),
        };
        is_its.then_some(Due::Device(device, watermark))
    }
}

impl Walk<'_> {
    /// A row on its way out failed.
    fn fail(&mut self, row: Row, error: &RowError) {
        *self.output_bytes += row_bytes(&row);
        self.failures.push(Failure { query: self.query, row, reason: error.to_string(), is_input: false });
    }
}

/// Sends what an operator put out on its way, and counts what it gave up.
fn send(out: &mut Out, stages: &mut [Stage], next: Option<Next>, walk: &mut Walk<'_>) {
    for mut row in out.rows.drain(..) {
        // What becomes of it says nothing of the row of the source: that is accounted for already.
        let (kept, late) = (std::mem::take(&mut walk.kept), walk.late.take());
        match push(stages, next, Carried::Owned(&mut row), walk) {
            Err(error) => walk.fail(row, &error),
            Ok(()) if !walk.kept && walk.late.is_some() => walk.counts.late_results += 1,
            Ok(()) => {}
        }
        (walk.kept, walk.late) = (kept, late);
    }
    for (row, error) in out.failed.drain(..) {
        walk.fail(row, &error);
    }
    walk.counts.given_up += std::mem::take(&mut out.given_up);
    if out.rows.capacity() > KEPT_ROWS {
        out.rows = Vec::new();
    }
}

/// Bytes a row counts for against the limit of a step's output.
pub fn row_bytes(row: &[Value]) -> usize {
    size_of::<Output>() + row.iter().map(|value| size_of::<Value>() + value.heap_bytes()).sum::<usize>()
}

/// Sends a row into a stage, and on from there. An error leaves no trace of the row but copies already put out.
fn push(stages: &mut [Stage], to: Option<Next>, row: Carried<'_>, walk: &mut Walk<'_>) -> Result<(), RowError> {
    let Some(Next { stage: at, port }) = to else {
        let row = row.into_row();
        *walk.output_bytes += row_bytes(&row);
        walk.outputs.push(Output { query: walk.query, row });
        walk.kept = true;
        return Ok(());
    };
    let Some((stage, below)) = stages[at..].split_first_mut() else { return Ok(()) };
    let next = stage.next;
    match &mut stage.operator {
        Operator::Filter(predicate) => match predicate.eval_bool(row.values(), &walk.context)? {
            Some(true) => push(below, next, row, walk),
            _ => Ok(()),
        },
        Operator::Project(exprs) => {
            let values = row.values();
            let projected: Result<Row, EvalError> = exprs.iter().map(|expr| expr.eval(values, &walk.context)).collect();
            push(below, next, Carried::Owned(&mut projected?), walk)
        }
        Operator::Window { time, panes } => {
            let values = row.values();
            let Some(time) = event_time(values, *time) else { return Err(RowError::NoEventTime) };
            for window in panes.holding(panes.pane(time)) {
                let mut copy = Row::with_capacity(values.len() + 3);
                copy.extend_from_slice(values);
                copy.extend(panes.columns(window));
                push(below, next, Carried::Owned(&mut copy), walk)?;
            }
            Ok(())
        }
        Operator::Expand { keys, sets } => {
            let values = row.values();
            let keys: Result<Row, EvalError> = keys.iter().map(|key| key.eval(values, &walk.context)).collect();
            let keys = keys?;
            for (number, set) in sets.iter().enumerate() {
                let mut copy = Row::with_capacity(values.len() + keys.len() + 1);
                copy.extend_from_slice(values);
                copy.extend(keys.iter().zip(set).map(|(key, kept)| if *kept { key.clone() } else { Value::Null }));
                copy.push(Value::Int(number as i64));
                push(below, next, Carried::Owned(&mut copy), walk)?;
            }
            Ok(())
        }
        Operator::Unnest(unnest) => {
            for mut row in unnest.rows(row.values(), &walk.context)? {
                push(below, next, Carried::Owned(&mut row), walk)?;
            }
            Ok(())
        }
        Operator::Lookup(lookup) => {
            let mut joined = std::mem::take(&mut stage.out.rows);
            let mut result = lookup.join(row.values(), &walk.context, &mut joined).map_err(RowError::from);
            for mut row in joined.drain(..) {
                result = result.and_then(|()| push(below, next, Carried::Owned(&mut row), walk));
            }
            stage.out.rows = joined;
            result
        }
        Operator::Stateful(operator) => {
            let watermark = match stage.by_device {
                true => walk
                    .device_watermark
                    .saturating_sub(stage.below.first().map_or(0, |(_, delay_ms)| *delay_ms))
                    .max(0),
                false => stage.watermark,
            };
            let at = At { context: walk.context, watermark };
            match operator.take(port, row.values(), &at, &mut stage.out)? {
                Taken::Kept => walk.kept = true,
                Taken::Late => walk.late = Some(at.watermark),
                Taken::Filtered => {}
            }
            if !stage.out.is_empty() {
                send(&mut stage.out, below, next, walk);
            }
            Ok(())
        }
    }
}
