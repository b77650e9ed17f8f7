//! What waits for one subscriber: a bounded queue between the writer's thread, which fills it and never waits, and the
//! subscriber's connection, which empties it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::inbound::Publish;
use super::link::Link;
use super::metrics::{Counters, count, subtract};

/// A message on its way to one subscriber.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub publish: Arc<Publish>,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    /// 0: the connection gives one, since the session ends with it.
    pub packet_id: u16,
    pub extra: Option<Arc<Extra>>,
}

impl Delivery {
    /// Of a shared subscription.
    pub fn is_shared(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.group.is_some())
    }
}

/// What few messages have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extra {
    /// Subscription identifiers.
    pub ids: Vec<u32>,
    /// The shared subscription that this member was chosen from, as it was subscribed to (`$share/…`).
    pub group: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    Publish(Delivery),
    /// PUBREL.
    Release(u16),
    /// Everything before it is sent: the hub may go on with the retained messages that are due.
    More,
}

impl Outgoing {
    pub fn held_bytes(&self) -> usize {
        match self {
            Outgoing::Publish(delivery) => delivery.publish.held_bytes(),
            Outgoing::Release(_) | Outgoing::More => 0,
        }
    }

    /// What the hub counts itself, so that it always has a place.
    fn is_numbered(&self) -> bool {
        match self {
            Outgoing::Publish(delivery) => delivery.packet_id != 0,
            Outgoing::Release(_) | Outgoing::More => true,
        }
    }

    /// Whether the connection must have a place for its acknowledgement.
    fn needs_place(&self) -> bool {
        matches!(self, Outgoing::Publish(delivery) if delivery.qos > 0 && delivery.packet_id == 0)
    }
}

/// What became of a message that was offered.
#[derive(Debug)]
pub(super) enum Offered {
    Queued,
    /// QoS 0 and the queue is full: the subscriber loses it.
    Dropped,
    /// QoS 1 or 2 of a session that ends with its connection, and the queue is full: the subscriber is to be
    /// disconnected.
    Overflowed,
    /// The connection is gone, and this was another member's as well: it is to go there.
    Returned(Delivery),
    /// The connection is gone.
    Gone,
}

#[derive(Debug)]
pub(super) struct Outbox {
    link: Arc<Link>,
    queue: Mutex<Queue>,
    overflowed: AtomicBool,
    messages_max: usize,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Outgoing>,
    bytes: usize,
    closed: bool,
}

impl Outbox {
    pub fn new(link: Arc<Link>, messages_max: usize) -> Outbox {
        Outbox { link, queue: Mutex::default(), overflowed: AtomicBool::new(false), messages_max }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing under this lock can panic half-way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Queues a message if there is room, and wakes the connection.
    pub fn offer(&self, outgoing: Outgoing, bytes_max: usize) -> Offered {
        let bytes = outgoing.held_bytes();
        {
            let mut queue = self.queue();
            if queue.closed {
                return match outgoing {
                    Outgoing::Publish(delivery) if delivery.is_shared() && delivery.packet_id == 0 => {
                        Offered::Returned(delivery)
                    }
                    _ => Offered::Gone,
                };
            }
            let full = queue.messages.len() >= self.messages_max || queue.bytes + bytes > bytes_max;
            // What a durable session sends is bounded by its own window. One message fits however large it is.
            if full && !outgoing.is_numbered() && !queue.messages.is_empty() {
                if !outgoing.needs_place() {
                    return Offered::Dropped;
                }
                self.overflowed.store(true, Ordering::Release);
                drop(queue);
                self.link.wake();
                return Offered::Overflowed;
            }
            queue.bytes += bytes;
            queue.messages.push_back(outgoing);
        }
        self.link.wake();
        Offered::Queued
    }

    /// How many messages may come besides those that wait: half of the queue stays free for live ones.
    pub fn room(&self, bytes_max: usize) -> usize {
        let queue = self.queue();
        if queue.bytes >= bytes_max / 2 { 0 } else { (self.messages_max / 2).saturating_sub(queue.messages.len()) }
    }

    /// The next message and its bytes, unless it must be acknowledged and `may_acknowledge` is false.
    pub fn next(&self, may_acknowledge: bool) -> Option<(Outgoing, usize)> {
        let mut queue = self.queue();
        if queue.messages.front().is_none_or(|first| first.needs_place() && !may_acknowledge) {
            return None;
        }
        let next = queue.messages.pop_front()?;
        let bytes = next.held_bytes();
        queue.bytes -= bytes;
        if queue.messages.is_empty() && queue.messages.capacity() > 64 {
            queue.messages = VecDeque::new();
        }
        Some((next, bytes))
    }

    /// Nothing more is taken; gives what waited.
    pub fn close(&self) -> VecDeque<Outgoing> {
        let mut queue = self.queue();
        queue.closed = true;
        queue.bytes = 0;
        std::mem::take(&mut queue.messages)
    }

    /// Its connection ends: what waited is gone, but for what other members of a shared subscription are to get.
    pub fn give_back(&self, counters: &Counters) -> Vec<Delivery> {
        let mut undelivered = Vec::new();
        for outgoing in self.close() {
            subtract(&counters.queued_bytes, outgoing.held_bytes());
            match outgoing {
                // A durable session keeps its own.
                Outgoing::Publish(delivery) if delivery.packet_id != 0 => {}
                Outgoing::Publish(delivery) if delivery.is_shared() => undelivered.push(delivery),
                Outgoing::Publish(_) => count(&counters.dropped_disconnected),
                Outgoing::Release(_) | Outgoing::More => {}
            }
        }
        undelivered
    }

    pub fn overflowed(&self) -> bool {
        self.overflowed.load(Ordering::Acquire)
    }
}
