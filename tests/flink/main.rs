//! `tidegate export flink` on a real Flink: the script that it writes runs in Flink's own SQL client, reads what the
//! gateway sent to a real Kafka, and writes the same rows beside the gateway's.
//!
//! In the long form only (`TIDEGATE_LONG`): `tests/flink/install` brings Flink and its Kafka connector.

#![allow(clippy::disallowed_methods)] // Tests wait for real processes, with a deadline.

#[allow(dead_code)] // It can do more than this test asks of it.
#[path = "../support/device.rs"]
mod device;
#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/kafka.rs"]
mod kafka;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use device::{Ack, Device};
use gateway::{Gateway, metric};
use kafka::{Kafka, Seen};
use serde_json::Value;

/// Flink starts, runs and commits at its checkpoints.
const PATIENCE: Duration = Duration::from_secs(180);

const CONFIGURATION: &str = include_str!("gateway.toml");

/// 2026-03-01 08:00 UTC.
const START_MS: i64 = 1_772_352_000_000;

#[test]
fn flink_runs_the_exported_script_and_gives_the_same_rows() {
    if std::env::var_os("TIDEGATE_LONG").is_none() {
        return;
    }
    let kafka = kafka::shared();
    let topics = topics();
    kafka.create_topic("raw", 1, &[]);
    topics.iter().for_each(|topic| kafka.create_topic(topic, 1, &[]));
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("devices.csv"), "p1,north,70\np2,,20.5\nunused,west,\n").expect("the table");
    let states = r#"{"code": "warn", "meaning": "take care"} {"code": "warn", "meaning": "again"} {"code": "fault"}"#;
    fs::write(directory.path().join("states.jsonl"), states.replace("} {", "}\n{")).expect("the table");
    run_gateway(kafka, directory.path());
    let ours: Vec<Vec<String>> = topics.iter().map(|topic| rows(&kafka.read_committed(topic), true)).collect();
    for (topic, rows) in topics.iter().zip(&ours) {
        assert!(rows.len() >= 3, "{topic}: only {} rows", rows.len());
    }

    let mut flink = Flink::start(directory.path());
    let deadline = Instant::now() + PATIENCE;
    for (topic, ours) in topics.iter().zip(&ours) {
        while rows(&kafka.read_committed(topic), false).len() < ours.len() && Instant::now() < deadline {
            flink.check();
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    let theirs = topics.iter().map(|topic| rows(&kafka.read_committed(topic), false));
    let theirs: Vec<Vec<String>> = theirs.collect();
    let differences: Vec<String> = topics
        .iter()
        .zip(theirs.iter().zip(&ours))
        .filter(|(_, (theirs, ours))| theirs != ours)
        .map(|(topic, (theirs, ours))| difference(topic, theirs, ours))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    println!("{} rows of {} queries, the same on both", ours.iter().map(Vec::len).sum::<usize>(), topics.len());
}

/// The topics that both write: those of all queries but the one that Flink reads.
fn topics() -> Vec<String> {
    let named = CONFIGURATION.lines().filter_map(|line| line.split("topic = \"").nth(1)?.split('"').next());
    named.filter(|topic| *topic != "raw").map(str::to_owned).collect()
}

/// What only one of them has, the first few of each.
fn difference(topic: &str, theirs: &[String], ours: &[String]) -> String {
    let only = |these: &[String], others: &[String]| {
        let all: Vec<&str> = these.iter().filter(|row| !others.contains(row)).map(String::as_str).collect();
        format!("{}:\n    {}", all.len(), all.iter().take(5).copied().collect::<Vec<_>>().join("\n    "))
    };
    format!(
        "{topic}: Flink {} rows, tidegate {}\n  only of Flink {}\n  only of tidegate {}",
        theirs.len(),
        ours.len(),
        only(theirs, ours),
        only(ours, theirs)
    )
}

/// Every message is in Kafka, and all that the queries made of them.
fn run_gateway(kafka: &Kafka, directory: &Path) {
    let sink = format!("\n[sink.cloud]\nkafka = \"{}\"\n", kafka.bootstrap());
    let binary = env!("CARGO_BIN_EXE_tidegate");
    let mut gateway = Gateway::new(binary, directory, &(CONFIGURATION.to_owned() + &sink));
    gateway.start();
    let messages = messages();
    let mut device = Device::connect(gateway.mqtt, "sender", true).expect("a connection");
    for (at, (topic, payload)) in messages.iter().enumerate() {
        let packet_id = at as u16 + 1;
        device.publish(topic, payload.as_bytes(), 1, packet_id, false);
        device.flush().expect("it is sent");
        assert_eq!(device.ack().expect("an answer"), Ack::Acknowledged(packet_id));
    }
    kafka.read_until("raw", PATIENCE, |rows| rows.len() >= messages.len());
    gateway.wait_for("all to be delivered", |metrics| {
        metric(metrics, "tidegate_sink_pending_records{sink=\"cloud\"}") == 0.0
            && metric(metrics, "tidegate_decoded_total{source=\"telemetry\"}") == messages.len() as f64
    });
    assert!(gateway.terminate().0.success());
}

/// Rows of three devices, some out of order, some late, some with NULLs; the last one closes every window.
fn messages() -> Vec<(String, String)> {
    let mut seed = 7_u64;
    let mut below = |limit: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    let mut messages = Vec::new();
    let mut time = START_MS;
    for number in 0..600 {
        time += [0, 300, 1_000, 1_000, 2_500][below(5) as usize];
        let back = [0, 0, 0, 900, 4_000, 9_000][below(6) as usize];
        let state = ["\"ok\"", "\"ok\"", "\"warn\"", "\"fault\"", "null"][below(5) as usize];
        let (temp, cents) = (below(1_000) as f64 / 10.0, below(100_000));
        let mut payload = format!(
            r#"{{"ms": {}, "tardy": {}, "temp": {temp}, "state": {state}, "n": {number}, "price": {}.{:02}"#,
            time - back,
            back > 5_000,
            cents / 100,
            cents % 100
        );
        if below(3) > 0 {
            let (second, micros) = (below(60), below(1_000_000));
            payload += &format!(
                r#", "ok": {}, "day": "2026-02-{:02}", "clock": "{:02}:30:{second:02}", "moment": "2026-03-01T08:05:{second:02}.{micros:06}""#,
                below(2) == 0,
                below(28) + 1,
                below(24),
            );
        }
        if below(3) > 0 {
            let (x, y) = (below(100), ["null", "3"][below(2) as usize]);
            payload += &format!(
                r#", "image": "/w{x:02}", "tags": ["t{x}", null, "\u00e4\"{y}"], "loads": {{"a": {x}.5, "b": {y}}}, "place": {{"hall": "h{x}", "spot": {{"x": {x}, "y": {y}}}}}"#
            );
        }
        messages.push((format!("dev/p{}/telemetry", below(3) + 1), payload + "}"));
    }
    let last = time + 36_000_000;
    messages
        .push(("dev/p1/telemetry".to_owned(), format!(r#"{{"ms": {last}, "tardy": false, "temp": 99.0, "n": 600}}"#)));
    messages
}

/// The rows of the gateway, or those that are not its, with their keys, in an order of their own.
fn rows(seen: &[Seen], of_gateway: bool) -> Vec<String> {
    let of = |seen: &&Seen| seen.headers.contains_key("tidegate-gateway") == of_gateway;
    let mut rows: Vec<String> = seen
        .iter()
        .filter(of)
        .map(|seen| {
            let payload = seen.payload.as_deref().unwrap_or_default();
            let Ok(mut row) = serde_json::from_slice::<Value>(payload) else {
                return format!("{:?} {payload:?}", seen.key);
            };
            settle(&mut row);
            format!("{:?} {row}", seen.key)
        })
        .collect();
    rows.sort();
    rows
}

/// Two texts of one moment become one: Flink writes as many digits of the second as there are, tidegate always three.
fn settle(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(settle),
        Value::String(text) => {
            let zone = if text.ends_with('Z') { "Z" } else { "" };
            let moment = text.trim_end_matches('Z');
            if let Some((whole, fraction)) = moment.split_once('.').filter(|(whole, _)| whole.contains('T')) {
                let fraction = fraction.trim_end_matches('0');
                let point = if fraction.is_empty() { "" } else { "." };
                *text = format!("{whole}{point}{fraction}{zone}");
            }
        }
        // Sums of doubles differ in their last digits.
        Value::Number(number) if number.is_f64() => {
            let rounded = format!("{:.9e}", number.as_f64().unwrap_or_default());
            *value = Value::String(rounded);
        }
        _ => {}
    }
}

/// Flink's SQL client with the exported script; its job runs in the same process.
struct Flink {
    child: Child,
    log: PathBuf,
}

impl Flink {
    fn start(directory: &Path) -> Flink {
        let exported = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["export", "flink", "--config"])
            .arg(directory.join("tidegate.toml"))
            .output()
            .expect("the binary runs");
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        let warnings = String::from_utf8_lossy(&exported.stderr);
        let of_state = "warning: query firsts: state_ttl is left out";
        assert!(warnings.lines().count() == 1 && warnings.starts_with(of_state), "more was left out: {warnings}");
        let script = directory.join("gateway.sql");
        fs::write(&script, &exported.stdout).expect("the script is written");

        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let home = root.join("target/flink/home");
        assert!(home.exists(), "{} is missing: run tests/flink/install", home.display());
        let configuration = directory.join("flink");
        fs::create_dir(&configuration).expect("a folder");
        let settings = "execution.target: local\nexecution.attached: true\ntable.dml-sync: true\n";
        fs::write(configuration.join("config.yaml"), settings).expect("the settings are written");

        let log = directory.join("flink.log");
        let out = File::create(&log).expect("the log");
        let child = Command::new(home.join("java"))
            .args(["org.apache.flink.table.client.SqlClient", "-f"])
            .arg(&script)
            .env("FLINK_CONF_DIR", &configuration)
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("the log"))
            .stderr(out)
            .spawn()
            .expect("the SQL client starts");
        Flink { child, log }
    }

    /// The client goes on for as long as its job does.
    fn check(&mut self) {
        let ended = self.child.try_wait().expect("its status is known");
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        assert!(ended.is_none() && !log.contains("[ERROR]"), "{log}");
    }
}

impl Drop for Flink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- Flink's SQL client ---\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}
