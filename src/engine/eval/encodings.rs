//! Character sets, hashes and URLs.

use std::fmt::Write;

use md5::Digest;

use super::values::{Body, Outcome, bytes, int, string, text};
use super::{EvalError, Reason, excerpt};
use crate::model::Value;
use crate::plan::Function;

pub fn body(function: Function) -> Option<Body> {
    Some(match function {
        Function::Md5 => Body::Strict(hashed::<md5::Md5>),
        Function::Sha1 => Body::Strict(hashed::<sha1::Sha1>),
        Function::Sha224 => Body::Strict(hashed::<sha2::Sha224>),
        Function::Sha256 => Body::Strict(hashed::<sha2::Sha256>),
        Function::Sha384 => Body::Strict(hashed::<sha2::Sha384>),
        Function::Sha512 => Body::Strict(hashed::<sha2::Sha512>),
        Function::Sha2 => Body::Strict(sha2_of),
        Function::Encode => Body::Strict(|values| {
            let encoded = charset(text(&values[1])?).and_then(|charset| encode(text(&values[0]).ok()?, charset));
            encoded.map_or_else(|| Err(unknown_charset("ENCODE", &values[1])), |bytes| Ok(Value::Bytes(bytes.into())))
        }),
        Function::Decode => Body::Strict(|values| match charset(text(&values[1])?) {
            Some(charset) => string(decode(bytes(&values[0])?, charset)),
            None => Err(unknown_charset("DECODE", &values[1])),
        }),
        Function::Unhex => {
            Body::Strict(|values| Ok(unhex(text(&values[0])?).map_or(Value::Null, |bytes| Value::Bytes(bytes.into()))))
        }
        Function::UrlEncode => Body::Strict(|values| string(url_encode(text(&values[0])?))),
        Function::UrlDecode => Body::Strict(|values| url_decode(text(&values[0])?).map_or(Ok(Value::Null), string)),
        Function::ParseUrl => Body::Strict(parse_url),
        Function::InetAton => Body::Strict(|values| Ok(inet_aton(text(&values[0])?).map_or(Value::Null, Value::Int))),
        Function::InetNtoa => Body::Strict(|values| match u32::try_from(int(&values[0])?) {
            Ok(address) => string(std::net::Ipv4Addr::from(address).to_string()),
            Err(_) => Ok(Value::Null),
        }),
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn hashed<D: Digest>(values: &[Value]) -> Outcome {
    string(hex(&D::digest(bytes(&values[0])?)))
}

fn sha2_of(values: &[Value]) -> Outcome {
    match int(&values[1])? {
        224 => hashed::<sha2::Sha224>(values),
        256 => hashed::<sha2::Sha256>(values),
        384 => hashed::<sha2::Sha384>(values),
        512 => hashed::<sha2::Sha512>(values),
        other => {
            let why = "the lengths are 224, 256, 384 and 512".to_owned();
            Err(Reason::Argument { function: "SHA2", value: other.to_string(), why }.into())
        }
    }
}

/// Those that every Java has.
#[derive(Clone, Copy, PartialEq)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
    /// With a byte order mark.
    Utf16,
    Utf16Be,
    Utf16Le,
}

fn charset(name: &str) -> Option<Charset> {
    Some(match name.to_ascii_uppercase().as_str() {
        "UTF-8" | "UTF8" => Charset::Utf8,
        "US-ASCII" | "ASCII" => Charset::Ascii,
        "ISO-8859-1" | "ISO8859-1" | "LATIN1" => Charset::Latin1,
        "UTF-16" | "UTF16" => Charset::Utf16,
        "UTF-16BE" => Charset::Utf16Be,
        "UTF-16LE" => Charset::Utf16Le,
        _ => return None,
    })
}

fn unknown_charset(function: &'static str, name: &Value) -> EvalError {
    let why = "the character sets are UTF-8, US-ASCII, ISO-8859-1, UTF-16, UTF-16BE and UTF-16LE".to_owned();
    Reason::Argument { function, value: excerpt(text(name).unwrap_or_default()), why }.into()
}

/// What a set has no character for becomes `?`.
fn encode(text: &str, charset: Charset) -> Option<Vec<u8>> {
    let single = |limit: u32| text.chars().map(|c| if u32::from(c) < limit { c as u8 } else { b'?' }).collect();
    Some(match charset {
        Charset::Utf8 => text.as_bytes().to_vec(),
        Charset::Ascii => single(0x80),
        Charset::Latin1 => single(0x100),
        Charset::Utf16 => [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect(),
        Charset::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Charset::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    })
}

/// Malformed input becomes U+FFFD.
fn decode(bytes: &[u8], charset: Charset) -> String {
    match charset {
        Charset::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        Charset::Ascii => {
            bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' }).collect()
        }
        Charset::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
        Charset::Utf16 => match bytes {
            [0xff, 0xfe, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
            [0xfe, 0xff, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
            bytes => decode_utf16(bytes, u16::from_be_bytes),
        },
        Charset::Utf16Be => decode_utf16(bytes, u16::from_be_bytes),
        Charset::Utf16Le => decode_utf16(bytes, u16::from_le_bytes),
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let pairs = bytes.chunks_exact(2);
    let cut = !pairs.remainder().is_empty();
    let units: Vec<u16> = pairs.map(|pair| unit([pair[0], pair[1]])).collect();
    let mut out = String::from_utf16_lossy(&units);
    if cut {
        out.push('\u{fffd}');
    }
    out
}

/// An odd number of digits has a zero before the first. `None` for what is no digit.
fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = digits.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    // Of an odd number of digits the first is lost in Flink, and its byte is 0.
    let (first, rest) = digits.split_at(digits.len() % 2);
    Some(first.iter().map(|_| 0).chain(rest.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1])).collect())
}

/// As HTML forms have it (`java.net.URLEncoder`).
fn url_encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// `None` for a `%` without two digits.
fn url_decode(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            byte => byte,
        });
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// PARSE_URL(url, part [, key]): what `java.net.URL` calls the parts.
fn parse_url(values: &[Value]) -> Outcome {
    let (url, part) = (text(&values[0])?, text(&values[1])?);
    let key = values.get(2).map(text).transpose()?;
    let found = Url::new(url).and_then(|url| match key {
        None => url.part(part),
        Some(key) if part == "QUERY" => url.parameter(key),
        Some(_) => None,
    });
    found.map_or(Ok(Value::Null), string)
}

struct Url<'u> {
    protocol: &'u str,
    authority: Option<&'u str>,
    path: &'u str,
    query: Option<&'u str>,
    reference: Option<&'u str>,
}

impl<'u> Url<'u> {
    /// Java knows the form of these protocols only.
    fn new(url: &'u str) -> Option<Url<'u>> {
        let (protocol, rest) = url.trim().split_once(':')?;
        if !["http", "https", "ftp", "file", "jar", "mailto"].iter().any(|known| protocol.eq_ignore_ascii_case(known)) {
            return None;
        }
        let (rest, reference) = split(rest, '#');
        let (rest, query) = split(rest, '?');
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        Some(Url { protocol, authority, path, query, reference })
    }

    fn part(&self, part: &str) -> Option<String> {
        Some(match part {
            "PROTOCOL" => self.protocol.to_ascii_lowercase(),
            "AUTHORITY" => self.authority?.to_owned(),
            "USERINFO" => self.authority?.rsplit_once('@')?.0.to_owned(),
            "HOST" => {
                let authority = self.authority.unwrap_or_default();
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                let port = host.rfind(':').filter(|at| !host[*at..].contains(']'));
                host[..port.unwrap_or(host.len())].to_owned()
            }
            "PATH" => self.path.to_owned(),
            "QUERY" => self.query?.to_owned(),
            "REF" => self.reference?.to_owned(),
            "FILE" => match self.query {
                Some(query) => format!("{}?{query}", self.path),
                None => self.path.to_owned(),
            },
            _ => return None,
        })
    }

    fn parameter(&self, key: &str) -> Option<String> {
        let mut pairs = self.query?.split('&');
        pairs.find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned)
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// `a.b.c.d` as a number; in shorter forms the last part is the last octet, as in Flink.
fn inet_aton(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split('.').collect();
    let octet = |part: &&str| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i64>().ok().filter(|octet| digits && *octet <= 255)
    };
    let octets: Vec<i64> = parts.iter().map(octet).collect::<Option<_>>()?;
    let (last, first) = octets.split_last()?;
    // What is left out stands before the last one.
    if !(1..=3).contains(&first.len()) {
        return None;
    }
    Some(first.iter().zip([24, 16, 8]).map(|(octet, shift)| octet << shift).sum::<i64>() + last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text: String) {
            for charset in [Charset::Utf8, Charset::Utf16, Charset::Utf16Be, Charset::Utf16Le] {
                prop_assert_eq!(decode(&encode(&text, charset).unwrap(), charset), text.clone());
            }
            prop_assert_eq!(url_decode(&url_encode(&text)), Some(text.clone()));
            prop_assert_eq!(unhex(&hex(text.as_bytes())), Some(text.into_bytes()));
        }

        #[test]
        fn no_text_makes_it_panic(text: String, bytes: Vec<u8>, part: String) {
            for charset in [Charset::Utf8, Charset::Ascii, Charset::Latin1, Charset::Utf16, Charset::Utf16Le] {
                decode(&bytes, charset);
            }
            let _ = (url_decode(&text), unhex(&text), inet_aton(&text));
            if let Some(url) = Url::new(&format!("http:{text}")) {
                let _ = (url.part(&part), url.part("HOST"), url.parameter(&part));
            }
        }
    }
}
