//! The store against disks that fail: power cuts, full disks, damaged files; and against a naive model of itself.
//!
//! `TIDEGATE_LONG=1` runs ten times the seeds. A failure prints its seed; `TIDEGATE_SEED=n` runs that one alone.

#![allow(clippy::disallowed_methods)] // Tests wait with a deadline.

mod damage;
mod disk;
mod flash;
mod full;
mod model;
mod power_cut;

/// The seeds of a run: `short` of them, or ten times as many, or the one asked for.
fn seeds(short: u64) -> std::ops::Range<u64> {
    if let Some(seed) = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return seed..seed + 1;
    }
    0..if std::env::var("TIDEGATE_LONG").is_ok_and(|long| !long.is_empty()) { short * 10 } else { short }
}
