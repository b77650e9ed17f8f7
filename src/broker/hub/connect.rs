//! A client comes and goes: takeover, session present, wills, the end of a session (specification sections 3.1.2 and
//! 4.1).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::super::access::Rights;
use super::super::inbound::{Close, Connect, Parting, Publish, Will};
use super::super::link::{Answer, Link, Order, Welcome};
use super::super::metrics::{add, count, subtract};
use super::super::reason::QUOTA;
use super::super::tables::{CONNECTED, NEVER, SessionRow, SubscriptionRow, WillRow};
use super::session::{ArmedWill, Line, Session, will_bytes};
use super::{Hub, Table};
use crate::model::Millis;

/// No session may have more than this part of `sessions_bytes_max`.
const SESSION_SHARE: usize = 8;

impl Hub {
    pub(super) fn connect(&mut self, link: &Arc<Link>, connect: Connect) {
        let will = connect.will.as_ref().map_or(0, will_bytes);
        if will > 0 && !self.has_place(0, will) {
            return link.answer(Answer::Reason(QUOTA));
        }
        let limits = &self.shared.limits;
        let asked_s = self.allowed_expiry_s(connect.expiry_s);
        let window = usize::from(connect.receive_maximum.min(limits.inflight_max));
        let found = self.sessions.of_client(link.client()).and_then(|slot| self.take_over(slot, connect.clean));
        let present = found.is_some();
        let room = present || self.durable < self.shared.limits.sessions_max;
        if asked_s > 0 && !room {
            count(&self.shared.counters.sessions_refused);
            self.shared.warn(|| format!("the session of {:?} is not kept: sessions_max is reached", link.client()));
        }
        let expiry_s = if room { asked_s } else { 0 };
        let slot = found.unwrap_or_else(|| {
            let (number, durable) = (self.new_number(), expiry_s > 0);
            self.durable += usize::from(durable);
            self.sessions.insert(Session::new(number, Arc::clone(link.client()), durable, 0, self.messages.next))
        });
        let Some(session) = self.sessions.get_mut(slot) else { return };
        session.expiry_s = expiry_s;
        session.line = Some(Line { link: Arc::clone(link), outbox: connect.outbox, window, offered: 0 });
        self.links.insert(link.id(), (slot, session.number));
        let durable = session.durable;
        self.put_session(slot);
        if let Some(will) = connect.will {
            let number = self.new_number();
            let user = connect.user;
            if let Some(session) = self.sessions.get_mut(slot) {
                let armed = ArmedWill { number, user, will, due: None };
                session.hold(armed.bytes(), &self.shared.counters);
                session.will = Some(armed);
            }
            self.put_will(slot);
        }
        self.changes.pump.insert(slot);
        self.changes.replay.insert(slot);
        self.session_count();
        link.answer(Answer::Welcome(Welcome { session_present: present, durable, expiry_s }));
    }

    /// How long a session may live that asks for so long.
    fn allowed_expiry_s(&self, asked_s: u32) -> u32 {
        asked_s.min(u32::try_from(self.shared.limits.session_expiry_max.as_secs()).unwrap_or(u32::MAX))
    }

    /// Whether a session that holds so much may hold so much more.
    pub(super) fn has_place(&self, held: usize, more: usize) -> bool {
        let most = self.shared.limits.sessions_bytes_max;
        let all = self.shared.counters.session_bytes.load(Relaxed) as usize;
        all + more <= most && held + more <= most / SESSION_SHARE
    }

    /// Another connection has the client's name: the old one is to end. Gives the session if it goes on.
    fn take_over(&mut self, slot: u32, clean: bool) -> Option<u32> {
        let session = self.sessions.get_mut(slot)?;
        let client = Arc::clone(&session.client);
        let line = session.line.take();
        if let Some(line) = &line {
            line.link.order(Order::TakenOver);
        }
        session.flow.disconnect();
        if clean || !session.durable {
            self.end_session(slot);
            return None;
        }
        self.disarm(slot);
        let session = self.sessions.get_mut(slot)?;
        // A delayed will is not sent to somebody who is back ([MQTT-3.1.3-9]); one without delay is, since its
        // connection is gone.
        if let Some(armed) = session.take_will(&self.shared.counters, |_| true) {
            if line.is_some() && armed.will.delay_s == 0 {
                self.fire(&client, armed);
            } else {
                self.changes.delete(Table::Will, armed.number.to_be_bytes().to_vec());
            }
        }
        Some(slot)
    }

    pub(super) fn close(&mut self, link: &Arc<Link>, close: Close) {
        let slot = self.connected(link);
        self.links.remove(&link.id());
        let Some(slot) = slot else { return };
        let now = self.time.now;
        let changed_s = close.expiry_s.map(|asked_s| self.allowed_expiry_s(asked_s));
        let Some(session) = self.sessions.get_mut(slot) else { return };
        session.line = None;
        session.flow.disconnect();
        session.expiry_s = changed_s.unwrap_or(session.expiry_s);
        let expiry_s = session.expiry_s;
        if close.parting == Parting::Farewell {
            if let Some(armed) = session.take_will(&self.shared.counters, |_| true) {
                self.changes.delete(Table::Will, armed.number.to_be_bytes().to_vec());
            }
        }
        self.redistribute(slot, close.undelivered);
        if close.parting == Parting::Stopped {
            // Its will stays armed, as if the power had gone.
            if let Some(session) = self.sessions.get_mut(slot) {
                session.ends = after(now, expiry_s);
            }
            return self.put_session(slot);
        }
        if expiry_s == 0 {
            return self.end_session(slot);
        }
        self.away(slot, now);
    }

    /// From now on the session and its will have deadlines.
    pub(super) fn away(&mut self, slot: u32, now: Instant) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let number = session.number;
        session.ends = after(now, session.expiry_s);
        self.deadlines.extend(session.ends.map(|at| (at, slot, number)));
        let fired = session.take_will(&self.shared.counters, |armed| armed.will.delay_s == 0);
        if let Some(armed) = &mut session.will {
            armed.due = after(now, armed.will.delay_s);
            self.deadlines.extend(armed.due.map(|at| (at, slot, number)));
        }
        let client = Arc::clone(&session.client);
        self.put_session(slot);
        match fired {
            Some(armed) => self.fire(&client, armed),
            None => self.put_will(slot),
        }
    }

    /// Its deadlines are void: a client that comes and goes all the time leaves none behind each time.
    fn disarm(&mut self, slot: u32) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let due = session.will.as_mut().and_then(|armed| armed.due.take());
        for at in session.ends.take().into_iter().chain(due) {
            self.deadlines.remove(&(at, slot, session.number));
        }
    }

    pub(super) fn reach_deadline(&mut self, slot: u32, number: u64) {
        let now = self.time.now;
        let Some(session) = self.sessions.get_mut(slot).filter(|session| session.number == number) else { return };
        if session.line.is_some() {
            return;
        }
        if session.ends.is_some_and(|at| at <= now) {
            count(&self.shared.counters.sessions_expired);
            return self.end_session(slot);
        }
        let due = |armed: &ArmedWill| armed.due.is_some_and(|at| at <= now);
        let client = Arc::clone(&session.client);
        if let Some(armed) = session.take_will(&self.shared.counters, due) {
            self.fire(&client, armed);
        }
    }

    /// All of it goes; its will, if it has one, is sent now (section 3.1.2.5).
    pub(super) fn end_session(&mut self, slot: u32) {
        self.disarm(slot);
        let Some(session) = self.sessions.remove(slot) else { return };
        let counters = &self.shared.counters;
        subtract(&counters.subscriptions, session.filters.len());
        subtract(&counters.session_ids, session.received.len());
        subtract(&counters.session_bytes, session.bytes);
        for filter in &session.filters {
            self.tree.remove(filter, slot);
            if session.durable {
                self.changes.delete(Table::Subscription, SubscriptionRow::key(session.number, filter));
            }
        }
        self.changes.flows.remove(&slot);
        if session.durable {
            self.durable -= 1;
            self.changes.delete(Table::Session, session.client.as_bytes().to_vec());
            self.changes.delete(Table::Flow, session.number.to_be_bytes().to_vec());
        }
        let messages: Vec<u64> = session.flow.messages().collect();
        add(&counters.dropped_session_end, messages.len());
        messages.into_iter().for_each(|message| self.forget(message));
        if let Some(armed) = session.will {
            self.fire(&session.client, armed);
        }
        self.session_count();
    }

    /// Sends a will on its way into the pipeline, if the rules of now allow it. Its row stays until the message that it is
    /// gets committed.
    pub(super) fn fire(&mut self, client: &Arc<str>, armed: ArmedWill) {
        let ArmedWill { number, user, will: Will { publish, expiry_s, .. }, .. } = armed;
        let mut rights = Rights::new(&self.shared.access, user, Arc::clone(client));
        if !rights.may_publish(&self.shared.access, publish.topic_str()) {
            count(&self.shared.counters.denied_will);
            self.shared
                .warn(|| format!("the will of {client:?} is not published: no [[broker.acl]] allows it any more"));
            return self.changes.delete(Table::Will, number.to_be_bytes().to_vec());
        }
        let expires_at = expiry_s.and_then(|seconds| after(self.time.now, seconds));
        self.born.push(Publish { will: Some(number), expires_at, ..publish });
    }

    /// How a deadline of a session stands in its row.
    fn deadline(&self, session: &Session, at: Option<Instant>) -> Millis {
        match at {
            _ if session.line.is_some() => CONNECTED,
            None => NEVER,
            Some(at) => self.time.stamp(at),
        }
    }

    fn put_session(&mut self, slot: u32) {
        let Some(session) = self.sessions.get(slot).filter(|session| session.durable) else { return };
        let ends = self.deadline(session, session.ends);
        let row = SessionRow { number: session.number, since: session.since, expiry_s: session.expiry_s, ends };
        self.changes.put(Table::Session, session.client.as_bytes().to_vec(), row.encode());
    }

    fn put_will(&mut self, slot: u32) {
        let Some(session) = self.sessions.get(slot) else { return };
        let Some(armed) = &session.will else { return };
        let due = self.deadline(session, armed.due);
        let user = armed.user.as_ref().map(ToString::to_string);
        let row = WillRow { client: session.client.to_string(), user, due, will: armed.will.clone() };
        self.changes.put(Table::Will, armed.number.to_be_bytes().to_vec(), row.encode());
    }
}

/// So many seconds later; `u32::MAX` is never.
fn after(now: Instant, seconds: u32) -> Option<Instant> {
    now.checked_add(Duration::from_secs(u64::from(seconds))).filter(|_| seconds != u32::MAX)
}
