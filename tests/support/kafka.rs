//! A real Kafka for tests: one KRaft node from Maven's jars, started once a test binary, killed and restarted at will.
//!
//! `make kafka` puts the jars into `target/kafka/lib`; `TIDEGATE_KAFKA_LIB` names another directory. The broker has a
//! second listener that is reached only through a [`link::Link`], so that a slow or broken uplink can be played, and a
//! third one with TLS and SASL, whose users may do only what [`Kafka::allow`] grants them (the other two may do all).
//! Its process dies with the test process, however that ends.

#![allow(dead_code)] // Each test binary uses its own part of it.

#[path = "link.rs"]
pub mod link;
#[path = "tls.rs"]
pub mod tls;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use link::Link;

/// A transaction that nobody ends stays open for longer.
const MARKED_TIMEOUT: Duration = Duration::from_secs(5);
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// One Kafka node with data of its own.
pub struct Kafka {
    dir: tempfile::TempDir,
    port: u16,
    secure_port: u16,
    /// Where clients that shall go through the link must connect.
    link: Arc<Link>,
    process: Mutex<Option<Child>>,
}

/// What a consumer saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub payload: Option<Vec<u8>>,
    pub timestamp: Option<i64>,
    pub headers: BTreeMap<String, String>,
}

impl Seen {
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.payload.as_deref().unwrap_or_default()).expect("payload is text")
    }

    pub fn key_text(&self) -> &str {
        std::str::from_utf8(self.key.as_deref().unwrap_or_default()).expect("key is text")
    }
}

/// The broker of this test binary, started at first use.
pub fn shared() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(Kafka::start)
}

impl Kafka {
    pub fn start() -> Kafka {
        let dir = tempfile::tempdir().expect("temporary directory");
        let [port, behind_link, secure_port, controller] = free_ports();
        let link = Arc::new(Link::listen(behind_link));
        tls::make_certificates(dir.path());
        let ports = Ports { direct: port, behind_link, link: link.port(), secure: secure_port, controller };
        fs::write(dir.path().join("server.properties"), properties(dir.path(), &ports)).expect("server.properties");
        let kafka = Kafka { dir, port, secure_port, link, process: Mutex::new(None) };
        kafka.format();
        kafka.restart();
        kafka
    }

    /// `bootstrap.servers` of the direct way.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `bootstrap.servers` of the way through the link.
    pub fn bootstrap_through_link(&self) -> String {
        format!("127.0.0.1:{}", self.link.port())
    }

    /// `bootstrap.servers` of the listener with TLS and SASL.
    pub fn bootstrap_secure(&self) -> String {
        format!("127.0.0.1:{}", self.secure_port)
    }

    /// The certificate of the authority that signed Kafka's own.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join(tls::CA)
    }

    /// The certificate of an authority that has nothing to do with it.
    pub fn other_ca(&self) -> PathBuf {
        self.dir.path().join(tls::OTHER_CA)
    }

    /// Gives [`USER`] the rights, in the words of Kafka's own command, as in `--operation Write --topic a`.
    pub fn allow(&self, rights: &str) {
        let output = java()
            .args(["org.apache.kafka.tools.AclCommand", "--bootstrap-server", &self.bootstrap(), "--add"])
            .args(["--allow-principal", &format!("User:{USER}")])
            .args(rights.split(' '))
            .output()
            .expect("java runs");
        assert!(output.status.success(), "{rights}: {}", String::from_utf8_lossy(&output.stdout));
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    /// SIGKILL.
    pub fn kill(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            child.kill().expect("kill Kafka");
            child.wait().expect("wait for Kafka");
        }
    }

    /// Starts it (again, on the same data and ports) and waits until it answers.
    pub fn restart(&self) {
        self.launch();
        let admin = self.admin();
        let deadline = Instant::now() + START_TIMEOUT;
        while admin.inner().fetch_metadata(None, Duration::from_secs(1)).is_err() {
            if let Some(child) = self.process.lock().unwrap().as_mut() {
                let ended = child.try_wait().expect("state of Kafka");
                assert!(ended.is_none(), "Kafka ended with {ended:?}:\n{}", self.log_tail());
            }
            assert!(Instant::now() < deadline, "Kafka did not come up:\n{}", self.log_tail());
        }
    }

    /// Starts it without waiting.
    pub fn launch(&self) {
        let mut process = self.process.lock().unwrap();
        assert!(process.is_none(), "Kafka runs already");
        let log = fs::File::options().create(true).append(true).open(self.dir.path().join("kafka.log")).expect("log");
        let mut command = java();
        command.arg("kafka.Kafka").arg(self.dir.path().join("server.properties"));
        command.stdout(log.try_clone().expect("log")).stderr(log);
        *process = Some(spawn_bound_to_us(command));
    }

    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let admin = self.admin();
        let made = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).expect("create topic");
        made.into_iter().for_each(|one| drop(one.expect("create topic")));
        // The answer comes before every part of the broker knows of it.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let known = admin.inner().fetch_metadata(Some(name), Duration::from_secs(5));
            if known.is_ok_and(|m| m.topics().iter().any(|t| t.partitions().len() == partitions as usize)) {
                return;
            }
            assert!(Instant::now() < deadline, "topic {name} did not appear");
        }
    }

    /// Every committed record of a topic, by partition and offset. Kafka answers a commit before it has marked the
    /// records as committed, so whatever is under way at the call is waited for a while.
    pub fn read_committed(&self, topic: &str) -> Vec<Seen> {
        let [committed, written] = ["read_committed", "read_uncommitted"].map(|isolation| self.consumer(isolation));
        let partitions = partitions(&committed, topic);
        let deadline = Instant::now() + MARKED_TIMEOUT;
        for partition in &partitions {
            let end = |consumer: &BaseConsumer| {
                consumer.fetch_watermarks(topic, *partition, Duration::from_secs(10)).map_or(-1, |(_, end)| end)
            };
            let wanted = end(&written);
            while end(&committed) < wanted && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.read(&committed, topic, &partitions)
    }

    /// Reads until `done` says so of what is committed; panics after `timeout`.
    pub fn read_until(&self, topic: &str, timeout: Duration, done: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let deadline = Instant::now() + timeout;
        loop {
            let seen = self.read_committed(topic);
            if done(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "{topic}: {} records after {timeout:?}", seen.len());
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn consumer(&self, isolation: &str) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .set("group.id", "reader-of-the-tests")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", isolation)
            .set("fetch.wait.max.ms", "50")
            .create()
            .expect("consumer")
    }

    fn read(&self, consumer: &BaseConsumer, topic: &str, partitions: &[i32]) -> Vec<Seen> {
        let mut assigned = TopicPartitionList::new();
        for partition in partitions {
            assigned.add_partition_offset(topic, *partition, Offset::Beginning).expect("assign");
        }
        consumer.assign(&assigned).expect("assign");
        let (mut seen, mut ended) = (Vec::new(), 0);
        let deadline = Instant::now() + Duration::from_secs(60);
        while ended < partitions.len() {
            match consumer.poll(Duration::from_millis(500)) {
                None => assert!(Instant::now() < deadline, "{topic} cannot be read to its end"),
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                Some(Err(error)) => assert!(Instant::now() < deadline, "{topic}: {error}"),
                Some(Ok(message)) => seen.push(Seen {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key().map(<[u8]>::to_vec),
                    payload: message.payload().map(<[u8]>::to_vec),
                    timestamp: message.timestamp().to_millis(),
                    headers: header_texts(&message),
                }),
            }
        }
        seen.sort_by_key(|one| (one.partition, one.offset));
        seen
    }

    /// Kafka forgets the group and its offsets, as it does by itself after some days of silence.
    pub fn delete_group(&self, group: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let deleted = runtime.block_on(self.admin().delete_groups(&[group], &AdminOptions::new())).expect("answer");
        deleted.into_iter().for_each(|one| drop(one.expect("deleted")));
    }

    /// The stable committed offset of a group on partition 0 of a topic.
    pub fn group_offset(&self, group: &str, topic: &str) -> Option<i64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .create()
            .expect("consumer");
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition(topic, 0);
        let read = consumer.committed_offsets(wanted, Duration::from_secs(30)).expect("committed offsets");
        match read.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .set("log_level", "0")
            .set("reconnect.backoff.max.ms", "500")
            .create()
            .expect("admin client")
    }

    fn format(&self) {
        let id = "tidegateTestsKafka0000";
        let output = java()
            .args(["kafka.tools.StorageTool", "format", "-t", id, "-c"])
            .arg(self.dir.path().join("server.properties"))
            .args(["--add-scram", &format!("SCRAM-SHA-256=[name={USER},password={PASSWORD}]")])
            .output()
            .expect("java runs");
        assert!(output.status.success(), "format: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.dir.path().join("kafka.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.kill();
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30)).expect("metadata");
    metadata.topics()[0].partitions().iter().map(|partition| partition.id()).collect()
}

fn header_texts(message: &impl Message) -> BTreeMap<String, String> {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    headers.map(|h| (h.key.to_owned(), String::from_utf8_lossy(h.value.unwrap_or_default()).into_owned())).collect()
}

/// Who may use the listener with TLS and SASL.
pub const USER: &str = "gateway";
pub const PASSWORD: &str = "secret-of-the-gateway";

struct Ports {
    direct: u16,
    behind_link: u16,
    link: u16,
    secure: u16,
    controller: u16,
}

/// Retention is off: the tests write records with times of years ago, which Kafka would delete 30 s after its start.
fn properties(dir: &Path, ports: &Ports) -> String {
    let Ports { direct, behind_link, link, secure, controller } = ports;
    let (data, keys) = (dir.join("data"), dir.join(tls::KEYS));
    let (data, keys) = (data.display(), keys.display());
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=DIRECT://127.0.0.1:{direct},LINK://127.0.0.1:{behind_link},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=DIRECT://127.0.0.1:{direct},LINK://127.0.0.1:{link},SECURE://127.0.0.1:{secure}\n\
         listener.security.protocol.map=DIRECT:PLAINTEXT,LINK:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=DIRECT\n\
         listener.name.secure.ssl.keystore.type=PEM\n\
         listener.name.secure.ssl.keystore.location={keys}\n\
         sasl.enabled.mechanisms=SCRAM-SHA-256\n\
         listener.name.secure.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n\
         log.dirs={data}\n\
         num.partitions=4\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=2\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=2\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         log.cleaner.enable=false\n\
         log.retention.ms=-1\n\
         num.network.threads=2\n\
         num.io.threads=2\n"
    )
}

fn java() -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
    command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
    command.arg("-cp").arg(jars().join("*")).stdin(Stdio::null());
    command
}

fn jars() -> PathBuf {
    let named = std::env::var_os("TIDEGATE_KAFKA_LIB").map(PathBuf::from);
    let jars = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kafka/lib"));
    assert!(jars.is_dir(), "no Kafka in {}: run `make kafka`, or set TIDEGATE_KAFKA_LIB", jars.display());
    jars
}

/// Below the range from which the kernel takes ports for outgoing connections: a client that keeps knocking at a dead
/// broker could otherwise be given that very port and connect to itself.
fn free_ports<const N: usize>() -> [u16; N] {
    let mut seed = std::process::id() as u64 ^ 0x9E37_79B9;
    let mut held = Vec::new();
    std::array::from_fn(|_| {
        loop {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let port = 20_000 + (seed >> 33) as u16 % 10_000;
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
                held.push(listener);
                return port;
            }
        }
    })
}

/// The kernel kills the child when the thread that made it ends, so that thread must be one that lasts as long as we do.
fn spawn_bound_to_us(mut command: Command) -> Child {
    type Order = (Command, mpsc::Sender<Child>);
    static KEEPER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                drop(reply.send(command.spawn().expect("java runs")));
            }
        });
        orders
    });
    let (reply, child) = mpsc::channel();
    // SAFETY: between fork and exec only one async-signal-safe system call is made.
    unsafe {
        command.pre_exec(|| {
            let signal = Some(rustix::process::Signal::KILL);
            rustix::process::set_parent_process_death_signal(signal).map_err(Into::into)
        });
    }
    keeper.send((command, reply)).expect("the keeper lives");
    child.recv().expect("the keeper answers")
}

/// Says whether something listens there.
pub fn listens(address: &str) -> bool {
    TcpStream::connect(address).is_ok_and(|mut stream| stream.flush().is_ok())
}
