//! Topic aliases of one connection, both ways (specification section 3.3.2.3.4). They end with it.

use std::collections::HashMap;

use bytes::Bytes;

use super::connect::copied;
use super::reason::{Fault, QUOTA};

/// Topics that the client's aliases name, in bytes.
const BYTES_MAX: usize = 64 << 10;

/// Aliases that we give to a client that takes some, and the longest topics that get one.
const OURS_MAX: usize = 32;
const OURS_BYTES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// Topics by the client's aliases, less one.
    topics: Vec<Bytes>,
    bytes: usize,
    ours: HashMap<Bytes, u16>,
}

impl Aliases {
    /// Notes the topic's alias, or puts the topic in its place. The alias is not 0 and within the limit.
    pub fn resolve(&mut self, topic: &mut Bytes, alias: u16) -> Result<(), Fault> {
        let at = usize::from(alias) - 1;
        if topic.is_empty() {
            let known = self.topics.get(at).filter(|known| !known.is_empty());
            *topic = known.ok_or(Fault::protocol("a topic alias that names no topic"))?.clone();
            return Ok(());
        }
        if self.topics.len() <= at {
            self.topics.resize(at + 1, Bytes::new());
        }
        self.bytes = self.bytes + topic.len() - self.topics[at].len();
        if self.bytes > BYTES_MAX {
            return Err(Fault::new(QUOTA, "topic aliases for more than 64 KiB of topics"));
        }
        self.topics[at] = copied(topic);
        Ok(())
    }

    /// Our alias of a topic, where the client takes aliases and there is one left; true: it knows it already.
    pub fn of(&mut self, topic: &Bytes, client_max: u16) -> Option<(u16, bool)> {
        let most = usize::from(client_max).min(OURS_MAX);
        if most == 0 {
            return None;
        }
        if let Some(alias) = self.ours.get(topic) {
            return Some((*alias, true));
        }
        if self.ours.len() >= most || topic.len() > OURS_BYTES_MAX {
            return None;
        }
        let free = (1..=most as u16).find(|alias| self.ours.values().all(|other| other != alias))?;
        self.ours.insert(copied(topic), free);
        Some((free, false))
    }

    /// The packet that was to tell the client of it was not sent.
    pub fn forget(&mut self, alias: u16) {
        self.ours.retain(|_, other| *other != alias);
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::PROTOCOL_ERROR;
    use super::*;

    #[test]
    fn the_clients_aliases_name_what_they_last_named() {
        let mut aliases = Aliases::default();
        let mut resolved = |topic: &'static str, alias| {
            let mut topic = Bytes::from(topic);
            aliases.resolve(&mut topic, alias).map(|()| topic).map_err(|fault| fault.code)
        };
        assert_eq!(resolved("", 1), Err(PROTOCOL_ERROR));
        assert_eq!(resolved("a", 3), Ok("a".into()));
        assert_eq!(resolved("", 3), Ok("a".into()));
        assert_eq!(resolved("", 2), Err(PROTOCOL_ERROR));
        assert_eq!(resolved("b", 3), Ok("b".into()));
        assert_eq!(resolved("", 3), Ok("b".into()));
        let mut long = Bytes::from(vec![b'x'; BYTES_MAX]);
        assert_eq!(aliases.resolve(&mut long, 4).map_err(|fault| fault.code), Err(QUOTA));
    }

    #[test]
    fn ours_are_told_once_and_no_more_than_the_client_takes() {
        let mut aliases = Aliases::default();
        let (a, b, c) = (Bytes::from("a"), Bytes::from("b"), Bytes::from("c"));
        assert_eq!(aliases.of(&a, 0), None);
        assert_eq!([aliases.of(&a, 2), aliases.of(&a, 2)], [Some((1, false)), Some((1, true))]);
        assert_eq!([aliases.of(&b, 2), aliases.of(&c, 2)], [Some((2, false)), None]);
        aliases.forget(1);
        assert_eq!(aliases.of(&c, 2), Some((1, false)));
        assert_eq!(aliases.of(&Bytes::from(vec![b'x'; 300]), 9), None);
    }
}
