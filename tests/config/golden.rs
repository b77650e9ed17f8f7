//! Each `NAME.toml` in this directory is wrong; `NAME.err` is all that is said about it (or, for `warn_…`, all the
//! warnings about a right file). `UPDATE_GOLDEN=1 cargo test --test config` writes the `.err` files anew: read them.

use std::path::{Path, PathBuf};

use super::load_text;

const CASES_MIN: usize = 40;

#[test]
fn wrong_configurations_say_what_is_wrong() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let said = said_about(&case);
        let golden = case.with_extension("err");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- said\n{said}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn said_about(case: &Path) -> String {
    let name = case.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(case).unwrap();
    let problems = match (load_text(&text, name), name.starts_with("warn_")) {
        (Err(problems), false) => problems,
        (Ok(settings), true) => settings.warnings,
        (Ok(_), false) => return "nothing\n".to_owned(),
        (Err(problems), true) => panic!("{name} has errors: {problems:?}"),
    };
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}
