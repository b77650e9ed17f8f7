//! Publishers at a steady rate that measure how long each acknowledgement takes, from when its message was due: a server
//! that stops for a while is late for everything that was due meanwhile.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::mqtt::{self, Stream};

const PAYLOAD_BYTES: usize = 256;
/// Acknowledgements may be this late before the run counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Paced {
    publishers: Vec<Publisher>,
}

struct Publisher {
    socket: TcpStream,
    topic: String,
    /// When each message was due, by packet id less one.
    due: Vec<Option<Instant>>,
    next: usize,
    waiting: usize,
    received: Vec<u8>,
}

pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// The latency that this share of all messages did not exceed.
    pub fn at(&self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }
}

impl Paced {
    pub fn connect(address: SocketAddr, publishers: usize) -> io::Result<Paced> {
        let connect = |number| {
            let stream = mqtt::open(Stream::Plain(TcpStream::connect(address)?), &format!("paced-{number}"))?;
            let socket = stream.socket().try_clone()?;
            socket.set_nonblocking(true)?;
            let topic = format!("bench/{number:03}/data");
            Ok(Publisher { socket, topic, due: vec![None; 65_535], next: 0, waiting: 0, received: Vec::new() })
        };
        Ok(Paced { publishers: (0..publishers).map(connect).collect::<io::Result<_>>()? })
    }

    pub fn run(&mut self, length: Duration, per_second: u64) -> io::Result<Latencies> {
        let (start, gap) = (Instant::now(), Duration::from_secs(1) / per_second as u32);
        let (mut due, mut number, mut latencies) = (start, 0, Vec::new());
        loop {
            let now = Instant::now();
            while due <= now && due < start + length {
                let at = number % self.publishers.len();
                self.publishers[at].send(due)?;
                (due, number) = (due + gap, number + 1);
            }
            for publisher in &mut self.publishers {
                publisher.take_acks(&mut latencies)?;
            }
            if due >= start + length && self.publishers.iter().all(|publisher| publisher.waiting == 0) {
                latencies.sort_unstable();
                return Ok(Latencies(latencies));
            }
            if now > start + length + PATIENCE {
                return Err(io::Error::other("acknowledgements are missing"));
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

impl Publisher {
    fn send(&mut self, due: Instant) -> io::Result<()> {
        if self.due[self.next].replace(due).is_some() {
            return Err(io::Error::other("all packet ids wait for their acknowledgements"));
        }
        let id = self.next as u16 + 1;
        self.next = (self.next + 1) % self.due.len();
        self.waiting += 1;
        let mut body = Vec::with_capacity(PAYLOAD_BYTES + 32);
        mqtt::put_text(&mut body, &self.topic);
        body.extend_from_slice(&id.to_be_bytes());
        body.resize(body.len() + PAYLOAD_BYTES, b'x');
        let frame = mqtt::frame(0x32, &body);
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match self.socket.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take_acks(&mut self, latencies: &mut Vec<Duration>) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match self.socket.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        let now = Instant::now();
        let whole = self.received.len() - self.received.len() % 4;
        for ack in self.received[..whole].chunks(4) {
            let slot = usize::from(u16::from_be_bytes([ack[2], ack[3]])).wrapping_sub(1);
            match (ack[0], self.due.get_mut(slot).and_then(Option::take)) {
                (0x40, Some(due)) => latencies.push(now - due),
                _ => return Err(io::Error::other(format!("not an acknowledgement of ours: {ack:x?}"))),
            }
            self.waiting -= 1;
        }
        self.received.drain(..whole);
        Ok(())
    }
}
