//! Where rows come from: which source takes a topic, how a payload becomes a row, and the Modbus poller.
//!
//! Holds always: a slave that is silent costs nobody but its own source anything. Knows nothing of queries or the store.

#![allow(clippy::disallowed_methods)] // The poller reads clocks.

pub mod decode;
pub mod modbus;
pub mod mqtt;
mod polled;
pub mod table;
