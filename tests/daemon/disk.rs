//! Disks that are full and disks that forget, under the real binary: stated behaviour, exact accounts, and it heals.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::alone;
use crate::device::Device;
use crate::gateway::{Gateway, PATIENCE, free_address, metric};
use crate::kafka;

const DEVICES: u64 = 4;
const EACH: u64 = 2_000;
/// Of hexadecimal digits, which compress to half.
const NOISE_BYTES: usize = 6_000;

fn configuration(topic: &str, sink: &str) -> String {
    let bootstrap = kafka::shared().bootstrap_through_link();
    format!(
        "[store]\nmax_size = \"64MiB\"\nkeep_raw = \"0\"\n\n\
         [source.telemetry]\nmqtt = \"dev/{{device}}/telemetry\"\nschema = \"n BIGINT, noise STRING\"\n\n\
         [query.all]\nsql = \"SELECT device, n, noise FROM telemetry\"\ninto = {{ sink = \"cloud\", topic = \"{topic}\" }}\n\n\
         [sink.cloud]\nkafka = \"{bootstrap}\"\n{sink}\n"
    )
}

fn gateway(directory: &Path, configuration: &str) -> Gateway {
    Gateway::new(env!("CARGO_BIN_EXE_tidegate"), directory, configuration)
}

/// A process whose data directory is a disk of its own, too small for the sink's share: in a mount namespace that ends
/// with it. Reserve and WAL take 16 MB of it, so 10 MB or so are left to buffer in.
fn on_a_small_disk(gateway: &mut Gateway) {
    std::fs::create_dir_all(gateway.data_dir()).expect("a folder");
    let script = format!("mount -t tmpfs -o size=28m none '{}' && exec \"$@\"", gateway.data_dir().display());
    gateway.through = ["unshare", "--map-root-user", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).into();
}

fn enlarge_the_disk(gateway: &Gateway) {
    let pid = gateway.pid().to_string();
    let remount = ["--user", "--mount", "--preserve-credentials", "mount", "-o", "remount,size=1g"];
    let status = Command::new("nsenter").args(["--target", &pid]).args(remount).arg(gateway.data_dir()).status();
    assert!(status.expect("nsenter runs").success());
}

/// Each device publishes its numbers at QoS 1 with some bytes that do not compress, however long the broker waits.
fn send(gateway: &Gateway, from: u64, to: u64, acknowledged: &Arc<AtomicU64>) -> Vec<std::thread::JoinHandle<()>> {
    let one = |device: u64| {
        let (address, acknowledged) = (gateway.mqtt, Arc::clone(acknowledged));
        std::thread::spawn(move || send_one(address, device, from, to, &acknowledged).expect("all are acknowledged"))
    };
    (0..DEVICES).map(one).collect()
}

/// A payload that hardly compresses.
fn noisy(n: u64, bytes: usize, random: &mut u64) -> String {
    let mut noise = String::new();
    while noise.len() < bytes {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push_str(&format!("{:x}", *random >> 8));
    }
    format!("{{\"n\":{n},\"noise\":\"{noise}\"}}")
}

/// Publishes `n` and some noise to `dev/d{device}/telemetry`.
pub fn send_one(address: std::net::SocketAddr, device: u64, from: u64, to: u64, counter: &AtomicU64) -> io::Result<()> {
    let mut client = Device::connect(address, &format!("d{device}"), true)?;
    let topic = format!("dev/d{device}/telemetry");
    let (mut next, mut acknowledged, mut random) = (from, from, device + 1);
    while acknowledged < to {
        while next < to && next - acknowledged < 50 {
            let payload = noisy(next, NOISE_BYTES, &mut random);
            client.publish(&topic, payload.as_bytes(), 1, (next % 60_000) as u16 + 1, false);
            next += 1;
        }
        client.flush()?;
        // A full disk may hold the answer back for longer than a read waits.
        match client.ack() {
            Ok(_) => {
                acknowledged += 1;
                counter.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn sink(metrics: &str, what: &str) -> f64 {
    metric(metrics, &format!("tidegate_{what}_total{{sink=\"cloud\"}}"))
}

/// What the sink's equation says of a drained buffer: gives what was delivered, and what was dropped.
fn check_accounts(metrics: &str) -> (f64, f64) {
    let dropped =
        |reason: &str| metric(metrics, &format!("tidegate_dropped_total{{sink=\"cloud\",reason=\"{reason}\"}}"));
    let dropped = dropped("drop_oldest") + dropped("drop_newest");
    let delivered = sink(metrics, "delivered");
    let settled = delivered + sink(metrics, "dead") + dropped + sink(metrics, "expired") + sink(metrics, "corrupt");
    assert_eq!(settled, sink(metrics, "committed"), "{metrics}");
    (delivered, dropped)
}

fn drain(gateway: &Gateway) {
    kafka::shared().link().mend();
    let drained = "tidegate_sink_pending_records{sink=\"cloud\"}";
    gateway.wait_for("the buffer to drain", |metrics| metric(metrics, drained) == 0.0);
}

fn device_and_number(row: &kafka::Seen) -> (usize, i64) {
    let device = crate::text_field(row.text(), "device")[1..].parse().expect("d0 to d3");
    (device, crate::number_field(row.text(), "n"))
}

/// Device and number of every record, each once and in order of the device.
fn check_order(topic: &str) -> usize {
    let rows = kafka::shared().read_committed(topic);
    let mut last = [-1i64; DEVICES as usize];
    for (device, number) in rows.iter().map(device_and_number) {
        assert!(number > last[device], "d{device}: {number} after {}", last[device]);
        last[device] = number;
    }
    rows.len()
}

#[test]
fn with_block_a_full_disk_stops_intake_says_so_and_heals_without_loss() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    kafka::shared().create_topic("full-block", 1, &[]);
    kafka::shared().link().cut();
    let mut gateway = gateway(directory.path(), &configuration("full-block", "overflow = \"block\""));
    on_a_small_disk(&mut gateway);
    gateway.start();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let devices = send(&gateway, 0, EACH, &acknowledged);
    let deadline = Instant::now() + PATIENCE;
    let health = loop {
        let (head, body) = gateway.get("/healthz").expect("the admin address answers");
        if head.starts_with("HTTP/1.1 503") {
            break body;
        }
        assert!(Instant::now() < deadline, "the disk is not full: {body}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(health.starts_with("failed: the disk is full"), "{health}");
    assert!(acknowledged.load(Ordering::Relaxed) < DEVICES * EACH);
    enlarge_the_disk(&gateway);
    let deadline = Instant::now() + PATIENCE;
    while !gateway.try_get("/healthz").is_some_and(|health| health.starts_with("ok")) {
        assert!(Instant::now() < deadline, "it does not heal");
        std::thread::sleep(Duration::from_millis(50));
    }
    // What is left to send is more than the sink's share.
    kafka::shared().link().mend();
    for device in devices {
        device.join().expect("every message is acknowledged in the end");
    }
    drain(&gateway);
    assert_eq!(check_accounts(&gateway.metrics()), ((DEVICES * EACH) as f64, 0.0));
    assert_eq!(check_order("full-block") as u64, DEVICES * EACH);
}

#[test]
fn with_drop_oldest_a_full_disk_drops_what_is_old_and_counts_it() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    kafka::shared().create_topic("full-oldest", 1, &[]);
    kafka::shared().link().cut();
    let mut gateway = gateway(directory.path(), &configuration("full-oldest", "overflow = \"drop_oldest\""));
    on_a_small_disk(&mut gateway);
    gateway.start();
    let devices = send(&gateway, 0, EACH, &Arc::default());
    for device in devices {
        device.join().expect("intake goes on");
    }
    drain(&gateway);
    let (delivered, dropped) = check_accounts(&gateway.metrics());
    assert_eq!(delivered + dropped, (DEVICES * EACH) as f64);
    assert!(dropped > 100.0, "{dropped}");
    assert_eq!(check_order("full-oldest") as f64, delivered);
}

/// Pages in the middle of the buffer are zeroes one morning. The process may end over it, as it should, and is started
/// again, as systemd would; then everything else arrives, and what is gone is counted to the record.
#[test]
fn pages_that_the_disk_forgot_are_counted_to_the_record() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    kafka::shared().create_topic("forgotten", 1, &[]);
    kafka::shared().link().cut();
    let mut gateway = gateway(directory.path(), &configuration("forgotten", ""));
    gateway.start();
    for device in send(&gateway, 0, 500, &Arc::default()) {
        device.join().expect("every message is acknowledged");
    }
    let (status, _) = gateway.terminate();
    assert!(status.success());
    let file = gateway.data_dir().join("tidegate.db");
    let size = std::fs::metadata(&file).expect("the database").len();
    let database = std::fs::File::options().write(true).open(&file).expect("the database");
    let middle = size * 6 / 10 / 1024 * 1024;
    database.write_all_at(&[0; 8 * 1024], middle).expect("damaged");
    drop(database);

    kafka::shared().link().mend();
    let deadline = Instant::now() + PATIENCE;
    gateway.start();
    let metrics = loop {
        if !gateway.is_running() {
            gateway.start();
        }
        let metrics = gateway.try_get("/metrics").unwrap_or_default();
        let settled = sink(&metrics, "delivered") + sink(&metrics, "corrupt");
        if metric(&metrics, "tidegate_sink_pending_records{sink=\"cloud\"}") == 0.0 && settled > 0.0 {
            break metrics;
        }
        assert!(Instant::now() < deadline, "it does not drain:\n{metrics}\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(100));
    };
    let (delivered, _) = check_accounts(&metrics);
    let corrupt = sink(&metrics, "corrupt");
    assert_eq!(delivered + corrupt, (DEVICES * 500) as f64, "{metrics}");
    assert!(corrupt > 0.0 && delivered > 0.0, "{corrupt} of {} are gone", DEVICES * 500);
    assert_eq!(check_order("forgotten") as f64, delivered);
}

/// Loaded before the C library: from the moment a file is there, the disk answers a sync of the data with an error.
const SYNCS_THAT_FAIL: &str = r#"
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
int fdatasync(int fd) {
    if (access(getenv("SYNCS_FAIL_WITH"), F_OK) == 0) { errno = EIO; return -1; }
    return (int)syscall(SYS_fdatasync, fd);
}
"#;

/// After an fsync that failed nobody knows what is on the disk: the process ends, and whatever it acknowledged is there
/// when it starts again.
#[test]
fn a_disk_that_cannot_sync_ends_the_process_and_takes_nothing_acknowledged() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    kafka::shared().create_topic("unsynced", 1, &[]);
    kafka::shared().link().cut();
    let mut gateway = gateway(directory.path(), &configuration("unsynced", ""));
    let (source, library) = (directory.path().join("fail.c"), directory.path().join("fail.so"));
    std::fs::write(&source, SYNCS_THAT_FAIL).expect("written");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(compiled.expect("a C compiler, which building needs too").success());
    let switch = directory.path().join("now");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    gateway.environment.push(("LD_PRELOAD".to_owned(), text(&library)));
    gateway.environment.push(("SYNCS_FAIL_WITH".to_owned(), text(&switch)));
    gateway.start();

    let acknowledged: Vec<Arc<AtomicU64>> = (0..DEVICES).map(|_| Arc::default()).collect();
    let devices: Vec<_> = (0..DEVICES)
        .map(|device| {
            let (address, counter) = (gateway.mqtt, Arc::clone(&acknowledged[device as usize]));
            std::thread::spawn(move || send_one(address, device, 0, 50_000, &counter))
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while acknowledged.iter().any(|count| count.load(Ordering::Relaxed) < 100) {
        assert!(Instant::now() < deadline, "nothing is acknowledged:\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    std::fs::write(&switch, "").expect("written");
    while gateway.is_running() {
        assert!(Instant::now() < deadline, "it goes on:\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    for device in devices {
        device.join().expect("it ends").expect_err("the connection is closed");
    }
    assert!(gateway.log().contains("disk"), "{}", gateway.log());

    std::fs::remove_file(&switch).expect("removed");
    kafka::shared().link().mend();
    gateway.start();
    drain(&gateway);
    let mut arrived = [0; DEVICES as usize];
    for (device, number) in kafka::shared().read_committed("unsynced").iter().map(device_and_number) {
        // In order and without a gap, so that the count says which they are.
        assert_eq!(number, arrived[device], "d{device}");
        arrived[device] += 1;
    }
    for (device, count) in acknowledged.iter().enumerate() {
        let acknowledged = count.load(Ordering::Relaxed) as i64;
        assert!(arrived[device] >= acknowledged, "d{device}: {acknowledged} acknowledged, {} arrived", arrived[device]);
    }
}

/// While a `block` sink is full, devices try again and again: what they never had acknowledged is not kept for them.
#[test]
fn devices_that_give_up_on_a_full_sink_leave_nothing_behind() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    // Nobody listens there.
    let sink = format!("[sink.cloud]\nkafka = \"{}\"\noverflow = \"block\"\nshare = \"1MiB\"\n", free_address());
    let configuration = "[broker]\nconnections_per_second_max = 10000\n\n[source.telemetry]\nmqtt = \"dev/{device}/telemetry\"\nschema = \"n BIGINT, noise STRING\"\n\n\
                         [query.all]\nsql = \"SELECT device, n, noise FROM telemetry\"\n\
                         into = { sink = \"cloud\", topic = \"t\" }\n\n"
        .to_owned() + &sink;
    let mut gateway = gateway(directory.path(), &configuration);
    gateway.start();
    let mut random = 1;
    let mut send = |n: u64| {
        let mut device = Device::connect(gateway.mqtt, &format!("d{n}"), true).expect("the broker takes us");
        device.publish(&format!("dev/d{n}/telemetry"), noisy(n, 20_000, &mut random).as_bytes(), 1, 1, false);
        device.publish(&format!("dev/d{n}/telemetry"), b"{\"n\":0}", 0, 0, false);
        device.flush().expect("sent");
        device
    };
    let parked = "tidegate_parked_reads";
    let (mut waiting, mut n) = (Vec::new(), 0);
    while metric(&gateway.metrics(), parked) < 3.0 {
        waiting.push(send(n));
        n += 1;
        assert!(n < 1_000, "the sink does not fill");
    }
    for _ in 0..100 {
        drop(send(n));
        n += 1;
    }
    let sockets = "tidegate_broker_sockets";
    let open = waiting.len() as f64;
    gateway.wait_for("those that gave up to be gone", |metrics| {
        metric(metrics, sockets) == open && metric(metrics, parked) <= open
    });
    drop(waiting);
    gateway.wait_for("nothing to be left", |metrics| metric(metrics, sockets) == 0.0 && metric(metrics, parked) == 0.0);
    let metrics = gateway.metrics();
    let source = |what: &str| metric(&metrics, &format!("tidegate_{what}_total{{source=\"telemetry\"}}"));
    let dropped = metric(&metrics, "tidegate_source_dropped_total{source=\"telemetry\",reason=\"sink_full\"}");
    assert_eq!(source("in"), source("decoded") + source("invalid") + dropped, "{metrics}");
    assert!(dropped >= 50.0, "what was sent at QoS 0 is gone, and counted: {dropped}");
}
