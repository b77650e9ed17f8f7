-- Statistics of INT, BIGINT, DECIMAL and FLOAT.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_start, VAR_POP(v) AS vi, STDDEV_SAMP(v) AS si, VAR_SAMP(CAST(v AS BIGINT)) AS vb, STDDEV_POP(CAST(v AS DECIMAL(8, 2))) AS sdec, VAR_SAMP(CAST(x AS DECIMAL(9, 3))) AS vdec, STDDEV_POP(CAST(v AS FLOAT)) AS sf
FROM TABLE(TUMBLE(TABLE bursts, DESCRIPTOR(ts), INTERVAL '30' SECOND)) GROUP BY window_start, window_end;
