//! The admin page: `/metrics` for Prometheus, `/healthz` for a person or a probe.
//!
//! `/healthz` answers 200 while the gateway does its work, as `health` judges it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::clock::wall_millis;
use super::exposition::Exposition;
use super::health::Facts;
use super::pipeline::{Logs, Progress};
use super::run::RunError;
use crate::bridge::BridgeStatus;
use crate::broker::{Broker, BrokerMetrics};
use crate::config::{Settings, SinkKind};
use crate::sinks::{SinkState, SinkStatus};
use crate::sources::modbus::ModbusStatus;
use crate::store::Writer;

/// What the page looks at.
pub struct View {
    pub settings: Arc<Settings>,
    pub writer: Writer,
    pub broker: Arc<Broker>,
    pub logs: Logs,
    pub progress: Arc<Progress>,
    /// One for each sink.
    pub sinks: Vec<Arc<SinkStatus>>,
    /// Name and state of each Modbus source.
    pub pollers: Vec<(String, Arc<ModbusStatus>)>,
    /// Name and state of each bridge.
    pub bridges: Vec<(String, Arc<BridgeStatus>)>,
}

/// Serves the page until the handle is dropped or aborted; `None` listens nowhere.
pub async fn start(
    view: Arc<View>,
    listen: Option<SocketAddr>,
) -> Result<Option<tokio::task::JoinHandle<()>>, RunError> {
    let Some(address) = listen else { return Ok(None) };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| RunError::Admin(address, error))?;
    let router = Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthz)).with_state(view);
    Ok(Some(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            log::error!("the admin page ended: {error}");
        }
    })))
}

async fn metrics(State(view): State<Arc<View>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page(&view))
}

async fn healthz(State(view): State<Arc<View>>) -> impl IntoResponse {
    let facts = facts(&view);
    let status = if facts.faults().is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, facts.page())
}

fn facts(view: &View) -> Facts {
    let sinks = view.settings.sinks.iter().zip(&view.sinks);
    Facts {
        failed: view.writer.failed().borrow().clone(),
        disk_full: view.writer.is_disk_full(),
        still: Duration::from_secs(view.progress.still_s.load(Ordering::Relaxed)),
        sinks: sinks.map(|(sink, status)| (sink.name.clone(), status.report())).collect(),
        pollers: view.pollers.iter().map(|(source, status)| (source.clone(), status.describe())).collect(),
        bridges: view.bridges.iter().map(|(name, status)| (name.clone(), status.report().describe())).collect(),
    }
}

fn page(view: &View) -> String {
    let mut page = Exposition::default();
    page.gauge(
        "tidegate_build_info",
        "Always 1; the version is the label.",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1.0,
    );
    durable_counters(view, &mut page);
    sinks(view, &mut page);
    store(view, &mut page);
    broker(view, &mut page);
    bridges(view, &mut page);
    for (source, status) in &view.pollers {
        status.metrics(&mut |name, help, value| {
            page.gauge(&format!("tidegate_modbus_{name}"), help, &[("source", source)], value);
        });
    }
    let ticks = view.progress.ticks.load(Ordering::Relaxed) as f64;
    page.counter("tidegate_ticks_total", "Ticks computed since the start.", &[], ticks);
    let parked = view.progress.parked.load(Ordering::Relaxed) as f64;
    page.gauge("tidegate_parked_reads", "Reads of sockets that wait for a full sink.", &[], parked);
    state(view, &mut page);
    page.render()
}

fn state(view: &View, page: &mut Exposition) {
    for (query, bytes) in view.settings.queries.iter().zip(&view.progress.query_bytes) {
        let (labels, bytes) = ([("query", query.name.as_str())], bytes.load(Ordering::Relaxed) as f64);
        page.gauge("tidegate_query_state_bytes", "Memory that the query's operators hold.", &labels, bytes);
    }
    for (source, bytes) in view.settings.sources.iter().zip(&view.progress.source_bytes) {
        let (labels, bytes) = ([("source", source.name.as_str())], bytes.load(Ordering::Relaxed) as f64);
        page.gauge("tidegate_source_state_bytes", "Memory that the source's watermarks hold.", &labels, bytes);
    }
}

fn durable_counters(view: &View, page: &mut Exposition) {
    const HELP: &str = "Counted since the store was made; see the documentation of promise 4.";
    let mut counters = view.writer.counters();
    for name in super::names::Names::new(&view.settings).all() {
        counters.entry(name.clone()).or_default();
    }
    for (key, value) in &counters {
        page.keyed_counter(key, HELP, *value);
    }
}

fn sinks(view: &View, page: &mut Exposition) {
    let usage = view.writer.usage();
    let now = wall_millis();
    for (index, (sink, status)) in view.settings.sinks.iter().zip(&view.sinks).enumerate() {
        let labels = [("sink", sink.name.as_str())];
        let log = &usage.logs[view.logs.sinks[index]];
        page.gauge(
            "tidegate_sink_pending_records",
            "Records committed here and not yet delivered.",
            &labels,
            log.pending_records as f64,
        );
        page.gauge("tidegate_sink_buffer_bytes", "Bytes of the sink's log.", &labels, log.bytes as f64);
        // What is delivered stays in the log until a later commit takes it out.
        let oldest = log.oldest_tick.filter(|_| log.pending_records > 0);
        let age = oldest.map_or(0, |oldest| (now - oldest).max(0));
        page.gauge("tidegate_sink_buffer_age_seconds", "Age of the oldest record kept.", &labels, age as f64 / 1e3);
        let report = status.report();
        let connected = f64::from(u8::from(report.state == SinkState::Connected));
        page.gauge("tidegate_sink_connected", "1 while the other side takes this sink's records.", &labels, connected);
        if !matches!(sink.kind, SinkKind::Kafka(_)) {
            continue;
        }
        let transactions = report.transactions as f64;
        page.counter("tidegate_sink_transactions_total", "Transactions since the start.", &labels, transactions);
        let aborted = report.aborted as f64;
        page.counter("tidegate_sink_aborted_total", "Transactions begun again since the start.", &labels, aborted);
        let last = report.last_transaction_ms as f64 / 1e3;
        page.gauge("tidegate_sink_last_transaction_seconds", "From begin to commit.", &labels, last);
    }
}

fn store(view: &View, page: &mut Exposition) {
    let usage = view.writer.usage();
    let none: [(&str, &str); 0] = [];
    page.gauge("tidegate_store_bytes", "Bytes under data_dir.", &none, usage.disk_bytes as f64);
    page.gauge("tidegate_store_wal_bytes", "Bytes of SQLite's write-ahead log.", &none, usage.wal_bytes as f64);
    page.gauge(
        "tidegate_store_size_max_bytes",
        "The configured cap.",
        &none,
        view.settings.store.size_max_bytes as f64,
    );
    page.counter("tidegate_commits_total", "Transactions since the start.", &none, usage.commits as f64);
    page.counter("tidegate_commit_seconds_total", "Time in transactions, fsync included.", &none, usage.commit_seconds);
    if let Some(written) = disk_written_bytes() {
        page.counter(
            "tidegate_disk_written_bytes_total",
            "Written by this process, from /proc/self/io.",
            &none,
            written,
        );
    }
    if let Some(resident) = resident_bytes() {
        page.gauge("tidegate_resident_bytes", "Resident memory.", &none, resident);
    }
    for (log, usage) in usage.logs.iter().enumerate().take(3) {
        let name = ["journal", "invalid", "dead"][log];
        page.gauge("tidegate_log_bytes", "Bytes of a log.", &[("log", name)], usage.bytes as f64);
    }
}

fn broker(view: &View, page: &mut Exposition) {
    for (name, value) in view.broker.metrics().entries() {
        let none: [(&str, &str); 0] = [];
        if BrokerMetrics::GAUGES.contains(&name) {
            page.gauge(&format!("tidegate_broker_{name}"), "See the documentation of the broker.", &none, value as f64);
        } else {
            let name = format!("tidegate_broker_{name}_total");
            page.counter(&name, "See the documentation of the broker.", &none, value as f64);
        }
    }
}

fn bridges(view: &View, page: &mut Exposition) {
    for (name, status) in &view.bridges {
        let (report, bridge) = (status.report(), name.as_str());
        let labels = [("bridge", bridge)];
        let connected = f64::from(u8::from(report.connected));
        page.gauge("tidegate_bridge_connected", "1 while the other broker can send.", &labels, connected);
        let received = report.received as f64;
        page.counter("tidegate_bridge_received_total", "Messages since the start.", &labels, received);
        let published = report.published as f64;
        page.counter("tidegate_bridge_published_total", "Committed here, since the start.", &labels, published);
        for (reason, count) in report.dropped() {
            let labels = [("bridge", bridge), ("reason", reason)];
            page.counter("tidegate_bridge_dropped_total", "Not taken, since the start.", &labels, count as f64);
        }
    }
}

fn disk_written_bytes() -> Option<f64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib: f64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())?;
    Some(kib * 1024.0)
}
