//! What a sink tells of itself: for `/metrics`, `/healthz` and `tidegate status`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared between a sink and whoever asks. Never blocks for long: the lock is held to copy a few fields.
#[derive(Debug, Default)]
pub struct SinkStatus {
    report: Mutex<SinkReport>,
    takeover: AtomicBool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkReport {
    pub state: SinkState,
    /// Why it is in that state, and what to do about it, in plain words.
    pub reason: Option<String>,
    pub last_error: Option<String>,
    /// What this start could not be sure of when it resumed: records that may come twice, or that the disk lost.
    pub doubt: Option<String>,
    /// The next offset that Kafka has not got.
    pub next: u64,
    /// The next offset of the sink's log.
    pub log_end: u64,
    pub transactions: u64,
    /// Transactions given up and begun again.
    pub aborted: u64,
    /// How long the last transaction took, from its begin to its commit.
    pub last_transaction_ms: u64,
    /// Records a transaction may have at present.
    pub transaction_records_max: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SinkState {
    /// Not yet connected since the start.
    #[default]
    Connecting,
    Connected,
    /// Something is in the way; it goes on by itself once that is gone.
    BackingOff,
    /// Another gateway uses this one's id; only `tidegate takeover` lets it go on.
    Fenced,
    Stopped,
}

impl SinkState {
    pub fn name(self) -> &'static str {
        match self {
            SinkState::Connecting => "connecting",
            SinkState::Connected => "connected",
            SinkState::BackingOff => "backing off",
            SinkState::Fenced => "fenced",
            SinkState::Stopped => "stopped",
        }
    }
}

impl SinkReport {
    /// Records that Kafka has not got yet, those that will be skipped included.
    pub fn lag(&self) -> u64 {
        self.log_end.saturating_sub(self.next)
    }
}

impl SinkStatus {
    pub fn report(&self) -> SinkReport {
        self.lock().clone()
    }

    /// Asks a fenced sink to go on, whoever else uses its id.
    pub fn request_takeover(&self) {
        self.takeover.store(true, Ordering::Relaxed);
    }

    pub(super) fn take_takeover(&self) -> bool {
        self.takeover.swap(false, Ordering::Relaxed)
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut SinkReport)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SinkReport> {
        // A report is plain numbers and texts: it is whole even if a thread died while it held the lock.
        self.report.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
