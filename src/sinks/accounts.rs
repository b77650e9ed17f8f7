//! What a sink keeps in the store: its cursor, its counters, the offsets it skips, the starts it has made.
//!
//! Holds always: a counter moves in the transaction that makes its cause durable, so that
//! `committed = delivered + dead + dropped + expired + corrupt + pending` at every moment, also after a kill. Records
//! that were delivered and not yet passed by the cursor are protected from `drop_oldest`, which would count them again.

use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;

use super::dead::DeadLetter;
use super::skipped::Skipped;
use super::starts::{Known, Starts};
use super::trouble::Trouble;
use super::{READER, Setup, fenced_key, meta_key, read_table};
use crate::delivery;
use crate::model::{Millis, unix_millis};
use crate::store::{Append, Commit, CursorMove, LogId, Reader, Records, Writer};

/// The cursor follows a commit in Kafka within this time (10 s are promised) ...
const CURSOR_LAG: Duration = Duration::from_secs(8);
/// ... or sooner, so that what was delivered can be deleted before it is written a second time.
const CURSOR_LAG_BYTES: usize = 8 << 20;

pub struct Accounts {
    sink: String,
    log: LogId,
    dead: LogId,
    writer: Writer,
    runtime: Handle,
    /// What the store knows.
    pub cursor: u64,
    /// The next offset that Kafka has not got.
    pub next: u64,
    skipped: Skipped,
    starts: Starts,
    /// Delivered since the cursor moved last.
    delivered: u64,
    delivered_bytes: usize,
    oldest_unaccounted: Option<Instant>,
    /// Kafka holds a position of this start.
    confirmed: bool,
}

/// Records that are not sent, as one transaction finds them.
#[derive(Default)]
pub struct Skips {
    pub ranges: Vec<(u64, u64)>,
    pub expired: u64,
    pub corrupt: u64,
    pub dead: Vec<DeadLetter>,
}

impl Skips {
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl Accounts {
    pub fn new(setup: &Setup, writer: Writer, runtime: Handle) -> Accounts {
        let skipped = read_table(&setup.meta, &meta_key(&setup.sink.name, "skipped"), Skipped::decode);
        Accounts {
            sink: setup.sink.name.clone(),
            log: setup.log,
            dead: setup.dead,
            writer,
            runtime,
            cursor: setup.cursor,
            next: setup.cursor,
            skipped,
            starts: setup.starts.clone(),
            delivered: 0,
            delivered_bytes: 0,
            oldest_unaccounted: None,
            confirmed: false,
        }
    }

    pub fn is_skipped(&self, offset: u64) -> bool {
        self.skipped.contains(offset)
    }

    /// How many of the offsets from `first` to before `next` are not skipped.
    pub fn not_skipped(&self, first: u64, next: u64) -> u64 {
        next.saturating_sub(first) - self.skipped.count(first, next)
    }

    pub fn log_end(&self) -> u64 {
        *self.writer.log_end(self.log).borrow()
    }

    /// Whether the log has reached its share, so that `drop_oldest` wants to act.
    pub fn is_over_share(&self, share_max_bytes: u64) -> bool {
        self.writer.usage().logs.get(self.log).is_some_and(|usage| usage.bytes >= share_max_bytes)
    }

    /// What a start that wrote a position in Kafka is to us.
    pub fn writer_of(&self, id: uuid::Uuid) -> delivery::Writer {
        match self.starts.of(id) {
            Known::Running => delivery::Writer::Running,
            Known::Ended(end) => delivery::Writer::Ended(end),
            Known::Unknown => delivery::Writer::Unknown,
        }
    }

    /// Whether an earlier start may have brought anything into Kafka.
    pub fn may_have_delivered(&self) -> bool {
        self.cursor > 0 || self.starts.has_earlier()
    }

    /// Nothing of the log may be dropped from here on. Returns when that holds for every later commit.
    pub fn protect(&self) -> Result<(), Trouble> {
        self.writer.protect(self.log, Some(self.cursor));
        // The commit that was under way may not have seen it; this one is behind it.
        self.commit(Commit::default())
    }

    /// Lifts the protection; everything delivered must be accounted for.
    pub fn release(&self) {
        self.writer.protect(self.log, None);
    }

    /// The first offset at or behind the cursor that is still in the log.
    pub fn oldest(&self, reader: &mut Reader) -> Result<u64, Trouble> {
        let blocks = reader.read(self.log, self.cursor, 1).map_err(|error| Trouble::Store(error.to_string()))?;
        Ok(blocks.first().map_or(self.log_end(), |block| block.first.max(self.cursor)))
    }

    /// Kafka has everything before `next`, as a new connection found out. `oldest` as [`Accounts::oldest`] gave it:
    /// what is gone from the log was counted when it was dropped.
    pub fn found(&mut self, next: u64, oldest: u64) {
        let from = self.next.max(self.cursor).max(oldest);
        if next > from {
            self.delivered += self.not_skipped(from, next);
            self.oldest_unaccounted.get_or_insert_with(Instant::now);
        }
        self.next = self.next.max(next);
    }

    /// Before the first transaction of this start.
    pub fn mark_used(&mut self) -> Result<(), Trouble> {
        let mut starts = self.starts.clone();
        if starts.mark_used() {
            self.put("starts", Some(starts.encode()))?;
            self.starts = starts;
        }
        Ok(())
    }

    /// Makes durable that these will not be sent.
    pub fn skip(&mut self, skips: Skips) -> Result<(), Trouble> {
        let mut skipped = self.skipped.clone();
        skips.ranges.iter().for_each(|(first, next)| skipped.add(*first, *next));
        let mut commit = Commit { meta: vec![self.value("skipped", Some(skipped.encode()))], ..Commit::default() };
        let mut count = |what: &str, records: u64| {
            if records > 0 {
                commit.counters.insert(self.counter(what), records);
            }
        };
        count("dead", skips.dead.len() as u64);
        count("expired", skips.expired);
        count("corrupt", skips.corrupt);
        if !skips.dead.is_empty() {
            let mut records = Records::default();
            skips.dead.iter().for_each(|letter| records.push(&letter.encode()));
            let refused_counter = "tidegate_dead_letters_lost_total".to_owned();
            commit.appends.push(Append { log: self.dead, tick: now_ms(), records, refused_counter });
        }
        self.commit(commit)?;
        self.skipped = skipped;
        Ok(())
    }

    /// Kafka has (or need not have) everything before `next`; `sent` of it was sent now.
    pub fn passed(&mut self, next: u64, sent: u32, bytes: usize) {
        self.next = next;
        self.delivered += u64::from(sent);
        self.delivered_bytes += bytes;
        self.confirmed |= sent > 0;
        self.oldest_unaccounted.get_or_insert_with(Instant::now);
    }

    /// Kafka holds a position of this start, though no new record.
    pub fn renewed(&mut self) {
        self.confirmed = true;
    }

    /// When the cursor must move at the latest.
    pub fn cursor_due(&self) -> Option<Instant> {
        self.oldest_unaccounted
            .map(|since| if self.delivered_bytes >= CURSOR_LAG_BYTES { since } else { since + CURSOR_LAG })
    }

    /// Moves the cursor to where Kafka is, with everything that belongs to it.
    pub fn move_cursor(&mut self) -> Result<(), Trouble> {
        if self.next == self.cursor && self.delivered == 0 {
            self.oldest_unaccounted = None;
            return Ok(());
        }
        let (mut skipped, mut starts) = (self.skipped.clone(), self.starts.clone());
        let mut commit = Commit::default();
        let reader = READER.to_owned();
        commit.cursors.push(CursorMove { log: self.log, reader, offset: self.next });
        if self.delivered > 0 {
            commit.counters.insert(self.counter("delivered"), self.delivered);
        }
        if skipped.forget_below(self.next) {
            let table = Some(skipped.encode()).filter(|_| !skipped.is_empty());
            commit.meta.push(self.value("skipped", table));
        }
        if self.confirmed && starts.confirm() {
            commit.meta.push(self.value("starts", Some(starts.encode())));
        }
        self.commit(commit)?;
        (self.skipped, self.starts, self.cursor) = (skipped, starts, self.next);
        (self.delivered, self.delivered_bytes, self.oldest_unaccounted) = (0, 0, None);
        Ok(())
    }

    pub fn set_fenced(&self, by: Option<&str>) -> Result<(), Trouble> {
        let value = by.map(|text| text.as_bytes().to_vec());
        self.commit(Commit { meta: vec![(fenced_key(&self.sink), value)], ..Commit::default() })
    }

    /// A small durable value of the sink.
    pub fn put(&self, what: &str, value: Option<Vec<u8>>) -> Result<(), Trouble> {
        self.commit(Commit { meta: vec![self.value(what, value)], ..Commit::default() })
    }

    fn value(&self, what: &str, value: Option<Vec<u8>>) -> (String, Option<Vec<u8>>) {
        (meta_key(&self.sink, what), value)
    }

    fn counter(&self, what: &str) -> String {
        format!("tidegate_{what}_total{{sink=\"{}\"}}", self.sink)
    }

    fn commit(&self, commit: Commit) -> Result<(), Trouble> {
        let outcome = self.runtime.block_on(self.writer.maintain(commit));
        outcome.map(drop).map_err(|error| Trouble::Store(error.to_string()))
    }
}

pub fn now_ms() -> Millis {
    unix_millis(SystemTime::now())
}
