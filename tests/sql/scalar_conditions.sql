-- Three-valued logic over NULLs.
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
SELECT id, amp > 10 AND flag AS a, amp > 10 OR flag AS o, NOT flag AS n, flag IS NOT TRUE AS nt, amp BETWEEN 0 AND 20 AS bt, rpm IN (900, 1200) AS i FROM motors WHERE id <= 40;
