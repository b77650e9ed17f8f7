//! An MQTT client (3.1.1 and 5) over TCP or TLS: for `tidegate mqtt`, and for other brokers, to and from.
//!
//! Why not rumqttc: see ARCHITECTURE.md.
//!
//! Holds always: nothing is sent again by itself, and nothing that a server sends can make this hold more than
//! [`PACKET_BYTES_MAX`]. Knows nothing of cursors, topics or back-off.

#![allow(clippy::disallowed_methods)] // Sockets have deadlines.

mod address;
mod packets;
mod properties;

use std::io;
use std::path::Path;
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
use crate::config::MqttVersion;
pub use crate::config::{MqttServer as Server, MqttServerTls as ServerTls};
pub use address::parse_address;
pub use packets::{Ack, Packet, Publish, Reason, Welcome};

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
    Refused(String),
    #[error("the server closed the connection")]
    Closed,
    #[error("the connection was lost: {0}")]
    Lost(#[from] io::Error),
    #[error("the server sent what is not MQTT: {0}")]
    Malformed(&'static str),
}

/// How a session is asked for.
#[derive(Clone, Debug)]
pub struct Hello<'a> {
    pub version: MqttVersion,
    pub client_id: &'a str,
    pub clean: bool,
    pub keep_alive_s: u16,
    /// Version 5 alone: how long the server keeps the session when the connection is gone, what it may send
    /// unacknowledged, and how large a packet.
    pub session_expiry_s: u32,
    pub receive_max: u16,
    pub packet_bytes_max: u32,
}

impl<'a> Hello<'a> {
    /// A session of version 3.1.1 that is nothing but its connection.
    pub fn new(client_id: &'a str) -> Hello<'a> {
        Hello {
            version: MqttVersion::V311,
            client_id,
            clean: true,
            keep_alive_s: 0,
            session_expiry_s: 0,
            receive_max: u16::MAX,
            packet_bytes_max: PACKET_BYTES_MAX as u32,
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// What a server sends.
pub struct Receiver {
    version: MqttVersion,
    stream: ReadHalf<Box<dyn Duplex>>,
    buffer: BytesMut,
}

/// What it is sent.
pub struct Sender {
    version: MqttVersion,
    stream: WriteHalf<Box<dyn Duplex>>,
    out: BytesMut,
}

/// Connects and waits for CONNACK.
pub async fn connect(server: &Server, hello: &Hello<'_>) -> Result<(Sender, Receiver, Welcome), ClientError> {
    timeout(CONNECT_MAX, connect_patiently(server, hello)).await.map_err(|_| ClientError::NoAnswer)?
}

async fn connect_patiently(server: &Server, hello: &Hello<'_>) -> Result<(Sender, Receiver, Welcome), ClientError> {
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
    let version = hello.version;
    let mut sender = Sender { version, stream: writing, out: BytesMut::new() };
    let mut receiver = Receiver { version, stream: reading, buffer: BytesMut::new() };
    packets::write_connect(server, hello, &mut sender.out);
    sender.flush().await?;
    match receiver.next().await? {
        Packet::ConnAck { welcome, reason: Reason { code: 0, .. } } => Ok((sender, receiver, welcome)),
        Packet::ConnAck { reason, .. } => Err(ClientError::Refused(match version {
            MqttVersion::V311 => packets::refusal(reason.code).to_owned(),
            // A server that does not know version 5 says so in the words of 3.1.1.
            MqttVersion::V5 if reason.code == 1 => "it does not speak MQTT 5".to_owned(),
            MqttVersion::V5 => reason.to_string(),
        })),
        _ => Err(ClientError::Malformed("something before CONNACK")),
    }
}

/// Reads the files that a connection would, as `tidegate check` does.
pub fn check_files(server: &Server) -> Result<(), ClientError> {
    server.tls.as_ref().map_or(Ok(()), |tls| tls_config(tls).map(drop))
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
            if let Some(packet) = self.next_read()? {
                return Ok(packet);
            }
            self.buffer.reserve(4 << 10);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(ClientError::Closed),
                // TLS without a word of farewell, or with something of ours unread.
                Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                    return Err(ClientError::Closed);
                }
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
        }
    }

    /// The next packet, if it is here already.
    pub fn next_read(&mut self) -> Result<Option<Packet>, ClientError> {
        packets::cut(self.version, &mut self.buffer, PACKET_BYTES_MAX)
    }
}

impl Sender {
    /// Queues a PUBLISH; `packet_id` is not sent at QoS 0.
    pub fn publish(&mut self, publish: &Publish, packet_id: u16) {
        packets::write_publish(self.version, publish, packet_id, &mut self.out);
    }

    /// Each filter with its options: the QoS in the two lowest bits; what version 5 has above them is left out in 3.1.1.
    pub fn subscribe(&mut self, packet_id: u16, filters: &[(String, u8)]) {
        packets::write_subscribe(self.version, packet_id, filters, &mut self.out);
    }

    pub fn unsubscribe(&mut self, packet_id: u16, filters: &[String]) {
        packets::write_unsubscribe(self.version, packet_id, filters, &mut self.out);
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

    /// Writes what is queued. A server may be slow, but it must take something every so often.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it does not read");
        while !self.out.is_empty() {
            if timeout(WRITE_MAX, self.stream.write_buf(&mut self.out)).await.map_err(late)?? == 0 {
                return Err(ClientError::Lost(io::ErrorKind::WriteZero.into()));
            }
        }
        Ok(timeout(WRITE_MAX, self.stream.flush()).await.map_err(late)??)
    }
}
