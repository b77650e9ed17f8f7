//! Who wants which topic: a tree of filter levels, with the groups of shared subscriptions. Pure; a naive matcher
//! stands beside it in the tests.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::inbound::Options;

/// One subscription of one session, which is known by its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subscription {
    pub slot: u32,
    pub options: Options,
    /// Subscription identifier; 0: none.
    pub id: u32,
}

/// The members of one `$share/name/filter`.
#[derive(Debug)]
pub(super) struct Group {
    pub name: Arc<str>,
    pub members: Vec<Subscription>,
    /// Whose turn it is.
    pub next: usize,
}

/// What takes a topic. Kept from message to message, so that finding allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub subscriptions: Vec<Subscription>,
    /// Numbers of groups.
    pub groups: Vec<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Node,
    groups: Vec<Option<Group>>,
    /// Numbers of groups that are no more.
    free: Vec<u32>,
    by_name: HashMap<Arc<str>, u32>,
    count: usize,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    any_one: Option<Box<Node>>,
    any_rest: Leaf,
    here: Leaf,
}

#[derive(Debug, Default)]
struct Leaf {
    subscriptions: Vec<Subscription>,
    groups: Vec<u32>,
}

impl Leaf {
    fn is_empty(&self) -> bool {
        self.subscriptions.is_empty() && self.groups.is_empty()
    }

    fn add_to(&self, found: &mut Found) {
        found.subscriptions.extend(&self.subscriptions);
        found.groups.extend(&self.groups);
    }
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any_one.is_none() && self.any_rest.is_empty() && self.here.is_empty()
    }

    /// The leaf under the rest of a filter, made where it is missing.
    fn leaf(&mut self, filter: Option<&str>) -> &mut Leaf {
        let Some(filter) = filter else { return &mut self.here };
        let (level, rest) = split(filter);
        match level {
            "#" => &mut self.any_rest,
            "+" => self.any_one.get_or_insert_default().leaf(rest),
            _ => self.children.entry(level.into()).or_default().leaf(rest),
        }
    }

    /// Lets `take` take something from the leaf under the rest of a filter, and takes away nodes that are empty then.
    fn prune(&mut self, filter: Option<&str>, take: &mut dyn FnMut(&mut Leaf)) {
        let Some(filter) = filter else { return take(&mut self.here) };
        let (level, rest) = split(filter);
        match level {
            "#" => take(&mut self.any_rest),
            "+" => {
                let Some(node) = &mut self.any_one else { return };
                node.prune(rest, take);
                if node.is_empty() {
                    self.any_one = None;
                }
            }
            _ => {
                let Some(node) = self.children.get_mut(level) else { return };
                node.prune(rest, take);
                if node.is_empty() {
                    self.children.remove(level);
                }
            }
        }
    }

    fn find(&self, topic: Option<&str>, wildcards: bool, found: &mut Found) {
        if wildcards {
            self.any_rest.add_to(found);
        }
        let Some(topic) = topic else { return self.here.add_to(found) };
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

/// Puts it in, in place of the one of the same session; true if that is new.
fn put(subscriptions: &mut Vec<Subscription>, subscription: Subscription) -> bool {
    match subscriptions.iter_mut().find(|other| other.slot == subscription.slot) {
        Some(other) => {
            *other = subscription;
            false
        }
        None => {
            subscriptions.push(subscription);
            true
        }
    }
}

fn take(subscriptions: &mut Vec<Subscription>, slot: u32) -> bool {
    let at = subscriptions.iter().position(|subscription| subscription.slot == slot);
    at.map(|at| subscriptions.remove(at)).is_some()
}

/// The filter of `$share/name/filter`.
pub(super) fn shared_filter(filter: &str) -> Option<&str> {
    filter.strip_prefix("$share/").map(|rest| rest.split_once('/').map_or("", |(_, filter)| filter))
}

impl Tree {
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds or replaces; true if it is new.
    pub fn insert(&mut self, filter: &str, subscription: Subscription) -> bool {
        let new = match shared_filter(filter) {
            None => put(&mut self.root.leaf(Some(filter)).subscriptions, subscription),
            Some(shared) => {
                let number = self.by_name.get(filter).copied().unwrap_or_else(|| self.make_group(filter, shared));
                self.group_mut(number).is_some_and(|group| put(&mut group.members, subscription))
            }
        };
        self.count += usize::from(new);
        new
    }

    fn make_group(&mut self, name: &str, filter: &str) -> u32 {
        let name: Arc<str> = name.into();
        let group = Group { name: Arc::clone(&name), members: Vec::new(), next: 0 };
        let number = self.free.pop().unwrap_or_else(|| {
            self.groups.push(None);
            (self.groups.len() - 1) as u32
        });
        self.groups[number as usize] = Some(group);
        self.by_name.insert(name, number);
        self.root.leaf(Some(filter)).groups.push(number);
        number
    }

    pub fn remove(&mut self, filter: &str, slot: u32) -> bool {
        let removed = match shared_filter(filter) {
            None => {
                let mut removed = false;
                self.root.prune(Some(filter), &mut |leaf| removed = take(&mut leaf.subscriptions, slot));
                removed
            }
            Some(shared) => self.remove_member(filter, shared, slot),
        };
        self.count -= usize::from(removed);
        removed
    }

    fn remove_member(&mut self, name: &str, filter: &str, slot: u32) -> bool {
        let Some(number) = self.by_name.get(name).copied() else { return false };
        let Some(group) = self.group_mut(number) else { return false };
        let removed = take(&mut group.members, slot);
        if group.members.is_empty() {
            self.groups[number as usize] = None;
            self.free.push(number);
            self.by_name.remove(name);
            self.root.prune(Some(filter), &mut |leaf| leaf.groups.retain(|other| *other != number));
        }
        removed
    }

    pub fn group_mut(&mut self, number: u32) -> Option<&mut Group> {
        self.groups.get_mut(number as usize)?.as_mut()
    }

    pub fn group_named(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Every subscription and group that takes the topic. Wildcards leave topics that begin with `$` alone
    /// ([MQTT-4.7.2-1]).
    pub fn find(&self, topic: &str, found: &mut Found) {
        found.subscriptions.clear();
        found.groups.clear();
        self.root.find(Some(topic), !topic.starts_with('$'), found);
    }
}

/// Whether a filter (without `$share`) takes a topic.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut topic) = (Some(filter), Some(topic));
    loop {
        match (filter.map(split), topic.map(split)) {
            (Some(("#", None)), _) => return true,
            (Some((wanted, filter_rest)), Some((level, topic_rest))) if wanted == "+" || wanted == level => {
                (filter, topic) = (filter_rest, topic_rest);
            }
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// What makes a filter unfit (specification section 4.7 and 4.8.2).
pub(super) fn filter_is_valid(filter: &str, levels_max: usize) -> bool {
    let filter = match filter.strip_prefix("$share/") {
        None => filter,
        Some(rest) => match rest.split_once('/') {
            Some((name, filter)) if !name.is_empty() && !name.contains(['+', '#']) => filter,
            _ => return false,
        },
    };
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

    fn subscription(slot: u32) -> Subscription {
        Subscription { slot, options: Options::default(), id: 0 }
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_the_naive_matcher_finds(
            filters in prop::collection::vec("(\\$share/[gh]/)?(a|b|\\+|\\$s|)(/(a|b|\\+|)){0,3}(/#)?", 1..12),
            topics in prop::collection::vec("(a|b|\\$s|)(/(a|b|)){0,4}", 1..12),
            removed in any::<prop::sample::Index>(),
        ) {
            let mut tree = Tree::default();
            let filters = filters.into_iter().filter(|filter| filter_is_valid(filter, 32));
            let mut wanted: Vec<(String, u32)> = filters.zip(0..).collect();
            for (filter, slot) in &wanted {
                prop_assert!(tree.insert(filter, subscription(*slot)));
                prop_assert!(!tree.insert(filter, subscription(*slot)));
            }
            if !wanted.is_empty() {
                let (filter, gone) = wanted.remove(removed.index(wanted.len()));
                prop_assert!(tree.remove(&filter, gone));
                prop_assert!(!tree.remove(&filter, gone));
            }
            let mut found = Found::default();
            for topic in &topics {
                tree.find(topic, &mut found);
                let mut slots: Vec<u32> = found.subscriptions.iter().map(|found| found.slot).collect();
                for group in found.groups.clone() {
                    slots.extend(tree.group_mut(group).unwrap().members.iter().map(|member| member.slot));
                }
                slots.sort_unstable();
                let plain = |filter: &str| shared_filter(filter).unwrap_or(filter).to_owned();
                let takes = |(filter, slot): &(String, u32)| naive(&plain(filter), topic).then_some(*slot);
                prop_assert_eq!(slots, wanted.iter().filter_map(takes).collect::<Vec<_>>(), "{}", topic);
                for (filter, _) in &wanted {
                    prop_assert_eq!(matches(&plain(filter), topic), naive(&plain(filter), topic), "{} {}", filter, topic);
                }
            }
            for (filter, slot) in &wanted {
                tree.remove(filter, *slot);
            }
            prop_assert!(tree.root.is_empty() && tree.is_empty() && tree.by_name.is_empty(), "nothing is left behind");
        }
    }

    #[test]
    fn filters_are_checked() {
        for right in ["a", "/", "+", "#", "a/+/b/#", "$SYS/#", "a//b", "$share/g/a", "$share/g//", "$share/g/#"] {
            assert!(filter_is_valid(right, 32), "{right}");
        }
        for wrong in ["", "a#", "#/a", "a/b+", "+a", "a\0", "$share/g", "$share//a", "$share/g/", "$share/+/a"] {
            assert!(!filter_is_valid(wrong, 32), "{wrong}");
        }
        assert!(!filter_is_valid("a/b/c", 2));
    }
}
