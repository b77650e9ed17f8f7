-- Two keys of partition, expressions and casts among the measures.
CREATE TABLE motors (
  id INT,
  device STRING,
  line STRING,
  ts TIMESTAMP(3),
  amp DOUBLE,
  rpm INT,
  cost DECIMAL(10, 3),
  cnt BIGINT,
  flag BOOLEAN,
  tiny TINYINT,
  small SMALLINT,
  fl FLOAT,
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, line, first_ts, UPPER(verdict) AS verdict, ratio FROM motors MATCH_RECOGNIZE (PARTITION BY device, line ORDER BY ts MEASURES FIRST(a.ts) AS first_ts, CASE WHEN b.amp > 2 * a.amp THEN 'jump' ELSE 'rise' END AS verdict, CAST(b.amp / a.amp AS DECIMAL(10, 2)) AS ratio ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a b) DEFINE b AS b.amp > a.amp AND a.amp <> 0);
