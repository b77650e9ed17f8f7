-- Top-N over sliding windows, the number left out of the result.
CREATE TABLE bursts (
  id INT,
  k STRING,
  ts TIMESTAMP(3),
  v INT,
  x DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/bursts.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT window_end, id, v FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v DESC, id) AS rn
  FROM TABLE(HOP(TABLE bursts, DESCRIPTOR(ts), INTERVAL '15' SECOND, INTERVAL '30' SECOND)))
WHERE rn <= 2;
