-- SESSION with named arguments.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT k, window_start, window_end, COUNT(*) AS n FROM TABLE(SESSION(DATA => TABLE bursts PARTITION BY k, TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '8' SECOND)) GROUP BY k, window_start, window_end;
