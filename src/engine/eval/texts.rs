//! Functions of texts that give several texts, or are too rare to have closures of their own.

use std::collections::HashMap;

use super::regex::{Compiled, Regex};
use super::values::{Body, Outcome, bytes, int, list, string, text};
use super::{EvalError, Reason, TEXT_MAX_BYTES, parse, printf};
use crate::model::{DataType, Value};
use crate::plan::{Expr, Function};

pub fn body(function: Function, arguments: &[Expr]) -> Option<Body> {
    Some(match function {
        Function::Split => Body::Strict(|values| {
            list(split(text(&values[0])?, text(&values[1])?).into_iter().map(Value::string).collect())
        }),
        Function::Locate => Body::Strict(locate),
        Function::Instr => Body::Strict(instr),
        Function::Translate => Body::Nullable(translate),
        Function::Elt => Body::Nullable(elt),
        Function::Printf => {
            let types: Vec<_> = arguments.iter().map(|argument| argument.data_type).collect();
            Body::PreparedNullable(Box::new(move |values| printf::printf(values, &types)))
        }
        // Of a number its type decides, as in Flink, even where it is NULL.
        Function::IsAlpha | Function::IsDigit | Function::IsDecimal if arguments[0].data_type.is_numeric() => {
            let is_one = match (function, arguments[0].data_type) {
                (Function::IsDigit, of) => of.is_integer(),
                (Function::IsDecimal, of) => !matches!(of, DataType::Decimal { .. }),
                _ => false,
            };
            Body::PreparedNullable(Box::new(move |_| Ok(Value::Boolean(is_one))))
        }
        Function::IsAlpha => Body::Nullable(|values| every(values, char::is_alphabetic)),
        Function::IsDigit => Body::Nullable(|values| every(values, |c| c.is_ascii_digit())),
        Function::IsDecimal => Body::Nullable(|values| match &values[0] {
            Value::String(text) => Ok(Value::Boolean(parse::double(text).is_some())),
            _ => Ok(Value::Boolean(false)),
        }),
        // CAST to VARBINARY(n) and BINARY(n).
        Function::Left | Function::Rpad if arguments[0].data_type == DataType::Bytes => Body::Strict(resized),
        _ => return None,
    })
}

/// So many of the bytes at most; with a third argument so many, filled up with zeros.
fn resized(values: &[Value]) -> Outcome {
    let length = usize::try_from(int(&values[1])?).unwrap_or_default();
    let mut resized = bytes(&values[0])?.to_vec();
    if values.len() > 2 && length > TEXT_MAX_BYTES {
        return Err(Reason::TooLong { function: "CAST to BINARY" }.into());
    }
    resized.truncate(length);
    if values.len() > 2 {
        resized.resize(length, 0);
    }
    Ok(Value::Bytes(resized.into()))
}

/// Whether a text has characters, all of them such; NULL has none.
fn every(values: &[Value], is_one: fn(char) -> bool) -> Outcome {
    Ok(Value::Boolean(match &values[0] {
        Value::String(text) => !text.is_empty() && text.chars().all(is_one),
        _ => false,
    }))
}

/// The parts between the separators; the characters one by one for an empty one.
fn split<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    if text.is_empty() {
        return Vec::new();
    }
    if separator.is_empty() {
        let ends = text.char_indices().map(|(at, c)| (at, at + c.len_utf8()));
        return ends.map(|(start, end)| &text[start..end]).collect();
    }
    text.split(separator).collect()
}

/// Entries and, in each, key and value; an entry without a value has NULL. What separates them are regular expressions.
pub fn str_to_map(values: &[Value]) -> Result<Vec<(Value, Value)>, EvalError> {
    let pattern = |at: usize, otherwise| values.get(at).map_or(Ok(otherwise), text).map(Regex::new);
    let (entries, in_entry) = (pattern(1, ",")?, pattern(2, "=")?);
    let whole = text(&values[0])?;
    let (Some(entries), Some(in_entry)) = (entries.get()?, in_entry.get()?) else {
        return Err(EvalError::new("STR_TO_MAP was given a separator that is no regular expression"));
    };
    if whole.is_empty() {
        return Ok(Vec::new());
    }
    let entry = |entry: &str| match in_entry.all(entry, 0).flatten().find(|(_, end)| *end > 0) {
        Some((start, end)) => (Value::string(&entry[..start]), Value::string(&entry[end..])),
        None => (Value::string(entry), Value::Null),
    };
    Ok(split_at_matches(whole, entries).into_iter().map(entry).collect())
}

/// As Java's `String.split`: a match of nothing in front separates nothing, and empty parts at the end go.
fn split_at_matches<'t>(text: &'t str, separator: &Compiled) -> Vec<&'t str> {
    let (mut parts, mut from) = (Vec::new(), 0);
    for (start, end) in separator.all(text, 0).flatten() {
        if end > 0 {
            parts.push(&text[from..start]);
            from = end;
        }
    }
    parts.push(&text[from..]);
    while parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    parts
}

/// The number of the first place of `part` at or behind code point number `start`, from 1; 0 if there is none. As in
/// Flink a start before the text is the first, and an empty part is at the first place whatever the start.
fn locate(values: &[Value]) -> Outcome {
    let (part, whole, start) = (text(&values[0])?, text(&values[1])?, int(&values[2])?);
    if part.is_empty() {
        return Ok(Value::Int(1));
    }
    let skipped = usize::try_from(start.saturating_sub(1)).unwrap_or(0);
    let Some((from, _)) = whole.char_indices().chain([(whole.len(), ' ')]).nth(skipped) else {
        return Ok(Value::Int(0));
    };
    let found = whole[from..].find(part).map(|at| whole[..from + at].chars().count() as i64 + 1);
    Ok(Value::Int(found.unwrap_or(0)))
}

/// The place of the part for the n-th time, from a code point on; from one that is counted from the end, backwards.
fn instr(values: &[Value]) -> Outcome {
    let (whole, part) = (text(&values[0])?, text(&values[1])?);
    let (start, times) = (int(&values[2])?, int(&values[3])?);
    if times < 1 {
        return Err(EvalError::new("INSTR counts from the first: its last argument is at least 1"));
    }
    if part.is_empty() {
        return Ok(Value::Int(1));
    }
    let place = |number: i64| Some(whole.char_indices().nth(usize::try_from(number).ok()?)?.0);
    let mut next = match start {
        0 => None,
        1.. => place(start - 1).and_then(|from| at_or_behind(whole, part, from)),
        _ => place((whole.chars().count() as i64).saturating_add(start))
            .and_then(|until| at_or_before(whole, part, until)),
    };
    for _ in 1..times {
        let Some(found) = next else { break };
        next = match start {
            1.. => whole[found..].chars().next().and_then(|c| at_or_behind(whole, part, found + c.len_utf8())),
            _ => whole[..found].char_indices().next_back().and_then(|(until, _)| at_or_before(whole, part, until)),
        };
    }
    let found = next.map(|found| whole[..found].chars().count() as i64 + 1);
    Ok(Value::Int(found.unwrap_or(0)))
}

fn at_or_behind(whole: &str, part: &str, from: usize) -> Option<usize> {
    Some(from + whole.get(from..)?.find(part)?)
}

fn at_or_before(whole: &str, part: &str, until: usize) -> Option<usize> {
    let mut end = whole.len().min(until + part.len());
    while !whole.is_char_boundary(end) {
        end -= 1;
    }
    whole[..end].rfind(part)
}

/// Each character of `from` becomes the one at its place in `to`, or goes where `to` is shorter; the first of two counts.
/// As in Flink a `from` or `to` that is NULL is empty.
fn translate(values: &[Value]) -> Outcome {
    let or_empty = |value| if matches!(value, &Value::Null) { Ok("") } else { text(value) };
    let (from, to) = (or_empty(&values[1])?, or_empty(&values[2])?);
    if values[0].is_null() {
        return Ok(Value::Null);
    }
    let to: Vec<char> = to.chars().collect();
    let mut table: HashMap<char, Option<char>> = HashMap::new();
    for (index, c) in from.chars().enumerate() {
        table.entry(c).or_insert_with(|| to.get(index).copied());
    }
    string(text(&values[0])?.chars().filter_map(|c| table.get(&c).copied().unwrap_or(Some(c))).collect::<String>())
}

/// The text with this number, from 1; NULL outside.
fn elt(values: &[Value]) -> Outcome {
    match &values[0] {
        Value::Int(index) if *index >= 1 => {
            Ok(usize::try_from(*index).ok().and_then(|index| values.get(index)).cloned().unwrap_or(Value::Null))
        }
        _ => Ok(Value::Null),
    }
}
