//! What each operator of a plan is, in SQL's words, and how its columns are called above it.

use crate::model::{DataType, Schema, Value};
use crate::plan::{
    Aggregate, AggregateFunction, CountWindowing, Expr, ExprKind, Frame, Join, JoinKind, JoinMethod, Node, NodeKind,
    OrderKey, OverFunction, OverKind, OverOrder, Ranking, Report, Watch, Windowing,
};
use crate::sql::show::{self, interval, name};

/// What the columns of an operator's inputs are called; one list for each input.
pub type Names = [Vec<String>];

/// The names of a schema's columns, as they stand in SQL.
pub fn of_schema(schema: &Schema) -> Vec<String> {
    schema.columns.iter().map(|column| name(&column.name)).collect()
}

pub fn expression(expr: &Expr, names: &[String]) -> String {
    show::expression(expr, &|column| column_name(names, column))
}

pub fn column_name(names: &[String], column: usize) -> String {
    names.get(column).cloned().unwrap_or_else(|| format!("column {column}"))
}

fn columns(columns: &[usize], names: &[String]) -> String {
    columns.iter().map(|column| column_name(names, *column)).collect::<Vec<_>>().join(", ")
}

fn listed(texts: impl IntoIterator<Item = String>) -> String {
    texts.into_iter().collect::<Vec<_>>().join(", ")
}

/// The operator in a line. What a source or a table is called says `relation`.
pub fn title(node: &Node, inputs: &Names, relation: &dyn Fn(&NodeKind) -> String) -> String {
    let names: &[String] = inputs.first().map_or(&[], Vec::as_slice);
    let grouped = |keys: &[Expr], aggregates: &[Aggregate]| {
        let keys = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", expressions(keys, names)) };
        let aggregates = listed(aggregates.iter().map(|aggregate| self::aggregate(aggregate, names)));
        if aggregates.is_empty() { keys } else { format!("{keys}: {aggregates}") }
    };
    let partitioned = |partition: &[usize]| match partition {
        [] => String::new(),
        _ => format!("PARTITION BY {} ", columns(partition, names)),
    };
    match &node.kind {
        NodeKind::Scan { .. } | NodeKind::Table { .. } => relation(&node.kind),
        NodeKind::Filter { predicate, .. } => format!("FILTER {}", expression(predicate, names)),
        NodeKind::Project { exprs, .. } => format!("SELECT {}", selected(exprs, &node.schema, names)),
        NodeKind::Union { .. } => "UNION ALL".to_owned(),
        NodeKind::Sort { time, keys, .. } => {
            let keys: String = keys.iter().map(|key| format!(", {}", order(key, names))).collect();
            format!("ORDER BY {}{keys}", column_name(names, *time))
        }
        NodeKind::Join(join) => self::join(join, inputs),
        NodeKind::Distinct { .. } => "SELECT DISTINCT".to_owned(),
        NodeKind::Unnest { list, outer, condition, numbered, .. } => {
            let (outer, numbered) =
                (if *outer { "LEFT " } else { "" }, if *numbered { " WITH ORDINALITY" } else { "" });
            let condition =
                condition.as_ref().map(|condition| format!(" ON {}", expression(condition, &of_schema(&node.schema))));
            format!("{outer}UNNEST({}){numbered}{}", expression(list, names), condition.unwrap_or_default())
        }
        NodeKind::Limit { skipped: 0, count, .. } => format!("LIMIT {count}"),
        NodeKind::Limit { skipped, count, .. } => format!("LIMIT {count} OFFSET {skipped}"),
        NodeKind::Window { time, windowing, .. } => format!("WINDOW {}", window(windowing, &column_name(names, *time))),
        NodeKind::WindowAggregate { time, windowing, keys, aggregates, .. } => {
            format!("AGGREGATE {}{}", window(windowing, &column_name(names, *time)), grouped(keys, aggregates))
        }
        NodeKind::Session { time, partition, gap_ms, .. } => {
            let keys: String = partition.iter().map(|key| format!("{}, ", column_name(names, *key))).collect();
            let keys = if keys.is_empty() { keys } else { format!("PARTITION BY {keys}") };
            format!("WINDOW SESSION({keys}{}, {})", column_name(names, *time), interval(*gap_ms))
        }
        NodeKind::SessionAggregate { time, gap_ms, early_ms, keys, aggregates, .. } => {
            let session = format!("SESSION({}, {})", column_name(names, *time), interval(*gap_ms));
            let early = early_ms.map(|every_ms| format!(", early results every {},", interval(every_ms)));
            format!("AGGREGATE {session}{}{}", early.unwrap_or_default(), grouped(keys, aggregates))
        }
        NodeKind::AttachedAggregate { window: None, keys, aggregates, .. } => {
            format!("AGGREGATE all rows{}", grouped(keys, aggregates))
        }
        NodeKind::AttachedAggregate { keys, aggregates, .. } => {
            format!("AGGREGATE the window of the rows{}", grouped(keys, aggregates))
        }
        NodeKind::Expand { keys, sets, .. } => {
            let set = |set: &Vec<usize>| {
                format!("({})", listed(set.iter().filter_map(|key| keys.get(*key)).map(|key| expression(key, names))))
            };
            format!("GROUPING SETS ({})", listed(sets.iter().map(set)))
        }
        NodeKind::Over { order: by, partition, frame: rows, functions, .. } => {
            let by = match by {
                OverOrder::Time(time) => column_name(names, *time),
                OverOrder::Column(key) => order(key, names),
            };
            let over = format!("{}ORDER BY {by} {}", partitioned(partition), frame(rows));
            format!("OVER ({over}): {}", listed(functions.iter().map(|function| over_function(function, names))))
        }
        NodeKind::Rank { ranking: Ranking { partition, order: by, .. }, numbers, .. } => {
            let partitioned = partitioned(partition);
            match numbers.unwrap_or((1, 1)) {
                // Of INTERSECT ALL and EXCEPT ALL: rows that are equal have no order.
                (1, u64::MAX) => format!("ROW_NUMBER() OVER ({})", partitioned.trim_end()),
                (first, last) => {
                    let by = listed(by.iter().map(|key| order(key, names)));
                    format!("ROW_NUMBER() OVER ({partitioned}ORDER BY {by}) BETWEEN {first} AND {last}")
                }
            }
        }
        NodeKind::FirstRow { time, partition, .. } => {
            let time = column_name(names, *time);
            format!("ROW_NUMBER() OVER ({}ORDER BY {time}) = 1", partitioned(partition))
        }
        NodeKind::Match { recognition, .. } => super::patterns::title(recognition, names),
        NodeKind::Report { report, .. } => {
            let condition = report.condition.as_ref().map(|condition| expression(condition, &reported(report, names)));
            format!("REPORT {}WHEN {}", partitioned(&report.partition), condition.unwrap_or("TRUE".to_owned()))
        }
        NodeKind::CountWindow { windowing, .. } => format!("WINDOW {}", rows_window(windowing, names)),
        NodeKind::CountAggregate { windowing, keys, aggregates, .. } => {
            format!("AGGREGATE {}{}", rows_window(windowing, names), grouped(keys, aggregates))
        }
    }
}

/// What the columns of the operator are called by those who read it.
pub fn output_names(node: &Node, inputs: &Names) -> Vec<String> {
    let names: &[String] = inputs.first().map_or(&[], Vec::as_slice);
    let own = of_schema(&node.schema);
    let renamed: Vec<String> = match &node.kind {
        NodeKind::WindowAggregate { keys, aggregates, .. }
        | NodeKind::SessionAggregate { keys, aggregates, .. }
        | NodeKind::CountAggregate { keys, aggregates, .. }
        | NodeKind::AttachedAggregate { keys, aggregates, .. } => {
            let keys = keys.iter().map(|key| expression(key, names));
            keys.chain(aggregates.iter().map(|aggregate| self::aggregate(aggregate, names))).collect()
        }
        NodeKind::Expand { keys, .. } => {
            let keys = keys.iter().map(|key| expression(key, names));
            names.iter().cloned().chain(keys).chain(["the set's number".to_owned()]).collect()
        }
        NodeKind::Over { functions, .. } => {
            let functions = functions.iter().map(|function| format!("{} OVER (…)", over_function(function, names)));
            names.iter().cloned().chain(functions).collect()
        }
        NodeKind::Join(_) => sides(inputs),
        NodeKind::Filter { .. }
        | NodeKind::Sort { .. }
        | NodeKind::Distinct { .. }
        | NodeKind::Window { .. }
        | NodeKind::Session { .. }
        | NodeKind::CountWindow { .. }
        | NodeKind::Unnest { .. }
        | NodeKind::Limit { .. }
        | NodeKind::FirstRow { .. } => names.to_vec(),
        NodeKind::Report { report, .. } => reported(report, names),
        NodeKind::Rank { .. } => names.iter().cloned().chain(["ROW_NUMBER()".to_owned()]).collect(),
        _ => Vec::new(),
    };
    own.into_iter().enumerate().map(|(index, own)| renamed.get(index).cloned().unwrap_or(own)).collect()
}

/// The columns of a row beside what is remembered of its key.
fn reported(report: &Report, names: &[String]) -> Vec<String> {
    let remembered = report.remembered.iter().map(|expr| format!("LAST_REPORTED({})", expression(expr, names)));
    let mut all: Vec<String> = names.iter().cloned().chain(remembered).collect();
    for watch in &report.watches {
        let text = match watch {
            Watch::Latch { set, reset } => {
                format!("LATCH(set {}, reset {})", expression(set, &all), expression(reset, &all))
            }
            Watch::Held { condition, for_ms, gap_ms } => {
                let gap = gap_ms.map(|gap_ms| format!(", {}", interval(gap_ms)));
                format!("HELD_FOR({}, {}{})", expression(condition, &all), interval(*for_ms), gap.unwrap_or_default())
            }
            Watch::Rise { condition } => format!("BECOMES_TRUE({})", expression(condition, &all)),
        };
        all.push(text);
    }
    all
}

/// The columns of a join: where both sides have a name, it is said which one is meant.
fn sides(inputs: &Names) -> Vec<String> {
    let [left, right] = inputs else { return inputs.concat() };
    let qualified = |side: &str, names: &[String], others: &[String]| -> Vec<String> {
        names.iter().map(|name| if others.contains(name) { format!("{side}.{name}") } else { name.clone() }).collect()
    };
    [qualified("left", left, right), qualified("right", right, left)].concat()
}

fn expressions(exprs: &[Expr], names: &[String]) -> String {
    listed(exprs.iter().map(|expr| expression(expr, names)))
}

fn selected(exprs: &[Expr], schema: &Schema, names: &[String]) -> String {
    let one = |(expr, column): (&Expr, &crate::model::Column)| {
        let (text, name) = (expression(expr, names), name(&column.name));
        if text == name { text } else { format!("{text} AS {name}") }
    };
    listed(exprs.iter().zip(&schema.columns).map(one))
}

fn order(key: &OrderKey, names: &[String]) -> String {
    let descending = if key.descending { " DESC" } else { "" };
    // Flink's default: NULLs are the smallest values.
    let nulls = match (key.descending, key.nulls_first) {
        (false, false) => " NULLS LAST",
        (true, true) => " NULLS FIRST",
        _ => "",
    };
    format!("{}{descending}{nulls}", column_name(names, key.column))
}

fn window(windowing: &Windowing, time: &str) -> String {
    let with_offset =
        |offset_ms: i64| if offset_ms == 0 { String::new() } else { format!(", {}", interval(offset_ms)) };
    match windowing {
        Windowing::Tumble { size_ms, offset_ms } => {
            format!("TUMBLE({time}, {}{})", interval(*size_ms), with_offset(*offset_ms))
        }
        Windowing::Hop { slide_ms, size_ms, offset_ms } => {
            format!("HOP({time}, {}, {}{})", interval(*slide_ms), interval(*size_ms), with_offset(*offset_ms))
        }
        Windowing::Cumulate { step_ms, size_ms, offset_ms } => {
            format!("CUMULATE({time}, {}, {}{})", interval(*step_ms), interval(*size_ms), with_offset(*offset_ms))
        }
        Windowing::Early { every_ms, slide_ms, step_ms, size_ms, offset_ms } => {
            let (every, offset) = (interval(*every_ms), with_offset(*offset_ms));
            let windows = match (slide_ms == size_ms, step_ms == size_ms) {
                (true, true) => format!("TUMBLE({time}, {}{offset})", interval(*size_ms)),
                (true, false) => format!("CUMULATE({time}, {}, {}{offset})", interval(*step_ms), interval(*size_ms)),
                (false, _) => format!("HOP({time}, {}, {}{offset})", interval(*slide_ms), interval(*size_ms)),
            };
            format!("{windows}, early results every {every},")
        }
    }
}

fn rows_window(windowing: &CountWindowing, names: &[String]) -> String {
    let partition = match windowing.partition.as_slice() {
        [] => String::new(),
        partition => format!("PARTITION BY {}, ", columns(partition, names)),
    };
    let (time, CountWindowing { slide, size, .. }) = (column_name(names, windowing.time), windowing);
    match slide == size {
        true => format!("TUMBLE_ROWS({partition}{time}, {size})"),
        false => format!("HOP_ROWS({partition}{time}, {slide}, {size})"),
    }
}

fn frame(frame: &Frame) -> String {
    let start = match frame {
        Frame::RowsUnbounded => "ROWS BETWEEN UNBOUNDED PRECEDING".to_owned(),
        Frame::RangeUnbounded => "RANGE BETWEEN UNBOUNDED PRECEDING".to_owned(),
        Frame::Rows(rows) => format!("ROWS BETWEEN {rows} PRECEDING"),
        Frame::Range(millis) => format!("RANGE BETWEEN {} PRECEDING", interval(*millis)),
    };
    format!("{start} AND CURRENT ROW")
}

pub fn aggregate(aggregate: &Aggregate, names: &[String]) -> String {
    let (argument, frequency) = match (&aggregate.argument, aggregate.function) {
        (
            Some(Expr { kind: ExprKind::Call { arguments, .. }, data_type: DataType::Row(_) }),
            AggregateFunction::Percentile,
        ) => {
            let mut parts = arguments.iter().map(|part| expression(part, names));
            (parts.next().unwrap_or_default(), parts.next())
        }
        (Some(argument), _) => (expression(argument, names), None),
        (None, _) => ("*".to_owned(), None),
    };
    let frequency = frequency.map(|frequency| format!(", {frequency}")).unwrap_or_default();
    let distinct = if aggregate.distinct { "DISTINCT " } else { "" };
    let parameter = match &aggregate.parameter {
        Value::String(separator) => format!(", '{}'", separator.replace('\'', "''")),
        Value::Double(fraction) => format!(", {fraction}"),
        Value::List(fractions) => format!(", ARRAY[{}]", listed(fractions.iter().map(fraction))),
        _ => String::new(),
    };
    let filter = aggregate.filter.as_ref().map(|filter| format!(" FILTER (WHERE {})", expression(filter, names)));
    format!(
        "{}({distinct}{argument}{parameter}{frequency}){}",
        function(aggregate.function),
        filter.unwrap_or_default()
    )
}

fn fraction(value: &Value) -> String {
    match value {
        Value::Double(fraction) => fraction.to_string(),
        _ => String::new(),
    }
}

fn function(function: AggregateFunction) -> &'static str {
    match function {
        AggregateFunction::Count => "COUNT",
        AggregateFunction::Sum => "SUM",
        AggregateFunction::Avg => "AVG",
        AggregateFunction::Min => "MIN",
        AggregateFunction::Max => "MAX",
        AggregateFunction::StddevPop => "STDDEV_POP",
        AggregateFunction::StddevSamp => "STDDEV_SAMP",
        AggregateFunction::VarPop => "VAR_POP",
        AggregateFunction::VarSamp => "VAR_SAMP",
        AggregateFunction::FirstValue => "FIRST_VALUE",
        AggregateFunction::LastValue => "LAST_VALUE",
        AggregateFunction::ListAgg => "LISTAGG",
        AggregateFunction::Percentile => "PERCENTILE",
        AggregateFunction::ApproxPercentile => "APPROX_PERCENTILE",
    }
}

fn over_function(function: &OverFunction, names: &[String]) -> String {
    match &function.kind {
        OverKind::Aggregate(aggregate) => self::aggregate(aggregate, names),
        OverKind::RowNumber => "ROW_NUMBER()".to_owned(),
        OverKind::Rank => "RANK()".to_owned(),
        OverKind::DenseRank => "DENSE_RANK()".to_owned(),
        OverKind::Lag { column, offset, default } => {
            let default = default.as_ref().map(|default| format!(", {}", expression(default, names)));
            format!("LAG({}, {offset}{})", column_name(names, *column), default.unwrap_or_default())
        }
    }
}

fn join(join: &Join, inputs: &Names) -> String {
    let (left, right) = match inputs {
        [left, right] => (left.as_slice(), right.as_slice()),
        _ => (&[][..], &[][..]),
    };
    let kind = match join.kind {
        JoinKind::Inner => "",
        JoinKind::Left => "LEFT ",
        JoinKind::Right => "RIGHT ",
        JoinKind::Full => "FULL ",
        JoinKind::Semi => "SEMI ",
        JoinKind::Anti => "ANTI ",
    };
    let side = |side: &str, names: &[String], column: usize| format!("{side}.{}", column_name(names, column));
    let of = |expr: &Expr, name: &str, names: &[String]| show::expression(expr, &|column| side(name, names, column));
    let mut conditions: Vec<String> = join
        .keys
        .iter()
        .map(|(l, r)| {
            let key = [of(l, "left", left), of(r, "right", right)];
            key.join(" = ")
        })
        .collect();
    let times = |times: [usize; 2]| (side("left", left, times[0]), side("right", right, times[1]));
    let what = match &join.method {
        JoinMethod::Interval { times: both, lower_ms, upper_ms } => {
            let (left, right) = times(*both);
            let shifted = |millis: &i64| match millis {
                0 => left.clone(),
                1.. => format!("{left} + {}", interval(*millis)),
                _ => format!("{left} - {}", interval(-millis)),
            };
            conditions.push(format!("{right} BETWEEN {} AND {}", shifted(lower_ms), shifted(upper_ms)));
            format!("{kind}INTERVAL JOIN")
        }
        JoinMethod::Versioned { times: both, .. } => format!("{kind}JOIN FOR SYSTEM_TIME AS OF {}", times(*both).0),
        JoinMethod::Window { ends: Some(_) } => format!("{kind}WINDOW JOIN"),
        JoinMethod::Lookup { .. } => format!("{kind}LOOKUP JOIN"),
        JoinMethod::Window { ends: None } | JoinMethod::Unbounded => format!("{kind}JOIN"),
    };
    if let Some(residual) = &join.residual {
        let either = |column: usize| match column.checked_sub(left.len()) {
            Some(column) => side("right", right, column),
            None => side("left", left, column),
        };
        let text = show::expression(residual, &either);
        conditions.push(if matches!(residual.kind, ExprKind::Or(_)) { format!("({text})") } else { text });
    }
    if conditions.is_empty() { what } else { format!("{what} ON {}", conditions.join(" AND ")) }
}
