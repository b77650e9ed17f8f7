//! The packets after CONNECT: frames to what they ask for, checked; and answers to frames.
//!
//! PUBLISH and acknowledgements are read here, since they are many and the codec hides their packet ids; SUBSCRIBE,
//! UNSUBSCRIBE and DISCONNECT by rumqttd's codec once their strings are checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{Packet as Codec, Protocol};

use super::connect::Version;
use super::frame;
use super::inbound::{Properties, Publish};
use super::outbox::Outgoing;
use super::reason::{
    BAD_AUTHENTICATION_METHOD, Fault, QUOTA, RETAIN_NOT_SUPPORTED, SUBSCRIPTION_ID_NOT_SUPPORTED, TOPIC_ALIAS_INVALID,
    TOPIC_INVALID,
};
use super::wire::{Allowed, Reader, Value, id, walk_properties};
use crate::config::BrokerLimits;

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Packet {
    Publish {
        publish: Publish,
        packet_id: u16,
    },
    PubAck(u16),
    PubRel(u16),
    Subscribe {
        packet_id: u16,
        filters: Vec<Filter>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Ping,
    /// With the session expiry it changes, if it does.
    Disconnect(Option<u32>),
}

#[derive(Debug)]
pub(super) struct Filter {
    pub path: String,
    pub qos: u8,
    pub no_local: bool,
    pub retain_as_published: bool,
}

const PUBLISH_PROPERTIES: Allowed = Allowed::of(&[
    id::PAYLOAD_FORMAT,
    id::MESSAGE_EXPIRY,
    id::CONTENT_TYPE,
    id::RESPONSE_TOPIC,
    id::CORRELATION_DATA,
    id::TOPIC_ALIAS,
    id::USER,
]);
const SUBSCRIBE_PROPERTIES: Allowed = Allowed::of(&[id::SUBSCRIPTION_ID, id::USER]);
const ACK_PROPERTIES: Allowed = Allowed::of(&[id::REASON_STRING, id::USER]);
const DISCONNECT_PROPERTIES: Allowed =
    Allowed::of(&[id::SESSION_EXPIRY, id::REASON_STRING, id::USER, id::SERVER_REFERENCE]);

/// Reads one whole frame. `client` is put into publishes.
pub(super) fn read(
    frame: &Bytes,
    header: usize,
    version: Version,
    client: &Arc<str>,
    limits: &BrokerLimits,
    now: Instant,
) -> Result<Packet, Fault> {
    let first = frame.first().copied().unwrap_or_default();
    let mut body = Reader::new(frame.get(header..).unwrap_or_default());
    match first >> 4 {
        frame::PUBLISH => publish(frame, header, version, client, limits, now),
        frame::PUBACK => ack(&mut body, version, limits).map(Packet::PubAck),
        frame::PUBREL => ack(&mut body, version, limits).map(Packet::PubRel),
        frame::PUBREC | frame::PUBCOMP => Err(Fault::protocol("an acknowledgement of a QoS 2 message we never sent")),
        frame::SUBSCRIBE => subscribe(frame, body, version, limits),
        frame::UNSUBSCRIBE => unsubscribe(frame, body, version, limits),
        frame::PINGREQ => body.finish().map(|()| Packet::Ping),
        frame::DISCONNECT => disconnect(body, version, limits).map(Packet::Disconnect),
        frame::CONNECT => Err(Fault::protocol("a second CONNECT")),
        frame::AUTH => Err(Fault::new(BAD_AUTHENTICATION_METHOD, "enhanced authentication is not supported")),
        _ => Err(Fault::protocol("a packet that only servers send")),
    }
}

fn publish(
    frame: &Bytes,
    header: usize,
    version: Version,
    client: &Arc<str>,
    limits: &BrokerLimits,
    now: Instant,
) -> Result<Packet, Fault> {
    let flags = frame[0];
    let (qos, retain) = ((flags >> 1) & 3, flags & 1 == 1);
    if qos == 0 && flags & 8 != 0 {
        return Err(Fault::malformed("DUP on a QoS 0 PUBLISH"));
    }
    let mut body = Reader::new(&frame[header..]);
    let topic = body.string()?;
    let topic_start = header + 2;
    if version == Version::V4 && topic.is_empty() || topic.contains(['+', '#']) {
        return Err(Fault::new(TOPIC_INVALID, "a topic that is empty or holds a wildcard"));
    }
    if topic.bytes().filter(|byte| *byte == b'/').count() >= limits.topic_levels_max {
        return Err(Fault::new(TOPIC_INVALID, "a topic with more levels than topic_levels_max"));
    }
    if topic.starts_with('$') {
        return Err(Fault::new(TOPIC_INVALID, "a topic that begins with $, which is the server's"));
    }
    let topic = frame.slice(topic_start..topic_start + topic.len());
    let packet_id = if qos > 0 { body.packet_id()? } else { 0 };
    let properties = if version == Version::V5 { publish_properties(&mut body, limits, now)? } else { None };
    if topic.is_empty() {
        return Err(Fault::protocol("an empty topic without a topic alias"));
    }
    if retain && version == Version::V5 {
        return Err(Fault::new(RETAIN_NOT_SUPPORTED, "retained messages are not supported yet"));
    }
    let payload = frame.slice(header + body.at()..);
    let publish = Publish { topic, payload, qos, retain, client: Arc::clone(client), received: None, properties };
    Ok(Packet::Publish { publish, packet_id })
}

fn publish_properties(
    body: &mut Reader<'_>,
    limits: &BrokerLimits,
    now: Instant,
) -> Result<Option<Box<Properties>>, Fault> {
    let block = body.properties(limits.properties_bytes_max)?;
    if block.is_empty() {
        return Ok(None);
    }
    let mut wire = BytesMut::with_capacity(block.len());
    let mut expires_at = None;
    walk_properties(block, PUBLISH_PROPERTIES, |property, value, place| {
        match (property, value) {
            (id::TOPIC_ALIAS, _) => {
                return Err(Fault::new(TOPIC_ALIAS_INVALID, "a topic alias, of which none are allowed"));
            }
            (id::MESSAGE_EXPIRY, Value::Number(seconds)) => {
                expires_at = now.checked_add(Duration::from_secs(u64::from(seconds)));
            }
            (id::RESPONSE_TOPIC, Value::Text(topic)) if topic.contains(['+', '#']) => {
                return Err(Fault::protocol("a response topic with a wildcard"));
            }
            _ => wire.extend_from_slice(&block[place]),
        }
        Ok(())
    })?;
    Ok(Some(Box::new(Properties { wire: wire.freeze(), expires_at })))
}

/// PUBACK and PUBREL: packet id, and in v5 perhaps a reason code and properties.
fn ack(body: &mut Reader<'_>, version: Version, limits: &BrokerLimits) -> Result<u16, Fault> {
    let packet_id = body.packet_id()?;
    if version == Version::V5 && !body.is_empty() {
        body.u8()?;
        if !body.is_empty() {
            let block = body.properties(limits.properties_bytes_max)?;
            walk_properties(block, ACK_PROPERTIES, |_, _, _| Ok(()))?;
        }
    }
    if body.is_empty() { Ok(packet_id) } else { Err(Fault::malformed("bytes after the end of the packet")) }
}

fn decode(frame: &Bytes, version: Version) -> Result<Codec, Fault> {
    let mut bytes = BytesMut::from(&frame[..]);
    let packet = match version {
        Version::V4 => V4.read_mut(&mut bytes, frame.len()),
        Version::V5 => V5.read_mut(&mut bytes, frame.len()),
    };
    packet.map_err(|_| Fault::malformed("a packet that cannot be read"))
}

/// Checks the properties and the strings of a list that the codec then reads; `options` follow each filter.
fn check_filters(mut body: Reader<'_>, version: Version, options: bool, limits: &BrokerLimits) -> Result<(), Fault> {
    body.packet_id()?;
    if version == Version::V5 {
        let block = body.properties(limits.properties_bytes_max)?;
        walk_properties(block, SUBSCRIBE_PROPERTIES, |property, _, _| match property {
            id::SUBSCRIPTION_ID if options => {
                Err(Fault::new(SUBSCRIPTION_ID_NOT_SUPPORTED, "subscription identifiers are not supported yet"))
            }
            id::SUBSCRIPTION_ID => Err(Fault::malformed("a property that does not belong into this packet")),
            _ => Ok(()),
        })?;
    }
    if body.is_empty() {
        return Err(Fault::protocol("a list of no filters"));
    }
    let mut count = 0;
    while !body.is_empty() {
        body.string()?;
        if options {
            let options = body.u8()?;
            let reserved = if version == Version::V4 { 0xFC } else { 0xC0 };
            if options & reserved != 0 || options & 3 == 3 || options & 0x30 == 0x30 {
                return Err(Fault::malformed("reserved bits in the subscription options"));
            }
        }
        count += 1;
        if count > 4 * limits.subscriptions_per_client_max {
            return Err(Fault::new(QUOTA, "a list of far more filters than subscriptions_per_client_max"));
        }
    }
    Ok(())
}

fn subscribe(frame: &Bytes, body: Reader<'_>, version: Version, limits: &BrokerLimits) -> Result<Packet, Fault> {
    check_filters(body, version, true, limits)?;
    let Codec::Subscribe(subscribe, _) = decode(frame, version)? else {
        return Err(Fault::malformed("a SUBSCRIBE that cannot be read"));
    };
    let filters = subscribe.filters.into_iter().map(|filter| Filter {
        path: filter.path,
        qos: filter.qos as u8,
        no_local: filter.nolocal,
        retain_as_published: filter.preserve_retain,
    });
    Ok(Packet::Subscribe { packet_id: subscribe.pkid, filters: filters.collect() })
}

fn unsubscribe(frame: &Bytes, body: Reader<'_>, version: Version, limits: &BrokerLimits) -> Result<Packet, Fault> {
    check_filters(body, version, false, limits)?;
    match decode(frame, version)? {
        Codec::Unsubscribe(unsubscribe, _) => {
            Ok(Packet::Unsubscribe { packet_id: unsubscribe.pkid, filters: unsubscribe.filters })
        }
        _ => Err(Fault::malformed("an UNSUBSCRIBE that cannot be read")),
    }
}

fn disconnect(mut body: Reader<'_>, version: Version, limits: &BrokerLimits) -> Result<Option<u32>, Fault> {
    let mut expiry = None;
    if version == Version::V5 && !body.is_empty() {
        body.u8()?;
        if !body.is_empty() {
            let block = body.properties(limits.properties_bytes_max)?;
            walk_properties(block, DISCONNECT_PROPERTIES, |property, value, _| {
                if let (id::SESSION_EXPIRY, Value::Number(seconds)) = (property, value) {
                    expiry = Some(seconds);
                }
                Ok(())
            })?;
        }
    }
    body.finish()?;
    Ok(expiry)
}

pub(super) const PUBACK: u8 = 0x40;
pub(super) const PUBREC: u8 = 0x50;
pub(super) const PUBCOMP: u8 = 0x70;

pub(super) fn write_ack(kind: u8, packet_id: u16, out: &mut BytesMut) {
    out.extend_from_slice(&[kind, 2, (packet_id >> 8) as u8, packet_id as u8]);
}

/// SUBACK (0x90) or UNSUBACK (0xB0); the codes of an UNSUBACK are for v5 alone.
pub(super) fn write_codes(kind: u8, packet_id: u16, version: Version, codes: &[u8], out: &mut BytesMut) {
    let codes = if kind == 0xB0 && version == Version::V4 { &[] } else { codes };
    let properties = usize::from(version == Version::V5);
    out.put_u8(kind);
    put_length(2 + properties + codes.len(), out);
    out.put_u16(packet_id);
    out.put_bytes(0, properties);
    out.extend_from_slice(codes);
}

pub(super) fn write_disconnect(code: u8, out: &mut BytesMut) {
    out.extend_from_slice(&[0xE0, 2, code, 0]);
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

/// Bytes of a variable byte integer.
fn length_of_length(length: usize) -> usize {
    match length {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    }
}

/// What came of writing a message to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Sent,
    Expired,
    TooLarge,
}

/// A PUBLISH to a subscriber, with what is left of its expiry interval.
pub(super) fn write_publish(
    outgoing: &Outgoing,
    packet_id: u16,
    version: Version,
    packet_bytes_max: usize,
    now: Instant,
    out: &mut BytesMut,
) -> Written {
    let Outgoing { publish, qos, retain } = outgoing;
    let properties = publish.properties.as_deref();
    let expires_at = properties.and_then(|properties| properties.expires_at);
    let left = expires_at.map(|at| at.saturating_duration_since(now).as_secs());
    if left == Some(0) {
        return Written::Expired;
    }
    let wire: &[u8] = properties.map_or(&[], |properties| &properties.wire);
    let block = wire.len() + if left.is_some() { 5 } else { 0 };
    let v5_bytes = if version == Version::V5 { length_of_length(block) + block } else { 0 };
    let body = 2 + publish.topic.len() + if *qos > 0 { 2 } else { 0 } + v5_bytes + publish.payload.len();
    if 1 + length_of_length(body) + body > packet_bytes_max {
        return Written::TooLarge;
    }
    out.put_u8(0x30 | (qos << 1) | u8::from(*retain));
    put_length(body, out);
    out.put_u16(publish.topic.len() as u16);
    out.extend_from_slice(&publish.topic);
    if *qos > 0 {
        out.put_u16(packet_id);
    }
    if version == Version::V5 {
        put_length(block, out);
        if let Some(seconds) = left {
            out.put_u8(id::MESSAGE_EXPIRY);
            out.put_u32(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        out.extend_from_slice(wire);
    }
    out.extend_from_slice(&publish.payload);
    Written::Sent
}
