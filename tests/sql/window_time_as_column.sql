-- window_time selected and grouped over TIMESTAMP_LTZ, then a second, larger window over it.
CREATE TABLE meters (
  meter STRING,
  ts TIMESTAMP_LTZ(3),
  kwh DOUBLE,
  phase INT,
  note STRING,
  site STRING,
  WATERMARK FOR ts AS ts - INTERVAL '3' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/meters.json', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');

CREATE VIEW small AS SELECT meter, window_time AS wt, SUM(kwh) AS kwh FROM TABLE(TUMBLE(TABLE meters, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY meter, window_start, window_end, window_time;

SELECT window_start, window_end, COUNT(*) AS n, SUM(kwh) AS kwh FROM TABLE(TUMBLE(TABLE small, DESCRIPTOR(wt), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end;
