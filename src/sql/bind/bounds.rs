//! Which queries would remember more and more for as long as they run. A gateway runs for years, so there they are
//! refused, with what would bound them; a script over files may have them. What cannot be answered the same after a
//! restart is refused beside them.

use super::expr::Bound;
use super::{Binder, Relation};
use crate::plan::{Frame, JoinKind, JoinMethod, Node, NodeKind, Source, Watermark};
use crate::sql::span::{Problem, Span};

impl Binder<'_> {
    /// The relation, if what it remembers has a bound: that of its windows, or the number of devices.
    pub(super) fn bounded(&mut self, relation: Relation, span: Span) -> Bound<Relation> {
        let sources = self.names.sources;
        let mut above_outer_join = false;
        relation.node.visit(&mut |node| above_outer_join |= remembers_lonely_rows(node, sources));
        if above_outer_join {
            let problem =
                Problem::new(span, "a window or another memory above an outer interval join needs one time line");
            return self.fail(problem.help("set watermark = \"source\" on the sources, or take an inner JOIN"));
        }
        let mut found = None;
        relation.node.visit(&mut |node| found = found.or_else(|| remembers(node)));
        match found {
            None => Ok(relation),
            Some(Remembered::Keys) => self.fail(
                Problem::new(span, "the first row of each key would have to be remembered for ever")
                    .help("PARTITION BY the device alone, or by window_start, window_end and the keys over a window"),
            ),
            Some(Remembered::Partitions) => {
                self.fail(Problem::new(span, "OVER would have to remember each value of PARTITION BY for ever").help(
                    "PARTITION BY the device alone, or take a frame that forgets: RANGE INTERVAL '1' HOUR PRECEDING",
                ))
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Remembered {
    Keys,
    Partitions,
}

fn remembers(node: &Node) -> Option<Remembered> {
    let by_device =
        |input: &Node, partition: &[usize]| partition.iter().all(|column| input.schema.device == Some(*column));
    match &node.kind {
        NodeKind::FirstRow { input, partition, .. } if !by_device(input, partition) => Some(Remembered::Keys),
        NodeKind::Over { frame: Frame::Range(_), .. } => None,
        NodeKind::Over { input, partition, .. } if !by_device(input, partition) => Some(Remembered::Partitions),
        _ => None,
    }
}

/// Whether the node keeps rows of an outer interval join under the device rule. Those without a partner come out when the
/// clock moves a device's time, and how far an operator above has come by then is not yet the same after a restart.
fn remembers_lonely_rows(node: &Node, sources: &[Source]) -> bool {
    let stateless = match &node.kind {
        NodeKind::Scan { .. }
        | NodeKind::Table { .. }
        | NodeKind::Filter { .. }
        | NodeKind::Project { .. }
        | NodeKind::Window { .. }
        | NodeKind::Expand { .. }
        | NodeKind::Union { .. } => true,
        NodeKind::Join(join) => matches!(join.method, JoinMethod::Lookup { .. }),
        _ => false,
    };
    let by_device = |node: &Node| {
        let mut found = false;
        node.visit(&mut |node| {
            if let NodeKind::Scan { source } = node.kind {
                found |= sources.get(source).is_some_and(|source| matches!(source.watermark, Watermark::Device(_)));
            }
        });
        found
    };
    let mut found = false;
    for input in node.inputs().into_iter().filter(|_| !stateless) {
        input.visit(&mut |below| {
            if let NodeKind::Join(join) = &below.kind {
                let outer = join.kind != JoinKind::Inner && matches!(join.method, JoinMethod::Interval { .. });
                found |= outer && by_device(below);
            }
        });
    }
    found
}
