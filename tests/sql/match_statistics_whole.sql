-- Statistics of whole numbers and decimals among the measures.
CREATE TABLE motors (
  id INT,
  device STRING,
  line STRING,
  ts TIMESTAMP(3),
  amp DOUBLE,
  rpm INT,
  cost DECIMAL(10, 3),
  cnt BIGINT,
  flag BOOLEAN,
  tiny TINYINT,
  small SMALLINT,
  fl FLOAT,
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM motors MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES COUNT(*) AS n, VAR_POP(a.id) AS vp, VAR_SAMP(a.cost) AS vc, STDDEV_SAMP(a.amp) AS sa, STDDEV_POP(a.id) AS si ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a+ b) DEFINE a AS a.rpm IS NOT NULL, b AS b.rpm IS NULL);
