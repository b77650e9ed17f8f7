//! The SQL samples with the answers of real Apache Flink (`tests/sql/`): each runs straight, in ticks of one row, and
//! with the engine saved and restored after every tick; all three must give Flink's rows. A case that is meant to differ
//! has a file `.ours` beside `.out`: why, as a comment, and the rows it gives instead.

#[path = "sql/final_rows.rs"]
mod final_rows;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tidegate::daemon::query_file::{Inserts, QueryError, Ticks, run};
use tidegate::daemon::rules::compare::{Expected, difference};

/// What is not supported yet. It must be refused with a place and with words that say so; a case that begins to work
/// must leave this list.
const UNSUPPORTED: &[&str] = &[];

fn cases() -> Vec<PathBuf> {
    scripts("tests/sql")
}

fn scripts(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> &str {
    case.file_stem().unwrap().to_str().unwrap()
}

fn rows(case: &Path, ticks: Ticks) -> Result<Vec<String>, QueryError> {
    let mut out = Vec::new();
    run(case, ticks, 1_772_352_000_000, Inserts::Shown, &mut out)?;
    Ok(String::from_utf8(out).unwrap().lines().map(str::to_owned).collect())
}

/// The keys of a row in their order, which parsing forgets.
fn columns(line: &str) -> Vec<String> {
    let header = line.trim_start_matches("# ");
    let mut depth = 0;
    let mut columns = vec![String::new()];
    for c in header.chars() {
        match c {
            '(' | '<' => depth += 1,
            ')' | '>' => depth -= 1,
            ',' if depth == 0 => columns.push(String::new()),
            _ => {}
        }
        if c != ',' || depth > 0 {
            columns.last_mut().unwrap().push(c);
        }
    }
    columns.iter().map(|column| column.split_whitespace().next().unwrap_or_default().to_owned()).collect()
}

fn check(case: &Path, answer: &Path) -> Result<(), String> {
    let expected = fs::read_to_string(answer).unwrap();
    let flinks = Expected::read(&expected)?;
    let fails = flinks.is_error();
    let flinks = match fs::read_to_string(case.with_extension("ours")) {
        Err(_) => flinks,
        Ok(ours) => {
            let rows: Vec<String> = ours.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
            if !ours.starts_with("# ") || difference(&flinks, &rows, &[]).is_empty() {
                return Err("a case that differs says why, and differs".to_owned());
            }
            Expected::read(&ours)?
        }
    };
    for ticks in [Ticks::Rows(1_000), Ticks::Rows(1), Ticks::RestoreAfterEach] {
        let result = rows(case, ticks);
        if UNSUPPORTED.contains(&name(case)) && !fails {
            let error = result.err().ok_or("it is on the list of unsupported cases, but it runs")?;
            let QueryError::Sql { errors, .. } = &error else { return Err(format!("{ticks:?}: {error}")) };
            if !errors.iter().any(|error| error.message.contains("not supported yet") && error.line > 1) {
                return Err(format!("{ticks:?}: no word that it is not supported yet: {error}"));
            }
            continue;
        }
        match (result, fails) {
            (Err(_), true) => {}
            (Ok(_), true) => return Err(format!("{ticks:?}: Flink refuses it")),
            (Err(error), false) => return Err(format!("{ticks:?}: {error}")),
            (Ok(ours), false) => {
                let differences = difference(&flinks, &ours, &[]);
                if !differences.is_empty() {
                    return Err(format!("{ticks:?}: {}", differences.join("\n")));
                }
                let names = columns(expected.lines().next().unwrap_or_default());
                for row in ours.iter().take(1) {
                    let places: Vec<usize> =
                        names.iter().map(|name| row.find(&format!("\"{name}\":")).unwrap_or(usize::MAX)).collect();
                    if !places.is_sorted() {
                        return Err(format!("columns out of order: {row}"));
                    }
                }
            }
        }
    }
    Ok(())
}

/// A message may carry any moment that a timestamp can: what a query keeps of it must be read again after a restart, or
/// one device could take the state of all.
#[test]
fn moments_at_the_ends_of_time_outlive_a_restart() {
    const WINDOWED: &str =
        "SELECT d, window_start, window_end, COUNT(*) AS c FROM TABLE(WINDOW) GROUP BY d, window_start, window_end";
    let windows = [
        "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)",
        "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '30' DAY)",
        "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' HOUR)",
        "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' HOUR)",
        "SESSION(TABLE t PARTITION BY d, DESCRIPTOR(ts), INTERVAL '10' SECOND)",
        "TUMBLE_ROWS(TABLE t PARTITION BY d, DESCRIPTOR(ts), 2)",
    ];
    let others = [
        "SELECT * FROM TABLE(SESSION(TABLE t PARTITION BY d, DESCRIPTOR(ts), INTERVAL '10' SECOND))",
        "SELECT ts, SUM(n) OVER (PARTITION BY d ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW) AS s FROM t",
        "SELECT ts, SUM(n) OVER (PARTITION BY d ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM t",
        "SELECT ts, LAG(n) OVER (PARTITION BY d ORDER BY ts) AS s FROM t",
        "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY d ORDER BY ts MEASURES a.n AS a, b.n AS b PATTERN (a b) WITHIN INTERVAL '1' HOUR DEFINE a AS a.n > 0)",
        "SELECT a.n, b.n AS m FROM t AS a LEFT JOIN t AS b ON a.d = b.d AND b.ts BETWEEN a.ts - INTERVAL '1' HOUR AND a.ts + INTERVAL '1' HOUR",
        "SELECT * FROM t ORDER BY ts, n",
        "SELECT ts, n FROM t WHERE CHANGED(n) OVER (PARTITION BY d ORDER BY ts)",
        "SELECT ts, HELD_FOR(n > 0, INTERVAL '1' SECOND) OVER (PARTITION BY d ORDER BY ts) AS h FROM t",
    ];
    let queries = windows.map(|window| WINDOWED.replace("WINDOW)", &format!("{window})")));
    let last = i64::MAX / 1_000;
    for moments in [[last, last - 1, last], [-last, 1 - last, 0], [1_772_352_000_000, 1 << 53, last]] {
        let directory = tempfile::tempdir().unwrap();
        let lines = moments.iter().zip(1..).map(|(ts, n)| format!("{{\"d\":\"a\",\"ts\":{ts},\"n\":{n}}}\n"));
        fs::write(directory.path().join("t.json"), lines.collect::<String>()).unwrap();
        for query in queries.iter().map(String::as_str).chain(others) {
            let script = directory.path().join("t.sql");
            let table = "CREATE TABLE t (d STRING, ts TIMESTAMP_LTZ(3), n INT, WATERMARK FOR ts AS ts) \
                         WITH ('connector' = 'filesystem', 'path' = 't.json', 'format' = 'json');";
            fs::write(&script, format!("{table}\n{query};\n")).unwrap();
            let run =
                |ticks| rows(&script, ticks).unwrap_or_else(|error| panic!("{moments:?} {query}: {ticks:?}: {error}"));
            assert_eq!(run(Ticks::RestoreAfterEach), run(Ticks::Rows(1)), "{moments:?} {query}");
        }
    }
}

/// Cases are compared whatever the order of their rows; here it is looked at.
#[test]
fn rows_come_in_the_order_that_is_asked_for() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql/query_order_star.sql");
    let rows = rows(&case, Ticks::Rows(1)).unwrap();
    let key = |row: &String| {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        // NULLs come first.
        let sum = row["temp"].as_f64().zip(row["vib"].as_f64()).map_or(f64::NEG_INFINITY, |(temp, vib)| temp + vib);
        (row["ts"].as_str().unwrap().to_owned(), sum)
    };
    let keys: Vec<(String, f64)> = rows.iter().filter(|row| row.starts_with('{')).map(key).collect();
    assert!(keys.windows(2).any(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1), "rows of one time");
    assert!(keys.is_sorted(), "{keys:?}");
}

#[test]
fn every_case_gives_flinks_rows() {
    let cases = cases();
    assert!(cases.len() >= 250, "only {} cases", cases.len());
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            check(case, &case.with_extension("out")).err().map(|reason| format!("== {}\n{reason}", name(case)))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} cases fail\n{}", failures.len(), cases.len(), failures.join("\n"));
    for listed in UNSUPPORTED {
        assert!(cases.iter().any(|case| name(case) == *listed), "there is no case {listed}");
    }
}

/// Texts that Flink does not understand give the rows that it gave for a text of its own over the same input. The first
/// line of each names that text.
#[test]
fn what_is_ours_gives_the_rows_of_its_equivalent() {
    let scripts = scripts("tests/sql_ours");
    assert!(scripts.len() >= 14, "only {}", scripts.len());
    let failures: Vec<String> = scripts
        .iter()
        .filter_map(|script| {
            let text = fs::read_to_string(script).unwrap();
            let equivalent = text.lines().next().and_then(|line| line.strip_prefix("-- rows of: ")).unwrap();
            let answer = script.with_file_name(format!("../sql/{equivalent}.out"));
            check(script, &answer).err().map(|reason| format!("== {}\n{reason}", name(script)))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} differ\n{}", failures.len(), scripts.len(), failures.join("\n"));
}

/// As [`what_is_ours_gives_the_rows_of_its_equivalent`], over generated readings: out of order, late, doubled, with gaps and
/// NULLs. The equivalents are run by tidegate here, too.
fn over_generated_readings(readings: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("sql/data")).unwrap();
    fs::create_dir_all(folder.path().join("sql_ours")).unwrap();
    fs::write(folder.path().join("sql/data/reports.csv"), readings).unwrap();
    for script in scripts("tests/sql_ours") {
        let text = fs::read_to_string(&script).unwrap();
        let equivalent = text.lines().next().and_then(|line| line.strip_prefix("-- rows of: ")).unwrap();
        // Which rows are late for OVER with a bounded frame is a rule of its own.
        if !text.contains("reports.csv") || equivalent == "report_held_for_gaps" {
            continue;
        }
        let flinks = script.with_file_name(format!("../sql/{equivalent}.sql"));
        let copies = [(&script, "sql_ours/ours.sql"), (&flinks, "sql/flinks.sql")].map(|(from, to)| {
            let to = folder.path().join(to);
            fs::copy(from, &to).unwrap();
            let rows = rows(&to, Ticks::Rows(7)).unwrap();
            // Where more than one window of so many rows ends with the same time, ours end one after the other.
            if text.contains("_ROWS(") { rows.iter().map(|row| without(row, "window_end")).collect() } else { rows }
        });
        let [ours, flinks] = copies;
        let differences = difference(&Expected::read(&flinks.join("\n"))?, &ours, &[]);
        if !differences.is_empty() {
            return Err(format!("{equivalent}: {}\n{readings}", differences.join("\n")));
        }
    }
    Ok(())
}

fn without(row: &str, column: &str) -> String {
    let mut row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(row).unwrap();
    row.remove(column);
    serde_json::Value::Object(row).to_string()
}

#[test]
fn what_is_ours_is_its_equivalent_over_readings_of_one_moment() {
    over_generated_readings(&"D0,2026-03-01 01:00:00.000,\n".repeat(18)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_ours_is_its_equivalent_over_any_readings(
        readings in prop::collection::vec(
            (0u8..3, 0i64..9, prop_oneof![6 => Just(0i64), 3 => 0i64..5, 1 => 0i64..40], prop::option::weighted(0.85, 40u32..100)),
            0..60,
        ),
    ) {
        let mut seconds = 3_600;
        let mut text = String::new();
        for (device, later, back, temp) in readings {
            seconds += later;
            let at = seconds - back;
            let temp = temp.map_or(String::new(), |temp| temp.to_string());
            text += &format!("D{device},2026-03-01 {:02}:{:02}:{:02}.000,{temp}\n", at / 3_600, at / 60 % 60, at % 60);
        }
        let outcome = over_generated_readings(&text);
        prop_assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    }
}

/// What docs/match.md shows is the text of cases, so that it has Flink's rows.
#[test]
fn the_examples_of_the_page_on_patterns_are_cases() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/match.md")).unwrap();
    let examples: Vec<&str> =
        page.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert_eq!(examples.len(), 3);
    let texts: Vec<String> = cases().iter().map(|case| fs::read_to_string(case).unwrap()).collect();
    for example in examples {
        assert!(texts.iter().any(|text| text.ends_with(example)), "no case has this text:\n{example}");
    }
}
