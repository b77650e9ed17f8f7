//! What subscribers are promised, through SIGKILLs at random moments: sessions, QoS 2 at each step of its handshake,
//! retained messages, wills. A model knows what each subscriber must have received.
//!
//! `TIDEGATE_KILLS` and `TIDEGATE_SEED` set how often and at which moments; the seed is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::crash::{After, LAST, Random, Sent, publish};
use crate::device::Device;
use crate::gateway::{Gateway, PATIENCE, metric};
use crate::{alone, number_field, setting};

const CONFIGURATION: &str = r#"
[broker]
queue_messages_max = 1000000
queue_bytes_max = "256MiB"
stored_messages_max = 1000000
stored_bytes_max = "512MiB"

[source.telemetry]
mqtt = "dev/{device}/telemetry"
format = "json"
schema = "n BIGINT, ts TIMESTAMP_LTZ(3)"
event_time = "ts"
"#;

const PUBLISHERS: usize = 2;

/// How a subscriber behaves.
#[derive(Clone, Copy)]
struct Habit {
    name: &'static str,
    filter: &'static str,
    qos: u8,
    /// Its connection breaks after about this many packets.
    packets: u64,
    /// And it stays away about so long.
    away_ms: u64,
}

const SUBSCRIBERS: [Habit; 4] = [
    Habit { name: "steady", filter: "dev/+/telemetry", qos: 1, packets: 100_000, away_ms: 1 },
    Habit { name: "twice", filter: "dev/+/telemetry", qos: 2, packets: 300, away_ms: 20 },
    Habit { name: "absent", filter: "dev/+/telemetry", qos: 2, packets: 2_000, away_ms: 1_500 },
    Habit { name: "wills", filter: "will/+", qos: 2, packets: 40, away_ms: 50 },
];

/// What one subscriber has: payloads in the order in which it got them, by topic.
#[derive(Default)]
struct Got {
    by_topic: BTreeMap<String, Vec<String>>,
    /// QoS 2 packet ids received and not yet released: a client's own part of the handshake, which it keeps.
    held: BTreeSet<u16>,
    sessions: u64,
}

struct Subscriber {
    habit: Habit,
    address: SocketAddr,
    random: Random,
    got: Got,
    subscribed: bool,
}

impl Subscriber {
    /// Comes and goes until it has what `complete` wants.
    fn run(mut self, complete: &dyn Fn(&Got) -> bool) -> Got {
        let deadline = Instant::now() + 10 * PATIENCE;
        while !complete(&self.got) {
            assert!(Instant::now() < deadline, "{}: it waited in vain", self.habit.name);
            // Whatever breaks, it comes back.
            let _ = self.session(complete);
            thread::sleep(Duration::from_millis(self.random.below(2 * self.habit.away_ms)));
        }
        self.got
    }

    fn session(&mut self, complete: &dyn Fn(&Got) -> bool) -> io::Result<()> {
        let mut device = Device::connect(self.address, self.habit.name, false)?;
        assert!(device.session_present || !self.subscribed, "{}: its session is lost", self.habit.name);
        if !device.session_present {
            // An id that an earlier session knew means nothing to this one.
            self.got.held.clear();
        }
        self.got.sessions += 1;
        device.set_patience(Duration::from_millis(200))?;
        if !self.subscribed {
            // The last one's SUBACK may have been lost, and the subscription not: messages may come before this one.
            let filter = self.habit.filter.as_bytes();
            let length = (filter.len() as u16).to_be_bytes();
            device.frame(0x82, &[&[0, 1], &length[..], filter, &[self.habit.qos]].concat());
            device.flush()?;
        }
        let mut left = 1 + self.random.below(2 * self.habit.packets);
        while left > 0 && !complete(&self.got) {
            match device.packet() {
                Ok(packet) => self.take(&mut device, packet)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            left -= 1;
        }
        Ok(())
    }

    fn take(&mut self, device: &mut Device, (first, body): (u8, Vec<u8>)) -> io::Result<()> {
        match first >> 4 {
            3 => {
                let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let topic = String::from_utf8(body[2..2 + length].to_vec()).expect("a topic");
                let (id, payload) = body[2 + length..].split_first_chunk::<2>().expect("a packet id");
                let (packet_id, qos) = (u16::from_be_bytes(*id), first >> 1 & 3);
                if qos == 1 || self.got.held.insert(packet_id) {
                    let payload = String::from_utf8(payload.to_vec()).expect("text");
                    self.got.by_topic.entry(topic).or_default().push(payload);
                }
                device.frame(if qos == 1 { 0x40 } else { 0x50 }, id);
            }
            6 => {
                self.got.held.remove(&u16::from_be_bytes([body[0], body[1]]));
                device.frame(0x70, &body[..2]);
            }
            9 => {
                assert_eq!(body[2..], [self.habit.qos], "{}: what was granted", self.habit.name);
                self.subscribed = true;
            }
            _ => panic!("{}: {first:#x} {body:?}", self.habit.name),
        }
        device.flush()
    }
}

/// Keeps one topic's retained message: numbers, each acknowledged before the next.
struct Keeper {
    acknowledged: AtomicU64,
    sent: AtomicU64,
}

impl Keeper {
    fn run(&self, address: SocketAddr, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut device) = Device::connect(address, "keeper", true) else {
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            while !stop.load(Ordering::Relaxed) {
                let number = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
                device.retain("state/keeper", number.to_string().as_bytes(), 1);
                if device.flush().and_then(|()| device.ack()).is_err() {
                    break;
                }
                self.acknowledged.store(number, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// A new subscriber gets a value that is not older than what was acknowledged before it came.
    fn check(&self, address: SocketAddr) {
        let least = self.acknowledged.load(Ordering::SeqCst);
        if least == 0 {
            return;
        }
        let mut device = Device::connect(address, "looker", true).expect("the broker takes us");
        device.frame(0x82, b"\x00\x01\x00\x07state/#\x00");
        device.flush().expect("sent");
        let body = loop {
            let (first, body) = device.packet().expect("the retained message");
            if first == 0x31 {
                break body;
            }
        };
        let value: u64 = std::str::from_utf8(&body[2 + 12..]).expect("text").parse().expect("a number");
        let most = self.sent.load(Ordering::SeqCst);
        assert!((least..=most).contains(&value), "retained: {value}, not {least} to {most}");
    }
}

#[test]
fn subscribers_have_what_they_were_promised_through_kills() {
    let _alone = alone();
    let kills = setting("TIDEGATE_KILLS", 12);
    let mut random = Random(setting("TIDEGATE_SEED", 0x7375_6273) | 1);
    println!("{kills} kills, seed {}", random.0);
    let directory = tempfile::tempdir().expect("a directory");
    let mut gateway = Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory.path(), CONFIGURATION);
    gateway.start();
    let address = gateway.mqtt;

    let stop = Arc::new(AtomicBool::new(false));
    let ended: Arc<Mutex<Option<Ended>>> = Arc::default();
    let subscribers: Vec<_> = SUBSCRIBERS
        .iter()
        .map(|habit| {
            let subscriber = Subscriber {
                habit: *habit,
                address,
                random: Random(random.below(u64::MAX) | 1),
                got: Got::default(),
                subscribed: false,
            };
            let ended = Arc::clone(&ended);
            let wills = habit.name == "wills";
            let complete = move |got: &Got| {
                ended.lock().expect("no panic").as_ref().is_some_and(|ended| ended.is_complete(got, wills))
            };
            thread::spawn(move || subscriber.run(&complete))
        })
        .collect();
    gateway.wait_for("the subscriptions", |metrics| {
        metric(metrics, "tidegate_broker_subscriptions") == SUBSCRIBERS.len() as f64
    });
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|device| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || publish(address, device, After::Resend, &stop))
        })
        .collect();
    let keeper = Arc::new(Keeper { acknowledged: AtomicU64::new(0), sent: AtomicU64::new(0) });
    let keeping = {
        let (keeper, stop) = (Arc::clone(&keeper), Arc::clone(&stop));
        thread::spawn(move || keeper.run(address, &stop))
    };

    let mut wills = BTreeSet::new();
    for kill in 0..kills {
        let (payload, never) = (format!("{kill}"), format!("never {kill}"));
        let dying = Device::connect_with_will(address, "dying", true, Some(("will/dying", &payload))).expect("taken");
        let polite = Device::connect_with_will(address, "polite", true, Some(("will/polite", &never))).expect("taken");
        polite.farewell().expect("the gateway closes");
        // DISCONNECT has no answer; once the next CONNECT has its own, the farewell before it is on the disk too.
        let _polite = Device::connect(address, "polite", true).expect("taken");
        wills.insert(payload);
        thread::sleep(Duration::from_millis(random.below(600)));
        gateway.kill();
        gateway.start();
        keeper.check(address);
        drop(dying);
    }
    stop.store(true, Ordering::Relaxed);
    let sent: Vec<Sent> = publishers.into_iter().map(|one| one.join().expect("a publisher ends well")).collect();
    keeping.join().expect("the keeper ends well");
    *ended.lock().expect("no panic") = Some(Ended { last: sent.len(), wills: wills.clone() });
    let got: Vec<Got> = subscribers.into_iter().map(|one| one.join().expect("a subscriber ends well")).collect();

    for (habit, got) in SUBSCRIBERS.iter().zip(&got) {
        println!("{}: {} sessions", habit.name, got.sessions);
        if habit.name == "wills" {
            let came = got.by_topic.get("will/dying").cloned().unwrap_or_default();
            assert_eq!(came.iter().cloned().collect::<BTreeSet<_>>(), wills, "each who died is announced");
            assert_eq!(came.len(), wills.len(), "and once: {came:?}");
            assert!(!got.by_topic.contains_key("will/polite"), "whoever said farewell is not");
            continue;
        }
        for (device, sent) in sent.iter().enumerate() {
            let numbers = got.by_topic[&format!("dev/d{device}/telemetry")].iter();
            let numbers: Vec<i64> = numbers.map(|payload| number_field(payload, "n")).collect();
            check_numbers(&format!("{} of d{device}", habit.name), &numbers, sent, device == 1 && habit.qos == 2);
        }
    }
    gateway.wait_for("everything stored to be delivered", |metrics| {
        metric(metrics, "tidegate_broker_stored_messages") == 0.0
    });
}

/// What there is to wait for in the end.
struct Ended {
    /// Publishers whose last number must have come.
    last: usize,
    wills: BTreeSet<String>,
}

impl Ended {
    fn is_complete(&self, got: &Got, wills: bool) -> bool {
        if wills {
            let came = got.by_topic.get("will/dying").map_or(0, |came| came.iter().collect::<BTreeSet<_>>().len());
            return came >= self.wills.len() && got.held.is_empty();
        }
        let last = |payloads: &Vec<String>| payloads.last().is_some_and(|payload| number_field(payload, "n") == LAST);
        got.by_topic.values().filter(|payloads| last(payloads)).count() == self.last && got.held.is_empty()
    }
}

/// Everything acknowledged to the publisher is there, first comings in order, and once where the QoS says so.
fn check_numbers(who: &str, numbers: &[i64], sent: &Sent, once: bool) {
    let mut seen = BTreeSet::new();
    let firsts: Vec<i64> = numbers.iter().copied().filter(|number| seen.insert(*number)).collect();
    let missing: Vec<_> = sent.acknowledged.difference(&seen).collect();
    assert!(missing.is_empty(), "{who}: acknowledged and missing: {missing:?}");
    assert!(firsts.is_sorted(), "{who}: out of order");
    if once {
        assert_eq!(firsts.len(), numbers.len(), "{who}: more than once");
    }
    assert!(numbers.len() > 100, "{who}: only {} came", numbers.len());
}
