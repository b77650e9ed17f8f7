//! `config.example.toml` is right, and however it is damaged nothing panics.

use proptest::prelude::*;

use super::load_text;

const EXAMPLE: &str = include_str!("../../config.example.toml");

#[test]
fn the_example_is_right() {
    let settings = load_text(EXAMPLE, "config.example.toml").unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
    });
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

/// What is switched off in it is right as well.
#[test]
fn the_example_is_right_with_everything_switched_on() {
    let on: String = EXAMPLE.lines().map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line))).collect();
    let settings = load_text(&on, "config.example.toml").unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
    });
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    assert_eq!(settings.broker.listeners.len(), 4);
    assert_eq!(settings.broker.access.rules.map(|rules| rules.len()), Some(2));
}

/// Every commented key taken in is right too, and is what holds without it.
#[test]
fn the_defaults_in_the_comments_are_the_defaults() {
    let without = load_text(EXAMPLE, "example").unwrap();
    let is_key = |line: &str| {
        let key = line.split('=').next().unwrap_or_default().trim();
        line.contains('=') && !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let shown: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if is_key(key) && !key.starts_with("share") => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let with = load_text(&shown, "example").unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
    });
    assert_ne!(shown, EXAMPLE);
    assert_eq!(
        format!("{without:?}").replace("presses.gw-0042", ""),
        format!("{with:?}").replace("presses.gw-0042", "")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_example_never_panics(edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, edit()), 1..6)) {
        let mut text = EXAMPLE.to_owned();
        for (index, length, insert) in edits {
            let start = floor(&text, index.index(text.len() + 1));
            let end = floor(&text, (start + length).min(text.len())).max(start);
            text.replace_range(start..end, &insert);
        }
        if let Err(problems) = load_text(&text, "damaged.toml") {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(!problem.to_string().is_empty());
            }
        }
    }
}

fn edit() -> impl Strategy<Value = String> {
    let words = [
        "",
        "\"",
        "'",
        "\"\"\"",
        "\\",
        "{",
        "}",
        "${",
        "[",
        "]]",
        "\n",
        "=",
        "#",
        "-1",
        "99999999999999999999",
        "é",
        "\0",
        "nan",
        "1e400",
        "'''",
    ];
    prop_oneof![prop::sample::select(words.to_vec()).prop_map(str::to_owned), "\\PC{0,6}"]
}

fn floor(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
