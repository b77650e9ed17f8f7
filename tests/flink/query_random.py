#!/usr/bin/env python3
"""Compares random queries with real Apache Flink: windows, grouping sets, OVER, Top-N, deduplication, DISTINCT, joins,
INTERSECT and EXCEPT.
Run by hand; what it finds is kept as a case in tests/sql. (Patterns: match_random.py.)

usage: query_random.py make DIR SEED COUNT     COUNT queries over random rows into DIR, ten of them in one script for Flink
       query_random.py check DIR TIDEGATE      runs each query with `TIDEGATE query -f` and compares with Flink's rows
In between: `oracle.py DIR/batch` (the tool that made the answers of tests/sql; it needs Flink and Java) writes Flink's rows.
"""
import json, math, os, random, subprocess, sys

TABLE = """CREATE TABLE %s (
  id INT, device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE, d DECIMAL(8, 2), b BOOLEAN,
  WATERMARK FOR ts AS ts - INTERVAL '%d' SECOND
) WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = 'csv', 'csv.null-literal' = '');
"""
# What every query gives, so that UNION ALL takes ten of them into one job.
SLOTS = {"s": ["s1", "s2", "s3", "s4"], "i": ["i1", "i2", "i3"], "x": ["x1", "x2"]}
TYPES = {"s": "STRING", "i": "BIGINT", "x": "DOUBLE"}


def data(r, rows, late):
    """Rows of three devices, about one a second, some of equal time, some with NULLs; with `late` some far out of order."""
    out, time = [], 0
    for n in range(rows):
        time += r.choice([0, 0, 500, 1000, 1000, 1000, 2000, 5000, 12000])
        ts = max(0, time - (r.choice([0, 0, 0, 1000, 3000, 9000, 20000]) if late else r.choice([0, 0, 1000, 2000])))
        null = lambda share, value: "" if r.random() < share else str(value)
        fields = [n, null(0.03, r.choice("pqr")), "2026-03-01 08:%02d:%02d.%03d" % (ts // 60000, ts // 1000 % 60, ts % 1000),
                  null(0.08, r.randint(-5, 40)), null(0.05, r.choice("AABBC")), null(0.08, round(r.uniform(-50, 100), 2)),
                  null(0.08, "%.2f" % r.uniform(-9, 900)), null(0.1, r.choice(["true", "false"]))]
        out.append(",".join(map(str, fields)))
    return "\n".join(out) + "\n"


def select(r, items):
    """Expressions with their kinds as the list of a SELECT with all slots."""
    free = {kind: list(names) for kind, names in SLOTS.items()}
    filled = {}
    for kind, text in items:
        if free[kind]:
            filled[free[kind].pop(0)] = text
    parts = []
    for kind, names in SLOTS.items():
        parts += ["CAST(%s AS %s) AS %s" % (filled.get(name, "NULL"), TYPES[kind], name) for name in names]
    return ", ".join(parts)


def aggregates(r, count, ordered):
    """`ordered`: those that go by order of arrival are allowed."""
    pool = [("i", "COUNT(*)"), ("i", "COUNT(n)"), ("i", "SUM(n)"), ("i", "AVG(n)"), ("i", "MIN(n)"), ("i", "MAX(n)"),
            ("x", "SUM(x)"), ("x", "AVG(x)"), ("x", "MIN(x)"), ("x", "MAX(x)"), ("x", "STDDEV_POP(x)"), ("x", "VAR_SAMP(x)"),
            ("s", "SUM(d)"), ("s", "AVG(d)"), ("s", "MAX(d)"), ("s", "MIN(k)"), ("s", "MAX(k)"), ("i", "COUNT(DISTINCT k)"),
            ("i", "SUM(DISTINCT n)"), ("i", "COUNT(DISTINCT device)"), ("x", "PERCENTILE(x, %s)" % r.choice(["0.5", "0.9", "0", "1"])),
            ("x", "PERCENTILE(n, 0.25)"), ("x", "PERCENTILE(x, 0.7, n)"), ("x", "PERCENTILE(DISTINCT d, 0.4)")]
    if ordered:
        pool += [("s", "FIRST_VALUE(k)"), ("i", "LAST_VALUE(n)"), ("s", "LISTAGG(k)"), ("i", "FIRST_VALUE(id)")]
    chosen = []
    for kind, text in r.sample(pool, count):
        if r.random() < 0.25:
            text += " FILTER (WHERE %s)" % r.choice(["n > 10", "b", "k <> 'B'", "x IS NOT NULL", "MOD(id, 2) = 0"])
        chosen.append((kind, text))
    return chosen


def where(r):
    text = r.choice(["", "", "", "n > 5", "k <> 'C'", "x < 60 OR b", "device <> 'q'", "b IS NOT TRUE", "MOD(id, 3) > 0"])
    return " WHERE " + text if text else ""


def window(r, table="t", partition=""):
    """A window function and whether each row is in one window, whose rows stay in order of arrival."""
    size = r.choice([2, 5, 10, 30])
    offset = ", INTERVAL '%d' SECOND" % r.choice([1, size - 1]) if r.random() < 0.2 else ""
    kind = r.choice(["TUMBLE", "TUMBLE", "HOP", "CUMULATE", "SESSION"])
    if kind == "TUMBLE":
        return "TUMBLE(TABLE %s, DESCRIPTOR(ts), INTERVAL '%d' SECOND%s)" % (table, size, offset), True, kind
    if kind == "SESSION":
        return "SESSION(TABLE %s%s, DESCRIPTOR(ts), INTERVAL '%d' SECOND)" % (table, partition, r.choice([1, 2, 4])), False, kind
    step = r.choice([1, 2, 5]) if size > 5 else 1
    return "%s(TABLE %s, DESCRIPTOR(ts), INTERVAL '%d' SECOND, INTERVAL '%d' SECOND)" % (kind, table, step, size), False, kind


KEYS = [[], ["device"], ["k"], ["device", "k"], ["n > 10"], ["UPPER(k)", "b"]]


def grouped(r):
    keys = r.choice(KEYS)
    columns = [key for key in keys if key.isidentifier()]
    partition = " PARTITION BY " + ", ".join(columns) if columns else ""
    call, ordered, kind = window(r, "t", partition)
    if kind == "SESSION":
        keys = columns
    items = [("s", key) for key in keys] + [("s", "window_start"), ("s", "window_end")] + aggregates(r, r.choice([1, 2, 3]), ordered)
    group = ["window_start", "window_end"] + keys
    if kind != "SESSION" and len(columns) == len(keys) and keys and r.random() < 0.4:
        sets = r.choice(["ROLLUP (%s)", "CUBE (%s)", "GROUPING SETS ((%s), ())"]) % ", ".join(keys)
        group = ["window_start", "window_end", sets]
    having = r.choice(["", "", " HAVING COUNT(*) > 1", " HAVING MAX(n) > 20"])
    return "SELECT %s FROM TABLE(%s)%s GROUP BY %s%s" % (select(r, items), call, where(r), ", ".join(group), having)


def grouped_before(r):
    """A window in GROUP BY, as before there were window functions."""
    keys = r.choice(KEYS)
    kind = r.choice(["TUMBLE", "HOP", "SESSION"])
    seconds = {"TUMBLE": [r.choice([2, 5, 10, 30])], "HOP": r.choice([(1, 5), (2, 10), (5, 30), (3, 3)]), "SESSION": [r.choice([1, 2, 4])]}[kind]
    arguments = "(ts, %s)" % ", ".join("INTERVAL '%d' SECOND" % s for s in seconds)
    parts = [("s", kind + part + arguments) for part in r.sample(["_START", "_END", "_ROWTIME"], 2)]
    items = [("s", key) for key in keys] + parts + aggregates(r, r.choice([1, 2, 3]), kind == "TUMBLE")
    group = keys + [kind + arguments]
    r.shuffle(group)
    having = r.choice(["", "", " HAVING COUNT(*) > 1", " HAVING MAX(n) > 20", " HAVING %s_END%s > TIMESTAMP '2026-03-01 08:00:30'" % (kind, arguments)])
    return "SELECT %s FROM t%s GROUP BY %s%s" % (select(r, items), where(r), ", ".join(group), having)


def both(r):
    """INTERSECT and EXCEPT in windows."""
    columns = r.sample(["device", "k", "n", "b", "d", "n > 10"], r.choice([1, 2]))
    items = [("s", column) for column in columns]
    call = r.choice(["TUMBLE(TABLE %s, DESCRIPTOR(ts), INTERVAL '5' SECOND)", "HOP(TABLE %s, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)"])
    side = lambda name: "SELECT %s, window_start, window_end FROM TABLE(%s)%s" % (", ".join(columns), call % name, where(r))
    sides = [side(name) for name in r.choice(["uv", "uv", "uvu"])]
    text = sides[0]
    for other in sides[1:]:
        text += r.choice([" INTERSECT ", " EXCEPT "]) + other
    names = ["c%d" % i for i in range(len(columns))]
    return "SELECT %s FROM (%s) AS a (%s, window_start, window_end)" % (select(r, [("s", name) for name in names] + [("s", "window_start"), ("s", "window_end")]), text, ", ".join(names))


def twice(r):
    """A window over the rows of a window."""
    size = r.choice([2, 5])
    inner = "SELECT device, k, COUNT(*) AS c, SUM(n) AS total, window_start, window_end, window_time AS wt FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '%d' SECOND))%s GROUP BY device, k, window_start, window_end, window_time" % (size, where(r))
    items = [("s", "device"), ("s", "window_start"), ("i", "SUM(c)"), ("i", "MAX(total)"), ("i", "COUNT(*)")]
    if r.random() < 0.4:
        return "SELECT %s FROM (%s) GROUP BY device, window_start, window_end" % (select(r, items), inner)
    return "SELECT %s FROM TABLE(TUMBLE((SELECT device, c, total, wt FROM (%s)), DESCRIPTOR(wt), INTERVAL '%d' SECOND)) GROUP BY device, window_start, window_end" % (select(r, items), inner, size * r.choice([2, 3]))


def over(r):
    partition = r.choice(["PARTITION BY device ", "PARTITION BY k ", "PARTITION BY device, k ", ""])
    frame = r.choice(["", "ROWS BETWEEN %d PRECEDING AND CURRENT ROW" % r.choice([0, 1, 3, 9]), "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
                      "RANGE BETWEEN INTERVAL '%d' SECOND PRECEDING AND CURRENT ROW" % r.choice([1, 3, 10])])
    calls = [(kind, text) for kind, text in aggregates(r, 6, True) if "LISTAGG" not in text and "FILTER" not in text and not ("DISTINCT" in text and "PRECEDING" in frame and "UNBOUNDED" not in frame)][:3]
    if frame == "" and r.random() < 0.5:
        calls = r.sample([("i", "ROW_NUMBER()"), ("i", "RANK()"), ("i", "LAG(n, %d)" % r.choice([1, 2])), ("i", "LAG(n, 1, -7)"), ("i", "DENSE_RANK()")], 2)
    items = [("i", "id")] + [(kind, "%s OVER (%sORDER BY ts %s)" % (text, partition, frame)) for kind, text in calls]
    return "SELECT %s FROM t%s" % (select(r, items), where(r))


def top(r):
    call, ordered, kind = window(r)
    partition = r.choice(["", ", device", ", k"])
    # The order must be that of one row alone: rows of equal rank come in an order of their own.
    order = r.choice(["n DESC, id", "x, id", "k DESC, n, id", "d DESC, id DESC", "ts, id", "id"])
    low = r.choice([1, 1, 2])
    items = [("i", "id"), ("i", "rn"), ("s", "device"), ("s", "window_start"), ("s", "window_end")]
    inner = "SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end%s ORDER BY %s) AS rn FROM TABLE(%s)%s" % (partition, order, call, where(r))
    limit = "rn <= %d" % (low + r.choice([0, 1, 4])) + (" AND rn >= %d" % low if low > 1 else "")
    return "SELECT %s FROM (%s) WHERE %s" % (select(r, items), inner, limit)


def first(r):
    if r.random() < 0.5:
        keys = r.choice(["device", "k", "device, k"])
        return "SELECT %s FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY %s ORDER BY ts) AS rn FROM t%s) WHERE rn = 1" % (select(r, [("i", "id"), ("s", "ts")]), keys, where(r))
    columns = r.sample(["device", "k", "b", "n > 10"], 2)
    if r.random() < 0.5:
        call = window(r)[0]
        return "SELECT DISTINCT %s FROM TABLE(%s)%s" % (select(r, [("s", c) for c in columns] + [("s", "window_start"), ("s", "window_end")]), call, where(r))
    return "SELECT DISTINCT %s FROM t%s" % (select(r, [("s", c) for c in columns]), where(r))


def join(r):
    kind = r.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
    residual = r.choice(["", "", " AND l.n <= r.n", " AND l.k = r.k", " AND l.x > r.x"])
    items = [("i", "l.id"), ("i", "r.id"), ("s", "l.device"), ("s", "r.k")]
    if r.random() < 0.4:
        low, high = r.choice([(-3, 5), (0, 4), (-6, -1), (-2, 0), (1, 8)])
        bound = "r.ts BETWEEN l.ts %s INTERVAL '%d' SECOND AND l.ts %s INTERVAL '%d' SECOND" % ("-" if low < 0 else "+", abs(low), "-" if high < 0 else "+", abs(high))
        return "SELECT %s FROM u AS l %s v AS r ON l.device = r.device AND %s%s" % (select(r, items), kind, bound, residual)
    size = r.choice([4, 10])
    side = lambda name: "(SELECT * FROM TABLE(TUMBLE(TABLE %s, DESCRIPTOR(ts), INTERVAL '%d' SECOND))%s)" % (name, size, where(r))
    same = "l.window_start = r.window_start AND l.window_end = r.window_end"
    if r.random() < 0.5:
        key = r.choice(["l.device = r.device AND ", "l.k = r.k AND ", ""])
        return "SELECT %s FROM %s AS l %s %s AS r ON %s%s%s" % (select(r, items), side("u"), kind, side("v"), key, same, residual)
    items = [("i", "l.id"), ("s", "l.device"), ("s", "l.window_start")]
    no = r.choice(["", "NOT "])
    if r.random() < 0.5:
        test = "%sEXISTS (SELECT * FROM %s AS r WHERE l.device = r.device AND %s%s)" % (no, side("v"), same, residual)
    else:
        column = r.choice(["n", "k", "device"])
        test = "l.%s %sIN (SELECT r.%s FROM %s AS r WHERE %s%s)" % (column, no, column, side("v"), same, residual)
    return "SELECT %s FROM %s AS l WHERE %s" % (select(r, items), side("u"), test)


KINDS = [grouped, grouped, grouped, grouped_before, both, twice, over, over, top, first, join, join]


def make(folder, seed, count):
    r = random.Random(seed)
    os.makedirs(folder + "/batch", exist_ok=True)
    for batch in range((count + 9) // 10):
        late = r.random() < 0.5
        tables = ""
        for name in "tuv":
            path = "data_%d_%s.csv" % (batch, name)
            with open("%s/%s" % (folder, path), "w") as f:
                # In a join no row may be late for its own table: Flink may read one file ahead of the other.
                f.write(data(r, r.choice([30, 60, 100]), late and name == "t"))
            tables += TABLE % (name, r.choice([0, 2, 5]) if name == "t" else 3, path)
        queries = {}
        for i in range(min(10, count - batch * 10)):
            name = "%d_%d" % (batch, i)
            queries[name] = r.choice(KINDS)(r)
            with open("%s/%s.sql" % (folder, name), "w") as f:
                f.write("-- Random, seed %d.\n%s%s;\n" % (seed, tables, queries[name]))
        with open("%s/batch/%d.sql" % (folder, batch), "w") as f:
            parts = ["SELECT '%s' AS q, * FROM (%s)" % item for item in queries.items()]
            f.write("-- Batch.\n%s%s;\n" % (tables.replace("'data_", "'../data_"), "\nUNION ALL\n".join(parts)))


def same(a, b):
    """As the cases of tests/sql are compared: numbers with a point may differ by 1e-9."""
    if set(a) != set(b):
        return False
    return all(math.isclose(a[k], b[k], rel_tol=1e-9, abs_tol=1e-9) if isinstance(a[k], float) and isinstance(b[k], float) else a[k] == b[k] for k in a)


def missing(rows, others):
    others = list(others)
    left = []
    for row in rows:
        found = next((i for i, other in enumerate(others) if same(row, other)), None)
        if found is None:
            left.append(row)
        else:
            others.pop(found)
    return left


def check(folder, tidegate):
    bad = 0
    for name in sorted(os.listdir(folder + "/batch")):
        if not name.endswith(".out"):
            continue
        with open("%s/batch/%s" % (folder, name)) as f:
            lines = f.read().splitlines()
        flinks = [json.loads(line) for line in lines if not line.startswith("#")]
        if flinks == [{"error": True}] or any(line.startswith("# NOT") for line in lines):
            print("batch %s: %s" % (name, lines[0]))
            bad += 1
            continue
        for case in sorted(c for c in os.listdir(folder) if c.startswith(name[:-4] + "_") and c.endswith(".sql")):
            ours = subprocess.run([tidegate, "query", "-f", "%s/%s" % (folder, case)], capture_output=True, text=True)
            expected = [{k: v for k, v in row.items() if k != "q"} for row in flinks if row["q"] == case[:-4]]
            found = [json.loads(line) for line in ours.stdout.splitlines()]
            lost, extra = missing(expected, found), missing(found, expected)
            if ours.returncode or lost or extra:
                bad += 1
                print("%s differs (%d rows of ours, %d of Flink) %s" % (case, len(found), len(expected), ours.stderr.strip()[:300]))
                print("  Flink's: %s\n  ours: %s" % (lost[:3], extra[:3]))
    print("%d differ" % bad)
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif len(sys.argv) == 4 and sys.argv[1] == "check":
        sys.exit(check(sys.argv[2], sys.argv[3]))
    else:
        print(__doc__)
        sys.exit(2)
