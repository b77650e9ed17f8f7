//! The last snapshot: `snapshot(name, fingerprint, state)`, one row a section, and one named `journal` that says where it
//! was taken. Replaced as a whole in one transaction.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Section, Snapshot, StoreError};

/// The section that holds the journal's offset as its state; no engine section has this name.
const POSITION: &str = "journal";

pub(super) fn read(db: &Connection) -> Result<Option<Snapshot>, StoreError> {
    let position: Option<Vec<u8>> =
        db.query_row("SELECT state FROM snapshot WHERE name = ?1", [POSITION], |row| row.get(0)).optional()?;
    let Some(position) = position else { return Ok(None) };
    let journal_offset = u64::from_le_bytes(position.try_into().map_err(|_| StoreError::CorruptBlock)?);
    let mut statement = db.prepare("SELECT name, fingerprint, state FROM snapshot WHERE name <> ?1 ORDER BY name")?;
    let rows = statement
        .query_map([POSITION], |row| Ok(Section { name: row.get(0)?, fingerprint: row.get(1)?, state: row.get(2)? }))?;
    Ok(Some(Snapshot { journal_offset, sections: rows.collect::<Result<_, _>>()? }))
}

pub(super) fn write(db: &Connection, snapshot: &Snapshot) -> Result<(), StoreError> {
    db.execute("DELETE FROM snapshot", [])?;
    let mut insert = db.prepare_cached("INSERT INTO snapshot(name, fingerprint, state) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![POSITION, Vec::<u8>::new(), snapshot.journal_offset.to_le_bytes()])?;
    for section in &snapshot.sections {
        insert.execute(params![section.name, section.fingerprint, section.state])?;
    }
    Ok(())
}
