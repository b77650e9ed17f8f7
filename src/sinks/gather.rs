//! Fills a round (for Kafka: a transaction): reads the log from the position on, leaves out what will not be sent, hands
//! over the rest.

use std::time::Duration;

use super::accounts::{Accounts, Skips, now_ms};
use super::dead::DeadLetter;
use super::keeper::Ending;
use super::topics::Fate;
use super::trouble::Trouble;
use crate::delivery::RecordRef;
use crate::model::Millis;
use crate::store::{Block, LogId, Reader};

/// Read from the store at once; librdkafka has its own copy of what is under way.
const READ_BYTES: usize = 512 << 10;
/// Dead letters held in memory until they are durable.
const DEAD_BYTES_MAX: usize = 1 << 20;
/// 2020-01-01. A block from before was written under a clock that had not been set, which says nothing of its age.
const CLOCK_SET: Millis = 1_577_836_800_000;

/// Where the records of a round go: what the kinds of sink differ in while it is filled.
pub trait Outlet {
    /// What to do with a record for the topic. `sent`: others of this round went already.
    fn fate(&mut self, topic: &str, sent: bool) -> Result<Fate, Trouble>;
    /// Before the first record.
    fn begin(&mut self, accounts: &mut Accounts) -> Result<(), Trouble>;
    /// The records of a round are numbered from 0.
    fn send(&mut self, index: usize, offset: u64, record: &RecordRef<'_>, ending: &Ending) -> Sent;
}

/// What became of handing over a record.
#[derive(Debug)]
pub enum Sent {
    Queued,
    /// It can never be sent.
    Refused(String),
    /// The round is lost.
    Failed(Trouble),
}

/// How much may go in.
pub struct Limits {
    pub records_max: u32,
    pub bytes_max: usize,
}

/// What went in.
#[derive(Default)]
pub struct Gathered {
    /// The position after it.
    pub next: u64,
    pub sent: u32,
    pub bytes: usize,
    /// [`Outlet::begin`] was called.
    pub begun: bool,
    /// The first record that was sent: the one at fault if it is refused alone.
    pub first: Option<DeadLetter>,
    pub skips: Skips,
    pub dead_bytes: usize,
    /// A limit was reached; there is more.
    pub full: bool,
    /// The next record's topic is missing: nothing may go before it.
    pub blocked: Option<String>,
}

pub struct Gatherer<'a, O> {
    pub outlet: &'a mut O,
    pub accounts: &'a mut Accounts,
    pub ending: &'a Ending,
    pub log: LogId,
    pub place: String,
    pub max_age: Option<Duration>,
    pub limits: Limits,
}

/// Go on with the next record, or not.
enum Step {
    Next,
    Stop,
}

impl<O: Outlet> Gatherer<'_, O> {
    pub fn run(&mut self, reader: &mut Reader) -> Result<Gathered, Trouble> {
        let mut gathered = Gathered { next: self.accounts.next, ..Gathered::default() };
        loop {
            let blocks = reader.read(self.log, gathered.next, READ_BYTES).map_err(|e| Trouble::Store(e.to_string()))?;
            if blocks.is_empty() {
                return Ok(gathered);
            }
            for block in &blocks {
                if let Step::Stop = self.block(block, &mut gathered)? {
                    return Ok(gathered);
                }
            }
        }
    }

    fn block(&mut self, block: &Block, gathered: &mut Gathered) -> Result<Step, Trouble> {
        let end = block.first + u64::from(block.records.count);
        // What is missing before it was dropped by the store, which counted it.
        gathered.next = gathered.next.max(block.first);
        if block.corrupt {
            let from = gathered.next;
            gathered.skips.corrupt += self.skip(gathered, from, end);
            return Ok(Step::Next);
        }
        let expired = self.max_age.is_some_and(|max| {
            let age_ms = now_ms().saturating_sub(block.tick);
            block.tick >= CLOCK_SET && age_ms > Millis::try_from(max.as_millis()).unwrap_or(Millis::MAX)
        });
        if expired {
            let from = gathered.next;
            gathered.skips.expired += self.skip(gathered, from, end);
            return Ok(Step::Next);
        }
        let first = block.first;
        for (offset, bytes) in (first..end).zip(block.records.iter()) {
            if offset < gathered.next {
                continue;
            }
            if let Step::Stop = self.record(offset, bytes, gathered)? {
                return Ok(Step::Stop);
            }
        }
        // A block that holds fewer records than it says is damaged, though its checksum is right.
        if gathered.next < end {
            let from = gathered.next;
            gathered.skips.corrupt += self.skip(gathered, from, end);
        }
        Ok(Step::Next)
    }

    fn record(&mut self, offset: u64, bytes: &[u8], gathered: &mut Gathered) -> Result<Step, Trouble> {
        if self.accounts.is_skipped(offset) {
            gathered.next = offset + 1;
            return Ok(Step::Next);
        }
        let Ok(record) = RecordRef::decode(bytes) else {
            gathered.skips.corrupt += self.skip(gathered, offset, offset + 1);
            return Ok(Step::Next);
        };
        let weight = bytes.len();
        let over = gathered.sent >= self.limits.records_max || gathered.bytes + weight > self.limits.bytes_max;
        if over && gathered.sent > 0 || gathered.dead_bytes > DEAD_BYTES_MAX || self.ending.is_stopping() {
            gathered.full = true;
            return Ok(Step::Stop);
        }
        match self.outlet.fate(record.topic, gathered.sent > 0)? {
            Fate::Send => {}
            Fate::DeadLetter(reason) => return Ok(self.dead(offset, bytes, reason, gathered)),
            Fate::Wait(reason) => {
                gathered.blocked = Some(reason);
                return Ok(Step::Stop);
            }
            // It was asked for just now, and the answer is believed for a while.
            Fate::Ask => return Err(Trouble::Again(format!("topic \"{}\": no answer", record.topic))),
        }
        if !gathered.begun {
            self.outlet.begin(self.accounts)?;
            gathered.begun = true;
        }
        match self.outlet.send(gathered.sent as usize, offset, &record, self.ending) {
            Sent::Queued => {
                gathered.sent += 1;
                gathered.bytes += weight;
                gathered.next = offset + 1;
                if gathered.sent == 1 {
                    gathered.first = Some(self.letter(offset, bytes, String::new()));
                }
                Ok(Step::Next)
            }
            Sent::Refused(reason) => Ok(self.dead(offset, bytes, reason, gathered)),
            Sent::Failed(trouble) => Err(trouble),
        }
    }

    fn dead(&mut self, offset: u64, bytes: &[u8], reason: String, gathered: &mut Gathered) -> Step {
        let letter = self.letter(offset, bytes, reason);
        gathered.dead_bytes += bytes.len() + letter.reason.len();
        gathered.skips.dead.push(letter);
        self.skip(gathered, offset, offset + 1);
        Step::Next
    }

    fn letter(&self, offset: u64, bytes: &[u8], reason: String) -> DeadLetter {
        DeadLetter { reason, place: self.place.clone(), offset, record: bytes.to_vec() }
    }

    /// Leaves out a range; gives how many of it were not left out before.
    fn skip(&self, gathered: &mut Gathered, from: u64, end: u64) -> u64 {
        gathered.skips.ranges.push((from, end));
        gathered.next = end;
        self.accounts.not_skipped(from, end)
    }
}
