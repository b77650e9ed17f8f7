#!/usr/bin/env python3
"""As oracle.py (the tool that made the answers of tests/sql), for queries whose rows Flink takes back and replaces: of all
changes only the rows that are left at the end are written. So the cases query_final_* got theirs. Where the planner knows
a key (ROW_NUMBER … = 1) Flink sends what replaces a row without that row, and too many are left: ask for <= 2.

usage: final_rows.py ORACLE [oracle.py's arguments]      ORACLE: the path of oracle.py
"""
import collections
import importlib.util
import sys


def left(oracle, flink, result):
    schema = result.getResolvedSchema()
    names, types = list(schema.getColumnNames()), schema.getColumnDataTypes()
    kinds = [types.get(i).getLogicalType() for i in range(len(names))]
    array = flink.gateway.new_array(flink.gateway.jvm.org.apache.flink.table.types.DataType, len(names))
    for i in range(len(names)):
        array[i] = types.get(i)
    pickled = flink.gateway.jvm.PythonBridgeUtils.getPickledBytesFromRow
    zoned = [i for i, kind in enumerate(kinds) if kind.getTypeRoot().toString() == "TIMESTAMP_WITH_LOCAL_TIME_ZONE"]
    rows, changes = collections.Counter(), 0
    collected = result.collect()
    while collected.hasNext():
        row = collected.next()
        moments = {i: row.getField(i) for i in zoned}
        for i in zoned:  # an Instant cannot be pickled
            row.setField(i, None)
        fields = list(pickled(row, array))
        change = int.from_bytes(fields[0], "big")  # 0: +I, 1: -U, 2: +U, 3: -D
        changes += change != 0
        line = {name: oracle.value(field, kind) for name, field, kind in zip(names, fields[1:], kinds)}
        for i, moment in moments.items():
            line[names[i]] = moment if moment is None else oracle.instant(moment.toString())
        rows[oracle.dump(line)] += 1 if change in (0, 2) else -1
    if any(count < 0 for count in rows.values()):
        raise ValueError("a row was taken back that had not been there")
    head = ["# " + ", ".join("%s %s" % (name, kind.asSummaryString()) for name, kind in zip(names, kinds))]
    if changes:
        head.append("# what is left after %d updates and deletes" % changes)
    return head + sorted(rows.elements())


def main(path, *arguments):
    spec = importlib.util.spec_from_file_location("oracle", path)
    oracle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracle)
    oracle.Flink.rows = lambda flink, result: left(oracle, flink, result)
    return oracle.main(list(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 2 else print(__doc__))
