//! Those who hold a handshake open, and those who guess passwords, next to a client that behaves.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::certificates::{A_WHILE, gateway_with_tls};
use crate::device::{Ack, Device};
use crate::gateway::metric;
use crate::mosquitto::{publish, stderr};
use crate::{shell, start};

const HALF_OPEN: usize = 500;

/// The first bytes of a ClientHello, and then silence.
fn half_open(port: u16) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    socket.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).expect("sent");
    socket
}

#[test]
fn half_open_tls_handshakes_hold_up_nobody() {
    let directory = tempfile::tempdir().expect("a directory");
    let (gateway, port) = gateway_with_tls(directory.path(), "[broker]\nhandshake_timeout = \"40s\"\n");
    let mut good = Device::connect(gateway.mqtt, "good", true).expect("connected");
    // As fast as connections_per_second_max lets them in.
    let open: Vec<TcpStream> = (0..HALF_OPEN)
        .map(|index| {
            if index % 100 == 99 {
                std::thread::sleep(A_WHILE);
            }
            half_open(port)
        })
        .collect();
    gateway.wait_for("them all", |metrics| metric(metrics, "tidegate_broker_sockets") == HALF_OPEN as f64 + 1.0);
    // The client that was there, and one that comes now, are served.
    for id in 1..=100 {
        good.publish("t", b"x", 1, id, false);
        good.flush().expect("sent");
        assert_eq!(good.ack().expect("acknowledged"), Ack::Acknowledged(id));
    }
    let tls = format!("-h localhost -p {port} --cafile {}", directory.path().join("ca.pem").display());
    let output = publish(&format!("{tls} -t t -m x -q 1"));
    assert!(output.status.success(), "{}", stderr(&output));
    // And they end by handshake_timeout, by themselves.
    gateway.wait_for("their end", |metrics| metric(metrics, "tidegate_broker_sockets") == 1.0);
    assert_eq!(metric(&gateway.metrics(), "tidegate_broker_handshake_timeout_total"), HALF_OPEN as f64);
    good.publish("t", b"x", 1, 101, false);
    good.flush().expect("sent");
    assert_eq!(good.ack().expect("acknowledged"), Ack::Acknowledged(101));
    drop(open);
}

/// A CONNECT of version 5 with a user and a password.
fn login(gateway: &crate::gateway::Gateway, user: &str, password: &str) -> (TcpStream, Vec<u8>) {
    let mut socket = TcpStream::connect(gateway.mqtt).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    let mut body = b"\0\x04MQTT\x05\xC2\0\x3C\0\0\0".to_vec();
    for text in [user, password] {
        body.extend((text.len() as u16).to_be_bytes());
        body.extend(text.as_bytes());
    }
    let mut packet = vec![0x10, body.len() as u8];
    packet.extend(body);
    socket.write_all(&packet).expect("sent");
    let mut answer = vec![0; 64];
    let length = socket.read(&mut answer).unwrap_or(0);
    answer.truncate(length);
    (socket, answer)
}

#[test]
fn guessing_gets_slower_and_is_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let hash = shell(directory.path(), &format!("echo right | {} passwd ada", env!("CARGO_BIN_EXE_tidegate")));
    let hash = hash.trim().strip_prefix("ada:").expect("a line of a password file");
    let gateway = start(directory.path(), &format!("[broker.user.ada]\npassword_hash = \"{hash}\"\n"));
    let code = |answer: &[u8]| answer.get(3).copied();
    let (_kept, answer) = login(&gateway, "ada", "right");
    assert_eq!(code(&answer), Some(0));
    for guess in 0..6 {
        // A user who exists and one who does not are told the same.
        let user = if guess % 2 == 0 { "ada" } else { "eve" };
        assert_eq!(code(&login(&gateway, user, "wrong").1), Some(0x86));
    }
    assert_eq!(metric(&gateway.metrics(), "tidegate_broker_logins_failed_total"), 6.0);
    // From now on each waits for its turn: eighty at once stand in one line, and those at its end are turned away.
    let begin = Instant::now();
    let codes: Vec<Option<u8>> = std::thread::scope(|scope| {
        let guess = || code(&login(&gateway, "ada", "wrong").1);
        let guesses: Vec<_> = (0..80).map(|_| scope.spawn(guess)).collect();
        guesses.into_iter().map(|guess| guess.join().expect("it ran")).collect()
    });
    assert!(codes.contains(&Some(0x89)), "server busy: {codes:?}");
    assert!(codes.iter().all(|code| matches!(code, Some(0x86 | 0x89))), "{codes:?}");
    assert!(begin.elapsed() >= Duration::from_secs(1), "the line moves slowly: {:?}", begin.elapsed());
    // Who is in already notices nothing.
    let mut good = Device::connect(gateway.mqtt, "good", true).expect("an anonymous one on loopback");
    good.publish("t", b"x", 1, 1, false);
    good.flush().expect("sent");
    assert_eq!(good.ack().expect("acknowledged"), Ack::Acknowledged(1));
    assert!(!gateway.log().contains("wrong") && !gateway.log().contains(hash), "no secret in the log");
}
