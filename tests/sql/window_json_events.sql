-- Mixed aggregates over JSON with NULL texts, CASE inside an aggregate.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SELECT window_start, site, SUM(CASE WHEN phase = 1 THEN kwh ELSE 0 END) AS p1, SUM(CASE WHEN phase = 2 THEN kwh END) AS p2, COUNT(note) AS notes, MAX(CHAR_LENGTH(note)) AS len FROM TABLE(TUMBLE(TABLE meters, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, site;
