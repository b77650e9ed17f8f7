//! Bytes of packets that have not wholly arrived, over all sockets.
//!
//! Holds always: beyond what every connection may have, a packet that has begun counts with its whole length, and all of
//! them together are within `inflight_bytes_max`. So clients that announce large packets and never finish them cannot use
//! up the memory.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::metrics::{add, subtract};
use super::reason::{Fault, QUOTA};
use super::{SHARE_BYTES_MIN, Shared};

/// What one socket's unfinished packet takes, counted for as long as this lives.
pub(super) struct Partial {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Partial {
    pub fn new(shared: Arc<Shared>) -> Partial {
        Partial { shared, bytes: 0 }
    }

    /// The unfinished packet will have this length, as far as is known; 0: there is none.
    pub fn announce(&mut self, bytes: usize) -> Result<(), Fault> {
        if bytes == self.bytes {
            return Ok(());
        }
        let gauge = &self.shared.counters.partial_bytes;
        add(gauge, bytes);
        subtract(gauge, self.bytes);
        self.bytes = bytes;
        if bytes > SHARE_BYTES_MIN && gauge.load(Relaxed) > self.shared.limits.inflight_bytes_max as u64 {
            return Err(Fault::new(QUOTA, "inflight_bytes_max is reached by packets that are not whole"));
        }
        Ok(())
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        subtract(&self.shared.counters.partial_bytes, self.bytes);
    }
}
