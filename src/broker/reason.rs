//! MQTT 5 reason codes (specification section 2.4) and the ways in which a connection ends.

use std::fmt;

pub(super) const SUCCESS: u8 = 0x00;
pub(super) const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
pub(super) const MALFORMED: u8 = 0x81;
pub(super) const PROTOCOL_ERROR: u8 = 0x82;
pub(super) const UNSUPPORTED_VERSION: u8 = 0x84;
pub(super) const IDENTIFIER_INVALID: u8 = 0x85;
pub(super) const BAD_CREDENTIALS: u8 = 0x86;
pub(super) const NOT_AUTHORIZED: u8 = 0x87;
pub(super) const SERVER_BUSY: u8 = 0x89;
pub(super) const SHUTTING_DOWN: u8 = 0x8B;
pub(super) const BAD_AUTHENTICATION_METHOD: u8 = 0x8C;
pub(super) const KEEP_ALIVE: u8 = 0x8D;
pub(super) const TAKEN_OVER: u8 = 0x8E;
pub(super) const FILTER_INVALID: u8 = 0x8F;
pub(super) const TOPIC_INVALID: u8 = 0x90;
pub(super) const PACKET_ID_NOT_FOUND: u8 = 0x92;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x93;
pub(super) const TOPIC_ALIAS_INVALID: u8 = 0x94;
pub(super) const PACKET_TOO_LARGE: u8 = 0x95;
pub(super) const QUOTA: u8 = 0x97;

/// What an acknowledgement's code means here, for whoever looks at a client's log.
pub(super) fn words(code: u8) -> Option<&'static str> {
    match code {
        NO_SUBSCRIPTION_EXISTED => Some("there was no such subscription"),
        NOT_AUTHORIZED => Some("no [[broker.acl]] allows this, or it is the server's own topic"),
        FILTER_INVALID => Some("this is no topic filter, or it has more levels than topic_levels_max"),
        PACKET_ID_NOT_FOUND => Some("no message with this packet identifier is under way"),
        QUOTA => Some("subscriptions_per_client_max or sessions_bytes_max is reached"),
        _ => None,
    }
}

/// What is wrong with a packet: the code a v5 client is told, and words for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: u8,
    pub(super) text: &'static str,
}

impl Fault {
    pub(super) const fn new(code: u8, text: &'static str) -> Fault {
        Fault { code, text }
    }

    pub(super) const fn malformed(text: &'static str) -> Fault {
        Fault::new(MALFORMED, text)
    }

    pub(super) const fn protocol(text: &'static str) -> Fault {
        Fault::new(PROTOCOL_ERROR, text)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.text, self.code)
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client said DISCONNECT.
    Client,
    /// The socket closed or failed.
    Lost,
    Fault(Fault),
    KeepAlive,
    /// Output, or the rest of a frame, made no progress for `write_timeout`.
    NoProgress,
    /// A QoS 1 or 2 message found this subscriber's queue full, and no session outlives the connection.
    SlowSubscriber,
    TakenOver,
    /// Its user is no longer known.
    Revoked,
    /// The token that it logged in with.
    Expired,
    ShutDown,
}

impl End {
    /// What the DISCONNECT says that a v5 client gets before the close; `None`: nothing is sent.
    pub(super) fn fault(self) -> Option<Fault> {
        let fault = |code, text| Some(Fault { code, text });
        match self {
            End::Client | End::Lost | End::NoProgress => None,
            End::Fault(fault) => Some(fault),
            End::KeepAlive => fault(KEEP_ALIVE, "nothing came for 1.5 times the keep-alive"),
            End::SlowSubscriber => fault(QUOTA, "queue_messages_max or queue_bytes_max: it reads too slowly"),
            End::TakenOver => fault(TAKEN_OVER, "another connection uses this client identifier"),
            End::Revoked => fault(NOT_AUTHORIZED, "the user is no longer known"),
            End::Expired => fault(NOT_AUTHORIZED, "the token has expired"),
            End::ShutDown => fault(SHUTTING_DOWN, "tidegate stops"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Client => f.write_str("it disconnected"),
            End::Lost => f.write_str("the connection was lost"),
            End::Fault(fault) => write!(f, "{fault}"),
            End::KeepAlive => f.write_str("nothing came for 1.5 times its keep-alive"),
            End::NoProgress => f.write_str("reading or writing made no progress for write_timeout"),
            End::SlowSubscriber => f.write_str("it reads too slowly: queue_messages_max or queue_bytes_max is reached"),
            End::TakenOver => f.write_str("another connection uses its client identifier"),
            End::Revoked => f.write_str("its user is no longer known"),
            End::Expired => f.write_str("its token has expired"),
            End::ShutDown => f.write_str("tidegate stops"),
        }
    }
}
