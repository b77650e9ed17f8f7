//! tidegate: devices in, streaming SQL in the middle, Kafka out exactly once.

pub mod broker;
pub mod config;
pub mod daemon;
pub mod delivery;
pub mod engine;
pub mod formats;
pub mod model;
pub mod plan;
pub mod sinks;
pub mod sources;
pub mod sql;
pub mod store;
