//! From a topic there to the topic here.

use bytes::Bytes;

use crate::config::{BridgeTopic, TopicPart};
use crate::sources::mqtt::captures;

/// MQTT's own limit.
const TOPIC_BYTES_MAX: usize = 65_535;

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No topic of the bridge takes it: it comes from a subscription of before, or from an overlapping one.
    OtherTopic,
    /// What its topic would be here is none.
    NoTopic,
}

pub(super) struct Topics {
    topics: Vec<BridgeTopic>,
    levels_max: usize,
}

impl Topics {
    pub fn new(topics: &[BridgeTopic], levels_max: usize) -> Topics {
        Topics { topics: topics.to_vec(), levels_max }
    }

    /// The first of the bridge's topics that takes it decides.
    pub fn here(&self, there: &str) -> Result<Bytes, Refusal> {
        let taken = |topic: &BridgeTopic| captures(&topic.from, there).map(|captured| (topic.to.clone(), captured));
        let (to, captured) = self.topics.iter().find_map(taken).ok_or(Refusal::OtherTopic)?;
        let mut here = String::new();
        for part in &to.parts {
            match part {
                TopicPart::Literal(text) => here.push_str(text),
                TopicPart::Column(level) => here.push_str(captured.get(*level).map_or("", |text| text)),
            }
        }
        let right = !here.is_empty()
            && here.len() <= TOPIC_BYTES_MAX
            && !here.starts_with('$')
            && !here.contains(['+', '#', '\0'])
            && here.split('/').count() <= self.levels_max;
        if right { Ok(here.into()) } else { Err(Refusal::NoTopic) }
    }
}
