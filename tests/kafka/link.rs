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

/// 64 kbit/s and two seconds there and back. All records at once take longer than a transaction may, so the first one
/// is given up and smaller ones get through.
#[test]
fn a_slow_and_far_link_comes_to_an_end() {
    let (kafka, _turn) = broker();
    kafka.create_topic("slow", 1, &[]);
    kafka.link().shape(64_000, Duration::from_secs(2));
    let directory = tempfile::tempdir().unwrap();
    let mut config = sink(&kafka.bootstrap_through_link());
    crate::gateway::kafka(&mut config).options.insert("transaction.timeout.ms".to_owned(), "30000".to_owned());
    let gateway = Gateway::start("gw-slow", directory.path(), config, &["slow"]);
    let mut random = 1u64;
    let mut noise = |n: u64| {
        let mut text = format!("{n} ");
        for _ in 0..36 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(&format!("{:x}", random >> 8));
        }
        text
    };
    let records: Vec<_> = (0..700).map(|n| record("slow", "k", &noise(n))).collect();
    gateway.append(&records);
    let report = gateway.wait_delivered(Duration::from_secs(240));
    println!("{report:?}, {} bytes over the link", kafka.link().bytes());
    assert_eq!(report.doubt, None);
    assert!(report.aborted >= 1 && report.transactions >= 2, "{report:?}");
    gateway.stop();
    kafka.link().shape(0, Duration::ZERO);
    let seen = kafka.read_committed("slow");
    let sequences: Vec<&str> = seen.iter().map(|one| one.headers["tidegate-sequence"].as_str()).collect();
    let expected: Vec<String> = (0..700).map(|n| n.to_string()).collect();
    assert_eq!(sequences, expected);
    assert!(seen.iter().zip(&records).all(|(one, sent)| one.payload == sent.payload));
}

/// While Kafka is away the log outgrows its share and drops its oldest; every record is then either in Kafka or counted
/// as dropped, and none both.
#[test]
fn what_an_outage_drops_is_counted_and_the_rest_arrives() {
    let (kafka, _turn) = broker();
    kafka.create_topic("dropped", 1, &[]);
    let directory = tempfile::tempdir().unwrap();
    let mut config = sink(&kafka.bootstrap_through_link());
    config.share_max_bytes = 60_000;
    crate::gateway::kafka(&mut config).options.insert("transaction.timeout.ms".to_owned(), "8000".to_owned());
    let gateway = Gateway::start("gw-dropped", directory.path(), config, &["dropped"]);
    let mut next = 0;
    let mut append = |records: u64| {
        for _ in 0..records / 20 {
            gateway.append(&numbered("dropped", next..next + 20));
            next += 20;
        }
        next
    };
    append(200);
    gateway.wait_delivered(Duration::from_secs(60));
    kafka.link().cut();
    append(200);
    // What is on its way is not dropped; once it was given up, it may be.
    gateway.wait_for("backing off", Duration::from_secs(60), |report| report.state == SinkState::BackingOff);
    append(20_000);
    kafka.link().mend();
    append(20_000);
    gateway.wait_delivered(Duration::from_secs(120));
    let total = append(200);
    gateway.wait_delivered(Duration::from_secs(60));
    let counters = gateway.stop();
    let (delivered, dropped) = (count(&counters, "delivered"), count(&counters, "dropped"));
    println!("{delivered} delivered, {dropped} dropped");
    assert_eq!(delivered + dropped, total, "{counters:?}");
    assert!(dropped > 5_000);
    let numbers: Vec<u64> = kafka.read_committed("dropped").iter().map(|one| one.text().parse().unwrap()).collect();
    assert_eq!(numbers.len() as u64, delivered);
    assert!(numbers.is_sorted_by(|one, next| one < next));
    assert_eq!(numbers[numbers.len() - 1], total - 1);
}
