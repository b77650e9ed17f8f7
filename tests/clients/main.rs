//! Other people's MQTT clients against the real binary, each with the same smoke suite: both versions, all three
//! qualities, a payload of 100 KB, hundreds of messages in order, an end of the subscription.
//!
//! mosquitto's command-line clients are tried in `tests/daemon`. Here: rumqttc, Paho for Python; and where `TIDEGATE_LONG`
//! is set mqtt.js (from node, and from a page in Chromium over WebSocket), Paho for C and Go's two. `tests/clients/install` puts them into `target/clients`.

#![allow(clippy::disallowed_methods)] // Tests wait for real processes, with a deadline.

mod browser;
#[path = "../support/gateway.rs"]
mod gateway;
mod rumqttc_client;

use std::path::PathBuf;
use std::process::Command;

use gateway::{Gateway, metric};

/// Whoever sends without waiting must find room in its own queue.
const CONFIGURATION: &str = "[broker]\nqueue_messages_max = 2000\n";

struct Running {
    gateway: Gateway,
    /// Kept: it holds the gateway's files.
    _directory: tempfile::TempDir,
}

impl Running {
    fn start() -> Running {
        Running::start_with("")
    }

    /// With more tables.
    fn start_with(more: &str) -> Running {
        let directory = tempfile::tempdir().expect("a directory");
        let configuration = format!("{CONFIGURATION}{more}");
        let mut gateway = Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory.path(), &configuration);
        gateway.start();
        Running { gateway, _directory: directory }
    }

    /// Every client has left, as it should: nobody was disconnected for a fault.
    fn all_left_well(mut self, clients: u32) {
        let gateway = &mut self.gateway;
        gateway.wait_for("all to leave", |metrics| metric(metrics, "tidegate_broker_connections") == 0.0);
        let metrics = gateway.metrics();
        let count = |what: &str| metric(&metrics, &format!("tidegate_broker_{what}"));
        assert_eq!(count("ended_by_client_total") + count("ended_lost_total"), f64::from(clients), "{metrics}");
        assert_eq!(count("subscriptions") + count("queued_bytes") + count("inflight_bytes"), 0.0, "{metrics}");
        let (status, _) = gateway.terminate();
        assert!(status.success());
    }
}

/// Where `tests/clients/install` put them.
fn installed(what: &str) -> PathBuf {
    let home = std::env::var_os("TIDEGATE_CLIENTS").map(PathBuf::from);
    let home = home.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/clients"));
    let path = home.join(what);
    assert!(path.exists(), "{} is missing: run tests/clients/install all", path.display());
    path
}

fn program(name: &str) -> String {
    format!("{}/tests/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs a client's program, which says "ok NAME" once for each version.
fn passes(mut command: Command, names: [&str; 2]) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(text.lines().collect::<Vec<_>>(), names.map(|name| format!("ok {name}")));
}

fn long() -> bool {
    std::env::var_os("TIDEGATE_LONG").is_some()
}

#[test]
fn paho_for_python() {
    let running = Running::start();
    let address = running.gateway.mqtt;
    let mut command = Command::new(installed("python/bin/python"));
    command.arg(program("paho_python.py")).args([address.ip().to_string(), address.port().to_string()]);
    passes(command, ["paho-python-3.1.1", "paho-python-5"]);
    running.all_left_well(2);
}

#[test]
fn rumqttc() {
    let running = Running::start();
    rumqttc_client::smoke(running.gateway.mqtt);
    running.all_left_well(2);
}

#[test]
fn clients_with_large_installs() {
    if !long() {
        return;
    }
    let running = Running::start();
    let address = running.gateway.mqtt;
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new("node");
    command.env("MQTT_JS_HOME", installed("node")).arg(program("mqtt_js.mjs")).arg(format!("mqtt://{address}"));
    passes(command, ["mqtt-js-3.1.1", "mqtt-js-5"]);
    let mut command = Command::new(installed("paho_c"));
    command.args([&host, &port]);
    passes(command, ["paho-c-3.1.1", "paho-c-5"]);
    let mut command = Command::new(installed("paho_go"));
    command.args([&host, &port]);
    passes(command, ["paho-go-3.1.1", "paho-go-5"]);
    running.all_left_well(6);
}

#[test]
fn mqtt_js_in_a_browser() {
    if !long() {
        return;
    }
    let websocket = gateway::free_address();
    let running = Running::start_with(&format!("\n[[broker.listener]]\nbind = \"{websocket}\"\nprotocol = \"ws\"\n"));
    let profile = tempfile::tempdir().expect("a directory");
    let library = installed("node/node_modules/mqtt/dist/mqtt.min.js");
    assert_eq!(browser::smoke(websocket, &library, profile.path()), "ok");
    running.all_left_well(2);
}
