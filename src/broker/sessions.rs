//! Sessions, as far as inbound QoS 2 needs them: the packet ids that were taken and not yet released.
//!
//! A connected client's session is with its connection; one that is away waits here. Subscriptions are not part of a
//! session yet, so a session whose client subscribed is given up at once, and "session present" never says more than
//! is true.

use std::collections::{BTreeSet, HashMap};

use crate::config::BrokerLimits;
use crate::model::Millis;
use crate::store::{SessionChange, StoredSession};

/// What is kept for one client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Session {
    /// Whether it outlives its connection, and so lies in the store.
    pub durable: bool,
    pub expiry_s: u32,
    pub received: BTreeSet<u16>,
}

/// Sessions of clients that are away.
#[derive(Debug, Default)]
pub(super) struct Away {
    sessions: HashMap<String, (Session, Millis)>,
}

/// What a client that connects gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resumed {
    pub session: Session,
    pub present: bool,
    pub changes: Vec<SessionChange>,
    /// It asked for a session, and there is no room for one.
    pub refused: bool,
}

impl Away {
    pub fn new(stored: Vec<StoredSession>, now: Millis) -> Away {
        let session = |stored: StoredSession| {
            let StoredSession { client, expiry_s, closed, received } = stored;
            let session = Session { durable: true, expiry_s, received: received.into_iter().collect() };
            (client, (session, closed.unwrap_or(now)))
        };
        Away { sessions: stored.into_iter().map(session).collect() }
    }

    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    pub fn ids(&self) -> usize {
        self.sessions.values().map(|(session, _)| session.received.len()).sum()
    }

    /// A client connects. `durable_now` counts the durable sessions of connected clients.
    pub fn take(
        &mut self,
        client: &str,
        clean: bool,
        expiry_s: u32,
        durable_now: usize,
        limits: &BrokerLimits,
        now: Millis,
    ) -> Resumed {
        let limit_s = u32::try_from(limits.session_expiry_max.as_secs()).unwrap_or(u32::MAX);
        let expiry_s = expiry_s.min(limit_s);
        let stored = self.sessions.remove(client);
        let was_stored = stored.is_some();
        let found = stored.filter(|(session, closed)| !is_expired(session, *closed, now));
        let present = found.is_some() && !clean;
        let mut changes = Vec::new();
        if was_stored && !present {
            changes.push(SessionChange::Drop { client: client.to_owned() });
        }
        let room = present || self.sessions.len() + durable_now < limits.sessions_max;
        let durable = expiry_s > 0 && room;
        if durable {
            changes.push(SessionChange::Open { client: client.to_owned(), expiry_s, now });
        } else if present {
            changes.push(SessionChange::Drop { client: client.to_owned() });
        }
        let received = found.filter(|_| present).map(|(session, _)| session.received).unwrap_or_default();
        Resumed { session: Session { durable, expiry_s, received }, present, changes, refused: expiry_s > 0 && !room }
    }

    /// Its connection ended.
    pub fn put(&mut self, client: &str, session: Session, now: Millis) -> Option<SessionChange> {
        if !session.durable {
            return None;
        }
        if session.expiry_s == 0 {
            return Some(SessionChange::Drop { client: client.to_owned() });
        }
        self.sessions.insert(client.to_owned(), (session, now));
        Some(SessionChange::Closed { client: client.to_owned(), now })
    }

    /// Sessions whose time is over.
    pub fn expire(&mut self, now: Millis) -> Vec<SessionChange> {
        let over = |(client, (session, closed)): (&String, &(Session, Millis))| {
            is_expired(session, *closed, now).then(|| client.clone())
        };
        let expired: Vec<String> = self.sessions.iter().filter_map(over).collect();
        expired
            .into_iter()
            .map(|client| {
                self.sessions.remove(&client);
                SessionChange::Drop { client }
            })
            .collect()
    }
}

fn is_expired(session: &Session, closed: Millis, now: Millis) -> bool {
    session.expiry_s != u32::MAX && now.saturating_sub(closed) > Millis::from(session.expiry_s) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> BrokerLimits {
        BrokerLimits { sessions_max: 2, ..BrokerLimits::default() }
    }

    fn taken(away: &mut Away, client: &str, clean: bool, expiry_s: u32, now: Millis) -> Resumed {
        away.take(client, clean, expiry_s, 0, &limits(), now)
    }

    #[test]
    fn ids_outlive_the_connection_and_clean_start_forgets_them() {
        let mut away = Away::default();
        let mut first = taken(&mut away, "a", false, 100, 0);
        assert!(!first.present && first.session.durable);
        first.session.received.insert(7);
        assert!(matches!(away.put("a", first.session, 1_000), Some(SessionChange::Closed { .. })));
        let again = taken(&mut away, "a", false, 100, 50_000);
        assert!(again.present && again.session.received.contains(&7));
        away.put("a", again.session, 60_000);
        let clean = taken(&mut away, "a", true, 100, 61_000);
        assert!(!clean.present && clean.session.received.is_empty());
        assert!(matches!(clean.changes[0], SessionChange::Drop { .. }));
    }

    #[test]
    fn a_session_expires_and_is_counted_against_the_limit() {
        let mut away = Away::default();
        for client in ["a", "b"] {
            let session = taken(&mut away, client, false, 10, 0).session;
            away.put(client, session, 0);
        }
        assert!(taken(&mut away, "c", false, 10, 0).refused);
        assert_eq!(away.expire(10_000), []);
        assert_eq!(away.expire(10_001).len(), 2);
        assert!(!taken(&mut away, "a", false, 10, 20_000).present);
    }

    #[test]
    fn what_the_store_kept_is_there_after_a_restart() {
        let stored = StoredSession { client: "a".into(), expiry_s: 60, closed: None, received: vec![1, 2] };
        let mut away = Away::new(vec![stored], 1_000);
        assert_eq!((away.len(), away.ids()), (1, 2));
        let resumed = taken(&mut away, "a", false, 60, 2_000);
        assert!(resumed.present && resumed.session.received.len() == 2);
    }
}
