//! Who is who: a store that went back in time, another gateway with our id, a sink whose identity changes.

use std::path::Path;
use std::time::Duration;

use crate::broker;
use crate::gateway::{Gateway, count, numbered, record, sink};
use tidegate::sinks::SinkState;

const WAIT: Duration = Duration::from_secs(60);

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn texts(kafka: &crate::support::Kafka, topic: &str) -> Vec<String> {
    let mut texts: Vec<String> = kafka.read_committed(topic).iter().map(|one| one.text().to_owned()).collect();
    texts.sort();
    texts
}

/// The image was taken in the middle of a start: its position in Kafka is known, and how far the image reached.
#[test]
fn a_store_restored_from_an_image_of_the_same_start_delivers_its_new_records() {
    let (kafka, _turn) = broker();
    kafka.create_topic("restored", 1, &[]);
    let (directory, image) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = |path: &Path| Gateway::start("gw-restored", path, sink(&kafka.bootstrap()), &["restored"]);
    let gateway = start(directory.path());
    gateway.append(&numbered("restored", 0..100));
    gateway.wait_delivered(WAIT);
    copy(directory.path(), image.path());
    gateway.append(&numbered("restored", 100..200));
    gateway.wait_delivered(WAIT);
    gateway.stop();
    let gateway = start(image.path());
    let new: Vec<_> = (0..50).map(|n| record("restored", "k", &format!("new{n}"))).collect();
    gateway.append(&new);
    gateway.wait_delivered(WAIT);
    let doubt = gateway.status.report().doubt.expect("it says so");
    assert!(doubt.contains("100 records"), "{doubt}");
    gateway.stop();
    let seen = texts(kafka, "restored");
    let mut expected: Vec<String> = (0..200).map(|n| n.to_string()).chain((0..50).map(|n| format!("new{n}"))).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

/// The position in Kafka was written by a start that the restored store never made.
#[test]
fn a_store_restored_from_before_a_start_says_that_records_may_come_twice() {
    let (kafka, _turn) = broker();
    kafka.create_topic("older", 1, &[]);
    let (directory, image) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = |path: &Path| Gateway::start("gw-older", path, sink(&kafka.bootstrap()), &["older"]);
    let gateway = start(directory.path());
    gateway.append(&numbered("older", 0..100));
    gateway.wait_delivered(WAIT);
    gateway.stop();
    copy(directory.path(), image.path());
    let gateway = start(directory.path());
    gateway.append(&numbered("older", 100..200));
    gateway.wait_delivered(WAIT);
    gateway.stop();
    let gateway = start(image.path());
    gateway.append(&[record("older", "k", "new")]);
    gateway.wait_delivered(WAIT);
    let doubt = gateway.status.report().doubt.expect("it says so");
    assert!(doubt.contains("twice"), "{doubt}");
    gateway.stop();
    let seen = texts(kafka, "older");
    assert_eq!((seen.len(), seen.contains(&"new".to_owned())), (201, true));
}

#[test]
fn of_two_gateways_with_one_id_one_stops_and_remembers_until_takeover() {
    let (kafka, _turn) = broker();
    kafka.create_topic("contested", 1, &[]);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = |path: &Path| Gateway::start("gw-twin", path, sink(&kafka.bootstrap()), &["contested"]);
    let line = |text: &str| [record("contested", "k", text)];
    let first = start(one.path());
    first.append(&line("first before"));
    first.wait_delivered(WAIT);
    let second = start(two.path());
    second.append(&line("second"));
    second.wait_delivered(WAIT);
    first.append(&line("first held back"));
    let report = first.wait_for("fenced", WAIT, |report| report.state == SinkState::Fenced);
    let reason = report.reason.unwrap();
    assert!(reason.contains("gw-twin") && reason.contains("takeover cloud"), "{reason}");
    first.stop();
    // A new start remembers, and leaves the other alone.
    let first = start(one.path());
    first.wait_for("fenced again", WAIT, |report| report.state == SinkState::Fenced);
    second.append(&line("second goes on"));
    second.wait_delivered(WAIT);
    assert!(!texts(kafka, "contested").contains(&"first held back".to_owned()));
    first.status.request_takeover();
    first.wait_delivered(WAIT);
    second.append(&line("second held back"));
    second.wait_for("fenced in its turn", WAIT, |report| report.state == SinkState::Fenced);
    first.append(&line("first goes on"));
    first.wait_delivered(WAIT);
    first.stop();
    second.stop();
    assert_eq!(
        texts(kafka, "contested"),
        ["first before", "first goes on", "first held back", "second", "second goes on"]
    );
}

#[test]
fn a_new_carrier_topic_changes_nothing_about_what_was_delivered() {
    let (kafka, _turn) = broker();
    kafka.create_topic("moved", 1, &[]);
    kafka.create_topic("carrier", 1, &[]);
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start("gw-moved", directory.path(), sink(&kafka.bootstrap()), &["moved"]);
    gateway.append(&numbered("moved", 0..50));
    gateway.wait_delivered(WAIT);
    gateway.stop();
    let mut config = sink(&kafka.bootstrap());
    crate::gateway::kafka(&mut config).offsets_topic = Some("carrier".to_owned());
    for round in 0..2 {
        let gateway = Gateway::start("gw-moved", directory.path(), config.clone(), &["moved"]);
        gateway.append(&numbered("moved", 50 + round..51 + round));
        gateway.wait_delivered(WAIT);
        assert_eq!(gateway.status.report().doubt, None);
        assert_eq!(count(&gateway.stop(), "delivered"), 51 + round);
    }
    assert_eq!(kafka.read_committed("moved").len(), 52);
}

/// Brokers forget what a group that is silent for a week has committed; here somebody deletes it.
#[test]
fn a_quiet_sink_writes_its_position_again_and_moves_its_cursor_without_input() {
    let (kafka, _turn) = broker();
    kafka.create_topic("quiet", 1, &[]);
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        Gateway::start_as("quiet", directory.path(), sink(&kafka.bootstrap()), &["quiet"], |setup| {
            setup.renew_after = Duration::from_secs(1);
        })
    };
    let gateway = start();
    gateway.append(&numbered("quiet", 0..20));
    gateway.wait_delivered(WAIT);
    // The local cursor, and with it what is counted as delivered, follows by itself.
    let deadline = std::time::Instant::now() + WAIT;
    while count(&gateway.writer.counters(), "delivered") < 20 {
        assert!(std::time::Instant::now() < deadline, "the cursor does not move");
        std::thread::sleep(Duration::from_millis(50));
    }
    kafka.delete_group("tidegate-quiet-cloud");
    assert_eq!(kafka.group_offset("tidegate-quiet-cloud", "quiet"), None);
    while kafka.group_offset("tidegate-quiet-cloud", "quiet").is_none() {
        assert!(std::time::Instant::now() < deadline + WAIT, "the position is not written again");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(kafka.group_offset("tidegate-quiet-cloud", "quiet"), Some(20));
    gateway.stop();
    let gateway = start();
    gateway.append(&numbered("quiet", 20..21));
    gateway.wait_delivered(WAIT);
    assert_eq!(gateway.status.report().doubt, None);
    gateway.stop();
    assert_eq!(kafka.read_committed("quiet").len(), 21);
}
