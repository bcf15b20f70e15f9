"""Energy since local midnight: of the day of each site, asked for now and then, never held over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.web.applications import put
from wattscope.assembly.storage import Storage, open_storage
from wattscope.core.time_grid import (
    US_PER_HOUR,
    US_PER_MINUTE,
    US_PER_S,
    day_start_us,
    load_zone,
)
from wattscope.core.topology import Device, DeviceKind, Series, Site
from wattscope.outputs import energy_today
from wattscope.outputs.energy_today import EnergyToday, choose_energies
from wattscope.ports import Rollup
from wattscope.settings import Settings, SiteSettings

PARIS = load_zone("Europe/Paris")
DAY = date(2026, 5, 2)
MIDNIGHT_US = day_start_us(DAY, PARIS)
JOULES_PER_KWH = 3.6e6


@dataclass
class CountingStore:
    """Passes questions on, and remembers which series were asked for."""

    storage: Storage
    asked: list[list[int]] = field(default_factory=list)

    def roll_up(self, series: Sequence[int], level: str, start_us: int, end_us: int) -> Rollup:
        self.asked.append(list(series))
        return self.storage.store.roll_up(series, level, start_us, end_us)


@dataclass
class Scraper:
    """Scrapes by clocks that a test sets."""

    storage: Storage
    store: CountingStore
    today: EnergyToday
    clock_s: list[float]
    series: tuple[Series, ...] = ()

    def scrape(self, now_us: int, *, silent: str | None = None) -> dict[tuple[str, str], float]:
        """kWh by name and device."""
        if len(self.series) != self.storage.registry.count_series():
            self.series = tuple(self.storage.registry.list_series())
        is_fresh = np.array([one.device != silent for one in self.series])
        text = self.today.render(self.series, is_fresh, now_us)
        return {
            (sample.name, sample.labels["device"]): sample.value / JOULES_PER_KWH
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
def scraper(tmp_path: Path) -> Iterator[Scraper]:
    settings = Settings(sources=(), site=SiteSettings(id="home", time_zone="Europe/Paris"))
    with open_storage(settings, tmp_path) as storage:
        clock_s = [0.0]
        store = CountingStore(storage)
        today = EnergyToday(
            store,  # type: ignore[arg-type]  # only roll_up is asked of it
            storage.registry.list_sites,
            monotonic_s=lambda: clock_s[0],
        )
        yield Scraper(storage, store, today, clock_s)


def fill(
    storage: Storage, device: str, quantity: str, until_us: int, *, site: str = "home"
) -> None:
    """A kilowatt from noon of the day before on: a register, or the power itself."""
    storage.registry.put_device(Device(device, site, device, DeviceKind.METER, interval_s=900))
    start_us = MIDNIGHT_US - 12 * US_PER_HOUR
    is_power = quantity.endswith("_w")
    put(
        storage,
        device,
        quantity,
        [
            (t, 1000.0 if is_power else 5e6 + (t - start_us) / US_PER_HOUR * 1000)
            for t in range(start_us, until_us + 1, 15 * US_PER_MINUTE)
        ],
    )


def test_energy_is_that_of_the_local_day_and_not_of_24_hours(scraper: Scraper) -> None:
    now_us = MIDNIGHT_US + 6 * US_PER_HOUR
    fill(scraper.storage, "pump", "energy_total_wh", now_us)
    fill(scraper.storage, "plug", "active_power_w", now_us)
    assert scraper.scrape(now_us) == {
        ("wattscope_energy_total_today_joules", "pump"): pytest.approx(6.0),
        ("wattscope_active_energy_today_joules", "plug"): pytest.approx(6.0),
    }


def test_yesterdays_energy_is_not_held_over_midnight(
    scraper: Scraper, monkeypatch: pytest.MonkeyPatch
) -> None:
    evening_us = MIDNIGHT_US - 15 * US_PER_MINUTE
    fill(scraper.storage, "pump", "energy_total_wh", MIDNIGHT_US + US_PER_HOUR)
    key = "wattscope_energy_total_today_joules", "pump"
    assert scraper.scrape(evening_us)[key] > 11
    with monkeypatch.context() as patched:
        patched.setattr(energy_today, "BUDGET_S", 0.0)
        assert scraper.scrape(MIDNIGHT_US + US_PER_HOUR) == {}
    # The rest after the first round is not over, yet the day is.
    assert scraper.scrape(MIDNIGHT_US + US_PER_HOUR)[key] == pytest.approx(1.0)


def test_silent_device_has_no_energy_of_today(scraper: Scraper) -> None:
    now_us = MIDNIGHT_US + US_PER_HOUR
    fill(scraper.storage, "pump", "energy_total_wh", now_us)
    assert scraper.scrape(now_us)
    assert scraper.scrape(now_us, silent="pump") == {}


def test_store_is_asked_now_and_then_and_not_at_each_scrape(scraper: Scraper) -> None:
    now_us = MIDNIGHT_US + US_PER_HOUR
    fill(scraper.storage, "pump", "energy_total_wh", now_us + US_PER_HOUR)
    for _ in range(5):
        scraper.scrape(now_us)
    assert len(scraper.store.asked) == 1
    scraper.clock_s[0] += energy_today.SHORTEST_REST_S
    scraper.scrape(now_us)
    assert len(scraper.store.asked) == 2


def test_scrape_waits_for_the_store_no_longer_than_its_budget(
    scraper: Scraper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece of one series takes 0.6 s: two fit into a scrape, the rest into the next two."""
    monkeypatch.setattr(energy_today, "PIECE", 1)
    now_us = MIDNIGHT_US + US_PER_HOUR
    for n in range(5):
        fill(scraper.storage, f"pump-{n}", "energy_total_wh", now_us)
    ask = scraper.store.roll_up

    def ask_slowly(series: Sequence[int], level: str, start_us: int, end_us: int) -> Rollup:
        scraper.clock_s[0] += 0.6
        return ask(series, level, start_us, end_us)

    monkeypatch.setattr(scraper.store, "roll_up", ask_slowly)
    assert [len(scraper.scrape(now_us)) for _ in range(4)] == [2, 4, 5, 5]
    assert len(scraper.store.asked) == 5
    # A round that took 3 s is followed by a minute of rest.
    scraper.clock_s[0] += energy_today.REST_FACTOR * 3.0 - 0.1
    scraper.scrape(now_us)
    assert len(scraper.store.asked) == 5
    scraper.clock_s[0] += 0.2
    scraper.scrape(now_us)
    assert len(scraper.store.asked) == 7


def test_each_site_has_a_day_of_its_own(scraper: Scraper) -> None:
    scraper.storage.registry.put_site(Site("far", "Far", "Pacific/Auckland"))
    now_us = MIDNIGHT_US + US_PER_HOUR
    fill(scraper.storage, "near", "energy_total_wh", now_us)
    fill(scraper.storage, "far", "energy_total_wh", now_us, site="far")
    found = scraper.scrape(now_us)
    far_start_us = day_start_us(DAY, load_zone("Pacific/Auckland"))
    assert found["wattscope_energy_total_today_joules", "near"] == pytest.approx(1.0)
    hours = (now_us - far_start_us) / US_PER_HOUR
    assert found["wattscope_energy_total_today_joules", "far"] == pytest.approx(hours)
    assert 1 < hours < 24


def test_series_that_came_later_keeps_what_was_known_of_the_others(scraper: Scraper) -> None:
    now_us = MIDNIGHT_US + US_PER_HOUR
    fill(scraper.storage, "pump", "energy_total_wh", now_us)
    scraper.scrape(now_us)
    fill(scraper.storage, "other", "energy_total_wh", now_us)
    assert len(scraper.scrape(now_us)) == 2


def test_power_counts_only_where_no_register_does_and_tariffs_never(scraper: Scraper) -> None:
    now_us = MIDNIGHT_US + US_PER_HOUR
    for name in (
        "energy_import_wh",
        "energy_import_l1_wh",
        "energy_import_t1_wh",
        "active_power_w",
    ):
        fill(scraper.storage, "grid", name, now_us)
    fill(scraper.storage, "plug", "active_power_w", now_us)
    chosen = choose_energies(scraper.storage.registry.list_series())
    assert [(one.device, one.quantity.name) for one in chosen] == [
        ("grid", "energy_import_wh"),
        ("grid", "energy_import_l1_wh"),
        ("plug", "active_power_w"),
    ]


def test_hour_that_the_clock_leaves_out_is_not_counted(scraper: Scraper) -> None:
    """On 29 March the night from 0 to 6 has five hours."""
    start_us = day_start_us(date(2026, 3, 29), PARIS)
    now_us = start_us + 5 * US_PER_HOUR
    scraper.storage.registry.put_device(Device("pump", "home", "pump", DeviceKind.METER))
    rows: list[tuple[int, float | None]] = [
        (t, (t - start_us) / US_PER_HOUR * 1000 + 1e6)
        for t in range(start_us - US_PER_HOUR, now_us + 1, 60 * US_PER_S)
    ]
    put(scraper.storage, "pump", "energy_total_wh", rows)
    found = scraper.scrape(now_us)
    assert found["wattscope_energy_total_today_joules", "pump"] == pytest.approx(5.0)
    assert day_start_us(date(2026, 3, 30), PARIS) - start_us == 23 * US_PER_HOUR
