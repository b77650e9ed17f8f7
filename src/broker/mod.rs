//! The MQTT front-end: sockets in, validated publishes to the pipeline, committed messages out to live subscribers.
//!
//! What holds always:
//! - A PUBACK, PUBREC or (for durable sessions) PUBCOMP leaves only after [`Acks::committed`] covers its item, and in
//!   the order in which the packets came.
//! - [`Broker::deliver`] never waits: a subscriber that does not keep up loses QoS 0 messages (counted) or, at QoS 1,
//!   its connection.
//! - Whatever a client sends, what it can make the broker hold is bounded by the settings.
//!
//! Knows nothing of sources, SQL, Kafka or SQLite: what must be durable leaves as an [`Item`].

#![allow(clippy::disallowed_methods)] // Sockets have deadlines, and anonymous clients random names.

mod acks;
mod connect;
mod connection;
mod frame;
mod inbound;
mod listener;
mod metrics;
mod outbox;
mod packets;
mod partial;
mod reason;
mod sessions;
mod subscriptions;
mod wire;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::config::{self, BrokerLimits};
use crate::model::Millis;
use crate::store::StoredSession;
use acks::Order;
use listener::Connected;
use metrics::{Counters, add, count};
use outbox::{Offered, Outgoing};
use sessions::Away;
use subscriptions::Tree;

pub use acks::Acks;
pub use inbound::{Inbound, Item, Properties, Publish};
pub use metrics::BrokerMetrics;

/// Connections that have not ended by then when the broker stops are left to the process's end.
const STOP_MAX: Duration = Duration::from_secs(1);
/// How often expired sessions are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {error}; is another broker running there?")]
    Bind { address: SocketAddr, error: std::io::Error },
}

/// What all connections share.
struct Shared {
    limits: BrokerLimits,
    counters: Counters,
    to_pipeline: mpsc::Sender<Inbound>,
    clients: Mutex<HashMap<String, Connected>>,
    away: Mutex<Away>,
    tree: RwLock<Tree>,
    stop: watch::Receiver<bool>,
    warned: Mutex<Option<Instant>>,
}

impl Shared {
    // Nothing under these locks can panic half-way, so a poisoned one is as good as any.
    fn clients(&self) -> MutexGuard<'_, HashMap<String, Connected>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn away(&self) -> MutexGuard<'_, Away> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tree(&self) -> RwLockReadGuard<'_, Tree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tree_mut(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn share_bytes(&self) -> usize {
        connection::share_bytes(self.limits.inflight_bytes_max, self.counters.connections.load(Relaxed))
    }

    /// An upper bound: every connected client may have a durable session.
    fn durable_sessions(&self) -> usize {
        self.counters.connections.load(Relaxed) as usize
    }

    fn measure_sessions(&self) {
        let away = self.away();
        self.counters.sessions.store(away.len() as u64, Relaxed);
        self.counters.session_ids.store(away.ids() as u64, Relaxed);
    }

    /// Logs a warning, unless another was logged within `every`: a flood of bad clients must not flood the log.
    fn warn(&self, every: Duration, text: impl FnOnce() -> String) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|last| last.elapsed() >= every) {
            *warned = Some(Instant::now());
            log::warn!("{}", text());
        }
    }
}

/// The running broker.
pub struct Broker {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

impl Broker {
    /// Binds the listeners and starts to accept. `sessions` are those the store kept. When `stop` turns true, nothing
    /// new is accepted or read any more; acknowledgements still go out until [`Broker::stop`].
    pub async fn start(
        settings: &config::Broker,
        sessions: Vec<StoredSession>,
        to_pipeline: mpsc::Sender<Inbound>,
        stop: watch::Receiver<bool>,
    ) -> Result<Broker, StartError> {
        let shared = Arc::new(Shared {
            limits: settings.limits.clone(),
            counters: Counters::default(),
            to_pipeline,
            clients: Mutex::default(),
            away: Mutex::new(Away::new(sessions, wall_millis())),
            tree: RwLock::default(),
            stop,
            warned: Mutex::default(),
        });
        shared.measure_sessions();
        let mut addresses = Vec::new();
        for listener in &settings.listeners {
            let bind = |error| StartError::Bind { address: listener.bind, error };
            let socket = TcpListener::bind(listener.bind).await.map_err(bind)?;
            addresses.push(socket.local_addr().map_err(bind)?);
            tokio::spawn(listener::accept(Arc::clone(&shared), socket, listener.allow_anonymous));
        }
        tokio::spawn(expire(Arc::clone(&shared)));
        Ok(Broker { addresses, shared })
    }

    /// Where it listens, in the order of the settings (with the real port where 0 was asked for).
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// Whether anybody would get anything from [`Broker::deliver`].
    pub fn has_subscribers(&self) -> bool {
        self.shared.counters.subscriptions.load(Relaxed) > 0
    }

    /// Puts a committed message into the queues of the subscribers it matches, once each. Never waits.
    pub fn deliver(&self, publish: &Publish) {
        let tree = self.shared.tree();
        let mut found = tree.find(publish.topic_str());
        // A client with several matching subscriptions gets the message once, at the best of them.
        found.sort_by_key(|subscription| {
            (Arc::as_ptr(&subscription.outbox) as usize, std::cmp::Reverse(subscription.qos))
        });
        found.dedup_by_key(|subscription| Arc::as_ptr(&subscription.outbox));
        let counters = &self.shared.counters;
        for subscription in found {
            if subscription.no_local && subscription.outbox.client == publish.client {
                continue;
            }
            let outgoing = Outgoing {
                publish: publish.clone(),
                qos: subscription.qos.min(publish.qos),
                retain: subscription.retain_as_published && publish.retain,
            };
            match subscription.outbox.offer(outgoing) {
                Offered::Queued => add(&counters.queued_bytes, publish.held_bytes()),
                Offered::Dropped | Offered::Overflowed => count(&counters.dropped_queue_full),
            }
        }
    }

    pub fn metrics(&self) -> BrokerMetrics {
        self.shared.counters.read()
    }

    /// Ends all connections (v5: with "server shutting down") and returns when they are gone.
    pub async fn stop(&self) {
        let gone: Vec<_> = {
            let clients = self.shared.clients();
            clients.values().for_each(|client| client.acks.order(Order::ShutDown));
            clients.values().map(|client| client.gone.clone()).collect()
        };
        let all = async {
            for mut gone in gone {
                // An error says that the task is gone already.
                let _ = gone.wait_for(|gone| *gone).await;
            }
        };
        let _ = tokio::time::timeout(STOP_MAX, all).await;
    }
}

/// Drops sessions whose clients stayed away too long.
async fn expire(shared: Arc<Shared>) {
    let mut stop = shared.stop.clone();
    loop {
        tokio::select! {
            () = tokio::time::sleep(EXPIRE_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let changes = shared.away().expire(wall_millis());
        if changes.is_empty() {
            continue;
        }
        add(&shared.counters.sessions_expired, changes.len());
        shared.measure_sessions();
        let items = changes.into_iter().map(Item::Session).collect();
        if shared.to_pipeline.send(Inbound { connection: Acks::new(), items }).await.is_err() {
            return;
        }
    }
}

fn wall_millis() -> Millis {
    crate::model::unix_millis(SystemTime::now())
}
