//! Other MQTT brokers: where they are, as whom we come to them, and what is for whom.

use std::path::PathBuf;
use std::time::Duration;

use super::settings::{Level, TopicTemplate};

/// Another MQTT broker that takes records.
#[derive(Clone, Debug)]
pub struct MqttSink {
    pub peer: Peer,
    /// 0 or 1.
    pub qos: u8,
    /// The other broker keeps the last message of each topic.
    pub retain: bool,
}

/// Messages that another MQTT broker has for us, published here.
#[derive(Clone, Debug)]
pub struct Bridge {
    pub name: String,
    pub peer: Peer,
    /// 0 or 1.
    pub qos: u8,
    /// How long the other broker keeps what it has for us while we are away (MQTT 5).
    pub session_expiry: Duration,
    pub topics: Vec<BridgeTopic>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeTopic {
    pub from: Vec<Level>,
    /// The topic here; its columns are what `from` captures.
    pub to: TopicTemplate,
}

/// Another MQTT broker, and as whom we come to it.
#[derive(Clone, Debug)]
pub struct Peer {
    pub server: MqttServer,
    pub version: MqttVersion,
    pub client_id: String,
    pub keep_alive: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MqttVersion {
    V311,
    V5,
}

#[derive(Clone)]
pub struct MqttServer {
    pub host: String,
    pub port: u16,
    pub tls: Option<MqttServerTls>,
    pub user: Option<String>,
    pub password: Option<String>,
}

/// Never prints the password.
impl std::fmt::Debug for MqttServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let MqttServer { host, port, tls, user, .. } = self;
        write!(f, "MqttServer({host}:{port}, {tls:?}, {user:?})")
    }
}

/// PEM files.
#[derive(Clone, Debug)]
pub struct MqttServerTls {
    /// Whose certificate the server must have; `None`: one of those that this machine trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}
