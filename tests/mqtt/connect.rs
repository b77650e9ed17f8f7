//! CONNECT and CONNACK.

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::packet::{BOTH, CONNACK, Connect, PUBACK, Publish, V5, V311, Version, frame, text};

/// The server answers with this refusal (code and no session), or none, and closes.
fn refused(broker: &Broker, bytes: &[u8], version: Version, code: Option<u8>) {
    let mut client = Client::open(broker.mqtt, version);
    client.send(bytes);
    if let Some(code) = code {
        let answer = client.next().unwrap_or_else(|| panic!("closed without CONNACK {code:#x}: {bytes:?}"));
        assert_eq!((answer.first, answer.body[0], answer.body[1]), (CONNACK, 0, code), "{answer:?} to {bytes:?}");
        assert_eq!(answer.body.len() > 2, version == V5, "{answer:?}");
    }
    assert_eq!(client.next(), None, "{bytes:?}");
}

#[test]
fn a_right_connect_gets_a_connack_that_says_success_first_and_once() {
    let broker = Broker::start();
    both("c", |version, name| {
        let (mut client, answer) = Client::try_connect(broker.mqtt, &Connect::new(version, name));
        let answer = answer.expect("a CONNACK");
        assert_eq!((answer.first, &answer.body[..2]), (CONNACK, &[0, 0][..]));
        if version == V311 {
            assert_eq!(answer.body.len(), 2);
        } else {
            // Receive maximum: inflight_max. What is not said has the specification's default.
            assert_eq!(answer.connack_property(33), Some(vec![0, 100]));
            assert_eq!(answer.connack_property(39), Some((1u32 << 20).to_be_bytes().to_vec()));
            assert_eq!(answer.connack_property(17), None, "the session expiry is as asked for");
            assert_eq!(answer.connack_property(18), None, "the client has an identifier");
            assert_eq!(answer.connack_property(19), None, "the keep-alive is as asked for");
            assert_eq!(answer.connack_property(21), None, "nobody asked for enhanced authentication");
            assert_eq!(answer.connack_property(26), None, "nobody asked for response information");
        }
        client.publish("in/connect/a", "1");
        client.quiet();
    });
}

#[test]
fn a_connect_may_come_byte_by_byte_and_with_packets_behind_it() {
    let broker = Broker::start();
    both("drip", |version, name| {
        let mut client = Client::open(broker.mqtt, version);
        for byte in Connect::new(version, name).bytes() {
            client.send(&[byte]);
        }
        assert_eq!(client.expect(CONNACK).body[1], 0);
        client.leave();
        let mut client = Client::open(broker.mqtt, version);
        let behind = Publish::new("in/connect/b", "2", 1, 7).bytes(version);
        client.send(&[Connect::new(version, name).bytes(), behind].concat());
        assert_eq!(client.expect(CONNACK).body[1], 0);
        client.expect_ack(PUBACK, 7);
    });
    assert_eq!(broker.taken(), 2);
}

#[test]
fn versions_and_names_that_are_not_spoken_are_refused() {
    let broker = Broker::start();
    for level in [0, 2, 6, 255] {
        let mut connect = Connect::new(V311, "v");
        connect.level = level;
        // Whoever asks for an unknown version gets the answer of 3.1.1: code 1.
        refused(&broker, &connect.bytes(), V311, Some(1));
    }
    for name in ["mqtt", "MQTT2", "", "HTTP"] {
        for version in BOTH {
            let mut connect = Connect::new(version, "v");
            connect.name = name.into();
            refused(&broker, &connect.bytes(), version, None);
        }
    }
    refused(&broker, b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n", V311, None);
    assert_eq!(broker.taken(), 0);
}

#[test]
fn connect_flags_that_contradict_each_other_are_refused() {
    let broker = Broker::start();
    for version in BOTH {
        // The reserved flag; a will's QoS or retain without a will.
        for flags in [0x03, 0x02 | 0x08, 0x02 | 0x10, 0x02 | 0x20] {
            refused(&broker, &Connect::new(version, "f").with_flags(flags).bytes(), version, None);
        }
        // A will of QoS 3.
        let will = Connect::new(version, "f").with_flags(0x02 | 0x04 | 0x18);
        let mut bytes = will.clone();
        if version == V5 {
            bytes.payload.push(0);
        }
        refused(&broker, &bytes.with_field("t").with_field("m").bytes(), version, None);
    }
    // A password without a user name is new in version 5.
    let alone = |version| Connect::new(version, "password").with_flags(0x42).with_field("secret").bytes();
    refused(&broker, &alone(V311), V311, None);
    let mut client = Client::open(broker.mqtt, V5);
    client.send(&alone(V5));
    assert_eq!(client.expect(CONNACK).body[1], 0);
}

#[test]
fn a_connect_whose_fields_do_not_agree_with_its_flags_is_refused() {
    let broker = Broker::start();
    for version in BOTH {
        let connect = |flags: u8| Connect::new(version, "p").with_flags(flags);
        // Announced and not there: user name, password, will.
        for flags in [0x82, 0x82 | 0x40, 0x06] {
            malformed(&broker, &connect(flags).bytes(), version);
        }
        // There and not announced.
        for fields in [&["user"][..], &["user", "password"]] {
            let bytes = fields.iter().fold(connect(0x02), |connect, field| connect.with_field(field)).bytes();
            malformed(&broker, &bytes, version);
        }
        // Without any payload.
        let mut none = connect(0x02);
        none.payload.clear();
        malformed(&broker, &none.bytes(), version);
        // Cut off at each place, with a length that agrees: never taken, never answered with success.
        let whole = connect(0xC2).with_field("user").with_field("password").bytes();
        for length in 0..whole.len() - 2 {
            let mut client = Client::open(broker.mqtt, version);
            client.send(&frame(0x10, &whole[2..2 + length]));
            let success = client.next().is_some_and(|answer| answer.body[1] == 0);
            assert!(!success, "{length} bytes of {whole:?}");
        }
    }
}

/// A CONNECT that cannot be read: silence from 3.1.1, at most a reason from 5, then the end.
fn malformed(broker: &Broker, bytes: &[u8], version: Version) {
    let mut client = Client::open(broker.mqtt, version);
    client.send(bytes);
    if let Some(answer) = client.next() {
        assert!(version == V5, "{answer:?} to {bytes:?}");
        assert_eq!((answer.first, answer.body[0]), (CONNACK, 0), "{answer:?} to {bytes:?}");
        assert!([0x80, 0x81, 0x82].contains(&answer.body[1]), "{answer:?} to {bytes:?}");
        assert_eq!(client.next(), None);
    }
}

#[test]
fn strings_in_a_connect_must_be_utf8_without_nul() {
    let broker = Broker::start();
    let bad: [&[u8]; 5] = [b"a\0b", b"\xC3", b"\xED\xA0\x80", b"\xFF", b"\xC0\x80"];
    for version in BOTH {
        for string in bad {
            let mut as_id = Connect::new(version, "");
            as_id.payload = text(string);
            let mut client = Client::open(broker.mqtt, version);
            client.send(&as_id.bytes());
            if let Some(answer) = client.next() {
                // "Identifier rejected" is as right an answer as none.
                let codes: &[u8] = if version == V5 { &[0x81, 0x85] } else { &[2] };
                assert!(answer.first == CONNACK && codes.contains(&answer.body[1]), "{answer:?} to {string:?}");
                assert_eq!(client.next(), None);
            }
            let as_user = Connect::new(version, "u").with_flags(0x82).with_field(string);
            malformed(&broker, &as_user.bytes(), version);
        }
        let mut bad_name = Connect::new(version, "n");
        bad_name.name = b"MQ\xFFT".to_vec();
        refused(&broker, &bad_name.bytes(), version, None);
    }
}

#[test]
fn client_identifiers_that_must_be_taken_are_taken() {
    let broker = Broker::start();
    both("", |version, _| {
        let all = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        for id in all.as_bytes().chunks(23).chain([&b"x"[..]]) {
            Client::connect(broker.mqtt, version, std::str::from_utf8(id).expect("ASCII")).quiet();
        }
        // A byte order mark is a character like any other: with it, it is another client.
        let mut plain = Client::connect(broker.mqtt, version, "mark");
        let mut marked = Client::connect(broker.mqtt, version, "\u{FEFF}mark");
        plain.quiet();
        marked.quiet();
    });
}

#[test]
fn an_empty_client_identifier_gets_one_of_its_own() {
    let broker = Broker::start();
    let (mut first, mut second) = (Client::connect(broker.mqtt, V311, ""), Client::connect(broker.mqtt, V311, ""));
    first.quiet();
    second.quiet();
    // Without clean session there is nothing to remember it by: code 2.
    refused(&broker, &Connect::new(V311, "").with_flags(0).bytes(), V311, Some(2));
    let assigned = |flags: u8| {
        let (client, answer) = Client::try_connect(broker.mqtt, &Connect::new(V5, "").with_flags(flags));
        let id = answer.expect("a CONNACK").connack_property(18).expect("an assigned identifier");
        assert!(!id.is_empty());
        (client, String::from_utf8(id).expect("UTF-8"))
    };
    let ((mut third, a), (mut fourth, b)) = (assigned(2), assigned(0));
    assert_ne!(a, b);
    third.quiet();
    // The assigned identifier is the client's: who comes with it takes over.
    Client::connect(broker.mqtt, V5, &b).quiet();
    fourth.expect_end(0x8E);
}

#[test]
fn a_client_identifier_that_is_far_too_long_is_refused() {
    let broker = Broker::start();
    refused(&broker, &Connect::new(V311, &"x".repeat(60_000)).bytes(), V311, Some(2));
    refused(&broker, &Connect::new(V5, &"x".repeat(60_000)).bytes(), V5, Some(0x85));
}

#[test]
fn properties_of_a_connect_are_checked() {
    let broker = Broker::start();
    let bad: [(&[u8], &[u8]); 8] = [
        (&[33, 0, 0], &[0x82]),
        (&[39, 0, 0, 0, 0], &[0x82]),
        (&[33, 0, 1, 33, 0, 1], &[0x82]),
        (&[17, 0, 0, 0, 1, 17, 0, 0, 0, 1], &[0x82]),
        (&[23, 2], &[0x82]),
        // Of a PUBLISH; none at all; cut off.
        (&[35, 0, 1], &[0x81, 0x82]),
        (&[200, 1], &[0x81, 0x82]),
        (&[17, 0, 0], &[0x81]),
    ];
    for (property, codes) in bad {
        let connect = Connect::new(V5, "props").with_property(property);
        let (mut client, answer) = Client::try_connect(broker.mqtt, &connect);
        let answer = answer.unwrap_or_else(|| panic!("closed without a CONNACK: {property:?}"));
        assert!(codes.contains(&answer.body[1]), "{answer:?} to {property:?}");
        assert_eq!(client.next(), None);
    }
}

#[test]
fn enhanced_authentication_is_refused_with_its_own_code() {
    let broker = Broker::start();
    let method = [&[21][..], &text("SCRAM-SHA-256")].concat();
    refused(&broker, &Connect::new(V5, "auth").with_property(&method).bytes(), V5, Some(0x8C));
}

#[test]
fn anonymous_clients_are_refused_where_they_are_not_allowed() {
    let broker = Broker::start();
    let configuration = std::fs::read_to_string(broker.configuration()).expect("the configuration");
    let changed = configuration.replace("protocol = \"mqtt\"", "protocol = \"mqtt\"\nallow_anonymous = false");
    assert_ne!(configuration, changed);
    let mut broker = broker;
    broker.kill();
    std::fs::write(broker.configuration(), changed).expect("written");
    broker.start();
    refused(&broker, &Connect::new(V311, "a").bytes(), V311, Some(5));
    refused(&broker, &Connect::new(V5, "a").bytes(), V5, Some(0x87));
    // Whatever it sends behind a refused CONNECT is not looked at.
    for version in BOTH {
        let mut client = Client::open(broker.mqtt, version);
        let behind = Publish::new("in/connect/c", "3", 1, 1).bytes(version);
        client.send_what_it_takes(&[Connect::new(version, "a").bytes(), behind].concat());
        assert_ne!(client.expect(CONNACK).body[1], 0);
        assert_eq!(client.next(), None);
    }
    assert_eq!((broker.taken(), broker.count("connections")), (0, 0));
}

#[test]
fn who_says_nothing_or_half_a_connect_is_closed_after_the_time_out() {
    let broker = Broker::with("connect_timeout = \"1s\"");
    let mut silent = Client::open(broker.mqtt, V5);
    let mut half = Client::open(broker.mqtt, V5);
    half.send(&Connect::new(V5, "half").bytes()[..9]);
    assert_eq!(silent.next(), None);
    assert_eq!(half.next(), None);
    broker.wait_until_empty();
    assert_eq!(broker.count("ended_connect_timeout_total"), 2);
}

#[test]
fn over_the_limit_of_connections_nobody_new_is_taken_and_nobody_old_is_lost() {
    let broker = Broker::with("connections_max = 3");
    let mut clients: Vec<Client> = (0..3).map(|n| Client::connect(broker.mqtt, V5, &format!("c{n}"))).collect();
    let mut fourth = Client::open(broker.mqtt, V5);
    fourth.send_what_it_takes(&Connect::new(V5, "c3").bytes());
    assert!(fourth.next().is_none_or(|answer| answer.body[1] >= 0x80));
    clients.iter_mut().for_each(Client::quiet);
    clients.pop().expect("three").leave();
    broker.wait_for_count("sockets", 2);
    Client::connect(broker.mqtt, V5, "c3").quiet();
    assert_eq!(broker.count("refused_limit_total"), 1);
}

#[test]
fn the_servers_keep_alive_is_told_where_the_clients_is_too_long() {
    let broker = Broker::with("keep_alive_max = \"60s\"");
    for (asked, told) in [(0, Some(vec![0, 60])), (61, Some(vec![0, 60])), (60, None), (5, None)] {
        let (_client, answer) = Client::try_connect(broker.mqtt, &Connect::new(V5, "k").with_keep_alive(asked));
        assert_eq!(answer.expect("a CONNACK").connack_property(19), told, "{asked}");
    }
}

#[test]
fn a_silent_client_is_ended_after_one_and_a_half_keep_alives_and_not_before() {
    let broker = Broker::start();
    both("keep", |version, name| {
        let start = std::time::Instant::now();
        let (mut silent, _) = Client::connect_with(broker.mqtt, &Connect::new(version, name).with_keep_alive(1));
        // One with none may be silent for as long as it likes.
        let mut free = Client::connect(broker.mqtt, version, &format!("{name}-free"));
        silent.expect_end(0x8D);
        assert!(start.elapsed() >= std::time::Duration::from_millis(1_500), "{:?}", start.elapsed());
        free.quiet();
    });
    broker.wait_for_count("ended_keep_alive_total", 2);
}

#[test]
fn a_second_client_with_the_same_identifier_takes_over() {
    let broker = Broker::start();
    both("twin", |version, name| {
        let mut first = Client::connect(broker.mqtt, version, name);
        first.subscribe(&[("in/twin/#", 1)]);
        let mut second = Client::connect(broker.mqtt, version, name);
        first.expect_end(0x8E);
        second.publish("in/twin/a", "1");
        second.quiet();
        // By another version too, and by one that asks for the session.
        let other = if version == V5 { V311 } else { V5 };
        let mut third = Client::connect_with(broker.mqtt, &Connect::session(other, name)).0;
        second.expect_end(0x8E);
        third.quiet();
    });
    broker.wait_until_empty();
    broker.wait_for_count("takeovers_total", 4);
}

/// A client without a keep-alive whose power went says nothing any more: TCP is to find out.
#[test]
fn a_quiet_connection_is_asked_for_signs_of_life() {
    let broker = Broker::start();
    let _client = Client::connect(broker.mqtt, V311, "quiet");
    let port = format!(":{:04X}", broker.mqtt.port());
    // proc_net_tcp(5): our address, the other's, the state, queues, the timer that runs and when it is due.
    let asks = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(&port) && fields[3] == "01" && fields[5].starts_with("02:")
    };
    let deadline = std::time::Instant::now() + crate::gateway::PATIENCE;
    while !std::fs::read_to_string("/proc/net/tcp").expect("Linux says").lines().skip(1).any(asks) {
        assert!(std::time::Instant::now() < deadline, "no keep-alive of TCP");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
