//! Accepting sockets, and the way of a client from CONNECT into [`Client`] and out of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::Shared;
use super::connect::{self, ConnAck, Refused, Request, Version};
use super::connection::{Client, count_end};
use super::frame::{self, CONNECT, Cut};
use super::inbound::{Ask, Close, Connect, Control, Inbound, Item, Parting};
use super::link::{Answer, Link, Order, Welcome};
use super::metrics::count;
use super::outbox::Outbox;
use super::partial::Partial;
use super::reason::{
    BAD_CREDENTIALS, End, Fault, IDENTIFIER_INVALID, NOT_AUTHORIZED, SERVER_BUSY, UNSUPPORTED_VERSION,
};
use super::socket::{linger, read, write_all};

/// So many sockets above `connections_max` are told that the server is busy; the rest are closed without a word.
const REFUSING_MAX: u64 = 64;

/// How long such a socket may take for its CONNECT.
const REFUSING_TIMEOUT: Duration = Duration::from_secs(2);

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
        let sockets = shared.counters.sockets.load(Relaxed);
        let full = sockets >= shared.limits.connections_max as u64;
        if full || in_second > shared.limits.connections_per_second_max {
            count(&shared.counters.refused_limit);
            let limit = if full { "connections_max" } else { "connections_per_second_max" };
            shared.warn(|| format!("connections are refused: {limit} is reached"));
            if !full || sockets >= shared.limits.connections_max as u64 + REFUSING_MAX {
                continue;
            }
        }
        count(&shared.counters.sockets);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let sockets = SocketGauge(Arc::clone(&shared));
            if full {
                turn_away(&shared, socket).await;
            } else {
                serve(shared, socket, peer, allow_anonymous).await;
            }
            drop(sockets);
        });
    }
}

/// Tells a client above `connections_max` that the server is busy, in the words of its version.
async fn turn_away(shared: &Arc<Shared>, mut socket: TcpStream) {
    let mut buffer = BytesMut::new();
    let said = async {
        if let Some(Ok(request)) = read_connect(shared, &mut socket, &mut buffer).await {
            let fault = Fault::new(SERVER_BUSY, "connections_max is reached");
            say_no(&mut socket, &Refused { version: Some(request.version), fault }).await;
        }
    };
    let _ = timeout(REFUSING_TIMEOUT, said).await;
}

async fn say_no(socket: &mut TcpStream, refused: &Refused) {
    let mut out = BytesMut::new();
    connect::write_refusal(refused, &mut out);
    let (mut reader, mut writer) = socket.split();
    if write_all(&mut writer, &out).await.is_ok() {
        linger(&mut reader, &mut writer).await;
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
    let mut buffer = BytesMut::new();
    let patience = shared.limits.connect_timeout;
    let request = match timeout(patience, read_connect(&shared, &mut socket, &mut buffer)).await {
        Err(_) => return count(&shared.counters.ended_connect_timeout),
        Ok(None) => return count(&shared.counters.ended_lost),
        Ok(Some(Err(refused))) => return refuse(&shared, &mut socket, peer, &refused).await,
        Ok(Some(Ok(request))) => request,
    };
    // Users are not configured yet, so whoever comes is anonymous, whatever it says.
    if !allow_anonymous {
        let fault = match request.user {
            Some(_) => Fault::new(BAD_CREDENTIALS, "unknown user name or password"),
            None => Fault::new(NOT_AUTHORIZED, "anonymous clients are not allowed"),
        };
        let refused = Refused { version: Some(request.version), fault };
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
            Ok(Cut::Partial { length }) => {
                if let Err(fault) = partial.announce(length) {
                    return Some(Err(Refused { version: None, fault }));
                }
            }
        }
        match read(socket, buffer).await {
            Ok(1..) => {}
            _ => return None,
        }
    }
}

async fn refuse(shared: &Shared, socket: &mut TcpStream, peer: SocketAddr, refused: &Refused) {
    let counters = &shared.counters;
    count(match refused.fault.code {
        UNSUPPORTED_VERSION => &counters.refused_protocol,
        IDENTIFIER_INVALID => &counters.refused_identifier,
        NOT_AUTHORIZED | BAD_CREDENTIALS => &counters.refused_credentials,
        _ => &counters.refused_other,
    });
    shared.warn(|| format!("a client at {peer} was refused: {}", refused.fault));
    let _ = timeout(shared.limits.write_timeout, say_no(socket, refused)).await;
}

async fn run(shared: Arc<Shared>, mut socket: TcpStream, peer: SocketAddr, mut request: Request, buffer: BytesMut) {
    let assigned = request.client_id.is_empty().then(|| format!("auto-{}", uuid::Uuid::new_v4().simple()));
    let link = Link::new(Arc::from(assigned.as_deref().unwrap_or(&request.client_id)));
    let limits = &shared.limits;
    let outbox = Arc::new(Outbox::new(Arc::clone(&link), limits.queue_messages_max, limits.queue_bytes_max));
    let connect = Connect {
        clean: request.clean,
        expiry_s: request.session_expiry_s,
        receive_maximum: request.receive_maximum,
        will: request.will.take().map(|will| *will),
        outbox: Arc::clone(&outbox),
    };
    if !hand_over(&shared, &link, Ask::Connect(Box::new(connect))).await {
        return;
    }
    shared.links().insert(link.id, Arc::clone(&link));
    let end = match timeout(limits.connect_timeout, welcome(&link)).await {
        Ok(Some(welcome)) => {
            let mut client = Client::new(Arc::clone(&shared), request, outbox, welcome.durable);
            count(&shared.counters.connects);
            let connected = shared.counters.connections.fetch_add(1, Relaxed) + 1;
            shared.counters.connections_peak.fetch_max(connected, Relaxed);
            let end = greet_and_serve(&shared, &mut client, &mut socket, &welcome, assigned, buffer).await;
            count_end(&shared, end);
            client.close(end).await;
            if end.fault().is_some() && end != End::ShutDown {
                let (mut reader, mut writer) = socket.split();
                linger(&mut reader, &mut writer).await;
            }
            end
        }
        // It never heard that it was taken: the pipeline stands still, or another connection came before it was.
        outcome => {
            let close = Close { parting: Parting::Broken, expiry_s: None, undelivered: Vec::new() };
            hand_over(&shared, &link, Ask::Close(Box::new(close))).await;
            let end = match (outcome, link.ordered()) {
                (Err(_), _) => End::NoProgress,
                (Ok(_), Order::TakenOver) => End::TakenOver,
                (Ok(_), _) => End::ShutDown,
            };
            count_end(&shared, end);
            end
        }
    };
    shared.links().remove(&link.id);
    if matches!(end, End::Fault(_) | End::SlowSubscriber | End::NoProgress) {
        shared.warn(|| format!("client {:?} at {peer} was disconnected: {end}", link.client()));
    }
}

/// False when nobody takes anything any more.
async fn hand_over(shared: &Shared, link: &Arc<Link>, ask: Ask) -> bool {
    let inbound = Inbound { connection: Arc::clone(link), items: vec![Item::Control(Control(ask))] };
    shared.to_pipeline.send(inbound).await.is_ok()
}

/// Waits until the session is on the disk, if it is to be, and so what the client is told is true. `None`: it is to end
/// before that.
async fn welcome(link: &Link) -> Option<Welcome> {
    loop {
        if link.committed_total() > 0 {
            return match link.take_answer() {
                Some(Answer::Welcome(welcome)) => Some(welcome),
                _ => None,
            };
        }
        if link.ordered() != Order::Stay {
            return None;
        }
        link.woken().await;
    }
}

async fn greet_and_serve(
    shared: &Shared,
    client: &mut Client,
    socket: &mut TcpStream,
    welcome: &Welcome,
    assigned_client_id: Option<String>,
    buffer: BytesMut,
) -> End {
    let request = &mut client.request;
    let v5 = request.version == Version::V5;
    let keep_alive_max = u16::try_from(shared.limits.keep_alive_max.as_secs()).unwrap_or(u16::MAX);
    let too_long = keep_alive_max > 0 && (request.keep_alive_s == 0 || request.keep_alive_s > keep_alive_max);
    let server_keep_alive_s = (too_long && v5).then_some(keep_alive_max);
    request.keep_alive_s = server_keep_alive_s.unwrap_or(request.keep_alive_s);
    let connack = ConnAck {
        session_present: welcome.session_present,
        assigned_client_id,
        session_expiry_s: (welcome.expiry_s != request.session_expiry_s).then_some(welcome.expiry_s),
        server_keep_alive_s,
    };
    let mut out = BytesMut::new();
    connect::write_connack(request.version, &connack, &shared.limits, &mut out);
    match timeout(shared.limits.write_timeout, write_all(socket, &out)).await {
        Ok(Ok(())) => {
            let (reader, writer) = socket.split();
            client.serve(reader, writer, buffer).await
        }
        _ => End::Lost,
    }
}
