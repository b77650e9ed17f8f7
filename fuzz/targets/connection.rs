//! Whole connections: a running broker on a loopback socket, with its store in memory, whose every answer must be a
//! packet that servers send, and which must let go of a connection that is gone.
//!
//! The first byte chooses: bit 0 the version, bit 1 a session, bit 2 that the rest is all there is (no CONNECT before it).
#![no_main]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tidegate::broker::{Broker, Hub, Inbound, Item, Restored, TrustedClock};
use tidegate::config::{Address, Outside, load};
use tidegate::model::{After, Now};
use tidegate::store::{self, Commit, Store};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

const CONFIGURATION: &str = r#"
[gateway]
id = "fuzz"
region = "here"
data_dir = "/nonexistent"

[[broker.listener]]
bind = "127.0.0.1:0"
protocol = "mqtt"

[broker]
connections_per_second_max = 1000000
sessions_max = 20
"#;

struct Server {
    broker: Broker,
    address: SocketAddr,
    /// Kept: dropping it would stop the broker.
    _stop: watch::Sender<bool>,
    _runtime: Runtime,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    // A panic in a task is caught by the runtime; here it is what is looked for.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
    let outside = Outside { variable: &|_| None, credential: &|_| Err("none".to_owned()) };
    let settings = load(CONFIGURATION, "fuzz.toml", outside).expect("a right configuration");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let directory = std::path::Path::new("/dev/shm").join(format!("tidegate-fuzz-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let (store, opened) = Store::open(store_settings(&directory)).expect("a store");
    let kept = (Restored::read(&store, &opened).expect("an empty store"), store.reader().expect("a reader"));
    let (to_pipeline, inbound) = mpsc::channel::<Inbound>(64);
    let (stop, stopped) = watch::channel(false);
    let clock: TrustedClock = Arc::new(|| None);
    let started = runtime.block_on(Broker::start(&settings.broker, clock, kept, to_pipeline, stopped));
    let (broker, hub) = started.expect("a loopback port");
    let Address::Ip(address) = broker.addresses()[0].clone() else { panic!("it listens on TCP") };
    std::thread::spawn(move || pipeline(hub, store, inbound));
    Server { broker, address, _stop: stop, _runtime: runtime }
});

fn store_settings(data_dir: &std::path::Path) -> store::Settings {
    store::Settings {
        data_dir: data_dir.to_owned(),
        size_max_bytes: 64 << 20,
        commit_interval: Duration::ZERO,
        logs: Vec::new(),
        faults: store::Faults::default(),
    }
}

/// What the daemon's pipeline does, without sources: each turn is a tick, committed before anything is answered.
fn pipeline(mut hub: Hub, mut store: Store, mut inbound: mpsc::Receiver<Inbound>) {
    let wall =
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_millis() as i64);
    while let Some(first) = inbound.blocking_recv() {
        let mut taken = vec![first];
        while let Ok(next) = inbound.try_recv() {
            taken.push(next);
        }
        loop {
            let mut all = hub.begin(Instant::now(), Now { millis: wall(), trusted: true, after: After::Tick });
            all.append(&mut taken);
            let mut acks = Vec::new();
            for Inbound { connection, items } in all {
                let count = items.len();
                for item in items {
                    match item {
                        Item::Control(control) => hub.take(&connection, control),
                        Item::Publish(publish) => {
                            hub.publish(&connection, &publish);
                        }
                    }
                }
                acks.push((connection, count));
            }
            let finished = hub.finish(true, false);
            let commit = Commit { rows: finished.rows, meta: finished.meta, ..Commit::default() };
            store.commit(&commit).expect("there is room");
            finished.after.release();
            acks.into_iter().for_each(|(connection, count)| connection.committed(count));
            if !hub.has_more() {
                break;
            }
        }
    }
}

fn connect(choice: u8) -> &'static [u8] {
    match choice & 3 {
        0 => b"\x10\x0D\0\x04MQTT\x04\x02\0\0\0\x01f",
        1 => b"\x10\x0E\0\x04MQTT\x05\x02\0\0\0\0\x01f",
        2 => b"\x10\x0D\0\x04MQTT\x04\0\0\0\0\x01s",
        _ => b"\x10\x13\0\x04MQTT\x05\0\0\0\x05\x11\0\0\0\xFF\0\x01s",
    }
}

/// The length of the first packet, which must be whole and of a kind that servers send.
fn packet(bytes: &[u8]) -> usize {
    let known =
        matches!(bytes[0], 0x20 | 0x30..=0x35 | 0x3A..=0x3D | 0x40 | 0x50 | 0x62 | 0x70 | 0x90 | 0xB0 | 0xD0 | 0xE0);
    assert!(known, "the server sent {:#x}", bytes[0]);
    let (mut length, mut at) = (0usize, 1);
    loop {
        length |= usize::from(bytes[at] & 0x7F) << (7 * (at - 1));
        at += 1;
        if bytes[at - 1] & 0x80 == 0 {
            return at + length;
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let server = &*SERVER;
    let mut socket = TcpStream::connect(server.address).expect("it accepts");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("an option of the socket");
    let head = if choice & 4 == 0 { connect(*choice) } else { &[] };
    // It may end the connection at any byte.
    let _ = socket.write_all(&[head, bytes].concat());
    let _ = socket.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    if socket.read_to_end(&mut answers).is_ok() {
        let mut rest = &answers[..];
        while !rest.is_empty() {
            rest = &rest[packet(rest)..];
        }
    }
    drop(socket);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let held = server.broker.metrics();
        if held.sockets + held.connections + held.inflight_bytes + held.partial_bytes == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "held for a connection that is gone: {held:?}");
        std::thread::yield_now();
    }
});
