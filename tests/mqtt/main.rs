//! The MQTT broker from outside: bytes over real sockets to the real binary.

#![allow(clippy::disallowed_methods)] // Tests wait for real processes, with a deadline.

#[path = "../support/gateway.rs"]
mod gateway;

mod attacks;
mod broker;
mod client;
mod commits;
mod connect;
mod delivery;
mod hostile_bytes;
mod packet;
mod pressure;
mod qos2_in;
mod sessions;
mod violations;
