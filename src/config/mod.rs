//! The configuration file: raw (as written) → checked (every problem at once, with its place) → settings.
//!
//! Holds always: [`load`] is a pure function of the text and of what it is given for `${…}`; a wrong file gives every
//! problem in it, in the order of the file, and never a panic; no problem shows a secret.
//! Knows nothing of how the daemon uses the settings, and nothing of it reads the raw form after the start.

mod check;
mod names;
mod peer;
mod problem;
mod raw;
mod read;
mod settings;
mod text;

pub use problem::Problem;
pub use read::Outside;
pub use settings::*;

use problem::{Problems, Span, is_secret};
use read::{Read, Reader};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A larger file is none that a person wrote.
const FILE_BYTES_MAX: usize = 4 << 20;

/// Reads a configuration. `file_name` is only shown; nothing is read but `text` and what `outside` gives.
pub fn load(text: &str, file_name: &str, outside: Outside<'_>) -> Result<Settings, Vec<Problem>> {
    let mut problems = Problems::new(file_name, text);
    let checked = parse(text, &mut problems, outside).and_then(|raw| check::check(&raw, &mut problems));
    let (errors, warnings) = problems.finish();
    match checked {
        Some(settings) if errors.is_empty() => Ok(Settings { warnings, ..settings }),
        _ => Err(errors),
    }
}

fn parse<'a>(text: &'a str, problems: &mut Problems<'a>, outside: Outside<'a>) -> Option<raw::Config> {
    if text.len() > FILE_BYTES_MAX {
        problems.error(Span::default(), "the file is larger than 4 MiB", "");
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What follows a syntax error is guesswork, so nothing else is reported with it.
        hide_secret_lines(text, problems);
        for error in errors {
            let at = error.span().map_or(Span::default(), Span::from);
            problems.error(at, format!("this is not TOML: {}", error.message()), "");
        }
        return None;
    }
    let whole = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
    raw::Config::read(&whole, &mut Reader { file: text, problems, outside }).ok()
}

/// Without a tree, secrets are known by the words before them only; a multi-line one reaches to its closing quotes.
fn hide_secret_lines(text: &str, problems: &mut Problems) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if is_secret(line) {
            let value = line.find('=').map_or(start, |equals| start + equals + 1);
            let rest = &text[value..];
            let opened = ["\"\"\"", "'''"].into_iter().find(|quotes| rest.trim_start().starts_with(quotes));
            let closed = opened.map(|quotes| {
                let from = rest.find(quotes).map_or(0, |at| at + 3);
                rest[from..].find(quotes).map_or(text.len(), |at| value + from + at)
            });
            problems.hide(Span { start: value, end: closed.unwrap_or(start + line.len()) });
        }
        start += line.len();
    }
}
