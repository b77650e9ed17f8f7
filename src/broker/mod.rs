//! The MQTT broker: connections check what clients send and hand it to the pipeline, which gives it to the [`Hub`] in the
//! order in which it is committed; what the hub answers leaves after the commit.
//!
//! What holds always:
//! - Whatever a client is told (CONNACK, SUBACK, PUBACK, PUBREC, PUBREL, PUBCOMP, a message of a durable session) leaves
//!   only after [`Link::committed`] covers its item or [`After::release`] its tick, answers in the order of their packets.
//! - Nothing waits for a subscriber: one that does not keep up loses QoS 0 messages (counted); at QoS 1 and 2 its session
//!   waits for it or, where none outlives the connection, it is disconnected.
//! - Whatever a client sends, what it can make the broker hold is bounded by the settings.
//!
//! Knows nothing of sources, SQL or Kafka, and of the store rows alone.

#![allow(clippy::disallowed_methods)] // Sockets have deadlines, and anonymous clients random names.

mod accept;
pub mod access;
mod aliases;
mod connect;
mod connection;
mod frame;
mod hub;
mod inbound;
mod link;
mod listener;
mod metrics;
mod outbox;
mod packets;
mod partial;
mod proxy;
mod reason;
mod reload;
mod socket;
mod stream;
mod tables;
pub mod tls;
mod websocket;
mod wire;

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};

use crate::config::{self, Address, BrokerLimits};
use crate::model::Millis;
use crate::store::Reader;
use accept::PerAddress;
use access::{Access, AccessError};
use link::Order;
use metrics::Counters;
use outbox::Delivery;
use tls::TlsError;

pub use access::TrustedClock;
pub use hub::{After, Hub, Restored};
pub use inbound::{Control, Inbound, Item, Publish};
pub use link::Link;
pub use metrics::BrokerMetrics;

/// Connections that have not ended by then when the broker stops are left to the process's end.
const STOP_MAX: Duration = Duration::from_secs(1);

/// A connection's share of a limit that is for all of them is this much at least.
const SHARE_BYTES_MIN: usize = 64 << 10;

/// How often a warning is logged at most: a flood of bad clients must not flood the log.
const WARN_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {error}; {help}")]
    Bind { address: Address, error: std::io::Error, help: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Reads every file that the broker would, as `tidegate check` does, and gives what is wrong with each.
pub fn check_files(settings: &config::Broker) -> Vec<StartError> {
    let mut wrong = Vec::new();
    for listener in &settings.listeners {
        if let config::Transport::Tcp { tls: Some(tls), .. } = &listener.transport {
            wrong.extend(tls::Tls::new(tls.clone()).err().map(StartError::from));
        }
    }
    wrong.extend(Access::new(&settings.access, Arc::new(|| None)).err().map(StartError::from));
    wrong
}

/// What all connections and the hub share.
struct Shared {
    limits: BrokerLimits,
    counters: Arc<Counters>,
    to_pipeline: mpsc::Sender<Inbound>,
    /// Every connection that the hub knows of.
    links: Mutex<HashMap<u64, Arc<Link>>>,
    access: Access,
    /// Connections of each address.
    addresses: Mutex<PerAddress>,
    /// The second of now, and how many sockets it brought.
    second: Mutex<(Instant, u32)>,
    stop: watch::Receiver<bool>,
    warned: Mutex<Option<Instant>>,
    /// Messages of shared subscriptions whose member was gone when they came out of their commit.
    returned: Mutex<Vec<Delivery>>,
}

impl Shared {
    fn new(
        limits: BrokerLimits,
        access: Access,
        to_pipeline: mpsc::Sender<Inbound>,
        stop: watch::Receiver<bool>,
    ) -> Shared {
        Shared {
            limits,
            counters: Arc::default(),
            to_pipeline,
            links: Mutex::default(),
            access,
            addresses: Mutex::default(),
            second: Mutex::new((Instant::now(), 0)),
            stop,
            warned: Mutex::default(),
            returned: Mutex::default(),
        }
    }

    fn links(&self) -> MutexGuard<'_, HashMap<u64, Arc<Link>>> {
        // Nothing under this lock can panic half-way.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn returned(&self) -> MutexGuard<'_, Vec<Delivery>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn per_address(&self) -> MutexGuard<'_, PerAddress> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more socket of this second, unless there were too many already.
    fn admits_this_second(&self) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.0.elapsed() >= Duration::from_secs(1) {
            *second = (Instant::now(), 0);
        }
        second.1 = second.1.saturating_add(1);
        second.1 <= self.limits.connections_per_second_max
    }

    /// Reads users, rules and keys again, and ends the connections of users who are no more.
    fn reload_access(&self, settings: Option<&config::Access>) -> Result<(), AccessError> {
        self.access.reload(settings)?;
        self.links().values().for_each(|link| self.end_if_unknown(link));
        Ok(())
    }

    /// Ends the connection if its user is no more.
    fn end_if_unknown(&self, link: &Link) {
        if link.login.get().is_some_and(|user| !self.access.still_known(user)) {
            link.order(Order::Revoked);
        }
    }

    /// Ends the connections whose tokens have expired meanwhile.
    fn end_expired(&self) {
        for link in self.links().values() {
            if link.until_s.get().is_some_and(|until_s| self.access.is_over(*until_s)) {
                link.order(Order::Expired);
            }
        }
    }

    /// A connection's share of what all of them together may hold.
    fn share_of(&self, limit: usize) -> usize {
        let connections = usize::try_from(self.counters.connections.load(Relaxed)).unwrap_or(usize::MAX);
        (limit / connections.max(1)).max(SHARE_BYTES_MIN)
    }

    /// What of a connection may wait to be committed.
    fn share_bytes(&self) -> usize {
        self.share_of(self.limits.inflight_bytes_max)
    }

    /// What a connected client's queue may hold: all of its own limit, or its share where all of them together, with so
    /// many bytes more, are at theirs. So those who read nothing cost nobody else a message.
    fn queue_share_bytes(&self, more: usize) -> usize {
        let BrokerLimits { queue_bytes_max, outgoing_bytes_max, .. } = self.limits;
        if self.counters.queued_bytes.load(Relaxed) as usize + more <= outgoing_bytes_max {
            return queue_bytes_max;
        }
        self.share_of(outgoing_bytes_max).min(queue_bytes_max)
    }

    /// Logs a warning, unless another was logged a moment ago.
    fn warn(&self, text: impl FnOnce() -> String) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|last| last.elapsed() >= WARN_EVERY) {
            *warned = Some(Instant::now());
            log::warn!("{}", text());
        }
    }
}

/// The running broker, as seen from outside the pipeline.
pub struct Broker {
    addresses: Vec<Address>,
    shared: Arc<Shared>,
}

impl Broker {
    /// Binds the listeners and starts to accept. `restored` is what the store kept, and `reader` reads from it. When
    /// `stop` turns true, nothing new is accepted or read any more; answers still go out until [`Broker::stop`].
    /// `clock` says whether a token has expired.
    pub async fn start(
        settings: &config::Broker,
        clock: TrustedClock,
        (restored, reader): (Restored, Reader),
        to_pipeline: mpsc::Sender<Inbound>,
        stop: watch::Receiver<bool>,
    ) -> Result<(Broker, Hub), StartError> {
        if restored.damaged > 0 {
            log::warn!("{} rows of the broker's tables are damaged: what they held is lost", restored.damaged);
        }
        let access = Access::new(&settings.access, clock)?;
        let shared = Arc::new(Shared::new(settings.limits.clone(), access, to_pipeline, stop));
        let hub = Hub::new(Arc::clone(&shared), reader, restored, Instant::now(), wall_millis());
        let mut doors = Vec::new();
        for listener in &settings.listeners {
            let (door, socket) = accept::open(listener).await?;
            let door = Arc::new(door);
            doors.push(Arc::clone(&door));
            tokio::spawn(accept::run(Arc::clone(&shared), door, socket));
        }
        let addresses = doors.iter().map(|door| door.address.clone()).collect();
        tokio::spawn(reload::watch(Arc::clone(&shared), doors));
        Ok((Broker { addresses, shared }, hub))
    }

    /// Where it listens, in the order of the settings (with the real port where 0 was asked for).
    pub fn addresses(&self) -> Vec<Address> {
        self.addresses.clone()
    }

    /// Takes over users, rules and keys of new settings; what is wrong with them leaves everything as it was.
    pub fn reload(&self, access: &config::Access) -> Result<(), StartError> {
        Ok(self.shared.reload_access(Some(access))?)
    }

    pub fn metrics(&self) -> BrokerMetrics {
        self.shared.counters.read()
    }

    /// Ends all connections (v5: with "server shutting down") and returns when they are gone.
    pub async fn stop(&self) {
        let all = async {
            loop {
                let links: Vec<_> = self.shared.links().values().cloned().collect();
                if links.is_empty() {
                    return;
                }
                links.iter().for_each(|link| link.order(Order::ShutDown));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(STOP_MAX, all).await;
    }
}

fn wall_millis() -> Millis {
    crate::model::unix_millis(SystemTime::now())
}

/// For `fuzz/` alone.
#[cfg(fuzzing)]
pub mod fuzzing {
    use std::time::Instant;

    use bytes::Bytes;

    use super::connect::{self, Version};
    use super::frame::{self, Cut};
    use super::packets;
    use crate::config::BrokerLimits;

    /// Cuts and reads every packet of the bytes, as each version.
    pub fn read_all(bytes: &[u8]) {
        let limits = BrokerLimits::default();
        let mut at = 0;
        while let Ok(Cut::Whole { header, length }) = frame::cut(&bytes[at..], limits.packet_bytes_max) {
            assert!(header < length + 1 && at + length <= bytes.len());
            let whole = Bytes::copy_from_slice(&bytes[at..at + length]);
            let _ = connect::read(&whole, header, &limits);
            for version in [Version::V4, Version::V5] {
                let _ = packets::read(&whole, header, version, &limits, Instant::now());
            }
            at += length;
        }
    }
}
