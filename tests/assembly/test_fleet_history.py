"""A simulated past of many meters: what the store has of it, once or twice written, or resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.cli.invocation import invoke
from wattscope.assembly.fleet_history import FleetHistory
from wattscope.assembly.history import fill_history
from wattscope.assembly.simulation import build_simulator
from wattscope.assembly.storage import Storage, open_storage
from wattscope.cli.options import read_recipe
from wattscope.core.errors import TransientError
from wattscope.core.reading import Batch
from wattscope.core.time_grid import US_PER_DAY, US_PER_HOUR, US_PER_S, parse_instant
from wattscope.ports import StoreReceipt
from wattscope.registry.profile_library import ProfileLibrary
from wattscope.simulate.grid_simulator import GridSimulator
from wattscope.simulate.simulator import FleetColumns

SETTINGS = read_recipe("grid")
NOW_US = parse_instant("2026-03-09T10:20:30Z")
A_DAY = 288
QUANTITIES = 5


def build(count: int = 10, **changes: object) -> GridSimulator:
    changes = {"meters": count, **changes}
    simulator = build_simulator("grid", SETTINGS, ProfileLibrary(), changes=changes)
    assert isinstance(simulator, GridSimulator)
    return simulator


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with open_storage(SETTINGS, tmp_path / "grid") as opened:
        yield opened


def write(storage: Storage, simulator: GridSimulator, start_us: int, end_us: int) -> int:
    fleet = FleetHistory(storage.store, storage.registry, simulator)
    return fleet.write(start_us, end_us, lambda _done, _all: None)


def read_all(storage: Storage) -> Batch:
    series = [one.id for one in storage.registry.list_series()]
    return storage.store.read_raw(series, 0, NOW_US + 365 * US_PER_DAY)


def assert_same(left: Batch, right: Batch) -> None:
    for name in ("series_id", "measured_at_us", "value"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


def test_what_is_stored_is_what_the_simulator_tells(storage: Storage) -> None:
    simulator, start_us = build(), NOW_US - 2 * US_PER_DAY
    assert write(storage, simulator, start_us, NOW_US) == 10 * 2 * A_DAY * QUANTITIES
    for columns in simulator.history(start_us, NOW_US):
        series = storage.registry.find_series(columns.device, columns.quantity)
        assert series is not None
        span_us = int(columns.measured_at_us[0]), int(columns.measured_at_us[-1]) + 1
        rows = storage.store.read_raw([series], *span_us)
        np.testing.assert_array_equal(rows.measured_at_us, columns.measured_at_us)
        np.testing.assert_array_equal(rows.value, columns.value)
        assert not rows.quality.any()


@pytest.mark.parametrize("energy", ["counter", "interval"])
def test_written_twice_is_written_once(storage: Storage, energy: str) -> None:
    simulator, start_us = build(energy=energy), NOW_US - 3 * US_PER_DAY
    write(storage, simulator, start_us, NOW_US)
    once = read_all(storage)
    files = storage.store.describe()["bytes"]
    assert write(storage, simulator, start_us, NOW_US) == 0
    assert_same(read_all(storage), once)
    assert storage.store.describe()["bytes"] == files, "nothing was even written again"


def test_a_later_end_and_an_earlier_start_add_only_what_is_missing(storage: Storage) -> None:
    simulator = build()
    write(storage, simulator, NOW_US - US_PER_DAY, NOW_US)
    later_us = NOW_US + 40 * 60 * US_PER_S
    added = write(storage, simulator, NOW_US - 2 * US_PER_DAY, later_us)
    assert added == 10 * (A_DAY + 8) * QUANTITIES
    assert len(read_all(storage)) == 10 * (2 * A_DAY + 8) * QUANTITIES


def test_more_meters_of_the_same_grid_are_added(storage: Storage) -> None:
    start_us = NOW_US - US_PER_DAY
    write(storage, build(25), start_us, NOW_US)
    write(storage, build(50), start_us, NOW_US)
    assert len(read_all(storage)) == 50 * A_DAY * QUANTITIES
    assert write(storage, build(50), start_us, NOW_US) == 0


def test_readings_that_came_alive_are_filled_up_around(storage: Storage) -> None:
    """The program has heard some meters for an hour before a past is wanted."""
    simulator, start_us = build(), NOW_US - US_PER_DAY
    heard = write(storage, build(4), NOW_US - 2 * US_PER_HOUR, NOW_US - US_PER_HOUR)
    assert heard == 4 * 12 * QUANTITIES
    write(storage, simulator, start_us, NOW_US)
    assert len(read_all(storage)) == 10 * A_DAY * QUANTITIES


class _FailingStore:
    """Takes some blocks, then the disk is full."""

    def __init__(self, storage: Storage, n_blocks: int) -> None:
        self._store = storage.store
        self._left = n_blocks

    def load(self, batch: Batch) -> StoreReceipt:
        if not self._left:
            raise TransientError("disk full")
        self._left -= 1
        return self._store.load(batch)

    def read_raw(self, series: Sequence[int], start_us: int, end_us: int) -> Batch:
        return self._store.read_raw(series, start_us, end_us)


def test_what_was_interrupted_goes_on_where_it_stopped(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wattscope.assembly.fleet_history._BLOCK_VALUES", 1)
    simulator, start_us = build(), NOW_US - 5 * US_PER_DAY
    seen: list[tuple[int, int]] = []
    fleet = FleetHistory(_FailingStore(storage, 3), storage.registry, simulator)
    with pytest.raises(TransientError):
        fleet.write(start_us, NOW_US, lambda done, all_: seen.append((done, all_)))
    assert len(seen) == 3
    there = len(read_all(storage))
    again = _FailingStore(storage, 3)
    FleetHistory(again, storage.registry, simulator).write(start_us, NOW_US, lambda *_: None)
    assert not again._left, "three blocks were missing, and no other was written"
    with open_storage(SETTINGS, tmp_path / "whole") as other:
        write(other, simulator, start_us, NOW_US)
        assert there < len(read_all(other))
        assert_same(read_all(storage), read_all(other))


def test_progress_counts_readings_up_to_all_of_them(storage: Storage) -> None:
    seen: list[tuple[int, int]] = []
    fleet = FleetHistory(storage.store, storage.registry, build())
    fleet.write(NOW_US - 2 * US_PER_DAY, NOW_US, lambda done, all_: seen.append((done, all_)))
    assert seen[-1] == (10 * 2 * A_DAY, 10 * 2 * A_DAY)


def test_all_meters_become_known_in_one_commit(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = 0
    change = storage.database.change_names

    def count(*words: object) -> None:
        nonlocal commits
        commits += 1
        change(*words)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(storage.database, "change_names", count)
    FleetHistory(storage.store, storage.registry, build(1000))
    assert commits == 1
    assert len(storage.registry.list_devices()) == 1000
    assert storage.registry.count_series() == 5000


def test_a_day_has_the_same_energy_from_registers_and_from_intervals(tmp_path: Path) -> None:
    """The profile tells which is which; the sums of a local day are the same [Wh]."""
    start_us, end_us = parse_instant("2026-03-04T23:00:00Z"), parse_instant("2026-03-05T23:00:00Z")
    sums = {}
    for energy, quantity in (
        ("counter", "energy_import_wh"),
        ("interval", "energy_import_delta_wh"),
    ):
        with open_storage(SETTINGS, tmp_path / energy) as storage:
            simulator = build(40, energy=energy)
            write(storage, simulator, start_us - US_PER_DAY, end_us + US_PER_DAY)
            storage.persist.flush()
            table = storage.store.query(
                "SELECT device, sum(energy_wh), min(coverage) FROM rollup_1d "
                "WHERE quantity = $1 AND bucket_start = '2026-03-04 23:00:00' "
                "GROUP BY 1 ORDER BY 1",
                [quantity],
            )
            sums[energy] = {device: wh for device, wh, _ in table.rows}
            assert min(row[2] for row in table.rows) == pytest.approx(1.0)
    assert len(sums["counter"]) == 40
    assert sums["interval"] == pytest.approx(sums["counter"], rel=1e-9)
    assert sum(sums["counter"].values()) > 100_000


def test_a_past_ends_now_and_is_rolled_up(storage: Storage) -> None:
    assert fill_history(storage, build(3), 2 * 86_400) == 3 * 2 * A_DAY * QUANTITIES
    newest = storage.store.time_range()
    assert newest is not None
    age_s = time.time() - newest[1] / US_PER_S
    assert 0 <= age_s < 300 + 60
    [[n_days]] = storage.store.query(
        "SELECT count(DISTINCT bucket_start) FROM rollup_1d WHERE quantity = 'energy_import_wh'"
    ).rows
    assert n_days == 3


@pytest.mark.long
@pytest.mark.parametrize(
    ("count", "days", "readings"),
    [(500, 14, 2_016_000), (500, 30, 4_320_000), (1000, 28, 8_064_000)],
)
def test_millions_of_readings_are_there_in_less_than_minutes(
    storage: Storage, count: int, days: int, readings: int
) -> None:
    began_s = time.monotonic()
    assert fill_history(storage, build(count), days * 86_400) == readings * QUANTITIES
    taken_s = time.monotonic() - began_s
    [[stored]] = storage.store.query(
        "SELECT count(*) FROM readings WHERE quantity = 'active_power_w'"
    ).rows
    assert stored == readings
    assert taken_s < 180, f"{readings / taken_s:.0f} readings/s"


class _WrongProfile:
    """Meters whose energies of intervals are read as registers."""

    def __init__(self, simulator: GridSimulator) -> None:
        self._simulator = simulator
        self.devices = simulator.devices
        self.quantities = tuple(one.replace("_delta", "") for one in simulator.quantities)
        self.epoch = simulator.epoch
        self.history = simulator.history
        self.run = simulator.run
        self.count_readings = simulator.count_readings

    def fleet_history(self, start_us: int, end_us: int) -> Iterator[FleetColumns]:
        for one in self._simulator.fleet_history(start_us, end_us):
            yield one._replace(quantity=one.quantity.replace("_delta", ""))


def test_energies_of_intervals_read_as_registers_are_found_and_count_nothing(
    tmp_path: Path,
) -> None:
    """The other way round, readings are set aside: tests/integration/test_grid.py."""
    data = tmp_path / "grid"
    with open_storage(SETTINGS, data) as storage:
        mistaken = _WrongProfile(build(energy="interval"))
        FleetHistory(storage.store, storage.registry, mistaken).write(
            NOW_US - 4 * US_PER_DAY, NOW_US, lambda _done, _all: None
        )
        storage.persist.flush()
        [[counted_wh, used_wh]] = storage.store.query(
            "SELECT sum(increase) FILTER (WHERE quantity = 'energy_import_wh'), "
            "sum(energy_wh) FILTER (WHERE quantity = 'active_power_w') FROM rollup_1d"
        ).rows
        assert counted_wh < 0.2 * used_wh, "what is wrong must not look right"
    outcome = invoke(
        *("detect", "--detector", "counter_trust", "--findings", "--format", "json"),
        *("--data", data),
    )
    assert outcome.status == 0, outcome.err
    found = json.loads(outcome.out)
    assert {one["kind"] for one in found} == {"counter_unusable"}
    assert {one["device"] for one in found} == {one.id for one in mistaken.devices}
