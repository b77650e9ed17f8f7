//! Accepting sockets, and the way of a client from CONNECT into [`Client`] and out of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::acks::{Acks, Order};
use super::connect::{self, Refused, Request, Version, Welcome};
use super::connection::{Client, count_end};
use super::frame::{self, CONNECT, Cut};
use super::metrics::count;
use super::partial::Partial;
use super::reason::{End, Fault, IDENTIFIER_INVALID, NOT_AUTHORIZED, UNSUPPORTED_VERSION};
use super::sessions::Resumed;
use super::{Shared, wall_millis};

/// A connected client, for the one who takes it over.
pub(super) struct Connected {
    pub acks: Arc<Acks>,
    /// True once it has given everything back.
    pub gone: watch::Receiver<bool>,
}

/// How often a warning of one kind is logged at most.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// How long a socket that was told why it is ended may go on sending.
const LINGER_MAX: Duration = Duration::from_millis(500);

pub(super) async fn accept(shared: Arc<Shared>, listener: TcpListener, allow_anonymous: bool) {
    let mut stop = shared.stop.clone();
    let (mut second, mut in_second) = (Instant::now(), 0);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok((socket, peer)) = accepted else {
            // Out of file descriptors, most likely: others may end meanwhile.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        count(&shared.counters.accepted);
        if second.elapsed() >= Duration::from_secs(1) {
            (second, in_second) = (Instant::now(), 0);
        }
        in_second += 1;
        let full = shared.counters.sockets.load(Relaxed) >= shared.limits.connections_max as u64;
        if full || in_second > shared.limits.connections_per_second_max {
            count(&shared.counters.refused_limit);
            let limit = if full { "connections_max" } else { "connections_per_second_max" };
            shared.warn(WARN_EVERY, || format!("connections are refused: {limit} is reached"));
            continue;
        }
        count(&shared.counters.sockets);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let sockets = SocketGauge(Arc::clone(&shared));
            serve(shared, socket, peer, allow_anonymous).await;
            drop(sockets);
        });
    }
}

/// Counts a socket down however its task ends.
struct SocketGauge(Arc<Shared>);

impl Drop for SocketGauge {
    fn drop(&mut self) {
        self.0.counters.sockets.fetch_sub(1, Relaxed);
    }
}

async fn serve(shared: Arc<Shared>, mut socket: TcpStream, peer: SocketAddr, allow_anonymous: bool) {
    let _ = socket.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(512);
    let patience = shared.limits.connect_timeout;
    let request = match timeout(patience, read_connect(&shared, &mut socket, &mut buffer)).await {
        Err(_) => return count(&shared.counters.ended_connect_timeout),
        Ok(None) => return count(&shared.counters.ended_lost),
        Ok(Some(Err(refused))) => return refuse(&shared, &mut socket, peer, &refused).await,
        Ok(Some(Ok(request))) => request,
    };
    // Users are not configured yet, so whoever comes is anonymous, whatever it says.
    if !allow_anonymous {
        let text =
            if request.has_login { "unknown user name or password" } else { "anonymous clients are not allowed" };
        let refused = Refused { version: Some(request.version), fault: Fault::new(NOT_AUTHORIZED, text) };
        return refuse(&shared, &mut socket, peer, &refused).await;
    }
    run(shared, socket, peer, request, buffer).await;
}

/// Waits for a whole CONNECT. `None`: the socket ended.
async fn read_connect(
    shared: &Arc<Shared>,
    socket: &mut TcpStream,
    buffer: &mut BytesMut,
) -> Option<Result<Request, Refused>> {
    let limits = &shared.limits;
    let mut partial = Partial::new(Arc::clone(shared));
    loop {
        match frame::cut(buffer, limits.packet_bytes_max) {
            Err(fault) => return Some(Err(Refused { version: None, fault })),
            Ok(_) if buffer.first().is_some_and(|first| first >> 4 != CONNECT) => {
                let fault = Fault::protocol("the first packet is no CONNECT");
                return Some(Err(Refused { version: None, fault }));
            }
            Ok(Cut::Whole { header, length }) => {
                let frame = buffer.split_to(length);
                return Some(connect::read(&frame, header, limits));
            }
            Ok(Cut::Partial) => {}
        }
        match socket.read_buf(buffer).await {
            Ok(1..) => {}
            _ => return None,
        }
        if let Err(fault) = partial.holds(buffer.len()) {
            return Some(Err(Refused { version: None, fault }));
        }
    }
}

async fn refuse(shared: &Shared, socket: &mut TcpStream, peer: SocketAddr, refused: &Refused) {
    let counters = &shared.counters;
    count(match refused.fault.code {
        UNSUPPORTED_VERSION => &counters.refused_protocol,
        IDENTIFIER_INVALID => &counters.refused_identifier,
        NOT_AUTHORIZED => &counters.refused_credentials,
        super::reason::IMPLEMENTATION_SPECIFIC => &counters.refused_will,
        _ => &counters.refused_other,
    });
    shared.warn(WARN_EVERY, || format!("a client at {peer} was refused: {}", refused.fault));
    let mut out = BytesMut::new();
    connect::write_refusal(refused, &mut out);
    let _ = timeout(shared.limits.write_timeout, socket.write_all(&out)).await;
    linger(socket).await;
}

/// Closing a socket with unread input resets it, and the client might never read why: so what it still sends is read
/// and thrown away, for a moment.
async fn linger(socket: &mut TcpStream) {
    let _ = socket.shutdown().await;
    let mut scrap = [0; 1024];
    let ended = async { while matches!(socket.read(&mut scrap).await, Ok(1..)) {} };
    let _ = timeout(LINGER_MAX, ended).await;
}

async fn run(shared: Arc<Shared>, mut socket: TcpStream, peer: SocketAddr, mut request: Request, buffer: BytesMut) {
    let assigned = request.client_id.is_empty().then(|| format!("auto-{}", uuid::Uuid::new_v4().simple()));
    let name: Arc<str> = Arc::from(assigned.as_deref().unwrap_or(&request.client_id));
    let acks = Acks::new();
    let (gone, gone_receiver) = watch::channel(false);
    let before = shared.clients().insert(name.to_string(), Connected { acks: Arc::clone(&acks), gone: gone_receiver });
    if let Some(mut before) = before {
        // The old connection is gone, and has given its session back, before the new one hears anything.
        before.acks.order(Order::TakenOver);
        let _ = before.gone.wait_for(|gone| *gone).await;
    }
    let durable_now = shared.durable_sessions();
    let (clean, expiry_s) = (request.clean, request.session_expiry_s);
    let now = wall_millis();
    let Resumed { session, present, changes, refused } =
        shared.away().take(&name, clean, expiry_s, durable_now, &shared.limits, now);
    if refused {
        count(&shared.counters.sessions_refused);
    }
    let lowered = session.expiry_s != expiry_s || !session.durable && expiry_s > 0;
    let told_expiry =
        (lowered && request.version == Version::V5).then_some(if session.durable { session.expiry_s } else { 0 });
    let keep_alive_max = u16::try_from(shared.limits.keep_alive_max.as_secs()).unwrap_or(u16::MAX);
    let too_long = keep_alive_max > 0 && (request.keep_alive_s == 0 || request.keep_alive_s > keep_alive_max);
    let server_keep_alive_s = (too_long && request.version == Version::V5).then_some(keep_alive_max);
    request.keep_alive_s = server_keep_alive_s.unwrap_or(request.keep_alive_s);
    let welcome = Welcome {
        session_present: present,
        assigned_client_id: assigned,
        session_expiry_s: told_expiry,
        server_keep_alive_s,
    };
    let mut out = BytesMut::new();
    connect::write_welcome(request.version, &welcome, &shared.limits, &mut out);
    count(&shared.counters.connects);
    count(&shared.counters.connections);
    let mut client = Client::new(Arc::clone(&shared), request, Arc::clone(&name), Arc::clone(&acks), session);
    let end = if !client.begin(changes).await {
        if acks.ordered() == Order::TakenOver { End::TakenOver } else { End::ShutDown }
    } else if let Ok(Ok(())) = timeout(shared.limits.write_timeout, socket.write_all(&out)).await {
        client.serve(&mut socket, buffer).await
    } else {
        End::Lost
    };
    count_end(&shared, end);
    if matches!(end, End::Fault(_) | End::SlowSubscriber | End::NoProgress) {
        shared.warn(WARN_EVERY, || format!("client {name:?} at {peer} was disconnected: {end}"));
    }
    client.close().await;
    if matches!(end, End::Fault(_)) {
        linger(&mut socket).await;
    }
    drop(socket);
    {
        let mut clients = shared.clients();
        if clients.get(&*name).is_some_and(|connected| Arc::ptr_eq(&connected.acks, &acks)) {
            clients.remove(&*name);
        }
    }
    drop(client);
    gone.send_replace(true);
}
