//! The commands for people who write queries: `tidegate test`, `query -f`, `explain` and `export flink`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

/// Those of one millisecond are many: a tick's messages of one device all have the same time.
#[test]
fn by_time_of_arrival_no_row_is_late() {
    let output = tidegate(&["test", "tests/rules/arrival", "--config", "tests/rules/arrival/gateway.toml"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    assert!(shown.ends_with("15 passed, 0 failed\n"), "{shown}");
}

#[test]
fn lookup_tables() {
    let output = tidegate(&["test", "tests/rules/tables", "--config", "tests/rules/tables/gateway.toml"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    assert!(shown.ends_with("9 passed, 0 failed\n"), "{shown}");
}

#[test]
fn early_results() {
    let output = tidegate(&["test", "tests/rules/early", "--config", "tests/rules/early/gateway.toml"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    assert!(shown.ends_with("6 passed, 0 failed\n"), "{shown}");
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

/// Each SQL text and each piece of a configuration that the documents show is right as it stands there.
#[test]
fn what_the_documents_show_is_right() {
    const SOURCES: &str = r#"
        [source.telemetry]
        mqtt = "dev/{device}/telemetry"
        schema = "ts TIMESTAMP_LTZ(3), temp DOUBLE, vib DOUBLE"
        event_time = "ts"
        [source.pumps]
        mqtt = "pumps/{device}"
        schema = "ts TIMESTAMP_LTZ(3), temp DOUBLE, vib DOUBLE"
        event_time = "ts"
        [source.orders]
        mqtt = "orders/{device}"
        schema = "ts TIMESTAMP_LTZ(3)"
        event_time = "ts"
        [source.acks]
        mqtt = "acks/{device}"
        schema = "ts TIMESTAMP_LTZ(3)"
        event_time = "ts"
        [source.machines]
        mqtt = "machines/{device}"
        schema = "ts TIMESTAMP_LTZ(3), axes ARRAY<ROW<name STRING, load DOUBLE>>"
        event_time = "ts"
        [sink.cloud]
        kafka = "localhost:9092"
    "#;
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "hq_password", "secret");
    let check = |of: &str, configuration: &str| {
        let head = if configuration.contains("[gateway]") { "" } else { "[gateway]\nid = \"gw\"\nregion = \"eu\"\n" };
        let file = write(directory.path(), "gateway.toml", &format!("{head}{configuration}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let output =
            command.args(["check", "--config"]).arg(file).env("CREDENTIALS_DIRECTORY", directory.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{of}: {configuration}\n{}", text(&output.stderr));
    };
    let mut seen = 0;
    for page in
        ["README.md", "docs/configuration.md", "docs/sql.md", "docs/windows.md", "docs/joins.md", "docs/match.md"]
    {
        let document = std::fs::read_to_string(root().join(page)).unwrap();
        for piece in document.split("\n```").skip(1).step_by(2) {
            let (language, body) = piece.split_once('\n').unwrap();
            match language {
                "toml" if body.trim_start().starts_with('[') => check(page, body),
                "toml" => check(page, &format!("[source.x]\nmqtt = \"x/{{device}}\"\n{body}")),
                "sql" if body.starts_with("SELECT") => {
                    let (body, into) =
                        (body.trim().trim_end_matches(';'), "into = { sink = \"cloud\", topic = \"x\" }");
                    check(page, &format!("{SOURCES}\n[query.x]\nsql = \"\"\"{body}\"\"\"\n{into}\n"));
                }
                _ => continue,
            }
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen}");
}

/// Whoever reads may have had enough; what cannot be written is an error, and nothing panics.
#[test]
fn a_reader_that_leaves_is_no_failure_and_a_full_disk_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let script = write(directory.path(), "a.sql", "SELECT 1 AS n;");
    let commands: [&[&str]; 5] = [
        &["explain", "--config", RULES],
        &["explain", "-f", script.to_str().unwrap()],
        &["check", "--config", RULES],
        &["export", "flink", "--config", RULES],
        &["test", "examples/rules", "--config", RULES],
    ];
    for arguments in commands {
        let run = |out: Stdio| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
            let output =
                command.args(arguments).current_dir(root()).stdout(out).stderr(Stdio::piped()).output().unwrap();
            (output.status.code(), text(&output.stderr))
        };
        let (code, said) = run(File::options().write(true).open("/dev/full").unwrap().into());
        assert!(code == Some(1) && said.contains("stdout: No space left"), "{arguments:?}: {code:?} {said}");
        let (out, _) = UnixStream::pair().unwrap();
        let (code, said) = run(OwnedFd::from(out).into());
        assert!(code == Some(0) && !said.contains("pipe"), "{arguments:?}: {code:?} {said}");
    }
}

/// As Windows writes files.
#[test]
fn marks_of_utf_8_and_line_ends_of_windows() {
    let directory = tempfile::tempdir().unwrap();
    let script = "\u{feff}CREATE TABLE t (d STRING, n INT)\r\nWITH ('connector' = 'filesystem', 'path' = 'FILE', 'format' = 'FORMAT');\r\n\
                  -- all\r\nSELECT * FROM t;\r\n";
    for (format, content) in
        [("csv", "\u{feff}a,1\r\nb,2\r\n"), ("json", "\u{feff}{\"d\":\"a\",\"n\":1}\r\n{\"d\":\"b\",\"n\":2}\r\n")]
    {
        let file = format!("t.{format}");
        write(directory.path(), &file, content);
        let script = write(directory.path(), "t.sql", &script.replace("FILE", &file).replace("FORMAT", format));
        let output = tidegate(&["query", "-f", script.to_str().unwrap()]);
        assert_eq!(text(&output.stdout), "{\"d\":\"a\",\"n\":1}\n{\"d\":\"b\",\"n\":2}\n", "{}", text(&output.stderr));
    }
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

/// What Flink does not have, or refuses, is left out of the script, and why is said; each was put to a real Flink.
#[test]
fn what_flink_refuses_is_left_out_of_its_script() {
    let output = tidegate(&["export", "flink", "--config", "tests/export/ours.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (script, warnings) = (text(&output.stdout), text(&output.stderr));
    let said = [
        "view moved: report by exception",
        "query changes: report by exception",
        "query reader: report by exception",
        "query threes: windows by count are tidegate's own",
        "query so_far: Flink has no early_every",
        "query distinct: Flink's Kafka connector does not take the rows of a SELECT DISTINCT",
        "query first_two: Flink's Kafka connector does not take the rows of a limited ROW_NUMBER()",
        "query flags: BITAND and the other functions of bits are tidegate's own",
        "query median: APPROX_PERCENTILE is tidegate's own",
        "query spans: span is an INTERVAL",
        "query owned: Flink's Kafka connector does not take the rows of LEFT JOIN owners",
        "query owned_now: Flink has no FOR SYSTEM_TIME AS OF PROCTIME() for table owners",
        "query unowned: Flink's Kafka connector does not take the rows of NOT IN and NOT EXISTS",
        "query partly: behind FOR SYSTEM_TIME AS OF Flink wants all of the PRIMARY KEY of table owners",
        "query keyless: behind FOR SYSTEM_TIME AS OF Flink wants a table with a PRIMARY KEY",
        "query timeless: in Flink a join with a table leaves no event time",
    ];
    for part in said {
        assert!(warnings.contains(part), "{part}\nis not in\n{warnings}");
        let (_, name) = part.split(':').next().unwrap().split_once(' ').unwrap();
        assert!(!script.contains(&format!("`{name}")), "{name}: {script}");
    }
    for part in ["query zones: state_ttl is left out", "query zones: Flink drops late rows"] {
        assert!(warnings.contains(part), "{part}\nis not in\n{warnings}");
    }
    for part in [
        "INSERT INTO `zones_out`\nSELECT device, zone FROM (SELECT *,",
        "  `tidegate_valid_from` AS TO_TIMESTAMP_LTZ(",
        "INSERT INTO `whole_out`\nSELECT `device`, `ts`, `temp`, `zone`, `device0`, `owner` FROM (\nSELECT * FROM telemetry AS t \
         JOIN owners FOR SYSTEM_TIME AS OF t.ts AS o ON t.device = o.device\n);",
        "INSERT INTO `two_times_out`\nSELECT `device`, CAST(`ts` AS TIMESTAMP_LTZ(3)), `window_time` FROM (\nSELECT device, ts, \
         window_time FROM TABLE(TUMBLE(TABLE telemetry, DESCRIPTOR(ts), INTERVAL '1' MINUTE))\n) AS q (`device`, `ts`, `window_time`);",
    ] {
        assert!(script.contains(part), "{part}\nis not in\n{script}");
    }
}

fn write(directory: &Path, name: &str, content: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}

/// What was read and found to be right stands in `tests/export/`.
#[test]
fn a_configuration_becomes_a_flink_script() {
    let output = tidegate(&["export", "flink", "--config", "tests/export/gateway.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = std::fs::read_to_string(root().join("tests/export/gateway.sql")).unwrap();
    assert_eq!(text(&output.stdout), expected);
    let warnings = text(&output.stderr);
    for part in [
        "no query passes source silent on unchanged",
        "query by_zone: its topic is made of a column",
        "sink cloud: fill in the password in properties.sasl.jaas.config",
    ] {
        assert!(warnings.contains(part), "{warnings}");
    }
    assert!(!expected.contains("s3cret"));
}

/// Trees that were read and found to be right stand in `tests/explain/`. `BLESS=1` writes those that are missing.
#[test]
fn queries_are_explained() {
    for (arguments, golden) in [
        (["--config", "tests/explain/gateway.toml"], "tests/explain/gateway.txt"),
        (["--config", "tests/explain/operators.toml"], "tests/explain/operators.txt"),
        (["-f", "tests/explain/script.sql"], "tests/explain/script.txt"),
        (["-f", "tests/explain/end.sql"], "tests/explain/end.txt"),
    ] {
        let output = tidegate(&[&["explain"], &arguments[..]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let (shown, golden) = (text(&output.stdout), root().join(golden));
        if std::env::var_os("BLESS").is_some() && !golden.exists() {
            std::fs::write(&golden, &shown).unwrap();
        }
        assert_eq!(shown, std::fs::read_to_string(&golden).unwrap(), "{}", golden.display());
    }
    let one = text(&tidegate(&["explain", "--config", RULES, "minutes"]).stdout);
    let document = std::fs::read_to_string(root().join("docs/testing.md")).unwrap();
    assert!(document.contains(one.trim_end()), "docs/testing.md shows another tree:\n{one}");
    let output = tidegate(&["explain", "--config", RULES, "minute"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no query \"minute\" in examples/rules/gateway.toml; queries: "));
    assert_eq!(tidegate(&["explain", "-f", "tests/sql_errors/insert_type.sql"]).status.code(), Some(2));
    assert_eq!(tidegate(&["explain", "-f", "tests/sql_errors/none.sql"]).status.code(), Some(1));
}

const READINGS: &str = "CREATE TABLE readings (device STRING, ms BIGINT, temp DOUBLE, ts AS TO_TIMESTAMP_LTZ(ms, 3), \
     WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'readings.csv', 'format' = 'csv', 'csv.null-literal' = '');\n";

/// Expected is what Flink's formats write, as its documentation and the rows of its part files have it.
#[test]
fn insert_into_writes_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    write(directory.path(), "readings.csv", "\"a, b\",1772352000000,81.5\nc,1772352000250,\nd,1772352001000,20\n");
    let script = READINGS.to_owned()
        + "CREATE TABLE hot (device STRING, moment TIMESTAMP_LTZ(3), n BIGINT, label STRING, twice AS n * 2)
           WITH ('connector' = 'filesystem', 'path' = 'new/hot.csv', 'format' = 'csv', 'csv.null-literal' = '-');
           CREATE TABLE all_of_them (device STRING, ts TIMESTAMP_LTZ(3), temp DECIMAL(6, 2))
           WITH ('connector' = 'filesystem', 'path' = 'all.json', 'format' = 'json');
           INSERT INTO hot (moment, device, n) SELECT ts, device, 7 FROM readings WHERE temp > 80 OR temp IS NULL;
           EXECUTE STATEMENT SET BEGIN
             INSERT INTO all_of_them SELECT device, ts, CAST(temp AS DECIMAL(10, 1)) FROM readings;
             INSERT INTO all_of_them SELECT 'again', ts, NULL FROM readings WHERE device = 'd';
           END;
           SELECT device FROM readings WHERE temp < 50;";
    write(directory.path(), "script.sql", &script);
    let run = || tidegate(&["query", "-f", path("script.sql").to_str().unwrap()]);
    for _ in 0..2 {
        let output = run();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "{\"device\":\"d\"}\n");
        let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
        assert_eq!(read("new/hot.csv"), "\"a, b\",2026-03-01 08:00:00Z,7,-\nc,2026-03-01 08:00:00.25Z,7,-\n");
        let expected = [
            r#"{"device":"a, b","ts":"2026-03-01 08:00:00Z","temp":81.50}"#,
            r#"{"device":"c","ts":"2026-03-01 08:00:00.25Z","temp":null}"#,
            r#"{"device":"d","ts":"2026-03-01 08:00:01Z","temp":20.00}"#,
            r#"{"device":"again","ts":"2026-03-01 08:00:01Z","temp":null}"#,
        ];
        assert_eq!(read("all.json").lines().collect::<Vec<_>>(), expected);
    }

    // A row that fails leaves the files as they were, and nothing beside them.
    write(directory.path(), "readings.csv", "a,1772352000000,81.5\nb,x,1\n");
    let output = run();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("line 2: \"x\" is no BIGINT: ms"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(path("all.json")).unwrap().lines().count(), 4);
    assert_eq!(std::fs::read_dir(path("new")).unwrap().count(), 1);

    write(directory.path(), "script.sql", &script.replace("'new/hot.csv'", "'new'"));
    let output = run();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("it is a folder"), "{}", text(&output.stderr));
}

/// What was written is read again as it was.
#[test]
fn files_that_were_written_can_be_read() {
    for format in ["csv", "json"] {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        write(directory.path(), "readings.csv", "\"a \"\"b\"\"\",1772352000001,0.1\n,0,-1e300\nc,-1,\n");
        let copy = format!(
            "CREATE TABLE copy (device STRING, ms BIGINT, temp DOUBLE, ts TIMESTAMP_LTZ(3)) WITH \
             ('connector' = 'filesystem', 'path' = 'copy', 'format' = '{format}'{});\n",
            if format == "csv" { ", 'csv.null-literal' = ''" } else { "" }
        );
        let write_it = format!("{READINGS}{copy}INSERT INTO copy SELECT device, ms, temp, ts FROM readings;");
        write(directory.path(), "write.sql", &write_it);
        write(directory.path(), "direct.sql", &format!("{READINGS}SELECT device, ms, temp, ts FROM readings;"));
        write(directory.path(), "read.sql", &format!("{copy}SELECT * FROM copy;"));
        let run = |name: &str| {
            let output = tidegate(&["query", "-f", path(name).to_str().unwrap()]);
            assert!(output.status.success(), "{}", text(&output.stderr));
            text(&output.stdout)
        };
        assert_eq!(run("write.sql"), "");
        assert_eq!(run("read.sql"), run("direct.sql"));
    }
}

/// A computed column can be the event time; one that fails makes its row fail.
#[test]
fn computed_columns_of_a_source() {
    let directory = tempfile::tempdir().unwrap();
    write(
        directory.path(),
        "gateway.toml",
        r#"
[gateway]
id = "gw-1"
[source.telemetry]
mqtt = "dev/{device}/telemetry"
schema = "ms BIGINT, ts AS TO_TIMESTAMP_LTZ(ms, 3), temp STRING, degrees AS CAST(temp AS DOUBLE), line AS SPLIT_INDEX(device, '-', 0)"
event_time = "ts"
late_after = "0"
[query.minutes]
sql = """
SELECT device, line, window_end, MAX(degrees) AS degrees
FROM TABLE(TUMBLE(TABLE telemetry, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY device, line, window_start, window_end
"""
into = { sink = "cloud", topic = "t" }
[sink.cloud]
kafka = "127.0.0.1:9092"
"#,
    );
    write(
        directory.path(),
        "case.toml",
        r#"
config = "gateway.toml"
query = "minutes"
input = """
2026-03-01T08:00:00Z  dev/a-1/telemetry  {"ms": 1772352000000, "temp": "1.5"}
+1s                   dev/a-1/telemetry  {"ms": 1772352059999, "temp": "7"}
+1s                   dev/a-1/telemetry  {"ms": 1772352030000, "temp": "hot"}
+1s                   dev/a-1/telemetry  {"temp": "8"}
+1s                   dev/a-1/telemetry  {"ms": 1772352060000, "temp": "9"}
"""
expected = """
{"device": "a-1", "line": "a", "window_end": "2026-03-01T08:01:00.000", "degrees": 7.0}
! cannot cast
! the event time is NULL
"""
counts = { used = 3, failed = 2 }
"#,
    );
    let output = tidegate(&["test", directory.path().to_str().unwrap()]);
    assert_eq!(text(&output.stdout), "ok      case.toml\n1 passed, 0 failed\n");
}
