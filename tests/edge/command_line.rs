//! `tidegate passwd` and `tidegate mqtt`, as a person or a script uses them.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use crate::certificates::gateway_with_tls;
use crate::gateway::metric;

fn passwd(arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg("passwd").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

#[test]
fn passwd_prints_a_line_of_a_password_file() {
    let output = passwd(&["press-7"], "s3cret\n");
    let line = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && line.starts_with("press-7:$argon2id$v=19$m=19456,t=2,p=1$"), "{line}");
    assert!(!line.contains("s3cret"));
    for (user, stdin, code, said) in [
        ("press-7", "\n", 1, "the password is empty"),
        ("a:b", "x\n", 2, "a user's name has no"),
        ("", "x\n", 2, "a user's name has 1 to 256 bytes"),
    ] {
        let output = passwd(&[user], stdin);
        assert_eq!(output.status.code(), Some(code), "{user}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{user}");
    }
}

fn mqtt(arguments: &str, stdin: &str) -> Output {
    let mut child = start_mqtt(arguments);
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn start_mqtt(arguments: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg("mqtt").args(arguments.split_whitespace());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it runs")
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

#[test]
fn pub_and_sub_over_tcp_and_tls_at_each_qos() {
    let directory = tempfile::tempdir().expect("a directory");
    let (gateway, port) = gateway_with_tls(directory.path(), "");
    let plain = format!("-s mqtt://{}", gateway.mqtt);
    let tls = format!("-s mqtts://localhost:{port} --ca {}", directory.path().join("ca.pem").display());
    for (server, qos) in [(&plain, 0), (&tls, 1), (&tls, 2), (&plain, 2)] {
        let before = metric(&gateway.metrics(), "tidegate_broker_subscriptions");
        let subscriber = start_mqtt(&format!("sub {server} -t a/# -t b -q {qos} -c 4 -v"));
        gateway
            .wait_for("the subscriptions", |metrics| metric(metrics, "tidegate_broker_subscriptions") == before + 2.0);
        let output = mqtt(&format!("pub {plain} -t a/b -q {qos}"), "one\ntwo\nthree");
        assert_eq!(said(&output), (Some(0), String::new()));
        let output = mqtt(&format!("pub {tls} -t b -q {qos} -m four"), "");
        assert_eq!(said(&output), (Some(0), String::new()));
        let got = subscriber.wait_with_output().expect("it ends by itself");
        assert_eq!(String::from_utf8_lossy(&got.stdout), "a/b one\na/b two\na/b three\nb four\n", "QoS {qos}");
        assert_eq!(said(&got), (Some(0), String::new()));
        gateway.wait_for("the end", |metrics| metric(metrics, "tidegate_broker_subscriptions") == before);
    }
}

#[test]
fn what_goes_wrong_is_said_in_words() {
    let directory = tempfile::tempdir().expect("a directory");
    let (gateway, port) = gateway_with_tls(directory.path(), "[[broker.acl]]\npublish = \"a\"\n");
    let plain = format!("-s mqtt://{}", gateway.mqtt);
    let other = directory.path().join("device.pem");
    let nobody = crate::gateway::free_address();
    for (arguments, code, text) in [
        (format!("pub -s mqtt://{nobody} -t a -m x"), 1, "cannot be reached".to_owned()),
        ("pub -s tcp://x -t a -m x".to_owned(), 2, "mqtt://HOST".to_owned()),
        (format!("pub {plain} -t a/+ -m x"), 2, "a topic has neither".to_owned()),
        (format!("pub {plain} --ca ca.pem -t a -m x"), 2, "write --server mqtts://HOST".to_owned()),
        (format!("sub {plain} -t b"), 1, "the server refuses to subscribe to \"b\"".to_owned()),
        (
            format!("pub -s mqtts://localhost:{port} --ca {} -t a -m x", other.display()),
            1,
            "TLS with localhost".to_owned(),
        ),
        (
            format!("pub -s mqtts://localhost:{port} --ca missing.pem -t a -m x"),
            1,
            "missing.pem: cannot be read".to_owned(),
        ),
    ] {
        let (found, words) = said(&mqtt(&arguments, ""));
        assert_eq!(found, Some(code), "{arguments}: {words}");
        assert!(words.contains(&text), "{arguments}: {words}");
    }
}
