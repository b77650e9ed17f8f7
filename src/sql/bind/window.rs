//! TABLE(TUMBLE(…)), HOP, CUMULATE and SESSION; by count TUMBLE_ROWS and HOP_ROWS.

use super::expr::{Bound, suggest_column};
use super::{Binder, Relation};
use crate::model::{Column, DataType, Millis};
use crate::plan::{CountWindowing, Node, NodeKind, Windowing};
use crate::sql::ast::{self, ExprKind, Interval, WindowFunction, WindowInterval, WindowShape};
use crate::sql::span::{Problem, Span};

/// Appended by a window function, in this order.
pub const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// A window's rows are held until it is full.
const WINDOW_ROWS_MAX: usize = 1_000_000;

impl Binder<'_> {
    pub(super) fn window(&mut self, call: &ast::WindowCall) -> Bound<Relation> {
        let windows = self.windows(&call.shape).and_then(|windows| self.of_whole_slides(windows, &call.shape));
        let input = self.stream(&call.input)?;
        let time = self.event_time(&call.time, &input);
        let partition: Vec<Bound<usize>> =
            call.partition_by.iter().map(|column| self.partition_column(column, &input)).collect();
        let partition: Bound<Vec<usize>> = partition.into_iter().collect();
        Ok(window_relation(input, time?, windows?, partition?))
    }

    fn partition_column(&mut self, name: &ast::Ident, input: &Relation) -> Bound<usize> {
        let columns = &input.schema().columns;
        match columns.iter().position(|column| *column.name == *name.name) {
            Some(index) => Ok(index),
            None => {
                let problem = Problem::new(name.span, format!("there is no column {}", name.name));
                self.fail(match suggest_column(&name.name, columns) {
                    Some(help) => problem.help(help),
                    None => problem,
                })
            }
        }
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
        self.closing_time(index, name.span, input)
    }

    /// The column, if it is an event time.
    pub(super) fn closing_time(&mut self, index: usize, span: Span, input: &Relation) -> Bound<usize> {
        if input.times.contains(&index) {
            return Ok(index);
        }
        let columns = &input.schema().columns;
        let Column { name, data_type } = &columns[index];
        let problem =
            Problem::new(span, format!("{name} is {data_type} and no event time, so it cannot close a window"));
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

    pub(super) fn windows(&mut self, shape: &WindowShape) -> Bound<Windows> {
        if let WindowFunction::TumbleRows | WindowFunction::HopRows = shape.function {
            return self.windows_by_count(shape);
        }
        let (names, signature): (&[&str], _) = match shape.function {
            WindowFunction::Tumble => (&["SIZE", "OFFSET"], "TUMBLE(TABLE source, DESCRIPTOR(ts), size [, offset])"),
            WindowFunction::Hop => {
                (&["SLIDE", "SIZE", "OFFSET"], "HOP(TABLE source, DESCRIPTOR(ts), slide, size [, offset])")
            }
            WindowFunction::Cumulate => {
                (&["STEP", "SIZE", "OFFSET"], "CUMULATE(TABLE source, DESCRIPTOR(ts), step, size [, offset])")
            }
            WindowFunction::Session | WindowFunction::TumbleRows | WindowFunction::HopRows => {
                (&["GAP"], "SESSION(TABLE source [PARTITION BY column, …], DESCRIPTOR(ts), gap)")
            }
        };
        let mut values: Vec<Option<Millis>> = vec![None; names.len()];
        let needed = names.iter().filter(|name| **name != "OFFSET").count();
        if shape.intervals.len() > names.len() || shape.intervals.len() < needed {
            return self.fail(
                Problem::new(shape.span, "the window function has the wrong number of intervals")
                    .help(format!("it is {signature}")),
            );
        }
        for (position, interval) in shape.intervals.iter().enumerate() {
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
        self.checked_windows(shape, &values, signature)
    }

    fn checked_windows(&mut self, shape: &WindowShape, values: &[Option<Millis>], signature: &str) -> Bound<Windows> {
        let last = shape.intervals.last().map_or(shape.span, |interval| interval.expr.span);
        let span = shape.intervals.first().map_or(shape.span, |interval| interval.expr.span.to(last));
        let windowing = match (shape.function, values) {
            (WindowFunction::Session, [Some(gap_ms)]) if *gap_ms > 0 => return Ok(Windows::Session(*gap_ms)),
            (WindowFunction::Session, [Some(_)]) => {
                return self.fail(Problem::new(span, "the gap of a session must be longer than nothing"));
            }
            (WindowFunction::Cumulate, [Some(step_ms), Some(size_ms), offset]) => {
                Windowing::Cumulate { step_ms: *step_ms, size_ms: *size_ms, offset_ms: offset.unwrap_or(0) }
            }
            (WindowFunction::Tumble, [Some(size_ms), offset]) => {
                Windowing::Tumble { size_ms: *size_ms, offset_ms: offset.unwrap_or(0) }
            }
            (WindowFunction::Hop, [Some(slide_ms), Some(size_ms), offset]) => {
                Windowing::Hop { slide_ms: *slide_ms, size_ms: *size_ms, offset_ms: offset.unwrap_or(0) }
            }
            _ => {
                return self
                    .fail(Problem::new(shape.span, "an interval is missing").help(format!("it is {signature}")));
            }
        };
        let (slide_ms, size_ms, offset_ms) = lengths(windowing);
        let limit_ms = match shape.function {
            WindowFunction::Cumulate => size_ms,
            _ => slide_ms,
        };
        if slide_ms <= 0 || size_ms <= 0 {
            return self.fail(Problem::new(span, "a window must be longer than nothing"));
        }
        if offset_ms.abs() >= limit_ms {
            let problem = Problem::new(span, "the offset must be smaller than the window");
            return self.fail(problem);
        }
        Ok(Windows::Panes(windowing))
    }

    /// What a window function takes; GROUP BY takes others, too.
    fn of_whole_slides(&mut self, windows: Windows, shape: &WindowShape) -> Bound<Windows> {
        let Windows::Panes(windowing) = windows else { return Ok(windows) };
        let (slide_ms, size_ms, _) = lengths(windowing);
        if size_ms % slide_ms == 0 {
            return Ok(windows);
        }
        let slide = if shape.function == WindowFunction::Cumulate { "step" } else { "slide" };
        let last = shape.intervals.last().map_or(shape.span, |interval| interval.expr.span);
        let span = shape.intervals.first().map_or(shape.span, |interval| interval.expr.span.to(last));
        let problem =
            Problem::new(span, format!("the size ({size_ms} ms) is no multiple of the {slide} ({slide_ms} ms)"));
        self.fail(problem.help(match slide_ms > size_ms {
            true => format!("the {slide} comes first, then the size"),
            false => format!("choose a {slide} that divides the size"),
        }))
    }

    /// TUMBLE_ROWS(…, size) and HOP_ROWS(…, slide, size)
    fn windows_by_count(&mut self, shape: &WindowShape) -> Bound<Windows> {
        let (names, signature): (&[&str], _) = match shape.function {
            WindowFunction::HopRows => {
                (&["SLIDE", "SIZE"], "HOP_ROWS(TABLE source [PARTITION BY column, …], DESCRIPTOR(ts), slide, size)")
            }
            _ => (&["SIZE"], "TUMBLE_ROWS(TABLE source [PARTITION BY column, …], DESCRIPTOR(ts), size)"),
        };
        let mut values = vec![None; names.len()];
        for (position, given) in shape.intervals.iter().enumerate() {
            let slot = match &given.name {
                None => Some(position),
                Some(name) => names.iter().position(|known| *known == name.name),
            };
            let count = match &given.expr.kind {
                ExprKind::Number(digits) => digits.parse().ok().filter(|count| (1..=WINDOW_ROWS_MAX).contains(count)),
                _ => None,
            };
            if count.is_none() {
                let message = format!("this must be a number of rows, from 1 to {WINDOW_ROWS_MAX}");
                return self.fail(Problem::new(given.expr.span, message).help(format!("it is {signature}")));
            }
            match slot.and_then(|slot| values.get_mut(slot)) {
                Some(value) if value.is_none() => *value = count,
                _ => {
                    let problem = Problem::new(given.expr.span, "this number is given twice or does not belong here");
                    return self.fail(problem.help(format!("it is {signature}")));
                }
            }
        }
        match values.as_slice() {
            [Some(size)] => Ok(Windows::Rows { slide: *size, size: *size }),
            [Some(slide), Some(size)] if slide <= size => Ok(Windows::Rows { slide: *slide, size: *size }),
            [Some(_), Some(_)] => {
                let problem =
                    Problem::new(shape.span, "the slide is larger than the size, so rows would be in no window");
                self.fail(problem.help(format!("it is {signature}")))
            }
            _ => self.fail(Problem::new(shape.span, "a number of rows is missing").help(format!("it is {signature}"))),
        }
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

/// Slide (or step), size and offset.
fn lengths(windowing: Windowing) -> (Millis, Millis, Millis) {
    match windowing {
        Windowing::Tumble { size_ms, offset_ms } => (size_ms, size_ms, offset_ms),
        Windowing::Hop { slide_ms, size_ms, offset_ms } | Windowing::Early { slide_ms, size_ms, offset_ms, .. } => {
            (slide_ms, size_ms, offset_ms)
        }
        Windowing::Cumulate { step_ms, size_ms, offset_ms } => (step_ms, size_ms, offset_ms),
    }
}

/// What a window function makes of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    Panes(Windowing),
    /// Of this gap.
    Session(Millis),
    Rows {
        slide: usize,
        size: usize,
    },
}

pub fn window_relation(input: Relation, time: usize, windows: Windows, partition: Vec<usize>) -> Relation {
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
    let node = Box::new(input.node);
    let kind = match windows {
        Windows::Panes(windowing) => NodeKind::Window { input: node, time, windowing },
        Windows::Session(gap_ms) => NodeKind::Session { input: node, time, partition, gap_ms },
        Windows::Rows { slide, size } => {
            NodeKind::CountWindow { input: node, windowing: CountWindowing { time, partition, slide, size } }
        }
    };
    let depth = input.depth + 1;
    Relation { times, depth, ..Relation::of_node(Node { kind, schema }) }
}
