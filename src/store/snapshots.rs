//! The last snapshot: `snapshot(name, fingerprint, state, crc)`, one row a section, and one named `journal` that says
//! where it was taken. Replaced as a whole in one transaction.
//!
//! `state` is stored as a block's bytes are (see `records`); the checksum covers name, fingerprint and stored state.

use rusqlite::{Connection, params};

use super::records::{Packer, unpack_bytes};
use super::{Section, Snapshot, StoreError};

/// The section that holds the journal's offset as its state; no engine section has this name.
const POSITION: &str = "journal";

fn checksum(name: &str, fingerprint: &[u8], stored: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [name.as_bytes(), fingerprint, stored] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

/// Damaged sections are left out, and said: the others keep their state. Without its position there is no snapshot.
pub(super) fn read(db: &Connection, findings: &mut Vec<String>) -> Result<Option<Snapshot>, StoreError> {
    let mut statement = db.prepare("SELECT name, fingerprint, state, crc FROM snapshot ORDER BY name")?;
    let mut rows = statement.query([])?;
    let (mut journal_offset, mut sections) = (None, Vec::new());
    while let Some(row) = rows.next()? {
        let (name, fingerprint): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let stored = row.get_ref(2)?.as_blob().unwrap_or_default();
        let sound = row.get::<_, i64>(3)? == i64::from(checksum(&name, &fingerprint, stored));
        match unpack_bytes(stored).filter(|_| sound) {
            Some(state) if name == POSITION => journal_offset = state.try_into().ok().map(u64::from_le_bytes),
            Some(state) => sections.push(Section { name, fingerprint, state }),
            None => findings.push(format!("the stored state of {name} is damaged and left out")),
        }
    }
    Ok(journal_offset.map(|journal_offset| Snapshot { journal_offset, sections }))
}

pub(super) fn write(db: &Connection, snapshot: &Snapshot) -> Result<(), StoreError> {
    // Snapshots are rare: zstd's working memory goes again with each.
    let mut packer = Packer::new();
    db.prepare_cached("DELETE FROM snapshot")?.execute([])?;
    let mut insert =
        db.prepare_cached("INSERT INTO snapshot(name, fingerprint, state, crc) VALUES (?1, ?2, ?3, ?4)")?;
    let mut put = |name: &str, fingerprint: &[u8], state: &[u8]| {
        let stored = packer.pack(state);
        insert.execute(params![name, fingerprint, stored, checksum(name, fingerprint, &stored)])
    };
    put(POSITION, &[], &snapshot.journal_offset.to_le_bytes())?;
    for section in &snapshot.sections {
        put(&section.name, &section.fingerprint, &section.state)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::schema;
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::TABLES).unwrap();
        db
    }

    proptest! {
        #[test]
        fn the_last_snapshot_comes_back(offsets in prop::collection::vec(any::<u64>(), 1..4), parts in prop::collection::btree_map("query/[a-d]", any::<(Vec<u8>, Vec<u8>)>(), 0..4)) {
            let (db, mut findings) = (database(), Vec::new());
            prop_assert_eq!(read(&db, &mut findings).unwrap(), None);
            for journal_offset in offsets {
                let section = |(name, (fingerprint, state)): (&String, &(Vec<u8>, Vec<u8>))| Section { name: name.clone(), fingerprint: fingerprint.clone(), state: state.clone() };
                let snapshot = Snapshot { journal_offset, sections: parts.iter().map(section).collect() };
                write(&db, &snapshot).unwrap();
                prop_assert_eq!(read(&db, &mut findings).unwrap(), Some(snapshot));
            }
            prop_assert!(findings.is_empty());
        }
    }

    #[test]
    fn a_damaged_section_is_left_out_and_the_others_stay() {
        let (db, mut findings) = (database(), Vec::new());
        let section = |name: &str| Section { name: name.to_owned(), fingerprint: vec![1], state: vec![2; 500] };
        let snapshot = Snapshot { journal_offset: 7, sections: vec![section("query/a"), section("query/b")] };
        write(&db, &snapshot).unwrap();
        db.execute("UPDATE snapshot SET fingerprint = x'05' WHERE name = 'query/a'", []).unwrap();
        let read = read(&db, &mut findings).unwrap();
        assert_eq!(read, Some(Snapshot { journal_offset: 7, sections: vec![section("query/b")] }));
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn a_huge_snapshot_comes_back() {
        let (db, mut findings) = (database(), Vec::new());
        let state: Vec<u8> = (0..40_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let sections = vec![Section { name: "query/huge".to_owned(), fingerprint: vec![1], state }];
        let snapshot = Snapshot { journal_offset: 1, sections };
        write(&db, &snapshot).unwrap();
        assert!(read(&db, &mut findings).unwrap() == Some(snapshot));
    }
}
