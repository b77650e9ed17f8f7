//! What is wrong with a configuration, where, and what would be right.
//!
//! Holds always: a problem never shows a secret. Lines are shown as the file has them, before `${…}` is replaced, and
//! values of options that look like secrets are covered with `*`.

use std::fmt;

/// A piece of the file: byte offsets, end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub start: usize,
    pub end: usize,
}

impl From<std::ops::Range<usize>> for Span {
    fn from(range: std::ops::Range<usize>) -> Span {
        Span { start: range.start, end: range.end }
    }
}

/// One thing wrong, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// From 1; the column counts characters.
    pub line: u32,
    pub column: u32,
    /// How many characters of `text` it concerns, at least 1.
    pub length: u32,
    /// The whole line.
    pub text: String,
    pub message: String,
    /// What would be valid.
    pub help: Option<String>,
}

/// `file:line:column: message`, the line, a caret, the help.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, line, column, text, message, .. } = self;
        writeln!(f, "{file}:{line}:{column}: {message}")?;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        // A tab stays a tab below its line, so that the caret stands right whatever its width.
        let indent: String =
            text.chars().take(*column as usize - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, " {number} | {text}")?;
        write!(f, " {margin} | {indent}{}", "^".repeat(self.length as usize))?;
        if let Some(help) = &self.help {
            write!(f, "\n {margin} = {help}")?;
        }
        Ok(())
    }
}

/// Collects everything wrong with one file.
pub(super) struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    /// Secrets: shown as `*`.
    hidden: Vec<Span>,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    at: Span,
    message: String,
    help: Option<String>,
}

impl<'a> Problems<'a> {
    pub fn new(file: &'a str, text: &'a str) -> Problems<'a> {
        Problems { file, text, hidden: Vec::new(), errors: Vec::new(), warnings: Vec::new() }
    }

    pub fn error(&mut self, at: Span, message: impl Into<String>, help: impl Into<String>) {
        self.errors.push(Finding::new(at, message.into(), help.into()));
    }

    pub fn warning(&mut self, at: Span, message: impl Into<String>, help: impl Into<String>) {
        self.warnings.push(Finding::new(at, message.into(), help.into()));
    }

    pub fn hide(&mut self, secret: Span) {
        self.hidden.push(secret);
    }

    pub fn found_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// In the order of the file: (errors, warnings).
    pub fn finish(mut self) -> (Vec<Problem>, Vec<Problem>) {
        let (mut errors, mut warnings) = (std::mem::take(&mut self.errors), std::mem::take(&mut self.warnings));
        for findings in [&mut errors, &mut warnings] {
            findings.sort();
            findings.dedup();
        }
        let place = |findings: Vec<Finding>| findings.into_iter().map(|finding| self.place(finding)).collect();
        (place(errors), place(warnings))
    }

    fn place(&self, finding: Finding) -> Problem {
        let at = floor_boundary(self.text, finding.at.start);
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline);
        let text = self.covered(start, end);
        let column = self.text[start..at].chars().count();
        let until = floor_boundary(self.text, finding.at.end.clamp(at, end));
        let length = self.text[at..until].trim_end().chars().count().max(1);
        Problem {
            file: self.file.to_owned(),
            line: 1 + self.text[..start].matches('\n').count() as u32,
            column: 1 + column as u32,
            length: length as u32,
            text: text.trim_end().to_owned(),
            message: finding.message,
            help: finding.help,
        }
    }

    /// The line without its secrets, character for character.
    fn covered(&self, start: usize, end: usize) -> String {
        let is_hidden = |offset: usize| self.hidden.iter().any(|span| (span.start..span.end).contains(&offset));
        self.text[start..end].char_indices().map(|(i, c)| if is_hidden(start + i) { '*' } else { c }).collect()
    }
}

impl Finding {
    fn new(at: Span, message: String, help: String) -> Finding {
        Finding { at, message, help: if help.is_empty() { None } else { Some(help) } }
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Whether an option's value must not be shown, by the option's name.
pub(super) fn is_secret(option: &str) -> bool {
    ["password", "secret", "key.pem", "jaas", "token", "oauthbearer.config", "credential"]
        .iter()
        .any(|word| option.to_ascii_lowercase().contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_place_with_tabs_and_wide_characters() {
        let text = "ok = 1\n\tname = \"Fräse\" # äöü\n";
        let mut problems = Problems::new("g.toml", text);
        let start = text.find("\"Fr").unwrap();
        problems.error(Span { start, end: start + "\"Fräse\"".len() }, "wrong", "right is \"Drehbank\"");
        let (errors, _) = problems.finish();
        assert_eq!(
            errors[0].to_string(),
            "g.toml:2:9: wrong\n 2 | \tname = \"Fräse\" # äöü\n   | \t       ^^^^^^^\n   = right is \"Drehbank\""
        );
    }

    #[test]
    fn secrets_are_covered() {
        let text = "options = { \"sasl.password\" = \"hünter2\", x = 1 }";
        let mut problems = Problems::new("g.toml", text);
        let secret = text.find("hünter2").unwrap();
        problems.hide(Span { start: secret, end: secret + "hünter2".len() });
        let x = text.find("x = ").unwrap();
        problems.error(Span { start: x, end: x + 1 }, "wrong", "");
        let (errors, _) = problems.finish();
        assert_eq!(errors[0].text, "options = { \"sasl.password\" = \"*******\", x = 1 }");
    }

    #[test]
    fn places_beyond_the_end_do_not_panic() {
        for (start, end) in [(0, 0), (3, 99), (99, 3), (1, 2)] {
            let mut problems = Problems::new("g.toml", "äö");
            problems.error(Span { start, end }, "wrong", "");
            assert_eq!(problems.finish().0.len(), 1);
        }
    }
}
