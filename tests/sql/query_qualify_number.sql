-- QUALIFY by the name of a number, in a subquery.
CREATE TABLE samples (id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/samples.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY device ORDER BY temp DESC, id) AS rn FROM samples) WHERE rn <= 2 AND temp > 62;
