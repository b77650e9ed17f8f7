//! The messages of one durable session on their way to its client: what waits, what was sent, how far each has come
//! (specification section 4.3 and 4.4). Pure.
//!
//! Holds always: messages are sent in the order of their numbers; at most `window` are under way; those sent over the
//! present connection are the first `sent` flights, so that after a reconnect everything is sent again in order.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::super::outbox::Extra;
use super::super::tables::{FlightRow, FlowRow};

/// A message that waits for the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub message: u64,
    pub bytes: u32,
    pub qos: u8,
    pub retain: bool,
    pub extra: Option<Arc<Extra>>,
}

/// A message that has a packet id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub packet_id: u16,
    pub entry: Entry,
    /// PUBREC came: from now on it is PUBREL that is sent.
    pub received: bool,
}

#[derive(Debug, Default)]
pub(super) struct Flow {
    queue: VecDeque<Entry>,
    queue_bytes: usize,
    flights: VecDeque<Flight>,
    sent: usize,
    sent_bytes: usize,
    last_id: u16,
    /// Messages before this are under way or done.
    taken: u64,
    /// Those behind it that waited here and went to another member of their group.
    given: BTreeSet<u64>,
}

/// What a PUBREC was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// This message, which the client has now.
    Message(u64),
    Again,
    Unknown,
}

impl Flow {
    /// As it was stored; the messages come with [`Flow::restore`].
    pub fn new(row: &FlowRow) -> Flow {
        let flight = |row: &FlightRow| Flight {
            packet_id: row.packet_id,
            entry: Entry { message: row.message, bytes: 0, qos: 2, retain: false, extra: None },
            received: row.received,
        };
        let flights = row.flights.iter().map(flight).collect();
        let given = row.given.iter().copied().collect();
        Flow { flights, last_id: row.last_id, taken: row.taken, given, ..Flow::default() }
    }

    pub fn row(&self, received: Vec<u16>) -> FlowRow {
        let row = |flight: &Flight| FlightRow {
            packet_id: flight.packet_id,
            message: flight.entry.message,
            received: flight.received,
        };
        let flights = self.flights.iter().map(row).collect();
        let given = self.given.iter().copied().collect();
        FlowRow { taken: self.taken, last_id: self.last_id, flights, received, given }
    }

    /// A stored message that was for this session, in order of the numbers; false if it is done with it.
    pub fn restore(&mut self, entry: Entry) -> bool {
        if self.given.contains(&entry.message) {
            return false;
        }
        if entry.message >= self.taken {
            self.push(entry);
            return true;
        }
        let flight = self.flights.iter_mut().find(|flight| flight.entry.message == entry.message && !flight.received);
        flight.map(|flight| flight.entry = entry).is_some()
    }

    /// Takes away flights whose message is not there any more.
    pub fn forget_lost(&mut self, is_there: impl Fn(u64) -> bool) -> usize {
        let before = self.flights.len();
        self.flights.retain(|flight| flight.received || is_there(flight.entry.message));
        before - self.flights.len()
    }

    pub fn push(&mut self, entry: Entry) {
        self.queue_bytes += entry.bytes as usize;
        self.queue.push_back(entry);
    }

    pub fn waiting(&self) -> (usize, usize) {
        (self.queue.len(), self.queue_bytes)
    }

    pub fn front(&self) -> Option<&Entry> {
        self.queue.front()
    }

    /// The first message that waits; it is done unless it is launched.
    pub fn pop(&mut self) -> Option<Entry> {
        let entry = self.queue.pop_front()?;
        self.queue_bytes -= entry.bytes as usize;
        self.taken_before(entry.message + 1);
        if self.queue.is_empty() && self.queue.capacity() > 64 {
            self.queue = VecDeque::new();
        }
        Some(entry)
    }

    fn taken_before(&mut self, message: u64) {
        self.taken = self.taken.max(message);
        self.given = self.given.split_off(&self.taken);
    }

    /// Whether one more may be sent.
    pub fn has_room(&self, window: usize, bytes_max: usize) -> bool {
        self.sent < window && (self.sent == 0 || self.sent_bytes < bytes_max)
    }

    /// What was sent over an earlier connection and not yet over this one: the first of it, now sent.
    pub fn resend(&mut self) -> Option<Flight> {
        let flight = self.flights.get(self.sent)?.clone();
        self.sent += 1;
        self.sent_bytes += flight.entry.bytes as usize;
        Some(flight)
    }

    /// Gives a message its packet id and counts it as sent.
    pub fn launch(&mut self, entry: Entry) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            let taken = self.flights.iter().any(|flight| flight.packet_id == self.last_id);
            if self.last_id != 0 && !taken {
                break;
            }
        }
        self.sent += 1;
        self.sent_bytes += entry.bytes as usize;
        self.flights.push_back(Flight { packet_id: self.last_id, entry, received: false });
        self.last_id
    }

    fn position(&self, packet_id: u16) -> Option<usize> {
        self.flights.iter().position(|flight| flight.packet_id == packet_id)
    }

    fn land(&mut self, at: usize) -> Option<Flight> {
        let flight = self.flights.remove(at)?;
        if at < self.sent {
            self.sent -= 1;
            self.sent_bytes -= flight.entry.bytes as usize;
        }
        Some(flight)
    }

    /// PUBACK; gives the message that is done.
    pub fn puback(&mut self, packet_id: u16) -> Option<u64> {
        let at = self.position(packet_id).filter(|at| self.flights[*at].entry.qos == 1)?;
        self.land(at).map(|flight| flight.entry.message)
    }

    pub fn pubrec(&mut self, packet_id: u16) -> Received {
        match self.position(packet_id).map(|at| &mut self.flights[at]) {
            Some(flight) if flight.entry.qos == 2 && flight.received => Received::Again,
            Some(flight) if flight.entry.qos == 2 => {
                flight.received = true;
                Received::Message(flight.entry.message)
            }
            _ => Received::Unknown,
        }
    }

    /// PUBREC with a reason against it: that ends it.
    pub fn refuse(&mut self, packet_id: u16) -> Option<u64> {
        let at = self.position(packet_id).filter(|at| !self.flights[*at].received)?;
        self.land(at).map(|flight| flight.entry.message)
    }

    /// PUBCOMP; false if nothing was to be completed.
    pub fn pubcomp(&mut self, packet_id: u16) -> bool {
        let at = self.position(packet_id).filter(|at| self.flights[*at].received);
        at.and_then(|at| self.land(at)).is_some()
    }

    /// The connection is gone: everything under way is to be sent again.
    pub fn disconnect(&mut self) {
        (self.sent, self.sent_bytes) = (0, 0);
    }

    /// Takes out what `wanted` names and the client has not begun with: what waits, and QoS 1 messages under way.
    pub fn take_out(&mut self, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut out = Vec::new();
        let (mut flights, mut queue) = (VecDeque::new(), VecDeque::new());
        for flight in std::mem::take(&mut self.flights) {
            if flight.entry.qos == 1 && wanted(&flight.entry) {
                out.push(flight.entry)
            } else {
                flights.push_back(flight)
            }
        }
        for entry in std::mem::take(&mut self.queue) {
            if wanted(&entry) {
                self.given.insert(entry.message);
                out.push(entry);
            } else {
                queue.push_back(entry);
            }
        }
        self.queue_bytes = queue.iter().map(|entry| entry.bytes as usize).sum();
        (self.flights, self.queue) = (flights, queue);
        let first = self.queue.front().map(|entry| entry.message);
        let behind = self.given.last().map(|message| message + 1);
        if let Some(taken) = first.or(behind) {
            self.taken_before(taken);
        }
        self.disconnect();
        out
    }

    /// Everything whose message is still needed.
    pub fn messages(&self) -> impl Iterator<Item = u64> {
        let flights = self.flights.iter().filter(|flight| !flight.received).map(|flight| flight.entry.message);
        flights.chain(self.queue.iter().map(|entry| entry.message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(message: u64, qos: u8) -> Entry {
        Entry { message, bytes: 10, qos, retain: false, extra: None }
    }

    /// A client that knows its protocol: what it has handed to its application, and the ids it holds.
    #[derive(Default)]
    struct Client {
        got: Vec<u64>,
        held: std::collections::BTreeSet<u16>,
    }

    #[derive(Clone, Copy, Debug)]
    enum Move {
        Push(u8),
        Send,
        /// The client reads what was sent and answers; the answer comes, or the connection breaks before.
        Answer(bool),
        Reconnect,
        Restart,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            3 => (1..3u8).prop_map(Move::Push),
            3 => Just(Move::Send),
            5 => any::<bool>().prop_map(Move::Answer),
            1 => Just(Move::Reconnect),
            1 => Just(Move::Restart),
        ];
        prop::collection::vec(one, 0..80)
    }

    proptest! {
        /// Whatever breaks whenever: QoS 2 exactly once, QoS 1 at least once, both in order of their first coming.
        #[test]
        fn every_message_arrives_as_often_as_its_qos_says(moves in moves()) {
            let (mut flow, mut client, mut wire) = (Flow::default(), Client::default(), VecDeque::<Flight>::new());
            let (mut pushed, mut undone) = (Vec::new(), Vec::<Entry>::new());
            let finish = [Move::Reconnect].into_iter().chain(std::iter::repeat_n([Move::Send, Move::Answer(true)], 400).flatten());
            for step in moves.into_iter().chain(finish) {
                match step {
                    Move::Push(qos) => {
                        let entry = entry(pushed.len() as u64, qos);
                        pushed.push(qos);
                        undone.push(entry.clone());
                        flow.push(entry);
                    }
                    Move::Send => while flow.has_room(3, 1_000) {
                        if let Some(flight) = flow.resend() {
                            wire.push_back(flight);
                        } else if let Some(entry) = flow.pop() {
                            let packet_id = flow.launch(entry.clone());
                            wire.push_back(Flight { packet_id, entry, received: false });
                        } else {
                            break;
                        }
                    },
                    Move::Answer(arrives) => {
                        let Some(flight) = wire.pop_front() else { continue };
                        let Flight { packet_id, entry, received } = flight;
                        if received {
                            client.held.remove(&packet_id);
                        } else if entry.qos == 1 || client.held.insert(packet_id) {
                            client.got.push(entry.message);
                        }
                        if !arrives {
                            flow.disconnect();
                            wire.clear();
                        } else if received {
                            flow.pubcomp(packet_id);
                        } else if entry.qos == 1 {
                            prop_assert_eq!(flow.puback(packet_id), Some(entry.message));
                            undone.retain(|other| other.message != entry.message);
                        } else {
                            if flow.pubrec(packet_id) == Received::Message(entry.message) {
                                undone.retain(|other| other.message != entry.message);
                            }
                            wire.push_back(Flight { packet_id, entry, received: true });
                        }
                    }
                    Move::Reconnect => {
                        flow.disconnect();
                        wire.clear();
                    }
                    Move::Restart => {
                        let row = FlowRow::decode(&flow.row(Vec::new()).encode()).unwrap();
                        flow = Flow::new(&row);
                        for entry in &undone {
                            prop_assert!(flow.restore(entry.clone()));
                        }
                        wire.clear();
                    }
                }
            }
            let mut first = client.got.clone();
            first.dedup();
            for (message, qos) in (0u64..).zip(&pushed) {
                let times = client.got.iter().filter(|got| **got == message).count();
                prop_assert!(if *qos == 2 { times == 1 } else { times >= 1 }, "message {} of QoS {} came {} times", message, qos, times);
            }
            let mut seen = std::collections::BTreeSet::new();
            let firsts: Vec<u64> = client.got.iter().copied().filter(|message| seen.insert(*message)).collect();
            prop_assert!(firsts.is_sorted(), "{:?}", firsts);
            prop_assert_eq!(flow.messages().count(), 0);
        }
    }

    #[test]
    fn a_packet_id_in_use_is_not_given_again() {
        let mut flow = Flow { last_id: u16::MAX - 1, ..Flow::default() };
        assert_eq!(flow.launch(entry(0, 2)), u16::MAX);
        assert_eq!(flow.launch(entry(1, 2)), 1);
        flow.last_id = u16::MAX - 1;
        assert_eq!(flow.launch(entry(2, 1)), 2);
    }

    #[test]
    fn what_goes_to_another_member_is_taken_out() {
        let mut flow = Flow::default();
        for (message, qos) in [(0, 1), (1, 2), (2, 1), (3, 1)] {
            flow.push(entry(message, qos));
        }
        for _ in 0..2 {
            let entry = flow.pop().unwrap();
            flow.launch(entry);
        }
        let out: Vec<u64> = flow.take_out(|entry| entry.message != 3).iter().map(|entry| entry.message).collect();
        assert_eq!(out, [0, 2], "the QoS 2 message stays with the client that may have it");
        assert_eq!(flow.messages().collect::<Vec<_>>(), [1, 3]);
    }
}
