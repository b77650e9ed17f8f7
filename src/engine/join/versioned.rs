//! The temporal join: each left row meets the version of its key that was valid at its own time.
//!
//! As in Flink's TemporalRowTimeJoinOperator a left row, late or not, waits until the watermark passes its time; of the
//! versions the newest that the watermark has passed is kept, and those after it. In a gateway what is kept has limits, so
//! that a source that falls silent and holds the watermark does not fill the memory: what goes beyond is given up, and
//! counted.

use std::collections::{BTreeMap, VecDeque};

use super::{LEFT, Matching, bytes_of, has_null};
use crate::engine::codec::{Reader, Writer};
use crate::engine::keyed::Keyed;
use crate::engine::operator::{At, Out, Taken, Timed};
use crate::engine::windowing::event_time;
use crate::engine::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::Join;

/// Left rows that wait on one time line; beyond these the one that is due first is given up.
pub const WAITING_MAX: usize = 1 << 16;

/// Keys of one time line; beyond these the versions of a new one are given up.
pub const KEYS_MAX: usize = 1 << 20;

/// Versions of one key, most of them not valid yet; beyond these the oldest is given up.
pub const VERSIONS_MAX: usize = 1 << 10;

pub struct Versioned {
    matching: Matching,
    times: [usize; 2],
    /// A version older than one of its key before it is none.
    in_order: bool,
    /// Whether the limits are in force.
    limited: bool,
}

#[derive(Default)]
struct Versions {
    /// Left rows in order of arrival.
    waiting: VecDeque<(Millis, Row)>,
    versions: BTreeMap<Millis, Row>,
}

#[derive(Default)]
pub struct State {
    keys: Keyed<Versions>,
    bytes: usize,
    /// Left rows of all keys.
    waiting: usize,
}

impl Versioned {
    pub fn new(join: &Join, times: [usize; 2], in_order: bool, limited: bool) -> Versioned {
        Versioned { matching: Matching::new(join), times, in_order, limited }
    }

    /// Gives up the left row that is due first.
    fn give_up_first(state: &mut State, out: &mut Out) {
        let Some(slot) = state.keys.first_due(Millis::MAX) else { return };
        let Some(key) = state.keys.get_mut(slot) else { return };
        let first = key.waiting.iter().enumerate().min_by_key(|(_, (time, _))| *time).map(|(at, _)| at);
        if let Some((_, row)) = first.and_then(|at| key.waiting.remove(at)) {
            state.bytes -= bytes_of(&row);
            state.waiting -= 1;
            out.given_up += 1;
        }
        Versioned::schedule(state, slot);
    }

    fn schedule(state: &mut State, slot: u32) {
        let Some(key) = state.keys.get(slot) else { return };
        let next = key.waiting.iter().map(|(time, _)| *time).min();
        if key.waiting.is_empty() && key.versions.is_empty() {
            state.keys.remove(slot);
        } else {
            state.keys.schedule(slot, next);
        }
    }

    fn put_out(&self, time: Millis, row: &[Value], of: &Versions, at: &At, out: &mut Out) {
        let version = of.versions.range(..=time).next_back();
        let joined = match version {
            Some((_, version)) => self.matching.joined(LEFT, row, version, &at.context),
            None => Ok(None),
        };
        match joined {
            Ok(Some(joined)) => out.push(joined),
            Ok(None) if self.matching.keeps(LEFT) => out.push(self.matching.padded(LEFT, row)),
            Ok(None) => {}
            Err((joined, error)) => out.failed.push((joined, error.into())),
        }
    }
}

impl Timed for Versioned {
    type State = State;

    fn take(
        &mut self,
        state: &mut State,
        port: usize,
        row: &[Value],
        at: &At,
        out: &mut Out,
    ) -> Result<Taken, RowError> {
        self.matching.find_key(port, row, &at.context)?;
        let time = event_time(row, self.times[port]).ok_or(RowError::NoEventTime)?;
        // A left row with a NULL key that is to come out all the same waits its turn. Of a view, whose key may be NULL, Flink
        // looks the version up without comparing keys: NULL meets NULL.
        if has_null(self.matching.key()) && !self.in_order && !self.matching.keeps(port) {
            return Ok(Taken::Filtered);
        }
        let is_full = self.limited && port != LEFT && state.keys.len() >= KEYS_MAX;
        if is_full && state.keys.find(self.matching.key()).is_none() {
            out.given_up += 1;
            return Ok(Taken::Kept);
        }
        let slot = state.keys.find_or_add(self.matching.key(), Versions::default);
        let due = state.keys.due_of(slot);
        let Some(key) = state.keys.get_mut(slot) else { return Ok(Taken::Late) };
        // The newest version is never forgotten.
        if self.in_order && port != LEFT && key.versions.last_key_value().is_some_and(|(newest, _)| time < *newest) {
            return Ok(Taken::Filtered);
        }
        state.bytes += bytes_of(row);
        if port == LEFT {
            key.waiting.push_back((time, row.to_vec()));
            state.waiting += 1;
        } else if let Some(before) = key.versions.insert(time, row.to_vec()) {
            state.bytes -= bytes_of(&before);
        } else if self.limited && key.versions.len() > VERSIONS_MAX {
            state.bytes -= key.versions.pop_first().map_or(0, |(_, oldest)| bytes_of(&oldest));
            out.given_up += 1;
        }
        if due.is_none_or(|due| time < due) {
            state.keys.schedule(slot, Some(time));
        }
        if self.limited && state.waiting > WAITING_MAX {
            Versioned::give_up_first(state, out);
        }
        Ok(Taken::Kept)
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        state.keys.next_due()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        let Some(slot) = state.keys.first_due(at.watermark) else { return false };
        let Some(key) = state.keys.get_mut(slot) else { return false };
        for (time, row) in std::mem::take(&mut key.waiting) {
            if time <= at.watermark {
                state.bytes -= bytes_of(&row);
                state.waiting -= 1;
                self.put_out(time, &row, key, at, out);
            } else {
                key.waiting.push_back((time, row));
            }
        }
        if let Some((current, _)) = key.versions.range(..=at.watermark).next_back() {
            let kept = key.versions.split_off(&current.clone());
            let old = std::mem::replace(&mut key.versions, kept);
            state.bytes -= old.values().map(|row| bytes_of(row)).sum::<usize>();
        }
        Versioned::schedule(state, slot);
        true
    }

    fn orders_rows(&self) -> bool {
        true
    }

    fn is_empty(&self, state: &State) -> bool {
        state.keys.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        state.keys.bytes() + state.bytes
    }

    fn write(&self, state: &State, writer: &mut Writer) {
        state.keys.write(writer, |key, writer| {
            let waiting = key.waiting.iter().map(|(time, row)| (time, row));
            for rows in [waiting.collect::<Vec<_>>(), key.versions.iter().collect()] {
                writer.count(rows.len());
                for (time, row) in rows {
                    writer.signed(*time);
                    writer.row(row);
                }
            }
        });
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let (mut bytes, mut waits) = (0, 0);
        let mut rows = |reader: &mut Reader<'_>, width: usize| {
            let mut rows = Vec::new();
            for _ in 0..reader.count()? {
                let (time, row) = (reader.signed()?, reader.row(width)?);
                bytes += bytes_of(&row);
                rows.push((time, row));
            }
            Ok(rows)
        };
        let keys = Keyed::read(reader, self.matching.key_columns(), |reader| {
            let [left, right] = self.matching.widths;
            let waiting: VecDeque<(Millis, Row)> = rows(reader, left)?.into();
            waits += waiting.len();
            let versions: Vec<(Millis, Row)> = rows(reader, right)?;
            let count = versions.len();
            let versions: BTreeMap<Millis, Row> = versions.into_iter().collect();
            if versions.len() != count {
                return Err(RestoreError("a version is there twice".to_owned()));
            }
            Ok(Versions { waiting, versions })
        })?;
        Ok(State { keys, bytes, waiting: waits })
    }
}
