//! MQTT over WebSocket (chapter 6), frames made by hand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::broker::Broker;
use crate::client::Client;
use crate::gateway::{PATIENCE, free_address};
use crate::packet::{self, CONNACK, Connect, PUBACK, Publish, V5, V311};

/// A client's key and what a server must answer to it: the example of RFC 6455 section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const TEXT: u8 = 1;
const BINARY: u8 = 2;

struct Socket {
    socket: TcpStream,
    /// MQTT bytes that came.
    received: Vec<u8>,
    pongs: Vec<Vec<u8>>,
}

/// Starts a gateway with a WebSocket listener beside the plain one.
fn with_websocket() -> (Broker, SocketAddr) {
    with_websocket_and("")
}

fn with_websocket_and(limits: &str) -> (Broker, SocketAddr) {
    let address = free_address();
    let listener = format!("[[broker.listener]]\nbind = \"{address}\"\nprotocol = \"ws\"\n");
    (Broker::configured(&format!("{listener}\n[broker]\n{limits}{}", crate::broker::SOURCE)), address)
}

/// The opening handshake; gives the response's head.
fn open(address: SocketAddr, subprotocol: Option<&str>) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(address).expect("the listener accepts");
    socket.set_read_timeout(Some(PATIENCE)).expect("an option of the socket");
    let offer = subprotocol.map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
    );
    socket.write_all(request.as_bytes()).expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match socket.read(&mut byte) {
            Ok(1..) => head.push(byte[0]),
            _ => break,
        }
    }
    (socket, String::from_utf8(head).expect("a head is text"))
}

impl Socket {
    fn connect(address: SocketAddr) -> Socket {
        let (socket, head) = open(address, Some("mqtt"));
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT), "{head}");
        Socket { socket, received: Vec::new(), pongs: Vec::new() }
    }

    /// A frame as clients send it: masked.
    fn send(&mut self, kind: u8, is_last: bool, payload: &[u8]) {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![kind | if is_last { 0x80 } else { 0 }];
        match payload.len() {
            0..126 => frame.push(0x80 | payload.len() as u8),
            length @ 126..=0xFFFF => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        self.socket.write_all(&frame).expect("sent");
    }

    /// The next MQTT packet; `None` at the end of the connection, with or without a closing frame.
    fn next(&mut self) -> Option<packet::Packet> {
        loop {
            if let Some((packet, length)) = packet::cut(&self.received) {
                self.received.drain(..length);
                return Some(packet);
            }
            let mut head = [0; 2];
            self.socket.read_exact(&mut head).ok()?;
            assert_eq!(head[1] & 0x80, 0, "a server masks nothing");
            let length = match head[1] {
                126 => {
                    let mut two = [0; 2];
                    self.socket.read_exact(&mut two).ok()?;
                    usize::from(u16::from_be_bytes(two))
                }
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.socket.read_exact(&mut payload).ok()?;
            match head[0] & 0x0F {
                BINARY | 0 => self.received.extend(payload),
                10 => self.pongs.push(payload),
                8 => return None,
                kind => panic!("a frame of kind {kind}: MQTT is sent in binary ones"),
            }
        }
    }

    fn expect(&mut self, first: u8) -> packet::Packet {
        let packet = self.next().expect("a packet");
        assert_eq!(packet.first, first, "{packet:?}");
        packet
    }
}

#[test]
fn packets_need_not_align_with_frames() {
    let (broker, address) = with_websocket();
    for version in [V311, V5] {
        let connect = Connect::new(version, "ws").bytes();
        let publish = |id: u16| Publish::new("in/ws/a", "x", 1, id).bytes(version);
        // Byte by byte; then several in one frame, with the beginning of the next; then one message in three fragments.
        let mut socket = Socket::connect(address);
        for byte in &connect {
            socket.send(BINARY, true, &[*byte]);
        }
        assert_eq!(socket.expect(CONNACK).body[1], 0);
        let third = publish(3);
        socket.send(BINARY, true, &[publish(1), publish(2), third[..5].to_vec()].concat());
        socket.send(BINARY, true, &third[5..]);
        for id in 1..=3 {
            assert_eq!(socket.expect(PUBACK).packet_id(), id);
        }
        let fourth = publish(4);
        socket.send(BINARY, false, &fourth[..2]);
        socket.send(0, false, &fourth[2..7]);
        socket.send(0, true, &fourth[7..]);
        assert_eq!(socket.expect(PUBACK).packet_id(), 4);
        socket.send(BINARY, true, &packet::disconnect(version));
        assert_eq!(socket.next(), None);
    }
    broker.wait_until_empty();
    assert_eq!(broker.taken(), 8);
}

#[test]
fn frames_of_any_kind_but_binary_end_the_connection() {
    let (broker, address) = with_websocket();
    let mut socket = Socket::connect(address);
    socket.send(BINARY, true, &Connect::new(V5, "text").bytes());
    socket.expect(CONNACK);
    socket.send(TEXT, true, &Publish::new("in/text/a", "x", 1, 1).bytes(V5));
    // It may be told why.
    while let Some(packet) = socket.next() {
        assert_eq!(packet.first, packet::DISCONNECT);
    }
    broker.wait_until_empty();
    assert_eq!(broker.taken(), 0);
}

#[test]
fn the_subprotocol_is_mqtt() {
    let (broker, address) = with_websocket();
    let selects = |head: &str| head.to_ascii_lowercase().contains("sec-websocket-protocol: mqtt\r\n");
    for offer in ["mqtt", "other, mqtt", "mqttv3.1, mqtt"] {
        let (_socket, head) = open(address, Some(offer));
        assert!(head.starts_with("HTTP/1.1 101 ") && selects(&head), "{offer}: {head}");
    }
    // Clients of version 3.1 offer this one alone.
    let (_socket, head) = open(address, Some("mqttv3.1"));
    assert!(head.to_ascii_lowercase().contains("sec-websocket-protocol: mqttv3.1\r\n"), "{head}");
    for offer in [None, Some("other")] {
        let (_socket, head) = open(address, offer);
        assert!(!head.starts_with("HTTP/1.1 101 "), "{offer:?}: {head}");
    }
    broker.wait_until_empty();
}

#[test]
fn both_ways_reach_each_other_and_large_messages_pass() {
    let (broker, address) = with_websocket();
    let mut socket = Socket::connect(address);
    socket.send(BINARY, true, &Connect::new(V5, "web").bytes());
    socket.expect(CONNACK);
    socket.send(BINARY, true, &packet::subscribe(V5, 1, &[("in/both/a", 0)]));
    socket.expect(packet::SUBACK);
    let mut plain = Client::connect(broker.mqtt, V311, "plain");
    let payload = vec![b'x'; 50_000];
    plain.publish("in/both/a", &payload);
    let message = socket.next().expect("the message");
    assert_eq!(Publish::read(V5, &message).payload, payload);
}

#[test]
fn pings_are_answered_within_a_message_and_a_close_with_a_close() {
    let (broker, address) = with_websocket();
    let mut socket = Socket::connect(address);
    let connect = Connect::new(V311, "ping").bytes();
    socket.send(BINARY, false, &connect[..5]);
    socket.send(9, true, b"are you there");
    socket.send(0, true, &connect[5..]);
    socket.expect(CONNACK);
    assert_eq!(socket.pongs, [b"are you there"]);
    socket.send(8, true, &1000u16.to_be_bytes());
    let mut rest = Vec::new();
    socket.socket.read_to_end(&mut rest).expect("it closes");
    assert_eq!(rest, [0x88, 2, 0x03, 0xE8]);
    broker.wait_until_empty();
}

#[test]
fn idle_sockets_before_the_handshake_keep_nobody_out() {
    let (broker, address) = with_websocket_and("connections_per_second_max = 100000\n");
    let idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(address).expect("it accepts")).collect();
    for n in 0..10 {
        let mut socket = Socket::connect(address);
        socket.send(BINARY, true, &Connect::new(V5, &format!("visitor{n}")).bytes());
        socket.expect(CONNACK);
        socket.send(BINARY, true, &packet::disconnect(V5));
        assert_eq!(socket.next(), None);
    }
    drop(idle);
    broker.wait_until_empty();
}

/// Each announces a message, and in it a packet, of a megabyte, and sends almost all of it.
#[test]
fn messages_that_never_end_cost_bounded_memory() {
    let limits = "connections_per_second_max = 100000\ninflight_bytes_max = \"16MiB\"\n";
    let (broker, address) = with_websocket_and(limits);
    let mut neighbour = crate::neighbour::Neighbour::new(&broker);
    let before = broker.resident_bytes();
    let mut packet = [&[packet::PUBLISH][..], &packet::variable(1_000_000)].concat();
    packet.resize(950_000, b'x');
    let mut clients: Vec<Socket> = (0..200)
        .map(|n| {
            let mut socket = Socket::connect(address);
            socket.send(BINARY, true, &Connect::new([V311, V5][n % 2], &format!("never{n}")).bytes());
            socket.expect(CONNACK);
            socket
        })
        .collect();
    // The head of a message that is longer than what comes of it.
    let head = [&[0x82, 0xFF][..], &1_000_000u64.to_be_bytes(), &[0; 4]].concat();
    for (n, client) in clients.iter_mut().enumerate() {
        let _ = client.socket.write_all(&[&head[..], &packet].concat());
        if n % 50 == 0 {
            neighbour.works();
        }
    }
    neighbour.works();
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 80 << 20, "{} MiB more", grown >> 20);
    assert!(broker.count("partial_bytes") <= (16 << 20) + 200 * (128 << 10), "{}", broker.count("partial_bytes"));
    drop(clients);
    neighbour.outlives(&broker);
}
