//! Another MQTT broker as the uplink: the real binary against Debian's mosquitto, both ways, with SIGKILLs.

#![allow(clippy::disallowed_methods)] // Tests wait for real processes, with a deadline.

#[path = "../support/device.rs"]
#[allow(dead_code)] // Not every test binary uses all of it.
mod device;
#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/link.rs"]
#[allow(dead_code)] // Not every test binary uses all of it.
mod link;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
#[path = "../support/tls.rs"]
mod tls;

mod crash;
mod incoming;
mod mosquitto_bridge;
mod outgoing;
mod peer;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use device::{Ack, Device};
use gateway::{Gateway, PATIENCE};

/// Each of these tests loads the whole machine, so they take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gateway(directory: &std::path::Path, configuration: &str) -> Gateway {
    Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory, configuration)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Waits until `condition` holds.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A message as a subscriber got it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Got {
    topic: String,
    payload: String,
    retain: bool,
}

/// A subscriber at QoS 0 that comes back whenever its broker does: it never sends an acknowledgement, so that what a
/// broker wrote to it before it was killed can be read to the end.
struct Collector {
    got: Arc<Mutex<Vec<Got>>>,
    subscriptions: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    fn start(address: SocketAddr, filter: &'static str) -> Collector {
        let collector =
            Collector { got: Arc::default(), subscriptions: Arc::default(), stop: Arc::default(), thread: None };
        let (got, subscriptions, stop) =
            (Arc::clone(&collector.got), Arc::clone(&collector.subscriptions), Arc::clone(&collector.stop));
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if collect(address, filter, &got, &subscriptions, &stop).is_err() {
                    thread::sleep(Duration::from_millis(10));
                }
            }
        });
        let collector = Collector { thread: Some(thread), ..collector };
        collector.wait_subscribed(1);
        collector
    }

    /// How often it has subscribed so far.
    fn subscriptions(&self) -> u64 {
        self.subscriptions.load(Ordering::Relaxed)
    }

    fn wait_subscribed(&self, times: u64) {
        wait_until("a subscription", || self.subscriptions() >= times);
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().expect("no test panicked with it").clone()
    }

    fn wait_for(&self, what: &str, condition: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        wait_until(what, || condition(&self.got()));
        self.got()
    }

    /// Ends it and gives everything it got, in order.
    fn finish(mut self) -> Vec<Got> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("started").join().expect("it ends well");
        self.got()
    }
}

fn collect(
    address: SocketAddr,
    filter: &str,
    got: &Mutex<Vec<Got>>,
    subscriptions: &AtomicU64,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut device = Device::connect(address, &format!("collector of {filter}"), true)?;
    let length = (filter.len() as u16).to_be_bytes();
    device.frame(0x82, &[&[0, 1], &length[..], filter.as_bytes(), &[0]].concat());
    device.flush()?;
    device.set_patience(Duration::from_millis(100))?;
    while !stop.load(Ordering::Relaxed) {
        let (first, body) = match device.packet() {
            Ok(packet) => packet,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        match first >> 4 {
            9 => drop(subscriptions.fetch_add(1, Ordering::Relaxed)),
            3 => {
                let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
                let (topic, payload) = (text(&body[2..2 + length]), text(&body[2 + length..]));
                got.lock().expect("no test panicked with it").push(Got { topic, payload, retain: first & 1 == 1 });
            }
            other => panic!("packet type {other}"),
        }
    }
    Ok(())
}

/// Publishes at QoS 1, one by one, each acknowledged.
fn publish(address: SocketAddr, messages: &[(&str, &str)]) {
    let mut device = Device::connect(address, "publisher", true).expect("connected");
    for (topic, payload) in messages {
        device.publish(topic, payload.as_bytes(), 1, 1, false);
        device.flush().expect("sent");
        assert_eq!(device.ack().expect("acknowledged"), Ack::Acknowledged(1));
    }
}
