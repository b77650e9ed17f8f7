//! `[bridge.x]`: another MQTT broker, and which of its topics are published here.

use std::time::Duration;

use super::super::names::check_name;
use super::super::problem::Problems;
use super::super::raw;
use super::super::read::{At, Entry, Field, Named};
use super::super::settings::{Bridge, BridgeTopic, Gateway, Level, TopicPart, TopicTemplate};
use super::source::captured_columns;
use super::{missing, peer, topic};

const SESSION_EXPIRY: Duration = Duration::from_secs(7 * 86_400);
/// A SUBSCRIBE for each must fit into a packet, and a person must be able to read them.
const TOPICS_MAX: usize = 100;

pub(super) fn check_bridges(
    raw: &Field<Named<raw::Bridge>>,
    gateway: &Gateway,
    problems: &mut Problems,
) -> Vec<Bridge> {
    let entries = raw.given().into_iter().flat_map(|at| &at.value);
    entries.filter_map(|entry| check_bridge(entry, gateway, problems)).collect()
}

fn check_bridge(entry: &Entry<raw::Bridge>, gateway: &Gateway, problems: &mut Problems) -> Option<Bridge> {
    check_name("bridge", &entry.name, entry.key, problems);
    let raw = &entry.value.as_ref()?.value;
    let owner = format!("bridge {:?}", entry.name);
    if raw.mqtt.is_missing() {
        missing("mqtt", &owner, entry.key, "write mqtt = \"mqtts://broker.example.com\"", problems);
    }
    if raw.topics.is_missing() {
        let help = "write topics = [{ from = \"plant-7/cmd/{device}\", to = \"dev/{device}/cmd\" }]";
        missing("topics", &owner, entry.key, help, problems);
    }
    let client_id = format!("tidegate-{}-{}-in", gateway.id, entry.name);
    let peer = peer::check_peer(&peer::Keys::of_bridge(raw), &client_id, problems);
    let qos = peer::check_qos(&raw.qos, problems);
    let mut topics: Vec<BridgeTopic> = Vec::new();
    for given in raw.topics.given().into_iter().flat_map(|at| &at.value.0) {
        let Some(topic) = check_topic(given, gateway, problems) else { continue };
        if topics.iter().any(|other| Level::filter(&other.from) == Level::filter(&topic.from)) {
            problems.error(given.span, "this topic is subscribed to above", "leave one of them out");
        }
        topics.push(topic);
    }
    if let Some(given) = raw.topics.given().filter(|given| given.value.0.is_empty() || given.value.0.len() > TOPICS_MAX)
    {
        problems.error(
            given.span,
            format!("topics has {} elements", given.value.0.len()),
            format!("1 to {TOPICS_MAX}"),
        );
    }
    let session_expiry = raw.session_expiry.or(SESSION_EXPIRY);
    Some(Bridge { name: entry.name.clone(), peer: peer?, qos, session_expiry, topics })
}

/// Without `to` the topic stays as it is.
fn check_topic(at: &At<raw::BridgeTopic>, gateway: &Gateway, problems: &mut Problems) -> Option<BridgeTopic> {
    let raw = &at.value;
    if raw.from.is_missing() {
        let help = "as in { from = \"plant-7/cmd/{device}\", to = \"dev/{device}/cmd\" }";
        missing("from", "topics", at.span, help, problems);
    }
    let given = raw.from.given()?;
    let from = topic::check_filter(given, problems)?;
    let Some(to) = raw.to.given() else {
        if raw.to.is_missing() && from.iter().any(|level| matches!(level, Level::AnyOne | Level::AnyRest)) {
            let help = "name what it stands for, as in \"cmd/{device}\" or \"cmd/{path#}\": what it was is needed for the topic here";
            problems.error(given.span, "\"+\" and \"#\" have no name", help);
        }
        return Some(BridgeTopic { to: unchanged(&from), from });
    };
    let columns = captured_columns(&from);
    let of = topic::TopicKind::Mqtt;
    let rules = topic::Template { gateway, of, columns: Some(&columns), what: "captured level" };
    let template = topic::check_template(to, rules, problems);
    if to.value.value.starts_with('$') {
        problems.error(to.span, "nothing can be published to a topic that begins with \"$\"", "choose another topic");
    }
    Some(BridgeTopic { from, to: template })
}

/// The template of the very topic that came.
fn unchanged(from: &[Level]) -> TopicTemplate {
    let mut parts: Vec<TopicPart> = Vec::new();
    let mut captured = 0;
    for (index, level) in from.iter().enumerate() {
        let separator = if index > 0 { "/" } else { "" };
        let text = match level {
            Level::Literal(text) => format!("{separator}{text}"),
            _ => separator.to_owned(),
        };
        match parts.last_mut() {
            Some(TopicPart::Literal(last)) => last.push_str(&text),
            _ if text.is_empty() => {}
            _ => parts.push(TopicPart::Literal(text)),
        }
        if level.captured().is_some() {
            parts.push(TopicPart::Column(captured));
            captured += 1;
        }
    }
    TopicTemplate { parts }
}
