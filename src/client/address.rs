//! `mqtt://host:1883` and `mqtts://host:8883`.

/// Host, port, and whether TLS is spoken; or what is wrong with the text.
pub fn parse_address(text: &str) -> Result<(String, u16, bool), &'static str> {
    const FORM: &str = "mqtt://HOST or mqtts://HOST, with :PORT where it is not 1883 or 8883";
    let (rest, tls) = match (text.strip_prefix("mqtt://"), text.strip_prefix("mqtts://")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => return Err(FORM),
    };
    let default = if tls { 8883 } else { 1883 };
    let (host, port) = match rest.strip_prefix('[') {
        // An IPv6 address.
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or(FORM)?;
            (host, if behind.is_empty() { None } else { Some(behind.strip_prefix(':').ok_or(FORM)?) })
        }
        None => match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = match port {
        None => default,
        Some(text) => text.parse().ok().filter(|port| *port != 0).ok_or(FORM)?,
    };
    let right = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(right) {
        return Err(FORM);
    }
    Ok((host.to_owned(), port, tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let right = |text| parse_address(text).unwrap();
        assert_eq!(right("mqtt://broker"), ("broker".to_owned(), 1883, false));
        assert_eq!(right("mqtts://a.example.com"), ("a.example.com".to_owned(), 8883, true));
        assert_eq!(right("mqtts://10.0.0.1:443"), ("10.0.0.1".to_owned(), 443, true));
        assert_eq!(right("mqtt://[::1]:1884"), ("::1".to_owned(), 1884, false));
        for wrong in
            ["", "broker", "tcp://b", "mqtt://", "mqtt://b:0", "mqtt://b:x", "mqtt://b/x", "mqtt://u@b", "mqtt://[::1"]
        {
            assert!(parse_address(wrong).is_err(), "{wrong}");
        }
    }
}
