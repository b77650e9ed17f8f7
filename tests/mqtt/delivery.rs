//! Subscriptions and what comes of them: wildcards, QoS, order, properties, UNSUBSCRIBE.

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::packet::{BOTH, PUBACK, Publish, SUBACK, UNSUBACK, V5, V311, subscribe, text, user_property};

#[test]
fn filters_are_answered_in_order_with_what_was_granted() {
    let broker = Broker::start();
    both("order", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        let codes = client.subscribe(&[("a", 1), ("b/#", 0), ("#/c", 1), ("d+", 0), ("+/e", 1), ("", 0)]);
        let bad = |code: &u8| if version == V5 { *code == 0x8F } else { *code == 0x80 };
        assert_eq!((codes.len(), codes[0], codes[1], codes[4]), (6, 1, 0, 1));
        assert!([2, 3, 5].iter().all(|at| bad(&codes[*at])), "{codes:x?}");
        assert_eq!(broker.count("subscriptions"), 3);
        let codes = client.unsubscribe(&["b/#", "nothing", "a"]);
        assert_eq!(codes, if version == V5 { vec![0, 0x11, 0] } else { vec![] });
        assert_eq!(broker.count("subscriptions"), 1);
        client.leave();
        broker.wait_for_count("subscriptions", 0);
    });
}

#[test]
fn messages_reach_the_filters_that_match_and_no_others() {
    let broker = Broker::start();
    // Filter, topics that match, topics that do not: the specification's own examples and their neighbours.
    let cases: [(&str, &[&str], &[&str]); 12] = [
        (
            "sport/tennis/player1/#",
            &["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/x"],
            &["sport/tennis/player2", "sport/tennis"],
        ),
        ("sport/#", &["sport", "sport/", "sport/a/b/c"], &["sports", "/sport"]),
        ("#", &["a", "/", "a/b/c"], &[]),
        (
            "sport/tennis/+",
            &["sport/tennis/player1", "sport/tennis/"],
            &["sport/tennis/player1/ranking", "sport/tennis"],
        ),
        ("sport/+", &["sport/"], &["sport", "sport/a/b"]),
        ("+/+", &["/finance", "a/b"], &["finance", "a/b/c"]),
        ("/+", &["/finance"], &["finance", "a/b"]),
        ("+", &["finance"], &["/finance", "a/b"]),
        ("+/tennis/#", &["a/tennis", "/tennis/x"], &["tennis", "a/b/tennis"]),
        ("a//b", &["a//b"], &["a/b", "a/ /b"]),
        ("Ä/ё/日本", &["Ä/ё/日本"], &["A/ё/日本", "ä/ё/日本"]),
        ("ACCOUNTS", &["ACCOUNTS"], &["Accounts", "ACCOUNTS/"]),
    ];
    for version in BOTH {
        let mut sender = Client::connect(broker.mqtt, version, "sender");
        for (filter, matching, others) in cases {
            let mut subscriber = Client::connect(broker.mqtt, version, "subscriber");
            assert_eq!(subscriber.subscribe(&[(filter, 1), ("the/end", 1)]), [1, 1]);
            for topic in others.iter().chain(matching) {
                sender.publish(topic, *topic);
            }
            sender.publish("the/end", "");
            let mut wanted: Vec<&str> = matching.to_vec();
            loop {
                let message = subscriber.take();
                let topic = String::from_utf8(message.topic).expect("a topic is text");
                if topic == "the/end" {
                    break;
                }
                assert_eq!(message.payload, topic.as_bytes());
                assert_eq!(wanted.remove(0), topic, "{filter}");
            }
            assert!(wanted.is_empty(), "{filter}: {wanted:?} did not come");
            subscriber.leave();
        }
    }
}

#[test]
fn the_quality_is_the_lower_of_what_was_published_and_granted() {
    let broker = Broker::start();
    both("quality", |version, name| {
        let mut sender = Client::connect(broker.mqtt, version, &format!("{name}-sender"));
        for granted in [0, 1] {
            let mut subscriber = Client::connect(broker.mqtt, version, name);
            assert_eq!(subscriber.subscribe(&[("in/quality/a", granted)]), [granted]);
            sender.send(&Publish::new("in/quality/a", "0", 0, 0).bytes(version));
            sender.publish("in/quality/a", "1");
            sender.publish_twice_safe("in/quality/a", "2");
            for published in 0..3u8 {
                let message = subscriber.take();
                assert_eq!(message.payload, published.to_string().as_bytes());
                assert_eq!(message.qos, published.min(granted));
                assert_eq!((message.dup, message.retain), (false, false));
                assert_eq!(message.packet_id == 0, message.qos == 0, "an identifier at QoS 1 and 2 only");
            }
            subscriber.leave();
        }
    });
}

#[test]
fn messages_of_one_sender_come_in_order_and_unchanged_across_versions() {
    let broker = Broker::start();
    for (from, to) in [(V311, V5), (V5, V311), (V5, V5), (V311, V311)] {
        let mut subscriber = Client::connect(broker.mqtt, to, "to");
        subscriber.subscribe(&[("in/order/+", 1)]);
        let mut sender = Client::connect(broker.mqtt, from, "from");
        for round in 0..20u32 {
            // As many at a time as may be unacknowledged, of both qualities, with payloads of any bytes.
            let payload = |n: u32| [&n.to_be_bytes()[..], &vec![n as u8; (n % 7 * 300) as usize]].concat();
            let range = round * 50..round * 50 + 50;
            let bytes: Vec<u8> = range
                .clone()
                .flat_map(|n| {
                    Publish::new("in/order/a", payload(n), n as u8 % 2, n as u16 % 2 * (n as u16 + 1)).bytes(from)
                })
                .collect();
            sender.send(&bytes);
            for n in range.clone().filter(|n| n % 2 == 1) {
                sender.expect_ack(PUBACK, n as u16 + 1);
            }
            for n in range {
                let message = subscriber.take();
                assert_eq!((message.payload, message.qos), (payload(n), n as u8 % 2));
            }
        }
    }
}

#[test]
fn one_message_comes_once_at_the_best_of_overlapping_subscriptions() {
    let broker = Broker::start();
    both("overlap", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        client.subscribe(&[("in/overlap/#", 0), ("in/+/a", 1), ("in/overlap/a", 0)]);
        client.send(&Publish::new("in/overlap/a", "1", 1, 40).bytes(version));
        client.send(&Publish::new("in/overlap/b", "2", 1, 41).bytes(version));
        let packets: Vec<_> = (0..4).map(|_| client.next().expect("a packet")).collect();
        let messages: Vec<Publish> = packets
            .iter()
            .filter(|packet| packet.first >> 4 == 3)
            .map(|packet| Publish::read(version, packet))
            .collect();
        let seen: Vec<(&[u8], u8)> = messages.iter().map(|message| (&message.payload[..], message.qos)).collect();
        assert_eq!(seen, [(&b"1"[..], 1), (b"2", 0)]);
        client.quiet();
    });
}

#[test]
fn subscribing_again_replaces_the_subscription() {
    let broker = Broker::start();
    both("replace", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        let mut sender = Client::connect(broker.mqtt, version, &format!("{name}-sender"));
        for qos in [0, 1, 0] {
            client.subscribe(&[("in/replace/a", qos)]);
            sender.publish("in/replace/a", "x");
            assert_eq!(client.take().qos, qos);
            client.quiet();
            assert_eq!(broker.count("subscriptions"), 1);
        }
        client.leave();
        broker.wait_for_count("subscriptions", 0);
    });
}

#[test]
fn the_same_filter_twice_in_one_packet_counts_as_two_packets() {
    let broker = Broker::start();
    both("twice", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        assert_eq!(client.subscribe(&[("in/twice/a", 1), ("in/twice/a", 0)]), [1, 0]);
        let mut sender = Client::connect(broker.mqtt, version, &format!("{name}-sender"));
        sender.publish("in/twice/a", "x");
        assert_eq!(client.take().qos, 0);
        client.quiet();
        let codes = client.unsubscribe(&["in/twice/a", "in/twice/a"]);
        assert_eq!(codes, if version == V5 { vec![0, 0x11] } else { vec![] });
        client.leave();
        broker.wait_for_count("subscriptions", 0);
    });
}

#[test]
fn after_an_unsubscribe_nothing_more_comes_and_the_others_stay() {
    let broker = Broker::start();
    both("un", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        let mut sender = Client::connect(broker.mqtt, version, &format!("{name}-sender"));
        client.subscribe(&[("in/un/+", 1), ("in/un/a", 1), ("in/keep/a", 1)]);
        // Filters are compared as text: this is none of them.
        client.unsubscribe(&["in/un/b"]);
        sender.publish("in/un/b", "1");
        assert_eq!(client.take().payload, b"1");
        client.unsubscribe(&["in/un/+", "in/un/a"]);
        for topic in ["in/un/a", "in/un/b", "in/keep/a"] {
            sender.publish(topic, "2");
        }
        assert_eq!(client.take().topic, b"in/keep/a");
        client.quiet();
    });
}

#[test]
fn a_suback_and_an_unsuback_carry_the_identifier_of_their_request() {
    let broker = Broker::start();
    both("ids", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        let ids = [1, 2, 255, 256, 65_535];
        for id in ids {
            client.send(&subscribe(version, id, &[("a", 0)]));
        }
        for id in ids {
            assert_eq!(client.expect(SUBACK).packet_id(), id);
        }
        for id in ids {
            client.send(&crate::packet::unsubscribe(version, id, &["a"]));
        }
        for id in ids {
            assert_eq!(client.expect(UNSUBACK).packet_id(), id);
        }
    });
}

#[test]
fn properties_of_a_message_travel_unchanged_and_in_order() {
    let broker = Broker::start();
    let mut new = Client::connect(broker.mqtt, V5, "new");
    let mut old = Client::connect(broker.mqtt, V311, "old");
    new.subscribe(&[("in/props/a", 1)]);
    old.subscribe(&[("in/props/a", 1)]);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    let block = [
        vec![1, 1],
        [&[3][..], &text("text/plain; charset=utf-8")].concat(),
        [&[8][..], &text("answers/here")].concat(),
        [&[9][..], &text(b"\x00\xFFcorrelation")].concat(),
        user_property("b", "2"),
        user_property("a", "1"),
        user_property("b", "2"),
        user_property("", ""),
    ]
    .concat();
    sender.send(&Publish::new("in/props/a", "x", 1, 1).with_property(&block).bytes(V5));
    sender.expect_ack(PUBACK, 1);
    let message = new.take();
    assert_eq!(message.properties, block);
    let message = old.take();
    assert_eq!((message.payload, message.properties), (b"x".to_vec(), vec![]));
}

#[test]
fn a_message_expiry_is_counted_down_and_ends() {
    let broker = Broker::start();
    let mut subscriber = Client::connect(broker.mqtt, V5, "subscriber");
    subscriber.subscribe(&[("in/expiry/a", 1)]);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    sender.send(&Publish::new("in/expiry/a", "x", 1, 1).with_property(&[2, 0, 0, 1, 0]).bytes(V5));
    sender.expect_ack(PUBACK, 1);
    let message = subscriber.take();
    // 256 seconds, less the whole seconds that have passed.
    let left = u32::from_be_bytes(message.properties[1..5].try_into().expect("four bytes"));
    assert!(message.properties[0] == 2 && (100..=256).contains(&left), "{message:?}");
}

#[test]
fn no_local_keeps_a_clients_own_messages_from_it() {
    let broker = Broker::start();
    let mut client = Client::connect(broker.mqtt, V5, "own");
    let mut other = Client::connect(broker.mqtt, V5, "other");
    client.subscribe(&[("in/own/a", 1 | 4)]);
    client.publish("in/own/a", "mine");
    other.publish("in/own/a", "theirs");
    assert_eq!(client.take().payload, b"theirs");
    client.quiet();
}

#[test]
fn a_message_larger_than_the_subscriber_takes_is_not_sent_and_nothing_else_suffers() {
    let broker = Broker::start();
    let small = crate::packet::Connect::new(V5, "small").with_property(&[39, 0, 0, 0, 100]);
    let (mut subscriber, _) = Client::connect_with(broker.mqtt, &small);
    subscriber.subscribe(&[("in/size/a", 1)]);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    sender.publish("in/size/a", "before");
    sender.publish("in/size/a", "x".repeat(200));
    sender.publish("in/size/a", "after");
    assert_eq!(subscriber.take().payload, b"before");
    assert_eq!(subscriber.take().payload, b"after");
    assert_eq!(broker.count("dropped_too_large_total"), 1);
}

#[test]
fn a_subscriber_that_does_not_acknowledge_gets_no_more_than_its_receive_maximum() {
    let broker = Broker::start();
    let connect = crate::packet::Connect::new(V5, "slow").with_property(&[33, 0, 3]);
    let (mut slow, _) = Client::connect_with(broker.mqtt, &connect);
    slow.subscribe(&[("in/slow/a", 1)]);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    for n in 0..10u8 {
        sender.publish("in/slow/a", [n]);
    }
    let mut seen: Vec<Publish> = slow.drain().iter().map(|packet| Publish::read(V5, packet)).collect();
    assert_eq!(seen.len(), 3);
    // Everything but messages goes on meanwhile.
    slow.publish("in/other/a", "x");
    slow.quiet();
    for n in 0..10u8 {
        let message = seen.remove(0);
        assert_eq!(message.payload, [n]);
        slow.send(&crate::packet::ack(PUBACK, message.packet_id));
        if n < 7 {
            seen.push(slow.expect_publish());
        }
    }
    slow.quiet();
}

#[test]
fn wildcards_leave_the_servers_own_topics_alone() {
    let broker = Broker::start();
    both("dollar", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        client.subscribe(&[("#", 1), ("+/a", 1), ("/#", 1)]);
        let mut sender = Client::connect(broker.mqtt, version, &format!("{name}-sender"));
        // Whether a client may publish there or not, a wildcard does not bring it.
        sender.send(&Publish::new("$mine/a", "no", 0, 0).bytes(version));
        wait_until_processed(&mut sender);
        let mut second = Client::connect(broker.mqtt, version, &format!("{name}-second"));
        second.publish("b/a", "yes");
        assert_eq!(client.take().topic, b"b/a");
        client.quiet();
    });
}

/// The server has dealt with what was sent: it answers a PINGREQ, or has ended the connection.
fn wait_until_processed(client: &mut Client) {
    client.send_what_it_takes(&crate::packet::PINGREQ);
    while client.next().is_some_and(|packet| packet.first != crate::packet::PINGRESP) {}
}
