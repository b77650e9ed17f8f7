//! The packets after CONNECT: frames to what they ask for, checked; and answers to frames (specification section 3).

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};

use super::connect::{Version, ends};
use super::frame;
use super::inbound::{Filter, Options, Publish, RetainHandling, Step, Subscribe};
use super::outbox::Delivery;
use super::reason::{self, BAD_AUTHENTICATION_METHOD, Fault, QUOTA, SUCCESS, TOPIC_ALIAS_INVALID, TOPIC_INVALID};
use super::wire::{Allowed, Reader, Value, id, walk_properties};
use crate::config::BrokerLimits;

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Packet {
    Publish {
        /// Without its topic, if it has a topic alias only.
        publish: Publish,
        alias: Option<u16>,
    },
    Acknowledge {
        step: Step,
        packet_id: u16,
        /// With a reason code that says no.
        refused: bool,
    },
    Release(u16),
    Subscribe {
        packet_id: u16,
        subscribe: Subscribe,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Ping,
    Disconnect {
        /// The session expiry it changes, if it does.
        expiry_s: Option<u32>,
        with_will: bool,
    },
}

const MESSAGE_PROPERTIES: Allowed = Allowed::of(&[
    id::PAYLOAD_FORMAT,
    id::MESSAGE_EXPIRY,
    id::CONTENT_TYPE,
    id::RESPONSE_TOPIC,
    id::CORRELATION_DATA,
    id::TOPIC_ALIAS,
    id::WILL_DELAY,
    id::USER,
]);
const SUBSCRIBE_PROPERTIES: Allowed = Allowed::of(&[id::SUBSCRIPTION_ID, id::USER]);
const UNSUBSCRIBE_PROPERTIES: Allowed = Allowed::of(&[id::USER]);
const ACK_PROPERTIES: Allowed = Allowed::of(&[id::REASON_STRING, id::USER]);
const DISCONNECT_PROPERTIES: Allowed = Allowed::of(&[id::SESSION_EXPIRY, id::REASON_STRING, id::USER]);

/// DISCONNECT that wants its will published all the same.
const DISCONNECT_WITH_WILL: u8 = 0x04;

/// Reads one whole frame.
pub(super) fn read(
    frame: &Bytes,
    header: usize,
    version: Version,
    limits: &BrokerLimits,
    now: Instant,
) -> Result<Packet, Fault> {
    let first = frame.first().copied().unwrap_or_default();
    let body = Reader::new(frame.get(header..).unwrap_or_default());
    match first >> 4 {
        frame::PUBLISH => publish(frame, header, version, limits, now),
        frame::PUBACK => acknowledge(body, Step::Acknowledged, version, limits),
        frame::PUBREC => acknowledge(body, Step::Received, version, limits),
        frame::PUBCOMP => acknowledge(body, Step::Completed, version, limits),
        frame::PUBREL => ack(body, version, limits).map(|(packet_id, _)| Packet::Release(packet_id)),
        frame::SUBSCRIBE => subscribe(body, version, limits),
        frame::UNSUBSCRIBE => unsubscribe(body, version, limits),
        frame::PINGREQ => body.finish().map(|()| Packet::Ping),
        frame::DISCONNECT => disconnect(body, version, limits),
        frame::CONNECT => Err(Fault::protocol("a second CONNECT")),
        frame::AUTH if version == Version::V4 => Err(Fault::malformed("a packet type that 3.1.1 does not know")),
        frame::AUTH => Err(Fault::new(BAD_AUTHENTICATION_METHOD, "enhanced authentication is not supported")),
        _ => Err(Fault::protocol("a packet that only servers send")),
    }
}

/// What makes a topic unfit to be published to.
pub(super) fn check_topic(topic: &str, limits: &BrokerLimits) -> Result<(), Fault> {
    if topic.contains(['+', '#']) {
        return Err(Fault::new(TOPIC_INVALID, "a topic that holds a wildcard"));
    }
    if topic.bytes().filter(|byte| *byte == b'/').count() >= limits.topic_levels_max {
        return Err(Fault::new(TOPIC_INVALID, "a topic with more levels than topic_levels_max"));
    }
    Ok(())
}

fn publish(
    frame: &Bytes,
    header: usize,
    version: Version,
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
    check_topic(topic, limits)?;
    if version == Version::V4 && topic.is_empty() {
        return Err(Fault::new(TOPIC_INVALID, "an empty topic"));
    }
    let topic = frame.slice(topic_start..topic_start + topic.len());
    let packet_id = if qos > 0 { body.packet_id()? } else { 0 };
    let (mut alias, mut properties, mut expires_at) = (None, Bytes::new(), None);
    if version == Version::V5 {
        let found = message_properties(&mut body, limits)?;
        if found.delay_s.is_some() {
            return Err(Fault::malformed("a property that does not belong into this packet"));
        }
        (alias, properties, expires_at) = (found.alias, found.wire, ends(now, found.expiry_s));
    }
    if topic.is_empty() && alias.is_none() {
        return Err(Fault::protocol("an empty topic without a topic alias"));
    }
    if alias.is_some_and(|alias| alias == 0 || alias > limits.topic_aliases_max) {
        return Err(Fault::new(TOPIC_ALIAS_INVALID, "a topic alias of 0 or above the maximum (topic_aliases_max)"));
    }
    let payload = frame.slice(header + body.at()..);
    let publish = Publish { retain, packet_id, properties, expires_at, ..Publish::new(topic, payload, qos) };
    Ok(Packet::Publish { publish, alias })
}

/// The properties of a message, be it a PUBLISH or a will.
#[derive(Debug, Default)]
pub(super) struct MessageProperties {
    /// Those that travel on to subscribers, as they came.
    pub wire: Bytes,
    pub expiry_s: Option<u32>,
    pub alias: Option<u16>,
    pub delay_s: Option<u32>,
}

pub(super) fn message_properties(body: &mut Reader<'_>, limits: &BrokerLimits) -> Result<MessageProperties, Fault> {
    let block = body.properties(limits.properties_bytes_max)?;
    let mut found = MessageProperties::default();
    if block.is_empty() {
        return Ok(found);
    }
    let mut wire = BytesMut::with_capacity(block.len());
    walk_properties(block, MESSAGE_PROPERTIES, |property, value, place| {
        match (property, value) {
            (id::TOPIC_ALIAS, Value::Number(alias)) => found.alias = Some(alias as u16),
            (id::WILL_DELAY, Value::Number(seconds)) => found.delay_s = Some(seconds),
            (id::MESSAGE_EXPIRY, Value::Number(seconds)) => found.expiry_s = Some(seconds),
            (id::RESPONSE_TOPIC, Value::Text(topic)) if topic.is_empty() || topic.contains(['+', '#']) => {
                return Err(Fault::protocol("a response topic that is empty or holds a wildcard"));
            }
            _ => wire.extend_from_slice(&block[place]),
        }
        Ok(())
    })?;
    found.wire = wire.freeze();
    Ok(found)
}

/// Packet id, and in v5 perhaps a reason code and properties.
fn ack(mut body: Reader<'_>, version: Version, limits: &BrokerLimits) -> Result<(u16, u8), Fault> {
    let packet_id = body.packet_id()?;
    let mut code = SUCCESS;
    if version == Version::V5 && !body.is_empty() {
        code = body.u8()?;
        if !body.is_empty() {
            let block = body.properties(limits.properties_bytes_max)?;
            walk_properties(block, ACK_PROPERTIES, |_, _, _| Ok(()))?;
        }
    }
    body.finish()?;
    Ok((packet_id, code))
}

fn acknowledge(body: Reader<'_>, step: Step, version: Version, limits: &BrokerLimits) -> Result<Packet, Fault> {
    let (packet_id, code) = ack(body, version, limits)?;
    Ok(Packet::Acknowledge { step, packet_id, refused: code >= 0x80 })
}

/// A list of filters must have some, and not far more than anybody may subscribe to.
fn check_count(count: usize, limits: &BrokerLimits) -> Result<(), Fault> {
    match count {
        0 => Err(Fault::protocol("a list of no filters")),
        count if count > 4 * limits.subscriptions_per_client_max => {
            Err(Fault::new(QUOTA, "a list of far more filters than subscriptions_per_client_max"))
        }
        _ => Ok(()),
    }
}

fn subscribe(mut body: Reader<'_>, version: Version, limits: &BrokerLimits) -> Result<Packet, Fault> {
    let packet_id = body.packet_id()?;
    let v5 = version == Version::V5;
    let mut identifier = 0;
    if v5 {
        let block = body.properties(limits.properties_bytes_max)?;
        walk_properties(block, SUBSCRIBE_PROPERTIES, |_, value, _| {
            if let Value::Number(id) = value {
                identifier = id;
            }
            Ok(())
        })?;
    }
    let mut filters = Vec::new();
    while !body.is_empty() {
        let path = body.string()?.to_owned();
        filters.push(filter(path, body.u8()?, v5)?);
        check_count(filters.len(), limits)?;
    }
    check_count(filters.len(), limits)?;
    Ok(Packet::Subscribe { packet_id, subscribe: Subscribe { filters, id: identifier, v5 } })
}

fn filter(path: String, flags: u8, v5: bool) -> Result<Filter, Fault> {
    let reserved = if v5 { 0xC0 } else { 0xFC };
    if flags & reserved != 0 || flags & 3 == 3 || flags & 0x30 == 0x30 {
        return Err(Fault::malformed("reserved bits in the subscription options"));
    }
    let options = Options { qos: flags & 3, no_local: flags & 4 != 0, retain_as_published: flags & 8 != 0 };
    if options.no_local && path.starts_with("$share/") {
        return Err(Fault::protocol("no local on a shared subscription"));
    }
    let retain_handling = match flags >> 4 {
        0 => RetainHandling::Send,
        1 => RetainHandling::SendIfNew,
        _ => RetainHandling::DoNotSend,
    };
    Ok(Filter { path, options, retain_handling, allowed: true })
}

fn unsubscribe(mut body: Reader<'_>, version: Version, limits: &BrokerLimits) -> Result<Packet, Fault> {
    let packet_id = body.packet_id()?;
    if version == Version::V5 {
        let block = body.properties(limits.properties_bytes_max)?;
        walk_properties(block, UNSUBSCRIBE_PROPERTIES, |_, _, _| Ok(()))?;
    }
    let mut filters = Vec::new();
    while !body.is_empty() {
        filters.push(body.string()?.to_owned());
        check_count(filters.len(), limits)?;
    }
    check_count(filters.len(), limits)?;
    Ok(Packet::Unsubscribe { packet_id, filters })
}

fn disconnect(mut body: Reader<'_>, version: Version, limits: &BrokerLimits) -> Result<Packet, Fault> {
    let (mut expiry_s, mut code) = (None, SUCCESS);
    if version == Version::V5 && !body.is_empty() {
        code = body.u8()?;
        if !body.is_empty() {
            let block = body.properties(limits.properties_bytes_max)?;
            walk_properties(block, DISCONNECT_PROPERTIES, |property, value, _| {
                if let (id::SESSION_EXPIRY, Value::Number(seconds)) = (property, value) {
                    expiry_s = Some(seconds);
                }
                Ok(())
            })?;
        }
    }
    body.finish()?;
    // A client that says why it cannot go on has not said farewell (section 3.14.4).
    Ok(Packet::Disconnect { expiry_s, with_will: code >= 0x80 || code == DISCONNECT_WITH_WILL })
}

pub(super) const PUBACK: u8 = 0x40;
pub(super) const PUBREC: u8 = 0x50;
pub(super) const PUBREL: u8 = 0x62;
pub(super) const PUBCOMP: u8 = 0x70;
pub(super) const SUBACK: u8 = 0x90;
pub(super) const UNSUBACK: u8 = 0xB0;

/// How a client wants its answers.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    pub version: Version,
    pub packet_bytes_max: usize,
    pub wants_reasons: bool,
}

impl Manner {
    /// The reason string for a code, if the client wants it ([MQTT-3.1.2-29]) in a packet that has `others` bytes besides.
    fn words(self, code: u8, others: usize) -> Option<&'static str> {
        let wanted = self.version == Version::V5 && self.wants_reasons;
        let fits = |text: &&str| others + 3 + text.len() <= self.packet_bytes_max;
        reason::words(code).filter(|_| wanted).filter(fits)
    }
}

/// An acknowledgement; a code other than success is for v5 alone.
pub(super) fn write_ack(kind: u8, packet_id: u16, code: u8, to: Manner, out: &mut BytesMut) {
    let [high, low] = packet_id.to_be_bytes();
    if code == SUCCESS || to.version == Version::V4 {
        out.extend_from_slice(&[kind, 2, high, low]);
        return;
    }
    // Our texts are short: every length is one byte.
    match to.words(code, 6) {
        None => out.extend_from_slice(&[kind, 3, high, low, code]),
        Some(text) => {
            let properties = 3 + text.len() as u8;
            out.extend_from_slice(&[kind, 4 + properties, high, low, code, properties, id::REASON_STRING]);
            put_text(text.as_bytes(), out);
        }
    }
}

/// SUBACK or UNSUBACK; the codes of an UNSUBACK are for v5 alone.
pub(super) fn write_codes(kind: u8, packet_id: u16, to: Manner, codes: &[u8], out: &mut BytesMut) {
    let v5 = to.version == Version::V5;
    let codes = if kind == UNSUBACK && !v5 { &[] } else { codes };
    // There is one reason string for all of them: that of the first which has one.
    let others = 1 + 4 + 2 + 1 + codes.len();
    let text = codes.iter().find_map(|code| to.words(*code, others));
    let properties = text.map_or(0, |text| 3 + text.len());
    out.put_u8(kind);
    put_length(2 + usize::from(v5) + properties + codes.len(), out);
    out.put_u16(packet_id);
    if v5 {
        // Our texts are short: the length is one byte.
        out.put_u8(properties as u8);
    }
    if let Some(text) = text {
        out.put_u8(id::REASON_STRING);
        put_text(text.as_bytes(), out);
    }
    out.extend_from_slice(codes);
}

/// DISCONNECT with the reason in words, if the client takes a packet of that size.
pub(super) fn write_disconnect(fault: Fault, packet_bytes_max: usize, out: &mut BytesMut) {
    let Fault { code, text } = fault;
    // The texts are ours and short: every length is one byte.
    let properties = 3 + text.len();
    if properties + 4 > packet_bytes_max.min(127) {
        out.extend_from_slice(&[0xE0, 1, code]);
        return;
    }
    out.extend_from_slice(&[0xE0, (2 + properties) as u8, code, properties as u8, id::REASON_STRING]);
    put_text(text.as_bytes(), out);
}

/// A text or binary with its length before it. Longer ones than 65,535 bytes are never put.
pub(super) fn put_text(text: &[u8], out: &mut BytesMut) {
    out.put_u16(text.len() as u16);
    out.extend_from_slice(text);
}

pub(super) fn put_length(mut length: usize, out: &mut BytesMut) {
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

/// How a subscriber's connection takes its messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub version: Version,
    pub packet_bytes_max: usize,
    /// The alias of the topic; true: the client knows it already.
    pub alias: Option<(u16, bool)>,
}

/// A PUBLISH to a subscriber, with what is left of its expiry interval.
pub(super) fn write_publish(
    delivery: &Delivery,
    packet_id: u16,
    form: Form,
    now: Instant,
    out: &mut BytesMut,
) -> Written {
    let Delivery { publish, qos, retain, dup, extra, .. } = delivery;
    let mut left = publish.expires_at.map(|at| at.saturating_duration_since(now).as_millis().div_ceil(1_000));
    if left == Some(0) {
        if !dup {
            return Written::Expired;
        }
        // Delivery has begun, so it is to be finished.
        left = Some(1);
    }
    let v5 = form.version == Version::V5;
    let alias = form.alias.filter(|_| v5);
    let topic: &[u8] = if alias.is_some_and(|(_, known)| known) { &[] } else { &publish.topic };
    let ids: &[u32] = extra.as_ref().map_or(&[], |extra| &extra.ids);
    let id_bytes: usize = ids.iter().map(|id| 1 + length_of_length(*id as usize)).sum();
    let few = if left.is_some() { 5 } else { 0 } + if alias.is_some() { 3 } else { 0 };
    let block = publish.properties.len() + few + id_bytes;
    let v5_bytes = if v5 { length_of_length(block) + block } else { 0 };
    let body = 2 + topic.len() + if *qos > 0 { 2 } else { 0 } + v5_bytes + publish.payload.len();
    if 1 + length_of_length(body) + body > form.packet_bytes_max {
        return Written::TooLarge;
    }
    out.put_u8(0x30 | u8::from(*dup) << 3 | qos << 1 | u8::from(*retain));
    put_length(body, out);
    put_text(topic, out);
    if *qos > 0 {
        out.put_u16(packet_id);
    }
    if v5 {
        put_length(block, out);
        if let Some(seconds) = left {
            out.put_u8(id::MESSAGE_EXPIRY);
            out.put_u32(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        if let Some((alias, _)) = alias {
            out.put_u8(id::TOPIC_ALIAS);
            out.put_u16(alias);
        }
        for identifier in ids {
            out.put_u8(id::SUBSCRIPTION_ID);
            put_length(*identifier as usize, out);
        }
        out.extend_from_slice(&publish.properties);
    }
    out.extend_from_slice(&publish.payload);
    Written::Sent
}
