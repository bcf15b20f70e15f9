"""Real measurements as sets for the store's benchmark; the files are not part of this repository.

They lie in ``../shared/data``, or below the folder that ``WATTSCOPE_SHARED`` names. The readings
are taken as printed; only kilowatts become watts, which moves the point and nothing else.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from benchmarks.store_sets import Column, MeasuredSet
from wattscope.core.time_grid import US_PER_MINUTE, to_us

_ROOT = Path(__file__).resolve().parents[1]
_SOLAR = "solar-plant-1/Plant_1_Generation_Data.csv.gz"
_HOUSEHOLD = "household-uci/household_minute_2006-12-16_2007-01-19.csv.gz"
_INDIA = timezone(timedelta(hours=5, minutes=30))
_FRENCH_WINTER = timezone(timedelta(hours=1))
_N_HOUSEHOLD_ROWS = 2_000_000
_MOST_DECIMALS = 12


class DataMissingError(Exception):
    """The folder of real measurements is absent; the message says which."""


def find_shared() -> Path:
    """The folder of real measurements.

    Raises:
        DataMissingError: It is absent.
    """
    named = os.environ.get("WATTSCOPE_SHARED")
    folder = Path(named) if named else _ROOT.parent / "shared"
    folder = folder / "data" if (folder / "data").is_dir() else folder
    if not (folder / _SOLAR).is_file():
        raise DataMissingError("the real data is absent (folder ../shared/data, WATTSCOPE_SHARED)")
    return folder


def read_solar(folder: Path) -> MeasuredSet:
    """22 inverters, 15 minutes, 34 days: four quantities with as many digits as the file has."""
    lines = list(_read_rows(folder / _SOLAR))
    names = tuple(sorted({line["SOURCE_KEY"] for line in lines}))
    number = {name: at for at, name in enumerate(names)}
    at_us = [_read_time(line["DATE_TIME"], "%d-%m-%Y %H:%M", _INDIA) for line in lines]
    unordered = MeasuredSet(
        name="solar-plant-1",
        meters=names,
        meter=np.array([number[line["SOURCE_KEY"]] for line in lines], np.int32),
        at_us=np.array(at_us, np.int64),
        columns=(
            _read_column(lines, "DC_POWER", "dc_power", "dc_power_w"),
            _read_column(lines, "AC_POWER", "ac_power", "production_power_w"),
            _read_column(lines, "DAILY_YIELD", "daily_yield", "energy_export_wh"),
            _read_column(lines, "TOTAL_YIELD", "total_yield", "energy_production_wh"),
        ),
        step_us=15 * US_PER_MINUTE,
    )
    return _order_by_meter(unordered)


def read_household(folder: Path) -> MeasuredSet:
    """One home, one minute: 47,955 readings of seven values, again and again later in time.

    The five minutes without values are left out: not every subject can hold a missing value.
    """
    lines = [line for line in _read_rows(folder / _HOUSEHOLD) if line["Voltage"] != "?"]
    stamps = [f"{line['Date']} {line['Time']}" for line in lines]
    at_us = np.array([_read_time(one, "%d/%m/%Y %H:%M:%S", _FRENCH_WINTER) for one in stamps])
    n_times = -(-_N_HOUSEHOLD_ROWS // len(lines))
    length_us = int(at_us[-1] - at_us[0]) + US_PER_MINUTE
    delta = "energy_import_delta_wh"
    once = (
        _read_column(lines, "Global_active_power", "power", "active_power_w", scale=3),
        _read_column(lines, "Global_reactive_power", "reactive", "reactive_power_var", scale=3),
        _read_column(lines, "Voltage", "voltage", "voltage_v"),
        _read_column(lines, "Global_intensity", "current", "current_a"),
        replace(_read_column(lines, "Sub_metering_1", "kitchen", delta), part="-kitchen"),
        replace(_read_column(lines, "Sub_metering_2", "laundry", delta), part="-laundry"),
        replace(_read_column(lines, "Sub_metering_3", "heating", delta), part="-heating"),
    )
    return MeasuredSet(
        name="household-uci",
        meters=("household",),
        meter=np.zeros(n_times * len(lines), np.int32),
        at_us=(at_us[None, :] + length_us * np.arange(n_times)[:, None]).ravel(),
        columns=tuple(replace(one, values=np.tile(one.values, n_times)) for one in once),
        step_us=US_PER_MINUTE,
    )


def _read_rows(file: Path) -> Iterator[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def _read_time(text: str, form: str, zone: timezone) -> int:
    return to_us(datetime.strptime(text, form).replace(tzinfo=zone).astimezone(UTC))


def _read_column(
    lines: list[dict[str, str]], header: str, name: str, quantity: str, *, scale: int = 0
) -> Column:
    """A column of the file; ``scale`` moves the point by so many digits to the right."""
    printed = [line[header] for line in lines]
    decimals = max(len(text.partition(".")[2]) for text in printed)
    digits = min(_MOST_DECIMALS, max(0, decimals - scale))
    # Through the decimal text, so that the double is the one nearest to what was printed.
    values = np.array([float(f"{text}e{scale}") for text in printed])
    return Column(name, quantity, digits, values)


def _order_by_meter(found: MeasuredSet) -> MeasuredSet:
    order = np.lexsort((found.at_us, found.meter))
    columns = tuple(replace(one, values=one.values[order]) for one in found.columns)
    return replace(found, meter=found.meter[order], at_us=found.at_us[order], columns=columns)
