//! tidegate: devices in, streaming SQL in the middle, Kafka out exactly once.
//!
//! # The life of one event
//!
//! ```text
//!  device ──MQTT──▶ broker ─┐                                     ┌─▶ sink: Kafka (transaction + offset)
//!  slave ──Modbus─▶ sources ┴─▶ decode ─▶ engine.step ─▶ COMMIT ──┤
//!                                                        │        └─▶ live MQTT subscribers
//!                                             PUBACK ◀───┘
//! ```
//!
//! 1. A device's PUBLISH comes in at [`broker`], which cuts and checks the frame and remembers that an acknowledgement is
//!    owed; or a poller in [`sources`] reads a slave's registers.
//! 2. [`daemon`]'s pipeline takes what has arrived as one *tick*, stamps it with `now`, finds the sources whose topic
//!    matches, and has [`formats`] turn payloads into rows of the [`model`].
//! 3. [`engine`] runs the [`plan`], which [`sql`] bound from the [`config`]uration, over the rows: a pure function of the
//!    state, `now` and the rows.
//! 4. The messages (for replay) and the rows that came out (one log a sink) go into [`store`] in one SQLite transaction,
//!    with QoS 2 packet ids and counters. It is fsynced.
//! 5. Only now is the PUBACK sent, subscribers get the message, and the sinks wake.
//! 6. A task in [`sinks`] takes its log's next records into a Kafka transaction together with the log's next offset, as
//!    [`delivery`] decides; the committed offset in Kafka says from where to go on after whatever happens.
//!    Or another MQTT broker gets them, and what it has acknowledged is done with.
//!
//! What another MQTT broker has for us comes in through a [`bridge`], like a device's PUBLISH.
//!
//! After a crash the last snapshot is loaded and the messages since are run through the same `step` again.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        reason = "a panic takes down a gateway at which nobody sits: say what is wrong and go on, or end in order"
    )
)]

pub mod bridge;
pub mod broker;
pub mod client;
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
