"""``[prometheus]``: names of one's own, checked before anything starts."""

from __future__ import annotations

import pytest

from wattscope.compute.prometheus_renames import Rename
from wattscope.core.errors import SettingsError
from wattscope.settings import Settings, list_renames, parse_settings

POWER = 'kw = { device = "wago", quantity = "active_power_w", unit = "kW" }'


def read_names(*lines: str) -> Settings:
    return parse_settings("[prometheus.names]\n" + "\n".join(lines))


def test_without_the_table_there_is_no_port_and_no_name() -> None:
    assert Settings().prometheus.port is None
    assert list_renames(Settings()) == []


def test_names_are_read_in_their_order() -> None:
    settings = read_names(POWER, 'hz = { device = "wago", quantity = "frequency_hz" }')
    assert list_renames(settings) == [
        Rename("kw", "wago", "active_power_w", "kW"),
        Rename("hz", "wago", "frequency_hz", None),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            'a = { devcie = "wago", quantity = "active_power_w" }',
            "prometheus.names.a.devcie: unknown key; did you mean device?",
        ),
        ('a = { device = "wago" }', "prometheus.names.a.quantity: is missing"),
        ('a = { device = 7, quantity = "active_power_w" }', "prometheus.names.a.device: "),
        ('a = "active_power_w"', "prometheus.names: "),
        (
            'a = { device = "wago", quantity = "active_powr_w" }',
            "prometheus.names.a: quantity 'active_powr_w' is unknown; did you mean active_power_w?",
        ),
        (
            'a = { device = "wago", quantity = "energy_total_wh", unit = "kw" }',
            "prometheus.names.a: energy_total_wh cannot be shown in 'kw'; valid are ",
        ),
        ('"a b" = { device = "wago", quantity = "voltage_v" }', "is no name of a metric"),
    ],
)
def test_fault_is_named_with_its_place_and_the_nearest(line: str, fault: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_names(line)
    assert any(fault in one for one in raised.value.faults), raised.value.faults


def test_all_faults_are_listed_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        read_names('a = { device = "w", quantity = "x" }', 'b = { device = "w", quantity = "y" }')
    assert len(raised.value.faults) == 2


@pytest.mark.parametrize("port", [0, 70_000, -1])
def test_port_is_one(port: int) -> None:
    with pytest.raises(SettingsError, match=r"prometheus\.port: .* is not between 1 and 65535"):
        parse_settings(f"[prometheus]\nport = {port}")
