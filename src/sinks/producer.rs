//! One librdkafka producer (or consumer) of a sink: its settings, what it reports, its first words with Kafka.
//!
//! Holds always: settings that exactly-once rests on cannot be overridden by `options`; no value of an option is
//! logged; librdkafka's own lines are let through at a bounded rate.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use uuid::Uuid;

use super::trouble::{Kind, Names, explain, is_forbidden, kind};
use crate::config::{Delivery, Kafka};

/// Kafka's default, and as long as a consumer that reads committed records may have to wait for a gateway that died in
/// the middle of a transaction.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// What brokers allow at most by default (`transaction.max.timeout.ms`).
pub const TRANSACTION_TIMEOUT_MAX: Duration = Duration::from_secs(15 * 60);
/// librdkafka takes no more.
const SOCKET_TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// The same line of librdkafka is logged once in this time.
const SAME_LINE_PAUSE: Duration = Duration::from_secs(60);
/// Failed records of one transaction that are remembered one by one.
const FAILURES_MAX: usize = 16;

/// Exactly-once, or the order of records, rests on these.
const OURS: [&str; 8] = [
    "transactional.id",
    "enable.idempotence",
    "acks",
    "request.required.acks",
    "isolation.level",
    "group.id",
    "enable.auto.commit",
    "bootstrap.servers",
];

pub type Producer = BaseProducer<Context, NoCustomPartitioner>;

/// What one client of librdkafka is made from.
#[derive(Clone)]
pub struct Client<'a> {
    pub sink: &'a str,
    pub kafka: &'a Kafka,
    pub brokers: &'a str,
    pub names: Names,
    pub delivery: Delivery,
    pub transaction_timeout: Duration,
}

/// A record that Kafka did not take.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Which record of the transaction, in the order of sending.
    pub index: usize,
    pub topic: String,
    pub code: RDKafkaErrorCode,
}

/// Receives what librdkafka reports.
pub struct Context {
    sink: String,
    names: Names,
    failures: Mutex<Vec<Failure>>,
    failed: AtomicU32,
    last_error: Mutex<Option<String>>,
    /// A right that a consumer lacks.
    denied: Mutex<Option<KafkaError>>,
    lines: Mutex<HashMap<String, Instant>>,
}

impl Context {
    fn new(client: &Client<'_>) -> Context {
        Context {
            sink: client.sink.to_owned(),
            names: client.names.clone(),
            failures: Mutex::default(),
            failed: AtomicU32::new(0),
            last_error: Mutex::default(),
            denied: Mutex::default(),
            lines: Mutex::default(),
        }
    }

    /// The records that failed since the last call, the first few of them, those with a reason of their own first.
    pub fn take_failures(&self) -> Vec<Failure> {
        self.failed.store(0, Ordering::Relaxed);
        std::mem::take(&mut *lock(&self.failures))
    }

    /// How many records failed since then.
    pub fn failed(&self) -> u32 {
        self.failed.load(Ordering::Relaxed)
    }

    pub fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    pub fn clear_error(&self) {
        *lock(&self.last_error) = None;
    }

    /// Whether this line, its numbers aside, was not let through a short while ago.
    fn is_news(&self, line: &str) -> bool {
        let shape: String = line.chars().filter(|c| !c.is_ascii_digit()).take(100).collect();
        let mut lines = lock(&self.lines);
        lines.retain(|_, at| at.elapsed() < SAME_LINE_PAUSE);
        lines.len() < 100 && lines.insert(shape, Instant::now()).is_none()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // That a broker cannot be reached is the sink's to say, once; what librdkafka adds is detail.
        let level = match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => log::Level::Error,
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning if facility != "FAIL" => log::Level::Warn,
            _ => log::Level::Debug,
        };
        if log::log_enabled!(target: "librdkafka", level) && self.is_news(line) {
            log::log!(target: "librdkafka", level, "sink {}: {facility}: {line}", self.sink);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let text = explain(error.rdkafka_error_code(), reason, &self.names);
        if self.is_news(&text) {
            log::debug!("sink {}: {text}", self.sink);
        }
        // "All brokers are down" hides the reason that was told just before.
        let mut last = lock(&self.last_error);
        if last.is_none() || error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *last = Some(text);
        }
    }

    fn stats(&self, _: rdkafka::Statistics) {}
}

impl ConsumerContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        if let Err((error, message)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            let mut failures = lock(&self.failures);
            // Of those that only follow from another's failure one is enough.
            let is_news = kind(code) != Kind::Consequence || failures.is_empty();
            if failures.len() < FAILURES_MAX && is_news {
                failures.push(Failure { index, topic: message.topic().to_owned(), code });
            }
        }
    }
}

impl Client<'_> {
    pub fn producer(&self) -> KafkaResult<Producer> {
        let mut config = self.common();
        let timeout_ms = self.transaction_timeout.as_millis().to_string();
        let socket_timeout = self.transaction_timeout.min(SOCKET_TIMEOUT_MAX);
        config
            // A request with one big record must be able to take as long as its transaction may, and may not take longer.
            .set("socket.timeout.ms", socket_timeout.as_millis().to_string())
            .set("partitioner", "murmur2_random")
            .set("compression.type", "zstd")
            .set("linger.ms", "2")
            // One transaction is all that is ever queued.
            .set("queue.buffering.max.messages", "50000")
            .set("queue.buffering.max.kbytes", "65536");
        self.apply_options(&mut config);
        config.set("enable.idempotence", "true").set("acks", "all");
        match self.delivery {
            Delivery::ExactlyOnce => {
                config.set("transactional.id", &self.names.transactional_id);
                config.set("transaction.timeout.ms", &timeout_ms);
            }
            Delivery::AtLeastOnce => {}
        }
        config.set("message.timeout.ms", &timeout_ms);
        config.create_with_context(Context::new(self))
    }

    /// Reads the position and stands for the group; never subscribes.
    pub fn consumer(&self) -> KafkaResult<BaseConsumer<Context>> {
        let mut config = self.common();
        self.apply_options(&mut config);
        config
            .set("group.id", &self.names.transactional_id)
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed");
        config.create_with_context(Context::new(self))
    }

    fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers)
            .set("client.id", &self.names.transactional_id)
            .set("socket.keepalive.enable", "true")
            // A gateway may be behind a NAT that forgets idle connections; it should notice by itself.
            .set("log.connection.close", "false")
            .set("reconnect.backoff.max.ms", "10000")
            .set("enable.metrics.push", "false");
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }

    fn apply_options(&self, config: &mut ClientConfig) {
        let allowed = self.kafka.options.iter().filter(|(key, _)| !OURS.contains(&key.as_str()));
        for (key, value) in allowed {
            config.set(key, value);
        }
    }
}

/// The options of a sink that are not passed on, because delivery rests on them.
pub fn ignored_options(kafka: &Kafka) -> Vec<&str> {
    kafka.options.keys().map(String::as_str).filter(|key| OURS.contains(key)).collect()
}

/// `transaction.timeout.ms` of the options, if there is one.
pub fn transaction_timeout(kafka: &Kafka) -> Duration {
    let option = kafka.options.get("transaction.timeout.ms").and_then(|text| text.parse().ok());
    option.map_or(TRANSACTION_TIMEOUT, Duration::from_millis)
}

/// Where Kafka says that we stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub offset: u64,
    /// `store_id/start_id` of whoever wrote it; `None` if it is not of that form.
    pub writer: Option<(Uuid, Uuid)>,
}

/// The metadata of a committed offset.
pub fn position_metadata(store: Uuid, start: Uuid) -> String {
    format!("{store}/{start}")
}

fn parse_metadata(bytes: &[u8]) -> Option<(Uuid, Uuid)> {
    let (store, start) = std::str::from_utf8(bytes).ok()?.split_once('/')?;
    Some((Uuid::try_parse(store).ok()?, Uuid::try_parse(start).ok()?))
}

/// The stable committed offset; `None`: Kafka has none.
pub fn read_position(
    consumer: &BaseConsumer<Context>,
    offsets_topic: &str,
    timeout: Duration,
) -> KafkaResult<Option<Position>> {
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition(offsets_topic, 0);
    let read = consumer.committed_offsets(wanted, timeout);
    tend(consumer);
    // Without the right to the group the call only times out; the reason is told aside, and once.
    let list = read.map_err(|error| lock(&consumer.context().denied).clone().unwrap_or(error))?;
    let elements = list.elements();
    let Some(element) = elements.first() else {
        return Ok(None);
    };
    element.error()?;
    let Offset::Offset(offset) = element.offset() else {
        return Ok(None);
    };
    Ok(Some(Position { offset: offset.unsigned_abs(), writer: parse_metadata(&metadata(&list)) }))
}

/// The binding's own accessor panics when the metadata is not UTF-8, and it was written by who knows whom.
fn metadata(list: &TopicPartitionList) -> Vec<u8> {
    // SAFETY: the pointers are those of a list that `list` owns; its first element exists if `cnt` says so, and its
    // metadata is `metadata_size` bytes long or null.
    unsafe {
        let raw = &*list.ptr();
        if raw.cnt < 1 || raw.elems.is_null() || (*raw.elems).metadata.is_null() {
            return Vec::new();
        }
        let element = &*raw.elems;
        std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size).to_vec()
    }
}

/// Logs and errors wait in a queue that only a poll empties. That a right is missing is remembered.
pub fn tend(consumer: &BaseConsumer<Context>) {
    // With no time at all a poll ends at the first line of log, and what stands behind that is not seen.
    while let Some(event) = consumer.poll(Duration::from_millis(10)) {
        if let Some(error) = event.err().filter(is_forbidden) {
            *lock(&consumer.context().denied) = Some(error);
        }
    }
}

pub fn group_metadata(consumer: &BaseConsumer<Context>) -> KafkaResult<ConsumerGroupMetadata> {
    consumer.group_metadata().ok_or(KafkaError::Canceled)
}

/// The list that puts our position into a transaction.
pub fn position_list(offsets_topic: &str, offset: u64, metadata: &str) -> KafkaResult<TopicPartitionList> {
    let offset =
        i64::try_from(offset).map_err(|_| KafkaError::SetPartitionOffset(RDKafkaErrorCode::InvalidArgument))?;
    let mut list = TopicPartitionList::new();
    let mut element = list.add_partition(offsets_topic, 0);
    element.set_offset(Offset::Offset(offset))?;
    element.set_metadata(metadata);
    Ok(list)
}

/// Why Kafka cannot be written to under this topic name; `Ok(None)` if it can, `Err` if it could not be asked.
pub fn ask_topic(producer: &Producer, topic: &str, names: &Names, timeout: Duration) -> KafkaResult<Option<String>> {
    let metadata = producer.client().fetch_metadata(Some(topic), timeout)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(Some(format!("topic \"{topic}\" is not there")));
    };
    Ok(match found.error() {
        Some(error) => {
            let code = RDKafkaErrorCode::from(error);
            Some(format!("topic \"{topic}\": {}", explain(Some(code), &code.to_string(), names)))
        }
        None if found.partitions().is_empty() => Some(format!("topic \"{topic}\" has no partitions yet")),
        None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_of_others_is_no_writer() {
        let (store, start) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(parse_metadata(position_metadata(store, start).as_bytes()), Some((store, start)));
        for other in [&b""[..], b"/", b"x/y", b"\xff\xfe/", b"00000000-0000-0000-0000-000000000001"] {
            assert_eq!(parse_metadata(other), None);
        }
    }

    #[test]
    fn a_position_carries_its_metadata() {
        let list = position_list("carrier", 42, "some text").unwrap();
        assert_eq!(metadata(&list), b"some text");
        assert_eq!(list.elements()[0].offset(), Offset::Offset(42));
        assert!(position_list("carrier", u64::MAX, "").is_err());
    }
}
