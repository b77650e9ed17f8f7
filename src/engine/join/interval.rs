//! The interval join: partners whose times are at most so far apart.
//!
//! What waits, when it is thrown away and which late rows still meet a partner is all as in Flink's TimeIntervalJoin: a
//! row waits until the watermark says that no partner can come, is then looked at again only at a clean-up (half the
//! interval later), and so may meet a late partner until then.

use std::collections::BTreeMap;

use super::{LEFT, Matching, RIGHT, bytes_of, has_null};
use crate::engine::codec::{Reader, Writer};
use crate::engine::keyed::Keyed;
use crate::engine::operator::{At, Out, Taken, Timed};
use crate::engine::windowing::event_time;
use crate::engine::{RestoreError, RowError};
use crate::model::{Millis, Row, Value};
use crate::plan::Join;

pub struct Interval {
    matching: Matching,
    times: [usize; 2],
    /// How much later than a row of this side its latest partner is; negative: how much earlier.
    after_ms: [Millis; 2],
    delay_ms: Millis,
    /// See [`Interval::new`].
    punctual: bool,
}

/// A row that waits for partners.
struct Waiting {
    row: Row,
    /// It has been put out with one.
    joined: bool,
}

/// Rows of one side and key by time.
#[derive(Default)]
struct Side {
    rows: BTreeMap<Millis, Vec<Waiting>>,
    /// When they are looked through next.
    clean_up: Option<Millis>,
}

#[derive(Default)]
pub struct State {
    keys: Keyed<[Side; 2]>,
    /// Rows of this side up to this time have been given up.
    expired: [Millis; 2],
    bytes: usize,
}

impl Interval {
    /// The right row's time is between the left one's `+ lower_ms` and `+ upper_ms`, both included.
    ///
    /// A row without a partner comes out at a clean-up, when Flink's own watermark has passed it, so that windows above
    /// count it as late or not by how often watermarks come. That must not depend on the ticks and restarts of a
    /// gateway. So with `punctual` (the device rule is below, whose watermarks follow the clock, too, and something
    /// above remembers rows) each row is cleaned up at its own time at the latest, where Flink lets one that came after
    /// a newer one wait for that one's clean-up, and the watermark is held back until then: no row comes out late.
    pub fn new(join: &Join, times: [usize; 2], lower_ms: Millis, upper_ms: Millis, punctual: bool) -> Interval {
        let (after_ms, matching) = ([upper_ms, -lower_ms], Matching::new(join));
        let punctual = punctual && (matching.keeps(LEFT) || matching.keeps(RIGHT));
        let spare_ms = (after_ms[LEFT] + after_ms[RIGHT]) / 2 + 1;
        let delay_ms = match punctual {
            _ if after_ms[LEFT] + after_ms[RIGHT] < 0 => 0,
            true => after_ms[LEFT].max(after_ms[RIGHT]) + spare_ms,
            false => after_ms[LEFT].max(after_ms[RIGHT]),
        };
        Interval { matching, times, after_ms, delay_ms, punctual }
    }

    /// No two rows can be partners.
    fn is_void(&self) -> bool {
        self.after_ms[LEFT] + self.after_ms[RIGHT] < 0
    }

    /// Up to which time rows of the side can have no partner that is yet to come.
    fn expiry(&self, port: usize, watermark: Millis) -> Millis {
        match watermark {
            Millis::MAX => Millis::MAX,
            _ => watermark.saturating_sub(self.after_ms[port]).saturating_sub(1),
        }
    }

    fn clean_up_of(&self, port: usize, time: Millis) -> Millis {
        let spare = (self.after_ms[LEFT] + self.after_ms[RIGHT]) / 2;
        time.saturating_add(self.after_ms[port]).saturating_add(spare).saturating_add(1)
    }

    /// Joins the row with what waits on the other side. Nothing changes but the marks of those that were joined.
    fn meet(&self, port: usize, row: &[Value], time: Millis, other: &mut Side, at: &At, out: &mut Out) -> bool {
        let mut met = false;
        let range = time.saturating_sub(self.after_ms[1 - port])..=time.saturating_add(self.after_ms[port]);
        for waiting in other.rows.range_mut(range).flat_map(|(_, rows)| rows) {
            match self.matching.joined(port, row, &waiting.row, &at.context) {
                Ok(Some(joined)) => {
                    out.push(joined);
                    waiting.joined = true;
                    met = true;
                }
                Ok(None) => {}
                Err((joined, error)) => out.failed.push((joined, error.into())),
            }
        }
        met
    }

    /// Throws away what has expired on a side, and puts out what had no partner.
    fn expire(&self, port: usize, side: &mut Side, expired: Millis, bytes: &mut usize, out: &mut Out) {
        while let Some(first) = side.rows.first_entry().filter(|first| *first.key() <= expired) {
            for waiting in first.remove() {
                *bytes -= bytes_of(&waiting.row);
                if self.matching.keeps(port) && !waiting.joined {
                    out.push(self.matching.padded(port, &waiting.row));
                }
            }
        }
    }

    fn schedule(state: &mut State, slot: u32) {
        let Some(sides) = state.keys.get(slot) else { return };
        if sides.iter().all(|side| side.rows.is_empty() && side.clean_up.is_none()) {
            state.keys.remove(slot);
        } else {
            let due = sides.iter().filter_map(|side| side.clean_up).min();
            state.keys.schedule(slot, due);
        }
    }
}

impl Timed for Interval {
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
        let (key, keeps, other) = (self.matching.key(), self.matching.keeps(port), 1 - port);
        let lonely = has_null(key);
        if self.is_void() || (lonely && !keeps) {
            if keeps {
                out.push(self.matching.padded(port, row));
                return Ok(Taken::Kept);
            }
            return Ok(Taken::Filtered);
        }
        let slot = state.keys.find_or_add(key, Default::default);
        let Some(sides) = state.keys.get_mut(slot) else { return Ok(Taken::Late) };
        let mut joined = false;
        let latest = time.saturating_add(self.after_ms[port]);
        if state.expired[other] < latest {
            state.expired[other] = self.expiry(other, at.watermark);
            joined = !lonely && self.meet(port, row, time, &mut sides[other], at, out);
            self.expire(other, &mut sides[other], state.expired[other], &mut state.bytes, out);
        }
        let waits = at.watermark < latest;
        if waits {
            state.bytes += bytes_of(row);
            sides[port].rows.entry(time).or_default().push(Waiting { row: row.to_vec(), joined });
            let clean_up = self.clean_up_of(port, time);
            if sides[port].clean_up.is_none_or(|before| self.punctual && clean_up < before) {
                sides[port].clean_up = Some(clean_up);
            }
        } else if keeps && !joined {
            out.push(self.matching.padded(port, row));
        }
        Interval::schedule(state, slot);
        Ok(if waits || joined || keeps { Taken::Kept } else { Taken::Late })
    }

    fn next_due(&self, state: &State) -> Option<Millis> {
        state.keys.next_due()
    }

    fn fire(&mut self, state: &mut State, at: &At, out: &mut Out) -> bool {
        let Some(slot) = state.keys.first_due(at.watermark) else { return false };
        let due = state.keys.next_due();
        let Some(sides) = state.keys.get_mut(slot) else { return false };
        // Flink's order: what the left side's timer throws away comes from the right side.
        for port in [RIGHT, LEFT] {
            let side = &mut sides[port];
            if side.clean_up.is_none() || side.clean_up != due {
                continue;
            }
            state.expired[port] = self.expiry(port, at.watermark);
            self.expire(port, side, state.expired[port], &mut state.bytes, out);
            side.clean_up = side.rows.first_key_value().map(|(time, _)| self.clean_up_of(port, *time));
        }
        Interval::schedule(state, slot);
        true
    }

    fn is_empty(&self, state: &State) -> bool {
        // Without rows, how far they have expired decides nothing.
        state.keys.len() == 0
    }

    fn state_bytes(&self, state: &State) -> usize {
        state.keys.bytes() + state.bytes
    }

    fn write(&self, state: &State, writer: &mut Writer) {
        state.expired.iter().for_each(|expired| writer.signed(*expired));
        state.keys.write(writer, |sides, writer| {
            for side in sides {
                writer.time(side.clean_up);
                writer.count(side.rows.values().map(Vec::len).sum());
                for (time, waiting) in side.rows.iter().flat_map(|(time, rows)| rows.iter().map(move |row| (time, row)))
                {
                    writer.signed(*time);
                    writer.byte(u8::from(waiting.joined));
                    writer.row(&waiting.row);
                }
            }
        });
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<State, RestoreError> {
        let expired = [reader.signed()?, reader.signed()?];
        let mut bytes = 0;
        let keys = Keyed::read(reader, self.matching.key_columns(), |reader| {
            let mut sides: [Side; 2] = Default::default();
            for (side, width) in sides.iter_mut().zip(self.matching.widths) {
                side.clean_up = reader.time()?;
                for _ in 0..reader.count()? {
                    let (time, joined) = (reader.signed()?, reader.byte()? != 0);
                    let row = reader.row(width)?;
                    bytes += bytes_of(&row);
                    side.rows.entry(time).or_default().push(Waiting { row, joined });
                }
            }
            Ok(sides)
        })?;
        Ok(State { keys, expired, bytes })
    }

    fn delay_ms(&self) -> Millis {
        self.delay_ms
    }
}
