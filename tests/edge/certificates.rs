//! Certificates, made by the very commands of docs/operating.md; TLS, mutual TLS, and files that change.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::gateway::{Gateway, free_address, metric};
use crate::mosquitto::{Subscriber, publish, stderr};
use crate::{eventually, shell, start};

const OPERATING: &str = include_str!("../../docs/operating.md");

/// The commands of the block of docs/operating.md that begins with this comment.
fn documented(comment: &str) -> String {
    let start = OPERATING.find(comment).unwrap_or_else(|| panic!("docs/operating.md shows {comment:?}"));
    OPERATING[start..].split("```").next().expect("a block").to_owned()
}

/// A CA and a server's certificate for localhost, and a device's, named press-7.
pub fn make(directory: &Path) {
    let commands = documented("# a CA, and the gateway's certificate");
    let openssl = commands.lines().filter(|line| line.starts_with("openssl")).count();
    assert_eq!(openssl, 3, "three commands");
    shell(directory, &commands.replace("gw-0042.plant.example", "localhost").replace("10.0.0.42", "127.0.0.1"));
    shell(directory, &documented("# a certificate for a device"));
}

pub fn listener(directory: &Path, protocol: &str, more: &str) -> (u16, String) {
    let address = free_address();
    let text = format!(
        "[[broker.listener]]\nbind = \"{address}\"\nprotocol = \"{protocol}\"\ncertificate = {:?}\nkey = {:?}\n{more}\n",
        directory.join("server.pem"),
        directory.join("server.key")
    );
    (address.port(), text)
}

fn ca(directory: &Path) -> PathBuf {
    directory.join("ca.pem")
}

#[test]
fn mosquitto_speaks_tls_12_and_13() {
    let directory = tempfile::tempdir().expect("a directory");
    make(directory.path());
    let (port, text) = listener(directory.path(), "mqtts", "");
    let gateway = start(directory.path(), &text);
    let tls = format!("-h localhost -p {port} --cafile {}", ca(directory.path()).display());
    let subscriber = Subscriber::start(&gateway, directory.path().join("got"), &format!("{tls} -t t/# -q 1 -v"));
    for version in ["tlsv1.2", "tlsv1.3"] {
        let output = publish(&format!("{tls} --tls-version {version} -t t/{version} -m hello -q 1"));
        assert!(output.status.success(), "{}", stderr(&output));
        subscriber.wait_for(&format!("t/{version} hello"));
    }
    // Without TLS nothing is spoken there.
    let output = publish(&format!("-h localhost -p {port} -t t/plain -m hello -q 1"));
    assert!(!output.status.success());
    gateway
        .wait_for("the failed handshake", |metrics| metric(metrics, "tidegate_broker_handshake_failed_total") >= 1.0);
    assert!(!subscriber.text().contains("t/plain"));
}

#[test]
fn the_name_in_a_certificate_is_the_user() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    make(path);
    let client_ca = format!("client_ca = {:?}\n", ca(path));
    let (cn_port, cn) = listener(path, "mqtts", &client_ca);
    let (san_port, san) = listener(path, "mqtts", &format!("{client_ca}certificate_user = \"san\"\n"));
    let rules = "[[broker.acl]]\nusers = \"press-7\"\npublish = \"dev/%u/#\"\n\n[[broker.acl]]\nanonymous = true\nsubscribe = \"#\"\n";
    let gateway = start(path, &format!("{cn}{san}{rules}"));
    let mqtt = gateway.mqtt;
    let subscriber = Subscriber::start(&gateway, path.join("got"), &format!("-h 127.0.0.1 -p {} -t # -v", mqtt.port()));
    let device = format!("--cert {0}/device.pem --key {0}/device.key", path.display());
    for port in [cn_port, san_port] {
        let tls = format!("-h localhost -p {port} --cafile {}", ca(path).display());
        let output = publish(&format!("{tls} {device} -V 5 -q 1 -t dev/press-7/{port} -m yes"));
        assert!(output.status.success(), "{}", stderr(&output));
        subscriber.wait_for(&format!("dev/press-7/{port} yes"));
        let output = publish(&format!("{tls} {device} -V 5 -q 1 -t dev/press-8/x -m no"));
        assert!(stderr(&output).contains("Not authorized"), "{}", stderr(&output));
        // Without a certificate nobody comes in.
        assert!(!publish(&format!("{tls} -t dev/press-7/x -m no -q 1")).status.success());
    }
    // Nor with one of another CA.
    let other = tempfile::tempdir().expect("a directory");
    make(other.path());
    let output = publish(&format!(
        "-h localhost -p {cn_port} --cafile {} --cert {1}/device.pem --key {1}/device.key -t dev/press-7/x -m no -q 1",
        ca(path).display(),
        other.path().display()
    ));
    assert!(!output.status.success());
    assert!(!subscriber.text().contains(" no"), "{}", subscriber.text());
}

/// The subject of the certificate that a server shows.
fn shown(directory: &Path, port: u16) -> String {
    shell(
        directory,
        &format!(
            "openssl s_client -connect localhost:{port} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint"
        ),
    )
}

#[test]
fn changed_certificates_are_read_again_and_nobody_is_dropped() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    make(path);
    let (port, text) = listener(path, "mqtts", "");
    let gateway = start(path, &text);
    let tls = format!("-h localhost -p {port} --cafile {}", ca(path).display());
    // It knows the old CA alone, which is fine: it is connected.
    let mut subscriber = Subscriber::start(&gateway, path.join("got"), &format!("{tls} -t t -q 1"));
    let before = shown(path, port);

    std::fs::write(path.join("server.pem"), "half a certi").expect("written");
    eventually("the warning", || gateway.log().contains("goes on with what it had"));
    assert_eq!(shown(path, port), before, "a broken file changes nothing");

    make(path);
    eventually("the new certificate", || shown(path, port) != before);
    let output = publish(&format!("{tls} -t t -m after -q 1"));
    assert!(output.status.success(), "{}", stderr(&output));
    subscriber.wait_for("after");
    assert!(!subscriber.has_ended());
    // The subscriber and the publisher: nobody had to come again.
    assert_eq!(metric(&gateway.metrics(), "tidegate_broker_connects_total"), 2.0);
}

#[test]
fn a_wrong_file_is_said_before_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    make(path);
    shell(path, "openssl genpkey -algorithm ed25519 -out other.key");
    let config = path.join("tidegate.toml");
    for (certificate, key, said) in [
        ("missing.pem", "server.key", "missing.pem: cannot be read"),
        ("server.key", "server.key", "server.key: there is no certificate in it"),
        ("server.pem", "server.pem", "server.pem: there is no private key in it"),
        ("server.pem", "other.key", "the key does not belong to the certificate"),
    ] {
        let text = format!(
            "[gateway]\nid = \"gw\"\ndata_dir = {:?}\n[[broker.listener]]\nbind = \"127.0.0.1:18883\"\nprotocol = \"mqtts\"\n\
             certificate = {:?}\nkey = {:?}\n",
            path.join("data"),
            path.join(certificate),
            path.join(key)
        );
        std::fs::write(&config, text).expect("written");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let output = command.arg("check").arg("--config").arg(&config).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

/// A gateway with a TLS listener, for the tests of those who misuse it.
pub fn gateway_with_tls(directory: &Path, more: &str) -> (Gateway, u16) {
    make(directory);
    let (port, text) = listener(directory, "mqtts", "");
    (start(directory, &format!("{text}{more}")), port)
}

/// Long enough for anything that should not happen.
pub const A_WHILE: Duration = Duration::from_secs(1);
