//! What the broker counts: atomics while it runs, plain numbers for those who ask.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::reason::{End, MALFORMED, QUOTA};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The counters themselves. Each is an event count or a gauge; all are exact once the connections rest.
        #[derive(Debug, Default)]
        pub(super) struct Counters { $(pub(super) $name: AtomicU64,)* }

        /// A reading of the broker's counters and gauges.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct BrokerMetrics { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            pub(super) fn read(&self) -> BrokerMetrics {
                BrokerMetrics { $($name: self.$name.load(Relaxed),)* }
            }
        }

        impl BrokerMetrics {
            /// Readings that go up and down; all others only go up.
            pub const GAUGES: &[&str] = &[
                "sockets",
                "connections",
                "connections_peak",
                "sessions",
                "session_ids",
                "session_bytes",
                "subscriptions",
                "stored_messages",
                "stored_bytes",
                "retained_messages",
                "retained_bytes",
                "inflight_bytes",
                "partial_bytes",
                "queued_bytes",
            ];

            /// Name and value of each, for the metrics page.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Gauge: sockets open, whether they said CONNECT or not.
    sockets,
    /// Gauge: clients connected.
    connections,
    /// Gauge: the most clients that were connected at once.
    connections_peak,
    /// Gauge: sessions that outlive their connections, of clients that are connected or away.
    sessions,
    /// Gauge: QoS 2 packet ids taken and not yet released.
    session_ids,
    /// Gauge: bytes of the topic filters and wills of all sessions.
    session_bytes,
    /// Gauge: subscriptions of all sessions.
    subscriptions,
    /// Gauge: messages that wait for durable sessions, each counted once, and their bytes.
    stored_messages,
    stored_bytes,
    /// Gauge: retained messages, and their bytes.
    retained_messages,
    retained_bytes,
    /// Gauge: bytes of publishes taken in and not yet committed.
    inflight_bytes,
    /// Gauge: bytes of frames that have not wholly arrived.
    partial_bytes,
    /// Gauge: bytes waiting in subscribers' queues.
    queued_bytes,
    /// Sockets accepted.
    accepted,
    /// CONNECTs accepted.
    connects,
    /// Connections taken over by a newer one with the same client identifier.
    takeovers,
    bytes_in,
    bytes_out,
    /// Payloads of messages.
    payload_bytes_in,
    payload_bytes_out,
    /// MQTT packets of every kind.
    packets_in,
    packets_out,
    publish_in_qos0,
    publish_in_qos1,
    publish_in_qos2,
    /// QoS 2 publishes received again and answered without a second message.
    duplicates_in,
    publish_out_qos0,
    publish_out_qos1,
    publish_out_qos2,
    wills_published,
    /// Messages of shared subscriptions that went to another member because the first one went away.
    redistributed,
    /// QoS 0 publishes not taken because the pipeline stands still and the connection's share of memory is used up.
    dropped_in_qos0,
    /// Messages not queued for a connected subscriber whose queue was full.
    dropped_queue_full,
    /// Messages not kept for a durable session because its queue, or all of them together, were full.
    dropped_session_full,
    /// Messages that a session still had when it ended.
    dropped_session_end,
    /// Messages for durable sessions that the disk has lost.
    dropped_corrupt,
    /// Messages larger than the subscriber's maximum packet size.
    dropped_too_large,
    /// Messages whose expiry interval, or `queue_age_max`, ended before they were sent.
    dropped_expired,
    /// Messages left in the queue of a subscriber whose connection ended.
    dropped_disconnected,
    /// Publishes and subscriptions refused, messages not delivered and wills refused, since no rule allows them.
    denied_publish,
    denied_subscribe,
    denied_delivery,
    denied_will,
    /// CONNECTs or sockets refused, by reason.
    refused_limit,
    /// Connections closed because `connections_per_address_max` is reached.
    refused_address,
    /// Connections whose PROXY header, TLS or WebSocket handshake failed.
    handshake_failed,
    handshake_timeout,
    /// CONNECTs with a wrong user, password or token, or without one where one is needed.
    logins_failed,
    refused_protocol,
    refused_identifier,
    refused_credentials,
    refused_other,
    /// Connections that ended in each way.
    ended_by_client,
    ended_lost,
    ended_malformed,
    ended_protocol_error,
    ended_keep_alive,
    ended_connect_timeout,
    ended_write_timeout,
    ended_quota,
    ended_slow_subscriber,
    ended_shutdown,
    ended_revoked,
    /// Subscriptions refused because of `subscriptions_per_client_max` or `sessions_bytes_max`.
    subscriptions_refused,
    /// Messages not retained because of `retained_messages_max` or `retained_bytes_max`.
    retained_refused,
    /// Sessions asked for and not kept because `sessions_max` is reached.
    sessions_refused,
    /// Sessions dropped because their expiry passed.
    sessions_expired,
}

pub(super) fn set(gauge: &AtomicU64, value: usize) {
    gauge.store(value as u64, Relaxed);
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

pub(super) fn add(counter: &AtomicU64, amount: usize) {
    if amount > 0 {
        counter.fetch_add(amount as u64, Relaxed);
    }
}

pub(super) fn subtract(counter: &AtomicU64, amount: usize) {
    if amount > 0 {
        counter.fetch_sub(amount as u64, Relaxed);
    }
}

/// How the end of a connection is counted.
pub(super) fn count_end(counters: &Counters, end: End) {
    let counter = match end {
        End::Client => &counters.ended_by_client,
        End::Lost => &counters.ended_lost,
        End::Fault(fault) if fault.code == MALFORMED => &counters.ended_malformed,
        End::Fault(fault) if fault.code == QUOTA => &counters.ended_quota,
        End::Fault(_) => &counters.ended_protocol_error,
        End::KeepAlive => &counters.ended_keep_alive,
        End::NoProgress => &counters.ended_write_timeout,
        End::SlowSubscriber => &counters.ended_slow_subscriber,
        End::TakenOver => &counters.takeovers,
        End::Revoked | End::Expired => &counters.ended_revoked,
        End::ShutDown => &counters.ended_shutdown,
    };
    count(counter);
}
