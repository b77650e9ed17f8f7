//! Users, tokens and rules, and changing them while the gateway runs.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::gateway::{Gateway, metric};
use crate::mosquitto::{Subscriber, publish, stderr};
use crate::{eventually, shell, start};

fn hash(directory: &Path, user: &str, password: &str) -> String {
    let line = shell(directory, &format!("echo '{password}' | {} passwd {user}", env!("CARGO_BIN_EXE_tidegate")));
    line.trim().split_once(':').expect("a line of a password file").1.to_owned()
}

fn at(gateway: &Gateway) -> String {
    format!("-h 127.0.0.1 -p {}", gateway.mqtt.port())
}

/// Rewrites the configuration and sends SIGHUP.
fn reconfigure(gateway: &Gateway, directory: &Path, change: impl Fn(&str) -> String) {
    let file = directory.join("tidegate.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    std::fs::write(&file, change(&text)).expect("written");
    shell(directory, &format!("kill -HUP {}", gateway.pid()));
}

#[test]
fn users_come_in_by_password_and_only_do_what_a_rule_allows() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let text = format!(
        "[broker.user.press-7]\npassword_hash = \"{}\"\n[broker.user.reader]\npassword_hash = \"{}\"\n\
         [[broker.acl]]\nusers = \"press-*\"\npublish = [\"dev/%u/#\", \"c/%c\"]\n\
         [[broker.acl]]\nusers = [\"reader\"]\nsubscribe = [\"dev/+/t\", \"news\"]\n",
        hash(path, "press-7", "s3cret"),
        hash(path, "reader", "read")
    );
    let gateway = start(path, &text);
    let at = at(&gateway);
    let reader = format!("{at} -u reader -P read");
    let subscriber = Subscriber::start(&gateway, path.join("got"), &format!("{reader} -t dev/+/t -t news -v -q 1"));
    let press = format!("{at} -u press-7 -P s3cret -i c1");
    for version in ["311", "5"] {
        let output = publish(&format!("{press} -V {version} -q 1 -t dev/press-7/t -m v{version}"));
        assert!(output.status.success(), "{}", stderr(&output));
        subscriber.wait_for(&format!("dev/press-7/t v{version}"));
    }
    assert!(publish(&format!("{press} -q 1 -t c/c1 -m x")).status.success());
    // What no rule allows: version 5 is told so, 3.1.1 cannot be.
    for (topic, qos) in [("dev/press-8/t", 1), ("c/c2", 2)] {
        let output = publish(&format!("{press} -V 5 -q {qos} -t {topic} -m no"));
        assert!(stderr(&output).contains("Not authorized"), "{topic}: {}", stderr(&output));
        assert!(publish(&format!("{press} -V 311 -q {qos} -t {topic} -m no")).status.success());
    }
    assert_eq!(metric(&gateway.metrics(), "tidegate_broker_denied_publish_total"), 4.0);
    assert!(!subscriber.text().contains(" no"), "{}", subscriber.text());
    // A filter that reaches beyond the rules is refused whole.
    let denied = shell(path, &format!("mosquitto_sub {reader} -t 'dev/#' -W 30 2>&1 || true"));
    assert!(denied.contains("denied"), "{denied}");
    // Wrong passwords, unknown users.
    for login in ["-u press-7 -P wrong", "-u press-9 -P s3cret"] {
        let output = publish(&format!("{at} {login} -t dev/press-7/t -m no"));
        assert!(stderr(&output).contains("bad user name or password"), "{}", stderr(&output));
    }
}

#[test]
fn rules_and_users_change_while_it_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let tidegate = env!("CARGO_BIN_EXE_tidegate");
    shell(
        path,
        &format!(
            "echo one | {tidegate} passwd ada --file passwords; echo two | {tidegate} passwd bob --file passwords"
        ),
    );
    let text = "[[broker.acl]]\nusers = \"*\"\npublish = \"#\"\nsubscribe = \"#\"\n";
    let gateway = with_password_file(path, text);
    let at = at(&gateway);
    let mut subscriber = Subscriber::start(&gateway, path.join("got"), &format!("{at} -u ada -P one -t t/# -q 1 -v"));
    let bob = format!("{at} -u bob -P two -q 1");
    assert!(publish(&format!("{bob} -t t/a -m 1")).status.success());
    subscriber.wait_for("t/a 1");

    // A rule less: what was subscribed before is asked for again at each delivery.
    reconfigure(&gateway, path, |text| text.replace("subscribe = \"#\"", "subscribe = \"t/b\""));
    eventually("the reload", || gateway.log().contains("were read again"));
    assert!(publish(&format!("{bob} -t t/a -m 2")).status.success());
    assert!(publish(&format!("{bob} -t t/b -m 3")).status.success());
    subscriber.wait_for("t/b 3");
    assert!(!subscriber.text().contains("t/a 2"));
    assert_eq!(metric(&gateway.metrics(), "tidegate_broker_denied_delivery_total"), 1.0);

    // A wrong configuration changes nothing, and says so.
    reconfigure(&gateway, path, |text| text.replace("subscribe = \"t/b\"", "subscribe = \"t/#/b\""));
    eventually("the complaint", || gateway.log().contains("nothing is changed"));
    assert!(publish(&format!("{bob} -t t/b -m 4")).status.success());
    subscriber.wait_for("t/b 4");

    // A user less in the password file, without any signal: ada is told, bob stays.
    shell(path, "grep -v ada passwords > new && mv new passwords");
    eventually("ada's end", || metric(&gateway.metrics(), "tidegate_broker_ended_revoked_total") == 1.0);
    let refused = publish(&format!("{at} -u ada -P one -t t/b -m 5"));
    assert!(stderr(&refused).contains("bad user name or password"), "{}", stderr(&refused));
    assert!(publish(&format!("{bob} -t t/b -m 6")).status.success());
    // mosquitto_sub tries again by itself, and is refused.
    assert!(!subscriber.text().contains("t/b 6"));
    subscriber.has_ended();
}

/// A gateway whose users are in `passwords`.
fn with_password_file(path: &Path, configuration: &str) -> Gateway {
    let mut gateway = Gateway::new(env!("CARGO_BIN_EXE_tidegate"), path, configuration);
    let file = path.join("tidegate.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    let broker = format!("[broker]\npassword_file = {:?}\n\n[[broker.listener]]", path.join("passwords"));
    std::fs::write(&file, text.replacen("[[broker.listener]]", &broker, 1)).expect("written");
    gateway.start();
    gateway
}

/// A token that openssl signs with RS256.
fn token(path: &Path, claims: &str) -> String {
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#), URL_SAFE_NO_PAD.encode(claims));
    std::fs::write(path.join("message"), &message).expect("written");
    shell(path, "openssl dgst -sha256 -sign jwt.key -out signature message");
    let signature = std::fs::read(path.join("signature")).expect("read");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn tokens_are_passwords() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    shell(
        path,
        "openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out jwt.key 2>/dev/null; openssl pkey -in jwt.key -pubout -out jwt.pem",
    );
    let text = format!(
        "[broker.jwt]\npublic_key = {:?}\naudience = \"gw\"\n[[broker.acl]]\nusers = \"press-7\"\npublish = \"dev/%u/#\"\n",
        path.join("jwt.pem")
    );
    let mut gateway = Gateway::new(env!("CARGO_BIN_EXE_tidegate"), path, &text);
    let file = path.join("tidegate.toml");
    let head = std::fs::read_to_string(&file).expect("read");
    // Whether this machine's clock is synchronised is not the matter here.
    std::fs::write(&file, head.replacen("[gateway]", "[gateway]\nclock = \"rtc\"", 1)).expect("written");
    gateway.start();
    let at = at(&gateway);
    let login = |claims: &str| format!("{at} -V 5 -q 1 -u device -P {}", token(path, claims));
    let output =
        publish(&format!("{} -t dev/press-7/t -m x", login(r#"{"sub":"press-7","aud":"gw","exp":4000000000}"#)));
    assert!(output.status.success(), "{}", stderr(&output));
    let output = publish(&format!("{} -t dev/device/t -m x", login(r#"{"sub":"press-7","aud":"gw"}"#)));
    assert!(stderr(&output).contains("Not authorized"), "the claim is the user: {}", stderr(&output));
    for claims in [r#"{"sub":"press-7","aud":"gw","exp":1000000000}"#, r#"{"sub":"press-7","aud":"other"}"#] {
        let output = publish(&format!("{} -t dev/press-7/t -m x", login(claims)));
        assert!(stderr(&output).contains("Bad User Name or Password"), "{claims}: {}", stderr(&output));
    }
}

#[test]
fn a_connection_ends_with_its_token() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    shell(
        path,
        "openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out jwt.key 2>/dev/null; openssl pkey -in jwt.key -pubout -out jwt.pem",
    );
    let text = format!("[broker.jwt]\npublic_key = {:?}\n", path.join("jwt.pem"));
    let mut gateway = Gateway::new(env!("CARGO_BIN_EXE_tidegate"), path, &text);
    let file = path.join("tidegate.toml");
    let head = std::fs::read_to_string(&file).expect("read");
    std::fs::write(&file, head.replacen("[gateway]", "[gateway]\nclock = \"rtc\"", 1)).expect("written");
    gateway.start();
    let at = at(&gateway);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = |user: &str, exp: u64| token(path, &format!("{{\"sub\":\"{user}\",\"exp\":{exp}}}"));
    let stays = format!("{at} -V 5 -u x -P {} -t #", claims("stays", now + 86_400));
    let stays = Subscriber::start(&gateway, path.join("stays"), &stays);
    let goes = format!("{at} -V 5 -u x -P {} -t #", claims("goes", now + 15));
    let _goes = Subscriber::start(&gateway, path.join("goes"), &goes);
    eventually("the token's end", || metric(&gateway.metrics(), "tidegate_broker_ended_revoked_total") == 1.0);
    let publisher = format!("{at} -V 5 -u x -P {} -q 1 -t t -m still", claims("p", now + 86_400));
    assert!(publish(&publisher).status.success());
    stays.wait_for("still");
}

#[test]
fn a_will_is_not_published_by_a_right_that_was_withdrawn() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let gateway = start(path, "[[broker.acl]]\npublish = [\"ok/#\", \"will/#\"]\nsubscribe = \"#\"\n");
    let connect = |name: &str, topic: &str| {
        crate::device::Device::connect_with_will(gateway.mqtt, name, true, Some((topic, "gone"))).expect("connected")
    };
    let (withdrawn, kept) = (connect("withdrawn", "will/a"), connect("kept", "ok/a"));
    let subscriber = Subscriber::start(&gateway, path.join("got"), &format!("{} -t # -v", at(&gateway)));
    let file = path.join("tidegate.toml");
    let text = std::fs::read_to_string(&file).expect("read");
    std::fs::write(&file, text.replace(", \"will/#\"", "")).expect("written");
    shell(path, &format!("kill -HUP {}", gateway.pid()));
    eventually("the new rules", || gateway.log().contains("were read again"));
    drop(withdrawn);
    eventually("the first one's end", || metric(&gateway.metrics(), "tidegate_broker_denied_will_total") == 1.0);
    drop(kept);
    subscriber.wait_for("ok/a gone");
    assert!(!subscriber.text().contains("will/a"), "{}", subscriber.text());
}

#[test]
fn wills_and_shared_subscriptions_are_asked_for_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let text = "[[broker.acl]]\nanonymous = true\npublish = \"ok/%c\"\nsubscribe = \"ok/#\"\n";
    let gateway = start(path, text);
    let at = at(&gateway);
    // A will is a publish that comes later.
    let will = |topic: &str| format!("{at} -V 5 -i c1 -t ok/c1 -m x -q 1 --will-topic {topic} --will-payload gone");
    assert!(publish(&will("ok/c1")).status.success());
    let refused = publish(&will("ok/c2"));
    assert!(stderr(&refused).contains("Not authorized"), "{}", stderr(&refused));
    // A group may have what its members may, and no more.
    let group = Subscriber::start(&gateway, path.join("got"), &format!("{at} -t $share/g/ok/+ -q 1"));
    assert!(publish(&format!("{at} -i c3 -t ok/c3 -m shared -q 1")).status.success());
    group.wait_for("shared");
    let denied = shell(path, &format!("mosquitto_sub {at} -t '$share/g/#' -W 30 2>&1 || true"));
    assert!(denied.contains("denied"), "{denied}");
    let metrics = gateway.metrics();
    assert_eq!(metric(&metrics, "tidegate_broker_denied_will_total"), 1.0);
    assert_eq!(metric(&metrics, "tidegate_broker_denied_subscribe_total"), 1.0);
}
