//! `session`: the sessions that outlive their connections.
//!
//! ```text
//! key     client identifier
//! bytes   version u8, number u64, since u64, expiry in seconds u32, ends i64 (CONNECTED, or when it ends, or NEVER)
//! ```
//! Numbers are never given twice. Messages before `since` are not for this session, whatever their targets say.

use bytes::BufMut;

use super::{VERSION, version};
use crate::broker::reason::Fault;
use crate::broker::wire::Reader;
use crate::model::Millis;

/// Stands for the end of a session whose client is connected.
pub(in crate::broker) const CONNECTED: Millis = Millis::MIN;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct SessionRow {
    pub number: u64,
    pub since: u64,
    pub expiry_s: u32,
    pub ends: Millis,
}

impl SessionRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.put_u64(self.number);
        out.put_u64(self.since);
        out.put_u32(self.expiry_s);
        out.put_i64(self.ends);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<SessionRow, Fault> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let (number, since) = (reader.u64()?, reader.u64()?);
        let row = SessionRow { number, since, expiry_s: reader.u32()?, ends: reader.u64()? as Millis };
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
        fn a_session_comes_back(number: u64, since: u64, expiry_s: u32, ends: i64) {
            let row = SessionRow { number, since, expiry_s, ends };
            prop_assert_eq!(SessionRow::decode(&row.encode()), Ok(row));
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = SessionRow::decode(&bytes);
        }
    }
}
