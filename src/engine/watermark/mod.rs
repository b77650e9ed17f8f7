//! Where event time stands: the rules by which rows, and for devices the clock, move watermarks (DESIGN: SQL).
//!
//! Holds always: a watermark starts at 0 (1970) and never goes back; a row is judged by the watermark *before* it; the
//! rules are pure: what comes out depends on rows, `now` and nothing else, and not on how ticks cut them.
//! Knows nothing of windows or queries.

mod device;
#[cfg(test)]
mod reference;

pub use device::{DEVICES_MAX, DeviceRule, TimeMoves};

use super::RestoreError;
use super::codec::{Reader, Writer};
use crate::model::{Millis, Now, Value};
use crate::plan::Watermark;

/// A watermark before and after something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    pub from: Millis,
    pub to: Millis,
}

impl Move {
    pub fn is_none(self) -> bool {
        self.from == self.to
    }
}

/// What one row did. The row itself is judged by the `from`s.
#[derive(Clone, Debug, PartialEq)]
pub struct RowMoves {
    /// Of the row's own device; the same as `shared` where there is one time line only.
    pub device: Move,
    pub shared: Move,
    /// A device that had to make room: its windows close, and if it returns it starts anew.
    pub forgotten: Option<Value>,
}

/// The rule of one source, with its state.
pub enum Rule {
    /// No event time.
    None,
    /// Flink's: one time line, watermark = largest `event time - delay`.
    Source {
        delay_ms: Millis,
        watermark: Millis,
    },
    Device(Box<DeviceRule>),
}

const VERSION: u8 = 1;

impl Rule {
    pub fn new(watermark: &Watermark) -> Rule {
        match watermark {
            Watermark::None => Rule::None,
            Watermark::Source { delay_ms } => Rule::Source { delay_ms: *delay_ms, watermark: 0 },
            Watermark::Device(settings) => Rule::Device(Box::new(DeviceRule::new(settings.clone(), DEVICES_MAX))),
        }
    }

    pub fn shared(&self) -> Millis {
        match self {
            Rule::None => 0,
            Rule::Source { watermark, .. } => *watermark,
            Rule::Device(rule) => rule.shared(),
        }
    }

    /// The event time that counts for a row: one too far ahead of a trusted clock is pulled back.
    pub fn clamp(&self, event_time: Millis, now: Now) -> Millis {
        match self {
            Rule::Device(rule) => rule.clamp(event_time, now),
            Rule::None | Rule::Source { .. } => event_time,
        }
    }

    /// Takes a row. Time must have been advanced to its tick's `now` before.
    pub fn row(&mut self, device: &Value, event_time: Millis) -> RowMoves {
        match self {
            Rule::None => {
                let none = Move { from: 0, to: 0 };
                RowMoves { device: none, shared: none, forgotten: None }
            }
            Rule::Source { delay_ms, watermark } => {
                let from = *watermark;
                *watermark = from.max(event_time.saturating_sub(*delay_ms));
                let shared = Move { from, to: *watermark };
                RowMoves { device: shared, shared, forgotten: None }
            }
            Rule::Device(rule) => rule.row(device, event_time),
        }
    }

    pub fn state_bytes(&self) -> usize {
        match self {
            Rule::None | Rule::Source { .. } => 0,
            Rule::Device(rule) => rule.state_bytes(),
        }
    }

    pub fn snapshot(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.byte(VERSION);
        match self {
            Rule::None => writer.byte(0),
            Rule::Source { watermark, .. } => {
                writer.byte(1);
                writer.signed(*watermark);
            }
            Rule::Device(rule) => {
                writer.byte(2);
                rule.write(&mut writer);
            }
        }
        writer.finish()
    }

    /// Replaces the state; after an error it is as it was.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let mut reader = Reader::new(state);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(RestoreError(format!("it has version {version}, this is version {VERSION}")));
        }
        match (reader.byte()?, self) {
            (0, Rule::None) => reader.end(),
            (1, Rule::Source { watermark, .. }) => {
                let restored = reader.signed()?;
                reader.end()?;
                if restored < 0 {
                    return Err(RestoreError("a watermark is negative".to_owned()));
                }
                *watermark = restored;
                Ok(())
            }
            (2, Rule::Device(rule)) => {
                let restored = rule.read(&mut reader)?;
                reader.end()?;
                **rule = restored;
                Ok(())
            }
            _ => Err(RestoreError("it belongs to another watermark rule".to_owned())),
        }
    }
}
