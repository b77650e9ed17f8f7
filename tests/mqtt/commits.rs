//! Acknowledged means durable: while nothing can be committed nothing is acknowledged, and a kill shows that all that
//! was acknowledged is there.

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::packet::{PINGRESP, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, V5, V311, ack};

#[test]
fn nothing_is_acknowledged_before_its_commit_and_a_ping_is_answered() {
    let broker = Broker::start();
    both("commit", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        client.publish("in/commit/a", "warm");
        let before = broker.taken();
        let held = broker.hold_commits();
        client.send(&Publish::new("in/commit/a", "1", 1, 501).bytes(version));
        client.send(&Publish::new("in/commit/a", "2", 2, 502).bytes(version));
        // The answer to PINGREQ overtakes both: they wait for the disk.
        client.waits();
        assert_eq!(broker.taken(), before);
        held.release();
        client.expect_ack(PUBACK, 501);
        client.expect_ack(PUBREC, 502);
        assert_eq!(broker.taken(), before + 2, "acknowledged means committed");
    });
}

/// A client that comes and goes while the disk is busy takes memory all the same.
#[test]
fn what_a_connection_leaves_behind_counts_until_it_is_committed() {
    let broker = Broker::start();
    both("left", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        client.publish("in/left/a", "warm");
        let before = broker.taken();
        let held = broker.hold_commits();
        client.send(&Publish::new("in/left/a", [b'x'; 10_000], 1, 501).bytes(version));
        client.waits();
        drop(client);
        broker.wait_for_count("connections", 0);
        assert!(broker.count("inflight_bytes") >= 10_000);
        held.release();
        broker.wait_until_taken(before + 1);
        broker.wait_until_empty();
    });
}

#[test]
fn a_message_is_delivered_only_once_it_is_committed() {
    let broker = Broker::start();
    both("live", |version, name| {
        let mut subscriber = Client::connect(broker.mqtt, version, name);
        subscriber.subscribe(&[("in/live/a", 1)]);
        let mut sender = Client::connect(broker.mqtt, version, &format!("{name}-sender"));
        sender.publish("in/live/b", "warm");
        let held = broker.hold_commits();
        sender.send(&Publish::new("in/live/a", "x", 1, 9).bytes(version));
        sender.waits();
        subscriber.waits();
        held.release();
        assert_eq!(subscriber.take().payload, b"x");
        sender.expect_ack(PUBACK, 9);
    });
}

#[test]
fn what_was_not_acknowledged_at_a_kill_was_not_promised_and_what_was_is_there() {
    let mut broker = Broker::start();
    let mut client = Client::connect(broker.mqtt, V311, "killed");
    for n in 0..100u8 {
        client.publish("in/kill/a", [n]);
    }
    let held = broker.hold_commits();
    client.send(&Publish::new("in/kill/a", "lost", 1, 900).bytes(V311));
    client.waits();
    broker.kill();
    held.release();
    assert_eq!(client.next(), None);
    broker.start();
    assert_eq!(broker.taken(), 100);
}

#[test]
fn acknowledgements_come_in_the_order_of_their_publishes() {
    let broker = Broker::start();
    both("order", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        // Many reads of the socket, so that they spread over many commits.
        for round in 0..50u16 {
            let ids = round * 40 + 1..round * 40 + 41;
            for id in ids.clone() {
                client.send(&Publish::new("in/order/a", "x", 1 + id as u8 % 2, id).bytes(version));
            }
            let kind = |id: u16| if id % 2 == 0 { PUBACK } else { PUBREC };
            for id in ids.clone() {
                client.expect_ack(kind(id), id);
            }
            for id in ids.clone().filter(|id| id % 2 == 1) {
                client.send(&ack(PUBREL, id));
            }
            for id in ids.filter(|id| id % 2 == 1) {
                client.expect_ack(PUBCOMP, id);
            }
        }
    });
    assert_eq!(broker.taken(), 4_000);
}

#[test]
fn each_quality_gets_the_answer_that_belongs_to_it() {
    let broker = Broker::start();
    both("answers", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        client.send(&Publish::new("in/answers/a", "x", 0, 0).bytes(version));
        client.quiet();
        client.send(&Publish::new("in/answers/a", "x", 1, 65_535).bytes(version));
        client.expect_ack(PUBACK, 65_535);
        client.send(&Publish::new("in/answers/a", "", 2, 65_535).bytes(version));
        client.expect_ack(PUBREC, 65_535);
        client.send(&ack(PUBREL, 65_535));
        client.expect_ack(PUBCOMP, 65_535);
        client.quiet();
    });
    assert_eq!(broker.taken(), 6);
}

#[test]
fn at_qos_1_the_same_identifier_is_a_new_message_once_acknowledged() {
    let broker = Broker::start();
    both("reuse", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        for _ in 0..3 {
            client.send(&Publish::new("in/reuse/a", "x", 1, 5).again().bytes(version));
            client.expect_ack(PUBACK, 5);
        }
    });
    assert_eq!(broker.taken(), 6);
}

#[test]
fn a_client_that_only_publishes_costs_no_subscription_and_no_session() {
    let broker = Broker::start();
    let mut clients: Vec<Client> =
        (0..20).map(|n| Client::connect(broker.mqtt, if n % 2 == 0 { V5 } else { V311 }, &format!("p{n}"))).collect();
    for client in &mut clients {
        for _ in 0..10 {
            client.publish("in/only/a", "x");
        }
    }
    assert_eq!(broker.taken(), 200);
    for gauge in ["subscriptions", "sessions", "queued_bytes", "inflight_bytes"] {
        assert_eq!(broker.count(gauge), 0, "{gauge}");
    }
    for client in &mut clients {
        client.send(&crate::packet::PINGREQ);
        assert!(client.expect(PINGRESP).body.is_empty());
    }
}
