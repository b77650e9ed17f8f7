//! Retained messages.

use super::*;

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

#[test]
fn what_stands_below_sys_is_in_no_store_and_other_topics_with_a_dollar_are() {
    let mut world = World::new(BrokerLimits::default());
    world.retain("$SYS/broker/connection/plant/state", "1");
    world.retain("$aws/things/press/shadow", "kept");
    assert_eq!(world.rows(Table::Retained), 1);
    let client = world.connect("c", true, 0);
    world.subscribe(&client, "$SYS/broker/connection/+/state", 0);
    world.subscribe(&client, "$aws/#", 1);
    world.subscribe(&client, "#", 1);
    let expected =
        ["$SYS/broker/connection/plant/state 1 q0 id0 retained", "$aws/things/press/shadow kept q1 id0 retained"];
    assert_eq!(texts(&client), expected);
    world.crash();
    let client = world.connect("c", true, 0);
    world.subscribe(&client, "$SYS/broker/connection/+/state", 0);
    world.subscribe(&client, "$aws/#", 1);
    assert_eq!(texts(&client), expected[1..]);
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
