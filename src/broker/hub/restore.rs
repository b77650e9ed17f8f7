//! From the rows of the last run to a hub: every session is as its last commit left it, and clients that were connected
//! then are away since now.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::super::Shared;
use super::super::inbound::Publish;
use super::super::metrics::{add, set};
use super::super::tables::{CONNECTED, FlowRow, MessageRow, RetainedRow, SessionRow, SubscriptionRow, Target, WillRow};
use super::changes::Changes;
use super::flow::{Entry, Flow};
use super::messages::{Held, Messages};
use super::retained::{Replay, Retained};
use super::session::{ArmedWill, Session, Sessions, filter_bytes};
use super::sys::Sys;
use super::time::Time;
use super::tree::{Found, Subscription, Tree};
use super::{Hub, time};
use crate::model::Millis;
use crate::store::{Opened, Reader, Store, StoreError, Table};

/// What a message needs in memory.
struct Head {
    number: u64,
    bytes: u32,
    until: Millis,
    expires: Millis,
    targets: Vec<Target>,
}

/// What the store has of the broker's.
#[derive(Default)]
pub struct Restored {
    sessions: Vec<(String, SessionRow)>,
    subscriptions: Vec<SubscriptionRow>,
    flows: HashMap<u64, FlowRow>,
    messages: Vec<Head>,
    retained: Vec<RetainedRow>,
    wills: Vec<(u64, WillRow)>,
    time: Option<Vec<u8>>,
    /// Rows that could not be read; what they held is lost.
    pub damaged: u64,
}

impl Restored {
    /// Reads all rows but keeps no payload, save those of retained messages and wills.
    pub fn read(store: &Store, opened: &Opened) -> Result<Restored, StoreError> {
        let mut all = Restored { time: opened.meta.get(time::KEY).cloned(), ..Restored::default() };
        let mut damaged = 0;
        for table in Table::ALL {
            let mut undecodable = 0;
            damaged += store.each_row(table, |key, bytes| {
                undecodable += u64::from(all.take(table, key, bytes).is_none());
            })?;
            damaged += undecodable;
        }
        all.damaged = damaged;
        Ok(all)
    }

    fn take(&mut self, table: Table, key: &[u8], bytes: &[u8]) -> Option<()> {
        let number = || key.try_into().ok().map(u64::from_be_bytes);
        match table {
            Table::Session => {
                let client = std::str::from_utf8(key).ok()?.to_owned();
                self.sessions.push((client, SessionRow::decode(bytes).ok()?));
            }
            Table::Subscription => self.subscriptions.push(SubscriptionRow::decode(key, bytes).ok()?),
            Table::Flow => drop(self.flows.insert(number()?, FlowRow::decode(bytes).ok()?)),
            Table::Message => {
                let MessageRow { until, targets, body } = MessageRow::decode(bytes).ok()?;
                let bytes = body.publish.held_bytes() as u32;
                self.messages.push(Head { number: number()?, bytes, until, expires: body.expires, targets });
            }
            Table::Retained => self.retained.push(RetainedRow::decode(bytes).ok()?),
            Table::Will => self.wills.push((number()?, WillRow::decode(bytes).ok()?)),
        }
        Some(())
    }
}

impl Hub {
    /// A hub that goes on where the rows end. `wall` is the wall clock at `instant`.
    pub(in crate::broker) fn new(
        shared: Arc<Shared>,
        reader: Reader,
        restored: Restored,
        instant: Instant,
        wall: Millis,
    ) -> Hub {
        let numbers = restored.sessions.iter().map(|(_, row)| row.number);
        let next_number = numbers.chain(restored.wills.iter().map(|(number, _)| *number)).max().unwrap_or(0);
        let mut hub = Hub {
            time: Time::new(instant, wall, restored.time.as_deref()),
            shared,
            reader,
            sessions: Sessions::default(),
            links: HashMap::new(),
            durable: 0,
            tree: Tree::default(),
            found: Found::default(),
            retained: Retained::default(),
            status: Retained::default(),
            messages: Messages::default(),
            deadlines: BTreeSet::new(),
            next_number,
            changes: Changes::default(),
            born: Vec::new(),
            tick: 0,
            committed: Arc::new(AtomicU64::new(0)),
            swept: instant,
            sys: Sys::new(instant),
            more: false,
        };
        hub.restore(restored);
        hub
    }

    fn restore(&mut self, restored: Restored) {
        let Restored { sessions, subscriptions, flows, messages, retained, wills, .. } = restored;
        let mut slots: HashMap<u64, u32> = HashMap::new();
        let mut were_connected = BTreeSet::new();
        let mut next_message = messages.iter().map(|head| head.number + 1).max().unwrap_or(0);
        for (client, row) in sessions {
            let mut session = Session::new(row.number, client.into(), true, row.expiry_s, row.since);
            next_message = next_message.max(row.since);
            if let Some(flow) = flows.get(&row.number) {
                next_message = next_message.max(flow.taken);
                session.received = flow.received.iter().copied().collect();
                session.flow = Flow::new(flow);
            }
            let slot = self.sessions.insert(session);
            slots.insert(row.number, slot);
            self.durable += 1;
            if row.ends == CONNECTED {
                were_connected.insert(slot);
            } else if let Some(session) = self.sessions.get_mut(slot) {
                session.ends = self.time.instant(row.ends);
                self.deadlines.extend(session.ends.map(|at| (at, slot, row.number)));
            }
        }
        self.messages.next = next_message;
        for row in subscriptions {
            let slot = slots.get(&row.session).copied();
            let Some((slot, session)) = slot.and_then(|slot| Some((slot, self.sessions.get_mut(slot)?))) else {
                self.changes.delete_some_time(Table::Subscription, SubscriptionRow::key(row.session, &row.filter));
                continue;
            };
            session.filters.insert(row.filter.as_str().into());
            session.hold(filter_bytes(&row.filter), &self.shared.counters);
            self.tree.insert(&row.filter, Subscription { slot, options: row.options, id: row.id });
            if row.retained_due {
                // From their beginning: where they were is not known.
                session.replays.push_back(Replay::new(row.filter, row.options, row.id));
            }
        }
        self.restore_messages(messages, &slots);
        self.restore_retained(retained);
        self.restore_wills(wills, &mut were_connected);
        for slot in were_connected {
            let expiry_s = self.sessions.get(slot).map_or(0, |session| session.expiry_s);
            if expiry_s == 0 { self.end_session(slot) } else { self.away(slot, self.time.now) }
        }
        let (mut filters, mut ids) = (0, 0);
        for (_, session) in self.sessions.iter_mut() {
            filters += session.filters.len();
            ids += session.received.len();
        }
        let counters = &self.shared.counters;
        set(&counters.subscriptions, filters);
        set(&counters.session_ids, ids);
        set(&counters.retained_messages, self.retained.len());
        set(&counters.retained_bytes, self.retained.bytes());
        self.session_count();
    }

    fn restore_messages(&mut self, messages: Vec<Head>, slots: &HashMap<u64, u32>) {
        for Head { number, bytes, until, expires, targets } in messages {
            let (until, expires_at) = (self.time.instant(until), self.time.instant(expires));
            self.messages.insert(number, Held::new(None, bytes, until, expires_at), 0);
            for Target { session, qos, retain, extra } in targets {
                let slot = slots.get(&session).copied();
                let session = slot.and_then(|slot| self.sessions.get_mut(slot));
                let Some(session) = session.filter(|session| number >= session.since) else { continue };
                if session.flow.restore(Entry { message: number, bytes, qos, retain, extra }) {
                    self.messages.retain(number);
                }
            }
        }
        let mut lost = 0;
        for (_, session) in self.sessions.iter_mut() {
            lost += session.flow.forget_lost(|message| self.messages.get(message).is_some());
        }
        add(&self.shared.counters.dropped_corrupt, lost);
        for orphan in self.messages.orphans() {
            self.forget(orphan);
        }
    }

    fn restore_retained(&mut self, retained: Vec<RetainedRow>) {
        for RetainedRow(body) in retained {
            let expires_at = self.time.instant(body.expires);
            // Limits that were lowered since take nothing away.
            self.retained.set(Arc::new(Publish { expires_at, ..body.publish }), usize::MAX, usize::MAX);
        }
    }

    fn restore_wills(&mut self, wills: Vec<(u64, WillRow)>, were_connected: &mut BTreeSet<u32>) {
        for (number, WillRow { client, user, due, will }) in wills {
            let (name, user): (Arc<str>, _) = (client.as_str().into(), user.map(Arc::from));
            let slot = self.sessions.of_client(&client).unwrap_or_else(|| {
                // Its session ended with its connection, and so with the last run.
                let number = self.new_number();
                let slot = self.sessions.insert(Session::new(number, client.into(), false, 0, 0));
                were_connected.insert(slot);
                slot
            });
            let due = if due == CONNECTED { None } else { self.time.instant(due) };
            let Some(session) = self.sessions.get_mut(slot) else { continue };
            self.deadlines.extend(due.map(|at| (at, slot, session.number)));
            let older = session.take_will(&self.shared.counters, |_| true);
            let armed = ArmedWill { number, user, will, due };
            session.hold(armed.bytes(), &self.shared.counters);
            session.will = Some(armed);
            if let Some(older) = older {
                // Only a will that was on its way when the power went; it goes out now.
                self.fire(&name, older);
            }
        }
    }
}
