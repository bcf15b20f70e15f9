"""Rows of the meter book for tests, and the fleet that they become."""

from __future__ import annotations

from typing import Any

from wattscope.compute.modbus.meter_rows import BookRows, FleetRules, build_fleet
from wattscope.core.errors import SettingsError
from wattscope.core.fleet import Fleet
from wattscope.core.registers import Register, RegisterMap, RegisterType
from wattscope.core.topology import Site

SITE = Site("plant", "Plant", "Europe/Warsaw")
RULES = FleetRules(SITE, "10s", lambda: ("sdm630", "sdm120"))
PROFILE = RegisterMap(
    "sdm630",
    "Eastron SDM630",
    tuple(Register(f"voltage_l{n}_v", 4, 2 * n - 2, RegisterType.FLOAT32) for n in (1, 2, 3)),
)
METER = {"host": "10.0.0.7", "port": 502, "slave_address": 1, "type": "sdm630"}
REGISTER = {
    "type": "own",
    "register_address": 52,
    "measurement_name": "activePower",
    "data_unit": "W",
    "data_type": 3,
    "function_code": 4,
}
NEIGHBOUR = {"id": 1, "host": "neighbour", "port": 502, "slave_address": 9, "type": "sdm630"}


def find_profile(name: str) -> RegisterMap | None:
    if name == "broken":
        raise SettingsError("is no TOML: line 3", where="profile broken")
    return PROFILE if name == "sdm630" else None


def build(
    *meters: dict[str, Any],
    registers: tuple[dict[str, Any], ...] = (),
    groups: tuple[dict[str, Any], ...] = (),
    sites: tuple[dict[str, Any], ...] = (),
    settings: tuple[dict[str, Any], ...] = (),
) -> Fleet:
    numbered = [{"id": number, **row} for number, row in enumerate(meters, 1)]
    described = [{"id": number, **row} for number, row in enumerate(registers, 1)]
    rows = BookRows(numbered, described, groups, sites)
    return build_fleet(rows, find_profile, RULES, settings)
