//! Whether a session is present, and for how long.

use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::gateway::PATIENCE;
use crate::packet::{Connect, V5, V311};

fn present(broker: &Broker, connect: &Connect) -> bool {
    let (client, present) = Client::connect_with(broker.mqtt, connect);
    client.lose();
    present
}

#[test]
fn a_session_is_present_exactly_when_it_was_asked_for_and_not_cleaned() {
    let broker = Broker::start();
    both("session", |version, name| {
        let (clean, session) = (Connect::new(version, name), Connect::session(version, name));
        assert!(!present(&broker, &clean));
        assert!(!present(&broker, &session), "the one before was for its connection only");
        assert!(present(&broker, &session));
        assert!(present(&broker, &session));
        assert!(!present(&broker, &Connect::session(version, &format!("{name}-other"))));
        assert!(!present(&broker, &clean), "a clean start never says that a session is present");
        assert!(!present(&broker, &session), "and has ended the one that was there");
    });
}

#[test]
fn in_version_5_clean_start_and_expiry_are_two_things() {
    let broker = Broker::start();
    // A clean start that asks for a session.
    let start = Connect::new(V5, "start").with_property(&[17, 0, 0, 0x0E, 0x10]);
    assert!(!present(&broker, &start));
    assert!(present(&broker, &Connect::session(V5, "start")));
    // No clean start and no expiry: resumed, and over with the connection.
    assert!(present(&broker, &Connect::new(V5, "start").with_flags(0)));
    assert!(!present(&broker, &Connect::session(V5, "start")));
    // DISCONNECT may end it at once, or give it longer.
    let (mut client, was_present) = Client::connect_with(broker.mqtt, &Connect::session(V5, "start"));
    assert!(was_present);
    client.send(&[0xE0, 7, 0, 5, 17, 0, 0, 0, 0]);
    assert_eq!(client.next(), None);
    assert!(!present(&broker, &Connect::session(V5, "start")));
}

#[test]
fn a_session_is_over_once_its_expiry_has_passed() {
    let mut broker = Broker::start();
    let second = Connect::new(V5, "second").with_flags(0).with_property(&[17, 0, 0, 0, 1]);
    let hour = Connect::session(V5, "hour");
    assert!(!present(&broker, &second));
    assert!(!present(&broker, &hour));
    assert!(!present(&broker, &Connect::session(V311, "ever")));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2_100) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!present(&broker, &second));
    broker.kill();
    broker.start();
    assert!(present(&broker, &hour));
    assert!(present(&broker, &Connect::session(V311, "ever")));
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn sessions_outlive_a_kill_and_are_bounded() {
    let mut broker = Broker::with("sessions_max = 3");
    let mut lasting: Vec<Client> = Vec::new();
    for n in 0..3 {
        lasting.push(Client::connect_with(broker.mqtt, &Connect::session(V311, &format!("s{n}"))).0);
    }
    lasting.into_iter().for_each(Client::leave);
    // The fourth is served, without a session that lasts; version 5 is told so.
    let (_client, answer) = Client::try_connect(broker.mqtt, &Connect::session(V5, "s3"));
    assert_eq!(answer.expect("a CONNACK").connack_property(17), Some(vec![0; 4]));
    assert!(!present(&broker, &Connect::session(V311, "s4")));
    assert!(!present(&broker, &Connect::session(V311, "s4")));
    assert!(broker.count("sessions_refused_total") >= 2);
    broker.kill();
    broker.start();
    for n in 0..3 {
        assert!(present(&broker, &Connect::session(V311, &format!("s{n}"))), "{n}");
    }
}

#[test]
fn a_longer_expiry_than_the_limit_is_cut_and_told() {
    let broker = Broker::with("session_expiry_max = \"1h\"");
    for (asked, told) in
        [(3_601u32, Some(vec![0, 0, 0x0E, 0x10])), (u32::MAX, Some(vec![0, 0, 0x0E, 0x10])), (60, None)]
    {
        let property = [&[17][..], &asked.to_be_bytes()].concat();
        let (_client, answer) = Client::try_connect(broker.mqtt, &Connect::new(V5, "long").with_property(&property));
        assert_eq!(answer.expect("a CONNACK").connack_property(17), told, "{asked}");
    }
}

#[test]
fn at_a_stop_clients_are_told_and_what_they_sent_is_answered_first() {
    let mut broker = Broker::start();
    let mut clients = [V311, V5].map(|version| Client::connect(broker.mqtt, version, &format!("{version:?}")));
    clients.iter_mut().for_each(|client| client.publish("in/stop/a", "x"));
    let (status, took) = broker.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
    clients.iter_mut().for_each(|client| client.expect_end(0x8B));
    broker.start();
    assert_eq!(broker.taken(), 2);
}
