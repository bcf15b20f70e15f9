"""Check 6: hours of a grid, quarter hours of a meter and of a plant around the change of clocks."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.cli.invocation import Outcome, ask, invoke
from tests.imports.checks import read_check, read_number
from tests.web.applications import Application, open_application

ROOT = Path(__file__).resolve().parents[2]
NEW_YORK = ZoneInfo("America/New_York")
HOUR = timedelta(hours=1)
# PJM's profile keeps stamps as printed, at the offset of the winter.
EASTERN_WINTER = timedelta(hours=-5)
MEGA = 1e6


@pytest.fixture(scope="session")
def sixth_check(shared_data: Path) -> str:
    return read_check(shared_data, 6)


def near(figure: float) -> Any:  # noqa: ANN401  # pytest names no type for it
    return pytest.approx(figure, rel=1e-6)


def read_example(name: str, word: str) -> str:
    """The one SQL example of a page that contains a word."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    examples: list[str] = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    [example] = [one for one in examples if word in one]
    return example


# ── PJM: hours that are missing or stand twice ───────────────────────────────────────────────


@pytest.fixture(scope="module")
def pjm_file(shared_data: Path) -> Path:
    return shared_data / "pjm-east-hourly" / "PJME_hourly.csv.gz"


@pytest.fixture(scope="module")
def pjm(pjm_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The data folder with the file, and what the import said."""
    data = tmp_path_factory.mktemp("pjm")
    outcome = invoke("import", pjm_file, "--profile", "pjm-hourly", "--data", data)
    assert outcome.status == 0, outcome.err
    return data, outcome.out


def printed(start: str) -> datetime:
    """The stamp that the file prints for the hour that begins at an instant: its end."""
    return datetime.fromisoformat(start).replace(tzinfo=None) + EASTERN_WINTER + HOUR


def read_printed_rows(path: Path) -> list[tuple[datetime, float]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return [
            (datetime.strptime(row["Datetime"], "%d-%m-%Y %H:%M"), float(row["PJME_MW"]))  # noqa: DTZ007  # as printed
            for row in csv.DictReader(file)
        ]


def test_hours_of_the_grid_all_come_in(pjm: tuple[Path, str], sixth_check: str) -> None:
    data, said = pjm
    n_rows = int(read_number(sixth_check, r"PJM: ([\d,]+) rows in"))
    n_stamps = int(read_number(sixth_check, r"([\d,]+) distinct stamps"))
    n_conflicts = int(read_number(sixth_check, r"(\d+) conflicts reported"))
    assert said.startswith(f"{n_rows} rows with {n_rows} values: {n_stamps} stored, 0 known")
    assert f"conflict: {n_conflicts} (" in said
    stored = ask(
        data,
        "SELECT count(*) AS n, count(DISTINCT measured_at) AS n_stamps, sum(value) AS wh, "
        "count(*) FILTER (WHERE quality NOT IN ('good', 'late')) AS n_marked FROM readings",
    )[0]
    assert (stored["n"], stored["n_stamps"], stored["n_marked"]) == (n_stamps, n_stamps, 0)
    aside = ask(data, "SELECT payload FROM quarantine WHERE code = 'conflict'")
    whole = stored["wh"] + sum(float(row["payload"]) for row in aside)
    assert whole / MEGA == near(read_number(sixth_check, r"plain sum ([\d,]+) MWh"))


def test_both_values_of_an_hour_that_stands_twice_are_kept(
    pjm: tuple[Path, str], pjm_file: Path
) -> None:
    values: dict[datetime, list[float]] = {}
    for stamp, megawatts in read_printed_rows(pjm_file):
        values.setdefault(stamp, []).append(megawatts)
    doubled = {stamp: both for stamp, both in values.items() if len(both) > 1}
    found = {}
    for row in ask(pjm[0], "SELECT detail, payload FROM quarantine ORDER BY detail"):
        at = re.search(r" at (\S+) already has ([\d.]+),", row["detail"])
        assert at is not None
        found[printed(at[1])] = [float(at[2]) / MEGA, float(row["payload"]) / MEGA]
    assert found == doubled
    stored = {
        printed(row["measured_at"]): row["value"] / MEGA
        for row in ask(pjm[0], "SELECT measured_at, value FROM readings")
    }
    assert {stamp: stored[stamp] for stamp in doubled} == {s: v[0] for s, v in doubled.items()}


def test_example_of_the_manual_lists_the_missing_hours(
    pjm: tuple[Path, str], pjm_file: Path, sixth_check: str
) -> None:
    gaps = ask(pjm[0], read_example("sql.md", "lag("))
    listed: set[datetime] = set()
    for gap in gaps:
        first = printed(gap["missing_from"])
        listed |= {first + n * HOUR for n in range(int(gap["n_missing"]))}
        assert printed(gap["missing_until"]) == first + gap["n_missing"] * HOUR
    assert len(listed) == read_number(sixth_check, r"(\d+) missing hours listed")
    stamps = {stamp for stamp, _ in read_printed_rows(pjm_file)}
    first, last = min(stamps), max(stamps)
    every = {first + n * HOUR for n in range((last - first) // HOUR + 1)}
    assert listed == every - stamps


def test_missing_hours_lower_the_coverage_of_their_days(pjm: tuple[Path, str]) -> None:
    gaps = ask(pjm[0], read_example("sql.md", "lag("))
    hit = {(printed(gap["missing_from"]) - HOUR).date() for gap in gaps}
    rows = ask(
        pjm[0],
        "SELECT bucket_start, coverage FROM rollup_1d WHERE coverage < 0.999 "
        "AND bucket_start < '2018-08-03' ORDER BY bucket_start",
    )
    days = {(printed(row["bucket_start"]) - HOUR).date() for row in rows}
    assert days == hit


@pytest.mark.parametrize(("word", "order"), [("min", "ASC"), ("max", "DESC")])
def test_extremes_of_the_grid_are_at_their_hours(
    pjm: tuple[Path, str], sixth_check: str, word: str, order: str
) -> None:
    found = re.search(rf"{word} ([\d,]+) at (\d{{4}}-\d\d-\d\d \d\d:\d\d)", sixth_check)
    assert found is not None
    row = ask(pjm[0], f"SELECT measured_at, value FROM readings ORDER BY value {order} LIMIT 1")[0]
    assert row["value"] / MEGA == near(float(found[1].replace(",", "")))
    assert f"{printed(row['measured_at']):%Y-%m-%d %H:%M}" == found[2]


# ── Green Button: a day of 23 hours ──────────────────────────────────────────────────────────


def import_feed(data: Path, file: Path) -> Outcome:
    settings = data / "wattscope.toml"
    settings.write_text(
        '[site]\nid = "house"\nname = "House"\ntime_zone = "America/New_York"\n', encoding="utf-8"
    )
    outcome = invoke("import", file, "--profile", "green-button", "--data", data, "-c", settings)
    assert outcome.status == 0, outcome.err
    return outcome


@pytest.fixture(scope="module")
def feeds(shared_data: Path) -> Path:
    return shared_data / "greenbutton"


@pytest.fixture(scope="module")
def house(feeds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with days 1 to 5 and day 11 of March 2012."""
    data = tmp_path_factory.mktemp("house")
    for name in ("test_usage_data_1.xml", "test_usage_data_11.xml"):
        import_feed(data, feeds / name)
    return data


@pytest.fixture
def house_api(house: Path) -> Iterator[Application]:
    with open_application(house) as application:
        yield application


def test_day_of_23_hours_is_whole(house: Path, house_api: Application, sixth_check: str) -> None:
    n_intervals = read_number(sixth_check, r"11 March 2012: (\d+) intervals")
    energy_wh = read_number(sixth_check, r"intervals, ([\d,]+) Wh, no gap")
    day = ask(house, "SELECT * FROM rollup_1d ORDER BY bucket_start DESC LIMIT 1")[0]
    start = datetime.fromisoformat(day["bucket_start"]).astimezone(NEW_YORK)
    assert f"{start:%Y-%m-%d %H:%M}" == "2012-03-11 00:00"
    assert (day["count"], day["coverage"]) == (n_intervals, 1.0)
    assert day["energy_wh"] == near(energy_wh)
    answer = house_api.get("/api/energy", site="house", day="2012-03-11", interval="1h")
    assert len(answer["buckets"]) == 23
    assert answer["is_complete"]
    assert answer["totals"]["consumption_wh"] == near(energy_wh)
    quarter_hours = read_example("sql.md", "lag(").replace("INTERVAL 1 HOUR", "INTERVAL 15 MINUTE")
    gaps = ask(house, quarter_hours)
    # The days 6 to 10 are in no file; within a file nothing is missing.
    assert [(gap["missing_from"], gap["missing_until"], gap["n_missing"]) for gap in gaps] == [
        ("2012-03-06T05:00:00Z", "2012-03-11T05:00:00Z", 5 * 96)
    ]


def test_first_five_days_and_again(house: Path, feeds: Path, sixth_check: str) -> None:
    question = (
        "SELECT count(*) AS n, sum(value) AS wh, count(DISTINCT measured_at) AS n_starts "
        "FROM readings WHERE measured_at < '2012-03-06 05:00'"
    )
    before = ask(house, question)
    n_readings = read_number(sixth_check, r"days 1-5 (\d+) readings")
    assert before[0]["n"] == before[0]["n_starts"] == n_readings
    assert before[0]["wh"] == near(read_number(sixth_check, r"readings, ([\d,]+) Wh"))
    again = import_feed(house, feeds / "test_usage_data_1.xml")
    assert f": 0 stored, {n_readings:.0f} known already" in again.out
    assert ask(house, question) == before
    assert ask(house, "SELECT count(*) AS n FROM quarantine") == [{"n": 0}]


def test_every_feed_gives_what_is_expected_of_it(feeds: Path, tmp_path: Path) -> None:
    expected = json.loads((feeds / "expected.json").read_text(encoding="utf-8"))
    assert len(expected) >= 8
    for known in expected:
        data = tmp_path / known["file"]
        data.mkdir()
        import_feed(data, feeds / known["file"])
        found = ask(
            data,
            "SELECT count(*) AS readings, count(DISTINCT measured_at) AS distinct_starts, "
            "sum(value) AS value_sum, epoch(min(measured_at)) AS start_min, "
            "epoch(max(measured_at)) AS start_max, count(DISTINCT device) AS usage_points, "
            "min(quantity) AS quantity FROM readings",
        )[0]
        assert found.pop("quantity") == "energy_import_delta_wh"
        assert found == {key: known[key] for key in found}, known["file"]


def test_feed_without_usage_is_refused(feeds: Path, tmp_path: Path) -> None:
    file = feeds / "entries" / "Customer-Subscription-Feed-Anonymized.xml"
    outcome = invoke("import", file, "--profile", "green-button", "--data", tmp_path / "data")
    assert outcome.status == 1
    assert "holds no interval block" in outcome.last_line()


# ── a plant whose stamps hide that they follow summer time ───────────────────────────────────


def import_plant(shared_data: Path, data: Path, *terms: str) -> str:
    file = shared_data / "pv-quality" / "system_50_ac_power_2_full_DST.csv.gz"
    words = ",".join(["time=measured_on", "active_power_w=ac_power_2", "interval_s=900", *terms])
    outcome = invoke("import", file, "--map", words, "--data", data)
    assert outcome.status == 0, outcome.err
    return outcome.out


def read_middle(data: Path, first: str, last: str) -> float:
    """Hour of the day in the plant's winter time about which the energy of some days lies."""
    rows = ask(
        data,
        f"SELECT measured_at, value FROM readings WHERE measured_at >= '{first} 07:00' "
        f"AND measured_at < '{last} 07:00' AND value > 0",
    )
    moments = 0.0
    for row in rows:
        at = datetime.fromisoformat(row["measured_at"]).astimezone(UTC) - 7 * HOUR
        moments += (at.hour + at.minute / 60) * row["value"]
    return moments / sum(float(row["value"]) for row in rows)


def test_plant_with_hidden_summer_time(shared_data: Path, tmp_path: Path) -> None:
    text = (shared_data / "pv-quality" / "README.md").read_text(encoding="utf-8")
    [line] = [one for one in text.splitlines() if one.startswith("| system_50")]
    n_rows, n_missing = (int(read_number(line, p)) for p in (r"([\d,]+), 15", r"([\d,]+) missing"))
    said = import_plant(shared_data, tmp_path / "printed")
    assert said.startswith(f"{n_rows} rows with {n_rows} values: {n_rows} stored, 0 known already")
    assert f"{n_missing} marked missing; 0 rows set aside" in said
    before, after = ("2012-02-26", "2012-03-11"), ("2012-03-11", "2012-03-25")
    jump = read_middle(tmp_path / "printed", *after) - read_middle(tmp_path / "printed", *before)
    assert 0.75 < jump < 1.25
    # The zone instead of the printed offset: the sun no longer jumps, and only hours of the night
    # that the clock skips or repeats are set aside.
    said = import_plant(
        shared_data,
        tmp_path / "placed",
        'time_format="%Y-%m-%d %H:%M:%S-07:00"',
        "time_zone=America/Denver",
    )
    jump = read_middle(tmp_path / "placed", *after) - read_middle(tmp_path / "placed", *before)
    assert abs(jump) < 0.25
    aside = ask(tmp_path / "placed", "SELECT code, payload FROM quarantine")
    assert aside
    assert f"bad_time: {len(aside)} (" in said
    for row in aside:
        stamp, _, value = row["payload"].partition(",")
        assert stamp[11:13] in {"01", "02"}
        assert value in {"", "0.0"}
