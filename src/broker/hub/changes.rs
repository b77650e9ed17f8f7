//! What one tick changes: rows for its transaction, and what may leave once that is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::Shared;
use super::super::metrics::{add, count, subtract};
use super::super::outbox::{Offered, Outbox, Outgoing};
use crate::store::{Row, Table};

/// Rows that nobody waits for (a message was acknowledged by its subscriber) wait this long for a commit to go with.
const LAZY_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Changes {
    rows: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    /// Slots of sessions whose flow is another.
    pub flows: BTreeSet<u32>,
    /// Something that leaves after this tick relies on the rows.
    pub urgent: bool,
    waiting_since: Option<Instant>,
    pub out: Vec<(Arc<Outbox>, Outgoing)>,
    /// Bytes of those among them that were read from the store.
    pub pumped_bytes: usize,
    /// Slots of sessions that may send more.
    pub pump: BTreeSet<u32>,
    /// Slots of sessions whose retained messages may go on.
    pub replay: BTreeSet<u32>,
}

impl Changes {
    /// A row that must be on the disk before anything of this tick leaves.
    pub fn put(&mut self, table: Table, key: Vec<u8>, bytes: Vec<u8>) {
        self.rows.insert((table, key), Some(bytes));
        self.urgent = true;
    }

    /// A row that must be gone before anything of this tick leaves.
    pub fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.rows.insert((table, key), None);
        self.urgent = true;
    }

    /// A row that does no harm if it is still there after a crash.
    pub fn delete_some_time(&mut self, table: Table, key: Vec<u8>) {
        self.rows.insert((table, key), None);
    }

    /// Whether the rows belong into this tick's transaction, which is made for other reasons if `committing`.
    pub fn are_due(&mut self, now: Instant, committing: bool) -> bool {
        if self.rows.is_empty() && self.flows.is_empty() {
            self.urgent = false;
            return false;
        }
        let since = *self.waiting_since.get_or_insert(now);
        let due = self.urgent || committing || now.saturating_duration_since(since) >= LAZY_MAX;
        if due {
            (self.urgent, self.waiting_since) = (false, None);
        }
        due
    }

    pub fn take_rows(&mut self) -> Vec<Row> {
        let rows = std::mem::take(&mut self.rows).into_iter();
        rows.map(|((table, key), bytes)| Row { table, key, bytes }).collect()
    }
}

/// Messages for subscribers, which leave once what they rely on is committed.
#[derive(Debug, Default)]
pub struct Deliveries(pub(super) Vec<(Arc<Outbox>, Outgoing)>);

impl Deliveries {
    /// Never waits: a subscriber that does not keep up loses QoS 0 messages (counted) or, at QoS 1 and 2 without a
    /// session that outlives it, its connection.
    pub(super) fn release(self, shared: &Shared) {
        let counters = &shared.counters;
        for (outbox, outgoing) in self.0 {
            // Counted before the connection can take it, which counts it down.
            let bytes = outgoing.held_bytes();
            add(&counters.queued_bytes, bytes);
            let offered = outbox.offer(outgoing, shared.queue_share_bytes(0));
            if !matches!(offered, Offered::Queued) {
                subtract(&counters.queued_bytes, bytes);
            }
            match offered {
                Offered::Queued | Offered::Gone => {}
                Offered::Dropped | Offered::Overflowed => {
                    count(&counters.dropped_queue_full);
                    shared.warn(|| {
                        let client = outbox.link().client();
                        format!(
                            "messages for {client:?}, which reads too slowly, are dropped: queue_messages_max, \
                             queue_bytes_max or its share of outgoing_bytes_max is reached"
                        )
                    });
                }
                Offered::Returned(delivery) => shared.returned().push(delivery),
            }
        }
    }
}
