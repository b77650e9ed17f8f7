//! `statements.tsv`: every numbered statement of the two specifications, and the test that stands for it. Here the table
//! itself is tested, so that it cannot name what is not there or leave anything out; and so is `tests/broker.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const TABLE: &str = include_str!("statements.tsv");

/// How many numbered statements appendix B of each specification lists, by chapter.
const STATEMENTS: [(&str, &[(&str, usize)]); 2] = [
    ("3.1.1", &[("1", 3), ("2", 9), ("3", 95), ("4", 26), ("6", 4), ("7", 4)]),
    ("5.0", &[("1", 5), ("2", 7), ("3", 175), ("4", 60), ("6", 4)]),
];

struct Row {
    version: &'static str,
    statement: &'static str,
    words: &'static str,
    shown: &'static str,
}

fn rows() -> Vec<Row> {
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [version, statement, words, shown] = cells[..] else { panic!("four cells: {line}") };
        Row { version, statement, words, shown }
    };
    TABLE.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

/// The tests of this folder, as `module::name`.
fn tests() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mqtt");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("this folder") {
        let path = entry.expect("an entry").path();
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let main = include_str!("main.rs");
        if path.extension().is_some_and(|extension| extension == "rs") && main.contains(&format!("\nmod {module};")) {
            let text = std::fs::read_to_string(&path).expect("text");
            let named = text.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split_once('('));
            found.extend(named.map(|(name, _)| format!("{module}::{name}")));
        }
    }
    assert!(found.len() > 50, "the tests were not found");
    found
}

/// A test of another folder, as `edge/listeners.rs::name`.
fn elsewhere(name: &str) -> bool {
    let Some((file, name)) = name.split_once(".rs::") else { return false };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{file}.rs"));
    std::fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("#[test]\nfn {name}(")))
}

#[test]
fn every_statement_stands_in_the_table_once() {
    let mut count: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for row in rows() {
        assert!(seen.insert((row.version, row.statement)), "{} {} is there twice", row.version, row.statement);
        let number = row.statement.strip_prefix("MQTT-").expect("the specification's own name");
        let (section, last) = number.split_once('-').expect("section and number");
        assert!(last.parse::<u32>().is_ok() && section.split('.').count() == 3, "{}", row.statement);
        let chapter = section.split_once('.').expect("a section").0;
        *count.entry((row.version, chapter)).or_default() += 1;
        assert!(row.words.len() > 6, "{}", row.statement);
    }
    let expected: BTreeMap<(&str, &str), usize> = STATEMENTS
        .iter()
        .flat_map(|(version, chapters)| chapters.iter().map(|(chapter, count)| ((*version, *chapter), *count)))
        .collect();
    assert_eq!(count, expected);
}

#[test]
fn statements_of_a_section_are_numbered_without_a_gap() {
    let mut numbers: BTreeMap<(&str, String), BTreeSet<u32>> = BTreeMap::new();
    for row in rows() {
        let (section, number) = row.statement.split_once("-").and_then(|(_, n)| n.split_once('-')).expect("a number");
        numbers.entry((row.version, section.to_owned())).or_default().insert(number.parse().expect("a number"));
    }
    for ((version, section), numbers) in numbers {
        // The specification's own gap: there is no MQTT-2.2.1-1 in version 5.
        let first = if (version, section.as_str()) == ("5.0", "2.2.1") { 2 } else { 1 };
        let expected: BTreeSet<u32> = (first..first + numbers.len() as u32).collect();
        assert_eq!(numbers, expected, "{version} {section}");
    }
}

#[test]
fn each_test_that_the_table_names_is_there() {
    let tests = tests();
    for row in rows() {
        if let Some(reason) = row.shown.strip_prefix("none: ") {
            assert!(reason.len() > 10, "{}: why not?", row.statement);
        } else {
            for name in row.shown.split(' ') {
                let there = tests.contains(name) || elsewhere(name);
                assert!(there, "{} {}: there is no test {name}", row.version, row.statement);
            }
        }
    }
}

/// Each `folder/file::test` between backticks, below `tests/` or `src/`.
#[test]
fn the_tests_that_broker_md_names_are_there() {
    const GUIDE: &str = include_str!("../broker.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut named = BTreeSet::new();
    for text in GUIDE.split('`').skip(1).step_by(2) {
        let Some((file, test)) = text.split_once("::").filter(|(file, _)| file.contains('/')) else { continue };
        let texts =
            [format!("tests/{file}.rs"), format!("src/{file}.rs")].map(|path| std::fs::read_to_string(root.join(path)));
        let there = texts.into_iter().flatten().any(|text| text.contains(&format!("fn {test}(")));
        assert!(there, "tests/broker.md: there is no test {text}");
        named.insert(text);
    }
    assert!(named.len() > 100, "only {} were found", named.len());
}
