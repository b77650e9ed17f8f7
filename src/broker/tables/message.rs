//! `message`: messages that wait for sessions, each once, however many sessions it waits for.
//!
//! ```text
//! key     number of the message u64
//! bytes   version u8, until i64 (when it has waited too long), count u16, for each session it was for: number u64,
//!         flags u8 (bits 0 to 1 QoS, bit 2 retain, bit 3 more follows: identifiers: count u8, u32 each, group text), body
//! ```
//! Which of the sessions have had it stands in `flow`; the row goes when the last one has.

use std::sync::Arc;

use bytes::BufMut;

use super::{Body, VERSION, put_text, version};
use crate::broker::outbox::Extra;
use crate::broker::reason::Fault;
use crate::broker::wire::Reader;
use crate::model::Millis;

/// Subscription identifiers of one message that are kept: a client may have more subscriptions that overlap.
const IDS_MAX: usize = u8::MAX as usize;

/// A session that a message is for, and how it wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Target {
    pub session: u64,
    pub qos: u8,
    pub retain: bool,
    pub extra: Option<Arc<Extra>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(in crate::broker) struct MessageRow {
    pub until: Millis,
    pub targets: Vec<Target>,
    pub body: Body,
}

impl MessageRow {
    pub fn encode(&self) -> Vec<u8> {
        let publish = &self.body.publish;
        let mut out = Vec::with_capacity(64 + 9 * self.targets.len() + publish.held_bytes());
        out.put_u8(VERSION);
        out.put_i64(self.until);
        out.put_u16(self.targets.len() as u16);
        for target in &self.targets {
            out.put_u64(target.session);
            out.put_u8(target.qos | u8::from(target.retain) << 2 | u8::from(target.extra.is_some()) << 3);
            if let Some(extra) = &target.extra {
                let ids = &extra.ids[..extra.ids.len().min(IDS_MAX)];
                out.put_u8(ids.len() as u8);
                ids.iter().for_each(|id| out.put_u32(*id));
                put_text(&mut out, extra.group.as_deref().unwrap_or_default().as_bytes());
            }
        }
        self.body.encode(&mut out);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<MessageRow, Fault> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let until = reader.u64()? as Millis;
        let targets = (0..reader.u16()?).map(|_| target(&mut reader)).collect::<Result<_, Fault>>()?;
        Ok(MessageRow { until, targets, body: Body::decode(&mut reader)? })
    }
}

fn target(reader: &mut Reader<'_>) -> Result<Target, Fault> {
    let (session, flags) = (reader.u64()?, reader.u8()?);
    if flags > 15 || flags & 3 == 3 {
        return Err(Fault::malformed("a target with impossible flags"));
    }
    let mut extra = None;
    if flags & 8 != 0 {
        let ids = (0..reader.u8()?).map(|_| reader.u32()).collect::<Result<_, Fault>>()?;
        let group = Some(reader.string()?).filter(|group| !group.is_empty()).map(Arc::from);
        extra = Some(Arc::new(Extra { ids, group }));
    }
    Ok(Target { session, qos: flags & 3, retain: flags & 4 != 0, extra })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::body;
    use super::*;

    fn targets() -> impl Strategy<Value = Vec<Target>> {
        let extra = (prop::collection::vec(any::<u32>(), 0..3), prop::option::of("[a-z/]{1,9}"))
            .prop_map(|(ids, group)| Arc::new(Extra { ids, group: group.map(Arc::from) }));
        let target = (any::<u64>(), 0..3u8, any::<bool>(), prop::option::of(extra))
            .prop_map(|(session, qos, retain, extra)| Target { session, qos, retain, extra });
        prop::collection::vec(target, 0..5)
    }

    proptest! {
        #[test]
        fn a_message_comes_back(until: i64, targets in targets(), body in body()) {
            let row = MessageRow { until, targets, body };
            prop_assert_eq!(MessageRow::decode(&row.encode()), Ok(row));
        }

        #[test]
        fn a_message_with_more_identifiers_than_are_kept_is_whole_all_the_same(count in 256..600u32, body in body()) {
            let extra = |ids: Vec<u32>| Some(Arc::new(Extra { ids, group: None }));
            let row = |ids| MessageRow {
                until: 5,
                targets: vec![Target { session: 1, qos: 1, retain: false, extra: extra(ids) }],
                body: body.clone(),
            };
            let kept = row((1..=IDS_MAX as u32).collect());
            prop_assert_eq!(MessageRow::decode(&row((1..=count).collect()).encode()), Ok(kept));
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = MessageRow::decode(&bytes);
        }
    }
}
