//! The shell around everything: command line, start and stop, the pipeline, recovery, metrics.
//!
//! Holds always: clocks are read here and in the other outer modules only; what the core computes is a function of what
//! it is given. Knows how the modules fit together, and nothing of how each does its work.

#![allow(clippy::disallowed_methods)] // The shell reads clocks.

mod admin;
pub mod check;
mod cli;
mod clock;
mod complaints;
mod core;
mod explain;
mod exposition;
pub mod flink_export;
mod health;
mod journal;
mod logging;
mod mqtt;
mod names;
mod passwd;
mod pipeline;
pub mod query_file;
mod recovery;
pub mod rules;
mod run;
mod stdout;

pub use cli::main;
