//! Aggregates as a few words in a row: what COUNT, SUM, AVG, MIN and MAX keep per group and pane.
//!
//! The layout is fixed per query: word 0 has a bit per aggregate that says whether it has seen a value (more words
//! where there are more than [`FLAGS_IN_HEADER`]), then come each aggregate's own words. What is no number (text, sets
//! of distinct values) lives in [`Objects`], its word is a handle.
//!
//! Sums of doubles are kept as an unevaluated pair high + low with the rounding error of each addition in `low`
//! (Knuth's TwoSum; Dekker's double-double addition to merge). Nothing is ever subtracted, so nothing drifts: the error
//! stays below 2^-100 of the largest partial sum, whatever the order or the number of values, and merging panes gives
//! the sum that one pass would have given. Sums of FLOAT are FLOAT at each step, as in Flink.

use crate::engine::RestoreError;
use crate::engine::codec::{Reader, Writer};
use crate::engine::key_index::{KeyHasher, KeyIndex, same_key};
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Best {
    Smallest,
    Largest,
}

impl Best {
    fn is_better<T: PartialOrd>(self, new: T, old: T) -> bool {
        match self {
            Best::Smallest => new < old,
            Best::Largest => new > old,
        }
    }
}

impl Kind {
    fn new(aggregate: &Aggregate) -> Kind {
        let argument = aggregate.argument.as_ref().map_or(DataType::Null, |argument| argument.data_type);
        let best = match aggregate.function {
            AggregateFunction::Min => Best::Smallest,
            AggregateFunction::Max => Best::Largest,
            function if aggregate.distinct => return Kind::Distinct(function),
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
            | Kind::Distinct(_) => 1,
            Kind::SumDouble | Kind::AvgInt | Kind::Decimal(_) => 2,
            Kind::SumDecimal | Kind::AvgDouble => 3,
            Kind::AvgDecimal => 4,
        }
    }

    fn has_object(self) -> bool {
        matches!(self, Kind::Object(_) | Kind::Distinct(_))
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
        Layout { slots, words, flag_words }
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
                Kind::Object(_) | Kind::Distinct(_) => {
                    if !seen {
                        into[at] = objects.put(objects.copy(from[at]));
                    } else {
                        objects.merge(into[at], from[at], kind);
                    }
                }
            }
        }
    }

    /// The result of aggregate `index`.
    pub fn value(&self, index: usize, words: &[u64], objects: &Objects) -> Value {
        let Slot { kind, at, argument, result } = self.slots[index];
        if !has_seen(words, index) {
            return match kind {
                Kind::Count | Kind::Distinct(AggregateFunction::Count) => Value::Int(0),
                _ => Value::Null,
            };
        }
        match kind {
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
            Kind::Object(_) => objects.value(words[at]),
            Kind::Distinct(function) => self.fold(function, objects.set(words[at]), argument, result),
        }
    }

    /// The aggregate of the distinct values, in the order in which they came.
    fn fold(&self, function: AggregateFunction, values: &[Value], argument: DataType, result: DataType) -> Value {
        let argument = crate::plan::Expr { kind: crate::plan::ExprKind::Literal(Value::Null), data_type: argument };
        let aggregate =
            Aggregate { function, argument: Some(argument), distinct: false, filter: None, data_type: result };
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
                Kind::Object(_) => writer.value(&objects.value(words[at])),
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
                Kind::Object(_) => words[at] = objects.put(Object::Value(reader.value()?)),
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
        DataType::Time => Value::Time(number as i32),
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

fn decimal(value: &Value) -> i128 {
    match value {
        Value::Decimal(number) => number.unscaled(),
        _ => 0,
    }
}

fn wrap(number: i64, data_type: DataType) -> i64 {
    match data_type {
        DataType::TinyInt => i64::from(number as i8),
        DataType::SmallInt => i64::from(number as i16),
        DataType::Int => i64::from(number as i32),
        _ => number,
    }
}

fn round_float(number: f64, data_type: DataType) -> f64 {
    if data_type == DataType::Float { f64::from(number as f32) } else { number }
}

fn add_float(word: u64, number: f64) -> u64 {
    f64::from(f64::from_bits(word) as f32 + number as f32).to_bits()
}

/// (high, low) += (high, low) of another sum; a single value has the low part 0.
fn add_double(words: &mut [u64], high: f64, low: f64) {
    let (a, a_low) = (f64::from_bits(words[0]), f64::from_bits(words[1]));
    let total = a + high;
    if !total.is_finite() {
        // Infinity and NaN have no rounding error, but the formula below would make one.
        (words[0], words[1]) = (total.to_bits(), 0);
        return;
    }
    let part = total - a;
    let error = (a - (total - part)) + (high - part);
    let rest = error + (a_low + low);
    // So that `high` stays the rounded sum.
    let rounded = total + rest;
    (words[0], words[1]) = (rounded.to_bits(), (rest - (rounded - total)).to_bits());
}

fn sum(words: &[u64], at: usize) -> f64 {
    f64::from_bits(words[at]) + f64::from_bits(words[at + 1])
}

fn split(number: i128) -> (u64, u64) {
    (number as u64, (number >> 64) as u64)
}

fn join(low: u64, high: u64) -> i128 {
    (i128::from(high as i64) << 64) | i128::from(low)
}

fn wide(number: i128) -> [u64; 3] {
    let (low, high) = split(number);
    [low, high, (number >> 127) as u64]
}

fn add_wide(words: &mut [u64], number: [u64; 3]) {
    let mut carry = false;
    for (word, other) in words.iter_mut().zip(number) {
        let (sum, first) = word.overflowing_add(other);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        (*word, carry) = (sum, first || second);
    }
}

fn narrow(words: [u64; 3]) -> Option<i128> {
    let number = join(words[0], words[1]);
    ((number >> 127) as u64 == words[2] && number.unsigned_abs() < 10u128.pow(u32::from(Decimal::PRECISION_MAX)))
        .then_some(number)
}

fn decimal_value(number: i128) -> Value {
    Value::Decimal(Decimal::new(number))
}

fn scale(data_type: DataType) -> u32 {
    match data_type {
        DataType::Decimal { scale, .. } => u32::from(scale),
        _ => 0,
    }
}

/// sum / count with the scale of the result, half away from zero as Flink's decimals round; NULL beyond 38 digits.
fn average(total: [u64; 3], count: u64, argument: DataType, result: DataType) -> Option<i128> {
    let count = i128::from(count.max(1));
    let total = narrow(total)?;
    let digits = scale(result).saturating_sub(scale(argument));
    let (mut quotient, mut rest) = (total / count, total % count);
    // Long division, digit by digit: the sum times a power of ten need not fit.
    for _ in 0..digits {
        rest *= 10;
        quotient = quotient.checked_mul(10)?.checked_add(rest / count)?;
        rest %= count;
    }
    if rest.abs() * 2 >= count {
        quotient += total.signum();
    }
    (quotient.unsigned_abs() < 10u128.pow(u32::from(Decimal::PRECISION_MAX))).then_some(quotient)
}

/// What accumulators hold that is no number.
#[derive(Default)]
pub struct Objects {
    slots: Vec<Object>,
    free: Vec<u32>,
    hasher: KeyHasher,
    bytes: usize,
}

#[derive(Clone)]
enum Object {
    Free,
    Value(Value),
    Set(Box<ValueSet>),
}

/// Values in order of arrival, each once.
#[derive(Default)]
struct ValueSet {
    values: Vec<Value>,
    hashes: Vec<u32>,
    index: KeyIndex,
}

impl Clone for ValueSet {
    fn clone(&self) -> ValueSet {
        let mut copy = ValueSet::default();
        self.values.iter().zip(&self.hashes).for_each(|(value, hash)| {
            copy.insert(value, *hash);
        });
        copy
    }
}

impl ValueSet {
    fn insert(&mut self, value: &Value, hash: u32) -> bool {
        let (values, hashes) = (&self.values, &self.hashes);
        if self.index.find(hash, |at| hashes[at as usize] == hash && same_key(&values[at as usize], value)).is_some() {
            return false;
        }
        self.index.insert(hash, self.values.len() as u32, |at| hashes[at as usize]);
        self.values.push(value.clone());
        self.hashes.push(hash);
        true
    }
}

/// A value of a set: itself, its hash and its place in the index.
const SET_ENTRY_BYTES: usize = 24 + 4 + 8;

impl Object {
    fn bytes(&self) -> usize {
        match self {
            Object::Free => 0,
            Object::Value(value) => value.heap_bytes(),
            Object::Set(set) => set.values.iter().map(|value| SET_ENTRY_BYTES + value.heap_bytes()).sum(),
        }
    }
}

impl Objects {
    fn put(&mut self, object: Object) -> u64 {
        self.bytes += object.bytes();
        match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = object;
                u64::from(at)
            }
            None => {
                self.slots.push(object);
                self.slots.len() as u64 - 1
            }
        }
    }

    fn take(&mut self, at: u64) {
        let object = std::mem::replace(&mut self.slots[at as usize], Object::Free);
        self.bytes -= object.bytes();
        self.free.push(at as u32);
    }

    fn copy(&self, at: u64) -> Object {
        self.slots[at as usize].clone()
    }

    fn value(&self, at: u64) -> Value {
        match &self.slots[at as usize] {
            Object::Value(value) => value.clone(),
            _ => Value::Null,
        }
    }

    fn set(&self, at: u64) -> &[Value] {
        match &self.slots[at as usize] {
            Object::Set(set) => &set.values,
            _ => &[],
        }
    }

    fn improve(&mut self, at: u64, best: Best, new: &Value) {
        if let Object::Value(old) = &mut self.slots[at as usize] {
            let better = match (new, &*old) {
                (Value::String(new), Value::String(old)) => best.is_better(new.as_bytes(), old.as_bytes()),
                (Value::Bytes(new), Value::Bytes(old)) => best.is_better(new, old),
                _ => false,
            };
            if better {
                self.bytes = self.bytes + new.heap_bytes() - old.heap_bytes();
                *old = new.clone();
            }
        }
    }

    fn insert(&mut self, at: u64, value: &Value) {
        let hash = self.hasher.hash(value);
        if let Object::Set(set) = &mut self.slots[at as usize] {
            if set.insert(value, hash) {
                self.bytes += SET_ENTRY_BYTES + value.heap_bytes();
            }
        }
    }

    fn merge(&mut self, into: u64, from: u64, kind: Kind) {
        match (kind, self.copy(from)) {
            (Kind::Object(best), Object::Value(value)) => self.improve(into, best, &value),
            (_, Object::Set(set)) => set.values.iter().for_each(|value| self.insert(into, value)),
            _ => {}
        }
    }

    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Object>() + self.free.capacity() * 4 + self.bytes
    }
}
