//! The broker alone, against Debian's mosquitto: the same generator, by turns.
//!
//! Not the same work: mosquitto acknowledges a message that it has thrown away, tidegate one that is on disk.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::load::Load;
use crate::mqtt::{self, Stream};
use crate::peers::{Peer, Server};
use crate::subscribers::Subscribers;
use crate::{process, run_length};

const PAYLOAD_BYTES: usize = 256;

/// What a message holds; both have `PAYLOAD_BYTES`.
#[derive(Clone, Copy)]
enum Payload {
    /// Random digits: what compresses worst of all that is text.
    Hexadecimal,
    /// A reading of eight sensors, each with noise in its digits.
    Json,
}

const WINDOW: usize = 100;
const ROUNDS: usize = 3;

#[derive(Clone, Copy)]
struct Run {
    per_second: f64,
    cpu_us: f64,
}

impl Payload {
    /// A payload from a random number of which much is used.
    fn make(self, random: &mut u64) -> Vec<u8> {
        let mut next = || {
            *random ^= *random << 13;
            *random ^= *random >> 7;
            *random ^= *random << 17;
            *random
        };
        let text = match self {
            Payload::Hexadecimal => (0..PAYLOAD_BYTES / 16).map(|_| format!("{:016x}", next())).collect(),
            Payload::Json => {
                let ts = 1_764_400_000_000 + next() % 60_000;
                let mut around = |name: &str, middle: f64, spread: f64| {
                    let noise = (next() >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
                    format!(r#""{name}":{:.3},"#, middle + spread * noise)
                };
                let mut text = format!(r#"{{"ts":{ts},"line":"press-3","state":"running","#);
                text.push_str(&around("temperature", 70.0, 4.0));
                text.push_str(&around("pressure", 5.5, 0.3));
                text.push_str(&around("vibration", 2.0, 1.9));
                text.push_str(&around("current", 14.0, 5.0));
                text.push_str(&around("voltage", 399.0, 6.0));
                text.push_str(&around("speed", 1500.0, 20.0));
                text.push_str(&around("torque", 211.0, 30.0));
                text.push_str(&around("humidity", 45.0, 2.0));
                let end = r#""firmware":"2.14.0"}"#;
                text.push_str(&" ".repeat(PAYLOAD_BYTES - text.len() - end.len()));
                text + end
            }
        };
        text.into_bytes()
    }
}

/// QoS 1, which is what devices should use.
pub fn compare() {
    for (what, payload) in [("digits", Payload::Hexadecimal), ("JSON", Payload::Json)] {
        head(&format!("QoS 1, into a source, payloads of {what}"));
        for publishers in [1, 10, 100] {
            side_by_side(&format!("{publishers} publishers"), &|server| {
                publish(server, load(server, publishers, 1, false, payload), 1)
            });
        }
    }
}

/// The other qualities, fan-out, fan-in, TLS, and new connections.
pub fn compare_the_rest() {
    head("other qualities, into a source; at QoS 0 what was taken in, which is known by the PINGRESP behind it");
    for qos in [0, 2] {
        for publishers in [1, 10, 100] {
            let name = format!("QoS {qos}, {publishers} publishers");
            side_by_side(&name, &|server| publish(server, digits(server, publishers, qos, false), qos));
        }
    }
    head("QoS 1 over TLS 1.3");
    for publishers in [1, 10, 100] {
        let name = format!("{publishers} publishers");
        side_by_side(&name, &|server| publish(server, digits(server, publishers, 1, true), 1));
    }
    head("deliveries at QoS 0 of messages published at QoS 1");
    side_by_side("1 publisher, 100 subscribers", &|server| deliver(server, 1, 100));
    side_by_side("100 publishers, 1 subscriber", &|server| deliver(server, 100, 1));
    head("connections made and left, one after the other");
    side_by_side("one client", &connect);
}

fn head(what: &str) {
    println!(
        "\n{what}; {PAYLOAD_BYTES} B, window {WINDOW}, medians of {ROUNDS} runs by turns of {:?} each\n\
         {:>28} | {:>23} | {:>23} | ratios",
        run_length(),
        "",
        "mosquitto",
        "tidegate, fsynced"
    );
}

fn side_by_side(name: &str, run: &dyn Fn(&Server) -> Run) {
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(run(&Server::start(Peer::Mosquitto)));
        ours.push(run(&Server::start(Peer::Tidegate)));
    }
    let (theirs, ours) = (median(&theirs), median(&ours));
    println!(
        "{name:>28} | {:>9.0} /s {:>7.2} µs | {:>9.0} /s {:>7.2} µs | {:.2} x as many, {:.2} x the CPU of each",
        theirs.per_second,
        theirs.cpu_us,
        ours.per_second,
        ours.cpu_us,
        ours.per_second / theirs.per_second,
        ours.cpu_us / theirs.cpu_us,
    );
}

fn load(server: &Server, publishers: usize, qos: u8, tls: bool, payload: Payload) -> Load {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut payload = |_: usize, _: usize| payload.make(&mut random);
    let topic = |publisher: usize| format!("bench/{publisher:03}/data");
    let authority = server.authority();
    let stream = || match tls {
        false => TcpStream::connect(server.plain).map(Stream::Plain),
        true => Stream::tls(TcpStream::connect(server.tls)?, &authority),
    };
    Load::over(&stream, publishers, qos, WINDOW, &topic, &mut payload).expect("the broker takes us")
}

fn digits(server: &Server, publishers: usize, qos: u8, tls: bool) -> Load {
    load(server, publishers, qos, tls, Payload::Hexadecimal)
}

fn publish(server: &Server, mut load: Load, qos: u8) -> Run {
    load.run(Duration::from_secs(1)).expect("warming up");
    load.settle().expect("all is acknowledged");
    let (before, taken_before) = (process::usage(server.pid()), server.taken().unwrap_or_default());
    let measured = load.run(run_length()).expect("the broker acknowledges");
    let cpu = process::usage(server.pid()).cpu - before.cpu;
    load.settle().expect("all is acknowledged");
    let messages = match server.taken() {
        // It drops at QoS 0 what comes faster than the disk takes it: that is not counted.
        Some(taken) if qos == 0 => measured.messages.min(taken - taken_before),
        Some(taken) => {
            assert_eq!(taken, load.sent(), "every acknowledged message was taken in");
            measured.messages
        }
        None => measured.messages,
    };
    let per_second = messages as f64 / measured.elapsed.as_secs_f64();
    Run { per_second, cpu_us: cpu.as_secs_f64() * 1e6 / messages as f64 }
}

/// What the subscribers get, whatever a server drops for those that do not keep up.
fn deliver(server: &Server, publishers: usize, subscribers: usize) -> Run {
    let subscribers = Subscribers::start(server.plain, subscribers, "bench/+/data");
    let mut load = digits(server, publishers, 1, false);
    load.run(Duration::from_secs(1)).expect("warming up");
    let (before, got, start) = (process::usage(server.pid()), subscribers.messages(), Instant::now());
    load.run(run_length()).expect("the broker acknowledges");
    let (got, elapsed) = (subscribers.messages() - got, start.elapsed());
    let cpu = process::usage(server.pid()).cpu - before.cpu;
    Run { per_second: got as f64 / elapsed.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / got as f64 }
}

fn connect(server: &Server) -> Run {
    let (before, start, mut count) = (process::usage(server.pid()), Instant::now(), 0_u64);
    while start.elapsed() < run_length() {
        let socket = TcpStream::connect(server.plain).expect("it listens");
        let mut stream = mqtt::open(Stream::Plain(socket), "comes-and-goes").expect("it takes us");
        mqtt::leave(&mut stream).expect("it lets us go");
        count += 1;
    }
    let elapsed = start.elapsed();
    let cpu = process::usage(server.pid()).cpu - before.cpu;
    Run { per_second: count as f64 / elapsed.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / count as f64 }
}

fn median(runs: &[Run]) -> Run {
    let middle = |value: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Run { per_second: middle(|run| run.per_second), cpu_us: middle(|run| run.cpu_us) }
}
