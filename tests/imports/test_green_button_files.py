"""Green Button files that are cut, hostile or leave things open, through the program."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.cli.invocation import Outcome, ask, invoke
from tests.compute.files.feeds import feed, reading, series

THREE = [reading(str(100 + n), n) for n in range(3)]
GOOD = feed(series(THREE))
ENTITIES = '<!DOCTYPE feed [<!ENTITY a "1"><!ENTITY b "&a;&a;">]>\n'
COUNT = "SELECT count(*) AS n FROM readings"


def take(tmp_path: Path, content: bytes, *words: str | Path, name: str = "usage.xml") -> Outcome:
    file = tmp_path / name
    file.write_bytes(content)
    profile = () if "--profile" in words else ("--profile", "green-button")
    return invoke("import", file, *profile, "--data", tmp_path / "data", *words)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD[: GOOD.index(b"<value>102")], "no element found"),
        (GOOD.replace(b"</value>", b"</worth>", 1), "mismatched tag"),
        (feed(series([reading("&b;")]), prolog=ENTITIES), "declares a document type"),
        (b"Date,Usage\n2026-03-01,5\n", "is no whole XML"),
        (b"", "is no whole XML"),
        (b"<feed/>", "holds no interval block"),
    ],
)
def test_bad_file_names_its_line_and_stores_nothing(
    tmp_path: Path, content: bytes, said: str
) -> None:
    outcome = take(tmp_path, content)
    assert outcome.status == 1
    assert "usage.xml, line " in outcome.last_line()
    assert said in outcome.last_line()
    assert "Traceback" not in outcome.err
    assert ask(tmp_path / "data", COUNT) == [{"n": 0}]
    assert ask(tmp_path / "data", "SELECT count(*) AS n FROM devices") == [{"n": 0}]


def test_line_of_the_cut_is_told(tmp_path: Path) -> None:
    end = GOOD.index(b"<value>102")
    outcome = take(tmp_path, GOOD[:end])
    line = GOOD[:end].count(b"\n") + 1
    assert f"usage.xml, line {line}: " in outcome.last_line()
    assert take(tmp_path, GOOD).status == 0
    assert ask(tmp_path / "data", COUNT) == [{"n": 3}]


@pytest.mark.parametrize(
    ("of_type", "code", "said"),
    [
        ({"uom": "38"}, "unknown_format", "uom 38; only 72 (Wh) is read"),
        ({"powerOfTenMultiplier": None}, "missing_field", "powerOfTenMultiplier missing"),
        ({"flowDirection": None}, "missing_field", "flowDirection missing"),
    ],
)
def test_series_of_unknown_meaning_is_counted_and_its_neighbour_is_kept(
    tmp_path: Path, of_type: dict[str, Any], code: str, said: str
) -> None:
    other = series([reading("5")], number="02", flowDirection="19")
    outcome = take(tmp_path, feed(series(THREE, **of_type), other))
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("1 rows with 1 values: 1 stored")
    assert "; 1 rows set aside" in outcome.out
    assert f"  {code}: 1 (" in outcome.out
    [item] = ask(tmp_path / "data", "SELECT topic, code, detail, payload FROM quarantine")
    assert item["code"] == code
    assert said in item["detail"]
    assert item["topic"].startswith("usage.xml:")
    assert "/MeterReading/01" in item["payload"]
    rows = ask(tmp_path / "data", "SELECT quantity, value FROM readings")
    assert rows == [{"quantity": "energy_export_delta_wh", "value": 5.0}]


def test_own_profile_may_say_what_the_feed_leaves_open(tmp_path: Path) -> None:
    settings = tmp_path / "wattscope.toml"
    settings.write_text('[site]\nid = "home"\n', encoding="utf-8")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.toml").write_text(
        'decoder = "green_button"\ndevice = "cellar"\npower_of_ten_multiplier = 3\n',
        encoding="utf-8",
    )
    content = feed(series(THREE, powerOfTenMultiplier=None))
    outcome = take(tmp_path, content, "--profile", "mine", "-c", settings)
    assert outcome.status == 0, outcome.err
    rows = ask(tmp_path / "data", "SELECT device, value FROM readings ORDER BY value")
    assert [(row["device"], row["value"]) for row in rows] == [
        ("cellar", 100_000.0),
        ("cellar", 101_000.0),
        ("cellar", 102_000.0),
    ]


def test_bad_readings_are_set_aside_alone_and_estimates_are_marked(tmp_path: Path) -> None:
    readings = [reading("7", 0, quality="8"), reading("x", 1), reading("-3", 2)]
    outcome = take(tmp_path, gzip.compress(feed(series(readings))), name="usage.xml.gz")
    assert outcome.status == 0, outcome.err
    assert "  not_number: 1 (" in outcome.out
    rows = ask(tmp_path / "data", "SELECT value, quality FROM readings ORDER BY measured_at")
    assert [(row["value"], row["quality"]) for row in rows] == [
        (7.0, "estimated"),
        (-3.0, "implausible"),
    ]


def test_corrected_value_is_a_conflict_that_is_counted(tmp_path: Path) -> None:
    take(tmp_path, GOOD)
    outcome = take(tmp_path, feed(series([reading("999"), *THREE[1:]])))
    assert outcome.out.startswith("3 rows with 3 values: 0 stored, 2 known already")
    assert "  conflict: 1 (" in outcome.out
    assert ask(tmp_path / "data", "SELECT max(value) AS top FROM readings") == [{"top": 102.0}]


def test_map_does_not_go_with_feeds(tmp_path: Path) -> None:
    outcome = take(tmp_path, GOOD, "--map", "time=t,active_power_w=p")
    assert outcome.status == 78
    assert "CSV profiles only" in outcome.last_line()
