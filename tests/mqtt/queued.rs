//! Persistent sessions: what waits for a client that is away, and what is sent again when it is back; QoS 1 and 2
//! outward at each step, across lost connections and across SIGKILL.

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::packet::{BOTH, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, V5, V311, Version, ack};

#[derive(Clone, Copy, Debug)]
enum Between {
    Lost,
    Killed,
}

const BETWEEN: [Between; 2] = [Between::Lost, Between::Killed];

fn break_and_resume(broker: &mut Broker, client: Client, between: Between, connect: &Connect) -> Client {
    match between {
        Between::Lost => client.lose(),
        Between::Killed => {
            broker.kill();
            broker.start();
        }
    }
    let (client, present) = Client::connect_with(broker.mqtt, connect);
    assert!(present);
    client
}

/// A session that subscribes to `in/queue/#` at this quality.
fn subscriber(broker: &Broker, version: Version, name: &str, qos: u8) -> (Client, Connect) {
    let connect = Connect::session(version, name);
    let (mut client, present) = Client::connect_with(broker.mqtt, &connect);
    assert!(!present);
    assert_eq!(client.subscribe(&[("in/queue/#", qos)]), [qos]);
    (client, connect)
}

fn send(broker: &Broker, payload: &str, qos: u8) {
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    match qos {
        2 => sender.publish_twice_safe("in/queue/a", payload),
        _ => sender.publish("in/queue/a", payload),
    }
    sender.leave();
}

#[test]
fn what_was_published_while_a_client_was_away_comes_in_order_when_it_is_back() {
    let mut broker = Broker::start();
    for version in BOTH {
        for between in BETWEEN {
            let (client, connect) = subscriber(&broker, version, &format!("{version:?}{between:?}"), 2);
            client.lose();
            for n in 0..10u8 {
                send(&broker, &n.to_string(), 1 + n % 2);
            }
            if let Between::Killed = between {
                broker.kill();
                broker.start();
            }
            let (mut client, present) = Client::connect_with(broker.mqtt, &connect);
            assert!(present);
            for n in 0..10u8 {
                let message = client.take();
                assert_eq!((message.payload, message.qos), (n.to_string().into_bytes(), 1 + n % 2));
                assert!(!message.dup, "it was never sent before");
            }
            // The subscription is still there, too.
            send(&broker, "live", 1);
            assert_eq!(client.take().payload, b"live");
            client.leave();
            Client::connect(broker.mqtt, version, &format!("{version:?}{between:?}")).leave();
        }
    }
}

#[test]
fn an_unacknowledged_message_is_sent_again_with_its_identifier_and_the_flag() {
    let mut broker = Broker::start();
    for version in BOTH {
        for between in BETWEEN {
            let name = format!("{version:?}{between:?}");
            let (mut client, connect) = subscriber(&broker, version, &name, 1);
            for n in 0..5 {
                send(&broker, &n.to_string(), 1);
            }
            let first: Vec<Publish> = (0..5).map(|_| client.expect_publish()).collect();
            assert!(first.iter().all(|message| !message.dup));
            client.send(&ack(PUBACK, first[1].packet_id));
            client.settled();
            let mut client = break_and_resume(&mut broker, client, between, &connect);
            let again: Vec<Publish> = client.drain().iter().map(|packet| Publish::read(version, packet)).collect();
            assert!(again.iter().all(|message| message.dup), "{again:?}");
            let numbers: Vec<&[u8]> = again.iter().map(|message| &message.payload[..]).collect();
            // A kill may make it forget the acknowledgement: at QoS 1 that costs a message twice.
            let with_all = matches!(between, Between::Killed) && numbers.len() == 5;
            let expected: [&[u8]; 5] = [b"0", b"1", b"2", b"3", b"4"];
            assert_eq!(numbers, expected.iter().copied().filter(|n| with_all || n != b"1").collect::<Vec<_>>());
            for again in again {
                let before = first.iter().find(|message| message.payload == again.payload).expect("one of the five");
                assert_eq!(again.packet_id, before.packet_id);
                client.send(&ack(PUBACK, again.packet_id));
            }
            client.quiet();
            client.leave();
            Client::connect(broker.mqtt, version, &name).leave();
        }
    }
}

#[test]
fn a_message_at_qos_2_is_delivered_once_whatever_breaks_between_its_steps() {
    let mut broker = Broker::start();
    for version in BOTH {
        for between in BETWEEN {
            for at in 0..4 {
                let name = format!("{version:?}{between:?}{at}");
                let (mut client, connect) = subscriber(&broker, version, &name, 2);
                send(&broker, &name, 2);
                let message = client.expect_publish();
                assert_eq!((message.qos, message.dup), (2, false));
                let id = message.packet_id;
                if at == 0 {
                    client = break_and_resume(&mut broker, client, between, &connect);
                    let again = client.expect_publish();
                    assert_eq!((again.dup, again.packet_id, again.payload), (true, id, message.payload));
                }
                client.send(&ack(PUBREC, id));
                client.expect_ack(PUBREL, id);
                if at == 1 {
                    // The PUBREL was lost: it comes again, and the PUBLISH does not.
                    client = break_and_resume(&mut broker, client, between, &connect);
                    client.expect_ack(PUBREL, id);
                }
                if at == 2 {
                    // The client repeats its PUBREC after the break, as one does that did not see the PUBREL.
                    client = break_and_resume(&mut broker, client, between, &connect);
                    client.expect_ack(PUBREL, id);
                    client.send(&ack(PUBREC, id));
                    client.expect_ack(PUBREL, id);
                }
                client.send(&ack(PUBCOMP, id));
                client.quiet();
                if at == 3 {
                    client = break_and_resume(&mut broker, client, between, &connect);
                    // A kill may make it forget the PUBCOMP, which costs a PUBREL; the message never comes again.
                    for packet in client.drain() {
                        assert_eq!((packet.first, packet.packet_id()), (PUBREL, id));
                        assert!(matches!(between, Between::Killed));
                        client.send(&ack(PUBCOMP, id));
                    }
                }
                client.leave();
                Client::connect(broker.mqtt, version, &name).leave();
            }
        }
    }
}

#[test]
fn nothing_is_sent_again_while_the_connection_lasts() {
    let broker = Broker::start();
    both("once", |version, name| {
        let (mut client, _) = subscriber(&broker, version, name, 1);
        send(&broker, "1", 1);
        let first = client.expect_publish();
        for _ in 0..20 {
            client.quiet();
        }
        client.send(&ack(PUBACK, first.packet_id));
        client.quiet();
        client.leave();
        Client::connect(broker.mqtt, version, name).leave();
    });
}

#[test]
fn a_clean_start_drops_what_waited_and_the_subscriptions() {
    let broker = Broker::start();
    both("clean", |version, name| {
        let (client, connect) = subscriber(&broker, version, name, 1);
        client.lose();
        send(&broker, "1", 1);
        let mut client = Client::connect(broker.mqtt, version, name);
        send(&broker, "2", 1);
        client.quiet();
        client.leave();
        let (mut client, present) = Client::connect_with(broker.mqtt, &connect);
        assert!(!present);
        client.quiet();
        client.leave();
    });
}

#[test]
fn a_session_without_expiry_takes_its_subscriptions_with_it() {
    let broker = Broker::start();
    both("short", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        client.subscribe(&[("in/queue/#", 1)]);
        client.lose();
        send(&broker, "1", 1);
        let (mut client, present) = Client::connect_with(broker.mqtt, &Connect::session(version, name));
        assert!(!present);
        client.quiet();
        client.leave();
    });
}

#[test]
fn an_unsubscribe_stops_what_comes_later_and_completes_what_was_begun() {
    let broker = Broker::start();
    both("begun", |version, name| {
        let (mut client, _) = subscriber(&broker, version, name, 2);
        send(&broker, "1", 2);
        let message = client.expect_publish();
        client.unsubscribe(&["in/queue/#"]);
        send(&broker, "2", 2);
        client.send(&ack(PUBREC, message.packet_id));
        client.expect_ack(PUBREL, message.packet_id);
        client.send(&ack(PUBCOMP, message.packet_id));
        client.quiet();
        client.leave();
        Client::connect(broker.mqtt, version, name).leave();
    });
}

#[test]
fn a_refusal_at_qos_1_and_2_ends_the_delivery() {
    let broker = Broker::start();
    let (mut client, connect) = subscriber(&broker, V5, "refuses", 2);
    for (qos, kind) in [(1, PUBACK), (2, PUBREC)] {
        send(&broker, "no", qos);
        let message = client.expect_publish();
        let [high, low] = message.packet_id.to_be_bytes();
        client.send(&[kind, 4, high, low, 0x97, 0]);
        client.quiet();
    }
    client.lose();
    let (mut client, _) = Client::connect_with(broker.mqtt, &connect);
    client.quiet();
}

#[test]
fn a_pubrec_of_nothing_is_answered_with_the_reason() {
    let broker = Broker::start();
    let mut client = Client::connect(broker.mqtt, V5, "nothing");
    client.send(&ack(PUBREC, 99));
    let answer = client.expect(PUBREL);
    assert_eq!((answer.packet_id(), answer.body.get(2)), (99, Some(&0x92)), "{answer:?}");
    let mut client = Client::connect(broker.mqtt, V311, "nothing-old");
    client.send(&ack(PUBCOMP, 99));
    client.quiet();
}

#[test]
fn the_receive_maximum_counts_both_qualities_and_is_given_back_step_by_step() {
    let broker = Broker::start();
    let connect = Connect::session(V5, "quota").with_property(&[33, 0, 2]);
    let (mut client, _) = Client::connect_with(broker.mqtt, &connect);
    client.subscribe(&[("in/queue/#", 2)]);
    for n in 0..4u8 {
        send(&broker, &n.to_string(), 1 + n % 2);
    }
    let messages: Vec<Publish> = client.drain().iter().map(|packet| Publish::read(V5, packet)).collect();
    assert_eq!(messages.iter().map(|message| message.qos).collect::<Vec<_>>(), [1, 2]);
    client.send(&ack(PUBREC, messages[1].packet_id));
    client.expect_ack(PUBREL, messages[1].packet_id);
    client.quiet();
    client.send(&ack(PUBCOMP, messages[1].packet_id));
    assert_eq!(client.expect_publish().payload, b"2");
    client.quiet();
    client.send(&ack(PUBACK, messages[0].packet_id));
    assert_eq!(client.expect_publish().payload, b"3");
    client.quiet();
}

#[test]
fn identifiers_that_are_in_use_are_not_given_again() {
    let broker = Broker::start();
    both("unique", |version, name| {
        let (mut client, _) = subscriber(&broker, version, name, 2);
        let mut sender = Client::connect(broker.mqtt, version, &format!("{name}-sender"));
        let mut held = Vec::new();
        for n in 0..300u16 {
            sender.publish("in/queue/a", n.to_be_bytes());
            let message = client.expect_publish();
            assert!(message.packet_id != 0 && !held.contains(&message.packet_id), "{message:?} of {held:?}");
            // Every tenth stays unacknowledged.
            if n % 10 == 0 {
                held.push(message.packet_id);
            } else {
                client.send(&ack(PUBACK, message.packet_id));
            }
        }
        client.leave();
        Client::connect(broker.mqtt, version, name).leave();
    });
}

#[test]
fn a_queue_over_its_limit_loses_by_the_stated_policy_and_counts_it() {
    let broker = Broker::with("queue_messages_max = 5");
    let (client, connect) = subscriber(&broker, V311, "full", 1);
    client.lose();
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    for n in 0..20 {
        sender.publish("in/queue/a", n.to_string());
    }
    let (mut client, present) = Client::connect_with(broker.mqtt, &connect);
    assert!(present);
    let mut came = Vec::new();
    for packet in client.drain() {
        came.push(String::from_utf8(Publish::read(V311, &packet).payload).expect("text"));
    }
    assert_eq!(came.len(), 5, "{came:?}");
    assert!(came.is_sorted_by_key(|text| text.parse::<u32>().expect("a number")));
}

#[test]
fn what_was_sent_once_does_not_expire_any_more() {
    let broker = Broker::start();
    let (mut client, connect) = subscriber(&broker, V5, "expires", 2);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    let publish = Publish::new("in/queue/a", "x", 2, 1).with_property(&[2, 0, 0, 0, 1]);
    sender.send(&publish.bytes(V5));
    sender.expect_ack(PUBREC, 1);
    // The sender's handshake goes on whatever becomes of the message.
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    sender.send(&ack(PUBREL, 1));
    sender.expect_ack(PUBCOMP, 1);
    let message = client.expect_publish();
    client.lose();
    let (mut client, _) = Client::connect_with(broker.mqtt, &connect);
    let again = client.expect_publish();
    assert_eq!((again.packet_id, again.dup), (message.packet_id, true));
    client.send(&ack(PUBREC, again.packet_id));
    client.expect_ack(PUBREL, again.packet_id);
    client.send(&ack(PUBCOMP, again.packet_id));
    client.quiet();
}
