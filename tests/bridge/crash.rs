//! Whatever dies, nothing acknowledged is lost: gateway and mosquitto killed with SIGKILL at random moments.
//!
//! `TIDEGATE_KILLS` and `TIDEGATE_SEED` set how often and at which moments; the seed is printed.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::device::{Ack, Device};
use crate::gateway::{Gateway, metric};
use crate::link::Link;
use crate::mosquitto::Mosquitto;
use crate::{Collector, Got, alone, gateway, local};

const DEVICES: usize = 3;
const WINDOW: usize = 40;

const CONFIGURATION: &str = r#"
[source.telemetry]
mqtt = "dev/{device}/telemetry"
schema = "n BIGINT"

[query.numbers]
sql = "SELECT device, n FROM telemetry"
into = { sink = "hq", topic = "up/{device}" }
"#;

#[test]
fn what_a_device_was_told_is_safe_arrives_upstream() {
    let _alone = alone();
    let (kills, mut random) = kills_and_moments();
    let directory = tempfile::tempdir().expect("a directory");
    let mut mosquitto = Mosquitto::start(directory.path(), "allow_anonymous true");
    // Mosquitto keeps nothing for who is not there: the link is open only while the collector listens.
    let link = Link::listen(mosquitto.port);
    let collector = Collector::start(local(mosquitto.port), "up/#");
    let sink = format!("[sink.hq]\nmqtt = \"127.0.0.1:{}\"\n", link.port());
    let mut gateway = gateway(directory.path(), &format!("{CONFIGURATION}{sink}"));
    gateway.start();
    let publishers = Publishers::start(gateway.mqtt, |device| format!("dev/d{device}/telemetry"));
    for kill in 0..kills {
        thread::sleep(Duration::from_millis(100 + random.below(900)));
        if kill % 2 == 1 {
            let before = collector.subscriptions();
            mosquitto.kill();
            link.cut();
            thread::sleep(Duration::from_millis(random.below(500)));
            if random.below(2) == 0 {
                gateway.kill();
                gateway.start();
            }
            mosquitto.restart();
            collector.wait_subscribed(before + 1);
            link.mend();
        } else {
            gateway.kill();
            gateway.start();
        }
    }
    let acknowledged = publishers.finish();
    finish(&mut gateway, collector, &acknowledged);
}

#[test]
fn what_the_other_broker_took_for_us_arrives_here() {
    let _alone = alone();
    let (kills, mut random) = kills_and_moments();
    let directory = tempfile::tempdir().expect("a directory");
    let mosquitto = Mosquitto::start(directory.path(), "allow_anonymous true");
    let collector = Collector::start(local(mosquitto.port), "up/#");
    let address = format!("mqtt = \"127.0.0.1:{}\"\n", mosquitto.port);
    let bridge = "topics = { from = \"down/{device}\", to = \"dev/{device}/telemetry\" }\n";
    let mut gateway =
        gateway(directory.path(), &format!("{CONFIGURATION}[sink.hq]\n{address}\n[bridge.hq]\n{address}{bridge}"));
    gateway.start();
    gateway.wait_for("the bridge", |metrics| metric(metrics, "tidegate_bridge_connected{bridge=\"hq\"}") == 1.0);
    let publishers = Publishers::start(local(mosquitto.port), |device| format!("down/d{device}"));
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(100 + random.below(900)));
        gateway.kill();
        thread::sleep(Duration::from_millis(random.below(300)));
        gateway.start();
    }
    let acknowledged = publishers.finish();
    finish(&mut gateway, collector, &acknowledged);
}

/// Waits until everything has arrived, and looks at each number.
fn finish(gateway: &mut Gateway, collector: Collector, acknowledged: &[BTreeSet<i64>]) {
    let last: Vec<String> = acknowledged.iter().map(|all| all.last().expect("some").to_string()).collect();
    collector.wait_for("the last numbers", |got| {
        (0..DEVICES)
            .all(|device| got.iter().rev().any(|one| number(one) == (device, last[device].parse().expect("i64"))))
    });
    gateway.wait_for("everything delivered", |metrics| {
        metric(metrics, "tidegate_sink_pending_records{sink=\"hq\"}") == 0.0
    });
    let metrics = gateway.metrics();
    let got = collector.finish();
    for (device, acknowledged) in acknowledged.iter().enumerate() {
        assert!(acknowledged.len() > 100, "d{device}: only {} acknowledged", acknowledged.len());
        let numbers: Vec<i64> =
            got.iter().map(number).filter(|(of, _)| *of == device).map(|(_, number)| number).collect();
        let (mut seen, mut first_seen) = (BTreeSet::new(), Vec::new());
        for number in &numbers {
            if seen.insert(*number) {
                first_seen.push(*number);
            }
        }
        let missing: Vec<_> = acknowledged.difference(&seen).collect();
        assert!(missing.is_empty(), "d{device}: acknowledged and missing: {missing:?}");
        assert!(first_seen.is_sorted(), "d{device}: out of order");
        println!(
            "d{device}: {} acknowledged, {} arrived, {} of them once more",
            acknowledged.len(),
            seen.len(),
            numbers.len() - seen.len()
        );
    }
    let sink = |what: &str| metric(&metrics, &format!("tidegate_{what}_total{{sink=\"hq\"}}"));
    assert_eq!(sink("committed"), sink("delivered"), "{metrics}");
    let (status, took) = gateway.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
}

/// Device and number of a row.
fn number(got: &Got) -> (usize, i64) {
    let row: serde_json::Value = serde_json::from_str(&got.payload).expect("a row is JSON");
    let device = got.topic.strip_prefix("up/d").expect("its topic").parse().expect("a number");
    (device, row["n"].as_i64().expect("an integer"))
}

struct Publishers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<BTreeSet<i64>>>,
}

impl Publishers {
    fn start(address: SocketAddr, topic: impl Fn(usize) -> String) -> Publishers {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |device| {
            let (topic, stop) = (topic(device), Arc::clone(&stop));
            thread::spawn(move || publish(address, device, &topic, &stop))
        };
        Publishers { threads: (0..DEVICES).map(start).collect(), stop }
    }

    /// The numbers of each device that were acknowledged.
    fn finish(self) -> Vec<BTreeSet<i64>> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|one| one.join().expect("a publisher ends well")).collect()
    }
}

/// Publishes numbers at QoS 1 until told to stop, each once; ends when the last one is acknowledged.
fn publish(address: SocketAddr, device: usize, topic: &str, stop: &AtomicBool) -> BTreeSet<i64> {
    let (mut acknowledged, mut next) = (BTreeSet::new(), 0);
    loop {
        // What was under way when the connection broke is forgotten: whether it counts is not known.
        let outcome = session(address, device, topic, stop, &mut next, &mut acknowledged);
        if outcome.is_ok() {
            return acknowledged;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn session(
    address: SocketAddr,
    device: usize,
    topic: &str,
    stop: &AtomicBool,
    next: &mut i64,
    acknowledged: &mut BTreeSet<i64>,
) -> io::Result<()> {
    let mut device = Device::connect(address, &format!("d{device}"), true)?;
    let mut under_way: Vec<i64> = Vec::new();
    loop {
        let last = stop.load(Ordering::Relaxed);
        // At least one after the word to stop, so that the last number of all is one that is acknowledged.
        let room = if last { 1 } else { WINDOW.saturating_sub(under_way.len()) };
        for _ in 0..room {
            let packet_id = (*next % 60_000) as u16 + 1;
            device.publish(topic, format!("{{\"n\":{next}}}").as_bytes(), 1, packet_id, false);
            under_way.push(*next);
            *next += 1;
        }
        device.flush()?;
        let wanted = if last { under_way.len() } else { under_way.len().div_ceil(2) };
        for _ in 0..wanted {
            let Ack::Acknowledged(packet_id) = device.ack()? else { panic!("no PUBACK") };
            let at = under_way.iter().position(|n| (n % 60_000) as u16 + 1 == packet_id).expect("it was sent");
            acknowledged.insert(under_way.remove(at));
        }
        if last {
            return Ok(());
        }
        // A rate that the other broker can hold for a gateway that is killed all the time.
        thread::sleep(Duration::from_millis(40));
    }
}

fn kills_and_moments() -> (u64, Random) {
    let setting = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let random = Random(setting("TIDEGATE_SEED", 0x6272_6964) | 1);
    let kills = setting("TIDEGATE_KILLS", 10);
    println!("{kills} kills, seed {}", random.0);
    (kills, random)
}

/// xorshift64* (Marsaglia, Vigna): enough to choose moments, and the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }
}
