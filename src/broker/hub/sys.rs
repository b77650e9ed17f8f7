//! `$SYS`: what dashboards know from Mosquitto (its manual page mosquitto(8), "Broker status"), as retained messages of
//! QoS 0 that are in no store. A topic that we could not fill truthfully is left out.

use std::time::{Duration, Instant};

use super::super::metrics::BrokerMetrics;

/// Mosquitto's default.
const EVERY: Duration = Duration::from_secs(10);

/// Minutes over which Mosquitto's averages fade.
const MINUTES: [f64; 3] = [1.0, 5.0, 15.0];

/// Whether a topic or a filter is about `$SYS`.
pub(super) fn is_below(topic: &str) -> bool {
    topic == "$SYS" || topic.starts_with("$SYS/")
}

#[derive(Debug)]
pub(super) struct Sys {
    started: Instant,
    last: Option<(Instant, BrokerMetrics)>,
    /// Per minute, over each of `MINUTES`, for each rate.
    loads: [[f64; 3]; RATES.len()],
}

/// Name under `$SYS/broker/load/`, and what it is the rate of.
type Rate = (&'static str, fn(&BrokerMetrics) -> u64);

const RATES: [Rate; 11] = [
    ("messages/received", |m| m.packets_in),
    ("messages/sent", |m| m.packets_out),
    ("publish/received", published_in),
    ("publish/sent", published_out),
    ("publish/dropped", dropped),
    ("bytes/received", |m| m.bytes_in),
    ("bytes/sent", |m| m.bytes_out),
    ("publish/bytes/received", |m| m.payload_bytes_in),
    ("publish/bytes/sent", |m| m.payload_bytes_out),
    ("connections", |m| m.connects),
    ("sockets", |m| m.accepted),
];

fn published_in(m: &BrokerMetrics) -> u64 {
    m.publish_in_qos0 + m.publish_in_qos1 + m.publish_in_qos2
}

fn published_out(m: &BrokerMetrics) -> u64 {
    m.publish_out_qos0 + m.publish_out_qos1 + m.publish_out_qos2
}

fn dropped(m: &BrokerMetrics) -> u64 {
    m.dropped_in_qos0
        + m.dropped_queue_full
        + m.dropped_session_full
        + m.dropped_session_end
        + m.dropped_too_large
        + m.dropped_expired
        + m.dropped_disconnected
}

impl Sys {
    pub fn new(now: Instant) -> Sys {
        Sys { started: now, last: None, loads: [[0.0; 3]; RATES.len()] }
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.last.as_ref().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= EVERY)
    }

    /// Topics and payloads. `sessions` is how many there are, connected or away, and of how many clients are away.
    pub fn values(&mut self, now: Instant, m: BrokerMetrics, (total, away): (usize, usize)) -> Vec<(String, String)> {
        if let Some((at, before)) = &self.last {
            let seconds = now.saturating_duration_since(*at).as_secs_f64().max(0.001);
            for ((_, of), load) in RATES.iter().zip(&mut self.loads) {
                let per_minute = of(&m).saturating_sub(of(before)) as f64 * 60.0 / seconds;
                for (minutes, average) in MINUTES.iter().zip(load) {
                    let old = (-seconds / (60.0 * minutes)).exp();
                    *average = per_minute + (*average - per_minute) * old;
                }
            }
        }
        let uptime = now.saturating_duration_since(self.started).as_secs();
        let mut values = vec![
            ("version".to_owned(), format!("tidegate version {}", env!("CARGO_PKG_VERSION"))),
            ("uptime".to_owned(), format!("{uptime} seconds")),
        ];
        let numbers = [
            ("clients/total", total as u64),
            ("clients/connected", m.connections),
            ("clients/disconnected", away as u64),
            ("clients/maximum", m.connections_peak),
            ("clients/expired", m.sessions_expired),
            // Older names, which dashboards still read.
            ("clients/active", m.connections),
            ("clients/inactive", away as u64),
            ("messages/stored", m.stored_messages),
            ("messages/received", m.packets_in),
            ("messages/sent", m.packets_out),
            ("store/messages/count", m.stored_messages),
            ("store/messages/bytes", m.stored_bytes),
            ("subscriptions/count", m.subscriptions),
            ("retained messages/count", m.retained_messages),
            ("publish/messages/received", published_in(&m)),
            ("publish/messages/sent", published_out(&m)),
            ("publish/messages/dropped", dropped(&m)),
            ("publish/bytes/received", m.payload_bytes_in),
            ("publish/bytes/sent", m.payload_bytes_out),
            ("bytes/received", m.bytes_in),
            ("bytes/sent", m.bytes_out),
        ];
        values.extend(numbers.map(|(name, number)| (name.to_owned(), number.to_string())));
        for ((name, _), load) in RATES.iter().zip(&self.loads) {
            for (minutes, average) in MINUTES.iter().zip(load) {
                values.push((format!("load/{name}/{minutes}min"), format!("{average:.2}")));
            }
        }
        self.last = Some((now, m));
        values.into_iter().map(|(name, value)| (format!("$SYS/broker/{name}"), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)] // Any instant will do.
    fn rates_are_per_minute_and_fade() {
        let start = Instant::now();
        let mut sys = Sys::new(start);
        assert!(sys.is_due(start));
        sys.values(start, BrokerMetrics::default(), (0, 0));
        assert!(!sys.is_due(start + Duration::from_secs(9)) && sys.is_due(start + Duration::from_secs(10)));
        let metrics = |bytes_in| BrokerMetrics { bytes_in, ..BrokerMetrics::default() };
        // 100 bytes a second for a quarter of an hour, then nothing for a minute.
        for turn in 1..=90u32 {
            sys.values(start + 10 * turn * Duration::from_secs(1), metrics(u64::from(turn) * 1_000), (3, 1));
        }
        let value = |values: &[(String, String)], name: &str| {
            let name = format!("$SYS/broker/{name}");
            let found = values.iter().find(|(topic, _)| *topic == name).unwrap_or_else(|| panic!("no {name}"));
            found.1.clone()
        };
        let values = sys.values(start + Duration::from_secs(960), metrics(90_000), (3, 1));
        assert_eq!(value(&values, "bytes/received"), "90000");
        assert_eq!(value(&values, "uptime"), "960 seconds");
        assert_eq!((value(&values, "clients/total"), value(&values, "clients/disconnected")), ("3".into(), "1".into()));
        let one: f64 = value(&values, "load/bytes/received/1min").parse().unwrap();
        // 6,000 a minute, faded by e.
        assert!((one - 6_000.0 / std::f64::consts::E).abs() < 1.0, "{one}");
    }
}
