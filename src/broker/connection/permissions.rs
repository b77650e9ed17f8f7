//! What the rules say to one client's packets: asked at each publish, subscription and delivery, so that rules that change
//! hold from the next packet on.

use super::{Client, Kind, Owed};
use crate::broker::inbound::{Ask, Publish, Step, Subscribe};
use crate::broker::metrics::count;
use crate::broker::outbox::Delivery;

impl Client {
    pub(super) fn may_publish(&mut self, publish: &Publish) -> bool {
        self.rights.may_publish(&self.shared.access, publish.topic_str())
    }

    /// Marks the filters that the rules allow; the hub refuses the others.
    pub(super) fn mark_allowed(&mut self, subscribe: &mut Subscribe) {
        for filter in &mut subscribe.filters {
            if self.request.bridge {
                // What 3.1.1 has no words for, and a bridge means.
                filter.options.retain_as_published = true;
                filter.options.no_local = !filter.path.starts_with("$share/");
            }
            filter.allowed = self.rights.may_subscribe(&self.shared.access, unshared(&filter.path));
        }
    }

    /// A publish that no rule allows goes nowhere. 3.1.1 has no word for that: the client is told it was taken
    /// [MQTT-3.3.5-2]; of v5 the acknowledgement says so.
    pub(super) fn deny(&mut self, kind: Kind, packet_id: u16) {
        count(&self.shared.counters.denied_publish);
        let client = self.link.client();
        self.shared.warn(|| {
            format!("client {client:?} published what no [[broker.acl]] allows, or to a topic of the server's own")
        });
        if let Kind::Ack(kind) = kind {
            self.owed.push_back(Owed { kind: Kind::Denied(kind), packet_id, bytes: 0 });
            self.unacknowledged += 1;
        }
    }

    /// What it may subscribe to was asked then; the rules may be others now.
    pub(super) fn is_allowed(&mut self, delivery: &Delivery) -> bool {
        let allowed = self.rights.may_subscribe(&self.shared.access, delivery.publish.topic_str());
        if !allowed {
            count(&self.shared.counters.denied_delivery);
        }
        allowed
    }

    /// As if the client had refused the message: its session goes on behind it ([MQTT-3.1.2-25]).
    pub(super) fn pass_over(&mut self, delivery: &Delivery) {
        if delivery.packet_id != 0 {
            let step = if delivery.qos == 1 { Step::Acknowledged } else { Step::Received };
            self.ask(Ask::Acknowledge { step, packet_id: delivery.packet_id, refused: true }, Kind::Nothing, 0);
        }
    }
}

/// What a shared subscription subscribes to.
fn unshared(filter: &str) -> &str {
    filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')).map_or(filter, |(_, topics)| topics)
}
