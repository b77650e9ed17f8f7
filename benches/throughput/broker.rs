//! The broker alone, against Debian's mosquitto: QoS 1, 256 bytes, the same generator, by turns.
//!
//! Not the same work: mosquitto acknowledges a message that it has thrown away, tidegate one that is on disk.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::gateway::{Gateway, free_address, metric};
use crate::load::Load;
use crate::{process, run_length};

const PAYLOAD_BYTES: usize = 256;
const WINDOW: usize = 100;
const ROUNDS: usize = 3;

/// Every message is caught by a source and stays in the journal.
const CONFIGURATION: &str = r#"
[store]
max_size = "4GiB"
keep_raw = "1h"

[source.bench]
mqtt = "bench/{device}/data"
format = "raw"
"#;

#[derive(Clone, Copy)]
struct Run {
    per_second: f64,
    cpu_us: f64,
}

pub fn compare() {
    println!(
        "\nQoS 1, {PAYLOAD_BYTES} B, window {WINDOW}, medians of {ROUNDS} runs by turns of {:?} each",
        run_length()
    );
    println!("{:>10} | {:>23} | {:>23} | ratios", "publishers", "mosquitto", "tidegate, fsynced");
    for publishers in [1, 10, 100] {
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            theirs.push(mosquitto(publishers));
            ours.push(tidegate(publishers));
        }
        let (theirs, ours) = (median(&theirs), median(&ours));
        println!(
            "{publishers:>10} | {:>9.0} /s {:>7.2} µs | {:>9.0} /s {:>7.2} µs | {:.2} x the messages, {:.2} x the CPU a message",
            theirs.per_second,
            theirs.cpu_us,
            ours.per_second,
            ours.cpu_us,
            ours.per_second / theirs.per_second,
            ours.cpu_us / theirs.cpu_us,
        );
    }
}

fn mosquitto(publishers: usize) -> Run {
    let directory = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let file = directory.path().join("mosquitto.conf");
    let text =
        format!("listener {} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n", address.port());
    std::fs::write(&file, text).expect("mosquitto.conf");
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let command = Command::new("mosquitto").arg("-c").arg(&file).env("PATH", path).stderr(Stdio::null()).spawn();
    let server = Server(command.expect("mosquitto is installed"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    measure(address, server.0.id(), publishers).0
}

fn tidegate(publishers: usize) -> Run {
    let directory = tempfile::tempdir().expect("a directory");
    let mut gateway = Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory.path(), CONFIGURATION);
    gateway.start();
    let (run, sent) = measure(gateway.mqtt, gateway.pid(), publishers);
    let decoded = metric(&gateway.metrics(), "tidegate_decoded_total{source=\"bench\"}");
    assert_eq!(decoded, sent as f64, "every acknowledged message was taken in");
    run
}

fn measure(address: SocketAddr, pid: u32, publishers: usize) -> (Run, u64) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut payload = |_: usize, _: usize| {
        let mut text = String::new();
        while text.len() < PAYLOAD_BYTES {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            text.push_str(&format!("{random:016x}"));
        }
        text.truncate(PAYLOAD_BYTES);
        text.into_bytes()
    };
    let topic = |publisher: usize| format!("bench/{publisher:03}/data");
    let mut load = Load::connect(address, publishers, 1, WINDOW, &topic, &mut payload).expect("the broker takes us");
    load.run(Duration::from_secs(1)).expect("warming up");
    let before = process::usage(pid);
    let measured = load.run(run_length()).expect("the broker acknowledges");
    let cpu = process::usage(pid).cpu - before.cpu;
    load.settle().expect("all is acknowledged");
    let run = Run { per_second: measured.per_second(), cpu_us: cpu.as_secs_f64() * 1e6 / measured.messages as f64 };
    (run, load.sent())
}

fn median(runs: &[Run]) -> Run {
    let middle = |value: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Run { per_second: middle(|run| run.per_second), cpu_us: middle(|run| run.cpu_us) }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
