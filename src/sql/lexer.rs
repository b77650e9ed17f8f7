//! Text → tokens, each with its place.
//!
//! Words keep their spelling; whether one is a keyword is the parser's business. Names stand in backticks, text in
//! single quotes, each doubled inside. Comments are `-- …` and `/* … */`.

use super::span::{Problem, Span};

/// Longer texts are refused before anything else looks at them.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: TokenKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// A keyword or an unquoted name.
    Word(String),
    /// A name in backticks.
    Quoted(String),
    Text(String),
    /// `X'4F'`
    Bytes(Vec<u8>),
    Number(String),
    Symbol(&'static str),
    End,
}

/// The longer ones first.
const SYMBOLS: [&str; 28] = [
    "<>", "!=", "<=", ">=", "||", "=>", "(", ")", ",", ".", ";", "*", "+", "-", "/", "%", "=", "<", ">", "[", "]", "{",
    "}", "?", "|", "^", "$", ":",
];

/// The tokens of the text, ended by one of kind `End`.
pub fn tokenize(text: &str) -> Result<Vec<Token>, Problem> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the text has {} bytes, more than the {TEXT_BYTES_MAX} that are read", text.len());
        return Err(Problem::new(Span::default(), message));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let start = lexer.at;
        let kind = lexer.next()?;
        if kind == TokenKind::End {
            // What is missing at the end is missing after the last word, not after the blanks behind it.
            let end = tokens.last().map_or(0, |last: &Token| last.span.end);
            tokens.push(Token { kind, span: Span { start: end, end } });
            return Ok(tokens);
        }
        tokens.push(Token { kind, span: lexer.span_from(start) });
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn span_from(&self, start: usize) -> Span {
        // TEXT_BYTES_MAX fits a u32.
        Span { start: start as u32, end: self.at as u32 }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &str {
        let start = self.at;
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        &self.text[start..self.at]
    }

    fn skip_blanks(&mut self) -> Result<(), Problem> {
        loop {
            self.take_while(char::is_whitespace);
            let start = self.at;
            if self.rest().starts_with("--") {
                self.take_while(|c| c != '\n');
            } else if self.rest().starts_with("/*+") {
                self.at += 3;
                return Err(Problem::unsupported(self.span_from(start), "a hint (/*+ … */)"));
            } else if self.rest().starts_with("/*") {
                match self.rest().find("*/") {
                    Some(end) => self.at += end + 2,
                    None => {
                        self.at += 2;
                        return Err(
                            Problem::new(self.span_from(start), "this comment has no end").help("end it with */")
                        );
                    }
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<TokenKind, Problem> {
        let start = self.at;
        let Some(first) = self.peek() else { return Ok(TokenKind::End) };
        match first {
            '\'' => Ok(TokenKind::Text(self.quoted('\'', "text")?)),
            '`' => {
                let name = self.quoted('`', "name")?;
                if name.is_empty() {
                    return Err(Problem::new(self.span_from(start), "this name is empty"));
                }
                Ok(TokenKind::Quoted(name))
            }
            'x' | 'X' if self.rest()[1..].starts_with('\'') => self.bytes(),
            'u' | 'U' if self.rest()[1..].starts_with("&'") => self.unicode(),
            'n' | 'N' if self.rest()[1..].starts_with('\'') => {
                self.at += 1;
                Ok(TokenKind::Text(self.quoted('\'', "text")?))
            }
            'e' | 'E' if self.rest()[1..].starts_with('\'') => self.escaped(),
            '_' if self.character_set().is_some() => {
                self.at += self.character_set().unwrap_or_default();
                Ok(TokenKind::Text(self.quoted('\'', "text")?))
            }
            '0'..='9' => self.number(),
            '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            c if is_word_start(c) => Ok(TokenKind::Word(self.take_while(is_word_part).to_owned())),
            c => self.symbol(c),
        }
    }

    fn symbol(&mut self, first: char) -> Result<TokenKind, Problem> {
        let start = self.at;
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol)) {
            self.at += symbol.len();
            return Ok(TokenKind::Symbol(symbol));
        }
        self.at += first.len_utf8();
        let problem = Problem::new(self.span_from(start), format!("{first:?} means nothing here"));
        Err(match first {
            '"' => problem.help("a text stands in single quotes: 'hot'; a name in backticks: `value`"),
            '„' | '“' | '”' | '‘' | '’' | '´' => {
                problem.help("a text stands in straight single quotes: 'hot'")
            }
            _ => problem,
        })
    }

    /// What stands between two `quote`s; a doubled one is one of it.
    fn quoted(&mut self, quote: char, what: &str) -> Result<String, Problem> {
        let start = self.at;
        self.at += quote.len_utf8();
        let mut content = String::new();
        loop {
            content.push_str(self.take_while(|c| c != quote));
            if self.peek().is_none() {
                // The opening quote is where to look; the rest of the text may be long.
                let span = Span { start: start as u32, end: start as u32 + 1 };
                return Err(Problem::new(span, format!("this {what} has no end")).help(format!("end it with {quote}")));
            }
            self.at += quote.len_utf8();
            if self.peek() != Some(quote) {
                return Ok(content);
            }
            content.push(quote);
            self.at += quote.len_utf8();
        }
    }

    /// `U&'\00e9'`, or with another character than the backslash: `U&'!00e9' UESCAPE '!'`.
    fn unicode(&mut self) -> Result<TokenKind, Problem> {
        let start = self.at;
        self.at += 2;
        let raw = self.quoted('\'', "text")?;
        let (end, mut escape) = (self.at, '\\');
        self.skip_blanks()?;
        let word = self.take_while(is_word_part);
        if word.eq_ignore_ascii_case("UESCAPE") {
            self.skip_blanks()?;
            if self.peek() != Some('\'') {
                return Err(Problem::new(self.span_from(start), "UESCAPE takes one character in quotes"));
            }
            let chosen = self.quoted('\'', "text")?;
            let mut chars = chosen.chars();
            escape = match (chars.next(), chars.next()) {
                (Some(c), None) if !c.is_ascii_hexdigit() && !c.is_whitespace() => c,
                _ => return Err(Problem::new(self.span_from(start), "UESCAPE takes one character in quotes")),
            };
        } else {
            self.at = end;
        }
        match unescape(&raw, escape) {
            Some(text) => Ok(TokenKind::Text(text)),
            None => Err(Problem::new(self.span_from(start), "this text has an escape that is none")
                .help(format!("{escape} is followed by four hexadecimal digits, or by another {escape}"))),
        }
    }

    /// The length of `_UTF8` and its like before a quote: a text is one of Unicode here whatever is said of it.
    fn character_set(&self) -> Option<usize> {
        let quote = self.rest().find('\'')?;
        let known = ["_UTF8", "_UTF16", "_LATIN1"];
        known.iter().any(|name| self.rest()[..quote].eq_ignore_ascii_case(name)).then_some(quote)
    }

    /// `E'a\tb'`, with C's escapes; a backslash before anything else stays.
    fn escaped(&mut self) -> Result<TokenKind, Problem> {
        let start = self.at;
        self.at += 2;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != '\'' && c != '\\'));
            let rest = self.rest();
            if rest.starts_with("''") {
                text.push('\'');
                self.at += 2;
            } else if rest.starts_with('\'') {
                self.at += 1;
                return Ok(TokenKind::Text(text));
            } else if rest.is_empty() {
                let span = Span { start: start as u32, end: start as u32 + 2 };
                return Err(Problem::new(span, "this text has no end").help("end it with '"));
            } else {
                let (c, length) = c_escape(rest).unwrap_or(('\\', 1));
                text.push(c);
                self.at += length;
            }
        }
    }

    fn bytes(&mut self) -> Result<TokenKind, Problem> {
        let start = self.at;
        self.at += 1;
        let digits = self.quoted('\'', "byte string")?;
        let nibbles: Option<Vec<u8>> = digits.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
        match nibbles {
            Some(nibbles) if nibbles.len() % 2 == 0 => {
                Ok(TokenKind::Bytes(nibbles.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
            }
            _ => Err(Problem::new(self.span_from(start), "a byte string is made of pairs of hexadecimal digits")
                .help("for example X'4F0A'")),
        }
    }

    fn number(&mut self) -> Result<TokenKind, Problem> {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        if self.rest().starts_with('.') {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        if self.rest().starts_with(['e', 'E']) {
            let before = self.at;
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            if self.take_while(|c| c.is_ascii_digit()).is_empty() {
                self.at = before;
            }
        }
        if self.peek().is_some_and(is_word_part) {
            self.take_while(is_word_part);
            let text = &self.text[start..self.at];
            return Err(Problem::new(self.span_from(start), format!("{text} is neither a number nor a name"))
                .help(format!("a name that begins with a digit stands in backticks: `{text}`")));
        }
        Ok(TokenKind::Number(self.text[start..self.at].to_owned()))
    }
}

/// What a backslash and what follows it mean in C, and how long they are.
fn c_escape(text: &str) -> Option<(char, usize)> {
    let after = text.strip_prefix('\\')?;
    let code = |digits: &str, radix, before: usize| {
        let c = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)?;
        Some((c, before + digits.len()))
    };
    let digits = |text: &str, radix, most: usize| text.chars().take(most).take_while(|c| c.is_digit(radix)).count();
    let first = after.chars().next()?;
    Some(match first {
        'b' => ('\u{8}', 2),
        'f' => ('\u{c}', 2),
        'n' => ('\n', 2),
        'r' => ('\r', 2),
        't' => ('\t', 2),
        '\'' | '\\' => (first, 2),
        '0'..='7' if digits(after, 8, 3) == 3 => return code(&after[..3], 8, 1),
        'x' => return code(&after[1..=digits(&after[1..], 16, 2)], 16, 2),
        'u' => return code(after.get(1..5)?, 16, 2),
        'U' => return code(after.get(1..9)?, 16, 2),
        _ => return None,
    })
}

/// `\00e9` and `\\`, in UTF-16 code units.
fn unescape(raw: &str, escape: char) -> Option<String> {
    let mut units: Vec<u16> = Vec::new();
    let mut rest = raw;
    while let Some(at) = rest.find(escape) {
        units.extend(rest[..at].encode_utf16());
        rest = &rest[at + escape.len_utf8()..];
        if let Some(after) = rest.strip_prefix(escape) {
            units.extend(escape.encode_utf16(&mut [0; 2]).iter());
            rest = after;
            continue;
        }
        let digits = rest.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        units.push(u16::from_str_radix(digits, 16).ok()?);
        rest = &rest[4..];
    }
    units.extend(rest.encode_utf16());
    String::from_utf16(&units).ok()
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokenize(text).expect("it is valid").into_iter().map(|token| token.kind).collect()
    }

    fn word(text: &str) -> TokenKind {
        TokenKind::Word(text.into())
    }

    #[test]
    fn words_names_and_texts() {
        assert_eq!(
            kinds("SELECT Gerät_1, `a``b` -- end\n/* x\n */ 'it''s' X'0aFF'"),
            [
                word("SELECT"),
                word("Gerät_1"),
                TokenKind::Symbol(","),
                TokenKind::Quoted("a`b".into()),
                TokenKind::Text("it's".into()),
                TokenKind::Bytes(vec![10, 255]),
                TokenKind::End
            ]
        );
    }

    #[test]
    fn escapes() {
        let text = |text: &str| TokenKind::Text(text.into());
        assert_eq!(kinds("U&'a\\00e9\\\\' u&'!d83d!de00!!' UESCAPE '!'"), [text("aé\\"), text("😀!"), TokenKind::End]);
        for wrong in ["U&'\\00'", "U&'\\d83d'", "U&'\\zzzz'", "U&'a' UESCAPE 'xy'", "U&'é\\é'", "U&'a' UESCAPE"] {
            assert!(tokenize(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_and_symbols() {
        let number = |text: &str| TokenKind::Number(text.into());
        assert_eq!(
            kinds("1 1.5 .5 1. 2e3 1.5E-7 a.b<>1||2"),
            [
                number("1"),
                number("1.5"),
                number(".5"),
                number("1."),
                number("2e3"),
                number("1.5E-7"),
                word("a"),
                TokenKind::Symbol("."),
                word("b"),
                TokenKind::Symbol("<>"),
                number("1"),
                TokenKind::Symbol("||"),
                number("2"),
                TokenKind::End
            ]
        );
    }

    #[test]
    fn a_token_knows_its_place() {
        let tokens = tokenize("ü  'x'").expect("it is valid");
        assert_eq!(tokens[1].span, Span { start: 4, end: 7 });
    }

    #[test]
    fn mistakes() {
        for wrong in ["'abc", "`abc", "/* x", "\"a\"", "1abc", "X'abc'", "``", "a # b", "/*+ OPTIONS() */", "1e5e"] {
            assert!(tokenize(wrong).is_err(), "{wrong}");
        }
        assert!(tokenize(&" ".repeat(TEXT_BYTES_MAX)).is_ok());
        assert!(tokenize(&" ".repeat(TEXT_BYTES_MAX + 1)).is_err());
    }
}
