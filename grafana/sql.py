"""What the dashboards in SQL have in common: they ask the views of docs/sql.md.

Kept buckets end up to a quarter of an hour ago; what is newer is read from rows. Days are those of
``rollup_1d``: local days of the site, whatever the time zone of who looks.
"""

from __future__ import annotations

from typing import Final

from grafana.boards import Variable
from grafana.questions import Question, Shape

SCHEMA: Final = "wattscope"
FRESH: Final = "interval '5 minutes'"
"""A device that is silent for longer has no power now."""

TODAY: Final = """\
bucket_start < $__timeTo() AND bucket_start >= date_trunc(
    'day', $__timeTo()::timestamptz AT TIME ZONE time_zone) AT TIME ZONE time_zone"""
"""Of rows joined with ``ZONE``: the day at the site, up to the end of the period."""
ZONE: Final = f"JOIN {SCHEMA}.series_names n USING (site, device, quantity)"


def rows(text: str) -> Question:
    """A table."""
    return Question(text, "", Shape.TABLE)


def curve(text: str) -> Question:
    """Columns ``time``, ``metric`` (or none) and values, in order of time."""
    return Question(text, "", Shape.CURVE)


def energy_today(chosen: str) -> Question:
    """Energy of the day at the site [kWh], of the series that a condition chooses."""
    return rows(f"""\
SELECT sum(energy_wh) / 1000 AS energy FROM {SCHEMA}.rollup_15m {ZONE}
WHERE {chosen} AND {TODAY}""")  # noqa: S608  # our own words


def energy_by_day(chosen: str) -> Question:
    """Likewise of each local day of the period, by date."""
    return rows(f"""\
SELECT to_char(bucket_start AT TIME ZONE time_zone, 'YYYY-MM-DD') AS day,
  sum(energy_wh) / 1000 AS "Energy"
FROM {SCHEMA}.rollup_1d {ZONE} WHERE {chosen} AND $__timeFilter(bucket_start)
GROUP BY 1 ORDER BY 1""")  # noqa: S608  # our own words


def choose(quantity: str, label: str) -> tuple[Variable, ...]:
    """Site and device, of those that have a quantity."""
    names = f"{SCHEMA}.series_names WHERE quantity = '{quantity}'"
    return (
        Variable("site", "Site", f"SELECT DISTINCT site FROM {names} ORDER BY 1"),  # noqa: S608  # our own words
        Variable(
            "device",
            label,
            f"SELECT DISTINCT device FROM {names} AND site IN ($site) ORDER BY 1",  # noqa: S608  # our own words
        ),
    )
