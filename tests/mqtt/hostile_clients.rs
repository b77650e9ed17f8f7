//! Many clients at once that mean harm, or are merely broken: slow, silent, greedy. Next to them a well-behaved client is
//! never disconnected and gets every acknowledgement, and afterwards nothing is held for them.

use std::io::Read;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::broker::Broker;
use crate::client::Client;
use crate::gateway::PATIENCE;
use crate::neighbour::Neighbour;
use crate::packet::{BOTH, Connect, PUBACK, Publish, V5, V311, ack, frame, subscribe, text, user_property};
use crate::wills::with_will;

/// As many open files as this process may have.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .expect("up to the hard limit");
}

#[test]
fn five_hundred_connects_that_drip() {
    allow_many_files();
    let broker = Broker::with("connect_timeout = \"3s\"");
    let mut neighbour = Neighbour::new(&broker);
    let bytes = Connect::new(V5, "dripping").bytes();
    let mut drips: Vec<Client> = (0..500).map(|_| Client::open(broker.mqtt, V5)).collect();
    let deadline = Instant::now() + PATIENCE;
    // A byte each now and then, and never the last one.
    for byte in bytes[..bytes.len() - 1].iter().cycle() {
        drips.iter_mut().for_each(|client| client.send_what_it_takes(&[*byte]));
        neighbour.works();
        if broker.count("sockets") == 1 {
            break;
        }
        assert!(Instant::now() < deadline, "they are never ended");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(drips);
    neighbour.outlives(&broker);
}

#[test]
fn five_thousand_idle_connections() {
    allow_many_files();
    let broker = Broker::with("connections_max = 6000");
    let mut neighbour = Neighbour::new(&broker);
    let before = broker.resident_bytes();
    let mut idle = Vec::new();
    for n in 0..5_000 {
        idle.push(Client::connect(broker.mqtt, BOTH[n % 2], &format!("idle{n}")));
        if n % 500 == 0 {
            neighbour.works();
        }
    }
    assert_eq!(broker.count("connections"), 5_001);
    let each = broker.resident_bytes().saturating_sub(before) / 5_000;
    println!("{each} bytes of memory for each idle connection");
    assert!(each < 16 << 10, "{each} bytes for each");
    for client in idle.iter_mut().step_by(100) {
        client.quiet();
    }
    drop(idle);
    neighbour.outlives(&broker);
}

#[test]
fn readers_that_take_a_byte_at_a_time() {
    let broker = Broker::with("write_timeout = \"2s\"\nqueue_bytes_max = \"256KiB\"");
    let mut neighbour = Neighbour::new(&broker);
    let mut readers: Vec<Client> = (0..20)
        .map(|n| {
            let mut client = Client::connect(broker.mqtt, BOTH[n % 2], &format!("drip{n}"));
            client.subscribe(&[("in/drip/#", 0)]);
            client.socket.set_nonblocking(true).expect("an option of the socket");
            client
        })
        .collect();
    let payload = vec![b'x'; 50_000];
    let deadline = Instant::now() + PATIENCE;
    // Each message goes to all of them; they take one byte of it. Those whose socket is full are ended in the end.
    while broker.count("connections") > 1 {
        neighbour.client.publish("in/drip/a", &payload);
        neighbour.works();
        for reader in &mut readers {
            let _ = reader.socket.read(&mut [0]);
        }
        assert!(broker.count("queued_bytes") <= 21 * (256 << 10));
        assert!(Instant::now() < deadline, "they are never ended");
    }
    drop(readers);
    neighbour.outlives(&broker);
}

#[test]
fn clients_that_come_and_go_as_fast_as_they_can() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let address = broker.mqtt;
            std::thread::spawn(move || {
                for round in 0..200 {
                    let version = BOTH[round % 2];
                    let mut client = Client::open(address, version);
                    // Everything in one write, the end included: nothing is waited for.
                    let all = [
                        Connect::session(version, &format!("hasty{n}")).bytes(),
                        subscribe(version, 1, &[("in/hasty/#", 1)]),
                        Publish::new("in/hasty/a", "x", 2, 2).bytes(version),
                        ack(0x62, 2),
                    ];
                    client.send_what_it_takes(&all.concat());
                    if round % 3 == 0 {
                        client.send_what_it_takes(&crate::packet::disconnect(version));
                    }
                }
            })
        })
        .collect();
    for _ in 0..100 {
        neighbour.works();
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it ends well"));
    // The last of them may still be on their way into the broker.
    broker.wait_for_count("sockets", 1);
    for n in 0..4 {
        Client::connect(broker.mqtt, V5, &format!("hasty{n}")).leave();
    }
    neighbour.outlives(&broker);
}

#[test]
fn deep_topics_and_giant_properties_in_a_stream() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    let before = broker.resident_bytes();
    let deep = "/".repeat(65_535);
    let giant = user_property(&"k".repeat(60_000), &"v".repeat(60_000)).repeat(8);
    for n in 0..300 {
        let mut client = Client::connect(broker.mqtt, BOTH[n % 2], "giant");
        match n % 4 {
            0 | 1 => client.send_what_it_takes(&Publish::new(&deep, "x", 1, 1).bytes(client.version)),
            2 => client.send_what_it_takes(&subscribe(client.version, 1, &vec![(deep.as_str(), 1); 10])),
            _ => {
                let body = [&[0, 1][..], &crate::packet::properties(&giant), &text("a"), &[0]].concat();
                client.send_what_it_takes(&frame(0x82, &body));
            }
        }
        client.end_of_sending();
        while client.next().is_some() {}
        if n % 20 == 0 {
            neighbour.works();
        }
    }
    assert_eq!(broker.count("subscriptions"), 1);
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 48 << 20, "{} MiB more", grown >> 20);
    neighbour.outlives(&broker);
}

#[test]
fn ten_thousand_filters_come_and_go() {
    let broker = Broker::with("subscriptions_per_client_max = 10000");
    let mut neighbour = Neighbour::new(&broker);
    let filters: Vec<String> = (0..10_000).map(|n| format!("f/{}/+/{n}/#", n % 100)).collect();
    for version in BOTH {
        let mut client = Client::connect(broker.mqtt, version, "filters");
        for chunk in filters.chunks(2_000) {
            let chunk: Vec<(&str, u8)> = chunk.iter().map(|filter| (filter.as_str(), 1)).collect();
            assert!(client.subscribe(&chunk).iter().all(|code| *code == 1));
            neighbour.works();
        }
        assert_eq!(broker.count("subscriptions"), 10_001);
        for chunk in filters.chunks(2_000) {
            let chunk: Vec<&str> = chunk.iter().map(String::as_str).collect();
            client.unsubscribe(&chunk);
            neighbour.works();
        }
        assert_eq!(broker.count("subscriptions"), 1);
        client.leave();
    }
    neighbour.outlives(&broker);
}

#[test]
fn pings_without_end_are_answered_and_hold_nothing_up() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    let mut client = Client::connect(broker.mqtt, V5, "pings");
    let mut reader = client.socket.try_clone().expect("a second handle");
    let counter = std::thread::spawn(move || {
        let mut answers = vec![0; 400_000];
        reader.read_exact(&mut answers).expect("each is answered");
        assert!(answers.chunks(2).all(|answer| answer == [0xD0, 0]));
    });
    for _ in 0..20 {
        client.send(&[0xC0, 0].repeat(10_000));
        neighbour.works();
    }
    counter.join().expect("two hundred thousand answers");
    client.send(&Publish::new("in/pings/a", "x", 1, 1).bytes(V5));
    client.expect_ack(PUBACK, 1);
    client.leave();
    neighbour.outlives(&broker);
}

#[test]
fn wills_without_end() {
    let broker = Broker::start();
    let mut neighbour = Neighbour::new(&broker);
    let mut watcher = Client::connect(broker.mqtt, V311, "watcher");
    watcher.subscribe(&[("in/+/a", 0)]);
    // Each leaves a will on the neighbour's own topic when it breaks off.
    for n in 0..300 {
        let will = with_will(BOTH[n % 2], &format!("will{}", n % 7), "in/neighbour/a", 0x02, &[]);
        Client::connect_with(broker.mqtt, &will).0.lose();
        if n % 30 == 0 {
            neighbour.works();
        }
    }
    broker.wait_for_count("connections", 2);
    // A will is published after its connection is gone.
    broker.wait_for_count("wills_published_total", 300);
    let wills = watcher.drain().iter().filter(|packet| Publish::read(V311, packet).payload == b"gone").count();
    assert_eq!(wills, 300);
    // One that is told of its own end each time it comes back, which is the next thing to end.
    let looping = with_will(V311, "looping", "in/loop/a", 0x08, &[]);
    let (mut client, _) = Client::connect_with(broker.mqtt, &looping);
    client.subscribe(&[("in/loop/#", 1)]);
    client.lose();
    for _ in 0..50 {
        let (mut client, present) = Client::connect_with(broker.mqtt, &looping);
        assert!(present);
        assert_eq!(client.take().payload, b"gone");
        client.quiet();
        client.lose();
    }
    Client::connect(broker.mqtt, V311, "looping").leave();
    watcher.leave();
    neighbour.outlives(&broker);
}
