//! What went wrong between a sink and where it sends to, sorted by what to do about it; and of Kafka's errors, said so
//! that a reader can act.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The transaction was ended cleanly; begin again on the same producer after a pause.
    Again(String),
    /// The same, but a topic is missing, and records from a column are waiting for it.
    Wait(String),
    /// Kafka answered, but does not take a record: soon, with a new producer, since librdkafka leaves a gap in the sequence
    /// numbers of this one, behind which Kafka takes nothing more.
    Refused(String),
    /// Another gateway uses this one's id; said already.
    Foreign,
    /// The connection (Kafka: the producer) is of no use, or it is not known what became of what was sent: a new one
    /// finds out.
    Reconnect(String),
    /// Like `Reconnect`, and Kafka says that somebody else uses this transactional id (or that the transaction took
    /// longer than its time-out: Kafka tells both in the same way).
    Fenced(String),
    /// The sink shall stop.
    Stopping,
    /// The store failed or is gone; the daemon ends over it.
    Store(String),
}

/// What a record, or a whole transaction, failed of. Where records of one transaction failed of several kinds, the first
/// in this order says what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Another producer has our id, or our transaction timed out at the broker: the next connection finds out which.
    Fenced,
    /// The topic is not there, or not for us: its records wait for it, those from a column not for ever.
    Topic,
    /// Kafka will never take this record, or this batch of records: smaller batches find the one at fault, which becomes
    /// a dead letter.
    Refused,
    /// It took too long: fewer records go at once, by a new producer, since those may still be on their way.
    TimedOut,
    /// Anything else: a new producer tries again.
    Other,
    /// A failed record whose reason stands elsewhere: with another record, or with the transaction as a whole.
    Consequence,
}

pub fn kind(code: Code) -> Kind {
    match code {
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidMessage
        | Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::UnsupportedForMessageFormat
        | Code::PolicyViolation => Kind::Refused,
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::InvalidTopic
        | Code::TopicAuthorizationFailed => Kind::Topic,
        Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut | Code::TimedOutQueue => Kind::TimedOut,
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Kind::Fenced,
        Code::PurgeQueue | Code::PurgeInflight => Kind::Consequence,
        _ => Kind::Other,
    }
}

/// The names that a message about access rights needs.
#[derive(Clone, Debug)]
pub struct Names {
    pub transactional_id: String,
    pub offsets_topic: String,
}

/// The error and, where there is something to do, what.
pub fn explain(code: Option<Code>, text: &str, names: &Names) -> String {
    let advice = match code {
        Some(Code::TopicAuthorizationFailed) => format!(
            "give this gateway's Kafka user the rights to write and describe the topics it writes to, and to read \"{}\", \
             which carries its position",
            names.offsets_topic
        ),
        Some(Code::GroupAuthorizationFailed) => {
            format!("give this gateway's Kafka user the right to read the group \"{}\"", names.transactional_id)
        }
        Some(Code::TransactionalIdAuthorizationFailed) => format!(
            "give this gateway's Kafka user the rights to write and describe the transactional id \"{}\"",
            names.transactional_id
        ),
        Some(Code::ClusterAuthorizationFailed) => {
            "give this gateway's Kafka user the right IdempotentWrite on the cluster".to_owned()
        }
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
            "check sasl.mechanism, sasl.username and sasl.password in the sink's options".to_owned()
        }
        Some(Code::SSL) => "check security.protocol and the ssl.* settings in the sink's options".to_owned(),
        Some(Code::Resolve) => "check the host names in the sink's `kafka`, and this machine's DNS".to_owned(),
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => {
            format!("create the topic, or check its name (positions are kept with \"{}\")", names.offsets_topic)
        }
        Some(Code::InvalidTransactionTimeout) => {
            "lower transaction.timeout.ms in the sink's options, or raise transaction.max.timeout.ms of the brokers"
                .to_owned()
        }
        Some(Code::AllBrokersDown | Code::BrokerTransportFailure) => {
            "check that Kafka runs and can be reached from here".to_owned()
        }
        _ => return text.to_owned(),
    };
    format!("{text}: {advice}")
}

/// The same for an error in reading or writing the position; a right that is missing is named with its topic.
pub fn explain_position_error(error: &KafkaError, names: &Names) -> String {
    let text = explain_error(error, names);
    let of_topic = error.rdkafka_error_code().is_some_and(|code| kind(code) == Kind::Topic);
    if of_topic { format!("topic \"{}\": {text}", names.offsets_topic) } else { text }
}

/// Asking again will not help before somebody grants a right.
pub fn is_forbidden(error: &KafkaError) -> bool {
    let forbidden = [
        Code::TopicAuthorizationFailed,
        Code::GroupAuthorizationFailed,
        Code::TransactionalIdAuthorizationFailed,
        Code::ClusterAuthorizationFailed,
    ];
    error.rdkafka_error_code().is_some_and(|code| forbidden.contains(&code))
}

pub fn explain_error(error: &KafkaError, names: &Names) -> String {
    match error {
        // The value may be a password.
        KafkaError::ClientConfig(_, _, key, _) => format!("librdkafka does not take the value of the option \"{key}\""),
        other => explain(other.rdkafka_error_code(), &other.to_string(), names),
    }
}
