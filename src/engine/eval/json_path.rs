//! Places in a JSON text, by a path such as `$.a.b[0]`, `$['a b']`, `$.a[*].b` or `$..b`.
//!
//! The texts that are found are parts of the text that was searched: nothing is built. As in Flink, what follows the
//! JSON value is ignored, and a path without `lax` or `strict` before it is strict.

use serde::de::IgnoredAny;

use super::json_text::{quote, separate, write_members};

enum Step {
    Key(String),
    /// From the end, if negative.
    Index(i64),
    /// `*`: all members or elements.
    All,
    /// `..`: this value and all below it.
    Below,
}

pub struct JsonPath {
    pub strict: bool,
    /// `None`: what is written is no path, or one of a kind that is not supported.
    steps: Option<Vec<Step>>,
}

/// What is at a path.
pub enum Found<'j> {
    One(&'j str),
    /// A path that can lead to several places gives an array of all.
    Many(Vec<&'j str>),
    Nothing,
    /// The text is no JSON, or the path none.
    Failed(&'static str),
}

/// Places that one path may find: `$..*` of a deep text finds each part again on each level.
const PLACES_MAX: usize = 100_000;

/// What nests deeper is no JSON, as for Jackson; it would also need a stack as deep.
const NESTING_MAX: usize = 1_000;

impl JsonPath {
    pub fn new(text: &str) -> JsonPath {
        let path = text.trim();
        let mode = |word: &str| {
            let (first, rest) = path.split_at_checked(word.len())?;
            (first.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then(|| rest.trim())
        };
        match (mode("lax"), mode("strict")) {
            (Some(rest), _) => JsonPath { strict: false, steps: steps(rest) },
            (_, Some(rest)) => JsonPath { strict: true, steps: steps(rest) },
            _ => JsonPath { strict: true, steps: steps(path) },
        }
    }

    pub fn find<'j>(&self, json: &'j str) -> Found<'j> {
        let Some(root) = first_value(json) else { return Found::Failed("the text is no JSON") };
        let Some(steps) = &self.steps else { return Found::Failed("the path is none that is supported") };
        let definite = !steps.iter().any(|step| matches!(step, Step::All | Step::Below));
        let mut places = vec![root];
        for step in steps {
            let mut next = Vec::new();
            for place in places {
                step.follow(place, &mut next);
                if next.len() > PLACES_MAX {
                    return Found::Failed("the path leads to too many places");
                }
            }
            places = next;
        }
        match (definite, places.first()) {
            (false, _) => Found::Many(places),
            (true, Some(one)) => Found::One(one),
            (true, None) => Found::Nothing,
        }
    }
}

impl Step {
    fn follow<'j>(&self, at: &'j str, places: &mut Vec<&'j str>) {
        match self {
            Step::Key(key) => {
                // Of a key that is there twice the last counts.
                let members = Elements::of(at, b'{').into_iter().flatten();
                places.extend(members.filter(|(name, _)| is_key(name, key)).last().map(|(_, value)| value));
            }
            Step::Index(index) => {
                let elements = || Elements::of(at, b'[').into_iter().flatten();
                let index = if *index < 0 { elements().count() as i64 + index } else { *index };
                let index = usize::try_from(index).ok();
                places.extend(index.and_then(|index| elements().nth(index)).map(|(_, value)| value));
            }
            Step::All => places.extend(children(at)),
            Step::Below => {
                places.push(at);
                for child in children(at) {
                    if places.len() > PLACES_MAX {
                        return;
                    }
                    self.follow(child, places);
                }
            }
        }
    }
}

fn children(at: &str) -> impl Iterator<Item = &str> {
    let parts = Elements::of(at, b'{').or_else(|| Elements::of(at, b'['));
    parts.into_iter().flatten().map(|(_, value)| value)
}

/// A scalar as text, numbers as Java's BigDecimal; `None` for null, an object or an array.
pub fn scalar(value: &str) -> Option<String> {
    match value.as_bytes().first()? {
        b'"' => serde_json::from_str(value).ok(),
        b't' | b'f' => Some(value.to_owned()),
        b'-' | b'0'..=b'9' => Some(plain_number(value)),
        _ => None,
    }
}

/// Whether the whole text is one JSON value.
pub fn is_json(text: &str) -> bool {
    first_value(text).is_some()
}

/// The value without blanks, as Java's Jackson writes what it has read.
pub fn compact(value: &str, out: &mut String) {
    write_compact(value, out);
}

/// Writes the value that the text begins with, and gives what stands behind it.
fn write_compact<'j>(json: &'j str, out: &mut String) -> &'j str {
    match json.as_bytes().first() {
        Some(b'{') => {
            let (mut members, mut rest) = (Vec::new(), behind_separator(&json[1..]));
            while !rest.starts_with('}') && !rest.is_empty() {
                let (name, after) = split_value(rest);
                let mut inner = String::new();
                rest = behind_separator(write_compact(behind_separator(after), &mut inner));
                members.push((serde_json::from_str(name).unwrap_or_default(), inner));
            }
            write_members(members, out);
            rest.get(1..).unwrap_or_default()
        }
        Some(b'[') => {
            out.push('[');
            let (start, mut rest) = (out.len(), behind_separator(&json[1..]));
            while !rest.starts_with(']') && !rest.is_empty() {
                separate(out.len() - start, out);
                rest = behind_separator(write_compact(rest, out));
            }
            out.push(']');
            rest.get(1..).unwrap_or_default()
        }
        _ => {
            let (value, rest) = split_value(json);
            match value.as_bytes().first() {
                Some(b'"') => quote(&serde_json::from_str::<String>(value).unwrap_or_default(), out),
                Some(b'-' | b'0'..=b'9') => out.push_str(&plain_number(value)),
                _ => out.push_str(value),
            }
            rest
        }
    }
}

fn behind_separator(json: &str) -> &str {
    json.trim_start_matches([' ', '\t', '\n', '\r', ',', ':'])
}

fn split_value(json: &str) -> (&str, &str) {
    json.split_at_checked(value_end(json.as_bytes())).unwrap_or((json, ""))
}

/// The text of the first value, which is checked as a whole: what looks into it may trust its form.
fn first_value(json: &str) -> Option<&str> {
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let value = json[..values.byte_offset()].trim();
    (nesting(value) <= NESTING_MAX).then_some(value)
}

/// How deep the value nests.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn is_key(name: &str, key: &str) -> bool {
    // Without a backslash a name stands as it is.
    match name.contains('\\') {
        false => name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) == Some(key),
        true => serde_json::from_str::<String>(name).is_ok_and(|name| name == key),
    }
}

/// The elements of an array, or the members of an object with their names, of a text that is known to be JSON.
struct Elements<'j> {
    rest: &'j str,
    named: bool,
}

impl<'j> Elements<'j> {
    fn of(json: &'j str, opening: u8) -> Option<Elements<'j>> {
        let is_it = json.as_bytes().first() == Some(&opening);
        is_it.then(|| Elements { rest: &json[1..], named: opening == b'{' })
    }

    fn value(&mut self) -> Option<&'j str> {
        let (value, rest) = split_value(behind_separator(self.rest));
        self.rest = rest;
        Some(value).filter(|value| !value.is_empty())
    }
}

impl<'j> Iterator for Elements<'j> {
    type Item = (&'j str, &'j str);

    fn next(&mut self) -> Option<(&'j str, &'j str)> {
        let name = if self.named { self.value()? } else { "" };
        Some((name, self.value()?))
    }
}

/// The length of the value that the text begins with; 0 at the end of what holds it.
fn value_end(json: &[u8]) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in json.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    in_string = false;
                    if depth == 0 {
                        return at + 1;
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
    }
    json.len()
}

/// `$` (which may be missing), then `.key`, `['key']`, `[index]`, `.*`, `[*]` or `..key`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = match path.strip_prefix('$') {
        Some(rest) => rest,
        None => {
            let end = path.find(['.', '[']).unwrap_or(path.len());
            let (key, rest) = path.split_at(end);
            steps.push(Step::Key(plain_key(key)?));
            rest
        }
    };
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix("..") {
            steps.push(Step::Below);
            if tail.starts_with('[') {
                rest = tail;
                continue;
            }
            rest = &rest[1..];
        }
        if let Some(tail) = rest.strip_prefix(".[") {
            // A point before a bracket changes nothing.
            rest = &rest[rest.len() - tail.len() - 1..];
        }
        if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            let (key, after) = tail.split_at(end);
            steps.push(if key == "*" { Step::All } else { Step::Key(plain_key(key)?) });
            rest = after;
            continue;
        }
        let inside = rest.strip_prefix('[')?.trim_start();
        let quote = inside.chars().next()?;
        if quote == '\'' || quote == '"' {
            let (key, after) = inside[1..].split_once(quote)?;
            steps.push(Step::Key(key.to_owned()));
            rest = after.trim_start().strip_prefix(']')?;
        } else {
            let (index, after) = inside.split_once(']')?;
            steps.push(if index.trim() == "*" { Step::All } else { Step::Index(index.trim().parse().ok()?) });
            rest = after;
        }
    }
    Some(steps)
}

/// Filters, slices and functions are no keys.
fn plain_key(key: &str) -> Option<String> {
    if key.is_empty() || key.contains(['*', '?', '(', ')', '@', ',', ':', ' ']) { None } else { Some(key.to_owned()) }
}

/// A JSON number as Java prints the BigDecimal (or integer) it is: an exponent only where it was needed.
fn plain_number(text: &str) -> String {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let Some(exponent) = exponent.trim_start_matches('+').parse::<i64>().ok().filter(|e| e.abs() < 1_000_000_000)
    else {
        return text.to_owned();
    };
    let digits = format!("{whole}{fraction}");
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    // BigDecimal knows no negative zero.
    let sign = if negative && digits != "0" { "-" } else { "" };
    let scale = fraction.len() as i64 - exponent;
    let adjusted = digits.len() as i64 - 1 - scale;
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    if scale > 0 && adjusted >= -6 {
        let width = scale as usize + 1;
        let padded = format!("{digits:0>width$}");
        let (whole, fraction) = padded.split_at(padded.len() - scale as usize);
        return format!("{sign}{whole}.{fraction}");
    }
    let point = if digits.len() > 1 { "." } else { "" };
    format!("{sign}{}{point}{}E{adjusted:+}", &digits[..1], &digits[1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> [String; 2] {
        let array = "[".repeat(depth) + &"]".repeat(depth);
        [array, "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth)]
    }

    /// On a stack as small as that of the engine's thread, and far below it.
    #[test]
    fn a_deep_text_is_no_json() {
        let look = || {
            for text in nested(NESTING_MAX) {
                assert!(is_json(&text));
                let mut out = String::new();
                compact(&text, &mut out);
                assert_eq!(out, text);
                assert!(matches!(JsonPath::new("$..b").find(&text), Found::Many(places) if places.is_empty()));
            }
            for depth in [NESTING_MAX + 1, 100_000] {
                for text in nested(depth) {
                    assert!(!is_json(&text));
                    assert!(matches!(JsonPath::new("$..b").find(&text), Found::Failed(_)));
                }
            }
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn(look).unwrap().join().unwrap();
        assert!(is_json(&format!("[\"{}\", \"\\\"[\"]", "[{".repeat(10_000))), "brackets in texts are none");
    }

    #[test]
    fn blanks_go_and_members_are_sorted() {
        let shown = |text: &str| {
            let mut out = String::new();
            compact(text, &mut out);
            out
        };
        let text =
            " {\"b\" : [ 1.50 , \"a , b\", { } , [ ] ,null],\n\"a\":{\"y\":1e2,\"x\":true}, \"b\\u0062\" : \"}\" }"
                .trim();
        assert_eq!(shown(text), r#"{"a":{"x":true,"y":1E+2},"b":[1.50,"a , b",{},[],null],"bb":"}"}"#);
        assert_eq!(shown("[[],[[ ]],\"\"]"), "[[],[[]],\"\"]");
        assert_eq!(shown("7"), "7");
    }
}
