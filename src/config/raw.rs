//! The configuration exactly as written: every table with the keys it may have, each value with its place.
//!
//! Reading never stops at the first problem: what has the wrong type or an unknown name is reported, and the rest is
//! read. Nothing here knows what the values mean for each other; that is `check`'s.

use std::time::Duration;

use super::read::{
    Any, At, Field, Named, Number, OneOrMany, Options, OrOff, Read, ReadError, Reader, Secret, Share, raw_table,
};
use super::text::Text;
use crate::model::ByteSize;

raw_table! {
    /// The whole file.
    Config {
        gateway: Gateway,
        store: Store,
        admin: Admin,
        broker: Broker,
        source: Named<Source>,
        table: Named<Table>,
        view: Named<View>,
        query: Named<Query>,
        sink: Named<Sink>,
        bridge: Named<Bridge>,
    }
}

raw_table! { Gateway { id: Text, region: Text, data_dir: Text, clock: Text, log: Text } }

raw_table! { Store { max_size: ByteSize, keep_raw: Duration, commit_interval: Duration } }

raw_table! { Admin { listen: Text } }

raw_table! {
    Broker {
        listener: Vec<At<Listener>>,
        user: Named<User>,
        password_file: Text,
        jwt: Jwt,
        acl: Vec<At<Acl>>,
        connections_max: i64,
        connections_per_second_max: i64,
        connections_per_address_max: i64,
        handshake_timeout: Duration,
        connect_timeout: Duration,
        write_timeout: Duration,
        packet_bytes_max: ByteSize,
        inflight_max: i64,
        inflight_bytes_max: ByteSize,
        subscriptions_per_client_max: i64,
        topic_levels_max: i64,
        properties_bytes_max: ByteSize,
        queue_messages_max: i64,
        queue_bytes_max: ByteSize,
        outgoing_bytes_max: ByteSize,
        sessions_bytes_max: ByteSize,
        queue_age_max: Duration,
        stored_messages_max: i64,
        stored_bytes_max: ByteSize,
        retained_messages_max: i64,
        retained_bytes_max: ByteSize,
        topic_aliases_max: i64,
        sessions_max: i64,
        session_expiry_max: Duration,
        keep_alive_max: Duration,
    }
}

raw_table! {
    /// All kinds of listener; which keys go with which is checked later.
    Listener {
        bind: Text,
        protocol: Text,
        allow_anonymous: bool,
        certificate: Text,
        key: Text,
        client_ca: Text,
        client_certificate: Text,
        client_revoked: Text,
        certificate_user: Text,
        path: Text,
        proxy_protocol: bool,
        mode: Text,
    }
}

raw_table! { User { password_hash: Text } }

raw_table! { Jwt { public_key: Text, user_claim: Text, audience: Text, issuer: Text } }

raw_table! { Acl { users: OneOrMany<Text>, anonymous: bool, publish: OneOrMany<Text>, subscribe: OneOrMany<Text> } }

raw_table! {
    /// Both kinds of source; which keys go with which is checked later.
    Source {
        mqtt: Text,
        format: Text,
        schema: Text,
        fields: Named<OneOrMany<Text>>,
        event_time: Text,
        modbus: Text,
        unit: i64,
        interval: Duration,
        timeout: Duration,
        registers: Vec<At<Register>>,
        device: Text,
        watermark: Text,
        late_after: Duration,
        idle_after: Duration,
        lag_max: Duration,
        max_skew: OrOff<Duration>,
        close_after: OrOff<Duration>,
    }
}

raw_table! { Register { name: Text, table: Text, address: i64, r#type: Text, order: Text, scale: Number } }

raw_table! { Table { file: Text, format: Text, table: Text, schema: Text, max_size: ByteSize } }

raw_table! { View { sql: Text } }

raw_table! {
    Query {
        sql: Text,
        into: OneOrMany<Route>,
        state_ttl: Duration,
        early_every: Duration,
        late_into: LateRoute,
    }
}

raw_table! { LateRoute { sink: Text, topic: Text, key: Text } }

raw_table! { Route { sink: Text, topic: Text, key: Text, format: Text } }

raw_table! {
    /// All kinds of sink; which keys go with which is checked later.
    Sink {
        kafka: Text,
        mqtt: Text,
        delivery: Text,
        overflow: Text,
        share: Share,
        max_age: OrOff<Duration>,
        drain_rate: i64,
        offsets_topic: Text,
        accept_duplicates: bool,
        options: Options,
        qos: i64,
        retain: bool,
        version: Text,
        client_id: Text,
        user: Text,
        password: Secret,
        ca: Text,
        certificate: Text,
        key: Text,
        keep_alive: Duration,
        file: Any,
    }
}

raw_table! {
    Bridge {
        mqtt: Text,
        topics: OneOrMany<BridgeTopic>,
        qos: i64,
        session_expiry: Duration,
        version: Text,
        client_id: Text,
        user: Text,
        password: Secret,
        ca: Text,
        certificate: Text,
        key: Text,
        keep_alive: Duration,
    }
}

raw_table! { BridgeTopic { from: Text, to: Text } }

/// Every table of the file with its keys, by its path; `*` stands for a name.
#[cfg(test)]
pub(super) fn all_keys() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        ("gateway", Gateway::keys()),
        ("store", Store::keys()),
        ("admin", Admin::keys()),
        ("broker", Broker::keys()),
        ("broker.listener", Listener::keys()),
        ("broker.user.*", User::keys()),
        ("broker.jwt", Jwt::keys()),
        ("broker.acl", Acl::keys()),
        ("source.*", Source::keys()),
        ("source.*.registers", Register::keys()),
        ("table.*", Table::keys()),
        ("view.*", View::keys()),
        ("query.*", Query::keys()),
        ("query.*.into", Route::keys()),
        ("query.*.late_into", LateRoute::keys()),
        ("sink.*", Sink::keys()),
        ("bridge.*", Bridge::keys()),
        ("bridge.*.topics", BridgeTopic::keys()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../config.example.toml");

    /// `source.*` for `[source.press]` and `[[source.press]]`; an inline table belongs to the table it is in.
    fn section(line: &str) -> Option<String> {
        let path = line.strip_prefix('[')?.trim_start_matches('[').split(']').next()?;
        if path.starts_with("broker.user.") {
            return Some("broker.user.*".to_owned());
        }
        let (kind, name) = path.split_once('.').unwrap_or((path, ""));
        let named = matches!(kind, "source" | "table" | "view" | "query" | "sink" | "bridge");
        Some(if named && !name.is_empty() { format!("{kind}.*") } else { path.to_owned() })
    }

    #[test]
    fn every_key_stands_in_the_example() {
        let mut current = String::new();
        let mut seen: Vec<(String, String)> = Vec::new();
        for line in EXAMPLE.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)) {
            current = section(line).unwrap_or(current);
            let words: Vec<&str> = line.split([' ', '{', ',', '.', '[', ']']).filter(|word| !word.is_empty()).collect();
            for pair in words.windows(2).filter(|pair| pair[1] == "=") {
                seen.push((current.clone(), pair[0].to_owned()));
            }
        }
        for (path, keys) in all_keys() {
            let section = path.trim_end_matches(".registers").trim_end_matches(".late_into");
            let section = section.trim_end_matches(".into").trim_end_matches(".topics");
            for key in keys {
                // Refused until they are supported; options and listeners are tables of their own.
                let mut elsewhere = vec![("sink.*", "file"), ("sink.*", "options")];
                elsewhere.extend(["listener", "user", "jwt", "acl"].map(|table| ("broker", table)));
                if !elsewhere.contains(&(path, key)) {
                    let found = seen.iter().any(|(at, name)| at == section && name == key);
                    assert!(found, "config.example.toml does not show {key} of {path}");
                }
            }
        }
    }
}
