//! Names that people choose, and the nearest right one to a wrong one.

use super::problem::{Problems, Span};

/// Longest name of a source, query, sink, gateway or region: they go into topics, transactional ids and labels.
pub(super) const NAME_LENGTH_MAX: usize = 64;

/// The candidate that was probably meant, if one is near enough.
pub(super) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = name.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase());
    let near = candidates.into_iter().map(|candidate| (distance(candidate), candidate)).min()?;
    let tolerance = 1 + name.chars().count() / 4;
    (near.0 <= tolerance).then_some(near.1)
}

/// `did you mean "x"?`, or what there is to choose from.
pub(super) fn suggestion<'c>(name: &str, kind: &str, candidates: impl IntoIterator<Item = &'c str> + Clone) -> String {
    if let Some(near) = nearest(name, candidates.clone()) {
        return format!("did you mean {near:?}?");
    }
    let all: Vec<&str> = candidates.into_iter().collect();
    if all.is_empty() { format!("there are no {kind}") } else { format!("{kind}: {}", all.join(", ")) }
}

/// Names of sources, queries and sinks: letters, digits, `_` and `-`.
pub(super) fn check_name(kind: &str, name: &str, at: Span, problems: &mut Problems) {
    let right = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > NAME_LENGTH_MAX || !name.chars().all(right) {
        let help = format!("letters, digits, \"_\" and \"-\", at most {NAME_LENGTH_MAX}");
        problems.error(at, format!("{name:?} cannot be the name of a {kind}"), help);
    }
}

/// What may stand in a Kafka topic and a transactional id.
pub(super) fn is_topic_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '-'
}

/// A column name that SQL reads without quoting.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses() {
        let keys = ["late_after", "idle_after", "lag_max"];
        assert_eq!(nearest("late_aftr", keys), Some("late_after"));
        assert_eq!(nearest("Late_After", keys), Some("late_after"));
        assert_eq!(nearest("lagmax", keys), Some("lag_max"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("x", []), None);
    }
}
