//! The text as a tree, before anything is known of what its names mean.

mod over;
mod table;

pub use over::{Frame, FrameBound, GroupBy, GroupElement, Over, WindowSpec};
pub use table::{
    Alias, Join, JoinCondition, Limit, Table, TableKind, Unnest, Values, WindowCall, WindowFunction, WindowInterval,
    WindowShape,
};

use super::span::Span;
use crate::model::DataType;
use crate::plan::{ArithmeticOp, CompareOp, JsonKind, JsonOnError, TimeUnit, Wrapper};

#[derive(Clone, Debug, PartialEq)]
pub struct Ident {
    pub name: String,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum Statement {
    CreateTable(CreateTable),
    CreateView { name: Ident, columns: Vec<Ident>, query: Query },
    Query(Query),
    Insert(Insert),
}

/// `INSERT INTO table (columns) query`
#[derive(Clone, Debug)]
pub struct Insert {
    pub table: Ident,
    /// Empty: all of them.
    pub columns: Vec<Ident>,
    pub query: Query,
}

#[derive(Clone, Debug)]
pub struct CreateTable {
    pub name: Ident,
    pub body: TableBody,
    pub options: Vec<TableOption>,
}

/// What stands between the parentheses of CREATE TABLE.
#[derive(Clone, Debug, Default)]
pub struct TableBody {
    pub columns: Vec<ColumnDefinition>,
    pub watermark: Option<WatermarkDefinition>,
    pub primary_key: Vec<Ident>,
}

#[derive(Clone, Debug)]
pub struct ColumnDefinition {
    pub name: Ident,
    pub kind: ColumnKind,
}

#[derive(Clone, Debug)]
pub enum ColumnKind {
    /// Read from the input.
    Physical(DataType),
    /// `name AS expr`, over the physical columns.
    Computed(Box<Expr>),
}

#[derive(Clone, Debug)]
pub struct WatermarkDefinition {
    pub column: Ident,
    pub expr: Expr,
}

/// `'key' = 'value'`
#[derive(Clone, Debug)]
pub struct TableOption {
    pub key: Ident,
    pub value: Ident,
}

#[derive(Clone, Debug)]
pub struct Query {
    pub with: Vec<CommonTable>,
    /// At least one; between several stands UNION ALL.
    pub branches: Vec<Branch>,
    /// UNION without ALL: each row once.
    pub distinct: bool,
    pub order_by: Vec<OrderBy>,
    pub limit: Option<Limit>,
}

/// One of ORDER BY.
#[derive(Clone, Debug)]
pub struct OrderBy {
    pub expr: Expr,
    pub descending: bool,
    /// NULLS FIRST or LAST, if it is said.
    pub nulls_first: Option<bool>,
}

#[derive(Clone, Debug)]
pub enum Branch {
    Select(Box<Select>),
    /// In parentheses.
    Query(Box<Query>),
    Set(Box<SetOperation>),
}

/// `left INTERSECT right` and `left EXCEPT right`
#[derive(Clone, Debug)]
pub struct SetOperation {
    pub left: Branch,
    pub right: Branch,
    pub kind: SetKind,
    /// ALL: equal rows count as often as they come.
    pub all: bool,
    /// The word.
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetKind {
    /// The rows that both have.
    Intersect,
    /// Those that the right one has not.
    Except,
}

/// One of WITH: `name (columns) AS (query)`.
#[derive(Clone, Debug)]
pub struct CommonTable {
    pub name: Ident,
    pub columns: Vec<Ident>,
    pub query: Query,
}

#[derive(Clone, Debug)]
pub struct Select {
    /// The word SELECT.
    pub span: Span,
    pub distinct: bool,
    pub items: Vec<SelectItem>,
    pub from: Table,
    pub filter: Option<Expr>,
    pub group_by: Option<GroupBy>,
    pub having: Option<Expr>,
    /// WINDOW name AS (…), …
    pub windows: Vec<(Ident, WindowSpec)>,
    pub qualify: Option<Expr>,
}

#[derive(Clone, Debug)]
pub enum SelectItem {
    Expr {
        expr: Expr,
        alias: Option<Ident>,
    },
    /// `*` or `t.*`
    All {
        span: Span,
        table: Option<Ident>,
    },
}

/// `table MATCH_RECOGNIZE (…)`
#[derive(Clone, Debug)]
pub struct MatchRecognize {
    /// The word MATCH_RECOGNIZE.
    pub span: Span,
    pub input: Table,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<MatchOrder>,
    pub measures: Vec<Measure>,
    pub skip: AfterMatch,
    pub pattern: Vec<PatternVariable>,
    /// The interval of WITHIN and its place.
    pub within: Option<(Interval, Span)>,
    pub define: Vec<Definition>,
}

/// One of ORDER BY in MATCH_RECOGNIZE.
#[derive(Clone, Debug)]
pub struct MatchOrder {
    pub expr: Expr,
    pub descending: bool,
}

/// `expr AS name`
#[derive(Clone, Debug)]
pub struct Measure {
    pub expr: Expr,
    pub name: Ident,
}

/// Where the search for the next match begins.
#[derive(Clone, Debug)]
pub enum AfterMatch {
    ToNextRow,
    PastLastRow,
    ToFirst(Ident),
    ToLast(Ident),
}

/// A variable of PATTERN with its quantifier.
#[derive(Clone, Debug)]
pub struct PatternVariable {
    pub name: Ident,
    /// Fewest rows.
    pub min: u32,
    /// Most rows; `None`: no limit.
    pub max: Option<u32>,
    pub reluctant: bool,
    /// With its quantifier.
    pub span: Span,
}

/// `variable AS condition`
#[derive(Clone, Debug)]
pub struct Definition {
    pub variable: Ident,
    pub condition: Expr,
}

#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
    /// Of the tree below: the parser limits it, so that whoever walks the tree may recurse.
    pub depth: u16,
}

#[derive(Clone, Debug)]
pub enum ExprKind {
    /// `column` or `table.column`
    Name {
        table: Option<Ident>,
        column: Ident,
    },
    Null,
    Boolean(bool),
    /// As written.
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
    /// DATE '…', TIME '…', TIMESTAMP '…'
    Date(String),
    Time(String),
    Timestamp(String),
    Interval(Interval),
    Negate(Box<Expr>),
    Not(Box<Expr>),
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Distinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Is {
        operand: Box<Expr>,
        test: IsTest,
        negated: bool,
    },
    /// `(start, end) OVERLAPS (start, end)`
    Overlaps {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Between {
        operand: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        symmetric: bool,
        negated: bool,
    },
    In {
        operand: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    /// `operand IN (query)`; of several columns the operand is a row.
    InQuery {
        operand: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    /// `EXISTS (query)`
    Exists(Box<Query>),
    /// `(query)` as a value
    Subquery(Box<Query>),
    /// `operand < ANY (query)`; `= ANY` is IN, and ALL is NOT of the opposite.
    Any {
        op: CompareOp,
        operand: Box<Expr>,
        query: Box<Query>,
    },
    Like {
        /// SIMILAR TO
        similar: bool,
        operand: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        negated: bool,
    },
    Case {
        operand: Option<Box<Expr>>,
        /// Of a CASE with an operand each branch has one value or more.
        branches: Vec<(Vec<Expr>, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast {
        operand: Box<Expr>,
        target: CastTarget,
        safe: bool,
    },
    Extract {
        unit: TimeUnit,
        operand: Box<Expr>,
    },
    /// FLOOR(x TO unit), CEIL(x TO unit)
    RoundTime {
        up: bool,
        operand: Box<Expr>,
        unit: TimeUnit,
    },
    /// TIMESTAMPADD(unit, count, time)
    TimestampAdd {
        unit: TimeUnit,
        count: Box<Expr>,
        time: Box<Expr>,
    },
    TimestampDiff {
        unit: TimeUnit,
        from: Box<Expr>,
        to: Box<Expr>,
    },
    /// `(end - start) SECOND`: the interval between two times.
    Elapsed {
        end: Box<Expr>,
        start: Box<Expr>,
        in_months: bool,
    },
    Trim {
        side: TrimSide,
        characters: Option<Box<Expr>>,
        operand: Box<Expr>,
    },
    Call(Call),
    Json(JsonCall),
    /// `operand IS [NOT] JSON kind`
    IsJson {
        operand: Box<Expr>,
        kind: JsonKind,
        negated: bool,
    },
    /// ARRAY[…]
    Array(Vec<Expr>),
    /// MAP[key, value, …]
    Map(Vec<Expr>),
    /// ROW(…) or (a, b)
    Row(Vec<Expr>),
    /// `operand[index]`
    Item {
        operand: Box<Expr>,
        index: Box<Expr>,
    },
    /// `operand.field`
    Field {
        operand: Box<Expr>,
        field: Ident,
    },
}

/// The type of a CAST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CastTarget {
    pub data_type: DataType,
    pub length: TextLength,
}

/// Texts have one type here, and so have bytes: a CAST to a limited one must say what it does to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextLength {
    Any,
    /// VARCHAR(n): cut after n characters. VARBINARY(n)
    AtMost(u32),
    /// CHAR(n): cut, or filled up with blanks. BINARY(n): with zeros.
    Exactly(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsTest {
    Null,
    True,
    False,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimSide {
    Both,
    Leading,
    Trailing,
}

/// A function by its name.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: Ident,
    pub arguments: CallArguments,
    pub distinct: bool,
    /// FILTER (WHERE …)
    pub filter: Option<Box<Expr>>,
    /// OVER
    pub over: Option<Box<Over>>,
}

/// A JSON function with a grammar of its own.
#[derive(Clone, Debug)]
pub struct JsonCall {
    pub function: JsonFunction,
    /// The text and the path; keys and values in turn; or elements.
    pub arguments: Vec<Expr>,
    pub returning: Option<CastTarget>,
}

#[derive(Clone, Debug)]
pub enum JsonFunction {
    Value { on_empty: JsonMissing, on_error: JsonMissing },
    Query { wrapper: Wrapper, on_empty: JsonMissing, on_error: JsonMissing },
    Exists { on_error: JsonOnError },
    Object { absent_on_null: bool },
    Array { absent_on_null: bool },
}

/// What comes instead of a value that is not there or cannot be taken.
#[derive(Clone, Debug)]
pub enum JsonMissing {
    Null,
    Error,
    Default(Box<Expr>),
    EmptyArray,
    EmptyObject,
}

impl JsonCall {
    /// The expressions after DEFAULT.
    pub fn defaults(&self) -> Vec<&Expr> {
        let (JsonFunction::Value { on_empty, on_error } | JsonFunction::Query { on_empty, on_error, .. }) =
            &self.function
        else {
            return Vec::new();
        };
        let defaults = [on_empty, on_error].into_iter().filter_map(|missing| match missing {
            JsonMissing::Default(expr) => Some(&**expr),
            _ => None,
        });
        defaults.collect()
    }
}

#[derive(Clone, Debug)]
pub enum CallArguments {
    /// CURRENT_DATE: without parentheses.
    None,
    /// COUNT(*)
    Star,
    List(Vec<Expr>),
}

/// The value of an INTERVAL literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    Months(i64),
    Millis(i64),
}

impl Query {
    /// The first word SELECT.
    pub fn span(&self) -> Span {
        self.branches.first().map_or(Span { start: 0, end: 0 }, Branch::span)
    }
}

impl Branch {
    pub fn span(&self) -> Span {
        match self {
            Branch::Select(select) => select.span,
            Branch::Query(query) => query.span(),
            Branch::Set(operation) => operation.left.span(),
        }
    }
}

impl Expr {
    /// Calls `visit` with this expression and then with everything below it.
    pub fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        self.for_each_child(&mut |child| child.visit(visit));
    }

    pub fn for_each_child<'a>(&'a self, each: &mut dyn FnMut(&'a Expr)) {
        match &self.kind {
            ExprKind::Name { .. }
            | ExprKind::Null
            | ExprKind::Boolean(_)
            | ExprKind::Number(_)
            | ExprKind::Text(_)
            | ExprKind::Bytes(_)
            | ExprKind::Date(_)
            | ExprKind::Time(_)
            | ExprKind::Timestamp(_)
            | ExprKind::Interval(_)
            | ExprKind::Exists(_)
            | ExprKind::Subquery(_) => {}
            ExprKind::Negate(operand)
            | ExprKind::Not(operand)
            | ExprKind::Is { operand, .. }
            | ExprKind::Cast { operand, .. }
            | ExprKind::Extract { operand, .. }
            | ExprKind::RoundTime { operand, .. } => each(operand),
            ExprKind::Arithmetic { left, right, .. }
            | ExprKind::Compare { left, right, .. }
            | ExprKind::Distinct { left, right, .. }
            | ExprKind::Overlaps { left, right }
            | ExprKind::Elapsed { end: left, start: right, .. }
            | ExprKind::TimestampAdd { count: left, time: right, .. }
            | ExprKind::TimestampDiff { from: left, to: right, .. } => {
                each(left);
                each(right);
            }
            ExprKind::And(operands)
            | ExprKind::Or(operands)
            | ExprKind::Array(operands)
            | ExprKind::Map(operands)
            | ExprKind::Row(operands) => operands.iter().for_each(each),
            ExprKind::Item { operand, index } => {
                each(operand);
                each(index);
            }
            // What a subquery holds is its own.
            ExprKind::Field { operand, .. }
            | ExprKind::IsJson { operand, .. }
            | ExprKind::InQuery { operand, .. }
            | ExprKind::Any { operand, .. } => {
                each(operand);
            }
            ExprKind::Json(call) => {
                call.arguments.iter().for_each(&mut *each);
                call.defaults().into_iter().for_each(each);
            }
            ExprKind::Between { operand, low, high, .. } => {
                each(operand);
                each(low);
                each(high);
            }
            ExprKind::In { operand, list, .. } => {
                each(operand);
                list.iter().for_each(each);
            }
            ExprKind::Like { operand, pattern, escape, .. } => {
                each(operand);
                each(pattern);
                escape.iter().for_each(|escape| each(escape));
            }
            ExprKind::Case { operand, branches, otherwise } => {
                operand.iter().for_each(|operand| each(operand));
                for (conditions, result) in branches {
                    conditions.iter().for_each(&mut *each);
                    each(result);
                }
                otherwise.iter().for_each(|otherwise| each(otherwise));
            }
            ExprKind::Trim { characters, operand, .. } => {
                characters.iter().for_each(|characters| each(characters));
                each(operand);
            }
            ExprKind::Call(call) => {
                if let CallArguments::List(arguments) = &call.arguments {
                    arguments.iter().for_each(&mut *each);
                }
                call.filter.iter().for_each(|filter| each(filter));
                if let Some(Over::Spec(spec)) = call.over.as_deref() {
                    spec.partition_by.iter().for_each(&mut *each);
                    spec.order_by.iter().for_each(|item| each(&item.expr));
                }
            }
        }
    }
}
