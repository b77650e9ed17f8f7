//! LIKE over code points. As in Flink, `_` takes any code point but a line terminator, and there is no escape character
//! unless one is given.

use super::compile::{Compiler, Pattern};
use super::typed::{Bool, Eval, Str, eval};
use super::{EvalError, Reason, excerpt};
use crate::plan::Expr;

#[derive(Debug, PartialEq, Eq)]
enum Matcher {
    Equal(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    General(Vec<Token>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `_`
    One,
    /// `%`
    Many,
}

pub fn compile(
    compiler: &mut Compiler<'_>,
    operand: &Expr,
    pattern: &Expr,
    escape: Option<char>,
    negated: bool,
) -> Eval<Bool> {
    let operand = compiler.compile::<Str>(operand);
    // The escape character is part of what is compiled, and `Pattern` takes plain functions: so tokens come from both.
    let pattern: Pattern<String> = Pattern::new(compiler, pattern, str::to_owned);
    let constant = match &pattern {
        Pattern::Fixed(Some(text)) => Some(Matcher::new(text, escape)),
        _ => None,
    };
    eval::<Bool, _>(move |env| {
        let Some(text) = operand(env)? else { return Ok(None) };
        let matches = |matcher: &Result<Matcher, EvalError>| match matcher {
            Ok(matcher) => Ok(Some(matcher.matches(&text) != negated)),
            Err(error) => Err(error.clone()),
        };
        match &constant {
            Some(matcher) => matches(matcher),
            None => pattern.with(env, |pattern| matches(&Matcher::new(pattern, escape))),
        }
    })
}

impl Matcher {
    fn new(pattern: &str, escape: Option<char>) -> Result<Matcher, EvalError> {
        let mut tokens = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            tokens.push(if Some(c) == escape {
                match chars.next() {
                    Some(next @ ('_' | '%')) => Token::Char(next),
                    Some(next) if Some(next) == escape => Token::Char(next),
                    _ => {
                        let why = format!("{c:?} must be followed by %, _ or itself");
                        return Err(Reason::Argument { function: "LIKE", value: excerpt(pattern), why }.into());
                    }
                }
            } else {
                match c {
                    '_' => Token::One,
                    '%' => Token::Many,
                    c => Token::Char(c),
                }
            });
        }
        Ok(Matcher::from_tokens(tokens))
    }

    fn from_tokens(tokens: Vec<Token>) -> Matcher {
        let starts = tokens.first() == Some(&Token::Many);
        let ends = tokens.last() == Some(&Token::Many);
        let inner = &tokens[usize::from(starts)..tokens.len() - usize::from(ends && tokens.len() > 1)];
        let plain: Option<String> =
            inner.iter().map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect();
        match (plain, starts, ends) {
            (Some(text), false, false) => Matcher::Equal(text),
            (Some(text), false, true) => Matcher::Prefix(text),
            (Some(text), true, false) => Matcher::Suffix(text),
            (Some(text), true, true) => Matcher::Contains(text),
            (None, ..) => Matcher::General(tokens),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Matcher::Equal(pattern) => text == pattern,
            Matcher::Prefix(pattern) => text.starts_with(pattern.as_str()),
            Matcher::Suffix(pattern) => text.ends_with(pattern.as_str()),
            Matcher::Contains(pattern) => text.contains(pattern.as_str()),
            Matcher::General(tokens) => general(tokens, text),
        }
    }
}

/// Tries to match; after a failure lets the last `%` take one code point more. At most |tokens| × |text| steps.
fn general(tokens: &[Token], text: &str) -> bool {
    let (mut token, mut rest) = (0, text);
    let mut last_many: Option<(usize, &str)> = None;
    loop {
        let next = rest.chars().next();
        let matched = match (tokens.get(token), next) {
            (Some(Token::Many), _) => {
                token += 1;
                last_many = Some((token, rest));
                continue;
            }
            (None, None) => return true,
            (Some(Token::Char(wanted)), Some(c)) => *wanted == c,
            (Some(Token::One), Some(c)) => !matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'),
            _ => false,
        };
        if matched {
            token += 1;
            rest = &rest[next.map_or(0, char::len_utf8)..];
            continue;
        }
        let Some((after, from)) = last_many else { return false };
        let Some(skipped) = from.chars().next() else { return false };
        (token, rest) = (after, &from[skipped.len_utf8()..]);
        last_many = Some((token, rest));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn like(text: &str, pattern: &str, escape: Option<char>) -> Option<bool> {
        Matcher::new(pattern, escape).ok().map(|matcher| matcher.matches(text))
    }

    /// Flink 2.3's own answers.
    #[test]
    fn as_flink() {
        for (text, pattern, escape, answer) in [
            ("a%b", "a\\%b", None, Some(false)),
            ("a\\b", "a\\b", None, Some(true)),
            ("a%b", "a!%b", Some('!'), Some(true)),
            ("axb", "a!%b", Some('!'), Some(false)),
            ("a!b", "a!!b", Some('!'), Some(true)),
            ("ab", "a!b", Some('!'), None),
            ("", "", None, Some(true)),
            ("", "%", None, Some(true)),
            ("😀", "_", None, Some(true)),
            ("a\nb", "a_b", None, Some(false)),
            ("a\nb", "a%b", None, Some(true)),
            ("axb", "a.b", None, Some(false)),
            ("ABC", "abc", None, Some(false)),
            ("2026-03-01", "2026_03%", None, Some(true)),
        ] {
            assert_eq!(like(text, pattern, escape), answer, "{text:?} LIKE {pattern:?}");
        }
    }

    fn naive(text: &[char], tokens: &[char]) -> bool {
        match tokens.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skip| naive(&text[skip..], rest)),
            Some(('_', rest)) => !text.is_empty() && text[0] != '\n' && naive(&text[1..], rest),
            Some((c, rest)) => text.first() == Some(c) && naive(&text[1..], rest),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_matcher(text in "[abß\n]{0,10}", pattern in "[abß%_]{0,7}") {
            let (chars, tokens): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
            prop_assert_eq!(like(&text, &pattern, None), Some(naive(&chars, &tokens)));
        }
    }
}
