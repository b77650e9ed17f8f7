//! What systemd and its tools see: readiness, the watchdog, the journal, credentials, a stop under load.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::device::{Ack, Device};
use crate::gateway::{Gateway, PATIENCE, metric};
use crate::kafka::{self, PASSWORD, USER};
use crate::{alone, number_field};

const SOURCE: &str = r#"
[source.telemetry]
mqtt = "dev/{device}/telemetry"
schema = "n BIGINT"

[query.all]
sql = "SELECT device, n FROM telemetry"
"#;

fn configuration(topic: &str, bootstrap: &str) -> String {
    format!("{SOURCE}into = {{ sink = \"cloud\", topic = \"{topic}\" }}\n\n[sink.cloud]\nkafka = \"{bootstrap}\"\n")
}

fn gateway(directory: &Path, configuration: &str) -> Gateway {
    Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory, configuration)
}

/// Publishes numbers as fast as they are acknowledged until the connection ends; gives those that were acknowledged.
fn publish_until_the_end(mut device: Device, name: &str) -> BTreeSet<i64> {
    let (mut acknowledged, mut sent) = (BTreeSet::new(), 0i64);
    let topic = format!("dev/{name}/telemetry");
    loop {
        while sent - (acknowledged.len() as i64) < 80 {
            let id = (sent % 60_000) as u16 + 1;
            device.publish(&topic, format!("{{\"n\":{sent}}}").as_bytes(), 1, id, false);
            sent += 1;
        }
        if device.flush().is_err() {
            break;
        }
        match device.ack() {
            Ok(Ack::Acknowledged(_)) => acknowledged.insert(acknowledged.len() as i64),
            Ok(other) => panic!("{other:?} in place of a PUBACK"),
            Err(_) => break,
        };
    }
    acknowledged
}

#[test]
fn sigterm_under_load_ends_within_five_seconds_and_loses_nothing() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    kafka::shared().create_topic("loaded", 2, &[]);
    let mut gateway = gateway(directory.path(), &configuration("loaded", &kafka::shared().bootstrap()));
    gateway.start();
    let devices: Vec<_> = (0..4)
        .map(|device| {
            let name = format!("d{device}");
            let client = Device::connect(gateway.mqtt, &name, true).expect("the broker takes us");
            std::thread::spawn(move || (name.clone(), publish_until_the_end(client, &name)))
        })
        .collect();
    gateway.wait_for("load", |metrics| metric(metrics, "tidegate_in_total{source=\"telemetry\"}") > 20_000.0);
    let (status, took) = gateway.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}\n{}", gateway.log());
    gateway.start();
    gateway.wait_for("everything in Kafka", |metrics| {
        metric(metrics, "tidegate_sink_pending_records{sink=\"cloud\"}") == 0.0
    });
    let rows = kafka::shared().read_committed("loaded");
    let mut total = 0;
    for device in devices {
        let (name, acknowledged) = device.join().expect("a device ends well");
        let own = rows.iter().filter(|row| row.text().contains(&format!("\"{name}\"")));
        let numbers: Vec<i64> = own.map(|row| number_field(row.text(), "n")).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{name}: in order, each once");
        let there: BTreeSet<i64> = numbers.into_iter().collect();
        assert!(acknowledged.is_subset(&there), "{name}: an acknowledged number is missing");
        total += there.len();
    }
    assert_eq!(metric(&gateway.metrics(), "tidegate_in_total{source=\"telemetry\"}"), total as f64);
}

/// As systemd does for `Type=notify` with `WatchdogSec`.
#[test]
fn systemd_is_told_when_it_is_ready_that_it_lives_and_when_it_stops() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    let next = || {
        let mut buffer = [0; 256];
        let count = socket.recv(&mut buffer).expect("systemd is told");
        String::from_utf8_lossy(&buffer[..count]).trim_end().to_owned()
    };
    let mut gateway = gateway(directory.path(), &configuration("nowhere", "127.0.0.1:1"));
    gateway.environment.push(("NOTIFY_SOCKET".into(), path.display().to_string()));
    gateway.environment.push(("WATCHDOG_USEC".into(), "30000000".into()));
    gateway.start();
    assert_eq!(next(), "READY=1");
    Device::connect(gateway.mqtt, "a", true).expect("ready means that devices are taken");
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    let (status, _) = gateway.terminate();
    assert!(status.success());
    let stopping = std::iter::repeat_with(next).find(|said| said != "WATCHDOG=1");
    assert_eq!(stopping.as_deref(), Some("STOPPING=1"));
}

/// A mount namespace of its own gives the process a journal socket that the test reads; the shell in between points
/// `JOURNAL_STREAM` at its own stderr, as systemd does.
#[test]
fn the_log_goes_to_the_journal_when_systemd_started_it_and_to_stderr_otherwise() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let journal = directory.path().join("journal");
    std::fs::create_dir(&journal).expect("a folder");
    let socket = UnixDatagram::bind(journal.join("socket")).expect("a socket");
    let (stop, lines) = (Arc::new(AtomicBool::new(false)), std::sync::mpsc::channel());
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
    let reader = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut buffer = vec![0; 1 << 16];
            while !stop.load(Ordering::Relaxed) {
                if let Ok(count) = socket.recv(&mut buffer) {
                    let _ = lines.0.send(String::from_utf8_lossy(&buffer[..count]).into_owned());
                }
            }
        }
    });
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind '{}' /run/systemd/journal && \
         export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) && exec \"$@\"",
        journal.display()
    );
    let mut gateway = gateway(directory.path(), &configuration("nowhere", "127.0.0.1:1"));
    gateway.through = ["unshare", "--map-root-user", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).into();
    gateway.start();
    let deadline = Instant::now() + PATIENCE;
    let ready = loop {
        let line = lines.1.recv_timeout(PATIENCE).expect("a line in the journal");
        if line.contains("ready: MQTT on") {
            break line;
        }
        assert!(Instant::now() < deadline, "no ready line in the journal");
    };
    assert!(ready.contains("SYSLOG_IDENTIFIER=tidegate") && ready.contains("PRIORITY="), "{ready}");
    gateway.terminate();
    assert_eq!(gateway.log(), "", "nothing went to stderr");
    stop.store(true, Ordering::Relaxed);
    reader.join().expect("the reader ends");

    gateway.through.clear();
    gateway.environment.push(("JOURNAL_STREAM".into(), "8:12345".into()));
    gateway.start();
    gateway.terminate();
    assert!(gateway.log().contains("ready: MQTT on"), "stderr is not the journal that JOURNAL_STREAM names");
}

#[test]
fn the_log_level_is_the_configurations() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let mut gateway = gateway(directory.path(), &configuration("nowhere", "127.0.0.1:1"));
    let file = directory.path().join("tidegate.toml");
    let text = std::fs::read_to_string(&file).expect("just written");
    for (level, wanted, unwanted) in [("error", None, Some("INFO")), ("info", Some("INFO"), Some("DEBUG"))] {
        std::fs::write(&file, text.replace("[gateway]\n", &format!("[gateway]\nlog = \"{level}\"\n")))
            .expect("written");
        let _ = std::fs::remove_file(gateway.log_file());
        gateway.start();
        gateway.terminate();
        let log = gateway.log();
        assert!(wanted.is_none_or(|word| log.contains(word)), "{level}: {log}");
        assert!(unwanted.is_none_or(|word| !log.contains(word)), "{level}: {log}");
    }
}

/// The whole way into a Kafka that wants TLS and a password, which comes as a systemd credential; the broker's address
/// comes from the environment.
#[test]
fn secrets_come_from_credentials_and_places_from_the_environment() {
    let _alone = alone();
    let kafka = kafka::shared();
    kafka.create_topic("secret", 1, &[]);
    kafka.allow("--operation Write --operation Read --topic secret");
    kafka.allow("--operation Read --group tidegate-gw_-test-cloud");
    kafka.allow("--operation Write --transactional-id tidegate-gw_-test-cloud");
    let directory = tempfile::tempdir().expect("a directory");
    let credentials = directory.path().join("credentials");
    std::fs::create_dir(&credentials).expect("a folder");
    std::fs::write(credentials.join("kafka_password"), format!("{PASSWORD}\n")).expect("written");
    let options = format!(
        "options = {{ \"security.protocol\" = \"SASL_SSL\", \"ssl.ca.location\" = \"{}\", \"sasl.mechanism\" = \"SCRAM-SHA-256\", \
         \"sasl.username\" = \"{USER}\", \"sasl.password\" = \"${{credential:kafka_password}}\" }}\n",
        kafka.ca().display()
    );
    let mut gateway = gateway(directory.path(), &(configuration("secret", "${KAFKA}") + &options));
    gateway.environment.push(("KAFKA".into(), kafka.bootstrap_secure()));
    gateway.environment.push(("CREDENTIALS_DIRECTORY".into(), credentials.display().to_string()));
    gateway.start();
    let mut client = Device::connect(gateway.mqtt, "a", true).expect("the broker takes us");
    client.publish("dev/a/telemetry", b"{\"n\":7}", 1, 1, false);
    client.flush().expect("sent");
    assert_eq!(client.ack().expect("acknowledged"), Ack::Acknowledged(1));
    let rows = kafka.read_until("secret", PATIENCE, |rows| !rows.is_empty());
    assert_eq!(rows[0].text(), "{\"device\":\"a\",\"n\":7}");
    gateway.terminate();
    assert!(!gateway.log().contains(PASSWORD), "a secret in the log");

    // Without the credential it does not start, and says which one is missing.
    std::fs::remove_file(credentials.join("kafka_password")).expect("there");
    let (code, said) = gateway.try_to_start();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("kafka_password"), "{said}");
}
