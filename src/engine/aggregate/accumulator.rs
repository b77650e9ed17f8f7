//! Aggregates as a few words in a row: what COUNT, SUM, AVG, MIN and MAX keep per group and pane.
//!
//! The layout is fixed per query: word 0 has a bit per aggregate that says whether it has seen a value (more words
//! where there are more than [`FLAGS_IN_HEADER`]), then come each aggregate's own words. What is no number (text, sets
//! of distinct values) lives in [`Objects`], its word is a handle.

use super::moments::Of;
use super::numbers::{NUMBERS_MAX, Numbers};
use super::objects::{Best, Object, Objects};
use super::sketch::Sketch;
use super::sums::{
    add_double, add_float, add_wide, average, decimal_value, join, narrow, round_float, split, sum, wide,
};
use crate::engine::RestoreError;
use crate::engine::codec::{Reader, Writer};
use crate::engine::eval::{EvalError, TEXT_MAX_BYTES};
use crate::model::{DataType, Decimal, Value};
use crate::plan::{Aggregate, AggregateFunction};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One word: how many.
    Count,
    /// One word, wrapping around.
    SumInt,
    /// Two words: high, low.
    SumDouble,
    SumFloat,
    /// Three words: 192 bits, which no sum of 2^64 numbers of 38 digits leaves.
    SumDecimal,
    /// The sum, then the count.
    AvgInt,
    AvgDouble,
    AvgDecimal,
    /// One word: the best so far.
    Int(Best),
    Double(Best),
    /// Two words.
    Decimal(Best),
    /// One word: a handle in [`Objects`].
    Object(Best),
    /// One word: a handle of the set of values.
    Distinct(AggregateFunction),
    /// Variances and deviations: see `moments.rs`.
    Moments(Of, AggregateFunction),
    /// One word: a handle of the value that came first, or last.
    First,
    Last,
    /// One word: a handle of the text so far.
    List,
    /// One word: a handle of the sketch.
    Sketch,
    /// One word: a handle of the numbers and how often each came.
    Numbers,
}

impl Kind {
    fn new(aggregate: &Aggregate) -> Kind {
        let argument = aggregate.argument.as_ref().map_or(DataType::Null, |argument| argument.data_type);
        let best = match aggregate.function {
            AggregateFunction::Min => Best::Smallest,
            AggregateFunction::Max => Best::Largest,
            function if aggregate.distinct => return Kind::Distinct(function),
            AggregateFunction::ApproxPercentile => return Kind::Sketch,
            AggregateFunction::Percentile => return Kind::Numbers,
            AggregateFunction::FirstValue => return Kind::First,
            AggregateFunction::LastValue => return Kind::Last,
            AggregateFunction::ListAgg => return Kind::List,
            AggregateFunction::StddevPop
            | AggregateFunction::StddevSamp
            | AggregateFunction::VarPop
            | AggregateFunction::VarSamp => return Kind::Moments(Of::new(argument), aggregate.function),
            AggregateFunction::Count => return Kind::Count,
            AggregateFunction::Sum => {
                return match argument {
                    DataType::Double => Kind::SumDouble,
                    DataType::Float => Kind::SumFloat,
                    DataType::Decimal { .. } => Kind::SumDecimal,
                    _ => Kind::SumInt,
                };
            }
            AggregateFunction::Avg => {
                return match argument {
                    DataType::Double | DataType::Float => Kind::AvgDouble,
                    DataType::Decimal { .. } => Kind::AvgDecimal,
                    _ => Kind::AvgInt,
                };
            }
        };
        match argument {
            DataType::Double | DataType::Float => Kind::Double(best),
            DataType::Decimal { .. } => Kind::Decimal(best),
            DataType::String | DataType::Bytes | DataType::Null => Kind::Object(best),
            _ => Kind::Int(best),
        }
    }

    fn words(self) -> usize {
        match self {
            Kind::Count
            | Kind::SumInt
            | Kind::SumFloat
            | Kind::Int(_)
            | Kind::Double(_)
            | Kind::Object(_)
            | Kind::Distinct(_)
            | Kind::First
            | Kind::Last
            | Kind::List
            | Kind::Sketch
            | Kind::Numbers => 1,
            Kind::SumDouble | Kind::AvgInt | Kind::Decimal(_) => 2,
            Kind::SumDecimal | Kind::AvgDouble => 3,
            Kind::AvgDecimal => 4,
            Kind::Moments(of, _) => of.words(),
        }
    }

    fn has_object(self) -> bool {
        matches!(
            self,
            Kind::Object(_) | Kind::Distinct(_) | Kind::First | Kind::Last | Kind::List | Kind::Sketch | Kind::Numbers
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    kind: Kind,
    /// First of its words.
    at: usize,
    argument: DataType,
    result: DataType,
}

/// Aggregates beyond these have their flags in words of their own.
pub const FLAGS_IN_HEADER: usize = 32;

/// The layout of one query's accumulators.
pub struct Layout {
    slots: Vec<Slot>,
    /// Of each aggregate: LISTAGG's separator, the fraction of a percentile, or several.
    parameters: Vec<Value>,
    /// Words of one accumulator, flags included.
    pub words: usize,
    flag_words: usize,
}

impl Layout {
    pub fn new(aggregates: &[Aggregate]) -> Layout {
        let flag_words =
            if aggregates.len() <= FLAGS_IN_HEADER { 1 } else { 1 + (aggregates.len() - FLAGS_IN_HEADER).div_ceil(64) };
        let mut words = flag_words;
        let mut slots = Vec::with_capacity(aggregates.len());
        for aggregate in aggregates {
            let kind = Kind::new(aggregate);
            let argument = aggregate.argument.as_ref().map_or(DataType::Null, |argument| argument.data_type);
            slots.push(Slot { kind, at: words, argument, result: aggregate.data_type });
            words += kind.words();
        }
        let parameters = aggregates.iter().map(|aggregate| aggregate.parameter.clone()).collect();
        Layout { slots, parameters, words, flag_words }
    }

    /// Takes a value into aggregate `index`. The caller has left out NULLs (COUNT(*) counts any value) and what FILTER
    /// does not let through.
    pub fn add(&self, index: usize, words: &mut [u64], value: &Value, objects: &mut Objects) {
        let Slot { kind, at, .. } = self.slots[index];
        let seen = see(words, index);
        match (kind, value) {
            (Kind::Count, _) => words[at] += 1,
            (Kind::SumInt, value) => words[at] = words[at].wrapping_add(int(value) as u64),
            (Kind::AvgInt, value) => {
                words[at] = words[at].wrapping_add(int(value) as u64);
                words[at + 1] += 1;
            }
            (Kind::SumDouble, value) => add_double(&mut words[at..at + 2], double(value), 0.0),
            (Kind::AvgDouble, value) => {
                add_double(&mut words[at..at + 2], double(value), 0.0);
                words[at + 2] += 1;
            }
            (Kind::SumFloat, value) => words[at] = add_float(words[at], double(value)),
            (Kind::SumDecimal, value) => add_wide(&mut words[at..at + 3], wide(decimal(value))),
            (Kind::AvgDecimal, value) => {
                add_wide(&mut words[at..at + 3], wide(decimal(value)));
                words[at + 3] += 1;
            }
            (Kind::Int(best), value) => {
                let new = int(value);
                if !seen || best.is_better(new, words[at] as i64) {
                    words[at] = new as u64;
                }
            }
            (Kind::Double(best), value) => {
                let new = double(value);
                if !seen || best.is_better(new, f64::from_bits(words[at])) {
                    words[at] = new.to_bits();
                }
            }
            (Kind::Decimal(best), value) => {
                let new = decimal(value);
                if !seen || best.is_better(new, join(words[at], words[at + 1])) {
                    (words[at], words[at + 1]) = split(new);
                }
            }
            (Kind::Object(best), value) => {
                if !seen {
                    words[at] = objects.put(Object::Value(value.clone()));
                } else {
                    objects.improve(words[at], best, value);
                }
            }
            (Kind::Distinct(_), value) => {
                if !seen {
                    words[at] = objects.put(Object::Set(Box::default()));
                }
                objects.insert(words[at], value);
            }
            (Kind::Moments(of, _), value) => of.add(&mut words[at..at + of.words()], value),
            (Kind::First, value) => {
                if !seen {
                    words[at] = objects.put(Object::Value(value.clone()));
                }
            }
            (Kind::Last, value) => {
                if !seen {
                    words[at] = objects.put(Object::Free);
                }
                objects.set_value(words[at], value);
            }
            (Kind::List, Value::String(text)) => {
                if !seen {
                    words[at] = objects.put(Object::Text(String::new()));
                }
                objects.append(words[at], if seen { self.separator(index) } else { "" }, text);
            }
            (Kind::List, _) => {}
            (Kind::Numbers, value) => {
                if !seen {
                    words[at] = objects.put(Object::Numbers(Box::default()));
                }
                let (number, times) = counted(value, self.slots[index].argument);
                objects.count_exactly(words[at], number, times);
            }
            (Kind::Sketch, value) => {
                if !seen {
                    words[at] = objects.put(Object::Sketch(Box::default()));
                }
                objects.count(words[at], number(value, self.slots[index].argument));
            }
        }
    }

    fn separator(&self, index: usize) -> &str {
        match &self.parameters[index] {
            Value::String(separator) => separator,
            _ => ",",
        }
    }

    /// Adds the accumulator `from`, of later panes, to `into`. Objects are copied.
    pub fn merge(&self, into: &mut [u64], from: &[u64], objects: &mut Objects) {
        for (index, Slot { kind, at, .. }) in self.slots.iter().copied().enumerate() {
            if !has_seen(from, index) {
                continue;
            }
            let seen = see(into, index);
            match kind {
                Kind::Count => into[at] += from[at],
                Kind::SumInt => into[at] = into[at].wrapping_add(from[at]),
                Kind::AvgInt => {
                    into[at] = into[at].wrapping_add(from[at]);
                    into[at + 1] += from[at + 1];
                }
                Kind::SumDouble | Kind::AvgDouble => {
                    add_double(&mut into[at..at + 2], f64::from_bits(from[at]), f64::from_bits(from[at + 1]));
                    if kind == Kind::AvgDouble {
                        into[at + 2] += from[at + 2];
                    }
                }
                Kind::SumFloat => into[at] = add_float(into[at], f64::from_bits(from[at])),
                Kind::SumDecimal | Kind::AvgDecimal => {
                    add_wide(&mut into[at..at + 3], [from[at], from[at + 1], from[at + 2]]);
                    if kind == Kind::AvgDecimal {
                        into[at + 3] += from[at + 3];
                    }
                }
                Kind::Int(best) => {
                    if !seen || best.is_better(from[at] as i64, into[at] as i64) {
                        into[at] = from[at];
                    }
                }
                Kind::Double(best) => {
                    if !seen || best.is_better(f64::from_bits(from[at]), f64::from_bits(into[at])) {
                        into[at] = from[at];
                    }
                }
                Kind::Decimal(best) => {
                    if !seen || best.is_better(join(from[at], from[at + 1]), join(into[at], into[at + 1])) {
                        (into[at], into[at + 1]) = (from[at], from[at + 1]);
                    }
                }
                Kind::Moments(of, _) => of.merge(&mut into[at..at + of.words()], &from[at..at + of.words()]),
                kind if !seen && kind.has_object() => into[at] = objects.put(objects.copy(from[at])),
                Kind::First => {}
                Kind::Last => {
                    let value = objects.value(from[at]);
                    objects.set_value(into[at], &value);
                }
                Kind::List => {
                    let text = objects.text(from[at]).to_owned();
                    objects.append(into[at], self.separator(index), &text);
                }
                Kind::Object(_) | Kind::Distinct(_) | Kind::Sketch | Kind::Numbers => {
                    let best = if let Kind::Object(best) = kind { Some(best) } else { None };
                    objects.merge(into[at], from[at], best);
                }
            }
        }
    }

    /// Whether accumulators of parts can be kept and merged: not if they grow with each value, and only if it is no
    /// matter in which order the parts are merged.
    pub fn adds_up_ahead(&self) -> bool {
        let grows = |kind| matches!(kind, Kind::Distinct(_) | Kind::List | Kind::Sketch | Kind::Numbers);
        self.slots.iter().all(|slot| !grows(slot.kind) && slot.kind != Kind::SumFloat)
    }

    /// The result of aggregate `index`.
    pub fn value(&self, index: usize, words: &[u64], objects: &Objects) -> Result<Value, EvalError> {
        let Slot { kind, at, argument, result } = self.slots[index];
        if !has_seen(words, index) {
            return Ok(match kind {
                Kind::Count | Kind::Distinct(AggregateFunction::Count) => Value::Int(0),
                _ => Value::Null,
            });
        }
        Ok(match kind {
            Kind::Count => Value::Int(words[at] as i64),
            Kind::SumInt => Value::Int(wrap(words[at] as i64, result)),
            Kind::AvgInt => Value::Int(wrap((words[at] as i64).wrapping_div(words[at + 1].max(1) as i64), result)),
            Kind::SumDouble => Value::Double(sum(words, at)),
            Kind::AvgDouble => Value::Double(round_float(sum(words, at) / words[at + 2] as f64, result)),
            Kind::SumFloat | Kind::Double(_) => Value::Double(f64::from_bits(words[at])),
            Kind::SumDecimal => narrow([words[at], words[at + 1], words[at + 2]]).map_or(Value::Null, decimal_value),
            Kind::AvgDecimal => {
                let total = [words[at], words[at + 1], words[at + 2]];
                average(total, words[at + 3], argument, result).map_or(Value::Null, decimal_value)
            }
            Kind::Int(_) => int_value(words[at] as i64, result),
            Kind::Decimal(_) => Value::Decimal(Decimal::new(join(words[at], words[at + 1]))),
            Kind::Object(_) | Kind::First | Kind::Last => objects.value(words[at]),
            Kind::Distinct(function) => self.fold(index, function, objects.set(words[at]))?,
            Kind::Moments(of, function) => of.value(function, &words[at..at + of.words()], argument, result),
            Kind::List => {
                let text = objects.text(words[at]);
                if text.len() > TEXT_MAX_BYTES {
                    return Err(EvalError::new(&format!("LISTAGG makes a text longer than {TEXT_MAX_BYTES} bytes")));
                }
                Value::string(text)
            }
            Kind::Numbers => match objects.numbers(words[at]) {
                Some(numbers) if numbers.is_incomplete() => {
                    let message =
                        format!("PERCENTILE of more than {NUMBERS_MAX} different numbers: write APPROX_PERCENTILE");
                    return Err(EvalError::new(&message));
                }
                Some(numbers) => numbers.percentiles(&self.parameters[index]),
                None => Value::Null,
            },
            Kind::Sketch => {
                let fraction = number(&self.parameters[index], DataType::Double);
                objects
                    .sketch(words[at])
                    .and_then(|sketch| sketch.percentile(fraction))
                    .map_or(Value::Null, Value::Double)
            }
        })
    }

    /// The aggregate of the distinct values, in the order in which they came.
    fn fold(&self, index: usize, function: AggregateFunction, values: &[Value]) -> Result<Value, EvalError> {
        let Slot { argument, result, .. } = self.slots[index];
        let argument = crate::plan::Expr { kind: crate::plan::ExprKind::Literal(Value::Null), data_type: argument };
        let parameter = self.parameters[index].clone();
        let aggregate = Aggregate {
            function,
            argument: Some(argument),
            distinct: false,
            filter: None,
            parameter,
            data_type: result,
        };
        let layout = Layout::new(std::slice::from_ref(&aggregate));
        let mut words = vec![0; layout.words];
        let mut objects = Objects::default();
        values.iter().for_each(|value| layout.add(0, &mut words, value, &mut objects));
        layout.value(0, &words, &objects)
    }

    /// Gives back what the accumulator holds in `objects`.
    pub fn release(&self, words: &[u64], objects: &mut Objects) {
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.kind.has_object() && has_seen(words, index) {
                objects.take(words[slot.at]);
            }
        }
    }

    pub fn write(&self, words: &[u64], objects: &Objects, writer: &mut Writer) {
        words[..self.flag_words]
            .iter()
            .enumerate()
            .for_each(|(index, word)| writer.unsigned(if index == 0 { word & FLAGS_MASK } else { *word }));
        for (index, Slot { kind, at, .. }) in self.slots.iter().copied().enumerate() {
            if !has_seen(words, index) {
                continue;
            }
            match kind {
                Kind::Count => writer.unsigned(words[at]),
                Kind::SumInt | Kind::Int(_) => writer.signed(words[at] as i64),
                Kind::AvgInt => {
                    writer.signed(words[at] as i64);
                    writer.unsigned(words[at + 1]);
                }
                Kind::Object(_) | Kind::First | Kind::Last => writer.value(&objects.value(words[at])),
                Kind::List => writer.value(&Value::string(objects.text(words[at]))),
                Kind::Sketch => objects.sketch(words[at]).cloned().unwrap_or_default().write(writer),
                Kind::Numbers => objects.numbers(words[at]).cloned().unwrap_or_default().write(writer),
                Kind::Distinct(_) => {
                    let values = objects.set(words[at]);
                    writer.count(values.len());
                    values.iter().for_each(|value| writer.value(value));
                }
                kind => words[at..at + kind.words()].iter().for_each(|word| writer.word(*word)),
            }
        }
    }

    /// Fills `words`, which are all zero.
    pub fn read(&self, words: &mut [u64], objects: &mut Objects, reader: &mut Reader<'_>) -> Result<(), RestoreError> {
        for word in &mut words[..self.flag_words] {
            *word = reader.unsigned()?;
        }
        let flags = words[..self.flag_words].to_vec();
        words[..self.flag_words].fill(0);
        if flags[0] & !FLAGS_MASK != 0 {
            return Err(RestoreError("flags are out of range".to_owned()));
        }
        for (index, Slot { kind, at, .. }) in self.slots.iter().copied().enumerate() {
            if !has_seen(&flags, index) {
                continue;
            }
            match kind {
                Kind::Count => words[at] = reader.unsigned()?.min(COUNT_MAX),
                Kind::SumInt | Kind::Int(_) => words[at] = reader.signed()? as u64,
                Kind::AvgInt => {
                    words[at] = reader.signed()? as u64;
                    words[at + 1] = reader.unsigned()?.clamp(1, COUNT_MAX);
                }
                Kind::Object(_) | Kind::First | Kind::Last => words[at] = objects.put(Object::Value(reader.value()?)),
                Kind::List => match reader.value()? {
                    Value::String(text) => words[at] = objects.put(Object::Text(text.to_string())),
                    _ => return Err(RestoreError("a list of texts is none".to_owned())),
                },
                Kind::Sketch => words[at] = objects.put(Object::Sketch(Box::new(Sketch::read(reader)?))),
                Kind::Numbers => words[at] = objects.put(Object::Numbers(Box::new(Numbers::read(reader)?))),
                Kind::Distinct(_) => {
                    words[at] = objects.put(Object::Set(Box::default()));
                    for _ in 0..reader.count()? {
                        objects.insert(words[at], &reader.value()?);
                    }
                }
                kind => {
                    for word in &mut words[at..at + kind.words()] {
                        *word = reader.word()?;
                    }
                    if let Kind::Moments(..) = kind {
                        words[at] = words[at].clamp(1, COUNT_MAX);
                    }
                    if matches!(kind, Kind::AvgDouble | Kind::AvgDecimal) {
                        let count = &mut words[at + kind.words() - 1];
                        *count = (*count).clamp(1, COUNT_MAX);
                    }
                }
            }
            see(words, index);
        }
        Ok(())
    }
}

/// No counter reaches this; a saved one beyond it is cut, so that adding to it cannot overflow.
const COUNT_MAX: u64 = 1 << 60;

const FLAGS_MASK: u64 = (1 << FLAGS_IN_HEADER) - 1;

fn flag(index: usize) -> (usize, u64) {
    if index < FLAGS_IN_HEADER {
        (0, 1 << index)
    } else {
        let beyond = index - FLAGS_IN_HEADER;
        (1 + beyond / 64, 1 << (beyond % 64))
    }
}

fn has_seen(words: &[u64], index: usize) -> bool {
    let (word, bit) = flag(index);
    words[word] & bit != 0
}

/// Sets the flag; whether it was set before.
fn see(words: &mut [u64], index: usize) -> bool {
    let (word, bit) = flag(index);
    let seen = words[word] & bit != 0;
    words[word] |= bit;
    seen
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(number) | Value::Timestamp(number) => *number,
        Value::Boolean(flag) => i64::from(*flag),
        Value::Date(number) | Value::Time(number) => i64::from(*number),
        _ => 0,
    }
}

fn int_value(number: i64, data_type: DataType) -> Value {
    match data_type {
        DataType::Boolean => Value::Boolean(number != 0),
        DataType::Date => Value::Date(number as i32),
        DataType::Time(_) => Value::Time(number as i32),
        DataType::Timestamp(_) | DataType::TimestampLtz(_) => Value::Timestamp(number),
        _ => Value::Int(number),
    }
}

fn double(value: &Value) -> f64 {
    match value {
        Value::Double(number) => *number,
        _ => 0.0,
    }
}

/// Any number as a double.
fn number(value: &Value, data_type: DataType) -> f64 {
    match (value, data_type) {
        (Value::Int(number), _) => *number as f64,
        (Value::Double(number), _) => *number,
        (Value::Decimal(number), DataType::Decimal { scale, .. }) => {
            number.unscaled() as f64 / 10f64.powi(i32::from(scale))
        }
        _ => f64::NAN,
    }
}

/// A number, and how often it counts: of a ROW that stands in its second field.
fn counted(value: &Value, data_type: DataType) -> (f64, u64) {
    match (value, data_type) {
        (Value::List(parts), DataType::Row(fields)) => match (&**parts, fields) {
            ([value, Value::Int(times)], [field, _]) if !value.is_null() => {
                (number(value, field.data_type), u64::try_from(*times).unwrap_or(0))
            }
            _ => (0.0, 0),
        },
        _ => (number(value, data_type), 1),
    }
}

fn decimal(value: &Value) -> i128 {
    match value {
        Value::Decimal(number) => number.unscaled(),
        _ => 0,
    }
}

/// A whole number as its type holds it.
pub fn wrap(number: i64, data_type: DataType) -> i64 {
    match data_type {
        DataType::TinyInt => i64::from(number as i8),
        DataType::SmallInt => i64::from(number as i16),
        DataType::Int => i64::from(number as i32),
        _ => number,
    }
}
