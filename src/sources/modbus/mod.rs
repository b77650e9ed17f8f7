//! The Modbus TCP poller: one task a slave, each with its own connection, back-off and state.
//!
//! Polls are aligned to the interval, so they neither drift nor come in a burst after a stall. A slave that does not
//! answer, answers with an exception or with nonsense is tried again after a growing pause; the others go on.

mod registers;
#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_modbus::client::{Context, Reader, tcp};
use tokio_modbus::slave::Slave;

use crate::config::{Modbus, RegisterTable};
use crate::model::{Millis, Value};
use registers::{Answer, Request};

/// A slave that does not answer is tried again after at most this long.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

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
    connection_failures: AtomicU64,
    /// Polls that came while the pipeline took nothing.
    skipped: AtomicU64,
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
        each("exceptions", "Answers that were exceptions or nonsense.", read(&self.exceptions));
        each("connection_failures", "Connections that failed or broke.", read(&self.connection_failures));
        each("skipped", "Polls skipped while the pipeline took nothing.", read(&self.skipped));
        each("last_success_seconds", "Unix time of the last answer.", read(&self.last_success_ms) / 1e3);
    }

    fn failed(&self, failure: &Failure) {
        let counter = match failure {
            Failure::Timeout(_) => &self.timeouts,
            Failure::Exception(_) => &self.exceptions,
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

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("{0}")]
    Exception(String),
    #[error("{0}")]
    Connection(String),
}

/// Polls one slave until `stop` turns true or nobody takes the rows any more.
pub async fn poll(
    source: usize,
    settings: Modbus,
    out: mpsc::Sender<Polled>,
    status: Arc<ModbusStatus>,
    mut stop: watch::Receiver<bool>,
) {
    let requests = registers::requests(&settings.registers);
    let mut connection: Option<Context> = None;
    let mut failures = 0u32;
    while !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(pause(&settings, failures)) => {}
            _ = stop.changed() => continue,
        }
        match poll_once(&settings, &requests, &mut connection).await {
            Ok(values) => {
                let arrival = wall_millis();
                if status.succeeded(arrival) {
                    log::info!("Modbus slave {}:{} unit {} answers", settings.host, settings.port, settings.unit);
                }
                failures = 0;
                match out.try_send(Polled { source, arrival, values }) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => drop(status.skipped.fetch_add(1, Ordering::Relaxed)),
                    Err(mpsc::error::TrySendError::Closed(_)) => return,
                }
            }
            Err(failure) => {
                // A half-read answer must not be taken for the next one's.
                connection = None;
                if failures == 0 {
                    let Modbus { host, port, unit, .. } = &settings;
                    log::warn!("Modbus slave {host}:{port} unit {unit}: {failure}; it is tried again");
                }
                status.failed(&failure);
                failures = failures.saturating_add(1);
            }
        }
    }
}

/// Until the next multiple of the interval; after failures a longer, jittered pause.
fn pause(settings: &Modbus, failures: u32) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let interval = settings.interval.max(Duration::from_millis(1));
    let aligned = Duration::from_nanos((interval.as_nanos() - now.as_nanos() % interval.as_nanos()) as u64);
    if failures == 0 {
        return aligned;
    }
    let doubled = interval.saturating_mul(1 << failures.min(10)).min(BACKOFF_MAX.max(interval));
    // The clock's last digits are jitter enough to keep slaves from being tried all at once.
    doubled / 2 + doubled.mul_f64(f64::from(now.subsec_nanos() % 1_000) / 2_000.0)
}

async fn poll_once(
    settings: &Modbus,
    requests: &[Request],
    connection: &mut Option<Context>,
) -> Result<Vec<Value>, Failure> {
    let patience = settings.timeout;
    let context = match connection {
        Some(context) => context,
        None => {
            let address = (settings.host.as_str(), settings.port);
            let socket = timeout(patience, TcpStream::connect(address))
                .await
                .map_err(|_| Failure::Timeout(patience))?
                .map_err(|error| Failure::Connection(error.to_string()))?;
            connection.insert(tcp::attach_slave(socket, Slave(settings.unit)))
        }
    };
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        let answer = timeout(patience, ask(context, *request)).await.map_err(|_| Failure::Timeout(patience))??;
        answers.push(answer);
    }
    registers::values(&settings.registers, requests, &answers)
        .ok_or_else(|| Failure::Exception("the answer is shorter than what was asked for".to_owned()))
}

async fn ask(context: &mut Context, request: Request) -> Result<Answer, Failure> {
    let Request { table, address, count } = request;
    let outcome = match table {
        RegisterTable::Holding => context.read_holding_registers(address, count).await.map(|r| r.map(Answer::Words)),
        RegisterTable::Input => context.read_input_registers(address, count).await.map(|r| r.map(Answer::Words)),
        RegisterTable::Coil => context.read_coils(address, count).await.map(|r| r.map(Answer::Bits)),
        RegisterTable::Discrete => context.read_discrete_inputs(address, count).await.map(|r| r.map(Answer::Bits)),
    };
    match outcome {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(exception)) => Err(Failure::Exception(format!("{exception} (reading {count} from {address})"))),
        Err(tokio_modbus::Error::Transport(error)) => Err(Failure::Connection(error.to_string())),
        Err(error) => Err(Failure::Exception(error.to_string())),
    }
}

fn wall_millis() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}
