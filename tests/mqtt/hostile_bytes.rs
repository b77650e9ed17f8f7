//! Generated bad input against the real process: mutated sessions byte for byte, and payloads against sources.
//! `PROPTEST_CASES` makes it longer. What fails is printed as the shortest bytes that still do.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::broker::Broker;
use crate::client::Client;
use crate::gateway::metric;
use crate::neighbour::Neighbour;
use crate::packet::{self, Connect, Publish, V5, V311, Version, ack, frame, user_property};

#[derive(Clone, Debug)]
enum Step {
    Publish { topic: String, payload: Vec<u8>, qos: u8, id: u16, flags: u8, properties: Vec<u8> },
    Ack { first: u8, id: u16 },
    Subscribe { id: u16, filters: Vec<(String, u8)> },
    Unsubscribe { id: u16, filters: Vec<String> },
    Ping,
    Connect,
    Disconnect,
    Frame { first: u8, body: Vec<u8> },
    Bytes(Vec<u8>),
}

impl Step {
    fn bytes(&self, version: Version) -> Vec<u8> {
        match self {
            Step::Publish { topic, payload, qos, id, flags, properties } => {
                let publish = Publish { properties: properties.clone(), ..Publish::new(topic, payload, *qos, *id) };
                let mut bytes = publish.bytes(version);
                bytes[0] |= flags & 9;
                bytes
            }
            Step::Ack { first, id } => ack(*first, *id),
            Step::Subscribe { id, filters } => {
                let filters: Vec<(&str, u8)> = filters.iter().map(|(filter, qos)| (filter.as_str(), *qos)).collect();
                packet::subscribe(version, *id, &filters)
            }
            Step::Unsubscribe { id, filters } => {
                packet::unsubscribe(version, *id, &filters.iter().map(String::as_str).collect::<Vec<_>>())
            }
            Step::Ping => packet::PINGREQ.to_vec(),
            Step::Connect => Connect::new(version, "fuzz").bytes(),
            Step::Disconnect => packet::disconnect(version),
            Step::Frame { first, body } => frame(*first, body),
            Step::Bytes(bytes) => bytes.clone(),
        }
    }
}

fn topic() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "(in|a|\\$share|\\$SYS|é)(/[ab]?){0,3}",
        1 => "(in|\\$share/g)(/(a|\\+|#)){0,3}",
        1 => any::<String>(),
    ]
}

fn block() -> impl Strategy<Value = Vec<u8>> {
    let property = prop_oneof![
        Just(vec![]),
        Just(user_property("k", "v")),
        (1u8..50, prop::collection::vec(any::<u8>(), 0..6)).prop_map(|(id, value)| [&[id][..], &value].concat()),
        any::<u32>().prop_map(|seconds| [&[2][..], &seconds.to_be_bytes()].concat()),
        any::<u16>().prop_map(|alias| [&[35][..], &alias.to_be_bytes()].concat()),
    ];
    prop::collection::vec(property, 0..3).prop_map(|properties| properties.concat())
}

fn id() -> impl Strategy<Value = u16> {
    prop_oneof![6 => 1u16..6, 1 => any::<u16>()]
}

fn step() -> impl Strategy<Value = Step> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        6 => (topic(), payload, 0u8..3, id(), any::<u8>(), block()).prop_map(
            |(topic, payload, qos, id, flags, properties)| Step::Publish { topic, payload, qos, id, flags, properties }),
        4 => (prop::sample::select(vec![0x40, 0x50, 0x62, 0x70]), id()).prop_map(|(first, id)| Step::Ack { first, id }),
        2 => (id(), prop::collection::vec((topic(), any::<u8>().prop_map(|o| o & 0x2F)), 0..4))
            .prop_map(|(id, filters)| Step::Subscribe { id, filters }),
        2 => (id(), prop::collection::vec(topic(), 0..4)).prop_map(|(id, filters)| Step::Unsubscribe { id, filters }),
        1 => Just(Step::Ping),
        1 => Just(Step::Disconnect),
        1 => Just(Step::Connect),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..30)).prop_map(|(first, body)| Step::Frame { first, body }),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Step::Bytes),
    ]
}

/// A change of the session's bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let place = |index: &Index| index.index(bytes.len());
        match self {
            Mutation::Set(at, byte) => {
                let at = place(at);
                bytes[at] = *byte;
            }
            Mutation::Flip(at, bit) => {
                let at = place(at);
                bytes[at] ^= 1 << (bit % 8);
            }
            Mutation::Insert(at, more) => {
                let at = place(at);
                bytes.splice(at..at, more.iter().copied());
            }
            Mutation::Remove(at, count) => {
                let at = place(at);
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Mutation::Repeat(at, count) => {
                let at = place(at);
                let again: Vec<u8> = bytes[at..(at + count).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
            Mutation::Cut(at) => {
                let at = place(at);
                bytes.truncate(at);
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..5)).prop_map(|(at, more)| Mutation::Insert(at, more)),
        (any::<Index>(), 1usize..8).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (any::<Index>(), 1usize..40).prop_map(|(at, count)| Mutation::Repeat(at, count)),
        any::<Index>().prop_map(Mutation::Cut),
    ]
}

/// A session: its version, whether it asks to be kept, its bytes behind CONNECT, and where writes end.
fn session() -> impl Strategy<Value = (Version, bool, Vec<u8>, Vec<Index>)> {
    let version = prop_oneof![Just(V311), Just(V5)];
    let steps = prop::collection::vec(step(), 1..12);
    let mutations = prop_oneof![1 => Just(vec![]), 3 => prop::collection::vec(mutation(), 1..4)];
    let cuts = prop::collection::vec(any::<Index>(), 0..3);
    (version, any::<bool>(), steps, mutations, cuts).prop_map(|(version, kept, steps, mutations, cuts)| {
        let mut bytes: Vec<u8> = steps.iter().flat_map(|step| step.bytes(version)).collect();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        (version, kept, bytes, cuts)
    })
}

/// Sends the bytes in those pieces, ends, and reads the server's packets to their end. They must be whole, and of a
/// kind that servers send.
fn play(client: &mut Client, bytes: &[u8], cuts: &[Index]) {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    for range in places.windows(2) {
        client.send_what_it_takes(&bytes[range[0]..range[1]]);
    }
    // The server may have closed already.
    let _ = client.socket.shutdown(std::net::Shutdown::Write);
    while let Some(packet) = client.next() {
        match packet.first {
            0x20 | 0x40 | 0x50 | 0x62 | 0x70 | 0x90 | 0xB0 | 0xD0 => {}
            0xE0 => assert!(client.version == V5, "{packet:?}"),
            first if first >> 4 == 3 => drop(Publish::read(client.version, &packet)),
            _ => panic!("{packet:?}"),
        }
    }
}

#[test]
fn mutated_sessions_hurt_nobody_but_themselves() {
    let broker = Broker::start();
    let neighbour = RefCell::new(Client::connect(broker.mqtt, V311, "neighbour"));
    let mut runner = TestRunner::new(Config::default());
    let outcome = runner.run(&session(), |(version, kept, bytes, cuts)| {
        let connect = if kept { Connect::session(version, "fuzz") } else { Connect::new(version, "fuzz") };
        let (mut client, _) = Client::connect_with(broker.mqtt, &connect);
        play(&mut client, &bytes, &cuts);
        neighbour.borrow_mut().publish("n/n/n", "x");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    for version in packet::BOTH {
        Client::connect(broker.mqtt, version, "fuzz").leave();
    }
    neighbour.into_inner().leave();
    broker.wait_until_empty();
    assert!(!broker.log().contains("panicked"), "{}", broker.log());
}

#[test]
fn mutated_connects_hurt_nobody_but_themselves() {
    let broker = Broker::start();
    let neighbour = RefCell::new(Client::connect(broker.mqtt, V5, "neighbour"));
    let fields = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..5);
    let connect = (prop_oneof![Just(V311), Just(V5)], any::<u8>(), any::<u16>(), block(), "[a-c]{0,3}", fields);
    let strategy = (connect, prop::collection::vec(mutation(), 0..4), prop::collection::vec(any::<Index>(), 0..3));
    let mut runner = TestRunner::new(Config::default());
    let outcome = runner.run(&strategy, |((version, flags, keep_alive, block, id, fields), mutations, cuts)| {
        let connect =
            Connect::new(version, &id).with_flags(flags & 0xFE).with_keep_alive(keep_alive).with_property(&block);
        let mut bytes = fields.iter().fold(connect, |connect, field| connect.with_field(field)).bytes();
        bytes.extend(packet::PINGREQ);
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        play(&mut Client::open(broker.mqtt, V5), &bytes, &cuts);
        neighbour.borrow_mut().publish("n/n/n", "x");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    neighbour.into_inner().leave();
    broker.wait_until_empty();
    assert!(!broker.log().contains("panicked"), "{}", broker.log());
}

const SOURCES: &str = r#"
[source.typed]
mqtt = "typed/{device}"
format = "json"
schema = "i INT, b BIGINT, d DOUBLE, o BOOLEAN, s STRING, t TIMESTAMP(3), ts TIMESTAMP_LTZ(3), y BYTES"
event_time = "ts"

[source.bytes]
mqtt = "bytes/{device}"
format = "raw"
"#;

/// JSON that is nearly what the source wants.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|d| format!("{d:e}")),
        prop::sample::select(vec![
            "null",
            "true",
            "\"\"",
            "\"2026-03-01T08:00:00.123Z\"",
            "\"AAEC\"",
            "1e999",
            "-0",
            "[]",
            "{}",
            "[[1],{\"a\":2}]",
            "\"\\ud800\"",
            "\"\\u0000\"",
            "99999999999999999999",
            "\"x",
            "1.5",
            "253402300800000",
            "-62135596800001",
        ])
        .prop_map(str::to_owned),
        any::<String>().prop_map(|text| serde_json::Value::String(text).to_string()),
    ];
    let name = prop::sample::select(vec!["i", "b", "d", "o", "s", "t", "ts", "y", "unknown", ""]);
    let field = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    let object =
        prop::collection::vec(field, 0..10).prop_map(|fields| format!("{{{}}}", fields.join(",")).into_bytes());
    let deep = (1usize..3_000).prop_map(|depth| [vec![b'['; depth], vec![b']'; depth]].concat());
    prop_oneof![8 => object, 1 => prop::collection::vec(any::<u8>(), 0..100), 1 => deep]
}

#[test]
fn payloads_of_any_bytes_are_counted_and_cost_no_connection() {
    let broker = Broker::configured(SOURCES);
    let client = RefCell::new(Client::connect(broker.mqtt, V5, "device"));
    let sent = RefCell::new(0);
    let mut runner = TestRunner::new(Config::default());
    let outcome = runner.run(&(payload(), prop::collection::vec(mutation(), 0..3)), |(mut payload, mutations)| {
        mutations.iter().for_each(|mutation| mutation.apply(&mut payload));
        client.borrow_mut().publish("typed/a", &payload);
        client.borrow_mut().publish("bytes/a", &payload);
        *sent.borrow_mut() += 1;
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let metrics = broker.metrics();
    let count = |what: &str, source: &str| metric(&metrics, &format!("tidegate_{what}_total{{source=\"{source}\"}}"));
    let sent = f64::from(*sent.borrow());
    assert_eq!((count("in", "bytes"), count("decoded", "bytes")), (sent, sent));
    assert_eq!(count("in", "typed"), sent);
    assert_eq!(count("decoded", "typed") + count("invalid", "typed"), sent);
    assert!(count("decoded", "typed") > 0.0 && count("invalid", "typed") > 0.0, "both kinds were tried");
}

/// What fuzzing has kept (`fuzz/corpus`), over sockets: an input that broke something is tried again with every run.
#[test]
fn what_fuzzing_kept_hurts_nobody_but_itself() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    let mut played = 0;
    for target in ["connection", "packets"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        for entry in std::fs::read_dir(folder).expect("the corpus") {
            let bytes = std::fs::read(entry.expect("an entry").path()).expect("bytes");
            // The first byte is `fuzz/targets/connection.rs`' own.
            let (choice, bytes) = match bytes.split_first() {
                Some((choice, rest)) if target == "connection" => (*choice, rest),
                _ => (played as u8 & 1, &bytes[..]),
            };
            let version = if choice & 1 == 0 { V311 } else { V5 };
            let connect = if choice & 2 == 0 { Connect::new(version, "f") } else { Connect::session(version, "f") };
            let head = if choice & 4 == 0 { connect.bytes() } else { Vec::new() };
            let mut client = Client::open(broker.mqtt, version);
            client.send_what_it_takes(&[&head[..], bytes].concat());
            let _ = client.socket.shutdown(std::net::Shutdown::Write);
            while client.next().is_some() {}
            played += 1;
        }
        neighbour.works();
    }
    assert!(played > 50, "{played}");
    Client::connect(broker.mqtt, V5, "f").leave();
    broker.wait_for_count("connections", 1);
}
