//! The real binary, run as systemd would: a configuration file, a data directory, signals.

#![allow(dead_code)] // Each test binary uses its own part of it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long a test waits for a condition before it fails; far longer than any machine needs.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Gateway {
    binary: PathBuf,
    directory: PathBuf,
    pub mqtt: SocketAddr,
    pub admin: SocketAddr,
    /// Added to the process's environment.
    pub environment: Vec<(String, String)>,
    /// A command, with its arguments, that runs the binary in its own place.
    pub through: Vec<String>,
    child: Option<Child>,
}

impl Gateway {
    /// Writes `tidegate.toml` into `directory`: `configuration` with a gateway, a listener and an admin address before it.
    pub fn new(binary: &str, directory: &Path, configuration: &str) -> Gateway {
        let (mqtt, admin) = (free_address(), free_address());
        let data_dir = directory.join("data");
        let head = format!(
            "[gateway]\nid = \"gw-test\"\nregion = \"test\"\ndata_dir = {data_dir:?}\n\n[admin]\nlisten = \"{admin}\"\n\n\
             [[broker.listener]]\nbind = \"{mqtt}\"\nprotocol = \"mqtt\"\n\n"
        );
        std::fs::write(directory.join("tidegate.toml"), head + configuration).expect("the configuration is written");
        let (environment, through) = (Vec::new(), Vec::new());
        Gateway { binary: binary.into(), directory: directory.into(), mqtt, admin, environment, through, child: None }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn command(&self) -> Command {
        let mut command = match self.through.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the process and waits until it answers on its admin address.
    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the log file opens");
        let child = self
            .command()
            .arg("run")
            .arg("--config")
            .arg(self.directory.join("tidegate.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        self.child = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while self.try_get("/healthz").is_none() {
            if let Some(status) = self.child.as_mut().expect("just started").try_wait().expect("its status is known") {
                panic!("tidegate ended with {status}:\n{}", self.log());
            }
            assert!(Instant::now() < deadline, "tidegate does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts a process that is to end by itself; gives its exit code and what it said.
    pub fn try_to_start(&self) -> (Option<i32>, String) {
        let mut command = self.command();
        let output = command.arg("run").arg("--config").arg(self.directory.join("tidegate.toml")).output();
        let output = output.expect("the binary runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Whether the process has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| child.try_wait().expect("its status is known").is_none())
    }

    /// SIGKILL: what a power cut is to a process.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a killed child can be waited for");
        }
    }

    /// SIGTERM; gives the exit status and how long it took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let mut child = self.child.take().expect("it runs");
        let start = Instant::now();
        Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill runs");
        let status = child.wait().expect("a terminated child can be waited for");
        (status, start.elapsed())
    }

    pub fn log_file(&self) -> PathBuf {
        self.directory.join("log.txt")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    pub fn metrics(&self) -> String {
        self.try_get("/metrics").expect("the admin address answers")
    }

    /// Waits until `condition` holds for the metrics.
    pub fn wait_for(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = self.try_get("/metrics").unwrap_or_default();
            if condition(&metrics) {
                return;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}:\n{metrics}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The body of a GET, if it was answered with 200.
    pub fn try_get(&self, path: &str) -> Option<String> {
        self.get(path).filter(|(head, _)| head.starts_with("HTTP/1.1 200")).map(|(_, body)| body)
    }

    /// Head and body of the answer to a GET.
    pub fn get(&self, path: &str) -> Option<(String, String)> {
        let mut socket = TcpStream::connect_timeout(&self.admin, Duration::from_secs(1)).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(socket, "GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.to_owned(), body.to_owned()))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- tidegate's log ---\n{}", self.log());
        }
    }
}

/// The value of a metric line in a scrape; zero where the line is missing.
pub fn metric(metrics: &str, name: &str) -> f64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.trim().parse().expect("a metric is a number"))
}

/// An address nobody listens on right now, below the ports that the kernel gives to connections: else one of those could
/// have it before the gateway does.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() as u16 % 200 * 100;
    loop {
        let port = 10_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if let Ok(address) = TcpListener::bind(("127.0.0.1", port)).and_then(|listener| listener.local_addr()) {
            return address;
        }
    }
}
