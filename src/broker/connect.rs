//! CONNECT and CONNACK: what a client asks for, and what it is told (specification sections 3.1 and 3.2).

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};

use super::inbound::{Publish, Will};
use super::packets::{Manner, check_topic, message_properties, put_length, put_text};
use super::reason::{
    BAD_AUTHENTICATION_METHOD, BAD_CREDENTIALS, Fault, IDENTIFIER_INVALID, MALFORMED, NOT_AUTHORIZED, PROTOCOL_ERROR,
    TOPIC_INVALID, UNSUPPORTED_VERSION,
};
use super::wire::{Allowed, Reader, Value, id, walk_properties};
use crate::config::BrokerLimits;

/// Longest client identifier in bytes.
const CLIENT_ID_BYTES_MAX: usize = 256;

const CONNECT_PROPERTIES: Allowed = Allowed::of(&[
    id::SESSION_EXPIRY,
    id::RECEIVE_MAXIMUM,
    id::MAXIMUM_PACKET_SIZE,
    id::TOPIC_ALIAS_MAXIMUM,
    id::REQUEST_RESPONSE,
    id::REQUEST_PROBLEM,
    id::AUTH_METHOD,
    id::AUTH_DATA,
    id::USER,
]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 3.1.1, and 3.1, which differs in its name alone.
    V4,
    V5,
}

/// A CONNECT that may go on.
#[derive(Debug)]
pub(super) struct Request {
    pub version: Version,
    /// Empty: the broker assigns one.
    pub client_id: String,
    /// A bridge of Mosquitto's kind: what it publishes does not come back to it, and the retain flag stays as it was set.
    pub bridge: bool,
    pub clean: bool,
    /// Seconds a session lives without its connection; `u32::MAX`: for ever.
    pub session_expiry_s: u32,
    pub keep_alive_s: u16,
    /// QoS 1 and 2 messages this client takes unacknowledged.
    pub receive_maximum: u16,
    pub packet_bytes_max: usize,
    /// Whether it wants to know in words why something failed.
    pub wants_reasons: bool,
    /// Topic aliases it takes.
    pub topic_alias_max: u16,
    pub will: Option<Box<Will>>,
    pub user: Option<String>,
    /// Any bytes.
    pub password: Option<Bytes>,
}

impl Request {
    pub fn manner(&self) -> Manner {
        let Request { version, packet_bytes_max, wants_reasons, .. } = *self;
        Manner { version, packet_bytes_max, wants_reasons }
    }
}

/// A CONNECT that is refused, with the version to say so in (`None`: in silence).
#[derive(Debug)]
pub(super) struct Refused {
    pub version: Option<Version>,
    pub fault: Fault,
}

/// Reads a whole CONNECT frame.
pub(super) fn read(frame: &[u8], header: usize, limits: &BrokerLimits) -> Result<Request, Refused> {
    let mut body = Reader::new(frame.get(header..).unwrap_or_default());
    let silent = |fault| Refused { version: None, fault };
    let Some((version, bridge)) = version(&mut body).map_err(silent)? else {
        let fault = Fault::new(UNSUPPORTED_VERSION, "a protocol version other than 3.1, 3.1.1 and 5");
        return Err(Refused { version: Some(Version::V4), fault });
    };
    let flags = flags(&mut body, version).map_err(silent)?;
    let request = request(body, version, flags, limits).map_err(|fault| Refused { version: Some(version), fault })?;
    Ok(Request { bridge, ..request })
}

/// Bits of the connect flags.
const USER: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL_RETAIN: u8 = 0x20;
const WILL_QOS: u8 = 0x18;
const WILL: u8 = 0x04;
const CLEAN: u8 = 0x02;
const RESERVED: u8 = 0x01;

fn flags(body: &mut Reader<'_>, version: Version) -> Result<u8, Fault> {
    let flags = body.u8()?;
    let will_flags_without_will = flags & WILL == 0 && flags & (WILL_RETAIN | WILL_QOS) != 0;
    let password_alone = version == Version::V4 && flags & (PASSWORD | USER) == PASSWORD;
    if flags & RESERVED != 0 || will_flags_without_will || password_alone || flags & WILL_QOS == WILL_QOS {
        return Err(Fault::malformed("connect flags that contradict each other"));
    }
    Ok(flags)
}

/// Set in the level by a bridge (`try_private` in mosquitto.conf(5)); version 5 has words for what it means.
const BRIDGE: u8 = 0x80;

/// The version a CONNECT's body begins with, and whether a bridge says so; `None` for one that we do not speak.
fn version(body: &mut Reader<'_>) -> Result<Option<(Version, bool)>, Fault> {
    let name = body.string()?;
    let level = body.u8()?;
    match (name, level & !BRIDGE) {
        ("MQTT", 4) | ("MQIsdp", 3) => Ok(Some((Version::V4, level & BRIDGE != 0))),
        ("MQTT", 5) if level == 5 => Ok(Some((Version::V5, false))),
        ("MQTT" | "MQIsdp", _) => Ok(None),
        _ => Err(Fault::protocol("a protocol name that is not MQTT")),
    }
}

fn request(mut body: Reader<'_>, version: Version, flags: u8, limits: &BrokerLimits) -> Result<Request, Fault> {
    let clean = flags & CLEAN != 0;
    let mut request = Request {
        version,
        bridge: false,
        client_id: String::new(),
        clean,
        session_expiry_s: if version == Version::V4 && !clean { u32::MAX } else { 0 },
        keep_alive_s: body.u16()?,
        receive_maximum: u16::MAX,
        packet_bytes_max: usize::MAX,
        wants_reasons: true,
        topic_alias_max: 0,
        will: None,
        user: None,
        password: None,
    };
    if version == Version::V5 {
        connect_properties(&mut body, &mut request, limits)?;
    }
    request.client_id = body.string()?.to_owned();
    if flags & WILL != 0 {
        let (qos, retain) = ((flags & WILL_QOS) >> 3, flags & WILL_RETAIN != 0);
        request.will = Some(Box::new(will(&mut body, version, qos, retain, limits)?));
    }
    if flags & USER != 0 {
        request.user = Some(body.string()?.to_owned());
    }
    if flags & PASSWORD != 0 {
        request.password = Some(Bytes::copy_from_slice(body.binary()?));
    }
    body.finish()?;
    if request.client_id.len() > CLIENT_ID_BYTES_MAX {
        return Err(Fault::new(IDENTIFIER_INVALID, "a client identifier that is too long"));
    }
    if version == Version::V4 && request.client_id.is_empty() && !clean {
        return Err(Fault::new(IDENTIFIER_INVALID, "an empty client identifier without clean session"));
    }
    Ok(request)
}

fn connect_properties(body: &mut Reader<'_>, request: &mut Request, limits: &BrokerLimits) -> Result<(), Fault> {
    let block = body.properties(limits.properties_bytes_max)?;
    let (mut method, mut data) = (false, false);
    walk_properties(block, CONNECT_PROPERTIES, |property, value, _| {
        match (property, value) {
            (id::SESSION_EXPIRY, Value::Number(seconds)) => request.session_expiry_s = seconds,
            (id::RECEIVE_MAXIMUM, Value::Number(count)) => request.receive_maximum = count as u16,
            (id::MAXIMUM_PACKET_SIZE, Value::Number(bytes)) => request.packet_bytes_max = bytes as usize,
            (id::REQUEST_PROBLEM, Value::Number(wanted)) => request.wants_reasons = wanted != 0,
            (id::TOPIC_ALIAS_MAXIMUM, Value::Number(count)) => request.topic_alias_max = count as u16,
            (id::AUTH_METHOD, _) => method = true,
            (id::AUTH_DATA, _) => data = true,
            _ => {}
        }
        Ok(())
    })?;
    if method {
        return Err(Fault::new(BAD_AUTHENTICATION_METHOD, "enhanced authentication is not supported"));
    }
    if data {
        return Err(Fault::protocol("authentication data without a method"));
    }
    Ok(())
}

fn will(body: &mut Reader<'_>, version: Version, qos: u8, retain: bool, limits: &BrokerLimits) -> Result<Will, Fault> {
    let (mut delay_s, mut expiry_s, mut properties) = (0, None, Bytes::new());
    if version == Version::V5 {
        let found = message_properties(body, limits)?;
        if found.alias.is_some() {
            return Err(Fault::protocol("a topic alias in a will"));
        }
        (delay_s, expiry_s, properties) = (found.delay_s.unwrap_or(0), found.expiry_s, found.wire);
    }
    let topic = body.string()?;
    check_topic(topic, limits)?;
    if topic.is_empty() {
        return Err(Fault::new(TOPIC_INVALID, "a will with an empty topic"));
    }
    let payload = Bytes::copy_from_slice(body.binary()?);
    let topic = Bytes::copy_from_slice(topic.as_bytes());
    Ok(Will { publish: Publish { retain, properties, ..Publish::new(topic, payload, qos) }, delay_s, expiry_s })
}

/// What a client that is taken is told.
#[derive(Debug)]
pub(super) struct ConnAck {
    pub session_present: bool,
    pub assigned_client_id: Option<String>,
    /// Told where it differs from what the client asked for.
    pub session_expiry_s: Option<u32>,
    pub server_keep_alive_s: Option<u16>,
}

pub(super) fn write_connack(version: Version, connack: &ConnAck, limits: &BrokerLimits, out: &mut BytesMut) {
    let present = u8::from(connack.session_present);
    if version == Version::V4 {
        out.extend_from_slice(&[0x20, 2, present, 0]);
        return;
    }
    let mut properties = BytesMut::with_capacity(64);
    if let Some(seconds) = connack.session_expiry_s {
        properties.put_u8(id::SESSION_EXPIRY);
        properties.put_u32(seconds);
    }
    properties.put_u8(id::RECEIVE_MAXIMUM);
    properties.put_u16(limits.inflight_max);
    properties.put_u8(id::MAXIMUM_PACKET_SIZE);
    properties.put_u32(u32::try_from(limits.packet_bytes_max).unwrap_or(u32::MAX));
    if let Some(client_id) = &connack.assigned_client_id {
        properties.put_u8(id::ASSIGNED_CLIENT_ID);
        put_text(client_id.as_bytes(), &mut properties);
    }
    properties.put_u8(id::TOPIC_ALIAS_MAXIMUM);
    properties.put_u16(limits.topic_aliases_max);
    if let Some(seconds) = connack.server_keep_alive_s {
        properties.put_u8(id::SERVER_KEEP_ALIVE);
        properties.put_u16(seconds);
    }
    put_connack(present, 0, &properties, out);
}

fn put_connack(present: u8, code: u8, properties: &[u8], out: &mut BytesMut) {
    let mut body = BytesMut::with_capacity(8 + properties.len());
    body.extend_from_slice(&[present, code]);
    put_length(properties.len(), &mut body);
    body.extend_from_slice(properties);
    out.put_u8(0x20);
    put_length(body.len(), out);
    out.extend_from_slice(&body);
}

/// A CONNACK that refuses; v5 clients get the reason in words as well.
pub(super) fn write_refusal(refused: &Refused, out: &mut BytesMut) {
    match refused.version {
        None => {}
        Some(Version::V4) => {
            let code = match refused.fault.code {
                UNSUPPORTED_VERSION => 1,
                IDENTIFIER_INVALID => 2,
                BAD_CREDENTIALS => 4,
                NOT_AUTHORIZED => 5,
                // A malformed CONNECT of 3.1.1 gets no answer ([MQTT-4.8.0-1]).
                MALFORMED | PROTOCOL_ERROR | BAD_AUTHENTICATION_METHOD | TOPIC_INVALID => return,
                _ => 3,
            };
            out.extend_from_slice(&[0x20, 2, 0, code]);
        }
        Some(Version::V5) => {
            let mut properties = BytesMut::new();
            properties.put_u8(id::REASON_STRING);
            put_text(refused.fault.text.as_bytes(), &mut properties);
            put_connack(0, refused.fault.code, &properties, out);
        }
    }
}

/// A copy that does not pin the buffer it was cut from.
pub(super) fn copied(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// When an expiry interval that begins now ends; `None`: never.
pub(super) fn ends(now: Instant, expiry_s: Option<u32>) -> Option<Instant> {
    now.checked_add(std::time::Duration::from_secs(u64::from(expiry_s?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A CONNECT without its fixed header.
    fn connect(name: &[u8], level: u8, flags: u8, rest: &[u8]) -> Result<Request, Option<u8>> {
        let mut body = BytesMut::new();
        put_text(name, &mut body);
        body.extend_from_slice(&[level, flags, 0, 30]);
        body.extend_from_slice(rest);
        let read = read(&body, 0, &BrokerLimits::default());
        read.map_err(|refused| refused.version.map(|_| refused.fault.code))
    }

    #[test]
    fn each_version_by_its_name() {
        let id = [0, 1, b'a'];
        for (name, level) in [(&b"MQTT"[..], 4), (b"MQIsdp", 3)] {
            let request = connect(name, level, 0, &id).unwrap();
            assert_eq!((request.version, request.session_expiry_s, request.keep_alive_s), (Version::V4, u32::MAX, 30));
        }
        for (name, level) in [(&b"MQTT"[..], 0x84), (b"MQIsdp", 0x83)] {
            let request = connect(name, level, 0, &id).unwrap();
            assert_eq!((request.version, request.bridge), (Version::V4, true));
        }
        assert_eq!(connect(b"MQTT", 0x85, 2, &id).unwrap_err(), Some(UNSUPPORTED_VERSION));
        let request = connect(b"MQTT", 5, 2, &[0, 0, 1, b'a']).unwrap();
        assert_eq!((request.version, request.clean, request.session_expiry_s), (Version::V5, true, 0));
        assert_eq!(connect(b"MQTT", 6, 2, &id).unwrap_err(), Some(UNSUPPORTED_VERSION));
        assert_eq!(connect(b"MQTX", 4, 2, &id).unwrap_err(), None, "in silence");
    }

    #[test]
    fn flags_that_contradict_each_other_and_what_is_missing() {
        for flags in [0x03, 0x0A, 0x22, 0x42, 0x1E] {
            assert_eq!(connect(b"MQTT", 4, flags, &[0, 1, b'a']).unwrap_err(), None, "{flags:#x}: in silence");
        }
        assert!(connect(b"MQTT", 5, 0x42, &[0, 0, 0, 0, 1, 0xFF]).is_ok(), "v5 takes a password alone");
        for length in 0..7 {
            let rest = [0, 1, b'a', 0, 1, b'u', 0];
            assert_eq!(connect(b"MQTT", 4, 0xC2, &rest[..length]).unwrap_err(), Some(MALFORMED));
        }
        assert_eq!(connect(b"MQTT", 4, 2, &[0, 1, b'a', 9]).unwrap_err(), Some(MALFORMED), "and what is too much");
    }

    #[test]
    fn a_password_is_any_bytes_and_a_will_is_whole() {
        let rest = [0, 1, b'a', 0, 3, b'w', b'/', b't', 0, 2, 0, 0xFF, 0, 1, b'u', 0, 2, 0xFF, 0];
        let request = connect(b"MQTT", 4, 0xF6, &rest).unwrap();
        assert_eq!(request.user.as_deref(), Some("u"));
        assert_eq!(request.password.as_deref(), Some(&[0xFF, 0][..]));
        let will = request.will.unwrap();
        assert_eq!((will.publish.topic_str(), &will.publish.payload[..]), ("w/t", &[0, 0xFF][..]));
        assert_eq!((will.publish.qos, will.publish.retain, will.delay_s), (2, true, 0));
        let wildcard = [0, 1, b'a', 0, 1, b'#', 0, 0];
        assert_eq!(connect(b"MQTT", 4, 0x06, &wildcard).unwrap_err(), Some(TOPIC_INVALID));
        // Delay 5, expiry 7, payload format 1.
        let v5 = [0, 0, 1, b'a', 12, 24, 0, 0, 0, 5, 2, 0, 0, 0, 7, 1, 1, 0, 1, b't', 0, 0];
        let will = connect(b"MQTT", 5, 0x06, &v5).unwrap().will.unwrap();
        assert_eq!((will.delay_s, will.expiry_s, &will.publish.properties[..]), (5, Some(7), &[1, 1][..]));
    }

    #[test]
    fn enhanced_authentication_is_refused() {
        let method = [4, 21, 0, 1, b'x', 0, 1, b'a'];
        assert_eq!(connect(b"MQTT", 5, 2, &method).unwrap_err(), Some(BAD_AUTHENTICATION_METHOD));
        let data_alone = [4, 22, 0, 1, b'x', 0, 1, b'a'];
        assert_eq!(connect(b"MQTT", 5, 2, &data_alone).unwrap_err(), Some(PROTOCOL_ERROR));
    }
}
