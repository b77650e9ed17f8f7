//! From what the store holds to an engine that stands where the last committed tick left it.
//!
//! The last snapshot is loaded and every tick since is computed again; what they put out is suppressed, since it was
//! committed with them. A query whose fingerprint differs from its snapshot's, or whose replay gives another digest than
//! the live run, starts afresh at the end; the others keep their state. A query whose saved state cannot be read is
//! built again from the messages that are left. Every such decision is a finding in plain words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::core::{Core, Message, table_name};
use super::journal::{self, Header};
use crate::config::Settings;
use crate::engine;
use crate::model::{After, Millis, Now};
use crate::store::{Block, LogId, Opened, Reader, Records, Section, Snapshot, StoreError};

/// Read from the journal at once while replaying.
const REPLAY_BYTES: usize = 1 << 20;

/// What a tick costs beyond its messages when it is replayed, in bytes of them.
const TICK_BYTES: u64 = 1 << 10;

/// What replaying a tick costs, in bytes of the journal.
pub fn replay_cost(journal: &Records) -> u64 {
    TICK_BYTES + journal.bytes.len() as u64
}

/// Where the engine stands after recovery.
#[derive(Debug, Default)]
pub struct Recovered {
    /// `now` of the last committed tick.
    pub last_now: Option<Millis>,
    pub ticks: u64,
    /// What the replay cost, by [`replay_cost`], and the size of the snapshot before it.
    pub replayed_bytes: u64,
    pub snapshot_bytes: u64,
    /// Some state is not what the last snapshot says: take a new one at once.
    pub snapshot_due: bool,
    /// The last tick left timers due at its `now`.
    pub more: bool,
    pub findings: Vec<String>,
}

/// Everything a query's or a source's results depend on, as text: names, SQL, schemas, time settings, the number of the
/// engine's semantics. Equal text, equal results.
pub fn fingerprints(settings: &Settings) -> BTreeMap<String, Vec<u8>> {
    let source = |index: usize| {
        let (plan, source) = (&settings.topology.sources[index], &settings.sources[index]);
        format!("{} {:?} {:?} {:?} {:?}", engine::SEMANTICS, plan, source.input, source.format, source.captures)
    };
    let table = |index: usize| {
        let (plan, table) = (&settings.topology.tables[index], &settings.tables[index]);
        format!("{} {:?} {:?}", engine::SEMANTICS, plan, table.format)
    };
    let sources = (0..settings.sources.len()).map(|i| (source_section(settings, i), source(i).into_bytes()));
    let tables = (0..settings.tables.len()).map(|i| (table_name(settings, i), table(i).into_bytes()));
    let queries = (0..settings.queries.len()).map(|i| {
        let plan = &settings.topology.queries[i];
        let read: Vec<String> =
            plan.sources().into_iter().map(source).chain(plan.tables().into_iter().map(table)).collect();
        (
            query_section(settings, i),
            format!("{} {:?} {:?} {:?}", engine::SEMANTICS, plan.root, plan.state_ttl_ms, read).into_bytes(),
        )
    });
    sources.chain(tables).chain(queries).map(|(name, text)| (name, crc_and_length(&text))).collect()
}

/// Short enough to be kept beside each section; two texts of equal length and both checksums do not occur by accident.
fn crc_and_length(text: &[u8]) -> Vec<u8> {
    let reversed: Vec<u8> = text.iter().rev().copied().collect();
    let mut out = (text.len() as u64).to_le_bytes().to_vec();
    out.extend_from_slice(&crc32fast::hash(text).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&reversed).to_le_bytes());
    out
}

fn source_section(settings: &Settings, source: usize) -> String {
    format!("source/{}", settings.sources[source].name)
}

fn query_section(settings: &Settings, query: usize) -> String {
    format!("query/{}", settings.queries[query].name)
}

/// The whole engine, as it stands after the tick that ends at `journal_offset`.
pub fn snapshot(core: &Core, settings: &Settings, journal_offset: u64, last_now: Millis) -> Snapshot {
    let fingerprints = fingerprints(settings);
    let section = |name: String, state: Vec<u8>| {
        let fingerprint = fingerprints.get(&name).cloned().unwrap_or_default();
        Section { name, fingerprint, state }
    };
    let clock = Section { name: "clock".into(), fingerprint: Vec::new(), state: last_now.to_le_bytes().to_vec() };
    let sources =
        (0..settings.sources.len()).map(|i| section(source_section(settings, i), core.engine.snapshot_source(i)));
    let table = |i: usize| Some(section(table_name(settings, i), core.table(i)?.to_vec()));
    let tables = (0..settings.tables.len()).filter_map(table);
    let queries =
        (0..settings.queries.len()).map(|i| section(query_section(settings, i), core.engine.snapshot_query(i)));
    Snapshot { journal_offset, sections: std::iter::once(clock).chain(sources).chain(tables).chain(queries).collect() }
}

/// Restores the snapshot and replays the journal's blocks after it.
pub fn recover(
    core: &mut Core,
    settings: &Arc<Settings>,
    opened: &Opened,
    journal: LogId,
    reader: &mut Reader,
) -> Result<Recovered, StoreError> {
    let mut replay = Replay::new(core, settings);
    let (start, end) = (opened.log_starts[journal], opened.log_ends[journal]);
    let mut offset = start;
    match &opened.snapshot {
        Some(snapshot) => {
            let unreadable = replay.load(snapshot);
            if !unreadable.is_empty() {
                let mut past = Core::new(Arc::clone(settings));
                let mut history = Replay::new(&mut past, settings);
                history.run(reader, journal, start, snapshot.journal_offset)?;
                replay.take_over(&unreadable, history.settled());
            }
            offset = offset.max(snapshot.journal_offset);
        }
        None => replay.recovered.snapshot_due = true,
    }
    replay.run(reader, journal, offset, end)?;
    Ok(replay.finish())
}

struct Replay<'a> {
    core: &'a mut Core,
    settings: &'a Arc<Settings>,
    /// Queries that start afresh once the replay is over.
    afresh: BTreeSet<usize>,
    /// Queries whose state was restored, so that their digests must agree.
    restored: BTreeSet<usize>,
    recovered: Recovered,
}

impl<'a> Replay<'a> {
    fn new(core: &'a mut Core, settings: &'a Arc<Settings>) -> Replay<'a> {
        Replay { core, settings, afresh: BTreeSet::new(), restored: BTreeSet::new(), recovered: Recovered::default() }
    }

    /// Computes the blocks from `offset` to before `end` again.
    fn run(&mut self, reader: &mut Reader, journal: LogId, mut offset: u64, end: u64) -> Result<(), StoreError> {
        while offset < end {
            let blocks = reader.read(journal, offset, REPLAY_BYTES)?;
            if blocks.is_empty() {
                break;
            }
            for block in blocks.iter().take_while(|block| block.first < end) {
                if block.first > offset {
                    self.gap(block.first - offset);
                }
                if block.corrupt {
                    self.gap(u64::from(block.records.count));
                } else {
                    self.tick(block);
                }
                offset = block.first + u64::from(block.records.count);
            }
        }
        Ok(())
    }

    /// The engine after everything that was due has fired: only then it can be saved.
    fn settled(mut self) -> &'a Core {
        let nothing = vec![Vec::new(); self.settings.sources.len()];
        while self.recovered.more {
            let now = same_instant(self.recovered.last_now.unwrap_or(0), true);
            self.recovered.more = self.core.tick(now, &nothing).more;
        }
        self.core
    }

    /// Gives queries the state that a replay of all that is left came to.
    fn take_over(&mut self, unreadable: &[(usize, String)], past: &Core) {
        for (query, why) in unreadable {
            match self.core.engine.restore_query(*query, &past.engine.snapshot_query(*query)) {
                Ok(()) => self.find(format!(
                    "query {}: its saved state cannot be read ({why}); it is built again from the messages that are left",
                    self.settings.queries[*query].name
                )),
                Err(error) => self.start_afresh(*query, &error.to_string()),
            }
        }
        self.recovered.snapshot_due = true;
    }

    /// Gives the queries whose state cannot be read, and why.
    fn load(&mut self, snapshot: &Snapshot) -> Vec<(usize, String)> {
        let mut unreadable = Vec::new();
        self.recovered.snapshot_bytes = snapshot.size_bytes();
        let sections: BTreeMap<&str, &Section> = snapshot.sections.iter().map(|s| (s.name.as_str(), s)).collect();
        if let Some(clock) = sections.get("clock") {
            self.recovered.last_now = clock.state.as_slice().try_into().ok().map(Millis::from_le_bytes);
        }
        let fingerprints = fingerprints(self.settings);
        for source in 0..self.settings.sources.len() {
            let name = source_section(self.settings, source);
            let Some(section) = sections.get(name.as_str()) else {
                self.recovered.snapshot_due = true;
                continue;
            };
            let same = fingerprints.get(&name) == Some(&section.fingerprint);
            if !same || self.core.engine.restore_source(source, &section.state).is_err() {
                self.recovered.snapshot_due = true;
                self.find(format!(
                    "source {}: its definition changed, so its event time starts anew",
                    self.settings.sources[source].name
                ));
            }
        }
        for table in 0..self.settings.tables.len() {
            let name = table_name(self.settings, table);
            let known = sections.get(name.as_str()).filter(|s| fingerprints.get(&name) == Some(&s.fingerprint));
            // Where it cannot be had, the file is loaded at the start; queries that read it start afresh.
            let loaded = known.is_some_and(|s| self.core.load_table(table, s.state.clone().into()).is_ok());
            self.recovered.snapshot_due |= !loaded;
        }
        for query in 0..self.settings.queries.len() {
            let name = query_section(self.settings, query);
            match sections.get(name.as_str()) {
                None => self.start_afresh(query, "it is new"),
                Some(section) if fingerprints.get(&name) != Some(&section.fingerprint) => {
                    self.start_afresh(query, "its text or what it reads changed");
                }
                Some(section) => match self.core.engine.restore_query(query, &section.state) {
                    Ok(()) => {
                        self.restored.insert(query);
                    }
                    Err(error) => unreadable.push((query, error.to_string())),
                },
            }
        }
        unreadable
    }

    fn start_afresh(&mut self, query: usize, why: &str) {
        if self.afresh.insert(query) && self.settings.topology.queries[query].is_stateful() {
            self.find(format!("query {} starts afresh: {why}", self.settings.queries[query].name));
        }
        self.recovered.snapshot_due = true;
    }

    fn find(&mut self, finding: String) {
        self.recovered.findings.push(finding);
    }

    /// Messages that the disk lost: no query that was running then can be continued.
    fn gap(&mut self, records: u64) {
        for query in 0..self.settings.queries.len() {
            self.start_afresh(query, &format!("{records} records of the journal are missing"));
        }
    }

    fn tick(&mut self, block: &Block) {
        let mut records = block.records.iter();
        let header = records.next().map(Header::decode);
        let Some(Ok(header)) = header else {
            let why = header.and_then(Result::err).map_or_else(|| "a block is empty".to_owned(), |e| e.to_string());
            for query in 0..self.settings.queries.len() {
                self.start_afresh(query, &why);
            }
            return;
        };
        let records: Vec<&[u8]> = records.collect();
        self.load_tables(&header, &records);
        let messages = self.messages(&header, records.into_iter());
        let tick = self.core.tick(header.now, &messages);
        self.compare(&header, &tick.digests);
        self.recovered.last_now = Some(header.now.millis);
        self.recovered.more = tick.more;
        self.recovered.ticks += 1;
        self.recovered.replayed_bytes += replay_cost(&block.records);
    }

    /// Loads the tables that were loaded then.
    fn load_tables(&mut self, header: &Header, records: &[&[u8]]) {
        for table in 0..self.settings.tables.len() {
            let name = table_name(self.settings, table);
            let Some(place) = header.sources.iter().position(|source| *source == name) else { continue };
            for record in records {
                match journal::decode_message(record, header.now) {
                    // Under another schema it may be unreadable; then the queries that read it start afresh.
                    Ok(message) if message.source == place => {
                        let _ = self.core.load_table(table, Bytes::copy_from_slice(message.payload));
                    }
                    _ => {}
                }
            }
        }
    }

    fn messages<'r>(&mut self, header: &Header, records: impl Iterator<Item = &'r [u8]>) -> Vec<Vec<Message>> {
        let position = |name: &String| self.settings.sources.iter().position(|source| source.name == *name);
        let sources: Vec<Option<usize>> = header.sources.iter().map(position).collect();
        let mut messages = vec![Vec::new(); self.settings.sources.len()];
        for record in records {
            // A source that is no longer configured has nobody to take its messages.
            let Ok(message) = journal::decode_message(record, header.now) else { continue };
            let Some(Some(source)) = sources.get(message.source) else { continue };
            messages[*source].push(Message {
                arrival: message.arrival,
                captures: message.captures.into(),
                payload: Bytes::copy_from_slice(message.payload),
            });
        }
        messages
    }

    fn compare(&mut self, header: &Header, digests: &[journal::Digest]) {
        let of =
            |digests: &[journal::Digest], name: &str| digests.iter().find(|d| d.query == name).map(|d| (d.rows, d.crc));
        for query in self.restored.clone() {
            let name = &self.settings.queries[query].name;
            if of(&header.digests, name) != of(digests, name) {
                self.restored.remove(&query);
                self.start_afresh(
                    query,
                    &format!("its replay at {} differs from what it put out then", header.now.millis),
                );
            }
        }
    }

    fn finish(mut self) -> Recovered {
        for query in std::mem::take(&mut self.afresh) {
            self.core.engine.reset_query(query);
        }
        self.recovered
    }
}

/// `now` of a tick that only repeats what the one before left due.
pub fn same_instant(last_now: Millis, trusted: bool) -> Now {
    Now { millis: last_now, trusted, after: After::Tick }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::core::tests::{HEAD, settings_of};
    use super::*;
    use crate::store::{self, Append, Commit, LogSettings, Overflow, Store};

    const JOURNAL: LogId = 0;
    const START_MS: Millis = 1_772_352_000_000;

    const QUERIES: &str = r#"
[query.kept]
sql = "SELECT device, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY device, window_start, window_end"
into = { sink = "cloud", topic = "kept" }

[query.other]
sql = "SELECT device, SUM(n) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY device, window_start, window_end"
into = { sink = "cloud", topic = "other" }
"#;

    fn settings() -> Arc<Settings> {
        settings_of(&(HEAD.to_owned() + QUERIES))
    }

    fn query(name: &str) -> usize {
        settings().queries.iter().position(|query| query.name == name).expect("it is there")
    }

    fn open(directory: &Path) -> (Store, Opened) {
        let journal = LogSettings {
            name: "journal".to_owned(),
            share_max_bytes: 1 << 30,
            overflow: Overflow::DropOldest,
            dropped_counter: String::new(),
            readers: vec!["replay".to_owned()],
            retain: Duration::ZERO,
        };
        let settings = store::Settings {
            data_dir: directory.to_owned(),
            size_max_bytes: 1 << 30,
            commit_interval: Duration::ZERO,
            logs: vec![journal],
            faults: store::Faults::default(),
        };
        Store::open(settings).expect("it opens")
    }

    /// A gateway that has run: what its ticks left in the store, and the engine as it stood at its end.
    struct Past {
        directory: tempfile::TempDir,
        core: Core,
    }

    /// Sixty ticks of a second each, two devices; `change` may alter a tick's journal block, `snapshot` the snapshot that
    /// is taken after the thirtieth.
    fn live(change: impl Fn(usize, Records) -> Records, snapshot: impl Fn(Snapshot) -> Snapshot) -> Past {
        let (directory, settings) = (tempfile::tempdir().expect("a directory"), settings());
        let (mut store, _) = open(directory.path());
        let mut core = Core::new(Arc::clone(&settings));
        let mut end = 0;
        for number in 0..60usize {
            let now = Now { millis: START_MS + 1_000 * number as Millis, trusted: true, after: After::Tick };
            let message = |device: &str| Message {
                arrival: now.millis,
                captures: [Arc::from(device)].into(),
                payload: Bytes::from(format!("{{\"n\":{number},\"ts\":{}}}", now.millis)),
            };
            let tick = core.tick(now, &[vec![message("a"), message("b")]]);
            assert!(!tick.more);
            let records = change(number, tick.journal);
            end += u64::from(records.count);
            let append = Append { log: JOURNAL, tick: now.millis, records, refused_counter: String::new() };
            let mut commit = Commit { appends: vec![append], ..Commit::default() };
            if number == 30 {
                commit.snapshot = Some(snapshot(super::snapshot(&core, &settings, end, now.millis)));
            }
            store.commit(&commit).expect("committed");
        }
        Past { directory, core }
    }

    fn recovered(past: &Past) -> (Core, Recovered) {
        let (settings, (store, opened)) = (settings(), open(past.directory.path()));
        let mut core = Core::new(Arc::clone(&settings));
        let mut reader = store.reader().expect("it opens");
        let recovered = recover(&mut core, &settings, &opened, JOURNAL, &mut reader).expect("it recovers");
        (core, recovered)
    }

    fn state(core: &Core, name: &str) -> Vec<u8> {
        core.engine.snapshot_query(query(name))
    }

    fn fresh(name: &str) -> Vec<u8> {
        let mut core = Core::new(settings());
        core.engine.reset_query(query(name));
        state(&core, name)
    }

    #[test]
    fn the_engine_stands_where_it_stood() {
        let past = live(|_, records| records, |snapshot| snapshot);
        let (core, recovered) = recovered(&past);
        assert_eq!((recovered.ticks, recovered.findings.as_slice()), (29, &[][..]));
        assert_eq!(recovered.last_now, Some(START_MS + 59_000));
        for name in ["kept", "other"] {
            assert_eq!(state(&core, name), state(&past.core, name));
            assert_ne!(state(&core, name), fresh(name), "there was something to keep");
        }
    }

    #[test]
    fn a_query_whose_replay_differs_starts_afresh_and_says_so_and_the_other_goes_on() {
        let tampered = |number: usize, records: Records| {
            let mut parts = records.iter();
            let mut header = Header::decode(parts.next().expect("a header")).expect("well formed");
            match header.digests.iter_mut().find(|digest| digest.query == "kept" && number > 30) {
                Some(digest) => digest.crc ^= 1,
                None => return records.clone(),
            }
            let mut out = Records::default();
            out.push(&header.encode());
            parts.for_each(|part| out.push(part));
            out
        };
        let past = live(tampered, |snapshot| snapshot);
        let (core, recovered) = recovered(&past);
        assert_eq!(recovered.findings.len(), 1, "{:?}", recovered.findings);
        let finding = &recovered.findings[0];
        assert!(finding.contains("query kept starts afresh") && finding.contains("differs"), "{finding}");
        assert_eq!(state(&core, "other"), state(&past.core, "other"));
        assert_ne!(state(&core, "kept"), state(&past.core, "kept"));
    }

    #[test]
    fn a_state_that_cannot_be_read_is_built_again_from_what_is_left() {
        let unreadable = |mut snapshot: Snapshot| {
            let section = snapshot.sections.iter_mut().find(|section| section.name == "query/kept");
            section.expect("it is there").state = vec![250, 1, 2, 3];
            snapshot
        };
        let past = live(|_, records| records, unreadable);
        let (core, recovered) = recovered(&past);
        assert_eq!(recovered.findings.len(), 1, "{:?}", recovered.findings);
        assert!(recovered.findings[0].contains("query kept") && recovered.findings[0].contains("built again"));
        assert!(recovered.snapshot_due, "the next start must be able to read it");
        for name in ["kept", "other"] {
            assert_eq!(state(&core, name), state(&past.core, name), "{name}");
        }
    }

    #[test]
    fn messages_that_the_disk_lost_make_every_query_start_afresh() {
        let past = live(|_, records| records, |snapshot| snapshot);
        let db = rusqlite::Connection::open(past.directory.path().join("tidegate.db")).expect("it opens");
        // The fortieth tick: each has a header and two messages.
        let damaged = db.execute("UPDATE log_1 SET bytes = zeroblob(9) WHERE first = 120", []).expect("SQL");
        assert_eq!(damaged, 1);
        drop(db);
        let (core, recovered) = recovered(&past);
        assert_eq!(recovered.findings.len(), 2, "{:?}", recovered.findings);
        assert!(recovered.findings.iter().all(|finding| finding.contains("3 records of the journal are missing")));
        assert_ne!(state(&core, "kept"), state(&past.core, "kept"));
    }
}

#[cfg(test)]
mod table_tests {
    use super::super::core::tests::settings_of;
    use super::*;

    const CONFIGURATION: &str = r#"
        [gateway]
        id = "gw"
        [source.readings]
        mqtt = "dev/{device}"
        schema = "ts BIGINT, temp DOUBLE"
        [table.halls]
        file = "halls.csv"
        schema = "device STRING, hall STRING, PRIMARY KEY (device) NOT ENFORCED"
        [query.by_hall]
        sql = """SELECT window_start, hall, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE in_halls, DESCRIPTOR(arrived_at), INTERVAL '1' SECOND))
                 GROUP BY window_start, window_end, hall"""
        into = { sink = "cloud", topic = "t" }
        [view.in_halls]
        sql = "SELECT r.arrived_at, r.temp, h.hall FROM readings AS r LEFT JOIN halls AS h ON r.device = h.device"
        [sink.cloud]
        kafka = "localhost:9092"
    "#;

    fn message(arrival: Millis) -> Message {
        Message { arrival, captures: [Arc::from("d1")].into(), payload: Bytes::from_static(b"{\"temp\": 1}") }
    }

    /// A replay uses the rows that a lookup table had at each tick, and stands where the live run stood.
    #[test]
    fn a_replay_has_the_tables_of_that_time() {
        let settings = settings_of(CONFIGURATION);
        let mut live = Core::new(Arc::clone(&settings));
        let mut blocks = Vec::new();
        let mut out: Vec<u8> = Vec::new();
        for (second, content) in
            [(1, Some("d1,north\n")), (2, None), (3, Some("d1,south\n")), (4, None), (20, Some(""))]
        {
            if let Some(content) = content {
                live.load_table(0, Bytes::from(content)).expect("it can be read");
            }
            let now = Now { millis: second * 1_000, trusted: true, after: crate::model::After::Tick };
            let tick = live.tick(now, &[vec![message(now.millis)]]);
            out.extend_from_slice(&tick.sinks[0].bytes);
            blocks.push(Block { first: blocks.len() as u64, tick: now.millis, records: tick.journal, corrupt: false });
        }
        let text = String::from_utf8_lossy(&out);
        assert!(text.contains("north") && text.contains("south"), "{text}");
        let mut core = Core::new(Arc::clone(&settings));
        let mut replay = Replay::new(&mut core, &settings);
        replay.restored.insert(0);
        blocks.iter().for_each(|block| replay.tick(block));
        assert_eq!(replay.finish().findings, Vec::<String>::new());
        assert_eq!(core.table(0), Some(&Bytes::new()));
        let taken = |core: &Core| snapshot(core, &settings, 0, 0).sections;
        assert_eq!(taken(&core), taken(&live));
        let mut third = Core::new(Arc::clone(&settings));
        let mut replay = Replay::new(&mut third, &settings);
        replay.load(&snapshot(&live, &settings, 0, 0));
        assert_eq!(replay.finish().findings, Vec::<String>::new());
        assert_eq!(taken(&third), taken(&live));
    }
}
