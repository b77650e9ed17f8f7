-- HELD_FOR(temp > 80, 8 seconds, 6 seconds) of every row: a run ends with a longer silence, too.
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, temp, COALESCE(temp > 80 AND ts >= since + INTERVAL '8' SECOND, FALSE) AS held FROM (
  SELECT *, FIRST_VALUE(CASE WHEN temp > 80 THEN ts END) OVER (
    PARTITION BY device, run ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS since
  FROM (
    SELECT *, COUNT(CASE WHEN (temp > 80) IS NOT TRUE OR ts > before_ts + INTERVAL '6' SECOND THEN 1 END) OVER (
      PARTITION BY device ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
    FROM (
      SELECT *, FIRST_VALUE(ts) OVER (
        PARTITION BY device ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before_ts FROM reports)));
