-- UNNEST of an array with a filter and a window above.
CREATE TABLE machines (device STRING, epoch_ms BIGINT, temps ARRAY<DOUBLE>, axes ARRAY<ROW<name STRING, load DOUBLE>>, ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');
CREATE VIEW u AS SELECT device, ts, t.v FROM machines CROSS JOIN UNNEST(temps) AS t (v);
SELECT window_start, device, COUNT(*) AS n, COUNT(v) AS nv, MAX(v) AS hi FROM TABLE(TUMBLE(TABLE u, DESCRIPTOR(ts), INTERVAL '2' SECOND)) GROUP BY window_start, window_end, device;
