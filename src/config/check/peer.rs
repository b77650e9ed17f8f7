//! The keys that lead to another MQTT broker, of `[sink.x]` with `mqtt` and of `[bridge.x]`.

use std::path::PathBuf;
use std::time::Duration;

use super::super::problem::{Problems, Span};
use super::super::raw;
use super::super::read::{At, Field, Secret};
use super::super::settings::{Bridge, MqttServer, MqttServerTls, MqttVersion, Peer, Sink, SinkKind};
use super::super::text::Text;
use super::{choose, key_of, modbus, number};

const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(2);
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(u16::MAX as u64);
const FORM: &str = "\"mqtt://host\" or \"mqtts://host\" (TLS), with \":port\" where it is not 1883 or 8883";

pub(super) struct Keys<'a> {
    mqtt: &'a Field<Text>,
    version: &'a Field<Text>,
    client_id: &'a Field<Text>,
    user: &'a Field<Text>,
    password: &'a Field<Secret>,
    ca: &'a Field<Text>,
    certificate: &'a Field<Text>,
    key: &'a Field<Text>,
    keep_alive: &'a Field<Duration>,
}

impl<'a> Keys<'a> {
    pub fn of_sink(raw: &'a raw::Sink) -> Keys<'a> {
        let raw::Sink { mqtt, version, client_id, user, password, ca, certificate, key, keep_alive, .. } = raw;
        Keys { mqtt, version, client_id, user, password, ca, certificate, key, keep_alive }
    }

    pub fn of_bridge(raw: &'a raw::Bridge) -> Keys<'a> {
        let raw::Bridge { mqtt, version, client_id, user, password, ca, certificate, key, keep_alive, .. } = raw;
        Keys { mqtt, version, client_id, user, password, ca, certificate, key, keep_alive }
    }
}

/// `client_id` is what it is called where the table does not say.
pub(super) fn check_peer(keys: &Keys, client_id: &str, problems: &mut Problems) -> Option<Peer> {
    let address = keys.mqtt.given().and_then(|given| check_address(given, problems));
    let versions = [("5", MqttVersion::V5), ("3.1.1", MqttVersion::V311)];
    let version = choose(keys.version, "version", MqttVersion::V5, &versions, &[], problems);
    let client_id = match keys.client_id.given() {
        None => client_id.to_owned(),
        Some(given) => {
            let id = given.value.value.as_str();
            if id.is_empty() || id.len() > usize::from(u16::MAX) || id.contains('\0') {
                problems.error(
                    given.span,
                    "client_id cannot be this",
                    "1 to 65535 bytes; it must be the same at each start",
                );
            }
            id.to_owned()
        }
    };
    let keep_alive = keys.keep_alive.or(KEEP_ALIVE);
    if let Some(given) = keys.keep_alive.given().filter(|_| !(KEEP_ALIVE_MIN..=KEEP_ALIVE_MAX).contains(&keep_alive)) {
        problems.error(given.span, "keep_alive cannot be this", "\"2s\" to \"18h\"");
    }
    if let Some(given) = keys.password.given().filter(|_| keys.user.is_missing()) {
        problems.error(given.key, "a password needs a user", "write user = \"…\"");
    }
    let (host, port, tls) = address?;
    let tls = check_tls(keys, tls, problems);
    let user = keys.user.given().map(|given| given.value.value.clone());
    let password = keys.password.given().map(|given| given.value.0.value.clone());
    Some(Peer { server: MqttServer { host, port, tls, user, password }, version, client_id, keep_alive })
}

/// Without a scheme it is plain TCP.
fn check_address(text: &At<Text>, problems: &mut Problems) -> Option<(String, u16, bool)> {
    let value = text.value.value.as_str();
    let (address, tls) = match value.split_once("://") {
        None => (value, false),
        Some(("mqtt" | "tcp", address)) => (address, false),
        Some(("mqtts" | "ssl" | "tls", address)) => (address, true),
        Some((scheme, _)) => {
            let message = format!("{scheme}:// is not supported");
            problems.error(text.value.between(0, scheme.len()), message, FORM);
            return None;
        }
    };
    let parsed = modbus::split_host_port(address, if tls { 8883 } else { 1883 });
    if parsed.is_none() {
        problems.error(text.span, format!("{:?} is no address of an MQTT broker", text.value.written), FORM);
    }
    parsed.map(|(host, port)| (host, port, tls))
}

fn check_tls(keys: &Keys, tls: bool, problems: &mut Problems) -> Option<MqttServerTls> {
    let file = |field: &Field<Text>| field.given().map(|given| PathBuf::from(&given.value.value));
    if !tls {
        for (key, at) in [("ca", key_of(keys.ca)), ("certificate", key_of(keys.certificate)), ("key", key_of(keys.key))]
        {
            if let Some(at) = at {
                problems.error(at, format!("{key} has no meaning without TLS"), "write mqtt = \"mqtts://host\"");
            }
        }
        return None;
    }
    let identity = match (keys.certificate.given(), keys.key.given()) {
        (Some(certificate), None) => {
            problems.error(certificate.key, "a certificate needs its key", "write key = \"….key\"");
            None
        }
        (None, Some(key)) => {
            problems.error(key.key, "a key needs its certificate", "write certificate = \"….pem\"");
            None
        }
        _ => file(keys.certificate).zip(file(keys.key)),
    };
    Some(MqttServerTls { ca: file(keys.ca), identity })
}

pub(super) fn check_qos(raw: &Field<i64>, problems: &mut Problems) -> u8 {
    match raw.given() {
        Some(given) if given.value == 2 => {
            let help = "0: may be lost on the way; 1 (the default): never lost, may come twice";
            problems.error(given.span, "QoS 2 between brokers is not supported", help);
            1
        }
        _ => number(raw, "qos", 1, 0, 1, problems),
    }
}

/// Two connections with one client identifier at one broker would end each other in turn.
pub(super) fn check_client_ids(raw: &raw::Config, sinks: &[Sink], bridges: &[Bridge], problems: &mut Problems) {
    let sinks = sinks.iter().filter_map(|sink| match &sink.kind {
        SinkKind::Mqtt(mqtt) => Some((place(&raw.sink, &sink.name), &mqtt.peer)),
        SinkKind::Kafka(_) => None,
    });
    let bridges = bridges.iter().map(|bridge| (place(&raw.bridge, &bridge.name), &bridge.peer));
    let mut seen: Vec<&Peer> = Vec::new();
    for (at, peer) in sinks.chain(bridges) {
        let same = |other: &&Peer| {
            other.client_id == peer.client_id
                && (&other.server.host, other.server.port) == (&peer.server.host, peer.server.port)
        };
        if seen.iter().any(same) {
            let message = format!("client identifier {:?} is used twice at {}", peer.client_id, peer.server.host);
            problems.error(at, message, "each connection to a broker needs its own client_id");
        }
        seen.push(peer);
    }
}

fn place<T>(named: &Field<super::super::read::Named<T>>, name: &str) -> Span {
    let mut entries = named.given().into_iter().flat_map(|at| &at.value);
    entries.find(|entry| entry.name == name).map_or(Span::default(), |entry| entry.key)
}
