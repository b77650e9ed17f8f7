//! One connection of a bridge: what comes in, and what is acknowledged when.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::status::BridgeStatus;
use super::topics::{Refusal, Topics};
use super::{BridgeError, Setup};
use crate::broker::{Inbound, Item, Link, Publish};
use crate::client::{self, Ack, ClientError, Packet, Receiver, Sender};

/// Messages that may wait for their commit, and their bytes; beyond it nothing is read.
pub(super) const MESSAGES_MAX: usize = 500;
const BYTES_MAX: usize = 4 << 20;
/// Messages handed over at once.
const BATCH_MAX: usize = 100;
/// For SUBACK and UNSUBACK.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Of version 5: the retain flag as it was published, and retained messages at a new subscription only.
const AS_PUBLISHED: u8 = 0x08;
const RETAINED_IF_NEW: u8 = 0x10;
/// How long a stopping bridge waits for the commits of what it has taken in.
const FAREWELL_MAX: Duration = Duration::from_millis(1_500);

/// A message that is not acknowledged yet.
struct Waiting {
    /// 0: QoS 0, there is nothing to acknowledge.
    packet_id: u16,
    bytes: usize,
    /// Items of the link that must be committed before.
    after: u64,
}

pub(super) struct Line {
    bridge: String,
    qos: u8,
    sender: Sender,
    receiver: Receiver,
    /// Half of the keep-alive.
    ping_every: Duration,
    ping_at: Instant,
    /// PINGREQs since anything was read.
    unheard: u32,
    /// What was subscribed to, and how many answers are missing until when.
    asked: Vec<String>,
    unanswered: u8,
    answer_by: Instant,
    topics: Topics,
    packet_bytes_max: usize,
    status: Arc<BridgeStatus>,
    /// What is handed over comes from here.
    link: Arc<Link>,
    handed: u64,
    published: u64,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Read and not yet handed over.
    batch: Vec<Item>,
}

impl Line {
    pub fn new(
        setup: &Setup,
        status: Arc<BridgeStatus>,
        sender: Sender,
        receiver: Receiver,
        keep_alive: Duration,
    ) -> Line {
        let ping_every = keep_alive / 2;
        Line {
            bridge: setup.bridge.name.clone(),
            qos: setup.bridge.qos,
            sender,
            receiver,
            ping_every,
            ping_at: Instant::now() + ping_every,
            unheard: 0,
            asked: Vec::new(),
            unanswered: 0,
            answer_by: Instant::now(),
            topics: Topics::new(&setup.bridge.topics, setup.topic_levels_max),
            packet_bytes_max: setup.packet_bytes_max,
            status,
            link: Link::new(Arc::from("")),
            handed: 0,
            published: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            batch: Vec::new(),
        }
    }

    /// Asks for these filters, and for those no longer.
    pub async fn subscribe(&mut self, filters: Vec<String>, gone: &[String]) -> Result<(), BridgeError> {
        let options = self.qos | AS_PUBLISHED | RETAINED_IF_NEW;
        let asked: Vec<(String, u8)> = filters.iter().map(|filter| (filter.clone(), options)).collect();
        self.sender.subscribe(1, &asked);
        if !gone.is_empty() {
            self.sender.unsubscribe(2, gone);
        }
        self.asked = filters;
        self.unanswered = 1 + u8::from(!gone.is_empty());
        self.answer_by = Instant::now() + ANSWER_MAX;
        Ok(self.sender.flush().await?)
    }

    pub fn is_subscribed(&self) -> bool {
        self.unanswered == 0
    }

    fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
        if self.is_subscribed() {
            self.status.connects(&self.bridge);
        }
    }

    /// Until the connection ends (an error) or `stop` turns true.
    pub async fn serve(
        &mut self,
        to_pipeline: &mpsc::Sender<Inbound>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), BridgeError> {
        loop {
            self.acknowledge().await?;
            let may_read = self.waiting.len() < MESSAGES_MAX && self.waiting_bytes < BYTES_MAX;
            if !may_read {
                self.unheard = 0;
            }
            tokio::select! {
                () = stopping(stop) => return self.farewell().await,
                permit = to_pipeline.reserve(), if !self.batch.is_empty() => {
                    let items = std::mem::take(&mut self.batch);
                    let connection = Arc::clone(&self.link);
                    permit.map_err(|_| BridgeError::Ended)?.send(Inbound { connection, items });
                }
                packet = self.receiver.next(), if may_read && self.batch.len() < BATCH_MAX => {
                    self.unheard = 0;
                    self.take(packet?)?;
                    while self.batch.len() < BATCH_MAX {
                        let Some(packet) = self.receiver.next_read()? else { break };
                        self.take(packet)?;
                    }
                }
                () = self.link.woken() => {}
                () = tokio::time::sleep_until(self.answer_by.into()), if self.unanswered > 0 => {
                    return Err(BridgeError::Silent(ANSWER_MAX));
                }
                () = tokio::time::sleep_until(self.ping_at.into()) => self.ping().await?,
            }
        }
    }

    async fn ping(&mut self) -> Result<(), BridgeError> {
        if self.unheard >= 2 {
            return Err(BridgeError::Silent(self.ping_every * 2));
        }
        self.unheard += 1;
        self.ping_at = Instant::now() + self.ping_every;
        self.sender.ping();
        Ok(self.sender.flush().await?)
    }

    fn take(&mut self, packet: Packet) -> Result<(), BridgeError> {
        match packet {
            Packet::Publish { publish, packet_id } => self.publish(publish, packet_id),
            Packet::Disconnect { reason } => Err(BridgeError::Disconnected(reason)),
            Packet::SubAck { codes, text, .. } => {
                let refused = self.asked.iter().zip(codes).find(|(_, code)| *code >= 0x80);
                if let Some((filter, code)) = refused {
                    let text = if text.is_empty() { text } else { format!(": {text}") };
                    return Err(BridgeError::Subscription { filter: filter.clone(), code, text });
                }
                self.answered();
                Ok(())
            }
            Packet::UnsubAck { .. } => {
                self.answered();
                Ok(())
            }
            Packet::ConnAck { .. } | Packet::Ack { .. } | Packet::Pong => Ok(()),
        }
    }

    fn publish(&mut self, there: client::Publish, packet_id: u16) -> Result<(), BridgeError> {
        if there.qos > 1 {
            return Err(ClientError::Malformed("a message at QoS 2, which was not subscribed to").into());
        }
        let bytes = there.topic.len() + there.payload.len();
        let topic = std::str::from_utf8(&there.topic).map_err(|_| Refusal::NoTopic);
        let here = topic.and_then(|topic| self.topics.here(topic));
        let (item, refusal) = match here {
            _ if bytes > self.packet_bytes_max => (None, None),
            Ok(topic) => {
                let mut publish = Publish::new(topic, there.payload, there.qos);
                publish.retain = there.retain;
                (Some(Item::Publish(publish)), None)
            }
            Err(refusal) => (None, Some(refusal)),
        };
        self.status.update(|report| {
            report.received += 1;
            match (&item, refusal) {
                (Some(_), _) => {}
                (None, Some(Refusal::OtherTopic)) => report.other_topic += 1,
                (None, Some(Refusal::NoTopic)) => report.no_topic += 1,
                (None, None) => report.too_large += 1,
            }
        });
        self.handed += u64::from(item.is_some());
        self.batch.extend(item);
        self.waiting.push_back(Waiting { packet_id, bytes, after: self.handed });
        self.waiting_bytes += bytes;
        Ok(())
    }

    /// Acknowledges what is committed by now.
    async fn acknowledge(&mut self) -> Result<(), BridgeError> {
        let committed = self.link.committed_total();
        let mut any = false;
        while let Some(one) = self.waiting.front().filter(|one| one.after <= committed) {
            if one.packet_id != 0 {
                self.sender.acknowledge(Ack::PubAck, one.packet_id);
                any = true;
            }
            self.waiting_bytes -= one.bytes;
            self.waiting.pop_front();
        }
        let new = committed - std::mem::replace(&mut self.published, committed);
        if new > 0 {
            self.status.update(|report| report.published += new);
        }
        if any { Ok(self.sender.flush().await?) } else { Ok(()) }
    }

    /// Acknowledges what has been handed over, as far as it is committed in time.
    async fn farewell(&mut self) -> Result<(), BridgeError> {
        self.handed -= self.batch.len() as u64;
        self.batch.clear();
        let handed = self.handed;
        let last = async {
            self.acknowledge().await?;
            while self.link.committed_total() < handed {
                self.link.woken().await;
                self.acknowledge().await?;
            }
            self.sender.disconnect();
            Ok(self.sender.flush().await?)
        };
        // What is not acknowledged comes again.
        tokio::time::timeout(FAREWELL_MAX, last).await.unwrap_or(Ok(()))
    }
}

async fn stopping(stop: &mut watch::Receiver<bool>) {
    // An error: whoever could say so is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}
