//! One TCP connection for all slaves of one host and port: they take turns on it, one request each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{ExceptionCode, Request as Call, Response};

use super::registers::{Answer, Request};
use crate::config::{Modbus, RegisterTable};

/// The lines by host and port.
#[derive(Default)]
pub struct Lines {
    lines: BTreeMap<(String, u16), Arc<Line>>,
}

/// A host and port, and the connection to it while there is one.
pub struct Line {
    host: String,
    port: u16,
    connection: Mutex<Connection>,
}

#[derive(Default)]
struct Connection {
    /// Taken out while a request is under way: whoever gives up leaves no half-read answer to the next.
    context: Option<Context>,
    /// The last attempt to connect, if it failed.
    failed: Option<(Instant, String)>,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("{code} (reading {} from {})", request.count, request.address)]
    Exception { code: ExceptionCode, request: Request },
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    Connection(String),
}

impl Lines {
    /// The line that leads to this slave.
    pub fn of(&mut self, slave: &Modbus) -> Arc<Line> {
        let key = (slave.host.clone(), slave.port);
        let line = || Line { host: slave.host.clone(), port: slave.port, connection: Mutex::default() };
        Arc::clone(self.lines.entry(key).or_insert_with(|| Arc::new(line())))
    }
}

impl Line {
    /// One request to one slave; waits its turn first. `patience` is for the connection and for the answer, each.
    pub(super) async fn read(&self, unit: u8, patience: Duration, request: Request) -> Result<Answer, Failure> {
        let mut connection = self.connection.lock().await;
        if let Some(context) = connection.context.take() {
            match exchange(context, unit, patience, request).await {
                (Some(context), result) => {
                    connection.context = Some(context);
                    return result;
                }
                // Slaves close connections that were idle for a while; that is no failure yet.
                (None, Err(Failure::Connection(_))) => {}
                (None, result) => return result,
            }
        }
        let context = self.connect(&mut connection, patience).await?;
        let (context, result) = exchange(context, unit, patience, request).await;
        connection.context = context;
        result
    }

    async fn connect(&self, connection: &mut Connection, patience: Duration) -> Result<Context, Failure> {
        // The next slave in the queue does not wait for a dead host once more.
        if let Some((at, error)) = &connection.failed {
            if at.elapsed() < patience {
                return Err(Failure::Connection(error.clone()));
            }
        }
        let error = match timeout(patience, TcpStream::connect((self.host.as_str(), self.port))).await {
            Ok(Ok(socket)) => {
                // One small packet a request: it must not wait for more. Where that cannot be set, it works all the same.
                let _ = socket.set_nodelay(true);
                connection.failed = None;
                return Ok(tcp::attach(socket));
            }
            Ok(Err(error)) => format!("cannot connect: {error}"),
            Err(_) => format!("cannot connect within {patience:?}"),
        };
        connection.failed = Some((Instant::now(), error.clone()));
        Err(Failure::Connection(error))
    }
}

/// Asks and waits. The connection comes back if it can be used again.
async fn exchange(
    mut context: Context,
    unit: u8,
    patience: Duration,
    request: Request,
) -> (Option<Context>, Result<Answer, Failure>) {
    context.set_slave(Slave(unit));
    let result = match timeout(patience, ask(&mut context, request)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::Timeout(patience)),
    };
    let usable = matches!(result, Ok(_) | Err(Failure::Exception { .. }));
    (usable.then_some(context), result)
}

async fn ask(context: &mut Context, request: Request) -> Result<Answer, Failure> {
    let Request { table, address, count } = request;
    let call = match table {
        RegisterTable::Holding => Call::ReadHoldingRegisters(address, count),
        RegisterTable::Input => Call::ReadInputRegisters(address, count),
        RegisterTable::Coil => Call::ReadCoils(address, count),
        RegisterTable::Discrete => Call::ReadDiscreteInputs(address, count),
    };
    let response = match context.call(call).await {
        Ok(Ok(response)) => response,
        Ok(Err(code)) => return Err(Failure::Exception { code, request }),
        Err(tokio_modbus::Error::Protocol(_)) => {
            return Err(Failure::Malformed("the answer is one to another request".to_owned()));
        }
        Err(tokio_modbus::Error::Transport(error)) => return Err(broken(&error)),
    };
    let asked = usize::from(count);
    match response {
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) if words.len() == asked => {
            Ok(Answer::Words(words))
        }
        // Bits come in whole bytes.
        Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) if bits.len() == asked.next_multiple_of(8) => {
            Ok(Answer::Bits(bits))
        }
        _ => Err(Failure::Malformed(format!("the answer does not hold the {count} values that were asked for"))),
    }
}

fn broken(error: &std::io::Error) -> Failure {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error.kind() {
        InvalidData | InvalidInput | UnexpectedEof => Failure::Malformed(format!("the answer is no Modbus: {error}")),
        // At the end of the stream the client gives whatever errno last was.
        _ => Failure::Connection("the connection broke".to_owned()),
    }
}
