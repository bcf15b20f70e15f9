"""Totals of registers go on, whatever becomes of the meter, and are the same after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.outputs.test_energy_today import CountingStore
from tests.web.applications import put
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.time_grid import US_PER_HOUR, US_PER_MINUTE, day_start_us, load_zone
from wattscope.core.topology import Device, DeviceKind, Series
from wattscope.outputs.energy_totals import EnergyTotals
from wattscope.settings import Settings, SiteSettings

PARIS = load_zone("Europe/Paris")
FIRST = date(2026, 3, 27)
"""Two days before the day of 23 hours."""


def noon_us(days: int) -> int:
    return day_start_us(FIRST + timedelta(days=days), PARIS) + 12 * US_PER_HOUR


@pytest.fixture
def storage(tmp_path: Path, no_fsync: None) -> Iterator[Storage]:  # noqa: ARG001  # no machine crashes
    settings = Settings(sources=(), site=SiteSettings(id="home", time_zone="Europe/Paris"))
    with open_storage(settings, tmp_path) as opened:
        for name in ("main", "attic"):
            opened.registry.put_device(Device(name, "home", name, DeviceKind.METER))
        yield opened


def count(storage: Storage, device: str, days: int, start: float, step: float) -> float:
    """Readings of a register each half hour of a local day, from ``start`` on; the last of them."""
    at_us = day_start_us(FIRST + timedelta(days=days), PARIS)
    end_us = day_start_us(FIRST + timedelta(days=days + 1), PARIS)
    rows: list[tuple[int, float | None]] = []
    while at_us < end_us:
        rows.append((at_us, start + step * len(rows)))
        at_us += 30 * US_PER_MINUTE
    put(storage, device, "energy_import_wh", rows)
    return rows[-1][1] or 0.0


def list_registers(storage: Storage) -> list[Series]:
    return storage.registry.list_series()


def make(storage: Storage) -> EnergyTotals:
    return EnergyTotals(storage.store, lambda _: "Europe/Paris")


def total(totals: EnergyTotals, storage: Storage, device: str, now_us: int) -> float:
    [series] = [one for one in list_registers(storage) if one.device == device]
    return totals.read([series], now_us)[series.id]


def test_register_that_only_grows_is_its_own_total(storage: Storage) -> None:
    last = 1000.0
    totals = make(storage)
    for day in range(5):
        last = count(storage, "main", day, last, 10.0)
        assert total(totals, storage, "main", noon_us(day)) == pytest.approx(last)
    assert total(make(storage), storage, "main", noon_us(4)) == pytest.approx(last)


def test_total_goes_on_where_the_register_begins_again(storage: Storage) -> None:
    last = count(storage, "main", 0, 500_000.0, 10.0)
    totals = make(storage)
    assert total(totals, storage, "main", noon_us(0)) == pytest.approx(last)
    # A new meter: its register begins at zero.
    again = count(storage, "main", 1, 0.0, 10.0)
    found = total(totals, storage, "main", noon_us(1))
    assert found == pytest.approx(last + again)
    assert total(make(storage), storage, "main", noon_us(1)) == pytest.approx(found)


def test_single_wrong_reading_moves_nothing(storage: Storage) -> None:
    last = count(storage, "main", 0, 1000.0, 10.0)
    totals = make(storage)
    before = total(totals, storage, "main", noon_us(0))
    start_us = day_start_us(FIRST + timedelta(days=1), PARIS)
    rows = [(start_us + n * US_PER_MINUTE, last + n) for n in range(20)]
    rows[9] = (rows[9][0], 0.0)
    seen = [before]
    for at in range(len(rows)):
        put(storage, "main", "energy_import_wh", rows[at : at + 1])
        seen.append(total(totals, storage, "main", rows[at][0]))
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(last + 19)


def test_register_without_a_value_has_no_total(storage: Storage) -> None:
    storage.registry.ensure_series("attic", "energy_import_wh")
    count(storage, "main", 0, 0.0, 1.0)
    found = make(storage).read(list_registers(storage), noon_us(0))
    assert len(found) == 1


def test_days_before_are_summed_once_a_day(storage: Storage) -> None:
    count(storage, "main", 0, 0.0, 1.0)
    counting = CountingStore(storage)
    totals = EnergyTotals(counting, lambda _: "Europe/Paris")  # type: ignore[arg-type]  # only roll_up is asked of it
    for minute in range(5):
        totals.read(list_registers(storage), noon_us(1) + minute * US_PER_MINUTE)
    assert len(counting.asked) == 6
    totals.read(list_registers(storage), noon_us(2))
    assert len(counting.asked) == 8
