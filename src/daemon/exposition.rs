//! The Prometheus text format, version 0.0.4: lines grouped by family, each family with its help and type.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    help: &'static str,
    /// Labels with their braces (or nothing), and the value.
    lines: Vec<(String, f64)>,
}

/// A page of metrics being gathered.
#[derive(Debug, Default)]
pub struct Exposition {
    families: BTreeMap<String, Family>,
}

impl Exposition {
    pub fn counter(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        self.add(name, Kind::Counter, help, labels, value);
    }

    pub fn gauge(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        self.add(name, Kind::Gauge, help, labels, value);
    }

    /// A durable counter, whose key is `name{labels}` already.
    pub fn keyed_counter(&mut self, key: &str, help: &'static str, value: u64) {
        let (name, labels) = key.split_at(key.find('{').unwrap_or(key.len()));
        self.line(name, Kind::Counter, help, labels.to_owned(), value as f64);
    }

    fn add(&mut self, name: &str, kind: Kind, help: &'static str, labels: &[(&str, &str)], value: f64) {
        let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.line(name, kind, help, labels, value);
    }

    fn line(&mut self, name: &str, kind: Kind, help: &'static str, labels: String, value: f64) {
        let family = self.families.entry(name.to_owned()).or_insert(Family { kind, help, lines: Vec::new() });
        family.lines.push((labels, value));
    }

    pub fn render(&self) -> String {
        let mut out = String::new();
        for (name, family) in &self.families {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
            for (labels, value) in &family.lines {
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_grouped_by_family_and_escaped() {
        let mut page = Exposition::default();
        page.keyed_counter("tidegate_in_total{source=\"b\"}", "Messages.", 7);
        page.gauge("tidegate_depth", "Depth.", &[("sink", "a\"\\\n")], 1.5);
        page.keyed_counter("tidegate_in_total{source=\"a\"}", "Messages.", 1 << 40);
        page.gauge("tidegate_up", "Up.", &[], 1.0);
        assert_eq!(
            page.render(),
            "# HELP tidegate_depth Depth.\n# TYPE tidegate_depth gauge\ntidegate_depth{sink=\"a\\\"\\\\\\n\"} 1.5\n\
             # HELP tidegate_in_total Messages.\n# TYPE tidegate_in_total counter\n\
             tidegate_in_total{source=\"b\"} 7\ntidegate_in_total{source=\"a\"} 1099511627776\n\
             # HELP tidegate_up Up.\n# TYPE tidegate_up gauge\ntidegate_up 1\n"
        );
    }
}
