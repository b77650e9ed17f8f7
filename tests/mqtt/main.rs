//! The MQTT broker from outside: bytes over real sockets to the real binary. README.md here is the guide.

#![allow(clippy::disallowed_methods)] // Tests wait for real processes, with a deadline.

#[path = "../support/gateway.rs"]
mod gateway;

mod attacks;
mod broker;
mod client;
mod commits;
mod connect;
mod delivery;
mod dollar;
mod hostile_bytes;
mod hostile_clients;
mod limits;
mod neighbour;
mod packet;
mod pressure;
mod qos2_in;
mod queued;
mod retained;
mod sessions;
mod statements;
mod version5;
mod violations;
mod websocket;
mod wills;
