//! As much of a gateway as a sink needs: a store in a directory, something that appends, the sink.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate::config::{Delivery, Kafka, Overflow, Sink, SinkKind};
use tidegate::delivery::Record;
use tidegate::sinks::{self, DeadLetter, READER, Setup, SinkReport, SinkState, SinkStatus, StartRecord};
use tidegate::store::{self, Append, Commit, LogSettings, Reader, Records, Settings, Store, Writer};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub const SINK_LOG: usize = 0;
pub const DEAD_LOG: usize = 1;

pub struct Gateway {
    pub writer: Writer,
    pub status: Arc<SinkStatus>,
    reader: Reader,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    runtime: Runtime,
    pub first_offset: u64,
}

pub fn sink(bootstrap: &str) -> Sink {
    Sink {
        name: "cloud".to_owned(),
        kind: SinkKind::Kafka(Kafka {
            brokers: bootstrap.to_owned(),
            delivery: Delivery::ExactlyOnce,
            offsets_topic: None,
            options: BTreeMap::from([("reconnect.backoff.max.ms".to_owned(), "1000".to_owned())]),
            accept_duplicates: false,
        }),
        overflow: Overflow::DropOldest,
        share_max_bytes: 64 << 20,
        max_age: None,
        drain_records_per_second_max: None,
    }
}

pub fn kafka(sink: &mut Sink) -> &mut Kafka {
    match &mut sink.kind {
        SinkKind::Kafka(kafka) => kafka,
        SinkKind::Mqtt(_) => panic!("a sink for Kafka"),
    }
}

pub fn record(topic: &str, key: &str, payload: &str) -> Record {
    Record {
        topic: topic.to_owned(),
        key: Some(key.as_bytes().to_vec()),
        payload: Some(payload.as_bytes().to_vec()),
        timestamp: 1_700_000_000_000,
    }
}

/// Numbered records of four devices.
pub fn numbered(topic: &str, numbers: std::ops::Range<u64>) -> Vec<Record> {
    numbers.map(|n| record(topic, &format!("device{}", n % 4), &n.to_string())).collect()
}

impl Gateway {
    pub fn start(id: &str, directory: &Path, sink: Sink, literal_topics: &[&str]) -> Gateway {
        Gateway::start_as(id, directory, sink, literal_topics, |_| {})
    }

    /// `change` may alter what the sink is told at its start.
    pub fn start_as(
        id: &str,
        directory: &Path,
        sink: Sink,
        literal_topics: &[&str],
        change: impl FnOnce(&mut Setup),
    ) -> Gateway {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let log = |name: &str, readers: &[&str]| LogSettings {
            name: name.to_owned(),
            share_max_bytes: sink.share_max_bytes,
            overflow: store::Overflow::DropOldest,
            dropped_counter: "tidegate_dropped_total{sink=\"cloud\"}".to_owned(),
            readers: readers.iter().map(|reader| (*reader).to_owned()).collect(),
            retain: Duration::ZERO,
        };
        let settings = Settings {
            data_dir: directory.to_owned(),
            size_max_bytes: 1 << 30,
            commit_interval: Duration::ZERO,
            logs: vec![log("sink/cloud", &[READER]), log("dead", &["nobody"])],
            faults: store::Faults::default(),
        };
        let (mut store, opened) = Store::open(settings).expect("store");
        let start = StartRecord::new(uuid::Uuid::new_v4(), [("cloud", SINK_LOG)], &opened);
        store.commit(&Commit { meta: start.meta.clone(), ..Commit::default() }).expect("start record");
        let literal = literal_topics.iter().map(|topic| (*topic).to_owned()).collect();
        let mut setup = Setup::of(id, sink, literal, SINK_LOG, DEAD_LOG, &opened, &start);
        change(&mut setup);
        let (reader, mine) = (store.reader().unwrap(), store.reader().unwrap());
        let writer = Writer::spawn(store);
        let status = Arc::new(SinkStatus::default());
        let (stop, stopped) = watch::channel(false);
        let task = runtime.spawn(sinks::run(setup, writer.clone(), reader, Arc::clone(&status), stopped));
        Gateway { writer, status, reader: mine, stop, task, runtime, first_offset: opened.log_ends[SINK_LOG] }
    }

    pub fn append(&self, records: &[Record]) {
        self.append_at(now_ms(), records);
    }

    /// `tick` is when the gateway put them out.
    pub fn append_at(&self, tick: i64, records: &[Record]) {
        let mut encoded = Records::default();
        for record in records {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            encoded.push(&bytes);
        }
        let append = Append { log: SINK_LOG, tick, records: encoded, refused_counter: String::new() };
        let committed = "tidegate_committed_total{sink=\"cloud\"}".to_owned();
        let commit = Commit {
            appends: vec![append],
            counters: BTreeMap::from([(committed, records.len() as u64)]),
            ..Commit::default()
        };
        let (done, finished) = std::sync::mpsc::channel();
        self.writer.tick(commit, Box::new(move |_| done.send(()).unwrap_or_default())).expect("tick");
        finished.recv().expect("the writer lives");
    }

    pub fn log_end(&self) -> u64 {
        *self.writer.log_end(SINK_LOG).borrow()
    }

    pub fn wait_for(&self, what: &str, timeout: Duration, condition: impl Fn(&SinkReport) -> bool) -> SinkReport {
        let deadline = Instant::now() + timeout;
        loop {
            let report = self.status.report();
            if condition(&report) {
                return report;
            }
            assert!(Instant::now() < deadline, "not {what} after {timeout:?}: {report:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn wait_delivered(&self, timeout: Duration) -> SinkReport {
        let end = self.log_end();
        self.wait_for("delivered", timeout, |report| report.next >= end && report.state == SinkState::Connected)
    }

    pub fn dead_letters(&mut self) -> Vec<DeadLetter> {
        let blocks = self.reader.read(DEAD_LOG, 0, 1 << 30).expect("dead letters");
        let letters = blocks.iter().flat_map(|block| block.records.iter());
        letters.map(|bytes| DeadLetter::decode(bytes).expect("dead letter")).collect()
    }

    /// A clean stop; gives the durable counters, which must add up.
    pub fn stop(self) -> BTreeMap<String, u64> {
        self.stop.send_replace(true);
        let begin = Instant::now();
        self.runtime.block_on(self.task).expect("the sink ends");
        assert!(begin.elapsed() < Duration::from_secs(3), "the stop took {:?}", begin.elapsed());
        let counters = self.writer.counters();
        self.runtime.block_on(self.writer.stop());
        let of = |what: &str| counters.get(&format!("tidegate_{what}_total{{sink=\"cloud\"}}")).copied().unwrap_or(0);
        let settled = of("delivered") + of("dead") + of("dropped") + of("expired") + of("corrupt");
        assert!(settled <= of("committed"), "more settled than committed: {counters:?}");
        // A thread that was left behind holds the store's files for a moment.
        self.runtime.shutdown_timeout(Duration::from_secs(5));
        counters
    }
}

pub fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

pub fn count(counters: &BTreeMap<String, u64>, what: &str) -> u64 {
    counters.get(&format!("tidegate_{what}_total{{sink=\"cloud\"}}")).copied().unwrap_or(0)
}
