//! The poller against real TCP slaves of our own making.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::*;
use crate::config::{Encoding, Modbus, Register, RegisterTable, WordOrder};
use crate::model::DataType;

const PATIENCE: Duration = Duration::from_secs(30);

/// How a slave behaves; changed while it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Mood {
    /// Register n holds n; coil n is on where n is odd.
    Answers = 0,
    Silent = 1,
    Exception = 2,
    WrongTransaction = 3,
    Half = 4,
    HangsUp = 5,
    /// Answers only reads of one register.
    NoGaps = 6,
    /// Answers, then hangs up.
    AnswersOnce = 7,
    TooLong = 8,
    /// Unit 2 is silent.
    OneUnitSilent = 9,
}

struct Slave {
    port: u16,
    mood: Arc<AtomicU8>,
    connections: Arc<AtomicUsize>,
}

impl Slave {
    async fn start(mood: Mood) -> Slave {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(AtomicU8::new(mood as u8));
        let shared = Arc::clone(&mood);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        Slave { port, mood, connections }
    }

    fn change(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    fn settings(&self, registers: Vec<Register>) -> Modbus {
        Modbus {
            host: "127.0.0.1".into(),
            port: self.port,
            unit: 1,
            interval: Duration::from_millis(20),
            timeout: Duration::from_millis(200),
            device: "press".into(),
            registers,
        }
    }
}

async fn serve(mut socket: TcpStream, mood: Arc<AtomicU8>) -> std::io::Result<()> {
    loop {
        let mut request = [0; 12];
        socket.read_exact(&mut request).await?;
        let (function, address, count) =
            (request[7], u16::from_be_bytes([request[8], request[9]]), u16::from_be_bytes([request[10], request[11]]));
        let mood = mood.load(Ordering::SeqCst);
        let data: Vec<u8> = if function <= 2 {
            let mut bits = vec![0u8; usize::from(count).div_ceil(8)];
            (0..count).filter(|i| (address + i) % 2 == 1).for_each(|i| bits[usize::from(i / 8)] |= 1 << (i % 8));
            bits
        } else {
            (0..count).flat_map(|i| (address + i).to_be_bytes()).collect()
        };
        let mut answer = request[..4].to_vec();
        if mood == Mood::WrongTransaction as u8 {
            answer[1] ^= 0x55;
        }
        let refuses = mood == Mood::Exception as u8 || (mood == Mood::NoGaps as u8 && count > 1);
        if refuses {
            answer.extend([0, 3, request[6], function | 0x80, 2]);
        } else {
            let data = if mood == Mood::TooLong as u8 { [data.as_slice(), &[0; 2]].concat() } else { data };
            answer.extend((data.len() as u16 + 3).to_be_bytes());
            answer.extend([request[6], function, data.len() as u8]);
            answer.extend(data);
        }
        match mood {
            m if m == Mood::Silent as u8 => continue,
            m if m == Mood::OneUnitSilent as u8 && request[6] == 2 => continue,
            m if m == Mood::AnswersOnce as u8 => {
                socket.write_all(&answer).await?;
                return Ok(());
            }
            m if m == Mood::HangsUp as u8 => return Ok(()),
            m if m == Mood::Half as u8 => socket.write_all(&answer[..answer.len() / 2]).await?,
            _ => socket.write_all(&answer).await?,
        }
    }
}

fn register(table: RegisterTable, address: u16, encoding: Encoding) -> Register {
    let data_type = if encoding == Encoding::Bool { DataType::Boolean } else { DataType::Int };
    Register { name: "r".into(), table, address, encoding, order: WordOrder::Abcd, scale: 1.0, data_type }
}

fn start(source: usize, settings: Modbus) -> (mpsc::Receiver<Polled>, Arc<ModbusStatus>, watch::Sender<bool>) {
    let (out, rows) = mpsc::channel(1_000);
    let (stop, stopped) = watch::channel(false);
    let status = Arc::new(ModbusStatus::default());
    let line = Lines::default().of(&settings);
    tokio::spawn(poll(source, settings, line, out, Arc::clone(&status), stopped));
    (rows, status, stop)
}

async fn next(rows: &mut mpsc::Receiver<Polled>) -> Polled {
    timeout(PATIENCE, rows.recv()).await.expect("in time").expect("the poller runs")
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

#[tokio::test]
async fn every_table_is_read() {
    let slave = Slave::start(Mood::Answers).await;
    let registers = vec![
        register(RegisterTable::Holding, 300, Encoding::Uint16),
        register(RegisterTable::Input, 7, Encoding::Int16),
        register(RegisterTable::Coil, 13, Encoding::Bool),
        register(RegisterTable::Discrete, 4, Encoding::Bool),
    ];
    let (mut rows, status, _stop) = start(3, slave.settings(registers));
    let polled = next(&mut rows).await;
    assert_eq!(polled.source, 3);
    assert_eq!(polled.values, [Value::Int(300), Value::Int(7), Value::Boolean(true), Value::Boolean(false)]);
    assert_eq!(status.describe(), "answers");
}

#[tokio::test]
async fn a_slave_in_trouble_backs_off_alone_and_comes_back() {
    let healthy = Slave::start(Mood::Answers).await;
    let registers = || vec![register(RegisterTable::Holding, 1, Encoding::Uint16)];
    let (mut healthy_rows, healthy_status, _stop) = start(0, healthy.settings(registers()));
    for trouble in [Mood::Silent, Mood::Exception, Mood::WrongTransaction, Mood::Half, Mood::HangsUp, Mood::TooLong] {
        let slave = Slave::start(trouble).await;
        let (mut rows, status, _stop) = start(1, slave.settings(registers()));
        let failures = || {
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            [&status.timeouts, &status.exceptions, &status.malformed, &status.connection_failures]
                .map(count)
                .iter()
                .sum::<u64>()
        };
        until("two failures", || failures() >= 2).await;
        assert!(rows.try_recv().is_err(), "nothing is made up");
        assert!(status.describe().starts_with("does not answer"), "{}", status.describe());
        let before = healthy_status.polls.load(Ordering::Relaxed);
        until("the other slave", || healthy_status.polls.load(Ordering::Relaxed) > before).await;
        slave.change(Mood::Answers);
        assert_eq!(next(&mut rows).await.values, [Value::Int(1)]);
    }
    assert_eq!(next(&mut healthy_rows).await.values, [Value::Int(1)]);
    assert_eq!(healthy_status.timeouts.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn polls_are_skipped_and_counted_while_nobody_takes_them() {
    let slave = Slave::start(Mood::Answers).await;
    let (out, mut rows) = mpsc::channel(1);
    let (_stop, stopped) = watch::channel(false);
    let status = Arc::new(ModbusStatus::default());
    let settings = slave.settings(vec![register(RegisterTable::Holding, 1, Encoding::Uint16)]);
    let line = Lines::default().of(&settings);
    tokio::spawn(poll(0, settings, line, out, Arc::clone(&status), stopped));
    until("skipped polls", || status.skipped.load(Ordering::Relaxed) >= 3).await;
    // A poll that nobody would take is not made.
    assert_eq!(status.polls.load(Ordering::Relaxed), 1);
    assert!(rows.try_recv().is_ok());
    next(&mut rows).await;
}

#[tokio::test]
async fn slaves_of_one_address_share_a_connection() {
    let slave = Slave::start(Mood::OneUnitSilent).await;
    let mut lines = Lines::default();
    let (out, mut rows) = mpsc::channel(1_000);
    let (_stop, stopped) = watch::channel(false);
    let mut statuses = Vec::new();
    for unit in [1, 2, 3] {
        let settings = Modbus { unit, ..slave.settings(vec![register(RegisterTable::Holding, 1, Encoding::Uint16)]) };
        let status = Arc::new(ModbusStatus::default());
        let line = lines.of(&settings);
        tokio::spawn(poll(usize::from(unit), settings, line, out.clone(), Arc::clone(&status), stopped.clone()));
        statuses.push(status);
    }
    until("the silent unit", || statuses[1].timeouts.load(Ordering::Relaxed) >= 2).await;
    for status in [&statuses[0], &statuses[2]] {
        let before = status.polls.load(Ordering::Relaxed);
        until("the other units", || status.polls.load(Ordering::Relaxed) > before + 2).await;
        assert_eq!(status.timeouts.load(Ordering::Relaxed), 0, "they answer");
    }
    slave.change(Mood::Answers);
    let all_three = async {
        let mut seen = [false; 4];
        while seen[1..] != [true; 3] {
            seen[next(&mut rows).await.source] = true;
        }
    };
    timeout(PATIENCE, all_three).await.expect("all three come");
    // One at first, and a new one after each time-out.
    let timeouts = statuses[1].timeouts.load(Ordering::Relaxed);
    assert!(slave.connections.load(Ordering::SeqCst) as u64 <= 1 + timeouts);
}

#[tokio::test]
async fn a_slave_that_refuses_gaps_is_read_without() {
    let slave = Slave::start(Mood::NoGaps).await;
    let at = |address| register(RegisterTable::Holding, address, Encoding::Uint16);
    let (mut rows, status, _stop) = start(0, slave.settings(vec![at(10), at(13)]));
    assert_eq!(next(&mut rows).await.values, [Value::Int(10), Value::Int(13)]);
    assert_eq!(status.exceptions.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_connection_that_was_closed_in_between_is_no_failure() {
    let slave = Slave::start(Mood::AnswersOnce).await;
    let (mut rows, status, _stop) = start(0, slave.settings(vec![register(RegisterTable::Coil, 3, Encoding::Bool)]));
    for _ in 0..3 {
        assert_eq!(next(&mut rows).await.values, [Value::Boolean(true)]);
    }
    assert_eq!(status.connection_failures.load(Ordering::Relaxed), 0);
    assert!(slave.connections.load(Ordering::SeqCst) >= 3);
}

#[tokio::test]
async fn the_poller_ends_when_it_is_stopped_or_nobody_listens() {
    let slave = Slave::start(Mood::Silent).await;
    let settings = slave.settings(vec![register(RegisterTable::Coil, 3, Encoding::Bool)]);
    let (out, rows) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let status = Arc::new(ModbusStatus::default());
    let start = |out| {
        let line = Lines::default().of(&settings);
        tokio::spawn(poll(0, settings.clone(), line, out, Arc::clone(&status), stopped.clone()))
    };
    let (first, second) = (start(out.clone()), start(out));
    drop(rows);
    timeout(PATIENCE, first).await.expect("nobody listens").unwrap();
    timeout(PATIENCE, second).await.expect("nobody listens").unwrap();
    let (out, _rows) = mpsc::channel(1);
    let third = start(out);
    stop.send(true).unwrap();
    timeout(PATIENCE, third).await.expect("it was stopped").unwrap();
}
