"""``/api/devices/{id}/chart`` and ``explain``: no extreme is lost at any zoom.

::

    rows, one a second     7 March ─────────── 8 March ───gap 1 h─── 9 March ── 06:00 │ 06:10
                           kept as minutes and hours                      in files    │ in the tail
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from tests.web.applications import Application, open_application, put
from tests.web.conftest import HOUSE as ANY_HOUSE
from wattscope.assembly.storage import Storage
from wattscope.core.reading import Batch, Quality
from wattscope.core.time_grid import (
    US_PER_DAY,
    US_PER_HOUR,
    US_PER_MINUTE,
    US_PER_S,
    format_utc,
    parse_instant,
)
from wattscope.ports import Chart, Store
from wattscope.settings import StorageSettings
from wattscope.stores import rollup_plan
from wattscope.web.services import Services

HOUSE = msgspec.structs.replace(ANY_HOUSE, storage=StorageSettings(chunk="1d"))

CHART = "/api/devices/grid/chart"
START_US = parse_instant("2026-03-07T00:00:00Z")
FILED_US = parse_instant("2026-03-09T06:00:00Z")
END_US = FILED_US + 10 * US_PER_MINUTE
GAP_US = (parse_instant("2026-03-08T12:00:00Z"), parse_instant("2026-03-08T13:00:00Z"))
SPIKE_US = parse_instant("2026-03-07T17:13:42Z")
SPIKE_W = 9000.0
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """All values that may be drawn, by time."""

    t_us: Ints
    value: Floats


def make_rows() -> tuple[Rows, npt.NDArray[np.uint8]]:
    """A noisy day and night with one spike of one second, a gap, and some values without trust."""
    t = np.arange(START_US, END_US, US_PER_S, dtype=np.int64)
    t = t[(t < GAP_US[0]) | (t >= GAP_US[1])]
    chance = np.random.default_rng(7)
    value = np.round(600 - 300 * np.cos(t / US_PER_DAY * 2 * np.pi) + chance.normal(0, 40, len(t)))
    value[t == SPIKE_US] = SPIKE_W
    quality = np.zeros(len(t), np.uint8)
    doubted = chance.choice(len(t), 50, replace=False)
    doubted = doubted[t[doubted] != SPIKE_US]
    value[doubted] = -1e6
    quality[doubted] = int(Quality.IMPLAUSIBLE)
    return Rows(t, value), quality


ROWS, QUALITY = make_rows()
DRAWN = Rows(ROWS.t_us[QUALITY == 0], ROWS.value[QUALITY == 0])


def fill(storage: Storage) -> None:
    series = storage.registry.ensure_series("grid", "active_power_w")
    ids = np.full(len(ROWS.t_us), series, np.int32)
    batch = Batch(ids, ROWS.t_us, ROWS.value, QUALITY)
    in_files = ROWS.t_us < FILED_US
    storage.store.load(batch.take(in_files))
    storage.store.flush()
    storage.persist.append(batch.take(~in_files))
    storage.persist.drain()
    put(storage, "roof", "energy_production_wh", [(START_US, 123456.7), (END_US, 123999.0)])


@pytest.fixture(scope="module", autouse=True)
def _many_levels() -> Iterator[None]:
    """Minutes and hours are kept too, so that there are several levels to choose from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollup_plan, "WORTH", 50)
        yield


@pytest.fixture(scope="module")
def meter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("charts")
    now = format_utc(END_US)
    with open_application(folder, now=now, settings=HOUSE, fill=fill) as application:
        yield application


class BluntStore:
    """The safeguard switched off: a store that knows means only."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def chart(self, series: int, start_us: int, end_us: int, n_pixels: int) -> Chart:
        """Means in place of the extremes."""
        chart = self._store.chart(series, start_us, end_us, n_pixels)
        return dataclasses.replace(chart, min=chart.mean, max=chart.mean)


def make_blunt(services: Services) -> Services:
    return dataclasses.replace(services, store=BluntStore(services.store))  # type: ignore[arg-type]  # a proxy


def ask(meter: Application, start_us: int, end_us: int, pixels: int) -> dict[str, Any]:
    words = {"start": format_utc(start_us), "end": format_utc(end_us)}
    answer = meter.get(CHART, quantity="active_power_w", pixels=pixels, **words)
    columns = ("t_s", "mean", "min", "max", "first", "last", "count")
    assert {len(answer[name]) for name in columns} == {len(answer["t_s"])}
    assert len(answer["t_s"]) <= pixels
    return answer


def draw(start_us: int, end_us: int, pixels: int) -> dict[str, Floats]:
    """The columns as NumPy makes them from the rows."""
    inside = (DRAWN.t_us >= start_us) & (DRAWN.t_us < end_us)
    t, value = DRAWN.t_us[inside], DRAWN.value[inside]
    pixel = (t - start_us) * pixels // (end_us - start_us)
    found, starts, count = np.unique(pixel, return_index=True, return_counts=True)
    stops = starts + count - 1
    return {
        "t_s": found * (end_us - start_us) // pixels / US_PER_S,
        "mean": np.add.reduceat(value, starts) / count,
        "min": np.minimum.reduceat(value, starts),
        "max": np.maximum.reduceat(value, starts),
        "first": value[starts],
        "last": value[stops],
        "count": count.astype(np.float64),
    }


def assert_drawn_as_measured(meter: Application, start_us: int, end_us: int, pixels: int) -> str:
    answer = ask(meter, start_us, end_us, pixels)
    wanted = draw(start_us, end_us, pixels)
    for name in ("min", "max", "first", "last", "count"):
        assert np.array_equal(answer[name], wanted[name]), name
    assert answer["t_s"] == pytest.approx(wanted["t_s"], abs=1e-3)
    height = wanted["max"].max() - wanted["min"].min()
    assert answer["mean"] == pytest.approx(wanted["mean"], abs=height / 10_000)
    level: str = answer["level"]
    return level


def spans_of_rows(number: int) -> list[tuple[int, int, int]]:
    """Any spans whose pixels are shorter than a minute: they are drawn from rows."""
    chance = random.Random(3)
    found = []
    for _ in range(number):
        pixels = chance.choice([1, 2, 7, 99, 640, 1168, 3000])
        length = chance.randint(US_PER_S, pixels * US_PER_MINUTE - 1)
        start = chance.randint(START_US, END_US - US_PER_S)
        found.append((start, start + length, pixels))
    return found


def spans_of_buckets(number: int) -> list[tuple[int, int, int]]:
    """Spans whose pixels are whole minutes, or whole hours: kept buckets fit into them."""
    chance = random.Random(4)
    found = []
    for _ in range(number):
        unit = chance.choice([US_PER_MINUTE, US_PER_HOUR])
        pixel = unit * chance.choice([1, 2, 3, 5, 11])
        pixels = chance.randint(1, 2 * US_PER_DAY // pixel)
        start = START_US + unit * chance.randint(-10, (END_US - START_US) // unit - 1)
        found.append((start, start + pixel * pixels, pixels))
    return found


def assert_true_at_any_zoom(meter: Application) -> None:
    for span in spans_of_rows(40):
        assert assert_drawn_as_measured(meter, *span) == "raw"
    levels = {assert_drawn_as_measured(meter, *span) for span in spans_of_buckets(40)}
    assert levels >= {"1m", "1h"}


def test_columns_of_random_spans_are_those_of_the_rows(meter: Application) -> None:
    assert_true_at_any_zoom(meter)


def test_means_in_place_of_extremes_would_be_noticed(tmp_path: Path) -> None:
    now = format_utc(END_US)
    blunt = open_application(tmp_path, now=now, settings=HOUSE, fill=fill, change=make_blunt)
    with blunt as application, pytest.raises(AssertionError, match=r"min|max"):
        assert_true_at_any_zoom(application)


def test_extremes_hold_where_pixels_and_buckets_do_not_meet(meter: Application) -> None:
    chance = random.Random(5)
    for _ in range(30):
        pixels = chance.randint(5, 900)
        pixel = chance.randint(US_PER_MINUTE, US_PER_HOUR)
        start = chance.randint(START_US - US_PER_HOUR, END_US - US_PER_HOUR)
        end = start + pixels * pixel
        answer = ask(meter, start, end, pixels)
        bucket = {"1m": US_PER_MINUTE, "1h": US_PER_HOUR, "raw": 0}[answer["level"]]
        inside = DRAWN.value[(DRAWN.t_us >= start) & (DRAWN.t_us < end)]
        around = DRAWN.value[(DRAWN.t_us >= start - bucket) & (DRAWN.t_us < end + bucket)]
        assert around.max() >= max(answer["max"]) >= inside.max()
        assert around.min() <= min(answer["min"]) <= inside.min()
        for name in ("mean", "first", "last"):
            assert (np.array(answer[name]) <= answer["max"]).all()
            assert (np.array(answer[name]) >= answer["min"]).all()


def test_spike_of_one_second_is_seen_from_three_days_away(meter: Application) -> None:
    answer = ask(meter, START_US, END_US, 300)
    at = int(np.argmax(answer["max"]))
    assert answer["max"][at] == SPIKE_W
    pixel_s = (END_US - START_US) / US_PER_S / 300
    assert abs(answer["t_s"][at] - (SPIKE_US - START_US) / US_PER_S) <= pixel_s + 60
    closer = ask(meter, SPIKE_US - 30 * US_PER_S, SPIKE_US + 30 * US_PER_S, 1000)
    at = int(np.argmax(closer["max"]))
    assert (closer["t_s"][at], closer["max"][at]) == (30, SPIKE_W)


def test_gap_has_no_columns(meter: Application) -> None:
    start_us, end_us = GAP_US[0] - US_PER_HOUR, GAP_US[1] + US_PER_HOUR
    t_s = np.array(ask(meter, start_us, end_us, 180)["t_s"])
    assert not ((t_s >= 3600) & (t_s < 7200)).any()
    assert len(t_s) == 120


def test_a_thousand_pixels_are_20_kb_on_the_wire(meter: Application) -> None:
    for start_us, end_us in ((START_US, END_US), (START_US, START_US + US_PER_HOUR)):
        words = {"start": format_utc(start_us), "end": format_utc(end_us), "pixels": "1000"}
        response = meter.client.get(CHART, params={"quantity": "active_power_w", **words})
        assert len(response.json()["t_s"]) > 950
        assert response.headers["content-encoding"] == "gzip"
        assert len(gzip.compress(response.content, 5)) < 20_000
        assert len(response.content) < 45_000


def test_csv_holds_the_same_columns(meter: Application) -> None:
    answer = ask(meter, START_US, END_US, 500)
    words = {"start": format_utc(START_US), "end": format_utc(END_US), "pixels": "500"}
    response = meter.client.get(
        CHART, params={"quantity": "active_power_w", "format": "csv", **words}
    )
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert list(rows[0]) == ["t", "mean", "min", "max", "first", "last", "count"]
    assert len(rows) == len(answer["t_s"])
    for at in (0, 250, len(rows) - 1):
        assert {name: float(rows[at][name]) for name in list(rows[0])[1:]} == {
            name: answer[name][at] for name in list(rows[0])[1:]
        }
        since_s = (parse_instant(rows[at]["t"]) - START_US) / US_PER_S
        assert since_s == pytest.approx(answer["t_s"][at], abs=1e-3)


def test_last_day_is_drawn_when_nothing_is_said(meter: Application) -> None:
    answer = meter.get(CHART, quantity="active_power_w")
    assert (answer["pixels"], answer["unit"], answer["level"]) == (1000, "W", "1m")
    assert answer["end"] == format_utc(END_US)
    assert answer["start"] == format_utc(END_US - US_PER_DAY)


def test_counter_shows_its_register(meter: Application) -> None:
    words = {"start": format_utc(START_US), "end": format_utc(END_US + US_PER_S)}
    answer = meter.get(
        "/api/devices/roof/chart", quantity="energy_production_wh", pixels=10, **words
    )
    assert answer["unit"] == "Wh"
    assert answer["last"] == answer["max"] == answer["mean"] == [123456.7, 123999]


def test_span_without_values_is_empty_not_an_error(meter: Application) -> None:
    answer = ask(meter, START_US - 9 * US_PER_DAY, START_US - 8 * US_PER_DAY, 1000)
    assert answer["t_s"] == answer["max"] == answer["count"] == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/devices/nobody/chart?quantity=active_power_w", 404, "unknown_name"),
        (f"{CHART}?quantity=voltage_l1_v", 404, "unknown_name"),
        (CHART, 422, "invalid_parameter"),
        (f"{CHART}?quantity=active_power_w&pixels=0", 422, "invalid_parameter"),
        (f"{CHART}?quantity=active_power_w&pixels=10001", 422, "invalid_parameter"),
        (f"{CHART}?quantity=active_power_w&pixels=many", 422, "invalid_parameter"),
        (f"{CHART}?quantity=active_power_w&format=xml", 422, "invalid_parameter"),
        (f"{CHART}?quantity=active_power_w&start=2026-03-09&end=2026-03-08", 422, "bad_query"),
        (f"{CHART}?quantity=active_power_w&start=1971-01-01&end=2026-03-08", 422, "bad_query"),
        (f"{CHART}?quantity=active_power_w&start=yesterday", 422, "bad_query"),
    ],
)
def test_wrong_questions_are_refused(meter: Application, path: str, status: int, code: str) -> None:
    assert meter.problem(path, status)["code"] == code


# ── explain ──────────────────────────────────────────────────────────────────────────────────


def ask_plan(meter: Application, interval: str, start: str, end: str) -> dict[str, Any]:
    words = {"interval": interval, "start": start, "end": end, "explain": "true"}
    return meter.get("/api/devices/grid/readings", quantity="active_power_w", **words)


def test_plan_names_kept_buckets_and_the_tail(meter: Application) -> None:
    answer = ask_plan(meter, "1h", "2026-03-07T00:00:00Z", "2026-03-09T07:00:00Z")
    summary = answer["plan_summary"]
    # The newest day's buckets grow with each flush, so that they are kept like the others.
    assert re.fullmatch(r"1h from kept 1h in 3 spans, and from the tail", summary)
    first, *_, tail = answer["plan"]
    wanted = {"from": "1h", "start": "2026-03-07T00:00:00Z", "end": "2026-03-10T00:00:00Z"}
    assert first == wanted | {"spans": 3, "series": 1}
    assert (tail["from"], tail["start"]) == ("tail", format_utc(FILED_US))
    starts = [step["start"] for step in answer["plan"]]
    assert starts == sorted(starts)


def test_plan_of_readings_is_their_rows(meter: Application) -> None:
    answer = ask_plan(meter, "raw", "2026-03-07T23:00:00Z", "2026-03-08T01:00:00Z")
    assert answer["plan_summary"] == "raw from rows in 2 spans"
    answer = ask_plan(meter, "raw", "2026-03-09T05:59:00Z", "2026-03-09T06:01:00Z")
    assert answer["plan_summary"] == "raw from rows in 1 span, and from the tail"


def test_plan_is_told_only_when_asked(meter: Application) -> None:
    words = {"interval": "1h", "start": "2026-03-07T00:00:00Z", "end": "2026-03-08T00:00:00Z"}
    answer = meter.get("/api/devices/grid/readings", quantity="active_power_w", **words)
    assert not {"plan", "plan_summary"} & set(answer)


def test_plan_of_an_empty_span_is_told_too(meter: Application) -> None:
    words = {"interval": "1m", "start": "2020-01-01", "end": "2020-01-02", "explain": "true"}
    answer = meter.get("/api/devices/roof/readings", quantity="energy_production_wh", **words)
    assert answer["points"] == []
    assert isinstance(answer["plan"], list)
    assert answer["plan_summary"].startswith("1m from ")
