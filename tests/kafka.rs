//! The Kafka sink against a real Kafka: one broker for all, one test at a time (some of them kill it).

#![allow(clippy::disallowed_methods)] // Tests wait for real processes, with a deadline.

#[path = "support/kafka.rs"]
mod support;

#[path = "kafka/gateway.rs"]
mod gateway;

#[path = "kafka/crash.rs"]
mod crash;
#[path = "kafka/identity.rs"]
mod identity;
#[path = "kafka/link.rs"]
mod link;
#[path = "kafka/records.rs"]
mod records;
#[path = "kafka/security.rs"]
mod security;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The broker, for one test.
fn broker() -> (&'static support::Kafka, MutexGuard<'static, ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    (support::shared(), turn)
}
