//! Messages that mosquitto has for us.

use crate::gateway::{Gateway, metric};
use crate::mosquitto::Mosquitto;
use crate::{Collector, Got, alone, gateway, local, publish};

fn connected(gateway: &Gateway) {
    gateway.wait_for("the bridge", |metrics| metric(metrics, "tidegate_bridge_connected{bridge=\"hq\"}") == 1.0);
}

fn bridge(mosquitto: &Mosquitto, more: &str) -> String {
    format!("[bridge.hq]\nmqtt = \"mqtt://127.0.0.1:{}\"\n{more}\n", mosquitto.port)
}

#[test]
fn messages_come_under_the_topic_here_and_wait_there_while_the_gateway_is_away() {
    let _alone = alone();
    for version in ["5", "3.1.1"] {
        let directory = tempfile::tempdir().expect("a directory");
        let mosquitto = Mosquitto::start(directory.path(), "allow_anonymous true");
        let topics = r#"topics = [
    { from = "plant/{region}/{device}/cmd", to = "dev/{device}/cmd" },
    { from = "all/{path#}" },
    { from = "deep/{path#}", to = "a/b/c/{path}" },
]"#;
        let more = format!("version = \"{version}\"\n{topics}");
        let limits = "[broker]\ntopic_levels_max = 4\n";
        let mut gateway = gateway(directory.path(), &format!("{limits}{}", bridge(&mosquitto, &more)));
        gateway.start();
        connected(&gateway);
        let collector = Collector::start(gateway.mqtt, "#");
        let there = local(mosquitto.port);
        publish(
            there,
            &[("plant/eu/p1/cmd", "go"), ("all/news/today", "sun"), ("deep/x/y", "too deep"), ("other", "no")],
        );
        publish(there, &[("deep/x", "last")]);
        let all = collector.wait_for("the last one", |got| got.iter().any(|one| one.payload == "last"));
        let got = |topic: &str, payload: &str| Got { topic: topic.into(), payload: payload.into(), retain: false };
        assert_eq!(all, [got("dev/p1/cmd", "go"), got("all/news/today", "sun"), got("a/b/c/x", "last")]);
        gateway.wait_for("its counters", |metrics| {
            let of = |what: &str| metric(metrics, &format!("tidegate_bridge_{what}"));
            let dropped = of("dropped_total{bridge=\"hq\",reason=\"no_topic\"}");
            (of("received_total{bridge=\"hq\"}"), of("published_total{bridge=\"hq\"}"), dropped) == (4.0, 3.0, 1.0)
        });

        gateway.kill();
        publish(there, &[("plant/eu/p1/cmd", "while away")]);
        gateway.start();
        // Nobody subscribes that early: a source of its own would have it, and so has a retained topic.
        connected(&gateway);
        gateway.wait_for("what waited", |metrics| {
            metric(metrics, "tidegate_bridge_published_total{bridge=\"hq\"}") >= 1.0
        });
        assert_eq!(metric(&gateway.metrics(), "tidegate_bridge_received_total{bridge=\"hq\"}"), 1.0);
        let (status, _) = gateway.terminate();
        assert!(status.success());
    }
}

#[test]
fn retained_messages_stay_retained() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let mosquitto = Mosquitto::start(directory.path(), "allow_anonymous true");
    let mut device = crate::device::Device::connect(local(mosquitto.port), "setup", true).expect("connected");
    device.retain("set/limit", b"80", 1);
    device.flush().expect("sent");
    device.ack().expect("acknowledged");
    let mut gateway = gateway(directory.path(), &bridge(&mosquitto, "topics = { from = \"set/{path#}\" }"));
    gateway.start();
    connected(&gateway);
    gateway.wait_for("the retained one", |metrics| metric(metrics, "tidegate_broker_retained_messages") == 1.0);
    let collector = Collector::start(gateway.mqtt, "set/#");
    let got = collector.wait_for("it", |got| !got.is_empty());
    assert_eq!(got, [Got { topic: "set/limit".into(), payload: "80".into(), retain: true }]);
}

#[test]
fn a_topic_taken_out_of_the_configuration_is_unsubscribed() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let mosquitto = Mosquitto::start(directory.path(), "allow_anonymous true");
    let there = local(mosquitto.port);
    let mut first = gateway(directory.path(), &bridge(&mosquitto, "topics = [{ from = \"one\" }, { from = \"two\" }]"));
    first.start();
    connected(&first);
    first.kill();
    let mut second = gateway(directory.path(), &bridge(&mosquitto, "topics = [{ from = \"two\" }]"));
    second.start();
    connected(&second);
    publish(there, &[("one", "x"), ("two", "y")]);
    second
        .wait_for("the other one", |metrics| metric(metrics, "tidegate_bridge_published_total{bridge=\"hq\"}") == 1.0);
    let metrics = second.metrics();
    assert_eq!(metric(&metrics, "tidegate_bridge_received_total{bridge=\"hq\"}"), 1.0, "{metrics}");
}
