//! The commands for people who write queries: `tidegate test` and `tidegate export flink`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn tidegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).current_dir(root()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const RULES: &str = "examples/rules/gateway.toml";

/// The document shows this very run.
#[test]
fn the_example_rules_pass() {
    let output = tidegate(&["test", "examples/rules", "--config", RULES]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    assert_eq!(shown, "ok      alerts.toml\nok      leaks.toml\nok      minutes.toml\n3 passed, 0 failed\n");
    let document = std::fs::read_to_string(root().join("docs/testing.md")).unwrap();
    assert!(document.contains(&shown));
}

#[test]
fn a_case_that_fails_says_what_is_missing_and_what_is_too_much() {
    let directory = tempfile::tempdir().unwrap();
    let case = std::fs::read_to_string(root().join("examples/rules/leaks.toml")).unwrap();
    write(directory.path(), "a.toml", &case.replace("\"pressure\": 1.8}\n\"\"\"", "\"pressure\": 1.7}\n\"\"\""));
    write(directory.path(), "b/c.toml", &case.replace("@press", "@pres"));
    write(directory.path(), "d.toml", &case.replace("query = \"leaks\"", "query = \"leak\""));
    write(directory.path(), "e.toml", &case);
    let config = root().join(RULES);
    let output = tidegate(&["test", directory.path().to_str().unwrap(), "--config", config.to_str().unwrap()]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    let said = [
        "FAILED  a.toml\n        missing:      {\"device\": \"press\", \"pressure\": 1.7}\n        not expected: {\"device\":\"press\",\"pressure\":1.8}\n",
        "FAILED  b/c.toml\n        input, line 1: there is no source \"pres\"\n",
        "FAILED  d.toml\n        there is no query \"leak\" in ",
        "ok      e.toml\n",
        "1 passed, 3 failed\n",
    ];
    for part in said {
        assert!(shown.contains(part), "{part}\nis not in\n{shown}");
    }
}

#[test]
fn a_folder_without_cases_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let output = tidegate(&["test", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no case: a case is NAME.toml"));
}

/// Flink's own answers: the samples' scripts are cases as they stand.
#[test]
fn scripts_with_their_rows_are_cases() {
    let directory = tempfile::tempdir().unwrap();
    let samples = root().join("tests/sql");
    for name in ["window_tumble.sql", "window_tumble.out", "bad_unknown_column.sql", "bad_unknown_column.out"] {
        write(directory.path(), name, &std::fs::read_to_string(samples.join(name)).unwrap());
    }
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for file in std::fs::read_dir(samples.join("data")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), data.join(file.file_name())).unwrap();
    }
    let output = tidegate(&["test", directory.path().to_str().unwrap()]);
    let shown = text(&output.stdout);
    assert_eq!(shown, "ok      bad_unknown_column.sql\nok      window_tumble.sql\n2 passed, 0 failed\n");
    write(directory.path(), "window_tumble.out", "{\"device\": \"nobody\"}\n");
    let output = tidegate(&["test", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("missing:      {\"device\": \"nobody\"}\n        not expected: {"));
}

/// What Flink does not have is left out of the script, and why is said.
#[test]
fn what_is_ours_is_left_out_of_a_flink_script() {
    let output = tidegate(&["export", "flink", "--config", "tests/export/ours.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (script, warnings) = (text(&output.stdout), text(&output.stderr));
    let said = [
        "view moved: report by exception",
        "query changes: report by exception",
        "query reader: report by exception",
        "query threes: windows by count are tidegate's own",
        "query so_far: Flink has no early_every",
        "query zones: state_ttl is left out",
        "query zones: Flink drops late rows",
    ];
    for part in said {
        assert!(warnings.contains(part), "{part}\nis not in\n{warnings}");
    }
    for name in ["moved", "changes_out", "reader_out", "threes_out", "so_far_out"] {
        assert!(!script.contains(name), "{script}");
    }
    assert!(script.contains("INSERT INTO `zones_out`\nSELECT DISTINCT device, zone FROM telemetry;"), "{script}");
}

fn write(directory: &Path, name: &str, content: &str) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// What was read and found to be right stands in `tests/export/`; `make test-long` runs such a script on real Flink.
#[test]
fn a_configuration_becomes_a_flink_script() {
    let output = tidegate(&["export", "flink", "--config", "tests/export/gateway.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = std::fs::read_to_string(root().join("tests/export/gateway.sql")).unwrap();
    assert_eq!(text(&output.stdout), expected);
    let warnings = text(&output.stderr);
    for part in ["no query passes source silent on unchanged", "query by_zone: its topic is made of a column"] {
        assert!(warnings.contains(part), "{warnings}");
    }
    assert!(!expected.contains("s3cret"));
}
