//! Subscribers that read as fast as they can, on one thread, and count messages of one size.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::mqtt::{self, Stream};

pub struct Subscribers {
    messages: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Subscribers {
    pub fn start(address: SocketAddr, count: usize, filter: &str) -> Subscribers {
        let mut readers: Vec<Reader> = (0..count)
            .map(|number| {
                let socket = TcpStream::connect(address).expect("it listens");
                let mut stream = mqtt::open(Stream::Plain(socket), &format!("reader-{number}")).expect("it takes us");
                mqtt::subscribe(&mut stream, filter).expect("it lets us subscribe");
                stream.socket().set_nonblocking(true).expect("a socket");
                Reader { stream, partial: Vec::new() }
            })
            .collect();
        let (messages, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, stopped) = (Arc::clone(&messages), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 256 << 10];
            while !stopped.load(Ordering::Relaxed) {
                let got: u64 = readers.iter_mut().map(|reader| reader.read(&mut buffer)).sum();
                counter.fetch_add(got, Ordering::Relaxed);
                if got == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        });
        Subscribers { messages, stop, thread: Some(thread) }
    }

    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }
}

impl Drop for Subscribers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Reader {
    stream: Stream,
    /// The beginning of a packet of which the rest has not come yet.
    partial: Vec<u8>,
}

impl Reader {
    /// Reads once; gives the PUBLISH packets that are now whole.
    fn read(&mut self, buffer: &mut [u8]) -> u64 {
        let held = self.partial.len();
        buffer[..held].copy_from_slice(&self.partial);
        let count = match self.stream.read(&mut buffer[held..]) {
            Ok(0) => panic!("the broker ended a subscriber"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
            Err(error) => panic!("the broker ended a subscriber: {error}"),
        };
        let mut rest = &buffer[..held + count];
        let mut messages = 0;
        while let Some((packet, behind)) = mqtt::cut(rest) {
            messages += u64::from(packet[0] & 0xF0 == 0x30);
            rest = behind;
        }
        self.partial = rest.to_vec();
        messages
    }
}
