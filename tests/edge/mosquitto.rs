//! Mosquitto's command-line clients.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::eventually;
use crate::gateway::Gateway;

/// `mosquitto_pub` with these arguments, to its end.
pub fn publish(arguments: &str) -> Output {
    Command::new("mosquitto_pub").args(arguments.split_whitespace()).output().expect("mosquitto_pub runs")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `mosquitto_sub`, whose messages go to a file.
pub struct Subscriber {
    child: Child,
    file: PathBuf,
}

impl Subscriber {
    /// Returns once the gateway has the subscription.
    pub fn start(gateway: &Gateway, file: PathBuf, arguments: &str) -> Subscriber {
        let before = subscriptions(gateway);
        let output = File::create(&file).expect("a file");
        let mut command = Command::new("mosquitto_sub");
        command.args(arguments.split_whitespace()).stdin(Stdio::null()).stdout(output);
        let child = command.spawn().expect("mosquitto_sub runs");
        gateway.wait_for("the subscription", |metrics| subscriptions_in(metrics) > before);
        Subscriber { child, file }
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.file).expect("its output")
    }

    pub fn wait_for(&self, text: &str) {
        eventually(text, || self.text().contains(text));
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its status").is_some()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn subscriptions(gateway: &Gateway) -> f64 {
    subscriptions_in(&gateway.metrics())
}

fn subscriptions_in(metrics: &str) -> f64 {
    crate::gateway::metric(metrics, "tidegate_broker_subscriptions")
}
