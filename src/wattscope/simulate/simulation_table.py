"""A recipe's ``[simulate]`` table becomes the settings of a simulation, or a list of its faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from wattscope.core.errors import QueryError, SettingsError
from wattscope.core.sound_table import convert_flat
from wattscope.core.time_grid import load_zone

SimulationT = TypeVar("SimulationT", bound=msgspec.Struct)

MAX_SEED = 2**63 - 1


def read_simulation(
    kind: type[SimulationT], table: Mapping[str, Any], *, time_zone: str
) -> SimulationT:
    """The settings that a table tells.

    Args:
        kind: The settings; it has a field ``time_zone`` and checks itself when it is made.
        table: The section as TOML gave it.
        time_zone: The site's zone.

    Raises:
        SettingsError: Every unknown key, wrong type and wrong value.
    """
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    del types["time_zone"]
    faults: list[str] = []
    values = convert_flat(table, types, "setting", faults)
    try:
        settings = kind(time_zone=time_zone, **values)
    except SettingsError as error:
        faults.extend(error.faults)
    if faults:
        raise SettingsError(faults, where="[simulate]")
    return settings


def find_number_faults(
    settings: msgspec.Struct, limits: Iterable[tuple[str, float, float]]
) -> list[str]:
    """Fields that are not within their lowest and highest value."""
    return [
        f"{name}: {getattr(settings, name):g} is not within {low:g} to {high:g}"
        for name, low, high in limits
        if not low <= getattr(settings, name) <= high
    ]


def find_zone_faults(time_zone: str) -> list[str]:
    """A zone that does not exist."""
    try:
        load_zone(time_zone)
    except QueryError as error:
        return [f"time_zone: {error}"]
    return []
