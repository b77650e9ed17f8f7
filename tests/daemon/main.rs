//! The real binary in real circumstances: devices over sockets, a real Kafka, SIGKILL, SIGTERM, outages, full disks.

#![allow(clippy::disallowed_methods)] // Tests wait for real processes, with a deadline.

#[path = "../support/device.rs"]
mod device;
#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/kafka.rs"]
mod kafka;

mod crash;
mod disk;
mod modbus;
mod operation;
mod outage;
mod service;
mod subscribers;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Each of these tests loads the whole machine, so they take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from the environment, for longer forms.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn text_field(json: &str, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).expect("a row is JSON");
    value[name].as_str().expect("a text").to_owned()
}

fn number_field(json: &str, name: &str) -> i64 {
    let value: serde_json::Value = serde_json::from_str(json).expect("a row is JSON");
    value[name].as_i64().expect("an integer")
}
