-- The sources, queries and sinks of gateway gw-1 for Apache Flink 2 with its Kafka connector.
-- Each source is read from a topic that holds its rows as tidegate writes them: JSON, captured levels included,
-- as of a query "SELECT * FROM source". Passwords are not in here.
SET 'execution.runtime-mode' = 'streaming';
SET 'table.local-time-zone' = 'UTC';
-- A watermark after every row, for which sources have scan.watermark.emit.strategy, too: by default it depends
-- on the clock which rows are late.
SET 'pipeline.auto-watermark-interval' = '0';
-- Where Flink runs more tasks than a topic has partitions, those without one hold time back, unless:
-- SET 'table.exec.source.idle-timeout' = '1 min';
-- Rows are committed to Kafka at checkpoints, and not at all without them.
SET 'execution.checkpointing.interval' = '10 s';

-- tidegate gives each device its own time line, Flink has one for all: late rows differ unless
-- the source has watermark = "source".
CREATE TEMPORARY TABLE `presses` (
  `device` STRING,
  `count` BIGINT,
  `arrived_at` TIMESTAMP_LTZ(3),
  WATERMARK FOR `arrived_at` AS `arrived_at` - INTERVAL '0 00:10:00.000' DAY(3) TO SECOND(3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'counts.gw-1',
  'properties.bootstrap.servers' = 'kafka1:9092,kafka2:9092',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'PLAIN',
  'properties.sasl.jaas.config' = 'org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule required username="gw" password="…";',
  'properties.group.id' = 'flink-gw-1',
  'properties.isolation.level' = 'read_committed',
  'scan.startup.mode' = 'earliest-offset',
  'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY TABLE `silent` (
  `payload` BYTES,
  `arrived_at` TIMESTAMP_LTZ(3),
  WATERMARK FOR `arrived_at` AS `arrived_at` - INTERVAL '0.001' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'silent',
  'properties.bootstrap.servers' = 'kafka1:9092,kafka2:9092',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'PLAIN',
  'properties.sasl.jaas.config' = 'org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule required username="gw" password="…";',
  'properties.group.id' = 'flink-gw-1',
  'properties.isolation.level' = 'read_committed',
  'scan.startup.mode' = 'earliest-offset',
  'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY TABLE `telemetry` (
  `device` STRING,
  `ts` TIMESTAMP_LTZ(3),
  `temp` DOUBLE,
  `zone` STRING,
  WATERMARK FOR `ts` AS `ts` - INTERVAL '2.500' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'plant.eu-west.raw',
  'properties.bootstrap.servers' = 'kafka1:9092,kafka2:9092',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'PLAIN',
  'properties.sasl.jaas.config' = 'org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule required username="gw" password="…";',
  'properties.group.id' = 'flink-gw-1',
  'properties.isolation.level' = 'read_committed',
  'scan.startup.mode' = 'earliest-offset',
  'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY TABLE `owners` (
  `device` STRING,
  `owner` STRING,
  PRIMARY KEY (`device`) NOT ENFORCED,
  `tidegate_valid_from` AS TO_TIMESTAMP_LTZ(-62135596800, 0),
  WATERMARK FOR `tidegate_valid_from` AS `tidegate_valid_from`
) WITH (
  'connector' = 'filesystem',
  'path' = 'tests/export/owners.csv',
  'format' = 'csv',
  'csv.null-literal' = ''
);

CREATE TEMPORARY VIEW `hot` AS
SELECT * FROM telemetry WHERE temp > 80;

CREATE TEMPORARY VIEW `alerts` AS
SELECT device, ts, temp FROM hot;

CREATE TEMPORARY TABLE `alerts_out` (
  `device` STRING,
  `ts` TIMESTAMP_LTZ(3),
  `temp` DOUBLE
) WITH (
  'connector' = 'kafka',
  'topic' = 'alerts',
  'properties.bootstrap.servers' = 'kafka1:9092,kafka2:9092',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'PLAIN',
  'properties.sasl.jaas.config' = 'org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule required username="gw" password="…";',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = 'flink-gw-1-cloud-alerts_out',
  'properties.transaction.timeout.ms' = '900000',
  'key.format' = 'raw',
  'key.fields' = 'device',
  'value.format' = 'json',
  'value.json.timestamp-format.standard' = 'ISO-8601',
  'value.json.encode.decimal-as-plain-number' = 'true'
);

CREATE TEMPORARY TABLE `alerts_out2` (
  `device` STRING,
  `ts` TIMESTAMP_LTZ(3),
  `temp` DOUBLE
) WITH (
  'connector' = 'kafka',
  'topic' = 'alerts',
  'properties.bootstrap.servers' = 'edge:9092',
  'sink.delivery-guarantee' = 'at-least-once',
  'value.format' = 'json',
  'value.json.timestamp-format.standard' = 'ISO-8601',
  'value.json.encode.decimal-as-plain-number' = 'true'
);

CREATE TEMPORARY TABLE `alerts_by_minute_out` (
  `device` STRING,
  `window_end` TIMESTAMP(3),
  `n` BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'minutes',
  'properties.bootstrap.servers' = 'kafka1:9092,kafka2:9092',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'PLAIN',
  'properties.sasl.jaas.config' = 'org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule required username="gw" password="…";',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = 'flink-gw-1-cloud-alerts_by_minute_out',
  'properties.transaction.timeout.ms' = '900000',
  'key.format' = 'raw',
  'key.fields' = 'device',
  'value.format' = 'json',
  'value.json.timestamp-format.standard' = 'ISO-8601',
  'value.json.encode.decimal-as-plain-number' = 'true'
);

CREATE TEMPORARY TABLE `owners_out` (
  `device` STRING,
  `ts` TIMESTAMP_LTZ(3),
  `owner` STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'owners',
  'properties.bootstrap.servers' = 'kafka1:9092,kafka2:9092',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'PLAIN',
  'properties.sasl.jaas.config' = 'org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule required username="gw" password="…";',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = 'flink-gw-1-cloud-owners_out',
  'properties.transaction.timeout.ms' = '900000',
  'key.format' = 'raw',
  'key.fields' = 'device',
  'value.format' = 'json',
  'value.json.timestamp-format.standard' = 'ISO-8601',
  'value.json.encode.decimal-as-plain-number' = 'true'
);

CREATE TEMPORARY TABLE `payloads_out` (
  `payload` BYTES
) WITH (
  'connector' = 'kafka',
  'topic' = 'payloads',
  'properties.bootstrap.servers' = 'kafka1:9092,kafka2:9092',
  'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'PLAIN',
  'properties.sasl.jaas.config' = 'org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule required username="gw" password="…";',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = 'flink-gw-1-cloud-payloads_out',
  'properties.transaction.timeout.ms' = '900000',
  'value.format' = 'raw'
);

EXECUTE STATEMENT SET
BEGIN

INSERT INTO `alerts_out`
SELECT * FROM `alerts`;
INSERT INTO `alerts_out2`
SELECT * FROM `alerts`;
INSERT INTO `alerts_by_minute_out`
SELECT device, window_end, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE alerts, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY device, window_start, window_end;
INSERT INTO `owners_out`
SELECT t.device, t.ts, o.owner FROM telemetry AS t JOIN owners FOR SYSTEM_TIME AS OF t.ts AS o ON t.device = o.device;
INSERT INTO `payloads_out`
SELECT payload FROM silent;

END;
