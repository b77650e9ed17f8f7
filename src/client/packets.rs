//! MQTT's packets as a client writes and reads them (OASIS MQTT 3.1.1 and 5.0, section 3).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::properties::{self, Value};
use super::{ClientError, Hello, Server};
use crate::config::MqttVersion;

/// A message to or from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    pub topic: Bytes,
    pub payload: Bytes,
    pub qos: u8,
    pub retain: bool,
}

impl Publish {
    /// Bytes of its packet (its properties, of which we send none, included).
    pub fn packet_bytes(&self) -> usize {
        // First byte, length, topic's length, packet id, properties' length.
        1 + 4 + 2 + self.topic.len() + 2 + 1 + self.payload.len()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

/// Why a server says no; version 3.1.1 has a code in CONNACK and SUBACK alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    pub code: u8,
    /// What the server says besides, made fit to be shown.
    pub text: String,
}

impl Reason {
    pub fn is_error(&self) -> bool {
        self.code >= 0x80
    }
}

/// `not authorized (0x87): ask the admin`
impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:#04x})", name(self.code), self.code)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

/// What a server says of itself in CONNACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    pub session_present: bool,
    /// Messages at QoS 1 and 2 that it takes unacknowledged.
    pub receive_max: u16,
    pub packet_bytes_max: u32,
    pub qos_max: u8,
    pub retain_available: bool,
    /// It wants this one instead of ours.
    pub keep_alive_s: Option<u16>,
}

impl Default for Welcome {
    fn default() -> Welcome {
        Welcome {
            session_present: false,
            receive_max: u16::MAX,
            packet_bytes_max: u32::MAX,
            qos_max: 2,
            retain_available: true,
            keep_alive_s: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    ConnAck {
        welcome: Welcome,
        reason: Reason,
    },
    Publish {
        publish: Publish,
        packet_id: u16,
    },
    Ack {
        ack: Ack,
        packet_id: u16,
        reason: Reason,
    },
    /// A granted QoS, or 0x80 and more, for each filter.
    SubAck {
        packet_id: u16,
        codes: Vec<u8>,
        text: String,
    },
    UnsubAck {
        packet_id: u16,
    },
    /// Of version 5: the connection ends.
    Disconnect {
        reason: Reason,
    },
    Pong,
}

/// What a CONNACK's code says (table 3.1 of version 3.1.1).
pub(super) fn refusal(code: u8) -> &'static str {
    match code {
        1 => "it does not speak MQTT 3.1.1",
        2 => "it does not like the client identifier",
        3 => "it is not available",
        4 => "user name or password are wrong",
        5 => "this user may not connect",
        _ => "for a reason that MQTT 3.1.1 does not have",
    }
}

/// The reason codes of version 5 (section 2.4) that tell a client something.
fn name(code: u8) -> &'static str {
    match code {
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x84 => "it does not speak MQTT 5",
        0x85 => "it does not like the client identifier",
        0x86 => "user name or password are wrong",
        0x87 => "not authorized",
        0x88 => "it is not available",
        0x89 => "it is busy",
        0x8A => "banned",
        0x8B => "it shuts down",
        0x8D => "keep-alive missed",
        0x8E => "another connection has the same client identifier",
        0x8F => "invalid topic filter",
        0x90 => "invalid topic name",
        0x93 => "too many messages unacknowledged",
        0x95 => "packet too large",
        0x96 => "too many messages in too short a time",
        0x97 => "quota exceeded",
        0x98 => "ended by its administrator",
        0x99 => "invalid payload format",
        0x9A => "it retains no messages",
        0x9B => "it does not support this QoS",
        0x9C | 0x9D => "another server is to be used",
        0x9E => "it has no shared subscriptions",
        0x9F => "too many connections in too short a time",
        0xA2 => "it has no wildcards",
        _ => "no reason that says more",
    }
}

fn put_text(text: &[u8], out: &mut BytesMut) {
    out.put_u16(text.len() as u16);
    out.extend_from_slice(text);
}

fn put_length(mut length: usize, out: &mut BytesMut) {
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        out.put_u8(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            return;
        }
    }
}

pub(super) fn write_connect(server: &Server, hello: &Hello<'_>, out: &mut BytesMut) {
    let mut body = BytesMut::new();
    put_text(b"MQTT", &mut body);
    let level = if hello.version == MqttVersion::V5 { 5 } else { 4 };
    let login = u8::from(server.user.is_some()) << 7 | u8::from(server.password.is_some()) << 6;
    body.extend_from_slice(&[level, login | u8::from(hello.clean) << 1]);
    body.put_u16(hello.keep_alive_s);
    if hello.version == MqttVersion::V5 {
        // No topic alias maximum: the server sends none.
        body.put_u8(13);
        body.put_u8(properties::SESSION_EXPIRY);
        body.put_u32(hello.session_expiry_s);
        body.put_u8(properties::RECEIVE_MAXIMUM);
        body.put_u16(hello.receive_max);
        body.put_u8(properties::MAXIMUM_PACKET_SIZE);
        body.put_u32(hello.packet_bytes_max);
    }
    put_text(hello.client_id.as_bytes(), &mut body);
    for text in [&server.user, &server.password].into_iter().flatten() {
        put_text(text.as_bytes(), &mut body);
    }
    out.put_u8(0x10);
    put_length(body.len(), out);
    out.extend_from_slice(&body);
}

pub(super) fn write_publish(version: MqttVersion, publish: &Publish, packet_id: u16, out: &mut BytesMut) {
    let id_bytes = if publish.qos > 0 { 2 } else { 0 };
    let properties = usize::from(version == MqttVersion::V5);
    out.put_u8(0x30 | publish.qos << 1 | u8::from(publish.retain));
    put_length(2 + publish.topic.len() + id_bytes + properties + publish.payload.len(), out);
    put_text(&publish.topic, out);
    if publish.qos > 0 {
        out.put_u16(packet_id);
    }
    out.put_bytes(0, properties);
    out.extend_from_slice(&publish.payload);
}

/// Each filter with its options; version 3.1.1 has but the QoS.
pub(super) fn write_subscribe(version: MqttVersion, packet_id: u16, filters: &[(String, u8)], out: &mut BytesMut) {
    let length: usize = filters.iter().map(|(filter, _)| filter.len() + 3).sum();
    let properties = usize::from(version == MqttVersion::V5);
    out.put_u8(0x82);
    put_length(2 + properties + length, out);
    out.put_u16(packet_id);
    out.put_bytes(0, properties);
    for (filter, options) in filters {
        put_text(filter.as_bytes(), out);
        out.put_u8(if version == MqttVersion::V5 { *options } else { options & 3 });
    }
}

pub(super) fn write_unsubscribe(version: MqttVersion, packet_id: u16, filters: &[String], out: &mut BytesMut) {
    let length: usize = filters.iter().map(|filter| filter.len() + 2).sum();
    let properties = usize::from(version == MqttVersion::V5);
    out.put_u8(0xA2);
    put_length(2 + properties + length, out);
    out.put_u16(packet_id);
    out.put_bytes(0, properties);
    filters.iter().for_each(|filter| put_text(filter.as_bytes(), out));
}

pub(super) fn write_ack(ack: Ack, packet_id: u16, out: &mut BytesMut) {
    let first = match ack {
        Ack::PubAck => 0x40,
        Ack::PubRec => 0x50,
        Ack::PubRel => 0x62,
        Ack::PubComp => 0x70,
    };
    out.extend_from_slice(&[first, 2]);
    out.put_u16(packet_id);
}

/// Takes a whole packet from the front of the buffer, if there is one.
pub(super) fn cut(
    version: MqttVersion,
    buffer: &mut BytesMut,
    bytes_max: usize,
) -> Result<Option<Packet>, ClientError> {
    let mut length = 0usize;
    for index in 0..4 {
        let Some(byte) = buffer.get(1 + index).copied() else { return Ok(None) };
        length |= usize::from(byte & 0x7F) << (7 * index);
        if length > bytes_max {
            return Err(ClientError::Malformed("a packet larger than 16 MiB"));
        }
        if byte & 0x80 == 0 {
            let header = 2 + index;
            if buffer.len() < header + length {
                return Ok(None);
            }
            let first = buffer[0];
            let mut frame = buffer.split_to(header + length).freeze();
            frame.advance(header);
            return read(version, first, frame).map(Some);
        }
    }
    Err(ClientError::Malformed("a length of more than four bytes"))
}

fn read(version: MqttVersion, first: u8, mut body: Bytes) -> Result<Packet, ClientError> {
    let v5 = version == MqttVersion::V5;
    match first >> 4 {
        2 if body.len() >= 2 => read_connack(v5, body),
        3 => read_publish(v5, first, body),
        4..=7 => {
            let ack = match first >> 4 {
                4 => Ack::PubAck,
                5 => Ack::PubRec,
                6 => Ack::PubRel,
                _ => Ack::PubComp,
            };
            let packet_id = id(&mut body)?;
            Ok(Packet::Ack { ack, packet_id, reason: read_reason(v5, body)? })
        }
        9 => {
            let (packet_id, mut text) = (id(&mut body)?, String::new());
            if v5 {
                properties::take(&mut body, |id, value| keep_reason(id, &value, &mut text))?;
            }
            Ok(Packet::SubAck { packet_id, codes: body.to_vec(), text })
        }
        11 => Ok(Packet::UnsubAck { packet_id: id(&mut body)? }),
        13 => Ok(Packet::Pong),
        14 if v5 => Ok(Packet::Disconnect { reason: read_reason(v5, body)? }),
        _ => Err(ClientError::Malformed("a packet that no server sends")),
    }
}

fn id(body: &mut Bytes) -> Result<u16, ClientError> {
    body.try_get_u16().map_err(|_| ClientError::Malformed("a packet that is too short"))
}

fn keep_reason(id: u8, value: &Value, text: &mut String) {
    if id == properties::REASON_STRING {
        *text = value.text();
    }
}

/// A reason code and properties, each of which may be missing at the end of a packet.
fn read_reason(v5: bool, mut body: Bytes) -> Result<Reason, ClientError> {
    let mut reason = Reason::default();
    if !v5 || body.is_empty() {
        return Ok(reason);
    }
    reason.code = body.get_u8();
    if !body.is_empty() {
        properties::take(&mut body, |id, value| keep_reason(id, &value, &mut reason.text))?;
    }
    Ok(reason)
}

fn read_connack(v5: bool, mut body: Bytes) -> Result<Packet, ClientError> {
    let mut welcome = Welcome { session_present: body.get_u8() & 1 == 1, ..Welcome::default() };
    let mut reason = Reason { code: body.get_u8(), text: String::new() };
    if v5 && !body.is_empty() {
        properties::take(&mut body, |id, value| match id {
            // Zero would be a protocol error, and would have us wait for ever.
            properties::RECEIVE_MAXIMUM => welcome.receive_max = (value.number() as u16).max(1),
            properties::MAXIMUM_PACKET_SIZE => welcome.packet_bytes_max = value.number().max(1),
            properties::MAXIMUM_QOS => welcome.qos_max = value.number() as u8,
            properties::RETAIN_AVAILABLE => welcome.retain_available = value.number() != 0,
            properties::SERVER_KEEP_ALIVE => welcome.keep_alive_s = Some(value.number() as u16),
            id => keep_reason(id, &value, &mut reason.text),
        })?;
    }
    Ok(Packet::ConnAck { welcome, reason })
}

fn read_publish(v5: bool, first: u8, mut body: Bytes) -> Result<Packet, ClientError> {
    let topic = properties::text(&mut body)?;
    let qos = first >> 1 & 3;
    if std::str::from_utf8(&topic).is_err() || qos == 3 {
        return Err(ClientError::Malformed("a PUBLISH with a topic that is no text, or with QoS 3"));
    }
    let packet_id = if qos > 0 { id(&mut body)? } else { 0 };
    if v5 {
        properties::take(&mut body, |_, _| {})?;
    }
    let publish = Publish { topic, payload: body, qos, retain: first & 1 == 1 };
    Ok(Packet::Publish { publish, packet_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [MqttVersion; 2] = [MqttVersion::V311, MqttVersion::V5];

    fn all(version: MqttVersion, bytes: &[u8]) -> Vec<Packet> {
        let mut buffer = BytesMut::from(bytes);
        std::iter::from_fn(|| cut(version, &mut buffer, 1 << 20).unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        for (qos, retain, packet_id) in [(0, true, 0), (1, false, 7), (2, true, 65_535)] {
            for version in BOTH {
                let payload = Bytes::from(vec![b'x'; 300]);
                let publish = Publish { topic: Bytes::from("a/ä"), payload, qos, retain };
                let mut out = BytesMut::new();
                write_publish(version, &publish, packet_id, &mut out);
                assert!(out.len() <= publish.packet_bytes());
                for end in 0..out.len() {
                    assert_eq!(all(version, &out[..end]), [], "{end}");
                }
                assert_eq!(all(version, &out), [Packet::Publish { publish, packet_id }]);
            }
        }
        let mut out = BytesMut::new();
        for ack in [Ack::PubAck, Ack::PubRec, Ack::PubRel, Ack::PubComp] {
            write_ack(ack, 258, &mut out);
            let reason = Reason::default();
            assert_eq!(all(MqttVersion::V5, &out.split()), [Packet::Ack { ack, packet_id: 258, reason }]);
        }
    }

    /// Bytes as the specification has them.
    #[test]
    fn version_3_1_1() {
        let version = MqttVersion::V311;
        let welcome = Welcome { session_present: true, ..Welcome::default() };
        let reason = Reason { code: 5, text: String::new() };
        assert_eq!(all(version, &[0x20, 2, 1, 5]), [Packet::ConnAck { welcome, reason }]);
        let (codes, text) = (vec![0, 0x80], String::new());
        assert_eq!(all(version, &[0x90, 4, 0, 1, 0, 0x80]), [Packet::SubAck { packet_id: 1, codes, text }]);
        assert_eq!(all(version, &[0xB0, 2, 0, 9]), [Packet::UnsubAck { packet_id: 9 }]);
        assert_eq!(all(version, &[0xD0, 0]), [Packet::Pong]);
    }

    #[test]
    fn version_5() {
        let version = MqttVersion::V5;
        let connack = [0x20, 21, 1, 0, 18, 0x21, 0, 20, 0x24, 1, 0x25, 0, 0x27, 0, 0, 4, 0, 0x13, 0, 30, 0x29, 1, 0x2A];
        // 0x2A lacks its value.
        assert!(cut(version, &mut BytesMut::from(&connack[..]), 1 << 20).is_err());
        let connack = [0x20, 20, 1, 0, 17, 0x21, 0, 20, 0x24, 1, 0x25, 0, 0x27, 0, 0, 4, 0, 0x13, 0, 30, 0x29, 1];
        let welcome = Welcome {
            session_present: true,
            receive_max: 20,
            packet_bytes_max: 1_024,
            qos_max: 1,
            retain_available: false,
            keep_alive_s: Some(30),
        };
        assert_eq!(all(version, &connack), [Packet::ConnAck { welcome, reason: Reason::default() }]);
        let refused = [0x40, 9, 0, 7, 0x87, 5, 0x1F, 0, 2, b'n', b'o'];
        let reason = Reason { code: 0x87, text: "no".to_owned() };
        assert_eq!(reason.to_string(), "not authorized (0x87): no");
        assert_eq!(all(version, &refused), [Packet::Ack { ack: Ack::PubAck, packet_id: 7, reason }]);
        let reason = Reason { code: 0x10, text: String::new() };
        assert_eq!(all(version, &[0x40, 3, 0, 7, 0x10]), [Packet::Ack { ack: Ack::PubAck, packet_id: 7, reason }]);
        let (codes, text) = (vec![1, 0x8F], String::new());
        assert_eq!(all(version, &[0x90, 5, 0, 1, 0, 1, 0x8F]), [Packet::SubAck { packet_id: 1, codes, text }]);
        let reason = Reason { code: 0x8E, text: String::new() };
        assert_eq!(all(version, &[0xE0, 1, 0x8E]), [Packet::Disconnect { reason }]);
        assert_eq!(all(version, &[0xE0, 0]), [Packet::Disconnect { reason: Reason::default() }]);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for bytes in [
            &[0x30, 0xFF, 0xFF, 0xFF, 0xFF][..],
            &[0x30, 1, 0],
            &[0x30, 2, 0, 9],
            &[0x40, 1, 0],
            &[0x36, 2, 0, 0],
            &[0x10, 0],
        ] {
            for version in BOTH {
                let mut buffer = BytesMut::from(bytes);
                assert!(cut(version, &mut buffer, 1 << 20).is_err(), "{bytes:?}");
            }
        }
        assert!(cut(MqttVersion::V311, &mut BytesMut::from(&[0x30, 0xFF, 0xFF, 0x7F][..]), 1 << 20).is_err());
        assert!(cut(MqttVersion::V311, &mut BytesMut::from(&[0xE0, 0][..]), 1 << 20).is_err(), "no server says this");
    }
}
