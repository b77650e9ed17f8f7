//! The power fails at a random moment, again and again: what was acknowledged is there, in order, once, whole.

use tidegate::store::{Faults, Opened, Store, StoreError};

use crate::disk::{Disk, Random};
use crate::model::{Model, settings};
use crate::seeds;

/// Power cuts in a row on one database.
const CUTS: usize = 4;

const COMMITS_MAX: usize = 60;

#[derive(Default)]
struct Seen {
    commits: u64,
    cuts_while_opening: u64,
    cuts_while_committing: u64,
    /// While the WAL was folded into the database, after a commit that was whole.
    cuts_while_checkpointing: u64,
    /// The commit under way when the power failed was on the disk all the same.
    kept: u64,
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_fails() {
    let disk = Disk::register("power-cut");
    let mut seen = Seen::default();
    for seed in seeds(200) {
        if let Err(error) = run(&disk, seed, false, &mut seen) {
            panic!("TIDEGATE_SEED={seed}: {error}");
        }
    }
    let Seen { commits, cuts_while_opening, cuts_while_committing, cuts_while_checkpointing, kept } = seen;
    println!(
        "{commits} commits; power failed in {cuts_while_opening} openings, {cuts_while_committing} commits, {kept} of \
         them kept, and {cuts_while_checkpointing} checkpoints"
    );
    if seeds(200).count() >= 200 {
        assert!(cuts_while_opening > 20, "the cuts must fall everywhere");
        assert!(cuts_while_committing > 200 && cuts_while_checkpointing > 100, "the cuts must fall everywhere");
        assert!(kept > 0 && kept < cuts_while_committing, "a commit may be whole or not there");
    }
}

/// The model can fail: a store that does not sync loses what it acknowledged, and this test sees it.
#[test]
fn a_store_that_does_not_sync_is_found_out() {
    let disk = Disk::register("power-cut-unsynced");
    let found = (0..20).filter(|seed| run(&disk, *seed, true, &mut Seen::default()).is_err()).count();
    assert!(found >= 10, "only {found} of 20 runs without fsync were found out");
}

fn run(disk: &Disk, seed: u64, synchronous_off: bool, seen: &mut Seen) -> Result<(), String> {
    let mut random = Random(seed);
    let mut directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    // What may be on the disk: the state last acknowledged, then the one under way when the power failed.
    let mut states = vec![Model::default()];
    for cut in 0..=CUTS {
        // The last time the power stays on.
        let within = if random.below(4) == 0 { 20 } else { 150 };
        disk.power_on(random.next(), (cut < CUTS).then(|| random.below(within)));
        // Small in every second life, so that checkpoints and the reuse of the WAL are cut too.
        let wal_max_bytes = Some(if random.below(2) == 0 { 40_000 } else { 1_000_000 });
        let faults = Faults { vfs: Some(disk.name.clone()), synchronous_off, wal_max_bytes, ..Faults::default() };
        match Store::open(settings(directory.path(), faults)) {
            Ok((store, opened)) => {
                states = found(disk, &store, &opened, states, seen).map_err(|e| format!("after {cut} cuts: {e}"))?;
                work(disk, store, &mut states, &mut random, seen)?;
            }
            Err(error) => {
                check_error(disk, &error)?;
                seen.cuts_while_opening += 1;
            }
        }
        let next = tempfile::tempdir().map_err(|error| error.to_string())?;
        disk.power_off(next.path());
        directory = next;
    }
    Ok(())
}

/// The one of `states` that the store has; all of them if the power fails while we look.
fn found(
    disk: &Disk,
    store: &Store,
    opened: &Opened,
    states: Vec<Model>,
    seen: &mut Seen,
) -> Result<Vec<Model>, String> {
    let checked: Vec<Result<(), String>> = states.iter().map(|state| state.check(store, opened)).collect();
    if disk.world().is_dead() {
        return Ok(states);
    }
    if !opened.findings.is_empty() {
        return Err(format!("{:?}", opened.findings));
    }
    let Some(which) = checked.iter().position(Result::is_ok) else {
        return Err(checked.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; or "));
    };
    seen.kept += u64::from(which > 0);
    Ok(vec![states[which].clone()])
}

/// Commits until the power fails, or long enough.
fn work(
    disk: &Disk,
    mut store: Store,
    states: &mut Vec<Model>,
    random: &mut Random,
    seen: &mut Seen,
) -> Result<(), String> {
    for _ in 0..COMMITS_MAX {
        if states.len() > 1 || disk.world().is_dead() {
            return Ok(());
        }
        let (commit, after) = states[0].step(random);
        match store.commit(&commit) {
            Ok(_) => {
                *states = vec![after];
                seen.commits += 1;
                seen.cuts_while_checkpointing += u64::from(disk.world().is_dead());
            }
            Err(error) => {
                check_error(disk, &error)?;
                seen.cuts_while_committing += 1;
                states.push(after);
            }
        }
    }
    Ok(())
}

/// Only the power cut may make the store fail.
fn check_error(disk: &Disk, error: &StoreError) -> Result<(), String> {
    if disk.world().is_dead() { Ok(()) } else { Err(format!("without a power cut: {error}")) }
}
