//! CONNECT and CONNACK: what a client asks for, and what it is told.
//!
//! rumqttd's codec reads the packet; what it does not check (flags, limits, protocol names) is checked here before.

use bytes::{Bytes, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{ConnAck, ConnAckProperties, ConnectReturnCode, Packet, Protocol};

use super::reason::{
    BAD_AUTHENTICATION_METHOD, Fault, IDENTIFIER_INVALID, IMPLEMENTATION_SPECIFIC, MALFORMED, NOT_AUTHORIZED,
    PROTOCOL_ERROR, QUOTA, SERVER_BUSY, UNSUPPORTED_VERSION,
};
use super::wire::{Allowed, Reader, id, walk_properties};
use crate::config::BrokerLimits;

/// Longest client identifier in bytes.
const CLIENT_ID_BYTES_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V5,
}

/// A CONNECT that may go on.
#[derive(Debug)]
pub(super) struct Request {
    pub version: Version,
    /// Empty: the broker assigns one.
    pub client_id: String,
    pub clean: bool,
    /// Seconds a session lives without its connection; `u32::MAX`: for ever.
    pub session_expiry_s: u32,
    pub keep_alive_s: u16,
    /// QoS 1 messages this client takes unacknowledged.
    pub receive_maximum: u16,
    pub packet_bytes_max: usize,
    /// Whether it gave a user name.
    pub has_login: bool,
}

/// A CONNECT that is refused, with the version to say so in (`None`: in silence).
#[derive(Debug)]
pub(super) struct Refused {
    pub version: Option<Version>,
    pub fault: Fault,
}

/// Reads a whole CONNECT frame.
pub(super) fn read(frame: &[u8], header: usize, limits: &BrokerLimits) -> Result<Request, Refused> {
    let silent = |fault| Refused { version: None, fault };
    let version = version(&frame[header..]).map_err(silent)?;
    let Some(version) = version else {
        return Err(Refused {
            version: Some(Version::V4),
            fault: Fault::new(UNSUPPORTED_VERSION, "a protocol version other than 3.1.1 and 5"),
        });
    };
    let refused = |fault| Refused { version: Some(version), fault };
    check_fields(&frame[header..], version, limits).map_err(refused)?;
    let malformed = || refused(Fault::malformed("a CONNECT that cannot be read"));
    let mut bytes = BytesMut::from(frame);
    let packet = match version {
        Version::V4 => V4.read_mut(&mut bytes, frame.len()),
        Version::V5 => V5.read_mut(&mut bytes, frame.len()),
    };
    let Ok(Packet::Connect(connect, properties, will, _, login)) = packet else { return Err(malformed()) };
    if connect.client_id.contains('\0') || connect.client_id.len() > CLIENT_ID_BYTES_MAX {
        return Err(refused(Fault::new(IDENTIFIER_INVALID, "a client identifier that is too long or holds NUL")));
    }
    if will.is_some() {
        return Err(refused(Fault::new(IMPLEMENTATION_SPECIFIC, "wills are not supported yet")));
    }
    if version == Version::V4 && connect.client_id.is_empty() && !connect.clean_session {
        return Err(refused(Fault::new(IDENTIFIER_INVALID, "an empty client identifier without clean session")));
    }
    let mut request = Request {
        version,
        client_id: connect.client_id,
        clean: connect.clean_session,
        session_expiry_s: if version == Version::V4 && !connect.clean_session { u32::MAX } else { 0 },
        keep_alive_s: connect.keep_alive,
        receive_maximum: limits.inflight_max,
        packet_bytes_max: usize::MAX,
        has_login: login.is_some(),
    };
    if let Some(properties) = properties {
        if properties.authentication_method.is_some() {
            return Err(refused(Fault::new(BAD_AUTHENTICATION_METHOD, "enhanced authentication is not supported")));
        }
        request.session_expiry_s = properties.session_expiry_interval.unwrap_or(0);
        request.receive_maximum = properties.receive_maximum.unwrap_or(u16::MAX).min(limits.inflight_max);
        request.packet_bytes_max = properties.max_packet_size.map_or(usize::MAX, |size| size as usize);
    }
    Ok(request)
}

const CONNECT_PROPERTIES: Allowed = Allowed::of(&[
    id::SESSION_EXPIRY,
    id::AUTH_METHOD,
    id::AUTH_DATA,
    id::REQUEST_PROBLEM,
    id::REQUEST_RESPONSE,
    id::RECEIVE_MAXIMUM,
    id::TOPIC_ALIAS_MAXIMUM,
    id::USER,
    id::MAXIMUM_PACKET_SIZE,
]);
const WILL_PROPERTIES: Allowed = Allowed::of(&[
    id::PAYLOAD_FORMAT,
    id::MESSAGE_EXPIRY,
    id::CONTENT_TYPE,
    id::RESPONSE_TOPIC,
    id::CORRELATION_DATA,
    id::WILL_DELAY,
    id::USER,
]);

/// Checks every field that the flags announce, which the codec does not: strings, properties, and that nothing follows.
fn check_fields(body: &[u8], version: Version, limits: &BrokerLimits) -> Result<(), Fault> {
    let mut reader = Reader::new(body);
    let properties = |reader: &mut Reader<'_>, allowed| match version {
        Version::V4 => Ok(()),
        Version::V5 => walk_properties(reader.properties(limits.properties_bytes_max)?, allowed, |_, _, _| Ok(())),
    };
    reader.string()?;
    reader.u8()?;
    let flags = reader.u8()?;
    reader.u16()?;
    properties(&mut reader, CONNECT_PROPERTIES)?;
    reader.string()?;
    if flags & 0x04 != 0 {
        properties(&mut reader, WILL_PROPERTIES)?;
        reader.string()?;
        reader.binary()?;
    }
    if flags & 0x80 != 0 {
        reader.string()?;
    }
    if flags & 0x40 != 0 {
        reader.binary()?;
    }
    reader.finish()
}

/// The version a CONNECT's body names; `None` for one that we do not speak.
fn version(body: &[u8]) -> Result<Option<Version>, Fault> {
    let mut reader = Reader::new(body);
    let name = reader.string()?;
    let level = reader.u8()?;
    let flags = reader.u8()?;
    let version = match (name, level) {
        ("MQTT", 4) => Some(Version::V4),
        ("MQTT", 5) => Some(Version::V5),
        ("MQTT" | "MQIsdp", _) => None,
        _ => return Err(Fault::protocol("a CONNECT that names another protocol")),
    };
    let will_flags_without_will = flags & 0x04 == 0 && flags & 0x38 != 0;
    let password_alone = version == Some(Version::V4) && flags & 0x40 != 0 && flags & 0x80 == 0;
    if flags & 0x01 != 0 || will_flags_without_will || password_alone || flags & 0x18 == 0x18 {
        return Err(Fault::malformed("connect flags that contradict each other"));
    }
    Ok(version)
}

/// What a client that is taken is told.
#[derive(Debug)]
pub(super) struct Welcome {
    pub session_present: bool,
    pub assigned_client_id: Option<String>,
    /// Told where it differs from what the client asked for.
    pub session_expiry_s: Option<u32>,
    pub server_keep_alive_s: Option<u16>,
}

pub(super) fn write_welcome(version: Version, welcome: &Welcome, limits: &BrokerLimits, out: &mut BytesMut) {
    if version == Version::V4 {
        out.extend_from_slice(&[0x20, 2, u8::from(welcome.session_present), 0]);
        return;
    }
    let properties = ConnAckProperties {
        session_expiry_interval: welcome.session_expiry_s,
        receive_max: Some(limits.inflight_max),
        retain_available: Some(0),
        max_packet_size: u32::try_from(limits.packet_bytes_max).ok(),
        assigned_client_identifier: welcome.assigned_client_id.clone(),
        topic_alias_max: Some(0),
        subscription_identifiers_available: Some(0),
        shared_subscription_available: Some(0),
        server_keep_alive: welcome.server_keep_alive_s,
        ..ConnAckProperties::default()
    };
    let connack = ConnAck { session_present: welcome.session_present, code: ConnectReturnCode::Success };
    // What we build here always fits a packet.
    let _ = V5.write(Packet::ConnAck(connack, Some(properties)), out);
}

/// A CONNACK that refuses; v5 clients get the reason in words as well.
pub(super) fn write_refusal(refused: &Refused, out: &mut BytesMut) {
    match refused.version {
        None => {}
        Some(Version::V4) => {
            let code = match refused.fault.code {
                UNSUPPORTED_VERSION => 1,
                IDENTIFIER_INVALID => 2,
                NOT_AUTHORIZED => 5,
                // A malformed CONNECT of 3.1.1 gets no answer ([MQTT-4.8.0-1]).
                MALFORMED | PROTOCOL_ERROR | BAD_AUTHENTICATION_METHOD | QUOTA => return,
                SERVER_BUSY | IMPLEMENTATION_SPECIFIC => 3,
                _ => 3,
            };
            out.extend_from_slice(&[0x20, 2, 0, code]);
        }
        Some(Version::V5) => {
            let text = refused.fault.text.as_bytes();
            let properties = 3 + text.len();
            // The texts are ours and short: every length is one byte.
            out.extend_from_slice(&[0x20, (3 + properties) as u8, 0, refused.fault.code, properties as u8, 31]);
            out.extend_from_slice(&(text.len() as u16).to_be_bytes());
            out.extend_from_slice(text);
        }
    }
}

/// A copy that does not pin the buffer it was cut from.
pub(super) fn copied(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
