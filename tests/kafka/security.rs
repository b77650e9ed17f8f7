//! A Kafka that asks who we are and what we may: TLS, SASL, ACLs. Whatever is wrong or missing is named so that a person
//! can put it right; meanwhile nothing is lost, and then it goes on by itself.

use std::path::Path;
use std::time::Duration;

use crate::broker;
use crate::gateway::{Gateway, count, numbered, sink};
use crate::support::{Kafka, PASSWORD, USER};
use tidegate::config::Sink;
use tidegate::sinks::SinkState;

/// Between two attempts the back-off grows to half a minute.
const WAIT: Duration = Duration::from_secs(300);

fn secured(kafka: &Kafka, ca: &Path, password: &str) -> Sink {
    let mut sink = sink(&kafka.bootstrap_secure());
    let ca = ca.display().to_string();
    for (option, value) in [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", &ca),
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.username", USER),
        ("sasl.password", password),
        ("transaction.timeout.ms", "10000"),
    ] {
        crate::gateway::kafka(&mut sink).options.insert(option.to_owned(), value.to_owned());
    }
    sink
}

fn wait_for_reason(gateway: &Gateway, words: &[&str]) {
    let says = |reason: &str| words.iter().all(|word| reason.contains(word));
    let what = format!("backing off for {words:?}");
    let report = gateway.wait_for(&what, WAIT, |report| {
        report.state == SinkState::BackingOff && report.reason.as_deref().is_some_and(says)
    });
    assert!(!format!("{report:?}").contains(PASSWORD), "a secret in a report");
}

#[test]
fn an_unknown_authority_or_a_wrong_password_is_named_and_loses_nothing() {
    let (kafka, _turn) = broker();
    kafka.create_topic("locked", 1, &[]);
    for rights in [
        "--operation Write --topic locked",
        "--operation Read --topic locked",
        "--operation Read --group tidegate-gwlocked-cloud",
        "--operation Write --transactional-id tidegate-gwlocked-cloud",
    ] {
        kafka.allow(rights);
    }
    let directory = tempfile::tempdir().unwrap();
    let start = |sink: Sink| Gateway::start("gwlocked", directory.path(), sink, &["locked"]);

    let gateway = start(secured(kafka, &kafka.other_ca(), PASSWORD));
    gateway.append(&numbered("locked", 0..10));
    wait_for_reason(&gateway, &["certificate", "check security.protocol and the ssl.* settings"]);
    gateway.stop();

    let gateway = start(secured(kafka, &kafka.ca(), "wrong password"));
    gateway.append(&numbered("locked", 10..20));
    wait_for_reason(&gateway, &["check sasl.mechanism, sasl.username and sasl.password"]);
    gateway.stop();

    let gateway = start(secured(kafka, &kafka.ca(), PASSWORD));
    gateway.append(&numbered("locked", 20..30));
    gateway.wait_delivered(WAIT);
    assert_eq!(count(&gateway.stop(), "delivered"), 30);
    let texts: Vec<String> = kafka.read_committed("locked").iter().map(|one| one.text().to_owned()).collect();
    assert_eq!(texts, (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// Right after right, as somebody would grant them who reads the log.
#[test]
fn each_missing_right_is_named_and_delivery_goes_on_once_it_is_granted() {
    // Minutes of Kafka's own time-outs: for `make test-long`.
    if std::env::var_os("TIDEGATE_LONG").is_none() {
        return;
    }
    let (kafka, _turn) = broker();
    kafka.create_topic("acl", 1, &[]);
    kafka.create_topic("acl-carrier", 1, &[]);
    let id = "tidegate-gwacl-cloud";
    let mut config = secured(kafka, &kafka.ca(), PASSWORD);
    crate::gateway::kafka(&mut config).offsets_topic = Some("acl-carrier".to_owned());
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start("gwacl", directory.path(), config, &["acl"]);
    gateway.append(&numbered("acl", 0..10));

    wait_for_reason(&gateway, &["write and describe the transactional id", id]);
    kafka.allow(&format!("--operation Write --transactional-id {id}"));
    wait_for_reason(&gateway, &["read the group", id]);
    kafka.allow(&format!("--operation Read --group {id}"));
    wait_for_reason(&gateway, &["topic \"acl-carrier\"", "read \"acl-carrier\""]);
    kafka.allow("--operation Describe --topic acl-carrier");
    wait_for_reason(&gateway, &["topic \"acl\"", "write and describe the topics"]);
    kafka.allow("--operation Describe --topic acl");
    gateway.wait_for("refused records", WAIT, |report| report.aborted > 0);
    wait_for_reason(&gateway, &["topic \"acl\"", "write and describe the topics"]);
    kafka.allow("--operation Write --topic acl");
    wait_for_reason(&gateway, &["topic \"acl-carrier\"", "read \"acl-carrier\""]);
    gateway.append(&numbered("acl", 10..20));
    kafka.allow("--operation Read --topic acl-carrier");
    gateway.wait_delivered(WAIT);

    assert_eq!(count(&gateway.stop(), "delivered"), 20);
    let texts: Vec<String> = kafka.read_committed("acl").iter().map(|one| one.text().to_owned()).collect();
    assert_eq!(texts, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}
