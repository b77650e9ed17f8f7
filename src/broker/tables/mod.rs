//! What the broker keeps in the store: one file a table, each with its layout, its codec and a round-trip test.
//!
//! Numbers are big-endian and texts have their length (two bytes) before them, as in MQTT itself; the same reader reads
//! both. Times are milliseconds of the broker's own time ([`super::hub::time`]). A row that cannot be decoded is left
//! out and counted, like one whose checksum is wrong.

mod flow;
mod message;
mod retained;
mod session;
mod subscription;
mod will;

pub(super) use flow::{FlightRow, FlowRow};
pub(super) use message::{MessageRow, Target};
pub(super) use retained::RetainedRow;
pub(super) use session::{CONNECTED, SessionRow};
pub(super) use subscription::SubscriptionRow;
pub(super) use will::WillRow;

use bytes::{BufMut, Bytes};

use super::inbound::Publish;
use super::reason::Fault;
use super::wire::Reader;
use crate::model::Millis;

/// The first byte of each row.
const VERSION: u8 = 1;

/// Stands for "never".
pub(super) const NEVER: Millis = Millis::MAX;

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    // Longer texts do not come over MQTT.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.put_u16(length);
    out.extend_from_slice(&text[..usize::from(length)]);
}

fn version(reader: &mut Reader<'_>) -> Result<(), Fault> {
    match reader.u8()? {
        VERSION => Ok(()),
        _ => Err(Fault::malformed("a row of another version")),
    }
}

/// The part of a publish that a row holds:
///
/// ```text
/// expires i64 (NEVER: it does not), qos and retain u8 (bits 0 to 1, bit 2), topic, length of the properties u32,
/// properties, payload to the end of the row
/// ```
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Body {
    pub expires: Millis,
    pub publish: Publish,
}

impl Body {
    fn encode(&self, out: &mut Vec<u8>) {
        let Publish { topic, payload, qos, retain, properties, .. } = &self.publish;
        out.put_i64(self.expires);
        out.put_u8(qos | u8::from(*retain) << 2);
        put_text(out, topic);
        out.put_u32(properties.len() as u32);
        out.extend_from_slice(properties);
        out.extend_from_slice(payload);
    }

    /// Reads to the end. The publish does not expire yet: the caller knows what time it is.
    fn decode(reader: &mut Reader<'_>) -> Result<Body, Fault> {
        let expires = reader.u64()? as Millis;
        let flags = reader.u8()?;
        let topic = Bytes::copy_from_slice(reader.binary()?);
        let length = reader.u32()?;
        let properties = Bytes::copy_from_slice(reader.take(length as usize)?);
        let payload = Bytes::copy_from_slice(reader.rest());
        if flags > 7 || flags & 3 == 3 || std::str::from_utf8(&topic).is_err() {
            return Err(Fault::malformed("a stored message with impossible flags or topic"));
        }
        let publish = Publish { retain: flags & 4 != 0, properties, ..Publish::new(topic, payload, flags & 3) };
        Ok(Body { expires, publish })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub fn body() -> impl Strategy<Value = Body> {
        (any::<i64>(), "[a-z/é]{1,20}", any::<Vec<u8>>(), any::<Vec<u8>>(), 0..3u8, any::<bool>()).prop_map(
            |(expires, topic, payload, properties, qos, retain)| {
                let publish = Publish { retain, properties: properties.into(), ..Publish::new(topic, payload, qos) };
                Body { expires, publish }
            },
        )
    }
}
