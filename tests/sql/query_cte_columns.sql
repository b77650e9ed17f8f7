-- WITH names its columns; one reads the other.
CREATE TABLE flow (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  state STRING,
  x DOUBLE,
  WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = 'data/flow.csv', 'format' = 'csv', 'csv.null-literal' = '');

WITH a (dev, at_ts, val) AS (SELECT k, ts, v FROM flow WHERE v > 3), b AS (SELECT dev, at_ts, val * 2 AS twice FROM a WHERE dev <> 'b') SELECT b.dev, window_start, SUM(b.twice) AS s FROM TABLE(TUMBLE(TABLE b, DESCRIPTOR(at_ts), INTERVAL '1' MINUTE)) AS b GROUP BY b.dev, window_start, window_end;
