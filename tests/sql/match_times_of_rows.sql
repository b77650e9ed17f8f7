-- Patterns over TIMESTAMP_LTZ with WITHIN and times among the measures.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');

SELECT * FROM meters MATCH_RECOGNIZE (PARTITION BY meter ORDER BY ts MEASURES FIRST(a.ts) AS t1, LAST(b.ts) AS t2, SUM(b.kwh) AS kwh, COUNT(b.kwh) AS n ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a b+ c) WITHIN INTERVAL '1' MINUTE DEFINE b AS b.kwh > a.kwh, c AS c.kwh <= a.kwh);
