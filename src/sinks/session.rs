//! A producer that has introduced itself to Kafka, and the one transaction it may have open.
//!
//! Holds always: a transaction whose end is not known for sure ends the session (the position in Kafka tells the next
//! one); nothing waits longer than a stopping daemon can.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};

use super::gather::Sent;
use super::keeper::Ending;
use super::producer::{Failure, Producer, position_list};
use super::trouble::{Kind, Names, Trouble, explain_error, explain_position_error, kind};
use crate::delivery::RecordRef;

/// rust-rdkafka's own waiting polls in steps of 100 ms; this is what makes a transaction cheap.
const POLL: Duration = Duration::from_millis(1);
/// One call of librdkafka that can be called again; between the calls a stop is noticed.
const CALL: Duration = Duration::from_secs(1);
/// One call that cannot be resumed: long enough for a far link.
const CALL_WHOLE: Duration = Duration::from_secs(30);

pub const HEADER_GATEWAY: &str = "tidegate-gateway";
pub const HEADER_STORE: &str = "tidegate-store";
pub const HEADER_SEQUENCE: &str = "tidegate-sequence";

pub struct Session {
    pub producer: Producer,
    pub names: Names,
    /// `None`: at least once, without transactions.
    pub transactions: Option<Transactions>,
    pub headers: OwnedHeaders,
    pub time_limit: Duration,
    /// A transaction has begun and not ended.
    pub open: Cell<bool>,
}

/// What a position needs besides its number.
pub struct Transactions {
    pub group: ConsumerGroupMetadata,
    /// `store_id/start_id`.
    pub metadata: String,
}

/// Why a transaction's records did not all arrive.
#[derive(Debug)]
pub enum Setback {
    TimedOut,
    Failed(Vec<Failure>),
    Trouble(Trouble),
}

impl Session {
    pub fn begin(&self) -> Result<(), Trouble> {
        self.producer.context().take_failures();
        if self.transactions.is_none() {
            return Ok(());
        }
        self.producer.begin_transaction().map_err(|error| self.lost(&error))?;
        self.open.set(true);
        Ok(())
    }

    /// `index` comes back in the [`Failure`], if it fails later.
    pub fn send(&self, index: usize, offset: u64, record: &RecordRef<'_>, ending: &Ending) -> Sent {
        let sequence = offset.to_string();
        let headers = self.headers.clone().insert(Header { key: HEADER_SEQUENCE, value: Some(&sequence) });
        let mut outgoing = BaseRecord::<[u8], [u8], usize>::with_opaque_to(record.topic, index)
            .headers(headers)
            .timestamp(record.timestamp);
        outgoing.key = record.key;
        outgoing.payload = record.payload;
        loop {
            let (error, back) = match self.producer.send(outgoing) {
                Ok(()) => return Sent::Queued,
                Err(refused) => refused,
            };
            outgoing = back;
            match error.rdkafka_error_code() {
                Some(Code::QueueFull) if !ending.must_leave() => self.producer.poll(POLL),
                Some(Code::QueueFull) => return Sent::Failed(Trouble::Stopping),
                Some(code) if kind(code) == Kind::Refused => return Sent::Refused(error.to_string()),
                None => return Sent::Refused(error.to_string()),
                Some(code) if kind(code) == Kind::Fenced => return Sent::Failed(Trouble::Fenced(self.explain(&error))),
                Some(Code::Fatal) => {
                    let unknown = || Trouble::Reconnect(self.explain(&error));
                    return Sent::Failed(self.fatal().unwrap_or_else(unknown));
                }
                Some(_) => return Sent::Failed(Trouble::Again(self.explain(&error))),
            }
        }
    }

    /// Waits until Kafka has answered for every record.
    pub fn settle(&self, until: Instant, ending: &Ending) -> Result<(), Setback> {
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(POLL);
            if ending.must_leave() {
                return Err(Setback::Trouble(Trouble::Stopping));
            }
            if Instant::now() >= until {
                return Err(Setback::TimedOut);
            }
        }
        if self.producer.context().failed() == 0 {
            return Ok(());
        }
        if let Some(trouble) = self.fatal() {
            return Err(Setback::Trouble(trouble));
        }
        Err(Setback::Failed(self.producer.context().take_failures()))
    }

    /// Why Kafka refuses the open transaction as a whole, such as a topic that may not be written to.
    pub fn refusal(&self) -> Option<KafkaError> {
        if !self.open.get() {
            return None;
        }
        // Nothing begins, since a transaction is open: the error is that of its state, or of what led to it.
        let error = self.producer.begin_transaction().err()?;
        Some(error).filter(|error| matches!(error, KafkaError::Transaction(reason) if reason.txn_requires_abort()))
    }

    /// Puts the position into the transaction and commits it. When it returns an error other than `Again`, the
    /// transaction may have been committed.
    pub fn commit(&self, next: u64, ending: &Ending) -> Result<(), Trouble> {
        let Some(transactions) = &self.transactions else {
            return Ok(());
        };
        let list = position_list(&self.names.offsets_topic, next, &transactions.metadata).map_err(|e| self.lost(&e))?;
        let until = Instant::now() + self.time_limit;
        let whole = CALL_WHOLE.min(self.time_limit);
        let put = || self.producer.send_offsets_to_transaction(&list, &transactions.group, whole);
        self.repeat(until, ending, explain_position_error, put)?;
        // A commit that was once asked for goes on in the background: asking again is asking for its outcome.
        self.repeat(until + self.time_limit, ending, explain_error, || self.producer.commit_transaction(CALL))?;
        self.open.set(false);
        Ok(())
    }

    /// Gives up what is open. On success the producer is ready for the next transaction.
    ///
    /// A producer is used again only if Kafka has answered for every record. A request that is still under way (in a
    /// slow link's buffers, say) may overtake its abort, since that goes over another connection, and would then count
    /// as part of the next transaction of the same epoch: its records would come twice. A new producer has a new epoch,
    /// which refuses them.
    pub fn abort(&self, ending: &Ending) -> Result<(), Trouble> {
        if self.transactions.is_none() {
            return Err(Trouble::Reconnect("records were not acknowledged".to_owned()));
        }
        if !self.open.get() {
            return Ok(());
        }
        let until = Instant::now() + CALL_WHOLE.min(self.time_limit);
        if let Err(Setback::TimedOut | Setback::Trouble(_)) = self.settle(until, ending) {
            return Err(Trouble::Reconnect("the transaction could not be ended cleanly".to_owned()));
        }
        let outcome = self.repeat(until, ending, explain_error, || self.producer.abort_transaction(CALL));
        self.producer.context().take_failures();
        match outcome {
            Err(Trouble::Again(text)) => Err(Trouble::Reconnect(text)),
            Err(other) => Err(other),
            Ok(()) => {
                self.open.set(false);
                Ok(())
            }
        }
    }

    /// Takes librdkafka's log lines and errors out of its queue; an idle producer needs it now and then.
    pub fn tend(&self) {
        self.producer.poll(Duration::ZERO);
    }

    pub fn explain(&self, error: &KafkaError) -> String {
        explain_error(error, &self.names)
    }

    fn repeat(
        &self,
        until: Instant,
        ending: &Ending,
        explain: impl Fn(&KafkaError, &Names) -> String,
        call: impl Fn() -> Result<(), KafkaError>,
    ) -> Result<(), Trouble> {
        loop {
            let error = match call() {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let retriable = match &error {
                KafkaError::Transaction(reason) => reason.is_retriable(),
                KafkaError::Flush(code) => kind(*code) == Kind::TimedOut,
                _ => false,
            };
            if !retriable {
                return Err(sorted(&error, explain(&error, &self.names)));
            }
            if ending.must_leave() {
                return Err(Trouble::Stopping);
            }
            if Instant::now() >= until {
                return Err(Trouble::Reconnect(self.explain(&error)));
            }
            self.producer.poll(POLL);
        }
    }

    fn lost(&self, error: &KafkaError) -> Trouble {
        lost(error, &self.names)
    }

    /// Why the producer is of no use any more; `None`: it is.
    fn fatal(&self) -> Option<Trouble> {
        let (code, text) = self.producer.client().fatal_error()?;
        Some(if kind(code) == Kind::Fenced { Trouble::Fenced(text) } else { Trouble::Reconnect(text) })
    }
}

/// What an error of a transactional call means.
pub fn lost(error: &KafkaError, names: &Names) -> Trouble {
    sorted(error, explain_error(error, names))
}

fn sorted(error: &KafkaError, text: String) -> Trouble {
    let fenced = error.rdkafka_error_code().is_some_and(|code| kind(code) == Kind::Fenced);
    match error {
        _ if fenced => Trouble::Fenced(text),
        KafkaError::Transaction(reason) if reason.txn_requires_abort() => Trouble::Again(text),
        _ => Trouble::Reconnect(text),
    }
}
