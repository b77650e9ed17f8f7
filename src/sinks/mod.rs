//! Sinks: how records leave the gateway, to Kafka or to another MQTT broker.
//!
//! A sink reads its log in the store and delivers it. To Kafka exactly once by default: each transaction carries records
//! and the sink's position in its log, so that either both are there or neither. To MQTT at least once (`mqtt`). The
//! store's cursor follows within seconds and alone decides what may be deleted. `sinks` is the shell: it owns the clock,
//! chance, sockets and librdkafka; what can be decided without them is decided in `delivery`.
//!
//! Holds always:
//! - One thread a sink, so that librdkafka may block; nothing else waits for it.
//! - What a record came to (delivered, dead, expired, corrupt) is counted in the transaction that makes it durable.
//! - The other side being away is normal: one plain line in the log, a state in [`SinkStatus`], and the sink tries again.
//!
//! Each record for Kafka carries the headers `tidegate-gateway` (the gateway's id), `tidegate-store` (the UUID of the database
//! that numbered it) and `tidegate-sequence` (its offset in the sink's log).
//!
//! Knows nothing of SQL, of our own broker, or of how records came about.

#![allow(clippy::disallowed_methods)] // The shell reads clocks.

mod accounts;
mod connect;
mod dead;
mod gather;
mod identity;
mod keeper;
mod mqtt;
mod producer;
mod session;
mod skipped;
mod starts;
mod status;
mod topics;
mod trouble;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::config::{self, SinkKind};
use crate::store::{LogId, Opened, Reader, Writer};

pub use dead::{DamagedDeadLetter, DeadLetter};
pub use producer::ignored_options;
pub use session::{HEADER_GATEWAY, HEADER_SEQUENCE, HEADER_STORE};
pub use starts::Starts;
pub use status::{SinkReport, SinkState, SinkStatus};
pub use topics::unfit as unfit_topic;

/// The name under which a sink of any kind reads its log: to be listed in `store::LogSettings::readers`.
pub const READER: &str = "kafka";
/// Brokers forget the position of a group that is silent for a week.
const RENEW: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a stopping sink may take before it is left to the next start.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Key of a small durable value of a sink in the store's meta.
fn meta_key(sink: &str, what: &str) -> String {
    format!("sink/{sink}/{what}")
}

/// The key whose presence says that another gateway took over the sink; deleting it is `tidegate takeover`, while the
/// daemon is down. (While it runs: [`SinkStatus::request_takeover`].)
pub fn fenced_key(sink: &str) -> String {
    meta_key(sink, "fenced")
}

/// One start of the daemon.
#[derive(Clone, Debug)]
pub struct StartRecord {
    pub id: Uuid,
    /// To be committed before anything is appended to a sink's log.
    pub meta: Vec<(String, Option<Vec<u8>>)>,
}

impl StartRecord {
    /// `id` is random; `sinks` are the names and logs of all sinks.
    pub fn new<'a>(id: Uuid, sinks: impl IntoIterator<Item = (&'a str, LogId)>, opened: &Opened) -> StartRecord {
        let begin = |(name, log): (&str, LogId)| {
            let key = meta_key(name, "starts");
            let mut starts = read_table(&opened.meta, &key, Starts::decode);
            starts.begin(id, opened.log_ends[log]);
            (key, Some(starts.encode()))
        };
        StartRecord { id, meta: sinks.into_iter().map(begin).collect() }
    }

    fn starts(&self, sink: &str) -> Starts {
        let key = meta_key(sink, "starts");
        let bytes = self.meta.iter().find(|(name, _)| *name == key).and_then(|(_, bytes)| bytes.as_deref());
        bytes.and_then(|bytes| Starts::decode(bytes).ok()).unwrap_or_default()
    }
}

/// A damaged table is as good as none; what that may cost is said when it matters.
fn read_table<T: Default, E: std::fmt::Display>(
    meta: &BTreeMap<String, Vec<u8>>,
    key: &str,
    decode: impl Fn(&[u8]) -> Result<T, E>,
) -> T {
    let decoded = meta.get(key).map(|bytes| decode(bytes));
    decoded.unwrap_or_else(|| Ok(T::default())).unwrap_or_else(|error| {
        log::error!("{key}: {error}; going on without it");
        T::default()
    })
}

/// What a sink is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    pub gateway: String,
    pub sink: config::Sink,
    /// Topics that routes to this sink name literally, in the order of the queries.
    pub literal_topics: Vec<String>,
    pub log: LogId,
    /// The log of dead letters.
    pub dead: LogId,
    pub store_id: Uuid,
    pub start_id: Uuid,
    /// How long a quiet sink waits before it writes its position again. Only tests change it.
    #[doc(hidden)]
    pub renew_after: Duration,
    cursor: u64,
    starts: Starts,
    /// What the store holds under `sink/<name>/`.
    meta: BTreeMap<String, Vec<u8>>,
}

impl Setup {
    /// `sink` is an index into `settings.sinks`.
    pub fn new(
        settings: &config::Settings,
        sink: usize,
        log: LogId,
        dead: LogId,
        opened: &Opened,
        start: &StartRecord,
    ) -> Setup {
        let routes = settings.queries.iter().flat_map(config::Query::routes).filter(|route| route.sink == sink);
        let literal_topics = routes.filter_map(|route| route.topic.literal()).map(str::to_owned).collect();
        Setup::of(&settings.gateway.id, settings.sinks[sink].clone(), literal_topics, log, dead, opened, start)
    }

    pub fn of(
        gateway: &str,
        sink: config::Sink,
        literal_topics: Vec<String>,
        log: LogId,
        dead: LogId,
        opened: &Opened,
        start: &StartRecord,
    ) -> Setup {
        let prefix = meta_key(&sink.name, "");
        let of_sink = |(key, _): &(&String, &Vec<u8>)| key.starts_with(&prefix);
        let own = opened.meta.iter().filter(of_sink).map(|(key, bytes)| (key.clone(), bytes.clone()));
        let mut seen = BTreeSet::new();
        Setup {
            gateway: gateway.to_owned(),
            literal_topics: literal_topics.into_iter().filter(|topic| seen.insert(topic.clone())).collect(),
            log,
            dead,
            store_id: opened.store_id,
            start_id: start.id,
            renew_after: RENEW,
            cursor: opened.cursors.get(&(log, READER.to_owned())).copied().unwrap_or(0),
            starts: start.starts(&sink.name),
            meta: own.collect(),
            sink,
        }
    }
}

/// Delivers until `stop` turns true (or the future is dropped), then ends or leaves its transaction within two seconds.
pub async fn run(
    setup: Setup,
    writer: Writer,
    reader: Reader,
    status: Arc<SinkStatus>,
    mut stop: watch::Receiver<bool>,
) {
    let (ending, signal) = watch::channel(false);
    let (done, mut finished) = oneshot::channel::<()>();
    let name = format!("sink {}", setup.sink.name);
    let thread = std::thread::Builder::new().name(name.chars().take(15).collect());
    let around =
        keeper::Surroundings { writer, reader, status: Arc::clone(&status), stop: signal, runtime: Handle::current() };
    let work: Box<dyn FnOnce() + Send> = match setup.sink.kind.clone() {
        SinkKind::Kafka(kafka) => {
            let worker = worker::Worker::new(setup, kafka, around);
            Box::new(move || worker.run())
        }
        SinkKind::Mqtt(mqtt) => {
            let worker = mqtt::Worker::new(&setup, mqtt, around);
            Box::new(move || worker.run())
        }
    };
    let started = thread.spawn(move || {
        work();
        drop(done);
    });
    if let Err(error) = started {
        log::error!("{name}: no thread for it: {error}");
        return ended(&status, format!("there is no thread for it: {error}"));
    }
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        // It ends by itself only if it panicked.
        _ = &mut finished => {
            log::error!("{name}: ended by a fault in tidegate; records are kept, a restart of tidegate starts it again");
            return ended(&status, "ended by a fault in tidegate: restart it".to_owned());
        }
    }
    ending.send_replace(true);
    if tokio::time::timeout(STOP_TIMEOUT, finished).await.is_err() {
        log::info!("{name}: left its transaction to the next start");
    }
}

fn ended(status: &SinkStatus, reason: String) {
    status.update(|report| (report.state, report.reason) = (SinkState::Stopped, Some(reason)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Faults, Settings, Store};

    fn sink() -> config::Sink {
        config::Sink {
            name: "cloud".to_owned(),
            kind: SinkKind::Kafka(config::Kafka {
                brokers: "127.0.0.1:1".to_owned(),
                delivery: config::Delivery::ExactlyOnce,
                offsets_topic: None,
                options: BTreeMap::new(),
                accept_duplicates: false,
            }),
            overflow: config::Overflow::DropOldest,
            share_max_bytes: 1 << 20,
            max_age: None,
            drain_records_per_second_max: None,
        }
    }

    /// A sink for a log that the store has not got dies at its first look at it.
    #[test]
    fn a_sink_whose_thread_dies_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            data_dir: directory.path().to_owned(),
            size_max_bytes: 1 << 30,
            commit_interval: Duration::ZERO,
            logs: Vec::new(),
            faults: Faults::default(),
        };
        let (store, opened) = Store::open(settings).unwrap();
        let start = StartRecord { id: Uuid::new_v4(), meta: Vec::new() };
        let setup = Setup::of("gw", sink(), Vec::new(), 9, 9, &opened, &start);
        let reader = store.reader().unwrap();
        let writer = Writer::spawn(store);
        let (status, (_keep, stop)) = (Arc::new(SinkStatus::default()), watch::channel(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(setup, writer.clone(), reader, Arc::clone(&status), stop));
        let report = status.report();
        assert_eq!(report.state, SinkState::Stopped);
        assert!(report.reason.is_some_and(|reason| reason.contains("restart it")));
        runtime.block_on(writer.stop());
    }
}
