//! Back-pressure and bounds: the store stands still, readers are slow, and still nothing that was accepted is lost.

use std::io::ErrorKind;
use std::time::Duration;

use crate::broker::Broker;
use crate::client::Client;
use crate::packet::{Connect, PINGRESP, PUBACK, Publish, V5, V311};

#[test]
fn a_version_5_client_beyond_the_receive_maximum_is_told_0x93() {
    let broker = Broker::with("inflight_max = 10");
    let (mut client, answer) = Client::try_connect(broker.mqtt, &Connect::new(V5, "many"));
    assert_eq!(answer.expect("a CONNACK").connack_property(33), Some(vec![0, 10]));
    client.publish("in/many/a", "warm");
    let held = broker.hold_commits();
    let publish = |id: u16| Publish::new("in/many/a", "x", 1, id).bytes(V5);
    // All in one write: the fault is in what is read, not in when.
    client.send(&(1..=11).flat_map(publish).collect::<Vec<u8>>());
    client.expect_end(0x93);
    held.release();
    broker.wait_until_empty();
    // The ten that were within the limit, and the one before them.
    broker.wait_until_taken(11);
}

#[test]
fn at_the_receive_maximum_a_ping_is_still_answered() {
    let broker = Broker::with("inflight_max = 10");
    let mut client = Client::connect(broker.mqtt, V5, "full");
    client.publish("in/full/a", "warm");
    let held = broker.hold_commits();
    client.send(&(1..=9).flat_map(|id| Publish::new("in/full/a", "x", 1, id).bytes(V5)).collect::<Vec<u8>>());
    client.waits();
    held.release();
    for id in 1..=9 {
        client.expect_ack(PUBACK, id);
    }
}

#[test]
fn a_version_3_client_beyond_the_limit_is_not_read_and_loses_nothing() {
    let broker = Broker::with("inflight_max = 10");
    let mut client = Client::connect(broker.mqtt, V311, "old");
    client.publish("in/old/a", "warm");
    let held = broker.hold_commits();
    let large = vec![b'x'; 20_000];
    let publish = |id: u16| Publish::new("in/old/a", &large, 1, id).bytes(V311);
    // Far more than the kernel's buffers hold: the socket stops taking it.
    client.socket.set_nonblocking(true).expect("an option of the socket");
    let (all, mut sent) = ((1..=2_000).flat_map(publish).collect::<Vec<u8>>(), 0);
    let mut refusals = 0;
    while refusals < 20 {
        match std::io::Write::write(&mut client.socket, &all[sent..]) {
            Ok(count) => (sent, refusals) = (sent + count, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => refusals += 1,
            Err(error) => panic!("{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(sent < all.len(), "40 MB were taken while nothing could be committed");
    assert!(broker.count("inflight_bytes") < 1 << 20, "{}", broker.count("inflight_bytes"));
    client.socket.set_nonblocking(false).expect("an option of the socket");
    held.release();
    let mut rest = client.socket.try_clone().expect("a second handle");
    let writer =
        std::thread::spawn(move || std::io::Write::write_all(&mut rest, &all[sent..]).expect("it is read again"));
    for id in 1..=2_000 {
        client.expect_ack(PUBACK, id);
    }
    writer.join().expect("all was sent");
    assert_eq!(broker.taken(), 2_001);
}

#[test]
fn quality_0_beyond_the_limit_is_dropped_and_counted_and_the_client_stays() {
    let broker = Broker::with("inflight_bytes_max = \"64KiB\"\npacket_bytes_max = \"32KiB\"");
    let mut client = Client::connect(broker.mqtt, V5, "zero");
    client.publish("in/zero/a", "warm");
    let held = broker.hold_commits();
    for _ in 0..20 {
        client.send(&Publish::new("in/zero/a", vec![b'x'; 10_000], 0, 0).bytes(V5));
    }
    client.waits();
    held.release();
    client.publish("in/zero/a", "last");
    let dropped = broker.count("dropped_in_qos0_total");
    assert!((14..20).contains(&dropped), "{dropped}");
    assert_eq!(broker.taken(), 22 - dropped);
}

#[test]
fn a_subscriber_that_does_not_read_loses_quality_0_and_costs_the_others_nothing() {
    let broker = Broker::with("queue_bytes_max = \"64KiB\"\nwrite_timeout = \"600s\"");
    let mut lazy = Client::connect(broker.mqtt, V5, "lazy");
    lazy.subscribe(&[("in/lazy/a", 0)]);
    let mut keen = Client::connect(broker.mqtt, V5, "keen");
    keen.subscribe(&[("in/lazy/a", 0)]);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    let payload = vec![b'x'; 30_000];
    for n in 0..2_000u16 {
        sender.publish("in/lazy/a", [&n.to_be_bytes()[..], &payload].concat());
        assert_eq!(keen.take().payload[..2], n.to_be_bytes());
    }
    let dropped = broker.count("dropped_queue_full_total");
    assert!(dropped > 1_000, "{dropped}");
    assert!(broker.count("queued_bytes") <= 64 << 10);
    // What it did not lose comes in order once it reads.
    let mut last = None;
    lazy.send(&crate::packet::PINGREQ);
    let mut seen = 0;
    loop {
        let packet = lazy.next().expect("it is still connected");
        if packet.first == PINGRESP {
            break;
        }
        let message = Publish::read(V5, &packet);
        let n = u16::from_be_bytes([message.payload[0], message.payload[1]]);
        assert!(last.is_none_or(|last| last < n), "{last:?} then {n}");
        last = Some(n);
        seen += 1;
    }
    assert!(seen > 0);
    lazy.leave();
    keen.leave();
    sender.leave();
    broker.wait_until_empty();
}

#[test]
fn a_reader_that_takes_nothing_for_the_write_time_out_is_ended() {
    let broker = Broker::with("write_timeout = \"1s\"\nqueue_bytes_max = \"16MiB\"");
    let mut lazy = Client::connect(broker.mqtt, V5, "lazy");
    lazy.subscribe(&[("in/lazy/a", 0)]);
    let mut sender = Client::connect(broker.mqtt, V5, "sender");
    let payload = vec![b'x'; 100_000];
    for _ in 0..200 {
        sender.publish("in/lazy/a", &payload);
    }
    broker.wait_for_count("ended_write_timeout_total", 1);
    broker.wait_for_count("connections", 1);
    broker.wait_for_count("queued_bytes", 0);
    sender.quiet();
}

/// It sends and sends, and takes no answer: its own answers fill the line. Others publish meanwhile, so that commits wake
/// it in the middle of a write.
#[test]
fn clients_that_never_read_their_answers_are_ended() {
    const CLIENTS: u64 = 4;
    let broker = Broker::with("write_timeout = \"1s\"");
    let floods: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut client = Client::connect(broker.mqtt, V311, &format!("deaf{number}"));
            std::thread::spawn(move || {
                let publishes = (1..=20).flat_map(|id| Publish::new("in/deaf/a", "x", 1, id).bytes(V311));
                let chunk: Vec<u8> = publishes.chain(crate::packet::PINGREQ.repeat(2_000)).collect();
                // Until the gateway closes.
                while std::io::Write::write_all(&mut client.socket, &chunk).is_ok() {}
            })
        })
        .collect();
    let mut neighbour = Client::connect(broker.mqtt, V5, "neighbour");
    let deadline = std::time::Instant::now() + crate::gateway::PATIENCE;
    while broker.count("ended_write_timeout_total") < CLIENTS {
        assert!(std::time::Instant::now() < deadline, "they are still there:\n{}", broker.metrics());
        neighbour.publish("in/neighbour/a", "x");
    }
    floods.into_iter().for_each(|flood| flood.join().expect("it ends"));
    neighbour.leave();
    broker.wait_until_empty();
}

#[test]
fn subscriptions_of_a_client_are_bounded() {
    let broker = Broker::with("subscriptions_per_client_max = 5");
    crate::client::both("bounded", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        let filters: Vec<String> = (0..7).map(|n| format!("f/{n}")).collect();
        let filters: Vec<(&str, u8)> = filters.iter().map(|filter| (filter.as_str(), 0)).collect();
        let codes = client.subscribe(&filters);
        let refusal = if version == V5 { 0x97 } else { 0x80 };
        assert_eq!(codes, [0, 0, 0, 0, 0, refusal, refusal]);
        // One that is there may be replaced, and room is made by going.
        assert_eq!(client.subscribe(&[("f/0", 1)]), [1]);
        client.unsubscribe(&["f/1"]);
        assert_eq!(client.subscribe(&[("f/6", 1)]), [1]);
        client.leave();
        broker.wait_until_empty();
    });
}
