//! A client without a will of its own: it sends the bytes it is given and shows the packets that come.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::gateway::PATIENCE;
use crate::packet::{self, BOTH, CONNACK, Connect, DISCONNECT, PINGREQ, PINGRESP, Packet, Publish, V5, Version};

/// A topic that no test uses for anything else.
const BARRIER: &str = "barrier";

pub struct Client {
    pub socket: TcpStream,
    pub version: Version,
    received: Vec<u8>,
    /// Packets that were read before their turn.
    early: VecDeque<Packet>,
    next_id: u16,
}

impl Client {
    /// A socket that has said nothing yet.
    pub fn open(address: SocketAddr, version: Version) -> Client {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the listener accepts");
        socket.set_nodelay(true).expect("an option of the socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("an option of the socket");
        socket.set_write_timeout(Some(PATIENCE)).expect("an option of the socket");
        Client { socket, version, received: Vec::new(), early: VecDeque::new(), next_id: 0 }
    }

    /// Connects and gives the CONNACK, whatever it says. `None`: the server closed without one.
    pub fn try_connect(address: SocketAddr, connect: &Connect) -> (Client, Option<Packet>) {
        let mut client = Client::open(address, connect.version);
        client.send(&connect.bytes());
        let answer = client.next();
        (client, answer)
    }

    /// Connects and is taken; gives whether a session was present.
    pub fn connect_with(address: SocketAddr, connect: &Connect) -> (Client, bool) {
        let (client, answer) = Client::try_connect(address, connect);
        let answer = answer.expect("a CONNACK");
        assert_eq!((answer.first, answer.body[1]), (CONNACK, 0), "{answer:?}");
        assert!(answer.body[0] < 2, "{answer:?}");
        (client, answer.body[0] == 1)
    }

    /// A clean start.
    pub fn connect(address: SocketAddr, version: Version, client_id: &str) -> Client {
        let (client, present) = Client::connect_with(address, &Connect::new(version, client_id));
        assert!(!present);
        client
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the server reads");
    }

    /// Sends what the server may refuse to read to its end.
    pub fn send_what_it_takes(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Half-closes: nothing more will be sent.
    pub fn end_of_sending(&mut self) {
        self.socket.shutdown(Shutdown::Write).expect("half-closed");
    }

    /// Whether the server closes at once, without a word.
    pub fn ends_at_once(mut self) -> bool {
        self.socket.set_read_timeout(Some(std::time::Duration::from_millis(20))).expect("an option of the socket");
        self.socket.read(&mut [0]).is_ok_and(|count| count == 0)
    }

    /// The next packet; `None` when the server has closed.
    pub fn next(&mut self) -> Option<Packet> {
        self.early.pop_front().or_else(|| self.read())
    }

    fn read(&mut self) -> Option<Packet> {
        loop {
            if let Some((packet, length)) = packet::cut(&self.received) {
                self.received.drain(..length);
                return Some(packet);
            }
            let mut buffer = [0; 16 << 10];
            match self.socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => break,
                Err(error) => panic!("nothing comes: {error}; {:?} so far", self.received),
            }
        }
        assert!(self.received.is_empty(), "closed within a packet: {:?}", self.received);
        None
    }

    /// The next packet, which must be of this kind.
    pub fn expect(&mut self, first: u8) -> Packet {
        let packet = self.next().unwrap_or_else(|| panic!("closed, where {first:#x} was expected"));
        assert_eq!(packet.first, first, "{packet:?}");
        packet
    }

    /// The next packet is this acknowledgement, and a success where it says so.
    pub fn expect_ack(&mut self, first: u8, packet_id: u16) {
        let packet = self.expect(first);
        assert_eq!(packet.packet_id(), packet_id, "{packet:?}");
        assert!(packet.body.get(2).is_none_or(|code| *code < 0x80), "{packet:?}");
    }

    pub fn expect_publish(&mut self) -> Publish {
        let packet = self.next().expect("a PUBLISH, not the end");
        Publish::read(self.version, &packet)
    }

    /// Everything that is to come, as far as it was committed before now: what comes before the answers to a PUBLISH at
    /// QoS 1, whose commit is a later one, and to a PINGREQ behind it.
    pub fn drain(&mut self) -> Vec<Packet> {
        let id = 60_000 + self.free_id() % 5_000;
        self.send(&Publish::new(BARRIER, "", 1, id).bytes(self.version));
        let mut packets = Vec::new();
        loop {
            let packet = self.next().expect("the connection goes on");
            if packet.first == packet::PUBACK && packet.packet_id() == id {
                break;
            }
            packets.push(packet);
        }
        packets.extend(self.ping());
        // Whoever subscribes to everything gets the barrier too.
        let (barriers, packets): (Vec<_>, Vec<_>) = packets.into_iter().partition(|packet| {
            packet.first >> 4 == packet::PUBLISH >> 4 && Publish::read(self.version, packet).topic == BARRIER.as_bytes()
        });
        for barrier in barriers {
            let barrier = Publish::read(self.version, &barrier);
            match barrier.qos {
                0 => {}
                1 => self.send(&packet::ack(packet::PUBACK, barrier.packet_id)),
                _ => panic!("published at QoS 1: {barrier:?}"),
            }
        }
        packets
    }

    /// The server answers a PINGREQ, whatever stands still behind it; gives what came before the answer.
    pub fn ping(&mut self) -> Vec<Packet> {
        self.send(&PINGREQ);
        let mut packets = Vec::new();
        loop {
            let packet = self.next().expect("the connection goes on");
            if packet.first == PINGRESP {
                return packets;
            }
            packets.push(packet);
        }
    }

    /// The connection lives, and nothing is on its way.
    pub fn quiet(&mut self) {
        let packets = self.drain();
        assert!(packets.is_empty(), "{packets:?}");
    }

    /// The connection lives, and nothing came though commits stand still.
    pub fn waits(&mut self) {
        let packets = self.ping();
        assert!(packets.is_empty(), "{packets:?}");
    }

    /// The server ends the connection: a v5 client is told this code first, an older one nothing.
    pub fn expect_end(&mut self, code: u8) {
        let packet = self.next();
        if self.version == V5 {
            let packet = packet.unwrap_or_else(|| panic!("closed without a DISCONNECT {code:#x}"));
            assert_eq!(packet.first, DISCONNECT, "{packet:?}");
            assert_eq!(packet.body[0], code, "{packet:?}, where {code:#x} was expected");
            assert_eq!(self.next(), None);
        } else {
            assert_eq!(packet, None);
        }
    }

    pub fn free_id(&mut self) -> u16 {
        self.next_id = if self.next_id == u16::MAX { 1 } else { self.next_id + 1 };
        self.next_id
    }

    /// Subscribes and gives the codes.
    pub fn subscribe(&mut self, filters: &[(&str, u8)]) -> Vec<u8> {
        let id = self.free_id();
        self.send(&packet::subscribe(self.version, id, filters));
        let answer = self.expect(packet::SUBACK);
        assert_eq!(answer.packet_id(), id);
        answer.codes(self.version)
    }

    /// Unsubscribes and gives the codes (3.1.1 has none).
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let id = self.free_id();
        self.send(&packet::unsubscribe(self.version, id, filters));
        let answer = self.expect(packet::UNSUBACK);
        assert_eq!(answer.packet_id(), id);
        answer.codes(self.version)
    }

    /// Publishes at QoS 1 and waits for the PUBACK.
    pub fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>) {
        let id = self.free_id();
        self.send(&Publish::new(topic, payload, 1, id).bytes(self.version));
        self.expect_ack(packet::PUBACK, id);
    }

    /// Publishes at QoS 2, all four steps.
    pub fn publish_twice_safe(&mut self, topic: &str, payload: impl AsRef<[u8]>) {
        let id = self.free_id();
        self.send(&Publish::new(topic, payload, 2, id).bytes(self.version));
        self.expect_ack(packet::PUBREC, id);
        self.send(&packet::ack(packet::PUBREL, id));
        self.expect_ack(packet::PUBCOMP, id);
    }

    /// Takes the next message, and acknowledges it.
    pub fn take(&mut self) -> Publish {
        let publish = self.expect_publish();
        match publish.qos {
            1 => self.send(&packet::ack(packet::PUBACK, publish.packet_id)),
            2 => {
                self.send(&packet::ack(packet::PUBREC, publish.packet_id));
                // Other messages may be on their way meanwhile.
                let release = loop {
                    let packet = self.read().expect("a PUBREL, not the end");
                    if packet.first == packet::PUBREL {
                        break packet;
                    }
                    assert_eq!(packet.first >> 4, packet::PUBLISH >> 4, "{packet:?}");
                    self.early.push_back(packet);
                };
                assert_eq!(release.packet_id(), publish.packet_id);
                self.send(&packet::ack(packet::PUBCOMP, publish.packet_id));
            }
            _ => {}
        }
        publish
    }

    /// Everything that was sent so far is committed: acknowledgements too, which nothing answers.
    pub fn settled(&mut self) {
        self.publish(BARRIER, "");
    }

    /// Says DISCONNECT and waits until the server has closed. Messages may have been on their way.
    pub fn leave(mut self) {
        self.send(&packet::disconnect(self.version));
        while let Some(packet) = self.next() {
            assert_eq!(packet.first >> 4, packet::PUBLISH >> 4, "{packet:?}");
        }
    }

    /// The connection breaks; waits until the server has seen it.
    pub fn lose(mut self) {
        self.end_of_sending();
        while self.next().is_some() {}
    }
}

/// Runs a body once for each version, with a name for client identifiers and topics that holds the version.
pub fn both(name: &str, body: impl Fn(Version, &str)) {
    for version in BOTH {
        body(version, &format!("{name}{}", if version == V5 { "5" } else { "4" }));
    }
}
