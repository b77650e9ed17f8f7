//! What every kind of sink has around its deliveries: its place in the log and its accounts, waiting, back-off, and what
//! it says of itself.
//!
//! Holds always: nothing here waits longer than a stopping daemon can; the same trouble is logged once in a while, and
//! its end once. Knows nothing of where records go.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::Setup;
use super::accounts::{Accounts, Skips};
use super::dead::DeadLetter;
use super::gather::{Gathered, Gatherer, Limits, Outlet};
use super::status::{SinkState, SinkStatus};
use super::trouble::Trouble;
use crate::config::{self, Overflow};
use crate::delivery::Backoff;
use crate::store::{LogId, Reader, Writer};

const BACKOFF_FIRST: Duration = Duration::from_millis(250);
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// How long `drop_oldest` gets to act between two rounds of a slow link.
const BREATH: Duration = Duration::from_millis(300);
/// The same trouble is logged once in this time.
const SAME_TROUBLE: Duration = Duration::from_secs(5 * 60);
/// Dead letters of the same reason are mentioned together this often, of so many reasons.
const DEAD_REASONS_MAX: usize = 5;
const DEAD_SAID_EVERY: Duration = Duration::from_secs(10);
/// How long a stopping sink goes on with what it has under way.
const STOP_GRACE: Duration = Duration::from_millis(1_500);

/// Knows whether the sink shall stop, and since when.
pub struct Ending {
    signal: watch::Receiver<bool>,
    since: Cell<Option<Instant>>,
}

impl Ending {
    fn new(signal: watch::Receiver<bool>) -> Ending {
        Ending { signal, since: Cell::new(None) }
    }

    /// Begin nothing new.
    pub fn is_stopping(&self) -> bool {
        let stopping = *self.signal.borrow() || self.signal.has_changed().is_err();
        if stopping && self.since.get().is_none() {
            self.since.set(Some(Instant::now()));
        }
        stopping
    }

    /// Leave even what is open.
    pub fn must_leave(&self) -> bool {
        self.is_stopping() && self.since.get().is_some_and(|since| since.elapsed() > STOP_GRACE)
    }

    pub fn signal(&self) -> watch::Receiver<bool> {
        self.signal.clone()
    }

    /// Returns when even what is open is to be left.
    pub async fn leave(&self) {
        // An error: whoever could say so is gone.
        let _ = self.signal().wait_for(|stop| *stop).await;
        tokio::time::sleep(STOP_GRACE).await;
    }
}

/// What a kind of sink is given to run with.
pub struct Surroundings {
    pub writer: Writer,
    pub reader: Reader,
    pub status: Arc<SinkStatus>,
    pub stop: watch::Receiver<bool>,
    pub runtime: Handle,
}

pub struct Keeper {
    pub sink: config::Sink,
    pub log: LogId,
    pub accounts: Accounts,
    pub reader: Reader,
    pub writer: Writer,
    pub status: Arc<SinkStatus>,
    pub ending: Ending,
    pub runtime: Handle,
    pub backoff: Backoff,
    /// Not before then the next round begins.
    not_before: Instant,
    logged: Option<(String, Instant)>,
    dead: DeadSaid,
}

/// What the log has said of dead letters.
#[derive(Default)]
struct DeadSaid {
    since: Option<Instant>,
    /// Those said since then.
    reasons: Vec<String>,
    /// Letters since the last line.
    unsaid: usize,
}

impl DeadSaid {
    /// How many there are to speak of, if it is time to: a reason is said at once, and then no more for a while.
    fn due(&mut self, reason: &str, count: usize, now: Instant) -> Option<usize> {
        self.unsaid += count;
        if self.since.is_none_or(|since| now.duration_since(since) >= DEAD_SAID_EVERY) {
            self.since = Some(now);
            self.reasons.clear();
        }
        if self.reasons.len() >= DEAD_REASONS_MAX || self.reasons.iter().any(|said| said == reason) {
            return None;
        }
        self.reasons.push(reason.to_owned());
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl Keeper {
    pub fn new(setup: &Setup, around: Surroundings) -> Keeper {
        let Surroundings { writer, reader, status, stop, runtime } = around;
        Keeper {
            sink: setup.sink.clone(),
            log: setup.log,
            accounts: Accounts::new(setup, writer.clone(), runtime.clone()),
            reader,
            writer,
            status,
            ending: Ending::new(stop),
            runtime,
            backoff: Backoff::new(BACKOFF_FIRST, BACKOFF_MAX),
            not_before: Instant::now(),
            logged: None,
            dead: DeadSaid::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.sink.name
    }

    /// Before a round: false if there is nothing to deliver. Waits for the moment that the rate allows.
    pub fn may_begin(&mut self) -> Result<bool, Trouble> {
        if self.accounts.cursor_due().is_some_and(|due| Instant::now() >= due) {
            self.accounts.move_cursor()?;
        }
        if self.accounts.next >= self.accounts.log_end() || self.ending.is_stopping() {
            return Ok(false);
        }
        self.breathe()?;
        self.wait_until(self.not_before);
        Ok(true)
    }

    /// Fills a round, never more than the rate allows in a second.
    pub fn gather(&mut self, outlet: &mut impl Outlet, limits: Limits) -> Result<Gathered, Trouble> {
        let rate = self.sink.drain_records_per_second_max.unwrap_or(u32::MAX).max(1);
        let mut gatherer = Gatherer {
            outlet,
            accounts: &mut self.accounts,
            ending: &self.ending,
            log: self.log,
            place: format!("sink/{}", self.sink.name),
            max_age: self.sink.max_age,
            limits: Limits { records_max: limits.records_max.min(rate), ..limits },
        };
        gatherer.run(&mut self.reader)
    }

    /// When the next round may begin: `spacing` after the last one's begin, or later where the rate is limited.
    pub fn pace(&mut self, begin: Instant, sent: u32, spacing: Duration) {
        let rate = self.sink.drain_records_per_second_max;
        let limited =
            rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(f64::from(sent) / f64::from(rate.max(1))));
        self.not_before = begin + spacing.max(limited);
    }

    /// A log that has reached its share drops its oldest records, but not while they may be on their way; so between
    /// two rounds it gets a moment.
    fn breathe(&mut self) -> Result<(), Trouble> {
        if self.sink.overflow != Overflow::DropOldest || !self.accounts.is_over_share(self.sink.share_max_bytes) {
            return Ok(());
        }
        self.accounts.move_cursor()?;
        self.accounts.release();
        let mut end = self.writer.log_end(self.log);
        // Made inside the runtime, since a timer needs one.
        let _ = self.runtime.block_on(async { tokio::time::timeout(BREATH, end.changed()).await });
        self.accounts.protect()
    }

    /// Makes durable that these will not be sent, and says so.
    pub fn skip(&mut self, skips: Skips) -> Result<(), Trouble> {
        if skips.is_empty() {
            return Ok(());
        }
        if let Some(first) = skips.dead.first() {
            if let Some(count) = self.dead.due(&first.reason, skips.dead.len(), Instant::now()) {
                let offset = first.offset;
                log::warn!("sink {}: {count} dead letters, record {offset} of them: {}", self.name(), first.reason);
            }
        }
        if skips.corrupt > 0 {
            log::error!("sink {}: {} records are damaged and left out", self.name(), skips.corrupt);
        }
        self.accounts.skip(skips)
    }

    pub fn bury(&mut self, letter: DeadLetter) -> Result<(), Trouble> {
        let ranges = vec![(letter.offset, letter.offset + 1)];
        self.skip(Skips { ranges, dead: vec![letter], ..Skips::default() })
    }

    /// Before the connection is gone for some time: what is known to be delivered is accounted for, so that the log is
    /// free to drop what it must.
    pub fn settle_accounts(&mut self) {
        match self.accounts.move_cursor() {
            Ok(()) => self.accounts.release(),
            Err(trouble) => log::debug!("sink {}: {trouble:?}", self.name()),
        }
    }

    pub fn back_off(&mut self, text: &str) {
        self.back_off_at_most(BACKOFF_MAX, text);
    }

    pub fn back_off_at_most(&mut self, most: Duration, text: &str) {
        let pause = self.backoff.next(chance()).min(most);
        self.report(SinkState::BackingOff, text);
        self.pause(pause);
    }

    /// For what is told otherwise once it is known what it is.
    pub fn back_off_quietly(&mut self, most: Duration, text: &str) {
        let pause = self.backoff.next(chance()).min(most);
        log::debug!("sink {}: {text}", self.name());
        self.tell(SinkState::BackingOff, text);
        self.pause(pause);
    }

    /// The store failed: the daemon ends over it.
    pub fn meet_store_failure(&mut self, text: &str) {
        if self.writer.failed().borrow().is_some() {
            self.pause(BACKOFF_MAX);
        }
        self.back_off(text);
    }

    pub fn connected(&self) {
        self.status.update(|report| {
            report.state = SinkState::Connected;
            report.reason = None;
        });
    }

    pub fn recovered(&mut self) {
        if self.logged.take().is_some() {
            log::info!("sink {}: delivering again", self.name());
        }
        self.connected();
    }

    fn report(&mut self, state: SinkState, text: &str) {
        let known = self.logged.as_ref().is_some_and(|(said, at)| said == text && at.elapsed() < SAME_TROUBLE);
        if !known {
            log::warn!("sink {}: {text}; trying again", self.name());
            self.logged = Some((text.to_owned(), Instant::now()));
        }
        self.tell(state, text);
    }

    fn tell(&self, state: SinkState, text: &str) {
        self.status.update(|report| {
            report.state = state;
            report.reason = Some(text.to_owned());
            report.last_error = Some(text.to_owned());
        });
    }

    pub fn tell_position(&self) {
        let (next, log_end) = (self.accounts.next, self.accounts.log_end());
        self.status.update(|report| (report.next, report.log_end) = (next, log_end));
    }

    pub fn pause(&self, pause: Duration) {
        self.wait_until(Instant::now() + pause);
    }

    /// Ends early when the sink shall stop.
    fn wait_until(&self, until: Instant) {
        if Instant::now() >= until || self.ending.is_stopping() {
            return;
        }
        let mut signal = self.ending.signal();
        self.runtime.block_on(async {
            tokio::select! {
                _ = signal.wait_for(|stop| *stop) => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        });
    }

    /// Until there is something to do: records, the cursor, an end; at the latest at `until`.
    pub async fn something_to_do(&self, until: Instant) {
        if self.ending.is_stopping() {
            return;
        }
        let until = self.accounts.cursor_due().map_or(until, |due| due.min(until));
        let (mut signal, mut end) = (self.ending.signal(), self.writer.log_end(self.log));
        let next = self.accounts.next;
        tokio::select! {
            _ = signal.wait_for(|stop| *stop) => {}
            _ = end.wait_for(|end| *end > next) => {}
            () = tokio::time::sleep_until(until.into()) => {}
        }
    }

    pub fn stopped(&mut self) {
        self.settle_accounts();
        self.status.update(|report| report.state = SinkState::Stopped);
    }
}

/// Uniform in 0..1, for the jitter of back-off: not worth a crate.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_said_at_once_and_then_not_for_a_while() {
        let (mut said, start) = (DeadSaid::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(said.due("too large", 1, at(0)), Some(1));
        assert_eq!(said.due("too large", 3, at(1)), None);
        assert_eq!(said.due("not authorized", 1, at(2)), Some(4), "those before it are counted with it");
        assert_eq!(said.due("too large", 2, at(9)), None);
        assert_eq!(said.due("too large", 1, at(10)), Some(3));
        let told = (0..100).filter(|n| said.due(&format!("topic {n}"), 1, at(11)).is_some());
        assert_eq!(told.count(), DEAD_REASONS_MAX - 1);
    }
}
