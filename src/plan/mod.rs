//! The typed logical plan: what `sql` binds a text to and what `engine` runs.
//!
//! Holds always: every name is resolved to a position, every expression has its Flink type, and every implicit
//! coercion of Flink stands in the tree as a [`ExprKind::Cast`]. So nothing is looked up while rows flow.
//! New families of SQL (sessions, OVER, joins, MATCH_RECOGNIZE) are new [`NodeKind`]s.
//! Knows nothing of SQL text, files or the network.

mod early;
mod expr;
mod join;
mod over;
mod recognition;
mod report;

pub use early::with_early;
pub use expr::{
    ArithmeticOp, CompareOp, Expr, ExprKind, Function, JsonKind, JsonMissing, JsonOnError, TimeUnit, Wrapper,
};
pub use join::{AsOf, Join, JoinKind, JoinMethod};
pub use over::{Frame, OverFunction, OverKind, OverOrder, Ranking};
pub use recognition::{AfterMatch, End, Formula, Recognition, Rows, SortKey, Term, Variable};
pub use report::{Report, Watch};

use crate::model::{Millis, Schema};

/// Everything one engine runs: the sources and the queries over them.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    /// In order of name; the engine takes sources in this order within a tick.
    pub sources: Vec<Source>,
    /// In order of name.
    pub tables: Vec<Table>,
    pub queries: Vec<Query>,
}

/// A table whose rows are looked up. Whoever runs the engine gives it the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub name: String,
    pub schema: Schema,
    /// Columns of the PRIMARY KEY; empty without one.
    pub primary_key: Vec<usize>,
}

/// A stream of rows with an event time.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub schema: Schema,
    pub watermark: Watermark,
    /// Whether event time is the time of arrival, so that it follows the clock.
    pub by_arrival: bool,
    /// Columns of the PRIMARY KEY, which makes its rows versions; mostly empty.
    pub primary_key: Vec<usize>,
    /// Of each column what computes it from the row of those that come in; `None`: it comes in. Empty: all come in.
    pub computed: Vec<Option<Expr>>,
}

/// How a source's rows move event time (DESIGN.md section 7).
#[derive(Clone, Debug, PartialEq)]
pub enum Watermark {
    /// No event time: only stateless queries may read it.
    None,
    /// Flink's: one time line, watermark = largest `event time - delay_ms` so far, from 0 on.
    Source { delay_ms: Millis },
    /// One time line per value of `Schema::device`.
    Device(DeviceWatermark),
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeviceWatermark {
    pub delay_ms: Millis,
    /// A device without rows for this long no longer holds back the others.
    pub idle_after_ms: Millis,
    /// A device further than this behind the median of the active ones leaves the minimum.
    pub lag_max_ms: Millis,
    /// Event times further than this ahead of a trusted `now` are clamped to `now + max_skew_ms`.
    pub max_skew_ms: Option<Millis>,
    /// Windows keyed by device close after this long without a row of theirs; `None`: only by the device's own watermark.
    pub close_after_ms: Option<Millis>,
}

/// One bound SELECT.
#[derive(Clone, Debug)]
pub struct Query {
    pub name: String,
    pub root: Node,
    /// What would be remembered for ever goes when it was not touched for this long, by event time.
    pub state_ttl_ms: Option<Millis>,
    /// Whether its late rows are to be given back.
    pub gives_late: bool,
}

impl Query {
    /// Indices into [`Topology::sources`] of all that the query reads, ascending, each once.
    pub fn sources(&self) -> Vec<usize> {
        let mut found = Vec::new();
        self.root.visit(&mut |node| {
            if let NodeKind::Scan { source } = node.kind {
                found.push(source);
            }
        });
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Indices into [`Topology::tables`] of all that the query looks up, ascending, each once.
    pub fn tables(&self) -> Vec<usize> {
        let mut found = Vec::new();
        self.root.visit(&mut |node| {
            if let NodeKind::Table { table } = node.kind {
                found.push(table);
            }
        });
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether the query keeps anything between two rows.
    pub fn is_stateful(&self) -> bool {
        let mut stateful = false;
        self.root.visit(&mut |node| {
            let is_lookup =
                matches!(&node.kind, NodeKind::Join(join) if matches!(join.method, JoinMethod::Lookup { .. }));
            stateful |= !is_lookup
                && !matches!(
                    node.kind,
                    NodeKind::Scan { .. }
                        | NodeKind::Table { .. }
                        | NodeKind::Filter { .. }
                        | NodeKind::Project { .. }
                        | NodeKind::Window { .. }
                        | NodeKind::Expand { .. }
                        | NodeKind::Unnest { .. }
                        | NodeKind::Union { .. }
                )
        });
        stateful
    }
}

/// A relational operator with the schema of its output.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: NodeKind,
    pub schema: Schema,
}

#[derive(Clone, Debug)]
pub enum NodeKind {
    Scan {
        source: usize,
    },
    /// A lookup table; only as the right side of a join that looks it up.
    Table {
        table: usize,
    },
    /// Keeps rows for which the predicate is TRUE.
    Filter {
        input: Box<Node>,
        predicate: Expr,
    },
    Project {
        input: Box<Node>,
        exprs: Vec<Expr>,
    },
    /// UNION ALL: the rows of all inputs, whose columns have the same types.
    Union {
        inputs: Vec<Node>,
    },
    /// ORDER BY an event time, ascending: each row when the watermark reaches it. Rows of equal time by the keys.
    Sort {
        input: Box<Node>,
        time: usize,
        keys: Vec<OrderKey>,
    },
    Join(Box<Join>),
    /// UNNEST beside each row: the row once for each element of its list, with the element appended, or the fields of the
    /// element where they are rows.
    Unnest {
        input: Box<Node>,
        /// An ARRAY; NULL is an empty one.
        list: Expr,
        /// How many fields the elements have; `None`: they are no rows.
        fields: Option<usize>,
        /// WITH ORDINALITY: the number of the element, from 1 on, is appended.
        numbered: bool,
        /// LEFT JOIN: a row without an element for which the condition is TRUE comes once, with NULLs.
        outer: bool,
        /// Over the row with an element; only with `outer`.
        condition: Option<Expr>,
    },
    /// LIMIT: so many rows, the first ones skipped, and then no more.
    Limit {
        input: Box<Node>,
        skipped: u64,
        count: u64,
    },
    /// SELECT DISTINCT: each row the first time it comes.
    Distinct {
        input: Box<Node>,
    },
    /// A window table function without aggregation: each row once per window that holds it, with the columns
    /// window_start, window_end and window_time appended.
    Window {
        input: Box<Node>,
        time: usize,
        windowing: Windowing,
    },
    /// A window table function with GROUP BY window_start, window_end and `keys`.
    /// Output: the keys, the aggregates, window_start, window_end, window_time.
    WindowAggregate {
        input: Box<Node>,
        time: usize,
        windowing: Windowing,
        keys: Vec<Expr>,
        aggregates: Vec<Aggregate>,
    },
    /// MATCH_RECOGNIZE. Output: the partition's columns, the measures.
    Match {
        input: Box<Node>,
        recognition: Box<Recognition>,
    },
    /// Report by exception. Output: whole rows, see [`Report`].
    Report {
        input: Box<Node>,
        report: Box<Report>,
    },
    /// SESSION as a table function without aggregation: rows with their session's window_start, window_end and
    /// window_time appended. Each value of the partition's columns has sessions of its own.
    Session {
        input: Box<Node>,
        time: usize,
        partition: Vec<usize>,
        gap_ms: Millis,
    },
    /// TUMBLE_ROWS and HOP_ROWS as table functions: rows with window_start, window_end and window_time appended, once for
    /// each window that is full.
    CountWindow {
        input: Box<Node>,
        windowing: CountWindowing,
    },
    /// The same with GROUP BY `keys`, the columns of the partition. Output as of `WindowAggregate`.
    CountAggregate {
        input: Box<Node>,
        windowing: CountWindowing,
        keys: Vec<Expr>,
        aggregates: Vec<Aggregate>,
    },
    /// SESSION with GROUP BY the columns of its partition. Output as of `WindowAggregate`.
    SessionAggregate {
        input: Box<Node>,
        time: usize,
        gap_ms: Millis,
        /// Each session also tells at each multiple of this what it holds so far, and a last column says which rows
        /// those are.
        early_ms: Option<Millis>,
        keys: Vec<Expr>,
        aggregates: Vec<Aggregate>,
    },
    /// GROUP BY the columns window_start and window_end of the input and `keys`. Output as of `WindowAggregate`.
    AttachedAggregate {
        input: Box<Node>,
        /// `None`: all rows, until the input ends; the output is then the keys and the aggregates alone.
        window: Option<[usize; 2]>,
        keys: Vec<Expr>,
        aggregates: Vec<Aggregate>,
    },
    /// GROUPING SETS: each row once for each set, with the keys appended, those outside of the set as NULL, and then
    /// the number of the set.
    Expand {
        input: Box<Node>,
        keys: Vec<Expr>,
        /// Positions in `keys`.
        sets: Vec<Vec<usize>>,
    },
    /// OVER: the rows with a result of each function appended.
    Over {
        input: Box<Node>,
        order: OverOrder,
        partition: Vec<usize>,
        frame: Frame,
        functions: Vec<OverFunction>,
    },
    /// ROW_NUMBER whose number is limited from outside: the rows numbered `numbers` with their numbers appended.
    Rank {
        input: Box<Node>,
        ranking: Ranking,
        /// The event time, if that alone is the order, ascending.
        by_time: Option<usize>,
        /// Column window_end, if the partition holds the window. `None`: all rows, until the input ends.
        window_end: Option<usize>,
        /// First and last; `None`: not known yet, which the binder does not leave.
        numbers: Option<(u64, u64)>,
    },
    /// The first row by time of each value of the partition's columns.
    FirstRow {
        input: Box<Node>,
        time: usize,
        partition: Vec<usize>,
    },
}

/// A column that rows are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderKey {
    pub column: usize,
    pub descending: bool,
    pub nulls_first: bool,
}

/// Windows are `[start, end)`, aligned to 1970-01-01 00:00 plus `offset_ms`, by flooring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windowing {
    Tumble {
        size_ms: Millis,
        offset_ms: Millis,
    },
    /// `size_ms` is a multiple of `slide_ms`, but for [`NodeKind::Window`].
    Hop {
        slide_ms: Millis,
        size_ms: Millis,
        offset_ms: Millis,
    },
    /// A window of `size_ms` that fires every `step_ms` with what it holds so far. `size_ms` is a multiple of `step_ms`.
    Cumulate {
        step_ms: Millis,
        size_ms: Millis,
        offset_ms: Millis,
    },
    /// Each window also tells every `every_ms` from its start what it holds so far. Its end is then that of the step that
    /// is open, and a last column of the aggregate is TRUE. Windows of `size_ms` begin every `slide_ms`, which is a
    /// multiple of `every_ms` or divides it; steps of `step_ms` have results of their own, as those of CUMULATE.
    Early {
        every_ms: Millis,
        slide_ms: Millis,
        step_ms: Millis,
        size_ms: Millis,
        offset_ms: Millis,
    },
}

/// Windows of `size` rows of each partition, in order of time; one begins every `slide` rows, which are not more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountWindowing {
    pub time: usize,
    pub partition: Vec<usize>,
    pub slide: usize,
    pub size: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    pub function: AggregateFunction,
    /// `None` only for COUNT(*).
    pub argument: Option<Expr>,
    pub distinct: bool,
    /// FILTER (WHERE …).
    pub filter: Option<Expr>,
    /// A constant that the function takes besides; NULL for most.
    pub parameter: crate::model::Value,
    pub data_type: crate::model::DataType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateFunction {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    StddevPop,
    StddevSamp,
    VarPop,
    VarSamp,
    /// The first one that came, NULLs left out.
    FirstValue,
    LastValue,
    /// Texts in order of arrival; the parameter stands between them.
    ListAgg,
    /// The parameter is the fraction, a DOUBLE, or an ARRAY of them; the result is one DOUBLE, or as many. Of a ROW of two the
    /// second one is how often the first one counts.
    Percentile,
    /// The parameter is the fraction, a DOUBLE; within 1 % of the exact value. Not Flink's.
    ApproxPercentile,
}

impl Node {
    /// Calls `visit` with this node and then with everything below it.
    pub fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        visit(self);
        self.inputs().into_iter().for_each(|input| input.visit(visit));
    }

    /// Whether something in it would be remembered for ever without `state_ttl`.
    pub fn expires(&self) -> bool {
        let mut found = false;
        self.visit(&mut |node| {
            found |= match &node.kind {
                NodeKind::Over { frame, .. } => !matches!(frame, Frame::Range(_)),
                kind => {
                    matches!(kind, NodeKind::Distinct { .. } | NodeKind::FirstRow { .. } | NodeKind::Report { .. })
                        || matches!(kind, NodeKind::CountWindow { .. } | NodeKind::CountAggregate { .. })
                }
            };
        });
        found
    }

    /// What the node reads, one for each port.
    pub fn inputs(&self) -> Vec<&Node> {
        match &self.kind {
            NodeKind::Scan { .. } | NodeKind::Table { .. } => Vec::new(),
            NodeKind::Filter { input, .. }
            | NodeKind::Project { input, .. }
            | NodeKind::Sort { input, .. }
            | NodeKind::Window { input, .. }
            | NodeKind::WindowAggregate { input, .. }
            | NodeKind::Session { input, .. }
            | NodeKind::CountWindow { input, .. }
            | NodeKind::CountAggregate { input, .. }
            | NodeKind::SessionAggregate { input, .. }
            | NodeKind::AttachedAggregate { input, .. }
            | NodeKind::Expand { input, .. }
            | NodeKind::Over { input, .. }
            | NodeKind::Rank { input, .. }
            | NodeKind::FirstRow { input, .. }
            | NodeKind::Match { input, .. }
            | NodeKind::Report { input, .. }
            | NodeKind::Unnest { input, .. }
            | NodeKind::Limit { input, .. }
            | NodeKind::Distinct { input } => vec![input],
            NodeKind::Union { inputs } => inputs.iter().collect(),
            NodeKind::Join(join) => vec![&join.left, &join.right],
        }
    }

    pub fn inputs_mut(&mut self) -> Vec<&mut Node> {
        match &mut self.kind {
            NodeKind::Scan { .. } | NodeKind::Table { .. } => Vec::new(),
            NodeKind::Filter { input, .. }
            | NodeKind::Project { input, .. }
            | NodeKind::Sort { input, .. }
            | NodeKind::Window { input, .. }
            | NodeKind::WindowAggregate { input, .. }
            | NodeKind::Session { input, .. }
            | NodeKind::CountWindow { input, .. }
            | NodeKind::CountAggregate { input, .. }
            | NodeKind::SessionAggregate { input, .. }
            | NodeKind::AttachedAggregate { input, .. }
            | NodeKind::Expand { input, .. }
            | NodeKind::Over { input, .. }
            | NodeKind::Rank { input, .. }
            | NodeKind::FirstRow { input, .. }
            | NodeKind::Match { input, .. }
            | NodeKind::Report { input, .. }
            | NodeKind::Unnest { input, .. }
            | NodeKind::Limit { input, .. }
            | NodeKind::Distinct { input } => vec![input],
            NodeKind::Union { inputs } => inputs.iter_mut().collect(),
            NodeKind::Join(join) => vec![&mut join.left, &mut join.right],
        }
    }
}
