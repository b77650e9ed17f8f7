//! The uplink is gone when the gateway boots, for ten minutes' worth of data; then it comes back while data keeps coming.
//!
//! `TIDEGATE_OUTAGE_MESSAGES` sets how much is buffered; ten minutes at 5,000 messages a second are 3,000,000.

use std::io;
use std::net::SocketAddr;
use std::thread;

use crate::device::Device;
use crate::gateway::{Gateway, PATIENCE, metric};
use crate::kafka::Kafka;
use crate::{alone, number_field, setting, text_field};

const DEVICES: u64 = 4;
const WINDOW: u64 = 80;

/// What DESIGN.md section 7 promises to a 512 MB machine.
const RSS_MAX_KIB: u64 = 60 * 1024;

const CONFIGURATION: &str = r#"
[store]
max_size = "4GiB"
keep_raw = "1h"

[source.telemetry]
mqtt = "dev/{device}/telemetry"
format = "json"
schema = "n BIGINT, ts TIMESTAMP_LTZ(3), temp DOUBLE, zone STRING"
event_time = "ts"

[query.raw]
sql = "SELECT device, n, ts, temp, zone FROM telemetry WHERE temp > 10"
into = { sink = "cloud", topic = "outage", key = "device" }

[query.mean]
sql = """
SELECT device, window_end, AVG(temp) AS mean
FROM TABLE(TUMBLE(TABLE telemetry, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY device, window_start, window_end"""
into = { sink = "cloud", topic = "outage-means", key = "device" }
"#;

#[test]
fn an_outage_at_boot_is_buffered_in_flat_memory_and_drained_in_order() {
    let _alone = alone();
    let each = setting("TIDEGATE_OUTAGE_MESSAGES", 400_000) / DEVICES;
    let kafka = Kafka::start();
    kafka.create_topic("outage", 2, &[]);
    kafka.create_topic("outage-means", 2, &[]);
    kafka.kill();
    let directory = tempfile::tempdir().expect("a directory");
    let sink = format!("\n[sink.cloud]\nkafka = \"{}\"\n", kafka.bootstrap());
    let mut gateway =
        Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory.path(), &(CONFIGURATION.to_owned() + &sink));
    gateway.start();

    send(gateway.mqtt, 0, each);
    let buffered = rss_kib(gateway.pid());
    println!("buffered {} messages at {buffered} KiB RSS", each * DEVICES);
    let pending = metric(&gateway.metrics(), "tidegate_sink_pending_records{sink=\"cloud\"}");
    assert!(pending >= (each * DEVICES) as f64, "all of it waits: {pending}");
    kafka.restart();
    send(gateway.mqtt, each, each + each / 10);
    gateway.wait_for("the buffer to drain", |metrics| {
        metric(metrics, "tidegate_sink_pending_records{sink=\"cloud\"}") == 0.0
    });
    let drained = rss_kib(gateway.pid());
    println!("drained at {drained} KiB RSS");

    let mut next = vec![0; DEVICES as usize];
    let total = (each + each / 10) * DEVICES;
    let rows = kafka.read_until("outage", PATIENCE, |rows| rows.len() as u64 >= total);
    assert_eq!(rows.len() as u64, total);
    for row in &rows {
        let (device, number) = (text_field(row.text(), "device"), number_field(row.text(), "n"));
        let device: usize = device[1..].parse().expect("d0 to d3");
        assert_eq!(number, next[device], "device {device} is in order, nothing missing, nothing twice");
        next[device] += 1;
    }
    assert!(buffered <= RSS_MAX_KIB && drained <= RSS_MAX_KIB, "RSS {buffered} and {drained} KiB");
}

/// Each device publishes the numbers from `from` to `to` at QoS 1, as fast as they are acknowledged.
fn send(address: SocketAddr, from: u64, to: u64) {
    let senders: Vec<_> =
        (0..DEVICES).map(|device| thread::spawn(move || send_one(address, device, from, to))).collect();
    for sender in senders {
        sender.join().expect("a sender ends").expect("every message is acknowledged");
    }
}

fn send_one(address: SocketAddr, device: u64, from: u64, to: u64) -> io::Result<()> {
    let mut client = Device::connect(address, &format!("d{device}"), true)?;
    let topic = format!("dev/d{device}/telemetry");
    let (mut next, mut acknowledged) = (from, from);
    while acknowledged < to {
        while next < to && next - acknowledged < WINDOW {
            let ts = 1_772_352_000_000 + next * 200;
            let payload =
                format!("{{\"n\":{next},\"ts\":{ts},\"temp\":{}.5,\"zone\":\"hall-{}\"}}", 20 + next % 60, next % 7);
            client.publish(&topic, payload.as_bytes(), 1, (next % 60_000) as u16 + 1, false);
            next += 1;
        }
        client.flush()?;
        for _ in 0..(next - acknowledged).div_ceil(2) {
            client.ack()?;
            acknowledged += 1;
        }
    }
    Ok(())
}

fn rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a VmRSS line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
}
