//! Wills.

use super::*;

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
