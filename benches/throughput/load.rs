//! A load generator that costs as little as it can: one thread, plain sockets, frames made beforehand.
//!
//! Each publisher keeps `window` messages unacknowledged. The thread goes round the publishers: it takes the
//! acknowledgements that are there (waiting if there are none) and sends as many new messages. A publisher that has to
//! wait holds up the others' sending, but their windows are full by then, so the server never runs dry.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::mqtt::{Stream, frame, open, put_text};

/// An acknowledgement of MQTT 3.1.1 has two bytes of header and two of packet id, PINGRESP the header alone.
const ACK_BYTES: usize = 4;
const PING: [u8; 2] = [0xC0, 0];
const PONG: u8 = 0xD0;

/// One frame's place for something that must differ from message to message.
pub type Patch = fn(frame: &mut [u8], payload_at: usize, sequence: u64);

pub struct Load {
    publishers: Vec<Publisher>,
    window: usize,
    patch: Option<Patch>,
}

/// What was acknowledged in the measured time.
pub struct Measured {
    pub messages: u64,
    pub elapsed: Duration,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }
}

struct Publisher {
    stream: Stream,
    qos: u8,
    /// At QoS 0 a PINGREQ follows each batch, and its answer stands for all of it.
    batches: std::collections::VecDeque<usize>,
    /// Frames of one length, sent in a ring.
    ring: Vec<u8>,
    frame_bytes: usize,
    payload_at: usize,
    next: usize,
    sequence: u64,
    unacknowledged: usize,
    /// The first bytes of an acknowledgement of which the rest has not come yet.
    partial: Vec<u8>,
}

impl Load {
    /// `payload(publisher, frame)` must have the same length for all frames; `topic(publisher)` is the publisher's own.
    pub fn connect(
        address: SocketAddr,
        publishers: usize,
        qos: u8,
        window: usize,
        topic: &dyn Fn(usize) -> String,
        payload: &mut dyn FnMut(usize, usize) -> Vec<u8>,
    ) -> io::Result<Load> {
        Load::over(&|| TcpStream::connect(address).map(Stream::Plain), publishers, qos, window, topic, payload)
    }

    /// [`Load::connect`] over streams of any kind.
    pub fn over(
        stream: &dyn Fn() -> io::Result<Stream>,
        publishers: usize,
        qos: u8,
        window: usize,
        topic: &dyn Fn(usize) -> String,
        payload: &mut dyn FnMut(usize, usize) -> Vec<u8>,
    ) -> io::Result<Load> {
        // Enough different frames that a compressor cannot find the last round of the ring again.
        let frames = (8192 / publishers).max(2 * window);
        let connect = |publisher| {
            let payloads = (0..frames).map(|frame| payload(publisher, frame)).collect::<Vec<_>>();
            Publisher::connect(stream()?, &format!("load-{publisher}"), &topic(publisher), qos, &payloads)
        };
        Ok(Load { publishers: (0..publishers).map(connect).collect::<io::Result<_>>()?, window, patch: None })
    }

    pub fn patched(mut self, patch: Patch) -> Load {
        self.patch = Some(patch);
        self
    }

    /// As fast as the server acknowledges.
    pub fn run(&mut self, length: Duration) -> io::Result<Measured> {
        let (start, mut messages) = (Instant::now(), 0);
        while start.elapsed() < length {
            for publisher in &mut self.publishers {
                if publisher.unacknowledged > 0 {
                    messages += publisher.take_acks()? as u64;
                }
                publisher.send(self.window - publisher.unacknowledged, self.patch)?;
            }
        }
        Ok(Measured { messages, elapsed: start.elapsed() })
    }

    /// At a steady rate, in rounds of 10 ms; a server that is slower than that slows it down.
    pub fn run_paced(&mut self, length: Duration, per_second: u64) -> io::Result<Measured> {
        let (start, mut sent, mut messages) = (Instant::now(), 0, 0);
        while start.elapsed() < length {
            let due = (start.elapsed().as_secs_f64() * per_second as f64) as u64;
            let each = ((due - sent.min(due)) as usize / self.publishers.len()).min(self.window);
            for publisher in &mut self.publishers {
                publisher.send(each, self.patch)?;
                sent += each as u64;
            }
            messages += self.settle()?;
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Measured { messages, elapsed: start.elapsed() })
    }

    /// Waits until everything is acknowledged.
    pub fn settle(&mut self) -> io::Result<u64> {
        let mut messages = 0;
        for publisher in &mut self.publishers {
            while publisher.unacknowledged > 0 {
                messages += publisher.take_acks()? as u64;
            }
        }
        Ok(messages)
    }

    /// Messages sent since the start.
    pub fn sent(&self) -> u64 {
        self.publishers.iter().map(|publisher| publisher.sequence).sum()
    }
}

impl Publisher {
    fn connect(stream: Stream, id: &str, topic: &str, qos: u8, payloads: &[Vec<u8>]) -> io::Result<Publisher> {
        let stream = open(stream, id)?;
        let mut ring = Vec::new();
        for (index, payload) in payloads.iter().enumerate() {
            let mut body = Vec::new();
            put_text(&mut body, topic);
            if qos > 0 {
                body.extend_from_slice(&(index as u16 + 1).to_be_bytes());
            }
            body.extend_from_slice(payload);
            ring.extend_from_slice(&frame(0x30 | (qos << 1), &body));
        }
        let frame_bytes = ring.len() / payloads.len();
        let payload_at = frame_bytes - payloads[0].len();
        let (next, sequence, unacknowledged) = (0, 0, 0);
        Ok(Publisher {
            stream,
            qos,
            batches: std::collections::VecDeque::new(),
            ring,
            frame_bytes,
            payload_at,
            next,
            sequence,
            unacknowledged,
            partial: Vec::new(),
        })
    }

    fn send(&mut self, mut count: usize, patch: Option<Patch>) -> io::Result<()> {
        let frames = self.ring.len() / self.frame_bytes;
        while count > 0 {
            let part = count.min(frames - self.next);
            let range = self.next * self.frame_bytes..(self.next + part) * self.frame_bytes;
            if let Some(patch) = patch {
                let sequences = self.sequence..;
                for (frame, sequence) in self.ring[range.clone()].chunks_mut(self.frame_bytes).zip(sequences) {
                    patch(frame, self.payload_at, sequence);
                }
            }
            self.stream.write_all(&self.ring[range])?;
            if self.qos == 0 {
                self.stream.write_all(&PING)?;
                self.batches.push_back(part);
            }
            self.next = (self.next + part) % frames;
            self.sequence += part as u64;
            self.unacknowledged += part;
            count -= part;
        }
        Ok(())
    }

    /// Reads once; gives the messages that are now acknowledged to the end.
    fn take_acks(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        let held = self.partial.len();
        buffer[..held].copy_from_slice(&self.partial);
        let count = self.stream.read(&mut buffer[held..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut received = &buffer[..held + count];
        let (mut done, mut releases) = (0, Vec::new());
        while let Some(first) = received.first() {
            let bytes = if *first == PONG { PING.len() } else { ACK_BYTES };
            let Some((ack, rest)) = received.split_at_checked(bytes) else { break };
            match (first, self.qos) {
                (0x40, 1) | (0x70, 2) => done += 1,
                (0x50, 2) => releases.extend_from_slice(&[0x62, 2, ack[2], ack[3]]),
                (&PONG, 0) => done += self.batches.pop_front().unwrap_or_default(),
                (other, _) => return Err(io::Error::other(format!("not an acknowledgement: {other:#x}"))),
            }
            received = rest;
        }
        self.partial = received.to_vec();
        self.stream.write_all(&releases)?;
        self.unacknowledged -= done;
        Ok(done)
    }
}
