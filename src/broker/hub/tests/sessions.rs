//! Sessions, their queues and windows, over restarts and crashes.

use super::*;

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
fn clients_that_come_and_go_all_the_time_leave_nothing_behind() {
    let mut world = World::new(BrokerLimits::default());
    let will = || Will { publish: Publish::new("will", "gone", 1), delay_s: 50, expiry_s: None };
    for _ in 0..200 {
        let client = world.connect_with("a", false, 100, 10, Some(will()));
        world.close(&client, Parting::Broken);
        world.seconds += 1;
    }
    let hub = world.hub();
    // The end of its session and its will's moment.
    assert_eq!((hub.deadlines.len(), hub.links.len(), hub.sessions.count()), (2, 0, (1, 1)));
    let again = world.connect_with("a", false, 100, 10, None);
    assert_eq!(world.hub().deadlines.len(), 0, "whoever is connected has no deadline");
    world.close(&again, Parting::Farewell);
    world.connect("a", true, 0);
    let hub = world.hub();
    assert_eq!((hub.deadlines.len(), hub.links.len(), hub.sessions.count()), (0, 1, (1, 0)));
    assert!(world.sources.is_empty(), "no will: {:?}", world.sources);
}

#[test]
fn what_filters_and_wills_cost_is_counted_and_given_back() {
    let limits = BrokerLimits { sessions_bytes_max: 8 * 2_000, ..BrokerLimits::default() };
    let mut world = World::new(limits);
    let held = |world: &World| world.counters().session_bytes.load(Ordering::Relaxed) as usize;
    let will =
        |payload: &str| Will { publish: Publish::new("will", payload.to_owned(), 1), delay_s: 50, expiry_s: None };
    let client = world.connect_with("a", false, 100, 10, Some(will("gone")));
    let with_will = held(&world);
    assert!(with_will > 8);
    for _ in 0..2 {
        world.subscribe(&client, "t/#", 1);
    }
    assert_eq!(held(&world), with_will + session::filter_bytes("t/#"));
    // Its eighth, and no more.
    assert_eq!(world.subscribe(&client, &"x".repeat(1_000), 1), QUOTA);
    let link = Link::new("b".into());
    let outbox = Arc::new(Outbox::new(Arc::clone(&link), 10));
    let will = Some(will(&"x".repeat(2_000)));
    let connect = Connect { clean: true, expiry_s: 0, receive_maximum: 1, user: None, will, outbox };
    world.ask(&link, Ask::Connect(Box::new(connect)));
    assert_eq!(link.take_answer(), Some(Answer::Reason(QUOTA)));
    assert_eq!(world.hub().sessions.count(), (1, 0));
    world.crash();
    assert_eq!(held(&world), with_will + session::filter_bytes("t/#"));
    world.seconds += 51;
    world.tick(Vec::new());
    assert_eq!((held(&world), &world.sources[..]), (session::filter_bytes("t/#"), &["will gone".to_owned()][..]));
    let client = world.connect("a", false, 100);
    world.ask(&client.link, Ask::Unsubscribe(vec!["t/#".into()]));
    assert_eq!(held(&world), 0);
    world.subscribe(&client, "t/#", 1);
    world.connect("a", true, 0);
    assert_eq!(held(&world), 0);
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
