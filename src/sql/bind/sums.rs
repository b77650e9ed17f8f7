//! Means and variances as sums.
//!
//! With OVER and in MATCH_RECOGNIZE, but not in a window, Flink makes AVG, VAR_* and STDDEV_* into SUM and COUNT before it
//! looks at types (Calcite's AvgVarianceConvertlet), and each step has the type of the result: whole numbers are cut,
//! decimals are rounded, which is done here too; doubles are better off with aggregates of their own. Sums of whole
//! numbers wrap around in AVG as in Flink. Those of squares would do so after a few rows: in them the steps are cut, but
//! wide.

use super::expr::{arithmetic, call, coerce, compare, null};
use super::types;
use crate::model::{DataType, Value};
use crate::plan::{Aggregate, AggregateFunction, ArithmeticOp, CompareOp, Expr, ExprKind, Function};

/// Whether [`by_sums`] is to compute it.
pub fn goes_by_sums(aggregate: &Aggregate) -> bool {
    let data_type = aggregate.data_type;
    let is_cut = data_type.is_integer() || data_type == DataType::Float;
    match aggregate.function {
        AggregateFunction::Avg => is_cut,
        AggregateFunction::VarPop
        | AggregateFunction::VarSamp
        | AggregateFunction::StddevPop
        | AggregateFunction::StddevSamp => is_cut || matches!(data_type, DataType::Decimal { .. }),
        _ => false,
    }
}

/// The expression over the sums; `collect` takes each of them in, and gives its column.
pub fn by_sums<E>(aggregate: &Aggregate, mut collect: impl FnMut(Aggregate) -> Result<Expr, E>) -> Result<Expr, E> {
    let data_type = aggregate.data_type;
    let argument = aggregate.argument.clone().map(|argument| coerce(argument, data_type));
    let mut part =
        |function, argument, data_type| collect(Aggregate { function, argument, data_type, ..aggregate.clone() });
    if aggregate.function == AggregateFunction::Avg {
        let sum = part(AggregateFunction::Sum, argument.clone(), data_type)?;
        let count = part(AggregateFunction::Count, argument, DataType::BigInt)?;
        let wide = if data_type.is_integer() { DataType::BigInt } else { DataType::Double };
        return Ok(coerce(arithmetic(ArithmeticOp::Divide, coerce(sum, wide), coerce(count, wide), wide), data_type));
    }
    // A square of whole numbers needs more digits than they have.
    let wide = if data_type.is_integer() { DataType::Double } else { data_type };
    let argument = argument.map(|argument| coerce(argument, wide));
    let step = |op, left: Expr, right: Expr| {
        let exact = types::arithmetic(op, left.data_type, right.data_type).unwrap_or(wide);
        coerce(arithmetic(op, left, right, exact), wide)
    };
    let cut = |quotient: Expr| match data_type.is_integer() {
        true => call(Function::Floor, vec![quotient], wide),
        false => quotient,
    };
    let square = |expr: &Expr| step(ArithmeticOp::Multiply, expr.clone(), expr.clone());
    let squares = part(AggregateFunction::Sum, argument.as_ref().map(square), wide)?;
    let sum = part(AggregateFunction::Sum, argument.clone(), wide)?;
    let count = coerce(part(AggregateFunction::Count, argument, DataType::BigInt)?, wide);
    let of_mean = cut(step(ArithmeticOp::Divide, square(&sum), count.clone()));
    let centred = step(ArithmeticOp::Subtract, squares, of_mean);
    let sample = matches!(aggregate.function, AggregateFunction::VarSamp | AggregateFunction::StddevSamp);
    let divisor = if sample { one_less(count) } else { count };
    let variance = cut(step(ArithmeticOp::Divide, centred, divisor));
    Ok(match aggregate.function {
        AggregateFunction::VarPop | AggregateFunction::VarSamp => coerce(variance, data_type),
        _ => {
            let half = Expr::literal(Value::Double(0.5), DataType::Double);
            let power = vec![coerce(variance, DataType::Double), half];
            coerce(call(Function::Power, power, DataType::Double), data_type)
        }
    })
}

/// NULL of one.
fn one_less(count: Expr) -> Expr {
    let data_type = count.data_type;
    let one = || coerce(Expr::literal(Value::Int(1), DataType::Int), data_type);
    let is_one = compare(CompareOp::Equal, count.clone(), one());
    let less = coerce(arithmetic(ArithmeticOp::Subtract, count, one(), data_type), data_type);
    let kind = ExprKind::Case { branches: vec![(is_one, null(data_type))], otherwise: Box::new(less) };
    Expr::new(kind, data_type)
}
