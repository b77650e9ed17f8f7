//! Certificates for tests, made by openssl: an authority, a server's certificate for 127.0.0.1 that it signed, and
//! another authority that signed nothing.

#![allow(dead_code)] // Each test binary uses its own part of it.

use std::fs;
use std::path::Path;
use std::process::Command;

pub const CA: &str = "ca.pem";
pub const OTHER_CA: &str = "other-ca.pem";
/// The server's key (PKCS #8), its certificate, and the authority's: what Kafka takes as a PEM key store.
pub const KEYS: &str = "keys.pem";

pub fn make_certificates(directory: &Path) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    for (ca, name) in [(CA, "/CN=tests"), (OTHER_CA, "/CN=somebody else")] {
        let out = ["-x509", "-days", "2", "-subj", name, "-keyout", &format!("{ca}.key"), "-out", ca];
        openssl(directory, &[&["req"], &key[..], &out].concat());
    }
    let request = ["-subj", "/CN=kafka", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
    openssl(directory, &[&["req"], &key[..], &request, &["-keyout", "server.key", "-out", "server.csr"]].concat());
    let sign = ["x509", "-req", "-in", "server.csr", "-days", "2", "-copy_extensions", "copy", "-out", "server.pem"];
    openssl(directory, &[&sign[..], &["-CA", CA, "-CAkey", &format!("{CA}.key"), "-CAcreateserial"]].concat());
    let read = |name: &str| fs::read_to_string(directory.join(name)).expect("just made");
    fs::write(directory.join(KEYS), read("server.key") + &read("server.pem") + &read(CA)).expect("written");
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(directory).args(arguments).output().expect("openssl runs");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
