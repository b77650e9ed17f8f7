//! Wills: who is announced as gone, and when.

use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::gateway::PATIENCE;
use crate::packet::{CONNACK, Connect, Publish, V5, V311, Version, user_property};

/// A CONNECT with a will on `topic`: the payload "gone", at QoS 1, not retained.
pub fn with_will(version: Version, client_id: &str, topic: &str, flags: u8, will_properties: &[u8]) -> Connect {
    let mut connect = Connect::new(version, client_id).with_flags(flags | 0x04);
    if version == V5 {
        connect.payload.extend(crate::packet::properties(will_properties));
    }
    connect.with_field(topic).with_field("gone")
}

const CLEAN_QOS_1: u8 = 0x02 | 0x08;

/// A subscriber to `in/will/#` with a marker that shows that nothing more comes.
struct Watcher {
    client: Client,
    marks: u32,
}

impl Watcher {
    fn new(broker: &Broker, version: Version) -> Watcher {
        let mut client = Client::connect(broker.mqtt, version, "watcher");
        client.subscribe(&[("in/will/#", 2)]);
        Watcher { client, marks: 0 }
    }

    fn sees(&mut self) -> Publish {
        self.client.take()
    }

    /// Nothing came before what is published now.
    fn sees_nothing(&mut self) {
        self.marks += 1;
        let mark = self.marks.to_string();
        let version = self.client.version;
        self.client.send(&Publish::new("in/will/mark", &mark, 0, 0).bytes(version));
        assert_eq!(self.client.take().payload, mark.as_bytes());
    }
}

#[test]
fn a_will_is_published_when_the_connection_ends_without_a_disconnect() {
    let broker = Broker::with("write_timeout = \"5s\"");
    both("end", |version, name| {
        let mut watcher = Watcher::new(&broker, version);
        let connect = |keep_alive| with_will(version, name, "in/will/a", CLEAN_QOS_1, &[]).with_keep_alive(keep_alive);
        // Lost.
        Client::connect_with(broker.mqtt, &connect(0)).0.lose();
        let message = watcher.sees();
        assert_eq!((&message.payload[..], message.qos, message.retain), (&b"gone"[..], 1, false));
        // Silent for too long.
        let (mut silent, _) = Client::connect_with(broker.mqtt, &connect(1));
        silent.expect_end(0x8D);
        assert_eq!(watcher.sees().payload, b"gone");
        // At fault.
        let (mut wrong, _) = Client::connect_with(broker.mqtt, &connect(0));
        wrong.send(&[0, 0]);
        while wrong.next().is_some() {}
        assert_eq!(watcher.sees().payload, b"gone");
        // Taken over by a clean start, which ends the session.
        let (_first, _) = Client::connect_with(broker.mqtt, &connect(0));
        let second = Client::connect(broker.mqtt, version, name);
        assert_eq!(watcher.sees().payload, b"gone");
        second.leave();
        watcher.sees_nothing();
        watcher.client.leave();
    });
}

#[test]
fn a_disconnect_deletes_the_will() {
    let broker = Broker::start();
    both("bye", |version, name| {
        let mut watcher = Watcher::new(&broker, version);
        Client::connect_with(broker.mqtt, &with_will(version, name, "in/will/a", CLEAN_QOS_1, &[])).0.leave();
        watcher.sees_nothing();
        // Nor does a client without one leave one, or one that had one before.
        Client::connect(broker.mqtt, version, name).lose();
        watcher.sees_nothing();
        watcher.client.leave();
    });
}

#[test]
fn a_disconnect_with_will_message_publishes_it() {
    let broker = Broker::start();
    let mut watcher = Watcher::new(&broker, V5);
    let (mut client, _) = Client::connect_with(broker.mqtt, &with_will(V5, "d", "in/will/a", CLEAN_QOS_1, &[]));
    client.send(&[0xE0, 2, 0x04, 0]);
    assert_eq!(client.next(), None);
    assert_eq!(watcher.sees().payload, b"gone");
}

#[test]
fn a_will_has_the_quality_and_the_flag_it_was_given() {
    let broker = Broker::start();
    both("as-given", |version, name| {
        for qos in 0..3u8 {
            for retain in [0u8, 1] {
                let mut watcher = Watcher::new(&broker, version);
                let topic = format!("in/will/{name}{qos}{retain}");
                let flags = 0x02 | qos << 3 | retain << 5;
                Client::connect_with(broker.mqtt, &with_will(version, name, &topic, flags, &[])).0.lose();
                let message = watcher.sees();
                assert_eq!((message.topic, message.qos, message.retain), (topic.clone().into_bytes(), qos, false));
                let mut late = Client::connect(broker.mqtt, version, "late");
                late.subscribe(&[(&topic, 2)]);
                if retain == 1 {
                    assert_eq!(late.take().payload, b"gone");
                }
                late.quiet();
                // Cleared, for the next round's watcher.
                late.send(&Publish::new(&topic, "", 0, 0).retained().bytes(version));
                late.leave();
                watcher.client.leave();
            }
        }
    });
}

#[test]
fn the_properties_of_a_will_travel_with_it() {
    let broker = Broker::start();
    let mut watcher = Watcher::new(&broker, V5);
    let block = [user_property("k", "v"), vec![1, 1], [&[3][..], &crate::packet::text("text/plain")].concat()].concat();
    let will = with_will(V5, "p", "in/will/a", CLEAN_QOS_1, &[&[24, 0, 0, 0, 0][..], &block].concat());
    Client::connect_with(broker.mqtt, &will).0.lose();
    assert_eq!(watcher.sees().properties, block);
}

#[test]
fn a_delayed_will_waits_and_a_return_cancels_it() {
    let broker = Broker::start();
    let mut watcher = Watcher::new(&broker, V5);
    let will = |client: &str, delay: u8| {
        with_will(V5, client, "in/will/a", 0x08, &[24, 0, 0, 0, delay]).with_property(&[17, 0, 0, 0x0E, 0x10])
    };
    // Back before the delay is over.
    Client::connect_with(broker.mqtt, &will("back", 100)).0.lose();
    let (client, present) = Client::connect_with(broker.mqtt, &Connect::session(V5, "back"));
    assert!(present);
    client.leave();
    watcher.sees_nothing();
    // Not back.
    let start = Instant::now();
    Client::connect_with(broker.mqtt, &will("gone", 2)).0.lose();
    watcher.sees_nothing();
    assert_eq!(watcher.sees().payload, b"gone");
    assert!(start.elapsed() >= Duration::from_secs(2) && start.elapsed() < PATIENCE);
    // The session ends first.
    let short = with_will(V5, "short", "in/will/a", 0x08, &[24, 0, 0, 0xFF, 0]);
    Client::connect_with(broker.mqtt, &short).0.lose();
    assert_eq!(watcher.sees().payload, b"gone");
    // A clean start ends it too.
    Client::connect_with(broker.mqtt, &will("clean", 100)).0.lose();
    watcher.sees_nothing();
    Client::connect(broker.mqtt, V5, "clean").leave();
    assert_eq!(watcher.sees().payload, b"gone");
}

#[test]
fn a_device_that_was_connected_when_the_power_went_is_announced_after_the_restart() {
    let mut broker = Broker::start();
    // A subscriber whose session outlives the kill.
    let (mut watcher, _) = Client::connect_with(broker.mqtt, &Connect::session(V311, "watcher"));
    watcher.subscribe(&[("in/will/#", 1)]);
    watcher.leave();
    let held: Vec<Client> = crate::packet::BOTH
        .iter()
        .map(|version| {
            let will = with_will(*version, &format!("{version:?}"), &format!("in/will/{version:?}"), 0x08, &[]);
            Client::connect_with(broker.mqtt, &will.with_property(&[17, 0, 0, 0x0E, 0x10])).0
        })
        .collect();
    let (left, _) = Client::connect_with(broker.mqtt, &with_will(V5, "left", "in/will/left", 0x08, &[]));
    left.leave();
    broker.wait_for_count("connections", 2);
    // What came before this is committed.
    Client::connect(broker.mqtt, V5, "settled").settled();
    broker.kill();
    drop(held);
    broker.start();
    let (mut watcher, present) = Client::connect_with(broker.mqtt, &Connect::session(V311, "watcher"));
    assert!(present);
    let mut topics: Vec<Vec<u8>> = (0..2).map(|_| watcher.take().topic).collect();
    topics.sort();
    assert_eq!(topics, [b"in/will/V311".to_vec(), b"in/will/V5".to_vec()]);
    watcher.quiet();
}

#[test]
fn a_will_that_could_not_be_published_is_refused_at_connect() {
    let broker = Broker::start();
    both("refused", |version, name| {
        for topic in ["in/#", "in/+/a", ""] {
            let (mut client, answer) =
                Client::try_connect(broker.mqtt, &with_will(version, name, topic, CLEAN_QOS_1, &[]));
            assert!(answer.is_none_or(|answer| answer.first == CONNACK && answer.body[1] != 0), "{topic}");
            assert_eq!(client.next(), None);
        }
        // Its topic must be text.
        let mut bytes = Connect::new(version, name).with_flags(CLEAN_QOS_1 | 4);
        bytes.payload.extend_from_slice(version.no_properties());
        let (mut client, answer) = Client::try_connect(broker.mqtt, &bytes.with_field(b"\xFF").with_field("m"));
        assert!(answer.is_none_or(|answer| answer.body[1] != 0));
        assert_eq!(client.next(), None);
    });
}
