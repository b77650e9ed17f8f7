//! A device as firmware writers build them: a blocking MQTT 3.1.1 client on a plain socket that knows exactly what was
//! acknowledged. It never sends anything again by itself.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What the gateway said: PUBACK, PUBREC, PUBCOMP, each with its packet id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    Acknowledged(u16),
    Received(u16),
    Completed(u16),
}

pub struct Device {
    socket: TcpStream,
    received: VecDeque<u8>,
    out: Vec<u8>,
    pub session_present: bool,
}

impl Device {
    pub fn connect(address: SocketAddr, client_id: &str, clean_session: bool) -> io::Result<Device> {
        Device::connect_with_will(address, client_id, clean_session, None)
    }

    /// A will is a topic and a payload, at QoS 2.
    pub fn connect_with_will(
        address: SocketAddr,
        client_id: &str,
        clean_session: bool,
        will: Option<(&str, &str)>,
    ) -> io::Result<Device> {
        let socket = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        socket.set_write_timeout(Some(Duration::from_secs(30)))?;
        let mut device = Device { socket, received: VecDeque::new(), out: Vec::new(), session_present: false };
        let flags = if clean_session { 2 } else { 0 } | if will.is_some() { 0x14 } else { 0 };
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 60];
        put_text(&mut body, client_id.as_bytes());
        if let Some((topic, payload)) = will {
            put_text(&mut body, topic.as_bytes());
            put_text(&mut body, payload.as_bytes());
        }
        device.frame(0x10, &body);
        device.flush()?;
        let (first, body) = device.packet()?;
        if first != 0x20 || body.len() != 2 || body[1] != 0 {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, format!("CONNACK {first:#x} {body:?}")));
        }
        device.session_present = body[0] & 1 == 1;
        Ok(device)
    }

    /// Queues a PUBLISH; `flush` sends it.
    pub fn publish(&mut self, topic: &str, payload: &[u8], qos: u8, packet_id: u16, dup: bool) {
        let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
        put_text(&mut body, topic.as_bytes());
        if qos > 0 {
            body.extend_from_slice(&packet_id.to_be_bytes());
        }
        body.extend_from_slice(payload);
        self.frame(0x30 | (qos << 1) | if dup { 8 } else { 0 }, &body);
    }

    pub fn release(&mut self, packet_id: u16) {
        self.frame(0x62, &packet_id.to_be_bytes());
    }

    /// Queues a PUBLISH that is to be retained, at QoS 1.
    pub fn retain(&mut self, topic: &str, payload: &[u8], packet_id: u16) {
        let mut body = Vec::new();
        put_text(&mut body, topic.as_bytes());
        body.extend_from_slice(&packet_id.to_be_bytes());
        body.extend_from_slice(payload);
        self.frame(0x33, &body);
    }

    /// Says DISCONNECT and waits until the gateway has closed.
    pub fn farewell(mut self) -> io::Result<()> {
        self.frame(0xE0, &[]);
        self.flush()?;
        self.socket.read_to_end(&mut Vec::new()).map(drop)
    }

    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(patience))
    }

    pub fn flush(&mut self) -> io::Result<()> {
        let out = std::mem::take(&mut self.out);
        self.socket.write_all(&out)
    }

    /// Waits for the next acknowledgement.
    pub fn ack(&mut self) -> io::Result<Ack> {
        let (first, body) = self.packet()?;
        let id = || body.get(..2).map(|id| u16::from_be_bytes([id[0], id[1]]));
        let ack = match (first, id()) {
            (0x40, Some(id)) => Ack::Acknowledged(id),
            (0x50, Some(id)) => Ack::Received(id),
            (0x70, Some(id)) => Ack::Completed(id),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("unexpected {first:#x} {body:?}"))),
        };
        Ok(ack)
    }

    /// Queues any packet.
    pub fn frame(&mut self, first: u8, body: &[u8]) {
        self.out.push(first);
        let mut length = body.len();
        loop {
            let byte = (length % 128) as u8;
            length /= 128;
            self.out.push(if length > 0 { byte | 0x80 } else { byte });
            if length == 0 {
                break;
            }
        }
        self.out.extend_from_slice(body);
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.received.is_empty() {
            let mut buffer = [0; 4096];
            let count = self.socket.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.received.extend(&buffer[..count]);
        }
        Ok(self.received.pop_front().expect("just filled"))
    }

    /// Waits for the next packet.
    pub fn packet(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let first = self.byte()?;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let body = (0..length).map(|_| self.byte()).collect::<io::Result<_>>()?;
        Ok((first, body))
    }
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text);
}
