//! JSON web tokens (RFC 7519) as passwords. Pure: key and time come in.
//!
//! The key's kind alone decides how a token must be signed, so no token can ask for a weaker way: RS256 for RSA, ES256
//! for P-256, EdDSA for Ed25519 (RFC 7518 section 3, RFC 8037). The signature is checked before anything is believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Map, Value};
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::config;

const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Clocks of those who sign may be ahead by this.
const LEEWAY_S: i64 = 60;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    Ed25519,
}

/// The public key of whoever signs the tokens.
#[derive(Clone, Debug)]
pub(super) struct Key {
    kind: Kind,
    bytes: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("there is no public key in it (-----BEGIN PUBLIC KEY-----); `openssl pkey -in KEY -pubout` writes one")]
    Missing,
    #[error("a public key that cannot be read")]
    Broken,
    #[error("a key of another kind than RSA, P-256 and Ed25519")]
    Kind,
}

impl Key {
    pub fn from_pem(pem: &[u8]) -> Result<Key, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::Missing)?;
        let info = SubjectPublicKeyInfoRef::from_der(der.as_ref()).map_err(|_| KeyError::Broken)?;
        let algorithm = info.algorithm;
        let curve = algorithm.parameters.and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
        let kind = match (algorithm.oid, curve) {
            (RSA, _) => Kind::Rsa,
            (ELLIPTIC, Some(P256)) => Kind::P256,
            (ED25519_KEY, _) => Kind::Ed25519,
            _ => return Err(KeyError::Kind),
        };
        Ok(Key { kind, bytes: info.subject_public_key.raw_bytes().to_vec() })
    }

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Rsa => "RS256",
            Kind::P256 => "ES256",
            Kind::Ed25519 => "EdDSA",
        }
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.kind {
            Kind::Rsa => &RSA_PKCS1_2048_8192_SHA256,
            Kind::P256 => &ECDSA_P256_SHA256_FIXED,
            Kind::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

/// Whether a password is meant as a token: three parts, of which the first begins like a JSON object in base64.
pub(super) fn looks_like_one(password: &str) -> bool {
    password.starts_with("eyJ") && password.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The user whom the token names. `now_s` is `None` while the clock cannot be believed: then its times are not looked at.
pub(super) fn user(
    token: &str,
    key: &Key,
    settings: &config::Token,
    now_s: Option<i64>,
) -> Result<String, &'static str> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err("a token that is too long");
    }
    let (message, signature) = token.rsplit_once('.').ok_or("a token that is none")?;
    let (header, claims) = message.split_once('.').ok_or("a token that is none")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "a token that is none")?;
    if !key.signed(message.as_bytes(), &signature) {
        return Err("a token that was not signed by the key of [broker.jwt]");
    }
    let header = object(header).ok_or("a token whose header is no JSON object")?;
    if header.get("alg").and_then(Value::as_str) != Some(key.name()) {
        return Err("a token that names another algorithm than its key's");
    }
    if header.contains_key("crit") {
        return Err("a token with extensions that must be understood");
    }
    let claims = object(claims).ok_or("a token whose claims are no JSON object")?;
    check_times(&claims, now_s)?;
    check_text(&claims, "iss", settings.issuer.as_deref(), "a token of another issuer")?;
    check_text(&claims, "aud", settings.audience.as_deref(), "a token for another audience")?;
    match claims.get(&settings.user_claim) {
        Some(Value::String(user)) if !user.is_empty() => Ok(user.clone()),
        _ => Err("a token that names no user (user_claim of [broker.jwt])"),
    }
}

/// When a token that names a user expires, in seconds since 1970.
pub(super) fn expiry(token: &str) -> Option<i64> {
    let claims = object(token.split('.').nth(1)?)?;
    claims.get("exp").and_then(Value::as_f64).map(|seconds| seconds as i64)
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn check_times(claims: &Map<String, Value>, now_s: Option<i64>) -> Result<(), &'static str> {
    let time = |claim: &str| match claims.get(claim) {
        None => Ok(None),
        // "NumericDate": seconds, perhaps with a fraction.
        Some(value) => value.as_f64().map(|seconds| Some(seconds as i64)).ok_or("a token whose times are no numbers"),
    };
    let (expires, begins) = (time("exp")?, time("nbf")?);
    let Some(now_s) = now_s else { return Ok(()) };
    if expires.is_some_and(|expires| now_s >= expires) {
        return Err("a token that has expired");
    }
    if begins.is_some_and(|begins| now_s < begins.saturating_sub(LEEWAY_S)) {
        return Err("a token that is not valid yet");
    }
    Ok(())
}

/// A claim that is a text, or a list of which one is enough.
fn check_text(
    claims: &Map<String, Value>,
    claim: &str,
    wanted: Option<&str>,
    otherwise: &'static str,
) -> Result<(), &'static str> {
    let Some(wanted) = wanted else { return Ok(()) };
    let found = match claims.get(claim) {
        Some(Value::String(text)) => text == wanted,
        Some(Value::Array(texts)) => texts.iter().any(|text| text.as_str() == Some(wanted)),
        _ => false,
    };
    if found { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

    fn pem(prefix: &[u8], public: &[u8]) -> Vec<u8> {
        let der = base64::engine::general_purpose::STANDARD.encode([prefix, public].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n").into_bytes()
    }

    /// SubjectPublicKeyInfo of RFC 8410 section 4, up to the key.
    const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    /// SubjectPublicKeyInfo of RFC 5480 section 2, up to the point.
    const P256_PREFIX: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];

    type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

    fn ed25519() -> (Key, Sign) {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let key = Key::from_pem(&pem(&ED25519_PREFIX, pair.public_key().as_ref())).unwrap();
        (key, Box::new(move |message| pair.sign(message).as_ref().to_vec()))
    }

    fn p256() -> (Key, Sign) {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &SystemRandom::new())
            .unwrap();
        let key = Key::from_pem(&pem(&P256_PREFIX, pair.public_key().as_ref())).unwrap();
        (key, Box::new(move |message| pair.sign(&random, message).unwrap().as_ref().to_vec()))
    }

    fn token(header: &str, claims: &str, sign: &Sign) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(sign(message.as_bytes())))
    }

    fn settings(audience: Option<&str>, issuer: Option<&str>) -> config::Token {
        config::Token {
            public_key: "unused".into(),
            user_claim: "sub".to_owned(),
            audience: audience.map(str::to_owned),
            issuer: issuer.map(str::to_owned),
        }
    }

    #[test]
    fn each_kind_of_key_takes_its_own_algorithm_alone() {
        for ((key, sign), right) in [(ed25519(), "EdDSA"), (p256(), "ES256")] {
            for algorithm in ["EdDSA", "ES256", "RS256", "HS256", "none"] {
                let text = token(&format!(r#"{{"alg":"{algorithm}"}}"#), r#"{"sub":"press-7"}"#, &sign);
                let found = user(&text, &key, &settings(None, None), None);
                assert_eq!(found.is_ok(), algorithm == right, "{algorithm}: {found:?}");
            }
        }
    }

    #[test]
    fn another_signature_or_none_is_refused() {
        let ((key, sign), (_, other)) = (ed25519(), ed25519());
        let right = token(r#"{"alg":"EdDSA"}"#, r#"{"sub":"a"}"#, &sign);
        assert!(looks_like_one(&right));
        let ask = |text: &str| user(text, &key, &settings(None, None), Some(1_000));
        assert_eq!(ask(&right).unwrap(), "a");
        let (message, _) = right.rsplit_once('.').unwrap();
        assert!(ask(&format!("{message}.")).is_err());
        assert!(ask(message).is_err());
        assert!(ask(&token(r#"{"alg":"EdDSA"}"#, r#"{"sub":"a"}"#, &other)).is_err());
        let moved =
            right.replacen(&URL_SAFE_NO_PAD.encode(r#"{"sub":"a"}"#), &URL_SAFE_NO_PAD.encode(r#"{"sub":"b"}"#), 1);
        assert!(ask(&moved).is_err());
        assert!(ask(&token(r#"{"alg":"EdDSA","crit":["x"]}"#, r#"{"sub":"a"}"#, &sign)).is_err());
    }

    #[test]
    fn claims_must_fit() {
        let (key, sign) = ed25519();
        let ask = |claims: &str, now, audience, issuer| {
            user(&token(r#"{"alg":"EdDSA"}"#, claims, &sign), &key, &settings(audience, issuer), now)
        };
        assert!(ask(r#"{"sub":"a","exp":1000}"#, Some(999), None, None).is_ok());
        assert!(ask(r#"{"sub":"a","exp":1000}"#, Some(1000), None, None).is_err());
        assert!(ask(r#"{"sub":"a","exp":1000}"#, None, None, None).is_ok(), "no clock to compare with");
        assert!(ask(r#"{"sub":"a","exp":"1000"}"#, None, None, None).is_err(), "a time must be a number");
        assert!(ask(r#"{"sub":"a","nbf":1000}"#, Some(900), None, None).is_err());
        assert!(ask(r#"{"sub":"a","nbf":1000}"#, Some(940), None, None).is_ok(), "a minute's leeway");
        assert!(ask(r#"{"sub":"a","aud":["x","gw"]}"#, None, Some("gw"), None).is_ok());
        assert!(ask(r#"{"sub":"a","aud":"x"}"#, None, Some("gw"), None).is_err());
        assert!(ask(r#"{"sub":"a"}"#, None, None, Some("ca")).is_err());
        assert!(ask(r#"{"sub":"a","iss":"ca"}"#, None, None, Some("ca")).is_ok());
        for nobody in ["{}", r#"{"sub":""}"#, r#"{"sub":7}"#, "[]"] {
            assert!(ask(nobody, None, None, None).is_err(), "{nobody}");
        }
    }

    #[test]
    fn what_is_no_key_says_so() {
        assert!(matches!(Key::from_pem(b"hello"), Err(KeyError::Missing)));
        assert!(matches!(Key::from_pem(&pem(&ED25519_PREFIX, &[1, 2])), Err(KeyError::Broken)));
    }
}
