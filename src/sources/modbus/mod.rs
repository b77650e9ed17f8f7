//! The Modbus TCP poller: one task a slave, each with its own schedule, back-off and state.
//!
//! Holds always: polls are aligned to the interval, so they neither drift nor come in a burst after a stall. A slave
//! that does not answer, answers with an exception or with nonsense is tried again after a growing pause; the others
//! go on, also those behind the same address, with which it shares one connection ([`Lines`]): many gateways to serial
//! lines take only one.

mod line;
mod poll;
mod registers;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::model::{Millis, Value};

pub use line::{Line, Lines};
pub use poll::poll;

use line::Failure;

/// What one poll gave: the registers' values, without the device and the time of arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    pub source: usize,
    pub arrival: Millis,
    pub values: Vec<Value>,
}

/// The state of one slave, for metrics.
#[derive(Debug, Default)]
pub struct ModbusStatus {
    connected: AtomicBool,
    polls: AtomicU64,
    timeouts: AtomicU64,
    exceptions: AtomicU64,
    malformed: AtomicU64,
    connection_failures: AtomicU64,
    /// Polls that came while the pipeline took nothing.
    skipped: AtomicU64,
    /// Polls that came while the one before still waited for its answers.
    overrun: AtomicU64,
    last_success_ms: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl ModbusStatus {
    /// One line for a person.
    pub fn describe(&self) -> String {
        let error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (self.connected.load(Ordering::Relaxed), error) {
            (true, _) => "answers".to_owned(),
            (false, Some(error)) => format!("does not answer: {error}"),
            (false, None) => "not yet polled".to_owned(),
        }
    }

    /// Calls `each` with name, help and value of every number.
    pub fn metrics(&self, each: &mut dyn FnMut(&str, &'static str, f64)) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        each("connected", "1 while the slave answers.", f64::from(u8::from(self.connected.load(Ordering::Relaxed))));
        each("polls", "Polls answered since the start.", read(&self.polls));
        each("timeouts", "Requests without an answer in time.", read(&self.timeouts));
        each("exceptions", "Answers that were exceptions.", read(&self.exceptions));
        each("malformed", "Answers that were none to the request.", read(&self.malformed));
        each("connection_failures", "Connections that failed or broke.", read(&self.connection_failures));
        each("skipped", "Polls skipped while the pipeline took nothing.", read(&self.skipped));
        each("overrun", "Polls left out because the one before took longer than the interval.", read(&self.overrun));
        each("last_success_seconds", "Unix time of the last answer.", read(&self.last_success_ms) / 1e3);
    }

    fn failed(&self, failure: &Failure) {
        let counter = match failure {
            Failure::Timeout(_) => &self.timeouts,
            Failure::Exception { .. } => &self.exceptions,
            Failure::Malformed(_) => &self.malformed,
            Failure::Connection(_) => &self.connection_failures,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.connected.store(false, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.to_string());
    }

    /// Whether the slave had not answered before.
    fn succeeded(&self, now: Millis) -> bool {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.last_success_ms.store(now.max(0) as u64, Ordering::Relaxed);
        !self.connected.swap(true, Ordering::Relaxed)
    }
}
