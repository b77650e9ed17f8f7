//! A mosquitto that is a bridge to this gateway, with the settings that it has by default: what a plant has that had its
//! own broker before.

use crate::device::Device;
use crate::mosquitto::Mosquitto;
use crate::{Collector, Got, alone, gateway, local, publish};

fn got(topic: &str, payload: &str, retain: bool) -> Got {
    Got { topic: topic.to_owned(), payload: payload.to_owned(), retain }
}

#[test]
fn mosquitto_bridges_to_us_both_ways_and_nothing_comes_back() {
    let _alone = alone();
    for version in ["mqttv31", "mqttv311", "mqttv50"] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut gateway = gateway(directory.path(), "");
        gateway.start();
        // With version 5 mosquitto tells no limit of its own as a receive maximum of 0, which the specification forbids.
        let connection = format!(
            "max_inflight_messages 20\nallow_anonymous true\nconnection plant\naddress 127.0.0.1:{}\nremote_clientid plant\n\
             bridge_protocol_version {version}\ntopic shared/# both 1\nrestart_timeout 1\n",
            gateway.mqtt.port()
        );
        let states = Collector::start(gateway.mqtt, "$SYS/broker/connection/+/state");
        let mut mosquitto = Mosquitto::start(directory.path(), &connection);
        let there = local(mosquitto.port);
        let state = |payload: &str| got("$SYS/broker/connection/plant/state", payload, false);
        states.wait_for("its state", |all| all.last() == Some(&state("1")));
        gateway.wait_for("its subscription", |metrics| {
            crate::gateway::metric(metrics, "tidegate_broker_subscriptions") >= 2.0
        });
        let (ours, theirs) = (Collector::start(gateway.mqtt, "shared/#"), Collector::start(there, "shared/#"));
        // Each way, and then the other, which would come behind an echo.
        publish(there, &[("shared/up", "1")]);
        ours.wait_for("the first", |all| !all.is_empty());
        publish(gateway.mqtt, &[("shared/down", "2")]);
        theirs.wait_for("the second", |all| all.len() == 2);
        publish(there, &[("shared/up", "3")]);
        ours.wait_for("the third", |all| all.len() == 3);
        let mut device = Device::connect(gateway.mqtt, "keeper", true).expect("connected");
        device.retain("shared/kept", b"4", 1);
        device.flush().expect("sent");
        device.ack().expect("acknowledged");
        theirs.wait_for("the fourth", |all| all.len() == 4);
        let live = [("up", "1"), ("down", "2"), ("up", "3"), ("kept", "4")];
        let live = live.map(|(topic, payload)| got(&format!("shared/{topic}"), payload, false));
        assert_eq!(theirs.finish(), live, "{version}");
        assert_eq!(ours.finish(), live, "{version}");
        // The retain flag crosses: mosquitto keeps it for those who come later.
        let late = Collector::start(there, "shared/kept");
        assert_eq!(late.wait_for("it", |all| !all.is_empty()), [got("shared/kept", "4", true)], "{version}");
        // Its will says that it is gone.
        mosquitto.kill();
        states.wait_for("its end", |all| all.last() == Some(&state("0")));
    }
}
