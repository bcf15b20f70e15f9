"""Check 9: telegrams of real meters as files, P1 and SML, through the program."""

from __future__ import annotations

import json
import os
import re
from collections import Counter, defaultdict
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.invocation import ask, invoke
from tests.compute.telegrams.spoken import Field, entry, say_p1, say_sml, value_list
from tests.compute.telegrams.test_p1 import read_stream
from tests.imports.checks import read_check, read_number

WRITTEN_S = 1_700_000_000
OBIS_QUANTITY = {
    "1.8.0": "energy_import_wh",
    "1.8.1": "energy_import_t1_wh",
    "1.8.2": "energy_import_t2_wh",
    "2.8.0": "energy_export_wh",
    "2.8.1": "energy_export_t1_wh",
    "2.8.2": "energy_export_t2_wh",
    "16.7.0": "active_power_w",
    "36.7.0": "active_power_l1_w",
    "56.7.0": "active_power_l2_w",
    "76.7.0": "active_power_l3_w",
    "32.7.0": "voltage_l1_v",
    "52.7.0": "voltage_l2_v",
    "72.7.0": "voltage_l3_v",
    "31.7.0": "current_l1_a",
    "51.7.0": "current_l2_a",
    "71.7.0": "current_l3_a",
    "14.7.0": "frequency_hz",
}
READINGS = "SELECT device, quantity, value, measured_at FROM readings ORDER BY measured_at"


def take(data: Path, file: Path, *words: str | Path) -> list[dict[str, Any]]:
    """Import a file; what is in the store then."""
    outcome = invoke("import", file, "--data", data, *words)
    assert outcome.status == 0, outcome.err
    return ask(data, READINGS)


def aside(data: Path) -> Counter[str]:
    return Counter(row["code"] for row in ask(data, "SELECT code FROM quarantine"))


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, (WRITTEN_S, WRITTEN_S))
    return path


# ── P1 ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "UTC"])
def test_telegram_of_dsmr_5(shared_data: Path, tmp_path: Path, zone: str) -> None:
    check = read_check(shared_data, 9)
    settings = tmp_path / "wattscope.toml"
    settings.write_text(f'[site]\ntime_zone = "{zone}"\n', encoding="utf-8")
    rows = take(tmp_path / "data", shared_data / "dsmr-p1" / "v5.txt", "-c", settings)
    found = {row["quantity"]: row for row in rows}
    t1, t2 = re.search(r"([\d.]+) / ([\d.]+) kWh in", check).groups()  # type: ignore[union-attr]  # fails with it
    assert found["energy_import_t1_wh"]["value"] == float(t1) * 1000
    assert found["energy_import_t2_wh"]["value"] == float(t2) * 1000
    kwh_out = read_number(check, r"([\d.]+) kWh out")
    assert found["energy_export_wh"]["value"] == kwh_out * 1000
    assert found["active_power_w"]["value"] == read_number(check, r"([\d.]+) kW,") * 1000
    assert found["gas_import_m3"]["value"] == read_number(check, r"gas ([\d.]+) m3")
    at = re.search(r"\((\d\d:\d\d:\d\d)Z\)", check)
    assert at is not None
    assert found["active_power_w"]["measured_at"] == f"2017-01-02T{at[1]}Z"
    assert {row["device"] for row in rows} == {"K8EG004046395507"}
    assert aside(tmp_path / "data") == Counter()


def test_all_real_telegrams_give_their_registers(shared_data: Path) -> None:
    told = json.loads((shared_data / "dsmr-p1" / "expected.json").read_text(encoding="utf-8"))
    assert len(told) == 13
    for name, one in told.items():
        readings = read_stream((shared_data / "dsmr-p1" / name).read_bytes())
        found = {
            quantity: value
            for reading in readings
            for quantity, value in zip(reading.quantities, reading.values, strict=True)
        }
        assert found, name
        registers = {code.partition(":")[2]: text for code, text in one["registers"].items()}
        for code, text in registers.items():
            quantity = OBIS_QUANTITY.get(code)
            if quantity is not None:
                number, _, unit = text.partition("*")
                wanted = float(number) * (1000 if unit.startswith("k") else 1)
                assert found[quantity] == pytest.approx(wanted, rel=1e-12), (name, code)
        if "1.7.0" in registers:
            drawn, given = (float(registers[c].partition("*")[0]) for c in ("1.7.0", "2.7.0"))
            factor = 1000 if "kW" in registers["1.7.0"] else 1
            power = pytest.approx((drawn - given) * factor, rel=1e-12)
            assert found["active_power_w"] == power, name


def test_second_gas_meter_is_read_and_the_unused_one_is_not(
    shared_data: Path, tmp_path: Path
) -> None:
    rows = take(tmp_path, shared_data / "dsmr-p1" / "v5_two_mbus.txt")
    assert [row["value"] for row in rows if row["quantity"] == "gas_import_m3"] == [246.138]


def test_bad_telegram_in_a_file_costs_itself_alone(tmp_path: Path) -> None:
    def telegram(second: int, watt: int) -> bytes:
        return say_p1(f"0-0:1.0.0(2601021920{second:02d}W)", f"1-0:1.7.0(00.{watt:03d}*kW)")

    good = [telegram(second, 100 + second) for second in range(5)]
    damaged = good[1].replace(b"00.101", b"00.901")
    stream = good[0][7:] + good[0] + damaged + good[2][:40] + good[3] + b"noise" + good[4]
    rows = take(tmp_path / "data", write(tmp_path / "log.txt", stream))
    assert [row["value"] for row in rows] == [100.0, 103.0, 104.0]
    assert aside(tmp_path / "data") == Counter({"syntax": 3, "checksum": 1})
    [item] = ask(tmp_path / "data", "SELECT topic, payload FROM quarantine WHERE code = 'checksum'")
    assert "00.901" in item["payload"]
    line = (good[0][7:] + good[0]).count(b"\n") + 1
    assert item["topic"] == f"log.txt:{line}"


def test_file_of_something_else_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "log.txt", b"no telegram\n")
    for profile in ("dsmr-p1", "sml"):
        outcome = invoke("import", file, "--profile", profile, "--data", tmp_path / "data")
        assert outcome.status == 1
        assert f"log.txt, line 1: holds no telegram of profile {profile}" in outcome.last_line()


# ── SML ──────────────────────────────────────────────────────────────────────────────────────


def test_captures_give_all_their_good_frames(shared_data: Path, tmp_path: Path) -> None:
    check = read_check(shared_data, 9)
    told = json.loads((shared_data / "sml-dumps" / "expected.json").read_text(encoding="utf-8"))
    assert len(told) == read_number(check, r"good frames in (\d+) captures")
    files = []
    for hour, name in enumerate(told):
        content = (shared_data / "sml-dumps" / name).read_bytes()
        files.append(write(tmp_path / name, content))
        # Frames are of the minutes before a file was written: its hour names the file again.
        os.utime(files[-1], (WRITTEN_S + 3600 * hour, WRITTEN_S + 3600 * hour))
    outcome = invoke("import", *files, "--data", tmp_path / "data")
    assert outcome.status == 0, outcome.err
    by_hour = defaultdict(list)
    for row in ask(tmp_path / "data", READINGS):
        at_s = datetime.fromisoformat(row["measured_at"]).timestamp()
        by_hour[ceil((at_s - WRITTEN_S) / 3600)].append(row)
    n_frames = 0
    for hour, (name, one) in enumerate(told.items()):
        rows = by_hour[hour]
        n_here = len({row["measured_at"] for row in rows})
        assert n_here == one["frames_ok"], name
        n_frames += n_here
        for frame, ordered in ((one["first_frame"], rows), (one["last_frame"], rows[::-1])):
            for code, value in (frame or {}).items():
                short = code.partition(":")[2].partition("*")[0]
                if short in OBIS_QUANTITY:
                    found = next(r for r in ordered if r["quantity"] == OBIS_QUANTITY[short])
                    assert found["value"] == pytest.approx(value["value"], rel=1e-12), (name, code)
    assert n_frames == read_number(check, r"SML: (\d+) good frames")
    [error] = [name for name in told if "_with_error" in name]
    assert by_hour[list(told).index(error)] == []


def test_figures_of_the_check(shared_data: Path, tmp_path: Path) -> None:
    check = read_check(shared_data, 9)
    rows = take(tmp_path, shared_data / "sml-dumps" / "DZG_DVS-7420.2V.G2_mtr1.bin")
    first = {row["quantity"]: row["value"] for row in reversed(rows)}
    assert first["energy_import_wh"] == read_number(check, r"1\.8\.0 = ([\d,.]+) Wh")
    assert first["active_power_w"] == read_number(check, r"and ([\d.]+) W;")


def test_capture_with_an_error_yields_nothing_and_says_so(
    shared_data: Path, tmp_path: Path
) -> None:
    [name] = [path for path in (shared_data / "sml-dumps").iterdir() if "_with_error" in path.name]
    assert take(tmp_path, name) == []
    assert aside(tmp_path)["syntax"] >= 11


def test_frames_with_a_wrong_checksum_are_counted(shared_data: Path, tmp_path: Path) -> None:
    told = json.loads((shared_data / "sml-dumps" / "expected.json").read_text(encoding="utf-8"))
    [(name, one)] = [(name, one) for name, one in told.items() if "CrcError" in one["frame_errors"]]
    take(tmp_path, shared_data / "sml-dumps" / name)
    assert aside(tmp_path)["checksum"] == one["n_errors"]


def frame(seconds: int | None, wh: int) -> bytes:
    clock: Field = None if seconds is None else [1, seconds]
    return say_sml(value_list(entry("1.8.0", wh, scaler=0), seconds=clock))


def test_seconds_of_the_meter_place_frames_before_the_end_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "dump.bin", frame(500, 1) + frame(504, 2) + frame(505, 3))
    rows = take(tmp_path / "data", file)
    assert [(row["measured_at"], row["value"]) for row in rows] == [
        ("2023-11-14T22:13:15Z", 1.0),
        ("2023-11-14T22:13:19Z", 2.0),
        ("2023-11-14T22:13:20Z", 3.0),
    ]
    outcome = invoke("import", file, "--data", tmp_path / "data")
    assert "3 rows with 3 values: 0 stored, 3 known already" in outcome.out


def test_frames_without_seconds_are_placed_by_the_interval(tmp_path: Path) -> None:
    rows = take(tmp_path / "data", write(tmp_path / "dump.bin", frame(None, 1) + frame(None, 2)))
    assert [row["measured_at"] for row in rows] == ["2023-11-14T22:13:18Z", "2023-11-14T22:13:20Z"]


def test_frames_from_before_a_restart_of_the_meter_are_set_aside(tmp_path: Path) -> None:
    content = frame(9000, 1) + frame(9001, 2) + frame(3, 3) + frame(5, 4)
    rows = take(tmp_path / "data", write(tmp_path / "dump.bin", content))
    assert [row["value"] for row in rows] == [3.0, 4.0]
    assert aside(tmp_path / "data") == Counter({"bad_time": 2})
