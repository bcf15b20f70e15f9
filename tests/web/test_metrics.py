"""``/metrics`` on the page's port: the devices beside the program's own state."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.web.applications import Application, open_application
from tests.web.conftest import HOUSE, NOW, fill_house
from wattscope.settings import NameSettings, PrometheusSettings

Samples = dict[tuple[str, str], float]


def scrape(application: Application) -> Samples:
    """Name and device to value."""
    response = application.client.get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, sample.labels.get("device", "")): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_registers_and_energies_of_today_stand_beside_the_program(house: Application) -> None:
    found = scrape(house)
    # 8 + 16 + 8 kWh since 1,000 kWh; 8 kWh of them today. See the table of the household.
    assert found["wattscope_energy_import_joules_total", "grid"] == pytest.approx(1032 * 3.6e6)
    assert found["wattscope_energy_import_today_joules", "grid"] == pytest.approx(8 * 3.6e6)
    assert found["wattscope_device_up", "grid"] == 1
    assert found["wattscope_device_up", "kettle"] == 0
    assert ("wattscope_active_power_watts", "kettle") not in found
    assert ("wattscope_log_bytes", "") in found


@pytest.mark.parametrize(("now", "is_shown"), [(NOW, True), ("2026-03-11T11:46:00Z", False)])
def test_silent_meter_is_gone_under_each_of_its_names(
    tmp_path: Path, now: str, *, is_shown: bool
) -> None:
    settings = msgspec.structs.replace(
        HOUSE,
        prometheus=PrometheusSettings(
            names={"bought_kwh_total": NameSettings("grid", "energy_import_wh", "kWh")}
        ),
    )
    with open_application(tmp_path, now=now, settings=settings, fill=fill_house) as application:
        found = scrape(application)
    assert (("wattscope_energy_import_joules_total", "grid") in found) == is_shown
    assert (("wattscope_energy_import_today_joules", "grid") in found) == is_shown
    assert found.get(("bought_kwh_total", "")) == (pytest.approx(1032.0) if is_shown else None)
    assert found["wattscope_device_up", "grid"] == is_shown
