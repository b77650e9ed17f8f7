//! The broker's state: sessions, subscriptions, retained messages, wills. One thing, on the pipeline's thread, that takes
//! the connections' items in the order in which they are committed.
//!
//! What holds always:
//! - What an item changes is in the transaction of the tick that took the item, and whatever leaves because of it (an
//!   answer, a message, PUBREL) leaves after that. So every answer is still true after a crash.
//! - Nothing here waits for a client, and what a client can make it hold is bounded by the settings.
//! - A message for durable sessions lies in the store once; a session's flow says how far it has come.
//!
//! Knows no sockets, and of the store only rows and how to read one.

mod changes;
mod connect;
mod flow;
mod messages;
mod restore;
mod retained;
mod route;
mod session;
mod sys;
pub(super) mod time;
mod tree;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Shared;
use super::inbound::{Ask, Control, Inbound, Item, Publish, RetainHandling, Step, Subscribe};
use super::link::{Answer, Link, Order};
use super::metrics::{add, count, set, subtract};
use super::outbox::Outgoing;
use super::reason::{FILTER_INVALID, NO_SUBSCRIPTION_EXISTED, NOT_AUTHORIZED, PACKET_ID_NOT_FOUND, QUOTA, SUCCESS};
use super::tables::{Body, NEVER, RetainedRow, SubscriptionRow};
use crate::model::Now;
use crate::store::{Reader, Row, Table};
use changes::Changes;
use flow::Received;
use messages::Messages;
use retained::{Kept, Replay, Retained};
use session::{Sessions, filter_bytes};
use sys::Sys;
use time::Time;
use tree::{Found, Subscription, Tree, filter_is_valid, shared_filter};

pub use changes::Deliveries;
pub use restore::Restored;

/// Packet ids a client may have received and never released: far more than any client that means well has.
const RECEIVED_MAX: usize = 4_096;

/// Retained messages under `$SYS`: ours, and one for each bridge that leads here.
const STATUS_MESSAGES_MAX: usize = 1_000;
const STATUS_BYTES_MAX: usize = 1 << 20;

/// How often sessions of absent clients are looked through for messages that have waited too long.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

pub struct Hub {
    shared: Arc<Shared>,
    reader: Reader,
    time: Time,
    sessions: Sessions,
    /// The session of each connection: slot and number, since slots are used again.
    links: HashMap<u64, (u32, u64)>,
    durable: usize,
    tree: Tree,
    found: Found,
    retained: Retained,
    /// `$SYS`, which is in no store.
    status: Retained,
    messages: Messages,
    /// When a session ends or a will is due: slot and number of the session.
    deadlines: BTreeSet<(Instant, u32, u64)>,
    /// For sessions and wills.
    next_number: u64,
    changes: Changes,
    /// Wills on their way into the pipeline.
    born: Vec<Publish>,
    tick: u64,
    committed: Arc<AtomicU64>,
    swept: Instant,
    sys: Sys,
    /// A replay of retained messages was cut short by the tick's bound.
    more: bool,
}

/// What one tick has for its transaction, and for after it.
pub struct Finished {
    pub rows: Vec<Row>,
    pub meta: Vec<(String, Option<Vec<u8>>)>,
    pub after: After,
}

/// To be released once the tick is committed.
pub struct After {
    deliveries: Deliveries,
    shared: Arc<Shared>,
    tick: u64,
    committed: Arc<AtomicU64>,
}

impl After {
    pub fn release(self) {
        self.committed.store(self.tick, Ordering::Release);
        self.deliveries.release(&self.shared);
    }
}

impl Hub {
    /// The first call of a tick: moves time on. What comes back (wills that are due) is to be taken like what
    /// connections send.
    pub fn begin(&mut self, instant: Instant, now: Now) -> Vec<Inbound> {
        self.time.advance(instant, now);
        self.more = false;
        self.messages.committed(self.committed.load(Ordering::Acquire));
        self.tick += 1;
        let returned = std::mem::take(&mut *self.shared.returned());
        returned.into_iter().for_each(|delivery| self.give_to_another(&delivery));
        while let Some((_, slot, number)) = self.deadlines.first().copied().filter(|(at, ..)| *at <= instant) {
            self.deadlines.pop_first();
            self.reach_deadline(slot, number);
        }
        while let Some(topic) = self.retained.expire_one(instant) {
            self.changes.delete_some_time(Table::Retained, topic.to_vec());
        }
        if instant.saturating_duration_since(self.swept) >= SWEEP_EVERY {
            self.swept = instant;
            self.sweep();
        }
        if self.sys.is_due(instant) {
            self.publish_sys();
        }
        let born = std::mem::take(&mut self.born).into_iter();
        born.map(|will| Inbound { connection: Link::new(Arc::from("")), items: vec![Item::Publish(will)] }).collect()
    }

    /// Whether there is work left that waits for nothing.
    pub fn has_more(&self) -> bool {
        self.more || !self.born.is_empty()
    }

    /// A message comes in; false if it is one that came before (QoS 2), which then goes no further.
    pub fn publish(&mut self, link: &Link, publish: &Publish) -> bool {
        if publish.qos == 2 && !self.receive(link, publish.packet_id) {
            count(&self.shared.counters.duplicates_in);
            return false;
        }
        if let Some(number) = publish.will {
            self.changes.delete(Table::Will, number.to_be_bytes().to_vec());
            count(&self.shared.counters.wills_published);
        }
        if !publish.retain && self.tree.is_empty() {
            return true;
        }
        let from = self.session_of(link);
        let expired = publish.is_expired(self.time.now);
        if expired {
            count(&self.shared.counters.dropped_expired);
        } else if publish.retain {
            let owned = Arc::new(publish.owned());
            self.retain(&owned);
            self.route(&owned, from);
        } else {
            self.route_copy(publish, from);
        }
        true
    }

    /// Notes the packet id of a QoS 2 publish; false if it is there already.
    fn receive(&mut self, link: &Link, packet_id: u16) -> bool {
        let Some(slot) = self.session_of(link) else { return true };
        let Some(session) = self.sessions.get_mut(slot).filter(|_| packet_id != 0) else { return true };
        if session.received.len() >= RECEIVED_MAX {
            if let Some(line) = &session.line {
                line.link.order(Order::OverQuota);
            }
            return true;
        }
        let new = session.received.insert(packet_id);
        if new {
            count(&self.shared.counters.session_ids);
            if session.durable {
                self.changes.flows.insert(slot);
                self.changes.urgent = true;
            }
        }
        new
    }

    fn retain(&mut self, publish: &Arc<Publish>) {
        if sys::is_below(publish.topic_str()) {
            // What a bridge says of itself, like all that stands there in no store.
            self.status.set(Arc::clone(publish), STATUS_MESSAGES_MAX, STATUS_BYTES_MAX);
            return;
        }
        let limits = &self.shared.limits;
        let kept = self.retained.set(Arc::clone(publish), limits.retained_messages_max, limits.retained_bytes_max);
        let key = publish.topic.to_vec();
        match kept {
            Kept::Set => {
                let expires = publish.expires_at.map_or(NEVER, |at| self.time.stamp(at));
                let body = Body { expires, publish: Publish::clone(publish) };
                self.changes.put(Table::Retained, key, RetainedRow(body).encode());
            }
            Kept::Cleared => self.changes.delete(Table::Retained, key),
            Kept::Nothing => {}
            Kept::Refused => {
                count(&self.shared.counters.retained_refused);
                self.shared.warn(|| {
                    "a message was not retained: retained_messages_max or retained_bytes_max is reached".to_owned()
                });
            }
        }
        set(&self.shared.counters.retained_messages, self.retained.len());
        set(&self.shared.counters.retained_bytes, self.retained.bytes());
    }

    /// Something that a connection asks.
    pub fn take(&mut self, link: &Arc<Link>, control: Control) {
        match control.0 {
            Ask::Connect(connect) => self.connect(link, *connect),
            Ask::Close(close) => self.close(link, *close),
            Ask::Subscribe(subscribe) => {
                let codes = self.subscribe(link, &subscribe);
                link.answer(Answer::Codes(codes));
            }
            Ask::Unsubscribe(filters) => {
                let codes = filters.iter().map(|filter| self.unsubscribe(link, filter)).collect();
                link.answer(Answer::Codes(codes));
            }
            Ask::Release(packet_id) => {
                let known = self.session_of(link).is_some_and(|slot| self.release(slot, packet_id));
                link.answer(Answer::Reason(if known { SUCCESS } else { PACKET_ID_NOT_FOUND }));
            }
            Ask::Acknowledge { step, packet_id, refused } => self.acknowledge(link, step, packet_id, refused),
            Ask::Drained => {
                if let Some(slot) = self.connected(link) {
                    self.changes.replay.insert(slot);
                }
            }
        }
    }

    /// The last call of a tick. `committing`: there is a transaction anyway. `last`: nothing may wait for another.
    pub fn finish(&mut self, committing: bool, last: bool) -> Finished {
        self.replay_some();
        while let Some(slot) = self.changes.pump.pop_first() {
            self.pump(slot);
        }
        let (mut rows, mut meta) = (Vec::new(), Vec::new());
        if self.changes.are_due(self.time.now, committing || last) {
            self.put_flows();
            rows = self.changes.take_rows();
            meta.extend(self.time.save().map(|time| (time::KEY.to_owned(), Some(time))));
        }
        set(&self.shared.counters.stored_messages, self.messages.len());
        set(&self.shared.counters.stored_bytes, self.messages.bytes);
        for (outbox, _) in &self.changes.out {
            if let Some((slot, _)) = self.links.get(&outbox.link().id()) {
                if let Some(line) = self.sessions.get_mut(*slot).and_then(|session| session.line.as_mut()) {
                    line.offered = 0;
                }
            }
        }
        self.changes.pumped_bytes = 0;
        let deliveries = Deliveries(std::mem::take(&mut self.changes.out));
        let (shared, committed) = (Arc::clone(&self.shared), Arc::clone(&self.committed));
        Finished { rows, meta, after: After { deliveries, shared, tick: self.tick, committed } }
    }

    fn put_flows(&mut self) {
        for slot in std::mem::take(&mut self.changes.flows) {
            if let Some(session) = self.sessions.get(slot) {
                let row = session.flow.row(session.received.iter().copied().collect());
                self.changes.put(Table::Flow, session.number.to_be_bytes().to_vec(), row.encode());
            }
        }
        self.changes.urgent = false;
    }

    /// The session of a connection, be it the present one or an earlier one of the same session.
    fn session_of(&self, link: &Link) -> Option<u32> {
        let (slot, number) = self.links.get(&link.id()).copied()?;
        self.sessions.get(slot).filter(|session| session.number == number).map(|_| slot)
    }

    /// The session whose present connection this is.
    fn connected(&self, link: &Link) -> Option<u32> {
        let slot = self.session_of(link)?;
        let line = self.sessions.get(slot)?.line.as_ref()?;
        (line.link.id() == link.id()).then_some(slot)
    }

    fn release(&mut self, slot: u32, packet_id: u16) -> bool {
        let Some(session) = self.sessions.get_mut(slot) else { return false };
        if !session.received.remove(&packet_id) {
            return false;
        }
        subtract(&self.shared.counters.session_ids, 1);
        if session.durable {
            self.changes.flows.insert(slot);
            self.changes.urgent = true;
        }
        true
    }

    fn acknowledge(&mut self, link: &Arc<Link>, step: Step, packet_id: u16, refused: bool) {
        let Some(slot) = self.connected(link) else { return };
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let done = match step {
            Step::Acknowledged => session.flow.puback(packet_id),
            Step::Received if refused => session.flow.refuse(packet_id),
            Step::Received => {
                let received = session.flow.pubrec(packet_id);
                let Some(line) = &session.line else { return };
                // PUBREL even for what is not known: the client must not wait for ever.
                self.changes.out.push((Arc::clone(&line.outbox), Outgoing::Release(packet_id)));
                match received {
                    Received::Message(message) => {
                        self.changes.urgent = true;
                        Some(message)
                    }
                    Received::Again | Received::Unknown => return,
                }
            }
            Step::Completed => {
                session.flow.pubcomp(packet_id);
                None
            }
        };
        self.changes.flows.insert(slot);
        self.changes.pump.insert(slot);
        if !session.replays.is_empty() {
            self.changes.replay.insert(slot);
        }
        if let Some(message) = done {
            self.forget(message);
        }
    }

    /// One session less waits for a message.
    fn forget(&mut self, message: u64) {
        if self.messages.release(message) {
            self.changes.delete_some_time(Table::Message, message.to_be_bytes().to_vec());
        }
    }

    fn subscribe(&mut self, link: &Arc<Link>, subscribe: &Subscribe) -> Vec<u8> {
        let Some(slot) = self.connected(link) else { return vec![QUOTA; subscribe.filters.len()] };
        let code = |refused: u8| if subscribe.v5 { refused } else { 0x80 };
        let limits = (self.shared.limits.topic_levels_max, self.shared.limits.subscriptions_per_client_max);
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        for filter in &subscribe.filters {
            let Some(session) = self.sessions.get_mut(slot) else { break };
            let path = filter.path.as_str();
            if !filter_is_valid(path, limits.0) {
                codes.push(code(FILTER_INVALID));
                continue;
            }
            if !filter.allowed {
                count(&self.shared.counters.denied_subscribe);
                codes.push(code(NOT_AUTHORIZED));
                continue;
            }
            let new = !session.filters.contains(path);
            if new && session.filters.len() >= limits.1 {
                count(&self.shared.counters.subscriptions_refused);
                let client = &session.client;
                self.shared.warn(|| format!("{client:?} has subscriptions_per_client_max and gets no more"));
                codes.push(code(QUOTA));
                continue;
            }
            let held = session.bytes;
            if new && !self.has_place(held, filter_bytes(path)) {
                count(&self.shared.counters.subscriptions_refused);
                let client = link.client();
                self.shared.warn(|| format!("{client:?} gets no more subscriptions: sessions_bytes_max is reached"));
                codes.push(code(QUOTA));
                continue;
            }
            let Some(session) = self.sessions.get_mut(slot) else { break };
            if new {
                session.filters.insert(path.into());
                session.hold(filter_bytes(path), &self.shared.counters);
                count(&self.shared.counters.subscriptions);
            }
            let (options, id) = (filter.options, subscribe.id);
            self.tree.insert(path, Subscription { slot, options, id });
            let send = match filter.retain_handling {
                RetainHandling::Send => true,
                RetainHandling::SendIfNew => new,
                RetainHandling::DoNotSend => false,
            };
            let retained_due = send && shared_filter(path).is_none();
            if session.durable {
                let (session, filter) = (session.number, path.to_owned());
                let row = SubscriptionRow { session, filter, options, id, retained_due };
                self.changes.put(Table::Subscription, SubscriptionRow::key(session, path), row.encode());
            }
            if retained_due {
                session.replays.retain(|replay| replay.filter != path);
                session.replays.push_back(Replay::new(path.to_owned(), options, id));
                self.changes.replay.insert(slot);
            }
            codes.push(options.qos);
        }
        codes
    }

    fn unsubscribe(&mut self, link: &Arc<Link>, filter: &str) -> u8 {
        let Some(slot) = self.connected(link) else { return NO_SUBSCRIPTION_EXISTED };
        let Some(session) = self.sessions.get_mut(slot) else { return NO_SUBSCRIPTION_EXISTED };
        if !session.filters.remove(filter) {
            return NO_SUBSCRIPTION_EXISTED;
        }
        session.let_go(filter_bytes(filter), &self.shared.counters);
        session.replays.retain(|replay| replay.filter != filter);
        if session.durable {
            self.changes.delete(Table::Subscription, SubscriptionRow::key(session.number, filter));
        }
        self.tree.remove(filter, slot);
        subtract(&self.shared.counters.subscriptions, 1);
        SUCCESS
    }

    /// `$SYS` is in no store: what it says is not true any more after a restart.
    fn publish_sys(&mut self) {
        let (total, away) = self.sessions.count();
        let metrics = self.shared.counters.read();
        for (topic, value) in self.sys.values(self.time.now, metrics, (total, away)) {
            let publish = Arc::new(Publish { retain: true, ..Publish::new(topic, value, 0) });
            self.status.set(Arc::clone(&publish), usize::MAX, usize::MAX);
            self.route(&publish, None);
        }
    }

    /// Drops what has waited too long from the front of each queue.
    fn sweep(&mut self) {
        let mut gone = Vec::new();
        for (slot, session) in self.sessions.iter_mut() {
            while let Some(held) = session.flow.front().and_then(|entry| self.messages.get(entry.message)) {
                if !held.is_over(self.time.now, &self.shared) {
                    break;
                }
                gone.extend(session.flow.pop().map(|entry| entry.message));
                self.changes.flows.insert(slot);
            }
        }
        add(&self.shared.counters.dropped_expired, gone.len());
        gone.into_iter().for_each(|message| self.forget(message));
    }

    fn new_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn session_count(&self) {
        set(&self.shared.counters.sessions, self.durable);
    }
}

#[cfg(test)]
mod tests;
