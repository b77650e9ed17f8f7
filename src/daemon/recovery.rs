//! From what the store holds to an engine that stands where the last committed tick left it.
//!
//! The last snapshot is loaded and every tick since is computed again; what they put out is suppressed, since it was
//! committed with them. A query whose fingerprint differs from its snapshot's, or whose replay gives another digest than
//! the live run, starts afresh at the end; the others keep their state. Every such decision is a finding in plain words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::core::{Core, Message};
use super::journal::{self, Header};
use crate::config::Settings;
use crate::engine;
use crate::model::{Millis, Now};
use crate::store::{Block, LogId, Opened, Reader, Section, Snapshot, StoreError};

/// Read from the journal at once while replaying.
const REPLAY_BYTES: usize = 1 << 20;

/// Where the engine stands after recovery.
#[derive(Debug, Default)]
pub struct Recovered {
    /// `now` of the last committed tick.
    pub last_now: Option<Millis>,
    pub ticks: u64,
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
    let sources = (0..settings.sources.len()).map(|i| (source_section(settings, i), source(i).into_bytes()));
    let queries = (0..settings.queries.len()).map(|i| {
        let plan = &settings.topology.queries[i];
        let read: Vec<String> = plan.sources().into_iter().map(source).collect();
        (query_section(settings, i), format!("{} {:?} {:?}", engine::SEMANTICS, plan.root, read).into_bytes())
    });
    sources.chain(queries).map(|(name, text)| (name, crc_and_length(&text))).collect()
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
    let queries =
        (0..settings.queries.len()).map(|i| section(query_section(settings, i), core.engine.snapshot_query(i)));
    Snapshot { journal_offset, sections: std::iter::once(clock).chain(sources).chain(queries).collect() }
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
    let mut offset = opened.log_starts[journal];
    match &opened.snapshot {
        Some(snapshot) => {
            replay.load(snapshot);
            offset = offset.max(snapshot.journal_offset);
        }
        None => replay.recovered.snapshot_due = true,
    }
    loop {
        let blocks = reader.read(journal, offset, REPLAY_BYTES)?;
        let Some(last) = blocks.last() else { break };
        let end = last.first + u64::from(last.records.count);
        for block in &blocks {
            if block.first > offset {
                replay.gap(block.first - offset);
            }
            if block.corrupt {
                replay.gap(u64::from(block.records.count));
            } else {
                replay.tick(block);
            }
            offset = block.first + u64::from(block.records.count);
        }
        offset = end;
    }
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

    fn load(&mut self, snapshot: &Snapshot) {
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
                    Err(error) => self.start_afresh(query, &error.to_string()),
                },
            }
        }
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
        let messages = self.messages(&header, records);
        let tick = self.core.tick(header.now, &messages);
        self.compare(&header, &tick.digests);
        self.recovered.last_now = Some(header.now.millis);
        self.recovered.more = tick.more;
        self.recovered.ticks += 1;
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
    Now { millis: last_now, trusted, stepped: false }
}
