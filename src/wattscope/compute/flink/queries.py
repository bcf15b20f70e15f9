"""The second file of the Flink job: from readings to buckets, as ``compute.rollups`` defines them.

::

    sensor_readings ─▶ judged_readings ─late──────────────────────────────────▶ late_readings
                              └─▶ timely_values ─▶ first_values ─▶ minutes ───▶ aggregates, 1m
                                                                      └─ merged ▶ aggregates, 15m

Count, sum, min, max, first and last need nothing but the values of their bucket. ``increase``,
``energy_wh`` and ``coverage`` need the readings around it, the rules of the device and what people
decided about its counter: they are the store's alone.

``first`` and ``last`` go by ``measured_at``, not by arrival. Flink's functions of these names go
by arrival, so that an instant is carried in front of its value in one text: the least text has the
earliest instant. Flink prints a double with the digits that bring it back to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from wattscope.compute.decode.aggregate_json import LEVEL_US, SCHEMA_VERSION
from wattscope.core.reading import Quality
from wattscope.core.time_grid import US_PER_MINUTE

READING_VERSION: Final = 1
"""The version of a reading's JSON that the job reads."""

UNUSABLE: Final = Quality.MISSING | Quality.IMPLAUSIBLE
"""The flags that keep a value out: the lowest bits, so that a remainder tells them."""

_INSTANT_DIGITS: Final = 20
_STAMPED: Final = (
    f"LPAD(CAST(`measured_at_us` AS STRING), {_INSTANT_DIGITS}, '0') || CAST(`value` AS STRING)"
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a rollup as Flink computes it."""

    name: str
    """As in ``ports.Rollup``."""
    of_values: str
    """From the values of a bucket."""
    of_parts: str
    """From finer buckets that make up a bucket."""
    is_stamped: bool = False
    """Whether its instant is carried in front of it."""

    @property
    def told(self) -> str:
        """As it is written to the topic."""
        if not self.is_stamped:
            return f"`{self.name}`"
        value = f"SUBSTRING(`{self.name}` FROM {_INSTANT_DIGITS + 1})"
        return f"CAST({value} AS DOUBLE) AS `{self.name}`"


COLUMNS: Final = (
    Column("count", "COUNT(*)", "SUM(`count`)"),
    Column("sum", "SUM(`value`)", "SUM(`sum`)"),
    Column("min", "MIN(`value`)", "MIN(`min`)"),
    Column("max", "MAX(`value`)", "MAX(`max`)"),
    Column("first", f"MIN({_STAMPED})", "MIN(`first`)", is_stamped=True),
    Column("last", f"MAX({_STAMPED})", "MAX(`last`)", is_stamped=True),
)
"""What the job computes of a rollup."""

_HEAD = """\
-- Written by 'wattscope flink-sql' from the definitions of the rollups: change those, not this
-- file. It is the same for every installation. See docs/flink.md.
"""

_READINGS = """
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
WHERE `v` = {version} AND `site` IS NOT NULL AND `device` IS NOT NULL AND `measured_at_us` >= 0
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
"""

_MINUTES = """
-- Missing values (null) and those of unusable quality take no part.
CREATE TEMPORARY VIEW `minutes` AS
SELECT
  `site`, `device`, `quantity`, `window_time` AS `bucket_time`,
{columns}
FROM `first_values`
WHERE `value` IS NOT NULL AND MOD(`flags`, {unusable}) = 0
GROUP BY `site`, `device`, `quantity`, `window_start`, `window_end`, `window_time`;

CREATE TEMPORARY VIEW `quarters` AS
SELECT
  `site`, `device`, `quantity`, `window_time` AS `bucket_time`,
{merged}
FROM TABLE(TUMBLE(TABLE `minutes`, DESCRIPTOR(`bucket_time`), INTERVAL '15' MINUTES))
GROUP BY `site`, `device`, `quantity`, `window_start`, `window_end`, `window_time`;
"""

_BUCKETS = """\
SELECT
  {version}, '{level}', `site`, `device`, `quantity`,
  CAST(TIMESTAMPDIFF(MINUTE, TO_TIMESTAMP_LTZ(0, 3), `bucket_time`) / {minutes} AS BIGINT)
    * {size_us} AS `bucket_start_us`,
  `count`, `sum`, `min`, `max`, `sum` / `count` AS `mean`,
  {first},
  {last}
FROM `{view}`"""

_INSERT_LATE = """
INSERT INTO `late_readings`
SELECT `v`, `site`, `device`, `measured_at_us`, `received_at_us`, `values`, `quality`
FROM `judged_readings`
WHERE `is_late`;
"""


def write_queries() -> str:
    """All that is computed, as one job: its parts read each message once."""
    return "".join(
        (
            _HEAD,
            _READINGS.format(version=READING_VERSION),
            _MINUTES.format(
                unusable=int(UNUSABLE) + 1,
                columns=_join(f"{one.of_values} AS `{one.name}`" for one in COLUMNS),
                merged=_join(f"{one.of_parts} AS `{one.name}`" for one in COLUMNS),
            ),
            "\nEXECUTE STATEMENT SET\nBEGIN\n",
            "\nINSERT INTO `aggregates`\n",
            _select("1m", "minutes"),
            "\nUNION ALL\n",
            _select("15m", "quarters"),
            ";\n",
            _INSERT_LATE,
            "\nEND;\n",
        )
    )


def _select(level: str, view: str) -> str:
    told = {one.name: one.told for one in COLUMNS}
    return _BUCKETS.format(
        version=SCHEMA_VERSION,
        level=level,
        minutes=LEVEL_US[level] // US_PER_MINUTE,
        size_us=LEVEL_US[level],
        view=view,
        first=told["first"],
        last=told["last"],
    )


def _join(columns: Iterable[str]) -> str:
    return ",\n".join(f"  {column}" for column in columns)
