//! `subscription`: what the sessions subscribed to.
//!
//! ```text
//! key     number of the session u64, filter (as the client wrote it, $share included)
//! bytes   version u8, options u8 (bits 0 to 1 QoS, bit 2 no local, bit 3 retain as published, bit 4 retained
//!         messages are due still), identifier u32 (0: none)
//! ```

use bytes::BufMut;

use super::{VERSION, version};
use crate::broker::inbound::Options;
use crate::broker::reason::Fault;
use crate::broker::wire::Reader;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct SubscriptionRow {
    pub session: u64,
    pub filter: String,
    pub options: Options,
    pub id: u32,
    /// Retained messages that the subscription is to get are on their way still.
    pub retained_due: bool,
}

impl SubscriptionRow {
    pub fn key(session: u64, filter: &str) -> Vec<u8> {
        let mut key = session.to_be_bytes().to_vec();
        key.extend_from_slice(filter.as_bytes());
        key
    }

    pub fn encode(&self) -> Vec<u8> {
        let Options { qos, no_local, retain_as_published } = self.options;
        let flags = u8::from(no_local) << 2 | u8::from(retain_as_published) << 3 | u8::from(self.retained_due) << 4;
        let mut out = vec![VERSION, qos | flags];
        out.put_u32(self.id);
        out
    }

    pub fn decode(key: &[u8], bytes: &[u8]) -> Result<SubscriptionRow, Fault> {
        let wrong = || Fault::malformed("a subscription's key that is none");
        let (session, filter) = key.split_first_chunk::<8>().ok_or_else(wrong)?;
        let filter = std::str::from_utf8(filter).map_err(|_| wrong())?.to_owned();
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let flags = reader.u8()?;
        if flags > 31 || flags & 3 == 3 {
            return Err(Fault::malformed("impossible subscription options"));
        }
        let options = Options { qos: flags & 3, no_local: flags & 4 != 0, retain_as_published: flags & 8 != 0 };
        let (session, retained_due) = (u64::from_be_bytes(*session), flags & 16 != 0);
        let row = SubscriptionRow { session, filter, options, id: reader.u32()?, retained_due };
        reader.finish()?;
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_subscription_comes_back(session: u64, filter in ".*", qos in 0..3u8, no_local: bool, retain_as_published: bool, id: u32, retained_due: bool) {
            let row = SubscriptionRow { session, filter, options: Options { qos, no_local, retain_as_published }, id, retained_due };
            let key = SubscriptionRow::key(row.session, &row.filter);
            prop_assert_eq!(SubscriptionRow::decode(&key, &row.encode()), Ok(row));
        }

        #[test]
        fn hostile_bytes_do_not_panic(key: Vec<u8>, bytes: Vec<u8>) {
            let _ = SubscriptionRow::decode(&key, &bytes);
        }
    }
}
