//! `tidegate check --config F`: says everything that is wrong with a configuration, or in short what it makes.
//!
//! Also where every command gets its configuration from: the file, the environment and systemd's credentials are read
//! here, the rest is a pure function.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::stdout;
use crate::broker;
use crate::client;
use crate::config::{self, Outside, Problem, Settings, SinkKind};
use crate::model::ByteSize;
use crate::sources::table::{Change, TableFile};

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read {}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    /// In the order of the file, at least one.
    #[error("{}", report(.0))]
    Wrong(Vec<Problem>),
}

/// A credential is a password or a key.
const CREDENTIAL_BYTES_MAX: u64 = 1 << 20;

/// Reads and checks a configuration.
pub fn load_file(path: &Path) -> Result<Settings, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|error| LoadError::File { path: path.to_owned(), error })?;
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let variable = |name: &str| std::env::var(name).ok();
    let credential = |name: &str| read_credential(directory.as_deref(), name);
    let outside = Outside { variable: &variable, credential: &credential };
    let mut settings = config::load(&text, &path.to_string_lossy(), outside).map_err(LoadError::Wrong)?;
    // A table's file is named from where the configuration is.
    let folder = path.parent().unwrap_or(Path::new(""));
    for table in &mut settings.tables {
        table.file = folder.join(&table.file);
    }
    Ok(settings)
}

/// Prints what is wrong to stderr, or a summary to stdout; gives the exit code.
pub fn check(path: &Path) -> ExitCode {
    match load_file(path) {
        Ok(settings) => {
            for warning in &settings.warnings {
                eprintln!("warning: {warning}\n");
            }
            for table in &settings.tables {
                if let Change::Wrong(why) = TableFile::new(table).poll() {
                    eprintln!("warning: table {}: {} cannot be loaded: {why}\n", table.name, table.file.display());
                }
            }
            let mut wrong: Vec<String> =
                broker::check_files(&settings.broker).iter().map(ToString::to_string).collect();
            wrong.extend(check_peers(&settings));
            for file in &wrong {
                eprintln!("{file}\n");
            }
            if !wrong.is_empty() {
                return ExitCode::from(2);
            }
            stdout::print(&(summary(&settings) + "\n"), ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// What is wrong with the files that other MQTT brokers are reached with.
fn check_peers(settings: &Settings) -> Vec<String> {
    let sinks = settings.sinks.iter().filter_map(|sink| match &sink.kind {
        SinkKind::Mqtt(mqtt) => Some((format!("sink {}", sink.name), &mqtt.peer)),
        SinkKind::Kafka(_) => None,
    });
    let bridges = settings.bridges.iter().map(|bridge| (format!("bridge {}", bridge.name), &bridge.peer));
    let wrong = |(whose, peer): (String, &config::Peer)| {
        client::check_files(&peer.server).err().map(|error| format!("{whose}: {error}"))
    };
    sinks.chain(bridges).filter_map(wrong).collect()
}

/// systemd's `LoadCredential=`; one line end at the end is none of the secret.
fn read_credential(directory: Option<&Path>, name: &str) -> Result<String, String> {
    let right = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(right) {
        return Err("a credential's name has letters, digits, \".\", \"_\" and \"-\"".to_owned());
    }
    let directory = directory
        .ok_or("there are no credentials: $CREDENTIALS_DIRECTORY is not set (systemd's LoadCredential= sets it)")?;
    let path = directory.join(name);
    let size =
        std::fs::metadata(&path).map_err(|error| format!("the credential {name} cannot be read: {error}"))?.len();
    if size > CREDENTIAL_BYTES_MAX {
        return Err(format!("the credential {name} is larger than {}", ByteSize(CREDENTIAL_BYTES_MAX)));
    }
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("the credential {name} cannot be read: {error}"))?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

fn report(problems: &[Problem]) -> String {
    let mut text: String = problems.iter().map(|problem| format!("{problem}\n\n")).collect();
    let _ = match problems.len() {
        1 => write!(text, "1 problem"),
        n => write!(text, "{n} problems"),
    };
    text
}

fn summary(settings: &Settings) -> String {
    let names = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let listeners: Vec<String> = settings.broker.listeners.iter().map(|l| l.transport.address().to_string()).collect();
    let lines = [
        ("gateway", settings.gateway.id.clone()),
        ("listeners", listeners.join(", ")),
        ("sources", names(settings.sources.iter().map(|source| source.name.as_str()).collect())),
        ("queries", names(settings.queries.iter().map(|query| query.name.as_str()).collect())),
        ("bridges", names(settings.bridges.iter().map(|bridge| bridge.name.as_str()).collect())),
        ("sinks", names(settings.sinks.iter().map(|sink| sink.name.as_str()).collect())),
        (
            "store",
            format!("{}, at most {}", settings.gateway.data_dir.display(), ByteSize(settings.store.size_max_bytes)),
        ),
    ];
    let mut text = String::from("the configuration is right");
    for (what, value) in lines {
        let _ = write!(text, "\n  {what:<10} {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_from_their_directory_only() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("kafka_password"), "s3cret\n").unwrap();
        let read = |name| read_credential(Some(directory.path()), name);
        assert_eq!(read("kafka_password"), Ok("s3cret".to_owned()));
        for wrong in ["", "../kafka_password", "a/b", ".", "..", "missing"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read_credential(None, "kafka_password").is_err());
    }

    #[test]
    fn a_right_file_gives_0_a_wrong_one_2() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gateway.toml");
        std::fs::write(&file, "[gateway]\nid = \"gw\"\n").unwrap();
        assert_eq!(check(&file), ExitCode::SUCCESS);
        std::fs::write(&file, "[gatewy]\nid = \"gw\"\n").unwrap();
        assert_eq!(check(&file), ExitCode::from(2));
        let sink = "[gateway]\nid = \"gw\"\n[sink.hq]\nmqtt = \"mqtts://127.0.0.1\"\nca = \"/no/such/ca.pem\"\n";
        std::fs::write(&file, sink).unwrap();
        assert_eq!(check(&file), ExitCode::from(2), "its CA is missing");
        assert_eq!(check(&directory.path().join("missing.toml")), ExitCode::from(2));
    }
}
