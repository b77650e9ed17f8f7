//! Functions of text. Positions and lengths count code points, as Flink's do.

use super::compile::{Compiler, Pattern, unsupported};
use super::regex::Regex;
use super::typed::{Answer, Bool, Eval, Int, Str, Text, binary, eval, ternary, unary};
use super::{EvalError, Reason, TEXT_MAX_BYTES};
use crate::plan::{Expr, Function};

fn made(text: String) -> Answer<Text> {
    Ok(Some(Text::Made(text)))
}

fn too_long(function: &'static str) -> EvalError {
    Reason::TooLong { function }.into()
}

/// Byte position of the code point number `count`, or the end.
fn byte_at(text: &str, count: usize) -> usize {
    text.char_indices().nth(count).map_or(text.len(), |(at, _)| at)
}

pub fn boolean(compiler: &mut Compiler<'_>, function: Function, arguments: &[Expr], expr: &Expr) -> Eval<Bool> {
    let [first, second] = arguments else { return unsupported(expr) };
    match function {
        Function::Regexp => {
            let (text, pattern) = (compiler.compile::<Str>(first), Pattern::new(compiler, second, Regex::new));
            eval::<Bool, _>(move |env| match text(env)? {
                // An empty pattern, or none that Java takes, matches nothing.
                Some(text) => pattern.with(env, |regex| {
                    Ok(Some(regex.get()?.is_some_and(|regex| !regex.is_empty() && regex.is_match(&text))))
                }),
                None => Ok(None),
            })
        }
        Function::StartsWith => {
            binary(compiler.compile::<Str>(first), compiler.compile::<Str>(second), |text, part| {
                Ok(Some(text.starts_with(&*part)))
            })
        }
        Function::EndsWith => binary(compiler.compile::<Str>(first), compiler.compile::<Str>(second), |text, part| {
            Ok(Some(text.ends_with(&*part)))
        }),
        _ => unsupported(expr),
    }
}

pub fn int(compiler: &mut Compiler<'_>, function: Function, arguments: &[Expr]) -> Option<Eval<Int>> {
    let first = arguments.first()?;
    Some(match (function, &arguments[1..]) {
        (Function::CharLength, []) => {
            unary(compiler.compile::<Str>(first), |text| Ok(Some(text.chars().count() as i64)))
        }
        (Function::Ascii, []) => unary(compiler.compile::<Str>(first), |text| {
            Ok(Some(text.bytes().next().map_or(0, |byte| i64::from(byte as i8))))
        }),
        (Function::Position, [haystack]) => {
            binary(compiler.compile::<Str>(first), compiler.compile::<Str>(haystack), |needle, haystack| {
                let found = haystack.find(&*needle);
                Ok(Some(found.map_or(0, |at| haystack[..at].chars().count() as i64 + 1)))
            })
        }
        _ => return None,
    })
}

pub fn text(compiler: &mut Compiler<'_>, function: Function, arguments: &[Expr]) -> Option<Eval<Str>> {
    match function {
        Function::Concat => return Some(concat(compiler.all(arguments))),
        Function::ConcatWs => return Some(concat_ws(compiler.all(arguments))),
        _ => {}
    }
    let (first, rest) = arguments.split_first()?;
    match rest {
        [] => of_one(compiler, function, first),
        [second] => of_two(compiler, function, first, second),
        _ => of_more(compiler, function, first, rest),
    }
}

fn concat(operands: Vec<Eval<Str>>) -> Eval<Str> {
    eval::<Str, _>(move |env| {
        let mut out = String::new();
        for operand in &operands {
            let Some(text) = operand(env)? else { return Ok(None) };
            out.push_str(&text);
        }
        made(out)
    })
}

fn concat_ws(operands: Vec<Eval<Str>>) -> Eval<Str> {
    eval::<Str, _>(move |env| {
        let Some((separator, parts)) = operands.split_first() else { return Ok(None) };
        let Some(separator) = separator(env)? else { return Ok(None) };
        let (mut out, mut first) = (String::new(), true);
        for part in parts {
            if let Some(text) = part(env)? {
                if !std::mem::take(&mut first) {
                    out.push_str(&separator);
                }
                out.push_str(&text);
            }
        }
        made(out)
    })
}

fn of_one(compiler: &mut Compiler<'_>, function: Function, first: &Expr) -> Option<Eval<Str>> {
    if function == Function::Chr {
        return Some(unary(compiler.compile::<Int>(first), |code| {
            made(if code < 0 { String::new() } else { char::from((code & 0xFF) as u8).to_string() })
        }));
    }
    let convert: fn(&str) -> String = match function {
        Function::Upper => str::to_uppercase,
        Function::Lower => str::to_lowercase,
        Function::Reverse => |text| text.chars().rev().collect(),
        Function::InitCap => init_cap,
        _ => return None,
    };
    Some(unary(compiler.compile::<Str>(first), move |text| made(convert(&text))))
}

/// Calcite's: only ASCII letters and digits make words, and only ASCII letters change.
fn init_cap(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        out.push(if inside { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
        inside = c.is_ascii_alphanumeric();
    }
    out
}

fn of_two(compiler: &mut Compiler<'_>, function: Function, first: &Expr, second: &Expr) -> Option<Eval<Str>> {
    Some(match function {
        Function::Trim | Function::TrimLeading | Function::TrimTrailing => {
            let leading = function != Function::TrimTrailing;
            let trailing = function != Function::TrimLeading;
            binary(compiler.compile::<Str>(first), compiler.compile::<Str>(second), move |text, characters| {
                let within = |c: char| characters.contains(c);
                let start = if leading { text.len() - text.trim_start_matches(within).len() } else { 0 };
                let end = if trailing { text[start..].trim_end_matches(within).len() + start } else { text.len() };
                Ok(Some(text.slice(start, end)))
            })
        }
        Function::Substring => {
            binary(compiler.compile::<Str>(first), compiler.compile::<Int>(second), |text, start| {
                Ok(Some(substring(text, start, i64::MAX)))
            })
        }
        Function::Left => binary(compiler.compile::<Str>(first), compiler.compile::<Int>(second), |text, count| {
            let end = byte_at(&text, usize::try_from(count).unwrap_or(0));
            Ok(Some(text.slice(0, end)))
        }),
        Function::Right => binary(compiler.compile::<Str>(first), compiler.compile::<Int>(second), |text, count| {
            let length = text.chars().count();
            let start = byte_at(&text, length.saturating_sub(usize::try_from(count).unwrap_or(0)));
            let end = text.len();
            Ok(Some(text.slice(start, end)))
        }),
        Function::Repeat => binary(compiler.compile::<Str>(first), compiler.compile::<Int>(second), |text, times| {
            let times = usize::try_from(times).unwrap_or(0);
            if text.len().saturating_mul(times) > TEXT_MAX_BYTES {
                return Err(too_long("REPEAT"));
            }
            made(text.repeat(times))
        }),
        Function::RegexpExtract => regexp_extract(compiler, first, second, None),
        _ => return None,
    })
}

fn substring(text: Text, start: i64, length: i64) -> Text {
    let count = text.chars().count() as i64;
    let first = match start {
        1.. => start - 1,
        0 => 0,
        _ => count.saturating_add(start),
    };
    if length <= 0 || first < 0 || first >= count {
        return Text::Fixed("");
    }
    let from = byte_at(&text, first as usize);
    let to = from + byte_at(&text[from..], usize::try_from(length).unwrap_or(usize::MAX));
    text.slice(from, to)
}

fn of_more(compiler: &mut Compiler<'_>, function: Function, first: &Expr, rest: &[Expr]) -> Option<Eval<Str>> {
    let [second, third, ..] = rest else { return None };
    Some(match function {
        Function::Substring => {
            let (start, length) = (compiler.compile::<Int>(second), compiler.compile::<Int>(third));
            ternary(compiler.compile::<Str>(first), start, length, |text, start, length| {
                Ok((length >= 0).then(|| substring(text, start, length)))
            })
        }
        Function::Replace => {
            let (search, by) = (compiler.compile::<Str>(second), compiler.compile::<Str>(third));
            ternary(compiler.compile::<Str>(first), search, by, |text, search, by| {
                let places = if search.is_empty() { text.len() + 1 } else { text.len() / search.len() };
                if places.saturating_mul(by.len()).saturating_add(text.len()) > TEXT_MAX_BYTES {
                    return Err(too_long("REPLACE"));
                }
                made(text.replace(&*search, &by))
            })
        }
        Function::Lpad | Function::Rpad => {
            let left = function == Function::Lpad;
            let (length, pad) = (compiler.compile::<Int>(second), compiler.compile::<Str>(third));
            ternary(compiler.compile::<Str>(first), length, pad, move |text, length, pad| {
                pad_to(text, length, &pad, left)
            })
        }
        Function::SplitIndex => {
            let (separator, index) = (compiler.compile::<Str>(second), compiler.compile::<Int>(third));
            ternary(compiler.compile::<Str>(first), separator, index, |text, separator, index| {
                Ok(usize::try_from(index).ok().and_then(|index| split_part(text, &separator, index)))
            })
        }
        Function::RegexpExtract => regexp_extract(compiler, first, second, Some(third)),
        Function::RegexpReplace => {
            let (text, by) = (compiler.compile::<Str>(first), compiler.compile::<Str>(third));
            let pattern = Pattern::new(compiler, second, Regex::new);
            eval::<Str, _>(move |env| match (text(env)?, by(env)?) {
                (Some(text), Some(by)) => pattern.with(env, |regex| match regex.get()? {
                    Some(regex) => made(regex.replace_all(&text, &by)?),
                    None => Ok(None),
                }),
                _ => Ok(None),
            })
        }
        Function::Overlay => overlay(compiler, first, rest),
        _ => return None,
    })
}

/// NULL for a negative length or an empty pad, as in Flink; a longer text is cut.
fn pad_to(text: Text, length: i64, pad: &str, left: bool) -> Answer<Text> {
    let Ok(length) = usize::try_from(length) else { return Ok(None) };
    if pad.is_empty() {
        return Ok(None);
    }
    let count = text.chars().count();
    if length <= count {
        let end = byte_at(&text, length);
        return Ok(Some(text.slice(0, end)));
    }
    if length > TEXT_MAX_BYTES / 4 {
        return Err(too_long(if left { "LPAD" } else { "RPAD" }));
    }
    let padding: String = pad.chars().cycle().take(length - count).collect();
    made(if left { padding + &text } else { format!("{}{padding}", &*text) })
}

/// The part with this number, from 0. An empty separator splits at white space; an empty text has no parts.
fn split_part(text: Text, separator: &str, index: usize) -> Option<Text> {
    if text.is_empty() {
        return None;
    }
    let part = if separator.is_empty() {
        text.split(char::is_whitespace).nth(index)?
    } else {
        text.split(separator).nth(index)?
    };
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    let end = start + part.len();
    Some(text.slice(start, end))
}

fn regexp_extract(compiler: &mut Compiler<'_>, first: &Expr, second: &Expr, third: Option<&Expr>) -> Eval<Str> {
    let text = compiler.compile::<Str>(first);
    let pattern = Pattern::new(compiler, second, Regex::new);
    let group = third.map(|third| compiler.compile::<Int>(third));
    eval::<Str, _>(move |env| {
        let Some(text) = text(env)? else { return Ok(None) };
        let group = match &group {
            Some(group) => group(env)?,
            None => Some(0),
        };
        let Some(group) = group.and_then(|group| usize::try_from(group).ok()) else { return Ok(None) };
        let range = pattern.with(env, |regex| Ok(regex.get()?.and_then(|regex| regex.group(&text, group))))?;
        Ok(range.map(|(start, end)| text.slice(start, end)))
    })
}

/// The text itself where `start` is outside of it.
fn overlay(compiler: &mut Compiler<'_>, first: &Expr, rest: &[Expr]) -> Eval<Str> {
    let text = compiler.compile::<Str>(first);
    let by = compiler.compile::<Str>(&rest[0]);
    let start = compiler.compile::<Int>(&rest[1]);
    let length = rest.get(2).map(|length| compiler.compile::<Int>(length));
    eval::<Str, _>(move |env| {
        let (Some(text), Some(by), Some(start)) = (text(env)?, by(env)?, start(env)?) else { return Ok(None) };
        let length = match &length {
            Some(length) => length(env)?,
            None => Some(by.chars().count() as i64),
        };
        let Some(length) = length else { return Ok(None) };
        if start <= 0 || start > text.chars().count() as i64 {
            return Ok(Some(text));
        }
        let head = byte_at(&text, start as usize - 1);
        // Flink drops the rest for a length of 0 or less.
        let rest = usize::try_from(length).ok().filter(|length| *length > 0);
        let tail = rest.map_or("", |length| &text[head + byte_at(&text[head..], length)..]);
        made(format!("{}{}{tail}", &text[..head], &*by))
    })
}
