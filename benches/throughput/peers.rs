//! The two servers that are measured side by side: Debian's mosquitto and tidegate.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::gateway::{Gateway, free_address, metric};
use crate::kafka::tls;

/// Every message of `bench/…` is caught by a source and stays in the journal. The limits are no part of what is measured.
const CONFIGURATION: &str = r#"
[store]
max_size = "4GiB"
keep_raw = "1h"

[broker]
connections_max = 20_000
connections_per_second_max = 1_000_000

[source.bench]
mqtt = "bench/{device}/data"
format = "raw"
"#;

#[derive(Clone, Copy, PartialEq)]
pub enum Peer {
    Mosquitto,
    Tidegate,
}

pub struct Server {
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    directory: tempfile::TempDir,
    process: Process,
}

enum Process {
    Mosquitto(Child),
    Tidegate(Box<Gateway>),
}

impl Server {
    pub fn start(peer: Peer) -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        tls::make_certificates(directory.path());
        match peer {
            Peer::Mosquitto => mosquitto(directory),
            Peer::Tidegate => tidegate(directory),
        }
    }

    pub fn pid(&self) -> u32 {
        match &self.process {
            Process::Mosquitto(child) => child.id(),
            Process::Tidegate(gateway) => gateway.pid(),
        }
    }

    /// The certificate of the authority that vouches for the server.
    pub fn authority(&self) -> std::path::PathBuf {
        self.directory.path().join(tls::CA)
    }

    /// Messages that tidegate has taken in. mosquitto does not say.
    pub fn taken(&self) -> Option<u64> {
        match &self.process {
            Process::Mosquitto(_) => None,
            Process::Tidegate(gateway) => {
                Some(metric(&gateway.metrics(), "tidegate_decoded_total{source=\"bench\"}") as u64)
            }
        }
    }
}

fn mosquitto(directory: tempfile::TempDir) -> Server {
    let (plain, tls) = (free_address(), free_address());
    let path = |name: &str| directory.path().join(name).display().to_string();
    let text = format!(
        "user root\nallow_anonymous true\npersistence false\nlog_type none\nlistener {} 127.0.0.1\n\
         listener {} 127.0.0.1\ncertfile {}\nkeyfile {}\n",
        plain.port(),
        tls.port(),
        path("server.pem"),
        path("server.key"),
    );
    std::fs::write(directory.path().join("mosquitto.conf"), text).expect("mosquitto.conf");
    let programs = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("mosquitto");
    command.arg("-c").arg(directory.path().join("mosquitto.conf")).env("PATH", programs).stderr(Stdio::null());
    let child = command.spawn().expect("mosquitto is installed");
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(plain).is_err() {
        assert!(Instant::now() < deadline, "mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    Server { plain, tls, directory, process: Process::Mosquitto(child) }
}

fn tidegate(directory: tempfile::TempDir) -> Server {
    let tls = free_address();
    let path = |name: &str| -> String { format!("{:?}", Path::new(directory.path()).join(name)) };
    let listener = format!(
        "\n[[broker.listener]]\nbind = \"{tls}\"\nprotocol = \"mqtts\"\ncertificate = {}\nkey = {}\n",
        path("server.pem"),
        path("server.key"),
    );
    let configuration = CONFIGURATION.to_owned() + &listener;
    let mut gateway = Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory.path(), &configuration);
    gateway.start();
    Server { plain: gateway.mqtt, tls, directory, process: Process::Tidegate(Box::new(gateway)) }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Process::Mosquitto(child) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
