//! TABLE(TUMBLE(…)) and TABLE(HOP(…)).

use super::expr::{Bound, suggest_column};
use super::{Binder, Relation};
use crate::model::{Column, DataType, Millis};
use crate::plan::{Node, NodeKind, Windowing};
use crate::sql::ast::{self, ExprKind, Interval, WindowFunction, WindowInterval};
use crate::sql::span::Problem;

/// Appended by a window function, in this order.
pub const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

impl Binder<'_> {
    pub(super) fn window(&mut self, call: &ast::WindowCall) -> Bound<Relation> {
        let windowing = self.windowing(call);
        let input = self.table(&call.input)?;
        let time = self.event_time(&call.time, &input);
        Ok(window_relation(input, time?, windowing?))
    }

    /// The column that DESCRIPTOR names, which must be an event time.
    fn event_time(&mut self, name: &ast::Ident, input: &Relation) -> Bound<usize> {
        let columns = &input.schema().columns;
        let Some(index) = columns.iter().position(|column| *column.name == *name.name) else {
            let problem = Problem::new(name.span, format!("there is no column {}", name.name));
            let problem = match suggest_column(&name.name, columns) {
                Some(help) => problem.help(help),
                None => problem,
            };
            return self.fail(problem);
        };
        if input.times.contains(&index) {
            return Ok(index);
        }
        let data_type = columns[index].data_type;
        let problem = Problem::new(
            name.span,
            format!("{} is {data_type} and no event time, so it cannot close a window", name.name),
        );
        let help = match input.times.first() {
            Some(time) => format!("the event time is {}", columns[*time].name),
            None if matches!(input.node.kind, NodeKind::Scan { .. }) => {
                "the source needs an event time: event_time in the configuration, WATERMARK FOR in CREATE TABLE"
                    .to_owned()
            }
            None => {
                "the subquery must pass the event-time column through as it is; an expression over it is a plain time"
                    .to_owned()
            }
        };
        self.fail(problem.help(help))
    }

    fn windowing(&mut self, call: &ast::WindowCall) -> Bound<Windowing> {
        let (names, signature): (&[&str], _) = match call.function {
            WindowFunction::Tumble => (&["SIZE", "OFFSET"], "TUMBLE(TABLE source, DESCRIPTOR(ts), size [, offset])"),
            WindowFunction::Hop => {
                (&["SLIDE", "SIZE", "OFFSET"], "HOP(TABLE source, DESCRIPTOR(ts), slide, size [, offset])")
            }
        };
        let mut values: Vec<Option<Millis>> = vec![None; names.len()];
        if call.intervals.len() > names.len() || call.intervals.len() + 1 < names.len() {
            return self.fail(
                Problem::new(call.span, "the window function has the wrong number of intervals")
                    .help(format!("it is {signature}")),
            );
        }
        for (position, interval) in call.intervals.iter().enumerate() {
            let slot = match &interval.name {
                None => Some(position),
                Some(name) => names.iter().position(|known| *known == name.name),
            };
            match slot.and_then(|slot| values.get_mut(slot)) {
                Some(value) if value.is_none() => *value = Some(self.interval_ms(interval)?),
                _ => {
                    let problem =
                        Problem::new(interval.expr.span, "this interval is given twice or does not belong here");
                    return self.fail(problem.help(format!("it is {signature}")));
                }
            }
        }
        self.checked_windowing(call, &values, signature)
    }

    fn checked_windowing(
        &mut self,
        call: &ast::WindowCall,
        values: &[Option<Millis>],
        signature: &str,
    ) -> Bound<Windowing> {
        let windowing = match (call.function, values) {
            (WindowFunction::Tumble, [Some(size_ms), offset]) => {
                Windowing::Tumble { size_ms: *size_ms, offset_ms: offset.unwrap_or(0) }
            }
            (WindowFunction::Hop, [Some(slide_ms), Some(size_ms), offset]) => {
                Windowing::Hop { slide_ms: *slide_ms, size_ms: *size_ms, offset_ms: offset.unwrap_or(0) }
            }
            _ => {
                return self.fail(Problem::new(call.span, "an interval is missing").help(format!("it is {signature}")));
            }
        };
        let last = call.intervals.last().map_or(call.span, |interval| interval.expr.span);
        let span = call.intervals.first().map_or(call.span, |interval| interval.expr.span.to(last));
        let (slide_ms, size_ms, offset_ms) = match windowing {
            Windowing::Tumble { size_ms, offset_ms } => (size_ms, size_ms, offset_ms),
            Windowing::Hop { slide_ms, size_ms, offset_ms } => (slide_ms, size_ms, offset_ms),
        };
        if slide_ms <= 0 || size_ms <= 0 {
            return self.fail(Problem::new(span, "a window must be longer than nothing"));
        }
        if size_ms % slide_ms != 0 {
            let problem =
                Problem::new(span, format!("the size ({size_ms} ms) is no multiple of the slide ({slide_ms} ms)"));
            return self.fail(problem.help(if slide_ms > size_ms {
                "the slide comes first, then the size"
            } else {
                "choose a slide that divides the size"
            }));
        }
        if offset_ms.abs() >= slide_ms {
            let problem = Problem::new(span, "the offset must be smaller than the window");
            return self.fail(problem);
        }
        Ok(windowing)
    }

    fn interval_ms(&mut self, interval: &WindowInterval) -> Bound<Millis> {
        let (expr, negative) = match &interval.expr.kind {
            ExprKind::Negate(operand) => (&operand.kind, true),
            kind => (kind, false),
        };
        match expr {
            ExprKind::Interval(Interval::Millis(millis)) => Ok(if negative { -millis } else { *millis }),
            ExprKind::Interval(Interval::Months(_)) => {
                let problem =
                    Problem::new(interval.expr.span, "months and years have no fixed length, so they make no window");
                self.fail(problem.help("use days, for example INTERVAL '30' DAY"))
            }
            _ => {
                let problem = Problem::new(interval.expr.span, "a window's length is an interval");
                self.fail(problem.help("for example INTERVAL '5' MINUTES"))
            }
        }
    }
}

fn window_relation(input: Relation, time: usize, windowing: Windowing) -> Relation {
    let start = input.schema().columns.len();
    let mut schema = input.schema().clone();
    // Start and end are plain times in the session's zone; window_time is of the event time's own type.
    let types = [DataType::Timestamp(3), DataType::Timestamp(3), schema.columns[time].data_type];
    for (name, data_type) in WINDOW_COLUMNS.into_iter().zip(types) {
        schema.columns.push(Column { name: name.into(), data_type });
    }
    schema.event_time = Some(start + 2);
    let mut times = input.times;
    times.push(start + 2);
    let kind = NodeKind::Window { input: Box::new(input.node), time, windowing };
    Relation { node: Node { kind, schema }, times, window: Some(start), depth: input.depth + 1 }
}
