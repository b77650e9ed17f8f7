//! Which sources take a topic, and what the topic's levels give them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{Input, Level, Source};

/// A source that takes a topic, and the levels it captures, in the order of its first columns.
pub type Target = (usize, Vec<Arc<str>>);

/// Every MQTT source's pattern, sorted by the first level where that is literal.
#[derive(Clone, Debug, Default)]
pub struct TopicMap {
    by_first: HashMap<String, Vec<usize>>,
    /// Patterns that begin with a capture or a wildcard.
    any_first: Vec<usize>,
    /// Levels by source; empty for sources of another kind.
    levels: Vec<Vec<Level>>,
}

impl TopicMap {
    pub fn new(sources: &[Source]) -> TopicMap {
        let mut map = TopicMap::default();
        for (index, source) in sources.iter().enumerate() {
            let levels = match &source.input {
                Input::Mqtt { levels } => levels.clone(),
                Input::Modbus(_) => Vec::new(),
            };
            match levels.first() {
                Some(Level::Literal(first)) => map.by_first.entry(first.clone()).or_default().push(index),
                Some(_) => map.any_first.push(index),
                None => {}
            }
            map.levels.push(levels);
        }
        map
    }

    /// The sources that take `topic`, in order of their index.
    pub fn matches(&self, topic: &str) -> Vec<Target> {
        let first = topic.split('/').next().unwrap_or_default();
        let named = self.by_first.get(first).map_or(&[][..], Vec::as_slice);
        let mut targets: Vec<Target> = named
            .iter()
            .chain(&self.any_first)
            .filter_map(|source| Some((*source, captures(&self.levels[*source], topic)?)))
            .collect();
        targets.sort_unstable_by_key(|(source, _)| *source);
        targets
    }
}

/// The captured levels, if the pattern takes the topic. As in MQTT, wildcards leave topics that begin with `$` alone.
pub fn captures(levels: &[Level], topic: &str) -> Option<Vec<Arc<str>>> {
    if topic.starts_with('$') && !matches!(levels.first(), Some(Level::Literal(_))) {
        return None;
    }
    let mut captures = Vec::new();
    let mut rest = Some(topic);
    for level in levels {
        if *level == Level::AnyRest {
            return Some(captures);
        }
        if let Level::CaptureRest(_) = level {
            captures.push(Arc::from(rest?));
            return Some(captures);
        }
        let (found, tail) = match rest?.split_once('/') {
            Some((found, tail)) => (found, Some(tail)),
            None => (rest?, None),
        };
        match level {
            Level::Literal(text) if text != found => return None,
            Level::Capture(_) => captures.push(Arc::from(found)),
            _ => {}
        }
        rest = tail;
    }
    rest.is_none().then_some(captures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Format;
    use crate::model::Schema;

    fn source(pattern: &str) -> Source {
        let level = |text: &str| match text {
            "+" => Level::AnyOne,
            "#" => Level::AnyRest,
            _ => match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
                Some(name) => match name.strip_suffix('#') {
                    Some(name) => Level::CaptureRest(name.to_owned()),
                    None => Level::Capture(name.to_owned()),
                },
                None => Level::Literal(text.to_owned()),
            },
        };
        Source {
            name: pattern.to_owned(),
            input: Input::Mqtt { levels: pattern.split('/').map(level).collect() },
            format: Format::Raw,
            schema: Schema::default(),
            captures: 0,
            arrived_at: true,
        }
    }

    fn matches(patterns: &[&str], topic: &str) -> Vec<(usize, String)> {
        let sources: Vec<Source> = patterns.iter().map(|pattern| source(pattern)).collect();
        let found = TopicMap::new(&sources).matches(topic);
        found.into_iter().map(|(source, captures)| (source, captures.join(","))).collect()
    }

    #[test]
    fn captures_literals_and_wildcards() {
        let patterns = ["dev/{device}/telemetry", "{site}/{device}/telemetry", "dev/+/telemetry", "dev/#", "dev"];
        let expected = [(0, "p1".to_owned()), (1, "dev,p1".to_owned()), (2, String::new()), (3, String::new())];
        assert_eq!(matches(&patterns, "dev/p1/telemetry"), expected);
        assert_eq!(matches(&patterns, "dev"), [(3, String::new()), (4, String::new())]);
        assert_eq!(matches(&patterns, "dev/p1/telemetry/x"), [(3, String::new())]);
        assert_eq!(matches(&["dev/{device}/t"], "dev//t"), [(0, String::new())]);
        assert_eq!(matches(&["{a}/{b}", "#", "$SYS/{x}"], "$SYS/up"), [(2, "up".to_owned())]);
        assert_eq!(matches(&["{site}/{path#}"], "dev/p1/telemetry/x"), [(0, "dev,p1/telemetry/x".to_owned())]);
        assert_eq!(matches(&["dev/{path#}", "dev/#"], "dev"), [(1, String::new())], "the rest is one level at least");
        assert!(matches(&patterns, "other").is_empty());
    }
}
