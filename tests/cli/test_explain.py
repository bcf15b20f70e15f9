"""``wattscope explain`` from the outside: a table, one line, and one line for an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.invocation import invoke
from tests.web.applications import put
from wattscope.assembly.storage import open_storage
from wattscope.core.time_grid import US_PER_DAY, US_PER_S, parse_instant
from wattscope.settings import DeviceSettings, Settings, SiteSettings, StorageSettings

START_US = parse_instant("2026-03-07T00:00:00Z")
HOUSE = Settings(
    sources=(),
    site=SiteSettings(id="home", name="Home", time_zone="UTC"),
    devices=(DeviceSettings(id="grid", kind="meter", interval_s=60),),
    storage=StorageSettings(chunk="1d"),
)
QUESTION = ("explain", "grid", "active_power_w", "--start", "2026-03-07", "--end", "2026-03-09")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days in files and one value that the log alone holds."""
    folder = tmp_path_factory.mktemp("explain")
    minutes = range(START_US, START_US + 2 * US_PER_DAY, 20 * US_PER_S)
    with open_storage(HOUSE, folder) as storage:
        put(storage, "grid", "active_power_w", [(t, 100.0 + t % 7) for t in minutes])
    return folder


def test_table_ends_with_one_line_that_says_the_same(data: Path) -> None:
    outcome = invoke(*QUESTION, "--interval", "1d", "--data", data)
    assert outcome.status == 0, outcome.err
    last = outcome.out.strip().splitlines()[-1]
    assert last.startswith("1d from kept 1")
    assert "in 2 spans" in last
    for word in ("from", "start", "end", "spans", "series", "2026-03-07T00:00:00Z"):
        assert word in outcome.out


def test_json_holds_the_steps(data: Path) -> None:
    outcome = invoke(*QUESTION, "--interval", "raw", "--format", "json", "--data", data)
    assert json.loads(outcome.out) == [
        {
            "from": "rows",
            "start": "2026-03-07T00:00:00Z",
            "end": "2026-03-09T00:00:00Z",
            "spans": 2,
            "series": 1,
        }
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explain", "grid", "voltage_l1_v"), "has no quantity 'voltage_l1_v'"),
        (("explain", "nobody", "active_power_w"), "device 'nobody'"),
        ((*QUESTION, "--interval", "7h"), "interval '7h' is unknown"),
        (("explain", "grid", "active_power_w", "--start", "soon"), "time 'soon'"),
        (
            ("explain", "grid", "active_power_w", "--start", "2026-03-09", "--end", "2026-03-08"),
            "start must be before end",
        ),
    ],
)
def test_wrong_question_is_one_line(data: Path, words: tuple[str, ...], said: str) -> None:
    outcome = invoke(*words, "--data", data)
    assert outcome.status == 1
    lines = outcome.err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_folder_without_data_is_named(tmp_path: Path) -> None:
    outcome = invoke(*QUESTION, "--data", tmp_path / "nothing")
    assert outcome.status != 0
    assert "there is no data" in outcome.err
