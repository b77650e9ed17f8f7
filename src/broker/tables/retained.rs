//! `retained`: the last message of each topic that was published to be kept.
//!
//! ```text
//! key     topic
//! bytes   version u8, body
//! ```

use super::{Body, VERSION, version};
use crate::broker::reason::Fault;
use crate::broker::wire::Reader;

#[derive(Clone, Debug, PartialEq)]
pub(in crate::broker) struct RetainedRow(pub Body);

impl RetainedRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.0.encode(&mut out);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<RetainedRow, Fault> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        Body::decode(&mut reader).map(RetainedRow)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::body;
    use super::*;

    proptest! {
        #[test]
        fn a_retained_message_comes_back(body in body()) {
            let row = RetainedRow(body);
            prop_assert_eq!(RetainedRow::decode(&row.encode()), Ok(row));
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = RetainedRow::decode(&bytes);
        }
    }
}
