//! An MQTT 3.1.1 client over TCP or TLS, for `tidegate mqtt`.
//!
//! Why not rumqttc: with TLS it brings an outdated rustls-webpki.
//!
//! Holds always: nothing is sent again by itself, and nothing that a server sends can make this hold more than
//! [`PACKET_BYTES_MAX`]. Knows nothing of cursors, topics or back-off.

#![allow(clippy::disallowed_methods)] // Sockets have deadlines.

mod address;
mod packets;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::broker::tls::{TlsError, certificates, private_key, provider, roots};
pub use address::parse_address;
pub use packets::{Ack, Packet, Publish};

/// Where Debian and its kin keep the CAs that they trust.
const SYSTEM_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A larger packet from a server ends the connection.
const PACKET_BYTES_MAX: usize = 16 << 20;
/// For TCP, TLS and CONNACK together.
const CONNECT_MAX: Duration = Duration::from_secs(20);
const WRITE_MAX: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{host}:{port} cannot be reached: {error}")]
    Unreachable { host: String, port: u16, error: io::Error },
    #[error("TLS with {host}:{port}: {error}")]
    Tls { host: String, port: u16, error: io::Error },
    #[error(transparent)]
    Files(#[from] TlsError),
    #[error("{0:?} is neither a host name nor an IP address")]
    Host(String),
    #[error("the server did not answer within {} s", CONNECT_MAX.as_secs())]
    NoAnswer,
    #[error("the server refuses: {0}")]
    Refused(&'static str),
    #[error("the connection was lost: {0}")]
    Lost(#[from] io::Error),
    #[error("the server sent what is not MQTT: {0}")]
    Malformed(&'static str),
}

/// Who is connected to, and as whom.
#[derive(Clone)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub tls: Option<ServerTls>,
    pub user: Option<String>,
    pub password: Option<String>,
}

/// PEM files.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// Whose certificate the server must have; `None`: one of those that this machine trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How a session is asked for.
#[derive(Clone, Debug)]
pub struct Hello<'a> {
    pub client_id: &'a str,
    pub clean: bool,
    pub keep_alive_s: u16,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// What a server sends.
pub struct Receiver {
    stream: ReadHalf<Box<dyn Duplex>>,
    buffer: BytesMut,
}

/// What it is sent.
pub struct Sender {
    stream: WriteHalf<Box<dyn Duplex>>,
    out: BytesMut,
}

/// Connects and waits for CONNACK. The last value: whether the server had the session still.
pub async fn connect(server: &Server, hello: &Hello<'_>) -> Result<(Sender, Receiver, bool), ClientError> {
    timeout(CONNECT_MAX, connect_patiently(server, hello)).await.map_err(|_| ClientError::NoAnswer)?
}

async fn connect_patiently(server: &Server, hello: &Hello<'_>) -> Result<(Sender, Receiver, bool), ClientError> {
    let (host, port) = (server.host.clone(), server.port);
    let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(|error| ClientError::Unreachable {
        host: host.clone(),
        port,
        error,
    })?;
    let _ = tcp.set_nodelay(true);
    let stream: Box<dyn Duplex> = match &server.tls {
        None => Box::new(tcp),
        Some(tls) => {
            let name = ServerName::try_from(host.clone()).map_err(|_| ClientError::Host(host.clone()))?;
            let connector = TlsConnector::from(Arc::new(tls_config(tls)?));
            let stream = connector.connect(name, tcp).await;
            Box::new(stream.map_err(|error| ClientError::Tls { host, port, error })?)
        }
    };
    let (reading, writing) = tokio::io::split(stream);
    let mut sender = Sender { stream: writing, out: BytesMut::new() };
    let mut receiver = Receiver { stream: reading, buffer: BytesMut::new() };
    packets::write_connect(server, hello, &mut sender.out);
    sender.flush().await?;
    match receiver.next().await? {
        Packet::ConnAck { session_present, code: 0 } => Ok((sender, receiver, session_present)),
        Packet::ConnAck { code, .. } => Err(ClientError::Refused(packets::refusal(code))),
        _ => Err(ClientError::Malformed("something before CONNACK")),
    }
}

fn tls_config(tls: &ServerTls) -> Result<ClientConfig, ClientError> {
    let roots: RootCertStore = roots(tls.ca.as_deref().unwrap_or(Path::new(SYSTEM_CAS)))?;
    let broken = |error: tokio_rustls::rustls::Error| ClientError::Lost(io::Error::other(error));
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        .with_root_certificates(roots);
    match &tls.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?).map_err(broken)
        }
    }
}

impl Receiver {
    /// The next packet. Loses nothing when it is dropped before it has one.
    pub async fn next(&mut self) -> Result<Packet, ClientError> {
        loop {
            if let Some(packet) = packets::cut(&mut self.buffer, PACKET_BYTES_MAX)? {
                return Ok(packet);
            }
            self.buffer.reserve(4 << 10);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ClientError::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

impl Sender {
    /// Queues a PUBLISH; `packet_id` is not sent at QoS 0.
    pub fn publish(&mut self, publish: &Publish, packet_id: u16) {
        packets::write_publish(publish, packet_id, &mut self.out);
    }

    pub fn subscribe(&mut self, packet_id: u16, filters: &[(String, u8)]) {
        packets::write_subscribe(packet_id, filters, &mut self.out);
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub fn acknowledge(&mut self, ack: Ack, packet_id: u16) {
        packets::write_ack(ack, packet_id, &mut self.out);
    }

    pub fn ping(&mut self) {
        self.out.extend_from_slice(&[0xC0, 0]);
    }

    pub fn disconnect(&mut self) {
        self.out.extend_from_slice(&[0xE0, 0]);
    }

    pub async fn flush(&mut self) -> Result<(), ClientError> {
        let bytes = self.out.split();
        let write = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it does not read");
        Ok(timeout(WRITE_MAX, write).await.map_err(late)??)
    }
}
