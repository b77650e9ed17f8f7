//! Joins: what all of them share. Each kind but the lookup is one [`Timed`](super::operator::Timed) operator; port 0 is
//! the left input, port 1 the right one; a joined row is the left one's columns, then the right one's.
//!
//! Holds always: a NULL key matches nothing; a row that has a partner is put out with each, one that has none only
//! where the kind of join wants it, with NULLs for the other side, once. Of IN, EXISTS and their opposites the left row
//! comes out alone, once.

mod interval;
mod lookup;
mod unbounded;
mod versioned;
mod windowed;

pub use interval::Interval;
pub use lookup::Lookup;
pub use unbounded::Unbounded;
pub use versioned::{KEYS_MAX, VERSIONS_MAX, Versioned, WAITING_MAX};
pub use windowed::Windowed;

use super::RestoreError;
use super::codec::{Reader, Writer};
use super::eval::{Context, EvalError, Program};
use super::keyed::Keyed;
use super::operand::Operand;
use crate::model::{Row, Value};
use crate::plan::{Expr, Join, JoinKind};

pub const LEFT: usize = 0;
pub const RIGHT: usize = 1;

/// Which rows are partners, and which come without one.
pub struct Matching {
    kind: JoinKind,
    keys: [Vec<Operand>; 2],
    residual: Option<Program>,
    /// Columns of each side.
    widths: [usize; 2],
    key: Vec<Value>,
}

impl Matching {
    pub fn new(join: &Join) -> Matching {
        let keys = |side: fn(&(Expr, Expr)) -> &Expr| join.keys.iter().map(|key| Operand::new(side(key))).collect();
        Matching {
            kind: join.kind,
            keys: [keys(|key| &key.0), keys(|key| &key.1)],
            residual: join.residual.as_ref().map(Program::compile),
            widths: [join.left.schema.columns.len(), join.right.schema.columns.len()],
            key: Vec::with_capacity(join.keys.len()),
        }
    }

    pub fn key_columns(&self) -> usize {
        self.keys[LEFT].len()
    }

    /// Computes the row's key, to be had from `key()`.
    fn find_key(&mut self, port: usize, row: &[Value], context: &Context) -> Result<(), EvalError> {
        self.key.clear();
        for operand in &self.keys[port] {
            self.key.push(operand.eval(row, context)?);
        }
        Ok(())
    }

    fn key(&self) -> &[Value] {
        &self.key
    }

    /// Whether rows of this side come out without a partner, too.
    fn keeps(&self, port: usize) -> bool {
        match self.kind {
            JoinKind::Inner | JoinKind::Semi => false,
            JoinKind::Left | JoinKind::Anti => port == LEFT,
            JoinKind::Right => port == RIGHT,
            JoinKind::Full => true,
        }
    }

    /// Whether the left rows come out alone: those with a partner (Semi), or those without (Anti).
    fn tests(&self) -> Option<bool> {
        match self.kind {
            JoinKind::Semi => Some(true),
            JoinKind::Anti => Some(false),
            _ => None,
        }
    }

    /// Whether the left row has a partner among these; the keys are equal.
    fn has_partner(&self, left: &[Value], others: &[Row], context: &Context) -> Result<bool, (Row, EvalError)> {
        for right in others {
            if self.joined(LEFT, left, right, context)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A row of one side with NULLs for the other.
    fn padded(&self, port: usize, row: &[Value]) -> Row {
        let nulls = |side: usize| std::iter::repeat_n(Value::Null, self.widths[side]);
        let mut padded = Row::with_capacity(self.widths[LEFT] + self.widths[RIGHT]);
        if port == RIGHT {
            padded.extend(nulls(LEFT));
        }
        padded.extend_from_slice(row);
        if port == LEFT {
            padded.extend(nulls(RIGHT));
        }
        padded
    }

    /// The row of the side with one of the other side; `None`: they are no partners. The keys are equal.
    fn joined(
        &self,
        port: usize,
        row: &[Value],
        other: &[Value],
        context: &Context,
    ) -> Result<Option<Row>, (Row, EvalError)> {
        let (left, right) = if port == LEFT { (row, other) } else { (other, row) };
        let joined = [left, right].concat();
        match &self.residual {
            None => Ok(Some(joined)),
            Some(residual) => match residual.eval_bool(&joined, context) {
                Ok(Some(true)) => Ok(Some(joined)),
                Ok(_) => Ok(None),
                Err(error) => Err((joined, error)),
            },
        }
    }
}

fn has_null(key: &[Value]) -> bool {
    key.iter().any(Value::is_null)
}

/// Rows of one key, left and right.
type Sides = [Vec<Row>; 2];

/// Rows by key, for joins that keep them as they came.
#[derive(Default)]
pub struct Kept {
    keys: Keyed<Sides>,
    /// Of the rows.
    bytes: usize,
}

impl Kept {
    fn state_bytes(&self) -> usize {
        self.keys.bytes() + self.bytes
    }

    fn write(&self, writer: &mut Writer) {
        self.keys.write(writer, |sides, writer| {
            for side in sides {
                writer.count(side.len());
                side.iter().for_each(|row| writer.row(row));
            }
        });
    }

    fn read(matching: &Matching, reader: &mut Reader<'_>) -> Result<Kept, RestoreError> {
        let mut bytes = 0;
        let keys = Keyed::read(reader, matching.key_columns(), |reader| {
            let mut sides: Sides = Default::default();
            for (side, width) in sides.iter_mut().zip(matching.widths) {
                for _ in 0..reader.count()? {
                    let row = reader.row(width)?;
                    bytes += bytes_of(&row);
                    side.push(row);
                }
            }
            Ok(sides)
        })?;
        Ok(Kept { keys, bytes })
    }
}

/// Bytes that a kept row costs.
fn bytes_of(row: &[Value]) -> usize {
    size_of::<Row>() + row.iter().map(|value| size_of::<Value>() + value.heap_bytes()).sum::<usize>()
}
