//! The arithmetic of TUMBLE, HOP and CUMULATE: event time to panes, panes to windows.
//!
//! A *pane* is a stretch of one slide; pane `i` begins at `i * slide + offset`. A window is `panes` panes in a row and
//! is named by its last one. TUMBLE is HOP with windows of one pane; CUMULATE's windows grow from a fixed start, a pane
//! (a step) at a time. Everything floors, before 1970 too.

use crate::model::{Millis, Value};
use crate::plan::Windowing;

/// Panes further than this from 1970 are refused in saved state, so that no sum overflows (about 290,000 years).
pub const TIME_MAX_MS: Millis = 1 << 53;

#[derive(Clone, Copy, Debug)]
pub struct Panes {
    slide_ms: Millis,
    offset_ms: Millis,
    /// Panes a window has, at most.
    count: i64,
    cumulate: bool,
}

impl Panes {
    pub fn new(windowing: Windowing) -> Panes {
        let (slide_ms, size_ms, offset_ms) = match windowing {
            Windowing::Tumble { size_ms, offset_ms } => (size_ms, size_ms, offset_ms),
            Windowing::Hop { slide_ms, size_ms, offset_ms } => (slide_ms, size_ms, offset_ms),
            Windowing::Cumulate { step_ms, size_ms, offset_ms } => (step_ms, size_ms, offset_ms),
        };
        let cumulate = matches!(windowing, Windowing::Cumulate { .. });
        // The binder refuses sizes below 1 ms; one here must not divide by zero all the same.
        let slide_ms = slide_ms.max(1);
        let count = (size_ms / slide_ms).max(1);
        // A window of CUMULATE starts at a multiple of its size, the others at any slide.
        let aligned_ms = if cumulate { size_ms.max(1) } else { slide_ms };
        Panes { slide_ms, offset_ms: offset_ms.rem_euclid(aligned_ms), count, cumulate }
    }

    pub fn pane(&self, time: Millis) -> i64 {
        (time - self.offset_ms).div_euclid(self.slide_ms)
    }

    /// Where the window whose last pane this is ends.
    pub fn end(&self, last_pane: i64) -> Millis {
        (last_pane + 1) * self.slide_ms + self.offset_ms
    }

    pub fn start(&self, last_pane: i64) -> Millis {
        self.first_pane(last_pane) * self.slide_ms + self.offset_ms
    }

    /// The first pane of the window whose last one this is.
    pub fn first_pane(&self, last_pane: i64) -> i64 {
        match self.cumulate {
            true => last_pane.div_euclid(self.count) * self.count,
            false => last_pane + 1 - self.count,
        }
    }

    /// The last window that holds the pane; the first one ends with it.
    pub fn last_window(&self, pane: i64) -> i64 {
        match self.cumulate {
            true => (pane.div_euclid(self.count) + 1) * self.count - 1,
            false => pane.saturating_add(self.count - 1),
        }
    }

    /// The last pane of the earliest window that the watermark has not reached (`end - 1 ms > watermark`).
    pub fn first_open(&self, watermark: Millis) -> i64 {
        self.pane(watermark.saturating_add(1).min(TIME_MAX_MS * 4))
    }

    /// Whether saved state may speak of this pane.
    pub fn in_range(&self, pane: i64) -> bool {
        pane.checked_mul(self.slide_ms).is_some_and(|start| start.abs() <= TIME_MAX_MS)
    }

    /// The columns window_start, window_end, window_time.
    pub fn columns(&self, last_pane: i64) -> [Value; 3] {
        let end = self.end(last_pane);
        [timestamp(self.start(last_pane)), timestamp(end), timestamp(end - 1)]
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn before_1970_too() {
        let panes = Panes::new(Windowing::Tumble { size_ms: 10, offset_ms: 3 });
        assert_eq!((panes.start(panes.pane(2)), panes.end(panes.pane(2))), (-7, 3));
        assert_eq!((panes.start(panes.pane(-8)), panes.end(panes.pane(-8))), (-17, -7));
    }

    proptest! {
        #[test]
        fn a_row_is_in_all_windows_of_its_pane(time in -10_000i64..10_000, slide in 1i64..50, count in 1i64..8, offset in -60i64..60) {
            let panes = Panes::new(Windowing::Hop { slide_ms: slide, size_ms: slide * count, offset_ms: offset });
            let pane = panes.pane(time);
            for last in pane - 10..pane + 10 {
                let holds = panes.start(last) <= time && time < panes.end(last);
                prop_assert_eq!(holds, (pane..pane + count).contains(&last));
                prop_assert_eq!((panes.start(last) - offset).rem_euclid(slide), 0);
            }
        }

        #[test]
        fn steps_grow_from_a_fixed_start(time in -10_000i64..10_000, step in 1i64..50, count in 1i64..8, offset in -60i64..60) {
            let size = step * count;
            let panes = Panes::new(Windowing::Cumulate { step_ms: step, size_ms: size, offset_ms: offset });
            let pane = panes.pane(time);
            prop_assert_eq!((panes.start(pane) - offset).rem_euclid(size), 0);
            prop_assert!(panes.start(pane) <= time && time < panes.start(pane) + size);
            for window in pane..=panes.last_window(pane) {
                prop_assert_eq!(panes.start(window), panes.start(pane));
                prop_assert!(time < panes.end(window));
            }
            prop_assert_eq!(panes.end(panes.last_window(pane)), panes.start(pane) + size);
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
