//! JSON_VALUE: a scalar in a JSON text by a path such as `$.a.b[0]` or `$['a b']`.
//!
//! As in Flink, what is no JSON, no such place, no scalar or no path of this kind gives NULL, and what follows the JSON
//! text is ignored. Numbers keep the digits they were written with, in the form of Java's BigDecimal.

use serde::de::IgnoredAny;

enum Step {
    Key(String),
    /// From the end, if negative.
    Index(i64),
}

/// A path; `None`: one that never leads to one scalar.
pub struct JsonPath(Option<Vec<Step>>);

impl JsonPath {
    pub fn new(text: &str) -> JsonPath {
        let path = text.trim();
        let path = path.strip_prefix("lax ").or_else(|| path.strip_prefix("strict ")).unwrap_or(path).trim();
        JsonPath(steps(path))
    }

    /// The scalar there, as text.
    pub fn scalar(&self, json: &str) -> Option<String> {
        let mut at = first_value(json)?;
        for step in self.0.as_ref()? {
            at = match step {
                Step::Key(key) => Elements::of(at, b'{')?.filter(|(name, _)| is_key(name, key)).last()?.1,
                Step::Index(index) if *index >= 0 => Elements::of(at, b'[')?.nth(usize::try_from(*index).ok()?)?.1,
                Step::Index(index) => {
                    let count = Elements::of(at, b'[')?.count() as i64;
                    let index = usize::try_from(count.checked_add(*index)?).ok()?;
                    Elements::of(at, b'[')?.nth(index)?.1
                }
            };
        }
        match at.as_bytes().first()? {
            b'"' => serde_json::from_str(at).ok(),
            b't' | b'f' => Some(at.to_owned()),
            b'-' | b'0'..=b'9' => Some(plain_number(at)),
            _ => None,
        }
    }
}

/// The text of the first value, which is checked as a whole: what looks into it may trust its form.
fn first_value(json: &str) -> Option<&str> {
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(json[..values.byte_offset()].trim())
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
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', ',', ':']);
        let end = value_end(self.rest.as_bytes());
        let (value, rest) = self.rest.split_at_checked(end).filter(|(value, _)| !value.is_empty())?;
        self.rest = rest;
        Some(value)
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

/// `$` (which may be missing), then `.key`, `['key']` or `[index]`.
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
        if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            let (key, after) = tail.split_at(end);
            steps.push(Step::Key(plain_key(key)?));
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
            steps.push(Step::Index(index.trim().parse().ok()?));
            rest = after;
        }
    }
    Some(steps)
}

/// Wildcards, filters and functions are no keys.
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
