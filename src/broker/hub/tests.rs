//! The hub with a real store under it and clients without sockets. Time is what the tests say; a restart opens the
//! store again, with or without the last commits.

#![allow(clippy::disallowed_methods)] // One instant, from which the tests count.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::access::Access;
use super::super::connect::ends;
use super::super::inbound::{Close, Connect, Filter, Options, Parting, Will};
use super::super::link::{Order, Welcome};
use super::super::outbox::{Delivery, Outbox};
use super::super::{Counters, Mutex};
use super::*;
use crate::config::{self, BrokerLimits};
use crate::store::{Commit, Faults, Settings, Store};

/// A gateway: what a tick does to the hub, the pipeline does the same way.
struct World {
    directory: tempfile::TempDir,
    store: Option<Store>,
    hub: Option<Hub>,
    limits: BrokerLimits,
    start: Instant,
    seconds: u64,
    /// What came out for the sources: topics and payloads.
    sources: Vec<String>,
}

/// A client as the hub sees it.
struct Client {
    link: Arc<Link>,
    outbox: Arc<Outbox>,
    welcome: Welcome,
}

fn settings(directory: &tempfile::TempDir) -> Settings {
    Settings {
        data_dir: directory.path().to_owned(),
        size_max_bytes: 1 << 30,
        commit_interval: Duration::ZERO,
        logs: Vec::new(),
        faults: Faults::default(),
    }
}

impl World {
    fn new(limits: BrokerLimits) -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let mut world =
            World { directory, store: None, hub: None, limits, start: Instant::now(), seconds: 0, sources: Vec::new() };
        world.start();
        world
    }

    fn start(&mut self) {
        let (store, opened) = Store::open(settings(&self.directory)).expect("the store opens");
        let restored = Restored::read(&store, &opened).expect("the rows can be read");
        assert_eq!(restored.damaged, 0);
        let (to_pipeline, _) = tokio::sync::mpsc::channel(1);
        let (_, stop) = tokio::sync::watch::channel(false);
        let access = Access::new(&config::Access::default(), Arc::new(|| None)).expect("nothing to read");
        let shared = Shared::new(self.limits.clone(), access, to_pipeline, stop);
        let shared = Arc::new(Shared { warned: Mutex::new(Some(Instant::now())), ..shared });
        let reader = store.reader().expect("a reader");
        self.hub = Some(Hub::new(shared, reader, restored, self.now(), self.wall()));
        self.store = Some(store);
        self.tick(Vec::new());
    }

    /// What a power cut does: what was committed is there.
    fn crash(&mut self) {
        (self.hub, self.store) = (None, None);
        self.start();
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.seconds)
    }

    fn wall(&self) -> i64 {
        1_700_000_000_000 + self.seconds as i64 * 1_000
    }

    fn hub(&mut self) -> &mut Hub {
        self.hub.as_mut().expect("it runs")
    }

    fn counters(&self) -> &Counters {
        &self.hub.as_ref().expect("it runs").shared.counters
    }

    /// One tick with these items, committed and released; and as many more as the hub asks for.
    fn tick(&mut self, items: Vec<(Arc<Link>, Item)>) {
        let mut items: Vec<(Arc<Link>, Item)> = items;
        loop {
            let (now, wall) =
                (self.now(), Now { millis: self.wall(), trusted: true, after: crate::model::After::Tick });
            let hub = self.hub.as_mut().expect("it runs");
            let due = hub.begin(now, wall);
            let due = due.into_iter().flat_map(|one| {
                let link = Arc::clone(&one.connection);
                one.items.into_iter().map(move |item| (Arc::clone(&link), item))
            });
            let mut acks = Vec::new();
            for (link, item) in due.chain(items.drain(..)).collect::<Vec<_>>() {
                match item {
                    Item::Control(control) => hub.take(&link, control),
                    Item::Publish(publish) => {
                        if hub.publish(&link, &publish) {
                            let payload = String::from_utf8_lossy(&publish.payload).into_owned();
                            self.sources.push(format!("{} {payload}", publish.topic_str()));
                        }
                    }
                }
                acks.push(link);
            }
            let finished = hub.finish(false, true);
            let more = hub.has_more();
            let commit = Commit { rows: finished.rows, meta: finished.meta, ..Commit::default() };
            self.store.as_mut().expect("it runs").commit(&commit).expect("it commits");
            finished.after.release();
            acks.iter().for_each(|link| link.committed(1));
            if !more {
                return;
            }
        }
    }

    fn ask(&mut self, link: &Arc<Link>, ask: Ask) {
        self.tick(vec![(Arc::clone(link), Item::Control(Control(ask)))]);
    }

    fn connect_with(
        &mut self,
        name: &str,
        clean: bool,
        expiry_s: u32,
        receive_maximum: u16,
        will: Option<Will>,
    ) -> Client {
        let link = Link::new(name.into());
        let outbox =
            Arc::new(Outbox::new(Arc::clone(&link), self.limits.queue_messages_max, self.limits.queue_bytes_max));
        let connect = Connect { clean, expiry_s, receive_maximum, user: None, will, outbox: Arc::clone(&outbox) };
        self.ask(&link, Ask::Connect(Box::new(connect)));
        let Some(Answer::Welcome(welcome)) = link.take_answer() else { panic!("no welcome") };
        Client { link, outbox, welcome }
    }

    fn connect(&mut self, name: &str, clean: bool, expiry_s: u32) -> Client {
        self.connect_with(name, clean, expiry_s, 10, None)
    }

    fn subscribe_with(&mut self, client: &Client, filter: Filter, id: u32) -> u8 {
        let subscribe = Subscribe { filters: vec![filter], id, v5: true };
        self.ask(&client.link, Ask::Subscribe(Box::new(subscribe)));
        let Some(Answer::Codes(codes)) = client.link.take_answer() else { panic!("no codes") };
        codes[0]
    }

    fn subscribe(&mut self, client: &Client, path: &str, qos: u8) -> u8 {
        self.subscribe_with(client, filter(path, qos), 0)
    }

    fn publish_item(publish: Publish) -> (Arc<Link>, Item) {
        (Link::new("".into()), Item::Publish(publish))
    }

    fn publish(&mut self, topic: &str, payload: &str, qos: u8) {
        self.tick(vec![Self::publish_item(Publish::new(topic.to_owned(), payload.to_owned(), qos))]);
    }

    fn retain(&mut self, topic: &str, payload: &str) {
        let publish = Publish { retain: true, ..Publish::new(topic.to_owned(), payload.to_owned(), 1) };
        self.tick(vec![Self::publish_item(publish)]);
    }

    fn acknowledge(&mut self, client: &Client, step: Step, packet_id: u16) {
        self.tick(vec![acknowledgement(client, step, packet_id)]);
    }

    fn close(&mut self, client: &Client, parting: Parting) {
        let mut undelivered = Vec::new();
        for outgoing in client.outbox.close() {
            if let Outgoing::Publish(delivery) = outgoing {
                if delivery.is_shared() && delivery.packet_id == 0 {
                    undelivered.push(delivery);
                }
            }
        }
        self.ask(&client.link, Ask::Close(Box::new(Close { parting, expiry_s: None, undelivered })));
    }

    fn rows(&self, table: Table) -> usize {
        let mut count = 0;
        self.store.as_ref().expect("it runs").each_row(table, |_, _| count += 1).expect("readable");
        count
    }
}

fn acknowledgement(client: &Client, step: Step, packet_id: u16) -> (Arc<Link>, Item) {
    let ask = Ask::Acknowledge { step, packet_id, refused: false };
    (Arc::clone(&client.link), Item::Control(Control(ask)))
}

fn filter(path: &str, qos: u8) -> Filter {
    let options = Options { qos, ..Options::default() };
    Filter { path: path.to_owned(), options, retain_handling: RetainHandling::Send, allowed: true }
}

/// What has come out of the outbox, as texts.
fn texts(client: &Client) -> Vec<String> {
    let text = |outgoing: Outgoing| match outgoing {
        Outgoing::Publish(Delivery { publish, qos, retain, dup, packet_id, extra }) => {
            let ids = extra.map(|extra| extra.ids.clone()).unwrap_or_default();
            let ids: String = ids.iter().map(|id| format!(" #{id}")).collect();
            let payload = String::from_utf8_lossy(&publish.payload).into_owned();
            let (retain, dup) = (if retain { " retained" } else { "" }, if dup { " dup" } else { "" });
            format!("{} {payload} q{qos} id{packet_id}{retain}{dup}{ids}", publish.topic_str())
        }
        Outgoing::Release(packet_id) => format!("pubrel id{packet_id}"),
        Outgoing::More => "more".to_owned(),
    };
    std::iter::from_fn(|| client.outbox.next(true)).map(|(outgoing, _)| text(outgoing)).collect()
}

#[test]
fn a_session_outlives_its_connection_and_the_process_and_ends_when_its_time_is_over() {
    let mut world = World::new(BrokerLimits::default());
    let client = world.connect("a", false, 100);
    assert!(!client.welcome.session_present && client.welcome.durable);
    assert_eq!(world.subscribe(&client, "t/#", 1), 1);
    world.close(&client, Parting::Broken);
    world.publish("t/1", "while away", 1);
    world.publish("t/1", "lost at QoS 0", 0);
    world.crash();
    world.publish("t/2", "after the restart", 2);
    let client = world.connect("a", false, 100);
    assert!(client.welcome.session_present);
    assert_eq!(texts(&client), ["t/1 while away q1 id1", "t/2 after the restart q1 id2"]);
    world.acknowledge(&client, Step::Acknowledged, 1);
    world.crash();
    let client = world.connect("a", false, 100);
    assert_eq!(texts(&client), ["t/2 after the restart q1 id2 dup"]);
    world.acknowledge(&client, Step::Acknowledged, 2);
    assert_eq!((world.rows(Table::Message), world.rows(Table::Session)), (0, 1));
    world.close(&client, Parting::Farewell);
    world.seconds += 99;
    world.tick(Vec::new());
    assert_eq!(world.rows(Table::Session), 1);
    world.seconds += 2;
    world.tick(Vec::new());
    for table in Table::ALL {
        assert_eq!(world.rows(table), 0, "{table:?}");
    }
    assert!(!world.connect("a", false, 100).welcome.session_present);
}

#[test]
fn a_session_expires_while_the_gateway_is_off_and_clean_start_forgets() {
    let mut world = World::new(BrokerLimits::default());
    for name in ["a", "b"] {
        let client = world.connect(name, false, 100);
        world.subscribe(&client, "t", 1);
    }
    world.crash();
    assert!(world.connect("a", false, 100).welcome.session_present, "its time ran from the restart");
    let clean = world.connect("a", true, 100);
    assert!(!clean.welcome.session_present);
    world.publish("t", "x", 1);
    assert_eq!(texts(&clean), [] as [&str; 0], "its subscriptions are gone");
    (world.hub, world.store) = (None, None);
    world.seconds += 101;
    world.start();
    assert!(!world.connect("b", false, 100).welcome.session_present);
}

#[test]
fn a_session_without_expiry_leaves_nothing_behind() {
    let mut world = World::new(BrokerLimits::default());
    let client = world.connect("a", true, 0);
    assert!(!client.welcome.durable);
    world.subscribe(&client, "t", 2);
    world.publish("t", "live", 2);
    assert_eq!(texts(&client), ["t live q2 id0"], "the connection gives the packet id");
    for table in Table::ALL {
        assert_eq!(world.rows(table), 0, "{table:?}");
    }
    world.close(&client, Parting::Broken);
    assert!(world.hub().tree.is_empty());
    assert_eq!(world.counters().subscriptions.load(Ordering::Relaxed), 0);
    assert!(!world.connect("a", false, 100).welcome.session_present);
}

#[test]
fn a_message_is_stored_once_for_all_sessions_and_goes_with_the_last() {
    let mut world = World::new(BrokerLimits::default());
    for name in ["a", "b", "c"] {
        let client = world.connect(name, false, 100);
        world.subscribe(&client, "t", 1);
        world.close(&client, Parting::Broken);
    }
    world.publish("t", "one", 1);
    assert_eq!(world.rows(Table::Message), 1);
    for (left, name) in [(1, "a"), (1, "b"), (0, "c")] {
        let client = world.connect(name, false, 100);
        assert_eq!(texts(&client), ["t one q1 id1"]);
        world.acknowledge(&client, Step::Acknowledged, 1);
        assert_eq!(world.rows(Table::Message), left, "{name}");
    }
}

#[test]
fn a_full_session_takes_no_more_and_others_do() {
    let limits = BrokerLimits { queue_messages_max: 2, stored_messages_max: 3, ..BrokerLimits::default() };
    let mut world = World::new(limits);
    let clients: Vec<Client> = ["a", "b"].map(|name| world.connect(name, false, 100)).into();
    world.subscribe(&clients[0], "#", 1);
    world.subscribe(&clients[1], "b", 1);
    clients.iter().for_each(|client| world.close(client, Parting::Broken));
    for topic in ["1", "2", "3", "b", "b"] {
        world.publish(topic, "x", 1);
    }
    // "3" was too many for a, the first "b" too; the second "b" was too many for the store.
    assert_eq!(world.counters().dropped_session_full.load(Ordering::Relaxed), 4);
    let a = world.connect("a", false, 100);
    assert_eq!(texts(&a), ["1 x q1 id1", "2 x q1 id2"]);
    let b = world.connect("b", false, 100);
    assert_eq!(texts(&b), ["b x q1 id1"]);
}

#[test]
fn messages_wait_no_longer_than_they_may() {
    let limits = BrokerLimits { queue_age_max: Duration::from_secs(50), ..BrokerLimits::default() };
    let mut world = World::new(limits);
    let client = world.connect("a", false, 1_000);
    world.subscribe(&client, "t", 1);
    world.close(&client, Parting::Broken);
    let expiring = Publish { expires_at: ends(world.now(), Some(10)), ..Publish::new("t", "short", 1) };
    world.tick(vec![World::publish_item(expiring)]);
    world.publish("t", "long", 1);
    world.crash();
    world.seconds += 11;
    let client = world.connect("a", false, 1_000);
    assert_eq!(texts(&client), ["t long q1 id1"]);
    world.close(&client, Parting::Broken);
    world.publish("t", "later", 1);
    world.seconds += 45;
    world.tick(Vec::new());
    let client = world.connect("a", false, 1_000);
    assert_eq!(texts(&client), ["t long q1 id1 dup", "t later q1 id2"], "what was begun is finished");
}

#[test]
fn a_window_is_kept_and_what_was_sent_is_sent_again_in_order() {
    let mut world = World::new(BrokerLimits::default());
    let client = world.connect_with("a", false, 100, 2, None);
    world.subscribe(&client, "t", 2);
    for payload in ["1", "2", "3", "4"] {
        world.publish("t", payload, 2);
    }
    assert_eq!(texts(&client), ["t 1 q2 id1", "t 2 q2 id2"]);
    world.acknowledge(&client, Step::Received, 2);
    assert_eq!(texts(&client), ["pubrel id2"]);
    let again = world.connect_with("a", false, 100, 2, None);
    assert_eq!(client.link.ordered(), Order::TakenOver);
    assert_eq!(texts(&again), ["t 1 q2 id1 dup", "pubrel id2"]);
    world.crash();
    let again = world.connect_with("a", false, 100, 2, None);
    assert_eq!(texts(&again), ["t 1 q2 id1 dup", "pubrel id2"]);
    world.acknowledge(&again, Step::Completed, 2);
    assert_eq!(texts(&again), ["t 3 q2 id3"]);
    world.acknowledge(&client, Step::Received, 1);
    assert_eq!(texts(&again), [] as [&str; 0], "an old connection has nothing to say");
}

#[test]
fn inbound_qos_2_is_taken_once_whatever_breaks_and_clean_start_begins_anew() {
    let mut world = World::new(BrokerLimits::default());
    let publish = |payload: &'static str| Publish { packet_id: 7, ..Publish::new("t", payload, 2) };
    let old = world.connect("a", false, 100);
    world.tick(vec![(Arc::clone(&old.link), Item::Publish(publish("1")))]);
    world.crash();
    let new = world.connect("a", false, 100);
    world.tick(vec![(Arc::clone(&new.link), Item::Publish(publish("1")))]);
    assert_eq!(world.sources, ["t 1"]);
    world.ask(&new.link, Ask::Release(7));
    assert_eq!(new.link.take_answer(), Some(Answer::Reason(SUCCESS)));
    world.ask(&new.link, Ask::Release(7));
    assert_eq!(new.link.take_answer(), Some(Answer::Reason(PACKET_ID_NOT_FOUND)));
    // What the old connection left behind must not make the new session's ids its own.
    let clean = world.connect("a", true, 100);
    world.tick(vec![(Arc::clone(&new.link), Item::Publish(publish("2")))]);
    world.tick(vec![(Arc::clone(&clean.link), Item::Publish(publish("3")))]);
    assert_eq!(world.sources, ["t 1", "t 2", "t 3"]);
}

#[test]
fn retained_messages_come_to_new_subscriptions_also_after_a_restart() {
    let mut world = World::new(BrokerLimits::default());
    world.retain("a/1", "old");
    world.retain("a/1", "new");
    world.retain("a/2", "gone");
    world.retain("a/2", "");
    world.retain("b", "other");
    world.crash();
    let client = world.connect("c", true, 0);
    world.subscribe(&client, "a/+", 1);
    assert_eq!(texts(&client), ["a/1 new q1 id0 retained"]);
    world.subscribe(&client, "a/+", 1);
    assert_eq!(texts(&client), ["a/1 new q1 id0 retained"], "again for a subscription made again");
    let handling = |retain_handling| Filter { retain_handling, ..filter("a/+", 0) };
    world.subscribe_with(&client, handling(RetainHandling::SendIfNew), 0);
    world.subscribe_with(&client, Filter { retain_handling: RetainHandling::DoNotSend, ..filter("b", 0) }, 0);
    assert_eq!(texts(&client), [] as [&str; 0]);
    world.retain("a/3", "live");
    assert_eq!(texts(&client), ["a/3 live q0 id0"], "what is live is not marked as retained");
    let options = Options { qos: 0, no_local: false, retain_as_published: true };
    world.subscribe_with(&client, Filter { options, ..handling(RetainHandling::DoNotSend) }, 9);
    world.retain("a/3", "live");
    assert_eq!(texts(&client), ["a/3 live q0 id0 retained #9"]);
    assert_eq!(world.rows(Table::Retained), 3);
}

#[test]
fn retained_messages_expire_also_while_the_gateway_is_off() {
    let mut world = World::new(BrokerLimits::default());
    for (topic, expiry_s) in [("a", 10), ("b", 30), ("c", 100)] {
        let expires_at = ends(world.now(), Some(expiry_s));
        let publish = Publish { retain: true, expires_at, ..Publish::new(topic, "x", 0) };
        world.tick(vec![World::publish_item(publish)]);
    }
    world.seconds += 11;
    world.tick(Vec::new());
    assert_eq!(world.rows(Table::Retained), 2);
    (world.hub, world.store) = (None, None);
    world.seconds += 20;
    world.start();
    let client = world.connect("d", true, 0);
    world.subscribe(&client, "#", 0);
    assert_eq!(texts(&client), ["c x q0 id0 retained"]);
}

#[test]
fn a_great_many_retained_messages_come_in_pieces_and_each_once() {
    const MANY: usize = 3_000;
    let mut world = World::new(BrokerLimits { queue_messages_max: 100, ..BrokerLimits::default() });
    let items = (0..MANY).map(|n| {
        World::publish_item(Publish { retain: true, ..Publish::new(format!("d/{n:05}/state"), format!("{n}"), 1) })
    });
    world.tick(items.collect());
    for (name, expiry_s) in [("passing", 0), ("durable", 100)] {
        let client = world.connect(name, true, expiry_s);
        world.subscribe(&client, "d/+/state", 1);
        let mut seen = BTreeMap::new();
        while seen.len() < MANY {
            let came = texts(&client);
            assert!(!came.is_empty(), "{name}: it stopped at {}", seen.len());
            assert!(came.len() <= 100, "{name}: {} at once", came.len());
            let mut answers = Vec::new();
            for text in came {
                if text == "more" {
                    answers.push((Arc::clone(&client.link), Item::Control(Control(Ask::Drained))));
                    continue;
                }
                let words: Vec<&str> = text.split(' ').collect();
                assert!(seen.insert(words[0].to_owned(), words[1].to_owned()).is_none(), "{name}: {text} twice");
                let packet_id = words[3].strip_prefix("id").expect("an id").parse().expect("a number");
                if packet_id != 0 {
                    answers.push(acknowledgement(&client, Step::Acknowledged, packet_id));
                }
            }
            world.tick(answers);
        }
        assert_eq!(seen["d/00042/state"], "42");
        world.close(&client, Parting::Farewell);
    }
}

fn will(delay_s: u32) -> Will {
    Will { publish: Publish { retain: true, ..Publish::new("will", "gone", 1) }, delay_s, expiry_s: None }
}

#[test]
fn a_will_is_published_unless_its_client_says_farewell_or_comes_back_in_time() {
    let mut world = World::new(BrokerLimits::default());
    let client = world.connect_with("a", true, 0, 10, Some(will(0)));
    world.close(&client, Parting::Farewell);
    assert_eq!((world.sources.len(), world.rows(Table::Will)), (0, 0));
    let client = world.connect_with("a", true, 0, 10, Some(will(0)));
    assert_eq!(world.rows(Table::Will), 1);
    world.close(&client, Parting::Broken);
    assert_eq!(world.sources, ["will gone"]);
    assert_eq!((world.rows(Table::Will), world.rows(Table::Retained)), (0, 1));
    let client = world.connect_with("a", false, 100, 10, Some(will(20)));
    world.close(&client, Parting::Broken);
    world.seconds += 19;
    world.tick(Vec::new());
    let back = world.connect_with("a", false, 100, 10, Some(will(20)));
    world.close(&back, Parting::Broken);
    world.seconds += 19;
    world.tick(Vec::new());
    assert_eq!(world.sources.len(), 1);
    world.seconds += 1;
    world.tick(Vec::new());
    assert_eq!(world.sources.len(), 2);
    // The end of the session is the latest moment.
    let client = world.connect_with("a", false, 5, 10, Some(will(20)));
    world.close(&client, Parting::Broken);
    world.seconds += 5;
    world.tick(Vec::new());
    assert_eq!(world.sources.len(), 3);
}

#[test]
fn whoever_was_connected_when_the_power_went_is_announced_once_its_delay_is_over() {
    let mut world = World::new(BrokerLimits::default());
    let _clean = world.connect_with("clean", true, 0, 10, Some(will(0)));
    let _late = world.connect_with("late", false, 100, 10, Some(will(20)));
    let _back = world.connect_with("back", false, 100, 10, Some(will(20)));
    world.crash();
    assert_eq!(world.sources, ["will gone"], "the session of clean ended with its connection");
    let back = world.connect_with("back", false, 100, 10, None);
    assert!(back.welcome.session_present);
    world.crash();
    world.seconds += 21;
    world.tick(Vec::new());
    assert_eq!(world.sources, ["will gone", "will gone"], "late; and back came back");
    assert_eq!(world.rows(Table::Will), 0);
    world.crash();
    assert_eq!(world.sources.len(), 2, "once");
}

#[test]
fn one_message_for_overlapping_subscriptions_at_the_best_of_them() {
    let mut world = World::new(BrokerLimits::default());
    let client = world.connect("a", true, 0);
    world.subscribe_with(&client, filter("t/#", 0), 3);
    world.subscribe_with(&client, filter("t/+", 2), 4);
    world.publish("t/1", "x", 1);
    assert_eq!(texts(&client), ["t/1 x q1 id0 #4 #3"]);
    let options = Options { qos: 1, no_local: true, retain_as_published: false };
    world.subscribe_with(&client, Filter { options, ..filter("own", 1) }, 0);
    world.tick(vec![(Arc::clone(&client.link), Item::Publish(Publish::new("own", "x", 1)))]);
    assert_eq!(texts(&client), [] as [&str; 0]);
    world.publish("own", "of another", 1);
    assert_eq!(texts(&client), ["own of another q1 id0"]);
}

#[test]
fn shared_subscriptions_take_turns_and_lose_nothing_when_a_member_goes() {
    let mut world = World::new(BrokerLimits::default());
    let members: Vec<Client> = ["a", "b", "c"].map(|name| world.connect(name, true, 0)).into();
    for member in &members {
        world.subscribe(member, "$share/g/t", 1);
    }
    let alone = world.connect("d", true, 0);
    world.subscribe(&alone, "$share/other/t", 1);
    for n in 0..9 {
        world.publish("t", &format!("{n}"), 1);
    }
    assert_eq!(texts(&alone).len(), 9, "another group is its own");
    assert_eq!(texts(&members[0]).len(), 3);
    world.close(&members[1], Parting::Broken);
    let mut left = texts(&members[0]);
    left.extend(texts(&members[2]));
    assert_eq!(left.len(), 6, "the three of the one that went are among them: {left:?}");
    assert_eq!(world.counters().redistributed.load(Ordering::Relaxed), 3);
}

#[test]
fn a_durable_member_that_goes_leaves_what_it_had_not_begun_to_the_others() {
    let mut world = World::new(BrokerLimits::default());
    let a = world.connect_with("a", false, 100, 1, None);
    world.subscribe(&a, "$share/g/t", 2);
    for payload in ["1", "2", "3"] {
        world.publish("t", payload, 2);
    }
    assert_eq!(texts(&a), ["t 1 q2 id1"]);
    let b = world.connect("b", false, 100);
    world.subscribe(&b, "$share/g/t", 2);
    world.close(&a, Parting::Broken);
    assert_eq!(texts(&b), ["t 2 q2 id1", "t 3 q2 id2"]);
    world.crash();
    let a = world.connect("a", false, 100);
    assert_eq!(texts(&a), ["t 1 q2 id1 dup"], "what was begun with it is finished with it ([MQTT-4.8.2-4])");
}

#[test]
fn subscriptions_are_bounded_and_bad_filters_refused() {
    let mut world = World::new(BrokerLimits { subscriptions_per_client_max: 2, ..BrokerLimits::default() });
    let client = world.connect("a", true, 0);
    assert_eq!(world.subscribe(&client, "a/#/b", 0), FILTER_INVALID);
    assert_eq!([world.subscribe(&client, "a", 0), world.subscribe(&client, "b", 1)], [0, 1]);
    assert_eq!(world.subscribe(&client, "c", 0), QUOTA);
    assert_eq!(world.subscribe(&client, "b", 2), 2, "one that is there already may change");
    world.ask(&client.link, Ask::Unsubscribe(vec!["a".into(), "c".into()]));
    assert_eq!(client.link.take_answer(), Some(Answer::Codes(vec![SUCCESS, NO_SUBSCRIPTION_EXISTED])));
    assert_eq!(world.subscribe(&client, "c", 0), 0);
}

/// What a client of the property below has of a message, and what it must have.
#[derive(Default)]
struct Expected {
    must: Vec<String>,
    got: BTreeMap<String, usize>,
    held: std::collections::BTreeSet<u16>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    /// Clients, publishes, answers, lost connections and crashes in any order: each durable subscriber has every message
    /// of QoS 1 at least once and of QoS 2 exactly once.
    #[test]
    fn every_durable_subscriber_has_what_it_must_have(moves in prop::collection::vec((0..7u8, 0..2usize, 1..3u8), 0..60)) {
        let mut world = World::new(BrokerLimits::default());
        let names = ["a", "b"];
        let mut clients: Vec<Option<Client>> = Vec::new();
        let mut expected = [Expected::default(), Expected::default()];
        for name in names {
            let client = world.connect_with(name, false, 1_000, 2, None);
            world.subscribe(&client, "t", 2);
            clients.push(Some(client));
        }
        let mut number = 0;
        let finish = (0..400).map(|n| (if n % 8 == 0 { 3 } else { 2 }, n / 8 % 2, 1));
        for (step, who, qos) in moves.into_iter().chain(finish) {
            match step {
                0 | 1 => {
                    number += 1;
                    let payload = format!("{number}/{qos}");
                    world.publish("t", &payload, qos);
                    expected.iter_mut().for_each(|one| one.must.push(payload.clone()));
                }
                2 => {
                    let Some(client) = &clients[who] else { continue };
                    let mut answers = Vec::new();
                    for text in texts(client) {
                        let one = &mut expected[who];
                        if let Some(packet_id) = text.strip_prefix("pubrel id") {
                            let packet_id = packet_id.parse().unwrap();
                            one.held.remove(&packet_id);
                            answers.push(acknowledgement(client, Step::Completed, packet_id));
                            continue;
                        }
                        let words: Vec<&str> = text.split(' ').collect();
                        let packet_id: u16 = words[3].strip_prefix("id").unwrap().parse().unwrap();
                        if words[2] == "q1" || one.held.insert(packet_id) {
                            *one.got.entry(words[1].to_owned()).or_default() += 1;
                        }
                        let step = if words[2] == "q1" { Step::Acknowledged } else { Step::Received };
                        answers.push(acknowledgement(client, step, packet_id));
                    }
                    world.tick(answers);
                }
                3 => {
                    if clients[who].is_none() {
                        let client = world.connect_with(names[who], false, 1_000, 2, None);
                        prop_assert!(client.welcome.session_present);
                        clients[who] = Some(client);
                    }
                }
                4 => {
                    if let Some(client) = clients[who].take() {
                        world.close(&client, Parting::Broken);
                    }
                }
                5 => {
                    world.crash();
                    clients = vec![None, None];
                }
                _ => world.seconds += 1,
            }
        }
        for one in &expected {
            for payload in &one.must {
                let times = one.got.get(payload).copied().unwrap_or(0);
                let right = if payload.ends_with("/2") { times == 1 } else { times >= 1 };
                prop_assert!(right, "{} came {} times", payload, times);
            }
        }
        prop_assert_eq!(world.rows(Table::Message), 0);
    }
}

#[test]
fn retained_messages_that_were_due_when_the_power_went_still_come() {
    let mut world = World::new(BrokerLimits { queue_messages_max: 4, ..BrokerLimits::default() });
    for topic in ["r/1", "r/2", "r/3", "r/4", "r/5", "r/6", "r/7", "r/8"] {
        world.retain(topic, "kept");
    }
    let client = world.connect_with("a", false, 100, 1, None);
    world.subscribe(&client, "r/#", 1);
    assert!(texts(&client).len() < 8, "they come as the client takes them");
    world.crash();
    let mut topics = std::collections::BTreeSet::new();
    let client = world.connect_with("a", false, 100, 10, None);
    for _ in 0..20 {
        for text in texts(&client) {
            if text == "more" {
                world.ask(&client.link, Ask::Drained);
                continue;
            }
            let mut words = text.split(' ');
            topics.insert(words.next().expect("a topic").to_owned());
            let id = words.find_map(|word| word.strip_prefix("id")).expect("a packet id");
            world.acknowledge(&client, Step::Acknowledged, id.parse().expect("a number"));
        }
    }
    assert_eq!(topics.len(), 8, "{topics:?}");
    // Now that it has them all, they are not due again.
    world.crash();
    let client = world.connect("a", false, 100);
    assert_eq!(texts(&client), [""; 0]);
}

#[test]
fn what_another_member_of_the_group_has_does_not_come_again_after_a_crash() {
    let mut world = World::new(BrokerLimits::default());
    let ordinary = world.connect("ordinary", false, 100);
    world.subscribe(&ordinary, "t", 1);
    world.close(&ordinary, Parting::Broken);
    let first = world.connect_with("first", false, 100, 1, None);
    world.subscribe(&first, "$share/g/t", 1);
    for payload in ["1", "2", "3"] {
        world.publish("t", payload, 1);
    }
    // One is under way to it, and two wait: all of them go to the second one.
    let second = world.connect("second", false, 100);
    world.subscribe(&second, "$share/g/t", 1);
    world.close(&first, Parting::Broken);
    assert_eq!(texts(&second), ["t 1 q1 id1", "t 2 q1 id2", "t 3 q1 id3"]);
    for id in 1..=3 {
        world.acknowledge(&second, Step::Acknowledged, id);
    }
    world.crash();
    let first = world.connect("first", false, 100);
    assert_eq!(texts(&first), [""; 0]);
    let ordinary = world.connect("ordinary", false, 100);
    assert_eq!(texts(&ordinary), ["t 1 q1 id1", "t 2 q1 id2", "t 3 q1 id3"]);
}
