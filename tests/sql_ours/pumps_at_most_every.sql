-- rows of: match_rbe_at_most_every
CREATE TABLE pumps (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '../sql/data/pumps.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, temp FROM (
  SELECT device, ts, temp, LAST_REPORTED(ts) OVER w AS before_ts
  FROM pumps WHERE AT_MOST_EVERY(INTERVAL '10' SECOND) OVER w
  WINDOW w AS (PARTITION BY device ORDER BY ts))
WHERE before_ts IS NOT NULL;
