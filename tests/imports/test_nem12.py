"""Check 8: Australian meter data, each file with the sums that it must give."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.invocation import ask, invoke
from tests.imports.checks import read_check, read_number
from wattscope.compute.files.nem12 import MarketMap, decode_records
from wattscope.compute.files.table_rows import BadFile, BadRow
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import Quality

MARKET = timedelta(hours=10)
HOUSEHOLD = "household_m1_nem12.csv.gz"
QUANTITY_OF_LETTER = {
    "E": "energy_import_delta_wh",
    "B": "energy_export_delta_wh",
    "Q": "reactive_energy_import_delta_varh",
    "K": "reactive_energy_export_delta_varh",
    "V": "voltage_v",
}


def read_expected(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((folder / "nem12/expected.json").read_text())
    return found


def find_file(folder: Path, name: str) -> Path:
    at = folder / "nem12" / name
    return at if at.exists() else folder / "nem12" / "aemo-samples" / name


def key_of(channel: str, total: float) -> tuple[str, str]:
    """Device and quantity of a channel such as ``NEM1201002/E2``."""
    nmi, suffix = channel.split("/")
    if suffix[0].isdigit():
        way = "import" if total >= 0 else "export"
        return f"{nmi}-{suffix}", f"energy_{way}_delta_wh"
    return (nmi if suffix[1] == "1" else f"{nmi}-{suffix[1]}"), QUANTITY_OF_LETTER[suffix[0]]


def test_samples_give_their_sums(shared_data: Path) -> None:
    """All of them, by the decoder; through the program, below."""
    samples = {
        name: told
        for name, told in read_expected(shared_data).items()
        if not name.startswith("invalid/") and name != HOUSEHOLD
    }
    assert len(samples) > 80
    for name, told in samples.items():
        values: dict[tuple[str, str], list[float]] = defaultdict(list)
        at_us: dict[tuple[str, str], list[int]] = defaultdict(list)
        n_estimated = 0
        content = find_file(shared_data, name).read_bytes()
        for group in decode_records([content], MarketMap()):
            assert not isinstance(group, BadFile | BadRow), (name, group)
            [column] = group.columns
            values[column.device, column.quantity] += column.value.tolist()
            at_us[column.device, column.quantity] += group.measured_at_us.tolist()
            n_estimated += int((column.quality == Quality.ESTIMATED).sum())
        wanted = told["channels"]
        assert set(values) == {key_of(channel, one["sum"]) for channel, one in wanted.items()}, name
        for channel, one in wanted.items():
            key = key_of(channel, one["sum"])
            factor = 1000.0 if one["uom"].lower().startswith("k") else 1.0
            assert len(values[key]) == one["n"], (name, channel)
            assert sum(values[key]) == pytest.approx(abs(one["sum"]) * factor, rel=1e-6), name
            start = datetime.fromisoformat(one["start"]).replace(tzinfo=UTC) - MARKET
            assert min(at_us[key]) == start.timestamp() * 1e6, (name, channel)
        flags = {flag[0] for one in wanted.values() for flag in one["quality"]}
        assert bool(n_estimated) is bool(flags - {"A"}), name


def test_sample_goes_through_the_program_by_what_it_is(shared_data: Path, tmp_path: Path) -> None:
    name = "Example_NEM12_multiple_meters.csv"
    told = read_expected(shared_data)[name]["channels"]
    outcome = invoke("import", find_file(shared_data, name), "--data", tmp_path)
    assert outcome.status == 0, outcome.err
    assert f"{name}: read by profile nem12" in outcome.out
    rows = ask(
        tmp_path,
        "SELECT device, quantity, unit, count(*) AS n, sum(value) AS total "
        "FROM readings GROUP BY ALL",
    )
    found = {(row["device"], row["quantity"]): (row["n"], row["total"]) for row in rows}
    assert found == {key_of(channel, 1): (one["n"], one["sum"]) for channel, one in told.items()}
    assert {row["unit"] for row in rows} == {"Wh", "varh"}


@pytest.fixture(scope="module")
def household(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    data = tmp_path_factory.mktemp("m1")
    outcome = invoke("import", shared_data / "nem12" / HOUSEHOLD, "--data", data)
    assert outcome.status == 0, outcome.err
    return data, outcome.out


def test_home_of_three_years(household: tuple[Path, str], shared_data: Path) -> None:
    data, said = household
    check = read_check(shared_data, 8)
    [row] = ask(
        data,
        "SELECT device, quantity, count(*) AS n, sum(value) / 1000 AS kwh, "
        "min(measured_at) AS first, max(measured_at) AS last FROM readings GROUP BY ALL",
    )
    assert row["n"] == int(read_number(check, r"household_m1: ([\d,]+) intervals"))
    assert row["kwh"] == pytest.approx(read_number(check, r"intervals, ([\d,.]+) kWh"), rel=1e-6)
    found = re.search(r"kWh, (\d{4}-\d\d-\d\d) to (\d{4}-\d\d-\d\d)", check)
    assert found is not None
    start, end = (
        datetime.fromisoformat(day).replace(tzinfo=UTC) - MARKET for day in found.groups()
    )
    assert datetime.fromisoformat(row["first"]) == start
    assert datetime.fromisoformat(row["last"]) == end - timedelta(minutes=30)
    n_records = int(read_number(check, r"(\d+) quality rows kept"))
    assert f"  {n_records} records of the quality of values were heeded" in said


def test_home_again_changes_nothing(household: tuple[Path, str], shared_data: Path) -> None:
    data, said = household
    outcome = invoke("import", shared_data / "nem12" / HOUSEHOLD, "--data", data)
    n = int(said.partition("rows with ")[2].split(" ")[0])
    assert f"{n} rows with {n} values: 0 stored, {n} known already" in outcome.out


def test_table_of_a_retailer(shared_data: Path, tmp_path: Path) -> None:
    check = read_check(shared_data, 8)
    file = shared_data / "nem12" / "household_m4_retailer_long.csv.gz"
    outcome = invoke("import", file, "--data", tmp_path)
    assert outcome.status == 0, outcome.err
    assert "read by profile nmi-retailer-csv" in outcome.out
    [row] = ask(
        tmp_path,
        "SELECT device, quantity, count(*) AS n, sum(value) / 1000 AS kwh "
        "FROM readings GROUP BY ALL",
    )
    assert (row["device"], row["quantity"]) == ("NMI00000004", "energy_import_delta_wh")
    assert row["n"] == int(read_number(check, r"m4: ([\d,]+) rows"))
    assert row["kwh"] == pytest.approx(read_number(check, r"rows, ([\d,.]+) kWh"), rel=1e-6)


def test_damaged_files_name_their_line_and_store_nothing(shared_data: Path, tmp_path: Path) -> None:
    check = read_check(shared_data, 8)
    told = read_expected(shared_data)
    refused = [name for name, one in told.items() if not one["ok"]]
    assert len(refused) == int(read_number(check, r"the (\d+) rejected invalid files"))
    for name in refused:
        outcome = invoke(
            "import", find_file(shared_data, name), "--profile", "nem12", "--data", tmp_path
        )
        assert outcome.status == 1, name
        assert re.search(rf"{Path(name).name}, line \d+: ", outcome.last_line()), name
        assert "Traceback" not in outcome.err
    assert ask(tmp_path, "SELECT count(*) AS n FROM readings") == [{"n": 0}]
    assert ask(tmp_path, "SELECT count(*) AS n FROM devices") == [{"n": 0}]


def test_quantities_of_streams_are_amounts_of_intervals() -> None:
    for letter, name in QUANTITY_OF_LETTER.items():
        assert (QUANTITIES[name].kind.value == "delta") is (letter != "V")
