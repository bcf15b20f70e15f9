"""A real Prometheus scrapes us, believes our types, answers the panels, forgets the silent."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.scraped import Exporter, Prometheus, get, run_exporter, wait_until
from tests.servers import ServerMissingError, find_program, run_prometheus
from wattscope.core.quantities import QUANTITIES, QuantityKind
from wattscope.settings import parse_settings

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
PAGE = ROOT / "docs" / "prometheus.md"
VALUES = {
    "active_power_w": 1846.0,
    "active_power_l1_w": 1000.0,
    "active_power_l2_w": 800.0,
    "active_power_l3_w": 46.0,
    "energy_total_wh": 1_234_000.0,
    "energy_total_l1_wh": 400_000.0,
    "energy_total_l2_wh": 500_000.0,
    "energy_total_l3_wh": 334_000.0,
    "frequency_hz": 50.02,
    "power_factor": 0.93,
    "flow_rate__l_per_min": 11.5,
}


@pytest.fixture(scope="module")
def promtool() -> str:
    path = find_program("promtool")
    if path is None:
        pytest.skip("Prometheus is not installed (apt install prometheus)")
    return path


def read_example() -> str:
    """The settings that docs/prometheus.md gives for the heat pump."""
    block = PAGE.read_text(encoding="utf-8").partition("```toml\n[prometheus]\n")[2]
    return "[prometheus]\n" + block.partition("```")[0]


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    text = """
        sources = []
        [broker]
        embedded = false
        [site]
        id = "house"
        time_zone = "Europe/Berlin"
        [[devices]]
        id = "heatpump"
        kind = "heat_pump"
        interval_s = 1
        """
    settings = parse_settings(text + read_example())
    assert settings.prometheus.port == 9100
    with run_exporter(tmp_path / "data", settings, VALUES) as running:
        yield running


@pytest.fixture
def prometheus(exporter: Exporter, tmp_path: Path) -> Iterator[Prometheus]:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        try:
            port = stack.enter_context(run_prometheus(folder, exporter.port, rules=RULES))
        except ServerMissingError as missing:
            pytest.skip(str(missing))
        wait_until(lambda: get(port, "/-/ready")[0] == 200, "Prometheus is ready")
        yield Prometheus(port)


def check_metrics(promtool: str, text: str) -> str:
    """What promtool has to say; nothing when all is well."""
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"{done.returncode}")


def test_panels_of_the_seed_answer_and_a_silent_device_goes_stale(
    exporter: Exporter, prometheus: Prometheus
) -> None:
    wait_until(lambda: (prometheus.value("count_over_time(up[1m])") or 0) >= 4, "four scrapes")
    assert prometheus.value("up") == 1
    for name, value in {
        "wago_power_total_kw": 1.846,
        "wago_power_L1_kw": 1.0,
        "wago_power_L2_kw": 0.8,
        "wago_power_L3_kw": 0.046,
        "wago_frequency_hz": 50.02,
        "wago_power_factor": 0.93,
    }.items():
        assert prometheus.value(name) == pytest.approx(value, rel=1e-12), name
    for name, start in {
        "wago_energy_total_kwh": 1234.0,
        "wago_energy_L1_kwh": 400.0,
        "wago_energy_L2_kwh": 500.0,
        "wago_energy_L3_kwh": 334.0,
    }.items():
        newest = prometheus.value(name)
        assert newest is not None, name
        assert start < newest <= start + exporter.meter.n_said / 1000, name
        grown = prometheus.value(f"increase({name}[1d])")
        assert grown is not None
        assert 0 < grown < 3 * exporter.meter.n_said / 1000

    own = prometheus.ask("wattscope_phase_active_power_watts")
    assert {labels["phase"]: value for labels, value in own} == {
        "l1": 1000.0,
        "l2": 800.0,
        "l3": 46.0,
    }
    assert {(labels["site"], labels["device"]) for labels, _ in own} == {("house", "heatpump")}
    # Half a second a watt-hour: the rate of the counter in joules is a power in watts.
    wait_until(
        lambda: (prometheus.value("rate(wattscope_energy_total_joules_total[30s])") or 0) > 3600,
        "the rate of the counter",
    )
    today = prometheus.value("wattscope_energy_total_today_joules")
    assert today is not None
    assert 0 <= today <= 3600 * exporter.meter.n_said

    check_types(prometheus)
    check_recorded(prometheus)

    exporter.meter.is_silent.set()
    exporter.meter.ahead_us = 21_000_000
    wait_until(lambda: prometheus.value("wago_power_total_kw") is None, "it is stale", 10)
    assert prometheus.ask("absent(wattscope_active_power_watts)")[0][1] == 1
    kept = {
        "wattscope_device_up",
        "wattscope_device_info",
        "wattscope_device_last_reading_timestamp_seconds",
        "ALERTS",
        "ALERTS_FOR_STATE",
    }
    # What rules have made of it goes with their next evaluation.
    wait_until(
        lambda: {one["__name__"] for one, _ in prometheus.ask('{device="heatpump"}')} <= kept,
        "all is stale that was made of it",
        10,
    )
    assert prometheus.value("wattscope_device_up") == 0
    assert prometheus.value("up") == 1


def check_types(prometheus: Prometheus) -> None:
    """Counters are counters, gauges are gauges, and old names of counters say nothing false."""
    types = {
        name: entries[0]["type"] for name, entries in prometheus.read("/api/v1/metadata").items()
    }
    counters = {name for name, kind in types.items() if kind == "counter"}
    assert counters >= {
        "wattscope_energy_total_joules_total",
        "wattscope_phase_energy_total_joules_total",
        "wattscope_values_stored_total",
        "wago_energy_total_kwh_total",
        "wago_energy_L1_kwh_total",
    }
    assert {name for name in types if name.endswith("_total")} == counters
    assert types["wago_energy_total_kwh"] == "unknown"
    assert types["wago_power_total_kw"] == "gauge"
    assert types["wattscope_active_power_watts"] == "gauge"


def check_recorded(prometheus: Prometheus) -> None:
    """The recording rules of deploy/ give what their names say."""
    wait_until(lambda: prometheus.value("device:phase_power_imbalance:ratio") is not None, "a rule")
    assert prometheus.value("device:phase_power_imbalance:ratio") == pytest.approx(
        (1846 / 3 - 46) / (1846 / 3)
    )
    today = prometheus.value("device:energy_total_today:kilowatthours")
    assert today is not None
    phases = prometheus.ask("device_phase:active_power:kilowatts")
    assert {labels["phase"]: value for labels, value in phases}["l3"] == pytest.approx(0.046)
    assert prometheus.value("device:frequency_band:code") == 0
    assert prometheus.value("device:power_factor_band:code") == 0


def test_promtool_finds_nothing_to_say(exporter: Exporter, promtool: str) -> None:
    status, text = get(exporter.port, "/metrics")
    assert status == 200
    assert "\nwago_energy_total_kwh_total " in text
    assert check_metrics(promtool, text) == ""
    # It would notice: the same counter by its old name alone.
    named = text.replace(
        "# TYPE wago_energy_total_kwh untyped", "# TYPE wago_energy_total_kwh counter"
    )
    assert "wago_energy_total_kwh" in check_metrics(promtool, named)


def test_promtool_finds_nothing_to_say_of_any_quantity(tmp_path: Path, promtool: str) -> None:
    values = dict.fromkeys(QUANTITIES, 1.0) | {
        "operating_hours_total__h": 5.0,
        "dc_power_s2_w": 9.0,
    }
    settings = parse_settings(
        'sources = []\n[broker]\nembedded = false\n[[devices]]\nid = "heatpump"'
    )
    with run_exporter(tmp_path, settings, values) as running:
        status, text = get(running.port, "/metrics")
    assert status == 200
    assert check_metrics(promtool, text) == ""
    n_counters = sum(one.kind is QuantityKind.COUNTER for one in QUANTITIES.values())
    assert text.count("_total{") >= n_counters


def test_port_for_prometheus_answers_metrics_and_nothing_else(exporter: Exporter) -> None:
    assert get(exporter.port, "/metrics")[0] == 200
    for path in ("/", "/api/devices", "/docs", "/openapi.json", "/healthz"):
        status, text = get(exporter.port, path)
        assert status == 404, path
        assert '"code":"not_found"' in text
    status, text = get(exporter.port, "/metrics", host="evil.example")
    assert (status, '"code":"wrong_host"' in text) == (421, True)


@pytest.mark.parametrize("words", [("check", "config"), ("check", "rules")])
def test_promtool_takes_the_files_of_deploy(promtool: str, words: tuple[str, str]) -> None:
    file = RULES if words[1] == "rules" else RULES.with_name("prometheus.yml")
    done = subprocess.run([promtool, *words, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_rules_do_what_their_names_say(promtool: str) -> None:
    """promtool runs the rules over made-up series; the cases stand in deploy/prometheus."""
    done = subprocess.run(
        [promtool, "test", "rules", RULES.with_name("rules_test.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
