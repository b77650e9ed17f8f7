-- HYSTERESIS(temp, 80, 70) and HYSTERESIS(temp, 55, 65) of every row.
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT device, ts, temp,
  COALESCE(LAST_VALUE(CASE WHEN temp > 80 THEN TRUE WHEN temp < 70 THEN FALSE END) OVER w, FALSE) AS hot,
  COALESCE(LAST_VALUE(CASE WHEN temp < 55 THEN TRUE WHEN temp > 65 THEN FALSE END) OVER w, FALSE) AS cold
FROM reports
WINDOW w AS (PARTITION BY device ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW);
