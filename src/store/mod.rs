//! SQLite: logs of blocks, cursors, snapshots, counters, MQTT session rows. One file per table.
//!
//! One writer connection, on a thread of its own ([`Writer`]); readers have theirs ([`Reader`]) and hold no read
//! transaction across a wait. Knows nothing of MQTT, SQL or Kafka: a record is bytes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::Millis;

/// What the store is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    /// Hard cap on everything under `data_dir`, WAL and reserve included.
    pub size_max_bytes: u64,
    pub commit_interval: Duration,
    /// Every log that will be appended to. Logs of earlier runs that are not named are kept and listed in `Opened`.
    pub logs: Vec<LogSettings>,
}

#[derive(Clone, Debug)]
pub struct LogSettings {
    pub name: String,
    /// This log's share of `size_max_bytes`.
    pub share_max_bytes: u64,
    pub overflow: Overflow,
    /// Readers whose cursors hold blocks back; with none, only `retain` does.
    pub readers: Vec<String>,
    /// Blocks older than this (by tick time) may go even if no reader needs them any longer; younger ones stay.
    pub retain: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    DropOldest,
    DropNewest,
    Block,
}

/// Position of a log in `Settings::logs`.
pub type LogId = usize;

/// One transaction. An empty one writes nothing.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    pub appends: Vec<Append>,
    pub cursors: Vec<CursorMove>,
    /// Added to the durable counters; keys are `name{label="value"}` texts, sorted by the map.
    pub counters: BTreeMap<String, u64>,
    /// The whole engine at this tick; replaces the one before.
    pub snapshot: Option<Snapshot>,
    /// Small named values: `None` deletes.
    pub meta: Vec<(String, Option<Vec<u8>>)>,
    /// Changes of the inbound QoS 2 packet ids kept for clients.
    pub sessions: Vec<SessionChange>,
}

/// Records for one log, at most one append a log in a commit.
#[derive(Clone, Debug)]
pub struct Append {
    pub log: LogId,
    pub tick: Millis,
    pub records: Records,
    /// Counter keys to raise if this append is refused under `drop_newest` (with the number of records).
    pub refused_counter: String,
}

/// Records, one after the other, each with its length before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    pub count: u32,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct CursorMove {
    pub log: LogId,
    pub reader: String,
    /// The next offset this reader wants. Never goes back, unless `rewind`.
    pub offset: u64,
    pub rewind: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The next offset of the journal after the tick it was taken at.
    pub journal_offset: u64,
    /// Name of the section (`source/telemetry`, `query/hot`, `clock`), fingerprint, state.
    pub sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub name: String,
    pub fingerprint: Vec<u8>,
    pub state: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// The client has a session from now on; what is there stays.
    Open {
        client: String,
        expiry_s: u32,
        now: Millis,
    },
    /// Its connection ended; the expiry runs from `now`.
    Closed {
        client: String,
        now: Millis,
    },
    /// Clean start, or expired: all of it goes.
    Drop {
        client: String,
    },
    /// A QoS 2 PUBLISH was taken; the id stays until its PUBREL.
    Received {
        client: String,
        packet_id: u16,
    },
    Released {
        client: String,
        packet_id: u16,
    },
}
