//! What is wrong with a text, where, and what to write instead.

use std::fmt;

/// One mistake in an SQL text. Lines and columns count from 1, columns and lengths in characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SqlError {
    pub line: u32,
    pub column: u32,
    /// Characters that are wrong, at least 1; never beyond the end of the line.
    pub length: u32,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl SqlError {
    /// The error with the line of `text` (the text it came from) that it is in, and carets below what is wrong.
    pub fn with_source<'a>(&'a self, text: &'a str) -> impl fmt::Display + 'a {
        WithSource { error: self, text }
    }
}

struct WithSource<'a> {
    error: &'a SqlError,
    text: &'a str,
}

impl fmt::Display for WithSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error;
        write!(f, "line {}, column {}: {}", error.line, error.column, error.message)?;
        if let Some(line) = self.text.split('\n').nth(error.line.saturating_sub(1) as usize) {
            let line = line.trim_end_matches('\r');
            let gutter = error.line.to_string();
            // Tabs stay tabs below the line too, so that the carets stand where the mistake does.
            let before = error.column.saturating_sub(1) as usize;
            let indent: String = line.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let carets = "^".repeat(error.length.max(1) as usize);
            write!(f, "\n {gutter} | {line}\n {:width$} | {indent}{carets}", "", width = gutter.len())?;
        }
        match &error.help {
            Some(help) => write!(f, "\n help: {help}"),
            None => Ok(()),
        }
    }
}
