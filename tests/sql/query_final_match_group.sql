-- Groups of matches.
CREATE TABLE motors (id INT, device STRING, line STRING, ts TIMESTAMP(3), amp DOUBLE, rpm INT, cost DECIMAL(10, 3), cnt BIGINT, flag BOOLEAN, tiny TINYINT, small SMALLINT, fl FLOAT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/motors.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT device, COUNT(*) AS n FROM motors MATCH_RECOGNIZE (PARTITION BY device ORDER BY ts MEASURES LAST(B.id) AS last_id ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B) DEFINE B AS B.amp > A.amp) GROUP BY device;
