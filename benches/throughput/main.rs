//! `make bench`: what tidegate costs, next to Debian's mosquitto and in front of a real Kafka. Prints; asserts only that
//! nothing was lost. `benches/README.md` explains the numbers.
//!
//! `broker`, `rest`, `many` or `path` as an argument runs one part; `TIDEGATE_BENCH_SECONDS` sets how long each run is
//! measured.

#![allow(clippy::disallowed_methods)] // A benchmark reads clocks.

#[path = "../../tests/support/gateway.rs"]
mod gateway;
#[path = "../../tests/support/kafka.rs"]
mod kafka;

mod broker;
mod load;
mod many;
mod mqtt;
mod paced;
mod path;
mod peers;
mod process;
mod subscribers;

use std::time::Duration;

fn main() {
    // cargo adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|part| part == name);
    println!("{}", process::machine());
    process::allow_many_files();
    if wants("broker") {
        broker::compare();
    }
    if wants("rest") {
        broker::compare_the_rest();
    }
    if wants("many") {
        many::measure();
    }
    if wants("path") {
        path::measure();
    }
}

/// How long one run is measured, after a second of warming up.
fn run_length() -> Duration {
    let text = std::env::var("TIDEGATE_BENCH_SECONDS").unwrap_or_else(|_| "5".into());
    Duration::from_secs(text.parse().expect("TIDEGATE_BENCH_SECONDS is a number"))
}
