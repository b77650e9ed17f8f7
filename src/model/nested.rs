//! ARRAY, MAP and ROW: types made of other types.
//!
//! A [`DataType`] is small and `Copy` because everything that touches a column passes it on. So the parts of a nested
//! type live as long as the process and are shared: equal parts are kept once, and those there are come from the
//! operator's own configuration and queries, whose length and nesting the parser limits.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::DataType;

/// Keys and values of a MAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub key: DataType,
    pub value: DataType,
}

/// A named part of a ROW.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    pub name: &'static str,
    pub data_type: DataType,
}

type Kept<T> = OnceLock<Mutex<HashSet<&'static T>>>;

static ELEMENTS: Kept<DataType> = OnceLock::new();
static ENTRIES: Kept<Entry> = OnceLock::new();
static ROWS: Kept<[Field]> = OnceLock::new();
static NAMES: Kept<str> = OnceLock::new();

fn keep<T: ?Sized + Eq + Hash>(kept: &Kept<T>, part: Box<T>) -> &'static T {
    let mut kept = kept.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(&*part) {
        return known;
    }
    let part: &'static T = Box::leak(part);
    kept.insert(part);
    part
}

impl DataType {
    pub fn array_of(element: DataType) -> DataType {
        DataType::Array(keep(&ELEMENTS, Box::new(element)))
    }

    pub fn map_of(key: DataType, value: DataType) -> DataType {
        DataType::Map(keep(&ENTRIES, Box::new(Entry { key, value })))
    }

    pub fn row_of<'a>(fields: impl IntoIterator<Item = (&'a str, DataType)>) -> DataType {
        let field = |(name, data_type): (&str, DataType)| Field { name: keep(&NAMES, Box::from(name)), data_type };
        DataType::Row(keep(&ROWS, fields.into_iter().map(field).collect()))
    }

    /// ARRAY, MAP or ROW.
    pub fn is_nested(self) -> bool {
        matches!(self, DataType::Array(_) | DataType::Map(_) | DataType::Row(_))
    }
}

/// As Flink prints a ROW: a name that is no plain one stands in backticks.
pub fn write_row(fields: &[Field], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("ROW<")?;
    for (index, field) in fields.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(f, "{separator}`{}` {}", field.name.replace('`', "``"), field.data_type)?;
    }
    f.write_str(">")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_types_are_one() {
        let row = || DataType::row_of([("a", DataType::Int), ("b", DataType::array_of(DataType::String))]);
        assert_eq!(row(), row());
        let (DataType::Row(one), DataType::Row(other)) = (row(), row()) else { panic!("rows") };
        assert!(std::ptr::eq(one, other));
        assert_ne!(row(), DataType::row_of([("a", DataType::Int)]));
        assert_ne!(DataType::array_of(DataType::Int), DataType::array_of(DataType::BigInt));
    }

    #[test]
    fn as_flink_prints_them() {
        let map = DataType::map_of(DataType::String, DataType::Double);
        let row = DataType::row_of([("a", DataType::Int), ("x`y", map)]);
        assert_eq!(row.to_string(), "ROW<`a` INT, `x``y` MAP<STRING, DOUBLE>>");
        assert_eq!(DataType::array_of(DataType::Time(3)).to_string(), "ARRAY<TIME(3)>");
    }

    #[test]
    fn a_type_stays_small() {
        assert!(std::mem::size_of::<DataType>() <= 24);
    }
}
