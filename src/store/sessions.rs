//! MQTT sessions as far as inbound QoS 2 needs them: `session(client, expiry_s, closed)` and
//! `received(client, packet_id)`, the ids of publishes that were taken and not yet released.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{SessionChange, StoreError, StoredSession};

pub(super) fn all(db: &Connection) -> Result<Vec<StoredSession>, StoreError> {
    let mut received: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    let mut statement = db.prepare("SELECT client, packet_id FROM received ORDER BY client, packet_id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        received.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    let mut statement = db.prepare("SELECT client, expiry_s, closed FROM session ORDER BY client")?;
    let rows = statement.query_map([], |row| {
        let client: String = row.get(0)?;
        Ok(StoredSession {
            expiry_s: row.get(1)?,
            closed: row.get(2)?,
            received: received.remove(&client).unwrap_or_default(),
            client,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn apply(db: &Connection, change: &SessionChange) -> Result<(), StoreError> {
    match change {
        SessionChange::Open { client, expiry_s, .. } => db
            .prepare_cached(
                "INSERT INTO session(client, expiry_s, closed) VALUES (?1, ?2, NULL) ON CONFLICT DO UPDATE SET expiry_s = excluded.expiry_s, closed = NULL",
            )?
            .execute(params![client, expiry_s])?,
        SessionChange::Closed { client, now } => {
            db.prepare_cached("UPDATE session SET closed = ?2 WHERE client = ?1")?.execute(params![client, now])?
        }
        SessionChange::Drop { client } => {
            db.prepare_cached("DELETE FROM received WHERE client = ?1")?.execute([client])?;
            db.prepare_cached("DELETE FROM session WHERE client = ?1")?.execute([client])?
        }
        SessionChange::Received { client, packet_id } => db
            .prepare_cached("INSERT OR IGNORE INTO received(client, packet_id) VALUES (?1, ?2)")?
            .execute(params![client, packet_id])?,
        SessionChange::Released { client, packet_id } => db
            .prepare_cached("DELETE FROM received WHERE client = ?1 AND packet_id = ?2")?
            .execute(params![client, packet_id])?,
    };
    Ok(())
}
