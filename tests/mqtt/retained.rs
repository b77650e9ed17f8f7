//! Retained messages: set, replaced, cleared, expired, and who gets them when.

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::packet::{PUBACK, Publish, V5, V311, Version};

fn retain(client: &mut Client, topic: &str, payload: &str, qos: u8) {
    let id = client.free_id();
    client.send(&Publish::new(topic, payload, qos, id * u16::from(qos > 0)).retained().bytes(client.version));
    match qos {
        0 => client.quiet(),
        1 => client.expect_ack(PUBACK, id),
        _ => {
            client.expect_ack(crate::packet::PUBREC, id);
            client.send(&crate::packet::ack(crate::packet::PUBREL, id));
            client.expect_ack(crate::packet::PUBCOMP, id);
        }
    }
}

/// What a new subscriber to the filter gets at once: topic, payload, quality and flag, in order of topic.
fn kept(broker: &Broker, version: Version, filter: &str, qos: u8) -> Vec<(String, String, u8, bool)> {
    let mut client = Client::connect(broker.mqtt, version, "late");
    client.subscribe(&[(filter, qos)]);
    let mut found: Vec<_> = client
        .drain()
        .iter()
        .map(|packet| Publish::read(version, packet))
        .map(|message| {
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
            (text(message.topic), text(message.payload), message.qos, message.retain)
        })
        .collect();
    client.leave();
    found.sort();
    found
}

fn one(topic: &str, payload: &str, qos: u8) -> (String, String, u8, bool) {
    (topic.to_owned(), payload.to_owned(), qos, true)
}

#[test]
fn the_last_retained_message_of_a_topic_waits_for_later_subscribers() {
    let broker = Broker::start();
    both("last", |version, name| {
        let mut sender = Client::connect(broker.mqtt, version, name);
        let topic = format!("in/{name}/a");
        for (payload, qos) in [("one", 1), ("two", 2), ("three", 0), ("four", 1)] {
            retain(&mut sender, &topic, payload, qos);
            assert_eq!(kept(&broker, version, &topic, 2), [one(&topic, payload, qos)]);
            assert_eq!(kept(&broker, version, &topic, 0), [one(&topic, payload, 0)]);
        }
        // It belongs to no session: the sender's end changes nothing.
        sender.leave();
        assert_eq!(kept(&broker, version, &topic, 1), [one(&topic, "four", 1)]);
        assert_eq!(kept(&broker, version, "in/nobody/+", 1), []);
    });
}

#[test]
fn a_message_that_is_not_retained_changes_none() {
    let broker = Broker::start();
    both("plain", |version, name| {
        let mut sender = Client::connect(broker.mqtt, version, name);
        let topic = format!("in/{name}/a");
        sender.publish(&topic, "plain");
        assert_eq!(kept(&broker, version, &topic, 1), []);
        retain(&mut sender, &topic, "kept", 1);
        sender.publish(&topic, "plain");
        sender.publish(&topic, "");
        assert_eq!(kept(&broker, version, &topic, 1), [one(&topic, "kept", 1)]);
    });
}

#[test]
fn an_empty_retained_message_clears_and_is_not_kept_itself() {
    let broker = Broker::start();
    both("clear", |version, name| {
        let mut sender = Client::connect(broker.mqtt, version, name);
        let topic = format!("in/{name}/a");
        retain(&mut sender, &topic, "kept", 1);
        let mut live = Client::connect(broker.mqtt, version, "live");
        live.subscribe(&[(&topic, 1)]);
        assert_eq!(live.take().payload, b"kept");
        retain(&mut sender, &topic, "", 1);
        // Whoever is there gets it like any other message.
        let message = live.take();
        assert_eq!((message.payload.len(), message.retain), (0, false));
        assert_eq!(kept(&broker, version, &topic, 1), []);
        live.leave();
    });
}

#[test]
fn who_is_subscribed_already_gets_it_without_the_flag() {
    let broker = Broker::start();
    both("live", |version, name| {
        let topic = format!("in/{name}/a");
        let mut client = Client::connect(broker.mqtt, version, name);
        client.subscribe(&[(&topic, 1)]);
        let mut sender = Client::connect(broker.mqtt, version, &format!("{name}-sender"));
        retain(&mut sender, &topic, "x", 1);
        assert!(!client.take().retain);
        // Subscribing again brings it again, as a retained one.
        client.subscribe(&[(&topic, 1)]);
        let message = client.take();
        assert_eq!((message.payload, message.retain), (b"x".to_vec(), true));
        client.quiet();
    });
}

#[test]
fn retain_as_published_keeps_the_flag_as_the_sender_set_it() {
    let broker = Broker::start();
    let mut client = Client::connect(broker.mqtt, V5, "as-published");
    client.subscribe(&[("in/as/published", 1 | 8), ("in/as/plain", 1)]);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    for topic in ["in/as/published", "in/as/plain"] {
        sender.publish(topic, "0");
        retain(&mut sender, topic, "1", 1);
        assert!(!client.take().retain);
        assert_eq!(client.take().retain, topic == "in/as/published");
    }
}

#[test]
fn retain_handling_says_when_they_are_sent() {
    let broker = Broker::start();
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    retain(&mut sender, "in/handling/a", "kept", 1);
    let mut client = Client::connect(broker.mqtt, V5, "client");
    let mut sent = |options: u8| {
        client.subscribe(&[("in/handling/+", options)]);
        let packets = client.drain();
        for packet in &packets {
            let message = Publish::read(V5, packet);
            client.send(&crate::packet::ack(PUBACK, message.packet_id));
        }
        packets.len()
    };
    // 2: never. 1: only if the subscription is new. 0: always.
    assert_eq!(sent(1 | 0x20), 0);
    assert_eq!(sent(1 | 0x10), 0);
    assert_eq!(sent(1), 1);
    assert_eq!(sent(1), 1);
    client.unsubscribe(&["in/handling/+"]);
    client.subscribe(&[("in/handling/+", 1 | 0x10)]);
    assert_eq!(client.take().payload, b"kept");
}

#[test]
fn wildcards_find_the_retained_messages_that_match() {
    let broker = Broker::start();
    let mut sender = Client::connect(broker.mqtt, V311, "sender");
    for topic in ["w/a", "w/b", "w/b/c", "w", "x/a"] {
        retain(&mut sender, topic, topic, 1);
    }
    for version in crate::packet::BOTH {
        let topics = |filter: &str| -> Vec<String> {
            kept(&broker, version, filter, 1).into_iter().map(|(topic, ..)| topic).collect()
        };
        assert_eq!(topics("w/+"), ["w/a", "w/b"]);
        assert_eq!(topics("w/#"), ["w", "w/a", "w/b", "w/b/c"]);
        assert_eq!(topics("+/a"), ["w/a", "x/a"]);
        assert_eq!(topics("#"), ["w", "w/a", "w/b", "w/b/c", "x/a"]);
        assert_eq!(topics("w/b/c"), ["w/b/c"]);
    }
}

#[test]
fn retained_messages_outlive_a_kill() {
    let mut broker = Broker::start();
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    let property = crate::packet::user_property("k", "v");
    for n in 0..200 {
        let publish = Publish::new(format!("in/kill/{n:03}"), n.to_string(), 1, 1).retained().with_property(&property);
        sender.send(&publish.bytes(V5));
        sender.expect_ack(PUBACK, 1);
    }
    retain(&mut sender, "in/kill/007", "", 1);
    broker.kill();
    broker.start();
    let found = kept(&broker, V5, "in/kill/+", 1);
    let expected: Vec<_> =
        (0..200).filter(|n| *n != 7).map(|n| one(&format!("in/kill/{n:03}"), &n.to_string(), 1)).collect();
    // Not more than the receive maximum at once: the first hundred are here, the rest follows acknowledgements.
    assert!(!found.is_empty() && found.iter().all(|message| expected.contains(message)));
    let mut client = Client::connect(broker.mqtt, V5, "all");
    client.subscribe(&[("in/kill/+", 1)]);
    let mut all: Vec<String> = (0..199)
        .map(|_| {
            let message = client.take();
            assert_eq!(message.properties, property);
            String::from_utf8(message.topic).expect("text")
        })
        .collect();
    client.quiet();
    all.sort();
    assert_eq!(all, expected.into_iter().map(|(topic, ..)| topic).collect::<Vec<_>>());
}

#[test]
fn a_retained_message_with_an_expiry_counts_down_and_goes() {
    let broker = Broker::start();
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    let expiring =
        |seconds: u8| Publish::new("in/expiry/a", "x", 1, 1).retained().with_property(&[2, 0, 0, 0, seconds]);
    sender.send(&expiring(200).bytes(V5));
    sender.expect_ack(PUBACK, 1);
    let mut client = Client::connect(broker.mqtt, V5, "client");
    client.subscribe(&[("in/expiry/a", 1)]);
    let message = client.take();
    assert_eq!(message.properties[..4], [2, 0, 0, 0], "{message:?}");
    assert!((1..=200).contains(&message.properties[4]), "{message:?}");
    sender.send(&expiring(1).bytes(V5));
    sender.expect_ack(PUBACK, 1);
    let deadline = std::time::Instant::now() + crate::gateway::PATIENCE;
    while !kept(&broker, V5, "in/expiry/a", 1).is_empty() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_shared_subscription_gets_no_retained_messages() {
    let broker = Broker::start();
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    retain(&mut sender, "in/shared/a", "kept", 1);
    let mut client = Client::connect(broker.mqtt, V5, "client");
    assert_eq!(client.subscribe(&[("$share/g/in/shared/+", 1)]), [1]);
    client.quiet();
}

/// As many as `retained_messages_max` has by default, which come to a late subscriber to a wildcard, each once.
#[test]
fn a_wildcard_finds_a_hundred_thousand() {
    const TOPICS: u32 = 100_000;
    let broker = Broker::start();
    let mut sender = Client::connect(broker.mqtt, V311, "sender");
    for first in (0..TOPICS).step_by(1_000) {
        let publish = |n: u32| Publish::new(format!("many/{}/{n}", n % 10), n.to_be_bytes(), 1, (n - first) as u16 + 1);
        sender.send(&(first..first + 1_000).flat_map(|n| publish(n).retained().bytes(V311)).collect::<Vec<u8>>());
        for id in 1..=1_000 {
            sender.expect_ack(PUBACK, id);
        }
    }
    assert_eq!(broker.count("retained_messages"), u64::from(TOPICS));
    // One more is delivered, and not kept.
    retain(&mut sender, "one/more", "x", 1);
    assert_eq!((broker.count("retained_messages"), broker.count("retained_refused_total")), (u64::from(TOPICS), 1));
    for (filter, expected) in [("many/+/4242", 1), ("many/7/+", TOPICS / 10), ("many/#", TOPICS)] {
        let mut client = Client::connect(broker.mqtt, V311, "late");
        client.subscribe(&[(filter, 0)]);
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < expected as usize {
            let message = client.expect_publish();
            let n = u32::from_be_bytes(message.payload.try_into().expect("four bytes"));
            assert_eq!(message.topic, format!("many/{}/{n}", n % 10).into_bytes());
            assert!(message.retain && seen.insert(n), "{n} twice");
        }
        client.quiet();
        client.leave();
    }
}
