//! Topics: which names are fit, which exist, and what happens to records of those that do not.
//!
//! A topic that is written literally in the configuration is somebody's plan: if it is missing, the sink waits for it.
//! One that was made from a column is data: its records wait [`UNKNOWN_WAIT`] and then become dead letters, and the
//! number of such topics is bounded. Knows nothing of librdkafka: the shell asks Kafka and tells.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Topics made from columns that one sink writes to.
pub const COLUMN_TOPICS_MAX: usize = 1_000;
/// How long records for a topic from a column wait for it.
pub const UNKNOWN_WAIT: Duration = Duration::from_secs(30);
/// How long an answer "not there" is believed.
const UNKNOWN_BELIEVED: Duration = Duration::from_secs(2);
/// How long a topic that was given up is not asked for again.
const GIVEN_UP_BELIEVED: Duration = Duration::from_secs(60);
/// Kafka's own limit.
const NAME_BYTES_MAX: usize = 249;

#[derive(Debug)]
pub struct Topics {
    literal: BTreeSet<String>,
    from_columns: usize,
    standings: BTreeMap<String, Standing>,
}

#[derive(Debug)]
enum Standing {
    Ready,
    Missing { reason: String, since: Instant, asked: Instant },
}

/// What to do with a record for a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Send,
    /// Ask Kafka for the topic, then decide again.
    Ask,
    /// Nothing behind it may go before it: wait and ask again.
    Wait(String),
    DeadLetter(String),
}

impl Topics {
    pub fn new(literal: impl IntoIterator<Item = String>) -> Topics {
        Topics { literal: literal.into_iter().collect(), from_columns: 0, standings: BTreeMap::new() }
    }

    pub fn fate(&self, topic: &str, now: Instant) -> Fate {
        let literal = self.literal.contains(topic);
        match self.standings.get(topic) {
            Some(Standing::Ready) => Fate::Send,
            Some(Standing::Missing { reason, since, asked }) => {
                let given_up = !literal && now.duration_since(*since) >= UNKNOWN_WAIT;
                let believed = if given_up { GIVEN_UP_BELIEVED } else { UNKNOWN_BELIEVED };
                match (now.duration_since(*asked) >= believed, given_up) {
                    (true, _) => Fate::Ask,
                    (false, true) => Fate::DeadLetter(reason.clone()),
                    (false, false) => Fate::Wait(reason.clone()),
                }
            }
            None if literal => Fate::Ask,
            None => match unfit(topic) {
                Some(why) => Fate::DeadLetter(why),
                None if self.from_columns >= COLUMN_TOPICS_MAX => Fate::DeadLetter(format!(
                    "topic \"{topic}\" would be one more than the {COLUMN_TOPICS_MAX} that a sink's columns may name"
                )),
                None => Fate::Ask,
            },
        }
    }

    /// Kafka has the topic and lets us write to it, as far as it tells.
    pub fn ready(&mut self, topic: &str) {
        self.set(topic, Standing::Ready);
    }

    /// Kafka has not got it, or refuses it.
    pub fn missing(&mut self, topic: &str, reason: String, now: Instant) {
        let since = match self.standings.get(topic) {
            Some(Standing::Missing { since, .. }) => *since,
            _ => now,
        };
        self.set(topic, Standing::Missing { reason, since, asked: now });
    }

    /// A new connection: what was ready is asked for again; what was missing keeps its age.
    pub fn forget_ready(&mut self) {
        self.standings.retain(|_, standing| matches!(standing, Standing::Missing { .. }));
        self.from_columns = self.standings.keys().filter(|topic| !self.literal.contains(*topic)).count();
    }

    fn set(&mut self, topic: &str, standing: Standing) {
        if self.standings.insert(topic.to_owned(), standing).is_none() && !self.literal.contains(topic) {
            self.from_columns += 1;
        }
    }
}

/// Why a name made from a column cannot be a topic; `None` if it can.
pub fn unfit(topic: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic == "." || topic == ".." {
        Some(format!("\"{topic}\" is no topic name"))
    } else if topic.len() > NAME_BYTES_MAX {
        Some(format!("a topic name of {} bytes is longer than the {NAME_BYTES_MAX} that Kafka allows", topic.len()))
    } else {
        let wrong = topic.chars().find(|c| !allowed(*c))?;
        Some(format!("topic {topic:?} has the character {wrong:?}; a topic name is made of A-Z a-z 0-9 . _ -"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for fit in ["a", "devices.eu-west.telemetry", "A_1", "...", &"x".repeat(249)] {
            assert_eq!(unfit(fit), None, "{fit}");
        }
        for wrong in ["", ".", "..", "a/b", "a b", "ä", "a\0", &"x".repeat(250)] {
            assert!(unfit(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn a_literal_topic_is_waited_for_without_end() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut topics = Topics::new(["plan".to_owned()]);
        assert_eq!(topics.fate("plan", at(0)), Fate::Ask);
        topics.missing("plan", "none".to_owned(), at(0));
        assert_eq!(topics.fate("plan", at(1)), Fate::Wait("none".to_owned()));
        assert_eq!(topics.fate("plan", at(1_000_000)), Fate::Ask);
        topics.missing("plan", "none".to_owned(), at(1_000_000));
        assert_eq!(topics.fate("plan", at(1_000_001)), Fate::Wait("none".to_owned()));
        topics.ready("plan");
        assert_eq!(topics.fate("plan", at(1_000_001)), Fate::Send);
    }

    #[test]
    fn a_topic_from_a_column_is_given_up_and_asked_for_again_later() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut topics = Topics::new([]);
        topics.missing("data", "none".to_owned(), at(0));
        assert_eq!(topics.fate("data", at(1)), Fate::Wait("none".to_owned()));
        topics.missing("data", "none".to_owned(), at(30));
        assert_eq!(topics.fate("data", at(31)), Fate::DeadLetter("none".to_owned()));
        topics.forget_ready();
        assert_eq!(topics.fate("data", at(31)), Fate::DeadLetter("none".to_owned()), "a reconnection changes nothing");
        assert_eq!(topics.fate("data", at(90)), Fate::Ask);
        topics.ready("data");
        assert_eq!(topics.fate("data", at(91)), Fate::Send);
    }

    #[test]
    fn topics_from_columns_are_bounded_and_literal_ones_are_not() {
        let now = Instant::now();
        let mut topics = Topics::new((0..2_000).map(|n| format!("plan{n}")));
        (0..2_000).for_each(|n| topics.ready(&format!("plan{n}")));
        (0..COLUMN_TOPICS_MAX).for_each(|n| topics.ready(&format!("data{n}")));
        assert_eq!(topics.fate("data1", now), Fate::Send);
        assert!(matches!(topics.fate("one-more", now), Fate::DeadLetter(_)));
        topics.forget_ready();
        assert_eq!(topics.fate("one-more", now), Fate::Ask);
    }
}
