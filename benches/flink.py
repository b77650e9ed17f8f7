#!/usr/bin/env python3
"""The bench's queries on tidegate and on a real Apache Flink, from the same file of JSON lines into files: `make bench-flink`.

Flink runs as a cluster of one JobManager and one TaskManager with one slot, started before, and each query twice, of which
the second is counted: so neither the start of the JVM nor its compiler's first steps are in it. Time is the job's own as
its REST interface says; CPU is that of the TaskManager's process. tidegate's are those of `tidegate query -f`, its start and
its reading of the script included. What comes out is compared: as many rows, and the same in all but numbers with a fraction.

usage: flink.py TIDEGATE FLINK_HOME [ROWS] [QUERY...]      FLINK_HOME: what tests/flink/install made
"""
import json, os, resource, shutil, subprocess, sys, tempfile, time, urllib.request
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
QUERIES = {
    "filter": "device STRING, ts TIMESTAMP(3), temp DOUBLE",
    "tumble_device": "device STRING, s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, mean DOUBLE, low DOUBLE, high DOUBLE",
    "hop_device": "device STRING, s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, mean DOUBLE, high DOUBLE",
    "tumble_all": "s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, mean DOUBLE",
    "session": "device STRING, s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, high DOUBLE",
    "lookup": "device STRING, ts TIMESTAMP(3), temp DOUBLE, hall STRING",
    "match_spike": "device STRING, spike_at TIMESTAMP(3), vib DOUBLE, rise_at TIMESTAMP(3), delta DOUBLE",
    "match_above": "device STRING, since TIMESTAMP(3), until_ts TIMESTAMP(3), n BIGINT, mean DOUBLE",
}
DEVICES, ROWS_PER_SECOND = 1000, 10_000
PORT = 8081
DEADLINE_S = 300


def write_input(folder, rows):
    """What benches/engine.rs sends: a thousand devices in turn, hot for 35 of 100 seconds."""
    state, start = 1, 1_700_000_000_000
    with open(folder + "/readings.json", "w") as out:
        for at in range(rows):
            state = (state * 6_364_136_223_846_793_005 + 1) % 2**64
            millis = start + at * 1000 // ROWS_PER_SECOND
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(millis // 1000)) + ".%03d" % (millis % 1000)
            second = (at // ROWS_PER_SECOND + at % DEVICES * 7) % 100
            vib = (state & 0xFFFF) / 6553.6
            heat = (85.0 if second < 35 else 60.0 + second / 10.0) + vib / 10.0
            out.write('{"device":"device-%04d","ts":"%s","temp":%.4f,"vib":%.4f,"heat":%.4f}\n'
                      % (at % DEVICES, moment, (state >> 40) / 167_772.16, vib, heat))
    with open(folder + "/places.json", "w") as out:
        for at in range(DEVICES):
            out.write('{"device":"device-%04d","hall":"hall-%d"}\n' % (at, at % 20))


def script(folder, query, columns, into):
    table = "CREATE TABLE %s (%s) WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = 'json');\n"
    readings = "device STRING, ts TIMESTAMP(3), temp DOUBLE, vib DOUBLE, heat DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"
    text = table % ("readings", readings, folder + "/readings.json")
    text += table % ("places", "device STRING, hall STRING", folder + "/places.json")
    text += table % ("results", columns, into)
    sql = lambda name: open("%s/queries/%s.sql" % (HERE, name)).read()
    text += "CREATE VIEW hot AS %s;\nINSERT INTO results %s;\n" % (sql("hot"), sql(query))
    path = "%s/%s.sql" % (folder, query)
    with open(path, "w") as out:
        out.write(text)
    return path


def lines(path):
    """The lines of a file, or of all files of a folder (Flink hides those that are not whole)."""
    if os.path.isfile(path):
        return open(path).readlines()
    return [line for folder, _, names in os.walk(path) for name in names for line in open(os.path.join(folder, name))]


def comparable(path):
    exact = lambda row: tuple((name, value) for name, value in sorted(row.items()) if not isinstance(value, float))
    return Counter(exact(json.loads(line)) for line in lines(path))


class Flink:
    # What Flink's scripts work out from the memory that a process may take.
    SETTINGS = {
        "jobmanager.rpc.address": "localhost", "jobmanager.memory.heap.size": "1g", "rest.port": PORT, "rest.address": "localhost",
        "taskmanager.host": "localhost", "taskmanager.numberOfTaskSlots": 1, "taskmanager.cpu.cores": 1,
        "taskmanager.memory.framework.heap.size": "128m", "taskmanager.memory.task.heap.size": "1500m",
        "taskmanager.memory.framework.off-heap.size": "128m", "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.managed.size": "512m", "taskmanager.memory.network.min": "128m", "taskmanager.memory.network.max": "128m",
        "taskmanager.memory.jvm-metaspace.size": "256m", "taskmanager.memory.jvm-overhead.min": "192m",
        "taskmanager.memory.jvm-overhead.max": "192m",
        "parallelism.default": 1, "pipeline.object-reuse": "true", "table.dml-sync": "true", "execution.target": "remote",
    }

    def __init__(self, home, folder):
        self.home, self.conf = home, folder + "/conf"
        os.mkdir(self.conf)
        with open(self.conf + "/config.yaml", "w") as out:
            out.writelines("%s: %s\n" % setting for setting in self.SETTINGS.items())
        runtime = "org.apache.flink.runtime."
        self.processes = [
            self.start(folder + "/jobmanager.log", "-Xmx1g", runtime + "entrypoint.StandaloneSessionClusterEntrypoint"),
            self.start(folder + "/taskmanager.log", "-Xmx1628m", "-XX:MaxDirectMemorySize=256m", runtime + "taskexecutor.TaskManagerRunner"),
        ]
        deadline = time.time() + DEADLINE_S
        while not self.slots():
            if time.time() > deadline or any(process.poll() is not None for process in self.processes):
                self.stop()
                sys.exit("flink.py: the cluster does not start; its logs are in " + folder)
            time.sleep(0.5)

    def java(self, *arguments, **how):
        return subprocess.Popen([self.home + "/java", *arguments], env=dict(os.environ, FLINK_CONF_DIR=self.conf, TZ="UTC"),
                                stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, **how)

    def start(self, log, *arguments):
        return self.java(*arguments, "--configDir", self.conf, stdout=open(log, "w"))

    def ask(self, path, method="GET"):
        with urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:%d%s" % (PORT, path), method=method)) as answer:
            return json.load(answer)

    def slots(self):
        try:
            return self.ask("/overview")["slots-total"]
        except OSError:
            return 0

    def cpu(self):
        fields = open("/proc/%d/stat" % self.processes[1].pid).read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def run(self, path):
        """Seconds of the job, CPU seconds of the worker; None if it took too long and was cancelled."""
        known, before = {job["jid"] for job in self.ask("/jobs/overview")["jobs"]}, self.cpu()
        client = self.java("org.apache.flink.table.client.SqlClient", "-f", path, stdout=subprocess.PIPE, text=True)
        try:
            said, _ = client.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            client.kill()
            client.communicate()
            for job in self.ask("/jobs/overview")["jobs"]:
                self.ask("/jobs/%s" % job["jid"], "PATCH")
            return None
        if client.returncode != 0 or "[ERROR]" in said:
            sys.exit("flink.py: %s: %s" % (path, said[-3000:]))
        job, = [job for job in self.ask("/jobs/overview")["jobs"] if job["jid"] not in known]
        if job["state"] != "FINISHED":
            sys.exit("flink.py: %s: the job is %s" % (path, job["state"]))
        return job["duration"] / 1000, self.cpu() - before

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()


def run_tidegate(tidegate, path):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([tidegate, "query", "-f", path], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    tidegate, home = map(os.path.abspath, sys.argv[1:3])
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000_000
    wanted = sys.argv[4:] or list(QUERIES)
    folder = tempfile.mkdtemp(prefix="tidegate-bench-flink-")
    write_input(folder, rows)
    flink = Flink(home, folder)
    print("%d rows, JSON lines to JSON lines" % rows)
    print("%-14s %34s %34s %16s" % ("", "Flink", "tidegate", "as many, CPU"))
    try:
        for query in wanted:
            both = []
            for system in "flink", "tidegate":
                took = ()
                for _ in range(2):
                    if took is None:
                        break
                    into = "%s/%s.%s" % (folder, query, system)
                    shutil.rmtree(into, ignore_errors=True)
                    path = script(folder, query, QUERIES[query], into)
                    took = flink.run(path) if system == "flink" else run_tidegate(tidegate, path)
                both.append((took, comparable(into)))
            (theirs, expected), (ours, found) = both
            column = lambda took: "%7.0f k rows/s %7.2f CPU us/row" % (rows / took[0] / 1e3, took[1] * 1e6 / rows)
            if theirs is None:
                print("%-14s %34s %34s" % (query, "not done after %d s" % DEADLINE_S, column(ours)), flush=True)
                continue
            if expected != found or not found:
                sys.exit("flink.py: %s: Flink gives %d rows, tidegate %d, not the same" % (query, expected.total(), found.total()))
            print("%-14s %34s %34s %7.2f x %5.2f x" % (query, column(theirs), column(ours), theirs[0] / ours[0], ours[1] / theirs[1]), flush=True)
    finally:
        flink.stop()
    shutil.rmtree(folder)


main()
