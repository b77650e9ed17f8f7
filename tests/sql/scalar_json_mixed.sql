-- JSON values of other types than the columns': texts as numbers, fractions cut, anything as a text.
CREATE TABLE mixed (
  id INT, device STRING, ts TIMESTAMP(3), temp DOUBLE, ok BOOLEAN, n BIGINT, cost DECIMAL(5, 2), extra STRING, `list` ARRAY<INT>,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/mixed.json', 'format' = 'json');
SELECT id, device, ts, temp, ok, n, cost, extra, `list`[1] AS a, `list`[2] AS b, CARDINALITY(`list`) AS c FROM mixed;
