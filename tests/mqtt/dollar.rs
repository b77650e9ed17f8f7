//! Topics that begin with `$`: what the server says of itself, what bridges say there, and what is the clients' own.

use std::collections::BTreeMap;

use crate::broker::Broker;
use crate::client::{Client, both};
use crate::packet::{CONNACK, Connect, PUBACK, Publish, V5, V311};
use crate::wills::with_will;

/// The topics that mosquitto(8) names, as far as there is something true to say.
const NUMBERS: [&str; 23] = [
    "bytes/received",
    "bytes/sent",
    "clients/active",
    "clients/connected",
    "clients/disconnected",
    "clients/expired",
    "clients/inactive",
    "clients/maximum",
    "clients/total",
    "messages/received",
    "messages/sent",
    "messages/stored",
    "publish/bytes/received",
    "publish/bytes/sent",
    "publish/messages/dropped",
    "publish/messages/received",
    "publish/messages/sent",
    "retained messages/count",
    "store/messages/bytes",
    "store/messages/count",
    "subscriptions/count",
    "load/connections/1min",
    "load/messages/received/15min",
];

#[test]
fn the_server_says_of_itself_what_dashboards_read() {
    let broker = Broker::start();
    let mut client = Client::connect(broker.mqtt, V311, "dashboard");
    client.subscribe(&[("$SYS/broker/#", 0)]);
    let mut said = BTreeMap::new();
    for packet in client.drain() {
        let message = Publish::read(V311, &packet);
        assert!(message.retain && message.qos == 0, "{message:?}");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let topic = text(message.topic).strip_prefix("$SYS/broker/").expect("below it").to_owned();
        assert!(said.insert(topic, text(message.payload)).is_none());
    }
    for topic in NUMBERS {
        let number: f64 = said.get(topic).unwrap_or_else(|| panic!("no {topic}")).parse().expect("a number");
        assert!(number >= 0.0, "{topic}");
    }
    assert!(said["uptime"].ends_with(" seconds") && said["version"].starts_with("tidegate version "), "{said:?}");
}

#[test]
fn a_wildcard_at_the_front_leaves_them_alone_and_one_behind_it_does_not() {
    let broker = Broker::start();
    both("own", |version, name| {
        let mut sender = Client::connect(broker.mqtt, version, &format!("{name}-sender"));
        let mut client = Client::connect(broker.mqtt, version, name);
        client.subscribe(&[("#", 1), ("+/things/a", 1), ("$aws/+/a", 1)]);
        sender.publish("$aws/things/b", "no");
        sender.publish("$aws/things/a", "yes");
        let message = client.take();
        assert_eq!((&message.topic[..], &message.payload[..]), (&b"$aws/things/a"[..], &b"yes"[..]));
        sender.send(&Publish::new("$aws/things/a", "kept", 0, 0).retained().bytes(version));
        assert_eq!(client.take().payload, b"kept");
        client.quiet();
        let mut late = Client::connect(broker.mqtt, version, "late");
        late.subscribe(&[("$aws/#", 0), ("#", 0)]);
        let message = late.take();
        assert_eq!((message.payload, message.retain), (b"kept".to_vec(), true));
        late.quiet();
        sender.send(&Publish::new("$aws/things/a", "", 0, 0).retained().bytes(version));
        sender.quiet();
        late.leave();
    });
}

#[test]
fn nobody_publishes_in_the_servers_name_and_nobody_is_thrown_out_for_it() {
    let broker = Broker::start();
    let mut watcher = Client::connect(broker.mqtt, V311, "watcher");
    watcher.subscribe(&[("$SYS/broker/uptime", 0), ("$SYS/mine", 0)]);
    let said = watcher.drain().len();
    assert_eq!(said, 1);
    both("name", |version, name| {
        let mut client = Client::connect(broker.mqtt, version, name);
        for topic in ["$SYS/broker/uptime", "$SYS/mine", "$SYS", "$share/g/a"] {
            client.send(&Publish::new(topic, "forged", 1, 9).retained().bytes(version));
            let answer = client.expect(PUBACK);
            assert_eq!(answer.body.get(2), (version == V5).then_some(&0x87), "{topic}: {answer:?}");
        }
        client.quiet();
        let (_, answer) = Client::try_connect(broker.mqtt, &with_will(version, name, "$SYS/broker/uptime", 0x02, &[]));
        let code = if version == V5 { 0x87 } else { 5 };
        assert_eq!(answer.map(|answer| (answer.first, answer.body[1])), Some((CONNACK, code)));
    });
    assert_eq!(broker.count("denied_publish_total"), 8);
    assert!(watcher.drain().iter().all(|packet| Publish::read(V311, packet).payload != b"forged"));
}

/// As a bridge of Mosquitto's does with its `notifications`, which are on by default.
#[test]
fn a_bridge_says_whether_it_is_there() {
    const STATE: &str = "$SYS/broker/connection/plant.hq/state";
    let broker = Broker::start();
    // The level with its high bit: a bridge.
    let mut connect = with_will(V311, "plant.hq", STATE, 0x02 | 0x20, &[]);
    connect.level |= 0x80;
    let (mut bridge, _) = Client::connect_with(broker.mqtt, &connect);
    bridge.subscribe(&[("in/#", 1)]);
    bridge.send(&Publish::new(STATE, "1", 1, 1).retained().bytes(V311));
    bridge.expect_ack(PUBACK, 1);
    let kept = || {
        let mut late = Client::connect(broker.mqtt, V5, "late");
        late.subscribe(&[("$SYS/broker/connection/+/state", 1)]);
        let message = late.take();
        assert!(message.retain);
        message.payload
    };
    assert_eq!(kept(), b"1");
    // What it published does not come back to it, and it is told what is to be retained.
    bridge.publish("in/bridge/a", "its own");
    let mut other = Client::connect_with(broker.mqtt, &Connect::new(V311, "other")).0;
    other.send(&Publish::new("in/bridge/a", "another's", 1, 1).retained().bytes(V311));
    other.expect_ack(PUBACK, 1);
    let message = bridge.take();
    assert_eq!((&message.payload[..], message.retain), (&b"another's"[..], true));
    bridge.lose();
    let mut watcher = Client::connect(broker.mqtt, V311, "watcher");
    watcher.publish("in/bridge/b", "behind the will");
    assert_eq!(kept(), b"gone");
}
