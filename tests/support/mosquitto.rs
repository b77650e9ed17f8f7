//! Debian's mosquitto as the other broker: started, killed, started again on the same port.

#![allow(dead_code)] // Each test binary uses its own part of it.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::gateway::{PATIENCE, free_address};

pub struct Mosquitto {
    directory: PathBuf,
    pub port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    /// Keeps nothing on the disk; takes and queues without a limit of its own. `more` goes into its configuration, from
    /// its first listener on.
    pub fn start(directory: &Path, more: &str) -> Mosquitto {
        let port = free_address().port();
        let configuration = format!(
            "per_listener_settings true\nuser root\nmax_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\n\
             listener {port} 127.0.0.1\n{more}\n"
        );
        std::fs::write(directory.join("mosquitto.conf"), configuration).expect("written");
        let mut mosquitto = Mosquitto { directory: directory.to_owned(), port, child: None };
        mosquitto.restart();
        mosquitto
    }

    pub fn restart(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("the log file opens");
        // Debian has it where only root's PATH leads.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("mosquitto");
        command.env("PATH", path).arg("-c").arg(self.directory.join("mosquitto.conf"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.expect("mosquitto starts: apt-get install mosquitto"));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a killed child can be waited for");
        }
    }

    /// SIGHUP: reads users and rules again.
    pub fn reload(&self) {
        let pid = self.child.as_ref().expect("it runs").id();
        Command::new("kill").arg("-HUP").arg(pid.to_string()).status().expect("kill runs");
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("mosquitto.log")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- mosquitto's log ---\n{}", self.log());
        }
    }
}
