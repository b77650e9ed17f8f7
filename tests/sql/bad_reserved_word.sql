-- A computed column is the event time; others are computed from what is read.
CREATE TEMPORARY TABLE machines (
  device STRING NOT NULL COMMENT 'the name',
  epoch_ms BIGINT,
  seconds AS epoch_ms / 1000,
  ts AS TO_TIMESTAMP_LTZ(epoch_ms, 3),
  shout AS UPPER(device) COMMENT 'loud',
  PRIMARY KEY (device) NOT ENFORCED,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/machines.json', 'format' = 'json');

SELECT seconds, shout, ts, device, CURRENT_WATERMARK(ts) AS watermark FROM machines WHERE seconds > 1772352000;
