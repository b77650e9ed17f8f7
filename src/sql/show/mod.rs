//! Plan → text: expressions as the SQL that they come from, for people to read.
//!
//! Holds always: the text binds again, to an expression with the same values (`tests/expressions.rs`). Coercions that
//! Flink makes by itself stand in it as the CASTs they are, but for a number beside a column.

mod call;
mod literal;

pub use literal::interval;

use super::bind::common;
use super::keywords::is_reserved;
use crate::plan::{ArithmeticOp, CompareOp, Expr, ExprKind};

/// How strongly the outermost operator of a text holds its operands, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Condition,
    Sum,
    Product,
    Sign,
    /// A name, a literal, a call.
    Whole,
}

struct Shown {
    text: String,
    binding: Binding,
}

impl Shown {
    fn whole(text: impl Into<String>) -> Shown {
        Shown { text: text.into(), binding: Binding::Whole }
    }
}

/// The expression as SQL; `column` gives the text of a column of the operator's input.
pub fn expression(expr: &Expr, column: &dyn Fn(usize) -> String) -> String {
    Showing { column }.show(expr).text
}

/// A name as it stands in SQL: in backticks where it needs them.
pub fn name(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
        && !name.starts_with(|c: char| c.is_ascii_digit() || c == '$');
    if plain && !name.is_empty() && !is_reserved(name) {
        name.to_owned()
    } else {
        format!("`{}`", name.replace('`', "``"))
    }
}

struct Showing<'a> {
    column: &'a dyn Fn(usize) -> String,
}

impl Showing<'_> {
    fn show(&self, expr: &Expr) -> Shown {
        match &expr.kind {
            ExprKind::Literal(value) => literal::shown(value, expr.data_type),
            ExprKind::Column(index) => Shown::whole((self.column)(*index)),
            ExprKind::Call { function, arguments } => self.call(*function, arguments, expr.data_type),
            ExprKind::Coalesce(values) => Shown::whole(format!("COALESCE({})", self.list(values))),
            ExprKind::Cast { operand, safe } => {
                let word = if *safe { "TRY_CAST" } else { "CAST" };
                Shown::whole(format!("{word}({} AS {})", self.show(operand).text, expr.data_type))
            }
            ExprKind::Case { branches, otherwise } => self.case(branches, otherwise),
            ExprKind::Arithmetic { .. } | ExprKind::Negate(_) | ExprKind::AddInterval { .. } => self.number(&expr.kind),
            _ => self.condition(&expr.kind),
        }
    }

    /// With parentheses where what stands around it would take it apart.
    fn within(&self, expr: &Expr, least: Binding) -> String {
        let Shown { text, binding } = self.show(expr);
        if binding < least { format!("({text})") } else { text }
    }

    fn list(&self, exprs: &[Expr]) -> String {
        exprs.iter().map(|expr| self.show(expr).text).collect::<Vec<_>>().join(", ")
    }

    /// An operand beside another one: a number needs no CAST there where Flink makes the same one again.
    fn beside(&self, expr: &Expr, other: &Expr, least: Binding) -> String {
        match &expr.kind {
            ExprKind::Cast { operand, safe: false } if operand.data_type.is_numeric() => {
                let by_itself = common(operand.data_type, other.data_type) == Some(expr.data_type);
                let of_literal = is_literal(operand) && !is_literal(other) && by_itself;
                // A number that is to be multiplied with an interval has no such CAST in SQL.
                let shown = if of_literal || expr.data_type.is_interval() { operand } else { expr };
                self.within(shown, least)
            }
            _ => self.within(expr, least),
        }
    }

    fn number(&self, kind: &ExprKind) -> Shown {
        match kind {
            ExprKind::Arithmetic { op, left, right } => {
                let (sign, binding, next) = match op {
                    ArithmeticOp::Add => ("+", Binding::Sum, Binding::Product),
                    ArithmeticOp::Subtract => ("-", Binding::Sum, Binding::Product),
                    ArithmeticOp::Multiply => ("*", Binding::Product, Binding::Sign),
                    ArithmeticOp::Divide => ("/", Binding::Product, Binding::Sign),
                    ArithmeticOp::Modulo => ("%", Binding::Product, Binding::Sign),
                };
                let text = format!("{} {sign} {}", self.beside(left, right, binding), self.beside(right, left, next));
                Shown { text, binding }
            }
            ExprKind::AddInterval { time, interval, negative } => {
                let sign = if *negative { "-" } else { "+" };
                let (time, interval) = (self.within(time, Binding::Sum), self.within(interval, Binding::Product));
                Shown { text: format!("{time} {sign} {interval}"), binding: Binding::Sum }
            }
            ExprKind::Negate(operand) => {
                Shown { text: format!("-{}", self.within(operand, Binding::Whole)), binding: Binding::Sign }
            }
            _ => Shown::whole(""),
        }
    }

    fn condition(&self, kind: &ExprKind) -> Shown {
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        let text = match kind {
            ExprKind::And(operands) => return self.joined(operands, " AND ", Binding::And),
            ExprKind::Or(operands) => return self.joined(operands, " OR ", Binding::Or),
            ExprKind::Not(operand) => {
                return Shown {
                    text: format!("NOT {}", self.within(operand, Binding::Condition)),
                    binding: Binding::Not,
                };
            }
            ExprKind::Compare { op, left, right } => {
                let sign = match op {
                    CompareOp::Equal => "=",
                    CompareOp::NotEqual => "<>",
                    CompareOp::Less => "<",
                    CompareOp::LessOrEqual => "<=",
                    CompareOp::Greater => ">",
                    CompareOp::GreaterOrEqual => ">=",
                };
                format!("{} {sign} {}", self.beside(left, right, Binding::Sum), self.beside(right, left, Binding::Sum))
            }
            ExprKind::NotDistinct { left, right, negated } => {
                let word = if *negated { "IS DISTINCT FROM" } else { "IS NOT DISTINCT FROM" };
                format!("{} {word} {}", self.beside(left, right, Binding::Sum), self.beside(right, left, Binding::Sum))
            }
            ExprKind::IsNull { operand, negated } => {
                format!("{} IS {}NULL", self.within(operand, Binding::Sum), not(negated))
            }
            ExprKind::IsBoolean { operand, expected, negated } => {
                let word = if *expected { "TRUE" } else { "FALSE" };
                format!("{} IS {}{word}", self.within(operand, Binding::Sum), not(negated))
            }
            ExprKind::In { operand, list, negated } => {
                let list: Vec<String> = list.iter().map(|value| self.beside(value, operand, Binding::Or)).collect();
                format!("{} {}IN ({})", self.within(operand, Binding::Sum), not(negated), list.join(", "))
            }
            ExprKind::Like { operand, pattern, escape, negated } => {
                let escape = escape.map(|escape| format!(" ESCAPE {}", literal::text(&escape.to_string())));
                let (operand, pattern) = (self.within(operand, Binding::Sum), self.within(pattern, Binding::Sum));
                format!("{operand} {}LIKE {pattern}{}", not(negated), escape.unwrap_or_default())
            }
            _ => return Shown::whole(""),
        };
        Shown { text, binding: Binding::Condition }
    }

    fn joined(&self, operands: &[Expr], word: &str, binding: Binding) -> Shown {
        let operands: Vec<String> = operands
            .iter()
            .map(|operand| {
                let Shown { text, binding: own } = self.show(operand);
                if own <= binding { format!("({text})") } else { text }
            })
            .collect();
        Shown { text: operands.join(word), binding }
    }

    fn case(&self, branches: &[(Expr, Expr)], otherwise: &Expr) -> Shown {
        let mut text = "CASE".to_owned();
        for (condition, result) in branches {
            text += &format!(" WHEN {} THEN {}", self.show(condition).text, self.show(result).text);
        }
        match &otherwise.kind {
            ExprKind::Literal(value) if value.is_null() => {}
            _ => text += &format!(" ELSE {}", self.show(otherwise).text),
        }
        Shown::whole(text + " END")
    }
}

fn is_literal(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Cast { operand, .. } | ExprKind::Negate(operand) => is_literal(operand),
        _ => false,
    }
}
