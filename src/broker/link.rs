//! The line between the pipeline and one connection: how many of its items are committed, what the hub answered to
//! them, and wake-ups.
//!
//! Items of a connection are committed in the order in which they were handed over, so one number says everything.
//! Waking is one `Notify`: however many commits happen before the connection's task runs, it wakes once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::Notify;

use super::metrics::{Counters, subtract};

/// Why a connection is told to end from outside its own task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Order {
    Stay = 0,
    TakenOver = 1,
    ShutDown = 2,
    /// It holds more than it may.
    OverQuota = 3,
    /// Its user is no longer known.
    Revoked = 4,
    /// Its token has expired.
    Expired = 5,
}

/// What the hub says to an item that asks something. True only once the item is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Welcome(Welcome),
    /// A reason code for each filter of a SUBSCRIBE or UNSUBSCRIBE.
    Codes(Vec<u8>),
    /// The reason code of a PUBCOMP.
    Reason(u8),
}

/// What a client that is taken gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Welcome {
    pub session_present: bool,
    /// Whether the session outlives the connection, and for how many seconds (`u32::MAX`: for ever).
    pub durable: bool,
    pub expiry_s: u32,
}

/// Bytes that an ended connection has handed over, which count as in flight for as long as this lives.
#[derive(Debug)]
struct LeftBehind {
    counters: Arc<Counters>,
    bytes: usize,
}

impl Drop for LeftBehind {
    fn drop(&mut self) {
        subtract(&self.counters.inflight_bytes, self.bytes);
    }
}

/// Numbers connections for the life of the process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

#[derive(Debug)]
pub struct Link {
    id: u64,
    client: Arc<str>,
    /// The name it logged in with, by password or token.
    pub(super) login: OnceLock<Arc<str>>,
    /// When the token that it logged in with expires, in seconds since 1970.
    pub(super) until_s: OnceLock<i64>,
    committed: AtomicU64,
    order: AtomicU8,
    signal: Notify,
    answers: Mutex<VecDeque<Answer>>,
    left_behind: OnceLock<LeftBehind>,
}

impl Link {
    /// Also for those who make an [`super::Inbound`] without a connection, with an empty name.
    pub fn new(client: Arc<str>) -> Arc<Link> {
        Arc::new(Link {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            client,
            login: OnceLock::new(),
            until_s: OnceLock::new(),
            committed: AtomicU64::new(0),
            order: AtomicU8::new(Order::Stay as u8),
            signal: Notify::new(),
            answers: Mutex::default(),
            left_behind: OnceLock::new(),
        })
    }

    /// Its number, which no other connection of the process has had.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Client identifier of the connection.
    pub fn client(&self) -> &Arc<str> {
        &self.client
    }

    /// The next `items` items of this connection are durable; the connection sends what became due.
    pub fn committed(&self, items: usize) {
        self.committed.fetch_add(items as u64, Ordering::Release);
        self.signal.notify_one();
    }

    /// How many items were committed so far.
    pub fn committed_total(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// The connection ends. What it has handed over takes memory until the pipeline is done with it, and so with this.
    pub(super) fn leave_behind(&self, counters: Arc<Counters>, bytes: usize) {
        let _ = self.left_behind.set(LeftBehind { counters, bytes });
    }

    pub(super) fn wake(&self) {
        self.signal.notify_one();
    }

    /// Waits for the next commit, order or message in the outbox.
    pub async fn woken(&self) {
        self.signal.notified().await;
    }

    /// Tells the connection to end. The first order stands.
    pub(super) fn order(&self, order: Order) {
        let _ = self.order.compare_exchange(Order::Stay as u8, order as u8, Ordering::AcqRel, Ordering::Acquire);
        self.signal.notify_one();
    }

    pub(super) fn ordered(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            1 => Order::TakenOver,
            2 => Order::ShutDown,
            3 => Order::OverQuota,
            4 => Order::Revoked,
            5 => Order::Expired,
            _ => Order::Stay,
        }
    }

    pub(super) fn answer(&self, answer: Answer) {
        // Nothing under this lock can panic half-way.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer);
    }

    /// The answer to the oldest item that asked something.
    pub(super) fn take_answer(&self) -> Option<Answer> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
