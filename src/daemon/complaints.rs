//! What the log says of payloads and rows that are not taken: for each source and query a line now and then, with how many
//! there were and what was wrong with one of them.
//!
//! Holds always: nobody can fill the log by sending what is wrong, neither with many lines nor with long ones.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::config::Settings;

/// The same thing of the same source or query is said this often.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// A reason may hold what a device sent.
const REASON_CHARS_MAX: usize = 300;

/// The sources and queries by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    InvalidOf(usize),
    FailedIn(usize),
    LateFor(usize),
    GivenUpBy(usize),
}

/// So many in one tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Complaint {
    pub about: About,
    pub count: u64,
    /// What is wrong with one of them; empty where nothing more is known.
    pub reason: String,
}

#[derive(Default)]
pub struct Complaints {
    /// When a thing was last said, and how many there were since.
    said: HashMap<About, (Instant, u64)>,
}

impl Complaints {
    pub fn log(&mut self, complaints: &[Complaint], settings: &Settings) {
        for complaint in complaints {
            if let Some(count) = self.due(complaint, Instant::now()) {
                log::warn!("{}", line(complaint, count, settings));
            }
        }
    }

    /// How many there are to speak of, if it is time to.
    fn due(&mut self, complaint: &Complaint, now: Instant) -> Option<u64> {
        let Some((at, count)) = self.said.get_mut(&complaint.about) else {
            self.said.insert(complaint.about, (now, 0));
            return Some(complaint.count);
        };
        *count += complaint.count;
        if now.duration_since(*at) < SAID_EVERY {
            return None;
        }
        *at = now;
        Some(std::mem::take(count))
    }
}

fn line(complaint: &Complaint, count: u64, settings: &Settings) -> String {
    let plain = complaint.reason.chars().map(|c| if c.is_control() { ' ' } else { c });
    let reason: String = plain.take(REASON_CHARS_MAX).collect();
    let query = |query: usize| &settings.queries[query].name;
    match complaint.about {
        About::InvalidOf(source) => {
            format!("source {}: {count} invalid messages, one of them {reason}", settings.sources[source].name)
        }
        About::FailedIn(of) => {
            format!("query {}: {count} rows or results failed, one of them over this: {reason}", query(of))
        }
        About::LateFor(of) => format!(
            "query {}: {count} rows are late, behind the watermark; a longer late_after of their source takes them in",
            query(of)
        ),
        About::GivenUpBy(of) => format!(
            "query {}: {count} partial matches, versions or waiting rows were given up at the limit of their number",
            query(of)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Outside};

    fn late(count: u64) -> Complaint {
        Complaint { about: About::LateFor(0), count, reason: String::new() }
    }

    #[test]
    fn the_same_is_said_once_a_minute_with_all_that_came_since() {
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(complaints.due(&late(3), at(0)), Some(3));
        assert_eq!(complaints.due(&late(2), at(1)), None);
        assert_eq!(complaints.due(&Complaint { about: About::LateFor(1), ..late(7) }, at(2)), Some(7));
        assert_eq!(complaints.due(&late(2), at(59)), None);
        assert_eq!(complaints.due(&late(1), at(60)), Some(5));
        assert_eq!(complaints.due(&late(4), at(61)), None);
    }

    #[test]
    fn what_a_device_sent_makes_neither_a_second_line_nor_a_long_one() {
        let configuration = "[gateway]\nid = \"gw\"\n[source.t]\nmqtt = \"t/{device}\"\nschema = \"n INT\"";
        let outside = Outside { variable: &|_| None, credential: &|_| Err(String::new()) };
        let settings = config::load(configuration, "test", outside).unwrap();
        let reason = format!("from [\"a\"]: \n\u{1b}[2J{}", "x".repeat(100_000));
        let complaint = Complaint { about: About::InvalidOf(0), count: 1, reason };
        let line = line(&complaint, 2, &settings);
        assert!(line.starts_with("source t: 2 invalid messages, one of them from [\"a\"]: "), "{line}");
        assert!(line.len() < 400 && !line.contains(char::is_control), "{line}");
    }
}
