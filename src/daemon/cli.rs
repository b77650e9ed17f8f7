//! The command line. Exit codes: 0, 1 (failed), 2 (bad usage or configuration).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{check, query_file, run};

/// An edge gateway: MQTT and Modbus in, streaming SQL in the middle, Kafka out exactly once.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  tidegate check --config /etc/tidegate/tidegate.toml\n  tidegate run --config /etc/tidegate/tidegate.toml\n  tidegate query -f windows.sql"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the gateway until SIGTERM or SIGINT
    #[command(after_help = "Example:\n  tidegate run --config /etc/tidegate/tidegate.toml")]
    Run {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Checks a configuration and shows every problem with its place; changes nothing
    #[command(after_help = "Example:\n  tidegate check --config tidegate.toml\n\nExit code 0: right, 2: wrong.")]
    Check {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Runs an SQL script over files, as Flink would, and prints its rows as JSON
    #[command(
        after_help = "Example:\n  tidegate query -f windows.sql\n\nThe script: CREATE TABLE ... WITH ('connector' = 'filesystem', ...), then one SELECT; paths are relative to it.\nExit code 0: to the end, 1: a row or a file failed, 2: the SQL is wrong."
    )]
    Query {
        /// The script
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Makes a sink deliver again that was fenced by another gateway with the same id
    #[command(
        after_help = "Example:\n  tidegate takeover cloud --config /etc/tidegate/tidegate.toml\n\nStop the other gateway first, and this one: the command works on the store while the gateway is down."
    )]
    Takeover {
        /// The sink's name
        sink: String,
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config } => run::command(&config),
        Command::Check { config } => ExitCode::from(check::check(&config)),
        Command::Query { file } => query_file::command(&file),
        Command::Takeover { sink, config } => run::takeover(&sink, &config),
    }
}
