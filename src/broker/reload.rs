//! Looks every few seconds whether a certificate, a key, a CA, the password file or the token's key has changed, and
//! reads again what has. A file that is wrong then is reported once, and what was read before goes on. Ends connections
//! whose tokens have expired, too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::accept::Door;
use super::{Shared, tls};

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What tells one version of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64, u64)>);

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let stamp = |file: &PathBuf| {
        // Follows links: certbot and Kubernetes swap those.
        let found = std::fs::metadata(file).ok();
        Stamp(found.and_then(|found| Some((found.modified().ok()?, found.len(), found.ino()))))
    };
    files.iter().map(stamp).collect()
}

pub(super) async fn watch(shared: Arc<Shared>, doors: Vec<Arc<Door>>) {
    let mut stop = shared.stop.clone();
    let mut seen = Seen::now(&shared, &doors);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        shared.end_expired();
        let (shared, doors) = (Arc::clone(&shared), doors.clone());
        // Files may lie on a slow disk.
        let looked = tokio::task::spawn_blocking(move || {
            seen.look(&shared, &doors);
            seen
        });
        match looked.await {
            Ok(looked) => seen = looked,
            Err(_) => return,
        }
    }
}

struct Seen {
    access: Vec<Stamp>,
    doors: Vec<Vec<Stamp>>,
}

fn of_door(door: &Door) -> Vec<Stamp> {
    door.tls.as_ref().map_or_else(Vec::new, |tls| stamps(&tls::files(tls.settings())))
}

impl Seen {
    fn now(shared: &Shared, doors: &[Arc<Door>]) -> Seen {
        Seen { access: stamps(&shared.access.files()), doors: doors.iter().map(|door| of_door(door)).collect() }
    }

    fn look(&mut self, shared: &Shared, doors: &[Arc<Door>]) {
        let now = Seen::now(shared, doors);
        if now.access != self.access {
            match shared.reload_access(None) {
                Ok(()) => log::info!("users and keys were read again"),
                Err(error) => log::warn!("{error}; users and keys stay as they were"),
            }
        }
        for (door, (now, before)) in doors.iter().zip(now.doors.iter().zip(&self.doors)) {
            if let Some(tls) = door.tls.as_ref().filter(|_| now != before) {
                match tls.reload() {
                    Ok(()) => log::info!("the certificates of {} were read again", door.address),
                    Err(error) => log::warn!("{error}; {} goes on with what it had", door.address),
                }
            }
        }
        *self = now;
    }
}
