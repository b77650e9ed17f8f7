//! The live pipeline: what has arrived becomes a tick, a tick becomes one transaction, and only then is it acknowledged.
//!
//! Two stages, no more: this thread computes tick N + 1 while the writer's thread commits tick N. Under load ticks grow,
//! so that one fsync serves thousands of messages; a lone message is committed at once.
//!
//! Holds always: items of one connection are acknowledged in the order they came; a source that feeds a full `block` sink
//! is not taken in, and neither is anything behind it on the same connection.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::complaints::Complaints;
use super::core::{Core, Message, Tick};
use super::recovery;
use crate::broker::{Hub, Inbound, Item, Link};
use crate::config::{self, Overflow, Settings, Source};
use crate::model::{After, Millis, Now};
use crate::sources::decode::encode_polled;
use crate::sources::modbus::Polled;
use crate::sources::mqtt::TopicMap;
use crate::sources::table::{Change, TableFile};
use crate::store::{Append, Commit, CursorMove, LogId, StoreError, Writer};

/// A tick takes at most this many messages and bytes, so that its transaction and its replay stay bounded.
const TICK_ITEMS_MAX: usize = 16_384;
const TICK_BYTES_MAX: usize = 4 << 20;

/// Topics whose sources and captures are remembered.
const TOPICS_MAX: usize = 16_384;

/// How often a parked connection's sink is looked at again, and the least the loop wakes for the watchdog.
const PARKED_RETRY: Duration = Duration::from_millis(50);
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How often the files of lookup tables are looked at.
const TABLES_EVERY: Duration = Duration::from_secs(1);

/// A snapshot is due once a replay would cost this many times its size, and at least this much.
const SNAPSHOT_RATIO: u64 = 4;
const SNAPSHOT_BYTES_MIN: u64 = 4 << 20;

/// The reader of the journal whose cursor says from where a restart replays.
pub const REPLAY: &str = "replay";

/// The logs of the store, by what they hold.
#[derive(Clone, Debug)]
pub struct Logs {
    pub journal: LogId,
    pub invalid: LogId,
    pub dead: LogId,
    pub sinks: Vec<LogId>,
}

/// What the pipeline is fed with.
pub struct Intake {
    pub mqtt: mpsc::Receiver<Inbound>,
    pub polled: mpsc::Receiver<Polled>,
    /// Ends the loop once all that has arrived is committed; a snapshot follows if there is time.
    pub stop: oneshot::Receiver<()>,
}

/// What others may see of a running pipeline.
#[derive(Debug, Default)]
pub struct Progress {
    /// Raised each time the loop turns: the watchdog's food.
    pub turns: AtomicU64,
    /// For how many seconds it has not turned, as the one who feeds the watchdog saw it.
    pub still_s: AtomicU64,
    pub ticks: AtomicU64,
    pub parked: AtomicU64,
    /// Bytes that each query's operators hold, and the watermarks of each source, as of the last second.
    pub query_bytes: Vec<AtomicU64>,
    pub source_bytes: Vec<AtomicU64>,
}

impl Progress {
    pub fn new(settings: &Settings) -> Progress {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Progress {
            query_bytes: zeros(settings.queries.len()),
            source_bytes: zeros(settings.sources.len()),
            ..Progress::default()
        }
    }
}

pub struct Pipeline {
    settings: Arc<Settings>,
    core: Core,
    clock: Clock,
    writer: Writer,
    hub: Hub,
    logs: Logs,
    topics: Topics,
    progress: Arc<Progress>,
    /// For each source, the `block` sinks' logs that its queries feed.
    blocking: Vec<Vec<LogId>>,
    tables: Vec<TableFile>,
    /// When the tables' files were last looked at.
    tables_seen: Option<Instant>,
    /// When the state was last measured.
    measured: Option<Instant>,
    /// Reads of sockets that wait for a full sink, in order.
    parked: VecDeque<Inbound>,
    /// Their connections: what comes of one after them waits as well.
    parked_connections: HashSet<u64>,
    /// Told to stop: nothing waits for a later tick.
    stopping: bool,
    complaints: Complaints,
    last_now: Millis,
    more: bool,
    /// Next offset of the journal, and what a replay from the last snapshot on would cost.
    journal_end: u64,
    replay_bytes: u64,
    snapshot_bytes: u64,
}

/// What [`Pipeline::new`] takes over from start and recovery.
pub struct Start {
    pub core: Core,
    pub clock: Clock,
    pub recovered: recovery::Recovered,
    pub journal_end: u64,
    pub tables: Vec<TableFile>,
}

impl Pipeline {
    pub fn new(
        settings: Arc<Settings>,
        start: Start,
        writer: Writer,
        hub: Hub,
        logs: Logs,
        progress: Arc<Progress>,
    ) -> Pipeline {
        let blocking = (0..settings.sources.len()).map(|source| blocking_logs(&settings, &logs, source)).collect();
        Pipeline {
            topics: Topics::new(&settings),
            blocking,
            core: start.core,
            clock: start.clock,
            writer,
            hub,
            logs,
            progress,
            tables: start.tables,
            tables_seen: None,
            measured: None,
            parked: VecDeque::new(),
            parked_connections: HashSet::new(),
            stopping: false,
            complaints: Complaints::default(),
            last_now: start.recovered.last_now.unwrap_or(0),
            more: start.recovered.more,
            journal_end: start.journal_end,
            // Counted on: a gateway that is killed again and again must not replay more each time.
            replay_bytes: start.recovered.replayed_bytes,
            snapshot_bytes: start.recovered.snapshot_bytes,
            settings,
        }
    }

    /// Runs until told to stop. An error is fatal: nothing more may be acknowledged.
    pub async fn run(mut self, mut intake: Intake, snapshot_due: bool) -> Result<(), StoreError> {
        if snapshot_due || self.is_snapshot_due() {
            self.take_snapshot()?;
        }
        let (mut inbound, mut polled) = (Vec::new(), Vec::new());
        while !self.stopping {
            self.progress.turns.fetch_add(1, Ordering::Relaxed);
            self.measure();
            self.stopping = self.wait(&mut intake, &mut inbound, &mut polled).await;
            self.turn(&mut inbound, &mut polled)?;
        }
        intake.mqtt.close();
        while let Ok(last) = intake.mqtt.try_recv() {
            inbound.push(last);
            self.turn(&mut inbound, &mut polled)?;
        }
        while self.more {
            self.turn(&mut inbound, &mut polled)?;
        }
        self.take_snapshot()
    }

    /// Tells what the state takes, once a second: with many open windows it is no single number.
    fn measure(&mut self) {
        if self.measured.is_some_and(|measured| measured.elapsed() < HEARTBEAT) {
            return;
        }
        self.measured = Some(Instant::now());
        let engine = &self.core.engine;
        for (query, bytes) in self.progress.query_bytes.iter().enumerate() {
            bytes.store(engine.state_bytes(query) as u64, Ordering::Relaxed);
        }
        for (source, bytes) in self.progress.source_bytes.iter().enumerate() {
            bytes.store(engine.source_state_bytes(source) as u64, Ordering::Relaxed);
        }
    }

    /// Waits for anything to do and takes what has gathered; true when told to stop.
    async fn wait(&mut self, intake: &mut Intake, inbound: &mut Vec<Inbound>, polled: &mut Vec<Polled>) -> bool {
        let patience = self.patience();
        tokio::select! {
            biased;
            _ = &mut intake.stop => return true,
            count = intake.mqtt.recv_many(inbound, TICK_ITEMS_MAX) => if count == 0 { return true },
            count = intake.polled.recv_many(polled, TICK_ITEMS_MAX) => if count == 0 { tokio::time::sleep(patience).await },
            () = tokio::time::sleep(patience) => {}
        }
        // While the disk is busy, more gathers: fewer and larger commits.
        self.writer.wait_for_place();
        while inbound.len() < TICK_ITEMS_MAX {
            let Ok(next) = intake.mqtt.try_recv() else { break };
            inbound.push(next);
        }
        while let Ok(row) = intake.polled.try_recv() {
            polled.push(row);
        }
        false
    }

    /// How long it may sleep when nothing arrives.
    fn patience(&mut self) -> Duration {
        if self.more || self.hub.has_more() {
            return Duration::ZERO;
        }
        let most = if self.parked.is_empty() { HEARTBEAT } else { PARKED_RETRY };
        match self.core.engine.next_deadline() {
            Some(deadline) => {
                let left = deadline.saturating_sub(self.clock.peek()).max(1);
                most.min(Duration::from_millis(left as u64))
            }
            None => most,
        }
    }

    /// Computes and hands over as many ticks as what has gathered needs.
    fn turn(&mut self, inbound: &mut Vec<Inbound>, polled: &mut Vec<Polled>) -> Result<(), StoreError> {
        self.unpark(inbound);
        let mut waiting: VecDeque<Inbound> = std::mem::take(inbound).into();
        loop {
            if self.more {
                // What was left due fires at the same instant, before any row.
                let now = recovery::same_instant(self.last_now, true);
                let messages = vec![Vec::new(); self.settings.sources.len()];
                let tick = self.core.tick(now, &messages);
                self.hand_over(now, tick, Gathered::default())?;
                continue;
            }
            let now = self.clock.now();
            for due in self.hub.begin(Instant::now(), now).into_iter().rev() {
                waiting.push_front(due);
            }
            let mut gathered = Gathered::new(self.settings.sources.len());
            self.look_at_tables(&mut gathered);
            self.gather_polled(now, polled, &mut gathered);
            while gathered.items < TICK_ITEMS_MAX && gathered.bytes < TICK_BYTES_MAX {
                let Some(next) = waiting.pop_front() else { break };
                self.gather(now, next, &mut gathered);
            }
            if now.after == After::Step {
                log::warn!("the clock made a step: it is now {} ms since 1970", now.millis);
            }
            let tick = self.core.tick(now, &gathered.messages);
            self.hand_over(now, tick, gathered)?;
            if waiting.is_empty() && !self.more {
                return Ok(());
            }
        }
    }

    /// Loads the lookup tables whose files were written. A file that cannot be used leaves its table as it was.
    fn look_at_tables(&mut self, gathered: &mut Gathered) {
        if self.tables.is_empty() || self.tables_seen.is_some_and(|seen| seen.elapsed() < TABLES_EVERY) {
            return;
        }
        self.tables_seen = Some(Instant::now());
        for (table, file) in self.tables.iter_mut().enumerate() {
            let name = &self.settings.tables[table].name;
            let Some(loaded) = load_if_new(&mut self.core, table, file) else { continue };
            let outcome = match loaded {
                Ok(rows) => {
                    log::info!("table {name}: {rows} rows loaded");
                    "loads"
                }
                Err(why) => {
                    let file = self.settings.tables[table].file.display();
                    log::warn!("table {name}: {file} is not loaded, the rows from before stay: {why}");
                    "failures"
                }
            };
            gathered.dropped.push((format!("tidegate_table_{outcome}_total{{table=\"{name}\"}}"), 1));
        }
    }

    /// Puts parked connections back in front once their sinks take records again.
    fn unpark(&mut self, inbound: &mut Vec<Inbound>) {
        if self.parked.is_empty() {
            return;
        }
        self.parked_connections.clear();
        let mut front: Vec<Inbound> = std::mem::take(&mut self.parked).into();
        front.append(inbound);
        *inbound = front;
    }

    fn gather_polled(&mut self, now: Now, polled: &mut Vec<Polled>, gathered: &mut Gathered) {
        for row in polled.drain(..) {
            if self.blocked(row.source) {
                gathered.drop_one(&self.settings.sources[row.source].name);
                continue;
            }
            let payload = Bytes::from(encode_polled(&row.values));
            let captures = Arc::clone(&self.topics.devices[row.source]);
            gathered.take(row.source, Message { arrival: now.millis, captures, payload });
        }
    }

    /// Sorts one read of a socket into the sources it matches, or parks it whole.
    fn gather(&mut self, now: Now, inbound: Inbound, gathered: &mut Gathered) {
        let connection = inbound.connection.id();
        if self.parked_connections.contains(&connection) || self.must_park(&inbound) {
            if inbound.is_last() {
                self.abandon(inbound, gathered);
            } else {
                self.parked_connections.insert(connection);
                self.parked.push_back(inbound);
            }
            return;
        }
        let count = inbound.items.len();
        for item in inbound.items {
            gathered.items += 1;
            match item {
                Item::Control(control) => self.hub.take(&inbound.connection, control),
                Item::Publish(publish) => {
                    if !self.hub.publish(&inbound.connection, &publish) {
                        continue;
                    }
                    for (source, captures) in self.topics.find(&publish.topic).iter() {
                        let (captures, payload) = (Arc::clone(captures), publish.payload.clone());
                        gathered.take(*source, Message { arrival: now.millis, captures, payload });
                    }
                }
            }
        }
        gathered.acks.push((inbound.connection, count));
    }

    /// A connection ends with messages parked: they were never acknowledged, so its client sends them again. Kept, they
    /// would be more with each time that it tries.
    fn abandon(&mut self, last: Inbound, gathered: &mut Gathered) {
        let connection = Arc::clone(&last.connection);
        let is_its = |parked: &Inbound| parked.connection.id() == connection.id();
        let parked = std::mem::take(&mut self.parked).into_iter();
        let (own, others): (VecDeque<Inbound>, VecDeque<Inbound>) = parked.partition(is_its);
        self.parked = others;
        for item in own.into_iter().chain([last]).flat_map(|inbound| inbound.items) {
            gathered.items += 1;
            match item {
                Item::Control(control) => self.hub.take(&connection, control),
                Item::Publish(publish) if publish.qos == 0 => {
                    for (source, _) in self.topics.find(&publish.topic).iter() {
                        gathered.drop_one(&self.settings.sources[*source].name);
                    }
                }
                Item::Publish(_) => {}
            }
        }
    }

    fn must_park(&mut self, inbound: &Inbound) -> bool {
        if self.blocking.iter().all(Vec::is_empty) {
            return false;
        }
        inbound.items.iter().any(|item| match item {
            Item::Publish(publish) => {
                let sources = self.topics.find(&publish.topic);
                sources.iter().any(|(source, _)| self.blocked(*source))
            }
            Item::Control(_) => false,
        })
    }

    fn blocked(&self, source: usize) -> bool {
        self.blocking[source].iter().any(|log| self.writer.would_block(*log))
    }

    /// Gives one tick to the writer; waits while the one before is still waiting.
    fn hand_over(&mut self, now: Now, tick: Tick, gathered: Gathered) -> Result<(), StoreError> {
        self.last_now = now.millis;
        self.more = tick.more;
        self.complaints.log(&tick.complaints, &self.settings);
        self.progress.ticks.fetch_add(1, Ordering::Relaxed);
        self.progress.parked.store(self.parked.len() as u64, Ordering::Relaxed);
        self.journal_end += u64::from(tick.journal.count);
        if tick.journal.count > 0 {
            self.replay_bytes += recovery::replay_cost(&tick.journal);
        }
        let mut commit = self.commit(now, tick, &gathered);
        let finished = self.hub.finish(!commit.is_empty(), self.stopping);
        commit.rows = finished.rows;
        commit.meta = finished.meta;
        let (acks, after) = (gathered.acks, finished.after);
        self.writer.tick(
            commit,
            Box::new(move |_| {
                // A SUBACK leaves before the retained messages that it brings.
                for (connection, count) in acks {
                    connection.committed(count);
                }
                after.release();
            }),
        )?;
        if self.is_snapshot_due() {
            self.take_snapshot()?;
        }
        Ok(())
    }

    fn is_snapshot_due(&self) -> bool {
        !self.more && self.replay_bytes >= SNAPSHOT_BYTES_MIN.max(SNAPSHOT_RATIO * self.snapshot_bytes)
    }

    fn commit(&self, now: Now, tick: Tick, gathered: &Gathered) -> Commit {
        let mut commit = Commit { counters: tick.counters, ..Commit::default() };
        for (counter, count) in &gathered.dropped {
            *commit.counters.entry(counter.clone()).or_default() += count;
        }
        let names = self.core.names();
        let sinks = tick.sinks.into_iter().enumerate();
        let logs = [
            (self.logs.journal, tick.journal, String::new()),
            (self.logs.invalid, tick.invalid, String::new()),
            (self.logs.dead, tick.dead, String::new()),
        ]
        .into_iter()
        .chain(sinks.map(|(sink, records)| (self.logs.sinks[sink], records, names.sinks[sink].refused.clone())));
        commit.appends = logs
            .filter(|(_, records, _)| records.count > 0)
            .map(|(log, records, refused_counter)| Append { log, tick: now.millis, records, refused_counter })
            .collect();
        commit
    }

    fn take_snapshot(&mut self) -> Result<(), StoreError> {
        let snapshot = recovery::snapshot(&self.core, &self.settings, self.journal_end, self.last_now);
        self.snapshot_bytes = snapshot.size_bytes();
        self.replay_bytes = 0;
        let cursor = CursorMove { log: self.logs.journal, reader: REPLAY.into(), offset: self.journal_end };
        let commit = Commit { snapshot: Some(snapshot), cursors: vec![cursor], ..Commit::default() };
        self.writer.tick(commit, Box::new(|_| {}))
    }
}

/// Loads a lookup table if its file was written and holds something new; gives the number of rows, or why it cannot.
pub fn load_if_new(core: &mut Core, table: usize, file: &mut TableFile) -> Option<Result<usize, String>> {
    match file.poll() {
        Change::None => None,
        Change::Content(content) if core.table(table) == Some(&content) => None,
        Change::Content(content) => Some(core.load_table(table, content)),
        Change::Wrong(why) => Some(Err(why)),
    }
}

/// The logs of `block` sinks that a source's rows end in.
fn blocking_logs(settings: &Settings, logs: &Logs, source: usize) -> Vec<LogId> {
    let reads = |query: &usize| settings.topology.queries[*query].sources().contains(&source);
    let mut sinks: Vec<usize> = (0..settings.queries.len())
        .filter(reads)
        .flat_map(|q| settings.queries[q].routes().map(|route| route.sink))
        .collect();
    sinks.sort_unstable();
    sinks.dedup();
    sinks
        .into_iter()
        .filter(|sink| settings.sinks[*sink].overflow == Overflow::Block)
        .map(|sink| logs.sinks[sink])
        .collect()
}

/// What one tick takes in.
#[derive(Default)]
struct Gathered {
    messages: Vec<Vec<Message>>,
    acks: Vec<(Arc<Link>, usize)>,
    dropped: Vec<(String, u64)>,
    items: usize,
    bytes: usize,
}

impl Gathered {
    fn new(sources: usize) -> Gathered {
        Gathered { messages: vec![Vec::new(); sources], ..Gathered::default() }
    }

    /// A message that nobody sends again has no place in a full sink.
    fn drop_one(&mut self, source: &str) {
        self.dropped.push((format!("tidegate_in_total{{source=\"{source}\"}}"), 1));
        self.dropped.push((format!("tidegate_source_dropped_total{{source=\"{source}\",reason=\"sink_full\"}}"), 1));
    }

    fn take(&mut self, source: usize, message: Message) {
        self.bytes += message.payload.len();
        self.messages[source].push(message);
    }
}

/// The sources that take a topic, each with the topic's captured levels.
type Targets = Arc<[(usize, Arc<[Arc<str>]>)]>;

/// [`TopicMap`] with a memory: devices publish to the same few topics again and again.
struct Topics {
    map: TopicMap,
    found: HashMap<Bytes, Targets>,
    /// For each source, the captures of a Modbus row.
    devices: Vec<Arc<[Arc<str>]>>,
}

impl Topics {
    fn new(settings: &Settings) -> Topics {
        let device = |source: &Source| -> Arc<[Arc<str>]> {
            match &source.input {
                config::Input::Modbus(modbus) => [Arc::from(modbus.device.as_str())].into(),
                config::Input::Mqtt { .. } => [].into(),
            }
        };
        Topics {
            map: TopicMap::new(&settings.sources),
            found: HashMap::new(),
            devices: settings.sources.iter().map(device).collect(),
        }
    }

    fn find(&mut self, topic: &Bytes) -> Targets {
        if let Some(targets) = self.found.get(topic) {
            return Arc::clone(targets);
        }
        // The broker lets nothing but UTF-8 through; anything else matches no source.
        let text = std::str::from_utf8(topic).unwrap_or_default();
        let targets: Targets =
            self.map.matches(text).into_iter().map(|(source, captures)| (source, captures.into())).collect();
        if self.found.len() >= TOPICS_MAX {
            self.found.clear();
        }
        self.found.insert(Bytes::copy_from_slice(topic), Arc::clone(&targets));
        targets
    }
}
