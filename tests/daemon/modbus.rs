//! Modbus slaves behind the real binary: one that answers, one that is silent, and a sink that is full.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicU64;

use crate::alone;
use crate::disk;
use crate::gateway::{Gateway, PATIENCE, metric};
use crate::kafka;

/// Answers every "read holding registers" with the registers' own addresses; or accepts and says nothing.
fn slave(answers: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for socket in listener.incoming().flatten() {
            if answers {
                std::thread::spawn(move || serve(socket));
            } else {
                silent.push(socket);
            }
        }
    });
    address
}

/// MODBUS Messaging on TCP/IP Implementation Guide, 3.1.3: transaction, protocol, length, unit, then the PDU.
fn serve(mut socket: TcpStream) {
    let mut request = [0; 12];
    while socket.read_exact(&mut request).is_ok() {
        let (first, count) = (word(&request[8..]), word(&request[10..]));
        let mut answer = request[..4].to_vec();
        answer.extend((3 + 2 * count).to_be_bytes());
        answer.extend([request[6], request[7], (2 * count) as u8]);
        (first..first + count).for_each(|register| answer.extend(register.to_be_bytes()));
        if socket.write_all(&answer).is_err() {
            return;
        }
    }
}

fn word(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn source(name: &str, slave: SocketAddr) -> String {
    format!(
        "[source.{name}]\nmodbus = \"tcp://{slave}\"\nunit = 1\ninterval = \"50ms\"\ntimeout = \"200ms\"\n\
         registers = [{{ name = \"temp\", address = 100, type = \"uint16\", scale = 0.5 }}, {{ name = \"speed\", address = 101, type = \"int16\" }}]\n\n"
    )
}

fn gateway(directory: &tempfile::TempDir, configuration: &str) -> Gateway {
    Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory.path(), configuration)
}

#[test]
fn registers_arrive_in_kafka_and_a_silent_slave_holds_nobody_up_and_is_seen() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let kafka = kafka::shared();
    kafka.create_topic("registers", 1, &[]);
    let configuration = source("press", slave(true))
        + &source("mill", slave(false))
        + "[query.all]\nsql = \"SELECT device, temp, speed FROM press\"\n\
           into = { sink = \"cloud\", topic = \"registers\" }\n\n\
           [query.mill]\nsql = \"SELECT device, temp FROM mill\"\ninto = { sink = \"cloud\", topic = \"registers\" }\n\n"
        + &format!("[sink.cloud]\nkafka = \"{}\"\n", kafka.bootstrap());
    let mut gateway = gateway(&directory, &configuration);
    gateway.start();
    let rows = kafka.read_until("registers", PATIENCE, |rows| rows.len() >= 20);
    assert!(rows.iter().all(|row| row.text() == r#"{"device":"press","temp":50.0,"speed":101}"#), "{}", rows[0].text());
    gateway.wait_for("the silent slave's state", |metrics| {
        metric(metrics, "tidegate_modbus_timeouts{source=\"mill\"}") >= 2.0
    });
    let metrics = gateway.metrics();
    let connected = |source: &str| metric(&metrics, &format!("tidegate_modbus_connected{{source=\"{source}\"}}"));
    assert_eq!((connected("press"), connected("mill")), (1.0, 0.0));
    let health = gateway.try_get("/healthz").expect("a slave that is away is no fault");
    assert!(health.contains("source press: answers\n"), "{health}");
    assert!(health.contains("source mill: does not answer: no answer within 200ms"), "{health}");
}

/// Its `block` sink is full while Kafka is away: polls are left out and counted, and go on when it drains.
#[test]
fn polls_for_a_full_sink_are_left_out_and_counted() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let kafka = kafka::shared();
    kafka.create_topic("blocked-polls", 1, &[]);
    kafka.link().cut();
    // A device fills the sink that the slave feeds, too.
    let configuration = source("press", slave(true))
        + "[source.telemetry]\nmqtt = \"dev/{device}/telemetry\"\nschema = \"n BIGINT, noise STRING\"\n\n\
           [query.polls]\nsql = \"SELECT device, temp FROM press\"\ninto = { sink = \"cloud\", topic = \"blocked-polls\" }\n\n\
           [query.noise]\nsql = \"SELECT device, n, noise FROM telemetry\"\n\
           into = { sink = \"cloud\", topic = \"blocked-polls\" }\n\n"
        + &format!(
            "[sink.cloud]\nkafka = \"{}\"\noverflow = \"block\"\nshare = \"1MiB\"\n",
            kafka.bootstrap_through_link()
        );
    let mut gateway = gateway(&directory, &configuration);
    gateway.start();
    let mqtt = gateway.mqtt;
    let device = std::thread::spawn(move || disk::send_one(mqtt, 0, 0, 1_000, &AtomicU64::default()));
    let dropped = "tidegate_source_dropped_total{source=\"press\",reason=\"sink_full\"}";
    gateway.wait_for("polls to be left out", |metrics| metric(metrics, dropped) >= 20.0);
    let metrics = gateway.metrics();
    let source = |what: &str| metric(&metrics, &format!("tidegate_{what}_total{{source=\"press\"}}"));
    assert_eq!(source("in"), source("decoded") + source("invalid") + metric(&metrics, dropped), "{metrics}");
    kafka.link().mend();
    let decoded = source("decoded");
    gateway.wait_for("polls to go on", |metrics| {
        metric(metrics, "tidegate_decoded_total{source=\"press\"}") > decoded + 20.0
    });
    device.join().expect("it ends").expect("each of its messages is acknowledged in the end");
}
