//! TLS for a listener: certificate, key and the clients' CA from files, read again when one of them changes.
//!
//! A new file that is wrong (half written, say) changes nothing: the listener goes on with what it had, and says so.
//! Connections that are open keep the keys they have.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::config::{CertificateUser, ClientCertificates, Tls as Settings};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {problem}", file.display())]
    File { file: PathBuf, problem: String },
    #[error("{} and {}: {problem}", certificate.display(), key.display())]
    Pair { certificate: PathBuf, key: PathBuf, problem: String },
}

pub(super) struct Tls {
    settings: Settings,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    pub fn new(settings: Settings) -> Result<Tls, TlsError> {
        let current = RwLock::new(Arc::new(load(&settings)?));
        Ok(Tls { settings, current })
    }

    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Reads the files again; what is wrong with them leaves everything as it is.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = Arc::new(load(&self.settings)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

/// The files that a listener's TLS is made of.
pub(super) fn files(settings: &Settings) -> Vec<PathBuf> {
    let mut files = vec![settings.certificate.clone(), settings.key.clone()];
    if let Some(clients) = &settings.clients {
        files.push(clients.ca.clone());
        files.extend(clients.revoked.clone());
    }
    files
}

/// rustls with ring, whatever other provider may be linked in.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn load(settings: &Settings) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&settings.certificate)?;
    let key = private_key(&settings.key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&settings.certificate, error.to_string()))?;
    let builder = match &settings.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(verifier(clients)?),
    };
    let pair = |error: rustls::Error| TlsError::Pair {
        certificate: settings.certificate.clone(),
        key: settings.key.clone(),
        problem: match error {
            rustls::Error::InconsistentKeys(_) => "the key does not belong to the certificate".to_owned(),
            other => other.to_string(),
        },
    };
    let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
    // Devices that come back resume their session: much cheaper for both.
    config.ticketer = ring::Ticketer::new().map_err(pair)?;
    Ok(config)
}

fn verifier(clients: &ClientCertificates) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&clients.ca)?), provider());
    let builder = match &clients.revoked {
        None => builder,
        Some(file) => builder.with_crls(revocations(file)?).allow_unknown_revocation_status(),
    };
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| wrong(&clients.ca, error.to_string()))
}

fn wrong(file: &Path, problem: impl Into<String>) -> TlsError {
    TlsError::File { file: file.to_owned(), problem: problem.into() }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| wrong(file, format!("cannot be read: {error}")))
}

/// All certificates of a PEM file, at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(wrong(file, "there is no certificate in it (-----BEGIN CERTIFICATE-----)"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(file, format!("is no PEM file: {error}"))),
    }
}

pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(file)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        let encrypted = bytes.windows(9).any(|window| window == b"ENCRYPTED");
        let problem = if encrypted {
            "the key is protected by a password; take that off with `openssl pkey -in KEY -out NEW`"
        } else {
            "there is no private key in it (-----BEGIN PRIVATE KEY-----)"
        };
        wrong(file, problem)
    })
}

/// A store of the certificates of a CA file.
pub(crate) fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| wrong(file, error.to_string()))?;
    }
    Ok(roots)
}

fn revocations(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&read(file)?).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(wrong(file, "there is no revocation list in it (-----BEGIN X509 CRL-----)"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(file, format!("is no PEM file: {error}"))),
    }
}

/// The user that a client's certificate, which the handshake has verified, names.
pub(super) fn user_of(certificate: &CertificateDer<'_>, from: CertificateUser) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let name = match from {
        CertificateUser::Off => None,
        CertificateUser::CommonName => {
            let name = certificate.tbs_certificate().subject().common_name().ok()??;
            Some(name.value().into_owned())
        }
        CertificateUser::AlternativeName => {
            let (_, names): (bool, SubjectAltName) = certificate.tbs_certificate().get_extension().ok()??;
            names.0.iter().find_map(|name| match name {
                GeneralName::DnsName(name) | GeneralName::Rfc822Name(name) => Some(name.as_str().to_owned()),
                GeneralName::UniformResourceIdentifier(name) => Some(name.as_str().to_owned()),
                _ => None,
            })
        }
    };
    name.filter(|name| !name.is_empty())
}
