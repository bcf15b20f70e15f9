-- Written by 'wattscope flink-sql' from the definitions of the rollups: change those, not this
-- file. It is the same for every installation. See docs/flink.md.

-- A reading is late when it came to us after its minute was awaited. That does not depend on how
-- far the job is: one that begins again at a checkpoint has no watermark here yet, and would hand a
-- late reading on to windows that drop it without a word. It is late too where the watermark has
-- passed its minute all the same (clocks of ingest roles differ), for then its window is closed.
-- What is no reading is not late either: a field of another type is null here.
CREATE TEMPORARY VIEW `judged_readings` AS
SELECT
  *,
  COALESCE(`received_at_us` >= `awaited_until_us`, FALSE) OR COALESCE(
    TO_TIMESTAMP_LTZ(`minute_end_us` / 1000 - 1, 3) <= CURRENT_WATERMARK(`measured_at`),
    FALSE) AS `is_late`
FROM `sensor_readings`
WHERE `v` = 1 AND `site` IS NOT NULL AND `device` IS NOT NULL AND `measured_at_us` >= 0
  AND `values` IS NOT NULL;

CREATE TEMPORARY VIEW `timely_values` AS
SELECT
  `reading`.`site`,
  `reading`.`device`,
  `one`.`quantity`,
  `reading`.`measured_at_us`,
  `one`.`value`,
  COALESCE(`reading`.`quality`[`one`.`quantity`], 0) AS `flags`,
  `reading`.`measured_at`
FROM `judged_readings` AS `reading`
CROSS JOIN UNNEST(`reading`.`values`) AS `one` (`quantity`, `value`)
WHERE NOT `reading`.`is_late`;

-- Of several values for one instant the first to arrive stays, whatever its quality: as in a store.
CREATE TEMPORARY VIEW `first_values` AS
SELECT `site`, `device`, `quantity`, `measured_at_us`, `value`, `flags`,
  `window_start`, `window_end`, `window_time`
FROM (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY `window_start`, `window_end`, `device`, `quantity`, `measured_at_us`
      ORDER BY `measured_at` ASC) AS `nth`
  FROM TABLE(TUMBLE(TABLE `timely_values`, DESCRIPTOR(`measured_at`), INTERVAL '1' MINUTE))
)
WHERE `nth` = 1;

-- Missing values (null) and those of unusable quality take no part.
CREATE TEMPORARY VIEW `minutes` AS
SELECT
  `site`, `device`, `quantity`, `window_time` AS `bucket_time`,
  COUNT(*) AS `count`,
  SUM(`value`) AS `sum`,
  MIN(`value`) AS `min`,
  MAX(`value`) AS `max`,
  MIN(LPAD(CAST(`measured_at_us` AS STRING), 20, '0') || CAST(`value` AS STRING)) AS `first`,
  MAX(LPAD(CAST(`measured_at_us` AS STRING), 20, '0') || CAST(`value` AS STRING)) AS `last`
FROM `first_values`
WHERE `value` IS NOT NULL AND MOD(`flags`, 4) = 0
GROUP BY `site`, `device`, `quantity`, `window_start`, `window_end`, `window_time`;

CREATE TEMPORARY VIEW `quarters` AS
SELECT
  `site`, `device`, `quantity`, `window_time` AS `bucket_time`,
  SUM(`count`) AS `count`,
  SUM(`sum`) AS `sum`,
  MIN(`min`) AS `min`,
  MAX(`max`) AS `max`,
  MIN(`first`) AS `first`,
  MAX(`last`) AS `last`
FROM TABLE(TUMBLE(TABLE `minutes`, DESCRIPTOR(`bucket_time`), INTERVAL '15' MINUTES))
GROUP BY `site`, `device`, `quantity`, `window_start`, `window_end`, `window_time`;

EXECUTE STATEMENT SET
BEGIN

INSERT INTO `aggregates`
SELECT
  1, '1m', `site`, `device`, `quantity`,
  CAST(TIMESTAMPDIFF(MINUTE, TO_TIMESTAMP_LTZ(0, 3), `bucket_time`) / 1 AS BIGINT)
    * 60000000 AS `bucket_start_us`,
  `count`, `sum`, `min`, `max`, `sum` / `count` AS `mean`,
  CAST(SUBSTRING(`first` FROM 21) AS DOUBLE) AS `first`,
  CAST(SUBSTRING(`last` FROM 21) AS DOUBLE) AS `last`
FROM `minutes`
UNION ALL
SELECT
  1, '15m', `site`, `device`, `quantity`,
  CAST(TIMESTAMPDIFF(MINUTE, TO_TIMESTAMP_LTZ(0, 3), `bucket_time`) / 15 AS BIGINT)
    * 900000000 AS `bucket_start_us`,
  `count`, `sum`, `min`, `max`, `sum` / `count` AS `mean`,
  CAST(SUBSTRING(`first` FROM 21) AS DOUBLE) AS `first`,
  CAST(SUBSTRING(`last` FROM 21) AS DOUBLE) AS `last`
FROM `quarters`;

INSERT INTO `late_readings`
SELECT `v`, `site`, `device`, `measured_at_us`, `received_at_us`, `values`, `quality`
FROM `judged_readings`
WHERE `is_late`;

END;
