//! The sessions of one key: stretches of time without a gap, each with what its rows left there.
//!
//! A row stands for `[time, time + gap)`; stretches that overlap or touch are one session, so rows exactly one gap
//! apart are together. A row is late if its session, merged with open ones, has ended. (Flink's merging windows.)

use super::RestoreError;
use super::codec::{Reader, Writer};
use super::windowing::TIME_MAX_MS;
use crate::model::Millis;

pub struct Session<T> {
    pub start: Millis,
    pub end: Millis,
    pub content: T,
}

/// In order of time; they do not touch.
pub struct Sessions<T>(Vec<Session<T>>);

impl<T> Default for Sessions<T> {
    fn default() -> Sessions<T> {
        Sessions(Vec::new())
    }
}

impl<T> Sessions<T> {
    /// The session of a row at `time`, merged with those it touches; `None`: it is late.
    pub fn at(
        &mut self,
        time: Millis,
        gap: Millis,
        watermark: Millis,
        new: impl FnOnce() -> T,
        mut merge: impl FnMut(&mut T, T),
    ) -> Option<&mut T> {
        let (mut start, mut end) = (time, time.saturating_add(gap));
        let first = self.0.iter().position(|session| session.end >= start).unwrap_or(self.0.len());
        let touched = self.0[first..].iter().take_while(|session| session.start <= end).count();
        if touched == 0 {
            if end - 1 <= watermark {
                return None;
            }
            self.0.insert(first, Session { start, end, content: new() });
            return Some(&mut self.0[first].content);
        }
        for session in &self.0[first..first + touched] {
            (start, end) = (start.min(session.start), end.max(session.end));
        }
        if end - 1 <= watermark {
            return None;
        }
        let others: Vec<Session<T>> = self.0.drain(first + 1..first + touched).collect();
        let session = &mut self.0[first];
        others.into_iter().for_each(|other| merge(&mut session.content, other.content));
        (session.start, session.end) = (start, end);
        Some(&mut session.content)
    }

    /// The watermark at which the first session closes.
    pub fn due(&self) -> Option<Millis> {
        self.0.first().map(|session| session.end - 1)
    }

    /// Those that are open, the earliest first.
    pub fn iter(&self) -> impl Iterator<Item = &Session<T>> {
        self.0.iter()
    }

    pub fn pop(&mut self) -> Option<Session<T>> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    pub fn write(&self, writer: &mut Writer, mut content: impl FnMut(&T, &mut Writer)) {
        writer.count(self.0.len());
        for session in &self.0 {
            writer.signed(session.start);
            writer.signed(session.end);
            content(&session.content, writer);
        }
    }

    pub fn read(
        reader: &mut Reader<'_>,
        mut content: impl FnMut(&mut Reader<'_>) -> Result<T, RestoreError>,
    ) -> Result<Sessions<T>, RestoreError> {
        let mut sessions: Vec<Session<T>> = Vec::new();
        for _ in 0..reader.count()? {
            let (start, end) = (reader.signed()?, reader.signed()?);
            let before = sessions.last().map_or(-TIME_MAX_MS, |session| session.end);
            if start < before || end <= start || end > 2 * TIME_MAX_MS {
                return Err(RestoreError("sessions are out of order".to_owned()));
            }
            sessions.push(Session { start, end, content: content(reader)? });
        }
        Ok(Sessions(sessions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn touching_is_together_and_one_more_is_not() {
        let mut sessions: Sessions<u32> = Sessions::default();
        let mut take =
            |time, watermark| sessions.at(time, 10, watermark, || 0, |a, b| *a += b).map(|n| *n += 1).is_some();
        assert!(take(0, 0) && take(10, 0) && take(21, 0));
        assert!(!take(-20, 0), "its session ended at -10");
        assert!(take(-9, 0), "late by itself, it touches an open one");
        assert_eq!(sessions.pop().map(|session| (session.start, session.end, session.content)), Some((-9, 20, 3)));
        assert_eq!(sessions.pop().map(|session| (session.start, session.end, session.content)), Some((21, 31, 1)));
    }

    proptest! {
        /// Without late rows the sessions are those of the sorted rows, whatever the order of arrival.
        #[test]
        fn order_of_arrival_does_not_count(times in prop::collection::vec(0i64..200, 1..30), gap in 1i64..20) {
            let mut sessions: Sessions<usize> = Sessions::default();
            for time in &times {
                *sessions.at(*time, gap, -1_000, || 0, |a, b| *a += b).unwrap() += 1;
            }
            let mut sorted = times.clone();
            sorted.sort_unstable();
            let mut expected: Vec<(Millis, Millis, usize)> = Vec::new();
            for time in sorted {
                match expected.last_mut().filter(|session| session.1 >= time) {
                    Some(session) => (session.1, session.2) = (time + gap, session.2 + 1),
                    None => expected.push((time, time + gap, 1)),
                }
            }
            let mut found = Vec::new();
            while let Some(session) = sessions.pop() {
                found.push((session.start, session.end, session.content));
            }
            prop_assert_eq!(found, expected);
        }
    }
}
