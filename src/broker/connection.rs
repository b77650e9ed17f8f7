//! One client's connection, from CONNECT to its end.
//!
//! Holds always: nothing is acknowledged before its item is committed, and acknowledgements leave in order; what waits to
//! be committed is bounded by `inflight_max` and the connection's share of `inflight_bytes_max`, beyond which a 3.1.1
//! client is not read and a v5 client is disconnected; waiting for the pipeline never stops answers below that.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Shared;
use super::acks::{Acks, Order};
use super::connect::{Request, Version, copied};
use super::frame::{self, Cut};
use super::inbound::{Inbound, Item, Publish};
use super::metrics::{add, count, subtract};
use super::outbox::Outbox;
use super::packets::{self, Filter, PUBACK, PUBCOMP, PUBREC, Packet, Written};
use super::partial::Partial;
use super::reason::{
    End, FILTER_INVALID, Fault, NO_SUBSCRIPTION_EXISTED, QUOTA, RECEIVE_MAXIMUM, SHARED_NOT_SUPPORTED, SUCCESS,
};
use super::sessions::Session;
use super::subscriptions::{Subscription, filter_is_valid};
use crate::store::SessionChange;

/// An idle connection holds no more than this for reading.
const READ_BYTES: usize = 4 << 10;
/// A read of a busy connection.
const READ_BYTES_BUSY: usize = 64 << 10;
/// Within a packet, a read of this much is a sign of life too; a client that drips bytes is none.
const READ_BYTES_ALIVE: usize = 1 << 10;
/// Output is written at the latest when this much has gathered.
const WRITE_BYTES: usize = 64 << 10;
/// A publish's topic and payload up to this size are copied out of the read buffer, which larger ones would pin.
const COPY_BYTES_MAX: usize = 256;
/// At least this much of `inflight_bytes_max` is each connection's.
const SHARE_BYTES_MIN: usize = 64 << 10;

/// What is owed for one item that was handed over.
#[derive(Clone, Copy, Debug)]
struct Owed {
    /// First byte of the acknowledgement; 0: none.
    kind: u8,
    packet_id: u16,
    bytes: usize,
}

/// The state of a client that was taken.
pub(super) struct Client {
    pub shared: Arc<Shared>,
    pub request: Request,
    pub name: Arc<str>,
    pub acks: Arc<Acks>,
    pub session: Session,
    /// Items handed over and not yet acknowledged, in order.
    owed: VecDeque<Owed>,
    acknowledged: u64,
    unacknowledged: usize,
    held_bytes: usize,
    /// Items that wait for a place in the pipeline's queue.
    pending: Vec<Item>,
    outbox: Arc<Outbox>,
    filters: HashMap<String, ()>,
    /// QoS 1 messages sent to the client and not yet acknowledged by it.
    outgoing: HashMap<u16, ()>,
    next_id: u16,
    out: BytesMut,
    partial: Partial,
    /// Told to end once everything handed over is acknowledged.
    shutting_down: bool,
    end: Option<End>,
}

impl Client {
    pub fn new(shared: Arc<Shared>, request: Request, name: Arc<str>, acks: Arc<Acks>, session: Session) -> Client {
        let limits = &shared.limits;
        let outbox =
            Outbox::new(Arc::clone(&name), Arc::clone(&acks), limits.queue_messages_max, limits.queue_bytes_max);
        Client {
            outbox: Arc::new(outbox),
            partial: Partial::new(Arc::clone(&shared)),
            shared,
            request,
            name,
            acks,
            session,
            owed: VecDeque::new(),
            acknowledged: 0,
            unacknowledged: 0,
            held_bytes: 0,
            pending: Vec::new(),
            filters: HashMap::new(),
            outgoing: HashMap::new(),
            next_id: 0,
            out: BytesMut::new(),
            shutting_down: false,
            end: None,
        }
    }

    /// Commits the opening or the end of a durable session, before the client hears of it: after a crash the client and
    /// the store must agree on which packet ids are new. False: told to end meanwhile.
    pub async fn begin(&mut self, changes: Vec<SessionChange>) -> bool {
        let count = changes.len() as u64;
        if count > 0 {
            let items = changes.into_iter().map(Item::Session).collect();
            let inbound = Inbound { connection: Arc::clone(&self.acks), items };
            if self.shared.to_pipeline.send(inbound).await.is_err() {
                return false;
            }
        }
        while self.acks.committed_total() < count {
            if self.acks.ordered() != Order::Stay {
                return false;
            }
            self.acks.woken().await;
        }
        self.acknowledged = count;
        true
    }

    /// Serves the client until its end. `buffer` holds what came behind its CONNECT.
    pub async fn serve(&mut self, socket: &mut TcpStream, mut buffer: BytesMut) -> End {
        let (mut reader, mut writer) = socket.split();
        let keep_alive = Duration::from_millis(u64::from(self.request.keep_alive_s) * 1_500);
        let mut heard = Instant::now();
        let mut stop = self.shared.stop.clone();
        self.take_packets(&mut buffer);
        loop {
            self.obey();
            self.settle();
            if let Err(end) = self.write_out(&mut writer).await {
                return end;
            }
            if self.shutting_down && self.owed.is_empty() {
                self.end = self.end.or(Some(End::ShutDown));
            }
            if let Some(end) = self.end {
                self.say_goodbye(end, &mut writer).await;
                return end;
            }
            let reading = self.may_read() && !*stop.borrow();
            let sender = self.shared.to_pipeline.clone();
            tokio::select! {
                biased;
                () = self.acks.woken() => {}
                permit = sender.reserve(), if !self.pending.is_empty() => self.send(permit),
                read = read(&mut reader, &mut buffer), if reading => match read {
                    Ok(0) | Err(_) => return End::Lost,
                    Ok(bytes) => {
                        add(&self.shared.counters.bytes_in, bytes);
                        let whole = self.take_packets(&mut buffer);
                        if whole || bytes >= READ_BYTES_ALIVE {
                            heard = Instant::now();
                        }
                    }
                },
                () = tokio::time::sleep_until((heard + keep_alive).into()), if reading && !keep_alive.is_zero() => {
                    self.end = Some(End::KeepAlive);
                }
                _ = stop.changed() => {}
            }
            if !reading {
                // While we do not read, silence is not the client's fault.
                heard = Instant::now();
            }
        }
    }

    fn may_read(&self) -> bool {
        self.unacknowledged < usize::from(self.shared.limits.inflight_max)
            && self.held_bytes < self.shared.share_bytes()
    }

    fn obey(&mut self) {
        match self.acks.ordered() {
            Order::Stay => {}
            Order::TakenOver => self.end = Some(End::TakenOver),
            Order::ShutDown => self.shutting_down = true,
        }
        if self.outbox.overflowed() {
            self.end = self.end.or(Some(End::SlowSubscriber));
        }
    }

    fn send(&mut self, permit: Result<mpsc::Permit<'_, Inbound>, mpsc::error::SendError<()>>) {
        match permit {
            Ok(permit) => {
                let items = std::mem::take(&mut self.pending);
                permit.send(Inbound { connection: Arc::clone(&self.acks), items });
            }
            Err(_) => self.end = Some(End::ShutDown),
        }
    }

    /// Writes the acknowledgements that became due, and messages for this subscriber.
    fn settle(&mut self) {
        let committed = self.acks.committed_total();
        while self.acknowledged < committed {
            let Some(owed) = self.owed.pop_front() else { break };
            self.acknowledged += 1;
            self.held_bytes -= owed.bytes;
            subtract(&self.shared.counters.inflight_bytes, owed.bytes);
            if owed.kind != 0 {
                self.unacknowledged -= 1;
                packets::write_ack(owed.kind, owed.packet_id, &mut self.out);
            }
        }
        while self.out.len() < WRITE_BYTES {
            let may_acknowledge = self.outgoing.len() < usize::from(self.request.receive_maximum);
            let Some(outgoing) = self.outbox.next(may_acknowledge) else { break };
            subtract(&self.shared.counters.queued_bytes, outgoing.publish.held_bytes());
            let packet_id = if outgoing.qos > 0 { self.free_id() } else { 0 };
            let (version, bytes_max) = (self.request.version, self.request.packet_bytes_max);
            let counters = &self.shared.counters;
            match packets::write_publish(&outgoing, packet_id, version, bytes_max, Instant::now(), &mut self.out) {
                Written::Sent if outgoing.qos > 0 => {
                    self.outgoing.insert(packet_id, ());
                    count(&counters.publish_out_qos1);
                }
                Written::Sent => count(&counters.publish_out_qos0),
                Written::Expired => count(&counters.dropped_expired),
                Written::TooLarge => count(&counters.dropped_too_large),
            }
        }
    }

    fn free_id(&mut self) -> u16 {
        // At most `receive_maximum` of 65,535 are taken, so one is free... unless all are: then the oldest is reused.
        for _ in 0..=u16::MAX {
            self.next_id = self.next_id.wrapping_add(1);
            if self.next_id != 0 && !self.outgoing.contains_key(&self.next_id) {
                break;
            }
        }
        self.next_id
    }

    async fn taken_over(&self) {
        while self.acks.ordered() != Order::TakenOver {
            self.acks.woken().await;
        }
    }

    async fn write_out(&mut self, writer: &mut WriteHalf<'_>) -> Result<(), End> {
        while !self.out.is_empty() {
            let bytes = self.out.split();
            let written = tokio::select! {
                written = timeout(self.shared.limits.write_timeout, writer.write_all(&bytes)) => written,
                // Whoever takes over must not wait for a socket that takes nothing.
                () = self.taken_over() => return Err(End::TakenOver),
            };
            match written {
                Err(_) => return Err(End::NoProgress),
                Ok(Err(_)) => return Err(End::Lost),
                Ok(Ok(())) => add(&self.shared.counters.bytes_out, bytes.len()),
            }
            self.settle();
        }
        self.out = BytesMut::new();
        Ok(())
    }

    /// v5 clients are told why, for as long as a moment.
    async fn say_goodbye(&mut self, end: End, writer: &mut WriteHalf<'_>) {
        if let (Version::V5, Some(code)) = (self.request.version, end.code()) {
            packets::write_disconnect(code, &mut self.out);
            let bytes = self.out.split();
            let _ = timeout(Duration::from_millis(500), writer.write_all(&bytes)).await;
        }
    }

    /// Takes every whole packet of the buffer, up to a fault; says whether there was one.
    fn take_packets(&mut self, buffer: &mut BytesMut) -> bool {
        let limits = self.shared.limits.clone();
        let whole = match frame::whole_packets(buffer, limits.packet_bytes_max) {
            Ok(whole) => whole,
            Err(fault) => {
                // What came before the fault still counts.
                let whole = before_fault(buffer, limits.packet_bytes_max);
                self.take_whole(buffer.split_to(whole).freeze());
                self.end = self.end.or(Some(End::Fault(fault)));
                return true;
            }
        };
        if whole > 0 {
            self.take_whole(buffer.split_to(whole).freeze());
        }
        if let Err(fault) = self.partial.holds(buffer.len()) {
            self.end = self.end.or(Some(End::Fault(fault)));
        }
        if buffer.is_empty() && buffer.capacity() > READ_BYTES {
            *buffer = BytesMut::new();
        }
        whole > 0
    }

    fn take_whole(&mut self, packets: Bytes) {
        let limits = self.shared.limits.clone();
        let now = Instant::now();
        let mut at = 0;
        while at < packets.len() && self.end.is_none() {
            let Ok(Cut::Whole { header, length }) = frame::cut(&packets[at..], limits.packet_bytes_max) else { break };
            let frame = packets.slice(at..at + length);
            at += length;
            let taken = packets::read(&frame, header, self.request.version, &self.name, &limits, now)
                .and_then(|packet| self.take(packet));
            if let Err(fault) = taken {
                self.end = Some(End::Fault(fault));
            }
        }
    }

    fn take(&mut self, packet: Packet) -> Result<(), Fault> {
        match packet {
            Packet::Publish { publish, packet_id } => self.publish(publish, packet_id),
            Packet::PubAck(packet_id) => {
                self.outgoing.remove(&packet_id);
                Ok(())
            }
            Packet::PubRel(packet_id) => {
                self.release(packet_id);
                Ok(())
            }
            Packet::Subscribe { packet_id, filters } => {
                self.subscribe(packet_id, filters);
                Ok(())
            }
            Packet::Unsubscribe { packet_id, filters } => {
                self.unsubscribe(packet_id, filters);
                Ok(())
            }
            Packet::Ping => {
                self.out.extend_from_slice(&[0xD0, 0]);
                Ok(())
            }
            Packet::Disconnect(expiry_s) => self.disconnect(expiry_s),
        }
    }

    fn publish(&mut self, mut publish: Publish, packet_id: u16) -> Result<(), Fault> {
        let counters = &self.shared.counters;
        let bytes = publish.held_bytes();
        match publish.qos {
            0 => {
                if self.held_bytes + bytes > self.shared.share_bytes() {
                    count(&counters.dropped_in_qos0);
                    return Ok(());
                }
                count(&counters.publish_in_qos0);
            }
            1 => count(&counters.publish_in_qos1),
            _ => count(&counters.publish_in_qos2),
        }
        if publish.qos == 2 && self.is_duplicate(packet_id) {
            return Ok(());
        }
        // 3.1.1 knows no such limit; what one read brought is taken, and no more is read.
        let full = self.unacknowledged >= usize::from(self.shared.limits.inflight_max);
        if publish.qos > 0 && full && self.request.version == Version::V5 {
            return Err(Fault::new(RECEIVE_MAXIMUM, "more unacknowledged publishes than the receive maximum"));
        }
        if publish.topic.len() + publish.payload.len() <= COPY_BYTES_MAX {
            publish.topic = copied(&publish.topic);
            publish.payload = copied(&publish.payload);
        }
        let kind = match publish.qos {
            0 => 0,
            1 => PUBACK,
            _ => PUBREC,
        };
        if publish.qos == 2 {
            if self.session.received.len() >= usize::from(u16::MAX) / 2 {
                return Err(Fault::new(QUOTA, "far more QoS 2 packet ids than are ever released"));
            }
            self.session.received.insert(packet_id);
            if self.session.durable {
                publish.received = Some(SessionChange::Received { client: self.name.to_string(), packet_id });
            }
        }
        self.hand_over(Item::Publish(publish), kind, packet_id, bytes);
        Ok(())
    }

    /// A QoS 2 PUBLISH that was taken before is answered again, not taken again.
    fn is_duplicate(&mut self, packet_id: u16) -> bool {
        if !self.session.received.contains(&packet_id) {
            return false;
        }
        count(&self.shared.counters.duplicates_in);
        let waits = self.owed.iter().any(|owed| owed.kind == PUBREC && owed.packet_id == packet_id);
        if !waits && self.session.durable {
            // The first one may have come over an earlier connection and still be on its way to the disk. The queue is
            // first in, first out: once this (which changes nothing) is committed, so is that.
            let change = SessionChange::Received { client: self.name.to_string(), packet_id };
            self.hand_over(Item::Session(change), PUBREC, packet_id, 0);
        } else if !waits {
            packets::write_ack(PUBREC, packet_id, &mut self.out);
        }
        true
    }

    /// PUBREL: of a durable session the release is committed before PUBCOMP, or a crash would bring the id back.
    fn release(&mut self, packet_id: u16) {
        let known = self.session.received.remove(&packet_id);
        if known && self.session.durable {
            let change = SessionChange::Released { client: self.name.to_string(), packet_id };
            self.hand_over(Item::Session(change), PUBCOMP, packet_id, 0);
        } else {
            packets::write_ack(PUBCOMP, packet_id, &mut self.out);
        }
    }

    fn hand_over(&mut self, item: Item, kind: u8, packet_id: u16, bytes: usize) {
        self.owed.push_back(Owed { kind, packet_id, bytes });
        self.unacknowledged += usize::from(kind != 0);
        self.held_bytes += bytes;
        add(&self.shared.counters.inflight_bytes, bytes);
        self.pending.push(item);
    }

    fn subscribe(&mut self, packet_id: u16, filters: Vec<Filter>) {
        // Subscriptions are not kept for an absent client yet, so neither is a session that should have them.
        if self.session.durable {
            self.session.durable = false;
            let change = SessionChange::Drop { client: self.name.to_string() };
            self.hand_over(Item::Session(change), 0, 0, 0);
        }
        let codes: Vec<u8> = filters.into_iter().map(|filter| self.subscribe_one(filter)).collect();
        packets::write_codes(0x90, packet_id, self.request.version, &codes, &mut self.out);
    }

    fn subscribe_one(&mut self, filter: Filter) -> u8 {
        let limits = &self.shared.limits;
        let refuse = |code: u8| if self.request.version == Version::V4 { 0x80 } else { code };
        if filter.path.starts_with("$share/") {
            return refuse(SHARED_NOT_SUPPORTED);
        }
        if !filter_is_valid(&filter.path, limits.topic_levels_max) {
            return refuse(FILTER_INVALID);
        }
        if !self.filters.contains_key(&filter.path) && self.filters.len() >= limits.subscriptions_per_client_max {
            return refuse(QUOTA);
        }
        let subscription = Subscription {
            outbox: Arc::clone(&self.outbox),
            qos: filter.qos.min(1),
            no_local: filter.no_local,
            retain_as_published: filter.retain_as_published,
        };
        let granted = subscription.qos;
        if self.shared.tree_mut().insert(&filter.path, subscription) {
            count(&self.shared.counters.subscriptions);
        }
        self.filters.insert(filter.path, ());
        granted
    }

    fn unsubscribe(&mut self, packet_id: u16, filters: Vec<String>) {
        let mut codes = Vec::with_capacity(filters.len());
        for filter in filters {
            if self.filters.remove(&filter).is_some() {
                self.shared.tree_mut().remove(&filter, &self.outbox);
                subtract(&self.shared.counters.subscriptions, 1);
                codes.push(SUCCESS);
            } else {
                codes.push(NO_SUBSCRIPTION_EXISTED);
            }
        }
        packets::write_codes(0xB0, packet_id, self.request.version, &codes, &mut self.out);
    }

    fn disconnect(&mut self, expiry_s: Option<u32>) -> Result<(), Fault> {
        if let Some(expiry_s) = expiry_s {
            if self.request.session_expiry_s == 0 && expiry_s > 0 {
                return Err(Fault::protocol("a session expiry at DISCONNECT where CONNECT had none"));
            }
            let limit_s = u32::try_from(self.shared.limits.session_expiry_max.as_secs()).unwrap_or(u32::MAX);
            self.session.expiry_s = expiry_s.min(limit_s);
        }
        self.end = Some(End::Client);
        Ok(())
    }

    /// Gives back what the connection held. What was handed over is still committed, just not acknowledged.
    pub async fn close(&mut self) {
        let counters = &self.shared.counters;
        for filter in std::mem::take(&mut self.filters).into_keys() {
            self.shared.tree_mut().remove(&filter, &self.outbox);
            subtract(&counters.subscriptions, 1);
        }
        let (messages, bytes) = self.outbox.waiting();
        while self.outbox.next(true).is_some() {}
        add(&counters.dropped_disconnected, messages);
        subtract(&counters.queued_bytes, bytes);
        subtract(&counters.inflight_bytes, self.held_bytes);
        let session = std::mem::take(&mut self.session);
        let now = super::wall_millis();
        let change = self.shared.away().put(&self.name, session, now);
        self.pending.extend(change.map(Item::Session));
        if !self.pending.is_empty() {
            let items = std::mem::take(&mut self.pending);
            let inbound = Inbound { connection: Arc::clone(&self.acks), items };
            // What was received and not yet handed over may be lost: it was not acknowledged. The session's end
            // must not be, so this waits as long as the pipeline lives.
            let _ = self.shared.to_pipeline.send(inbound).await;
        }
        self.shared.measure_sessions();
    }
}

/// Length of the whole packets before the one that is at fault.
fn before_fault(bytes: &[u8], packet_bytes_max: usize) -> usize {
    let mut end = 0;
    while let Ok(Cut::Whole { length, .. }) = frame::cut(&bytes[end..], packet_bytes_max) {
        end += length;
    }
    end
}

async fn read(reader: &mut ReadHalf<'_>, buffer: &mut BytesMut) -> std::io::Result<usize> {
    if buffer.capacity() == buffer.len() {
        // A first read is small: most connections are idle. One that fills it gets more.
        buffer.reserve(if buffer.is_empty() { READ_BYTES } else { READ_BYTES_BUSY });
    }
    let bytes = reader.read_buf(buffer).await?;
    if buffer.len() >= READ_BYTES && buffer.capacity() < READ_BYTES_BUSY {
        buffer.reserve(READ_BYTES_BUSY);
    }
    Ok(bytes)
}

/// How the end of a connection is counted.
pub(super) fn count_end(shared: &Shared, end: End) {
    let counters = &shared.counters;
    let counter = match end {
        End::Client => &counters.ended_by_client,
        End::Lost => &counters.ended_lost,
        End::Fault(fault) if fault.code == super::reason::MALFORMED => &counters.ended_malformed,
        End::Fault(fault) if fault.code == QUOTA => &counters.ended_quota,
        End::Fault(_) => &counters.ended_protocol_error,
        End::KeepAlive => &counters.ended_keep_alive,
        End::NoProgress => &counters.ended_write_timeout,
        End::SlowSubscriber => &counters.ended_slow_subscriber,
        End::TakenOver => &counters.takeovers,
        End::ShutDown => &counters.ended_shutdown,
    };
    count(counter);
}

/// A connection's share of all bytes in flight.
pub(super) fn share_bytes(limit: usize, connections: u64) -> usize {
    (limit / usize::try_from(connections.max(1)).unwrap_or(usize::MAX)).max(SHARE_BYTES_MIN)
}

impl Drop for Client {
    /// A task that is dropped half-way (at the process's end) leaves the gauges right.
    fn drop(&mut self) {
        self.shared.counters.connections.fetch_sub(1, Relaxed);
    }
}
