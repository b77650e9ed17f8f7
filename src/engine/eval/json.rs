//! JSON functions over texts. The rules are Calcite's (`JsonFunctions`), which Flink follows.

use std::fmt::Write;

use super::compile::constant_text;
use super::json_path::{Found, JsonPath, compact, is_json, scalar};
use super::json_text::{separate, write, write_members};
use super::values::{Body, Outcome, list, mistyped, string, text};
use super::{EvalError, Reason, TEXT_MAX_BYTES, parse};
use crate::model::{DataType, Value};
use crate::plan::{Expr, ExprKind, Function, JsonKind, JsonMissing, JsonOnError, Wrapper};

pub fn body(function: Function, arguments: &[Expr], expr: &Expr) -> Option<Body> {
    let data_type = expr.data_type;
    Some(match function {
        Function::JsonValue { on_empty, on_error } => {
            let path = Path::new(arguments.get(1)?);
            let behavior = Missing { on_empty, on_error, function: "JSON_VALUE", data_type };
            Body::PreparedNullable(Box::new(move |values| value(values, &path, &behavior)))
        }
        Function::JsonQuery { wrapper, on_empty, on_error } => {
            let path = Path::new(arguments.get(1)?);
            let behavior = Missing { on_empty, on_error, function: "JSON_QUERY", data_type };
            Body::Prepared(Box::new(move |values| query(values, &path, wrapper, &behavior)))
        }
        Function::JsonExists(on_error) => {
            let path = Path::new(arguments.get(1)?);
            Body::Prepared(Box::new(move |values| path.with(values, |path, json| exists(path.find(json), on_error))))
        }
        // NULL is no JSON, as in Flink.
        Function::IsJson(kind) => Body::PreparedNullable(Box::new(move |values| match &values[0] {
            Value::Null => Ok(Value::Boolean(false)),
            value => text(value).map(|text| Value::Boolean(is_json(text) && is_of_kind(text, kind))),
        })),
        Function::JsonObject { absent_on_null } => {
            let parts = parts(arguments);
            Body::PreparedNullable(Box::new(move |values| object(values, &parts, absent_on_null)))
        }
        Function::JsonArray { absent_on_null } => {
            let parts = parts(arguments);
            Body::PreparedNullable(Box::new(move |values| array(values, &parts, absent_on_null)))
        }
        Function::JsonString => {
            let data_type = arguments.first()?.data_type;
            Body::Prepared(Box::new(move |values| {
                let mut out = String::new();
                write(&values[0], data_type, &mut out)?;
                string(out)
            }))
        }
        Function::JsonQuote => Body::Strict(|values| string(quoted(text(&values[0])?))),
        Function::JsonUnquote => Body::Strict(|values| string(unquoted(text(&values[0])?))),
        Function::JsonRaw => Body::Strict(|values| match text(&values[0])? {
            json if is_json(json) => Ok(values[0].clone()),
            _ => Err(EvalError::new("JSON was given a text that is no JSON")),
        }),
        _ => return None,
    })
}

/// A path that is the same for all rows is read once.
enum Path {
    Fixed(JsonPath),
    Each,
}

impl Path {
    fn new(expr: &Expr) -> Path {
        constant_text(expr).map_or(Path::Each, |text| Path::Fixed(JsonPath::new(text)))
    }

    /// Calls `f` with the path and the text, which are the first two arguments.
    fn with(&self, values: &[Value], f: impl FnOnce(&JsonPath, &str) -> Outcome) -> Outcome {
        let [json, path, ..] = values else { return Err(mistyped()) };
        match self {
            Path::Fixed(path) => f(path, text(json)?),
            Path::Each => f(&JsonPath::new(text(path)?), text(json)?),
        }
    }
}

/// What comes instead of a value.
struct Missing {
    on_empty: JsonMissing,
    on_error: JsonMissing,
    function: &'static str,
    data_type: DataType,
}

impl Missing {
    fn empty(&self, values: &[Value]) -> Outcome {
        self.instead(self.on_empty, values, "there is nothing at the path")
    }

    fn error(&self, values: &[Value], why: &str) -> Outcome {
        self.instead(self.on_error, values, why)
    }

    fn instead(&self, missing: JsonMissing, values: &[Value], why: &str) -> Outcome {
        let is_array = matches!(self.data_type, DataType::Array(_));
        match missing {
            JsonMissing::Null => Ok(Value::Null),
            JsonMissing::Default(argument) => values.get(argument).cloned().ok_or_else(mistyped),
            JsonMissing::EmptyArray if is_array => list(Vec::new()),
            JsonMissing::EmptyArray => string("[]"),
            JsonMissing::EmptyObject => string("{}"),
            JsonMissing::Error => {
                let (value, why) = (super::excerpt(text(&values[0])?), why.to_owned());
                Err(Reason::Argument { function: self.function, value, why }.into())
            }
        }
    }
}

fn value(values: &[Value], path: &Path, missing: &Missing) -> Outcome {
    if values.iter().take(2).any(Value::is_null) {
        return Ok(Value::Null);
    }
    path.with(values, |path, json| match path.find(json) {
        Found::Failed(_) if !path.strict && !is_json(json) => missing.empty(values),
        Found::Failed(why) => missing.error(values, why),
        Found::Nothing | Found::One("null") if path.strict => missing.error(values, "there is nothing at the path"),
        Found::Nothing | Found::One("null") => missing.empty(values),
        Found::Many(_) if path.strict => missing.error(values, "at the path is an array"),
        Found::Many(_) => missing.empty(values),
        Found::One(found) => match scalar(found) {
            Some(text) => match typed(&text, found, missing.data_type) {
                Some(value) => Ok(value),
                None => missing.error(values, "what is at the path is of another type"),
            },
            None if path.strict => missing.error(values, "at the path is an object or an array"),
            None => missing.empty(values),
        },
    })
}

/// The scalar as the type that RETURNING names.
fn typed(text: &str, found: &str, data_type: DataType) -> Option<Value> {
    let is_text = found.starts_with('"');
    match data_type {
        DataType::Boolean => match text {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => None,
        },
        DataType::Int if !is_text => i32::try_from(parse::integer(text)?).ok().map(|n| Value::Int(i64::from(n))),
        DataType::Int => i32::try_from(parse::integer(text)?).ok().map(|n| Value::Int(i64::from(n))),
        DataType::Double => parse::double(text).map(Value::Double),
        _ => Some(Value::string(text)),
    }
}

fn query(values: &[Value], path: &Path, wrapper: Wrapper, missing: &Missing) -> Outcome {
    path.with(values, |path, json| {
        let (found, is_array, is_scalar) = match path.find(json) {
            Found::Failed(_) if !path.strict && !is_json(json) => return missing.empty(values),
            Found::Failed(why) => return missing.error(values, why),
            Found::Nothing | Found::One("null") if path.strict => {
                return missing.error(values, "there is nothing at the path");
            }
            Found::Nothing | Found::One("null") => return missing.empty(values),
            Found::Many(places) => (joined(&places)?, true, false),
            Found::One(found) => {
                let mut out = String::new();
                compact(found, &mut out);
                (out, found.starts_with('['), !found.starts_with(['[', '{']))
            }
        };
        let wrap = wrapper == Wrapper::Always || wrapper == Wrapper::Conditional && !is_array;
        if !wrap && is_scalar {
            let why = "at the path is neither an array nor an object";
            return if path.strict { missing.error(values, why) } else { missing.empty(values) };
        }
        let found = if wrap { format!("[{found}]") } else { found };
        match missing.data_type {
            DataType::Array(_) => texts_of(&found).map_or_else(|| missing.error(values, "it is no array"), list),
            _ => string(found),
        }
    })
}

/// The places of one text may lie in each other.
fn joined(places: &[&str]) -> Result<String, EvalError> {
    let mut out = String::from('[');
    for (index, place) in places.iter().enumerate() {
        separate(index, &mut out);
        compact(place, &mut out);
        if out.len() > TEXT_MAX_BYTES {
            return Err(Reason::TooLong { function: "JSON_QUERY" }.into());
        }
    }
    out.push(']');
    Ok(out)
}

/// The elements of an array as texts.
fn texts_of(array: &str) -> Option<Vec<Value>> {
    if !array.starts_with('[') {
        return None;
    }
    let Found::Many(places) = JsonPath::new("$[*]").find(array) else { return None };
    let one = |place: &&str| match scalar(place) {
        Some(text) => Value::string(&text),
        None if *place == "null" => Value::Null,
        None => Value::string(place),
    };
    Some(places.iter().map(one).collect())
}

fn exists(found: Found<'_>, on_error: JsonOnError) -> Outcome {
    match found {
        Found::One(value) => Ok(Value::Boolean(value != "null")),
        Found::Many(_) => Ok(Value::Boolean(true)),
        Found::Nothing | Found::Failed(_) => match on_error {
            JsonOnError::True => Ok(Value::Boolean(true)),
            JsonOnError::False => Ok(Value::Boolean(false)),
            JsonOnError::Unknown => Ok(Value::Null),
            JsonOnError::Error => Err(EvalError::new("JSON_EXISTS found neither JSON nor the path")),
        },
    }
}

fn is_of_kind(text: &str, kind: JsonKind) -> bool {
    let first = text.trim_start().as_bytes().first();
    match kind {
        JsonKind::Value => true,
        JsonKind::Object => first == Some(&b'{'),
        JsonKind::Array => first == Some(&b'['),
        JsonKind::Scalar => !matches!(first, Some(b'{' | b'[')),
    }
}

/// The types of arguments; `None`: it is JSON already and goes in as it is.
fn parts(arguments: &[Expr]) -> Vec<Option<DataType>> {
    let is_json = |expr: &Expr| {
        matches!(
            expr.kind,
            ExprKind::Call {
                function: Function::JsonObject { .. } | Function::JsonArray { .. } | Function::JsonRaw,
                ..
            }
        )
    };
    arguments.iter().map(|expr| if is_json(expr) { None } else { Some(expr.data_type) }).collect()
}

fn write_part(value: &Value, part: Option<DataType>, out: &mut String) -> Result<(), EvalError> {
    match (part, value) {
        (None, Value::String(json)) => {
            compact(json.trim(), out);
            Ok(())
        }
        (part, value) => write(value, part.unwrap_or(DataType::String), out),
    }
}

fn object(values: &[Value], parts: &[Option<DataType>], absent_on_null: bool) -> Outcome {
    let mut members = Vec::new();
    for (pair, parts) in values.chunks_exact(2).zip(parts.chunks_exact(2)) {
        if absent_on_null && pair[1].is_null() {
            continue;
        }
        let mut value = String::new();
        write_part(&pair[1], parts[1], &mut value)?;
        members.push((text(&pair[0])?.to_owned(), value));
    }
    let mut out = String::new();
    write_members(members, &mut out);
    string(out)
}

fn array(values: &[Value], parts: &[Option<DataType>], absent_on_null: bool) -> Outcome {
    let mut out = String::from('[');
    for (value, part) in values.iter().zip(parts) {
        if absent_on_null && value.is_null() {
            continue;
        }
        separate(out.len() - 1, &mut out);
        write_part(value, *part, &mut out)?;
    }
    out.push(']');
    string(out)
}

/// A JSON string of ASCII alone; a `/` is escaped, too.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' | '/' => out.extend(['\\', c]),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// The text of a JSON string; anything else stays as it is.
fn unquoted(text: &str) -> String {
    match text.starts_with('"') {
        true => serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
        false => text.to_owned(),
    }
}
