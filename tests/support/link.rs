//! A TCP link that can be slow, far, or cut: what lies between a gateway and its Kafka.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes read at once: what one packet would carry.
const PACKET_BYTES: usize = 1_400;
/// Packets on the way, as in a router's queue; beyond it the sender waits.
const PACKETS_MAX: usize = 64;

pub struct Link {
    port: u16,
    nature: Arc<Nature>,
}

/// Read at each packet, so that a change takes effect on open connections too.
#[derive(Default)]
struct Nature {
    /// 0: as fast as it goes. Both directions share nothing: each has this rate.
    bits_per_second: AtomicU64,
    one_way_ms: AtomicU64,
    cut: AtomicBool,
    bytes: AtomicU64,
}

impl Link {
    /// Listens on a port of its own and passes everything on to `target` on this machine.
    pub fn listen(target: u16) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the link");
        let port = listener.local_addr().expect("address").port();
        let nature = Arc::new(Nature::default());
        let shared = Arc::clone(&nature);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.cut.load(Ordering::Relaxed) {
                    continue;
                }
                if let Ok(server) = TcpStream::connect(("127.0.0.1", target)) {
                    join(client, server, &shared);
                }
            }
        });
        Link { port, nature }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A rate and a round trip, from now on.
    pub fn shape(&self, bits_per_second: u64, round_trip: Duration) {
        self.nature.bits_per_second.store(bits_per_second, Ordering::Relaxed);
        self.nature.one_way_ms.store(round_trip.as_millis() as u64 / 2, Ordering::Relaxed);
    }

    /// Ends every connection and takes no new one until [`Link::mend`].
    pub fn cut(&self) {
        self.nature.cut.store(true, Ordering::Relaxed);
    }

    pub fn mend(&self) {
        self.nature.cut.store(false, Ordering::Relaxed);
    }

    /// Bytes passed on so far, both ways.
    pub fn bytes(&self) -> u64 {
        self.nature.bytes.load(Ordering::Relaxed)
    }
}

fn join(client: TcpStream, server: TcpStream, nature: &Arc<Nature>) {
    let twin = |stream: &TcpStream| stream.try_clone().expect("socket");
    for (from, to) in [(twin(&client), twin(&server)), (server, client)] {
        let (packets, arrivals) = mpsc::sync_channel(PACKETS_MAX);
        let sending = Arc::clone(nature);
        thread::spawn(move || take(from, &packets, &sending));
        let receiving = Arc::clone(nature);
        thread::spawn(move || give(to, &arrivals, &receiving));
    }
}

/// Reads packets and says when each arrives at the other end.
fn take(mut from: TcpStream, packets: &mpsc::SyncSender<(Instant, Vec<u8>)>, nature: &Nature) {
    from.set_read_timeout(Some(Duration::from_millis(100))).expect("time-out");
    let mut line_free = Instant::now();
    let mut buffer = [0; PACKET_BYTES];
    while !nature.cut.load(Ordering::Relaxed) {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        let rate = nature.bits_per_second.load(Ordering::Relaxed);
        let micros = (count as u64 * 8_000_000).checked_div(rate).unwrap_or(0);
        line_free = line_free.max(Instant::now()) + Duration::from_micros(micros);
        let arrives = line_free + Duration::from_millis(nature.one_way_ms.load(Ordering::Relaxed));
        if packets.send((arrives, buffer[..count].to_vec())).is_err() {
            break;
        }
        nature.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }
    drop(from.shutdown(Shutdown::Read));
}

fn give(mut to: TcpStream, arrivals: &mpsc::Receiver<(Instant, Vec<u8>)>, nature: &Nature) {
    drop(to.set_nodelay(true));
    for (arrives, packet) in arrivals {
        thread::sleep(arrives.saturating_duration_since(Instant::now()));
        if nature.cut.load(Ordering::Relaxed) || to.write_all(&packet).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}
