//! Right configurations, and what they mean.

use std::time::Duration;

use tidegate::config::{
    CertificateUser, Delivery, Encoding, Format, Input, Kafka, Level, MqttVersion, OutputFormat, Overflow, Settings,
    Sink, SinkKind, TableFormat, TopicPart, Transport, Who, WordOrder,
};
use tidegate::model::DataType;
use tidegate::plan::{DeviceWatermark, Watermark};

use super::load_text;

fn load(text: &str) -> Settings {
    load_text(text, "gateway.toml").unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
    })
}

fn columns(settings: &Settings, source: usize) -> Vec<(String, DataType)> {
    let columns = &settings.sources[source].schema.columns;
    columns.iter().map(|column| (column.name.to_string(), column.data_type)).collect()
}

fn kafka(sink: &Sink) -> &Kafka {
    match &sink.kind {
        SinkKind::Kafka(kafka) => kafka,
        SinkKind::Mqtt(_) => panic!("{} is no Kafka sink", sink.name),
    }
}

const SOURCES: &str = r#"
[source.telemetry]
mqtt = "{site}/dev/{device}/+/#"
schema = "ts TIMESTAMP_LTZ(3), temp DOUBLE, odd INT"
event_time = "ts"
late_after = "3s"
idle_after = "10s"
lag_max = "2h"
max_skew = "off"
close_after = "1h"
fields = { temp = "sensors.temp", odd = ["a.b", "c"] }

[source.arrivals]
mqtt = "plant/x"
schema = "machine STRING, n INT"

[source.arrivals_by_machine]
mqtt = "plant/x"
schema = "machine STRING, n INT"
device = "machine"

[source.scans]
mqtt = "scan/{gate}"
format = "raw"

[source.press]
modbus = "tcp://10.0.0.5"
registers = [
    { name = "temp", address = 100, type = "int16", scale = 0.1 },
    { name = "count", table = "input", address = 0, type = "uint32", order = "DCBA" },
    { name = "on_duty", table = "discrete", address = 3 },
]
"#;

#[test]
fn the_least_configuration() {
    let settings = load("[gateway]\nid = \"gw-1\"\n");
    assert_eq!(settings.gateway.data_dir.to_str(), Some("/var/lib/tidegate"));
    assert_eq!(settings.store.size_max_bytes, 2 << 30);
    assert_eq!(settings.store.keep_raw, Duration::from_secs(86_400));
    assert_eq!(settings.store.commit_interval, Duration::ZERO);
    assert_eq!(settings.admin.listen, Some("127.0.0.1:9464".parse().unwrap()));
    assert_eq!(settings.log_level, log::LevelFilter::Info);
    let [listener] = settings.broker.listeners.as_slice() else { panic!("one listener") };
    assert_eq!((listener.transport.address().to_string().as_str(), listener.allow_anonymous), ("127.0.0.1:1883", true));
    assert!(settings.warnings.is_empty());
}

#[test]
fn sources_have_their_columns_and_time() {
    let settings = load(&format!("[gateway]\nid = \"gw-1\"\n{SOURCES}"));
    let names: Vec<&str> = settings.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["arrivals", "arrivals_by_machine", "press", "scans", "telemetry"]);
    assert!(settings.topology.sources.iter().map(|source| source.name.as_str()).eq(names));
    let text = DataType::String;
    let arrived = || ("arrived_at".to_owned(), DataType::TimestampLtz(3));
    let column = |name: &str, data_type| (name.to_owned(), data_type);

    assert_eq!(columns(&settings, 0), [column("machine", text), column("n", DataType::Int), arrived()]);
    assert_eq!(settings.topology.sources[0].watermark, Watermark::Source { delay_ms: 1 });
    assert_eq!((settings.sources[0].captures, settings.sources[0].schema.event_time), (0, Some(2)));
    assert_eq!(settings.sources[0].schema.device, None);
    assert!(matches!(settings.topology.sources[1].watermark, Watermark::Device(_)));
    assert_eq!(settings.sources[1].schema.device, Some(0));

    let bits = column("on_duty", DataType::Boolean);
    assert_eq!(
        columns(&settings, 2),
        [column("device", text), column("temp", DataType::Double), column("count", DataType::BigInt), bits, arrived()]
    );
    let Input::Modbus(modbus) = &settings.sources[2].input else { panic!("a Modbus source") };
    assert_eq!((modbus.host.as_str(), modbus.port, modbus.unit, modbus.device.as_str()), ("10.0.0.5", 502, 1, "press"));
    assert_eq!((modbus.registers[1].encoding, modbus.registers[1].order), (Encoding::Uint32, WordOrder::Dcba));
    assert_eq!(modbus.registers[0].scale, 0.1);

    assert_eq!(columns(&settings, 3), [column("gate", text), column("payload", DataType::Bytes), arrived()]);
    assert_eq!(settings.sources[3].schema.device, Some(0), "the first captured level");

    let telemetry = &settings.sources[4];
    let expected = [
        column("site", text),
        column("device", text),
        column("ts", DataType::TimestampLtz(3)),
        column("temp", DataType::Double),
        column("odd", DataType::Int),
    ];
    assert_eq!(columns(&settings, 4), expected);
    assert_eq!((telemetry.captures, telemetry.arrived_at, telemetry.schema.device), (2, false, Some(1)));
    let Input::Mqtt { levels } = &telemetry.input else { panic!("an MQTT source") };
    let capture = |name: &str| Level::Capture(name.into());
    assert_eq!(
        *levels,
        [capture("site"), Level::Literal("dev".into()), capture("device"), Level::AnyOne, Level::AnyRest]
    );
    let Format::Json { paths } = &telemetry.format else { panic!("JSON") };
    assert_eq!(*paths, [vec!["ts"], vec!["sensors", "temp"], vec!["a.b", "c"]]);
    let expected = DeviceWatermark {
        delay_ms: 3_000,
        idle_after_ms: 10_000,
        lag_max_ms: 7_200_000,
        max_skew_ms: None,
        close_after_ms: Some(3_600_000),
    };
    assert_eq!(settings.topology.sources[4].watermark, Watermark::Device(expected));
}

#[test]
fn computed_columns_stand_in_the_plan_alone() {
    let settings = load(
        r#"
[gateway]
id = "gw-1"

[source.telemetry]
mqtt = "dev/{machine}/telemetry"
schema = "hot AS temp > 80, ms BIGINT, line AS SPLIT_INDEX(machine, '-', 0), ts AS TO_TIMESTAMP_LTZ(ms, 3), temp DOUBLE"
fields = { temp = "sensors.temp" }
event_time = "ts"
device = "line"

[table.limits]
file = "limits.txt"
format = "sqlite"
schema = "line STRING"

[table.more]
file = "plant.db"
table = "limits 2"
schema = "line STRING"
"#,
    );
    let source = &settings.sources[0];
    let text = DataType::String;
    let decoded = [("machine", text), ("ms", DataType::BigInt), ("temp", DataType::Double)];
    assert_eq!(columns(&settings, 0), decoded.map(|(name, data_type)| (name.to_owned(), data_type)));
    let Format::Json { paths } = &source.format else { panic!("JSON") };
    assert_eq!(*paths, [vec!["ms"], vec!["sensors", "temp"]]);
    let plan = &settings.topology.sources[0];
    let names: Vec<&str> = plan.schema.columns.iter().map(|column| &*column.name).collect();
    assert_eq!(names, ["machine", "hot", "ms", "line", "ts", "temp"]);
    assert_eq!((plan.schema.device, plan.schema.event_time), (Some(3), Some(4)));
    let computed: Vec<bool> = plan.computed.iter().map(Option::is_some).collect();
    assert_eq!(computed, [false, true, false, true, true, false]);
    let formats: Vec<&TableFormat> = settings.tables.iter().map(|table| &table.format).collect();
    let sqlite = |name: &str| TableFormat::Sqlite { name: name.to_owned() };
    assert_eq!(formats, [&sqlite("limits"), &sqlite("limits 2")]);
}

#[test]
fn queries_are_routed() {
    let settings = load(
        r#"
[gateway]
id = "gw-1"
region = "${REGION}"

[source.telemetry]
mqtt = "dev/{device}/telemetry"
schema = "temp DOUBLE, zone STRING"

[source.scans]
mqtt = "scan/{gate}"
format = "raw"

[query.a]
sql = "SELECT temp, device, zone FROM telemetry"
into = [
    { sink = "one", topic = "t.{gateway}.{zone}.x" },
    { sink = "two", topic = "plain", key = "", format = "json" },
]

[query.b]
sql = "SELECT gate, payload FROM scans"
into = { sink = "one", topic = "scans.{region}", format = "raw" }

[sink.one]
kafka = "k1:9092, k2"
share = "25%"
overflow = "block"
max_age = "7d"
drain_rate = 500

[sink.two]
kafka = "k3:9092"
delivery = "at-least-once"
options = { "sasl.password" = "${credential:kafka_password}", "client.id" = "$${x}" }
"#,
    );
    let [to_one, to_two] = settings.queries[0].into.as_slice() else { panic!("two routes") };
    let literal = |text: &str| TopicPart::Literal(text.into());
    assert_eq!(to_one.topic.parts, [literal("t.gw-1."), TopicPart::Column(2), literal(".x")]);
    assert_eq!((to_one.sink, to_one.key, to_one.format), (0, Some(1), OutputFormat::Json), "the device is the key");
    assert_eq!((to_two.sink, to_two.key, to_two.topic.literal()), (1, None, Some("plain")));
    let [scans] = settings.queries[1].into.as_slice() else { panic!("one route") };
    assert_eq!(
        (scans.key, scans.format, scans.topic.literal()),
        (Some(0), OutputFormat::Raw(1), Some("scans.eu-west"))
    );

    let [one, two] = settings.sinks.as_slice() else { panic!("two sinks") };
    assert_eq!(kafka(one).offsets_topic.as_deref(), Some("scans.eu-west"), "the first topic without columns");
    assert_eq!((one.overflow, one.max_age), (Overflow::Block, Some(Duration::from_secs(7 * 86_400))));
    assert_eq!(one.drain_records_per_second_max, Some(500));
    assert_eq!((kafka(one).delivery, kafka(two).delivery), (Delivery::ExactlyOnce, Delivery::AtLeastOnce));
    assert_eq!(kafka(two).options["sasl.password"], "s3cret");
    assert_eq!(kafka(two).options["client.id"], "${x}");
    assert!(!format!("{settings:?}").contains("s3cret"), "no secret in Debug output");

    let store = &settings.store;
    assert_eq!(one.share_max_bytes, store.size_max_bytes / 100 * 25);
    let logs = one.share_max_bytes + two.share_max_bytes + store.journal_share_max_bytes;
    assert!(logs + store.dead_share_max_bytes + store.invalid_share_max_bytes < store.size_max_bytes);
    assert!(store.journal_share_max_bytes > store.size_max_bytes / 10);
}

/// However small the store is, what its logs may fill fits into it.
#[test]
fn shares_fit_into_every_store() {
    for size in ["16MiB", "33MiB", "64MiB", "512MiB", "2GiB", "1TiB"] {
        for sinks in 1..4 {
            let mut text = format!("[gateway]\nid = \"gw-1\"\n[store]\nmax_size = \"{size}\"\n");
            (0..sinks).for_each(|i| text.push_str(&format!("[sink.s{i}]\nkafka = \"k:9092\"\n")));
            let settings = load(&text);
            let store = &settings.store;
            let shares: u64 = settings.sinks.iter().map(|sink| sink.share_max_bytes).sum();
            assert!(shares + store.journal_share_max_bytes < store.size_max_bytes, "{size} {sinks}");
            assert!(store.journal_share_max_bytes >= shares / 2, "{size} {sinks}");
        }
    }
}

const RELATIONS: &str = r#"
[gateway]
id = "gw-1"

[source.telemetry]
mqtt = "dev/{device}/telemetry"
schema = "ts TIMESTAMP_LTZ(3), temp DOUBLE"
event_time = "ts"

[query.alarm]
sql = "SELECT device, window_end FROM minutes_of_hot WHERE n > 3"
into = { sink = "cloud", topic = "alarms" }

[query.minutes_of_hot]
sql = """
SELECT device, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE hot, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY device, window_start, window_end"""
into = { sink = "cloud", topic = "minutes" }

[query.telemetry]
sql = "SELECT device, temp FROM telemetry"
into = { sink = "cloud", topic = "all" }

[sink.cloud]
kafka = "kafka:9092"

[view.hot]
sql = "SELECT * FROM telemetry WHERE temp > 80"
"#;

#[test]
fn views_and_queries_are_read_by_others_in_any_order() {
    let settings = load(RELATIONS);
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    let queries: Vec<(&str, bool)> =
        settings.topology.queries.iter().map(|query| (query.name.as_str(), query.is_stateful())).collect();
    // What alarm reads is in its own plan, with its state; a source hides the query of the same name.
    assert_eq!(queries, [("alarm", true), ("minutes_of_hot", true), ("telemetry", false)]);
    assert!(settings.topology.queries.iter().all(|query| query.sources() == [0]));
}

/// A ROW_NUMBER in a view has its limit in the queries that read it, each its own.
#[test]
fn a_view_may_number_rows() {
    let view = r#"
[view.numbered]
sql = """
SELECT device, temp, window_end, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY temp DESC) AS place
FROM TABLE(TUMBLE(TABLE telemetry, DESCRIPTOR(ts), INTERVAL '1' MINUTE))"""
"#;
    let query = |name: &str, filter: &str| {
        let sql = format!("SELECT device, temp, window_end FROM numbered {filter}");
        format!("[query.{name}]\nsql = \"{sql}\"\ninto = {{ sink = \"cloud\", topic = \"{name}\" }}\n")
    };
    let queries = query("hottest", "WHERE place = 1") + &query("hot", "WHERE place <= 3");
    let settings = load(&format!("{RELATIONS}{view}{queries}"));
    assert_eq!(settings.topology.queries.len(), 5);
    let problems = load_text(&format!("{RELATIONS}{view}{}", query("all", "")), "gateway.toml");
    let problems = problems.expect_err("without a limit it is refused");
    assert!(problems.iter().any(|problem| problem.message.contains("needs a limit")), "{problems:?}");
}

#[test]
fn listeners_and_who_may_use_them() {
    let settings = load(
        r#"
[gateway]
id = "gw-1"

[[broker.listener]]
bind = "0.0.0.0:1883"

[[broker.listener]]
bind = "[::1]:8883"
protocol = "wss"
certificate = "server.pem"
key = "server.key"
client_ca = "ca.pem"
client_certificate = "optional"
certificate_user = "san"
proxy_protocol = true

[[broker.listener]]
bind = "/run/tidegate/mqtt.sock"
protocol = "unix"

[broker]
password_file = "passwords"
handshake_timeout = "5s"

[[broker.acl]]
users = "press-*"
publish = "dev/%u/#"

[[broker.acl]]
anonymous = true
subscribe = ["a", "b"]

[[broker.acl]]
subscribe = "news"
"#,
    );
    let [plain, secure, unix] = settings.broker.listeners.as_slice() else { panic!("three listeners") };
    assert!(!plain.allow_anonymous && secure.allow_anonymous && unix.allow_anonymous);
    let Transport::Tcp { proxy_protocol: true, tls: Some(tls), websocket: Some(path), .. } = &secure.transport else {
        panic!("{secure:?}")
    };
    let clients = tls.clients.as_ref().expect("a CA");
    assert_eq!((path.as_str(), clients.required, clients.user), ("/mqtt", false, CertificateUser::AlternativeName));
    assert!(matches!(&unix.transport, Transport::Unix { mode: 0o660, .. }));
    assert_eq!(settings.broker.limits.handshake_timeout, Duration::from_secs(5));
    let rules = settings.broker.access.rules.expect("rules");
    let who: Vec<&Who> = rules.iter().map(|rule| &rule.who).collect();
    assert_eq!(who, [&Who::Users(vec!["press-*".to_owned()]), &Who::Anonymous, &Who::Everyone]);
    assert_eq!((rules[0].publish.len(), rules[1].subscribe.len(), rules[2].publish.len()), (1, 2, 0));
}

#[test]
fn another_broker_is_a_sink_or_a_bridge() {
    let settings = load(
        r#"
[gateway]
id = "gw-1"
region = "eu-west"

[source.everything]
mqtt = "dev/{path#}"
format = "raw"

[query.forward]
sql = "SELECT path, payload FROM everything"
into = { sink = "hq", topic = "plant/{region}/{path}", format = "raw" }

[sink.hq]
mqtt = "mqtts://hq.example.com"
user = "gw"
password = "${credential:kafka_password}"
ca = "/etc/ca.pem"
certificate = "/etc/gw.pem"
key = "/etc/gw.key"
retain = true
drain_rate = 50

[bridge.hq]
mqtt = "10.0.0.1:2883"
version = "3.1.1"
client_id = "in"
keep_alive = "10s"
qos = 0
session_expiry = "1d"
topics = [
    { from = "plant/{region}/{device}/cmd", to = "dev/{device}/cmd" },
    { from = "all/{path#}" },
]
"#,
    );
    let [sink] = settings.sinks.as_slice() else { panic!("one sink") };
    let SinkKind::Mqtt(mqtt) = &sink.kind else { panic!("an MQTT sink") };
    assert_eq!((mqtt.qos, mqtt.retain, sink.drain_records_per_second_max), (1, true, Some(50)));
    let peer = &mqtt.peer;
    assert_eq!((peer.version, peer.client_id.as_str()), (MqttVersion::V5, "tidegate-gw-1-hq"));
    assert_eq!(
        (peer.server.host.as_str(), peer.server.port, peer.keep_alive),
        ("hq.example.com", 8883, Duration::from_secs(30))
    );
    assert_eq!((peer.server.user.as_deref(), peer.server.password.as_deref()), (Some("gw"), Some("s3cret")));
    let tls = peer.server.tls.as_ref().expect("TLS");
    assert_eq!(tls.ca.as_deref().and_then(|ca| ca.to_str()), Some("/etc/ca.pem"));
    assert!(tls.identity.is_some());
    assert!(!format!("{settings:?}").contains("s3cret"), "no secret in Debug output");
    let [route] = settings.queries[0].into.as_slice() else { panic!("one route") };
    assert_eq!(route.topic.parts, [TopicPart::Literal("plant/eu-west/".into()), TopicPart::Column(0)]);
    assert_eq!((route.key, route.format), (None, OutputFormat::Raw(1)));

    let [bridge] = settings.bridges.as_slice() else { panic!("one bridge") };
    let peer = &bridge.peer;
    assert_eq!((peer.server.host.as_str(), peer.server.port, peer.server.tls.is_none()), ("10.0.0.1", 2883, true));
    assert_eq!((peer.version, peer.client_id.as_str(), bridge.qos), (MqttVersion::V311, "in", 0));
    assert_eq!((peer.keep_alive, bridge.session_expiry), (Duration::from_secs(10), Duration::from_secs(86_400)));
    let filters: Vec<String> = bridge.topics.iter().map(|topic| Level::filter(&topic.from)).collect();
    assert_eq!(filters, ["plant/+/+/cmd", "all/#"]);
    let literal = |text: &str| TopicPart::Literal(text.into());
    assert_eq!(bridge.topics[0].to.parts, [literal("dev/"), TopicPart::Column(1), literal("/cmd")]);
    assert_eq!(bridge.topics[1].to.parts, [literal("all/"), TopicPart::Column(0)], "the topic stays as it is");
}
