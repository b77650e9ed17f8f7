//! Tidiness is a test: imports go one way, files stay small, nothing unfinished is left behind.
//!
//! Each check is also shown something bad, so that it cannot pass by not looking.

use std::fs;
use std::path::{Path, PathBuf};

/// Module, and what it may import (ARCHITECTURE.md has the same table).
const MAY_IMPORT: [(&str, &[&str]); 14] = [
    ("model", &[]),
    ("formats", &["model"]),
    ("plan", &["model"]),
    ("sql", &["plan", "model"]),
    ("config", &["sql", "plan", "formats", "model"]),
    ("store", &["model"]),
    ("engine", &["plan", "model"]),
    ("delivery", &["model"]),
    ("broker", &["store", "config", "model"]),
    ("client", &["broker", "config", "model"]),
    ("sources", &["broker", "formats", "config", "model"]),
    ("sinks", &["client", "broker", "delivery", "store", "formats", "config", "model"]),
    ("bridge", &["sources", "client", "broker", "delivery", "store", "config", "model"]),
    (
        "daemon",
        &[
            "model", "formats", "plan", "sql", "config", "store", "engine", "delivery", "broker", "client", "sources",
            "sinks", "bridge",
        ],
    ),
];

const LINES_MAX: usize = 600;
const NO_NAMES: [&str; 4] = ["utils", "helpers", "common", "misc"];

fn source_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a folder of the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Every file under `src`, with its path from there and its text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = source_files(&root);
    assert!(files.len() > 40, "the sources were not found");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).expect("below src").display().to_string();
        (name, fs::read_to_string(&path).expect("text"))
    };
    files.into_iter().map(read).collect()
}

/// Modules named by `crate::…` paths in the text, comments aside.
fn imported(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = code[at + "crate::".len()..].trim_start();
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.push(name);
        }
    }
    found
}

fn import_faults(file: &str, text: &str) -> Vec<String> {
    let module = file.split(['/', '.']).next().unwrap_or_default();
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else { return Vec::new() };
    let known = |name: &str| MAY_IMPORT.iter().any(|(module, _)| *module == name);
    imported(text)
        .into_iter()
        .filter(|name| known(name) && name != module && !allowed.contains(&name.as_str()))
        .map(|name| format!("{file}: {module} must not import {name}"))
        .collect()
}

/// Lines before the tests of the file; a file of tests has none.
fn length(file: &str, text: &str) -> usize {
    let is_tests = file.ends_with("tests.rs") || file.contains("/tests/");
    if is_tests { 0 } else { text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count() }
}

fn unfinished(file: &str, text: &str) -> Vec<String> {
    let marks = ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "#[ignore", "dbg!("];
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if marks.iter().any(|mark| line.contains(mark)) {
            faults.push(format!("{file}:{}: {}", number + 1, line.trim()));
        }
    }
    faults
}

#[test]
fn imports_go_one_way() {
    let faults: Vec<String> = sources().iter().flat_map(|(file, text)| import_faults(file, text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(import_faults("model/x.rs", "use crate::store::Store;").len(), 1);
    assert_eq!(import_faults("engine/x.rs", "use crate::{model, sql};").len(), 1);
    assert_eq!(import_faults("engine/x.rs", "let x = crate::sql::bind();\n// crate::store").len(), 1);
    assert!(import_faults("daemon/x.rs", "use crate::store::Store;").is_empty());
}

#[test]
fn every_module_stands_in_the_table() {
    for (file, _) in sources() {
        let module = file.split(['/', '.']).next().unwrap_or_default();
        let known = MAY_IMPORT.iter().any(|(name, _)| *name == module);
        assert!(known || ["lib", "main"].contains(&module), "{file}: {module} is not in the table of imports");
    }
}

#[test]
fn files_stay_small_and_are_named_for_what_they_are() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        let lines = length(&file, &text);
        if lines > LINES_MAX {
            faults.push(format!("{file}: {lines} lines before its tests"));
        }
        if file.split(['/', '.']).any(|part| NO_NAMES.contains(&part)) {
            faults.push(format!("{file}: name it for what it is"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(length("x.rs", "a\nb\n#[cfg(test)]\nc\n"), 2);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(file, text)| file != "main.rs" && !text.starts_with("//!"))
        .map(|(file, _)| file)
        .collect();
    assert!(silent.is_empty(), "no //! head: {}", silent.join(", "));
}

#[test]
fn nothing_unfinished_is_left_behind() {
    let mut faults: Vec<String> = sources().iter().flat_map(|(file, text)| unfinished(file, text)).collect();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for path in source_files(&tests).into_iter().filter(|path| !path.ends_with("tidy.rs")) {
        faults.extend(unfinished(&path.display().to_string(), &fs::read_to_string(&path).expect("text")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(unfinished("x.rs", "fn a() {\n    // TODO\n}").len(), 1);
}

/// `if let … && let …` came with Rust 1.88; the ARM binaries are built with 1.85, which only a cross build would show.
fn let_chains(file: &str, text: &str) -> Vec<String> {
    let is_chain = |line: &str| line.contains("&& let ") || line.contains("if let ") && line.ends_with(" &&");
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| is_chain(line)).map(|(number, line)| format!("{file}:{}: {line}", number + 1)).collect()
}

#[test]
fn nothing_needs_a_newer_compiler_than_the_cross_builds_have() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "tests", "benches", "examples"].into_iter().flat_map(|folder| source_files(&root.join(folder)));
    let mut faults = Vec::new();
    for path in files.filter(|path| !path.ends_with("tidy.rs")) {
        faults.extend(let_chains(&path.display().to_string(), &fs::read_to_string(&path).expect("text")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(let_chains("x.rs", "if let Some(a) = b && let Some(c) = a {").len(), 1);
    assert_eq!(let_chains("x.rs", "if a\n    && let Some(c) = b\n{\n// && let is for later").len(), 1);
}

#[test]
fn every_ban_has_its_reason() {
    let clippy = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("clippy.toml")).expect("clippy.toml");
    let bans: Vec<&str> = clippy.lines().filter(|line| line.contains("path =")).collect();
    assert!(bans.len() >= 3, "no bans found");
    for ban in bans {
        assert!(ban.contains("reason ="), "{ban}");
    }
}
