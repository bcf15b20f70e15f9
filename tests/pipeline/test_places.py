"""Where a panel says that it is becomes known of its device, unless more is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.ways import NOW, Way, build_router, open_way, panel
from wattscope.core.time_grid import US_PER_S
from wattscope.core.topology import Device, DeviceKind
from wattscope.pipeline.binding import Binder, BindingRules
from wattscope.pipeline.intake import Intake
from wattscope.registry.sql_registry import SqlRegistry

MADRID = [40.42, -3.7]


class CountingBook(SqlRegistry):
    """The registry, counting how often devices are written."""

    n_writes = 0

    def put_devices(self, wanted: object) -> None:
        self.n_writes += 1
        super().put_devices(wanted)  # type: ignore[arg-type]  # passed on as it came


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    with open_way(tmp_path / "data") as opened:
        yield opened
        opened.assert_counters_add_up()


def place_of(way: Way, device: str) -> tuple[float | None, float | None]:
    found = way.registry.find_device(device)
    assert found is not None
    return found.latitude, found.longitude


def test_a_new_panel_is_where_it_says(way: Way) -> None:
    way.take(panel("a", location=MADRID), panel("b"))
    assert place_of(way, "a") == (40.42, -3.7)
    assert place_of(way, "b") == (None, None)
    assert len(way.stored()) == 8


def test_a_known_panel_learns_its_place_with_the_first_message_that_tells(way: Way) -> None:
    way.take(panel("a"), panel("a", ago_us=US_PER_S, location=MADRID))
    assert place_of(way, "a") == (40.42, -3.7)


def test_what_is_known_already_stays(way: Way) -> None:
    known = Device("a", "home", "A", DeviceKind.PANEL, latitude=50.0, longitude=8.0)
    way.registry.put_device(known)
    way.take(panel("a", location=MADRID))
    way.take(panel("a", ago_us=US_PER_S, location=[10.0, 10.0]))
    assert place_of(way, "a") == (50.0, 8.0)


@pytest.mark.parametrize(
    "location",
    [[91.0, 0.0], [0.0, 181.0], [1.0], "here", {"lat": 1.0}, [None, 1.0], None, [True, 1]],
)
def test_a_place_that_cannot_be_costs_no_reading(location: object, way: Way) -> None:
    way.take(panel("a", location=location))
    assert place_of(way, "a") == (None, None)
    assert len(way.stored()) == 4
    assert way.codes() == []


def test_places_of_a_group_are_one_write_and_told_once(way: Way) -> None:
    devices = [Device(f"p{n}", "home", f"p{n}", DeviceKind.PANEL) for n in range(50)]
    way.registry.put_devices([(one, ()) for one in devices])
    book = CountingBook(way.registry._database)
    rules = BindingRules("home", place=(48.1, 11.6))
    way.intake = Intake(
        "mqtt", build_router(), Binder(book, rules, lambda _: None), way.tally, lambda: NOW
    )
    for ago in range(3):
        way.take(*(panel(one.id, ago_us=ago * US_PER_S, location=MADRID) for one in devices))
    assert book.n_writes == 1
    assert {one.latitude for one in book.list_devices()} == {40.42}


def test_a_panel_at_its_site_needs_no_place_of_its_own(way: Way) -> None:
    rules = BindingRules("home", place=(40.42, -3.7))
    binder = Binder(way.registry, rules, lambda _: None)
    way.intake = Intake("mqtt", build_router(), binder, way.tally, lambda: NOW)
    way.take(panel("a", location=MADRID))
    assert place_of(way, "a") == (None, None)
