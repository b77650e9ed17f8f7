//! The way of a client from CONNECT into [`Client`] and out of it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::Shared;
use super::accept::Peer;
use super::access::{Admitted, Claim, Rights};
use super::connect::{self, ConnAck, Refused, Request, Version};
use super::connection::Client;
use super::frame::{self, CONNECT, Cut};
use super::inbound::{Ask, Close, Connect, Control, Inbound, Item, Parting};
use super::link::{Answer, Link, Order, Welcome};
use super::metrics::{count, count_end};
use super::outbox::Outbox;
use super::partial::Partial;
use super::reason::{
    BAD_CREDENTIALS, End, Fault, IDENTIFIER_INVALID, NOT_AUTHORIZED, SERVER_BUSY, UNSUPPORTED_VERSION,
};
use super::socket::{linger, read, write_all};
use super::stream::Stream;

/// How long a socket above `connections_max` may take for its CONNECT.
pub(super) const REFUSING_TIMEOUT: Duration = Duration::from_secs(2);

/// How long TLS and WebSocket may take for a goodbye of their own.
const PARTING_MAX: Duration = Duration::from_millis(500);

/// Tells a client above `connections_max` that the server is busy, in the words of its version.
pub(super) async fn turn_away(shared: &Arc<Shared>, socket: &mut Stream) {
    let mut buffer = BytesMut::new();
    let said = async {
        if let Some(Ok(request)) = read_connect(shared, socket, &mut buffer).await {
            let fault = Fault::new(SERVER_BUSY, "connections_max is reached");
            say_no(socket, &Refused { version: Some(request.version), fault }).await;
        }
    };
    let _ = timeout(REFUSING_TIMEOUT, said).await;
}

async fn say_no(socket: &mut Stream, refused: &Refused) {
    let mut out = BytesMut::new();
    connect::write_refusal(refused, &mut out);
    let (mut reader, mut writer) = tokio::io::split(socket);
    if write_all(&mut writer, &out).await.is_ok() {
        linger(&mut reader, &mut writer).await;
    }
}

pub(super) async fn serve(shared: Arc<Shared>, mut stream: Stream, peer: Peer) {
    let mut buffer = BytesMut::new();
    let patience = shared.limits.connect_timeout;
    let request = match timeout(patience, read_connect(&shared, &mut stream, &mut buffer)).await {
        Err(_) => {
            count(&shared.counters.ended_connect_timeout);
            return shared.warn(|| format!("{peer} sent no CONNECT within connect_timeout"));
        }
        Ok(None) => return count(&shared.counters.ended_lost),
        Ok(Some(Err(refused))) => return refuse(&shared, &mut stream, &peer, &refused).await,
        Ok(Some(Ok(request))) => request,
    };
    let claim = Claim {
        user: request.user.as_deref(),
        password: request.password.as_deref(),
        certificate: peer.certificate.as_deref(),
        address: peer.address.map(|address| address.ip()),
        allow_anonymous: peer.door.allow_anonymous,
    };
    // Boxed: its state is for the time of the login alone.
    match Box::pin(shared.access.admit(&claim, patience)).await {
        Ok(admitted) => run(shared, stream, peer, request, admitted, buffer).await,
        Err(fault) => {
            count(&shared.counters.logins_failed);
            let refused = Refused { version: Some(request.version), fault };
            refuse(&shared, &mut stream, &peer, &refused).await;
        }
    }
}

/// Waits for a whole CONNECT. `None`: the socket ended.
async fn read_connect(
    shared: &Arc<Shared>,
    socket: &mut Stream,
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

async fn refuse(shared: &Shared, stream: &mut Stream, peer: &Peer, refused: &Refused) {
    let counters = &shared.counters;
    count(match refused.fault.code {
        UNSUPPORTED_VERSION => &counters.refused_protocol,
        IDENTIFIER_INVALID => &counters.refused_identifier,
        NOT_AUTHORIZED | BAD_CREDENTIALS | SERVER_BUSY => &counters.refused_credentials,
        _ => &counters.refused_other,
    });
    shared.warn(|| format!("a client at {peer} was refused: {}", refused.fault));
    let _ = timeout(shared.limits.write_timeout, say_no(stream, refused)).await;
}

async fn run(
    shared: Arc<Shared>,
    mut stream: Stream,
    peer: Peer,
    mut request: Request,
    admitted: Admitted,
    buffer: BytesMut,
) {
    let Admitted { user, until_s } = admitted;
    let assigned = request.client_id.is_empty().then(|| format!("auto-{}", uuid::Uuid::new_v4().simple()));
    let link = Link::new(Arc::from(assigned.as_deref().unwrap_or(&request.client_id)));
    if let Some(user) = user.clone().filter(|_| peer.certificate.is_none()) {
        let _ = link.login.set(user);
    }
    if let Some(until_s) = until_s {
        let _ = link.until_s.set(until_s);
    }
    let mut rights = Rights::new(&shared.access, user.clone(), Arc::clone(link.client()));
    if let Err(fault) = check_will(&shared, &mut rights, &request) {
        let refused = Refused { version: Some(request.version), fault };
        return refuse(&shared, &mut stream, &peer, &refused).await;
    }
    let limits = &shared.limits;
    let outbox = Arc::new(Outbox::new(Arc::clone(&link), limits.queue_messages_max));
    let connect = Connect {
        clean: request.clean,
        expiry_s: request.session_expiry_s,
        receive_maximum: request.receive_maximum,
        user,
        will: request.will.take().map(|will| *will),
        outbox: Arc::clone(&outbox),
    };
    if !hand_over(&shared, &link, Ask::Connect(Box::new(connect))).await {
        return;
    }
    shared.links().insert(link.id(), Arc::clone(&link));
    // Users may have been read again since it was let in, when it was not among the links yet.
    shared.end_if_unknown(&link);
    let end = match timeout(limits.connect_timeout, welcome(&link)).await {
        Ok(Some(Err(fault))) => {
            shared.links().remove(&link.id());
            let refused = Refused { version: Some(request.version), fault };
            return refuse(&shared, &mut stream, &peer, &refused).await;
        }
        Ok(Some(Ok(welcome))) => {
            let mut client = Client::new(Arc::clone(&shared), request, rights, outbox, welcome.durable);
            count(&shared.counters.connects);
            let connected = shared.counters.connections.fetch_add(1, Relaxed) + 1;
            shared.counters.connections_peak.fetch_max(connected, Relaxed);
            let end = greet_and_serve(&shared, &mut client, &mut stream, &welcome, assigned, buffer).await;
            count_end(&shared.counters, end);
            client.close(end).await;
            if end.fault().is_some() && end != End::ShutDown {
                let (mut reader, mut writer) = tokio::io::split(&mut stream);
                linger(&mut reader, &mut writer).await;
            } else {
                // TLS and WebSocket have a goodbye of their own.
                let _ = timeout(PARTING_MAX, stream.shutdown()).await;
            }
            end
        }
        // It never heard that it was taken: the pipeline stands still, or another connection came before it was.
        outcome => {
            let undelivered = outbox.give_back(&shared.counters);
            let close = Close { parting: Parting::Broken, expiry_s: None, undelivered };
            hand_over(&shared, &link, Ask::Close(Box::new(close))).await;
            let end = match (outcome, link.ordered()) {
                (Err(_), _) => End::NoProgress,
                (Ok(_), Order::TakenOver) => End::TakenOver,
                (Ok(_), _) => End::ShutDown,
            };
            count_end(&shared.counters, end);
            end
        }
    };
    shared.links().remove(&link.id());
    if matches!(end, End::Fault(_) | End::SlowSubscriber | End::NoProgress) {
        shared.warn(|| format!("client {:?} at {peer} was disconnected: {end}", link.client()));
    }
}

/// A will is a publish that comes later.
fn check_will(shared: &Shared, rights: &mut Rights, request: &Request) -> Result<(), Fault> {
    let Some(will) = &request.will else { return Ok(()) };
    if rights.may_publish(&shared.access, will.publish.topic_str()) {
        return Ok(());
    }
    count(&shared.counters.denied_will);
    Err(Fault::new(NOT_AUTHORIZED, "a will that no [[broker.acl]] allows, or on a topic of the server's own"))
}

/// False when nobody takes anything any more.
async fn hand_over(shared: &Shared, link: &Arc<Link>, ask: Ask) -> bool {
    let inbound = Inbound { connection: Arc::clone(link), items: vec![Item::Control(Control(ask))] };
    shared.to_pipeline.send(inbound).await.is_ok()
}

/// Waits until the session is on the disk, if it is to be, and so what the client is told is true; or for why it is not
/// taken. `None`: it is to end before that.
async fn welcome(link: &Link) -> Option<Result<Welcome, Fault>> {
    loop {
        if link.committed_total() > 0 {
            return match link.take_answer() {
                Some(Answer::Welcome(welcome)) => Some(Ok(welcome)),
                Some(Answer::Reason(code)) => {
                    Some(Err(Fault::new(code, "sessions_bytes_max is reached: there is no place for its will")))
                }
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
    stream: &mut Stream,
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
    match timeout(shared.limits.write_timeout, write_all(stream, &out)).await {
        Ok(Ok(())) => {
            let (reader, writer) = tokio::io::split(stream);
            client.serve(reader, writer, buffer).await
        }
        _ => End::Lost,
    }
}
