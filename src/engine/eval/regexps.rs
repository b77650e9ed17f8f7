//! Functions that look for all the places of a regular expression, or say where it is.

use super::EvalError;
use super::compile::constant_text;
use super::regex::{Compiled, Regex};
use super::values::{Body, Outcome, int, list, string, text};
use crate::model::Value;
use crate::plan::{Expr, Function};

pub fn body(function: Function, arguments: &[Expr]) -> Option<Body> {
    if function == Function::Similar {
        return Some(similar(arguments));
    }
    let run: fn(&Compiled, &str, &[Value]) -> Outcome = match function {
        Function::RegexpCount => |regex, text, _| Ok(Value::Int(regex.all(text, 0).count() as i64)),
        Function::RegexpInstr => |regex, text, _| {
            let found = regex.all(text, 0).next().flatten();
            Ok(Value::Int(found.map_or(0, |(start, _)| text[..start].chars().count() as i64 + 1)))
        },
        Function::RegexpSubstr => |regex, text, _| match regex.all(text, 0).next().flatten() {
            Some((start, end)) => string(&text[start..end]),
            None => Ok(Value::Null),
        },
        Function::RegexpExtractAll => extract_all,
        _ => return None,
    };
    let fixed = constant_text(arguments.get(1)?).map(Regex::new);
    Some(Body::Prepared(Box::new(move |values| {
        let made;
        let regex = match &fixed {
            Some(regex) => regex,
            None => {
                made = Regex::new(text(&values[1])?);
                &made
            }
        };
        // One that Java does not take finds nothing.
        match regex.get()? {
            Some(regex) => run(regex, text(&values[0])?, values),
            None => Ok(Value::Null),
        }
    })))
}

/// SIMILAR TO: `%` and `_` as in LIKE; alternation, repetition, groups and sets as in regular expressions.
fn similar(arguments: &[Expr]) -> Body {
    let escape = arguments.get(2).and_then(constant_text).and_then(|text| text.chars().next());
    let fixed = arguments.get(1).and_then(constant_text).map(|pattern| similar_regex(pattern, escape));
    Body::Prepared(Box::new(move |values| {
        let made;
        let regex = match &fixed {
            Some(regex) => regex,
            None => {
                made = similar_regex(text(&values[1])?, escape);
                &made
            }
        };
        match regex {
            Ok(regex) => Ok(Value::Boolean(regex.is_match(text(&values[0])?))),
            Err(why) => Err(EvalError::new(why)),
        }
    }))
}

fn similar_regex(pattern: &str, escape: Option<char>) -> Result<regex::Regex, String> {
    let mut out = String::from(r"\A(?:");
    let mut chars = pattern.chars();
    let mut in_set = false;
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => match chars.next() {
                Some(escaped) => out.push_str(&regex::escape(&escaped.to_string())),
                None => return Err("the pattern of SIMILAR TO ends with its escape character".to_owned()),
            },
            '%' if !in_set => out.push_str("(?s:.*)"),
            '_' if !in_set => out.push_str("(?s:.)"),
            '[' | ']' => {
                in_set = c == '[';
                out.push(c);
            }
            '^' | '-' if in_set => out.push(c),
            '|' | '*' | '+' | '?' | '{' | '}' | ',' | '(' | ')' => out.push(c),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push_str(r")\z");
    let built = regex::RegexBuilder::new(&out).size_limit(1 << 20).build();
    built.map_err(|_| format!("{pattern:?} is no pattern for SIMILAR TO"))
}

/// The group, 1 if none is named, of every match.
fn extract_all(regex: &Compiled, text: &str, values: &[Value]) -> Outcome {
    let group = values.get(2).map_or(Ok(1), int)?;
    let Some(group) = usize::try_from(group).ok().filter(|group| *group < regex.group_count()) else {
        return Ok(Value::Null);
    };
    let one =
        |found: Option<(usize, usize)>| found.map_or(Value::Null, |(start, end)| Value::string(&text[start..end]));
    list(regex.all(text, group).map(one).collect())
}
