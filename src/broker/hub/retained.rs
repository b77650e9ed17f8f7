//! The retained messages: the last one of each topic that was published to be kept, in order of the topics.
//!
//! All of them are in memory, bounded by count and bytes. A wildcard is answered in pieces, so that neither a subscriber's
//! queue nor a tick has to hold a hundred thousand of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::super::inbound::{Options, Publish};
use super::tree;

/// What became of a message that was to be retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Set,
    Cleared,
    /// There was nothing to clear.
    Nothing,
    /// There is no room for one more.
    Refused,
}

#[derive(Debug, Default)]
pub(super) struct Retained {
    messages: BTreeMap<Bytes, Arc<Publish>>,
    expiring: BTreeSet<(Instant, Bytes)>,
    bytes: usize,
}

/// A subscription's retained messages on their way to its session.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    pub filter: String,
    pub options: Options,
    pub id: u32,
    /// The last topic that was looked at.
    after: Option<Bytes>,
}

impl Replay {
    pub fn new(filter: String, options: Options, id: u32) -> Replay {
        Replay { filter, options, id, after: None }
    }
}

impl Retained {
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps the message as the last one of its topic; one without a payload takes the last one away.
    pub fn set(&mut self, publish: Arc<Publish>, count_max: usize, bytes_max: usize) -> Kept {
        let topic = publish.topic.clone();
        if publish.payload.is_empty() {
            return if self.remove(&topic) { Kept::Cleared } else { Kept::Nothing };
        }
        let before = self.messages.get(&topic).map_or(0, |before| before.held_bytes());
        let count = self.messages.len() + usize::from(before == 0);
        if count > count_max || self.bytes - before + publish.held_bytes() > bytes_max {
            return Kept::Refused;
        }
        self.remove(&topic);
        self.bytes += publish.held_bytes();
        if let Some(at) = publish.expires_at {
            self.expiring.insert((at, topic.clone()));
        }
        self.messages.insert(topic, publish);
        Kept::Set
    }

    fn remove(&mut self, topic: &Bytes) -> bool {
        let Some(gone) = self.messages.remove(topic) else { return false };
        self.bytes -= gone.held_bytes();
        if let Some(at) = gone.expires_at {
            self.expiring.remove(&(at, topic.clone()));
        }
        true
    }

    /// Takes away one whose time is over; gives its topic.
    pub fn expire_one(&mut self, now: Instant) -> Option<Bytes> {
        let topic = self.expiring.first().filter(|(at, _)| *at <= now)?.1.clone();
        self.remove(&topic);
        Some(topic)
    }

    /// The next messages of a replay, at most `found_max`, after looking at no more than `looked_max` topics (counted
    /// down); true when it is at its end.
    pub fn next(
        &self,
        replay: &mut Replay,
        found_max: usize,
        looked_max: &mut usize,
        found: &mut Vec<Arc<Publish>>,
    ) -> bool {
        let filter = replay.filter.as_str();
        let Some(wildcard) = filter.find(['+', '#']) else {
            found.extend(self.messages.get(filter.as_bytes()).cloned());
            return true;
        };
        // "a/#" takes "a" too.
        let prefix = &filter[..wildcard];
        let prefix = if &filter[wildcard..] == "#" { prefix.strip_suffix('/').unwrap_or(prefix) } else { prefix };
        let from = match &replay.after {
            Some(after) => Bound::Excluded(&after[..]),
            None => Bound::Included(prefix.as_bytes()),
        };
        let before = found.len();
        for (topic, publish) in self.messages.range::<[u8], _>((from, Bound::Unbounded)) {
            if !topic.starts_with(prefix.as_bytes()) {
                return true;
            }
            if found.len() - before >= found_max || *looked_max == 0 {
                return false;
            }
            *looked_max -= 1;
            replay.after = Some(topic.clone());
            if tree::matches(&replay.filter, publish.topic_str()) {
                found.push(Arc::clone(publish));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn publish(topic: &str, payload: &str) -> Arc<Publish> {
        Arc::new(Publish { retain: true, ..Publish::new(topic.to_owned(), payload.to_owned(), 1) })
    }

    proptest! {
        #[test]
        fn a_replay_in_pieces_finds_what_a_look_at_all_finds(
            sets in prop::collection::vec(("(a|b|\\$s|)(/(a|b|c|)){0,3}", "[xy]?"), 0..40),
            filter in "(a|b|\\+|\\$s|)(/(a|b|\\+|)){0,3}(/#)?|#",
            found_max in 1..4usize,
            looked_max in 1..4usize,
        ) {
            let mut retained = Retained::default();
            let mut model = BTreeMap::new();
            for (topic, payload) in sets {
                if topic.is_empty() {
                    continue;
                }
                let kept = retained.set(publish(&topic, &payload), 1_000, 1 << 20);
                let was = if payload.is_empty() { model.remove(&topic) } else { model.insert(topic, payload.clone()) };
                let expected = match (payload.is_empty(), was) {
                    (false, _) => Kept::Set,
                    (true, Some(_)) => Kept::Cleared,
                    (true, None) => Kept::Nothing,
                };
                prop_assert_eq!(kept, expected);
            }
            prop_assert_eq!(retained.len(), model.len());
            let mut replay = Replay::new(filter.clone(), Options::default(), 0);
            let mut topics = Vec::new();
            for turn in 0.. {
                let (mut found, mut look) = (Vec::new(), looked_max);
                let done = retained.next(&mut replay, found_max, &mut look, &mut found);
                prop_assert!(found.len() <= found_max);
                topics.extend(found.iter().map(|publish| publish.topic_str().to_owned()));
                if done {
                    break;
                }
                prop_assert!(turn < 1_000, "it goes on for ever");
            }
            let expected: Vec<String> = model.into_keys().filter(|topic| tree::matches(&filter, topic)).collect();
            prop_assert_eq!(topics, expected);
        }
    }

    #[test]
    fn it_is_bounded_and_a_full_one_still_takes_news_of_its_topics() {
        let mut retained = Retained::default();
        assert_eq!(retained.set(publish("a", "1"), 2, 10_000), Kept::Set);
        assert_eq!(retained.set(publish("b", "1"), 2, 10_000), Kept::Set);
        assert_eq!(retained.set(publish("c", "1"), 2, 10_000), Kept::Refused);
        assert_eq!(retained.set(publish("a", "22"), 2, 10_000), Kept::Set);
        assert_eq!(retained.set(publish("a", &"x".repeat(10_000)), 2, 10_000), Kept::Refused);
        assert_eq!(retained.messages[&b"a"[..]].payload, "22");
        for topic in ["a", "b"] {
            assert_eq!(retained.set(publish(topic, ""), 2, 10_000), Kept::Cleared);
        }
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // Any instant will do.
    fn what_expires_goes_in_order_and_a_newer_one_lives_on() {
        let now = Instant::now();
        let mut retained = Retained::default();
        for (topic, seconds) in [("a", 5), ("b", 3), ("b", 9), ("c", 2)] {
            let publish = Publish::clone(&publish(topic, "x"));
            let publish = Publish { expires_at: Some(now + Duration::from_secs(seconds)), ..publish };
            retained.set(Arc::new(publish), 9, 10_000);
        }
        let later = now + Duration::from_secs(6);
        assert_eq!(retained.expire_one(later).as_deref(), Some(&b"c"[..]));
        assert_eq!(retained.expire_one(later).as_deref(), Some(&b"a"[..]));
        assert_eq!(retained.expire_one(later), None);
        assert_eq!(retained.len(), 1);
    }
}
