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
const WINDOW: usize = 100;
const ROUNDS: usize = 3;

#[derive(Clone, Copy)]
struct Run {
    per_second: f64,
    cpu_us: f64,
}

/// QoS 1, which is what devices should use.
pub fn compare() {
    head("QoS 1, into a source");
    for publishers in [1, 10, 100] {
        side_by_side(&format!("{publishers} publishers"), &|server| publish(server, publishers, 1, false));
    }
}

/// The other qualities, fan-out, fan-in, TLS, and new connections.
pub fn compare_the_rest() {
    head("other qualities, into a source; at QoS 0 what was taken in, which is known by the PINGRESP behind it");
    for qos in [0, 2] {
        for publishers in [1, 10, 100] {
            let name = format!("QoS {qos}, {publishers} publishers");
            side_by_side(&name, &|server| publish(server, publishers, qos, false));
        }
    }
    head("QoS 1 over TLS 1.3");
    for publishers in [1, 10, 100] {
        side_by_side(&format!("{publishers} publishers"), &|server| publish(server, publishers, 1, true));
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

fn load(server: &Server, publishers: usize, qos: u8, tls: bool) -> Load {
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
    let authority = server.authority();
    let stream = || match tls {
        false => TcpStream::connect(server.plain).map(Stream::Plain),
        true => Stream::tls(TcpStream::connect(server.tls)?, &authority),
    };
    Load::over(&stream, publishers, qos, WINDOW, &topic, &mut payload).expect("the broker takes us")
}

fn publish(server: &Server, publishers: usize, qos: u8, tls: bool) -> Run {
    let mut load = load(server, publishers, qos, tls);
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
    let mut load = load(server, publishers, 1, false);
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
