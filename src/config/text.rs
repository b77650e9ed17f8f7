//! A string of the file, with the way back from each of its characters to the place where it is written.
//!
//! An SQL error is given in lines and columns of the query; the person sees a TOML file, where the query may stand in
//! any of TOML's four kinds of string, with escapes, folded lines and `${VARIABLES}`.

use super::problem::Span;

/// A decoded string.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Text {
    pub value: String,
    /// As it stood before `${…}` was replaced: this is what messages show.
    pub written: String,
    /// Ascending; the first one starts at 0.
    pieces: Vec<Piece>,
    /// Where the string's last character ends in the file.
    end: usize,
}

/// From `at` in the value on, the file has it from `source` on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    at: usize,
    source: usize,
    /// Character for character; otherwise all of it comes from the one place (an escape, a variable).
    verbatim: bool,
}

impl Text {
    /// `span` is the literal in the file with its quotes, `value` what the TOML parser made of it.
    pub fn decode(file: &str, span: Span, value: &str) -> Text {
        let mut text =
            file.get(span.start..span.end).and_then(|literal| decode(literal, span.start)).unwrap_or_default();
        if text.value != value {
            // Cannot happen while both decoders are right; then all of it is shown at its beginning.
            text.value = value.to_owned();
            text.pieces = vec![Piece { at: 0, source: span.start, verbatim: false }];
        }
        text.end = span.end;
        text.written = text.value.clone();
        text
    }

    /// Where the character at this offset of the value is written.
    pub fn source_offset(&self, offset: usize) -> usize {
        let after = self.pieces.partition_point(|piece| piece.at <= offset);
        let Some(piece) = after.checked_sub(1).and_then(|i| self.pieces.get(i)) else { return self.end };
        let source = if piece.verbatim { piece.source + (offset - piece.at) } else { piece.source };
        source.min(self.end)
    }

    /// The place of `length` characters from a line and a column (both from 1, columns in characters) of the value.
    pub fn place(&self, line: u32, column: u32, length: u32) -> Span {
        let start = offset_of(&self.value, line, column);
        let end =
            self.value[start..].char_indices().nth(length.max(1) as usize).map_or(self.value.len(), |(i, _)| start + i);
        self.between(start, end)
    }

    /// The place of a part of the value, by its byte offsets.
    pub fn between(&self, start: usize, end: usize) -> Span {
        let from = self.source_offset(start);
        // The end of the last character, not the start of the next: an escape or a folded line may stand between.
        let last = self.value.get(..end).and_then(|value| value.char_indices().next_back());
        let to = last.map_or(from, |(i, c)| self.source_offset(i.max(start)) + c.len_utf8());
        Span { start: from, end: to.max(from + 1) }
    }

    /// Replaces `${NAME}` by what `replace` gives for the text between the braces; `$${` stands for `${`.
    /// An error is returned with its place.
    pub fn expand(&mut self, mut replace: impl FnMut(&str) -> Result<String, String>) -> Result<(), (Span, String)> {
        if !self.value.contains("${") {
            return Ok(());
        }
        let mut expanded = Text { written: self.written.clone(), end: self.end, ..Text::default() };
        let mut at = 0;
        while let Some(dollar) = self.value[at..].find("${").map(|i| at + i) {
            if self.value[at..dollar].ends_with('$') {
                self.copy_into(&mut expanded, at, dollar - 1);
                self.copy_into(&mut expanded, dollar, dollar + 2);
                at = dollar + 2;
                continue;
            }
            self.copy_into(&mut expanded, at, dollar);
            let Some(close) = self.value[dollar..].find('}').map(|i| dollar + i) else {
                return Err((self.between(dollar, dollar + 2), "\"${\" is never closed".to_owned()));
            };
            let name = &self.value[dollar + 2..close];
            let value = replace(name).map_err(|message| (self.between(dollar, close + 1), message))?;
            expanded.pieces.push(Piece {
                at: expanded.value.len(),
                source: self.source_offset(dollar),
                verbatim: false,
            });
            expanded.value.push_str(&value);
            at = close + 1;
        }
        self.copy_into(&mut expanded, at, self.value.len());
        *self = expanded;
        Ok(())
    }

    fn copy_into(&self, target: &mut Text, start: usize, end: usize) {
        if start == end {
            return;
        }
        let shift = |at: usize| target.value.len() + at - start;
        let inside = |piece: &&Piece| piece.at > start && piece.at < end;
        let verbatim = self.pieces.iter().rev().find(|piece| piece.at <= start).is_some_and(|piece| piece.verbatim);
        let first = Piece { at: target.value.len(), source: self.source_offset(start), verbatim };
        let rest: Vec<Piece> = self.pieces.iter().filter(inside).map(|p| Piece { at: shift(p.at), ..*p }).collect();
        target.pieces.push(first);
        target.pieces.extend(rest);
        target.value.push_str(&self.value[start..end]);
    }
}

/// Byte offset of a line and column; beyond the end, the end.
fn offset_of(value: &str, line: u32, column: u32) -> usize {
    let start = match line {
        0 | 1 => 0,
        _ => value.match_indices('\n').nth(line as usize - 2).map_or(value.len(), |(i, _)| i + 1),
    };
    value[start..].char_indices().nth(column.max(1) as usize - 1).map_or(value.len(), |(i, _)| start + i)
}

/// TOML's strings: <https://toml.io/en/v1.0.0#string>. `None` for what is no string literal.
fn decode(literal: &str, start: usize) -> Option<Text> {
    for (quotes, basic) in [("\"\"\"", true), ("'''", false), ("\"", true), ("'", false)] {
        if let Some(inner) = literal.strip_prefix(quotes).and_then(|rest| rest.strip_suffix(quotes)) {
            let newline = match quotes.len() {
                3 if inner.starts_with("\r\n") => 2,
                3 if inner.starts_with('\n') => 1,
                _ => 0,
            };
            let mut text = Text::default();
            decode_inner(&inner[newline..], start + quotes.len() + newline, basic, &mut text)?;
            return Some(text);
        }
    }
    None
}

fn decode_inner(inner: &str, start: usize, escapes: bool, text: &mut Text) -> Option<()> {
    text.pieces.push(Piece { at: 0, source: start, verbatim: true });
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        let source = start + (inner.len() - rest.len());
        let taken = match c {
            '\\' if escapes => {
                let (taken, character) = decode_escape(rest)?;
                text.pieces.push(Piece { at: text.value.len(), source, verbatim: false });
                text.value.extend(character);
                text.pieces.push(Piece { at: text.value.len(), source: source + taken, verbatim: true });
                taken
            }
            _ => {
                text.value.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    // Two pieces at one offset: the later one says where the next character comes from.
    text.pieces.dedup_by(|later, earlier| {
        later.at == earlier.at && {
            *earlier = *later;
            true
        }
    });
    Some(())
}

/// Length of the escape in the file, and its character; a line continuation has none.
fn decode_escape(rest: &str) -> Option<(usize, Option<char>)> {
    let kind = rest[1..].chars().next()?;
    let hex = |digits: usize| {
        let code = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
        char::from_u32(code).map(|c| (2 + digits, Some(c)))
    };
    match kind {
        'b' => Some((2, Some('\u{8}'))),
        't' => Some((2, Some('\t'))),
        'n' => Some((2, Some('\n'))),
        'f' => Some((2, Some('\u{c}'))),
        'r' => Some((2, Some('\r'))),
        'e' => Some((2, Some('\u{1b}'))),
        '"' => Some((2, Some('"'))),
        '\\' => Some((2, Some('\\'))),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        ' ' | '\t' | '\r' | '\n' => {
            let tail = &rest[1..];
            Some((1 + tail.len() - tail.trim_start_matches([' ', '\t', '\r', '\n']).len(), None))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::{DeTable, DeValue};

    fn parse(file: &str) -> Text {
        let table = DeTable::parse(file).unwrap();
        let (_, value) = table.get_ref().iter().next().unwrap();
        let DeValue::String(string) = value.get_ref() else { panic!("a string") };
        let text = Text::decode(file, value.span().into(), string);
        assert_eq!(text.value, **string);
        assert_eq!(decode(&file[value.span()], 0).unwrap().value, **string, "our own decoder agrees");
        text
    }

    /// Every `X` of the value must be found at an `X` of the file.
    #[test]
    fn all_four_kinds_lead_back() {
        for file in [
            "a = 'abX cX'",
            "a = \"ab\\\"X\\u00e4X\\n\\tX\"",
            "a = '''\nabX\n  cX'''",
            "a = '''X'''",
            "a = \"\"\"\nab\\\\X\n  c\\\"X \\\n     dX\\U0001F600X\"\"\"",
            "a = \"\"\"X\\   \n\n   X\"\"\"",
            "a = '''ab''X''''",
            "a = \"\"\"\r\nab\r\nX\\\r\n   X\"\"\"",
            "a = ''",
        ] {
            let text = parse(file);
            let xs: Vec<usize> = text.value.match_indices('X').map(|(i, _)| text.source_offset(i)).collect();
            let expected: Vec<usize> = file.match_indices('X').map(|(i, _)| i).collect();
            assert_eq!(xs, expected, "{file}");
        }
    }

    #[test]
    fn lines_and_columns_lead_back() {
        let file = "q = \"\"\"\nSELECT a\n  FROM ätt WHERE b\n\"\"\"";
        let text = parse(file);
        let span = text.place(2, 18, 1);
        assert_eq!(&file[span.start..span.end], "b");
        let span = text.place(2, 8, 3);
        assert_eq!(&file[span.start..span.end], "ätt");
        // The end of the text.
        let span = text.place(9, 9, 1);
        assert_eq!(span.start, file.len() - 3);
    }

    #[test]
    fn variables_are_replaced_and_lead_back() {
        let file = "q = \"a\\t${ONE}b $${TWO} ${TWO}c\"";
        let mut text = parse(file);
        text.expand(|name| Ok(if name == "ONE" { "first".to_owned() } else { "2".to_owned() })).unwrap();
        assert_eq!(text.value, "a\tfirstb ${TWO} 2c");
        assert_eq!(text.source_offset(text.value.find('b').unwrap()), file.find('b').unwrap());
        assert_eq!(text.source_offset(text.value.find('c').unwrap()), file.find('c').unwrap());
        assert_eq!(text.source_offset(text.value.find("irst").unwrap()), file.find("${ONE").unwrap());
        assert_eq!(text.source_offset(text.value.find("TWO").unwrap()), file.find("TWO").unwrap());
    }

    #[test]
    fn a_wrong_variable_says_where() {
        let file = "q = \"a ${MISSING}\"";
        let (span, message) = parse(file).expand(|name| Err(format!("no {name}"))).unwrap_err();
        assert_eq!((&file[span.start..span.end], message.as_str()), ("${MISSING}", "no MISSING"));
        let file = "q = \"a ${MISSING\"";
        assert!(parse(file).expand(|_| Ok(String::new())).is_err());
    }
}
