//! The thread that commits. Maintenance (cursor moves, dead letters) goes before ticks, so that a full sink that blocks
//! intake can still drain; at most one tick waits while another is being committed. Ticks are packed by the thread that
//! hands them over, so that the disk does not wait for it.

#![allow(clippy::disallowed_methods)] // Commits are spaced and timed by the clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::counters::Counters;
use super::records::Packer;
use super::{Commit, Committed, LogId, Store, StoreError, Usage, reader};

/// A full disk is tried again this often.
const FULL_RETRY: Duration = Duration::from_millis(500);

/// Maintenance commits that may wait; each of a sink's tasks has one or two under way.
const MAINTENANCE_MAX: usize = 256;

type Done = Box<dyn FnOnce(&Committed) + Send>;
type Answer = oneshot::Sender<Result<Committed, String>>;

/// A tick's transaction, with its records as they are stored.
struct Tick {
    commit: Commit,
    packed: Vec<Vec<u8>>,
    done: Done,
}

/// A handle on the writer's thread; all clones are one.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Rung with each change of the queue.
    bell: Condvar,
    ends: Vec<watch::Sender<u64>>,
    store: Arc<reader::Shared>,
    view: Mutex<View>,
    protected: Arc<Vec<AtomicU64>>,
    packer: Mutex<Packer>,
}

#[derive(Default)]
struct Queue {
    maintenance: VecDeque<(Commit, Answer)>,
    tick: Option<Tick>,
    stopping: bool,
    stopped: bool,
}

/// What others see of the store; renewed after each commit.
#[derive(Default)]
struct View {
    usage: Usage,
    counters: Counters,
    full: Vec<bool>,
    disk_full: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    /// Takes the store to a thread of its own.
    pub fn spawn(store: Store) -> Writer {
        let committed = store.usage();
        let ends = store.log_ends().into_iter().map(|end| watch::channel(end).0).collect();
        let view =
            View { usage: committed, counters: store.counters().clone(), full: store.full_logs(), disk_full: false };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            bell: Condvar::new(),
            ends,
            store: store.shared(),
            view: Mutex::new(view),
            protected: store.protected(),
            packer: Mutex::new(Packer::new()),
        });
        let thread = Arc::clone(&shared);
        let body = move || {
            let ended = Thread { store, shared: Arc::clone(&thread), last_tick: None }.run();
            let mut queue = locked(&thread.queue);
            queue.stopped = true;
            queue.maintenance.clear();
            queue.tick = None;
            drop(queue);
            thread.bell.notify_all();
            if let Err(error) = ended {
                thread.store.fail(&error);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("writer".into()).spawn(body) {
            shared.store.failed.send_replace(Some(format!("no thread for the store: {error}")));
            locked(&shared.queue).stopped = true;
        }
        Writer { shared }
    }

    /// Waits while a tick waits that has not begun: what comes meanwhile belongs into the next one.
    pub fn wait_for_place(&self) {
        drop(self.place());
    }

    fn place(&self) -> MutexGuard<'_, Queue> {
        let mut queue = locked(&self.shared.queue);
        while queue.tick.is_some() && !queue.stopped {
            queue = self.shared.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue
    }

    /// Hands over a tick's transaction; waits while the one before has not begun. `done` runs on the writer's thread
    /// right after the fsync.
    pub fn tick(&self, commit: Commit, done: Done) -> Result<(), StoreError> {
        let packed = locked(&self.shared.packer).pack_all(&commit);
        let mut queue = self.place();
        if queue.stopped {
            return Err(self.stopped());
        }
        queue.tick = Some(Tick { commit, packed, done });
        self.shared.bell.notify_all();
        Ok(())
    }

    /// Commits ahead of ticks: cursor moves, dead letters, small values.
    pub async fn maintain(&self, commit: Commit) -> Result<Committed, StoreError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = locked(&self.shared.queue);
            if queue.stopped {
                return Err(self.stopped());
            }
            if queue.maintenance.len() >= MAINTENANCE_MAX {
                return Err(StoreError::Busy);
            }
            queue.maintenance.push_back((commit, answer));
            self.shared.bell.notify_all();
        }
        match answered.await {
            Ok(outcome) => outcome.map_err(StoreError::Stopped),
            Err(_) => Err(self.stopped()),
        }
    }

    /// Moves after each commit that appended to the log.
    pub fn log_end(&self, log: LogId) -> watch::Receiver<u64> {
        self.shared.ends[log].subscribe()
    }

    /// A `block` log has reached its share, or the disk is full: what feeds it must wait.
    pub fn would_block(&self, log: LogId) -> bool {
        let view = locked(&self.shared.view);
        view.full[log] || view.disk_full
    }

    /// The writer waits for space, and with it whatever wants to commit.
    pub fn is_disk_full(&self) -> bool {
        locked(&self.shared.view).disk_full
    }

    /// Nothing from `from` on may be dropped: a Kafka transaction holds it. `None` lifts it.
    pub fn protect(&self, log: LogId, from: Option<u64>) {
        self.shared.protected[log].store(from.unwrap_or(u64::MAX), Ordering::Release);
    }

    pub fn usage(&self) -> Usage {
        locked(&self.shared.view).usage.clone()
    }

    pub fn counters(&self) -> BTreeMap<String, u64> {
        let counters = locked(&self.shared.view).counters.clone();
        counters.to_map()
    }

    /// Set once, when the disk failed: nothing is acknowledged any more.
    pub fn failed(&self) -> watch::Receiver<Option<String>> {
        self.shared.store.failed.subscribe()
    }

    /// Commits what waits and ends the thread.
    pub async fn stop(self) {
        let shared = Arc::clone(&self.shared);
        let wait = move || {
            let mut queue = locked(&shared.queue);
            queue.stopping = true;
            shared.bell.notify_all();
            while !queue.stopped {
                queue = shared.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let _ = tokio::task::spawn_blocking(wait).await;
    }

    fn stopped(&self) -> StoreError {
        StoreError::Stopped(self.shared.store.failed.borrow().clone().unwrap_or_else(|| "it was told to".to_owned()))
    }
}

enum Work {
    Maintenance(Commit, Answer),
    Tick(Tick),
    Stop,
}

struct Thread {
    store: Store,
    shared: Arc<Shared>,
    last_tick: Option<Instant>,
}

impl Thread {
    /// Until it is told to stop, or the disk fails.
    fn run(mut self) -> Result<(), StoreError> {
        loop {
            match self.next() {
                Work::Stop => return Ok(()),
                Work::Maintenance(commit, answer) => {
                    let packed = locked(&self.shared.packer).pack_all(&commit);
                    let committed = self.commit(&commit, &packed)?;
                    let _ = answer.send(Ok(committed));
                }
                Work::Tick(Tick { commit, packed, done }) => {
                    let committed = self.commit(&commit, &packed)?;
                    done(&committed);
                }
            }
        }
    }

    fn next(&mut self) -> Work {
        let interval = self.store.settings().commit_interval;
        let mut queue = locked(&self.shared.queue);
        loop {
            if let Some((commit, answer)) = queue.maintenance.pop_front() {
                return Work::Maintenance(commit, answer);
            }
            // What costs no write need not be spared one.
            let writes = queue.tick.as_ref().is_some_and(|tick| !tick.commit.is_empty());
            let early = match (writes, self.last_tick) {
                (true, Some(last)) if !queue.stopping => interval.saturating_sub(last.elapsed()),
                _ => Duration::ZERO,
            };
            if early.is_zero() {
                if let Some(tick) = queue.tick.take() {
                    self.shared.bell.notify_all();
                    if writes {
                        self.last_tick = Some(Instant::now());
                    }
                    return Work::Tick(tick);
                }
                if queue.stopping {
                    return Work::Stop;
                }
            }
            let bell = &self.shared.bell;
            queue = if early.is_zero() {
                bell.wait(queue).unwrap_or_else(PoisonError::into_inner)
            } else {
                bell.wait_timeout(queue, early).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// Commits, however long the disk stays full; meanwhile maintenance goes on, since it may free space.
    fn commit(&mut self, commit: &Commit, packed: &[Vec<u8>]) -> Result<Committed, StoreError> {
        loop {
            let start = Instant::now();
            match self.store.commit_packed(commit, packed) {
                Ok(committed) => {
                    if !commit.is_empty() {
                        self.publish(&committed, start.elapsed());
                    }
                    return Ok(committed);
                }
                Err(error) if error.is_full() => self.wait_for_space()?,
                Err(error) => return Err(error),
            }
        }
    }

    fn wait_for_space(&mut self) -> Result<(), StoreError> {
        let first = !std::mem::replace(&mut locked(&self.shared.view).disk_full, true);
        if first {
            log::error!("the disk is full: intake waits; free space, or let the sinks drain");
        }
        let queue = locked(&self.shared.queue);
        if queue.stopping {
            return Err(StoreError::Full);
        }
        let (mut queue, _) = self.shared.bell.wait_timeout(queue, FULL_RETRY).unwrap_or_else(PoisonError::into_inner);
        let waiting: Vec<(Commit, Answer)> = queue.maintenance.drain(..).collect();
        drop(queue);
        for (commit, answer) in waiting {
            match self.store.commit(&commit) {
                Ok(committed) => drop(answer.send(Ok(committed))),
                Err(error) if error.is_full() => drop(answer.send(Err(error.to_string()))),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn publish(&mut self, committed: &Committed, took: Duration) {
        let mut view = locked(&self.shared.view);
        let usage = self.store.usage();
        let (commits, seconds) = (view.usage.commits + 1, view.usage.commit_seconds + took.as_secs_f64());
        view.usage = Usage { commits, commit_seconds: seconds, commit_seconds_last: took.as_secs_f64(), ..usage };
        view.counters = self.store.counters().clone();
        view.full = self.store.full_logs();
        if std::mem::replace(&mut view.disk_full, false) {
            log::info!("the disk has space again");
        }
        drop(view);
        for (sender, end) in self.shared.ends.iter().zip(&committed.log_ends) {
            sender.send_if_modified(|now| std::mem::replace(now, *end) != *end);
        }
    }
}
