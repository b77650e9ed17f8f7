//! JSON objects to rows: streaming, without a tree, and without an allocation but for texts.
//!
//! A missing field and `null` are NULL; unknown fields are skipped; of a field that is there twice the last counts.
//! Types are strict, since a device that sends another type has a fault somebody should hear of: integers must be whole and
//! in range (`7.0` is whole), STRING takes text only, BYTES base64, timestamps ISO 8601 text or epoch milliseconds.
//! The files of scripts are read as in Flink: see [`Types::Converted`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{DecodeError, Types, converted, moment, shown};
use crate::model::decimal::DecimalType;
use crate::model::{DataType, Decimal, Field, Row, Value, civil};

/// A column and the path of object keys that leads to it.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonField {
    pub path: Vec<String>,
    pub data_type: DataType,
}

/// Decodes objects of one schema.
#[derive(Clone, Debug)]
pub struct JsonDecoder {
    root: Vec<(String, Node)>,
    columns: usize,
    types: Types,
}

#[derive(Clone, Debug)]
enum Node {
    Column { index: usize, data_type: DataType },
    Object(Vec<(String, Node)>),
}

impl JsonDecoder {
    /// Fails where one path leads through another (`a` and `a.b`), or a type has no JSON form.
    pub fn new(fields: &[JsonField], types: Types) -> Result<JsonDecoder, DecodeError> {
        let mut root = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            if !has_json_form(field.data_type) {
                return Err(DecodeError(format!("{} has no JSON form", field.data_type)));
            }
            insert(&mut root, &field.path, Node::Column { index, data_type: field.data_type })
                .ok_or_else(|| DecodeError(format!("the path {} meets another one", field.path.join("."))))?;
        }
        Ok(JsonDecoder { root, columns: fields.len(), types })
    }

    /// The rows of an array of objects.
    pub fn decode_array(&self, payload: &[u8]) -> Result<Vec<Row>, DecodeError> {
        let mut json = serde_json::Deserializer::from_slice(payload);
        let rows = json.deserialize_seq(Rows(self)).and_then(|rows| json.end().map(|()| rows));
        rows.map_err(|error| DecodeError(error.to_string()))
    }

    /// Appends one value per field to `row`. After an error `row` is as it was.
    pub fn decode(&self, payload: &[u8], row: &mut Row) -> Result<(), DecodeError> {
        let start = row.len();
        row.resize(start + self.columns, Value::Null);
        // Checking the text once is much faster than checking each string of it.
        // Windows writes a mark in front of UTF-8; as in Flink it is none of the text.
        let payload = payload.strip_prefix("\u{feff}".as_bytes()).unwrap_or(payload);
        let outcome = std::str::from_utf8(payload).map_err(|_| DecodeError("not UTF-8".into())).and_then(|text| {
            let mut json = serde_json::Deserializer::from_str(text);
            let object = Object { fields: &self.root, types: self.types, values: &mut row[start..], path: None };
            object.deserialize(&mut json).and_then(|()| json.end()).map_err(|error| DecodeError(error.to_string()))
        });
        if outcome.is_err() {
            row.truncate(start);
        }
        outcome
    }
}

/// Reads an array of objects, a row each.
struct Rows<'a>(&'a JsonDecoder);

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = Vec<Row>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of JSON objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<Row>, A::Error> {
        let JsonDecoder { root, columns, types } = self.0;
        let mut rows = Vec::new();
        loop {
            let mut values = vec![Value::Null; *columns];
            let object = Object { fields: root, types: *types, values: &mut values, path: None };
            if elements.next_element_seed(object)?.is_none() {
                return Ok(rows);
            }
            rows.push(values);
        }
    }
}

/// Keys of objects are texts, so those of a MAP must be.
fn has_json_form(data_type: DataType) -> bool {
    match data_type {
        DataType::Null | DataType::IntervalMonths | DataType::IntervalMillis => false,
        DataType::Array(element) => has_json_form(*element),
        DataType::Map(entry) => entry.key == DataType::String && has_json_form(entry.value),
        DataType::Row(fields) => fields.iter().all(|field| has_json_form(field.data_type)),
        _ => true,
    }
}

fn insert(level: &mut Vec<(String, Node)>, path: &[String], leaf: Node) -> Option<()> {
    let (first, rest) = path.split_first()?;
    let at = level.iter().position(|(name, _)| name == first);
    match (rest, at) {
        ([], None) => level.push((first.clone(), leaf)),
        ([], Some(_)) => return None,
        (_, Some(at)) => match &mut level[at].1 {
            Node::Object(fields) => insert(fields, rest, leaf)?,
            Node::Column { .. } => return None,
        },
        (_, None) => {
            let mut fields = Vec::new();
            insert(&mut fields, rest, leaf)?;
            level.push((first.clone(), Node::Object(fields)));
        }
    }
    Some(())
}

/// Where we are, for errors: a list on the stack.
#[derive(Clone, Copy)]
struct Path<'a> {
    name: &'a str,
    parent: Option<&'a Path<'a>>,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)
    }
}

/// Reads an object, or null, into `values`.
struct Object<'a> {
    fields: &'a [(String, Node)],
    types: Types,
    values: &'a mut [Value],
    path: Option<&'a Path<'a>>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path {
            Some(path) => write!(f, "an object at {path}"),
            None => f.write_str("a JSON object"),
        }
    }

    /// A nested object that is null leaves its columns NULL; the message itself must be an object.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.path {
            Some(_) => Ok(()),
            None => Err(E::custom("expected a JSON object, found null")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(found) = map.next_key_seed(Key(self.fields))? {
            let Some((name, node)) = found.map(|at| &self.fields[at]) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let path = Path { name, parent: self.path };
            match node {
                Node::Column { index, data_type } => {
                    let leaf = Leaf { data_type: *data_type, types: self.types, path };
                    self.values[*index] = map.next_value_seed(leaf)?;
                }
                Node::Object(fields) => {
                    let object = Object { fields, types: self.types, values: &mut *self.values, path: Some(&path) };
                    map.next_value_seed(object)?;
                }
            }
        }
        Ok(())
    }
}

/// Finds a key among the fields without keeping it.
struct Key<'a>(&'a [(String, Node)]);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|(name, _)| name == key))
    }
}

/// Reads one value of a column's type.
struct Leaf<'a> {
    data_type: DataType,
    types: Types,
    path: Path<'a>,
}

impl Leaf<'_> {
    fn wrong<E: Error>(&self, found: impl fmt::Display) -> E {
        E::custom(format!("{}: expected {}, found {found}", self.path, self.data_type))
    }

    /// What Flink makes of a value of another type, where that is asked for.
    fn converted<E: Error>(&self, value: Option<Value>, found: impl fmt::Display) -> Result<Value, E> {
        value.filter(|_| self.types == Types::Converted).ok_or_else(|| self.wrong(found))
    }

    fn integer<E: Error>(&self, number: i64) -> Result<Value, E> {
        match self.data_type {
            data_type if data_type.is_integer() && converted::range(data_type).contains(&number) => {
                Ok(Value::Int(number))
            }
            DataType::Double => Ok(Value::Double(number as f64)),
            DataType::Float => Ok(Value::Double(f64::from(number as f32))),
            DataType::Decimal { precision, scale } => {
                self.decimal(DecimalType { precision, scale }.parse(&number.to_string()), number)
            }
            DataType::Timestamp(precision) | DataType::TimestampLtz(precision) => {
                let micros = number.checked_mul(1_000).ok_or_else(|| self.wrong(number))?;
                Ok(Value::Timestamp(civil::cut_digits(micros, precision)))
            }
            DataType::Boolean => self.converted(Some(Value::Boolean(false)), format_args!("the number {number}")),
            _ => Err(self.wrong(format_args!("the number {number}"))),
        }
    }

    /// Missing fields are NULL, unknown ones skipped, of one that is there twice the last counts.
    fn row<'de, A: MapAccess<'de>>(&self, fields: &[Field], mut map: A) -> Result<Value, A::Error> {
        let mut parts = vec![Value::Null; fields.len()];
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match fields.iter().position(|field| field.name == key) {
                Some(at) => {
                    let Field { name, data_type } = fields[at];
                    let path = Path { name, parent: Some(&self.path) };
                    parts[at] = map.next_value_seed(Leaf { data_type, types: self.types, path })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Value::List(parts.into()))
    }

    /// The members of an object, ordered by key as maps are inside; of a key that is there twice the last counts.
    fn entries<'de, A: MapAccess<'de>>(&self, data_type: DataType, mut map: A) -> Result<Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = Path { name: &key, parent: Some(&self.path) };
            let value = map.next_value_seed(Leaf { data_type, types: self.types, path })?;
            entries.insert(key, value);
        }
        Ok(Value::List(entries.into_iter().flat_map(|(key, value)| [Value::string(&key), value]).collect()))
    }

    fn decimal<E: Error>(&self, unscaled: Option<i128>, found: impl fmt::Display) -> Result<Value, E> {
        match unscaled {
            Some(unscaled) => Ok(Value::Decimal(Decimal::new(unscaled))),
            // Too many digits.
            None => self.converted(Some(Value::Null), found),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Leaf<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.types == Types::Converted && self.data_type == DataType::String {
            let json = <&RawValue>::deserialize(deserializer)?.get();
            return converted::of_json(json).ok_or_else(|| self.wrong(shown(json)));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Leaf<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.data_type, self.path)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        match self.data_type {
            DataType::Boolean => Ok(Value::Boolean(value)),
            _ => Err(self.wrong(value)),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        self.integer(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.integer(number),
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        /// Up to here every whole double is an exact integer.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        match self.data_type {
            DataType::Double => Ok(Value::Double(number)),
            DataType::Float => Ok(Value::Double(f64::from(number as f32))),
            DataType::Decimal { precision, scale } => {
                self.decimal(DecimalType { precision, scale }.from_double(number), number)
            }
            _ if number.fract() == 0.0 && number.abs() <= EXACT_MAX => self.integer(number as i64),
            DataType::Boolean => self.converted(Some(Value::Boolean(false)), format_args!("the number {number}")),
            data_type => self.converted(converted::of_fraction(number, data_type), format_args!("the number {number}")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        let value = match self.data_type {
            DataType::String => Some(Value::String(Arc::from(text))),
            DataType::Bytes => {
                base64::engine::general_purpose::STANDARD.decode(text).ok().map(|bytes| Value::Bytes(bytes.into()))
            }
            DataType::Date => moment::date(text).map(Value::Date),
            DataType::Time(precision) => {
                moment::time(text).map(|micros| Value::Time((civil::cut_digits(micros, precision) / 1_000) as i32))
            }
            DataType::Timestamp(precision) | DataType::TimestampLtz(precision) => {
                moment::timestamp(text).map(|micros| Value::Timestamp(civil::cut_digits(micros, precision)))
            }
            data_type => converted::of_text(text, data_type).filter(|_| self.types == Types::Converted),
        };
        value.ok_or_else(|| self.wrong(format_args!("the text {}", shown(text))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let DataType::Array(element) = self.data_type else { return Err(self.wrong("an array")) };
        let mut parts = Vec::new();
        while let Some(part) =
            seq.next_element_seed(Leaf { data_type: *element, types: self.types, path: self.path })?
        {
            parts.push(part);
        }
        Ok(Value::List(parts.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        match self.data_type {
            DataType::Row(fields) => self.row(fields, map),
            DataType::Map(entry) => self.entries(entry.value, map),
            _ => Err(self.wrong("an object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(schema: &[(&str, DataType)], json: &str) -> Result<Row, String> {
        let field = |(path, data_type): &(&str, DataType)| JsonField {
            path: path.split('.').map(str::to_owned).collect(),
            data_type: *data_type,
        };
        let decoder = JsonDecoder::new(&schema.iter().map(field).collect::<Vec<_>>(), Types::Strict)
            .expect("the schema is right");
        let mut row = vec![Value::Null];
        let outcome = decoder.decode(json.as_bytes(), &mut row);
        assert_eq!(row.len(), if outcome.is_ok() { 1 + schema.len() } else { 1 });
        outcome.map(|()| row.split_off(1)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_array_of_objects_has_a_row_for_each() {
        let field = JsonField { path: vec!["a".to_owned()], data_type: DataType::Int };
        let decoder = JsonDecoder::new(&[field], Types::Converted).expect("the schema is right");
        let rows = decoder.decode_array(br#" [{"a": 1}, {"b": 2}, {"a": "3"}] "#).expect("an array of objects");
        assert_eq!(rows, [[Value::Int(1)], [Value::Null], [Value::Int(3)]]);
        assert_eq!(decoder.decode_array(b"[]").expect("an empty one"), Vec::<Row>::new());
        for wrong in ["[1]", "[null]", "[[{}]]", r#"[{"a": 1}"#, r#"[{"a": "x"}]"#, "[] []", "{}"] {
            assert!(decoder.decode_array(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_type_is_read() {
        let schema = [
            ("i", DataType::Int),
            ("b", DataType::BigInt),
            ("d", DataType::Double),
            ("ok", DataType::Boolean),
            ("s", DataType::String),
            ("ts", DataType::Timestamp(3)),
            ("ltz", DataType::TimestampLtz(3)),
            ("raw", DataType::Bytes),
            ("m", DataType::Decimal { precision: 6, scale: 2 }),
        ];
        let json = r#"{"i":-7,"b":9223372036854775807,"d":1,"ok":true,"s":"a\"é","ts":"2026-03-01 08:00:00.5","ltz":1772352000000,"raw":"AAH/","m":12.345,"x":[{"y":1}]}"#;
        assert_eq!(
            decode(&schema, json).expect("decoded"),
            vec![
                Value::Int(-7),
                Value::Int(i64::MAX),
                Value::Double(1.0),
                Value::Boolean(true),
                Value::string("a\"é"),
                Value::Timestamp(1_772_352_000_500_000),
                Value::Timestamp(1_772_352_000_000_000),
                Value::Bytes(Arc::from([0u8, 1, 255].as_slice())),
                Value::Decimal(Decimal::new(1_235)),
            ]
        );
    }

    #[test]
    fn arrays_maps_and_rows() {
        let row = DataType::row_of([("x", DataType::Double), ("tags", DataType::array_of(DataType::String))]);
        let schema = [
            ("a", DataType::array_of(DataType::Int)),
            ("m", DataType::map_of(DataType::String, DataType::BigInt)),
            ("r", row),
            ("rows", DataType::array_of(row)),
        ];
        let list = |parts: Vec<Value>| Value::List(parts.into());
        let json =
            r#"{"a":[1,null,3],"m":{"z":1,"a":null,"z":2},"r":{"tags":["t"],"other":[{}],"x":1.5},"rows":[{},null]}"#;
        assert_eq!(
            decode(&schema, json).expect("decoded"),
            vec![
                list(vec![Value::Int(1), Value::Null, Value::Int(3)]),
                list(vec![Value::string("a"), Value::Null, Value::string("z"), Value::Int(2)]),
                list(vec![Value::Double(1.5), list(vec![Value::string("t")])]),
                list(vec![list(vec![Value::Null, Value::Null]), Value::Null]),
            ]
        );
        for (json, expected) in [
            (r#"{"a":{}}"#, "a: expected ARRAY<INT>, found an object"),
            (r#"{"a":[1,"x"]}"#, "a: expected INT, found the text \"x\""),
            (r#"{"m":[]}"#, "m: expected MAP<STRING, BIGINT>, found an array"),
            (r#"{"m":{"k":1.5}}"#, "m.k: expected BIGINT, found the number 1.5"),
            (r#"{"rows":[{"tags":[7]}]}"#, "rows.tags: expected STRING, found the number 7"),
        ] {
            let error = decode(&schema, json).expect_err(json);
            assert!(error.contains(expected), "{json}: {error}");
        }
        let by_number = JsonField { path: vec!["m".into()], data_type: DataType::map_of(DataType::Int, DataType::Int) };
        assert!(JsonDecoder::new(&[by_number], Types::Strict).is_err());
    }

    #[test]
    fn missing_and_null_are_null_and_the_last_of_two_counts() {
        let schema = [("a", DataType::Int), ("b.c", DataType::Int), ("b.d", DataType::String)];
        assert_eq!(decode(&schema, "{}"), Ok(vec![Value::Null; 3]));
        assert_eq!(decode(&schema, r#"{"a":null,"b":null}"#), Ok(vec![Value::Null; 3]));
        let twice = decode(&schema, r#"{"a":1,"b":{"c":2,"d":"x","e":{}},"a":3}"#);
        assert_eq!(twice, Ok(vec![Value::Int(3), Value::Int(2), Value::string("x")]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let schema = [("a", DataType::Int), ("b.c", DataType::Double), ("t", DataType::TimestampLtz(3))];
        for (json, expected) in [
            (r#"{"a":"x"}"#, "a: expected INT, found the text \"x\""),
            (r#"{"a":1.5}"#, "a: expected INT, found the number 1.5"),
            (r#"{"a":3000000000}"#, "a: expected INT, found the number 3000000000"),
            (r#"{"b":{"c":[1]}}"#, "b.c: expected DOUBLE, found an array"),
            (r#"{"t":"yesterday"}"#, "t: expected TIMESTAMP_LTZ(3), found the text \"yesterday\""),
            (r#"{"b":7}"#, "an object at b"),
            ("[]", "a JSON object"),
            ("null", "expected a JSON object, found null"),
            ("{\"a\":1} x", "trailing characters"),
            ("{\"a\":", "EOF"),
            ("", "EOF"),
        ] {
            let error = decode(&schema, json).expect_err(json);
            assert!(error.contains(expected), "{json}: {error}");
        }
        let deep = "[".repeat(10_000);
        assert!(decode(&schema, &format!("{{\"x\":{deep}")).is_err());
        assert_eq!(decode(&schema, r#"{"a":7.0}"#).expect("whole")[0], Value::Int(7));
    }

    /// What Flink gives for these, or refuses.
    #[test]
    fn files_of_scripts_are_read_as_in_flink() {
        let schema = [
            ("s", DataType::String),
            ("i", DataType::Int),
            ("b", DataType::Boolean),
            ("m", DataType::Decimal { precision: 5, scale: 2 }),
            ("a", DataType::array_of(DataType::Int)),
            ("r", DataType::row_of([("t", DataType::String)])),
        ];
        let fields: Vec<JsonField> = schema
            .iter()
            .map(|(name, data_type)| JsonField { path: vec![(*name).to_owned()], data_type: *data_type })
            .collect();
        let decoder = JsonDecoder::new(&fields, Types::Converted).expect("the schema is right");
        let decode = |json: &str| {
            let mut row = Row::new();
            decoder.decode(json.as_bytes(), &mut row).map(|()| row).map_err(|error| error.to_string())
        };
        let list = |parts: Vec<Value>| Value::List(parts.into());
        assert_eq!(
            decode(r#"{"s":1.50,"i":"42","b":1,"m":12345.6,"a":["1",2.7,null],"r":{"t":{"x": [1, true]}}}"#),
            Ok(vec![
                Value::string("1.50"),
                Value::Int(42),
                Value::Boolean(false),
                Value::Null,
                list(vec![Value::Int(1), Value::Int(2), Value::Null]),
                list(vec![Value::string(r#"{"x":[1,true]}"#)]),
            ])
        );
        for wrong in
            [r#"{"i":true}"#, r#"{"i":"4.5"}"#, r#"{"i":3000000000}"#, r#"{"m":"x"}"#, r#"{"a":5}"#, r#"{"r":"x"}"#]
        {
            assert!(decode(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_that_meet_are_refused() {
        let field =
            |path: &str| JsonField { path: path.split('.').map(str::to_owned).collect(), data_type: DataType::Int };
        assert!(JsonDecoder::new(&[field("a"), field("a.b")], Types::Strict).is_err());
        assert!(JsonDecoder::new(&[field("a.b"), field("a")], Types::Strict).is_err());
        assert!(JsonDecoder::new(&[field("a.b"), field("a.c")], Types::Strict).is_ok());
    }
}
