//! Inbound QoS 2 at each step of its handshake, across lost connections and across SIGKILL.

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::packet::{Connect, PUBCOMP, PUBREC, PUBREL, Publish, Version, ack};

/// What happens between two steps of the handshake.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Between {
    /// The socket breaks.
    Lost,
    /// The client's twin takes over.
    TakenOver,
    /// The gateway is killed and started again.
    Killed,
}

const BETWEEN: [Between; 3] = [Between::Lost, Between::TakenOver, Between::Killed];

/// Breaks the connection in that way and resumes the session, which must be present.
fn resume(broker: &mut Broker, client: Client, between: Between, connect: &Connect) -> Client {
    let (resumed, present) = match between {
        Between::Lost => {
            client.lose();
            Client::connect_with(broker.mqtt, connect)
        }
        Between::TakenOver => {
            let mut client = client;
            let resumed = Client::connect_with(broker.mqtt, connect);
            client.expect_end(0x8E);
            resumed
        }
        Between::Killed => {
            broker.kill();
            broker.start();
            Client::connect_with(broker.mqtt, connect)
        }
    };
    assert!(present, "the session is still there: {between:?}");
    resumed
}

/// One handshake with `between` happening before step `at`; the message must be taken exactly once.
fn handshake(broker: &mut Broker, version: Version, at: usize, between: Between) {
    let name = format!("{version:?}-{at}-{between:?}");
    let connect = Connect::session(version, &name);
    let before = broker.taken();
    let (mut client, present) = Client::connect_with(broker.mqtt, &connect);
    assert!(!present);
    let publish = Publish::new("in/qos2/a", &name, 2, 11);
    client.send(&publish.bytes(version));
    client.expect_ack(PUBREC, 11);
    if at == 1 {
        // The PUBREC was lost with the connection: the client sends the message again.
        client = resume(broker, client, between, &connect);
        client.send(&publish.clone().again().bytes(version));
        client.expect_ack(PUBREC, 11);
    }
    if at == 2 {
        client = resume(broker, client, between, &connect);
    }
    client.send(&ack(PUBREL, 11));
    client.expect_ack(PUBCOMP, 11);
    if at == 3 {
        // The PUBCOMP was lost: the client sends PUBREL again.
        client = resume(broker, client, between, &connect);
        client.send(&ack(PUBREL, 11));
        assert_eq!(client.expect(PUBCOMP).packet_id(), 11);
    }
    assert_eq!(broker.taken(), before + 1, "{name}");
    if at == 4 {
        client = resume(broker, client, between, &connect);
    }
    // Completed: the identifier is free again, and a message under it is another one.
    client.send(&publish.bytes(version));
    client.expect_ack(PUBREC, 11);
    client.send(&ack(PUBREL, 11));
    client.expect_ack(PUBCOMP, 11);
    assert_eq!(broker.taken(), before + 2, "{name}");
    client.leave();
}

#[test]
fn a_message_is_taken_once_whatever_breaks_between_the_steps_of_its_handshake() {
    let mut broker = Broker::start();
    for version in crate::packet::BOTH {
        for between in BETWEEN {
            for at in 1..=4 {
                handshake(&mut broker, version, at, between);
            }
        }
    }
}

#[test]
fn a_repeated_publish_is_answered_again_and_taken_once() {
    let broker = Broker::start();
    both("repeat", |version, name| {
        let before = broker.taken();
        let mut client = Client::connect(broker.mqtt, version, name);
        let publish = Publish::new("in/repeat/a", "x", 2, 3);
        for round in 0..5 {
            let publish = if round == 0 { publish.clone() } else { publish.clone().again() };
            client.send(&publish.bytes(version));
            client.expect_ack(PUBREC, 3);
        }
        client.send(&ack(PUBREL, 3));
        client.expect_ack(PUBCOMP, 3);
        assert_eq!(broker.taken(), before + 1);
        client.send(&publish.bytes(version));
        client.expect_ack(PUBREC, 3);
        assert_eq!(broker.taken(), before + 2);
    });
}

#[test]
fn a_publish_repeated_before_its_commit_is_taken_once() {
    let broker = Broker::start();
    both("early", |version, name| {
        let connect = Connect::session(version, name);
        let (mut client, _) = Client::connect_with(broker.mqtt, &connect);
        client.publish("in/early/a", "warm");
        let before = broker.taken();
        let held = broker.hold_commits();
        let publish = Publish::new("in/early/a", "x", 2, 3);
        client.send(&publish.bytes(version));
        client.waits();
        client.send(&publish.clone().again().bytes(version));
        client.waits();
        held.release();
        client.expect_ack(PUBREC, 3);
        // Whether the second is answered by itself or with the first, both are right; the message is one.
        client.send(&ack(PUBREL, 3));
        let next = client.next().expect("an answer");
        let last = if next.first == PUBREC { client.next().expect("an answer") } else { next };
        assert_eq!((last.first, last.packet_id()), (PUBCOMP, 3));
        assert_eq!(broker.taken(), before + 1);
        client.leave();
    });
}

#[test]
fn without_a_session_a_new_connection_starts_with_new_identifiers() {
    let broker = Broker::start();
    both("fresh", |version, name| {
        let before = broker.taken();
        let publish = Publish::new("in/fresh/a", "x", 2, 3);
        for _ in 0..2 {
            let mut client = Client::connect(broker.mqtt, version, name);
            client.send(&publish.bytes(version));
            client.expect_ack(PUBREC, 3);
            client.lose();
        }
        assert_eq!(broker.taken(), before + 2);
    });
}

#[test]
fn a_clean_start_forgets_the_identifiers_of_the_session_before() {
    let mut broker = Broker::start();
    for version in crate::packet::BOTH {
        let name = format!("{version:?}");
        let before = broker.taken();
        let publish = Publish::new("in/clean/a", "x", 2, 3);
        let (mut client, _) = Client::connect_with(broker.mqtt, &Connect::session(version, &name));
        client.send(&publish.bytes(version));
        client.expect_ack(PUBREC, 3);
        client.lose();
        Client::connect(broker.mqtt, version, &name).leave();
        // Across a restart as well.
        broker.kill();
        broker.start();
        let (mut client, present) = Client::connect_with(broker.mqtt, &Connect::session(version, &name));
        assert!(!present);
        client.send(&publish.bytes(version));
        client.expect_ack(PUBREC, 3);
        assert_eq!(broker.taken(), before + 2);
    }
}
