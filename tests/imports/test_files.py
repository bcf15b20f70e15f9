"""Files as people have them: packed, cut off, with broken lines, of another make."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from tests.cli.invocation import Outcome, ask, invoke

HEADER = (
    "Date,Time,Global_active_power,Global_reactive_power,Voltage,Global_intensity,"
    "Sub_metering_1,Sub_metering_2,Sub_metering_3\n"
)
ROW = "16/12/2006,17:{minute:02d}:00,{kw},0.4,234.8,18.4,0,1,17\n"


def write_rows(path: Path, n_rows: int = 10) -> str:
    """A file like the household's, in which minute n has n + 1 kW; gives its text."""
    rows = (ROW.format(minute=minute, kw=minute + 1) for minute in range(n_rows))
    text = HEADER + "".join(rows)
    path.write_text(text, encoding="utf-8")
    return text


def import_household(data: Path, *files: Path) -> Outcome:
    return invoke("import", *files, "--profile", "uci-household", "--data", data)


def read_power(data: Path) -> list[float | None]:
    rows = ask(
        data,
        "SELECT value FROM readings WHERE quantity = 'active_power_w' ORDER BY measured_at",
    )
    return [row["value"] for row in rows]


@pytest.mark.parametrize("packing", ["plain", "gz", "zip"])
def test_packed_files_are_read_as_they_are(tmp_path: Path, packing: str) -> None:
    plain = tmp_path / "rows.csv"
    text = write_rows(plain)
    file = plain
    if packing == "gz":
        file = tmp_path / "rows.csv.gz"
        file.write_bytes(gzip.compress(text.encode()))
    elif packing == "zip":
        file = tmp_path / "rows.zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(plain, "folder/rows.csv")
    outcome = import_household(tmp_path / "data", file)
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("10 rows with 70 values: 70 stored, 0 known already")
    assert read_power(tmp_path / "data") == [1000.0 * (minute + 1) for minute in range(10)]


def test_several_files_in_one_go_share_what_overlaps(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    write_rows(first, 6)
    write_rows(second, 10)
    outcome = import_household(tmp_path / "data", first, second)
    assert "16 rows with 112 values: 70 stored, 42 known already" in outcome.out
    assert len(read_power(tmp_path / "data")) == 10


def test_broken_lines_are_set_aside_with_line_and_reason(tmp_path: Path) -> None:
    file = tmp_path / "broken.csv"
    lines = write_rows(file).splitlines(keepends=True)
    lines[3] = "16/12/2006,17:02:00,not a number,0.4,234.8,18.4,0,1,17\n"
    lines[5] = "16/12/2006,17:04:00,5\n"
    lines[7] = "31/02/2006,17:06:00,7,0.4,234.8,18.4,0,1,17\n"
    lines[9] = "16/12/2006,17:08:00,nan,0.4,234.8,18.4,0,1,17\n"
    file.write_text("".join(lines), encoding="utf-8")
    outcome = import_household(tmp_path / "data", file)
    assert outcome.status == 0, outcome.err
    assert "6 rows with 42 values: 42 stored" in outcome.out
    assert "; 4 rows set aside" in outcome.out
    assert read_power(tmp_path / "data") == [1000.0, 2000.0, 4000.0, 6000.0, 8000.0, 10_000.0]
    items = ask(tmp_path / "data", "SELECT * FROM quarantine ORDER BY id")
    assert [item["topic"] for item in items] == [f"broken.csv:{n}" for n in (4, 6, 8, 10)]
    assert all(item["code"] and item["detail"] for item in items)
    assert [item["payload"] for item in items] == [lines[n].strip() for n in (3, 5, 7, 9)]
    for item in items:
        assert f"  {item['code']}: " in outcome.out


def test_first_row_may_be_the_broken_one(tmp_path: Path) -> None:
    file = tmp_path / "first.csv"
    lines = write_rows(file).splitlines(keepends=True)
    lines[1] = "16/12/2006,17:00:00,1\n"
    file.write_text("".join(lines), encoding="utf-8")
    outcome = import_household(tmp_path / "data", file)
    assert outcome.status == 0, outcome.err
    assert "; 1 rows set aside" in outcome.out
    assert len(read_power(tmp_path / "data")) == 9


def test_cut_off_gzip_is_an_error_and_the_whole_file_mends_it(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv.gz"
    plain = tmp_path / "rows.csv"
    rows = "".join(
        f"{1 + minute // 1440}/1/2007,{minute // 60 % 24:02d}:{minute % 60:02d}:00,"
        f"{minute * 7919 % 10_007 / 1000},0.4,234.8,18.4,0,1,17\n"
        for minute in range(20_000)
    )
    plain.write_text(HEADER + rows, encoding="utf-8")
    packed = gzip.compress(plain.read_bytes())
    file.write_bytes(packed[: len(packed) * 2 // 3])
    outcome = import_household(tmp_path / "data", file)
    assert outcome.status == 1
    assert "rows.csv.gz: is cut off or damaged" in outcome.last_line()
    assert "Traceback" not in outcome.err
    file.write_bytes(packed)
    assert import_household(tmp_path / "data", file).status == 0
    assert len(read_power(tmp_path / "data")) == 20_000
    assert ask(tmp_path / "data", "SELECT count(*) AS n FROM quarantine") == [{"n": 0}]


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("other.csv", b"Timestamp,Power\n2026-01-01,1\n", "other.csv: "),
        ("binary.csv", bytes(range(128, 256)) * 20, "binary.csv: "),
        ("not.zip", b"PK\x03\x04" + b"x" * 50, "not.zip: is a damaged zip"),
    ],
)
def test_file_of_another_make_is_refused(tmp_path: Path, name: str, body: bytes, said: str) -> None:
    file = tmp_path / name
    file.write_bytes(body)
    outcome = import_household(tmp_path / "data", file)
    assert outcome.status == 1, outcome.out
    assert said in outcome.last_line()
    assert "Traceback" not in outcome.err


def test_row_in_another_encoding_is_set_aside_alone(tmp_path: Path) -> None:
    file = tmp_path / "latin.csv"
    write_rows(file, 3)
    file.write_bytes(file.read_bytes() + "16/12/2006,17:03:00,4 °".encode("latin-1"))
    outcome = import_household(tmp_path / "data", file)
    assert outcome.status == 0
    assert "3 rows" in outcome.out
    assert "encoding: 1" in outcome.out


def test_empty_file_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "empty.csv"
    file.touch()
    outcome = import_household(tmp_path / "data", file)
    assert (outcome.status, outcome.out[:7]) == (0, "0 rows ")


def test_second_file_of_another_make_is_refused_too(tmp_path: Path) -> None:
    good, wrong = tmp_path / "good.csv", tmp_path / "wrong.csv"
    write_rows(good)
    wrong.write_text("Timestamp,Power\n2026-01-01,1\n", encoding="utf-8")
    outcome = import_household(tmp_path / "data", good, wrong)
    assert outcome.status == 1
    assert "wrong.csv: " in outcome.last_line()
    assert len(read_power(tmp_path / "data")) == 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--profile", "uci-houshold"], "uci-household"),
        (["--profile", "tasmota"], "reads messages, not files"),
        (["--map", "time=Date,active_powr_w=Power"], "active_power_w"),
        (["--profile", "line-protocol", "--map", "time=t,active_power_w=P"], "CSV profiles only"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_made(
    tmp_path: Path, words: list[str], said: str
) -> None:
    file = tmp_path / "rows.csv"
    write_rows(file)
    outcome = invoke("import", file, *words, "--data", tmp_path / "data")
    assert outcome.status == 78
    assert said in outcome.err
    assert not (tmp_path / "data").exists()


def test_missing_file_is_named(tmp_path: Path) -> None:
    outcome = invoke("import", tmp_path / "no.csv", "--data", tmp_path / "data")
    assert outcome.status == 78
    assert "no.csv does not exist" in outcome.last_line()


def test_generic_table_with_columns_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "meter.csv"
    file.write_text(
        "When;Power;Counter;Note\n"
        "01.05.2026 00:00;1,5;100,0;a\n"
        "01.05.2026 00:15;2,5;100,5;b\n"
        "01.05.2026 00:30;;101,0;c\n",
        encoding="utf-8",
    )
    outcome = invoke(
        "import",
        file,
        "--map",
        'time=When,time_format="%d.%m.%Y %H:%M",time_zone=Europe/Berlin,decimal=",",'
        "active_power_w=Power:kW@shed,energy_import_wh=Counter:kWh@shed",
        "--data",
        tmp_path / "data",
    )
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("3 rows with 6 values: 6 stored, 0 known already, 1 marked")
    rows = ask(tmp_path / "data", "SELECT * EXCLUDE site FROM readings ORDER BY ALL")
    assert [(row["quantity"], row["measured_at"], row["value"]) for row in rows] == [
        ("active_power_w", "2026-04-30T22:00:00Z", 1500.0),
        ("active_power_w", "2026-04-30T22:15:00Z", 2500.0),
        ("active_power_w", "2026-04-30T22:30:00Z", None),
        ("energy_import_wh", "2026-04-30T22:00:00Z", 100_000.0),
        ("energy_import_wh", "2026-04-30T22:15:00Z", 100_500.0),
        ("energy_import_wh", "2026-04-30T22:30:00Z", 101_000.0),
    ]
    assert {row["device"] for row in rows} == {"shed"}


def test_generic_table_named_like_the_catalogue_needs_no_words(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(
        "measured_at,active_power_w,voltage_v@shed\n2026-05-01T00:00:00Z,12.5,NA\n",
        encoding="utf-8",
    )
    assert invoke("import", file, "--data", tmp_path / "data").status == 0
    rows = ask(tmp_path / "data", "SELECT device, quantity, value FROM readings ORDER BY ALL")
    assert rows == [
        {"device": "meter", "quantity": "active_power_w", "value": 12.5},
        {"device": "shed", "quantity": "voltage_v", "value": None},
    ]


def test_line_protocol_file(tmp_path: Path) -> None:
    file = tmp_path / "points.lp"
    file.write_text(
        "power,device=heat\\ pump active_power_w=1200.5,voltage_v=231 1767225600000000000\n"
        "power,device=heat\\ pump active_power_w=1300 1767225660000000000\n"
        "power,device=heat\\ pump active_power_w= 1767225720000000000\n"
        "# a remark\n"
        "boiler active_power_w=3 1767225600000000000\n",
        encoding="utf-8",
    )
    words = ("import", file, "--profile", "line-protocol", "--data", tmp_path / "data")
    outcome = invoke(*words)
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith("3 rows with 4 values: 4 stored")
    assert "; 1 rows set aside" in outcome.out
    rows = ask(tmp_path / "data", "SELECT * EXCLUDE site FROM readings ORDER BY ALL")
    assert [(row["device"], row["measured_at"], row["value"]) for row in rows] == [
        ("boiler", "2026-01-01T00:00:00Z", 3.0),
        ("heat pump", "2026-01-01T00:00:00Z", 1200.5),
        ("heat pump", "2026-01-01T00:01:00Z", 1300.0),
        ("heat pump", "2026-01-01T00:00:00Z", 231.0),
    ]
    aside = ask(tmp_path / "data", "SELECT topic, code FROM quarantine")
    assert aside[0]["topic"] == "points.lp:3"
    again = invoke(*words)
    assert "0 stored, 4 known already" in again.out


def test_values_out_of_range_are_marked_in_both_kinds_of_file(tmp_path: Path) -> None:
    table, points = tmp_path / "t.csv", tmp_path / "p.lp"
    table.write_text("measured_at,voltage_v\n2026-05-01T00:00:00Z,-5\n", encoding="utf-8")
    points.write_text("m,device=lp voltage_v=-5 1767225600000000000\n", encoding="utf-8")
    data = tmp_path / "data"
    assert invoke("import", table, "--data", data).status == 0
    assert invoke("import", points, "--profile", "line-protocol", "--data", data).status == 0
    rows = ask(data, "SELECT device, quality FROM readings ORDER BY device")
    assert rows == [
        {"device": "lp", "quality": "implausible"},
        {"device": "meter", "quality": "implausible"},
    ]


def test_future_values_are_refused_with_advice(tmp_path: Path) -> None:
    file = tmp_path / "future.csv"
    file.write_text("measured_at,voltage_v\n2199-05-01T00:00:00Z,230\n", encoding="utf-8")
    outcome = invoke("import", file, "--data", tmp_path / "data")
    assert outcome.status == 1
    assert "lie in the future" in outcome.last_line()
