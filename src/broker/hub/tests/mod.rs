//! The hub with a real store under it and clients without sockets. Time is what the tests say; a restart opens the
//! store again, with or without the last commits.

#![allow(clippy::disallowed_methods)] // One instant, from which the tests count.

mod retained;
mod sessions;
mod subscriptions;
mod wills;

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
        let outbox = Arc::new(Outbox::new(Arc::clone(&link), self.limits.queue_messages_max));
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
