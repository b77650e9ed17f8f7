//! What a person at a plant does to a gateway: start, stop, change a query, point it at nothing, fill its disk.

use std::process::Command;
use std::time::Duration;

use crate::alone;
use crate::device::{Ack, Device};
use crate::gateway::{Gateway, PATIENCE, metric};
use crate::kafka;

const SOURCE: &str = r#"
[source.telemetry]
mqtt = "dev/{device}/telemetry"
format = "json"
schema = "n BIGINT, ts TIMESTAMP_LTZ(3)"
event_time = "ts"
"#;

const BASE_MS: i64 = 1_772_352_000_000;

fn window_query(name: &str, condition: &str, topic: &str) -> String {
    format!(
        "\n[query.{name}]\nsql = \"SELECT device, window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE telemetry, DESCRIPTOR(ts), \
         INTERVAL '10' SECOND)) WHERE {condition} GROUP BY device, window_start, window_end\"\n\
         into = {{ sink = \"cloud\", topic = \"{topic}\", key = \"device\" }}\n"
    )
}

fn sink() -> String {
    format!("\n[sink.cloud]\nkafka = \"{}\"\n", kafka::shared().bootstrap())
}

fn gateway(directory: &tempfile::TempDir, configuration: &str) -> Gateway {
    Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory.path(), configuration)
}

/// Publishes `{n, ts}` of one device at QoS 1 and waits for each acknowledgement.
fn publish(gateway: &Gateway, device: &str, rows: &[(i64, i64)]) {
    let mut client = Device::connect(gateway.mqtt, device, true).expect("the broker takes us");
    send(&mut client, device, rows);
}

fn send(client: &mut Device, device: &str, rows: &[(i64, i64)]) {
    for (index, (n, offset_ms)) in rows.iter().enumerate() {
        let payload = format!("{{\"n\":{n},\"ts\":{}}}", BASE_MS + offset_ms);
        let id = index as u16 + 1;
        client.publish(&format!("dev/{device}/telemetry"), payload.as_bytes(), 1, id, false);
        client.flush().expect("sent");
        assert_eq!(client.ack().expect("acknowledged"), Ack::Acknowledged(id));
    }
}

/// The journal of a life that is too short for a snapshot counts towards the next: else each start would take longer.
#[test]
fn a_gateway_that_is_killed_again_and_again_does_not_replay_more_each_time() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    kafka::shared().create_topic("killed-often", 1, &[]);
    let query = window_query("w", "n >= 0", "killed-often");
    let mut gateway = gateway(&directory, &(SOURCE.to_owned() + &query + &sink()));
    let (lives, rows) = (6, (0..1_500).map(|n| (n, n)).collect::<Vec<_>>());
    for _ in 0..lives {
        gateway.start();
        // Each is acknowledged before the next is sent, so each is a tick.
        publish(&gateway, "a", &rows);
        gateway.kill();
    }
    gateway.start();
    let log = gateway.log();
    let replayed: Vec<u64> = log
        .lines()
        .filter_map(|line| line.split_once("recovered: ")?.1.strip_suffix(" ticks replayed from the journal"))
        .map(|number| number.parse().expect("a number"))
        .collect();
    assert_eq!(replayed.len(), lives, "{log}");
    let most = replayed.iter().max().expect("some");
    // As many as make a snapshot due, and those of a life.
    assert!(*most <= 4_096 + rows.len() as u64, "{replayed:?}");
    assert!(*most > rows.len() as u64, "the lives are shorter than that: {replayed:?}");
}

#[test]
fn sigterm_ends_within_five_seconds_and_open_windows_live_on() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    kafka::shared().create_topic("sigterm", 1, &[]);
    let mut gateway = gateway(&directory, &(SOURCE.to_owned() + &window_query("w", "n >= 0", "sigterm") + &sink()));
    gateway.start();
    publish(&gateway, "a", &[(1, 0), (2, 1_000)]);
    let (status, took) = gateway.terminate();
    assert!(status.success(), "{status}\n{}", gateway.log());
    assert!(took < Duration::from_secs(5), "{took:?}");
    gateway.start();
    publish(&gateway, "a", &[(3, 2_000), (4, 60_000)]);
    let rows = kafka::shared().read_until("sigterm", PATIENCE, |rows| !rows.is_empty());
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text(), r#"{"device":"a","window_start":"2026-03-01T08:00:00.000","c":3}"#);
    // Two hundred devices more: the query's memory says so, and so does that of the watermarks.
    let query = |metrics: &str| metric(metrics, "tidegate_query_state_bytes{query=\"w\"}");
    let source = |metrics: &str| metric(metrics, "tidegate_source_state_bytes{source=\"telemetry\"}");
    gateway.wait_for("the first measure", |metrics| query(metrics) > 0.0 && source(metrics) > 0.0);
    let before = gateway.metrics();
    let (queries, sources) = (query(&before), source(&before));
    let mut client = Device::connect(gateway.mqtt, "more", true).expect("the broker takes us");
    for device in 0..200 {
        send(&mut client, &format!("more-{device}"), &[(1, 60_000)]);
    }
    gateway.wait_for("the next measure", |metrics| {
        query(metrics) >= queries + 20_000.0 && source(metrics) >= sources + 10_000.0
    });
}

#[test]
fn a_changed_query_starts_afresh_and_says_so_while_the_others_keep_their_state() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    kafka::shared().create_topic("kept", 1, &[]);
    kafka::shared().create_topic("changed", 1, &[]);
    let before = SOURCE.to_owned()
        + &window_query("kept", "n >= 0", "kept")
        + &window_query("changed", "n >= 0", "changed")
        + &sink();
    let mut first = gateway(&directory, &before);
    first.start();
    publish(&first, "a", &[(1, 0), (2, 1_000)]);
    first.kill();
    let after = before.replace(
        "[query.changed]\nsql = \"SELECT device, window_start, COUNT(*)",
        "[query.changed]\nsql = \"SELECT device, window_start, COUNT(n)",
    );
    assert_ne!(before, after);
    let mut second = gateway(&directory, &after);
    second.start();
    assert!(second.log().contains("query changed starts afresh"), "{}", second.log());
    assert!(!second.log().contains("query kept starts afresh"), "{}", second.log());
    // A kill right after must not forget that the changed query had begun again.
    publish(&second, "a", &[(3, 2_000)]);
    second.kill();
    second.start();
    publish(&second, "a", &[(4, 3_000), (5, 60_000)]);
    let count = |topic: &str| {
        let rows = kafka::shared().read_until(topic, PATIENCE, |rows| !rows.is_empty());
        assert_eq!(rows.len(), 1, "{topic}");
        crate::number_field(rows[0].text(), "c")
    };
    assert_eq!(count("kept"), 4);
    assert_eq!(count("changed"), 2);
}

/// A sink that is taken out keeps its records until it is forgotten by command; what that drops is counted.
#[test]
fn a_sink_that_is_taken_out_is_forgotten_by_command_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let query =
        "\n[query.all]\nsql = \"SELECT device, n FROM telemetry\"\ninto = { sink = \"cloud\", topic = \"t\" }\n";
    // Nobody listens there.
    let sink = format!("\n[sink.cloud]\nkafka = \"{}\"\n", crate::gateway::free_address());
    let mut with = gateway(&directory, &(SOURCE.to_owned() + query + &sink));
    with.start();
    publish(&with, "a", &[(1, 0), (2, 1), (3, 2)]);
    let pending = "tidegate_sink_pending_records{sink=\"cloud\"}";
    with.wait_for("the rows", |metrics| metric(metrics, pending) == 3.0);
    let forget = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(["forget", "cloud", "--config"]).arg(directory.path().join("tidegate.toml"));
        let output = command.output().expect("the binary runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (done, said) = forget();
    assert!(!done && said.contains("the sink cloud is still in this configuration: take it out first"), "{said}");
    with.terminate();

    let mut without = gateway(&directory, SOURCE);
    without.start();
    assert!(without.log().contains("the store keeps sink/cloud, which is no longer configured"), "{}", without.log());
    let (done, said) = forget();
    assert!(!done && said.contains("in use"), "while the gateway runs: {said}");
    without.terminate();
    assert_eq!(forget(), (true, "sink cloud is forgotten, with 3 records that it had not delivered\n".to_owned()));
    let (done, said) = forget();
    assert!(!done && said.contains("the store keeps nothing of a sink cloud"), "{said}");
    std::fs::write(without.log_file(), "").expect("the log is emptied");
    without.start();
    assert!(!without.log().contains("no longer configured"), "{}", without.log());
    let dropped = "tidegate_dropped_total{sink=\"cloud\",reason=\"forgotten\"}";
    assert_eq!(metric(&without.metrics(), dropped), 3.0);
}

#[test]
fn a_lookup_table_is_read_again_when_its_file_changes() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    kafka::shared().create_topic("looked-up", 1, &[]);
    let file = directory.path().join("known.csv");
    std::fs::write(&file, "device,name\na,first\n").expect("the table");
    let table = format!("\n[table.known]\nfile = \"{}\"\nschema = \"device STRING, name STRING\"\n", file.display());
    let query = "\n[query.named]\nsql = \"SELECT t.n, k.name FROM telemetry AS t JOIN known AS k ON t.device = k.device \
                 WHERE t.device IN (SELECT device FROM known)\"\ninto = { sink = \"cloud\", topic = \"looked-up\", key = \"\" }\n";
    let mut gateway = gateway(&directory, &(SOURCE.to_owned() + &table + query + &sink()));
    gateway.start();
    let loads = |metrics: &str| metric(metrics, "tidegate_table_loads_total{table=\"known\"}");
    publish(&gateway, "a", &[(1, 0)]);
    publish(&gateway, "b", &[(2, 0)]);
    // In one step, as an editor or a copy does it: half a file would be another table.
    let before = loads(&gateway.metrics());
    let new = directory.path().join("new.csv");
    std::fs::write(&new, "device,name\na,second\nb,other\n").expect("the new table");
    std::fs::rename(&new, &file).expect("the same file system");
    gateway.wait_for("the new rows", |metrics| loads(metrics) > before);
    publish(&gateway, "a", &[(3, 0)]);
    publish(&gateway, "b", &[(4, 0)]);
    gateway.kill();
    gateway.start();
    publish(&gateway, "b", &[(5, 0)]);
    let rows = kafka::shared().read_until("looked-up", PATIENCE, |rows| rows.len() >= 4);
    let texts: Vec<&str> = rows.iter().map(|row| row.text()).collect();
    let expected = [
        r#"{"n":1,"name":"first"}"#,
        r#"{"n":3,"name":"second"}"#,
        r#"{"n":4,"name":"other"}"#,
        r#"{"n":5,"name":"other"}"#,
    ];
    assert_eq!(texts, expected);
}

#[test]
fn bad_payloads_and_failing_rows_are_counted_and_cost_nobody_else_anything() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    kafka::shared().create_topic("divided", 1, &[]);
    let query = "\n[query.divide]\nsql = \"SELECT device, 100 / n AS q FROM telemetry WHERE n < 50\"\n\
                 into = { sink = \"cloud\", topic = \"divided\", key = \"device\" }\n";
    let mut gateway = gateway(&directory, &(SOURCE.to_owned() + query + &sink()));
    gateway.start();
    let mut client = Device::connect(gateway.mqtt, "a", true).expect("the broker takes us");
    let payloads: [&[u8]; 7] = [
        b"{\"n\":4,\"ts\":1772352000000}",
        b"not json",
        b"{\"n\":0,\"ts\":1772352000001}",
        b"{\"n\":\"seven\",\"ts\":1772352000002}",
        b"{\"n\":99,\"ts\":1772352000003}",
        b"\xff\xfe{}",
        b"{\"n\":5,\"ts\":1772352000004,\"unknown\":[1,{\"a\":2}]}",
    ];
    for (index, payload) in payloads.iter().enumerate() {
        client.publish("dev/a/telemetry", payload, 1, index as u16 + 1, false);
    }
    client.flush().expect("sent");
    for index in 0..payloads.len() {
        assert_eq!(client.ack().expect("the client stays connected"), Ack::Acknowledged(index as u16 + 1));
    }
    let rows = kafka::shared().read_until("divided", PATIENCE, |rows| rows.len() >= 2);
    let texts: Vec<&str> = rows.iter().map(|row| row.text()).collect();
    assert_eq!(texts, [r#"{"device":"a","q":25}"#, r#"{"device":"a","q":20}"#]);
    let metrics = gateway.metrics();
    let source = |what: &str| metric(&metrics, &format!("tidegate_{what}_total{{source=\"telemetry\"}}"));
    assert_eq!((source("in"), source("decoded"), source("invalid")), (7.0, 4.0, 3.0));
    let query = |what: &str| metric(&metrics, &format!("tidegate_{what}_total{{query=\"divide\"}}"));
    assert_eq!((query("used"), query("filtered"), query("late"), query("failed")), (2.0, 1.0, 0.0, 1.0));
    // Each once, whatever else is wrong within the minute.
    let log = gateway.log();
    let lines = |what: &str| log.lines().filter(|line| line.contains("WARN") && line.contains(what)).count();
    assert_eq!(lines("invalid messages, one of them from [\"a\"]: "), 1, "{log}");
    assert_eq!(lines("query divide: 1 rows or results failed, one of them over this: division by zero"), 1, "{log}");
}

#[test]
fn mosquittos_own_clients_publish_and_subscribe() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let mut gateway = gateway(&directory, SOURCE);
    gateway.start();
    let port = gateway.mqtt.port().to_string();
    for version in ["mqttv311", "mqttv5"] {
        let subscriber = Command::new("mosquitto_sub")
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-V",
                version,
                "-t",
                "dev/+/telemetry",
                "-q",
                "1",
                "-C",
                "3",
                "-W",
                "60",
                "-v",
            ])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("mosquitto_sub runs");
        gateway.wait_for("the subscription", |metrics| metric(metrics, "tidegate_broker_subscriptions") >= 1.0);
        for qos in ["0", "1", "2"] {
            let arguments = ["-h", "127.0.0.1", "-p", &port, "-V", version, "-q", qos, "-t", "dev/a/telemetry", "-m"];
            let published = Command::new("mosquitto_pub").args(arguments).arg(format!("{{\"n\":{qos}}}")).status();
            assert!(published.expect("mosquitto_pub runs").success());
        }
        let output = subscriber.wait_with_output().expect("mosquitto_sub ends");
        let text = String::from_utf8(output.stdout).expect("text");
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, [0, 1, 2].map(|n| format!("dev/a/telemetry {{\"n\":{n}}}")), "{version}");
        gateway.wait_for("the subscription's end", |metrics| metric(metrics, "tidegate_broker_subscriptions") == 0.0);
    }
}
