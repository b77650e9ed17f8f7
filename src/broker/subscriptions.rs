//! Who wants which topic: a tree of filter levels. Pure; a naive matcher stands beside it in the tests.

use std::collections::HashMap;
use std::sync::Arc;

use super::outbox::Outbox;

/// One subscription of one connected client.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub outbox: Arc<Outbox>,
    /// 0 or 1: the most this client gets.
    pub qos: u8,
    pub no_local: bool,
    pub retain_as_published: bool,
}

#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    any_one: Option<Box<Node>>,
    any_rest: Vec<Subscription>,
    here: Vec<Subscription>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any_one.is_none() && self.any_rest.is_empty() && self.here.is_empty()
    }

    /// The subscriptions under the rest of a filter, made where they are missing.
    fn slot(&mut self, filter: Option<&str>) -> &mut Vec<Subscription> {
        let Some(filter) = filter else { return &mut self.here };
        let (level, rest) = split(filter);
        match level {
            "#" => &mut self.any_rest,
            "+" => self.any_one.get_or_insert_default().slot(rest),
            _ => self.children.entry(level.into()).or_default().slot(rest),
        }
    }

    /// Takes the client's subscription away, and nodes that are empty then.
    fn remove(&mut self, filter: Option<&str>, outbox: &Arc<Outbox>) -> bool {
        let take = |subscriptions: &mut Vec<Subscription>| {
            let before = subscriptions.len();
            subscriptions.retain(|subscription| !Arc::ptr_eq(&subscription.outbox, outbox));
            subscriptions.len() < before
        };
        let Some(filter) = filter else { return take(&mut self.here) };
        let (level, rest) = split(filter);
        match level {
            "#" => take(&mut self.any_rest),
            "+" => {
                let Some(node) = &mut self.any_one else { return false };
                let removed = node.remove(rest, outbox);
                if node.is_empty() {
                    self.any_one = None;
                }
                removed
            }
            _ => {
                let Some(node) = self.children.get_mut(level) else { return false };
                let removed = node.remove(rest, outbox);
                if node.is_empty() {
                    self.children.remove(level);
                }
                removed
            }
        }
    }

    fn find<'a>(&'a self, topic: Option<&str>, wildcards: bool, found: &mut Vec<&'a Subscription>) {
        if wildcards {
            found.extend(&self.any_rest);
        }
        let Some(topic) = topic else {
            found.extend(&self.here);
            return;
        };
        let (level, rest) = split(topic);
        if let Some(node) = self.children.get(level) {
            node.find(rest, true, found);
        }
        if let Some(node) = self.any_one.as_ref().filter(|_| wildcards) {
            node.find(rest, true, found);
        }
    }
}

fn split(levels: &str) -> (&str, Option<&str>) {
    match levels.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (levels, None),
    }
}

impl Tree {
    /// Adds or replaces; true if it is new.
    pub fn insert(&mut self, filter: &str, subscription: Subscription) -> bool {
        let slot = self.root.slot(Some(filter));
        match slot.iter_mut().find(|other| Arc::ptr_eq(&other.outbox, &subscription.outbox)) {
            Some(other) => {
                *other = subscription;
                false
            }
            None => {
                slot.push(subscription);
                true
            }
        }
    }

    pub fn remove(&mut self, filter: &str, outbox: &Arc<Outbox>) -> bool {
        self.root.remove(Some(filter), outbox)
    }

    /// Every subscription that takes the topic. Wildcards leave topics that begin with `$` alone ([MQTT-4.7.2-1]).
    pub fn find(&self, topic: &str) -> Vec<&Subscription> {
        let mut found = Vec::new();
        self.root.find(Some(topic), !topic.starts_with('$'), &mut found);
        found
    }
}

/// What makes a filter unfit (specification section 4.7).
pub(super) fn filter_is_valid(filter: &str, levels_max: usize) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    !filter.is_empty()
        && !filter.contains('\0')
        && levels.len() <= levels_max
        && levels.iter().enumerate().all(|(at, level)| match *level {
            "+" => true,
            "#" => at == last,
            _ => !level.contains(['+', '#']),
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::acks::Acks;
    use super::*;

    fn naive(filter: &str, topic: &str) -> bool {
        let (filter, topic): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), topic.split('/').collect());
        if topic[0].starts_with('$') && ["+", "#"].contains(&filter[0]) {
            return false;
        }
        for (at, level) in filter.iter().enumerate() {
            match *level {
                "#" => return true,
                _ if at >= topic.len() => return false,
                "+" => {}
                level if level != topic[at] => return false,
                _ => {}
            }
        }
        filter.len() == topic.len()
    }

    fn subscription() -> Subscription {
        let outbox = Arc::new(Outbox::new("c".into(), Acks::new(), 10, 1_000));
        Subscription { outbox, qos: 0, no_local: false, retain_as_published: false }
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_the_naive_matcher_finds(
            filters in prop::collection::vec("(a|b|\\+|\\$s|)(/(a|b|\\+|)){0,3}(/#)?", 1..12),
            topics in prop::collection::vec("(a|b|\\$s|)(/(a|b|)){0,4}", 1..12),
            removed in any::<prop::sample::Index>(),
        ) {
            let filters: Vec<String> = filters.into_iter().filter(|filter| filter_is_valid(filter, 32)).collect();
            let mut tree = Tree::default();
            let mut wanted: Vec<(String, Subscription)> = filters.into_iter().map(|filter| (filter, subscription())).collect();
            for (filter, subscription) in &wanted {
                prop_assert!(tree.insert(filter, subscription.clone()));
                prop_assert!(!tree.insert(filter, subscription.clone()));
            }
            if !wanted.is_empty() {
                let (filter, gone) = wanted.remove(removed.index(wanted.len()));
                prop_assert!(tree.remove(&filter, &gone.outbox));
                prop_assert!(!tree.remove(&filter, &gone.outbox));
            }
            for topic in &topics {
                let found = tree.find(topic).len();
                prop_assert_eq!(found, wanted.iter().filter(|(filter, _)| naive(filter, topic)).count(), "{}", topic);
            }
            for (filter, subscription) in &wanted {
                tree.remove(filter, &subscription.outbox);
            }
            prop_assert!(tree.root.is_empty(), "nothing is left behind");
        }
    }

    #[test]
    fn filters_are_checked() {
        for right in ["a", "/", "+", "#", "a/+/b/#", "$SYS/#", "a//b"] {
            assert!(filter_is_valid(right, 32), "{right}");
        }
        for wrong in ["", "a#", "#/a", "a/b+", "+a", "a\0"] {
            assert!(!filter_is_valid(wrong, 32), "{wrong}");
        }
        assert!(!filter_is_valid("a/b/c", 2));
    }
}
