//! `[broker]`, its listeners, and `[admin]`.

use std::net::{IpAddr, SocketAddr};

use super::super::problem::Problems;
use super::super::raw;
use super::super::read::{At, Field};
use super::super::settings::{Admin, Broker, BrokerLimits};
use super::super::text::Text;
use super::{access, listener, number};
use crate::model::ByteSize;

const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);

pub(super) fn check_admin(raw: &Field<raw::Admin>, problems: &mut Problems) -> Admin {
    let Some(listen) = raw.given().and_then(|table| table.value.listen.given()) else {
        return Admin { listen: Some(ADMIN) };
    };
    if listen.value.value.is_empty() {
        return Admin { listen: None };
    }
    let address = address("listen", listen, "127.0.0.1:9464", problems);
    if address.is_some_and(|address| !address.ip().is_loopback()) {
        let help = "it asks nobody who they are: use 127.0.0.1 or [::1], and a proxy or an agent on this machine to reach it from outside";
        problems.error(listen.span, "the admin interface listens on a loopback address only", help);
    }
    Admin { listen: address }
}

pub(super) fn check_broker(raw: &Field<raw::Broker>, admin: Option<SocketAddr>, problems: &mut Problems) -> Broker {
    let empty = raw::Broker::default();
    let table = raw.given().map_or(&empty, |given| &given.value);
    let limits = check_limits(table, problems);
    let access = access::check_access(table, problems);
    let listeners = listener::check_listeners(&table.listener, &access, admin, problems);
    Broker { listeners, access, limits }
}

/// Whether one port cannot serve both. Port 0 is any free one.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.port() != 0
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

pub(super) fn address(key: &str, text: &At<Text>, example: &str, problems: &mut Problems) -> Option<SocketAddr> {
    let parsed = text.value.value.parse().ok();
    if parsed.is_none() {
        let message = format!("{key} cannot be {:?}", text.value.written);
        problems.error(
            text.span,
            message,
            format!("an IP address and a port, such as {example:?}; 0.0.0.0 is every IPv4 address of this machine"),
        );
    }
    parsed
}

fn check_limits(raw: &raw::Broker, problems: &mut Problems) -> BrokerLimits {
    let default = BrokerLimits::default();
    let mut bytes = |field: &Field<ByteSize>, key: &str, default: usize, min: u64, max: u64| {
        let Some(given) = field.given() else { return default };
        if !(min..=max).contains(&given.value.0) {
            let range = format!("valid: {} to {}", ByteSize(min), ByteSize(max));
            problems.error(given.span, format!("{key} cannot be {}", given.value), range);
        }
        given.value.0 as usize
    };
    let packet_bytes_max = bytes(&raw.packet_bytes_max, "packet_bytes_max", default.packet_bytes_max, 128, 256 << 20);
    let inflight_bytes_max =
        bytes(&raw.inflight_bytes_max, "inflight_bytes_max", default.inflight_bytes_max, 64 << 10, 1 << 30);
    let properties_bytes_max =
        bytes(&raw.properties_bytes_max, "properties_bytes_max", default.properties_bytes_max, 128, 1 << 20);
    let queue_bytes_max = bytes(&raw.queue_bytes_max, "queue_bytes_max", default.queue_bytes_max, 4 << 10, 256 << 20);
    let outgoing_bytes_max =
        bytes(&raw.outgoing_bytes_max, "outgoing_bytes_max", default.outgoing_bytes_max, 64 << 10, 1 << 30);
    let sessions_bytes_max =
        bytes(&raw.sessions_bytes_max, "sessions_bytes_max", default.sessions_bytes_max, 64 << 10, 1 << 30);
    let stored_bytes_max =
        bytes(&raw.stored_bytes_max, "stored_bytes_max", default.stored_bytes_max, 64 << 10, 1 << 30);
    let retained_bytes_max =
        bytes(&raw.retained_bytes_max, "retained_bytes_max", default.retained_bytes_max, 4 << 10, 1 << 30);
    if let Some(given) = raw.packet_bytes_max.given().filter(|_| packet_bytes_max > inflight_bytes_max) {
        let help =
            format!("inflight_bytes_max is {}: one packet must fit into it", ByteSize(inflight_bytes_max as u64));
        problems.error(given.span, "packet_bytes_max is larger than inflight_bytes_max", help);
    }
    let second = std::time::Duration::from_secs(1);
    for (field, key) in [
        (&raw.handshake_timeout, "handshake_timeout"),
        (&raw.connect_timeout, "connect_timeout"),
        (&raw.write_timeout, "write_timeout"),
    ] {
        if let Some(given) = field.given().filter(|given| given.value < second) {
            problems.error(given.span, format!("{key} is too short"), "at least \"1s\"");
        }
    }
    let mut count =
        |field: &Field<i64>, key: &str, default: usize, max: i64| number(field, key, default, 1, max, problems);
    BrokerLimits {
        connections_max: count(&raw.connections_max, "connections_max", default.connections_max, 100_000),
        connections_per_address_max: count(
            &raw.connections_per_address_max,
            "connections_per_address_max",
            default.connections_per_address_max,
            100_000,
        ),
        subscriptions_per_client_max: count(
            &raw.subscriptions_per_client_max,
            "subscriptions_per_client_max",
            default.subscriptions_per_client_max,
            100_000,
        ),
        topic_levels_max: count(&raw.topic_levels_max, "topic_levels_max", default.topic_levels_max, 256),
        queue_messages_max: count(&raw.queue_messages_max, "queue_messages_max", default.queue_messages_max, 1_000_000),
        stored_messages_max: count(
            &raw.stored_messages_max,
            "stored_messages_max",
            default.stored_messages_max,
            10_000_000,
        ),
        retained_messages_max: count(
            &raw.retained_messages_max,
            "retained_messages_max",
            default.retained_messages_max,
            10_000_000,
        ),
        sessions_max: count(&raw.sessions_max, "sessions_max", default.sessions_max, 1_000_000),
        inflight_max: number(&raw.inflight_max, "inflight_max", default.inflight_max, 1, 65_535, problems),
        connections_per_second_max: number(
            &raw.connections_per_second_max,
            "connections_per_second_max",
            default.connections_per_second_max,
            1,
            1_000_000,
            problems,
        ),
        topic_aliases_max: number(
            &raw.topic_aliases_max,
            "topic_aliases_max",
            default.topic_aliases_max,
            0,
            65_535,
            problems,
        ),
        queue_age_max: raw.queue_age_max.or(default.queue_age_max),
        handshake_timeout: raw.handshake_timeout.or(default.handshake_timeout),
        connect_timeout: raw.connect_timeout.or(default.connect_timeout),
        write_timeout: raw.write_timeout.or(default.write_timeout),
        session_expiry_max: raw.session_expiry_max.or(default.session_expiry_max),
        keep_alive_max: raw.keep_alive_max.or(default.keep_alive_max),
        packet_bytes_max,
        inflight_bytes_max,
        properties_bytes_max,
        queue_bytes_max,
        outgoing_bytes_max,
        sessions_bytes_max,
        stored_bytes_max,
        retained_bytes_max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_both_be_served() {
        let at = |text: &str| text.parse().unwrap();
        assert!(overlap(at("0.0.0.0:1883"), at("127.0.0.1:1883")));
        assert!(overlap(at("127.0.0.1:1883"), at("127.0.0.1:1883")));
        assert!(!overlap(at("127.0.0.1:1883"), at("127.0.0.2:1883")));
        assert!(!overlap(at("127.0.0.1:1883"), at("127.0.0.1:1884")));
        assert!(!overlap(at("127.0.0.1:0"), at("127.0.0.1:0")));
    }
}
