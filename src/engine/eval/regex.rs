//! Regular expressions. Flink's are Java's; these run on the `regex` crate, whose time is linear in the text.
//! `java_regex.rs` says what is translated and what is refused.

use super::java_regex::{Refusal, translate};
use super::{EvalError, Reason, TEXT_MAX_BYTES, excerpt};

/// A compiled pattern may take this much memory.
const SIZE_MAX_BYTES: usize = 1 << 20;

pub enum Regex {
    Ready(Compiled),
    /// Java takes it for none either: Flink then finds nothing.
    Invalid,
    Refused(String),
}

pub struct Compiled {
    regex: regex::Regex,
    /// See [`Translation`](super::java_regex::Translation).
    groups: Vec<usize>,
    ends: Vec<usize>,
}

impl Regex {
    pub fn new(pattern: &str) -> Regex {
        let translation = match translate(pattern) {
            Ok(translation) => translation,
            Err(Refusal::Invalid) => return Regex::Invalid,
            Err(Refusal::Unsupported(why)) => return Regex::Refused(format!("{}: {why}", excerpt(pattern))),
        };
        match regex::RegexBuilder::new(&translation.pattern).size_limit(SIZE_MAX_BYTES).build() {
            Ok(regex) => Regex::Ready(Compiled { regex, groups: translation.groups, ends: translation.ends }),
            Err(regex::Error::CompiledTooBig(_)) => {
                Regex::Refused(format!("the regular expression {} is too large", excerpt(pattern)))
            }
            Err(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                Regex::Refused(format!("the regular expression {} cannot be used: {last}", excerpt(pattern)))
            }
        }
    }

    /// `None` if it is invalid in Java.
    pub fn get(&self) -> Result<Option<&Compiled>, EvalError> {
        match self {
            Regex::Ready(compiled) => Ok(Some(compiled)),
            Regex::Invalid => Ok(None),
            Regex::Refused(why) => Err(Reason::Unsupported(why.clone()).into()),
        }
    }
}

impl Compiled {
    pub fn is_empty(&self) -> bool {
        self.regex.as_str().is_empty()
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Start and end of a group of the first match; group 0 is all of it.
    pub fn group(&self, text: &str, group: usize) -> Option<(usize, usize)> {
        let group = *self.groups.get(group)?;
        if group == 0 && self.ends.is_empty() {
            return self.regex.find(text).map(|found| (found.start(), found.end()));
        }
        let captures = self.regex.captures(text)?;
        let found = captures.get(group)?;
        Some((found.start(), self.real_end(&captures, found.end())))
    }

    /// Groups with the whole match.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The group of every match, from left to right; `None` where it takes no part in the match.
    pub fn all<'a>(&'a self, text: &'a str, group: usize) -> impl Iterator<Item = Option<(usize, usize)>> + 'a {
        let mut from = Some(0);
        std::iter::from_fn(move || {
            let captures = self.regex.captures_at(text, from?)?;
            let found = captures.get(0)?;
            let end = self.real_end(&captures, found.end());
            from = next_search(text, found.start(), end);
            let group = captures.get(*self.groups.get(group)?);
            Some(group.map(|found| (found.start(), self.real_end(&captures, found.end()))))
        })
    }

    /// Without the line terminator that a `$` has looked at.
    fn real_end(&self, captures: &regex::Captures<'_>, end: usize) -> usize {
        let starts = self.ends.iter().filter_map(|group| captures.get(*group)).map(|found| found.start());
        starts.fold(end, usize::min)
    }

    /// Every match becomes `by`, taken as it stands. As in Java an empty match may follow right behind another match.
    pub fn replace_all(&self, text: &str, by: &str) -> Result<String, EvalError> {
        let mut out = String::new();
        let (mut copied, mut from) = (0, 0);
        while let Some(captures) = self.regex.captures_at(text, from) {
            let Some(found) = captures.get(0) else { break };
            let end = self.real_end(&captures, found.end());
            out.push_str(&text[copied..found.start()]);
            out.push_str(by);
            if out.len() > TEXT_MAX_BYTES {
                return Err(Reason::TooLong { function: "REGEXP_REPLACE" }.into());
            }
            copied = end;
            match next_search(text, found.start(), end) {
                Some(next) => from = next,
                None => break,
            }
        }
        out.push_str(&text[copied..]);
        Ok(out)
    }
}

/// Where to look after a match: behind an empty one a character is skipped. `None`: the text is at its end.
fn next_search(text: &str, start: usize, end: usize) -> Option<usize> {
    if end > start {
        return Some(end);
    }
    text[end..].chars().next().map(|skipped| end + skipped.len_utf8())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn extract(text: &str, pattern: &str) -> Option<String> {
        let regex = Regex::new(pattern);
        let (start, end) = regex.get().expect("supported")?.group(text, 0)?;
        Some(text[start..end].to_owned())
    }

    /// Flink 2.3's own answers to REGEXP_EXTRACT(text, pattern); others stand in `tests/flink/expressions.tsv`.
    #[test]
    fn line_ends_and_classes_as_flink() {
        for (text, pattern, answer) in [
            ("a\nb", "a.b", None),
            ("a\nb", "a$", None),
            ("a\n", "a$", Some("a")),
            ("a\r\n", "a$", Some("a")),
            ("a\nb", "(?s)a.b", Some("a\nb")),
            ("a\nb", "(?m)^b$", Some("b")),
            ("xéy", "\\w+", Some("x")),
            ("a\u{a0}b", "a\\sb", None),
            ("abc", "[a-c&&[^b]]+", Some("a")),
            ("GRÖSSE", "(?i)größe", None),
            ("GRÖSSE", "(?iu)ö", Some("Ö")),
        ] {
            assert_eq!(extract(text, pattern).as_deref(), answer, "{text:?} by {pattern:?}");
        }
    }

    #[test]
    fn replacing_at_a_last_line_end() {
        let regex = Regex::new("$");
        let compiled = regex.get().expect("supported").expect("valid");
        // Java's Matcher finds the place before the terminator and the end.
        assert_eq!(compiled.replace_all("abc\n", "!"), Ok("abc!\n!".to_owned()));
        assert_eq!(compiled.replace_all("abc", "!"), Ok("abc!".to_owned()));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for pattern in ["a(?=b)", "(?<!a)b", "(a)\\1", "a++", "(?>a)", "\\p{InGreek}", "(?x)a", "\\G"] {
            assert!(Regex::new(pattern).get().is_err(), "{pattern}");
        }
        assert!(Regex::new("((a{1000}){1000}){1000}").get().is_err());
        for pattern in ["(", ")", "*", "a**", "[", "a{", "\\y", "[b-a]", "(?P<x>a)", "\\"] {
            assert!(Regex::new(pattern).get().expect("invalid in Java too").is_none(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[\\]\\[\\\\(){}^$.*+?|&a-cé0-9,:<=!ipPQEdwsbxuZ-]{0,16}", text in "[a-cé\n ]{0,8}") {
            if let Ok(Some(compiled)) = Regex::new(&pattern).get() {
                let _ = compiled.group(&text, 0);
                let _ = compiled.group(&text, 1);
                let _ = compiled.replace_all(&text, "x");
            }
        }

        /// Where both dialects mean the same, the translation changes nothing.
        #[test]
        fn plain_patterns_stay_what_they_are(pattern in "(a|b|[ab]|c?|(ab)|b+|a*?){0,4}", text in "[abc]{0,8}") {
            let plain = regex::Regex::new(&pattern).expect("plain");
            let ours = Regex::new(&pattern);
            let found = ours.get().expect("supported").expect("valid").group(&text, 0);
            prop_assert_eq!(found, plain.find(&text).map(|found| (found.start(), found.end())));
        }
    }
}
