//! Messages that wait for durable sessions: each once in the store, and in memory as long as it may not be on the disk
//! yet or memory allows.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::super::Shared;
use super::super::inbound::Publish;
use super::super::tables::MessageRow;
use super::time::Time;
use crate::store::{Reader, Table};

/// Payloads that are kept in memory besides those not yet committed.
const CACHE_BYTES_MAX: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Held {
    publish: Option<Arc<Publish>>,
    pub bytes: u32,
    /// Sessions that have not had it.
    pub sessions: u32,
    /// When it has waited too long.
    pub until: Option<Instant>,
    pub expires_at: Option<Instant>,
}

impl Held {
    pub fn new(publish: Option<Arc<Publish>>, bytes: u32, until: Option<Instant>, expires_at: Option<Instant>) -> Held {
        Held { publish, bytes, sessions: 0, until, expires_at }
    }

    /// It has waited too long, or its own time has passed.
    pub fn is_over(&self, now: Instant, shared: &Shared) -> bool {
        let over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if over(self.until) {
            shared.warn(|| "messages that have waited for queue_age_max are dropped".to_owned());
        }
        over(self.until) || over(self.expires_at)
    }
}

#[derive(Debug, Default)]
pub(super) struct Messages {
    held: HashMap<u64, Held>,
    /// The number of the next one.
    pub next: u64,
    pub bytes: usize,
    cached_bytes: usize,
    /// Those not known to be committed, with the tick they came in.
    fresh: VecDeque<(u64, u64)>,
}

impl Messages {
    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn insert(&mut self, number: u64, held: Held, tick: u64) {
        self.bytes += held.bytes as usize;
        if held.publish.is_some() {
            self.cached_bytes += held.bytes as usize;
            self.fresh.push_back((tick, number));
        }
        self.held.insert(number, held);
    }

    pub fn get(&self, number: u64) -> Option<&Held> {
        self.held.get(&number)
    }

    /// One more session waits for it.
    pub fn retain(&mut self, number: u64) {
        if let Some(held) = self.held.get_mut(&number) {
            held.sessions += 1;
        }
    }

    /// A session is done with it; true if it was the last and the row may go.
    pub fn release(&mut self, number: u64) -> bool {
        let Some(held) = self.held.get_mut(&number) else { return false };
        held.sessions = held.sessions.saturating_sub(1);
        if held.sessions > 0 {
            return false;
        }
        if let Some(held) = self.held.remove(&number) {
            self.bytes -= held.bytes as usize;
            self.cached_bytes -= if held.publish.is_some() { held.bytes as usize } else { 0 };
        }
        if self.held.is_empty() && self.held.capacity() > 1_024 {
            self.held = HashMap::new();
        }
        true
    }

    /// Numbers nobody waits for, after the sessions were restored.
    pub fn orphans(&self) -> Vec<u64> {
        self.held.iter().filter(|(_, held)| held.sessions == 0).map(|(number, _)| *number).collect()
    }

    /// Everything up to a tick is committed: payloads may be read from the disk from now on.
    pub fn committed(&mut self, tick: u64) {
        while let Some((_, number)) = self.fresh.front().copied().filter(|(made, _)| *made <= tick) {
            self.fresh.pop_front();
            if self.cached_bytes <= CACHE_BYTES_MAX {
                continue;
            }
            if let Some(held) = self.held.get_mut(&number) {
                if held.publish.take().is_some() {
                    self.cached_bytes -= held.bytes as usize;
                }
            }
        }
    }

    /// The message itself, from memory or from the disk. `None`: the disk has lost it.
    pub fn load(&self, number: u64, reader: &Reader, time: &Time) -> Option<Arc<Publish>> {
        let held = self.held.get(&number)?;
        if let Some(publish) = &held.publish {
            return Some(Arc::clone(publish));
        }
        let bytes = reader.row(Table::Message, &number.to_be_bytes()).ok()??;
        let body = MessageRow::decode(&bytes).ok()?.body;
        Some(Arc::new(Publish { expires_at: time.instant(body.expires), ..body.publish }))
    }
}
