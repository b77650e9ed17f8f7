//! What several aggregates take of a row, and what they give: the part that all grouping operators share.

use super::accumulator::Layout;
use super::objects::Objects;
use crate::engine::eval::{Context, EvalError};
use crate::engine::operand::Operand;
use crate::model::{Row, Value};
use crate::plan::Aggregate;

const NO_VALUE: Value = Value::Null;
const ANY_VALUE: Value = Value::Boolean(true);

pub struct Fold {
    inputs: Vec<Input>,
    pub layout: Layout,
}

/// What an aggregate reads.
struct Input {
    /// `None`: every row, COUNT(*).
    argument: Option<Operand>,
    filter: Option<Operand>,
}

impl Fold {
    pub fn new(aggregates: &[Aggregate]) -> Fold {
        let input = |aggregate: &Aggregate| Input {
            argument: aggregate.argument.as_ref().map(Operand::new),
            filter: aggregate.filter.as_ref().map(Operand::new),
        };
        Fold { inputs: aggregates.iter().map(input).collect(), layout: Layout::new(aggregates) }
    }

    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Computes what the aggregates read of a row; then [`add`](Self::add) takes it.
    pub fn prepare(&mut self, row: &[Value], context: &Context) -> Result<(), EvalError> {
        for Input { argument, filter } in &mut self.inputs {
            for operand in [argument, filter].into_iter().flatten() {
                operand.prepare(row, context)?;
            }
        }
        Ok(())
    }

    pub fn add(&self, row: &[Value], words: &mut [u64], objects: &mut Objects) {
        for (index, Input { argument, filter }) in self.inputs.iter().enumerate() {
            if filter.as_ref().is_some_and(|filter| *filter.value(row) != Value::Boolean(true)) {
                continue;
            }
            let value = argument.as_ref().map_or(&ANY_VALUE, |argument| argument.value(row));
            if *value != NO_VALUE {
                self.layout.add(index, words, value, objects);
            }
        }
    }

    /// Appends the results to `row`. After an error what could not be computed is NULL there.
    pub fn results(&self, words: &[u64], objects: &Objects, row: &mut Row) -> Result<(), EvalError> {
        let mut result = Ok(());
        for index in 0..self.len() {
            row.push(self.layout.value(index, words, objects).unwrap_or_else(|error| {
                result = Err(error);
                Value::Null
            }));
        }
        result
    }
}
