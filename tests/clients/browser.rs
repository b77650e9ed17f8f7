//! mqtt.js from a browser's page over WebSocket: a headless Chromium opens a page of ours, which says how it went.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::gateway::PATIENCE;

/// Runs the smoke suite against a WebSocket listener; `library` is mqtt.js for browsers. Gives what the page said.
pub fn smoke(websocket: SocketAddr, library: &Path, profile: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let url = format!("http://{address}/?url=ws://{websocket}/mqtt");
    let browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _browser = Browser(browser.expect("chromium runs: tests/clients/install all"));
    let (said, saying) = mpsc::channel();
    let library = std::fs::read(library).expect("mqtt.js is installed");
    thread::spawn(move || {
        // A browser opens connections that it does not use: each has a thread.
        for socket in listener.incoming().flatten() {
            let (said, library) = (said.clone(), library.clone());
            thread::spawn(move || answer(socket, library).map(|text| said.send(text)));
        }
    });
    saying.recv_timeout(PATIENCE).expect("the page says something")
}

struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Answers one request; gives what the page said, if that was it.
fn answer(mut socket: TcpStream, library: Vec<u8>) -> Option<String> {
    let mut reader = BufReader::new(socket.try_clone().expect("a second handle"));
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let (mut header, mut length) = (String::new(), 0);
    while reader.read_line(&mut header).ok()? > 2 {
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        header.clear();
    }
    let mut said = vec![0; length];
    reader.read_exact(&mut said).ok()?;
    let path = line.split(' ').nth(1).unwrap_or_default();
    let page = include_str!("mqtt_js_page.html").as_bytes().to_vec();
    let (status, kind, body) = match path {
        "/mqtt.js" => ("200 OK", "text/javascript", library),
        path if path.starts_with("/?") => ("200 OK", "text/html", page),
        "/said" => ("204 No Content", "text/plain", Vec::new()),
        _ => ("404 Not Found", "text/plain", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = socket.write_all(&[head.as_bytes(), &body].concat());
    (path == "/said").then(|| String::from_utf8_lossy(&said).into_owned())
}
