//! A broker of our own, to see what a real one does seldom: it refuses a message by closing the connection, or for now.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::gateway::metric;
use crate::{alone, gateway, publish};

const CONFIGURATION: &str = r#"
[source.everything]
mqtt = "dev/{path#}"
format = "raw"

[query.forward]
sql = "SELECT path, payload FROM everything"
into = { sink = "hq", topic = "up/{path}", format = "raw" }
"#;

/// What the peer does about a message; it acknowledges everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Version 5: DISCONNECT with this reason code.
    Disconnect(u8),
    /// Closes without a word.
    Close,
    /// Version 5: PUBACK with this reason code, so many times.
    PubAck(u8, u32),
}

struct Peer {
    port: u16,
    /// Payloads that it acknowledged.
    taken: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    fn start(answer: Answer) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let taken = Arc::default();
        let shared = Arc::clone(&taken);
        thread::spawn(move || {
            let mut answers = 0;
            for socket in listener.incoming().flatten() {
                // A connection that breaks is the gateway's to make again.
                let _ = serve(socket, answer, &mut answers, &shared);
            }
        });
        Peer { port, taken }
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().expect("no thread panicked with it").clone()
    }
}

fn serve(mut socket: TcpStream, answer: Answer, answers: &mut u32, taken: &Mutex<Vec<String>>) -> io::Result<()> {
    let v5 = answer != Answer::Close;
    loop {
        let (first, body) = packet(&mut socket)?;
        match first >> 4 {
            1 if v5 => socket.write_all(&[0x20, 3, 0, 0, 0])?,
            1 => socket.write_all(&[0x20, 2, 0, 0])?,
            3 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let id = [body[2 + topic], body[3 + topic]];
                let payload = String::from_utf8_lossy(&body[4 + topic + usize::from(v5)..]).into_owned();
                if payload == "bad" {
                    match answer {
                        Answer::Disconnect(code) => return socket.write_all(&[0xE0, 1, code]),
                        Answer::Close => return Ok(()),
                        Answer::PubAck(code, times) if *answers < times => {
                            *answers += 1;
                            socket.write_all(&[0x40, 3, id[0], id[1], code])?;
                            continue;
                        }
                        Answer::PubAck(..) => {}
                    }
                }
                taken.lock().expect("no thread panicked with it").push(payload);
                socket.write_all(&[0x40, 2, id[0], id[1]])?;
            }
            12 => socket.write_all(&[0xD0, 0])?,
            _ => return Ok(()),
        }
    }
}

fn packet(socket: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    socket.read_exact(&mut byte)?;
    let first = byte[0];
    let (mut length, mut shift) = (0usize, 0);
    loop {
        socket.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7F) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    Ok((first, body))
}

/// Sends good messages around a bad one; gives what the peer took, without what came again, and how many died.
fn send(answer: Answer) -> (Vec<String>, u64, String) {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    let peer = Peer::start(answer);
    let version = if answer == Answer::Close { "3.1.1" } else { "5" };
    let sink = format!("[sink.hq]\nmqtt = \"127.0.0.1:{}\"\nversion = \"{version}\"\n", peer.port);
    let mut gateway = gateway(directory.path(), &format!("{CONFIGURATION}{sink}"));
    gateway.start();
    let messages = ["1", "2", "3", "bad", "4", "5"].map(|payload| ("dev/x", payload));
    publish(gateway.mqtt, &messages);
    let settled = |metrics: &str, what: &str| metric(metrics, &format!("tidegate_{what}_total{{sink=\"hq\"}}"));
    gateway.wait_for("an end of it", |metrics| settled(metrics, "delivered") + settled(metrics, "dead") == 6.0);
    let dead = settled(&gateway.metrics(), "dead") as u64;
    let mut taken: Vec<String> = Vec::new();
    for payload in peer.taken() {
        if !taken.contains(&payload) {
            taken.push(payload);
        }
    }
    (taken, dead, gateway.log())
}

#[test]
fn a_message_over_which_the_connection_ends_is_found_and_left_out() {
    let (taken, dead, log) = send(Answer::Disconnect(0x99));
    assert_eq!((taken, dead), (["1", "2", "3", "4", "5"].map(str::to_owned).to_vec(), 1));
    assert!(log.contains("closes the connection over it: invalid payload format (0x99)"), "{log}");
}

#[test]
fn a_quota_is_waited_for() {
    let (mut taken, dead, log) = send(Answer::PubAck(0x97, 3));
    // Behind the one that was refused for now, others were taken already.
    taken.sort();
    assert_eq!((taken, dead), (["1", "2", "3", "4", "5", "bad"].map(str::to_owned).to_vec(), 0));
    assert!(log.contains("quota exceeded (0x97)"), "{log}");
}

/// Without a reason it takes ten connections, with longer and longer pauses: a minute or two.
#[test]
fn a_broker_that_closes_without_a_word_is_believed_after_some_times() {
    if std::env::var_os("TIDEGATE_LONG").is_none() {
        return;
    }
    let (taken, dead, log) = send(Answer::Close);
    assert_eq!((taken, dead), (["1", "2", "3", "4", "5"].map(str::to_owned).to_vec(), 1));
    assert!(log.contains("closed the connection 10 times over it alone"), "{log}");
}
