//! The command line. Exit codes: 0, 1 (failed), 2 (bad usage or configuration).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{check, explain, flink_export, mqtt, passwd, query_file, rules, run};

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
    #[command(
        after_help = "Example:\n  tidegate run --config /etc/tidegate/tidegate.toml\n\nExit code 0: stopped by a signal, 1: it could not start, or had to end; the log says why, 2: the configuration is wrong."
    )]
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
    /// Runs an SQL script over files, as Flink would; prints its rows as JSON, or writes them to files
    #[command(
        after_help = "Example:\n  tidegate query -f windows.sql\n\nThe script: CREATE TABLE ... WITH ('connector' = 'filesystem', ...), then one SELECT, or INSERT INTO a table, whose file\nis written; paths are relative to it.\nExit code 0: to the end, 1: a row or a file failed, 2: the SQL is wrong."
    )]
    Query {
        /// The script
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Shows what queries are made of: operators, what each keeps and until when, whose time moves it, where rows go
    #[command(
        after_help = "Examples:\n  tidegate explain --config tidegate.toml            every query\n  tidegate explain --config tidegate.toml minutes    one of them\n  tidegate explain -f windows.sql                    a script of tidegate query\n\nA tree is read from below: sources at the bottom, the query's rows at the top.\nExit code 0, or 2: the configuration or the SQL is wrong, or there is no such query."
    )]
    Explain {
        /// The configuration file
        #[arg(long, value_name = "FILE", required_unless_present = "file", conflicts_with = "file")]
        config: Option<PathBuf>,
        /// The query; without it all of them
        #[arg(conflicts_with = "file")]
        query: Option<String>,
        /// A script
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Runs your own tests of rules in simulated time: messages in, rows out
    #[command(
        after_help = "Example:\n  tidegate test tests/ --config tidegate.toml\n\nA case is NAME.toml (query, input, expected), or NAME.sql with its rows in NAME.out.\nExit code 0: all pass, 1: some fail, 2: there is nothing to run."
    )]
    Test {
        /// The folder with the cases
        directory: PathBuf,
        /// The configuration of cases that name none
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Prints the configuration in another system's words
    Export {
        #[command(subcommand)]
        to: Export,
    },
    /// Makes the hash of a broker user's password, which is asked for, or read from stdin
    #[command(
        after_help = "Examples:\n  tidegate passwd press-7                                  prints a line for [broker] password_file\n  tidegate passwd press-7 --file /etc/tidegate/passwords   adds or changes it there\n  pwgen 20 1 | tidegate passwd press-7                     from another program\n\nThe part after the colon can also stand in the configuration: [broker.user.press-7] password_hash = \"...\".\nA running gateway reads a changed password_file within seconds."
    )]
    Passwd {
        /// The user's name
        user: String,
        /// A password file in which to put the user
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Publishes to an MQTT broker, or subscribes: this one or another
    Mqtt {
        #[command(subcommand)]
        command: mqtt::Command,
    },
    /// Makes a sink deliver again that was fenced by another gateway with the same id
    #[command(
        after_help = "Example:\n  tidegate takeover cloud --config /etc/tidegate/tidegate.toml\n\nStop the other gateway first, and this one: the command works on the store while the gateway is down.\nExit code 0: done, 1: it cannot be, 2: the configuration is wrong."
    )]
    Takeover {
        /// The sink's name
        sink: String,
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Drops the records that are kept for a sink which is no longer in the configuration
    #[command(
        after_help = "Example:\n  tidegate forget cloud --config /etc/tidegate/tidegate.toml\n\nIts undelivered records are gone for good, and counted as dropped. The command works on the store while the gateway is down.\nExit code 0: done, 1: it cannot be, 2: the configuration is wrong."
    )]
    Forget {
        /// The sink's name
        sink: String,
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

#[derive(Subcommand)]
enum Export {
    /// Sources, views, queries and sinks as a script for Flink's SQL client, with Kafka connectors
    #[command(after_help = "Example:\n  tidegate export flink --config tidegate.toml > gateway.sql")]
    Flink {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config } => run::command(&config),
        Command::Check { config } => check::check(&config),
        Command::Query { file } => query_file::command(&file),
        Command::Explain { file: Some(file), .. } => explain::script(&file),
        Command::Explain { config, query, .. } => explain::config(&config.unwrap_or_default(), query.as_deref()),
        Command::Test { directory, config } => rules::command(&directory, config.as_deref()),
        Command::Export { to: Export::Flink { config } } => flink_export::command(&config),
        Command::Passwd { user, file } => passwd::command(&user, file.as_deref()),
        Command::Mqtt { command } => mqtt::command(command),
        Command::Takeover { sink, config } => run::takeover(&sink, &config),
        Command::Forget { sink, config } => run::forget(&sink, &config),
    }
}
