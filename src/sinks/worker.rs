//! A Kafka sink's thread: connect, deliver round by round, move the cursor, come back from whatever goes wrong.

use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

use super::accounts::Accounts;
use super::connect::{Connected, Connector};
use super::gather::{Gathered, Limits, Outlet, Sent};
use super::keeper::{Ending, Keeper, Surroundings};
use super::producer::{Failure, TRANSACTION_TIMEOUT_MAX, ask_topic, ignored_options};
use super::session::{Session, Setback};
use super::status::SinkState;
use super::topics::{Fate, Topics};
use super::trouble::{Kind, Trouble, explain, kind};
use super::{DeadLetter, Setup, fenced_key};
use crate::config::Kafka;
use crate::delivery::{Batch, Bisect, RecordRef, Refusal};

/// A topic from a column is given up after 30 s; asking must not be much rarer than that.
const BACKOFF_TOPIC_MAX: Duration = Duration::from_secs(5);
/// A record that is refused is looked for without waiting long: Kafka is there, and what is behind that record waits.
const BACKOFF_REFUSED_MAX: Duration = Duration::from_secs(1);
/// Least time between the begins of two transactions that are not full: a transaction costs the same for one record
/// and for a thousand.
const SPACING: Duration = Duration::from_millis(100);
/// An idle sink looks after librdkafka's queues, and notices `takeover`, this often.
const IDLE: Duration = Duration::from_secs(1);
/// How long Kafka may take to tell about a topic.
const ASK_TIMEOUT: Duration = Duration::from_secs(20);
/// Sending may take this part of the transaction's time-out; the rest is for the commit.
const SENDING_PART: (u32, u32) = (3, 4);

pub struct Worker {
    keeper: Keeper,
    connector: Connector,
    topics: Topics,
    batch: Batch,
    bisect: Bisect,
    /// The offset of the record whose time Kafka does not take: it goes with that of its sending.
    untimely: Option<u64>,
    fenced: Option<String>,
    renew_at: Instant,
}

/// What is said of records that failed without any reason.
const UNANSWERED: &str = "the records were not acknowledged";

/// What a round came to.
enum Round {
    Idle,
    Progress,
}

/// A transaction being filled.
struct Filling<'a> {
    session: &'a Session,
    topics: &'a mut Topics,
    untimely: Option<u64>,
}

impl Outlet for Filling<'_> {
    fn fate(&mut self, topic: &str, sent: bool) -> Result<Fate, Trouble> {
        let fate = self.topics.fate(topic, Instant::now());
        if fate != Fate::Ask {
            return Ok(fate);
        }
        match ask_topic(&self.session.producer, topic, &self.session.names, ASK_TIMEOUT) {
            Ok(None) => self.topics.ready(topic),
            Ok(Some(reason)) => self.topics.missing(topic, reason, Instant::now()),
            // What was gathered so far can still go.
            Err(_) if sent => return Ok(Fate::Wait("Kafka does not answer".to_owned())),
            Err(error) => return Err(Trouble::Again(self.session.explain(&error))),
        }
        Ok(self.topics.fate(topic, Instant::now()))
    }

    fn begin(&mut self, accounts: &mut Accounts) -> Result<(), Trouble> {
        accounts.mark_used()?;
        self.session.begin()
    }

    fn send(&mut self, index: usize, offset: u64, record: &RecordRef<'_>, ending: &Ending) -> Sent {
        // librdkafka takes 0 for "now"; Kafka refuses negative times other than -1.
        let timestamp = if self.untimely == Some(offset) { 0 } else { record.timestamp.max(1) };
        self.session.send(index, offset, &RecordRef { timestamp, ..*record }, ending)
    }
}

impl Worker {
    pub fn new(setup: Setup, kafka: Kafka, around: Surroundings) -> Worker {
        let fenced = setup.meta.get(&fenced_key(&setup.sink.name));
        let fenced = fenced.map(|text| String::from_utf8_lossy(text).into_owned());
        Worker {
            keeper: Keeper::new(&setup, around),
            topics: Topics::new(setup.literal_topics.iter().cloned()),
            renew_at: Instant::now() + setup.renew_after,
            connector: Connector::new(setup, kafka),
            batch: Batch::new(),
            bisect: Bisect::default(),
            untimely: None,
            fenced,
        }
    }

    pub fn run(mut self) {
        for option in ignored_options(&self.connector.kafka) {
            log::warn!("sink {}: option \"{option}\" is tidegate's own to set and is ignored", self.keeper.name());
        }
        while !self.keeper.ending.is_stopping() {
            self.keeper.tell_position();
            if self.fenced.is_some() {
                self.wait_for_takeover();
                continue;
            }
            let trouble = self.connect_and_serve();
            self.keeper.settle_accounts();
            self.meet(trouble);
        }
        self.keeper.stopped();
    }

    fn connect_and_serve(&mut self) -> Trouble {
        let Worker { connector, keeper, .. } = self;
        let Keeper { accounts, reader, status, ending, .. } = keeper;
        let session = match connector.connect(accounts, reader, status, ending) {
            Ok(Connected::Ready(session)) => session,
            Ok(Connected::Foreign(text)) => return self.fence(text),
            Err(trouble) => return trouble,
        };
        self.topics.forget_ready();
        self.keeper.connected();
        loop {
            let trouble = match self.round(&session) {
                Ok(Round::Progress) => {
                    self.keeper.backoff.succeeded();
                    self.keeper.recovered();
                    continue;
                }
                Ok(Round::Idle) => {
                    self.idle(&session);
                    if self.keeper.ending.is_stopping() { Trouble::Stopping } else { continue }
                }
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Again(text) => self.keeper.back_off(&text),
                Trouble::Wait(text) => self.keeper.back_off_at_most(BACKOFF_TOPIC_MAX, &text),
                trouble => return trouble,
            }
            session.tend();
            if self.keeper.ending.is_stopping() {
                return Trouble::Stopping;
            }
        }
    }

    /// One transaction, or the finding that there is nothing to do.
    fn round(&mut self, session: &Session) -> Result<Round, Trouble> {
        if !self.keeper.may_begin()? {
            return Ok(Round::Idle);
        }
        let begin = Instant::now();
        let gathered = match self.gather(session) {
            Ok(gathered) => gathered,
            Err(trouble) => return Err(self.give_up(session, trouble)),
        };
        let Gathered { next, sent, bytes, begun, full, blocked, first, skips, .. } = gathered;
        if let Err(trouble) = self.keeper.skip(skips) {
            return Err(if begun { self.give_up(session, trouble) } else { trouble });
        }
        if begun {
            self.deliver(session, begin, next, sent, first)?;
            self.keeper.pace(begin, sent, if full { Duration::ZERO } else { SPACING });
        }
        if next == self.keeper.accounts.next {
            return blocked.map_or(Ok(Round::Idle), |reason| Err(Trouble::Wait(reason)));
        }
        self.keeper.accounts.passed(next, sent, bytes);
        self.bisect.passed(next);
        self.keeper.tell_position();
        match blocked {
            Some(reason) => Err(Trouble::Wait(reason)),
            None => Ok(Round::Progress),
        }
    }

    fn gather(&mut self, session: &Session) -> Result<Gathered, Trouble> {
        let searched = self.bisect.records_max().unwrap_or(u32::MAX);
        let limits = Limits { records_max: self.batch.records_max().min(searched), bytes_max: self.batch.bytes_max() };
        let mut filling = Filling { session, topics: &mut self.topics, untimely: self.untimely };
        self.keeper.gather(&mut filling, limits)
    }

    /// Waits for the records of the open transaction and commits it.
    fn deliver(
        &mut self,
        session: &Session,
        begin: Instant,
        next: u64,
        sent: u32,
        first: Option<DeadLetter>,
    ) -> Result<(), Trouble> {
        let until = begin + session.time_limit * SENDING_PART.0 / SENDING_PART.1;
        let settled = session.settle(until, &self.keeper.ending);
        let sending = begin.elapsed();
        match settled {
            Ok(()) => {}
            Err(Setback::TimedOut) => return Err(self.timed_out(session, sent)),
            Err(Setback::Failed(failures)) => return Err(self.failed(session, next, sent, first, &failures)),
            Err(Setback::Trouble(trouble)) => return Err(trouble),
        }
        if let Err(trouble) = session.commit(next, &self.keeper.ending) {
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
        self.keeper.status.update(|report| {
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
        self.give_up(session, Trouble::Reconnect(text))
    }

    /// Some records were not taken: what that means for them and for the transaction, by the gravest [`Kind`] among them.
    fn failed(
        &mut self,
        session: &Session,
        next: u64,
        sent: u32,
        first: Option<DeadLetter>,
        failures: &[Failure],
    ) -> Trouble {
        let Some(failure) = failures.iter().min_by_key(|failure| kind(failure.code)) else {
            return self.give_up(session, Trouble::Reconnect(UNANSWERED.to_owned()));
        };
        let why = explain(Some(failure.code), &failure.code.to_string(), &session.names);
        let text = format!("topic \"{}\": {why}", failure.topic);
        match kind(failure.code) {
            Kind::Fenced => Trouble::Fenced(text),
            Kind::Topic => {
                self.topics.missing(&failure.topic, text.clone(), Instant::now());
                self.give_up(session, Trouble::Wait(text))
            }
            Kind::Refused => {
                let of_time = failure.code == RDKafkaErrorCode::InvalidTimestamp;
                self.refused(session, (next, sent), first, of_time, text)
            }
            Kind::TimedOut => self.timed_out(session, sent),
            Kind::Other => self.give_up(session, Trouble::Reconnect(text)),
            Kind::Consequence => self.give_up(session, of_the_whole(session, failure)),
        }
    }

    /// Among the records of the transaction is one that Kafka will never take, unless it is all of them together.
    fn refused(
        &mut self,
        session: &Session,
        (next, sent): (u64, u32),
        first: Option<DeadLetter>,
        of_time: bool,
        reason: String,
    ) -> Trouble {
        let trouble = self.give_up(session, Trouble::Refused(reason.clone()));
        match (self.bisect.refused(sent, next), first) {
            (Refusal::Found, Some(letter)) if of_time && self.untimely != Some(letter.offset) => {
                self.untimely = Some(letter.offset);
                trouble
            }
            (Refusal::Found, Some(letter)) => {
                self.keeper.bury(DeadLetter { reason, ..letter }).err().unwrap_or(trouble)
            }
            _ => {
                // A refusal of many may be one of their size.
                self.batch.timed_out(sent);
                trouble
            }
        }
    }

    /// Ends the open transaction, if there is one, so that another can begin.
    fn give_up(&mut self, session: &Session, trouble: Trouble) -> Trouble {
        if session.open.get() {
            self.keeper.status.update(|report| report.aborted += 1);
        }
        match trouble {
            Trouble::Again(_) | Trouble::Wait(_) | Trouble::Refused(_) | Trouble::Store(_) => {
                match session.abort(&self.keeper.ending) {
                    Ok(()) => trouble,
                    Err(worse) => worse,
                }
            }
            other => other,
        }
    }

    fn idle(&mut self, session: &Session) {
        session.tend();
        self.keeper.recovered();
        self.keeper.tell_position();
        if Instant::now() >= self.renew_at && session.transactions.is_some() {
            self.renew(session);
        }
        let until = Instant::now() + IDLE;
        self.keeper.runtime.block_on(self.keeper.something_to_do(until));
    }

    /// Writes the position again, so that Kafka does not forget it.
    fn renew(&mut self, session: &Session) {
        let next = self.keeper.accounts.next;
        let outcome = self.keeper.accounts.mark_used().and_then(|()| session.begin());
        match outcome.and_then(|()| session.commit(next, &self.keeper.ending)) {
            Ok(()) => {
                self.keeper.accounts.renewed();
                self.renew_at = Instant::now() + self.connector.setup.renew_after;
            }
            Err(trouble) => {
                // The next round meets whatever is wrong; here it is enough to try again soon.
                log::debug!("sink {}: its position could not be renewed: {trouble:?}", self.keeper.name());
                self.give_up(session, Trouble::Again(String::new()));
                self.renew_at = Instant::now() + Duration::from_secs(60);
            }
        }
    }

    /// What to do about a session that is over.
    fn meet(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Stopping => {}
            Trouble::Foreign => self.keeper.backoff.succeeded(),
            Trouble::Fenced(text) => {
                self.connector.was_fenced = true;
                self.keeper.back_off(&text);
            }
            Trouble::Refused(text) => {
                self.connector.is_searching = true;
                self.keeper.back_off_quietly(BACKOFF_REFUSED_MAX, &text);
            }
            Trouble::Again(text) | Trouble::Wait(text) | Trouble::Reconnect(text) => self.keeper.back_off(&text),
            Trouble::Store(text) => self.keeper.meet_store_failure(&text),
        }
    }

    fn fence(&mut self, text: String) -> Trouble {
        log::error!("sink {}: stopped, records are kept: {text}", self.keeper.name());
        if let Err(trouble) = self.keeper.accounts.set_fenced(Some(&text)) {
            return trouble;
        }
        self.fenced = Some(text);
        Trouble::Foreign
    }

    fn wait_for_takeover(&mut self) {
        let reason = self.fenced.clone();
        self.keeper.status.update(|report| {
            report.state = SinkState::Fenced;
            report.reason = reason;
        });
        self.keeper.pause(IDLE);
        if self.keeper.status.take_takeover() {
            match self.keeper.accounts.set_fenced(None) {
                Ok(()) => {
                    log::info!("sink {}: taken over", self.keeper.name());
                    self.fenced = None;
                    (self.connector.was_fenced, self.connector.has_committed) = (false, false);
                    self.keeper.status.update(|report| report.state = SinkState::Connecting);
                }
                Err(_) => self.keeper.status.request_takeover(),
            }
        }
    }
}

/// What records failed of that have no reason of their own: Kafka refuses the transaction as a whole, or nobody knows.
fn of_the_whole(session: &Session, failure: &Failure) -> Trouble {
    let Some(error) = session.refusal() else { return Trouble::Reconnect(UNANSWERED.to_owned()) };
    let is_of_topic = error.rdkafka_error_code().is_some_and(|code| kind(code) == Kind::Topic);
    let topic = match is_of_topic {
        true => format!("topic \"{}\" (or another of its transaction): ", failure.topic),
        false => String::new(),
    };
    Trouble::Again(topic + &session.explain(&error))
}
