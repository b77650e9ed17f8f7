//! One query as a chain of operators, and the way of a row through it.
//!
//! Stages stand in topological order, each names the later one that reads it; an operator with two inputs (a join) will
//! be one more [`Operator`] that two stages name. A row goes down as far as it gets at once. Watermarks follow stage by
//! stage: a stage fires all that is due, then the next one learns of the watermark, as in Flink.

use super::aggregate::{ClosedBy, Due, Taken, WindowAggregate};
use super::codec::{Reader, Writer};
use super::eval::{Context, EvalError, Program};
use super::operand::Operand;
use super::watermark::Move;
use super::windowing::{Panes, event_time};
use super::{Failure, Output, QueryCounts, RestoreError, RowError, Step};
use crate::model::{Millis, Row, Value};
use crate::plan::{ExprKind, Node, NodeKind, Source, Watermark};

/// What moves a query's time.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Shared(Move),
    Device(Value, Move),
    /// All that is open closes; afterwards the watermark is this.
    End(Millis),
}

enum Operator {
    Filter(Program),
    Project(Vec<Operand>),
    /// A window table function without aggregation.
    Window {
        time: usize,
        panes: Panes,
    },
    Aggregate(Box<WindowAggregate>),
}

struct Stage {
    operator: Operator,
    /// The stage that reads this one, counted from the one right after it; `None`: the query's output.
    next: Option<usize>,
}

pub struct Query {
    index: usize,
    stages: Vec<Stage>,
    /// What each source it reads goes to: (source, stage).
    entries: Vec<(usize, Option<usize>)>,
    stateful: Vec<usize>,
    row: Row,
}

/// Where a row is in its query, and what became of it.
struct Walk<'a> {
    query: usize,
    context: Context,
    /// Watermark of the row's device before the row.
    device_watermark: Millis,
    outputs: &'a mut Vec<Output>,
    output_bytes: &'a mut usize,
    kept: bool,
    late: bool,
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

impl Query {
    pub fn new(index: usize, root: &Node, sources: &[Source]) -> Query {
        let mut query = Query { index, stages: Vec::new(), entries: Vec::new(), stateful: Vec::new(), row: Row::new() };
        query.build(root, None, sources);
        // Built from the output up; rows go the other way.
        let last = query.stages.len().wrapping_sub(1);
        query.stages.reverse();
        for (at, stage) in query.stages.iter_mut().enumerate() {
            stage.next = stage.next.map(|next| last - next - at - 1);
        }
        for (_, stage) in &mut query.entries {
            *stage = stage.map(|stage| last - stage);
        }
        let is_stateful = |at: &usize| matches!(query.stages[*at].operator, Operator::Aggregate(_));
        query.stateful = (0..query.stages.len()).filter(is_stateful).collect();
        query
    }

    fn build(&mut self, node: &Node, next: Option<usize>, sources: &[Source]) {
        let (operator, input) = match &node.kind {
            NodeKind::Scan { source } => {
                self.entries.push((*source, next));
                return;
            }
            NodeKind::Filter { input, predicate } => (Operator::Filter(Program::compile(predicate)), input),
            NodeKind::Project { input, exprs } => (Operator::Project(exprs.iter().map(Operand::new).collect()), input),
            NodeKind::Window { input, time, windowing } => {
                (Operator::Window { time: *time, panes: Panes::new(*windowing) }, input)
            }
            NodeKind::WindowAggregate { input, time, windowing, keys, aggregates } => {
                let device = device_column(input, sources);
                let is_device = |kind: &ExprKind| device.is_some_and(|device| *kind == ExprKind::Column(device));
                let closed_by = match keys.iter().position(|key| is_device(&key.kind)) {
                    Some(column) => ClosedBy::Device(column),
                    None => ClosedBy::Shared,
                };
                (
                    Operator::Aggregate(Box::new(WindowAggregate::new(*time, *windowing, keys, aggregates, closed_by))),
                    input,
                )
            }
        };
        self.stages.push(Stage { operator, next });
        self.build(input, Some(self.stages.len() - 1), sources);
    }

    pub fn reads(&self, source: usize) -> bool {
        self.entries.iter().any(|(read, _)| *read == source)
    }

    pub fn is_stateful(&self) -> bool {
        !self.stateful.is_empty()
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
            let (read, stage) = self.entries[entry];
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
                output_bytes: bytes,
                kept: false,
                late: false,
            };
            let is_last = last && entry + 1 == self.entries.len();
            let carried = if is_last { Carried::Owned(row) } else { Carried::Borrowed(row) };
            let result = push(&mut self.stages, stage, carried, &mut walk);
            let (kept, late) = (walk.kept, walk.late);
            let counts = &mut step.counts[self.index];
            match result {
                Err(error) => self.fail(row.clone(), error.to_string(), step),
                Ok(()) if kept => counts.used += 1,
                Ok(()) if late => counts.late += 1,
                Ok(()) => counts.filtered += 1,
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
        for at in self.stateful.iter().copied().filter(|at| *at >= stage) {
            if let Operator::Aggregate(aggregate) = &mut self.stages[at].operator {
                if aggregate.may_be_due(event.due()) {
                    return Some(at);
                }
                if let Some(watermark) = event.watermark() {
                    aggregate.set_watermark(watermark);
                }
            }
        }
        None
    }

    /// The same as `next_due(..).is_none()` for the own move of a row's device.
    pub fn is_due(&mut self, device: &Value, own: Move) -> bool {
        !own.is_none()
            && self.stateful.iter().any(|at| match &mut self.stages[*at].operator {
                Operator::Aggregate(aggregate) => aggregate.may_be_due(Due::Device(device, own.to)),
                _ => false,
            })
    }

    /// Fires one group of a stage and sends it down. `false`: nothing is due there any more, and the stage has learnt
    /// of the event.
    pub fn fire(&mut self, stage: usize, event: &Event, now_ms: Millis, step: &mut Step, bytes: &mut usize) -> bool {
        let (firing, below) = self.stages[stage..].split_at_mut(1);
        let Stage { operator: Operator::Aggregate(aggregate), next } = &mut firing[0] else { return false };
        if !aggregate.fire(event.due(), &mut self.row) {
            if let Some(watermark) = event.watermark() {
                aggregate.set_watermark(watermark);
            }
            return false;
        }
        let from = match event {
            Event::Shared(moved) | Event::Device(_, moved) => moved.from,
            Event::End(_) => 0,
        };
        let mut walk = Walk {
            query: self.index,
            context: Context { now_ms, watermark: Some(from).filter(|watermark| *watermark > 0) },
            device_watermark: from,
            outputs: &mut step.outputs,
            output_bytes: bytes,
            kept: false,
            late: false,
        };
        if let Err(error) = push(below, *next, Carried::Owned(&mut self.row), &mut walk) {
            let failure =
                Failure { query: self.index, row: self.row.clone(), reason: error.to_string(), is_input: false };
            *bytes += row_bytes(&failure.row);
            step.failures.push(failure);
        }
        true
    }

    fn aggregates(&self) -> impl Iterator<Item = &WindowAggregate> {
        self.stateful.iter().filter_map(|at| match &self.stages[*at].operator {
            Operator::Aggregate(aggregate) => Some(&**aggregate),
            _ => None,
        })
    }

    fn aggregates_mut(&mut self) -> impl Iterator<Item = &mut WindowAggregate> {
        self.stages.iter_mut().filter_map(|stage| match &mut stage.operator {
            Operator::Aggregate(aggregate) => Some(&mut **aggregate),
            _ => None,
        })
    }

    /// All stages stand at this watermark, and nothing fires.
    pub fn set_watermark(&mut self, watermark: Millis) {
        self.aggregates_mut().for_each(|aggregate| aggregate.set_watermark(watermark));
    }

    /// The earliest end of a window that waits for the shared watermark.
    pub fn next_end(&self) -> Option<Millis> {
        self.aggregates()
            .filter(|aggregate| aggregate.closed_by() == ClosedBy::Shared)
            .filter_map(WindowAggregate::next_end)
            .min()
    }

    /// The earliest end of a window that waits for this device's watermark.
    pub fn next_end_of(&mut self, device: &Value) -> Option<Millis> {
        self.aggregates_mut().filter_map(|aggregate| aggregate.next_end_of(device)).min()
    }

    pub fn state_bytes(&self) -> usize {
        self.aggregates().map(WindowAggregate::state_bytes).sum()
    }

    pub fn snapshot(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.byte(VERSION);
        writer.count(self.stateful.len());
        self.aggregates().for_each(|aggregate| aggregate.write(&mut writer));
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
        for aggregate in self.aggregates_mut() {
            aggregate.read(&mut reader)?;
        }
        reader.end()
    }
}

impl Event {
    fn due(&self) -> Due<'_> {
        match self {
            Event::Shared(moved) => Due::Shared(moved.to),
            Event::Device(device, moved) => Due::Device(device, moved.to),
            Event::End(_) => Due::End,
        }
    }

    /// What the shared watermark is after it.
    fn watermark(&self) -> Option<Millis> {
        match self {
            Event::Shared(moved) => Some(moved.to),
            Event::Device(..) => None,
            Event::End(then) => Some(*then),
        }
    }
}

/// The column of the node's output that names the device, where the device rule is in force.
fn device_column(node: &Node, sources: &[Source]) -> Option<usize> {
    let is_column = |expr: &crate::plan::Expr, column: usize| expr.kind == ExprKind::Column(column);
    match &node.kind {
        NodeKind::Scan { source } => {
            let source = sources.get(*source)?;
            source.schema.device.filter(|_| matches!(source.watermark, Watermark::Device(_)))
        }
        NodeKind::Filter { input, .. } | NodeKind::Window { input, .. } => device_column(input, sources),
        NodeKind::Project { input, exprs } => {
            let column = device_column(input, sources)?;
            exprs.iter().position(|expr| is_column(expr, column))
        }
        NodeKind::WindowAggregate { input, keys, .. } => {
            let column = device_column(input, sources)?;
            keys.iter().position(|key| is_column(key, column))
        }
    }
}

/// Bytes a row counts for against the limit of a step's output.
pub fn row_bytes(row: &[Value]) -> usize {
    size_of::<Output>() + row.iter().map(|value| size_of::<Value>() + value.heap_bytes()).sum::<usize>()
}

/// Sends a row into a stage, and on from there. An error leaves no trace of the row but copies already put out.
fn push(stages: &mut [Stage], at: Option<usize>, row: Carried<'_>, walk: &mut Walk<'_>) -> Result<(), RowError> {
    let Some(at) = at else {
        let row = row.into_row();
        *walk.output_bytes += row_bytes(&row);
        walk.outputs.push(Output { query: walk.query, row });
        walk.kept = true;
        return Ok(());
    };
    let Some((Stage { operator, next }, below)) = stages[at..].split_first_mut() else { return Ok(()) };
    let next = *next;
    match operator {
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
            let pane = panes.pane(time);
            for window in pane..pane + panes.count {
                let mut copy = Row::with_capacity(values.len() + 3);
                copy.extend_from_slice(values);
                copy.extend(panes.columns(window));
                push(below, next, Carried::Owned(&mut copy), walk)?;
            }
            Ok(())
        }
        Operator::Aggregate(aggregate) => {
            match aggregate.take(row.values(), &walk.context, walk.device_watermark)? {
                Taken::Kept => walk.kept = true,
                Taken::Late => walk.late = true,
            }
            Ok(())
        }
    }
}
