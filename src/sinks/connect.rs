//! From nothing to a [`Session`]: reach Kafka, settle who we were, end the last transaction, find the position.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::Producer as _;

use super::Setup;
use super::accounts::Accounts;
use super::identity::{Identity, transactional_id};
use super::keeper::Ending;
use super::producer::{Client, Context, Position, Producer, group_metadata, position_metadata, read_position, tend};
use super::session::{HEADER_GATEWAY, HEADER_STORE, Session, Transactions, lost};
use super::status::{SinkState, SinkStatus};
use super::trouble::{Names, Trouble, explain_error, explain_position_error, is_forbidden};
use crate::config::{Delivery, Kafka};
use crate::delivery::{self, Committed, Resume};
use crate::store::Reader;

/// One call that can be repeated; between the calls a stop is noticed.
const CALL: Duration = Duration::from_secs(1);
/// One call that cannot be resumed.
const CALL_WHOLE: Duration = Duration::from_secs(20);
/// Kafka may take this long to answer before the sink says that it does not.
const PATIENCE: Duration = Duration::from_secs(5);
/// A Kafka that does not answer is mentioned in the log this often.
const SAID_AGAIN: Duration = Duration::from_secs(10 * 60);

/// What it takes to connect, and what is remembered between connections.
pub struct Connector {
    pub setup: Setup,
    pub kafka: Kafka,
    /// As the store has it.
    pub identity: Option<Identity>,
    pub transaction_timeout: Duration,
    /// Kafka said that somebody else has our id.
    pub was_fenced: bool,
    /// This process has committed a transaction: a foreign position is newer than ours.
    pub has_committed: bool,
    /// The next connection only looks for a record that is refused, which is not worth a line in the log.
    pub is_searching: bool,
    said: Option<Instant>,
}

/// librdkafka does not take the sink's options.
fn misconfigured(error: &KafkaError, names: &Names) -> Trouble {
    Trouble::Reconnect(explain_error(error, names))
}

/// Where a new connection stands.
pub enum Connected {
    Ready(Session),
    /// Another gateway has written the position.
    Foreign(String),
}

impl Connector {
    pub fn new(setup: Setup, kafka: Kafka) -> Connector {
        let stored = setup.meta.get(&super::meta_key(&setup.sink.name, "identity"));
        let identity = stored.map(|bytes| Identity::decode(bytes)).transpose().unwrap_or_else(|error| {
            log::error!("sink {}: {error}; taken for a new sink", setup.sink.name);
            None
        });
        let transaction_timeout = super::producer::transaction_timeout(&kafka);
        Connector {
            setup,
            kafka,
            identity,
            transaction_timeout,
            was_fenced: false,
            has_committed: false,
            is_searching: false,
            said: None,
        }
    }

    fn name(&self) -> &str {
        &self.setup.sink.name
    }

    /// Names for the present configuration.
    pub fn names(&self) -> Result<Names, Trouble> {
        let remembered = self.identity.as_ref().map(|identity| &identity.offsets_topic);
        let chosen = self.kafka.offsets_topic.as_ref().or(remembered).or(self.setup.literal_topics.first());
        let transactional_id = transactional_id(&self.setup.gateway, self.name());
        match (chosen, self.kafka.delivery) {
            (Some(topic), _) => Ok(Names { transactional_id, offsets_topic: topic.clone() }),
            (None, Delivery::AtLeastOnce) => Ok(Names { transactional_id, offsets_topic: String::new() }),
            (None, Delivery::ExactlyOnce) => Err(Trouble::Reconnect(
                "every topic of this sink is made from a column: name one in `offsets_topic` that carries its position"
                    .to_owned(),
            )),
        }
    }

    pub fn connect(
        &mut self,
        accounts: &mut Accounts,
        reader: &mut Reader,
        status: &SinkStatus,
        ending: &Ending,
    ) -> Result<Connected, Trouble> {
        let names = self.names()?;
        let brokers = self.kafka.brokers.clone();
        let client = self.client(&names, &brokers, self.kafka.delivery);
        let consumer = client.consumer().map_err(|e| misconfigured(&e, &names))?;
        let cluster = self.cluster(&consumer, status, ending)?;
        let now = Identity {
            cluster,
            brokers: brokers.clone(),
            transactional_id: names.transactional_id.clone(),
            offsets_topic: names.offsets_topic.clone(),
        };
        let exactly = self.kafka.delivery == Delivery::ExactlyOnce;
        let changed = self.identity.clone().filter(|old| !exactly || !old.is_same_position(&now));
        if let Some(old) = changed {
            self.settle(&old, &now, accounts, reader, status, ending)?;
        }
        let client = self.client(&names, &brokers, self.kafka.delivery);
        let producer = client.producer().map_err(|e| misconfigured(&e, &names))?;
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(Header { key: HEADER_GATEWAY, value: Some(&self.setup.gateway) })
            .insert(Header { key: HEADER_STORE, value: Some(&self.setup.store_id.to_string()) });
        let mut session = Session {
            producer,
            names,
            transactions: None,
            headers,
            time_limit: self.transaction_timeout,
            open: Cell::new(false),
        };
        if exactly {
            self.introduce(&session.producer, &session.names, status, ending)?;
            let position = self.position(&consumer, &session.names, ending)?;
            if let Some(foreign) = self.foreign(position.as_ref(), accounts) {
                return Ok(Connected::Foreign(foreign));
            }
            self.resume(position.as_ref(), accounts, reader, status)?;
            if self.identity.as_ref() != Some(&now) {
                accounts.put("identity", Some(now.encode()))?;
                self.identity = Some(now);
            }
            let group = group_metadata(&consumer).map_err(|e| lost(&e, &session.names))?;
            let metadata = position_metadata(self.setup.store_id, self.setup.start_id);
            session.transactions = Some(Transactions { group, metadata });
        } else {
            accounts.protect()?;
        }
        self.was_fenced = false;
        self.is_searching = false;
        self.said = None;
        Ok(Connected::Ready(session))
    }

    fn client<'a>(&'a self, names: &Names, brokers: &'a str, delivery: Delivery) -> Client<'a> {
        Client {
            sink: self.name(),
            kafka: &self.kafka,
            brokers,
            names: names.clone(),
            delivery,
            transaction_timeout: self.transaction_timeout,
        }
    }

    /// Waits for Kafka, for as long as it takes. librdkafka does the back-off of connections.
    fn cluster(
        &mut self,
        consumer: &BaseConsumer<Context>,
        status: &SinkStatus,
        ending: &Ending,
    ) -> Result<String, Trouble> {
        let start = Instant::now();
        loop {
            if let Some(cluster) = consumer.client().fetch_cluster_id(CALL) {
                return Ok(cluster);
            }
            tend(consumer);
            if ending.is_stopping() {
                return Err(Trouble::Stopping);
            }
            if start.elapsed() >= PATIENCE {
                self.say_absent(consumer.client().context(), status);
            }
        }
    }

    fn say_absent(&mut self, context: &Context, status: &SinkStatus) {
        let reason = context.last_error().unwrap_or_else(|| "no answer".to_owned());
        if self.said.is_none_or(|said| said.elapsed() >= SAID_AGAIN) {
            self.said = Some(Instant::now());
            log::warn!(
                "sink {}: Kafka at {} cannot be reached, buffering until it can ({reason})",
                self.name(),
                self.kafka.brokers
            );
        }
        status.update(|report| {
            report.state = SinkState::BackingOff;
            report.reason = Some(format!("Kafka cannot be reached: {reason}"));
            report.last_error = Some(reason);
        });
    }

    /// Ends whatever the last process left open under this id, and fences whoever else uses it.
    fn introduce(
        &mut self,
        producer: &Producer,
        names: &Names,
        status: &SinkStatus,
        ending: &Ending,
    ) -> Result<(), Trouble> {
        let start = Instant::now();
        loop {
            let Err(error) = producer.init_transactions(CALL) else {
                producer.context().clear_error();
                return Ok(());
            };
            producer.poll(Duration::ZERO);
            let retriable = matches!(&error, KafkaError::Transaction(reason) if reason.is_retriable());
            if !retriable {
                return Err(lost(&error, names));
            }
            if ending.is_stopping() {
                return Err(Trouble::Stopping);
            }
            if start.elapsed() >= PATIENCE.max(self.transaction_timeout) {
                self.say_absent(producer.context(), status);
            }
        }
    }

    fn position(
        &self,
        consumer: &BaseConsumer<Context>,
        names: &Names,
        ending: &Ending,
    ) -> Result<Option<Position>, Trouble> {
        let until = Instant::now() + self.transaction_timeout;
        loop {
            let error = match read_position(consumer, &names.offsets_topic, CALL_WHOLE) {
                Ok(position) => return Ok(position),
                Err(error) => error,
            };
            if ending.is_stopping() {
                return Err(Trouble::Stopping);
            }
            if is_forbidden(&error) || Instant::now() >= until {
                return Err(Trouble::Reconnect(explain_position_error(&error, names)));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn committed(&self, position: &Position, accounts: &Accounts) -> Committed {
        let writer = match position.writer {
            Some((store, start)) if store == self.setup.store_id => accounts.writer_of(start),
            _ => delivery::Writer::Unknown,
        };
        Committed { offset: position.offset, writer }
    }

    /// Somebody else's position, where ours was or should be.
    fn foreign(&self, position: Option<&Position>, accounts: &Accounts) -> Option<String> {
        let position = position?;
        let unknown = self.committed(position, accounts).writer == delivery::Writer::Unknown;
        if !unknown || !(self.was_fenced || self.has_committed) {
            return None;
        }
        let other = match position.writer {
            Some((store, _)) if store == self.setup.store_id => "a gateway with a copy of this one's store".to_owned(),
            Some((store, _)) => format!("a gateway with the store {store}"),
            None => "something that is not tidegate".to_owned(),
        };
        Some(format!(
            "{other} uses this gateway's id \"{}\"; give one of them another id, then `tidegate takeover {}`",
            self.setup.gateway,
            self.name()
        ))
    }

    /// A sink that never delivered, or whose old identity was settled just now, has nothing that could come twice.
    fn is_new(&self, accounts: &Accounts) -> bool {
        self.identity.is_none() || !self.has_committed && !accounts.may_have_delivered()
    }

    fn resume(
        &self,
        position: Option<&Position>,
        accounts: &mut Accounts,
        reader: &mut Reader,
        status: &SinkStatus,
    ) -> Result<(), Trouble> {
        // Only now: while Kafka is away, the log must be free to drop what it has to.
        accounts.protect()?;
        let oldest = accounts.oldest(reader)?;
        let committed = position.map(|position| self.committed(position, accounts));
        let (at, doubt) = match delivery::resume(accounts.cursor, accounts.log_end(), committed) {
            Resume::Exactly { at, lost: 0 } => (at, None),
            Resume::Exactly { at, lost } => {
                let doubt = "records that this store does not know: the disk lost them, or the store is an older copy";
                (at, Some(format!("Kafka has {lost} {doubt}")))
            }
            Resume::MayRepeat { at } if position.is_none() && self.is_new(accounts) => (at, None),
            Resume::MayRepeat { at } => {
                let why = if position.is_some() { "was not written by this store" } else { "is gone" };
                (at, Some(format!("the position in Kafka {why}; records from {at} on may come twice")))
            }
        };
        let left = accounts.log_end().saturating_sub(at.max(accounts.next));
        let level = if self.is_searching { log::Level::Debug } else { log::Level::Info };
        log::log!(level, "sink {}: connected to Kafka, {left} records to deliver", self.name());
        if let Some(doubt) = doubt {
            log::warn!("sink {}: {doubt}", self.name());
            status.update(|report| report.doubt = Some(doubt));
        }
        accounts.found(at, oldest);
        Ok(())
    }

    /// The configuration gives the sink another identity: what was delivered under the old one is found out first.
    fn settle(
        &mut self,
        old: &Identity,
        now: &Identity,
        accounts: &mut Accounts,
        reader: &mut Reader,
        status: &SinkStatus,
        ending: &Ending,
    ) -> Result<(), Trouble> {
        let brokers = if old.cluster == now.cluster { &now.brokers } else { &old.brokers };
        log::info!("sink {}: its identity in Kafka changed; settling the old one at {brokers}", self.name());
        match self.settle_old(old, brokers, accounts, reader, status, ending) {
            Ok(()) => {}
            Err(Trouble::Stopping) => return Err(Trouble::Stopping),
            Err(trouble) if self.kafka.accept_duplicates => {
                log::warn!("sink {}: {trouble:?}; going on without, as accept_duplicates says", self.name());
            }
            Err(_) => {
                let reason = format!(
                    "what was delivered to the old Kafka ({brokers}, topic {}) cannot be found out: make it reachable, or set accept_duplicates = true",
                    old.offsets_topic
                );
                status.update(|report| report.reason = Some(reason.clone()));
                return Err(Trouble::Reconnect(reason));
            }
        }
        accounts.move_cursor()?;
        accounts.put("identity", None)?;
        self.identity = None;
        Ok(())
    }

    fn settle_old(
        &mut self,
        old: &Identity,
        brokers: &str,
        accounts: &mut Accounts,
        reader: &mut Reader,
        status: &SinkStatus,
        ending: &Ending,
    ) -> Result<(), Trouble> {
        let names = Names { transactional_id: old.transactional_id.clone(), offsets_topic: old.offsets_topic.clone() };
        let client = self.client(&names, brokers, Delivery::ExactlyOnce);
        let consumer = client.consumer().map_err(|e| misconfigured(&e, &names))?;
        let until = Instant::now() + CALL_WHOLE;
        let cluster = loop {
            match consumer.client().fetch_cluster_id(CALL) {
                Some(cluster) => break cluster,
                None if ending.is_stopping() => return Err(Trouble::Stopping),
                None if Instant::now() >= until => return Err(Trouble::Reconnect("it cannot be reached".to_owned())),
                None => {}
            }
        };
        if cluster != old.cluster {
            return Err(Trouble::Reconnect("another Kafka is there now".to_owned()));
        }
        let producer = client.producer().map_err(|e| misconfigured(&e, &names))?;
        loop {
            match producer.init_transactions(CALL) {
                Ok(()) => break,
                Err(_) if ending.is_stopping() => return Err(Trouble::Stopping),
                Err(error) if Instant::now() >= until => return Err(lost(&error, &names)),
                Err(_) => producer.poll(Duration::ZERO),
            }
        }
        let position = self.position(&consumer, &names, ending)?;
        self.resume(position.as_ref(), accounts, reader, status)
    }
}
