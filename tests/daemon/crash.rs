//! Whatever dies, nothing acknowledged is lost and nothing comes twice: the real binary and a real Kafka, both killed
//! with SIGKILL at random moments while devices publish at QoS 1 and 2.
//!
//! `TIDEGATE_KILLS` and `TIDEGATE_SEED` set how often and at which moments; the seed is printed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::device::{Ack, Device};
use crate::gateway::{Gateway, metric};
use crate::kafka::{Kafka, Seen};
use crate::{alone, number_field, setting, text_field};

const DEVICES: usize = 4;
const WINDOW: usize = 40;
const KAFKA_KILLS: usize = 5;

/// Event times: number n of a device happened at BASE + n * STEP.
const BASE_MS: i64 = 1_772_352_000_000;
const STEP_MS: i64 = 10;
const WINDOW_MS: i64 = 1_000;

/// The number that closes every window of a device: an hour after all others.
pub const LAST: i64 = 1_000_000_000;

const CONFIGURATION: &str = r#"
[source.telemetry]
mqtt = "dev/{device}/telemetry"
format = "json"
schema = "n BIGINT, ts TIMESTAMP_LTZ(3)"
event_time = "ts"
late_after = "5s"

[query.raw]
sql = "SELECT device, n, ts FROM telemetry"
into = { sink = "cloud", topic = "raw", key = "device" }

[query.windows]
sql = """
SELECT device, window_start, COUNT(*) AS c, SUM(n) AS total, MIN(n) AS lo, MAX(n) AS hi
FROM TABLE(TUMBLE(TABLE telemetry, DESCRIPTOR(ts), INTERVAL '1' SECOND))
GROUP BY device, window_start, window_end"""
into = { sink = "cloud", topic = "windows", key = "device" }
"#;

/// What a device does with what was not acknowledged when its connection broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// Never sends it again: each number goes out once.
    Forget,
    /// Sends it again, as real clients do.
    Resend,
}

/// What one publisher knows at the end.
#[derive(Default)]
pub struct Sent {
    pub acknowledged: BTreeSet<i64>,
    /// Numbers that went out more than once.
    resent: BTreeSet<i64>,
    next: i64,
}

#[test]
fn each_acknowledged_number_arrives_exactly_once() {
    crash(After::Forget);
}

#[test]
fn what_real_clients_send_again_is_never_missing() {
    crash(After::Resend);
}

fn crash(after: After) {
    let _alone = alone();
    let kills = setting("TIDEGATE_KILLS", 20) as usize;
    let mut random = Random(setting("TIDEGATE_SEED", 0x7469_6465) | 1);
    println!("{after:?}: {kills} kills, seed {}", random.0);
    let kafka = Kafka::start();
    kafka.create_topic("raw", 3, &[]);
    kafka.create_topic("windows", 3, &[]);
    let directory = tempfile::tempdir().expect("a directory");
    let sink = format!("\n[sink.cloud]\nkafka = \"{}\"\n", kafka.bootstrap());
    let mut gateway =
        Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory.path(), &(CONFIGURATION.to_owned() + &sink));
    gateway.start();

    let stop = Arc::new(AtomicBool::new(false));
    let publishers: Vec<_> = (0..DEVICES)
        .map(|device| {
            let (address, stop) = (gateway.mqtt, Arc::clone(&stop));
            thread::spawn(move || publish(address, device, after, &stop))
        })
        .collect();
    let kafka_every = kills.div_ceil(KAFKA_KILLS);
    for kill in 0..kills {
        thread::sleep(Duration::from_millis(100 + random.below(900)));
        if kill % kafka_every == kafka_every / 2 {
            kafka.kill();
        }
        thread::sleep(Duration::from_millis(random.below(500)));
        gateway.kill();
        gateway.start();
        if kill % kafka_every == kafka_every / 2 {
            kafka.restart();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let sent: Vec<Sent> = publishers.into_iter().map(|one| one.join().expect("a publisher ends well")).collect();
    gateway.wait_for("everything in Kafka", |metrics| {
        metric(metrics, "tidegate_sink_pending_records{sink=\"cloud\"}") == 0.0
            && metric(metrics, "tidegate_in_total{source=\"telemetry\"}") > 0.0
    });
    check_accounting(&gateway.metrics());
    let raw = kafka.read_committed("raw");
    let windows = kafka.read_committed("windows");
    println!("{} rows and {} windows in Kafka", raw.len(), windows.len());
    let rows = check_rows(&raw, &sent, after);
    check_windows(&rows, &windows);
    let (status, took) = gateway.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
}

/// Publishes numbered messages of one device until told to stop, then the last one until it is acknowledged.
pub fn publish(address: SocketAddr, device: usize, after: After, stop: &AtomicBool) -> Sent {
    let mut publisher = Publisher::new(address, device, after);
    while !stop.load(Ordering::Relaxed) {
        if publisher.session(stop).is_err() {
            publisher.broken();
        }
    }
    publisher.sent.next = LAST;
    let never = AtomicBool::new(false);
    publisher.last = true;
    while !publisher.sent.acknowledged.contains(&LAST) || !publisher.unacknowledged.is_empty() {
        if publisher.session(&never).is_err() {
            publisher.broken();
            if after == After::Forget {
                publisher.sent.next = LAST;
            }
        }
    }
    publisher.sent
}

struct Publisher {
    address: SocketAddr,
    name: String,
    qos: u8,
    after: After,
    sent: Sent,
    packet_id: u16,
    /// Sent and not yet acknowledged, in order: number, packet id.
    unacknowledged: Vec<(i64, u16)>,
    /// QoS 2: packet ids whose PUBREL is not yet answered.
    unreleased: BTreeSet<u16>,
    last: bool,
}

impl Publisher {
    fn new(address: SocketAddr, device: usize, after: After) -> Publisher {
        let qos = 1 + (device % 2) as u8;
        Publisher {
            address,
            name: format!("d{device}"),
            qos,
            after,
            sent: Sent::default(),
            packet_id: 0,
            unacknowledged: Vec::new(),
            unreleased: BTreeSet::new(),
            last: false,
        }
    }

    /// One connection, until it breaks or `stop` is set and all is acknowledged.
    fn session(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut device = Device::connect(self.address, &self.name, false)
            .inspect_err(|_| thread::sleep(Duration::from_millis(20)))?;
        for packet_id in self.unreleased.clone() {
            device.release(packet_id);
        }
        for (number, packet_id) in self.unacknowledged.clone() {
            self.sent.resent.insert(number);
            self.put(&mut device, number, packet_id, true);
        }
        loop {
            while self.unacknowledged.len() + self.unreleased.len() < WINDOW && !self.finished(stop) {
                let (number, packet_id) = (self.sent.next, self.next_id());
                self.sent.next += 1;
                self.unacknowledged.push((number, packet_id));
                self.put(&mut device, number, packet_id, false);
            }
            if self.unacknowledged.is_empty() && self.unreleased.is_empty() {
                return Ok(());
            }
            device.flush()?;
            let half = (self.unacknowledged.len() + self.unreleased.len()).div_ceil(2);
            for _ in 0..half {
                self.take(&mut device)?;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn finished(&self, stop: &AtomicBool) -> bool {
        if self.last { self.sent.next > LAST } else { stop.load(Ordering::Relaxed) }
    }

    fn put(&self, device: &mut Device, number: i64, packet_id: u16, dup: bool) {
        let ts = if number == LAST { BASE_MS + 100 * 3_600_000 } else { BASE_MS + number * STEP_MS };
        let payload = format!("{{\"n\":{number},\"ts\":{ts}}}");
        device.publish(&format!("dev/{}/telemetry", self.name), payload.as_bytes(), self.qos, packet_id, dup);
    }

    fn take(&mut self, device: &mut Device) -> io::Result<()> {
        match device.ack()? {
            Ack::Acknowledged(id) => self.acknowledge(id),
            Ack::Received(id) => {
                self.acknowledge(id);
                self.unreleased.insert(id);
                device.release(id);
                device.flush()?;
            }
            Ack::Completed(id) => {
                self.unreleased.remove(&id);
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, packet_id: u16) {
        if let Some(at) = self.unacknowledged.iter().position(|(_, id)| *id == packet_id) {
            let (number, _) = self.unacknowledged.remove(at);
            self.sent.acknowledged.insert(number);
        }
    }

    fn next_id(&mut self) -> u16 {
        loop {
            self.packet_id = self.packet_id.wrapping_add(1);
            let taken = self.packet_id == 0
                || self.unreleased.contains(&self.packet_id)
                || self.unacknowledged.iter().any(|(_, id)| *id == self.packet_id);
            if !taken {
                return self.packet_id;
            }
        }
    }

    fn broken(&mut self) {
        if self.after == After::Forget {
            // What the gateway may have taken is released, so that its ids are free again.
            let forgotten = std::mem::take(&mut self.unacknowledged);
            if self.qos == 2 {
                self.unreleased.extend(forgotten.into_iter().map(|(_, id)| id));
            }
        }
    }
}

/// Numbers by device, in the order of Kafka, once each where they must be.
fn check_rows(raw: &[Seen], sent: &[Sent], after: After) -> BTreeMap<String, Vec<i64>> {
    let mut rows: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for row in raw {
        let (device, number) = (text_field(row.text(), "device"), number_field(row.text(), "n"));
        assert_eq!(row.key_text(), device);
        rows.entry(device).or_default().push(number);
    }
    for (index, sent) in sent.iter().enumerate() {
        let numbers = &rows[&format!("d{index}")];
        let mut times: HashMap<i64, usize> = HashMap::new();
        let mut first_seen = Vec::new();
        for number in numbers {
            let times = times.entry(*number).or_default();
            *times += 1;
            if *times == 1 {
                first_seen.push(*number);
            }
        }
        let missing: Vec<_> = sent.acknowledged.iter().filter(|n| !times.contains_key(n)).collect();
        assert!(missing.is_empty(), "d{index}: acknowledged and missing: {missing:?}");
        let qos = 1 + index % 2;
        let may_repeat =
            |n: &i64| after == After::Resend && qos == 1 && sent.resent.contains(n) || *n == LAST && qos == 1;
        let twice: Vec<_> = times.iter().filter(|(n, times)| **times > 1 && !may_repeat(n)).collect();
        assert!(twice.is_empty(), "d{index} (QoS {qos}): more than once: {twice:?}");
        assert!(first_seen.is_sorted(), "d{index}: out of order");
        assert!(sent.acknowledged.len() > 100, "d{index}: only {} acknowledged", sent.acknowledged.len());
    }
    rows
}

/// The windows in Kafka are those that follow from the rows in Kafka.
fn check_windows(rows: &BTreeMap<String, Vec<i64>>, windows: &[Seen]) {
    let mut expected = Vec::new();
    for (device, numbers) in rows {
        let mut open: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for number in numbers.iter().filter(|n| **n != LAST) {
            let ts = BASE_MS + number * STEP_MS;
            open.entry(ts - ts.rem_euclid(WINDOW_MS)).or_default().push(*number);
        }
        for numbers in open.values() {
            let (lo, hi) = (numbers.iter().min().expect("not empty"), numbers.iter().max().expect("not empty"));
            expected.push((device.clone(), numbers.len() as i64, numbers.iter().sum::<i64>(), *lo, *hi));
        }
    }
    let mut found: Vec<_> = windows
        .iter()
        .map(|w| {
            let field = |name| number_field(w.text(), name);
            (text_field(w.text(), "device"), field("c"), field("total"), field("lo"), field("hi"))
        })
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found.len(), expected.len(), "number of windows");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
}

/// Promise 4: every message is accounted for, through all the kills.
fn check_accounting(metrics: &str) {
    let m = |name: &str| metric(metrics, name);
    let source = |what: &str| m(&format!("tidegate_{what}_total{{source=\"telemetry\"}}"));
    assert_eq!(source("in"), source("decoded") + source("invalid"));
    for query in ["raw", "windows"] {
        let of = |what: &str| m(&format!("tidegate_{what}_total{{query=\"{query}\"}}"));
        assert_eq!(source("decoded"), of("used") + of("filtered") + of("late") + of("failed"), "{query}");
    }
    let sink = |what: &str| m(&format!("tidegate_{what}_total{{sink=\"cloud\"}}"));
    assert_eq!(sink("committed"), sink("delivered") + sink("dead") + sink("expired") + sink("corrupt"), "{metrics}");
}

/// xorshift64* (Marsaglia, Vigna): enough to choose moments, and the same for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }
}
