//! Regular expressions. Flink's are Java's; these are the `regex` crate's, whose time is linear in the text.
//!
//! What they have in common is what people write. Look-around and back-references, which Java has and which can take
//! exponential time, are refused with a reason.

use super::{EvalError, Reason, TEXT_MAX_BYTES};

/// A compiled pattern may take this much memory.
const SIZE_MAX_BYTES: usize = 1 << 20;

/// A pattern, or why it is none.
pub struct Regex(Result<regex::Regex, String>);

pub struct Compiled<'a>(&'a regex::Regex);

impl Regex {
    pub fn new(pattern: &str) -> Regex {
        let built = regex::RegexBuilder::new(pattern).size_limit(SIZE_MAX_BYTES).build();
        Regex(built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => format!("the pattern {} is too large", super::excerpt(pattern)),
            error => {
                let line = error.to_string();
                let last = line.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
                format!("the pattern {} cannot be used: {last}", super::excerpt(pattern))
            }
        }))
    }

    pub fn get(&self) -> Result<Compiled<'_>, EvalError> {
        self.0.as_ref().map(Compiled).map_err(|why| Reason::Unsupported(why.clone()).into())
    }
}

impl Compiled<'_> {
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Start and end of a group of the first match; group 0 is all of it.
    pub fn group(&self, text: &str, group: usize) -> Option<(usize, usize)> {
        let captures = self.0.captures(text)?;
        captures.get(group).map(|found| (found.start(), found.end()))
    }

    /// Every match becomes `by`, taken as it stands.
    pub fn replace_all(&self, text: &str, by: &str) -> Result<String, EvalError> {
        let out = self.0.replace_all(text, regex::NoExpand(by)).into_owned();
        if out.len() > TEXT_MAX_BYTES { Err(Reason::TooLong { function: "REGEXP_REPLACE" }.into()) } else { Ok(out) }
    }
}
