//! What is known to have taken other brokers down, and what anybody on the plant network can send. Next to each attack a
//! well-behaved client is served as if nothing happened; afterwards the broker's own counters are back at zero.

use std::net::Shutdown;

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::neighbour::Neighbour;
use crate::packet::{BOTH, Connect, PUBACK, PUBLISH, Publish, V5, V311, Version, ack, frame, user_property, variable};

#[test]
fn topics_that_begin_with_any_character() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    both("any", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        client.subscribe(&[("+/temp", 1)]);
        for topic in
            ["éclair/temp", "ß/temp", "日本/temp", "🦀/temp", "\u{FEFF}/temp", "\u{10FFFF}/temp", " /temp", "/temp"]
        {
            client.send(&Publish::new(topic, "x", 1, 7).bytes(version));
            let packets = [client.next(), client.next()].map(|packet| packet.expect("it is served"));
            let message = packets.iter().find(|packet| packet.first >> 4 == 3).expect("the message");
            let message = Publish::read(version, message);
            assert_eq!(message.topic, topic.as_bytes());
            client.send(&ack(PUBACK, message.packet_id));
            assert!(packets.iter().any(|packet| packet.first == PUBACK));
        }
    });
    neighbour.works();
    neighbour.outlives(&broker);
}

#[test]
fn busy_subscribers_that_disconnect() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    for round in 0..20 {
        for version in BOTH {
            let mut subscriber = Client::connect(broker.mqtt, version, "busy");
            subscriber.subscribe(&[("in/busy/#", 1), ("in/#", 0)]);
            let mut sender = Client::connect(broker.mqtt, version, "sender");
            let burst: Vec<u8> = (1..=90).flat_map(|id| Publish::new("in/busy/a", "x", 1, id).bytes(version)).collect();
            sender.send(&burst);
            // In the middle of it, in three ways.
            match round % 3 {
                0 => subscriber.send(&crate::packet::disconnect(version)),
                1 => subscriber.socket.shutdown(Shutdown::Both).expect("closed"),
                _ => drop(Client::connect(broker.mqtt, version, "busy")),
            }
            for id in 1..=90 {
                sender.expect_ack(PUBACK, id);
            }
            neighbour.works();
        }
    }
    neighbour.outlives(&broker);
}

#[test]
fn shared_subscribers_that_drop_with_messages_unacknowledged() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    for round in 0..10 {
        let name = format!("member{round}");
        let (mut member, _) = Client::connect_with(broker.mqtt, &Connect::session(V311, &name));
        let granted = member.subscribe(&[("$share/group/in/shared/a", 1)]);
        let mut sender = Client::connect(broker.mqtt, V5, "sender");
        sender.publish("in/shared/a", "x");
        if granted[0] < 0x80 {
            assert_eq!(member.expect_publish().payload, b"x");
        }
        member.lose();
        neighbour.works();
        // Nothing stays behind for it.
        Client::connect(broker.mqtt, V311, &name).leave();
    }
    neighbour.outlives(&broker);
}

#[test]
fn clients_that_send_what_only_servers_send_take_no_place() {
    let broker = Broker::with("connections_max = 50");
    let mut neighbour = Neighbour::new(&broker);
    for round in 0..5 {
        let clients: Vec<Client> = (0..45)
            .map(|n| {
                let mut client = Client::connect(broker.mqtt, V5, &format!("c{n}"));
                client.send(&frame([0xB0, 0x20, 0x90, 0xD0][(n + round) % 4], &[0, 1, 0, 0]));
                client
            })
            .collect();
        for mut client in clients {
            client.expect_end(0x82);
        }
        broker.wait_for_count("sockets", 1);
        neighbour.works();
    }
    neighbour.outlives(&broker);
}

#[test]
fn identifiers_with_slashes_wildcards_and_worse_twice() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    for id in
        ["a/b", "a/b", "#", "+", "$SYS/x", "../../x", "éclair", "a b", "'; DROP TABLE sessions; --", "%s%n", "\u{202E}"]
    {
        for version in BOTH {
            let (first, _) = Client::connect_with(broker.mqtt, &Connect::session(version, id));
            let (second, _) = Client::connect_with(broker.mqtt, &Connect::session(version, id));
            let mut first = first;
            first.expect_end(0x8E);
            second.leave();
            Client::connect(broker.mqtt, version, id).leave();
        }
        neighbour.works();
    }
    neighbour.outlives(&broker);
}

#[test]
fn huge_user_properties_cost_no_memory() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    let before = broker.resident_bytes();
    let many: Vec<u8> = user_property("key", &"v".repeat(60_000)).repeat(15);
    assert!(many.len() > 900_000);
    let publish = Publish::new("in/huge/a", "x", 1, 1).with_property(&many).bytes(V5);
    let connect = Connect::new(V5, "huge").with_property(&many).bytes();
    for n in 0..1_500 {
        let mut client = Client::open(broker.mqtt, V5);
        if n % 2 == 0 {
            client.send_what_it_takes(&connect);
            assert!(client.next().is_none_or(|answer| answer.body[1] == 0x97));
        } else {
            client.send(&Connect::new(V5, &format!("huge{n}")).bytes());
            client.expect(0x20);
            client.send_what_it_takes(&publish);
            assert!(client.next().is_none_or(|said| said.first == 0xE0 && said.body[0] == 0x97));
        }
        if n % 100 == 0 {
            neighbour.works();
        }
    }
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB more", grown >> 20);
    assert_eq!(broker.taken(), 15);
    neighbour.outlives(&broker);
}

#[test]
fn packets_that_never_end_cost_bounded_memory() {
    let broker = Broker::with("inflight_bytes_max = \"16MiB\"");
    let mut neighbour = Neighbour::new(&broker);
    let before = broker.resident_bytes();
    // 300 clients announce a packet of 1 MB, send almost all of it, and wait.
    let body = [&frame(PUBLISH, &[])[..1], &variable(1_000_000), &vec![b'x'; 900_000]].concat();
    let mut clients: Vec<Client> =
        (0..300).map(|n| Client::connect(broker.mqtt, BOTH[n % 2], &format!("never{n}"))).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send_what_it_takes(&body);
        if n % 50 == 0 {
            neighbour.works();
        }
    }
    neighbour.works();
    // Those who never said who they are as well: a CONNECT of that size.
    let mut strangers: Vec<Client> = (0..100).map(|_| Client::open(broker.mqtt, V5)).collect();
    for stranger in &mut strangers {
        stranger.send_what_it_takes(&[&[0x10][..], &body[1..]].concat());
    }
    neighbour.works();
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 100 << 20, "{} MiB more", grown >> 20);
    // The limit for all of them, and beyond it the share and one read of each.
    assert!(broker.count("partial_bytes") <= (16 << 20) + 400 * (128 << 10), "{}", broker.count("partial_bytes"));
    drop((clients, strangers));
    neighbour.outlives(&broker);
}

#[test]
fn a_large_packet_is_taken_beside_many_connections() {
    let broker = Broker::start();
    let others: Vec<Client> = (0..200).map(|n| Client::connect(broker.mqtt, V5, &format!("o{n}"))).collect();
    let mut client = Client::connect(broker.mqtt, V311, "large");
    client.publish("in/large/a", vec![b'x'; 1_000_000]);
    assert_eq!(broker.taken(), 1);
    drop((others, client));
    broker.wait_until_empty();
}

#[test]
fn idle_connections_keep_nobody_out() {
    let broker = Broker::start();
    let idle: Vec<Client> = (0..500).map(|_| Client::open(broker.mqtt, V5)).collect();
    let mut neighbour = Neighbour::new(&broker);
    for n in 0..50 {
        Client::connect(broker.mqtt, BOTH[n % 2], "visitor").leave();
        neighbour.works();
    }
    drop(idle);
    neighbour.outlives(&broker);
}

#[test]
fn more_connections_a_second_than_the_limit_are_refused_and_do_not_last() {
    let broker = Broker::with("connections_per_second_max = 50");
    let mut neighbour = Neighbour::new(&broker);
    let mut storm: Vec<Client> = (0..500).map(|_| Client::open(broker.mqtt, V5)).collect();
    storm.drain(..).for_each(drop);
    broker.wait_for_count("sockets", 1);
    assert!(broker.count("refused_limit_total") > 0);
    neighbour.works();
    neighbour.outlives(&broker);
}

#[test]
fn a_storm_of_takeovers_leaves_one() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let address = broker.mqtt;
            std::thread::spawn(move || {
                for _ in 0..50 {
                    let connect =
                        if n % 2 == 0 { Connect::new(BOTH[n % 4 / 2], "one") } else { Connect::session(V311, "one") };
                    let (mut client, answer) = Client::try_connect(address, &connect);
                    // It may be taken over before it could read its CONNACK.
                    assert!(answer.is_none_or(|answer| answer.body[1] == 0 || answer.first == 0xE0));
                    client.send_what_it_takes(&crate::packet::subscribe(client.version, 1, &[("in/#", 1)]));
                    client.send_what_it_takes(&Publish::new("in/storm/a", "x", 0, 0).bytes(client.version));
                }
            })
        })
        .collect();
    for _ in 0..50 {
        neighbour.works();
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it ends well"));
    Client::connect(broker.mqtt, V5, "one").leave();
    neighbour.outlives(&broker);
}

#[test]
fn whoever_takes_over_does_not_wait_for_a_connection_that_is_stuck() {
    let broker = Broker::with("write_timeout = \"600s\"\nqueue_bytes_max = \"64MiB\"\nqueue_messages_max = 1000000");
    let mut neighbour = Neighbour::new(&broker);
    // A subscriber whose cable was pulled: what is written to it goes nowhere.
    let mut stuck = Client::connect(broker.mqtt, V5, "stuck");
    stuck.subscribe(&[("in/stuck/a", 0)]);
    let payload = vec![b'x'; 100_000];
    for _ in 0..200 {
        neighbour.client.publish("in/stuck/a", &payload);
    }
    assert!(broker.count("queued_bytes") > 1 << 20, "it is stuck");
    Client::connect(broker.mqtt, V5, "stuck").quiet();
    broker.wait_for_count("queued_bytes", 0);
    drop(stuck);
    neighbour.outlives(&broker);
}

#[test]
fn half_closed_sockets_are_given_back() {
    let broker = Broker::start();
    Client::connect(broker.mqtt, V5, "first").leave();
    broker.wait_until_empty();
    let open_files = broker.open_files();
    let mut neighbour = Neighbour::new(&broker);
    for n in 0..100 {
        let version: Version = BOTH[n % 2];
        let mut client = Client::open(broker.mqtt, version);
        if n % 3 > 0 {
            client.send(&Connect::new(version, &format!("half{n}")).bytes());
            client.expect(0x20);
        }
        if n % 3 > 1 {
            client.send(&Publish::new("in/half/a", "x", 1, 1).bytes(version)[..5]);
        }
        client.end_of_sending();
        while client.next().is_some() {}
    }
    neighbour.works();
    neighbour.outlives(&broker);
    // The listener's scrape is one of them, or has just been.
    assert!(broker.open_files() <= open_files + 2, "{} and {open_files}", broker.open_files());
}

#[test]
fn a_storm_of_wildcards_and_of_filters() {
    let broker = Broker::with("subscriptions_per_client_max = 10000");
    let mut neighbour = Neighbour::new(&broker);
    let mut greedy: Vec<Client> =
        (0..50).map(|n| Client::connect(broker.mqtt, BOTH[n % 2], &format!("greedy{n}"))).collect();
    for client in &mut greedy {
        client.subscribe(&[("#", 0), ("+/#", 0), ("in/#", 0), ("in/+/+", 0), ("+/+/+", 0)]);
    }
    let mut collector = Client::connect(broker.mqtt, V5, "collector");
    for chunk in 0..10 {
        let filters: Vec<String> = (0..1_000).map(|n| format!("f/{chunk}/{n}/+/#")).collect();
        let filters: Vec<(&str, u8)> = filters.iter().map(|filter| (filter.as_str(), 0)).collect();
        assert!(collector.subscribe(&filters).iter().all(|code| *code == 0));
    }
    assert_eq!(collector.subscribe(&[("one/more", 0)]), [0x97]);
    for _ in 0..100 {
        neighbour.works();
    }
    // The greedy ones got each of them, once.
    for client in &mut greedy {
        for n in 0..100u32 {
            assert_eq!(client.expect_publish().payload, n.to_be_bytes());
        }
        client.quiet();
    }
    drop((greedy, collector));
    neighbour.outlives(&broker);
}

#[test]
fn filters_as_long_as_there_can_be_cost_bounded_memory() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    let before = broker.resident_bytes();
    let mut greedy: Vec<Client> =
        (0..10).map(|n| Client::connect(broker.mqtt, BOTH[n % 2], &format!("greedy{n}"))).collect();
    for client in &mut greedy {
        for chunk in 0..10 {
            let filters: Vec<String> = (0..10).map(|n| format!("{chunk}{n}{}", "x".repeat(65_000))).collect();
            let filters: Vec<(&str, u8)> = filters.iter().map(|filter| (filter.as_str(), 0)).collect();
            client.subscribe(&filters);
        }
        neighbour.works();
    }
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 60 << 20, "{} MiB more", grown >> 20);
    assert!(broker.count("session_bytes") <= 32 << 20);
    // Whoever comes now still subscribes to what devices subscribe to.
    assert_eq!(Client::connect(broker.mqtt, V5, "device").subscribe(&[("cmd/press-7/#", 1)]), [1]);
    drop(greedy);
    neighbour.outlives(&broker);
}
