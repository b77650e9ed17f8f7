//! Kills: of the gateway's process and of Kafka's, at random moments. Each record must be there once, in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::broker;
use crate::gateway::{Gateway, count, numbered, sink};
use crate::support::{Kafka, Seen};

const DIRECTORY: &str = "TIDEGATE_TEST_STORE";
const BOOTSTRAP: &str = "TIDEGATE_TEST_BOOTSTRAP";
const TIMEOUT_MS: &str = "TIDEGATE_TEST_TIMEOUT_MS";
const CHILD_TOPIC: &str = "TIDEGATE_TEST_TOPIC";
const TOTAL: u64 = 60_000;
const TOPIC: &str = "crash";

/// Not a test by itself: the process that the tests kill. It appends what is missing of `TOTAL` records, whose content
/// is their offset, and delivers until it is killed.
#[test]
fn child_process() {
    let (Ok(directory), Ok(bootstrap)) = (std::env::var(DIRECTORY), std::env::var(BOOTSTRAP)) else {
        return;
    };
    let mut config = sink(&bootstrap);
    if let Ok(timeout_ms) = std::env::var(TIMEOUT_MS) {
        crate::gateway::kafka(&mut config).options.insert("transaction.timeout.ms".to_owned(), timeout_ms);
    }
    let topic = std::env::var(CHILD_TOPIC).unwrap_or_else(|_| TOPIC.to_owned());
    let gateway = Gateway::start(&format!("gw-{topic}"), Path::new(&directory), config, &[&topic]);
    let mut next = gateway.first_offset;
    while next < TOTAL {
        let end = (next + 40).min(TOTAL);
        gateway.append(&numbered(&topic, next..end));
        next = end;
        std::thread::sleep(Duration::from_millis(8));
    }
    loop {
        std::thread::park();
    }
}

fn spawn(directory: &Path, kafka: &Kafka) -> Child {
    child(directory, kafka).spawn().expect("child process")
}

fn child(directory: &Path, kafka: &Kafka) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["crash::child_process", "--exact", "--nocapture"]).stdout(Stdio::null());
    command.env(DIRECTORY, directory).env(BOOTSTRAP, kafka.bootstrap());
    command
}

fn kill(mut child: Child) {
    child.kill().expect("kill");
    child.wait().expect("wait");
}

/// A plain generator: the moments differ from run to run, and are printed.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let seed = crate::gateway::now_ms() as u64;
        println!("seed {seed}");
        Random(seed)
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(range.start + (self.0 >> 33) % (range.end - range.start))
    }
}

#[test]
fn each_record_once_and_in_order_through_kills_of_the_gateway_and_of_kafka() {
    let (kafka, _turn) = broker();
    kafka.create_topic(TOPIC, 4, &[]);
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new();
    for round in 0..12 {
        let child = spawn(directory.path(), kafka);
        std::thread::sleep(random.millis(300..2_500));
        if round % 4 == 3 {
            kafka.kill();
            std::thread::sleep(random.millis(0..1_500));
            // Either dies first, or the gateway lives through it.
            if round % 8 == 3 {
                kill(child);
                kafka.restart();
                continue;
            }
            kafka.restart();
            std::thread::sleep(random.millis(0..2_000));
        }
        kill(child);
    }
    let last = spawn(directory.path(), kafka);
    let deadline = Instant::now() + Duration::from_secs(90);
    let mut seen = kafka.read_committed(TOPIC);
    while (seen.len() as u64) < TOTAL && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
        seen = kafka.read_committed(TOPIC);
    }
    kill(last);
    check(&seen);
    // The counters survived all that, too.
    let gateway = Gateway::start("gw-crash", directory.path(), sink(&kafka.bootstrap()), &[TOPIC]);
    gateway.wait_delivered(Duration::from_secs(30));
    assert_eq!(gateway.status.report().doubt, None);
    let counters = gateway.stop();
    assert_eq!((count(&counters, "committed"), count(&counters, "delivered")), (TOTAL, TOTAL));
    assert_eq!(kafka.read_committed(TOPIC).len() as u64, TOTAL, "the last start sent something again");
}

fn check(seen: &[Seen]) {
    let mut times = vec![0u32; TOTAL as usize];
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for one in seen {
        let number: u64 = one.text().parse().unwrap();
        assert_eq!(one.headers["tidegate-sequence"], number.to_string());
        times[number as usize] += 1;
        let before = last.insert(one.key_text(), number);
        assert!(before.is_none_or(|before| before < number), "{} after {before:?}", number);
    }
    let missing = times.iter().filter(|times| **times == 0).count();
    let twice = times.iter().filter(|times| **times > 1).count();
    assert_eq!((missing, twice), (0, 0), "of {TOTAL}: missing, twice");
}

/// The sink's task is dropped, and a sink in the same process takes over from it.
#[test]
fn an_aborted_task_leaves_nothing_behind_that_matters() {
    let (kafka, _turn) = broker();
    kafka.create_topic("aborted", 2, &[]);
    let directory = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let gateway = Gateway::start("gw-aborted", directory.path(), sink(&kafka.bootstrap()), &["aborted"]);
        gateway.append(&numbered("aborted", round * 500..round * 500 + 500));
        if round == 3 {
            gateway.wait_delivered(Duration::from_secs(30));
        } else {
            gateway
                .wait_for("connected", Duration::from_secs(30), |report| report.transactions > 0 || report.lag() > 0);
        }
        gateway.stop();
    }
    let seen = kafka.read_committed("aborted");
    let mut numbers: Vec<u64> = seen.iter().map(|one| one.text().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2_000).collect::<Vec<u64>>());
}

/// A gateway that stands still for longer than its transaction may last comes back to a Kafka that has ended it and
/// shut it out, as it would a second gateway with the same id; but the position is its own, so it goes on.
#[test]
fn a_gateway_that_was_frozen_goes_on_and_takes_itself_for_no_other() {
    let (kafka, _turn) = broker();
    kafka.create_topic("frozen", 4, &[]);
    let directory = tempfile::tempdir().unwrap();
    let mut frozen = child(directory.path(), kafka);
    let frozen = frozen.env(TIMEOUT_MS, "3000").env(CHILD_TOPIC, "frozen").spawn().expect("child process");
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &frozen.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    };
    let delivered = || kafka.read_committed("frozen").len() as u64;
    let wait = |records: u64| {
        let deadline = Instant::now() + Duration::from_secs(120);
        while delivered() < records {
            assert!(Instant::now() < deadline, "{} of {records} records arrive", delivered());
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    wait(1_000);
    signal("-STOP");
    // Kafka looks for transactions that are over their time every ten seconds.
    std::thread::sleep(Duration::from_secs(16));
    let before = delivered();
    signal("-CONT");
    wait(before + 5_000);
    kill(frozen);
    let mut numbers: Vec<u64> = kafka.read_committed("frozen").iter().map(|one| one.text().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "each once, none missing");
}
