//! What connections cost that do nothing, how long an acknowledgement takes, and whether one client suffers from others.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::mqtt::{self, Stream};
use crate::paced::{Latencies, Paced};
use crate::peers::{Peer, Server};
use crate::{process, run_length};

const IDLE: usize = 10_000;
const PUBLISHERS: usize = 10;
/// As many as the hostile ones are.
const NEIGHBOURS: usize = 500 + 2_000 + 20 + 1 + 1;

pub fn measure() {
    idle();
    println!("\nfrom when a message was due to its PUBACK, QoS 1, {PUBLISHERS} publishers, ms");
    println!("{:>28} | {:>9} | {:>9} | {:>9}", "", "p50", "p99", "p99.9");
    for per_second in [1_000, 20_000] {
        for (name, peer) in [("mosquitto", Peer::Mosquitto), ("tidegate, fsynced", Peer::Tidegate)] {
            let server = Server::start(peer);
            print_latencies(&format!("{name}, {per_second}/s"), &latencies(&server, per_second));
        }
    }
    neighbours();
}

fn print_latencies(name: &str, latencies: &Latencies) {
    let ms = |share| latencies.at(share).as_secs_f64() * 1e3;
    println!("{name:>28} | {:>9.3} | {:>9.3} | {:>9.3}", ms(0.5), ms(0.99), ms(0.999));
}

fn latencies(server: &Server, per_second: u64) -> Latencies {
    let mut paced = Paced::connect(server.plain, PUBLISHERS).expect("the broker takes us");
    paced.run(Duration::from_secs(1), per_second).expect("warming up");
    paced.run(run_length(), per_second).expect("the broker acknowledges")
}

fn connect(server: &Server, id: &str) -> Stream {
    mqtt::open(Stream::Plain(TcpStream::connect(server.plain).expect("it listens")), id).expect("it takes us")
}

/// Memory of connections that were made and say nothing, then of the same once each has subscribed to a topic of its own.
fn idle() {
    println!("\n{IDLE} connections that say nothing, memory of each");
    println!("{:>28} | {:>12} | {:>12}", "", "connected", "subscribed");
    for (name, peer) in [("mosquitto", Peer::Mosquitto), ("tidegate", Peer::Tidegate)] {
        let server = Server::start(peer);
        drop(connect(&server, "first"));
        let before = process::rss_mib(server.pid());
        let mut streams: Vec<Stream> = (0..IDLE).map(|number| connect(&server, &format!("idle-{number}"))).collect();
        let connected = process::rss_mib(server.pid());
        for (number, stream) in streams.iter_mut().enumerate() {
            mqtt::subscribe(stream, &format!("idle/{number}/commands")).expect("it lets us subscribe");
        }
        let subscribed = process::rss_mib(server.pid());
        let each = |mib: f64| (mib - before) * 1024.0 / IDLE as f64;
        println!("{name:>28} | {:>8.2} KiB | {:>8.2} KiB", each(connected), each(subscribed));
    }
}

/// Clients that behave, alone, among as many that are quiet, and among those that do not behave.
fn neighbours() {
    println!(
        "\ntidegate at 1,000/s: alone; among {NEIGHBOURS} that connected and say nothing; among 500 half-sent CONNECTs,"
    );
    println!("2,000 idle clients, 20 subscribers to # that never read, one client with 10,000 filters, and a storm of");
    println!("takeovers, which are as many; ms");
    println!("{:>28} | {:>9} | {:>9} | {:>9} | RSS", "", "p50", "p99", "p99.9");
    let server = Server::start(Peer::Tidegate);
    let alone = latencies(&server, 1_000);
    let rss = |server: &Server| process::rss_mib(server.pid());
    print_row("alone", &alone, rss(&server));
    let quiet: Vec<Stream> = (0..NEIGHBOURS).map(|number| connect(&server, &format!("quiet-{number}"))).collect();
    let among = latencies(&server, 1_000);
    print_row("among quiet ones", &among, rss(&server));
    drop((quiet, server));
    let server = Server::start(Peer::Tidegate);
    latencies(&server, 1_000);
    let hostile = Hostile::start(&server);
    let idle: Vec<Stream> = (0..2_000).map(|number| connect(&server, &format!("idle-{number}"))).collect();
    let among = latencies(&server, 1_000);
    print_row("among them", &among, rss(&server));
    drop((hostile, idle));
}

fn print_row(name: &str, latencies: &Latencies, rss: f64) {
    let ms = |share| latencies.at(share).as_secs_f64() * 1e3;
    println!("{name:>28} | {:>9.3} | {:>9.3} | {:>9.3} | {rss:.1} MiB", ms(0.5), ms(0.99), ms(0.999));
}

/// Those who hold on to what they have begun, and a thread that takes over one session again and again.
struct Hostile {
    stop: Arc<AtomicBool>,
    storm: Option<std::thread::JoinHandle<()>>,
    _held: Vec<Stream>,
}

impl Hostile {
    fn start(server: &Server) -> Hostile {
        let mut held = Vec::new();
        for _ in 0..500 {
            let mut half = TcpStream::connect(server.plain).expect("it listens");
            std::io::Write::write_all(&mut half, &[0x10, 40, 0, 4, b'M', b'Q']).expect("it reads");
            held.push(Stream::Plain(half));
        }
        for number in 0..20 {
            let mut stream = connect(server, &format!("deaf-{number}"));
            mqtt::subscribe(&mut stream, "#").expect("it lets us subscribe");
            held.push(stream);
        }
        let mut many = connect(server, "many");
        let taken = (0..10_000).take_while(|n| mqtt::subscribe(&mut many, &format!("a/{n}/+/b/#")).is_ok()).count();
        println!("{:>28} | {taken} of 10,000 filters were taken", "");
        held.push(many);
        let (stop, address) = (Arc::new(AtomicBool::new(false)), server.plain);
        let stopped = Arc::clone(&stop);
        let storm = std::thread::spawn(move || {
            let mut last = None;
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                if let Ok(socket) = TcpStream::connect(address) {
                    last = mqtt::open(Stream::Plain(socket), "contended").ok();
                }
                // A storm of 500 a second, so that it is the broker that is measured and not this thread.
                std::thread::sleep(Duration::from_millis(2).saturating_sub(start.elapsed()));
            }
            drop(last);
        });
        Hostile { stop, storm: Some(storm), _held: held }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(storm) = self.storm.take() {
            let _ = storm.join();
        }
    }
}
