//! Small named values: `meta(key, value, crc)`; the checksum covers key and value.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::StoreError;

fn checksum(key: &str, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key.as_bytes());
    hasher.update(value);
    hasher.finalize()
}

/// All of them. Damaged ones are left out, and said.
pub(super) fn all(db: &Connection, findings: &mut Vec<String>) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
    let mut statement = db.prepare("SELECT key, value, crc FROM meta")?;
    let rows = statement.query_map([], |row| {
        let (key, value): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let sound = row.get::<_, i64>(2)? == i64::from(checksum(&key, &value));
        Ok((key, value, sound))
    })?;
    let mut values = BTreeMap::new();
    for row in rows {
        let (key, value, sound) = row?;
        if sound {
            values.insert(key, value);
        } else {
            findings.push(format!("the stored value {key:?} is damaged and left out"));
        }
    }
    Ok(values)
}

pub(super) fn put(db: &Connection, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
    match value {
        Some(value) => db
            .prepare_cached("INSERT OR REPLACE INTO meta(key, value, crc) VALUES (?1, ?2, ?3)")?
            .execute(params![key, value, checksum(key, value)])?,
        None => db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::schema;
    use super::*;

    proptest! {
        #[test]
        fn values_come_back(puts in prop::collection::vec(("[a-d]", any::<Option<Vec<u8>>>()), 0..20)) {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch(schema::TABLES).unwrap();
            let mut expected = BTreeMap::new();
            for (key, value) in puts {
                put(&db, &key, value.as_deref()).unwrap();
                match value {
                    Some(value) => drop(expected.insert(key, value)),
                    None => drop(expected.remove(&key)),
                }
            }
            let mut findings = Vec::new();
            prop_assert_eq!(all(&db, &mut findings).unwrap(), expected);
            prop_assert!(findings.is_empty());
        }
    }

    #[test]
    fn a_damaged_value_is_left_out_and_said() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::TABLES).unwrap();
        put(&db, "a", Some(b"one")).unwrap();
        put(&db, "b", Some(b"two")).unwrap();
        db.execute("UPDATE meta SET value = x'00' WHERE key = 'a'", []).unwrap();
        let mut findings = Vec::new();
        assert_eq!(all(&db, &mut findings).unwrap(), BTreeMap::from([("b".to_owned(), b"two".to_vec())]));
        assert_eq!(findings.len(), 1);
    }
}
