//! Which of our own starts a position in Kafka may have been written in: the small durable table `sink/<name>/starts`.
//!
//! Each start of the daemon has a random id, and a sink names it in the metadata of every offset that it commits in
//! Kafka. The table keeps, for each start whose positions Kafka may still hold, where the sink's log stood when that
//! start ended. A database that went back in time knows that its old start ended earlier than Kafka says, and so does
//! not take its new records for delivered ones.
//!
//! Layout, as text: one line a start, oldest first: `<id> <end of its log, or ->  <used|unused>`. Only the last line has
//! no end; it is the running start. `used` is written before the start's first transaction.
//!
//! Holds always: the table is durable before the first record of its start is appended, and at most
//! [`STARTS_MAX`] lines long.

use uuid::Uuid;

/// Starts that made transactions none of which is known to have been committed; more than that are a crash loop with a
/// half-reachable Kafka, and the oldest are forgotten.
pub const STARTS_MAX: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starts {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    id: Uuid,
    /// The next offset of the log when the start ended; `None` while it runs.
    end: Option<u64>,
    used: bool,
}

/// What the table says of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Running,
    /// Its log's next offset when it ended.
    Ended(u64),
    /// This store never made it, or it went back to a time before it.
    Unknown,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the table of starts is damaged at {0:?}")]
pub struct DamagedStarts(String);

impl Starts {
    /// At boot, when the sink's log ends at `log_end`.
    pub fn begin(&mut self, id: Uuid, log_end: u64) {
        self.lines.retain(|line| line.used);
        if let Some(last) = self.lines.last_mut() {
            last.end = last.end.or(Some(log_end));
        }
        let excess = (self.lines.len() + 1).saturating_sub(STARTS_MAX);
        self.lines.drain(..excess);
        self.lines.push(Line { id, end: None, used: false });
    }

    /// Before a transaction of the running start; says whether that changed anything.
    pub fn mark_used(&mut self) -> bool {
        match self.lines.last_mut() {
            Some(line) if !line.used => {
                line.used = true;
                true
            }
            _ => false,
        }
    }

    /// Kafka holds a position of the running start now: no older one can come back. Says whether that changed anything.
    pub fn confirm(&mut self) -> bool {
        let old = self.lines.len().saturating_sub(1);
        self.lines.drain(..old);
        old > 0
    }

    /// Whether an earlier start made transactions whose outcome is not known.
    pub fn has_earlier(&self) -> bool {
        self.lines.len() > 1
    }

    pub fn current(&self) -> Option<Uuid> {
        self.lines.last().map(|line| line.id)
    }

    pub fn of(&self, id: Uuid) -> Known {
        match self.lines.iter().find(|line| line.id == id) {
            None => Known::Unknown,
            Some(Line { end: None, .. }) => Known::Running,
            Some(Line { end: Some(end), .. }) => Known::Ended(*end),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let line = |line: &Line| {
            let end = line.end.map_or("-".to_owned(), |end| end.to_string());
            format!("{} {end} {}\n", line.id, if line.used { "used" } else { "unused" })
        };
        self.lines.iter().map(line).collect::<String>().into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Starts, DamagedStarts> {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().map(|line| parse(line).ok_or_else(|| DamagedStarts(line.to_owned())));
        Ok(Starts { lines: lines.collect::<Result<_, _>>()? })
    }
}

fn parse(line: &str) -> Option<Line> {
    let mut words = line.split(' ');
    let id = Uuid::parse_str(words.next()?).ok()?;
    let end = match words.next()? {
        "-" => None,
        number => Some(number.parse().ok()?),
    };
    let used = match words.next()? {
        "used" => true,
        "unused" => false,
        _ => return None,
    };
    words.next().is_none().then_some(Line { id, end, used })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn a_start_ends_where_the_next_one_begins_even_if_that_one_did_nothing() {
        let mut starts = Starts::default();
        starts.begin(id(1), 0);
        assert!(starts.mark_used());
        assert!(!starts.mark_used());
        starts.begin(id(2), 100);
        starts.begin(id(3), 150);
        assert_eq!(starts.of(id(1)), Known::Ended(100));
        assert_eq!(starts.of(id(2)), Known::Unknown, "it made no transaction");
        assert_eq!(starts.of(id(3)), Known::Running);
        assert!(starts.confirm());
        assert!(!starts.confirm());
        assert_eq!(starts.of(id(1)), Known::Unknown);
        assert_eq!(starts.current(), Some(id(3)));
    }

    #[test]
    fn damage_is_an_error() {
        for text in ["x", "00000000-0000-0000-0000-000000000001 5", "00000000-0000-0000-0000-000000000001 -5 used"] {
            assert!(Starts::decode(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_the_table_stays_small(steps in prop::collection::vec((any::<u64>(), any::<bool>(), 0..20u8), 0..200)) {
            let mut starts = Starts::default();
            for (n, (end, used, confirmed)) in steps.iter().enumerate() {
                starts.begin(id(n as u128), *end);
                if *used {
                    starts.mark_used();
                }
                if *used && *confirmed == 0 {
                    starts.confirm();
                }
                prop_assert!(starts.encode().len() <= STARTS_MAX * 80);
                prop_assert_eq!(Starts::decode(&starts.encode()), Ok(starts.clone()));
            }
        }
    }
}
