#!/usr/bin/env python3
"""Compares random MATCH_RECOGNIZE queries with real Apache Flink. Run by hand; what it finds is kept as a case in tests/sql.

usage: match_random.py make DIR SEED COUNT     COUNT queries over random rows into DIR, ten of them in one script for Flink
       match_random.py check DIR TIDEGATE      runs each query with `TIDEGATE query -f` and compares with Flink's rows
In between: `oracle.py DIR/batch` (the tool that made the answers of tests/sql; it needs Flink and Java) writes Flink's rows.
"""
import json, os, random, subprocess, sys

TABLE = """CREATE TABLE t (
  device STRING, ts TIMESTAMP(3), n INT, k STRING, x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '%d' SECOND
) WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = 'csv', 'csv.null-literal' = '');
"""
VARIABLES = "abcd"


def data(r, rows, late):
    """Rows of three devices, about one a second, some out of order, some of equal time, some with NULLs."""
    out, time = [], 0
    for n in range(rows):
        time += r.choice([0, 0, 500, 1000, 1000, 1000, 2000, 5000])
        ts = max(0, time - (r.choice([0, 0, 0, 1000, 3000, 9000]) if late else 0))
        k = r.choice("AAABBBCCD") if r.random() > 0.04 else ""
        x = "" if r.random() < 0.08 else round(r.uniform(0, 100), 1)
        out.append("%s,2026-03-01 08:%02d:%02d.%03d,%d,%s,%s" % (r.choice("pqr"), ts // 60000, ts // 1000 % 60, ts % 1000, n, k, x))
    return "\n".join(out) + "\n"


def condition(r, v, before):
    """A condition of variable v; some look at rows of this variable or of one before it."""
    own = ["{v}.k = 'A'", "{v}.k = 'B'", "{v}.k IN ('A', 'B')", "{v}.k <> 'D'", "{v}.x > 40", "{v}.x <= 60", "MOD({v}.n, 3) = 0", "{v}.k IS NOT NULL", "{v}.x > 20 OR {v}.k = 'C'", "TRUE"]
    run = ["{v}.x > LAST({v}.x, 1)", "LAST({v}.x, 1) IS NULL OR {v}.x > LAST({v}.x, 1)", "COUNT({v}.n) < 3", "SUM({v}.x) < 120", "AVG({v}.x) > 30", "{v}.n > FIRST({v}.n)", "{v}.x >= MAX({v}.x)", "x > 10 AND LAST(n, 1) < n", "COUNT(*) < 6"]
    other = ["{v}.x > {o}.x", "{v}.k = {o}.k", "{v}.k <> LAST({o}.k)", "{v}.x > AVG({o}.x)", "{v}.n > FIRST({o}.n) + 2", "COUNT({o}.n) >= 2 AND {v}.k = 'C'", "{o}.k IS NULL OR {v}.k = 'B'"]
    pool = own * 2 + run + (other * 2 if before else [])
    text = r.choice(pool).format(v=v, o=r.choice(before) if before else v)
    if r.random() < 0.25:
        text = "(%s) AND (%s)" % (text, r.choice(own).format(v=v))
    return text


def query(r, name):
    count = r.choice([2, 2, 3, 3, 3, 4])
    quantifiers = ["", "", "+", "*", "?", "+?", "*?", "{2}", "{2,}", "{1,3}", "{0,2}", "{2,}?", "{1,3}?", "{0,2}?", "{1,2}"]
    while True:
        chosen = [r.choice(quantifiers) for _ in range(count)]
        greedy = [q in ("+", "*", "{2,}", "{1,3}", "{0,2}", "{1,2}") for q in chosen]
        least = [0 if q[:1] in ("*", "?") or q.startswith("{0") else 1 for q in chosen]
        optional = [q in ("?", "*", "*?") for q in chosen]
        if not greedy[-1] and any(least) and not any(g and o for g, o in zip(greedy, optional[1:])):
            break
    names = VARIABLES[:count]
    defined = [v for v in names if r.random() < 0.85] or [names[0]]
    define = ", ".join("%s AS %s" % (v, condition(r, v, names[:names.index(v)])) for v in defined)
    skips = ["", "AFTER MATCH SKIP TO NEXT ROW", "AFTER MATCH SKIP PAST LAST ROW"]
    # A skip that misses, or that goes nowhere, is an error: those are cases of their own.
    safe = [v for v, l in list(zip(names, least))[1:] if l and least[0]]
    skips += ["AFTER MATCH SKIP TO %s%s" % (r.choice(["FIRST ", "LAST ", ""]), v) for v in safe]
    within = " WITHIN INTERVAL '%d' SECOND" % r.choice([2, 4, 7, 15]) if r.random() < 0.35 else ""
    measures = []
    for v in VARIABLES:
        for f in ("FIRST", "LAST"):
            measures.append("%s AS %s_%s" % ("%s(%s.n)" % (f, v) if v in names else "CAST(NULL AS INT)", v, f.lower()))
    # With WITHIN, what the end of the file sets free has no sensible time.
    measures.append("%s AS rt" % ("CAST(NULL AS STRING)" if within else "CAST(MATCH_ROWTIME() AS STRING)"))
    partition = r.choice(["PARTITION BY device ", "PARTITION BY device ", ""])
    order = r.choice(["ORDER BY ts", "ORDER BY ts", "ORDER BY ts, x DESC, n", "ORDER BY ts, k, n"])
    pattern = " ".join(v + q for v, q in zip(names, chosen))
    columns = ", ".join("%s_%s" % (v, f) for v in VARIABLES for f in ("first", "last"))
    return "SELECT '%s' AS q, %s, rt FROM t MATCH_RECOGNIZE (%s%s MEASURES %s ONE ROW PER MATCH %s PATTERN (%s)%s DEFINE %s)" % (
        name, columns, partition, order, ", ".join(measures), r.choice(skips), pattern, within, define)


def make(folder, seed, count):
    r = random.Random(seed)
    os.makedirs(folder + "/batch", exist_ok=True)
    for batch in range((count + 9) // 10):
        late = r.random() < 0.4
        delay = r.choice([0, 2, 5])
        path = "data_%d.csv" % batch
        with open("%s/%s" % (folder, path), "w") as f:
            f.write(data(r, r.choice([40, 80, 150]), late))
        queries = {"%d_%d" % (batch, i): None for i in range(min(10, count - batch * 10))}
        for name in queries:
            queries[name] = query(r, name)
            with open("%s/%s.sql" % (folder, name), "w") as f:
                f.write("-- Random, seed %d.\n%s%s;\n" % (seed, TABLE % (delay, path), queries[name]))
        with open("%s/batch/%d.sql" % (folder, batch), "w") as f:
            f.write("-- Batch.\n%s%s;\n" % (TABLE % (delay, "../" + path), "\nUNION ALL\n".join(queries.values())))


def check(folder, tidegate):
    bad = 0
    for name in sorted(os.listdir(folder + "/batch")):
        if not name.endswith(".out"):
            continue
        with open("%s/batch/%s" % (folder, name)) as f:
            flinks = [json.loads(line) for line in f if not line.startswith("#")]
        if flinks == [{"error": True}]:
            print("batch %s: Flink fails" % name)
            bad += 1
            continue
        for case in sorted(c for c in os.listdir(folder) if c.startswith(name[:-4] + "_") and c.endswith(".sql")):
            ours = subprocess.run([tidegate, "query", "-f", "%s/%s" % (folder, case)], capture_output=True, text=True)
            expected = sorted(json.dumps(row) for row in flinks if row["q"] == case[:-4])
            found = sorted(json.dumps(json.loads(line)) for line in ours.stdout.splitlines())
            if ours.returncode or expected != found:
                bad += 1
                print("%s differs (%d rows of ours, %d of Flink) %s" % (case, len(found), len(expected), ours.stderr.strip()[:300]))
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
