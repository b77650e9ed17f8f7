//! From a message to its subscribers: who takes it, whose turn it is in a shared subscription, what may be sent now.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Instant;

use super::super::inbound::Publish;
use super::super::metrics::count;
use super::super::outbox::{Delivery, Extra, Outgoing};
use super::super::tables::{Body, MessageRow, NEVER, SubscriptionRow, Target};
use super::flow::Entry;
use super::messages::Held;
use super::retained::Replay;
use super::tree::Subscription;
use super::{Hub, Table, sys};

/// Topics that one tick looks at for retained messages.
const LOOKED_MAX: usize = 20_000;

/// One session's part in a message.
struct Share {
    slot: u32,
    qos: u8,
    retain: bool,
    extra: Option<Arc<Extra>>,
}

impl Hub {
    /// Like [`Hub::route`], but copies only what somebody takes.
    pub(super) fn route_copy(&mut self, publish: &Publish, from: Option<u32>) {
        self.tree.find(publish.topic_str(), &mut self.found);
        if !self.found.subscriptions.is_empty() || !self.found.groups.is_empty() {
            self.route_found(&Arc::new(publish.owned()), from);
        }
    }

    /// Gives a message to everybody who subscribed to it. `from` is the publisher's session.
    pub(super) fn route(&mut self, publish: &Arc<Publish>, from: Option<u32>) {
        self.tree.find(publish.topic_str(), &mut self.found);
        self.route_found(publish, from);
    }

    fn route_found(&mut self, publish: &Arc<Publish>, from: Option<u32>) {
        let mut found = std::mem::take(&mut self.found);
        found.subscriptions.retain(|one| !(one.options.no_local && from == Some(one.slot)));
        // A client with several matching subscriptions gets the message once, at the best of them.
        found.subscriptions.sort_unstable_by_key(|one| (one.slot, Reverse(one.options.qos)));
        let mut shares = Vec::with_capacity(found.subscriptions.len() + found.groups.len());
        for same in found.subscriptions.chunk_by(|one, other| one.slot == other.slot) {
            let ids: Vec<u32> = same.iter().map(|one| one.id).filter(|id| *id != 0).collect();
            shares.push(Share {
                slot: same[0].slot,
                qos: same[0].options.qos.min(publish.qos),
                retain: publish.retain && same.iter().any(|one| one.options.retain_as_published),
                extra: (!ids.is_empty()).then(|| Arc::new(Extra { ids, group: None })),
            });
        }
        for group in &found.groups {
            shares.extend(self.share_of_group(*group, publish));
        }
        self.found = found;
        self.deliver(publish, shares);
    }

    fn share_of_group(&mut self, group: u32, publish: &Publish) -> Option<Share> {
        let member = self.choose(group)?;
        let name = Arc::clone(&self.tree.group_mut(group)?.name);
        let ids = if member.id == 0 { Vec::new() } else { vec![member.id] };
        Some(Share {
            slot: member.slot,
            qos: member.options.qos.min(publish.qos),
            retain: publish.retain && member.options.retain_as_published,
            extra: Some(Arc::new(Extra { ids, group: Some(name) })),
        })
    }

    /// By turns among the members that are connected and keep up; if there are none, among those connected; if there
    /// are none, among those whose session waits for them.
    fn choose(&mut self, group: u32) -> Option<Subscription> {
        let share = self.shared.queue_share_bytes(0);
        let group = self.tree.group_mut(group)?;
        let count = group.members.len();
        let (mut best, mut best_rank) = (None, 0);
        for turn in 0..count {
            let at = (group.next + turn) % count;
            let session = self.sessions.get(group.members[at].slot)?;
            let rank = match &session.line {
                Some(line) if session.durable && session.flow.waiting().0 < line.window => 3,
                Some(_) if !session.durable && session.room(share) > 0 => 3,
                Some(_) => 2,
                None if session.durable => 1,
                None => 0,
            };
            if rank > best_rank {
                (best, best_rank) = (Some(at), rank);
            }
            if rank == 3 {
                break;
            }
        }
        let at = best?;
        group.next = (at + 1) % count;
        Some(group.members[at])
    }

    /// Hands a message to sessions: over the line at once, or into the store until they can have it.
    fn deliver(&mut self, publish: &Arc<Publish>, shares: Vec<Share>) {
        let number = self.messages.next;
        let bytes = publish.held_bytes() as u32;
        let mut targets = Vec::new();
        for Share { slot, qos, retain, extra } in shares {
            let Some(session) = self.sessions.get_mut(slot) else { continue };
            if qos == 0 || !session.durable {
                let Some(line) = &mut session.line else { continue };
                line.offered += 1;
                let delivery = Delivery { publish: Arc::clone(publish), qos, retain, dup: false, packet_id: 0, extra };
                self.changes.out.push((Arc::clone(&line.outbox), Outgoing::Publish(delivery)));
                continue;
            }
            let limits = &self.shared.limits;
            let (waiting, waiting_bytes) = session.flow.waiting();
            let own = waiting >= limits.queue_messages_max || waiting_bytes + bytes as usize > limits.queue_bytes_max;
            let all = self.messages.len() >= limits.stored_messages_max
                || self.messages.bytes + bytes as usize > limits.stored_bytes_max;
            if own && waiting > 0 || all {
                count(&self.shared.counters.dropped_session_full);
                let limit = if own {
                    "queue_messages_max or queue_bytes_max"
                } else {
                    "stored_messages_max or stored_bytes_max"
                };
                let client = Arc::clone(&session.client);
                self.shared.warn(|| format!("a message for {client:?} is dropped: {limit} is reached"));
                continue;
            }
            session.flow.push(Entry { message: number, bytes, qos, retain, extra: extra.clone() });
            targets.push(Target { session: session.number, qos, retain, extra });
            self.changes.pump.insert(slot);
        }
        if !targets.is_empty() {
            self.store_message(publish, targets);
        }
    }

    fn store_message(&mut self, publish: &Arc<Publish>, targets: Vec<Target>) {
        let number = self.messages.next;
        self.messages.next += 1;
        let until = self.time.now.checked_add(self.shared.limits.queue_age_max);
        let held = Held::new(Some(Arc::clone(publish)), publish.held_bytes() as u32, until, publish.expires_at);
        self.messages.insert(number, held, self.tick);
        targets.iter().for_each(|_| self.messages.retain(number));
        let stamp = |at: Option<Instant>| at.map_or(NEVER, |at| self.time.stamp(at));
        let body = Body { expires: stamp(publish.expires_at), publish: Publish::clone(publish) };
        let row = MessageRow { until: stamp(until), targets, body };
        self.changes.put(Table::Message, number.to_be_bytes().to_vec(), row.encode());
    }

    /// A member of shared subscriptions went: what it did not get goes to another one, if there is one connected.
    pub(super) fn redistribute(&mut self, slot: u32, undelivered: Vec<Delivery>) {
        let mut again: Vec<(Arc<str>, Arc<Publish>)> = Vec::new();
        for delivery in undelivered {
            let group = delivery.extra.as_ref().and_then(|extra| extra.group.clone());
            again.extend(group.map(|group| (group, delivery.publish)));
        }
        let Hub { sessions, tree, .. } = self;
        let Some(session) = sessions.get(slot) else { return };
        let groups: Vec<&Box<str>> =
            session.filters.iter().filter(|filter| super::shared_filter(filter).is_some()).collect();
        let mut served: Vec<Arc<str>> = Vec::new();
        for filter in groups {
            let Some(number) = tree.group_named(filter) else { continue };
            let Some(group) = tree.group_mut(number) else { continue };
            let other = |member: &Subscription| {
                member.slot != slot && sessions.get(member.slot).is_some_and(|session| session.line.is_some())
            };
            if group.members.iter().any(other) {
                served.push(Arc::clone(&group.name));
            }
        }
        if let Some(session) = self.sessions.get_mut(slot).filter(|session| session.durable && !served.is_empty()) {
            let in_served = |entry: &Entry| {
                entry.extra.as_ref().and_then(|extra| extra.group.as_ref()).is_some_and(|group| served.contains(group))
            };
            let entries = session.flow.take_out(in_served);
            self.changes.flows.insert(slot);
            for entry in entries {
                let publish = self.messages.load(entry.message, &self.reader, &self.time);
                let group = entry.extra.and_then(|extra| extra.group.clone());
                again.extend(group.zip(publish));
                self.forget(entry.message);
            }
        }
        for (group, publish) in again {
            self.redeliver(&group, &publish);
        }
    }

    /// The member that was chosen is gone.
    pub(super) fn give_to_another(&mut self, delivery: &Delivery) {
        if let Some(group) = delivery.extra.as_ref().and_then(|extra| extra.group.as_ref()) {
            self.redeliver(group, &delivery.publish);
        }
    }

    fn redeliver(&mut self, group: &str, publish: &Arc<Publish>) {
        let share = self.tree.group_named(group).and_then(|number| self.share_of_group(number, publish));
        if let Some(share) = share {
            count(&self.shared.counters.redistributed);
            self.deliver(publish, vec![share]);
        }
    }

    /// Sends what a connected durable session may have now.
    pub(super) fn pump(&mut self, slot: u32) {
        let Hub { sessions, messages, reader, time, changes, shared, .. } = self;
        let Some(session) = sessions.get_mut(slot).filter(|session| session.durable) else { return };
        let Some(line) = &session.line else { return };
        let mut done = Vec::new();
        while session.flow.has_room(line.window, shared.queue_share_bytes(changes.pumped_bytes)) {
            let (packet_id, entry, dup) = if let Some(flight) = session.flow.resend() {
                if flight.received {
                    changes.out.push((Arc::clone(&line.outbox), Outgoing::Release(flight.packet_id)));
                    continue;
                }
                (Some(flight.packet_id), flight.entry, true)
            } else if let Some(entry) = session.flow.pop() {
                changes.flows.insert(slot);
                (None, entry, false)
            } else {
                break;
            };
            let held = messages.get(entry.message);
            if !dup && held.is_some_and(|held| held.is_over(time.now, shared)) {
                count(&shared.counters.dropped_expired);
                done.push(entry.message);
                continue;
            }
            let Some(publish) = messages.load(entry.message, reader, time) else {
                count(&shared.counters.dropped_corrupt);
                if let Some(packet_id) = packet_id {
                    session.flow.refuse(packet_id);
                }
                done.push(entry.message);
                continue;
            };
            let Entry { qos, retain, .. } = entry;
            let extra = entry.extra.clone();
            let packet_id = packet_id.unwrap_or_else(|| {
                // The packet id must be on the disk before the client hears of it.
                changes.urgent = true;
                session.flow.launch(entry)
            });
            changes.pumped_bytes += publish.held_bytes();
            let delivery = Delivery { publish, qos, retain, dup, packet_id, extra };
            changes.out.push((Arc::clone(&line.outbox), Outgoing::Publish(delivery)));
        }
        done.into_iter().for_each(|message| self.forget(message));
    }

    /// Goes on with the retained messages that new subscriptions are to get.
    pub(super) fn replay_some(&mut self) {
        let mut look = LOOKED_MAX;
        while let Some(slot) = self.changes.replay.pop_first() {
            if !self.replay_one(slot, &mut look) {
                self.changes.replay.insert(slot);
                self.more = true;
                return;
            }
        }
    }

    /// A subscription has all its retained messages: after a restart they are not due again.
    fn replayed(&mut self, slot: u32, replay: Replay) {
        let Some(session) = self.sessions.get(slot).filter(|session| session.durable) else { return };
        let (session, Replay { filter, options, id, .. }) = (session.number, replay);
        let key = SubscriptionRow::key(session, &filter);
        let row = SubscriptionRow { session, filter, options, id, retained_due: false };
        self.changes.put(Table::Subscription, key, row.encode());
    }

    /// False when `look` is used up.
    fn replay_one(&mut self, slot: u32, look: &mut usize) -> bool {
        let Some(session) = self.sessions.get_mut(slot) else { return true };
        let Some(window) = session.line.as_ref().map(|line| line.window) else { return true };
        let mut room = session.room(self.shared.queue_share_bytes(0));
        if session.durable {
            room = room.min((2 * window).saturating_sub(session.flow.waiting().0));
        }
        let mut replays = std::mem::take(&mut session.replays);
        let (mut shares, mut at_end, mut done) = (Vec::new(), true, Vec::new());
        while let Some(replay) = replays.front_mut().filter(|_| room > 0) {
            let mut found = Vec::new();
            let kept = if sys::is_below(&replay.filter) { &self.status } else { &self.retained };
            at_end = kept.next(replay, room, look, &mut found);
            room -= found.len().min(room);
            for publish in found.into_iter().filter(|publish| !publish.is_expired(self.time.now)) {
                let ids = if replay.id == 0 { Vec::new() } else { vec![replay.id] };
                let extra = (!ids.is_empty()).then(|| Arc::new(Extra { ids, group: None }));
                let qos = replay.options.qos.min(publish.qos);
                shares.push((publish, Share { slot, qos, retain: true, extra }));
            }
            if !at_end {
                break;
            }
            done.extend(replays.pop_front());
        }
        let waits = !replays.is_empty();
        if let Some(session) = self.sessions.get_mut(slot) {
            session.replays = replays;
        }
        done.into_iter().for_each(|replay| self.replayed(slot, replay));
        let some = !shares.is_empty();
        for (publish, share) in shares {
            self.deliver(&publish, vec![share]);
        }
        let out_of_look = waits && !at_end && *look == 0;
        if waits && some {
            if let Some(line) = self.sessions.get(slot).and_then(|session| session.line.as_ref()) {
                self.changes.out.push((Arc::clone(&line.outbox), Outgoing::More));
            }
            return true;
        }
        !out_of_look
    }
}
