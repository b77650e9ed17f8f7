//! What the hub knows of one client, connected or away, and where all of them are found.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::super::inbound::Will;
use super::super::link::Link;
use super::super::metrics::{Counters, add, subtract};
use super::super::outbox::Outbox;
use super::flow::Flow;
use super::retained::Replay;

/// A connected client.
#[derive(Debug)]
pub(super) struct Line {
    pub link: Arc<Link>,
    pub outbox: Arc<Outbox>,
    /// QoS 1 and 2 messages that may be under way at once.
    pub window: usize,
    /// Messages given to it in this tick, which its outbox does not know of yet.
    pub offered: usize,
}

#[derive(Debug)]
pub(super) struct ArmedWill {
    /// Key of its row.
    pub number: u64,
    /// The name by which the rules know the client.
    pub user: Option<Arc<str>>,
    pub will: Will,
    /// Once the client is away.
    pub due: Option<Instant>,
}

impl ArmedWill {
    pub fn bytes(&self) -> usize {
        will_bytes(&self.will)
    }
}

/// What a will costs in memory.
pub(super) fn will_bytes(will: &Will) -> usize {
    size_of::<ArmedWill>() + will.publish.held_bytes()
}

/// What a topic filter costs in memory: it stands in its session and, level by level, in the tree.
pub(super) fn filter_bytes(filter: &str) -> usize {
    2 * filter.len() + 200
}

#[derive(Debug)]
pub(super) struct Session {
    pub number: u64,
    pub client: Arc<str>,
    /// Whether it outlives its connection, and so lies in the store.
    pub durable: bool,
    /// Messages before this are not for it.
    pub since: u64,
    pub expiry_s: u32,
    /// What its filters and its will cost.
    pub bytes: usize,
    pub line: Option<Line>,
    /// When it ends, while the client is away; `None`: never, or the client is connected.
    pub ends: Option<Instant>,
    pub filters: BTreeSet<Box<str>>,
    /// QoS 2 packet ids taken and not yet released.
    pub received: BTreeSet<u16>,
    pub flow: Flow,
    pub will: Option<ArmedWill>,
    pub replays: VecDeque<Replay>,
}

impl Session {
    pub fn new(number: u64, client: Arc<str>, durable: bool, expiry_s: u32, since: u64) -> Session {
        Session {
            number,
            client,
            durable,
            since,
            expiry_s,
            bytes: 0,
            line: None,
            ends: None,
            filters: BTreeSet::new(),
            received: BTreeSet::new(),
            flow: Flow::default(),
            will: None,
            replays: VecDeque::new(),
        }
    }

    /// It holds so much more.
    pub fn hold(&mut self, bytes: usize, counters: &Counters) {
        self.bytes += bytes;
        add(&counters.session_bytes, bytes);
    }

    pub fn let_go(&mut self, bytes: usize, counters: &Counters) {
        self.bytes -= bytes;
        subtract(&counters.session_bytes, bytes);
    }

    /// Its will, if it has one that is meant.
    pub fn take_will(&mut self, counters: &Counters, meant: impl FnOnce(&ArmedWill) -> bool) -> Option<ArmedWill> {
        let armed = self.will.take_if(|armed| meant(armed))?;
        self.let_go(armed.bytes(), counters);
        Some(armed)
    }

    /// Messages it may be given without harm, as far as is known: half of its queue.
    pub fn room(&self, bytes_max: usize) -> usize {
        self.line.as_ref().map_or(0, |line| line.outbox.room(bytes_max).saturating_sub(line.offered))
    }
}

/// All sessions, by slot and by client.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    free: Vec<u32>,
    by_client: HashMap<Arc<str>, u32>,
}

impl Sessions {
    pub fn get(&self, slot: u32) -> Option<&Session> {
        self.slots.get(slot as usize)?.as_deref()
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Session> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    pub fn of_client(&self, client: &str) -> Option<u32> {
        self.by_client.get(client).copied()
    }

    pub fn insert(&mut self, session: Session) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.by_client.insert(Arc::clone(&session.client), slot);
        self.slots[slot as usize] = Some(Box::new(session));
        slot
    }

    pub fn remove(&mut self, slot: u32) -> Option<Session> {
        let session = self.slots.get_mut(slot as usize)?.take()?;
        self.by_client.remove(&session.client);
        self.free.push(slot);
        Some(*session)
    }

    /// How many there are, and of how many the client is away.
    pub fn count(&self) -> (usize, usize) {
        let all = self.slots.iter().flatten();
        (all.clone().count(), all.filter(|session| session.line.is_none()).count())
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Session)> {
        self.slots.iter_mut().enumerate().filter_map(|(slot, session)| Some((slot as u32, session.as_deref_mut()?)))
    }
}
