//! One client's connection, from CONNACK to its end.
//!
//! Holds always: nothing is answered before its item is committed, and answers leave in order; what waits to be committed
//! is bounded by `inflight_max` and the connection's share of `inflight_bytes_max`, beyond which a 3.1.1 client is not
//! read and a v5 client is disconnected; waiting for the pipeline never stops answers below that. Every packet, once
//! begun, is whole within a time that its length says.

mod permissions;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Shared;
use super::access::Rights;
use super::aliases::Aliases;
use super::connect::{Request, Version, copied};
use super::frame::{self, Cut};
use super::inbound::{Ask, Close, Control, Inbound, Item, Parting, Publish, Step};
use super::link::{Answer, Link, Order};
use super::metrics::{add, count, subtract};
use super::outbox::{Delivery, Outbox, Outgoing};
use super::packets::{self, Form, PUBACK, PUBCOMP, PUBREC, PUBREL, Packet, SUBACK, UNSUBACK, Written};
use super::partial::Partial;
use super::reason::{End, Fault, NOT_AUTHORIZED, PACKET_ID_NOT_FOUND, QUOTA, RECEIVE_MAXIMUM, SUCCESS};
use super::socket::{read, write_all};

/// Within a packet, a read of this much is a sign of life too; a client that drips bytes is none.
const READ_BYTES_ALIVE: usize = 1 << 10;
/// Output is written at the latest when this much has gathered.
const WRITE_BYTES: usize = 64 << 10;
/// What waits is written first, but after so many times `WRITE_BYTES` the client is read, however much there still is.
const ROUNDS_MAX: u32 = 64;
/// A publish's topic and payload up to this size are copied out of the read buffer, which larger ones would pin.
const COPY_BYTES_MAX: usize = 256;
/// A packet must come at this rate at least, besides `write_timeout` for what it is worth.
const BYTES_PER_SECOND_MIN: u32 = 1_000;
/// The last words to a client may take so long.
const GOODBYE_MAX: Duration = Duration::from_millis(500);

/// What is owed for one item that was handed over.
#[derive(Clone, Copy, Debug)]
struct Owed {
    kind: Kind,
    packet_id: u16,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    /// PUBACK or PUBREC.
    Ack(u8),
    /// SUBACK or UNSUBACK, with the hub's codes.
    Codes(u8),
    /// PUBCOMP, with the hub's reason.
    Complete,
    /// PUBACK or PUBREC for a publish that no rule allows: there is no item, it is due in its turn.
    Denied(u8),
}

/// A message sent and not yet acknowledged, of a session that ends with the connection.
#[derive(Debug)]
struct Sent {
    packet_id: u16,
    qos: u8,
    received: bool,
    /// Of a shared subscription: another member gets it if this one does not.
    shared: Option<Delivery>,
}

/// The state of a client that was taken.
pub(super) struct Client {
    shared: Arc<Shared>,
    pub request: Request,
    link: Arc<Link>,
    rights: Rights,
    outbox: Arc<Outbox>,
    durable: bool,
    /// Items handed over and not yet committed, in order.
    owed: VecDeque<Owed>,
    /// Those of `owed` that get an answer.
    unacknowledged: usize,
    /// What they hold.
    held_bytes: usize,
    /// Items of the link that were committed and settled.
    settled: u64,
    /// QoS 1 and 2 publishes that a v5 client has begun and may not yet forget.
    receiving: usize,
    /// Items that wait for a place in the pipeline's queue.
    pending: Vec<Item>,
    sent: VecDeque<Sent>,
    last_id: u16,
    aliases: Aliases,
    partial: Partial,
    /// When the packet that has begun must be whole.
    whole_until: Option<Instant>,
    out: BytesMut,
    /// Told to end once everything handed over is acknowledged.
    shutting_down: bool,
    session_expiry_s: Option<u32>,
    parting: Parting,
    end: Option<End>,
}

impl Client {
    /// The client was welcomed with the first item of its link.
    pub fn new(shared: Arc<Shared>, request: Request, rights: Rights, outbox: Arc<Outbox>, durable: bool) -> Client {
        Client {
            partial: Partial::new(Arc::clone(&shared)),
            shared,
            request,
            rights,
            link: Arc::clone(outbox.link()),
            outbox,
            durable,
            owed: VecDeque::new(),
            unacknowledged: 0,
            held_bytes: 0,
            settled: 1,
            receiving: 0,
            pending: Vec::new(),
            sent: VecDeque::new(),
            last_id: 0,
            aliases: Aliases::default(),
            whole_until: None,
            out: BytesMut::new(),
            shutting_down: false,
            session_expiry_s: None,
            parting: Parting::Broken,
            end: None,
        }
    }

    /// Serves the client until its end. `buffer` holds what came behind its CONNECT.
    pub async fn serve<R, W>(&mut self, mut reader: R, mut writer: W, mut buffer: BytesMut) -> End
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let keep_alive = Duration::from_millis(u64::from(self.request.keep_alive_s) * 1_500);
        let mut heard = Instant::now();
        let mut stop = self.shared.stop.clone();
        self.take_packets(&mut buffer);
        let mut rounds = 0u32;
        loop {
            self.obey();
            let more = self.settle();
            rounds = if more { rounds.wrapping_add(1) } else { 0 };
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
            if more && rounds % ROUNDS_MAX != 0 {
                continue;
            }
            let reading = self.may_read() && !*stop.borrow();
            let sender = self.shared.to_pipeline.clone();
            let deadline = self.deadline(heard, keep_alive).filter(|_| reading);
            let (until, over) = deadline.unwrap_or((heard, End::KeepAlive));
            // In no order: a subscriber that always has something to get must be read all the same.
            tokio::select! {
                () = std::future::ready(()), if more => {}
                () = self.link.woken() => {}
                permit = sender.reserve(), if !self.pending.is_empty() => self.send(permit),
                read = read(&mut reader, &mut buffer), if reading => match read {
                    Ok(0) | Err(_) => return End::Lost,
                    Ok(bytes) => {
                        add(&self.shared.counters.bytes_in, bytes);
                        // What waited for the client before it spoke comes before the answer to what it says.
                        self.settle();
                        if self.take_packets(&mut buffer) || bytes >= READ_BYTES_ALIVE {
                            heard = Instant::now();
                        }
                    }
                },
                () = tokio::time::sleep_until(until.into()), if deadline.is_some() => self.end = Some(over),
                _ = stop.changed() => {}
            }
            if !reading {
                // While we do not read, silence is not the client's fault.
                heard = Instant::now();
                if let Some(until) = &mut self.whole_until {
                    *until = heard + patience(self.shared.limits.write_timeout, self.partial.bytes());
                }
            }
        }
    }

    /// What ends the connection if nothing comes until then.
    fn deadline(&self, heard: Instant, keep_alive: Duration) -> Option<(Instant, End)> {
        let silent = (!keep_alive.is_zero()).then_some((heard + keep_alive, End::KeepAlive));
        let partial = self.whole_until.map(|until| (until, End::NoProgress));
        silent.into_iter().chain(partial).min_by_key(|(until, _)| *until)
    }

    fn may_read(&self) -> bool {
        self.unacknowledged < usize::from(self.shared.limits.inflight_max)
            && self.held_bytes < self.shared.share_bytes()
    }

    fn obey(&mut self) {
        match self.link.ordered() {
            Order::Stay => {}
            Order::TakenOver => self.end = Some(End::TakenOver),
            Order::ShutDown => self.shutting_down = true,
            Order::Revoked => self.end = self.end.or(Some(End::Revoked)),
            Order::Expired => self.end = self.end.or(Some(End::Expired)),
            Order::OverQuota => {
                let fault = Fault::new(QUOTA, "far more QoS 2 packet ids than are ever released");
                self.end = self.end.or(Some(End::Fault(fault)));
            }
        }
        if self.outbox.overflowed() {
            self.end = self.end.or(Some(End::SlowSubscriber));
        }
    }

    fn send(&mut self, permit: Result<mpsc::Permit<'_, Inbound>, mpsc::error::SendError<()>>) {
        match permit {
            Ok(permit) => {
                let items = std::mem::take(&mut self.pending);
                permit.send(Inbound { connection: Arc::clone(&self.link), items });
            }
            Err(_) => self.end = Some(End::ShutDown),
        }
    }

    /// Writes the answers that became due, and messages for this subscriber; true if there may be more.
    fn settle(&mut self) -> bool {
        let committed = self.link.committed_total();
        let mut packets = 0;
        while let Some(owed) = self.owed.front().copied() {
            if !matches!(owed.kind, Kind::Denied(_)) {
                if self.settled == committed {
                    break;
                }
                self.settled += 1;
            }
            self.owed.pop_front();
            self.held_bytes -= owed.bytes;
            subtract(&self.shared.counters.inflight_bytes, owed.bytes);
            self.unacknowledged -= usize::from(owed.kind != Kind::Nothing);
            packets += usize::from(owed.kind != Kind::Nothing);
            self.answer(owed);
        }
        while self.out.len() < WRITE_BYTES {
            let may_acknowledge = self.sent.len() < self.window();
            let Some((outgoing, bytes)) = self.outbox.next(may_acknowledge) else { break };
            subtract(&self.shared.counters.queued_bytes, bytes);
            packets += 1;
            match outgoing {
                Outgoing::Publish(delivery) if self.is_allowed(&delivery) => self.write_publish(delivery),
                Outgoing::Publish(delivery) => self.pass_over(&delivery),
                Outgoing::Release(packet_id) => {
                    packets::write_ack(PUBREL, packet_id, SUCCESS, self.request.manner(), &mut self.out);
                }
                Outgoing::More => self.ask(Ask::Drained, Kind::Nothing, 0),
            }
        }
        add(&self.shared.counters.packets_out, packets);
        self.out.len() >= WRITE_BYTES
    }

    fn answer(&mut self, owed: Owed) {
        let (to, packet_id) = (self.request.manner(), owed.packet_id);
        match owed.kind {
            Kind::Nothing => {}
            Kind::Ack(kind) => {
                self.receiving -= usize::from(kind == PUBACK && self.receiving > 0);
                packets::write_ack(kind, packet_id, SUCCESS, to, &mut self.out);
            }
            Kind::Denied(kind) => {
                if to.version == Version::V5 {
                    self.receiving = self.receiving.saturating_sub(1);
                }
                packets::write_ack(kind, packet_id, NOT_AUTHORIZED, to, &mut self.out);
            }
            Kind::Complete => {
                self.receiving = self.receiving.saturating_sub(1);
                let code = if let Some(Answer::Reason(code)) = self.link.take_answer() { code } else { SUCCESS };
                packets::write_ack(PUBCOMP, packet_id, code, to, &mut self.out);
            }
            Kind::Codes(kind) => {
                let codes = if let Some(Answer::Codes(codes)) = self.link.take_answer() { codes } else { Vec::new() };
                packets::write_codes(kind, packet_id, to, &codes, &mut self.out);
            }
        }
    }

    /// QoS 1 and 2 messages that may be unacknowledged, as far as the connection counts them.
    fn window(&self) -> usize {
        usize::from(self.request.receive_maximum.min(self.shared.limits.inflight_max))
    }

    fn write_publish(&mut self, delivery: Delivery) {
        let ours = delivery.qos > 0 && delivery.packet_id == 0;
        let packet_id = if ours { self.free_id() } else { delivery.packet_id };
        let alias = self.aliases.of(&delivery.publish.topic, self.request.topic_alias_max);
        let form = Form { version: self.request.version, packet_bytes_max: self.request.packet_bytes_max, alias };
        let written = packets::write_publish(&delivery, packet_id, form, Instant::now(), &mut self.out);
        let counters = &self.shared.counters;
        if written == Written::Sent {
            add(&counters.payload_bytes_out, delivery.publish.payload.len());
        }
        count(match written {
            Written::Sent => match delivery.qos {
                0 => &counters.publish_out_qos0,
                1 => &counters.publish_out_qos1,
                _ => &counters.publish_out_qos2,
            },
            Written::Expired => &counters.dropped_expired,
            Written::TooLarge => &counters.dropped_too_large,
        });
        if written != Written::Sent {
            if let Some((alias, false)) = alias {
                // The client has not heard of it.
                self.aliases.forget(alias);
            }
            self.pass_over(&delivery);
        } else if ours {
            let qos = delivery.qos;
            let shared = delivery.is_shared().then_some(delivery);
            self.sent.push_back(Sent { packet_id, qos, received: false, shared });
        }
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            // At most `window` of 65,535 are taken, and that is less.
            if self.last_id != 0 && self.sent.iter().all(|sent| sent.packet_id != self.last_id) {
                return self.last_id;
            }
        }
    }

    async fn write_out(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> Result<(), End> {
        if !self.out.is_empty() {
            let bytes = std::mem::take(&mut self.out);
            write(writer, &bytes, &self.link, self.shared.limits.write_timeout).await?;
            add(&self.shared.counters.bytes_out, bytes.len());
        }
        Ok(())
    }

    /// v5 clients are told why, for as long as a moment.
    async fn say_goodbye(&mut self, end: End, writer: &mut (impl AsyncWrite + Unpin)) {
        if let (Version::V5, Some(fault)) = (self.request.version, end.fault()) {
            packets::write_disconnect(fault, self.request.packet_bytes_max, &mut self.out);
            let bytes = std::mem::take(&mut self.out);
            let _ = timeout(GOODBYE_MAX, write_all(writer, &bytes)).await;
        }
    }

    /// Takes every whole packet of the buffer, up to a fault; says whether there was one.
    fn take_packets(&mut self, buffer: &mut BytesMut) -> bool {
        let shared = Arc::clone(&self.shared);
        let limits = &shared.limits;
        let now = Instant::now();
        let (mut packets, mut wanted) = (0, 0);
        while self.end.is_none() && !buffer.is_empty() {
            let taken = match frame::cut(buffer, limits.packet_bytes_max) {
                Ok(Cut::Partial { length }) => {
                    wanted = length;
                    break;
                }
                Ok(Cut::Whole { header, length }) => {
                    packets += 1;
                    let frame = buffer.split_to(length).freeze();
                    packets::read(&frame, header, self.request.version, limits, now)
                }
                Err(fault) => Err(fault),
            };
            if let Err(fault) = taken.and_then(|packet| self.take(packet)) {
                self.end = Some(End::Fault(fault));
            }
        }
        if buffer.is_empty() {
            *buffer = BytesMut::new();
        }
        add(&shared.counters.packets_in, packets);
        self.note_partial(wanted, packets > 0, now);
        packets > 0
    }

    /// A packet of this length has begun and is not whole: from now on it has its time.
    fn note_partial(&mut self, wanted: usize, progressed: bool, now: Instant) {
        if wanted == 0 {
            self.whole_until = None;
        } else if progressed || wanted > self.partial.bytes() {
            self.whole_until = Some(now + patience(self.shared.limits.write_timeout, wanted));
        }
        if let Err(fault) = self.partial.announce(wanted) {
            self.end = self.end.or(Some(End::Fault(fault)));
        }
    }

    fn take(&mut self, packet: Packet) -> Result<(), Fault> {
        match packet {
            Packet::Publish { publish, alias } => self.publish(publish, alias)?,
            Packet::Acknowledge { step, packet_id, refused } => self.acknowledge(step, packet_id, refused),
            Packet::Release(packet_id) => self.ask(Ask::Release(packet_id), Kind::Complete, packet_id),
            Packet::Subscribe { packet_id, mut subscribe } => {
                self.mark_allowed(&mut subscribe);
                self.ask(Ask::Subscribe(Box::new(subscribe)), Kind::Codes(SUBACK), packet_id);
            }
            Packet::Unsubscribe { packet_id, filters } => {
                self.ask(Ask::Unsubscribe(filters), Kind::Codes(UNSUBACK), packet_id);
            }
            Packet::Ping => self.out.extend_from_slice(&[0xD0, 0]),
            Packet::Disconnect { expiry_s, with_will } => self.disconnect(expiry_s, with_will)?,
        }
        Ok(())
    }

    fn publish(&mut self, mut publish: Publish, alias: Option<u16>) -> Result<(), Fault> {
        if let Some(alias) = alias {
            self.aliases.resolve(&mut publish.topic, alias)?;
        }
        let counters = &self.shared.counters;
        let bytes = publish.held_bytes();
        add(&counters.payload_bytes_in, publish.payload.len());
        match publish.qos {
            0 => {
                if self.held_bytes + bytes > self.shared.share_bytes() {
                    count(&counters.dropped_in_qos0);
                    let client = self.link.client();
                    self.shared.warn(|| {
                        format!("QoS 0 messages of {client:?} are dropped: its share of inflight_bytes_max is reached")
                    });
                    return Ok(());
                }
                count(&counters.publish_in_qos0);
            }
            1 => count(&counters.publish_in_qos1),
            _ => count(&counters.publish_in_qos2),
        }
        if publish.qos > 0 && self.request.version == Version::V5 {
            // 3.1.1 knows no such limit; what one read brought is taken, and no more is read.
            if self.receiving >= usize::from(self.shared.limits.inflight_max) {
                return Err(Fault::new(
                    RECEIVE_MAXIMUM,
                    "more unacknowledged publishes than the receive maximum (inflight_max)",
                ));
            }
            self.receiving += 1;
        }
        if publish.topic.len() + publish.payload.len() <= COPY_BYTES_MAX {
            publish.topic = copied(&publish.topic);
            publish.payload = copied(&publish.payload);
        }
        let (kind, packet_id) = match publish.qos {
            0 => (Kind::Nothing, 0),
            1 => (Kind::Ack(PUBACK), publish.packet_id),
            _ => (Kind::Ack(PUBREC), publish.packet_id),
        };
        if self.may_publish(&publish) {
            self.hand_over(Item::Publish(publish), kind, packet_id, bytes);
        } else {
            self.deny(kind, packet_id);
        }
        Ok(())
    }

    /// The client has got on with a message.
    fn acknowledge(&mut self, step: Step, packet_id: u16, refused: bool) {
        if self.durable {
            return self.ask(Ask::Acknowledge { step, packet_id, refused }, Kind::Nothing, 0);
        }
        let at = self.sent.iter().position(|sent| sent.packet_id == packet_id);
        let to = self.request.manner();
        match (step, at.map(|at| (at, &mut self.sent[at]))) {
            (Step::Acknowledged, Some((at, sent))) if sent.qos == 1 => drop(self.sent.remove(at)),
            (Step::Received, Some((at, sent))) if sent.qos == 2 && refused => drop(self.sent.remove(at)),
            (Step::Received, Some((_, sent))) if sent.qos == 2 => {
                (sent.received, sent.shared) = (true, None);
                packets::write_ack(PUBREL, packet_id, SUCCESS, to, &mut self.out);
            }
            (Step::Received, _) if !refused => {
                packets::write_ack(PUBREL, packet_id, PACKET_ID_NOT_FOUND, to, &mut self.out);
            }
            (Step::Completed, Some((at, sent))) if sent.received => drop(self.sent.remove(at)),
            _ => {}
        }
    }

    fn ask(&mut self, ask: Ask, kind: Kind, packet_id: u16) {
        // Counted by what it holds, so that a flood of small packets is held back too.
        let filters = match &ask {
            Ask::Subscribe(subscribe) => subscribe.filters.iter().map(|filter| filter.path.len() + 64).sum(),
            Ask::Unsubscribe(filters) => filters.iter().map(|filter| filter.len() + 32).sum(),
            _ => 0,
        };
        self.hand_over(Item::Control(Control(ask)), kind, packet_id, size_of::<Item>() + filters);
    }

    fn hand_over(&mut self, item: Item, kind: Kind, packet_id: u16, bytes: usize) {
        self.owed.push_back(Owed { kind, packet_id, bytes });
        self.unacknowledged += usize::from(kind != Kind::Nothing);
        self.held_bytes += bytes;
        add(&self.shared.counters.inflight_bytes, bytes);
        self.pending.push(item);
    }

    fn disconnect(&mut self, expiry_s: Option<u32>, with_will: bool) -> Result<(), Fault> {
        if self.request.session_expiry_s == 0 && expiry_s.is_some_and(|expiry_s| expiry_s > 0) {
            return Err(Fault::protocol("a session expiry at DISCONNECT where CONNECT had none"));
        }
        self.session_expiry_s = expiry_s;
        if !with_will {
            self.parting = Parting::Farewell;
        }
        self.end = Some(End::Client);
        Ok(())
    }

    /// Gives back what the connection held. What was handed over is still committed, just not acknowledged.
    pub async fn close(&mut self, end: End) {
        let counters = &self.shared.counters;
        // A QoS 2 message that the client may have had is nobody else's ([MQTT-4.8.2-5]).
        let unacknowledged = self.sent.drain(..).filter(|sent| sent.qos == 1).filter_map(|sent| sent.shared);
        let mut undelivered: Vec<Delivery> = unacknowledged.collect();
        undelivered.append(&mut self.outbox.give_back(counters));
        self.link.leave_behind(Arc::clone(counters), std::mem::take(&mut self.held_bytes));
        let _ = self.partial.announce(0);
        let parting = if end == End::ShutDown { Parting::Stopped } else { self.parting };
        let close = Close { parting, expiry_s: self.session_expiry_s, undelivered };
        self.pending.push(Item::Control(Control(Ask::Close(Box::new(close)))));
        let items = std::mem::take(&mut self.pending);
        let inbound = Inbound { connection: Arc::clone(&self.link), items };
        // What was received and not yet handed over may be lost: it was not acknowledged. The session's end must not be,
        // so this waits as long as the pipeline lives.
        let _ = self.shared.to_pipeline.send(inbound).await;
    }
}

/// Writes it all, unless somebody else gets the session meanwhile: what this client does not take is not waited for.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    link: &Link,
    write_timeout: Duration,
) -> Result<(), End> {
    let mut woken = false;
    let taken_over = async {
        while link.ordered() != Order::TakenOver {
            link.woken().await;
            woken = true;
        }
    };
    let written = tokio::select! {
        biased;
        () = taken_over => return Err(End::TakenOver),
        written = timeout(write_timeout, write_all(writer, bytes)) => written,
    };
    if woken {
        // It was meant for the one who called: something was committed, or waits to be sent.
        link.wake();
    }
    written.map_err(|_| End::NoProgress)?.map_err(|_| End::Lost)
}

/// How long a packet of so many bytes may take.
fn patience(timeout: Duration, bytes: usize) -> Duration {
    timeout + Duration::from_secs(bytes as u64 / u64::from(BYTES_PER_SECOND_MIN))
}

impl Drop for Client {
    /// A task that is dropped half-way (at the process's end) leaves the gauges right.
    fn drop(&mut self) {
        self.shared.counters.connections.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_commit_during_a_write_still_wakes_the_connection() {
        let link = Link::new("c".into());
        link.committed(1);
        write(&mut tokio::io::sink(), b"answer", &link, Duration::from_secs(60)).await.expect("written");
        timeout(Duration::from_secs(60), link.woken()).await.expect("woken");
    }

    #[tokio::test]
    async fn a_write_to_a_client_that_takes_nothing_ends_when_its_session_is_taken_over() {
        let link = Link::new("c".into());
        let (mut ours, _theirs) = tokio::io::duplex(1);
        link.committed(1);
        let taker = Arc::clone(&link);
        tokio::spawn(async move { taker.order(Order::TakenOver) });
        let end = write(&mut ours, b"answer", &link, Duration::from_secs(600)).await;
        assert_eq!(end, Err(End::TakenOver));
    }
}
