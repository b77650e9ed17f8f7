//! Each limit of `[broker]`, in the order of docs/configuration.md: who goes beyond it gets the right answer, a counter
//! rises, and the log names the limit, once for many.

use std::time::Duration;

use crate::broker::Broker;
use crate::client::Client;
use crate::gateway::free_address;
use crate::packet::{BOTH, Connect, PUBACK, PUBLISH, Publish, SUBACK, V5, V311, subscribe, user_property, variable};

/// The counter has risen, and the log names the limit.
fn shows(broker: &Broker, counter: &str, limit: &str) {
    broker.wait_for(counter, |metrics| crate::gateway::metric(metrics, &format!("tidegate_broker_{counter}")) >= 1.0);
    broker.wait_for(limit, |_| broker.log().contains(limit));
}

#[test]
fn connections() {
    let broker = Broker::with("connections_max = 2");
    let _taken = [0, 1].map(|n| Client::connect(broker.mqtt, V5, &format!("c{n}")));
    for (version, code) in [(V5, 0x89), (V311, 3)] {
        let (mut refused, answer) = Client::try_connect(broker.mqtt, &Connect::new(version, "more"));
        assert_eq!(answer.map(|answer| answer.body[1]), Some(code));
        assert_eq!(refused.next(), None);
    }
    shows(&broker, "refused_limit_total", "connections_max is reached");

    let broker = Broker::with("connections_per_second_max = 5");
    let start = std::time::Instant::now();
    // The socket is closed, without a word.
    let closed = (0..200).filter(|_| Client::open(broker.mqtt, V5).ends_at_once()).count();
    assert!(closed > 0);
    shows(&broker, "refused_limit_total", "connections_per_second_max is reached");
    let lines = broker.log().matches("connections are refused").count() as u64;
    assert!((1..=1 + start.elapsed().as_secs() / 10).contains(&lines), "{lines} lines for {closed} sockets");
}

#[test]
fn times() {
    let address = free_address();
    let listener = format!("[[broker.listener]]\nbind = \"{address}\"\nprotocol = \"ws\"\n");
    let broker = Broker::configured(&format!("{listener}[broker]\nhandshake_timeout = \"1s\"\n"));
    assert_eq!(Client::open(address, V5).next(), None);
    shows(&broker, "handshake_timeout_total", "handshake_timeout");

    let broker = Broker::with("connect_timeout = \"1s\"");
    assert_eq!(Client::open(broker.mqtt, V5).next(), None);
    shows(&broker, "ended_connect_timeout_total", "connect_timeout");

    let broker = Broker::with("write_timeout = \"1s\"");
    let mut client = Client::connect(broker.mqtt, V5, "half");
    client.send(&[PUBLISH, 50, 0]);
    assert_eq!(client.next(), None);
    shows(&broker, "ended_write_timeout_total", "write_timeout");
}

#[test]
fn packets() {
    // The setting, what is sent, the code that version 5 is told, the counter, the name in the log.
    let publish = |topic: &str, property: &[u8]| Publish::new(topic, "x", 1, 1).with_property(property).bytes(V5);
    let cases = [
        ("packet_bytes_max = \"1KiB\"", [&[PUBLISH][..], &variable(1_024)].concat(), 0x95, "protocol_error"),
        ("topic_levels_max = 3", publish("a/b/c/d", &[]), 0x90, "protocol_error"),
        ("properties_bytes_max = \"128B\"", publish("a", &user_property("k", &"v".repeat(128))), 0x97, "quota"),
        ("topic_aliases_max = 2", publish("a", &[35, 0, 3]), 0x94, "protocol_error"),
    ];
    for (setting, bytes, code, counter) in cases {
        let broker = Broker::with(setting);
        let mut client = Client::connect(broker.mqtt, V5, "large");
        client.send(&bytes);
        client.expect_end(code);
        shows(&broker, &format!("ended_{counter}_total"), setting.split(' ').next().expect("a name"));
    }
}

#[test]
fn publishes_under_way() {
    let broker = Broker::with("inflight_max = 3");
    let mut client = Client::connect(broker.mqtt, V5, "many");
    let held = broker.hold_commits();
    client.send(&(1..=4).flat_map(|id| Publish::new("in/many/a", "x", 1, id).bytes(V5)).collect::<Vec<u8>>());
    client.expect_end(0x93);
    held.release();
    shows(&broker, "ended_protocol_error_total", "inflight_max");

    let broker = Broker::with("inflight_bytes_max = \"64KiB\"\npacket_bytes_max = \"32KiB\"");
    let mut client = Client::connect(broker.mqtt, V5, "large");
    let held = broker.hold_commits();
    for _ in 0..10 {
        client.send(&Publish::new("in/large/a", vec![b'x'; 10_000], 0, 0).bytes(V5));
    }
    client.waits();
    held.release();
    shows(&broker, "dropped_in_qos0_total", "inflight_bytes_max");
    client.publish("in/large/a", "it stays");
}

#[test]
fn subscriptions() {
    let broker = Broker::with("subscriptions_per_client_max = 2\ntopic_levels_max = 3");
    for (version, quota, invalid) in [(V5, 0x97, 0x8F), (V311, 0x80, 0x80)] {
        let mut client = Client::connect(broker.mqtt, version, "many");
        assert_eq!(client.subscribe(&[("a", 0), ("b", 1), ("c", 0), ("a/b/c/d", 0)]), [0, 1, quota, invalid]);
    }
    shows(&broker, "subscriptions_refused_total", "subscriptions_per_client_max");
}

/// A session that is away, with a subscription to `wait/#`.
fn away(broker: &Broker, name: &str) -> Connect {
    let connect = Connect::session(V311, name);
    let (mut client, _) = Client::connect_with(broker.mqtt, &connect);
    client.subscribe(&[("wait/#", 1)]);
    client.leave();
    connect
}

/// What waits for it, in order.
fn waited(broker: &Broker, connect: &Connect) -> Vec<Vec<u8>> {
    let (mut client, _) = Client::connect_with(broker.mqtt, connect);
    client.drain().iter().map(|packet| Publish::read(V311, packet).payload).collect()
}

#[test]
fn queues_of_sessions() {
    for (settings, limit) in [
        ("queue_messages_max = 2", "queue_messages_max"),
        ("queue_bytes_max = \"4KiB\"", "queue_bytes_max"),
        ("stored_messages_max = 2", "stored_messages_max"),
        ("stored_bytes_max = \"64KiB\"", "stored_bytes_max"),
    ] {
        let broker = Broker::with(settings);
        let session = away(&broker, "away");
        let mut sender = Client::connect(broker.mqtt, V5, "sender");
        for n in 0..100u8 {
            sender.publish("wait/a", vec![n; 1_500]);
        }
        shows(&broker, "dropped_session_full_total", limit);
        // The newest are dropped.
        let came = waited(&broker, &session);
        assert_eq!(came.len() as u64, 100 - broker.count("dropped_session_full_total"), "{limit}");
        let expected: Vec<Vec<u8>> = (0..came.len() as u8).map(|n| vec![n; 1_500]).collect();
        assert_eq!(came, expected, "{limit}");
    }
    let broker = Broker::with("queue_age_max = \"1s\"");
    let session = away(&broker, "away");
    Client::connect(broker.mqtt, V5, "sender").publish("wait/a", "old");
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(waited(&broker, &session), [b""; 0]);
    shows(&broker, "dropped_expired_total", "queue_age_max");
}

#[test]
fn queues_of_connections() {
    // It reads nothing. QoS 0 is dropped for it.
    let broker = Broker::with("queue_bytes_max = \"64KiB\"\nwrite_timeout = \"600s\"");
    let mut deaf = Client::connect(broker.mqtt, V5, "deaf");
    deaf.subscribe(&[("loud/#", 0)]);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    let payload = vec![b'x'; 60_000];
    while broker.count("dropped_queue_full_total") == 0 {
        (0..50).for_each(|_| sender.publish("loud/a", &payload));
    }
    shows(&broker, "dropped_queue_full_total", "queue_bytes_max");
    drop(deaf);

    // One that takes QoS 1 and has no session, and acknowledges nothing, is ended.
    let broker = Broker::with("queue_messages_max = 10\ninflight_max = 5");
    let mut deaf = Client::connect(broker.mqtt, V5, "deaf");
    deaf.subscribe(&[("loud/#", 1)]);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    (0..20).for_each(|_| sender.publish("loud/a", "x"));
    for _ in 0..5 {
        deaf.expect_publish();
    }
    deaf.expect_end(0x97);
    shows(&broker, "ended_slow_subscriber_total", "queue_messages_max");
}

#[test]
fn retained_messages() {
    for (settings, limit) in [
        ("retained_messages_max = 2", "retained_messages_max"),
        ("retained_bytes_max = \"4KiB\"", "retained_bytes_max"),
    ] {
        let broker = Broker::with(settings);
        let mut watcher = Client::connect(broker.mqtt, V311, "watcher");
        watcher.subscribe(&[("keep/#", 0)]);
        let mut sender = Client::connect(broker.mqtt, V311, "sender");
        for n in 0..4u8 {
            let publish = Publish::new(format!("keep/{n}"), vec![n; 1_700], 1, 1).retained();
            sender.send(&publish.bytes(V311));
            sender.expect_ack(PUBACK, 1);
            assert_eq!(watcher.take().payload[0], n, "it is delivered all the same");
        }
        shows(&broker, "retained_refused_total", limit);
        assert_eq!((broker.count("retained_messages"), broker.count("retained_refused_total")), (2, 2), "{limit}");
    }
}

#[test]
fn sessions() {
    let broker = Broker::with("sessions_max = 1");
    away(&broker, "first");
    let (_second, answer) = Client::try_connect(broker.mqtt, &Connect::session(V5, "second"));
    assert_eq!(answer.expect("a CONNACK").connack_property(17), Some(vec![0; 4]), "it ends with its connection");
    shows(&broker, "sessions_refused_total", "sessions_max");
    for version in BOTH {
        let mut client = Client::connect(broker.mqtt, version, "third");
        client.send(&subscribe(version, 1, &[("a", 1)]));
        client.expect(SUBACK);
        client.quiet();
    }
}

#[test]
fn filters_and_wills() {
    for (version, subscription, connection) in [(V5, 0x97, 0x97), (V311, 0x80, 3)] {
        let broker = Broker::with("sessions_bytes_max = \"64KiB\"");
        // An eighth of it for one session.
        let mut client = Client::connect(broker.mqtt, version, "long");
        let long = |n: usize| format!("{n}{}", "x".repeat(1_500));
        assert_eq!(client.subscribe(&[(&long(0), 1), (&long(1), 0), (&long(2), 0)]), [1, 0, subscription]);
        shows(&broker, "subscriptions_refused_total", "sessions_bytes_max");
        assert!(client.subscribe(&[("short", 0)])[0] < 0x80);
        // And all of it for all of them.
        let mut others: Vec<Client> =
            (0..30).map(|n| Client::connect(broker.mqtt, version, &format!("other{n}"))).collect();
        let taken = others.iter_mut().filter_map(|other| other.subscribe(&[(&long(3), 0)]).pop());
        let taken = taken.filter(|code| *code < 0x80).count();
        assert!((15..25).contains(&taken), "{taken}");
        assert!(broker.count("session_bytes") <= 64 << 10);
        drop(others);

        let broker = Broker::with("sessions_bytes_max = \"64KiB\"");
        let will = crate::wills::with_will(version, "will", &"x".repeat(9_000), 0x02, &[]);
        let (mut refused, answer) = Client::try_connect(broker.mqtt, &will);
        assert_eq!(answer.map(|answer| answer.body[1]), Some(connection));
        assert_eq!(refused.next(), None);
        shows(&broker, "refused_other_total", "sessions_bytes_max");
        broker.wait_until_nothing_is_kept();
    }
}
