//! Pure decisions of delivery: what to send next, how much of it, when to try again, where to resume, which record is
//! at fault. A sink is the shell around them.
//!
//! Holds always: no clock, no randomness, no I/O; time and chance come in as values. Knows nothing of Kafka's client
//! or of SQLite.

mod backoff;
mod batch;
mod bisect;
mod record;
mod resume;

pub use backoff::Backoff;
pub use batch::Batch;
pub use bisect::{Bisect, Refusal};
pub use record::{DamagedRecord, Record, RecordRef};
pub use resume::{Committed, Resume, Writer, resume};
