//! Overlapping, shared and refused subscriptions.

use super::*;

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

/// Each of eight clients is sent a megabyte of its own and takes nothing of it: together they hold no more than all may,
/// and their shares; a ninth, which came last, has its share all the same.
#[test]
fn those_who_read_nothing_hold_no_more_than_all_may_together() {
    const LIMIT: usize = 1 << 20;
    let limits = BrokerLimits { outgoing_bytes_max: LIMIT, inflight_max: 1_000, ..BrokerLimits::default() };
    let mut world = World::new(limits);
    world.counters().connections.store(9, Ordering::Relaxed);
    let mut clients = Vec::new();
    for n in 0..8 {
        let client = world.connect_with(&format!("c{n}"), false, if n % 2 == 0 { 0 } else { 100 }, 1_000, None);
        world.subscribe(&client, &format!("t/{n}"), u8::from(n % 2 == 1));
        clients.push(client);
    }
    let payload = "x".repeat(10_000);
    for n in 0..8 {
        for _ in 0..100 {
            world.publish(&format!("t/{n}"), &payload, 1);
        }
    }
    let held = |world: &World| world.counters().queued_bytes.load(Ordering::Relaxed) as usize;
    let share = LIMIT / 9;
    assert!((LIMIT..=LIMIT + 9 * (share + 20_000)).contains(&held(&world)), "{}", held(&world));
    let last = world.connect("last", true, 0);
    world.subscribe(&last, "last", 1);
    for _ in 0..10 {
        world.publish("last", &payload, 1);
    }
    assert_eq!(texts(&last).len(), 10);
    // Those with a session have lost nothing: it waits until they take it.
    for client in clients.iter().skip(1).step_by(2) {
        let mut came = 0;
        while came < 100 {
            let some = texts(client);
            assert!(!some.is_empty(), "after {came}");
            for text in some {
                came += 1;
                let id = text.rsplit("id").next().and_then(|id| id.parse().ok()).expect("a packet id");
                world.acknowledge(client, Step::Acknowledged, id);
            }
        }
    }
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

#[test]
fn what_the_server_says_of_itself_is_news_every_ten_seconds() {
    let mut world = World::new(BrokerLimits::default());
    let client = world.connect("c", true, 0);
    world.subscribe(&client, "$SYS/broker/subscriptions/count", 0);
    assert_eq!(texts(&client), ["$SYS/broker/subscriptions/count 0 q0 id0 retained"]);
    world.seconds += 9;
    world.tick(Vec::new());
    assert_eq!(texts(&client), [""; 0]);
    world.seconds += 1;
    world.tick(Vec::new());
    assert_eq!(texts(&client), ["$SYS/broker/subscriptions/count 1 q0 id0"]);
}
