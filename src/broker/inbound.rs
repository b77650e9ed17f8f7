//! What the broker hands to the pipeline, and what the pipeline hands back to be delivered.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::acks::Acks;
use crate::store::SessionChange;

/// What one read of one connection's socket gave, in the order in which it was sent. The pipeline takes it whole:
/// all items into one transaction, then [`Acks::committed`] with their number.
#[derive(Debug)]
pub struct Inbound {
    pub connection: Arc<Acks>,
    pub items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Publish(Publish),
    /// A change of a durable session that belongs between the publishes around it; counted like them.
    Session(SessionChange),
}

/// One application message, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Valid UTF-8 without wildcards and NUL, not empty.
    pub topic: Bytes,
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    /// As the client set it. Nothing is retained yet; a v5 client cannot set it.
    pub retain: bool,
    /// Client identifier of the publisher; empty for messages that tidegate makes itself.
    pub client: Arc<str>,
    /// A QoS 2 packet id of a durable session: to be committed in the same transaction as the message.
    pub received: Option<SessionChange>,
    pub properties: Option<Box<Properties>>,
}

/// MQTT 5 properties that travel with a message to its v5 subscribers, kept as they came on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Properties {
    /// The validated property block without its length and without the message expiry interval.
    pub(super) wire: Bytes,
    /// When the message expiry interval ends.
    pub(super) expires_at: Option<Instant>,
}

impl Publish {
    pub fn new(topic: impl Into<Bytes>, payload: impl Into<Bytes>, qos: u8) -> Publish {
        Publish {
            topic: topic.into(),
            payload: payload.into(),
            qos,
            retain: false,
            client: Arc::from(""),
            received: None,
            properties: None,
        }
    }

    /// The topic as text. It was checked when it came in; what is not UTF-8 reads as empty.
    pub fn topic_str(&self) -> &str {
        std::str::from_utf8(&self.topic).unwrap_or_default()
    }

    /// Memory that this message holds, for limits.
    pub fn held_bytes(&self) -> usize {
        let properties = self.properties.as_ref().map_or(0, |p| p.wire.len() + size_of::<Properties>());
        size_of::<Item>() + self.topic.len() + self.payload.len() + properties
    }
}
