//! The line between the pipeline and one connection: how many of its items are committed, and wake-ups.
//!
//! Items of a connection are committed in the order in which they were handed over, so one number says everything.
//! Waking is one `Notify`: however many commits happen before the connection's task runs, it wakes once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tokio::sync::Notify;

/// Why a connection is told to end from outside its own task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Order {
    Stay = 0,
    TakenOver = 1,
    ShutDown = 2,
}

#[derive(Debug)]
pub struct Acks {
    committed: AtomicU64,
    order: AtomicU8,
    signal: Notify,
}

impl Acks {
    /// Also for those who make an [`super::Inbound`] without a connection.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Arc<Acks> {
        Arc::new(Acks { committed: AtomicU64::new(0), order: AtomicU8::new(Order::Stay as u8), signal: Notify::new() })
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

    pub(super) fn wake(&self) {
        self.signal.notify_one();
    }

    /// Waits for the next commit, order or message in the outbox.
    pub(super) async fn woken(&self) {
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
            _ => Order::Stay,
        }
    }
}
