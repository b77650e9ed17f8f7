//! MQTT 3.1.1's packets as a client writes and reads them (OASIS MQTT 3.1.1, section 3).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{ClientError, Hello, Server};

/// A message to or from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    pub topic: Bytes,
    pub payload: Bytes,
    pub qos: u8,
    pub retain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    ConnAck {
        session_present: bool,
        code: u8,
    },
    Publish {
        publish: Publish,
        packet_id: u16,
    },
    Ack {
        ack: Ack,
        packet_id: u16,
    },
    /// A granted QoS, or 0x80, for each filter.
    SubAck {
        packet_id: u16,
        codes: Vec<u8>,
    },
    Pong,
}

/// What a CONNACK's code says (table 3.1).
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
    let login = u8::from(server.user.is_some()) << 7 | u8::from(server.password.is_some()) << 6;
    body.extend_from_slice(&[4, login | u8::from(hello.clean) << 1]);
    body.put_u16(hello.keep_alive_s);
    put_text(hello.client_id.as_bytes(), &mut body);
    for text in [&server.user, &server.password].into_iter().flatten() {
        put_text(text.as_bytes(), &mut body);
    }
    out.put_u8(0x10);
    put_length(body.len(), out);
    out.extend_from_slice(&body);
}

pub(super) fn write_publish(publish: &Publish, packet_id: u16, out: &mut BytesMut) {
    let id_bytes = if publish.qos > 0 { 2 } else { 0 };
    out.put_u8(0x30 | publish.qos << 1 | u8::from(publish.retain));
    put_length(2 + publish.topic.len() + id_bytes + publish.payload.len(), out);
    put_text(&publish.topic, out);
    if publish.qos > 0 {
        out.put_u16(packet_id);
    }
    out.extend_from_slice(&publish.payload);
}

pub(super) fn write_subscribe(packet_id: u16, filters: &[(String, u8)], out: &mut BytesMut) {
    let length: usize = filters.iter().map(|(filter, _)| filter.len() + 3).sum();
    out.put_u8(0x82);
    put_length(2 + length, out);
    out.put_u16(packet_id);
    for (filter, qos) in filters {
        put_text(filter.as_bytes(), out);
        out.put_u8(*qos);
    }
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
pub(super) fn cut(buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<Packet>, ClientError> {
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
            return read(first, frame).map(Some);
        }
    }
    Err(ClientError::Malformed("a length of more than four bytes"))
}

fn read(first: u8, mut body: Bytes) -> Result<Packet, ClientError> {
    let short = || ClientError::Malformed("a packet that is too short");
    let id = |body: &mut Bytes| if body.len() < 2 { Err(short()) } else { Ok(body.get_u16()) };
    match first >> 4 {
        2 if body.len() == 2 => Ok(Packet::ConnAck { session_present: body[0] & 1 == 1, code: body[1] }),
        3 => {
            let length = usize::from(id(&mut body)?);
            if body.len() < length {
                return Err(short());
            }
            let topic = body.split_to(length);
            let qos = first >> 1 & 3;
            if std::str::from_utf8(&topic).is_err() || qos == 3 {
                return Err(ClientError::Malformed("a PUBLISH with a topic that is no text, or with QoS 3"));
            }
            let packet_id = if qos > 0 { id(&mut body)? } else { 0 };
            let publish = Publish { topic, payload: body, qos, retain: first & 1 == 1 };
            Ok(Packet::Publish { publish, packet_id })
        }
        4..=7 => {
            let ack = match first >> 4 {
                4 => Ack::PubAck,
                5 => Ack::PubRec,
                6 => Ack::PubRel,
                _ => Ack::PubComp,
            };
            Ok(Packet::Ack { ack, packet_id: id(&mut body)? })
        }
        9 => Ok(Packet::SubAck { packet_id: id(&mut body)?, codes: body.to_vec() }),
        13 => Ok(Packet::Pong),
        _ => Err(ClientError::Malformed("a packet that no server sends")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Packet> {
        let mut buffer = BytesMut::from(bytes);
        std::iter::from_fn(|| cut(&mut buffer, 1 << 20).unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        for (qos, retain, packet_id) in [(0, true, 0), (1, false, 7), (2, true, 65_535)] {
            let payload = Bytes::from(vec![b'x'; 300]);
            let publish = Publish { topic: Bytes::from("a/ä"), payload, qos, retain };
            let mut out = BytesMut::new();
            write_publish(&publish, packet_id, &mut out);
            for end in 0..out.len() {
                assert_eq!(all(&out[..end]), [], "{end}");
            }
            assert_eq!(all(&out), [Packet::Publish { publish, packet_id }]);
        }
        let mut out = BytesMut::new();
        for ack in [Ack::PubAck, Ack::PubRec, Ack::PubRel, Ack::PubComp] {
            write_ack(ack, 258, &mut out);
            assert_eq!(all(&out.split()), [Packet::Ack { ack, packet_id: 258 }]);
        }
        assert_eq!(all(&[0x20, 2, 1, 5]), [Packet::ConnAck { session_present: true, code: 5 }]);
        assert_eq!(all(&[0x90, 4, 0, 1, 0, 0x80]), [Packet::SubAck { packet_id: 1, codes: vec![0, 0x80] }]);
        assert_eq!(all(&[0xD0, 0]), [Packet::Pong]);
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
            let mut buffer = BytesMut::from(bytes);
            assert!(cut(&mut buffer, 1 << 20).is_err(), "{bytes:?}");
        }
        assert!(cut(&mut BytesMut::from(&[0x30, 0xFF, 0xFF, 0x7F][..]), 1 << 20).is_err());
    }
}
