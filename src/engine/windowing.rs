//! The arithmetic of TUMBLE, HOP and CUMULATE: event time to panes, panes to windows.
//!
//! A *pane* is a stretch of one slide; pane `i` begins at `i * pane + offset`. A window is `count` panes in a row and
//! is named by its last one. TUMBLE is HOP with windows of one pane; CUMULATE's windows grow from a fixed start, a pane
//! (a step) at a time. With early results several windows tell with one pane what they hold. Everything floors, before
//! 1970 too.

use crate::model::{Millis, Value};
use crate::plan::Windowing;

/// Times further than this from 1970 are refused in saved state, so that no sum overflows. A timestamp, which counts
/// microseconds, gets half as far (about 290,000 years).
pub const TIME_MAX_MS: Millis = 1 << 54;

#[derive(Clone, Copy, Debug)]
pub struct Panes {
    pane_ms: Millis,
    offset_ms: Millis,
    /// Panes a window has, at most.
    count: i64,
    /// Panes from the start of a window to that of the next.
    apart: i64,
    /// Panes from one result of a window to the next; this or `apart` is 1, but for a HOP whose size is no multiple of its
    /// slide.
    every: i64,
    /// Panes of a step: a result in the midst of one is an early one.
    step: i64,
    /// Whether results say that they are early.
    pub marks_early: bool,
}

impl Panes {
    pub fn new(windowing: Windowing) -> Panes {
        let marks_early = matches!(windowing, Windowing::Early { .. });
        let (apart_ms, every_ms, step_ms, size_ms, offset_ms) = match windowing {
            Windowing::Tumble { size_ms, offset_ms } => (size_ms, size_ms, size_ms, size_ms, offset_ms),
            Windowing::Hop { slide_ms, size_ms, offset_ms } => (slide_ms, size_ms, size_ms, size_ms, offset_ms),
            Windowing::Cumulate { step_ms, size_ms, offset_ms } => (size_ms, step_ms, step_ms, size_ms, offset_ms),
            Windowing::Early { every_ms, slide_ms, step_ms, size_ms, offset_ms } => {
                (slide_ms, every_ms, step_ms, size_ms, offset_ms)
            }
        };
        // The binder refuses sizes below 1 ms; one here must not divide by zero all the same.
        let pane_ms = greatest_common_divisor(apart_ms, every_ms).max(1);
        let panes = |millis: Millis| (millis / pane_ms).max(1);
        Panes {
            pane_ms,
            offset_ms: offset_ms.rem_euclid(apart_ms.max(1)),
            count: panes(size_ms),
            apart: panes(apart_ms),
            every: panes(every_ms),
            step: panes(step_ms),
            marks_early,
        }
    }

    pub fn pane(&self, time: Millis) -> i64 {
        (time - self.offset_ms).div_euclid(self.pane_ms)
    }

    /// Where the pane ends.
    pub fn end(&self, pane: i64) -> Millis {
        (pane + 1) * self.pane_ms + self.offset_ms
    }

    /// The first pane of the earliest window that has results with this pane or later.
    pub fn first_pane(&self, last_pane: i64) -> i64 {
        match self.apart {
            1 => last_pane + 1 - self.count,
            apart => -(self.count - 1 - last_pane).div_euclid(apart) * apart,
        }
    }

    /// The last pane with which a window that holds this one has a result; the first such is the pane itself.
    pub fn last_window(&self, pane: i64) -> i64 {
        match self.apart {
            1 => pane.saturating_add(self.count - 1),
            apart => pane.div_euclid(apart) * apart + self.count - 1,
        }
    }

    /// The last panes of the windows that hold this one, the earliest first; of CUMULATE all its steps.
    pub fn holding(self, pane: i64) -> impl Iterator<Item = i64> {
        let (earliest, spacing) = match self.apart > 1 && self.every > 1 {
            true => (self.first_pane(pane) + self.count - 1, self.apart),
            false => (pane, 1),
        };
        (earliest..=self.last_window(pane)).step_by(usize::try_from(spacing).unwrap_or(1))
    }

    /// The first panes of the windows that have a result when the pane is over, the earliest first.
    pub fn results(self, pane: i64) -> impl Iterator<Item = i64> {
        let (latest, spacing) = match self.every >= self.apart {
            true => (pane + 1 - self.every, self.every),
            false => (pane.div_euclid(self.apart) * self.apart, self.apart),
        };
        (0..=(latest + self.count - 1 - pane) / spacing).rev().map(move |before| latest - before * spacing)
    }

    /// The last pane of the earliest window that the watermark has not reached (`end - 1 ms > watermark`).
    pub fn first_open(&self, watermark: Millis) -> i64 {
        self.pane(watermark.saturating_add(1).min(TIME_MAX_MS * 4))
    }

    /// Whether saved state may speak of this pane.
    pub fn in_range(&self, pane: i64) -> bool {
        pane.checked_mul(self.pane_ms).is_some_and(|start| start.abs() <= TIME_MAX_MS)
    }

    /// The columns window_start, window_end, window_time of the window that ends with the pane.
    pub fn columns(&self, last_pane: i64) -> [Value; 3] {
        self.columns_of(self.first_pane(last_pane), last_pane)
    }

    /// The same of the window that begins with `first_pane` and has a result after `last_pane`: of the step that holds it.
    pub fn columns_of(&self, first_pane: i64, last_pane: i64) -> [Value; 3] {
        let steps = (last_pane - first_pane).div_euclid(self.step) + 1;
        let end = self.end(first_pane + steps * self.step - 1);
        [timestamp(self.end(first_pane - 1)), timestamp(end), timestamp(end - 1)]
    }

    /// Whether a window that begins with `first_pane` is in the midst of a step after `last_pane`.
    pub fn is_early(&self, first_pane: i64, last_pane: i64) -> bool {
        (last_pane + 1 - first_pane) % self.step != 0
    }
}

fn greatest_common_divisor(a: Millis, b: Millis) -> Millis {
    if b <= 0 { a } else { greatest_common_divisor(b, a % b) }
}

pub fn timestamp(millis: Millis) -> Value {
    Value::Timestamp(millis.saturating_mul(1_000))
}

/// The event time of a row; `None` if it has none.
pub fn event_time(row: &[Value], column: usize) -> Option<Millis> {
    match row.get(column) {
        Some(Value::Timestamp(micros)) => Some(micros.div_euclid(1_000)),
        _ => None,
    }
}

/// When the window of the row ends. Without the column that says so all rows are in one, which ends with the input.
pub fn window_end(row: &[Value], column: Option<usize>) -> Option<Millis> {
    column.map_or(Some(Millis::MAX), |column| event_time(row, column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where the window that ends with the pane starts.
    fn start(panes: &Panes, last_pane: i64) -> Millis {
        panes.end(panes.first_pane(last_pane) - 1)
    }

    #[test]
    fn before_1970_too() {
        let panes = Panes::new(Windowing::Tumble { size_ms: 10, offset_ms: 3 });
        assert_eq!((start(&panes, panes.pane(2)), panes.end(panes.pane(2))), (-7, 3));
        assert_eq!((start(&panes, panes.pane(-8)), panes.end(panes.pane(-8))), (-17, -7));
    }

    proptest! {
        #[test]
        fn a_row_is_in_all_windows_of_its_pane(time in -10_000i64..10_000, slide in 1i64..50, count in 1i64..8, offset in -60i64..60) {
            let panes = Panes::new(Windowing::Hop { slide_ms: slide, size_ms: slide * count, offset_ms: offset });
            let pane = panes.pane(time);
            for last in pane - 10..pane + 10 {
                let holds = start(&panes, last) <= time && time < panes.end(last);
                prop_assert_eq!(holds, (pane..pane + count).contains(&last));
                prop_assert_eq!((start(&panes, last) - offset).rem_euclid(slide), 0);
            }
        }

        /// Of any slide and size.
        #[test]
        fn a_row_is_in_all_windows_around_it(time in -10_000i64..10_000, slide in 1i64..50, size in 1i64..120, offset in -60i64..60) {
            let panes = Panes::new(Windowing::Hop { slide_ms: slide, size_ms: size, offset_ms: offset });
            let windows: Vec<[Value; 3]> = panes.holding(panes.pane(time)).map(|last| panes.columns(last)).collect();
            let starts = (time - size + 1..=time).filter(|start| (start - offset).rem_euclid(slide) == 0);
            let expected = starts.map(|start| [start, start + size, start + size - 1].map(timestamp));
            prop_assert_eq!(windows, expected.collect::<Vec<_>>());
        }

        #[test]
        fn steps_grow_from_a_fixed_start(time in -10_000i64..10_000, step in 1i64..50, count in 1i64..8, offset in -60i64..60) {
            let size = step * count;
            let panes = Panes::new(Windowing::Cumulate { step_ms: step, size_ms: size, offset_ms: offset });
            let pane = panes.pane(time);
            prop_assert_eq!((start(&panes, pane) - offset).rem_euclid(size), 0);
            prop_assert!(start(&panes, pane) <= time && time < start(&panes, pane) + size);
            for window in pane..=panes.last_window(pane) {
                prop_assert_eq!(start(&panes, window), start(&panes, pane));
                prop_assert!(time < panes.end(window));
            }
            prop_assert_eq!(panes.end(panes.last_window(pane)), start(&panes, pane) + size);
        }

        /// Of windows with early results: which tell with a pane, and up to where.
        #[test]
        fn early_results_are_those_of_the_definition(
            (every, slide) in (1i64..20, 1i64..5).prop_flat_map(|(unit, times)| prop::sample::select(vec![(unit, unit * times), (unit * times, unit)])),
            slides in 1i64..4, offset in -60i64..60, pane in -100i64..100,
        ) {
            let size = slide.max(every) * slides * every.max(slide) / every.min(slide);
            let early = Windowing::Early { every_ms: every, slide_ms: slide, step_ms: size, size_ms: size, offset_ms: offset };
            let panes = Panes::new(early);
            let now = panes.end(pane);
            let starts: Vec<Millis> = (now - size..now)
                .filter(|start| (start - offset).rem_euclid(slide) == 0 && (now - start) % every == 0)
                .collect();
            let told: Vec<i64> = panes.results(pane).collect();
            prop_assert_eq!(told.iter().map(|first| panes.end(first - 1)).collect::<Vec<_>>(), starts);
            for first in told {
                prop_assert!(first >= panes.first_pane(pane) && panes.last_window(first) >= pane);
                let start = panes.end(first - 1);
                prop_assert_eq!(panes.columns_of(first, pane), [timestamp(start), timestamp(start + size), timestamp(start + size - 1)]);
                prop_assert_eq!(panes.is_early(first, pane), now < start + size);
            }
        }

        #[test]
        fn first_open_is_the_first_that_the_watermark_has_not_reached(watermark in -1_000i64..1_000, slide in 1i64..50, offset in -60i64..60) {
            let panes = Panes::new(Windowing::Hop { slide_ms: slide, size_ms: slide * 3, offset_ms: offset });
            let first = panes.first_open(watermark);
            prop_assert!(panes.end(first) - 1 > watermark);
            prop_assert!(panes.end(first - 1) - 1 <= watermark);
        }
    }
}
