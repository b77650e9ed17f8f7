//! The edge of the broker, with the real binary and real clients: listeners of every kind, certificates, users, rules,
//! and those who hold a handshake open.

#![allow(clippy::disallowed_methods)] // Tests wait for real processes, with a deadline.

#[path = "../support/device.rs"]
#[allow(dead_code)] // Not every test binary uses all of it.
mod device;
#[path = "../support/gateway.rs"]
mod gateway;

mod access;
mod certificates;
mod command_line;
mod hostile;
mod listeners;
mod mosquitto;

use std::path::Path;

use gateway::Gateway;

/// A gateway with one more listener, or users, or rules, as `configuration` says; it runs.
fn start(directory: &Path, configuration: &str) -> Gateway {
    let mut gateway = Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory, configuration);
    gateway.start();
    gateway
}

/// Runs a shell command in a directory, and gives its stdout.
fn shell(directory: &Path, command: &str) -> String {
    let output = std::process::Command::new("bash").arg("-ec").arg(command).current_dir(directory).output();
    let output = output.expect("bash runs");
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Waits until something is so.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + gateway::PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
