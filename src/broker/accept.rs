//! Doors: sockets that listen, and the way from an accepted socket to a client's stream (PROXY header, TLS, WebSocket).
//!
//! Holds always: handshakes run in the connection's own task, within `handshake_timeout`, so none can hold up another;
//! whoever is over a limit is closed before anything is allocated for it.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::access::network;
use super::listener::{REFUSING_TIMEOUT, serve, turn_away};
use super::metrics::count;
use super::stream::Stream;
use super::tls::{self, Tls};
use super::websocket::WebSocket;
use super::{Shared, StartError, proxy};
use crate::config::{self, Address, Transport};

/// So many sockets above `connections_max` are told that the server is busy; the rest are closed without a word.
const REFUSING_MAX: u64 = 64;

/// A listener, with what its clients get there.
pub(super) struct Door {
    pub address: Address,
    pub allow_anonymous: bool,
    pub tls: Option<Tls>,
    websocket: Option<String>,
    proxy_protocol: bool,
}

pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Who is at the other end.
#[derive(Clone)]
pub(super) struct Peer {
    pub door: Arc<Door>,
    /// `None` on a Unix socket.
    pub address: Option<SocketAddr>,
    /// The user whom its certificate names.
    pub certificate: Option<String>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "{}", self.door.address),
        }
    }
}

enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Socket {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Socket::Tcp(listener) => listener.accept().await.map(|(stream, peer)| Accepted::Tcp(stream, peer)),
            Socket::Unix(listener) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

/// Loads what the listener needs and binds it.
pub(super) async fn open(settings: &config::Listener) -> Result<(Door, Socket), StartError> {
    let failed = |address: &Address, error: io::Error| StartError::Bind {
        address: address.clone(),
        help: help_to_bind(address, &error),
        error,
    };
    let (address, socket, tls, websocket, proxy_protocol) = match &settings.transport {
        Transport::Tcp { bind, tls, websocket, proxy_protocol } => {
            let tls = tls.clone().map(Tls::new).transpose()?;
            let asked = Address::Ip(*bind);
            let listener = TcpListener::bind(bind).await.map_err(|error| failed(&asked, error))?;
            let address = Address::Ip(listener.local_addr().map_err(|error| failed(&asked, error))?);
            (address, Socket::Tcp(listener), tls, websocket.clone(), *proxy_protocol)
        }
        Transport::Unix { path, mode } => {
            let address = Address::Unix(path.clone());
            let listener = bind_unix(path, *mode).await.map_err(|error| failed(&address, error))?;
            (address, Socket::Unix(listener), None, None, false)
        }
    };
    let door = Door { address, allow_anonymous: settings.allow_anonymous, tls, websocket, proxy_protocol };
    Ok((door, socket))
}

/// A socket file that nobody listens on any more (the last run was killed) is replaced.
async fn bind_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && UnixStream::connect(path).await.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

fn help_to_bind(address: &Address, error: &io::Error) -> String {
    match (address, error.kind()) {
        (Address::Ip(address), io::ErrorKind::AddrInUse) => {
            format!("another program has it, a Mosquitto perhaps: `ss -ltnp sport = :{}` names it", address.port())
        }
        (Address::Ip(_), io::ErrorKind::AddrNotAvailable) => {
            "no interface of this machine has the address (yet): bind = \"0.0.0.0:PORT\" takes all of them".to_owned()
        }
        (Address::Ip(_), io::ErrorKind::PermissionDenied) => {
            "ports below 1024 are for root: take a higher one, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
                .to_owned()
        }
        (Address::Unix(_), io::ErrorKind::AddrInUse) => {
            "another program listens there, or it is a file that is no socket".to_owned()
        }
        (Address::Unix(path), _) => {
            let directory = path.parent().unwrap_or(path).display();
            format!("the directory {directory} must exist and be writable (RuntimeDirectory= in the unit makes one)")
        }
        (Address::Ip(_), _) => "is the address one of this machine?".to_owned(),
    }
}

pub(super) async fn run(shared: Arc<Shared>, door: Arc<Door>, socket: Socket) {
    let mut stop = shared.stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok(accepted) = accepted else {
            // Out of file descriptors, most likely: others may end meanwhile.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        count(&shared.counters.accepted);
        let (sockets, limit) = (shared.counters.sockets.load(Relaxed), shared.limits.connections_max as u64);
        let full = sockets >= limit;
        if full || !shared.admits_this_second() {
            count(&shared.counters.refused_limit);
            let reached = if full { "connections_max" } else { "connections_per_second_max" };
            shared.warn(|| format!("connections are refused: {reached} is reached"));
            if !full || sockets >= limit + REFUSING_MAX {
                continue;
            }
        }
        count(&shared.counters.sockets);
        let guest = Guest { gauge: SocketGauge(Arc::clone(&shared)), door: Arc::clone(&door), full };
        tokio::spawn(welcome(Arc::clone(&shared), guest, accepted));
    }
    if let Address::Unix(path) = &door.address {
        let _ = std::fs::remove_file(path);
    }
}

/// Counts a socket down however its task ends.
struct SocketGauge(Arc<Shared>);

impl Drop for SocketGauge {
    fn drop(&mut self) {
        self.0.counters.sockets.fetch_sub(1, Relaxed);
    }
}

/// A socket on its way in.
struct Guest {
    gauge: SocketGauge,
    door: Arc<Door>,
    /// It came above `connections_max`, and is told so.
    full: bool,
}

impl Guest {
    async fn serve(self, shared: Arc<Shared>, mut stream: Stream, peer: Peer) {
        if self.full {
            turn_away(&shared, &mut stream).await;
        } else {
            serve(shared, stream, peer).await;
        }
        drop(self.gauge);
    }
}

/// Connections of each address that counts.
pub(super) type PerAddress = HashMap<IpAddr, usize>;

/// One connection of an address; given back however its task ends.
struct AddressSlot {
    shared: Arc<Shared>,
    network: IpAddr,
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut connections = self.shared.per_address();
        if let Some(count) = connections.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.network);
            }
        }
    }
}

/// A place for one more connection of this address; this machine's own have no limit of their own.
fn take_slot(shared: &Arc<Shared>, address: SocketAddr) -> Result<Option<AddressSlot>, ()> {
    let address = address.ip().to_canonical();
    if address.is_loopback() {
        return Ok(None);
    }
    let network = network(address);
    let mut connections = shared.per_address();
    let count = connections.entry(network).or_default();
    if *count >= shared.limits.connections_per_address_max {
        return Err(());
    }
    *count += 1;
    drop(connections);
    Ok(Some(AddressSlot { shared: Arc::clone(shared), network }))
}

/// A quiet connection is asked for signs of life after ten minutes, by TCP itself, and is gone when five of them did not
/// come: a client without a keep-alive whose power went would keep its place for ever.
fn ask_for_life(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(600))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(60))?;
    sockopt::set_tcp_keepcnt(stream, 5)
}

async fn welcome(shared: Arc<Shared>, guest: Guest, accepted: Accepted) {
    let door = Arc::clone(&guest.door);
    let (mut stream, mut address) = match accepted {
        Accepted::Unix(stream) => {
            let peer = Peer { door, address: None, certificate: None };
            return guest.serve(shared, Stream::Unix(stream), peer).await;
        }
        Accepted::Tcp(stream, address) => (stream, address),
    };
    let _ = stream.set_nodelay(true);
    let _ = ask_for_life(&stream);
    let patience = if guest.full { REFUSING_TIMEOUT } else { shared.limits.handshake_timeout };
    let deadline = tokio::time::Instant::now() + patience;
    if door.proxy_protocol {
        match timeout_at(deadline, proxy::read_header(&mut stream)).await {
            Ok(Ok(client)) => address = client.unwrap_or(address),
            Ok(Err(error)) => return failed(&shared, &door, address, &error.to_string()),
            Err(_) => return late(&shared, address),
        }
    }
    let Ok(slot) = take_slot(&shared, address) else {
        count(&shared.counters.refused_address);
        let ip = address.ip();
        return shared.warn(|| format!("connections of {ip} are refused: connections_per_address_max"));
    };
    let mut peer = Peer { door: Arc::clone(&door), address: Some(address), certificate: None };
    // Boxed: its state is large, and gone once the client is connected.
    let shaken = timeout_at(deadline, Box::pin(shake_hands(&mut peer, stream))).await;
    match shaken {
        Ok(Ok(stream)) => guest.serve(shared, stream, peer).await,
        Ok(Err(error)) => failed(&shared, &door, address, &error),
        Err(_) => late(&shared, address),
    }
    drop(slot);
}

fn late(shared: &Shared, address: SocketAddr) {
    count(&shared.counters.handshake_timeout);
    shared.warn(|| format!("{address} did not finish its handshake in handshake_timeout"));
}

fn failed(shared: &Shared, door: &Door, address: SocketAddr, error: &str) {
    count(&shared.counters.handshake_failed);
    shared.warn(|| format!("{address} failed at the door {}: {error}", door.address));
}

async fn shake_hands(peer: &mut Peer, stream: TcpStream) -> Result<Stream, String> {
    let door = Arc::clone(&peer.door);
    let Some(tls) = &door.tls else {
        return match &door.websocket {
            None => Ok(Stream::Tcp(stream)),
            Some(path) => upgrade(stream, path).await.map(|stream| Stream::WebSocket(Box::new(stream))),
        };
    };
    let stream = TlsAcceptor::from(tls.current()).accept(stream).await.map_err(|error| format!("TLS: {error}"))?;
    peer.certificate = certified_user(&stream, tls)?;
    match &door.websocket {
        None => Ok(Stream::Tls(Box::new(stream))),
        Some(path) => upgrade(stream, path).await.map(|stream| Stream::SecureWebSocket(Box::new(stream))),
    }
}

async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(stream: S, path: &str) -> Result<WebSocket<S>, String> {
    WebSocket::accept(stream, path).await.map_err(|error| format!("WebSocket: {error}"))
}

/// The user whom the client's certificate names; one that should and does not is not let in.
fn certified_user(stream: &TlsStream<TcpStream>, tls: &Tls) -> Result<Option<String>, String> {
    let Some(clients) = &tls.settings().clients else { return Ok(None) };
    let Some(certificate) = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()) else {
        return Ok(None);
    };
    if clients.user == config::CertificateUser::Off {
        return Ok(None);
    }
    match tls::user_of(certificate, clients.user) {
        Some(user) => Ok(Some(user)),
        None => Err("the client's certificate names no user (certificate_user)".to_owned()),
    }
}
