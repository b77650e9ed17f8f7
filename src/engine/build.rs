//! Plan → stages: which operator each node is, which sources move its time, and whose time line its rows are on.
//!
//! A new kind of SQL is one more arm in [`Builder::node`] and, if its rows stay on their devices' time lines, in
//! [`device_of`].

use super::aggregate::{AttachedAggregate, ClosedBy, SessionAggregate, WindowAggregate};
use super::count_windows::CountWindows;
use super::distinct::Distinct;
use super::eval::Program;
use super::expiring::Expiring;
use super::first_row::FirstRow;
use super::join;
use super::limit::Limit;
use super::operand::Operand;
use super::operator::{Out, TimeLines, Timed};
use super::over::Over;
use super::query::{Next, Operator, Stage};
use super::rank::WindowRank;
use super::recognize::Recognizer;
use super::report::Reporter;
use super::session_rows::SessionRows;
use super::sort::Sort;
use super::unnest::Unnest;
use super::windowing::Panes;
use crate::model::Millis;
use crate::plan::{Expr, ExprKind, Frame, Join, JoinKind, JoinMethod, Node, NodeKind, Query, Source, Watermark};

/// The stages of one query: a stage stands before those that read it.
pub struct Stages {
    pub stages: Vec<Stage>,
    /// What each reading of a source goes to: (source, where to), in the order of the text.
    pub entries: Vec<(usize, Option<Next>)>,
}

/// A source below an operator, and how far the operators between hold its watermark back.
pub type Below = (usize, Millis);

/// What moves an operator's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeLine {
    /// Each device has a time line of its own.
    pub by_device: bool,
    /// The sources whose watermarks it has the smallest of, and how far each is held back by operators between.
    pub sources: Vec<(usize, Millis)>,
}

/// The time lines of the plan's operators, in the order of [`Node::visit`]; scans, tables and unions are none.
pub fn time_lines(query: &Query, sources: &[Source]) -> Vec<TimeLine> {
    let stages = stages(query, sources, true).stages;
    stages.into_iter().rev().map(|stage| TimeLine { by_device: stage.by_device, sources: stage.below }).collect()
}

struct Builder<'a> {
    sources: &'a [Source],
    /// Whether what operators keep is limited.
    limited: bool,
    state_ttl_ms: Option<Millis>,
    stages: Vec<Stage>,
    entries: Vec<(usize, Option<Next>)>,
}

pub fn stages(query: &Query, sources: &[Source], limited: bool) -> Stages {
    let state_ttl_ms = query.state_ttl_ms;
    let mut builder = Builder { sources, limited, state_ttl_ms, stages: Vec::new(), entries: Vec::new() };
    builder.node(&query.root, None);
    let Builder { mut stages, mut entries, .. } = builder;
    // Built from the output up; rows go the other way.
    let last = stages.len().wrapping_sub(1);
    stages.reverse();
    for (at, stage) in stages.iter_mut().enumerate() {
        // From here on counted from the stage right after this one.
        stage.next = stage.next.map(|next| Next { stage: last - next.stage - at - 1, ..next });
    }
    for (_, next) in &mut entries {
        *next = next.map(|next| Next { stage: last - next.stage, ..next });
    }
    Stages { stages, entries }
}

impl Builder<'_> {
    /// Builds what gives the node's rows to `next`; the answer is what moves the watermark there.
    fn node(&mut self, node: &Node, next: Option<Next>) -> Vec<Below> {
        match &node.kind {
            NodeKind::Scan { source } => {
                self.entries.push((*source, next));
                let has_time = self.sources.get(*source).is_some_and(|source| source.watermark != Watermark::None);
                has_time.then_some((*source, 0)).into_iter().collect()
            }
            // It is reached by the join that looks it up.
            NodeKind::Table { .. } => Vec::new(),
            // No operator: all branches give their rows to the same one.
            NodeKind::Union { inputs } => {
                let branches: Vec<Vec<Below>> = inputs.iter().map(|input| self.node(input, next)).collect();
                merge(branches)
            }
            NodeKind::Filter { input, predicate } => {
                self.stage(Operator::Filter(Program::compile(predicate)), false, 0, &[input], next)
            }
            NodeKind::Project { input, exprs } => {
                let operator = Operator::Project(exprs.iter().map(Operand::new).collect());
                self.stage(operator, false, 0, &[input], next)
            }
            NodeKind::Sort { input, time, keys } => {
                self.timed_by(Sort { time: *time, keys: keys.clone() }, None, &[input], next)
            }
            NodeKind::Window { input, time, windowing } => {
                let operator = Operator::Window { time: *time, panes: Panes::new(*windowing) };
                self.stage(operator, false, 0, &[input], next)
            }
            NodeKind::Join(join) => self.join(join, next),
            NodeKind::Distinct { input } => {
                let columns = input.schema.columns.len();
                self.remembering(Distinct::new(columns), input, &(0..columns).collect::<Vec<usize>>(), next)
            }
            NodeKind::Unnest { input, list, fields, numbered, outer, condition } => {
                let unnest = Unnest::new(list, *fields, *numbered, *outer, condition.as_ref());
                let operator = Operator::Unnest(unnest);
                self.stage(operator, false, 0, &[input], next)
            }
            NodeKind::Limit { input, skipped, count } => {
                self.timed_by(Limit::new(*skipped, *count), None, &[input], next)
            }
            NodeKind::WindowAggregate { input, time, windowing, keys, aggregates } => {
                let device = device_of(input, self.sources).and_then(|device| key_position(keys, device.column));
                let closed_by = device.map_or(ClosedBy::Shared, ClosedBy::Device);
                let operator = WindowAggregate::new(*time, *windowing, keys, aggregates, closed_by);
                self.stage(Operator::Stateful(Box::new(operator)), device.is_some(), 0, &[input], next)
            }
            NodeKind::Match { input, recognition } => {
                let operator = Recognizer::new(recognition, self.limited);
                self.timed(operator, input, |device| recognition.partition.contains(&device), next)
            }
            NodeKind::Report { input, report } => {
                let operator = Reporter::new(report, input.schema.columns.len());
                self.remembering(operator, input, &report.partition, next)
            }
            NodeKind::Expand { input, keys, sets } => {
                let sets = sets.iter().map(|set| (0..keys.len()).map(|key| set.contains(&key)).collect()).collect();
                let operator = Operator::Expand { keys: keys.iter().map(Operand::new).collect(), sets };
                self.stage(operator, false, 0, &[input], next)
            }
            NodeKind::SessionAggregate { input, time, gap_ms, early_ms, keys, aggregates } => {
                let operator = SessionAggregate::new(*time, *gap_ms, *early_ms, keys, aggregates);
                self.timed(operator, input, |device| key_position(keys, device).is_some(), next)
            }
            NodeKind::AttachedAggregate { input, window, keys, aggregates } => {
                let operator = AttachedAggregate::new(*window, keys, aggregates);
                self.timed(operator, input, |device| key_position(keys, device).is_some(), next)
            }
            NodeKind::Session { input, time, partition, gap_ms } => {
                let operator = SessionRows::new(*time, *gap_ms, partition, input.schema.columns.len());
                self.timed(operator, input, |device| partition.contains(&device), next)
            }
            NodeKind::CountWindow { input, windowing } => {
                let operator = CountWindows::rows(windowing, input.schema.columns.len());
                self.remembering(operator, input, &windowing.partition, next)
            }
            NodeKind::CountAggregate { input, windowing, keys, aggregates } => {
                let column = |key: &Expr| match key.kind {
                    ExprKind::Column(column) => Some(column),
                    _ => None,
                };
                let keys = keys.iter().filter_map(column).collect();
                let operator = CountWindows::aggregates(windowing, keys, aggregates, input.schema.columns.len());
                self.remembering(operator, input, &windowing.partition, next)
            }
            NodeKind::Over { input, order, partition, frame, functions } => {
                let operator = Over::new(order, partition, *frame, functions, input.schema.columns.len());
                match frame {
                    // It forgets by itself.
                    Frame::Range(_) => self.timed(operator, input, |device| partition.contains(&device), next),
                    _ => self.remembering(operator, input, partition, next),
                }
            }
            NodeKind::Rank { input, ranking, window_end, numbers, .. } => {
                // The binder leaves none without.
                let numbers = numbers.unwrap_or((1, 1));
                let operator = WindowRank::new(*window_end, ranking, numbers, input.schema.columns.len());
                self.timed(operator, input, |device| ranking.partition.contains(&device), next)
            }
            NodeKind::FirstRow { input, time, partition } => {
                let operator = FirstRow::new(*time, partition, input.schema.columns.len());
                self.remembering(operator, input, partition, next)
            }
        }
    }

    /// An operator of one input; each device has its own time line where `is_key` says that rows are kept apart by it.
    fn timed<O: Timed + 'static>(
        &mut self,
        operator: O,
        input: &Node,
        is_key: impl Fn(usize) -> bool,
        next: Option<Next>,
    ) -> Vec<Below> {
        let device = device_of(input, self.sources).map(|device| device.column).filter(|device| is_key(*device));
        self.timed_by(operator, device.map(|device| vec![device]), &[input], next)
    }

    /// An operator that keeps rows apart by these columns, and knows each of their values for ever or for `state_ttl`.
    fn remembering<O: Timed + 'static>(
        &mut self,
        operator: O,
        input: &Node,
        partition: &[usize],
        next: Option<Next>,
    ) -> Vec<Below> {
        let is_key = |device| partition.contains(&device);
        let Some(ttl_ms) = self.state_ttl_ms else { return self.timed(operator, input, is_key, next) };
        let columns = &input.schema.columns;
        let keys: Vec<Expr> =
            partition.iter().map(|column| Expr::column(*column, columns[*column].data_type)).collect();
        self.timed(Expiring::new(operator, &keys, ttl_ms), input, is_key, next)
    }

    fn join(&mut self, join: &Join, next: Option<Next>) -> Vec<Below> {
        let devices = devices_of_join(join, self.sources).map(|devices| devices.map(|device| device.column).to_vec());
        let inputs = [&join.left, &join.right];
        match join.method {
            JoinMethod::Interval { times, lower_ms, upper_ms } => {
                let punctual = self.is_remembered(next) && inputs.iter().any(|input| self.follows_the_clock(input));
                let operator = join::Interval::new(join, times, lower_ms, upper_ms, punctual);
                self.timed_by(operator, devices, &inputs, next)
            }
            JoinMethod::Versioned { times, in_order } => {
                let operator = join::Versioned::new(join, times, in_order, self.limited);
                self.timed_by(operator, devices, &inputs, next)
            }
            JoinMethod::Window { ends } => self.timed_by(join::Windowed::new(join, ends), devices, &inputs, next),
            JoinMethod::Lookup { table, .. } => {
                let operator = Operator::Lookup(Box::new(join::Lookup::new(join, table)));
                self.stage(operator, false, 0, &[&join.left], next)
            }
            JoinMethod::Unbounded => self.timed_by(join::Unbounded::new(join), devices, &inputs, next),
        }
    }

    /// Whether event time is the time of arrival for all that is below.
    fn is_by_arrival(&self, node: &Node) -> bool {
        let mut all = true;
        node.visit(&mut |node| {
            if let NodeKind::Scan { source } = node.kind {
                all &= self.sources.get(source).is_some_and(|source| source.by_arrival);
            }
        });
        all
    }

    /// Whether an operator on the way to the output keeps rows, or what they add up to.
    fn is_remembered(&self, mut next: Option<Next>) -> bool {
        while let Some(stage) = next.and_then(|next| self.stages.get(next.stage)) {
            if matches!(stage.operator, Operator::Stateful(_)) {
                return true;
            }
            next = stage.next;
        }
        false
    }

    /// Whether watermarks move with the clock, too: they do where the device rule is below.
    fn follows_the_clock(&self, node: &Node) -> bool {
        let mut found = false;
        node.visit(&mut |node| {
            if let NodeKind::Scan { source } = node.kind {
                let source = self.sources.get(source);
                found |= source.is_some_and(|source| matches!(source.watermark, Watermark::Device(_)));
            }
        });
        found
    }

    /// An operator written for one time line, with `devices`: where each port's rows have their device, if each device
    /// has its own line.
    fn timed_by<O: Timed + 'static>(
        &mut self,
        operator: O,
        devices: Option<Vec<usize>>,
        inputs: &[&Node],
        next: Option<Next>,
    ) -> Vec<Below> {
        let (by_device, delay_ms) = (devices.is_some(), operator.delay_ms());
        let mut lines = TimeLines::new(operator, devices);
        if inputs.iter().all(|input| self.is_by_arrival(input)) {
            lines = lines.by_arrival();
        }
        self.stage(Operator::Stateful(Box::new(lines)), by_device, delay_ms, inputs, next)
    }

    /// Puts an operator before `next`, and its inputs before it, one a port.
    fn stage(
        &mut self,
        operator: Operator,
        by_device: bool,
        delay_ms: Millis,
        inputs: &[&Node],
        next: Option<Next>,
    ) -> Vec<Below> {
        let at = self.stages.len();
        self.stages.push(Stage { operator, next, by_device, below: Vec::new(), watermark: 0, out: Out::default() });
        let ports = inputs.iter().enumerate().map(|(port, input)| self.node(input, Some(Next { stage: at, port })));
        let below = merge(ports.collect());
        self.stages[at].below.clone_from(&below);
        below.into_iter().map(|(source, delay)| (source, delay + delay_ms)).collect()
    }
}

/// Each source once, with its longest delay.
fn merge(inputs: Vec<Vec<Below>>) -> Vec<Below> {
    let mut merged: Vec<Below> = Vec::new();
    for (source, delay_ms) in inputs.into_iter().flatten() {
        match merged.iter_mut().find(|(known, _)| *known == source) {
            Some((_, known)) => *known = delay_ms.max(*known),
            None => merged.push((source, delay_ms)),
        }
    }
    merged
}

/// Where rows that stand on their devices' own time lines name their device, and whose devices those are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    source: usize,
    pub column: usize,
}

/// `None`: the node's rows stand on the shared time line.
pub fn device_of(node: &Node, sources: &[Source]) -> Option<Device> {
    match &node.kind {
        NodeKind::Scan { source: index } => {
            let source = sources.get(*index)?;
            let column = source.schema.device.filter(|_| matches!(source.watermark, Watermark::Device(_)))?;
            Some(Device { source: *index, column })
        }
        NodeKind::Filter { input, .. }
        | NodeKind::Window { input, .. }
        | NodeKind::Expand { input, .. }
        | NodeKind::Unnest { input, .. }
        // Its rows go on at once, whatever line they are on.
        | NodeKind::Limit { input, .. }
        | NodeKind::Distinct { input } => device_of(input, sources),
        NodeKind::Session { input, partition, .. }
        | NodeKind::Over { input, partition, .. }
        | NodeKind::FirstRow { input, partition, .. } => {
            device_of(input, sources).filter(|device| partition.contains(&device.column))
        }
        NodeKind::CountWindow { input, windowing } => {
            device_of(input, sources).filter(|device| windowing.partition.contains(&device.column))
        }
        NodeKind::Report { input, report } => {
            device_of(input, sources).filter(|device| report.partition.contains(&device.column))
        }
        NodeKind::Rank { input, ranking, .. } => {
            device_of(input, sources).filter(|device| ranking.partition.contains(&device.column))
        }
        NodeKind::Join(join) if matches!(join.method, JoinMethod::Lookup { .. }) => device_of(&join.left, sources),
        NodeKind::Table { .. } => None,
        NodeKind::Join(join) => {
            let [left, right] = devices_of_join(join, sources)?;
            match join.kind {
                JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti => Some(left),
                JoinKind::Right => Some(Device { column: join.left.schema.columns.len() + right.column, ..right }),
                // Either may be NULL.
                JoinKind::Full => None,
            }
        }
        NodeKind::Project { input, exprs: keys, .. }
        | NodeKind::WindowAggregate { input, keys, .. }
        | NodeKind::SessionAggregate { input, keys, .. }
        | NodeKind::CountAggregate { input, keys, .. }
        | NodeKind::AttachedAggregate { input, keys, .. } => {
            let device = device_of(input, sources)?;
            Some(Device { column: key_position(keys, device.column)?, ..device })
        }
        NodeKind::Match { input, recognition } => {
            let device = device_of(input, sources)?;
            let column = recognition.partition.iter().position(|column| *column == device.column)?;
            Some(Device { column, ..device })
        }
        NodeKind::Sort { .. } => None,
        // Of different sources there is no time line that all rows are on.
        NodeKind::Union { inputs } => {
            let mut devices = inputs.iter().map(|input| device_of(input, sources));
            let first = devices.next()??;
            devices.all(|device| device == Some(first)).then_some(first)
        }
    }
}

/// The device of each side, where partners are always of one device of one source.
fn devices_of_join(join: &Join, sources: &[Source]) -> Option<[Device; 2]> {
    let (left, right) = (device_of(&join.left, sources)?, device_of(&join.right, sources)?);
    let is_key =
        |(l, r): &(Expr, Expr)| l.kind == ExprKind::Column(left.column) && r.kind == ExprKind::Column(right.column);
    (left.source == right.source && join.keys.iter().any(is_key)).then_some([left, right])
}

fn key_position(keys: &[Expr], column: usize) -> Option<usize> {
    keys.iter().position(|key| key.kind == ExprKind::Column(column))
}
