//! The configuration file: raw (as written) → checked (every problem at once, with its place) → settings.

mod settings;

pub use settings::*;
