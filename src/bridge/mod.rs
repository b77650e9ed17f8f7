//! Bridges: messages that another MQTT broker has for us are published here.
//!
//! A bridge is a client of the other broker with a session that outlives its connections. What arrives goes into the
//! pipeline like a device's publish, under the topic that the configuration makes of its own, and is acknowledged to the
//! other broker once it is committed here. So at QoS 1 nothing is lost whoever dies; what was committed and not yet
//! acknowledged comes again.
//!
//! Holds always: acknowledgements go out in the order of the messages (MQTT-4.6.0-2); what is taken in and not yet
//! committed is bounded. Knows nothing of sources, queries or sinks.

#![allow(clippy::disallowed_methods)] // Sockets have deadlines.

mod line;
mod status;
mod topics;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::broker::Inbound;
use crate::client::{self, ClientError, Hello};
use crate::config::{self, Level};
use crate::delivery::Backoff;
use crate::store::{Commit, Writer};
use line::{Line, MESSAGES_MAX};
pub use status::{BridgeReport, BridgeStatus};

const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Key of the topic filters that the other broker's session may hold, in the store's meta: a line each.
pub fn filters_key(bridge: &str) -> String {
    format!("bridge/{bridge}/filters")
}

/// What a bridge is started with.
pub struct Setup {
    pub bridge: config::Bridge,
    /// A larger message from the other broker is not taken.
    pub packet_bytes_max: usize,
    pub topic_levels_max: usize,
    /// What the store has under [`filters_key`].
    pub filters: Option<Vec<u8>>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum BridgeError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the broker closed the connection: {0}")]
    Disconnected(client::Reason),
    #[error("the broker refuses the subscription to {filter:?} ({code:#04x}){text}")]
    Subscription { filter: String, code: u8, text: String },
    #[error("the broker said nothing for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the store: {0}")]
    Store(String),
    #[error("the pipeline has ended")]
    Ended,
}

/// Takes messages in until `stop` turns true.
pub async fn run(
    setup: Setup,
    writer: Writer,
    to_pipeline: mpsc::Sender<Inbound>,
    status: Arc<BridgeStatus>,
    mut stop: watch::Receiver<bool>,
) {
    let filters = setup.filters.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let known = filters.lines().map(str::to_owned).collect();
    let mut bridge = Bridge { setup, writer, to_pipeline, status, known };
    let mut backoff = Backoff::new(BACKOFF_FIRST, BACKOFF_MAX);
    while !*stop.borrow() {
        let before = bridge.status.report().received;
        let Some(error) = bridge.session(&mut stop).await else { break };
        if bridge.status.report().received > before {
            backoff.succeeded();
        }
        bridge.status.fails(&bridge.setup.bridge.name, &error.to_string());
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(backoff.next(chance())) => {}
        }
    }
    bridge.status.stops();
}

/// Uniform in 0..1, for the jitter of back-off.
fn chance() -> f64 {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}

struct Bridge {
    setup: Setup,
    writer: Writer,
    to_pipeline: mpsc::Sender<Inbound>,
    status: Arc<BridgeStatus>,
    /// Filters that the session at the other broker may hold.
    known: BTreeSet<String>,
}

impl Bridge {
    /// One connection. `None`: told to stop.
    async fn session(&mut self, stop: &mut watch::Receiver<bool>) -> Option<BridgeError> {
        let connected = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return None,
            connected = self.connect() => connected,
        };
        let mut line = match connected {
            Ok(line) => line,
            Err(error) => return Some(error),
        };
        let outcome = line.serve(&self.to_pipeline, stop).await;
        if line.is_subscribed() {
            // What is still remembered after a crash is unsubscribed once more, which harms nobody.
            self.known = self.wanted();
        }
        let remembered = self.remember().await;
        outcome.and(remembered).err()
    }

    fn wanted(&self) -> BTreeSet<String> {
        self.setup.bridge.topics.iter().map(|topic| Level::filter(&topic.from)).collect()
    }

    async fn connect(&mut self) -> Result<Line, BridgeError> {
        let bridge = &self.setup.bridge;
        let peer = &bridge.peer;
        let seconds = |time: Duration| time.as_secs();
        let hello = Hello {
            version: peer.version,
            client_id: &peer.client_id,
            clean: false,
            keep_alive_s: u16::try_from(seconds(peer.keep_alive)).unwrap_or(u16::MAX),
            session_expiry_s: u32::try_from(seconds(bridge.session_expiry)).unwrap_or(u32::MAX),
            receive_max: MESSAGES_MAX as u16,
            packet_bytes_max: u32::try_from(self.setup.packet_bytes_max).unwrap_or(u32::MAX),
        };
        let (sender, receiver, welcome) = client::connect(&peer.server, &hello).await?;
        let keep_alive = welcome.keep_alive_s.filter(|s| *s > 0).map(|s| Duration::from_secs(s.into()));
        let keep_alive = keep_alive.unwrap_or(peer.keep_alive);
        let mut line = Line::new(&self.setup, Arc::clone(&self.status), sender, receiver, keep_alive);
        if !welcome.session_present {
            self.known.clear();
        }
        // Before the other broker can hold a subscription, the store knows of it.
        let wanted = self.wanted();
        let gone: Vec<String> = self.known.difference(&wanted).cloned().collect();
        self.known.extend(wanted.iter().cloned());
        self.remember().await?;
        line.subscribe(wanted.into_iter().collect(), &gone).await?;
        Ok(line)
    }

    async fn remember(&mut self) -> Result<(), BridgeError> {
        let text: String = self.known.iter().map(|filter| format!("{filter}\n")).collect();
        let bytes = text.into_bytes();
        if self.setup.filters.as_ref() == Some(&bytes) {
            return Ok(());
        }
        let meta = vec![(filters_key(&self.setup.bridge.name), Some(bytes.clone()))];
        let commit = Commit { meta, ..Commit::default() };
        self.writer.maintain(commit).await.map_err(|error| BridgeError::Store(error.to_string()))?;
        self.setup.filters = Some(bytes);
        Ok(())
    }
}
