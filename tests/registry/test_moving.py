"""A registry is copied to a server and back while it is used, and the copy proves itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.registry.registries import HOME, METER, Place, fresh_options
from tests.registry.test_alert_book import ALERT, DELIVERY, INCIDENT, NOTICE, RULE
from wattscope.core.alerting import AlertState
from wattscope.core.counter_steps import CounterDecision, StepKind
from wattscope.core.errors import StorageError, TransientError
from wattscope.core.incidents import IncidentState
from wattscope.ports import Quarantined
from wattscope.registry.access import open_shelf
from wattscope.registry.alert_book import AlertBook
from wattscope.registry.database import Database
from wattscope.registry.database_port import RegistryDatabase
from wattscope.registry.incident_book import SqlIncidentBook
from wattscope.registry.moving import CopyReport, compare_registries, copy_registry
from wattscope.registry.sql_registry import SqlRegistry

pytestmark = pytest.mark.integration
ITEM = Quarantined("mqtt", "a/b", b"\xff\x00", 1_700_000_000_000_000, "json_syntax", "line 1")
SWAP = CounterDecision(1, 1_000_000, StepKind.SWAP, 12.5, 5)
OTHER = replace(METER, id="other", is_production=True, tilt_deg=30.0)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "registry.sqlite")
    yield place
    for one in place.opened:
        one.close()


@pytest.fixture
def server(postgres: str) -> Iterator[Place]:
    with fresh_options(postgres) as options:
        place = Place(options)
        yield place
        for one in place.opened:
            one.close()


def fill(database: RegistryDatabase, *, n_items: int = 1100) -> None:
    registry = SqlRegistry(database)
    registry.put_site(HOME)
    registry.put_devices([(METER, ["energy_import_wh", "voltage_v"]), (OTHER, ["power_factor"])])
    registry.decisions.put(SWAP)
    book = AlertBook(database)
    book.put_rule(RULE)
    for n in range(3):
        message = replace(DELIVERY, notice=replace(NOTICE, id=f"m{n}"))
        book.write([(replace(ALERT, key=str(n), value=1.5), [message])])
    book.save_states({1: {"places": [["meter", "x"]]}})
    SqlIncidentBook(database).put_all([replace(INCIDENT, id=f"i{n}") for n in range(5)], 300)
    shelf = open_shelf(database)
    shelf.put([replace(ITEM, topic=f"t/{n}") for n in range(n_items)], 1)
    shelf.mark_replayed([2, 3], 77)


def describe(database: RegistryDatabase) -> list[object]:
    """Everything that users see of a registry."""
    registry, book = SqlRegistry(database), AlertBook(database)
    incidents = SqlIncidentBook(database).list_newest(99)
    return [
        registry.list_sites(),
        registry.list_devices(),
        registry.list_series(),
        book.list_rules(),
        book.load_states(),
        book.list_newest(99),
        book.list_deliveries(range(99)),
        sorted(incidents, key=lambda one: one.incident.id),
        open_shelf(database).list_newest(9999),
    ]


def counts(report: CopyReport) -> dict[str, tuple[int, int, int]]:
    return {one.table: (one.n_source, one.n_same, one.n_target) for one in report.tables}


def test_copy_to_a_server_and_back_is_the_same(file: Place, server: Place, tmp_path: Path) -> None:
    source, target = file.open(), server.open()
    fill(source)
    told: list[tuple[str, int, int]] = []
    report = copy_registry(source, target, lambda *step: told.append(step))
    assert report.is_complete
    assert counts(report) == {
        "sites": (1, 1, 1),
        "devices": (2, 2, 2),
        "series": (3, 3, 3),
        "counter_decisions": (1, 1, 1),
        "alert_rules": (1, 1, 1),
        "alerts": (3, 3, 3),
        "alert_states": (1, 1, 1),
        "alert_deliveries": (3, 3, 3),
        "incidents": (5, 5, 5),
        "quarantine": (1100, 1100, 1100),
    }
    assert [one for one in told if one[0] == "quarantine"] == [
        ("quarantine", done, 1100) for done in (500, 1000, 1100)
    ]
    assert describe(target) == describe(source)
    with closing(Database(tmp_path / "back.sqlite")) as back:
        assert copy_registry(target, back).is_complete
        assert describe(back) == describe(source)
    with closing(Database(tmp_path / "back.sqlite")) as again:
        assert again.damages == []
        assert describe(again) == describe(source)


def test_what_the_target_gives_afterwards_is_above_what_was_copied(
    file: Place, server: Place
) -> None:
    source, target = file.open(), server.open()
    fill(source, n_items=10)
    copy_registry(source, target)
    assert SqlRegistry(target).ensure_series("meter", "current_a") == 4
    [alert] = AlertBook(target).write([(replace(ALERT, key="new"), [])])
    assert alert.id == 4
    shelf = open_shelf(target)
    shelf.put([ITEM], 99)
    assert shelf.list_newest(1)[0].id == 11


def test_second_copy_brings_what_changed_meanwhile_and_nothing_else(
    file: Place, server: Place
) -> None:
    source, target = file.open(), server.open()
    fill(source, n_items=10)
    copy_registry(source, target)
    registry, book = SqlRegistry(source), AlertBook(source)
    registry.put_device(replace(METER, name="Main"), ["current_a"])
    registry.decisions.drop(1, SWAP.at_us)
    book.write([(replace(book.find_alert(2), state=AlertState.CLEARED), [])])
    SqlIncidentBook(source).put_state("i1", IncidentState.ACKNOWLEDGED, 400)
    open_shelf(source).mark_replayed([7], 88)
    before = counts(compare_registries(source, target))
    assert {name for name, (n_source, n_same, _) in before.items() if n_same < n_source} == {
        "devices",
        "series",
        "alerts",
        "incidents",
        "quarantine",
    }
    report = copy_registry(source, target)
    assert report.is_complete
    assert describe(target) == describe(source)
    news = target.read_news(0)
    assert news is not None
    serial = news.serial
    assert copy_registry(source, target).is_complete
    news = target.read_news(0)
    assert news is not None
    assert news.serial == serial


@pytest.mark.parametrize("n_writes", range(1, 8))
def test_copy_that_was_cut_short_goes_on(
    file: Place, server: Place, monkeypatch: pytest.MonkeyPatch, n_writes: int
) -> None:
    source, target = file.open(), server.open()
    fill(source)
    n_left = n_writes

    def cut(begin: Callable[..., object]) -> Callable[..., object]:
        def begin_or_fail(*arguments: object) -> object:
            nonlocal n_left
            n_left -= 1
            if n_left == 0:
                raise TransientError("the server is away")
            return begin(*arguments)

        return begin_or_fail

    with monkeypatch.context() as patch:
        for name in ("begin_alone", "edit_names"):
            patch.setattr(target, name, cut(getattr(target, name)))
        shelf_writes = "wattscope.registry.postgres_quarantine.PostgresQuarantine.write_rows"
        patch.setattr(shelf_writes, cut(type(open_shelf(target)).write_rows))
        with pytest.raises(TransientError):
            copy_registry(source, target)
    assert not compare_registries(source, target).is_complete
    assert copy_registry(source, target).is_complete
    assert describe(target) == describe(source)


def test_target_with_other_series_is_refused_and_stays_as_it_is(file: Place, server: Place) -> None:
    source, target = file.open(), server.open()
    fill(source, n_items=1)
    theirs = SqlRegistry(target)
    theirs.put_site(replace(HOME, id="theirs"))
    theirs.put_device(replace(METER, site="theirs"), ["power_factor"])
    before = describe(target)
    with pytest.raises(StorageError, match="has series that the source does not have, such as 1"):
        copy_registry(source, target)
    assert describe(target) == before


def test_target_with_alerts_of_others_is_refused(file: Place, server: Place) -> None:
    source, target = file.open(), server.open()
    fill(source, n_items=1)
    AlertBook(target).write([(replace(ALERT, raised_at_us=99), [])])
    with pytest.raises(StorageError, match="has a row 1 in alerts that is not of the source"):
        copy_registry(source, target)
    assert AlertBook(target).find_alert(1).raised_at_us == 99


def test_target_with_items_of_others_is_refused(file: Place, server: Place) -> None:
    source, target = file.open(), server.open()
    fill(source, n_items=1)
    open_shelf(target).put([ITEM], 4711)
    with pytest.raises(StorageError, match=r"quarantine of registry postgresql.*is not that of"):
        copy_registry(source, target)


def test_damaged_items_are_counted_and_left_out(file: Place, server: Place) -> None:
    source, target = file.open(), server.open()
    fill(source, n_items=10)
    assert isinstance(file.where, Path)
    with closing(sqlite3.connect(file.where)) as hand:
        hand.execute("UPDATE quarantine SET payload = x'00' WHERE id = 5")
        hand.commit()
    report = copy_registry(source, target)
    assert report.is_complete
    assert report.tables[-1].n_damaged == 1
    assert counts(report)["quarantine"] == (9, 9, 9)


def test_registry_that_a_program_is_writing_is_copied_from_beside_it(
    file: Place, server: Place
) -> None:
    writer, target = file.open(), server.open()
    fill(writer, n_items=10)
    reader = file.open(is_read_only=True)
    assert copy_registry(reader, target).is_complete
    SqlRegistry(writer).put_device(METER, ["frequency_hz"])
    assert not compare_registries(reader, target).is_complete
    assert copy_registry(reader, target).is_complete
    assert describe(target) == describe(writer)
