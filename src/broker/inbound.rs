//! What connections hand to the pipeline, and the messages that travel both ways.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::link::Link;
use super::outbox::{Delivery, Outbox};

/// What one read of one connection's socket gave, in the order in which it was sent. The pipeline takes it whole:
/// all items into one transaction, then [`Link::committed`] with their number.
#[derive(Debug)]
pub struct Inbound {
    pub connection: Arc<Link>,
    pub items: Vec<Item>,
}

impl Inbound {
    /// Whether the connection ends with it.
    pub fn is_last(&self) -> bool {
        matches!(self.items.last(), Some(Item::Control(Control(Ask::Close(_)))))
    }
}

#[derive(Debug)]
pub enum Item {
    Publish(Publish),
    /// What is for the broker's hub alone.
    Control(Control),
}

/// What a connection asks of the hub. Each is counted like a publish.
#[derive(Debug)]
pub struct Control(pub(super) Ask);

#[derive(Debug)]
pub(super) enum Ask {
    /// Answered with a welcome.
    Connect(Box<Connect>),
    /// Answered with codes.
    Subscribe(Box<Subscribe>),
    /// Answered with codes.
    Unsubscribe(Vec<String>),
    /// PUBREL, answered with a reason.
    Release(u16),
    /// PUBACK, PUBREC or PUBCOMP for a message of a durable session.
    Acknowledge {
        step: Step,
        packet_id: u16,
        /// With a reason code that says no (v5).
        refused: bool,
    },
    /// The outbox has room again for the retained messages that are still due.
    Drained,
    Close(Box<Close>),
}

/// How far a subscriber has come with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Acknowledged,
    Received,
    Completed,
}

#[derive(Debug)]
pub(super) struct Connect {
    pub clean: bool,
    pub expiry_s: u32,
    /// QoS 1 and 2 messages the client takes unacknowledged.
    pub receive_maximum: u16,
    /// The name by which the rules know it.
    pub user: Option<Arc<str>>,
    pub will: Option<Will>,
    pub outbox: Arc<Outbox>,
}

#[derive(Debug)]
pub(super) struct Subscribe {
    pub filters: Vec<Filter>,
    /// Subscription identifier; 0: none.
    pub id: u32,
    /// v5 clients are told why a filter was refused.
    pub v5: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub path: String,
    pub options: Options,
    pub retain_handling: RetainHandling,
    /// Whether the rules allow it.
    pub allowed: bool,
}

/// How a subscriber wants its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub qos: u8,
    pub no_local: bool,
    pub retain_as_published: bool,
}

/// Whether retained messages are sent at a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetainHandling {
    Send,
    SendIfNew,
    DoNotSend,
}

#[derive(Debug)]
pub(super) struct Close {
    pub parting: Parting,
    /// What a v5 DISCONNECT changed it to.
    pub expiry_s: Option<u32>,
    /// Messages of shared subscriptions that this client did not get.
    pub undelivered: Vec<Delivery>,
}

/// How a client went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// It said so: no will.
    Farewell,
    /// Its will is due.
    Broken,
    /// We stop: whoever has a will and does not come back is announced after the restart.
    Stopped,
}

/// What is published if a client goes without a word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Will {
    pub publish: Publish,
    pub delay_s: u32,
    /// Message expiry interval, which begins with the publication.
    pub expiry_s: Option<u32>,
}

/// One application message, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Valid UTF-8 without wildcards and NUL, not empty.
    pub topic: Bytes,
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    pub retain: bool,
    /// 0 at QoS 0 and for messages that tidegate makes itself.
    pub(super) packet_id: u16,
    /// The row of the will that this is, which goes with the message's commit.
    pub(super) will: Option<u64>,
    /// MQTT 5 properties that travel with it, kept as they came on the wire: the validated block without its length,
    /// without topic alias and message expiry interval.
    pub(super) properties: Bytes,
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
            packet_id: 0,
            will: None,
            properties: Bytes::new(),
            expires_at: None,
        }
    }

    /// The topic as text. It was checked when it came in; what is not UTF-8 reads as empty.
    pub fn topic_str(&self) -> &str {
        std::str::from_utf8(&self.topic).unwrap_or_default()
    }

    /// Memory that this message holds, for limits.
    pub fn held_bytes(&self) -> usize {
        size_of::<Item>() + self.topic.len() + self.payload.len() + self.properties.len()
    }

    /// A copy in memory of its own, which does not pin the buffer it was read into.
    pub(super) fn owned(&self) -> Publish {
        let (topic, payload) = (self.topic.len(), self.payload.len());
        let mut bytes = BytesMut::with_capacity(topic + payload + self.properties.len());
        for part in [&self.topic, &self.payload, &self.properties] {
            bytes.extend_from_slice(part);
        }
        let bytes = bytes.freeze();
        Publish {
            topic: bytes.slice(..topic),
            payload: bytes.slice(topic..topic + payload),
            properties: bytes.slice(topic + payload..),
            ..self.clone()
        }
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}
