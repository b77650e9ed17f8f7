//! The whole path: devices over MQTT, SQL, the store, a real Kafka, exactly once.
//!
//! Kafka and the generator run on the same machine, so they take part of it away; the CPU time is tidegate's alone.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::gateway::{Gateway, metric};
use crate::kafka::Kafka;
use crate::load::Load;
use crate::{process, run_length};

const DEVICES: usize = 100;
const WINDOW: usize = 100;
const STEADY_PER_SECOND: u64 = 20_000;

/// A hundred bytes. Half of the messages pass the filter.
const PAYLOAD: &str =
    r#"{"ts":0000000000000,"temp":00.5,"vib":0.0123,"zone":"hall-3","line":"press-shop-west","unit":"C"   }"#;
const TS_AT: usize = 6;
const TEMP_AT: usize = 27;

const SOURCE: &str = r#"
[store]
max_size = "4GiB"
keep_raw = "0"

[source.telemetry]
mqtt = "dev/{device}/telemetry"
format = "json"
schema = "ts TIMESTAMP_LTZ(3), temp DOUBLE, vib DOUBLE, zone STRING"
event_time = "ts"

[query.hot]
sql = "SELECT device, ts, temp FROM telemetry WHERE temp > 55"
into = { sink = "cloud", topic = "TOPIC", key = "device" }
"#;

const WINDOW_QUERY: &str = r#"
[query.windows]
sql = """
SELECT device, window_start, window_end, COUNT(*) AS n, AVG(temp) AS temp, MAX(vib) AS vib
FROM TABLE(TUMBLE(TABLE telemetry, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY device, window_start, window_end"""
into = { sink = "cloud", topic = "TOPIC-windows", key = "device" }
"#;

pub fn measure() {
    assert_eq!(PAYLOAD.len(), 100);
    let kafka = Kafka::start();
    println!(
        "\nQoS 1, {} B JSON, {DEVICES} devices -> filter (half pass) -> Kafka, exactly once, {:?}",
        PAYLOAD.len(),
        run_length() * 2
    );
    let header = ["in", "delivered", "CPU a message", "RSS", "written a message"];
    println!(
        "{:>30} | {:>9} /s | {:>9} /s | {:>13} | {:>9} | {}",
        "", header[0], header[1], header[2], header[3], header[4]
    );
    for (name, window, rate) in [
        ("filter, full speed", false, None),
        ("filter + 10 s window, full speed", true, None),
        ("filter, 20,000/s", false, Some(STEADY_PER_SECOND)),
        ("filter + 10 s window, 20,000/s", true, Some(STEADY_PER_SECOND)),
    ] {
        run(&kafka, name, window, rate);
    }
}

fn run(kafka: &Kafka, name: &str, window: bool, rate: Option<u64>) {
    let topic = format!("bench-{}-{}", u8::from(window), rate.unwrap_or(0));
    kafka.create_topic(&topic, 2, &[]);
    kafka.create_topic(&format!("{topic}-windows"), 2, &[]);
    let queries = if window { SOURCE.to_owned() + WINDOW_QUERY } else { SOURCE.to_owned() };
    let sink = format!("\n[sink.cloud]\nkafka = \"{}\"\n", kafka.bootstrap());
    let directory = tempfile::tempdir().expect("a directory");
    let configuration = queries.replace("TOPIC", &topic) + &sink;
    let mut gateway = Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory.path(), &configuration);
    gateway.start();

    let mut payload = |_: usize, _: usize| PAYLOAD.as_bytes().to_vec();
    let device = |publisher: usize| format!("dev/d{publisher:03}/telemetry");
    let load = Load::connect(gateway.mqtt, DEVICES, 1, WINDOW, &device, &mut payload).expect("the broker takes us");
    let mut load = load.patched(stamp);
    load.run_paced(Duration::from_secs(1), STEADY_PER_SECOND).expect("warming up");
    let committed_before = metric(&gateway.metrics(), "tidegate_committed_total{sink=\"cloud\"}");
    let (before, start) = (process::usage(gateway.pid()), Instant::now());
    let length = run_length() * 2;
    let measured = match rate {
        None => load.run(length),
        Some(rate) => load.run_paced(length, rate),
    };
    let measured = measured.expect("the broker acknowledges");
    let more = load.settle().expect("all is acknowledged");
    let rss = process::rss_mib(gateway.pid());
    let committed = metric(&gateway.metrics(), "tidegate_committed_total{sink=\"cloud\"}");
    arrive(kafka, &topic, committed as i64);
    let elapsed = start.elapsed();
    gateway.wait_for("the buffer to drain", |metrics| {
        metric(metrics, "tidegate_sink_pending_records{sink=\"cloud\"}") == 0.0
            && metric(metrics, "tidegate_decoded_total{source=\"telemetry\"}") == load.sent() as f64
    });
    let (records, after) = (committed - committed_before, process::usage(gateway.pid()));
    let messages = (measured.messages + more) as f64;
    println!(
        "{name:>30} | {:>9.0} /s | {:>9.0} /s | {:>10.2} µs | {rss:>5.1} MiB | {:.1} B",
        measured.per_second(),
        records / elapsed.as_secs_f64(),
        (after.cpu - before.cpu).as_secs_f64() * 1e6 / messages,
        (after.written_bytes - before.written_bytes) as f64 / messages,
    );
    let metrics = gateway.metrics();
    let committed = metric(&metrics, "tidegate_committed_total{sink=\"cloud\"}");
    assert_eq!(committed, metric(&metrics, "tidegate_delivered_total{sink=\"cloud\"}"), "everything went to Kafka");
}

/// Waits until so many records are in Kafka; the gateway itself books them up to ten seconds later.
fn arrive(kafka: &Kafka, topic: &str, records: i64) {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().expect("a consumer");
    let end = |topic: &str, partition| {
        consumer.fetch_watermarks(topic, partition, Duration::from_secs(10)).expect("Kafka answers").1
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    // The ends also count the markers of transactions, two for some thousands of records.
    while [topic, &format!("{topic}-windows")].iter().map(|topic| end(topic, 0) + end(topic, 1)).sum::<i64>() < records
    {
        assert!(Instant::now() < deadline, "{records} records do not arrive");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes time and temperature into a frame: 5 ms from one message of a device to its next.
fn stamp(frame: &mut [u8], payload_at: usize, sequence: u64) {
    digits(&mut frame[payload_at + TS_AT..][..13], 1_772_352_000_000 + sequence * 5);
    digits(&mut frame[payload_at + TEMP_AT..][..2], 10 + sequence * 37 % 90);
}

fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
