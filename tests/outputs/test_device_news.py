"""What is told of devices, and what of those that are silent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from wattscope.compute.staleness import stale_after_s
from wattscope.core.quantities import QUANTITIES
from wattscope.core.reading import build_batch
from wattscope.core.topology import Device, DeviceKind, Series
from wattscope.live.memory_view import MemoryView
from wattscope.outputs.device_news import DeviceNews, News, NewsOptions, ToldDevice

T0 = 1_760_000_000_000_000
S = 1_000_000
MAIN = Device("main", "home", "Main", DeviceKind.METER, interval_s=10.0)
ATTIC = Device("attic", "home", "Attic", DeviceKind.PLUG, parent="main", interval_s=10.0)
SERIES = [
    Series(1, "home", "attic", QUANTITIES["active_power_w"]),
    Series(2, "home", "attic", QUANTITIES["energy_import_wh"]),
    Series(3, "home", "main", QUANTITIES["active_power_w"]),
    Series(4, "home", "main", QUANTITIES["energy_total_wh"]),
]


@dataclass
class Places:
    """Devices, their limits and totals, as a test wants them."""

    devices: list[Device] = field(default_factory=lambda: [ATTIC, MAIN])
    series: list[Series] = field(default_factory=lambda: list(SERIES))
    totals: dict[int, float] = field(default_factory=dict)
    n_asked: int = 0

    def list_devices(self) -> list[Device]:
        return self.devices

    def list_series(self) -> list[Series]:
        return self.series

    def limit_s(self, device: Device, quantity: str) -> float:  # noqa: ARG002  # the same for all
        return stale_after_s(device)

    def read(self, series: Sequence[Series], now_us: int) -> Mapping[int, float]:  # noqa: ARG002  # likewise
        self.n_asked += 1
        return {one.id: self.totals[one.id] for one in series if one.id in self.totals}


@dataclass
class Desk:
    places: Places
    live: MemoryView
    news: DeviceNews
    told: dict[str, ToldDevice] = field(default_factory=dict)

    def put(self, series: int, value: float, at_s: float = 0) -> None:
        self.live.update(build_batch([(series, T0 + round(at_s * S), value, 0)]))

    def collect(self, at_s: float = 0) -> News:
        return self.news.collect(self.told, T0 + round(at_s * S))

    def tell(self, at_s: float = 0) -> dict[str, Any]:
        """Topics without what they have in common, and what was said."""
        return {
            topic.replace("wattscope_home_", "").removeprefix("wattscope/"): _read(body)
            for topic, body in self.collect(at_s).messages
        }


def _read(body: bytes) -> Any:  # noqa: ANN401  # JSON or a word
    return body.decode() if body in {b"online", b"offline"} else json.loads(body)


@pytest.fixture
def desk() -> Desk:
    return make_desk()


def make_desk(**words: Any) -> Desk:  # noqa: ANN401  # of any option
    places, live = Places(), MemoryView()
    news = DeviceNews(NewsOptions(version="1", **words), places, live, places, places)
    return Desk(places, live, news)


def test_device_is_announced_then_its_values_then_that_it_speaks(desk: Desk) -> None:
    desk.put(1, 12.5)
    topics = [topic for topic, _ in desk.collect().messages]
    assert topics == [
        "homeassistant/device/wattscope_home_attic/config",
        "wattscope/wattscope_home_attic/state",
        "wattscope/wattscope_home_attic/available",
    ]


def test_nothing_new_is_told_again(desk: Desk) -> None:
    desk.put(1, 12.5)
    assert desk.collect().messages
    assert desk.collect(5).messages == []
    desk.put(1, 13.0, at_s=6)
    assert desk.tell(6) == {"attic/state": {"active_power_w": 13.0}}


def test_device_comes_after_the_one_above_it(desk: Desk) -> None:
    desk.put(1, 1.0)
    desk.put(3, 2.0)
    told = desk.tell()
    configs = [topic for topic in told if topic.endswith("config")]
    assert [topic.split("/")[2] for topic in configs] == ["main", "attic"]
    device = told["homeassistant/device/attic/config"]["device"]
    assert device["via_device"] == "wattscope_home_main"


def test_device_above_that_is_not_told_of_is_not_named() -> None:
    desk = make_desk(devices=("attic",))
    desk.put(1, 1.0)
    desk.put(3, 2.0)
    told = desk.tell()
    assert set(told) == {"homeassistant/device/attic/config", "attic/state", "attic/available"}
    assert "via_device" not in told["homeassistant/device/attic/config"]["device"]


def test_quantity_that_comes_later_is_announced(desk: Desk) -> None:
    desk.put(1, 1.0)
    assert list(desk.tell()["homeassistant/device/attic/config"]["components"]) == [
        "active_power_w"
    ]
    desk.put(2, 500.0, at_s=2)
    desk.places.totals[2] = 500.0
    told = desk.tell(2)
    assert list(told["homeassistant/device/attic/config"]["components"]) == [
        "active_power_w",
        "energy_import_wh",
    ]
    assert told["attic/state"] == {"active_power_w": 1.0, "energy_import_wh": 0.5}


def test_register_is_told_as_what_it_ever_grew_by(desk: Desk) -> None:
    desk.put(2, 20.0)
    # As long as the total is not known, nothing is told in its place.
    assert desk.tell() == {}
    desk.places.totals[2] = 1_500_020.0
    assert desk.tell(1) == {}
    assert desk.tell(2)["attic/state"] == {"energy_import_wh": 1500.02}


def test_register_that_may_fall_is_told_as_it_is(desk: Desk) -> None:
    desk.put(4, -2500.0)
    assert desk.tell()["main/state"] == {"energy_total_wh": -2.5}


def test_silent_device_is_told_as_such_and_keeps_its_values(desk: Desk) -> None:
    desk.places.totals[2] = 500.0
    desk.put(1, 12.5)
    desk.put(2, 500.0)
    assert desk.tell()["attic/available"] == "online"
    # Three intervals, and neither 0 nor null.
    assert desk.tell(29) == {}
    assert desk.tell(31) == {"attic/available": "offline"}
    assert desk.tell(500) == {}
    desk.put(1, 13.0, at_s=600)
    assert desk.tell(601) == {
        "attic/state": {"active_power_w": 13.0, "energy_import_wh": 0.5},
        "attic/available": "online",
    }


def test_old_value_of_a_device_that_speaks_is_unknown_but_for_registers(desk: Desk) -> None:
    desk.places.series.append(Series(5, "home", "attic", QUANTITIES["voltage_v"]))
    desk.places.totals[2] = 500.0
    for series, value in ((1, 12.5), (2, 500.0), (5, 230.0)):
        desk.put(series, value)
    desk.tell()
    desk.put(1, 13.0, at_s=60)
    assert desk.tell(60)["attic/state"] == {
        "active_power_w": 13.0,
        "energy_import_wh": 0.5,
        "voltage_v": None,
    }


def test_everything_is_told_again_to_a_broker_that_has_nothing(desk: Desk) -> None:
    desk.put(1, 12.5)
    first = desk.tell()
    desk.told = {}
    assert desk.tell() == first


def test_store_is_asked_for_totals_now_and_then(desk: Desk) -> None:
    desk.places.totals[2] = 500.0
    desk.put(2, 500.0)
    for at_s in range(60):
        desk.collect(at_s)
    assert desk.places.n_asked == 2


def test_circle_of_parents_ends(desk: Desk) -> None:
    desk.places.devices = [
        Device("main", "home", "Main", DeviceKind.METER, parent="attic"),
        Device("attic", "home", "Attic", DeviceKind.METER, parent="main"),
    ]
    desk.put(1, 1.0)
    desk.put(3, 1.0)
    assert len(desk.collect().messages) == 6


def test_only_what_is_chosen_is_told() -> None:
    desk = make_desk(quantities=("energy_*",))
    desk.places.totals[2] = 500.0
    desk.put(1, 12.5)
    desk.put(2, 500.0)
    assert desk.tell()["attic/state"] == {"energy_import_wh": 0.5}
