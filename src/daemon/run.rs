//! Start and stop, on one page.
//!
//! Start: open the store, recover the engine, then the sinks, the broker, the pollers, the pipeline, the admin page; only
//! then is systemd told that we are ready. Stop, within five seconds: no new input, commit what has arrived, snapshot,
//! let the sinks finish their transaction or leave it to the next start, close the store.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::admin::{self, View};
use super::clock::{self, Clock};
use super::core::Core;
use super::health::STILL_MAX;
use super::pipeline::{Intake, Logs, Pipeline, Progress, REPLAY, Start, load_if_new};
use super::{check, logging, recovery, stdout};
use crate::bridge::{self, BridgeStatus};
use crate::broker::{self, Broker, Inbound, Restored};
use crate::config::{Input, Settings};
use crate::sinks::{self, SinkStatus, StartRecord};
use crate::sources::modbus::{self, ModbusStatus};
use crate::sources::table::TableFile;
use crate::store::{self, Commit, Opened, Reader, Store, StoreError, Writer};

/// Reads of sockets that may wait for the pipeline; each holds at most one connection's share of the in-flight bytes.
const INBOUND_QUEUE: usize = 1_024;

/// What is left of the five seconds that systemd and the promise give us, after the pipeline has stopped.
const SINKS_STOP_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    #[error("the broker: {0}")]
    Broker(#[from] broker::StartError),
    #[error("the admin page cannot listen on {0}: {1}")]
    Admin(std::net::SocketAddr, std::io::Error),
    #[error("the runtime: {0}")]
    Runtime(#[from] std::io::Error),
    #[error("{0}: nothing more is acknowledged; what was acknowledged is safe, and a restart recovers")]
    Fatal(String),
    #[error("table {table} cannot be loaded from {}, and the store holds no rows of it: {why}", file.display())]
    Table { table: String, file: std::path::PathBuf, why: String },
    #[error("there is no sink {0} in this configuration")]
    NoSink(String),
    #[error("the sink {0} is still in this configuration: take it out first")]
    SinkInUse(String),
    #[error("the store keeps nothing of a sink {0}")]
    NoRecords(String),
}

/// `tidegate run`.
pub fn command(config: &Path) -> ExitCode {
    let settings = match check::load_file(config) {
        Ok(settings) => Arc::new(settings),
        Err(error) => return wrong_configuration(&error),
    };
    logging::start(settings.log_level);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(RunError::from)
        .and_then(|runtime| runtime.block_on(run(settings, config)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn wrong_configuration(error: &check::LoadError) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(2)
}

async fn run(settings: Arc<Settings>, config: &Path) -> Result<(), RunError> {
    let (store, opened) = Store::open(store_settings(&settings))?;
    for finding in &opened.findings {
        log::warn!("{finding}");
    }
    let logs = logs(&settings);
    let mut core = Core::new(Arc::clone(&settings));
    let recovered = recovery::recover(&mut core, &settings, &opened, logs.journal, &mut store.reader()?)?;
    for finding in &recovered.findings {
        log::warn!("{finding}");
    }
    if recovered.ticks > 0 {
        log::info!("recovered: {} ticks replayed from the journal", recovered.ticks);
    }

    let tables = load_tables(&settings, &mut core)?;

    let (stop, stopped) = watch::channel(false);
    let readers = (0..settings.sinks.len()).map(|_| store.reader()).collect::<Result<Vec<_>, _>>()?;
    let kept = (Restored::read(&store, &opened)?, store.reader()?);
    let writer = Writer::spawn(store);
    let statuses: Vec<Arc<SinkStatus>> = settings.sinks.iter().map(|_| Arc::default()).collect();
    let sinks = start_sinks(&settings, &opened, &logs, &writer, readers, &statuses, &stopped).await?;

    let (to_pipeline, mqtt) = mpsc::channel(INBOUND_QUEUE);
    let trust = settings.gateway.clock;
    let wall_clock: broker::TrustedClock = Arc::new(move || clock::trusted_seconds(trust));
    let bridged = to_pipeline.clone();
    let (broker, hub) = Broker::start(&settings.broker, wall_clock, kept, to_pipeline, stopped.clone()).await?;
    let broker = Arc::new(broker);
    let (rows, polled) = mpsc::channel(INBOUND_QUEUE);
    let pollers = start_pollers(&settings, &rows, &stopped);
    let (stop_pipeline, pipeline_stopped) = oneshot::channel();
    let progress = Arc::new(Progress::new(&settings));
    let intake = Intake { mqtt, polled, stop: pipeline_stopped };
    let clock = Clock::new(settings.gateway.clock, recovered.last_now);
    let snapshot_due = recovered.snapshot_due;
    let start = Start { core, clock, recovered, journal_end: opened.log_ends[logs.journal], tables };
    let pipeline =
        Pipeline::new(Arc::clone(&settings), start, writer.clone(), hub, logs.clone(), Arc::clone(&progress));
    let mut pipeline = spawn_pipeline(pipeline, intake, snapshot_due);
    let (bridges, bridging) = start_bridges(&settings, &opened, &writer, &bridged, &stopped);
    drop(bridged);

    let view = View {
        settings: Arc::clone(&settings),
        writer: writer.clone(),
        broker: Arc::clone(&broker),
        logs,
        progress: Arc::clone(&progress),
        sinks: statuses,
        pollers,
        bridges,
    };
    let admin = admin::start(Arc::new(view), settings.admin.listen).await?;
    log::info!("ready: {}", summary(&settings, &broker));
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);

    let failure = wait_for_the_end(&writer, &progress, &mut pipeline, || reload(config, &broker)).await;
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    log::info!("stopping");
    // Senders that fail have nobody left to tell, which is fine here.
    let _ = stop.send(true);
    broker.stop().await;
    for bridge in bridging {
        // What is not acknowledged by then comes again.
        let _ = tokio::time::timeout(SINKS_STOP_MAX, bridge).await;
    }
    let _ = stop_pipeline.send(());
    let finished = match failure {
        Some(failure) => Err(RunError::Fatal(failure)),
        None => {
            pipeline.await.unwrap_or_else(|_| Err("the pipeline's thread ended".to_owned())).map_err(RunError::Fatal)
        }
    };
    for sink in sinks {
        if tokio::time::timeout(SINKS_STOP_MAX, sink).await.is_err() {
            log::info!("a sink's transaction is left to the next start");
        }
    }
    drop((rows, admin));
    writer.stop().await;
    finished
}

/// Loads the lookup tables whose files differ from what was recovered. One that cannot be read leaves what was
/// recovered; without that there is no start.
fn load_tables(settings: &Settings, core: &mut Core) -> Result<Vec<TableFile>, RunError> {
    let mut files = Vec::new();
    for (index, table) in settings.tables.iter().enumerate() {
        let mut file = TableFile::new(table);
        match load_if_new(core, index, &mut file) {
            None | Some(Ok(_)) => {}
            Some(Err(why)) if core.table(index).is_some() => {
                log::warn!(
                    "table {}: {} is not loaded, the rows from before stay: {why}",
                    table.name,
                    table.file.display()
                );
            }
            Some(Err(why)) => return Err(RunError::Table { table: table.name.clone(), file: table.file.clone(), why }),
        }
        files.push(file);
    }
    Ok(files)
}

/// The logs of the store: the journal, invalid payloads, dead letters, then one a sink.
fn store_settings(settings: &Settings) -> store::Settings {
    let log = |name: &str, share_max_bytes, overflow, readers: Vec<String>, retain| store::LogSettings {
        name: name.to_owned(),
        share_max_bytes,
        overflow,
        dropped_counter: dropped_counter(name),
        readers,
        retain,
    };
    let of = &settings.store;
    let (oldest, days) = (store::Overflow::DropOldest, |days: u64| Duration::from_secs(days * 86_400));
    let mut logs = vec![
        log("journal", of.journal_share_max_bytes, oldest, vec![REPLAY.to_owned()], of.keep_raw),
        log("invalid", of.invalid_share_max_bytes, oldest, Vec::new(), days(7)),
        log("dead", of.dead_share_max_bytes, oldest, Vec::new(), days(30)),
    ];
    logs.extend(settings.sinks.iter().map(|sink| {
        let overflow = match sink.overflow {
            crate::config::Overflow::DropOldest => store::Overflow::DropOldest,
            crate::config::Overflow::DropNewest => store::Overflow::DropNewest,
            crate::config::Overflow::Block => store::Overflow::Block,
        };
        let name = format!("sink/{}", sink.name);
        log(&name, sink.share_max_bytes, overflow, vec![sinks::READER.to_owned()], Duration::ZERO)
    }));
    store::Settings {
        data_dir: settings.gateway.data_dir.clone(),
        size_max_bytes: of.size_max_bytes,
        commit_interval: of.commit_interval,
        logs,
        faults: store::Faults::default(),
    }
}

/// The counter of records that a full log dropped before they were read.
fn dropped_counter(log: &str) -> String {
    match log.strip_prefix("sink/") {
        Some(sink) => format!("tidegate_dropped_total{{sink=\"{sink}\",reason=\"drop_oldest\"}}"),
        None => format!("tidegate_log_dropped_total{{log=\"{log}\"}}"),
    }
}

fn logs(settings: &Settings) -> Logs {
    Logs { journal: 0, invalid: 1, dead: 2, sinks: (3..3 + settings.sinks.len()).collect() }
}

/// Records this start, durably before the first transaction, and starts a task for each sink.
async fn start_sinks(
    settings: &Arc<Settings>,
    opened: &Opened,
    logs: &Logs,
    writer: &Writer,
    readers: Vec<Reader>,
    statuses: &[Arc<SinkStatus>],
    stopped: &watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, RunError> {
    let names = settings.sinks.iter().map(|sink| sink.name.as_str()).zip(logs.sinks.iter().copied());
    let start = StartRecord::new(uuid::Uuid::new_v4(), names, opened);
    writer.maintain(Commit { meta: start.meta.clone(), ..Commit::default() }).await?;
    let task = |(index, reader): (usize, Reader)| {
        let setup = sinks::Setup::new(settings, index, logs.sinks[index], logs.dead, opened, &start);
        tokio::spawn(sinks::run(setup, writer.clone(), reader, Arc::clone(&statuses[index]), stopped.clone()))
    };
    Ok(readers.into_iter().enumerate().map(task).collect())
}

/// A task for each Modbus source; gives their names and states.
fn start_pollers(
    settings: &Settings,
    rows: &mpsc::Sender<modbus::Polled>,
    stopped: &watch::Receiver<bool>,
) -> Vec<(String, Arc<ModbusStatus>)> {
    let (mut pollers, mut lines) = (Vec::new(), modbus::Lines::default());
    for (index, source) in settings.sources.iter().enumerate() {
        if let Input::Modbus(modbus) = &source.input {
            let status = Arc::new(ModbusStatus::default());
            let line = lines.of(modbus);
            let poll = modbus::poll(index, modbus.clone(), line, rows.clone(), Arc::clone(&status), stopped.clone());
            tokio::spawn(poll);
            pollers.push((source.name.clone(), status));
        }
    }
    pollers
}

/// Names and states.
type BridgeStates = Vec<(String, Arc<BridgeStatus>)>;

/// A task for each bridge; gives their names and states, and the tasks.
fn start_bridges(
    settings: &Settings,
    opened: &Opened,
    writer: &Writer,
    to_pipeline: &mpsc::Sender<Inbound>,
    stopped: &watch::Receiver<bool>,
) -> (BridgeStates, Vec<JoinHandle<()>>) {
    let limits = &settings.broker.limits;
    let start = |of: &crate::config::Bridge| {
        let status = Arc::new(BridgeStatus::default());
        let setup = bridge::Setup {
            bridge: of.clone(),
            packet_bytes_max: limits.packet_bytes_max,
            topic_levels_max: limits.topic_levels_max,
            filters: opened.meta.get(&bridge::filters_key(&of.name)).cloned(),
        };
        let task = bridge::run(setup, writer.clone(), to_pipeline.clone(), Arc::clone(&status), stopped.clone());
        ((of.name.clone(), status), tokio::spawn(task))
    };
    settings.bridges.iter().map(start).unzip()
}

fn summary(settings: &Settings, broker: &Broker) -> String {
    let listeners: Vec<String> = broker.addresses().iter().map(ToString::to_string).collect();
    format!(
        "MQTT on {}; {} sources, {} queries, {} sinks; admin on {}",
        listeners.join(", "),
        settings.sources.len(),
        settings.queries.len(),
        settings.sinks.len(),
        settings.admin.listen.map_or_else(|| "nothing".to_owned(), |address| address.to_string()),
    )
}

/// `tidegate takeover`: forgets that another gateway fenced the sink.
pub fn takeover(sink: &str, config: &Path) -> ExitCode {
    let settings = match check::load_file(config) {
        Ok(settings) => settings,
        Err(error) => return wrong_configuration(&error),
    };
    match take_over(sink, &settings) {
        Ok(()) => stdout::print(&format!("sink {sink} delivers again at the next start\n"), ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn take_over(sink: &str, settings: &Settings) -> Result<(), RunError> {
    if !settings.sinks.iter().any(|known| known.name == sink) {
        return Err(RunError::NoSink(sink.to_owned()));
    }
    let (mut store, _) = Store::open(store_settings(settings))?;
    store.commit(&Commit { meta: vec![(sinks::fenced_key(sink), None)], ..Commit::default() })?;
    Ok(())
}

/// `tidegate forget`: drops what the store keeps for a sink that is no longer configured.
pub fn forget(sink: &str, config: &Path) -> ExitCode {
    let settings = match check::load_file(config) {
        Ok(settings) => settings,
        Err(error) => return wrong_configuration(&error),
    };
    match forget_sink(sink, &settings) {
        Ok(records) => {
            let text = format!("sink {sink} is forgotten, with {records} records that it had not delivered\n");
            stdout::print(&text, ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn forget_sink(sink: &str, settings: &Settings) -> Result<u64, RunError> {
    if settings.sinks.iter().any(|known| known.name == sink) {
        return Err(RunError::SinkInUse(sink.to_owned()));
    }
    let (mut store, _) = Store::open(store_settings(settings))?;
    let dropped_counter = format!("tidegate_dropped_total{{sink=\"{sink}\",reason=\"forgotten\"}}");
    let dropped = store.forget(&format!("sink/{sink}"), sinks::READER, &dropped_counter)?;
    dropped.ok_or_else(|| RunError::NoRecords(sink.to_owned()))
}

/// Runs the pipeline on a thread of its own; the receiver gets its end.
fn spawn_pipeline(pipeline: Pipeline, intake: Intake, snapshot_due: bool) -> oneshot::Receiver<Result<(), String>> {
    let (done, ended) = oneshot::channel();
    let body = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let outcome = match runtime {
            Ok(runtime) => runtime.block_on(pipeline.run(intake, snapshot_due)).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let _ = done.send(outcome);
    };
    // If the thread cannot be made, or panics, `done` is dropped, which `wait_for_the_end` takes for a failure.
    if let Err(error) = std::thread::Builder::new().name("engine".into()).spawn(body) {
        log::error!("no thread for the pipeline: {error}");
    }
    ended
}

/// SIGHUP: who may come in and what they may do is read again. What is wrong changes nothing.
fn reload(config: &Path, broker: &Broker) {
    let loaded = check::load_file(config).map_err(|error| error.to_string());
    match loaded.and_then(|settings| broker.reload(&settings.broker.access).map_err(|error| error.to_string())) {
        Ok(()) => log::info!("users, keys and rules were read again; anything else that changed needs a restart"),
        Err(error) => log::error!("nothing is changed, since the configuration is wrong now: {error}"),
    }
}

/// Feeds the watchdog while the pipeline turns. Ends with a signal (`None`) or with what went wrong.
async fn wait_for_the_end(
    writer: &Writer,
    progress: &Progress,
    pipeline: &mut oneshot::Receiver<Result<(), String>>,
    reload: impl Fn(),
) -> Option<String> {
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        return Some("signals cannot be received".to_owned());
    };
    let mut failed = writer.failed();
    let mut watchdog = tokio::time::interval(Duration::from_secs(1));
    let (mut turns, mut last_turn) = (0, Instant::now());
    loop {
        tokio::select! {
            _ = terminate.recv() => return None,
            _ = interrupt.recv() => return None,
            Some(()) = hangup.recv() => reload(),
            ended = &mut *pipeline => {
                let why = ended.map_or_else(|_| Some("the pipeline's thread ended".to_owned()), Result::err);
                return Some(why.unwrap_or_else(|| "the pipeline ended by itself".to_owned()));
            }
            Ok(()) = failed.changed() => {
                if let Some(why) = failed.borrow().clone() {
                    return Some(why);
                }
            }
            _ = watchdog.tick() => {
                let now = progress.turns.load(Ordering::Relaxed);
                if now != turns {
                    (turns, last_turn) = (now, Instant::now());
                }
                progress.still_s.store(last_turn.elapsed().as_secs(), Ordering::Relaxed);
                // To wait for a disk that is full is work, too: a restart would not make room.
                if last_turn.elapsed() < STILL_MAX || writer.is_disk_full() {
                    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]);
                }
            }
        }
    }
}
