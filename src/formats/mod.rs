//! Bytes to rows and rows to bytes: JSON and CSV.
//!
//! Holds always: whatever the bytes, decoding ends with a row or with an error that says what was wrong, never with a
//! panic, and uses memory in proportion to the input. Knows nothing of where bytes come from or go to.

mod csv;
mod json;

pub use csv::CsvReader;
pub use json::{JsonDecoder, JsonEncoder, JsonField};

/// Why bytes are no row; the text is bounded and names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);
