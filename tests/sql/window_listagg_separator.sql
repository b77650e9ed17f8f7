-- LISTAGG with a separator, over an expression, with FILTER.
CREATE TABLE readings (
  device STRING,
  zone STRING,
  ts TIMESTAMP(3),
  temp DOUBLE,
  vib INT,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/readings.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT window_start, LISTAGG(CAST(vib AS STRING), ' | ') AS vibs, LISTAGG(device, ';') FILTER (WHERE temp > 70) AS hot
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
