//! Bytes of packets that have not wholly arrived, over all sockets.
//!
//! Holds always: a socket may hold its connection's share (and what one read brings); beyond that only while all of them
//! together are within `inflight_bytes_max`. So clients that announce large packets and never finish them cannot use up the memory.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Shared;
use super::metrics::{add, subtract};
use super::reason::{Fault, QUOTA};

/// What one socket's read buffer holds, counted for as long as this lives.
pub(super) struct Partial {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Partial {
    pub fn new(shared: Arc<Shared>) -> Partial {
        Partial { shared, bytes: 0 }
    }

    /// The buffer holds this much now.
    pub fn holds(&mut self, bytes: usize) -> Result<(), Fault> {
        let gauge = &self.shared.counters.partial_bytes;
        add(gauge, bytes);
        subtract(gauge, self.bytes);
        self.bytes = bytes;
        let all_max = self.shared.limits.inflight_bytes_max as u64;
        if bytes > self.shared.share_bytes() && gauge.load(Relaxed) > all_max {
            return Err(Fault::new(QUOTA, "an unfinished packet while such packets fill inflight_bytes_max"));
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        subtract(&self.shared.counters.partial_bytes, self.bytes);
    }
}
