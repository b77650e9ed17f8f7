//! Queries over input that ends, beside SQLite, which knows nothing of streams: groups, outer joins, subqueries of every
//! kind, first rows, OVER. Tables and queries are generated; both must give the same rows, whatever the ticks, with a
//! restart after each row too.

use std::fmt::Write as _;
use std::fs;

use proptest::prelude::*;
use rusqlite::types::ValueRef;
use tidegate::daemon::query_file::{Inserts, Ticks, run};

/// What is left to choose from; an empty tape always chooses the first.
struct Tape<'a>(std::slice::Iter<'a, u8>);

impl Tape<'_> {
    fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % count
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == of - 1
    }
}

/// A relation of FROM and its columns: names of numbers and of texts.
struct From {
    text: String,
    numbers: Vec<String>,
    texts: Vec<String>,
}

fn table(name: &str, alias: &str) -> From {
    let of = |columns: &[&str]| columns.iter().map(|column| format!("{alias}.{column}")).collect();
    From { text: format!("{name} AS {alias}"), numbers: of(&["id", "x", "y"]), texts: of(&["k"]) }
}

fn from(tape: &mut Tape, depth: usize) -> From {
    match tape.below(4) {
        0 => table("a", "a"),
        1 => table("b", "b"),
        2 if depth > 0 => {
            // The same columns, counted.
            let inner = from(tape, depth - 1);
            let filter = where_clause(tape, &inner, depth - 1);
            let (number, text) = (number(tape, &inner), inner.texts[tape.below(inner.texts.len())].clone());
            let key = if tape.chance(2) { number.clone() } else { inner.numbers[0].clone() };
            let text = match tape.below(2) {
                0 => format!(
                    "(SELECT {key} AS id, {text} AS k, COUNT(*) AS x, MAX({number}) AS y FROM {}{filter} GROUP BY {key}, {text}) AS g",
                    inner.text
                ),
                _ => format!(
                    "(SELECT {key} AS id, {text} AS k, {number} AS x, {number} AS y FROM {}{filter}) AS g",
                    inner.text
                ),
            };
            From { text, ..table("", "g") }
        }
        _ => {
            let kind = tape.one(&["LEFT JOIN", "JOIN", "RIGHT JOIN", "FULL JOIN"]);
            let on = tape.one(&["a.k = b.k", "a.k = b.k AND a.x < b.y", "a.x = b.x", "a.id = b.id AND a.k = b.k"]);
            let (mut left, right) = (table("a", "a"), table("b", "b"));
            left.numbers.extend(right.numbers);
            left.texts.extend(right.texts);
            From { text: format!("a AS a {kind} b AS b ON {on}"), ..left }
        }
    }
}

fn number(tape: &mut Tape, from: &From) -> String {
    let column = from.numbers[tape.below(from.numbers.len())].clone();
    match tape.below(4) {
        1 => format!("{column} + {}", tape.below(5)),
        2 => format!("COALESCE({column}, {})", tape.below(5)),
        _ => column,
    }
}

/// A subquery of one column that may speak of a text of the row around it.
fn column_query(tape: &mut Tape, from: &From, what: &str) -> String {
    let (table, alias) = if tape.chance(2) { ("a", "s") } else { ("b", "s") };
    let outer = &from.texts[tape.below(from.texts.len())];
    let around = &from.numbers[tape.below(from.numbers.len())];
    let filter = match tape.below(6) {
        4 => format!(" WHERE s.x {} {around}", tape.one(&["<", "<>", ">="])),
        5 => format!(" WHERE s.k = {outer} AND s.y <= {around} + 1"),
        0 => String::new(),
        1 => format!(" WHERE s.x > {}", tape.below(6)),
        2 => format!(" WHERE s.k = {outer}"),
        _ => format!(" WHERE s.k = {outer} AND s.y < {}", tape.below(8)),
    };
    // Of no row a stream's aggregates give none, which is NULL here; of none for a key they are those of nothing.
    let is_null_of_nothing = filter.contains(outer.as_str())
        || filter.contains(around.as_str())
        || !(what.contains("COUNT") || what.contains("COALESCE"));
    let what = if is_null_of_nothing { what } else { "MAX(s.x)" };
    format!("(SELECT {what} FROM {table} AS {alias}{filter})")
}

fn condition(tape: &mut Tape, from: &From, depth: usize) -> String {
    let number = number(tape, from);
    let text = from.texts[tape.below(from.texts.len())].clone();
    match tape.below(if depth > 0 { 13 } else { 5 }) {
        0 => format!("{number} {} {}", tape.one(&["<", ">=", "=", "<>"]), tape.below(7)),
        1 => format!("{text} {} 'q'", tape.one(&["=", "<>", "<"])),
        2 => format!("{text} IS {}NULL", tape.one(&["", "NOT "])),
        3 => format!("{number} {}IN (1, 3, 5)", tape.one(&["", "NOT "])),
        4 => format!("{number} {}BETWEEN 1 AND {}", tape.one(&["", "NOT "]), tape.below(7)),
        5 => format!("({} OR {})", condition(tape, from, depth - 1), condition(tape, from, depth - 1)),
        6 => format!("({} AND {})", condition(tape, from, depth - 1), condition(tape, from, depth - 1)),
        7 => format!("NOT {}", condition(tape, from, depth - 1)),
        8 | 9 => {
            let not = tape.one(&["", "NOT "]);
            format!("{number} {not}IN {}", column_query(tape, from, "s.x"))
        }
        10 => format!("{text} {}IN {}", tape.one(&["", "NOT "]), column_query(tape, from, "s.k")),
        11 => format!("{}EXISTS {}", tape.one(&["", "NOT "]), column_query(tape, from, "s.x")),
        _ => {
            let what = tape.one(&["MAX(s.x)", "COUNT(*)", "MIN(s.y) + 1", "COUNT(s.x)", "SUM(s.x)"]);
            format!("{number} {} {}", tape.one(&["<", "=", ">"]), column_query(tape, from, what))
        }
    }
}

fn where_clause(tape: &mut Tape, from: &From, depth: usize) -> String {
    if tape.chance(2) { format!(" WHERE {}", condition(tape, from, depth)) } else { String::new() }
}

fn aggregate(tape: &mut Tape, from: &From) -> String {
    let number = number(tape, from);
    match tape.below(8) {
        0 => "COUNT(*)".to_owned(),
        7 => format!("SUM({number} - {})", column_query(tape, from, "MAX(s.x)")),
        1 => format!("SUM({number})"),
        2 => format!("COUNT({number})"),
        3 => format!("COUNT(DISTINCT {number})"),
        4 => format!("COUNT(*) FILTER (WHERE {})", condition(tape, from, 0)),
        5 => format!("SUM(DISTINCT {number})"),
        _ => format!("{}({number})", tape.one(&["MIN", "MAX"])),
    }
}

/// A whole query. Results are numbers, texts and truth values.
fn query(tape: &mut Tape) -> String {
    let from = from(tape, 2);
    let filter = where_clause(tape, &from, 2);
    let (first, second) = (number(tape, &from), number(tape, &from));
    let text = from.texts[tape.below(from.texts.len())].clone();
    let source = format!("{}{filter}", from.text);
    match tape.below(9) {
        0 => {
            let having = match tape.below(3) {
                0 => format!(" HAVING {} > 1", aggregate(tape, &from)),
                1 => " HAVING COUNT(*) > (SELECT MIN(s.x) FROM b AS s)".to_owned(),
                _ => String::new(),
            };
            let (one, other) = (aggregate(tape, &from), aggregate(tape, &from));
            format!("SELECT {text} AS c1, {one} AS c2, {other} AS c3 FROM {source} GROUP BY {text}{having}")
        }
        // Of no row SQLite gives one, and a stream none.
        1 => format!(
            "SELECT {} AS c1, {} AS c2 FROM {source} HAVING COUNT(*) > 0",
            aggregate(tape, &from),
            aggregate(tape, &from)
        ),
        2 => {
            let what = tape.one(&["MAX(s.x)", "COUNT(*)", "SUM(s.y) + COUNT(*)", "COALESCE(MIN(s.x), 77)"]);
            format!("SELECT {text} AS c1, {first} AS c2, {} AS c3 FROM {source}", column_query(tape, &from, what))
        }
        3 => {
            let other = table("b", "b");
            let operation = tape.one(&["EXCEPT", "INTERSECT", "UNION", "UNION ALL"]);
            let beside = where_clause(tape, &other, 1);
            format!("SELECT {text} AS c1, {first} AS c2 FROM {source} {operation} SELECT b.k, b.x FROM b AS b{beside}")
        }
        4 => {
            let descending = tape.one(&["", " DESC"]);
            format!(
                "SELECT c1, c2, c3 FROM (SELECT {text} AS c1, {first} AS c2, ROW_NUMBER() OVER (PARTITION BY {text} ORDER BY {first}{descending}) AS c3 FROM {source}) AS r WHERE c3 {} {}",
                tape.one(&["<=", "="]),
                1 + tape.below(3)
            )
        }
        5 => format!(
            "SELECT {text} AS c1, {first} AS c2, {second} AS c3 FROM {source} ORDER BY c2{}, c1, c3 LIMIT {} OFFSET {}",
            tape.one(&["", " DESC"]),
            tape.below(6),
            tape.below(3)
        ),
        6 => format!(
            "SELECT {text} AS c1, {first} AS c2, {}(*) OVER (PARTITION BY {text} ORDER BY {first}) AS c3 FROM {source}",
            "COUNT"
        ),
        7 => format!("SELECT {first} AS c1, {} AS c2 FROM {source}", condition(tape, &from, 2)),
        _ => format!("SELECT DISTINCT {text} AS c1, {first} AS c2 FROM {source}"),
    }
}

type TableRow = (Option<u8>, Option<i64>, Option<i64>);

fn rows_of_table() -> impl Strategy<Value = Vec<TableRow>> {
    let row = (
        prop::option::weighted(0.85, 0u8..3),
        prop::option::weighted(0.85, -2i64..8),
        prop::option::weighted(0.85, -2i64..8),
    );
    prop::collection::vec(row, 0..9)
}

fn text(key: u8) -> &'static str {
    ["p", "q", "r"][usize::from(key) % 3]
}

fn of_sqlite(tables: &[(&str, &[TableRow])], query: &str) -> rusqlite::Result<Vec<String>> {
    let database = rusqlite::Connection::open_in_memory()?;
    for (name, rows) in tables {
        database.execute_batch(&format!("CREATE TABLE {name} (id INTEGER, k TEXT, x INTEGER, y INTEGER)"))?;
        for (id, (k, x, y)) in rows.iter().enumerate() {
            let values = rusqlite::params![id as i64, k.map(text), x, y];
            database.execute(&format!("INSERT INTO {name} VALUES (?, ?, ?, ?)"), values)?;
        }
    }
    let mut statement = database.prepare(query)?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let value = |column| {
            Ok(match row.get_ref(column)? {
                ValueRef::Null => "null".to_owned(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
                other => format!("{other:?}"),
            })
        };
        (0..columns).map(value).collect::<rusqlite::Result<Vec<String>>>()
    })?;
    let mut rows: Vec<String> = rows.map(|row| Ok(row?.join(", "))).collect::<rusqlite::Result<_>>()?;
    rows.sort();
    Ok(rows)
}

fn of_tidegate(tables: &[(&str, &[TableRow])], query: &str, ticks: Ticks) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let mut script = String::new();
    for (name, rows) in tables {
        let mut csv = String::new();
        for (id, (k, x, y)) in rows.iter().enumerate() {
            let shown = |number: &Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
            writeln!(csv, "{id},{},{},{}", k.map(text).unwrap_or_default(), shown(x), shown(y)).unwrap();
        }
        fs::write(folder.path().join(format!("{name}.csv")), csv).unwrap();
        writeln!(
            script,
            "CREATE TABLE {name} (id BIGINT, k STRING, x BIGINT, y BIGINT) WITH ('connector' = 'filesystem', 'path' = '{name}.csv', 'format' = 'csv', 'csv.null-literal' = '');"
        )
        .unwrap();
    }
    let path = folder.path().join("query.sql");
    fs::write(&path, format!("{script}{query};\n")).unwrap();
    let mut out = Vec::new();
    run(&path, ticks, 1_772_352_000_000, Inserts::Shown, &mut out).map_err(|error| error.to_string())?;
    let row = |line: &str| {
        let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        // SQLite's truth values are numbers.
        let value = |column: &str| match &row[column] {
            serde_json::Value::Bool(value) => i64::from(*value).to_string(),
            value => value.to_string(),
        };
        let columns = ["c1", "c2", "c3"].into_iter().filter(|column| row.contains_key(*column));
        columns.map(value).collect::<Vec<String>>().join(", ")
    };
    let mut rows: Vec<String> = String::from_utf8(out).unwrap().lines().map(row).collect();
    rows.sort();
    Ok(rows)
}

proptest! {
    #[test]
    fn rows_are_those_of_sqlite(
        a in rows_of_table(),
        b in rows_of_table(),
        tape in prop::collection::vec(any::<u8>(), 60),
    ) {
        let query = query(&mut Tape(tape.iter()));
        let tables = [("a", a.as_slice()), ("b", b.as_slice())];
        let expected = of_sqlite(&tables, &query);
        prop_assert!(expected.is_ok(), "{}\n{}", query, expected.unwrap_err());
        for ticks in [Ticks::Rows(3), Ticks::RestoreAfterEach] {
            let found = of_tidegate(&tables, &query, ticks);
            prop_assert_eq!(found.as_ref(), Ok(expected.as_ref().unwrap()), "{}", query);
        }
    }
}
