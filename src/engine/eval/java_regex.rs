//! Java's regular expressions in the syntax of the `regex` crate.
//!
//! Java's `\d \w \s`, POSIX classes and `(?i)` are ASCII, its `.` stops at five line terminators, and its `$` also
//! matches before a last one; here they are written out so that they mean the same.
//! Refused, since a matcher of linear time has none: look-around, back-references, possessive and atomic groups.
//! Refused as well: `(?x)`, `(?d)`, `(?U)`, `\G`, `\X`, `\N`, blocks (`\p{In…}`) and `\p{java…}`.

/// Why a pattern has no translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Java refuses it too.
    Invalid,
    /// Java takes it.
    Unsupported(String),
}

/// A pattern for the `regex` crate.
#[derive(Debug, PartialEq, Eq)]
pub struct Translation {
    pub pattern: String,
    /// The number that each group of the original has in `pattern`; the first is 0, the whole.
    pub groups: Vec<usize>,
    /// Groups that stand for a `$` and hold the line terminator behind the match's real end.
    pub ends: Vec<usize>,
}

/// Groups nested deeper than this are refused.
const DEPTH_MAX: usize = 50;

const LINE_END: &str = r"\n\r\x{85}\x{2028}\x{2029}";
const SPACE: &str = r" \t\n\x0B\f\r";
const HORIZONTAL: &str = r" \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}";
const VERTICAL: &str = r"\n\x0B\f\r\x{85}\x{2028}\x{2029}";

#[derive(Clone, Copy, Default)]
struct Flags {
    ignore_case: bool,
    unicode_case: bool,
    dot_all: bool,
    multi_line: bool,
}

struct Translator<'p> {
    rest: &'p str,
    out: String,
    flags: Flags,
    /// The flags to go back to at each closing parenthesis.
    open: Vec<Flags>,
    /// All capturing groups so far, those for `$` included.
    captures: usize,
    groups: Vec<usize>,
    ends: Vec<usize>,
    /// Whether a quantifier may follow.
    atom: bool,
}

pub fn translate(pattern: &str) -> Result<Translation, Refusal> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len() * 2),
        flags: Flags::default(),
        open: Vec::new(),
        captures: 0,
        groups: vec![0],
        ends: Vec::new(),
        atom: false,
    };
    while let Some(c) = translator.next() {
        translator.item(c)?;
    }
    if !translator.open.is_empty() {
        return Err(Refusal::Invalid);
    }
    Ok(Translation { pattern: translator.out, groups: translator.groups, ends: translator.ends })
}

fn unsupported<T>(what: &str) -> Result<T, Refusal> {
    Err(Refusal::Unsupported(format!("{what} cannot be used in a regular expression here")))
}

impl Translator<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn eat(&mut self, wanted: &str) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn item(&mut self, c: char) -> Result<(), Refusal> {
        match c {
            '(' => return self.group(),
            ')' => {
                self.flags = self.open.pop().ok_or(Refusal::Invalid)?;
                self.out.push(')');
            }
            '|' => {
                self.out.push('|');
                self.atom = false;
                return Ok(());
            }
            '*' | '+' | '?' => return self.quantifier(&c.to_string()),
            '{' => {
                let (range, rest) = self.rest.split_once('}').ok_or(Refusal::Invalid)?;
                let (least, most) = range.split_once(',').unwrap_or((range, ""));
                let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
                if least.is_empty() || !digits(least) || !digits(most) {
                    return Err(Refusal::Invalid);
                }
                self.rest = rest;
                return self.quantifier(&format!("{{{range}}}"));
            }
            '.' if self.flags.dot_all => self.out.push_str("(?s:.)"),
            '.' => self.out.push_str(&format!("[^{LINE_END}]")),
            '^' => self.out.push_str(if self.flags.multi_line { "(?m:^)" } else { "^" }),
            '$' if self.flags.multi_line => self.out.push_str("(?m:$)"),
            '$' => self.text_end(),
            '[' => {
                let class = self.class(0)?;
                self.out.push_str(&class);
            }
            '\\' => self.escape()?,
            c => self.literal(c),
        }
        self.atom = true;
        Ok(())
    }

    fn quantifier(&mut self, quantifier: &str) -> Result<(), Refusal> {
        if !self.atom {
            return Err(Refusal::Invalid);
        }
        self.out.push_str(quantifier);
        if self.eat("+") {
            return unsupported("a possessive quantifier");
        }
        if self.eat("?") {
            self.out.push('?');
        }
        self.atom = false;
        Ok(())
    }

    /// The end of the text, or before its last line terminator, which the group then holds.
    fn text_end(&mut self) {
        self.captures += 1;
        self.ends.push(self.captures);
        self.out.push_str(&format!(r"(?:(\r\n|[{LINE_END}])?\z)"));
    }

    fn literal(&mut self, c: char) {
        if self.flags.ignore_case && self.flags.unicode_case {
            self.out.push_str(&format!("(?i:{})", regex::escape(c.encode_utf8(&mut [0; 4]))));
        } else if self.flags.ignore_case && c.is_ascii_alphabetic() {
            self.out.push_str(&format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase()));
        } else {
            self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        }
    }

    fn group(&mut self) -> Result<(), Refusal> {
        if self.open.len() >= DEPTH_MAX {
            return unsupported("so deep a nesting");
        }
        let before = self.flags;
        self.atom = false;
        if !self.eat("?") {
            self.capture();
            self.out.push('(');
        } else if self.eat(":") {
            self.out.push_str("(?:");
        } else if self.eat("=") || self.eat("!") {
            return unsupported("look-ahead (?= or (?!");
        } else if self.eat("<=") || self.eat("<!") {
            return unsupported("look-behind (?<= or (?<!");
        } else if self.eat(">") {
            return unsupported("an atomic group (?>");
        } else if self.eat("<") {
            let (name, rest) = self.rest.split_once('>').ok_or(Refusal::Invalid)?;
            let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
            if !starts_well || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(Refusal::Invalid);
            }
            self.rest = rest;
            self.capture();
            // Only the number of a group can be asked for, so its name is left out.
            self.out.push('(');
        } else {
            self.set_flags()?;
            if self.eat(")") {
                return Ok(());
            }
            if !self.eat(":") {
                return Err(Refusal::Invalid);
            }
            self.out.push_str("(?:");
        }
        self.open.push(before);
        Ok(())
    }

    fn capture(&mut self) {
        self.captures += 1;
        self.groups.push(self.captures);
    }

    fn set_flags(&mut self) -> Result<(), Refusal> {
        let mut on = true;
        while let Some(c) = self.peek().filter(|c| !matches!(c, ')' | ':')) {
            match c {
                '-' => on = false,
                'i' => self.flags.ignore_case = on,
                'u' => self.flags.unicode_case = on,
                's' => self.flags.dot_all = on,
                'm' => self.flags.multi_line = on,
                'x' | 'd' | 'U' => return unsupported(&format!("the flag (?{c})")),
                _ => return Err(Refusal::Invalid),
            }
            self.next();
        }
        Ok(())
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) -> Result<(), Refusal> {
        match self.peek().ok_or(Refusal::Invalid)? {
            'b' | 'B' | 'A' | 'z' => {
                let anchor = self.next();
                self.out.push('\\');
                self.out.extend(anchor);
            }
            'Z' => {
                self.next();
                self.text_end();
            }
            'R' => {
                self.next();
                self.out.push_str(&format!(r"(?:\r\n|[{VERTICAL}])"));
            }
            'Q' => {
                self.next();
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                quoted.chars().for_each(|c| self.literal(c));
            }
            '1'..='9' | 'k' => return unsupported("a back-reference"),
            'G' | 'X' | 'N' => return unsupported(r"\G, \X or \N"),
            _ => match self.escaped()? {
                Escaped::Char(c) => self.literal(c),
                Escaped::Class(class) => self.out.push_str(&format!("[{class}]")),
            },
        }
        Ok(())
    }

    /// The escapes that mean the same inside a class and outside of it.
    fn escaped(&mut self) -> Result<Escaped, Refusal> {
        let class = |class: &str| Ok(Escaped::Class(class.to_owned()));
        let not = |class: &str| Ok(Escaped::Class(format!("[^{class}]")));
        match self.next().ok_or(Refusal::Invalid)? {
            'd' => class("0-9"),
            'D' => not("0-9"),
            'w' => class("0-9A-Za-z_"),
            'W' => not("0-9A-Za-z_"),
            's' => class(SPACE),
            'S' => not(SPACE),
            'h' => class(HORIZONTAL),
            'H' => not(HORIZONTAL),
            'v' => class(VERTICAL),
            'V' => not(VERTICAL),
            'p' => self.property(false),
            'P' => self.property(true),
            't' => Ok(Escaped::Char('\t')),
            'n' => Ok(Escaped::Char('\n')),
            'r' => Ok(Escaped::Char('\r')),
            'f' => Ok(Escaped::Char('\u{c}')),
            'a' => Ok(Escaped::Char('\u{7}')),
            'e' => Ok(Escaped::Char('\u{1b}')),
            'c' => {
                let c = self.next().filter(char::is_ascii).ok_or(Refusal::Invalid)?;
                Ok(Escaped::Char(char::from(c as u8 ^ 64)))
            }
            '0' => self.number(8, 1, 3),
            'x' if self.eat("{") => {
                let number = self.number(16, 1, 6)?;
                if self.eat("}") { Ok(number) } else { Err(Refusal::Invalid) }
            }
            'x' => self.number(16, 2, 2),
            'u' => self.number(16, 4, 4),
            c if c.is_ascii_alphanumeric() => Err(Refusal::Invalid),
            c => Ok(Escaped::Char(c)),
        }
    }

    fn number(&mut self, radix: u32, least: usize, most: usize) -> Result<Escaped, Refusal> {
        let digits = self.rest.chars().take(most).take_while(|c| c.is_digit(radix)).count();
        if digits < least {
            return Err(Refusal::Invalid);
        }
        let (digits, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let code = u32::from_str_radix(digits, radix).map_err(|_| Refusal::Invalid)?;
        char::from_u32(code).map(Escaped::Char).ok_or(Refusal::Invalid)
    }

    fn property(&mut self, negated: bool) -> Result<Escaped, Refusal> {
        let name = if self.eat("{") {
            let (name, rest) = self.rest.split_once('}').ok_or(Refusal::Invalid)?;
            self.rest = rest;
            name.to_owned()
        } else {
            self.next().ok_or(Refusal::Invalid)?.to_string()
        };
        let class = match name.as_str() {
            "Lower" => "a-z",
            "Upper" => "A-Z",
            "ASCII" => r"\x00-\x7F",
            "Alpha" => "a-zA-Z",
            "Digit" => "0-9",
            "Alnum" => "a-zA-Z0-9",
            "Punct" => r"\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E",
            "Graph" => r"\x21-\x7E",
            "Print" => r"\x20-\x7E",
            "Blank" => r"\x20\t",
            "Cntrl" => r"\x00-\x1F\x7F",
            "XDigit" => "0-9a-fA-F",
            "Space" => SPACE,
            _ if name.starts_with("In") || name.starts_with("java") || name.contains('=') => {
                return unsupported(&format!("\\p{{{name}}}"));
            }
            _ => {
                let name = name.strip_prefix("Is").unwrap_or(&name);
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    return Err(Refusal::Invalid);
                }
                return Ok(Escaped::Class(format!(r"\{}{{{name}}}", if negated { 'P' } else { 'p' })));
            }
        };
        Ok(Escaped::Class(if negated { format!("[^{class}]") } else { class.to_owned() }))
    }

    /// A class behind its opening bracket; the result has both brackets.
    fn class(&mut self, depth: usize) -> Result<String, Refusal> {
        if depth > DEPTH_MAX {
            return unsupported("so deep a nesting");
        }
        let mut out = String::from(if self.eat("^") { "[^" } else { "[" });
        let mut first = true;
        loop {
            let c = self.next().ok_or(Refusal::Invalid)?;
            let low = match c {
                ']' if !first => break,
                '[' => {
                    let inner = self.class(depth + 1)?;
                    out.push_str(&inner);
                    first = false;
                    continue;
                }
                '&' if self.rest.starts_with('&') => {
                    self.next();
                    // Java lets an empty side stand for nothing; that is no pattern anyone means.
                    if first || self.peek() == Some(']') {
                        return unsupported("an empty side of &&");
                    }
                    out.push_str("&&");
                    continue;
                }
                '\\' => match self.escaped()? {
                    Escaped::Char(c) => c,
                    Escaped::Class(class) => {
                        out.push_str(&class);
                        first = false;
                        continue;
                    }
                },
                c => c,
            };
            first = false;
            let high = self.range_end()?.unwrap_or(low);
            if high < low {
                return Err(Refusal::Invalid);
            }
            self.push_range(low, high, &mut out);
        }
        out.push(']');
        Ok(out)
    }

    /// The upper end, if a range follows: a `-` before `]`, `[` or `&&` is itself.
    fn range_end(&mut self) -> Result<Option<char>, Refusal> {
        let Some(after) = self.rest.strip_prefix('-') else { return Ok(None) };
        if after.is_empty() || after.starts_with([']', '[']) || after.starts_with("&&") {
            return Ok(None);
        }
        self.rest = after;
        match self.next().ok_or(Refusal::Invalid)? {
            '\\' => match self.escaped()? {
                Escaped::Char(c) => Ok(Some(c)),
                Escaped::Class(_) => Err(Refusal::Invalid),
            },
            c => Ok(Some(c)),
        }
    }

    fn push_range(&self, low: char, high: char, out: &mut String) {
        let mut push = |low: u32, high: u32| out.push_str(&format!(r"\x{{{low:x}}}-\x{{{high:x}}}"));
        let (low, high) = (u32::from(low), u32::from(high));
        push(low, high);
        if !self.flags.ignore_case {
            return;
        }
        // The other case of the ASCII letters among them.
        for (from, to, other) in [(b'a', b'z', b'A'), (b'A', b'Z', b'a')] {
            let (from, to) = (u32::from(from).max(low), u32::from(to).min(high));
            let base = if other == b'A' { u32::from(b'a') } else { u32::from(b'A') };
            if from <= to {
                push(from - base + u32::from(other), to - base + u32::from(other));
            }
        }
    }
}

enum Escaped {
    Char(char),
    /// The inside of a class.
    Class(String),
}
