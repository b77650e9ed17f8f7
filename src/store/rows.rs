//! The broker's tables, all of one layout: `(key, bytes, crc)`, what the bytes mean being the broker's own.
//!
//! Messages are numbered, and so lie in the order of their keys; every other table has keys of bytes. The checksum
//! covers the table's name, the key and the bytes, so that a row which the disk changed is left out and said, and never
//! taken for another.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::{Row, StoreError, Table};

impl Table {
    pub const ALL: [Table; 6] =
        [Table::Session, Table::Subscription, Table::Flow, Table::Message, Table::Retained, Table::Will];

    pub(super) fn name(self) -> &'static str {
        match self {
            Table::Session => "session",
            Table::Subscription => "subscription",
            Table::Flow => "flow",
            Table::Message => "message",
            Table::Retained => "retained",
            Table::Will => "will",
        }
    }
}

/// A key as its table has it.
struct Key<'a>(Table, &'a [u8]);

impl ToSql for Key<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Table::Message => {
                let number = self.1.try_into().map(i64::from_be_bytes).unwrap_or(i64::MAX);
                ToSqlOutput::Owned(Value::Integer(number))
            }
            _ => ToSqlOutput::Borrowed(ValueRef::Blob(self.1)),
        })
    }
}

fn checksum(table: Table, key: &[u8], bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(table.name().as_bytes());
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(bytes);
    hasher.finalize()
}

pub(super) fn put(db: &Connection, row: &Row) -> Result<(), StoreError> {
    let Row { table, key, bytes } = row;
    let name = table.name();
    let bound = Key(*table, key);
    match bytes {
        Some(bytes) => {
            let sql = format!(
                "INSERT INTO {name}(key, bytes, crc) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO UPDATE SET bytes = excluded.bytes, crc = excluded.crc"
            );
            db.prepare_cached(&sql)?.execute(params![bound, bytes, checksum(*table, key, bytes)])?
        }
        None => db.prepare_cached(&format!("DELETE FROM {name} WHERE key = ?1"))?.execute([bound])?,
    };
    Ok(())
}

/// Calls `each` for every sound row, in order of the keys; gives how many were damaged.
pub(super) fn each(db: &Connection, table: Table, mut each: impl FnMut(&[u8], &[u8])) -> Result<u64, StoreError> {
    let mut statement = db.prepare(&format!("SELECT key, bytes, crc FROM {} ORDER BY key", table.name()))?;
    let mut rows = statement.query([])?;
    let mut damaged = 0;
    while let Some(row) = rows.next()? {
        let number;
        let key = match row.get_ref(0)? {
            ValueRef::Integer(key) => {
                number = key.to_be_bytes();
                &number[..]
            }
            ValueRef::Blob(key) => key,
            _ => {
                damaged += 1;
                continue;
            }
        };
        match (row.get_ref(1)?.as_blob(), row.get_ref(2)?.as_i64()) {
            (Ok(bytes), Ok(crc)) if crc == i64::from(checksum(table, key, bytes)) => each(key, bytes),
            _ => damaged += 1,
        }
    }
    Ok(damaged)
}

/// One row, if it is there and sound.
pub(super) fn get(db: &Connection, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = db.prepare_cached(&format!("SELECT bytes, crc FROM {} WHERE key = ?1", table.name()))?;
    let found = statement
        .query_row([Key(table, key)], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    Ok(found.and_then(|(bytes, crc)| (crc == i64::from(checksum(table, key, &bytes))).then_some(bytes)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::schema;
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(schema::TABLES).unwrap();
        db
    }

    fn all(db: &Connection) -> BTreeMap<(Table, Vec<u8>), Vec<u8>> {
        let mut found = BTreeMap::new();
        for table in Table::ALL {
            let damaged = each(db, table, |key, bytes| drop(found.insert((table, key.to_vec()), bytes.to_vec())));
            assert_eq!(damaged.unwrap(), 0);
        }
        found
    }

    proptest! {
        #[test]
        fn rows_come_back(puts in prop::collection::vec((0..6usize, 0..6u64, any::<Option<Vec<u8>>>()), 0..40)) {
            let db = database();
            let mut expected = BTreeMap::new();
            for (table, key, bytes) in puts {
                let (table, key) = (Table::ALL[table], key.to_be_bytes().to_vec());
                put(&db, &Row { table, key: key.clone(), bytes: bytes.clone() }).unwrap();
                match bytes {
                    Some(bytes) => drop(expected.insert((table, key), bytes)),
                    None => drop(expected.remove(&(table, key))),
                }
            }
            for ((table, key), bytes) in &expected {
                prop_assert_eq!(&get(&db, *table, key).unwrap(), &Some(bytes.clone()));
            }
            prop_assert_eq!(all(&db), expected);
        }
    }

    #[test]
    fn messages_come_in_the_order_of_their_numbers() {
        let db = database();
        for number in [300u64, 2, 70_000, 1] {
            let row = Row { table: Table::Message, key: number.to_be_bytes().to_vec(), bytes: Some(vec![1]) };
            put(&db, &row).unwrap();
        }
        let mut numbers = Vec::new();
        each(&db, Table::Message, |key, _| numbers.push(u64::from_be_bytes(key.try_into().unwrap()))).unwrap();
        assert_eq!(numbers, [1, 2, 300, 70_000]);
    }

    #[test]
    fn a_row_that_the_disk_changed_is_left_out_and_counted() {
        let db = database();
        for key in [b"a", b"b"] {
            put(&db, &Row { table: Table::Retained, key: key.to_vec(), bytes: Some(b"text".to_vec()) }).unwrap();
        }
        db.execute("UPDATE retained SET bytes = x'00' WHERE key = x'61'", []).unwrap();
        let mut keys = Vec::new();
        assert_eq!(each(&db, Table::Retained, |key, _| keys.push(key.to_vec())).unwrap(), 1);
        assert_eq!(keys, [b"b"]);
        assert_eq!(get(&db, Table::Retained, b"a").unwrap(), None);
    }
}
