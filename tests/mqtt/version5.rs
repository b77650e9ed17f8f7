//! What version 5 added: topic aliases, subscription identifiers, shared subscriptions, reason codes and limits told.

use crate::broker::Broker;
use crate::client::Client;
use crate::packet::{
    CONNACK, Connect, PUBACK, PUBLISH, Packet, Publish, SUBACK, SUBSCRIBE, V5, V311, frame, properties, text,
    user_property, variable,
};

fn alias(number: u16) -> Vec<u8> {
    [&[35][..], &number.to_be_bytes()].concat()
}

/// Connects and gives the largest topic alias that the server takes.
fn with_alias_maximum(broker: &Broker, client_id: &str) -> (Client, u16) {
    let (client, answer) = Client::try_connect(broker.mqtt, &Connect::new(V5, client_id));
    let maximum = answer.expect("a CONNACK").connack_property(34).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    (client, maximum)
}

#[test]
fn every_alias_up_to_the_maximum_stands_for_its_topic() {
    let broker = Broker::start();
    let (mut sender, maximum) = with_alias_maximum(&broker, "sender");
    assert!(maximum > 0);
    let mut client = Client::connect(broker.mqtt, V5, "client");
    client.subscribe(&[("in/alias/#", 0)]);
    for number in 1..=maximum {
        let topic = format!("in/alias/{number}");
        sender.send(&Publish::new(&topic, "named", 0, 0).with_property(&alias(number)).bytes(V5));
        assert_eq!(client.take().topic, topic.into_bytes());
    }
    for number in 1..=maximum {
        sender.send(&Publish::new("", "short", 0, 0).with_property(&alias(number)).bytes(V5));
        let message = client.take();
        assert_eq!((message.topic, &message.payload[..]), (format!("in/alias/{number}").into_bytes(), &b"short"[..]));
        assert!(message.properties.is_empty(), "an alias is between the two of them");
    }
    // It may be given to another topic.
    sender.send(&Publish::new("in/alias/new", "", 0, 0).with_property(&alias(1)).bytes(V5));
    sender.send(&Publish::new("", "", 0, 0).with_property(&alias(1)).bytes(V5));
    assert_eq!([client.take().topic, client.take().topic], [b"in/alias/new", b"in/alias/new"]);
}

#[test]
fn aliases_that_are_not_allowed_end_the_connection() {
    let broker = Broker::start();
    let (_, maximum) = with_alias_maximum(&broker, "probe");
    let cases = [
        (Publish::new("in/alias/a", "", 0, 0).with_property(&alias(0)), 0x94),
        (Publish::new("in/alias/a", "", 0, 0).with_property(&alias(maximum + 1)), 0x94),
        // Never named.
        (Publish::new("", "", 0, 0).with_property(&alias(1)), 0x82),
    ];
    for (publish, code) in cases {
        let mut client = Client::connect(broker.mqtt, V5, "alias");
        client.send(&publish.bytes(V5));
        client.expect_end(code);
    }
    // They end with their connection, even where the session goes on.
    let (mut client, _) = Client::connect_with(broker.mqtt, &Connect::session(V5, "kept"));
    client.send(&Publish::new("in/alias/a", "", 0, 0).with_property(&alias(1)).bytes(V5));
    client.lose();
    let (mut client, present) = Client::connect_with(broker.mqtt, &Connect::session(V5, "kept"));
    assert!(present);
    client.send(&Publish::new("", "", 0, 0).with_property(&alias(1)).bytes(V5));
    client.expect_end(0x82);
}

/// A receiver that keeps the aliases it was told.
fn topics_by_alias(client: &mut Client, count: usize, maximum: u16) -> Vec<String> {
    let mut known = std::collections::HashMap::new();
    let mut topics = Vec::new();
    for _ in 0..count {
        let message = client.take();
        let number = message
            .properties
            .first()
            .filter(|id| **id == 35)
            .map(|_| u16::from_be_bytes([message.properties[1], message.properties[2]]));
        let topic = String::from_utf8(message.topic).expect("text");
        if let Some(number) = number {
            assert!((1..=maximum).contains(&number), "alias {number}");
            if !topic.is_empty() {
                known.insert(number, topic.clone());
            }
        }
        topics.push(if topic.is_empty() { known[&number.expect("an alias")].clone() } else { topic });
    }
    topics
}

#[test]
fn the_server_uses_aliases_only_as_far_as_the_client_takes_them() {
    let broker = Broker::start();
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    for maximum in [0u16, 1, 3] {
        let connect = Connect::new(V5, "client").with_property(&[&[34][..], &maximum.to_be_bytes()].concat());
        let connect = if maximum == 0 { Connect::new(V5, "client") } else { connect };
        let (mut client, _) = Client::connect_with(broker.mqtt, &connect);
        client.subscribe(&[("in/out/#", 1)]);
        let mut expected = Vec::new();
        for n in 0..40 {
            let topic = format!("in/out/{}", n * n % 7);
            sender.publish(&topic, "x");
            expected.push(topic);
        }
        assert_eq!(topics_by_alias(&mut client, 40, maximum), expected, "{maximum}");
        client.leave();
    }
}

fn subscribe_with_id(client: &mut Client, id: usize, filter: &str, options: u8) -> u8 {
    let block = [&[11][..], &variable(id)].concat();
    let body = [&[0, 9][..], &properties(&block), &text(filter), &[options]].concat();
    client.send(&frame(SUBSCRIBE, &body));
    client.expect(SUBACK).codes(V5)[0]
}

/// The subscription identifiers of a message, in order.
fn ids(message: &Publish) -> Vec<usize> {
    let mut rest = &message.properties[..];
    let mut found = Vec::new();
    while let Some((11, tail)) = rest.split_first() {
        let (mut value, mut at) = (0, 0);
        loop {
            value |= usize::from(tail[at] & 0x7F) << (7 * at);
            at += 1;
            if tail[at - 1] & 0x80 == 0 {
                break;
            }
        }
        found.push(value);
        rest = &tail[at..];
    }
    found.sort_unstable();
    found
}

#[test]
fn messages_carry_the_identifiers_of_the_subscriptions_they_matched() {
    let broker = Broker::start();
    let mut client = Client::connect(broker.mqtt, V5, "ids");
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    assert_eq!(subscribe_with_id(&mut client, 1, "in/ids/#", 1), 1);
    assert_eq!(subscribe_with_id(&mut client, 268_435_455, "in/ids/a", 0), 0);
    assert_eq!(client.subscribe(&[("in/+/a", 0)]), [0]);
    sender.publish("in/ids/a", "both");
    // One copy with both, or a copy for each, are both right; the quality is the best of those it stands for.
    let mut seen = Vec::new();
    for packet in client.drain() {
        let message = Publish::read(V5, &packet);
        assert_eq!(message.payload, b"both");
        seen.extend(ids(&message));
        if message.qos == 1 {
            client.send(&crate::packet::ack(PUBACK, message.packet_id));
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 268_435_455]);
    sender.publish("in/ids/b", "one");
    assert_eq!(ids(&client.take()), [1]);
    // Subscribing again replaces the identifier.
    assert_eq!(subscribe_with_id(&mut client, 7, "in/ids/#", 1), 1);
    sender.publish("in/ids/b", "new");
    assert_eq!(ids(&client.take()), [7]);
    // 0 is no identifier.
    let body = [&[0, 9][..], &properties(&[11, 0]), &text("a"), &[0]].concat();
    client.send(&frame(SUBSCRIBE, &body));
    client.expect_end(0x82);
}

#[test]
fn a_shared_subscription_gives_each_message_to_one_member_of_each_group() {
    let broker = Broker::start();
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    let member = |name: &str, version, filter: &str| {
        let mut client = Client::connect(broker.mqtt, version, name);
        assert_eq!(client.subscribe(&[(filter, 1)]), [1]);
        client
    };
    let mut members = [
        member("a1", V5, "$share/a/in/share/+"),
        member("a2", V311, "$share/a/in/share/+"),
        member("b1", V5, "$share/b/in/share/+"),
        member("whole", V5, "in/share/+"),
    ];
    for n in 0..100u8 {
        sender.publish("in/share/x", [n]);
    }
    let mut taken = [const { Vec::new() }; 4];
    for (client, taken) in members.iter_mut().zip(&mut taken) {
        loop {
            let packets = client.drain();
            if packets.is_empty() {
                break;
            }
            for packet in packets {
                let message = Publish::read(client.version, &packet);
                taken.push(message.payload[0]);
                client.send(&crate::packet::ack(PUBACK, message.packet_id));
            }
        }
    }
    let all: Vec<u8> = (0..100).collect();
    assert_eq!((&taken[2], &taken[3]), (&all, &all), "a group of one, and an ordinary subscriber");
    assert!(taken[0].len() >= 25 && taken[1].len() >= 25, "balanced: {} and {}", taken[0].len(), taken[1].len());
    let mut together = [&taken[0][..], &taken[1]].concat();
    together.sort_unstable();
    assert_eq!(together, all);
}

/// Members of `$share/g/in/FILTER` at this quality; the first takes one message at a time.
fn two_members(broker: &Broker, first: &Connect, filter: &str, qos: u8) -> (Client, Client) {
    let connect = first.clone().with_property(&[33, 0, 1]);
    let (mut first, _) = Client::connect_with(broker.mqtt, &connect);
    let mut second = Client::connect(broker.mqtt, V5, "second");
    for client in [&mut first, &mut second] {
        assert_eq!(client.subscribe(&[(&format!("$share/g/in/{filter}/+"), qos)]), [qos]);
    }
    (first, second)
}

#[test]
fn what_a_member_was_sent_at_qos_2_is_completed_with_it_when_it_is_back() {
    let broker = Broker::start();
    let connect = Connect::session(V5, "first");
    let (mut first, mut second) = two_members(&broker, &connect, "back", 2);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    for n in 0..4u8 {
        sender.publish_twice_safe("in/back/x", [n]);
    }
    let sent = first.expect_publish();
    first.lose();
    let (mut first, present) = Client::connect_with(broker.mqtt, &connect.with_property(&[33, 0, 1]));
    assert!(present);
    let again = first.expect_publish();
    assert_eq!((&again.payload, again.packet_id, again.dup), (&sent.payload, sent.packet_id, true));
    first.send(&crate::packet::ack(crate::packet::PUBREC, again.packet_id));
    first.expect_ack(crate::packet::PUBREL, again.packet_id);
    first.send(&crate::packet::ack(crate::packet::PUBCOMP, again.packet_id));
    // Whoever gets the others: the second never got this one.
    for packet in second.drain() {
        assert!(packet.first >> 4 != 3 || Publish::read(V5, &packet).payload != sent.payload);
    }
}

/// Twenty messages to a group whose first member goes for good with one of them unacknowledged; gives what it was sent
/// and what the second got.
fn gone_for_good(qos: u8) -> (u8, Vec<u8>) {
    let broker = Broker::start();
    let (mut first, mut second) = two_members(&broker, &Connect::new(V5, "first"), "gone", qos);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    for n in 0..20u8 {
        sender.publish_twice_safe("in/gone/x", [n]);
    }
    let sent = first.expect_publish().payload[0];
    first.lose();
    // The member's end is committed before this is delivered, and its messages came before.
    broker.wait_for_count("connections", 2);
    sender.publish("in/gone/x", [99]);
    let mut came = Vec::new();
    while came.last() != Some(&99) {
        came.push(second.take().payload[0]);
    }
    came.pop();
    came.sort_unstable();
    (sent, came)
}

#[test]
fn a_member_that_goes_for_good_leaves_its_messages_to_the_others() {
    let (_, came) = gone_for_good(1);
    assert_eq!(came, (0..20).collect::<Vec<u8>>());
}

#[test]
fn what_a_member_was_sent_at_qos_2_goes_to_no_other_when_its_session_ends() {
    let (sent, came) = gone_for_good(2);
    assert_eq!(came, (0..20).filter(|n| *n != sent).collect::<Vec<u8>>());
}

#[test]
fn a_message_that_a_member_refuses_goes_to_no_other() {
    let broker = Broker::start();
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    let mut members = ["one", "two"].map(|name| Client::connect(broker.mqtt, V5, name));
    for client in &mut members {
        assert_eq!(client.subscribe(&[("$share/g/in/refuse/+", 1)]), [1]);
    }
    let mut seen = 0;
    for _ in 0..10 {
        sender.publish("in/refuse/x", "x");
        for client in &mut members {
            for packet in client.drain() {
                let [high, low] = Publish::read(V5, &packet).packet_id.to_be_bytes();
                client.send(&[PUBACK, 4, high, low, 0x97, 0]);
                seen += 1;
            }
        }
    }
    members.iter_mut().for_each(Client::quiet);
    assert_eq!(seen, 10);
}

#[test]
fn shared_subscriptions_that_are_wrong_are_refused() {
    let broker = Broker::start();
    let mut client = Client::connect(broker.mqtt, V5, "wrong");
    for filter in ["$share/", "$share//a", "$share/g", "$share/g/", "$share/g+/a", "$share/g#/a", "$share/+/a"] {
        let code = client.subscribe(&[(filter, 1)])[0];
        assert_eq!(code, 0x8F, "{filter}");
    }
    // No-local on a shared subscription is a protocol error.
    client.send(&crate::packet::subscribe(V5, 5, &[("$share/g/a", 1 | 4)]));
    client.expect_end(0x82);
}

#[test]
fn what_the_server_can_do_is_told_as_it_is() {
    let broker = Broker::start();
    let (_client, answer) = Client::try_connect(broker.mqtt, &Connect::new(V5, "told"));
    let answer = answer.expect("a CONNACK");
    // What is not told is there: QoS 2, retained messages, wildcards, identifiers, shared subscriptions.
    for property in [36, 37, 40, 41, 42] {
        assert!(answer.connack_property(property).is_none_or(|value| value != [0]), "{property}");
    }
}

#[test]
fn no_packet_is_larger_than_the_client_takes() {
    let broker = Broker::start();
    for size in [16u8, 20, 30, 60] {
        let connect = Connect::new(V5, "tiny").with_property(&[39, 0, 0, 0, size]);
        let mut client = Client::open(broker.mqtt, V5);
        client.send(&connect.bytes());
        let mut sizes = Vec::new();
        client.send_what_it_takes(&crate::packet::subscribe(V5, 1, &[("a", 0), ("b/#/c", 1), ("in/tiny/+", 1)]));
        client.send_what_it_takes(&Publish::new("in/tiny/a", "x".repeat(100), 1, 3).bytes(V5));
        client.send_what_it_takes(&crate::packet::unsubscribe(V5, 2, &["a", "none"]));
        client.send_what_it_takes(&crate::packet::PINGREQ);
        client.send_what_it_takes(&[0, 0]);
        while let Some(Packet { body, .. }) = client.next() {
            sizes.push(2 + body.len());
        }
        assert!(sizes.iter().all(|sent| *sent <= usize::from(size)), "{sizes:?} for {size}");
    }
}

/// The reason string of a property block with its length, if there is one.
fn reason(block: &[u8]) -> Option<String> {
    let (length, rest) = block.split_first()?;
    let block = &rest[..usize::from(*length)];
    let (id, text) = block.split_first()?;
    assert_eq!(*id, 31, "{block:?}");
    assert_eq!(usize::from(u16::from_be_bytes([text[0], text[1]])), text.len() - 2);
    Some(String::from_utf8(text[2..].to_vec()).expect("text"))
}

#[test]
fn failures_are_explained_in_words_that_fit() {
    let rules = "[[broker.acl]]\npublish = \"in/ok/+\"\nsubscribe = \"in/#\"\n";
    let broker = Broker::configured(rules);
    let mut client = Client::connect(broker.mqtt, V5, "wordy");
    let mut refusal = |filters: &[(&str, u8)]| {
        client.send(&crate::packet::subscribe(V5, 7, filters));
        let answer = client.expect(SUBACK);
        (reason(&answer.body[2..]), answer.codes(V5))
    };
    let (words, codes) = refusal(&[("in/a", 1), ("in/#/b", 1), ("other", 1)]);
    assert_eq!(codes, [1, 0x8F, 0x87]);
    assert!(words.is_some_and(|words| words.contains("no topic filter")), "of the first that fails");
    let (words, codes) = refusal(&[("other", 1)]);
    assert_eq!(codes, [0x87]);
    assert!(words.is_some_and(|words| words.contains("broker.acl")));
    assert_eq!(refusal(&[("in/b", 0)]), (None, vec![0]), "nothing to explain");
    for (qos, first) in [(1, PUBACK), (2, crate::packet::PUBREC)] {
        client.send(&Publish::new("in/no/a", "x", qos, 9).bytes(V5));
        let answer = client.expect(first);
        assert_eq!((answer.packet_id(), answer.body[2]), (9, 0x87));
        assert!(reason(&answer.body[3..]).is_some_and(|words| words.contains("broker.acl")));
    }
    client.send(&crate::packet::ack(crate::packet::PUBREL, 99));
    let answer = client.expect(crate::packet::PUBCOMP);
    assert_eq!(answer.body[2], 0x92);
    assert!(reason(&answer.body[3..]).is_some_and(|words| words.contains("packet identifier")));
    client.send(&crate::packet::unsubscribe(V5, 8, &["none"]));
    let answer = client.expect(crate::packet::UNSUBACK);
    assert_eq!(answer.codes(V5), [0x11]);
    assert!(reason(&answer.body[2..]).is_some_and(|words| words.contains("no such subscription")));

    // The code alone, where the client takes no larger packet.
    let connect = Connect::new(V5, "short").with_property(&[39, 0, 0, 0, 20]);
    let mut client = Client::open(broker.mqtt, V5);
    client.send(&connect.bytes());
    if client.next().is_some_and(|answer| answer.first == CONNACK) {
        client.send(&Publish::new("in/no/a", "x", 1, 9).bytes(V5));
        assert_eq!(client.expect(PUBACK).body, [0, 9, 0x87]);
    }
}

#[test]
fn reasons_in_words_are_left_out_where_they_are_not_wanted() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "quiet").with_property(&[23, 0]);
    let (mut client, _) = Client::connect_with(broker.mqtt, &connect);
    let id = client.free_id();
    client.send(&crate::packet::subscribe(V5, id, &[("a/#/b", 1)]));
    let answer = client.expect(SUBACK);
    assert_eq!(answer.body[2], 0, "no properties: {answer:?}");
    client.send(&crate::packet::unsubscribe(V5, id, &["none"]));
    assert_eq!(client.expect(crate::packet::UNSUBACK).body[2], 0);
    client.send(&Publish::new("in/quiet/a", "x", 1, 1).bytes(V5));
    let answer = client.expect(PUBACK);
    assert!(answer.body.len() <= 3 || answer.body[3] == 0, "{answer:?}");
}

#[test]
fn a_disconnect_of_the_server_carries_no_session_expiry() {
    let broker = Broker::start();
    let (mut client, _) = Client::connect_with(broker.mqtt, &Connect::session(V5, "expiry"));
    client.send(&[0, 0]);
    let said = client.expect(0xE0);
    assert_eq!(said.body[0], 0x81);
    let block = said.body.get(2..).unwrap_or_default();
    assert!(block.is_empty() || block[0] == 31 || block[0] == 38, "{said:?}");
}

#[test]
fn version_3_1_is_spoken_too() {
    let broker = Broker::start();
    let mut connect = Connect::new(V311, "old");
    connect.name = b"MQIsdp".to_vec();
    connect.level = 3;
    let (mut client, answer) = Client::try_connect(broker.mqtt, &connect);
    assert_eq!(answer.map(|answer| (answer.first, answer.body)), Some((CONNACK, vec![0, 0])));
    client.subscribe(&[("in/old/a", 1)]);
    client.send(&Publish::new("in/old/a", "x", 1, 9).bytes(V311));
    let mut kinds: Vec<u8> = (0..2).map(|_| client.next().expect("a packet").first & 0xF0).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [PUBLISH, PUBACK]);
}

#[test]
fn a_message_whose_expiry_passed_while_it_waited_is_not_delivered() {
    let broker = Broker::start();
    let (mut client, _) = Client::connect_with(broker.mqtt, &Connect::session(V5, "late"));
    client.subscribe(&[("in/late/a", 2)]);
    client.lose();
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    for (id, seconds) in [(1, 1u8), (2, 200)] {
        let publish = Publish::new("in/late/a", seconds.to_string(), 1, id).with_property(&[2, 0, 0, 0, seconds]);
        sender.send(&publish.with_property(&user_property("k", "v")).bytes(V5));
        sender.expect_ack(PUBACK, id);
    }
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    let (mut client, present) = Client::connect_with(broker.mqtt, &Connect::session(V5, "late"));
    assert!(present);
    let message = client.take();
    assert_eq!(message.payload, b"200");
    // 200 seconds, less what it waited.
    let left = message.properties.windows(5).find(|window| window[..4] == [2, 0, 0, 0]).expect("an expiry")[4];
    assert!((1..=198).contains(&left), "{left}");
    client.quiet();
}
