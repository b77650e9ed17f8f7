//! JSON_VALUE: a scalar in a JSON text by a path such as `$.a.b[0]` or `$['a b']`, in SQL's lax mode.

use super::{EvalError, Reason};

enum Step {
    Key(String),
    Index(usize),
}

/// A path, or why it is none.
pub struct JsonPath(Result<Vec<Step>, String>);

pub struct Parsed<'a>(&'a [Step]);

impl JsonPath {
    pub fn new(text: &str) -> JsonPath {
        let path = text.trim().trim_start_matches("lax ").trim();
        JsonPath(steps(path).ok_or_else(|| {
            format!("the path {} is not supported: write $.name, $['name'] or $[0]", super::excerpt(text))
        }))
    }

    pub fn get(&self) -> Result<Parsed<'_>, EvalError> {
        match &self.0 {
            Ok(steps) => Ok(Parsed(steps)),
            Err(why) => Err(Reason::Unsupported(why.clone()).into()),
        }
    }
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            let (key, after) = tail.split_at(end);
            if key.is_empty() || key.contains(['*', '?', '(']) {
                return None;
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = |quote| inside.strip_prefix(quote).and_then(|inside: &str| inside.strip_suffix(quote));
            steps.push(match quoted('\'').or_else(|| quoted('"')) {
                Some(key) => Step::Key(key.to_owned()),
                None => Step::Index(inside.trim().parse().ok()?),
            });
            rest = after;
        }
    }
    Some(steps)
}

impl Parsed<'_> {
    /// The scalar there as text; `None` where there is none, or an object, an array or null, or the text is no JSON.
    pub fn scalar(&self, json: &str) -> Option<String> {
        let root: serde_json::Value = serde_json::from_str(json).ok()?;
        let mut at = &root;
        for step in self.0 {
            at = match step {
                Step::Key(key) => at.get(key)?,
                // Lax: a value that is no array counts as an array of one.
                Step::Index(0) if !at.is_array() => at,
                Step::Index(index) => at.get(index)?,
            };
        }
        match at {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            serde_json::Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }
    }
}
