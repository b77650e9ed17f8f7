//! As much of MQTT 3.1.1 as the generators speak, over plain sockets or TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long a server may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

pub enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    pub fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// To a server whose certificate for 127.0.0.1 the authority in this file signed.
    pub fn tls(socket: TcpStream, authority: &std::path::Path) -> io::Result<Stream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).map_err(io::Error::other)?).map_err(io::Error::other)?;
        let config = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Stream::Tls(Box::new(StreamOwned::new(connection, socket))))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// CONNECT and CONNACK, with a clean session and no keep-alive.
pub fn open(mut stream: Stream, id: &str) -> io::Result<Stream> {
    stream.socket().set_nodelay(true)?;
    stream.socket().set_read_timeout(Some(PATIENCE))?;
    stream.socket().set_write_timeout(Some(PATIENCE))?;
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0];
    put_text(&mut body, id);
    stream.write_all(&frame(0x10, &body))?;
    expect(&mut stream, &[0x20, 2, 0, 0])?;
    Ok(stream)
}

/// SUBSCRIBE and SUBACK, at QoS 0.
pub fn subscribe(stream: &mut Stream, filter: &str) -> io::Result<()> {
    let mut body = vec![0, 1];
    put_text(&mut body, filter);
    body.push(0);
    stream.write_all(&frame(0x82, &body))?;
    expect(stream, &[0x90, 3, 0, 1, 0])
}

fn expect(stream: &mut Stream, wanted: &[u8]) -> io::Result<()> {
    let mut answer = vec![0; wanted.len()];
    stream.read_exact(&mut answer)?;
    if answer == wanted { Ok(()) } else { Err(io::Error::other(format!("{answer:x?} in place of {wanted:x?}"))) }
}

pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    let mut length = body.len();
    loop {
        let low = (length % 128) as u8;
        length /= 128;
        frame.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    frame.extend_from_slice(body);
    frame
}

pub fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// DISCONNECT, and the server's end of the connection.
pub fn leave(stream: &mut Stream) -> io::Result<()> {
    stream.write_all(&[0xE0, 0])?;
    while stream.read(&mut [0; 64])? > 0 {}
    Ok(())
}

/// The first packet of `bytes` and what is behind it, if it is whole.
pub fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut shift) = (0, 0);
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return bytes.split_at_checked(at + 1 + length);
        }
    }
    None
}
