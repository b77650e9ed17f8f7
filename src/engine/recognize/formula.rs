//! Conditions and measures, ready to run over the rows of a run.

use std::collections::VecDeque;

use super::rows::RowStore;
use crate::engine::aggregate::{Layout, Objects};
use crate::engine::eval::{Context, EvalError, Program};
use crate::engine::operand::Operand;
use crate::model::{Millis, Value};
use crate::plan::{self, End, Expr, ExprKind, Rows, Term};

/// The columns of the input that are kept of each row, in their order.
#[derive(Debug, Default)]
pub struct Kept(Vec<usize>);

impl Kept {
    /// All that formulas and order read.
    pub fn new(recognition: &plan::Recognition) -> Kept {
        let mut columns: Vec<usize> = recognition.order.iter().map(|key| key.column).collect();
        for term in recognition.formulas().flat_map(|formula| &formula.terms) {
            match term {
                Term::Column { column, .. } => columns.push(*column),
                Term::Aggregate { aggregate, .. } => {
                    aggregate
                        .argument
                        .iter()
                        .chain(&aggregate.filter)
                        .for_each(|expr| collect_columns(expr, &mut columns));
                }
                Term::MatchTime => {}
            }
        }
        columns.sort_unstable();
        columns.dedup();
        Kept(columns)
    }

    pub fn width(&self) -> usize {
        self.0.len()
    }

    /// Where the column of the input stands in what is kept.
    pub fn position(&self, column: usize) -> usize {
        self.0.binary_search(&column).unwrap_or(usize::MAX)
    }

    /// What is kept of a row of the input.
    pub fn of<'a>(&'a self, row: &'a [Value]) -> impl Iterator<Item = &'a Value> {
        const NULL: &Value = &Value::Null;
        self.0.iter().map(|column| row.get(*column).unwrap_or(NULL))
    }

    /// The expression over what is kept.
    fn moved(&self, expr: &Expr) -> Expr {
        let mut moved = expr.clone();
        self.move_columns(&mut moved);
        moved
    }

    fn move_columns(&self, expr: &mut Expr) {
        if let ExprKind::Column(column) = &mut expr.kind {
            *column = self.position(*column);
        }
        expr.children_mut().into_iter().for_each(|child| self.move_columns(child));
    }
}

fn collect_columns(expr: &Expr, columns: &mut Vec<usize>) {
    if let ExprKind::Column(column) = expr.kind {
        columns.push(column);
    }
    expr.children().into_iter().for_each(|child| collect_columns(child, columns));
}

/// The rows of a run or of a match, and maybe the one that is tested as the next.
#[derive(Clone, Copy)]
pub struct RunRows<'a> {
    pub store: &'a RowStore,
    /// Rows of the partition; those of the run begin at `first`.
    pub held: &'a VecDeque<u32>,
    pub first: usize,
    /// After how many rows each variable before `element` has ended.
    pub ends: &'a [u32],
    /// The variable that the last rows belong to.
    pub element: usize,
    pub len: usize,
    /// The variable for which a row is tested, and the row.
    pub tested: Option<(usize, u32)>,
    /// What MATCH_ROWTIME() says.
    pub time: Millis,
}

/// Rows `from..to` of the run, and whether the tested row comes after them.
struct Part {
    from: usize,
    to: usize,
    tested: Option<u32>,
}

impl RunRows<'_> {
    fn part(&self, of: Rows) -> Part {
        let Rows::Of(variable) = of else {
            return Part { from: 0, to: self.len, tested: self.tested.map(|(_, row)| row) };
        };
        let end = |variable: usize| self.ends.get(variable).map_or(0, |end| *end as usize);
        let from = if variable == 0 { 0 } else { end(variable - 1) };
        let (from, to) = match variable.cmp(&self.element) {
            std::cmp::Ordering::Less => (from, end(variable)),
            std::cmp::Ordering::Equal => (from, self.len),
            std::cmp::Ordering::Greater => (self.len, self.len),
        };
        Part { from, to, tested: self.tested.filter(|(tested, _)| *tested == variable).map(|(_, row)| row) }
    }

    /// First and last row of a variable in a match, counted from the match's first; `None`: it took no row.
    pub fn range(&self, variable: usize) -> Option<(usize, usize)> {
        let Part { from, to, .. } = self.part(Rows::Of(variable));
        (from < to).then(|| (from, to - 1))
    }

    fn slot(&self, part: &Part, at: usize) -> Option<u32> {
        if part.from + at < part.to {
            return self.held.get(self.first + part.from + at).copied();
        }
        part.tested.filter(|_| part.from + at == part.to)
    }

    fn row(&self, of: Rows, from: End, offset: usize) -> Option<u32> {
        let part = self.part(of);
        let count = part.to - part.from + usize::from(part.tested.is_some());
        let at = match from {
            End::First => offset,
            End::Last => count.checked_sub(offset + 1)?,
        };
        self.slot(&part, at)
    }
}

enum CompiledTerm {
    Column { of: Rows, from: End, offset: usize, column: usize },
    Aggregate { of: Rows, argument: Option<Operand>, layout: Layout },
    MatchTime,
}

/// An expression over terms, with room for their values.
pub struct Formula {
    terms: Vec<CompiledTerm>,
    program: Program,
    values: Vec<Value>,
    words: Vec<u64>,
    objects: Objects,
}

impl Formula {
    pub fn new(formula: &plan::Formula, kept: &Kept) -> Formula {
        let term = |term: &Term| match term {
            Term::Column { of, from, offset, column } => {
                CompiledTerm::Column { of: *of, from: *from, offset: *offset, column: kept.position(*column) }
            }
            Term::Aggregate { of, aggregate } => CompiledTerm::Aggregate {
                of: *of,
                argument: aggregate.argument.as_ref().map(|argument| Operand::new(&kept.moved(argument))),
                layout: Layout::new(std::slice::from_ref(aggregate)),
            },
            Term::MatchTime => CompiledTerm::MatchTime,
        };
        Formula {
            terms: formula.terms.iter().map(term).collect(),
            program: Program::compile(&formula.expr),
            values: vec![Value::Null; formula.terms.len()],
            words: Vec::new(),
            objects: Objects::default(),
        }
    }

    fn prepare(&mut self, rows: &RunRows<'_>, context: &Context) -> Result<(), EvalError> {
        for (term, value) in self.terms.iter_mut().zip(&mut self.values) {
            *value = match term {
                CompiledTerm::Column { of, from, offset, column } => match rows.row(*of, *from, *offset) {
                    Some(row) => rows.store.get(row).get(*column).cloned().unwrap_or(Value::Null),
                    None => Value::Null,
                },
                CompiledTerm::Aggregate { of, argument, layout } => {
                    let scratch = (&mut self.words, &mut self.objects);
                    aggregate(rows, *of, argument.as_mut(), layout, scratch, context)?
                }
                CompiledTerm::MatchTime => Value::Timestamp(rows.time.saturating_mul(1_000)),
            };
        }
        Ok(())
    }

    pub fn value(&mut self, rows: &RunRows<'_>, context: &Context) -> Result<Value, EvalError> {
        self.prepare(rows, context)?;
        self.program.eval(&self.values, context)
    }

    pub fn holds(&mut self, rows: &RunRows<'_>, context: &Context) -> Result<bool, EvalError> {
        self.prepare(rows, context)?;
        Ok(self.program.eval_bool(&self.values, context)? == Some(true))
    }
}

fn aggregate(
    rows: &RunRows<'_>,
    of: Rows,
    mut argument: Option<&mut Operand>,
    layout: &Layout,
    (words, objects): (&mut Vec<u64>, &mut Objects),
    context: &Context,
) -> Result<Value, EvalError> {
    words.clear();
    words.resize(layout.words, 0);
    let part = rows.part(of);
    let mut result = Ok(());
    let mut at = 0;
    while let Some(slot) = rows.slot(&part, at) {
        at += 1;
        let row = rows.store.get(slot);
        let value = match &mut argument {
            None => &Value::Boolean(true),
            Some(argument) => {
                result = argument.prepare(row, context);
                if result.is_err() {
                    break;
                }
                argument.value(row)
            }
        };
        if !value.is_null() {
            layout.add(0, words, value, objects);
        }
    }
    let value = layout.value(0, words, objects);
    layout.release(words, objects);
    result.and(value)
}

/// The definition of a variable.
pub enum Test {
    /// Any row will do.
    Any,
    /// Over the row alone.
    Row(Program),
    /// Over the run as well.
    Run(Box<Formula>),
}

impl Test {
    pub fn new(variable: usize, condition: Option<&plan::Formula>, kept: &Kept) -> Test {
        let Some(condition) = condition else { return Test::Any };
        let of_row = |term: &Term| match term {
            Term::Column { of, from: End::Last, offset: 0, column }
                if matches!(of, Rows::All) || *of == Rows::Of(variable) =>
            {
                Some(kept.position(*column))
            }
            _ => None,
        };
        let columns: Option<Vec<usize>> = condition.terms.iter().map(of_row).collect();
        match columns {
            Some(columns) => {
                let mut expr = condition.expr.clone();
                substitute(&mut expr, &columns);
                Test::Row(Program::compile(&expr))
            }
            None => Test::Run(Box::new(Formula::new(condition, kept))),
        }
    }
}

/// Terms become columns of the row.
fn substitute(expr: &mut Expr, columns: &[usize]) {
    if let ExprKind::Column(term) = &mut expr.kind {
        *term = columns.get(*term).copied().unwrap_or(usize::MAX);
    }
    expr.children_mut().into_iter().for_each(|child| substitute(child, columns));
}
