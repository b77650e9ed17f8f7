//! Places in a text, and mistakes at such a place.

use super::SqlError;

/// Bytes `start..end` of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end.max(self.start) }
    }
}

/// A mistake, before its place is turned into line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(span: Span, message: impl Into<String>) -> Problem {
        Problem { span, message: message.into(), help: None }
    }

    pub fn unsupported(span: Span, what: &str) -> Problem {
        Problem::new(span, format!("{what} is not supported yet"))
    }

    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    fn locate(self, text: &str) -> SqlError {
        let clamp = |at: u32| {
            let mut at = (at as usize).min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (clamp(self.span.start), clamp(self.span.end));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let marked = &text[start..end.clamp(start, line_end)];
        SqlError {
            line: count(text[..start].matches('\n').count()) + 1,
            column: count(text[line_start..start].chars().count()) + 1,
            length: count(marked.trim_end().chars().count()).max(1),
            message: self.message,
            help: self.help,
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The problems as errors, in the order of the text, each once.
pub fn locate(mut problems: Vec<Problem>, text: &str) -> Vec<SqlError> {
    problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
    problems.dedup();
    problems.into_iter().map(|problem| problem.locate(text)).collect()
}

/// The candidate that `name` was probably meant to be.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        let longest = name.chars().count().max(candidate.chars().count());
        let close = distance <= longest / 3 || (distance == 1 && longest > 1);
        if close && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_lengths_count_characters() {
        let text = "SELECT\n  Kühler,\n\tfoo bar\nFROM t";
        let at = text.find("foo").map(|at| at as u32).unwrap_or(0);
        let errors = locate(vec![Problem::new(Span { start: at, end: at + 200 }, "x")], text);
        assert_eq!((errors[0].line, errors[0].column, errors[0].length), (3, 2, 7));
        let comma = text.find(',').map(|at| at as u32).unwrap_or(0);
        let errors = locate(vec![Problem::new(Span { start: comma, end: comma + 1 }, "x")], text);
        assert_eq!((errors[0].line, errors[0].column, errors[0].length), (2, 9, 1));
    }

    #[test]
    fn the_end_of_the_text_is_a_place() {
        let errors = locate(vec![Problem::new(Span { start: 99, end: 99 }, "x")], "ab\nü");
        assert_eq!((errors[0].line, errors[0].column, errors[0].length), (2, 2, 1));
    }

    #[test]
    fn near_names() {
        let names = ["device", "temp", "ts", "window_end"];
        assert_eq!(nearest("tempp", names), Some("temp"));
        assert_eq!(nearest("DEVICE", names), Some("device"));
        assert_eq!(nearest("windw_end", names), Some("window_end"));
        assert_eq!(nearest("zone", names), None);
    }
}
