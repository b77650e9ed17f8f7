//! Unix sockets, WebSocket, the PROXY protocol, limits of addresses.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::certificates;
use crate::gateway::{free_address, metric};
use crate::mosquitto::{Subscriber, publish, stderr};
use crate::start;

const CONNECT: &[u8] = &[0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 2, b'w', b's'];
const PING: &[u8] = &[0xC0, 0];

#[test]
fn a_unix_socket_serves_mosquitto_and_survives_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("mqtt.sock");
    let text = format!("[[broker.listener]]\nbind = {socket:?}\nprotocol = \"unix\"\nmode = \"0600\"\n");
    let mut gateway = start(directory.path(), &text);
    let unix = format!("--unix {}", socket.display());
    for round in 0..2 {
        let subscriber = Subscriber::start(&gateway, directory.path().join("got"), &format!("{unix} -t t"));
        let output = publish(&format!("{unix} -t t -m round-{round} -q 1"));
        assert!(output.status.success(), "{}", stderr(&output));
        subscriber.wait_for(&format!("round-{round}"));
        drop(subscriber);
        // The killed one leaves its socket file behind.
        gateway.kill();
        assert!(socket.exists());
        gateway.start();
    }
    gateway.terminate();
    assert!(!socket.exists());
}

#[test]
fn an_address_that_is_taken_is_said_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let config = directory.path().join("tidegate.toml");
    let text = format!(
        "[gateway]\nid = \"gw\"\ndata_dir = {:?}\n[admin]\nlisten = \"\"\n[[broker.listener]]\nbind = \"{address}\"\n",
        directory.path().join("data")
    );
    std::fs::write(&config, text).expect("written");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let output = command.arg("run").arg("--config").arg(&config).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = format!("`ss -ltnp sport = :{}` names it", address.port());
    assert!(stderr(&output).contains(&said), "{}", stderr(&output));
}

async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    path: &str,
    subprotocol: Option<&str>,
) -> Result<WebSocketStream<S>, Error> {
    let mut request = format!("ws://localhost{path}").into_client_request().expect("a request");
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("Sec-WebSocket-Protocol", subprotocol.parse().expect("a value"));
    }
    tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket)
}

/// All bytes of binary messages up to `length` of them.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let message = tokio::time::timeout(Duration::from_secs(30), socket.next()).await.expect("in time");
        if let Message::Binary(more) = message.expect("a message").expect("no error") {
            bytes.extend_from_slice(&more);
        }
    }
    bytes
}

/// Packets that span messages, and messages with several packets.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) {
    for piece in [&CONNECT[..1], &CONNECT[1..7], &CONNECT[7..]] {
        socket.send(Message::Binary(piece.to_vec().into())).await.expect("sent");
    }
    assert_eq!(read(socket, 4).await, [0x20, 2, 0, 0]);
    socket.send(Message::Ping(b"x".to_vec().into())).await.expect("sent");
    socket.send(Message::Binary([PING, PING, &PING[..1]].concat().into())).await.expect("sent");
    socket.send(Message::Binary(PING[1..].to_vec().into())).await.expect("sent");
    assert_eq!(read(socket, 6).await, [0xD0, 0, 0xD0, 0, 0xD0, 0]);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn mqtt_over_websocket() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let gateway = start(
        directory.path(),
        &format!("[[broker.listener]]\nbind = \"{address}\"\nprotocol = \"ws\"\npath = \"/plant\"\n"),
    );
    runtime().block_on(async {
        let connect = || tokio::net::TcpStream::connect(address);
        let mut socket =
            upgrade(connect().await.expect("connected"), "/plant", Some("v1, mqtt")).await.expect("upgraded");
        talk(&mut socket).await;
        // MQTT is binary: a text message ends the connection.
        socket.send(Message::Text("hello".into())).await.expect("sent");
        let ended = async { while let Some(Ok(_)) = socket.next().await {} };
        tokio::time::timeout(Duration::from_secs(30), ended).await.expect("it ends");
        for (path, subprotocol, status) in
            [("/plant", None, 400), ("/plant", Some("graphql-ws"), 400), ("/mqtt", Some("mqtt"), 404)]
        {
            match upgrade(connect().await.expect("connected"), path, subprotocol).await {
                Err(Error::Http(response)) => assert_eq!(response.status(), status, "{path} {subprotocol:?}"),
                other => panic!("{path} {subprotocol:?}: {:?}", other.map(|_| "upgraded")),
            }
        }
    });
    gateway.wait_for("the sockets to be gone", |metrics| metric(metrics, "tidegate_broker_sockets") == 0.0);
    assert_eq!(metric(&gateway.metrics(), "tidegate_broker_handshake_failed_total"), 3.0);
}

#[test]
fn mqtt_over_secure_websocket() {
    let directory = tempfile::tempdir().expect("a directory");
    certificates::make(directory.path());
    let (port, text) = certificates::listener(directory.path(), "wss", "");
    let _gateway = start(directory.path(), &text);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(directory.path().join("ca.pem")).expect("a CA")).expect("added");
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    runtime().block_on(async {
        let tcp = tokio::net::TcpStream::connect(("localhost", port)).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.expect("TLS");
        let mut socket = upgrade(tls, "/mqtt", Some("mqtt")).await.expect("upgraded");
        talk(&mut socket).await;
    });
}

/// A client `name` whose proxy says that it comes from there.
fn from(listener: SocketAddr, client: [u8; 4], name: u8) -> TcpStream {
    let mut socket = TcpStream::connect(listener).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C".to_vec();
    header.extend(client);
    header.extend([127, 0, 0, 1, 0x30, 0x39, 0x07, 0x5B]);
    header.extend(&CONNECT[..CONNECT.len() - 1]);
    header.push(name);
    socket.write_all(&header).expect("sent");
    socket
}

fn answer(socket: &mut TcpStream) -> Vec<u8> {
    let mut answer = [0; 4];
    match socket.read(&mut answer) {
        Ok(length) => answer[..length].to_vec(),
        Err(_) => Vec::new(),
    }
}

#[test]
fn one_address_cannot_take_every_place() {
    const TAKEN: [u8; 4] = [0x20, 2, 0, 0];
    let directory = tempfile::tempdir().expect("a directory");
    let listener = free_address();
    let text = format!(
        "[[broker.listener]]\nbind = \"{listener}\"\nproxy_protocol = true\n\n[broker]\nconnections_per_address_max = 3\n"
    );
    let gateway = start(directory.path(), &text);
    let one = [192, 0, 2, 1];
    let mut kept: Vec<TcpStream> = (b'a'..=b'c').map(|name| from(listener, one, name)).collect();
    for socket in &mut kept {
        assert_eq!(answer(socket), TAKEN);
    }
    assert_eq!(answer(&mut from(listener, one, b'd')), [], "the fourth of one address");
    assert_eq!(answer(&mut from(listener, [192, 0, 2, 2], b'e')), TAKEN, "another address");
    assert_eq!(metric(&gateway.metrics(), "tidegate_broker_refused_address_total"), 1.0);
    kept.pop();
    crate::eventually("a place", || answer(&mut from(listener, one, b'f')) == TAKEN);
    // Who sends no header is not let in.
    let mut plain = TcpStream::connect(listener).expect("connected");
    plain.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    plain.write_all(CONNECT).expect("sent");
    assert_eq!(answer(&mut plain), []);
}
