//! The PROXY protocol, version 2: a proxy in front of a listener says in a binary header who the client is.
//! Source: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2.2.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Addresses and whatever else the proxy tells (TLVs).
const BODY_BYTES_MAX: usize = 4 << 10;

/// Reads the header. `None`: the proxy speaks for itself (a health check), or of a client that has no IP address.
pub(super) async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut head = [0; 16];
    stream.read_exact(&mut head).await?;
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if head[..12] != SIGNATURE || head[12] >> 4 != 2 || length > BODY_BYTES_MAX {
        return Err(wrong("no PROXY protocol v2 header came; does the proxy send one (send-proxy-v2)?"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    source(head[12] & 0x0F, head[13], &body)
}

fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

fn source(command: u8, family: u8, body: &[u8]) -> io::Result<Option<SocketAddr>> {
    match command {
        0 => return Ok(None),
        1 => {}
        _ => return Err(wrong("a PROXY protocol command that version 2 does not have")),
    }
    let short = || wrong("a PROXY protocol header too short for its addresses");
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    match family >> 4 {
        1 => {
            let octets: [u8; 4] = body.get(..4).and_then(|octets| octets.try_into().ok()).ok_or_else(short)?;
            Ok(Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(octets)), port(8).ok_or_else(short)?)))
        }
        2 => {
            let octets: [u8; 16] = body.get(..16).and_then(|octets| octets.try_into().ok()).ok_or_else(short)?;
            Ok(Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(octets)), port(32).ok_or_else(short)?)))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> io::Result<Option<SocketAddr>> {
        read_header(&mut &bytes[..]).await
    }

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[tokio::test]
    async fn addresses_are_those_of_the_specification() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x07, 0x5B];
        assert_eq!(read(&header(1, 0x11, &v4)).await.unwrap(), Some("192.0.2.7:12345".parse().unwrap()));
        let mut v6 = Ipv6Addr::from(0x2001_0db8_u128 << 96 | 9).octets().to_vec();
        v6.extend([0; 16]);
        v6.extend([0, 80, 7, 91]);
        // TLVs behind the addresses are passed over.
        v6.extend([0x04, 0, 1, 0]);
        assert_eq!(read(&header(1, 0x21, &v6)).await.unwrap(), Some("[2001:db8::9]:80".parse().unwrap()));
        assert_eq!(read(&header(0, 0, &[])).await.unwrap(), None);
        assert_eq!(read(&header(1, 0x31, &[0; 216])).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        assert!(read(&header(1, 0x11, &[1, 2, 3])).await.is_err());
        assert!(read(&header(2, 0x11, &[0; 12])).await.is_err());
        assert!(read(b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 1883\r\n").await.is_err());
        assert!(read(&[0x10, 16, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 4, b'a', b'b']).await.is_err());
        let mut long = header(1, 0x11, &[0; 12]);
        long[14..16].copy_from_slice(&[0xFF, 0xFF]);
        assert!(read(&long).await.is_err());
    }
}
