//! `tidegate mqtt pub` and `tidegate mqtt sub`: to try things on a box that has no other client.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand};

use crate::client::{self, Ack, ClientError, Hello, Packet, Publish, Receiver, Sender, Server, ServerTls};

const KEEP_ALIVE_S: u16 = 60;
/// A line of stdin, or a message.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

#[derive(Subcommand)]
pub enum Command {
    /// Publishes a message, or each line of stdin as one
    #[command(
        after_help = "Examples:\n  tidegate mqtt pub -t dev/press-7/telemetry -m '{\"temp\":81}'\n  seq 3 | tidegate mqtt pub -t numbers -q 1\n  tidegate mqtt pub -s mqtts://gw.plant.example --ca ca.pem -u ada --password-file pw -t t -m hello -q 1 -r\n\nAt QoS 1 and 2 each message is acknowledged before the next one is sent.\nExit code 0: all sent, 1: not, 2: wrong usage."
    )]
    Pub {
        #[command(flatten)]
        server: ServerArguments,
        /// The topic
        #[arg(short, long)]
        topic: String,
        /// The message; without it, each line of stdin is one
        #[arg(short, long)]
        message: Option<String>,
        /// 0, 1 or 2
        #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
        qos: u8,
        /// The server keeps it for later subscribers; an empty message clears it
        #[arg(short, long)]
        retain: bool,
    },
    /// Prints the messages of one or more topic filters, a line each
    #[command(
        after_help = "Examples:\n  tidegate mqtt sub -t '#' -v\n  tidegate mqtt sub -t 'dev/+/telemetry' -q 1 -c 10\n\nExit code 0: so many as --count came, 1: the connection failed, 2: wrong usage."
    )]
    Sub {
        #[command(flatten)]
        server: ServerArguments,
        /// A topic filter; may be given more than once
        #[arg(short, long, required = true)]
        topic: Vec<String>,
        /// 0, 1 or 2
        #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
        qos: u8,
        /// Ends after so many messages
        #[arg(short, long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
        /// Shows the topic before each message
        #[arg(short, long)]
        verbose: bool,
    },
}

#[derive(Args)]
pub struct ServerArguments {
    /// mqtt://HOST or mqtts://HOST (TLS), with :PORT where it is not 1883 or 8883
    #[arg(short, long, value_name = "ADDRESS", default_value = "mqtt://127.0.0.1")]
    server: String,
    /// The client identifier; default: one made up
    #[arg(short = 'i', long)]
    client_id: Option<String>,
    /// The user's name; without it none is given
    #[arg(short, long)]
    user: Option<String>,
    /// The password; other users of this machine may see it there
    #[arg(short = 'P', long, conflicts_with = "password_file")]
    password: Option<String>,
    /// A file whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The CA of the server's certificate, in PEM; default: those that this machine trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A certificate of our own, in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum MqttError {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{}: {error}", file.display())]
    File { file: PathBuf, error: std::io::Error },
    #[error("stdin or stdout: {0}")]
    Pipe(#[from] std::io::Error),
    #[error("the server refuses to subscribe to {0:?}")]
    Subscription(String),
}

pub fn command(command: Command) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(MqttError::from).and_then(|runtime| {
        runtime.block_on(async {
            match command {
                Command::Pub { server, topic, message, qos, retain } => {
                    publish(&server, &topic, message, qos, retain).await
                }
                Command::Sub { server, topic, qos, count, verbose } => {
                    subscribe(&server, &topic, qos, count, verbose).await
                }
            }
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has had enough.
        Err(MqttError::Pipe(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if matches!(error, MqttError::Usage(_)) { 2 } else { 1 })
        }
    }
}

fn first_line(file: &Path) -> Result<String, MqttError> {
    let text = std::fs::read_to_string(file).map_err(|error| MqttError::File { file: file.to_owned(), error })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn server(arguments: &ServerArguments) -> Result<Server, MqttError> {
    let (host, port, tls) = client::parse_address(&arguments.server)
        .map_err(|form| MqttError::Usage(format!("--server cannot be {:?}: {form}", arguments.server)))?;
    if !tls && (arguments.ca.is_some() || arguments.cert.is_some()) {
        return Err(MqttError::Usage("--ca and --cert are for TLS: write --server mqtts://HOST".to_owned()));
    }
    let password = match &arguments.password_file {
        Some(file) => Some(first_line(file)?),
        None => arguments.password.clone(),
    };
    if password.is_some() && arguments.user.is_none() {
        return Err(MqttError::Usage("a password needs a --user".to_owned()));
    }
    let identity = arguments.cert.clone().zip(arguments.key.clone());
    let tls = tls.then(|| ServerTls { ca: arguments.ca.clone(), identity });
    Ok(Server { host, port, tls, user: arguments.user.clone(), password })
}

async fn connect(arguments: &ServerArguments, keep_alive_s: u16) -> Result<(Sender, Receiver), MqttError> {
    let made_up = format!("tidegate-{}", uuid::Uuid::new_v4().simple());
    let client_id = arguments.client_id.as_deref().unwrap_or(&made_up);
    let hello = Hello { keep_alive_s, ..Hello::new(client_id) };
    let (sender, receiver, _) = client::connect(&server(arguments)?, &hello).await?;
    Ok((sender, receiver))
}

async fn publish(
    arguments: &ServerArguments,
    topic: &str,
    message: Option<String>,
    qos: u8,
    retain: bool,
) -> Result<(), MqttError> {
    if topic.is_empty() || topic.len() > usize::from(u16::MAX) || topic.contains(['+', '#', '\0']) {
        return Err(MqttError::Usage(format!("--topic cannot be {topic:?}: a topic has neither \"+\" nor \"#\"")));
    }
    // Lines may come slowly, so there is no keep-alive to miss.
    let (mut sender, mut receiver) = connect(arguments, 0).await?;
    let topic = Bytes::copy_from_slice(topic.as_bytes());
    let publish = |payload| Publish { topic: topic.clone(), payload, qos, retain };
    match message {
        Some(message) => send(&mut sender, &mut receiver, &publish(message.into()), 1).await?,
        None => {
            let mut packet_id = 0u16;
            for line in std::io::stdin().lock().split(b'\n') {
                let line = line?;
                if line.len() > MESSAGE_BYTES_MAX {
                    return Err(MqttError::Usage("a line of more than 16 MiB".to_owned()));
                }
                packet_id = packet_id.checked_add(1).unwrap_or(1);
                send(&mut sender, &mut receiver, &publish(line.into()), packet_id).await?;
            }
        }
    }
    sender.disconnect();
    Ok(sender.flush().await?)
}

/// Sends a message and waits until it is acknowledged, as far as its QoS has it.
async fn send(sender: &mut Sender, receiver: &mut Receiver, publish: &Publish, id: u16) -> Result<(), MqttError> {
    sender.publish(publish, id);
    sender.flush().await?;
    let last = match publish.qos {
        0 => return Ok(()),
        1 => Ack::PubAck,
        _ => Ack::PubComp,
    };
    loop {
        let Packet::Ack { ack, packet_id, .. } = receiver.next().await? else { continue };
        if packet_id == id && ack == last {
            return Ok(());
        }
        if packet_id == id && ack == Ack::PubRec {
            sender.acknowledge(Ack::PubRel, id);
            sender.flush().await?;
        }
    }
}

async fn subscribe(
    arguments: &ServerArguments,
    filters: &[String],
    qos: u8,
    count: Option<u64>,
    verbose: bool,
) -> Result<(), MqttError> {
    if let Some(wrong) = filters.iter().find(|filter| filter.is_empty() || filter.len() > usize::from(u16::MAX)) {
        return Err(MqttError::Usage(format!("--topic cannot be {wrong:?}")));
    }
    let (mut sender, mut receiver) = connect(arguments, KEEP_ALIVE_S).await?;
    let asked: Vec<(String, u8)> = filters.iter().map(|filter| (filter.clone(), qos)).collect();
    sender.subscribe(1, &asked);
    sender.flush().await?;
    let mut left = count;
    let mut ping = tokio::time::interval(Duration::from_secs(u64::from(KEEP_ALIVE_S) / 2));
    while left != Some(0) {
        let packet = tokio::select! {
            packet = receiver.next() => packet?,
            _ = ping.tick() => {
                sender.ping();
                sender.flush().await?;
                continue;
            }
        };
        match packet {
            Packet::SubAck { codes, .. } => {
                if let Some(refused) = codes.iter().position(|code| *code >= 0x80) {
                    return Err(MqttError::Subscription(filters.get(refused).cloned().unwrap_or_default()));
                }
            }
            Packet::Publish { publish, packet_id } => {
                print(&publish, verbose)?;
                left = left.map(|left| left - 1);
                match publish.qos {
                    0 => {}
                    1 => sender.acknowledge(Ack::PubAck, packet_id),
                    _ => sender.acknowledge(Ack::PubRec, packet_id),
                }
                sender.flush().await?;
            }
            Packet::Ack { ack: Ack::PubRel, packet_id, .. } => {
                sender.acknowledge(Ack::PubComp, packet_id);
                sender.flush().await?;
            }
            Packet::ConnAck { .. }
            | Packet::Ack { .. }
            | Packet::UnsubAck { .. }
            | Packet::Disconnect { .. }
            | Packet::Pong => {}
        }
    }
    sender.disconnect();
    Ok(sender.flush().await?)
}

/// A line: the payload as it came, with its topic before it.
fn print(publish: &Publish, verbose: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if verbose {
        out.write_all(&publish.topic)?;
        out.write_all(b" ")?;
    }
    out.write_all(&publish.payload)?;
    out.write_all(b"\n")?;
    out.flush()
}
