-- HELD_FOR(temp > 80, 15 seconds) of every row: a run ends with the row that is not above 80.
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, temp, COALESCE(temp > 80 AND ts >= since + INTERVAL '15' SECOND, FALSE) AS held FROM (
  SELECT *, FIRST_VALUE(CASE WHEN temp > 80 THEN ts END) OVER (
    PARTITION BY device, run ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS since
  FROM (
    SELECT *, COUNT(CASE WHEN (temp > 80) IS NOT TRUE THEN 1 END) OVER (
      PARTITION BY device ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
    FROM reports));
