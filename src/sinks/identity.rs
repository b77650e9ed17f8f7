//! Who a sink is to Kafka: the small durable record `sink/<name>/identity`.
//!
//! As long as the configuration gives the same identity, the position in Kafka is ours. When it changes, the old one is
//! settled first: its last transaction ended, its position read.
//!
//! Layout, as text: `<key> <value>` a line; keys `cluster`, `brokers`, `transactional.id`, `offsets.topic`. No secret
//! is in it.

/// The consumer group has the same name as the transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Kafka's cluster id; empty if the brokers do not tell.
    pub cluster: String,
    /// `bootstrap.servers` at that time: the way back if the configuration names another cluster now.
    pub brokers: String,
    pub transactional_id: String,
    /// Whose partition 0 carries the position.
    pub offsets_topic: String,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the identity of the sink lacks its {0}")]
pub struct DamagedIdentity(&'static str);

impl Identity {
    /// Whether a position of the other is a position of this one: how the brokers are reached does not matter.
    pub fn is_same_position(&self, other: &Identity) -> bool {
        self.cluster == other.cluster
            && self.transactional_id == other.transactional_id
            && self.offsets_topic == other.offsets_topic
    }

    pub fn encode(&self) -> Vec<u8> {
        format!(
            "cluster {}\nbrokers {}\ntransactional.id {}\noffsets.topic {}\n",
            self.cluster, self.brokers, self.transactional_id, self.offsets_topic
        )
        .into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Identity, DamagedIdentity> {
        let text = String::from_utf8_lossy(bytes);
        let value = |key: &'static str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
            pairs.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).ok_or(DamagedIdentity(key))
        };
        Ok(Identity {
            cluster: value("cluster")?,
            brokers: value("brokers")?,
            transactional_id: value("transactional.id")?,
            offsets_topic: value("offsets.topic")?,
        })
    }
}

/// `tidegate-{gateway}-{sink}`. A `-` inside a name is written `_-` and a `_` is written `__`, so that no two pairs of
/// names give one id.
pub fn transactional_id(gateway: &str, sink: &str) -> String {
    let escape = |name: &str| name.replace('_', "__").replace('-', "_-");
    format!("tidegate-{}-{}", escape(gateway), escape(sink))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids() {
        assert_eq!(transactional_id("plant7", "cloud"), "tidegate-plant7-cloud");
        assert_eq!(transactional_id("gw-0042", "cloud"), "tidegate-gw_-0042-cloud");
    }

    proptest! {
        #[test]
        fn different_names_have_different_ids(a in "[a_-]{0,4}", b in "[a_-]{0,4}", c in "[a_-]{0,4}", d in "[a_-]{0,4}") {
            let same = transactional_id(&a, &b) == transactional_id(&c, &d);
            prop_assert_eq!(same, (a, b) == (c, d));
        }

        #[test]
        fn what_is_written_is_read(cluster in "[A-Za-z0-9_-]{0,22}", brokers in "[a-z0-9:,. ]{1,40}", topic in "[A-Za-z0-9._-]{1,20}") {
            let identity = Identity { cluster, brokers, transactional_id: "t".to_owned(), offsets_topic: topic };
            prop_assert_eq!(Identity::decode(&identity.encode()), Ok(identity));
        }
    }
}
