"""What every registry promises, on a file of one process and on a server that many share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, event

from tests.registry.registries import KINDS, run_place
from wattscope.core.errors import StorageFullError, UnknownNameError
from wattscope.core.topology import Device, DeviceKind, Sampling, Site
from wattscope.registry.database import Database
from wattscope.registry.postgres_database import PostgresDatabase
from wattscope.registry.schema import series as series_table
from wattscope.registry.sql_registry import SqlRegistry

Opener = Callable[[], tuple[SqlRegistry, Database | PostgresDatabase]]
HOME = Site("home", "Home", "Europe/Berlin", "EUR", 52.5, 13.4)
METER = Device(
    "meter",
    "home",
    "Meter",
    DeviceKind.METER,
    parent="main",
    rating_w=5000.0,
    interval_s=2.5,
    sampling=Sampling.MEAN,
    is_production=True,
    is_direction_swapped=True,
)


REFUSAL = """
CREATE FUNCTION "{0}".refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = 'disk_full'; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON "{0}".names_state
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "{0}".refuse();
"""
"""Lets a server accept all statements of a change, and fail when it is to commit."""


@contextmanager
def refuse_commits(database: Database | PostgresDatabase) -> Iterator[None]:
    if isinstance(database, PostgresDatabase):
        with database.begin() as connection:
            connection.exec_driver_sql(REFUSAL.format(database.schema))
        yield
        with database.begin() as connection:
            connection.exec_driver_sql(f'DROP FUNCTION "{database.schema}".refuse CASCADE')
        return

    def refuse(_connection: object) -> None:
        raise OSError("disk full")

    event.listen(database._engine, "commit", refuse)
    yield
    event.remove(database._engine, "commit", refuse)


@pytest.fixture(params=KINDS)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    with run_place(request, tmp_path) as place:

        def make() -> tuple[SqlRegistry, Database | PostgresDatabase]:
            database = place.open()
            return SqlRegistry(database), database

        yield make


@pytest.fixture
def registry(reopen: Opener) -> SqlRegistry:
    made, _ = reopen()
    made.put_site(HOME)
    made.put_device(METER)
    return made


def test_what_was_put_is_listed_and_survives(registry: SqlRegistry, reopen: Opener) -> None:
    number = registry.ensure_series("meter", "active_power_w")
    for one in (registry, reopen()[0]):
        assert one.list_sites() == [HOME]
        assert one.list_devices() == [METER]
        [series] = one.list_series()
        assert (series.id, series.site, series.device) == (number, "home", "meter")
        assert series.quantity.name == "active_power_w"


def test_site_and_device_are_changed_by_putting_them_again(
    registry: SqlRegistry, reopen: Opener
) -> None:
    registry.put_site(replace(HOME, name="Cabin"))
    registry.put_device(replace(METER, rating_w=None, is_production=False))
    for one in (registry, reopen()[0]):
        assert [site.name for site in one.list_sites()] == ["Cabin"]
        [device] = one.list_devices()
        assert (device.rating_w, device.is_production) == (None, False)


def test_device_of_no_site_is_refused(registry: SqlRegistry) -> None:
    with pytest.raises(UnknownNameError, match="site 'moon' does not exist"):
        registry.put_device(replace(METER, id="x", site="moon"))
    assert registry.find_device("x") is None


def test_series_id_means_the_same_for_ever(registry: SqlRegistry, reopen: Opener) -> None:
    names = ["active_power_w", "energy_import_wh", "voltage_v"]
    given = registry.ensure_all_series("meter", names)
    assert len(set(given)) == 3
    again, _ = reopen()
    assert again.ensure_all_series("meter", names[::-1]) == given[::-1]
    assert [again.find_series("meter", name) for name in names] == list(given)
    assert again.count_series() == 3


def test_same_name_twice_in_one_call_is_one_series(registry: SqlRegistry) -> None:
    first, second = registry.ensure_all_series("meter", ["voltage_v", "voltage_v"])
    assert first == second


def test_series_nobody_made_is_not_found(registry: SqlRegistry) -> None:
    assert registry.find_series("meter", "voltage_v") is None
    assert registry.count_series() == 0


def test_id_is_never_given_to_another_series(registry: SqlRegistry, reopen: Opener) -> None:
    _, database = reopen()
    number = registry.ensure_series("meter", "voltage_v")
    with database.begin() as connection:
        connection.execute(delete(series_table))
    again, _ = reopen()
    assert again.ensure_series("meter", "current_a") > number


def test_id_is_committed_before_it_is_returned(reopen: Opener) -> None:
    """A commit that fails gives no id: after a restart it would be another series' id."""
    registry, database = reopen()
    registry.put_site(HOME)
    registry.put_device(METER)

    with refuse_commits(database):
        for put in (
            lambda: registry.ensure_series("meter", "voltage_v"),
            lambda: registry.put_site(replace(HOME, id="new")),
            lambda: registry.put_device(replace(METER, id="new")),
        ):
            with pytest.raises((OSError, StorageFullError), match="disk full"):
                put()
    assert registry.find_series("meter", "voltage_v") is None
    assert registry.list_sites() == [HOME]
    assert registry.list_devices() == [METER]
    number = registry.ensure_series("meter", "current_a")
    assert reopen()[0].find_series("meter", "current_a") == number


def test_threads_that_want_the_same_series_get_the_same_id(registry: SqlRegistry) -> None:
    names = [f"voltage_l{n}_v" for n in (1, 2, 3)] + ["frequency_hz", "power_factor"]
    found: list[tuple[int, ...]] = []
    gate = threading.Barrier(8)

    def ask() -> None:
        gate.wait()
        found.append(registry.ensure_all_series("meter", names))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
