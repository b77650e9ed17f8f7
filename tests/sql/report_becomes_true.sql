-- BECOMES_TRUE(HELD_FOR(temp > 80, 15 seconds)): when an alarm begins.
CREATE TABLE reports (
  device STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/reports.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM (
  SELECT device, ts, temp, COALESCE(temp > 80 AND ts >= since + INTERVAL '15' SECOND, FALSE) AS held FROM (
    SELECT *, FIRST_VALUE(CASE WHEN temp > 80 THEN ts END) OVER (
      PARTITION BY device, run ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS since
    FROM (
      SELECT *, COUNT(CASE WHEN (temp > 80) IS NOT TRUE THEN 1 END) OVER (
        PARTITION BY device ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
      FROM reports))) MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES risen.ts AS ts, risen.temp AS temp
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (low risen)
  DEFINE low AS NOT low.held, risen AS risen.held);
