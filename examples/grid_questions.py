"""What the Streamlit example asks Wattscope over HTTP: plain functions, no library needed.

Each gives a list of rows, one dictionary a row, as ``pandas.DataFrame`` and ``st.dataframe`` take
them. Everything is asked by SQL over the views of ``docs/sql.md``, so that a question of your own
is one more function, except where the program has an answer of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Send = Callable[[str, bytes | None], bytes]
"""Sends a request: a path, and JSON to post or None; gives the answer's body."""

ENERGIES = ("energy_import_wh", "energy_import_delta_wh")
"""A register, or the energy of each interval: ``energy_wh`` of a rollup is right for both."""


class AskError(Exception):
    """Wattscope cannot be reached, or it refused a question; says why."""


def over_http(url: str, timeout_s: float = 30.0) -> Send:
    """Requests to the program at a URL such as ``http://127.0.0.1:8000``."""

    def send(path: str, body: bytes | None) -> bytes:
        request = Request(  # noqa: S310  # the address is the user's own
            url.rstrip("/") + path, body, {"Content-Type": "application/json"}
        )
        try:
            with urlopen(request, timeout=timeout_s) as answer:  # noqa: S310  # likewise
                read: bytes = answer.read()
                return read
        except HTTPError as refusal:
            raise AskError(_read_detail(refusal.read()) or str(refusal)) from refusal
        except URLError as fault:
            raise AskError(f"nothing answers at {url}: {fault.reason}; is it running?") from fault

    return send


def _read_detail(body: bytes) -> str:
    """Why a question was refused, out of a problem document."""
    try:
        told: object = json.loads(body)
    except ValueError:
        return ""
    return str(told.get("detail", "")) if isinstance(told, dict) else ""


def get(send: Send, path: str, **words: str) -> Row:
    """The answer of a route."""
    asked = f"{path}?{urlencode(words)}" if words else path
    answer: Row = json.loads(send(asked, None))
    return answer


def ask(send: Send, sql: str) -> list[Row]:
    """The rows of a SQL question."""
    answer = json.loads(send("/api/sql", json.dumps({"sql": sql}).encode()))
    return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]


# ── the page's questions ─────────────────────────────────────────────────────────────────────


def find_site(send: Send) -> Row:
    """The first site: its ``name`` and ``time_zone``, which "today" follows."""
    sites: list[Row] = get(send, "/api/sites")["sites"]
    if not sites:
        raise AskError("there is no site yet")
    return sites[0]


def list_meters(send: Send) -> list[Row]:
    """Meters by id, with the region that the first digit of the id tells."""
    return ask(
        send,
        "SELECT id AS meter, name, left(id, 1) AS region FROM devices "
        "WHERE kind = 'meter' ORDER BY id",
    )


def read_live(send: Send, now: datetime) -> list[Row]:
    """The last hour by 5 minutes: how many meters spoke, and their mean power and voltage."""
    since = _instant(now - timedelta(hours=1))
    return ask(
        send,
        "SELECT time_bucket(INTERVAL '5 minutes', measured_at) AS at, "  # noqa: S608  # our own texts
        "count(DISTINCT device) AS meters, "
        "avg(value) FILTER (WHERE quantity = 'active_power_w') AS mean_power_w, "
        "avg(value) FILTER (WHERE quantity = 'voltage_v') AS mean_voltage_v, "
        "avg(value) FILTER (WHERE quantity = 'frequency_hz') AS frequency_hz "
        f"FROM readings WHERE measured_at >= {since} "
        "AND quantity IN ('active_power_w', 'voltage_v', 'frequency_hz') "
        "GROUP BY 1 ORDER BY 1",
    )


def read_daily_totals(send: Send, now: datetime, days: int = 14) -> list[Row]:
    """Energy of all meters together by local day; ``coverage`` below 1 is a day that has gaps."""
    since = _instant(now - timedelta(days=days))
    return ask(
        send,
        "SELECT bucket_start AS day, sum(energy_wh) / 1000 AS kwh, "  # noqa: S608  # our own texts
        "avg(coverage) AS coverage FROM rollup_1d "
        f"WHERE {_of_energy()} AND bucket_start >= {since} GROUP BY 1 ORDER BY 1",
    )


def read_meter_trend(send: Send, meter: str, now: datetime, days: int = 7) -> list[Row]:
    """Power of one meter by quarter hours: ``t``, ``mean``, ``min`` and ``max`` [W]."""
    points: list[Row] = get(
        send,
        f"/api/devices/{quote(meter)}/readings",
        quantity="active_power_w",
        interval="15m",
        start=(now - timedelta(days=days)).isoformat(),
    )["points"]
    return points


def read_hours_of_today(send: Send, now: datetime, zone: str) -> list[Row]:
    """Mean power of a meter by hour of the site's today."""
    return ask(
        send,
        "SELECT bucket_start AS hour, sum(sum) / sum(count) AS mean_power_w "  # noqa: S608  # our own texts
        "FROM rollup_1h WHERE quantity = 'active_power_w' "
        f"AND bucket_start >= {_midnight(now, zone)} AND count > 0 GROUP BY 1 ORDER BY 1",
    )


def read_peaks(send: Send, now: datetime) -> list[Row]:
    """The ten quarter hours of the last seven days in which meters took most."""
    since = _instant(now - timedelta(days=7))
    return ask(
        send,
        "SELECT bucket_start AS quarter_hour, sum(energy_wh) * 4 / 1000 AS load_kw "  # noqa: S608  # our own texts
        f"FROM rollup_15m WHERE {_of_energy()} AND bucket_start >= {since} "
        "GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT 10",
    )


def read_months(send: Send) -> list[Row]:
    """Energy of each meter by local month, the largest first.

    Days are local; twelve hours after its start a day is on its own date in UTC too.
    """
    return ask(
        send,
        "SELECT device AS meter, "  # noqa: S608  # our own texts
        "date_trunc('month', bucket_start + INTERVAL '12 hours') AS month, "
        f"sum(energy_wh) / 1000 AS kwh FROM rollup_1d WHERE {_of_energy()} "
        "GROUP BY 1, 2 ORDER BY 2, 3 DESC NULLS LAST",
    )


def read_regions(send: Send, now: datetime, zone: str) -> list[Row]:
    """Energy of each region on the site's today and on the day before."""
    today, before = (_midnight(now - timedelta(days=n), zone) for n in (0, 1))
    return ask(
        send,
        "SELECT left(device, 1) AS region, "  # noqa: S608  # our own texts
        f"sum(energy_wh) FILTER (WHERE bucket_start >= {today}) / 1000 AS today_kwh, "
        f"sum(energy_wh) FILTER (WHERE bucket_start < {today}) / 1000 AS yesterday_kwh "
        f"FROM rollup_1d WHERE {_of_energy()} AND bucket_start >= {before} GROUP BY 1 ORDER BY 1",
    )


def read_whole(send: Send) -> list[Row]:
    """All readings of power at once: how many, their mean, their extremes."""
    return ask(
        send,
        "SELECT count(*) AS readings, avg(value) AS mean_w, max(value) AS max_w, "
        "min(value) AS min_w FROM readings WHERE quantity = 'active_power_w'",
    )


def _of_energy() -> str:
    return f"quantity IN ({', '.join(map(repr, ENERGIES))})"


def _instant(at: datetime) -> str:
    """An instant in SQL; the views are in UTC."""
    return f"TIMESTAMP '{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}'"


def _midnight(now: datetime, zone: str) -> str:
    """When the day of an instant began at the site, in SQL."""
    day: date = now.astimezone(ZoneInfo(zone)).date()
    return _instant(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)))
