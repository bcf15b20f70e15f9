"""What a scrape holds: the newest value of everything that answers, and nothing that is silent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from wattscope.compute.prometheus_renames import Rename
from wattscope.core.quantities import find_quantity
from wattscope.core.reading import Quality, build_batch
from wattscope.core.topology import Device, DeviceKind, Series
from wattscope.live.memory_view import MemoryView
from wattscope.outputs.prometheus import GRACE_US, DeviceMetrics

NOW_US = 1_767_225_600_000_000
S = 1_000_000
LIMIT_S = 30.0


@dataclass
class ListedBook:
    """Devices and series in lists; counts how often the series were asked for."""

    devices: list[Device] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    n_asked: int = 0

    def list_devices(self) -> list[Device]:
        return list(self.devices)

    def list_series(self) -> list[Series]:
        self.n_asked += 1
        return list(self.series)

    def count_series(self) -> int:
        return len(self.series)

    def add(self, device: str, *names: str) -> None:
        if device not in {one.id for one in self.devices}:
            self.devices.append(Device(device, "plant", device.title(), DeviceKind.METER))
        for name in names:
            quantity = find_quantity(name)
            assert quantity is not None
            self.series.append(Series(len(self.series) + 1, "plant", device, quantity))


@pytest.fixture
def book() -> ListedBook:
    found = ListedBook()
    found.add("wago", "active_power_w", "active_power_l1_w", "energy_total_wh")
    found.add("sdm", "active_power_w")
    return found


@pytest.fixture
def live() -> MemoryView:
    return MemoryView()


@dataclass
class SetLimits:
    """Limits by quantity; 30 s for what is not named."""

    by_quantity: dict[str, float] = field(default_factory=dict)

    @property
    def state(self) -> object:
        return dict(self.by_quantity)

    def limit_s(self, device: Device, quantity: str) -> float:  # noqa: ARG002  # as the port has it
        return self.by_quantity.get(quantity, LIMIT_S)


def make(
    book: ListedBook, live: MemoryView, *renames: Rename, limits: SetLimits | None = None
) -> DeviceMetrics:
    return DeviceMetrics(book, live, limits=limits or SetLimits(), renames=renames)


def say(live: MemoryView, series: int, value: float, *, age_s: float = 0.0) -> None:
    live.update(build_batch([(series, NOW_US - int(age_s * S), value, 0)]))


def scrape(metrics: DeviceMetrics, now_us: int = NOW_US) -> dict[tuple[str, str], float]:
    """Name and device to value; a sample that comes twice fails."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(metrics.render(now_us)):
        for sample in family.samples:
            key = sample.name, sample.labels.get("device", "")
            assert key not in found
            found[key] = sample.value
    return found


def test_before_there_is_a_device_the_text_is_empty(live: MemoryView) -> None:
    assert make(ListedBook(), live).render(NOW_US) == ""


def test_newest_values_with_site_device_and_phase(book: ListedBook, live: MemoryView) -> None:
    say(live, 1, 46.0)
    say(live, 2, 15.5)
    text = make(book, live).render(NOW_US)
    assert 'wattscope_active_power_watts{site="plant",device="wago"} 46.0\n' in text
    assert (
        'wattscope_phase_active_power_watts{site="plant",device="wago",phase="l1"} 15.5\n' in text
    )
    assert 'device="sdm"} 46' not in text
    assert "# TYPE wattscope_active_power_watts gauge\n" in text


def test_silent_device_disappears_and_its_neighbour_stays(
    book: ListedBook, live: MemoryView
) -> None:
    say(live, 1, 46.0)
    say(live, 4, 7.0)
    metrics = make(book, live)
    assert scrape(metrics)["wattscope_active_power_watts", "wago"] == 46.0
    later_us = NOW_US + int(LIMIT_S * S) + 1
    live.update(build_batch([(4, later_us, 8.0, 0)]))
    found = scrape(metrics, later_us)
    assert ("wattscope_active_power_watts", "wago") not in found
    assert found["wattscope_active_power_watts", "sdm"] == 8.0
    assert found["wattscope_device_up", "wago"] == 0.0
    assert found["wattscope_device_up", "sdm"] == 1.0
    heard = found["wattscope_device_last_reading_timestamp_seconds", "wago"]
    assert heard == NOW_US / S


def test_value_is_shown_up_to_its_limit_and_not_beyond(book: ListedBook, live: MemoryView) -> None:
    say(live, 1, 46.0, age_s=LIMIT_S)
    metrics = make(book, live)
    key = "wattscope_active_power_watts", "wago"
    assert scrape(metrics)[key] == 46.0
    assert key not in scrape(metrics, NOW_US + 1)


def test_each_quantity_has_a_limit_of_its_own(book: ListedBook, live: MemoryView) -> None:
    say(live, 1, 46.0, age_s=60)
    say(live, 3, 1000.0, age_s=60)

    limits = SetLimits({"energy_total_wh": 900.0})
    metrics = make(book, live, limits=limits)
    found = scrape(metrics)
    assert ("wattscope_active_power_watts", "wago") not in found
    assert found["wattscope_energy_total_joules_total", "wago"] == 3.6e6
    assert found["wattscope_device_up", "wago"] == 1.0
    limits.by_quantity["energy_total_wh"] = 30.0
    assert ("wattscope_energy_total_joules_total", "wago") not in scrape(metrics)


def test_missing_and_implausible_values_are_no_samples(book: ListedBook, live: MemoryView) -> None:
    bad = [(1, NOW_US, float("nan"), Quality.MISSING), (2, NOW_US, 1e300, Quality.IMPLAUSIBLE)]
    live.update(build_batch([(one, at, value, int(flag)) for one, at, value, flag in bad]))
    found = scrape(make(book, live))
    assert not [name for name, _ in found if name.endswith("_watts")]
    assert found["wattscope_device_up", "wago"] == 0.0
    assert ("wattscope_device_last_reading_timestamp_seconds", "wago") not in found


def test_device_that_came_later_is_there_and_labels_follow_its_words(
    book: ListedBook, live: MemoryView
) -> None:
    metrics = make(book, live)
    metrics.render(NOW_US)
    book.add('a"b', "frequency_hz")
    say(live, 5, 50.01)
    assert scrape(metrics)["wattscope_frequency_hertz", 'a"b'] == 50.01
    book.devices[0] = replace(book.devices[0], name="Heat pump")
    assert 'device="wago",kind="meter",name="Heat pump",parent=""} 1.0' in metrics.render(NOW_US)


def test_names_are_worked_out_once_and_not_at_each_scrape(
    book: ListedBook, live: MemoryView
) -> None:
    metrics = make(book, live)
    for _ in range(5):
        metrics.render(NOW_US)
    assert book.n_asked == 1


# ── names of one's own ───────────────────────────────────────────────────────────────────────

POWER = Rename("wago_power_total_kw", "wago", "active_power_w", "kW")
ENERGY = Rename("wago_energy_total_kwh", "wago", "energy_total_wh", "kWh")


def test_renamed_series_has_no_labels_and_stands_beside_the_other(
    book: ListedBook, live: MemoryView
) -> None:
    say(live, 1, 46.0)
    say(live, 3, 1_234_567.0)
    metrics = make(book, live, POWER, ENERGY)
    assert "\nwago_power_total_kw 0.046\n" in metrics.render(NOW_US)
    found = scrape(metrics)
    assert found["wago_energy_total_kwh", ""] == 1234.567
    assert found["wago_energy_total_kwh_total", ""] == 1234.567
    assert found["wattscope_active_power_watts", "wago"] == 46.0


def test_renamed_series_disappears_with_its_device(book: ListedBook, live: MemoryView) -> None:
    say(live, 1, 46.0, age_s=LIMIT_S + 1)
    assert ("wago_power_total_kw", "") not in scrape(make(book, live, POWER))


def test_unknown_device_is_said_once_with_the_nearest_and_found_when_it_comes(
    book: ListedBook, live: MemoryView
) -> None:
    metrics = make(book, live, replace(POWER, device="wagoo"), replace(ENERGY, device="wagoo"))
    with structlog.testing.capture_logs() as logs:
        # A device may still be on its way a moment after the start.
        metrics.render(NOW_US)
        assert logs == []
        for _ in range(3):
            book.add("sdm", "voltage_v")
            metrics.render(NOW_US + GRACE_US)
    assert [(log["names"], log["did_you_mean"]) for log in logs] == [
        ([POWER.name, ENERGY.name], "wago")
    ]
    book.add("wagoo", "active_power_w")
    say(live, len(book.series), 5.0)
    assert scrape(metrics)["wago_power_total_kw", ""] == 0.005
