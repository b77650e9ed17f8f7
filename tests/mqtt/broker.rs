//! A gateway for broker tests: one source that takes `in/#`-like topics, and as many `[broker]` settings as a test likes.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use rusqlite::Connection;

use crate::gateway::{Gateway, metric};

/// Every topic of three levels below `in` is a row of the source `s`, so `tidegate_in_total` counts messages durably.
pub const SOURCE: &str = "\n[source.s]\nmqtt = \"in/{test}/{name}\"\nformat = \"raw\"\n";

pub struct Broker {
    gateway: Gateway,
    directory: tempfile::TempDir,
}

impl Deref for Broker {
    type Target = Gateway;
    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl DerefMut for Broker {
    fn deref_mut(&mut self) -> &mut Gateway {
        &mut self.gateway
    }
}

impl Broker {
    pub fn start() -> Broker {
        Broker::with("")
    }

    /// With lines for the table `[broker]`. Tests connect as fast as they can, so the limit on that is out of the way
    /// unless it is the test's subject.
    pub fn with(settings: &str) -> Broker {
        let rate =
            if settings.contains("connections_per_second_max") { "" } else { "connections_per_second_max = 100000\n" };
        Broker::configured(&format!("[broker]\n{rate}{settings}\n{SOURCE}"))
    }

    /// With everything behind the listener.
    pub fn configured(configuration: &str) -> Broker {
        let directory = tempfile::tempdir().expect("a directory");
        let mut gateway = Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory.path(), configuration);
        gateway.start();
        Broker { gateway, directory }
    }

    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("tidegate.toml")
    }

    /// A gauge or counter of the broker, by its name behind `tidegate_broker_`.
    pub fn count(&self, name: &str) -> u64 {
        metric(&self.metrics(), &format!("tidegate_broker_{name}")) as u64
    }

    /// Messages that the source took, as committed.
    pub fn taken(&self) -> u64 {
        metric(&self.metrics(), "tidegate_in_total{source=\"s\"}") as u64
    }

    /// What a connection handed over before it ended is committed a moment after it is gone.
    pub fn wait_until_taken(&self, wanted: u64) {
        let key = "tidegate_in_total{source=\"s\"}";
        self.wait_for(&format!("{wanted} messages taken"), |metrics| metric(metrics, key) as u64 == wanted);
    }

    pub fn wait_for_count(&self, name: &str, wanted: u64) {
        let key = format!("tidegate_broker_{name}");
        self.wait_for(&format!("{name} = {wanted}"), |metrics| metric(metrics, &key) as u64 == wanted);
    }

    /// Waits until nothing is held for anybody any more.
    pub fn wait_until_empty(&self) {
        for gauge in ["sockets", "connections", "subscriptions", "inflight_bytes", "partial_bytes", "queued_bytes"] {
            self.wait_for_count(gauge, 0);
        }
    }

    /// And no session, with nothing in it.
    pub fn wait_until_nothing_is_kept(&self) {
        self.wait_until_empty();
        for gauge in ["sessions", "session_ids", "session_bytes", "stored_messages", "stored_bytes"] {
            self.wait_for_count(gauge, 0);
        }
    }

    /// Sockets and files that the process has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it runs").count()
    }

    /// Memory that the process holds.
    pub fn resident_bytes(&self) -> u64 {
        metric(&self.metrics(), "tidegate_resident_bytes") as u64
    }

    /// While this lives, nothing can be committed: another connection holds the database's write lock. To be let go
    /// well before the store's busy time-out of ten seconds, after which it gives up.
    pub fn hold_commits(&self) -> HeldCommits {
        let connection = Connection::open(self.directory.path().join("data/tidegate.db")).expect("the database opens");
        connection.busy_timeout(crate::gateway::PATIENCE).expect("an option of the connection");
        connection.execute_batch("BEGIN IMMEDIATE").expect("the lock is had");
        HeldCommits(connection)
    }
}

pub struct HeldCommits(Connection);

impl HeldCommits {
    pub fn release(self) {
        self.0.execute_batch("ROLLBACK").expect("the lock is let go");
    }
}
