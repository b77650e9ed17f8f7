//! What each operator keeps between two rows, and when it lets go of it.

use crate::engine::{
    MATCH_ROWS_MAX, MATCH_RUNS_MAX, VERSION_JOIN_WAITING_MAX, VERSION_KEYS_MAX, VERSIONS_OF_A_KEY_MAX,
};
use crate::model::Millis;
use crate::plan::{
    Aggregate, AggregateFunction, Frame, Join, JoinMethod, Node, NodeKind, OverKind, OverOrder, Windowing,
};

/// `None`: nothing. `limited`: as on a gateway; a script over files has no limits.
pub fn kept(node: &Node, limited: bool) -> Option<String> {
    Some(match &node.kind {
        NodeKind::Scan { .. }
        | NodeKind::Table { .. }
        | NodeKind::Filter { .. }
        | NodeKind::Project { .. }
        | NodeKind::Union { .. }
        | NodeKind::Window { .. }
        | NodeKind::Unnest { .. }
        | NodeKind::Expand { .. } => return None,
        NodeKind::Limit { .. } => "how many rows there have been".to_owned(),
        NodeKind::Join(join) => return of_join(join, limited),
        NodeKind::Sort { .. } => "rows until the watermark reaches them".to_owned(),
        NodeKind::Distinct { .. } => "each different row".to_owned(),
        NodeKind::WindowAggregate { windowing, aggregates, .. } => {
            let windows = match windowing {
                Windowing::Tumble { .. } => "a group for each key and open window".to_owned(),
                Windowing::Hop { slide_ms: pane_ms, size_ms, .. }
                | Windowing::Cumulate { step_ms: pane_ms, size_ms, .. } => of_panes(*pane_ms, *size_ms),
                Windowing::Early { every_ms, slide_ms, size_ms, .. } => of_panes(*every_ms.min(slide_ms), *size_ms),
            };
            format!("{windows}, until the watermark reaches the window's end{}", of_values(aggregates))
        }
        NodeKind::SessionAggregate { gap_ms, aggregates, .. } => {
            let gap = duration(*gap_ms);
            format!(
                "a group for each key and open session, until the watermark is {gap} after its last row{}",
                of_values(aggregates)
            )
        }
        NodeKind::AttachedAggregate { window: None, aggregates, .. } => {
            format!("a group for each key, until the input ends{}", of_values(aggregates))
        }
        NodeKind::AttachedAggregate { aggregates, .. } => {
            let values = of_values(aggregates);
            format!("a group for each key and open window, until the watermark reaches the window's end{values}")
        }
        NodeKind::Session { gap_ms, .. } => {
            format!(
                "the rows of open sessions, until the watermark is {} after the session's last row",
                duration(*gap_ms)
            )
        }
        NodeKind::Over { order: OverOrder::Column(_), .. } => "all rows, until the input ends".to_owned(),
        NodeKind::Over { frame, functions, .. } => {
            let held = match frame {
                Frame::RowsUnbounded | Frame::RangeUnbounded => "one result for each key".to_owned(),
                Frame::Rows(rows) => format!("the last {} rows of each key", rows.saturating_add(1)),
                Frame::Range(millis) => format!("the rows of the last {} of each key", duration(*millis)),
            };
            let lag = functions.iter().filter_map(|function| match function.kind {
                OverKind::Lag { offset, .. } => Some(offset),
                _ => None,
            });
            let lag = lag.max().map(|rows| format!(", and what stood {rows} before it for LAG")).unwrap_or_default();
            format!("rows until the watermark reaches them; {held}{lag}")
        }
        NodeKind::Report { .. } => {
            "rows until the watermark reaches them; of each key what was reported last, and for how long its conditions hold".to_owned()
        }
        NodeKind::CountWindow { windowing, .. } | NodeKind::CountAggregate { windowing, .. } => {
            format!("rows until the watermark reaches them; of each key the rows of windows that are not full, {} at most", windowing.size)
        }
        NodeKind::Rank { numbers, window_end, .. } => {
            let rows = match numbers.map_or(1, |(_, last)| last) {
                u64::MAX => "the rows".to_owned(),
                last => format!("at most {last} rows"),
            };
            match window_end {
                Some(_) => {
                    format!("{rows} of each key and open window, until the watermark reaches the window's end")
                }
                None => format!("{rows} of each key, until the input ends"),
            }
        }
        NodeKind::FirstRow { .. } => {
            "the first row of each key until the watermark reaches it, then the key".to_owned()
        }
        NodeKind::Match { recognition, .. } => {
            let within = recognition.within_ms.map(|millis| format!(", for at most {}", duration(millis)));
            let limits = match limited {
                true => format!(
                    "; of each key at most {} partial matches with {} rows, what is given up is counted",
                    thousands(MATCH_RUNS_MAX),
                    thousands(MATCH_ROWS_MAX)
                ),
                false => String::new(),
            };
            format!(
                "rows until the watermark reaches them; rows of partial matches{}{limits}",
                within.unwrap_or_default()
            )
        }
    })
}

/// Whether the keys that the operator knows are known for ever, or for `state_ttl`.
pub fn is_for_ever(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Over { order: OverOrder::Column(_), .. } => false,
        NodeKind::Over { frame, .. } => !matches!(frame, Frame::Range(_)),
        NodeKind::Distinct { .. }
        | NodeKind::FirstRow { .. }
        | NodeKind::Report { .. }
        | NodeKind::CountWindow { .. }
        | NodeKind::CountAggregate { .. } => true,
        _ => false,
    }
}

fn of_join(join: &Join, limited: bool) -> Option<String> {
    Some(match &join.method {
        JoinMethod::Interval { lower_ms, upper_ms, .. } => {
            let until = |side: &str, millis: Millis| match millis {
                0 => format!("{side} rows until the watermark reaches them"),
                1.. => format!("{side} rows until the watermark is {} after them", duration(millis)),
                _ => format!("{side} rows until the watermark is {} before them", duration(-millis)),
            };
            format!(
                "{}, {}; some up to {} longer",
                until("left", *upper_ms),
                until("right", -lower_ms),
                duration((upper_ms - lower_ms) / 2 + 1)
            )
        }
        JoinMethod::Versioned { .. } => {
            let kept = "left rows until the watermark reaches them; of each key the newest version that it has reached, and those after it";
            let limits = format!(
                "; at most {} rows that wait, {} keys, {} versions of each, what is given up is counted",
                thousands(VERSION_JOIN_WAITING_MAX),
                thousands(VERSION_KEYS_MAX),
                thousands(VERSIONS_OF_A_KEY_MAX)
            );
            if limited { kept.to_owned() + &limits } else { kept.to_owned() }
        }
        JoinMethod::Window { ends: None } => "the rows of both sides, until the input ends".to_owned(),
        JoinMethod::Window { .. } => {
            "the rows of both sides, until the watermark reaches their window's end".to_owned()
        }
        JoinMethod::Lookup { .. } => return None,
        JoinMethod::Unbounded => "all rows of both sides, for ever".to_owned(),
    })
}

/// What aggregates keep that is no fixed size.
fn of_values(aggregates: &[Aggregate]) -> String {
    let mut more = Vec::new();
    if aggregates.iter().any(|aggregate| aggregate.distinct) {
        more.push("the different values of DISTINCT");
    }
    if aggregates.iter().any(|aggregate| aggregate.function == AggregateFunction::ListAgg) {
        more.push("the texts of LISTAGG");
    }
    if aggregates.iter().any(|aggregate| aggregate.function == AggregateFunction::ApproxPercentile) {
        more.push("the buckets of APPROX_PERCENTILE");
    }
    if aggregates.iter().any(|aggregate| aggregate.function == AggregateFunction::Percentile) {
        more.push("the different numbers of PERCENTILE");
    }
    if more.is_empty() { String::new() } else { format!("; with {}", more.join(", ")) }
}

fn of_panes(pane_ms: Millis, size_ms: Millis) -> String {
    format!("for each key panes of {}, {} to a window", duration(pane_ms), size_ms / pane_ms.max(1))
}

/// As in the configuration: `5s`, `10m`, `500ms`.
pub fn duration(millis: Millis) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.into_iter().find(|(unit, _)| millis != 0 && millis % unit == 0) {
        Some((unit, word)) => format!("{}{word}", millis / unit),
        None => format!("{millis}ms"),
    }
}

/// `1,000,000`
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
