//! Which queries would remember more and more for as long as they run. A gateway runs for years, so there they are
//! refused, with what would bound them; a script over files may have them.

use super::expr::Bound;
use super::{Binder, Relation};
use crate::plan::{Frame, Node, NodeKind};
use crate::sql::span::{Problem, Span};

impl Binder<'_> {
    /// The relation, if what it remembers has a bound: that of its windows, or the number of devices.
    pub(super) fn bounded(&mut self, relation: Relation, span: Span) -> Bound<Relation> {
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
