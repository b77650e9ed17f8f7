//! What arrives is what was put in: keys, partitions, headers, times; and what cannot arrive becomes a dead letter.

use std::time::Duration;

use crate::broker;
use crate::gateway::{Gateway, count, now_ms, numbered, record, sink};
use tidegate::config::Delivery;
use tidegate::delivery::Record;
use tidegate::sinks::SinkState;

const WAIT: Duration = Duration::from_secs(40);

#[test]
fn keys_headers_times_and_partitions_are_those_of_a_java_client() {
    let (kafka, _turn) = broker();
    kafka.create_topic("faithful", 4, &[]);
    let directory = tempfile::tempdir().unwrap();
    let gateway = Gateway::start("gw-7", directory.path(), sink(&kafka.bootstrap()), &["faithful"]);
    // Hashes from Apache Kafka's UtilsTest.testMurmur2; Java's partitioner takes the positive part modulo the number.
    let hashes: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    let mut records: Vec<Record> = hashes.iter().map(|(key, _)| record("faithful", key, key)).collect();
    records.push(Record {
        topic: "faithful".into(),
        key: None,
        payload: Some(Vec::new()),
        timestamp: 1_650_000_000_000,
    });
    records.push(Record {
        topic: "faithful".into(),
        key: Some(b"tomb".to_vec()),
        payload: None,
        timestamp: 1_600_000_000_000,
    });
    gateway.append(&records);
    gateway.wait_delivered(WAIT);
    gateway.stop();
    let seen = kafka.read_committed("faithful");
    assert_eq!(seen.len(), records.len());
    for (offset, sent) in records.iter().enumerate() {
        let one = seen.iter().find(|one| one.headers["tidegate-sequence"] == offset.to_string()).expect("arrived");
        assert_eq!((&one.key, &one.payload, one.timestamp), (&sent.key, &sent.payload, Some(sent.timestamp)));
        assert_eq!(one.headers["tidegate-gateway"], "gw-7");
        assert!(uuid::Uuid::parse_str(&one.headers["tidegate-store"]).is_ok());
        if let Some((key, hash)) = hashes.get(offset) {
            assert_eq!(one.partition, (hash & 0x7fff_ffff) % 4, "{key}");
        }
    }
}

#[test]
fn what_kafka_refuses_becomes_a_dead_letter_once_and_the_rest_arrives() {
    let (kafka, _turn) = broker();
    kafka.create_topic("narrow", 1, &[("max.message.bytes", "3000")]);
    let directory = tempfile::tempdir().unwrap();
    // Not compressed, so that the broker's limit is met where the test expects it.
    let mut narrow = sink(&kafka.bootstrap());
    crate::gateway::kafka(&mut narrow).options.insert("compression.type".to_owned(), "none".to_owned());
    let mut gateway = Gateway::start("gw-narrow", directory.path(), narrow.clone(), &["narrow"]);
    let mut records = numbered("narrow", 0..100);
    records[37].payload = Some(vec![b'x'; 5_000]);
    records[62].payload = Some(vec![b'x'; 2_000_000]);
    gateway.append(&records);
    gateway.wait_delivered(Duration::from_secs(90));
    let letters = gateway.dead_letters();
    assert_eq!(letters.iter().map(|letter| letter.offset).collect::<std::collections::BTreeSet<_>>(), [37, 62].into());
    assert_eq!(letters.len(), 2, "once each");
    for letter in &letters {
        assert_eq!(letter.place, "sink/cloud");
        assert!(letter.reason.to_lowercase().contains("size"), "{}", letter.reason);
        let mut bytes = Vec::new();
        records[letter.offset as usize].encode(&mut bytes);
        assert_eq!(letter.record, bytes, "kept whole");
    }
    let counters = gateway.stop();
    assert_eq!((count(&counters, "delivered"), count(&counters, "dead")), (98, 2));
    // A later start does not bury them again.
    let mut gateway = Gateway::start("gw-narrow", directory.path(), narrow, &["narrow"]);
    gateway.append(&numbered("narrow", 100..101));
    gateway.wait_delivered(WAIT);
    assert_eq!(gateway.dead_letters().len(), 2);
    gateway.stop();
    let texts: Vec<String> = kafka.read_committed("narrow").iter().map(|one| one.text().to_owned()).collect();
    let expected = (0..101).filter(|n| ![37, 62].contains(n)).map(|n: u64| n.to_string());
    assert_eq!(texts, expected.collect::<Vec<_>>());
}

/// Kafka takes no record that is more than an hour ahead of its own clock. What a device with a wrong clock sent is there
/// all the same, at its place, and what is behind it does not wait for a time-out.
#[test]
fn records_from_the_future_arrive_with_the_time_of_their_sending() {
    const YEARS_MS: i64 = 10 * 365 * 24 * 3_600_000;
    let (kafka, _turn) = broker();
    kafka.create_topic("ahead", 1, &[]);
    let directory = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::start("gw-ahead", directory.path(), sink(&kafka.bootstrap()), &["ahead"]);
    // Records that came before make a refusal leave a gap in the producer's numbers.
    gateway.append(&numbered("ahead", 0..10));
    gateway.wait_delivered(WAIT);
    let before = now_ms();
    let mut records = numbered("ahead", 10..40);
    for ahead in [13, 14, 31] {
        records[ahead - 10].timestamp = before + YEARS_MS;
    }
    gateway.append(&records);
    gateway.wait_delivered(WAIT);
    assert!(gateway.dead_letters().is_empty());
    let counters = gateway.stop();
    assert_eq!((count(&counters, "delivered"), count(&counters, "dead")), (40, 0));
    let seen = kafka.read_committed("ahead");
    let texts: Vec<&str> = seen.iter().map(|one| one.text()).collect();
    assert_eq!(texts, (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
    for (number, one) in seen.iter().enumerate() {
        let time = one.timestamp.expect("it has one");
        match number {
            13 | 14 | 31 => assert!((before..=now_ms()).contains(&time), "{number}: {time}"),
            _ => assert_eq!(time, 1_700_000_000_000, "{number}"),
        }
    }
}

#[test]
fn a_literal_topic_is_waited_for() {
    let (kafka, _turn) = broker();
    let directory = tempfile::tempdir().unwrap();
    let mut config = sink(&kafka.bootstrap());
    kafka.create_topic("positions", 1, &[]);
    crate::gateway::kafka(&mut config).offsets_topic = Some("positions".to_owned());
    let mut gateway = Gateway::start("gw-wait", directory.path(), config, &["not-yet"]);
    gateway.append(&numbered("not-yet", 0..10));
    let report = gateway.wait_for("waiting", WAIT, |report| report.state == SinkState::BackingOff);
    let reason = report.reason.unwrap();
    assert!(reason.contains("not-yet") && reason.contains("create the topic"), "{reason}");
    kafka.create_topic("not-yet", 1, &[]);
    gateway.wait_delivered(WAIT);
    assert!(gateway.dead_letters().is_empty());
    gateway.stop();
    assert_eq!(kafka.read_committed("not-yet").len(), 10);
}

#[test]
fn records_for_missing_topics_from_columns_are_given_up_and_hold_nobody_else_up_for_long() {
    let (kafka, _turn) = broker();
    kafka.create_topic("plan", 1, &[]);
    kafka.create_topic("from-column", 1, &[]);
    let directory = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::start("gw-columns", directory.path(), sink(&kafka.bootstrap()), &["plan"]);
    gateway.append(&[
        record("plan", "k", "0"),
        record("from-column", "k", "1"),
        record("no/such name", "k", "2"),
        record("nobody-made-this", "k", "3"),
        record("plan", "k", "4"),
        record("nobody-made-this", "k", "5"),
        record("plan", "k", "6"),
    ]);
    gateway.wait_delivered(Duration::from_secs(90));
    let mut letters = gateway.dead_letters();
    letters.sort_by_key(|letter| letter.offset);
    assert_eq!(letters.iter().map(|letter| letter.offset).collect::<Vec<_>>(), [2, 3, 5]);
    assert!(letters[0].reason.contains("' '") || letters[0].reason.contains("'/'"), "{}", letters[0].reason);
    assert!(letters[1].reason.contains("nobody-made-this"), "{}", letters[1].reason);
    let counters = gateway.stop();
    assert_eq!((count(&counters, "delivered"), count(&counters, "dead")), (4, 3));
    assert_eq!(kafka.read_committed("from-column").len(), 1, "{counters:?}");
    assert_eq!(kafka.read_committed("plan").len(), 3);
}

#[test]
fn old_records_expire() {
    let (kafka, _turn) = broker();
    kafka.create_topic("aged", 1, &[]);
    let directory = tempfile::tempdir().unwrap();
    let mut config = sink(&kafka.bootstrap());
    config.max_age = Some(Duration::from_secs(3_600));
    let gateway = Gateway::start("gw-aged", directory.path(), config, &["aged"]);
    gateway.append_at(1_000, &numbered("aged", 0..3)); // a clock that was never set says nothing of age
    gateway.append_at(now_ms() - 2 * 3_600_000, &numbered("aged", 3..10));
    gateway.append_at(now_ms(), &numbered("aged", 10..12));
    gateway.wait_delivered(WAIT);
    let counters = gateway.stop();
    assert_eq!((count(&counters, "delivered"), count(&counters, "expired")), (5, 7));
    let texts: Vec<String> = kafka.read_committed("aged").iter().map(|one| one.text().to_owned()).collect();
    assert_eq!(texts, ["0", "1", "2", "10", "11"]);
}

#[test]
fn at_least_once_delivers_everything_without_transactions() {
    let (kafka, _turn) = broker();
    kafka.create_topic("at-least", 2, &[]);
    let directory = tempfile::tempdir().unwrap();
    let mut config = sink(&kafka.bootstrap());
    crate::gateway::kafka(&mut config).delivery = Delivery::AtLeastOnce;
    let gateway = Gateway::start("gw-least", directory.path(), config.clone(), &[]);
    gateway.append(&numbered("at-least", 0..3_000));
    gateway.wait_delivered(WAIT);
    kafka.kill();
    gateway.append(&numbered("at-least", 3_000..4_000));
    kafka.restart();
    gateway.wait_delivered(Duration::from_secs(90));
    assert_eq!(count(&gateway.stop(), "delivered"), 4_000);
    let mut numbers: Vec<u64> =
        kafka.read_committed("at-least").iter().map(|one| one.text().parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..4_000).collect::<Vec<u64>>());
}

#[test]
fn draining_keeps_to_its_limit() {
    let (kafka, _turn) = broker();
    kafka.create_topic("limited", 1, &[]);
    let directory = tempfile::tempdir().unwrap();
    let mut config = sink(&kafka.bootstrap());
    config.drain_records_per_second_max = Some(200);
    let gateway = Gateway::start("gw-limited", directory.path(), config, &["limited"]);
    gateway.append(&numbered("limited", 0..800));
    let begin = std::time::Instant::now();
    gateway.wait_delivered(WAIT);
    assert!(begin.elapsed() > Duration::from_millis(2_900), "800 at 200/s took {:?}", begin.elapsed());
    gateway.stop();
    assert_eq!(kafka.read_committed("limited").len(), 800);
}

#[test]
fn a_damaged_block_is_left_out_and_counted_and_the_rest_arrives() {
    let (kafka, _turn) = broker();
    kafka.create_topic("damaged", 1, &[]);
    let directory = tempfile::tempdir().unwrap();
    let start = || Gateway::start("gw-damaged", directory.path(), sink(&kafka.bootstrap_through_link()), &["damaged"]);
    kafka.link().cut();
    let gateway = start();
    (0..3).for_each(|block| gateway.append(&numbered("damaged", block * 10..block * 10 + 10)));
    gateway.stop();
    let file = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let file =
        file.into_iter().find(|path| path.extension().is_some_and(|ext| ext == "db" || ext == "sqlite")).unwrap();
    let db = rusqlite::Connection::open(file).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE name LIKE 'log\\_%' ESCAPE '\\'";
    let tables: Vec<String> = db.prepare(tables).unwrap().query_map([], |row| row.get(0)).unwrap().flatten().collect();
    let changed: usize = tables
        .iter()
        .map(|table| db.execute(&format!("UPDATE {table} SET bytes = zeroblob(20) WHERE first = 10"), []).unwrap())
        .sum();
    assert_eq!(changed, 1);
    drop(db);
    kafka.link().mend();
    let gateway = start();
    gateway.wait_delivered(WAIT);
    let counters = gateway.stop();
    assert_eq!((count(&counters, "delivered"), count(&counters, "corrupt")), (20, 10));
    let texts: Vec<String> = kafka.read_committed("damaged").iter().map(|one| one.text().to_owned()).collect();
    assert_eq!(texts, (0..10).chain(20..30).map(|n: u64| n.to_string()).collect::<Vec<_>>());
}
