//! Functions of maps. Inside, a map is its keys and values in turn, ordered by key, so that equal maps are equal lists.

use super::EvalError;
use super::order::total_cmp;
use super::values::{Body, Outcome, list, parts};
use crate::model::Value;
use crate::plan::Function;

pub fn body(function: Function) -> Option<Body> {
    Some(match function {
        Function::MapOf => Body::Nullable(|values| Ok(map(pairs(values)))),
        Function::Item => Body::Strict(|values| Ok(value_of(parts(&values[0])?, &values[1]))),
        Function::Cardinality => Body::Strict(|values| Ok(Value::Int((parts(&values[0])?.len() / 2) as i64))),
        Function::MapKeys => Body::Strict(|values| list(parts(&values[0])?.iter().step_by(2).cloned().collect())),
        Function::MapValues => {
            Body::Strict(|values| list(parts(&values[0])?.iter().skip(1).step_by(2).cloned().collect()))
        }
        Function::MapEntries => Body::Strict(|values| {
            list(parts(&values[0])?.chunks_exact(2).map(|entry| Value::List(entry.into())).collect())
        }),
        Function::MapFromArrays => Body::Strict(from_arrays),
        Function::MapUnion => Body::Strict(|values| {
            let all = values.iter().map(parts).collect::<Result<Vec<_>, _>>()?;
            Ok(map(all.into_iter().flat_map(|entries| entries.chunks_exact(2).map(pair))))
        }),
        Function::StrToMap => Body::Strict(|values| super::texts::str_to_map(values).map(map)),
        _ => return None,
    })
}

fn pair(entry: &[Value]) -> (Value, Value) {
    (entry[0].clone(), entry[1].clone())
}

fn pairs(values: &[Value]) -> impl Iterator<Item = (Value, Value)> {
    values.chunks_exact(2).map(pair)
}

/// Of entries with the same key the last stays.
pub fn map(entries: impl IntoIterator<Item = (Value, Value)>) -> Value {
    let mut sorted: Vec<(Value, Value)> = entries.into_iter().collect();
    // Stable, so that of equal keys the last written comes last.
    sorted.sort_by(|a, b| total_cmp(&a.0, &b.0));
    let mut flat: Vec<Value> = Vec::with_capacity(sorted.len() * 2);
    for (key, value) in sorted {
        let at = flat.len();
        if at >= 2 && flat[at - 2] == key {
            flat[at - 1] = value;
        } else {
            flat.extend([key, value]);
        }
    }
    Value::List(flat.into())
}

fn value_of(entries: &[Value], key: &Value) -> Value {
    entries.chunks_exact(2).find(|entry| entry[0] == *key).map_or(Value::Null, |entry| entry[1].clone())
}

fn from_arrays(values: &[Value]) -> Outcome {
    let (keys, others) = (parts(&values[0])?, parts(&values[1])?);
    if keys.len() != others.len() {
        let why = format!("MAP_FROM_ARRAYS needs as many keys as values, not {} and {}", keys.len(), others.len());
        return Err(EvalError::new(&why));
    }
    Ok(map(keys.iter().cloned().zip(others.iter().cloned())))
}
