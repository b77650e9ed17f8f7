//! `[[broker.listener]]`: which keys go with which protocol, and that no two want the same place.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::super::problem::{Problems, Span};
use super::super::raw;
use super::super::read::{At, Field};
use super::super::settings::{Access, Address, CertificateUser, ClientCertificates, Listener, Tls, Transport};
use super::super::text::Text;
use super::broker::{address, overlap};
use super::{choose, missing};

const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1883);
/// sun_path of unix(7), less its NUL.
const UNIX_PATH_BYTES_MAX: usize = 107;
const UNIX_MODE: u32 = 0o660;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Mqtt,
    Mqtts,
    Ws,
    Wss,
    Unix,
}

const PROTOCOLS: [(&str, Protocol); 5] = [
    ("mqtt", Protocol::Mqtt),
    ("mqtts", Protocol::Mqtts),
    ("ws", Protocol::Ws),
    ("wss", Protocol::Wss),
    ("unix", Protocol::Unix),
];

impl Protocol {
    fn name(self) -> &'static str {
        PROTOCOLS.iter().find(|(_, protocol)| *protocol == self).map_or("", |(name, _)| name)
    }
}

pub(super) fn check_listeners(
    raw: &Field<Vec<At<raw::Listener>>>,
    access: &Access,
    admin: Option<SocketAddr>,
    problems: &mut Problems,
) -> Vec<Listener> {
    let Some(raw_listeners) = raw.given() else {
        let transport = Transport::Tcp { bind: DEFAULT, proxy_protocol: false, tls: None, websocket: None };
        return vec![Listener { transport, allow_anonymous: true }];
    };
    let mut listeners: Vec<Listener> = Vec::new();
    for raw in &raw_listeners.value {
        let Some(listener) = check_listener(raw, access, problems) else { continue };
        if let Some(bind) = raw.value.bind.given() {
            check_place(&listener.transport.address(), &listeners, admin, bind.span, problems);
        }
        listeners.push(listener);
    }
    listeners
}

fn check_place(place: &Address, others: &[Listener], admin: Option<SocketAddr>, span: Span, problems: &mut Problems) {
    let same = |other: &Address| match (other, place) {
        (Address::Ip(one), Address::Ip(other)) => overlap(*one, *other),
        (one, other) => one == other,
    };
    if let Some(taken) = others.iter().map(|other| other.transport.address()).find(|other| same(other)) {
        let message = format!("{place} is taken: a listener above has {taken}");
        let help = match place {
            Address::Ip(_) => "each listener needs a port of its own",
            Address::Unix(_) => "each listener needs a path of its own",
        };
        problems.error(span, message, help);
    }
    if admin.is_some_and(|admin| same(&Address::Ip(admin))) {
        problems.error(span, format!("{place} is taken by [admin] listen"), "use another port for one of them");
    }
}

fn check_listener(raw: &At<raw::Listener>, access: &Access, problems: &mut Problems) -> Option<Listener> {
    let table = &raw.value;
    let protocol = choose(&table.protocol, "protocol", Protocol::Mqtt, &PROTOCOLS, &[], problems);
    check_keys(table, protocol, problems);
    let tls = match protocol {
        Protocol::Mqtts | Protocol::Wss => check_tls(raw, protocol, problems),
        _ => None,
    };
    let websocket = matches!(protocol, Protocol::Ws | Protocol::Wss).then(|| check_path(&table.path, problems));
    let mode = check_mode(&table.mode, problems);
    if table.bind.is_missing() {
        let example = if protocol == Protocol::Unix { "/run/tidegate/mqtt.sock" } else { "127.0.0.1:1883" };
        missing("bind", "[[broker.listener]]", raw.key, &format!("write bind = {example:?}"), problems);
    }
    let bind = table.bind.given()?;
    let (transport, near) = match protocol {
        Protocol::Unix => (Transport::Unix { path: unix_path(bind, problems)?, mode }, true),
        _ => {
            let address = address("bind", bind, "127.0.0.1:1883", problems)?;
            let proxy_protocol = table.proxy_protocol.or(false);
            (Transport::Tcp { bind: address, proxy_protocol, tls: tls.clone(), websocket }, address.ip().is_loopback())
        }
    };
    let allow_anonymous = table.allow_anonymous.or(near);
    let certified = tls.and_then(|tls| tls.clients).is_some_and(|clients| clients.user != CertificateUser::Off);
    if !allow_anonymous && !certified && !access.has_logins() {
        let help = "add users ([broker.user.NAME], password_file or [broker.jwt] of [broker], or client_ca here); \
                    allow_anonymous = true lets in everybody who reaches this address";
        problems.warning(bind.span, format!("nobody can connect to {}", transport.address()), help);
    }
    Some(Listener { transport, allow_anonymous })
}

/// Keys that mean nothing with this protocol.
fn check_keys(table: &raw::Listener, protocol: Protocol, problems: &mut Problems) {
    use Protocol::{Mqtts, Unix, Ws, Wss};
    let texts: [(&str, &Field<Text>, &[Protocol]); 8] = [
        ("certificate", &table.certificate, &[Mqtts, Wss]),
        ("key", &table.key, &[Mqtts, Wss]),
        ("client_ca", &table.client_ca, &[Mqtts, Wss]),
        ("client_certificate", &table.client_certificate, &[Mqtts, Wss]),
        ("client_revoked", &table.client_revoked, &[Mqtts, Wss]),
        ("certificate_user", &table.certificate_user, &[Mqtts, Wss]),
        ("path", &table.path, &[Ws, Wss]),
        ("mode", &table.mode, &[Unix]),
    ];
    let mut refuse = |key: &str, at: Span, wanted: &[Protocol]| {
        let wanted: Vec<String> = wanted.iter().map(|protocol| format!("{:?}", protocol.name())).collect();
        let message = format!("{key} does not go with protocol = {:?}", protocol.name());
        problems.error(at, message, format!("it is for protocol = {}", wanted.join(" or ")));
    };
    for (key, field, wanted) in texts {
        if let Some(given) = field.given().filter(|_| !wanted.contains(&protocol)) {
            refuse(key, given.key, wanted);
        }
    }
    if let Some(given) = table.proxy_protocol.given().filter(|_| protocol == Unix) {
        refuse("proxy_protocol", given.key, &[Protocol::Mqtt, Mqtts, Ws, Wss]);
    }
}

fn check_tls(raw: &At<raw::Listener>, protocol: Protocol, problems: &mut Problems) -> Option<Tls> {
    let table = &raw.value;
    for (key, field, example) in [
        ("certificate", &table.certificate, "/etc/tidegate/server.pem"),
        ("key", &table.key, "/etc/tidegate/server.key"),
    ] {
        if field.is_missing() {
            let help =
                format!("write {key} = {example:?}; docs/operating.md, \"Certificates\", shows how to make the file");
            missing(key, &format!("a listener with protocol = {:?}", protocol.name()), raw.key, &help, problems);
        }
    }
    let clients = check_clients(table, problems);
    Some(Tls { certificate: file(&table.certificate)?, key: file(&table.key)?, clients })
}

fn check_clients(table: &raw::Listener, problems: &mut Problems) -> Option<ClientCertificates> {
    let required = [("required", true), ("optional", false)];
    let required = choose(&table.client_certificate, "client_certificate", true, &required, &[], problems);
    let users =
        [("cn", CertificateUser::CommonName), ("san", CertificateUser::AlternativeName), ("off", CertificateUser::Off)];
    let user = choose(&table.certificate_user, "certificate_user", CertificateUser::CommonName, &users, &[], problems);
    if table.client_ca.is_missing() {
        for (key, field) in [
            ("client_certificate", &table.client_certificate),
            ("client_revoked", &table.client_revoked),
            ("certificate_user", &table.certificate_user),
        ] {
            if let Some(given) = field.given() {
                let help = "client_ca = \"/etc/tidegate/ca.pem\" says whose certificates clients may have";
                problems.error(given.key, format!("{key} means nothing without client_ca"), help);
            }
        }
    }
    Some(ClientCertificates { ca: file(&table.client_ca)?, revoked: file(&table.client_revoked), required, user })
}

fn file(field: &Field<Text>) -> Option<PathBuf> {
    field.given().map(|given| PathBuf::from(&given.value.value))
}

fn check_path(field: &Field<Text>, problems: &mut Problems) -> String {
    let Some(given) = field.given() else { return "/mqtt".to_owned() };
    let path = given.value.value.as_str();
    let right = path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#'));
    if !right {
        let help = "the path of a URL, such as \"/mqtt\": it begins with \"/\" and has neither \"?\" nor \"#\"";
        problems.error(given.span, format!("path cannot be {:?}", given.value.written), help);
    }
    path.to_owned()
}

fn check_mode(field: &Field<Text>, problems: &mut Problems) -> u32 {
    let Some(given) = field.given() else { return UNIX_MODE };
    match u32::from_str_radix(&given.value.value, 8) {
        Ok(mode) if mode <= 0o777 => mode,
        _ => {
            let help = "the permissions of the socket file in octal, such as \"0660\" (owner and group) or \"0666\"";
            problems.error(given.span, format!("mode cannot be {:?}", given.value.written), help);
            UNIX_MODE
        }
    }
}

fn unix_path(text: &At<Text>, problems: &mut Problems) -> Option<PathBuf> {
    let path = text.value.value.as_str();
    if path.starts_with('/') && path.len() <= UNIX_PATH_BYTES_MAX && !path.contains('\0') {
        return Some(PathBuf::from(path));
    }
    let help = format!(
        "with protocol = \"unix\", the absolute path of a socket, of at most {UNIX_PATH_BYTES_MAX} bytes, such as \
         \"/run/tidegate/mqtt.sock\""
    );
    problems.error(text.span, format!("bind cannot be {:?}", text.value.written), help);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_listener_is_loopback() {
        assert!(DEFAULT.ip().is_loopback());
    }
}
