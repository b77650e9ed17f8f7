//! Whether the gateway does its work: taking in, committing, delivering or waiting for the uplink. Pure: facts in, a page out.

use std::time::Duration;

use crate::sinks::{SinkReport, SinkState};

/// The pipeline turns once a second at least; one that has not for so long stands still.
pub const STILL_MAX: Duration = Duration::from_secs(10);

/// What is known of the parts.
#[derive(Debug, Default)]
pub struct Facts {
    /// Why the store commits nothing any more.
    pub failed: Option<String>,
    /// The writer waits for space on the disk.
    pub disk_full: bool,
    /// How long the pipeline has not turned.
    pub still: Duration,
    /// Name and report of each sink.
    pub sinks: Vec<(String, SinkReport)>,
    /// Name of each Modbus source, and what it says of itself.
    pub pollers: Vec<(String, String)>,
    /// Name of each bridge, and what it says of itself.
    pub bridges: Vec<(String, String)>,
}

impl Facts {
    /// Why the answer is not "ok"; nothing if it is. An uplink or a slave that is away is normal operation.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        faults.extend(self.failed.clone());
        if self.disk_full {
            faults.push("the disk is full, and intake waits: free space, or let the sinks drain".to_owned());
        } else if self.still >= STILL_MAX {
            faults.push(format!("the pipeline has stood still for {} s", self.still.as_secs()));
        }
        for (name, report) in &self.sinks {
            if report.state == SinkState::Stopped {
                let why = report.reason.as_deref().unwrap_or("its thread has ended");
                faults.push(format!("sink {name} has stopped: {why}"));
            }
        }
        faults
    }

    /// The page's text: "ok" or what is wrong, then a line for each sink, Modbus source and bridge.
    pub fn page(&self) -> String {
        let faults = self.faults();
        let mut page = if faults.is_empty() { "ok\n".to_owned() } else { format!("failed: {}\n", faults.join("; ")) };
        for (name, report) in &self.sinks {
            let reason = report.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            page.push_str(&format!("sink {name}: {}{reason}\n", report.state.name()));
        }
        for (name, state) in &self.pollers {
            page.push_str(&format!("source {name}: {state}\n"));
        }
        for (name, state) in &self.bridges {
            page.push_str(&format!("bridge {name}: {state}\n"));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(state: SinkState, reason: Option<&str>) -> Facts {
        let report = SinkReport { state, reason: reason.map(str::to_owned), ..SinkReport::default() };
        let pollers = vec![("press".to_owned(), "does not answer: no answer within 1s".to_owned())];
        Facts { sinks: vec![("cloud".to_owned(), report)], pollers, ..Facts::default() }
    }

    #[test]
    fn an_uplink_or_a_slave_that_is_away_is_no_fault() {
        for state in [SinkState::Connecting, SinkState::Connected, SinkState::BackingOff, SinkState::Fenced] {
            assert!(facts(state, Some("Kafka cannot be reached")).faults().is_empty(), "{state:?}");
        }
        assert_eq!(
            facts(SinkState::BackingOff, Some("Kafka cannot be reached")).page(),
            "ok\nsink cloud: backing off: Kafka cannot be reached\nsource press: does not answer: no answer within 1s\n"
        );
    }

    #[test]
    fn a_sink_that_has_ended_is_a_fault() {
        let page = facts(SinkState::Stopped, Some("ended by a fault in tidegate: restart it")).page();
        assert!(page.starts_with("failed: sink cloud has stopped: ended by a fault"), "{page}");
    }

    #[test]
    fn a_pipeline_that_stands_still_is_a_fault_and_a_full_disk_is_its_name() {
        let still = |still| Facts { still, ..facts(SinkState::Connected, None) };
        assert!(still(STILL_MAX - Duration::from_millis(1)).faults().is_empty());
        assert_eq!(still(STILL_MAX).faults(), ["the pipeline has stood still for 10 s"]);
        let full = Facts { disk_full: true, ..still(STILL_MAX) };
        assert!(full.faults()[0].contains("disk is full") && full.faults().len() == 1);
    }

    #[test]
    fn a_store_that_failed_is_a_fault() {
        let failed = Facts { failed: Some("SQLite: disk I/O error".to_owned()), ..facts(SinkState::Connected, None) };
        assert!(failed.page().starts_with("failed: SQLite: disk I/O error\nsink cloud: connected\n"));
    }
}
