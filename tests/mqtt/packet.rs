//! MQTT on the wire, made by hand: nothing here stops a test from writing what no client library would.

use std::fmt;

pub const CONNACK: u8 = 0x20;
pub const PUBLISH: u8 = 0x30;
pub const PUBACK: u8 = 0x40;
pub const PUBREC: u8 = 0x50;
pub const PUBREL: u8 = 0x62;
pub const PUBCOMP: u8 = 0x70;
pub const SUBSCRIBE: u8 = 0x82;
pub const SUBACK: u8 = 0x90;
pub const UNSUBSCRIBE: u8 = 0xA2;
pub const UNSUBACK: u8 = 0xB0;
pub const PINGREQ: [u8; 2] = [0xC0, 0];
pub const PINGRESP: u8 = 0xD0;
pub const DISCONNECT: u8 = 0xE0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V311,
    V5,
}

pub use Version::{V5, V311};

pub const BOTH: [Version; 2] = [V311, V5];

impl Version {
    /// An empty property block where this version has one.
    pub fn no_properties(self) -> &'static [u8] {
        if self == V5 { &[0] } else { &[] }
    }
}

/// A packet with its right length.
pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    out.extend(variable(body.len()));
    out.extend_from_slice(body);
    out
}

/// A variable byte integer in its shortest form.
pub fn variable(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (value % 128) as u8;
        value /= 128;
        out.push(if value > 0 { byte | 0x80 } else { byte });
        if value == 0 {
            return out;
        }
    }
}

/// Two bytes of length, then the bytes.
pub fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    let mut out = (text.len() as u16).to_be_bytes().to_vec();
    out.extend_from_slice(text);
    out
}

/// A property block with its length.
pub fn properties(block: &[u8]) -> Vec<u8> {
    [&variable(block.len())[..], block].concat()
}

pub fn user_property(key: &str, value: &str) -> Vec<u8> {
    [&[38][..], &text(key), &text(value)].concat()
}

/// A CONNECT in the making; every field may be set to what is forbidden.
#[derive(Clone, Debug)]
pub struct Connect {
    pub version: Version,
    pub name: Vec<u8>,
    pub level: u8,
    pub flags: u8,
    pub keep_alive_s: u16,
    pub properties: Vec<u8>,
    /// What follows the variable header.
    pub payload: Vec<u8>,
}

impl Connect {
    /// A clean start without keep-alive.
    pub fn new(version: Version, client_id: &str) -> Connect {
        let level = if version == V5 { 5 } else { 4 };
        let payload = text(client_id);
        Connect {
            version,
            name: b"MQTT".to_vec(),
            level,
            flags: 0x02,
            keep_alive_s: 0,
            properties: Vec::new(),
            payload,
        }
    }

    /// One that asks for a session which outlives the connection, and resumes it.
    pub fn session(version: Version, client_id: &str) -> Connect {
        let mut connect = Connect::new(version, client_id);
        connect.flags = 0;
        connect.with_property(&if version == V5 { vec![17, 0, 0, 0x0E, 0x10] } else { Vec::new() })
    }

    pub fn with_flags(mut self, flags: u8) -> Connect {
        self.flags = flags;
        self
    }

    pub fn with_keep_alive(mut self, seconds: u16) -> Connect {
        self.keep_alive_s = seconds;
        self
    }

    pub fn with_property(mut self, property: &[u8]) -> Connect {
        self.properties.extend_from_slice(property);
        self
    }

    /// Adds a field to the payload: will topic, will message, user name, password, in this order.
    pub fn with_field(mut self, field: impl AsRef<[u8]>) -> Connect {
        self.payload.extend(text(field));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut body = text(&self.name);
        body.extend([self.level, self.flags]);
        body.extend(self.keep_alive_s.to_be_bytes());
        if self.version == V5 {
            body.extend(properties(&self.properties));
        }
        body.extend_from_slice(&self.payload);
        frame(0x10, &body)
    }
}

/// A PUBLISH, on its way in either direction.
#[derive(Clone, PartialEq, Eq)]
pub struct Publish {
    pub dup: bool,
    pub qos: u8,
    pub retain: bool,
    pub topic: Vec<u8>,
    pub packet_id: u16,
    /// Without its length.
    pub properties: Vec<u8>,
    pub payload: Vec<u8>,
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (topic, payload) = (String::from_utf8_lossy(&self.topic), String::from_utf8_lossy(&self.payload));
        let start: String = payload.chars().take(100).collect();
        write!(f, "PUBLISH {topic:?} qos {} id {} ", self.qos, self.packet_id)?;
        write!(f, "dup {} retain {} properties {:?} {start:?}", self.dup, self.retain, self.properties)
    }
}

impl Publish {
    pub fn new(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>, qos: u8, packet_id: u16) -> Publish {
        Publish {
            dup: false,
            qos,
            retain: false,
            topic: topic.as_ref().to_vec(),
            packet_id,
            properties: Vec::new(),
            payload: payload.as_ref().to_vec(),
        }
    }

    pub fn with_property(mut self, property: &[u8]) -> Publish {
        self.properties.extend_from_slice(property);
        self
    }

    pub fn retained(mut self) -> Publish {
        self.retain = true;
        self
    }

    pub fn again(mut self) -> Publish {
        self.dup = true;
        self
    }

    pub fn bytes(&self, version: Version) -> Vec<u8> {
        let mut body = text(&self.topic);
        if self.qos > 0 {
            body.extend(self.packet_id.to_be_bytes());
        }
        if version == V5 {
            body.extend(properties(&self.properties));
        }
        body.extend_from_slice(&self.payload);
        frame(PUBLISH | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain), &body)
    }

    /// Reads what the server sent.
    pub fn read(version: Version, packet: &Packet) -> Publish {
        assert_eq!(packet.first >> 4, PUBLISH >> 4, "{packet:?}");
        let (dup, qos, retain) = (packet.first & 8 != 0, packet.first >> 1 & 3, packet.first & 1 != 0);
        assert!(qos < 3, "{packet:?}");
        let mut rest = &packet.body[..];
        let length = usize::from(take_u16(&mut rest));
        let topic = take(&mut rest, length).to_vec();
        let packet_id = if qos > 0 { take_u16(&mut rest) } else { 0 };
        let mut properties = Vec::new();
        if version == V5 {
            let length = take_variable(&mut rest);
            properties = take(&mut rest, length).to_vec();
        }
        Publish { dup, qos, retain, topic, packet_id, properties, payload: rest.to_vec() }
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at_checked(count).expect("the server's packets are whole");
    *rest = left;
    taken
}

fn take_u16(rest: &mut &[u8]) -> u16 {
    u16::from_be_bytes(take(rest, 2).try_into().expect("two bytes"))
}

fn take_variable(rest: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = take(rest, 1)[0];
        value |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

/// SUBSCRIBE with the options byte of each filter.
pub fn subscribe(version: Version, packet_id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let filters: Vec<u8> =
        filters.iter().flat_map(|(filter, options)| [text(filter), vec![*options]].concat()).collect();
    frame(SUBSCRIBE, &[&packet_id.to_be_bytes()[..], version.no_properties(), &filters].concat())
}

pub fn unsubscribe(version: Version, packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let filters: Vec<u8> = filters.iter().flat_map(text).collect();
    frame(UNSUBSCRIBE, &[&packet_id.to_be_bytes()[..], version.no_properties(), &filters].concat())
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP in its short form, which both versions have.
pub fn ack(first: u8, packet_id: u16) -> Vec<u8> {
    frame(first, &packet_id.to_be_bytes())
}

pub fn disconnect(version: Version) -> Vec<u8> {
    if version == V5 { vec![DISCONNECT, 2, 0, 0] } else { vec![DISCONNECT, 0] }
}

/// A packet as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub first: u8,
    pub body: Vec<u8>,
}

impl Packet {
    /// The packet identifier of an acknowledgement.
    pub fn packet_id(&self) -> u16 {
        take_u16(&mut &self.body[..])
    }

    /// The codes of a SUBACK or UNSUBACK.
    pub fn codes(&self, version: Version) -> Vec<u8> {
        let mut rest = &self.body[2..];
        if version == V5 {
            let length = take_variable(&mut rest);
            take(&mut rest, length);
        }
        rest.to_vec()
    }

    /// The property block of a CONNACK, by identifier: the bytes of each value. Only what servers send is known.
    pub fn connack_properties(&self) -> Vec<(u8, Vec<u8>)> {
        let mut rest = &self.body[2..];
        if rest.is_empty() {
            return Vec::new();
        }
        let length = take_variable(&mut rest);
        assert_eq!(length, rest.len(), "nothing follows a CONNACK's properties: {self:?}");
        let mut found = Vec::new();
        while !rest.is_empty() {
            let id = take(&mut rest, 1)[0];
            let value = match id {
                17 | 39 => take(&mut rest, 4).to_vec(),
                19 | 33 | 34 => take(&mut rest, 2).to_vec(),
                36 | 37 | 40 | 41 | 42 => take(&mut rest, 1).to_vec(),
                18 | 21 | 22 | 26 | 28 | 31 => {
                    let length = usize::from(take_u16(&mut rest));
                    take(&mut rest, length).to_vec()
                }
                _ => panic!("property {id} does not belong into a CONNACK: {self:?}"),
            };
            found.push((id, value));
        }
        found
    }

    pub fn connack_property(&self, id: u8) -> Option<Vec<u8>> {
        self.connack_properties().into_iter().find(|(found, _)| *found == id).map(|(_, value)| value)
    }
}

/// The first whole packet of the bytes, and its length.
pub fn cut(bytes: &[u8]) -> Option<(Packet, usize)> {
    let first = *bytes.first()?;
    let (mut length, mut at) = (0usize, 1);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7F) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let body = bytes.get(at..at + length)?.to_vec();
    Some((Packet { first, body }, at + length))
}
