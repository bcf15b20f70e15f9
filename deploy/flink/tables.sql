-- Written by 'wattscope flink-sql': change its options, not this file. See docs/flink.md.
-- What differs between installations: settings of the job, and its topics as tables.

SET 'pipeline.name' = 'wattscope-aggregates';
SET 'execution.runtime-mode' = 'streaming';
SET 'table.local-time-zone' = 'UTC';
SET 'execution.checkpointing.interval' = '10000 ms';
SET 'execution.checkpointing.externalized-checkpoint-retention' = 'RETAIN_ON_CANCELLATION';

-- A message that is no JSON, or whose fields have other types, is passed over here: the job must
-- not end on it. The store role reads the same topic and puts it into quarantine.
CREATE TEMPORARY TABLE `sensor_readings` (
  `v` INT,
  `site` STRING,
  `device` STRING,
  `measured_at_us` BIGINT,
  `received_at_us` BIGINT,
  `values` MAP<STRING, DOUBLE>,
  `quality` MAP<STRING, INT>,
  `measured_at` AS TO_TIMESTAMP_LTZ(COALESCE(`measured_at_us`, 0) / 1000, 3),
  -- The end of the minute, and until when its readings may come to us.
  `minute_end_us` AS (`measured_at_us` / 60000000 + 1) * 60000000,
  `awaited_until_us` AS (`measured_at_us` / 60000000 + 1) * 60000000 + 10000000,
  -- A device whose clock is ahead does not make the readings of all others late: time goes on by
  -- our own clock at most.
  WATERMARK FOR `measured_at` AS TO_TIMESTAMP_LTZ(
    LEAST(COALESCE(`measured_at_us`, 0), COALESCE(`received_at_us`, `measured_at_us`, 0)) / 1000
    - 10000000 / 1000, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'sensor-readings',
  'properties.bootstrap.servers' = 'localhost:9092',
  'properties.group.id' = 'wattscope-aggregates',
  'properties.isolation.level' = 'read_committed',
  'scan.startup.mode' = 'earliest-offset',
  'scan.watermark.idle-timeout' = '30000 ms',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TEMPORARY TABLE `aggregates` (
  `v` INT,
  `level` STRING,
  `site` STRING,
  `device` STRING,
  `quantity` STRING,
  `bucket_start_us` BIGINT,
  `count` BIGINT,
  `sum` DOUBLE,
  `min` DOUBLE,
  `max` DOUBLE,
  `mean` DOUBLE,
  `first` DOUBLE,
  `last` DOUBLE
) WITH (
  'connector' = 'kafka',
  'topic' = 'aggregates',
  'properties.bootstrap.servers' = 'localhost:9092',
  'key.format' = 'raw',
  'key.fields' = 'device',
  'value.format' = 'json',
  'value.json.encode.ignore-null-fields' = 'true',
  'properties.acks' = 'all',
  'sink.delivery-guarantee' = 'at-least-once'
);

-- Readings whose minute was over: the same message as in the topic of readings.
CREATE TEMPORARY TABLE `late_readings` (
  `v` INT,
  `site` STRING,
  `device` STRING,
  `measured_at_us` BIGINT,
  `received_at_us` BIGINT,
  `values` MAP<STRING, DOUBLE>,
  `quality` MAP<STRING, INT>
) WITH (
  'connector' = 'kafka',
  'topic' = 'late-readings',
  'properties.bootstrap.servers' = 'localhost:9092',
  'key.format' = 'raw',
  'key.fields' = 'device',
  'value.format' = 'json',
  'value.json.encode.ignore-null-fields' = 'true',
  'properties.acks' = 'all',
  'sink.delivery-guarantee' = 'at-least-once'
);
