//! Rows on their way to mosquitto.

use std::process::Command;

use crate::gateway::{Gateway, free_address, metric};
use crate::link::Link;
use crate::mosquitto::Mosquitto;
use crate::tls::{CA, OTHER_CA, make_certificates};
use crate::{Collector, Got, alone, gateway, local, publish};

const SOURCE: &str = r#"
[source.everything]
mqtt = "dev/{path#}"
format = "raw"
"#;

/// The recipe of docs/configuration.md: messages as they came, under another topic.
const FORWARD: &str = r#"
[query.forward]
sql = "SELECT path, payload FROM everything"
into = { sink = "hq", topic = "plant/{region}/{path}", format = "raw" }
"#;

fn got(topic: &str, payload: &str) -> Got {
    Got { topic: topic.to_owned(), payload: payload.to_owned(), retain: false }
}

/// Waits until the sink has nothing more to do, and looks at what became of its records.
fn settled(gateway: &Gateway, delivered: u64, dead: u64) {
    let sink = |metrics: &str, what: &str| metric(metrics, &format!("tidegate_{what}_total{{sink=\"hq\"}}")) as u64;
    gateway.wait_for("everything delivered", |metrics| {
        sink(metrics, "delivered") + sink(metrics, "dead") == delivered + dead
    });
    let metrics = gateway.metrics();
    assert_eq!((sink(&metrics, "delivered"), sink(&metrics, "dead")), (delivered, dead), "{metrics}");
    assert_eq!(sink(&metrics, "committed"), delivered + dead, "{metrics}");
}

fn wait_for_page(gateway: &Gateway, what: &str) {
    gateway.wait_for(what, |_| {
        let page = gateway.try_get("/healthz").unwrap_or_default();
        page.starts_with("ok\n") && page.contains(what)
    });
}

#[test]
fn messages_are_forwarded_as_they_came_and_wait_while_the_broker_is_away() {
    let _alone = alone();
    for version in ["5", "3.1.1"] {
        let directory = tempfile::tempdir().expect("a directory");
        let mosquitto = Mosquitto::start(directory.path(), "allow_anonymous true");
        let link = Link::listen(mosquitto.port);
        link.cut();
        let collector = Collector::start(local(mosquitto.port), "plant/#");
        let sink = format!("[sink.hq]\nmqtt = \"127.0.0.1:{}\"\nversion = \"{version}\"\n", link.port());
        let mut gateway = gateway(directory.path(), &format!("{SOURCE}{FORWARD}{sink}"));
        gateway.start();
        publish(gateway.mqtt, &[("dev/p1/telemetry", "{\"a\":1}"), ("dev/p1", "plain"), ("dev/a/b/c", "")]);
        wait_for_page(&gateway, "sink hq: backing off: ");
        link.mend();
        settled(&gateway, 3, 0);
        publish(gateway.mqtt, &[("dev/last", "x")]);
        let all = collector.wait_for("the last one", |got| got.iter().any(|one| one.payload == "x"));
        let expected = [
            got("plant/test/p1/telemetry", "{\"a\":1}"),
            got("plant/test/p1", "plain"),
            got("plant/test/a/b/c", ""),
            got("plant/test/last", "x"),
        ];
        assert_eq!(all, expected, "version {version}");
        let (status, _) = gateway.terminate();
        assert!(status.success());
    }
}

#[test]
fn what_the_broker_refuses_is_a_dead_letter_and_what_was_planned_waits_for_its_right() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let rules = directory.path().join("acl");
    std::fs::write(&rules, "topic readwrite ok/#\n").expect("written");
    let settings = format!("allow_anonymous true\nacl_file {}\nmax_packet_size 2000", rules.display());
    let mosquitto = Mosquitto::start(directory.path(), &settings);
    let collector = Collector::start(local(mosquitto.port), "#");
    let queries = r#"
[query.by_column]
sql = "SELECT path, payload FROM everything WHERE path <> 'planned'"
into = { sink = "hq", topic = "{path}", format = "raw" }

[query.planned]
sql = "SELECT payload FROM everything WHERE path = 'planned'"
into = { sink = "hq", topic = "planned", format = "raw" }
"#;
    let sink = format!("[sink.hq]\nmqtt = \"127.0.0.1:{}\"\nretain = true\n", mosquitto.port);
    let mut gateway = gateway(directory.path(), &format!("{SOURCE}{queries}{sink}"));
    gateway.start();
    let large = "x".repeat(3_000);
    publish(gateway.mqtt, &[("dev/ok/1", "a"), ("dev/no", "b"), ("dev/ok/2", &large), ("dev/ok/3", "c")]);
    settled(&gateway, 2, 2);
    assert!(gateway.log().contains("not authorized (0x87)"), "{}", gateway.log());
    assert!(gateway.log().contains("takes 2000 at most"), "{}", gateway.log());

    publish(gateway.mqtt, &[("dev/planned", "d"), ("dev/ok/4", "e")]);
    wait_for_page(&gateway, "the right to publish to it");
    std::fs::write(&rules, "topic readwrite ok/#\ntopic readwrite planned\n").expect("written");
    mosquitto.reload();
    settled(&gateway, 4, 2);
    let all = collector.wait_for("the last one", |got| got.iter().any(|one| one.payload == "e"));
    let mut first_seen: Vec<&Got> = Vec::new();
    for one in &all {
        if !first_seen.contains(&one) {
            first_seen.push(one);
        }
    }
    // While the planned one waited, the one behind it may have come more than once; the collector had no right to see
    // the planned topic when it subscribed, but mosquitto asks at each delivery.
    let payloads: Vec<&str> = first_seen.iter().map(|one| one.payload.as_str()).collect();
    assert!(payloads == ["a", "c", "d", "e"] || payloads == ["a", "c", "e", "d"], "{payloads:?}");
    let later = Collector::start(local(mosquitto.port), "ok/1");
    let retained = later.wait_for("the retained one", |got| !got.is_empty());
    assert_eq!(retained, [Got { retain: true, ..got("ok/1", "a") }]);
}

#[test]
fn tls_certificates_and_passwords() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    make_certificates(directory.path());
    let file = |name: &str| directory.path().join(name).display().to_string();
    let made = Command::new("mosquitto_passwd").args(["-b", "-c", &file("users"), "gw", "s3cret"]).status();
    assert!(made.expect("mosquitto_passwd runs").success());
    let plain = free_address().port();
    let settings = format!(
        "allow_anonymous false\npassword_file {}\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n\
         listener {plain} 127.0.0.1\nallow_anonymous true",
        file("users"),
        file(CA),
        file("server.pem"),
        file("server.key"),
    );
    let mosquitto = Mosquitto::start(directory.path(), &settings);
    let collector = Collector::start(local(plain), "plant/#");
    let sink = |ca: &str| {
        format!(
            "[sink.hq]\nmqtt = \"mqtts://127.0.0.1:{}\"\nuser = \"gw\"\npassword = \"${{credential:hq}}\"\n\
             ca = {:?}\ncertificate = {:?}\nkey = {:?}\n",
            mosquitto.port,
            file(ca),
            file("server.pem"),
            file("server.key")
        )
    };
    for (ca, password, says) in
        [(OTHER_CA, "s3cret", "TLS with 127.0.0.1"), (CA, "geheim", "the server refuses"), (CA, "s3cret", "connected")]
    {
        std::fs::write(directory.path().join("hq"), password).expect("written");
        let mut gateway = gateway(directory.path(), &format!("{SOURCE}{FORWARD}{}", sink(ca)));
        gateway.environment.push(("CREDENTIALS_DIRECTORY".to_owned(), directory.path().display().to_string()));
        gateway.start();
        wait_for_page(&gateway, says);
        if says == "connected" {
            publish(gateway.mqtt, &[("dev/p1", "x")]);
            settled(&gateway, 1, 0);
        }
        let (status, _) = gateway.terminate();
        assert!(status.success());
        assert!(!gateway.log().contains(password), "a password in the log");
    }
    assert_eq!(collector.wait_for("the message", |got| !got.is_empty()), [got("plant/test/p1", "x")]);
}
