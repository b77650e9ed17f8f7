//! What a client must not send: the connection ends, with the right reason, and nothing of it is taken.

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::packet::{
    BOTH, CONNACK, Connect, PUBACK, PUBLISH, Publish, SUBSCRIBE, UNSUBSCRIBE, V5, V311, Version, frame, properties,
    text,
};

/// A well-connected client sends these bytes and is ended with this code (told to version 5).
fn ends(broker: &Broker, version: Version, bytes: &[u8], code: u8) {
    let mut client = Client::connect(broker.mqtt, version, "violator");
    client.send(bytes);
    let said = client.next();
    if version == V5 {
        let said = said.unwrap_or_else(|| panic!("closed without a DISCONNECT: {bytes:?}"));
        assert_eq!((said.first, said.body[0]), (0xE0, code), "{said:?} to {bytes:?}");
        assert_eq!(client.next(), None);
    } else {
        assert_eq!(said, None, "{bytes:?}");
    }
}

#[test]
fn the_first_packet_must_be_a_connect() {
    let broker = Broker::start();
    for version in BOTH {
        for first in 0..=0xFFu8 {
            if first >> 4 == 1 {
                continue;
            }
            let mut client = Client::open(broker.mqtt, version);
            client.send_what_it_takes(&frame(first, &Publish::new("in/first/a", "x", 0, 0).bytes(version)[2..]));
            assert_eq!(client.next(), None, "{first:#x}");
        }
    }
    assert_eq!(broker.taken(), 0);
}

#[test]
fn a_second_connect_ends_the_connection() {
    let broker = Broker::start();
    both("again", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        client.send(&Connect::new(version, name).bytes());
        client.expect_end(0x82);
        // Even for another identifier, and even behind what is right.
        let mut client = Client::connect(broker.mqtt, version, name);
        let right = Publish::new("in/again/a", "1", 1, 9).bytes(version);
        client.send(&[right, Connect::new(version, "other").bytes()].concat());
        let told = client.next();
        let told = if told.as_ref().is_some_and(|packet| packet.first == PUBACK) { client.next() } else { told };
        assert!(told.is_none_or(|packet| packet.first == 0xE0 && packet.body[0] == 0x82));
    });
    broker.wait_until_empty();
    broker.wait_until_taken(2);
}

#[test]
fn packets_that_only_servers_send_end_the_connection() {
    let broker = Broker::start();
    for version in BOTH {
        // CONNACK, SUBACK, UNSUBACK, PINGRESP; type 0, which nobody sends; AUTH, which 3.1.1 does not know.
        let ack = [&[0, 1][..], version.no_properties(), &[0]].concat();
        for first in [0x20, 0x90, 0xB0] {
            ends(&broker, version, &frame(first, &ack), 0x82);
        }
        ends(&broker, version, &[0xD0, 0], 0x82);
        ends(&broker, version, &[0x00, 0], 0x81);
    }
    ends(&broker, V311, &[0xF0, 0], 0);
    let mut client = Client::connect(broker.mqtt, V5, "auth");
    client.send(&[0xF0, 2, 0x19, 0]);
    let said = client.expect(0xE0);
    assert!([0x82, 0x8C].contains(&said.body[0]), "{said:?}");
    assert_eq!(client.next(), None);
}

#[test]
fn reserved_flags_of_the_fixed_header_end_the_connection() {
    let broker = Broker::start();
    for version in BOTH {
        let no_properties = version.no_properties();
        let id = &[0, 1][..];
        let subscribe = [id, no_properties, &text("in/#"), &[0]].concat();
        let unsubscribe = [id, no_properties, &text("in/#")].concat();
        let right: [(u8, &[u8]); 8] = [
            (0x40, id),
            (0x50, id),
            (0x62, id),
            (0x70, id),
            (SUBSCRIBE, &subscribe),
            (UNSUBSCRIBE, &unsubscribe),
            (0xC0, &[]),
            (0xE0, &[]),
        ];
        for (right, body) in right {
            for flags in 0..16 {
                let first = right & 0xF0 | flags;
                if first != right {
                    ends(&broker, version, &frame(first, body), 0x81);
                }
            }
        }
    }
    assert_eq!(broker.count("subscriptions"), 0);
}

#[test]
fn a_publish_with_forbidden_flags_or_ids_ends_the_connection() {
    let broker = Broker::start();
    for version in BOTH {
        let with_id = |first: u8, id: u16| {
            let body = [&text("in/flags/a")[..], &id.to_be_bytes(), version.no_properties(), b"x"].concat();
            frame(first, &body)
        };
        // QoS 3; DUP at QoS 0; packet identifier 0.
        ends(&broker, version, &with_id(PUBLISH | 0x06, 1), 0x81);
        let dup = Publish::new("in/flags/a", "x", 0, 0).again();
        ends(&broker, version, &dup.bytes(version), 0x81);
        for qos in [1, 2] {
            let mut client = Client::connect(broker.mqtt, version, "zero");
            client.send(&with_id(PUBLISH | qos << 1, 0));
            let said = client.next();
            assert!(said.is_none_or(|said| version == V5 && [0x81, 0x82].contains(&said.body[0])));
        }
        // A body that ends within its packet identifier.
        ends(&broker, version, &frame(PUBLISH | 2, &[&text("in/flags/a")[..], &[0]].concat()), 0x81);
    }
    broker.wait_until_empty();
    assert_eq!(broker.taken(), 0);
}

#[test]
fn topics_that_cannot_be_published_to_end_the_connection() {
    let broker = Broker::start();
    for version in BOTH {
        for topic in ["#", "+", "in/+/a", "in/a/#", "in/a+/b", "in/a#/b"] {
            ends(&broker, version, &Publish::new(topic, "x", 1, 1).bytes(version), 0x90);
        }
        let not_text: [&[u8]; 4] = [b"in/a\0/b", b"in/\xFF/b", b"in/\xED\xA0\x80/b", b"in/\xC3"];
        for topic in not_text {
            ends(&broker, version, &Publish::new(topic, "x", 1, 1).bytes(version), 0x81);
        }
        // A length that goes beyond the packet.
        ends(&broker, version, &frame(PUBLISH, &[0, 9, b'a']), 0x81);
        ends(&broker, version, &frame(PUBLISH, &[0]), 0x81);
        ends(&broker, version, &frame(PUBLISH, &[]), 0x81);
    }
    ends(&broker, V311, &Publish::new("", "x", 1, 1).bytes(V311), 0);
    ends(&broker, V5, &Publish::new("", "x", 1, 1).bytes(V5), 0x82);
    broker.wait_until_empty();
    assert_eq!(broker.taken(), 0);
}

#[test]
fn deep_topics_are_refused_and_long_ones_taken() {
    let broker = Broker::start();
    for version in BOTH {
        ends(&broker, version, &Publish::new("a/".repeat(200), "x", 1, 1).bytes(version), 0x90);
        let mut client = Client::connect(broker.mqtt, version, "long");
        assert!(client.subscribe(&[(&"a/".repeat(200), 0)])[0] >= 0x80);
        client.publish(&format!("in/long/{}", "x".repeat(65_535 - 8)), "1");
    }
    assert_eq!(broker.taken(), 2);
}

#[test]
fn properties_that_do_not_belong_there_end_the_connection() {
    let broker = Broker::start();
    let publish = |property: &[u8]| Publish::new("in/props/a", "x", 1, 1).with_property(property).bytes(V5);
    let cases: [(&[u8], u8); 9] = [
        (&[1, 2], 0x82),
        (&[1, 1, 1, 1], 0x82),
        (&[2, 0, 0], 0x81),
        (&[17, 0, 0, 0, 1], 0x81),
        (&[99, 0], 0x81),
        (&[35, 0, 0], 0x94),
        (&[8, 0, 3, b'a', b'/', b'#'], 0x82),
        (&[3, 0, 1, 0xFF], 0x81),
        (&[38, 0, 1, b'k', 0, 9], 0x81),
    ];
    for (property, code) in cases {
        ends(&broker, V5, &publish(property), code);
    }
    // A subscription identifier is the server's to send.
    let mut client = Client::connect(broker.mqtt, V5, "subscription-id");
    client.send(&publish(&[11, 1]));
    let said = client.expect(0xE0);
    assert!([0x81, 0x82].contains(&said.body[0]), "{said:?}");
    // A length beyond the packet, and one that is not the shortest.
    let topic = text("in/props/a");
    ends(&broker, V5, &frame(PUBLISH, &[&topic[..], &[9, 1]].concat()), 0x81);
    ends(&broker, V5, &frame(PUBLISH, &[&topic[..], &[0x80, 0]].concat()), 0x81);
    ends(&broker, V5, &frame(PUBLISH, &[&topic[..], &[0xFF, 0xFF, 0xFF, 0xFF, 1]].concat()), 0x81);
    broker.wait_until_empty();
    assert_eq!(broker.taken(), 0);
}

#[test]
fn more_properties_than_the_limit_end_the_connection() {
    let broker = Broker::start();
    let many: Vec<u8> = (0..4_000).flat_map(|_| crate::packet::user_property("k", "v")).collect();
    ends(&broker, V5, &Publish::new("in/many/a", "x", 1, 1).with_property(&many).bytes(V5), 0x97);
    let refused = Client::try_connect(broker.mqtt, &Connect::new(V5, "many").with_property(&many)).1;
    assert_eq!(refused.map(|answer| (answer.first, answer.body[1])), Some((CONNACK, 0x97)));
}

#[test]
fn packets_over_the_size_limit_end_the_connection_before_they_are_read() {
    let broker = Broker::with("packet_bytes_max = \"10KiB\"");
    for version in BOTH {
        // The fixed header says enough.
        ends(&broker, version, &[PUBLISH, 0xFF, 0xFF, 0xFF, 0x7F], 0x95);
        let mut client = Client::connect(broker.mqtt, version, "large");
        let fits = 10 * 1024 - frame(PUBLISH, &[0; 5_000]).len() + 5_000;
        let overhead = Publish::new("in/large/a", "", 1, 1).bytes(version).len() - 2;
        client.publish("in/large/a", vec![b'x'; fits - overhead]);
        client.quiet();
        ends(&broker, version, &Publish::new("in/large/a", vec![b'x'; fits], 1, 1).bytes(version)[..12], 0x95);
        // A length of five bytes.
        ends(&broker, version, &[PUBLISH, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], 0x81);
    }
    assert_eq!(broker.taken(), 2);
}

#[test]
fn a_subscribe_that_is_wrong_ends_the_connection() {
    let broker = Broker::start();
    for version in BOTH {
        let none = version.no_properties();
        let subscribe = |id: [u8; 2], rest: &[u8]| frame(SUBSCRIBE, &[&id[..], none, rest].concat());
        // No filter.
        ends(&broker, version, &subscribe([0, 1], &[]), 0x82);
        // Identifier 0.
        ends(&broker, version, &subscribe([0, 0], &[&text("a")[..], &[0]].concat()), 0x81);
        // A filter without options; QoS 3; reserved bits.
        ends(&broker, version, &subscribe([0, 1], &text("a")), 0x81);
        let reserved: &[u8] = if version == V5 { &[3, 0x40, 0x80, 0x30] } else { &[3, 4, 0x80] };
        for options in reserved {
            ends(&broker, version, &subscribe([0, 1], &[&text("a")[..], &[*options]].concat()), 0x81);
        }
        // Not UTF-8; NUL.
        for filter in [&b"a/\xFF"[..], b"a\0"] {
            ends(&broker, version, &subscribe([0, 1], &[&text(filter)[..], &[0]].concat()), 0x81);
        }
        // Cut off.
        ends(&broker, version, &frame(SUBSCRIBE, &[0]), 0x81);
    }
    // A property of PUBLISH.
    let body = [&[0, 1][..], &properties(&[1, 1]), &text("a"), &[0]].concat();
    ends(&broker, V5, &frame(SUBSCRIBE, &body), 0x81);
    assert_eq!(broker.count("subscriptions"), 0);
}

#[test]
fn an_unsubscribe_that_is_wrong_ends_the_connection() {
    let broker = Broker::start();
    for version in BOTH {
        let none = version.no_properties();
        let unsubscribe = |id: [u8; 2], rest: &[u8]| frame(UNSUBSCRIBE, &[&id[..], none, rest].concat());
        ends(&broker, version, &unsubscribe([0, 1], &[]), 0x82);
        ends(&broker, version, &unsubscribe([0, 0], &text("a")), 0x81);
        ends(&broker, version, &unsubscribe([0, 1], &text(b"a/\xFF")), 0x81);
        ends(&broker, version, &unsubscribe([0, 1], &[0, 9, b'a']), 0x81);
    }
}

#[test]
fn acknowledgements_that_are_wrong_end_the_connection() {
    let broker = Broker::start();
    for version in BOTH {
        for first in [0x40, 0x62] {
            // Packet identifier 0; a body of one byte.
            ends(&broker, version, &frame(first, &[0, 0]), 0x81);
            ends(&broker, version, &frame(first, &[0]), 0x81);
        }
        // More than there should be.
        ends(&broker, version, &frame(0xC0, &[1]), 0x81);
    }
    ends(&broker, V311, &frame(0x40, &[0, 1, 0]), 0);
    ends(&broker, V311, &frame(0xE0, &[0]), 0);
}

#[test]
fn an_acknowledgement_of_nothing_changes_nothing() {
    let broker = Broker::start();
    both("nothing", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        client.send(&crate::packet::ack(PUBACK, 77));
        client.quiet();
        // A PUBREL whose PUBLISH is not known is completed, or the client would repeat it for ever.
        client.send(&crate::packet::ack(0x62, 78));
        assert_eq!(client.expect(0x70).packet_id(), 78);
    });
}

#[test]
fn what_stands_before_a_fault_is_taken_and_what_stands_behind_it_is_not() {
    let broker = Broker::start();
    both("fault", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        let right = |id: u16| Publish::new("in/fault/a", "x", 1, id).bytes(version);
        client.send(&[right(1), right(2), vec![0x00, 0x00], right(3)].concat());
        while client.next().is_some() {}
    });
    broker.wait_until_empty();
    broker.wait_until_taken(4);
}

#[test]
fn a_disconnect_is_the_end_whatever_follows() {
    let broker = Broker::start();
    both("bye", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        let behind = Publish::new("in/bye/a", "x", 1, 1).bytes(version);
        client.send(&[crate::packet::disconnect(version), behind].concat());
        assert_eq!(client.next(), None);
    });
    // The shortest form of version 5 has no reason code.
    let mut client = Client::connect(broker.mqtt, V5, "short");
    client.send(&[0xE0, 0]);
    assert_eq!(client.next(), None);
    // A session expiry where CONNECT had none is a protocol error.
    let expiry = [0xE0, 7, 0, 5, 17, 0, 0, 0, 9];
    ends(&broker, V5, &expiry, 0x82);
    broker.wait_until_empty();
    assert_eq!((broker.taken(), broker.count("ended_by_client_total")), (0, 3));
}
