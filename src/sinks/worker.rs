//! The sink's thread: connect, deliver round by round, move the cursor, come back from whatever goes wrong.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::accounts::{Accounts, Skips};
use super::connect::{Connected, Connector};
use super::gather::{Gathered, Gatherer, Limits};
use super::producer::{Failure, TRANSACTION_TIMEOUT_MAX, ignored_options};
use super::session::{Ending, Session, Setback};
use super::status::{SinkState, SinkStatus};
use super::topics::Topics;
use super::trouble::{Kind, Trouble, explain, kind};
use super::{Setup, fenced_key};
use crate::config::Overflow;
use crate::delivery::{Backoff, Batch, Bisect, Refusal};
use crate::store::{Reader, Writer};

const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A topic from a column is given up after 30 s; asking must not be much rarer than that.
const BACKOFF_TOPIC_MAX: Duration = Duration::from_secs(5);
/// Least time between the begins of two transactions that are not full: a transaction costs the same for one record
/// and for a thousand.
const SPACING: Duration = Duration::from_millis(100);
/// An idle sink looks after librdkafka's queues, and notices `takeover`, this often.
const IDLE: Duration = Duration::from_secs(1);
/// How long `drop_oldest` gets to act between two transactions of a slow link.
const BREATH: Duration = Duration::from_millis(300);
/// Sending may take this part of the transaction's time-out; the rest is for the commit.
const SENDING_PART: (u32, u32) = (3, 4);
/// The same trouble is logged once in this time.
const SAME_TROUBLE: Duration = Duration::from_secs(5 * 60);

pub struct Worker {
    connector: Connector,
    accounts: Accounts,
    reader: Reader,
    writer: Writer,
    status: Arc<SinkStatus>,
    ending: Ending,
    runtime: Handle,
    topics: Topics,
    batch: Batch,
    bisect: Bisect,
    backoff: Backoff,
    fenced: Option<String>,
    /// Not before then the next transaction begins.
    not_before: Instant,
    renew_at: Instant,
    logged: Option<(String, Instant)>,
}

/// What a round came to.
enum Round {
    Idle,
    Progress,
}

impl Worker {
    pub fn new(
        setup: Setup,
        writer: Writer,
        reader: Reader,
        status: Arc<SinkStatus>,
        stop: watch::Receiver<bool>,
        runtime: Handle,
    ) -> Worker {
        let fenced = setup.meta.get(&fenced_key(&setup.sink.name));
        let fenced = fenced.map(|text| String::from_utf8_lossy(text).into_owned());
        let accounts = Accounts::new(&setup, writer.clone(), runtime.clone());
        let topics = Topics::new(setup.literal_topics.iter().cloned());
        let renew_after = setup.renew_after;
        Worker {
            accounts,
            topics,
            connector: Connector::new(setup),
            reader,
            writer,
            status,
            ending: Ending::new(stop),
            runtime,
            batch: Batch::new(),
            bisect: Bisect::default(),
            backoff: Backoff::new(BACKOFF_FIRST, BACKOFF_MAX),
            fenced,
            not_before: Instant::now(),
            renew_at: Instant::now() + renew_after,
            logged: None,
        }
    }

    pub fn run(mut self) {
        for option in ignored_options(&self.connector.setup.sink.kafka) {
            log::warn!("sink {}: option \"{option}\" is tidegate's own to set and is ignored", self.name());
        }
        while !self.ending.is_stopping() {
            self.tell_position();
            if self.fenced.is_some() {
                self.wait_for_takeover();
                continue;
            }
            let trouble = self.connect_and_serve();
            self.settle_accounts();
            self.meet(trouble);
        }
        self.settle_accounts();
        self.status.update(|report| report.state = SinkState::Stopped);
    }

    fn name(&self) -> &str {
        &self.connector.setup.sink.name
    }

    fn connect_and_serve(&mut self) -> Trouble {
        let Worker { connector, accounts, reader, status, ending, .. } = self;
        let session = match connector.connect(accounts, reader, status, ending) {
            Ok(Connected::Ready(session)) => session,
            Ok(Connected::Foreign(text)) => return self.fence(text),
            Err(trouble) => return trouble,
        };
        self.topics.forget_ready();
        self.status.update(|report| {
            report.state = SinkState::Connected;
            report.reason = None;
        });
        loop {
            let trouble = match self.round(&session) {
                Ok(Round::Progress) => {
                    self.backoff.succeeded();
                    self.recovered();
                    continue;
                }
                Ok(Round::Idle) => {
                    self.idle(&session);
                    if self.ending.is_stopping() { Trouble::Stopping } else { continue }
                }
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Again(text) => {
                    let pause = self.backoff.next(chance());
                    self.report(SinkState::BackingOff, &text);
                    self.pause(pause);
                    session.tend();
                }
                Trouble::Wait(text) => {
                    let pause = self.backoff.next(chance()).min(BACKOFF_TOPIC_MAX);
                    self.report(SinkState::BackingOff, &text);
                    self.pause(pause);
                    session.tend();
                }
                trouble => return trouble,
            }
            if self.ending.is_stopping() {
                return Trouble::Stopping;
            }
        }
    }

    /// One transaction, or the finding that there is nothing to do.
    fn round(&mut self, session: &Session) -> Result<Round, Trouble> {
        if self.accounts.cursor_due().is_some_and(|due| Instant::now() >= due) {
            self.accounts.move_cursor()?;
        }
        if self.accounts.next >= self.accounts.log_end() || self.ending.is_stopping() {
            return Ok(Round::Idle);
        }
        self.breathe()?;
        self.wait_until(self.not_before);
        let begin = Instant::now();
        let gathered = match self.gather(session) {
            Ok(gathered) => gathered,
            Err(trouble) => return Err(self.give_up(session, trouble)),
        };
        if !gathered.skips.is_empty() {
            self.tell_dead(&gathered.skips);
        }
        let Gathered { next, sent, bytes, begun, full, blocked, first, skips, .. } = gathered;
        if !skips.is_empty() {
            self.accounts
                .skip(skips)
                .map_err(|trouble| if begun { self.give_up(session, trouble) } else { trouble })?;
        }
        if begun {
            self.deliver(session, begin, next, sent, first)?;
            self.pace(begin, sent, full);
        }
        if next == self.accounts.next {
            return blocked.map_or(Ok(Round::Idle), |reason| Err(Trouble::Wait(reason)));
        }
        self.accounts.passed(next, sent, bytes);
        self.bisect.passed(next);
        self.tell_position();
        match blocked {
            Some(reason) => Err(Trouble::Wait(reason)),
            None => Ok(Round::Progress),
        }
    }

    fn gather(&mut self, session: &Session) -> Result<Gathered, Trouble> {
        let setup = &self.connector.setup;
        let rate = setup.sink.kafka.drain_records_per_second_max.unwrap_or(u32::MAX).max(1);
        let searched = self.bisect.records_max().unwrap_or(u32::MAX);
        let limits =
            Limits { records_max: self.batch.records_max().min(rate).min(searched), bytes_max: self.batch.bytes_max() };
        let mut gatherer = Gatherer {
            session,
            accounts: &mut self.accounts,
            topics: &mut self.topics,
            ending: &self.ending,
            log: setup.log,
            place: format!("sink/{}", setup.sink.name),
            max_age: setup.sink.max_age,
            limits,
        };
        gatherer.run(&mut self.reader)
    }

    /// Waits for the records of the open transaction and commits it.
    fn deliver(
        &mut self,
        session: &Session,
        begin: Instant,
        next: u64,
        sent: u32,
        first: Option<super::DeadLetter>,
    ) -> Result<(), Trouble> {
        let until = begin + session.time_limit * SENDING_PART.0 / SENDING_PART.1;
        let settled = session.settle(until, &self.ending);
        let sending = begin.elapsed();
        match settled {
            Ok(()) => {}
            Err(Setback::TimedOut) => return Err(self.timed_out(session, sent)),
            Err(Setback::Failed(failures)) => return Err(self.failed(session, next, sent, first, &failures)),
            Err(Setback::Trouble(trouble)) => return Err(trouble),
        }
        if let Err(trouble) = session.commit(next, &self.ending) {
            if let Trouble::Again(_) = trouble {
                self.batch.timed_out(sent);
                return Err(self.give_up(session, trouble));
            }
            return Err(trouble);
        }
        self.connector.has_committed |= session.transactions.is_some();
        self.renew_at = Instant::now() + self.connector.setup.renew_after;
        self.batch.committed(sent, sending);
        let records_max = self.batch.records_max();
        self.status.update(|report| {
            report.transactions += 1;
            report.last_transaction_ms = begin.elapsed().as_millis() as u64;
            report.transaction_records_max = records_max;
        });
        Ok(())
    }

    fn timed_out(&mut self, session: &Session, sent: u32) -> Trouble {
        self.batch.timed_out(sent);
        let text = format!("{sent} records did not get through within {} s", session.time_limit.as_secs());
        if sent <= 1 {
            // Less than one record cannot be sent: it gets more time.
            let longer = self.connector.transaction_timeout * 2;
            self.connector.transaction_timeout = longer.min(TRANSACTION_TIMEOUT_MAX);
        }
        self.give_up(session, Trouble::NewProducer(text))
    }

    /// Some records were not taken.
    fn failed(
        &mut self,
        session: &Session,
        next: u64,
        sent: u32,
        first: Option<super::DeadLetter>,
        failures: &[Failure],
    ) -> Trouble {
        let by_kind = |wanted: Kind| failures.iter().find(|failure| kind(failure.code) == wanted);
        let text = |failure: &Failure| {
            format!(
                "topic \"{}\": {}",
                failure.topic,
                explain(Some(failure.code), &failure.code.to_string(), &session.names)
            )
        };
        if let Some(failure) = by_kind(Kind::Fenced) {
            return Trouble::Fenced(text(failure));
        }
        if let Some(failure) = by_kind(Kind::Topic) {
            let reason = text(failure);
            self.topics.missing(&failure.topic, reason.clone(), Instant::now());
            return self.give_up(session, Trouble::Wait(reason));
        }
        if let Some(failure) = by_kind(Kind::Refused) {
            let reason = text(failure);
            let trouble = self.give_up(session, Trouble::Again(reason.clone()));
            return match (self.bisect.refused(sent, next), first) {
                (Refusal::Found, Some(letter)) => {
                    self.bury(super::DeadLetter { reason, ..letter }).err().unwrap_or(trouble)
                }
                _ => {
                    // A refusal of many may be one of their size.
                    self.batch.timed_out(sent);
                    trouble
                }
            };
        }
        if by_kind(Kind::TimedOut).is_some() {
            return self.timed_out(session, sent);
        }
        let reason = failures.first().map_or("the records were not acknowledged".to_owned(), text);
        self.give_up(session, Trouble::NewProducer(reason))
    }

    fn bury(&mut self, letter: super::DeadLetter) -> Result<(), Trouble> {
        let skips = Skips { ranges: vec![(letter.offset, letter.offset + 1)], dead: vec![letter], ..Skips::default() };
        self.tell_dead(&skips);
        self.accounts.skip(skips)
    }

    /// Ends the open transaction, if there is one, so that another can begin.
    fn give_up(&mut self, session: &Session, trouble: Trouble) -> Trouble {
        if session.open.get() {
            self.status.update(|report| report.aborted += 1);
        }
        match trouble {
            Trouble::Again(_) | Trouble::Wait(_) | Trouble::Store(_) => match session.abort(&self.ending) {
                Ok(()) => trouble,
                Err(worse) => worse,
            },
            other => other,
        }
    }

    /// When the next transaction may begin.
    fn pace(&mut self, begin: Instant, sent: u32, full: bool) {
        let spacing = if full { Duration::ZERO } else { SPACING };
        let rate = self.connector.setup.sink.kafka.drain_records_per_second_max;
        let limited =
            rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(f64::from(sent) / f64::from(rate.max(1))));
        self.not_before = begin + spacing.max(limited);
    }

    /// A log that has reached its share drops its oldest records, but not while they may be on their way; so between
    /// two transactions it gets a moment.
    fn breathe(&mut self) -> Result<(), Trouble> {
        let sink = &self.connector.setup.sink;
        if sink.overflow != Overflow::DropOldest || !self.accounts.is_over_share(sink.share_max_bytes) {
            return Ok(());
        }
        self.accounts.move_cursor()?;
        self.accounts.release();
        let mut end = self.writer.log_end(self.connector.setup.log);
        // Made inside the runtime, since a timer needs one.
        let _ = self.runtime.block_on(async { tokio::time::timeout(BREATH, end.changed()).await });
        self.accounts.protect()
    }

    fn idle(&mut self, session: &Session) {
        session.tend();
        self.recovered();
        self.tell_position();
        if Instant::now() >= self.renew_at && session.transactions.is_some() {
            self.renew(session);
        }
        let due = self.accounts.cursor_due();
        let until = Instant::now() + IDLE;
        self.wait_for_records(due.map_or(until, |due| due.min(until)));
    }

    /// Writes the position again, so that Kafka does not forget it.
    fn renew(&mut self, session: &Session) {
        let next = self.accounts.next;
        let outcome = self.accounts.mark_used().and_then(|()| session.begin());
        match outcome.and_then(|()| session.commit(next, &self.ending)) {
            Ok(()) => {
                self.accounts.renewed();
                self.renew_at = Instant::now() + self.connector.setup.renew_after;
            }
            Err(trouble) => {
                // The next round meets whatever is wrong; here it is enough to try again soon.
                log::debug!("sink {}: its position could not be renewed: {trouble:?}", self.name());
                self.give_up(session, Trouble::Again(String::new()));
                self.renew_at = Instant::now() + Duration::from_secs(60);
            }
        }
    }

    /// Before the session is gone for some time: what is known to be in Kafka is accounted for, so that the log is free
    /// to drop what it must.
    fn settle_accounts(&mut self) {
        match self.accounts.move_cursor() {
            Ok(()) => self.accounts.release(),
            Err(trouble) => log::debug!("sink {}: {trouble:?}", self.name()),
        }
    }

    /// What to do about a session that is over.
    fn meet(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Stopping => {}
            Trouble::Foreign => self.backoff.succeeded(),
            Trouble::Fenced(text) => {
                self.connector.was_fenced = true;
                self.back_off(&text);
            }
            Trouble::Again(text) | Trouble::Wait(text) | Trouble::NewProducer(text) => self.back_off(&text),
            Trouble::Store(text) => {
                if self.writer.failed().borrow().is_some() {
                    // The daemon ends over it.
                    self.pause(BACKOFF_MAX);
                }
                self.back_off(&text);
            }
        }
    }

    fn back_off(&mut self, text: &str) {
        let pause = self.backoff.next(chance());
        self.report(SinkState::BackingOff, text);
        self.pause(pause);
    }

    fn fence(&mut self, text: String) -> Trouble {
        log::error!("sink {}: stopped, records are kept: {text}", self.name());
        if let Err(trouble) = self.accounts.set_fenced(Some(&text)) {
            return trouble;
        }
        self.fenced = Some(text);
        Trouble::Foreign
    }

    fn wait_for_takeover(&mut self) {
        let reason = self.fenced.clone();
        self.status.update(|report| {
            report.state = SinkState::Fenced;
            report.reason = reason;
        });
        self.pause(IDLE);
        if self.status.take_takeover() {
            match self.accounts.set_fenced(None) {
                Ok(()) => {
                    log::info!("sink {}: taken over", self.name());
                    self.fenced = None;
                    (self.connector.was_fenced, self.connector.has_committed) = (false, false);
                    self.status.update(|report| report.state = SinkState::Connecting);
                }
                Err(_) => self.status.request_takeover(),
            }
        }
    }

    fn recovered(&mut self) {
        if self.logged.take().is_some() {
            log::info!("sink {}: delivering again", self.name());
        }
        self.status.update(|report| {
            report.state = SinkState::Connected;
            report.reason = None;
        });
    }

    fn report(&mut self, state: SinkState, text: &str) {
        let known = self.logged.as_ref().is_some_and(|(said, at)| said == text && at.elapsed() < SAME_TROUBLE);
        if !known {
            log::warn!("sink {}: {text}; trying again", self.name());
            self.logged = Some((text.to_owned(), Instant::now()));
        }
        self.status.update(|report| {
            report.state = state;
            report.reason = Some(text.to_owned());
            report.last_error = Some(text.to_owned());
        });
    }

    fn tell_dead(&self, skips: &Skips) {
        if let Some(first) = skips.dead.first() {
            let (count, offset) = (skips.dead.len(), first.offset);
            log::warn!("sink {}: {count} dead letters from record {offset} on: {}", self.name(), first.reason);
        }
        if skips.corrupt > 0 {
            log::error!("sink {}: {} records are damaged and left out", self.name(), skips.corrupt);
        }
    }

    fn tell_position(&self) {
        let (next, log_end) = (self.accounts.next, self.accounts.log_end());
        self.status.update(|report| (report.next, report.log_end) = (next, log_end));
    }

    fn pause(&self, pause: Duration) {
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

    /// Ends early when there is something to deliver, too.
    fn wait_for_records(&self, until: Instant) {
        if self.ending.is_stopping() {
            return;
        }
        let (mut signal, mut end) = (self.ending.signal(), self.writer.log_end(self.connector.setup.log));
        let next = self.accounts.next;
        self.runtime.block_on(async {
            tokio::select! {
                _ = signal.wait_for(|stop| *stop) => {}
                _ = end.wait_for(|end| *end > next) => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        });
    }
}

/// Uniform in 0..1, for the jitter of back-off: not worth a crate.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}
