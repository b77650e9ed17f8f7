//! What a bridge tells of itself: for `/metrics` and `/healthz`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The same trouble is logged once in this time.
const SAME_TROUBLE: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Default)]
pub struct BridgeStatus {
    report: Mutex<BridgeReport>,
    logged: Mutex<Option<(String, Instant)>>,
}

/// Numbers are since the start: `received = published + dropped`, besides what is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BridgeReport {
    pub connected: bool,
    /// Why it is not.
    pub reason: Option<String>,
    pub received: u64,
    /// Committed here.
    pub published: u64,
    /// No topic of the bridge took it.
    pub other_topic: u64,
    /// Its topic here would be none: empty, with a wildcard, or with too many levels.
    pub no_topic: u64,
    /// Larger than `packet_bytes_max`.
    pub too_large: u64,
}

impl BridgeReport {
    /// What was dropped, by its reason.
    pub fn dropped(&self) -> [(&'static str, u64); 3] {
        [("other_topic", self.other_topic), ("no_topic", self.no_topic), ("too_large", self.too_large)]
    }

    pub fn describe(&self) -> String {
        match (&self.reason, self.connected) {
            (Some(reason), _) => format!("backing off: {reason}"),
            (None, true) => "connected".to_owned(),
            (None, false) => "connecting".to_owned(),
        }
    }
}

impl BridgeStatus {
    pub fn report(&self) -> BridgeReport {
        self.lock().clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut BridgeReport)) {
        change(&mut self.lock());
    }

    pub(super) fn connects(&self, bridge: &str) {
        self.update(|report| (report.connected, report.reason) = (true, None));
        let was_away = self.logged.lock().unwrap_or_else(PoisonError::into_inner).take().is_some();
        log::info!("bridge {bridge}: connected{}", if was_away { " again" } else { "" });
    }

    pub(super) fn fails(&self, bridge: &str, text: &str) {
        self.update(|report| (report.connected, report.reason) = (false, Some(text.to_owned())));
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if !logged.as_ref().is_some_and(|(said, at)| said == text && at.elapsed() < SAME_TROUBLE) {
            log::warn!("bridge {bridge}: {text}; trying again");
            *logged = Some((text.to_owned(), Instant::now()));
        }
    }

    pub(super) fn stops(&self) {
        self.update(|report| (report.connected, report.reason) = (false, None));
    }

    fn lock(&self) -> MutexGuard<'_, BridgeReport> {
        // Plain numbers and a text: whole even if a thread died while it held the lock.
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
