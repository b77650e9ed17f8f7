//! The uplink: away at the start, cut in the middle, slow and far.

use std::time::Duration;

use crate::broker;
use crate::gateway::{Gateway, count, numbered, record, sink};
use tidegate::sinks::SinkState;

#[test]
fn kafka_may_be_away_at_the_start_and_in_the_middle() {
    let (kafka, _turn) = broker();
    kafka.create_topic("away", 1, &[]);
    kafka.link().cut();
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start("gw-away", directory.path(), sink(&kafka.bootstrap_through_link()), &["away"]);
    gateway.append(&numbered("away", 0..1_000));
    let wait = Duration::from_secs(60);
    let report = gateway.wait_for("backing off", wait, |report| report.state == SinkState::BackingOff);
    assert!(report.reason.unwrap().contains("cannot be reached"));
    kafka.link().mend();
    gateway.wait_delivered(wait);
    kafka.link().cut();
    gateway.append(&numbered("away", 1_000..2_000));
    std::thread::sleep(Duration::from_secs(1));
    kafka.link().mend();
    gateway.wait_delivered(Duration::from_secs(120));
    assert_eq!(count(&gateway.stop(), "delivered"), 2_000);
    let texts: Vec<String> = kafka.read_committed("away").iter().map(|one| one.text().to_owned()).collect();
    let expected: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let mut sorted = texts.clone();
    sorted.sort_by_key(|text| text.parse::<u64>().unwrap());
    assert_eq!(sorted, expected);
}

/// 64 kbit/s and two seconds there and back: about 300 KB that do not compress take 40 s at the line's rate, and each
/// transaction its ten seconds of asking and answering.
#[test]
fn a_slow_and_far_link_comes_to_an_end() {
    let (kafka, _turn) = broker();
    kafka.create_topic("slow", 1, &[]);
    kafka.link().shape(64_000, Duration::from_secs(2));
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start("gw-slow", directory.path(), sink(&kafka.bootstrap_through_link()), &["slow"]);
    let mut random = 1u64;
    let noise = |n: u64, random: &mut u64| {
        let mut text = format!("{n} ");
        for _ in 0..12 {
            *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(&format!("{:x}", *random >> 8));
        }
        text
    };
    let records: Vec<_> = (0..1_500).map(|n| record("slow", "k", &noise(n, &mut random))).collect();
    gateway.append(&records);
    let report = gateway.wait_delivered(Duration::from_secs(240));
    println!("{report:?}, {} bytes over the link", kafka.link().bytes());
    gateway.stop();
    kafka.link().shape(0, Duration::ZERO);
    let seen = kafka.read_committed("slow");
    assert_eq!(seen.len(), records.len());
    assert!(seen.iter().zip(&records).all(|(one, sent)| one.payload == sent.payload));
}
