//! The checked configuration: what the rest of the program reads. Nothing after start looks at the raw text again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use super::peer::{Bridge, BridgeTopic, MqttServer, MqttServerTls, MqttSink, MqttVersion, Peer};
use crate::model::{DataType, Millis, Schema};
use crate::plan::{Node, Topology};

#[derive(Clone, Debug)]
pub struct Settings {
    pub gateway: Gateway,
    pub store: Store,
    pub admin: Admin,
    pub log_level: log::LevelFilter,
    pub broker: Broker,
    /// In order of name; `topology.sources` has the same indices.
    pub sources: Vec<Source>,
    /// Views, and queries that others read: each after what it reads. They are inlined in `topology`.
    pub views: Vec<View>,
    /// In order of name; `topology.tables` has the same indices.
    pub tables: Vec<Table>,
    /// In order of name; `topology.queries` has the same indices.
    pub queries: Vec<Query>,
    /// In order of name.
    pub sinks: Vec<Sink>,
    /// In order of name.
    pub bridges: Vec<Bridge>,
    pub topology: Topology,
    /// What is allowed but probably not meant.
    pub warnings: Vec<super::Problem>,
}

#[derive(Clone, Debug)]
pub struct Gateway {
    pub id: String,
    pub region: String,
    pub data_dir: PathBuf,
    pub clock: Clock,
}

/// When the wall clock is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// When the kernel says that it is synchronised.
    Kernel,
    /// Always: the box has a battery-backed clock.
    Rtc,
}

#[derive(Clone, Debug)]
pub struct Store {
    /// Hard cap on everything under `data_dir`, WAL and reserve included.
    pub size_max_bytes: u64,
    /// How long ingested messages are kept beyond what replay needs; zero keeps none.
    pub keep_raw: Duration,
    /// Least time between two commits; zero commits as fast as fsync allows.
    pub commit_interval: Duration,
    /// The ingest journal's share of `size_max_bytes`: what the sinks leave of it.
    pub journal_share_max_bytes: u64,
    /// Share of the dead letters, and share of the invalid payloads.
    pub dead_share_max_bytes: u64,
    pub invalid_share_max_bytes: u64,
}

#[derive(Clone, Debug)]
pub struct Admin {
    /// `/metrics` and `/healthz`; `None` when switched off (`listen = ""`).
    pub listen: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
pub struct Broker {
    pub listeners: Vec<Listener>,
    pub access: Access,
    pub limits: BrokerLimits,
}

#[derive(Clone, Debug)]
pub struct Listener {
    pub transport: Transport,
    pub allow_anonymous: bool,
}

/// The layers of a listener's stream, from the outside in.
#[derive(Clone, Debug)]
pub enum Transport {
    Tcp {
        bind: SocketAddr,
        /// A PROXY protocol header (version 2) comes before anything else.
        proxy_protocol: bool,
        tls: Option<Tls>,
        /// MQTT over WebSocket, at this path.
        websocket: Option<String>,
    },
    Unix {
        path: PathBuf,
        /// The socket file's permissions.
        mode: u32,
    },
}

impl Transport {
    pub fn address(&self) -> Address {
        match self {
            Transport::Tcp { bind, .. } => Address::Ip(*bind),
            Transport::Unix { path, .. } => Address::Unix(path.clone()),
        }
    }
}

/// Where a listener is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Ip(SocketAddr),
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Ip(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Files in PEM, read again when they change.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The server's certificate, then those that lead to its CA.
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub clients: Option<ClientCertificates>,
}

/// Mutual TLS.
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    pub ca: PathBuf,
    /// A list of certificates that are revoked.
    pub revoked: Option<PathBuf>,
    /// Whether a client without a certificate is turned away.
    pub required: bool,
    pub user: CertificateUser,
}

/// Which name in a client's certificate is its user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateUser {
    /// None: the client logs in besides.
    Off,
    CommonName,
    /// The first DNS name, e-mail address or URI of the alternative names.
    AlternativeName,
}

/// Who may come in, and what they may do there.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Name to argon2 hash.
    pub users: BTreeMap<String, String>,
    /// More of them, a `name:hash` a line.
    pub password_file: Option<PathBuf>,
    pub token: Option<Token>,
    /// What is allowed; `None`: everything, to whoever came in.
    pub rules: Option<Vec<AclRule>>,
}

impl Access {
    /// Without any, user names and passwords mean nothing.
    pub fn has_logins(&self) -> bool {
        !self.users.is_empty() || self.password_file.is_some() || self.token.is_some()
    }
}

/// JSON web tokens as passwords.
#[derive(Clone, Debug)]
pub struct Token {
    /// The public key of whoever signs them, in PEM.
    pub public_key: PathBuf,
    /// The claim that is the user name.
    pub user_claim: String,
    pub audience: Option<String>,
    pub issuer: Option<String>,
}

/// Topic filters, in which `%c` is the client identifier and `%u` the user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclRule {
    pub who: Who,
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Everyone,
    /// Whoever came in without a name.
    Anonymous,
    /// Names; a `*` at the end stands for any end.
    Users(Vec<String>),
}

/// Every bound of the broker. Names are those of the configuration's `[broker]` table, where durations are written
/// "10s" and sizes "256KiB".
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerLimits {
    pub connections_max: usize,
    pub connections_per_second_max: u32,
    /// Of one IP address (IPv6: one /64); loopback addresses are not counted.
    pub connections_per_address_max: usize,
    /// For PROXY header, TLS and WebSocket together.
    pub handshake_timeout: Duration,
    pub connect_timeout: Duration,
    pub write_timeout: Duration,
    pub packet_bytes_max: usize,
    /// Unacknowledged publishes a connection may have.
    pub inflight_max: u16,
    /// Bytes of unacknowledged publishes over all connections.
    pub inflight_bytes_max: usize,
    pub subscriptions_per_client_max: usize,
    pub topic_levels_max: usize,
    pub properties_bytes_max: usize,
    /// Messages and bytes waiting for one subscriber, connected or away, and for how long at most.
    pub queue_messages_max: usize,
    pub queue_bytes_max: usize,
    pub queue_age_max: Duration,
    /// Bytes that wait for all connected clients together.
    pub outgoing_bytes_max: usize,
    /// Messages and bytes that wait for all sessions of clients which may come back, each message counted once.
    pub stored_messages_max: usize,
    pub stored_bytes_max: usize,
    pub retained_messages_max: usize,
    pub retained_bytes_max: usize,
    /// Topic aliases that a v5 client may use.
    pub topic_aliases_max: u16,
    /// Sessions that outlive their connections, and for how long at most.
    pub sessions_max: usize,
    pub session_expiry_max: Duration,
    /// Topic filters and wills of all sessions.
    pub sessions_bytes_max: usize,
    /// The longest keep-alive; a v5 client that asks for more, or for none, is told this. Zero: whatever the client says.
    pub keep_alive_max: Duration,
}

impl Default for BrokerLimits {
    fn default() -> BrokerLimits {
        BrokerLimits {
            connections_max: 1_000,
            connections_per_second_max: 200,
            connections_per_address_max: 500,
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(20),
            packet_bytes_max: 1 << 20,
            inflight_max: 100,
            inflight_bytes_max: 64 << 20,
            subscriptions_per_client_max: 100,
            topic_levels_max: 32,
            properties_bytes_max: 16 << 10,
            queue_messages_max: 1_000,
            queue_bytes_max: 1 << 20,
            queue_age_max: Duration::from_secs(7 * 86_400),
            outgoing_bytes_max: 64 << 20,
            stored_messages_max: 100_000,
            stored_bytes_max: 64 << 20,
            retained_messages_max: 100_000,
            retained_bytes_max: 32 << 20,
            topic_aliases_max: 32,
            sessions_max: 10_000,
            session_expiry_max: Duration::from_secs(7 * 86_400),
            sessions_bytes_max: 32 << 20,
            keep_alive_max: Duration::ZERO,
        }
    }
}

/// A stream of rows. Its columns and its watermark rule stand in `Topology::sources[i]` under the same index.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub input: Input,
    pub format: Format,
    /// The row as it is decoded: captures first, then the declared columns, then `arrived_at` where there is no
    /// `event_time`. Columns that are computed from them stand in `topology` only.
    pub schema: Schema,
    /// How many leading columns of `schema` are captured from the topic (or, for Modbus, the device's name).
    pub captures: usize,
    /// Whether the last column is `arrived_at`.
    pub arrived_at: bool,
}

#[derive(Clone, Debug)]
pub enum Input {
    /// The topic's levels: literal, or captured in the order of the schema's first columns; `+` takes any one level,
    /// `#` at the end the rest.
    Mqtt {
        levels: Vec<Level>,
    },
    Modbus(Modbus),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    Literal(String),
    Capture(String),
    AnyOne,
    AnyRest,
    /// All levels from here on, at least one, as one text.
    CaptureRest(String),
}

impl Level {
    /// The name of what it captures.
    pub fn captured(&self) -> Option<&str> {
        match self {
            Level::Capture(name) | Level::CaptureRest(name) => Some(name),
            Level::Literal(_) | Level::AnyOne | Level::AnyRest => None,
        }
    }

    /// The levels as a topic filter.
    pub fn filter(levels: &[Level]) -> String {
        let level = |level: &Level| match level {
            Level::Literal(text) => text.clone(),
            Level::Capture(_) | Level::AnyOne => "+".to_owned(),
            Level::AnyRest | Level::CaptureRest(_) => "#".to_owned(),
        };
        levels.iter().map(level).collect::<Vec<_>>().join("/")
    }
}

#[derive(Clone, Debug)]
pub enum Format {
    Json {
        /// One for each declared column: the path of object keys that leads to it (`"a.b"` in `fields`), by default its name.
        paths: Vec<Vec<String>>,
    },
    /// The payload untouched, as the column `payload BYTES`.
    Raw,
}

#[derive(Clone, Debug)]
pub struct Modbus {
    pub host: String,
    pub port: u16,
    pub unit: u8,
    pub interval: Duration,
    pub timeout: Duration,
    /// Value of the `device` column.
    pub device: String,
    pub registers: Vec<Register>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    pub name: String,
    pub table: RegisterTable,
    pub address: u16,
    pub encoding: Encoding,
    pub order: WordOrder,
    /// The raw number times this; 1.0 by default. A scaled register is DOUBLE.
    pub scale: f64,
    pub data_type: DataType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegisterTable {
    Holding,
    Input,
    Coil,
    Discrete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Bool,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Float32,
    Float64,
}

/// The order in which a device puts the bytes of a 32-bit value A B C D (A the most significant) on the wire;
/// 64-bit values follow the same scheme (word order, byte order within a word).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordOrder {
    Abcd,
    Cdab,
    Badc,
    Dcba,
}

/// A SELECT with a name.
#[derive(Clone, Debug)]
pub struct View {
    pub name: String,
    pub sql: String,
    pub root: Node,
}

/// A lookup table.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub file: PathBuf,
    pub format: TableFormat,
    pub schema: Schema,
    /// Columns of the PRIMARY KEY; empty without one.
    pub primary_key: Vec<usize>,
    /// A larger file is not loaded.
    pub size_max_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableFormat {
    Csv,
    /// An object a line.
    Json,
    /// A table of a SQLite file.
    Sqlite {
        name: String,
    },
}

/// Where a query's rows go. The bound plan is `Topology::queries[i]` under the same index.
#[derive(Clone, Debug)]
pub struct Query {
    pub name: String,
    pub sql: String,
    pub into: Vec<Route>,
    /// How often it tells what its open windows hold, which its text does not say.
    pub early_every_ms: Option<Millis>,
    /// Where its late rows go. Columns are those of the source, of which there is then but one.
    pub late_into: Option<Route>,
}

impl Query {
    /// All that its records go to.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.into.iter().chain(&self.late_into)
    }
}

#[derive(Clone, Debug)]
pub struct Route {
    /// Index into `Settings::sinks`.
    pub sink: usize,
    pub topic: TopicTemplate,
    /// Index of the output column that is the record's key.
    pub key: Option<usize>,
    pub format: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    Json,
    /// The one BYTES or STRING column with this index is the whole record.
    Raw(usize),
}

/// `{region}` and `{gateway}` are already filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicTemplate {
    pub parts: Vec<TopicPart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicPart {
    Literal(String),
    /// Index of an output column of type STRING.
    Column(usize),
}

impl TopicTemplate {
    /// The topic, where no column takes part in it.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [TopicPart::Literal(topic)] => Some(topic),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Sink {
    pub name: String,
    pub kind: SinkKind,
    pub overflow: Overflow,
    /// This sink's part of the store.
    pub share_max_bytes: u64,
    /// Records older than this are not delivered but counted as `expired`.
    pub max_age: Option<Duration>,
    /// Records a second while draining; `None`: as fast as they are taken.
    pub drain_records_per_second_max: Option<u32>,
}

#[derive(Clone, Debug)]
pub enum SinkKind {
    Kafka(Kafka),
    Mqtt(MqttSink),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    DropOldest,
    DropNewest,
    Block,
}

#[derive(Clone)]
pub struct Kafka {
    /// `bootstrap.servers`.
    pub brokers: String,
    pub delivery: Delivery,
    /// Carries the committed offset; by default the first literal topic routed to this sink.
    pub offsets_topic: Option<String>,
    /// Passed to librdkafka; may hold secrets.
    pub options: BTreeMap<String, String>,
    pub accept_duplicates: bool,
}

/// Never prints `options`, which may hold passwords.
impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .field("delivery", &self.delivery)
            .field("offsets_topic", &self.offsets_topic)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    ExactlyOnce,
    AtLeastOnce,
}
