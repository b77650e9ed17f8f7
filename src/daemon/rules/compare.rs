//! Rows as they came against rows as they should be. Order does not count: rows of different devices have none.

use serde_json::Value;

/// What a case expects.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    rows: Vec<(String, Value)>,
    /// Parts of the reasons why rows fail: lines that begin with `!`.
    failures: Vec<String>,
}

impl Expected {
    /// One JSON object a line; `#` begins a comment, `!` a failure.
    pub fn read(text: &str) -> Result<Expected, String> {
        let mut expected = Expected::default();
        let lines = text.lines().map(str::trim).enumerate();
        for (index, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            if let Some(reason) = line.strip_prefix('!') {
                expected.failures.push(reason.trim().to_owned());
                continue;
            }
            let row =
                serde_json::from_str(line).map_err(|error| format!("expected, line {}: {error}: {line}", index + 1))?;
            expected.rows.push((line.to_owned(), row));
        }
        Ok(expected)
    }

    /// Whether the whole script is to fail.
    pub fn is_error(&self) -> bool {
        matches!(self.rows.as_slice(), [(_, row)] if *row == serde_json::json!({"error": true}))
    }
}

/// What is missing and what is too much, a line each; nothing where all is as expected.
pub fn difference(expected: &Expected, rows: &[String], failures: &[String]) -> Vec<String> {
    let mut missing: Vec<&(String, Value)> = expected.rows.iter().collect();
    let mut extra = Vec::new();
    for row in rows {
        let found = serde_json::from_str(row)
            .ok()
            .and_then(|row: Value| missing.iter().position(|(_, wanted)| same(&row, wanted)));
        match found {
            Some(at) => drop(missing.remove(at)),
            None => extra.push(format!("not expected: {row}")),
        }
    }
    let mut unmet: Vec<&String> = expected.failures.iter().collect();
    for reason in failures {
        match unmet.iter().position(|part| reason.contains(part.as_str())) {
            Some(at) => drop(unmet.remove(at)),
            None => extra.push(format!("not expected: ! {reason}")),
        }
    }
    let missing = missing.into_iter().map(|(line, _)| format!("missing:      {line}"));
    missing.chain(unmet.into_iter().map(|part| format!("missing:      ! {part}"))).chain(extra).collect()
}

/// Equal; numbers with a point or an exponent may differ by 1e-9 of their size.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) if left.is_f64() || right.is_f64() => {
            let (left, right) = (left.as_f64().unwrap_or(f64::NAN), right.as_f64().unwrap_or(f64::NAN));
            (left - right).abs() <= 1e-12 + 1e-9 * left.abs().max(right.abs())
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(expected: &str, rows: &[&str], failures: &[&str]) -> Vec<String> {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        difference(&Expected::read(expected).unwrap(), &owned(rows), &owned(failures))
    }

    #[test]
    fn rows_are_a_multiset_and_doubles_are_near() {
        let expected = "# hot ones\n{\"a\": 1, \"t\": 0.3}\n\n{\"a\": 2, \"t\": null}\n{\"a\": 2, \"t\": null}\n";
        let two = r#"{"a":2,"t":null}"#;
        assert!(differs(expected, &[two, r#"{"t":0.30000000000000004,"a":1}"#, two], &[]).is_empty());
        assert_eq!(differs(expected, &[two, r#"{"a":1,"t":0.3}"#], &[]), [r#"missing:      {"a": 2, "t": null}"#]);
        let got = differs("", &[two], &[]);
        assert_eq!(got, [r#"not expected: {"a":2,"t":null}"#]);
        assert_eq!(differs("{\"a\": 1}", &[r#"{"a":1,"b":1}"#], &[]).len(), 2, "a key too much");
    }

    #[test]
    fn failures_are_expected_by_a_part_of_their_reason() {
        assert!(differs("! by zero", &[], &["division by zero"]).is_empty());
        assert_eq!(differs("! by zero", &[], &[]), ["missing:      ! by zero"]);
        assert_eq!(differs("", &[], &["division by zero"]), ["not expected: ! division by zero"]);
    }

    #[test]
    fn what_is_no_json_is_named_with_its_line() {
        assert!(Expected::read("\n{a}").unwrap_err().starts_with("expected, line 2: "));
        assert!(Expected::read("{\"error\": true}").unwrap().is_error());
    }
}
