//! Where to go on in a log after a start or a lost connection.
//!
//! Kafka holds a position, written in the same transaction as the records before it, and the start of the daemon that
//! wrote it. The store has a cursor of its own, which may lag behind. A position is believed only as far as the log
//! reached in the start that wrote it: a database that went back in time has given the offsets beyond to new records.

/// The position in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    pub offset: u64,
    pub writer: Writer,
}

/// What our store knows of the start that wrote a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The start that is running.
    Running,
    /// An earlier one, which ended when the log's next offset was this.
    Ended(u64),
    /// None that this store ever made.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Each record once. `lost`: Kafka holds that many records that our log has lost.
    Exactly { at: u64, lost: u64 },
    /// Records behind `at` may be in Kafka already.
    MayRepeat { at: u64 },
}

/// `cursor` is the local one, `log_end` the log's next offset.
pub fn resume(cursor: u64, log_end: u64, committed: Option<Committed>) -> Resume {
    let bounded =
        |offset: u64, end: u64| Resume::Exactly { at: cursor.max(offset.min(end)), lost: offset.saturating_sub(end) };
    match committed {
        Some(Committed { offset, writer: Writer::Running }) => bounded(offset, log_end),
        Some(Committed { offset, writer: Writer::Ended(end) }) => bounded(offset, end),
        // A log that never had a record, or a sink that never sent one, has nothing that could come twice.
        None if cursor == 0 && log_end == 0 => Resume::Exactly { at: 0, lost: 0 },
        None | Some(Committed { writer: Writer::Unknown, .. }) => Resume::MayRepeat { at: cursor },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(offset: u64, writer: Writer) -> Option<Committed> {
        Some(Committed { offset, writer })
    }

    #[test]
    fn the_rule() {
        assert_eq!(resume(5, 20, at(9, Writer::Running)), Resume::Exactly { at: 9, lost: 0 });
        assert_eq!(resume(5, 20, at(9, Writer::Ended(15))), Resume::Exactly { at: 9, lost: 0 });
        assert_eq!(
            resume(12, 20, at(9, Writer::Ended(15))),
            Resume::Exactly { at: 12, lost: 0 },
            "the cursor is ahead"
        );
        // A restored image: its log ended at 15, Kafka has seen 30 of the start that went on without it.
        assert_eq!(resume(5, 20, at(30, Writer::Ended(15))), Resume::Exactly { at: 15, lost: 15 });
        assert_eq!(resume(5, 20, at(9, Writer::Unknown)), Resume::MayRepeat { at: 5 });
        assert_eq!(resume(5, 20, None), Resume::MayRepeat { at: 5 });
        assert_eq!(resume(0, 0, None), Resume::Exactly { at: 0, lost: 0 });
    }

    proptest! {
        #[test]
        fn never_before_the_cursor_and_never_over_records_that_kafka_cannot_know(cursor in 0..50u64, more in 0..50u64, offset in 0..200u64, end in 0..100u64) {
            let log_end = cursor + more;
            for (writer, bound) in [(Writer::Running, log_end), (Writer::Ended(end), end)] {
                let Resume::Exactly { at, .. } = resume(cursor, log_end, at(offset, writer)) else {
                    return Err(TestCaseError::fail("known writers leave no doubt"));
                };
                prop_assert!(at >= cursor);
                prop_assert!(at <= cursor.max(bound) && at <= cursor.max(offset));
            }
        }
    }
}
