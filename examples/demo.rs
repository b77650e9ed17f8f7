//! `make demo`: the main job in a minute, on this machine alone.
//!
//! Simulated devices publish over real MQTT to the real `tidegate` binary; Kafka is librdkafka's mock cluster, inside this
//! process, so that no Java is needed. What reaches Kafka is printed as it comes. Then the upstream goes away for a
//! while, the buffer fills, the upstream returns, the buffer drains; at the end stands what was sent against what was
//! received.

#![allow(clippy::disallowed_methods)] // A demonstration runs on the clock.

#[allow(dead_code)] // Tests use more of it.
#[path = "../tests/support/device.rs"]
mod device;
#[path = "../tests/support/gateway.rs"]
mod gateway;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use device::Device;
use gateway::{Gateway, metric};

const DEVICES: usize = 5;
const MESSAGE_INTERVAL: Duration = Duration::from_millis(20);
const WELL: Duration = Duration::from_secs(15);
const OUTAGE: Duration = Duration::from_secs(20);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(40);
/// Nothing new in Kafka for so long: everything has arrived.
const QUIET: Duration = Duration::from_secs(3);
const ALERT_ABOVE: f64 = 90.0;

const CONFIGURATION: &str = r#"
[source.telemetry]
mqtt = "dev/{device}/telemetry"
format = "json"
schema = "n BIGINT, ts TIMESTAMP_LTZ(3), temp DOUBLE"
event_time = "ts"
late_after = "1s"

[query.readings]
sql = "SELECT device, n, temp FROM telemetry"
into = { sink = "cloud", topic = "readings", key = "device" }

[query.alerts]
sql = "SELECT device, ts, temp FROM telemetry WHERE temp > 90"
into = { sink = "cloud", topic = "alerts", key = "device" }

[query.windows]
sql = """
SELECT device, window_end, COUNT(*) AS n, MAX(temp) AS hottest
FROM TABLE(TUMBLE(TABLE telemetry, DESCRIPTOR(ts), INTERVAL '5' SECOND))
GROUP BY device, window_start, window_end"""
into = { sink = "cloud", topic = "windows", key = "device" }
"#;

/// What a consumer of the three topics has seen.
#[derive(Default)]
struct Received {
    /// How often each (device, number) came.
    readings: BTreeMap<(String, i64), u64>,
    alerts: u64,
    windows: u64,
    in_windows: i64,
    last: Option<Instant>,
}

/// What the devices know: what was acknowledged to them.
#[derive(Default)]
struct Sent {
    messages: AtomicU64,
    alerts: AtomicU64,
}

/// Everything that is looked at while it runs.
struct Plant {
    start: Instant,
    gateway: Gateway,
    sent: Arc<Sent>,
    received: Arc<Mutex<Received>>,
}

fn main() -> ExitCode {
    let start = Instant::now();
    let cluster = MockCluster::new(1).expect("librdkafka's mock cluster starts");
    for topic in ["readings", "alerts", "windows"] {
        cluster.create_topic(topic, 2, 1).expect("a topic");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let gateway = start_gateway(&cluster, directory.path());
    let (sent, received) = (Arc::new(Sent::default()), Arc::new(Mutex::new(Received::default())));
    let mut plant = Plant { start, gateway, sent, received };
    let (devices_stop, consumer_stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let consumer = plant.consume(cluster.bootstrap_servers(), Arc::clone(&consumer_stop));

    say(start, &format!("{DEVICES} devices publish {} messages a second at QoS 1", rate()));
    let devices: Vec<_> = (0..DEVICES).map(|number| plant.simulate(number, Arc::clone(&devices_stop))).collect();
    thread::sleep(WELL);

    say(start, "--- the upstream goes away: Kafka does not answer; the devices go on ---");
    cluster.broker_down(1).expect("the mock cluster obeys");
    plant.watch(OUTAGE, || false);
    say(start, "--- the upstream is back ---");
    cluster.broker_up(1).expect("the mock cluster obeys");
    // A few messages are always on their way while the devices send.
    plant.watch(DRAIN_TIMEOUT, || plant.missing() < u64::from(rate()));
    thread::sleep(WELL / 3);

    devices_stop.store(true, Ordering::Relaxed);
    for device in devices {
        device.join().expect("a device ends").expect("every message is acknowledged");
    }
    say(start, "the devices have stopped");
    plant.watch(DRAIN_TIMEOUT, || plant.missing() == 0 && lock(&plant.received).quiet());
    consumer_stop.store(true, Ordering::Relaxed);
    consumer.join().expect("the consumer ends");
    plant.gateway.terminate();
    account(&plant.sent, &lock(&plant.received))
}

/// The real binary, with Kafka's address in its configuration.
fn start_gateway(cluster: &MockCluster<'static, DefaultProducerContext>, directory: &std::path::Path) -> Gateway {
    let here = std::env::current_exe().expect("the path of this program");
    let beside = here.parent().and_then(|examples| examples.parent()).expect("target/release/examples");
    let binary: PathBuf = beside.join("tidegate");
    let sink = format!(
        "\n[sink.cloud]\nkafka = \"{}\"\noptions = {{ \"reconnect.backoff.max.ms\" = \"1000\" }}\n",
        cluster.bootstrap_servers()
    );
    let mut gateway =
        Gateway::new(binary.to_str().expect("a path in UTF-8"), directory, &(CONFIGURATION.to_owned() + &sink));
    println!("the configuration of this gateway:\n{CONFIGURATION}{sink}");
    gateway.start();
    println!("its metrics: curl http://{}/metrics\nits broker: mqtt://{}\n", gateway.admin, gateway.mqtt);
    gateway
}

impl Plant {
    fn simulate(&self, number: usize, stop: Arc<AtomicBool>) -> JoinHandle<io::Result<()>> {
        let (broker, sent) = (self.gateway.mqtt, Arc::clone(&self.sent));
        thread::spawn(move || publish(broker, number, &sent, &stop))
    }

    /// Prints windows and alerts as they arrive in Kafka, and counts everything.
    fn consume(&self, servers: String, stop: Arc<AtomicBool>) -> JoinHandle<()> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("group.id", "demo")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("reconnect.backoff.max.ms", "1000")
            .set("log_level", "0")
            .create()
            .expect("a consumer");
        let mut partitions = rdkafka::TopicPartitionList::new();
        for topic in ["readings", "alerts", "windows"] {
            for partition in 0..2 {
                partitions.add_partition_offset(topic, partition, rdkafka::Offset::Beginning).expect("a partition");
            }
        }
        consumer.assign(&partitions).expect("the topics are there");
        let (start, received) = (self.start, Arc::clone(&self.received));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // An error is the outage; librdkafka connects again by itself.
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
                let text = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
                lock(&received).take(start, message.topic(), &text);
            }
        })
    }

    /// Prints once a second where the messages are, for `length` or until `enough`.
    fn watch(&self, length: Duration, enough: impl Fn() -> bool) {
        let (began, mut printed) = (Instant::now(), None::<Instant>);
        while began.elapsed() < length {
            let enough = enough();
            if enough || printed.is_none_or(|last| last.elapsed() >= Duration::from_secs(1)) {
                let bytes = metric(&self.gateway.metrics(), "tidegate_sink_buffer_bytes{sink=\"cloud\"}");
                let sent = self.sent.messages.load(Ordering::Relaxed);
                let text =
                    format!("{sent} acknowledged, {} not in Kafka, buffer {:.0} KiB", self.missing(), bytes / 1024.0);
                say(self.start, &text);
                printed = Some(Instant::now());
            }
            if enough {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Messages that are acknowledged and not in Kafka.
    fn missing(&self) -> u64 {
        self.sent.messages.load(Ordering::Relaxed).saturating_sub(lock(&self.received).readings.len() as u64)
    }
}

/// Publishes until `stop`; then a last message, ten seconds ahead, that closes this device's windows.
fn publish(broker: SocketAddr, number: usize, sent: &Sent, stop: &AtomicBool) -> io::Result<()> {
    let name = format!("press-{number}");
    let mut device = Device::connect(broker, &name, true)?;
    let mut last = false;
    for n in 0_u64.. {
        if last {
            break;
        }
        last = stop.load(Ordering::Relaxed);
        let temperature = if n % 150 == 20 * number as u64 { 95.5 } else { 60.0 + (n % 200) as f64 / 10.0 };
        let ts = unix_ms() + if last { 10_000 } else { 0 };
        let payload = format!("{{\"n\":{n},\"ts\":{ts},\"temp\":{temperature:.1}}}");
        device.publish(&format!("dev/{name}/telemetry"), payload.as_bytes(), 1, (n % 65_535) as u16 + 1, false);
        device.flush()?;
        device.ack()?;
        sent.messages.fetch_add(1, Ordering::Relaxed);
        sent.alerts.fetch_add(u64::from(temperature > ALERT_ABOVE), Ordering::Relaxed);
        thread::sleep(MESSAGE_INTERVAL);
    }
    Ok(())
}

impl Received {
    /// Nothing has come for a while.
    fn quiet(&self) -> bool {
        self.last.is_some_and(|last| last.elapsed() > QUIET)
    }

    fn take(&mut self, start: Instant, topic: &str, text: &str) {
        self.last = Some(Instant::now());
        let row: serde_json::Value = serde_json::from_str(text).expect("tidegate writes JSON");
        match topic {
            "readings" => {
                let device = row["device"].as_str().expect("a device").to_owned();
                let number = row["n"].as_i64().expect("a number");
                *self.readings.entry((device, number)).or_default() += 1;
            }
            "alerts" => {
                self.alerts += 1;
                say(start, &format!("Kafka: alert   {text}"));
            }
            _ => {
                self.windows += 1;
                self.in_windows += row["n"].as_i64().expect("a count");
                say(start, &format!("Kafka: window  {text}"));
            }
        }
    }
}

fn account(sent: &Sent, received: &Received) -> ExitCode {
    let (messages, alerts) = (sent.messages.load(Ordering::Relaxed), sent.alerts.load(Ordering::Relaxed));
    let distinct = received.readings.len() as u64;
    let twice: u64 = received.readings.values().map(|times| times - 1).sum();
    // The last message of each device opened a window that nothing closed.
    let windowed = messages - DEVICES as u64;
    println!("\n                          sent   in Kafka");
    println!("messages acknowledged  {messages:>7}  {distinct:>9}   missing {}, twice {twice}", messages - distinct);
    println!("alerts                 {alerts:>7}  {:>9}", received.alerts);
    println!("messages in windows    {windowed:>7}  {:>9}   in {} windows", received.in_windows, received.windows);
    let right = distinct == messages
        && twice == 0
        && alerts == received.alerts
        && u64::try_from(received.in_windows) == Ok(windowed);
    println!("{}", if right { "\nEverything sent is in Kafka, once." } else { "\nThe two do not agree." });
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn rate() -> u32 {
    DEVICES as u32 * (1000 / MESSAGE_INTERVAL.as_millis() as u32)
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(start: Instant, text: &str) {
    println!("[{:>5.1} s] {text}", start.elapsed().as_secs_f64());
}

fn unix_ms() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970").as_millis()
}
