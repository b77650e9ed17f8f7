//! Bytes to rows and rows to bytes: JSON and CSV.
//!
//! Holds always: whatever the bytes, decoding ends with a row or with an error that says what was wrong, never with a
//! panic, and uses memory in proportion to the input. Knows nothing of where bytes come from or go to.

mod converted;
mod csv;
mod json;
mod json_out;
pub mod moment;

pub use converted::Types;
pub use csv::{CsvReader, CsvWriter};
pub use json::{JsonDecoder, JsonField};
pub use json_out::{JsonEncoder, TimestampText, encode_value};

/// Why bytes are no row; the text is bounded and names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

/// What was found, short enough for a log line.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
