"""The fleet follows what people edit, and stays what it was while the database is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.assembly.meter_places import GRID, open_source
from tests.registry.meter_books import edit, make_postgres_database, psql
from wattscope.assembly.meter_fleet import FleetReader, open_settings_book, register_fleet
from wattscope.assembly.storage import open_storage
from wattscope.compute.modbus.meter_rows import BookRows
from wattscope.compute.staleness import stale_after_s
from wattscope.core.errors import SettingsError, TransientError
from wattscope.settings import MeterSettings, Settings


class Clock:
    """A second passes when it is told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ids(reader: FleetReader, clock: Clock) -> list[str]:
    """Devices that are polled a second later."""
    clock.now_s += 1.0
    return [one.device.id for one in reader.read().meters]


@pytest.fixture
def reader(tmp_path: Path, clock: Clock) -> Iterator[FleetReader]:
    source = open_source(tmp_path, GRID)
    yield FleetReader(source, monotonic_s=clock)
    source.book.close()


def add(number: int, rest: str = "502, 1, 'sdm630'") -> str:
    return (
        "INSERT INTO energy_meters(id, host, port, slave_address, type) "
        f"VALUES({number}, 'host{number}', {rest})"
    )


def test_fleet_is_settings_and_tables(reader: FleetReader) -> None:
    fleet = reader.read()
    assert [one.device.id for one in fleet.meters] == ["grid", "test_energy_meter"]
    assert fleet.faults == ()
    assert fleet.meters[0].map.title == "Eastron SDM630"


def test_row_from_another_process_is_read_with_the_next_look(
    reader: FleetReader, clock: Clock, tmp_path: Path
) -> None:
    before = reader.read()
    edit(tmp_path / "meters.db", add(7))
    clock.now_s = 0.9
    assert reader.read() is before
    assert ids(reader, clock) == ["grid", "test_energy_meter", "sdm630-host7-502-1"]
    edit(tmp_path / "meters.db", "DELETE FROM energy_meters WHERE id = 7")
    assert ids(reader, clock) == ["grid", "test_energy_meter"]


def test_fleet_is_the_same_object_while_nothing_changed(
    reader: FleetReader, clock: Clock, tmp_path: Path
) -> None:
    before = reader.read()
    clock.now_s += 2
    assert reader.read() is before
    edit(tmp_path / "meters.db", "UPDATE energy_meters SET port = 502")
    clock.now_s += 2
    assert reader.read() is before


def test_nonsense_row_leaves_the_others_and_is_logged_once(
    reader: FleetReader, clock: Clock, tmp_path: Path
) -> None:
    reader.read()
    edit(tmp_path / "meters.db", add(7, "'abc', 300, 'sdm630'") + ";" + add(8))
    with capture_logs() as events:
        assert ids(reader, clock) == ["grid", "test_energy_meter", "sdm630-host8-502-1"]
        assert ids(reader, clock) == ["grid", "test_energy_meter", "sdm630-host8-502-1"]
        edit(tmp_path / "meters.db", "UPDATE energy_meters SET host = 'host9' WHERE id = 8")
        ids(reader, clock)
    [event] = events
    assert event["event"] == "meter book row left out"
    assert "port 'abc'" in event["reason"]
    assert "slave_address 300" in event["reason"]
    with capture_logs() as events:
        edit(tmp_path / "meters.db", "DELETE FROM energy_meters WHERE id = 7")
        ids(reader, clock)
    assert [one["event"] for one in events] == ["meter book fault gone"]


def test_database_that_is_away_leaves_the_last_good_fleet(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(tmp_path, GRID)
    reader = FleetReader(source, monotonic_s=clock)
    reader.read()
    look = source.book.read_rows

    def refuse() -> BookRows:
        message = "meter book cannot be reached: away"
        raise TransientError(message)

    with capture_logs() as events:
        monkeypatch.setattr(source.book, "read_rows", refuse)
        assert ids(reader, clock) == ["grid", "test_energy_meter"]
        assert [one.table for one in reader.read().faults] == ["meter book"]
        before = reader.read()
        ids(reader, clock)
        assert reader.read() is before
        monkeypatch.setattr(source.book, "read_rows", look)
        ids(reader, clock)
    assert reader.read().faults == ()
    assert len(events) == 2
    source.book.close()


def test_meters_of_the_settings_are_read_while_the_database_was_never_there(
    tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "meters.db").write_bytes(b"no database" * 100)
    source = open_source(tmp_path, GRID)
    reader = FleetReader(source, monotonic_s=clock)
    assert ids(reader, clock) == ["grid"]
    assert "is not what it must be" in reader.read().faults[0].reason
    source.book.close()


def test_fault_of_a_meter_in_the_settings_is_told(tmp_path: Path, clock: Clock) -> None:
    bad = MeterSettings(id="cellar", host="10.0.0.1", type="sdm603")
    source = open_source(tmp_path, GRID, bad)
    [fault] = FleetReader(source, monotonic_s=clock).read().faults
    assert str(fault).startswith("[[meters]] cellar")
    assert "did you mean sdm630?" in fault.reason
    source.book.close()


def test_profile_of_messages_is_no_type_of_meter(tmp_path: Path, clock: Clock) -> None:
    source = open_source(tmp_path, msgspec.structs.replace(GRID, type="tasmota"))
    assert (
        "type 'tasmota' is unknown"
        in FleetReader(source, monotonic_s=clock).read().faults[0].reason
    )
    source.book.close()


def test_devices_and_places_of_a_fleet_are_registered(tmp_path: Path, clock: Clock) -> None:
    source = open_source(tmp_path, GRID, poll="5m")
    source.book.read_rows()
    edit(
        tmp_path / "meters.db",
        "INSERT INTO sites(id, time_zone) VALUES('shed', 'Europe/Paris');"
        "UPDATE energy_meters SET site = 'shed', poll = '*/10 * * * * *'",
    )
    with open_storage(Settings(), tmp_path) as storage:
        fleet = FleetReader(source, monotonic_s=clock).read()
        register_fleet(storage.registry, fleet)
        register_fleet(storage.registry, fleet)
        found = {one.id: one for one in storage.registry.list_devices()}
        assert [one.id for one in storage.registry.list_sites()] == ["home", "shed"]
    assert (found["grid"].site, found["test_energy_meter"].site) == ("home", "shed")
    assert stale_after_s(found["grid"]) == 900
    assert stale_after_s(found["test_energy_meter"]) == 30
    source.book.close()


def test_password_file_that_is_absent_is_said(tmp_path: Path) -> None:
    settings = Settings()
    wanted = msgspec.structs.replace(
        settings.registry, url="postgresql://anna@h/d", password_file=str(tmp_path / "none")
    )
    with pytest.raises(SettingsError, match=r"registry\.password_file"):
        open_settings_book(msgspec.structs.replace(settings, registry=wanted), tmp_path)


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.integration
def test_row_by_psql_is_in_the_next_look_and_nonsense_leaves_the_others(
    postgres: str, tmp_path: Path, clock: Clock
) -> None:
    url = make_postgres_database(postgres)
    source = open_source(tmp_path, GRID, url=url)
    reader = FleetReader(source, monotonic_s=clock)
    assert ids(reader, clock) == ["grid", "test_energy_meter"]
    before = reader.read()
    clock.now_s += 1
    assert reader.read() is before
    psql(url, add(7))
    assert ids(reader, clock) == ["grid", "test_energy_meter", "sdm630-host7-502-1"]
    psql(
        url,
        "INSERT INTO energy_meters(id, host, port, slave_address, type, poll) VALUES"
        "(8, 'a', 502, 1, 'sdm63', NULL), (9, 'b', 70000, 1, 'sdm630', NULL),"
        "(10, 'host7', 502, 1, 'sdm630', NULL), (11, 'c', 502, 1, 'sdm630', '0s'),"
        "(12, 'd', 502, 1, 'sdm630', '5s');"
        "INSERT INTO registers VALUES('virtual_modbustcp', 70000, 'x', 'V', 1, 3);",
    )
    assert ids(reader, clock) == [
        "grid",
        "test_energy_meter",
        "sdm630-host7-502-1",
        "sdm630-d-502-1",
    ]
    rows = [(one.table, one.row.split()[0]) for one in reader.read().faults]
    assert [row for table, row in rows if table == "energy_meters"] == ["8", "9", "10", "11"]
    assert [table for table, _ in rows].count("registers") == 1
    source.book.close()


@pytest.mark.integration
def test_connections_that_are_cut_are_made_again(
    postgres: str, tmp_path: Path, clock: Clock
) -> None:
    url = make_postgres_database(postgres)
    source = open_source(tmp_path, url=url)
    reader = FleetReader(source, monotonic_s=clock)
    ids(reader, clock)
    psql(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'wattscope'",
    )
    psql(url, add(7))
    assert ids(reader, clock) == ["test_energy_meter", "sdm630-host7-502-1"]
    assert reader.read().faults == ()
    source.book.close()
