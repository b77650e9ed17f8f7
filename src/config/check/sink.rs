//! `[sink.x]`, and how the sinks and the journal share the store.

use super::super::names::{check_name, nearest};
use super::super::problem::{Problems, Span, is_secret};
use super::super::raw;
use super::super::read::{At, Entry, Field, Named, OrOff, Share};
use super::super::settings::{Delivery, Gateway, Kafka, MqttSink, Overflow, Sink, SinkKind, Store};
use super::super::text::Text;
use super::peer;
use super::query;
use super::topic::TopicKind;
use super::{choose, key_of, modbus, number, refuse_foreign};
use crate::model::ByteSize;
use std::collections::BTreeMap;
use std::time::Duration;

const SIZE_MAX: ByteSize = ByteSize(2 << 30);
/// Below this the WAL and the reserve leave nothing to buffer in.
const SIZE_MAX_MIN: ByteSize = ByteSize(16 << 20);
const KEEP_RAW: Duration = Duration::from_secs(24 * 3_600);
const COMMIT_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Least share of a sink: one Kafka transaction (8 MiB) is taken from it at a time, in parts if need be.
const SHARE_MIN: u64 = 1 << 20;

/// The sinks by name, known before the queries are checked.
pub(super) struct Declared<'a> {
    entries: Vec<&'a Entry<raw::Sink>>,
}

impl<'a> Declared<'a> {
    pub fn new(raw: &'a Field<Named<raw::Sink>>, problems: &mut Problems) -> Declared<'a> {
        let entries: Vec<_> = raw.given().into_iter().flat_map(|at| &at.value).collect();
        for entry in &entries {
            check_name("sink", &entry.name, entry.key, problems);
        }
        Declared { entries }
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }

    /// What the topics of a sink are like.
    pub fn topic_kind(&self, sink: usize) -> TopicKind {
        let entry = self.entries.get(sink).and_then(|entry| entry.value.as_ref());
        let mqtt = entry.is_some_and(|at| !at.value.mqtt.is_missing());
        if mqtt { TopicKind::Mqtt } else { TopicKind::Kafka }
    }

    pub fn names(&self) -> impl Iterator<Item = &'a str> + Clone + '_ {
        self.entries.iter().map(|entry| entry.name.as_str())
    }
}

pub(super) fn check_sinks(
    declared: &Declared,
    gateway: &Gateway,
    store: &Field<raw::Store>,
    queries: &[query::Checked],
    problems: &mut Problems,
) -> (Vec<Sink>, Store) {
    let raw_store = raw::Store::default();
    let raw_store = store.given().map_or(&raw_store, |given| &given.value);
    let size_max = check_size_max(raw_store, problems);
    let shares = check_shares(declared, size_max, problems);
    let mut sinks = Vec::new();
    for (index, (entry, share)) in declared.entries.iter().zip(&shares).enumerate() {
        let Some(raw) = &entry.value else { continue };
        warn_if_unused(entry, index, queries, problems);
        let Some(kind) = check_kind(entry, &raw.value, index, gateway, queries, problems) else { continue };
        sinks.push(check_sink(entry, &raw.value, kind, *share, problems));
    }
    if let Some(given) = raw_store.commit_interval.given().filter(|given| given.value > COMMIT_INTERVAL_MAX) {
        problems.error(
            given.span,
            "commit_interval is too long",
            "at most \"1m\": devices wait this long for their acknowledgement",
        );
    }
    let store = Store {
        size_max_bytes: size_max,
        keep_raw: raw_store.keep_raw.or(KEEP_RAW),
        commit_interval: raw_store.commit_interval.or(Duration::ZERO),
        journal_share_max_bytes: journal_share(size_max, &shares),
        dead_share_max_bytes: size_max / 32,
        invalid_share_max_bytes: size_max / 32,
    };
    (sinks, store)
}

fn check_size_max(raw: &raw::Store, problems: &mut Problems) -> u64 {
    let size = raw.max_size.or(SIZE_MAX);
    if let Some(given) = raw.max_size.given().filter(|_| size < SIZE_MAX_MIN) {
        problems.error(given.span, format!("max_size cannot be {size}"), format!("at least {SIZE_MAX_MIN}"));
    }
    size.0.max(SIZE_MAX_MIN.0)
}

/// What logs may fill together: without the WAL and the reserve (about 40 MiB, less in a small store) and without an
/// eighth for dead letters, invalid payloads, snapshots and the database's own pages.
fn usable(size_max: u64) -> u64 {
    size_max - (40 << 20).min(size_max / 8 * 3) - size_max / 8
}

/// Sinks may take four fifths of what is usable, the journal has the rest. Those that do not say share three fifths,
/// or what is left.
fn check_shares(declared: &Declared, size_max: u64, problems: &mut Problems) -> Vec<u64> {
    let raw_share = |entry: &Entry<raw::Sink>| entry.value.as_ref().and_then(|at| at.value.share.given().cloned());
    let given: Vec<Option<At<Share>>> = declared.entries.iter().map(|entry| raw_share(entry)).collect();
    let bytes = |share: Share| match share {
        Share::Bytes(bytes) => bytes,
        // Divided first: no size overflows.
        Share::Percent(percent) => size_max / 100 * percent,
    };
    let said = given.iter().flatten().fold(0u64, |sum, at| sum.saturating_add(bytes(at.value)));
    let sinks_max = usable(size_max) / 5 * 4;
    let silent = given.iter().filter(|share| share.is_none()).count() as u64;
    let rest = (usable(size_max) / 5 * 3).min(sinks_max.saturating_sub(said)) / silent.max(1);
    let too_little = silent > 0 && rest < SHARE_MIN;
    if said > sinks_max || too_little {
        let message = format!("the sinks' shares take {} of max_size = {}", in_mib(said), ByteSize(size_max));
        let help = format!(
            "together at most {}: the rest is for the journal and the database itself; a sink without a share needs {}",
            in_mib(sinks_max),
            ByteSize(SHARE_MIN)
        );
        let places: Vec<Span> = given.iter().flatten().map(|at| at.span).collect();
        let first = declared.entries.first().map_or(Span::default(), |entry| entry.key);
        problems.error(places.last().copied().unwrap_or(first), message, help);
    }
    for at in given.iter().flatten().filter(|at| bytes(at.value) < SHARE_MIN) {
        problems.error(
            at.span,
            format!("a share of {} is too small", ByteSize(bytes(at.value))),
            format!("at least {}", ByteSize(SHARE_MIN)),
        );
    }
    given.iter().map(|share| share.as_ref().map_or(rest, |at| bytes(at.value))).collect()
}

fn in_mib(bytes: u64) -> ByteSize {
    ByteSize(bytes >> 20 << 20)
}

fn journal_share(size_max: u64, shares: &[u64]) -> u64 {
    usable(size_max).saturating_sub(shares.iter().fold(0, |sum: u64, share| sum.saturating_add(*share)))
}

fn warn_if_unused(entry: &Entry<raw::Sink>, index: usize, queries: &[query::Checked], problems: &mut Problems) {
    let right = queries.iter().all(|query| query.checked.is_some());
    let mut routes = queries.iter().filter_map(|query| query.checked.as_ref()).flat_map(|(query, _)| query.routes());
    if right && !problems.found_errors() && !routes.any(|route| route.sink == index) {
        problems.warning(entry.key, format!("no query goes into sink {:?}", entry.name), "nothing is ever sent to it");
    }
}

fn check_kind(
    entry: &Entry<raw::Sink>,
    raw: &raw::Sink,
    index: usize,
    gateway: &Gateway,
    queries: &[query::Checked],
    problems: &mut Problems,
) -> Option<SinkKind> {
    if let Some(given) = raw.file.given() {
        let help = "a sink has kafka = \"host:9092\" or mqtt = \"host:1883\"";
        problems.error(given.key, "file sinks are not supported yet", help);
        return None;
    }
    match (raw.kafka.is_missing(), raw.mqtt.is_missing()) {
        (false, true) => Some(SinkKind::Kafka(check_kafka(entry, raw, index, queries, problems))),
        (true, false) => check_mqtt(entry, raw, gateway, problems).map(SinkKind::Mqtt),
        (true, true) => {
            let help = "write kafka = \"kafka1:9092,kafka2:9092\" or mqtt = \"mqtts://broker.example.com\"";
            problems.error(entry.key, format!("sink {:?} has neither kafka nor mqtt", entry.name), help);
            None
        }
        (false, false) => {
            let at = raw.mqtt.given().map_or(entry.key, |given| given.key);
            problems.error(at, "a sink has either kafka or mqtt, not both", "make two sinks of them");
            None
        }
    }
}

fn check_sink(
    entry: &Entry<raw::Sink>,
    raw: &raw::Sink,
    kind: SinkKind,
    share_max_bytes: u64,
    problems: &mut Problems,
) -> Sink {
    let overflows =
        [("drop_oldest", Overflow::DropOldest), ("drop_newest", Overflow::DropNewest), ("block", Overflow::Block)];
    let overflow = choose(&raw.overflow, "overflow", Overflow::DropOldest, &overflows, &[], problems);
    let drain = number(&raw.drain_rate, "drain_rate", 0u32, 0, i64::from(u32::MAX), problems);
    let max_age = match raw.max_age.or(OrOff::Off) {
        OrOff::Off => None,
        OrOff::On(age) => Some(age),
    };
    if let Some(given) = raw.max_age.given().filter(|_| max_age.is_some_and(|age| age.is_zero())) {
        problems.error(given.span, "max_age cannot be 0", "every record would be too old; \"off\" keeps all");
    }
    let drain_records_per_second_max = (drain > 0).then_some(drain);
    Sink { name: entry.name.clone(), kind, overflow, share_max_bytes, max_age, drain_records_per_second_max }
}

fn check_kafka(
    entry: &Entry<raw::Sink>,
    raw: &raw::Sink,
    index: usize,
    queries: &[query::Checked],
    problems: &mut Problems,
) -> Kafka {
    let foreign = [
        ("qos", key_of(&raw.qos)),
        ("retain", key_of(&raw.retain)),
        ("version", key_of(&raw.version)),
        ("client_id", key_of(&raw.client_id)),
        ("user", key_of(&raw.user)),
        ("password", key_of(&raw.password)),
        ("ca", key_of(&raw.ca)),
        ("certificate", key_of(&raw.certificate)),
        ("key", key_of(&raw.key)),
        ("keep_alive", key_of(&raw.keep_alive)),
    ];
    refuse_foreign(&foreign, "a sink with kafka", "a sink with mqtt; librdkafka's settings stand in options", problems);
    let brokers = raw.kafka.given().map(|given| check_brokers(given, problems)).unwrap_or_default();
    let deliveries = [("exactly-once", Delivery::ExactlyOnce), ("at-least-once", Delivery::AtLeastOnce)];
    let delivery = choose(&raw.delivery, "delivery", Delivery::ExactlyOnce, &deliveries, &[], problems);
    Kafka {
        brokers,
        delivery,
        offsets_topic: check_offsets_topic(entry, raw, index, delivery, queries, problems),
        options: check_options(raw, problems),
        accept_duplicates: raw.accept_duplicates.or(false),
    }
}

fn check_mqtt(
    entry: &Entry<raw::Sink>,
    raw: &raw::Sink,
    gateway: &Gateway,
    problems: &mut Problems,
) -> Option<MqttSink> {
    let foreign = [
        ("delivery", key_of(&raw.delivery)),
        ("offsets_topic", key_of(&raw.offsets_topic)),
        ("accept_duplicates", key_of(&raw.accept_duplicates)),
        ("options", key_of(&raw.options)),
    ];
    refuse_foreign(&foreign, "a sink with mqtt", "a sink with kafka", problems);
    let peer =
        peer::check_peer(&peer::Keys::of_sink(raw), &format!("tidegate-{}-{}", gateway.id, entry.name), problems);
    let qos = peer::check_qos(&raw.qos, problems);
    Some(MqttSink { peer: peer?, qos, retain: raw.retain.or(false) })
}

fn check_brokers(text: &At<Text>, problems: &mut Problems) -> String {
    let value = text.value.value.as_str();
    let mut start = 0;
    for broker in value.split(',') {
        let host = broker.trim();
        // librdkafka takes a protocol before the host too.
        let address = host.split_once("://").map_or(host, |(_, address)| address);
        if modbus::split_host_port(address, 9092).is_none() {
            let at = if value.is_empty() { text.span } else { text.value.between(start, start + broker.len()) };
            problems.error(
                at,
                format!("{host:?} is no Kafka broker"),
                "host:port, joined by commas: \"kafka1:9092,kafka2:9092\"",
            );
        }
        start += broker.len() + 1;
    }
    value.to_owned()
}

/// As said, else the first literal topic that is routed to the sink: exactly once needs one.
fn check_offsets_topic(
    entry: &Entry<raw::Sink>,
    raw: &raw::Sink,
    index: usize,
    delivery: Delivery,
    queries: &[query::Checked],
    problems: &mut Problems,
) -> Option<String> {
    if let Some(given) = raw.offsets_topic.given() {
        let topic = given.value.value.clone();
        if topic.is_empty() || topic.len() > 249 || !topic.chars().all(super::super::names::is_topic_char) {
            let help = "one Kafka topic: letters, digits, \".\", \"_\" and \"-\"; no columns";
            problems.error(given.span, format!("offsets_topic cannot be {:?}", given.value.written), help);
        }
        return Some(topic);
    }
    let right: Vec<_> = queries.iter().filter_map(|query| query.checked.as_ref()).collect();
    let all_right = right.len() == queries.len();
    let routes: Vec<_> =
        right.iter().flat_map(|(query, _)| query.routes()).filter(|route| route.sink == index).collect();
    let literal = routes.iter().find_map(|route| route.topic.literal()).map(str::to_owned);
    if literal.is_none() && delivery == Delivery::ExactlyOnce && !routes.is_empty() && all_right {
        let message = format!("sink {:?} has no topic to keep its offsets with", entry.name);
        let help = "every topic that goes into it is made from a column: write offsets_topic = \"one.of.them\", a topic that exists";
        problems.error(entry.key, message, help);
    }
    literal
}

/// Options that tidegate sets itself, and what to write instead.
const OWNED: [(&str, &str); 16] = [
    ("bootstrap.servers", "write kafka = \"host:9092\""),
    ("metadata.broker.list", "write kafka = \"host:9092\""),
    ("transactional.id", "it is made from the gateway's id and the sink's name"),
    ("transaction.timeout.ms", "it follows from how tidegate sizes its transactions"),
    ("enable.idempotence", "it is always on; delivery = \"at-least-once\" does without transactions"),
    ("group.id", "it is made from the gateway's id and the sink's name"),
    ("group.instance.id", "it is made from the gateway's id and the sink's name"),
    ("isolation.level", "offsets are always read committed"),
    ("enable.auto.commit", "offsets move with the transactions"),
    ("enable.auto.offset.store", "offsets move with the transactions"),
    ("auto.offset.reset", "tidegate reads no topic"),
    ("partitioner", "it is murmur2_random, so that keys go where Java clients put them"),
    ("acks", "it is always all"),
    ("request.required.acks", "it is always all"),
    ("max.in.flight.requests.per.connection", "idempotence decides it"),
    ("max.in.flight", "idempotence decides it"),
];

/// Those that people set most, for near misses.
const COMMON: [&str; 22] = [
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "sasl.oauthbearer.config",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
    "client.id",
    "compression.type",
    "compression.codec",
    "linger.ms",
    "message.max.bytes",
    "socket.keepalive.enable",
    "broker.address.family",
];

fn check_options(raw: &raw::Sink, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    for entry in raw.options.given().into_iter().flat_map(|given| &given.value.0) {
        let name = entry.name.as_str();
        if let Some((_, instead)) = OWNED.iter().find(|(owned, _)| *owned == name) {
            problems.error(entry.key, format!("option {name:?} is tidegate's own"), *instead);
            continue;
        }
        let Some(value) = &entry.value else { continue };
        if let Err(refusal) = try_option(name, &value.value.value) {
            report_option(name, refusal, entry.key, value, problems);
        }
        options.insert(entry.name.clone(), value.value.value.clone());
    }
    options
}

enum Refusal {
    Unknown,
    Invalid(String),
}

/// Asks librdkafka itself; nothing is connected.
fn try_option(name: &str, value: &str) -> Result<(), Refusal> {
    use rdkafka::error::KafkaError;
    if name.contains('\0') || value.contains('\0') {
        return Err(Refusal::Invalid("it holds a NUL character".to_owned()));
    }
    match rdkafka::ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Err(Refusal::Unknown)
        }
        Err(KafkaError::ClientConfig(_, description, ..)) => Err(Refusal::Invalid(description)),
        Err(other) => Err(Refusal::Invalid(other.to_string())),
    }
}

fn report_option(name: &str, refusal: Refusal, key: Span, value: &At<Text>, problems: &mut Problems) {
    match refusal {
        Refusal::Unknown => {
            let known = COMMON.into_iter().chain(OWNED.iter().map(|(owned, _)| *owned));
            let help = nearest(name, known).map(|near| format!("did you mean {near:?}?"));
            let all = "all options: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md";
            problems.error(key, format!("librdkafka knows no option {name:?}"), help.unwrap_or_else(|| all.to_owned()));
        }
        // Where the value may be secret, librdkafka's words, which quote it, are not shown.
        Refusal::Invalid(_) if is_secret(name) || value.value.value != value.value.written => {
            problems.error(value.span, format!("librdkafka refuses the value of {name:?}"), "");
        }
        Refusal::Invalid(description) => {
            problems.error(value.span, format!("librdkafka refuses the value of {name:?}"), description);
        }
    }
}
