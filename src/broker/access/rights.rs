//! What one client may publish and receive: the rules that speak of it, with its names put in.

use std::sync::Arc;

use super::Access;
use crate::config::{AclRule, Who};

/// A client's rights, as they were at a generation of the rules.
#[derive(Debug)]
pub(in crate::broker) struct Rights {
    user: Option<Arc<str>>,
    client: Arc<str>,
    generation: u64,
    granted: Granted,
}

#[derive(Debug)]
enum Granted {
    Everything,
    /// Topic filters.
    Only {
        publish: Vec<String>,
        subscribe: Vec<String>,
    },
}

impl Rights {
    pub fn new(access: &Access, user: Option<Arc<str>>, client: Arc<str>) -> Rights {
        let mut rights = Rights { user, client, generation: 0, granted: Granted::Everything };
        rights.renew(access);
        rights
    }

    fn renew(&mut self, access: &Access) {
        // First the number: rules that change meanwhile are then asked for once more, not once less.
        self.generation = access.generation();
        self.granted = match &access.known().rules {
            None => Granted::Everything,
            Some(rules) => grant(rules, self.user.as_deref(), &self.client),
        };
    }

    fn granted(&mut self, access: &Access) -> &Granted {
        if self.generation != access.generation() {
            self.renew(access);
        }
        &self.granted
    }

    pub fn may_publish(&mut self, access: &Access, topic: &str) -> bool {
        if is_the_servers(topic) {
            return false;
        }
        match self.granted(access) {
            Granted::Everything => true,
            Granted::Only { publish, .. } => publish.iter().any(|filter| covers(filter, topic)),
        }
    }

    /// `filter` may be a topic: then it is asked whether a message with it may be delivered.
    pub fn may_subscribe(&mut self, access: &Access, filter: &str) -> bool {
        match self.granted(access) {
            Granted::Everything => true,
            Granted::Only { subscribe, .. } => subscribe.iter().any(|allowed| covers(allowed, filter)),
        }
    }
}

/// Nobody publishes below `$SYS`, but for what bridges of Mosquitto say of themselves there, and `$share/…` is no topic.
/// Other topics that begin with `$` are the clients' own: that is what Mosquitto does.
fn is_the_servers(topic: &str) -> bool {
    if !topic.starts_with('$') {
        return false;
    }
    let levels: Vec<&str> = topic.split('/').collect();
    match levels[..] {
        ["$SYS", "broker", "connection", _, "state"] => false,
        _ => matches!(levels[0], "$SYS" | "$share"),
    }
}

fn grant(rules: &[AclRule], user: Option<&str>, client: &str) -> Granted {
    let (mut publish, mut subscribe) = (Vec::new(), Vec::new());
    for rule in rules.iter().filter(|rule| speaks_of(&rule.who, user)) {
        let own = |filters: &[String]| filters.iter().filter_map(|filter| fill_in(filter, user, client)).collect();
        let (more_publish, more_subscribe): (Vec<String>, Vec<String>) = (own(&rule.publish), own(&rule.subscribe));
        publish.extend(more_publish);
        subscribe.extend(more_subscribe);
    }
    Granted::Only { publish, subscribe }
}

fn speaks_of(who: &Who, user: Option<&str>) -> bool {
    match (who, user) {
        (Who::Everyone, _) | (Who::Anonymous, None) => true,
        (Who::Users(names), Some(user)) => names.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => user.starts_with(start),
            None => user == name,
        }),
        (Who::Anonymous, Some(_)) | (Who::Users(_), None) => false,
    }
}

/// `None` where a name is missing, or would make more of the filter than one level: a client that calls itself `#`.
fn fill_in(filter: &str, user: Option<&str>, client: &str) -> Option<String> {
    let plain = |name: &str| !name.is_empty() && !name.contains(['+', '#', '/', '%']);
    let mut filled = filter.to_owned();
    for (sign, name) in [("%c", Some(client)), ("%u", user)] {
        if filter.contains(sign) {
            filled = filled.replace(sign, name.filter(|name| plain(name))?);
        }
    }
    Some(filled)
}

/// Whether every topic that `asked` matches is matched by `allowed`, too. A topic is a filter that matches itself.
fn covers(allowed: &str, asked: &str) -> bool {
    // Wildcards at the front leave alone what begins with $ [MQTT-4.7.2-1].
    if asked.starts_with('$') && allowed.starts_with(['+', '#']) {
        return false;
    }
    let (mut allowed, mut asked) = (allowed.split('/'), asked.split('/'));
    loop {
        match (allowed.next(), asked.next()) {
            (Some("#"), _) => return true,
            (None, None) => return true,
            // Any one level, but not any number of them.
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_covers_what_it_matches() {
        for (allowed, asked) in [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("a/+", "a/+"),
            ("a/#", "a/b/c"),
            ("a/#", "a"),
            ("a/#", "a/#"),
            ("a/#", "a/+/c"),
            ("#", "#"),
            ("+/b", "/b"),
            ("$SYS/#", "$SYS/broker/uptime"),
        ] {
            assert!(covers(allowed, asked), "{allowed} {asked}");
        }
        for (allowed, asked) in [
            ("a/b", "a/c"),
            ("a/b", "a/+"),
            ("a/b", "a/#"),
            ("a/+", "a/#"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("a/#", "#"),
            ("a/#", "+/b"),
            ("a/#", "ab"),
            ("#", "$SYS/broker/uptime"),
            ("+/broker", "$SYS/broker"),
        ] {
            assert!(!covers(allowed, asked), "{allowed} {asked}");
        }
    }

    /// `covers` against its definition, over all short filters and topics of a small alphabet.
    #[test]
    fn covering_is_matching_for_every_topic() {
        fn words(levels: &[&str], length: usize) -> Vec<String> {
            let mut all: Vec<String> = levels.iter().map(|level| (*level).to_owned()).collect();
            let mut last = all.clone();
            for _ in 1..length {
                last = last.iter().flat_map(|word| levels.iter().map(move |level| format!("{word}/{level}"))).collect();
                all.extend(last.clone());
            }
            all
        }
        fn matches(filter: &[&str], topic: &[&str]) -> bool {
            match (filter, topic) {
                (["#"], _) | ([], []) => true,
                (["+", filter @ ..], [_, topic @ ..]) => matches(filter, topic),
                ([one, filter @ ..], [other, topic @ ..]) => one == other && matches(filter, topic),
                _ => false,
            }
        }
        let is_filter = |word: &String| !word.contains("#/");
        let filters: Vec<String> = words(&["a", "b", "+", "#"], 3).into_iter().filter(is_filter).collect();
        let topics = words(&["a", "b", "c"], 4);
        for allowed in &filters {
            let allowed_levels: Vec<&str> = allowed.split('/').collect();
            for asked in &filters {
                let asked_levels: Vec<&str> = asked.split('/').collect();
                let by_topics = topics.iter().all(|topic| {
                    let topic: Vec<&str> = topic.split('/').collect();
                    !matches(&asked_levels, &topic) || matches(&allowed_levels, &topic)
                });
                // The one pair that is another way to write the same: refused, which is the safe side.
                let same_by_chance = allowed == "+/#" && asked == "#";
                assert_eq!(covers(allowed, asked), by_topics && !same_by_chance, "{allowed} {asked}");
            }
        }
    }

    #[test]
    fn topics_of_the_server() {
        for topic in ["$SYS", "$SYS/broker/uptime", "$SYS/broker/connection/b/state/x", "$share/g/a", "$share"] {
            assert!(is_the_servers(topic), "{topic}");
        }
        for topic in
            ["$SYS/broker/connection/plant.b/state", "$aws/things/press-7/shadow/update", "$SYSTEM/a", "$", "a/$SYS"]
        {
            assert!(!is_the_servers(topic), "{topic}");
        }
    }

    #[test]
    fn names_are_put_in_and_never_widen() {
        assert_eq!(fill_in("dev/%c/#", None, "press-7").as_deref(), Some("dev/press-7/#"));
        assert_eq!(fill_in("u/%u/%c", Some("ada"), "c1").as_deref(), Some("u/ada/c1"));
        assert_eq!(fill_in("u/%u", None, "c1"), None);
        for client in ["#", "+", "a/b", "", "%u"] {
            assert_eq!(fill_in("dev/%c/x", Some("ada"), client), None, "{client}");
        }
    }

    #[test]
    fn rules_add_up() {
        let rule = |who, publish: &[&str], subscribe: &[&str]| AclRule {
            who,
            publish: publish.iter().map(|filter| (*filter).to_owned()).collect(),
            subscribe: subscribe.iter().map(|filter| (*filter).to_owned()).collect(),
        };
        let rules = [
            rule(Who::Everyone, &["pub/%c"], &[]),
            rule(Who::Users(vec!["press-*".to_owned(), "ada".to_owned()]), &["u/%u/#"], &["cmd/%u"]),
            rule(Who::Anonymous, &[], &["news"]),
        ];
        let of = |user, client| match grant(&rules, user, client) {
            Granted::Only { publish, subscribe } => (publish.join(" "), subscribe.join(" ")),
            Granted::Everything => panic!("there are rules"),
        };
        assert_eq!(of(Some("press-7"), "c"), ("pub/c u/press-7/#".to_owned(), "cmd/press-7".to_owned()));
        assert_eq!(of(Some("eve"), "c"), ("pub/c".to_owned(), String::new()));
        assert_eq!(of(None, "c"), ("pub/c".to_owned(), "news".to_owned()));
    }
}
