//! `will`: what is to be published for clients that go without a word, connected or already gone.
//!
//! ```text
//! key     number of the will u64
//! bytes   version u8 (2), client identifier, whether there is a user u8, user, delay in seconds u32, expiry in seconds u32 (NO_EXPIRY: none),
//!         due i64 (CONNECTED, or when it is to be published), body
//! ```
//! Version 1 has no user; its clients are taken for anonymous.

use bytes::BufMut;

use super::{Body, NEVER, put_text};
use crate::broker::inbound::Will;
use crate::broker::reason::Fault;
use crate::broker::wire::Reader;
use crate::model::Millis;

const NO_EXPIRY: u32 = u32::MAX;
const WITHOUT_USER: u8 = 1;
const WITH_USER: u8 = 2;

#[derive(Clone, Debug, PartialEq)]
pub(in crate::broker) struct WillRow {
    pub client: String,
    pub user: Option<String>,
    pub due: Millis,
    pub will: Will,
}

impl WillRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![WITH_USER];
        put_text(&mut out, self.client.as_bytes());
        out.put_u8(u8::from(self.user.is_some()));
        put_text(&mut out, self.user.as_deref().unwrap_or_default().as_bytes());
        out.put_u32(self.will.delay_s);
        out.put_u32(self.will.expiry_s.unwrap_or(NO_EXPIRY));
        out.put_i64(self.due);
        Body { expires: NEVER, publish: self.will.publish.clone() }.encode(&mut out);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<WillRow, Fault> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        let client = reader.string()?.to_owned();
        let user = match version {
            WITHOUT_USER => None,
            WITH_USER => {
                let named = reader.u8()? != 0;
                Some(reader.string()?.to_owned()).filter(|_| named)
            }
            _ => return Err(Fault::malformed("a row of another version")),
        };
        let (delay_s, expiry_s) = (reader.u32()?, Some(reader.u32()?).filter(|expiry| *expiry != NO_EXPIRY));
        let due = reader.u64()? as Millis;
        let will = Will { publish: Body::decode(&mut reader)?.publish, delay_s, expiry_s };
        Ok(WillRow { client, user, due, will })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::body;
    use super::*;

    proptest! {
        #[test]
        fn a_will_comes_back(client in "[a-zé]{0,9}", user in prop::option::of("[a-z]{0,9}"), delay_s: u32, expiry_s in prop::option::of(0..NO_EXPIRY), due: i64, body in body()) {
            let row = WillRow { client, user, due, will: Will { publish: body.publish, delay_s, expiry_s } };
            prop_assert_eq!(WillRow::decode(&row.encode()), Ok(row));
        }

        #[test]
        fn a_will_of_version_1_comes_back(client in "[a-z]{0,9}", body in body()) {
            let will = Will { publish: body.publish, delay_s: 7, expiry_s: None };
            let row = WillRow { client, user: None, due: 5, will };
            let mut bytes = row.encode();
            bytes[0] = WITHOUT_USER;
            bytes.drain(3 + row.client.len()..6 + row.client.len());
            prop_assert_eq!(WillRow::decode(&bytes), Ok(row));
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = WillRow::decode(&bytes);
        }
    }
}
