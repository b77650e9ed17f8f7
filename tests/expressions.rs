//! Every expression of `flink/expressions.tsv` gives what Apache Flink 2.3 gave for it.
//!
//! A line is an expression over the one row of the table below, a tab, and Flink's answer as JSON, or `ERROR` and why
//! (refused or failed: either will do here); then in most lines a tab and Flink's type of it, of which NOT NULL and the
//! length of a text do not count. `flink/different.tsv` names the expressions that are meant to differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tidegate::engine::eval::{Context, Program};
use tidegate::formats::{CsvReader, JsonEncoder, Types};
use tidegate::model::{Row, Schema};
use tidegate::plan::{Node, NodeKind, Source, Watermark};
use tidegate::sql::{Catalog, bind_query, function_names, parse_columns, show};

const COLUMNS: &str = "nan DOUBLE, x DOUBLE, y DOUBLE, negz DOUBLE, inf DOUBLE, f FLOAT, big BIGINT, sb STRING, \
    st STRING, sd STRING, st2 STRING, su STRING, i8 TINYINT, imin INT, im1 INT, lmin BIGINT, lmax BIGINT, \
    de DECIMAL(10,3), de38 DECIMAL(38,0), d3 DECIMAL(38,18), d0 DECIMAL(38,0), dt DATE, ti TIME, ts9999 TIMESTAMP(3), \
    ts1 TIMESTAMP(3), ts1969 TIMESTAMP(3), bad STRING, nul STRING";
const ROW: &str = "NaN,3.5,0.0,-0.0,Infinity,0.1,123456789012,a!b,2026-02-30 08:00:00,2026-03-01 08:05:09, 2026-03-01 08:00:00 ,\
    straße ŉ İ ΣΑΣ,-128,-2147483648,-1,-9223372036854775808,9223372036854775807,10.125,\
    99999999999999999999999999999999999999,12345678901234567890.123456789012345678,12345678901234567890,2026-03-31,\
    23:30:15,9999-12-31 23:59:59.999,0001-01-01 00:00:00,1969-12-30 08:15:30.123,(,";

#[test]
fn answers_are_those_of_flink() {
    let (source, row) = table();
    let (answers, different) = (read("tests/flink/expressions.tsv"), read("tests/flink/different.tsv"));
    let different = pairs(&different);
    let mut faults = Vec::new();
    let mut seen = 0;
    for (expression, flink) in pairs(&answers) {
        let (flink, data_type) = flink.split_once('\t').unwrap_or((flink, ""));
        let ours = answer(&source, &row, expression);
        let same_type = ours.as_ref().map_or(true, |(_, ours)| data_type.is_empty() || *ours == plain(data_type));
        let same = agree(&ours, flink) && same_type;
        seen += 1;
        match different.get(expression) {
            None if !same => {
                faults.push(format!(
                    "{expression}\n    Flink: {flink} {}\n    ours:  {}",
                    plain(data_type),
                    shown(&ours)
                ));
            }
            Some(why) if same => faults.push(format!("{expression}\n    does not differ any more ({why})")),
            _ => {}
        }
    }
    assert!(seen > 500, "the table was read");
    assert!(faults.is_empty(), "{} of {seen}:\n{}", faults.len(), faults.join("\n"));
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the tables of `docs/sql.md`.
fn table_rows() -> Vec<Vec<String>> {
    let document = read("docs/sql.md");
    let lines = document.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    // A bar inside of code stands behind a backslash.
    let rows = lines.map(|line| line.replace("\\|", "\u{1}"));
    rows.map(|line| line.split('|').map(|cell| cell.replace('\u{1}', "|").trim().to_owned()).collect()).collect()
}

/// Those with a column Case: example and case.
fn examples_in_cases() -> Vec<(String, String)> {
    let rows = table_rows();
    let code = |cell: &str| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    let pair = |row: &Vec<String>| match row.as_slice() {
        [_, _, example, case] => Some((code(example)?, code(case)?)),
        _ => None,
    };
    rows.iter().filter_map(pair).collect()
}

/// Those with a column Result: example, result, and whether it is tidegate's own.
fn examples() -> Vec<(String, String, bool)> {
    let mut examples = Vec::new();
    for cells in table_rows() {
        let [_, example, result] = cells.as_slice() else { continue };
        let Some(example) = example.strip_prefix('`').and_then(|example| example.strip_suffix('`')) else { continue };
        let (result, rest) = result.strip_prefix('`').and_then(|result| result.rsplit_once('`')).expect("a result");
        examples.push((example.to_owned(), result.to_owned(), rest.contains("*ours*")));
    }
    examples
}

#[test]
fn examples_of_the_document_are_right() {
    let (source, row) = table();
    let answers = read("tests/flink/expressions.tsv");
    let flinks = pairs(&answers);
    let examples = examples();
    assert!(examples.len() > 150, "the document was read");
    let mut faults = Vec::new();
    for (example, result, ours_only) in &examples {
        let ours = answer(&source, &row, example);
        if ours.as_ref().map(|(value, _)| value) != Ok(result) {
            faults.push(format!("{example}\n    the document: {result}\n    is: {}", shown(&ours)));
        }
        let flink = flinks.get(example.as_str()).map(|flink| flink.split('\t').next().unwrap_or_default());
        match flink {
            Some(flink) if !ours_only && !agree(&ours, flink) => faults.push(format!("{example}\n    Flink: {flink}")),
            None if !ours_only => faults.push(format!("{example}\n    Flink was not asked for it")),
            _ => {}
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), examples.len(), faults.join("\n"));
}

#[test]
fn every_function_has_an_example_that_is_a_test() {
    let in_cases = examples_in_cases();
    assert!(in_cases.len() >= 30, "the document was read");
    for (example, case) in &in_cases {
        let folder = if case.contains('/') { "" } else { "sql/" };
        assert!(read(&format!("tests/{folder}{case}.sql")).contains(example), "there is no {example} in {case}");
    }
    let run = examples().into_iter().map(|(example, ..)| example);
    let examples = run.chain(in_cases.into_iter().map(|(example, _)| example)).collect::<Vec<_>>().join("\n");
    let examples = examples.to_ascii_uppercase();
    let mut words: Vec<&str> = examples.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    words.sort_unstable();
    let missing: Vec<&str> =
        function_names().filter(|name| *name != "||" && words.binary_search(name).is_err()).collect();
    assert!(missing.is_empty(), "without an example in docs/sql.md: {}", missing.join(", "));
}

#[test]
fn the_document_names_every_function() {
    let document = read("docs/sql.md") + &read("docs/windows.md");
    let missing: Vec<&str> =
        function_names().filter(|name| *name != "||" && !document.contains(&format!("`{name}("))).collect();
    assert!(missing.is_empty(), "not in docs/sql.md or docs/windows.md: {}", missing.join(", "));
}

/// Each reason why an answer is another than Flink's, and each case that has rows of its own, stands on the page about it.
#[test]
fn what_differs_from_flink_is_documented() {
    let (page, different) = (read("docs/differences.md"), read("tests/flink/different.tsv"));
    let mut missing: Vec<&str> =
        pairs(&different).into_values().filter(|why| !page.contains(&why.replace('|', "\\|"))).collect();
    missing.dedup();
    assert!(missing.is_empty(), "not in docs/differences.md:\n{}", missing.join("\n"));
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    for case in fs::read_dir(cases).expect("the cases").map(|entry| entry.expect("a case").path()) {
        if case.extension().is_some_and(|extension| extension == "ours") {
            let name = case.file_stem().and_then(|name| name.to_str()).expect("a name");
            assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/differences.md");
        }
    }
}

/// What `tidegate explain` shows of an expression is that expression.
#[test]
fn an_expression_that_is_shown_is_the_same() {
    let (source, row) = table();
    let names: Vec<String> = source.schema.columns.iter().map(|column| show::name(&column.name)).collect();
    let (answers, examples) = (read("tests/flink/expressions.tsv"), examples());
    let examples = examples.iter().map(|(example, ..)| example.as_str());
    let mut faults = Vec::new();
    let mut seen = 0;
    for expression in pairs(&answers).into_keys().chain(examples) {
        let Ok(node) = bound(&source, expression) else { continue };
        let NodeKind::Project { exprs, .. } = &node.kind else { continue };
        let shown_as = show::expression(&exprs[0], &|column| names[column].clone());
        let (before, after) = (answer(&source, &row, expression), answer(&source, &row, &shown_as));
        seen += 1;
        if before != after {
            faults.push(format!("{expression}\n    {}\n{shown_as}\n    {}", shown(&before), shown(&after)));
        }
    }
    assert!(seen > 500, "the table was read");
    assert!(faults.is_empty(), "{} of {seen}:\n{}", faults.len(), faults.join("\n"));
}

fn pairs(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter(|line| !line.starts_with("# ")).filter_map(|line| line.split_once('\t')).collect()
}

fn table() -> (Source, Row) {
    let columns = parse_columns(COLUMNS).expect("the columns of the table").columns;
    let mut row = Row::new();
    CsvReader::new(ROW.as_bytes(), &columns, Some(""), Types::Converted).read(&mut row).expect("the row of the table");
    let schema = Schema { columns, event_time: None, device: None };
    (
        Source {
            name: "t1".to_owned(),
            schema,
            watermark: Watermark::None,
            by_arrival: false,
            primary_key: Vec::new(),
            computed: Vec::new(),
        },
        row,
    )
}

/// A type without NOT NULL, and with every text and byte string of any length.
fn plain(data_type: &str) -> String {
    let mut plain = data_type.replace(" NOT NULL", "").replace("TIME(0)", "TIME");
    for (limited, any) in [("VARCHAR(", "STRING"), ("CHAR(", "STRING"), ("VARBINARY(", "BYTES"), ("BINARY(", "BYTES")] {
        while let Some(at) = plain.find(limited) {
            let end = plain[at..].find(')').expect("the end of a length") + at + 1;
            plain.replace_range(at..end, any);
        }
    }
    plain
}

fn bound(source: &Source, expression: &str) -> Result<Node, String> {
    let sources = [source.clone()];
    let text = format!("SELECT {expression} AS answer FROM t1");
    bind_query(&text, &Catalog { sources: &sources, tables: &[], views: &[] })
        .map_err(|errors| format!("refused: {}", errors.first().map(|error| error.message.clone()).unwrap_or_default()))
}

/// The value as JSON and its type, or why there is none.
fn answer(source: &Source, row: &Row, expression: &str) -> Result<(String, String), String> {
    let node = bound(source, expression)?;
    let NodeKind::Project { exprs, .. } = &node.kind else { return Err("no projection".to_owned()) };
    let value = Program::compile(&exprs[0]).eval(row, &Context::default()).map_err(|error| error.to_string())?;
    let mut json = String::new();
    JsonEncoder::new(&node.schema.columns).encode(&[value], &mut json);
    let (_, value) = json.split_once(':').expect("an object with one key");
    let value = value.strip_suffix('}').expect("the end of the object");
    Ok((value.to_owned(), node.schema.columns[0].data_type.to_string()))
}

fn shown(answer: &Result<(String, String), String>) -> String {
    match answer {
        Ok((value, data_type)) => format!("{value} {data_type}"),
        Err(why) => format!("ERROR {why}"),
    }
}

/// Numbers with a point or an exponent may differ by 1e-9 of themselves.
fn agree(ours: &Result<(String, String), String>, flink: &str) -> bool {
    let Ok((ours, _)) = ours else { return flink.starts_with("ERROR") };
    if ours == flink {
        return true;
    }
    let number = |text: &str| if text.starts_with('"') { None } else { text.parse::<f64>().ok() };
    match (number(ours), number(flink)) {
        (Some(a), Some(b)) if ours.contains(['.', 'e']) || flink.contains(['.', 'e']) => {
            (a - b).abs() <= 1e-9 * b.abs() || (a - b).abs() < 1e-12
        }
        _ => false,
    }
}
