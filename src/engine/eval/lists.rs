//! Functions of arrays and rows. <https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/functions/systemfunctions/#collection-functions>

use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use super::order::total_cmp;
use super::values::{Body, Outcome, int, list, mistyped, parts, string, text};
use super::{EvalError, Reason, TEXT_MAX_BYTES};
use crate::model::{DataType, Value};
use crate::plan::{Expr, Function};

/// Elements that a function may make: ARRAY_CONCAT of ARRAY_CONCAT must not eat the gateway's memory.
const ELEMENTS_MAX: usize = TEXT_MAX_BYTES / size_of::<Value>();

pub fn body(function: Function, arguments: &[Expr]) -> Option<Body> {
    Some(match function {
        Function::ArrayOf | Function::RowOf => Body::Nullable(|values| list(values.to_vec())),
        Function::Field(index) => Body::Prepared(Box::new(move |values| field(values, index))),
        Function::Item if matches!(arguments.first()?.data_type, DataType::Array(_)) => {
            Body::Strict(|values| Ok(element_at(parts(&values[0])?, int(&values[1])?)))
        }
        Function::Cardinality if matches!(arguments.first()?.data_type, DataType::Array(_)) => {
            Body::Strict(|values| Ok(Value::Int(parts(&values[0])?.len() as i64)))
        }
        Function::Element => Body::Strict(element),
        Function::ArrayAppend => Body::Nullable(|values| with_one(values, |array, one| array.push(one.clone()))),
        Function::ArrayPrepend => Body::Nullable(|values| with_one(values, |array, one| array.insert(0, one.clone()))),
        Function::ArrayRemove => {
            Body::Nullable(|values| with_one(values, |array, one| array.retain(|each| each != one)))
        }
        Function::ArrayConcat => Body::Strict(concat),
        Function::ArrayContains => {
            Body::Nullable(|values| of_array(values, |array, one| Value::Boolean(array.contains(one))))
        }
        Function::ArrayPosition => Body::Strict(|values| {
            let at = parts(&values[0])?.iter().position(|each| *each == values[1]);
            Ok(Value::Int(at.map_or(0, |at| at as i64 + 1)))
        }),
        Function::ArrayDistinct => Body::Strict(|values| list(distinct(parts(&values[0])?.iter()))),
        Function::ArrayUnion => {
            Body::Strict(|values| list(distinct(parts(&values[0])?.iter().chain(parts(&values[1])?))))
        }
        Function::ArrayExcept => Body::Strict(except),
        Function::ArrayIntersect => Body::Strict(|values| {
            let other = members(parts(&values[1])?);
            list(distinct(parts(&values[0])?.iter().filter(|each| other.contains(&Member(each)))))
        }),
        Function::ArrayReverse => Body::Strict(|values| list(parts(&values[0])?.iter().rev().cloned().collect())),
        Function::ArraySlice => Body::Strict(slice),
        Function::ArraySort => Body::Nullable(sort),
        Function::ArrayMax => Body::Strict(|values| Ok(best(parts(&values[0])?, Ordering::is_gt))),
        Function::ArrayMin => Body::Strict(|values| Ok(best(parts(&values[0])?, Ordering::is_lt))),
        Function::ArrayJoin => Body::Strict(join),
        _ => return None,
    })
}

fn present(array: &[Value]) -> impl Iterator<Item = &Value> {
    array.iter().filter(|each| !each.is_null())
}

/// The largest or smallest element; NaN is neither larger nor smaller than another number, and stays if it comes first.
fn best(array: &[Value], better: fn(Ordering) -> bool) -> Value {
    let is_nan = |value: &Value| matches!(value, Value::Double(number) if number.is_nan());
    let choose = |best, each| if !is_nan(best) && !is_nan(each) && better(total_cmp(each, best)) { each } else { best };
    present(array).reduce(choose).cloned().unwrap_or(Value::Null)
}

fn limited(count: usize, function: &'static str) -> Result<(), EvalError> {
    if count > ELEMENTS_MAX {
        return Err(Reason::TooMany { function, most: ELEMENTS_MAX }.into());
    }
    Ok(())
}

fn field(values: &[Value], index: usize) -> Outcome {
    parts(&values[0])?.get(index).cloned().ok_or_else(mistyped)
}

/// From 1; NULL outside.
fn element_at(array: &[Value], index: i64) -> Value {
    let at = usize::try_from(index).ok().and_then(|index| index.checked_sub(1));
    at.and_then(|at| array.get(at)).cloned().unwrap_or(Value::Null)
}

/// The only element; NULL of an empty array.
fn element(values: &[Value]) -> Outcome {
    match parts(&values[0])? {
        [] => Ok(Value::Null),
        [one] => Ok(one.clone()),
        many => {
            let (value, why) = (format!("an array of {} elements", many.len()), "it takes one of one".to_owned());
            Err(Reason::Argument { function: "ELEMENT", value, why }.into())
        }
    }
}

/// An array, which may be NULL, and an element, which may be NULL and then counts as one.
fn of_array(values: &[Value], f: impl Fn(&[Value], &Value) -> Value) -> Outcome {
    match values {
        [Value::Null, _] => Ok(Value::Null),
        [array, one] => Ok(f(parts(array)?, one)),
        _ => Err(mistyped()),
    }
}

fn with_one(values: &[Value], change: impl Fn(&mut Vec<Value>, &Value)) -> Outcome {
    of_array(values, |array, one| {
        let mut array = array.to_vec();
        change(&mut array, one);
        Value::List(array.into())
    })
}

fn concat(values: &[Value]) -> Outcome {
    let mut all = Vec::new();
    for array in values {
        let array = parts(array)?;
        limited(all.len() + array.len(), "ARRAY_CONCAT")?;
        all.extend_from_slice(array);
    }
    list(all)
}

/// Each once, where it stands first.
fn distinct<'v>(all: impl Iterator<Item = &'v Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    all.filter(|each| seen.insert(Member(each))).cloned().collect()
}

fn members(array: &[Value]) -> HashSet<Member<'_>> {
    array.iter().map(Member).collect()
}

/// An element in a set, as `=` compares it: a device chooses how long an array is, so no function may look through all of
/// one for each element of another.
struct Member<'v>(&'v Value);

impl PartialEq for Member<'_> {
    fn eq(&self, other: &Member<'_>) -> bool {
        self.0 == other.0
    }
}

/// NaN is not equal to itself, and so is found in no set.
impl Eq for Member<'_> {}

impl Hash for Member<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            Value::Null => {}
            Value::Boolean(truth) => truth.hash(state),
            Value::Int(number) | Value::Timestamp(number) => number.hash(state),
            // The two zeros are equal.
            Value::Double(number) => (number + 0.0).to_bits().hash(state),
            Value::Decimal(number) => number.unscaled().hash(state),
            Value::String(text) => text.hash(state),
            Value::Bytes(bytes) => bytes.hash(state),
            Value::Date(number) | Value::Time(number) => number.hash(state),
            Value::List(parts) => parts.iter().for_each(|part| Member(part).hash(state)),
        }
    }
}

/// The distinct elements of the first array that the second has not.
fn except(values: &[Value]) -> Outcome {
    let other = members(parts(&values[1])?);
    list(distinct(parts(&values[0])?.iter().filter(|each| !other.contains(&Member(each)))))
}

/// From `start` to `end`, both included and counted from 1, negative ones from the end.
fn slice(values: &[Value]) -> Outcome {
    let array = parts(&values[0])?;
    let count = array.len() as i64;
    let place = |index: i64| if index < 0 { count.saturating_add(index) + 1 } else { index.max(1) };
    let start = place(int(&values[1])?).max(1);
    let end = values.get(2).map(int).transpose()?.map_or(count, place).min(count);
    if start > end || end < 1 {
        return list(Vec::new());
    }
    list(array[start as usize - 1..end as usize].to_vec())
}

/// ARRAY_SORT(array [, ascending [, nulls first]]); without the last NULLs come first ascending and last descending.
fn sort(values: &[Value]) -> Outcome {
    let flag = |at: usize| match values.get(at) {
        None => Ok(None),
        Some(Value::Boolean(flag)) => Ok(Some(*flag)),
        Some(Value::Null) => Err(None),
        Some(_) => Err(Some(mistyped())),
    };
    if values[0].is_null() {
        return Ok(Value::Null);
    }
    let (ascending, nulls_first) = match (flag(1), flag(2)) {
        (Ok(ascending), Ok(nulls_first)) => {
            let ascending = ascending.unwrap_or(true);
            (ascending, nulls_first.unwrap_or(ascending))
        }
        (Err(Some(error)), _) | (_, Err(Some(error))) => return Err(error),
        _ => return Ok(Value::Null),
    };
    let array = parts(&values[0])?;
    let mut sorted: Vec<Value> = present(array).cloned().collect();
    sorted.sort_by(total_cmp);
    if !ascending {
        sorted.reverse();
    }
    let nulls = vec![Value::Null; array.len() - sorted.len()];
    list(if nulls_first { [nulls, sorted].concat() } else { [sorted, nulls].concat() })
}

/// NULL elements are left out, or shown as the third argument says.
fn join(values: &[Value]) -> Outcome {
    let delimiter = text(&values[1])?;
    let (mut out, mut is_first) = (String::new(), true);
    for each in parts(&values[0])? {
        let shown = match (each, values.get(2)) {
            (Value::Null, None) => continue,
            (Value::Null, Some(instead)) => text(instead)?,
            (each, _) => text(each)?,
        };
        if out.len() + delimiter.len() + shown.len() > TEXT_MAX_BYTES {
            return Err(Reason::TooLong { function: "ARRAY_JOIN" }.into());
        }
        if !std::mem::take(&mut is_first) {
            out.push_str(delimiter);
        }
        out.push_str(shown);
    }
    string(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(numbers: impl IntoIterator<Item = i64>) -> Value {
        Value::List(numbers.into_iter().map(Value::Int).collect())
    }

    #[test]
    fn a_long_separator_between_many_elements_is_no_way_to_the_end_of_memory() {
        let many = Value::List(vec![Value::string("x"); 100_000].into());
        let error = join(&[many.clone(), Value::string(&"-".repeat(1_000_000))]).unwrap_err().to_string();
        assert_eq!(error, "ARRAY_JOIN makes a text longer than 4194304 bytes");
        assert_eq!(join(&[many, Value::string("")]), Ok(Value::string(&"x".repeat(100_000))));
        let empty = Value::List(vec![Value::string(""); 3].into());
        assert_eq!(join(&[empty, Value::string(",")]), Ok(Value::string(",,")));
    }

    /// Long enough that looking through one array for each element of the other would not end.
    #[test]
    fn sets_of_long_arrays() {
        const COUNT: i64 = 100_000;
        let (all, half) = (whole((0..COUNT).chain(0..COUNT)), whole(COUNT / 2..COUNT));
        let of = |function, values: &[Value]| match body(function, &[]) {
            Some(Body::Strict(run)) => run(values).unwrap(),
            _ => panic!("another kind of function"),
        };
        assert_eq!(of(Function::ArrayDistinct, std::slice::from_ref(&all)), whole(0..COUNT));
        assert_eq!(
            of(Function::ArrayUnion, &[half.clone(), all.clone()]),
            whole((COUNT / 2..COUNT).chain(0..COUNT / 2))
        );
        assert_eq!(of(Function::ArrayExcept, &[all.clone(), half.clone()]), whole(0..COUNT / 2));
        assert_eq!(of(Function::ArrayIntersect, &[all, half.clone()]), half);
    }

    #[test]
    fn elements_are_the_same_where_they_are_equal() {
        let number = |number: f64| Value::List([Value::Double(number), Value::Null].into());
        let all = [number(0.0), number(-0.0), number(1.5), number(f64::NAN), number(1.5), number(f64::NAN)];
        let kept = distinct(all.iter());
        assert_eq!(kept.len(), 4, "one zero, one 1.5, and NaN is never equal: {kept:?}");
        assert_eq!(kept[..2], [number(0.0), number(1.5)]);
    }
}
