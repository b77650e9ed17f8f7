//! From the bound tree to closures: what all types share, and each type's own kinds of expression.

use super::typed::{
    Answer, Blob, Bool, Dec, Double, Env, Eval, Int, Kind, List, Str, binary, column, eval, failing, literal, null,
    unary,
};
use super::{EvalError, Reason, arithmetic, bytes, cast, like, nested, numbers, text, time, values};
use crate::model::decimal::Scaled;
use crate::model::{DataType, Decimal, Value};
use crate::plan::{CompareOp, Expr, ExprKind, Function};

/// A compiled expression of any type.
pub enum Root {
    /// Passed on as they are, which is what most projections do.
    Column(usize),
    Literal(usize),
    Bool(Eval<Bool>),
    Int(Eval<Int>, fn(i64) -> Value),
    Double(Eval<Double>),
    Dec(Eval<Dec>),
    Str(Eval<Str>),
    Blob(Eval<Blob>),
    List(Eval<List>),
}

impl Root {
    pub fn value(&self, env: &Env<'_>) -> Result<Value, EvalError> {
        Ok(match self {
            Root::Column(index) => return env.row.get(*index).cloned().ok_or_else(|| Reason::Row(*index).into()),
            Root::Literal(index) => env.literals.get(*index).cloned().unwrap_or(Value::Null),
            Root::Bool(eval) => eval(env)?.map_or(Value::Null, Value::Boolean),
            Root::Int(eval, wrap) => eval(env)?.map_or(Value::Null, wrap),
            Root::Double(eval) => eval(env)?.map_or(Value::Null, Value::Double),
            Root::Dec(eval) => eval(env)?.map_or(Value::Null, |number| Value::Decimal(Decimal::new(number))),
            Root::Str(eval) => eval(env)?.map_or(Value::Null, |text| text.into_value()),
            Root::Blob(eval) => eval(env)?.map_or(Value::Null, Value::Bytes),
            Root::List(eval) => eval(env)?.map_or(Value::Null, Value::List),
        })
    }

    pub fn boolean(&self, env: &Env<'_>) -> Answer<bool> {
        match self {
            Root::Bool(eval) => eval(env),
            Root::Column(index) => env.row.get(*index).and_then(Bool::read).ok_or_else(|| Reason::Row(*index).into()),
            Root::Literal(index) => Ok(env.literals.get(*index).and_then(Bool::read).flatten()),
            _ => Err(Reason::Unsupported("a condition must be BOOLEAN".to_owned()).into()),
        }
    }
}

pub fn root(expr: &Expr, literals: &mut Vec<Value>) -> Root {
    Compiler { literals }.root(expr)
}
pub struct Compiler<'l> {
    literals: &'l mut Vec<Value>,
}

/// A type family and its own kinds of expression.
pub trait Compile: Kind + Sized {
    fn own(compiler: &mut Compiler<'_>, expr: &Expr) -> Eval<Self>;
}

/// What no arm of a family takes: the binder never makes it.
pub fn unsupported<K: Kind>(expr: &Expr) -> Eval<K> {
    let what = match &expr.kind {
        ExprKind::Call { function, .. } => format!("{function:?}"),
        ExprKind::Cast { operand, .. } => format!("CAST from {} to {}", operand.data_type, expr.data_type),
        _ => "this expression".to_owned(),
    };
    failing(Reason::Unsupported(format!("{what} is not supported as {}", expr.data_type)))
}

impl Compiler<'_> {
    fn keep(&mut self, value: &Value) -> usize {
        self.literals.push(value.clone());
        self.literals.len() - 1
    }

    /// For whoever takes values of any type.
    pub fn root(&mut self, expr: &Expr) -> Root {
        match &expr.kind {
            ExprKind::Column(index) => return Root::Column(*index),
            ExprKind::Literal(value) => return Root::Literal(self.keep(value)),
            _ => {}
        }
        match expr.data_type {
            DataType::Null | DataType::Boolean => Root::Bool(self.compile(expr)),
            DataType::Float | DataType::Double => Root::Double(self.compile(expr)),
            DataType::Decimal { .. } => Root::Dec(self.compile(expr)),
            DataType::String => Root::Str(self.compile(expr)),
            DataType::Bytes => Root::Blob(self.compile(expr)),
            DataType::Array(_) | DataType::Map(_) | DataType::Row(_) => Root::List(self.compile(expr)),
            DataType::Date => Root::Int(self.compile(expr), |days| Value::Date(days as i32)),
            DataType::Time(_) => Root::Int(self.compile(expr), |millis| Value::Time(millis as i32)),
            DataType::Timestamp(_) | DataType::TimestampLtz(_) => Root::Int(self.compile(expr), Value::Timestamp),
            _ => Root::Int(self.compile(expr), Value::Int),
        }
    }

    pub fn compile<K: Compile>(&mut self, expr: &Expr) -> Eval<K> {
        match &expr.kind {
            ExprKind::Literal(Value::Null) => null(),
            ExprKind::Literal(value) => literal(self.keep(value)),
            ExprKind::Column(index) => column(*index),
            ExprKind::Case { branches, otherwise } => self.case(branches, otherwise),
            ExprKind::Coalesce(operands) => {
                let operands: Vec<Eval<K>> = operands.iter().map(|operand| self.compile(operand)).collect();
                eval::<K, _>(move |env| {
                    for operand in &operands {
                        if let Some(value) = operand(env)? {
                            return Ok(Some(value));
                        }
                    }
                    Ok(None)
                })
            }
            ExprKind::Call { function, arguments } => {
                values::call(self, *function, arguments, expr).unwrap_or_else(|| K::own(self, expr))
            }
            _ => K::own(self, expr),
        }
    }

    fn case<K: Compile>(&mut self, branches: &[(Expr, Expr)], otherwise: &Expr) -> Eval<K> {
        let branches: Vec<(Eval<Bool>, Eval<K>)> =
            branches.iter().map(|(condition, result)| (self.compile(condition), self.compile(result))).collect();
        let otherwise = self.compile(otherwise);
        eval::<K, _>(move |env| {
            for (condition, result) in &branches {
                if condition(env)? == Some(true) {
                    return result(env);
                }
            }
            otherwise(env)
        })
    }

    pub fn all<K: Compile>(&mut self, exprs: &[Expr]) -> Vec<Eval<K>> {
        exprs.iter().map(|expr| self.compile(expr)).collect()
    }
}

impl Compile for Bool {
    fn own(compiler: &mut Compiler<'_>, expr: &Expr) -> Eval<Bool> {
        match &expr.kind {
            ExprKind::Compare { op, left, right } => comparison(compiler, *op, left, right),
            ExprKind::NotDistinct { left, right, negated } => not_distinct(compiler, left, right, *negated),
            ExprKind::And(operands) => connective(compiler.all(operands), false),
            ExprKind::Or(operands) => connective(compiler.all(operands), true),
            ExprKind::Not(operand) => unary(compiler.compile::<Bool>(operand), |truth| Ok(Some(!truth))),
            ExprKind::IsNull { operand, negated } => is_null(compiler, operand, *negated),
            ExprKind::IsBoolean { operand, expected, negated } => {
                let (operand, expected, negated) = (compiler.compile::<Bool>(operand), *expected, *negated);
                eval::<Bool, _>(move |env| Ok(Some((operand(env)? == Some(expected)) != negated)))
            }
            ExprKind::In { operand, list, negated } => in_list(compiler, operand, list, *negated),
            ExprKind::Like { operand, pattern, escape, negated } => {
                like::compile(compiler, operand, pattern, *escape, *negated)
            }
            ExprKind::Cast { operand, safe } => cast::to_boolean(compiler, operand, *safe),
            ExprKind::Call { function: Function::Greatest, arguments } => {
                extreme(compiler.all(arguments), |a, b| a > b)
            }
            ExprKind::Call { function: Function::Least, arguments } => extreme(compiler.all(arguments), |a, b| a < b),
            ExprKind::Call { function, arguments } => text::boolean(compiler, *function, arguments, expr),
            _ => unsupported(expr),
        }
    }
}

impl Compile for Int {
    fn own(compiler: &mut Compiler<'_>, expr: &Expr) -> Eval<Int> {
        match &expr.kind {
            ExprKind::Arithmetic { op, left, right } => {
                arithmetic::integers(compiler, *op, left, right, expr.data_type)
            }
            ExprKind::Negate(operand) => {
                let wrap = arithmetic::wrapper(expr.data_type);
                unary(compiler.compile::<Int>(operand), move |number| Ok(Some(wrap(number.wrapping_neg()))))
            }
            ExprKind::AddInterval { time, interval, negative } => time::add(compiler, time, interval, *negative),
            ExprKind::Cast { operand, safe } => cast::to_int(compiler, operand, *safe, expr.data_type),
            ExprKind::Call { function: Function::Greatest, arguments } => {
                extreme(compiler.all(arguments), |a, b| a > b)
            }
            ExprKind::Call { function: Function::Least, arguments } => extreme(compiler.all(arguments), |a, b| a < b),
            ExprKind::Call { function, arguments } => numbers::int(compiler, *function, arguments, expr)
                .or_else(|| text::int(compiler, *function, arguments))
                .or_else(|| time::int(compiler, *function, arguments, expr))
                .unwrap_or_else(|| unsupported(expr)),
            _ => unsupported(expr),
        }
    }
}

impl Compile for Double {
    fn own(compiler: &mut Compiler<'_>, expr: &Expr) -> Eval<Double> {
        let single = expr.data_type == DataType::Float;
        let inner: Eval<Double> = match &expr.kind {
            ExprKind::Arithmetic { op, left, right } => arithmetic::doubles(compiler, *op, left, right),
            ExprKind::Negate(operand) => unary(compiler.compile::<Double>(operand), |number| Ok(Some(-number))),
            ExprKind::Cast { operand, safe } => cast::to_double(compiler, operand, *safe, expr.data_type),
            ExprKind::Call { function: Function::Greatest, arguments } => {
                extreme(compiler.all(arguments), |a, b| super::order::java_compare(*a, *b).is_gt())
            }
            ExprKind::Call { function: Function::Least, arguments } => {
                extreme(compiler.all(arguments), |a, b| super::order::java_compare(*a, *b).is_lt())
            }
            ExprKind::Call { function, arguments } => numbers::double(compiler, *function, arguments, expr),
            _ => unsupported(expr),
        };
        // FLOAT: each operation on two singles in doubles, rounded once, is the same as in singles.
        if single { unary(inner, |number| Ok(Some(f64::from(number as f32)))) } else { inner }
    }
}

impl Compile for Dec {
    fn own(compiler: &mut Compiler<'_>, expr: &Expr) -> Eval<Dec> {
        let DataType::Decimal { precision, scale } = expr.data_type else { return unsupported(expr) };
        let to = crate::model::decimal::DecimalType { precision, scale };
        match &expr.kind {
            ExprKind::Arithmetic { op, left, right } => arithmetic::decimals(compiler, *op, left, right, to),
            ExprKind::Negate(operand) => unary(compiler.compile::<Dec>(operand), |number| Ok(number.checked_neg())),
            ExprKind::Cast { operand, safe } => cast::to_decimal(compiler, operand, *safe, to),
            ExprKind::Call { function: Function::Greatest, arguments } => {
                extreme(decimals_as(compiler, arguments, to), |a, b| a > b)
            }
            ExprKind::Call { function: Function::Least, arguments } => {
                extreme(decimals_as(compiler, arguments, to), |a, b| a < b)
            }
            ExprKind::Call { function, arguments } => numbers::decimal(compiler, *function, arguments, to, expr),
            _ => unsupported(expr),
        }
    }
}

impl Compile for Str {
    fn own(compiler: &mut Compiler<'_>, expr: &Expr) -> Eval<Str> {
        match &expr.kind {
            ExprKind::Cast { operand, .. } => cast::to_text(compiler, operand),
            ExprKind::Call { function: Function::Greatest, arguments } => {
                extreme(compiler.all(arguments), |a, b| a.as_bytes() > b.as_bytes())
            }
            ExprKind::Call { function: Function::Least, arguments } => {
                extreme(compiler.all(arguments), |a, b| a.as_bytes() < b.as_bytes())
            }
            ExprKind::Call { function, arguments } => text::text(compiler, *function, arguments)
                .or_else(|| bytes::text(compiler, *function, arguments))
                .or_else(|| time::text(compiler, *function, arguments))
                .unwrap_or_else(|| unsupported(expr)),
            _ => unsupported(expr),
        }
    }
}

impl Compile for Blob {
    fn own(compiler: &mut Compiler<'_>, expr: &Expr) -> Eval<Blob> {
        match &expr.kind {
            ExprKind::Cast { operand, .. } => cast::to_bytes(compiler, operand),
            ExprKind::Call { function: Function::Greatest, arguments } => {
                extreme(compiler.all(arguments), |a, b| a > b)
            }
            ExprKind::Call { function: Function::Least, arguments } => extreme(compiler.all(arguments), |a, b| a < b),
            _ => unsupported(expr),
        }
    }
}

impl Compile for List {
    fn own(compiler: &mut Compiler<'_>, expr: &Expr) -> Eval<List> {
        match &expr.kind {
            ExprKind::Cast { operand, safe } => nested::cast(compiler, operand, *safe, expr.data_type),
            _ => unsupported(expr),
        }
    }
}

/// The scale of a DECIMAL expression.
pub fn scale_of(expr: &Expr) -> u8 {
    match expr.data_type {
        DataType::Decimal { scale, .. } => scale,
        _ => 0,
    }
}

/// Decimal arguments, each brought to the type of the result.
fn decimals_as(compiler: &mut Compiler<'_>, exprs: &[Expr], to: crate::model::decimal::DecimalType) -> Vec<Eval<Dec>> {
    exprs
        .iter()
        .map(|expr| {
            let scale = scale_of(expr);
            let inner = compiler.compile::<Dec>(expr);
            if scale == to.scale {
                inner
            } else {
                unary(inner, move |unscaled| Ok(to.rescale(Scaled { unscaled, scale })))
            }
        })
        .collect()
}

/// GREATEST and LEAST: NULL if any is.
fn extreme<K: Kind>(operands: Vec<Eval<K>>, better: impl Fn(&K, &K) -> bool + Send + Sync + 'static) -> Eval<K> {
    eval::<K, _>(move |env| {
        let mut best = None;
        for operand in &operands {
            let Some(value) = operand(env)? else { return Ok(None) };
            best = match best {
                Some(best) if !better(&value, &best) => Some(best),
                _ => Some(value),
            };
        }
        Ok(best)
    })
}

/// AND (`decisive` false) and OR (`decisive` true): what follows a decisive operand is not evaluated.
fn connective(operands: Vec<Eval<Bool>>, decisive: bool) -> Eval<Bool> {
    eval::<Bool, _>(move |env| {
        let mut unknown = false;
        for operand in &operands {
            match operand(env)? {
                Some(truth) if truth == decisive => return Ok(Some(decisive)),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok(if unknown { None } else { Some(!decisive) })
    })
}

/// What a type is compared as.
enum Family {
    Null,
    Bool,
    Int,
    Double,
    Dec,
    Str,
    Blob,
    List,
}

fn family(expr: &Expr) -> Family {
    match expr.data_type {
        DataType::Null => Family::Null,
        DataType::Boolean => Family::Bool,
        DataType::Float | DataType::Double => Family::Double,
        DataType::Decimal { .. } => Family::Dec,
        DataType::String => Family::Str,
        DataType::Bytes => Family::Blob,
        DataType::Array(_) | DataType::Map(_) | DataType::Row(_) => Family::List,
        _ => Family::Int,
    }
}

/// The family of two operands: a bare NULL takes the other's.
fn common_family(left: &Expr, right: &Expr) -> Family {
    match family(left) {
        Family::Null => family(right),
        family => family,
    }
}

/// `binary` with the operator chosen at compile time. The operands are references.
macro_rules! by_operator {
    ($op:expr, $left:expr, $right:expr) => {
        match $op {
            CompareOp::Equal => binary($left, $right, |a, b| Ok(Some(a == b))),
            CompareOp::NotEqual => binary($left, $right, |a, b| Ok(Some(a != b))),
            CompareOp::Less => binary($left, $right, |a, b| Ok(Some(a < b))),
            CompareOp::LessOrEqual => binary($left, $right, |a, b| Ok(Some(a <= b))),
            CompareOp::Greater => binary($left, $right, |a, b| Ok(Some(a > b))),
            CompareOp::GreaterOrEqual => binary($left, $right, |a, b| Ok(Some(a >= b))),
        }
    };
}

fn holds(op: CompareOp, order: std::cmp::Ordering) -> bool {
    match op {
        CompareOp::Equal => order.is_eq(),
        CompareOp::NotEqual => order.is_ne(),
        CompareOp::Less => order.is_lt(),
        CompareOp::LessOrEqual => order.is_le(),
        CompareOp::Greater => order.is_gt(),
        CompareOp::GreaterOrEqual => order.is_ge(),
    }
}

/// Doubles compare as Java's operators do: everything with NaN is false, but `<>` is true.
fn comparison(compiler: &mut Compiler<'_>, op: CompareOp, left: &Expr, right: &Expr) -> Eval<Bool> {
    if let (ExprKind::Column(index), ExprKind::Literal(Value::Double(constant))) = (&left.kind, &right.kind) {
        return double_with_constant(op, *index, *constant);
    }
    if let (ExprKind::Column(index), ExprKind::Literal(Value::Int(constant))) = (&left.kind, &right.kind) {
        return int_with_constant(op, *index, *constant);
    }
    match common_family(left, right) {
        Family::Null => null(),
        Family::Bool => by_operator!(op, compiler.compile::<Bool>(left), compiler.compile::<Bool>(right)),
        Family::Int => by_operator!(op, compiler.compile::<Int>(left), compiler.compile::<Int>(right)),
        Family::Double => by_operator!(op, compiler.compile::<Double>(left), compiler.compile::<Double>(right)),
        Family::Blob => by_operator!(op, compiler.compile::<Blob>(left), compiler.compile::<Blob>(right)),
        // They have no order: the binder lets only = and <> pass.
        Family::List => {
            let negated = op != CompareOp::Equal;
            binary(compiler.compile::<List>(left), compiler.compile::<List>(right), move |a, b| {
                Ok(Some((a == b) != negated))
            })
        }
        Family::Str => binary(compiler.compile::<Str>(left), compiler.compile::<Str>(right), move |a, b| {
            Ok(Some(match op {
                CompareOp::Equal => a.as_bytes() == b.as_bytes(),
                CompareOp::NotEqual => a.as_bytes() != b.as_bytes(),
                _ => holds(op, a.as_bytes().cmp(b.as_bytes())),
            }))
        }),
        Family::Dec => {
            let (left_scale, right_scale) = (scale_of(left), scale_of(right));
            binary(compiler.compile::<Dec>(left), compiler.compile::<Dec>(right), move |a, b| {
                Ok(Some(holds(op, super::order::compare_decimals(a, left_scale, b, right_scale))))
            })
        }
    }
}

/// The commonest filters in one closure: a column against a number.
macro_rules! with_constant {
    ($name:ident, $number:ty, $kind:ty) => {
        fn $name(op: CompareOp, index: usize, constant: $number) -> Eval<Bool> {
            fn boxed(
                index: usize,
                constant: $number,
                test: impl Fn($number, $number) -> bool + Send + Sync + 'static,
            ) -> Eval<Bool> {
                eval::<Bool, _>(move |env| match env.row.get(index).and_then(<$kind>::read) {
                    Some(value) => Ok(value.map(|value| test(value, constant))),
                    None => Err(Reason::Row(index).into()),
                })
            }
            match op {
                CompareOp::Equal => boxed(index, constant, |a, b| a == b),
                CompareOp::NotEqual => boxed(index, constant, |a, b| a != b),
                CompareOp::Less => boxed(index, constant, |a, b| a < b),
                CompareOp::LessOrEqual => boxed(index, constant, |a, b| a <= b),
                CompareOp::Greater => boxed(index, constant, |a, b| a > b),
                CompareOp::GreaterOrEqual => boxed(index, constant, |a, b| a >= b),
            }
        }
    };
}

with_constant!(double_with_constant, f64, Double);
with_constant!(int_with_constant, i64, Int);

fn not_distinct(compiler: &mut Compiler<'_>, left: &Expr, right: &Expr, negated: bool) -> Eval<Bool> {
    fn of<K: Compile>(
        compiler: &mut Compiler<'_>,
        left: &Expr,
        right: &Expr,
        negated: bool,
        same: impl Fn(&K, &K) -> bool + Send + Sync + 'static,
    ) -> Eval<Bool> {
        let (left, right) = (compiler.compile::<K>(left), compiler.compile::<K>(right));
        eval::<Bool, _>(move |env| {
            let same = match (left(env)?, right(env)?) {
                (Some(left), Some(right)) => same(&left, &right),
                (None, None) => true,
                _ => false,
            };
            Ok(Some(same != negated))
        })
    }
    match common_family(left, right) {
        Family::Null | Family::Bool => of::<Bool>(compiler, left, right, negated, |a, b| a == b),
        Family::Int => of::<Int>(compiler, left, right, negated, |a, b| a == b),
        Family::Double => of::<Double>(compiler, left, right, negated, |a, b| a == b),
        Family::Str => of::<Str>(compiler, left, right, negated, |a, b| a.as_bytes() == b.as_bytes()),
        Family::Blob => of::<Blob>(compiler, left, right, negated, |a, b| a == b),
        Family::List => of::<List>(compiler, left, right, negated, |a, b| a == b),
        Family::Dec => {
            let (left_scale, right_scale) = (scale_of(left), scale_of(right));
            of::<Dec>(compiler, left, right, negated, move |a, b| {
                super::order::compare_decimals(*a, left_scale, *b, right_scale).is_eq()
            })
        }
    }
}

fn is_null(compiler: &mut Compiler<'_>, operand: &Expr, negated: bool) -> Eval<Bool> {
    fn of<K: Kind>(operand: Eval<K>, negated: bool) -> Eval<Bool> {
        eval::<Bool, _>(move |env| Ok(Some(operand(env)?.is_none() != negated)))
    }
    match family(operand) {
        Family::Null | Family::Bool => of(compiler.compile::<Bool>(operand), negated),
        Family::Int => of(compiler.compile::<Int>(operand), negated),
        Family::Double => of(compiler.compile::<Double>(operand), negated),
        Family::Dec => of(compiler.compile::<Dec>(operand), negated),
        Family::Str => of(compiler.compile::<Str>(operand), negated),
        Family::Blob => of(compiler.compile::<Blob>(operand), negated),
        Family::List => of(compiler.compile::<List>(operand), negated),
    }
}

fn in_list(compiler: &mut Compiler<'_>, operand: &Expr, list: &[Expr], negated: bool) -> Eval<Bool> {
    fn of<K: Kind>(
        operand: Eval<K>,
        list: Vec<Eval<K>>,
        negated: bool,
        same: impl Fn(&K, &K) -> bool + Send + Sync + 'static,
    ) -> Eval<Bool> {
        eval::<Bool, _>(move |env| {
            let Some(operand) = operand(env)? else { return Ok(None) };
            let mut unknown = false;
            for candidate in &list {
                match candidate(env)? {
                    Some(candidate) if same(&operand, &candidate) => return Ok(Some(!negated)),
                    Some(_) => {}
                    None => unknown = true,
                }
            }
            Ok(if unknown { None } else { Some(negated) })
        })
    }
    match family(operand) {
        Family::Null => null(),
        Family::Bool => of(compiler.compile::<Bool>(operand), compiler.all(list), negated, |a, b| a == b),
        Family::Int => of(compiler.compile::<Int>(operand), compiler.all(list), negated, |a, b| a == b),
        Family::Double => of(compiler.compile::<Double>(operand), compiler.all(list), negated, |a, b| a == b),
        Family::Blob => of(compiler.compile::<Blob>(operand), compiler.all(list), negated, |a, b| a == b),
        Family::List => of(compiler.compile::<List>(operand), compiler.all(list), negated, |a, b| a == b),
        Family::Str => {
            of(compiler.compile::<Str>(operand), compiler.all(list), negated, |a, b| a.as_bytes() == b.as_bytes())
        }
        Family::Dec => {
            let to = crate::model::decimal::DecimalType { precision: Decimal::PRECISION_MAX, scale: scale_of(operand) };
            of(compiler.compile::<Dec>(operand), decimals_as(compiler, list, to), negated, |a, b| a == b)
        }
    }
}

/// A text that is the same for every row.
pub fn constant_text(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Literal(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// A pattern, path or format: made once if it is constant, else for each row.
pub enum Pattern<T> {
    Fixed(Option<T>),
    Each(Eval<Str>, fn(&str) -> T),
}

impl<T> Pattern<T> {
    pub fn new(compiler: &mut Compiler<'_>, expr: &Expr, make: fn(&str) -> T) -> Pattern<T> {
        match &expr.kind {
            ExprKind::Literal(Value::String(text)) => Pattern::Fixed(Some(make(text))),
            ExprKind::Literal(_) => Pattern::Fixed(None),
            _ => Pattern::Each(compiler.compile(expr), make),
        }
    }

    /// NULL for a NULL pattern.
    pub fn with<R>(&self, env: &Env<'_>, then: impl FnOnce(&T) -> Answer<R>) -> Answer<R> {
        match self {
            Pattern::Fixed(None) => Ok(None),
            Pattern::Fixed(Some(pattern)) => then(pattern),
            Pattern::Each(text, make) => match text(env)? {
                Some(text) => then(&make(&text)),
                None => Ok(None),
            },
        }
    }
}
