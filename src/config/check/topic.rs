//! MQTT topic filters with captures, and templates of topics, Kafka's and MQTT's.

use super::super::names::{is_topic_char, suggestion};
use super::super::problem::{Problems, Span};
use super::super::read::At;
use super::super::settings::{Gateway, Level, TopicPart, TopicTemplate};
use super::super::text::Text;
use super::source::check_column_name;
use crate::model::{Column, DataType};

/// Kafka's own limit for a topic's name.
const KAFKA_TOPIC_LENGTH_MAX: usize = 249;
/// MQTT's own limit, in bytes.
const MQTT_TOPIC_BYTES_MAX: usize = 65_535;

/// What a template makes, and of what.
#[derive(Clone, Copy)]
pub(super) struct Template<'a> {
    pub gateway: &'a Gateway,
    pub of: TopicKind,
    /// `None` if what they come from is wrong: then only the text itself is checked.
    pub columns: Option<&'a [Column]>,
    /// What is not there when a name is not: "column of the query".
    pub what: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TopicKind {
    Kafka,
    Mqtt,
}

impl TopicKind {
    fn example(self) -> &'static str {
        match self {
            TopicKind::Kafka => "devices.{region}.telemetry",
            TopicKind::Mqtt => "plant/{region}/{device}",
        }
    }

    fn takes(self, c: char) -> bool {
        match self {
            TopicKind::Kafka => is_topic_char(c),
            TopicKind::Mqtt => !matches!(c, '+' | '#' | '\0'),
        }
    }

    /// What is said of a character that cannot stand in a topic.
    fn fault(self, c: char) -> (String, &'static str) {
        match self {
            TopicKind::Kafka => (
                format!("{c:?} cannot stand in a Kafka topic"),
                "letters, digits, \".\", \"_\" and \"-\"; Kafka has no \"/\" in topics",
            ),
            TopicKind::Mqtt => (
                format!("{c:?} cannot stand in the topic of a message"),
                "only topic filters have \"+\" and \"#\"; {name} stands for a column",
            ),
        }
    }
}

/// `dev/{device}/telemetry`, with `+` for any one level, `#` at the end for the rest, and `{path#}` for the rest under
/// a name.
pub(super) fn check_filter(text: &At<Text>, problems: &mut Problems) -> Option<Vec<Level>> {
    let filter = text.value.value.as_str();
    if filter.is_empty() || filter.len() > MQTT_TOPIC_BYTES_MAX || filter.contains('\0') {
        problems.error(text.span, "this is no MQTT topic", "1 to 65535 bytes, such as \"dev/{device}/telemetry\"");
        return None;
    }
    if filter.starts_with("$share/") {
        problems.error(text.span, "a source is no shared subscription", "write the topic without \"$share/group/\"");
        return None;
    }
    let mut levels: Vec<Level> = Vec::new();
    let mut right = true;
    let mut start = 0;
    for level in filter.split('/') {
        let at = text.value.between(start, start + level.len());
        let last = start + level.len() == filter.len();
        match check_level(level, last, at, &levels, problems) {
            Some(level) => levels.push(level),
            None => right = false,
        }
        start += level.len() + 1;
    }
    right.then_some(levels)
}

fn check_level(level: &str, last: bool, at: Span, before: &[Level], problems: &mut Problems) -> Option<Level> {
    match level {
        "+" => return Some(Level::AnyOne),
        "#" if last => return Some(Level::AnyRest),
        "#" => {
            problems.error(
                at,
                "\"#\" stands for the rest of a topic, so it can only be its last level",
                "\"+\" stands for one level",
            );
            return None;
        }
        _ => {}
    }
    if let Some(name) = level.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let (name, rest) = name.strip_suffix('#').map_or((name, false), |name| (name, true));
        if !check_column_name(name, at, problems) {
            return None;
        }
        if rest && !last {
            let help = "{device} stands for one level";
            let message = format!("{{{name}#}} stands for the rest of a topic, so it can only be its last level");
            problems.error(at, message, help);
            return None;
        }
        if before.iter().any(|level| level.captured() == Some(name)) {
            problems.error(
                at,
                format!("{{{name}}} is captured twice"),
                "each captured level needs a name of its own; \"+\" takes a level without a name",
            );
            return None;
        }
        return Some(if rest { Level::CaptureRest(name.to_owned()) } else { Level::Capture(name.to_owned()) });
    }
    if let Some(wrong) = level.chars().find(|c| matches!(c, '{' | '}' | '+' | '#')) {
        let message = format!("{wrong:?} cannot stand in the middle of a level");
        let help = "a capture takes a whole level, \"dev/{device}/x\"; take it apart in SQL, as in SPLIT_INDEX(device, '-', 1)";
        problems.error(at, message, help);
        return None;
    }
    Some(Level::Literal(level.to_owned()))
}

/// `devices.{region}.telemetry`: `{gateway}`, `{region}`, and STRING columns.
pub(super) fn check_template(text: &At<Text>, rules: Template, problems: &mut Problems) -> TopicTemplate {
    let template = text.value.value.as_str();
    let mut parts: Vec<TopicPart> = Vec::new();
    let mut at = 0;
    while at < template.len() {
        let rest = &template[at..];
        if let Some(inner) = rest.strip_prefix('{') {
            let Some(close) = inner.find('}') else {
                problems.error(
                    text.value.between(at, at + 1),
                    "\"{\" is never closed",
                    format!("as in {:?}", rules.of.example()),
                );
                break;
            };
            let place = text.value.between(at, at + close + 2);
            add_named(&inner[..close], place, rules, &mut parts, problems);
            at += close + 2;
        } else {
            let end = rest.find('{').unwrap_or(rest.len());
            for (i, c) in rest[..end].char_indices().filter(|(_, c)| !rules.of.takes(*c)) {
                let place = text.value.between(at + i, at + i + c.len_utf8());
                let (message, help) = rules.of.fault(c);
                problems.error(place, message, help);
            }
            add_literal(&rest[..end], &mut parts);
            at += end;
        }
    }
    check_length(text, rules.of, &parts, problems);
    TopicTemplate { parts }
}

fn add_named(name: &str, at: Span, rules: Template, parts: &mut Vec<TopicPart>, problems: &mut Problems) {
    let gateway = rules.gateway;
    match name {
        "gateway" => return add_literal(&gateway.id, parts),
        "region" => {
            if gateway.region.is_empty() {
                problems.error(
                    at,
                    "{region} stands for the gateway's region, which is not set",
                    "write region = \"…\" under [gateway]",
                );
            }
            return add_literal(&gateway.region, parts);
        }
        _ => {}
    }
    let Some(columns) = rules.columns else { return };
    match columns.iter().position(|column| &*column.name == name) {
        Some(index) if columns[index].data_type == DataType::String => parts.push(TopicPart::Column(index)),
        Some(index) => {
            let message = format!("a column in a topic must be STRING, {name:?} is {}", columns[index].data_type);
            problems.error(at, message, format!("write CAST({name} AS STRING) in the query"));
        }
        None => {
            let names = ["gateway", "region"].into_iter().chain(columns.iter().map(|column| &*column.name));
            let message = format!("{{{name}}} is no {}", rules.what);
            problems.error(at, message, suggestion(name, "what can stand here", names));
        }
    }
}

fn add_literal(text: &str, parts: &mut Vec<TopicPart>) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(TopicPart::Literal(last)) => last.push_str(text),
        _ => parts.push(TopicPart::Literal(text.to_owned())),
    }
}

fn check_length(text: &At<Text>, of: TopicKind, parts: &[TopicPart], problems: &mut Problems) {
    let literal: usize =
        parts.iter().map(|part| if let TopicPart::Literal(text) = part { text.len() } else { 1 }).sum();
    if text.value.value.is_empty() {
        problems.error(text.span, "the topic is empty", format!("a topic, such as {:?}", of.example()));
    } else if of == TopicKind::Mqtt {
        if literal > MQTT_TOPIC_BYTES_MAX {
            problems.error(text.span, format!("the topic has {literal} bytes"), "MQTT allows 65535");
        }
    } else if literal > KAFKA_TOPIC_LENGTH_MAX {
        problems.error(text.span, format!("the topic has {literal} characters"), "Kafka allows 249");
    } else if matches!(text.value.value.as_str(), "." | "..") {
        problems.error(text.span, format!("{:?} is no Kafka topic", text.value.value), "");
    }
}
