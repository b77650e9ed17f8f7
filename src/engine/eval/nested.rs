//! CAST of arrays, maps and rows: each part is cast by itself.

use super::compile::{Compiler, Root, unsupported};
use super::maps::map;
use super::typed::{Env, Eval, List, Str, Text, eval};
use super::{EvalError, Reason, TEXT_MAX_BYTES};
use crate::model::{DataType, Value};
use crate::plan::{Expr, ExprKind};

/// Casts one part, which stands alone in a row of its own.
struct Part(Root);

impl Part {
    fn new(compiler: &mut Compiler<'_>, from: DataType, to: DataType) -> Part {
        let operand = Expr::column(0, from);
        if from == to {
            return Part(compiler.root(&operand));
        }
        Part(compiler.root(&Expr::new(ExprKind::Cast { operand: Box::new(operand), safe: false }, to)))
    }

    fn cast(&self, value: &Value, env: &Env<'_>) -> Result<Value, EvalError> {
        self.0.value(&Env { row: std::slice::from_ref(value), ..*env })
    }
}

/// The casts of the parts, in the order in which a value holds them; they repeat until the value ends.
fn parts(compiler: &mut Compiler<'_>, from: DataType, to: DataType) -> Option<Vec<Part>> {
    Some(match (from, to) {
        (DataType::Array(from), DataType::Array(to)) => vec![Part::new(compiler, *from, *to)],
        (DataType::Map(from), DataType::Map(to)) => {
            vec![Part::new(compiler, from.key, to.key), Part::new(compiler, from.value, to.value)]
        }
        (DataType::Row(from), DataType::Row(to)) if from.len() == to.len() => {
            from.iter().zip(to).map(|(from, to)| Part::new(compiler, from.data_type, to.data_type)).collect()
        }
        _ => return None,
    })
}

pub fn cast(compiler: &mut Compiler<'_>, operand: &Expr, safe: bool, to: DataType) -> Eval<List> {
    let list = compiler.compile::<List>(operand);
    let Some(casts) = parts(compiler, operand.data_type, to) else { return unsupported(operand) };
    let is_map = matches!(to, DataType::Map(_));
    eval::<List, _>(move |env| {
        let Some(list) = list(env)? else { return Ok(None) };
        let cast = list.iter().zip(casts.iter().cycle()).map(|(value, part)| part.cast(value, env));
        let cast = match cast.collect::<Result<Vec<Value>, _>>() {
            // TRY_CAST: one part that fails makes the whole NULL.
            Err(_) if safe => return Ok(None),
            cast => cast?,
        };
        if !is_map {
            return Ok(Some(cast.into()));
        }
        // Keys that were two may have become one.
        match map(cast.chunks_exact(2).map(|entry| (entry[0].clone(), entry[1].clone()))) {
            Value::List(entries) => Ok(Some(entries)),
            _ => Ok(None),
        }
    })
}

/// `[a, b]`, `{k=v, …}`, `(a, b)`, NULLs as NULL.
pub fn to_text(compiler: &mut Compiler<'_>, operand: &Expr) -> Eval<Str> {
    let list = compiler.compile::<List>(operand);
    let from = operand.data_type;
    let text = DataType::String;
    let (to, open, close) = match from {
        DataType::Array(_) => (DataType::array_of(text), '[', ']'),
        DataType::Map(_) => (DataType::map_of(text, text), '{', '}'),
        DataType::Row(fields) => (DataType::row_of(fields.iter().map(|field| (field.name, text))), '(', ')'),
        _ => return unsupported(operand),
    };
    let Some(casts) = parts(compiler, from, to) else { return unsupported(operand) };
    let is_map = matches!(from, DataType::Map(_));
    eval::<Str, _>(move |env| {
        let Some(list) = list(env)? else { return Ok(None) };
        let mut out = String::from(open);
        for (index, (value, part)) in list.iter().zip(casts.iter().cycle()).enumerate() {
            if index > 0 {
                out.push_str(if is_map && index % 2 == 1 { "=" } else { ", " });
            }
            match part.cast(value, env)? {
                Value::String(text) => out.push_str(&text),
                _ => out.push_str("NULL"),
            }
            if out.len() > TEXT_MAX_BYTES {
                return Err(Reason::TooLong { function: "CAST" }.into());
            }
        }
        out.push(close);
        Ok(Some(Text::Made(out)))
    })
}
