//! When a slave is polled, and what is done with the outcome.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_modbus::ExceptionCode;

use super::line::{Failure, Line};
use super::registers::{self, GAP_MAX, Request};
use super::{ModbusStatus, Polled};
use crate::config::Modbus;
use crate::model::{Millis, Value, unix_millis};

/// A slave that does not answer is tried again after at most this long (or its interval, if that is longer).
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// The pause after the first failure, or the interval, if that is longer.
const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// Polls one slave until `stop` turns true or nobody takes the rows any more.
pub async fn poll(
    source: usize,
    settings: Modbus,
    line: Arc<Line>,
    out: mpsc::Sender<Polled>,
    status: Arc<ModbusStatus>,
    mut stop: watch::Receiver<bool>,
) {
    let requests = registers::requests(&settings.registers, GAP_MAX);
    let mut poller = Poller { settings, line, requests };
    tokio::select! {
        // An error means that the one who could stop it is gone.
        _ = stop.wait_for(|stop| *stop) => {}
        () = poller.run(source, &out, &status) => {}
    }
}

struct Poller {
    settings: Modbus,
    line: Arc<Line>,
    requests: Vec<Request>,
}

impl Poller {
    async fn run(&mut self, source: usize, out: &mpsc::Sender<Polled>, status: &ModbusStatus) {
        let interval = self.settings.interval.max(Duration::from_millis(1));
        let mut due = Instant::now() + until_aligned(wall_millis(), interval);
        let mut failures = 0u32;
        loop {
            tokio::time::sleep_until(due).await;
            if out.is_closed() {
                return;
            }
            if out.capacity() == 0 {
                status.skipped.fetch_add(1, Ordering::Relaxed);
                due = next_due(due, interval, Instant::now()).0;
                continue;
            }
            match self.read_all().await {
                Ok(values) => {
                    self.succeeded(source, values, out, status);
                    failures = 0;
                    let (next, overrun) = next_due(due, interval, Instant::now());
                    status.overrun.fetch_add(overrun, Ordering::Relaxed);
                    due = next;
                }
                Err(failure) => {
                    self.failed(&failure, failures == 0, status);
                    failures = failures.saturating_add(1);
                    due = next_due(due, interval, Instant::now() + backoff(interval, failures, random())).0;
                }
            }
        }
    }

    async fn read_all(&mut self) -> Result<Vec<Value>, Failure> {
        match self.read_requests().await {
            // Some slaves refuse registers that they do not have: then the gaps are left out from now on.
            Err(Failure::Exception { code: ExceptionCode::IllegalDataAddress, .. }) if self.reads_gaps() => {
                self.requests = registers::requests(&self.settings.registers, 0);
                self.read_requests().await
            }
            result => result,
        }
    }

    async fn read_requests(&self) -> Result<Vec<Value>, Failure> {
        let Modbus { unit, timeout, registers, .. } = &self.settings;
        let mut answers = Vec::with_capacity(self.requests.len());
        for request in &self.requests {
            answers.push(self.line.read(*unit, *timeout, *request).await?);
        }
        let too_short = || Failure::Malformed("the answer is shorter than what was asked for".to_owned());
        registers::values(registers, &self.requests, &answers).ok_or_else(too_short)
    }

    fn reads_gaps(&self) -> bool {
        self.requests != registers::requests(&self.settings.registers, 0)
    }

    fn succeeded(&self, source: usize, values: Vec<Value>, out: &mpsc::Sender<Polled>, status: &ModbusStatus) {
        let arrival = wall_millis();
        if status.succeeded(arrival) {
            let Modbus { host, port, unit, .. } = &self.settings;
            log::info!("Modbus slave {host}:{port} unit {unit} answers");
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = out.try_send(Polled { source, arrival, values }) {
            status.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn failed(&self, failure: &Failure, is_first: bool, status: &ModbusStatus) {
        if is_first {
            let Modbus { host, port, unit, .. } = &self.settings;
            log::warn!("Modbus slave {host}:{port} unit {unit}: {failure}; it is tried again");
        }
        status.failed(failure);
    }
}

fn wall_millis() -> Millis {
    unix_millis(SystemTime::now())
}

/// Until the wall clock is a multiple of the interval.
fn until_aligned(wall: Millis, interval: Duration) -> Duration {
    let past_ns = i128::from(wall) * 1_000_000 % interval.as_nanos() as i128;
    interval.saturating_sub(Duration::from_nanos(u64::try_from(past_ns).unwrap_or(0)))
}

/// The first multiple of the interval after `due` that is not before `not_before`, and how many lie between.
fn next_due(due: Instant, interval: Duration, not_before: Instant) -> (Instant, u64) {
    let next = due + interval;
    let late = not_before.saturating_duration_since(next).as_nanos();
    let left_out = u32::try_from(late.div_ceil(interval.as_nanos())).unwrap_or(u32::MAX);
    (next + interval.saturating_mul(left_out), u64::from(left_out))
}

/// Doubles with each failure; `random` in 0..=1 spreads it over the upper half.
fn backoff(interval: Duration, failures: u32, random: f64) -> Duration {
    let first = interval.max(BACKOFF_MIN);
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(BACKOFF_MAX.max(interval));
    doubled / 2 + (doubled / 2).mul_f64(random)
}

fn random() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_u128() as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn polls_stay_on_their_grid() {
        let due = Instant::now();
        assert_eq!(next_due(due, SECOND, due), (due + SECOND, 0));
        assert_eq!(next_due(due, SECOND, due + SECOND), (due + SECOND, 0));
        assert_eq!(next_due(due, SECOND, due + SECOND.mul_f64(1.2)), (due + SECOND * 2, 1));
        assert_eq!(next_due(due, SECOND, due + SECOND.mul_f64(3.5)), (due + SECOND * 4, 3));
    }

    #[test]
    fn the_first_poll_is_on_the_wall_clocks_grid() {
        assert_eq!(until_aligned(10_250, SECOND), Duration::from_millis(750));
        assert_eq!(until_aligned(10_000, SECOND), SECOND);
    }

    #[test]
    fn the_back_off_doubles_up_to_a_minute() {
        let pauses: Vec<u128> = (1..=8).map(|failures| backoff(SECOND, failures, 1.0).as_secs().into()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(SECOND, 3, 0.0), SECOND * 2);
        assert_eq!(backoff(SECOND * 600, u32::MAX, 1.0), SECOND * 600);
    }
}
