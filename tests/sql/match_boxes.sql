-- arrays and maps in conditions and measures.
CREATE TABLE boxes (
  device STRING,
  epoch_ms BIGINT,
  temps ARRAY<DOUBLE>,
  tags MAP<STRING, STRING>,
  axes ARRAY<ROW<name STRING, `load` DOUBLE>>,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');

SELECT * FROM boxes MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES a.temps[1] AS t1, b.tags['hall'] AS hall, CARDINALITY(b.axes) AS n ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (a b) DEFINE a AS a.temps[1] IS NOT NULL);
