//! A sink that is another MQTT broker: at least once at QoS 1, in the order of the log.
//!
//! A round publishes as much as the other broker takes unacknowledged, and waits for its acknowledgements. The position
//! moves past what was acknowledged, from the front; what was not is sent again on the next connection. No session is
//! kept at the other broker, since the log is one.
//!
//! A message that the other broker refuses is a dead letter: it said so (version 5), or closed the connection again and
//! again over this one message alone (many do, and version 3.1.1 has no other way). A topic that is written literally
//! and not allowed is waited for: somebody planned it.
//!
//! Holds always: nothing behind a message of a topic is acknowledged to the log before it. Knows nothing of our broker.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Setup;
use super::accounts::{Accounts, Skips};
use super::dead::DeadLetter;
use super::gather::{Gathered, Limits, Outlet, Sent};
use super::keeper::{Ending, Keeper, Surroundings};
use super::topics::Fate;
use super::trouble::Trouble;
use crate::client::{self, Ack, ClientError, Hello, Packet, Publish, Reason, Receiver, Sender, Welcome};
use crate::config::MqttSink;
use crate::delivery::{Bisect, Record, RecordRef, Refusal};
use crate::model::Millis;

/// Messages of one round, where the other broker takes more.
const ROUND_RECORDS_MAX: u32 = 500;
const ROUND_BYTES_MAX: usize = 1 << 20;
/// How long no acknowledgement may come, besides the time that a link of [`SLOWEST_BYTES_PER_S`] needs.
const ACK_MAX: Duration = Duration::from_secs(30);
const SLOWEST_BYTES_PER_S: usize = 2 << 10;
/// A connection that the other broker closed so often over one and the same message was closed for that message.
const CLOSED_MAX: u32 = 10;
/// How long an idle sink waits before it looks around.
const IDLE: Duration = Duration::from_secs(60);
/// The longest pause while the other broker takes our connections, but not a message.
const BACKOFF_MESSAGE_MAX: Duration = Duration::from_secs(5);
const FAREWELL_MAX: Duration = Duration::from_millis(500);
/// MQTT's own limit.
const TOPIC_BYTES_MAX: usize = 65_535;

// Reason codes of version 5.
const NOT_AUTHORIZED: u8 = 0x87;
const TOO_MANY_UNACKNOWLEDGED: u8 = 0x93;
const TOO_MANY_AT_ONCE: u8 = 0x96;
const QUOTA_EXCEEDED: u8 = 0x97;
/// Those of a DISCONNECT that speak of a message: malformed, protocol error, not authorized, topic name invalid, too
/// large, payload format invalid, retain not supported, QoS not supported.
const OF_A_MESSAGE: [u8; 8] = [0x81, 0x82, NOT_AUTHORIZED, 0x90, 0x95, 0x99, 0x9A, 0x9B];

pub struct Worker {
    keeper: Keeper,
    mqtt: MqttSink,
    literal_topics: BTreeSet<String>,
    bisect: Bisect,
    /// How often in a row the connection was closed over one message alone.
    closed: u32,
    greeted: bool,
}

/// A message of a round, and what was said to it.
struct Posted {
    offset: u64,
    timestamp: Millis,
    publish: Publish,
    answer: Option<Reason>,
}

/// Why a round did not end well.
enum Setback {
    Stopping,
    Lost(ClientError),
    Silent(Duration),
    /// With what a version 5 DISCONNECT said.
    Closed(Option<Reason>),
}

impl From<ClientError> for Setback {
    fn from(error: ClientError) -> Setback {
        if let ClientError::Closed = error { Setback::Closed(None) } else { Setback::Lost(error) }
    }
}

/// A round being filled.
struct Posting<'a> {
    mqtt: &'a MqttSink,
    packet_bytes_max: usize,
    posted: Vec<Posted>,
}

impl Outlet for Posting<'_> {
    fn fate(&mut self, topic: &str, _: bool) -> Result<Fate, Trouble> {
        Ok(unfit(topic).map_or(Fate::Send, Fate::DeadLetter))
    }

    fn begin(&mut self, _: &mut Accounts) -> Result<(), Trouble> {
        Ok(())
    }

    fn send(&mut self, _: usize, offset: u64, record: &RecordRef<'_>, _: &Ending) -> Sent {
        let publish = Publish {
            topic: Bytes::copy_from_slice(record.topic.as_bytes()),
            payload: Bytes::copy_from_slice(record.payload.unwrap_or_default()),
            qos: self.mqtt.qos,
            retain: self.mqtt.retain,
        };
        let (bytes, most) = (publish.packet_bytes(), self.packet_bytes_max);
        if bytes > most {
            return Sent::Refused(format!("a message of {bytes} bytes; the broker takes {most} at most"));
        }
        self.posted.push(Posted { offset, timestamp: record.timestamp, publish, answer: None });
        Sent::Queued
    }
}

/// Why a topic that was made from a column is none; `None` if it is one.
fn unfit(topic: &str) -> Option<String> {
    if topic.is_empty() {
        Some("a column of its topic is NULL, or the topic is empty".to_owned())
    } else if topic.len() > TOPIC_BYTES_MAX {
        Some(format!("a topic of {} bytes is longer than the {TOPIC_BYTES_MAX} that MQTT allows", topic.len()))
    } else {
        let wrong = topic.chars().find(|c| matches!(c, '+' | '#' | '\0'))?;
        Some(format!("topic {topic:?} has the character {wrong:?}, which only topic filters have"))
    }
}

impl Worker {
    pub fn new(setup: &Setup, mqtt: MqttSink, around: Surroundings) -> Worker {
        Worker {
            keeper: Keeper::new(setup, around),
            mqtt,
            literal_topics: setup.literal_topics.iter().cloned().collect(),
            bisect: Bisect::default(),
            closed: 0,
            greeted: false,
        }
    }

    pub fn run(mut self) {
        while !self.keeper.ending.is_stopping() {
            self.keeper.tell_position();
            let trouble = self.connect_and_serve();
            self.keeper.settle_accounts();
            match trouble {
                Trouble::Stopping | Trouble::Foreign => {}
                Trouble::Store(text) => self.keeper.meet_store_failure(&text),
                Trouble::Wait(text) => self.keeper.back_off_at_most(BACKOFF_MESSAGE_MAX, &text),
                Trouble::Again(text) | Trouble::Refused(text) | Trouble::Reconnect(text) | Trouble::Fenced(text) => {
                    self.keeper.back_off(&text);
                }
            }
        }
        self.keeper.stopped();
    }

    fn connect_and_serve(&mut self) -> Trouble {
        let mut line = match self.connect() {
            Ok(line) => line,
            Err(trouble) => return trouble,
        };
        // Only now: while the other broker is away, the log must be free to drop what it has to.
        if let Err(trouble) = self.keeper.accounts.protect() {
            return trouble;
        }
        self.greet();
        loop {
            let outcome = match self.round(&mut line) {
                Ok(true) => {
                    self.keeper.backoff.succeeded();
                    self.keeper.recovered();
                    Ok(())
                }
                Ok(false) => self.idle(&mut line),
                Err(trouble) => Err(trouble),
            };
            match outcome {
                Err(trouble) => return trouble,
                Ok(()) if self.keeper.ending.is_stopping() => {
                    self.keeper.runtime.block_on(line.farewell());
                    return Trouble::Stopping;
                }
                Ok(()) => {}
            }
        }
    }

    fn connect(&mut self) -> Result<Line, Trouble> {
        let peer = &self.mqtt.peer;
        let hello = Hello {
            version: peer.version,
            keep_alive_s: u16::try_from(peer.keep_alive.as_secs()).unwrap_or(u16::MAX),
            ..Hello::new(&peer.client_id)
        };
        let mut stop = self.keeper.ending.signal();
        let connected = self.keeper.runtime.block_on(async {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => None,
                connected = client::connect(&peer.server, &hello) => Some(connected),
            }
        });
        let connected = connected.ok_or(Trouble::Stopping)?;
        let (sender, receiver, welcome) = connected.map_err(|error| Trouble::Reconnect(self.say(&error)))?;
        if welcome.qos_max < self.mqtt.qos {
            return Err(Trouble::Reconnect("the broker takes messages at QoS 0 alone: set qos = 0".to_owned()));
        }
        if self.mqtt.retain && !welcome.retain_available {
            return Err(Trouble::Reconnect("the broker retains no messages: take retain = true out".to_owned()));
        }
        Ok(Line::new(sender, receiver, welcome, peer.keep_alive))
    }

    /// The other broker, for the log.
    fn broker(&self) -> String {
        let server = &self.mqtt.peer.server;
        format!("MQTT broker {}:{}", server.host, server.port)
    }

    fn say(&self, error: &ClientError) -> String {
        match error {
            ClientError::Unreachable { .. } | ClientError::Tls { .. } => error.to_string(),
            _ => format!("{}: {error}", self.broker()),
        }
    }

    fn greet(&mut self) {
        let left = self.keeper.accounts.log_end().saturating_sub(self.keeper.accounts.next);
        if !std::mem::replace(&mut self.greeted, true) {
            log::info!("sink {}: connected to {}, {left} records to deliver", self.keeper.name(), self.broker());
        }
        self.keeper.connected();
    }

    /// True if the position moved.
    fn round(&mut self, line: &mut Line) -> Result<bool, Trouble> {
        if !self.keeper.may_begin()? {
            return Ok(false);
        }
        let begin = Instant::now();
        let searched = self.bisect.records_max().unwrap_or(u32::MAX);
        let limits = Limits {
            records_max: ROUND_RECORDS_MAX.min(u32::from(line.welcome.receive_max)).min(searched),
            bytes_max: ROUND_BYTES_MAX,
        };
        let packet_bytes_max = line.welcome.packet_bytes_max as usize;
        let mut posting = Posting { mqtt: &self.mqtt, packet_bytes_max, posted: Vec::new() };
        let Gathered { next, skips, .. } = self.keeper.gather(&mut posting, limits)?;
        let mut posted = posting.posted;
        self.keeper.skip(skips)?;
        let outcome = if posted.is_empty() { Ok(()) } else { self.deliver(line, &mut posted) };
        self.keeper.pace(begin, posted.len() as u32, Duration::ZERO);
        let (moved, held) = self.account(next, &posted)?;
        match (outcome, held) {
            (Err(Setback::Closed(reason)), None) if !moved => Err(self.closed(&posted, next, reason)?),
            (Err(setback), _) => Err(self.trouble(setback)),
            (Ok(()), Some(text)) => Err(Trouble::Wait(text)),
            (Ok(()), None) => Ok(moved),
        }
    }

    fn deliver(&mut self, line: &mut Line, posted: &mut [Posted]) -> Result<(), Setback> {
        let Keeper { runtime, ending, .. } = &self.keeper;
        runtime.block_on(async {
            tokio::select! {
                outcome = line.settle(posted) => outcome,
                () = ending.leave() => Err(Setback::Stopping),
            }
        })
    }

    /// Moves the position past everything that has been answered, from the front. Says whether it moved, and what holds
    /// it up if that is a message that is to wait.
    fn account(&mut self, next: u64, posted: &[Posted]) -> Result<(bool, Option<String>), Trouble> {
        let (mut upto, mut delivered, mut bytes, mut held) = (next, 0, 0, None);
        let mut skips = Skips::default();
        for one in posted {
            match &one.answer {
                None => upto = one.offset,
                Some(reason) if !reason.is_error() => {
                    delivered += 1;
                    bytes += one.publish.packet_bytes();
                    continue;
                }
                Some(reason) => match self.waits(one, reason) {
                    None => {
                        skips.ranges.push((one.offset, one.offset + 1));
                        skips.dead.push(self.letter(one, format!("the broker refuses it: {reason}")));
                        continue;
                    }
                    text => (upto, held) = (one.offset, text),
                },
            }
            break;
        }
        self.keeper.skip(skips)?;
        if upto == self.keeper.accounts.next {
            return Ok((false, held));
        }
        self.keeper.accounts.passed(upto, delivered, bytes);
        self.bisect.passed(upto);
        self.closed = 0;
        self.keeper.tell_position();
        Ok((true, held))
    }

    /// Why a refused message is not given up, if it is not.
    fn waits(&self, one: &Posted, reason: &Reason) -> Option<String> {
        let topic = String::from_utf8_lossy(&one.publish.topic);
        match reason.code {
            NOT_AUTHORIZED if self.literal_topics.contains(&*topic) => {
                let user = self.mqtt.peer.server.user.as_deref().unwrap_or(&self.mqtt.peer.client_id);
                Some(format!("topic {topic:?}: {reason}; give {user:?} the right to publish to it"))
            }
            QUOTA_EXCEEDED | TOO_MANY_AT_ONCE | TOO_MANY_UNACKNOWLEDGED => Some(format!("the broker says: {reason}")),
            _ => None,
        }
    }

    fn letter(&self, one: &Posted, reason: String) -> DeadLetter {
        let record = Record {
            topic: String::from_utf8_lossy(&one.publish.topic).into_owned(),
            key: None,
            payload: Some(one.publish.payload.to_vec()),
            timestamp: one.timestamp,
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        DeadLetter { reason, place: format!("sink/{}", self.keeper.name()), offset: one.offset, record: bytes }
    }

    /// The other broker closed the connection before it acknowledged anything: perhaps over one of these messages.
    fn closed(&mut self, posted: &[Posted], next: u64, reason: Option<Reason>) -> Result<Trouble, Trouble> {
        let said = reason.clone().filter(|reason| OF_A_MESSAGE.contains(&reason.code));
        let again = match self.trouble(Setback::Closed(reason)) {
            Trouble::Reconnect(text) => Trouble::Wait(text),
            other => other,
        };
        let (Refusal::Found, [one]) = (self.bisect.refused(posted.len() as u32, next), posted) else {
            return Ok(again);
        };
        if let Some(waits) = said.as_ref().and_then(|reason| self.waits(one, reason)) {
            return Ok(Trouble::Wait(waits));
        }
        self.closed += 1;
        if said.is_none() && self.closed < CLOSED_MAX {
            return Ok(again);
        }
        let why = match said {
            Some(reason) => format!("the broker closes the connection over it: {reason}"),
            None => format!("the broker closed the connection {} times over it alone", self.closed),
        };
        let letter = self.letter(one, why);
        self.keeper.bury(letter)?;
        self.closed = 0;
        Ok(again)
    }

    fn trouble(&self, setback: Setback) -> Trouble {
        let text = match setback {
            Setback::Stopping => return Trouble::Stopping,
            Setback::Lost(error) => self.say(&error),
            Setback::Closed(Some(reason)) => format!("{} closed the connection: {reason}", self.broker()),
            Setback::Closed(None) => self.say(&ClientError::Closed),
            Setback::Silent(time) => format!("{} said nothing for {} s", self.broker(), time.as_secs()),
        };
        Trouble::Reconnect(text)
    }

    fn idle(&mut self, line: &mut Line) -> Result<(), Trouble> {
        self.keeper.recovered();
        self.keeper.tell_position();
        let keeper = &self.keeper;
        let outcome = keeper.runtime.block_on(async {
            tokio::select! {
                setback = line.listen() => Err(setback),
                () = keeper.something_to_do(Instant::now() + IDLE) => Ok(()),
            }
        });
        outcome.map_err(|setback| self.trouble(setback))
    }
}

/// A connection to the other broker.
struct Line {
    sender: Sender,
    receiver: Receiver,
    welcome: Welcome,
    /// Half of the keep-alive: how often a PINGREQ goes out.
    ping_every: Duration,
    ping_at: Instant,
    /// PINGREQs since anything came back.
    unheard: u32,
}

impl Line {
    fn new(sender: Sender, receiver: Receiver, welcome: Welcome, keep_alive: Duration) -> Line {
        let wanted = welcome.keep_alive_s.filter(|seconds| *seconds > 0).map(|s| Duration::from_secs(s.into()));
        let ping_every = wanted.unwrap_or(keep_alive) / 2;
        Line { sender, receiver, welcome, ping_every, ping_at: Instant::now() + ping_every, unheard: 0 }
    }

    /// Sends the messages and takes the answers to them; at QoS 0 there are none.
    async fn settle(&mut self, posted: &mut [Posted]) -> Result<(), Setback> {
        for (id, one) in (1..).zip(posted.iter()) {
            self.sender.publish(&one.publish, id);
        }
        self.sender.flush().await?;
        let mut left: usize = posted.iter().map(|one| one.publish.packet_bytes()).sum();
        for one in posted.iter_mut().filter(|one| one.publish.qos == 0) {
            one.answer = Some(Reason::default());
        }
        let mut waiting = posted.iter().filter(|one| one.answer.is_none()).count();
        let patience = |left: usize| ACK_MAX + Duration::from_secs((left / SLOWEST_BYTES_PER_S) as u64);
        let mut since = Instant::now();
        while waiting > 0 {
            let packet = tokio::select! {
                packet = self.receive() => packet?,
                () = tokio::time::sleep_until((since + patience(left)).into()) => {
                    return Err(Setback::Silent(since.elapsed()));
                }
            };
            let Packet::Ack { ack: Ack::PubAck, packet_id, reason } = packet else { continue };
            let one = usize::from(packet_id).checked_sub(1).and_then(|index| posted.get_mut(index));
            if let Some(one) = one.filter(|one| one.answer.is_none()) {
                left -= one.publish.packet_bytes();
                waiting -= 1;
                one.answer = Some(reason);
                since = Instant::now();
            }
        }
        Ok(())
    }

    /// Until the connection ends.
    async fn listen(&mut self) -> Setback {
        loop {
            if let Err(setback) = self.receive().await {
                return setback;
            }
        }
    }

    /// The next packet; meanwhile the connection is kept alive.
    async fn receive(&mut self) -> Result<Packet, Setback> {
        loop {
            tokio::select! {
                packet = self.receiver.next() => {
                    self.unheard = 0;
                    return match packet? {
                        Packet::Disconnect { reason } => Err(Setback::Closed(Some(reason))),
                        packet => Ok(packet),
                    };
                }
                () = tokio::time::sleep_until(self.ping_at.into()) => {
                    if self.unheard >= 2 {
                        return Err(Setback::Silent(self.ping_every * 2));
                    }
                    self.unheard += 1;
                    self.ping_at = Instant::now() + self.ping_every;
                    self.sender.ping();
                    self.sender.flush().await?;
                }
            }
        }
    }

    async fn farewell(&mut self) {
        self.sender.disconnect();
        let _ = tokio::time::timeout(FAREWELL_MAX, self.sender.flush()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics() {
        for fit in ["a", "plant/7/dev/1/x", "/", "$aws/rules/x", "ä b"] {
            assert_eq!(unfit(fit), None, "{fit}");
        }
        for wrong in ["", "a/+", "#", "a\0", &"x".repeat(65_536)] {
            assert!(unfit(wrong).is_some(), "{wrong}");
        }
    }
}
