//! What waits for one subscriber: a bounded queue between the writer's thread, which fills it and never waits, and the
//! subscriber's connection, which empties it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::acks::Acks;
use super::inbound::Publish;

/// A message on its way to one subscriber.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub publish: Publish,
    pub qos: u8,
    pub retain: bool,
}

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Queued,
    /// QoS 0 and the queue is full: the subscriber loses it.
    Dropped,
    /// QoS 1 and the queue is full: the subscriber is to be disconnected.
    Overflowed,
}

#[derive(Debug)]
pub(super) struct Outbox {
    /// Client identifier, for no-local.
    pub client: Arc<str>,
    connection: Arc<Acks>,
    queue: Mutex<Queue>,
    overflowed: AtomicBool,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Outgoing>,
    bytes: usize,
}

impl Outbox {
    pub fn new(client: Arc<str>, connection: Arc<Acks>, messages_max: usize, bytes_max: usize) -> Outbox {
        let queue = Mutex::default();
        Outbox { client, connection, queue, overflowed: AtomicBool::new(false), messages_max, bytes_max }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        // Nothing under this lock can panic half-way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message if there is room, and wakes the connection.
    pub fn offer(&self, outgoing: Outgoing) -> Offered {
        let bytes = outgoing.publish.held_bytes();
        {
            let mut queue = self.queue();
            if queue.messages.len() >= self.messages_max || queue.bytes + bytes > self.bytes_max {
                if outgoing.qos == 0 {
                    return Offered::Dropped;
                }
                self.overflowed.store(true, Ordering::Release);
                drop(queue);
                self.connection.wake();
                return Offered::Overflowed;
            }
            queue.bytes += bytes;
            queue.messages.push_back(outgoing);
        }
        self.connection.wake();
        Offered::Queued
    }

    /// The next message, unless it is of QoS 1 and `may_acknowledge` is false.
    pub fn next(&self, may_acknowledge: bool) -> Option<Outgoing> {
        let mut queue = self.queue();
        if queue.messages.front().is_none_or(|first| first.qos > 0 && !may_acknowledge) {
            return None;
        }
        let next = queue.messages.pop_front()?;
        queue.bytes -= next.publish.held_bytes();
        Some(next)
    }

    pub fn overflowed(&self) -> bool {
        self.overflowed.load(Ordering::Acquire)
    }

    /// Messages and bytes that wait.
    pub fn waiting(&self) -> (usize, usize) {
        let queue = self.queue();
        (queue.messages.len(), queue.bytes)
    }
}
