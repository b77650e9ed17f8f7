//! Which queries would remember more and more for as long as they run. A gateway runs for years, so there they are
//! refused, with what would bound them; a script over files may have them.

use super::expr::Bound;
use super::{Binder, Bounds, Relation};
use crate::plan::{Frame, JoinMethod, Node, NodeKind};
use crate::sql::span::{Problem, Span};

impl Binder<'_> {
    /// The relation, if what it remembers has a bound: that of its windows, or the number of devices.
    pub(super) fn bounded(&mut self, relation: Relation, span: Span) -> Bound<Relation> {
        let mut found = None;
        relation.node.visit(&mut |node| found = found.max(remembers(node)));
        let Some(remembered) = found else { return Ok(relation) };
        let is_allowed = match self.bounds {
            Bounds::OfReaders | Bounds::Ends => true,
            Bounds::Expiring => remembered < Remembered::BothSides,
            Bounds::Needed => false,
        };
        if is_allowed {
            return Ok(relation);
        }
        let mut has_devices = false;
        relation.node.visit(&mut |node| {
            if let NodeKind::Scan { source } = node.kind {
                has_devices |= self.names.sources.get(source).is_some_and(|source| source.schema.device.is_some());
            }
        });
        let (what, help) = remembered.explained(has_devices);
        self.fail(Problem::new(span, what).help(help))
    }
}

/// What is remembered for ever; the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Remembered {
    Partitions,
    Reports,
    Windows,
    Keys,
    Rows,
    BothSides,
    /// Of IN and EXISTS.
    Partners,
}

impl Remembered {
    /// What is wrong with it, and what to write instead.
    fn explained(self, has_devices: bool) -> (&'static str, String) {
        // With one time line for all no device is ever forgotten.
        let by_device = match has_devices {
            true => "PARTITION BY the device alone",
            false => {
                "give each device a time line of its own, watermark = \"device\" in the source's section, and PARTITION BY the device alone"
            }
        };
        match self {
            Remembered::Partitions => (
                "OVER would have to remember each value of PARTITION BY for ever",
                format!("{by_device}, or take a frame that forgets: RANGE INTERVAL '1' HOUR PRECEDING, or say when a value may be forgotten: state_ttl = \"1d\" in the query's section"),
            ),
            Remembered::Reports => (
                "what was reported last would have to be remembered for ever, for each value of PARTITION BY",
                format!("{by_device}, or say when a value may be forgotten: state_ttl = \"1d\" in the query's section"),
            ),
            Remembered::Windows => (
                "the window of each value of PARTITION BY would have to be kept until it is full, maybe for ever",
                format!("{by_device}, or say when a window may be given up: state_ttl = \"1d\" in the query's section"),
            ),
            Remembered::Keys => (
                "the first row of each key would have to be remembered for ever",
                format!("{by_device}, or by window_start, window_end and the keys over a window, or say when a key may be forgotten: state_ttl = \"1d\" in the query's section"),
            ),
            Remembered::Rows => (
                "SELECT DISTINCT would have to remember every row for ever",
                "with a window it forgets: GROUP BY window_start, window_end and the columns, over TABLE(TUMBLE(…)); or say when a row may be forgotten: state_ttl = \"1d\" in the query's section".to_owned(),
            ),
            Remembered::Partners => (
                "IN, EXISTS or INTERSECT would have to keep both sides for ever",
                "compare the windows of both sides, too: … AND a.window_start = b.window_start AND a.window_end = b.window_end; or read a lookup table, [table.x]".to_owned(),
            ),
            Remembered::BothSides => (
                "this join would have to keep both sides for ever",
                "bound it: … AND b.ts BETWEEN a.ts - INTERVAL '1' MINUTE AND a.ts + INTERVAL '1' MINUTE, or join the same windows of both, or make one side a lookup table, [table.x]".to_owned(),
            ),
        }
    }
}

fn remembers(node: &Node) -> Option<Remembered> {
    let by_device =
        |input: &Node, partition: &[usize]| partition.iter().all(|column| input.schema.device == Some(*column));
    match &node.kind {
        NodeKind::Join(join) if matches!(join.method, JoinMethod::Unbounded) => Some(match join.kind.has_right() {
            true => Remembered::BothSides,
            false => Remembered::Partners,
        }),
        NodeKind::Distinct { .. } => Some(Remembered::Rows),
        NodeKind::FirstRow { input, partition, .. } if !by_device(input, partition) => Some(Remembered::Keys),
        NodeKind::Report { input, report } if !by_device(input, &report.partition) => Some(Remembered::Reports),
        NodeKind::CountWindow { input, windowing } | NodeKind::CountAggregate { input, windowing, .. }
            if !by_device(input, &windowing.partition) =>
        {
            Some(Remembered::Windows)
        }
        NodeKind::Over { frame: Frame::Range(_), .. } => None,
        NodeKind::Over { input, partition, .. } if !by_device(input, partition) => Some(Remembered::Partitions),
        _ => None,
    }
}
